//! Blocks of a run, as they are looked into.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// The longest key.
pub const KEY_BYTES_MAX: usize = 32;

/// A key by value.
#[derive(Clone, Copy)]
pub struct Key {
    bytes: [u8; KEY_BYTES_MAX],
    length: usize,
}

/// An unpacked block. It stays as it is: a block of a run is written once.
pub struct Block {
    key_length: usize,
    /// The keys behind each other.
    keys: Box<[u8]>,
    /// The rows behind each other.
    rows: Box<[u8]>,
    /// Where each row ends.
    ends: Box<[u32]>,
    /// The first key of the block that follows in the run, if it is known whether one does.
    pub next: OnceLock<Option<Key>>,
    /// The first key of the block before, likewise.
    pub previous: OnceLock<Option<Key>>,
    was_used: AtomicBool,
}

/// The rows of a packed block, one by one.
struct Packed<'a> {
    rest: &'a [u8],
    key: Key,
}

impl Key {
    /// Of at most [`KEY_BYTES_MAX`]; what is longer is cut.
    pub fn new(key: &[u8]) -> Self {
        let length = key.len().min(KEY_BYTES_MAX);
        let mut bytes = [0; KEY_BYTES_MAX];
        bytes[..length].copy_from_slice(&key[..length]);
        Self { bytes, length }
    }

    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Block {
    /// Unpacks a block from its first key and its bytes. `None` if it is damaged.
    pub fn unpack(first: &[u8], block: &[u8]) -> Option<Self> {
        let (mut count, mut row_bytes) = (0, 0);
        let mut packed = Packed::new(first, block);
        while !packed.rest.is_empty() {
            row_bytes += packed.next()?.len();
            count += 1;
        }
        if count == 0 {
            return None;
        }
        let mut keys = Vec::with_capacity(count * first.len());
        let (mut rows, mut ends) = (Vec::with_capacity(row_bytes), Vec::with_capacity(count));
        let mut packed = Packed::new(first, block);
        while !packed.rest.is_empty() {
            let row = packed.next()?;
            keys.extend_from_slice(packed.key.as_slice());
            rows.extend_from_slice(row);
            // A block has no more than 2^32 bytes: it fits one value of the database.
            ends.push(rows.len() as u32);
        }
        Some(Self {
            key_length: packed.key.length,
            keys: keys.into_boxed_slice(),
            rows: rows.into_boxed_slice(),
            ends: ends.into_boxed_slice(),
            next: OnceLock::new(),
            previous: OnceLock::new(),
            was_used: AtomicBool::new(true),
        })
    }

    /// How many rows it has: at least one.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn key(&self, at: usize) -> &[u8] {
        &self.keys[at * self.key_length..(at + 1) * self.key_length]
    }

    pub fn row(&self, at: usize) -> &[u8] {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.rows[start as usize..self.ends[at] as usize]
    }

    pub fn first(&self) -> &[u8] {
        self.key(0)
    }

    pub fn last(&self) -> &[u8] {
        self.key(self.len() - 1)
    }

    /// How many of its keys pass; those that do come first.
    pub fn partition(&self, passes: impl Fn(&[u8]) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if passes(self.key(middle)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Whether no other block of its run can hold a key that is not before its first.
    pub fn covers(&self, key: &[u8]) -> bool {
        key <= self.last() || self.next.get().is_some_and(|next| next.as_ref().is_none_or(|next| key < next.as_slice()))
    }

    /// What it takes of memory.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.keys.len() + self.rows.len() + size_of_val(&*self.ends)
    }

    /// Notes that it was used.
    pub fn touch(&self) {
        // A store of what is there would take the line from the other processors.
        if !self.was_used.load(Ordering::Relaxed) {
            self.was_used.store(true, Ordering::Relaxed);
        }
    }

    /// Whether it was used since this was asked last.
    pub fn take_used(&self) -> bool {
        self.was_used.swap(false, Ordering::Relaxed)
    }
}

impl<'a> Packed<'a> {
    fn new(first: &[u8], block: &'a [u8]) -> Self {
        Self { rest: block, key: Key::new(first) }
    }

    /// The next row; its key is then `key`. `None` says that the block is damaged.
    fn next(&mut self) -> Option<&'a [u8]> {
        let ([shared, low, high], rest) = self.rest.split_first_chunk()?;
        let own = self.key.bytes[..self.key.length].get_mut(usize::from(*shared)..)?;
        let (suffix, rest) = rest.split_at_checked(own.len())?;
        own.copy_from_slice(suffix);
        let (row, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes([*low, *high])))?;
        self.rest = rest;
        Some(row)
    }
}
