//! Why a command was refused.
//!
//! Declared in the order in which they came to be; the checks are made in the order in which
//! `Wallet::submit` lists them, and the first that applies is reported. Numbers are part of the
//! written formats and are never reused.

/// Why a command was refused. A refused command leaves every state as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Reason {
    /// The request's own deadline (its time plus its receive window) passed before its turn.
    DeadlinePassed = 1,
    /// No such account in this tenant.
    UnknownAccount = 2,
    /// No such market in this tenant.
    UnknownMarket = 3,
    /// No such asset in this tenant.
    UnknownAsset = 4,
    /// A limit order without a price, or with one above the market's maximum.
    PriceOutOfRange = 5,
    /// Less than one lot, or more than the market's maximum.
    QuantityOutOfRange = 6,
    /// Price times quantity below the market's minimum, or a budget that buys no lot.
    NotionalTooSmall = 7,
    /// The client order id is in use, or was within the idempotency window.
    DuplicateClientOrderId = 8,
    /// The account has as many open orders as its tenant allows.
    TooManyOrders = 9,
    /// The available balance does not cover the hold.
    InsufficientBalance = 10,
    /// No open order of this account answers to the given id.
    UnknownOrder = 11,
    /// The order id and the client order id given name different orders.
    ConflictingOrderIds = 12,
    /// The cancel was restricted to another status than the order has.
    CancelRestricted = 13,
    /// The post-only order would have taken liquidity.
    WouldMatch = 14,
    /// A market order by quote amount found nothing to trade with. By quantity, it expires.
    NoLiquidity = 15,
    /// An amendment must leave less than before, and more than is filled.
    QuantityNotReduced = 16,
    /// The order was gone by the time the command reached the book.
    OrderAlreadyFinal = 17,
    /// A deposit of nothing or less.
    AmountNotPositive = 18,
    /// More of an asset than the arithmetic is proven for.
    SupplyExceeded = 19,
    /// The same business id came before with another body.
    IdempotencyConflict = 20,
    /// A trigger price or a trailing distance that no order may have.
    TriggerOutOfRange = 21,
    /// The market's last price has reached the trigger already.
    WouldTrigger = 22,
    /// A market order that waits must know what it may cost, and there was no trade yet to tell.
    NoReferencePrice = 23,
    /// The market's phase takes no such order, or none at all.
    MarketClosed = 24,
    /// Instructions that do not go together, or not with the kind of the order.
    InstructionsConflict = 25,
    /// A market order of more than the market allows at once.
    MarketQuantityOutOfRange = 26,
    /// Price times quantity above the market's maximum.
    NotionalTooLarge = 27,
    /// A limit too far from the market's last price.
    PriceOutsideBand = 28,
    /// The account has as many open orders in this market as it allows.
    TooManyOrdersInMarket = 29,
    /// The account has as many orders waiting for a trigger in this market as it allows.
    TooManyWaitingOrders = 30,
    /// The account would own more of the base asset than the market allows.
    PositionTooLarge = 31,
    /// A displayed part above the quantity, of zero, or that makes too many parts.
    IcebergOutOfRange = 32,
    /// A trailing distance outside of what the market allows.
    TrailOutOfRange = 33,
    /// A minimum above the quantity.
    MinimumOutOfRange = 34,
    /// An order that would have ended before it began.
    AlreadyExpired = 35,
    /// No open order list of this account answers to the given id.
    UnknownList = 36,
    /// Orders that do not make such a list: other sides, quantities or kinds than it has.
    MalformedList = 37,
    /// The client's id of an order list is in use.
    DuplicateListId = 38,
    /// A trade group of zero.
    UnknownGroup = 39,
    /// No such rail in this tenant.
    UnknownRail = 40,
    /// The rail takes no new transactions.
    RailClosed = 41,
    /// The account is frozen: nothing may leave it.
    AccountFrozen = 42,
    /// The account is closed.
    AccountClosed = 43,
    /// An account that has money or orders cannot be closed.
    AccountNotEmpty = 44,
    /// Money cannot move from an account to itself.
    SameAccount = 45,
    /// A destination that is none, an account that no adjustment may touch, a rail where none belongs.
    MalformedTransaction = 46,
    /// The fee would be more than the amount.
    FeeExceedsAmount = 47,
    /// No transaction has this business id or number.
    UnknownTransaction = 48,
    /// The business id was canceled before it was tried.
    TransactionCanceled = 49,
    /// It was decided the other way.
    TransactionFinal = 50,
    /// This cannot be done to a transaction of its kind.
    WrongTransactionKind = 51,
    /// More than the transaction holds.
    AmountExceedsHold = 52,
    /// More than is left of the payment.
    RefundExceedsPayment = 53,
    /// More than is left of the commission.
    ClawBackExceedsCommission = 54,
    /// Its timer has not run out.
    NotDue = 55,
    /// A rail may have it.
    AlreadySent = 56,
    /// This operator has approved it already.
    AlreadyApproved = 57,
    /// No such case is open.
    UnknownCase = 58,
    /// There is nothing to move.
    NothingToMove = 59,
    /// A policy without an interval or without attempts.
    PolicyOutOfRange = 60,
    /// A fee plan that is negative, or takes more than everything.
    FeeOutOfRange = 61,
    /// The name is in use.
    NameTaken = 62,
    /// The case is about another asset.
    CurrencyMismatch = 63,
    /// A credit below zero, or of more than there can be.
    CreditOutOfRange = 64,
    /// More of the credit is taken than the new one would give.
    CreditInUse = 65,
}

impl Reason {
    /// All reasons by number, for tables and tests.
    pub const ALL: [Self; 65] = [
        Self::DeadlinePassed,
        Self::UnknownAccount,
        Self::UnknownMarket,
        Self::UnknownAsset,
        Self::PriceOutOfRange,
        Self::QuantityOutOfRange,
        Self::NotionalTooSmall,
        Self::DuplicateClientOrderId,
        Self::TooManyOrders,
        Self::InsufficientBalance,
        Self::UnknownOrder,
        Self::ConflictingOrderIds,
        Self::CancelRestricted,
        Self::WouldMatch,
        Self::NoLiquidity,
        Self::QuantityNotReduced,
        Self::OrderAlreadyFinal,
        Self::AmountNotPositive,
        Self::SupplyExceeded,
        Self::IdempotencyConflict,
        Self::TriggerOutOfRange,
        Self::WouldTrigger,
        Self::NoReferencePrice,
        Self::MarketClosed,
        Self::InstructionsConflict,
        Self::MarketQuantityOutOfRange,
        Self::NotionalTooLarge,
        Self::PriceOutsideBand,
        Self::TooManyOrdersInMarket,
        Self::TooManyWaitingOrders,
        Self::PositionTooLarge,
        Self::IcebergOutOfRange,
        Self::TrailOutOfRange,
        Self::MinimumOutOfRange,
        Self::AlreadyExpired,
        Self::UnknownList,
        Self::MalformedList,
        Self::DuplicateListId,
        Self::UnknownGroup,
        Self::UnknownRail,
        Self::RailClosed,
        Self::AccountFrozen,
        Self::AccountClosed,
        Self::AccountNotEmpty,
        Self::SameAccount,
        Self::MalformedTransaction,
        Self::FeeExceedsAmount,
        Self::UnknownTransaction,
        Self::TransactionCanceled,
        Self::TransactionFinal,
        Self::WrongTransactionKind,
        Self::AmountExceedsHold,
        Self::RefundExceedsPayment,
        Self::ClawBackExceedsCommission,
        Self::NotDue,
        Self::AlreadySent,
        Self::AlreadyApproved,
        Self::UnknownCase,
        Self::NothingToMove,
        Self::PolicyOutOfRange,
        Self::FeeOutOfRange,
        Self::NameTaken,
        Self::CurrencyMismatch,
        Self::CreditOutOfRange,
        Self::CreditInUse,
    ];

    /// The fixed number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// A short name for metrics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DeadlinePassed => "deadline_passed",
            Self::UnknownAccount => "unknown_account",
            Self::UnknownMarket => "unknown_market",
            Self::UnknownAsset => "unknown_asset",
            Self::PriceOutOfRange => "price_out_of_range",
            Self::QuantityOutOfRange => "quantity_out_of_range",
            Self::NotionalTooSmall => "notional_too_small",
            Self::DuplicateClientOrderId => "duplicate_client_order_id",
            Self::TooManyOrders => "too_many_orders",
            Self::InsufficientBalance => "insufficient_balance",
            Self::UnknownOrder => "unknown_order",
            Self::ConflictingOrderIds => "conflicting_order_ids",
            Self::CancelRestricted => "cancel_restricted",
            Self::WouldMatch => "would_match",
            Self::NoLiquidity => "no_liquidity",
            Self::QuantityNotReduced => "quantity_not_reduced",
            Self::OrderAlreadyFinal => "order_already_final",
            Self::AmountNotPositive => "amount_not_positive",
            Self::SupplyExceeded => "supply_exceeded",
            Self::IdempotencyConflict => "idempotency_conflict",
            Self::TriggerOutOfRange => "trigger_out_of_range",
            Self::WouldTrigger => "would_trigger",
            Self::NoReferencePrice => "no_reference_price",
            Self::MarketClosed => "market_closed",
            Self::InstructionsConflict => "instructions_conflict",
            Self::MarketQuantityOutOfRange => "market_quantity_out_of_range",
            Self::NotionalTooLarge => "notional_too_large",
            Self::PriceOutsideBand => "price_outside_band",
            Self::TooManyOrdersInMarket => "too_many_orders_in_market",
            Self::TooManyWaitingOrders => "too_many_waiting_orders",
            Self::PositionTooLarge => "position_too_large",
            Self::IcebergOutOfRange => "iceberg_out_of_range",
            Self::TrailOutOfRange => "trail_out_of_range",
            Self::MinimumOutOfRange => "minimum_out_of_range",
            Self::AlreadyExpired => "already_expired",
            Self::UnknownList => "unknown_list",
            Self::MalformedList => "malformed_list",
            Self::DuplicateListId => "duplicate_list_id",
            Self::UnknownGroup => "unknown_group",
            Self::UnknownRail => "unknown_rail",
            Self::RailClosed => "rail_closed",
            Self::AccountFrozen => "account_frozen",
            Self::AccountClosed => "account_closed",
            Self::AccountNotEmpty => "account_not_empty",
            Self::SameAccount => "same_account",
            Self::MalformedTransaction => "malformed_transaction",
            Self::FeeExceedsAmount => "fee_exceeds_amount",
            Self::UnknownTransaction => "unknown_transaction",
            Self::TransactionCanceled => "transaction_canceled",
            Self::TransactionFinal => "transaction_final",
            Self::WrongTransactionKind => "wrong_transaction_kind",
            Self::AmountExceedsHold => "amount_exceeds_hold",
            Self::RefundExceedsPayment => "refund_exceeds_payment",
            Self::ClawBackExceedsCommission => "claw_back_exceeds_commission",
            Self::NotDue => "not_due",
            Self::AlreadySent => "already_sent",
            Self::AlreadyApproved => "already_approved",
            Self::UnknownCase => "unknown_case",
            Self::NothingToMove => "nothing_to_move",
            Self::PolicyOutOfRange => "policy_out_of_range",
            Self::FeeOutOfRange => "fee_out_of_range",
            Self::NameTaken => "name_taken",
            Self::CurrencyMismatch => "currency_mismatch",
            Self::CreditOutOfRange => "credit_out_of_range",
            Self::CreditInUse => "credit_in_use",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_in_checking_order() {
        let numbers: Vec<u16> = Reason::ALL.iter().map(|reason| reason.number()).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
    }
}
