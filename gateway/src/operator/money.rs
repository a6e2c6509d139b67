//! What is stuck, what nobody can explain, and corrections.

use rialto_actors::api::{Query, Reply};
use rialto_engine::ids::{CaseId, RailId, TransactionId};
use rialto_engine::reason::Reason;
use rialto_engine::transaction::{Body, CaseKind, NewCase, Report, Transaction, TransactionCommand};
use rialto_engine::units::{Amount, Nanos};
use rialto_engine::wallet::LedgerAccount;

use super::OperatorCall;
use crate::auth::time_of;
use crate::error::{ApiError, Asked};
use crate::json;
use crate::payments::{self, history, names, rails};

/// The most rows of a list.
const ROWS_MAX: usize = 1_000;

impl OperatorCall<'_> {
    /// `GET transactions`: one by `id`; else those that are not over, or with `stuck=true` those that wait
    /// for an operator.
    pub(super) async fn transactions(&self) -> Result<Vec<u8>, ApiError> {
        self.params.only(&["id", "stuck", "limit"])?;
        let found: Vec<Transaction> = if self.params.get("id").is_some() {
            let found = history::find(self.worker, self.tenant(), self.read().label("id")?).await?;
            vec![*found.ok_or_else(|| refused(Reason::UnknownTransaction))?]
        } else {
            let stuck_only = self.params.boolean("stuck")?.unwrap_or(false);
            let query = Query::Transactions { stuck_only, limit: self.params.limit(100, ROWS_MAX)? };
            let release = payments::query(self.worker, self.tenant(), query).await?;
            let Some((_, Reply::Transactions(found))) = &release.answer else { return Err(ApiError::unknown()) };
            found.clone()
        };
        let mut rows = Vec::with_capacity(found.len());
        for transaction in &found {
            rails::learn(self.worker, self.tenant(), transaction.rail).await?;
            rows.push((transaction, history::asset(self.worker, self.tenant(), transaction).await?));
        }
        let mut out = Vec::with_capacity(1_024);
        json::array(&mut out, rows, |out, (transaction, asset)| self.view().transaction(out, transaction, asset));
        Ok(out)
    }

    /// `POST transactions/report`: what a rail would have said if it had: report, id, rail, reference,
    /// asset, amount, final; and the evidence for it.
    pub(super) async fn report(&self) -> Result<Vec<u8>, ApiError> {
        self.read().only(&["rail", "report", "reference", "asset", "amount", "final", "evidence"])?;
        self.evidence()?;
        let id = self.params.optional("id")?.map(|_| self.read().label("id")).transpose()?;
        let rail = match self.params.optional("rail")? {
            Some(name) => rails::named(self.worker, self.tenant(), name).await?,
            None if id.is_some() => self.transaction().await?.rail,
            None => return Err(ApiError::mandatory("rail")),
        };
        let report = self.reported()?;
        self.transacted(TransactionCommand::Report { rail, id, report, time: Nanos::ZERO }).await
    }

    fn reported(&self) -> Result<Report, ApiError> {
        let read = self.read();
        let reference = || read.label("reference");
        let moved = || {
            let asset = read.asset("asset")?;
            Ok::<_, ApiError>((asset, read.amount("amount", asset)?))
        };
        let is_moved = self.params.get("amount").is_some() || self.params.get("reference").is_some();
        let report = match self.params.required("report")? {
            "received" => {
                let (asset, amount) = moved()?;
                let is_final = self.params.boolean("final")?.unwrap_or(true);
                Report::Received { reference: reference()?, asset, amount, is_final }
            }
            "returned" => Report::Returned { reference: reference()? },
            "paid" => {
                let (asset, amount) = moved()?;
                Report::Paid { reference: reference()?, asset, amount }
            }
            "bounced" => {
                let (asset, amount) = moved()?;
                Report::Bounced { reference: reference()?, asset, amount }
            }
            // Whoever names money means that some has moved.
            _ if is_moved => return Err(ApiError::not_required("amount")),
            "accepted" => Report::Accepted,
            "rejected" => Report::Rejected,
            "canceled" => Report::Canceled,
            "unknown" => Report::Unknown,
            _ => return Err(ApiError::invalid_parameter("report")),
        };
        Ok(report)
    }

    /// `POST transactions/confirm`: id, amount, evidence. Only what is merely held can be decided so.
    pub(super) async fn confirm(&self) -> Result<Vec<u8>, ApiError> {
        self.read().only(&["asset", "amount", "evidence"])?;
        self.evidence()?;
        let transaction = self.transaction().await?;
        let amount = match self.params.optional("amount")? {
            None => Amount::ZERO,
            Some(_) => {
                let asset = history::asset(self.worker, self.tenant(), &transaction).await?;
                let asset = asset.ok_or_else(|| refused(Reason::TransactionCanceled))?;
                self.read().amount_of("amount", asset)?
            }
        };
        self.transacted(TransactionCommand::Confirm { id: transaction.id, amount, time: Nanos::ZERO }).await
    }

    /// `POST transactions/cancel`: id, evidence. Of one that a rail may have, it is a wish: the rail
    /// decides, or a report that is entered.
    pub(super) async fn cancel(&self) -> Result<Vec<u8>, ApiError> {
        self.read().only(&["evidence"])?;
        self.evidence()?;
        // An id that nobody has used would be used up for ever: an operator means one that is there.
        let id = self.transaction().await?.id;
        self.transacted(TransactionCommand::Cancel { id, time: Nanos::ZERO }).await
    }

    /// `POST transactions/reroute`: id, rail, evidence.
    pub(super) async fn reroute(&self) -> Result<Vec<u8>, ApiError> {
        self.read().only(&["rail", "evidence"])?;
        self.evidence()?;
        let transaction = self.transaction().await?.number;
        let rail = rails::named(self.worker, self.tenant(), self.params.required("rail")?).await?;
        self.transacted(TransactionCommand::Reroute { transaction, rail, time: Nanos::ZERO }).await
    }

    /// `GET cases`: those that are open.
    pub(super) async fn cases(&self) -> Result<Vec<u8>, ApiError> {
        self.params.only(&["limit"])?;
        let query = Query::Cases { limit: self.params.limit(100, ROWS_MAX)? };
        let release = payments::query(self.worker, self.tenant(), query).await?;
        let Some((_, Reply::Cases(cases))) = &release.answer else { return Err(ApiError::unknown()) };
        for case in cases {
            rails::learn(self.worker, self.tenant(), case.case.rail).await?;
        }
        let mut out = Vec::with_capacity(1_024);
        json::array(&mut out, cases, |out, case| self.view().case(out, case));
        Ok(out)
    }

    /// `POST cases`: kind, rail, asset, amount with its sign, reference, id, evidence: a difference that
    /// somebody has found outside.
    pub(super) async fn open_case(&self) -> Result<Vec<u8>, ApiError> {
        self.read().only(&["kind", "rail", "asset", "amount", "reference", "evidence"])?;
        self.evidence()?;
        let kind = self.params.required("kind")?;
        let kind = CaseKind::ALL.into_iter().find(|known| known.name() == kind);
        let kind = kind.ok_or_else(|| ApiError::invalid_parameter("kind"))?;
        let rail = match self.params.optional("rail")? {
            Some(name) => rails::named(self.worker, self.tenant(), name).await?,
            None => RailId::DIRECT,
        };
        let asset = self.read().asset("asset")?;
        let scale = self.gateway().asset(self.tenant(), asset).map_or(0, |asset| asset.scale);
        let text = self.params.required("amount")?;
        let amount = match text.strip_prefix('-') {
            Some(text) => Amount(-payments::read::amount("amount", text, scale)?.0),
            None => payments::read::amount("amount", text, scale)?,
        };
        let reference = self.params.optional("reference")?.map(|_| self.read().label("reference")).transpose()?;
        let transaction = match self.params.optional("id")? {
            Some(_) => self.transaction().await?.number,
            None => TransactionId(0),
        };
        let case = NewCase { kind, rail, asset, amount, reference, transaction };
        self.transacted(TransactionCommand::OpenCase { case, time: Nanos::ZERO }).await
    }

    /// `POST cases/close`: case, evidence. One for which money has to be moved is closed by an adjustment
    /// that names it.
    pub(super) async fn close_case(&self) -> Result<Vec<u8>, ApiError> {
        self.params.only(&["case", "evidence"])?;
        self.evidence()?;
        let case = CaseId(crate::params::integer("case", self.params.required("case")?)?);
        self.transacted(TransactionCommand::CloseCase { case, operator: self.name()?, time: Nanos::ZERO }).await
    }

    /// `POST adjustments`: id, asset, from, to, amount, corrects, case, until, evidence. Nothing moves until
    /// two operators have approved it.
    pub(super) async fn propose(&self) -> Result<Vec<u8>, ApiError> {
        self.read().only(&["asset", "from", "to", "amount", "corrects", "case", "until", "evidence"])?;
        self.evidence()?;
        let read = self.read();
        rails::settings(self.worker, self.tenant()).await?;
        let asset = read.asset("asset")?;
        let body = Body::Adjustment {
            asset,
            from: self.ledger_account("from")?,
            to: self.ledger_account("to")?,
            amount: read.amount("amount", asset)?,
            corrects: self.params.integer("corrects")?.unwrap_or(0),
            case: CaseId(self.params.integer("case")?.unwrap_or(0)),
            proposer: self.name()?,
        };
        let until = self.params.integer("until")?.map_or(Nanos::ZERO, time_of);
        let id = read.label("id")?;
        self.transacted(TransactionCommand::Try { id, body, rail: RailId::DIRECT, until, time: Nanos::ZERO }).await
    }

    /// `POST adjustments/approve`: id.
    pub(super) async fn approve(&self) -> Result<Vec<u8>, ApiError> {
        self.read().only(&[])?;
        let (id, operator) = (self.read().label("id")?, self.name()?);
        self.transacted(TransactionCommand::Approve { id, operator, time: Nanos::ZERO }).await
    }

    fn ledger_account(&self, parameter: &str) -> Result<LedgerAccount, ApiError> {
        let name = self.params.required(parameter)?;
        let account = names::account_named(self.gateway(), self.tenant(), name);
        account.ok_or_else(|| refused(Reason::UnknownAccount))
    }

    /// The transaction that `id` names.
    async fn transaction(&self) -> Result<Transaction, ApiError> {
        let found = history::known(self.worker, self.tenant(), self.read().label("id")?).await?;
        found.map(|found| *found).ok_or_else(|| refused(Reason::UnknownTransaction))
    }
}

fn refused(reason: Reason) -> ApiError {
    ApiError::of_reason(reason, Asked::Money)
}
