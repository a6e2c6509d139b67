//! Fills a read store with made-up batches and prints what it cost.
//!
//! `cargo run --release --example read_store_load -- FILE [batches] [accounts] [cache MiB] [batch size] [transfers]`
//!
//! With a last argument above zero a batch holds that many transfers instead, each done at once: one
//! entry, one event.
//!
//! A batch of size N holds N new orders, a quarter as many trades, each with an update of a new
//! taker and of an older maker, and two and a half times as many entries. Every tenth commit is
//! durable. Queries run at the end.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use rialto_engine::ids::{
    AccountId, AssetId, ClientOrderId, MarketId, OrderId, RailId, TenantId, TradeId, TransactionId,
};
use rialto_engine::label::Label;
use rialto_engine::message::Fill;
use rialto_engine::order::{Instructions, OrderKind, Side};
use rialto_engine::transaction::{Body, Happening, Stage, Transaction, TransactionEvent, TransactionState};
use rialto_engine::units::{Amount, Nanos, Notional, Price, Quantity};
use rialto_engine::update::{BalanceView, Execution, OrderEvent, OrderUpdate, OrderView, Status};
use rialto_engine::wallet::{Cause, Entry, House, LedgerAccount, WalletOutput};
use rialto_persistence::chain::Chain;
use rialto_persistence::kline::Interval;
use rialto_persistence::read_store::{Batch, Owner, ReadStore, Window};

const TENANT: TenantId = TenantId(1);
const MARKETS: u16 = 4;
/// How far back makers lie.
const OPEN_ORDERS: u64 = 200_000;

/// Asks something about an order and tells how many rows came.
type Query<'a> = &'a mut dyn FnMut(&OrderView) -> Result<usize, Box<dyn Error>>;

/// The same about money, picking what it asks about.
type MoneyQuery<'a> = &'a mut dyn FnMut(&mut Load) -> Result<usize, Box<dyn Error>>;

struct Load {
    random: u64,
    accounts: u64,
    orders: u64,
    trades: [u64; MARKETS as usize],
    entries: u64,
    transfers: u64,
    time: u64,
    /// Time between two orders.
    step: u64,
}

impl Load {
    fn random(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below
    }

    fn account(&mut self) -> AccountId {
        let accounts = self.accounts;
        AccountId(self.random(accounts) as u32)
    }

    /// Everything about an order follows from its number.
    fn order(&self, id: u64) -> OrderView {
        let mut mixed = id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^= mixed >> 31;
        let text = format!("x-TKT5PX2F{:022x}", (u128::from(mixed) * u128::from(mixed >> 3)) >> 40);
        let time = Nanos(1_700_000_000_000_000_000 + id * self.step);
        OrderView {
            id: OrderId(id),
            client_id: ClientOrderId::new(&text).expect("a valid text"),
            account: AccountId((mixed % self.accounts) as u32),
            market: MarketId((mixed >> 40) as u16 % MARKETS),
            side: if mixed & 1 << 39 == 0 { Side::Buy } else { Side::Sell },
            kind: OrderKind::Limit,
            price: Price(65_000 + (mixed >> 45) % 2_000),
            quantity: Quantity(1_000 + (mixed >> 20) % 100_000),
            budget: Amount(0),
            executed: Quantity(0),
            notional: Notional(0),
            status: Status::New,
            time,
            updated: time,
            instructions: Instructions::default(),
            triggered: Nanos::ZERO,
            prevented: Quantity::ZERO,
        }
    }

    fn add(&mut self, batch: &mut Batch, size: u64) {
        for index in 0..size {
            self.orders += 1;
            let order = self.order(self.orders);
            self.time = order.time.0;
            batch.update(TENANT, &update(OrderEvent::New, order));
            let (available, held) = (LedgerAccount::Available(order.account), LedgerAccount::Held(order.account));
            self.entry(batch, available, held, Cause::Hold(order.id));
            if index % 4 == 3 {
                self.trade(batch, order);
            }
        }
    }

    /// Transfers that are done at once.
    fn add_transfers(&mut self, batch: &mut Batch, size: u64) {
        let mut output = WalletOutput::default();
        for _ in 0..size {
            self.transfers += 1;
            self.time = 1_700_000_000_000_000_000 + self.transfers * self.step;
            let (number, time) = (TransactionId(self.transfers), Nanos(self.time));
            let (from, to) = (self.account(), self.account());
            let amount = Amount(1_000_000 + i128::from(self.random(1 << 20)));
            output.clear();
            let body = Body::Transfer { from, to, asset: AssetId(1), amount, held: false };
            let transaction = Transaction {
                number,
                id: Label::new(&format!("pay-{:012x}", self.transfers)).expect("a valid text"),
                body: Some(body),
                state: TransactionState::Confirmed,
                rail: RailId::DIRECT,
                stage: Stage::Unsent,
                fee: Amount(0),
                moved: Amount(0),
                posted: amount,
                reversed: Amount(0),
                fee_back: Amount(0),
                opened: time,
                changed: time,
                until: Nanos::ZERO,
                due: Nanos::ZERO,
                attempts: 0,
                is_stuck: false,
                events: 1,
                acknowledged: 1,
                approvals: Vec::new(),
            };
            let what = Happening::Confirmed;
            output.events.push(TransactionEvent { number: self.transfers, sequence: 1, time, what, transaction });
            let (from, to) = (LedgerAccount::Available(from), LedgerAccount::Available(to));
            output.entries.push(self.made(from, to, Cause::Transaction(number)));
            batch.entry(TENANT, &output.entries[0]);
            batch.transacted(TENANT, &output);
        }
    }

    fn trade(&mut self, batch: &mut Batch, taker: OrderView) {
        let mut maker = self.orders - 1;
        for _ in 0..100 {
            maker = self.orders - self.random(self.orders.min(OPEN_ORDERS));
            let order = self.order(maker);
            if order.market == taker.market && order.side != taker.side && maker != taker.id.0 {
                break;
            }
        }
        let maker = self.order(maker);
        let number = &mut self.trades[usize::from(taker.market.0)];
        *number += 1;
        let (trade, quantity) = (TradeId(*number), Quantity(taker.quantity.0.min(maker.quantity.0)));
        let time = Nanos(self.time);
        batch.fill(
            TENANT,
            taker.market,
            time,
            &Fill {
                trade,
                aggregate: trade.0 / 2 + 1,
                price: maker.price,
                quantity,
                taker_side: taker.side,
                maker: maker.id,
                maker_account: maker.account,
                maker_remaining: maker.quantity - quantity,
                taker: taker.id,
                taker_account: taker.account,
                taker_remaining: taker.quantity - quantity,
            },
        );
        for (order, is_maker) in [(maker, true), (taker, false)] {
            let execution = Execution {
                trade,
                aggregate: trade.0 / 2 + 1,
                price: maker.price,
                quantity,
                fee: Amount(i128::from(quantity.0) * 1_000),
                fee_asset: AssetId(u16::from(is_maker)),
                maker: is_maker,
            };
            let order = OrderView {
                market: taker.market,
                executed: quantity,
                notional: maker.price.times(quantity),
                status: if order.quantity == quantity { Status::Filled } else { Status::PartiallyFilled },
                updated: time,
                ..order
            };
            batch.update(TENANT, &update(OrderEvent::Trade(execution), order));
        }
        let (from, to) = (taker.account, maker.account);
        let cause = Cause::Trade(taker.market, trade);
        let fee = LedgerAccount::House(House::Fee);
        for (debit, credit) in [
            (LedgerAccount::Held(from), LedgerAccount::Available(to)),
            (LedgerAccount::Held(from), fee),
            (LedgerAccount::Held(to), LedgerAccount::Available(from)),
            (LedgerAccount::Held(to), fee),
            (LedgerAccount::Held(from), LedgerAccount::House(House::Rounding)),
        ] {
            self.entry(batch, debit, credit, cause);
        }
        self.entry(batch, LedgerAccount::Held(from), LedgerAccount::Available(from), Cause::Release(taker.id));
    }

    fn entry(&mut self, batch: &mut Batch, debit: LedgerAccount, credit: LedgerAccount, cause: Cause) {
        let entry = self.made(debit, credit, cause);
        batch.entry(TENANT, &entry);
    }

    /// The next entry. The balances are made up, of a usual length.
    fn made(&mut self, debit: LedgerAccount, credit: LedgerAccount, cause: Cause) -> Entry {
        self.entries += 1;
        let amount = Amount(1_000_000 + i128::from(self.random(1 << 36)));
        Entry {
            number: self.entries,
            time: Nanos(self.time),
            asset: AssetId(1),
            debit,
            credit,
            amount,
            debit_after: Amount(i128::from(self.random(1 << 40))),
            credit_after: Amount(i128::from(self.random(1 << 40))),
            cause,
        }
    }
}

fn update(event: OrderEvent, order: OrderView) -> OrderUpdate {
    let balance = BalanceView { asset: AssetId(0), available: Amount(0), held: Amount(0) };
    OrderUpdate { event, order, balances: [balance; 2] }
}

/// Resident memory of this process that is not backed by files, in MiB.
fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default() / 1024
}

/// What this thread has computed so far, waiting excluded.
fn computed() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split_whitespace().next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or_default())
}

fn percentile(sorted: &[Duration], part: f64) -> f64 {
    let index = ((sorted.len() - 1) as f64 * part).round() as usize;
    sorted[index].as_secs_f64() * 1e3
}

fn report(name: &str, times: &mut [Duration]) {
    times.sort_unstable();
    if !times.is_empty() {
        let [half, most, all] = [0.5, 0.9, 1.0].map(|part| percentile(times, part));
        println!("{name}: p50 {half:.3} ms, p90 {most:.3} ms, max {all:.3} ms ({} times)", times.len());
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("which file?")?;
    let mut number = |default: u64| arguments.next().map_or(Ok(default), |text| text.parse::<u64>());
    let (batches, accounts, cache, size) = (number(50)?, number(1_000)?, number(16)?, number(20_000)?);
    let transfers = number(0)?;

    let path = Path::new(&path);
    let store = ReadStore::open(path, (cache as usize) << 20)?;
    let step = 10_000;
    let mut load = Load {
        random: 88_172_645_463_325_252,
        accounts,
        orders: 0,
        trades: [0; 4],
        entries: 0,
        transfers: 0,
        time: 0,
        step,
    };
    let mut batch = store.begin();
    let (mut collecting, mut commits, mut durable_commits) = (Vec::new(), Vec::new(), Vec::new());
    let mut commits_computed = Vec::new();
    for index in 1..=batches {
        let begin = Instant::now();
        if transfers > 0 {
            load.add_transfers(&mut batch, transfers)
        } else {
            load.add(&mut batch, size)
        }
        collecting.push(begin.elapsed());
        let durable = index % 10 == 0 || index == batches;
        let (begin, computed_before) = (Instant::now(), computed());
        store.commit(&mut batch, index, durable)?;
        let times = if durable { &mut durable_commits } else { &mut commits };
        times.push(begin.elapsed());
        commits_computed.push(computed() - computed_before);
    }
    report("make up and collect", &mut collecting);
    let late: f64 = commits.iter().rev().take(10).map(Duration::as_secs_f64).sum();
    println!("mean of the last commits: {:.3} ms", late * 1e3 / commits.len().clamp(1, 10) as f64);
    report("commit", &mut commits);
    report("processor time of a commit", &mut commits_computed);
    report("durable commit", &mut durable_commits);
    let trades: u64 = load.trades.iter().sum();
    let bytes = path.metadata()?.len();
    println!("{} orders, {trades} trades, {} entries: {} MiB", load.orders, load.entries, bytes >> 20);
    let things = (load.orders + load.transfers) as f64;
    println!("{:.1} bytes of file per order or transfer with all that follows", bytes as f64 / things);
    chain_cost(&mut load);
    println!("resident {} MiB with the batch", resident_mib());
    for size in store.sizes()? {
        let bytes = size.stored_bytes + size.metadata_bytes + size.unused_bytes;
        let part = |bytes: u64| bytes as f64 / size.rows.max(1) as f64;
        println!(
            "{}: {} rows, {} MiB; a row takes {:.1} bytes, of which content {:.1}, pointers {:.1}, unused {:.1}",
            size.table,
            size.rows,
            bytes >> 20,
            part(bytes),
            part(size.stored_bytes),
            part(size.metadata_bytes),
            part(size.unused_bytes)
        );
    }
    drop(batch);
    if load.orders > 0 {
        queries(&store, &mut load)?;
    }
    money_queries(&store, &mut load)?;
    println!("resident {} MiB without the batch", resident_mib());
    drop(store);
    println!("closed: {} MiB", path.metadata()?.len() >> 20);
    Ok(())
}

/// What the chain costs alone.
fn chain_cost(load: &mut Load) {
    let (debit, credit) = (LedgerAccount::Available(AccountId(1)), LedgerAccount::Held(AccountId(1)));
    let entries: Vec<Entry> = (0..100_000).map(|_| load.made(debit, credit, Cause::Hold(OrderId(1)))).collect();
    load.entries -= entries.len() as u64;
    let (mut chain, before) = (Chain::default(), computed());
    entries.iter().for_each(|entry| chain.add(entry));
    let nanos = (computed() - before).as_nanos() / entries.len() as u128;
    println!("the chain takes {nanos} ns of an entry (head {}...)", &chain.text()[..8]);
}

fn money_queries(store: &ReadStore, load: &mut Load) -> Result<(), Box<dyn Error>> {
    let has_transfers = load.transfers > 0;
    let mut time = |name: &str, query: MoneyQuery<'_>| {
        let (mut times, mut found) = (Vec::new(), 0);
        for _ in 0..200 {
            let begin = Instant::now();
            found += query(load)?;
            times.push(begin.elapsed());
        }
        report(&format!("{name} ({} rows on average)", found / 200), &mut times);
        Ok::<_, Box<dyn Error>>(())
    };
    let asset = AssetId(1);
    time("latest 100 movements of an account in an asset", &mut |load| {
        let owner = Owner::User(load.account());
        Ok(store.movements(TENANT, owner, Some(asset), &Window::default(), 100)?.len())
    })?;
    time("four balances of an account at a time", &mut |load| {
        let things = load.orders.max(load.transfers);
        let at = Nanos(1_700_000_000_000_000_000 + load.random(things) * load.step);
        store.balances_at(TENANT, load.account(), asset, Some(at))?;
        Ok(1)
    })?;
    if has_transfers {
        time("a transaction by its business id", &mut |load| {
            let number = 1 + load.random(load.transfers);
            let id = Label::new(&format!("pay-{number:012x}")).ok_or("valid")?;
            Ok(store.transaction_by_id(TENANT, &id)?.map_or(0, |_| 1))
        })?;
        time("latest 100 transactions of an account", &mut |load| {
            let account = load.account();
            Ok(store.account_transactions(TENANT, account, &Window::default(), 100)?.len())
        })?;
        time("100 events from an offset", &mut |load| {
            Ok(store.transaction_events(TENANT, 1 + load.random(load.transfers), 100)?.len())
        })?;
    }
    let begin = Instant::now();
    let totals = store.day_totals(TENANT, Nanos::ZERO, Nanos(u64::MAX))?;
    println!("totals of all days: {:.0} ms ({} rows)", begin.elapsed().as_secs_f64() * 1e3, totals.len());
    Ok(())
}

fn queries(store: &ReadStore, load: &mut Load) -> Result<(), Box<dyn Error>> {
    let mut time = |name: &str, query: Query<'_>| {
        let (mut times, mut found) = (Vec::new(), 0);
        for _ in 0..500 {
            let id = 1 + load.random(load.orders);
            let order = load.order(id);
            let begin = Instant::now();
            found += query(&order)?;
            times.push(begin.elapsed());
        }
        report(&format!("{name} ({} rows on average)", found / 500), &mut times);
        Ok::<_, Box<dyn Error>>(())
    };
    let all = Window::default();
    time("order", &mut |order| Ok(store.order(TENANT, order.account, order.market, order.id)?.map_or(0, |_| 1)))?;
    time("order by client id", &mut |order| {
        Ok(store.order_by_client_id(TENANT, order.account, order.market, &order.client_id)?.map_or(0, |_| 1))
    })?;
    let absent = ClientOrderId::new("absent").ok_or("valid")?;
    time("order by absent client id", &mut |order| {
        Ok(store.order_by_client_id(TENANT, order.account, order.market, &absent)?.map_or(0, |_| 1))
    })?;
    time("latest 500 orders", &mut |order| Ok(store.orders(TENANT, order.account, order.market, &all, 500)?.len()))?;
    time("500 orders from a time", &mut |order| {
        let window = Window { from_time: Some(order.time), ..Window::default() };
        Ok(store.orders(TENANT, order.account, order.market, &window, 500)?.len())
    })?;
    time("trades of an order", &mut |order| {
        let order_id = Some(order.id);
        Ok(store.account_trades(TENANT, order.account, order.market, order_id, &Window::default(), 500)?.len())
    })?;
    time("latest 500 trades of an account", &mut |order| {
        Ok(store.account_trades(TENANT, order.account, order.market, None, &Window::default(), 500)?.len())
    })?;
    time("latest 500 trades", &mut |order| Ok(store.trades(TENANT, order.market, None, 500)?.len()))?;
    time("500 aggregates from a time", &mut |order| {
        let window = Window { from_time: Some(order.time), ..Window::default() };
        Ok(store.aggregate_trades(TENANT, order.market, &window, 500)?.len())
    })?;
    time("latest 500 candlesticks", &mut |order| {
        Ok(store.klines(TENANT, order.market, Interval::OneSecond, None, None, 500)?.len())
    })?;
    time("latest candlesticks", &mut |order| Ok(store.latest_klines(TENANT, order.market)?.len()))?;
    time("500 entries of an account", &mut |order| {
        Ok(store.entries(TENANT, Some(order.account), Some(1), 500)?.len())
    })?;
    time("500 entries", &mut |order| Ok(store.entries(TENANT, None, Some(order.id.0), 500)?.len()))?;
    Ok(())
}
