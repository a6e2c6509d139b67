//! Permits: how many commands may be under way at once.
//!
//! Every command holds one from the edge until its answer is told, so that every queue inside can
//! be sized from them and none can fill.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The permits of a partition.
#[derive(Debug)]
pub struct Permits {
    orders: AtomicUsize,
    reserved: AtomicUsize,
    capacity: usize,
    reserve: usize,
}

impl Permits {
    /// `capacity` for everything, and `reserve` more for what must never be refused for load.
    #[must_use]
    pub fn new(capacity: usize, reserve: usize) -> Arc<Self> {
        Arc::new(Self { orders: AtomicUsize::new(0), reserved: AtomicUsize::new(0), capacity, reserve })
    }

    /// A permit, or `None` if all are in use. A reserved request that finds no ordinary permit
    /// takes one of the reserve.
    pub fn acquire(self: &Arc<Self>, reserved: bool) -> Option<Permit> {
        if take(&self.orders, self.capacity) {
            return Some(Permit { permits: Arc::clone(self), reserved: false });
        }
        (reserved && take(&self.reserved, self.reserve)).then(|| Permit { permits: Arc::clone(self), reserved: true })
    }

    /// How many are in use.
    #[must_use]
    pub fn in_use(&self) -> usize {
        self.orders.load(Ordering::Relaxed) + self.reserved.load(Ordering::Relaxed)
    }

    /// The most that can be in use at once.
    #[must_use]
    pub fn total(&self) -> usize {
        self.capacity + self.reserve
    }
}

/// The right of one command to be under way. Dropping it gives it back.
#[derive(Debug)]
pub struct Permit {
    permits: Arc<Permits>,
    reserved: bool,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let counter = if self.reserved { &self.permits.reserved } else { &self.permits.orders };
        counter.fetch_sub(1, Ordering::Release);
    }
}

fn take(counter: &AtomicUsize, capacity: usize) -> bool {
    let next = |used: usize| (used < capacity).then_some(used + 1);
    counter.fetch_update(Ordering::Acquire, Ordering::Relaxed, next).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserved_request_gets_through_when_all_others_are_refused() {
        let permits = Permits::new(2, 1);
        let held = [permits.acquire(false), permits.acquire(true)];
        assert!(held.iter().all(Option::is_some));
        assert!(permits.acquire(false).is_none());
        let reserved = permits.acquire(true);
        assert!(reserved.is_some());
        assert!(permits.acquire(true).is_none());
        drop(held);
        assert!(permits.acquire(false).is_some());
        drop(reserved);
        assert_eq!(permits.in_use(), 0);
    }
}
