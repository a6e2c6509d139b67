//! The exchange without its edge: requests in at one end, durable answers out at the other.

mod support;

use std::time::{Duration, Instant};

use rialto_actors::api::{Query, Reply, ReplyToken, Request, WorkerEvent};
use rialto_actors::exchange::{Options, Status, Storage};
use rialto_engine::ids::{AccountId, OrderId};
use rialto_engine::message::CancelRestriction;
use rialto_engine::order::Side;
use rialto_engine::reason::Reason;
use rialto_engine::units::Nanos;
use rialto_engine::wallet::{Cancel, Command, OrderRef};
use rialto_persistence::journal::memory::MemoryLog;
use rialto_persistence::journal::sled::SledOptions;
use support::hung_journal::Valve;
use support::{MARKET, Session, TENANTS, place, wait_until};

#[test]
fn a_trade_in_one_tenant_leaves_the_other_untouched() {
    let mut session = Session::start(Storage::Memory(MemoryLog::new()));
    let [acme, globex] = TENANTS;
    session.place(acme, 0, "a", Side::Sell, 70_000, 500).expect("placed");
    session.place(globex, 1, "a", Side::Buy, 70_000, 500).expect("placed");
    assert_eq!(session.open_orders(acme, 0), [(OrderId(1), 500)]);
    assert_eq!(session.open_orders(globex, 1), [(OrderId(1), 500)]);
    session.place(acme, 1, "b", Side::Buy, 70_000, 200).expect("placed");
    assert_eq!(session.open_orders(acme, 0), [(OrderId(1), 300)]);
    assert_eq!(session.open_orders(globex, 1), [(OrderId(1), 500)]);
    // 200 lots of 0.01 at 7: 14 CNY, less 0.1 % for the maker; 2 USD, less 0.2 % for the taker,
    // rounded up to a cent.
    assert_eq!(session.balances(acme, 0), [(100_000_000 - 500, 300), (700_000_000_000 + 13_986_000, 0)]);
    assert_eq!(session.balances(acme, 1), [(100_000_000 + 199, 0), (700_000_000_000 - 14_000_000, 0)]);
    assert_eq!(session.place(acme, 1, "b", Side::Buy, 1, 1), Err(Reason::DuplicateClientOrderId));
    session.exchange.shutdown();
    assert_eq!(session.exchange.status(), Status::Stopped("shut down".to_owned()));
}

#[test]
fn a_restart_finds_every_order_and_every_unit() {
    let directory = tempfile::tempdir().expect("a directory");
    let storage = Storage::Directory { path: directory.path().to_owned(), journal: SledOptions::default() };
    let before = {
        let mut session = Session::start(storage.clone());
        for number in 0..200_u64 {
            let side = if number % 2 == 0 { Side::Sell } else { Side::Buy };
            let price = 70_000 + number * 7 % 11;
            let account = u32::try_from(number % 2).expect("0 or 1");
            session.place(TENANTS[0], account, &format!("n{number}"), side, price, 10 + number).expect("placed");
        }
        let seen =
            (0..2).map(|account| (session.open_orders(TENANTS[0], account), session.balances(TENANTS[0], account)));
        let seen: Vec<_> = seen.collect();
        session.exchange.shutdown();
        seen
    };
    let mut session = Session::start(storage);
    let after = (0..2).map(|account| (session.open_orders(TENANTS[0], account), session.balances(TENANTS[0], account)));
    let after: Vec<_> = after.collect();
    assert_eq!(before, after);
    assert!(session.place(TENANTS[0], 0, "n7", Side::Sell, 1, 1).is_ok(), "another account's client id is free");
    assert_eq!(session.place(TENANTS[0], 1, "n7", Side::Buy, 1, 1), Err(Reason::DuplicateClientOrderId));
    session.exchange.shutdown();
}

#[test]
fn a_failed_actor_is_rebuilt_from_the_journal() {
    let mut session = Session::start(Storage::Memory(MemoryLog::new()));
    session.place(TENANTS[0], 0, "a", Side::Sell, 70_000, 500).expect("placed");
    session.exchange.drill(TENANTS[0]);
    // The drill strikes in the next turn; what asks then gets no answer but an interruption.
    let token = ReplyToken { worker: 0, slot: 0, generation: 1 };
    let query = || Request::Query(Query::Balances { account: AccountId(0) });
    let began = Instant::now();
    let mut interrupted = false;
    while !interrupted && began.elapsed() < Duration::from_secs(10) {
        session.exchange.submit(TENANTS[0], query(), token, 1).ok();
        std::thread::sleep(Duration::from_millis(5));
        while let Some(event) = session.feed.next_message() {
            interrupted |= matches!(event, WorkerEvent::Interrupted);
        }
    }
    assert!(interrupted, "the workers are told");
    while session.exchange.status() != Status::Ready {
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", session.exchange.status());
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(session.open_orders(TENANTS[0], 0), [(OrderId(1), 500)]);
    session.place(TENANTS[0], 1, "b", Side::Buy, 70_000, 500).expect("placed");
    assert_eq!(session.open_orders(TENANTS[0], 0), []);
    session.exchange.shutdown();
}

#[test]
fn a_late_command_is_refused() {
    let mut session = Session::start(Storage::Memory(MemoryLog::new()));
    let cancel = Cancel {
        account: AccountId(0),
        market: MARKET,
        target: OrderRef { id: Some(OrderId(1)), client_id: None },
        restriction: CancelRestriction::None,
        time: Nanos(0),
    };
    let request = Request::Command { command: Command::Cancel(cancel), deadline: Nanos(1) };
    let release = session.ask(TENANTS[0], request);
    assert!(matches!(release.answer, Some((_, Reply::Rejected(Reason::DeadlinePassed)))));
    session.exchange.shutdown();
}

#[test]
fn a_partition_that_is_stopped_or_rebuilt_does_not_wait_for_a_hung_commit() {
    for ends in [true, false] {
        let (log, valve) = (MemoryLog::new(), Valve::default());
        let mut options = Options::new(valve.storage(&log));
        options.commit_limit = Duration::from_millis(300);
        let mut session = Session::start_with(options);
        valve.close();
        session.send(TENANTS[0], place(0, "hung", Side::Sell, 70_000, 500)).expect("taken");
        wait_until("the commit hangs", || valve.holds_one());
        if ends {
            session.exchange.shutdown();
            assert_eq!(session.exchange.status(), Status::Stopped("shut down".to_owned()));
        } else {
            // The rebuild would wait for the journal.
            session.exchange.drill(TENANTS[1]);
            session.send(TENANTS[1], place(0, "drill", Side::Sell, 70_000, 500)).expect("taken");
            wait_until("given up", || matches!(session.exchange.status(), Status::Stopped(_)));
            let status = session.exchange.status();
            assert!(matches!(&status, Status::Stopped(reason) if reason.contains("longer than")), "{status:?}");
        }
        valve.open();
    }
}

#[test]
fn a_panic_in_the_journal_writer_stops_the_partition_and_leaves_nobody_waiting() {
    let valve = Valve::default();
    let mut session = Session::start(valve.storage(&MemoryLog::new()));
    valve.burst();
    session.send(TENANTS[0], place(0, "lost", Side::Sell, 70_000, 500)).expect("taken");
    wait_until("whoever waits is told", || matches!(session.feed.next_message(), Some(WorkerEvent::Interrupted)));
    let status = session.exchange.status();
    assert!(matches!(&status, Status::Stopped(reason) if reason.contains("the valve has burst")), "{status:?}");
    session.exchange.shutdown();
}
