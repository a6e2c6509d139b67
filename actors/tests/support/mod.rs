//! An exchange of two tenants, and one session that asks and waits.

#![allow(dead_code, reason = "each suite uses its part")]

pub mod bank;
pub mod hung_journal;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rialto_actors::api::{Query, Refused, Release, Reply, ReplyToken, Request, WorkerEvent};
use rialto_actors::exchange::{Exchange, MarketSetup, MoneySetup, Options, Setup, Storage, TenantSetup, UserSetup};
use rialto_actors::feed::Feed;
use rialto_engine::ids::{AccountId, ClientOrderId, MarketId, OrderId, TenantId};
use rialto_engine::market::{MarketFilters, Step};
use rialto_engine::message::Protection;
use rialto_engine::order::{Instructions, OrderKind, Side};
use rialto_engine::reason::Reason;
use rialto_engine::units::{Amount, BasisPoints, FeeRate, Nanos, Price, Quantity};
use rialto_engine::update::OrderView;
use rialto_engine::wallet::{Command, Place, SettledResult, WalletLimits};
use rialto_persistence::codec::{decode_record, encode_record};
use rialto_persistence::frame::{Epoch, FrameKind, Group, Position};
use rialto_persistence::journal::Journal as _;
use rialto_persistence::journal::memory::MemoryLog;
use rialto_persistence::record::Record;
use rialto_persistence::world::{Observer, Scratch, World};

pub const TENANTS: [TenantId; 2] = [TenantId(0), TenantId(1)];
pub const MARKET: MarketId = MarketId(0);

pub fn setup() -> Setup {
    let user = |name: &str| UserSetup {
        name: name.to_owned(),
        balances: vec![("USD".to_owned(), Amount(100_000_000)), ("CNY".to_owned(), Amount(700_000_000_000))],
        group: 0,
    };
    let tenant = |name: &str| TenantSetup {
        name: name.to_owned(),
        limits: WalletLimits::default(),
        shards: 1,
        assets: vec![("USD".to_owned(), 2), ("CNY".to_owned(), 6)],
        markets: vec![MarketSetup {
            symbol: "USDCNY".to_owned(),
            base: "USD".to_owned(),
            quote: "CNY".to_owned(),
            tick: Step { mantissa: 1, scale: 4 },
            lot: Step { mantissa: 1, scale: 2 },
            max_price: Price(1_000_000),
            max_quantity: Quantity(1_000_000_000),
            min_notional: Amount(0),
            maker_fee: FeeRate(10),
            taker_fee: BasisPoints(20),
            filters: MarketFilters::default(),
            protection: Some(Protection::default()),
            schedule: Vec::new(),
        }],
        users: vec![user("alice"), user("bob")],
        zone: Default::default(),
        money: MoneySetup::default(),
        is_shadow: false,
    };
    Setup { tenants: vec![tenant("acme"), tenant("globex")] }
}

/// A limit order.
pub fn order(account: u32, client_id: &str, side: Side, price: u64, quantity: u64) -> Place {
    Place {
        account: AccountId(account),
        market: MARKET,
        client_id: ClientOrderId::new(client_id),
        side,
        kind: OrderKind::Limit,
        price: Price(price),
        quantity: Quantity(quantity),
        budget: Amount(0),
        time: Nanos(0),
        instructions: Instructions::default(),
    }
}

/// The request to place a limit order.
pub fn place(account: u32, client_id: &str, side: Side, price: u64, quantity: u64) -> Request {
    request(Command::Place(order(account, client_id, side, price, quantity)))
}

/// A command without a deadline.
pub fn request(command: Command) -> Request {
    Request::Command { command, deadline: Nanos(u64::MAX) }
}

/// Every record of a log, one after the other; `None` for a fence. A crash may leave any prefix: how
/// many records come in one frame is a matter of time.
pub fn records(log: &MemoryLog) -> Vec<Option<Record>> {
    let mut reader = log.open().reader();
    let mut records = Vec::new();
    let mut after = Position(0);
    loop {
        let next = reader.read(after, 1 << 20, &mut |frame| {
            for (_, bytes) in frame.records_after(after) {
                let is_fence = frame.kind == FrameKind::Fence;
                records.push((!is_fence).then(|| decode_record(bytes).expect("a record")));
            }
        });
        let next = next.expect("the log is read");
        if next == after {
            return records;
        }
        after = next;
    }
}

/// A log of these records, each made durable by itself.
pub fn log_of(records: &[Option<Record>]) -> MemoryLog {
    let log = MemoryLog::new();
    let mut journal = log.open();
    let (mut epoch, mut end) = (Epoch(0), Position(0));
    for record in records {
        match record {
            None => (epoch, end) = journal.acquire("node-1").expect("a fence"),
            Some(record) => {
                let mut group = Group::new(epoch, end);
                group.push_with(256, |bytes| encode_record(record, bytes)).expect("it fits");
                end = journal.append(&mut group).expect("appended");
            }
        }
    }
    log
}

/// Applies the next record of a log.
pub fn apply(world: &mut World, record: Option<&Record>, scratch: &mut Scratch, observer: &mut impl Observer) {
    let position = world.position + 1;
    match record {
        None => world.pass(position),
        Some(record) => world.apply(position, record, scratch, observer),
    }
    .expect("the record follows");
}

/// Waits for what must come within moments, even on a machine that is busy with other things.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// One session that asks and waits.
pub struct Session {
    pub exchange: Exchange,
    pub feed: Feed<WorkerEvent>,
    slot: u32,
}

impl Session {
    pub fn start(storage: Storage) -> Self {
        Self::start_with(Options::new(storage))
    }

    pub fn start_with(options: Options) -> Self {
        Self::start_as(options, &setup())
    }

    pub fn start_as(options: Options, setup: &Setup) -> Self {
        let (exchange, mut feeds) = Exchange::start(options, setup).expect("the exchange starts");
        Self { exchange, feed: feeds.remove(0), slot: 0 }
    }

    pub fn ask(&mut self, tenant: TenantId, request: Request) -> Arc<Release> {
        let token = self.send(tenant, request).expect("the exchange takes the request");
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(10) {
            match self.feed.next_message() {
                Some(WorkerEvent::Released(release))
                    if release.answer.as_ref().is_some_and(|(answered, _)| *answered == token) =>
                {
                    return release;
                }
                Some(_) => {}
                None => std::thread::sleep(Duration::from_micros(50)),
            }
        }
        panic!("no answer within ten seconds");
    }

    /// Asks and does not wait.
    pub fn send(&mut self, tenant: TenantId, request: Request) -> Result<ReplyToken, Refused> {
        self.slot += 1;
        let token = ReplyToken { worker: 0, slot: self.slot, generation: 0 };
        self.exchange.submit(tenant, request, token, 1).map(|()| token)
    }

    pub fn place(
        &mut self,
        tenant: TenantId,
        account: u32,
        client_id: &str,
        side: Side,
        price: u64,
        quantity: u64,
    ) -> Result<(), Reason> {
        match &self.ask(tenant, place(account, client_id, side, price, quantity)).answer {
            Some((_, Reply::Settled(settled))) => match &settled.result {
                SettledResult::Placed(placed) => *placed,
                other => panic!("a place was answered with {other:?}"),
            },
            Some((_, Reply::Rejected(reason))) => Err(*reason),
            other => panic!("a place was answered with {other:?}"),
        }
    }

    /// What became of a command.
    pub fn command(&mut self, tenant: TenantId, command: Command) -> Result<SettledResult, Reason> {
        match &self.ask(tenant, request(command)).answer {
            Some((_, Reply::Settled(settled))) => Ok(settled.result.clone()),
            Some((_, Reply::Rejected(reason))) => Err(*reason),
            other => panic!("a command was answered with {other:?}"),
        }
    }

    pub fn views(&mut self, tenant: TenantId, account: u32) -> Vec<OrderView> {
        let query = Query::OpenOrders { account: AccountId(account), market: None };
        match &self.ask(tenant, Request::Query(query)).answer {
            Some((_, Reply::Orders(orders))) => orders.clone(),
            other => panic!("a query was answered with {other:?}"),
        }
    }

    pub fn open_orders(&mut self, tenant: TenantId, account: u32) -> Vec<(OrderId, u64)> {
        let query = Query::OpenOrders { account: AccountId(account), market: None };
        match &self.ask(tenant, Request::Query(query)).answer {
            Some((_, Reply::Orders(orders))) => {
                orders.iter().map(|order| (order.id, order.quantity.0 - order.executed.0)).collect()
            }
            other => panic!("a query was answered with {other:?}"),
        }
    }

    pub fn balances(&mut self, tenant: TenantId, account: u32) -> Vec<(i128, i128)> {
        let query = Query::Balances { account: AccountId(account) };
        match &self.ask(tenant, Request::Query(query)).answer {
            Some((_, Reply::Balances(balances))) => {
                balances.iter().map(|balance| (balance.available.0, balance.held.0)).collect()
            }
            other => panic!("a query was answered with {other:?}"),
        }
    }
}
