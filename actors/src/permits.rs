//! Permits: how many commands may be under way at once.
//!
//! Every command holds one from the edge until its answer is told, so that every queue inside can
//! be sized from them and none can fill.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a request may take when much is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// One of the permits for everything.
    Ordinary,
    /// If none is left, one of those kept for what only frees money.
    Reserved,
    /// If none of either is left, one of those kept for operators, who must not be refused for load.
    Operator,
}

/// What is kept for operators: far more than they have under way at once.
const OPERATOR_PERMITS: usize = 64;

/// The permits of a partition.
#[derive(Debug)]
pub struct Permits {
    pools: [Pool; 3],
}

/// Permits of one kind.
#[derive(Debug)]
struct Pool {
    used: AtomicUsize,
    capacity: usize,
}

impl Permits {
    /// `capacity` for everything, `reserve` more for what must never be refused for load, and a few more
    /// for operators.
    #[must_use]
    pub fn new(capacity: usize, reserve: usize) -> Arc<Self> {
        let pool = |capacity| Pool { used: AtomicUsize::new(0), capacity };
        Arc::new(Self { pools: [capacity, reserve, OPERATOR_PERMITS].map(pool) })
    }

    /// A permit, or `None` if all that the request may take are in use.
    pub fn acquire(self: &Arc<Self>, priority: Priority) -> Option<Permit> {
        let mut allowed = self.pools.iter().take(1 + priority as usize);
        let pool = allowed.position(Pool::take)?;
        Some(Permit { permits: Arc::clone(self), pool })
    }

    /// How many of the permits for everything are in use, and how many there are.
    #[must_use]
    pub fn ordinary_use(&self) -> (usize, usize) {
        let pool = &self.pools[Priority::Ordinary as usize];
        (pool.used.load(Ordering::Relaxed), pool.capacity)
    }

    /// How many are in use.
    #[must_use]
    pub fn in_use(&self) -> usize {
        self.pools.iter().map(|pool| pool.used.load(Ordering::Relaxed)).sum()
    }

    /// The most that can be in use at once.
    #[must_use]
    pub fn total(&self) -> usize {
        self.pools.iter().map(|pool| pool.capacity).sum()
    }
}

impl Pool {
    fn take(&self) -> bool {
        let next = |used: usize| (used < self.capacity).then_some(used + 1);
        self.used.fetch_update(Ordering::Acquire, Ordering::Relaxed, next).is_ok()
    }
}

/// The right of one command to be under way. Dropping it gives it back.
#[derive(Debug)]
pub struct Permit {
    permits: Arc<Permits>,
    pool: usize,
}

impl Permit {
    /// The right of one more message of the same command to be under way, beside the limit: until it is
    /// given back, fewer commands come in.
    #[must_use]
    pub fn share(&self) -> Self {
        self.permits.pools[self.pool].used.fetch_add(1, Ordering::Acquire);
        Self { permits: Arc::clone(&self.permits), pool: self.pool }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.permits.pools[self.pool].used.fetch_sub(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_permit_counts_until_it_is_given_back() {
        let permits = Permits::new(2, 0);
        let first = permits.acquire(Priority::Ordinary).expect("one is left");
        let second = permits.acquire(Priority::Ordinary).expect("another is left");
        let share = first.share();
        assert_eq!(permits.in_use(), 3);
        drop((first, second));
        assert_eq!(permits.in_use(), 1);
        let _third = permits.acquire(Priority::Ordinary).expect("one is left beside the share");
        assert!(permits.acquire(Priority::Ordinary).is_none());
        drop(share);
        assert!(permits.acquire(Priority::Ordinary).is_some());
    }

    #[test]
    fn a_reserved_request_gets_through_when_all_others_are_refused_and_an_operator_after_it() {
        let permits = Permits::new(2, 1);
        let held = [permits.acquire(Priority::Ordinary), permits.acquire(Priority::Reserved)];
        assert!(held.iter().all(Option::is_some));
        assert!(permits.acquire(Priority::Ordinary).is_none());
        let reserved = permits.acquire(Priority::Reserved);
        assert!(reserved.is_some());
        assert!(permits.acquire(Priority::Reserved).is_none());
        let operators: Vec<_> = (0..OPERATOR_PERMITS).map(|_| permits.acquire(Priority::Operator)).collect();
        assert!(operators.iter().all(Option::is_some));
        assert!(permits.acquire(Priority::Operator).is_none());
        assert_eq!(permits.in_use(), permits.total());
        drop(held);
        assert!(permits.acquire(Priority::Ordinary).is_some());
        drop((reserved, operators));
        assert_eq!(permits.in_use(), 0);
    }
}
