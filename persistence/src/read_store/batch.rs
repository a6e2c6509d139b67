//! Rows on their way into the store.

mod money;

use std::collections::hash_map::{self, HashMap};

use redb::{ReadableTable, Table, WriteTransaction};
use rialto_engine::ids::{MarketId, TenantId};
use rialto_engine::message::Fill;
use rialto_engine::order::Side;
use rialto_engine::units::{Nanos, Price, Quantity};
use rialto_engine::update::{ListView, OrderEvent, OrderUpdate};
use rialto_engine::wallet::{Entry, WalletOutput};

pub use self::money::{CurrentChains, HEADS_APART};
use self::money::{Entries, Transactions, write_times};
use super::rows::{self, CHUNK_BYTES, TIME_BYTES_MAX};
use super::{AccountTrade, MarketTrade, ReadStoreError};
use crate::kline::{Interval, Kline};

/// How far apart in time the orders are that have a row in [`rows::ORDER_TIMES`].
const ORDER_TIMES_APART: u64 = 1_000_000_000;

/// Rows collected in memory, to be written by one commit. It keeps its memory between commits, so
/// that one batch serves for all.
///
/// What happens to one thing must be added in the order of the journal; between tenants, and
/// between updates, fills and entries, the order does not matter.
#[derive(Debug, Default)]
pub struct Batch {
    orders: Rows<18>,
    client_ids: Vec<[u8; 18]>,
    order_times: Vec<(TenantId, Nanos, u64)>,
    account_trades: Rows<18>,
    order_trades: Rows<26>,
    trades: Rows<14>,
    trade_times: Vec<Nanos>,
    fills: Vec<Traded>,
    entries: Entries,
    transactions: Transactions,
    lists: Rows<16>,
    list_client_ids: Vec<[u8; 18]>,
    added: usize,
}

/// What candlesticks need to know of a fill.
#[derive(Clone, Copy, Debug)]
struct Traded {
    market: (TenantId, MarketId),
    time: Nanos,
    price: Price,
    quantity: Quantity,
    taker_buy: bool,
}

/// What grows from commit to commit. The store keeps it between them.
#[derive(Debug, Default)]
pub struct Growing {
    klines: CurrentKlines,
    chains: CurrentChains,
}

/// The candlesticks that markets are in, by interval.
type CurrentKlines = HashMap<(TenantId, MarketId), [Option<Current>; Interval::ALL.len()]>;

/// A candlestick that may still grow.
#[derive(Clone, Copy, Debug)]
struct Current {
    kline: Kline,
    close_time: Nanos,
    changed: bool,
}

impl Batch {
    /// Adds what happened to an order. The last update of an order in the batch is its state.
    pub fn update(&mut self, tenant: TenantId, update: &OrderUpdate) {
        let order = &update.order;
        self.added += 1;
        let key = rows::owned_key(tenant, order.account, order.market, order.id.0);
        self.orders.push(key, |row| rows::put_order(row, order));
        match update.event {
            // One of these is the first that is heard of an order.
            OrderEvent::New | OrderEvent::Rejected(_) => {
                let hash = rows::client_id_hash(order.account, order.market, &order.client_id);
                self.client_ids.push(rows::client_id_key(tenant, hash, order.id.0));
                self.order_times.push((tenant, order.time, order.id.0));
            }
            OrderEvent::Trade(execution) => {
                let side = rows::trade_side(execution.trade, execution.maker);
                let trade = AccountTrade {
                    id: execution.trade,
                    order: order.id,
                    price: execution.price,
                    quantity: execution.quantity,
                    fee: execution.fee,
                    fee_asset: execution.fee_asset,
                    time: order.updated,
                    is_buyer: order.side == Side::Buy,
                    is_maker: execution.maker,
                };
                let key = rows::owned_key(tenant, order.account, order.market, side);
                self.account_trades.push(key, |row| rows::put_account_trade(row, &trade));
                let key = rows::order_trade_key(tenant, order.account, order.market, order.id, side);
                self.order_trades.push(key, |row| rows::put_account_trade(row, &trade));
            }
            OrderEvent::Canceled
            | OrderEvent::Expired(_)
            | OrderEvent::Reduced
            | OrderEvent::Triggered
            | OrderEvent::Prevented(..) => {}
        }
    }

    /// Adds a list of orders, which stays as it was placed. What becomes of its orders stands with them.
    pub fn list(&mut self, tenant: TenantId, list: &ListView) {
        self.added += 1;
        let key = rows::account_entry_key(tenant, list.account, list.id.0);
        self.lists.push(key, |row| rows::put_list(row, list));
        let hash = rows::list_client_id_hash(list.account, &list.client_id);
        self.list_client_ids.push(rows::client_id_key(tenant, hash, list.id.0));
    }

    /// Adds a trade of a market.
    pub fn fill(&mut self, tenant: TenantId, market: MarketId, time: Nanos, fill: &Fill) {
        let Fill { trade, aggregate, price, quantity, taker_side, .. } = *fill;
        let taker_buy = taker_side == Side::Buy;
        self.added += 1;
        let row = MarketTrade { id: trade, aggregate, price, quantity, time, is_buyer_maker: !taker_buy };
        self.trades.push(rows::trade_key(tenant, market, trade.0), |bytes| rows::put_trade(bytes, &row));
        self.trade_times.push(time);
        self.fills.push(Traded { market: (tenant, market), time, price, quantity, taker_buy });
    }

    /// Adds an entry of a wallet.
    pub fn entry(&mut self, tenant: TenantId, entry: &Entry) {
        self.added += 1;
        self.entries.add(tenant, entry);
    }

    /// Adds what a command of a transaction did beside its entries, which are added by
    /// [`Self::entry`]: events and cases.
    pub fn transacted(&mut self, tenant: TenantId, output: &WalletOutput) {
        self.added += output.events.len() + output.cases.len();
        self.transactions.add(tenant, output);
    }

    /// How many updates, lists, fills, entries, events and cases were added.
    #[must_use]
    pub fn len(&self) -> usize {
        self.added
    }

    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added == 0
    }

    /// Forgets what was added.
    pub fn clear(&mut self) {
        self.orders.clear();
        self.client_ids.clear();
        self.order_times.clear();
        self.account_trades.clear();
        self.order_trades.clear();
        self.trades.clear();
        self.trade_times.clear();
        self.fills.clear();
        self.entries.clear();
        self.transactions.clear();
        self.lists.clear();
        self.list_client_ids.clear();
        self.added = 0;
    }

    /// Writes everything, sorted by key, so that the rows of a page follow each other.
    pub(super) fn write(
        &mut self,
        transaction: &WriteTransaction,
        growing: &mut Growing,
    ) -> Result<(), ReadStoreError> {
        self.orders.sort();
        rows::ORDERS.write(transaction, self.orders.newest().map(bytes))?;
        rows::CLIENT_IDS.write(transaction, keys(&mut self.client_ids))?;
        self.account_trades.sort();
        rows::ACCOUNT_TRADES.write(transaction, self.account_trades.newest().map(bytes))?;
        self.order_trades.sort();
        rows::ORDER_TRADES.write(transaction, self.order_trades.newest().map(bytes))?;
        self.lists.sort();
        rows::LISTS.write(transaction, self.lists.newest().map(bytes))?;
        rows::LIST_CLIENT_IDS.write(transaction, keys(&mut self.list_client_ids))?;
        self.trades.sort();
        write_chunks(&mut transaction.open_table(rows::TRADES)?, &self.trades, &self.trade_times)?;
        self.entries.write(transaction, &mut growing.chains)?;
        self.transactions.write(transaction)?;
        let mut order_times = transaction.open_table(rows::ORDER_TIMES)?;
        write_times(&mut order_times, &mut self.order_times, ORDER_TIMES_APART)?;
        self.write_klines(transaction, &mut growing.klines)
    }

    fn write_klines(
        &mut self,
        transaction: &WriteTransaction,
        klines: &mut CurrentKlines,
    ) -> Result<(), ReadStoreError> {
        let mut table = transaction.open_table(rows::KLINES)?;
        // Stable: the trades of a market stay in order.
        self.fills.sort_by_key(|fill| fill.market);
        for fills in self.fills.chunk_by(|left, right| left.market == right.market) {
            let (tenant, market) = fills[0].market;
            let current = match klines.entry((tenant, market)) {
                hash_map::Entry::Occupied(current) => current.into_mut(),
                hash_map::Entry::Vacant(vacant) => {
                    let mut latest = [None; Interval::ALL.len()];
                    for (slot, interval) in latest.iter_mut().zip(Interval::ALL) {
                        let kline = latest_kline(&table, tenant, market, interval)?;
                        *slot = kline.map(|kline| Current::new(interval, kline));
                    }
                    vacant.insert(latest)
                }
            };
            for (slot, interval) in current.iter_mut().zip(Interval::ALL) {
                for fill in fills {
                    let kline = match slot {
                        Some(kline) if kline.contains(fill.time) => kline,
                        _ => {
                            if let Some(passed) = slot {
                                passed.write(&mut table, tenant, market, interval)?;
                            }
                            slot.insert(Current::load(&table, tenant, market, interval, fill.time)?)
                        }
                    };
                    kline.kline.add(fill.price, fill.quantity, fill.taker_buy);
                    kline.changed = true;
                }
                if let Some(kline) = slot {
                    kline.write(&mut table, tenant, market, interval)?;
                }
            }
        }
        Ok(())
    }
}

impl Current {
    fn new(interval: Interval, kline: Kline) -> Self {
        Self { kline, close_time: interval.close_time(kline.open_time), changed: false }
    }

    fn contains(&self, time: Nanos) -> bool {
        (self.kline.open_time..=self.close_time).contains(&time)
    }

    /// The candlestick that contains `time`. It may be there even if another was current: time
    /// stamps of a journal are not promised to ascend.
    fn load(
        table: &Table<'_, [u8; 15], &'static [u8]>,
        tenant: TenantId,
        market: MarketId,
        interval: Interval,
        time: Nanos,
    ) -> Result<Self, ReadStoreError> {
        let open_time = interval.open_time(time);
        let key = rows::kline_key(tenant, market, interval, open_time.0);
        let kline = match table.get(&key)? {
            Some(row) => rows::kline(&key, row.value()).ok_or(ReadStoreError::Damaged("klines"))?,
            None => Kline::new(open_time),
        };
        Ok(Self::new(interval, kline))
    }

    fn write(
        &mut self,
        table: &mut Table<'_, [u8; 15], &'static [u8]>,
        tenant: TenantId,
        market: MarketId,
        interval: Interval,
    ) -> Result<(), ReadStoreError> {
        if self.changed {
            let mut row = Vec::with_capacity(96);
            rows::put_kline(&mut row, &self.kline);
            table.insert(&rows::kline_key(tenant, market, interval, self.kline.open_time.0), row.as_slice())?;
            self.changed = false;
        }
        Ok(())
    }
}

/// The latest candlestick of a market.
pub fn latest_kline(
    table: &impl ReadableTable<[u8; 15], &'static [u8]>,
    tenant: TenantId,
    market: MarketId,
    interval: Interval,
) -> Result<Option<Kline>, ReadStoreError> {
    let key = |open_time| rows::kline_key(tenant, market, interval, open_time);
    let Some(latest) = table.range(key(0)..=key(u64::MAX))?.next_back() else { return Ok(None) };
    let (key, row) = latest?;
    rows::kline(&key.value(), row.value()).map(Some).ok_or(ReadStoreError::Damaged("klines"))
}

/// Encoded rows behind each other, and where they are.
#[derive(Debug)]
struct Rows<const LENGTH: usize> {
    bytes: Vec<u8>,
    places: Vec<([u8; LENGTH], Place)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    index: u32,
    length: u32,
    start: usize,
}

impl<const LENGTH: usize> Default for Rows<LENGTH> {
    fn default() -> Self {
        Self { bytes: Vec::new(), places: Vec::new() }
    }
}

impl<const LENGTH: usize> Rows<LENGTH> {
    fn push(&mut self, key: [u8; LENGTH], put: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        put(&mut self.bytes);
        // A batch of four billion rows would not fit the memory of the machine.
        let place = Place { index: self.places.len() as u32, length: (self.bytes.len() - start) as u32, start };
        self.places.push((key, place));
    }

    /// By key, then in the order of arrival.
    fn sort(&mut self) {
        self.places.sort_unstable_by_key(|(key, place)| (number(key), place.index));
    }

    /// The last row of each key, once sorted, with the number of its arrival.
    fn newest(&self) -> impl Iterator<Item = (usize, &[u8; LENGTH], &[u8])> {
        self.places.iter().enumerate().filter_map(|(sorted, (key, place))| {
            let replaced = self.places.get(sorted + 1).is_some_and(|(next, _)| next == key);
            let row = &self.bytes[place.start..place.start + place.length as usize];
            (!replaced).then_some((place.index as usize, key, row))
        })
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.places.clear();
    }
}

/// A key of at most 32 bytes as numbers in the same order, which compare several times faster than bytes.
fn number<const LENGTH: usize>(key: &[u8; LENGTH]) -> [u128; 2] {
    let mut wide = [0; 32];
    wide[..LENGTH].copy_from_slice(key);
    let part = |from: usize| wide[from..].first_chunk().map_or(0, |bytes| u128::from_be_bytes(*bytes));
    [part(0), part(16)]
}

/// Keys without rows, sorted, each once.
fn keys<const LENGTH: usize>(keys: &mut Vec<[u8; LENGTH]>) -> impl Iterator<Item = (&[u8], &[u8])> {
    keys.sort_unstable_by_key(number);
    keys.dedup();
    keys.iter().map(|key| (key.as_slice(), &[][..]))
}

fn bytes<'a, const LENGTH: usize>((_, key, row): (usize, &'a [u8; LENGTH], &'a [u8])) -> (&'a [u8], &'a [u8]) {
    (key, row)
}

/// Writes rows whose keys end with numbers, packing those of successive numbers.
fn write_chunks<const LENGTH: usize>(
    table: &mut Table<'_, [u8; LENGTH], &'static [u8]>,
    rows: &Rows<LENGTH>,
    times: &[Nanos],
) -> Result<(), ReadStoreError> {
    let (mut chunk, mut count) = (Vec::with_capacity(4_096), 0);
    let (mut first, mut last, mut last_time) = ([0; LENGTH], [0; LENGTH], Nanos::ZERO);
    for (index, key, row) in rows.newest() {
        let follows = rows::last_number(key).checked_sub(rows::last_number(&last)) == Some(1)
            && key[..LENGTH - 8] == last[..LENGTH - 8];
        if count == 0 || !follows || chunk.len() + row.len() + TIME_BYTES_MAX > CHUNK_BYTES {
            if count > 0 {
                table.insert(&first, chunk.as_slice())?;
            }
            chunk.clear();
            (first, count, last_time) = (*key, 0, Nanos::ZERO);
        }
        let time = times[index];
        rows::put_in_chunk(&mut chunk, last_time, time, row);
        (last, last_time) = (*key, time);
        count += 1;
    }
    if count > 0 {
        table.insert(&first, chunk.as_slice())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_the_order_of_their_bytes_whatever_their_length() {
        fn check<const LENGTH: usize>() {
            let mut state = 1_u64;
            let mut key = || {
                [0; LENGTH].map(|_: u8| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    // Few values, so that keys share long beginnings.
                    [0, 1, 127, 128, 255][(state >> 40) as usize % 5]
                })
            };
            let mut keys: Vec<[u8; LENGTH]> = (0..2_000).map(|_| key()).collect();
            for place in 0..LENGTH {
                let mut other = keys[place];
                other[place] ^= 1;
                keys.push(other);
            }
            let mut expected = keys.clone();
            expected.sort_unstable();
            keys.sort_unstable_by_key(number);
            assert_eq!(keys, expected);
        }
        check::<12>();
        check::<16>();
        check::<18>();
        check::<20>();
        check::<26>();
        check::<32>();
    }
}
