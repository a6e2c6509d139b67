//! The exchange without its edge: requests in at one end, durable answers out at the other.

use std::time::{Duration, Instant};

use rialto_actors::api::{Query, Release, Reply, ReplyToken, Request, WorkerEvent};
use rialto_actors::exchange::{Exchange, MarketSetup, Options, Setup, Status, Storage, TenantSetup, UserSetup};
use rialto_actors::feed::Feed;
use rialto_engine::ids::{AccountId, ClientOrderId, MarketId, OrderId, TenantId};
use rialto_engine::market::Step;
use rialto_engine::message::CancelRestriction;
use rialto_engine::order::{OrderKind, Side};
use rialto_engine::reason::Reason;
use rialto_engine::units::{Amount, BasisPoints, Nanos, Price, Quantity};
use rialto_engine::wallet::{Cancel, Command, OrderRef, Place, SettledResult, WalletLimits};
use rialto_persistence::journal::memory::MemoryLog;
use rialto_persistence::journal::sled::SledOptions;

const TENANTS: [TenantId; 2] = [TenantId(0), TenantId(1)];
const MARKET: MarketId = MarketId(0);

fn setup() -> Setup {
    let user = |name: &str| UserSetup {
        name: name.to_owned(),
        balances: vec![("USD".to_owned(), Amount(100_000_000)), ("CNY".to_owned(), Amount(700_000_000_000))],
    };
    let tenant = |name: &str| TenantSetup {
        name: name.to_owned(),
        limits: WalletLimits::default(),
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
            maker_fee: BasisPoints(10),
            taker_fee: BasisPoints(20),
        }],
        users: vec![user("alice"), user("bob")],
    };
    Setup { tenants: vec![tenant("acme"), tenant("globex")] }
}

/// One session that asks and waits.
struct Session {
    exchange: Exchange,
    feed: Feed<WorkerEvent>,
    slot: u32,
}

impl Session {
    fn start(storage: Storage) -> Self {
        let (exchange, mut feeds) = Exchange::start(Options::new(storage), &setup()).expect("the exchange starts");
        Self { exchange, feed: feeds.remove(0), slot: 0 }
    }

    fn ask(&mut self, tenant: TenantId, request: Request) -> std::sync::Arc<Release> {
        self.slot += 1;
        let token = ReplyToken { worker: 0, slot: self.slot, generation: 0 };
        self.exchange.submit(tenant, request, token, 1).expect("the exchange takes the request");
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

    fn place(
        &mut self,
        tenant: TenantId,
        account: u32,
        client_id: &str,
        side: Side,
        price: u64,
        quantity: u64,
    ) -> Result<(), Reason> {
        let place = Place {
            account: AccountId(account),
            market: MARKET,
            client_id: ClientOrderId::new(client_id),
            side,
            kind: OrderKind::Limit,
            price: Price(price),
            quantity: Quantity(quantity),
            budget: Amount(0),
            time: Nanos(0),
        };
        let request = Request::Command { command: Command::Place(place), deadline: Nanos(u64::MAX) };
        match &self.ask(tenant, request).answer {
            Some((_, Reply::Settled(settled))) => match &settled.result {
                SettledResult::Placed(placed) => *placed,
                other => panic!("a place was answered with {other:?}"),
            },
            Some((_, Reply::Rejected(reason))) => Err(*reason),
            other => panic!("a place was answered with {other:?}"),
        }
    }

    fn open_orders(&mut self, tenant: TenantId, account: u32) -> Vec<(OrderId, u64)> {
        let query = Query::OpenOrders { account: AccountId(account), market: None };
        match &self.ask(tenant, Request::Query(query)).answer {
            Some((_, Reply::Orders(orders))) => {
                orders.iter().map(|order| (order.id, order.quantity.0 - order.executed.0)).collect()
            }
            other => panic!("a query was answered with {other:?}"),
        }
    }

    fn balances(&mut self, tenant: TenantId, account: u32) -> Vec<(i128, i128)> {
        let query = Query::Balances { account: AccountId(account) };
        match &self.ask(tenant, Request::Query(query)).answer {
            Some((_, Reply::Balances(balances))) => {
                balances.iter().map(|balance| (balance.available.0, balance.held.0)).collect()
            }
            other => panic!("a query was answered with {other:?}"),
        }
    }
}

#[test]
fn a_trade_in_one_tenant_leaves_the_other_untouched() {
    let mut session = Session::start(Storage::Memory(MemoryLog::new()));
    let [acme, globex] = TENANTS;
    session.place(acme, 0, "a", Side::Sell, 70_000, 500).expect("placed");
    session.place(globex, 1, "a", Side::Buy, 70_000, 500).expect("placed");
    assert_eq!(session.open_orders(acme, 0), [(OrderId(1), 500)]);
    assert_eq!(session.open_orders(globex, 1), [(OrderId(1), 500)]);
    session.place(acme, 1, "b", Side::Buy, 70_000, 200).expect("placed");
    assert_eq!(session.open_orders(acme, 0), [(OrderId(1), 300)]);
    assert_eq!(session.open_orders(globex, 1), [(OrderId(1), 500)]);
    // 200 lots of 0.01 at 7: 14 CNY, less 0.1 % for the maker; 2 USD, less 0.2 % for the taker,
    // rounded up to a cent.
    assert_eq!(session.balances(acme, 0), [(100_000_000 - 500, 300), (700_000_000_000 + 13_986_000, 0)]);
    assert_eq!(session.balances(acme, 1), [(100_000_000 + 199, 0), (700_000_000_000 - 14_000_000, 0)]);
    assert_eq!(session.place(acme, 1, "b", Side::Buy, 1, 1), Err(Reason::DuplicateClientOrderId));
    session.exchange.shutdown();
    assert_eq!(session.exchange.status(), Status::Stopped("shut down".to_owned()));
}

#[test]
fn a_restart_finds_every_order_and_every_unit() {
    let directory = tempfile::tempdir().expect("a directory");
    let storage = Storage::Directory { path: directory.path().to_owned(), journal: SledOptions::default() };
    let before = {
        let mut session = Session::start(storage.clone());
        for number in 0..200_u64 {
            let side = if number % 2 == 0 { Side::Sell } else { Side::Buy };
            let price = 70_000 + number * 7 % 11;
            let account = u32::try_from(number % 2).expect("0 or 1");
            session.place(TENANTS[0], account, &format!("n{number}"), side, price, 10 + number).expect("placed");
        }
        let seen =
            (0..2).map(|account| (session.open_orders(TENANTS[0], account), session.balances(TENANTS[0], account)));
        let seen: Vec<_> = seen.collect();
        session.exchange.shutdown();
        seen
    };
    let mut session = Session::start(storage);
    let after = (0..2).map(|account| (session.open_orders(TENANTS[0], account), session.balances(TENANTS[0], account)));
    let after: Vec<_> = after.collect();
    assert_eq!(before, after);
    assert!(session.place(TENANTS[0], 0, "n7", Side::Sell, 1, 1).is_ok(), "another account's client id is free");
    assert_eq!(session.place(TENANTS[0], 1, "n7", Side::Buy, 1, 1), Err(Reason::DuplicateClientOrderId));
    session.exchange.shutdown();
}

#[test]
fn a_failed_actor_is_rebuilt_from_the_journal() {
    let mut session = Session::start(Storage::Memory(MemoryLog::new()));
    session.place(TENANTS[0], 0, "a", Side::Sell, 70_000, 500).expect("placed");
    session.exchange.drill(TENANTS[0]);
    // The drill strikes in the next turn; what asks then gets no answer but an interruption.
    let token = ReplyToken { worker: 0, slot: 0, generation: 1 };
    let query = || Request::Query(Query::Balances { account: AccountId(0) });
    let began = Instant::now();
    let mut interrupted = false;
    while !interrupted && began.elapsed() < Duration::from_secs(10) {
        session.exchange.submit(TENANTS[0], query(), token, 1).ok();
        std::thread::sleep(Duration::from_millis(5));
        while let Some(event) = session.feed.next_message() {
            interrupted |= matches!(event, WorkerEvent::Interrupted);
        }
    }
    assert!(interrupted, "the workers are told");
    while session.exchange.status() != Status::Ready {
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", session.exchange.status());
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(session.open_orders(TENANTS[0], 0), [(OrderId(1), 500)]);
    session.place(TENANTS[0], 1, "b", Side::Buy, 70_000, 500).expect("placed");
    assert_eq!(session.open_orders(TENANTS[0], 0), []);
    session.exchange.shutdown();
}

#[test]
fn a_late_command_is_refused() {
    let mut session = Session::start(Storage::Memory(MemoryLog::new()));
    let cancel = Cancel {
        account: AccountId(0),
        market: MARKET,
        target: OrderRef { id: Some(OrderId(1)), client_id: None },
        restriction: CancelRestriction::None,
        time: Nanos(0),
    };
    let request = Request::Command { command: Command::Cancel(cancel), deadline: Nanos(1) };
    let release = session.ask(TENANTS[0], request);
    assert!(matches!(release.answer, Some((_, Reply::Rejected(Reason::DeadlinePassed)))));
    session.exchange.shutdown();
}
