//! The query gateway: what accountants, support and other systems ask of the past.
//!
//! Nothing here touches the core. Every answer comes from the read store, is read and written by threads that
//! give way to all others ([`crate::past`]), and tells the journal position that it is as of: it holds at least
//! what was durable up to there. An operator of any role may ask, for his tenant; what users may ask
//! of themselves stands in [`mine`]. Paths and fields are described in `docs/accounting.md`.

pub mod balances;
pub mod entry;
pub mod events;
pub mod export;
pub mod mine;
pub mod movements;
pub mod names;
pub mod reconciliation;
pub mod statement;
pub mod tables;
pub mod trace;
pub mod transactions;

use std::rc::Rc;
use std::sync::Arc;

use actix_web::http::Method;
use rialto_engine::ids::{AccountId, AssetId, TenantId};
use rialto_engine::label::Label;
use rialto_engine::units::Nanos;
use rialto_engine::wallet::LedgerAccount;
use rialto_persistence::read_store::{Owner, ReadStore, ReadStoreError};

use crate::auth::time_of;
use crate::error::ApiError;
use crate::gateway::Gateway;
use crate::json::{self, TimeUnit};
use crate::keys::Operator;
use crate::params::Params;
use crate::past::Telling;
use crate::payments::names::account_named;
use crate::payments::view::View;
use crate::worker::Worker;

/// Where the paths begin, behind the tenant's prefix.
pub const PREFIX: &str = "/accounting/v1/";

/// Rows of a page unless it is said otherwise, and at most.
const LIMITS: (usize, usize) = (500, 1_000);

/// A question that an operator has signed.
pub struct AccountingCall<'a> {
    /// Whose threads answer.
    pub worker: &'a Rc<Worker>,
    /// Who asks.
    pub operator: &'a Operator,
    /// What is asked.
    pub params: &'a Params<'a>,
    /// In which unit the reply's times are.
    pub unit: TimeUnit,
}

impl AccountingCall<'_> {
    /// Answers a question by its path behind [`PREFIX`].
    ///
    /// # Errors
    /// What the dialect says to wrong parameters.
    pub async fn answer(&self, method: &Method, path: &str) -> Result<Vec<u8>, ApiError> {
        self.params.check()?;
        if method != Method::GET {
            return Err(ApiError::wrong_http_method());
        }
        match path {
            "movements" => self.movements().await,
            "balances" => self.balances().await,
            "statement" => self.statement().await,
            "transactions" => self.transactions().await,
            "cases" => self.cases().await,
            "events" => self.events().await,
            "trace" => self.trace().await,
            "reconciliation" => self.reconciliation().await,
            _ => Err(ApiError::no_such_path()),
        }
    }

    /// Asks the read store, and has the answer written where it was read.
    async fn tell<Rows: Default + 'static>(
        &self,
        question: impl FnOnce(&ReadStore) -> Result<Rows, ReadStoreError> + Send + 'static,
        write: impl FnOnce(&View<'_>, u64, Rows) -> Result<Vec<u8>, ApiError> + Send + 'static,
    ) -> Result<Vec<u8>, ApiError> {
        self.telling().tell(question, write).await
    }

    fn telling(&self) -> Telling<'_> {
        Telling { gateway: self.gateway(), tenant: self.tenant(), unit: self.unit }
    }

    /// The parameter `asset`.
    fn asset(&self) -> Result<Option<AssetId>, ApiError> {
        let find = |name: &str| {
            self.gateway().asset_named(self.tenant(), name).ok_or_else(|| ApiError::invalid_parameter("asset"))
        };
        self.params.optional("asset")?.map(find).transpose()
    }

    /// The parameter `user`.
    fn user(&self) -> Result<Option<AccountId>, ApiError> {
        let find = |name: &str| {
            self.gateway().account_named(self.tenant(), name).ok_or_else(|| ApiError::invalid_parameter("user"))
        };
        self.params.optional("user")?.map(find).transpose()
    }

    /// Whose accounts are meant: those of `user`, or the one that `account` names.
    fn place(&self) -> Result<Option<Place>, ApiError> {
        match (self.user()?, self.params.optional("account")?) {
            (Some(_), Some(_)) => Err(ApiError::bad_combination()),
            (Some(user), None) => Ok(Some(Place::Owner(Owner::User(user)))),
            (None, Some("house")) => Ok(Some(Place::Owner(Owner::House))),
            (None, Some(name)) => {
                let account = account_named(self.gateway(), self.tenant(), name);
                account
                    .map(|account| Some(Place::Account(account)))
                    .ok_or_else(|| ApiError::invalid_parameter("account"))
            }
            (None, None) => Ok(None),
        }
    }

    /// A time of the parameters.
    fn time(&self, name: &str) -> Result<Option<Nanos>, ApiError> {
        Ok(self.params.integer(name)?.map(time_of))
    }

    /// A name that somebody outside has given.
    fn label(&self, name: &str) -> Result<Option<Label>, ApiError> {
        let read = |text: &str| Label::new(text).ok_or_else(|| ApiError::invalid_parameter(name));
        self.params.optional(name)?.map(read).transpose()
    }

    fn limit(&self) -> Result<usize, ApiError> {
        self.params.limit(LIMITS.0, LIMITS.1)
    }

    /// How many markets the tenant has.
    fn markets(&self) -> u16 {
        u16::try_from(self.gateway().markets(self.tenant()).count()).unwrap_or(u16::MAX)
    }

    fn tenant(&self) -> TenantId {
        self.operator.tenant
    }

    fn gateway(&self) -> &Arc<Gateway> {
        &self.worker.gateway
    }
}

/// Whose accounts are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// All accounts of an owner.
    Owner(Owner),
    /// One account.
    Account(LedgerAccount),
}

impl Place {
    /// Whether an account is one of those.
    #[must_use]
    pub fn contains(self, account: LedgerAccount) -> bool {
        match self {
            Self::Owner(owner) => Owner::of(account) == owner,
            Self::Account(one) => account == one,
        }
    }

    /// Whose they are.
    #[must_use]
    pub const fn owner(self) -> Owner {
        match self {
            Self::Owner(owner) => owner,
            Self::Account(account) => Owner::of(account),
        }
    }
}

/// Begins an answer: the position that it is as of.
fn begin(position: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(4_096);
    out.extend_from_slice(b"{\"asOf\":");
    json::number(&mut out, position);
    out
}

/// Ends a page: the cursor of the next one, or null where there is no more for now.
fn end_page(out: &mut Vec<u8>, next: Option<u64>) {
    out.extend_from_slice(b",\"next\":");
    match next {
        Some(next) => json::number(out, next),
        None => out.extend_from_slice(b"null"),
    }
    out.push(b'}');
}
