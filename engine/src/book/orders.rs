//! The resting orders of a book: by slot, in line at their prices, and by number.
//!
//! Orders whose numbers meet in the same place form a chain, the last come first. To put one in
//! front is a store or two, to find one hardly ever takes more than one look, and a chain that is
//! long stays alone, whatever numbers come: nothing spills over to its neighbours.

use super::Node;
use crate::ids::{AccountId, OrderId};
use crate::slab::{NONE, push_lean};
use crate::units::Quantity;

/// How many neighbouring numbers stand side by side.
const BLOCK_BITS: u32 = 3;
const BLOCK: usize = 1 << BLOCK_BITS;

/// Of so many orders each has four chains, of more and of less two. It is the first of its chain in 95 of 100
/// cases then, not in 86, and a first look that fails is what a branch guesses wrongly. An idle book has no
/// memory for that, and that of a large one would not stay in the cache.
const FEW: std::ops::Range<usize> = 64..16_384;

/// Resting orders in slots. A freed slot is reused, last freed first, so that steady state allocates
/// nothing and stays in cache.
#[derive(Clone, Debug)]
pub(super) struct Orders {
    nodes: Vec<Node>,
    /// By the slots of `nodes`.
    links: Vec<Links>,
    /// The first order of each chain; as many as a power of two, or none.
    heads: Vec<u32>,
    /// The upper bits of a spread number that are left after this shift are its block.
    shift: u32,
    /// The first free slot; `next` leads to the others.
    free: u32,
    used: usize,
}

/// An order's neighbours. They stand apart from the orders, because a cancel touches three of them
/// and they are small enough to stay in cache.
#[derive(Clone, Copy, Debug)]
struct Links {
    /// At its price.
    previous: u32,
    next: u32,
    /// In its chain.
    behind: u32,
}

const FREE: Links = Links { previous: NONE, next: NONE, behind: NONE };

/// Where an order was found: valid until another comes or goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// Its slot.
    pub slot: u32,
    /// The slot before it in its chain.
    before: u32,
    chain: usize,
}

impl Default for Orders {
    fn default() -> Self {
        Self { nodes: Vec::new(), links: Vec::new(), heads: Vec::new(), shift: 0, free: NONE, used: 0 }
    }
}

impl Orders {
    /// How many orders there are.
    pub fn len(&self) -> usize {
        self.used
    }

    /// The order behind another at its price.
    #[inline]
    pub fn next(&self, slot: u32) -> u32 {
        self.links[slot as usize].next
    }

    /// Where an order stands.
    #[inline(always)]
    pub fn find(&self, order: OrderId) -> Option<Found> {
        self.search(order, |slot| self.nodes[slot as usize].id == order)
    }

    #[inline(always)]
    fn search(&self, order: OrderId, is_it: impl Fn(u32) -> bool) -> Option<Found> {
        let chain = chain(order, self.shift);
        let mut slot = *self.heads.get(chain)?;
        let mut before = NONE;
        while slot != NONE {
            if is_it(slot) {
                return Some(Found { slot, before, chain });
            }
            before = slot;
            slot = self.links[slot as usize].behind;
        }
        None
    }

    /// The slot that the next order gets.
    #[inline(always)]
    pub fn vacant(&mut self) -> u32 {
        if self.free == NONE {
            self.grow();
        }
        self.free
    }

    /// Puts an order that is not there yet into the vacant slot, behind another at its price.
    #[inline(always)]
    pub fn insert(&mut self, slot: u32, node: Node, previous: u32) {
        let chain = chain(node.id, self.shift);
        self.nodes[slot as usize] = node;
        let behind = std::mem::replace(&mut self.heads[chain], slot);
        let links = &mut self.links[..];
        let own = &mut links[slot as usize];
        self.free = own.next;
        *own = Links { previous, next: NONE, behind };
        if previous != NONE {
            links[previous as usize].next = slot;
        }
        self.used = self.used.wrapping_add(1);
    }

    /// Takes an order out that was just found, and closes the gap. Gives its neighbours at its price.
    #[inline(always)]
    pub fn remove(&mut self, found: Found) -> (u32, u32) {
        let (links, heads) = (&mut self.links[..], &mut self.heads[..]);
        let own = &mut links[found.slot as usize];
        let Links { previous, next, behind } = *own;
        own.next = self.free;
        self.free = found.slot;
        self.used = self.used.wrapping_sub(1);
        unchain(found, behind, links, heads);
        if previous != NONE {
            links[previous as usize].next = next;
        }
        if next != NONE {
            links[next as usize].previous = previous;
        }
        (previous, next)
    }

    /// Makes the first order of a price unfindable, to be taken out with [`Orders::remove_front`].
    /// Gives the next.
    #[inline(always)]
    pub fn forget(&mut self, order: OrderId, slot: u32) -> u32 {
        let found = self.search(order, |candidate| candidate == slot).expect("an order in a slot is in its chain");
        let Links { next, behind, .. } = self.links[slot as usize];
        unchain(found, behind, &mut self.links, &mut self.heads);
        next
    }

    /// Takes orders out that were forgotten: so many, the first of a price to this one. `head` is
    /// first then.
    #[inline(always)]
    pub fn remove_front(&mut self, first: u32, last: u32, count: usize, head: u32) {
        self.links[last as usize].next = self.free;
        self.free = first;
        self.used = self.used.wrapping_sub(count);
        if head != NONE {
            self.links[head as usize].previous = NONE;
        }
    }

    /// Adds a free slot.
    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        self.free = u32::try_from(self.nodes.len()).expect("fewer than 2^32 orders, by the permits that admit them");
        push_lean(&mut self.nodes, VACANT);
        push_lean(&mut self.links, FREE);
        let nodes = self.nodes.len();
        if nodes * if FEW.contains(&nodes) { 4 } else { 2 } > self.heads.len() {
            self.lengthen();
        }
    }

    /// Doubles the chains. They take at most 16 bytes an order, of which there are many.
    #[cold]
    #[inline(never)]
    fn lengthen(&mut self) {
        let blocks = (self.heads.len() / BLOCK * 2).max(2);
        let old = std::mem::replace(&mut self.heads, vec![NONE; blocks * BLOCK]);
        self.shift = u64::BITS - blocks.ilog2();
        for head in old {
            let mut slot = head;
            while slot != NONE {
                let chain = chain(self.nodes[slot as usize].id, self.shift);
                let links = &mut self.links[slot as usize];
                let next = std::mem::replace(&mut links.behind, self.heads[chain]);
                self.heads[chain] = slot;
                slot = next;
            }
        }
    }
}

#[inline(always)]
fn unchain(found: Found, behind: u32, links: &mut [Links], heads: &mut [u32]) {
    if found.before == NONE {
        heads[found.chain] = behind;
    } else {
        links[found.before as usize].behind = behind;
    }
}

/// The chain of a number.
///
/// Eight neighbouring numbers stand side by side, so that numbers given out one after the other
/// are entered where the cache is warm. Blocks are spread by the golden ratio, which keeps them
/// apart as evenly as can be; the places in a block are dealt differently in each, for numbers that
/// come in large steps.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "shifted to a length")]
fn chain(order: OrderId, shift: u32) -> usize {
    let spread = (order.0 >> BLOCK_BITS).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let block = spread >> (shift % u64::BITS);
    ((block << BLOCK_BITS) | ((order.0 ^ (spread >> 32)) % BLOCK as u64)) as usize
}

impl std::ops::Index<u32> for Orders {
    type Output = Node;
    #[inline]
    fn index(&self, slot: u32) -> &Node {
        &self.nodes[slot as usize]
    }
}

impl std::ops::IndexMut<u32> for Orders {
    #[inline]
    fn index_mut(&mut self, slot: u32) -> &mut Node {
        &mut self.nodes[slot as usize]
    }
}

/// What stands in a slot that never held an order.
const VACANT: Node =
    Node { id: OrderId(0), quantity: Quantity::ZERO, remaining: Quantity::ZERO, account: AccountId(0), level: NONE };

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn insert(orders: &mut Orders, id: u64) -> u32 {
        let slot = orders.vacant();
        orders.insert(slot, Node { id: OrderId(id), ..VACANT }, NONE);
        slot
    }

    #[test]
    fn the_chains_agree_with_a_map_through_growth_and_removal() {
        let (mut orders, mut twin) = (Orders::default(), BTreeMap::new());
        let mut seed = 7_u64;
        for step in 0..200_000_u64 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let number = (seed >> 33) % 3_000;
            let found = orders.find(OrderId(number));
            assert_eq!(found.map(|found| found.slot), twin.get(&number).copied(), "step {step}");
            match found {
                Some(found) => {
                    if step % 2 == 0 {
                        orders.remove(found);
                    } else {
                        assert_eq!(orders.forget(OrderId(number), found.slot), NONE);
                        orders.remove_front(found.slot, found.slot, 1, NONE);
                    }
                    twin.remove(&number);
                }
                None => {
                    twin.insert(number, insert(&mut orders, number));
                }
            }
            assert_eq!(orders.len(), twin.len());
        }
    }

    /// How many slots are looked at until an order is found, in hundredths, on average.
    fn looks(numbers: impl Iterator<Item = u64>) -> usize {
        let mut orders = Orders::default();
        for number in numbers {
            insert(&mut orders, number);
        }
        let looks = std::cell::Cell::new(0_usize);
        for slot in 0..u32::try_from(orders.len()).expect("few") {
            let is_it = |candidate| {
                looks.set(looks.get() + 1);
                candidate == slot
            };
            assert!(orders.search(orders[slot].id, is_it).is_some());
        }
        looks.get() * 100 / orders.len()
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
            assert!(looks(0..count) < 120, "{count} in a row: {}", looks(0..count));
            let scattered = looks((0..count).map(|_| random() ^ random() >> 32));
            assert!(scattered < 160, "{count} at random: {scattered}");
            for step in [2, 3, 5, 7, 8, 10, 12, 16, 64, 100, 1_000, 1_024, 1 << 20, 1 << 32, 1 << 40, (1 << 44) + 8] {
                let stepped = looks((0..count).map(|number| number * step));
                assert!(stepped < 250, "{count} in steps of {step}: {stepped}");
            }
            for gap in [1, 3, 64, 1 << 12, 1 << 15, 1 << 20] {
                let blocks = looks((0..count).map(|number| number / 500 * (500 + gap) + number % 500));
                assert!(blocks < 170, "{count} with gaps of {gap}: {blocks}");
            }
        }
    }
}
