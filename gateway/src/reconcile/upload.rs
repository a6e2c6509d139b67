//! Statements of rails, as operators bring them: `POST operator/v1/statements`.
//!
//! The body is the statement, as comma-separated values; rail and day are parameters. Every difference
//! becomes a case. The same statement again finds its cases, open or closed, and opens none.

use std::collections::BTreeMap;
use std::rc::Rc;

use actix_web::http::Method;
use rialto_actors::api::{Reply, Request};
use rialto_engine::ids::{AssetId, RailId, TenantId};
use rialto_engine::label::Label;
use rialto_engine::transaction::{NewCase, TransactionCommand};
use rialto_engine::units::{Amount, Nanos};
use rialto_persistence::read_store::{ReadStore, ReadStoreError};

use super::day::Day;
use super::matching::{Direction, Ending, Finding, StatementLine, reconcile, signed, unopened};
use super::rail::{RailDay, movements_of};
use super::statement;
use crate::error::{ApiError, Asked};
use crate::gateway::Gateway;
use crate::json::{self, TimeUnit};
use crate::keys::Operator;
use crate::keys::role::Right;
use crate::params::Params;
use crate::past;
use crate::payments::view::{View, key, number, word};
use crate::query::tables::each_case;
use crate::worker::Worker;

/// A statement that would open more cases than this is one of another rail or another day, and opens none.
const CASES_MAX: usize = 1_000;

/// The path, behind the tenant's prefix.
pub const PATH: &str = "/operator/v1/statements";

/// A statement that an operator has signed.
pub struct Upload<'a> {
    /// Who asks the exchange.
    pub worker: &'a Rc<Worker>,
    /// Who brings it.
    pub operator: &'a Operator,
    /// Rail and day.
    pub params: &'a Params<'a>,
    /// The statement.
    pub body: &'a str,
    /// In which unit the reply's times are.
    pub unit: TimeUnit,
}

/// What the ledger knows.
#[derive(Default)]
struct Known {
    day: RailDay,
    cases: Vec<NewCase>,
}

impl Upload<'_> {
    /// Takes the statement: what became of each line, and which cases were opened. With `dryRun` none is.
    ///
    /// # Errors
    /// -1130 with line and column for a statement that cannot be read, -1008 while another is at work, and
    /// what the dialect says to wrong parameters.
    pub async fn take(&self, method: &Method) -> Result<Vec<u8>, ApiError> {
        if method != Method::POST {
            return Err(ApiError::wrong_http_method());
        }
        self.operator.needs(Right::Treasury)?;
        self.params.check()?;
        self.params.only(&["rail", "date", "dryRun"])?;
        let day = Day::parse(self.params.required("date")?).ok_or_else(|| ApiError::invalid_parameter("date"))?;
        let rail = self.rail()?;
        let is_dry = self.params.boolean("dryRun")?.unwrap_or(false);
        let lines = self.lines()?;
        let place = self.gateway().statements.try_acquire().map_err(|_| ApiError::busy())?;
        let (tenant, zone) = (self.tenant(), self.gateway().zone(self.tenant()));
        let beside = (day.before(&zone), day.behind(&zone));
        let query = move |store: &ReadStore| {
            let day = movements_of(store, tenant, rail, day, &zone)?;
            Ok(Known { day, cases: known_cases(store, tenant, rail)? })
        };
        let (position, known) = past::ask_if_kept(&self.gateway().exchange, past::as_of(query)).await?;
        let findings = reconcile(&lines, &known.day.movements);
        let wanted = findings.iter().flat_map(|finding| finding.cases(rail));
        let new = unopened(wanted, &known.cases);
        let mut opened = 0;
        if !is_dry {
            if new.len() > CASES_MAX {
                let msg = format!("The statement would open {} cases, and may open {CASES_MAX}.", new.len());
                return Err(ApiError::naming(-1130, msg));
            }
            for case in &new {
                self.open(*case).await?;
                opened += 1;
            }
        }
        drop(place);
        let (operator, rail_name) = (&self.operator.name, self.gateway().rails.name(tenant, rail));
        tracing::info!(%operator, %tenant, rail = %rail_name, %day, lines = lines.len(), opened, "a statement was taken");
        let report = Report {
            rail: &rail_name,
            day,
            beside,
            lines: &lines,
            findings: &findings,
            new: new.len(),
            opened,
            is_dry,
        };
        Ok(report.write(&self.view(), position, &known.day))
    }

    async fn open(&self, case: NewCase) -> Result<(), ApiError> {
        let command = TransactionCommand::OpenCase { case, time: Nanos::ZERO };
        // One after the other, however many: what is left undone, the same statement does when it comes again.
        let request = Request::Transaction { command, deadline: Nanos(u64::MAX) };
        let release = self.worker.ask(self.tenant(), request).await?;
        match release.answer.as_ref().map(|(_, reply)| reply) {
            Some(Reply::Transacted { .. }) => Ok(()),
            Some(Reply::Rejected(reason)) => Err(ApiError::of_reason(*reason, Asked::PLACE)),
            _ => Err(ApiError::unknown()),
        }
    }

    fn lines(&self) -> Result<Vec<StatementLine>, ApiError> {
        let (gateway, tenant) = (self.gateway(), self.tenant());
        let asset = |name: &str| {
            let asset = gateway.asset_named(tenant, name)?;
            Some((asset, gateway.asset(tenant, asset)?.scale))
        };
        statement::parse(self.body, asset)
            .map_err(|fault| ApiError::naming(-1130, format!("The statement cannot be read: {fault}.")))
    }

    fn rail(&self) -> Result<RailId, ApiError> {
        let name = self.params.required("rail")?;
        let label = Label::new(name).ok_or_else(|| ApiError::invalid_parameter("rail"))?;
        let found = self.gateway().rails.find(self.tenant(), &label);
        // Nobody states what an operator has brought in directly.
        let found = found.map(|(rail, _)| rail).filter(|rail| *rail != RailId::DIRECT);
        found.ok_or_else(|| ApiError::invalid_parameter("rail"))
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

fn known_cases(store: &ReadStore, tenant: TenantId, rail: RailId) -> Result<Vec<NewCase>, ReadStoreError> {
    let mut cases = Vec::new();
    each_case(store, tenant, |case| {
        if case.case.rail == rail {
            cases.push(case.case);
        }
        Ok::<(), ReadStoreError>(())
    })?;
    Ok(cases)
}

/// What is answered.
struct Report<'a> {
    rail: &'a str,
    day: Day,
    /// The days before and behind it.
    beside: (Day, Day),
    lines: &'a [StatementLine],
    findings: &'a [Finding],
    new: usize,
    opened: usize,
    is_dry: bool,
}

impl Report<'_> {
    fn write(&self, view: &View<'_>, position: u64, known: &RailDay) -> Vec<u8> {
        let mut out = Vec::with_capacity(1_024);
        out.extend_from_slice(b"{\"asOf\":");
        json::number(&mut out, position);
        word(&mut out, "rail", self.rail);
        word(&mut out, "date", &self.day.to_string());
        number(&mut out, "lines", self.lines.len() as u64);
        for ending in Ending::ALL {
            let count = self.findings.iter().filter(|finding| finding.ending == ending).count();
            number(&mut out, ending.name(), count as u64);
        }
        number(&mut out, "newCases", self.new as u64);
        number(&mut out, "casesOpened", self.opened as u64);
        key(&mut out, "dryRun");
        json::boolean(&mut out, self.is_dry);
        self.write_sums(&mut out, view, known);
        key(&mut out, "differences");
        let differing = self.findings.iter().filter(|finding| finding.ending != Ending::Matched);
        json::array(&mut out, differing, |out, finding| {
            out.extend_from_slice(b"{\"ending\":");
            json::string(out, finding.ending.name());
            if let (Ending::Neighbour, Some(movement)) = (finding.ending, &finding.movement) {
                let (before, behind) = self.beside;
                let date = if movement.entry < known.entries.0 { before } else { behind };
                word(out, "date", &date.to_string());
            }
            write_finding(out, view, finding);
        });
        out.push(b'}');
        out
    }

    /// Per asset: what the statement says that the rail owes more, what the ledger says, and what was corrected.
    fn write_sums(&self, out: &mut Vec<u8>, view: &View<'_>, known: &RailDay) {
        let mut sums: BTreeMap<AssetId, [i128; 3]> = BTreeMap::new();
        for line in self.lines {
            sums.entry(line.asset).or_default()[0] += signed(line.direction, line.amount);
        }
        for (asset, posted) in known.posted() {
            sums.entry(asset).or_default()[1] += posted;
        }
        for (asset, corrected) in &known.corrections {
            sums.entry(*asset).or_default()[2] += corrected;
        }
        key(out, "sums");
        json::array(out, sums, |out, (asset, [stated, posted, corrected])| {
            out.extend_from_slice(b"{\"asset\":");
            view.gateway.asset_name(out, view.tenant, asset);
            for (name, sum) in [("stated", stated), ("posted", posted), ("corrected", corrected)] {
                view.amount(out, name, Some(asset), Amount(sum));
            }
            out.push(b'}');
        });
    }
}

/// Goes on with what a line and a movement say.
fn write_finding(out: &mut Vec<u8>, view: &View<'_>, finding: &Finding) {
    let named = finding.line.as_ref().map(|line| line.reference);
    let reference = named.or_else(|| finding.movement.as_ref().and_then(|movement| movement.reference));
    if let Some(reference) = reference {
        word(out, "reference", reference.as_str());
    }
    if let Some(line) = &finding.line {
        number(out, "line", line.line as u64);
        write_side(out, view, "stated", line.direction, line.asset, line.amount);
    }
    if let Some(movement) = &finding.movement {
        write_side(out, view, "posted", movement.direction, movement.asset, movement.amount);
        number(out, "entry", movement.entry);
        if movement.transaction.0 > 0 {
            number(out, "transaction", movement.transaction.0);
        }
        view.time(out, "time", movement.time);
    }
    out.push(b'}');
}

fn write_side(out: &mut Vec<u8>, view: &View<'_>, name: &str, direction: Direction, asset: AssetId, amount: Amount) {
    key(out, name);
    out.extend_from_slice(b"{\"direction\":");
    json::string(out, if direction == Direction::In { "in" } else { "out" });
    key(out, "asset");
    view.gateway.asset_name(out, view.tenant, asset);
    view.amount(out, "amount", Some(asset), amount);
    out.push(b'}');
}
