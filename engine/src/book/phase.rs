//! What a market does with orders: its phases, what is due by time, and what protects trading.

use std::ops::RangeInclusive;

use super::{Book, BookOutput};
use crate::ids::ShardId;
use crate::message::{BookEvent, BookOutcome, Expiry, Phase, Protection, ToWallet};
use crate::order::Side;
use crate::units::{BasisPoints, Nanos, Price};

/// All prices there are.
const ANY: RangeInclusive<Price> = Price::ZERO..=Price(u64::MAX);

/// The market's phase and rules.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct State {
    pub phase: Phase,
    /// When it goes over to continuous trading by itself; zero for never.
    pub until: Nanos,
    /// Its `reference` is the static one of the moment.
    pub protection: Protection,
    /// The time of the turn under way.
    pub now: Nanos,
}

impl State {
    /// Whether no band bounds trading.
    #[inline]
    pub fn is_unbounded(&self) -> bool {
        let Protection { static_band, dynamic_band, .. } = self.protection;
        static_band.is_zero() && dynamic_band.is_zero()
    }
}

impl Book {
    /// The market's phase.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.state.phase
    }

    /// When the market goes over to continuous trading by itself; zero for never.
    #[must_use]
    pub fn until(&self) -> Nanos {
        self.state.until
    }

    /// What protects trading, with the static reference of the moment.
    #[must_use]
    pub fn protection(&self) -> Protection {
        self.state.protection
    }

    /// When something is due next: the end of an order, or that of a phase.
    #[must_use]
    #[inline]
    pub fn next_due(&self) -> Option<Nanos> {
        let end = self.ends.first().map(|(end, _)| end);
        let until = (!self.state.until.is_zero()).then_some(self.state.until);
        match (end, until) {
            (Some(end), Some(until)) => Some(end.min(until)),
            (end, until) => end.or(until),
        }
    }

    /// Whether something is due at a time.
    #[must_use]
    #[inline]
    pub fn is_due(&self, time: Nanos) -> bool {
        self.next_due().is_some_and(|due| due <= time)
    }

    /// Carries out what is due by a time, and tells of it. `None` if nothing is.
    ///
    /// Called before [`Book::receive`] with the time of the message.
    pub fn catch_up(&mut self, time: Nanos, output: &mut BookOutput) -> Option<ToWallet> {
        if !self.is_due(time) {
            return None;
        }
        self.state.now = time;
        while let Some(due) = self.next_due().filter(|due| *due <= time) {
            match self.ends.first() {
                Some((end, order)) if end == due => {
                    self.ends.pop();
                    self.lapse(order, Expiry::Time, output);
                }
                _ => {
                    self.enter(Phase::Continuous, Nanos::ZERO, output);
                    let after = output.filled();
                    output.events.push(BookEvent::PhaseChanged { phase: Phase::Continuous, after });
                }
            }
        }
        let shown = output.fills.len();
        self.cascade(shown, time, output);
        Some(self.answer(ShardId::FIRST, time, BookOutcome::Continued, output))
    }

    /// Enters a phase. Where a book may not be crossed in it, the auction is carried out first.
    pub(super) fn enter(&mut self, phase: Phase, until: Nanos, output: &mut BookOutput) {
        self.state.until = if phase == Phase::Continuous { Nanos::ZERO } else { until };
        if phase == self.state.phase {
            return;
        }
        if !phase.may_be_crossed() {
            self.uncross(output);
        }
        self.state.phase = phase;
        self.digest.add(phase as u64);
        match phase {
            Phase::Closed => {
                while let Some(order) = self.ends.pop_of_day() {
                    self.lapse(order, Expiry::Time, output);
                }
            }
            Phase::Continuous => {
                self.dark.reprice(self.touch());
                self.settled = None;
                if let Some(last) = self.last {
                    self.triggers.print(last);
                }
            }
            _ => {}
        }
    }

    pub(super) fn protect(&mut self, protection: Protection) {
        let reference = protection.reference.or(self.state.protection.reference);
        self.state.protection = Protection { reference, ..protection };
        self.settled = None;
        for word in [protection.static_band.0, protection.dynamic_band.0] {
            self.digest.add(u64::from(word));
        }
    }

    /// Goes over to an auction, because the next trade would have been outside of a band.
    pub(super) fn interrupt(&mut self, output: &mut BookOutput) {
        let interruption = self.state.protection.interruption;
        self.state.phase = Phase::Auction;
        self.state.until =
            if interruption.is_zero() { Nanos::ZERO } else { Nanos(self.state.now.0.saturating_add(interruption.0)) };
        let after = output.filled();
        output.events.push(BookEvent::PhaseChanged { phase: Phase::Auction, after });
    }

    /// The prices that the next taker may trade at.
    pub(super) fn band(&self) -> RangeInclusive<Price> {
        let Protection { static_band, dynamic_band, reference, .. } = self.state.protection;
        let (mut low, mut high) = ANY.into_inner();
        for (reference, share) in [(reference, static_band), (self.last, dynamic_band)] {
            if let Some(reference) = reference.filter(|_| !share.is_zero()) {
                low = low.max(bound(Side::Sell, reference, share));
                high = high.min(bound(Side::Buy, reference, share));
            }
        }
        low..=high
    }
}

/// The worst price within a share of another: above it, rounded down, for buyers; below it, rounded up,
/// for sellers.
pub(super) fn bound(side: Side, price: Price, share: BasisPoints) -> Price {
    let basis = u128::from(crate::market::BASIS_POINTS);
    let scaled = |factor: u128| u128::from(price.0) * factor;
    let bound = match side {
        Side::Buy => scaled(basis + u128::from(share.0)) / basis,
        Side::Sell => scaled(basis.saturating_sub(u128::from(share.0))).div_ceil(basis),
    };
    Price(u64::try_from(bound).unwrap_or(u64::MAX))
}
