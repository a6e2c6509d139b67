//! Market data: what the public sees of the books.
//!
//! The journal writer hands over what every durable command did to a book, in order. One actor on
//! a thread of its own keeps a public copy of every book, the last trades, the candlesticks of now
//! and the last day by the minute; it answers queries and publishes to the edge workers, but only
//! what some session listens to ([`interest::Interest`]).
//!
//! **Depth.** The update id is the book's change counter. Diffs of a market cover `[first, last]`
//! without a gap, also where nothing visible changed. Whoever asks for a snapshot ends the diffs
//! under way first: they are published up to the snapshot, so that the next diff of either cadence
//! begins exactly one above the snapshot's update id. Clients that apply a diff if
//! `first <= update + 1 <= last` work, and so do those that insist on `first == update + 1`. The
//! snapshot is never older than what was durable when it was asked for.
//!
//! **Best prices** are told after every batch the actor takes: at low load after every command,
//! under load not more often than it can.
//!
//! **State.** The phase of a market and the likely result of its auction are told whenever they change,
//! and to whoever begins to listen.
//!
//! **History.** A market's past is read from the read store once, by a thread that may wait for
//! the disk. Trades are numbered without gaps, so that the past and the trades of this process are
//! joined exactly, however far the store has come.
//!
//! **A panic** costs the actor all it knows, since any of it may be half changed. It says so to
//! everyone who listens ([`MarketEvent::Broken`]), asks the books to show themselves, and begins
//! anew from what they show. A book shows itself in the order of what it does, through the journal
//! writer, so that nothing is missing behind it and trading does not wait. A client whose stream was
//! closed begins anew with a snapshot, as it does after any other loss of its connection: what it
//! missed is never passed over in silence.

mod actor;
mod depth;
mod history;
pub mod interest;
mod market;
mod past;
mod recovery;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crossbeam_channel::Sender;
use rialto_engine::book::{Book, Indicative, LevelChange};
use rialto_engine::ids::{MarketId, TenantId};
use rialto_engine::message::{Fill, Phase};
use rialto_engine::order::Side;
use rialto_engine::units::Nanos;
use rialto_persistence::kline::Interval;
use rialto_persistence::read_store::{AggregateTrade, MarketTrade, ReadStore};
use tokio::sync::oneshot;

pub use self::actor::MarketDataActor;
use self::actor::Publisher;
pub use self::depth::{DepthDiff, DepthLevels, Level};
pub use self::history::{DAY_MINUTES, KlineUpdate, Statistics};
use self::interest::{Cadence, Interest, RollingWindow, Topic, Watch};
use self::market::Market;
use self::past::PastRequest;
use crate::api::WorkerEvent;
use crate::feed::{FeedSender, feed};
use crate::permits::Permits;

/// Queries that may wait for the actor.
const QUERY_FEED: usize = 1_024;
/// How many of the last trades are kept.
pub const RECENT_TRADES: usize = 1_000;

/// What the journal writer hands over, in the order of each book.
#[derive(Clone, Debug)]
pub enum MarketNews {
    /// What one durable command did.
    Release(MarketRelease),
    /// The whole book, because market data has lost it. All that it did before was handed over.
    Book(MarketSeed),
}

/// What one durable command did to a book.
#[derive(Clone, Debug)]
pub struct MarketRelease {
    /// Whose.
    pub tenant: TenantId,
    /// Which book.
    pub market: MarketId,
    /// When the command was accepted.
    pub time: Nanos,
    /// The trades, in order.
    pub fills: Vec<Fill>,
    /// The levels that changed, in order; the last change of a level counts.
    pub levels: Vec<LevelChange>,
    /// The book's change counter behind it: the update id.
    pub changes: u64,
    /// The state of the market behind it, if it is another one.
    pub state: Option<MarketState>,
}

/// The phase of a market, and what its auction would come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MarketState {
    /// The phase.
    pub phase: Phase,
    /// When it goes over to continuous trading by itself; zero for never.
    pub until: Nanos,
    /// What the auction would come to now; `None` where nothing would trade, and where no orders are
    /// collected for one.
    pub indicative: Option<Indicative>,
}

impl MarketState {
    /// The state of a book's market.
    #[must_use]
    pub fn of(book: &Book) -> Self {
        Self { phase: book.phase(), until: book.until(), indicative: book.indicative() }
    }
}

/// A book as it stands when market data begins.
#[derive(Clone, Debug)]
pub struct MarketSeed {
    /// Whose.
    pub tenant: TenantId,
    /// Which book. A tenant's markets are numbered without gaps.
    pub market: MarketId,
    /// Its bids.
    pub bids: Vec<Level>,
    /// Its asks.
    pub asks: Vec<Level>,
    /// Its change counter.
    pub changes: u64,
    /// The last trade's number.
    pub trades: u64,
    /// The state of the market.
    pub state: MarketState,
}

impl MarketSeed {
    /// The book as it stands.
    #[must_use]
    pub fn of(tenant: TenantId, market: MarketId, book: &Book) -> Self {
        let side = |side| book.levels(side).collect();
        Self {
            tenant,
            market,
            bids: side(Side::Buy),
            asks: side(Side::Sell),
            changes: book.changes(),
            trades: book.trades(),
            state: MarketState::of(book),
        }
    }
}

/// Where market data gets what is not handed over.
#[derive(Clone, Debug)]
pub struct MarketSources {
    /// Where the past is kept, if anywhere. At the start it must have come as far as the books.
    pub read_store: Option<ReadStore>,
    /// The last durable position: what is handed over is not behind it.
    pub durable: Arc<AtomicU64>,
    /// Where lost books are asked for.
    pub lost: Sender<()>,
    /// How much is under way.
    pub permits: Arc<Permits>,
}

/// What is published to the edge workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MarketEvent {
    /// Of one market.
    Market {
        /// Whose.
        tenant: TenantId,
        /// Which.
        market: MarketId,
        /// When it was published.
        time: Nanos,
        /// What.
        content: Content,
    },
    /// The last 24 hours of all markets of a tenant that changed in the last second.
    Tickers {
        /// Whose.
        tenant: TenantId,
        /// When it was published.
        time: Nanos,
        /// By market.
        tickers: Vec<(MarketId, Ticker)>,
    },
    /// Something was not published, of any market: whoever listens must begin anew.
    Broken,
}

/// What is published of a market.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// The trades of one command, in order.
    Trades(Vec<MarketTrade>),
    /// The same, those of one price as one.
    AggregateTrades(Vec<AggregateTrade>),
    /// The best bid and ask.
    BookTicker(BookTicker),
    /// What changed in depth.
    Diff(DepthDiff),
    /// The best twenty levels.
    Partial(Cadence, DepthLevels),
    /// The last 24 hours.
    Ticker(Ticker),
    /// The last [`AVERAGE_MINUTES`].
    AveragePrice(Statistics),
    /// The last hours.
    Rolling(RollingWindow, Statistics),
    /// A candlestick.
    Kline(KlineUpdate),
    /// Another phase, or another likely result of the auction.
    State(MarketState),
}

/// How many levels a partial depth has.
pub const PARTIAL_LEVELS: usize = 20;
/// The stretch of the average price.
pub const AVERAGE_MINUTES: u64 = 5;

impl Content {
    /// What one listens to who hears of it.
    #[must_use]
    pub fn topic(&self) -> Topic {
        match self {
            Self::Trades(_) => Topic::Trades,
            Self::AggregateTrades(_) => Topic::AggregateTrades,
            Self::BookTicker(_) => Topic::BookTicker,
            Self::Diff(diff) => Topic::Diff(diff.cadence),
            Self::Partial(cadence, _) => Topic::Partial(*cadence),
            Self::Ticker(_) => Topic::Ticker,
            Self::AveragePrice(_) => Topic::AveragePrice,
            Self::Rolling(window, _) => Topic::Rolling(*window),
            Self::Kline(update) => update.topic(),
            Self::State(_) => Topic::State,
        }
    }
}

/// The best bid and ask. A side without orders has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BookTicker {
    /// The last change of the book.
    pub update: u64,
    /// The best bid.
    pub bid: Option<Level>,
    /// The best ask.
    pub ask: Option<Level>,
}

/// A stretch of time and the best prices at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticker {
    /// What happened; `None` if the market has never traded.
    pub statistics: Option<Statistics>,
    /// The best prices.
    pub book: BookTicker,
}

/// Why a query has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryError {
    /// Too many wait, or the past of a market is not there yet.
    Busy,
    /// No such market, or market data has stopped.
    Unavailable,
}

/// A handle on market data. Clones share it; the last one stops the actor.
#[derive(Clone)]
pub struct MarketData {
    shared: Arc<Shared>,
}

struct Shared {
    queries: FeedSender<Query>,
    interest: Arc<Interest>,
    whole: Arc<AtomicBool>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What the actor is asked. An answer goes nowhere if nobody waits for it any more.
#[derive(Debug)]
enum Query {
    Depth { tenant: TenantId, market: MarketId, limit: usize, answer: oneshot::Sender<DepthLevels> },
    Trades { tenant: TenantId, market: MarketId, limit: usize, answer: oneshot::Sender<Vec<MarketTrade>> },
    Tickers(TickersQuery),
    Kline { tenant: TenantId, market: MarketId, interval: Interval, answer: oneshot::Sender<Option<KlineUpdate>> },
    States { tenant: TenantId, answer: oneshot::Sender<Vec<MarketState>> },
    Past { request: PastRequest, past: Option<Box<history::Past>> },
    Reset { seeds: Vec<MarketSeed>, done: Sender<()> },
    Drill,
    Stop,
}

#[derive(Debug)]
struct TickersQuery {
    tenant: TenantId,
    /// `None` asks for all.
    markets: Option<Vec<MarketId>>,
    /// How far back; `None` asks for the best prices alone.
    minutes: Option<u64>,
    answer: oneshot::Sender<Vec<(MarketId, Ticker)>>,
}

impl MarketData {
    /// Starts the actor on a thread of its own, and gives back where the journal writer sends what
    /// is durable. The workers must drain their feeds at all times.
    ///
    /// # Panics
    /// If a thread cannot be started.
    #[must_use]
    pub fn start(
        seeds: Vec<MarketSeed>,
        sources: MarketSources,
        workers: Vec<FeedSender<WorkerEvent>>,
        feed_capacity: usize,
    ) -> (Self, FeedSender<MarketNews>) {
        let mut markets: Vec<Vec<Option<Market>>> = Vec::new();
        let mut unread = Vec::new();
        for seed in seeds {
            let (tenant, number) = (seed.tenant, seed.market);
            let place = tenant.0 as usize;
            markets.resize_with(markets.len().max(place + 1), Vec::new);
            assert_eq!(markets[place].len(), usize::from(number.0), "markets come in order and without gaps");
            let mut market = Market::new(seed, sources.read_store.as_ref().map(|_| 0));
            unread.extend(market.ask_past().map(|from| PastRequest { tenant, market: number, from }));
            markets[place].push(Some(market));
        }
        let interest = Arc::new(Interest::new(markets.iter().map(Vec::len)));
        let (release_sender, releases) = feed(feed_capacity);
        let (queries, query_feed) = feed(QUERY_FEED);
        let (reader, reader_thread) = past::start(sources.read_store.clone(), unread, queries.clone());
        let whole = Arc::new(AtomicBool::new(true));
        let actor = MarketDataActor::new(
            markets,
            sources,
            Publisher { workers, interest: Arc::clone(&interest), whole: Arc::clone(&whole) },
            (release_sender.clone(), releases),
            query_feed,
            reader,
        );
        let threads = Mutex::new(reader_thread.into_iter().chain([actor::run(actor)]).collect());
        (Self { shared: Arc::new(Shared { queries, interest, whole, threads }) }, release_sender)
    }

    /// Whether every market is told. If not, books were lost in a panic and are on their way.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.shared.whole.load(Ordering::Acquire)
    }

    pub(crate) fn drill(&self) {
        self.shared.queries.send(Query::Drill);
    }

    /// What sessions listen to.
    #[must_use]
    pub fn interest(&self) -> &Arc<Interest> {
        &self.shared.interest
    }

    /// Listens to a topic of a market, or of all of a tenant, until the watch is dropped. `None` if
    /// there is no such market.
    #[must_use]
    pub fn watch(&self, tenant: TenantId, market: Option<MarketId>, topic: Topic) -> Option<Watch> {
        self.shared.interest.watch(tenant, market, topic)
    }

    /// The best levels of a market. The next diff of either cadence begins one above.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn depth(&self, tenant: TenantId, market: MarketId, limit: usize) -> Result<DepthLevels, QueryError> {
        self.ask(|answer| Query::Depth { tenant, market, limit, answer }).await
    }

    /// The last trades of a market that this process has seen, at most [`RECENT_TRADES`];
    /// ascending.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn recent_trades(
        &self,
        tenant: TenantId,
        market: MarketId,
        limit: usize,
    ) -> Result<Vec<MarketTrade>, QueryError> {
        self.ask(|answer| Query::Trades { tenant, market, limit, answer }).await
    }

    /// The last minutes of the markets named, or of all, at most [`DAY_MINUTES`].
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn tickers(
        &self,
        tenant: TenantId,
        markets: Option<Vec<MarketId>>,
        minutes: u64,
    ) -> Result<Vec<(MarketId, Ticker)>, QueryError> {
        let minutes = Some(minutes);
        self.ask(|answer| Query::Tickers(TickersQuery { tenant, markets, minutes, answer })).await
    }

    /// The best prices of the markets named, or of all.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn book_tickers(
        &self,
        tenant: TenantId,
        markets: Option<Vec<MarketId>>,
    ) -> Result<Vec<(MarketId, BookTicker)>, QueryError> {
        let tickers =
            self.ask(|answer| Query::Tickers(TickersQuery { tenant, markets, minutes: None, answer })).await?;
        Ok(tickers.into_iter().map(|(market, ticker)| (market, ticker.book)).collect())
    }

    /// The candlestick of now; `None` if the market has never traded.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn current_kline(
        &self,
        tenant: TenantId,
        market: MarketId,
        interval: Interval,
    ) -> Result<Option<KlineUpdate>, QueryError> {
        self.ask(|answer| Query::Kline { tenant, market, interval, answer }).await
    }

    /// The states of all markets of a tenant, by number.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn states(&self, tenant: TenantId) -> Result<Vec<MarketState>, QueryError> {
        self.ask(|answer| Query::States { tenant, answer }).await
    }

    /// The same for a thread that may wait.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub(crate) fn states_blocking(&self, tenant: TenantId) -> Result<Vec<MarketState>, QueryError> {
        let (answer, waits) = oneshot::channel();
        self.shared.queries.try_send(Query::States { tenant, answer }).map_err(|_| QueryError::Busy)?;
        waits.blocking_recv().map_err(|_| QueryError::Unavailable)
    }

    /// Brings the books to what they are after their partition was rebuilt: a command may have been
    /// durable and yet not told. It blocks until that is done, and must be done before the rebuilt
    /// partition tells anything.
    pub fn reset(&self, seeds: Vec<MarketSeed>) {
        let (done, waits) = crossbeam_channel::bounded(1);
        self.shared.queries.send(Query::Reset { seeds, done });
        // An error says that the actor is gone.
        waits.recv().ok();
    }

    /// Stops the actor and waits for its threads to end; then the read store is no longer in use.
    /// What is released afterwards is dropped. The workers must still drain their feeds, or have
    /// dropped them.
    pub fn stop(&self) {
        self.shared.queries.send(Query::Stop);
        let threads = std::mem::take(&mut *self.shared.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // A panic in there has been reported by the thread itself.
            thread.join().ok();
        }
    }

    async fn ask<Answer>(&self, query: impl FnOnce(oneshot::Sender<Answer>) -> Query) -> Result<Answer, QueryError> {
        let (answer, waits) = oneshot::channel();
        self.shared.queries.try_send(query(answer)).map_err(|_| QueryError::Busy)?;
        waits.await.map_err(|_| QueryError::Unavailable)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Not waited for: this may be a worker's thread, and the actor may wait for that worker.
        self.queries.try_send(Query::Stop).ok();
    }
}

impl std::fmt::Debug for MarketData {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("MarketData").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
