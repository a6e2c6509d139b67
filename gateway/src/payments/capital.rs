//! Deposits and withdrawals as users of the dialect know them: `sapi/v1/capital`.
//!
//! The dialect's networks are the tenant's rails. A withdrawal's own name (`withdrawOrderId`) is good once
//! and for ever per account: repeated with an equal body it is answered as before, so that a client may
//! repeat what was not answered.

use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::http::Method;
use rialto_actors::api::{Query, Reply};
use rialto_engine::ids::{AssetId, TenantId};
use rialto_engine::label::Label;
use rialto_engine::reason::Reason;
use rialto_engine::transaction::{Body, FeePlan, Transaction, TransactionCommand, TransactionKind, TransactionState};
use rialto_engine::units::{Amount, Nanos};

use super::history::{self, Past};
use super::rails::{self, settings};
use super::read::Reader;
use super::view::{key, number, word};
use super::{refused, transact};
use crate::auth::time_of;
use crate::error::{ApiError, Asked};
use crate::gateway::Gateway;
use crate::json::{self, TimeUnit};
use crate::keys::Identity;
use crate::params::Params;
use crate::worker::Worker;

/// Where the paths begin, behind the tenant's prefix.
pub const PREFIX: &str = "/sapi/v1/capital/";

/// The longest own name of a withdrawal: a business id also says whose it is.
const ORDER_ID_MAX: usize = 48;
/// The longest stretch that a history covers, in days.
const DAYS_MAX: u64 = 90;
/// The most rows of a history.
const ROWS_MAX: usize = 1_000;

/// Makes generated names differ that are made in one nanosecond.
static GENERATED: AtomicU64 = AtomicU64::new(0);

/// A request of a user that was signed.
pub struct CapitalCall<'a> {
    /// Who asks the exchange.
    pub worker: &'a Rc<Worker>,
    /// Whose account it is.
    pub identity: Identity,
    /// Whether the key may take money out.
    pub may_withdraw: bool,
    /// What the request says.
    pub params: &'a Params<'a>,
    /// In which unit the reply's times are.
    pub unit: TimeUnit,
    /// The last moment at which it may be carried out.
    pub deadline: Nanos,
    /// When it was asked.
    pub now: Nanos,
}

impl CapitalCall<'_> {
    /// Answers a request by its path behind [`PREFIX`].
    ///
    /// # Errors
    /// What the dialect says to wrong parameters, and why money is not moved.
    pub async fn answer(&self, method: &Method, path: &str) -> Result<Vec<u8>, ApiError> {
        self.params.check()?;
        match (method, path) {
            (&Method::POST, "withdraw/apply") => self.withdraw().await,
            (&Method::GET, "withdraw/history") => self.withdrawals().await,
            (&Method::GET, "deposit/hisrec") => self.deposits().await,
            (&Method::GET, "config/getall") => self.coins().await,
            (_, "withdraw/apply" | "withdraw/history" | "deposit/hisrec" | "config/getall") => {
                Err(ApiError::wrong_http_method())
            }
            _ => Err(ApiError::no_such_path()),
        }
    }

    /// `POST withdraw/apply`: coin, address, addressTag, network, amount, withdrawOrderId.
    async fn withdraw(&self) -> Result<Vec<u8>, ApiError> {
        if !self.may_withdraw {
            return Err(ApiError::rejected_api_key());
        }
        let read = self.read();
        let asset = self.coin()?.ok_or_else(|| ApiError::mandatory("coin"))?;
        let amount = read.amount("amount", asset)?;
        let address = self.params.required("address")?;
        let destination = match self.params.optional("addressTag")? {
            None => address.to_owned(),
            Some(tag) => format!("{address}#{tag}"),
        };
        let id = self.id()?;
        let body = Body::Withdrawal { account: self.identity.account, asset, amount, destination: destination.into() };
        let network = self.params.optional("network")?;
        let rail = match rails::choose(self.worker, self.tenant(), &body, network).await {
            Ok(rail) => rail,
            // What is repeated keeps its rail.
            Err(error) => match history::known(self.worker, self.tenant(), id).await? {
                Some(transaction) => transaction.rail,
                None => return Err(in_dialect(error)),
            },
        };
        let command = TransactionCommand::Try { id, body, rail, until: Nanos::ZERO, time: Nanos::ZERO };
        transact(self.worker, self.tenant(), command, self.deadline, Asked::Withdrawal).await?;
        let mut out = Vec::with_capacity(96);
        out.extend_from_slice(b"{\"id\":");
        json::string(&mut out, id.as_str());
        out.push(b'}');
        Ok(out)
    }

    /// The business id of a withdrawal: the user's own name for it, made his.
    fn id(&self) -> Result<Label, ApiError> {
        let account = self.identity.account;
        let name = match self.params.optional("withdrawOrderId")? {
            Some(name) if name.len() > ORDER_ID_MAX => return Err(ApiError::invalid_parameter("withdrawOrderId")),
            Some(name) => format!("u{account}/{name}"),
            None => format!("u{account}:{:x}-{:x}", self.now.0, GENERATED.fetch_add(1, Ordering::Relaxed)),
        };
        Label::new(&name).ok_or_else(|| ApiError::invalid_parameter("withdrawOrderId"))
    }

    /// `GET withdraw/history`: coin, withdrawOrderId, status, startTime, endTime, offset, limit.
    async fn withdrawals(&self) -> Result<Vec<u8>, ApiError> {
        let own = match self.params.optional("withdrawOrderId")? {
            Some(_) => Some(self.id()?),
            None => None,
        };
        let status = self.params.integer("status")?;
        let found = self.past(TransactionKind::Withdrawal).await?;
        let wanted = |past: &Past| {
            own.is_none_or(|own| own == past.transaction.id)
                && status.is_none_or(|status| status == withdrawal_status(&past.transaction))
        };
        Ok(self.rows(found.iter().filter(|past| wanted(past)), |out, past| self.withdrawal(out, past)))
    }

    /// `GET deposit/hisrec`: coin, status, startTime, endTime, offset, limit. A deposit that ended without
    /// any money was none.
    async fn deposits(&self) -> Result<Vec<u8>, ApiError> {
        let status = self.params.integer("status")?;
        let found = self.past(TransactionKind::Deposit).await?;
        let wanted = |past: &Past| {
            past.transaction.state != TransactionState::Canceled
                && status.is_none_or(|status| status == deposit_status(&past.transaction))
        };
        Ok(self.rows(found.iter().filter(|past| wanted(past)), |out, past| self.deposit(out, past)))
    }

    /// The deposits or withdrawals of the account, the newest first.
    async fn past(&self, kind: TransactionKind) -> Result<Vec<Past>, ApiError> {
        let asset = self.coin()?;
        let from = self.params.integer("startTime")?.map(time_of);
        let to = self.params.integer("endTime")?.map(time_of);
        let span = Nanos(DAYS_MAX * 86_400_000_000_000);
        if let (Some(from), Some(to)) = (from, to)
            && (from > to || to.0 - from.0 > span.0)
        {
            return Err(ApiError::new(-4_047, "Time interval must be within 0-90 days"));
        }
        let (tenant, account) = (self.tenant(), self.identity.account);
        let limit = self.params.limit(ROWS_MAX, ROWS_MAX)?;
        let offset = usize::try_from(self.params.integer("offset")?.unwrap_or(0)).unwrap_or(usize::MAX);
        let wanted = history::Wanted { account, kind, asset, from, to, most: offset.saturating_add(limit) };
        let found = history::of_account(self.worker, tenant, wanted).await?;
        Ok(found.into_iter().skip(offset).collect())
    }

    fn rows<'p>(&self, found: impl Iterator<Item = &'p Past>, write: impl FnMut(&mut Vec<u8>, &'p Past)) -> Vec<u8> {
        let mut out = Vec::with_capacity(1_024);
        json::array(&mut out, found, write);
        out
    }

    fn withdrawal(&self, out: &mut Vec<u8>, past: &Past) {
        let transaction = &past.transaction;
        let Some(Body::Withdrawal { account, asset, amount, destination }) = &transaction.body else { return };
        let (address, tag) = destination.rsplit_once('#').unwrap_or((destination, ""));
        out.extend_from_slice(b"{\"id\":");
        json::string(out, transaction.id.as_str());
        self.amount(out, "amount", *asset, *amount);
        self.amount(out, "transactionFee", *asset, transaction.fee);
        key(out, "coin");
        self.gateway().asset_name(out, self.tenant(), *asset);
        number(out, "status", withdrawal_status(transaction));
        word(out, "address", address);
        word(out, "addressTag", tag);
        word(out, "txId", past.reference());
        word(out, "applyTime", &civil(transaction.opened));
        if transaction.state.is_final() {
            word(out, "completeTime", &civil(transaction.changed));
        }
        word(out, "network", &self.gateway().rails.name(self.tenant(), transaction.rail));
        number(out, "transferType", 0);
        let prefix = format!("u{account}/");
        word(out, "withdrawOrderId", transaction.id.as_str().strip_prefix(prefix.as_str()).unwrap_or(""));
        out.extend_from_slice(br#","info":"","confirmNo":0,"walletType":0,"txKey":""}"#);
    }

    fn deposit(&self, out: &mut Vec<u8>, past: &Past) {
        let transaction = &past.transaction;
        let Some(Body::Deposit { asset, amount, .. }) = &transaction.body else { return };
        let is_done = transaction.state == TransactionState::Confirmed;
        out.extend_from_slice(b"{\"id\":");
        json::string(out, transaction.id.as_str());
        self.amount(out, "amount", *asset, if is_done { transaction.posted } else { *amount });
        key(out, "coin");
        self.gateway().asset_name(out, self.tenant(), *asset);
        word(out, "network", &self.gateway().rails.name(self.tenant(), transaction.rail));
        number(out, "status", deposit_status(transaction));
        out.extend_from_slice(br#","address":"","addressTag":"""#);
        word(out, "txId", past.reference());
        number(out, "insertTime", self.unit.count(transaction.opened));
        if is_done {
            number(out, "completeTime", self.unit.count(transaction.changed));
        }
        number(out, "transferType", 0);
        word(out, "confirmTimes", if is_done { "1/1" } else { "0/1" });
        out.extend_from_slice(br#","unlockConfirm":0,"walletType":0}"#);
    }

    /// `GET config/getall`: every coin, its balances, and the rails that carry it.
    async fn coins(&self) -> Result<Vec<u8>, ApiError> {
        let (tenant, gateway) = (self.tenant(), self.gateway());
        let query = Query::Balances { account: self.identity.account };
        let release = super::query(self.worker, tenant, query).await?;
        let Some((_, Reply::Balances(balances))) = &release.answer else { return Err(ApiError::unknown()) };
        let settings = settings(self.worker, tenant).await?;
        let fee = |asset: AssetId| {
            let plans = settings.fees.iter();
            let mut of_asset = plans.filter(|(kind, of, _)| (*kind, *of) == (TransactionKind::Withdrawal, asset));
            of_asset.next().map_or(FeePlan::default(), |(.., plan)| *plan)
        };
        let mut out = Vec::with_capacity(1_024);
        json::array(&mut out, balances, |out, balance| {
            let networks = self.networks(balance.asset);
            let any = |kind| networks.iter().any(|network| network.line(kind).is_some());
            out.extend_from_slice(b"{\"coin\":");
            gateway.asset_name(out, tenant, balance.asset);
            key(out, "name");
            gateway.asset_name(out, tenant, balance.asset);
            self.amount(out, "free", balance.asset, balance.available);
            self.amount(out, "locked", balance.asset, balance.held);
            out.extend_from_slice(
                br#","freeze":"0","withdrawing":"0","ipoing":"0","ipoable":"0","storage":"0","isLegalMoney":false,"trading":true"#,
            );
            key(out, "depositAllEnable");
            json::boolean(out, any(TransactionKind::Deposit));
            key(out, "withdrawAllEnable");
            json::boolean(out, any(TransactionKind::Withdrawal));
            key(out, "networkList");
            let numbered = networks.iter().zip(0..);
            json::array(out, numbered, |out, (network, place)| {
                self.network(out, network, balance.asset, fee(balance.asset), place == 0);
            });
            out.push(b'}');
        });
        Ok(out)
    }

    /// The rails that carry an asset.
    fn networks(&self, asset: AssetId) -> Vec<Network> {
        let (gateway, tenant) = (self.gateway(), self.tenant());
        let mut networks = Vec::new();
        for (rail, name, is_open) in gateway.rails.all(tenant) {
            let Some(terms) = gateway.routes.terms(tenant, rail) else { continue };
            let of_asset = terms.assets.iter().filter(|line| line.asset == asset);
            let lines: Vec<_> = of_asset.map(|line| (line.kind, line.least, line.most)).collect();
            if !lines.is_empty() {
                networks.push(Network { name, is_open, lines });
            }
        }
        networks
    }

    fn network(&self, out: &mut Vec<u8>, network: &Network, asset: AssetId, fee: FeePlan, is_first: bool) {
        let deposit = network.line(TransactionKind::Deposit);
        let withdrawal = network.line(TransactionKind::Withdrawal);
        out.extend_from_slice(b"{\"network\":");
        json::string(out, network.name.as_str());
        word(out, "name", network.name.as_str());
        key(out, "coin");
        self.gateway().asset_name(out, self.tenant(), asset);
        for (name, is) in [
            ("isDefault", is_first),
            ("depositEnable", deposit.is_some()),
            ("withdrawEnable", withdrawal.is_some()),
            ("busy", false),
            ("sameAddress", false),
        ] {
            key(out, name);
            json::boolean(out, is);
        }
        self.amount(out, "withdrawFee", asset, fee.fixed);
        number(out, "withdrawFeeBps", u64::from(fee.rate.0));
        for name in ["withdrawIntegerMultiple", "withdrawInternalMin"] {
            self.amount(out, name, asset, Amount(1));
        }
        let (least, most) = withdrawal.unwrap_or_default();
        self.amount(out, "withdrawMin", asset, least);
        self.amount(out, "withdrawMax", asset, most);
        self.amount(out, "depositDust", asset, deposit.map_or(Amount::ZERO, |(least, _)| least));
        out.extend_from_slice(
            br#","addressRegex":"","memoRegex":"","depositDesc":"","withdrawDesc":"","specialTips":"","minConfirm":1,"unLockConfirm":0,"resetAddressStatus":false}"#,
        );
    }

    /// The asset that is named, if one is.
    fn coin(&self) -> Result<Option<AssetId>, ApiError> {
        let Some(name) = self.params.optional("coin")? else { return Ok(None) };
        let asset = self.gateway().asset_named(self.tenant(), name);
        asset.map(Some).ok_or_else(|| ApiError::of_reason(Reason::UnknownAsset, Asked::Withdrawal))
    }

    fn amount(&self, out: &mut Vec<u8>, name: &str, asset: AssetId, amount: Amount) {
        key(out, name);
        self.gateway().amount(out, self.tenant(), asset, amount);
    }

    fn read(&self) -> Reader<'_> {
        Reader { gateway: self.gateway(), tenant: self.tenant(), params: self.params }
    }

    fn tenant(&self) -> TenantId {
        self.identity.tenant
    }

    fn gateway(&self) -> &Gateway {
        &self.worker.gateway
    }
}

/// A rail that carries an asset.
struct Network {
    name: Label,
    is_open: bool,
    /// The kinds, with the smallest and the largest amount.
    lines: Vec<(TransactionKind, Amount, Amount)>,
}

impl Network {
    /// What it takes of a kind, while it is open.
    fn line(&self, kind: TransactionKind) -> Option<(Amount, Amount)> {
        let line = self.lines.iter().find(|(of, ..)| *of == kind && self.is_open);
        line.map(|(_, least, most)| (*least, *most))
    }
}

/// 4 processing, 6 completed, 1 cancelled, 5 failed: it went out and came back whole.
fn withdrawal_status(transaction: &Transaction) -> u64 {
    match transaction.state {
        TransactionState::Open | TransactionState::Closing => 4,
        TransactionState::Confirmed if transaction.posted == Amount::ZERO => 5,
        TransactionState::Confirmed => 6,
        TransactionState::Canceled => 1,
    }
}

/// 0 pending, 1 success.
fn deposit_status(transaction: &Transaction) -> u64 {
    u64::from(transaction.state == TransactionState::Confirmed)
}

/// What the dialect says to a rail that does not take a withdrawal.
fn in_dialect(error: ApiError) -> ApiError {
    if error == ApiError::no_rail() || error == refused(Reason::UnknownRail) {
        return ApiError::of_reason(Reason::RailClosed, Asked::Withdrawal);
    }
    if error == ApiError::outside_rail_limits() {
        return ApiError::new(-4_022, "Not less than the minimum pick-up quantity, nor more than the maximum.");
    }
    error
}

/// A time as the histories of withdrawals tell it: `2021-04-12 14:07:00`, UTC.
fn civil(time: Nanos) -> String {
    let seconds = time.0 / 1_000_000_000;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Days of the era that begins on 1 March of year 0, by the usual rules of the Gregorian calendar.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_by_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_399, "2000-02-28 23:59:59"),
            (951_782_400, "2000-02-29 00:00:00"),
            (1_618_236_420, "2021-04-12 14:07:00"),
            (4_107_542_400, "2100-03-01 00:00:00"),
        ] {
            assert_eq!(civil(Nanos(seconds * 1_000_000_000)), text);
        }
    }
}
