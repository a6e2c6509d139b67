//! What a client is told became of its command.

use rialto_actors::api::{Release, Reply};
use rialto_engine::ids::{ClientOrderId, OrderId};
use rialto_engine::reason::Reason;
use rialto_engine::update::OrderEvent;
use rialto_engine::wallet::{Settled, SettledResult};

use super::list_report::{self, ListTold};
use super::replace::{self, Half};
use super::report::Report;
use super::{Pending, PendingKind, Placing};
use crate::error::{ApiError, Asked};
use crate::gateway::Gateway;

/// Appends the result of a command, or says why there is none.
///
/// # Errors
/// The refusal in the words of the dialect.
pub fn write(gateway: &Gateway, out: &mut Vec<u8>, pending: &Pending, release: &Release) -> Result<(), ApiError> {
    let market = gateway.market_by_id(pending.identity.tenant, pending.market).ok_or_else(ApiError::unknown)?;
    let report = Report { gateway, market, unit: pending.unit, updates: &release.updates };
    match release.answer.as_ref().map(|(_, reply)| reply) {
        Some(Reply::Settled(settled)) => write_settled(out, &report, release, pending.asked, settled),
        Some(Reply::Rejected(reason)) => write_rejected(out, pending.asked, *reason),
        _ => Err(ApiError::unknown()),
    }
}

fn write_settled(
    out: &mut Vec<u8>,
    report: &Report<'_>,
    release: &Release,
    asked: PendingKind,
    settled: &Settled,
) -> Result<(), ApiError> {
    let order = settled.order;
    let list = || report.last(order).and_then(|view| ListTold::of_release(release, view)).ok_or_else(ApiError::unknown);
    match (&settled.result, asked) {
        (SettledResult::Placed(placed), PendingKind::Place(placing)) => {
            placed.map_err(|reason| refused_order(reason, placing))?;
            report.placed(out, order, placing.detail)
        }
        // There was nothing to cancel, which the client allowed.
        (SettledResult::Placed(placed), PendingKind::Replace { placing, .. }) => replace::write(
            out,
            &Half::Failure(refused_cancel(Reason::UnknownOrder)),
            &new_half(report, order, *placed, placing)?,
        ),
        (SettledResult::Canceled(canceled), PendingKind::Cancel { id }) => {
            canceled.map_err(refused_cancel)?;
            report.canceled(out, order, id)
        }
        (SettledResult::Canceled(canceled), PendingKind::CancelOverLimit { id, exceeded }) => {
            replace::write(out, &cancel_half(report, order, *canceled, id)?, &Half::Failure(exceeded.into()))
        }
        (SettledResult::CanceledMany, PendingKind::CancelAll) => {
            if !report.updates.iter().any(|update| update.event == OrderEvent::Canceled) {
                return Err(refused_cancel(Reason::UnknownOrder));
            }
            list_report::canceled_many(out, report, release);
            Ok(())
        }
        (SettledResult::PlacedList(placed), PendingKind::PlaceList { placing, .. }) => {
            placed.map_err(|reason| refused_order(reason, placing))?;
            list_report::placed(out, report, &list()?, placing.detail)
        }
        (SettledResult::Canceled(canceled), PendingKind::CancelList { id }) => {
            canceled.map_err(refused_cancel_of_list)?;
            list_report::canceled(out, report, &list()?, id);
            Ok(())
        }
        (SettledResult::Replaced { old, canceled, placed }, PendingKind::Replace { placing, id, .. }) => {
            let new = match placed {
                Some(placed) => new_half(report, order, *placed, placing)?,
                None => Half::NotAttempted,
            };
            replace::write(out, &cancel_half(report, *old, *canceled, id)?, &new)
        }
        (SettledResult::Reduced(reduced), PendingKind::Amend) => {
            reduced.map_err(|reason| ApiError::of_reason(reason, Asked::Amend))?;
            report.amended(out, order, list().ok().as_ref())
        }
        _ => Err(ApiError::unknown()),
    }
}

/// Why a wallet refused a command, which changed nothing.
fn write_rejected(out: &mut Vec<u8>, asked: PendingKind, reason: Reason) -> Result<(), ApiError> {
    match asked {
        PendingKind::Place(placing) | PendingKind::PlaceList { placing, .. } => Err(refused_order(reason, placing)),
        PendingKind::CancelList { .. } => Err(refused_cancel_of_list(reason)),
        PendingKind::Cancel { .. } | PendingKind::CancelAll => Err(refused_cancel(reason)),
        PendingKind::Amend => Err(ApiError::of_reason(reason, Asked::Amend)),
        PendingKind::CancelOverLimit { exceeded, .. } => {
            replace::write(out, &Half::Failure(refused_cancel(reason)), &Half::Failure(exceeded.into()))
        }
        PendingKind::Replace { placing, .. } => match reason {
            Reason::UnknownOrder | Reason::ConflictingOrderIds | Reason::CancelRestricted => {
                replace::write(out, &Half::Failure(refused_cancel(reason)), &Half::NotAttempted)
            }
            // Both halves are one turn of the wallet: where there can be no new order, the old one
            // stays. Whether there was an old one, the wallet does not say; that it was not
            // cancelled is true either way.
            Reason::InsufficientBalance
            | Reason::DuplicateClientOrderId
            | Reason::TooManyOrders
            | Reason::TooManyOrdersInMarket
            | Reason::TooManyWaitingOrders
            | Reason::PositionTooLarge
            | Reason::NoReferencePrice => {
                let kept = ApiError::cancel_rejected("Order was not canceled because the new order was refused.");
                replace::write(out, &Half::Failure(kept), &Half::Failure(refused_order(reason, placing)))
            }
            // What is wrong with the request as such, such as a filter, is told as of any order.
            _ => Err(refused_order(reason, placing)),
        },
    }
}

fn cancel_half(
    report: &Report<'_>,
    order: OrderId,
    canceled: Result<(), Reason>,
    id: Option<ClientOrderId>,
) -> Result<Half, ApiError> {
    if let Err(reason) = canceled {
        return Ok(Half::Failure(refused_cancel(reason)));
    }
    let mut told = Vec::with_capacity(512);
    report.canceled(&mut told, order, id)?;
    Ok(Half::Success(told))
}

fn new_half(
    report: &Report<'_>,
    order: OrderId,
    placed: Result<(), Reason>,
    placing: Placing,
) -> Result<Half, ApiError> {
    if let Err(reason) = placed {
        return Ok(Half::Failure(refused_order(reason, placing)));
    }
    let mut told = Vec::with_capacity(1_024);
    report.placed(&mut told, order, placing.detail)?;
    Ok(Half::Success(told))
}

fn refused_order(reason: Reason, placing: Placing) -> ApiError {
    ApiError::of_reason(reason, Asked::Place { market: placing.market })
}

/// A list that is gone by the time its cancel reaches the book is as unknown as one that never was.
fn refused_cancel_of_list(reason: Reason) -> ApiError {
    match reason {
        Reason::UnknownOrder | Reason::OrderAlreadyFinal | Reason::ConflictingOrderIds => {
            refused_cancel(Reason::UnknownList)
        }
        other => refused_cancel(other),
    }
}

fn refused_cancel(reason: Reason) -> ApiError {
    ApiError::of_reason(reason, Asked::Cancel)
}
