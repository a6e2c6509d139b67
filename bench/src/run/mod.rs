//! `rialto-load run`: an open loop of simulated traders, and what it measured.

pub mod depth;
pub mod generator;
pub mod wire;
pub mod workload;

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use hdrhistogram::Histogram;
use serde::Serialize;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Connection, Endpoint, Envelope, signed_params, unix_ms};
use crate::config::{Exchange, User};
use crate::error::Error;
use crate::report::{Host, Percentiles};
use crate::run::depth::Depth;
use crate::run::generator::{Accepted, Dial, Generator, Link, Pace, Settings, Tally};
use crate::run::workload::{Mix, Operation, Trader, Venue, Walk};

/// The rate to offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// Open loop: requests a second over all connections.
    PerSecond(u64),
    /// Closed loop: a window of unanswered requests per connection, to find the top rate.
    Max,
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.parse()) {
            ("max", _) => Ok(Self::Max),
            (_, Ok(rate @ 1..=100_000_000)) => Ok(Self::PerSecond(rate)),
            _ => Err("a rate is a number of requests a second, or max".into()),
        }
    }
}

/// The arguments of `run`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// The server, such as http://127.0.0.1:8080
    #[arg(long)]
    pub url: String,
    /// The server's configuration file: tenants, markets, keys, ticks and lots are read from it
    #[arg(long)]
    pub config: PathBuf,
    /// Requests a second over all connections (open loop), or max (closed loop)
    #[arg(long)]
    pub rate: Rate,
    /// How long to measure
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub seconds: u64,
    /// Connections, dealt round robin to markets and their users
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub connections: u32,
    /// Seed of the workload
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Write a JSON report
    #[arg(long)]
    pub report: Option<PathBuf>,
    /// Only this tenant
    #[arg(long)]
    pub tenant: Option<String>,
    /// Only markets of this symbol
    #[arg(long)]
    pub market: Option<String>,
    /// Seconds at the same rate before the measurement
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(0..=3_600))]
    pub warmup: u64,
    /// Threads of the generator
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub threads: u32,
    /// Refuse the result when a request left later than this
    #[arg(long, default_value_t = 100)]
    pub max_lag_ms: u64,
    /// Unanswered requests per connection with --rate max
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    pub window: u32,
    /// Gather requests for so many microseconds before a write; 0 sends each when it is due.
    /// Cheaper, but counts as latency
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=1_000_000))]
    pub batch_us: u64,
    /// The middle price at the start, in ticks
    #[arg(long, default_value_t = 70_000, value_parser = clap::value_parser!(u64).range(1_000..=1_000_000_000))]
    pub middle_ticks: u64,
    /// How many accepted orders to look up afterwards
    #[arg(long, default_value_t = 1_000)]
    pub proof: usize,
    /// Seconds to wait for the last replies
    #[arg(long, default_value_t = 5)]
    pub drain: u64,
    /// Do not watch the depth streams
    #[arg(long)]
    pub no_depth: bool,
}

/// What came of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// `open`, or `closed`: a closed loop waits for replies and so hides stalls; its latencies
    /// must not be quoted.
    pub loop_kind: &'static str,
    /// What latencies count from.
    pub latency_from: &'static str,
    /// The machine.
    pub host: Host,
    /// Processor time of the generator's threads, warm-up included.
    pub generator_cpu_seconds: f64,
    /// Turns of the generator's loops: few turns for many requests mean large batches.
    pub generator_turns: u64,
    /// As given.
    pub connections: u32,
    /// As given.
    pub threads: u32,
    /// As given.
    pub seed: u64,
    /// As given.
    pub warmup_seconds: u64,
    /// As given.
    pub seconds: u64,
    /// As given.
    pub batch_us: u64,
    /// Such as `acme/USDCNY`.
    pub markets: Vec<String>,
    /// Shares in percent and bounds.
    pub mix: Mix,
    /// Requests a second; none for a closed loop.
    pub target_rate: Option<u64>,
    /// Unanswered requests per connection, for a closed loop.
    pub window: Option<u32>,
    /// Replies, good or bad, by second.
    pub achieved_rate: f64,
    /// Requests that left.
    pub sent: u64,
    /// Good replies.
    pub acknowledged: u64,
    /// Error replies.
    pub refused: u64,
    /// Error replies that say that the order was already gone.
    pub misses: u64,
    /// Error replies by code, misses included.
    pub errors_by_code: BTreeMap<i64, u64>,
    /// Error replies that say that the venue was busy.
    pub busy: u64,
    /// Requests that were due while their connection was down or stuffed.
    pub unsent: u64,
    /// Requests whose connection broke before the reply.
    pub lost_replies: u64,
    /// Requests without a reply at the end.
    pub unanswered: u64,
    /// Messages that could not be read.
    pub unreadable: u64,
    /// Connections that broke.
    pub reconnects: u64,
    /// Requests that left more than a millisecond late.
    pub late_sends: u64,
    /// How late requests left.
    pub schedule_lag: Percentiles,
    /// A request left later than the bound: the latencies are the generator's, not the server's.
    pub generator_lagged: bool,
    /// Latency of all good replies.
    pub latency: Percentiles,
    /// Latency of good replies by operation.
    pub operations: BTreeMap<&'static str, Percentiles>,
    /// Latency of error replies.
    pub refused_latency: Percentiles,
    /// Holes in the depth streams.
    pub sequence_gaps: u64,
    /// The depth streams.
    pub depth: Vec<Depth>,
    /// What became of the accepted orders.
    pub proof: Proof,
    /// By second.
    pub timeline: Vec<TimelineSecond>,
}

/// Accepted orders, looked up after the end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// Orders that were accepted, warm-up included.
    pub accepted: u64,
    /// Those looked up.
    pub sampled: u64,
    /// Those found.
    pub found: u64,
    /// Those the venue does not know: each is a broken promise.
    pub lost: u64,
    /// Lookups that failed otherwise.
    pub unchecked: u64,
    /// The client ids of lost orders; the first ten.
    pub lost_client_ids: Vec<String>,
}

/// One second of the run, by the time at which requests were due.
#[derive(Debug, Clone, Serialize)]
pub struct TimelineSecond {
    /// After the warm-up.
    pub second: usize,
    /// Requests that left.
    pub sent: u64,
    /// Replies.
    pub answered: u64,
    /// Error replies that are no misses.
    pub errors: u64,
    /// Half of the replies took at most this.
    pub p50_us: u64,
    /// 99 % of the replies took at most this.
    pub p99_us: u64,
    /// The longest.
    pub max_us: u64,
}

impl Report {
    /// Nothing that was promised is missing.
    pub fn is_sound(&self) -> bool {
        self.proof.lost == 0 && self.sequence_gaps == 0 && self.unreadable == 0
    }
}

/// Who trades where on a connection.
#[derive(Clone)]
struct Seat {
    tenant: String,
    user: User,
    market: usize,
}

/// Runs the load and proves it.
///
/// # Errors
/// Where nothing can be measured: wrong arguments, an unreachable venue.
pub async fn run(options: &Options) -> Result<Report, Error> {
    let endpoint = Endpoint::parse(&options.url)?;
    let exchange = Exchange::read(&options.config)?;
    let (venues, seats) = seats(&exchange, options)?;
    let run_id = unix_ms();

    let mut links_by_thread: Vec<Vec<Link>> = Vec::new();
    links_by_thread.resize_with(options.threads.min(options.connections) as usize, Vec::new);
    let threads = links_by_thread.len();
    for (connection, seat) in seats.iter().enumerate() {
        let socket = dial(&endpoint, seat).await?;
        let trader = Trader::new(
            options.seed.wrapping_mul(1_000_003).wrapping_add(connection as u64),
            venues[seat.market].1.clone(),
            format!("L{run_id}-{connection}-"),
            Mix::DEFAULT,
        );
        links_by_thread[connection % threads].push(Link::new(connection, seat.market, trader, socket));
    }

    let depths = Arc::new(Mutex::new(Vec::new()));
    let watchers = if options.no_depth { Vec::new() } else { watch(&endpoint, &venues, &depths) };

    let warmup_ns = options.warmup * 1_000_000_000;
    let settings = Settings {
        pace: Pace::Window(options.window as usize),
        epoch: Instant::now() + Duration::from_millis(50),
        warmup_ns,
        end_ns: warmup_ns + options.seconds * 1_000_000_000,
        drain_ns: options.drain * 1_000_000_000,
        batch_ns: options.batch_us * 1_000,
        seed: options.seed,
        sample: options.proof.div_ceil(threads),
    };
    let dial_again = redialler(endpoint.clone(), seats.clone(), settings.clone());
    let walks: Vec<Walk> = venues
        .iter()
        .enumerate()
        .map(|(index, (_, venue))| Walk::new(options.seed, index, venue.middle_ticks))
        .collect();
    let mut running = Vec::new();
    for (thread, links) in links_by_thread.into_iter().enumerate() {
        let mut settings = settings.clone();
        settings.seed = settings.seed.wrapping_add(thread as u64);
        if let Rate::PerSecond(rate) = options.rate {
            let (thread, threads) = (thread as u64, threads as u64);
            settings.pace = Pace::Schedule { rate, thread, threads };
        }
        let generator = Generator::new(settings, links, walks.clone(), Arc::clone(&dial_again));
        running.push(tokio::task::spawn_blocking(move || generator.run()));
    }
    let mut tallies = Vec::new();
    let mut links = Vec::new();
    for thread in running {
        let (tally, mut thread_links) =
            thread.await.map_err(|error| Error::Transport(format!("generator: {error}")))?;
        tallies.push(tally);
        links.append(&mut thread_links);
    }
    watchers.iter().for_each(tokio::task::JoinHandle::abort);
    let depths = depths.lock().unwrap_or_else(PoisonError::into_inner).clone();

    let proof = prove(&endpoint, &seats, &links, &tallies).await;
    Ok(summarise(options, &venues, tallies, depths, proof))
}

type TenantVenue = (String, Venue);

/// All markets of the run, and who sits at which connection.
fn seats(exchange: &Exchange, options: &Options) -> Result<(Vec<TenantVenue>, Vec<Seat>), Error> {
    let mut venues = Vec::new();
    let mut users_by_market: Vec<Vec<User>> = Vec::new();
    if let Some(name) = &options.tenant {
        exchange.tenant(name)?;
    }
    for tenant in &exchange.tenants {
        let is_asked = options.tenant.as_ref().is_none_or(|name| *name == tenant.name);
        let users: Vec<User> = tenant.signing_users().cloned().collect();
        if !is_asked || users.is_empty() {
            continue;
        }
        for market in &tenant.markets {
            if options.market.as_ref().is_some_and(|symbol| *symbol != market.symbol) {
                continue;
            }
            // The lowest price the walk reaches needs the most lots.
            let unit_lots = market.minimum_lots(options.middle_ticks * 8 / 10)?;
            venues.push((
                tenant.name.clone(),
                Venue {
                    symbol: market.symbol.clone(),
                    tick: market.tick,
                    lot: market.lot,
                    unit_lots,
                    middle_ticks: options.middle_ticks,
                },
            ));
            users_by_market.push(users.clone());
        }
    }
    if venues.is_empty() {
        return Err(Error::Config(format!(
            "{} has no market to trade: check --tenant, --market and that users have a secret",
            options.config.display()
        )));
    }
    let seats = (0..options.connections as usize)
        .map(|connection| {
            let market = connection % venues.len();
            let users = &users_by_market[market];
            let user = users[connection / venues.len() % users.len()].clone();
            Seat { tenant: venues[market].0.clone(), user, market }
        })
        .collect();
    Ok((venues, seats))
}

/// Opens a logged-on connection and hands over its bare, non-blocking socket.
async fn dial(endpoint: &Endpoint, seat: &Seat) -> Result<TcpStream, Error> {
    let broken = |what: &dyn std::fmt::Display| Error::Transport(format!("logon: {what}"));
    let mut socket = endpoint.open(&endpoint.api_url(&seat.tenant)).await?;
    let params = signed_params(&seat.user, unix_ms());
    let text = format!("{{\"id\":0,\"method\":\"session.logon\",\"params\":{params}}}");
    socket.send(Message::text(text)).await.map_err(|error| broken(&error))?;
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => {
                Envelope::parse(&text)?.outcome().map_err(Error::Refused)?;
                break;
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(broken(&error)),
            None => return Err(broken(&"the connection was closed")),
        }
    }
    // After the logon the server has nothing to say until it is asked, so no byte is lost here.
    socket.into_inner().into_std().map_err(|error| broken(&error))
}

/// Dials on the calling thread, for as long as the run could still use the connection.
fn redialler(endpoint: Endpoint, seats: Vec<Seat>, settings: Settings) -> Dial {
    Arc::new(move |connection| {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be built");
        let end = settings.epoch + Duration::from_nanos(settings.end_ns + settings.drain_ns);
        runtime.block_on(async {
            let mut pause = Duration::from_millis(20);
            while Instant::now() < end {
                if let Ok(socket) = dial(&endpoint, &seats[connection]).await {
                    return Some(socket);
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(1));
            }
            None
        })
    })
}

fn watch(
    endpoint: &Endpoint,
    venues: &[TenantVenue],
    depths: &Arc<Mutex<Vec<Depth>>>,
) -> Vec<tokio::task::JoinHandle<()>> {
    let markets = venues.iter().map(|(tenant, venue)| format!("{tenant}/{}", venue.symbol));
    *depths.lock().unwrap_or_else(PoisonError::into_inner) =
        markets.map(|market| Depth { market, ..Depth::default() }).collect();
    let watcher = |(index, (tenant, venue)): (usize, &TenantVenue)| {
        tokio::spawn(depth::watch(endpoint.clone(), tenant.clone(), venue.symbol.clone(), Arc::clone(depths), index))
    };
    venues.iter().enumerate().map(watcher).collect()
}

/// Looks up a sample of the accepted orders.
async fn prove(endpoint: &Endpoint, seats: &[Seat], links: &[Link], tallies: &[Tally]) -> Proof {
    let mut proof = Proof::default();
    let mut samples: BTreeMap<usize, Vec<&Accepted>> = BTreeMap::new();
    for tally in tallies {
        proof.accepted += tally.accepted_count;
        for accepted in &tally.accepted {
            samples.entry(accepted.connection).or_default().push(accepted);
        }
    }
    for link in links {
        let samples = samples.remove(&link.connection()).unwrap_or_default();
        proof.sampled += samples.len() as u64;
        let seat = &seats[link.connection()];
        let attempt = async {
            let mut connection = Connection::open(endpoint, &seat.tenant).await?;
            connection.log_on(0, &seat.user).await.map(|()| connection)
        };
        let Ok(mut connection) = attempt.await else {
            proof.unchecked += samples.len() as u64;
            continue;
        };
        for (index, accepted) in samples.iter().enumerate() {
            let client_id = link.trader().client_id(accepted.number);
            let params = format!(
                "{{\"symbol\":\"{}\",\"origClientOrderId\":\"{client_id}\",\"timestamp\":{}}}",
                link.trader().symbol(),
                unix_ms()
            );
            match connection.call(index as u64 + 1, "order.status", &params).await {
                Ok(_order) => proof.found += 1,
                Err(Error::Refused(failure)) if failure.code == -2013 => {
                    proof.lost += 1;
                    if proof.lost_client_ids.len() < 10 {
                        proof.lost_client_ids.push(client_id);
                    }
                }
                Err(_other) => proof.unchecked += 1,
            }
        }
    }
    proof
}

fn summarise(
    options: &Options,
    venues: &[TenantVenue],
    tallies: Vec<Tally>,
    depth: Vec<Depth>,
    proof: Proof,
) -> Report {
    let mut tallies = tallies.into_iter();
    let mut total = tallies.next().expect("at least one thread");
    for tally in tallies {
        total.merge(&tally);
    }
    let mut latency = generator::histogram();
    total.latency_us.iter().for_each(|operation| add(&mut latency, operation));
    let is_open = options.rate != Rate::Max;
    let schedule_lag = Percentiles::of(&total.lag_us);
    Report {
        loop_kind: if is_open { "open" } else { "closed" },
        latency_from: if is_open { "intended send time" } else { "actual send time" },
        host: Host::here(),
        generator_cpu_seconds: total.cpu_ns as f64 / 1e9,
        generator_turns: total.turns,
        connections: options.connections,
        threads: options.threads,
        seed: options.seed,
        warmup_seconds: options.warmup,
        seconds: options.seconds,
        batch_us: options.batch_us,
        markets: venues.iter().map(|(tenant, venue)| format!("{tenant}/{}", venue.symbol)).collect(),
        mix: Mix::DEFAULT,
        target_rate: match options.rate {
            Rate::PerSecond(rate) => Some(rate),
            Rate::Max => None,
        },
        window: (!is_open).then_some(options.window),
        achieved_rate: (total.acknowledged + total.refused) as f64 / options.seconds as f64,
        sent: total.sent,
        acknowledged: total.acknowledged,
        refused: total.refused,
        misses: total.misses,
        busy: total.errors_by_code.get(&-1008).copied().unwrap_or(0),
        errors_by_code: total.errors_by_code,
        unsent: total.unsent,
        lost_replies: total.lost_replies,
        unanswered: total.unanswered,
        unreadable: total.unreadable,
        reconnects: total.disconnects,
        late_sends: total.late,
        generator_lagged: schedule_lag.max_us > options.max_lag_ms * 1_000,
        schedule_lag,
        latency: Percentiles::of(&latency),
        operations: Operation::ALL
            .iter()
            .map(|operation| (operation.name(), Percentiles::of(&total.latency_us[*operation as usize])))
            .collect(),
        refused_latency: Percentiles::of(&total.refused_us),
        sequence_gaps: depth.iter().map(|depth| depth.gaps).sum(),
        depth,
        proof,
        timeline: total
            .timeline
            .iter()
            .enumerate()
            .map(|(second, row)| TimelineSecond {
                second,
                sent: row.sent,
                answered: row.answered,
                errors: row.errors,
                p50_us: row.latency_us.value_at_quantile(0.5),
                p99_us: row.latency_us.value_at_quantile(0.99),
                max_us: row.latency_us.max(),
            })
            .collect(),
    }
}

fn add(total: &mut Histogram<u64>, part: &Histogram<u64>) {
    total.add(part).expect("all histograms have the same bounds");
}

impl Tally {
    fn merge(&mut self, other: &Self) {
        self.sent += other.sent;
        self.acknowledged += other.acknowledged;
        self.refused += other.refused;
        self.misses += other.misses;
        for (code, count) in &other.errors_by_code {
            *self.errors_by_code.entry(*code).or_default() += count;
        }
        self.lost_replies += other.lost_replies;
        self.unsent += other.unsent;
        self.unanswered += other.unanswered;
        self.unreadable += other.unreadable;
        self.disconnects += other.disconnects;
        self.late += other.late;
        add(&mut self.lag_us, &other.lag_us);
        for (mine, theirs) in self.latency_us.iter_mut().zip(&other.latency_us) {
            add(mine, theirs);
        }
        add(&mut self.refused_us, &other.refused_us);
        for (mine, theirs) in self.timeline.iter_mut().zip(&other.timeline) {
            mine.sent += theirs.sent;
            mine.answered += theirs.answered;
            mine.errors += theirs.errors;
            add(&mut mine.latency_us, &theirs.latency_us);
        }
        self.turns += other.turns;
        self.cpu_ns += other.cpu_ns;
    }
}
