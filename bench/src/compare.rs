//! `rialto-load compare`: what questions cost those who trade.
//!
//! Rounds of the same load take turns, with and without questions beside it at a multiple of its rate. What is
//! compared are the medians of the rounds of each sort, and who comes first changes from round to round, so that a
//! machine that drifts favours neither.

use std::path::PathBuf;

use serde::Serialize;

use crate::error::Error;
use crate::report::{Host, Percentiles};
use crate::{reads, run};

/// The arguments of `compare`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// The server, such as http://127.0.0.1:8080
    #[arg(long)]
    pub url: String,
    /// The server's configuration file: tenants, markets and keys are read from it
    #[arg(long)]
    pub config: PathBuf,
    /// Only this tenant; orders otherwise of all, questions of the first
    #[arg(long)]
    pub tenant: Option<String>,
    /// Orders a second over all connections
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub rate: u64,
    /// So many questions for each order
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub times: u64,
    /// How long each round measures
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub seconds: u64,
    /// Rounds of each sort
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub rounds: u64,
    /// Connections of orders
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub connections: u32,
    /// Connections of questions, a thread each
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=256))]
    pub readers: u64,
    /// Rows of an answer
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub rows: u64,
    /// What is asked
    #[arg(long, value_enum, default_value_t = reads::About::All)]
    pub about: reads::About,
    /// Seconds at the same rates before each measurement
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(0..=3_600))]
    pub warmup: u64,
    /// Write a JSON report
    #[arg(long)]
    pub report: Option<PathBuf>,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The machine.
    pub host: Host,
    /// The rounds, in the order in which they were made.
    pub rounds: Vec<Round>,
    /// Medians of the rounds.
    pub medians: Vec<Compared>,
}

/// A round.
#[derive(Debug, Clone, Serialize)]
pub struct Round {
    /// What was asked beside the orders, if anything was.
    pub questions: Option<reads::Report>,
    /// Orders that were acknowledged, from when they were due.
    pub orders: Percentiles,
    /// Orders answered a second.
    pub achieved_rate: f64,
    /// Nothing that was acknowledged is missing.
    pub is_sound: bool,
    /// The generator was late: the round is not to be quoted.
    pub generator_lagged: bool,
}

/// A percentile, with and without.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    /// Such as `p99`.
    pub quantile: &'static str,
    /// Orders alone, in microseconds.
    pub alone_us: u64,
    /// With questions beside them.
    pub beside_us: u64,
    /// The second by the first.
    pub ratio: f64,
}

impl Report {
    /// Whether everything acknowledged was found again, and every question answered.
    pub fn is_sound(&self) -> bool {
        let is_answered = |round: &Round| round.questions.as_ref().is_none_or(|it| it.refused == 0 && it.answered > 0);
        self.rounds.iter().all(|round| round.is_sound && is_answered(round))
    }

    /// Whether a generator was late in any round.
    pub fn is_late(&self) -> bool {
        self.rounds.iter().any(|round| round.generator_lagged)
    }
}

/// Makes the rounds.
///
/// # Errors
/// Where nothing can be measured: wrong arguments, an unreachable server.
pub async fn compare(options: &Options) -> Result<Report, Error> {
    let mut rounds = Vec::new();
    for number in 0..options.rounds {
        for has_questions in [number % 2 == 1, number % 2 == 0] {
            rounds.push(round(options, number, has_questions).await?);
        }
    }
    let medians = medians(&rounds);
    Ok(Report { host: Host::here(), rounds, medians })
}

async fn round(options: &Options, number: u64, has_questions: bool) -> Result<Round, Error> {
    let load = load(options, number);
    let asked = has_questions.then(|| {
        let questions = questions(options);
        tokio::task::spawn_blocking(move || reads::read(&questions))
    });
    let orders = run::run(&load).await;
    let questions = match asked {
        None => None,
        Some(asked) => {
            let asked = asked.await.map_err(|error| Error::Transport(format!("questions: {error}")))?;
            Some(asked?)
        }
    };
    let orders = orders?;
    Ok(Round {
        questions,
        is_sound: orders.is_sound(),
        achieved_rate: orders.achieved_rate,
        generator_lagged: orders.generator_lagged,
        orders: orders.latency,
    })
}

/// The same in both sorts of rounds.
fn load(options: &Options, number: u64) -> run::Options {
    run::Options {
        url: options.url.clone(),
        config: options.config.clone(),
        rate: run::Rate::PerSecond(options.rate),
        seconds: options.seconds,
        connections: options.connections,
        seed: 1 + number,
        report: None,
        tenant: options.tenant.clone(),
        market: None,
        warmup: options.warmup,
        threads: 1,
        max_lag_ms: 100,
        window: 64,
        batch_us: 0,
        middle_ticks: 70_000,
        proof: 200,
        drain: 5,
        no_depth: true,
    }
}

/// Asked from before the orders until behind them.
fn questions(options: &Options) -> reads::Options {
    reads::Options {
        url: options.url.clone(),
        config: options.config.clone(),
        tenant: options.tenant.clone(),
        rate: options.rate * options.times,
        seconds: options.warmup + options.seconds + 1,
        connections: options.readers,
        rows: options.rows,
        about: options.about,
        report: None,
    }
}

fn medians(rounds: &[Round]) -> Vec<Compared> {
    let of = |has_questions: bool, quantile: fn(&Percentiles) -> u64| {
        let rounds = rounds.iter().filter(|round| round.questions.is_some() == has_questions);
        let mut all: Vec<u64> = rounds.map(|round| quantile(&round.orders)).collect();
        all.sort_unstable();
        all.get(all.len() / 2).copied().unwrap_or(0)
    };
    type Quantile = (&'static str, fn(&Percentiles) -> u64);
    let quantiles: [Quantile; 3] = [("p50", |it| it.p50_us), ("p99", |it| it.p99_us), ("p99.9", |it| it.p99_9_us)];
    let compared = quantiles.map(|(name, quantile)| {
        let (alone_us, beside_us) = (of(false, quantile), of(true, quantile));
        Compared { quantile: name, alone_us, beside_us, ratio: beside_us as f64 / alone_us.max(1) as f64 }
    });
    compared.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_of_the_rounds_of_their_sort() {
        let round = |p99_us: u64, has_questions: bool| {
            let orders = Percentiles {
                count: 1,
                min_us: 1,
                p50_us: 10,
                p90_us: 20,
                p99_us,
                p99_9_us: 2 * p99_us,
                p99_99_us: 3 * p99_us,
                max_us: 3 * p99_us,
            };
            let questions = has_questions.then(|| reads::Report {
                host: Host::here(),
                target_rate: 6,
                achieved_rate: 6.0,
                answered: 6,
                refused: 0,
                bytes: 6,
                latency: orders.clone(),
            });
            Round { questions, orders, achieved_rate: 1.0, is_sound: true, generator_lagged: false }
        };
        let mut rounds: Vec<Round> = [100, 900, 200].map(|p99| round(p99, false)).to_vec();
        rounds.extend([210, 250, 90].map(|p99| round(p99, true)));
        let medians = medians(&rounds);
        let p99 = Compared { quantile: "p99", alone_us: 200, beside_us: 210, ratio: 1.05 };
        assert_eq!((medians[0].ratio, &medians[1], medians[2].alone_us), (1.0, &p99, 400));
        let mut report = Report { host: Host::here(), rounds, medians };
        assert!(report.is_sound() && !report.is_late());
        report.rounds[4].questions.as_mut().expect("it has some").refused = 1;
        assert!(!report.is_sound(), "a question that was refused cost nothing");
    }
}
