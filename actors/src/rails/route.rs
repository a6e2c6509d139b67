//! Which rail a deposit or withdrawal takes: the pure decision.
//!
//! A rail must serve the kind, the asset and the amount. Those that do stand in order of priority, grade
//! of success, cost, rate of success and number; the first one is taken. Every so many choices one of the
//! others gets its turn, so that what is known of them does not grow old. A rail whose success falls
//! is drained for a while, then gets that share of turns on trial, and comes back when they go well.
//!
//! Times are nanoseconds of a clock that never goes back. Nothing here is random.

use rialto_engine::ids::{AssetId, RailId};
use rialto_engine::transaction::TransactionKind;
use rialto_engine::units::Amount;

use crate::rails::breaker::BreakerState;
use crate::rails::window::{Counts, WHOLE, Window};

/// What a rail takes of one asset, and for how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssetTerms {
    /// Deposits or withdrawals.
    pub kind: TransactionKind,
    /// Of what.
    pub asset: AssetId,
    /// The smallest amount, in minor units.
    pub least: Amount,
    /// The largest.
    pub most: Amount,
    /// What one costs the tenant, in minor units of the asset.
    pub fixed: Amount,
    /// What it costs beside that, in basis points of the amount, rounded up.
    pub rate: u32,
}

/// A rail as the router knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RailTerms {
    /// Its number.
    pub rail: RailId,
    /// The lowest is taken first.
    pub priority: u8,
    /// What it takes.
    pub assets: Vec<AssetTerms>,
}

/// How rails are drained, tried and explored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteOptions {
    /// Outcomes of so many nanoseconds are looked at.
    pub span: u64,
    /// A rail is drained for no fewer outcomes than this in the span.
    pub least: u32,
    /// It is drained when its success falls below so many basis points.
    pub drain_below: u32,
    /// It is drained for so many nanoseconds.
    pub drain_for: u64,
    /// So many outcomes on trial decide whether it comes back.
    pub trials: u32,
    /// Rates of success are compared in steps of so many basis points, so that a difference that is
    /// chance does not outweigh a cost that is not.
    pub grade: u32,
    /// Every so many choices another rail than the best gets its turn; zero for never.
    pub explore_every: u32,
}

impl Default for RouteOptions {
    fn default() -> Self {
        const SECOND: u64 = 1_000_000_000;
        Self {
            span: 300 * SECOND,
            least: 20,
            drain_below: 6_000,
            drain_for: 60 * SECOND,
            trials: 5,
            grade: 500,
            explore_every: 20,
        }
    }
}

/// Why there is no rail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoute {
    /// No rail takes this kind and asset.
    Unserved,
    /// Some do, but not this amount.
    AmountOutOfRange,
    /// Those that would are down or drained at the moment.
    AllDown,
}

impl NoRoute {
    /// A short name for answers and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unserved => "unserved",
            Self::AmountOutOfRange => "amount_out_of_range",
            Self::AllDown => "all_down",
        }
    }
}

/// Whether a rail is given anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taking {
    /// Whatever suits it.
    All,
    /// Its share of turns, to see how it does.
    Trial,
    /// Nothing: its success fell, or its breaker is open.
    Nothing,
    /// Nothing, because an operator said so.
    Drained,
}

/// A rail, as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RailStanding {
    /// Which.
    pub rail: RailId,
    /// What it is given.
    pub taking: Taking,
    /// How its breaker stands.
    pub breaker: BreakerState,
    /// What it was given of late, and how that went.
    pub counts: Counts,
}

/// The rails of one tenant.
#[derive(Clone, Debug)]
pub struct Router {
    options: RouteOptions,
    rails: Vec<Rail>,
    /// How many choices there were.
    choices: u64,
}

#[derive(Clone, Debug)]
struct Rail {
    terms: RailTerms,
    window: Window,
    health: Health,
    is_draining: bool,
    /// Told by the channel.
    breaker: BreakerState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Good,
    Bad { until: u64 },
    Trial(Counts),
}

impl Router {
    /// A router over these rails.
    #[must_use]
    pub fn new(options: RouteOptions, rails: Vec<RailTerms>) -> Self {
        let rail = |terms| Rail {
            terms,
            window: Window::new(options.span),
            health: Health::Good,
            is_draining: false,
            breaker: BreakerState::Closed,
        };
        Self { options, rails: rails.into_iter().map(rail).collect(), choices: 0 }
    }

    /// The rail for a deposit or withdrawal, other than those that are ruled out.
    ///
    /// # Errors
    /// If there is none.
    pub fn choose(
        &mut self,
        now: u64,
        kind: TransactionKind,
        asset: AssetId,
        amount: Amount,
        ruled_out: &[RailId],
    ) -> Result<RailId, NoRoute> {
        let order = self.order(now, kind, asset, amount, ruled_out)?;
        let first = *order.first().ok_or(NoRoute::AllDown)?;
        self.choices += 1;
        let every = u64::from(self.options.explore_every);
        let turn = self.choices.checked_div(every).filter(|_| self.choices.is_multiple_of(every));
        let Some(turn) = turn else { return Ok(first.rail) };
        let others = order.len() as u64 - 1;
        let place = turn.checked_rem(others).map_or(0, |place| 1 + place);
        Ok(order[usize::try_from(place).unwrap_or(0)].rail)
    }

    /// The rails that may be taken, the best first: those on trial stand behind all others.
    fn order(
        &mut self,
        now: u64,
        kind: TransactionKind,
        asset: AssetId,
        amount: Amount,
        ruled_out: &[RailId],
    ) -> Result<Vec<Ranked>, NoRoute> {
        let options = self.options;
        let mut order = Vec::new();
        let mut reason = NoRoute::Unserved;
        for rail in &mut self.rails {
            let mut lines = rail.terms.assets.iter().filter(|line| line.kind == kind && line.asset == asset).peekable();
            if lines.peek().is_none() || ruled_out.contains(&rail.terms.rail) {
                continue;
            }
            reason = later(reason, NoRoute::AmountOutOfRange);
            let Some(line) = lines.find(|line| line.least <= amount && amount <= line.most) else { continue };
            reason = NoRoute::AllDown;
            let cost = line.cost(amount);
            let taking = rail.taking(now, &options);
            if matches!(taking, Taking::All | Taking::Trial) {
                order.push(rail.ranked(now, &options, taking == Taking::Trial, cost));
            }
        }
        order.sort_unstable();
        if order.is_empty() { Err(reason) } else { Ok(order) }
    }

    /// A rail has taken something, or failed to.
    pub fn settle(&mut self, now: u64, rail: RailId, is_success: bool) {
        let options = self.options;
        if let Some(rail) = self.rail(rail) {
            rail.settle(now, &options, is_success);
        }
    }

    /// The breaker of a rail has changed.
    pub fn tell_breaker(&mut self, rail: RailId, breaker: BreakerState) {
        if let Some(rail) = self.rail(rail) {
            rail.breaker = breaker;
        }
    }

    /// An operator takes a rail out, or back in. One that comes back in begins without a past. `false` if
    /// there is no such rail.
    pub fn set_draining(&mut self, rail: RailId, is_draining: bool) -> bool {
        let Some(rail) = self.rail(rail) else { return false };
        if rail.is_draining && !is_draining {
            rail.health = Health::Good;
            rail.window.clear();
        }
        rail.is_draining = is_draining;
        true
    }

    /// All rails, as they stand.
    pub fn standings(&mut self, now: u64) -> Vec<RailStanding> {
        let options = self.options;
        let standing = |rail: &mut Rail| RailStanding {
            rail: rail.terms.rail,
            taking: rail.taking(now, &options),
            breaker: rail.breaker,
            counts: rail.window.counts(now),
        };
        self.rails.iter_mut().map(standing).collect()
    }

    fn rail(&mut self, rail: RailId) -> Option<&mut Rail> {
        self.rails.iter_mut().find(|found| found.terms.rail == rail)
    }
}

/// A rail in the order of choice: fields in the order in which they decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ranked {
    is_on_trial: bool,
    priority: u8,
    /// Failures of 10,000 in steps of a grade.
    grade: u32,
    cost: Amount,
    failures: u32,
    rail: RailId,
}

impl Rail {
    fn taking(&mut self, now: u64, options: &RouteOptions) -> Taking {
        if let Health::Bad { until } = self.health
            && until <= now
        {
            self.health = Health::Trial(Counts::default());
        }
        match (self.is_draining, self.breaker, self.health) {
            (true, ..) => Taking::Drained,
            (_, BreakerState::Open, _) | (_, _, Health::Bad { .. }) => Taking::Nothing,
            // No more than decide, if they are told in time.
            (.., Health::Trial(counts)) if counts.total() < options.trials.max(1) => Taking::Trial,
            (_, BreakerState::HalfOpen, _) => Taking::Trial,
            (.., Health::Good | Health::Trial(_)) => Taking::All,
        }
    }

    fn ranked(&mut self, now: u64, options: &RouteOptions, is_on_trial: bool, cost: Amount) -> Ranked {
        let counts = self.window.counts(now);
        // Few outcomes say nothing.
        let failures = if counts.total() < options.least { 0 } else { WHOLE - counts.success_rate() };
        let grade = failures / options.grade.max(1);
        Ranked { is_on_trial, priority: self.terms.priority, grade, cost, failures, rail: self.terms.rail }
    }

    fn settle(&mut self, now: u64, options: &RouteOptions, is_success: bool) {
        self.window.count(now, is_success);
        match &mut self.health {
            Health::Good => {
                let counts = self.window.counts(now);
                if counts.total() >= options.least && counts.success_rate() < options.drain_below {
                    self.drain(now, options);
                }
            }
            // What was under way when it was drained.
            Health::Bad { .. } => {}
            Health::Trial(counts) => {
                let counter = if is_success { &mut counts.succeeded } else { &mut counts.failed };
                *counter += 1;
                if counts.total() < options.trials.max(1) {
                    return;
                }
                if counts.success_rate() < options.drain_below {
                    self.drain(now, options);
                } else {
                    self.health = Health::Good;
                    self.window.clear();
                }
            }
        }
    }

    fn drain(&mut self, now: u64, options: &RouteOptions) {
        self.health = Health::Bad { until: now.saturating_add(options.drain_for) };
    }
}

impl AssetTerms {
    /// What an amount costs: rounded up, so that a rail is never made to look cheaper than it is.
    fn cost(&self, amount: Amount) -> Amount {
        let whole = i128::from(WHOLE);
        let share = amount.0.saturating_mul(i128::from(self.rate)).saturating_add(whole - 1) / whole;
        Amount(self.fixed.0.saturating_add(share))
    }
}

/// The reason that says more.
const fn later(left: NoRoute, right: NoRoute) -> NoRoute {
    if (left as u8) < (right as u8) { right } else { left }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USD: AssetId = AssetId(0);
    const OPTIONS: RouteOptions = RouteOptions {
        span: 1_000,
        least: 4,
        drain_below: 6_000,
        drain_for: 500,
        trials: 3,
        grade: 500,
        explore_every: 0,
    };

    fn terms(rail: u16, priority: u8, fixed: i128, rate: u32) -> RailTerms {
        let line = |kind| AssetTerms {
            kind,
            asset: USD,
            least: Amount(10),
            most: Amount(1_000_000),
            fixed: Amount(fixed),
            rate,
        };
        RailTerms { rail: RailId(rail), priority, assets: vec![line(TransactionKind::Withdrawal)] }
    }

    fn choose(router: &mut Router, now: u64, amount: i128) -> Result<u16, NoRoute> {
        router.choose(now, TransactionKind::Withdrawal, USD, Amount(amount), &[]).map(|rail| rail.0)
    }

    #[test]
    fn priority_decides_first_then_cost() {
        let mut router = Router::new(OPTIONS, vec![terms(1, 1, 0, 0), terms(2, 0, 500, 0), terms(3, 0, 100, 10)]);
        assert_eq!(choose(&mut router, 0, 10_000), Ok(3), "100 + 10 against 500");
        assert_eq!(choose(&mut router, 0, 400_000), Ok(2), "100 + 400 is as much: the lower number");
        assert_eq!(choose(&mut router, 0, 400_001), Ok(2), "100 + 401 is more");
        assert!(router.set_draining(RailId(2), true) && router.set_draining(RailId(3), true));
        assert_eq!(choose(&mut router, 0, 10_000), Ok(1), "the fallback");
        assert!(router.set_draining(RailId(2), false));
        assert_eq!(choose(&mut router, 0, 10_000), Ok(2), "an operator took it back in");
        assert!(!router.set_draining(RailId(9), true));
    }

    #[test]
    fn a_rail_must_serve_the_kind_the_asset_and_the_amount() {
        let mut router = Router::new(OPTIONS, vec![terms(1, 0, 0, 0)]);
        assert_eq!(choose(&mut router, 0, 9), Err(NoRoute::AmountOutOfRange));
        assert_eq!(choose(&mut router, 0, 10), Ok(1));
        assert_eq!(choose(&mut router, 0, 1_000_000), Ok(1));
        assert_eq!(choose(&mut router, 0, 1_000_001), Err(NoRoute::AmountOutOfRange));
        let mut other = |kind, asset| router.choose(0, kind, asset, Amount(100), &[]);
        assert_eq!(other(TransactionKind::Deposit, USD), Err(NoRoute::Unserved));
        assert_eq!(other(TransactionKind::Withdrawal, AssetId(1)), Err(NoRoute::Unserved));
        let ruled_out = [RailId(1)];
        let withdrawal = TransactionKind::Withdrawal;
        assert_eq!(router.choose(0, withdrawal, USD, Amount(100), &ruled_out), Err(NoRoute::Unserved));
        router.tell_breaker(RailId(1), BreakerState::Open);
        assert_eq!(choose(&mut router, 0, 100), Err(NoRoute::AllDown));
    }

    #[test]
    fn an_amount_may_have_terms_of_its_own() {
        let mut rail = terms(1, 0, 0, 100);
        rail.assets.push(AssetTerms {
            least: Amount(1_000_001),
            most: Amount(i128::MAX),
            fixed: Amount(7),
            rate: 0,
            ..rail.assets[0]
        });
        let mut router = Router::new(OPTIONS, vec![rail, terms(2, 0, 50, 0)]);
        assert_eq!(choose(&mut router, 0, 10_000), Ok(2));
        assert_eq!(choose(&mut router, 0, 2_000_000), Ok(1));
    }

    #[test]
    fn a_grade_of_success_outweighs_cost_and_less_than_a_grade_does_not() {
        let mut router = Router::new(OPTIONS, vec![terms(1, 0, 10, 0), terms(2, 0, 500, 0)]);
        (0..100).for_each(|call| router.settle(0, RailId(1), call < 96));
        assert_eq!(choose(&mut router, 0, 10_000), Ok(1), "4 % of failures are within the first grade");
        (0..20).for_each(|_| router.settle(0, RailId(1), false));
        assert_eq!(choose(&mut router, 0, 10_000), Ok(2), "24 of 120 are not");
        assert_eq!(choose(&mut router, 2_000, 10_000), Ok(1), "and are forgotten when the window has passed");
    }

    #[test]
    fn a_rail_that_fails_is_drained_then_tried_then_back() {
        let options = RouteOptions { explore_every: 2, ..OPTIONS };
        let mut router = Router::new(options, vec![terms(1, 0, 0, 0), terms(2, 1, 0, 0)]);
        (0..4).for_each(|call| router.settle(0, RailId(1), call < 2));
        assert_eq!(router.standings(0)[0].taking, Taking::Nothing, "half of four");
        assert!((0..10).all(|_| choose(&mut router, 499, 100) == Ok(2)));
        assert_eq!(router.standings(500)[0].taking, Taking::Trial);
        let picks: Vec<_> = (0..6).map(|_| choose(&mut router, 500, 100).expect("a rail")).collect();
        assert_eq!(picks, [2, 1, 2, 1, 2, 1], "its share of turns");
        router.settle(500, RailId(1), true);
        router.settle(500, RailId(1), false);
        router.settle(500, RailId(1), false);
        assert_eq!(router.standings(501)[0].taking, Taking::Nothing, "one of three is not enough");
        assert_eq!(router.standings(1_000)[0].taking, Taking::Trial);
        (0..3).for_each(|call| router.settle(1_000, RailId(1), call > 0));
        let standing = router.standings(1_001)[0];
        assert_eq!((standing.taking, standing.counts), (Taking::All, Counts::default()), "it begins anew");
        let picks: Vec<_> = (0..4).map(|_| choose(&mut router, 1_001, 100).expect("a rail")).collect();
        assert_eq!(picks, [1, 2, 1, 2]);
    }

    #[test]
    fn a_half_open_breaker_gives_a_trial_even_where_nothing_else_is_left() {
        let mut router = Router::new(OPTIONS, vec![terms(1, 0, 0, 0), terms(2, 1, 0, 0)]);
        router.tell_breaker(RailId(1), BreakerState::HalfOpen);
        assert_eq!(choose(&mut router, 0, 100), Ok(2));
        router.tell_breaker(RailId(2), BreakerState::Open);
        assert_eq!(choose(&mut router, 0, 100), Ok(1));
        router.tell_breaker(RailId(1), BreakerState::Closed);
        assert_eq!(router.standings(0)[0].taking, Taking::All);
    }

    #[test]
    fn every_other_rail_gets_its_turns() {
        let options = RouteOptions { explore_every: 5, ..OPTIONS };
        let mut router = Router::new(options, vec![terms(1, 0, 0, 0), terms(2, 1, 0, 0), terms(3, 2, 0, 0)]);
        let mut taken = [0; 4];
        (0..100).for_each(|_| taken[usize::from(choose(&mut router, 0, 100).expect("a rail"))] += 1);
        assert_eq!(taken, [0, 80, 10, 10]);
        let mut alone = Router::new(options, vec![terms(1, 0, 0, 0)]);
        assert!((0..20).all(|_| choose(&mut alone, 0, 100) == Ok(1)));
    }
}
