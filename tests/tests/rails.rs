//! Rails over real sockets to a bank that misbehaves. What they say is only heard here, not booked.

mod rails_support;

use std::fs;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rails_support::{Heard, TENANT, USD, bank, call, deposit, hasty, label, names, rail, receiver, terms, withdrawal};
use rialto_actors::api::Refused;
use rialto_actors::clock;
use rialto_actors::outlets::{OutletSender, outlet};
use rialto_actors::rails::breaker::{BreakerOptions, BreakerState};
use rialto_actors::rails::channel::ChannelOptions;
use rialto_actors::rails::route::{NoRoute, RouteOptions, Taking};
use rialto_actors::rails::{RailAdapter, RailFault, RailSetup, Rails, RailsOptions};
use rialto_bank::faults::{Behaviour, Customers, Fault};
use rialto_engine::ids::{RailId, TransactionId};
use rialto_engine::transaction::{Ask, RailCall, Report, TransactionCommand, TransactionKind};
use rialto_engine::units::{Amount, Nanos};
use rialto_gateway::keys::Secret;
use rialto_gateway::rails::callback::{Callers, WINDOW, verify_and_parse};
use rialto_gateway::rails::sign::Credentials;

type Calls = OutletSender<RailCall>;

fn start(setups: Vec<RailSetup>) -> (Rails, Calls, Heard) {
    let heard = Heard::default();
    let sink = heard.clone();
    let options = RailsOptions {
        route: RouteOptions { explore_every: 0, ..RouteOptions::default() },
        draining: Vec::new(),
        returns: 4_096,
        sink: Arc::new(move |_, command| {
            sink.take(command);
            Ok::<(), Refused>(())
        }),
    };
    let (sender, receiver) = outlet(4_096);
    (Rails::start(options, setups, receiver).expect("the rails start"), sender, heard)
}

fn reported(id: &str, fits: impl Fn(&Report) -> bool) -> impl Fn(&TransactionCommand) -> bool {
    let wanted = label(id);
    move |command| match command {
        TransactionCommand::Report { id, report, .. } => *id == Some(wanted) && fits(report),
        _ => false,
    }
}

fn is_paid(amount: i128) -> impl Fn(&Report) -> bool {
    move |report| matches!(report, Report::Paid { asset: USD, amount: paid, .. } if paid.0 == amount)
}

fn certain(faults: &[Fault]) -> Behaviour {
    Behaviour { chances: faults.iter().map(|fault| (*fault, 10_000)).collect(), ..Behaviour::default() }
}

#[test]
fn a_withdrawal_is_paid_once_however_often_it_is_handed_over() {
    let bank = bank(1, Behaviour::default(), None);
    let (rails, calls, heard) = start(vec![rail(&bank, 1, hasty())]);
    let first = withdrawal(1, 1, 1_250);
    for _ in 0..3 {
        calls.send(call(Ask::Submit, &first)).expect("sent");
        heard.wait("payment", reported("w-1", is_paid(1_250)));
    }
    let second = withdrawal(2, 1, 7);
    calls.send(call(Ask::Submit, &second)).expect("sent");
    heard.wait("payment", reported("w-2", is_paid(7)));
    rails.stop();
    assert_eq!(totals(&bank.url())["rail-1"]["USD"]["net"], "-12.57");
}

#[test]
fn a_rail_that_hangs_slows_no_other_and_its_breaker_opens_and_closes() {
    let (stuck, healthy) = (bank(1, Behaviour::default(), None), bank(2, Behaviour::default(), None));
    control(&stuck.url(), "faults", r#"{"hang_for_ms": 1500, "hang_ms": 1500}"#);
    let narrow = ChannelOptions { in_flight: 4, queue: 8, ..hasty() };
    let (rails, calls, heard) = start(vec![rail(&stuck, 1, narrow), rail(&healthy, 2, hasty())]);
    let began = Instant::now();
    let mut slowest = Duration::ZERO;
    let mut has_opened = false;
    for number in 1..=400 {
        calls.send(call(Ask::Submit, &withdrawal(1_000 + number, 1, 100))).expect("sent");
        let healthy = withdrawal(number, 2, 100);
        let asked = Instant::now();
        calls.send(call(Ask::Submit, &healthy)).expect("sent");
        let id = format!("w-{number}");
        let answered = heard.wait("payment", reported(&id, is_paid(100)));
        slowest = slowest.max(answered - asked);
        let standing = rails.handle().states(TENANT)[0];
        has_opened |= standing.breaker == BreakerState::Open && standing.taking == Taking::Nothing;
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(slowest < Duration::from_millis(200), "the other rail answered as late as {slowest:?}");
    assert!(has_opened, "the breaker opened within {:?}", began.elapsed());
    // The bank is itself again; the next calls are trials.
    std::thread::sleep(Duration::from_millis(1_500).saturating_sub(began.elapsed()));
    let closed = Instant::now() + Duration::from_secs(10);
    let mut number = 5_000;
    while rails.handle().states(TENANT)[0].breaker != BreakerState::Closed {
        assert!(Instant::now() < closed, "the breaker stays {:?}", rails.handle().states(TENANT)[0]);
        number += 1;
        calls.send(call(Ask::Query, &withdrawal(number, 1, 100))).expect("sent");
        std::thread::sleep(Duration::from_millis(20));
    }
    calls.send(call(Ask::Submit, &withdrawal(9_000, 1, 300))).expect("sent");
    heard.wait("payment over the rail that hung", reported("w-9000", is_paid(300)));
    rails.stop();
}

/// A rail that nobody is behind.
struct Nobody;

impl RailAdapter for Nobody {
    fn ask<'a>(
        &'a self,
        _: &'a RailCall,
        _: Nanos,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<Report>, RailFault>> + Send + 'a>> {
        Box::pin(std::future::ready(Err(RailFault::Timeout)))
    }
}

/// How often the thread of this name has been woken.
fn wakings(name: &str) -> u64 {
    let threads = fs::read_dir("/proc/self/task").expect("the threads").map(|entry| entry.expect("a thread").path());
    let is_it = |path: &PathBuf| fs::read_to_string(path.join("comm")).is_ok_and(|own| own.trim_end() == name);
    let thread = threads.into_iter().find(is_it).unwrap_or_else(|| panic!("no thread {name}"));
    let status = fs::read_to_string(thread.join("status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.expect("it is counted").trim().parse().expect("a number")
}

#[test]
fn the_channel_of_an_open_breaker_sleeps_until_that_may_try() {
    let pause = Duration::from_secs(2);
    let nanos = u64::try_from(pause.as_nanos()).expect("short");
    let breaker = BreakerOptions { pause: nanos, longest: nanos, ..hasty().breaker };
    let setup = RailSetup {
        tenant: TENANT,
        tenant_name: "acme".to_owned(),
        name: "nobody".to_owned(),
        terms: terms(1),
        options: ChannelOptions { breaker, ..hasty() },
        adapter: Arc::new(Nobody),
    };
    let (rails, calls, _) = start(vec![setup]);
    for number in 1..=4 {
        calls.send(call(Ask::Query, &withdrawal(number, 1, 100))).expect("sent");
    }
    let state = || rails.handle().states(TENANT)[0].breaker;
    let wait = |wanted: BreakerState| {
        let end = Instant::now() + Duration::from_secs(10);
        while state() != wanted {
            assert!(Instant::now() < end, "the breaker is {:?}, not {wanted:?}", state());
            std::thread::sleep(Duration::from_millis(2));
        }
        Instant::now()
    };
    let opened = wait(BreakerState::Open);
    let before = wakings("rail-nobody");
    std::thread::sleep(pause.mul_f64(0.75).saturating_sub(opened.elapsed()));
    let woken = wakings("rail-nobody") - before;
    assert_eq!(state(), BreakerState::Open);
    assert!(woken <= 2, "it was woken {woken} times for nothing");
    let waited = wait(BreakerState::HalfOpen) - opened;
    assert!((pause.mul_f64(0.9)..pause.mul_f64(1.5)).contains(&waited), "the router heard of it after {waited:?}");
    rails.stop();
}

#[test]
fn what_a_rail_rejects_takes_the_next_one_and_is_rejected_when_there_is_none_left() {
    let (grim, kind) = (bank(1, certain(&[Fault::Reject]), None), bank(2, Behaviour::default(), None));
    let (rails, calls, heard) = start(vec![rail(&grim, 1, hasty()), rail(&kind, 2, hasty())]);
    calls.send(call(Ask::Submit, &withdrawal(1, 1, 500))).expect("sent");
    let reroute = |command: &TransactionCommand| {
        matches!(command, TransactionCommand::Reroute { transaction: TransactionId(1), rail: RailId(2), .. })
    };
    heard.wait("reroute", reroute);
    assert!(reported("w-1", |report| *report == Report::Unknown)(&heard.all()[0]), "{:?}", heard.all());
    // The second rail refuses as well, for all that this transaction was told.
    control(&kind.url(), "faults", r#"{"reject": 10000}"#);
    calls.send(call(Ask::Submit, &withdrawal(1, 2, 500))).expect("sent");
    heard.wait("rejection", reported("w-1", |report| *report == Report::Rejected));
    assert_eq!(heard.all().len(), 3, "{:?}", heard.all());
    rails.stop();
}

#[test]
fn what_was_never_sent_takes_another_rail_and_what_may_have_been_stays() {
    let (down, up) = (bank(1, Behaviour::default(), None), bank(2, Behaviour::default(), None));
    control(&down.url(), "faults", r#"{"outage_for_ms": 600000}"#);
    let (rails, calls, heard) = start(vec![rail(&down, 1, hasty()), rail(&up, 2, hasty())]);
    for number in 1..=4 {
        calls.send(call(Ask::Submit, &withdrawal(number, 1, 500))).expect("sent");
    }
    let opened = Instant::now() + Duration::from_secs(10);
    while rails.handle().states(TENANT)[0].breaker != BreakerState::Open {
        assert!(Instant::now() < opened, "the breaker opens");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(heard.all(), [], "of what was asked nothing is known");
    let again = rialto_engine::transaction::Transaction { events: 5, ..withdrawal(5, 1, 500) };
    calls.send(call(Ask::Submit, &again)).expect("sent");
    calls.send(call(Ask::Submit, &withdrawal(6, 1, 500))).expect("sent");
    heard.wait("reroute", |command| {
        matches!(command, TransactionCommand::Reroute { transaction: TransactionId(6), rail: RailId(2), .. })
    });
    assert_eq!(heard.all().len(), 2, "one that was handed over before stays: {:?}", heard.all());
    let handle = rails.handle().clone();
    let route = || handle.route(TENANT, TransactionKind::Withdrawal, USD, Amount(500));
    assert_eq!(route(), Ok(RailId(2)), "new ones do not come here at all");
    assert!(handle.set_draining(TENANT, RailId(2), true));
    assert_eq!(route(), Err(NoRoute::AllDown));
    rails.stop();
}

#[test]
fn that_a_rail_knows_nothing_is_believed_when_nothing_can_arrive_any_more() {
    let bank = bank(1, Behaviour::default(), None);
    let (rails, calls, heard) = start(vec![rail(&bank, 1, hasty())]);
    let transaction = withdrawal(1, 1, 500);
    calls.send(call(Ask::Query, &transaction)).expect("sent");
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(heard.all(), [], "a submit might still be on its way");
    std::thread::sleep(Duration::from_millis(300));
    calls.send(call(Ask::Submit, &transaction)).expect("sent");
    calls.send(call(Ask::Query, &transaction)).expect("sent");
    heard.wait("word that it is unknown", reported("w-1", |report| *report == Report::Unknown));
    assert!(totals(&bank.url())["rail-1"].as_object().expect("totals").is_empty(), "too late to be handed over");
    rails.stop();
}

#[test]
fn a_bank_that_is_slow_does_not_begin_with_what_has_expired() {
    let bank = bank(1, Behaviour { slow_ms: 1_000_000, ..certain(&[Fault::Slow]) }, None);
    control(&bank.url(), "faults", r#"{"slow": 10000, "slow_ms": 1200}"#);
    let (rails, calls, heard) = start(vec![rail(&bank, 1, ChannelOptions { in_flight: 64, ..hasty() })]);
    for number in 1..=60 {
        calls.send(call(Ask::Submit, &withdrawal(number, 1, 100))).expect("sent");
    }
    std::thread::sleep(Duration::from_millis(1_600));
    let paid = heard.all().iter().filter(|command| matches!(command, TransactionCommand::Report { .. })).count();
    let net = totals(&bank.url())["rail-1"]["USD"]["net"].as_str().map(str::to_owned).unwrap_or_default();
    assert_eq!(net, format!("-{paid}.00"), "what was answered in time is all that was done");
    assert!((1..60).contains(&paid), "{paid} of 60 within 400 of up to 1200 ms");
    rails.stop();
}

#[test]
fn a_cancel_that_comes_first_blocks_the_submit() {
    let bank = bank(1, Behaviour::default(), None);
    let (rails, calls, heard) = start(vec![rail(&bank, 1, hasty())]);
    let transaction = withdrawal(1, 1, 500);
    calls.send(call(Ask::Cancel, &transaction)).expect("sent");
    heard.wait("cancel", reported("w-1", |report| *report == Report::Canceled));
    calls.send(call(Ask::Submit, &transaction)).expect("sent");
    let canceled =
        |count| move || heard.all().iter().filter(|c| reported("w-1", |r| *r == Report::Canceled)(c)).count() == count;
    let both = canceled(2);
    let end = Instant::now() + Duration::from_secs(10);
    while !both() {
        assert!(Instant::now() < end, "the submit is answered as canceled");
        std::thread::sleep(Duration::from_millis(5));
    }
    rails.stop();
}

#[test]
fn answers_that_fail_are_asked_for_again_and_garbage_is_not_believed() {
    let bank = bank(1, certain(&[Fault::ErrorAfter]), None);
    let (rails, calls, heard) = start(vec![rail(&bank, 1, hasty())]);
    calls.send(call(Ask::Submit, &withdrawal(1, 1, 500))).expect("sent");
    std::thread::sleep(Duration::from_millis(500));
    control(&bank.url(), "faults", r#"{"garbage": 10000}"#);
    calls.send(call(Ask::Query, &withdrawal(1, 1, 500))).expect("sent");
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(heard.all(), [], "nothing is guessed");
    control(&bank.url(), "faults", "{}");
    calls.send(call(Ask::Query, &withdrawal(1, 1, 500))).expect("sent");
    heard.wait("payment", reported("w-1", is_paid(500)));
    rails.stop();
}

#[test]
fn the_channel_looks_again_by_itself_after_a_moment() {
    let behaviour = Behaviour { delay_ms: 10, customers: Customers::Whole, ..Behaviour::default() };
    let bank = bank(1, behaviour, None);
    let (rails, calls, heard) = start(vec![rail(&bank, 1, hasty())]);
    calls.send(call(Ask::Submit, &deposit(1, 1, 9_999))).expect("sent");
    heard.wait("acceptance", reported("d-1", |report| *report == Report::Accepted));
    let received =
        |report: &Report| matches!(report, Report::Received { asset: USD, amount: Amount(9_999), is_final: true, .. });
    heard.wait("money", reported("d-1", received));
    rails.stop();
}

#[test]
fn callbacks_are_signed_and_repeated_until_they_are_taken() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let hear = Arc::clone(&told);
    let credentials = Credentials::new("bank-1".to_owned(), &Secret::new("secret-of-bank-1".to_owned()));
    let callers = Callers { credentials, names: names(), window: WINDOW };
    let url = receiver(move |request| {
        let read =
            |now: Nanos| verify_and_parse(&callers, &request.target, |name| request.header(name), &request.body, now);
        let late = Nanos(clock::wall().0 + WINDOW.0 + 2_000_000_000);
        assert_eq!(read(late).expect_err("stale").status(), 401);
        let mut told = hear.lock().expect("whole");
        told.push(read(clock::wall()).expect("a callback"));
        // The first is not taken.
        if told.len() == 1 { 500 } else { 204 }
    });
    let bank = bank(1, Behaviour { customers: Customers::Parts, delay_ms: 50, ..Behaviour::default() }, Some(&url));
    let (rails, calls, _) = start(vec![rail(&bank, 1, ChannelOptions { look_again: Duration::ZERO, ..hasty() })]);
    calls.send(call(Ask::Submit, &deposit(1, 1, 900))).expect("sent");
    control(&bank.url(), "pay-in", r#"{"client": "rail-1", "key": null, "asset": "EUR", "amount": "4.20"}"#);
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let told = told.lock().expect("whole");
        let whole = told.iter().any(|told| told.id == Some(label("d-1")) && told.reports.len() == 3);
        let unasked = told.iter().any(|told| told.id.is_none() && told.reports.len() == 1);
        if told.len() >= 3 && whole && unasked {
            break;
        }
        assert!(Instant::now() < end, "{told:?}");
        drop(told);
        std::thread::sleep(Duration::from_millis(10));
    }
    rails.stop();
}

fn totals(url: &str) -> serde_json::Value {
    rialto_tests::client::call("GET", &format!("{url}/control/totals"), None).1
}

fn control(url: &str, what: &str, body: &str) {
    let url = format!("{url}/control/{what}");
    let response = ureq::post(&url).header("content-type", "application/json").send(body).expect("the bank obeys");
    assert_eq!(response.status(), 204);
}
