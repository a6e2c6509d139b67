//! The whole money half on a real server: a bank that misbehaves, a server that is killed every few seconds, and
//! clients that repeat until they are answered. When the faults stop, everything ends, and both sides' books
//! agree to the unit.
//!
//! `RIALTO_BANK_TXNS` says how many transactions there are: 2,000 unless it does.

mod rails_support;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rails_support::{RAILS, compare, control, get, is_quiet, replay};
use rialto_bank::config::{Callback, Client, Config};
use rialto_bank::faults::{Behaviour, Customers, Fault};
use rialto_bank::money::Currency;
use rialto_bank::server::Running;
use rialto_engine::ids::AssetId;
use rialto_engine::wallet::House;
use rialto_persistence::journal::sled::{SledJournal, SledOptions};
use rialto_tests::client::{Key, now_millis};
use rialto_tests::server::Server;
use serde_json::Value;

/// How often each fault happens, of 10,000.
const CHANCE: u32 = 1_000;
/// How many clients ask at once.
const CLIENTS: u64 = 4;
/// How long one life of the server lasts.
const LIFE: Duration = Duration::from_secs(3);
/// How often it is killed at least, however soon the clients are done: what they began goes on.
const KILLS_MIN: u32 = 5;
/// How long everything may take to end once nothing goes wrong any more.
const PATIENCE: Duration = Duration::from_secs(180);

fn configuration(bank: &str, shards: u16) -> String {
    let mut text = format!("[[tenants]]\nname = \"acme\"\nhosts = [\"acme.localhost\"]\nwallet_shards = {shards}\n");
    text.push_str(
        r#"
[[tenants.assets]]
name = "USD"
scale = 2
[[tenants.assets]]
name = "EUR"
scale = 2
[[tenants.users]]
name = "alice"
api_key = "acme-alice"
secret = "secret-of-alice-acme"
balances = { USD = "100000000", EUR = "100000000" }
[[tenants.users]]
name = "bob"
api_key = "acme-bob"
secret = "secret-of-bob-acme"
balances = { USD = "100000000", EUR = "100000000" }
[[tenants.operators]]
name = "backend"
api_key = "acme-backend"
secret = "secret-of-backend-acme"
role = "backend"
[[tenants.operators]]
name = "viewer"
api_key = "acme-viewer"
secret = "secret-of-viewer-acme"
role = "viewer"
"#,
    );
    for (topic, lifetime) in [("deposit", 15_000), ("withdrawal", 0)] {
        text += &format!(
            "[[tenants.policies]]\ntopic = \"{topic}\"\nfirst_ms = 1500\ninterval_ms = 500\ndoubling = true\n\
             longest_ms = 3000\nattempts = 8\nlifetime_ms = {lifetime}\n"
        );
    }
    for rail in 1..=RAILS {
        text += &format!(
            "[[tenants.rails]]\nname = \"bank-{rail}\"\nurl = \"{bank}\"\nkey = \"rail-{rail}\"\n\
             secret = \"secret-of-rail-{rail}\"\ncallback_key = \"bank-{rail}\"\n\
             callback_secret = \"secret-of-bank-{rail}\"\ndeadline_ms = 1000\nretry_within_ms = 20\n\
             clock_skew_ms = 100\nlook_again_ms = 200\nin_flight = 64\n\
             assets = [{{ asset = \"USD\" }}, {{ asset = \"EUR\" }}]\n\
             breaker = {{ span_ms = 2000, least = 20, failed_bps = 8000, pause_ms = 300, longest_ms = 1000 }}\n"
        );
    }
    text
}

/// A bank whose callbacks go to the server. It outlives every life of that.
fn bank(listen: &str, server: &str) -> Running {
    let client = |rail: u16| Client {
        key: format!("rail-{rail}"),
        secret: format!("secret-of-rail-{rail}"),
        callback: Some(Callback {
            url: format!("{server}/callbacks/v1/acme/bank-{rail}"),
            key: format!("bank-{rail}"),
            secret: format!("secret-of-bank-{rail}"),
        }),
    };
    let behaviour = Behaviour {
        seed: 11,
        slow_ms: 500,
        hang_ms: 2_000,
        delay_ms: 200,
        customers: Customers::Mixed,
        ..Behaviour::default()
    };
    let currency = |name: &str| Currency { name: name.to_owned(), scale: 2 };
    let config = Config {
        listen: listen.to_owned(),
        currencies: vec![currency("USD"), currency("EUR")],
        clients: (1..=RAILS).map(client).collect(),
        file: None,
        behaviour: behaviour.with_all(CHANCE, &[Fault::UnknownCurrency]),
    };
    Running::start(config).expect("the bank starts")
}

/// The `number`th thing that the tenant's backend asks for: path and parameters.
fn request(number: u64) -> (&'static str, String) {
    let (user, other) = if number.is_multiple_of(2) { ("alice", "bob") } else { ("bob", "alice") };
    let asset = if number.is_multiple_of(5) { "EUR" } else { "USD" };
    let amount = format!("{}.{:02}", 1 + number * 37 % 90, number % 100);
    let rail = 1 + number / 2 % u64::from(RAILS);
    match number % 10 {
        0..4 => ("deposits", format!("id=d-{number}&user={user}&asset={asset}&amount={amount}&rail=bank-{rail}")),
        4..8 => (
            "withdrawals",
            format!("id=w-{number}&user={user}&asset={asset}&amount={amount}&destination=DE02120300&rail=bank-{rail}"),
        ),
        _ => ("transfers", format!("id=t-{number}&from={user}&to={other}&asset={asset}&amount={amount}")),
    }
}

/// A signed request, if the server is there to answer it.
fn ask(agent: &ureq::Agent, method: &str, url: &str, key: &Key, parameters: &str) -> Option<(u16, Value)> {
    let separator = if parameters.is_empty() { "" } else { "&" };
    let query = format!("{parameters}{separator}timestamp={}&recvWindow=60000", now_millis());
    let signature = key.sign(&query);
    let uri = format!("{url}?{query}&signature={signature}");
    let request = ureq::http::Request::builder().method(method).uri(uri).header("X-MBX-APIKEY", &key.key);
    let mut response = agent.run(request.body(()).expect("a request")).ok()?;
    let text = response.body_mut().read_to_string().ok()?;
    Some((response.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::Null)))
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().http_status_as_error(false);
    config.timeout_global(Some(Duration::from_secs(10))).build().into()
}

/// Repeats until there is an answer that will not change.
fn insist(agent: &ureq::Agent, url: &str, key: &Key, parameters: &str) -> (u16, Value) {
    let end = Instant::now() + PATIENCE;
    loop {
        match ask(agent, "POST", url, key, parameters) {
            Some((status, body)) if status != 429 && status < 500 => return (status, body),
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
        assert!(Instant::now() < end, "no answer to {parameters}");
    }
}

/// One client of several: every `CLIENTS`th transaction, and a cancel of some.
fn client(first: u64, count: u64, base: &str, done: &AtomicU64) -> BTreeMap<String, u64> {
    let (agent, key) = (agent(), Key::of("acme", "backend"));
    let mut answers = BTreeMap::new();
    for number in (first..count).step_by(usize::try_from(CLIENTS).expect("few")) {
        let (kind, parameters) = request(number);
        let (status, body) = insist(&agent, &format!("{base}/t/acme/payments/v1/{kind}"), &key, &parameters);
        *answers.entry(format!("{kind} {status} {}", body["code"])).or_insert(0) += 1;
        assert_eq!(status, 200, "{parameters}: {body}");
        if number % 7 == 0 {
            let id = parameters.split('&').next().unwrap_or_default();
            let url = format!("{base}/t/acme/payments/v1/transactions/cancel");
            let (status, body) = insist(&agent, &url, &key, id);
            // What has ended already stays as it is.
            assert!([200, 400, 409].contains(&status), "{id}: {status} {body}");
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
    answers
}

fn transactions() -> u64 {
    std::env::var("RIALTO_BANK_TXNS").ok().map_or(2_000, |text| text.parse().expect("a number of transactions"))
}

#[test]
fn a_server_that_is_killed_and_a_bank_that_fails_lose_no_unit() {
    lose_nothing(transactions(), 1);
}

/// The two users are at home in two wallets, and the third has nobody.
#[test]
fn nor_do_they_where_the_users_are_at_home_in_several_wallets() {
    lose_nothing(transactions() / 4, 3);
}

fn lose_nothing(count: u64, shards: u16) {
    let listen = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        free.local_addr().expect("an address").to_string()
    };
    let mut server = Server::prepare(&configuration(&format!("http://{listen}"), shards));
    let base = server.url();
    let bank = bank(&listen, &base);
    server.restart();
    let (done, answers) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(BTreeMap::new())));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|first| {
            let (base, done, answers) = (base.clone(), Arc::clone(&done), Arc::clone(&answers));
            std::thread::spawn(move || {
                for (answer, times) in client(first, count, &base, &done) {
                    *answers.lock().expect("whole").entry(answer).or_insert(0) += times;
                }
            })
        })
        .collect();
    let began = Instant::now();
    let mut kills = 0;
    while clients.iter().any(|client| !client.is_finished()) || kills < KILLS_MIN {
        std::thread::sleep(LIFE);
        server.kill();
        kills += 1;
        server.restart();
    }
    clients.into_iter().for_each(|client| client.join().expect("a client's demands were met"));
    println!("{} transactions and {kills} kills in {:?}", done.load(Ordering::Relaxed), began.elapsed());
    println!("answers: {:?}", answers.lock().expect("whole"));
    println!("under way when the faults stop: {}", counts(&base));

    control(&bank.url(), "faults", "{}");
    let calm = Instant::now();
    while counts(&base)["pending"] != 0 || !is_quiet(&bank.url()) {
        assert!(calm.elapsed() < PATIENCE, "still under way: {}; {}", counts(&base), live(&base));
        std::thread::sleep(Duration::from_millis(200));
    }
    println!("all of it ended {:?} after the faults stopped: {}", calm.elapsed(), counts(&base));
    println!("the bank: {}", get(&bank.url(), "control/counts"));

    server.kill();
    assert_eq!(server.check()["ok"], true);
    let journal = SledJournal::open(&server.data(), SledOptions::default()).expect("the journal opens");
    let world = replay(&journal);
    let wallet = &world.tenants[0].wallet;
    assert_eq!(wallet.transactions(), count, "each transaction is there once");
    assert_eq!(wallet.live_count(), 0, "nothing waits");
    let mut cases: BTreeMap<&str, (u64, i128)> = BTreeMap::new();
    for case in wallet.open_cases() {
        let (number, amount) = cases.entry(case.case.kind.name()).or_default();
        *number += 1;
        *amount += case.case.amount.0;
    }
    println!("the operator's queue, cases by kind with their sums in minor units: {cases:?}");
    compare(&world, &bank.url());
    let tenant = &world.tenants[0];
    assert_eq!((tenant.shards(), tenant.messages()), (shards, 0), "nothing is under way");
    assert_eq!(tenant.imbalances(), []);
    for asset in [AssetId(0), AssetId(1)] {
        assert_eq!(tenant.house(asset, House::Clearing).0, 0, "nothing is between the wallets");
    }
}

fn counts(base: &str) -> Value {
    let key = Key::of("acme", "viewer");
    let url = format!("{base}/t/acme/operator/v1/settings");
    let (status, body) = ask(&agent(), "GET", &url, &key, "").expect("the server answers");
    assert_eq!(status, 200, "{body}");
    let names = ["live", "pending", "stuck", "cases", "openCases"];
    let found = names.iter().filter_map(|name| Some(((*name).to_owned(), find(&body, name)?.clone())));
    Value::Object(found.collect())
}

/// A field, wherever it stands.
fn find<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match value {
        Value::Object(fields) => fields.get(name).or_else(|| fields.values().find_map(|field| find(field, name))),
        _ => None,
    }
}

fn live(base: &str) -> Value {
    let key = Key::of("acme", "viewer");
    let url = format!("{base}/t/acme/operator/v1/transactions");
    ask(&agent(), "GET", &url, &key, "limit=3").map_or(Value::Null, |(_, body)| body)
}
