use std::collections::BTreeMap;
use std::time::Duration;

use rialto_engine::book::{Book, BookOutput};
use rialto_engine::ids::{AccountId, OrderId};
use rialto_engine::message::{BookCommand, CancelRestriction};
use rialto_engine::order::{NewOrder, OrderKind, Side};
use rialto_engine::units::{Notional, Price, Quantity};
use rialto_persistence::read_store::CACHE_BYTES_DEFAULT;

use super::interest::Topics;
use super::*;
use crate::feed::Feed;
use crate::permits::Priority;

const TENANT: TenantId = TenantId(0);
const MARKET: MarketId = MarketId(0);

/// The best generator that fits two lines.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// A real book under random orders, and what it tells market data.
struct Venue {
    book: Book,
    random: Random,
    orders: u64,
    time: u64,
}

impl Venue {
    fn new(seed: u64) -> Self {
        Self { book: Book::new(), random: Random(seed), orders: 0, time: 1_700_000_000_000_000_000 }
    }

    /// What the next command does; many do nothing.
    fn release(&mut self) -> MarketRelease {
        let random = &mut self.random;
        self.time += random.below(50_000_000);
        let command = if random.below(3) == 0 && self.orders > 0 {
            let order = OrderId(self.orders - random.below(self.orders.min(40)));
            BookCommand::Cancel { order, restriction: CancelRestriction::None }
        } else {
            self.orders += 1;
            let side = if random.below(2) == 0 { Side::Buy } else { Side::Sell };
            let base = if side == Side::Buy { 990 } else { 996 };
            BookCommand::Place(NewOrder {
                id: OrderId(self.orders),
                account: AccountId(1),
                side,
                kind: if random.below(4) == 0 { OrderKind::ImmediateOrCancel } else { OrderKind::Limit },
                limit: Price(base + random.below(11)),
                quantity: Quantity(1 + random.below(20)),
                budget: Notional(u64::MAX),
                time: Nanos(self.time),
                instructions: None,
            })
        };
        let mut output = BookOutput::default();
        self.book.execute(&command, &mut output);
        MarketRelease {
            tenant: TENANT,
            market: MARKET,
            time: Nanos(self.time),
            fills: output.fills,
            levels: output.levels,
            changes: self.book.changes(),
            state: None,
        }
    }

    /// The next command that changes something.
    fn change(&mut self) -> MarketRelease {
        loop {
            let release = self.release();
            if !release.levels.is_empty() {
                return release;
            }
        }
    }

    fn seed(&self, market: MarketId) -> MarketSeed {
        MarketSeed::of(TENANT, market, &self.book)
    }

    fn levels(&self) -> DepthLevels {
        DepthLevels {
            update: self.book.changes(),
            bids: self.book.levels(Side::Buy).collect(),
            asks: self.book.levels(Side::Sell).collect(),
        }
    }
}

/// A client that follows a book as the dialect's documentation tells it to.
#[derive(Default)]
struct Client {
    update: Option<u64>,
    bids: BTreeMap<Price, Quantity>,
    asks: BTreeMap<Price, Quantity>,
    early: Vec<DepthDiff>,
}

impl Client {
    fn hear(&mut self, diff: &DepthDiff) {
        let Some(update) = self.update else {
            self.early.push(diff.clone());
            return;
        };
        if diff.last <= update {
            return;
        }
        assert!(diff.first == update + 1, "a gap between {update} and {}", diff.first);
        for (levels, changes) in [(&mut self.bids, &diff.bids), (&mut self.asks, &diff.asks)] {
            for (price, quantity) in changes {
                if quantity.is_zero() {
                    levels.remove(price);
                } else {
                    levels.insert(*price, *quantity);
                }
            }
        }
        self.update = Some(diff.last);
    }

    fn begin(&mut self, snapshot: &DepthLevels) {
        self.update = Some(snapshot.update);
        self.bids = snapshot.bids.iter().copied().collect();
        self.asks = snapshot.asks.iter().copied().collect();
        for diff in std::mem::take(&mut self.early) {
            self.hear(&diff);
        }
    }

    fn levels(&self) -> DepthLevels {
        DepthLevels {
            update: self.update.unwrap_or_default(),
            bids: self.bids.iter().rev().map(|(price, quantity)| (*price, *quantity)).collect(),
            asks: self.asks.iter().map(|(price, quantity)| (*price, *quantity)).collect(),
        }
    }
}

#[test]
fn whoever_applies_the_diffs_to_a_snapshot_has_the_book() {
    for seed in 0..20 {
        let mut venue = Venue::new(seed);
        (0..seed * 10).for_each(|_| drop(venue.release()));
        let mut market = Market::new(venue.seed(MARKET), None);
        let wanted = Topics::from_iter(Cadence::ALL.map(Topic::Diff));
        let mut clients: [Vec<Client>; 2] = Default::default();
        for step in 0_u64..3_000 {
            let mut told = Vec::new();
            market.take(&venue.release(), wanted, |content| told.push(content));
            assert!(told.is_empty());
            // Clients come at any moment, and ask for the snapshot at any later one.
            if step % 151 == 0 {
                clients.iter_mut().for_each(|clients| clients.push(Client::default()));
            }
            let snapshot =
                (venue.random.below(60) == 0).then(|| market.snapshot(5_000, wanted, |content| told.push(content)));
            for (cadence, often) in [(Cadence::Fast, 7), (Cadence::Slow, 70)] {
                if step % often == 0 {
                    market.tell_depth(cadence, wanted, |content| told.push(content));
                }
            }
            for content in &told {
                let Content::Diff(diff) = content else { panic!("{content:?}") };
                clients[diff.cadence as usize].iter_mut().for_each(|client| client.hear(diff));
            }
            if let Some(snapshot) = snapshot {
                assert_eq!(snapshot, venue.levels());
                let waiting = clients.iter_mut().flatten().filter(|client| client.update.is_none());
                waiting.for_each(|client| client.begin(&snapshot));
            }
            for client in clients.iter().flatten() {
                if client.update == Some(venue.book.changes()) {
                    assert_eq!(client.levels(), venue.levels());
                }
            }
        }
        Cadence::ALL.into_iter().for_each(|cadence| {
            market.tell_depth(cadence, wanted, |content| {
                let Content::Diff(diff) = content else { panic!("a diff") };
                clients[cadence as usize].iter_mut().for_each(|client| client.hear(&diff));
            });
        });
        let followers: Vec<_> = clients.iter().flatten().filter(|client| client.update.is_some()).collect();
        assert!(followers.len() > 20);
        followers.iter().for_each(|client| assert_eq!(client.levels(), venue.levels()));
    }
}

#[test]
fn best_prices_are_told_when_they_change_and_only_then() {
    let mut venue = Venue::new(3);
    let mut market = Market::new(venue.seed(MARKET), None);
    let mut last = (None, None);
    for _ in 0..5_000 {
        market.take(&venue.release(), Topics::default(), |_| {});
        let best = (venue.book.best(Side::Buy), venue.book.best(Side::Sell));
        let told = match market.changed_book_ticker() {
            Some(Content::BookTicker(ticker)) => {
                assert_eq!(ticker.update, venue.book.changes());
                Some((ticker.bid, ticker.ask))
            }
            _ => None,
        };
        assert_eq!(told, (best != last).then_some(best));
        last = best;
    }
}

#[test]
fn trades_and_aggregates_are_those_of_the_book() {
    let mut venue = Venue::new(9);
    let mut market = Market::new(venue.seed(MARKET), None);
    let wanted = Topics::from_iter([Topic::Trades, Topic::AggregateTrades]);
    let (mut trades, mut aggregates) = (Vec::new(), Vec::new());
    let mut fills = Vec::new();
    for _ in 0..5_000 {
        let release = venue.release();
        fills.extend(release.fills.iter().copied());
        market.take(&release, wanted, |content| match content {
            Content::Trades(told) => trades.extend(told),
            Content::AggregateTrades(told) => aggregates.extend(told),
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(trades.len(), fills.len());
    for (trade, fill) in trades.iter().zip(&fills) {
        assert_eq!((trade.id, trade.price, trade.quantity), (fill.trade, fill.price, fill.quantity));
        assert_eq!(trade.is_buyer_maker, fill.taker_side == Side::Sell);
    }
    let mut next = 1;
    for aggregate in &aggregates {
        assert_eq!(aggregate.first.0, next);
        next = aggregate.last.0 + 1;
        let parts: Vec<_> = fills.iter().filter(|fill| fill.aggregate == aggregate.id).collect();
        assert!(parts.iter().all(|fill| fill.price == aggregate.price));
        assert_eq!(parts.iter().map(|fill| fill.quantity.0).sum::<u64>(), aggregate.quantity.0);
        assert_eq!(parts.len() as u64, aggregate.last.0 - aggregate.first.0 + 1);
    }
    assert_eq!(next, fills.len() as u64 + 1);
    assert_eq!(market.recent(10), trades[trades.len() - 10..]);
    assert_eq!(market.recent(usize::MAX).len(), RECENT_TRADES);
}

#[test]
fn what_comes_again_after_a_restart_is_passed_over() {
    let mut venue = Venue::new(5);
    let releases: Vec<_> = (0..500).map(|_| venue.release()).collect();
    let mut market = Market::new(venue.seed(MARKET), None);
    let wanted = Topics::from_iter([Topic::Trades, Topic::Diff(Cadence::Fast)]);
    for release in &releases {
        assert!(!market.take(release, wanted, |content| panic!("{content:?}")));
    }
    assert_eq!(market.snapshot(5_000, wanted, |content| panic!("{content:?}")), venue.levels());
}

/// A read store with all that these releases say.
fn store_of(releases: &[MarketRelease], directory: &tempfile::TempDir) -> ReadStore {
    let store = ReadStore::open(&directory.path().join("read_store.redb"), CACHE_BYTES_DEFAULT).expect("opens");
    commit(&store, releases, 1);
    store
}

fn commit(store: &ReadStore, releases: &[MarketRelease], position: u64) {
    let mut batch = store.begin();
    for release in releases {
        release.fills.iter().for_each(|fill| batch.fill(TENANT, MARKET, release.time, fill));
    }
    store.commit(&mut batch, position, false).expect("commits");
}

#[test]
fn the_past_is_joined_exactly_however_far_the_store_has_come() {
    let mut venue = Venue::new(11);
    let releases: Vec<_> = (0..2_000).map(|_| venue.release()).collect();
    let now = Nanos(venue.time);
    let mut whole = Market::new(Venue::new(11).seed(MARKET), None);
    for release in &releases {
        whole.take(release, Topics::default(), |_| {});
    }
    let expected = whole.ticker(Some(DAY_MINUTES), now).statistics;
    assert!(expected.is_some_and(|statistics| statistics.trades > 200));
    // The market starts after some releases, and has seen 100 more when the store is asked, which
    // has come thus far.
    for (start, stored, joins) in [
        (1_000, 1_000, true),
        (1_000, 1_050, true),
        (1_000, 1_100, true),
        (1_000, 2_000, true),
        (1_000, 900, false),
        (30, 30, true),
        (30, 60, true),
        (0, 0, true),
        (0, 50, true),
    ] {
        let directory = tempfile::tempdir().expect("a directory");
        let store = store_of(&releases[..stored], &directory);
        let mut before = Venue::new(11);
        for _ in 0..start {
            before.release();
        }
        let mut market = Market::new(before.seed(MARKET), Some(0));
        for release in &releases[start..start + 100] {
            market.take(release, Topics::default(), |_| {});
        }
        assert!(!market.knows_past());
        let past = past::read(&store, TENANT, MARKET, now).expect("reads").expect("quiet");
        let last = releases[..stored].iter().flat_map(|release| &release.fills).next_back().map(|fill| fill.trade);
        assert_eq!(past.last.map(|trade| trade.id), last, "{start} {stored}");
        market.learn(&past, 0);
        assert_eq!(
            market.knows_past(),
            joins,
            "{start} {stored}: the store has {:?}, the market {:?}",
            past.last,
            market.recent(usize::MAX).first()
        );
        if !joins {
            commit(&store, &releases[stored..start + 20], 2);
            market.learn(&past::read(&store, TENANT, MARKET, now).expect("reads").expect("quiet"), 0);
        }
        for release in &releases[start + 100..] {
            market.take(release, Topics::default(), |_| {});
        }
        assert_eq!(market.ticker(Some(DAY_MINUTES), now).statistics, expected, "{start} {stored}");
        for interval in Interval::ALL {
            assert_eq!(market.kline(interval), whole.kline(interval), "{start} {stored} {interval:?}");
        }
    }
}

/// Nothing is kept; the books are asked for at the receiver.
fn sources() -> (MarketSources, crossbeam_channel::Receiver<()>) {
    let (lost, wanted) = crossbeam_channel::bounded(1);
    (MarketSources { read_store: None, durable: Arc::default(), lost, permits: Permits::new(4, 1) }, wanted)
}

/// What a worker hears within a second and a half.
fn hear(feed: &Feed<WorkerEvent>) -> Vec<MarketEvent> {
    let mut heard = Vec::new();
    for _ in 0..15 {
        std::thread::sleep(Duration::from_millis(100));
        while let Some(event) = feed.next_message() {
            if let WorkerEvent::Market(event) = event {
                heard.push(MarketEvent::clone(&event));
            }
        }
    }
    heard
}

#[test]
fn the_actor_tells_each_market_only_what_is_asked_of_it() {
    let (worker, worker_feed) = feed(100_000);
    let mut venue = Venue::new(21);
    let other = Venue::new(0);
    let seeds =
        vec![venue.seed(MARKET), other.seed(MarketId(1)), MarketSeed { tenant: TenantId(1), ..other.seed(MARKET) }];
    let (market_data, sender) = MarketData::start(seeds, sources().0, vec![worker], 1_024);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for _ in 0..500 {
        sender.send(MarketNews::Release(venue.release()));
    }
    assert_eq!(hear(&worker_feed), []);
    let topics =
        [Topic::Trades, Topic::Diff(Cadence::Fast), Topic::Kline(Interval::OneSecond), Topic::Partial(Cadence::Slow)];
    let watches: Vec<_> = topics.iter().map(|topic| market_data.watch(TENANT, Some(MARKET), *topic)).collect();
    let elsewhere = market_data.watch(TenantId(1), Some(MARKET), Topic::Trades);
    let tickers = market_data.watch(TENANT, None, Topic::Tickers);
    assert!(elsewhere.is_some() && tickers.is_some());
    // Behind all that was sent before, whoever asks.
    let snapshot = runtime.block_on(market_data.depth(TENANT, MARKET, 5_000)).expect("an answer");
    assert_eq!(snapshot, venue.levels());
    let mut client = Client::default();
    client.begin(&snapshot);
    for _ in 0..500 {
        sender.send(MarketNews::Release(venue.release()));
    }
    let mut seen = Vec::new();
    for event in hear(&worker_feed) {
        match event {
            MarketEvent::Market { tenant, market, content, .. } => {
                assert_eq!((tenant, market), (TENANT, MARKET));
                if let Content::Diff(diff) = &content {
                    client.hear(diff);
                }
                assert!(topics.contains(&content.topic()), "{content:?}");
                if !seen.contains(&content.topic()) {
                    seen.push(content.topic());
                }
            }
            MarketEvent::Tickers { tenant, tickers, .. } => {
                assert_eq!(tenant, TENANT);
                assert_eq!(tickers.len(), 1);
                seen.push(Topic::Tickers);
            }
            MarketEvent::Broken => panic!("nothing broke"),
        }
    }
    assert_eq!(client.levels(), venue.levels());
    assert!(topics.iter().chain([&Topic::Tickers]).all(|topic| seen.contains(topic)), "{seen:?}");
    let trades = runtime.block_on(market_data.recent_trades(TENANT, MARKET, 5)).expect("an answer");
    assert_eq!(trades.last().map(|trade| trade.id.0), Some(venue.book.trades()));
    let tickers = runtime.block_on(market_data.tickers(TENANT, None, DAY_MINUTES)).expect("an answer");
    assert_eq!(tickers.len(), 2);
    assert_eq!(tickers[1].1.statistics, None);
    let tickers = runtime.block_on(market_data.book_tickers(TenantId(1), None)).expect("an answer");
    assert_eq!(tickers, [(MARKET, BookTicker::default())]);
    assert_eq!(
        runtime.block_on(market_data.depth(TenantId(7), MARKET, 5)),
        Err(QueryError::Unavailable),
        "no such tenant"
    );
    // After a rebuild the books are what they are then, and listeners are told.
    for _ in 0..50 {
        venue.release();
    }
    market_data.reset(vec![venue.seed(MARKET)]);
    let snapshot = runtime.block_on(market_data.depth(TENANT, MARKET, 5_000)).expect("an answer");
    assert_eq!(snapshot, venue.levels());
    for event in hear(&worker_feed) {
        if let MarketEvent::Market { content: Content::Diff(diff), .. } = event {
            client.hear(&diff);
        }
    }
    assert_eq!(client.levels(), venue.levels());
    drop(watches);
    sender.send(MarketNews::Release(venue.release()));
    market_data.stop();
}

#[test]
fn after_a_panic_whoever_begins_anew_has_the_book_and_misses_nothing() {
    let (worker, worker_feed) = feed(100_000);
    let mut venue = Venue::new(33);
    let (sources, lost) = sources();
    let (market_data, sender) = MarketData::start(vec![venue.seed(MARKET)], sources, vec![worker], 1_024);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let depth = || runtime.block_on(market_data.depth(TENANT, MARKET, 5_000));
    let watch = market_data.watch(TENANT, Some(MARKET), Topic::Diff(Cadence::Fast));
    (0..200).for_each(|_| sender.send(MarketNews::Release(venue.release())));
    assert_eq!(depth(), Ok(venue.levels()));
    hear(&worker_feed);

    market_data.drill();
    while market_data.is_whole() {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(depth(), Err(QueryError::Unavailable));
    assert!(lost.recv_timeout(Duration::from_secs(5)).is_ok(), "the books are asked for");
    // What was traded while there was no book is in the book that comes.
    (0..100).for_each(|_| sender.send(MarketNews::Release(venue.release())));
    sender.send(MarketNews::Book(venue.seed(MARKET)));
    (0..100).for_each(|_| sender.send(MarketNews::Release(venue.release())));
    let snapshot = depth().expect("an answer");
    assert_eq!(snapshot, venue.levels());
    assert!(market_data.is_whole());
    // Shown twice, as when it was asked for again: nothing goes back.
    let old = venue.seed(MARKET);
    (0..100).for_each(|_| sender.send(MarketNews::Release(venue.release())));
    sender.send(MarketNews::Book(old));
    assert_eq!(depth(), Ok(venue.levels()));

    // A client that begins anew whenever it is told to.
    let mut client = Client::default();
    let mut breaks = 0;
    for event in hear(&worker_feed) {
        match event {
            MarketEvent::Broken => {
                breaks += 1;
                client = Client::default();
            }
            MarketEvent::Market { content: Content::Diff(diff), .. } => client.hear(&diff),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(breaks, 2, "when it was lost, and when it was there again");
    client.begin(&snapshot);
    assert_eq!(client.levels(), venue.levels());

    // A release that is lost on the way is a bug, and is found out.
    drop(venue.change());
    sender.send(MarketNews::Release(venue.change()));
    while market_data.is_whole() {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(lost.recv_timeout(Duration::from_millis(100)).is_err(), "the second time after a pause");
    // A rebuilt partition brings the books before they are asked for.
    market_data.reset(vec![venue.seed(MARKET)]);
    assert!(market_data.is_whole());
    assert_eq!(depth(), Ok(venue.levels()));
    // To stop is not forgotten, even if it comes with what makes the actor fail.
    market_data.drill();
    market_data.stop();
    drop(watch);
}

#[test]
fn a_past_that_was_read_before_a_panic_is_not_taken_for_the_one_behind_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut venue = Venue::new(17);
    let before: Vec<_> = (0..300).map(|_| venue.release()).collect();
    let store = store_of(&before, &directory);
    let read = |venue: &Venue| past::read(&store, TENANT, MARKET, Nanos(venue.time)).expect("reads").expect("quiet");
    let old = read(&venue);
    let after: Vec<_> = (0..300).map(|_| venue.release()).collect();
    let mut market = Market::new(venue.seed(MARKET), Some(2));
    assert_eq!(market.ask_past(), Some(2));
    market.learn(&old, 1);
    assert!(!market.knows_past());
    commit(&store, &after, 2);
    market.learn(&read(&venue), 2);
    let trades = market.ticker(Some(DAY_MINUTES), Nanos(venue.time)).statistics.map(|statistics| statistics.trades);
    assert_eq!(trades, Some(venue.book.trades()));
}

#[test]
fn fast_depth_slows_down_under_load_and_misses_nothing() {
    let (worker, worker_feed) = feed(100_000);
    let mut venue = Venue::new(57);
    let sources = sources().0;
    let permits = Arc::clone(&sources.permits);
    let (market_data, sender) = MarketData::start(vec![venue.seed(MARKET)], sources, vec![worker], 1_024);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let watch = market_data.watch(TENANT, Some(MARKET), Topic::Diff(Cadence::Fast));
    let snapshot = runtime.block_on(market_data.depth(TENANT, MARKET, 5_000)).expect("an answer");
    let mut client = Client::default();
    client.begin(&snapshot);
    // How many messages tell of two seconds in which something happens all the time.
    let mut messages = |venue: &mut Venue| {
        let mut told = 0;
        for _ in 0..40 {
            (0..5).for_each(|_| sender.send(MarketNews::Release(venue.release())));
            std::thread::sleep(Duration::from_millis(50));
            while let Some(event) = worker_feed.next_message() {
                let WorkerEvent::Market(event) = event else { continue };
                if let MarketEvent::Market { content: Content::Diff(diff), .. } = &*event {
                    client.hear(diff);
                    told += 1;
                }
            }
        }
        told
    };
    let fast = messages(&mut venue);
    let held: Vec<_> = (0..3).map(|_| permits.acquire(Priority::Ordinary).expect("there is one")).collect();
    let slow = messages(&mut venue);
    assert!(fast >= 12, "{fast} messages at low load");
    assert!((1..=4).contains(&slow), "{slow} messages under load");
    drop(held);
    assert!(messages(&mut venue) >= 12);
    for event in hear(&worker_feed) {
        if let MarketEvent::Market { content: Content::Diff(diff), .. } = event {
            client.hear(&diff);
        }
    }
    assert_eq!(client.levels(), venue.levels());
    drop(watch);
    market_data.stop();
}
