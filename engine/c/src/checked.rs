//! A book that trusts nobody: it checks what the engine takes for proven.
//!
//! In the engine, a wallet numbers the orders and a market proves the limits. Here neither is there.

use rialto_engine::book::{Book, BookOutput, LevelChange, RestingOrder};
use rialto_engine::ids::{AccountId, OrderId};
use rialto_engine::market::QUANTITY_MAX;
use rialto_engine::message::{CancelRestriction, Fill, Placement};
use rialto_engine::order::{NewOrder, OrderKind, Side};
use rialto_engine::reason::Reason;
use rialto_engine::units::{Nanos, Notional, Price, Quantity};

use crate::abi::{self, Error, Report, ReportKind};

/// What orders may trade for stays below this many tick-lots.
pub const NOTIONAL_MAX: u64 = 1 << 62;

/// The most orders that may rest. Each stands at a level of a page of 64, and levels are named by
/// 31 bits: twice as many pages as these would not do.
pub const ORDERS_MAX: u64 = 1 << 24;

/// What orders may say, such that no sum can overflow.
///
/// A taker of at most `max_quantity` trades at prices of at most `max_price`, so each of its trades
/// and all of them together stay below [`NOTIONAL_MAX`]. Fewer orders than `u64::MAX / max_quantity`
/// rest, so the quantities of a level sum to a `u64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Limits {
    max_price: u64,
    max_quantity: u64,
    max_orders: u64,
}

/// A book and the checks before it.
#[derive(Debug)]
pub struct CheckedBook {
    book: Book,
    output: BookOutput,
    limits: Limits,
}

/// What became of a command, beside its fills.
#[derive(Clone, Copy, Debug)]
pub enum Done {
    /// An order was brought in.
    Placed(NewOrder, Placement),
    /// This order was taken out, of which so much was open.
    Canceled(OrderId, Quantity),
    /// There was nothing to take out.
    CancelRejected(OrderId, Reason),
    /// An order has less open, and its place.
    Reduced(RestingOrder),
    /// An order was taken out and brought in anew.
    Moved(NewOrder, Placement),
    /// An order is as it was.
    ModifyRejected(OrderId, Reason),
}

impl CheckedBook {
    /// An empty book for orders within these limits.
    ///
    /// # Errors
    /// [`Error::Range`] if sums could overflow within them.
    pub fn new(max_price: u64, max_quantity: u64) -> Result<Self, Error> {
        let notional_max = max_price.checked_mul(max_quantity).ok_or(Error::Range)?;
        if notional_max == 0 || notional_max >= NOTIONAL_MAX || max_quantity > QUANTITY_MAX.0 {
            return Err(Error::Range);
        }
        let limits = Limits { max_price, max_quantity, max_orders: ORDERS_MAX.min(u64::MAX / max_quantity) };
        Ok(Self { book: Book::new(), output: BookOutput::default(), limits })
    }

    /// The book itself, to be asked.
    #[must_use]
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// Brings an order in.
    ///
    /// # Errors
    /// What is wrong with it, in the order of [`Error`].
    pub fn submit(&mut self, order: &abi::Order) -> Result<Done, Error> {
        let kind = abi::kind(order.kind).ok_or(Error::Invalid)?;
        let side = abi::side(order.side).ok_or(Error::Invalid)?;
        let (has_quantity, has_budget) = match kind {
            OrderKind::MarketByQuote => (false, true),
            _ => (true, false),
        };
        let Limits { max_price, max_quantity, max_orders } = self.limits;
        let fields = [
            (order.price, kind.has_limit(), max_price),
            (order.quantity, has_quantity, max_quantity),
            (order.budget, has_budget, NOTIONAL_MAX - 1),
            (u64::from(order.reserved), false, 0),
        ];
        if fields.iter().any(|(value, used, _)| !used && *value != 0) {
            return Err(Error::Invalid);
        }
        if fields.iter().any(|(value, used, max)| *used && (*value == 0 || value > max)) {
            return Err(Error::Range);
        }
        if self.book.remaining(OrderId(order.id)).is_some() {
            return Err(Error::Duplicate);
        }
        if matches!(kind, OrderKind::Limit | OrderKind::PostOnly) && self.book.len() as u64 >= max_orders {
            return Err(Error::Full);
        }
        // From here on the call is right; the book may still refuse.
        let order = NewOrder {
            quantity: Quantity(if has_quantity { order.quantity } else { max_quantity }),
            budget: Notional(if has_budget { order.budget } else { u64::MAX }),
            ..plain(OrderId(order.id), AccountId(order.account), side, kind, Price(order.price))
        };
        self.output.clear();
        let placement = self.book.place(&order, &mut self.output);
        Ok(Done::Placed(order, placement))
    }

    /// Takes an order out.
    pub fn cancel(&mut self, order: OrderId) -> Done {
        self.output.clear();
        match self.book.cancel(order, CancelRestriction::None, &mut self.output) {
            Ok(remaining) => Done::Canceled(order, remaining),
            Err(reason) => Done::CancelRejected(order, reason),
        }
    }

    /// Gives an order a new price and a new open quantity. Less at the same price keeps its place.
    ///
    /// # Errors
    /// [`Error::Range`].
    pub fn modify(&mut self, order: OrderId, price: Price, open: Quantity) -> Result<Done, Error> {
        self.check(price, open)?;
        self.output.clear();
        let Some(resting) = self.book.order(order) else {
            return Ok(Done::ModifyRejected(order, Reason::OrderAlreadyFinal));
        };
        if price == resting.price && open < resting.remaining {
            return Ok(self.lower(resting, open));
        }
        if let Err(reason) = self.book.cancel(order, CancelRestriction::None, &mut self.output) {
            return Ok(Done::ModifyRejected(order, reason));
        }
        let order = NewOrder {
            quantity: open,
            budget: Notional(u64::MAX),
            ..plain(order, resting.account, resting.side, OrderKind::Limit, price)
        };
        let placement = self.book.place(&order, &mut self.output);
        Ok(Done::Moved(order, placement))
    }

    /// Lowers what is open of an order. It keeps its place.
    ///
    /// # Errors
    /// [`Error::Range`].
    pub fn reduce(&mut self, order: OrderId, open: Quantity) -> Result<Done, Error> {
        self.check(Price(self.limits.max_price), open)?;
        self.output.clear();
        let Some(resting) = self.book.order(order) else {
            return Ok(Done::ModifyRejected(order, Reason::OrderAlreadyFinal));
        };
        if open >= resting.remaining {
            return Ok(Done::ModifyRejected(order, Reason::QuantityNotReduced));
        }
        Ok(self.lower(resting, open))
    }

    /// Tells what came of the last command, in order.
    pub fn report(&self, done: &Done, mut each: impl FnMut(&Report)) {
        match done {
            Done::Placed(order, placement) => self.report_placement(order, *placement, &mut each),
            Done::Canceled(order, remaining) => each(&of_canceled(*order, *remaining, self.output.levels.last())),
            Done::CancelRejected(order, reason) => each(&refusal(ReportKind::CancelRejected, *order, *reason)),
            Done::Reduced(resting) => each(&Report {
                id: resting.id.0,
                price: resting.price.0,
                remaining: resting.remaining.0,
                account: resting.account.0,
                side: abi::side_number(resting.side),
                kept_place: 1,
                ..of_kind(ReportKind::Modified)
            }),
            Done::Moved(order, placement) => {
                each(&Report {
                    quantity: 0,
                    remaining: order.quantity.0,
                    kind: ReportKind::Modified as u32,
                    ..of_order(order)
                });
                self.report_placement(order, *placement, &mut each);
            }
            Done::ModifyRejected(order, reason) => each(&refusal(ReportKind::ModifyRejected, *order, *reason)),
        }
    }

    fn check(&self, price: Price, quantity: Quantity) -> Result<(), Error> {
        let Limits { max_price, max_quantity, .. } = self.limits;
        let within = |value: u64, max: u64| value != 0 && value <= max;
        if within(price.0, max_price) && within(quantity.0, max_quantity) { Ok(()) } else { Err(Error::Range) }
    }

    /// The engine counts an order's total, filled part included.
    fn lower(&mut self, resting: RestingOrder, open: Quantity) -> Done {
        let filled = resting.quantity - resting.remaining;
        match self.book.reduce(resting.id, filled + open, &mut self.output) {
            Ok(()) => Done::Reduced(RestingOrder { quantity: filled + open, remaining: open, ..resting }),
            Err(reason) => Done::ModifyRejected(resting.id, reason),
        }
    }

    fn report_placement(&self, order: &NewOrder, placement: Placement, each: &mut impl FnMut(&Report)) {
        let by_quote = order.kind == OrderKind::MarketByQuote;
        for fill in &self.output.fills {
            each(&of_fill(fill, by_quote));
        }
        let (kind, remaining, reason) = match placement {
            Placement::Filled => (ReportKind::Accepted, Quantity::ZERO, 0),
            Placement::Resting { remaining } => (ReportKind::Accepted, remaining, 0),
            Placement::Expired { remaining, reason } => (ReportKind::Expired, remaining, abi::expiry_number(reason)),
            Placement::Rejected(reason) => (ReportKind::Rejected, Quantity::ZERO, u32::from(reason.number())),
            Placement::Slid { .. } | Placement::Waiting | Placement::Pending => {
                unreachable!("no order slides, has a trigger or belongs to a list here")
            }
        };
        // An order by quote has no lots of its own: the engine counts down from the most there may be.
        let remaining = if by_quote { 0 } else { remaining.0 };
        each(&Report { kind: kind as u32, remaining, reason, ..of_order(order) });
    }
}

impl Done {
    /// Whether the book carried the command out.
    #[must_use]
    pub const fn is_accepted(&self) -> bool {
        match self {
            Self::Placed(_, placement) => !matches!(placement, Placement::Rejected(_)),
            Self::Canceled(..) | Self::Reduced(_) | Self::Moved(..) => true,
            Self::CancelRejected(..) | Self::ModifyRejected(..) => false,
        }
    }
}

/// An order that asks for nothing beyond its kind: the only place that makes one.
fn plain(id: OrderId, account: AccountId, side: Side, kind: OrderKind, limit: Price) -> NewOrder {
    NewOrder {
        id,
        account,
        side,
        kind,
        limit,
        quantity: Quantity::ZERO,
        budget: Notional::ZERO,
        time: Nanos::ZERO,
        instructions: None,
    }
}

fn of_kind(kind: ReportKind) -> Report {
    Report { kind: kind as u32, ..Report::default() }
}

fn of_order(order: &NewOrder) -> Report {
    Report {
        id: order.id.0,
        price: order.limit.0,
        quantity: if order.kind == OrderKind::MarketByQuote { 0 } else { order.quantity.0 },
        account: order.account.0,
        side: abi::side_number(order.side),
        ..Report::default()
    }
}

fn of_fill(fill: &Fill, by_quote: bool) -> Report {
    Report {
        id: fill.taker.0,
        price: fill.price.0,
        quantity: fill.quantity.0,
        remaining: if by_quote { 0 } else { fill.taker_remaining.0 },
        maker_id: fill.maker.0,
        maker_remaining: fill.maker_remaining.0,
        trade: fill.trade.0,
        account: fill.taker_account.0,
        maker_account: fill.maker_account.0,
        side: abi::side_number(fill.taker_side),
        ..of_kind(ReportKind::Fill)
    }
}

/// Where the order stood is where the book has changed.
fn of_canceled(order: OrderId, remaining: Quantity, change: Option<&LevelChange>) -> Report {
    let (side, price) = change.map_or((0, 0), |change| (abi::side_number(change.side), change.price.0));
    Report { id: order.0, price, side, remaining: remaining.0, ..of_kind(ReportKind::Canceled) }
}

fn refusal(kind: ReportKind, order: OrderId, reason: Reason) -> Report {
    Report { id: order.0, reason: u32::from(reason.number()), ..of_kind(kind) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use abi::Order;

    fn sell(id: u64, price: u64, quantity: u64) -> Order {
        Order { id, price, quantity, side: 1, ..Order::default() }
    }

    /// The checks at the door are what the engine's arithmetic relies on: at the limits nothing overflows.
    #[test]
    fn orders_at_the_limits_do_not_overflow() {
        let all = [(1, 1 << 42), ((1 << 20) - 1, 1 << 42), ((1 << 62) - 1, 1), (1 << 31, 1 << 30)];
        for (max_price, max_quantity) in all {
            let mut book = CheckedBook::new(max_price, max_quantity).expect("within the limits");
            for id in 0..20 {
                assert!(book.submit(&sell(id, max_price, max_quantity)).expect("right").is_accepted());
            }
            for (id, kind) in [(20, 4), (21, 1), (22, 2)] {
                let price = if kind == 4 { 0 } else { max_price };
                let order = Order { id, kind, price, quantity: max_quantity, ..Order::default() };
                assert!(book.submit(&order).expect("right").is_accepted());
            }
            let by_quote = Order { id: 23, kind: 5, budget: NOTIONAL_MAX - 1, ..Order::default() };
            assert!(book.submit(&by_quote).expect("right").is_accepted());
            let Limits { max_orders, .. } = book.limits;
            assert!(max_orders > 1 << 21 && max_orders.checked_mul(max_quantity).is_some());
        }
    }

    #[test]
    fn limits_that_could_overflow_are_refused() {
        for (max_price, max_quantity) in
            [(0, 1), (1, 0), (1 << 62, 1), (1 << 20, 1 << 42), (1, (1 << 42) + 1), (u64::MAX, 2)]
        {
            assert_eq!(CheckedBook::new(max_price, max_quantity).err(), Some(Error::Range));
        }
    }

    #[test]
    fn a_full_book_refuses_what_might_rest_and_nothing_else() {
        let mut book = CheckedBook::new(100, 100).expect("within the limits");
        book.limits.max_orders = 3;
        for id in 0..3 {
            assert!(book.submit(&sell(id, 50, 10)).expect("right").is_accepted());
        }
        for kind in [0, 3] {
            assert_eq!(book.submit(&Order { kind, ..sell(9, 50, 10) }).err(), Some(Error::Full));
        }
        assert!(book.modify(OrderId(0), Price(60), Quantity(20)).expect("right").is_accepted());
        assert_eq!(book.book().len(), 3);
        assert!(book.submit(&Order { side: 0, kind: 1, ..sell(9, 50, 10) }).expect("right").is_accepted());
        assert!(book.submit(&sell(9, 50, 10)).expect("right").is_accepted());
    }
}
