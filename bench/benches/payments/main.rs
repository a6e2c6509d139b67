//! What one rail that hangs costs everybody else.
//!
//! An exchange in process, durable, with three rails over HTTP to banks in process. Orders, transactions over two
//! healthy rails and transactions over a third come at steady rates, by a schedule that waits for nobody: every
//! latency counts from when its request was due. In every other round the third rail's bank takes
//! connections and requests and never answers, with more queued on it than its channel may have under way. The
//! rounds take turns in one run, and are offered the same. Compared are the percentiles of all samples of each sort, and
//! the medians of its rounds; beside them stand how many samples are above, and what work was done, by thread.
//!
//! `cargo bench -p rialto-bench --bench payments -- --table` prints the figures that are quoted, with their
//! conditions; `--rounds`, `--seconds`, `--rate` (orders a second) and `--queued` (on the third rail, before anything is
//! measured) change them. Without `--bench`, as under `cargo test`, it is a quick check.

mod work;

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use futures_util::Stream as _;
use hdrhistogram::Histogram;
use rialto_actors::api::{Reply, ReplyToken, Request, WorkerEvent};
use rialto_actors::exchange::{Exchange, MarketSetup, MoneySetup, Options, Setup, Storage, TenantSetup, UserSetup};
use rialto_actors::feed::{Feed, FeedSignal};
use rialto_actors::metrics;
use rialto_actors::outlets::Outlets;
use rialto_actors::rails::breaker::BreakerOptions;
use rialto_actors::rails::channel::ChannelOptions;
use rialto_actors::rails::route::{AssetTerms, RailTerms, RouteOptions};
use rialto_actors::rails::{RailSetup, Rails, RailsOptions};
use rialto_bank::config::{Client, Config};
use rialto_bank::faults::{Behaviour, Customers, Fault};
use rialto_bank::money::Currency;
use rialto_bank::server::Running;
use rialto_engine::ids::{AccountId, AssetId, ClientOrderId, MarketId, RailId, TenantId};
use rialto_engine::label::Label;
use rialto_engine::market::{MarketFilters, Step};
use rialto_engine::order::{Instructions, OrderKind, Side};
use rialto_engine::transaction::{Body, Happening, Policy, Topic, TransactionCommand, TransactionKind};
use rialto_engine::units::{Amount, BasisPoints, FeeRate, Nanos, Price, Quantity};
use rialto_engine::wallet::{Command, Place, WalletLimits};
use rialto_gateway::keys::Secret;
use rialto_gateway::rails::adapter::HttpRail;
use rialto_gateway::rails::http::{Endpoint, Trust};
use rialto_gateway::rails::sign::Credentials;
use rialto_gateway::rails::wire::{Names, NamesOfNow};
use rialto_persistence::journal::sled::SledOptions;

use work::{Sample, Work};

const TENANT: TenantId = TenantId(0);
const ASSETS: [(&str, u8); 3] = [("USD", 2), ("CNY", 6), ("EUR", 2)];
const USERS: u32 = 64;
/// The rails that stay well carry dollars, the other one euros: nothing is rerouted from it.
const HEALTHY: [RailId; 2] = [RailId(1), RailId(2)];
const PATIENT: RailId = RailId(3);
/// Tells answers to transactions from those to orders.
const OF_TRANSACTION: u32 = 1;
/// Transactions a second over the healthy rails together.
const HEALTHY_RATE: u64 = 100;
/// And over the third.
const PATIENT_RATE: u64 = 50;

/// How long and how much.
#[derive(Clone, Copy)]
struct Load {
    /// Orders a second.
    rate: u64,
    /// Before anything is measured.
    warm_up: Duration,
    /// What is measured.
    measured: Duration,
    /// Transactions over the third rail before: more than its channel may have under way and waiting.
    queued: u64,
    rounds: u64,
}

/// One round.
struct Round {
    orders: Histogram<u64>,
    /// Of healthy rails.
    withdrawals: Histogram<u64>,
    /// Of healthy rails: these are looked at again before they are whole.
    deposits: Histogram<u64>,
    /// In the time that is measured.
    work: [Sample; 2],
    /// Transactions over the third rail that are not final when that is over.
    open: u64,
}

/// What is waited for: due, and whether it is measured.
#[derive(Clone, Copy)]
struct Due {
    at: Instant,
    is_measured: bool,
}

/// The exchange with its rails and their banks.
struct Venue {
    exchange: Exchange,
    rails: Rails,
    feed: Feed<WorkerEvent>,
    signal: FeedSignal<WorkerEvent>,
    waker: Waker,
    _banks: Vec<Running>,
    _directory: tempfile::TempDir,
    orders: Vec<Due>,
    answered: usize,
    /// Transactions over healthy rails that are not final.
    healthy: HashMap<Label, Due>,
    /// Those over the third that are not.
    patient: u64,
    patient_final: u64,
    tried: u64,
    orders_took: Histogram<u64>,
    withdrawals_took: Histogram<u64>,
    deposits_took: Histogram<u64>,
}

fn main() {
    metrics::install();
    let arguments: Vec<String> = std::env::args().collect();
    let given = |name: &str| arguments.iter().any(|argument| argument == name);
    let number = |name: &str, default: u64| {
        let place = arguments.iter().position(|argument| argument == name);
        place.and_then(|place| arguments.get(place + 1)?.parse().ok()).unwrap_or(default)
    };
    let load = if given("--table") || given("--bench") {
        Load {
            rate: number("--rate", 1_000),
            warm_up: Duration::from_secs(4),
            measured: Duration::from_secs(number("--seconds", 20)),
            queued: number("--queued", 3_000),
            rounds: number("--rounds", 5),
        }
    } else {
        let (warm_up, measured) = (Duration::from_millis(300), Duration::from_millis(1_500));
        Load { rate: 200, warm_up, measured, queued: 200, rounds: 1 }
    };
    compare(load);
}

fn compare(load: Load) {
    let average = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!(
        "one rail of three hangs; {} orders, {HEALTHY_RATE} healthy and {PATIENT_RATE} other transactions a second, {} \
         queued before; {} rounds of {:?} each way, load average {}",
        load.rate,
        load.queued,
        load.rounds,
        load.measured,
        average.trim()
    );
    let (mut well, mut hanging) = (Vec::new(), Vec::new());
    for number in 0..load.rounds {
        // Who comes first changes, so that a machine that drifts favours neither.
        let is_even = number % 2 == 0;
        for hangs in [!is_even, is_even] {
            if hangs { &mut hanging } else { &mut well }.push(round(load, hangs));
        }
    }
    println!(
        "open on the third rail at the end of a round, of {}: {:?} if all is well, {:?} if it hangs",
        load.queued + load.measured.as_secs() * PATIENT_RATE,
        well.iter().map(|round| round.open).collect::<Vec<_>>(),
        hanging.iter().map(|round| round.open).collect::<Vec<_>>()
    );
    report("orders, until acknowledged", &well, &hanging, |round| &round.orders);
    report("other rails' withdrawals", &well, &hanging, |round| &round.withdrawals);
    report("other rails' deposits", &well, &hanging, |round| &round.deposits);
    let work = |rounds: &[Round]| {
        let mut work = Work::default();
        rounds.iter().for_each(|Round { work: [from, until], .. }| work.add(from, until));
        work
    };
    work::compare(&work(&well), &work(&hanging));
}

fn report(name: &str, well: &[Round], hanging: &[Round], of: impl Fn(&Round) -> &Histogram<u64>) {
    let pooled = |rounds: &[Round]| {
        let mut all = histogram();
        rounds.iter().for_each(|round| all.add(of(round)).expect("the same bounds"));
        all
    };
    let (all_well, all_hanging) = (pooled(well), pooled(hanging));
    println!("{name}: {} samples if all is well, {} if one hangs", all_well.len(), all_hanging.len());
    for (title, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
        let median = |rounds: &[Round]| {
            let mut all: Vec<u64> = rounds.iter().map(|round| of(round).value_at_quantile(quantile)).collect();
            all.sort_unstable();
            (all[all.len() / 2], all[0], all[all.len() - 1])
        };
        let ((middle, best, worst), (hung, hung_best, hung_worst)) = (median(well), median(hanging));
        let [of_all, of_all_hung] = [&all_well, &all_hanging].map(|all| all.value_at_quantile(quantile));
        println!(
            "  {title:<6} of all {of_all:>7} and {of_all_hung:>7} µs, ratio {:.3}, {:.0} samples above; of rounds \
             {middle:>7} ({best}..{worst}) and {hung:>7} µs ({hung_best}..{hung_worst}), ratio {:.3}",
            of_all_hung as f64 / of_all as f64,
            all_well.len() as f64 * (1.0 - quantile),
            hung as f64 / middle as f64
        );
    }
}

fn round(load: Load, hangs: bool) -> Round {
    let mut venue = Venue::start(hangs);
    let began = Instant::now();
    let from = began + load.warm_up;
    let until = from + load.measured;
    let every = |rate: u64| Duration::from_nanos(1_000_000_000 / rate);
    let queued_rate = load.queued * 1_000 / u64::try_from(load.warm_up.as_millis()).expect("short");
    let mut next = [began; 3];
    let mut sample = None;
    loop {
        let is_warm = next.iter().all(|due| *due >= from);
        let rates = [load.rate, HEALTHY_RATE, if is_warm { PATIENT_RATE } else { queued_rate }];
        let first = (0..next.len()).min_by_key(|number| next[*number]).expect("there are three");
        let due = next[first];
        if due >= until {
            break;
        }
        // A little before, so that nothing that is measured waits for it.
        if sample.is_none() && due + Duration::from_millis(50) >= from {
            sample = Some(Sample::now());
        }
        venue.listen_until(due);
        let due = Due { at: due, is_measured: due >= from };
        match first {
            0 => venue.place(due),
            1 => venue.try_healthy(due),
            _ => venue.try_patient(),
        }
        next[first] += every(rates[first]);
    }
    let work = [sample.expect("something was measured"), Sample::now()];
    let open = venue.patient;
    let end = Instant::now() + Duration::from_secs(30);
    while venue.answered < venue.orders.len() || !venue.healthy.is_empty() || (!hangs && venue.patient > 0) {
        assert!(
            Instant::now() < end,
            "{} of {} orders were answered; {} transactions of healthy rails and {} others are not final",
            venue.answered,
            venue.orders.len(),
            venue.healthy.len(),
            venue.patient
        );
        venue.listen_until(Instant::now() + Duration::from_millis(10));
    }
    if hangs {
        assert_eq!(venue.patient_final, 0, "the rail hung");
    }
    venue.stop(work, open)
}

impl Venue {
    fn start(hangs: bool) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().to_owned();
        let mut options = Options::new(Storage::Directory { path, journal: SledOptions::default() });
        let (outlets, calls, _notices) = Outlets::with_room(65_536);
        options.outlets = Some(outlets);
        let (exchange, mut feeds) = Exchange::start(options, &setup()).expect("the exchange starts");
        let banks = vec![bank(&HEALTHY, false), bank(&[PATIENT], hangs)];
        let setups = HEALTHY.into_iter().map(|rail| (rail, &banks[0])).chain([(PATIENT, &banks[1])]);
        let setups = setups.map(|(rail, bank)| rail_setup(rail, bank)).collect();
        let sink = exchange.clone();
        let options = RailsOptions {
            route: RouteOptions::default(),
            draining: Vec::new(),
            returns: 65_536,
            sink: Arc::new(move |tenant, command| sink.transact(tenant, command)),
        };
        let rails = Rails::start(options, setups, calls).expect("the rails start");
        let feed = feeds.remove(0);
        let signal = feed.signal();
        Self {
            exchange,
            rails,
            feed,
            signal,
            waker: Waker::from(Arc::new(Unpark(std::thread::current()))),
            _banks: banks,
            _directory: directory,
            orders: Vec::new(),
            answered: 0,
            healthy: HashMap::new(),
            patient: 0,
            patient_final: 0,
            tried: 0,
            orders_took: histogram(),
            withdrawals_took: histogram(),
            deposits_took: histogram(),
        }
    }

    fn stop(self, work: [Sample; 2], open: u64) -> Round {
        self.rails.stop();
        self.exchange.shutdown();
        let Self { orders_took, withdrawals_took, deposits_took, .. } = self;
        Round { orders: orders_took, withdrawals: withdrawals_took, deposits: deposits_took, work, open }
    }

    /// A passive order near a still price, or now and then one that takes it.
    fn place(&mut self, due: Due) {
        let number = self.orders.len() as u64;
        let (takes, buys) = (number.is_multiple_of(5), number.is_multiple_of(2));
        let away = 1 + number * 7 % 24;
        let place = Place {
            account: account(number),
            market: MarketId(0),
            client_id: ClientOrderId::new(&format!("b{number}")),
            side: if buys { Side::Buy } else { Side::Sell },
            kind: if takes { OrderKind::ImmediateOrCancel } else { OrderKind::Limit },
            price: Price(if buys == takes { 70_000 + away } else { 70_000 - away }),
            quantity: Quantity(100 + number * 31 % 10_000),
            budget: Amount::ZERO,
            time: Nanos::ZERO,
            instructions: Instructions::default(),
        };
        let slot = u32::try_from(self.orders.len()).expect("few");
        self.orders.push(due);
        self.submit(Request::Command { command: Command::Place(place), deadline: Nanos(u64::MAX) }, slot, 0);
    }

    fn try_healthy(&mut self, due: Due) {
        let rail = HEALTHY[usize::from(self.tried.is_multiple_of(2))];
        let id = self.transact(rail, AssetId(0));
        self.healthy.insert(id, due);
    }

    fn try_patient(&mut self) {
        self.transact(PATIENT, AssetId(2));
        self.patient += 1;
    }

    /// A withdrawal or a deposit, by turns of two.
    fn transact(&mut self, rail: RailId, asset: AssetId) -> Label {
        self.tried += 1;
        let (account, amount) = (account(self.tried), Amount(100 + i128::from(self.tried % 1_000)));
        let body = if self.tried % 4 < 2 {
            Body::Withdrawal { account, asset, amount, destination: "DE02 1203".into() }
        } else {
            Body::Deposit { account, asset, amount }
        };
        let id = Label::new(&format!("t-{}-{}", rail.0, self.tried)).expect("printable");
        let command = TransactionCommand::Try { id, body, rail, until: Nanos::ZERO, time: Nanos::ZERO };
        let slot = u32::try_from(self.tried).expect("few");
        self.submit(Request::Transaction { command, deadline: Nanos(u64::MAX) }, slot, OF_TRANSACTION);
        id
    }

    /// A busy exchange is asked again: what is late counts from when it was due.
    fn submit(&mut self, request: Request, slot: u32, generation: u32) {
        let token = ReplyToken { worker: 0, slot, generation };
        while self.exchange.submit(TENANT, request.clone(), token, 1).is_err() {
            self.listen_until(Instant::now() + Duration::from_micros(100));
        }
    }

    /// Takes what comes, asleep between, until a time.
    fn listen_until(&mut self, end: Instant) {
        loop {
            while let Some(event) = self.feed.next_message() {
                if let WorkerEvent::Released(release) = event {
                    self.take(&release);
                }
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let mut context = Context::from_waker(&self.waker);
            if Pin::new(&mut self.signal).poll_next(&mut context).is_pending() {
                std::thread::park_timeout(left);
            }
        }
    }

    fn take(&mut self, release: &rialto_actors::api::Release) {
        let now = Instant::now();
        if let Some((token, reply)) = &release.answer {
            assert!(!matches!(reply, Reply::Rejected(_)), "{token:?} was refused: {reply:?}");
            if token.generation != OF_TRANSACTION {
                self.answered += 1;
                record(&mut self.orders_took, self.orders[token.slot as usize], now);
            }
        }
        for event in
            release.events.iter().filter(|event| matches!(event.what, Happening::Confirmed | Happening::Canceled))
        {
            if let Some(due) = self.healthy.remove(&event.transaction.id) {
                let is_deposit = matches!(event.transaction.body, Some(Body::Deposit { .. }));
                let took = if is_deposit { &mut self.deposits_took } else { &mut self.withdrawals_took };
                record(took, due, now);
            } else if event.transaction.rail == PATIENT {
                self.patient -= 1;
                self.patient_final += 1;
            }
        }
    }
}

fn record(histogram: &mut Histogram<u64>, due: Due, now: Instant) {
    if due.is_measured {
        let micros = u64::try_from(now.saturating_duration_since(due.at).as_micros()).unwrap_or(u64::MAX);
        histogram.saturating_record(micros.max(1));
    }
}

/// Microseconds, up to a minute.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("fixed bounds")
}

/// Wakes the edge when its feed holds something.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn account(number: u64) -> AccountId {
    AccountId(u32::try_from(number * 7 % u64::from(USERS)).unwrap_or(0))
}

fn setup() -> Setup {
    let balances = ASSETS.map(|(name, _)| (name.to_owned(), Amount(10_i128.pow(18))));
    let user = |number: u32| UserSetup { name: format!("user-{number}"), balances: balances.to_vec(), group: 0 };
    // Short, so that the timers of what hangs run out again and again within a round.
    let policy = Policy {
        first: Nanos(1_500_000_000),
        interval: Nanos(1_000_000_000),
        is_doubling: true,
        longest: Nanos(8_000_000_000),
        attempts: 12,
        lifetime: Nanos::ZERO,
    };
    let kinds = [TransactionKind::Deposit, TransactionKind::Withdrawal];
    let rail = |rail: RailId| Label::new(&format!("bank-{}", rail.0)).expect("printable");
    let tenant = TenantSetup {
        name: "acme".to_owned(),
        limits: WalletLimits::default(),
        shards: 1,
        assets: ASSETS.map(|(name, scale)| (name.to_owned(), scale)).to_vec(),
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
            protection: None,
            schedule: Vec::new(),
        }],
        zone: Default::default(),
        money: MoneySetup {
            rails: HEALTHY.into_iter().chain([PATIENT]).map(rail).collect(),
            policies: kinds.map(|kind| (Topic::Kind(kind), policy)).to_vec(),
            ..MoneySetup::default()
        },
        is_shadow: false,
        users: (0..USERS).map(user).collect(),
    };
    Setup { tenants: vec![tenant] }
}

/// A bank that does everything at once, or takes every request and never answers.
fn bank(rails: &[RailId], hangs: bool) -> Running {
    let client = |rail: &RailId| Client {
        key: format!("rail-{}", rail.0),
        secret: format!("secret-of-rail-{}", rail.0),
        callback: None,
    };
    let mut behaviour = Behaviour { delay_ms: 0, customers: Customers::Whole, ..Behaviour::default() };
    if hangs {
        behaviour.hang_ms = 600_000;
        behaviour.chances.insert(Fault::TimeoutBefore, 10_000);
    }
    let currency = |(name, scale): (&str, u8)| Currency { name: name.to_owned(), scale };
    let config = Config {
        listen: "127.0.0.1:0".to_owned(),
        currencies: ASSETS.map(currency).to_vec(),
        clients: rails.iter().map(client).collect(),
        file: None,
        behaviour,
    };
    Running::start(config).expect("the bank starts")
}

/// A rail as it is by default, but for its deadline, which is below the first timer, a breaker that opens and tries
/// again several times in a round, and deposits that are soon looked at again.
fn rail_setup(rail: RailId, bank: &Running) -> RailSetup {
    let second = 1_000_000_000;
    let options = ChannelOptions {
        deadline: Duration::from_secs(1),
        look_again: Duration::from_millis(50),
        breaker: BreakerOptions { pause: second, longest: 4 * second, ..BreakerOptions::default() },
        ..ChannelOptions::default()
    };
    let credentials = Credentials::new(format!("rail-{}", rail.0), &Secret::new(format!("secret-of-rail-{}", rail.0)));
    let names = NamesOfNow::new(Names::new("acme", ASSETS.map(|(name, scale)| (name.to_owned(), scale))));
    let endpoint = Endpoint::new(&bank.url()).expect("an endpoint");
    let adapter = HttpRail::new(endpoint, &Trust::System, options.in_flight, credentials, names);
    let kinds = [TransactionKind::Deposit, TransactionKind::Withdrawal];
    let asset = if rail == PATIENT { AssetId(2) } else { AssetId(0) };
    let (least, most) = (Amount(1), Amount(i128::MAX));
    let line = |kind| AssetTerms { kind, asset, least, most, fixed: Amount::ZERO, rate: 0 };
    RailSetup {
        tenant: TENANT,
        tenant_name: "acme".to_owned(),
        name: format!("bank-{}", rail.0),
        terms: RailTerms { rail, priority: 0, assets: kinds.map(line).to_vec() },
        options,
        adapter: Arc::new(adapter.expect("an adapter")),
    }
}
