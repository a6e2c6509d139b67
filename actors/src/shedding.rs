//! What is given up when more is asked than can be done, and in which order.
//!
//! The measure is how many of the permits for everything are in use. First go queries of the past: whoever
//! asks them can ask again. Then the fast depth feeds slow down to one message a second, which says the same
//! in fewer words. New orders and new transactions come last, when no permit is left. Cancels, decisions
//! about transactions and what rails say have permits of their own, and settlement needs none: these are
//! never given up.

use crate::permits::Permits;

/// What can be given up before orders are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sheddable {
    /// Queries of the past.
    History,
    /// That fast depth feeds are fast.
    DepthFeeds,
}

impl Sheddable {
    /// From which share of permits in use on, in percent.
    #[must_use]
    pub const fn threshold(self) -> usize {
        match self {
            Self::History => 50,
            Self::DepthFeeds => 75,
        }
    }

    /// A short name for metrics and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::History => "history",
            Self::DepthFeeds => "depth_feeds",
        }
    }
}

impl Permits {
    /// Whether so much is under way that this is given up.
    #[must_use]
    pub fn sheds(&self, what: Sheddable) -> bool {
        let (used, capacity) = self.ordinary_use();
        used * 100 >= capacity * what.threshold()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permits::Priority;

    #[test]
    fn history_goes_first_then_depth_feeds_then_orders_and_cancels_never() {
        let permits = Permits::new(8, 2);
        let mut held = Vec::new();
        let mut stages = Vec::new();
        for _ in 0..=8 {
            stages.push((permits.sheds(Sheddable::History), permits.sheds(Sheddable::DepthFeeds)));
            held.push(permits.acquire(Priority::Ordinary));
        }
        let (history, depth) = ([false, false, false, false, true, true, true, true, true], [6, 7, 8]);
        let expected: Vec<_> =
            history.iter().enumerate().map(|(at, history)| (*history, depth.contains(&at))).collect();
        assert_eq!(stages, expected);
        assert!(held[7].is_some() && held[8].is_none(), "orders go last");
        assert!(permits.acquire(Priority::Reserved).is_some(), "cancels do not go");
    }
}
