//! The public copy of a book: how much rests at each price, and what of it changed.

use std::collections::BTreeMap;

use rialto_engine::book::LevelChange;
use rialto_engine::order::Side;
use rialto_engine::units::{Price, Quantity};

use super::interest::Cadence;

/// A price and all that rests there.
pub type Level = (Price, Quantity);

/// The best levels of a book.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DepthLevels {
    /// The last change in it.
    pub update: u64,
    /// Best first, which is highest first.
    pub bids: Vec<Level>,
    /// Best first, which is lowest first.
    pub asks: Vec<Level>,
}

/// What changed between two moments. Quantities are absolute; zero says that the level is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DepthDiff {
    /// How often such are published.
    pub cadence: Cadence,
    /// The first change in it: one above the last of the one before.
    pub first: u64,
    /// The last change in it.
    pub last: u64,
    /// Highest first.
    pub bids: Vec<Level>,
    /// Lowest first.
    pub asks: Vec<Level>,
}

/// The copy of one book. It allocates nothing while the book is empty.
#[derive(Debug, Default)]
pub struct Depth {
    bids: BTreeMap<Price, Quantity>,
    asks: BTreeMap<Price, Quantity>,
    update: u64,
    pending: [Pending; 2],
}

/// What was changed since the last diff.
#[derive(Debug, Default)]
struct Pending {
    /// The last change that was published, or that nobody listened to.
    published: u64,
    changed: Vec<(Side, Price)>,
    distinct: usize,
}

/// Changes are sorted out when they have doubled, but not below so many.
const CHANGES_MIN: usize = 256;

impl Depth {
    /// The copy of a book that holds these levels after so many changes.
    #[must_use]
    pub fn new(bids: Vec<Level>, asks: Vec<Level>, update: u64) -> Self {
        let mut depth = Self { update, ..Self::default() };
        depth.pending.iter_mut().for_each(|pending| pending.published = update);
        depth.bids.extend(bids);
        depth.asks.extend(asks);
        depth
    }

    /// What must change for this copy to become the other.
    #[must_use]
    pub fn changes_to(&self, other: &Self) -> Vec<LevelChange> {
        let mut changes = Vec::new();
        for (side, from, to) in [(Side::Buy, &self.bids, &other.bids), (Side::Sell, &self.asks, &other.asks)] {
            let gone = from.keys().filter(|price| !to.contains_key(price)).map(|price| (*price, Quantity::ZERO));
            let new = to.iter().filter(|(price, quantity)| from.get(price) != Some(quantity));
            let new = new.map(|(price, quantity)| (*price, *quantity));
            changes.extend(gone.chain(new).map(|(price, quantity)| LevelChange { side, price, quantity }));
        }
        changes
    }

    /// The number of the last change.
    #[must_use]
    pub fn update(&self) -> u64 {
        self.update
    }

    /// Takes the changes of one command over. They are remembered for the diffs of the cadences
    /// somebody listens to.
    pub fn apply(&mut self, levels: &[LevelChange], update: u64, wanted: impl Fn(Cadence) -> bool) {
        levels.iter().for_each(|change| self.set(change));
        self.update = update;
        for (pending, cadence) in self.pending.iter_mut().zip(Cadence::ALL) {
            if wanted(cadence) {
                pending.add(levels);
            } else {
                pending.changed.clear();
                pending.published = update;
            }
        }
    }

    /// What changed since the last diff of this cadence. `None` if nothing did.
    pub fn diff(&mut self, cadence: Cadence) -> Option<DepthDiff> {
        let pending = &mut self.pending[cadence as usize];
        if pending.published == self.update {
            return None;
        }
        pending.sort();
        let mut diff =
            DepthDiff { cadence, first: pending.published + 1, last: self.update, bids: Vec::new(), asks: Vec::new() };
        for (side, price) in pending.changed.drain(..) {
            let (levels, changed) = match side {
                Side::Buy => (&self.bids, &mut diff.bids),
                Side::Sell => (&self.asks, &mut diff.asks),
            };
            changed.push((price, levels.get(&price).copied().unwrap_or_default()));
        }
        diff.bids.reverse();
        pending.published = self.update;
        pending.distinct = 0;
        Some(diff)
    }

    /// The best levels of both sides.
    #[must_use]
    pub fn levels(&self, limit: usize) -> DepthLevels {
        let level = |(price, quantity): (&Price, &Quantity)| (*price, *quantity);
        DepthLevels {
            update: self.update,
            bids: self.bids.iter().rev().take(limit).map(level).collect(),
            asks: self.asks.iter().take(limit).map(level).collect(),
        }
    }

    /// The best bid and ask.
    #[must_use]
    pub fn best(&self) -> (Option<Level>, Option<Level>) {
        let level = |(price, quantity): (&Price, &Quantity)| (*price, *quantity);
        (self.bids.last_key_value().map(level), self.asks.first_key_value().map(level))
    }

    fn set(&mut self, change: &LevelChange) {
        let levels = match change.side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        };
        if change.quantity.is_zero() {
            levels.remove(&change.price);
        } else {
            levels.insert(change.price, change.quantity);
        }
    }
}

impl Pending {
    /// Bounded by the levels that changed, not by how often they did.
    fn add(&mut self, levels: &[LevelChange]) {
        self.changed.extend(levels.iter().map(|change| (change.side, change.price)));
        if self.changed.len() >= CHANGES_MIN.max(2 * self.distinct) {
            self.sort();
            self.distinct = self.changed.len();
        }
    }

    fn sort(&mut self) {
        self.changed.sort_unstable();
        self.changed.dedup();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(side: Side, price: u64, quantity: u64) -> LevelChange {
        LevelChange { side, price: Price(price), quantity: Quantity(quantity) }
    }

    #[test]
    fn a_diff_covers_every_change_since_the_last_even_if_nothing_visible_is_left_of_it() {
        let mut depth = Depth::new(vec![(Price(9), Quantity(5))], Vec::new(), 7);
        depth.apply(&[change(Side::Buy, 10, 3)], 8, |_| true);
        depth.apply(&[change(Side::Buy, 10, 0), change(Side::Sell, 11, 2)], 10, |_| true);
        let diff = depth.diff(Cadence::Fast).expect("changed");
        assert_eq!((diff.first, diff.last), (8, 10));
        assert_eq!(diff.bids, [(Price(10), Quantity(0))]);
        assert_eq!(diff.asks, [(Price(11), Quantity(2))]);
        assert_eq!(depth.diff(Cadence::Fast), None);
        depth.apply(&[change(Side::Buy, 9, 4)], 11, |_| true);
        let diff = depth.diff(Cadence::Fast).expect("changed");
        assert_eq!((diff.first, diff.last), (11, 11));
        let diff = depth.diff(Cadence::Slow).expect("changed");
        assert_eq!((diff.first, diff.last), (8, 11));
        assert_eq!(depth.best(), (Some((Price(9), Quantity(4))), Some((Price(11), Quantity(2)))));
    }

    #[test]
    fn a_copy_can_be_brought_to_another() {
        let levels =
            |levels: &[(u64, u64)]| levels.iter().map(|(price, size)| (Price(*price), Quantity(*size))).collect();
        let mut depth = Depth::new(levels(&[(9, 5), (8, 1), (7, 2)]), levels(&[(11, 1)]), 7);
        let other = Depth::new(levels(&[(9, 6), (7, 2), (5, 1)]), levels(&[]), 9);
        let changes = depth.changes_to(&other);
        assert_eq!(changes.len(), 4);
        depth.apply(&changes, other.update(), |_| true);
        assert_eq!(depth.levels(10), other.levels(10));
    }

    #[test]
    fn what_nobody_listens_to_is_not_remembered() {
        let mut depth = Depth::default();
        depth.apply(&[change(Side::Buy, 9, 1)], 1, |_| false);
        assert_eq!(depth.diff(Cadence::Fast), None);
        depth.apply(&[change(Side::Buy, 8, 1)], 2, |cadence| cadence == Cadence::Slow);
        assert_eq!(depth.diff(Cadence::Fast), None);
        assert_eq!(depth.diff(Cadence::Slow).map(|diff| (diff.first, diff.last)), Some((2, 2)));
    }

    #[test]
    fn a_level_that_changes_all_the_time_takes_no_more_room() {
        let mut depth = Depth::default();
        for update in 1..100_000 {
            depth.apply(&[change(Side::Buy, update % 300, update)], update, |_| true);
        }
        assert!(depth.pending[0].changed.len() <= 600, "{}", depth.pending[0].changed.len());
        assert_eq!(depth.diff(Cadence::Fast).map(|diff| diff.bids.len()), Some(300));
    }
}
