//! Gates: what the channel of a rail lets the wallet know about timers.
//!
//! A timer that runs out while its rail answers nobody costs a record, a call, and the waking of two threads, only for
//! the call not to be made. With thousands of open transactions that is most of what a rail that hangs costs the others.
//! So a channel shuts its gate while its breaker is not closed, and the wallet holds the timers back: for so long
//! at most as the gate says, since operators must hear of what gets nowhere. Some are let through before that,
//! as many as the channel can do something with: trials of a breaker that is half-open, and, when it has closed, as many as
//! there are places for calls, so that a rail that comes back is not flooded by all that it has missed.
//!
//! How many timers a wallet holds back is what it lets others know of in return.
//!
//! Nothing of this is durable, or need be: without a gate, timers are driven when they run out.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::Gauge;
use rialto_engine::ids::{RailId, TenantId};
use rialto_engine::units::Nanos;

use crate::metrics::lossy;

/// The gates of all rails. Cheap to clone; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Gates(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// How many there are: whoever finds none needs no lock.
    count: AtomicUsize,
    shut: Mutex<HashMap<(TenantId, RailId), Gate>>,
    /// By what it is told how many timers are held back.
    held: Mutex<HashMap<(TenantId, RailId), Gauge>>,
}

/// A gate that is shut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gate {
    /// How long it holds a timer back at most, in nanoseconds from when that ran out.
    pub longest: Nanos,
    /// How many it lets through now nevertheless.
    pub allowed: usize,
    /// It opens when nothing is held back any more.
    pub is_opening: bool,
    /// No call is made at all.
    pub is_left_alone: bool,
}

impl Gates {
    /// Shuts a gate, or changes one that is shut.
    pub fn shut(&self, tenant: TenantId, rail: RailId, gate: Gate) {
        self.change(|shut| {
            shut.insert((tenant, rail), gate);
        });
    }

    /// Opens a gate.
    pub fn open(&self, tenant: TenantId, rail: RailId) {
        self.change(|shut| {
            shut.remove(&(tenant, rail));
        });
    }

    /// So many may be let through now, if the gate is opening.
    pub fn allow(&self, tenant: TenantId, rail: RailId, allowed: usize) {
        if self.are_all_open() {
            return;
        }
        if let Some(gate) = self.lock().get_mut(&(tenant, rail)).filter(|gate| gate.is_opening) {
            gate.allowed = allowed;
        }
    }

    /// So many were let through.
    pub fn let_through(&self, tenant: TenantId, rail: RailId, count: usize) {
        if let Some(gate) = self.lock().get_mut(&(tenant, rail)) {
            gate.allowed = gate.allowed.saturating_sub(count);
        }
    }

    /// The gate of a rail, if it is shut.
    #[must_use]
    pub fn of(&self, tenant: TenantId, rail: RailId) -> Option<Gate> {
        if self.are_all_open() { None } else { self.lock().get(&(tenant, rail)).copied() }
    }

    /// Has it told by this gauge how many timers of a rail are held back: none as yet.
    pub fn tell_by(&self, tenant: TenantId, rail: RailId, gauge: Gauge) {
        gauge.set(0.0);
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner).insert((tenant, rail), gauge);
    }

    /// So many timers of a rail have run out and are held back.
    pub fn hold(&self, tenant: TenantId, rail: RailId, count: usize) {
        if let Some(gauge) = self.0.held.lock().unwrap_or_else(PoisonError::into_inner).get(&(tenant, rail)) {
            gauge.set(lossy(count as u64));
        }
    }

    fn are_all_open(&self) -> bool {
        self.0.count.load(Ordering::Acquire) == 0
    }

    fn change(&self, change: impl FnOnce(&mut HashMap<(TenantId, RailId), Gate>)) {
        let mut shut = self.lock();
        change(&mut shut);
        self.0.count.store(shut.len(), Ordering::Release);
    }

    /// Held for a look or a change, by a thread that panics in neither.
    fn lock(&self) -> MutexGuard<'_, HashMap<(TenantId, RailId), Gate>> {
        self.0.shut.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACME: TenantId = TenantId(0);

    #[test]
    fn a_gate_concerns_its_rail_alone_and_lets_through_what_it_allows() {
        let gates = Gates::default();
        let gate = Gate { longest: Nanos(9), allowed: 3, is_opening: false, is_left_alone: false };
        gates.shut(ACME, RailId(1), gate);
        assert_eq!((gates.of(ACME, RailId(2)), gates.of(TenantId(1), RailId(1))), (None, None));
        gates.let_through(ACME, RailId(1), 2);
        gates.allow(ACME, RailId(1), 8);
        assert_eq!(gates.of(ACME, RailId(1)), Some(Gate { allowed: 1, ..gate }), "trials are not added to");
        gates.let_through(ACME, RailId(1), 2);
        assert_eq!(gates.of(ACME, RailId(1)), Some(Gate { allowed: 0, ..gate }));
        gates.shut(ACME, RailId(1), Gate { is_opening: true, ..gate });
        gates.allow(ACME, RailId(1), 8);
        assert_eq!(gates.of(ACME, RailId(1)).map(|gate| gate.allowed), Some(8));
        gates.open(ACME, RailId(1));
        gates.allow(ACME, RailId(1), 8);
        assert_eq!(gates.of(ACME, RailId(1)), None);
    }
}
