//! Who is listened to: the market data actor publishes only what some session has asked for.
//!
//! Edge workers hold a [`Watch`] for everything their sessions have subscribed to. The actor reads
//! one word per market and takes no lock; the lock is for workers, whose sessions subscribe rarely. Markets
//! that are opened while sessions listen get their words behind the others, which stay where they are.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rialto_engine::ids::{MarketId, TenantId};
use rialto_persistence::kline::Interval;

/// How often depth is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cadence {
    /// Every 100 ms.
    Fast,
    /// Every second.
    Slow,
}

impl Cadence {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Fast, Self::Slow];
}

/// The rolling windows that are published besides that of 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RollingWindow {
    /// One hour.
    OneHour,
    /// Four hours.
    FourHours,
    /// One day.
    OneDay,
}

impl RollingWindow {
    /// All of them, shortest first.
    pub const ALL: [Self; 3] = [Self::OneHour, Self::FourHours, Self::OneDay];

    /// How long it is.
    #[must_use]
    pub const fn minutes(self) -> u64 {
        match self {
            Self::OneHour => 60,
            Self::FourHours => 4 * 60,
            Self::OneDay => 24 * 60,
        }
    }
}

/// What of a market can be listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// Every trade.
    Trades,
    /// Neighbouring trades of one taker at one price as one.
    AggregateTrades,
    /// The best bid and ask.
    BookTicker,
    /// Changes of depth.
    Diff(Cadence),
    /// The best levels of depth.
    Partial(Cadence),
    /// The last 24 hours.
    Ticker,
    /// The average price of the last minutes.
    AveragePrice,
    /// Another rolling window.
    Rolling(RollingWindow),
    /// The candlestick of now.
    Kline(Interval),
    /// The last 24 hours of all markets of a tenant at once.
    Tickers,
    /// The phase, and the likely result of the auction.
    State,
}

/// A set of topics, as one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Topics(u32);

impl Topic {
    const fn bit(self) -> u32 {
        1 << match self {
            Self::Trades => 0,
            Self::AggregateTrades => 1,
            Self::BookTicker => 2,
            Self::Diff(cadence) => 3 + cadence as u32,
            Self::Partial(cadence) => 5 + cadence as u32,
            Self::Ticker => 7,
            Self::AveragePrice => 8,
            Self::Rolling(window) => 9 + window as u32,
            // Intervals are numbered from 1 to 16.
            Self::Kline(interval) => 11 + interval.number() as u32,
            Self::Tickers => 28,
            Self::State => 29,
        }
    }
}

impl Topics {
    /// Those that are published by the clock even if nothing happens in the market.
    const TIMED: Self = Self(
        Topic::Ticker.bit()
            | Topic::AveragePrice.bit()
            | Topic::Rolling(RollingWindow::OneHour).bit()
            | Topic::Rolling(RollingWindow::FourHours).bit()
            | Topic::Rolling(RollingWindow::OneDay).bit()
            | 0xffff << 12,
    );

    /// Whether the topic is in the set.
    #[must_use]
    pub const fn contains(self, topic: Topic) -> bool {
        self.0 & topic.bit() != 0
    }

    /// Whether no topic is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether a topic of the set is published by the clock.
    #[must_use]
    pub const fn timed(self) -> bool {
        self.0 & Self::TIMED.0 != 0
    }
}

impl FromIterator<Topic> for Topics {
    fn from_iter<Iter: IntoIterator<Item = Topic>>(topics: Iter) -> Self {
        Self(topics.into_iter().fold(0, |bits, topic| bits | topic.bit()))
    }
}

/// What sessions listen to, over all workers.
#[derive(Debug)]
pub struct Interest {
    tenants: Table<TenantInterest>,
    counts: Mutex<HashMap<Subject, u32>>,
    version: AtomicU64,
}

type Subject = (TenantId, Option<MarketId>, Topic);

#[derive(Debug, Default)]
struct TenantInterest {
    all: Flags,
    markets: Table<Flags>,
}

#[derive(Debug, Default)]
struct Flags {
    wanted: AtomicU32,
    fresh: AtomicU32,
}

impl Interest {
    /// Nobody listens to any of these: the number of markets of each tenant.
    #[must_use]
    pub fn new(markets: impl Iterator<Item = usize>) -> Self {
        let interest = Self { tenants: Table::default(), counts: Mutex::default(), version: AtomicU64::new(0) };
        for (tenant, count) in (0..).zip(markets) {
            interest.grow(TenantId(tenant), count);
        }
        interest
    }

    /// A tenant has so many markets from now on; never fewer than before.
    pub(super) fn grow(&self, tenant: TenantId, markets: usize) {
        self.tenants.grow(tenant.0 as usize + 1);
        if let Some(tenant) = self.tenants.get(tenant.0 as usize) {
            tenant.markets.grow(markets);
        }
    }

    /// Listens to a topic of a market, or of all markets of a tenant, of which there may be none yet. `None` if
    /// there is no such market.
    #[must_use]
    pub fn watch(self: &Arc<Self>, tenant: TenantId, market: Option<MarketId>, topic: Topic) -> Option<Watch> {
        if market.is_none() {
            self.tenants.grow(tenant.0 as usize + 1);
        }
        let flags = self.flags(tenant, market)?;
        let subject = (tenant, market, topic);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(subject).or_default() += 1;
        flags.wanted.fetch_or(topic.bit(), Ordering::Release);
        flags.fresh.fetch_or(topic.bit(), Ordering::Release);
        drop(counts);
        self.version.fetch_add(1, Ordering::Release);
        Some(Watch { interest: Arc::clone(self), subject })
    }

    /// What is listened to in a market, by itself or as one of all.
    #[must_use]
    pub fn wanted(&self, tenant: TenantId, market: MarketId) -> Topics {
        let Some(tenant) = self.tenants.get(tenant.0 as usize) else { return Topics::default() };
        let Some(market) = tenant.markets.get(usize::from(market.0)) else { return Topics::default() };
        Topics(market.wanted.load(Ordering::Acquire) | tenant.all.wanted.load(Ordering::Acquire))
    }

    /// What somebody has begun to listen to in this market since this was asked last.
    pub(super) fn take_fresh(&self, tenant: TenantId, market: MarketId) -> Topics {
        let flags = self.flags(tenant, Some(market));
        Topics(flags.map_or(0, |flags| flags.fresh.swap(0, Ordering::AcqRel)))
    }

    /// Moves whenever somebody begins or ceases to listen.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    fn flags(&self, tenant: TenantId, market: Option<MarketId>) -> Option<&Flags> {
        let tenant = self.tenants.get(tenant.0 as usize)?;
        match market {
            Some(market) => tenant.markets.get(usize::from(market.0)),
            None => Some(&tenant.all),
        }
    }
}

/// A list that grows at its end, and that is read without a lock. What is in it never moves.
#[derive(Debug)]
struct Table<T> {
    /// The first holds one, every other twice as many as the one before it.
    chunks: [OnceLock<Box<[T]>>; CHUNKS],
    length: AtomicUsize,
}

/// So many hold all numbers of markets and tenants.
const CHUNKS: usize = 33;

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { chunks: [const { OnceLock::new() }; CHUNKS], length: AtomicUsize::new(0) }
    }
}

impl<T: Default> Table<T> {
    fn grow(&self, length: usize) {
        for chunk in 0..usize::BITS - length.leading_zeros() {
            let size = 1 << chunk;
            self.chunks[chunk as usize].get_or_init(|| (0..size).map(|_| T::default()).collect());
        }
        self.length.fetch_max(length, Ordering::Release);
    }

    fn get(&self, place: usize) -> Option<&T> {
        if place >= self.length.load(Ordering::Acquire) {
            return None;
        }
        let chunk = (place + 1).ilog2();
        self.chunks.get(chunk as usize)?.get()?.get(place + 1 - (1 << chunk))
    }
}

/// Somebody listens. Dropping it ends that.
#[derive(Debug)]
pub struct Watch {
    interest: Arc<Interest>,
    subject: Subject,
}

impl Drop for Watch {
    fn drop(&mut self) {
        let (tenant, market, topic) = self.subject;
        let mut counts = self.interest.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(count) = counts.get_mut(&self.subject) else { return };
        *count -= 1;
        if *count > 0 {
            return;
        }
        counts.remove(&self.subject);
        if let Some(flags) = self.interest.flags(tenant, market) {
            flags.wanted.fetch_and(!topic.bit(), Ordering::Release);
        }
        drop(counts);
        self.interest.version.fetch_add(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_grows_and_what_is_in_it_stays() {
        let table: Table<AtomicU32> = Table::default();
        assert!(table.get(0).is_none());
        for length in 1..100 {
            table.grow(length);
            table.get(length - 1).expect("there").store(u32::try_from(length).expect("small"), Ordering::Relaxed);
            assert!(table.get(length).is_none());
            let sum: u32 = (0..length).map(|place| table.get(place).expect("there").load(Ordering::Relaxed)).sum();
            assert_eq!(sum as usize, length * (length + 1) / 2);
        }
        table.grow(3);
        assert!(table.get(98).is_some(), "it never shrinks");
    }

    #[test]
    fn every_topic_has_a_bit_of_its_own() {
        let mut topics = vec![Topic::Trades, Topic::AggregateTrades, Topic::BookTicker, Topic::Ticker];
        topics.extend([Topic::AveragePrice, Topic::Tickers, Topic::State]);
        topics.extend(Cadence::ALL.map(Topic::Diff));
        topics.extend(Cadence::ALL.map(Topic::Partial));
        topics.extend(RollingWindow::ALL.map(Topic::Rolling));
        topics.extend(Interval::ALL.map(Topic::Kline));
        let mut seen = 0;
        for topic in &topics {
            assert_eq!(seen & topic.bit(), 0, "{topic:?}");
            seen |= topic.bit();
            let timed = Topics::from_iter([*topic]).timed();
            let by_clock = matches!(topic, Topic::Kline(_) | Topic::Ticker | Topic::AveragePrice | Topic::Rolling(_));
            assert_eq!(timed, by_clock, "{topic:?}");
        }
    }

    #[test]
    fn a_topic_is_wanted_as_long_as_one_listens_and_only_where_he_does() {
        let interest = Arc::new(Interest::new([2, 1].into_iter()));
        let (tenant, market) = (TenantId(0), MarketId(1));
        let wanted = |tenant, market| interest.wanted(tenant, market).contains(Topic::Trades);
        let first = interest.watch(tenant, Some(market), Topic::Trades);
        let second = interest.watch(tenant, Some(market), Topic::Trades);
        assert!(interest.take_fresh(tenant, market).contains(Topic::Trades));
        assert!(interest.take_fresh(tenant, market).is_empty());
        drop(first);
        assert!(wanted(tenant, market));
        assert!(!wanted(tenant, MarketId(0)));
        assert!(!wanted(TenantId(1), MarketId(0)));
        drop(second);
        assert!(!wanted(tenant, market));
        let all = interest.watch(tenant, None, Topic::Trades);
        assert!(wanted(tenant, market) && wanted(tenant, MarketId(0)) && !wanted(TenantId(1), MarketId(0)));
        drop(all);
        assert!(!wanted(tenant, market));
        let none_yet = interest.watch(TenantId(2), None, Topic::Trades);
        interest.grow(TenantId(2), 1);
        assert!(interest.wanted(TenantId(2), MarketId(0)).contains(Topic::Trades), "opened since");
        drop(none_yet);
        assert!(!interest.wanted(TenantId(2), MarketId(0)).contains(Topic::Trades));
        assert!(interest.watch(tenant, Some(MarketId(2)), Topic::Trades).is_none());
    }
}
