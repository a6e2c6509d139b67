//! Money through the running exchange: deposits, withdrawals and transfers, their timers, and crashes anywhere.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rialto_actors::api::{MoneySettings, Query, Reply, Request, WorkerEvent};
use rialto_actors::exchange::{MoneySetup, Options, Setup, Status, Storage};
use rialto_actors::metrics;
use rialto_actors::rails::gates::Gate;
use rialto_engine::ids::{AccountId, AssetId, RailId, TenantId};
use rialto_engine::label::Label;
use rialto_engine::order::Side;
use rialto_engine::reason::Reason;
use rialto_engine::transaction::{
    Ask, Body, FeePlan, Happening, Policy, Report, Topic, Transacted, Transaction, TransactionCommand, TransactionKind,
    TransactionState,
};
use rialto_engine::units::{Amount, BasisPoints, Nanos};
use rialto_persistence::audit::audit;
use rialto_persistence::journal::memory::MemoryLog;
use rialto_persistence::record::Record;
use rialto_persistence::world::{Scratch, Unobserved, World};
use support::bank::{Bank, Calls, Notices, outlets};
use support::hung_journal::Valve;
use support::{Session, TENANTS, apply, log_of, place, records, setup, wait_until};

const ACME: TenantId = TENANTS[0];
const BANK: RailId = RailId(1);
const USD: AssetId = AssetId(0);
const ALICE: AccountId = AccountId(0);
const BOB: AccountId = AccountId(1);
const SECOND: u64 = 1_000_000_000;
const START: i128 = 100_000_000;

fn label(text: &str) -> Label {
    Label::new(text).expect("it is one")
}

/// A tenant with a bank whose timers run out every so many nanoseconds.
fn with_bank(interval: u64) -> Setup {
    let policy = Policy {
        first: Nanos(interval),
        interval: Nanos(interval),
        is_doubling: false,
        longest: Nanos(interval),
        attempts: 1_000,
        lifetime: Nanos::ZERO,
    };
    let kinds = [TransactionKind::Deposit, TransactionKind::Withdrawal];
    let mut setup = setup();
    setup.tenants[0].money = MoneySetup {
        rails: vec![label("bank")],
        policies: kinds.into_iter().map(|kind| (Topic::Kind(kind), policy)).collect(),
        fees: vec![(
            TransactionKind::Withdrawal,
            "USD".to_owned(),
            FeePlan { fixed: Amount(7), rate: BasisPoints(10) },
        )],
        notifies: None,
    };
    setup
}

struct Desk {
    session: Session,
    calls: Calls,
    notices: Notices,
}

fn open(log: &MemoryLog, setup: &Setup, room: usize) -> Desk {
    let (outlets, calls, notices) = outlets(room);
    let mut options = Options::new(Storage::Memory(log.clone()));
    options.outlets = Some(outlets);
    Desk { session: Session::start_as(options, setup), calls, notices }
}

fn deposit(id: &str, amount: i128) -> TransactionCommand {
    try_body(id, Body::Deposit { account: ALICE, asset: USD, amount: Amount(amount) })
}

fn withdrawal(id: &str, amount: i128) -> TransactionCommand {
    let destination = "CH93-0076".into();
    try_body(id, Body::Withdrawal { account: ALICE, asset: USD, amount: Amount(amount), destination })
}

fn transfer(id: &str, amount: i128, held: bool) -> TransactionCommand {
    try_body(id, Body::Transfer { from: ALICE, to: BOB, asset: USD, amount: Amount(amount), held })
}

fn try_body(id: &str, body: Body) -> TransactionCommand {
    let rail = if body.kind().has_rail() { BANK } else { RailId::DIRECT };
    TransactionCommand::Try { id: label(id), body, rail, until: Nanos::ZERO, time: Nanos::ZERO }
}

fn received(id: &str, reference: &str, amount: i128) -> TransactionCommand {
    let report = Report::Received { reference: label(reference), asset: USD, amount: Amount(amount), is_final: true };
    TransactionCommand::Report { rail: BANK, id: Some(label(id)), report, time: Nanos::ZERO }
}

fn request(command: TransactionCommand) -> Request {
    Request::Transaction { command, deadline: Nanos(u64::MAX) }
}

/// What became of a command: the transaction, and available and held US dollars of those it concerned.
type Answer = Result<(Transacted, Option<Box<Transaction>>, Vec<(u32, i128, i128)>), Reason>;

fn read(reply: &Reply) -> Answer {
    match reply {
        Reply::Transacted { transacted, transaction, balances, .. } => {
            let balances = balances.iter().map(|(account, it)| (account.0, it.available.0, it.held.0));
            Ok((*transacted, transaction.clone(), balances.collect()))
        }
        Reply::Rejected(reason) => Err(*reason),
        other => panic!("answered with {other:?}"),
    }
}

impl Desk {
    fn ask(&mut self, command: TransactionCommand) -> Answer {
        let release = self.session.ask(ACME, request(command));
        read(&release.answer.as_ref().expect("an answer").1)
    }

    /// Asks until it is answered, as a client does that does not know what became of his request.
    fn insist(&mut self, command: &TransactionCommand) -> Answer {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(20) {
            let Ok(token) = self.session.send(ACME, request(command.clone())) else {
                std::thread::sleep(Duration::from_millis(1));
                continue;
            };
            let sent = Instant::now();
            while sent.elapsed() < Duration::from_millis(500) {
                match self.session.feed.next_message() {
                    Some(WorkerEvent::Interrupted) => break,
                    Some(WorkerEvent::Released(release)) => {
                        if let Some((answered, reply)) = &release.answer
                            && *answered == token
                        {
                            return read(reply);
                        }
                    }
                    Some(WorkerEvent::Market(_)) => {}
                    None => std::thread::sleep(Duration::from_micros(50)),
                }
            }
        }
        panic!("no answer to {command:?}");
    }

    fn money(&mut self) -> MoneySettings {
        match &self.session.ask(ACME, Request::Query(Query::Money)).answer {
            Some((_, Reply::Money(settings))) => (**settings).clone(),
            other => panic!("a query was answered with {other:?}"),
        }
    }

    fn find(&mut self, id: &str) -> Option<Transaction> {
        match &self.session.ask(ACME, Request::Query(Query::Transaction { id: label(id) })).answer {
            Some((_, Reply::Transaction(transaction))) => transaction.as_deref().cloned(),
            other => panic!("a query was answered with {other:?}"),
        }
    }

    fn dollars(&mut self, account: AccountId) -> (i128, i128) {
        self.session.balances(ACME, account.0)[usize::from(USD.0)]
    }

    fn close(self) {
        assert_eq!(self.session.exchange.status(), Status::Ready, "the auditor agrees");
        self.session.exchange.shutdown();
        assert_eq!(self.session.exchange.status(), Status::Stopped("shut down".to_owned()), "to the end");
    }
}

fn world(log: &MemoryLog) -> World {
    let (mut world, mut scratch) = (World::default(), Scratch::default());
    records(log).iter().for_each(|record| apply(&mut world, record.as_ref(), &mut scratch, &mut Unobserved));
    world
}

fn transactions(log: &MemoryLog) -> usize {
    records(log).iter().filter(|record| matches!(record, Some(Record::Transaction { .. }))).count()
}

#[test]
fn money_comes_in_moves_and_goes_out_and_everything_happens_once() {
    let log = MemoryLog::new();
    let setup = with_bank(3_600 * SECOND);
    let mut desk = open(&log, &setup, 100);
    let (transacted, transaction, _) = desk.ask(deposit("d1", 5_000)).expect("tried");
    assert!(transacted.is_changed);
    let transaction = transaction.expect("there is one");
    assert_eq!((transaction.state, transaction.id), (TransactionState::Open, label("d1")));
    let (tenant, call) = desk.calls.recv_timeout(Duration::from_secs(5)).expect("the rail is asked");
    assert_eq!((tenant, call.ask, call.transaction.id), (ACME, Ask::Submit, label("d1")));

    let settings = transactions(&log);
    let (again, same, _) = desk.ask(deposit("d1", 5_000)).expect("known");
    assert_eq!((again.is_changed, same), (false, Some(transaction)));
    assert_eq!(desk.ask(deposit("d1", 5_001)), Err(Reason::IdempotencyConflict));
    assert_eq!(transactions(&log), settings, "neither was journaled");

    let (_, transaction, balances) = desk.ask(received("d1", "r1", 5_000)).expect("received");
    assert_eq!(transaction.map(|it| it.state), Some(TransactionState::Confirmed));
    assert_eq!(balances, [(0, START + 5_000, 0)]);
    assert!(!desk.ask(received("d1", "r1", 5_000)).expect("told again").0.is_changed);

    let (_, transaction, balances) = desk.ask(transfer("t1", 1_000, false)).expect("moved");
    assert_eq!(transaction.map(|it| (it.state, it.posted)), Some((TransactionState::Confirmed, Amount(1_000))));
    assert_eq!(balances, [(0, START + 4_000, 0), (1, START + 1_000, 0)]);
    assert_eq!(desk.ask(transfer("t2", 2 * START, false)), Err(Reason::InsufficientBalance));
    let (_, _, balances) = desk.ask(transfer("t2", 500, true)).expect("the id is still free");
    assert_eq!(balances, [(0, START + 3_500, 500)]);
    let confirm = TransactionCommand::Confirm { id: label("t2"), amount: Amount(200), time: Nanos::ZERO };
    let (_, _, balances) = desk.ask(confirm).expect("confirmed");
    assert_eq!(balances, [(0, START + 3_800, 0), (1, START + 1_200, 0)]);

    desk.ask(withdrawal("w1", 1_000)).expect("tried");
    assert_eq!(desk.dollars(ALICE), (START + 3_800 - 1_008, 1_008), "and 7 for it and a thousandth");
    let (_, call) = desk.calls.recv_timeout(Duration::from_secs(5)).expect("the rail is asked");
    assert_eq!((call.ask, call.transaction.fee), (Ask::Submit, Amount(8)));
    let report = Report::Paid { reference: label("r2"), asset: USD, amount: Amount(1_000) };
    let paid = TransactionCommand::Report { rail: BANK, id: Some(label("w1")), report, time: Nanos::ZERO };
    desk.ask(paid).expect("paid");
    assert_eq!(desk.dollars(ALICE), (START + 2_792, 0));
    let money = desk.money();
    let rails: Vec<_> = money.rails.iter().map(|rail| (rail.name, rail.is_open)).collect();
    assert_eq!(rails, [(label("direct"), true), (label("bank"), true)]);
    assert_eq!((money.live, money.pending, money.stuck, money.cases, money.notifies), (0, 0, 0, 0, false));
    assert_eq!(desk.find("t2").map(|it| it.state), Some(TransactionState::Confirmed));
    assert_eq!(desk.find("nothing"), None);
    let now = rialto_actors::clock::wall();
    let late = Request::Transaction { command: deposit("late", 1), deadline: Nanos(now.0 - 1) };
    let release = desk.session.ask(ACME, late);
    assert!(matches!(release.answer, Some((_, Reply::Rejected(Reason::DeadlinePassed)))), "{release:?}");
    assert!(desk.notices.is_empty(), "nobody must be told");
    desk.close();

    let nothing = tempfile::tempdir().expect("a directory");
    let found = audit(&log.open(), nothing.path()).expect("the journal replays");
    assert_eq!(found.findings, Vec::<String>::new());
    let count = records(&log).len();
    open(&log, &setup, 1).close();
    assert_eq!(records(&log)[count..], [None], "the setup is brought about once");
}

#[test]
fn events_go_to_sessions_and_notices_to_those_who_must_be_told_until_they_have_taken_them() {
    let log = MemoryLog::new();
    let mut setup = with_bank(3_600 * SECOND);
    let again = Policy {
        first: Nanos(SECOND / 20),
        interval: Nanos(SECOND / 20),
        is_doubling: false,
        longest: Nanos(SECOND / 20),
        attempts: 3,
        lifetime: Nanos::ZERO,
    };
    setup.tenants[0].money.notifies = Some(true);
    setup.tenants[0].money.policies.push((Topic::Notification, again));
    let mut desk = open(&log, &setup, 1_000);
    let release = desk.session.ask(ACME, request(transfer("t1", 10, false)));
    let happened: Vec<&str> = release.events.iter().map(|event| event.what.name()).collect();
    assert_eq!(happened, ["confirmed"], "all at once");
    let number = release.events[0].transaction.number;
    // It is told of the first event again and again, and an operator is called in the end.
    for _ in 0..3 {
        let (_, notice) = desk.notices.recv_timeout(Duration::from_secs(5)).expect("told");
        assert_eq!((notice.sequence, notice.what), (1, Happening::Confirmed));
    }
    wait_until("it is stuck", || desk.money().stuck == 1);
    let stuck = Query::Transactions { stuck_only: true, limit: 10 };
    match &desk.session.ask(ACME, Request::Query(stuck)).answer {
        Some((_, Reply::Transactions(found))) => {
            assert_eq!(found.iter().map(|it| it.id).collect::<Vec<_>>(), [label("t1")])
        }
        other => panic!("a query was answered with {other:?}"),
    }
    let mut taken = 0;
    wait_until("all is taken", || {
        let (_, notice) = desk.notices.recv_timeout(Duration::from_secs(5)).expect("told");
        assert_eq!(notice.transaction.number, number);
        assert!(notice.sequence <= taken + 1, "in order");
        let event = notice.sequence;
        let taken_now = TransactionCommand::Acknowledge { transaction: number, event, time: Nanos::ZERO };
        // One that was told twice may be taken twice, and then be gone.
        if desk.ask(taken_now).is_ok() {
            taken = taken.max(event);
        }
        let money = desk.money();
        money.live == 0 && money.stuck == 0
    });
    assert!(taken >= 2);
    desk.close();
}

#[test]
fn nothing_leaves_before_it_is_durable() {
    let (log, valve) = (MemoryLog::new(), Valve::default());
    let (outlets, calls, _) = outlets(10);
    let mut options = Options::new(valve.storage(&log));
    options.outlets = Some(outlets);
    let session = Session::start_as(options, &with_bank(SECOND / 50));
    let mut session = session;
    valve.close();
    session.send(ACME, request(deposit("d1", 100))).expect("taken");
    session.send(ACME, request(transfer("t1", 100, false))).expect("taken");
    // A repetition is not journaled, but waits for what it repeats.
    session.send(ACME, request(transfer("t1", 100, false))).expect("taken");
    wait_until("the commit hangs", || valve.holds_one());
    // Timers run out meanwhile.
    std::thread::sleep(Duration::from_millis(200));
    assert!(calls.is_empty(), "no rail was asked");
    while let Some(event) = session.feed.next_message() {
        if let WorkerEvent::Released(release) = event {
            panic!("told before it was durable: {release:?}");
        }
    }
    valve.open();
    assert_eq!(calls.recv_timeout(Duration::from_secs(5)).expect("asked").1.ask, Ask::Submit);
    assert_eq!(calls.recv_timeout(Duration::from_secs(5)).expect("asked").1.ask, Ask::Query);
    let mut answers = 0;
    wait_until("all are answered", || {
        answers += match session.feed.next_message() {
            Some(WorkerEvent::Released(release)) => usize::from(release.answer.is_some()),
            _ => 0,
        };
        answers == 3
    });
    session.exchange.shutdown();
}

#[test]
fn timers_run_out_after_a_restart_and_after_a_rebuild() {
    let log = MemoryLog::new();
    let setup = with_bank(SECOND / 10);
    let mut desk = open(&log, &setup, 100);
    desk.ask(deposit("d1", 100)).expect("tried");
    desk.calls.recv_timeout(Duration::from_secs(5)).expect("asked at once");
    desk.close();
    let mut desk = open(&log, &setup, 100);
    let (_, call) = desk.calls.recv_timeout(Duration::from_secs(5)).expect("asked after the restart");
    assert_eq!((call.ask, call.transaction.id), (Ask::Query, label("d1")));
    desk.session.exchange.drill(ACME);
    desk.session.send(ACME, Request::Query(Query::Money)).ok();
    wait_until("rebuilt", || matches!(desk.session.feed.next_message(), Some(WorkerEvent::Interrupted)));
    while desk.calls.try_recv().is_some() {}
    desk.calls.recv_timeout(Duration::from_secs(5)).expect("asked after the rebuild");
    wait_until("ready", || desk.session.exchange.status() == Status::Ready);
    desk.close();
}

#[test]
fn a_full_outlet_holds_nobody_up_and_is_made_up_for() {
    let log = MemoryLog::new();
    let setup = with_bank(SECOND / 50);
    let mut desk = open(&log, &setup, 1);
    for number in 0..50 {
        desk.ask(deposit(&format!("d{number}"), 100)).expect("tried");
    }
    let text = metrics::render();
    let line = text.lines().find(|line| line.starts_with("rialto_outlet_dropped_total{outlet=\"calls\"}"));
    let dropped: u64 = line.and_then(|line| line.split(' ').nth(1)).and_then(|it| it.parse().ok()).expect("shown");
    assert!(dropped >= 49, "{dropped}");
    // Whoever reads at last hears of every one.
    wait_until("all have ended", || {
        if let Ok((_, call)) = desk.calls.recv_timeout(Duration::from_millis(100)) {
            let id = call.transaction.id.as_str();
            desk.ask(received(id, id, 100)).expect("received");
        }
        desk.money().pending == 0
    });
    assert_eq!(desk.dollars(ALICE), (START + 5_000, 0));
    desk.close();
}

/// What a tenant's backend does in a day.
fn script() -> Vec<TransactionCommand> {
    let mut commands = Vec::new();
    for number in 0..6 {
        commands.push(deposit(&format!("d{number}"), 1_000 + number));
        commands.push(withdrawal(&format!("w{number}"), 300 + number));
        commands.push(transfer(&format!("t{number}"), 10 + number, false));
        let held = format!("h{number}");
        commands.push(transfer(&held, 50 + number, true));
        let id = label(&held);
        commands.push(if number % 2 == 0 {
            TransactionCommand::Confirm { id, amount: Amount(20), time: Nanos::ZERO }
        } else {
            TransactionCommand::Cancel { id, time: Nanos::ZERO }
        });
    }
    let (payer, merchant, asset) = (ALICE, BOB, USD);
    commands.push(try_body("p1", Body::Payment { payer, merchant, asset, amount: Amount(700), held: false }));
    commands.push(try_body("p1-back", Body::Refund { payment: label("p1"), amount: Amount(300), held: false }));
    commands
}

/// Carries the script out, with failures on the way, until everything is decided. Gives what everybody has.
fn carry_out(mut desk: Desk, bank: &Bank, drills: bool) -> Vec<(i128, i128)> {
    let at_work = bank.work(&desk.session.exchange, desk.calls.clone());
    for (place, command) in script().iter().enumerate() {
        if drills && matches!(place, 11 | 23) {
            desk.session.exchange.drill(ACME);
        }
        desk.insist(command).expect("carried out");
    }
    let began = Instant::now();
    while desk.money().pending > 0 {
        assert!(began.elapsed() < Duration::from_secs(20), "something is never decided");
        std::thread::sleep(Duration::from_millis(5));
    }
    let money = desk.money();
    assert_eq!((money.live, money.cases), (0, 0), "and nothing is left to explain");
    let balances = vec![desk.dollars(ALICE), desk.dollars(BOB)];
    at_work.stop();
    desk.close();
    balances
}

#[test]
fn wherever_it_crashes_and_whatever_is_lost_everything_is_decided_once_and_the_banks_books_agree() {
    let setup = with_bank(SECOND / 100);
    let (log, bank) = (MemoryLog::new(), Bank::default());
    let expected = carry_out(open(&log, &setup, 1_000), &bank, true);
    let of_bank = bank.balance(USD);
    let deposits: i128 = (0..6).map(|number| 1_000 + number).sum();
    let withdrawals: i128 = (0..6).map(|number| 300 + number).sum();
    assert_eq!(of_bank, Amount(deposits - withdrawals));
    let check = |log: &MemoryLog, what: &str| {
        let world = world(log);
        assert_eq!(world.tenants[0].imbalances(), [], "{what}");
        assert_eq!(world.tenants[0].wallet.external(USD, BANK), Amount(-of_bank.0), "{what}");
    };
    check(&log, "the first run");
    let nothing = tempfile::tempdir().expect("a directory");
    assert_eq!(audit(&log.open(), nothing.path()).expect("it replays").findings, Vec::<String>::new());

    // The exchange loses its memory back to any record; the bank has its own, and so has the backend.
    let records = records(&log);
    let first = records.iter().position(|record| matches!(record, Some(Record::Transaction { .. })));
    let first = first.expect("there are some");
    let asked = bank.calls();
    for end in (first..records.len()).step_by(3).chain([records.len()]) {
        let (log, bank) = (log_of(&records[..end]), bank.copy());
        let what = format!("{end} of {} records", records.len());
        assert_eq!(carry_out(open(&log, &setup, 1_000), &bank, false), expected, "{what}");
        assert_eq!(bank.balance(USD), of_bank, "{what}");
        assert!(bank.calls() > asked || end > records.len() / 2, "{what}");
        check(&log, &what);
    }
}

#[test]
fn timers_that_run_out_one_after_another_are_driven_together() {
    let log = MemoryLog::new();
    let mut desk = open(&log, &with_bank(SECOND), 1_000);
    for number in 0..200 {
        desk.ask(deposit(&format!("d{number}"), 1)).expect("tried");
        std::thread::sleep(Duration::from_millis(1));
    }
    while desk.calls.try_recv().is_some() {}
    wait_until("all are asked about", || {
        while desk.session.feed.next_message().is_some() {}
        desk.calls.len() >= 200
    });
    desk.close();
    let driven = records(&log).into_iter().filter_map(|record| match record {
        Some(Record::Transaction { command: TransactionCommand::Drive { time, .. }, .. }) => Some(time.0),
        _ => None,
    });
    let mut rounds: Vec<(u64, usize)> = Vec::new();
    for time in driven {
        match rounds.last_mut() {
            Some((last, count)) if *last == time => *count += 1,
            _ => rounds.push((time, 1)),
        }
    }
    // A full round is followed by the next at once.
    let apart = rounds.windows(2).filter(|pair| pair[0].1 < 64).map(|pair| pair[1].0 - pair[0].0);
    let least = apart.min().expect("more than one round");
    // The clock of the engine may go a little slower.
    assert!(least >= SECOND / 60, "{least} ns between rounds of {rounds:?}");
}

#[test]
fn timers_of_a_rail_that_is_left_alone_are_held_back_but_not_for_ever() {
    let mut setup = with_bank(SECOND);
    setup.tenants[0].money.rails.push(label("other"));
    let mut desk = open(&MemoryLog::new(), &setup, 1_000);
    let gates = desk.calls.gates().clone();
    let gate = Gate { longest: Nanos(3 * SECOND), allowed: 0, is_opening: false, is_left_alone: true };
    gates.shut(ACME, BANK, gate);
    let gauge = Arc::new(AtomicU64::new(0));
    gates.tell_by(ACME, BANK, ::metrics::Gauge::from_arc(Arc::clone(&gauge)));
    let held = || f64::from_bits(gauge.load(Ordering::Relaxed));
    for number in 0..100 {
        desk.ask(deposit(&format!("d{number}"), 1)).expect("tried");
    }
    let TransactionCommand::Try { id, body, until, time, .. } = deposit("other", 1) else {
        unreachable!("it is tried")
    };
    desk.ask(TransactionCommand::Try { id, body, rail: RailId(2), until, time }).expect("tried");
    while desk.calls.try_recv().is_some() {}
    let tried = Instant::now();
    let asked = |desk: &mut Desk, count: usize| {
        let mut of = [0; 3];
        wait_until("they are asked about", || {
            while desk.session.feed.next_message().is_some() {}
            while let Some((_, call)) = desk.calls.try_recv() {
                of[usize::from(call.transaction.rail.0)] += 1;
            }
            of[1] >= count || of[2] >= 2
        });
        of
    };
    assert_eq!(asked(&mut desk, 1), [0, 0, 2], "the other rail's timer runs out again and again");
    wait_until("they are told to be held back", || {
        while desk.session.feed.next_message().is_some() {}
        (held() - 100.0).abs() < 0.5
    });
    gates.shut(ACME, BANK, Gate { allowed: 7, is_left_alone: false, ..gate });
    assert_eq!(asked(&mut desk, 7)[1], 7, "as many as are allowed");
    assert!(tried.elapsed() < Duration::from_secs(4), "before their time: {:?}", tried.elapsed());
    wait_until("what was held back for three seconds is asked about", || {
        while desk.session.feed.next_message().is_some() {}
        desk.calls.len() >= 93
    });
    let took = tried.elapsed();
    assert!((3..8).contains(&took.as_secs()), "{took:?}");
    // One that opens lets through what it allows, and is gone when nothing is held back.
    while desk.calls.try_recv().is_some() {}
    gates.shut(ACME, BANK, Gate { allowed: 10, is_opening: true, is_left_alone: false, ..gate });
    wait_until("ten are asked about", || {
        while desk.session.feed.next_message().is_some() {}
        desk.calls.len() >= 10
    });
    gates.allow(ACME, BANK, 1_000);
    wait_until("all are asked about, and the gate is open", || {
        while desk.session.feed.next_message().is_some() {}
        desk.calls.len() >= 100 && gates.of(ACME, BANK).is_none()
    });
    wait_until("none is told to be held back", || {
        while desk.session.feed.next_message().is_some() {}
        held().abs() < 0.5
    });
    desk.close();
}

#[test]
fn a_dead_rail_with_ten_thousand_open_transactions_takes_no_room_from_another() {
    let mut setup = with_bank(2 * SECOND);
    setup.tenants[0].money.rails.push(label("other"));
    let mut desk = open(&MemoryLog::new(), &setup, 500);
    // The dead rail's come first in every round of timers.
    for number in 0..10_000 {
        while desk.session.send(ACME, request(deposit(&format!("d{number}"), 1))).is_err() {
            while desk.session.feed.next_message().is_some() {}
        }
    }
    for number in 0..10 {
        let TransactionCommand::Try { id, body, until, time, .. } = deposit(&format!("other-{number}"), 1) else {
            unreachable!("it is tried")
        };
        desk.ask(TransactionCommand::Try { id, body, rail: RailId(2), until, time }).expect("tried");
    }
    for ask in [Ask::Submit, Ask::Query, Ask::Query] {
        wait_until("both are asked", || {
            while desk.session.feed.next_message().is_some() {}
            desk.calls.len() == 510
        });
        let taken: Vec<_> = std::iter::from_fn(|| desk.calls.try_recv()).collect();
        let of_other = taken.iter().filter(|(_, call)| (call.transaction.rail, call.ask) == (RailId(2), ask));
        assert_eq!(of_other.count(), 10, "{ask:?}");
    }
    desk.close();
}

#[test]
fn ten_thousand_timers_that_run_out_at_once_hold_no_order_up() {
    let log = MemoryLog::new();
    let setup = with_bank(2 * SECOND);
    let mut desk = open(&log, &setup, 100_000);
    for number in 0..10_000 {
        while desk.session.send(ACME, request(deposit(&format!("d{number}"), 1))).is_err() {
            while desk.session.feed.next_message().is_some() {}
        }
    }
    wait_until("all were tried", || {
        while desk.session.feed.next_message().is_some() {}
        desk.calls.len() == 10_000
    });
    desk.close();
    std::thread::sleep(Duration::from_millis(2_100));

    let mut desk = open(&log, &setup, 100_000);
    let mut waits = Vec::new();
    let mut number = 0;
    let began = Instant::now();
    while desk.calls.len() < 10_000 || number < 200 {
        assert!(began.elapsed() < Duration::from_secs(20), "{} of 10,000 are asked about", desk.calls.len());
        let sent = Instant::now();
        desk.session.ask(ACME, place(0, &format!("o{number}"), Side::Buy, 60_000, 100));
        waits.push(sent.elapsed());
        number += 1;
    }
    waits.sort_unstable();
    let [median, p99] = [waits.len() / 2, waits.len() * 99 / 100].map(|place| waits[place]);
    println!(
        "{} orders beside 10,000 timers: median {median:?}, p99 {p99:?}, max {:?}",
        waits.len(),
        waits[waits.len() - 1]
    );
    assert!(p99 < Duration::from_millis(50), "{p99:?}");
    desk.close();
}
