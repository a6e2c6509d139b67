//! Market streams: `/ws`, `/stream`, and what clients say on them.
//!
//! Every worker has one [`StreamHub`]. A market event is written as JSON once for all subscribers of
//! a stream on that worker: once more if some of them want it wrapped with the stream's name, or
//! with microseconds. What a subscriber listens to is keyed by its tenant and found by symbol in
//! that tenant's directory alone, so that no name a client can think of leads to another tenant.

pub mod control;
pub mod name;

use std::cell::{Cell, RefCell};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rialto_actors::directory::Directory;
use rialto_actors::market_data::interest::Watch;
use rialto_actors::market_data::{AVERAGE_MINUTES, Content, MarketData, MarketEvent};
use rialto_engine::ids::{MarketId, TenantId};

use self::name::{PARTIALS, Stream, StreamName};
use crate::connection::{CloseCode, Connection, Reader};
use crate::json::{self, TimeUnit};
use crate::market_api::format::MarketFormat;
use crate::params::percent_decoded;

/// The most streams of one connection.
pub const STREAMS_MAX: usize = 1_024;

/// What the URL of a stream connection asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opening {
    /// Whether events are wrapped with the name of their stream.
    pub combined: bool,
    /// In which unit times are.
    pub unit: TimeUnit,
    /// The names of streams, as they stand in the URL. Some may be none.
    pub names: Vec<String>,
}

impl Opening {
    /// That of a path behind the tenant's part (`/ws/usdcny@trade/usdcny@depth`, `/stream`) and a
    /// query (`streams=usdcny@trade&timeUnit=microsecond`). `None` if the path is neither.
    ///
    /// Under `/stream`, the next segment may be `ws`, which changes nothing: clients that tell markets
    /// apart by the URL are pointed there.
    #[must_use]
    pub fn parse(path: &str, query: &str) -> Option<Self> {
        let mut segments = path.trim_matches('/').split('/');
        let combined = match segments.next()? {
            "ws" => false,
            "stream" => true,
            _ => return None,
        };
        let mut opening = Self { combined, ..Self::default() };
        let names = segments.map(percent_decoded).filter(|name| !name.is_empty() && name != "ws");
        opening.names.extend(names.map(|name| name.into_owned()));
        for pair in query.split('&') {
            match pair.split_once('=') {
                Some(("streams", streams)) => {
                    opening.names.extend(percent_decoded(streams).split('/').map(str::to_owned));
                }
                Some(("timeUnit", unit)) => opening.unit = TimeUnit::named(unit).unwrap_or_default(),
                _ => {}
            }
        }
        opening.names.retain(|name| !name.is_empty());
        Some(opening)
    }
}

/// What is subscribed to: of one market, or of all of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Subject {
    tenant: TenantId,
    market: Option<MarketId>,
    stream: Stream,
}

/// The subscriptions of one worker.
pub struct StreamHub {
    directory: RefCell<Arc<Directory>>,
    market_data: MarketData,
    subscriptions: RefCell<HashMap<Subject, Subscription>>,
    /// Who listens to markets that there are not yet.
    expected: RefCell<HashMap<(TenantId, StreamName), Listeners>>,
    texts: RefCell<Texts>,
}

struct Subscription {
    name: String,
    listeners: Listeners,
    /// As long as it is held, the market data actor publishes what is needed.
    _watch: Option<Watch>,
}

type Listeners = Vec<Rc<Listener>>;

/// A connection that listens.
struct Listener {
    connection: Rc<Connection>,
    combined: Cell<bool>,
    unit: TimeUnit,
}

/// The texts of one event, each made when the first listener wants it.
#[derive(Default)]
struct Texts {
    texts: [Vec<u8>; 4],
}

impl Texts {
    fn clear(&mut self) {
        self.texts.iter_mut().for_each(Vec::clear);
    }

    /// The text of an event of this stream for this listener.
    fn of(&mut self, listener: &Listener, name: &str, write: impl FnOnce(&mut Vec<u8>, TimeUnit)) -> &[u8] {
        let unit = listener.unit;
        let raw = usize::from(unit == TimeUnit::Microsecond);
        if self.texts[raw].is_empty() {
            write(&mut self.texts[raw], unit);
        }
        if !listener.combined.get() {
            return &self.texts[raw];
        }
        let (raws, wrapped) = self.texts.split_at_mut(2);
        let wrapped = &mut wrapped[raw];
        if wrapped.is_empty() {
            wrapped.extend_from_slice(b"{\"stream\":");
            json::string(wrapped, name);
            wrapped.extend_from_slice(b",\"data\":");
            wrapped.extend_from_slice(&raws[raw]);
            wrapped.push(b'}');
        }
        wrapped
    }
}

impl StreamHub {
    /// The hub of a worker.
    #[must_use]
    pub fn new(directory: Arc<Directory>, market_data: MarketData) -> Rc<Self> {
        let (subscriptions, expected, texts) = (RefCell::default(), RefCell::default(), RefCell::default());
        Rc::new(Self { directory: RefCell::new(directory), market_data, subscriptions, expected, texts })
    }

    /// From now on names mean what they mean in this directory. Whoever has listened to a market that was not
    /// there hears of it if it is now.
    pub fn renew(&self, directory: Arc<Directory>) {
        self.directory.replace(directory);
        for ((tenant, name), listeners) in self.expected.take() {
            match self.subject(tenant, &name) {
                Some(subject) => {
                    listeners.iter().for_each(|listener| self.subscribe(subject, name.text(), listener));
                }
                None => drop(self.expected.borrow_mut().insert((tenant, name), listeners)),
            }
        }
    }

    /// Begins to listen. What there is not yet is waited for.
    fn begin(&self, tenant: TenantId, name: &StreamName, listener: &Rc<Listener>) {
        match self.subject(tenant, name) {
            Some(subject) => self.subscribe(subject, name.text(), listener),
            None => {
                let mut expected = self.expected.borrow_mut();
                expected.entry((tenant, name.clone())).or_default().push(Rc::clone(listener));
            }
        }
    }

    /// Ceases to listen.
    fn end(&self, tenant: TenantId, name: &StreamName, listener: &Rc<Listener>) {
        if let Some(subject) = self.subject(tenant, name) {
            return self.unsubscribe(subject, listener);
        }
        let (mut expected, key) = (self.expected.borrow_mut(), (tenant, name.clone()));
        if let Some(listeners) = expected.get_mut(&key) {
            listeners.retain(|other| !Rc::ptr_eq(other, listener));
            if listeners.is_empty() {
                expected.remove(&key);
            }
        }
    }

    /// Tells an event to whoever listens.
    pub fn publish(&self, event: &MarketEvent) {
        match event {
            MarketEvent::Market { tenant, market, time, content } => {
                let directory = self.directory.borrow();
                let Some(entry) = directory.tenant(*tenant).and_then(|tenant| tenant.market(*market)) else {
                    return;
                };
                let format = |unit| MarketFormat::new(entry, unit);
                let (now, one, all) = (*time, Some(*market), None);
                let subject = |market, stream| Subject { tenant: *tenant, market, stream };
                match content {
                    Content::Trades(trades) => {
                        self.tell_each(subject(one, Stream::Trade), trades, |out, unit, trade| {
                            format(unit).trade_event(out, now, trade);
                        });
                    }
                    Content::AggregateTrades(trades) => {
                        self.tell_each(subject(one, Stream::AggregateTrade), trades, |out, unit, trade| {
                            format(unit).aggregate_event(out, now, trade);
                        });
                    }
                    Content::BookTicker(ticker) => {
                        for market in [one, all] {
                            self.tell(subject(market, Stream::BookTicker), |out, unit| {
                                format(unit).book_ticker_event(out, ticker);
                            });
                        }
                    }
                    Content::Diff(diff) => self.tell(subject(one, Stream::Diff(diff.cadence)), |out, unit| {
                        format(unit).diff_event(out, now, diff);
                    }),
                    Content::Partial(cadence, levels) => {
                        for limit in PARTIALS {
                            self.tell(subject(one, Stream::Partial(limit, *cadence)), |out, unit| {
                                format(unit).depth(out, levels, usize::from(limit));
                            });
                        }
                    }
                    Content::Ticker(ticker) => {
                        let Some(statistics) = &ticker.statistics else { return };
                        self.tell(subject(one, Stream::MiniTicker), |out, unit| {
                            format(unit).mini_ticker_event(out, now, statistics);
                        });
                        self.tell(subject(one, Stream::Ticker), |out, unit| {
                            format(unit).ticker_event(out, now, statistics, &ticker.book);
                        });
                    }
                    Content::AveragePrice(statistics) => {
                        self.tell(subject(one, Stream::AveragePrice), |out, unit| {
                            format(unit).average_event(out, now, AVERAGE_MINUTES, statistics);
                        });
                    }
                    Content::Rolling(window, statistics) => {
                        self.tell(subject(one, Stream::Rolling(*window)), |out, unit| {
                            format(unit).rolling_event(out, now, *window, statistics);
                        });
                    }
                    Content::State(state) => self.tell(subject(one, Stream::Auction), |out, unit| {
                        format(unit).auction_event(out, now, state);
                    }),
                    Content::Kline(update) => {
                        self.tell(subject(one, Stream::Kline(update.interval)), |out, unit| {
                            format(unit).kline_event(out, now, update);
                        });
                    }
                }
            }
            MarketEvent::Broken => self.break_off(),
            MarketEvent::Tickers { tenant, time, tickers } => {
                let directory = self.directory.borrow();
                let Some(entry) = directory.tenant(*tenant) else { return };
                for stream in [Stream::MiniTicker, Stream::Ticker] {
                    self.tell(Subject { tenant: *tenant, market: None, stream }, |out, unit| {
                        let tickers = tickers.iter().filter_map(|(market, ticker)| {
                            Some((entry.market(*market)?, ticker.statistics.as_ref()?, &ticker.book))
                        });
                        json::array(out, tickers, |out, (market, statistics, book)| {
                            let format = MarketFormat::new(market, unit);
                            match stream {
                                Stream::MiniTicker => format.mini_ticker_event(out, *time, statistics),
                                _ => format.ticker_event(out, *time, statistics, book),
                            }
                        });
                    });
                }
            }
        }
    }

    /// Closes every connection that listens to a market. Its client connects anew and asks for a
    /// snapshot, as after any other loss; most streams have no number by which it would notice that
    /// something is missing.
    fn break_off(&self) {
        for listener in self.subscriptions.borrow().values().flat_map(|subscription| &subscription.listeners) {
            listener.connection.close(CloseCode::Restart, "market data begins anew");
        }
    }

    fn tell(&self, subject: Subject, write: impl Fn(&mut Vec<u8>, TimeUnit)) {
        self.tell_each(subject, &[()], |out, unit, ()| write(out, unit));
    }

    fn tell_each<Item>(&self, subject: Subject, items: &[Item], write: impl Fn(&mut Vec<u8>, TimeUnit, &Item)) {
        let subscriptions = self.subscriptions.borrow();
        let Some(subscription) = subscriptions.get(&subject) else { return };
        let texts = &mut *self.texts.borrow_mut();
        for item in items {
            texts.clear();
            for listener in &subscription.listeners {
                let text = texts.of(listener, &subscription.name, |out, unit| write(out, unit, item));
                listener.connection.send(text);
            }
        }
    }

    fn subscribe(&self, subject: Subject, name: String, listener: &Rc<Listener>) {
        let mut subscriptions = self.subscriptions.borrow_mut();
        let subscription = subscriptions.entry(subject).or_insert_with(|| {
            let topic = subject.stream.topic(subject.market.is_none());
            let watch = self.market_data.watch(subject.tenant, subject.market, topic);
            Subscription { name, listeners: Vec::new(), _watch: watch }
        });
        subscription.listeners.push(Rc::clone(listener));
    }

    fn unsubscribe(&self, subject: Subject, listener: &Rc<Listener>) {
        let mut subscriptions = self.subscriptions.borrow_mut();
        let Some(subscription) = subscriptions.get_mut(&subject) else { return };
        if let Some(at) = subscription.listeners.iter().position(|other| Rc::ptr_eq(other, listener)) {
            subscription.listeners.swap_remove(at);
        }
        if subscription.listeners.is_empty() {
            subscriptions.remove(&subject);
        }
    }

    /// What a name means to a tenant. `None` if it has no such market: then there is nothing to
    /// hear.
    fn subject(&self, tenant: TenantId, name: &StreamName) -> Option<Subject> {
        let market = match &name.symbol {
            Some(symbol) => Some(self.directory.borrow().tenant(tenant)?.market_named(symbol)?.id),
            None => None,
        };
        Some(Subject { tenant, market, stream: name.stream })
    }
}

/// A connection's subscriptions. They end with it.
pub struct StreamSession {
    hub: Rc<StreamHub>,
    tenant: TenantId,
    listener: Rc<Listener>,
    /// With the number of each, counted as they were made.
    subscriptions: HashMap<StreamName, u64>,
    made: u64,
}

/// Too many streams for one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyStreams;

impl StreamSession {
    /// The session of a connection of a tenant, with the streams of its URL. Names in the URL that
    /// name no stream are passed over, as are those beyond [`STREAMS_MAX`].
    #[must_use]
    pub fn open(hub: &Rc<StreamHub>, tenant: TenantId, connection: Rc<Connection>, opening: &Opening) -> Self {
        let (combined, unit) = (Cell::new(opening.combined), opening.unit);
        let listener = Rc::new(Listener { connection, combined, unit });
        let mut session = Self { hub: Rc::clone(hub), tenant, listener, subscriptions: HashMap::new(), made: 0 };
        for name in opening.names.iter().filter_map(|name| StreamName::parse(name)) {
            if session.subscribe(vec![name]).is_err() {
                break;
            }
        }
        session
    }

    /// Reads what the client says, and answers, until it goes. A client that says more than
    /// `messages_per_second` is disconnected.
    pub async fn serve(mut self, mut reader: Reader, messages_per_second: Option<u32>) {
        let (mut second, mut messages) = (Instant::now(), 0);
        while let Some(text) = reader.next_text().await {
            if second.elapsed() >= Duration::from_secs(1) {
                (second, messages) = (Instant::now(), 0);
            }
            messages += 1;
            if messages_per_second.is_some_and(|limit| messages > limit) {
                self.listener.connection.close(CloseCode::Policy, "too many messages");
                return;
            }
            let reply = self.answer(text);
            self.listener.connection.send(&reply);
        }
    }

    /// The reply to a message.
    pub fn answer(&mut self, text: &str) -> Vec<u8> {
        control::answer(self, text)
    }

    /// Subscribes to these streams: to all, or to none. What is subscribed to already stays so.
    ///
    /// # Errors
    /// If there would be more than [`STREAMS_MAX`].
    pub fn subscribe(&mut self, names: Vec<StreamName>) -> Result<(), TooManyStreams> {
        let new: HashSet<&StreamName> = names.iter().filter(|name| !self.subscriptions.contains_key(name)).collect();
        if self.subscriptions.len() + new.len() > STREAMS_MAX {
            return Err(TooManyStreams);
        }
        for name in names {
            let Entry::Vacant(place) = self.subscriptions.entry(name) else { continue };
            self.hub.begin(self.tenant, place.key(), &self.listener);
            self.made += 1;
            place.insert(self.made);
        }
        Ok(())
    }

    /// Ends these subscriptions. What is not subscribed to is passed over.
    pub fn unsubscribe(&mut self, names: &[StreamName]) {
        for name in names {
            if self.subscriptions.remove(name).is_some() {
                self.hub.end(self.tenant, name, &self.listener);
            }
        }
    }

    /// The names of what is subscribed to, in the order of subscription.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.subscriptions.iter().map(|(name, made)| (*made, name)).collect();
        names.sort_unstable_by_key(|(made, _)| *made);
        names.into_iter().map(|(_, name)| name.text()).collect()
    }

    /// Whether events are wrapped with the name of their stream.
    #[must_use]
    pub fn is_combined(&self) -> bool {
        self.listener.combined.get()
    }

    /// From now on, events are wrapped with the name of their stream, or not.
    pub fn set_combined(&self, combined: bool) {
        self.listener.combined.set(combined);
    }
}

impl Drop for StreamSession {
    fn drop(&mut self) {
        for (name, _) in self.subscriptions.drain() {
            self.hub.end(self.tenant, &name, &self.listener);
        }
    }
}

#[cfg(test)]
mod tests;
