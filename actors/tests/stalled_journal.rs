//! A commit of the journal that does not end: nobody waits for it for ever.

mod support;

use std::time::{Duration, Instant};

use rialto_actors::api::{Query, Refused, Request, WorkerEvent};
use rialto_actors::exchange::{Options, Status, Storage};
use rialto_actors::metrics;
use rialto_engine::ids::{AccountId, OrderId};
use rialto_engine::order::Side;
use rialto_persistence::journal::memory::MemoryLog;
use support::hung_journal::Valve;
use support::{Session, TENANTS, place, wait_until};

const LIMIT: Duration = Duration::from_millis(500);

fn start(log: &MemoryLog, valve: &Valve) -> Session {
    let mut options = Options::new(valve.storage(log));
    options.commit_limit = LIMIT;
    Session::start_with(options)
}

fn stalled() -> String {
    let text = metrics::render();
    let line = text.lines().find(|line| line.starts_with("rialto_journal_stalled "));
    line.expect("shown from the start").to_owned()
}

#[test]
fn a_commit_that_hangs_is_given_up_and_nothing_waits_for_it() {
    let (log, valve) = (MemoryLog::new(), Valve::default());
    let mut session = start(&log, &valve);
    let [acme, globex] = TENANTS;
    session.place(acme, 0, "before", Side::Sell, 70_000, 500).expect("placed");

    // A slow commit is not a hung one.
    valve.close();
    session.send(acme, place(0, "slow", Side::Sell, 70_001, 500)).expect("taken");
    wait_until("the commit hangs", || valve.holds_one());
    std::thread::sleep(LIMIT / 4);
    valve.open();
    wait_until(
        "the slow commit is told",
        || matches!(session.feed.next_message(), Some(WorkerEvent::Released(release)) if release.answer.is_some()),
    );
    assert_eq!(session.exchange.status(), Status::Ready);
    assert_eq!(stalled(), "rialto_journal_stalled 0");

    valve.close();
    session.send(acme, place(0, "hung", Side::Sell, 70_002, 500)).expect("taken");
    wait_until("the commit hangs", || valve.holds_one());
    // Until then there is room, and hope.
    session.send(globex, place(0, "behind", Side::Sell, 70_000, 500)).expect("taken");
    let mut interrupted = false;
    wait_until("whoever waits is told", || {
        match session.feed.next_message() {
            Some(WorkerEvent::Interrupted) => interrupted = true,
            Some(WorkerEvent::Released(release)) => panic!("told before it was durable: {release:?}"),
            _ => {}
        }
        interrupted
    });
    let Status::Stopped(reason) = session.exchange.status() else { panic!("{:?}", session.exchange.status()) };
    assert!(reason.contains("longer than 500ms") && reason.contains("nothing is restarted"), "{reason}");
    assert_eq!(stalled(), "rialto_journal_stalled 1");
    // Nobody else begins to wait.
    let query = Request::Query(Query::Balances { account: AccountId(0) });
    assert_eq!(session.send(acme, query), Err(Refused::Unavailable));
    assert_eq!(session.send(globex, place(1, "after", Side::Buy, 70_000, 1)), Err(Refused::Unavailable));
    // What the public knows is there still.
    assert!(session.exchange.market_data().is_whole());

    // Not even the end waits.
    let began = Instant::now();
    session.exchange.shutdown();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());

    // The commit ends after all. What was given up is not told, and what stood behind it is not
    // written.
    valve.open();
    wait_until("the commit ends", || !valve.holds_one());
    std::thread::sleep(Duration::from_millis(100));
    while let Some(event) = session.feed.next_message() {
        assert!(!matches!(event, WorkerEvent::Released(_)), "{event:?}");
    }
    // The next process finds all that was told, and whatever became durable besides.
    let mut session = Session::start(Storage::Memory(log));
    let open: Vec<OrderId> = session.open_orders(acme, 0).into_iter().map(|(order, _)| order).collect();
    assert!(open.starts_with(&[OrderId(1), OrderId(2)]), "{open:?}");
    assert_eq!(session.open_orders(globex, 0), []);
    session.place(globex, 0, "again", Side::Sell, 70_000, 500).expect("placed");
    session.exchange.shutdown();
}
