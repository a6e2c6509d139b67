//! What operators see of money under way.

use std::fmt::Write as _;

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};
use rialto_engine::ids::AssetId;
use rialto_engine::transaction::{
    Ask, Body, Happening, RailCall, Transaction, TransactionCommand, TransactionEvent, TransactionKind,
};
use rialto_engine::wallet::{House, Wallet};

use super::{Histogram, lossy};
use crate::directory::TenantEntry;
use crate::wallet_actor::pending::Pending;

const SECOND: u64 = 1_000_000_000;
/// Upper bounds in nanoseconds of how long a transaction takes: from a millisecond to a week.
const AGES: [u64; 14] = [
    1_000_000,
    10_000_000,
    100_000_000,
    SECOND,
    5 * SECOND,
    15 * SECOND,
    60 * SECOND,
    300 * SECOND,
    900 * SECOND,
    3_600 * SECOND,
    6 * 3_600 * SECOND,
    86_400 * SECOND,
    3 * 86_400 * SECOND,
    7 * 86_400 * SECOND,
];
const KINDS: usize = TransactionKind::ALL.len();
static AGE: [Histogram<14>; KINDS] = [const { Histogram::new(AGES) }; KINDS];

/// The counters and gauges of a tenant's transactions.
#[derive(Clone)]
pub struct MoneyMetrics {
    kinds: Vec<KindCounters>,
    asks: Vec<Counter>,
    notices: Counter,
    timers: Gauge,
    pending: Gauge,
    stuck: Gauge,
    cases: Gauge,
    oldest: Gauge,
    /// By asset.
    suspense: Vec<Gauge>,
}

#[derive(Clone)]
struct KindCounters {
    opened: Counter,
    confirmed: Counter,
    canceled: Counter,
    refused: Counter,
    drives: Counter,
}

/// The asks by number, and their names.
const ASKS: [(Ask, &str); 3] = [(Ask::Submit, "submit"), (Ask::Query, "query"), (Ask::Cancel, "cancel")];

pub(super) fn describe() {
    describe_counter!("rialto_transactions_total", "Transactions by kind and outcome.");
    describe_counter!("rialto_transaction_drives_total", "Times a timer ran out, by kind.");
    describe_counter!("rialto_transaction_attempts_total", "What was asked of rails and told to tenants, by kind.");
    describe_counter!("rialto_outlet_sent_total", "Calls and notices handed to whoever carries them.");
    describe_counter!("rialto_outlet_dropped_total", "Calls and notices for which there was no room: asked again.");
    describe_gauge!("rialto_transaction_timers", "Transactions that have a timer.");
    describe_gauge!("rialto_transactions_pending", "Transactions that can still change.");
    describe_gauge!("rialto_transactions_stuck", "Transactions that wait for an operator.");
    describe_gauge!("rialto_cases_open", "Differences that somebody must explain.");
    describe_gauge!(
        "rialto_transaction_oldest_timestamp_seconds",
        "When the oldest transaction that can still change was tried; 0 if there is none."
    );
    describe_gauge!("rialto_suspense_balance", "Money that nothing explains yet, in minor units.");
}

pub(super) fn render(text: &mut String) {
    let name = "rialto_transaction_seconds";
    writeln!(text, "# HELP {name} From the first moment of a transaction to its end.\n# TYPE {name} histogram").ok();
    for (kind, histogram) in TransactionKind::ALL.iter().zip(&AGE) {
        histogram.render(name, &format!("kind=\"{}\"", kind.name()), SECOND, text);
    }
}

impl MoneyMetrics {
    /// Resolves the handles of a tenant.
    #[must_use]
    pub fn of(tenant: &TenantEntry) -> Self {
        let name = || tenant.name.clone();
        let kind = |kind: TransactionKind| {
            let outcome = |outcome: &'static str| counter!("rialto_transactions_total", "tenant" => name(), "kind" => kind.name(), "outcome" => outcome);
            KindCounters {
                opened: outcome("opened"),
                confirmed: outcome("confirmed"),
                canceled: outcome("canceled"),
                refused: outcome("refused"),
                drives: counter!("rialto_transaction_drives_total", "tenant" => name(), "kind" => kind.name()),
            }
        };
        let attempts =
            |what: &'static str| counter!("rialto_transaction_attempts_total", "tenant" => name(), "what" => what);
        let suspense = |asset: &str| gauge!("rialto_suspense_balance", "tenant" => name(), "asset" => asset.to_owned());
        Self {
            kinds: TransactionKind::ALL.into_iter().map(kind).collect(),
            asks: ASKS.iter().map(|(_, name)| attempts(name)).collect(),
            notices: attempts("notice"),
            timers: gauge!("rialto_transaction_timers", "tenant" => name()),
            pending: gauge!("rialto_transactions_pending", "tenant" => name()),
            stuck: gauge!("rialto_transactions_stuck", "tenant" => name()),
            cases: gauge!("rialto_cases_open", "tenant" => name()),
            oldest: gauge!("rialto_transaction_oldest_timestamp_seconds", "tenant" => name()),
            suspense: tenant.assets.iter().map(|asset| suspense(&asset.name)).collect(),
        }
    }

    /// Something happened to a transaction.
    pub fn happened(&self, event: &TransactionEvent) {
        let Some(kind) = event.transaction.body.as_ref().map(Body::kind) else { return };
        let counters = &self.kinds[kind as usize];
        let counter = match event.what {
            Happening::Opened => return counters.opened.increment(1),
            Happening::Confirmed => &counters.confirmed,
            Happening::Canceled => &counters.canceled,
            _ => return,
        };
        counter.increment(1);
        AGE[kind as usize].record(event.time.0.saturating_sub(event.transaction.opened.0));
    }

    /// A command was refused.
    pub fn refused(&self, command: &TransactionCommand) {
        if let TransactionCommand::Try { body, .. } = command {
            self.kinds[body.kind() as usize].refused.increment(1);
        }
    }

    /// The timer of a transaction has run out.
    pub fn driven(&self, transaction: Option<&Transaction>) {
        if let Some(body) = transaction.and_then(|transaction| transaction.body.as_ref()) {
            self.kinds[body.kind() as usize].drives.increment(1);
        }
    }

    /// So much is asked of rails, and told to tenants.
    pub fn asked(&self, calls: &[RailCall], notices: usize) {
        for call in calls {
            if let Some(place) = ASKS.iter().position(|(ask, _)| *ask == call.ask) {
                self.asks[place].increment(1);
            }
        }
        if notices > 0 {
            self.notices.increment(notices as u64);
        }
    }

    /// How a wallet stands after a turn.
    pub fn stands(&self, wallet: &Wallet, pending: &Pending) {
        self.timers.set(lossy(wallet.live_count() as u64));
        self.pending.set(lossy(pending.count() as u64));
        self.stuck.set(lossy(pending.stuck() as u64));
        self.oldest.set(lossy(pending.oldest(wallet).unwrap_or_default().0 / SECOND));
    }

    /// What nothing explains yet.
    pub fn suspense(&self, wallet: &Wallet) {
        self.cases.set(lossy(wallet.open_cases().count() as u64));
        for (gauge, asset) in self.suspense.iter().zip(0..) {
            gauge.set(minor_units(wallet.house(AssetId(asset), House::Suspense).0));
        }
    }
}

/// An amount as Prometheus wants it. Exact below 2^53, and nothing is counted by it.
#[expect(clippy::cast_precision_loss, reason = "a gauge is a double, and an alert needs no more than its size")]
fn minor_units(amount: i128) -> f64 {
    amount as f64
}
