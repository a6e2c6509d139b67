//! `kill -9` at random moments, again and again: what was acknowledged is there, and nothing twice.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::time::Duration;

use rialto_tests::client::{Key, Session, limit, now_millis, signed};
use rialto_tests::server::{Server, two_tenants};
use serde_json::{Value, json};

const ROUNDS: u64 = 200;
/// From here on the trader cancels as often as he places.
const OPEN_ORDERS: usize = 2_000;

/// What a trader believes of his orders: only what was acknowledged.
#[derive(Debug, Default)]
struct Belief {
    /// Client id to the quantity still open, of orders that rest.
    open: BTreeMap<String, u32>,
    /// Client ids that were cancelled.
    canceled: Vec<String>,
    /// Client ids sent and not answered: they may be there or not.
    unknown: Vec<String>,
    /// Orders to be cancelled when the answer did not come.
    unknown_cancels: Vec<String>,
}

/// Places and cancels orders that never meet until the connection breaks. Returns what he knows.
fn trade(ws_url: &str, tenant: &str, round: u64, mut belief: Belief) -> Belief {
    let Ok(mut session) = std::panic::catch_unwind(|| Session::log_on(ws_url, tenant, &Key::of(tenant, "alice")))
    else {
        return belief;
    };
    for number in 0.. {
        // A quick server must not run the trader out of money.
        let every = if belief.open.len() < OPEN_ORDERS { 4 } else { 2 };
        if number % every == every - 1
            && let Some(id) = belief.open.keys().next().cloned()
        {
            let cancel = json!({"symbol": "USDCNY", "origClientOrderId": id, "timestamp": now_millis()});
            match session.try_ask("order.cancel", cancel) {
                Ok(reply) if reply["status"] == 200 => {
                    belief.open.remove(&id);
                    belief.canceled.push(id);
                }
                Ok(reply) => panic!("an open order could not be cancelled: {reply}"),
                Err(_) => {
                    belief.open.remove(&id);
                    belief.unknown_cancels.push(id);
                    return belief;
                }
            }
            continue;
        }
        let id = format!("r{round}-{number}");
        let quantity = u32::try_from(10 + number % 90).expect("small");
        let (side, price) = if number % 2 == 0 { ("SELL", "9.0000") } else { ("BUY", "5.0000") };
        match session.try_ask("order.place", limit("USDCNY", side, price, &quantity.to_string(), &id)) {
            Ok(reply) if reply["status"] == 200 => {
                belief.open.insert(id, quantity);
            }
            Ok(reply) => panic!("an order was refused: {reply}"),
            Err(_) => {
                belief.unknown.push(id);
                return belief;
            }
        }
    }
    belief
}

/// Compares what the server has with what the trader believes, and settles what he did not know.
fn compare(server: &Server, tenant: &str, belief: &mut Belief, round: u64) {
    let base = format!("{}/t/{tenant}", server.url());
    let key = Key::of(tenant, "alice");
    let (status, open) = signed("GET", &base, "/api/v3/openOrders", &key, "symbol=USDCNY");
    assert_eq!(status, 200, "{open}");
    let mut there: BTreeMap<String, u32> = BTreeMap::new();
    for order in open.as_array().expect("orders") {
        let id = order["clientOrderId"].as_str().expect("an id").to_owned();
        let quantity =
            order["origQty"].as_str().and_then(|text| text.split('.').next()?.parse().ok()).expect("a quantity");
        assert_eq!(there.insert(id.clone(), quantity), None, "round {round}: {id} is there twice");
    }
    for id in std::mem::take(&mut belief.unknown).into_iter().chain(std::mem::take(&mut belief.unknown_cancels)) {
        if let Some(quantity) = there.get(&id) {
            belief.open.insert(id, *quantity);
        } else {
            belief.canceled.push(id);
        }
    }
    assert_eq!(there, belief.open, "round {round}: {tenant}");
    // A sample of what was cancelled stays cancelled, and its id stays used.
    if let Some(id) = belief.canceled.iter().rev().find(|id| id.starts_with(&format!("r{round}-"))) {
        let (status, order) =
            signed("GET", &base, "/api/v3/order", &key, &format!("symbol=USDCNY&origClientOrderId={id}"));
        if status == 200 {
            assert_eq!(order["status"], "CANCELED", "round {round}: {order}");
        } else {
            assert_eq!(order["code"], -2013, "round {round}: {order}");
        }
    }
    let (_, account) = signed("GET", &base, "/api/v3/account", &key, "");
    let held: u64 = belief
        .open
        .iter()
        .filter(|(id, _)| {
            id.rsplit('-').next().and_then(|number| number.parse::<u64>().ok()).is_some_and(|n| n % 2 == 0)
        })
        .map(|(_, quantity)| u64::from(*quantity))
        .sum();
    let balance = account["balances"].as_array().and_then(|all| all.iter().find(|row| row["asset"] == "USD").cloned());
    assert_eq!(
        balance.map(|row| row["locked"].clone()),
        Some(Value::from(format!("{held}.00000000"))),
        "round {round}"
    );
}

#[test]
fn what_was_acknowledged_survives_two_hundred_kills() {
    let mut server = Server::start(&two_tenants());
    let mut beliefs = [Belief::default(), Belief::default()];
    let mut seed = 0x5eed_u64;
    let mut acknowledged = 0;
    for round in 0..ROUNDS {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let pause = Duration::from_micros(2_000 + (seed >> 33) % 120_000);
        let url = server.ws_url();
        let (sender, receiver) = mpsc::channel();
        for (tenant, belief) in ["acme", "globex"].into_iter().zip(std::mem::take(&mut beliefs)) {
            let (sender, url) = (sender.clone(), url.clone());
            std::thread::spawn(move || {
                let before = belief.open.len() + belief.canceled.len();
                let belief = trade(&url, tenant, round, belief);
                let after = belief.open.len() + belief.canceled.len();
                sender.send((tenant, belief, after.saturating_sub(before))).ok();
            });
        }
        std::thread::sleep(pause);
        server.kill();
        for _ in 0..2 {
            let (tenant, belief, new) = receiver.recv_timeout(Duration::from_secs(30)).expect("the trader returns");
            acknowledged += new;
            beliefs[usize::from(tenant == "globex")] = belief;
        }
        server.restart();
        for (tenant, belief) in ["acme", "globex"].into_iter().zip(&mut beliefs) {
            compare(&server, tenant, belief, round);
        }
    }
    assert!(acknowledged > 1_000, "only {acknowledged} orders in all: the test did not test");
    println!("{acknowledged} acknowledged orders over {ROUNDS} kills");
    server.kill();
    assert_eq!(server.check()["ok"], true);
}
