//! What operators see: the metric catalogue, and handles that the hot path can afford.
//!
//! Counters and gauges are handles of the `metrics` crate, resolved once per tenant and pair.
//! Latencies are counted into fixed buckets of our own: the exporter would keep every sample until
//! it is drained, which at the rates of a book costs a tenth of a core.

pub mod audit;
pub mod money;

use std::fmt::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use rialto_engine::ids::MarketId;
use rialto_engine::message::{BookEvent, BookOutcome, Phase, ToWallet};
use rialto_engine::reason::Reason;
use rialto_engine::update::{OrderEvent, OrderUpdate};
use rialto_engine::wallet::{Command, SettledResult};

use crate::api::Stamps;
use crate::directory::{Directory, TenantEntry};
use money::MoneyMetrics;

/// Upper bounds in nanoseconds: powers of two from 1 µs to 4 s, and the bounds of the service
/// level objectives (1, 5, 10 and 50 ms).
const BOUNDS: [u64; 27] = [
    1_000,
    2_000,
    4_000,
    8_000,
    16_000,
    32_000,
    64_000,
    128_000,
    256_000,
    512_000,
    1_000_000,
    1_024_000,
    2_048_000,
    4_096_000,
    5_000_000,
    8_192_000,
    10_000_000,
    16_384_000,
    32_768_000,
    50_000_000,
    65_536_000,
    131_072_000,
    262_144_000,
    524_288_000,
    1_048_576_000,
    2_097_152_000,
    4_194_304_000,
];
/// Upper bounds of batch sizes in records.
const SIZES: [u64; 15] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192, 16_384];

/// A Prometheus histogram with fixed buckets. Recording is three uncontended additions.
struct Histogram<const N: usize> {
    bounds: [u64; N],
    buckets: [AtomicU64; N],
    above: AtomicU64,
    sum: AtomicU64,
}

static ORDER_ACK: Histogram<27> = Histogram::new(BOUNDS);
static JOURNAL_FLUSH: Histogram<27> = Histogram::new(BOUNDS);
static JOURNAL_BATCH: Histogram<15> = Histogram::new(SIZES);
/// The stages of an answer, in order; together they are the whole way.
const STAGES: [&str; 5] = ["admit", "match", "settle", "journal", "push"];
static STAGE: [Histogram<27>; STAGES.len()] = [const { Histogram::new(BOUNDS) }; STAGES.len()];

static EXPORTER: OnceLock<PrometheusHandle> = OnceLock::new();

impl<const N: usize> Histogram<N> {
    const fn new(bounds: [u64; N]) -> Self {
        Self { bounds, buckets: [const { AtomicU64::new(0) }; N], above: AtomicU64::new(0), sum: AtomicU64::new(0) }
    }

    fn record(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.buckets.get(bucket).unwrap_or(&self.above).fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// `divisor` turns recorded units into base units: 10^9 for seconds, 1 for counts.
    fn render(&self, name: &str, labels: &str, divisor: u64, text: &mut String) {
        let comma = if labels.is_empty() { "" } else { "," };
        let mut total = 0;
        for (bound, bucket) in self.bounds.iter().zip(&self.buckets) {
            total += bucket.load(Ordering::Relaxed);
            let bound = decimal(*bound, divisor);
            writeln!(text, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {total}").ok();
        }
        total += self.above.load(Ordering::Relaxed);
        let braces = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        writeln!(text, "{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {total}").ok();
        writeln!(text, "{name}_sum{braces} {}", decimal(self.sum.load(Ordering::Relaxed), divisor)).ok();
        writeln!(text, "{name}_count{braces} {total}").ok();
    }
}

/// A fixed-point number as text, without trailing zeros.
fn decimal(value: u64, divisor: u64) -> String {
    if divisor == 1 {
        return value.to_string();
    }
    let text = format!("{}.{:09}", value / divisor, value % divisor);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Installs the recorder, once per process. Later calls change nothing.
pub fn install() {
    EXPORTER.get_or_init(|| {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        // Another recorder, in a test of somebody else, is not ours to replace.
        metrics::set_global_recorder(recorder).ok();
        describe();
        begin();
        handle
    });
}

/// All metrics in the text format of Prometheus.
#[must_use]
pub fn render() -> String {
    let Some(exporter) = EXPORTER.get() else {
        return String::new();
    };
    exporter.run_upkeep();
    let mut text = exporter.render();
    let head = |name: &str, help: &str, text: &mut String| {
        writeln!(text, "# HELP {name} {help}\n# TYPE {name} histogram").ok();
    };
    head("rialto_order_ack_seconds", "From the socket to the answer, of commands.", &mut text);
    ORDER_ACK.render("rialto_order_ack_seconds", "", 1_000_000_000, &mut text);
    head("rialto_stage_seconds", "The same by stage; the stages add up to the whole.", &mut text);
    for (stage, histogram) in STAGES.iter().zip(&STAGE) {
        histogram.render("rialto_stage_seconds", &format!("stage=\"{stage}\""), 1_000_000_000, &mut text);
    }
    head("rialto_journal_flush_seconds", "One durable append of a group.", &mut text);
    JOURNAL_FLUSH.render("rialto_journal_flush_seconds", "", 1_000_000_000, &mut text);
    head("rialto_journal_batch_records", "Records in one durable append.", &mut text);
    JOURNAL_BATCH.render("rialto_journal_batch_records", "", 1, &mut text);
    money::render(&mut text);
    text
}

fn describe() {
    describe_counter!("rialto_orders_total", "Orders by outcome.");
    describe_counter!("rialto_rejects_total", "Refused commands by reason.");
    describe_counter!("rialto_commands_total", "Cancels, reductions and replacements carried out, by kind.");
    describe_counter!("rialto_trades_total", "Trades settled.");
    describe_counter!("rialto_journal_bytes_total", "Bytes appended to the journal.");
    describe_gauge!("rialto_journal_last_seq", "The last durable record.");
    describe_gauge!(
        "rialto_settlement_last_seq",
        "The last record that was replayed, proven and put into the read store."
    );
    describe_gauge!("rialto_queue_depth", "Messages waiting, by queue.");
    describe_gauge!("rialto_queue_capacity", "Room of a queue.");
    describe_gauge!("rialto_book_orders", "Resting orders.");
    describe_gauge!("rialto_book_best_bid_ticks", "Best bid.");
    describe_gauge!("rialto_book_best_ask_ticks", "Best ask.");
    describe_gauge!(
        "rialto_market_phase",
        "0 before the opening, 1 auction, 2 continuous, 3 halted, 4 cancels only, 5 closed."
    );
    describe_counter!("rialto_auctions_total", "Times an auction ended, whether anything traded in it or not.");
    describe_counter!("rialto_interruptions_total", "Times a band was reached and trading went over to an auction.");
    describe_counter!("rialto_resumed_turns_total", "Turns of resting orders that are not displayed.");
    describe_gauge!("rialto_permits_in_use", "Commands under way.");
    describe_counter!("rialto_busy_total", "Requests refused because every permit was in use.");
    describe_counter!("rialto_shed_total", "What was given up under load, by what it was.");
    describe_counter!("rialto_actor_restarts_total", "Times the partition was rebuilt from its journal.");
    describe_counter!("rialto_market_data_restarts_total", "Times market data panicked and began anew from the books.");
    describe_gauge!(
        "rialto_market_data_whole",
        "1 while every market is told, 0 while books are missing after a panic."
    );
    describe_counter!("rialto_openings_total", "Times requests were paused to open or change something.");
    describe_gauge!("rialto_opening_pause_seconds", "How long the last of these pauses took.");
    describe_gauge!("rialto_journal_stalled", "1 if a commit of the journal took too long and was given up.");
    describe_gauge!("rialto_ready", "1 while requests are taken.");
    describe_gauge!("rialto_snapshot_timestamp_seconds", "When the last snapshot was written.");
    describe_gauge!("rialto_recovery_seconds", "How long the last recovery took.");
    describe_gauge!("rialto_ws_sessions", "Open WebSocket sessions.");
    describe_counter!("rialto_ws_slow_consumer_disconnects_total", "Sessions closed because they did not read.");
    describe_gauge!("rialto_build_info", "1, with the version as a label.");
    money::describe();
    audit::describe();
    audit::describe_rails();
}

/// Shows what has not happened yet as 0: a counter that first appears at 1 has, to `increase()`,
/// never increased. A snapshot timestamp of 0 says that this process has written none.
fn begin() {
    counter!("rialto_actor_restarts_total").increment(0);
    counter!("rialto_ws_slow_consumer_disconnects_total").increment(0);
    counter!("rialto_market_data_restarts_total").increment(0);
    counter!("rialto_journal_bytes_total").increment(0);
    counter!("rialto_openings_total").increment(0);
    gauge!("rialto_opening_pause_seconds").set(0.0);
    gauge!("rialto_market_data_whole").set(1.0);
    gauge!("rialto_journal_stalled").set(0.0);
    gauge!("rialto_ws_sessions").set(0.0);
    gauge!("rialto_snapshot_timestamp_seconds").set(0.0);
}

/// Records the way of an answered command; `sent` is when its answer was handed to the socket.
pub fn answered(stamps: &Stamps, sent: u64) {
    let Stamps { received, submitted, matched, settled, journaled } = *stamps;
    if received == 0 || settled == 0 {
        // A query, or a command that was refused before it reached a book.
        return;
    }
    ORDER_ACK.record(sent.saturating_sub(received));
    let moments = [received, submitted, matched, settled, journaled, sent];
    for (stage, pair) in STAGE.iter().zip(moments.windows(2)) {
        stage.record(pair[1].saturating_sub(pair[0]));
    }
}

/// Records one durable append.
pub fn journal_flushed(nanos: u64, records: u64, bytes: usize, last: u64) {
    static HANDLE: OnceLock<Counter> = OnceLock::new();
    JOURNAL_FLUSH.record(nanos);
    JOURNAL_BATCH.record(records);
    HANDLE.get_or_init(|| counter!("rialto_journal_bytes_total")).increment(bytes as u64);
    durable(last);
}

/// Records the end of the journal.
pub fn durable(last: u64) {
    static HANDLE: OnceLock<Gauge> = OnceLock::new();
    HANDLE.get_or_init(|| gauge!("rialto_journal_last_seq")).set(lossy(last));
}

/// Records that a commit was given up. Only a new process takes that back.
pub fn journal_stalled() {
    gauge!("rialto_journal_stalled").set(1.0);
}

/// Records that market data panicked.
pub fn market_data_restarted() {
    counter!("rialto_market_data_restarts_total").increment(1);
}

/// Records that something else is open, and how long others were kept waiting for it.
pub fn opened(pause: Duration) {
    counter!("rialto_openings_total").increment(1);
    gauge!("rialto_opening_pause_seconds").set(pause.as_secs_f64());
}

/// Records whether market data tells every market.
pub fn market_data_whole(whole: bool) {
    gauge!("rialto_market_data_whole").set(f64::from(u8::from(whole)));
}

/// Records how far the follower has come.
pub fn followed(position: u64) {
    static HANDLE: OnceLock<Gauge> = OnceLock::new();
    HANDLE.get_or_init(|| gauge!("rialto_settlement_last_seq")).set(lossy(position));
}

/// Records that a snapshot was written.
pub fn snapshot_written() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    gauge!("rialto_snapshot_timestamp_seconds").set(lossy(now.as_secs()));
}

/// Records a start of the partition.
pub fn recovered(began: Instant) {
    gauge!("rialto_recovery_seconds").set(began.elapsed().as_secs_f64());
    gauge!("rialto_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

/// A count as Prometheus wants it. Exact below 2^53.
#[expect(clippy::cast_precision_loss, reason = "a gauge is a double; these counts stay below 2^53")]
pub fn lossy(count: u64) -> f64 {
    count as f64
}

/// The counters of a tenant, by market.
#[derive(Clone)]
pub struct TenantMetrics {
    markets: Vec<OrderCounters>,
    rejected: Vec<Counter>,
}

#[derive(Clone)]
struct OrderCounters {
    accepted: Counter,
    rejected: Counter,
    canceled: Counter,
    reduced: Counter,
    replaced: Counter,
    trades: Counter,
}

/// The gauges and counters of a market's book.
#[derive(Clone)]
pub struct MarketMetrics {
    orders: Gauge,
    best_bid: Gauge,
    best_ask: Gauge,
    phase: Gauge,
    auctions: Counter,
    interruptions: Counter,
    resumed: Counter,
}

impl TenantMetrics {
    /// Resolves the handles of a tenant.
    #[must_use]
    pub fn of(tenant: &TenantEntry) -> Self {
        let orders = |pair: &str, outcome: &'static str| counter!("rialto_orders_total", "tenant" => tenant.name.clone(), "pair" => pair.to_owned(), "outcome" => outcome);
        let commands = |pair: &str, kind: &'static str| counter!("rialto_commands_total", "tenant" => tenant.name.clone(), "pair" => pair.to_owned(), "kind" => kind);
        let market = |pair: &str| OrderCounters {
            accepted: orders(pair, "accepted"),
            rejected: orders(pair, "rejected"),
            canceled: commands(pair, "cancel"),
            reduced: commands(pair, "reduce"),
            replaced: commands(pair, "replace"),
            trades: counter!("rialto_trades_total", "tenant" => tenant.name.clone(), "pair" => pair.to_owned()),
        };
        let rejected = |reason: &Reason| counter!("rialto_rejects_total", "tenant" => tenant.name.clone(), "code" => reason.name());
        Self {
            markets: tenant.markets.iter().map(|entry| market(&entry.symbol)).collect(),
            rejected: Reason::ALL.iter().map(rejected).collect(),
        }
    }

    /// A command was refused.
    pub fn rejected(&self, reason: Reason) {
        if let Some(place) = Reason::ALL.iter().position(|candidate| *candidate == reason) {
            self.rejected[place].increment(1);
        }
    }

    /// A wallet refused a command: the orders that never came to be, if it was to bring any.
    pub fn refused(&self, command: &Command) {
        let places = match command {
            Command::Place(place) | Command::Replace { place, .. } => std::slice::from_ref(place),
            Command::PlaceList(list) => list.places.as_slice(),
            _ => &[],
        };
        if let Some(counters) = places.first().and_then(|place| self.markets.get(usize::from(place.market.0))) {
            counters.rejected.increment(places.len() as u64);
        }
    }

    /// A book's answer was settled, and owners were told this.
    pub fn settled(&self, market: MarketId, result: &SettledResult, fills: usize, updates: &[OrderUpdate]) {
        let counters = &self.markets[usize::from(market.0)];
        if fills > 0 {
            counters.trades.increment(fills as u64);
        }
        let failed = |reason: &Reason| self.rejected(*reason);
        match result {
            SettledResult::Placed(Ok(())) => counters.accepted.increment(1),
            SettledResult::Placed(Err(reason)) => {
                counters.rejected.increment(1);
                failed(reason);
            }
            SettledResult::PlacedList(placed) => {
                let count = |is_one: fn(&OrderEvent) -> bool| {
                    updates.iter().filter(|update| is_one(&update.event)).count() as u64
                };
                counters.accepted.increment(count(|event| matches!(event, OrderEvent::New)));
                counters.rejected.increment(count(|event| matches!(event, OrderEvent::Rejected(_))));
                placed.as_ref().err().into_iter().for_each(failed);
            }
            SettledResult::Canceled(Ok(())) | SettledResult::CanceledMany => counters.canceled.increment(1),
            // What these do to a market is counted by its book; a series more would be one for every market.
            SettledResult::Entered(_) | SettledResult::Protected => {}
            // Nobody asked for these.
            SettledResult::Continued | SettledResult::Advanced => {}
            SettledResult::Reduced(Ok(())) => counters.reduced.increment(1),
            SettledResult::Canceled(Err(reason)) | SettledResult::Reduced(Err(reason)) => failed(reason),
            SettledResult::Replaced { canceled, placed, .. } => {
                counters.replaced.increment(1);
                canceled
                    .as_ref()
                    .err()
                    .into_iter()
                    .chain(placed.as_ref().and_then(|it| it.as_ref().err()))
                    .for_each(failed);
                match placed {
                    Some(Ok(())) => counters.accepted.increment(1),
                    Some(Err(_)) => counters.rejected.increment(1),
                    None => {}
                }
            }
        }
    }
}

impl MarketMetrics {
    /// What a book answered, in this phase before.
    pub fn answered(&self, answer: &ToWallet, mut phase: Phase) {
        let mut enters = |next: Phase| {
            let carried_out = std::mem::replace(&mut phase, next).may_be_crossed() && !next.may_be_crossed();
            self.auctions.increment(u64::from(carried_out));
        };
        if let BookOutcome::Entered(next) = answer.outcome {
            enters(next);
        }
        for event in &answer.events {
            match *event {
                BookEvent::PhaseChanged { phase: next, .. } => {
                    enters(next);
                    // By itself a market goes over to an auction for one reason only.
                    self.interruptions.increment(u64::from(next == Phase::Auction));
                }
                BookEvent::Resumed { .. } => self.resumed.increment(1),
                BookEvent::Lapsed { .. } | BookEvent::Decremented { .. } | BookEvent::Triggered { .. } => {}
            }
        }
    }

    /// Resolves the handles of every market of a tenant.
    #[must_use]
    pub fn of(tenant: &TenantEntry) -> Vec<Self> {
        let gauges = |pair: &str| {
            let labels = [("tenant", tenant.name.clone()), ("pair", pair.to_owned())];
            Self {
                orders: gauge!("rialto_book_orders", &labels),
                best_bid: gauge!("rialto_book_best_bid_ticks", &labels),
                best_ask: gauge!("rialto_book_best_ask_ticks", &labels),
                phase: gauge!("rialto_market_phase", &labels),
                auctions: counter!("rialto_auctions_total", &labels),
                interruptions: counter!("rialto_interruptions_total", &labels),
                resumed: counter!("rialto_resumed_turns_total", &labels),
            }
        };
        tenant.markets.iter().map(|market| gauges(&market.symbol)).collect()
    }

    /// How the book stands after a turn.
    pub fn stands(&self, orders: usize, best_bid: Option<u64>, best_ask: Option<u64>, phase: Phase) {
        self.phase.set(f64::from(phase as u8));
        self.orders.set(lossy(orders as u64));
        self.best_bid.set(best_bid.map_or(f64::NAN, lossy));
        self.best_ask.set(best_ask.map_or(f64::NAN, lossy));
    }
}

/// Resolves all handles of a directory.
#[must_use]
pub fn handles(directory: &Directory) -> Vec<Handles> {
    let of = |tenant| Handles {
        tenant: TenantMetrics::of(tenant),
        money: MoneyMetrics::of(tenant),
        markets: MarketMetrics::of(tenant),
    };
    directory.tenants().iter().map(of).collect()
}

/// All handles of a tenant.
pub struct Handles {
    /// Of its wallet.
    pub tenant: TenantMetrics,
    /// Of its transactions.
    pub money: MoneyMetrics,
    /// Of its books, by market.
    pub markets: Vec<MarketMetrics>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_renders_cumulative_buckets() {
        let histogram = Histogram::new([1_000, 2_000]);
        [500, 1_000, 1_500, 9_000].iter().for_each(|value| histogram.record(*value));
        let mut text = String::new();
        histogram.render("x_seconds", "stage=\"a\"", 1_000_000_000, &mut text);
        let expected = "x_seconds_bucket{stage=\"a\",le=\"0.000001\"} 2\n\
                        x_seconds_bucket{stage=\"a\",le=\"0.000002\"} 3\n\
                        x_seconds_bucket{stage=\"a\",le=\"+Inf\"} 4\n\
                        x_seconds_sum{stage=\"a\"} 0.000012\n\
                        x_seconds_count{stage=\"a\"} 4\n";
        assert_eq!(text, expected);
    }
}
