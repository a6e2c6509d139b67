//! One side of a book: its price levels, found in constant time near the touch.
//!
//! Levels hang in pages of 64 neighbouring prices, with a bitmap of those that are occupied. The
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

/// A level as it stands in its page. Its price follows from where it stands.
#[derive(Clone, Copy, Debug)]
struct Stored {
    quantity: Quantity,
    head: u32,
    tail: u32,
}

const EMPTY: Stored = Stored { quantity: Quantity::ZERO, head: NONE, tail: NONE };

/// Only levels that the bitmap marks mean anything.
#[derive(Clone, Debug)]
struct Page {
    number: u64,
    occupied: u64,
    levels: [Stored; PAGE_LEVELS],
}

#[derive(Clone, Copy, Debug)]
struct Cached {
    number: u64,
    page: u32,
}

/// One side of a book. A level is named by its page and its place there: see [`Place`].
#[derive(Clone, Debug)]
pub struct Ladder {
    side: Side,
    /// Turns a price into a key such that the best price has the lowest key.
    mask: u64,
    best_key: u64,
    best: u32,
    pages: Vec<Page>,
    free: Vec<u32>,
    by_number: BTreeMap<u64, u32>,
    cache: [Cached; CACHED_PAGES],
}

/// Where a level stands: its page's slot and its place in the page, in one number.
#[derive(Clone, Copy)]
struct Place {
    page: u32,
    bit: u32,
}

impl Place {
    #[inline]
    fn of(level: u32) -> Self {
        Self { page: level >> PAGE_BITS, bit: level % PAGE_LEVELS as u32 }
    }

    #[inline]
    fn level(self) -> u32 {
        self.page << PAGE_BITS | self.bit
    }
}

impl Ladder {
    pub fn new(side: Side) -> Self {
        Self {
            side,
            mask: if side == Side::Buy { u64::MAX } else { 0 },
            best_key: u64::MAX,
            best: NONE,
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

    /// The level of a price, if anything rests there.
    pub fn at(&self, price: Price) -> Option<Level> {
        let key = price.0 ^ self.mask;
        let page = *self.by_number.get(&(key >> PAGE_BITS))?;
        let bit = key as u32 % PAGE_LEVELS as u32;
        let occupied = self.pages[page as usize].occupied & (1 << bit) != 0;
        occupied.then(|| self.level(Place { page, bit }.level()))
    }

    /// The levels, best first.
    pub fn iter(&self) -> impl Iterator<Item = Level> {
        self.by_number.values().flat_map(move |page| {
            let mut occupied = self.pages[*page as usize].occupied;
            std::iter::from_fn(move || {
                let bit = occupied.trailing_zeros();
                occupied &= occupied.checked_sub(1)?;
                Some(self.level(Place { page: *page, bit }.level()))
            })
        })
    }

    /// Puts an order behind the others of its price. Gives its level and the order before it.
    #[inline]
    pub fn append(&mut self, price: Price, order: u32, quantity: Quantity) -> (u32, u32, LevelChange) {
        let side = self.side;
        let key = price.0 ^ self.mask;
        let number = key >> PAGE_BITS;
        let cached = self.cache[number as usize % CACHED_PAGES];
        let page_slot = if cached.number == number { cached.page } else { self.page_at(number) };
        let place = Place { page: page_slot, bit: key as u32 % PAGE_LEVELS as u32 };
        let page = &mut self.pages[page_slot as usize];
        let stored = &mut page.levels[place.bit as usize];
        if page.occupied & (1 << place.bit) != 0 {
            let previous = std::mem::replace(&mut stored.tail, order);
            stored.quantity += quantity;
            return (place.level(), previous, LevelChange { side, price, quantity: stored.quantity });
        }
        *stored = Stored { quantity, head: order, tail: order };
        page.occupied |= 1 << place.bit;
        if key < self.best_key || self.best == NONE {
            self.best_key = key;
            self.best = place.level();
        }
        (place.level(), NONE, LevelChange { side, price, quantity })
    }

    /// Lowers what rests at a level. The orders themselves are the caller's.
    #[inline]
    pub fn shrink(&mut self, level: u32, quantity: Quantity) -> LevelChange {
        let Place { page, bit } = Place::of(level);
        let page = &mut self.pages[page as usize];
        let price = Price(page.key(bit) ^ self.mask);
        let stored = &mut page.levels[bit as usize];
        stored.quantity -= quantity;
        LevelChange { side: self.side, price, quantity: stored.quantity }
    }

    /// Takes a quantity off the front of a level, whose first order is then `head`.
    #[inline]
    pub fn take(&mut self, level: u32, quantity: Quantity, head: u32) -> LevelChange {
        let change = self.shrink(level, quantity);
        let Place { page, bit } = Place::of(level);
        self.pages[page as usize].levels[bit as usize].head = head;
        if head == NONE {
            self.remove(level);
        }
        change
    }

    /// Lowers what rests at a level by an order that leaves, and closes the gap between its
    /// neighbours where one of them is the level itself.
    #[inline]
    pub fn leave(&mut self, level: u32, quantity: Quantity, previous: u32, next: u32) -> LevelChange {
        let change = self.shrink(level, quantity);
        if previous == NONE || next == NONE {
            let Place { page, bit } = Place::of(level);
            let stored = &mut self.pages[page as usize].levels[bit as usize];
            if previous == NONE {
                stored.head = next;
            }
            if next == NONE {
                stored.tail = previous;
            }
            if previous == NONE && next == NONE {
                self.remove(level);
            }
        }
        change
    }

    /// A level by its name.
    #[inline]
    pub fn level(&self, level: u32) -> Level {
        let Place { page, bit } = Place::of(level);
        let page = &self.pages[page as usize];
        let Stored { quantity, head, .. } = page.levels[bit as usize];
        Level { price: Price(page.key(bit) ^ self.mask), quantity, head }
    }

    fn remove(&mut self, level: u32) {
        let Place { page: page_slot, bit } = Place::of(level);
        let page = &mut self.pages[page_slot as usize];
        page.occupied &= !(1 << bit);
        let (number, empty) = (page.number, page.occupied == 0);
        if empty {
            self.by_number.remove(&number);
            self.free.push(page_slot);
            let cached = &mut self.cache[number as usize % CACHED_PAGES];
            if cached.number == number {
                cached.number = u64::MAX;
            }
        }
        if level == self.best {
            let page = if empty { self.by_number.values().next().copied() } else { Some(page_slot) };
            (self.best, self.best_key) = page.map_or((NONE, u64::MAX), |slot| {
                let page = &self.pages[slot as usize];
                let bit = page.occupied.trailing_zeros();
                (Place { page: slot, bit }.level(), page.key(bit))
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

    /// A page without levels; an old one if there is one. What stands in its levels is left there.
    fn new_page(&mut self, number: u64) -> u32 {
        if let Some(slot) = self.free.pop() {
            let page = &mut self.pages[slot as usize];
            (page.number, page.occupied) = (number, 0);
            return slot;
        }
        // A page is a kilobyte and most sides of a quiet market need one: it begins with one.
        let pages = self.pages.len();
        if pages == self.pages.capacity() {
            self.pages.reserve_exact((pages / 8).max(pages.clamp(1, 8)));
        }
        self.pages.push(Page { number, occupied: 0, levels: [EMPTY; PAGE_LEVELS] });
        u32::try_from(self.pages.len() - 1).expect("fewer pages than orders")
    }
}

impl Page {
    #[inline]
    fn key(&self, bit: u32) -> u64 {
        self.number << PAGE_BITS | u64::from(bit)
    }
}
