//! A count that begins again with every interval of the clock.

use std::sync::atomic::{AtomicU64, Ordering};

/// The number of an interval in its upper half, the count in its lower.
#[derive(Debug, Default)]
pub struct Window(AtomicU64);

impl Window {
    /// Adds to the count of a period if that stays within a limit; something that weighs nothing
    /// needs room for one.
    pub fn take(&self, period: u32, amount: u32, limit: u32) -> bool {
        self.change(period, |count| {
            let has_room = count.checked_add(amount.max(1)).is_some_and(|after| after <= limit);
            has_room.then(|| count + amount)
        })
    }

    /// Adds to the count, whatever the limit is.
    pub fn add(&self, period: u32, amount: u32) {
        self.change(period, |count| Some(count.saturating_add(amount)));
    }

    /// Takes off the count; it never falls below zero.
    pub fn give_back(&self, period: u32, amount: u32) {
        self.change(period, |count| Some(count.saturating_sub(amount)));
    }

    /// The count in a period.
    pub fn count(&self, period: u32) -> u32 {
        count_in(self.0.load(Ordering::Relaxed), period)
    }

    // Nothing else is read behind a count, so that its order with other memory does not matter.
    fn change(&self, period: u32, change: impl Fn(u32) -> Option<u32>) -> bool {
        let change = |packed: u64| {
            let count = change(count_in(packed, period))?;
            // Who read the clock just before the others still counts into the newer period.
            let period = if is_current(packed, period) { packed >> 32 } else { u64::from(period) };
            Some(period << 32 | u64::from(count))
        };
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, change).is_ok()
    }
}

/// The period of the count, or the next: a clock that was set back further begins anew.
fn is_current(packed: u64, period: u32) -> bool {
    packed >> 32 == u64::from(period) || packed >> 32 == u64::from(period) + 1
}

fn count_in(packed: u64, period: u32) -> u32 {
    // The lower half is all of it.
    if is_current(packed, period) { (packed & u64::from(u32::MAX)) as u32 } else { 0 }
}
