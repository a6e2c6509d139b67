//! What the read store is asked.

mod chunks;
mod days;
mod ledger;
mod places;
mod transactions;

pub use self::days::{AccountKind, DayTotal};

use std::ops::Bound;

use redb::ReadableTable;
use rialto_engine::ids::{AccountId, ClientOrderId, MarketId, OrderId, TenantId, TradeId};
use rialto_engine::units::Nanos;
use rialto_engine::update::{ListView, OrderView};

use super::batch::latest_kline;
use super::runs::{Direction, Runs};
use super::view::{Chunks, Times};
use super::{AccountTrade, AggregateTrade, MarketTrade, ReadStore, ReadStoreError, Window, rows};
use crate::kline::{Interval, Kline};

/// A window in numbers: those that can be within it, both inclusive, and where to begin.
#[derive(Clone, Copy)]
struct Span {
    first: u64,
    last: u64,
    direction: Direction,
}

impl ReadStore {
    /// An order by its number.
    ///
    /// # Errors
    /// `Storage` or `Damaged`, like every query.
    pub fn order(
        &self,
        tenant: TenantId,
        account: AccountId,
        market: MarketId,
        id: OrderId,
    ) -> Result<Option<OrderView>, ReadStoreError> {
        let key = rows::owned_key(tenant, account, market, id.0);
        self.read()?.runs(rows::ORDERS)?.get(&key, |row| rows::order(&key, row))
    }

    /// The latest order of this client order id.
    ///
    /// # Errors
    /// `Storage` or `Damaged`.
    pub fn order_by_client_id(
        &self,
        tenant: TenantId,
        account: AccountId,
        market: MarketId,
        client_id: &ClientOrderId,
    ) -> Result<Option<OrderView>, ReadStoreError> {
        let view = self.read()?;
        let orders = view.runs(rows::ORDERS)?;
        let client_ids = view.runs(rows::CLIENT_IDS)?;
        let hash = rows::client_id_hash(account, market, client_id);
        let key = |order| rows::client_id_key(tenant, hash, order);
        let mut candidates = client_ids.scan(&key(0), &key(u64::MAX), Direction::Descending)?;
        while let Some(id) = candidates.next(|key, _| Some(rows::last_number(key)))? {
            let key = rows::owned_key(tenant, account, market, id);
            let order = orders.get(&key, |row| rows::order(&key, row))?;
            // The hash of another account's or another name's order may be the same.
            if let Some(order) = order.filter(|order| order.client_id == *client_id) {
                return Ok(Some(order));
            }
        }
        Ok(None)
    }

    /// Orders of an account in a market.
    ///
    /// # Errors
    /// `Storage` or `Damaged`.
    pub fn orders(
        &self,
        tenant: TenantId,
        account: AccountId,
        market: MarketId,
        window: &Window<OrderId>,
        limit: usize,
    ) -> Result<Vec<OrderView>, ReadStoreError> {
        let view = self.read()?;
        let Some(span) = time_span(view.order_times()?, tenant, &numbered(window))? else { return Ok(Vec::new()) };
        let [low, high] = [span.first, span.last].map(|id| rows::owned_key(tenant, account, market, id));
        let orders = view.runs(rows::ORDERS)?;
        scan(orders, &low, &high, span.direction, limit, rows::order, |order| window.contains(order.time))
    }

    /// A list of orders by its number, that of its first order.
    ///
    /// # Errors
    /// `Storage` or `Damaged`.
    pub fn list(&self, tenant: TenantId, account: AccountId, id: OrderId) -> Result<Option<ListView>, ReadStoreError> {
        let key = rows::account_entry_key(tenant, account, id.0);
        self.read()?.runs(rows::LISTS)?.get(&key, |row| rows::list(&key, row))
    }

    /// The latest list of this name.
    ///
    /// # Errors
    /// `Storage` or `Damaged`.
    pub fn list_by_client_id(
        &self,
        tenant: TenantId,
        account: AccountId,
        client_id: &ClientOrderId,
    ) -> Result<Option<ListView>, ReadStoreError> {
        let view = self.read()?;
        let lists = view.runs(rows::LISTS)?;
        let client_ids = view.runs(rows::LIST_CLIENT_IDS)?;
        let hash = rows::list_client_id_hash(account, client_id);
        let key = |list| rows::client_id_key(tenant, hash, list);
        let mut candidates = client_ids.scan(&key(0), &key(u64::MAX), Direction::Descending)?;
        while let Some(id) = candidates.next(|key, _| Some(rows::last_number(key)))? {
            let key = rows::account_entry_key(tenant, account, id);
            let list = lists.get(&key, |row| rows::list(&key, row))?;
            // The hash of another account's or another name's list may be the same.
            if let Some(list) = list.filter(|list| list.client_id == *client_id) {
                return Ok(Some(list));
            }
        }
        Ok(None)
    }

    /// Lists of an account, over all markets. What became of their orders is told by
    /// [`Self::orders_of_list`].
    ///
    /// # Errors
    /// `Storage` or `Damaged`.
    pub fn lists(
        &self,
        tenant: TenantId,
        account: AccountId,
        window: &Window<OrderId>,
        limit: usize,
    ) -> Result<Vec<ListView>, ReadStoreError> {
        let view = self.read()?;
        let Some(span) = time_span(view.order_times()?, tenant, &numbered(window))? else { return Ok(Vec::new()) };
        let [low, high] = [span.first, span.last].map(|id| rows::account_entry_key(tenant, account, id));
        let lists = view.runs(rows::LISTS)?;
        scan(lists, &low, &high, span.direction, limit, rows::list, |list| window.contains(list.time))
    }

    /// The orders of a list, in its order; none if there is no such list.
    ///
    /// # Errors
    /// `Storage` or `Damaged`.
    pub fn orders_of_list(
        &self,
        tenant: TenantId,
        account: AccountId,
        id: OrderId,
    ) -> Result<Vec<OrderView>, ReadStoreError> {
        let view = self.read()?;
        let key = rows::account_entry_key(tenant, account, id.0);
        let list = view.runs(rows::LISTS)?.get(&key, |row| rows::list(&key, row))?;
        let Some(list) = list else { return Ok(Vec::new()) };
        let orders = view.runs(rows::ORDERS)?;
        let mut views = Vec::with_capacity(list.orders.len());
        for (order, _) in &list.orders {
            let key = rows::owned_key(tenant, account, list.market, order.0);
            views.extend(orders.get(&key, |row| rows::order(&key, row))?);
        }
        Ok(views)
    }

    /// An account's sides of the trades of a market, or those of one of its orders. Where it has traded
    /// with itself, a trade is told whole, one row beyond the limit if need be: whoever goes on behind
    /// the last number would never see the other side.
    ///
    /// # Errors
    /// `Storage` or `Damaged`.
    pub fn account_trades(
        &self,
        tenant: TenantId,
        account: AccountId,
        market: MarketId,
        order: Option<OrderId>,
        window: &Window<TradeId>,
        limit: usize,
    ) -> Result<Vec<AccountTrade>, ReadStoreError> {
        let view = self.read()?;
        let trades = view.trades()?;
        let first = window.from_id.map(|id| id.0);
        let Some(span) = trade_span(trades, tenant, market, window, first)? else { return Ok(Vec::new()) };
        let first = rows::trade_side(TradeId(span.first), true);
        let last = rows::trade_side(TradeId(span.last), false);
        let within = |trade: &AccountTrade| window.contains(trade.time);
        if let Some(order) = order {
            let [low, high] = [first, last].map(|side| rows::order_trade_key(tenant, account, market, order, side));
            let sides = view.runs(rows::ORDER_TRADES)?;
            return scan(sides, &low, &high, span.direction, limit, rows::account_trade, within);
        }
        let [low, high] = [first, last].map(|side| rows::owned_key(tenant, account, market, side));
        let sides = view.runs(rows::ACCOUNT_TRADES)?;
        let beyond = limit.saturating_add(1);
        let mut trades = scan(sides, &low, &high, span.direction, beyond, rows::account_trade, within)?;
        if trades.len() == beyond {
            let (beyond, next_to_it) = match span.direction {
                Direction::Ascending => (limit, limit.checked_sub(1)),
                Direction::Descending => (0, Some(1)),
            };
            let id = trades[beyond].id;
            if next_to_it.and_then(|next| trades.get(next)).is_none_or(|next| next.id != id) {
                trades.remove(beyond);
            }
        }
        Ok(trades)
    }

    /// Trades of a market from a number on, or the latest; ascending.
    ///
    /// # Errors
    /// `Storage` or `Damaged`.
    pub fn trades(
        &self,
        tenant: TenantId,
        market: MarketId,
        from_id: Option<TradeId>,
        limit: usize,
    ) -> Result<Vec<MarketTrade>, ReadStoreError> {
        let view = self.read()?;
        let table = view.trades()?;
        let window = Window { from_id, ..Window::default() };
        let Some(span) = trade_span(table, tenant, market, &window, from_id.map(|id| id.0))? else {
            return Ok(Vec::new());
        };
        let mut trades = Vec::new();
        each_trade(table, tenant, market, span, |trade| {
            if trades.len() < limit {
                trades.push(trade);
            }
            trades.len() < limit
        })?;
        if span.direction == Direction::Descending {
            trades.reverse();
        }
        Ok(trades)
    }

    /// Aggregate trades of a market. The window's numbers are those of aggregates.
    ///
    /// They are put together from the trades: their numbers ascend with those of the trades, and
    /// all trades of one have the time of the taker's command, so that no bound cuts one in two.
    ///
    /// # Errors
    /// `Storage` or `Damaged`.
    pub fn aggregate_trades(
        &self,
        tenant: TenantId,
        market: MarketId,
        window: &Window<u64>,
        limit: usize,
    ) -> Result<Vec<AggregateTrade>, ReadStoreError> {
        let view = self.read()?;
        let table = view.trades()?;
        let first = match window.from_id {
            Some(aggregate) => Some(first_trade(table, tenant, market, |trade| trade.aggregate >= aggregate)?),
            None => None,
        };
        let Some(span) = trade_span(table, tenant, market, window, first)? else { return Ok(Vec::new()) };
        let mut aggregates: Vec<AggregateTrade> = Vec::new();
        each_trade(table, tenant, market, span, |trade| {
            let full = aggregates.len() >= limit;
            match aggregates.last_mut() {
                Some(aggregate) if aggregate.id == trade.aggregate => {
                    aggregate.quantity += trade.quantity;
                    aggregate.first = aggregate.first.min(trade.id);
                    aggregate.last = aggregate.last.max(trade.id);
                }
                _ if full => return false,
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
            true
        })?;
        if span.direction == Direction::Descending {
            aggregates.reverse();
        }
        Ok(aggregates)
    }

    /// Candlesticks that begin between the two times; ascending. Without `from_time`, the latest.
    ///
    /// Stretches without a trade have none: whoever shows them repeats the last close.
    ///
    /// # Errors
    /// `Storage` or `Damaged`.
    pub fn klines(
        &self,
        tenant: TenantId,
        market: MarketId,
        interval: Interval,
        from_time: Option<Nanos>,
        to_time: Option<Nanos>,
        limit: usize,
    ) -> Result<Vec<Kline>, ReadStoreError> {
        let table = self.read()?.transaction().open_table(rows::KLINES)?;
        let (first, last) = (from_time.unwrap_or(Nanos::ZERO), to_time.unwrap_or(Nanos(u64::MAX)));
        if first > last {
            return Ok(Vec::new());
        }
        let key = |time: Nanos| rows::kline_key(tenant, market, interval, time.0);
        let mut range = table.range(key(first)..=key(last))?;
        let mut klines = Vec::new();
        while klines.len() < limit {
            let Some(found) = (if from_time.is_some() { range.next() } else { range.next_back() }) else { break };
            let (key, row) = found?;
            klines.push(rows::kline(&key.value(), row.value()).ok_or(ReadStoreError::Damaged("klines"))?);
        }
        if from_time.is_none() {
            klines.reverse();
        }
        Ok(klines)
    }

    /// The latest candlestick of each interval, shortest first: none if there was no trade yet.
    ///
    /// # Errors
    /// `Storage` or `Damaged`.
    pub fn latest_klines(&self, tenant: TenantId, market: MarketId) -> Result<Vec<(Interval, Kline)>, ReadStoreError> {
        let table = self.read()?.transaction().open_table(rows::KLINES)?;
        let mut klines = Vec::with_capacity(Interval::ALL.len());
        for interval in Interval::ALL {
            klines.extend(latest_kline(&table, tenant, market, interval)?.map(|kline| (interval, kline)));
        }
        Ok(klines)
    }
}

impl<Id> Window<Id> {
    fn contains(&self, time: Nanos) -> bool {
        self.from_time.is_none_or(|from| from <= time) && self.to_time.is_none_or(|to| time <= to)
    }

    fn direction(&self) -> Direction {
        if self.from_id.is_some() || self.from_time.is_some() { Direction::Ascending } else { Direction::Descending }
    }
}

fn numbered(window: &Window<OrderId>) -> Window<u64> {
    Window { from_id: window.from_id.map(|id| id.0), from_time: window.from_time, to_time: window.to_time }
}

/// The numbers of a window of what a table remembers some times of, or `None` if it is empty. They
/// may reach as far beyond its times as the table leaves between two.
fn time_span(times: &Times, tenant: TenantId, window: &Window<u64>) -> Result<Option<Span>, ReadStoreError> {
    let key = |time| rows::entry_key(tenant, time);
    let mut span = Span { first: 0, last: u64::MAX, direction: window.direction() };
    if let Some(from) = window.from_time
        && let Some(row) = times.range(key(0)..=key(from.0))?.next_back()
    {
        span.first = row?.1.value();
    }
    if let Some(next) = window.to_time.and_then(|to| to.0.checked_add(1))
        && let Some(row) = times.range(key(next)..=key(u64::MAX))?.next()
    {
        let Some(last) = row?.1.value().checked_sub(1) else { return Ok(None) };
        span.last = last;
    }
    span.first = span.first.max(window.from_id.unwrap_or(0));
    Ok((span.first <= span.last).then_some(span))
}

/// The trade numbers of a window, or `None` if it is empty. There is no index by time: times
/// ascend with the numbers.
fn trade_span<Id>(
    table: &Chunks<14>,
    tenant: TenantId,
    market: MarketId,
    window: &Window<Id>,
    first: Option<u64>,
) -> Result<Option<Span>, ReadStoreError> {
    // Half of the numbers: they are doubled for the two sides.
    let mut span = Span { first: first.unwrap_or(0), last: u64::MAX >> 1, direction: window.direction() };
    if let Some(from) = window.from_time {
        span.first = span.first.max(first_trade(table, tenant, market, |trade| trade.time >= from)?);
    }
    if let Some(to) = window.to_time {
        let beyond = first_trade(table, tenant, market, |trade| trade.time > to)?;
        let Some(last) = beyond.checked_sub(1) else { return Ok(None) };
        span.last = last;
    }
    Ok((span.first <= span.last).then_some(span))
}

/// The number of the first trade that passes, or one above all. Behind a trade that passes, all do.
fn first_trade(
    table: &Chunks<14>,
    tenant: TenantId,
    market: MarketId,
    passes: impl Fn(&MarketTrade) -> bool,
) -> Result<u64, ReadStoreError> {
    let key = |number| rows::trade_key(tenant, market, number);
    let Some(last) = table.range(key(0)..=key(u64::MAX))?.next_back() else { return Ok(0) };
    let (mut low, mut high) = (0, rows::last_number(&last?.0.value()) + 1);
    // Between chunks first: the last one of which the first trade does not pass, if there is one.
    let mut chunk = None;
    while low < high {
        let middle = low + (high - low) / 2;
        let found = table.lower_bound(Bound::Included(&key(middle)))?.next()?;
        let Some((found, row)) = found.filter(|(found, _)| found.value() < key(high)) else {
            high = middle;
            continue;
        };
        if trades_of(&found.value(), row.value(), 1)?.first().is_some_and(&passes) {
            high = middle;
        } else {
            low = rows::last_number(&found.value()) + 1;
            chunk = Some((found.value(), row));
        }
    }
    let chunk = chunk.map_or(Ok(Vec::new()), |(key, row)| trades_of(&key, row.value(), usize::MAX))?;
    let within = chunk.partition_point(|trade| !passes(trade));
    Ok(match (chunk.get(within), chunk.last()) {
        (Some(trade), _) => trade.id.0,
        (None, Some(last)) => last.id.0 + 1,
        (None, None) => 0,
    })
}

/// Hands out the trades of a span until one is not taken.
fn each_trade(
    table: &Chunks<14>,
    tenant: TenantId,
    market: MarketId,
    span: Span,
    mut take: impl FnMut(MarketTrade) -> bool,
) -> Result<(), ReadStoreError> {
    let key = |number| rows::trade_key(tenant, market, number);
    let first = chunk_of(table, key, span.first)?;
    let mut chunks = table.range(key(first)..=key(span.last))?;
    let within = |trade: &MarketTrade| (span.first..=span.last).contains(&trade.id.0);
    let ascending = span.direction == Direction::Ascending;
    while let Some(chunk) = if ascending { chunks.next() } else { chunks.next_back() } {
        let (key, row) = chunk?;
        let mut trades = trades_of(&key.value(), row.value(), usize::MAX)?;
        if !ascending {
            trades.reverse();
        }
        if !trades.into_iter().filter(within).all(&mut take) {
            break;
        }
    }
    Ok(())
}

fn trades_of(key: &[u8], row: &[u8], limit: usize) -> Result<Vec<MarketTrade>, ReadStoreError> {
    rows::trades(key, row, limit).ok_or(ReadStoreError::Damaged("trades"))
}

/// The rows between two keys that pass, up to a limit from the end where the scan begins;
/// ascending.
fn scan<T>(
    runs: &Runs,
    low: &[u8],
    high: &[u8],
    direction: Direction,
    limit: usize,
    decode: impl Fn(&[u8], &[u8]) -> Option<T>,
    passes: impl Fn(&T) -> bool,
) -> Result<Vec<T>, ReadStoreError> {
    let mut rows = runs.scan(low, high, direction)?;
    let mut values = Vec::new();
    while values.len() < limit {
        let Some(value) = rows.next(&decode)? else { break };
        if passes(&value) {
            values.push(value);
        }
    }
    if direction == Direction::Descending {
        values.reverse();
    }
    Ok(values)
}

/// The first number of the chunk that holds `number` if any does.
fn chunk_of<const LENGTH: usize>(
    table: &Chunks<LENGTH>,
    key: impl Fn(u64) -> [u8; LENGTH],
    number: u64,
) -> Result<u64, ReadStoreError> {
    let first = key(0);
    let found = table.upper_bound(Bound::Included(&key(number)))?.prev()?.map(|(key, _)| key.value());
    Ok(found.filter(|found| *found >= first).map_or(number, |found| rows::last_number(&found)))
}
