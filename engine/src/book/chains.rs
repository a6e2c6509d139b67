//! Where an order stands, by its number.
//!
//! Orders whose numbers meet in the same place form a chain, the last come first. To put one in
//! front is a store or two, to find one takes hardly ever more than one look, and a chain that is
//! long stays alone, whatever numbers come: nothing spills over to its neighbours.

use crate::slab::{NONE, push_lean};

/// How many neighbouring numbers stand side by side.
const BLOCK_BITS: u32 = 3;
const BLOCK: usize = 1 << BLOCK_BITS;

/// An index from a number to a slot. Numbers live in the records, not here: about ten bytes an
/// entry, and the caller says whether a slot holds the number.
#[derive(Clone, Debug, Default)]
pub struct Chains {
    /// The first slot of each chain.
    heads: Vec<u32>,
    /// The slot behind another in its chain, by slot.
    behind: Vec<u32>,
    used: usize,
    /// How many entries there may be before the heads become more.
    most: usize,
}

/// Where a number was found: valid until the index changes.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its slot.
    pub slot: u32,
    /// The slot before it in its chain.
    before: u32,
    chain: usize,
}

impl Chains {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.used
    }

    /// The chain of a number, out of so many.
    ///
    /// Eight neighbouring numbers stand side by side, so that numbers given out one after the other
    /// are entered where the cache is warm. Blocks are spread by the golden ratio, which keeps them
    /// apart as evenly as can be; the upper half of the product counts too, and the places in a block
    /// are dealt differently in each, for numbers that come in large steps.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "scaled to a length")]
    fn chain(&self, number: u64) -> usize {
        let product = u128::from(number >> BLOCK_BITS) * 0x9e37_79b9_7f4a_7c15;
        let hash = (product as u64 ^ (product >> 64) as u64) >> 32;
        let block = hash.wrapping_mul((self.heads.len() / BLOCK) as u64) >> 32;
        (block << BLOCK_BITS | (number ^ hash) % BLOCK as u64) as usize
    }

    /// Where a number is held, if `holds(slot)` confirms it.
    #[inline]
    pub fn locate(&self, number: u64, holds: impl Fn(u32) -> bool) -> Option<Entry> {
        let chain = self.chain(number);
        let mut slot = *self.heads.get(chain)?;
        let mut before = NONE;
        while slot != NONE {
            if holds(slot) {
                return Some(Entry { slot, before, chain });
            }
            before = slot;
            slot = self.behind[slot as usize];
        }
        None
    }

    /// Removes an entry that was just located.
    #[inline]
    pub fn remove_at(&mut self, entry: Entry) {
        let behind = self.behind[entry.slot as usize];
        if entry.before == NONE {
            self.heads[entry.chain] = behind;
        } else {
            self.behind[entry.before as usize] = behind;
        }
        self.used = self.used.wrapping_sub(1);
    }

    /// Removes the entry of a number that points to `slot`, if there is one.
    #[inline]
    pub fn remove(&mut self, number: u64, slot: u32) {
        if let Some(entry) = self.locate(number, |candidate| candidate == slot) {
            self.remove_at(entry);
        }
    }

    /// Adds a number that is not there yet. `number_of` gives the number of a slot that was added
    /// before, should the index have to grow.
    #[inline]
    pub fn insert(&mut self, number: u64, slot: u32, number_of: impl Fn(u32) -> u64) {
        if self.used == self.most {
            self.grow(number_of);
        }
        self.used = self.used.wrapping_add(1);
        let chain = self.chain(number);
        let behind = std::mem::replace(&mut self.heads[chain], slot);
        match self.behind.get_mut(slot as usize) {
            Some(reused) => *reused = behind,
            None => push_lean(&mut self.behind, behind),
        }
    }

    /// By half, not double: an index of many numbers must not hold twice their memory.
    #[cold]
    #[inline(never)]
    fn grow(&mut self, number_of: impl Fn(u32) -> u64) {
        let blocks = (self.heads.len() / BLOCK * 3).div_ceil(2).max(1);
        let old = std::mem::replace(&mut self.heads, vec![NONE; blocks * BLOCK]);
        self.most = self.heads.len() * 3 / 4;
        for head in old {
            let mut slot = head;
            while slot != NONE {
                let chain = self.chain(number_of(slot));
                let next = std::mem::replace(&mut self.behind[slot as usize], self.heads[chain]);
                self.heads[chain] = slot;
                slot = next;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slab::Slab;
    use std::collections::BTreeMap;

    #[test]
    fn the_chains_agree_with_a_map_through_growth_and_removal() {
        let (mut chains, mut slab, mut twin) = (Chains::default(), Slab::default(), BTreeMap::new());
        let mut seed = 7_u64;
        for step in 0..200_000_u64 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let number = (seed >> 33) % 3_000;
            let found = chains.locate(number, |slot| slab[slot] == number);
            assert_eq!(found.map(|entry| entry.slot), twin.get(&number).copied(), "step {step}");
            match found {
                Some(entry) => {
                    if step % 2 == 0 {
                        chains.remove_at(entry);
                    } else {
                        chains.remove(number, entry.slot);
                    }
                    slab.remove(entry.slot);
                    twin.remove(&number);
                }
                None => {
                    let slot = slab.insert(number);
                    chains.insert(number, slot, |slot| slab[slot]);
                    twin.insert(number, slot);
                }
            }
            assert_eq!(chains.len(), twin.len());
        }
    }

    /// How many slots are looked at until a number is found, on average.
    fn looks(numbers: impl Iterator<Item = u64>) -> f64 {
        let (mut chains, mut slab) = (Chains::default(), Slab::default());
        for number in numbers {
            let slot = slab.insert(number);
            chains.insert(number, slot, |slot| slab[slot]);
        }
        let looks = std::cell::Cell::new(0_u32);
        for slot in 0..u32::try_from(slab.len()).expect("few") {
            let holds = |candidate| {
                looks.set(looks.get() + 1);
                candidate == slot
            };
            assert!(chains.locate(slab[slot], holds).is_some());
        }
        f64::from(looks.get()) / slab.len() as f64
    }

    /// Numbers are any numbers: those of a market that is given every one, or every third, or blocks
    /// with gaps between them, or numbers that carry something else in their upper or lower bits.
    #[test]
    fn chains_are_short_whatever_numbers_come() {
        for count in [100_u64, 1_000, 5_000, 40_000] {
            let mut seed = 1_u64;
            let mut random = move || {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                seed
            };
            assert!(looks(0..count) < 1.2, "{count} in a row: {}", looks(0..count));
            let scattered = looks((0..count).map(|_| random() ^ random() >> 32));
            assert!(scattered < 1.6, "{count} at random: {scattered}");
            for step in [2, 3, 5, 7, 8, 10, 12, 16, 64, 100, 1_000, 1_024, 1 << 20, 1 << 32, 1 << 40, (1 << 44) + 8] {
                let stepped = looks((0..count).map(|number| number * step));
                assert!(stepped < 2.5, "{count} in steps of {step}: {stepped}");
            }
            for gap in [1, 3, 64, 1 << 12, 1 << 15, 1 << 20] {
                let blocks = looks((0..count).map(|number| number / 500 * (500 + gap) + number % 500));
                assert!(blocks < 1.7, "{count} with gaps of {gap}: {blocks}");
            }
        }
    }
}
