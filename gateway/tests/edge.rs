//! The edge as a client meets it: a server in a thread, requests over its socket.

#[path = "edge/contingent.rs"]
mod contingent;
#[path = "edge/disconnects.rs"]
mod disconnects;
#[path = "edge/filters.rs"]
mod filters;
#[path = "edge/instructions.rs"]
mod instructions;
#[path = "edge/mass_cancels.rs"]
mod mass_cancels;
#[path = "edge/order_lists.rs"]
mod order_lists;
#[path = "edge/phases.rs"]
mod phases;
#[path = "edge/rate_limits.rs"]
mod rate_limits;
#[path = "edge/replacements.rs"]
mod replacements;
#[path = "edge/self_trades.rs"]
mod self_trades;
mod support;

use serde_json::{Value, json};
use support::{Server, Socket, now_ms};

const BUY: &str = "symbol=USDCNY&side=BUY&type=LIMIT&timeInForce=GTC&price=7.1&quantity=10";

#[test]
fn an_order_lives_and_dies_over_rest() {
    let server = Server::start();
    let alice = server.user("alice");
    let placed = alice.signed("POST", "/api/v3/order", &format!("{BUY}&newClientOrderId=one"));
    assert_eq!(placed.status, 200);
    assert_eq!(
        placed.keys(),
        [
            "symbol",
            "orderId",
            "orderListId",
            "clientOrderId",
            "transactTime",
            "price",
            "origQty",
            "executedQty",
            "origQuoteOrderQty",
            "cummulativeQuoteQty",
            "status",
            "timeInForce",
            "type",
            "side",
            "workingTime",
            "fills",
            "selfTradePreventionMode",
        ]
    );
    assert_eq!(placed.body["price"], "7.10000000");
    assert_eq!((&placed.body["status"], &placed.body["orderListId"]), (&json!("NEW"), &json!(-1)));
    let twice = alice.signed("POST", "/api/v3/order", &format!("{BUY}&newClientOrderId=one"));
    twice.is_error(400, -2010, "Duplicate order sent.");

    let bob = server.user("bob");
    let taken = bob.signed("POST", "/api/v3/order", "symbol=USDCNY&side=SELL&type=MARKET&quantity=4");
    assert_eq!((&taken.body["status"], &taken.body["cummulativeQuoteQty"]), (&json!("FILLED"), &json!("28.40000000")));
    assert_eq!(
        taken.body["fills"],
        json!([{"price": "7.10000000", "qty": "4.00000000", "commission": "0.05680000", "commissionAsset": "CNY",
            "tradeId": 1}])
    );
    let ack = bob.signed("POST", "/api/v3/order", "symbol=USDCNY&side=SELL&type=LIMIT_MAKER&price=8&quantity=1");
    assert_eq!(ack.keys(), ["symbol", "orderId", "orderListId", "clientOrderId", "transactTime"]);

    let found = alice.signed("GET", "/api/v3/order", "symbol=USDCNY&origClientOrderId=one");
    assert_eq!((&found.body["executedQty"], &found.body["isWorking"]), (&json!("4.00000000"), &json!(true)));
    let open = alice.signed("GET", "/api/v3/openOrders", "");
    assert_eq!(open.body.as_array().map(Vec::len), Some(1));
    let amended = alice.signed("PUT", "/api/v3/order/amend/keepPriority", "symbol=USDCNY&orderId=1&newQty=6");
    assert_eq!((&amended.body["amendedOrder"]["qty"], amended.status), (&json!("6.00000000"), 200));
    let more = alice.signed("PUT", "/api/v3/order/amend/keepPriority", "symbol=USDCNY&orderId=1&newQty=7");
    assert_eq!((more.status, &more.body["code"]), (400, &json!(-2038)));
    // DELETE with its parameters in the body, as some clients send it.
    let canceled = alice.signed_body("DELETE", "/api/v3/order", "symbol=USDCNY&orderId=1&newClientOrderId=gone");
    assert_eq!(
        (&canceled.body["status"], &canceled.body["origClientOrderId"], &canceled.body["clientOrderId"]),
        (&json!("CANCELED"), &json!("one"), &json!("gone"))
    );
    alice.signed("DELETE", "/api/v3/order", "symbol=USDCNY&orderId=1").is_error(400, -2011, "Unknown order sent.");
    alice.signed("DELETE", "/api/v3/openOrders", "symbol=USDCNY").is_error(400, -2011, "Unknown order sent.");
    alice.signed("GET", "/api/v3/order", "symbol=USDCNY&orderId=99").is_error(400, -2013, "Order does not exist.");
    let account = alice.signed("GET", "/api/v3/account", "omitZeroBalances=true");
    let usd = account.body["balances"].as_array().and_then(|all| all.iter().find(|one| one["asset"] == "USD"));
    assert_eq!(usd.map(|usd| &usd["free"]), Some(&json!("100003.99600000")));
}

#[test]
fn wrong_orders_are_refused_in_the_words_of_the_dialect() {
    let server = Server::start();
    let alice = server.user("alice");
    let refused = |from: &str, to: &str| {
        assert!(BUY.contains(from), "{from}");
        let reply = alice.signed("POST", "/api/v3/order", &BUY.replace(from, to));
        assert_eq!(reply.status, 400, "{to}: {reply:?}");
        (reply.body["code"].as_i64().expect("a code"), reply.body["msg"].as_str().expect("a text").to_owned())
    };
    let code = |from: &str, to: &str| refused(from, to).0;
    assert_eq!(refused("price=7.1", "price=7.00001").1, "Filter failure: PRICE_FILTER");
    assert_eq!(refused("price=7.1", "price=0").1, "Filter failure: PRICE_FILTER");
    assert_eq!(refused("price=7.1", "price=99999999").1, "Filter failure: PRICE_FILTER");
    assert_eq!(refused("quantity=10", "quantity=0.001").1, "Filter failure: LOT_SIZE");
    assert_eq!(refused("quantity=10", "quantity=0.01").1, "Filter failure: NOTIONAL");
    assert_eq!(code("price=7.1", "price=7.000000001"), -1111);
    assert_eq!(code("price=7.1", "price=-7"), -1100);
    assert_eq!(code("price=7.1", "price=NaN"), -1100);
    assert_eq!(refused("&price=7.1", "").1, "Mandatory parameter 'price' was not sent, was empty/null, or malformed.");
    assert_eq!(code("price=7.1", "price="), -1105);
    assert_eq!(code("side=BUY", "side=HOLD"), -1117);
    assert_eq!(code("type=LIMIT", "type=TRAILING_STOP_MARKET"), -1116);
    assert_eq!(code("type=LIMIT", "type=STOP_LOSS"), -1106);
    assert_eq!(code("timeInForce=GTC", "timeInForce=GTX"), -1115);
    assert_eq!(code("type=LIMIT", "type=LIMIT_MAKER&x=1"), -1104);
    assert_eq!(code("timeInForce=GTC", "timeInForce=IOC&icebergQty=1"), -1106);
    assert_eq!(code("quantity=10", "quantity=10&stopPrice=7"), -1106);
    assert_eq!(code("quantity=10", "quoteOrderQty=10"), -1106);
    assert_eq!(code("symbol=USDCNY", "symbol=USDEUR"), -1121);
    assert_eq!(code("quantity=10", "quantity=10&quantity=11"), -1101);
    assert_eq!(code("quantity=10", "quantity=10&newClientOrderId=has%20space"), -1100);
    assert_eq!(code("quantity=10", "quantity=10&newClientOrderId=rialto-1"), -1130);
    assert_eq!(code("quantity=10", "quantity=10&selfTradePreventionMode=TRANSFER"), -1013);
    assert_eq!(code("quantity=10", "quantity=10&selfTradePreventionMode=SOMETIMES"), -1130);
    assert_eq!(
        refused("quantity=10", "quantity=10000000"),
        (-2010, "Account has insufficient balance for requested action.".to_owned())
    );
    let tested = alice.signed("POST", "/api/v3/order/test", BUY);
    assert_eq!((tested.status, tested.body), (200, json!({})));
    assert_eq!(alice.signed("GET", "/api/v3/openOrders", "").body, json!([]));
}

#[test]
fn a_key_is_good_in_its_own_tenant_alone() {
    let server = Server::start();
    let alice = server.user("alice");
    assert_eq!(alice.signed("GET", "/t/acme/api/v3/account", "").status, 200);
    assert_eq!(alice.signed("GET", "/api/v3/account", "").status, 200);
    let elsewhere = alice.signed("GET", "/t/bolt/api/v3/account", "");
    elsewhere.is_error(401, -2015, "Invalid API-key, IP, or permissions for action.");
    server.get("/api/v3/exchangeInfo").is_error(404, -1121, "Invalid symbol.");
    server.get("/t/nobody/api/v3/ping").is_error(404, -1121, "Invalid symbol.");
    assert_eq!(server.get("/t/bolt/api/v3/exchangeInfo").body["symbols"][0]["symbol"], "USDCNY");
    let by_host = server.request("GET", "/api/v3/exchangeInfo", &[("Host", "api.bolt.example")], "");
    assert_eq!(by_host.status, 200);
    let across = server.request("GET", "/t/acme/api/v3/ping", &[("Host", "bolt.example")], "");
    assert_eq!(across.status, 404);
    // The same client id in two tenants names two orders.
    for user in ["alice", "carol"] {
        let placed = server.user(user).signed("POST", "/api/v3/order", &format!("{BUY}&newClientOrderId=same"));
        assert_eq!((placed.status, &placed.body["orderId"]), (200, &json!(1)), "{user}");
    }
    let mut socket = Socket::open(&server, "/t/bolt/ws-api/v3");
    let reply = socket.call("session.logon", alice.socket_params(json!({})));
    assert_eq!((&reply["status"], &reply["error"]["code"]), (&json!(401), &json!(-2015)));
}

#[test]
fn what_makes_no_sense_is_answered_in_json() {
    let server = Server::start();
    let json_error = |method: &str, path: &str, body: &str| {
        let reply = server.request(method, path, &[], body);
        assert!(reply.header("content-type").is_some_and(|kind| kind.starts_with("application/json")), "{path}");
        (reply.status, reply.body["code"].as_i64().expect("a code"))
    };
    assert_eq!(json_error("GET", "/nothing", ""), (404, -1000));
    assert_eq!(json_error("GET", "/t/acme/api/v3/nothing", ""), (404, -1000));
    assert_eq!(json_error("PATCH", "/t/acme/api/v3/order", ""), (405, -1000));
    assert_eq!(json_error("POST", "/t/acme/api/v3/order", &"x".repeat(70_000)), (413, -1000));
    assert_eq!(json_error("GET", "/t/acme/api/v3/order?symbol=USDCNY", ""), (401, -2014));
    assert_eq!(json_error("GET", "/t/acme/api/v3/depth", ""), (400, -1102));
    assert_eq!(json_error("GET", "/t/acme/api/v3/exchangeInfo?symbols=[%22USDCNY%22", ""), (400, -1100));
    assert_eq!(json_error("GET", "/t/acme/api/v3/exchangeInfo?symbol=USDCNY&symbols=[%22USDCNY%22]", ""), (400, -1128));
    assert_eq!(server.get("/t/acme/sapi/v1/margin/allPairs").body, json!([]));
    assert_eq!(server.get("/fapi/v1/exchangeInfo").body, json!({"symbols": []}));
    assert_eq!(server.get("/t/acme/api/v3/ping").body, json!({}));
    let preflight = server.request("OPTIONS", "/t/acme/api/v3/order", &[("Origin", "http://x")], "");
    assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (204, Some("*")));
    let binary = server.request("GET", "/t/acme/api/v3/ping", &[("Accept", "application/sbe")], "");
    assert_eq!(binary.status, 406);
}

#[test]
fn info_names_the_filters_that_clients_need() {
    let server = Server::start();
    let info = server.get("/t/acme/api/v3/exchangeInfo?symbol=USDCNY").body;
    let symbol = &info["symbols"][0];
    let filters: Vec<&str> =
        symbol["filters"].as_array().expect("filters").iter().filter_map(|one| one["filterType"].as_str()).collect();
    assert_eq!(
        filters,
        [
            "PRICE_FILTER",
            "LOT_SIZE",
            "MARKET_LOT_SIZE",
            "NOTIONAL",
            "TRAILING_DELTA",
            "ICEBERG_PARTS",
            "MAX_NUM_ORDERS"
        ]
    );
    assert_eq!(symbol["filters"][0]["tickSize"], "0.00010000");
    assert_eq!(symbol["filters"][1]["stepSize"], "0.01000000");
    assert_eq!(symbol["filters"][3]["minNotional"], "1.00000000");
    assert_eq!(symbol["permissionSets"], json!([["SPOT"]]));
    let types = ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"];
    assert_eq!(symbol["orderTypes"], json!(types));
    for flag in [
        "allowTrailingStop",
        "icebergAllowed",
        "ocoAllowed",
        "otoAllowed",
        "amendAllowed",
        "cancelReplaceAllowed",
        "pegInstructionsAllowed",
    ] {
        assert_eq!(symbol[flag], true, "{flag}");
    }
    assert_eq!(symbol["status"], "TRADING");
    assert_eq!(symbol["defaultSelfTradePreventionMode"], "NONE");
    let modes = ["NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT"];
    assert_eq!(symbol["allowedSelfTradePreventionModes"], json!(modes));
}

#[test]
fn a_session_trades_and_hears_of_it() {
    let server = Server::start();
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let mut socket = Socket::open(&server, "/t/acme/ws-api/v3?returnRateLimits=false");
    let early = socket.call("order.place", json!({"symbol": "USDCNY"}));
    assert_eq!((&early["status"], &early["error"]["code"]), (&json!(400), &json!(-1102)));
    assert_eq!(socket.call("session.logon", alice.socket_params(json!({})))["status"], 200);
    assert_eq!(socket.call("userDataStream.subscribe", json!({}))["result"], json!({"subscriptionId": 0}));
    assert_eq!(socket.call("userDataStream.subscribe", json!({}))["error"]["code"], -2035);
    let buy = json!({"symbol": "USDCNY", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": 7.1,
        "quantity": "10", "newClientOrderId": "one", "timestamp": now_ms()});
    let reply = socket.call("order.place", buy);
    assert_eq!((&reply["status"], &reply["result"]["status"]), (&json!(200), &json!("NEW")), "{reply}");
    assert!(reply.get("rateLimits").is_none());
    let report = socket.event();
    let keys: Vec<&str> = report.as_object().expect("an object").keys().map(String::as_str).collect();
    let expected = [
        "e", "E", "s", "c", "S", "o", "f", "q", "p", "P", "F", "g", "C", "x", "X", "r", "i", "l", "z", "L", "n", "N",
        "T", "t", "I", "w", "m", "M", "O", "Z", "Y", "Q", "W", "V",
    ];
    assert_eq!(sorted(keys), sorted(expected.to_vec()));
    assert_eq!(
        (&report["x"], &report["t"], &report["N"], &report["n"]),
        (&json!("NEW"), &json!(-1), &Value::Null, &json!("0"))
    );
    let position = socket.event();
    assert_eq!(position["e"], "outboundAccountPosition");
    assert!(
        position["B"]
            .as_array()
            .is_some_and(|all| all.contains(&json!({"a": "CNY", "f": "699929.00000000", "l": "71.00000000"}))),
        "{position}"
    );

    bob.signed("POST", "/api/v3/order", "symbol=USDCNY&side=SELL&type=MARKET&quantity=4");
    let trade = socket.event();
    assert_eq!(
        (
            &trade["x"],
            &trade["X"],
            &trade["l"],
            &trade["z"],
            &trade["L"],
            &trade["n"],
            &trade["N"],
            &trade["t"],
            &trade["m"],
            &trade["Y"]
        ),
        (
            &json!("TRADE"),
            &json!("PARTIALLY_FILLED"),
            &json!("4.00000000"),
            &json!("4.00000000"),
            &json!("7.10000000"),
            &json!("0.00400000"),
            &json!("USD"),
            &json!(1),
            &json!(true),
            &json!("28.40000000")
        )
    );
    socket.event();
    let amend = json!({"symbol": "USDCNY", "origClientOrderId": "one", "newQty": "6", "timestamp": now_ms()});
    assert_eq!(socket.call("order.amend.keepPriority", amend)["status"], 200);
    let amended = socket.event();
    assert_eq!(
        (&amended["x"], &amended["X"], &amended["q"]),
        (&json!("REPLACED"), &json!("PARTIALLY_FILLED"), &json!("6.00000000"))
    );
    socket.event();
    let cancel = json!({"symbol": "USDCNY", "orderId": "1", "newClientOrderId": "gone", "timestamp": now_ms()});
    assert_eq!(socket.call("order.cancel", cancel)["result"]["status"], "CANCELED");
    let canceled = socket.event();
    assert_eq!(
        (&canceled["x"], &canceled["c"], &canceled["C"], &canceled["w"]),
        (&json!("CANCELED"), &json!("gone"), &json!("one"), &json!(false))
    );
    socket.event();
    let status = socket.call("order.status", json!({"symbol": "USDCNY", "orderId": 7, "timestamp": now_ms()}));
    assert_eq!((&status["status"], &status["error"]["code"]), (&json!(400), &json!(-2013)));
    let late = json!({"symbol": "USDCNY", "orderId": 7, "timestamp": now_ms() - 10_000});
    assert_eq!(socket.call("order.status", late)["error"]["code"], -1021);
    assert_eq!(socket.call("userDataStream.unsubscribe", json!({}))["status"], 200);
    assert_eq!(socket.call("session.logout", json!({}))["result"]["apiKey"], Value::Null);
    let gone = socket.call("order.cancel", json!({"symbol": "USDCNY", "orderId": 1, "timestamp": now_ms()}));
    assert_eq!(gone["error"]["code"], -1102);
}

#[test]
fn one_connection_hears_of_many_accounts() {
    let server = Server::start();
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let mut socket = Socket::open(&server, "/ws-api/v3");
    for (user, id) in [(&alice, 0), (&bob, 1)] {
        let reply = socket.call("userDataStream.subscribe.signature", user.socket_params(json!({})));
        assert_eq!(reply["result"], json!({"subscriptionId": id}));
    }
    alice.signed("POST", "/api/v3/order", BUY);
    bob.signed("POST", "/api/v3/order", "symbol=USDCNY&side=SELL&type=MARKET&quantity=10");
    let mut heard = Vec::new();
    for _ in 0..6 {
        let event = socket.receive();
        heard.push((event["subscriptionId"].as_u64().expect("an id"), event["event"]["x"].as_str().map(str::to_owned)));
    }
    let of = |id| heard.iter().filter(|(other, _)| *other == id).filter_map(|(_, x)| x.as_deref()).collect::<Vec<_>>();
    assert_eq!((of(0), of(1)), (vec!["NEW", "TRADE"], vec!["NEW", "TRADE"]));
}

#[test]
fn listen_keys_still_work() {
    let server = Server::start();
    let alice = server.user("alice");
    let created = alice.keyed("POST", "/t/acme/api/v3/userDataStream");
    let key = created.body["listenKey"].as_str().expect("a key").to_owned();
    assert_eq!(alice.keyed("POST", "/t/acme/api/v3/userDataStream").body["listenKey"], key.as_str());
    let mut raw = Socket::open(&server, &format!("/t/acme/ws/{key}"));
    let mut combined = Socket::open(&server, &format!("/stream?streams={key}"));
    raw.call_control(&json!({"id": 1, "method": "LIST_SUBSCRIPTIONS"}));
    combined.call_control(&json!({"id": 1, "method": "LIST_SUBSCRIPTIONS"}));
    alice.signed("POST", "/api/v3/order", BUY);
    assert_eq!(raw.receive()["e"], "executionReport");
    let wrapped = combined.receive();
    assert_eq!((&wrapped["stream"], &wrapped["data"]["e"]), (&json!(key), &json!("executionReport")));
    assert_eq!(alice.keyed("DELETE", &format!("/api/v3/userDataStream?listenKey={key}")).status, 200);
    assert_eq!(alice.keyed("PUT", &format!("/api/v3/userDataStream?listenKey={key}")).body["code"], -1125);
}

#[test]
fn a_session_survives_any_text() {
    let server = Server::start();
    let mut socket = Socket::open(&server, "/t/acme/ws-api/v3");
    let deep =
        format!("{{\"id\":1,\"method\":\"ping\",\"params\":{{\"a\":{}1{}}}}}", "[".repeat(20_000), "]".repeat(20_000));
    let many: Vec<String> = (0..200).map(|number| format!("\"p{number}\":{number}")).collect();
    let many = format!("{{\"id\":1,\"method\":\"order.place\",\"params\":{{{}}}}}", many.join(","));
    let corpus = [
        "",
        "null",
        "{}",
        "[]",
        "{\"id\":1}",
        "{\"method\":\"ping\",\"id\":{}}",
        "{\"method\":\"ping\",\"id\":1.5}",
        "{\"id\":1,\"method\":\"ping\",\"params\":[1]}",
        "\u{0}",
        "{\"id\":1,\"method\":\"\\ud800\"}",
        &many,
        "{\"id\":1,\"method\":\"order.place\",\"params\":{\"symbol\":{\"a\":1}}}",
        "{\"id\":1,\"method\":\"session.logon\",\"params\":{\"apiKey\":1,\"signature\":[],\"timestamp\":\"x\"}}",
        "{\"id\":1,\"method\":\"order.cancel\",\"params\":{\"orderId\":99999999999999999999999}}",
    ];
    for text in corpus {
        socket.send(text);
        let reply = socket.receive();
        let status = reply["status"].as_u64().unwrap_or_default();
        assert!(status >= 400 && reply["error"]["code"].as_i64().is_some_and(|code| code < 0), "{text}: {reply}");
    }
    // What is nested deeply is passed over, not followed.
    socket.send(&deep);
    assert_eq!(socket.receive()["status"], 200);
    assert_eq!(socket.call("ping", json!({}))["status"], 200);
}

#[test]
fn a_client_that_never_reads_is_stopped() {
    let server = Server::start();
    let mut socket = Socket::open(&server, "/t/acme/ws-api/v3");
    let sent = socket.flood(r#"{"id":1,"method":"exchangeInfo"}"#, 2_000_000);
    // It may fill the buffers of both sockets and what a connection may have under way, but no more.
    assert!(sent < 1_000_000, "{sent} requests were taken from a client that reads no reply");
    let mut other = Socket::open(&server, "/t/acme/ws-api/v3");
    assert_eq!(other.call("ping", json!({}))["status"], 200);
}

fn sorted(mut keys: Vec<&str>) -> Vec<&str> {
    keys.sort_unstable();
    keys
}
