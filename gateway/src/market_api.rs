//! Market data on request: the same for REST and for the WebSocket API.
//!
//! What is live is asked of the market data actor, what is past of the read store: see [`past`].

pub mod format;

use rialto_actors::clock;
use rialto_actors::directory::{MarketEntry, TenantEntry};
use rialto_actors::exchange::Exchange;
use rialto_actors::market_data::{AVERAGE_MINUTES, DAY_MINUTES, QueryError, RECENT_TRADES, Ticker};
use rialto_engine::ids::{MarketId, TenantId, TradeId};
use rialto_engine::units::Nanos;
use rialto_persistence::kline::{Interval, Kline};
use rialto_persistence::read_store::{AggregateTrade, MarketTrade, ReadStore, ReadStoreError, Window};

use self::format::MarketFormat;
use crate::error::ApiError;
use crate::json::{self, TimeUnit};
use crate::params::Params;
use crate::past;

/// The most levels of a side that are told.
const DEPTH_MAX: usize = 5_000;
/// The most rows of anything else.
const ROWS_MAX: usize = 1_000;

/// What can be asked about markets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarketMethod {
    /// The levels of a book.
    Depth,
    /// The last trades.
    Trades,
    /// Trades from a number on.
    HistoricalTrades,
    /// Aggregate trades.
    AggregateTrades,
    /// Candlesticks.
    Klines,
    /// The average price of the last minutes.
    AveragePrice,
    /// The last 24 hours.
    Ticker24h,
    /// The day so far.
    TickerTradingDay,
    /// The last price.
    TickerPrice,
    /// The best prices.
    TickerBook,
    /// A window of one's choice.
    TickerRolling,
    /// The phase, and the likely result of the auction. The dialect has no such thing.
    Auction,
}

impl MarketMethod {
    /// The method of a REST path behind `/api/v3/`, such as `ticker/24hr`. All are `GET`.
    #[must_use]
    pub fn from_rest_path(path: &str) -> Option<Self> {
        Some(match path {
            "depth" => Self::Depth,
            "trades" => Self::Trades,
            "historicalTrades" => Self::HistoricalTrades,
            "aggTrades" => Self::AggregateTrades,
            "klines" | "uiKlines" => Self::Klines,
            "avgPrice" => Self::AveragePrice,
            "ticker/24hr" => Self::Ticker24h,
            "ticker/tradingDay" => Self::TickerTradingDay,
            "ticker/price" => Self::TickerPrice,
            "ticker/bookTicker" => Self::TickerBook,
            "ticker" => Self::TickerRolling,
            "auction" => Self::Auction,
            _ => return None,
        })
    }

    /// The method of this name in the WebSocket API, without `v3/`.
    #[must_use]
    pub fn from_ws_method(name: &str) -> Option<Self> {
        Some(match name {
            "depth" => Self::Depth,
            "trades.recent" => Self::Trades,
            "trades.historical" => Self::HistoricalTrades,
            "trades.aggregate" => Self::AggregateTrades,
            "klines" | "uiKlines" => Self::Klines,
            "avgPrice" => Self::AveragePrice,
            "ticker.24hr" => Self::Ticker24h,
            "ticker.tradingDay" => Self::TickerTradingDay,
            "ticker.price" => Self::TickerPrice,
            "ticker.book" => Self::TickerBook,
            "ticker" => Self::TickerRolling,
            "auction" => Self::Auction,
            _ => return None,
        })
    }
}

/// Which rows are asked for. Times are inclusive.
struct Span {
    from: Option<Nanos>,
    to: Option<Nanos>,
    limit: usize,
}

/// Answers a request about the markets of a tenant, and of no other, with the JSON of its result.
///
/// # Errors
/// What the dialect answers to wrong parameters, and -1008 if too many ask.
pub async fn call(
    exchange: &Exchange,
    tenant: TenantId,
    method: MarketMethod,
    params: &Params<'_>,
    unit: TimeUnit,
) -> Result<String, ApiError> {
    let directory = exchange.directory();
    let tenant = directory.tenant(tenant).ok_or_else(ApiError::no_tenant)?;
    let mut out = Vec::with_capacity(1 << 10);
    match method {
        MarketMethod::Depth => {
            let market = required_market(tenant, params)?;
            let limit = params.limit(100, DEPTH_MAX)?;
            let depth = exchange.market_data().depth(tenant.id, market.id, limit).await.map_err(refused)?;
            MarketFormat::new(market, unit).depth(&mut out, &depth, limit);
        }
        MarketMethod::Trades => {
            let market = required_market(tenant, params)?;
            let limit = params.limit(500, ROWS_MAX)?;
            write_trades(exchange, tenant.id, market, None, limit, unit, &mut out).await?;
        }
        MarketMethod::HistoricalTrades => {
            let market = required_market(tenant, params)?;
            let limit = params.limit(500, ROWS_MAX)?;
            let from = params.integer("fromId")?.map(TradeId);
            write_trades(exchange, tenant.id, market, from, limit, unit, &mut out).await?;
        }
        MarketMethod::AggregateTrades => {
            write_aggregates(exchange, tenant, params, unit, &mut out).await?;
        }
        MarketMethod::Klines => write_klines(exchange, tenant, params, unit, &mut out).await?,
        MarketMethod::AveragePrice => {
            let market = required_market(tenant, params)?;
            let now = clock::wall();
            let tickers = tickers(exchange, tenant.id, Some(vec![market.id]), AVERAGE_MINUTES).await?;
            if let Some((_, ticker)) = tickers.first() {
                MarketFormat::new(market, unit).average_price(&mut out, AVERAGE_MINUTES, ticker, now);
            }
        }
        MarketMethod::Ticker24h => {
            let (selection, kind) = (Selection::of(tenant, params)?, TickerKind::of(params)?);
            let tickers = tickers(exchange, tenant.id, selection.numbers(), DAY_MINUTES).await?;
            let now = clock::wall();
            selection.write(tenant, &tickers, &mut out, |out, market, ticker| {
                let format = MarketFormat::new(market, unit);
                match kind {
                    TickerKind::Full => format.day(out, ticker, now),
                    TickerKind::Mini => format.mini(out, ticker, now),
                }
            });
        }
        MarketMethod::TickerTradingDay | MarketMethod::TickerRolling => {
            let selection = Selection::of(tenant, params)?.named()?;
            let now = clock::wall();
            let minutes = if method == MarketMethod::TickerRolling {
                window_minutes(params)?
            } else {
                check_time_zone(params)?;
                now.0 / 60_000_000_000 % DAY_MINUTES
            };
            let kind = TickerKind::of(params)?;
            let tickers = tickers(exchange, tenant.id, selection.numbers(), minutes).await?;
            selection.write(tenant, &tickers, &mut out, |out, market, ticker| {
                let format = MarketFormat::new(market, unit);
                match kind {
                    TickerKind::Full => format.window(out, ticker, now),
                    TickerKind::Mini => format.mini(out, ticker, now),
                }
            });
        }
        MarketMethod::TickerPrice => {
            let selection = Selection::of(tenant, params)?;
            let tickers = tickers(exchange, tenant.id, selection.numbers(), 0).await?;
            selection.write(tenant, &tickers, &mut out, |out, market, ticker| {
                MarketFormat::new(market, unit).last_price(out, ticker);
            });
        }
        MarketMethod::Auction => {
            let market = required_market(tenant, params)?;
            let states = exchange.market_data().states(tenant.id).await.map_err(refused)?;
            let state = states.get(usize::from(market.id.0)).ok_or_else(ApiError::unknown)?;
            MarketFormat::new(market, unit).auction(&mut out, state);
        }
        MarketMethod::TickerBook => {
            let selection = Selection::of(tenant, params)?;
            let books = exchange.market_data().book_tickers(tenant.id, selection.numbers()).await.map_err(refused)?;
            selection.write(tenant, &books, &mut out, |out, market, book| {
                MarketFormat::new(market, unit).book_ticker(out, book);
            });
        }
    }
    String::from_utf8(out).map_err(|_| ApiError::unknown())
}

/// One market, some, or all of a tenant.
enum Selection {
    One(MarketId),
    Some(Vec<MarketId>),
    All,
}

impl Selection {
    fn of(tenant: &TenantEntry, params: &Params<'_>) -> Result<Self, ApiError> {
        match (params.optional("symbol")?, params.list("symbols")?) {
            (Some(_), Some(_)) => Err(ApiError::bad_combination()),
            (Some(symbol), None) => Ok(Self::One(market_named(tenant, "symbol", symbol)?.id)),
            (None, Some(symbols)) => {
                let markets = symbols.iter().map(|symbol| Ok(market_named(tenant, "symbols", symbol)?.id));
                Ok(Self::Some(markets.collect::<Result<_, ApiError>>()?))
            }
            (None, None) => Ok(Self::All),
        }
    }

    /// The selection, unless it was left out.
    fn named(self) -> Result<Self, ApiError> {
        match self {
            Self::All => Err(ApiError::either("symbol", "symbols")),
            named => Ok(named),
        }
    }

    fn numbers(&self) -> Option<Vec<MarketId>> {
        match self {
            Self::One(market) => Some(vec![*market]),
            Self::Some(markets) => Some(markets.clone()),
            Self::All => None,
        }
    }

    /// An object for one market, an array for some.
    fn write<Row>(
        &self,
        tenant: &TenantEntry,
        rows: &[(MarketId, Row)],
        out: &mut Vec<u8>,
        mut write: impl FnMut(&mut Vec<u8>, &MarketEntry, &Row),
    ) {
        let mut rows = rows.iter().filter_map(|(number, row)| Some((tenant.market(*number)?, row)));
        match self {
            Self::One(_) => {
                if let Some((market, row)) = rows.next() {
                    write(out, market, row);
                }
            }
            Self::Some(_) | Self::All => json::array(out, rows, |out, (market, row)| write(out, market, row)),
        }
    }
}

/// How much is told of a window.
#[derive(Clone, Copy)]
enum TickerKind {
    Full,
    Mini,
}

impl TickerKind {
    fn of(params: &Params<'_>) -> Result<Self, ApiError> {
        match params.optional("type")? {
            None | Some("FULL") => Ok(Self::Full),
            Some("MINI") => Ok(Self::Mini),
            Some(_) => Err(ApiError::invalid_parameter("type")),
        }
    }
}

async fn tickers(
    exchange: &Exchange,
    tenant: TenantId,
    markets: Option<Vec<MarketId>>,
    minutes: u64,
) -> Result<Vec<(MarketId, Ticker)>, ApiError> {
    exchange.market_data().tickers(tenant, markets, minutes).await.map_err(refused)
}

/// The last trades stand in memory; older ones, and those of before the start, in the read store.
async fn write_trades(
    exchange: &Exchange,
    tenant: TenantId,
    market: &MarketEntry,
    from: Option<TradeId>,
    limit: usize,
    unit: TimeUnit,
    out: &mut Vec<u8>,
) -> Result<(), ApiError> {
    let recent = exchange.market_data().recent_trades(tenant, market.id, RECENT_TRADES).await.map_err(refused)?;
    let oldest = recent.first().map(|trade| trade.id);
    let enough = match from {
        Some(from) => oldest.is_some_and(|oldest| oldest <= from),
        None => recent.len() >= limit || oldest == Some(TradeId(1)),
    };
    let number = market.id;
    if let (Some(store), false) = (exchange.read_store(), enough) {
        let write = |format: &MarketFormat<'_>, out: &mut Vec<u8>, trade: &MarketTrade| format.trade(out, trade);
        let question = move |store: &ReadStore| store.trades(tenant, number, from, limit);
        return tell(exchange, store, (tenant, number, unit), question, write, out).await;
    }
    let trades = match from {
        Some(from) => recent.into_iter().filter(|trade| trade.id >= from).take(limit).collect(),
        None => recent[recent.len().saturating_sub(limit)..].to_vec(),
    };
    let format = MarketFormat::new(market, unit);
    json::array(out, &trades, |out, trade| format.trade(out, trade));
    Ok(())
}

async fn write_aggregates(
    exchange: &Exchange,
    tenant: &TenantEntry,
    params: &Params<'_>,
    unit: TimeUnit,
    out: &mut Vec<u8>,
) -> Result<(), ApiError> {
    let market = required_market(tenant, params)?;
    let Span { from, to, limit } = span(params)?;
    let from_id = params.integer("fromId")?;
    if from_id.is_some() && (from.is_some() || to.is_some()) {
        return Err(ApiError::bad_combination());
    }
    let window = Window { from_id, from_time: from, to_time: to };
    let (tenant, number) = (tenant.id, market.id);
    let Some(store) = exchange.read_store() else {
        out.extend_from_slice(b"[]");
        return Ok(());
    };
    let question = move |store: &ReadStore| store.aggregate_trades(tenant, number, &window, limit);
    let write =
        |format: &MarketFormat<'_>, out: &mut Vec<u8>, trade: &AggregateTrade| format.aggregate_trade(out, trade);
    tell(exchange, store, (tenant, number, unit), question, write, out).await
}

async fn write_klines(
    exchange: &Exchange,
    tenant: &TenantEntry,
    params: &Params<'_>,
    unit: TimeUnit,
    out: &mut Vec<u8>,
) -> Result<(), ApiError> {
    let market = required_market(tenant, params)?;
    let interval = Interval::parse(params.required("interval")?).ok_or_else(ApiError::invalid_interval)?;
    check_time_zone(params)?;
    let span = span(params)?;
    let (tenant, number) = (tenant.id, market.id);
    let Some(store) = exchange.read_store() else {
        let current = exchange.market_data().current_kline(tenant, number, interval).await.map_err(refused)?;
        let in_span = |kline: &Kline| {
            span.from.is_none_or(|from| kline.open_time >= from) && span.to.is_none_or(|to| kline.open_time <= to)
        };
        let klines = current.map(|update| update.kline).filter(in_span);
        let format = MarketFormat::new(market, unit);
        json::array(out, &klines, |out, kline| format.kline(out, interval, kline));
        return Ok(());
    };
    let now = clock::wall();
    let question = move |store: &ReadStore| {
        complete_klines(interval, &span, now, |from, to, limit| store.klines(tenant, number, interval, from, to, limit))
    };
    let write = move |format: &MarketFormat<'_>, out: &mut Vec<u8>, kline: &Kline| format.kline(out, interval, kline);
    tell(exchange, store, (tenant, number, unit), question, write, out).await
}

/// The candlesticks of a span without gaps: where nothing was traded, the last close is repeated.
/// They begin with the first trade of the market. `load` gives those with trades, like
/// [`ReadStore::klines`].
fn complete_klines<Error>(
    interval: Interval,
    span: &Span,
    now: Nanos,
    load: impl Fn(Option<Nanos>, Option<Nanos>, usize) -> Result<Vec<Kline>, Error>,
) -> Result<Vec<Kline>, Error> {
    let last = interval.open_time(span.to.map_or(now, |to| to.min(now)));
    let after = |open_time: Nanos| Nanos(interval.close_time(open_time).0 + 1);
    let first = match span.from {
        Some(from) => {
            let open_time = interval.open_time(from);
            if open_time < from { after(open_time) } else { open_time }
        }
        None => (1..span.limit).fold(last, |first, _| interval.open_time(Nanos(first.0.saturating_sub(1)))),
    };
    if first > last {
        return Ok(Vec::new());
    }
    let mut traded = load(Some(first), Some(last), span.limit)?.into_iter().peekable();
    let before = match first.0.checked_sub(1) {
        Some(before) => load(None, Some(Nanos(before)), 1)?.pop(),
        None => None,
    };
    let mut close = before.map(|kline| kline.close);
    let mut klines = Vec::with_capacity(span.limit);
    let mut open_time = first;
    while klines.len() < span.limit && open_time <= last {
        match (traded.next_if(|kline| kline.open_time == open_time), close) {
            (Some(kline), _) => {
                close = Some(kline.close);
                klines.push(kline);
            }
            (None, Some(price)) => {
                klines.push(Kline { open: price, high: price, low: price, close: price, ..Kline::new(open_time) });
            }
            (None, None) => match traded.peek() {
                Some(kline) => {
                    open_time = kline.open_time;
                    continue;
                }
                None => break,
            },
        }
        open_time = after(open_time);
    }
    Ok(klines)
}

/// Appends rows of the past of one market: written where they are read.
async fn tell<Row: 'static>(
    exchange: &Exchange,
    store: &ReadStore,
    (tenant, market, unit): (TenantId, MarketId, TimeUnit),
    question: impl FnOnce(&ReadStore) -> Result<Vec<Row>, ReadStoreError> + Send + 'static,
    write: impl Fn(&MarketFormat<'_>, &mut Vec<u8>, &Row) + Send + 'static,
    out: &mut Vec<u8>,
) -> Result<(), ApiError> {
    let (directory, paper) = (exchange.directory(), past::paper());
    let told = past::ask(exchange, store, move |store| {
        let (rows, mut out) = (question(store)?, Vec::new());
        if let Some(market) = directory.tenant(tenant).and_then(|tenant| tenant.market(market)) {
            let format = MarketFormat::new(market, unit);
            json::array(&mut out, &rows, |out, row| write(&format, out, row));
        }
        Ok(past::copied(out, paper))
    });
    out.append(&mut told.await?);
    Ok(())
}

fn refused(error: QueryError) -> ApiError {
    match error {
        QueryError::Busy => ApiError::busy(),
        QueryError::Unavailable => ApiError::unavailable(),
    }
}

fn required_market<'a>(tenant: &'a TenantEntry, params: &Params<'_>) -> Result<&'a MarketEntry, ApiError> {
    market_named(tenant, "symbol", params.required("symbol")?)
}

fn market_named<'a>(tenant: &'a TenantEntry, parameter: &str, symbol: &str) -> Result<&'a MarketEntry, ApiError> {
    if let Some(market) = tenant.market_named(symbol) {
        return Ok(market);
    }
    let legal = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    if symbol.len() > 20 || !symbol.bytes().all(legal) {
        return Err(ApiError::illegal_characters(parameter, "^[A-Z0-9-_.]{1,20}$"));
    }
    Err(ApiError::invalid_symbol())
}

/// `startTime`, `endTime` and `limit`.
fn span(params: &Params<'_>) -> Result<Span, ApiError> {
    let (from, to) = (params.integer("startTime")?, params.integer("endTime")?);
    if from.zip(to).is_some_and(|(from, to)| from > to) {
        return Err(ApiError::naming(-1127, "startTime must not be after endTime.".to_owned()));
    }
    // An end in milliseconds includes all of its last one.
    let to = to.map(|to| Nanos(time(to).0.saturating_add(if is_micros(to) { 999 } else { 999_999 })));
    Ok(Span { from: from.map(time), to, limit: params.limit(500, ROWS_MAX)? })
}

/// Clients send milliseconds or microseconds; no time of either looks like one of the other for
/// another three thousand years.
fn time(value: u64) -> Nanos {
    Nanos(value.saturating_mul(if is_micros(value) { 1_000 } else { 1_000_000 }))
}

const fn is_micros(value: u64) -> bool {
    value >= 100_000_000_000_000
}

/// Candlesticks are kept by UTC. Another time zone would need others.
fn check_time_zone(params: &Params<'_>) -> Result<(), ApiError> {
    match params.optional("timeZone")? {
        None | Some("0" | "+0" | "-0" | "00:00" | "+00:00" | "0:00") => Ok(()),
        Some(_) => Err(ApiError::invalid_parameter("timeZone")),
    }
}

/// `windowSize`: `1m` to `59m`, `1h` to `23h`, `1d`. Longer ones are not offered.
fn window_minutes(params: &Params<'_>) -> Result<u64, ApiError> {
    let Some(text) = params.optional("windowSize")? else { return Ok(DAY_MINUTES) };
    let invalid = || ApiError::invalid_parameter("windowSize");
    let (digits, unit) = text.split_at_checked(text.len() - 1).ok_or_else(invalid)?;
    if digits.is_empty() || digits.len() > 2 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid());
    }
    let count: u64 = digits.parse().map_err(|_| invalid())?;
    match (unit, count) {
        ("m", 1..=59) => Ok(count),
        ("h", 1..=23) => Ok(count * 60),
        ("d", 1) => Ok(DAY_MINUTES),
        _ => Err(invalid()),
    }
}

#[cfg(test)]
mod tests;
