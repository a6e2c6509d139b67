//! The phases of a market, who changes them, and what is told of them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Server, Socket, User, now_ms};

fn limit(side: &str, price: &str, quantity: &str) -> String {
    format!("symbol=USDCNY&side={side}&type=LIMIT&timeInForce=GTC&price={price}&quantity={quantity}")
}

fn enter(operator: &User<'_>, phase: &str) -> Value {
    let told = operator.signed("POST", "/operator/v1/market/phase", &format!("symbol=USDCNY&phase={phase}"));
    assert_eq!(told.status, 200, "{told:?}");
    assert_eq!(told.body["phase"], phase);
    told.body
}

fn symbol_status(server: &Server) -> String {
    let info = server.get("/t/acme/api/v3/exchangeInfo").body;
    info["symbols"][0]["status"].as_str().expect("a status").to_owned()
}

#[test]
fn a_market_goes_through_its_phases() {
    let server = Server::start();
    let (operator, alice) = (server.user("operator-acme"), server.user("alice"));
    for (phase, status, takes, cancels) in [
        ("PRE_OPEN", "PRE_TRADING", true, true),
        ("AUCTION", "AUCTION_MATCH", true, true),
        ("CONTINUOUS", "TRADING", true, true),
        ("HALTED", "HALT", false, true),
        ("CANCEL_ONLY", "CANCEL_ONLY", false, true),
        ("CLOSED", "END_OF_DAY", false, true),
    ] {
        enter(&operator, "CONTINUOUS");
        let before = alice.signed("POST", "/api/v3/order", &limit("BUY", "6", "10")).body["orderId"].clone();
        let told = enter(&operator, phase);
        assert_eq!((&told["status"], &told["until"]), (&json!(status), &json!(null)), "{told}");
        assert_eq!(symbol_status(&server), status);
        let of_status = server.get(&format!("/t/acme/api/v3/exchangeInfo?symbolStatus={status}")).body;
        assert_eq!(of_status["symbols"].as_array().map(Vec::len), Some(1), "{of_status}");
        let placed = alice.signed("POST", "/api/v3/order", &limit("BUY", "6", "10"));
        if takes {
            assert_eq!(placed.body["status"], "NEW", "{phase}: {placed:?}");
        } else {
            placed.is_error(400, -2010, "Market is closed.");
        }
        let canceled = alice.signed("DELETE", "/api/v3/order", &format!("symbol=USDCNY&orderId={before}"));
        assert_eq!(canceled.status == 200, cancels, "{phase}: {canceled:?}");
    }
    server.get("/t/acme/api/v3/exchangeInfo?symbolStatus=OPEN").is_error(400, -1122, "Invalid symbolStatus.");
    let markets = operator.signed("GET", "/operator/v1/markets", "").body;
    assert_eq!((&markets[0]["symbol"], &markets[0]["phase"]), (&json!("USDCNY"), &json!("CLOSED")), "{markets}");
    // The other tenant's market of the same name goes on.
    assert_eq!(server.get("/t/bolt/api/v3/exchangeInfo").body["symbols"][0]["status"], "TRADING");
}

#[test]
fn a_call_auction_is_told_and_carried_out() {
    let server = Server::start();
    let operator = server.user("operator-acme");
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let mut stream = Socket::open(&server, "/t/acme/ws/usdcny@auction");
    let first = stream.receive();
    assert_eq!((&first["e"], &first["phase"]), (&json!("auction"), &json!("CONTINUOUS")), "{first}");
    enter(&operator, "AUCTION");
    assert_eq!(stream.receive()["status"], "AUCTION_MATCH");
    for (user, side, price, quantity) in
        [(&alice, "BUY", "7.1", "100"), (&bob, "SELL", "6.9", "60"), (&bob, "SELL", "7", "30")]
    {
        let placed = user.signed("POST", "/api/v3/order", &limit(side, price, quantity));
        assert_eq!((&placed.body["status"], &placed.body["fills"]), (&json!("NEW"), &json!([])), "{placed:?}");
    }
    let expected = json!({"symbol": "USDCNY", "phase": "AUCTION", "status": "AUCTION_MATCH", "until": null,
        "indicativePrice": "7.10000000", "indicativeQty": "90.00000000", "imbalance": "10.00000000", "imbalanceSide": "BUY"});
    assert_eq!(server.get("/t/acme/api/v3/auction?symbol=USDCNY").body, expected);
    let mut socket = Socket::open(&server, "/t/acme/ws-api/v3");
    assert_eq!(socket.call("auction", json!({"symbol": "USDCNY"}))["result"], expected);
    loop {
        let event = stream.receive();
        if event["indicativeQty"] == "90.00000000" {
            assert_eq!((&event["s"], &event["indicativePrice"]), (&json!("USDCNY"), &json!("7.10000000")), "{event}");
            break;
        }
    }
    let market = alice.signed("POST", "/api/v3/order", "symbol=USDCNY&side=BUY&type=MARKET&quantity=1");
    market.is_error(400, -2010, "Market is closed.");
    let maker = alice.signed("POST", "/api/v3/order", "symbol=USDCNY&side=BUY&type=LIMIT_MAKER&price=5&quantity=1");
    maker.is_error(400, -2010, "Market is closed.");
    enter(&operator, "CONTINUOUS");
    let trades = bob.signed("GET", "/api/v3/openOrders", "").body;
    assert_eq!(trades, json!([]), "both have sold");
    let left = alice.signed("GET", "/api/v3/openOrders", "").body;
    assert_eq!((&left[0]["executedQty"], &left[0]["status"]), (&json!("90.00000000"), &json!("PARTIALLY_FILLED")));
    let trades = server.get("/t/acme/api/v3/trades?symbol=USDCNY").body;
    assert!(trades.as_array().is_some_and(|all| all.iter().all(|trade| trade["price"] == "7.10000000")), "{trades}");
}

#[test]
fn a_phase_may_end_by_itself() {
    let server = Server::start();
    let (operator, alice) = (server.user("operator-acme"), server.user("alice"));
    let until = now_ms() + 600;
    let query = format!("symbol=USDCNY&phase=auction&until={until}");
    let told = operator.signed("POST", "/operator/v1/market/phase", &query);
    assert_eq!((&told.body["phase"], &told.body["until"]), (&json!("AUCTION"), &json!(until)), "{told:?}");
    alice.signed("POST", "/api/v3/order", &limit("BUY", "7", "10"));
    server.user("bob").signed("POST", "/api/v3/order", &limit("SELL", "7", "10"));
    let began = Instant::now();
    while symbol_status(&server) != "TRADING" {
        assert!(began.elapsed() < Duration::from_secs(10), "nobody opened it");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(now_ms() >= until);
    assert_eq!(alice.signed("GET", "/api/v3/openOrders", "").body, json!([]));
    let past = format!("symbol=USDCNY&phase=AUCTION&until={}", now_ms() - 1);
    let past = operator.signed("POST", "/operator/v1/market/phase", &past);
    past.is_error(400, -1130, "Data sent for parameter 'until' is not valid.");
    let endless = format!("symbol=USDCNY&phase=CONTINUOUS&until={}", now_ms() + 60_000);
    let endless = operator.signed("POST", "/operator/v1/market/phase", &endless);
    endless.is_error(400, -1106, "Parameter 'until' sent when not required.");
}

#[test]
fn a_leap_of_the_price_is_interrupted() {
    let server = Server::start();
    let operator = server.user("operator-acme");
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let query = "symbol=USDCNY&dynamicBandBps=500&interruptionSeconds=60&referencePrice=7&staticBandBps=5000";
    let told = operator.signed("POST", "/operator/v1/market/protection", query);
    assert_eq!(
        told.body,
        json!({"symbol": "USDCNY", "staticBandBps": 5000, "dynamicBandBps": 500, "interruptionSeconds": 60,
            "referencePrice": "7.00000000"}),
        "{told:?}"
    );
    for (price, quantity) in [("7", "10"), ("7.3", "10"), ("8", "10")] {
        bob.signed("POST", "/api/v3/order", &limit("SELL", price, quantity));
    }
    let query = "symbol=USDCNY&side=BUY&type=MARKET&quantity=10";
    assert_eq!(alice.signed("POST", "/api/v3/order", query).body["status"], "FILLED");
    let query = "symbol=USDCNY&side=BUY&type=MARKET&quantity=20";
    let taken = alice.signed("POST", "/api/v3/order", query).body;
    assert_eq!((&taken["status"], &taken["executedQty"]), (&json!("EXPIRED"), &json!("10.00000000")), "{taken}");
    assert_eq!(taken["expiryReason"], "VOLATILITY_INTERRUPTION");
    assert_eq!(symbol_status(&server), "AUCTION_MATCH");
    let auction = server.get("/t/acme/api/v3/auction?symbol=USDCNY").body;
    assert!(auction["until"].as_u64().is_some_and(|until| until > now_ms() && until <= now_ms() + 60_000), "{auction}");
    for wrong in [
        "symbol=USDCNY&staticBandBps=100&referencePrice=0",
        "symbol=USDCNY&staticBandBps=10000",
        "symbol=USDCNY&interruptionSeconds=x",
        "symbol=NOTHING",
    ] {
        assert_eq!(operator.signed("POST", "/operator/v1/market/protection", wrong).status, 400, "{wrong}");
    }
}

#[test]
fn the_configuration_protects_and_schedules() {
    let market = "protection = { static_band_bps = 1000, dynamic_band_bps = 100, interruption_seconds = 5 }\n\
                  schedule = [{ at = \"00:00\", phase = \"pre_open\" }]";
    let server = Server::start_configured("utc_offset = \"+08:00\"", market, "");
    // What was due last is made up for.
    let began = Instant::now();
    while symbol_status(&server) != "PRE_TRADING" {
        assert!(began.elapsed() < Duration::from_secs(10), "the timetable is not followed");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_timetable_is_read_by_the_clock_of_the_tenants_zone() {
    let minute = i64::try_from(now_ms() / 60_000).expect("small");
    let time = |minute: i64| format!("{:02}:{:02}", minute / 60 % 24, minute % 60);
    // Two minutes ago in Kolkata the one was due. By the clock of UTC it would be the other, a minute ago.
    let (pre_open, closed) = (time(minute + 330 - 2), time(minute - 1));
    let schedule = format!(
        "schedule = [{{ at = \"{closed}\", phase = \"closed\" }}, {{ at = \"{pre_open}\", phase = \"pre_open\" }}]"
    );
    let server = Server::start_configured("time_zone = \"Asia/Kolkata\"", &schedule, "");
    let began = Instant::now();
    while symbol_status(&server) != "PRE_TRADING" {
        assert!(began.elapsed() < Duration::from_secs(10), "the timetable is not followed");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn an_order_for_the_day_ends_at_midnight_of_the_tenants_zone() {
    const DAY: u64 = 86_400_000;
    const AHEAD: u64 = 330 * 60_000;
    let server = Server::start_configured("time_zone = \"Asia/Kolkata\"", "", "");
    let midnight = || ((now_ms() + AHEAD) / DAY + 1) * DAY - AHEAD;
    let before = midnight();
    let order = limit("BUY", "6", "10").replace("GTC", "DAY");
    let placed = server.user("alice").signed("POST", "/api/v3/order", &order);
    assert_eq!((placed.status, &placed.body["timeInForce"]), (200, &json!("DAY")), "{}", placed.text);
    let ends = placed.body["goodTillDate"].as_u64().expect("a time");
    assert!([before, midnight()].contains(&ends), "{}", placed.text);
}

#[test]
fn operators_cancel_anybodys_orders() {
    let server = Server::start();
    let operator = server.user("operator-acme");
    let (alice, bob, carol) = (server.user("alice"), server.user("bob"), server.user("carol"));
    for user in [&alice, &bob, &carol] {
        user.signed("POST", "/api/v3/order", &format!("{}&strategyId=7", limit("BUY", "6", "10")));
        user.signed("POST", "/api/v3/order", &limit("SELL", "8", "10"));
    }
    let mut socket = Socket::open(&server, "/ws-api/v3?returnRateLimits=false");
    socket.call("userDataStream.subscribe.signature", alice.socket_params(json!({})));
    let cancel = |query: &str| operator.signed("DELETE", "/operator/v1/orders", query).body;
    assert_eq!(cancel("user=alice&side=SELL")["canceled"], 1);
    let event = socket.event();
    assert_eq!((&event["x"], &event["S"]), (&json!("CANCELED"), &json!("SELL")), "{event}");
    assert_eq!(
        cancel("symbol=USDCNY&strategyId=7"),
        json!({"canceled": 2, "markets": [{"symbol": "USDCNY", "canceled": 2}]})
    );
    assert_eq!(cancel("symbol=USDCNY")["canceled"], 1);
    assert_eq!(cancel("")["canceled"], 0);
    assert_eq!(
        carol.signed("GET", "/api/v3/openOrders", "").body.as_array().map(Vec::len),
        Some(2),
        "another tenant's"
    );
    assert_eq!(cancel("user=nobody")["code"], -1130);
    assert_eq!(cancel("user=carol")["code"], -1130);
}

#[test]
fn users_do_not_operate_and_operators_do_not_trade() {
    let server = Server::start();
    let (operator, alice) = (server.user("operator-acme"), server.user("alice"));
    let refused = "Invalid API-key, IP, or permissions for action.";
    for (method, path) in [
        ("POST", "/operator/v1/market/phase"),
        ("POST", "/operator/v1/market/protection"),
        ("GET", "/operator/v1/markets"),
        ("DELETE", "/operator/v1/orders"),
    ] {
        alice.signed(method, path, "symbol=USDCNY&phase=HALTED").is_error(401, -2015, refused);
        operator.signed(method, &format!("/t/bolt{path}"), "symbol=USDCNY&phase=HALTED").is_error(401, -2015, refused);
        assert_eq!(server.request(method, path, &[], "").body["code"], -2014);
    }
    assert_eq!(symbol_status(&server), "TRADING");
    operator.signed("POST", "/api/v3/order", &limit("BUY", "6", "10")).is_error(401, -2015, refused);
    operator.signed("GET", "/api/v3/account", "").is_error(401, -2015, refused);
    let mut socket = Socket::open(&server, "/ws-api/v3");
    let reply = socket.call("session.logon", operator.socket_params(json!({})));
    assert_eq!(reply["error"]["code"], -2015, "{reply}");
    operator.keyed("GET", "/operator/v1/markets").is_error(
        400,
        -1102,
        "Mandatory parameter 'signature' was not sent, was empty/null, or malformed.",
    );
    let wrong = operator.signed("POST", "/operator/v1/market/phase", "symbol=USDCNY&phase=OPEN");
    wrong.is_error(400, -1130, "Data sent for parameter 'phase' is not valid.");
    assert_eq!(operator.signed("GET", "/operator/v1/market/phase", "").status, 405);
    assert_eq!(operator.signed("GET", "/operator/v1/nothing", "").status, 404);
}
