//! A venue in a thread: one market, one account, the WebSocket API as the tool uses it, and
//! faults on demand. It keeps its state across "crashes", as a venue with a journal does.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use rialto_bench::client::signature;
use rialto_bench::decimal::Step;
use rialto_bench::flow::Side;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, watch};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

use super::book::{Book, Fill};

/// What the venue does wrong.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// After so many accepted commands all connections break.
    pub crashes_after: Vec<u64>,
    /// So many commands before a crash are carried out, but neither answered nor told of.
    pub untold: u64,
    /// This trade happens in the book but is told nowhere.
    pub forget_trade: Option<usize>,
    /// This trade is told twice on the stream.
    pub tell_twice: Option<usize>,
    /// This trade is missing in `myTrades`.
    pub hide_trade: Option<usize>,
    /// This trade is one lot smaller in every report.
    pub shrink_trade: Option<usize>,
    /// This accepted command is refused instead, as busy.
    pub busy_at: Option<u64>,
    /// Accepted orders with these numbers are unknown afterwards.
    pub lose_every: Option<u64>,
    /// The depth stream leaves out an update now and then.
    pub depth_gaps: bool,
}

#[derive(Debug, Clone)]
struct Trade {
    id: u64,
    maker: String,
    taker: String,
    price: String,
    qty: String,
}

struct State {
    book: Book,
    numbers: HashMap<String, u64>,
    names: Vec<String>,
    trades: Vec<Trade>,
    accepted: u64,
    faults: Faults,
    update_id: u64,
}

struct Shared {
    state: Mutex<State>,
    events: broadcast::Sender<String>,
    crash: watch::Sender<u64>,
}

/// The address and, until it is dropped, the venue.
pub struct Venue {
    pub address: SocketAddr,
    _stop: tokio::sync::oneshot::Sender<()>,
}

impl Venue {
    pub fn start(faults: Faults) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("non-blocking");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                book: Book::default(),
                numbers: HashMap::new(),
                names: Vec::new(),
                trades: Vec::new(),
                accepted: 0,
                faults,
                update_id: 0,
            }),
            events: broadcast::channel(1 << 16).0,
            crash: watch::channel(0).0,
        });
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async move {
                let listener = TcpListener::from_std(listener).expect("a listener");
                let accept = async {
                    while let Ok((stream, _)) = listener.accept().await {
                        tokio::spawn(serve(Arc::clone(&shared), stream));
                    }
                };
                tokio::select! {
                    () = accept => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, _stop: stop }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn serve(shared: Arc<Shared>, stream: TcpStream) {
    let mut crash = shared.crash.subscribe();
    let mut path = String::new();
    #[expect(clippy::result_large_err, reason = "the library fixes the type")]
    let callback = |request: &Request, response: Response| {
        path = request.uri().to_string();
        Ok(response)
    };
    let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(stream, callback).await else {
        return;
    };
    if path.starts_with("/t/acme/stream?streams=usdcny@depth@100ms") {
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            let (first, last) = {
                let mut state = shared.state.lock().expect("state");
                let first = state.update_id + 1;
                state.update_id += 3;
                let last = state.update_id;
                if state.faults.depth_gaps && state.update_id.is_multiple_of(5) {
                    state.update_id += 1;
                }
                (first, last)
            };
            let data = json!({"e": "depthUpdate", "s": "USDCNY", "U": first, "u": last,
                "b": [], "a": []});
            let text = json!({"stream": "usdcny@depth@100ms", "data": data}).to_string();
            if socket.send(Message::text(text)).await.is_err() {
                return;
            }
        }
    }
    assert!(path.starts_with("/t/acme/ws-api/v3?"), "{path}");
    let mut events = shared.events.subscribe();
    let (mut is_logged_on, mut is_subscribed) = (false, false);
    loop {
        tokio::select! {
            biased;
            _ = crash.changed() => return,
            event = events.recv(), if is_subscribed => {
                let text = event.expect("no lag in tests");
                if socket.send(Message::text(text)).await.is_err() {
                    return;
                }
            }
            message = socket.next() => {
                let Some(Ok(message)) = message else { return };
                let Message::Text(text) = message else { continue };
                let request: Value = serde_json::from_str(&text).expect("JSON");
                let method = request["method"].as_str().expect("method");
                let params = &request["params"];
                let outcome = match method {
                    "session.logon" => {
                        is_logged_on = true;
                        log_on(params)
                    }
                    "userDataStream.subscribe" if is_logged_on => {
                        is_subscribed = true;
                        events = shared.events.subscribe();
                        Told::Result(json!({"subscriptionId": 0}))
                    }
                    _ if is_logged_on => answer(&shared, method, params),
                    _ => Told::Error(-2015, "log on first"),
                };
                let reply = match outcome {
                    Told::Result(result) => json!({"id": request["id"], "status": 200,
                        "result": result}),
                    Told::Error(code, msg) => json!({"id": request["id"], "status": 400,
                        "error": {"code": code, "msg": msg}}),
                    Told::Crashed => return,
                    Told::Nothing => {
                        let crashes = *shared.crash.borrow();
                        tokio::spawn(crash_soon(Arc::clone(&shared), crashes));
                        continue;
                    }
                };
                if socket.send(Message::text(reply.to_string())).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Who withholds answers must crash, also where the client waits for one before it goes on.
async fn crash_soon(shared: Arc<Shared>, crashes: u64) {
    tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    let mut state = shared.state.lock().expect("state");
    if *shared.crash.borrow() == crashes {
        let passed = state.accepted + state.faults.untold;
        state.faults.crashes_after.retain(|crash| *crash > passed);
        shared.crash.send_modify(|count| *count += 1);
    }
}

enum Told {
    Result(Value),
    Error(i64, &'static str),
    Nothing,
    Crashed,
}

fn log_on(params: &Value) -> Told {
    let payload = format!("apiKey=acme-trader-1&timestamp={}", params["timestamp"]);
    if params["signature"] == signature("a-secret", &payload) {
        Told::Result(json!({"apiKey": "acme-trader-1"}))
    } else {
        Told::Error(-1022, "Signature for this request is not valid.")
    }
}

fn tick() -> Step {
    "0.01".parse().expect("tick")
}

fn lot() -> Step {
    "0.001".parse().expect("lot")
}

fn answer(shared: &Shared, method: &str, params: &Value) -> Told {
    let mut state = shared.state.lock().expect("state");
    let state = &mut *state;
    assert_eq!(params["symbol"], "USDCNY");
    let name = |key: &str| params[key].as_str().unwrap_or_default().to_owned();
    match method {
        "order.status" => return status(state, &name("origClientOrderId")),
        "myTrades" => return my_trades(state, params),
        "allOrders" => return all_orders(state, params),
        _ => {}
    }
    if state.faults.busy_at == Some(state.accepted + 1) {
        state.faults.busy_at = None;
        return Told::Error(-1008, "Server is currently overloaded");
    }
    let outcome = match method {
        "order.place" => place(state, params),
        "order.cancel" => cancel(state, &name("origClientOrderId")),
        "order.amend.keepPriority" => {
            let total = lot().count(&name("newQty")).expect("a quantity");
            if state.book.amend(&name("origClientOrderId"), total) {
                Ok((json!({"transactTime": 1}), Vec::new()))
            } else {
                Err((-2038, "The requested amendment is not possible."))
            }
        }
        "order.cancelReplace" => {
            assert_eq!(params["cancelReplaceMode"], "STOP_ON_FAILURE");
            match cancel(state, &name("cancelOrigClientOrderId")) {
                Ok(_) => place(state, params)
                    .map(|(new, trades)| (json!({"cancelResult": "SUCCESS", "newOrderResponse": new}), trades)),
                Err(_) => Err((-2022, "Order cancel-replace failed.")),
            }
        }
        other => panic!("unexpected method {other}"),
    };
    let (result, trades) = match outcome {
        Ok(done) => done,
        Err((code, msg)) => return Told::Error(code, msg),
    };
    state.accepted += 1;
    let accepted = state.accepted;
    let untold = state.faults.untold;
    let is_untold = state.faults.crashes_after.iter().any(|crash| accepted <= *crash && accepted + untold > *crash);
    if !is_untold {
        for trade in trades {
            let times = if state.faults.tell_twice == Some(trade.id as usize) { 2 } else { 1 };
            for _ in 0..times {
                tell(shared, state, &trade);
            }
        }
    }
    if state.faults.crashes_after.contains(&accepted) {
        shared.crash.send_modify(|count| *count += 1);
        return Told::Crashed;
    }
    if is_untold { Told::Nothing } else { Told::Result(result) }
}

type Done = Result<(Value, Vec<Trade>), (i64, &'static str)>;

fn place(state: &mut State, params: &Value) -> Done {
    let text = |key: &str| params[key].as_str().unwrap_or_default();
    let name = text("newClientOrderId").to_owned();
    if state.book.orders.contains_key(&name) {
        return Err((-2010, "Duplicate order sent."));
    }
    let side = if text("side") == "BUY" { Side::Buy } else { Side::Sell };
    let price = tick().count(text("price")).expect("a price");
    let qty = lot().count(text("quantity")).expect("a quantity");
    let fills = state.book.place(&name, side, price, qty, text("timeInForce") == "IOC");
    state.names.push(name.clone());
    let number = state.names.len() as u64;
    state.numbers.insert(name.clone(), number);
    let trades: Vec<Trade> = fills.into_iter().filter_map(|fill| record(state, &name, fill)).collect();
    Ok((json!({"symbol": "USDCNY", "orderId": number, "clientOrderId": name}), trades))
}

fn record(state: &mut State, taker: &str, fill: Fill) -> Option<Trade> {
    let id = state.trades.len() + 1;
    if state.faults.forget_trade == Some(id) {
        state.faults.forget_trade = None;
        return None;
    }
    let shrunk = u64::from(state.faults.shrink_trade == Some(id));
    let trade = Trade {
        id: id as u64,
        maker: fill.maker,
        taker: taker.to_owned(),
        price: format!("{}000000", tick().text(fill.price_ticks)),
        qty: format!("{}00000", lot().text(fill.qty - shrunk)),
    };
    state.trades.push(trade.clone());
    Some(trade)
}

fn cancel(state: &mut State, name: &str) -> Done {
    if state.book.cancel(name) {
        Ok((json!({"origClientOrderId": name, "status": "CANCELED"}), Vec::new()))
    } else {
        Err((-2011, "Unknown order sent."))
    }
}

fn tell(shared: &Shared, state: &State, trade: &Trade) {
    for (name, is_maker) in [(&trade.maker, true), (&trade.taker, false)] {
        let event = json!({"e": "executionReport", "s": "USDCNY", "x": "TRADE", "c": name,
            "i": state.numbers[name], "t": trade.id, "L": trade.price, "l": trade.qty,
            "m": is_maker});
        let _ = shared.events.send(json!({"subscriptionId": 0, "event": event}).to_string());
    }
}

fn status(state: &State, name: &str) -> Told {
    let number = state.numbers.get(name).copied();
    let is_lost = state.faults.lose_every.zip(number).is_some_and(|(every, n)| n % every == 0);
    match state.book.orders.get(name) {
        Some(order) if !is_lost => Told::Result(json!({
            "orderId": number,
            "clientOrderId": name,
            "origQty": lot().text(order.total),
            "status": if order.is_open { "NEW" } else { "CANCELED" },
        })),
        _ => Told::Error(-2013, "Order does not exist."),
    }
}

fn my_trades(state: &State, params: &Value) -> Told {
    let limit = params["limit"].as_u64().expect("limit") as usize;
    let rows = state.trades.iter().filter(|trade| state.faults.hide_trade != Some(trade.id as usize));
    let rows = rows.flat_map(|trade| {
        [(&trade.maker, true), (&trade.taker, false)].map(|(name, is_maker)| {
            json!({"id": trade.id, "orderId": state.numbers[name], "price": trade.price,
                "qty": trade.qty, "isMaker": is_maker, "time": 1})
        })
    });
    let rows: Vec<Value> = match params["fromId"].as_u64() {
        Some(from) => rows.filter(|row| row["id"].as_u64() >= Some(from)).take(limit).collect(),
        None => {
            let all: Vec<Value> = rows.collect();
            all[all.len().saturating_sub(limit)..].to_vec()
        }
    };
    Told::Result(Value::Array(rows))
}

fn all_orders(state: &State, params: &Value) -> Told {
    let from = params["orderId"].as_u64().expect("orderId").max(1) as usize;
    let limit = params["limit"].as_u64().expect("limit") as usize;
    let names = state.names.iter().enumerate().skip(from - 1).take(limit);
    let rows = names.map(|(index, name)| json!({"orderId": index + 1, "clientOrderId": name}));
    Told::Result(Value::Array(rows.collect()))
}
