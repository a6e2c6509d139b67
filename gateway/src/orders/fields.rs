//! The parameters of a new order, sorted by name.

use crate::error::ApiError;
use crate::params::Params;

/// A parameter of a new order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The market.
    Symbol,
    /// Buy or sell.
    Side,
    /// The type.
    Type,
    /// How long it stands.
    TimeInForce,
    /// How much.
    Quantity,
    /// For how much.
    QuoteQuantity,
    /// At which limit.
    Price,
    /// The client's name for it.
    ClientId,
    /// How much the reply tells.
    ResponseType,
    /// What becomes of it when it meets its owner's orders.
    SelfTradePrevention,
    /// The price that wakes it.
    StopPrice,
    /// How far the waking price trails.
    TrailingDelta,
    /// How much of it is shown.
    IcebergQuantity,
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

/// Beside an order's own, every request may have these.
const OF_ANY_REQUEST: [&str; 6] =
    ["timestamp", "recvWindow", "signature", "apiKey", "returnRateLimits", "computeCommissionRates"];

impl Field {
    /// All of them, in the order in which what is wrong is told.
    const ALL: [Self; 18] = [
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
        Self::IcebergQuantity,
        Self::PegPriceType,
        Self::PegOffsetValue,
        Self::PegOffsetType,
        Self::StrategyId,
        Self::StrategyType,
    ];

    /// The dialect's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Symbol => "symbol",
            Self::Side => "side",
            Self::Type => "type",
            Self::TimeInForce => "timeInForce",
            Self::Quantity => "quantity",
            Self::QuoteQuantity => "quoteOrderQty",
            Self::Price => "price",
            Self::ClientId => "newClientOrderId",
            Self::ResponseType => "newOrderRespType",
            Self::SelfTradePrevention => "selfTradePreventionMode",
            Self::StopPrice => "stopPrice",
            Self::TrailingDelta => "trailingDelta",
            Self::IcebergQuantity => "icebergQty",
            Self::PegPriceType => "pegPriceType",
            Self::PegOffsetValue => "pegOffsetValue",
            Self::PegOffsetType => "pegOffsetType",
            Self::StrategyId => "strategyId",
            Self::StrategyType => "strategyType",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "symbol" => Self::Symbol,
            "side" => Self::Side,
            "type" => Self::Type,
            "timeInForce" => Self::TimeInForce,
            "quantity" => Self::Quantity,
            "quoteOrderQty" => Self::QuoteQuantity,
            "price" => Self::Price,
            "newClientOrderId" => Self::ClientId,
            "newOrderRespType" => Self::ResponseType,
            "selfTradePreventionMode" => Self::SelfTradePrevention,
            "stopPrice" => Self::StopPrice,
            "trailingDelta" => Self::TrailingDelta,
            "icebergQty" => Self::IcebergQuantity,
            "pegPriceType" => Self::PegPriceType,
            "pegOffsetValue" => Self::PegOffsetValue,
            "pegOffsetType" => Self::PegOffsetType,
            "strategyId" => Self::StrategyId,
            "strategyType" => Self::StrategyType,
            _ => return None,
        })
    }
}

/// The parameters of a new order, as texts that are not empty.
pub struct Fields<'a> {
    values: [Option<&'a str>; Field::ALL.len()],
}

impl<'a> Fields<'a> {
    /// Sorts the parameters, and refuses what is not understood: an order must never be placed
    /// without something that its owner relies on. `beside` are names that the caller reads.
    ///
    /// # Errors
    /// -1102 or -1105 for an empty one, -1104 for one that nobody reads.
    pub fn of(params: &'a Params<'_>, beside: &[&str]) -> Result<Self, ApiError> {
        params.check()?;
        let mut fields = Self { values: [None; Field::ALL.len()] };
        let mut unread = 0;
        for (name, value) in params.iter() {
            match Field::named(name) {
                Some(field) if value.is_empty() => {
                    let is_mandatory = matches!(field, Field::Symbol | Field::Side | Field::Type);
                    return Err(if is_mandatory { ApiError::mandatory(name) } else { ApiError::empty(name) });
                }
                Some(field) => fields.values[field as usize] = Some(value),
                None => unread += usize::from(!OF_ANY_REQUEST.contains(&name) && !beside.contains(&name)),
            }
        }
        if unread > 0 {
            return Err(ApiError::unread_parameters(params.len() - unread, params.len()));
        }
        Ok(fields)
    }

    /// The value of a parameter, `None` if it was not sent.
    pub const fn get(&self, field: Field) -> Option<&'a str> {
        self.values[field as usize]
    }

    /// The value of a parameter that must be there.
    ///
    /// # Errors
    /// -1102.
    pub fn required(&self, field: Field) -> Result<&'a str, ApiError> {
        self.get(field).ok_or_else(|| ApiError::mandatory(field.name()))
    }

    /// The parameters that were sent.
    pub fn sent(&self) -> impl Iterator<Item = Field> {
        Field::ALL.into_iter().filter(|field| self.get(*field).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_one_name_and_one_place() {
        for field in Field::ALL {
            assert_eq!(Field::named(field.name()), Some(field));
            assert_eq!(Field::ALL.iter().filter(|other| **other as usize == field as usize).count(), 1, "{field:?}");
            assert!((field as usize) < Field::ALL.len());
        }
    }
}
