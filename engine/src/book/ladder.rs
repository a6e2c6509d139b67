//! One side of a book: its price levels, found in constant time near the touch.
//!
//! Levels stand in pages of 64 neighbouring prices, with a bitmap of those that are occupied. The
//! pages hang in an ordered map, which is asked only when the best page runs empty or a page
//! comes or goes; a small direct-mapped cache answers for the pages in use. An empty book has no
//! page at all.

use std::collections::BTreeMap;

use super::LevelChange;
use crate::order::Side;
use crate::slab::NONE;
use crate::units::{Price, Quantity};

const PAGE_BITS: u32 = 6;
const PAGE_LEVELS: usize = 1 << PAGE_BITS;
const CACHED_PAGES: usize = 16;

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
    occupied: u64,
}

#[derive(Clone, Copy, Debug)]
struct Cached {
    number: u64,
    page: u32,
}

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
    cache: [Cached; CACHED_PAGES],
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
            cache: [Cached { number: u64::MAX, page: NONE }; CACHED_PAGES],
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
        let cached = self.cache[number as usize % CACHED_PAGES];
        let page = if cached.number == number { cached.page } else { self.page_at(number) };
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
        self.pages[(level >> PAGE_BITS) as usize].occupied |= 1 << (level % PAGE_LEVELS as u32);
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
        let (number, empty) = (page.number, page.occupied == 0);
        if empty {
            self.by_number.remove(&number);
            self.free.push(slot);
            let cached = &mut self.cache[number as usize % CACHED_PAGES];
            if cached.number == number {
                cached.number = u64::MAX;
            }
        }
        if level == self.best {
            let page = if empty { self.by_number.values().next().copied() } else { Some(slot) };
            (self.best, self.best_key) = page.map_or((NONE, u64::MAX), |slot| {
                let page = &self.pages[slot as usize];
                let bit = page.occupied.trailing_zeros();
                (level_at(slot, bit), page.key(bit))
            });
        }
    }

    #[cold]
    fn page_at(&mut self, number: u64) -> u32 {
        let page = match self.by_number.get(&number) {
            Some(page) => *page,
            None => {
                let page = self.new_page(number);
                self.by_number.insert(number, page);
                page
            }
        };
        debug_assert_eq!(self.pages[page as usize].number, number);
        self.cache[number as usize % CACHED_PAGES] = Cached { number, page };
        page
    }

    /// A page without orders; an old one if there is one, whose levels were left empty.
    fn new_page(&mut self, number: u64) -> u32 {
        let page = Page { number, occupied: 0 };
        if let Some(slot) = self.free.pop() {
            self.pages[slot as usize] = page;
            return slot;
        }
        // A page is a kilobyte and most sides of a quiet market need one: it begins with one.
        if self.pages.len() == self.pages.capacity() {
            self.pages.reserve_exact((self.pages.len() / 8).max(1));
        }
        self.pages.push(page);
        if self.levels.len() == self.levels.capacity() {
            self.levels.reserve_exact((self.levels.len() / 8).next_multiple_of(PAGE_LEVELS).max(PAGE_LEVELS));
        }
        self.levels.extend([EMPTY; PAGE_LEVELS]);
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
