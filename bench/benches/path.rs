//! The whole way in process: hold, match, settle, journal durably, release.
//!
//! One thread plays the edge: it submits orders as fast as permits allow and drains the answers.
//! An order counts when its answer was released, that is when it would survive a power cut. The
//! follower replays beside it and feeds the read store, as in production; how far it lags at the
//! end is part of the result.
//!
//! `cargo bench -p rialto-bench --bench path` runs criterion; `-- --table` prints the figures that
//! are quoted, with their conditions. Without `--bench`, as under `cargo test`, it is a quick check.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use rialto_actors::api::{Reply, ReplyToken, Request, WorkerEvent};
use rialto_actors::exchange::{Exchange, MarketSetup, MoneySetup, Options, Setup, Storage, TenantSetup, UserSetup};
use rialto_actors::feed::Feed;
use rialto_engine::ids::{AccountId, ClientOrderId, MarketId, TenantId};
use rialto_engine::market::{MarketFilters, Step};
use rialto_engine::message::{CancelRestriction, Protection};
use rialto_engine::order::{Instructions, OrderKind, Side};
use rialto_engine::units::{Amount, BasisPoints, FeeRate, Nanos, Price, Quantity};
use rialto_engine::wallet::{Cancel, Command, OrderRef, Place, WalletLimits};
use rialto_persistence::journal::memory::MemoryLog;
use rialto_persistence::journal::sled::SledOptions;

const TENANTS: u32 = 2;
const USERS: u32 = 64;

/// The share of each command, in percent; the rest are passive orders.
const CANCELS: u64 = 30;
const TAKERS: u64 = 15;

struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// What was measured in one run.
struct Run {
    orders: u64,
    answers: u64,
    rejected: u64,
    trades: u64,
    seconds: f64,
    /// Records that the follower had still to replay when the last answer was out.
    lag: u64,
}

fn setup() -> Setup {
    let user = |number: u32| UserSetup {
        name: format!("user-{number}"),
        balances: vec![("USD".to_owned(), Amount(10_i128.pow(18))), ("CNY".to_owned(), Amount(10_i128.pow(18)))],
        group: 0,
    };
    let tenant = |number: u32| TenantSetup {
        name: format!("tenant-{number}"),
        limits: WalletLimits::default(),
        shards: 1,
        assets: vec![("USD".to_owned(), 2), ("CNY".to_owned(), 6)],
        markets: vec![MarketSetup {
            symbol: "USDCNY".to_owned(),
            base: "USD".to_owned(),
            quote: "CNY".to_owned(),
            tick: Step { mantissa: 1, scale: 4 },
            lot: Step { mantissa: 1, scale: 2 },
            max_price: Price(1_000_000),
            max_quantity: Quantity(1_000_000_000),
            min_notional: Amount(0),
            maker_fee: FeeRate(10),
            taker_fee: BasisPoints(20),
            filters: MarketFilters::default(),
            protection: Some(Protection::default()),
            schedule: Vec::new(),
        }],
        zone: Default::default(),
        money: MoneySetup::default(),
        is_shadow: false,
        users: (0..USERS).map(user).collect(),
    };
    Setup { tenants: (0..TENANTS).map(tenant).collect() }
}

/// A passive order near a still price, a cancel of a recent one, or a taker.
fn command(number: u64, dice: &mut Dice) -> Command {
    let draw = dice.below(100);
    let name = |number: u64| ClientOrderId::new(&format!("b{number}"));
    if draw < CANCELS && number > 400 {
        // Its owner is told by its number, as below.
        let victim = number - 1 - dice.below(400);
        return Command::Cancel(Cancel {
            account: owner(victim),
            market: MarketId(0),
            target: OrderRef { id: None, client_id: name(victim) },
            restriction: CancelRestriction::None,
            time: Nanos::ZERO,
        });
    }
    let taker = draw >= 100 - TAKERS;
    let side = if dice.below(2) == 0 { Side::Buy } else { Side::Sell };
    let away = 1 + dice.below(24);
    let price = match (side, taker) {
        (Side::Buy, false) | (Side::Sell, true) => 70_000 - away,
        _ => 70_000 + away,
    };
    Command::Place(Place {
        account: owner(number),
        market: MarketId(0),
        client_id: name(number),
        side,
        kind: if taker { OrderKind::ImmediateOrCancel } else { OrderKind::Limit },
        price: Price(price),
        quantity: Quantity(100 + dice.below(10_000)),
        budget: Amount::ZERO,
        time: Nanos::ZERO,
        instructions: Instructions::default(),
    })
}

fn owner(number: u64) -> AccountId {
    AccountId(u32::try_from(number * 7 % u64::from(USERS)).unwrap_or(0))
}

fn measure(storage: Storage, orders: u64) -> Run {
    let mut options = Options::new(storage);
    options.permits = 4_096;
    let (exchange, mut feeds) = Exchange::start(options, &setup()).expect("the exchange starts");
    let feed = feeds.remove(0);
    let mut dice = Dice(42);
    let mut run = Run { orders, answers: 0, rejected: 0, trades: 0, seconds: 0.0, lag: 0 };
    let began = Instant::now();
    for number in 0..orders {
        let tenant = TenantId(u32::try_from(number / 3 % u64::from(TENANTS)).unwrap_or(0));
        let mut next = Some(command(number, &mut dice));
        while let Some(command) = next.take() {
            let token = ReplyToken { worker: 0, slot: 0, generation: 0 };
            let request = Request::Command { command: command.clone(), deadline: Nanos(u64::MAX) };
            if exchange.submit(tenant, request, token, 1).is_err() {
                // Busy: the answers are drained, then the same order goes again.
                if drain(&feed, &mut run) == 0 {
                    std::thread::yield_now();
                }
                next = Some(command);
            }
        }
        if number % 64 == 0 {
            drain(&feed, &mut run);
        }
    }
    while run.answers < orders {
        if drain(&feed, &mut run) == 0 {
            std::thread::yield_now();
        }
    }
    run.seconds = began.elapsed().as_secs_f64();
    run.lag = exchange.read_store().map_or(0, |store| exchange.durable_position() - store.position());
    exchange.shutdown();
    run
}

fn drain(feed: &Feed<WorkerEvent>, run: &mut Run) -> u64 {
    let before = run.answers;
    while let Some(event) = feed.next_message() {
        let WorkerEvent::Released(release) = event else { continue };
        match &release.answer {
            Some((_, Reply::Rejected(_))) => run.rejected += 1,
            Some(_) => {
                let trades = release.updates.iter().filter(
                    |update| matches!(update.event, rialto_engine::update::OrderEvent::Trade(trade) if trade.maker),
                );
                run.trades += trades.count() as u64;
            }
            None => continue,
        }
        run.answers += 1;
    }
    run.answers - before
}

fn report(name: &str, runs: &mut [Run]) {
    runs.sort_by(|left, right| left.seconds.total_cmp(&right.seconds));
    let rate = |run: &Run| run.orders as f64 / run.seconds;
    let median = &runs[runs.len() / 2];
    println!(
        "{name:<8} {:>10.0} orders/s (best {:.0}, worst {:.0}); {} orders, {} refused, {} trades, follower behind by {} records",
        rate(median),
        rate(&runs[0]),
        rate(&runs[runs.len() - 1]),
        median.orders,
        median.rejected,
        median.trades,
        median.lag,
    );
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let given = |name: &str| arguments.iter().any(|argument| argument == name);
    if given("--table") {
        print_table(1_000_000, 5);
    } else if given("--bench") {
        let mut criterion = Criterion::default().configure_from_args();
        benchmark(&mut criterion);
        criterion.final_summary();
    } else {
        print_table(5_000, 1);
    }
}

fn print_table(orders: u64, rounds: usize) {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("whole path in process; {orders} orders a run, {rounds} runs, load average {}", load.trim());
    let mut sled = Vec::new();
    let mut memory = Vec::new();
    for _ in 0..rounds {
        sled.push(in_sled(orders));
        memory.push(in_memory(orders));
    }
    report("sled", &mut sled);
    report("memory", &mut memory);
}

/// One iteration is a whole stream through an exchange that was started for it.
fn benchmark(criterion: &mut Criterion) {
    const ORDERS: u64 = 200_000;
    let mut group = criterion.benchmark_group("whole path");
    group.sample_size(10).measurement_time(Duration::from_secs(15)).throughput(Throughput::Elements(ORDERS));
    let sled: fn(u64) -> Run = in_sled;
    for (name, run) in [("sled", sled), ("memory", in_memory)] {
        group.bench_function(name, |bencher| {
            bencher
                .iter_custom(|iterations| (0..iterations).map(|_| Duration::from_secs_f64(run(ORDERS).seconds)).sum());
        });
    }
    group.finish();
}

/// Durable, and with the read store fed.
fn in_sled(orders: u64) -> Run {
    let directory = tempfile::tempdir().expect("a directory");
    let path: PathBuf = directory.path().to_owned();
    measure(Storage::Directory { path, journal: SledOptions::default() }, orders)
}

fn in_memory(orders: u64) -> Run {
    measure(Storage::Memory(MemoryLog::new()), orders)
}
