//! One side of a book: its price levels, found in constant time near the touch.
//!
//! Levels hang in pages of 64 neighbouring prices, with a bitmap of those that are occupied. The
//! pages hang in an ordered map, which is asked only when the best page runs empty or a page
//! comes or goes; a small direct-mapped cache answers for the pages in use. An empty book has no
//! page at all.

use std::collections::BTreeMap;

use super::LevelChange;
use crate::order::Side;
use crate::slab::{NONE, Slab};
use crate::units::{Price, Quantity};

const PAGE_BITS: u32 = 6;
const PAGE_LEVELS: usize = 1 << PAGE_BITS;
const CACHED_PAGES: usize = 16;

#[derive(Clone, Copy, Debug)]
pub struct Level {
    pub price: Price,
    pub quantity: Quantity,
    pub head: u32,
    tail: u32,
    page: u32,
}

#[derive(Clone, Debug)]
struct Page {
    number: u64,
    occupied: u64,
    levels: [u32; PAGE_LEVELS],
}

#[derive(Clone, Copy, Debug)]
struct Cached {
    number: u64,
    page: u32,
}

#[derive(Clone, Debug)]
pub struct Ladder {
    side: Side,
    /// Turns a price into a key such that the best price has the lowest key.
    mask: u64,
    best_key: u64,
    best: u32,
    levels: Slab<Level>,
    pages: Slab<Page>,
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
            levels: Slab::default(),
            pages: Slab::default(),
            by_number: BTreeMap::new(),
            cache: [Cached { number: u64::MAX, page: NONE }; CACHED_PAGES],
        }
    }

    #[inline]
    pub fn best(&self) -> Option<&Level> {
        (self.best != NONE).then(|| &self.levels[self.best])
    }

    /// The best level if an order of the other side with this limit trades with it.
    #[inline]
    pub fn best_within(&self, limit: Price) -> Option<(u32, &Level)> {
        (self.best_key <= limit.0 ^ self.mask && self.best != NONE).then(|| (self.best, &self.levels[self.best]))
    }

    /// The levels, best first.
    pub fn iter(&self) -> impl Iterator<Item = &Level> {
        self.by_number.values().flat_map(move |page| {
            let page = &self.pages[*page];
            let mut occupied = page.occupied;
            std::iter::from_fn(move || {
                let bit = occupied.trailing_zeros();
                occupied &= occupied.checked_sub(1)?;
                Some(&self.levels[page.levels[bit as usize]])
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
        let bit = (key as usize) % PAGE_LEVELS;
        let page = &mut self.pages[page_slot];
        if page.occupied & (1 << bit) != 0 {
            let level = page.levels[bit];
            let record = &mut self.levels[level];
            let previous = std::mem::replace(&mut record.tail, order);
            record.quantity += quantity;
            return (level, previous, LevelChange { side, price, quantity: record.quantity });
        }
        let level = self.levels.insert(Level { price, quantity, head: order, tail: order, page: page_slot });
        page.occupied |= 1 << bit;
        page.levels[bit] = level;
        if key < self.best_key || self.best == NONE {
            self.best_key = key;
            self.best = level;
        }
        (level, NONE, LevelChange { side, price, quantity })
    }

    /// Lowers what rests at a level. The orders themselves are the caller's.
    #[inline]
    pub fn shrink(&mut self, level: u32, quantity: Quantity) -> LevelChange {
        let record = &mut self.levels[level];
        record.quantity -= quantity;
        LevelChange { side: self.side, price: record.price, quantity: record.quantity }
    }

    /// Takes a quantity off the front of a level, whose first order is then `head`.
    #[inline]
    pub fn take(&mut self, level: u32, quantity: Quantity, head: u32) -> LevelChange {
        let change = self.shrink(level, quantity);
        self.levels[level].head = head;
        if head == NONE {
            self.remove(level);
        }
        change
    }

    /// Lowers what rests at a level by an order that leaves, and closes the gap between its
    /// neighbours where one of them is the level itself.
    #[inline]
    pub fn leave(&mut self, level: u32, quantity: Quantity, previous: u32, next: u32) -> LevelChange {
        let record = &mut self.levels[level];
        record.quantity -= quantity;
        if previous == NONE {
            record.head = next;
        }
        if next == NONE {
            record.tail = previous;
        }
        let change = LevelChange { side: self.side, price: record.price, quantity: record.quantity };
        if previous == NONE && next == NONE {
            self.remove(level);
        }
        change
    }

    fn remove(&mut self, level: u32) {
        let record = self.levels[level];
        let key = record.price.0 ^ self.mask;
        let page = &mut self.pages[record.page];
        page.occupied &= !(1 << (key % PAGE_LEVELS as u64));
        let empty = page.occupied == 0;
        self.levels.remove(level);
        if empty {
            let number = key >> PAGE_BITS;
            self.by_number.remove(&number);
            self.pages.remove(record.page);
            let cached = &mut self.cache[number as usize % CACHED_PAGES];
            if cached.number == number {
                cached.number = u64::MAX;
            }
        }
        if level == self.best {
            let page = if empty { self.by_number.values().next().copied() } else { Some(record.page) };
            self.best = page.map_or(NONE, |page| {
                let page = &self.pages[page];
                page.levels[page.occupied.trailing_zeros() as usize]
            });
            self.best_key = self.best().map_or(u64::MAX, |level| level.price.0 ^ self.mask);
        }
    }

    #[cold]
    fn page_at(&mut self, number: u64) -> u32 {
        let page = match self.by_number.get(&number) {
            Some(page) => *page,
            None => {
                let page = self.pages.insert(Page { number, occupied: 0, levels: [NONE; PAGE_LEVELS] });
                self.by_number.insert(number, page);
                page
            }
        };
        debug_assert_eq!(self.pages[page].number, number);
        self.cache[number as usize % CACHED_PAGES] = Cached { number, page };
        page
    }
}
