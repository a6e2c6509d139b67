//! The dialect's names of what orders are and how they stand.

use rialto_engine::message::Expiry;
use rialto_engine::order::{OrderKind, SelfTrade, Side};
use rialto_engine::update::{OrderView, Status};

use super::contingent::{self, Family};

/// The dialect's name of a status.
#[must_use]
pub const fn status(status: Status) -> &'static str {
    match status {
        Status::New => "NEW",
        Status::PartiallyFilled => "PARTIALLY_FILLED",
        Status::Filled => "FILLED",
        Status::Canceled => "CANCELED",
        Status::Expired => "EXPIRED",
        Status::Rejected => "REJECTED",
        Status::ExpiredInMatch => "EXPIRED_IN_MATCH",
    }
}

/// The dialect's name of an order's type.
#[must_use]
pub fn order_type(order: &OrderView) -> &'static str {
    match (contingent::family(order), order.kind.has_limit()) {
        (Some(Family::StopLoss), true) => "STOP_LOSS_LIMIT",
        (Some(Family::StopLoss), false) => "STOP_LOSS",
        (Some(Family::TakeProfit), true) => "TAKE_PROFIT_LIMIT",
        (Some(Family::TakeProfit), false) => "TAKE_PROFIT",
        (None, _) => match order.kind {
            OrderKind::Limit | OrderKind::ImmediateOrCancel | OrderKind::FillOrKill => "LIMIT",
            OrderKind::PostOnly => "LIMIT_MAKER",
            OrderKind::Market | OrderKind::MarketByQuote => "MARKET",
        },
    }
}

/// The dialect's name of a time in force.
#[must_use]
pub const fn time_in_force(kind: OrderKind) -> &'static str {
    match kind {
        OrderKind::ImmediateOrCancel => "IOC",
        OrderKind::FillOrKill => "FOK",
        OrderKind::Limit | OrderKind::PostOnly | OrderKind::Market | OrderKind::MarketByQuote => "GTC",
    }
}

/// The dialect's name of a side.
#[must_use]
pub const fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "BUY",
        Side::Sell => "SELL",
    }
}

/// The dialect's name of the reason why an order lapsed. That it met its own account is no reason
/// there, but a status.
#[must_use]
pub const fn expiry(reason: Expiry) -> Option<&'static str> {
    match reason {
        Expiry::ImmediateOrCancel => Some("UNFILLED_IOC_QUANTITY_EXPIRED"),
        Expiry::FillOrKill => Some("UNFILLED_FOK_ORDER_EXPIRED"),
        Expiry::Liquidity => Some("INSUFFICIENT_LIQUIDITY"),
        Expiry::SelfTrade => None,
    }
}

/// The dialect's name of what happens where an order meets its own account.
#[must_use]
pub const fn self_trade(mode: SelfTrade) -> &'static str {
    match mode {
        SelfTrade::Allow => "NONE",
        SelfTrade::ExpireTaker => "EXPIRE_TAKER",
        SelfTrade::ExpireMaker => "EXPIRE_MAKER",
        SelfTrade::ExpireBoth => "EXPIRE_BOTH",
        SelfTrade::Decrement => "DECREMENT",
    }
}

/// The mode of a name.
#[must_use]
pub fn self_trade_named(name: &str) -> Option<SelfTrade> {
    SelfTrade::ALL.into_iter().find(|mode| self_trade(*mode) == name)
}
