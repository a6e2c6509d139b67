//! Orders that wait for the market's price: what their parameters mean, and what they are called.
//!
//! The engine knows the direction in which a price must be reached, the dialect two families of
//! types and two sides. A trailing order is triggered by a move against its owner, whatever its
//! family; the family then says from which side the price comes from where on it is followed.

use rialto_engine::order::{Activation, Distance, Side, Trail, Trigger};
use rialto_engine::units::{BasisPoints, Price};
use rialto_engine::update::OrderView;

use super::field::Field;
use super::fields::Fields;
use crate::error::ApiError;
use crate::gateway::Market;
use crate::json;

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
    /// -1102 if there is none, -1128 for two distances, -1100, -1111, and the filters
    /// `PRICE_FILTER` and `TRAILING_DELTA`.
    pub fn trigger(self, side: Side, fields: &Fields<'_>, market: &Market<'_>) -> Result<Trigger, ApiError> {
        let price =
            |field: Field| fields.get(field).map(|text| market.text.parse_price(fields.name(field), text)).transpose();
        let stop = price(Field::StopPrice)?;
        let rises = self.rises(side);
        let share =
            fields.integer(Field::TrailingDelta)?.map(|delta| trailing_delta(delta, side, market)).transpose()?;
        let distance = match (share, price(Field::TrailingAmount)?) {
            (Some(_), Some(_)) => return Err(ApiError::bad_combination()),
            (Some(share), None) => Some(Distance::Share(share)),
            (None, Some(ticks)) => Some(Distance::Ticks(ticks)),
            (None, None) => None,
        };
        match (distance, stop) {
            (None, None) => Err(ApiError::either(fields.name(Field::StopPrice), fields.name(Field::TrailingDelta))),
            (None, Some(price)) => Ok(if rises { Trigger::Rise(price) } else { Trigger::Fall(price) }),
            (Some(distance), stop) => {
                let activation =
                    stop.map(|price| if rises { Activation::Rise(price) } else { Activation::Fall(price) });
                let trail = Trail { distance, activation };
                Ok(match side {
                    Side::Buy => Trigger::TrailRise(trail),
                    Side::Sell => Trigger::TrailFall(trail),
                })
            }
        }
    }
}

/// A share within the market's filter; without one, of any size that the wallet takes.
fn trailing_delta(delta: u64, side: Side, market: &Market<'_>) -> Result<BasisPoints, ApiError> {
    let filters = &market.entry.definition.filters;
    let (least, most) = match side {
        Side::Buy => (filters.min_trail_above, filters.max_trail_above),
        Side::Sell => (filters.min_trail_below, filters.max_trail_below),
    };
    let delta = u32::try_from(delta).ok();
    let fits = |delta: &u32| *delta >= least.0 && (most.0 == 0 || *delta <= most.0);
    delta.filter(fits).map(BasisPoints).ok_or_else(|| ApiError::filter("TRAILING_DELTA"))
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
pub const fn distance(order: &OrderView) -> Option<Distance> {
    match order.instructions.trigger {
        Some(Trigger::TrailRise(trail) | Trigger::TrailFall(trail)) => Some(trail.distance),
        Some(Trigger::Rise(_) | Trigger::Fall(_)) | None => None,
    }
}

/// Appends how far an order trails the price, if it does, under the name it was asked with.
pub fn write_distance(out: &mut Vec<u8>, market: Market<'_>, order: &OrderView) {
    match distance(order) {
        None => {}
        Some(Distance::Share(share)) => {
            out.extend_from_slice(b",\"trailingDelta\":");
            json::number(out, u64::from(share.0));
        }
        Some(Distance::Ticks(ticks)) => {
            out.extend_from_slice(b",\"trailingAmount\":");
            market.text.price(out, ticks);
        }
    }
}
