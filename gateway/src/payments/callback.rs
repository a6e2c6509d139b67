//! Callbacks: what rails say by themselves.
//!
//! A rail is answered only when all that it said is durable. It may say everything as often as it likes: a
//! movement is known by its reference.

use rialto_engine::label::Label;
use rialto_engine::transaction::TransactionCommand;
use rialto_engine::units::Nanos;

use crate::error::{ApiError, Asked};
use crate::rails::callback::{CallbackFault, verify_and_parse};
use crate::rails::sign::SignatureFault;
use crate::worker::Worker;

/// Where the paths begin: the tenant and the rail follow.
pub const PREFIX: &str = "/callbacks/v1/";

/// Takes a callback to `target`, the path and the query as they were received; `path` is what stands behind
/// [`PREFIX`] of it.
///
/// # Errors
/// 404 for a tenant or rail that there is not; 401 if it was not signed by the rail, lately; 400 if it makes no
/// sense; and whatever keeps it from becoming durable.
pub async fn take<'a>(
    worker: &Worker,
    path: &str,
    target: &str,
    header: impl Fn(&str) -> Option<&'a str>,
    body: &[u8],
    now: Nanos,
) -> Result<Vec<u8>, ApiError> {
    let gateway = &worker.gateway;
    let names = path.trim_end_matches('/').split_once('/').filter(|(_, rail)| !rail.contains('/'));
    let found = names.and_then(|(tenant, rail)| {
        let tenant = gateway.directory.tenant_named(tenant)?.id;
        let (rail, _) = gateway.rails.find(tenant, &Label::new(rail)?)?;
        Some((tenant, rail, gateway.routes.callers(tenant, rail)?))
    });
    let (tenant, rail, callers) = found.ok_or_else(ApiError::no_such_path)?;
    let told = verify_and_parse(callers, target, header, body, now).map_err(|fault| refusal(&fault))?;
    // In their order: money that came in counts before its payment ends.
    for report in told.reports {
        let command = TransactionCommand::Report { rail, id: told.id, report, time: Nanos::ZERO };
        super::transact(worker, tenant, command, Nanos(u64::MAX), Asked::Money).await?;
    }
    Ok(b"{}".to_vec())
}

fn refusal(fault: &CallbackFault) -> ApiError {
    let error = match fault {
        CallbackFault::Unauthorized(SignatureFault::Stale) => ApiError::outside_recv_window(),
        CallbackFault::Unauthorized(_) => ApiError::invalid_signature(),
        CallbackFault::Malformed(_) => ApiError::invalid_json(),
    };
    ApiError { status: fault.status(), ..error }
}
