//! The engines behind one door, each through the fastest call that its public interface has.

use rialto_engine::book::{Book, BookOutput, EachFill, Output};
use rialto_engine::ids::{AccountId, OrderId};
use rialto_engine::message::{BookCommand, BookOutcome, CancelRestriction, Fill};
use rialto_engine::order::{NewOrder, OrderKind};
use rialto_engine::units::{Nanos, Notional, Price, Quantity};

use crate::workload::{Change, Command, Side, Workload};

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

/// Rialto's book, called directly: no wallet, no journal, no thread. It is asked for trades alone, as they
/// happen, which is what the others here tell.
///
/// An order is moved by a cancel and a new order, which is a little quicker than one `Replace`, or with
/// `REPLACE` by that. Either way it comes back with a number of its own, as its wallet would have
/// it, and behind all others of its price: in Rialto whatever raises an order's price or quantity
/// costs it its place; only a reduction keeps it. To be compared with engines whose orders keep their
/// numbers, an order's account is the number that it had first.
pub struct Rialto<const REPLACE: bool = false> {
    book: Book,
    rest: BookOutput,
}

impl<const REPLACE: bool> Engine for Rialto<REPLACE> {
    fn new(_: &Workload) -> Self {
        Self { book: Book::new(), rest: BookOutput::default() }
    }

    #[inline(always)]
    fn execute(&mut self, id: u32, command: &Command, outcome: &mut Outcome) {
        let carried_out = match *command {
            Command::Place { side, immediate, price, quantity } => {
                let kind = if immediate { OrderKind::ImmediateOrCancel } else { OrderKind::Limit };
                self.book.place(&new_order(id, id, side, kind, price, quantity), fills_to(outcome, &mut self.rest));
                true
            }
            Command::Cancel { latest, .. } => {
                let output = fills_to(outcome, &mut self.rest);
                self.book.cancel(OrderId(latest.into()), CancelRestriction::None, output).is_ok()
            }
            Command::Change { change: Change::Reduce, latest, price_or_total: total, .. } => {
                let output = fills_to(outcome, &mut self.rest);
                self.book.reduce(OrderId(latest.into()), Quantity(total.into()), output).is_ok()
            }
            Command::Change { change: Change::Move, order, latest, side, price_or_total: price, quantity } => {
                let old = OrderId(latest.into());
                let new = new_order(id, order, side, OrderKind::Limit, price, quantity);
                if REPLACE {
                    self.rest.clear();
                    let replaced = replace(&mut self.book, old, new, &mut self.rest);
                    tell(&self.rest.fills, outcome);
                    replaced
                } else {
                    let output = fills_to(outcome, &mut self.rest);
                    let canceled = self.book.cancel(old, CancelRestriction::None, output);
                    if canceled.is_ok() {
                        self.book.place(&new, fills_to(outcome, &mut self.rest));
                    }
                    canceled.is_ok()
                }
            }
        };
        if !carried_out {
            outcome.refuse(id);
        }
    }
}

/// Rialto's book called as the exchange itself calls it: trades, changes of levels and events are collected
/// in buffers, from which the trades are then read.
pub struct RialtoCollecting {
    book: Book,
    output: BookOutput,
}

impl Engine for RialtoCollecting {
    fn new(_: &Workload) -> Self {
        Self { book: Book::new(), output: BookOutput::default() }
    }

    #[inline(always)]
    fn execute(&mut self, id: u32, command: &Command, outcome: &mut Outcome) {
        let Self { book, output } = self;
        output.clear();
        let carried_out = match *command {
            Command::Place { side, immediate, price, quantity } => {
                let kind = if immediate { OrderKind::ImmediateOrCancel } else { OrderKind::Limit };
                book.place(&new_order(id, id, side, kind, price, quantity), &mut *output);
                true
            }
            Command::Cancel { latest, .. } => {
                book.cancel(OrderId(latest.into()), CancelRestriction::None, &mut *output).is_ok()
            }
            Command::Change { change: Change::Reduce, latest, price_or_total: total, .. } => {
                book.reduce(OrderId(latest.into()), Quantity(total.into()), &mut *output).is_ok()
            }
            Command::Change { change: Change::Move, order, latest, side, price_or_total: price, quantity } => {
                let canceled = book.cancel(OrderId(latest.into()), CancelRestriction::None, &mut *output);
                if canceled.is_ok() {
                    book.place(&new_order(id, order, side, OrderKind::Limit, price, quantity), &mut *output);
                }
                canceled.is_ok()
            }
        };
        tell(&output.fills, outcome);
        if !carried_out {
            outcome.refuse(id);
        }
    }
}

/// Where the book tells its trades.
#[inline(always)]
fn fills_to<'a>(outcome: &'a mut Outcome, rest: &'a mut BookOutput) -> impl Output {
    EachFill { each: |fill: &Fill| tell(std::slice::from_ref(fill), outcome), rest }
}

#[inline(always)]
fn tell(fills: &[Fill], outcome: &mut Outcome) {
    for fill in fills {
        outcome.fill(fill.maker_account.0.into(), fill.taker_account.0.into(), fill.price.0, fill.quantity.0);
    }
}

/// Moves an order by a command and says whether it was there.
fn replace(book: &mut Book, old: OrderId, new: NewOrder, output: &mut BookOutput) -> bool {
    let replace = BookCommand::Replace {
        old,
        restriction: CancelRestriction::None,
        allow_failure: false,
        old_remaining_needed: Quantity::ZERO,
        new,
    };
    let outcome = book.execute(&replace, output);
    matches!(outcome, BookOutcome::Replaced { placement: Some(_), .. })
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

    #[inline(always)]
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
            Command::Place { side, immediate, price, quantity } => {
                let lifetime = if immediate { peer::TimeInForce::Ioc } else { peer::TimeInForce::Gtc };
                submit(side, price, quantity, lifetime)
            }
            Command::Cancel { order, .. } => peer::CommandKind::Cancel(peer::CancelCmd {
                order_id: peer::OrderId(order.into()),
                order_kind: peer::OrderKind::Limit,
            }),
            Command::Change { change: Change::Reduce, order, quantity: open, .. } => {
                amend(order, peer::LimitOrderPatch::new(), open)
            }
            Command::Change { change: Change::Move, order, price_or_total: price, quantity, .. } => {
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

    #[inline(always)]
    fn execute(&mut self, id: u32, command: &Command, outcome: &mut Outcome) {
        let order = match *command {
            Command::Place { side, price, quantity, .. } => {
                let side = match side {
                    Side::Buy => lobster::Side::Bid,
                    Side::Sell => lobster::Side::Ask,
                };
                lobster::OrderType::Limit { id: id.into(), side, qty: quantity.into(), price: price.into() }
            }
            Command::Cancel { order, .. } => lobster::OrderType::Cancel { id: order.into() },
            Command::Change { .. } => {
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
