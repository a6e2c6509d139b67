//! The replay against a venue with faults: it must survive what a venue may do, and find what it
//! must not.

mod support;

use std::path::PathBuf;

use rialto_bench::error::Error;
use rialto_bench::flow::Flow;
use rialto_bench::replay::driver::Speed;
use rialto_bench::replay::plan::{Plan, Request};
use rialto_bench::replay::{Options, Report, replay};
use support::book::Book;
use support::flows;
use support::venue::{Faults, Venue};

/// Replays a flow against a venue with faults.
fn replayed(flow: &Flow, faults: Faults, change: impl FnOnce(&mut Options)) -> Result<Report, Error> {
    let folder = tempfile::tempdir().expect("a folder");
    flows::write(flow, folder.path());
    let config = folder.path().join("exchange.toml");
    std::fs::write(&config, flows::CONFIG).expect("written");
    let venue = Venue::start(faults);
    let mut options = Options {
        url: venue.url(),
        config,
        tenant: "acme".into(),
        market: "USDCNY".into(),
        flow: PathBuf::from(folder.path()),
        user: None,
        speed: Speed::Max,
        window: 64,
        commands: None,
        prefix: "f".into(),
        patience: 10,
        reply_timeout: 2,
        report: None,
    };
    change(&mut options);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(replay(&options))
}

fn verdict(flow: &Flow, faults: Faults) -> Report {
    replayed(flow, faults, |_| {}).expect("a verdict")
}

#[test]
fn a_right_venue_is_right() {
    let flow = flows::generated(1, 3_000);
    let report = verdict(&flow, Faults::default());
    assert!(report.is_right(), "{report:#?}");
    assert_eq!(report.commands, 3_000);
    assert_eq!(report.executions, flow.executions.len() as u64);
    assert!(report.executions > 1_000, "more than a page of myTrades: {}", report.executions);
    assert_eq!((report.reconnects, report.resent, report.missed_by_stream), (0, 0, 0));
    assert_eq!(report.ack_latency.count, 3_000);
}

#[test]
fn crashes_lose_nothing_and_double_nothing() {
    let flow = flows::generated(2, 2_000);
    let mut resent = 0;
    for untold in [0, 1, 7, 40] {
        let crashes_after = vec![1, 50, 51, 400, 777, 1_200, 1_850];
        let report = verdict(&flow, Faults { crashes_after, untold, ..Faults::default() });
        assert!(report.is_right(), "{untold} untold: {report:#?}");
        assert!((4..=7).contains(&report.reconnects), "{}", report.reconnects);
        assert!(report.stream_interruptions > 0);
        resent += report.resent;
    }
    assert!(resent > 50, "the crashes must hit requests on their way: {resent}");
}

#[test]
fn a_crash_at_every_command_is_survived() {
    let flow = flows::generated(3, 60);
    let crashes_after = (1..=60).collect();
    let report = verdict(&flow, Faults { crashes_after, ..Faults::default() });
    assert!(report.is_right(), "{report:#?}");
}

#[test]
fn lies_are_found() {
    let flow = flows::generated(4, 400);
    let check = |faults: Faults, part: &str| {
        let report = verdict(&flow, faults.clone());
        assert!(!report.is_right() && report.wrong > 0, "{faults:?}");
        let found = report.findings.iter().any(|finding| finding.contains(part));
        assert!(found, "{part}: {:#?}", report.findings);
    };
    check(Faults { forget_trade: Some(20), ..Faults::default() }, "missing");
    check(Faults { tell_twice: Some(20), ..Faults::default() }, "told twice");
    check(Faults { hide_trade: Some(20), ..Faults::default() }, "myTrades does not have");
    check(Faults { shrink_trade: Some(20), ..Faults::default() }, "must be");
}

#[test]
fn a_busy_venue_is_an_error_of_the_replay() {
    let flow = flows::generated(5, 200);
    let report = verdict(&flow, Faults { busy_at: Some(100), ..Faults::default() });
    assert!(!report.is_right());
    assert_eq!(report.errors_by_code.get(&-1008), Some(&1));
}

#[test]
fn recorded_times_are_kept() {
    let mut flow = flows::generated(6, 100);
    // 100 commands, one a millisecond, ten times slower than recorded would be a second.
    flow.commands.iter_mut().for_each(|row| row.ts_ns *= 50);
    let report = replayed(&flow, Faults::default(), |options| options.speed = Speed::Times(10));
    let report = report.expect("a verdict");
    assert!(report.is_right(), "{report:#?}");
    assert!(report.duration_seconds > 0.49, "{}", report.duration_seconds);
    assert_eq!((report.speed.as_str(), report.latency_from), ("10x", "schedule"));
}

#[test]
fn a_wrong_secret_and_a_missing_venue_give_up() {
    let flow = flows::generated(7, 10);
    let outcome = replayed(&flow, Faults::default(), |options| {
        let text = flows::CONFIG.replace("a-secret", "another-secret");
        std::fs::write(&options.config, text).expect("written");
    });
    assert!(matches!(outcome, Err(Error::Refused(failure)) if failure.code == -1022));
    let outcome = replayed(&flow, Faults::default(), |options| {
        options.url = "http://127.0.0.1:1".into();
        options.patience = 0;
    });
    assert!(matches!(outcome, Err(Error::Transport(_))));
}

/// The plan of a flow, carried out by the naive book, must give the recorded executions.
fn check_interpretation(flow: &Flow, name: &str) {
    let plan = Plan::new(flow, "f").expect(name);
    let mut book = Book::default();
    let mut executions = 0;
    for (command, request) in plan.requests.iter().enumerate() {
        let order = |index: usize| &plan.orders[index];
        let place = |book: &mut Book, index: usize, ioc| {
            let order = order(index);
            book.place(&order.client_id, order.side, order.price_ticks, order.quantity, ioc)
        };
        let fills = match *request {
            Request::Place { order, immediate_or_cancel } => place(&mut book, order, immediate_or_cancel),
            Request::Cancel { order: index, gone } => {
                assert_eq!(book.cancel(&order(index).client_id), !gone, "{name} {command}");
                Vec::new()
            }
            Request::Amend { order: index, quantity } => {
                assert!(book.amend(&order(index).client_id, quantity), "{name} {command}");
                Vec::new()
            }
            Request::Replace { old, order: index } => {
                assert!(book.cancel(&order(old).client_id), "{name} {command}");
                place(&mut book, index, false)
            }
        };
        let expected = &plan.expected[command];
        assert_eq!(fills.len(), expected.len(), "{name}: command {}", command + 1);
        for (fill, expected) in fills.iter().zip(expected) {
            let maker = &flow.commands[order(plan.by_client_id[&fill.maker]).command].order_id;
            assert_eq!(
                (maker, fill.price_ticks, fill.qty),
                (&expected.maker_id, expected.price_ticks, expected.qty),
                "{name}: command {}",
                command + 1
            );
            executions += 1;
        }
    }
    assert_eq!(executions, flow.executions.len(), "{name}");
}

#[test]
fn plans_reproduce_the_recorded_executions() {
    for seed in 0..20 {
        check_interpretation(&flows::generated(seed, 1_000), &format!("seed {seed}"));
    }
    for folder in flows::real() {
        let flow = Flow::read(&folder).expect("a flow");
        check_interpretation(&flow, &folder.display().to_string());
    }
}

#[test]
fn real_flow_passes_through_the_wire() {
    for folder in flows::real() {
        let flow = Flow::read(&folder).expect("a flow");
        let crashes_after = vec![500, 3_000, 5_001];
        let faults = Faults { crashes_after, untold: 20, ..Faults::default() };
        let report = replayed(&flow, faults, |options| options.commands = Some(6_000));
        let report = report.expect("a verdict");
        assert!(report.is_right(), "{}: {report:#?}", folder.display());
        assert_eq!(report.commands, 6_000);
        assert!((2..=3).contains(&report.reconnects), "{}", report.reconnects);
    }
}
