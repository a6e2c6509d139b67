//! The ledger in process: transfers, and pairs of a hold and its confirmation, durable when they count.
//!
//! One thread plays the edge: it submits single commands as fast as permits allow and drains the answers;
//! batches are formed by the engine alone. A transfer counts when its answer was released, that is when it
//! would survive a power cut; a pair when that of its confirmation was. Every id is checked against
//! all that came before, for ever, and the follower replays beside it and feeds the read store, as in production.
//!
//! `cargo bench -p rialto-bench --bench ledger` runs criterion; `-- --table` prints the figures that
//! are quoted, with their conditions. Without `--bench`, as under `cargo test`, it is a quick check.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use rialto_actors::api::{Query, Refused, Reply, ReplyToken, Request, WorkerEvent};
use rialto_actors::exchange::{Exchange, MoneySetup, Options, Setup, Storage, TenantSetup, UserSetup};
use rialto_actors::feed::Feed;
use rialto_engine::digest::Digest;
use rialto_engine::ids::{AccountId, AssetId, RailId, TenantId};
use rialto_engine::label::Label;
use rialto_engine::transaction::{Body, TransactionCommand};
use rialto_engine::units::{Amount, Nanos};
use rialto_engine::wallet::WalletLimits;
use rialto_persistence::journal::memory::MemoryLog;
use rialto_persistence::journal::sled::SledOptions;

const TENANT: TenantId = TenantId(0);
const USERS: u32 = 10_000;
const BALANCE: Amount = Amount(10_i128.pow(18));

/// What is done.
#[derive(Clone, Copy)]
struct Work {
    name: &'static str,
    /// Whether each transfer is held first, and confirmed by a second command.
    held: bool,
    /// Whether all money comes from one account.
    hot: bool,
}

const WORKS: [Work; 4] = [
    Work { name: "transfers", held: false, hot: false },
    Work { name: "transfers, one hot account", held: false, hot: true },
    Work { name: "hold and confirm", held: true, hot: false },
    Work { name: "hold and confirm, one hot account", held: true, hot: true },
];

/// What was measured in one run.
struct Run {
    count: u64,
    answers: u64,
    refused: u64,
    seconds: f64,
    /// Of all threads of the process, the edge and the follower among them: what can be compared where other
    /// programs run beside it.
    processor_seconds: f64,
    /// Of all balances at the end.
    hash: u64,
    /// Records that the follower had still to replay when the last answer was out.
    lag: u64,
    /// What it had used of processors for each record that it had replayed by then, in microseconds.
    follower_micros: f64,
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from((self.0 >> 33) % u64::from(bound)).unwrap_or(0)
    }
}

fn setup() -> Setup {
    let user = |number: u32| UserSetup {
        name: format!("user-{number}"),
        balances: vec![("USD".to_owned(), BALANCE)],
        group: 0,
    };
    let tenant = TenantSetup {
        name: "tenant".to_owned(),
        limits: WalletLimits::default(),
        shards: 1,
        assets: vec![("USD".to_owned(), 2)],
        markets: Vec::new(),
        zone: Default::default(),
        money: MoneySetup::default(),
        is_shadow: false,
        users: (0..USERS).map(user).collect(),
    };
    Setup { tenants: vec![tenant] }
}

impl Work {
    /// The first command of a transfer.
    fn begin(self, number: u64, dice: &mut Dice) -> TransactionCommand {
        let from = if self.hot { 0 } else { dice.below(USERS) };
        let to = (from + 1 + dice.below(USERS - 1)) % USERS;
        let amount = Amount(1 + i128::from(dice.below(1_000)));
        let (from, to) = (AccountId(from), AccountId(to));
        let body = Body::Transfer { from, to, asset: AssetId(0), amount, held: self.held };
        TransactionCommand::Try { id: id(number), body, rail: RailId::DIRECT, until: Nanos::ZERO, time: Nanos::ZERO }
    }

    /// How many commands a transfer takes.
    fn steps(self) -> u64 {
        if self.held { 2 } else { 1 }
    }
}

fn id(number: u64) -> Label {
    use std::io::Write as _;
    let mut text = [0; 16];
    write!(text.as_mut_slice(), "t-{number:014}").expect("it fits");
    Label::new(std::str::from_utf8(&text).expect("digits")).expect("printable")
}

/// The edge: one thread that submits and drains.
struct Edge {
    exchange: Exchange,
    feed: Feed<WorkerEvent>,
    answers: u64,
    refused: u64,
}

impl Edge {
    fn submit(&mut self, command: TransactionCommand) {
        let token = ReplyToken { worker: 0, slot: 0, generation: 0 };
        let mut request = Request::Transaction { command, deadline: Nanos(u64::MAX) };
        loop {
            let again = request.clone();
            match self.exchange.submit(TENANT, request, token, 1) {
                Ok(()) => return,
                Err(Refused::Busy) => {}
                Err(error) => panic!("the exchange does not run: {error:?}"),
            }
            // The answers are drained, then the same command goes again.
            if self.drain() == 0 {
                std::thread::yield_now();
            }
            request = again;
        }
    }

    fn drain(&mut self) -> u64 {
        let before = self.answers;
        while let Some(event) = self.feed.next_message() {
            let WorkerEvent::Released(release) = event else { continue };
            match &release.answer {
                Some((_, Reply::Transacted { transacted, .. })) => self.refused += u64::from(!transacted.is_changed),
                Some((_, Reply::Rejected(_))) => self.refused += 1,
                _ => continue,
            }
            self.answers += 1;
        }
        self.answers - before
    }

    /// Waits until so many were answered.
    fn wait(&mut self, answers: u64) {
        while self.answers < answers {
            if self.drain() == 0 {
                std::thread::yield_now();
            }
        }
    }

    /// A hash of all balances.
    fn hash(&mut self) -> u64 {
        let mut digest = Digest(0);
        for account in (0..USERS).map(AccountId) {
            let token = ReplyToken { worker: 0, slot: account.0, generation: 0 };
            let query = Request::Query(Query::Balances { account });
            self.exchange.submit(TENANT, query, token, 0).expect("taken");
            loop {
                let Some(event) = self.feed.next_message() else {
                    std::thread::yield_now();
                    continue;
                };
                if let WorkerEvent::Released(release) = event
                    && let Some((_, Reply::Balances(balances))) = &release.answer
                {
                    let dollars = balances[0];
                    assert_eq!(dollars.held, Amount::ZERO, "nothing is under way");
                    digest.add(u64::try_from(dollars.available.0).expect("not below zero"));
                    break;
                }
            }
        }
        digest.0
    }
}

fn measure(storage: Storage, work: Work, count: u64) -> Run {
    let mut options = Options::new(storage);
    options.permits = 8_192;
    let (exchange, mut feeds) = Exchange::start(options, &setup()).expect("the exchange starts");
    let mut edge = Edge { exchange, feed: feeds.remove(0), answers: 0, refused: 0 };
    let mut dice = Dice(42);
    let (began, used) = (Instant::now(), processor_seconds());
    // A hold is confirmed when some more were begun, as whoever waits for its answer would.
    const BEHIND: u64 = 1_000;
    for number in 0..count + BEHIND {
        if number < count {
            let command = work.begin(number, &mut dice);
            edge.submit(command);
        }
        if work.held
            && let Some(number) = number.checked_sub(BEHIND)
        {
            edge.submit(TransactionCommand::Confirm { id: id(number), amount: Amount::ZERO, time: Nanos::ZERO });
        }
        if number % 64 == 0 {
            edge.drain();
        }
    }
    edge.wait(count * work.steps());
    let (seconds, processor_seconds) = (began.elapsed().as_secs_f64(), processor_seconds() - used);
    let follower_seconds = follower_seconds();
    let position = edge.exchange.read_store().map_or(0, |store| store.position());
    let lag = if position == 0 { 0 } else { edge.exchange.durable_position() - position };
    let follower_micros = follower_seconds * 1e6 / position.max(1) as f64;
    let hash = edge.hash();
    let Edge { exchange, answers, refused, .. } = edge;
    exchange.shutdown();
    Run { count, answers, refused, seconds, processor_seconds, hash, lag, follower_micros }
}

/// What this process has used of processors so far, in hundredths of a second.
fn processor_seconds() -> f64 {
    seconds_of(&std::fs::read_to_string("/proc/self/stat").expect("Linux tells it"))
}

/// The same of the thread that replays, if there is one.
fn follower_seconds() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux tells it").flatten();
    let stats = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("stat")).ok());
    stats.filter(|stat| stat.contains("(rialto-auditor)")).map(|stat| seconds_of(&stat)).sum()
}

fn seconds_of(text: &str) -> f64 {
    let behind_name = text.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = behind_name.split_whitespace().skip(11).take(2).filter_map(|it| it.parse::<u64>().ok()).sum();
    ticks as f64 / 100.0
}

fn report(storage: &str, work: Work, runs: &mut [Run]) {
    runs.sort_by(|left, right| left.seconds.total_cmp(&right.seconds));
    let rate = |run: &Run| run.count as f64 / run.seconds;
    let median = &runs[runs.len() / 2];
    assert!(runs.iter().all(|run| run.hash == median.hash && run.refused == 0), "every run does the same");
    println!(
        "{storage:<7} {:<34} {:>10.0} a second (best {:.0}, worst {:.0}); {:.2} processor µs each, {} answers, balances {:016x}, follower behind by {} records, {:.2} µs a record",
        work.name,
        rate(median),
        rate(&runs[0]),
        rate(&runs[runs.len() - 1]),
        median.processor_seconds * 1e6 / median.count as f64,
        median.answers,
        median.hash,
        median.lag,
        median.follower_micros,
    );
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let given = |name: &str| arguments.iter().any(|argument| argument == name);
    let number = |name: &str, default: u64| {
        let place = arguments.iter().position(|argument| argument == name);
        place.and_then(|place| arguments.get(place + 1)?.parse().ok()).unwrap_or(default)
    };
    let only = arguments.iter().position(|argument| argument == "--only").and_then(|place| arguments.get(place + 1));
    if given("--table") {
        print_table(number("--count", 2_000_000), number("--rounds", 5), only.map(String::as_str));
    } else if given("--bench") {
        let mut criterion = Criterion::default().configure_from_args();
        benchmark(&mut criterion);
        criterion.final_summary();
    } else {
        print_table(5_000, 1, None);
    }
}

fn print_table(count: u64, rounds: u64, only: Option<&str>) {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("ledger in process; {count} a run, {USERS} users, {rounds} runs, load average {}", load.trim());
    for work in WORKS {
        let wanted = |storage: &str| only.is_none_or(|only| only == storage);
        let (mut sled, mut memory) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            sled.extend(wanted("sled").then(|| in_sled(work, count)));
            memory.extend(wanted("memory").then(|| in_memory(work, count)));
        }
        for (storage, mut runs) in [("sled", sled), ("memory", memory)] {
            if !runs.is_empty() {
                report(storage, work, &mut runs);
            }
        }
    }
}

/// One iteration is a whole stream through an exchange that was started for it.
fn benchmark(criterion: &mut Criterion) {
    const COUNT: u64 = 500_000;
    let mut group = criterion.benchmark_group("ledger");
    group.sample_size(10).measurement_time(Duration::from_secs(15)).throughput(Throughput::Elements(COUNT));
    let sled: fn(Work, u64) -> Run = in_sled;
    for (name, run) in [("sled", sled), ("memory", in_memory)] {
        for work in WORKS {
            group.bench_function(format!("{name}, {}", work.name), |bencher| {
                bencher.iter_custom(|iterations| {
                    (0..iterations).map(|_| Duration::from_secs_f64(run(work, COUNT).seconds)).sum()
                });
            });
        }
    }
    group.finish();
}

/// Durable, and with the read store fed.
fn in_sled(work: Work, count: u64) -> Run {
    let directory = tempfile::tempdir().expect("a directory");
    let path: PathBuf = directory.path().to_owned();
    measure(Storage::Directory { path, journal: SledOptions::default() }, work, count)
}

fn in_memory(work: Work, count: u64) -> Run {
    measure(Storage::Memory(MemoryLog::new()), work, count)
}
