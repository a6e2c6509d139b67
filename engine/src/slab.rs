//! Storage for many small records: slots that are reused, and an index from id to slot.

/// The slot that stands for "none".
pub const NONE: u32 = u32::MAX;

/// Records in numbered slots. A freed slot is reused, last freed first, so that steady state
/// allocates nothing and stays in cache.
#[derive(Clone, Debug)]
pub struct Slab<T> {
    records: Vec<T>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { records: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// Puts a record into a slot.
    pub fn insert(&mut self, record: T) -> u32 {
        if let Some(slot) = self.free.pop() {
            self.records[slot as usize] = record;
            return slot;
        }
        if self.records.len() == self.records.capacity() {
            // An eighth at a time, not double: a book of many orders must not hold twice their
            // memory. The allocator moves large blocks by remapping them.
            self.records.reserve_exact((self.records.len() / 8).max(8));
        }
        self.records.push(record);
        u32::try_from(self.records.len() - 1).expect("fewer than 2^32 records, by the permits that admit them")
    }

    /// Frees a slot. The record stays until the slot is reused and must not be read.
    pub fn remove(&mut self, slot: u32) {
        self.free.push(slot);
    }

    /// How many slots are in use.
    pub fn len(&self) -> usize {
        self.records.len() - self.free.len()
    }
}

impl<T> std::ops::Index<u32> for Slab<T> {
    type Output = T;
    #[inline]
    fn index(&self, slot: u32) -> &T {
        &self.records[slot as usize]
    }
}

impl<T> std::ops::IndexMut<u32> for Slab<T> {
    #[inline]
    fn index_mut(&mut self, slot: u32) -> &mut T {
        &mut self.records[slot as usize]
    }
}

/// An open-addressing index from a 64-bit key to a slot. Keys live in the records, not here:
/// eight bytes a bucket, and the caller says whether a slot holds the key.
#[derive(Clone, Debug, Default)]
pub struct Index {
    buckets: Vec<Bucket>,
    used: usize,
    shift: u32,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    hash: u32,
    slot: u32,
}

const EMPTY: Bucket = Bucket { hash: 0, slot: NONE };
const SMALLEST: usize = 8;

/// Spreads a key over 32 bits; sequential keys land far apart.
#[inline]
fn hash(key: u64) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "the upper half, which fits")]
    let hash = (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32;
    hash
}

impl Index {
    /// The slot of a key, if `holds(slot)` confirms it.
    #[inline]
    pub fn get(&self, key: u64, holds: impl Fn(u32) -> bool) -> Option<u32> {
        if self.used == 0 {
            return None;
        }
        let hash = hash(key);
        let mask = self.buckets.len() - 1;
        let mut position = self.home(hash);
        loop {
            let bucket = self.buckets[position];
            if bucket.slot == NONE {
                return None;
            }
            if bucket.hash == hash && holds(bucket.slot) {
                return Some(bucket.slot);
            }
            position = (position + 1) & mask;
        }
    }

    /// Adds a key that is not there yet.
    #[inline]
    pub fn insert(&mut self, key: u64, slot: u32) {
        // At most seven eighths full.
        if (self.used + 1) * 8 > self.buckets.len() * 7 {
            self.grow();
        }
        self.place(Bucket { hash: hash(key), slot });
        self.used += 1;
    }

    /// Removes the entry of a key that points to `slot`, if there is one.
    #[inline]
    pub fn remove(&mut self, key: u64, slot: u32) {
        if self.used == 0 {
            return;
        }
        let mask = self.buckets.len() - 1;
        let mut position = self.home(hash(key));
        loop {
            let bucket = self.buckets[position];
            if bucket.slot == NONE {
                return;
            }
            if bucket.slot == slot {
                break;
            }
            position = (position + 1) & mask;
        }
        self.used -= 1;
        // Entries behind the gap move up as long as that does not put them before their home.
        let mut gap = position;
        loop {
            position = (position + 1) & mask;
            let bucket = self.buckets[position];
            if bucket.slot == NONE {
                break;
            }
            let distance = position.wrapping_sub(self.home(bucket.hash)) & mask;
            if distance >= (position.wrapping_sub(gap) & mask) {
                self.buckets[gap] = bucket;
                gap = position;
            }
        }
        self.buckets[gap] = EMPTY;
    }

    #[inline]
    fn home(&self, hash: u32) -> usize {
        (hash >> self.shift) as usize
    }

    fn place(&mut self, bucket: Bucket) {
        let mask = self.buckets.len() - 1;
        let mut position = self.home(bucket.hash);
        while self.buckets[position].slot != NONE {
            position = (position + 1) & mask;
        }
        self.buckets[position] = bucket;
    }

    fn grow(&mut self) {
        let capacity = (self.buckets.len() * 2).max(SMALLEST);
        let old = std::mem::replace(&mut self.buckets, vec![EMPTY; capacity]);
        self.shift = 32 - capacity.trailing_zeros();
        for bucket in old.into_iter().filter(|bucket| bucket.slot != NONE) {
            self.place(bucket);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn the_index_agrees_with_a_map_through_growth_and_removal() {
        let mut slab = Slab::default();
        let mut index = Index::default();
        let mut twin = BTreeMap::new();
        let mut seed = 7_u64;
        for step in 0..200_000_u64 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let key = (seed >> 33) % 3_000;
            let found = index.get(key, |slot| slab[slot] == key);
            assert_eq!(found, twin.get(&key).copied(), "step {step}");
            if let Some(slot) = found {
                index.remove(key, slot);
                slab.remove(slot);
                twin.remove(&key);
            } else {
                let slot = slab.insert(key);
                index.insert(key, slot);
                twin.insert(key, slot);
            }
            assert_eq!(slab.len(), twin.len());
        }
    }
}
