//! What a new order may say, and what that is called.
//!
//! An order on its own has the dialect's plain names. In an order list each order, a *leg*, has the
//! same parameters under names of its own: `price` is `abovePrice` there, or `pendingBelowPrice`.

/// A parameter of a new order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The market.
    Symbol,
    /// Buy or sell.
    Side,
    /// The type.
    Type,
    /// At which limit.
    Price,
    /// How long it stands.
    TimeInForce,
    /// How much.
    Quantity,
    /// For how much.
    QuoteQuantity,
    /// The client's name for it.
    ClientId,
    /// How much the reply tells.
    ResponseType,
    /// What becomes of it when it meets its owner's orders.
    SelfTradePrevention,
    /// The price that wakes it.
    StopPrice,
    /// How far the waking price trails, as a share.
    TrailingDelta,
    /// How far the waking price trails, as a difference of prices.
    TrailingAmount,
    /// How much of it is shown.
    IcebergQuantity,
    /// Whether nothing of it is shown.
    Hidden,
    /// The least that it trades at a time.
    MinQuantity,
    /// Whether it trades whole or not at all.
    AllOrNone,
    /// What a post-only order does where it would take.
    PostOnlyMode,
    /// Until when it stands.
    GoodTillDate,
    /// How much worse than the best price a market order may trade.
    MaxSlippage,
    /// What its price is pegged to.
    PegPriceType,
    /// How far from there.
    PegOffsetValue,
    /// In what the distance counts.
    PegOffsetType,
    /// The client's strategy.
    StrategyId,
    /// The kind of that strategy.
    StrategyType,
}

/// How many parameters there are.
pub const COUNT: usize = Field::ALL.len();

impl Field {
    /// All of them, in the order in which what is wrong is told.
    pub const ALL: [Self; 25] = [
        Self::Symbol,
        Self::Side,
        Self::Type,
        Self::Price,
        Self::TimeInForce,
        Self::Quantity,
        Self::QuoteQuantity,
        Self::ClientId,
        Self::ResponseType,
        Self::SelfTradePrevention,
        Self::StopPrice,
        Self::TrailingDelta,
        Self::TrailingAmount,
        Self::IcebergQuantity,
        Self::Hidden,
        Self::MinQuantity,
        Self::AllOrNone,
        Self::PostOnlyMode,
        Self::GoodTillDate,
        Self::MaxSlippage,
        Self::PegPriceType,
        Self::PegOffsetValue,
        Self::PegOffsetType,
        Self::StrategyId,
        Self::StrategyType,
    ];

    /// The parameter of a plain name.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "symbol" => Self::Symbol,
            "side" => Self::Side,
            "type" => Self::Type,
            "price" => Self::Price,
            "timeInForce" => Self::TimeInForce,
            "quantity" => Self::Quantity,
            "quoteOrderQty" => Self::QuoteQuantity,
            "newClientOrderId" => Self::ClientId,
            "newOrderRespType" => Self::ResponseType,
            "selfTradePreventionMode" => Self::SelfTradePrevention,
            "stopPrice" => Self::StopPrice,
            "trailingDelta" => Self::TrailingDelta,
            "trailingAmount" => Self::TrailingAmount,
            "icebergQty" => Self::IcebergQuantity,
            "hidden" => Self::Hidden,
            "minQty" => Self::MinQuantity,
            "allOrNone" => Self::AllOrNone,
            "postOnlyMode" => Self::PostOnlyMode,
            "goodTillDate" => Self::GoodTillDate,
            "maxSlippage" => Self::MaxSlippage,
            "pegPriceType" => Self::PegPriceType,
            "pegOffsetValue" => Self::PegOffsetValue,
            "pegOffsetType" => Self::PegOffsetType,
            "strategyId" => Self::StrategyId,
            "strategyType" => Self::StrategyType,
            _ => return None,
        })
    }
}

/// What the parameters of an order are called, by their number; empty where it cannot have one.
#[derive(Debug, PartialEq, Eq)]
pub struct Names([&'static str; COUNT]);

impl Names {
    /// The name of a parameter.
    pub const fn of(&self, field: Field) -> &'static str {
        self.0[field as usize]
    }

    /// The parameter of a name.
    pub fn find(&self, name: &str) -> Option<Field> {
        Field::ALL.into_iter().find(|field| self.of(*field) == name)
    }
}

/// The names of an order on its own.
pub static PLAIN: Names = Names([
    "symbol",
    "side",
    "type",
    "price",
    "timeInForce",
    "quantity",
    "quoteOrderQty",
    "newClientOrderId",
    "newOrderRespType",
    "selfTradePreventionMode",
    "stopPrice",
    "trailingDelta",
    "trailingAmount",
    "icebergQty",
    "hidden",
    "minQty",
    "allOrNone",
    "postOnlyMode",
    "goodTillDate",
    "maxSlippage",
    "pegPriceType",
    "pegOffsetValue",
    "pegOffsetType",
    "strategyId",
    "strategyType",
]);

/// The names of a leg with a prefix; `side` and `quantity` may be shared with another leg.
macro_rules! leg {
    ($prefix:literal, $side:expr, $quantity:expr) => {
        Names([
            "symbol",
            $side,
            concat!($prefix, "Type"),
            concat!($prefix, "Price"),
            concat!($prefix, "TimeInForce"),
            $quantity,
            "",
            concat!($prefix, "ClientOrderId"),
            "newOrderRespType",
            "selfTradePreventionMode",
            concat!($prefix, "StopPrice"),
            concat!($prefix, "TrailingDelta"),
            concat!($prefix, "TrailingAmount"),
            concat!($prefix, "IcebergQty"),
            concat!($prefix, "Hidden"),
            concat!($prefix, "MinQty"),
            concat!($prefix, "AllOrNone"),
            concat!($prefix, "PostOnlyMode"),
            concat!($prefix, "GoodTillDate"),
            concat!($prefix, "MaxSlippage"),
            concat!($prefix, "PegPriceType"),
            concat!($prefix, "PegOffsetValue"),
            concat!($prefix, "PegOffsetType"),
            concat!($prefix, "StrategyId"),
            concat!($prefix, "StrategyType"),
        ])
    };
}

/// The upper order of a pair.
pub static ABOVE: Names = leg!("above", "side", "quantity");
/// The lower order of a pair.
pub static BELOW: Names = leg!("below", "side", "quantity");
/// The order that must be filled first.
pub static WORKING: Names = leg!("working", "workingSide", "workingQuantity");
/// The order that takes part then.
pub static PENDING: Names = leg!("pending", "pendingSide", "pendingQuantity");
/// The upper order of a pair that takes part then.
pub static PENDING_ABOVE: Names = leg!("pendingAbove", "pendingSide", "pendingQuantity");
/// The lower order of a pair that takes part then.
pub static PENDING_BELOW: Names = leg!("pendingBelow", "pendingSide", "pendingQuantity");

/// The post-only order of a pair by its old names. Its type goes without saying.
pub static OLD_LIMIT: Names = Names([
    "symbol",
    "side",
    "",
    "price",
    "",
    "quantity",
    "",
    "limitClientOrderId",
    "newOrderRespType",
    "selfTradePreventionMode",
    "",
    "",
    "",
    "limitIcebergQty",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "limitStrategyId",
    "limitStrategyType",
]);

/// The order of a pair that waits for its price, by its old names. Its type follows from whether
/// it has a limit.
pub static OLD_STOP: Names = Names([
    "symbol",
    "side",
    "",
    "stopLimitPrice",
    "stopLimitTimeInForce",
    "quantity",
    "",
    "stopClientOrderId",
    "newOrderRespType",
    "selfTradePreventionMode",
    "stopPrice",
    "trailingDelta",
    "",
    "stopIcebergQty",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "stopStrategyId",
    "stopStrategyType",
]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_one_name_and_one_place() {
        for (place, field) in Field::ALL.into_iter().enumerate() {
            assert_eq!(field as usize, place);
            assert_eq!(Field::named(PLAIN.of(field)), Some(field));
            assert_eq!(PLAIN.find(PLAIN.of(field)), Some(field));
        }
        assert_eq!((Field::named("nothing"), PLAIN.find("nothing")), (None, None));
    }

    #[test]
    fn the_names_of_a_leg_are_those_of_an_order_behind_its_prefix() {
        for (prefix, names) in [("above", &ABOVE), ("working", &WORKING), ("pendingBelow", &PENDING_BELOW)] {
            for field in Field::ALL {
                let plain = PLAIN.of(field);
                let own = match field {
                    Field::ClientId => format!("{prefix}ClientOrderId"),
                    _ => format!("{prefix}{}{}", plain[..1].to_ascii_uppercase(), &plain[1..]),
                };
                match field {
                    Field::QuoteQuantity => assert_eq!(names.of(field), ""),
                    Field::Symbol | Field::ResponseType | Field::SelfTradePrevention => {
                        assert_eq!(names.of(field), plain);
                    }
                    Field::Side | Field::Quantity => assert!(names.of(field).to_ascii_lowercase().ends_with(plain)),
                    _ => assert_eq!(names.of(field), own),
                }
            }
        }
        assert_eq!(
            (OLD_STOP.find("stopLimitPrice"), OLD_LIMIT.find("price")),
            (Some(Field::Price), Some(Field::Price))
        );
        assert_eq!(OLD_LIMIT.find("stopPrice"), None);
    }
}
