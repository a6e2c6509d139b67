//! Lists of orders: pairs of which one cancels the other, and orders that others wait for.

use rialto_engine::ids::OrderId;
use rialto_engine::order::Side;
use rialto_engine::units::{Nanos, Price};
use rialto_engine::wallet::{Command, Contingency, ListRef, Place, PlaceList};

use super::cancel::cancel_id;
use super::contingent::Family;
use super::field::{self, Field};
use super::fields::Fields;
use super::new_order::NewOrder;
use super::target::{own_client_id, parse_client_id};
use super::{Detail, OrderRequest, Pending, PendingKind, Placing, names};
use crate::error::ApiError;
use crate::params::Params;

/// The client's name for a list.
const LIST_NAME: &str = "listClientOrderId";

/// A pair of which one cancels the other: `orderList/oco`, `orderList.place.oco`.
///
/// # Errors
/// What the dialect says to each wrong parameter.
pub fn parse_oco(request: &OrderRequest<'_>) -> Result<(Command, Pending), ApiError> {
    let [above, below] = Fields::of_legs(request.params, [&field::ABOVE, &field::BELOW], &[LIST_NAME])?;
    place(request, Contingency::OneCancelsOther, pair(request, &above, &below)?.into())
}

/// The same by its old names: `order/oco`, `orderList.place`. The limit order is on the side of the
/// profit, the other one stops the loss.
///
/// # Errors
/// What the dialect says to each wrong parameter.
pub fn parse_old_oco(request: &OrderRequest<'_>) -> Result<(Command, Pending), ApiError> {
    let [limit, stop] = Fields::of_legs(request.params, [&field::OLD_LIMIT, &field::OLD_STOP], &[LIST_NAME])?;
    let limit = limit.with(Field::Type, "LIMIT_MAKER");
    let has_limit = stop.get(Field::Price).is_some();
    let stop = stop.with(Field::Type, if has_limit { "STOP_LOSS_LIMIT" } else { "STOP_LOSS" });
    stop.required(Field::StopPrice)?;
    let legs = match side(&limit)? {
        Side::Buy => pair(request, &stop, &limit)?,
        Side::Sell => pair(request, &limit, &stop)?,
    };
    place(request, Contingency::OneCancelsOther, legs.into())
}

/// An order, and one that takes part when it is filled: `orderList/oto`, `orderList.place.oto`.
///
/// # Errors
/// What the dialect says to each wrong parameter.
pub fn parse_oto(request: &OrderRequest<'_>) -> Result<(Command, Pending), ApiError> {
    let [working, pending] = Fields::of_legs(request.params, [&field::WORKING, &field::PENDING], &[LIST_NAME])?;
    let working = working_order(request, &working)?;
    let pending = NewOrder::read(request, &pending)?;
    place(request, Contingency::OneTriggersOther, vec![working, pending])
}

/// An order, and a pair that takes part when it is filled: `orderList/otoco`,
/// `orderList.place.otoco`.
///
/// # Errors
/// What the dialect says to each wrong parameter.
pub fn parse_otoco(request: &OrderRequest<'_>) -> Result<(Command, Pending), ApiError> {
    let legs = [&field::WORKING, &field::PENDING_ABOVE, &field::PENDING_BELOW];
    let [working, above, below] = Fields::of_legs(request.params, legs, &[LIST_NAME])?;
    let working = working_order(request, &working)?;
    let [first, second] = pair(request, &above, &below)?;
    place(request, Contingency::OneTriggersPair, vec![working, first, second])
}

/// A cancel of a list: `DELETE orderList`, `orderList.cancel`.
///
/// # Errors
/// What the dialect says to each wrong parameter.
pub fn parse_cancel(request: &OrderRequest<'_>) -> Result<(Command, Pending), ApiError> {
    let (market, params) = (request.market()?.id(), request.params);
    let target = list_target(params, LIST_NAME)?;
    let id = cancel_id(params, "newClientOrderId")?;
    let account = request.identity.account;
    let command = Command::CancelList { account, market, target, time: Nanos::ZERO };
    Ok((command, request.pending(market, PendingKind::CancelList { id })))
}

/// The list that a request means: by its number, or by its owner's name for it, which has this
/// parameter.
///
/// # Errors
/// -1102 if neither is there, -1100 if one cannot be an id.
pub fn list_target(params: &Params<'_>, client_id: &str) -> Result<ListRef, ApiError> {
    let target = ListRef {
        id: params.integer("orderListId")?.map(OrderId),
        client_id: params.optional(client_id)?.map(|text| parse_client_id(client_id, text)).transpose()?,
    };
    if target.id.is_none() && target.client_id.is_none() {
        return Err(ApiError::either("orderListId", client_id));
    }
    Ok(target)
}

fn place(
    request: &OrderRequest<'_>,
    contingency: Contingency,
    orders: Vec<NewOrder<'_>>,
) -> Result<(Command, Pending), ApiError> {
    let params = request.params;
    let client_id = params.optional(LIST_NAME)?.map(|text| own_client_id(LIST_NAME, text)).transpose()?;
    let detail = match params.optional("newOrderRespType")? {
        None => Detail::Result,
        Some(name) => Detail::named(name).ok_or_else(|| ApiError::invalid_parameter("newOrderRespType"))?,
    };
    let market = request.market()?.id();
    let places: Vec<Place> = orders.iter().map(|order| order.place(request.identity.account)).collect();
    let orders = u32::try_from(places.len()).unwrap_or(u32::MAX);
    let asked = PendingKind::PlaceList { placing: Placing { detail, market: false }, orders };
    Ok((Command::PlaceList(PlaceList { client_id, contingency, places }), request.pending(market, asked)))
}

/// The order that the others wait for.
fn working_order<'a>(request: &OrderRequest<'a>, fields: &Fields<'_>) -> Result<NewOrder<'a>, ApiError> {
    match fields.required(Field::Type)? {
        "LIMIT" | "LIMIT_MAKER" => NewOrder::read(request, fields),
        _ => Err(ApiError::invalid_order_type()),
    }
}

/// The orders of a pair as the wallet wants them: what may rest first, then what waits.
fn pair<'a>(request: &OrderRequest<'a>, above: &Fields<'_>, below: &Fields<'_>) -> Result<[NewOrder<'a>; 2], ApiError> {
    let side = side(above)?;
    let (upper, lower) = (Leg::of(above)?, Leg::of(below)?);
    upper.check(side, true)?;
    lower.check(side, false)?;
    if (upper, lower) == (Leg::Limit, Leg::Limit) {
        return Err(ApiError::new(-1168, "At least one OCO order must be contingent."));
    }
    let orders = [above, below].map(|fields| {
        without_iceberg(fields)?;
        NewOrder::read(request, fields)
    });
    let [above_order, below_order] = orders;
    let (above_order, below_order) = (above_order?, below_order?);
    let crossed = |above: Price, below: Price| above <= below;
    if let (Some(above), Some(below)) = (above_order.activation(), below_order.activation())
        && crossed(above, below)
    {
        return Err(ApiError::new_order_rejected("The relationship of the prices for the orders is not correct."));
    }
    Ok(if lower == Leg::Limit { [below_order, above_order] } else { [above_order, below_order] })
}

fn side(fields: &Fields<'_>) -> Result<Side, ApiError> {
    names::side_named(fields.required(Field::Side)?).ok_or_else(ApiError::invalid_side)
}

/// An order that is displayed in part rests as long as it takes.
fn without_iceberg(fields: &Fields<'_>) -> Result<(), ApiError> {
    if fields.get(Field::IcebergQuantity).is_some() && matches!(fields.get(Field::TimeInForce), Some("IOC" | "FOK")) {
        let (iceberg, time_in_force) = (fields.name(Field::IcebergQuantity), fields.name(Field::TimeInForce));
        let msg = format!("Parameter '{iceberg}' is not supported if '{time_in_force}' is not GTC.");
        return Err(ApiError::naming(-1160, msg));
    }
    Ok(())
}

/// What an order of a pair is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leg {
    /// It rests where the profit is.
    Limit,
    /// It waits for a price.
    Waiting(Family),
}

impl Leg {
    fn of(fields: &Fields<'_>) -> Result<Self, ApiError> {
        match fields.required(Field::Type)? {
            "LIMIT_MAKER" => Ok(Self::Limit),
            "STOP_LOSS" | "STOP_LOSS_LIMIT" => Ok(Self::Waiting(Family::StopLoss)),
            "TAKE_PROFIT" | "TAKE_PROFIT_LIMIT" => Ok(Self::Waiting(Family::TakeProfit)),
            "LIMIT" | "MARKET" => Err(ApiError::new(-1158, "Order type not supported in OCO.")),
            _ => Err(ApiError::invalid_order_type()),
        }
    }

    /// Whether it is on the right side of the price: who buys takes his profit below.
    fn check(self, side: Side, is_above: bool) -> Result<(), ApiError> {
        let profits_above = side == Side::Sell;
        let belongs_above = if self == Self::Waiting(Family::StopLoss) { !profits_above } else { profits_above };
        if belongs_above == is_above {
            return Ok(());
        }
        let (code, msg) = match (self, side) {
            (Self::Limit, Side::Buy) => (-1165, "A limit order in a buy OCO must be below."),
            (Self::Limit, Side::Sell) => (-1166, "A limit order in a sell OCO must be above."),
            (Self::Waiting(Family::StopLoss), Side::Buy) => (-1196, "A stop loss order in a buy OCO must be above."),
            (Self::Waiting(Family::StopLoss), Side::Sell) => (-1197, "A stop loss order in a sell OCO must be below."),
            (Self::Waiting(Family::TakeProfit), Side::Buy) => {
                (-1198, "A take profit order in a buy OCO must be below.")
            }
            (Self::Waiting(Family::TakeProfit), Side::Sell) => {
                (-1199, "A take profit order in a sell OCO must be above.")
            }
        };
        Err(ApiError::new(code, msg))
    }
}
