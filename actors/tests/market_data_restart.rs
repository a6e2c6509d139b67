//! A panic in market data: it begins anew beside trading, which does not notice.

mod support;

use std::time::Duration;

use rialto_actors::api::WorkerEvent;
use rialto_actors::exchange::{Status, Storage};
use rialto_actors::market_data::interest::{Cadence, Topic};
use rialto_actors::market_data::{Content, DAY_MINUTES, DepthLevels, MarketEvent, QueryError, Ticker};
use rialto_actors::metrics;
use rialto_engine::order::Side;
use rialto_engine::units::{Price, Quantity};
use rialto_persistence::journal::sled::SledOptions;
use support::{MARKET, Session, TENANTS, wait_until};

const ACME: rialto_engine::ids::TenantId = TENANTS[0];

/// The value of a metric without labels.
fn metric(name: &str) -> String {
    let text = metrics::render();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("{name} is not shown")).to_owned()
}

/// A trade of one lot, and an order that rests.
fn trade(session: &mut Session, name: &str) {
    session.place(ACME, 0, &format!("{name}-sell"), Side::Sell, 70_000, 1).expect("placed");
    session.place(ACME, 1, &format!("{name}-buy"), Side::Buy, 70_000, 1).expect("placed");
    session.place(ACME, 1, &format!("{name}-rest"), Side::Buy, 60_000, 10).expect("placed");
}

fn ask<Answer>(answer: impl Future<Output = Answer>) -> Answer {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), answer).await.expect("an answer in time") })
}

fn depth(session: &Session) -> Result<DepthLevels, QueryError> {
    ask(session.exchange.market_data().depth(ACME, MARKET, 100))
}

/// The last day, once it is known.
fn day(session: &Session) -> Ticker {
    let mut day = None;
    wait_until("the past is known", || {
        day = ask(session.exchange.market_data().tickers(ACME, None, DAY_MINUTES)).ok().and_then(|mut all| all.pop());
        day.is_some()
    });
    day.expect("known").1
}

#[test]
fn market_data_begins_anew_after_a_panic_while_trading_goes_on() {
    let directory = tempfile::tempdir().expect("a directory");
    let storage = Storage::Directory { path: directory.path().to_owned(), journal: SledOptions::default() };
    let mut session = Session::start(storage);
    let market_data = session.exchange.market_data().clone();
    let _watches =
        [Topic::Diff(Cadence::Fast), Topic::Trades].map(|topic| market_data.watch(ACME, Some(MARKET), topic));
    let is_whole = || metric("rialto_market_data_whole") == "1";
    (0..5).for_each(|number| trade(&mut session, &format!("a{number}")));
    assert!(market_data.is_whole() && is_whole());

    // The first time the books are asked for at once.
    session.exchange.drill_market_data();
    wait_until("it begins anew", || metric("rialto_market_data_restarts_total") == "1");
    wait_until("it is whole again", || market_data.is_whole());
    assert!(is_whole());
    assert_eq!(depth(&session).expect("an answer").bids, [(Price(60_000), Quantity(50))]);
    assert_eq!(day(&session).statistics.expect("it has traded").trades, 5);

    // The second time after a pause, in which nothing is told and everything is traded.
    session.exchange.drill_market_data();
    wait_until("it begins anew", || metric("rialto_market_data_restarts_total") == "2");
    assert_eq!(depth(&session), Err(QueryError::Unavailable));
    let while_down = 5;
    (0..while_down).for_each(|number| trade(&mut session, &format!("b{number}")));
    assert!(!market_data.is_whole() && !is_whole(), "five trades take less than a second");
    assert_eq!(session.exchange.status(), Status::Ready);
    wait_until("it is whole again", || market_data.is_whole());

    // Nothing of what was traded meanwhile is missing, in the book or in the past.
    let before = depth(&session).expect("an answer");
    assert_eq!(before.bids, [(Price(60_000), Quantity(50 + 10 * while_down))]);
    assert_eq!(day(&session).statistics.expect("it has traded").trades, 5 + while_down);
    while session.feed.next_message().is_some() {}
    session.place(ACME, 0, "last-sell", Side::Sell, 71_000, 3).expect("placed");
    let after = depth(&session).expect("an answer");
    let (mut next, mut breaks) = (before.update + 1, 0);
    wait_until("the diffs reach the snapshot", || {
        match session.feed.next_message() {
            Some(WorkerEvent::Market(event)) => match &*event {
                MarketEvent::Market { content: Content::Diff(diff), .. } => {
                    assert_eq!(diff.first, next, "one above the last");
                    next = diff.last + 1;
                }
                MarketEvent::Broken => breaks += 1,
                _ => {}
            },
            Some(_) => {}
            None => std::thread::sleep(Duration::from_millis(1)),
        }
        next == after.update + 1
    });
    assert_eq!(breaks, 0, "whole means that all breaks were told");

    // Both fail: the rebuilt partition brings the books.
    session.exchange.drill_market_data();
    wait_until("it begins anew", || metric("rialto_market_data_restarts_total") == "3");
    session.exchange.drill(ACME);
    wait_until("the partition is rebuilt", || {
        let query = rialto_actors::api::Query::Balances { account: rialto_engine::ids::AccountId(0) };
        session.send(ACME, rialto_actors::api::Request::Query(query)).ok();
        metric("rialto_actor_restarts_total") == "1" && session.exchange.status() == Status::Ready
    });
    assert!(market_data.is_whole() && is_whole());
    assert_eq!(depth(&session).expect("an answer").bids, before.bids);
    assert_eq!(day(&session).statistics.expect("it has traded").trades, 5 + while_down);
    session.exchange.shutdown();
}
