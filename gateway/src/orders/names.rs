//! The dialect's names of what orders are and how they stand.

use rialto_engine::message::{Expiry, Phase};
use rialto_engine::order::{Lifetime, OrderKind, PegReference, SelfTrade, Side};
use rialto_engine::update::{OrderView, Status};

use super::contingent::{self, Family};

/// The dialect's name of a status.
#[must_use]
pub const fn status(status: Status) -> &'static str {
    match status {
        Status::Pending => "PENDING_NEW",
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
            OrderKind::PostOnly | OrderKind::PostOnlySlide => "LIMIT_MAKER",
            OrderKind::Market | OrderKind::MarketByQuote => "MARKET",
        },
    }
}

/// The dialect's name of a time in force, which has no word for days and dates.
#[must_use]
pub const fn time_in_force(order: &OrderView) -> &'static str {
    match (order.kind, order.instructions.lifetime) {
        (OrderKind::ImmediateOrCancel, _) => "IOC",
        (OrderKind::FillOrKill, _) => "FOK",
        (_, Lifetime::Until(_)) => "GTD",
        (_, Lifetime::Day(_)) => "DAY",
        (_, Lifetime::UntilCancelled) => "GTC",
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

/// The name of the reason why an order lapsed: the dialect's, or one like it for what the dialect
/// does not know. That it met its own account is no reason there, but a status, and a cancel of its
/// list is a cancel.
#[must_use]
pub const fn expiry(reason: Expiry) -> Option<&'static str> {
    match reason {
        Expiry::ImmediateOrCancel => Some("UNFILLED_IOC_QUANTITY_EXPIRED"),
        Expiry::FillOrKill => Some("UNFILLED_FOK_ORDER_EXPIRED"),
        Expiry::Liquidity => Some("INSUFFICIENT_LIQUIDITY"),
        Expiry::Contingency => Some("OCO_TRIGGER"),
        Expiry::Time => Some("GOOD_TILL_DATE_REACHED"),
        Expiry::Minimum => Some("MINIMUM_QUANTITY_NOT_AVAILABLE"),
        Expiry::Interruption => Some("VOLATILITY_INTERRUPTION"),
        Expiry::SelfTrade | Expiry::ListCanceled => None,
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

/// What an order of a side follows by the dialect's name.
#[must_use]
pub fn peg_reference(name: &str, side: Side) -> Option<PegReference> {
    match (name, side) {
        ("PRIMARY_PEG", Side::Buy) | ("MARKET_PEG", Side::Sell) => Some(PegReference::BestBid),
        ("PRIMARY_PEG", Side::Sell) | ("MARKET_PEG", Side::Buy) => Some(PegReference::BestAsk),
        ("MIDPOINT_PEG", _) => Some(PegReference::Midpoint),
        _ => None,
    }
}

/// The dialect's name of how a market stands.
#[must_use]
pub const fn symbol_status(phase: Phase) -> &'static str {
    match phase {
        Phase::PreOpen => "PRE_TRADING",
        Phase::Auction => "AUCTION_MATCH",
        Phase::Continuous => "TRADING",
        Phase::Halted => "HALT",
        Phase::CancelOnly => "CANCEL_ONLY",
        Phase::Closed => "END_OF_DAY",
    }
}

/// The exchange's own name of a phase, as operators and the configuration use it.
#[must_use]
pub const fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::PreOpen => "PRE_OPEN",
        Phase::Auction => "AUCTION",
        Phase::Continuous => "CONTINUOUS",
        Phase::Halted => "HALTED",
        Phase::CancelOnly => "CANCEL_ONLY",
        Phase::Closed => "CLOSED",
    }
}

/// The phase of a name, in either case.
#[must_use]
pub fn phase_named(name: &str) -> Option<Phase> {
    Phase::ALL.into_iter().find(|it| phase(*it).eq_ignore_ascii_case(name))
}

/// The side of a name.
#[must_use]
pub fn side_named(name: &str) -> Option<Side> {
    match name {
        "BUY" => Some(Side::Buy),
        "SELL" => Some(Side::Sell),
        _ => None,
    }
}
