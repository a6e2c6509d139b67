//! What a client sees when a part of the exchange is down: market data, or the journal.

mod support;

#[path = "../../actors/tests/support/hung_journal.rs"]
#[allow(dead_code, reason = "each suite uses its part")]
mod hung_journal;

use std::time::{Duration, Instant};

use rialto_actors::exchange::Options;
use rialto_persistence::journal::memory::MemoryLog;
use serde_json::{Value, json};
use support::{Reply, Server, Socket};

use hung_journal::Valve;

const BUY: &str = "symbol=USDCNY&side=BUY&type=LIMIT&timeInForce=GTC&price=7.1&quantity=10";
const DEPTH: &str = "/t/acme/api/v3/depth?symbol=USDCNY";

fn wait_for(server: &Server, path: &str, fits: impl Fn(&Reply) -> bool) -> Reply {
    let began = Instant::now();
    loop {
        let reply = server.get(path);
        if fits(&reply) {
            return reply;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{path}: {} {}", reply.status, reply.text);
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn streams_are_closed_when_market_data_fails_and_orders_are_not() {
    let server = Server::start();
    let alice = server.user("alice");
    let mut session = Socket::open(&server, "/t/acme/ws-api/v3");
    let streams = "/t/acme/stream?streams=usdcny@depth@100ms/usdcny@trade";
    assert_eq!(server.get("/readyz").text, "ready\n");
    let mut before = Socket::open(&server, streams);
    before.call_control(&json!({"id": 1, "method": "LIST_SUBSCRIPTIONS"}));
    server.exchange.drill_market_data();
    assert_eq!(before.close_code(), 1012);
    // It is whole again at once. When it fails once more, the books are asked for after a pause.
    wait_for(&server, "/readyz", |reply| reply.text == "ready\n");
    server.exchange.drill_market_data();
    let degraded = wait_for(&server, "/readyz", |reply| reply.text != "ready\n");
    assert_eq!((degraded.status, degraded.text.as_str()), (200, "degraded: market data begins anew\n"));
    assert_eq!(server.get(DEPTH).body["code"], -1008);
    let mut meanwhile = Socket::open(&server, streams);
    meanwhile.call_control(&json!({"id": 1, "method": "LIST_SUBSCRIPTIONS"}));
    assert_eq!(alice.signed("POST", "/api/v3/order", BUY).body["status"], "NEW");
    assert_eq!(session.call("ping", json!({}))["status"], 200);
    // Who came meanwhile has missed the order.
    assert_eq!(meanwhile.close_code(), 1012);
    wait_for(&server, "/readyz", |reply| reply.text == "ready\n");

    let mut after = Socket::open(&server, streams);
    after.call_control(&json!({"id": 1, "method": "LIST_SUBSCRIPTIONS"}));
    let snapshot = server.get(DEPTH).body;
    assert_eq!(snapshot["bids"], json!([["7.10000000", "10.00000000"]]));
    assert_eq!(alice.signed("POST", "/api/v3/order", BUY).body["status"], "NEW");
    let diff = after.receive();
    assert_eq!(diff["data"]["U"].as_u64(), snapshot["lastUpdateId"].as_u64().map(|update| update + 1), "{diff}");
    assert_eq!(diff["data"]["b"], json!([["7.10000000", "20.00000000"]]));
    assert_eq!(session.call("ping", json!({}))["status"], 200);
}

#[test]
fn orders_are_refused_at_once_when_the_journal_hangs() {
    let valve = Valve::default();
    let mut options = Options::new(valve.storage(&MemoryLog::new()));
    options.commit_limit = Duration::from_millis(500);
    let server = Server::start_with(options);
    let alice = server.user("alice");
    let code = |reply: &Reply| (reply.status, reply.body["code"].clone());
    assert_eq!(alice.signed("POST", "/api/v3/order", BUY).status, 200);
    valve.close();
    // Whoever waits hears that nobody knows.
    let unknown = alice.signed("POST", "/api/v3/order", BUY);
    assert_eq!(code(&unknown), (503, json!(-1007)));
    let health = wait_for(&server, "/readyz", |reply| reply.status == 503 && reply.text.starts_with("stopped"));
    assert!(
        health.text.contains("longer than 500ms") && health.text.contains("nothing is restarted"),
        "{}",
        health.text
    );
    let began = Instant::now();
    for _ in 0..10 {
        assert_eq!(code(&alice.signed("POST", "/api/v3/order", BUY)), (503, json!(-1008)));
    }
    assert_eq!(code(&alice.signed("GET", "/api/v3/account", "")), (503, json!(-1008)));
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(server.get("/healthz").status, 200);
    assert_eq!(server.get(DEPTH).body["bids"], json!([["7.10000000", "10.00000000"]]), "what was durable is told");
    assert_eq!(server.get(DEPTH).body["asks"], Value::Array(Vec::new()));
    valve.open();
}

#[test]
fn history_is_given_up_first_then_orders_and_cancels_never() {
    let valve = Valve::default();
    let mut options = Options::new(valve.storage(&MemoryLog::new()));
    options.permits = 8;
    let server = Server::start_with(options);
    let alice = server.user("alice");
    let resting = alice.signed("POST", "/api/v3/order", BUY).body["orderId"].clone();
    let history = || alice.signed("GET", "/api/v3/allOrders", "symbol=USDCNY");
    assert_eq!(history().status, 200);
    let mut session = Socket::open(&server, "/t/acme/ws-api/v3");
    let ask = |session: &mut Socket, id: &str, method: &str, params: Value| {
        let params = alice.socket_params(params);
        session.send(&json!({"id": id, "method": method, "params": params}).to_string());
    };
    let order = || {
        json!({"symbol": "USDCNY", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "7.1",
               "quantity": "10"})
    };
    // From here on nothing becomes durable, and whatever is taken stays under way.
    valve.close();
    for number in 0..3 {
        ask(&mut session, &format!("order-{number}"), "order.place", order());
    }
    session.call("ping", json!({}));
    assert_eq!(history().status, 200, "three of eight are under way");
    for number in 3..8 {
        ask(&mut session, &format!("order-{number}"), "order.place", order());
    }
    session.call("ping", json!({}));
    let shed = history();
    assert_eq!((shed.status, &shed.body["code"]), (503, &json!(-1008)));
    assert_eq!(shed.body["data"], json!({"shed": "history"}));
    let refused = alice.signed("POST", "/api/v3/order", BUY);
    assert_eq!((refused.status, &refused.body["code"]), (503, &json!(-1008)));
    ask(&mut session, "cancel", "order.cancel", json!({"symbol": "USDCNY", "orderId": resting}));
    session.call("ping", json!({}));
    valve.open();
    let mut answered = std::collections::HashSet::new();
    while answered.len() < 9 {
        let reply = session.receive();
        assert_eq!(reply["status"], 200, "{reply}");
        answered.insert(reply["id"].to_string());
    }
    assert!(answered.contains("\"cancel\""), "{answered:?}");
    assert_eq!(history().status, 200);
    assert_eq!(alice.signed("POST", "/api/v3/order", BUY).body["status"], "NEW");
}
