//! The actor that owns what the public sees.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use actix::{Actor, AsyncContext, Context, StreamHandler};
use rialto_engine::ids::{MarketId, TenantId};
use rialto_engine::units::Nanos;

use super::interest::{Cadence, Interest, Topic, Topics};
use super::market::Market;
use super::past::PastReader;
use super::{Content, MarketEvent, MarketRelease, MarketSeed, Query, Ticker, TickersQuery};
use crate::api::WorkerEvent;
use crate::clock;
use crate::feed::{Feed, FeedReady, FeedSender};

/// The most releases taken in one turn when nobody waits for an answer.
const TURN_RELEASES: usize = 1_024;
/// The most queries answered in one turn.
const TURN_QUERIES: usize = 64;
/// Queries that may wait for the past of a market.
const WAITING_QUERIES: usize = 256;
/// How long one waits.
const WAIT: Duration = Duration::from_secs(3);

type Key = (TenantId, MarketId);

/// Keeps the public copy of every market and publishes from it.
pub struct MarketDataActor {
    markets: Vec<Vec<Market>>,
    publisher: Publisher,
    releases: Feed<MarketRelease>,
    release_sender: FeedSender<MarketRelease>,
    queries: Feed<Query>,
    reader: PastReader,
    batch: Vec<Key>,
    fast: Vec<Key>,
    slow: Vec<Key>,
    /// Markets of which something is published by the clock.
    timed: Vec<Key>,
    interest_version: u64,
    /// Markets whose past is to be asked for.
    unread: Vec<Key>,
    waiting: Vec<(TickersOrKline, Instant)>,
    minute: u64,
}

/// A query that needs the past of markets.
enum TickersOrKline {
    Tickers(TickersQuery),
    Kline(Query),
}

/// Where it publishes, and who listens.
struct Publisher {
    workers: Vec<FeedSender<WorkerEvent>>,
    interest: Arc<Interest>,
}

impl Publisher {
    fn publish(&self, event: MarketEvent) {
        let event = Arc::new(event);
        for worker in &self.workers {
            worker.send(WorkerEvent::Market(Arc::clone(&event)));
        }
    }

    /// Publishes what is told of a market.
    fn teller(&self, (tenant, market): Key, time: Nanos) -> impl FnMut(Content) {
        move |content| self.publish(MarketEvent::Market { tenant, market, time, content })
    }

    fn wanted(&self, (tenant, market): Key) -> Topics {
        self.interest.wanted(tenant, market)
    }
}

/// Runs the actor on a thread of its own until it is told to stop.
///
/// # Panics
/// If the thread cannot be started.
pub fn run(actor: MarketDataActor) -> JoinHandle<()> {
    let thread = std::thread::Builder::new().name("market-data".to_owned());
    let run = move || {
        let system = actix::System::new();
        system.block_on(async move { actor.start() });
        if let Err(error) = system.run() {
            tracing::error!(%error, "market data stops");
        }
    };
    thread.spawn(run).expect("a thread can be started")
}

impl MarketDataActor {
    /// An actor for these markets, by tenant and number.
    pub(super) fn new(
        markets: Vec<Vec<Market>>,
        interest: Arc<Interest>,
        workers: Vec<FeedSender<WorkerEvent>>,
        (release_sender, releases): (FeedSender<MarketRelease>, Feed<MarketRelease>),
        queries: Feed<Query>,
        reader: PastReader,
    ) -> Self {
        Self {
            markets,
            publisher: Publisher { workers, interest },
            releases,
            release_sender,
            queries,
            reader,
            batch: Vec::new(),
            fast: Vec::new(),
            slow: Vec::new(),
            timed: Vec::new(),
            interest_version: 0,
            unread: Vec::new(),
            waiting: Vec::new(),
            minute: 0,
        }
    }

    /// Takes what is there, up to a cap. Whoever asks sees all that was released before he asked.
    fn turn(&mut self) {
        let mut asked = Vec::new();
        while let Some(query) = self.queries.next_message() {
            asked.push(query);
            if asked.len() == TURN_QUERIES {
                break;
            }
        }
        let releases = if asked.is_empty() { TURN_RELEASES } else { self.release_sender.depth().max(TURN_RELEASES) };
        let now = clock::wall();
        for _ in 0..releases {
            let Some(release) = self.releases.next_message() else { break };
            self.take(&release, now);
        }
        for key in std::mem::take(&mut self.batch) {
            let wanted = self.publisher.wanted(key);
            let Some(market) = market(&mut self.markets, key) else { continue };
            market.noted.batch = false;
            if let Some(content) = market.changed_book_ticker()
                && wanted.contains(Topic::BookTicker)
            {
                self.publisher.teller(key, now)(content);
            }
        }
        asked.into_iter().for_each(|query| self.answer(query, now));
    }

    fn take(&mut self, release: &MarketRelease, now: Nanos) {
        let key = (release.tenant, release.market);
        let Some(market) = market(&mut self.markets, key) else {
            tracing::error!(tenant = %key.0, market = %key.1, "a release of a market that is not there");
            return;
        };
        if market.take(release, self.publisher.wanted(key), self.publisher.teller(key, now)) {
            self.note(key);
        }
    }

    /// Notes that something changed in a market.
    fn note(&mut self, key: Key) {
        let Some(market) = market(&mut self.markets, key) else { return };
        let noted = &mut market.noted;
        for (noted, list) in
            [(&mut noted.batch, &mut self.batch), (&mut noted.fast, &mut self.fast), (&mut noted.slow, &mut self.slow)]
        {
            if !std::mem::replace(noted, true) {
                list.push(key);
            }
        }
    }

    fn answer(&mut self, query: Query, now: Nanos) {
        match query {
            Query::Depth { tenant, market: number, limit, answer } => {
                let key = (tenant, number);
                if let Some(market) = market(&mut self.markets, key) {
                    let wanted = self.publisher.wanted(key);
                    answer.send(market.snapshot(limit, wanted, self.publisher.teller(key, now))).ok();
                }
            }
            Query::Trades { tenant, market: number, limit, answer } => {
                if let Some(market) = market(&mut self.markets, (tenant, number)) {
                    answer.send(market.recent(limit)).ok();
                }
            }
            Query::Tickers(query) => self.answer_or_wait(TickersOrKline::Tickers(query), now),
            Query::Kline { .. } => self.answer_or_wait(TickersOrKline::Kline(query), now),
            Query::Past { tenant, market, past } => self.learn((tenant, market), past.as_deref(), now),
            Query::Reset { seeds, done } => {
                seeds.into_iter().for_each(|seed| self.reset(seed));
                done.send(()).ok();
            }
            Query::Stop => actix::System::current().stop(),
        }
    }

    fn answer_or_wait(&mut self, query: TickersOrKline, now: Nanos) {
        // One that finds no room is dropped, which its asker hears as unavailable.
        if let Some(query) = self.answer_past(query, now)
            && self.waiting.len() < WAITING_QUERIES
        {
            self.waiting.push((query, Instant::now()));
        }
    }

    /// Answers a query of the past, or gives it back if the past is not there yet.
    fn answer_past(&mut self, query: TickersOrKline, now: Nanos) -> Option<TickersOrKline> {
        match query {
            TickersOrKline::Tickers(query) => {
                let of_tenant = self.markets.get(query.tenant.0 as usize)?.len();
                let numbers: Vec<MarketId> = match &query.markets {
                    Some(markets) => markets.clone(),
                    None => (0..of_tenant).map(|number| MarketId(u16::try_from(number).unwrap_or(u16::MAX))).collect(),
                };
                if query.minutes.is_some() && !self.know_past(query.tenant, &numbers) {
                    return Some(TickersOrKline::Tickers(query));
                }
                let mut tickers = Vec::with_capacity(numbers.len());
                for number in numbers {
                    let market = self.passed((query.tenant, number), now)?;
                    tickers.push((number, market.ticker(query.minutes, now)));
                }
                query.answer.send(tickers).ok();
            }
            TickersOrKline::Kline(query) => {
                let Query::Kline { tenant, market, interval, answer } = query else { return None };
                if !self.know_past(tenant, &[market]) {
                    return Some(TickersOrKline::Kline(Query::Kline { tenant, market, interval, answer }));
                }
                let kline = self.passed((tenant, market), now)?.kline(interval);
                answer.send(kline).ok();
            }
        }
        None
    }

    /// Whether the past of these markets is known. What is not is asked for.
    fn know_past(&mut self, tenant: TenantId, numbers: &[MarketId]) -> bool {
        let mut known = true;
        for number in numbers {
            let key = (tenant, *number);
            if market(&mut self.markets, key).is_some_and(|market| !market.knows_past()) {
                known = false;
                self.ask_past(key);
            }
        }
        known
    }

    /// A market at this time.
    fn passed(&mut self, key: Key, now: Nanos) -> Option<&Market> {
        let wanted = self.publisher.wanted(key);
        let market = market(&mut self.markets, key)?;
        market.pass(now, wanted, self.publisher.teller(key, now));
        Some(market)
    }

    fn ask_past(&mut self, key: Key) {
        let Some(market) = market(&mut self.markets, key) else { return };
        if market.ask_past() && self.reader.try_send(key).is_err() {
            market.not_asked();
        }
        if !market.knows_past() && !std::mem::replace(&mut market.noted.unread, true) {
            self.unread.push(key);
        }
    }

    fn learn(&mut self, key: Key, past: Option<&super::history::Past>, now: Nanos) {
        let Some(market) = market(&mut self.markets, key) else { return };
        match past {
            Some(past) => market.learn(past),
            None => market.not_asked(),
        }
        if market.knows_past() {
            self.note(key);
            self.answer_waiting(now);
        } else if !std::mem::replace(&mut market.noted.unread, true) {
            self.unread.push(key);
        }
    }

    fn answer_waiting(&mut self, now: Nanos) {
        for (query, since) in std::mem::take(&mut self.waiting) {
            if since.elapsed() < WAIT
                && let Some(query) = self.answer_past(query, now)
            {
                self.waiting.push((query, since));
            }
        }
    }

    fn reset(&mut self, seed: MarketSeed) {
        let key = (seed.tenant, seed.market);
        let wanted = self.publisher.wanted(key);
        if let Some(market) = market(&mut self.markets, key) {
            market.reset(seed, wanted);
            self.note(key);
            self.ask_past(key);
        }
    }

    /// Every tenth of a second.
    fn tick(&mut self) {
        let now = clock::wall();
        for key in std::mem::take(&mut self.fast) {
            let wanted = self.publisher.wanted(key);
            let Some(market) = market(&mut self.markets, key) else { continue };
            market.noted.fast = false;
            market.tell_depth(Cadence::Fast, wanted, self.publisher.teller(key, now));
        }
        for key in &self.timed {
            let Some(market) = market(&mut self.markets, *key) else { continue };
            market.pass(now, self.publisher.wanted(*key), self.publisher.teller(*key, now));
        }
        self.look_at_interest(now);
        for key in std::mem::take(&mut self.unread) {
            if let Some(market) = market(&mut self.markets, key) {
                market.noted.unread = false;
            }
            self.ask_past(key);
        }
        self.answer_waiting(now);
    }

    /// Finds out what is listened to, if that changed, and tells new listeners how things stand.
    fn look_at_interest(&mut self, now: Nanos) {
        let version = self.publisher.interest.version();
        if version == self.interest_version {
            return;
        }
        self.interest_version = version;
        self.timed.clear();
        let mut unknown = Vec::new();
        for (markets, tenant) in self.markets.iter_mut().zip((0..).map(TenantId)) {
            for (market, number) in markets.iter_mut().zip((0..).map(MarketId)) {
                let key = (tenant, number);
                if self.publisher.wanted(key).timed() {
                    self.timed.push(key);
                    if !market.knows_past() {
                        unknown.push(key);
                    }
                }
                let fresh = self.publisher.interest.take_fresh(tenant, number);
                if !fresh.is_empty() {
                    let mut tell = self.publisher.teller(key, now);
                    market.pass(now, self.publisher.wanted(key), &mut tell);
                    market.tell_fresh(now, fresh, &mut tell);
                }
            }
        }
        unknown.into_iter().for_each(|key| self.ask_past(key));
    }

    /// Every second.
    fn second(&mut self) {
        let now = clock::wall();
        let minute = now.0 / 60_000_000_000;
        let minute_began = std::mem::replace(&mut self.minute, minute) != minute;
        let changed = std::mem::take(&mut self.slow);
        let mut tickers: BTreeMap<TenantId, Vec<(MarketId, Ticker)>> = BTreeMap::new();
        for key in &changed {
            let wanted = self.publisher.wanted(*key);
            let Some(market) = market(&mut self.markets, *key) else { continue };
            market.noted.slow = false;
            let mut tell = self.publisher.teller(*key, now);
            market.tell_depth(Cadence::Slow, wanted, &mut tell);
            if !minute_began {
                market.tell_statistics(now, wanted, &mut tell);
            }
            if market.has_traded() && wanted.contains(Topic::Tickers) {
                market.pass(now, wanted, &mut tell);
                tickers.entry(key.0).or_default().push((key.1, market.ticker(Some(super::DAY_MINUTES), now)));
            }
        }
        for key in &self.timed {
            let wanted = self.publisher.wanted(*key);
            let Some(market) = market(&mut self.markets, *key) else { continue };
            let mut tell = self.publisher.teller(*key, now);
            market.tell_klines(wanted, &mut tell);
            // Windows move by the minute, also where nothing happens.
            if minute_began {
                market.tell_statistics(now, wanted, &mut tell);
            }
        }
        for (tenant, tickers) in tickers {
            self.publisher.publish(MarketEvent::Tickers { tenant, time: now, tickers });
        }
    }
}

impl Actor for MarketDataActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        Self::add_stream(self.releases.signal(), context);
        Self::add_stream(self.queries.signal(), context);
        context.run_interval(Duration::from_millis(100), |actor, _| actor.tick());
        context.run_interval(Duration::from_secs(1), |actor, _| actor.second());
    }
}

impl StreamHandler<FeedReady> for MarketDataActor {
    fn handle(&mut self, FeedReady: FeedReady, _: &mut Self::Context) {
        self.turn();
    }
}

fn market(markets: &mut [Vec<Market>], (tenant, market): Key) -> Option<&mut Market> {
    markets.get_mut(tenant.0 as usize)?.get_mut(usize::from(market.0))
}
