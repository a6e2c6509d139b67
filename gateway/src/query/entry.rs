//! Entries as JSON: both accounts with their balances before and behind, and why.

use std::collections::HashMap;

use rialto_engine::ids::{AssetId, TenantId, TransactionId};
use rialto_engine::label::Label;
use rialto_engine::transaction::Body;
use rialto_engine::units::Amount;
use rialto_engine::wallet::{Cause, Entry, LedgerAccount};
use rialto_persistence::read_store::{Owner, ReadStore, ReadStoreError};

use super::names::cause;
use crate::json;
use crate::payments::names::write_account;
use crate::payments::view::{View, key, number, own_asset, word};

/// The business ids of the transactions that have caused entries.
pub type Ids = HashMap<TransactionId, Label>;

/// The business ids of what has caused some entries.
///
/// # Errors
/// What the read store says.
pub fn ids_of(store: &ReadStore, tenant: TenantId, entries: &[Entry]) -> Result<Ids, ReadStoreError> {
    let mut ids = Ids::new();
    for entry in entries {
        if let Cause::Transaction(transaction) = entry.cause
            && !ids.contains_key(&transaction)
            && let Some(found) = store.transaction(tenant, transaction)?
        {
            ids.insert(transaction, found.id);
        }
    }
    Ok(ids)
}

/// The asset that a transaction's amounts are in: its own, or that of the one it takes back.
///
/// # Errors
/// What the read store says.
pub fn asset_of(store: &ReadStore, tenant: TenantId, body: Option<&Body>) -> Result<Option<AssetId>, ReadStoreError> {
    let other = match body {
        None => return Ok(None),
        Some(Body::Refund { payment, .. }) => payment,
        Some(Body::ClawBack { commission, .. }) => commission,
        Some(own) => return Ok(own_asset(own)),
    };
    let found = store.transaction_by_id(tenant, other)?;
    Ok(found.and_then(|found| own_asset(found.body.as_ref()?)))
}

/// Appends an entry, for whoever may see everything, or for an owner: what belongs to others is told
/// without name and balance.
pub fn write(out: &mut Vec<u8>, view: &View<'_>, seer: Option<Owner>, entry: &Entry, ids: &Ids) {
    out.extend_from_slice(b"{\"entry\":");
    json::number(out, entry.number);
    view.time(out, "time", entry.time);
    key(out, "asset");
    view.gateway.asset_name(out, view.tenant, entry.asset);
    view.amount(out, "amount", Some(entry.asset), entry.amount);
    let sides = [
        ("debit", entry.debit, Amount(entry.debit_after.0 + entry.amount.0), entry.debit_after),
        ("credit", entry.credit, Amount(entry.credit_after.0 - entry.amount.0), entry.credit_after),
    ];
    for (name, account, before, after) in sides {
        key(out, name);
        if seer.is_none_or(|seer| Owner::of(account) == seer) {
            side(out, view, entry.asset, account, before, after);
        } else {
            out.extend_from_slice(b"null");
        }
    }
    let (name, of) = cause(entry.cause);
    word(out, "cause", name);
    match entry.cause {
        Cause::Hold(_) | Cause::Release(_) => number(out, "orderId", of),
        Cause::Trade(market, _) => {
            let symbol = view.gateway.market_by_id(view.tenant, market);
            word(out, "symbol", symbol.map_or("", |market| market.symbol()));
            number(out, "tradeId", of);
        }
        Cause::Transaction(transaction) => {
            number(out, "transaction", of);
            if let Some(id) = ids.get(&transaction) {
                word(out, "id", id.as_str());
            }
        }
        Cause::Case(_) => number(out, "case", of),
        Cause::Deposit(_) => number(out, "deposit", of),
        Cause::Passage(_) => number(out, "passage", of),
    }
    out.push(b'}');
}

fn side(out: &mut Vec<u8>, view: &View<'_>, asset: AssetId, account: LedgerAccount, before: Amount, after: Amount) {
    out.extend_from_slice(b"{\"account\":");
    write_account(out, view.gateway, view.tenant, account);
    view.amount(out, "before", Some(asset), before);
    view.amount(out, "after", Some(asset), after);
    out.push(b'}');
}
