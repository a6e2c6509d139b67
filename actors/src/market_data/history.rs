//! What a market has done lately: the candlesticks of now, and the last day by the minute.

use std::collections::VecDeque;

use rialto_engine::ids::TradeId;
use rialto_engine::units::{Nanos, Price, Quantity};
use rialto_persistence::kline::{Interval, Kline};
use rialto_persistence::read_store::MarketTrade;

use super::interest::Topic;

/// The longest window that is kept.
pub const DAY_MINUTES: u64 = 24 * 60;

const MINUTE: u64 = 60 * 1_000_000_000;
/// A candlestick is closed by the clock this long after its time: its last trades are still on
/// their way through the journal.
const CLOSE_AFTER: Nanos = Nanos(200_000_000);
/// A candlestick that nobody listened to when its time was over is not told to have closed.
const CLOSE_WITHIN: Nanos = Nanos(5_000_000_000);

/// A candlestick at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KlineUpdate {
    /// How long it lasts.
    pub interval: Interval,
    /// It so far. Without trades, its prices are the last close.
    pub kline: Kline,
    /// The number of its last trade, or of the last before it.
    pub last: TradeId,
    /// Whether its time is over.
    pub closed: bool,
}

/// What happened in a stretch of time that ends now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// When it begins: at a full minute.
    pub open_time: Nanos,
    /// Now.
    pub close_time: Nanos,
    /// The last price before.
    pub previous_close: Price,
    /// The first price.
    pub open: Price,
    /// The highest.
    pub high: Price,
    /// The lowest.
    pub low: Price,
    /// The last, also if it is from before.
    pub last: Price,
    /// The quantity of the last trade.
    pub last_quantity: Quantity,
    /// When the last trade was.
    pub last_time: Nanos,
    /// What was traded, in lots.
    pub volume: u128,
    /// What it was traded for, in tick-lots.
    pub notional: u128,
    /// How many trades.
    pub trades: u64,
    /// The number of the last.
    pub last_trade: TradeId,
}

impl Statistics {
    /// The number of the first trade, if there was one.
    #[must_use]
    pub fn first_trade(&self) -> Option<TradeId> {
        (self.trades > 0).then(|| TradeId(self.last_trade.0 + 1 - self.trades))
    }
}

/// What the read store knows of a market's recent past.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// The last trade it knows.
    pub last: Option<MarketTrade>,
    /// The latest candlestick of every interval.
    pub klines: Vec<(Interval, Kline)>,
    /// The minutes of the last day that had trades, ascending.
    pub minutes: Vec<Kline>,
    /// The last price before these minutes.
    pub before: Option<Price>,
}

/// The recent past of a market that has traded.
#[derive(Debug)]
pub struct History {
    last: MarketTrade,
    current: Vec<Current>,
    minutes: VecDeque<Minute>,
    /// The last price before the oldest minute.
    before: Price,
}

#[derive(Debug)]
struct Current {
    interval: Interval,
    kline: Kline,
    close_time: Nanos,
    changed: bool,
}

/// One minute's trades.
#[derive(Clone, Copy, Debug)]
struct Minute {
    number: u64,
    open: Price,
    high: Price,
    low: Price,
    close: Price,
    volume: u128,
    notional: u128,
    trades: u64,
}

impl History {
    /// The history as the read store tells it. `None` if there was no trade yet.
    #[must_use]
    pub fn of(past: &Past) -> Option<Self> {
        let last = past.last?;
        let current = past.klines.iter().map(|(interval, kline)| Current::new(*interval, *kline)).collect();
        let minutes: VecDeque<Minute> = past.minutes.iter().map(Minute::of).collect();
        let before = past.before.or(minutes.front().map(|minute| minute.open)).unwrap_or(last.price);
        Some(Self { last, current, minutes, before })
    }

    /// A history that begins with this trade.
    #[must_use]
    pub fn begin(trade: &MarketTrade) -> Self {
        let mut history = Self { last: *trade, current: Vec::new(), minutes: VecDeque::new(), before: trade.price };
        history.current.extend(Interval::ALL.map(|interval| {
            let mut kline = Kline::new(interval.open_time(trade.time));
            take(&mut kline, trade);
            Current::new(interval, kline)
        }));
        history.add_to_minute(trade);
        history
    }

    /// Takes a trade in and tells which candlesticks it closed. A trade that the history has is
    /// passed over.
    pub fn add(&mut self, trade: &MarketTrade, mut closed: impl FnMut(KlineUpdate)) {
        if trade.id <= self.last.id {
            return;
        }
        for current in &mut self.current {
            if trade.time > current.close_time {
                closed(current.update(self.last.id, true));
                *current = Current::new(current.interval, Kline::new(current.interval.open_time(trade.time)));
            }
            // A trade from before its candlestick is late behind the clock: the read store counts
            // it where it belongs.
            if trade.time >= current.kline.open_time {
                take(&mut current.kline, trade);
                current.changed = true;
            }
        }
        self.add_to_minute(trade);
        self.last = *trade;
    }

    /// Lets time pass: candlesticks whose time is over close, and the next begin at the last price.
    pub fn pass(&mut self, now: Nanos, mut closed: impl FnMut(KlineUpdate)) {
        for current in &mut self.current {
            let over = now.0.saturating_sub(current.close_time.0);
            if over > CLOSE_AFTER.0 {
                if over < CLOSE_WITHIN.0 {
                    closed(current.update(self.last.id, true));
                }
                *current = Current::flat(current.interval, now, self.last.price);
            }
        }
        self.forget_before((now.0 / MINUTE).saturating_sub(DAY_MINUTES));
    }

    /// The candlesticks that changed since this was asked last.
    pub fn changed_klines(&mut self, mut tell: impl FnMut(KlineUpdate)) {
        for current in &mut self.current {
            if std::mem::take(&mut current.changed) {
                tell(current.update(self.last.id, false));
            }
        }
    }

    /// The candlestick of now.
    #[must_use]
    pub fn kline(&self, interval: Interval) -> Option<KlineUpdate> {
        let current = self.current.iter().find(|current| current.interval == interval)?;
        Some(current.update(self.last.id, false))
    }

    /// The minutes from the one `minutes` before now, up to now.
    #[must_use]
    pub fn statistics(&self, minutes: u64, now: Nanos) -> Statistics {
        let first = (now.0 / MINUTE).saturating_sub(minutes);
        let start = self.minutes.partition_point(|minute| minute.number < first);
        let before = match start.checked_sub(1).and_then(|before| self.minutes.get(before)) {
            Some(minute) => minute.close,
            None if self.minutes.is_empty() => self.last.price,
            None => self.before,
        };
        let mut statistics = Statistics {
            open_time: Nanos(first * MINUTE),
            close_time: now,
            previous_close: before,
            open: self.last.price,
            high: self.last.price,
            low: self.last.price,
            last: self.last.price,
            last_quantity: self.last.quantity,
            last_time: self.last.time,
            volume: 0,
            notional: 0,
            trades: 0,
            last_trade: self.last.id,
        };
        for minute in self.minutes.range(start..) {
            if statistics.trades == 0 {
                (statistics.open, statistics.high, statistics.low) = (minute.open, minute.high, minute.low);
            }
            statistics.high = statistics.high.max(minute.high);
            statistics.low = statistics.low.min(minute.low);
            statistics.volume += minute.volume;
            statistics.notional += minute.notional;
            statistics.trades += minute.trades;
        }
        statistics
    }

    fn add_to_minute(&mut self, trade: &MarketTrade) {
        let number = trade.time.0 / MINUTE;
        // A trade that is late by a minute counts in the newer one.
        match self.minutes.back_mut().filter(|minute| minute.number >= number) {
            Some(minute) => minute.add(trade),
            None => {
                self.minutes.push_back(Minute::begin(number, trade));
                self.forget_before(number.saturating_sub(DAY_MINUTES));
            }
        }
    }

    fn forget_before(&mut self, first: u64) {
        while let Some(minute) = self.minutes.front().filter(|minute| minute.number < first) {
            self.before = minute.close;
            self.minutes.pop_front();
        }
    }
}

impl Current {
    fn new(interval: Interval, kline: Kline) -> Self {
        Self { interval, kline, close_time: interval.close_time(kline.open_time), changed: true }
    }

    fn flat(interval: Interval, now: Nanos, price: Price) -> Self {
        let open_time = interval.open_time(now);
        Self::new(interval, Kline { open: price, high: price, low: price, close: price, ..Kline::new(open_time) })
    }

    fn update(&self, last: TradeId, closed: bool) -> KlineUpdate {
        KlineUpdate { interval: self.interval, kline: self.kline, last, closed }
    }
}

impl KlineUpdate {
    /// What one listens to who hears of it.
    #[must_use]
    pub fn topic(&self) -> Topic {
        Topic::Kline(self.interval)
    }

    /// The number of its first trade, if it has one.
    #[must_use]
    pub fn first(&self) -> Option<TradeId> {
        (self.kline.trades > 0).then(|| TradeId((self.last.0 + 1).saturating_sub(self.kline.trades)))
    }
}

impl Minute {
    fn of(kline: &Kline) -> Self {
        let Kline { open, high, low, close, volume, notional, trades, .. } = *kline;
        Self { number: kline.open_time.0 / MINUTE, open, high, low, close, volume, notional, trades }
    }

    fn begin(number: u64, trade: &MarketTrade) -> Self {
        let price = trade.price;
        let mut minute =
            Self { number, open: price, high: price, low: price, close: price, volume: 0, notional: 0, trades: 0 };
        minute.add(trade);
        minute
    }

    fn add(&mut self, trade: &MarketTrade) {
        self.high = self.high.max(trade.price);
        self.low = self.low.min(trade.price);
        self.close = trade.price;
        self.volume += u128::from(trade.quantity.0);
        self.notional += u128::from(trade.price.times(trade.quantity).0);
        self.trades += 1;
    }
}

fn take(kline: &mut Kline, trade: &MarketTrade) {
    kline.add(trade.price, trade.quantity, !trade.is_buyer_maker);
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn trade(id: u64, time: u64, price: u64) -> MarketTrade {
        MarketTrade {
            id: TradeId(id),
            aggregate: id,
            price: Price(price),
            quantity: Quantity(id % 7 + 1),
            time: Nanos(time),
            is_buyer_maker: id.is_multiple_of(3),
        }
    }

    /// A day and a half of trades with gaps of a few seconds up to an hour.
    fn trades() -> Vec<MarketTrade> {
        let (mut time, mut random) = (1_700_000_000 * SECOND, 7_u64);
        let next = |id| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let pause = if random >> 60 == 0 { 3_600 } else { random >> 59 };
            time += pause * SECOND / 3;
            trade(id, time, 1_000 + (random >> 33) % 100)
        };
        (1..5_000).map(next).collect()
    }

    #[test]
    fn candlesticks_are_those_of_the_trades_in_their_time() {
        let trades = trades();
        for interval in Interval::ALL {
            let mut naive: Vec<Kline> = Vec::new();
            for trade in &trades {
                let open_time = interval.open_time(trade.time);
                if naive.last().is_none_or(|kline| kline.open_time < open_time) {
                    naive.push(Kline::new(open_time));
                }
                take(naive.last_mut().expect("one"), trade);
            }
            let mut told = Vec::new();
            let mut history = History::begin(&trades[0]);
            for trade in &trades[1..] {
                history.add(trade, |update| {
                    if update.interval == interval {
                        assert!(update.closed);
                        assert_eq!(update.first(), Some(TradeId(update.last.0 + 1 - update.kline.trades)));
                        told.push(update.kline);
                    }
                });
            }
            told.extend(history.kline(interval).map(|update| update.kline));
            assert_eq!(told, naive, "{}", interval.name());
        }
    }

    #[test]
    fn statistics_are_those_of_the_trades_of_the_window() {
        let trades = trades();
        let mut history = History::begin(&trades[0]);
        for (index, last) in trades.iter().enumerate().skip(1) {
            history.add(last, |_| {});
            if index % 97 != 0 {
                continue;
            }
            let now = Nanos(last.time.0 + 20 * SECOND);
            history.pass(now, |_| {});
            for minutes in [1, 5, 60, DAY_MINUTES] {
                let statistics = history.statistics(minutes, now);
                let begins = statistics.open_time;
                assert_eq!(begins.0, (now.0 / MINUTE - minutes) * MINUTE);
                let window: Vec<_> = trades[..=index].iter().filter(|trade| trade.time >= begins).collect();
                assert_eq!(statistics.trades, window.len() as u64);
                assert_eq!(statistics.first_trade(), window.first().map(|trade| trade.id));
                assert_eq!(statistics.open, window.first().map_or(last.price, |trade| trade.price));
                assert_eq!(statistics.high, window.iter().map(|trade| trade.price).max().unwrap_or(last.price));
                assert_eq!(statistics.low, window.iter().map(|trade| trade.price).min().unwrap_or(last.price));
                assert_eq!(statistics.last, last.price);
                assert_eq!(statistics.volume, window.iter().map(|trade| u128::from(trade.quantity.0)).sum::<u128>());
                let earlier = trades[..=index].iter().rfind(|trade| trade.time < begins);
                let expected = earlier.map_or(trades[0].price, |trade| trade.price);
                assert_eq!(statistics.previous_close, expected);
            }
        }
    }

    #[test]
    fn time_closes_a_candlestick_once_and_the_next_begins_at_the_last_price() {
        let begin = 1_700_000_100 * SECOND;
        let mut history = History::begin(&trade(1, begin, 500));
        let mut closed = Vec::new();
        let mut pass = |history: &mut History, time| {
            closed.clear();
            history.pass(Nanos(begin + time), |update| closed.push(update));
            closed.iter().map(|update| update.interval).collect::<Vec<_>>()
        };
        // The minute ends with the begin of the next, 60 s later.
        assert_eq!(pass(&mut history, 900_000_000), []);
        assert_eq!(pass(&mut history, SECOND + 300_000_000), [Interval::OneSecond]);
        let kline = history.kline(Interval::OneSecond).expect("one").kline;
        assert_eq!((kline.open, kline.close, kline.trades), (Price(500), Price(500), 0));
        assert_eq!(kline.open_time, Nanos(begin + SECOND));
        assert_eq!(pass(&mut history, 60 * SECOND + 100_000_000), []);
        assert_eq!(pass(&mut history, 60 * SECOND + 300_000_000), [Interval::OneMinute]);
        assert_eq!(pass(&mut history, 60 * SECOND + 400_000_000), []);
        history.add(&trade(2, begin + 61 * SECOND, 400), |_| {});
        let kline = history.kline(Interval::OneMinute).expect("one").kline;
        assert_eq!((kline.open, kline.high, kline.trades), (Price(400), Price(400), 1));
        // After a long silence nothing is told to have closed just now.
        assert_eq!(pass(&mut history, 100_000 * SECOND), []);
    }

    #[test]
    fn a_history_of_the_read_store_passes_over_what_it_has() {
        let trades = trades();
        let mut whole = History::begin(&trades[0]);
        trades[1..].iter().for_each(|trade| whole.add(trade, |_| {}));
        let known = &trades[..3_000];
        let mut half = History::begin(&known[0]);
        known[1..].iter().for_each(|trade| half.add(trade, |_| {}));
        let mut minutes: Vec<Kline> = Vec::new();
        for trade in known {
            let open_time = Interval::OneMinute.open_time(trade.time);
            if minutes.last().is_none_or(|kline| kline.open_time < open_time) {
                minutes.push(Kline::new(open_time));
            }
            take(minutes.last_mut().expect("one"), trade);
        }
        let klines = Interval::ALL.iter().filter_map(|interval| Some((*interval, half.kline(*interval)?.kline)));
        let past = Past { last: known.last().copied(), klines: klines.collect(), minutes, before: None };
        let mut history = History::of(&past).expect("traded");
        trades[2_500..].iter().for_each(|trade| history.add(trade, |_| {}));
        let now = Nanos(trades.last().expect("some").time.0);
        assert_eq!(history.statistics(DAY_MINUTES, now), whole.statistics(DAY_MINUTES, now));
        for interval in Interval::ALL {
            assert_eq!(history.kline(interval), whole.kline(interval));
        }
        assert!(History::of(&Past::default()).is_none());
    }
}
