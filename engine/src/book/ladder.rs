//! One side of a book: its price levels, found in constant time near the touch.
//!
//! Levels stand in pages of neighbouring prices, pages on shelves of neighbouring pages, shelves in
//! rooms of neighbouring shelves, each with a bitmap of those that are occupied, so that the next best
//! price is found in a look at each, however far it is. Only the rooms, which span 65,536 ticks, hang
//! in an ordered map. A direct-mapped cache, twice as large as there are pages, answers for pages in
//! use. A page that runs empty stays where it is, in case its prices come back, until others are
//! needed. An empty book has none of all this.

use std::collections::BTreeMap;

use super::LevelChange;
use crate::order::Side;
use crate::slab::NONE;
use crate::units::{Price, Quantity};

const PAGE_BITS: u32 = 4;
const PAGE_LEVELS: usize = 1 << PAGE_BITS;
const SHELF_BITS: u32 = 6;
const SHELF_PLACES: usize = 1 << SHELF_BITS;
/// How many pages may be empty, beside three quarters of them, when there is to be one more.
const IDLE_PAGES: usize = 4;
const CACHED_PAGES_MIN: usize = 2;

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
    shelf: u32,
}

/// Which pages stand side by side, and which of them have levels; or, if it is a room, which shelves.
#[derive(Clone, Copy, Debug)]
struct Shelf {
    number: u64,
    occupied: u64,
    /// [`NONE`] where there is none.
    places: [u32; SHELF_PLACES],
    /// How many of them are not [`NONE`].
    held: u32,
    /// Its room, if it is none.
    room: u32,
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
    /// The rooms, too.
    shelves: Vec<Shelf>,
    free_shelves: Vec<u32>,
    rooms: BTreeMap<u64, u32>,
    /// The room asked for last.
    recent: u32,
    /// The page that was freed last to make room.
    hand: usize,
    /// How many pages on shelves have no levels.
    idle: usize,
    /// By the last bits of the number; as long as a power of two, or empty.
    cache: Vec<Cached>,
}

/// Turns prices of a side into keys such that the best price has the lowest.
#[inline(always)]
pub fn key_of(side: Side, price: Price) -> u64 {
    price.0 ^ (side as u64).wrapping_sub(1)
}

const _: () = assert!(Side::Buy as u64 == 0 && Side::Sell as u64 == 1);

impl Ladder {
    pub fn new(side: Side) -> Self {
        Self {
            side,
            mask: key_of(side, Price::ZERO),
            best_key: u64::MAX,
            best: NONE,
            levels: Vec::new(),
            pages: Vec::new(),
            free: Vec::new(),
            shelves: Vec::new(),
            free_shelves: Vec::new(),
            rooms: BTreeMap::new(),
            recent: NONE,
            hand: 0,
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

    /// Whether an order of the other side trades here whose limit has this key there.
    #[inline(always)]
    pub fn is_within(&self, key: u64) -> bool {
        self.best_key <= !key && self.best != NONE
    }

    /// The level of a price, if anything rests there.
    pub fn at(&self, price: Price) -> Option<Level> {
        let key = price.0 ^ self.mask;
        let number = key >> PAGE_BITS;
        let room = *self.rooms.get(&(number >> (2 * SHELF_BITS)))?;
        let shelf = self.shelves[room as usize].occupant(number >> SHELF_BITS)?;
        let page = self.shelves[shelf as usize].occupant(number)?;
        let bit = key as u32 % PAGE_LEVELS as u32;
        let occupied = self.pages[page as usize].occupied & (1 << bit) != 0;
        occupied.then(|| self.level(level_at(page, bit)))
    }

    /// The levels, best first.
    pub fn iter(&self) -> impl Iterator<Item = Level> {
        let shelves = self.rooms.values().flat_map(|room| self.shelves[*room as usize].occupants());
        let pages = shelves.flat_map(|shelf| self.shelves[shelf as usize].occupants());
        pages.flat_map(move |page| {
            let occupied = self.pages[page as usize].occupied;
            bits(occupied.into()).map(move |bit| self.level(level_at(page, bit)))
        })
    }

    /// Puts an order behind the others of the price with this key. Gives its level, the order before it, and what
    /// rests there now.
    #[inline(always)]
    pub fn append(&mut self, key: u64, order: u32, quantity: Quantity) -> (u32, u32, Quantity) {
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
            stored.price = Price(key ^ self.mask);
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
        let Page { number, occupied, shelf } = *page;
        page.occupied |= 1 << (level % PAGE_LEVELS as u32);
        if occupied == 0 {
            self.idle -= 1;
            self.occupy(shelf, number);
        }
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
        let Page { number, occupied, shelf } = *page;
        if occupied == 0 {
            self.idle += 1;
            self.vacate(shelf, number);
        }
        if level == self.best {
            let first = if occupied == 0 { self.first_page(shelf) } else { Some(slot) };
            (self.best, self.best_key) = first.map_or((NONE, u64::MAX), |slot| {
                let page = &self.pages[slot as usize];
                let bit = page.occupied.trailing_zeros();
                (level_at(slot, bit), page.key(bit))
            });
        }
    }

    /// A page with levels again, and its shelf with it.
    #[inline]
    fn occupy(&mut self, shelf: u32, page: u64) {
        let Shelf { number, room, occupied, .. } = self.shelves[shelf as usize];
        self.shelves[shelf as usize].occupied |= 1 << place_of(page);
        if occupied == 0 {
            self.shelves[room as usize].occupied |= 1 << place_of(number);
        }
    }

    /// A page without levels, and its shelf if it was the last there.
    #[inline]
    fn vacate(&mut self, shelf: u32, page: u64) {
        let Shelf { number, room, ref mut occupied, .. } = self.shelves[shelf as usize];
        *occupied &= !(1 << place_of(page));
        if *occupied == 0 {
            self.shelves[room as usize].occupied &= !(1 << place_of(number));
        }
    }

    /// The first page with levels, where the first was on this shelf.
    #[inline]
    fn first_page(&mut self, shelf: u32) -> Option<u32> {
        let shelf = &self.shelves[shelf as usize];
        let first = shelf.first();
        if first.is_some() {
            return first;
        }
        let next = self.shelves[shelf.room as usize].first().or_else(|| self.first_shelf())?;
        self.shelves[next as usize].first()
    }

    /// The first shelf with levels, of any room. There may be a few empty rooms before it, so that a
    /// touch that goes to and fro over the border of a room costs nothing.
    #[cold]
    #[inline(never)]
    fn first_shelf(&mut self) -> Option<u32> {
        let mut passed = 0;
        let first = self.rooms.values().find_map(|room| {
            passed += 1;
            self.shelves[*room as usize].first()
        });
        if passed > IDLE_PAGES {
            self.drop_idle_in_front();
        }
        first
    }

    /// Frees the empty rooms before the first with levels, so that it is the first.
    #[cold]
    fn drop_idle_in_front(&mut self) {
        while let Some((_, room)) = self.rooms.first_key_value()
            && self.shelves[*room as usize].occupied == 0
        {
            for shelf in self.shelves[*room as usize].places.into_iter().filter(|shelf| *shelf != NONE) {
                for page in self.shelves[shelf as usize].places.into_iter().filter(|page| *page != NONE) {
                    self.drop_page(page);
                }
            }
        }
    }

    /// Frees an empty page, of which there are many. They take turns, so that those just left stay.
    fn drop_one(&mut self) {
        loop {
            self.hand = if self.hand == 0 { self.pages.len() } else { self.hand } - 1;
            if self.pages[self.hand].occupied == 0 {
                break;
            }
        }
        self.drop_page(u32::try_from(self.hand).expect("a page"));
    }

    /// Frees an empty page, and its shelf and room if it was the last there.
    fn drop_page(&mut self, page: u32) {
        let Page { number, shelf, .. } = self.pages[page as usize];
        self.pages[page as usize].shelf = NONE;
        self.free.push(page);
        self.idle -= 1;
        let at = self.cached_at(number);
        if self.cache[at].number == number {
            self.cache[at] = UNCACHED;
        }
        if self.clear(shelf, number) {
            let Shelf { number, room, .. } = self.shelves[shelf as usize];
            self.free_shelves.push(shelf);
            if self.clear(room, number) {
                self.free_shelves.push(room);
                self.recent = NONE;
                self.rooms.remove(&self.shelves[room as usize].number);
            }
        }
    }

    /// Clears a place on a shelf, and says whether nothing stands there any more.
    fn clear(&mut self, shelf: u32, number: u64) -> bool {
        let shelf = &mut self.shelves[shelf as usize];
        shelf.places[place_of(number)] = NONE;
        shelf.held -= 1;
        shelf.held == 0
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "masked")]
    fn cached_at(&self, number: u64) -> usize {
        number as usize & self.cache.len().wrapping_sub(1)
    }

    #[cold]
    #[inline(never)]
    fn page_at(&mut self, number: u64) -> u32 {
        // Before its shelf is looked for, which might go.
        if self.free.is_empty() && self.idle > IDLE_PAGES + self.pages.len() / 4 * 3 {
            self.drop_one();
        }
        let shelf = self.shelf_at(number >> SHELF_BITS);
        let mut page = self.shelves[shelf as usize].places[place_of(number)];
        if page == NONE {
            page = self.new_page(Page { number, occupied: 0, shelf });
            self.shelves[shelf as usize].put(number, page);
            self.idle += 1;
        }
        debug_assert_eq!(self.pages[page as usize].number, number);
        let at = self.cached_at(number);
        self.cache[at] = Cached { number, page };
        page
    }

    fn shelf_at(&mut self, number: u64) -> u32 {
        let room_number = number >> SHELF_BITS;
        let recent = self.shelves.get(self.recent as usize).is_some_and(|room| room.number == room_number);
        if !recent {
            self.recent = self.room_at(room_number);
        }
        let room = self.recent;
        match self.shelves[room as usize].places[place_of(number)] {
            NONE => {
                let shelf = self.new_shelf(number, room);
                self.shelves[room as usize].put(number, shelf);
                shelf
            }
            shelf => shelf,
        }
    }

    fn room_at(&mut self, number: u64) -> u32 {
        if let Some(room) = self.rooms.get(&number) {
            return *room;
        }
        let room = self.new_shelf(number, NONE);
        self.rooms.insert(number, room);
        room
    }

    fn new_shelf(&mut self, number: u64, room: u32) -> u32 {
        let shelf = Shelf { number, occupied: 0, places: [NONE; SHELF_PLACES], held: 0, room };
        if let Some(slot) = self.free_shelves.pop() {
            self.shelves[slot as usize] = shelf;
            return slot;
        }
        if self.shelves.len() == self.shelves.capacity() {
            self.shelves.reserve_exact(self.shelves.len().max(2));
        }
        self.shelves.push(shelf);
        u32::try_from(self.shelves.len() - 1).expect("no more than two for a page")
    }

    /// A page without orders; an old one if there is one, whose levels were left empty.
    fn new_page(&mut self, page: Page) -> u32 {
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
            // None is free, or this one would not be new.
            for (slot, page) in (0..).zip(&self.pages) {
                let at = self.cached_at(page.number);
                self.cache[at] = Cached { number: page.number, page: slot };
            }
        }
        u32::try_from(self.pages.len() - 1).expect("fewer pages than orders")
    }
}

/// Where a page stands on its shelf, or a shelf in its room.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "masked")]
fn place_of(number: u64) -> usize {
    number as usize % SHELF_PLACES
}

/// The bits that are set, the last first.
fn bits(mut word: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let bit = word.trailing_zeros();
        word &= word.checked_sub(1)?;
        Some(bit)
    })
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

impl Shelf {
    /// What stands at the place of a number, if it has levels.
    fn occupant(&self, number: u64) -> Option<u32> {
        let place = place_of(number);
        (self.occupied & (1 << place) != 0).then(|| self.places[place])
    }

    /// All that has levels.
    fn occupants(&self) -> impl Iterator<Item = u32> {
        bits(self.occupied).map(|bit| self.places[bit as usize])
    }

    /// The first of what has levels.
    #[inline]
    fn first(&self) -> Option<u32> {
        (self.occupied != 0).then(|| self.places[self.occupied.trailing_zeros() as usize])
    }

    fn put(&mut self, number: u64, what: u32) {
        self.places[place_of(number)] = what;
        self.held += 1;
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
                        let (level, previous, total) = ladder.append(key_of(side, price), 7, Quantity(step + 1));
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
                let held = ladder.pages.len() - ladder.free.len();
                assert!(ladder.rooms.len() <= held && ladder.idle <= held, "step {step}");
            }
            assert!(ladder.pages.len() <= 4 * (201 + IDLE_PAGES), "{} pages", ladder.pages.len());
        }
    }
}
