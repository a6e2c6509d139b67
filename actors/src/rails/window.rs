//! How many calls went well of late: integer counters in a ring of time buckets.

/// Outcomes that were counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Those that went well.
    pub succeeded: u32,
    /// Those that did not.
    pub failed: u32,
}

/// Ten thousand basis points: all of it.
pub const WHOLE: u32 = 10_000;

impl Counts {
    /// All of them.
    #[must_use]
    pub const fn total(self) -> u32 {
        self.succeeded.saturating_add(self.failed)
    }

    /// The share that went well in basis points, rounded down; all of it where nothing was counted.
    #[must_use]
    pub fn success_rate(self) -> u32 {
        let total = u64::from(self.succeeded) + u64::from(self.failed);
        let share = (u64::from(self.succeeded) * u64::from(WHOLE)).checked_div(total);
        share.and_then(|share| u32::try_from(share).ok()).unwrap_or(WHOLE)
    }

    const fn count(&mut self, is_success: bool) {
        let counter = if is_success { &mut self.succeeded } else { &mut self.failed };
        *counter = counter.saturating_add(1);
    }
}

/// In so many parts a window moves on.
const BUCKETS: usize = 10;

/// Outcomes of the last `span` nanoseconds, give or take a tenth.
#[derive(Clone, Debug)]
pub struct Window {
    /// Nanoseconds per bucket, above zero.
    width: u64,
    /// The number of the newest bucket: its time divided by the width.
    newest: u64,
    buckets: [Counts; BUCKETS],
}

impl Window {
    /// An empty window over so many nanoseconds.
    #[must_use]
    pub fn new(span: u64) -> Self {
        Self { width: (span / BUCKETS as u64).max(1), newest: 0, buckets: [Counts::default(); BUCKETS] }
    }

    /// Counts an outcome.
    pub fn count(&mut self, now: u64, is_success: bool) {
        self.move_to(now);
        self.buckets[Self::place(self.newest)].count(is_success);
    }

    /// What the window holds at a time.
    pub fn counts(&mut self, now: u64) -> Counts {
        self.move_to(now);
        let add = |sum: Counts, bucket: &Counts| Counts {
            succeeded: sum.succeeded.saturating_add(bucket.succeeded),
            failed: sum.failed.saturating_add(bucket.failed),
        };
        self.buckets.iter().fold(Counts::default(), add)
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.buckets = [Counts::default(); BUCKETS];
    }

    /// Empties the buckets that the time has passed. Times never go back; one that does counts into the
    /// newest bucket.
    fn move_to(&mut self, now: u64) {
        let number = now / self.width;
        if number.saturating_sub(self.newest) >= BUCKETS as u64 {
            self.clear();
            self.newest = number;
        }
        while self.newest < number {
            self.newest += 1;
            self.buckets[Self::place(self.newest)] = Counts::default();
        }
    }

    fn place(number: u64) -> usize {
        usize::try_from(number % BUCKETS as u64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_the_window_does_not_count() {
        let mut window = Window::new(100);
        for now in 0..100 {
            window.count(now, now % 4 != 0);
        }
        assert_eq!(window.counts(99), Counts { succeeded: 75, failed: 25 });
        assert_eq!(window.counts(99).success_rate(), 7_500);
        let half = window.counts(149);
        assert_eq!(half.total(), 50, "one bucket after the other falls out");
        assert_eq!(window.counts(148), half, "and a clock that goes back brings nothing again");
        assert_eq!(window.counts(10_000), Counts::default());
        assert_eq!(window.counts(10_000).success_rate(), WHOLE, "nobody is bad who was never asked");
    }

    #[test]
    fn a_jump_that_lands_on_the_same_place_of_the_ring_brings_nothing_back() {
        let mut window = Window::new(100);
        window.count(5, false);
        assert_eq!(window.counts(105).total(), 0);
        window.count(105, true);
        assert_eq!(window.counts(105), Counts { succeeded: 1, failed: 0 });
    }
}
