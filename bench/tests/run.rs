//! The load generator against the test venue, and against a server that only says yes.

mod support;

use rialto_bench::run::{Options, Rate, Report, run};
use support::venue::{Faults, Venue};
use support::{echo, flows};

fn measured(url: String, rate: Rate, change: impl FnOnce(&mut Options)) -> Report {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("exchange.toml");
    std::fs::write(&config, flows::CONFIG).expect("written");
    let mut options = Options {
        url,
        config,
        rate,
        seconds: 1,
        connections: 4,
        seed: 1,
        report: None,
        tenant: None,
        market: None,
        warmup: 0,
        threads: 1,
        max_lag_ms: 100,
        window: 64,
        batch_us: 0,
        middle_ticks: 70_000,
        proof: 200,
        drain: 5,
        no_depth: false,
    };
    change(&mut options);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(run(&options)).expect("a report")
}

#[test]
fn an_open_loop_keeps_its_rate_and_every_request_is_accounted_for() {
    let venue = Venue::start(Faults::default());
    let report = measured(venue.url(), Rate::PerSecond(2_000), |options| {
        options.connections = 3;
        options.threads = 2;
    });
    assert_eq!(report.sent, 2_000);
    assert_eq!(report.acknowledged + report.refused, 2_000);
    assert_eq!(report.unanswered + report.unsent + report.lost_replies + report.unreadable, 0);
    assert_eq!(report.refused, report.misses, "{:?}", report.errors_by_code);
    assert_eq!(report.latency.count, report.acknowledged);
    assert_eq!(report.schedule_lag.count, 2_000);
    assert!(report.operations.values().all(|row| row.count > 0), "{:?}", report.operations);
    assert_eq!(report.timeline.iter().map(|row| row.answered).sum::<u64>(), 2_000);
    assert!(report.depth[0].events > 10 && report.sequence_gaps == 0, "{:?}", report.depth);
    assert_eq!((report.proof.sampled, report.proof.found, report.proof.lost), (200, 200, 0));
    assert!(report.is_sound());
    serde_json::to_string(&report).expect("JSON");
}

#[test]
fn disconnects_are_counted_and_survived() {
    let venue = Venue::start(Faults { crashes_after: vec![300, 600], untold: 5, ..Faults::default() });
    let report = measured(venue.url(), Rate::PerSecond(2_000), |_| {});
    assert!(report.reconnects >= 5, "{}", report.reconnects);
    assert!(report.lost_replies > 0);
    assert!(report.acknowledged > 1_000, "{}", report.acknowledged);
    let accounted = report.acknowledged + report.refused + report.lost_replies + report.unanswered;
    assert_eq!(accounted, report.sent);
    assert_eq!(report.sent + report.unsent, 2_000);
    assert!(report.is_sound(), "{:?}", report.proof);
}

#[test]
fn broken_promises_and_gaps_are_found() {
    let faults = Faults { lose_every: Some(10), depth_gaps: true, ..Faults::default() };
    let venue = Venue::start(faults);
    let report = measured(venue.url(), Rate::PerSecond(1_000), |_| {});
    assert!(report.proof.lost > 5, "{:?}", report.proof);
    assert!(report.sequence_gaps > 0, "{:?}", report.depth);
    assert!(!report.is_sound());
}

#[test]
fn a_closed_loop_is_labelled() {
    let venue = Venue::start(Faults::default());
    let report = measured(venue.url(), Rate::Max, |options| options.window = 8);
    assert_eq!((report.loop_kind, report.target_rate, report.window), ("closed", None, Some(8)));
    assert!(report.acknowledged > 500, "{}", report.acknowledged);
}

#[test]
fn a_generator_that_cannot_keep_up_says_so() {
    let address = echo::start();
    let report = measured(format!("http://{address}"), Rate::PerSecond(50_000_000), |options| {
        options.no_depth = true;
        options.drain = 1;
    });
    assert!(report.generator_lagged);
    assert!(report.late_sends > 0);
    assert_eq!(report.sent + report.unsent, 50_000_000);
}

/// Prints what the generator can do by itself; the assertions hold on a busy machine too.
#[test]
fn the_generator_is_cheap() {
    let address = echo::start();
    let asked = if cfg!(debug_assertions) { 20_000 } else { 100_000 };
    let asked_twice = Rate::PerSecond(2 * asked);
    for (rate, batch_us) in [(Rate::PerSecond(asked), 0), (asked_twice, 500), (Rate::Max, 0)] {
        let report = measured(format!("http://{address}"), rate, |options| {
            options.no_depth = true;
            options.proof = 0;
            options.batch_us = batch_us;
            options.max_lag_ms = 10_000;
        });
        println!(
            "{rate:?}: {:.0}/s answered, lag p99 {} µs, {:.0} ns of processor a request, {:.1} \
             requests a turn",
            report.achieved_rate,
            report.schedule_lag.p99_us,
            report.generator_cpu_seconds * 1e9 / report.sent as f64,
            report.sent as f64 / report.generator_turns as f64
        );
        assert_eq!(report.acknowledged, report.sent);
        if let Rate::PerSecond(rate) = rate {
            assert_eq!(report.sent, rate);
        }
    }
}
