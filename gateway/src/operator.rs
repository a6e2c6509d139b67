//! What operators do: run markets, answer for the money, and set what decides about both.
//!
//! An operator signs like a user, with a key of his own whose role says what he may. A user's key opens
//! nothing here, and an operator's key nothing of a user's. Whatever changes a state goes through the
//! journal like any other command. Who asked for it, with which evidence, and what became of it is
//! kept in the audit trail: the wish before anything is done, the outcome behind it.

mod accounts;
pub mod audit;
mod markets;
mod money;
mod openings;
pub mod platform;
mod settings;

use std::rc::Rc;

use actix_web::http::Method;
use rialto_engine::ids::{AccountId, TenantId};
use rialto_engine::label::Label;
use rialto_engine::transaction::TransactionCommand;
use rialto_engine::units::Nanos;

use crate::error::{ApiError, Asked};
use crate::gateway::Gateway;
use crate::json::TimeUnit;
use crate::keys::Operator;
use crate::keys::role::Right;
use crate::operator::audit::Wish;
use crate::params::Params;
use crate::payments;
use crate::payments::read::Reader;
use crate::payments::view::View;
use crate::worker::Worker;

/// Where the paths of operators begin, behind the tenant's prefix.
pub const PREFIX: &str = "/operator/v1/";

/// A request of an operator that was signed.
pub struct OperatorCall<'a> {
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

/// Paths, the methods that they answer to, and what the role needs for it.
const PATHS: [(&str, &str, Right); 35] = [
    ("GET", "markets", Right::Read),
    ("POST", "markets", Right::Configure),
    ("GET", "market/terms", Right::Read),
    ("POST", "market/terms", Right::Configure),
    ("GET", "assets", Right::Read),
    ("POST", "assets", Right::Configure),
    ("POST", "market/phase", Right::Markets),
    ("POST", "market/protection", Right::Markets),
    ("DELETE", "orders", Right::Markets),
    ("GET", "transactions", Right::Read),
    ("POST", "transactions/report", Right::Treasury),
    ("POST", "transactions/confirm", Right::Treasury),
    ("POST", "transactions/cancel", Right::Treasury),
    ("POST", "transactions/reroute", Right::Treasury),
    ("GET", "cases", Right::Read),
    ("POST", "cases", Right::Treasury),
    ("POST", "cases/close", Right::Treasury),
    ("POST", "adjustments", Right::Treasury),
    ("POST", "adjustments/approve", Right::Treasury),
    ("POST", "accounts/standing", Right::Treasury),
    ("POST", "accounts/credit", Right::Treasury),
    ("GET", "settings", Right::Read),
    ("GET", "rails", Right::Read),
    ("POST", "rails", Right::Configure),
    ("POST", "rails/state", Right::Treasury),
    ("POST", "policies", Right::Configure),
    ("POST", "fees", Right::Configure),
    ("POST", "notification", Right::Configure),
    ("GET", "audit", Right::Read),
    ("POST", "users", Right::Configure),
    ("GET", "keys", Right::Configure),
    ("POST", "keys", Right::Configure),
    ("DELETE", "keys", Right::Configure),
    ("POST", "operators", Right::Configure),
    ("GET", "accounts", Right::Read),
];

impl OperatorCall<'_> {
    /// Answers a request by its path behind [`PREFIX`].
    ///
    /// # Errors
    /// What the dialect says to wrong parameters, and why something is refused.
    pub async fn answer(&self, method: &Method, path: &str) -> Result<Vec<u8>, ApiError> {
        self.params.check()?;
        let known = || PATHS.iter().filter(|(_, known, _)| *known == path);
        let Some((method, path, right)) = known().find(|(known, ..)| *known == method.as_str()) else {
            return Err(if known().count() > 0 { ApiError::wrong_http_method() } else { ApiError::no_such_path() });
        };
        match (*method, *path) {
            ("GET", _) => {
                self.operator.needs(*right)?;
                self.look_up(path).await
            }
            _ => self.audited(method, path, *right).await,
        }
    }

    async fn look_up(&self, path: &str) -> Result<Vec<u8>, ApiError> {
        match path {
            "markets" => self.markets().await,
            "transactions" => self.transactions().await,
            "cases" => self.cases().await,
            "settings" => self.settings().await,
            "rails" => self.rails().await,
            "audit" => self.trail().await,
            "market/terms" => self.terms(),
            "assets" => self.assets(),
            "keys" => self.keys(),
            "accounts" => self.accounts().await,
            _ => Err(ApiError::no_such_path()),
        }
    }

    async fn change(&self, method: &str, path: &str) -> Result<Vec<u8>, ApiError> {
        match (method, path) {
            (_, "assets") => self.open_asset().await,
            (_, "markets") => self.open_market().await,
            (_, "market/terms") => self.change_terms().await,
            (_, "market/phase") => self.enter().await,
            (_, "market/protection") => self.protect().await,
            (_, "orders") => self.cancel_orders().await,
            (_, "transactions/report") => self.report().await,
            (_, "transactions/confirm") => self.confirm().await,
            (_, "transactions/cancel") => self.cancel().await,
            (_, "transactions/reroute") => self.reroute().await,
            (_, "cases") => self.open_case().await,
            (_, "cases/close") => self.close_case().await,
            (_, "adjustments") => self.propose().await,
            (_, "adjustments/approve") => self.approve().await,
            (_, "accounts/standing") => self.change_standing().await,
            (_, "accounts/credit") => self.change_credit().await,
            (_, "rails") => self.open_rail().await,
            (_, "rails/state") => self.change_rail().await,
            (_, "policies") => self.change_policy().await,
            (_, "fees") => self.change_fee().await,
            (_, "notification") => self.change_notification().await,
            (_, "users") => self.open_user().await,
            ("POST", "keys") => self.make_key().await,
            ("DELETE", "keys") => self.end_key().await,
            (_, "operators") => self.make_operator().await,
            _ => Err(ApiError::no_such_path()),
        }
    }

    /// Writes down what an operator wants before it is done, and then what became of it. What he may not
    /// do is written down as well. What was signed is told, but not how.
    async fn audited(&self, method: &str, path: &str, right: Right) -> Result<Vec<u8>, ApiError> {
        let told = self.params.iter().filter(|(name, _)| !crate::params::OF_ANY_REQUEST.contains(name));
        let told = told.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let tenant = self.gateway().tenant(self.tenant())?.name.clone();
        let wish = Wish { operator: self.operator.name.clone(), tenant, action: format!("{method} {path}"), told };
        let number = self.gateway().audit.begin(wish.clone()).await?;
        let done = match self.operator.needs(right) {
            Ok(()) => self.change(method, path).await,
            Err(error) => Err(error),
        };
        let Wish { operator, tenant, action, told } = &wish;
        match &done {
            Ok(_) => tracing::info!(%operator, %tenant, %action, ?told, "an operator's command was carried out"),
            Err(error) => tracing::warn!(%operator, %tenant, %action, ?told, %error, "an operator's command was not"),
        }
        self.gateway().audit.end(number, wish, done.as_ref().err()).await?;
        done
    }

    /// Carries a command about money out, and tells what backends are told.
    async fn transacted(&self, command: TransactionCommand) -> Result<Vec<u8>, ApiError> {
        let release = payments::transact(self.worker, self.tenant(), command, self.deadline, Asked::Money).await?;
        payments::tell(self.worker, self.view(), release).await
    }

    /// Why an operator does something: a text for the audit trail, and for nothing else.
    fn evidence(&self) -> Result<(), ApiError> {
        self.params.required("evidence").map(drop)
    }

    /// Who asks, as the journal knows him.
    fn name(&self) -> Result<Label, ApiError> {
        Label::new(&self.operator.name).ok_or_else(ApiError::unknown)
    }

    fn account_of(&self, name: &str) -> Result<AccountId, ApiError> {
        self.gateway().account_named(self.tenant(), name).ok_or_else(|| ApiError::invalid_parameter("user"))
    }

    fn read(&self) -> Reader<'_> {
        Reader { gateway: self.gateway(), tenant: self.tenant(), params: self.params }
    }

    fn view(&self) -> View<'_> {
        View { gateway: self.gateway(), tenant: self.tenant(), unit: self.unit }
    }

    fn tenant(&self) -> TenantId {
        self.operator.tenant
    }

    fn gateway(&self) -> &Gateway {
        &self.worker.gateway
    }
}
