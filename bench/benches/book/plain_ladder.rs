//! The yardstick: the plainest quick book there is. One level per tick in an array as wide as the
//! prices of the stream, a bitmap of three levels over it, a slab of orders chained by price, and an
//! open-addressing table from id to slot.
//!
//! Limit and immediate-or-cancel, cancel, reduce, move: no other order types, no accounts, no
//! messages, no events, no totals by price, no limits that it checks. What a book
//! that has to run a market costs beyond this is what its features cost.

use std::ops::RangeInclusive;

use crate::engines::{Engine, Outcome};
use crate::workload::{Change, Command, Side, Workload};

const NONE: u32 = u32::MAX;

pub struct PlainLadder {
    /// The price of the first level.
    lowest: u32,
    /// Shared by both sides: a price has bids or asks, never both.
    levels: Vec<Level>,
    bids: Bitmap,
    asks: Bitmap,
    best_bid: Option<u32>,
    best_ask: Option<u32>,
    orders: Vec<Order>,
    free: Vec<u32>,
    by_id: Table,
}

#[derive(Clone, Copy)]
struct Level {
    head: u32,
    tail: u32,
}

/// Half a cache line.
#[derive(Clone, Copy)]
struct Order {
    id: u64,
    open: u64,
    level: u32,
    previous: u32,
    next: u32,
    side: Side,
}

const _: () = assert!(size_of::<Order>() == 32);

const EMPTY: Level = Level { head: NONE, tail: NONE };

impl PlainLadder {
    fn with_prices(prices: &RangeInclusive<u32>) -> Self {
        let width = (prices.end() - prices.start() + 1) as usize;
        Self {
            lowest: *prices.start(),
            levels: vec![EMPTY; width],
            bids: Bitmap::new(width),
            asks: Bitmap::new(width),
            best_bid: None,
            best_ask: None,
            orders: Vec::new(),
            free: Vec::new(),
            by_id: Table::new(),
        }
    }

    /// Trades up to a limit and says what is left.
    #[inline]
    fn take(&mut self, taker: u32, side: Side, limit: u32, quantity: u32, outcome: &mut Outcome) -> u64 {
        let limit = limit - self.lowest;
        let mut needed = u64::from(quantity);
        while needed > 0 {
            let level = match side {
                Side::Buy => self.best_ask.filter(|best| *best <= limit),
                Side::Sell => self.best_bid.filter(|best| *best >= limit),
            };
            let Some(level) = level else { break };
            let mut slot = self.levels[level as usize].head;
            while slot != NONE && needed > 0 {
                let maker = &mut self.orders[slot as usize];
                let traded = maker.open.min(needed);
                maker.open -= traded;
                needed -= traded;
                outcome.fill(maker.id, taker.into(), (level + self.lowest).into(), traded);
                if maker.open > 0 {
                    break;
                }
                let (id, next) = (maker.id, maker.next);
                self.by_id.remove(id, |candidate| candidate == slot);
                self.free.push(slot);
                slot = next;
            }
            self.levels[level as usize].head = slot;
            if slot == NONE {
                self.levels[level as usize].tail = NONE;
                self.close(side.opposite(), level);
            } else {
                self.orders[slot as usize].previous = NONE;
            }
        }
        needed
    }

    #[inline]
    fn rest(&mut self, id: u64, side: Side, price: u32, open: u64) {
        let level = price - self.lowest;
        let Level { head, tail } = self.levels[level as usize];
        let order = Order { id, open, level, previous: tail, next: NONE, side };
        let slot = if let Some(slot) = self.free.pop() {
            self.orders[slot as usize] = order;
            slot
        } else {
            self.orders.push(order);
            u32::try_from(self.orders.len() - 1).expect("fewer orders than commands")
        };
        self.by_id.insert(id, slot);
        if head == NONE {
            self.levels[level as usize] = Level { head: slot, tail: slot };
            match side {
                Side::Buy => {
                    self.bids.set(level);
                    self.best_bid = Some(self.best_bid.map_or(level, |best| best.max(level)));
                }
                Side::Sell => {
                    self.asks.set(level);
                    self.best_ask = Some(self.best_ask.map_or(level, |best| best.min(level)));
                }
            }
        } else {
            self.orders[tail as usize].next = slot;
            self.levels[level as usize].tail = slot;
        }
    }

    /// Takes an order out and gives its side; `None` if it is not there.
    #[inline]
    fn cancel(&mut self, id: u64) -> Option<Side> {
        let slot = self.by_id.remove(id, |slot| self.orders[slot as usize].id == id)?;
        let Order { level, previous, next, side, .. } = self.orders[slot as usize];
        if previous == NONE {
            self.levels[level as usize].head = next;
        } else {
            self.orders[previous as usize].next = next;
        }
        if next == NONE {
            self.levels[level as usize].tail = previous;
        } else {
            self.orders[next as usize].previous = previous;
        }
        self.free.push(slot);
        if previous == NONE && next == NONE {
            self.close(side, level);
        }
        Some(side)
    }

    /// A level ran empty.
    #[inline]
    fn close(&mut self, side: Side, level: u32) {
        match side {
            Side::Buy => {
                self.bids.clear(level);
                if self.best_bid == Some(level) {
                    self.best_bid = self.bids.last_below(level);
                }
            }
            Side::Sell => {
                self.asks.clear(level);
                if self.best_ask == Some(level) {
                    self.best_ask = self.asks.first_above(level);
                }
            }
        }
    }
}

impl Engine for PlainLadder {
    fn new(workload: &Workload) -> Self {
        Self::with_prices(&workload.prices)
    }

    #[inline(always)]
    fn execute(&mut self, id: u32, command: &Command, outcome: &mut Outcome) {
        match *command {
            Command::Place { side, immediate, price, quantity } => {
                let rest = self.take(id, side, price, quantity, outcome);
                if rest > 0 && !immediate {
                    self.rest(id.into(), side, price, rest);
                }
            }
            Command::Cancel { order, .. } => {
                if self.cancel(order.into()).is_none() {
                    outcome.refuse(id);
                }
            }
            Command::Change { change: Change::Reduce, order, quantity: open, .. } => {
                let key = u64::from(order);
                match self.by_id.find(key, |slot| self.orders[slot as usize].id == key) {
                    Some(slot) => self.orders[slot as usize].open = open.into(),
                    None => outcome.refuse(id),
                }
            }
            Command::Change { change: Change::Move, order, side, price_or_total: price, quantity, .. } => {
                if self.cancel(order.into()).is_none() {
                    outcome.refuse(id);
                    return;
                }
                let rest = self.take(order, side, price, quantity, outcome);
                if rest > 0 {
                    self.rest(order.into(), side, price, rest);
                }
            }
        }
    }
}

/// Which of up to 64³ levels are occupied; a word of a level says which words below are not zero.
struct Bitmap {
    words: [Vec<u64>; 3],
}

const WORD_BITS: u32 = 6;

impl Bitmap {
    fn new(width: usize) -> Self {
        assert!(width <= 1 << (3 * WORD_BITS), "three levels span 262,144 ticks, not {width}");
        let words = |bits: usize| vec![0; bits.div_ceil(64)];
        Self { words: [words(width), words(width.div_ceil(64)), words(width.div_ceil(64 * 64))] }
    }

    #[inline]
    fn set(&mut self, mut bit: u32) {
        for words in &mut self.words {
            words[(bit >> WORD_BITS) as usize] |= 1 << (bit % 64);
            bit >>= WORD_BITS;
        }
    }

    #[inline]
    fn clear(&mut self, mut bit: u32) {
        for words in &mut self.words {
            let word = &mut words[(bit >> WORD_BITS) as usize];
            *word &= !(1 << (bit % 64));
            if *word != 0 {
                break;
            }
            bit >>= WORD_BITS;
        }
    }

    #[inline]
    fn first_above(&self, bit: u32) -> Option<u32> {
        let mut from = bit;
        for level in 0..3 {
            let word = self.words[level][(from >> WORD_BITS) as usize];
            let above = word & (!1 << (from % 64));
            if above != 0 {
                let mut found = from & !63 | above.trailing_zeros();
                for below in (0..level).rev() {
                    found = found << WORD_BITS | self.words[below][found as usize].trailing_zeros();
                }
                return Some(found);
            }
            from >>= WORD_BITS;
        }
        None
    }

    #[inline]
    fn last_below(&self, bit: u32) -> Option<u32> {
        let mut from = bit;
        for level in 0..3 {
            let word = self.words[level][(from >> WORD_BITS) as usize];
            let below = word & !(u64::MAX << (from % 64));
            if below != 0 {
                let mut found = from & !63 | (63 - below.leading_zeros());
                for lower in (0..level).rev() {
                    found = found << WORD_BITS | (63 - self.words[lower][found as usize].leading_zeros());
                }
                return Some(found);
            }
            from >>= WORD_BITS;
        }
        None
    }
}

/// Open addressing with linear probing; at most half full, so that runs are short. An entry is a
/// slot and 32 bits of its key's hash; the key itself stands in the order.
struct Table {
    entries: Vec<Entry>,
    used: usize,
    shift: u32,
}

#[derive(Clone, Copy)]
struct Entry {
    hash: u32,
    slot: u32,
}

const VACANT: Entry = Entry { hash: 0, slot: NONE };

impl Table {
    fn new() -> Self {
        let bits = 10;
        Self { entries: vec![VACANT; 1 << bits], used: 0, shift: 32 - bits }
    }

    #[inline]
    fn hash(key: u64) -> u32 {
        (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
    }

    #[inline]
    fn after(&self, place: usize) -> usize {
        (place + 1) & (self.entries.len() - 1)
    }

    #[inline]
    fn place_of(&self, key: u64, holds: impl Fn(u32) -> bool) -> Option<usize> {
        let hash = Self::hash(key);
        let mut place = (hash >> self.shift) as usize;
        loop {
            let entry = self.entries[place];
            if entry.slot == NONE {
                return None;
            }
            if entry.hash == hash && holds(entry.slot) {
                return Some(place);
            }
            place = self.after(place);
        }
    }

    #[inline]
    fn find(&self, key: u64, holds: impl Fn(u32) -> bool) -> Option<u32> {
        self.place_of(key, holds).map(|place| self.entries[place].slot)
    }

    #[inline]
    fn insert(&mut self, key: u64, slot: u32) {
        if self.used * 2 >= self.entries.len() {
            self.grow();
        }
        self.put(Entry { hash: Self::hash(key), slot });
        self.used += 1;
    }

    #[inline]
    fn put(&mut self, entry: Entry) {
        let mut place = (entry.hash >> self.shift) as usize;
        while self.entries[place].slot != NONE {
            place = self.after(place);
        }
        self.entries[place] = entry;
    }

    /// Removes a key and gives its slot. Later entries of the run move up, so that nothing dead is
    /// left behind.
    #[inline]
    fn remove(&mut self, key: u64, holds: impl Fn(u32) -> bool) -> Option<u32> {
        let mut gap = self.place_of(key, holds)?;
        let slot = self.entries[gap].slot;
        let mask = self.entries.len() - 1;
        let mut place = self.after(gap);
        loop {
            let entry = self.entries[place];
            if entry.slot == NONE {
                break;
            }
            let home = (entry.hash >> self.shift) as usize;
            // It may move up if the gap is not before its home.
            if (place.wrapping_sub(home) & mask) >= (place.wrapping_sub(gap) & mask) {
                self.entries[gap] = entry;
                gap = place;
            }
            place = self.after(place);
        }
        self.entries[gap] = VACANT;
        self.used -= 1;
        Some(slot)
    }

    #[cold]
    fn grow(&mut self) {
        self.shift -= 1;
        let doubled = vec![VACANT; self.entries.len() * 2];
        for entry in std::mem::replace(&mut self.entries, doubled) {
            if entry.slot != NONE {
                self.put(entry);
            }
        }
    }
}
