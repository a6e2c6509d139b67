//! The actor that owns what the public sees.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ::metrics::{Counter, counter};
use actix::{Actor, AsyncContext, Context, StreamHandler};
use rialto_engine::ids::{MarketId, TenantId};
use rialto_engine::units::Nanos;

use super::interest::{Cadence, Interest, Topic, Topics};
use super::market::Market;
use super::past::{PastReader, PastRequest};
use super::recovery::Recovery;
use super::{Content, MarketEvent, MarketNews, MarketRelease, MarketSeed, MarketSources, Query, Ticker, TickersQuery};
use crate::api::WorkerEvent;
use crate::clock;
use crate::feed::{Feed, FeedReady, FeedSender};
use crate::metrics;
use crate::shedding::Sheddable;
use crate::wallet_actor::panic_text;

/// The most releases taken in one turn when nobody waits for an answer.
const TURN_RELEASES: usize = 1_024;
/// The most queries answered in one turn.
const TURN_QUERIES: usize = 64;
/// Queries that may wait for the past of a market.
const WAITING_QUERIES: usize = 256;
/// How long one waits.
const WAIT: Duration = Duration::from_secs(3);
/// Fast depth is told every so many tenths of a second when much is under way.
const SLOWED: u64 = 10;

type Key = (TenantId, MarketId);

/// Keeps the public copy of every market and publishes from it.
pub struct MarketDataActor {
    /// By tenant and number. One whose book was lost, and is not here again, is `None`.
    markets: Vec<Vec<Option<Market>>>,
    sources: MarketSources,
    publisher: Publisher,
    releases: Feed<MarketNews>,
    release_sender: FeedSender<MarketNews>,
    queries: Feed<Query>,
    /// Queries of this turn that are not answered yet.
    asked: VecDeque<Query>,
    reader: PastReader,
    recovery: Recovery,
    batch: Vec<Key>,
    fast: Vec<Key>,
    slow: Vec<Key>,
    /// Markets of which something is published by the clock.
    timed: Vec<Key>,
    /// The version of the interest that was looked at; `None` if it must be looked at anew.
    interest_version: Option<u64>,
    /// Markets whose past is to be asked for.
    unread: Vec<Key>,
    waiting: Vec<(TickersOrKline, Instant)>,
    minute: u64,
    /// Tenths of a second so far.
    ticks: u64,
    /// Depth messages that were put off because much was under way.
    slowed: Counter,
}

/// A query that needs the past of markets.
enum TickersOrKline {
    Tickers(TickersQuery),
    Kline(Query),
}

/// Where it publishes, and who listens.
pub struct Publisher {
    /// The edge workers.
    pub workers: Vec<FeedSender<WorkerEvent>>,
    /// What their sessions listen to.
    pub interest: Arc<Interest>,
    /// Whether every market is told.
    pub whole: Arc<AtomicBool>,
}

impl Publisher {
    /// Says that something is not told, or that all will be told again. Either is a break.
    fn break_off(&self, whole: bool) {
        self.whole.store(false, Ordering::Release);
        metrics::market_data_whole(whole);
        self.publish(MarketEvent::Broken);
        self.whole.store(whole, Ordering::Release);
    }

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
        markets: Vec<Vec<Option<Market>>>,
        sources: MarketSources,
        publisher: Publisher,
        (release_sender, releases): (FeedSender<MarketNews>, Feed<MarketNews>),
        queries: Feed<Query>,
        reader: PastReader,
    ) -> Self {
        Self {
            markets,
            sources,
            publisher,
            releases,
            release_sender,
            queries,
            asked: VecDeque::new(),
            reader,
            recovery: Recovery::default(),
            batch: Vec::new(),
            fast: Vec::new(),
            slow: Vec::new(),
            timed: Vec::new(),
            interest_version: Some(0),
            unread: Vec::new(),
            waiting: Vec::new(),
            minute: 0,
            ticks: 0,
            slowed: counter!("rialto_shed_total", "what" => Sheddable::DepthFeeds.name()),
        }
    }

    /// Does a step. A panic in it is a bug, and may have left anything half changed: all that is
    /// known is dropped, and the books are asked for.
    fn guarded(&mut self, step: impl FnOnce(&mut Self)) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| step(self))) {
            self.begin_anew(&panic_text(panic.as_ref()));
        }
    }

    fn begin_anew(&mut self, what: &str) {
        tracing::error!(what, "market data panicked; it begins anew from the books, and trading goes on");
        metrics::market_data_restarted();
        self.markets.iter_mut().flatten().for_each(|market| *market = None);
        for keys in [&mut self.batch, &mut self.fast, &mut self.slow, &mut self.timed, &mut self.unread] {
            keys.clear();
        }
        self.interest_version = None;
        // Whoever waits hears that there is no answer.
        self.waiting.clear();
        if std::mem::take(&mut self.asked).iter().any(|query| matches!(query, Query::Stop)) {
            actix::System::current().stop();
        }
        self.recovery.lost(self.markets.iter().map(Vec::len).sum(), Instant::now());
        self.publisher.break_off(self.recovery.is_over());
        self.ask_for_books();
    }

    fn ask_for_books(&mut self) {
        if self.recovery.is_due(Instant::now()) {
            // Full says that they have been asked for already.
            self.sources.lost.try_send(()).ok();
        }
    }

    /// A book that was lost is here. One that is not lost was shown twice.
    fn find(&mut self, seed: MarketSeed) {
        let key = (seed.tenant, seed.market);
        let past_from = self.past_from();
        let place = self.markets.get_mut(key.0.0 as usize).and_then(|markets| markets.get_mut(usize::from(key.1.0)));
        let Some(place @ None) = place else { return };
        *place = Some(Market::new(seed, past_from));
        // Who listens to it is told how it stands.
        self.interest_version = None;
        self.ask_past(key);
        self.recovery.found();
        if self.recovery.is_over() {
            // Whoever came since the loss has missed what was traded in between.
            self.publisher.break_off(true);
            tracing::info!("market data is whole again");
        }
    }

    /// How far the read store must come to know all that was traded so far, if there is one.
    fn past_from(&self) -> Option<u64> {
        self.sources.read_store.as_ref().map(|_| self.sources.durable.load(Ordering::Acquire))
    }

    /// Takes what is there, up to a cap. Whoever asks sees all that was released before he asked.
    fn turn(&mut self) {
        while self.asked.len() < TURN_QUERIES
            && let Some(query) = self.queries.next_message()
        {
            self.asked.push_back(query);
        }
        let releases =
            if self.asked.is_empty() { TURN_RELEASES } else { self.release_sender.depth().max(TURN_RELEASES) };
        let now = clock::wall();
        for _ in 0..releases {
            match self.releases.next_message() {
                Some(MarketNews::Release(release)) => self.take(&release, now),
                Some(MarketNews::Book(seed)) => self.find(seed),
                None => break,
            }
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
        while let Some(query) = self.asked.pop_front() {
            self.answer(query, now);
        }
    }

    fn take(&mut self, release: &MarketRelease, now: Nanos) {
        let key = (release.tenant, release.market);
        // That of a lost book is in the book when it is shown.
        let Some(market) = market(&mut self.markets, key) else { return };
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
            Query::States { tenant, answer } => {
                // A tenant without markets was never heard of here.
                let markets = self.markets.get(tenant.0 as usize).map_or(&[][..], Vec::as_slice);
                // One whose book is lost makes the whole answer unknown.
                let states: Option<Vec<_>> = markets.iter().map(|it| it.as_ref().map(Market::state)).collect();
                if let Some(states) = states {
                    answer.send(states).ok();
                }
            }
            Query::Past { request, past } => self.learn(request, past.as_deref(), now),
            Query::Reset { seeds, done } => {
                seeds.into_iter().for_each(|seed| self.reset(seed, now));
                done.send(()).ok();
            }
            Query::Drill => panic!("a drill asked market data to fail"),
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
                let of_tenant = self.markets.get(query.tenant.0 as usize).map_or(0, Vec::len);
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
        if let Some(from) = market.ask_past()
            && self.reader.try_send(PastRequest { tenant: key.0, market: key.1, from }).is_err()
        {
            market.not_asked();
        }
        if !market.knows_past() && !std::mem::replace(&mut market.noted.unread, true) {
            self.unread.push(key);
        }
    }

    fn learn(&mut self, request: PastRequest, past: Option<&super::history::Past>, now: Nanos) {
        let key = (request.tenant, request.market);
        let Some(market) = market(&mut self.markets, key) else { return };
        match past {
            Some(past) => market.learn(past, request.from),
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

    fn reset(&mut self, seed: MarketSeed, now: Nanos) {
        let key = (seed.tenant, seed.market);
        let (wanted, past_from) = (self.publisher.wanted(key), self.past_from());
        match market(&mut self.markets, key) {
            Some(market) => {
                market.reset(seed, past_from, wanted, self.publisher.teller(key, now));
                self.note(key);
                self.ask_past(key);
            }
            None => self.find_or_open(seed),
        }
    }

    /// A market whose book was lost is here, or one that is new.
    fn find_or_open(&mut self, seed: MarketSeed) {
        let (tenant, number) = (seed.tenant.0 as usize, usize::from(seed.market.0));
        self.markets.resize_with(self.markets.len().max(tenant + 1), Vec::new);
        if number < self.markets[tenant].len() {
            return self.find(seed);
        }
        let (key, market) = ((seed.tenant, seed.market), Market::new(seed, self.past_from()));
        assert_eq!(self.markets[tenant].len(), number, "markets come in order and without gaps");
        self.markets[tenant].push(Some(market));
        self.publisher.interest.grow(key.0, number + 1);
        self.interest_version = None;
        self.ask_past(key);
    }

    /// Every tenth of a second.
    fn tick(&mut self) {
        let now = clock::wall();
        for key in self.fast_now() {
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
        self.ask_for_books();
    }

    /// The markets whose fast depth is told now. When much is under way, that is once a second: what is not
    /// told now is told then, as one difference.
    fn fast_now(&mut self) -> Vec<Key> {
        self.ticks = self.ticks.wrapping_add(1);
        if !self.ticks.is_multiple_of(SLOWED) && self.sources.permits.sheds(Sheddable::DepthFeeds) {
            self.slowed.increment(self.fast.len() as u64);
            return Vec::new();
        }
        std::mem::take(&mut self.fast)
    }

    /// Finds out what is listened to, if that changed, and tells new listeners how things stand.
    fn look_at_interest(&mut self, now: Nanos) {
        let version = Some(self.publisher.interest.version());
        if version == self.interest_version {
            return;
        }
        self.interest_version = version;
        self.timed.clear();
        let mut unknown = Vec::new();
        for (markets, tenant) in self.markets.iter_mut().zip((0..).map(TenantId)) {
            for (market, number) in markets.iter_mut().zip((0..).map(MarketId)) {
                let Some(market) = market else { continue };
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
        context.run_interval(Duration::from_millis(100), |actor, _| actor.guarded(Self::tick));
        context.run_interval(Duration::from_secs(1), |actor, _| actor.guarded(Self::second));
    }
}

impl StreamHandler<FeedReady> for MarketDataActor {
    fn handle(&mut self, FeedReady: FeedReady, _: &mut Self::Context) {
        self.guarded(Self::turn);
    }
}

fn market(markets: &mut [Vec<Option<Market>>], (tenant, market): Key) -> Option<&mut Market> {
    markets.get_mut(tenant.0 as usize)?.get_mut(usize::from(market.0))?.as_mut()
}
