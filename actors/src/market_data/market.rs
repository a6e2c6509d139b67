//! One market as the public sees it. Pure: what is to be published is told to the caller.

use std::collections::VecDeque;

use rialto_engine::message::Fill;
use rialto_engine::order::Side;
use rialto_engine::units::Nanos;
use rialto_persistence::kline::Interval;
use rialto_persistence::read_store::{AggregateTrade, MarketTrade};

use super::depth::{Depth, DepthLevels};
use super::history::{DAY_MINUTES, History, KlineUpdate, Past};
use super::interest::{Cadence, RollingWindow, Topic, Topics};
use super::{
    AVERAGE_MINUTES, BookTicker, Content, MarketRelease, MarketSeed, MarketState, PARTIAL_LEVELS, RECENT_TRADES, Ticker,
};

/// A market. It allocates nothing until its book holds something.
#[derive(Debug, Default)]
pub struct Market {
    depth: Depth,
    /// The last trade's number.
    trades: u64,
    state: MarketState,
    told: BookTicker,
    recent: VecDeque<MarketTrade>,
    knowledge: Knowledge,
    /// How far the read store must have come before it knows what was traded before this began.
    past_from: u64,
    /// Where the actor has noted it for later, so that it is noted once.
    pub noted: Noted,
}

/// In which of the actor's lists a market stands.
#[derive(Clone, Copy, Debug, Default)]
pub struct Noted {
    /// Its best prices may have changed in this batch.
    pub batch: bool,
    /// It changed since the last tenth of a second.
    pub fast: bool,
    /// It changed since the last second.
    pub slow: bool,
    /// Its past is to be read.
    pub unread: bool,
}

/// What is known of a market's past.
#[derive(Debug, Default)]
enum Knowledge {
    /// Nothing: the read store has to be asked.
    #[default]
    Unknown,
    /// The read store has been asked.
    Asked,
    /// All that matters; `None` if there was no trade yet.
    Known(Option<Box<History>>),
}

impl Market {
    /// The market of a book as it stands. Its past is in the read store once that has come to
    /// `past_from`; where there is no store, `None`, the market begins now.
    #[must_use]
    pub fn new(seed: MarketSeed, past_from: Option<u64>) -> Self {
        let knowledge = past_from.map_or(Knowledge::Known(None), |_| Knowledge::Unknown);
        let depth = Depth::new(seed.bids, seed.asks, seed.changes);
        let (trades, state) = (seed.trades, seed.state);
        Self { depth, trades, state, knowledge, past_from: past_from.unwrap_or_default(), ..Self::default() }
    }

    /// Takes over what a command did and tells what is wanted of it at once. What the market has
    /// already is passed over: after a restart the last commands come again.
    ///
    /// Returns whether anything changed.
    ///
    /// # Panics
    /// If something between what the market has and the release was lost: a bug.
    pub fn take(&mut self, release: &MarketRelease, wanted: Topics, mut tell: impl FnMut(Content)) -> bool {
        let moved = self.take_levels(release, wanted);
        let traded = self.take_trades(release, wanted, &mut tell);
        let entered = self.take_state(release, wanted, &mut tell);
        moved || traded || entered
    }

    fn take_state(&mut self, release: &MarketRelease, wanted: Topics, tell: &mut impl FnMut(Content)) -> bool {
        let Some(state) = release.state.filter(|state| *state != self.state) else { return false };
        self.state = state;
        if wanted.contains(Topic::State) {
            tell(Content::State(state));
        }
        true
    }

    fn take_levels(&mut self, release: &MarketRelease, wanted: Topics) -> bool {
        if release.changes <= self.depth.update() {
            return false;
        }
        // Every change of a level counts one.
        let first = release.changes - release.levels.len() as u64;
        assert!(first <= self.depth.update(), "changes {} to {first} of the book were lost", self.depth.update());
        self.depth.apply(&release.levels, release.changes, |cadence| wanted.contains(Topic::Diff(cadence)));
        true
    }

    /// Orders that are not displayed trade without a level that changes, so that trades are told apart
    /// by their own numbers.
    fn take_trades(&mut self, release: &MarketRelease, wanted: Topics, mut tell: impl FnMut(Content)) -> bool {
        let new = release.fills.iter().filter(|fill| fill.trade.0 > self.trades);
        let trades: Vec<MarketTrade> = new.map(|fill| trade(fill, release.time)).collect();
        let (Some(first), Some(last)) = (trades.first(), trades.last()) else { return false };
        assert_eq!(first.id.0, self.trades + 1, "trades were lost");
        self.trades = last.id.0;
        for trade in &trades {
            if self.recent.len() == RECENT_TRADES {
                self.recent.pop_front();
            }
            self.recent.push_back(*trade);
            match &mut self.knowledge {
                Knowledge::Unknown | Knowledge::Asked => {}
                Knowledge::Known(None) => self.knowledge = Knowledge::Known(Some(Box::new(History::begin(trade)))),
                Knowledge::Known(Some(history)) => history.add(trade, |update| tell_kline(update, wanted, &mut tell)),
            }
        }
        if wanted.contains(Topic::AggregateTrades) {
            tell(Content::AggregateTrades(aggregate(&trades)));
        }
        if wanted.contains(Topic::Trades) {
            tell(Content::Trades(trades));
        }
        true
    }

    /// The best prices, if they are not those that were told last.
    pub fn changed_book_ticker(&mut self) -> Option<Content> {
        let now = self.book_ticker();
        let changed = (now.bid, now.ask) != (self.told.bid, self.told.ask);
        changed.then(|| {
            self.told = now;
            Content::BookTicker(now)
        })
    }

    /// Tells what is published of depth at this cadence, if somebody wants it.
    pub fn tell_depth(&mut self, cadence: Cadence, wanted: Topics, mut tell: impl FnMut(Content)) {
        self.tell_diff(cadence, wanted, &mut tell);
        if wanted.contains(Topic::Partial(cadence)) {
            tell(Content::Partial(cadence, self.depth.levels(PARTIAL_LEVELS)));
        }
    }

    /// The best levels. The diffs up to them are told first.
    pub fn snapshot(&mut self, limit: usize, wanted: Topics, mut tell: impl FnMut(Content)) -> DepthLevels {
        Cadence::ALL.into_iter().for_each(|cadence| self.tell_diff(cadence, wanted, &mut tell));
        self.depth.levels(limit)
    }

    /// Lets time pass and tells which candlesticks it closed.
    pub fn pass(&mut self, now: Nanos, wanted: Topics, mut tell: impl FnMut(Content)) {
        if let Knowledge::Known(Some(history)) = &mut self.knowledge {
            history.pass(now, |update| tell_kline(update, wanted, &mut tell));
        }
    }

    /// Tells the candlesticks that changed.
    pub fn tell_klines(&mut self, wanted: Topics, mut tell: impl FnMut(Content)) {
        if let Knowledge::Known(Some(history)) = &mut self.knowledge {
            history.changed_klines(|update| tell_kline(update, wanted, &mut tell));
        }
    }

    /// Tells the stretches of time that end now.
    pub fn tell_statistics(&self, now: Nanos, wanted: Topics, mut tell: impl FnMut(Content)) {
        let Knowledge::Known(Some(history)) = &self.knowledge else { return };
        if wanted.contains(Topic::Ticker) {
            tell(Content::Ticker(self.ticker(Some(DAY_MINUTES), now)));
        }
        if wanted.contains(Topic::AveragePrice) {
            tell(Content::AveragePrice(history.statistics(AVERAGE_MINUTES, now)));
        }
        for window in RollingWindow::ALL {
            if wanted.contains(Topic::Rolling(window)) {
                tell(Content::Rolling(window, history.statistics(window.minutes(), now)));
            }
        }
    }

    /// Tells how things stand to those who have just begun to listen.
    pub fn tell_fresh(&self, now: Nanos, fresh: Topics, mut tell: impl FnMut(Content)) {
        for cadence in Cadence::ALL {
            if fresh.contains(Topic::Partial(cadence)) {
                tell(Content::Partial(cadence, self.depth.levels(PARTIAL_LEVELS)));
            }
        }
        let book = self.book_ticker();
        if fresh.contains(Topic::BookTicker) && (book.bid.is_some() || book.ask.is_some()) {
            tell(Content::BookTicker(book));
        }
        if fresh.contains(Topic::State) {
            tell(Content::State(self.state));
        }
        self.tell_statistics(now, fresh, &mut tell);
        if let Knowledge::Known(Some(history)) = &self.knowledge {
            let wanted = Interval::ALL.into_iter().filter(|interval| fresh.contains(Topic::Kline(*interval)));
            wanted.filter_map(|interval| history.kline(interval)).for_each(|update| tell(Content::Kline(update)));
        }
    }

    /// The last trades, ascending.
    #[must_use]
    pub fn recent(&self, limit: usize) -> Vec<MarketTrade> {
        self.recent.range(self.recent.len().saturating_sub(limit)..).copied().collect()
    }

    /// The best prices and, if asked for, the last minutes. [`Self::pass`] comes first.
    #[must_use]
    pub fn ticker(&self, minutes: Option<u64>, now: Nanos) -> Ticker {
        let statistics = match (&self.knowledge, minutes) {
            (Knowledge::Known(Some(history)), Some(minutes)) => Some(history.statistics(minutes, now)),
            _ => None,
        };
        Ticker { statistics, book: self.book_ticker() }
    }

    /// The candlestick of now. [`Self::pass`] comes first.
    #[must_use]
    pub fn kline(&self, interval: Interval) -> Option<KlineUpdate> {
        match &self.knowledge {
            Knowledge::Known(Some(history)) => history.kline(interval),
            _ => None,
        }
    }

    /// The phase, and the likely result of the auction.
    #[must_use]
    pub fn state(&self) -> MarketState {
        self.state
    }

    /// Whether the market has ever traded, as far as is known.
    #[must_use]
    pub fn has_traded(&self) -> bool {
        matches!(self.knowledge, Knowledge::Known(Some(_)))
    }

    /// Whether all is known that queries of the past need.
    #[must_use]
    pub fn knows_past(&self) -> bool {
        matches!(self.knowledge, Knowledge::Known(_))
    }

    /// How far the read store must have come, if it has still to be asked. It now counts as asked.
    pub fn ask_past(&mut self) -> Option<u64> {
        let unknown = matches!(self.knowledge, Knowledge::Unknown);
        unknown.then(|| {
            self.knowledge = Knowledge::Asked;
            self.past_from
        })
    }

    /// The read store could not be asked.
    pub fn not_asked(&mut self) {
        if matches!(self.knowledge, Knowledge::Asked) {
            self.knowledge = Knowledge::Unknown;
        }
    }

    /// Joins what the read store knew, when it had come to `from`, with the trades seen here. If some
    /// in between are known to neither, the store is behind and has to be asked again.
    pub fn learn(&mut self, past: &Past, from: u64) {
        // An answer to what was asked before the market began anew may be too old.
        if self.knows_past() || from < self.past_from {
            return;
        }
        let known = past.last.map_or(0, |trade| trade.id.0);
        let first = self.recent.front().map_or(0, |trade| trade.id.0);
        if first > known + 1 {
            self.knowledge = Knowledge::Unknown;
            return;
        }
        let mut history = History::of(past).map(Box::new);
        for trade in &self.recent {
            match &mut history {
                Some(history) => history.add(trade, |_| {}),
                None => history = Some(Box::new(History::begin(trade))),
            }
        }
        self.knowledge = Knowledge::Known(history);
    }

    /// Becomes what the book is after a rebuild. The difference is published as any other change.
    pub fn reset(&mut self, seed: MarketSeed, past_from: Option<u64>, wanted: Topics, tell: impl FnOnce(Content)) {
        if seed.state != self.state && wanted.contains(Topic::State) {
            tell(Content::State(seed.state));
        }
        (self.trades, self.state) = (seed.trades.max(self.trades), seed.state);
        if let Some(from) = past_from {
            self.recent.clear();
            self.knowledge = Knowledge::Unknown;
            self.past_from = from;
        }
        let now = Depth::new(seed.bids, seed.asks, seed.changes.max(self.depth.update()));
        let changes = self.depth.changes_to(&now);
        self.depth.apply(&changes, now.update(), |cadence| wanted.contains(Topic::Diff(cadence)));
    }

    fn tell_diff(&mut self, cadence: Cadence, wanted: Topics, tell: &mut impl FnMut(Content)) {
        if wanted.contains(Topic::Diff(cadence))
            && let Some(diff) = self.depth.diff(cadence)
        {
            tell(Content::Diff(diff));
        }
    }

    fn book_ticker(&self) -> BookTicker {
        let (bid, ask) = self.depth.best();
        BookTicker { update: self.depth.update(), bid, ask }
    }
}

fn tell_kline(update: KlineUpdate, wanted: Topics, tell: &mut impl FnMut(Content)) {
    if wanted.contains(update.topic()) {
        tell(Content::Kline(update));
    }
}

fn trade(fill: &Fill, time: Nanos) -> MarketTrade {
    MarketTrade {
        id: fill.trade,
        aggregate: fill.aggregate,
        price: fill.price,
        quantity: fill.quantity,
        time,
        is_buyer_maker: fill.taker_side == Side::Sell,
    }
}

/// Trades of one command that share an aggregate stand next to each other.
fn aggregate(trades: &[MarketTrade]) -> Vec<AggregateTrade> {
    let mut aggregates: Vec<AggregateTrade> = Vec::new();
    for trade in trades {
        match aggregates.last_mut() {
            Some(aggregate) if aggregate.id == trade.aggregate => {
                aggregate.quantity += trade.quantity;
                aggregate.last = trade.id;
            }
            _ => aggregates.push(AggregateTrade {
                id: trade.aggregate,
                price: trade.price,
                quantity: trade.quantity,
                first: trade.id,
                last: trade.id,
                time: trade.time,
                is_buyer_maker: trade.is_buyer_maker,
            }),
        }
    }
    aggregates
}
