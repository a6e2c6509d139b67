//! Trades that were prevented because both orders were of one account, as the updates of a release
//! tell them.
//!
//! The engine tells each order what it lost. Whom it met there, and what the two would have traded,
//! stands in the updates around that: an order that takes is told of first (as new or triggered),
//! then come the orders that it meets. Only of the resting order that ended an `EXPIRE_TAKER` there
//! is nothing to be told, because nothing happened to it.

use rialto_engine::ids::OrderId;
use rialto_engine::message::Expiry;
use rialto_engine::order::{OrderKind, SelfTrade};
use rialto_engine::units::{Price, Quantity};
use rialto_engine::update::{OrderEvent, OrderUpdate, OrderView, Status};

/// What a prevented trade took from an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prevention {
    /// What it lost there.
    pub lost: Quantity,
    /// Whom it met, if that is known.
    pub met: Option<Met>,
}

/// The other order of a prevented trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Met {
    /// Its number.
    pub order: OrderId,
    /// At which price they would have traded.
    pub price: Price,
    /// How much they would have traded.
    pub quantity: Quantity,
}

/// What an order has lost in all to trades that were prevented. What lapsed with it counts.
#[must_use]
pub fn prevented(order: &OrderView) -> Quantity {
    if order.status == Status::ExpiredInMatch && order.kind != OrderKind::MarketByQuote {
        order.quantity - order.executed
    } else {
        order.prevented
    }
}

/// Whether the update `at` is followed by one that says the same and that its order has ended by it:
/// the dialect tells only that one.
#[must_use]
pub fn is_told_by_the_end(updates: &[OrderUpdate], at: usize) -> bool {
    let OrderUpdate { event, order, .. } = &updates[at];
    let is_end = |update: &OrderUpdate| update.event == OrderEvent::Expired(Expiry::SelfTrade);
    let next = || updates[at + 1..].iter().find(|update| update.order.id == order.id);
    matches!(event, OrderEvent::Prevented(..))
        && open(order).map_or_else(|| next().is_some_and(is_end), |open| open.is_zero())
}

/// Reads the updates of a release in their order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reader {
    /// The order whose turn it is, and where it was told of last.
    taker: Option<(OrderId, usize)>,
}

impl Reader {
    /// What the next update, which is that `at`, tells of a prevented trade, if it does.
    pub fn read(&mut self, updates: &[OrderUpdate], at: usize) -> Option<Prevention> {
        let OrderUpdate { event, order, .. } = &updates[at];
        let prevention = match event {
            OrderEvent::Prevented(other, quantity) => Some(self.of_shared(updates, at, *other, *quantity)),
            OrderEvent::Expired(Expiry::SelfTrade) => Some(self.of_end(updates, at)),
            _ => None,
        };
        // An order that is not displayed may have a turn without being told of as new or triggered.
        let takes = matches!(event, OrderEvent::Trade(execution) if !execution.maker);
        if matches!(event, OrderEvent::New | OrderEvent::Triggered) || takes || self.is_taker(order) {
            self.taker = Some((order.id, at));
        }
        prevention
    }

    /// Both have lost as much: the taker is told first, and the other next.
    fn of_shared(&self, updates: &[OrderUpdate], at: usize, other: OrderId, quantity: Quantity) -> Prevention {
        let maker = if self.is_taker(&updates[at].order) { updates.get(at + 1) } else { updates.get(at) };
        let met = maker.map(|maker| Met { order: other, price: maker.order.price, quantity });
        Prevention { lost: quantity, met }
    }

    /// An order has ended: by what it has just lost, or because it ends where it meets another.
    fn of_end(&self, updates: &[OrderUpdate], at: usize) -> Prevention {
        let order = &updates[at].order;
        let is_taker = self.is_taker(order);
        let before = at.checked_sub(1);
        let own = if is_taker { self.taker.map(|(_, at)| at) } else { before };
        let own = own.filter(|own| updates[*own].order.id == order.id && is_told_by_the_end(updates, *own));
        if let Some(own) = own
            && let OrderEvent::Prevented(other, quantity) = updates[own].event
        {
            return self.of_shared(updates, own, other, quantity);
        }
        let met = if !is_taker {
            self.taker.map(|(taker, at)| would_have_traded(taker, order, &updates[at].order))
        } else if order.instructions.self_trade == SelfTrade::ExpireBoth {
            let maker = before.map(|before| &updates[before].order).filter(|maker| maker.id != order.id);
            maker.map(|maker| would_have_traded(maker.id, maker, order))
        } else {
            None
        };
        Prevention { lost: open(order).unwrap_or(Quantity::ZERO), met }
    }

    fn is_taker(&self, order: &OrderView) -> bool {
        self.taker.is_some_and(|(taker, _)| taker == order.id)
    }
}

/// The resting orders that an order has met and that have lost by it: what each lost, and what the
/// two would have traded.
pub fn met_by(updates: &[OrderUpdate], taker: OrderId) -> impl Iterator<Item = (Quantity, Met)> {
    let mut reader = Reader::default();
    updates.iter().enumerate().filter_map(move |(at, update)| {
        let prevention = reader.read(updates, at);
        let of_its_turn = reader.taker.is_some_and(|(id, _)| id == taker) && update.order.id != taker;
        let prevention = prevention.filter(|_| of_its_turn && !is_told_by_the_end(updates, at))?;
        // Seen from the taker: whom it met is the one who was told.
        prevention.met.map(|met| (prevention.lost, Met { order: update.order.id, ..met }))
    })
}

fn would_have_traded(other: OrderId, maker: &OrderView, taker: &OrderView) -> Met {
    let rest = open(maker).unwrap_or(Quantity::ZERO);
    let quantity = open(taker).map_or(rest, |open| open.min(rest));
    Met { order: other, price: maker.price, quantity }
}

/// What an order could still trade; unknown of one by quote amount.
fn open(order: &OrderView) -> Option<Quantity> {
    (order.kind != OrderKind::MarketByQuote).then(|| order.quantity - order.executed - order.prevented)
}
