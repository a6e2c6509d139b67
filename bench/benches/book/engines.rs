//! The engines behind one door, each through the fastest call that its public interface has.

use rialto_engine::book::{Book, BookOutput};
use rialto_engine::ids::{AccountId, OrderId};
use rialto_engine::message::{BookCommand, BookOutcome, CancelRestriction, Placement};
use rialto_engine::order::{Instructions, NewOrder, OrderKind};
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
/// A moved order comes back as a new one with a number of its own, as its wallet would have it. To
/// be compared with engines whose orders keep theirs, its account is the number it had at first.
///
/// `MOVES` says how an order is moved.
pub struct Rialto<const MOVES: char = 'r'> {
    book: Book,
    output: BookOutput,
}

/// Moves by `Replace`.
pub const REPLACE: char = 'r';
/// Moves by `Replace`, and the order keeps its number.
pub const REPLACE_SAME: char = 's';
/// Moves by a cancel and a new order.
pub const CANCEL_AND_PLACE: char = 'c';

impl<const MOVES: char> Engine for Rialto<MOVES> {
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
            Command::Cancel { order, latest } => {
                let order = OrderId(u64::from(if MOVES == REPLACE_SAME { order } else { latest }));
                if self.book.cancel(order, CancelRestriction::None, &mut self.output).is_err() {
                    outcome.refuse(id);
                }
                return;
            }
            Command::Reduce { order, latest, total, .. } => {
                let order = OrderId(u64::from(if MOVES == REPLACE_SAME { order } else { latest }));
                if self.book.reduce(order, Quantity(total.into()), &mut self.output).is_err() {
                    outcome.refuse(id);
                }
                return;
            }
            Command::Move { order, latest, side, price, quantity } => {
                let (old, new) = if MOVES == REPLACE_SAME { (order, order) } else { (latest, id) };
                let old = OrderId(old.into());
                let new = new_order(new, order, side, OrderKind::Limit, price, quantity);
                let moved = if MOVES == CANCEL_AND_PLACE {
                    self.book
                        .cancel(old, CancelRestriction::None, &mut self.output)
                        .is_ok()
                        .then(|| self.book.place(&new, &mut self.output))
                } else {
                    let replace = BookCommand::Replace {
                        old,
                        restriction: CancelRestriction::None,
                        allow_failure: false,
                        old_remaining_needed: Quantity::ZERO,
                        new,
                    };
                    match self.book.execute(&replace, &mut self.output) {
                        BookOutcome::Replaced { placement, .. } => placement,
                        _ => None,
                    }
                };
                if moved.is_none_or(|placement| matches!(placement, Placement::Rejected(_))) {
                    outcome.refuse(id);
                }
            }
        }
        for fill in &self.output.fills {
            outcome.fill(fill.maker_account.0.into(), fill.taker_account.0.into(), fill.price.0, fill.quantity.0);
        }
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
        instructions: Instructions::default(),
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
