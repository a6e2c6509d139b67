//! When lost books are asked for: at once, and with growing pauses if they are lost again.

use std::time::{Duration, Instant};

/// Losses within this time of each other are one trouble.
const TROUBLE: Duration = Duration::from_secs(60);
/// The pause before the books are asked for after the second loss. Each further one doubles it.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// How long books may take to come before they are asked for again.
const PATIENCE: Duration = Duration::from_secs(5);

/// How far market data is from having every book again.
#[derive(Debug, Default)]
pub struct Recovery {
    missing: usize,
    ask_at: Option<Instant>,
    pause: Duration,
    lost_at: Option<Instant>,
}

impl Recovery {
    /// So many books were lost.
    pub fn lost(&mut self, books: usize, now: Instant) {
        let again = self.lost_at.is_some_and(|before| now.duration_since(before) < TROUBLE);
        self.pause = if again { (2 * self.pause).clamp(PAUSE, PAUSE_MAX) } else { Duration::ZERO };
        self.lost_at = Some(now);
        self.missing = books;
        self.ask_at = (books > 0).then(|| now + self.pause);
    }

    /// Whether the books are to be asked for now.
    pub fn is_due(&mut self, now: Instant) -> bool {
        let due = self.ask_at.is_some_and(|at| at <= now);
        if due {
            self.ask_at = Some(now + PATIENCE);
        }
        due
    }

    /// One of the books is there again.
    pub fn found(&mut self) {
        self.missing -= 1;
        if self.missing == 0 {
            self.ask_at = None;
        }
    }

    /// Whether every book is there.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.missing == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn books_are_asked_for_at_once_then_later_and_later_and_until_they_come() {
        let mut recovery = Recovery::default();
        let mut now = Instant::now();
        assert!(recovery.is_over() && !recovery.is_due(now));
        recovery.lost(2, now);
        assert!(recovery.is_due(now));
        assert!(!recovery.is_due(now + PATIENCE / 2));
        now += PATIENCE;
        assert!(recovery.is_due(now), "they did not come");
        recovery.found();
        assert!(!recovery.is_over());
        recovery.found();
        assert!(recovery.is_over() && !recovery.is_due(now + 2 * PATIENCE));
        for pause in [1, 2, 4, 8, 16, 30, 30] {
            let pause = Duration::from_secs(pause);
            recovery.lost(1, now);
            assert!(
                !recovery.is_due(now + pause - Duration::from_millis(1)) && recovery.is_due(now + pause),
                "{pause:?}"
            );
            now += pause;
        }
        now += TROUBLE;
        recovery.lost(1, now);
        assert!(recovery.is_due(now), "another trouble");
    }
}
