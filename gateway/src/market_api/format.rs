//! Market data as JSON. The order of keys is that of the dialect's documentation.

use rialto_actors::directory::MarketEntry;
use rialto_actors::market_data::interest::RollingWindow;
use rialto_actors::market_data::{
    BookTicker, DepthDiff, DepthLevels, KlineUpdate, Level, MarketState, Statistics, Ticker,
};
use rialto_engine::ids::TradeId;
use rialto_engine::market::{Step, power_of_ten};
use rialto_engine::units::{Nanos, Price, Quantity};
use rialto_persistence::kline::{Interval, Kline};
use rialto_persistence::read_store::{AggregateTrade, MarketTrade};

use crate::decimal::{MarketText, fixed};
use crate::json::{self, TimeUnit};
use crate::orders::names;

/// How a market's data is written.
pub struct MarketFormat<'a> {
    symbol: &'a str,
    text: MarketText,
    tick: Step,
    unit: TimeUnit,
}

/// An object under way.
struct Object<'a> {
    out: &'a mut Vec<u8>,
    market: &'a MarketFormat<'a>,
}

impl<'a> Object<'a> {
    fn begin(out: &'a mut Vec<u8>, market: &'a MarketFormat<'a>) -> Self {
        out.push(b'{');
        Self { out, market }
    }

    fn end(self) {
        self.out.push(b'}');
    }

    fn key(&mut self, key: &str) -> &mut Vec<u8> {
        if self.out.last() != Some(&b'{') {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    fn string(&mut self, key: &str, value: &str) -> &mut Self {
        json::string(self.key(key), value);
        self
    }

    fn number(&mut self, key: &str, value: u64) -> &mut Self {
        json::number(self.key(key), value);
        self
    }

    fn boolean(&mut self, key: &str, value: bool) -> &mut Self {
        json::boolean(self.key(key), value);
        self
    }

    fn time(&mut self, key: &str, value: Nanos) -> &mut Self {
        let unit = self.market.unit;
        json::time(self.key(key), value, unit);
        self
    }

    /// The number of a trade, or -1 where there is none.
    fn trade(&mut self, key: &str, trade: Option<TradeId>) -> &mut Self {
        let number = trade.map_or(-1, |trade| i64::try_from(trade.0).unwrap_or(i64::MAX));
        json::integer(self.key(key), number);
        self
    }

    fn price(&mut self, key: &str, price: Price) -> &mut Self {
        self.market.text.price(self.key(key), price);
        self
    }

    fn quantity(&mut self, key: &str, quantity: Quantity) -> &mut Self {
        self.market.text.quantity(self.key(key), quantity);
        self
    }

    /// A sum of quantities.
    fn volume(&mut self, key: &str, lots: u128) -> &mut Self {
        self.market.text.quantity.quoted(self.key(key), lots);
        self
    }

    /// A sum of notionals.
    fn notional(&mut self, key: &str, tick_lots: u128) -> &mut Self {
        self.market.text.notional.quoted(self.key(key), tick_lots);
        self
    }

    fn level(&mut self, [price, quantity]: [&str; 2], level: Option<Level>) -> &mut Self {
        let (at, size) = level.unwrap_or_default();
        self.price(price, at).quantity(quantity, size)
    }

    fn levels(&mut self, key: &str, levels: &[Level]) -> &mut Self {
        let text = self.market.text;
        json::array(self.key(key), levels, |out, (price, quantity)| {
            out.push(b'[');
            text.price(out, *price);
            out.push(b',');
            text.quantity(out, *quantity);
            out.push(b']');
        });
        self
    }

    fn change(&mut self, [change, percent]: [&str; 2], statistics: &Statistics) -> &mut Self {
        let difference = i128::from(statistics.last.0) - i128::from(statistics.open.0);
        self.market.text.price.quoted_signed(self.key(change), difference);
        write_percent(self.key(percent), difference, statistics.open);
        self
    }

    fn average(&mut self, key: &str, statistics: &Statistics) -> &mut Self {
        let market = self.market;
        market.average(self.key(key), statistics);
        self
    }
}

impl<'a> MarketFormat<'a> {
    /// The format of a market, with times in this unit.
    #[must_use]
    pub fn new(market: &'a MarketEntry, unit: TimeUnit) -> Self {
        let text = MarketText::of(&market.definition);
        Self { symbol: &market.symbol, text, tick: market.definition.tick.reduced(), unit }
    }

    /// A trade of the stream `@trade`.
    pub fn trade_event(&self, out: &mut Vec<u8>, now: Nanos, trade: &MarketTrade) {
        let mut event = self.event(out, "trade", now);
        event.number("t", trade.id.0).price("p", trade.price).quantity("q", trade.quantity);
        event.time("T", trade.time).boolean("m", trade.is_buyer_maker).boolean("M", true);
        event.end();
    }

    /// An aggregate trade of the stream `@aggTrade`.
    pub fn aggregate_event(&self, out: &mut Vec<u8>, now: Nanos, trade: &AggregateTrade) {
        let mut event = self.event(out, "aggTrade", now);
        write_aggregate(&mut event, trade);
        event.end();
    }

    /// The best prices of the stream `@bookTicker`, which has no event type.
    pub fn book_ticker_event(&self, out: &mut Vec<u8>, ticker: &BookTicker) {
        let mut event = Object::begin(out, self);
        event.number("u", ticker.update).string("s", self.symbol);
        event.level(["b", "B"], ticker.bid).level(["a", "A"], ticker.ask);
        event.end();
    }

    /// Changes of depth of the stream `@depth`.
    pub fn diff_event(&self, out: &mut Vec<u8>, now: Nanos, diff: &DepthDiff) {
        let mut event = self.event(out, "depthUpdate", now);
        event.number("U", diff.first).number("u", diff.last).levels("b", &diff.bids).levels("a", &diff.asks);
        event.end();
    }

    /// The best levels: of a snapshot and of the streams `@depth5`, `@depth10`, `@depth20`.
    pub fn depth(&self, out: &mut Vec<u8>, depth: &DepthLevels, limit: usize) {
        let mut object = Object::begin(out, self);
        object.number("lastUpdateId", depth.update);
        object.levels("bids", &depth.bids[..limit.min(depth.bids.len())]);
        object.levels("asks", &depth.asks[..limit.min(depth.asks.len())]);
        object.end();
    }

    /// A candlestick of the stream `@kline_…`.
    pub fn kline_event(&self, out: &mut Vec<u8>, now: Nanos, update: &KlineUpdate) {
        let KlineUpdate { interval, kline, .. } = update;
        let last = (kline.trades > 0).then_some(update.last);
        let mut event = self.event(out, "kline", now);
        let mut inner = Object::begin(event.key("k"), self);
        inner.time("t", kline.open_time).time("T", interval.close_time(kline.open_time)).string("s", self.symbol);
        inner.string("i", interval.name()).trade("f", update.first()).trade("L", last);
        inner.price("o", kline.open).price("c", kline.close).price("h", kline.high).price("l", kline.low);
        inner.volume("v", kline.volume).number("n", kline.trades).boolean("x", update.closed);
        inner.notional("q", kline.notional).volume("V", kline.taker_buy_volume);
        inner.notional("Q", kline.taker_buy_notional).string("B", "0");
        inner.end();
        event.end();
    }

    /// The last 24 hours of the stream `@miniTicker`.
    pub fn mini_ticker_event(&self, out: &mut Vec<u8>, now: Nanos, statistics: &Statistics) {
        let mut event = self.event(out, "24hrMiniTicker", now);
        event.price("c", statistics.last).price("o", statistics.open);
        event.price("h", statistics.high).price("l", statistics.low);
        event.volume("v", statistics.volume).notional("q", statistics.notional);
        event.end();
    }

    /// The last 24 hours of the stream `@ticker`.
    pub fn ticker_event(&self, out: &mut Vec<u8>, now: Nanos, statistics: &Statistics, book: &BookTicker) {
        let mut event = self.event(out, "24hrTicker", now);
        event.change(["p", "P"], statistics).average("w", statistics);
        event.price("x", statistics.previous_close).price("c", statistics.last);
        event.quantity("Q", statistics.last_quantity);
        event.level(["b", "B"], book.bid).level(["a", "A"], book.ask);
        write_window(&mut event, statistics);
        event.end();
    }

    /// The last hours of the streams `@ticker_1h`, `@ticker_4h`, `@ticker_1d`.
    pub fn rolling_event(&self, out: &mut Vec<u8>, now: Nanos, window: RollingWindow, statistics: &Statistics) {
        let name = match window {
            RollingWindow::OneHour => "1hTicker",
            RollingWindow::FourHours => "4hTicker",
            RollingWindow::OneDay => "1dTicker",
        };
        let mut event = self.event(out, name, now);
        event.change(["p", "P"], statistics).price("o", statistics.open).price("h", statistics.high);
        event.price("l", statistics.low).price("c", statistics.last).average("w", statistics);
        event.volume("v", statistics.volume).notional("q", statistics.notional);
        event.time("O", statistics.open_time).time("C", statistics.close_time);
        write_trades(&mut event, ["F", "L", "n"], statistics);
        event.end();
    }

    /// The average price of the stream `@avgPrice`.
    pub fn average_event(&self, out: &mut Vec<u8>, now: Nanos, minutes: u64, statistics: &Statistics) {
        let mut event = self.event(out, "avgPrice", now);
        event.string("i", &format!("{minutes}m")).average("w", statistics).time("T", statistics.last_time);
        event.end();
    }

    /// A trade of a query.
    pub fn trade(&self, out: &mut Vec<u8>, trade: &MarketTrade) {
        let mut object = Object::begin(out, self);
        object.number("id", trade.id.0).price("price", trade.price).quantity("qty", trade.quantity);
        object.notional("quoteQty", u128::from(trade.price.times(trade.quantity).0)).time("time", trade.time);
        object.boolean("isBuyerMaker", trade.is_buyer_maker).boolean("isBestMatch", true);
        object.end();
    }

    /// An aggregate trade of a query.
    pub fn aggregate_trade(&self, out: &mut Vec<u8>, trade: &AggregateTrade) {
        let mut object = Object::begin(out, self);
        write_aggregate(&mut object, trade);
        object.end();
    }

    /// A candlestick of a query: twelve values.
    pub fn kline(&self, out: &mut Vec<u8>, interval: Interval, kline: &Kline) {
        out.push(b'[');
        json::time(out, kline.open_time, self.unit);
        for price in [kline.open, kline.high, kline.low, kline.close] {
            out.push(b',');
            self.text.price(out, price);
        }
        out.push(b',');
        self.text.quantity.quoted(out, kline.volume);
        out.push(b',');
        json::time(out, interval.close_time(kline.open_time), self.unit);
        out.push(b',');
        self.text.notional.quoted(out, kline.notional);
        out.push(b',');
        json::number(out, kline.trades);
        out.push(b',');
        self.text.quantity.quoted(out, kline.taker_buy_volume);
        out.push(b',');
        self.text.notional.quoted(out, kline.taker_buy_notional);
        out.extend_from_slice(b",\"0\"]");
    }

    /// The last 24 hours of a query.
    pub fn day(&self, out: &mut Vec<u8>, ticker: &Ticker, now: Nanos) {
        let statistics = ticker.statistics.unwrap_or_else(|| nothing(now));
        let mut object = Object::begin(out, self);
        object.string("symbol", self.symbol).change(["priceChange", "priceChangePercent"], &statistics);
        object.average("weightedAvgPrice", &statistics).price("prevClosePrice", statistics.previous_close);
        object.price("lastPrice", statistics.last).quantity("lastQty", statistics.last_quantity);
        object.level(["bidPrice", "bidQty"], ticker.book.bid).level(["askPrice", "askQty"], ticker.book.ask);
        object.price("openPrice", statistics.open).price("highPrice", statistics.high);
        object.price("lowPrice", statistics.low);
        write_sums(&mut object, &statistics);
        object.end();
    }

    /// Another stretch of time of a query.
    pub fn window(&self, out: &mut Vec<u8>, ticker: &Ticker, now: Nanos) {
        let statistics = ticker.statistics.unwrap_or_else(|| nothing(now));
        let mut object = Object::begin(out, self);
        object.string("symbol", self.symbol).change(["priceChange", "priceChangePercent"], &statistics);
        object.average("weightedAvgPrice", &statistics).price("openPrice", statistics.open);
        object.price("highPrice", statistics.high).price("lowPrice", statistics.low);
        object.price("lastPrice", statistics.last);
        write_sums(&mut object, &statistics);
        object.end();
    }

    /// The short form of either.
    pub fn mini(&self, out: &mut Vec<u8>, ticker: &Ticker, now: Nanos) {
        let statistics = ticker.statistics.unwrap_or_else(|| nothing(now));
        let mut object = Object::begin(out, self);
        object.string("symbol", self.symbol).price("openPrice", statistics.open);
        object.price("highPrice", statistics.high).price("lowPrice", statistics.low);
        object.price("lastPrice", statistics.last);
        write_sums(&mut object, &statistics);
        object.end();
    }

    /// The last price of a query.
    pub fn last_price(&self, out: &mut Vec<u8>, ticker: &Ticker) {
        let mut object = Object::begin(out, self);
        let price = ticker.statistics.map_or(Price::ZERO, |statistics| statistics.last);
        object.string("symbol", self.symbol).price("price", price);
        object.end();
    }

    /// The best prices of a query.
    pub fn book_ticker(&self, out: &mut Vec<u8>, ticker: &BookTicker) {
        let mut object = Object::begin(out, self);
        object.string("symbol", self.symbol);
        object.level(["bidPrice", "bidQty"], ticker.bid).level(["askPrice", "askQty"], ticker.ask);
        object.end();
    }

    /// How a market stands: its phase, and what its auction would come to.
    pub fn auction(&self, out: &mut Vec<u8>, state: &MarketState) {
        let mut object = Object::begin(out, self);
        object.string("symbol", self.symbol);
        self.auction_state(&mut object, state);
        object.end();
    }

    /// The same as an event, which the dialect does not have.
    pub fn auction_event(&self, out: &mut Vec<u8>, now: Nanos, state: &MarketState) {
        let mut object = Object::begin(out, self);
        object.string("e", "auction").time("E", now).string("s", self.symbol);
        self.auction_state(&mut object, state);
        object.end();
    }

    /// The imbalance is what more is bid than asked at the price, or less where it is asked. Where
    /// nothing would trade there is no price, and all numbers are zero.
    fn auction_state(&self, object: &mut Object<'_>, state: &MarketState) {
        let (price, volume, imbalance) = match &state.indicative {
            Some(likely) => (likely.price, likely.volume, likely.imbalance),
            None => (Price::ZERO, Quantity::ZERO, 0),
        };
        object.string("phase", names::phase(state.phase)).string("status", names::symbol_status(state.phase));
        match state.until {
            Nanos::ZERO => object.key("until").extend_from_slice(b"null"),
            until => {
                object.time("until", until);
            }
        }
        object.price("indicativePrice", price).quantity("indicativeQty", volume);
        object.quantity("imbalance", Quantity(imbalance.unsigned_abs()));
        let side = match imbalance {
            0 => "NONE",
            1.. => "BUY",
            _ => "SELL",
        };
        object.string("imbalanceSide", side);
    }

    /// The average price of a query.
    pub fn average_price(&self, out: &mut Vec<u8>, minutes: u64, ticker: &Ticker, now: Nanos) {
        let statistics = ticker.statistics.unwrap_or_else(|| nothing(now));
        let mut object = Object::begin(out, self);
        object.number("mins", minutes).average("price", &statistics);
        object.time("closeTime", if statistics.trades > 0 { statistics.last_time } else { now });
        object.end();
    }

    fn event(&'a self, out: &'a mut Vec<u8>, name: &str, now: Nanos) -> Object<'a> {
        let mut event = Object::begin(out, self);
        event.string("e", name).time("E", now).string("s", self.symbol);
        event
    }

    /// Notional by volume, rounded down to the decimals of a price; without trades, the last price.
    fn average(&self, out: &mut Vec<u8>, statistics: &Statistics) {
        let Statistics { notional, volume, .. } = *statistics;
        if volume == 0 {
            self.text.price(out, statistics.last);
            return;
        }
        let decimals = self.text.price.decimals();
        let unit = u128::from(self.tick.mantissa) * power_of_ten(decimals - self.tick.scale).unsigned_abs();
        // Whole ticks and the rest apart, so that neither product leaves 128 bits.
        let value = notional / volume * unit + notional % volume * unit / volume;
        out.push(b'"');
        fixed(out, value, decimals, decimals);
        out.push(b'"');
    }
}

/// What there is to say of a market that has never traded.
fn nothing(now: Nanos) -> Statistics {
    const DAY: u64 = 24 * 60 * 60 * 1_000_000_000;
    Statistics {
        open_time: Nanos(now.0.saturating_sub(DAY)),
        close_time: now,
        previous_close: Price::ZERO,
        open: Price::ZERO,
        high: Price::ZERO,
        low: Price::ZERO,
        last: Price::ZERO,
        last_quantity: Quantity::ZERO,
        last_time: Nanos::ZERO,
        volume: 0,
        notional: 0,
        trades: 0,
        last_trade: TradeId(0),
    }
}

fn write_aggregate(object: &mut Object<'_>, trade: &AggregateTrade) {
    object.number("a", trade.id).price("p", trade.price).quantity("q", trade.quantity);
    object.number("f", trade.first.0).number("l", trade.last.0).time("T", trade.time);
    object.boolean("m", trade.is_buyer_maker).boolean("M", true);
}

fn write_window(event: &mut Object<'_>, statistics: &Statistics) {
    event.price("o", statistics.open).price("h", statistics.high).price("l", statistics.low);
    event.volume("v", statistics.volume).notional("q", statistics.notional);
    event.time("O", statistics.open_time).time("C", statistics.close_time);
    write_trades(event, ["F", "L", "n"], statistics);
}

fn write_sums(object: &mut Object<'_>, statistics: &Statistics) {
    object.volume("volume", statistics.volume).notional("quoteVolume", statistics.notional);
    object.time("openTime", statistics.open_time).time("closeTime", statistics.close_time);
    write_trades(object, ["firstId", "lastId", "count"], statistics);
}

fn write_trades(object: &mut Object<'_>, [first, last, count]: [&str; 3], statistics: &Statistics) {
    let has = statistics.trades > 0;
    object.trade(first, statistics.first_trade()).trade(last, has.then_some(statistics.last_trade));
    object.number(count, statistics.trades);
}

/// A change in percent, with three decimals, rounded towards zero.
fn write_percent(out: &mut Vec<u8>, change: i128, open: Price) {
    let thousandths = if open.is_zero() { 0 } else { change * 100_000 / i128::from(open.0) };
    out.push(b'"');
    if thousandths < 0 {
        out.push(b'-');
    }
    fixed(out, thousandths.unsigned_abs(), 3, 3);
    out.push(b'"');
}
