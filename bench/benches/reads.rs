//! What a question about the past costs the processors.
//!
//! A read store is filled through the batches that the follower fills, in commits as small and as
//! large as it makes them, so that the runs of its tables have many sizes. Then every kind of question
//! is asked again and again about other users and other times. Between questions small commits go on,
//! as they do beside trading: a question cannot count on the state that the one before it saw.
//!
//! `cargo bench -p rialto-bench --bench reads -- --table` prints the figures that are quoted;
//! `--entries`, `--rounds` and `--cache` (in MiB, 4 as an exchange has it) change them, and `--only` asks only the
//! kinds whose names contain a text. Without `--bench`, as under `cargo test`, it is a quick check.

use std::collections::HashMap;

use rialto_engine::digest::Digest;
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
use rialto_persistence::read_store::{Batch, Owner, ReadStore, ReadStoreError, Window};
use rustix::time::{ClockId, clock_gettime};

const TENANT: TenantId = TenantId(1);
const USERS: u32 = 60;
const MARKETS: u16 = 3;
const ASSETS: u16 = 4;
/// How far back the makers of trades lie.
const OPEN_ORDERS: u64 = 20_000;
const BEGIN: u64 = 1_700_000_000_000_000_000;
/// Time between two things that happen.
const STEP: u64 = 1_000_000;
/// Rows of an answer, where it has several.
const LIMIT: usize = 100;
/// Questions between two commits.
const QUESTIONS: u64 = 8;
/// Things of such a commit.
const TRICKLE: u64 = 30;

/// What is asked: the digest takes what came, of which a sum is printed, and the answer is how many rows.
type Ask = fn(&ReadStore, &mut Venue, &mut Digest) -> Result<usize, ReadStoreError>;

const KINDS: [(&str, Ask); 20] = [
    ("movements of a user from the start", |store, venue, digest| {
        movements(store, venue.user(), None, Window { from_id: Some(1), ..Window::default() }, digest)
    }),
    ("movements of a user, the latest", |store, venue, digest| {
        movements(store, venue.user(), None, Window::default(), digest)
    }),
    ("movements of a user from a number on", |store, venue, digest| {
        let from_id = Some(1 + venue.below(venue.entries));
        movements(store, venue.user(), None, Window { from_id, ..Window::default() }, digest)
    }),
    ("movements of a user in an asset, the latest", |store, venue, digest| {
        let asset = venue.asset();
        movements(store, venue.user(), Some(asset), Window::default(), digest)
    }),
    ("movements of a user within times", |store, venue, digest| {
        let from = venue.moment();
        let (from_time, to_time) = (Some(from), Some(Nanos(from.0 + 20_000 * STEP)));
        movements(store, venue.user(), None, Window { from_id: None, from_time, to_time }, digest)
    }),
    ("movements of an account, the latest", |store, venue, digest| {
        let (account, asset) = (LedgerAccount::Available(venue.user()), venue.asset());
        let entries = store.account_movements(TENANT, account, asset, &Window::default(), LIMIT)?;
        Ok(counted(&entries, digest))
    }),
    ("entries of all from a number on", |store, venue, digest| {
        let from = Some(1 + venue.below(venue.entries - LIMIT as u64));
        Ok(counted(&store.entries(TENANT, None, from, LIMIT)?, digest))
    }),
    ("entry by number", |store, venue, digest| {
        let number = 1 + venue.below(venue.entries);
        Ok(counted(store.entry(TENANT, number)?.as_slice(), digest))
    }),
    ("four balances at a time", |store, venue, digest| {
        let (time, user, asset) = (venue.moment(), venue.user(), venue.asset());
        let balance = store.balances_at(TENANT, user, asset, Some(time))?;
        digest.add(balance.available.0 as u64 ^ balance.held.0 as u64);
        Ok(1)
    }),
    ("transactions of all from a number on", |store, venue, digest| {
        let from_id = Some(TransactionId(1 + venue.below(venue.transactions - LIMIT as u64)));
        let window = Window { from_id, ..Window::default() };
        transactions(&store.transactions(TENANT, &window, LIMIT)?, digest)
    }),
    ("transactions of a user, the latest", |store, venue, digest| {
        transactions(&store.account_transactions(TENANT, venue.user(), &Window::default(), LIMIT)?, digest)
    }),
    ("transactions of a user from a number on", |store, venue, digest| {
        let from_id = Some(TransactionId(1 + venue.below(venue.transactions)));
        let window = Window { from_id, ..Window::default() };
        transactions(&store.account_transactions(TENANT, venue.user(), &window, LIMIT)?, digest)
    }),
    ("events from a number on", |store, venue, digest| {
        let events = store.transaction_events(TENANT, 1 + venue.below(venue.events - LIMIT as u64), LIMIT)?;
        events.iter().for_each(|event| digest.add(event.number ^ event.transaction.number.0));
        Ok(events.len())
    }),
    ("trace of a business id", |store, venue, digest| {
        let id = business_id(1 + venue.below(venue.transactions));
        let found = store.transaction_by_id(TENANT, &id)?.expect("it was opened");
        let events = store.events_of_transaction(TENANT, found.number)?;
        let entries = store.entries_of_transaction(TENANT, found.number)?;
        digest.add(found.number.0 ^ events.len() as u64);
        Ok(events.len() + counted(&entries, digest))
    }),
    ("transaction by business id", |store, venue, digest| {
        let id = business_id(1 + venue.below(venue.transactions));
        transactions(store.transaction_by_id(TENANT, &id)?.as_slice(), digest)
    }),
    ("trades of a user, the latest", |store, venue, digest| {
        let (user, market) = (venue.user(), venue.market());
        let trades = store.account_trades(TENANT, user, market, None, &Window::default(), LIMIT)?;
        trades.iter().for_each(|trade| digest.add(trade.id.0 ^ trade.order.0 ^ trade.quantity.0));
        Ok(trades.len())
    }),
    ("trades of a user within times", |store, venue, digest| {
        let (user, market, from) = (venue.user(), venue.market(), venue.moment());
        let window = Window { from_time: Some(from), to_time: Some(Nanos(from.0 + 40_000 * STEP)), from_id: None };
        let trades = store.account_trades(TENANT, user, market, None, &window, LIMIT)?;
        trades.iter().for_each(|trade| digest.add(trade.id.0 ^ trade.order.0 ^ trade.quantity.0));
        Ok(trades.len())
    }),
    ("orders, the latest", |store, venue, digest| {
        let (user, market) = (venue.user(), venue.market());
        let orders = store.orders(TENANT, user, market, &Window::default(), LIMIT)?;
        orders.iter().for_each(|order| digest.add(order.id.0 ^ order.executed.0));
        Ok(orders.len())
    }),
    ("order by number", |store, venue, digest| {
        let asked = order(1 + venue.below(venue.orders));
        let found = store.order(TENANT, asked.account, asked.market, asked.id)?.expect("it was placed");
        digest.add(found.id.0 ^ found.executed.0);
        Ok(1)
    }),
    ("order by client id", |store, venue, digest| {
        let asked = order(1 + venue.below(venue.orders));
        let found = store.order_by_client_id(TENANT, asked.account, asked.market, &asked.client_id)?;
        let found = found.expect("it was placed");
        digest.add(found.id.0 ^ found.executed.0);
        Ok(1)
    }),
];

fn movements(
    store: &ReadStore,
    user: AccountId,
    asset: Option<AssetId>,
    window: Window<u64>,
    digest: &mut Digest,
) -> Result<usize, ReadStoreError> {
    Ok(counted(&store.movements(TENANT, Owner::User(user), asset, &window, LIMIT)?, digest))
}

fn counted(entries: &[Entry], digest: &mut Digest) -> usize {
    entries.iter().for_each(|entry| digest.add(entry.number ^ entry.credit_after.0 as u64));
    entries.len()
}

fn transactions(transactions: &[Transaction], digest: &mut Digest) -> Result<usize, ReadStoreError> {
    transactions.iter().for_each(|it| digest.add(it.number.0 ^ it.posted.0 as u64 ^ u64::from(it.events)));
    Ok(transactions.len())
}

/// A made-up venue: orders and trades with what they move, and transfers, of which every third is
/// confirmed some time after it was opened.
struct Venue {
    random: u64,
    time: u64,
    orders: u64,
    trades: [u64; MARKETS as usize],
    entries: u64,
    transactions: u64,
    events: u64,
    open: Vec<Transaction>,
    executed: HashMap<u64, Quantity>,
    balances: HashMap<(LedgerAccount, AssetId), i128>,
}

impl Venue {
    fn new() -> Self {
        Self {
            random: 88_172_645_463_325_252,
            time: BEGIN,
            orders: 0,
            trades: [0; MARKETS as usize],
            entries: 0,
            transactions: 0,
            events: 0,
            open: Vec::new(),
            executed: HashMap::new(),
            balances: HashMap::new(),
        }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % bound
    }

    fn user(&mut self) -> AccountId {
        AccountId(self.below(u64::from(USERS)) as u32)
    }

    fn asset(&mut self) -> AssetId {
        AssetId(self.below(u64::from(ASSETS)) as u16)
    }

    fn market(&mut self) -> MarketId {
        MarketId(self.below(u64::from(MARKETS)) as u16)
    }

    /// A time at which something may have happened.
    fn moment(&mut self) -> Nanos {
        Nanos(BEGIN + self.below(self.time - BEGIN))
    }

    /// So many orders or transfers, with all that they bring.
    fn add(&mut self, batch: &mut Batch, things: u64) {
        for _ in 0..things {
            self.time += STEP;
            match self.below(3) {
                0 => self.transfer(batch),
                _ => self.place(batch),
            }
        }
    }

    fn place(&mut self, batch: &mut Batch) {
        self.orders += 1;
        let order = OrderView { time: Nanos(self.time), updated: Nanos(self.time), ..order(self.orders) };
        batch.update(TENANT, &update(OrderEvent::New, order));
        let (available, held) = (LedgerAccount::Available(order.account), LedgerAccount::Held(order.account));
        self.entry(batch, available, held, asset_of(order.market), Cause::Hold(order.id));
        if self.orders.is_multiple_of(3) {
            self.trade(batch, order);
        }
    }

    fn trade(&mut self, batch: &mut Batch, taker: OrderView) {
        let maker = (0..50)
            .map(|_| order(self.orders - self.below(self.orders.min(OPEN_ORDERS))))
            .find(|order| order.market == taker.market && order.side != taker.side && order.id != taker.id);
        let Some(maker) = maker else { return };
        let number = &mut self.trades[usize::from(taker.market.0)];
        *number += 1;
        let (trade, aggregate) = (TradeId(*number), *number / 2 + 1);
        let quantity = Quantity(1 + self.below(100));
        let time = Nanos(self.time);
        let fill = Fill {
            trade,
            aggregate,
            price: maker.price,
            quantity,
            taker_side: taker.side,
            maker: maker.id,
            maker_account: maker.account,
            maker_remaining: Quantity(1),
            taker: taker.id,
            taker_account: taker.account,
            taker_remaining: Quantity(1),
        };
        batch.fill(TENANT, taker.market, time, &fill);
        for (order, maker) in [(maker, true), (taker, false)] {
            let executed = self.executed.entry(order.id.0).or_default();
            *executed += quantity;
            let fee = Amount(i128::from(quantity.0) * 1_000);
            let execution = Execution {
                trade,
                aggregate,
                price: fill.price,
                quantity,
                fee,
                fee_asset: asset_of(order.market),
                maker,
            };
            let order = OrderView {
                executed: *executed,
                notional: fill.price.times(*executed),
                status: Status::PartiallyFilled,
                updated: time,
                ..order
            };
            batch.update(TENANT, &update(OrderEvent::Trade(execution), order));
        }
        let cause = Cause::Trade(taker.market, trade);
        let (base, quote) = (asset_of(taker.market), AssetId(ASSETS - 1));
        for (from, to, asset) in [(taker, maker, base), (maker, taker, quote)] {
            let (held, available) = (LedgerAccount::Held(from.account), LedgerAccount::Available(to.account));
            self.entry(batch, held, available, asset, cause);
            self.entry(batch, held, LedgerAccount::House(House::Fee), asset, cause);
        }
    }

    /// One that is done at once, or opened, or confirmed.
    fn transfer(&mut self, batch: &mut Batch) {
        let mut output = WalletOutput::default();
        let time = Nanos(self.time);
        if self.open.len() > 200 {
            let index = self.below(200) as usize;
            let mut it = self.open.swap_remove(index);
            (it.state, it.changed, it.events) = (TransactionState::Confirmed, time, 2);
            self.happens(&mut output, Happening::Confirmed, it);
        } else {
            self.transactions += 1;
            let (from, to) = (self.user(), self.user());
            let (asset, amount) = (self.asset(), Amount(1 + i128::from(self.below(1 << 30))));
            let is_open = self.transactions.is_multiple_of(3);
            let it = Transaction {
                number: TransactionId(self.transactions),
                id: business_id(self.transactions),
                body: Some(Body::Transfer { from, to, asset, amount, held: is_open }),
                state: if is_open { TransactionState::Open } else { TransactionState::Confirmed },
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
            if is_open {
                self.open.push(it.clone());
            }
            self.happens(&mut output, if is_open { Happening::Opened } else { Happening::Confirmed }, it);
        }
        output.entries.iter().for_each(|entry| batch.entry(TENANT, entry));
        batch.transacted(TENANT, &output);
    }

    fn happens(&mut self, output: &mut WalletOutput, what: Happening, it: Transaction) {
        self.events += 1;
        if let Some(Body::Transfer { from, to, asset, .. }) = it.body {
            let (from, to) = (LedgerAccount::Available(from), LedgerAccount::Available(to));
            output.entries.push(self.made(from, to, asset, Cause::Transaction(it.number)));
        }
        let (number, sequence, time) = (self.events, it.events, it.changed);
        output.events.push(TransactionEvent { number, sequence, time, what, transaction: it });
    }

    fn entry(&mut self, batch: &mut Batch, debit: LedgerAccount, credit: LedgerAccount, asset: AssetId, cause: Cause) {
        let entry = self.made(debit, credit, asset, cause);
        batch.entry(TENANT, &entry);
    }

    fn made(&mut self, debit: LedgerAccount, credit: LedgerAccount, asset: AssetId, cause: Cause) -> Entry {
        self.entries += 1;
        let amount = Amount(1_000_000 + i128::from(self.below(1 << 36)));
        *self.balances.entry((debit, asset)).or_default() -= amount.0;
        *self.balances.entry((credit, asset)).or_default() += amount.0;
        let [debit_after, credit_after] = [debit, credit].map(|account| Amount(self.balances[&(account, asset)]));
        let (number, time) = (self.entries, Nanos(self.time));
        Entry { number, time, asset, debit, credit, amount, debit_after, credit_after, cause }
    }
}

fn asset_of(market: MarketId) -> AssetId {
    AssetId(market.0)
}

fn business_id(number: u64) -> Label {
    Label::new(&format!("pay-{number:012x}")).expect("printable")
}

/// Everything about an order but its time follows from its number.
fn order(id: u64) -> OrderView {
    let mut mixed = id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^= mixed >> 31;
    OrderView {
        id: OrderId(id),
        client_id: ClientOrderId::new(&format!("x-TKT5PX2F{mixed:022x}")).expect("valid"),
        account: AccountId((mixed % u64::from(USERS)) as u32),
        market: MarketId((mixed >> 40) as u16 % MARKETS),
        side: if mixed & 1 << 39 == 0 { Side::Buy } else { Side::Sell },
        kind: OrderKind::Limit,
        price: Price(65_000 + (mixed >> 45) % 2_000),
        quantity: Quantity(1_000_000),
        budget: Amount(0),
        executed: Quantity(0),
        notional: Notional(0),
        status: Status::New,
        time: Nanos(BEGIN),
        updated: Nanos(BEGIN),
        instructions: Instructions::default(),
        triggered: Nanos::ZERO,
        prevented: Quantity::ZERO,
    }
}

fn update(event: OrderEvent, order: OrderView) -> OrderUpdate {
    let balance = BalanceView { asset: AssetId(0), available: Amount(0), held: Amount(0) };
    OrderUpdate { event, order, balances: [balance; 2] }
}

/// What this thread has computed so far, in microseconds.
fn computed() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The store, and what is fed into it.
struct Bench {
    store: ReadStore,
    venue: Venue,
    batch: Batch,
    position: u64,
}

impl Bench {
    /// Commits so many things, and tells what that has cost.
    fn commit(&mut self, things: u64) -> Result<f64, ReadStoreError> {
        self.venue.add(&mut self.batch, things);
        self.position += 1;
        let before = computed();
        self.store.commit(&mut self.batch, self.position, self.position.is_multiple_of(64))?;
        Ok(computed() - before)
    }

    /// Fills the store up to so many entries, mostly by small commits, with some as large as those
    /// of a follower that catches up.
    fn fill(&mut self, entries: u64) -> Result<(), ReadStoreError> {
        let (mut micros, mut commits) = (0.0, 0);
        while self.venue.entries < entries {
            let things = match self.venue.below(100) {
                0 => 3_000,
                1..10 => 1 + self.venue.below(600),
                _ => 1 + self.venue.below(80),
            };
            micros += self.commit(things)?;
            commits += 1;
        }
        let Venue { entries, orders, transactions, events, trades, .. } = &self.venue;
        let trades: u64 = trades.iter().sum();
        println!(
            "{entries} entries, {orders} orders, {trades} trades, {transactions} transactions with {events} events of {USERS} users \
             in {commits} commits; {:.2} µs an entry with all that came with it to commit",
            micros / *entries as f64
        );
        Ok(())
    }

    fn ask(&mut self, name: &str, ask: Ask, samples: u64) -> Result<f64, ReadStoreError> {
        let (mut times, mut commits, mut rows, mut digest) = (Vec::new(), Vec::new(), 0, Digest(0));
        for _ in 0..samples {
            commits.push(self.commit(TRICKLE)?);
            let before = computed();
            for _ in 0..QUESTIONS {
                rows += ask(&self.store, &mut self.venue, &mut digest)?;
            }
            times.push((computed() - before) / QUESTIONS as f64);
        }
        let rows = rows as f64 / (samples * QUESTIONS) as f64;
        assert!(rows > 0.0, "{name}: nothing came");
        let micros = median(&mut times);
        println!(
            "{name:<44} {micros:>8.1} µs {rows:>6.1} rows   {:016x}   commit {:.0} µs",
            digest.0,
            median(&mut commits)
        );
        Ok(micros)
    }
}

fn main() -> Result<(), ReadStoreError> {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |name: &str| arguments.iter().position(|argument| argument == name).map(|place| place + 1);
    let number =
        |name: &str, default: u64| after(name).and_then(|place| arguments.get(place)?.parse().ok()).unwrap_or(default);
    let is_quick = after("--table").is_none() && after("--bench").is_none();
    let (entries, samples) =
        if is_quick { (4_000, 3) } else { (number("--entries", 400_000), number("--rounds", 100)) };
    let only = after("--only").and_then(|place| arguments.get(place));

    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("reads.redb");
    let store = ReadStore::open(&path, usize::try_from(number("--cache", 4) << 20).unwrap_or(usize::MAX))?;
    let batch = store.begin();
    let mut bench = Bench { store, venue: Venue::new(), batch, position: 0 };
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!(
        "questions of the read store; {LIMIT} rows at most, a commit of {TRICKLE} after every {QUESTIONS}, load average {}",
        load.trim()
    );
    bench.fill(entries)?;
    let mut sum = 0.0;
    for (name, ask) in KINDS {
        if only.is_none_or(|only| name.contains(only.as_str())) {
            sum += bench.ask(name, ask, samples)?;
        }
    }
    let bytes = path.metadata().map_or(0, |file| file.len());
    println!("all kinds together {sum:.0} µs; the file has {} MiB", bytes >> 20);
    Ok(())
}
