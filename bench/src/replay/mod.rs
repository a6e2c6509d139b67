//! `rialto-load replay`: recorded commands in, recorded executions out, or it says what differs.

pub mod driver;
pub mod plan;
pub mod stream;
pub mod tape;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::client::Endpoint;
use crate::config::Exchange;
use crate::error::Error;
use crate::flow::Flow;
use crate::replay::driver::{Driver, Limits, Speed};
use crate::replay::plan::{OrderIndex, Plan};
use crate::replay::stream::{Heard, Subject};
use crate::replay::tape::Witness;
use crate::report::Percentiles;

/// The arguments of `replay`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// The server, such as http://127.0.0.1:8080
    #[arg(long)]
    pub url: String,
    /// The server's configuration file: keys, ticks and lots are read from it
    #[arg(long)]
    pub config: PathBuf,
    /// The tenant that owns the market
    #[arg(long)]
    pub tenant: String,
    /// The market, such as USDCNY; nobody else should trade there during the replay
    #[arg(long)]
    pub market: String,
    /// The folder with commands.csv.gz and executions.csv.gz
    #[arg(long)]
    pub flow: PathBuf,
    /// The user whose key is used; the first with a secret by default
    #[arg(long)]
    pub user: Option<String>,
    /// max, realtime, or a factor such as 100x
    #[arg(long, default_value = "max")]
    pub speed: Speed,
    /// The most requests without an answer
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    pub window: u32,
    /// Replay only the first commands of the flow
    #[arg(long)]
    pub commands: Option<usize>,
    /// What client order ids begin with; another value allows a second replay
    #[arg(long, default_value = "f")]
    pub prefix: String,
    /// Give up when nothing moved for so many seconds
    #[arg(long, default_value_t = 60)]
    pub patience: u64,
    /// A connection counts as dead when an answer takes so many seconds
    #[arg(long, default_value_t = 10)]
    pub reply_timeout: u64,
    /// Write a JSON report
    #[arg(long)]
    pub report: Option<PathBuf>,
}

/// What came of a replay.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Commands of the flow, all of them answered.
    pub commands: u64,
    /// Trades the venue made.
    pub executions: u64,
    /// Trades the record has.
    pub expected_executions: u64,
    /// Missing, extra, different, doubled or contradictory trades.
    pub wrong: u64,
    /// Commands answered with an error that the flow does not explain.
    pub unexpected_errors: u64,
    /// Error replies by code, expected ones included.
    pub errors_by_code: BTreeMap<i64, u64>,
    /// Order connections lost.
    pub reconnects: u64,
    /// User data streams lost.
    pub stream_interruptions: u64,
    /// Trade sides that only `myTrades` has.
    pub missed_by_stream: u64,
    /// Requests sent again after a reconnect.
    pub resent: u64,
    /// `max`, or the factor by which the recorded times were divided.
    pub speed: String,
    /// The most requests without an answer.
    pub window: u32,
    /// From the first request to the last answer.
    pub duration_seconds: f64,
    /// Commands by duration.
    pub commands_per_second: f64,
    /// `send`, or `schedule` where the speed follows the recorded times.
    pub latency_from: &'static str,
    /// Latency to the answer; requests sent again are not in it.
    pub ack_latency: Percentiles,
    /// The machine.
    pub host: crate::report::Host,
    /// What is wrong, in words; the first hundred.
    pub findings: Vec<String>,
}

impl Report {
    /// Every fill is right and no command failed.
    pub fn is_right(&self) -> bool {
        self.wrong == 0 && self.unexpected_errors == 0
    }
}

/// Replays a flow and judges the venue.
///
/// # Errors
/// Where no verdict can be reached: wrong arguments, unreadable files, an unreachable venue.
pub async fn replay(options: &Options) -> Result<Report, Error> {
    let exchange = Exchange::read(&options.config)?;
    let tenant = exchange.tenant(&options.tenant)?;
    let subject = Subject {
        endpoint: Endpoint::parse(&options.url)?,
        tenant: tenant.name.clone(),
        user: tenant.user(options.user.as_deref())?.clone(),
        market: tenant.market(&options.market)?.clone(),
    };
    let limits = Limits {
        speed: options.speed,
        window: options.window as usize,
        patience: Duration::from_secs(options.patience),
        reply_timeout: Duration::from_secs(options.reply_timeout.max(1)),
    };
    let flow = shortened(Flow::read(&options.flow)?, options.commands);
    let flow_ids: Vec<String> = flow.commands.iter().map(|row| row.order_id.clone()).collect();
    let plan = Arc::new(Plan::new(&flow, &options.prefix)?);
    let maker_ids: Vec<String> = plan.orders.iter().map(|order| flow_ids[order.command].clone()).collect();

    // The venue may go down at any moment, this one included.
    let asked = Instant::now();
    let first_trade_id = loop {
        let mut connection = driver::connect(&subject, limits.patience).await?;
        match stream::next_trade_id(&mut connection, &subject.market.symbol).await {
            Err(Error::Transport(_)) if asked.elapsed() < limits.patience => {}
            answer => break answer?,
        }
    };

    let heard = Arc::new(Mutex::new(Heard::default()));
    let (subscribed, mut is_subscribed) = watch::channel(false);
    let listener = tokio::spawn(stream::listen(subject.clone(), Arc::clone(&plan), Arc::clone(&heard), subscribed));
    if tokio::time::timeout(limits.patience, is_subscribed.wait_for(|is| *is)).await.is_err() {
        return Err(Error::Transport("cannot subscribe to the user data stream".into()));
    }

    let mut driver = Driver::new(&subject, &plan, limits);
    let started = Instant::now();
    let driven = driver.run().await;
    let duration = started.elapsed();
    driven?;

    let expected_rows = 2 * plan.expected.iter().map(Vec::len).sum::<usize>();
    await_stream(&heard, expected_rows).await;
    let told = std::mem::take(&mut *heard.lock().unwrap_or_else(PoisonError::into_inner));
    listener.abort();

    let mut order_ids = std::mem::take(&mut driver.order_ids);
    order_ids.extend(&told.order_ids);
    let history = read_history(&subject, &plan, limits, first_trade_id, &mut order_ids, expected_rows).await?;
    let verdict = tape::judge(&plan, &maker_ids, &told.witness, &history, told.interruptions == 0);

    for finding in verdict.wrong.iter().take(20) {
        eprintln!("wrong: {finding}");
    }
    for (number, failure) in driver.unexpected.iter().take(20) {
        eprintln!("error: command {number}: {failure}");
    }
    if driver.errors_by_code.contains_key(&-1008) {
        eprintln!("hint: the venue was busy, which breaks the order of commands: lower --window");
    }
    let seconds = duration.as_secs_f64();
    Ok(Report {
        commands: plan.requests.len() as u64,
        executions: verdict.executions,
        expected_executions: expected_rows as u64 / 2,
        wrong: verdict.wrong.len() as u64,
        unexpected_errors: driver.unexpected.len() as u64,
        errors_by_code: driver.errors_by_code,
        reconnects: driver.reconnects,
        stream_interruptions: told.interruptions,
        missed_by_stream: verdict.missed_by_stream,
        resent: driver.resent,
        speed: match options.speed {
            Speed::Max => "max".into(),
            Speed::Times(factor) => format!("{factor}x"),
        },
        window: options.window,
        duration_seconds: seconds,
        commands_per_second: plan.requests.len() as f64 / seconds.max(1e-9),
        latency_from: if options.speed == Speed::Max { "send" } else { "schedule" },
        ack_latency: Percentiles::of(&driver.latency_us),
        host: crate::report::Host::here(),
        findings: verdict.wrong.into_iter().take(100).collect(),
    })
}

fn shortened(mut flow: Flow, commands: Option<usize>) -> Flow {
    if let Some(commands) = commands {
        flow.commands.truncate(commands);
        let last = flow.commands.last().map_or(0, |command| command.seq);
        flow.executions.retain(|execution| execution.seq <= last);
    }
    flow
}

/// Waits until the stream told as much as the record has, or has been quiet for two seconds.
async fn await_stream(heard: &Mutex<Heard>, expected_rows: usize) {
    let mut events = 0;
    let mut quiet_since = Instant::now();
    while quiet_since.elapsed() < Duration::from_secs(2) {
        {
            let heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
            if heard.witness.len() >= expected_rows && heard.events == events && events > 0 {
                return;
            }
            if heard.events != events {
                events = heard.events;
                quiet_since = Instant::now();
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Reads `myTrades`, again for a while where it has fewer rows than it should.
async fn read_history(
    subject: &Subject,
    plan: &Plan,
    limits: Limits,
    first_trade_id: u64,
    order_ids: &mut std::collections::HashMap<u64, OrderIndex>,
    expected_rows: usize,
) -> Result<Witness, Error> {
    let started = Instant::now();
    loop {
        let attempt = async {
            let mut connection = driver::connect(subject, limits.patience).await?;
            if order_ids.len() < plan.orders.len() {
                stream::all_orders(&mut connection, &subject.market.symbol, plan, order_ids).await?;
            }
            stream::my_trades(&mut connection, &subject.market, first_trade_id, order_ids).await
        };
        let waited = started.elapsed();
        match attempt.await {
            Ok(history) if history.len() >= expected_rows => return Ok(history),
            Ok(history) if waited > Duration::from_secs(3) => return Ok(history),
            Err(Error::Transport(_)) if waited < limits.patience => {}
            Err(error) => return Err(error),
            Ok(_incomplete) => {}
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Action, Command, Execution, Side};

    #[test]
    fn a_shortened_flow_keeps_only_the_fills_of_its_commands() {
        let command = |seq| Command {
            seq,
            ts_ns: 0,
            action: Action::Add,
            order_id: seq.to_string(),
            side: Side::Buy,
            price_ticks: 1,
            qty: 1,
        };
        let execution = |seq| Execution { seq, maker_id: "1".into(), taker_id: "2".into(), price_ticks: 1, qty: 1 };
        let flow = Flow { commands: (1..=3).map(command).collect(), executions: (2..=3).map(execution).collect() };
        let flow = shortened(flow, Some(2));
        assert_eq!((flow.commands.len(), flow.executions.len()), (2, 1));
    }
}
