//! `rialto-load read`: questions at a steady rate, beside a `run`.
//!
//! Two runs of the same load, one with this beside it, tell what reading costs those who trade. The loop is
//! open: a question that is late is asked at once, and its latency counts from when it was due.
//!
//! Who reads sits elsewhere in the field. Here he may share the processors with those who trade, and so his threads
//! run when no others do: what is measured is what the server's answers cost, not what taking them costs.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Serialize;
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
};

use crate::client::{Endpoint, signature, unix_ms};
use crate::config::{Exchange, Tenant, User};
use crate::error::Error;
use crate::report::{Host, Percentiles};

/// The arguments of `read`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// The server, such as http://127.0.0.1:8080
    #[arg(long)]
    pub url: String,
    /// The server's configuration file: tenants and keys are read from it
    #[arg(long)]
    pub config: PathBuf,
    /// Only this tenant; the first otherwise
    #[arg(long)]
    pub tenant: Option<String>,
    /// Questions a second over all connections
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub rate: u64,
    /// How long
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub seconds: u64,
    /// Connections, a thread each
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=256))]
    pub connections: u64,
    /// Rows of an answer
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub rows: u64,
    /// What is asked
    #[arg(long, value_enum, default_value_t = About::All)]
    pub about: About,
    /// Write a JSON report
    #[arg(long)]
    pub report: Option<PathBuf>,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum About {
    /// What users may do now: balances and open orders, which their wallet tells.
    Now,
    /// Orders, trades, movements, transactions and events, which the read store tells.
    Past,
    /// One after the other.
    All,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The machine.
    pub host: Host,
    /// As given.
    pub target_rate: u64,
    /// Answers a second.
    pub achieved_rate: f64,
    /// Answers with status 200.
    pub answered: u64,
    /// Others.
    pub refused: u64,
    /// Bytes of all answers.
    pub bytes: u64,
    /// From when a question was due to its last byte.
    pub latency: Percentiles,
}

/// What all threads count.
#[derive(Default)]
struct Counts {
    answered: AtomicU64,
    refused: AtomicU64,
    bytes: AtomicU64,
}

/// A path with the key that may ask it.
struct Question<'a> {
    path: &'static str,
    query: String,
    key: &'a User,
}

/// Asks until the time is over.
///
/// # Errors
/// `Config` or `Transport`.
pub fn read(options: &Options) -> Result<Report, Error> {
    let exchange = Exchange::read(&options.config)?;
    let tenant = match &options.tenant {
        Some(name) => exchange.tenant(name)?,
        None => exchange.tenants.first().ok_or_else(|| Error::Config("there is no tenant".to_owned()))?,
    };
    let questions = questions(tenant, options)?;
    let endpoint = Endpoint::parse(&options.url)?;
    let (counts, began) = (Counts::default(), Instant::now());
    let until = began + Duration::from_secs(options.seconds);
    let histograms: Vec<Result<Histogram<u64>, Error>> = std::thread::scope(|scope| {
        let ask = |number: u64| {
            let (questions, endpoint, counts) = (&questions, &endpoint, &counts);
            scope.spawn(move || ask(options, &tenant.name, endpoint, questions, counts, number, began, until))
        };
        let threads: Vec<_> = (0..options.connections).map(ask).collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined.map(|done| done.unwrap_or_else(|_| Err(Error::Transport("a thread has panicked".to_owned())))).collect()
    });
    let mut all = histogram();
    for histogram in histograms {
        all.add(histogram?).map_err(|error| Error::Transport(error.to_string()))?;
    }
    let answered = counts.answered.into_inner();
    Ok(Report {
        host: Host::here(),
        target_rate: options.rate,
        achieved_rate: answered as f64 / began.elapsed().as_secs_f64(),
        answered,
        refused: counts.refused.into_inner(),
        bytes: counts.bytes.into_inner(),
        latency: Percentiles::of(&all),
    })
}

/// What is asked in turn: of users what is their own; of an operator, if there is one, the rest.
fn questions<'a>(tenant: &'a Tenant, options: &Options) -> Result<Vec<Question<'a>>, Error> {
    let (rows, about) = (format!("limit={}&", options.rows), options.about);
    let mut questions = Vec::new();
    for key in tenant.signing_users() {
        let mut ask = |path, query| questions.push(Question { path, query, key });
        if about != About::Past {
            ask("/api/v3/account", String::new());
            ask("/api/v3/openOrders", String::new());
        }
        if about != About::Now {
            ask("/api/v3/rialto/movements", format!("after=0&{rows}"));
            for market in tenant.markets.iter().take(1) {
                ask("/api/v3/allOrders", format!("symbol={}&{rows}", market.symbol));
                ask("/api/v3/myTrades", format!("symbol={}&{rows}", market.symbol));
            }
        }
    }
    let operator = tenant.operators.iter().find(|key| !key.secret.is_empty());
    if let Some(key) = operator.filter(|_| about != About::Now) {
        for path in ["/accounting/v1/movements", "/accounting/v1/transactions", "/accounting/v1/events"] {
            questions.push(Question { path, query: format!("after=0&{rows}"), key });
        }
    }
    if questions.is_empty() {
        return Err(Error::Config(format!("tenant {} has no key that can ask", tenant.name)));
    }
    Ok(questions)
}

#[expect(clippy::too_many_arguments, reason = "the body of a thread")]
fn ask(
    options: &Options,
    tenant: &str,
    endpoint: &Endpoint,
    questions: &[Question<'_>],
    counts: &Counts,
    number: u64,
    began: Instant,
    until: Instant,
) -> Result<Histogram<u64>, Error> {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    // Where that is not allowed, it is measured with what taking the answers costs.
    set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle).ok();
    let failed = |error: std::io::Error| Error::Transport(error.to_string());
    let stream = TcpStream::connect(&endpoint.authority).map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).map_err(failed)?;
    let mut reader = BufReader::new(stream.try_clone().map_err(failed)?);
    let mut writer = stream;
    let mut latencies = histogram();
    let apart = Duration::from_secs(1).mul_f64(options.connections as f64 / options.rate as f64);
    let mut due = began + apart.mul_f64(number as f64 / options.connections as f64);
    let mut turn = number;
    while due < until {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let question = &questions[(turn % questions.len() as u64) as usize];
        turn += 1;
        let query = format!("{}timestamp={}", question.query, unix_ms());
        let signature = signature(&question.key.secret, &query);
        let request = format!(
            "GET /t/{tenant}{}?{query}&signature={signature} HTTP/1.1\r\nHost: {}\r\nX-MBX-APIKEY: {}\r\n\r\n",
            question.path, endpoint.authority, question.key.api_key
        );
        writer.write_all(request.as_bytes()).map_err(failed)?;
        let (status, bytes) = answer(&mut reader).map_err(failed)?;
        let counter = if status == 200 { &counts.answered } else { &counts.refused };
        counter.fetch_add(1, Ordering::Relaxed);
        counts.bytes.fetch_add(bytes, Ordering::Relaxed);
        latencies.saturating_record(u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX));
        due += apart;
    }
    Ok(latencies)
}

/// Reads an answer that states its length: its status and its bytes.
fn answer(reader: &mut BufReader<TcpStream>) -> std::io::Result<(u16, u64)> {
    let malformed = || std::io::Error::new(std::io::ErrorKind::InvalidData, "an answer that is none");
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(malformed)?;
    let mut length = None;
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Err(malformed());
        }
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok();
        }
    }
    let length: u64 = length.ok_or_else(malformed)?;
    let read = std::io::copy(&mut reader.take(length), &mut std::io::sink())?;
    if read == length { Ok((status, read)) } else { Err(malformed()) }
}

/// Microseconds, up to a minute.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("fixed bounds")
}
