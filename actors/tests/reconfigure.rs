//! What is opened while the exchange runs: accounts live, everything else in a pause of which nobody hears
//! more than that all is busy.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rialto_actors::api::{Refused, Reply, Request, WorkerEvent};
use rialto_actors::exchange::{Options, Setup, Status, Storage};
use rialto_actors::market_data::interest::Topic;
use rialto_engine::ids::{AccountId, AssetId, MarketId, RailId, TenantId};
use rialto_engine::label::Label;
use rialto_engine::order::Side;
use rialto_engine::reason::Reason;
use rialto_engine::transaction::{Body, FeePlan, Policy, Topic as PolicyTopic, TransactionCommand, TransactionKind};
use rialto_engine::units::{Amount, BasisPoints, Nanos};
use rialto_persistence::audit::audit;
use rialto_persistence::journal::memory::MemoryLog;
use rialto_persistence::journal::sled::SledOptions;
use support::bank::outlets;
use support::hung_journal::Valve;
use support::{Session, TENANTS, order, place, records, request, setup, wait_until};

const ACME: TenantId = TENANTS[0];
const NEWCO: TenantId = TenantId(2);
const SECOND: u64 = 1_000_000_000;

fn label(text: &str) -> Label {
    Label::new(text).expect("it is one")
}

/// A third tenant, and at the first one a market, an asset, a user, a rail and a fee more.
fn more() -> Setup {
    let mut wanted = setup();
    let mut newco = wanted.tenants[1].clone();
    newco.name = "newco".to_owned();
    wanted.tenants.push(newco);
    let acme = &mut wanted.tenants[0];
    acme.assets.push(("EUR".to_owned(), 2));
    let mut market = acme.markets[0].clone();
    market.symbol = "EURCNY".to_owned();
    market.base = "EUR".to_owned();
    acme.markets.push(market);
    let mut carol = acme.users[0].clone();
    carol.name = "carol".to_owned();
    carol.balances.push(("EUR".to_owned(), Amount(100_000)));
    acme.users.push(carol);
    acme.money.rails.push(label("bank"));
    acme.money.notifies = Some(false);
    let fee = FeePlan { fixed: Amount(3), rate: BasisPoints(0) };
    acme.money.fees.push((TransactionKind::Payment, "EUR".to_owned(), fee));
    wanted
}

fn transfer(number: u64) -> Request {
    let (from, to, asset, amount) = (AccountId(0), AccountId(1), AssetId(0), Amount(1));
    let body = Body::Transfer { from, to, asset, amount, held: false };
    let id = label(&format!("t{number}"));
    let (rail, until, time) = (RailId::DIRECT, Nanos::ZERO, Nanos::ZERO);
    let command = TransactionCommand::Try { id, body, rail, until, time };
    Request::Transaction { command, deadline: Nanos(u64::MAX) }
}

fn open_account(session: &mut Session, name: &str) -> (AccountId, bool) {
    match &session.ask(ACME, Request::OpenAccount { name: label(name) }).answer {
        Some((_, Reply::AccountOpened { account, is_new })) => (*account, *is_new),
        other => panic!("answered with {other:?}"),
    }
}

#[test]
fn tenants_markets_and_assets_are_opened_under_load_and_nobody_hears_of_an_unknown_outcome() {
    let log = MemoryLog::new();
    opened_under_load(Storage::Memory(log.clone()));
    let nothing = tempfile::tempdir().expect("a directory");
    assert_eq!(audit(&log.open(), nothing.path()).expect("it replays").findings, Vec::<String>::new());
    // What is not in the setup of the next start stays all the same.
    let count = records(&log).len();
    let session = Session::start_as(Options::new(Storage::Memory(log.clone())), &setup());
    assert_eq!(session.exchange.directory().tenants().len(), 3);
    session.exchange.shutdown();
    assert_eq!(records(&log)[count..], [None], "nothing is done twice");
}

#[test]
fn the_same_with_a_journal_on_disk_and_the_read_store_fed() {
    let directory = tempfile::tempdir().expect("a directory");
    opened_under_load(Storage::Directory { path: directory.path().to_owned(), journal: SledOptions::default() });
}

fn opened_under_load(storage: Storage) {
    let mut session = Session::start_with(Options::new(storage));
    let exchange = session.exchange.clone();
    let done = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&done);
    // The scene: a session that sends orders and transfers all the time, and reads all it is told.
    let load = std::thread::spawn(move || {
        let (mut sent, mut answered, mut busy) = (0u64, 0u64, 0u64);
        let mut longest = Duration::ZERO;
        let mut last = Instant::now();
        while !stop.load(Ordering::Acquire) || answered < sent {
            if !stop.load(Ordering::Acquire) && sent < answered + 200 {
                let request =
                    if sent % 2 == 0 { transfer(sent) } else { place(0, &format!("o{sent}"), Side::Buy, 60_000, 100) };
                match session.send(ACME, request) {
                    Ok(_) => sent += 1,
                    Err(Refused::Busy) => busy += 1,
                    Err(refused) => panic!("{refused:?}"),
                }
            }
            match session.feed.next_message() {
                Some(WorkerEvent::Interrupted) => panic!("an outcome is unknown"),
                Some(WorkerEvent::Released(release)) if release.answer.is_some() => {
                    answered += 1;
                    longest = longest.max(last.elapsed());
                    last = Instant::now();
                }
                Some(_) => {}
                None if sent >= answered + 200 => std::thread::yield_now(),
                None => {}
            }
        }
        (session, sent, busy, longest)
    });
    std::thread::sleep(Duration::from_millis(200));
    let mut wrong = more();
    wrong.tenants[0].assets[0].1 = 3;
    let refused = exchange.reconfigure(&wrong).expect_err("a scale cannot change");
    assert!(refused.to_string().contains("the scale of USD"), "{refused}");
    let before = exchange.directory();
    let watched = exchange.market_data().watch(ACME, Some(MarketId(0)), Topic::Trades).expect("there");
    assert!(exchange.market_data().watch(ACME, Some(MarketId(1)), Topic::Trades).is_none());
    let reconfigured = exchange.reconfigure(&more()).expect("it can be");
    std::thread::sleep(Duration::from_millis(100));
    done.store(true, Ordering::Release);
    let (mut session, sent, busy, longest) = load.join().expect("nobody was interrupted");
    println!(
        "{sent} requests, {busy} times busy, a pause of {:?}, the longest silence {longest:?}",
        reconfigured.pause
    );
    assert!(busy > 0 && sent > 100);
    assert!(reconfigured.pause < Duration::from_secs(5), "{:?}", reconfigured.pause);
    drop(watched);

    assert!(before.tenant_named("newco").is_none(), "a directory stays as it is");
    let directory = exchange.directory();
    let (acme, newco) = (directory.tenant(ACME).expect("there"), directory.tenant_named("newco").expect("opened"));
    assert_eq!((newco.id, newco.accounts.len()), (NEWCO, 2));
    let euro = acme.market_named("EURCNY").expect("opened").id;
    assert_eq!(acme.rails.len(), 2);
    // Accounts are seen in every directory of their tenant.
    assert_eq!(before.tenant(ACME).expect("there").account_named("carol"), Some(AccountId(2)));

    session.place(NEWCO, 0, "first", Side::Sell, 70_000, 100).expect("placed");
    session.place(NEWCO, 1, "taker", Side::Buy, 70_000, 100).expect("placed");
    let mut sell = order(2, "euros", Side::Sell, 80_000, 100);
    sell.market = euro;
    session.ask(ACME, request(rialto_engine::wallet::Command::Place(sell)));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let depth =
        runtime.block_on(exchange.market_data().depth(ACME, euro, 5)).expect("market data knows the new market");
    assert_eq!(depth.asks.len(), 1);
    assert!(exchange.market_data().watch(NEWCO, Some(MarketId(0)), Topic::Trades).is_some());
    let again = exchange.reconfigure(&more()).expect("it can be");
    println!("with nothing to do a pause of {:?}", again.pause);
    assert_eq!(exchange.status(), Status::Ready, "the auditor agrees");
    exchange.shutdown();
    assert_eq!(exchange.status(), Status::Stopped("shut down".to_owned()));
    assert!(exchange.reconfigure(&more()).is_err(), "nobody is left to do it");
}

#[test]
fn timers_go_on_behind_the_pause() {
    let mut wanted = setup();
    let policy = Policy {
        first: Nanos(SECOND / 5),
        interval: Nanos(SECOND / 5),
        is_doubling: false,
        longest: Nanos(SECOND),
        attempts: 100,
        lifetime: Nanos::ZERO,
    };
    wanted.tenants[0].money.rails.push(label("bank"));
    wanted.tenants[0].money.policies.push((PolicyTopic::Kind(TransactionKind::Deposit), policy));
    let (outlets, calls, _notices) = outlets(100);
    let mut options = Options::new(Storage::Memory(MemoryLog::new()));
    options.outlets = Some(outlets);
    let mut session = Session::start_as(options, &wanted);
    let body = Body::Deposit { account: AccountId(0), asset: AssetId(0), amount: Amount(1) };
    let (rail, until, time) = (RailId(1), Nanos::ZERO, Nanos::ZERO);
    let command = TransactionCommand::Try { id: label("d1"), body, rail, until, time };
    session.ask(ACME, Request::Transaction { command, deadline: Nanos(u64::MAX) });
    calls.recv_timeout(Duration::from_secs(5)).expect("asked at once");
    session.exchange.reconfigure(&wanted).expect("it can be");
    calls.recv_timeout(Duration::from_secs(5)).expect("asked again");
    session.exchange.shutdown();
}

#[test]
fn an_account_is_opened_live_once_and_seen_when_it_is_durable() {
    let (log, valve) = (MemoryLog::new(), Valve::default());
    let mut session = Session::start_with(Options::new(valve.storage(&log)));
    let directory = session.exchange.directory();
    let acme = directory.tenant(ACME).expect("there");
    valve.close();
    session.send(ACME, Request::OpenAccount { name: label("carol") }).expect("taken");
    wait_until("the commit hangs", || valve.holds_one());
    assert_eq!(acme.account_named("carol"), None, "it is not durable");
    valve.open();
    wait_until("it is", || acme.account_named("carol") == Some(AccountId(2)));
    assert_eq!(open_account(&mut session, "carol"), (AccountId(2), false));
    assert_eq!(open_account(&mut session, "dave"), (AccountId(3), true));
    let body =
        Body::Transfer { from: AccountId(0), to: AccountId(3), asset: AssetId(0), amount: Amount(500), held: false };
    let (rail, until, time) = (RailId::DIRECT, Nanos::ZERO, Nanos::ZERO);
    let command = TransactionCommand::Try { id: label("gift"), body, rail, until, time };
    session.ask(ACME, Request::Transaction { command, deadline: Nanos(u64::MAX) });
    assert_eq!(session.balances(ACME, 3)[0], (500, 0));
    assert_eq!(session.place(ACME, 4, "nobody", Side::Buy, 70_000, 100), Err(Reason::UnknownAccount));

    session.exchange.drill(ACME);
    session.send(ACME, transfer(1)).ok();
    wait_until("it failed", || matches!(session.feed.next_message(), Some(WorkerEvent::Interrupted)));
    wait_until("and was rebuilt", || session.exchange.status() == Status::Ready);
    assert_eq!(open_account(&mut session, "dave"), (AccountId(3), false));
    assert_eq!(open_account(&mut session, "erin"), (AccountId(4), true));
    session.exchange.shutdown();
    let mut session = Session::start(Storage::Memory(log));
    let names = session.exchange.directory().tenant(ACME).expect("there").accounts.names();
    assert_eq!(names.iter().map(|name| &**name).collect::<Vec<_>>(), ["alice", "bob", "carol", "dave", "erin"]);
    assert_eq!(session.balances(ACME, 3)[0], (500, 0));
    session.exchange.shutdown();
}
