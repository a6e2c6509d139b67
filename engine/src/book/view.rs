//! What a book shows of itself.

use super::dark::Touch;
use super::{Book, crosses};
use crate::digest::Digest;
use crate::ids::OrderId;
use crate::order::Side;
use crate::units::{Price, Quantity};

impl Book {
    /// The best price of a side and all that rests there.
    #[must_use]
    pub fn best(&self, side: Side) -> Option<(Price, Quantity)> {
        self.ladder(side).best().map(|level| (level.price, level.quantity))
    }

    /// The levels of a side, best first.
    pub fn levels(&self, side: Side) -> impl Iterator<Item = (Price, Quantity)> + '_ {
        self.ladder(side).iter().map(|level| (level.price, level.quantity))
    }

    /// What is open of an order, if it rests or waits here, displayed or not.
    #[must_use]
    pub fn remaining(&self, order: OrderId) -> Option<Quantity> {
        self.open_and_total(order).map(|(open, _)| open)
    }

    /// How many orders wait for their trigger.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.triggers.len()
    }

    /// How many orders rest here without being displayed.
    #[must_use]
    pub fn undisplayed(&self) -> usize {
        self.dark.len()
    }

    /// How many orders wait until another one is filled.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// The price of the last trade.
    #[must_use]
    pub fn last_price(&self) -> Option<Price> {
        self.last
    }

    /// How many orders rest here and are displayed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.orders.len()
    }

    /// Whether no order is displayed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many trades there were so far: also the last trade's number.
    #[must_use]
    pub fn trades(&self) -> u64 {
        self.trades
    }

    /// The last aggregate trade's number.
    #[must_use]
    pub fn aggregates(&self) -> u64 {
        self.aggregates
    }

    /// How many changes of visible depth there were so far: the update id of market data.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// The number of the last message received.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received
    }

    /// The number of the last message sent.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// The fingerprint of all this book has done.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The best displayed prices.
    pub(super) fn touch(&self) -> Touch {
        let best = |side| self.best(side).map(|(price, _)| price);
        Touch { bid: best(Side::Buy), ask: best(Side::Sell) }
    }

    /// The best price of a side at which an order rests, displayed or not.
    pub(super) fn touch_of(&self, side: Side) -> Option<Price> {
        let displayed = self.best(side).map(|(price, _)| price);
        match (displayed, self.dark.best(side)) {
            (Some(one), Some(other)) => Some(if crosses(side, one, other) { one } else { other }),
            (one, other) => one.or(other),
        }
    }
}
