//! The read store against a naive twin that keeps everything in lists.

mod money;
mod script;
mod twin;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rialto_engine::ids::{AccountId, AssetId, ClientOrderId, MarketId, OrderId, RailId, TenantId, TradeId};
use rialto_engine::message::Fill;
use rialto_engine::units::{Amount, Nanos};
use rialto_engine::update::{ListView, OrderUpdate, OrderView};
use rialto_engine::wallet::{Cause, Entry, LedgerAccount, WalletOutput};
use rialto_persistence::kline::Interval;
use rialto_persistence::read_store::{AccountTrade, Batch, ReadStore, ReadStoreError, Window};
use script::Script;
use twin::Twin;

const TENANTS: [TenantId; 2] = [TenantId(1), TenantId(2)];
const MARKETS: [MarketId; 2] = [MarketId(0), MarketId(1)];
const ACCOUNTS: [AccountId; 3] = [AccountId(0), AccountId(1), AccountId(2)];
const CACHE_BYTES: usize = 4 << 20;

/// One thing that the follower tells the store.
#[derive(Clone)]
#[expect(clippy::large_enum_variant, reason = "a test keeps a few thousand of them")]
enum Event {
    Update(TenantId, OrderUpdate),
    Fill(TenantId, MarketId, Nanos, Fill),
    Entry(TenantId, Entry),
    List(TenantId, ListView),
    Transacted(TenantId, Arc<WalletOutput>),
}

fn add(batch: &mut Batch, event: &Event) {
    match event {
        Event::Update(tenant, update) => batch.update(*tenant, update),
        Event::Fill(tenant, market, time, fill) => batch.fill(*tenant, *market, *time, fill),
        Event::Entry(tenant, entry) => batch.entry(*tenant, entry),
        Event::List(tenant, list) => batch.list(*tenant, list),
        Event::Transacted(tenant, output) => batch.transacted(*tenant, output),
    }
}

/// How many rows an event adds.
fn rows(event: &Event) -> usize {
    match event {
        Event::Transacted(_, output) => output.events.len() + output.cases.len(),
        _ => 1,
    }
}

/// What a window leaves of a history: from its begin if it has one, else from the end.
fn within<T: Clone>(
    all: &[T],
    window: &Window<u64>,
    limit: usize,
    id: impl Fn(&T) -> u64,
    time: impl Fn(&T) -> Nanos,
) -> Vec<T> {
    let found: Vec<T> = all
        .iter()
        .filter(|value| window.from_id.is_none_or(|from| id(value) >= from))
        .filter(|value| window.from_time.is_none_or(|from| time(value) >= from))
        .filter(|value| window.to_time.is_none_or(|to| time(value) <= to))
        .cloned()
        .collect();
    let latest = window.from_id.is_none() && window.from_time.is_none();
    let start = if latest { found.len().saturating_sub(limit) } else { 0 };
    found[start..].iter().take(limit).cloned().collect()
}

fn windows(ids: &[u64], times: &[Nanos]) -> Vec<Window<u64>> {
    let mut bounds_id = vec![None];
    bounds_id.extend([ids.get(ids.len() / 3), ids.last()].into_iter().flatten().map(|id| Some(*id)));
    let mut bounds_time = vec![None, Some(Nanos(u64::MAX))];
    for time in [times.first(), times.get(times.len() / 2), times.last()].into_iter().flatten() {
        bounds_time.extend([time.0 - 1, time.0, time.0 + 1].map(|time| Some(Nanos(time))));
    }
    let mut windows = Vec::new();
    for from_id in &bounds_id {
        for from_time in &bounds_time {
            for to_time in &bounds_time {
                windows.push(Window { from_id: *from_id, from_time: *from_time, to_time: *to_time });
            }
        }
    }
    windows
}

fn cast<Id>(window: &Window<u64>, id: impl Fn(u64) -> Id) -> Window<Id> {
    Window { from_id: window.from_id.map(id), from_time: window.from_time, to_time: window.to_time }
}

/// Asks the store everything it can be asked and compares each answer with the twin's.
fn check(store: &ReadStore, events: &[Event]) {
    let twin = Twin(events);
    for tenant in [TENANTS[0], TENANTS[1], TenantId(3)] {
        for market in [MARKETS[0], MARKETS[1], MarketId(9)] {
            check_market(store, &twin, tenant, market);
            for account in [ACCOUNTS[0], ACCOUNTS[1], ACCOUNTS[2], AccountId(7)] {
                check_orders(store, &twin, tenant, account, market);
                check_account_trades(store, &twin, tenant, account, market);
            }
        }
        for account in [ACCOUNTS[0], ACCOUNTS[1], ACCOUNTS[2], AccountId(7)] {
            check_lists(store, &twin, tenant, account);
        }
        money::check_ledger(store, &twin, tenant);
        money::check_transactions(store, &twin, tenant);
        for account in [None, Some(ACCOUNTS[0]), Some(ACCOUNTS[1]), Some(AccountId(7))] {
            let all = twin.entries(tenant, account);
            for from in [None, Some(0), Some(1), Some(64), Some(65), Some(all.len() as u64), Some(u64::MAX)] {
                for limit in [0, 1, 63, 200, usize::MAX] {
                    let window = Window { from_id: from, ..Window::default() };
                    let expected = within(&all, &window, limit, |entry| entry.number, |entry| entry.time);
                    assert_eq!(store.entries(tenant, account, from, limit).expect("reads"), expected);
                }
            }
        }
    }
}

fn check_orders(store: &ReadStore, twin: &Twin<'_>, tenant: TenantId, account: AccountId, market: MarketId) {
    let all = twin.orders(tenant, account, market);
    let ids: Vec<u64> = all.iter().map(|order| order.id.0).collect();
    let times: Vec<Nanos> = all.iter().map(|order| order.time).collect();
    for window in windows(&ids, &times) {
        for limit in [1, 7, usize::MAX] {
            let expected = within(&all, &window, limit, |order| order.id.0, |order| order.time);
            let found = store.orders(tenant, account, market, &cast(&window, OrderId), limit).expect("reads");
            assert_eq!(found, expected, "{window:?}");
        }
    }
    for id in (1..=ids.last().map_or(1, |id| id + 1)).step_by(3) {
        let expected = all.iter().find(|order| order.id.0 == id).copied();
        assert_eq!(store.order(tenant, account, market, OrderId(id)).expect("reads"), expected);
    }
    for name in ["order-0", "order-7", "order-24", "order-25"] {
        let name = ClientOrderId::new(name).expect("valid");
        let expected = all.iter().rev().find(|order| order.client_id == name).copied();
        assert_eq!(store.order_by_client_id(tenant, account, market, &name).expect("reads"), expected);
    }
}

fn check_lists(store: &ReadStore, twin: &Twin<'_>, tenant: TenantId, account: AccountId) {
    let all = twin.lists(tenant, account);
    let ids: Vec<u64> = all.iter().map(|list| list.id.0).collect();
    let times: Vec<Nanos> = all.iter().map(|list| list.time).collect();
    for window in windows(&ids, &times) {
        for limit in [1, 7, usize::MAX] {
            let expected = within(&all, &window, limit, |list| list.id.0, |list| list.time);
            let found = store.lists(tenant, account, &cast(&window, OrderId), limit).expect("reads");
            assert_eq!(found, expected, "{window:?}");
        }
    }
    for list in &all {
        assert_eq!(store.list(tenant, account, list.id).expect("reads").as_ref(), Some(list));
        let orders = twin.orders(tenant, account, list.market);
        let expected: Vec<OrderView> =
            orders.into_iter().filter(|order| list.orders.iter().any(|(id, _)| *id == order.id)).collect();
        assert_eq!(store.orders_of_list(tenant, account, list.id).expect("reads"), expected);
        let other = AccountId(account.0 + 1);
        assert_eq!(store.list(tenant, other, list.id).expect("reads"), None, "another's list is unknown");
        assert_eq!(store.orders_of_list(tenant, other, list.id).expect("reads"), []);
    }
    for name in ["list-0", "list-8", "list-9"] {
        let name = ClientOrderId::new(name).expect("valid");
        let expected = all.iter().rev().find(|list| list.client_id == name);
        assert_eq!(store.list_by_client_id(tenant, account, &name).expect("reads").as_ref(), expected);
    }
}

fn check_account_trades(store: &ReadStore, twin: &Twin<'_>, tenant: TenantId, account: AccountId, market: MarketId) {
    let all = twin.account_trades(tenant, account, market);
    let ids: Vec<u64> = all.iter().map(|trade| trade.id.0).collect();
    let times: Vec<Nanos> = all.iter().map(|trade| trade.time).collect();
    let mut orders: Vec<Option<OrderId>> = vec![None, Some(OrderId(1)), Some(OrderId(1_000_000))];
    orders.extend(all.get(all.len() / 2).map(|trade| Some(trade.order)));
    for order in orders {
        let all: Vec<_> = all.iter().filter(|trade| order.is_none_or(|order| trade.order == order)).copied().collect();
        for window in windows(&ids, &times) {
            for limit in [1, 8, usize::MAX] {
                let rows = within(&all, &window, limit, |trade| trade.id.0, |trade| trade.time);
                // A trade with itself is told whole.
                let is_told = |trade: &AccountTrade| rows.iter().any(|row| row.id == trade.id);
                let expected: Vec<AccountTrade> = all.iter().copied().filter(is_told).collect();
                let window = cast(&window, TradeId);
                let found = store.account_trades(tenant, account, market, order, &window, limit).expect("reads");
                assert_eq!(found, expected, "{order:?} {window:?}");
            }
        }
    }
}

fn check_market(store: &ReadStore, twin: &Twin<'_>, tenant: TenantId, market: MarketId) {
    let all = twin.trades(tenant, market);
    for from in [None, Some(0), Some(1), Some(64), Some(65), Some(all.len() as u64), Some(all.len() as u64 + 1)] {
        for limit in [0, 1, 64, 65, usize::MAX] {
            let window = Window { from_id: from, ..Window::default() };
            let expected = within(&all, &window, limit, |trade| trade.id.0, |trade| trade.time);
            assert_eq!(store.trades(tenant, market, from.map(TradeId), limit).expect("reads"), expected);
        }
    }
    let all = twin.aggregates(tenant, market);
    let ids: Vec<u64> = all.iter().map(|aggregate| aggregate.id).collect();
    let times: Vec<Nanos> = all.iter().map(|aggregate| aggregate.time).collect();
    for window in windows(&ids, &times) {
        for limit in [0, 1, 9, usize::MAX] {
            let expected = within(&all, &window, limit, |aggregate| aggregate.id, |aggregate| aggregate.time);
            assert_eq!(store.aggregate_trades(tenant, market, &window, limit).expect("reads"), expected, "{window:?}");
        }
    }
    let mut latest = Vec::new();
    for interval in Interval::ALL {
        let all = twin.klines(tenant, market, interval);
        latest.extend(all.last().map(|kline| (interval, *kline)));
        let times: Vec<Nanos> = all.iter().map(|kline| kline.open_time).collect();
        for window in windows(&[], &times).into_iter().filter(|window| window.from_id.is_none()) {
            for limit in [1, 5, usize::MAX] {
                let expected = within(&all, &window, limit, |_| 0, |kline| kline.open_time);
                let found = store.klines(tenant, market, interval, window.from_time, window.to_time, limit);
                assert_eq!(found.expect("reads"), expected, "{interval:?} {window:?}");
            }
        }
    }
    assert_eq!(store.latest_klines(tenant, market).expect("reads"), latest);
}

fn open(path: &Path) -> ReadStore {
    ReadStore::open(path, CACHE_BYTES).expect("opens")
}

#[test]
fn every_query_answers_like_the_twin() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("read.redb");
    let mut store = open(&path);
    check(&store, &[]);
    let (mut script, mut batch, mut written, mut durable) = (Script::new(), store.begin(), 0, 0);
    for round in 1..=200_u64 {
        for _ in 0..script.below(12) {
            script.step();
        }
        for event in &script.events[written..] {
            add(&mut batch, event);
        }
        assert_eq!(batch.len(), script.events[written..].iter().map(rows).sum::<usize>());
        written = script.events.len();
        store.commit(&mut batch, round, round % 7 == 0).expect("commits");
        assert!(batch.is_empty());
        if round % 7 == 0 {
            durable = round;
        }
        if [3, 100].contains(&round) {
            check(&store, &script.events);
            // Closed in good order, it keeps also what was not durable.
            drop(store);
            store = open(&path);
            durable = round;
        }
        assert_eq!((store.position(), store.durable_position()), (round, durable));
    }
    check(&store, &script.events);
}

/// The bytes of the file as the kernel has them are what a killed process leaves behind.
#[test]
fn a_crash_goes_back_to_the_last_durable_commit_and_a_replay_gives_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("read.redb");
    let mut script = Script::new();
    let mut ends = vec![0];
    for _ in 0..120 {
        for _ in 0..8 {
            script.step();
        }
        ends.push(script.events.len());
    }
    let events = &script.events;
    let write = |store: &ReadStore, from: u64, to: u64, durable_every: u64| {
        let mut batch = store.begin();
        for position in from + 1..=to {
            for event in &events[ends[position as usize - 1]..ends[position as usize]] {
                add(&mut batch, event);
            }
            store.commit(&mut batch, position, position % durable_every == 0).expect("commits");
        }
    };
    let mut store = open(&path);
    let mut begin = 0;
    for (generation, crash_at) in [5, 11, 23, 48, 93].into_iter().enumerate() {
        write(&store, begin, crash_at, 10);
        let durable = store.durable_position();
        assert_eq!((store.position(), durable), (crash_at, (crash_at / 10 * 10).max(begin)));
        let crashed = folder.path().join(format!("crashed-{generation}.redb"));
        std::fs::copy(&path, &crashed).expect("copies");
        drop(store);
        std::fs::copy(&crashed, &path).expect("copies");
        store = open(&path);
        assert_eq!((store.position(), store.durable_position()), (durable, durable));
        if generation == 2 {
            check(&store, &events[..ends[durable as usize]]);
        }
        begin = durable;
    }
    write(&store, begin, 120, 10);
    check(&store, events);
}

#[test]
fn a_commit_that_fails_leaves_no_trace() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder.path().join("read.redb"));
    let mut script = Script::new();
    for _ in 0..50 {
        script.step();
    }
    let mut batch = store.begin();
    for event in &script.events {
        add(&mut batch, event);
    }
    store.commit(&mut batch, 10, false).expect("commits");
    for event in &script.events {
        add(&mut batch, event);
    }
    let refused = store.commit(&mut batch, 9, true);
    assert!(matches!(refused, Err(ReadStoreError::Backwards { position: 10, target: 9 })), "{refused:?}");
    assert_eq!((store.position(), store.durable_position(), batch.is_empty()), (10, 0, false));
    check(&store, &script.events);
    batch.clear();
    store.commit(&mut batch, 10, true).expect("commits");
    assert_eq!(store.durable_position(), 10);
    check(&store, &script.events);
}

/// What an older format lacks is in the journal; a later one is not known here.
#[test]
fn a_store_of_an_older_format_is_made_anew_and_one_of_a_later_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("read.redb");
    let mut script = Script::new();
    (0..300).for_each(|_| script.step());
    let store = open(&path);
    let mut batch = store.begin();
    script.events.iter().for_each(|event| add(&mut batch, event));
    store.commit(&mut batch, 10, true).expect("commits");
    drop(store);
    let meta = redb::TableDefinition::<&str, u64>::new("meta_v1");
    let mark = |format: u64| {
        let database = redb::Database::open(&path).expect("opens");
        let transaction = database.begin_write().expect("begins");
        let mut table = transaction.open_table(meta).expect("is there");
        let before = table.insert("format", format).expect("takes it").map(|before| before.value());
        drop(table);
        transaction.commit().expect("commits");
        before
    };
    for format in [1, 2] {
        assert_eq!(mark(format), Some(3));
        let store = open(&path);
        assert_eq!(store.position(), 0);
        check(&store, &[]);
        let mut batch = store.begin();
        script.events.iter().for_each(|event| add(&mut batch, event));
        store.commit(&mut batch, 10, true).expect("commits");
    }
    let store = open(&path);
    assert_eq!(store.position(), 10, "one of the format of now is left as it is");
    check(&store, &script.events);
    drop(store);
    assert_eq!(mark(4), Some(3));
    let refused = ReadStore::open(&path, CACHE_BYTES).err();
    assert!(matches!(refused, Some(ReadStoreError::Format(4))), "{refused:?}");
}

#[test]
fn a_waiter_wakes_when_its_position_is_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("read.redb");
    let store = open(&path);
    assert!(store.wait_for(0, Duration::ZERO));
    assert!(!store.wait_for(1, Duration::from_millis(5)));
    let (entry, tenant) = (entry(), TENANTS[0]);
    let waiter = std::thread::spawn({
        let store = store.clone();
        move || {
            let there = store.wait_for(3, Duration::from_secs(60));
            there && store.entries(tenant, None, None, 1).expect("reads") == [entry]
        }
    });
    let mut batch = store.begin();
    for position in 1..=3 {
        if position == 3 {
            batch.entry(tenant, &entry);
        }
        store.commit(&mut batch, position, false).expect("commits");
    }
    assert!(waiter.join().expect("ends"));
    assert!(ReadStore::open(&path, CACHE_BYTES).is_err(), "a second owner is refused");
}

fn entry() -> Entry {
    let (debit, credit) = (LedgerAccount::External(RailId::DIRECT), LedgerAccount::Available(ACCOUNTS[0]));
    Entry {
        number: 1,
        time: Nanos(1),
        asset: AssetId(0),
        debit,
        credit,
        amount: Amount(1),
        debit_after: Amount(0),
        credit_after: Amount(0),
        cause: Cause::Deposit(1),
    }
}
