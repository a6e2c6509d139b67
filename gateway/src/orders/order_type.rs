//! The types of orders: what each must say, what it may say, and what its words mean.
//!
//! A type is a row of [`TYPES`] and the function that reads it. The rows are the table "additional
//! mandatory parameters" of the dialect's documents, with what this exchange offers beyond them. A
//! type that waits for a price has a [`Family`] beside, and is read like the one without it. What
//! else an order may ask for is read in [`super::instructions`].

use rialto_engine::order::{Lifetime, OrderKind};
use rialto_engine::units::{Amount, Nanos, Price, Quantity};

use super::Detail;
use super::contingent::Family;
use super::field::Field;
use super::fields::Fields;
use crate::auth::time_of;
use crate::error::ApiError;
use crate::gateway::Market;

/// A type of order.
pub struct OrderType {
    name: &'static str,
    /// What must be there, beside what every order says.
    required: &'static [Field],
    /// What may be there.
    optional: &'static [&'static [Field]],
    /// How much the reply tells unless the client asks for something else.
    pub detail: Detail,
    /// What it waits for, if it does.
    pub waits: Option<Family>,
    read: fn(&Fields<'_>, &Market<'_>, Nanos) -> Result<Terms, ApiError>,
}

/// What an order of a type asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How it takes and makes.
    pub kind: OrderKind,
    /// The limit; zero without one.
    pub price: Price,
    /// How much; zero for an order by quote amount.
    pub quantity: Quantity,
    /// For how much; zero unless it is by quote amount.
    pub budget: Amount,
    /// How long it stands.
    pub lifetime: Lifetime,
}

/// What an order may say that may rest: how long, and what others see.
const OF_WHAT_RESTS: [Field; 3] = [Field::GoodTillDate, Field::IcebergQuantity, Field::Hidden];
/// What one may say that takes.
const OF_WHAT_TAKES: [Field; 2] = [Field::MinQuantity, Field::AllOrNone];
/// Of which one must be there.
const OF_THE_TRIGGER: [Field; 3] = [Field::StopPrice, Field::TrailingDelta, Field::TrailingAmount];
/// What makes a price follow the book.
const OF_THE_PEG: [Field; 3] = [Field::PegPriceType, Field::PegOffsetValue, Field::PegOffsetType];

/// What an order of any type says or may say.
const OF_ANY_TYPE: [Field; 8] = [
    Field::Symbol,
    Field::Side,
    Field::Type,
    Field::ClientId,
    Field::ResponseType,
    Field::SelfTradePrevention,
    Field::StrategyId,
    Field::StrategyType,
];

const TYPES: [OrderType; 7] = [
    OrderType {
        name: "LIMIT",
        required: &[Field::TimeInForce, Field::Quantity, Field::Price],
        optional: &[&OF_WHAT_RESTS, &OF_WHAT_TAKES, &OF_THE_PEG],
        detail: Detail::Full,
        waits: None,
        read: limit,
    },
    OrderType {
        name: "LIMIT_MAKER",
        required: &[Field::Quantity, Field::Price],
        optional: &[&OF_WHAT_RESTS, &[Field::TimeInForce, Field::PostOnlyMode]],
        detail: Detail::Ack,
        waits: None,
        read: limit_maker,
    },
    OrderType {
        name: "MARKET",
        required: &[],
        optional: &[&OF_WHAT_TAKES, &[Field::Quantity, Field::QuoteQuantity, Field::MaxSlippage]],
        detail: Detail::Full,
        waits: None,
        read: market,
    },
    OrderType {
        name: "STOP_LOSS",
        required: &[Field::Quantity],
        optional: &[&OF_THE_TRIGGER, &OF_WHAT_TAKES, &[Field::MaxSlippage]],
        detail: Detail::Ack,
        waits: Some(Family::StopLoss),
        read: market,
    },
    OrderType {
        name: "STOP_LOSS_LIMIT",
        required: &[Field::TimeInForce, Field::Quantity, Field::Price],
        optional: &[&OF_THE_TRIGGER, &OF_WHAT_RESTS, &OF_WHAT_TAKES],
        detail: Detail::Ack,
        waits: Some(Family::StopLoss),
        read: limit,
    },
    OrderType {
        name: "TAKE_PROFIT",
        required: &[Field::Quantity],
        optional: &[&OF_THE_TRIGGER, &OF_WHAT_TAKES, &[Field::MaxSlippage]],
        detail: Detail::Ack,
        waits: Some(Family::TakeProfit),
        read: market,
    },
    OrderType {
        name: "TAKE_PROFIT_LIMIT",
        required: &[Field::TimeInForce, Field::Quantity, Field::Price],
        optional: &[&OF_THE_TRIGGER, &OF_WHAT_RESTS, &OF_WHAT_TAKES],
        detail: Detail::Ack,
        waits: Some(Family::TakeProfit),
        read: limit,
    },
];

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
    pub fn terms(&self, fields: &Fields<'_>, market: &Market<'_>, now: Nanos) -> Result<Terms, ApiError> {
        let belongs = |field: &Field| {
            OF_ANY_TYPE.contains(field)
                || self.required.contains(field)
                || self.optional.iter().any(|fields| fields.contains(field))
        };
        if let Some(foreign) = fields.sent().find(|field| !belongs(field)) {
            return Err(match foreign {
                Field::TimeInForce => ApiError::time_in_force_not_required(),
                field if OF_THE_PEG.contains(&field) => ApiError::unpeggable_type(),
                field => ApiError::not_required(fields.name(field)),
            });
        }
        for field in self.required {
            fields.required(*field)?;
        }
        (self.read)(fields, market, now)
    }
}

fn limit(fields: &Fields<'_>, market: &Market<'_>, now: Nanos) -> Result<Terms, ApiError> {
    let time_in_force = fields.required(Field::TimeInForce)?;
    let kind = match time_in_force {
        "IOC" => OrderKind::ImmediateOrCancel,
        "FOK" => OrderKind::FillOrKill,
        _ => OrderKind::Limit,
    };
    let lifetime = lifetime(time_in_force, fields, market, now)?;
    let (price, quantity) = price_and_quantity(fields, market)?;
    Ok(Terms { kind, price, quantity, budget: Amount::ZERO, lifetime })
}

fn limit_maker(fields: &Fields<'_>, market: &Market<'_>, now: Nanos) -> Result<Terms, ApiError> {
    // Clients that send "GTC" mean what the type says anyway.
    let time_in_force = fields.get(Field::TimeInForce).unwrap_or("GTC");
    if matches!(time_in_force, "IOC" | "FOK") {
        return Err(ApiError::time_in_force_not_required());
    }
    let lifetime = lifetime(time_in_force, fields, market, now)?;
    let kind = match fields.get(Field::PostOnlyMode) {
        None | Some("REJECT") => OrderKind::PostOnly,
        Some("SLIDE") => OrderKind::PostOnlySlide,
        Some(_) => return Err(ApiError::invalid_parameter(fields.name(Field::PostOnlyMode))),
    };
    let (price, quantity) = price_and_quantity(fields, market)?;
    Ok(Terms { kind, price, quantity, budget: Amount::ZERO, lifetime })
}

fn market(fields: &Fields<'_>, market: &Market<'_>, _: Nanos) -> Result<Terms, ApiError> {
    let (quantity, quote) = (fields.name(Field::Quantity), fields.name(Field::QuoteQuantity));
    let terms = Terms {
        kind: OrderKind::Market,
        price: Price::ZERO,
        quantity: Quantity::ZERO,
        budget: Amount::ZERO,
        lifetime: Lifetime::UntilCancelled,
    };
    match (fields.get(Field::Quantity), fields.get(Field::QuoteQuantity)) {
        (Some(text), None) => {
            Ok(Terms { quantity: market.text.parse_quantity(quantity, text, "MARKET_LOT_SIZE")?, ..terms })
        }
        (None, Some(text)) => {
            let budget = market.text.parse_quote_amount(quote, text)?;
            Ok(Terms { kind: OrderKind::MarketByQuote, budget, ..terms })
        }
        (Some(_), Some(_)) => Err(ApiError::bad_combination()),
        (None, None) if quote.is_empty() => Err(ApiError::mandatory(quantity)),
        (None, None) => Err(ApiError::either(quantity, quote)),
    }
}

/// How long an order with a limit stands.
fn lifetime(time_in_force: &str, fields: &Fields<'_>, market: &Market<'_>, now: Nanos) -> Result<Lifetime, ApiError> {
    let name = fields.name(Field::GoodTillDate);
    let date = fields.integer(Field::GoodTillDate)?.map(time_of);
    match (time_in_force, date) {
        ("GTC" | "IOC" | "FOK", None) => Ok(Lifetime::UntilCancelled),
        ("DAY", None) => Ok(Lifetime::Day(market.day_end.next(now))),
        // Asked here so that a test order is refused as well: the wallet has the last word.
        ("GTD", Some(date)) if date <= now => Err(ApiError::invalid_parameter(name)),
        ("GTD", Some(date)) => Ok(Lifetime::Until(date)),
        ("GTD", None) => Err(ApiError::mandatory(name)),
        ("GTC" | "IOC" | "FOK" | "DAY", Some(_)) => Err(ApiError::not_required(name)),
        _ => Err(ApiError::invalid_time_in_force()),
    }
}

fn price_and_quantity(fields: &Fields<'_>, market: &Market<'_>) -> Result<(Price, Quantity), ApiError> {
    let price = market.text.parse_price(fields.name(Field::Price), fields.required(Field::Price)?)?;
    let quantity = fields.required(Field::Quantity)?;
    Ok((price, market.text.parse_quantity(fields.name(Field::Quantity), quantity, "LOT_SIZE")?))
}
