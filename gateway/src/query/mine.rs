//! What users may ask of their own money: `GET /api/v3/rialto/movements`.

use rialto_persistence::read_store::{Owner, ReadStore, Window};

use super::Place;
use super::movements::{self, Page, at};
use crate::account::Inquiry;
use crate::auth::time_of;
use crate::error::ApiError;
use crate::past::Telling;

/// `GET movements` of whoever has signed: by asset and time, paged by entry number. Where money came from
/// another user or went to one, that user's name and balances are left out.
///
/// # Errors
/// What the dialect says to wrong parameters.
pub async fn movements(inquiry: &Inquiry<'_>) -> Result<Vec<u8>, ApiError> {
    let params = inquiry.params;
    params.check()?;
    params.only(&["asset", "startTime", "endTime", "after", "limit"])?;
    let (gateway, tenant) = (&inquiry.worker.gateway, inquiry.identity.tenant);
    let named = |name: &str| gateway.asset_named(tenant, name).ok_or_else(|| ApiError::invalid_parameter("asset"));
    let asset = params.optional("asset")?.map(named).transpose()?;
    let after = params.integer("after")?;
    let window = Window {
        from_id: Some(after.map_or(0, |after| after.saturating_add(1))),
        from_time: params.integer("startTime")?.map(time_of),
        to_time: params.integer("endTime")?.map(time_of),
    };
    let limit = params.limit(500, 1_000)?;
    let owner = Owner::User(inquiry.identity.account);
    let query = move |store: &ReadStore| {
        let entries = at(store, tenant, Place::Owner(owner), asset, &window, limit)?;
        Page::of(store, tenant, entries, limit)
    };
    let telling = Telling { gateway, tenant, unit: inquiry.unit };
    telling.tell(query, move |view, position, page| Ok(movements::write(view, Some(owner), position, &page))).await
}
