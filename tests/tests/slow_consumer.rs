//! A client that does not read costs a bounded amount of memory and nobody else's time.

use std::io::Write as _;
use std::net::Shutdown;
use std::time::{Duration, Instant};

use rialto_tests::client::{Key, Session, limit, now_millis};
use rialto_tests::raw::{self, RawSocket};
use rialto_tests::server::{Server, two_tenants};
use serde_json::{Value, json};

/// What a connection may keep for its client in these tests, so that they end soon.
const OUTBOX_BYTES: u64 = 1 << 20;
/// What the server may grow by: a few outboxes, and what thousands of orders cost anyhow.
const GROWTH_MAX: u64 = 64 << 20;
/// How many times slower others may get, on a machine that does other things as well.
const SLOWER_MAX: u32 = 5;
/// Below this an answer is quick, whatever it was before.
const QUICK: Duration = Duration::from_millis(20);
const DISCONNECTS: &str = "rialto_ws_slow_consumer_disconnects_total";

fn start() -> Server {
    Server::start(&format!("[server]\noutbox_bytes = {OUTBOX_BYTES}\n{}", two_tenants()))
}

fn disconnects(server: &Server) -> u64 {
    let metrics = server.metrics();
    let value = metrics.lines().find_map(|line| line.strip_prefix(DISCONNECTS)?.trim().parse().ok());
    value.unwrap_or(0)
}

fn order(side: &str) -> Value {
    let mut order = limit("USDCNY", side, "7.0000", "1", "x");
    order.as_object_mut().expect("an object").remove("newClientOrderId");
    order
}

/// Two who trade with each other, on a connection each.
struct Traders {
    alice: Session,
    bob: Session,
    traded: u32,
}

impl Traders {
    fn new(server: &Server) -> Self {
        let log_on = |user| Session::log_on(&server.ws_url(), "acme", &Key::of("acme", user));
        Self { alice: log_on("alice"), bob: log_on("bob"), traded: 0 }
    }

    /// Trades so many times, with many orders under way at once.
    fn trade(&mut self, times: u32) {
        for side in ["SELL", "BUY"] {
            let orders: Vec<Value> = (0..times).map(|_| order(side)).collect();
            let session = if side == "SELL" { &mut self.alice } else { &mut self.bob };
            for order in orders {
                session.send("order.place", order).expect("sent");
            }
            for _ in 0..times {
                let reply = session.read().expect("a reply");
                assert_eq!(reply["status"], 200, "{reply}");
            }
        }
        self.traded += times;
    }

    /// How long the answer to an order takes, in the middle of so many.
    fn latency(&mut self, orders: u32) -> Duration {
        let mut times: Vec<Duration> = (0..orders)
            .map(|number| {
                let order = order(if number % 2 == 0 { "SELL" } else { "BUY" });
                let session = if number % 2 == 0 { &mut self.alice } else { &mut self.bob };
                let began = Instant::now();
                let reply = session.ask("order.place", order);
                assert_eq!(reply["status"], 200, "{reply}");
                began.elapsed()
            })
            .collect();
        times.sort_unstable();
        times[times.len() / 2]
    }
}

fn assert_not_slowed(before: Duration, during: Duration) {
    eprintln!("median answer: {before:?} before, {during:?} beside a client that does not read");
    assert!(during <= (before * SLOWER_MAX).max(QUICK), "{before:?} became {during:?}");
}

fn assert_bounded(server: &Server, before: u64) {
    let grown = server.resident_bytes().saturating_sub(before);
    eprintln!("resident memory: {} KiB before, {} KiB more now", before >> 10, grown >> 10);
    assert!(grown <= GROWTH_MAX, "grown by {grown} bytes");
}

/// The subscription of a socket to what happens to an account.
fn subscribe_user(socket: &mut RawSocket, user: &str) {
    let key = Key::of("acme", user);
    let now = now_millis();
    let signature = key.sign(&format!("apiKey={}&timestamp={now}", key.key));
    let request = json!({
        "id": user, "method": "userDataStream.subscribe.signature",
        "params": {"apiKey": key.key, "timestamp": now, "signature": signature},
    });
    assert!(socket.send(0x81, request.to_string().as_bytes()));
    let reply = socket.read_json().expect("a reply");
    assert_eq!(reply["status"], 200, "{reply}");
}

#[test]
fn who_stops_reading_events_is_cut_off_and_others_trade_on() {
    let server = start();
    let mut traders = Traders::new(&server);
    traders.trade(500);
    let quick = traders.latency(200);
    let before = server.resident_bytes();

    // Four that stop reading: two of the market, two of both accounts; and one that reads.
    let streams = "usdcny@depth@100ms/usdcny@trade/usdcny@aggTrade/usdcny@bookTicker/!bookTicker/usdcny@depth20@100ms";
    let mut slow: Vec<RawSocket> =
        (0..2).map(|_| RawSocket::connect(&server.url(), &format!("/t/acme/stream?streams={streams}"))).collect();
    for _ in 0..2 {
        let mut socket = RawSocket::connect(&server.url(), "/t/acme/ws-api/v3");
        subscribe_user(&mut socket, "alice");
        subscribe_user(&mut socket, "bob");
        slow.push(socket);
    }
    let mut reader = Session::connect(&format!("{}/t/acme/ws/usdcny@trade", server.ws_url()));
    let traded = traders.traded;
    let patience = Instant::now();
    while disconnects(&server) < 4 && traders.traded < 20_000 && patience.elapsed() < Duration::from_secs(90) {
        traders.trade(250);
        for _ in 0..250 {
            let trade = reader.read().expect("who reads hears of every trade");
            assert_eq!(trade["e"], "trade", "{trade}");
        }
    }
    let during = traders.latency(200);
    eprintln!("{} trades, {} of 4 disconnected", traders.traded - traded, disconnects(&server));
    assert_bounded(&server, before);
    assert_not_slowed(quick, during);
    assert!(disconnects(&server) >= 2, "those that hear most are disconnected");
    // What was on its way still comes, and then the end.
    for socket in slow.iter_mut().skip(2) {
        while socket.read().is_some() {}
    }
    // Nothing is left of them.
    drop(slow);
    traders.trade(500);
    assert_bounded(&server, before);
}

#[test]
fn who_asks_and_never_reads_is_stopped() {
    let server = start();
    let mut traders = Traders::new(&server);
    traders.trade(500);
    let quick = traders.latency(200);
    let before = server.resident_bytes();

    // Each sends as fast as it is let, until it is let no more.
    let request = |method: &str, params: Value| {
        raw::frame(0x81, json!({"id": 1, "method": method, "params": params}).to_string().as_bytes())
    };
    let pings = raw::frame(0x89, &[b'p'; 125]);
    let get = b"GET /t/acme/api/v3/exchangeInfo HTTP/1.1\r\nHost: x\r\n\r\n".to_vec();
    let floods = [
        (Some("/t/acme/ws-api/v3"), request("exchangeInfo", json!({}))),
        (Some("/t/acme/ws-api/v3"), request("depth", json!({"symbol": "USDCNY"}))),
        (Some("/t/acme/ws-api/v3"), request("order.place", json!({"symbol": "USDCNY", "apiKey": "acme-alice"}))),
        (Some("/t/acme/ws-api/v3"), pings),
        (Some("/t/acme/ws"), raw::frame(0x81, b"{\"method\":\"LIST_SUBSCRIPTIONS\",\"id\":1}")),
        (None, get),
    ];
    let clients: Vec<_> = floods
        .into_iter()
        .map(|(target, bytes)| {
            let stream = match target {
                Some(target) => RawSocket::connect(&server.url(), target).stream,
                None => raw::connect(&server.url()),
            };
            stream.set_write_timeout(Some(Duration::from_secs(2))).expect("a timeout");
            let handle = stream.try_clone().expect("a handle");
            let thread = std::thread::spawn(move || {
                let mut stream = stream;
                let (bytes, began) = (bytes.repeat(100), Instant::now());
                let mut sent = 0_u64;
                while began.elapsed() < Duration::from_secs(20) {
                    if stream.write_all(&bytes).is_err() {
                        return Some(sent);
                    }
                    sent += bytes.len() as u64;
                }
                None
            });
            (target, thread, handle)
        })
        .collect();
    // While they do, others trade.
    std::thread::sleep(Duration::from_millis(500));
    eprintln!("median answer amid the flood: {:?}", traders.latency(100));
    let mut handles = Vec::new();
    for (target, thread, handle) in clients {
        let sent = thread.join().expect("no panic");
        eprintln!("{target:?} was stopped after {sent:?} bytes");
        assert!(sent.is_some(), "{target:?} is taken from without end");
        handles.push(handle);
    }
    let during = traders.latency(200);
    assert_bounded(&server, before);
    assert_not_slowed(quick, during);
    for handle in handles {
        // The server may have cut it already.
        let _ = handle.shutdown(Shutdown::Both);
    }
    traders.trade(500);
    assert_bounded(&server, before);
}
