//! Orders that wait for the market's price: what their parameters mean, and what they are called.
//!
//! The engine knows the direction in which a price must be reached, the dialect two families of
//! types and two sides. A trailing order is triggered by a move against its owner, whatever its
//! family; the family then says from which side the price comes from where on it is followed.

use rialto_engine::order::{Activation, Side, Trail, Trigger};
use rialto_engine::units::{BasisPoints, Price};
use rialto_engine::update::OrderView;

use super::fields::{Field, Fields};
use crate::error::ApiError;
use crate::gateway::Market;
use crate::params;

/// The least that a trailing order may trail, in basis points.
pub const TRAILING_DELTA_MIN: u32 = 10;
/// The most.
pub const TRAILING_DELTA_MAX: u32 = 2_000;

/// What an order that waits is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// To follow a price that moves against its owner: to buy when it rises, to sell when it falls.
    StopLoss,
    /// To use one that moves his way: to buy when it falls, to sell when it rises.
    TakeProfit,
}

impl Family {
    const fn rises(self, side: Side) -> bool {
        matches!((self, side), (Self::StopLoss, Side::Buy) | (Self::TakeProfit, Side::Sell))
    }

    /// Reads the trigger of an order of this family.
    ///
    /// # Errors
    /// -1102 if there is none, -1100, -1111, and the filters `PRICE_FILTER` and `TRAILING_DELTA`.
    pub fn trigger(self, side: Side, fields: &Fields<'_>, market: &Market<'_>) -> Result<Trigger, ApiError> {
        let stop = fields.get(Field::StopPrice);
        let stop = stop.map(|text| market.text.parse_price(Field::StopPrice.name(), text)).transpose()?;
        let delta = fields.get(Field::TrailingDelta).map(trailing_delta).transpose()?;
        let rises = self.rises(side);
        match (delta, stop) {
            (None, None) => Err(ApiError::either(Field::StopPrice.name(), Field::TrailingDelta.name())),
            (None, Some(price)) => Ok(if rises { Trigger::Rise(price) } else { Trigger::Fall(price) }),
            (Some(delta), stop) => {
                let activation =
                    stop.map(|price| if rises { Activation::Rise(price) } else { Activation::Fall(price) });
                let trail = Trail { delta, activation };
                Ok(match side {
                    Side::Buy => Trigger::TrailRise(trail),
                    Side::Sell => Trigger::TrailFall(trail),
                })
            }
        }
    }
}

fn trailing_delta(text: &str) -> Result<BasisPoints, ApiError> {
    let delta = u32::try_from(params::integer(Field::TrailingDelta.name(), text)?).ok();
    let delta = delta.filter(|delta| (TRAILING_DELTA_MIN..=TRAILING_DELTA_MAX).contains(delta));
    delta.map(BasisPoints).ok_or_else(|| ApiError::filter("TRAILING_DELTA"))
}

/// The family of an order, `None` for one that has never waited. A trailing order that follows the
/// price from the start may be either, and is taken for a stop loss.
#[must_use]
pub fn family(order: &OrderView) -> Option<Family> {
    let rises = match order.instructions.trigger? {
        Trigger::Rise(_) => true,
        Trigger::Fall(_) => false,
        Trigger::TrailRise(trail) | Trigger::TrailFall(trail) => match trail.activation {
            Some(Activation::Rise(_)) => true,
            Some(Activation::Fall(_)) => false,
            None => Family::StopLoss.rises(order.side),
        },
    };
    Some(if rises == Family::StopLoss.rises(order.side) { Family::StopLoss } else { Family::TakeProfit })
}

/// The dialect's stop price: where an order is triggered, or begins to follow the price; zero
/// without one.
#[must_use]
pub fn stop_price(order: &OrderView) -> Price {
    let price = match order.instructions.trigger {
        Some(Trigger::Rise(price) | Trigger::Fall(price)) => Some(price),
        Some(Trigger::TrailRise(trail) | Trigger::TrailFall(trail)) => {
            trail.activation.map(|(Activation::Rise(price) | Activation::Fall(price))| price)
        }
        None => None,
    };
    price.unwrap_or(Price::ZERO)
}

/// How far an order trails the price, if it does.
#[must_use]
pub fn trailing_delta_of(order: &OrderView) -> Option<BasisPoints> {
    match order.instructions.trigger? {
        Trigger::TrailRise(trail) | Trigger::TrailFall(trail) => Some(trail.delta),
        Trigger::Rise(_) | Trigger::Fall(_) => None,
    }
}
