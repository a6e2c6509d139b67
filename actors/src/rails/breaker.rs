//! The circuit breaker of a rail: whoever fails is left alone for a while, then tried with few calls.
//!
//! Pure: times come with the questions, in nanoseconds of a clock that never goes back.

use crate::rails::window::{WHOLE, Window};

/// When a breaker opens, and how it closes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerOptions {
    /// Outcomes of so many nanoseconds are looked at.
    pub span: u64,
    /// It opens for no fewer calls than this in the span.
    pub least: u32,
    /// It opens when so many basis points of them failed.
    pub failed: u32,
    /// So long it stays open the first time, in nanoseconds. Every trial that fails doubles it.
    pub pause: u64,
    /// The longest that it stays open at once, in nanoseconds.
    pub longest: u64,
    /// So many calls are let through at once while it is half-open, and so many must go well in a row.
    pub trials: u32,
}

impl Default for BreakerOptions {
    fn default() -> Self {
        const SECOND: u64 = 1_000_000_000;
        Self { span: 30 * SECOND, least: 10, failed: WHOLE / 2, pause: 5 * SECOND, longest: 60 * SECOND, trials: 3 }
    }
}

/// How a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BreakerState {
    /// Everything goes through.
    Closed,
    /// A few calls go through, on trial.
    HalfOpen,
    /// Nothing goes through.
    Open,
}

impl BreakerState {
    /// A short name for metrics and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }
}

/// The right of one call to go through. Its outcome counts only in the phase that let it through.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a trial whose outcome is never told keeps its place"]
pub struct Admission {
    phase: u64,
}

/// A breaker.
#[derive(Clone, Debug)]
pub struct Breaker {
    options: BreakerOptions,
    window: Window,
    phase: Phase,
    /// Counts the changes of phase.
    number: u64,
    /// How long it stays open the next time.
    pause: u64,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Closed,
    Open { until: u64 },
    HalfOpen { under_way: u32, succeeded: u32 },
}

impl Breaker {
    /// A closed breaker.
    #[must_use]
    pub fn new(options: BreakerOptions) -> Self {
        Self { options, window: Window::new(options.span), phase: Phase::Closed, number: 0, pause: options.pause }
    }

    /// Whether a call may go through now. The outcome of one that may must be told to [`Self::settle`].
    pub fn admit(&mut self, now: u64) -> Option<Admission> {
        if let Phase::Open { until } = self.phase
            && until <= now
        {
            self.enter(Phase::HalfOpen { under_way: 0, succeeded: 0 });
        }
        match &mut self.phase {
            Phase::Closed => {}
            Phase::Open { .. } => return None,
            Phase::HalfOpen { under_way, succeeded } => {
                // No more than are needed: a rail that has just come back must not be flooded.
                if *under_way + *succeeded >= self.options.trials.max(1) {
                    return None;
                }
                *under_way += 1;
            }
        }
        Some(Admission { phase: self.number })
    }

    /// Tells how a call ended that was let through.
    pub fn settle(&mut self, admission: Admission, now: u64, is_success: bool) {
        if admission.phase != self.number {
            return;
        }
        match &mut self.phase {
            Phase::Closed => {
                self.window.count(now, is_success);
                let counts = self.window.counts(now);
                let failed = u64::from(counts.failed) * u64::from(WHOLE);
                let limit = u64::from(counts.total()) * u64::from(self.options.failed);
                if !is_success && counts.total() >= self.options.least && failed >= limit {
                    self.open(now);
                }
            }
            // Nothing is let through.
            Phase::Open { .. } => {}
            Phase::HalfOpen { under_way, succeeded } => {
                *under_way -= 1;
                *succeeded += u32::from(is_success);
                let enough = *succeeded >= self.options.trials.max(1);
                if !is_success {
                    self.open(now);
                } else if enough {
                    self.window.clear();
                    self.pause = self.options.pause;
                    self.enter(Phase::Closed);
                }
            }
        }
    }

    /// How it stands at a time: one whose pause is over counts as half-open, although nobody has tried
    /// yet.
    #[must_use]
    pub fn state(&self, now: u64) -> BreakerState {
        match self.phase {
            Phase::Closed => BreakerState::Closed,
            Phase::Open { until } if now < until => BreakerState::Open,
            Phase::Open { .. } | Phase::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// When the next call may be tried, if it is open.
    #[must_use]
    pub const fn open_until(&self) -> Option<u64> {
        match self.phase {
            Phase::Open { until } => Some(until),
            Phase::Closed | Phase::HalfOpen { .. } => None,
        }
    }

    fn open(&mut self, now: u64) {
        let until = now.saturating_add(self.pause);
        self.pause = self.pause.saturating_mul(2).min(self.options.longest).max(self.options.pause);
        self.enter(Phase::Open { until });
    }

    const fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.number += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: BreakerOptions =
        BreakerOptions { span: 1_000, least: 4, failed: 5_000, pause: 100, longest: 300, trials: 2 };

    fn call(breaker: &mut Breaker, now: u64, is_success: bool) {
        let admission = breaker.admit(now).expect("it goes through");
        breaker.settle(admission, now, is_success);
    }

    fn opened_at(now: u64) -> Breaker {
        let mut breaker = Breaker::new(OPTIONS);
        (0..4).for_each(|_| call(&mut breaker, now, false));
        breaker
    }

    #[test]
    fn it_opens_when_half_of_enough_calls_failed() {
        let mut breaker = Breaker::new(OPTIONS);
        for (is_success, state) in [
            (false, BreakerState::Closed),
            (false, BreakerState::Closed),
            (true, BreakerState::Closed),
            (true, BreakerState::Closed),
            (true, BreakerState::Closed),
            (false, BreakerState::Open),
        ] {
            call(&mut breaker, 10, is_success);
            assert_eq!(breaker.state(10), state);
        }
        assert_eq!(breaker.admit(109), None);
    }

    #[test]
    fn a_few_calls_go_through_on_trial_and_close_it() {
        let mut breaker = opened_at(0);
        assert_eq!(breaker.open_until(), Some(100));
        assert_eq!((breaker.state(99), breaker.state(100)), (BreakerState::Open, BreakerState::HalfOpen));
        let first = breaker.admit(100).expect("the first trial");
        let second = breaker.admit(100).expect("the second");
        assert_eq!(breaker.open_until(), None);
        assert_eq!(breaker.admit(100), None, "no more than two");
        breaker.settle(first, 101, true);
        assert_eq!(breaker.state(101), BreakerState::HalfOpen);
        assert_eq!(breaker.admit(101), None, "one has gone well, one is under way: no third is needed");
        breaker.settle(second, 102, true);
        assert_eq!(breaker.state(102), BreakerState::Closed);
        (0..3).for_each(|_| call(&mut breaker, 102, false));
        assert_eq!(breaker.state(102), BreakerState::Closed, "what failed before is forgotten");
    }

    #[test]
    fn a_trial_that_fails_opens_it_for_twice_as_long_up_to_a_limit() {
        let mut breaker = opened_at(0);
        let mut now = 100;
        for pause in [200, 300, 300] {
            call(&mut breaker, now, false);
            assert_eq!(breaker.state(now + pause - 1), BreakerState::Open);
            now += pause;
            assert_eq!(breaker.state(now), BreakerState::HalfOpen);
        }
        (0..2).for_each(|_| call(&mut breaker, now, true));
        (0..4).for_each(|_| call(&mut breaker, now, false));
        assert_eq!(breaker.state(now + 100), BreakerState::HalfOpen, "and after a recovery it begins anew");
    }

    #[test]
    fn the_outcome_of_a_call_from_before_does_not_decide_a_trial() {
        let mut breaker = Breaker::new(OPTIONS);
        let slow = breaker.admit(0).expect("closed");
        (0..4).for_each(|_| call(&mut breaker, 0, false));
        let trial = breaker.admit(100).expect("half-open");
        breaker.settle(slow, 100, false);
        assert_eq!(breaker.state(100), BreakerState::HalfOpen);
        breaker.settle(trial, 100, true);
        call(&mut breaker, 100, true);
        assert_eq!(breaker.state(100), BreakerState::Closed);
    }
}
