//! Timers, in lanes: what waits for a rail stands behind what else waits for that rail, and behind nothing else.
//!
//! Whoever drives them can so leave a rail alone that answers nobody, without looking at each of its transactions.

use std::collections::{BTreeMap, BTreeSet};

use super::Live;
use crate::ids::{RailId, TransactionId};
use crate::transaction::Body;
use crate::units::Nanos;

/// By lane, in the order in which they run out.
#[derive(Clone, Debug, Default)]
pub(super) struct Lanes(BTreeMap<RailId, BTreeSet<(Nanos, TransactionId)>>);

impl Lanes {
    pub(super) fn insert(&mut self, live: &Live) {
        self.0.entry(lane(live)).or_default().insert((live.transaction.due, live.number()));
    }

    /// Takes out the timer of a transaction that is as it was when its timer was put in.
    pub(super) fn remove(&mut self, live: &Live) {
        let timers = self.0.get_mut(&lane(live));
        let was_there = timers.is_some_and(|timers| timers.remove(&(live.transaction.due, live.number())));
        assert!(was_there, "transaction {} has no timer in its lane", live.number());
    }

    /// The lanes that hold something, and when their first timers run out.
    pub(super) fn first(&self) -> impl Iterator<Item = (RailId, Nanos)> {
        self.0.iter().filter_map(|(rail, timers)| timers.first().map(|(due, _)| (*rail, *due)))
    }

    /// What has run out in a lane.
    pub(super) fn due(&self, rail: RailId, time: Nanos) -> impl Iterator<Item = (Nanos, TransactionId)> {
        self.0.get(&rail).into_iter().flatten().take_while(move |(due, _)| *due <= time).copied()
    }
}

/// The rail that has to answer, or the direct one, if none has.
fn lane(live: &Live) -> RailId {
    let has_rail = live.transaction.body.as_ref().map(Body::kind).is_some_and(|kind| kind.has_rail());
    if has_rail && !live.is_final() { live.transaction.rail } else { RailId::DIRECT }
}
