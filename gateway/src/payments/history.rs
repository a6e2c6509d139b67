//! Transactions of now and of the past.
//!
//! The wallet knows those that are under way, and of the others what it needs. The rest stands in the
//! read store.

use rialto_actors::api::{Query, Reply};
use rialto_engine::ids::{AssetId, TenantId};
use rialto_engine::label::Label;
use rialto_engine::transaction::{Body, Transaction};

use super::view::own_asset;
use crate::error::ApiError;
use crate::worker::Worker;

/// A transaction by its business id.
///
/// # Errors
/// If the exchange does not run, or has no room.
pub async fn find(worker: &Worker, tenant: TenantId, id: Label) -> Result<Option<Box<Transaction>>, ApiError> {
    let release = super::query(worker, tenant, Query::Transaction { id }).await?;
    match &release.answer {
        Some((_, Reply::Transaction(found))) => Ok(found.clone()),
        _ => Err(ApiError::unknown()),
    }
}

/// The asset that a transaction's amounts are in: its own, or that of the one it takes back.
///
/// # Errors
/// As [`find`].
pub async fn asset(worker: &Worker, tenant: TenantId, transaction: &Transaction) -> Result<Option<AssetId>, ApiError> {
    let Some(body) = &transaction.body else { return Ok(None) };
    let other = match body {
        Body::Refund { payment, .. } => *payment,
        Body::ClawBack { commission, .. } => *commission,
        own => return Ok(own_asset(own)),
    };
    let found = find(worker, tenant, other).await?;
    Ok(found.and_then(|found| own_asset(found.body.as_ref()?)))
}
