//! Somebody sets the wall clock while money is under way. One test, since the clock is the process's.

mod support;

use std::time::{Duration, Instant};

use rialto_actors::api::{Reply, Request};
use rialto_actors::clock;
use rialto_actors::exchange::{Options, Storage};
use rialto_engine::ids::{AccountId, AssetId, RailId};
use rialto_engine::label::Label;
use rialto_engine::order::Side;
use rialto_engine::transaction::{Ask, Body, Policy, Topic, TransactionCommand, TransactionKind, TransactionState};
use rialto_engine::units::{Amount, Nanos};
use rialto_persistence::journal::memory::MemoryLog;
use support::bank::outlets;
use support::{Session, TENANTS, place, setup};

const SECOND: u64 = 1_000_000_000;
const DAY: i64 = 86_400 * 1_000_000_000;

#[test]
fn timers_go_on_when_the_clock_is_set_back_and_nothing_ends_because_it_is_set_ahead() {
    let mut wanted = setup();
    wanted.tenants[0].money.rails.push(Label::new("bank").expect("a name"));
    let policy = Policy {
        first: Nanos(SECOND / 4),
        interval: Nanos(SECOND / 4),
        is_doubling: false,
        longest: Nanos(SECOND),
        attempts: 1_000,
        lifetime: Nanos(3_600 * SECOND),
    };
    wanted.tenants[0].money.policies.push((Topic::Kind(TransactionKind::Deposit), policy));
    let (outlets, calls, _notices) = outlets(1_000);
    let log = MemoryLog::new();
    let mut options = Options::new(Storage::Memory(log.clone()));
    options.outlets = Some(outlets.clone());
    let mut session = Session::start_as(options, &wanted);
    let body = Body::Deposit { account: AccountId(0), asset: AssetId(0), amount: Amount(1) };
    let id = Label::new("d1").expect("a name");
    let try_it = TransactionCommand::Try { id, body, rail: RailId(1), until: Nanos::ZERO, time: Nanos::ZERO };
    let deposit = |deadline| Request::Transaction { command: try_it.clone(), deadline };
    session.ask(TENANTS[0], deposit(Nanos(u64::MAX)));
    let asked = |times: usize, ask: Ask| {
        let began = Instant::now();
        for _ in 0..times {
            let (_, call) = calls.recv_timeout(Duration::from_secs(5)).expect("the timer runs out");
            assert_eq!(call.ask, ask);
        }
        began.elapsed()
    };
    asked(1, Ask::Submit);
    asked(2, Ask::Query);
    let before = clock::now();

    clock::drill(-DAY);
    let back = asked(4, Ask::Query);
    assert!(back < Duration::from_secs(4), "a second, a seventh more, and a busy machine: {back:?}");
    assert!(clock::now() > before, "time does not go back");
    assert!(clock::wall() < before);
    // A request is as old as the clock on the wall says.
    let release = session.ask(TENANTS[0], deposit(Nanos(clock::wall().0 + SECOND)));
    assert!(matches!(release.answer, Some((_, Reply::Transacted { .. }))), "{release:?}");
    session.place(TENANTS[0], 0, "back", Side::Buy, 60_000, 100).expect("placed");

    // A restart does not bring back what was written after it.
    session.exchange.shutdown();
    let mut options = Options::new(Storage::Memory(log));
    options.outlets = Some(outlets);
    let mut session = Session::start_as(options, &wanted);
    asked(4, Ask::Query);
    assert!(clock::now() > before);

    clock::drill(366 * DAY);
    asked(8, Ask::Query);
    let ahead = clock::now().0 - before.0;
    assert!(ahead < 120 * SECOND, "a year is not believed at once: {} s", ahead / SECOND);
    let release = session.ask(TENANTS[0], deposit(Nanos(u64::MAX)));
    match &release.answer {
        Some((_, Reply::Transacted { transaction, .. })) => {
            let transaction = transaction.as_ref().expect("known");
            assert_eq!((transaction.state, transaction.is_stuck), (TransactionState::Open, false), "it has an hour");
        }
        other => panic!("answered with {other:?}"),
    }
    session.ask(TENANTS[0], place(0, "ahead", Side::Buy, 60_000, 100));
    session.exchange.shutdown();
}
