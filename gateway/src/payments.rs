//! Payments: what the backend of a tenant does with the money of its users.
//!
//! A backend signs like an operator, with a key whose role may pay. Every request that moves money names
//! a business id of its own choice, good once and for ever, so that it may be repeated until it is
//! answered. What a transaction does is written in `docs/payment-rules.md`, what is asked and answered
//! here in `docs/payments.md`.
//!
//! A signature covers parameters and not paths. Everything that decides whose money moves is therefore a
//! parameter, the business id as well.

pub mod callback;
pub mod capital;
pub mod fiat;
pub mod history;
pub mod names;
pub mod rails;
pub mod read;
pub mod running;
pub mod view;

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::http::Method;
use rialto_actors::api::{Query, Release, Reply, Request};
use rialto_engine::ids::{AccountId, AssetId, RailId, TenantId};
use rialto_engine::label::Label;
use rialto_engine::reason::Reason;
use rialto_engine::transaction::{Body, Transaction, TransactionCommand, TransactionKind, TransactionState};
use rialto_engine::units::{Amount, Nanos};
use rialto_engine::update::BalanceView;

use crate::auth::time_of;
use crate::error::{ApiError, Asked};
use crate::gateway::Gateway;
use crate::json::{self, TimeUnit};
use crate::keys::Operator;
use crate::keys::role::Right;
use crate::params::Params;
use crate::worker::Worker;

/// Where the paths begin, behind the tenant's prefix.
pub const PREFIX: &str = "/payments/v1/";

/// A request of a backend that was signed.
pub struct PaymentCall<'a> {
    /// Who asks the exchange.
    pub worker: &'a Rc<Worker>,
    /// Who asks.
    pub operator: &'a Operator,
    /// What the request says.
    pub params: &'a Params<'a>,
    /// In which unit the reply's times are.
    pub unit: TimeUnit,
    /// The last moment at which it may be carried out.
    pub deadline: Nanos,
}

impl PaymentCall<'_> {
    /// Answers a request by its path behind [`PREFIX`].
    ///
    /// # Errors
    /// What the dialect says to wrong parameters, and why money is not moved.
    pub async fn answer(&self, method: &Method, path: &str) -> Result<Vec<u8>, ApiError> {
        self.params.check()?;
        let kind = names::KINDS.iter().find(|(plural, _)| *plural == path).map(|(_, kind)| *kind);
        match (method, path, kind) {
            (&Method::POST, _, Some(kind)) => self.begin(kind).await,
            (&Method::POST, "transactions/confirm", _) => self.confirm().await,
            (&Method::POST, "transactions/cancel", _) => self.cancel().await,
            (&Method::GET, "transactions", _) => self.find().await,
            (_, "transactions" | "transactions/confirm" | "transactions/cancel", _) | (_, _, Some(_)) => {
                Err(ApiError::wrong_http_method())
            }
            _ => Err(ApiError::no_such_path()),
        }
    }

    /// `POST deposits` and its like: begins a transaction of this kind.
    async fn begin(&self, kind: TransactionKind) -> Result<Vec<u8>, ApiError> {
        self.operator.needs(Right::Pay)?;
        let read = read::Reader { gateway: self.gateway(), tenant: self.tenant(), params: self.params };
        let id = read.label("id")?;
        let body = match kind {
            TransactionKind::Refund => {
                read.only(&["payment", "asset", "amount", "held"])?;
                let asset = self.asset_of("payment", TransactionKind::Payment).await?;
                read.refund(asset)?
            }
            TransactionKind::ClawBack => {
                read.only(&["commission", "asset", "amount"])?;
                let asset = self.asset_of("commission", TransactionKind::Commission).await?;
                read.claw_back(asset)?
            }
            kind => read.body(kind)?,
        };
        let until = self.params.integer("until")?.map_or(Nanos::ZERO, time_of);
        let rail = if kind.has_rail() { self.rail(&id, &body).await? } else { RailId::DIRECT };
        self.transact(TransactionCommand::Try { id, body, rail, until, time: Nanos::ZERO }).await
    }

    /// The rail that is named, or the one that suits best. A transaction that is there already keeps its
    /// own, so that a repetition is answered even where no rail would take it any more.
    async fn rail(&self, id: &Label, body: &Body) -> Result<RailId, ApiError> {
        let named = self.params.optional("rail")?;
        match rails::choose(self.worker, self.tenant(), body, named).await {
            Ok(rail) => Ok(rail),
            Err(error) => match self.known(*id).await? {
                Some(transaction) => Ok(transaction.rail),
                None => Err(error),
            },
        }
    }

    /// `POST transactions/confirm`: id, and how much of it; all if that is not said.
    async fn confirm(&self) -> Result<Vec<u8>, ApiError> {
        self.operator.needs(Right::Pay)?;
        let read = read::Reader { gateway: self.gateway(), tenant: self.tenant(), params: self.params };
        read.only(&["asset", "amount"])?;
        let id = read.label("id")?;
        let amount = match self.params.optional("amount")? {
            None => Amount::ZERO,
            Some(_) => {
                let transaction = self.known(id).await?.ok_or_else(|| refused(Reason::UnknownTransaction))?;
                let asset = self.asset(&transaction).await?;
                let asset = asset.ok_or_else(|| refused(Reason::TransactionCanceled))?;
                // Zero would mean all.
                read.amount_of("amount", asset)?
            }
        };
        self.transact(TransactionCommand::Confirm { id, amount, time: Nanos::ZERO }).await
    }

    /// `POST transactions/cancel`: id.
    async fn cancel(&self) -> Result<Vec<u8>, ApiError> {
        self.operator.needs(Right::Pay)?;
        let read = read::Reader { gateway: self.gateway(), tenant: self.tenant(), params: self.params };
        read.only(&[])?;
        self.transact(TransactionCommand::Cancel { id: read.label("id")?, time: Nanos::ZERO }).await
    }

    /// `GET transactions`: id.
    async fn find(&self) -> Result<Vec<u8>, ApiError> {
        self.operator.needs(Right::Read)?;
        self.params.only(&["id"])?;
        let read = read::Reader { gateway: self.gateway(), tenant: self.tenant(), params: self.params };
        let id = read.label("id")?;
        let found = history::find(self.worker, self.tenant(), id).await?;
        let transaction = found.ok_or_else(|| refused(Reason::UnknownTransaction))?;
        let asset = self.asset(&transaction).await?;
        rails::learn(self.worker, self.tenant(), transaction.rail).await?;
        let mut out = Vec::with_capacity(1_024);
        view::View { gateway: self.gateway(), tenant: self.tenant(), unit: self.unit }.transaction(
            &mut out,
            &transaction,
            asset,
        );
        Ok(out)
    }

    async fn transact(&self, command: TransactionCommand) -> Result<Vec<u8>, ApiError> {
        let release = transact(self.worker, self.tenant(), command, self.deadline, Asked::Money).await?;
        let view = view::View { gateway: self.gateway(), tenant: self.tenant(), unit: self.unit };
        tell(self.worker, view, release).await
    }

    /// The asset of the transaction that a refund or claw-back names, whose amount cannot be read without.
    async fn asset_of(&self, parameter: &str, kind: TransactionKind) -> Result<AssetId, ApiError> {
        let read = read::Reader { gateway: self.gateway(), tenant: self.tenant(), params: self.params };
        let found = self.known(read.label(parameter)?).await?.ok_or_else(|| refused(Reason::UnknownTransaction))?;
        match found.body {
            // What can be taken back is known for as long as it can be.
            None if found.state == TransactionState::Canceled => Err(refused(Reason::TransactionFinal)),
            None => Err(refused(Reason::WrongTransactionKind)),
            Some(body) if body.kind() != kind => Err(refused(Reason::WrongTransactionKind)),
            Some(body) => view::own_asset(&body).ok_or_else(ApiError::unknown),
        }
    }

    async fn asset(&self, transaction: &Transaction) -> Result<Option<AssetId>, ApiError> {
        history::asset(self.worker, self.tenant(), transaction).await
    }

    async fn known(&self, id: Label) -> Result<Option<Box<Transaction>>, ApiError> {
        history::known(self.worker, self.tenant(), id).await
    }

    fn tenant(&self) -> TenantId {
        self.operator.tenant
    }

    fn gateway(&self) -> &Gateway {
        &self.worker.gateway
    }
}

/// Hands a command about money to its wallet and waits until what it did is durable.
///
/// # Errors
/// Why it was refused, in the words of whoever has asked.
pub async fn transact(
    worker: &Worker,
    tenant: TenantId,
    command: TransactionCommand,
    deadline: Nanos,
    asked: Asked,
) -> Result<Arc<Release>, ApiError> {
    let release = worker.ask(tenant, Request::Transaction { command, deadline }).await?;
    match release.answer.as_ref().map(|(_, reply)| reply) {
        Some(Reply::Rejected(reason)) => Err(ApiError::of_reason(*reason, asked)),
        _ => Ok(release),
    }
}

/// Writes what became of a command about money.
///
/// # Errors
/// If the exchange does not run.
pub async fn tell(worker: &Worker, view: view::View<'_>, release: Arc<Release>) -> Result<Vec<u8>, ApiError> {
    let Some((_, Reply::Transacted { transacted, transaction, balances, elsewhere })) = &release.answer else {
        return Err(ApiError::unknown());
    };
    let is_repeated = !transacted.is_changed;
    let mut out = Vec::with_capacity(1_024);
    let Some(transaction) = transaction.as_deref() else {
        out.extend_from_slice(b"{\"repeated\":");
        json::boolean(&mut out, is_repeated);
        out.push(b'}');
        return Ok(out);
    };
    // The wallet forgets at once what has ended; the event of its end has it whole.
    let event = release.events.iter().rev().find(|event| event.transaction.number == transaction.number);
    let told = event.map_or(transaction, |event| &event.transaction).clone();
    let (mut balances, elsewhere) = (balances.clone(), elsewhere.clone());
    // The permit goes back before anything else is looked up.
    drop(release);
    add_balances(worker, view.tenant, &elsewhere, &mut balances).await;
    let told = if told.opened == Nanos::ZERO {
        // Where nothing is kept, what the answer brought along is more.
        let found = history::find(worker, view.tenant, told.id).await.ok().flatten();
        found.filter(|found| found.body.is_some() || told.body.is_none()).map_or(told, |found| *found)
    } else {
        told
    };
    let asset = history::asset(worker, view.tenant, &told).await?;
    rails::learn(worker, view.tenant, told.rail).await?;
    view.outcome(&mut out, is_repeated, &told, asset, &balances);
    Ok(out)
}

/// Adds what users have who are at home in other wallets than the one that has answered. It is done already: what
/// cannot be looked up now is left out, and no error.
async fn add_balances(
    worker: &Worker,
    tenant: TenantId,
    elsewhere: &[(AccountId, AssetId)],
    balances: &mut Vec<(AccountId, BalanceView)>,
) {
    let accounts: BTreeSet<AccountId> = elsewhere.iter().map(|(account, _)| *account).collect();
    for account in accounts {
        let Ok(found) = query(worker, tenant, Query::BalancesBehind { account }).await else { continue };
        let Some((_, Reply::Balances(found))) = &found.answer else { continue };
        let moved = found.iter().filter(|balance| elsewhere.contains(&(account, balance.asset)));
        balances.extend(moved.map(|balance| (account, *balance)));
    }
}

/// Looks something up in live state.
///
/// # Errors
/// If there is no room, or the exchange does not run.
pub async fn query(worker: &Worker, tenant: TenantId, query: Query) -> Result<Arc<Release>, ApiError> {
    worker.ask(tenant, Request::Query(query)).await
}

fn refused(reason: Reason) -> ApiError {
    ApiError::of_reason(reason, Asked::Money)
}
