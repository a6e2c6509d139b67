//! Phases, auctions and whatever is due at a time, through the live actors and out to the public.

mod support;

use std::time::Duration;

use rialto_actors::api::{Refused, Reply, Request, WorkerEvent};
use rialto_actors::clock;
use rialto_actors::exchange::{Options, Status, Storage};
use rialto_actors::market_data::interest::Topic;
use rialto_actors::market_data::{Content, MarketEvent, MarketState};
use rialto_actors::metrics;
use rialto_engine::book::Indicative;
use rialto_engine::ids::{AccountId, TenantId};
use rialto_engine::message::{Expiry, Phase, Protection};
use rialto_engine::order::{Display, Instructions, Lifetime, Side};
use rialto_engine::reason::Reason;
use rialto_engine::units::{BasisPoints, Nanos, Price, Quantity};
use rialto_engine::update::OrderEvent;
use rialto_engine::wallet::{Command, Place, SettledResult};
use rialto_persistence::journal::memory::MemoryLog;
use support::hung_journal::Valve;
use support::{MARKET, Session, TENANTS, order, place, request, wait_until};

const ACME: TenantId = TENANTS[0];

fn enter(phase: Phase, until: Nanos) -> Command {
    Command::Enter { market: MARKET, phase, until, time: Nanos::ZERO }
}

fn within(millis: u64) -> Nanos {
    Nanos(clock::wall().0 + millis * 1_000_000)
}

fn state(session: &Session) -> MarketState {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(session.exchange.market_data().states(ACME)).expect("an answer")[0]
}

fn hidden(place: Place) -> Command {
    Command::Place(Place { instructions: Instructions { display: Display::Hidden, ..place.instructions }, ..place })
}

/// What a worker hears until something of a sort has come.
fn hear(session: &Session, mut is_last: impl FnMut(&WorkerEvent) -> bool) -> Vec<WorkerEvent> {
    let mut heard = Vec::new();
    wait_until("it is heard", || {
        while let Some(event) = session.feed.next_message() {
            heard.push(event);
            if is_last(heard.last().expect("just pushed")) {
                return true;
            }
        }
        false
    });
    heard
}

fn content(event: &WorkerEvent) -> Option<&Content> {
    let WorkerEvent::Market(event) = event else { return None };
    let MarketEvent::Market { content, .. } = &**event else { return None };
    Some(content)
}

#[test]
fn an_order_is_gone_at_its_time_though_nobody_trades() {
    let mut session = Session::start(Storage::Memory(MemoryLog::new()));
    let until = within(150);
    let lifetime = Lifetime::Until(until);
    let instructions = Instructions { lifetime, ..Instructions::default() };
    let place = Place { instructions, ..order(0, "until", Side::Buy, 70_000, 100) };
    assert_eq!(session.command(ACME, Command::Place(place)), Ok(SettledResult::Placed(Ok(()))));
    let lapsed = |event: &WorkerEvent| {
        let WorkerEvent::Released(release) = event else { return false };
        release.updates.iter().any(|update| update.event == OrderEvent::Expired(Expiry::Time))
    };
    hear(&session, lapsed);
    assert!(clock::wall() >= until, "not before its time");
    assert_eq!(session.open_orders(ACME, 0), []);
    assert!(session.balances(ACME, 0).iter().all(|(_, held)| *held == 0));
    // One that has ended already is refused.
    let instructions = Instructions { lifetime: Lifetime::Until(Nanos(1)), ..Instructions::default() };
    let late = Place { instructions, ..order(0, "late", Side::Buy, 70_000, 100) };
    assert_eq!(session.command(ACME, Command::Place(late)), Err(Reason::AlreadyExpired));
    assert_eq!(session.exchange.status(), Status::Ready);
    session.exchange.shutdown();
}

#[test]
fn an_auction_is_shown_while_it_lasts_and_ends_by_itself() {
    let mut session = Session::start(Storage::Memory(MemoryLog::new()));
    let market_data = session.exchange.market_data().clone();
    let watches = [Topic::State, Topic::Trades].map(|topic| market_data.watch(ACME, Some(MARKET), topic));
    assert!(watches.iter().all(Option::is_some));
    let continuous = MarketState::default();
    assert_eq!(state(&session), continuous);
    // Whoever begins to listen is told how it stands.
    hear(&session, |event| content(event) == Some(&Content::State(continuous)));
    let until = within(1_000);
    assert_eq!(session.command(ACME, enter(Phase::Auction, until)), Ok(SettledResult::Entered(Phase::Auction)));
    session.place(ACME, 0, "ask", Side::Sell, 70_000, 300).expect("placed");
    session.place(ACME, 1, "bid", Side::Buy, 70_100, 200).expect("placed");
    assert_eq!(
        session.command(ACME, hidden(order(1, "dark", Side::Buy, 70_100, 50))),
        Ok(SettledResult::Placed(Ok(())))
    );
    let indicative = Some(Indicative { price: Price(70_000), volume: Quantity(250), imbalance: -50 });
    let collecting = MarketState { phase: Phase::Auction, until, indicative };
    wait_until("the public knows what the auction would come to", || state(&session) == collecting);
    // A market data that has lost all it knew is shown that, too.
    session.exchange.drill_market_data();
    let restarted = "rialto_market_data_restarts_total 1";
    wait_until("it begins anew", || metrics::render().lines().any(|line| line == restarted));
    wait_until("it is whole again", || market_data.is_whole());
    assert_eq!(state(&session), collecting);
    let heard = hear(&session, |event| content(event) == Some(&Content::State(continuous)));
    assert!(clock::wall() >= until, "not before its time");
    let trades: Vec<(u64, u64)> = heard
        .iter()
        .filter_map(content)
        .flat_map(|content| if let Content::Trades(trades) = content { trades.as_slice() } else { &[] })
        .map(|trade| (trade.price.0, trade.quantity.0))
        .collect();
    assert_eq!(trades, [(70_000, 200), (70_000, 50)]);
    let sold: Vec<u64> = session.open_orders(ACME, 0).iter().map(|(_, open)| *open).collect();
    assert_eq!(sold, [50]);
    assert!(metrics::render().contains("rialto_auctions_total{tenant=\"acme\",pair=\"USDCNY\"}"));
    session.exchange.shutdown();
}

#[test]
fn a_leap_of_the_price_interrupts_trading_for_a_while() {
    let mut session = Session::start(Storage::Memory(MemoryLog::new()));
    let interruption = Nanos(300_000_000);
    let protection = Protection { dynamic_band: BasisPoints(100), interruption, ..Protection::default() };
    let protect = Command::Protect { market: MARKET, protection, time: Nanos::ZERO };
    assert_eq!(session.command(ACME, protect), Ok(SettledResult::Protected));
    for (name, price) in [("near", 70_000), ("far", 75_000)] {
        session.place(ACME, 0, name, Side::Sell, price, 100).expect("placed");
    }
    session.place(ACME, 1, "first", Side::Buy, 70_000, 100).expect("placed");
    session.place(ACME, 1, "leap", Side::Buy, 75_000, 100).expect("placed");
    wait_until("the auction is told", || state(&session).phase == Phase::Auction);
    assert_eq!(session.open_orders(ACME, 1).len(), 1, "what wanted to leap waits for the auction");
    wait_until("it ends", || state(&session).phase == Phase::Continuous);
    assert_eq!(session.open_orders(ACME, 1), []);
    assert_eq!(session.open_orders(ACME, 0), []);
    let phase = metrics::render().lines().any(|line| line == "rialto_market_phase{tenant=\"acme\",pair=\"USDCNY\"} 2");
    assert!(phase, "the metric says so");
    session.exchange.shutdown();
}

#[test]
fn a_halted_market_takes_cancels_only_and_remembers_it_after_a_restart() {
    let log = MemoryLog::new();
    let mut session = Session::start(Storage::Memory(log.clone()));
    session.place(ACME, 0, "a", Side::Sell, 70_000, 100).expect("placed");
    session.place(ACME, 0, "b", Side::Sell, 70_000, 100).expect("placed");
    assert_eq!(session.command(ACME, enter(Phase::Halted, Nanos::ZERO)), Ok(SettledResult::Entered(Phase::Halted)));
    assert_eq!(session.place(ACME, 1, "c", Side::Buy, 70_000, 100), Err(Reason::MarketClosed));
    session.exchange.shutdown();
    let mut session = Session::start(Storage::Memory(log));
    assert_eq!(state(&session).phase, Phase::Halted);
    assert_eq!(session.place(ACME, 1, "d", Side::Buy, 70_000, 100), Err(Reason::MarketClosed));
    let all = Command::CancelMany { account: None, market: MARKET, side: None, tag: None, time: Nanos::ZERO };
    assert_eq!(session.command(ACME, all), Ok(SettledResult::CanceledMany));
    assert_eq!(session.open_orders(ACME, 0), []);
    session.exchange.shutdown();
}

#[test]
fn orders_that_nobody_sees_trade_in_public() {
    let mut session = Session::start(Storage::Memory(MemoryLog::new()));
    session.command(ACME, hidden(order(0, "dark-sell", Side::Sell, 70_000, 100))).expect("placed");
    session.command(ACME, hidden(order(1, "dark-buy", Side::Buy, 70_000, 100))).expect("placed");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let market_data = session.exchange.market_data();
    let trades = runtime.block_on(market_data.recent_trades(ACME, MARKET, 10)).expect("an answer");
    assert_eq!(trades.iter().map(|trade| trade.quantity.0).collect::<Vec<_>>(), [100]);
    let depth = runtime.block_on(market_data.depth(ACME, MARKET, 10)).expect("an answer");
    assert_eq!((depth.update, depth.bids.len(), depth.asks.len()), (0, 0, 0), "no level ever changed");
    session.exchange.shutdown();
}

#[test]
fn load_never_refuses_an_operator() {
    let (log, valve) = (MemoryLog::new(), Valve::default());
    let mut options = Options::new(valve.storage(&log));
    options.permits = 4;
    let mut session = Session::start_with(options);
    valve.close();
    let mut sent = 0;
    while session.send(ACME, place(0, &format!("n{sent}"), Side::Buy, 60_000, 1)).is_ok() {
        sent += 1;
    }
    assert_eq!(sent, 4);
    let all = |account| Command::CancelAll { account: AccountId(account), market: MARKET, time: Nanos::ZERO };
    session.send(ACME, request(all(0))).expect("one that frees money finds room");
    assert_eq!(session.send(ACME, request(all(1))), Err(Refused::Busy));
    let token = session.send(ACME, request(enter(Phase::Halted, Nanos::ZERO))).expect("an operator does");
    valve.open();
    let halted = |event: &WorkerEvent| {
        let WorkerEvent::Released(release) = event else { return false };
        matches!(&release.answer, Some((answered, Reply::Settled(settled)))
            if *answered == token && settled.result == SettledResult::Entered(Phase::Halted))
    };
    hear(&session, halted);
    session.exchange.shutdown();
}

#[test]
fn what_is_due_survives_a_rebuild() {
    let mut session = Session::start(Storage::Memory(MemoryLog::new()));
    let lifetime = Lifetime::Until(within(900));
    let instructions = Instructions { lifetime, ..Instructions::default() };
    let place = Place { instructions, ..order(0, "until", Side::Buy, 70_000, 100) };
    session.command(ACME, Command::Place(place)).expect("placed");
    session.exchange.drill(ACME);
    let query = || rialto_actors::api::Query::Balances { account: AccountId(0) };
    wait_until("the partition is rebuilt", || {
        session.send(ACME, Request::Query(query())).ok();
        let mut interrupted = false;
        while let Some(event) = session.feed.next_message() {
            interrupted |= matches!(event, WorkerEvent::Interrupted);
        }
        interrupted
    });
    wait_until("it runs again", || session.exchange.status() == Status::Ready);
    wait_until("the order has lapsed", || {
        std::thread::sleep(Duration::from_millis(20));
        session.open_orders(ACME, 0).is_empty()
    });
    session.exchange.shutdown();
}
