//! Transactions of now and of the past.
//!
//! The wallet knows those that are under way, and of the others what it needs. The rest stands in the
//! read store.

use rialto_actors::api::{Query, Reply};
use rialto_engine::ids::{AccountId, AssetId, TenantId};
use rialto_engine::label::Label;
use rialto_engine::transaction::{Body, Happening, Transaction, TransactionKind};
use rialto_engine::units::Nanos;
use rialto_persistence::read_store::{ReadStore, ReadStoreError, Window};

use super::view::own_asset;
use crate::error::ApiError;
use crate::past;
use crate::worker::Worker;

/// Transactions of an account that are looked through for its deposits or withdrawals.
const LOOKED_AT: usize = 10_000;

/// A deposit or withdrawal, with what its rail calls it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// As it stands.
    pub transaction: Transaction,
    /// The rail's name for the last movement of it, if there was one.
    pub reference: Option<Label>,
}

impl Past {
    /// The rail's name for it, or nothing.
    #[must_use]
    pub fn reference(&self) -> &str {
        self.reference.as_ref().map_or("", Label::as_str)
    }
}

/// Which deposits or withdrawals are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Whose.
    pub account: AccountId,
    /// Which of the two.
    pub kind: TransactionKind,
    /// Of what; `None` for everything.
    pub asset: Option<AssetId>,
    /// Tried no earlier.
    pub from: Option<Nanos>,
    /// Tried no later.
    pub to: Option<Nanos>,
    /// How many at most, the newest first.
    pub most: usize,
}

impl Wanted {
    fn fits(&self, transaction: &Transaction) -> bool {
        let (account, asset) = match &transaction.body {
            Some(Body::Deposit { account, asset, .. }) if self.kind == TransactionKind::Deposit => (account, asset),
            Some(Body::Withdrawal { account, asset, .. }) if self.kind == TransactionKind::Withdrawal => {
                (account, asset)
            }
            _ => return false,
        };
        *account == self.account
            && self.asset.is_none_or(|wanted| wanted == *asset)
            && self.from.is_none_or(|from| from <= transaction.opened)
            && self.to.is_none_or(|to| transaction.opened <= to)
    }
}

/// A transaction by its business id, as the wallet has it: of one that was forgotten, what decisions about it
/// need.
///
/// # Errors
/// If the exchange does not run, or has no room.
pub async fn known(worker: &Worker, tenant: TenantId, id: Label) -> Result<Option<Box<Transaction>>, ApiError> {
    let release = super::query(worker, tenant, Query::Transaction { id }).await?;
    match &release.answer {
        Some((_, Reply::Transaction(found))) => Ok(found.clone()),
        _ => Err(ApiError::unknown()),
    }
}

/// The same whole, for whoever wants to see it: of one that was forgotten, as it ended.
///
/// # Errors
/// As [`known`], and if queries of the past are given up.
pub async fn find(worker: &Worker, tenant: TenantId, id: Label) -> Result<Option<Box<Transaction>>, ApiError> {
    let exchange = &worker.gateway.exchange;
    match known(worker, tenant, id).await? {
        // What is forgotten has no times.
        Some(found) if found.opened == Nanos::ZERO && exchange.read_store().is_some() => {
            let stored = past::ask_if_kept(exchange, move |store| store.transaction_by_id(tenant, &id)).await?;
            Ok(Some(stored.map_or(found, Box::new)))
        }
        found => Ok(found),
    }
}

/// The asset that a transaction's amounts are in: its own, or that of the one it takes back.
///
/// # Errors
/// As [`known`].
pub async fn asset(worker: &Worker, tenant: TenantId, transaction: &Transaction) -> Result<Option<AssetId>, ApiError> {
    let Some(body) = &transaction.body else { return Ok(None) };
    let other = match body {
        Body::Refund { payment, .. } => *payment,
        Body::ClawBack { commission, .. } => *commission,
        own => return Ok(own_asset(own)),
    };
    let found = known(worker, tenant, other).await?;
    Ok(found.and_then(|found| own_asset(found.body.as_ref()?)))
}

/// Deposits or withdrawals of an account, the newest first.
///
/// # Errors
/// As [`known`].
pub async fn of_account(worker: &Worker, tenant: TenantId, wanted: Wanted) -> Result<Vec<Past>, ApiError> {
    if worker.gateway.exchange.read_store().is_some() {
        return past::ask_if_kept(&worker.gateway.exchange, move |store| stored(store, tenant, &wanted)).await;
    }
    // Where nothing is kept, which is in tests: those that are under way.
    let query = Query::Transactions { stuck_only: false, limit: LOOKED_AT };
    let release = super::query(worker, tenant, query).await?;
    let Some((_, Reply::Transactions(live))) = &release.answer else { return Err(ApiError::unknown()) };
    let fitting = live.iter().rev().filter(|transaction| wanted.fits(transaction)).take(wanted.most);
    Ok(fitting.map(|transaction| Past { transaction: transaction.clone(), reference: None }).collect())
}

/// A page of the deposits or withdrawals of an account, the newest first, behind `skip` of them; and how many
/// there are in all, of those that are looked at.
///
/// # Errors
/// As [`known`].
pub async fn page(
    worker: &Worker,
    tenant: TenantId,
    wanted: Wanted,
    skip: usize,
) -> Result<(Vec<Transaction>, usize), ApiError> {
    let cut = move |all: &[Transaction]| {
        let fitting = || all.iter().rev().filter(|transaction| wanted.fits(transaction));
        (fitting().skip(skip).take(wanted.most).cloned().collect(), fitting().count())
    };
    if worker.gateway.exchange.read_store().is_some() {
        let window = Window { from_id: None, from_time: wanted.from, to_time: wanted.to };
        let read = move |store: &ReadStore| {
            Ok(cut(&store.account_transactions(tenant, wanted.account, &window, LOOKED_AT)?))
        };
        return past::ask_if_kept(&worker.gateway.exchange, read).await;
    }
    // As in `of_account`.
    let query = Query::Transactions { stuck_only: false, limit: LOOKED_AT };
    let release = super::query(worker, tenant, query).await?;
    let Some((_, Reply::Transactions(live))) = &release.answer else { return Err(ApiError::unknown()) };
    Ok(cut(live))
}

fn stored(store: &ReadStore, tenant: TenantId, wanted: &Wanted) -> Result<Vec<Past>, ReadStoreError> {
    let window = Window { from_id: None, from_time: wanted.from, to_time: wanted.to };
    let found = store.account_transactions(tenant, wanted.account, &window, LOOKED_AT)?;
    let fitting = found.into_iter().rev().filter(|transaction| wanted.fits(transaction)).take(wanted.most);
    let mut past = Vec::new();
    for transaction in fitting {
        let events = store.events_of_transaction(tenant, transaction.number)?;
        let reference = events.iter().rev().find_map(|event| match event.what {
            Happening::Moved { reference, .. } => Some(reference),
            _ => None,
        });
        past.push(Past { transaction, reference });
    }
    Ok(past)
}
