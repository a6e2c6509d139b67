//! The histories of legal money in the dialect: `sapi/v1/fiat/orders`.
//!
//! Assets have no mark of legal money here, and their rails carry all kinds alike: the deposits and withdrawals
//! are those of `sapi/v1/capital`, told in the other form. Clients ask for them of codes that they take for legal
//! money by themselves.

use actix_web::http::Method;
use rialto_engine::transaction::{Body, Transaction, TransactionKind, TransactionState};
use rialto_engine::units::{Amount, Nanos};

use super::capital::CapitalCall;
use super::history::{self, Wanted};
use super::view::{key, number, word};
use crate::auth::time_of;
use crate::error::ApiError;
use crate::json;

/// Where the paths begin, behind the tenant's prefix.
pub const PREFIX: &str = "/sapi/v1/fiat/";

/// The most rows of a page, and how many it has unless it is said.
const ROWS_MAX: u64 = 500;
const ROWS: u64 = 100;
/// How far back is looked where no time is named, in nanoseconds.
const RECENT: u64 = 30 * 86_400_000_000_000;

impl CapitalCall<'_> {
    /// Answers a request by its path behind [`PREFIX`].
    ///
    /// # Errors
    /// What the dialect says to wrong parameters.
    pub async fn answer_fiat(&self, method: &Method, path: &str) -> Result<Vec<u8>, ApiError> {
        self.params.check()?;
        match (method, path) {
            (&Method::GET, "orders") => self.fiat_orders().await,
            (_, "orders") => Err(ApiError::wrong_http_method()),
            _ => Err(ApiError::no_such_path()),
        }
    }

    /// `GET orders`: transactionType (0 deposits, 1 withdrawals), beginTime, endTime, page, rows.
    async fn fiat_orders(&self) -> Result<Vec<u8>, ApiError> {
        let kind = match crate::params::integer("transactionType", self.params.required("transactionType")?)? {
            0 => TransactionKind::Deposit,
            1 => TransactionKind::Withdrawal,
            _ => return Err(ApiError::invalid_parameter("transactionType")),
        };
        let to = self.params.integer("endTime")?.map(time_of);
        let from = match self.params.integer("beginTime")?.map(time_of) {
            None if to.is_none() => Some(Nanos(self.now.0.saturating_sub(RECENT))),
            from => from,
        };
        let page = self.params.integer("page")?.unwrap_or(1);
        let rows = self.params.integer("rows")?.unwrap_or(ROWS);
        if page == 0 {
            return Err(ApiError::invalid_parameter("page"));
        }
        if rows == 0 || rows > ROWS_MAX {
            return Err(ApiError::invalid_parameter("rows"));
        }
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let skip = size((page - 1).saturating_mul(rows));
        let wanted = Wanted { account: self.identity.account, kind, asset: None, from, to, most: size(rows) };
        let (found, total) = history::page(self.worker, self.identity.tenant, wanted, skip).await?;
        let mut out = Vec::with_capacity(1_024);
        out.extend_from_slice(br#"{"code":"000000","message":"success","data":"#);
        json::array(&mut out, &found, |out, transaction| self.fiat_order(out, transaction));
        number(&mut out, "total", total as u64);
        out.extend_from_slice(br#","success":true}"#);
        Ok(out)
    }

    fn fiat_order(&self, out: &mut Vec<u8>, transaction: &Transaction) {
        let (asset, amount) = match &transaction.body {
            Some(Body::Deposit { asset, amount, .. } | Body::Withdrawal { asset, amount, .. }) => (*asset, *amount),
            _ => return,
        };
        let (gateway, tenant) = (&self.worker.gateway, self.identity.tenant);
        let moved = if transaction.state == TransactionState::Confirmed { transaction.posted } else { amount };
        out.extend_from_slice(b"{\"orderNo\":");
        json::string(out, transaction.id.as_str());
        key(out, "fiatCurrency");
        gateway.asset_name(out, tenant, asset);
        for (name, amount) in [("indicatedAmount", amount), ("amount", moved), ("totalFee", transaction.fee)] {
            key(out, name);
            gateway.amount(out, tenant, asset, amount);
        }
        word(out, "method", &gateway.rails.name(tenant, transaction.rail));
        word(out, "status", status(transaction));
        number(out, "createTime", self.unit.count(transaction.opened));
        number(out, "updateTime", self.unit.count(transaction.changed));
        out.push(b'}');
    }
}

/// How the dialect calls the state of one.
fn status(transaction: &Transaction) -> &'static str {
    match transaction.state {
        TransactionState::Open | TransactionState::Closing => "Processing",
        // It went out and came back whole.
        TransactionState::Confirmed if transaction.posted == Amount::ZERO => "Refunded",
        TransactionState::Confirmed => "Successful",
        TransactionState::Canceled => "Failed",
    }
}
