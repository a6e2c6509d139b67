//! The `rialto-load` binary: see the library for what it does.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use rialto_bench::error::Error;
use rialto_bench::{compare, reads, replay, report, run};

/// Load tester and order flow replayer for venues that speak the Binance Spot dialect
#[derive(Debug, Parser)]
#[command(name = "rialto-load", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Drive recorded order flow and compare every fill; exit 1 if anything is wrong
    Replay(replay::Options),
    /// Offer load on a schedule and measure; exit 1 if something acknowledged is lost, 3 if the
    /// generator itself was too slow
    Run(run::Options),
    /// Ask at a steady rate, beside a run; exit 1 if anything is refused
    Read(reads::Options),
    /// Take turns with and without questions beside a load, and compare; exit 1 if something is lost or refused, 3
    /// if the generator itself was too slow
    Compare(compare::Options),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(execute(&arguments.command)),
        Err(error) => Err(Error::Config(format!("cannot start: {error}"))),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("rialto-load: {error}");
        ExitCode::from(2)
    })
}

async fn execute(command: &Command) -> Result<ExitCode, Error> {
    match command {
        Command::Replay(options) => {
            let outcome = replay::replay(options).await?;
            if let Some(path) = &options.report {
                report::write(path, &outcome)?;
            }
            println!(
                "{:.1} s, {:.0} commands/s, ack p50 {} µs, p99 {} µs; {} reconnects, {} resent, \
                 {} unexpected errors",
                outcome.duration_seconds,
                outcome.commands_per_second,
                outcome.ack_latency.p50_us,
                outcome.ack_latency.p99_us,
                outcome.reconnects,
                outcome.resent,
                outcome.unexpected_errors
            );
            println!("{} commands, {} executions, {} wrong", outcome.commands, outcome.executions, outcome.wrong);
            Ok(if outcome.is_right() { ExitCode::SUCCESS } else { ExitCode::from(1) })
        }
        Command::Read(options) => {
            let outcome = reads::read(options)?;
            if let Some(path) = &options.report {
                report::write(path, &outcome)?;
            }
            let latency = &outcome.latency;
            println!(
                "target {}/s, achieved {:.0}/s, answered {}, refused {}, {} bytes; p50 {} µs, p99 {} µs, max {} µs",
                outcome.target_rate,
                outcome.achieved_rate,
                outcome.answered,
                outcome.refused,
                outcome.bytes,
                latency.p50_us,
                latency.p99_us,
                latency.max_us
            );
            Ok(if outcome.refused == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
        }
        Command::Compare(options) => {
            let outcome = compare::compare(options).await?;
            if let Some(path) = &options.report {
                report::write(path, &outcome)?;
            }
            for round in &outcome.rounds {
                let beside = round.questions.as_ref().map_or("alone".to_owned(), |questions| {
                    let (rate, p99) = (questions.achieved_rate, questions.latency.p99_us);
                    format!("beside {rate:.0} questions/s, {} refused, p99 {p99} µs", questions.refused)
                });
                println!(
                    "{:.0} orders/s, p50 {} µs, p99 {} µs, p99.9 {} µs, {beside}{}",
                    round.achieved_rate,
                    round.orders.p50_us,
                    round.orders.p99_us,
                    round.orders.p99_9_us,
                    if round.generator_lagged { " (LAGGED: do not quote this round)" } else { "" }
                );
            }
            for row in &outcome.medians {
                println!(
                    "{:6} alone {:7} µs, beside questions {:7} µs, ratio {:.3}",
                    row.quantile, row.alone_us, row.beside_us, row.ratio
                );
            }
            Ok(match (outcome.is_sound(), outcome.is_late()) {
                (false, _) => ExitCode::from(1),
                (true, true) => ExitCode::from(3),
                (true, false) => ExitCode::SUCCESS,
            })
        }
        Command::Run(options) => {
            let outcome = run::run(options).await?;
            if let Some(path) = &options.report {
                report::write(path, &outcome)?;
            }
            print!("{}", summary(&outcome));
            Ok(match (outcome.is_sound(), outcome.generator_lagged) {
                (false, _) => ExitCode::from(1),
                (true, true) => ExitCode::from(3),
                (true, false) => ExitCode::SUCCESS,
            })
        }
    }
}

fn summary(outcome: &run::Report) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    let target = outcome.target_rate.map_or("max".to_owned(), |rate| rate.to_string());
    let _ = writeln!(
        text,
        "{} loop, {} connections, target {target}/s, achieved {:.0}/s",
        outcome.loop_kind, outcome.connections, outcome.achieved_rate
    );
    let rows = outcome.operations.iter().map(|(name, row)| (*name, row));
    for (name, row) in rows.chain([("all", &outcome.latency), ("refused", &outcome.refused_latency)]) {
        let _ = writeln!(
            text,
            "{name:8} {:9} p50 {:7} p90 {:7} p99 {:7} p99.9 {:7} p99.99 {:7} max {:7} µs",
            row.count, row.p50_us, row.p90_us, row.p99_us, row.p99_9_us, row.p99_99_us, row.max_us
        );
    }
    let _ = writeln!(
        text,
        "sent {}, acknowledged {}, refused {} ({} misses, {} busy), unsent {}, unanswered {}, \
         lost replies {}, reconnects {}",
        outcome.sent,
        outcome.acknowledged,
        outcome.refused,
        outcome.misses,
        outcome.busy,
        outcome.unsent,
        outcome.unanswered,
        outcome.lost_replies,
        outcome.reconnects
    );
    let _ = writeln!(text, "errors by code: {:?}", outcome.errors_by_code);
    let _ = writeln!(
        text,
        "generator: late {}, lag p99 {} µs, max {} µs{}, cpu {:.1} s",
        outcome.late_sends,
        outcome.schedule_lag.p99_us,
        outcome.schedule_lag.max_us,
        if outcome.generator_lagged { " (LAGGED: do not quote this run)" } else { "" },
        outcome.generator_cpu_seconds
    );
    let _ = writeln!(
        text,
        "proof: {} accepted, {} sampled, {} found, {} lost, {} unchecked; {} sequence gaps in {} \
         depth events",
        outcome.proof.accepted,
        outcome.proof.sampled,
        outcome.proof.found,
        outcome.proof.lost,
        outcome.proof.unchecked,
        outcome.sequence_gaps,
        outcome.depth.iter().map(|depth| depth.events).sum::<u64>()
    );
    text
}
