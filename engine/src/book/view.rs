//! What a book shows of a single order and of a single price.

use super::{Book, RestingOrder};
use crate::ids::OrderId;
use crate::order::Side;
use crate::units::{Price, Quantity};

impl Book {
    /// An order that rests here. One that waits for its trigger does not.
    #[must_use]
    pub fn order(&self, order: OrderId) -> Option<RestingOrder> {
        let node = self.orders[self.find(order)?];
        Some(RestingOrder {
            id: node.id,
            account: node.account,
            side: node.side(),
            price: self.ladder(node.side()).level(node.level_slot()).price,
            quantity: node.quantity,
            remaining: node.remaining,
        })
    }

    /// All that rests at a price of a side; zero if nothing does.
    #[must_use]
    pub fn quantity_at(&self, side: Side, price: Price) -> Quantity {
        self.ladder(side).at(price).map_or(Quantity::ZERO, |level| level.quantity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        book.cancel(removed.id, Default::default(), &mut Default::default()).expect("rests");
        assert_eq!(book.order(removed.id), None);
        assert_eq!(book.quantity_at(removed.side, removed.price), Quantity::ZERO);
        assert_eq!(book.quantity_at(Side::Buy, Price(u64::MAX)), Quantity::ZERO);
    }
}
