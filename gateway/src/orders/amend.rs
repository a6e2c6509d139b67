//! Reducing an order, which keeps its place.

use rialto_engine::units::Nanos;
use rialto_engine::wallet::Command;

use super::target::target;
use super::{OrderRequest, Pending, PendingKind};
use crate::error::ApiError;

/// A reduction. The order keeps its client id: to ask for another is refused.
///
/// # Errors
/// What the dialect says to each wrong parameter.
pub fn parse(request: &OrderRequest<'_>) -> Result<(Command, Pending), ApiError> {
    let (market, params) = (request.market()?, request.params);
    let target = target(params, "orderId", "origClientOrderId")?;
    if let Some(new) = params.optional("newClientOrderId")?
        && target.client_id.is_none_or(|id| id.as_str() != new)
    {
        return Err(ApiError::not_required("newClientOrderId"));
    }
    let quantity = market.text.parse_quantity("newQty", params.required("newQty")?, "LOT_SIZE")?;
    let (account, market) = (request.identity.account, market.id());
    let command = Command::Reduce { account, market, target, quantity, time: Nanos::ZERO };
    Ok((command, request.pending(market, PendingKind::Amend)))
}
