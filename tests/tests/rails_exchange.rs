//! An exchange, its rails and a bank that misbehaves, in one process: whatever goes wrong, everything ends, and
//! both sides' books agree to the unit.

mod rails_support;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rails_support::{
    ASSETS, RAILS, TENANT, bank, compare, control, get, hasty, is_quiet, label, names, rail, receiver, replay,
};
use rialto_actors::api::{Query, Release, Reply, ReplyToken, Request, WorkerEvent};
use rialto_actors::clock;
use rialto_actors::exchange::{Exchange, Options, Setup, Storage, TenantSetup, UserSetup};
use rialto_actors::feed::Feed;
use rialto_actors::outlets::Outlets;
use rialto_actors::rails::channel::ChannelOptions;
use rialto_actors::rails::route::RouteOptions;
use rialto_actors::rails::{Rails, RailsHandle, RailsOptions};
use rialto_actors::setup::MoneySetup;
use rialto_bank::faults::{Behaviour, Customers, Fault};
use rialto_bank::server::Running;
use rialto_engine::ids::{AccountId, AssetId, RailId};
use rialto_engine::transaction::{Body, Policy, Topic, TransactionCommand, TransactionKind};
use rialto_engine::units::{Amount, Nanos};
use rialto_engine::wallet::WalletLimits;
use rialto_gateway::keys::Secret;
use rialto_gateway::rails::callback::{Callers, WINDOW, verify_and_parse};
use rialto_gateway::rails::sign::Credentials;
use rialto_persistence::journal::memory::MemoryLog;

const SECOND: u64 = 1_000_000_000;

fn setup() -> Setup {
    let policy = |lifetime| Policy {
        first: Nanos(600_000_000),
        interval: Nanos(300_000_000),
        is_doubling: true,
        longest: Nanos(2 * SECOND),
        attempts: 8,
        lifetime: Nanos(lifetime),
    };
    let user = |name: &str| UserSetup {
        name: name.to_owned(),
        balances: vec![("USD".to_owned(), Amount(1_000_000_000)), ("EUR".to_owned(), Amount(1_000_000_000))],
        group: 0,
    };
    let money = MoneySetup {
        rails: (1..=RAILS).map(|number| label(&format!("bank-{number}"))).collect(),
        policies: vec![
            (Topic::Kind(TransactionKind::Deposit), policy(6 * SECOND)),
            (Topic::Kind(TransactionKind::Withdrawal), policy(0)),
        ],
        ..MoneySetup::default()
    };
    let tenant = TenantSetup {
        name: "acme".to_owned(),
        limits: WalletLimits::default(),
        shards: 1,
        assets: ASSETS.map(|(name, scale)| (name.to_owned(), scale)).to_vec(),
        markets: Vec::new(),
        users: vec![user("alice"), user("bob")],
        zone: Default::default(),
        money,
        is_shadow: false,
    };
    Setup { tenants: vec![tenant] }
}

/// The exchange and its rails, between two starts.
struct Venue {
    exchange: Exchange,
    feed: Feed<WorkerEvent>,
    rails: Rails,
    slot: u32,
}

impl Venue {
    fn start(log: &MemoryLog, bank: &Running, current: &Mutex<Option<Exchange>>) -> Self {
        let (outlets, calls, _) = Outlets::with_room(4_096);
        let mut options = Options::new(Storage::Memory(log.clone()));
        options.outlets = Some(outlets);
        let (exchange, mut feeds) = Exchange::start(options, &setup()).expect("the exchange starts");
        let sink = exchange.clone();
        let options = RailsOptions {
            route: RouteOptions { span: 5 * SECOND, drain_for: SECOND, ..RouteOptions::default() },
            draining: Vec::new(),
            returns: 4_096,
            sink: Arc::new(move |tenant, command| sink.transact(tenant, command)),
        };
        let channel = ChannelOptions { in_flight: 64, ..hasty() };
        let setups = (1..=RAILS).map(|number| rail(bank, number, channel)).collect();
        let rails = Rails::start(options, setups, calls).expect("the rails start");
        *current.lock().expect("whole") = Some(exchange.clone());
        Self { exchange, feed: feeds.remove(0), rails, slot: 0 }
    }

    fn stop(self, current: &Mutex<Option<Exchange>>) {
        *current.lock().expect("whole") = None;
        self.rails.stop();
        self.exchange.shutdown();
    }

    fn ask(&mut self, request: Request) -> Reply {
        self.slot += 1;
        let token = ReplyToken { worker: 0, slot: self.slot, generation: 0 };
        self.exchange.submit(TENANT, request, token, 1).expect("the exchange takes the request");
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            match self.feed.next_message() {
                Some(WorkerEvent::Released(release)) => {
                    let release = alone(release);
                    if let Some((_, reply)) = release.answer.filter(|(answered, _)| *answered == token) {
                        return reply;
                    }
                }
                Some(_) => {}
                None => std::thread::sleep(Duration::from_micros(50)),
            }
            assert!(Instant::now() < end, "no answer: {:?}", self.exchange.status());
        }
    }

    fn transact(&mut self, command: TransactionCommand) -> Reply {
        self.ask(Request::Transaction { command, deadline: Nanos(u64::MAX) })
    }

    fn handle(&self) -> &RailsHandle {
        self.rails.handle()
    }
}

/// The release itself: the journal writer may hold it a moment longer.
fn alone(mut release: Arc<Release>) -> Release {
    loop {
        match Arc::try_unwrap(release) {
            Ok(release) => return release,
            Err(shared) => release = shared,
        }
        std::thread::yield_now();
    }
}

/// Hands what the bank calls back to whichever exchange runs.
fn callbacks(current: Arc<Mutex<Option<Exchange>>>) -> String {
    let callers = |number: u16| Callers {
        credentials: Credentials::new(format!("bank-{number}"), &Secret::new(format!("secret-of-bank-{number}"))),
        names: names(),
        window: WINDOW,
    };
    let callers: Vec<Callers> = (1..=RAILS).map(callers).collect();
    receiver(move |request| {
        let number: u16 = request.target.trim_start_matches('/').parse().expect("a rail");
        let callers = &callers[usize::from(number) - 1];
        let told =
            verify_and_parse(callers, &request.target, |name| request.header(name), &request.body, clock::wall());
        let told = match told {
            Ok(told) => told,
            Err(fault) => return fault.status(),
        };
        let current = current.lock().expect("whole");
        let Some(exchange) = &*current else { return 503 };
        for report in told.reports {
            let command = TransactionCommand::Report { rail: RailId(number), id: told.id, report, time: Nanos::ZERO };
            if exchange.transact(TENANT, command).is_err() {
                return 503;
            }
        }
        204
    })
}

/// The `number`th thing that a tenant does.
fn command(number: u64, venue: &Venue) -> Option<TransactionCommand> {
    let (account, other) = (AccountId(u32::from(number % 2 == 1)), AccountId(u32::from(number.is_multiple_of(2))));
    let asset = AssetId(u16::from(number.is_multiple_of(5)));
    let amount = Amount(i128::from(100 + number * 37 % 9_000));
    let body = match number % 10 {
        0..4 => Body::Deposit { account, asset, amount },
        4..8 => Body::Withdrawal { account, asset, amount, destination: "DE02 1203".into() },
        _ => Body::Transfer { from: account, to: other, asset, amount, held: false },
    };
    let kind = body.kind();
    // Whoever finds no rail tries again later; here he leaves it.
    let rail = if kind.has_rail() { venue.handle().route(TENANT, kind, asset, amount).ok()? } else { RailId(0) };
    let id = label(&format!("{}-{number}", kind.name()));
    Some(TransactionCommand::Try { id, body, rail, until: Nanos::ZERO, time: Nanos::ZERO })
}

#[test]
fn whatever_a_bank_does_everything_ends_and_the_books_agree_to_the_unit() {
    let count: u64 = std::env::var("RIALTO_RAILS_TXNS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000);
    let current = Arc::new(Mutex::new(None));
    let url = callbacks(Arc::clone(&current));
    let behaviour = Behaviour {
        seed: 7,
        slow_ms: 300,
        hang_ms: 1_000,
        delay_ms: 100,
        customers: Customers::Mixed,
        ..Behaviour::default()
    };
    let bank = bank(RAILS, behaviour.with_all(1_000, &[Fault::UnknownCurrency]), Some(&url));
    let log = MemoryLog::default();
    let mut venue = Venue::start(&log, &bank, &current);
    let (mut tried, mut unrouted) = (BTreeMap::new(), 0);
    for number in 0..count {
        // Time enough for what was begun to be in the middle of something.
        if number % (count / 3) == count / 6 {
            venue.stop(&current);
            venue = Venue::start(&log, &bank, &current);
        }
        let Some(command) = command(number, &venue) else {
            unrouted += 1;
            continue;
        };
        let TransactionCommand::Try { id, ref body, .. } = command else { unreachable!("all are tries") };
        *tried.entry(body.kind().name()).or_insert(0) += 1;
        let reply = venue.transact(command);
        assert!(matches!(reply, Reply::Transacted { .. }), "{id}: {reply:?}");
        if number % 7 == 0 {
            venue.transact(TransactionCommand::Cancel { id, time: Nanos::ZERO });
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    control(&bank.url(), "faults", "{\"hang_ms\": 1000}");
    let began = Instant::now();
    let settings = loop {
        let Reply::Money(settings) = venue.ask(Request::Query(Query::Money)) else { panic!("no settings") };
        if settings.pending == 0 && is_quiet(&bank.url()) {
            break settings;
        }
        if began.elapsed() > Duration::from_secs(90) {
            let query = Query::Transactions { stuck_only: false, limit: 5 };
            panic!("{} are still under way: {:?}", settings.pending, venue.ask(Request::Query(query)));
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    let took = began.elapsed();
    venue.stop(&current);
    let world = replay(&log.open());
    println!("{tried:?}, {unrouted} found no rail; all ended {took:?} after the faults; {} cases", settings.cases);
    println!("the bank: {}", get(&bank.url(), "control/counts"));
    compare(&world, &bank.url());
    assert_eq!(world.tenants[0].wallet.live_count(), 0, "nothing waits");
}
