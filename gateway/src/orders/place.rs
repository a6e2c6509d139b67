//! Placing an order, or only asking whether it could be.

use rialto_engine::wallet::Command;

use super::fields::Fields;
use super::new_order::NewOrder;
use super::{OrderRequest, Pending, PendingKind};
use crate::account;
use crate::error::ApiError;

/// A new order.
///
/// # Errors
/// What the dialect says to each wrong parameter.
pub fn parse(request: &OrderRequest<'_>) -> Result<(Command, Pending), ApiError> {
    let order = NewOrder::read(request, &Fields::of(request.params, &[])?)?;
    let pending = request.pending(order.market.id(), PendingKind::Place(order.placing()));
    Ok((Command::Place(order.place(request.identity.account)), pending))
}

/// A new order that is only checked: `{}`, or the rates it would pay.
///
/// # Errors
/// As [`parse`].
pub fn test(request: &OrderRequest<'_>) -> Result<Vec<u8>, ApiError> {
    let order = NewOrder::read(request, &Fields::of(request.params, &[])?)?;
    if request.params.boolean("computeCommissionRates")?.unwrap_or(false) {
        return Ok(account::order_commission(order.market));
    }
    Ok(b"{}".to_vec())
}
