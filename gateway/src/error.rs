//! What a client is told when a request fails.
//!
//! Clients match the codes and, often, the texts. Both are those of the Binance Spot dialect and
//! are never reworded. What more there is to say stands in `data`, which clients ignore.

mod money;

use std::borrow::Cow;

use rialto_actors::api::Refused;
use rialto_engine::reason::Reason;
use rialto_engine::units::Nanos;

use crate::json;

/// A failure in the words of the dialect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// The HTTP status; also the `status` of a WebSocket reply.
    pub status: u16,
    /// The dialect's code.
    pub code: i32,
    /// The dialect's text.
    pub msg: Cow<'static, str>,
    /// More about it, as JSON text.
    pub data: Option<Box<str>>,
    /// In how many seconds it is worth to try again, if that is known.
    pub retry_after: Option<u32>,
}

/// Which request a [`Reason`] answers: the dialect uses one code for a refused order, another for
/// a refused cancel, a third for a refused amendment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// An order was placed.
    Place {
        /// Whether it was a market order, which has a lot size filter of its own.
        market: bool,
    },
    /// An order was to be cancelled.
    Cancel,
    /// An order was to be reduced.
    Amend,
    /// Money was to be moved, by a backend or an operator: codes and sentences of our own.
    Money,
    /// A user wanted to withdraw: the dialect's words where it has any.
    Withdrawal,
}

impl Asked {
    /// An order with a limit was placed.
    pub const PLACE: Self = Self::Place { market: false };
}

impl ApiError {
    /// An error of HTTP status 400.
    #[must_use]
    pub const fn new(code: i32, msg: &'static str) -> Self {
        Self::with_status(400, code, msg)
    }

    /// An error of another status.
    #[must_use]
    pub const fn with_status(status: u16, code: i32, msg: &'static str) -> Self {
        Self { status, code, msg: Cow::Borrowed(msg), data: None, retry_after: None }
    }

    /// An error whose text names something.
    #[must_use]
    pub fn naming(code: i32, msg: String) -> Self {
        Self { msg: Cow::Owned(msg), ..Self::new(code, "") }
    }

    /// The same with more about it; `data` is JSON text.
    #[must_use]
    pub fn with_data(mut self, data: impl Into<Box<str>>) -> Self {
        self.data = Some(data.into());
        self
    }

    /// An error that the dialect has no better name for.
    #[must_use]
    pub const fn unknown() -> Self {
        Self::new(-1000, "An unknown error occurred while processing the request.")
    }

    /// A path that leads nowhere.
    #[must_use]
    pub const fn no_such_path() -> Self {
        Self::with_status(404, -1000, "No such endpoint.")
    }

    /// A path that exists, asked in a way that does not.
    #[must_use]
    pub const fn wrong_http_method() -> Self {
        Self::with_status(405, -1000, "This endpoint does not answer to this HTTP method.")
    }

    /// More than a limit allows; see [`crate::rate_limits`].
    #[must_use]
    pub fn too_many(code: i32, msg: String, retry_after: u32, now: Nanos) -> Self {
        let (now, then) = (now.millis(), now.millis() + u64::from(retry_after) * 1_000);
        let data = format!("{{\"serverTime\":{now},\"retryAfter\":{}}}", then / 1_000 * 1_000);
        Self { status: 429, retry_after: Some(retry_after), ..Self::naming(code, msg).with_data(data) }
    }

    /// The answer never came: the request may or may not have been carried out. Clients ask for
    /// the order by its client id.
    #[must_use]
    pub const fn outcome_unknown() -> Self {
        Self::with_status(503, -1007, "Unknown error, please check your request or try again later.")
    }

    /// No room for the request: nothing was done.
    #[must_use]
    pub const fn busy() -> Self {
        Self::with_status(
            503,
            -1008,
            "Server is currently overloaded with other requests. Please try again in a few minutes.",
        )
    }

    /// The exchange is starting or has stopped: nothing was done. The code says "busy", because
    /// clients take it for "not carried out, try again", which is the truth.
    #[must_use]
    pub fn unavailable() -> Self {
        Self::busy().with_data(r#"{"reason":"the exchange is recovering or has stopped"}"#)
    }

    /// Something that no method or endpoint of this server does.
    #[must_use]
    pub const fn unsupported() -> Self {
        Self::new(-1020, "This operation is not supported.")
    }

    /// A `timestamp` from the future.
    #[must_use]
    pub const fn timestamp_ahead() -> Self {
        Self::new(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    }

    /// A `timestamp` from too long ago.
    #[must_use]
    pub const fn outside_recv_window() -> Self {
        Self::new(-1021, "Timestamp for this request is outside of the recvWindow.")
    }

    /// A wrong signature.
    #[must_use]
    pub const fn invalid_signature() -> Self {
        Self::new(-1022, "Signature for this request is not valid.")
    }

    /// A parameter with characters that its type does not have.
    #[must_use]
    pub fn illegal_characters(parameter: &str, legal: &str) -> Self {
        Self::naming(-1100, format!("Illegal characters found in parameter '{parameter}'; legal range is '{legal}'."))
    }

    /// The same parameter twice.
    #[must_use]
    pub const fn duplicate_parameter() -> Self {
        Self::new(-1101, "Duplicate values for a parameter detected.")
    }

    /// More parameters than any request has.
    #[must_use]
    pub const fn too_many_parameters() -> Self {
        Self::new(-1101, "Too many parameters sent for this endpoint.")
    }

    /// A parameter that must be there is not.
    #[must_use]
    pub fn mandatory(parameter: &str) -> Self {
        Self::naming(-1102, format!("Mandatory parameter '{parameter}' was not sent, was empty/null, or malformed."))
    }

    /// One of two parameters must be there, and neither is.
    #[must_use]
    pub fn either(left: &str, right: &str) -> Self {
        Self::naming(-1102, format!("Param '{left}' or '{right}' must be sent, but both were empty/null!"))
    }

    /// A parameter that nothing reads.
    #[must_use]
    pub fn unread_parameters(read: usize, sent: usize) -> Self {
        let msg = format!("Not all sent parameters were read; read '{read}' parameter(s) but was sent '{sent}'.");
        Self::naming(-1104, msg)
    }

    /// An optional parameter without a value.
    #[must_use]
    pub fn empty(parameter: &str) -> Self {
        Self::naming(-1105, format!("Parameter '{parameter}' was empty."))
    }

    /// A parameter that does not go with the others.
    #[must_use]
    pub fn not_required(parameter: &str) -> Self {
        Self::naming(-1106, format!("Parameter '{parameter}' sent when not required."))
    }

    /// A number too large for anything.
    #[must_use]
    pub fn overflow(parameter: &str) -> Self {
        Self::naming(-1108, format!("Parameter '{parameter}' overflowed."))
    }

    /// A decimal finer than its parameter can be.
    #[must_use]
    pub fn precision(parameter: &str) -> Self {
        Self::naming(-1111, format!("Parameter '{parameter}' has too much precision."))
    }

    /// A `timeInForce` where none belongs.
    #[must_use]
    pub const fn time_in_force_not_required() -> Self {
        Self::new(-1114, "TimeInForce parameter sent when not required.")
    }

    /// No such `timeInForce`.
    #[must_use]
    pub const fn invalid_time_in_force() -> Self {
        Self::new(-1115, "Invalid timeInForce.")
    }

    /// No such order type, or one that is not offered.
    #[must_use]
    pub const fn invalid_order_type() -> Self {
        Self::new(-1116, "Invalid orderType.")
    }

    /// No such side.
    #[must_use]
    pub const fn invalid_side() -> Self {
        Self::new(-1117, "Invalid side.")
    }

    /// No such interval.
    #[must_use]
    pub const fn invalid_interval() -> Self {
        Self::new(-1120, "Invalid interval.")
    }

    /// No such market in this tenant.
    #[must_use]
    pub const fn invalid_symbol() -> Self {
        Self::new(-1121, "Invalid symbol.")
    }

    /// A public request that belongs to no tenant.
    #[must_use]
    pub const fn no_tenant() -> Self {
        Self::with_status(404, -1121, "Invalid symbol.")
    }

    /// No such `listenKey`.
    #[must_use]
    pub const fn invalid_listen_key() -> Self {
        Self::new(-1125, "This listenKey does not exist.")
    }

    /// `startTime` and `endTime` too far apart.
    #[must_use]
    pub fn interval_too_long(hours: u32) -> Self {
        Self::naming(-1127, format!("More than {hours} hours between startTime and endTime."))
    }

    /// Optional parameters that exclude each other.
    #[must_use]
    pub const fn bad_combination() -> Self {
        Self::new(-1128, "Combination of optional parameters invalid.")
    }

    /// A value that its parameter does not have.
    #[must_use]
    pub fn invalid_parameter(parameter: &str) -> Self {
        Self::naming(-1130, format!("Data sent for parameter '{parameter}' is not valid."))
    }

    /// A `recvWindow` above the maximum.
    #[must_use]
    pub const fn recv_window_too_large() -> Self {
        Self::new(-1131, "recvWindow must be less than 60000.")
    }

    /// Not JSON, or not a request.
    #[must_use]
    pub const fn invalid_json() -> Self {
        Self::new(-1135, "Invalid JSON Request")
    }

    /// An `id` of a type that is not echoed.
    #[must_use]
    pub const fn invalid_id() -> Self {
        Self::new(
            -1135,
            "Invalid 'id' in JSON request; expected an integer, a string matching '^[a-zA-Z0-9-_]{1,36}$', or null.",
        )
    }

    /// No such cancel restriction.
    #[must_use]
    pub const fn invalid_cancel_restrictions() -> Self {
        Self::new(-1145, "Invalid cancelRestrictions")
    }

    /// A symbol twice in a list.
    #[must_use]
    pub const fn duplicate_symbols() -> Self {
        Self::new(-1151, "Symbol is present multiple times in the list.")
    }

    /// A `strategyType` among those that are reserved.
    #[must_use]
    pub const fn strategy_type_too_small() -> Self {
        Self::new(-1134, "strategyType was less than 1000000.")
    }

    /// Optional parameters of which there is only one.
    #[must_use]
    pub fn together(left: &str, right: &str) -> Self {
        Self::naming(-1128, format!("Fields [{left}, {right}] must be sent together or omitted entirely."))
    }

    /// An order that asks for things that exclude each other.
    #[must_use]
    pub const fn unsupported_combination() -> Self {
        Self::new(-1014, "Unsupported order combination.")
    }

    /// A peg where there is no price to be pegged.
    #[must_use]
    pub const fn unpeggable_type() -> Self {
        Self::new(-1013, "This order type may not use pegged price.")
    }

    /// A peg on an order that does not rest.
    #[must_use]
    pub const fn unpeggable_order() -> Self {
        Self::new(-1013, "This price peg cannot be used with this order type.")
    }

    /// An order of which more is to be displayed than there is.
    #[must_use]
    pub const fn iceberg_exceeds_quantity() -> Self {
        Self::new(-1013, "IcebergQty exceeds QTY.")
    }

    /// A query for an order list that is not there.
    #[must_use]
    pub const fn no_such_order_list() -> Self {
        Self::new(-2018, "Order list does not exist.")
    }

    /// An order outside a filter of its market.
    #[must_use]
    pub fn filter(name: &'static str) -> Self {
        Self::naming(-1013, format!("Filter failure: {name}"))
    }

    /// An order that was refused.
    #[must_use]
    pub const fn new_order_rejected(msg: &'static str) -> Self {
        Self::new(-2010, msg)
    }

    /// A cancel that was refused.
    #[must_use]
    pub const fn cancel_rejected(msg: &'static str) -> Self {
        Self::new(-2011, msg)
    }

    /// A query for an order that is not there.
    #[must_use]
    pub const fn no_such_order() -> Self {
        Self::new(-2013, "Order does not exist.")
    }

    /// An API key that cannot be one.
    #[must_use]
    pub const fn malformed_api_key() -> Self {
        Self::with_status(401, -2014, "API-key format invalid.")
    }

    /// An API key that is unknown, or another tenant's.
    #[must_use]
    pub const fn rejected_api_key() -> Self {
        Self::with_status(401, -2015, "Invalid API-key, IP, or permissions for action.")
    }

    /// One half of a cancel-replace failed; `data` tells both.
    #[must_use]
    pub fn replace_partially_failed(data: impl Into<Box<str>>) -> Self {
        Self::with_status(409, -2021, "Order cancel-replace partially failed.").with_data(data)
    }

    /// Both halves of a cancel-replace failed, or the second was not attempted.
    #[must_use]
    pub fn replace_failed(data: impl Into<Box<str>>) -> Self {
        Self::new(-2022, "Order cancel-replace failed.").with_data(data)
    }

    /// A second subscription of one account on one connection.
    #[must_use]
    pub const fn already_subscribed() -> Self {
        Self::new(-2035, "User Data Stream subscription already active.")
    }

    /// An amendment that was refused.
    #[must_use]
    pub const fn amend_rejected(msg: &'static str) -> Self {
        Self::new(-2038, msg)
    }

    /// A client order id that does not belong to the order id sent with it.
    #[must_use]
    pub const fn conflicting_order_ids() -> Self {
        Self::new(-2039, "Client order ID is not correct for this order ID.")
    }

    /// Why the engine refused, in the words of the dialect.
    ///
    /// Some texts have no model: `SupplyExceeded`, `AmountNotPositive` and `IdempotencyConflict`
    /// answer deposits, which the dialect does not have, its markets always have a last price, and it
    /// knows neither minimums nor dates; what is wrong with those is told as of any parameter.
    #[must_use]
    pub fn of_reason(reason: Reason, asked: Asked) -> Self {
        match asked {
            Asked::Money => return money::refused(reason),
            Asked::Withdrawal => return money::withdrawal_refused(reason),
            Asked::Place { .. } | Asked::Cancel | Asked::Amend => {}
        }
        let lot_size = if asked == (Asked::Place { market: true }) { "MARKET_LOT_SIZE" } else { "LOT_SIZE" };
        match reason {
            Reason::DeadlinePassed => Self::outside_recv_window(),
            Reason::UnknownAccount => Self::rejected_api_key(),
            Reason::UnknownMarket => Self::invalid_symbol(),
            Reason::UnknownAsset => Self::invalid_parameter("asset"),
            Reason::PriceOutOfRange | Reason::TriggerOutOfRange => Self::filter("PRICE_FILTER"),
            Reason::QuantityOutOfRange => Self::filter(lot_size),
            Reason::NotionalTooSmall => Self::filter("NOTIONAL"),
            Reason::DuplicateClientOrderId => Self::new_order_rejected("Duplicate order sent."),
            Reason::TooManyOrders => Self::filter("MAX_NUM_ORDERS"),
            Reason::InsufficientBalance => {
                Self::new_order_rejected("Account has insufficient balance for requested action.")
            }
            // Gone by the time it reached the book is as unknown as never there.
            Reason::UnknownOrder | Reason::OrderAlreadyFinal => match asked {
                Asked::Amend => Self::no_such_order(),
                _ => Self::cancel_rejected("Unknown order sent."),
            },
            Reason::ConflictingOrderIds => match asked {
                Asked::Amend => Self::conflicting_order_ids(),
                _ => Self::cancel_rejected("Unknown order sent."),
            },
            Reason::CancelRestricted => Self::cancel_rejected("Order was not canceled due to cancel restrictions."),
            Reason::WouldMatch => Self::new_order_rejected("Order would immediately match and take."),
            Reason::NoLiquidity => {
                Self::new_order_rejected("Order book liquidity is less than symbol minimum quantity.")
            }
            Reason::QuantityNotReduced => {
                Self::amend_rejected("The requested action would change no state; rejecting.")
            }
            Reason::WouldTrigger => Self::new_order_rejected("Stop price would trigger immediately."),
            Reason::NoReferencePrice => Self::new_order_rejected("There is no last price to trail yet."),
            Reason::AmountNotPositive => Self::invalid_parameter("amount"),
            Reason::SupplyExceeded => Self::overflow("amount"),
            Reason::IdempotencyConflict => Self::new_order_rejected("Duplicate request sent."),
            Reason::MarketClosed => match asked {
                Asked::Cancel => Self::cancel_rejected("Market is closed."),
                Asked::Amend => Self::amend_rejected("Market is closed."),
                _ => Self::new_order_rejected("Market is closed."),
            },
            Reason::InstructionsConflict | Reason::MalformedList => Self::unsupported_combination(),
            Reason::MarketQuantityOutOfRange => Self::filter("MARKET_LOT_SIZE"),
            Reason::NotionalTooLarge => Self::filter("NOTIONAL"),
            Reason::PriceOutsideBand => Self::filter("PERCENT_PRICE_BY_SIDE"),
            Reason::TooManyOrdersInMarket => Self::filter("MAX_NUM_ORDERS"),
            Reason::TooManyWaitingOrders => Self::filter("MAX_NUM_ALGO_ORDERS"),
            Reason::PositionTooLarge => Self::filter("MAX_POSITION"),
            Reason::IcebergOutOfRange => Self::filter("ICEBERG_PARTS"),
            Reason::TrailOutOfRange => Self::filter("TRAILING_DELTA"),
            Reason::MinimumOutOfRange => Self::invalid_parameter("minQty"),
            Reason::AlreadyExpired => Self::invalid_parameter("goodTillDate"),
            Reason::UnknownList => Self::cancel_rejected("Unknown order list sent."),
            Reason::DuplicateListId => Self::new_order_rejected("Duplicate order list sent."),
            Reason::UnknownGroup => Self::invalid_parameter("tradeGroupId"),
            Reason::AccountFrozen | Reason::AccountClosed => {
                Self::new_order_rejected("This action is disabled on this account.")
            }
            // Those of transactions, which no order meets; the dialect has none.
            Reason::UnknownRail
            | Reason::RailClosed
            | Reason::AccountNotEmpty
            | Reason::SameAccount
            | Reason::MalformedTransaction
            | Reason::FeeExceedsAmount
            | Reason::UnknownTransaction
            | Reason::TransactionCanceled
            | Reason::TransactionFinal
            | Reason::WrongTransactionKind
            | Reason::AmountExceedsHold
            | Reason::RefundExceedsPayment
            | Reason::ClawBackExceedsCommission
            | Reason::NotDue
            | Reason::AlreadySent
            | Reason::AlreadyApproved
            | Reason::UnknownCase
            | Reason::NothingToMove
            | Reason::PolicyOutOfRange
            | Reason::FeeOutOfRange
            | Reason::NameTaken
            | Reason::CurrencyMismatch
            | Reason::CreditOutOfRange
            | Reason::CreditInUse => money::refused(reason),
        }
    }

    /// Appends `{"code":…,"msg":…}`, with `data` if there is any.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"code\":");
        json::integer(out, i64::from(self.code));
        out.extend_from_slice(b",\"msg\":");
        json::string(out, &self.msg);
        if let Some(data) = &self.data {
            out.extend_from_slice(b",\"data\":");
            out.extend_from_slice(data.as_bytes());
        }
        out.push(b'}');
    }

    /// The body as JSON.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        self.write(&mut out);
        out
    }
}

/// In the form that fits a placed order; see [`ApiError::of_reason`] for the others.
impl From<Reason> for ApiError {
    fn from(reason: Reason) -> Self {
        Self::of_reason(reason, Asked::PLACE)
    }
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Busy => Self::busy(),
            Refused::Unavailable => Self::unavailable(),
            Refused::UnknownTenant => Self::rejected_api_key(),
        }
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {}", self.code, self.msg)
    }
}

impl std::error::Error for ApiError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_the_code_and_text_that_clients_match() {
        let expected = [
            (Reason::DeadlinePassed, -1021, "Timestamp for this request is outside of the recvWindow."),
            (Reason::UnknownAccount, -2015, "Invalid API-key, IP, or permissions for action."),
            (Reason::UnknownMarket, -1121, "Invalid symbol."),
            (Reason::UnknownAsset, -1130, "Data sent for parameter 'asset' is not valid."),
            (Reason::PriceOutOfRange, -1013, "Filter failure: PRICE_FILTER"),
            (Reason::QuantityOutOfRange, -1013, "Filter failure: LOT_SIZE"),
            (Reason::NotionalTooSmall, -1013, "Filter failure: NOTIONAL"),
            (Reason::DuplicateClientOrderId, -2010, "Duplicate order sent."),
            (Reason::TooManyOrders, -1013, "Filter failure: MAX_NUM_ORDERS"),
            (Reason::InsufficientBalance, -2010, "Account has insufficient balance for requested action."),
            (Reason::UnknownOrder, -2011, "Unknown order sent."),
            (Reason::ConflictingOrderIds, -2011, "Unknown order sent."),
            (Reason::CancelRestricted, -2011, "Order was not canceled due to cancel restrictions."),
            (Reason::WouldMatch, -2010, "Order would immediately match and take."),
            (Reason::NoLiquidity, -2010, "Order book liquidity is less than symbol minimum quantity."),
            (Reason::QuantityNotReduced, -2038, "The requested action would change no state; rejecting."),
            (Reason::OrderAlreadyFinal, -2011, "Unknown order sent."),
            (Reason::AmountNotPositive, -1130, "Data sent for parameter 'amount' is not valid."),
            (Reason::SupplyExceeded, -1108, "Parameter 'amount' overflowed."),
            (Reason::IdempotencyConflict, -2010, "Duplicate request sent."),
            (Reason::TriggerOutOfRange, -1013, "Filter failure: PRICE_FILTER"),
            (Reason::WouldTrigger, -2010, "Stop price would trigger immediately."),
            (Reason::NoReferencePrice, -2010, "There is no last price to trail yet."),
            (Reason::MarketClosed, -2010, "Market is closed."),
            (Reason::InstructionsConflict, -1014, "Unsupported order combination."),
            (Reason::MarketQuantityOutOfRange, -1013, "Filter failure: MARKET_LOT_SIZE"),
            (Reason::NotionalTooLarge, -1013, "Filter failure: NOTIONAL"),
            (Reason::PriceOutsideBand, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
            (Reason::TooManyOrdersInMarket, -1013, "Filter failure: MAX_NUM_ORDERS"),
            (Reason::TooManyWaitingOrders, -1013, "Filter failure: MAX_NUM_ALGO_ORDERS"),
            (Reason::PositionTooLarge, -1013, "Filter failure: MAX_POSITION"),
            (Reason::IcebergOutOfRange, -1013, "Filter failure: ICEBERG_PARTS"),
            (Reason::TrailOutOfRange, -1013, "Filter failure: TRAILING_DELTA"),
            (Reason::MinimumOutOfRange, -1130, "Data sent for parameter 'minQty' is not valid."),
            (Reason::AlreadyExpired, -1130, "Data sent for parameter 'goodTillDate' is not valid."),
            (Reason::UnknownList, -2011, "Unknown order list sent."),
            (Reason::MalformedList, -1014, "Unsupported order combination."),
            (Reason::DuplicateListId, -2010, "Duplicate order list sent."),
            (Reason::UnknownGroup, -1130, "Data sent for parameter 'tradeGroupId' is not valid."),
            (Reason::UnknownRail, -9040, "There is no such rail."),
            (Reason::RailClosed, -9041, "The rail takes no new transactions."),
            (Reason::AccountFrozen, -2010, "This action is disabled on this account."),
            (Reason::AccountClosed, -2010, "This action is disabled on this account."),
            (
                Reason::AccountNotEmpty,
                -9044,
                "An account with money, open orders or open transactions cannot be closed.",
            ),
            (Reason::SameAccount, -9045, "Money cannot move from an account to itself."),
            (
                Reason::MalformedTransaction,
                -9046,
                "The transaction makes no sense: a destination, date or account that cannot be.",
            ),
            (Reason::FeeExceedsAmount, -9047, "The fee would be more than the amount."),
            (Reason::UnknownTransaction, -9048, "There is no such transaction."),
            (Reason::TransactionCanceled, -9049, "The transaction was canceled before it was tried."),
            (Reason::TransactionFinal, -9050, "The transaction was decided the other way."),
            (Reason::WrongTransactionKind, -9051, "This cannot be done to a transaction of this kind."),
            (Reason::AmountExceedsHold, -9052, "The amount is more than the transaction holds."),
            (Reason::RefundExceedsPayment, -9053, "The amount is more than what is left of the payment."),
            (Reason::ClawBackExceedsCommission, -9054, "The amount is more than what is left of the commission."),
            (Reason::NotDue, -9055, "It is too early for this."),
            (Reason::AlreadySent, -9056, "A rail may have the transaction already."),
            (Reason::AlreadyApproved, -9057, "This operator, or one who counts as the same, has approved it already."),
            (Reason::UnknownCase, -9058, "There is no such open case."),
            (Reason::NothingToMove, -9059, "There is nothing to move."),
            (
                Reason::PolicyOutOfRange,
                -9060,
                "A policy needs an interval, a longest interval and attempts above zero.",
            ),
            (Reason::FeeOutOfRange, -9061, "A fee plan is not negative, and its rate is at most 10000 basis points."),
            (Reason::NameTaken, -9062, "The name is in use."),
            (Reason::CurrencyMismatch, -9063, "The transaction is in another asset."),
            (
                Reason::CreditOutOfRange,
                -9064,
                "A credit is not negative, and not above what there can be of the asset.",
            ),
            (Reason::CreditInUse, -9065, "More of the credit is taken than that."),
        ];
        assert_eq!(expected.len(), Reason::ALL.len());
        for ((reason, code, msg), every) in expected.into_iter().zip(Reason::ALL) {
            assert_eq!(reason, every);
            let error = ApiError::from(reason);
            assert_eq!((error.code, error.msg.as_ref()), (code, msg), "{reason:?}");
            assert!((400..500).contains(&error.status), "{reason:?}");
        }
    }

    #[test]
    fn a_reason_depends_on_what_was_asked() {
        let code = |reason, asked| ApiError::of_reason(reason, asked).code;
        assert_eq!(code(Reason::UnknownOrder, Asked::Amend), -2013);
        assert_eq!(code(Reason::ConflictingOrderIds, Asked::Amend), -2039);
        assert_eq!(code(Reason::UnknownOrder, Asked::Cancel), -2011);
        assert_eq!(code(Reason::MarketClosed, Asked::Cancel), -2011);
        assert_eq!(code(Reason::MarketClosed, Asked::Amend), -2038);
        let market = ApiError::of_reason(Reason::QuantityOutOfRange, Asked::Place { market: true });
        assert_eq!(market.msg, "Filter failure: MARKET_LOT_SIZE");
    }

    #[test]
    fn bodies_are_json_with_code_first() {
        let body = |error: ApiError| String::from_utf8(error.body()).expect("UTF-8");
        assert_eq!(body(ApiError::invalid_symbol()), r#"{"code":-1121,"msg":"Invalid symbol."}"#);
        let error = ApiError::replace_failed(r#"{"cancelResult":"FAILURE"}"#);
        assert_eq!(
            body(error),
            r#"{"code":-2022,"msg":"Order cancel-replace failed.","data":{"cancelResult":"FAILURE"}}"#
        );
        let quoted = body(ApiError::mandatory("a\"b\n"));
        assert!(serde_json::from_str::<serde_json::Value>(&quoted).is_ok(), "{quoted}");
    }

    #[test]
    fn an_unknown_outcome_and_a_busy_server_are_told_apart() {
        let unknown = ApiError::outcome_unknown();
        assert_eq!((unknown.status, unknown.code), (503, -1007));
        let busy = ApiError::from(Refused::Busy);
        assert_eq!((busy.status, busy.code), (503, -1008));
        assert_eq!(ApiError::from(Refused::Unavailable).code, -1008);
    }
}
