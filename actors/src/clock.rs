//! The clocks. No other file asks what time it is.
//!
//! There are three. [`wall`] is the time of day, which somebody may set. [`monotonic`] only measures how
//! long something takes. [`now`] is the time by which the engine acts and with which commands are
//! stamped: the wall clock, as long as that goes at the pace of the monotonic one.
//!
//! # When the wall clock is set
//! Time never goes back and never stands still, since timers hang on it, and it does not jump ahead, since
//! everything that ends by itself would end at once because of somebody's slip. While the wall clock is
//! behind, time goes on at seven eighths of the monotonic pace until it is caught up with; while it is ahead,
//! at twice the pace. So a wall clock that was wrong for an hour makes timers run out an hour early at
//! most, and one that was set back makes them run out later by a seventh. Where a process begins, it
//! believes the wall clock, but not that it is earlier than what it has written down ([`not_before`]).

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rialto_engine::units::Nanos;

/// What [`now`] may at least advance for what the monotonic clock does, as a fraction.
const SLOWEST: (u64, u64) = (7, 8);
/// What it may at most.
const FASTEST: (u64, u64) = (2, 1);

static PACE: Mutex<Option<Pace>> = Mutex::new(None);
/// How far [`drill`] has set the wall clock.
static DRILLED: AtomicI64 = AtomicI64::new(0);

/// The wall clock, UTC.
#[must_use]
pub fn wall() -> Nanos {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let time = u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX);
    Nanos(time.saturating_add_signed(DRILLED.load(Ordering::Relaxed)))
}

/// Nanoseconds since the process first asked, never going back; at least 1.
#[must_use]
pub fn monotonic() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1)
}

/// The time by which the engine acts.
#[must_use]
pub fn now() -> Nanos {
    let mut pace = PACE.lock().unwrap_or_else(PoisonError::into_inner);
    let (wall, monotonic) = (wall(), monotonic());
    pace.get_or_insert(Pace { time: wall, monotonic }).advance(wall, monotonic)
}

/// Makes sure that [`now`] is not before this: for what was written down by a process before this one,
/// perhaps before the wall clock was set back.
pub fn not_before(time: Nanos) {
    let began = now();
    let mut pace = PACE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pace) = pace.as_mut().filter(|_| time > began) {
        tracing::warn!(ahead_seconds = (time.0 - began.0) / 1_000_000_000, "the wall clock is behind what was written");
        pace.time = pace.time.max(time);
    }
}

/// Sets the wall clock of this process by so many nanoseconds, to practise what an operator's slip does.
pub fn drill(nanos: i64) {
    DRILLED.fetch_add(nanos, Ordering::Relaxed);
}

/// Makes a time out of two clocks.
#[derive(Clone, Copy, Debug)]
struct Pace {
    time: Nanos,
    /// The monotonic clock at that time.
    monotonic: u64,
}

impl Pace {
    /// The time at these readings.
    fn advance(&mut self, wall: Nanos, monotonic: u64) -> Nanos {
        // Small enough for the fractions, however long nobody has asked.
        let elapsed = monotonic.saturating_sub(self.monotonic).min(u64::MAX / 8);
        let after =
            |(numerator, denominator): (u64, u64)| Nanos(self.time.0.saturating_add(elapsed * numerator / denominator));
        let time = wall.clamp(after(SLOWEST), after(FASTEST));
        *self = Self { time, monotonic: monotonic.max(self.monotonic) };
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const HOUR: u64 = 3_600 * SECOND;
    const BEGAN: u64 = 500_000 * HOUR;

    /// Asks every second of so many, with the wall clock off by `off`.
    fn run(pace: &mut Pace, seconds: u64, off: i64) -> Nanos {
        let mut time = pace.time;
        for _ in 0..seconds {
            let monotonic = pace.monotonic + SECOND;
            let next = pace.advance(Nanos((BEGAN + monotonic).saturating_add_signed(off)), monotonic);
            assert!(next > time, "time goes on");
            time = next;
        }
        time
    }

    fn hours(count: i64) -> i64 {
        count * i64::try_from(HOUR).expect("small")
    }

    #[test]
    fn a_clock_that_nobody_sets_is_the_wall_clock() {
        let mut pace = Pace { time: Nanos(BEGAN), monotonic: 0 };
        assert_eq!(run(&mut pace, 7_200, 0), Nanos(BEGAN + 2 * HOUR));
        // Nor is it anything else where the wall clock is slewed by a little.
        for second in 1..1_000 {
            let wall = Nanos(BEGAN + 2 * HOUR + second * (SECOND - 500_000));
            assert_eq!(pace.advance(wall, 2 * HOUR + second * SECOND), wall);
        }
    }

    #[test]
    fn a_wall_clock_that_is_set_back_makes_time_go_slower_and_not_stand_still() {
        let mut pace = Pace { time: Nanos(BEGAN), monotonic: 0 };
        run(&mut pace, 60, 0);
        let after = run(&mut pace, 3_600, hours(-1));
        assert_eq!(after, Nanos(BEGAN + 60 * SECOND + HOUR / 8 * 7));
        // It is an hour ahead and loses an eighth of each.
        assert_eq!(run(&mut pace, 7 * 3_600, hours(-1)), Nanos(BEGAN + 60 * SECOND + 7 * HOUR));
        assert_eq!(run(&mut pace, 3_600, hours(-1)), Nanos(BEGAN + 60 * SECOND + 8 * HOUR), "the wall clock again");
    }

    #[test]
    fn a_wall_clock_that_is_set_ahead_by_mistake_does_no_more_harm_than_it_lasts() {
        let mut pace = Pace { time: Nanos(BEGAN), monotonic: 0 };
        let after = run(&mut pace, 60, hours(24 * 365));
        assert_eq!(after, Nanos(BEGAN + 120 * SECOND), "a year ahead for a minute");
        assert_eq!(run(&mut pace, 480, 0), Nanos(BEGAN + 540 * SECOND), "and it is the wall clock again");
        // One that is right, as after a machine was suspended, is caught up with.
        run(&mut pace, 3_600, hours(1));
        assert_eq!(pace.time, Nanos(BEGAN + 540 * SECOND + 2 * HOUR));
    }

    #[test]
    fn neither_clock_brings_time_to_its_limits() {
        let mut pace = Pace { time: Nanos(BEGAN), monotonic: 0 };
        let time = pace.advance(Nanos(u64::MAX), u64::MAX);
        assert!(time > Nanos(BEGAN));
        assert!(pace.advance(Nanos::ZERO, 0) >= time, "a monotonic clock does not go back; if it did, time would not");
        let mut last = Pace { time: Nanos(u64::MAX), monotonic: 0 };
        assert_eq!(last.advance(Nanos(u64::MAX), SECOND), Nanos(u64::MAX));
    }
}
