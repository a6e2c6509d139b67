//! Storage for many small records: slots that are reused, and an index from id to slot.

use std::marker::PhantomData;

/// The slot that stands for "none".
pub const NONE: u32 = u32::MAX;

/// Records in numbered slots. A freed slot is reused, last freed first, so that steady state
/// allocates nothing and stays in cache.
#[derive(Clone, Debug)]
pub struct Slab<T> {
    records: Vec<T>,
    free: Vec<u32>,
    used: usize,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { records: Vec::new(), free: Vec::new(), used: 0 }
    }
}

impl<T> Slab<T> {
    /// Puts a record into a slot.
    pub fn insert(&mut self, record: T) -> u32 {
        self.used += 1;
        if let Some(slot) = self.free.pop() {
            self.records[slot as usize] = record;
            return slot;
        }
        push_lean(&mut self.records, record);
        Self::slot_at(self.records.len() - 1)
    }

    /// Frees a slot. The record stays until the slot is reused and must not be read.
    pub fn remove(&mut self, slot: u32) {
        self.free.push(slot);
        self.used -= 1;
    }

    fn slot_at(position: usize) -> u32 {
        u32::try_from(position).expect("fewer than 2^32 records, by the permits that admit them")
    }

    /// How many slots are in use.
    pub fn len(&self) -> usize {
        self.used
    }

    /// Whether no slot is in use.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.used == 0
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

/// Appends a record and grows an eighth at a time, not double: a book of many orders must not hold
/// twice their memory. The allocator moves large blocks by remapping them.
pub fn push_lean<T>(records: &mut Vec<T>, record: T) {
    if records.len() == records.capacity() {
        records.reserve_exact((records.len() / 8).max(8));
    }
    records.push(record);
}

/// A hash index from a 64-bit key to a slot. Keys live in the records, not here: about ten bytes
/// an entry, eight in a dense one, and the caller says whether a slot holds the key.
///
/// Entries stand in groups of seven, each with a byte of its key's hash, so that one comparison of
/// a word asks all seven and a lookup hardly ever branches wrongly. A key whose group is full goes
/// to the next one with room; every full group counts the keys that passed it, so that a search
/// knows when to go on. No entry moves when another goes.
///
/// `H` says where a key looks first: [`Scattered`] for keys of any kind, [`Paired`] for numbers that
/// are given out one after the other.
#[derive(Clone, Debug)]
pub struct Index<H = Scattered> {
    groups: Vec<Group>,
    used: usize,
    dense: bool,
    homes: PhantomData<H>,
}

/// Where a key looks first.
pub trait Homes {
    /// The group of a key with this hash, of so many.
    fn home(key: u64, hash: Hash, groups: usize) -> usize;
    /// How many groups an index has next that has so many now and is full.
    fn more(groups: usize, dense: bool) -> usize;
}

/// Keys are spread by their hash.
#[derive(Clone, Copy, Debug)]
pub struct Scattered;

/// Two neighbouring keys share a group, so that every other insertion finds its group in the cache.
/// More of them would crowd groups, and neighbouring groups for neighbouring keys would make runs of
/// full groups that a search walks along: keys of one market need not come evenly.
#[derive(Clone, Copy, Debug)]
pub struct Paired;

impl Homes for Scattered {
    /// Scales the hash to the number of groups, which need not be a power of two.
    #[inline]
    fn home(_: u64, hash: Hash, groups: usize) -> usize {
        ((hash.0 * groups as u64) >> 32) as usize
    }

    /// By half or a third, not double: an index of many keys must not hold twice their memory.
    fn more(groups: usize, dense: bool) -> usize {
        if dense { (groups * 4).div_ceil(3) } else { (groups * 3).div_ceil(2) }.max(1)
    }
}

impl Homes for Paired {
    #[inline]
    fn home(key: u64, _: Hash, groups: usize) -> usize {
        Scattered::home(key, Hash::of(key >> 1), groups)
    }

    fn more(groups: usize, dense: bool) -> usize {
        Scattered::more(groups, dense)
    }
}

impl<H> Default for Index<H> {
    fn default() -> Self {
        Self { groups: Vec::new(), used: 0, dense: false, homes: PhantomData }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Group {
    /// Seven tags from the lowest byte up; zero where there is no entry. The highest byte is unused.
    tags: u64,
    slots: [u32; GROUP_SLOTS],
    /// How many keys found no room here and went on.
    passed: u32,
}

const GROUP_SLOTS: usize = 7;
const LOWEST_BITS: u64 = 0x0001_0101_0101_0101;
const HIGHEST_BITS: u64 = LOWEST_BITS << 7;
const OTHER_BITS: u64 = HIGHEST_BITS - LOWEST_BITS;

/// The upper half of a product; the lower one stays unused, because it depends on few bits of the
/// key. Its lowest byte is the key's tag.
#[derive(Clone, Copy, Debug)]
pub struct Hash(u64);

impl Hash {
    #[inline]
    fn of(key: u64) -> Self {
        Self(key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32)
    }

    /// The tag in each of the seven bytes; never zero.
    #[inline]
    fn tags(self) -> u64 {
        (self.0 & 0xff).max(1) * LOWEST_BITS
    }
}

impl Group {
    /// The highest bit of every byte that equals the tag.
    #[inline]
    fn matches(&self, tags: u64) -> u64 {
        let difference = self.tags ^ tags;
        // A byte's highest bit is clear in the sum if its lower seven bits are zero; no carry
        // leaves a byte.
        !(((difference & OTHER_BITS) + OTHER_BITS) | difference) & HIGHEST_BITS
    }
}

/// The position of the lowest byte marked.
#[inline]
fn position(matches: u64) -> usize {
    (matches.trailing_zeros() / 8) as usize
}

/// Where an index holds a key: valid until the index changes.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The slot that the key has.
    pub slot: u32,
    home: u32,
    at: u32,
    position: u32,
}

impl<H: Homes> Index<H> {
    /// An index that takes less memory and a little more time.
    #[must_use]
    pub fn dense() -> Self {
        Self { dense: true, ..Self::default() }
    }

    /// The slot of a key, if `holds(slot)` confirms it.
    #[inline]
    pub fn get(&self, key: u64, holds: impl Fn(u32) -> bool) -> Option<u32> {
        self.locate(key, holds).map(|entry| entry.slot)
    }

    /// Where a key is held, if `holds(slot)` confirms it.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "fewer groups than slots, of which there are fewer than 2^32")]
    pub fn locate(&self, key: u64, holds: impl Fn(u32) -> bool) -> Option<Entry> {
        if self.used == 0 {
            return None;
        }
        let hash = Hash::of(key);
        let home = H::home(key, hash, self.groups.len());
        let mut at = home;
        loop {
            let group = &self.groups[at];
            let mut matches = group.matches(hash.tags());
            while matches != 0 {
                let position = position(matches);
                let slot = group.slots[position];
                if holds(slot) {
                    return Some(Entry { slot, home: home as u32, at: at as u32, position: position as u32 });
                }
                matches &= matches - 1;
            }
            if group.passed == 0 {
                return None;
            }
            at = self.after(at);
            // In a small index, every group may have been passed by some key.
            if at == home {
                return None;
            }
        }
    }

    /// Removes an entry that was just located.
    #[inline]
    pub fn remove_at(&mut self, entry: Entry) {
        let (home, at) = (entry.home as usize, entry.at as usize);
        self.groups[at].tags &= !(0xff << (entry.position * 8));
        self.used -= 1;
        let mut passed = home;
        while passed != at {
            self.groups[passed].passed -= 1;
            passed = self.after(passed);
        }
    }

    /// Adds a key that is not there yet. `key_of` gives the key of a slot that was added before,
    /// should the index have to grow.
    #[inline]
    pub fn insert(&mut self, key: u64, slot: u32, key_of: impl Fn(u32) -> u64) {
        let room = self.groups.len() * GROUP_SLOTS;
        // At most two thirds full, so that few groups are; a dense one, five sixths.
        let full = if self.dense { (self.used + 1) * 6 > room * 5 } else { (self.used + 1) * 3 > room * 2 };
        if full {
            self.grow(key_of);
        }
        self.place(key, slot);
        self.used += 1;
    }

    /// Removes the entry of a key that points to `slot`, if there is one.
    #[inline]
    pub fn remove(&mut self, key: u64, slot: u32) {
        if let Some(entry) = self.locate(key, |candidate| candidate == slot) {
            self.remove_at(entry);
        }
    }

    #[inline]
    fn after(&self, group: usize) -> usize {
        if group + 1 == self.groups.len() { 0 } else { group + 1 }
    }

    #[inline]
    fn place(&mut self, key: u64, slot: u32) {
        let hash = Hash::of(key);
        let mut home = H::home(key, hash, self.groups.len());
        loop {
            let group = &mut self.groups[home];
            let free = group.matches(0);
            if free != 0 {
                let entry = position(free);
                group.tags |= (hash.tags() & 0xff) << (entry * 8);
                group.slots[entry] = slot;
                return;
            }
            group.passed += 1;
            home = self.after(home);
        }
    }

    #[cold]
    fn grow(&mut self, key_of: impl Fn(u32) -> u64) {
        let length = H::more(self.groups.len(), self.dense);
        let old = std::mem::replace(&mut self.groups, vec![Group::default(); length]);
        for group in old {
            let mut entries = !group.matches(0) & HIGHEST_BITS;
            while entries != 0 {
                let slot = group.slots[position(entries)];
                self.place(key_of(slot), slot);
                entries &= entries - 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_small_index_that_every_key_has_passed_still_answers() {
        for size in 2..40 {
            let mut index: Index<Scattered> = if size % 2 == 0 { Index::default() } else { Index::dense() };
            let mut held = std::collections::VecDeque::new();
            for key in 0..20_000_u32 {
                if held.len() == size {
                    let oldest: u32 = held.pop_front().expect("full");
                    index.remove(u64::from(oldest), oldest);
                }
                held.push_back(key);
                index.insert(u64::from(key), key, u64::from);
                assert_eq!(index.get(u64::from(key), |slot| slot == key), Some(key));
                let absent = key + 1_000_000;
                assert_eq!(index.get(u64::from(absent), |slot| slot == absent), None);
                index.remove(u64::from(absent), absent);
            }
        }
    }

    #[test]
    fn the_index_agrees_with_a_map_through_growth_and_removal() {
        agrees_with_a_map(Index::<Scattered>::default());
        agrees_with_a_map(Index::<Scattered>::dense());
        agrees_with_a_map(Index::<Paired>::default());
        agrees_with_a_map(Index::<Paired>::dense());
    }

    /// Blocks of keys that stay, between blocks of others that never come: wherever they look first,
    /// no run of full groups may form.
    #[test]
    fn a_paired_index_stays_quick_whatever_keys_stay() {
        for gap in [0, 1, 3, 64, 1 << 12, 1 << 15, 1 << 20] {
            let mut index = Index::<Paired>::default();
            let mut keys = Vec::new();
            for block in 0..8_u32 {
                for number in 0..5_000 {
                    let key = block * (5_000 + gap) + number;
                    index.insert(u64::from(key), key, u64::from);
                    keys.push(key);
                }
            }
            let passed: u64 = index.groups.iter().map(|group| u64::from(group.passed)).sum();
            assert!(passed < keys.len() as u64 / 2, "{passed} passes with gaps of {gap}");
            assert!(keys.iter().all(|key| index.get(u64::from(*key), |slot| slot == *key) == Some(*key)));
        }
    }

    fn agrees_with_a_map<H: Homes>(mut index: Index<H>) {
        let mut slab = Slab::default();
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
                index.insert(key, slot, |slot| slab[slot]);
                twin.insert(key, slot);
            }
            assert_eq!(slab.len(), twin.len());
        }
    }
}
