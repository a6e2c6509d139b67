//! Tables, keys and rows: the only file that knows the bytes of the read store.
//!
//! Keys are big-endian, so that ranges scan in order, and begin with the tenant, so that no range
//! leaves it. Rows are written by hand: fixed fields in a fixed order, whole numbers as LEB128
//! (signed ones zigzag), times as eight big-endian bytes. A change of any of them changes
//! [`FORMAT_NUMBER`], and a store of another format is filled anew.

mod entry;
mod instructions;
mod list;
mod transaction;

pub use self::entry::{EntryChunk, at_place, entries, place, place_key, place_of, places, places_of_asset, put_entry};
pub use self::list::{list, list_client_id_hash, put_list};
pub use self::transaction::{
    EventChunk, EventPlace, account_transaction_key, case, event_place, label_hash, pair_key, put_case, put_event,
    put_event_place, transaction_event_key,
};

use redb::TableDefinition;
use rialto_engine::ids::{AccountId, AssetId, ClientOrderId, MarketId, OrderId, TenantId, TradeId};
use rialto_engine::order::{Instructions, OrderKind, Side};
use rialto_engine::units::{Amount, Nanos, Notional, Price, Quantity};
use rialto_engine::update::{OrderView, Status};

use self::instructions::{instructions, put_instructions};
use super::runs::RunTable;
use super::{AccountTrade, MarketTrade};
use crate::kline::{Interval, Kline};

/// Tenant, account, market, order → [`put_order`].
pub const ORDERS: RunTable = RunTable::new(0, "orders", "orders_v1", "orders_runs_v1");
/// Tenant, hash of the client order id, order.
pub const CLIENT_IDS: RunTable = RunTable::new(1, "client_ids", "client_ids_v1", "client_ids_runs_v1");
/// Tenant, account, market, [`trade_side`] → [`put_account_trade`].
pub const ACCOUNT_TRADES: RunTable = RunTable::new(2, "account_trades", "account_trades_v1", "account_trades_runs_v1");
/// Tenant, account, market, order, [`trade_side`] → the same row again, so that the trades of an
/// order lie together.
pub const ORDER_TRADES: RunTable = RunTable::new(3, "order_trades", "order_trades_v1", "order_trades_runs_v1");
/// Tenant, [`place`] of a ledger account, the first number → up to [`NUMBERS_IN_CHUNK`] numbers of
/// entries, ascending.
pub const ACCOUNT_ENTRIES: RunTable =
    RunTable::new(4, "account_entries", "account_entries_v2", "account_entries_runs_v2");
/// Tenant, account, list → [`put_list`].
pub const LISTS: RunTable = RunTable::new(5, "lists", "lists_v1", "lists_runs_v1");
/// Tenant, [`list_client_id_hash`], list.
pub const LIST_CLIENT_IDS: RunTable =
    RunTable::new(6, "list_client_ids", "list_client_ids_v1", "list_client_ids_runs_v1");
/// Tenant, transaction, place of the event in it → [`put_event_place`].
pub const TRANSACTION_EVENTS: RunTable =
    RunTable::new(7, "transaction_events", "transaction_events_v1", "transaction_events_runs_v1");
/// Tenant, [`label_hash`] of the business id, transaction.
pub const TRANSACTION_IDS: RunTable =
    RunTable::new(8, "transaction_ids", "transaction_ids_v1", "transaction_ids_runs_v1");
/// Tenant, transaction, the first number → numbers of entries that came without an event.
pub const TRANSACTION_ENTRIES: RunTable =
    RunTable::new(9, "transaction_entries", "transaction_entries_v1", "transaction_entries_runs_v1");
/// Tenant, account, transaction.
pub const ACCOUNT_TRANSACTIONS: RunTable =
    RunTable::new(10, "account_transactions", "account_transactions_v1", "account_transactions_runs_v1");
/// All tables of runs.
pub const RUN_TABLES: [RunTable; 11] = [
    ORDERS,
    CLIENT_IDS,
    ACCOUNT_TRADES,
    ORDER_TRADES,
    ACCOUNT_ENTRIES,
    LISTS,
    LIST_CLIENT_IDS,
    TRANSACTION_EVENTS,
    TRANSACTION_IDS,
    TRANSACTION_ENTRIES,
    ACCOUNT_TRANSACTIONS,
];

/// Tenant, time → the first order accepted then. No order for at least a second before it has a
/// row, so that a time leads near the right order, not to it.
pub const ORDER_TIMES: TableDefinition<'_, [u8; 12], u64> = TableDefinition::new("order_times_v1");
/// Tenant, market, number of the first → up to [`CHUNK_BYTES`] of successive trades.
pub const TRADES: TableDefinition<'_, [u8; 14], &[u8]> = TableDefinition::new("trades_v1");
/// Tenant, market, interval, open time → [`put_kline`].
pub const KLINES: TableDefinition<'_, [u8; 15], &[u8]> = TableDefinition::new("klines_v1");
/// Tenant, number of the first → up to [`CHUNK_BYTES`] of successive entries.
pub const ENTRIES: TableDefinition<'_, [u8; 12], &[u8]> = TableDefinition::new("entries_v2");
/// Tenant, time → the first entry posted then. No entry of at least [`TIMES_APART`] before it is as
/// late and has none, so that a time leads near the right entry.
pub const ENTRY_TIMES: TableDefinition<'_, [u8; 12], u64> = TableDefinition::new("entry_times_v1");
/// Tenant, number of the first → up to [`CHUNK_BYTES`] of successive events of transactions.
pub const EVENTS: TableDefinition<'_, [u8; 12], &[u8]> = TableDefinition::new("events_v1");
/// Tenant, time → the first transaction opened then, as [`ENTRY_TIMES`].
pub const TRANSACTION_TIMES: TableDefinition<'_, [u8; 12], u64> = TableDefinition::new("transaction_times_v1");
/// Tenant, transaction that is not final → whether it is stuck.
pub const OPEN_TRANSACTIONS: TableDefinition<'_, [u8; 12], bool> = TableDefinition::new("open_transactions_v1");
/// Tenant, case → [`put_case`].
pub const CASES: TableDefinition<'_, [u8; 12], &[u8]> = TableDefinition::new("cases_v1");
/// Tenant, case that is open.
pub const OPEN_CASES: TableDefinition<'_, [u8; 12], ()> = TableDefinition::new("open_cases_v1");
/// Tenant, number of an entry → the head of the chain behind it.
pub const HEADS: TableDefinition<'_, [u8; 12], [u8; 32]> = TableDefinition::new("heads_v1");
/// Name → number.
pub const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta_v1");
/// The journal position the tables agree with.
pub const POSITION: &str = "position";
/// Which bytes the tables are made of.
pub const FORMAT: &str = "format";
/// With any change of a key, a row, a block or a chunk, this changes too.
pub const FORMAT_NUMBER: u64 = 3;

/// How far apart in time entries are that have a row in [`ENTRY_TIMES`], and transactions that have
/// one in [`TRANSACTION_TIMES`].
pub const TIMES_APART: u64 = 10_000_000;

/// Entries and trades are packed: one by one they would cost more in keys than in content, and
/// more of a commit than all else together. A query unpacks a chunk to find one. Three chunks,
/// with their keys, fill one page of the database.
pub const CHUNK_BYTES: usize = 1_330;
/// The most bytes of a time in a chunk.
pub const TIME_BYTES_MAX: usize = 10;
/// How many numbers are packed the same way.
pub const NUMBERS_IN_CHUNK: usize = 256;

/// A key of [`ORDERS`], or of [`ACCOUNT_TRADES`] with a [`trade_side`].
pub fn owned_key(tenant: TenantId, account: AccountId, market: MarketId, number: u64) -> [u8; 18] {
    let mut key = [0; 18];
    key[..4].copy_from_slice(&tenant.0.to_be_bytes());
    key[4..8].copy_from_slice(&account.0.to_be_bytes());
    key[8..10].copy_from_slice(&market.0.to_be_bytes());
    key[10..].copy_from_slice(&number.to_be_bytes());
    key
}

/// The two sides of a trade as numbers that follow each other, maker first. Trade numbers are
/// counted, so that the doubled number fits.
pub const fn trade_side(trade: TradeId, maker: bool) -> u64 {
    (trade.0 << 1) | !maker as u64
}

/// A key of [`ORDER_TRADES`].
pub fn order_trade_key(tenant: TenantId, account: AccountId, market: MarketId, order: OrderId, side: u64) -> [u8; 26] {
    let mut key = [0; 26];
    key[..18].copy_from_slice(&owned_key(tenant, account, market, order.0));
    key[18..].copy_from_slice(&side.to_be_bytes());
    key
}

/// A key of [`TRADES`].
pub fn trade_key(tenant: TenantId, market: MarketId, trade: u64) -> [u8; 14] {
    let mut key = [0; 14];
    key[..4].copy_from_slice(&tenant.0.to_be_bytes());
    key[4..6].copy_from_slice(&market.0.to_be_bytes());
    key[6..].copy_from_slice(&trade.to_be_bytes());
    key
}

/// A key of [`KLINES`].
pub fn kline_key(tenant: TenantId, market: MarketId, interval: Interval, open_time: u64) -> [u8; 15] {
    let mut key = [0; 15];
    key[..4].copy_from_slice(&tenant.0.to_be_bytes());
    key[4..6].copy_from_slice(&market.0.to_be_bytes());
    key[6] = interval.number();
    key[7..].copy_from_slice(&open_time.to_be_bytes());
    key
}

/// A key of a table whose rows have one number each, or of one by time.
pub fn entry_key(tenant: TenantId, number: u64) -> [u8; 12] {
    let mut key = [0; 12];
    key[..4].copy_from_slice(&tenant.0.to_be_bytes());
    key[4..].copy_from_slice(&number.to_be_bytes());
    key
}

/// A key of [`LISTS`], with the number of the list.
pub fn account_entry_key(tenant: TenantId, account: AccountId, number: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..4].copy_from_slice(&tenant.0.to_be_bytes());
    key[4..8].copy_from_slice(&account.0.to_be_bytes());
    key[8..].copy_from_slice(&number.to_be_bytes());
    key
}

/// The tenant that begins a key.
pub fn tenant_of(key: &[u8]) -> TenantId {
    TenantId(key.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes)))
}

/// The number that ends a key.
pub fn last_number(key: &[u8]) -> u64 {
    key.last_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// A key of [`CLIENT_IDS`] or [`LIST_CLIENT_IDS`], with the lower 48 bits of a hash.
pub fn client_id_key(tenant: TenantId, hash: u64, order: u64) -> [u8; 18] {
    let mut key = [0; 18];
    key[..4].copy_from_slice(&tenant.0.to_be_bytes());
    key[4..10].copy_from_slice(&hash.to_be_bytes()[2..]);
    key[10..].copy_from_slice(&order.to_be_bytes());
    key
}

/// FNV-1a over account, market and client order id, for its lower 48 bits. It spreads, it does not prove: a hit is compared with the order.
pub fn client_id_hash(account: AccountId, market: MarketId, client_id: &ClientOrderId) -> u64 {
    let (account, market) = (account.0.to_be_bytes(), market.0.to_be_bytes());
    let bytes = account.iter().chain(&market).chain(client_id.as_str().as_bytes());
    let hash = bytes
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    hash ^ hash >> 48
}

/// What of an order is not in its key.
pub fn put_order(out: &mut Vec<u8>, order: &OrderView) {
    let status = match order.status {
        Status::New => 0,
        Status::PartiallyFilled => 1,
        Status::Filled => 2,
        Status::Canceled => 3,
        Status::Expired => 4,
        Status::Rejected => 5,
        Status::ExpiredInMatch => 6,
        Status::Pending => 7,
    };
    let kind = match order.kind {
        OrderKind::Limit => 0,
        OrderKind::ImmediateOrCancel => 1,
        OrderKind::FillOrKill => 2,
        OrderKind::PostOnly => 3,
        OrderKind::Market => 4,
        OrderKind::MarketByQuote => 5,
        OrderKind::PostOnlySlide => 6,
    };
    let client_id = order.client_id.as_str().as_bytes();
    let plain = order.instructions.is_plain() && order.prevented.is_zero() && order.triggered == Nanos::ZERO;
    out.push(u8::from(!plain) << 7 | u8::from(order.side == Side::Sell) << 6 | kind << 3 | status);
    // At most 36 bytes long.
    out.push(client_id.len() as u8);
    out.extend_from_slice(client_id);
    put_number(out, order.price.0);
    put_number(out, order.quantity.0);
    put_signed(out, order.budget.0);
    put_number(out, order.executed.0);
    put_number(out, order.notional.0);
    out.extend_from_slice(&order.time.0.to_be_bytes());
    put_number(out, zigzag(order.updated.0.wrapping_sub(order.time.0)));
    if !plain {
        put_number(out, order.triggered.0);
        put_number(out, order.prevented.0);
        put_instructions(out, &order.instructions);
    }
}

/// An order from its row and key.
pub fn order(key: &[u8], row: &[u8]) -> Option<OrderView> {
    let key: &[u8; 18] = key.try_into().ok()?;
    let mut row = Row(row);
    let flags = row.byte()?;
    let length = usize::from(row.byte()?);
    let client_id = ClientOrderId::new(std::str::from_utf8(row.bytes(length)?).ok()?)?;
    let view = OrderView {
        id: OrderId(last_number(key)),
        client_id,
        account: AccountId(u32::from_be_bytes([key[4], key[5], key[6], key[7]])),
        market: MarketId(u16::from_be_bytes([key[8], key[9]])),
        side: if flags & 1 << 6 == 0 { Side::Buy } else { Side::Sell },
        kind: match flags >> 3 & 7 {
            0 => OrderKind::Limit,
            1 => OrderKind::ImmediateOrCancel,
            2 => OrderKind::FillOrKill,
            3 => OrderKind::PostOnly,
            4 => OrderKind::Market,
            5 => OrderKind::MarketByQuote,
            6 => OrderKind::PostOnlySlide,
            _ => return None,
        },
        price: Price(row.number()?),
        quantity: Quantity(row.number()?),
        budget: Amount(row.signed()?),
        executed: Quantity(row.number()?),
        notional: Notional(row.number()?),
        status: match flags & 7 {
            0 => Status::New,
            1 => Status::PartiallyFilled,
            2 => Status::Filled,
            3 => Status::Canceled,
            4 => Status::Expired,
            5 => Status::Rejected,
            6 => Status::ExpiredInMatch,
            _ => Status::Pending,
        },
        time: row.time()?,
        updated: Nanos::ZERO,
        instructions: Instructions::default(),
        triggered: Nanos::ZERO,
        prevented: Quantity::ZERO,
    };
    let updated = Nanos(view.time.0.wrapping_add(unzigzag(row.number()?)));
    let view = OrderView { updated, ..view };
    if flags & 1 << 7 == 0 {
        return row.end(view);
    }
    let triggered = Nanos(row.number()?);
    let prevented = Quantity(row.number()?);
    let instructions = instructions(&mut row)?;
    row.end(OrderView { triggered, prevented, instructions, ..view })
}

/// What of one side of a trade is not in its key.
pub fn put_account_trade(out: &mut Vec<u8>, trade: &AccountTrade) {
    out.extend_from_slice(&trade.time.0.to_be_bytes());
    out.push(u8::from(trade.is_buyer));
    put_number(out, trade.order.0);
    put_number(out, trade.price.0);
    put_number(out, trade.quantity.0);
    put_number(out, u64::from(trade.fee_asset.0));
    put_signed(out, trade.fee.0);
}

/// One side of a trade from its row and either key.
pub fn account_trade(key: &[u8], row: &[u8]) -> Option<AccountTrade> {
    let mut row = Row(row);
    let side = last_number(key);
    let trade = AccountTrade {
        id: TradeId(side >> 1),
        is_maker: side & 1 == 0,
        time: row.time()?,
        is_buyer: row.byte()? == 1,
        order: OrderId(row.number()?),
        price: Price(row.number()?),
        quantity: Quantity(row.number()?),
        fee_asset: AssetId(row.number()?.try_into().ok()?),
        fee: Amount(row.signed()?),
    };
    row.end(trade)
}

/// A trade without its number and time, which the chunk around it tells.
pub fn put_trade(out: &mut Vec<u8>, trade: &MarketTrade) {
    out.push(u8::from(trade.is_buyer_maker));
    put_number(out, trade.aggregate);
    put_number(out, trade.price.0);
    put_number(out, trade.quantity.0);
}

/// The first trades of a chunk, from its row and key, up to a limit.
pub fn trades(key: &[u8], row: &[u8], limit: usize) -> Option<Vec<MarketTrade>> {
    let mut row = Row(row);
    let mut trades = Vec::new();
    let (mut number, mut time) = (last_number(key), Nanos::ZERO);
    while !row.0.is_empty() && trades.len() < limit {
        time = Nanos(time.0.wrapping_add(unzigzag(row.number()?)));
        trades.push(MarketTrade {
            id: TradeId(number),
            time,
            is_buyer_maker: row.byte()? == 1,
            aggregate: row.number()?,
            price: Price(row.number()?),
            quantity: Quantity(row.number()?),
        });
        number += 1;
    }
    Some(trades)
}

/// What of a candlestick is not in its key.
pub fn put_kline(out: &mut Vec<u8>, kline: &Kline) {
    for price in [kline.open, kline.high, kline.low, kline.close] {
        put_number(out, price.0);
    }
    put_number(out, kline.trades);
    for sum in [kline.volume, kline.notional, kline.taker_buy_volume, kline.taker_buy_notional] {
        put_wide(out, sum);
    }
}

/// A candlestick from its row and key.
pub fn kline(key: &[u8], row: &[u8]) -> Option<Kline> {
    let mut row = Row(row);
    let kline = Kline {
        open_time: Nanos(last_number(key)),
        open: Price(row.number()?),
        high: Price(row.number()?),
        low: Price(row.number()?),
        close: Price(row.number()?),
        trades: row.number()?,
        volume: row.wide()?,
        notional: row.wide()?,
        taker_buy_volume: row.wide()?,
        taker_buy_notional: row.wide()?,
    };
    row.end(kline)
}

/// Puts an entry, a trade or an event into a chunk, behind one of the time `before`.
pub fn put_in_chunk(out: &mut Vec<u8>, before: Nanos, time: Nanos, row: &[u8]) {
    put_number(out, zigzag(time.0.wrapping_sub(before.0)));
    out.extend_from_slice(row);
}

/// Puts the next of ascending numbers, of which the key holds the first.
pub fn put_next_number(out: &mut Vec<u8>, before: u64, number: u64) {
    put_number(out, number.wrapping_sub(before));
}

/// Adds the numbers of a chunk, from its row and key.
pub fn numbers(key: &[u8], row: &[u8], numbers: &mut Vec<u64>) -> Option<()> {
    let mut row = Row(row);
    let mut number = last_number(key);
    numbers.push(number);
    while !row.0.is_empty() {
        number = number.checked_add(row.number()?)?;
        numbers.push(number);
    }
    Some(())
}

fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 1 << 7 {
        out.push(number as u8 | 1 << 7);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_wide(out: &mut Vec<u8>, mut number: u128) {
    // Nearly every number has 64 bits, which are handled much faster than 128.
    while number > u128::from(u64::MAX) {
        out.push(number as u8 | 1 << 7);
        number >>= 7;
    }
    put_number(out, number as u64);
}

fn put_signed(out: &mut Vec<u8>, number: i128) {
    put_wide(out, (number << 1 ^ number >> 127).cast_unsigned());
}

/// A difference of unsigned numbers, small in either direction, as a small number.
const fn zigzag(difference: u64) -> u64 {
    difference << 1 ^ (difference.cast_signed() >> 63).cast_unsigned()
}

const fn unzigzag(number: u64) -> u64 {
    number >> 1 ^ (number & 1).wrapping_neg()
}

/// What is still to be read of a row. `None` anywhere says that the row is damaged.
struct Row<'a>(&'a [u8]);

impl<'a> Row<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn time(&mut self) -> Option<Nanos> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(Nanos(u64::from_be_bytes(*bytes)))
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 127) << shift;
            if byte < 1 << 7 {
                return Some(number);
            }
        }
        None
    }

    fn wide(&mut self) -> Option<u128> {
        let mut number = 0;
        for shift in (0..128).step_by(7) {
            let byte = self.byte()?;
            number |= u128::from(byte & 127) << shift;
            if byte < 1 << 7 {
                return Some(number);
            }
        }
        None
    }

    /// Passes over so many numbers, at least one, whatever their sizes.
    fn skip_numbers(&mut self, mut count: usize) -> Option<()> {
        for (at, byte) in self.0.iter().enumerate() {
            count -= usize::from(*byte < 1 << 7);
            if count == 0 {
                self.0 = &self.0[at + 1..];
                return Some(());
            }
        }
        None
    }

    fn signed(&mut self) -> Option<i128> {
        let number = self.wide()?;
        Some((number >> 1 ^ (number & 1).wrapping_neg()).cast_signed())
    }

    /// The value, if the row ends here.
    fn end<T>(&self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use rialto_engine::order::{Activation, Distance, SelfTrade, Trail, Trigger};
    use rialto_engine::units::BasisPoints;

    use super::*;

    fn hex(put: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut row = Vec::new();
        put(&mut row);
        row.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn tables_of_runs_are_counted() {
        let indices: Vec<usize> = RUN_TABLES.iter().map(|table| table.index).collect();
        assert_eq!(indices, (0..RUN_TABLES.len()).collect::<Vec<_>>());
    }

    /// If this fails, [`FORMAT_NUMBER`] must change.
    #[test]
    fn the_written_bytes_are_these() {
        let order = OrderView {
            id: OrderId(0x0102),
            client_id: ClientOrderId::new("abc").expect("valid"),
            account: AccountId(0x0304),
            market: MarketId(0x0506),
            side: Side::Sell,
            kind: OrderKind::PostOnly,
            price: Price(300),
            quantity: Quantity(5),
            budget: Amount(-2),
            executed: Quantity(1),
            notional: Notional(300),
            status: Status::PartiallyFilled,
            time: Nanos(0x1122),
            updated: Nanos(0x1121),
            instructions: Instructions::default(),
            triggered: Nanos::ZERO,
            prevented: Quantity::ZERO,
        };
        let key = owned_key(TenantId(7), order.account, order.market, order.id.0);
        assert_eq!(hex(|row| row.extend(key)), "000000070000030405060000000000000102");
        assert_eq!(hex(|row| put_order(row, &order)), "5903616263ac02050301ac02000000000000112201");
        let mut row = Vec::new();
        put_order(&mut row, &order);
        assert_eq!(super::order(&key, &row), Some(order));
        assert_eq!(super::order(&key, &row[1..]), None);
        row.push(0);
        assert_eq!(super::order(&key, &row), None);

        let distance = Distance::Share(BasisPoints(250));
        let trail = Trail { distance, activation: Some(Activation::Fall(Price(7))) };
        let (self_trade, trigger) = (SelfTrade::Decrement, Some(Trigger::TrailFall(trail)));
        let instructions = Instructions { self_trade, trigger, ..Instructions::default() };
        let asking = OrderView { instructions, triggered: Nanos(9), prevented: Quantity(3), ..order };
        let mut row = Vec::new();
        put_order(&mut row, &asking);
        assert_eq!(hex(|bytes| bytes.extend(&row)), "d903616263ac02050301ac02000000000000112201090344fa010207");
        assert_eq!(super::order(&key, &row), Some(asking));

        let hash = client_id_hash(order.account, order.market, &order.client_id);
        assert_eq!(hex(|row| row.extend(client_id_key(TenantId(7), hash, 9))), "00000007765219801ea40000000000000009");

        let trade = AccountTrade {
            id: TradeId(4),
            order: OrderId(200),
            price: Price(1),
            quantity: Quantity(2),
            fee: Amount(3),
            fee_asset: AssetId(4),
            time: Nanos(5),
            is_buyer: true,
            is_maker: false,
        };
        assert_eq!(hex(|row| put_account_trade(row, &trade)), "000000000000000501c80101020406");
        let key = order_trade_key(TenantId(7), AccountId(1), MarketId(2), OrderId(200), trade_side(TradeId(4), false));
        assert_eq!(hex(|row| row.extend(key)), "0000000700000001000200000000000000c80000000000000009");

        let trade = MarketTrade {
            id: TradeId(1),
            aggregate: 2,
            price: Price(3),
            quantity: Quantity(4),
            time: Nanos(5),
            is_buyer_maker: true,
        };
        assert_eq!(hex(|row| put_trade(row, &trade)), "01020304");

        let kline = Kline {
            open_time: Nanos(0),
            open: Price(1),
            high: Price(2),
            low: Price(3),
            close: Price(4),
            volume: 5,
            notional: 1 << 70,
            trades: 6,
            taker_buy_volume: 7,
            taker_buy_notional: 8,
        };
        assert_eq!(hex(|row| put_kline(row, &kline)), "01020304060580808080808080808080010708");
        let key = kline_key(TenantId(7), MarketId(2), Interval::OneMonth, 3);
        assert_eq!(hex(|row| row.extend(key)), "000000070002100000000000000003");
    }
}
