//! One side of a book: its price levels, found in constant time near the touch.
//!
//! Levels stand in pages of neighbouring prices, with a bitmap of those that are occupied. The pages
//! hang in an ordered map, which is asked only when the best page runs empty or a page comes or goes;
//! a direct-mapped cache, twice as large as there are pages, answers for those in use. A page that
//! runs empty stays where it is, in case its prices come back, until it is in the way. An empty book
//! has no page at all.

use std::collections::BTreeMap;

use super::LevelChange;
use crate::order::Side;
use crate::slab::NONE;
use crate::units::{Price, Quantity};

const PAGE_BITS: u32 = 5;
const PAGE_LEVELS: usize = 1 << PAGE_BITS;
/// How many empty pages may stay, beside as many as have levels.
const IDLE_PAGES: usize = 4;
const CACHED_PAGES_MIN: usize = 8;

/// A level as the rest of the book sees it.
#[derive(Clone, Copy, Debug)]
pub struct Level {
    pub price: Price,
    pub quantity: Quantity,
    pub head: u32,
}

/// A level as it is stored. One without orders has no quantity, head or tail, and any price.
#[derive(Clone, Copy, Debug)]
struct Stored {
    price: Price,
    quantity: Quantity,
    head: u32,
    tail: u32,
}

const EMPTY: Stored = Stored { price: Price::ZERO, quantity: Quantity::ZERO, head: NONE, tail: NONE };

/// Which prices a page holds, and which of its levels have orders.
#[derive(Clone, Copy, Debug)]
struct Page {
    number: u64,
    occupied: u32,
}

#[derive(Clone, Copy, Debug)]
struct Cached {
    number: u64,
    page: u32,
}

/// No price has a page of this number.
const UNCACHED: Cached = Cached { number: u64::MAX, page: NONE };

/// One side of a book. A level is named by where it stands in `levels`.
#[derive(Clone, Debug)]
pub struct Ladder {
    side: Side,
    /// Turns a price into a key such that the best price has the lowest key.
    mask: u64,
    best_key: u64,
    best: u32,
    /// Page by page.
    levels: Vec<Stored>,
    pages: Vec<Page>,
    free: Vec<u32>,
    by_number: BTreeMap<u64, u32>,
    /// How many of those in the map have no levels.
    idle: usize,
    /// By the last bits of the number; as long as a power of two, or empty.
    cache: Vec<Cached>,
}

impl Ladder {
    pub fn new(side: Side) -> Self {
        Self {
            side,
            mask: if side == Side::Buy { u64::MAX } else { 0 },
            best_key: u64::MAX,
            best: NONE,
            levels: Vec::new(),
            pages: Vec::new(),
            free: Vec::new(),
            by_number: BTreeMap::new(),
            idle: 0,
            cache: Vec::new(),
        }
    }

    #[inline]
    pub fn best(&self) -> Option<Level> {
        (self.best != NONE).then(|| self.level(self.best))
    }

    /// The best level if an order of the other side with this limit trades with it.
    #[inline]
    pub fn best_within(&self, limit: Price) -> Option<(u32, Level)> {
        (self.best_key <= limit.0 ^ self.mask && self.best != NONE).then(|| (self.best, self.level(self.best)))
    }

    /// Whether an order of the other side with this limit trades here.
    #[inline]
    pub fn is_within(&self, limit: Price) -> bool {
        self.best_key <= limit.0 ^ self.mask && self.best != NONE
    }

    /// The level of a price, if anything rests there.
    pub fn at(&self, price: Price) -> Option<Level> {
        let key = price.0 ^ self.mask;
        let page = *self.by_number.get(&(key >> PAGE_BITS))?;
        let bit = key as u32 % PAGE_LEVELS as u32;
        let occupied = self.pages[page as usize].occupied & (1 << bit) != 0;
        occupied.then(|| self.level(level_at(page, bit)))
    }

    /// The levels, best first.
    pub fn iter(&self) -> impl Iterator<Item = Level> {
        self.by_number.values().flat_map(move |page| {
            let mut occupied = self.pages[*page as usize].occupied;
            std::iter::from_fn(move || {
                let bit = occupied.trailing_zeros();
                occupied &= occupied.checked_sub(1)?;
                Some(self.level(level_at(*page, bit)))
            })
        })
    }

    /// Puts an order behind the others of its price. Gives its level, the order before it, and what
    /// rests there now.
    #[inline(always)]
    pub fn append(&mut self, price: Price, order: u32, quantity: Quantity) -> (u32, u32, Quantity) {
        let key = price.0 ^ self.mask;
        let number = key >> PAGE_BITS;
        let page = match self.cache.get(self.cached_at(number)) {
            Some(cached) if cached.number == number => cached.page,
            _ => self.page_at(number),
        };
        let level = level_at(page, key as u32 % PAGE_LEVELS as u32);
        let stored = &mut self.levels[level as usize];
        stored.quantity += quantity;
        let total = stored.quantity;
        let previous = std::mem::replace(&mut stored.tail, order);
        if previous == NONE {
            stored.head = order;
            stored.price = price;
            self.open(level, key);
        }
        (level, previous, total)
    }

    /// Lowers what rests at a level. The orders themselves are the caller's.
    #[inline]
    pub fn shrink(&mut self, level: u32, quantity: Quantity) -> LevelChange {
        let side = self.side;
        self.levels[level as usize].shrink(side, quantity)
    }

    /// Changes what rests at a level by an order that goes from one quantity to another.
    pub fn resize(&mut self, level: u32, from: Quantity, to: Quantity) -> LevelChange {
        let stored = &mut self.levels[level as usize];
        stored.quantity = stored.quantity - from + to;
        self.shrink(level, Quantity::ZERO)
    }

    /// The price of a level.
    pub fn price_of(&self, level: u32) -> Price {
        self.level(level).price
    }

    /// Takes a quantity off the front of a level, whose first order is then `head`.
    #[inline]
    pub fn take(&mut self, level: u32, quantity: Quantity, head: u32) -> LevelChange {
        let side = self.side;
        let stored = &mut self.levels[level as usize];
        let change = stored.shrink(side, quantity);
        stored.head = head;
        if head == NONE {
            stored.tail = NONE;
            self.remove(level);
        }
        change
    }

    /// Lowers what rests at a level by an order that leaves, and closes the gap between its
    /// neighbours where one of them is the level itself.
    #[inline(always)]
    pub fn leave(&mut self, level: u32, quantity: Quantity, previous: u32, next: u32) -> LevelChange {
        let side = self.side;
        let stored = &mut self.levels[level as usize];
        let change = stored.shrink(side, quantity);
        if previous == NONE {
            stored.head = next;
        }
        if next == NONE {
            stored.tail = previous;
            if previous == NONE {
                self.remove(level);
            }
        }
        change
    }

    /// A level by its name.
    #[inline]
    fn level(&self, level: u32) -> Level {
        let Stored { price, quantity, head, .. } = self.levels[level as usize];
        Level { price, quantity, head }
    }

    /// Marks a level that has its first order.
    #[inline(never)]
    fn open(&mut self, level: u32, key: u64) {
        let page = &mut self.pages[(level >> PAGE_BITS) as usize];
        self.idle -= usize::from(page.occupied == 0);
        page.occupied |= 1 << (level % PAGE_LEVELS as u32);
        if key < self.best_key || self.best == NONE {
            self.best_key = key;
            self.best = level;
        }
    }

    /// Forgets a level whose last order is gone.
    #[inline(never)]
    fn remove(&mut self, level: u32) {
        let slot = level >> PAGE_BITS;
        let page = &mut self.pages[slot as usize];
        page.occupied &= !(1 << (level % PAGE_LEVELS as u32));
        if page.occupied == 0 {
            self.idle += 1;
            if self.idle > IDLE_PAGES + self.by_number.len() / 2 {
                self.drop_idle();
            }
        }
        if level == self.best {
            let page = if self.pages[slot as usize].occupied != 0 { Some(slot) } else { self.first_page() };
            (self.best, self.best_key) = page.map_or((NONE, u64::MAX), |slot| {
                let page = &self.pages[slot as usize];
                let bit = page.occupied.trailing_zeros();
                (level_at(slot, bit), page.key(bit))
            });
        }
    }

    /// The first page with levels. It may have a few empty ones before it, so that a touch that
    /// goes to and fro over the border of a page costs nothing.
    #[cold]
    fn first_page(&mut self) -> Option<u32> {
        let mut passed = 0;
        let first = self.by_number.values().find(|page| {
            passed += 1;
            self.pages[**page as usize].occupied != 0
        });
        let first = first.copied();
        if passed > IDLE_PAGES {
            self.drop_idle_in_front();
        }
        first
    }

    /// Frees the empty pages before the first with levels, so that it is the first.
    #[cold]
    fn drop_idle_in_front(&mut self) {
        while let Some(first) =
            self.by_number.first_entry().filter(|first| self.pages[*first.get() as usize].occupied == 0)
        {
            let (number, page) = first.remove_entry();
            self.idle -= 1;
            self.forget(number, page);
        }
    }

    /// Frees all empty pages.
    #[cold]
    fn drop_idle(&mut self) {
        let mut by_number = std::mem::take(&mut self.by_number);
        by_number.retain(|number, page| {
            let used = self.pages[*page as usize].occupied != 0;
            if !used {
                self.forget(*number, *page);
            }
            used
        });
        self.by_number = by_number;
        self.idle = 0;
    }

    /// Frees a page that has left the map.
    fn forget(&mut self, number: u64, page: u32) {
        self.free.push(page);
        let at = self.cached_at(number);
        if self.cache[at].number == number {
            self.cache[at] = UNCACHED;
        }
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "masked")]
    fn cached_at(&self, number: u64) -> usize {
        number as usize & self.cache.len().wrapping_sub(1)
    }

    #[cold]
    #[inline(never)]
    fn page_at(&mut self, number: u64) -> u32 {
        let page = match self.by_number.get(&number) {
            Some(page) => *page,
            None => {
                let page = self.new_page(number);
                self.by_number.insert(number, page);
                self.idle += 1;
                page
            }
        };
        debug_assert_eq!(self.pages[page as usize].number, number);
        let at = self.cached_at(number);
        self.cache[at] = Cached { number, page };
        page
    }

    /// A page without orders; an old one if there is one, whose levels were left empty.
    fn new_page(&mut self, number: u64) -> u32 {
        let page = Page { number, occupied: 0 };
        if let Some(slot) = self.free.pop() {
            self.pages[slot as usize] = page;
            return slot;
        }
        // Most sides of a quiet market need one page, so they begin with one; then they double, so that
        // a book that has seen its range asks for no more.
        if self.pages.len() == self.pages.capacity() {
            self.pages.reserve_exact(self.pages.len().max(1));
            self.levels.reserve_exact(self.levels.len().max(PAGE_LEVELS));
        }
        self.pages.push(page);
        self.levels.extend([EMPTY; PAGE_LEVELS]);
        if self.pages.len() * 2 > self.cache.len() {
            self.cache = vec![UNCACHED; (self.cache.len() * 2).max(CACHED_PAGES_MIN)];
            for (number, page) in &self.by_number {
                let at = self.cached_at(*number);
                self.cache[at] = Cached { number: *number, page: *page };
            }
        }
        u32::try_from(self.pages.len() - 1).expect("fewer pages than orders")
    }
}

/// Where a page's level stands.
#[inline]
fn level_at(page: u32, bit: u32) -> u32 {
    page << PAGE_BITS | bit
}

impl Stored {
    #[inline(always)]
    fn shrink(&mut self, side: Side, quantity: Quantity) -> LevelChange {
        self.quantity -= quantity;
        LevelChange { side, price: self.price, quantity: self.quantity }
    }
}

impl Page {
    #[inline]
    fn key(&self, bit: u32) -> u64 {
        self.number << PAGE_BITS | u64::from(bit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One order a level, in regimes: prices near each other, far apart, and so far that each has its
    /// page; the touch wanders, and now and then everything goes.
    #[test]
    fn a_ladder_agrees_with_a_map_wherever_prices_lie() {
        for side in [Side::Buy, Side::Sell] {
            let (mut ladder, mut twin) = (Ladder::new(side), BTreeMap::new());
            let mut seed = 11_u64;
            let mut draw = |bound: u64| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (seed >> 20) % bound
            };
            for step in 0..200_000_u64 {
                let (middle, spread) = match step / 20_000 % 4 {
                    0 => (100_000, 40),
                    1 => (100_000 + step % 20_000, 2_000),
                    2 => (1 << 40, 1 << 39),
                    _ => (1 << 61, 60),
                };
                let price = Price(middle + draw(spread));
                match twin.get(&price).copied() {
                    Some((level, quantity)) => {
                        assert_eq!(ladder.leave(level, quantity, NONE, NONE).quantity, Quantity::ZERO);
                        twin.remove(&price);
                    }
                    None => {
                        let (level, previous, total) = ladder.append(price, 7, Quantity(step + 1));
                        assert_eq!((previous, total), (NONE, Quantity(step + 1)));
                        twin.insert(price, (level, total));
                    }
                }
                let most = if draw(10_000) == 0 { 0 } else { 200 };
                while twin.len() > most {
                    let first = if side == Side::Buy { twin.pop_last() } else { twin.pop_first() };
                    let (_, (level, quantity)) = first.expect("not empty");
                    ladder.take(level, quantity, NONE);
                }
                let best = if side == Side::Buy { twin.last_key_value() } else { twin.first_key_value() };
                let best = best.map(|(price, (_, quantity))| (*price, *quantity));
                assert_eq!(ladder.best().map(|level| (level.price, level.quantity)), best, "step {step}");
                if step % 1_000 == 0 {
                    let mut expected: Vec<Price> = twin.keys().copied().collect();
                    if side == Side::Buy {
                        expected.reverse();
                    }
                    assert!(ladder.iter().map(|level| level.price).eq(expected), "step {step}");
                }
                assert!(ladder.by_number.len() <= 2 * twin.len() + 2 * IDLE_PAGES, "step {step}");
            }
            assert!(ladder.pages.len() <= 2 * 201 + 2 * IDLE_PAGES, "{} pages", ladder.pages.len());
        }
    }
}
