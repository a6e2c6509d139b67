//! A book that trusts nobody: it checks what the engine takes for proven.
//!
//! In the engine, a wallet numbers the orders and a market proves the limits. Here neither is there.

use rialto_engine::book::{Book, BookOutput, RestingOrder};
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
    /// The order that was brought in or lowered last. It is filled in where it stands, because to hand
    /// orders from function to function costs as much as to match them.
    order: NewOrder,
    done: Done,
    /// The highest id so far: one above it cannot be taken. Most callers count upwards, and need no look
    /// into the index.
    highest: u64,
}

/// What became of a command, beside its fills. Flat, so that its parts are read as they were written:
/// a processor waits for what it has to put together.
#[derive(Clone, Copy, Debug)]
struct Done {
    /// That of the last report.
    kind: ReportKind,
    /// Whether the order was taken out first, to be brought in anew.
    moved: bool,
    id: u64,
    remaining: u64,
    reason: u32,
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
        // The only place that makes an order. It asks for nothing beyond its kind.
        let order = NewOrder {
            id: OrderId(0),
            account: AccountId(0),
            side: Side::Buy,
            kind: OrderKind::Limit,
            limit: Price::ZERO,
            quantity: Quantity::ZERO,
            budget: Notional::ZERO,
            time: Nanos::ZERO,
            instructions: None,
        };
        let done = Done { kind: ReportKind::CancelRejected, moved: false, id: 0, remaining: 0, reason: 0 };
        Ok(Self { book: Book::new(), output: BookOutput::default(), limits, order, done, highest: 0 })
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
    #[inline]
    pub fn submit(&mut self, order: &abi::Order) -> Result<(), Error> {
        let kind = abi::kind(order.kind).ok_or(Error::Invalid)?;
        let side = abi::side(order.side).ok_or(Error::Invalid)?;
        let Limits { max_price, max_quantity, max_orders } = self.limits;
        let abi::Order { price, quantity, budget, .. } = *order;
        let (unused, is_within) = match kind {
            OrderKind::MarketByQuote => (price | quantity, within(budget, NOTIONAL_MAX - 1)),
            OrderKind::Market => (price | budget, within(quantity, max_quantity)),
            OrderKind::Limit | OrderKind::ImmediateOrCancel | OrderKind::FillOrKill | OrderKind::PostOnly => {
                (budget, within(price, max_price) && within(quantity, max_quantity))
            }
            // Not offered here: where it would rest is not in the report.
            OrderKind::PostOnlySlide => return Err(Error::Invalid),
        };
        if unused != 0 || order.reserved != 0 {
            return Err(Error::Invalid);
        }
        if !is_within {
            return Err(Error::Range);
        }
        if order.id <= self.highest && self.book.remaining(OrderId(order.id)).is_some() {
            return Err(Error::Duplicate);
        }
        if matches!(kind, OrderKind::Limit | OrderKind::PostOnly) && self.book.len() as u64 >= max_orders {
            return Err(Error::Full);
        }
        // From here on the call is right; the book may still refuse.
        let by_quote = kind == OrderKind::MarketByQuote;
        let quantity = Quantity(if by_quote { max_quantity } else { quantity });
        let budget = Notional(if by_quote { budget } else { u64::MAX });
        let (id, account) = (OrderId(order.id), AccountId(order.account));
        self.highest = self.highest.max(order.id);
        self.output.clear();
        self.place(id, account, side, kind, Price(price), quantity, budget, false);
        Ok(())
    }

    /// Takes an order out.
    #[inline]
    pub fn cancel(&mut self, order: OrderId) {
        self.output.clear();
        self.done = match self.book.cancel(order, CancelRestriction::None, &mut self.output) {
            Ok(remaining) => Done::new(ReportKind::Canceled, order, remaining),
            Err(reason) => Done::refused(ReportKind::CancelRejected, order, reason),
        };
    }

    /// Gives an order a new price and a new open quantity. Less at the same price keeps its place.
    ///
    /// # Errors
    /// [`Error::Range`].
    pub fn modify(&mut self, order: OrderId, price: Price, open: Quantity) -> Result<(), Error> {
        self.check(price, open)?;
        self.output.clear();
        let Some(resting) = self.book.order(order) else {
            self.done = Done::refused(ReportKind::ModifyRejected, order, Reason::OrderAlreadyFinal);
            return Ok(());
        };
        if price == resting.price && open < resting.remaining {
            self.lower(resting, open);
            return Ok(());
        }
        let RestingOrder { account, side, .. } = resting;
        match self.book.cancel(order, CancelRestriction::None, &mut self.output) {
            Ok(_) => self.place(order, account, side, OrderKind::Limit, price, open, Notional(u64::MAX), true),
            Err(reason) => self.done = Done::refused(ReportKind::ModifyRejected, order, reason),
        }
        Ok(())
    }

    /// Lowers what is open of an order. It keeps its place.
    ///
    /// # Errors
    /// [`Error::Range`].
    pub fn reduce(&mut self, order: OrderId, open: Quantity) -> Result<(), Error> {
        self.check(Price(self.limits.max_price), open)?;
        self.output.clear();
        match self.book.order(order) {
            Some(resting) if open < resting.remaining => self.lower(resting, open),
            Some(_) => self.done = Done::refused(ReportKind::ModifyRejected, order, Reason::QuantityNotReduced),
            None => self.done = Done::refused(ReportKind::ModifyRejected, order, Reason::OrderAlreadyFinal),
        }
        Ok(())
    }

    /// Whether the book carried the last command out.
    #[must_use]
    #[inline]
    pub fn has_accepted(&self) -> bool {
        use ReportKind::{CancelRejected, ModifyRejected, Rejected};
        !matches!(self.done.kind, Rejected | CancelRejected | ModifyRejected)
    }

    /// Tells what came of the last command, in order.
    #[inline]
    pub fn report(&self, mut each: impl FnMut(&Report)) {
        let Done { kind, moved, id, remaining, reason } = self.done;
        match kind {
            ReportKind::Accepted | ReportKind::Expired | ReportKind::Rejected => {
                let order = of_order(&self.order, kind);
                if moved {
                    each(&Report {
                        quantity: 0,
                        remaining: order.quantity,
                        kind: ReportKind::Modified as u32,
                        ..order
                    });
                }
                for fill in &self.output.fills {
                    each(&of_fill(fill, self.is_by_quote()));
                }
                each(&Report { remaining, reason, ..order });
            }
            ReportKind::Canceled => {
                // Where the order stood is where the book has changed.
                let change = self.output.levels.last();
                let (side, price) = change.map_or((0, 0), |change| (abi::side_number(change.side), change.price.0));
                each(&Report { id, price, side, remaining, ..of_kind(kind) });
            }
            ReportKind::Modified => {
                each(&Report { quantity: 0, remaining, kept_place: 1, ..of_order(&self.order, kind) });
            }
            ReportKind::CancelRejected | ReportKind::ModifyRejected => each(&Report { id, reason, ..of_kind(kind) }),
            ReportKind::Fill => unreachable!("no command ends in one"),
        }
    }

    fn check(&self, price: Price, quantity: Quantity) -> Result<(), Error> {
        let Limits { max_price, max_quantity, .. } = self.limits;
        if within(price.0, max_price) && within(quantity.0, max_quantity) { Ok(()) } else { Err(Error::Range) }
    }

    #[inline]
    #[expect(clippy::too_many_arguments, reason = "they are the fields of an order, which stay where they are")]
    fn place(
        &mut self,
        id: OrderId,
        account: AccountId,
        side: Side,
        kind: OrderKind,
        limit: Price,
        quantity: Quantity,
        budget: Notional,
        moved: bool,
    ) {
        let order = &mut self.order;
        (order.id, order.account, order.side, order.kind) = (id, account, side, kind);
        (order.limit, order.quantity, order.budget) = (limit, quantity, budget);
        let done = match self.book.place(&self.order, &mut self.output) {
            Placement::Filled => Done::new(ReportKind::Accepted, id, Quantity::ZERO),
            Placement::Resting { remaining } => Done::new(ReportKind::Accepted, id, remaining),
            Placement::Expired { remaining, reason } => {
                // An order by quote has no lots of its own: the engine counts down from the most there may be.
                let remaining = if self.is_by_quote() { Quantity::ZERO } else { remaining };
                Done { reason: abi::expiry_number(reason), ..Done::new(ReportKind::Expired, id, remaining) }
            }
            Placement::Rejected(reason) => Done::refused(ReportKind::Rejected, id, reason),
            Placement::Slid { .. } | Placement::Waiting | Placement::Pending => {
                unreachable!("no order slides, has a trigger or belongs to a list here")
            }
        };
        self.done = Done { moved, ..done };
    }

    /// Lowers what is open of an order to something less. The engine counts its total, filled part included.
    fn lower(&mut self, resting: RestingOrder, open: Quantity) {
        let RestingOrder { id, account, side, price, quantity, remaining } = resting;
        self.done = match self.book.reduce(id, quantity - remaining + open, &mut self.output) {
            Ok(()) => Done::new(ReportKind::Modified, id, open),
            Err(reason) => Done::refused(ReportKind::ModifyRejected, id, reason),
        };
        let order = &mut self.order;
        (order.id, order.account, order.side, order.limit) = (id, account, side, price);
    }

    fn is_by_quote(&self) -> bool {
        self.order.kind == OrderKind::MarketByQuote
    }
}

impl Done {
    #[inline]
    fn new(kind: ReportKind, order: OrderId, remaining: Quantity) -> Self {
        Self { kind, moved: false, id: order.0, remaining: remaining.0, reason: 0 }
    }

    #[inline]
    fn refused(kind: ReportKind, order: OrderId, reason: Reason) -> Self {
        Self { kind, moved: false, id: order.0, remaining: 0, reason: u32::from(reason.number()) }
    }
}

/// Whether there is some of it, and no more than this.
const fn within(value: u64, max: u64) -> bool {
    value != 0 && value <= max
}

fn of_kind(kind: ReportKind) -> Report {
    Report { kind: kind as u32, ..Report::default() }
}

fn of_order(order: &NewOrder, kind: ReportKind) -> Report {
    Report {
        id: order.id.0,
        price: order.limit.0,
        quantity: if order.kind == OrderKind::MarketByQuote { 0 } else { order.quantity.0 },
        account: order.account.0,
        side: abi::side_number(order.side),
        ..of_kind(kind)
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

#[cfg(test)]
mod tests {
    use super::*;
    use abi::Order;

    fn accepts(book: &mut CheckedBook, order: &Order) -> bool {
        book.submit(order).expect("right");
        book.has_accepted()
    }

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
                assert!(accepts(&mut book, &sell(id, max_price, max_quantity)));
            }
            for (id, kind) in [(20, 4), (21, 1), (22, 2)] {
                let price = if kind == 4 { 0 } else { max_price };
                let order = Order { id, kind, price, quantity: max_quantity, ..Order::default() };
                assert!(accepts(&mut book, &order));
            }
            let by_quote = Order { id: 23, kind: 5, budget: NOTIONAL_MAX - 1, ..Order::default() };
            assert!(accepts(&mut book, &by_quote));
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
            assert!(accepts(&mut book, &sell(id, 50, 10)));
        }
        for kind in [0, 3] {
            assert_eq!(book.submit(&Order { kind, ..sell(9, 50, 10) }).err(), Some(Error::Full));
        }
        book.modify(OrderId(0), Price(60), Quantity(20)).expect("right");
        assert!(book.has_accepted());
        assert_eq!(book.book().len(), 3);
        assert!(accepts(&mut book, &Order { side: 0, kind: 1, ..sell(9, 50, 10) }));
        assert!(accepts(&mut book, &sell(9, 50, 10)));
    }
}
