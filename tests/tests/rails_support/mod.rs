//! A bank on a real socket, rails to it, and who hears what they say.

#![allow(dead_code, reason = "each suite uses its part")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rialto_actors::rails::RailSetup;
use rialto_actors::rails::breaker::BreakerOptions;
use rialto_actors::rails::channel::ChannelOptions;
use rialto_actors::rails::route::{AssetTerms, RailTerms};
use rialto_bank::config::{Callback, Client, Config};
use rialto_bank::faults::Behaviour;
use rialto_bank::money::Currency;
use rialto_bank::server::Running;
use rialto_engine::ids::{AccountId, AssetId, RailId, TenantId, TransactionId};
use rialto_engine::label::Label;
use rialto_engine::transaction::{
    Ask, Body, RailCall, Stage, Transaction, TransactionCommand, TransactionKind, TransactionState,
};
use rialto_engine::units::{Amount, Nanos};
use rialto_engine::wallet::House;
use rialto_gateway::keys::Secret;
use rialto_gateway::rails::adapter::HttpRail;
use rialto_gateway::rails::http::{Endpoint, Trust};
use rialto_gateway::rails::sign::Credentials;
use rialto_gateway::rails::wire::{Names, NamesOfNow};
use rialto_persistence::codec::decode_record;
use rialto_persistence::frame::{FrameKind, Position};
use rialto_persistence::journal::Journal;
use rialto_persistence::world::{Scratch, Unobserved, World};

/// How many rails the exchange has in the suites that book.
pub const RAILS: u16 = 2;
pub const TENANT: TenantId = TenantId(0);
pub const USD: AssetId = AssetId(0);
pub const EUR: AssetId = AssetId(1);
/// The currencies of the tenant and of the bank, by number.
pub const ASSETS: [(&str, u8); 2] = [("USD", 2), ("EUR", 2)];

pub fn label(text: &str) -> Label {
    Label::new(text).expect("a label")
}

pub fn names() -> NamesOfNow {
    NamesOfNow::new(Names::new("acme", ASSETS.map(|(name, scale)| (name.to_owned(), scale))))
}

/// A bank with one client per rail: `rail-1` and so on. Callbacks of rail `n` go to `<callbacks>/n`.
pub fn bank(rails: u16, behaviour: Behaviour, callbacks: Option<&str>) -> Running {
    let client = |number: u16| Client {
        key: format!("rail-{number}"),
        secret: format!("secret-of-rail-{number}"),
        callback: callbacks.map(|url| Callback {
            url: format!("{url}/{number}"),
            key: format!("bank-{number}"),
            secret: format!("secret-of-bank-{number}"),
        }),
    };
    let currency = |(name, scale): (&str, u8)| Currency { name: name.to_owned(), scale };
    let config = Config {
        listen: "127.0.0.1:0".to_owned(),
        currencies: ASSETS.map(currency).to_vec(),
        clients: (1..=rails).map(client).collect(),
        file: None,
        behaviour,
    };
    Running::start(config).expect("the bank starts")
}

/// A rail to a bank, with little patience.
pub fn rail(bank: &Running, number: u16, options: ChannelOptions) -> RailSetup {
    let endpoint = Endpoint::new(&bank.url()).expect("an endpoint");
    let secret = Secret::new(format!("secret-of-rail-{number}"));
    let credentials = Credentials::new(format!("rail-{number}"), &secret);
    let adapter = HttpRail::new(endpoint, &Trust::System, options.in_flight, credentials, names());
    RailSetup {
        tenant: TENANT,
        tenant_name: "acme".to_owned(),
        name: format!("bank-{number}"),
        terms: terms(number),
        options,
        adapter: Arc::new(adapter.expect("an adapter")),
    }
}

pub fn terms(number: u16) -> RailTerms {
    let mut assets = Vec::new();
    for kind in [TransactionKind::Deposit, TransactionKind::Withdrawal] {
        for asset in [USD, EUR] {
            let (least, most) = (Amount(1), Amount(1_000_000_000));
            assets.push(AssetTerms { kind, asset, least, most, fixed: Amount(i128::from(number)), rate: 0 });
        }
    }
    RailTerms { rail: RailId(number), priority: 0, assets }
}

/// Deadlines and pauses of a test.
pub fn hasty() -> ChannelOptions {
    ChannelOptions {
        deadline: Duration::from_millis(400),
        retry_within: Duration::from_millis(20),
        clock_skew: Duration::from_millis(50),
        look_again: Duration::from_millis(100),
        breaker: BreakerOptions {
            span: 2_000_000_000,
            least: 4,
            failed: 5_000,
            pause: 300_000_000,
            longest: 600_000_000,
            trials: 2,
        },
        ..ChannelOptions::default()
    }
}

pub fn withdrawal(number: u64, rail: u16, amount: i128) -> Transaction {
    let body = Body::Withdrawal {
        account: AccountId(0),
        asset: USD,
        amount: Amount(amount),
        destination: "DE02 1203 0000 0000 2020 51".into(),
    };
    transaction(&format!("w-{number}"), number, rail, body)
}

pub fn deposit(number: u64, rail: u16, amount: i128) -> Transaction {
    let body = Body::Deposit { account: AccountId(0), asset: USD, amount: Amount(amount) };
    transaction(&format!("d-{number}"), number, rail, body)
}

/// As it stands when it was handed over for the first time.
fn transaction(id: &str, number: u64, rail: u16, body: Body) -> Transaction {
    let now = rialto_actors::clock::wall();
    Transaction {
        number: TransactionId(number),
        id: label(id),
        body: Some(body),
        state: TransactionState::Open,
        rail: RailId(rail),
        stage: Stage::Sent,
        fee: Amount(0),
        moved: Amount(0),
        posted: Amount(0),
        reversed: Amount(0),
        fee_back: Amount(0),
        opened: now,
        changed: now,
        until: Nanos(0),
        due: Nanos(0),
        attempts: 0,
        is_stuck: false,
        events: 2,
        acknowledged: 2,
        approvals: Vec::new(),
    }
}

pub fn call(ask: Ask, transaction: &Transaction) -> (TenantId, RailCall) {
    (TENANT, RailCall { ask, transaction: transaction.clone() })
}

/// Hears what comes back, instead of an exchange.
#[derive(Clone, Default)]
pub struct Heard(Arc<(Mutex<Told>, Condvar)>);

/// What was told, and when.
type Told = Vec<(Instant, TransactionCommand)>;

impl Heard {
    pub fn take(&self, command: TransactionCommand) {
        self.0.0.lock().expect("whole").push((Instant::now(), command));
        self.0.1.notify_all();
    }

    pub fn all(&self) -> Vec<TransactionCommand> {
        self.0.0.lock().expect("whole").iter().map(|(_, command)| command.clone()).collect()
    }

    /// Waits for the first command that fits; says when it came.
    pub fn wait(&self, what: &str, fits: impl Fn(&TransactionCommand) -> bool) -> Instant {
        let end = Instant::now() + Duration::from_secs(20);
        let mut heard = self.0.0.lock().expect("whole");
        loop {
            if let Some((at, _)) = heard.iter().find(|(_, command)| fits(command)) {
                return *at;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {what} in {heard:?}");
            heard = self.0.1.wait_timeout(heard, left).expect("whole").0;
        }
    }
}

/// A request that was received: target, headers with names in small letters, body.
#[derive(Clone, Debug)]
pub struct Received {
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Received {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// A server that gives each request to `answer` and says the status that it gives back.
pub fn receiver(answer: impl Fn(Received) -> u16 + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            std::thread::spawn(move || serve(stream, &*answer));
        }
    });
    url
}

fn serve(stream: TcpStream, answer: &dyn Fn(Received) -> u16) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut writer = stream;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
        let target = line.split(' ').nth(1)?.to_owned();
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let mut body = vec![0; length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0)];
        reader.read_exact(&mut body).ok()?;
        let status = answer(Received { target, headers, body });
        write!(writer, "HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n").ok()?;
    }
}

/// Both books, to the unit; and what is in suspense is what the open cases say.
pub fn compare(world: &World, bank: &str) {
    let totals = get(bank, "control/totals");
    let wallet = &world.tenants[0].wallet;
    for (name, asset) in [("USD", AssetId(0)), ("EUR", AssetId(1))] {
        for number in 1..=RAILS {
            let net = totals[format!("rail-{number}")][name]["net"].as_str().unwrap_or("0.00").replace('.', "");
            let net: i128 = net.parse().expect("a number");
            assert_eq!(-wallet.external(asset, RailId(number)).0, net, "{name} on rail {number}");
        }
        let cases = wallet.open_cases().filter(|case| case.case.asset == asset);
        let explained: i128 = cases.map(|case| case.case.amount.0).sum();
        assert_eq!(wallet.house(asset, House::Suspense).0, explained, "{name} in suspense");
    }
    let stands = |state| wallet.live_transactions().filter(|transaction| transaction.state == state).count();
    assert_eq!(stands(TransactionState::Open) + stands(TransactionState::Closing), 0);
}

pub fn replay(log: &impl Journal) -> World {
    let (mut world, mut scratch) = (World::default(), Scratch::default());
    let mut reader = log.reader();
    let mut after = Position(0);
    loop {
        let next = reader.read(after, 1 << 20, &mut |frame| {
            for (_, bytes) in frame.records_after(after) {
                let position = world.position + 1;
                if frame.kind == FrameKind::Fence {
                    world.pass(position).expect("it follows");
                } else {
                    let record = decode_record(bytes).expect("a record");
                    world.apply(position, &record, &mut scratch, &mut Unobserved).expect("it follows");
                }
            }
        });
        let next = next.expect("the log is read");
        if next == after {
            return world;
        }
        after = next;
    }
}

pub fn get(url: &str, what: &str) -> serde_json::Value {
    rialto_tests::client::call("GET", &format!("{url}/{what}"), None).1
}

/// Whether the bank has nothing left to do and its clients know all that it did. In this order: what
/// happens by itself is told afterwards.
pub fn is_quiet(url: &str) -> bool {
    get(url, "control/counts")["scheduled"] == 0 && redeliver(url) == 0
}

/// How many payments the bank's clients do not know all of.
fn redeliver(url: &str) -> u64 {
    rialto_tests::client::call("POST", &format!("{url}/control/redeliver"), None).1["untold"].as_u64().expect("a count")
}

pub fn control(url: &str, what: &str, body: &str) {
    let url = format!("{url}/control/{what}");
    let response = ureq::post(&url).header("content-type", "application/json").send(body).expect("the bank obeys");
    assert_eq!(response.status(), 204);
}
