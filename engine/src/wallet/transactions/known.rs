//! What is remembered for ever: rows that only grow, found by a fingerprint of 128 bits.
//!
//! Neither part ever stands still to move all it has. Rows lie in blocks of a fixed size, and the
//! index is a directory of small tables, each of which splits alone when it is full (extendible
//! hashing): the longest pause is that of one split, about 1,500 slots of 8 bytes.
//!
//! A row of a known transaction has 32 bytes, and its slot in the index 8, which at a filling
//! between three eighths and three quarters makes 15 on average: 47 bytes per remembered transfer.
//! A movement on a rail takes 16 and 15.

use crate::ids::TransactionId;
use crate::transaction::{TransactionKind, TransactionState};

/// A row that is found by a fingerprint.
pub trait Keyed {
    /// The fingerprint. Two rows of a table never share one.
    fn key(&self) -> u128;
}

impl Keyed for u128 {
    fn key(&self) -> u128 {
        *self
    }
}

/// What is known of a transaction that has ended, and under which number. As small as it gets: there
/// is one for every business id that was ever used.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// In halves, which need no wider alignment.
    id: [u64; 2],
    /// The fingerprint of the body; zero for none.
    pub body: u64,
    /// The place of its terms, counted from 1; zero for none.
    pub terms: u32,
    kind: u8,
    state: u8,
}

/// Stands for an id that was canceled before it was tried.
const NO_KIND: u8 = u8::MAX;

impl Known {
    pub fn new(id: u128, body: u64, kind: Option<TransactionKind>, state: TransactionState) -> Self {
        let id = [(id >> 64) as u64, id as u64];
        Self { id, body, terms: 0, kind: kind.map_or(NO_KIND, |kind| kind as u8), state: state as u8 }
    }

    pub fn kind(&self) -> Option<TransactionKind> {
        TransactionKind::ALL.get(usize::from(self.kind)).copied()
    }

    pub fn state(&self) -> TransactionState {
        TransactionState::ALL[usize::from(self.state)]
    }

    pub fn set_state(&mut self, state: TransactionState) {
        self.state = state as u8;
    }
}

impl Keyed for Known {
    fn key(&self) -> u128 {
        u128::from(self.id[0]) << 64 | u128::from(self.id[1])
    }
}

/// Rows in the order in which they came, counted from 1 and found by their key.
#[derive(Clone, Debug)]
pub struct Table<T> {
    rows: Rows<T>,
    index: Index,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: Rows::default(), index: Index::default() }
    }
}

impl<T: Keyed + Clone> Table<T> {
    pub fn len(&self) -> u64 {
        self.rows.len() as u64
    }

    /// The number of the row with this key.
    #[inline]
    pub fn find(&self, key: u128) -> Option<TransactionId> {
        self.index.find(key, |number| self.rows.get(number - 1).key() == key).map(TransactionId)
    }

    /// The row of a number that was given.
    #[inline]
    pub fn get(&self, number: TransactionId) -> &T {
        self.rows.get(number.0 - 1)
    }

    #[inline]
    pub fn get_mut(&mut self, number: TransactionId) -> &mut T {
        self.rows.get_mut(number.0 - 1)
    }

    /// Appends a row whose key is new, and gives its number.
    #[inline]
    pub fn push(&mut self, row: T) -> TransactionId {
        debug_assert!(self.find(row.key()).is_none());
        let number = self.len() + 1;
        self.index.insert(row.key(), number);
        self.rows.push(row);
        TransactionId(number)
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.rows.iter()
    }
}

/// How many rows a block has.
const BLOCK: usize = 1 << 14;

/// Rows in blocks, so that growth never moves more than the first.
#[derive(Clone, Debug)]
pub struct Rows<T> {
    blocks: Vec<Vec<T>>,
    len: usize,
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self { blocks: Vec::new(), len: 0 }
    }
}

impl<T> Rows<T> {
    pub fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub fn get(&self, place: u64) -> &T {
        let place = place as usize;
        &self.blocks[place / BLOCK][place % BLOCK]
    }

    #[inline]
    pub fn get_mut(&mut self, place: u64) -> &mut T {
        let place = place as usize;
        &mut self.blocks[place / BLOCK][place % BLOCK]
    }

    #[inline]
    pub fn push(&mut self, row: T) {
        if self.len.is_multiple_of(BLOCK) {
            // The first grows as it is needed: most tenants are small.
            self.blocks.push(if self.len == 0 { Vec::new() } else { Vec::with_capacity(BLOCK) });
        }
        self.blocks[self.len / BLOCK].push(row);
        self.len += 1;
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.blocks.iter().flatten()
    }
}

/// How many bits of a slot are the number of its row: 17 thousand million rows.
const NUMBER_BITS: u32 = 34;
/// The others are the highest bits of the key.
const TAG_BITS: u32 = 64 - NUMBER_BITS;
/// The lowest bits of a tag say where in its bucket it belongs.
const PLACE_BITS: u32 = 11;
/// A bucket of so many slots splits when it is full. A smaller one doubles, and so does one that shares
/// all bits which could tell its keys apart.
const BUCKET: usize = 1 << PLACE_BITS;
const BUCKET_FIRST: usize = 32;
/// The highest bits of a tag say in which bucket.
const DEPTH_MAX: u32 = TAG_BITS - PLACE_BITS;

/// From key to number. The highest bits of a key choose a bucket by a directory, which doubles when
/// a bucket splits that has only one place in it.
#[derive(Clone, Debug, Default)]
struct Index {
    directory: Vec<u32>,
    depth: u32,
    buckets: Vec<Bucket>,
}

/// An open table with linear probing. A slot is a tag above a number, and zero if it is free.
#[derive(Clone, Debug)]
struct Bucket {
    slots: Box<[u64]>,
    used: u32,
    /// How many of the highest bits its tags share.
    depth: u32,
}

fn tag_of(key: u128) -> u64 {
    (key >> (128 - TAG_BITS)) as u64
}

impl Index {
    #[inline]
    fn find(&self, key: u128, is_it: impl Fn(u64) -> bool) -> Option<u64> {
        if self.directory.is_empty() {
            return None;
        }
        let tag = tag_of(key);
        self.buckets[self.bucket(tag)].find(tag, is_it)
    }

    #[inline]
    fn bucket(&self, tag: u64) -> usize {
        self.directory[(tag >> (TAG_BITS - self.depth)) as usize] as usize
    }

    /// # Panics
    /// If there are more rows than a slot has numbers for.
    #[inline]
    fn insert(&mut self, key: u128, number: u64) {
        assert!(number < 1 << NUMBER_BITS, "row {number} has no place in the index");
        if self.directory.is_empty() {
            self.directory.push(0);
            self.buckets.push(Bucket::new(BUCKET_FIRST, 0));
        }
        let tag = tag_of(key);
        loop {
            let place = self.bucket(tag);
            let bucket = &mut self.buckets[place];
            if !bucket.is_full() {
                return bucket.insert(tag << NUMBER_BITS | number);
            }
            self.grow(place, tag);
        }
    }

    /// Makes room in a bucket, to which the tag belongs.
    #[cold]
    fn grow(&mut self, place: usize, tag: u64) {
        let bucket = &self.buckets[place];
        let (len, depth) = (bucket.slots.len(), bucket.depth);
        if len < BUCKET || depth == DEPTH_MAX {
            let mut larger = Bucket::new(len * 2, depth);
            bucket.slots.iter().filter(|slot| **slot != 0).for_each(|slot| larger.insert(*slot));
            self.buckets[place] = larger;
            return;
        }
        if depth == self.depth {
            self.directory = self.directory.iter().flat_map(|bucket| [*bucket; 2]).collect();
            self.depth += 1;
        }
        let mut halves = [Bucket::new(len, depth + 1), Bucket::new(len, depth + 1)];
        for slot in self.buckets[place].slots.iter().filter(|slot| **slot != 0) {
            halves[(slot >> (63 - depth) & 1) as usize].insert(*slot);
        }
        let [low, high] = halves;
        self.buckets[place] = low;
        let other = u32::try_from(self.buckets.len()).expect("the directory is no longer than its depth allows");
        self.buckets.push(high);
        // The places of a bucket are those that begin with its tags' common bits.
        let (shared, free) = (tag >> (TAG_BITS - depth), self.depth - depth);
        let (from, half) = ((shared << free) as usize, 1 << (free - 1));
        self.directory[from + half..from + 2 * half].fill(other);
    }
}

impl Bucket {
    fn new(len: usize, depth: u32) -> Self {
        Self { slots: vec![0; len].into_boxed_slice(), used: 0, depth }
    }

    fn is_full(&self) -> bool {
        self.used as usize * 4 >= self.slots.len() * 3
    }

    #[inline]
    fn home(&self, tag: u64) -> usize {
        ((tag as usize & (BUCKET - 1)) * self.slots.len()) >> PLACE_BITS
    }

    #[inline]
    fn find(&self, tag: u64, is_it: impl Fn(u64) -> bool) -> Option<u64> {
        let mut place = self.home(tag);
        loop {
            let slot = self.slots[place];
            if slot == 0 {
                return None;
            }
            let number = slot & ((1 << NUMBER_BITS) - 1);
            if slot >> NUMBER_BITS == tag && is_it(number) {
                return Some(number);
            }
            place = (place + 1) & (self.slots.len() - 1);
        }
    }

    #[inline]
    fn insert(&mut self, slot: u64) {
        let mut place = self.home(slot >> NUMBER_BITS);
        while self.slots[place] != 0 {
            place = (place + 1) & (self.slots.len() - 1);
        }
        self.slots[place] = slot;
        self.used += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    fn key(number: u64) -> u128 {
        let mut digest = Digest(7);
        digest.add(number);
        let high = digest.0;
        digest.add(number);
        u128::from(high) << 64 | u128::from(digest.0)
    }

    #[test]
    fn what_was_put_in_is_found_and_nothing_else_however_much_there_is() {
        let mut table = Table::default();
        assert_eq!(table.find(key(1)), None);
        for number in 1..=200_000 {
            assert_eq!(table.find(key(number)), None);
            assert_eq!(table.push(key(number)), TransactionId(number));
            if number.is_power_of_two() {
                assert!((1..=number).all(|number| table.find(key(number)) == Some(TransactionId(number))));
            }
        }
        assert!((1..=200_000).all(|number| table.find(key(number)) == Some(TransactionId(number))));
        assert!((200_001..=400_000).all(|number| table.find(key(number)).is_none()));
        assert_eq!(table.len(), 200_000);
        assert!(table.iter().copied().eq((1..=200_000).map(key)));
        assert!(table.index.buckets.iter().all(|bucket| bucket.slots.len() <= BUCKET));
    }

    #[test]
    fn keys_that_share_all_bits_that_the_index_looks_at_are_told_apart_all_the_same() {
        let mut table = Table::default();
        let twin = |number: u64| key(1) & !u128::from(u64::MAX) | u128::from(number);
        for number in 1..=300 {
            assert_eq!(table.push(twin(number)), TransactionId(number));
        }
        assert!((1..=300).all(|number| table.find(twin(number)) == Some(TransactionId(number))));
        assert_eq!(table.find(twin(301)), None);
    }

    #[test]
    fn a_full_index_of_the_greatest_depth_doubles_its_buckets() {
        // 12 bits of the key differ: too few to split by, and enough to fill a bucket.
        let mut table = Table::default();
        let near = |number: u64| u128::from(number) << (128 - TAG_BITS);
        for number in 1..=4_000 {
            table.push(near(number));
        }
        assert!((1..=4_000).all(|number| table.find(near(number)) == Some(TransactionId(number))));
        assert_eq!(table.index.depth, DEPTH_MAX);
        assert!(table.index.buckets.iter().any(|bucket| bucket.slots.len() == 2 * BUCKET));
    }

    #[test]
    fn a_known_transaction_has_a_row_of_half_a_line_of_memory() {
        assert_eq!(size_of::<Known>(), 32);
        let known = Known::new(key(5), 9, Some(TransactionKind::Transfer), TransactionState::Confirmed);
        assert_eq!(known.key(), key(5));
        assert_eq!(
            (known.kind(), known.state(), known.body),
            (Some(TransactionKind::Transfer), TransactionState::Confirmed, 9)
        );
        assert_eq!(Known::new(1, 0, None, TransactionState::Canceled).kind(), None);
    }
}
