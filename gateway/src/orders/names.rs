//! The dialect's names of what orders are and how they stand.

use rialto_engine::message::Expiry;
use rialto_engine::order::{OrderKind, Side};
use rialto_engine::update::Status;

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
    }
}

/// The dialect's name of a type.
#[must_use]
pub const fn order_type(kind: OrderKind) -> &'static str {
    match kind {
        OrderKind::Limit | OrderKind::ImmediateOrCancel | OrderKind::FillOrKill => "LIMIT",
        OrderKind::PostOnly => "LIMIT_MAKER",
        OrderKind::Market | OrderKind::MarketByQuote => "MARKET",
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

/// The dialect's name of the reason why an order lapsed.
#[must_use]
pub const fn expiry(reason: Expiry) -> &'static str {
    match reason {
        Expiry::ImmediateOrCancel => "UNFILLED_IOC_QUANTITY_EXPIRED",
        Expiry::FillOrKill => "UNFILLED_FOK_ORDER_EXPIRED",
        Expiry::Liquidity => "INSUFFICIENT_LIQUIDITY",
    }
}
