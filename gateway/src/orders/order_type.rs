//! The types of orders: what each must say, what it may say, and what its words mean.
//!
//! A type is a row of [`TYPES`], the function that reads it, and a variant of [`Terms`]. The rows
//! are the table "additional mandatory parameters" of the dialect's documents. A type that waits
//! for a price has a [`Family`] beside, and is read like the one without it. The order list types
//! are not offered.

use rialto_engine::units::{Amount, Price, Quantity};

use super::Detail;
use super::contingent::Family;
use super::fields::{Field, Fields};
use crate::error::ApiError;
use crate::gateway::Market;

/// A type of order.
pub struct OrderType {
    name: &'static str,
    /// What must be there, beside what every order says.
    required: &'static [Field],
    /// What may be there.
    optional: &'static [Field],
    /// How much the reply tells unless the client asks for something else.
    pub detail: Detail,
    /// What it waits for, if it does.
    pub waits: Option<Family>,
    read: fn(&Fields<'_>, &Market<'_>) -> Result<Terms, ApiError>,
}

/// What an order of a type asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terms {
    /// To trade at a limit or better.
    Limit {
        /// How long it stands.
        time_in_force: TimeInForce,
        /// The limit.
        price: Price,
        /// How much.
        quantity: Quantity,
    },
    /// To rest at a limit, or not to be at all.
    LimitMaker {
        /// The limit.
        price: Price,
        /// How much.
        quantity: Quantity,
    },
    /// To trade this much at once.
    Market(Quantity),
    /// To trade for this much at once.
    MarketByQuote(Amount),
}

/// How long an order with a limit stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeInForce {
    /// Until it is cancelled.
    GoodTillCanceled,
    /// Whatever does not trade at once lapses.
    ImmediateOrCancel,
    /// All of it trades at once, or nothing.
    FillOrKill,
}

const TYPES: [OrderType; 7] = [
    OrderType {
        name: "LIMIT",
        required: &[Field::TimeInForce, Field::Quantity, Field::Price],
        optional: &[],
        detail: Detail::Full,
        waits: None,
        read: limit,
    },
    OrderType {
        name: "LIMIT_MAKER",
        required: &[Field::Quantity, Field::Price],
        optional: &[Field::TimeInForce],
        detail: Detail::Ack,
        waits: None,
        read: limit_maker,
    },
    OrderType {
        name: "MARKET",
        required: &[],
        optional: &[Field::Quantity, Field::QuoteQuantity],
        detail: Detail::Full,
        waits: None,
        read: market,
    },
    OrderType {
        name: "STOP_LOSS",
        required: &[Field::Quantity],
        optional: &OF_THE_TRIGGER,
        detail: Detail::Ack,
        waits: Some(Family::StopLoss),
        read: market,
    },
    OrderType {
        name: "STOP_LOSS_LIMIT",
        required: &[Field::TimeInForce, Field::Quantity, Field::Price],
        optional: &OF_THE_TRIGGER,
        detail: Detail::Ack,
        waits: Some(Family::StopLoss),
        read: limit,
    },
    OrderType {
        name: "TAKE_PROFIT",
        required: &[Field::Quantity],
        optional: &OF_THE_TRIGGER,
        detail: Detail::Ack,
        waits: Some(Family::TakeProfit),
        read: market,
    },
    OrderType {
        name: "TAKE_PROFIT_LIMIT",
        required: &[Field::TimeInForce, Field::Quantity, Field::Price],
        optional: &OF_THE_TRIGGER,
        detail: Detail::Ack,
        waits: Some(Family::TakeProfit),
        read: limit,
    },
];

/// Of which one must be there.
const OF_THE_TRIGGER: [Field; 2] = [Field::StopPrice, Field::TrailingDelta];

/// What an order of any type says or may say.
const OF_ANY_TYPE: [Field; 6] =
    [Field::Symbol, Field::Side, Field::Type, Field::ClientId, Field::ResponseType, Field::SelfTradePrevention];

impl OrderType {
    /// The type of a name.
    ///
    /// # Errors
    /// -1116 for one that is not offered.
    pub fn named(name: &str) -> Result<&'static Self, ApiError> {
        TYPES.iter().find(|order_type| order_type.name == name).ok_or_else(ApiError::invalid_order_type)
    }

    /// Reads what an order of this type asks for.
    ///
    /// # Errors
    /// -1106 or -1114 for a parameter that does not go with the type, -1102 for one that is
    /// missing, and what the dialect says to wrong values.
    pub fn terms(&self, fields: &Fields<'_>, market: &Market<'_>) -> Result<Terms, ApiError> {
        let belongs = |field: &Field| {
            [&OF_ANY_TYPE[..], self.required, self.optional].iter().any(|fields| fields.contains(field))
        };
        if let Some(foreign) = fields.sent().find(|field| !belongs(field)) {
            return Err(match foreign {
                Field::TimeInForce => ApiError::time_in_force_not_required(),
                field => ApiError::not_required(field.name()),
            });
        }
        for field in self.required {
            fields.required(*field)?;
        }
        (self.read)(fields, market)
    }
}

fn limit(fields: &Fields<'_>, market: &Market<'_>) -> Result<Terms, ApiError> {
    let time_in_force = match fields.required(Field::TimeInForce)? {
        "GTC" => TimeInForce::GoodTillCanceled,
        "IOC" => TimeInForce::ImmediateOrCancel,
        "FOK" => TimeInForce::FillOrKill,
        _ => return Err(ApiError::invalid_time_in_force()),
    };
    let (price, quantity) = price_and_quantity(fields, market)?;
    Ok(Terms::Limit { time_in_force, price, quantity })
}

fn limit_maker(fields: &Fields<'_>, market: &Market<'_>) -> Result<Terms, ApiError> {
    // Clients that send "GTC" mean what the type says anyway.
    if fields.get(Field::TimeInForce).is_some_and(|text| text != "GTC") {
        return Err(ApiError::time_in_force_not_required());
    }
    let (price, quantity) = price_and_quantity(fields, market)?;
    Ok(Terms::LimitMaker { price, quantity })
}

fn market(fields: &Fields<'_>, market: &Market<'_>) -> Result<Terms, ApiError> {
    let (quantity, quote) = (Field::Quantity, Field::QuoteQuantity);
    match (fields.get(quantity), fields.get(quote)) {
        (Some(text), None) => market.text.parse_quantity(quantity.name(), text, "MARKET_LOT_SIZE").map(Terms::Market),
        (None, Some(text)) => market.text.parse_quote_amount(quote.name(), text).map(Terms::MarketByQuote),
        (Some(_), Some(_)) => Err(ApiError::bad_combination()),
        (None, None) => Err(ApiError::either(quantity.name(), quote.name())),
    }
}

fn price_and_quantity(fields: &Fields<'_>, market: &Market<'_>) -> Result<(Price, Quantity), ApiError> {
    let price = market.text.parse_price(Field::Price.name(), fields.required(Field::Price)?)?;
    let quantity = fields.required(Field::Quantity)?;
    Ok((price, market.text.parse_quantity(Field::Quantity.name(), quantity, "LOT_SIZE")?))
}
