//! Replacing an order: a cancel with a new order in its stead.

use rialto_engine::units::Nanos;
use rialto_engine::wallet::{Cancel, Command};

use super::cancel::{cancel_id, restriction};
use super::fields::Fields;
use super::new_order::NewOrder;
use super::target::target;
use super::{OrderRequest, Pending, PendingKind};
use crate::error::ApiError;

/// The parameters of the cancel, beside those of the new order.
const OF_THE_CANCEL: [&str; 6] = [
    "cancelReplaceMode",
    "cancelOrderId",
    "cancelOrigClientOrderId",
    "cancelNewClientOrderId",
    "cancelRestrictions",
    "orderRateLimitExceededMode",
];

/// A cancel with a new order in its stead.
///
/// # Errors
/// What the dialect says to each wrong parameter.
pub fn parse(request: &OrderRequest<'_>) -> Result<(Command, Pending), ApiError> {
    let params = request.params;
    let fields = Fields::of(params, &OF_THE_CANCEL)?;
    let allow_failure = match params.required("cancelReplaceMode")? {
        "STOP_ON_FAILURE" => false,
        "ALLOW_FAILURE" => true,
        _ => return Err(ApiError::invalid_parameter("cancelReplaceMode")),
    };
    let cancel_over_limit = match params.optional("orderRateLimitExceededMode")? {
        None | Some("DO_NOTHING") => false,
        Some("CANCEL_ONLY") => true,
        Some(_) => return Err(ApiError::invalid_parameter("orderRateLimitExceededMode")),
    };
    let order = NewOrder::read(request, &fields)?;
    let (account, market) = (request.identity.account, order.market.id());
    let target = target(params, "cancelOrderId", "cancelOrigClientOrderId")?;
    let cancel = Cancel { account, market, target, restriction: restriction(params)?, time: Nanos::ZERO };
    let id = cancel_id(params, "cancelNewClientOrderId")?;
    let pending = request.pending(market, PendingKind::Replace { placing: order.placing(), id, cancel_over_limit });
    Ok((Command::Replace { cancel, allow_failure, place: order.place(account) }, pending))
}

/// What became of one half of a replacement.
pub enum Half {
    /// It was carried out: what is told of it, as JSON.
    Success(Vec<u8>),
    /// It was refused.
    Failure(ApiError),
    /// It was not tried, because the other half had failed.
    NotAttempted,
}

impl Half {
    const fn name(&self) -> &'static str {
        match self {
            Self::Success(_) => "SUCCESS",
            Self::Failure(_) => "FAILURE",
            Self::NotAttempted => "NOT_ATTEMPTED",
        }
    }

    const fn succeeded(&self) -> bool {
        matches!(self, Self::Success(_))
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Success(told) => out.extend_from_slice(told),
            Self::Failure(error) => error.write(out),
            Self::NotAttempted => out.extend_from_slice(b"null"),
        }
    }
}

/// Appends what became of both halves, if both succeeded.
///
/// # Errors
/// -2021 if one failed, -2022 if both did; the error carries the same.
pub fn write(out: &mut Vec<u8>, cancel: &Half, new: &Half) -> Result<(), ApiError> {
    let mut both = Vec::with_capacity(1_024);
    both.extend_from_slice(b"{\"cancelResult\":\"");
    both.extend_from_slice(cancel.name().as_bytes());
    both.extend_from_slice(b"\",\"newOrderResult\":\"");
    both.extend_from_slice(new.name().as_bytes());
    both.extend_from_slice(b"\",\"cancelResponse\":");
    cancel.write(&mut both);
    both.extend_from_slice(b",\"newOrderResponse\":");
    new.write(&mut both);
    both.push(b'}');
    if cancel.succeeded() && new.succeeded() {
        out.extend_from_slice(&both);
        return Ok(());
    }
    let data = String::from_utf8(both).unwrap_or_default();
    Err(if cancel.succeeded() || new.succeeded() {
        ApiError::replace_partially_failed(data)
    } else {
        ApiError::replace_failed(data)
    })
}
