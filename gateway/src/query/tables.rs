//! The tables that are exported: movements, balances, transactions, cases.
//!
//! What a period holds is fixed when an export begins: entries and numbers are counted, and what comes
//! later has higher ones. Transactions and cases are told as they stand when their row is read.

use rialto_engine::ids::{AccountId, AssetId, CaseId, TenantId, TransactionId};
use rialto_engine::transaction::{Body, Case, Transaction};
use rialto_engine::units::{Amount, Nanos};
use rialto_engine::wallet::{Cause, Entry, LedgerAccount};
use rialto_persistence::read_store::{ReadStore, ReadStoreError, Window};

use super::balances::each_account;
use super::entry::{Ids, asset_of, ids_of};
use super::movements::numbers;
use super::names::{Names, cause};
use crate::export::{Cell, Column, ExportError, Kind, TableWriter};

/// Rows that are read at once.
const AT_ONCE: usize = 2_000;

/// A table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Every entry posted in the period, with both balances behind it.
    Movements,
    /// The balance of every account at the end of the period.
    Balances,
    /// The transactions tried in the period.
    Transactions,
    /// The cases opened in the period.
    Cases,
}

impl Table {
    /// The table of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "movements" => Some(Self::Movements),
            "balances" => Some(Self::Balances),
            "transactions" => Some(Self::Transactions),
            "cases" => Some(Self::Cases),
            _ => None,
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Movements => "movements",
            Self::Balances => "balances",
            Self::Transactions => "transactions",
            Self::Cases => "cases",
        }
    }

    /// Its columns.
    #[must_use]
    pub const fn columns(self) -> &'static [Column] {
        match self {
            Self::Movements => &MOVEMENTS,
            Self::Balances => &BALANCES,
            Self::Transactions => &TRANSACTIONS,
            Self::Cases => &CASES,
        }
    }
}

const fn text(name: &'static str) -> Column {
    Column { name, kind: Kind::Text }
}

const fn number(name: &'static str) -> Column {
    Column { name, kind: Kind::Number }
}

const fn time(name: &'static str) -> Column {
    Column { name, kind: Kind::Time }
}

const fn amount(name: &'static str) -> Column {
    Column { name, kind: Kind::Amount }
}

const MOVEMENTS: [Column; 12] = [
    number("entry"),
    time("time"),
    text("asset"),
    amount("amount"),
    text("debit"),
    amount("debit_after"),
    text("credit"),
    amount("credit_after"),
    text("cause"),
    number("cause_number"),
    text("market"),
    text("id"),
];
const BALANCES: [Column; 4] = [time("time"), text("account"), text("asset"), amount("balance")];
const TRANSACTIONS: [Column; 16] = [
    number("number"),
    text("id"),
    text("kind"),
    text("state"),
    text("asset"),
    amount("amount"),
    amount("fee"),
    amount("moved"),
    amount("posted"),
    amount("reversed"),
    text("from"),
    text("to"),
    text("rail"),
    time("opened"),
    time("changed"),
    text("stuck"),
];
const CASES: [Column; 11] = [
    number("case"),
    text("kind"),
    text("rail"),
    text("asset"),
    amount("amount"),
    text("reference"),
    number("transaction"),
    time("opened"),
    time("closed"),
    text("closed_by"),
    number("adjustment"),
];

/// What is exported: a table over a period, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extract {
    /// Which table.
    pub table: Table,
    /// From when.
    pub from: Nanos,
    /// Until when.
    pub to: Nanos,
    /// Of one asset, or of all.
    pub asset: Option<AssetId>,
}

impl Extract {
    /// The decimals of its amounts: those of its asset, or of the finest one.
    #[must_use]
    pub fn scale(&self, names: &Names) -> u8 {
        self.asset.map_or_else(|| names.scale_max(), |asset| names.asset(asset).1)
    }

    /// Writes its rows, and says how many there are.
    ///
    /// # Errors
    /// If the read store or the sink fails, or an amount does not fit.
    pub fn write<W: std::io::Write + Send>(
        &self,
        store: &ReadStore,
        names: &Names,
        writer: &mut TableWriter<W>,
    ) -> Result<u64, ExportError> {
        let mut rows = Rows { store, names, writer, count: 0 };
        match self.table {
            Table::Movements => self.movements(&mut rows)?,
            Table::Balances => self.balances(&mut rows)?,
            Table::Transactions => self.transactions(&mut rows)?,
            Table::Cases => each_case(store, names.tenant(), |case| {
                let is_meant = self.is_within(case.opened) && self.is_meant(Some(case.case.asset));
                if is_meant { rows.case(case) } else { Ok(()) }
            })?,
        }
        Ok(rows.count)
    }

    fn movements<W: std::io::Write + Send>(&self, rows: &mut Rows<'_, W>) -> Result<(), ExportError> {
        let (store, tenant) = (rows.store, rows.names.tenant());
        let window = Window { from_id: None, from_time: Some(self.from), to_time: Some(self.to) };
        let (mut from, end) = numbers(store, tenant, &window)?;
        while from < end {
            let entries = store.entries(tenant, None, Some(from), AT_ONCE)?;
            let Some(last) = entries.last().map(|entry| entry.number) else { break };
            let ids = ids_of(store, tenant, &entries)?;
            for entry in entries.iter().filter(|entry| entry.number < end && self.is_meant(Some(entry.asset))) {
                rows.movement(entry, &ids)?;
            }
            from = last + 1;
        }
        Ok(())
    }

    fn balances<W: std::io::Write + Send>(&self, rows: &mut Rows<'_, W>) -> Result<(), ExportError> {
        let (store, tenant) = (rows.store, rows.names.tenant());
        each_account(store, tenant, |account, asset| {
            if !self.is_meant(Some(asset)) {
                return Ok(());
            }
            let balance = store.balance_at(tenant, account, asset, Some(self.to))?;
            rows.balance(self.to, account, asset, balance)
        })
    }

    fn transactions<W: std::io::Write + Send>(&self, rows: &mut Rows<'_, W>) -> Result<(), ExportError> {
        let (store, tenant) = (rows.store, rows.names.tenant());
        let first = Some(TransactionId(0));
        let mut window = Window { from_id: first, from_time: Some(self.from), to_time: Some(self.to) };
        loop {
            let transactions = store.transactions(tenant, &window, AT_ONCE)?;
            let Some(last) = transactions.last() else { return Ok(()) };
            window.from_id = Some(TransactionId(last.number.0 + 1));
            for transaction in &transactions {
                let asset = asset_of(store, tenant, transaction.body.as_ref())?;
                if self.is_meant(asset) {
                    rows.transaction(transaction, asset)?;
                }
            }
        }
    }

    fn is_meant(&self, asset: Option<AssetId>) -> bool {
        self.asset.is_none_or(|wanted| asset == Some(wanted))
    }

    fn is_within(&self, time: Nanos) -> bool {
        (self.from..=self.to).contains(&time)
    }
}

impl From<ReadStoreError> for ExportError {
    fn from(error: ReadStoreError) -> Self {
        Self::Source(error.to_string())
    }
}

/// Goes through all cases.
///
/// # Errors
/// What the read store says, or `take`.
pub fn each_case<Error: From<ReadStoreError>>(
    store: &ReadStore,
    tenant: TenantId,
    mut take: impl FnMut(&Case) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut from = CaseId(0);
    loop {
        let cases = store.cases(tenant, false, from, AT_ONCE)?;
        let Some(last) = cases.last() else { return Ok(()) };
        from = CaseId(last.id.0 + 1);
        cases.iter().try_for_each(&mut take)?;
    }
}

/// Rows on their way into a table.
struct Rows<'a, W: std::io::Write + Send> {
    store: &'a ReadStore,
    names: &'a Names,
    writer: &'a mut TableWriter<W>,
    count: u64,
}

impl<W: std::io::Write + Send> Rows<'_, W> {
    fn movement(&mut self, entry: &Entry, ids: &Ids) -> Result<(), ExportError> {
        let (asset, scale) = self.names.asset(entry.asset);
        let (debit, credit) = (self.names.account(entry.debit), self.names.account(entry.credit));
        let (cause, number) = cause(entry.cause);
        let market = match entry.cause {
            Cause::Trade(market, _) => Cell::Text(self.names.market(market)),
            _ => Cell::Empty,
        };
        let id = match entry.cause {
            Cause::Transaction(transaction) => ids.get(&transaction).map_or(Cell::Empty, |id| Cell::Text(id.as_str())),
            _ => Cell::Empty,
        };
        self.count += 1;
        self.writer.row(&[
            Cell::Number(entry.number),
            Cell::Time(entry.time),
            Cell::Text(asset),
            Cell::Amount(entry.amount, scale),
            Cell::Text(&debit),
            Cell::Amount(entry.debit_after, scale),
            Cell::Text(&credit),
            Cell::Amount(entry.credit_after, scale),
            Cell::Text(cause),
            Cell::Number(number),
            market,
            id,
        ])
    }

    fn balance(
        &mut self,
        time: Nanos,
        account: LedgerAccount,
        asset: AssetId,
        balance: Amount,
    ) -> Result<(), ExportError> {
        let (name, scale) = self.names.asset(asset);
        let account = self.names.account(account);
        self.count += 1;
        let amount = Cell::Amount(balance, scale);
        self.writer.row(&[Cell::Time(time), Cell::Text(&account), Cell::Text(name), amount])
    }

    fn transaction(&mut self, transaction: &Transaction, asset: Option<AssetId>) -> Result<(), ExportError> {
        let (name, scale) = asset.map_or(("", 0), |asset| self.names.asset(asset));
        let body = transaction.body.as_ref();
        let money = |amount: Amount| if asset.is_some() { Cell::Amount(amount, scale) } else { Cell::Empty };
        let (from, to) = body.map_or((None, None), |body| self.parties(body));
        let rail = self.names.rail(transaction.rail);
        self.count += 1;
        self.writer.row(&[
            Cell::Number(transaction.number.0),
            Cell::Text(transaction.id.as_str()),
            body.map_or(Cell::Empty, |body| Cell::Text(body.kind().name())),
            Cell::Text(transaction.state.name()),
            if asset.is_some() { Cell::Text(name) } else { Cell::Empty },
            body.and_then(amount_of).map_or(Cell::Empty, money),
            money(transaction.fee),
            money(transaction.moved),
            money(transaction.posted),
            money(transaction.reversed),
            from.as_deref().map_or(Cell::Empty, Cell::Text),
            to.as_deref().map_or(Cell::Empty, Cell::Text),
            if body.is_some_and(|body| body.kind().has_rail()) { Cell::Text(&rail) } else { Cell::Empty },
            Cell::Time(transaction.opened),
            Cell::Time(transaction.changed),
            Cell::Text(if transaction.is_stuck { "true" } else { "false" }),
        ])
    }

    fn case(&mut self, case: &Case) -> Result<(), ExportError> {
        let about = &case.case;
        let (asset, scale) = self.names.asset(about.asset);
        let rail = self.names.rail(about.rail);
        let number = |number: u64| if number == 0 { Cell::Empty } else { Cell::Number(number) };
        self.count += 1;
        self.writer.row(&[
            Cell::Number(case.id.0),
            Cell::Text(about.kind.name()),
            Cell::Text(&rail),
            Cell::Text(asset),
            Cell::Amount(about.amount, scale),
            about.reference.as_ref().map_or(Cell::Empty, |reference| Cell::Text(reference.as_str())),
            number(about.transaction.0),
            Cell::Time(case.opened),
            if case.closed == Nanos::ZERO { Cell::Empty } else { Cell::Time(case.closed) },
            case.closed_by.as_ref().map_or(Cell::Empty, |operator| Cell::Text(operator.as_str())),
            number(case.adjustment.0),
        ])
    }

    /// From whom a transaction takes, and to whom it gives, as far as its body says so.
    fn parties(&self, body: &Body) -> (Option<String>, Option<String>) {
        let user = |account: &AccountId| Some(self.names.user(*account));
        match body {
            Body::Deposit { account, .. } => (None, user(account)),
            Body::Withdrawal { account, destination, .. } => (user(account), Some(destination.to_string())),
            Body::Transfer { from, to, .. } => (user(from), user(to)),
            Body::Payment { payer, merchant, .. } => (user(payer), user(merchant)),
            Body::Refund { payment, .. } => (Some(payment.to_string()), None),
            Body::Commission { agent, .. } => (None, user(agent)),
            Body::ClawBack { commission, .. } => (Some(commission.to_string()), None),
            Body::FeeShare { .. } => (None, None),
            Body::Adjustment { from, to, .. } => (Some(self.names.account(*from)), Some(self.names.account(*to))),
        }
    }
}

const fn amount_of(body: &Body) -> Option<Amount> {
    match body {
        Body::Deposit { amount, .. }
        | Body::Withdrawal { amount, .. }
        | Body::Transfer { amount, .. }
        | Body::Payment { amount, .. }
        | Body::Refund { amount, .. }
        | Body::Commission { amount, .. }
        | Body::ClawBack { amount, .. }
        | Body::Adjustment { amount, .. } => Some(*amount),
        Body::FeeShare { .. } => None,
    }
}
