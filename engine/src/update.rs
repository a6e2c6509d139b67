//! What users are told: the state of an order, and what just happened to it.

use crate::ids::{AccountId, AssetId, ClientOrderId, MarketId, OrderId, TradeId};
use crate::message::Expiry;
use crate::order::{Instructions, OrderKind, Side};
use crate::reason::Reason;
use crate::units::{Amount, Nanos, Notional, Price, Quantity};
use crate::wallet::Contingency;

/// How an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Taken in; waits for another order of its list to be filled.
    Pending,
    /// Taken in, nothing filled.
    New,
    /// Partly filled and open.
    PartiallyFilled,
    /// Filled.
    Filled,
    /// Taken out on request, its own or that of another order of its list.
    Canceled,
    /// Lapsed by its own terms.
    Expired,
    /// Refused by the book.
    Rejected,
    /// Lapsed because it would have traded with its own account.
    ExpiredInMatch,
}

/// An order as its owner sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderView {
    /// Its number.
    pub id: OrderId,
    /// Its owner's name for it, given or generated.
    pub client_id: ClientOrderId,
    /// Whose it is.
    pub account: AccountId,
    /// Where it trades.
    pub market: MarketId,
    /// Buy or sell.
    pub side: Side,
    /// How it takes and makes.
    pub kind: OrderKind,
    /// Its limit, or where it rests instead; zero without one.
    pub price: Price,
    /// Its total quantity. For an order by quote amount, what it has bought or sold.
    pub quantity: Quantity,
    /// The quote amount asked for; zero unless the order is by quote amount.
    pub budget: Amount,
    /// How much is filled.
    pub executed: Quantity,
    /// The exact notional of the filled part.
    pub notional: Notional,
    /// How it stands.
    pub status: Status,
    /// When it was accepted.
    pub time: Nanos,
    /// When it last changed.
    pub updated: Nanos,
    /// What it asked for beyond its kind.
    pub instructions: Instructions,
    /// When its trigger was reached, or, without one, the order it waited for was filled; zero while it
    /// waits, and for an order that waits for neither.
    pub triggered: Nanos,
    /// What it lost because it would have traded with its own account.
    pub prevented: Quantity,
}

impl OrderView {
    /// Since when the order takes part in the market; `None` while it waits for its trigger, or for
    /// another order of its list.
    #[must_use]
    pub fn working_since(&self) -> Option<Nanos> {
        let Instructions { trigger, link, .. } = &self.instructions;
        if trigger.is_none() && link.is_none_or(|link| link.after.is_none()) {
            return Some(self.time);
        }
        (self.triggered != Nanos::ZERO).then_some(self.triggered)
    }
}

/// What happened to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderEvent {
    /// It was taken in.
    New,
    /// It traded.
    Trade(Execution),
    /// It was taken out on request, or because its owner cancelled another order of its list.
    Canceled,
    /// Its rest lapsed.
    Expired(Expiry),
    /// Its trigger was reached, or the order it waited for was filled. If it still waits then, it was the
    /// latter.
    Triggered,
    /// It would have traded with this order of its own account, and both lost this much instead.
    Prevented(OrderId, Quantity),
    /// Its quantity was lowered.
    Reduced,
    /// The book refused it.
    Rejected(Reason),
}

/// One side of a trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Execution {
    /// Counted per market.
    pub trade: TradeId,
    /// Counted per market: neighbouring trades of one taker at one price share it.
    pub aggregate: u64,
    /// The price.
    pub price: Price,
    /// The quantity.
    pub quantity: Quantity,
    /// What this side paid for it, in `fee_asset`.
    pub fee: Amount,
    /// The asset this side received.
    pub fee_asset: AssetId,
    /// Whether this side rested.
    pub maker: bool,
}

/// A balance after the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BalanceView {
    /// Of what.
    pub asset: AssetId,
    /// Free to use.
    pub available: Amount,
    /// Held for open orders and for what is to leave.
    pub held: Amount,
}

/// An event of an order with the state it left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderUpdate {
    /// What happened.
    pub event: OrderEvent,
    /// The order after it.
    pub order: OrderView,
    /// The owner's balances of base and quote after it.
    pub balances: [BalanceView; 2],
}

/// An order list as its owner sees it, as long as one of its orders is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListView {
    /// Its number: that of its first order.
    pub id: OrderId,
    /// Its owner's name for it, given or generated.
    pub client_id: ClientOrderId,
    /// Whose it is.
    pub account: AccountId,
    /// Where.
    pub market: MarketId,
    /// How its orders hang together.
    pub contingency: Contingency,
    /// Its orders with their client ids, in the order of the list, final ones included.
    pub orders: Vec<(OrderId, ClientOrderId)>,
    /// When it was accepted.
    pub time: Nanos,
}
