//! The engines behind one door, each through the fastest call that its public interface has.

use rialto_engine::book::{Book, BookOutput};
use rialto_engine::ids::{AccountId, OrderId};
use rialto_engine::message::{CancelRestriction, Placement};
use rialto_engine::order::{Instructions, NewOrder, OrderKind};
use rialto_engine::units::{Nanos, Notional, Price, Quantity};

use crate::workload::{Command, Side};

/// A matching engine under test.
pub trait Engine {
    /// Carries out the command with this id and adds its fills to the hash.
    fn execute(&mut self, id: u64, command: &Command, fills: &mut FillHash);
}

/// A hash of all fills in order: equal for two engines that traded alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FillHash {
    pub hash: u64,
    pub fills: u64,
}

impl FillHash {
    #[inline]
    pub fn add(&mut self, maker: u64, taker: u64, price: u64, quantity: u64) {
        for value in [maker, taker, price, quantity] {
            self.hash = (self.hash.rotate_left(5) ^ value).wrapping_mul(0x517c_c1b7_2722_0a95);
        }
        self.fills += 1;
    }
}

/// Rialto's book, called directly: no wallet, no journal, no thread.
#[derive(Default)]
pub struct Rialto {
    book: Book,
    output: BookOutput,
}

impl Engine for Rialto {
    #[inline]
    fn execute(&mut self, id: u64, command: &Command, fills: &mut FillHash) {
        self.output.clear();
        let (side, price, quantity, kind) = match *command {
            Command::Add { side, price, quantity } => (side, price, quantity, OrderKind::Limit),
            Command::Take { side, price, quantity } => (side, price, quantity, OrderKind::ImmediateOrCancel),
            Command::Cancel { id } => {
                let canceled = self.book.cancel(OrderId(id), CancelRestriction::None, &mut self.output);
                assert!(canceled.is_ok(), "cancel of {id}");
                return;
            }
        };
        let order = NewOrder {
            id: OrderId(id),
            account: AccountId(1),
            side: match side {
                Side::Buy => rialto_engine::order::Side::Buy,
                Side::Sell => rialto_engine::order::Side::Sell,
            },
            kind,
            limit: Price(price),
            quantity: Quantity(quantity),
            budget: Notional(u64::MAX),
            time: Nanos(id),
            instructions: Instructions::default(),
        };
        let placement = self.book.place(&order, &mut self.output);
        assert!(matches!(placement, Placement::Filled | Placement::Resting { .. }), "{id}: {placement:?}");
        for fill in &self.output.fills {
            fills.add(fill.maker.0, fill.taker.0, fill.price.0, fill.quantity.0);
        }
    }
}

/// matchcore: ids are its sequence numbers, which is why an id is a command's place.
pub struct Matchcore(matchcore::OrderBook);

impl Default for Matchcore {
    fn default() -> Self {
        Self(matchcore::OrderBook::new("W1"))
    }
}

impl Engine for Matchcore {
    #[inline]
    fn execute(&mut self, id: u64, command: &Command, fills: &mut FillHash) {
        use matchcore as peer;
        let submit = |side, price, quantity, time_in_force| {
            let side = match side {
                Side::Buy => peer::Side::Buy,
                Side::Sell => peer::Side::Sell,
            };
            peer::CommandKind::Submit(peer::SubmitCmd {
                order: peer::NewOrder::Limit(peer::LimitOrder::new(
                    peer::Price(price),
                    peer::QuantityPolicy::Standard { quantity: peer::Quantity(quantity) },
                    peer::OrderFlags::new(side, false, time_in_force),
                )),
            })
        };
        let kind = match *command {
            Command::Add { side, price, quantity } => submit(side, price, quantity, peer::TimeInForce::Gtc),
            Command::Take { side, price, quantity } => submit(side, price, quantity, peer::TimeInForce::Ioc),
            Command::Cancel { id } => peer::CommandKind::Cancel(peer::CancelCmd {
                order_id: peer::OrderId(id),
                order_kind: peer::OrderKind::Limit,
            }),
        };
        let meta = peer::CommandMeta { sequence_number: peer::SequenceNumber(id), timestamp: peer::Timestamp(id) };
        match self.0.execute(&peer::Command { meta, kind }) {
            peer::CommandOutcome::Applied(peer::CommandReport::Submit(effects)) => {
                for trade in effects.target_order().match_result().into_iter().flat_map(|result| result.trades()) {
                    fills.add(trade.maker_order_id().0, id, trade.price().0, trade.quantity().0);
                }
            }
            peer::CommandOutcome::Applied(_) => {}
            peer::CommandOutcome::Rejected(failure) => panic!("matchcore refused {id}: {failure}"),
        }
    }
}

/// lobster. It has no immediate-or-cancel, but a limit order that fills never rests.
#[derive(Default)]
pub struct Lobster(lobster::OrderBook);

impl Engine for Lobster {
    #[inline]
    fn execute(&mut self, id: u64, command: &Command, fills: &mut FillHash) {
        let order = match *command {
            Command::Add { side, price, quantity } | Command::Take { side, price, quantity } => {
                let side = match side {
                    Side::Buy => lobster::Side::Bid,
                    Side::Sell => lobster::Side::Ask,
                };
                lobster::OrderType::Limit { id: u128::from(id), side, qty: quantity, price }
            }
            Command::Cancel { id } => lobster::OrderType::Cancel { id: u128::from(id) },
        };
        if let lobster::OrderEvent::Filled { fills: trades, .. }
        | lobster::OrderEvent::PartiallyFilled { fills: trades, .. } = self.0.execute(order)
        {
            for trade in trades {
                let maker = u64::try_from(trade.order_2).expect("ids here are small");
                fills.add(maker, id, trade.price, trade.qty);
            }
        }
    }
}
