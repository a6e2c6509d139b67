//! What the auditor sees of the ledger, from the state that it has replayed and compared: never more
//! than its lag behind the live one.
//!
//! Each of these is zero, or not below zero, on a good day. What waits for a moment may show for a moment;
//! the alert rules say for how long that is no alarm.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use metrics::{Gauge, describe_counter, describe_gauge, gauge};
use rialto_engine::ids::{AccountId, AssetId, TenantId};
use rialto_engine::transaction::CaseKind;
use rialto_engine::wallet::{House, Wallet};
use rialto_persistence::world::{Tenant, World};

/// How often the gauges are set.
const EVERY: Duration = Duration::from_secs(1);
/// How often all accounts are summed up, which takes time for each of them.
const SUM_EVERY: Duration = Duration::from_secs(30);

pub(super) fn describe() {
    describe_gauge!(
        "rialto_ledger_clearing_balance",
        "Money between wallets, in minor units: zero when nothing is under way."
    );
    describe_gauge!("rialto_ledger_rounding_balance", "What rounding has left, in minor units: never below zero.");
    describe_gauge!("rialto_ledger_imbalance", "What all accounts of an asset sum to, in minor units: zero.");
    describe_gauge!(
        "rialto_ledger_suspense_unexplained",
        "What is in suspense beside what open cases explain, in minor units."
    );
    describe_gauge!("rialto_tenant_shadow", "1 for a tenant that only tries things out: nobody is to be woken for it.");
    describe_gauge!("rialto_event_lag", "Events that whoever must be told has not taken, of transactions under way.");
}

/// What is told of rails and of those who must be told: counted where they are asked.
pub(super) fn describe_rails() {
    describe_gauge!("rialto_rail_breaker", "How a rail stands: 0 asked, 1 on trial, 2 left alone.");
    describe_gauge!("rialto_rail_in_flight", "Calls of a rail under way.");
    describe_gauge!("rialto_timers_held", "Timers of a rail that have run out and wait, since it is left alone.");
    describe_counter!("rialto_rail_calls_total", "Calls of a rail by outcome.");
    describe_counter!("rialto_rail_call_nanoseconds_total", "Time spent on calls of a rail.");
    describe_counter!("rialto_rail_calls_dropped_total", "Calls of a rail that were not made: asked again.");
    describe_counter!("rialto_rail_rerouted_total", "Transactions that took another rail.");
    describe_counter!("rialto_rail_returns_dropped_total", "What rails said and there was no room for: asked again.");
    describe_counter!("rialto_rail_unknown_assets_total", "Movements in a currency that the tenant does not have.");
    describe_counter!("rialto_webhooks_total", "Events told by outcome.");
    describe_counter!("rialto_webhooks_dropped_total", "Events that were not told: told again.");
}

/// The gauges of the auditor.
#[derive(Default)]
pub struct AuditMetrics {
    tenants: HashMap<TenantId, TenantGauges>,
    last: Option<Instant>,
    last_sum: Option<Instant>,
}

struct TenantGauges {
    /// By asset.
    assets: Vec<AssetGauges>,
    lag: Gauge,
}

struct AssetGauges {
    clearing: Gauge,
    rounding: Gauge,
    imbalance: Gauge,
    unexplained: Gauge,
}

impl AuditMetrics {
    /// Sets the gauges, at most once a second.
    pub fn sample(&mut self, world: &World) {
        let is_due = |last: Option<Instant>, every| last.is_none_or(|last| last.elapsed() >= every);
        if !is_due(self.last, EVERY) {
            return;
        }
        self.last = Some(Instant::now());
        let is_sum_due = is_due(self.last_sum, SUM_EVERY);
        if is_sum_due {
            self.last_sum = self.last;
        }
        for (tenant, number) in world.tenants.iter().zip(0..) {
            let gauges = self.tenants.entry(TenantId(number)).or_insert_with(|| TenantGauges {
                assets: Vec::new(),
                lag: gauge!("rialto_event_lag", "tenant" => tenant.name.clone()),
            });
            for asset in tenant.assets.get(gauges.assets.len()..).unwrap_or_default() {
                gauges.assets.push(AssetGauges::of(&tenant.name, &asset.name));
            }
            gauges.set(tenant, is_sum_due);
        }
    }
}

impl TenantGauges {
    fn set(&self, tenant: &Tenant, is_sum_due: bool) {
        // Transactions are the first wallet's; the ledger is that of all.
        let wallet = &tenant.wallet;
        let mut explained = vec![0_i128; self.assets.len()];
        // What a statement has found is not posted yet: only what came in or went out is in suspense.
        for case in wallet.open_cases().filter(|case| is_posted(case.case.kind)) {
            if let Some(sum) = explained.get_mut(usize::from(case.case.asset.0)) {
                *sum += case.case.amount.0;
            }
        }
        for ((gauges, explained), number) in self.assets.iter().zip(explained).zip(0..) {
            let asset = AssetId(number);
            let house = |account| tenant.house(asset, account).0;
            // What is on its way between wallets is where it should be.
            gauges.clearing.set(lossy(house(House::Clearing) + tenant.in_passage(asset).0));
            // While one side of a trade between two wallets is settled and the other is not, a unit may be missing.
            let rounding = house(House::Rounding);
            if rounding >= 0 || tenant.messages() == 0 {
                gauges.rounding.set(lossy(rounding));
            }
            gauges.unexplained.set(lossy(house(House::Suspense) - explained));
            if is_sum_due {
                gauges.imbalance.set(lossy(imbalance(tenant, asset)));
            }
        }
        let untold: u64 =
            wallet.live_transactions().map(|live| u64::from(live.events.saturating_sub(live.acknowledged))).sum();
        self.lag.set(super::lossy(untold));
    }
}

impl AssetGauges {
    fn of(tenant: &str, asset: &str) -> Self {
        let named = |name: &'static str| gauge!(name, "tenant" => tenant.to_owned(), "asset" => asset.to_owned());
        Self {
            clearing: named("rialto_ledger_clearing_balance"),
            rounding: named("rialto_ledger_rounding_balance"),
            imbalance: named("rialto_ledger_imbalance"),
            unexplained: named("rialto_ledger_suspense_unexplained"),
        }
    }
}

/// Whether the wallet itself has put the difference into suspense.
const fn is_posted(kind: CaseKind) -> bool {
    match kind {
        CaseKind::Unsolicited
        | CaseKind::Excess
        | CaseKind::Late
        | CaseKind::WrongAsset
        | CaseKind::Short
        | CaseKind::Bounced => true,
        CaseKind::Missing
        | CaseKind::Unexpected
        | CaseKind::Difference
        | CaseKind::Duplicate
        | CaseKind::CurrencyMismatch => false,
    }
}

/// What all accounts of an asset sum to. The supply is what came in over all rails less what went out.
fn imbalance(tenant: &Tenant, asset: AssetId) -> i128 {
    let of = |wallet: &Wallet| {
        let users = (0..wallet.accounts()).map(|number| {
            let account = AccountId(u32::try_from(number).unwrap_or(u32::MAX));
            wallet.accounts_of(account, asset).total().0
        });
        let house = House::ALL.into_iter().map(|account| wallet.house(asset, account).0);
        users.chain(house).sum::<i128>() - wallet.supply(asset).0
    };
    tenant.wallets().map(of).sum()
}

/// Minor units as Prometheus wants them. Exact below 2^53, and never zero for what is not.
#[expect(clippy::cast_precision_loss, reason = "a gauge is a double; the ledger itself has the exact number")]
const fn lossy(units: i128) -> f64 {
    units as f64
}
