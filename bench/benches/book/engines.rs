//! The engines behind one door, each through the fastest call that its public interface has.

use rialto_engine::book::{Book, BookOutput};
use rialto_engine::ids::{AccountId, OrderId};
use rialto_engine::message::{BookCommand, BookOutcome, CancelRestriction};
use rialto_engine::order::{NewOrder, OrderKind};
use rialto_engine::units::{Nanos, Notional, Price, Quantity};

use crate::workload::{Command, Side, Workload};

/// A matching engine under test.
pub trait Engine {
    /// An engine with an empty book. It may look at what will come only to learn the price range.
    fn new(workload: &Workload) -> Self;

    /// Carries out the command with this number and tells what came of it.
    fn execute(&mut self, id: u32, command: &Command, outcome: &mut Outcome);
}

/// A hash of all fills and refusals in order: equal for two engines that did alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub hash: u64,
    pub fills: u64,
    pub refusals: u64,
}

impl Outcome {
    #[inline]
    pub fn fill(&mut self, maker: u64, taker: u64, price: u64, quantity: u64) {
        for value in [maker, taker, price, quantity] {
            self.mix(value);
        }
        self.fills += 1;
    }

    /// The command with this number found no order.
    #[inline]
    pub fn refuse(&mut self, id: u32) {
        self.mix(u64::from(id) | 1 << 63);
        self.refusals += 1;
    }

    #[inline]
    fn mix(&mut self, value: u64) {
        self.hash = (self.hash.rotate_left(5) ^ value).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

/// Rialto's book, called directly: no wallet, no journal, no thread.
///
/// An order is moved by a cancel and a new order, which is a little quicker than one `Replace`, or with
/// `REPLACE` by that. Either way it comes back with a number of its own, as its wallet would have
/// it, and behind all others of its price: in Rialto whatever raises an order's price or quantity
/// costs it its place; only a reduction keeps it. To be compared with engines whose orders keep their
/// numbers, an order's account is the number that it had first.
pub struct Rialto<const REPLACE: bool = false> {
    book: Book,
    output: BookOutput,
}

impl<const REPLACE: bool> Engine for Rialto<REPLACE> {
    fn new(_: &Workload) -> Self {
        Self { book: Book::new(), output: BookOutput::default() }
    }

    #[inline]
    fn execute(&mut self, id: u32, command: &Command, outcome: &mut Outcome) {
        self.output.clear();
        match *command {
            Command::Add { side, price, quantity } => {
                let order = new_order(id, id, side, OrderKind::Limit, price, quantity);
                self.book.place(&order, &mut self.output);
            }
            Command::Take { side, price, quantity } => {
                let order = new_order(id, id, side, OrderKind::ImmediateOrCancel, price, quantity);
                self.book.place(&order, &mut self.output);
            }
            Command::Cancel { latest, .. } => {
                let order = OrderId(latest.into());
                if self.book.cancel(order, CancelRestriction::None, &mut self.output).is_err() {
                    outcome.refuse(id);
                }
                return;
            }
            Command::Reduce { latest, total, .. } => {
                let order = OrderId(latest.into());
                if self.book.reduce(order, Quantity(total.into()), &mut self.output).is_err() {
                    outcome.refuse(id);
                }
                return;
            }
            Command::Move { order, latest, side, price, quantity } => {
                let old = OrderId(latest.into());
                let new = new_order(id, order, side, OrderKind::Limit, price, quantity);
                if !self.replace(old, new) {
                    outcome.refuse(id);
                    return;
                }
            }
        }
        for fill in &self.output.fills {
            outcome.fill(fill.maker_account.0.into(), fill.taker_account.0.into(), fill.price.0, fill.quantity.0);
        }
    }
}

impl<const REPLACE: bool> Rialto<REPLACE> {
    /// Moves an order and says whether it was there.
    #[inline]
    fn replace(&mut self, old: OrderId, new: NewOrder) -> bool {
        if !REPLACE {
            let canceled = self.book.cancel(old, CancelRestriction::None, &mut self.output);
            return canceled.is_ok() && {
                self.book.place(&new, &mut self.output);
                true
            };
        }
        let replace = BookCommand::Replace {
            old,
            restriction: CancelRestriction::None,
            allow_failure: false,
            old_remaining_needed: Quantity::ZERO,
            new,
        };
        let outcome = self.book.execute(&replace, &mut self.output);
        matches!(outcome, BookOutcome::Replaced { placement: Some(_), .. })
    }
}

/// The only place here that makes an order for Rialto's book.
#[inline]
fn new_order(id: u32, first: u32, side: Side, kind: OrderKind, price: u32, quantity: u32) -> NewOrder {
    NewOrder {
        id: OrderId(id.into()),
        account: AccountId(first),
        side: match side {
            Side::Buy => rialto_engine::order::Side::Buy,
            Side::Sell => rialto_engine::order::Side::Sell,
        },
        kind,
        limit: Price(price.into()),
        quantity: Quantity(quantity.into()),
        budget: Notional(u64::MAX),
        time: Nanos(id.into()),
        instructions: None,
    }
}

/// matchcore: ids are its sequence numbers, which is why an id is a command's place.
pub struct Matchcore(matchcore::OrderBook);

impl Engine for Matchcore {
    fn new(_: &Workload) -> Self {
        Self(matchcore::OrderBook::new("book"))
    }

    #[inline]
    fn execute(&mut self, id: u32, command: &Command, outcome: &mut Outcome) {
        use matchcore as peer;
        let submit = |side, price: u32, quantity: u32, time_in_force| {
            let side = match side {
                Side::Buy => peer::Side::Buy,
                Side::Sell => peer::Side::Sell,
            };
            peer::CommandKind::Submit(peer::SubmitCmd {
                order: peer::NewOrder::Limit(peer::LimitOrder::new(
                    peer::Price(price.into()),
                    peer::QuantityPolicy::Standard { quantity: peer::Quantity(quantity.into()) },
                    peer::OrderFlags::new(side, false, time_in_force),
                )),
            })
        };
        let amend = |order: u32, patch: peer::LimitOrderPatch, open: u32| {
            let quantity = peer::QuantityPolicy::Standard { quantity: peer::Quantity(open.into()) };
            peer::CommandKind::Amend(peer::AmendCmd {
                order_id: peer::OrderId(order.into()),
                patch: peer::AmendPatch::Limit(patch.with_quantity_policy(quantity)),
            })
        };
        let mut taker = id;
        let kind = match *command {
            Command::Add { side, price, quantity } => submit(side, price, quantity, peer::TimeInForce::Gtc),
            Command::Take { side, price, quantity } => submit(side, price, quantity, peer::TimeInForce::Ioc),
            Command::Cancel { order, .. } => peer::CommandKind::Cancel(peer::CancelCmd {
                order_id: peer::OrderId(order.into()),
                order_kind: peer::OrderKind::Limit,
            }),
            Command::Reduce { order, open, .. } => amend(order, peer::LimitOrderPatch::new(), open),
            Command::Move { order, price, quantity, .. } => {
                taker = order;
                amend(order, peer::LimitOrderPatch::new().with_price(peer::Price(price.into())), quantity)
            }
        };
        let meta = peer::CommandMeta {
            sequence_number: peer::SequenceNumber(id.into()),
            timestamp: peer::Timestamp(id.into()),
        };
        match self.0.execute(&peer::Command { meta, kind }) {
            peer::CommandOutcome::Applied(
                peer::CommandReport::Submit(effects) | peer::CommandReport::Amend(effects),
            ) => {
                for trade in effects.target_order().match_result().into_iter().flat_map(|result| result.trades()) {
                    outcome.fill(trade.maker_order_id().0, taker.into(), trade.price().0, trade.quantity().0);
                }
            }
            peer::CommandOutcome::Applied(_) => {}
            peer::CommandOutcome::Rejected(_) => outcome.refuse(id),
        }
    }
}

/// lobster. It has no immediate-or-cancel, but a limit order that fills never rests.
pub struct Lobster(lobster::OrderBook);

impl Engine for Lobster {
    fn new(_: &Workload) -> Self {
        Self(lobster::OrderBook::default())
    }

    #[inline]
    fn execute(&mut self, id: u32, command: &Command, outcome: &mut Outcome) {
        let order = match *command {
            Command::Add { side, price, quantity } | Command::Take { side, price, quantity } => {
                let side = match side {
                    Side::Buy => lobster::Side::Bid,
                    Side::Sell => lobster::Side::Ask,
                };
                lobster::OrderType::Limit { id: id.into(), side, qty: quantity.into(), price: price.into() }
            }
            Command::Cancel { order, .. } => lobster::OrderType::Cancel { id: order.into() },
            Command::Reduce { .. } | Command::Move { .. } => {
                unreachable!("it has neither, and is given no stream that does")
            }
        };
        if let lobster::OrderEvent::Filled { fills, .. } | lobster::OrderEvent::PartiallyFilled { fills, .. } =
            self.0.execute(order)
        {
            for fill in fills {
                let maker = u64::try_from(fill.order_2).expect("ids here are small");
                outcome.fill(maker, id.into(), fill.price, fill.qty);
            }
        }
    }
}
