//! Which order is meant: by its number, by its owner's name for it, or by both.

use rialto_engine::ids::{ClientOrderId, OrderId};
use rialto_engine::wallet::{GENERATED_PREFIX, OrderRef};

use crate::error::ApiError;
use crate::params::Params;

/// What a client id may look like.
const CLIENT_ID_RANGE: &str = "^[a-zA-Z0-9-_.:/]{1,36}$";

/// The order that the parameters of these names mean.
///
/// # Errors
/// -1102 if neither is there, -1100 if one cannot be an id.
pub fn target(params: &Params<'_>, id: &str, client_id: &str) -> Result<OrderRef, ApiError> {
    let target = OrderRef {
        id: params.integer(id)?.map(OrderId),
        client_id: params.optional(client_id)?.map(|text| parse_client_id(client_id, text)).transpose()?,
    };
    if target.id.is_none() && target.client_id.is_none() {
        return Err(ApiError::either(id, client_id));
    }
    Ok(target)
}

/// A name that a client gives, of the parameter's: not one of those that the exchange gives.
///
/// # Errors
/// -1100 if it cannot be one, -1130 if it is the exchange's.
pub fn own_client_id(parameter: &str, text: &str) -> Result<ClientOrderId, ApiError> {
    if text.starts_with(GENERATED_PREFIX) {
        return Err(ApiError::invalid_parameter(parameter));
    }
    parse_client_id(parameter, text)
}

/// A name that somebody has given.
///
/// # Errors
/// -1100 if it cannot be one.
pub fn parse_client_id(parameter: &str, text: &str) -> Result<ClientOrderId, ApiError> {
    ClientOrderId::new(text).ok_or_else(|| ApiError::illegal_characters(parameter, CLIENT_ID_RANGE))
}
