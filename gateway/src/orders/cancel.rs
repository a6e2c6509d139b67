//! Cancelling an order, or all of a market.

use rialto_engine::ids::ClientOrderId;
use rialto_engine::message::CancelRestriction;
use rialto_engine::units::Nanos;
use rialto_engine::wallet::{Cancel, Command};

use super::mass_cancel::Description;
use super::target::{own_client_id, target};
use super::{OrderRequest, Pending, PendingKind};
use crate::error::ApiError;
use crate::params::Params;

/// A cancel.
///
/// # Errors
/// What the dialect says to each wrong parameter.
pub fn parse(request: &OrderRequest<'_>) -> Result<(Command, Pending), ApiError> {
    let market = request.market()?.id();
    let target = target(request.params, "orderId", "origClientOrderId")?;
    let restriction = restriction(request.params)?;
    let id = cancel_id(request.params, "newClientOrderId")?;
    let cancel = Cancel { account: request.identity.account, market, target, restriction, time: Nanos::ZERO };
    Ok((Command::Cancel(cancel), request.pending(market, PendingKind::Cancel { id })))
}

/// A cancel of all orders of a market, or of those that answer to a description.
///
/// # Errors
/// What the dialect says to each wrong parameter.
pub fn parse_all(request: &OrderRequest<'_>) -> Result<(Command, Pending), ApiError> {
    let market = request.market()?.id();
    let (account, described, time) = (request.identity.account, Description::of(request.params)?, Nanos::ZERO);
    let Description { side, strategy: tag } = described;
    let command = if described.is_all() {
        Command::CancelAll { account, market, time }
    } else {
        Command::CancelMany { account: Some(account), market, side, tag, time }
    };
    Ok((command, request.pending(market, PendingKind::CancelAll)))
}

/// In which states only an order is to be cancelled.
///
/// # Errors
/// -1145, -1105.
pub fn restriction(params: &Params<'_>) -> Result<CancelRestriction, ApiError> {
    match params.optional("cancelRestrictions")? {
        None => Ok(CancelRestriction::None),
        Some("ONLY_NEW") => Ok(CancelRestriction::OnlyNew),
        Some("ONLY_PARTIALLY_FILLED") => Ok(CancelRestriction::OnlyPartiallyFilled),
        Some(_) => Err(ApiError::invalid_cancel_restrictions()),
    }
}

/// The client's name for a cancel.
///
/// # Errors
/// -1100, -1105 or -1130.
pub fn cancel_id(params: &Params<'_>, parameter: &str) -> Result<Option<ClientOrderId>, ApiError> {
    params.optional(parameter)?.map(|text| own_client_id(parameter, text)).transpose()
}
