//! What a book shows of itself.

use super::dark::Touch;
use super::{Book, RestingOrder, crosses};
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

    /// An order that rests here and is displayed. `remaining` is the displayed part.
    #[must_use]
    pub fn order(&self, order: OrderId) -> Option<RestingOrder> {
        let node = self.orders[self.find(order)?];
        Some(RestingOrder {
            id: node.id,
            account: node.account,
            side: node.side(),
            price: self.ladder(node.side()).price_of(node.level_slot()),
            quantity: node.quantity,
            remaining: node.remaining,
        })
    }

    /// All that rests at a price of a side; zero if nothing does.
    #[must_use]
    pub fn quantity_at(&self, side: Side, price: Price) -> Quantity {
        self.ladder(side).at(price).map_or(Quantity::ZERO, |level| level.quantity)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::BookOutput;
    use crate::book::BookSnapshot;
    use crate::ids::AccountId;

    #[test]
    fn single_orders_and_prices_show_what_the_whole_book_shows() {
        // Bids from 1 to 300 and asks above, every third price empty, so that pages have holes.
        let orders: Vec<RestingOrder> = (1..600_u32)
            .filter(|price| price % 3 != 0)
            .map(|price| RestingOrder {
                id: OrderId(u64::from(price) * 7),
                account: AccountId(price),
                side: if price <= 300 { Side::Buy } else { Side::Sell },
                price: Price(u64::from(price)),
                quantity: Quantity(u64::from(price) + 5),
                remaining: Quantity(u64::from(price)),
            })
            .collect();
        let mut book = Book::restore(&BookSnapshot { orders: orders.clone(), ..BookSnapshot::default() });
        assert_eq!(book.resting().count(), orders.len());
        for order in &orders {
            assert_eq!(book.order(order.id), Some(*order));
            assert_eq!(book.order(OrderId(order.id.0 + 1)), None);
        }
        for price in (0..1_000).map(Price) {
            for side in [Side::Buy, Side::Sell] {
                let shown = book.levels(side).find(|level| level.0 == price);
                assert_eq!(book.quantity_at(side, price), shown.map_or(Quantity::ZERO, |level| level.1), "{price}");
            }
        }
        let removed = orders[10];
        book.cancel(removed.id, Default::default(), &mut BookOutput::default()).expect("rests");
        assert_eq!(book.order(removed.id), None);
        assert_eq!(book.quantity_at(removed.side, removed.price), Quantity::ZERO);
        assert_eq!(book.quantity_at(Side::Buy, Price(u64::MAX)), Quantity::ZERO);
    }
}
