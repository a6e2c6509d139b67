//! Nothing that a client can send is taken for something else, stops the server or changes a
//! state it should not: each gets the code and the text that the dialect has for it.

use std::fmt::Write as _;

use rialto_tests::client::{Key, Session, now_millis};
use rialto_tests::raw::{self, RawSocket};
use rialto_tests::server::{Server, two_tenants};
use serde_json::{Value, json};

/// A user at one of the two doors, REST or the WebSocket API.
struct Door {
    url: String,
    tenant: &'static str,
    key: Key,
    session: Option<Session>,
}

/// What came back: status, and result or error.
#[derive(Debug)]
struct Reply {
    status: u64,
    body: Value,
}

impl Door {
    fn rest(server: &Server, tenant: &'static str, user: &str) -> Self {
        Self { url: server.url(), tenant, key: Key::of(tenant, user), session: None }
    }

    fn socket(server: &Server, tenant: &'static str, user: &str) -> Self {
        let key = Key::of(tenant, user);
        let session = Some(Session::log_on(&server.ws_url(), tenant, &key));
        Self { url: server.url(), tenant, key, session }
    }

    /// Asks with the timestamp that the parameters carry, else with that of now.
    fn ask(&mut self, method: &str, parameters: &Value) -> Reply {
        let mut parameters = parameters.clone();
        if parameters.get("timestamp").is_none() {
            parameters["timestamp"] = json!(now_millis());
        }
        if let Some(session) = &mut self.session {
            let reply = session.ask(method, parameters);
            let status = reply["status"].as_u64().expect("a status");
            let body = if status == 200 { reply["result"].clone() } else { reply["error"].clone() };
            return Reply { status, body };
        }
        let query = encoded(&parameters);
        let signature = self.key.sign(&query);
        let (method, path) = rest_path(method);
        self.send(method, path, &format!("{query}&signature={signature}"))
    }

    /// Asks over REST with a query that is not touched.
    fn send(&self, method: &str, path: &str, query: &str) -> Reply {
        let target = format!("/t/{}/api/v3/{path}?{query}", self.tenant);
        let answer = raw::request(method, &self.url, &target, &format!("X-MBX-APIKEY: {}\r\n", self.key.key), b"");
        Reply { status: u64::from(answer.status), body: answer.json() }
    }

    fn ok(&mut self, method: &str, parameters: &Value) -> Value {
        let reply = self.ask(method, parameters);
        assert_eq!(reply.status, 200, "{method} {parameters}: {reply:?}");
        reply.body
    }

    /// All that this user can lose.
    fn state(&mut self) -> (Value, Value) {
        let open = self.ok("openOrders.status", &json!({}));
        (open, self.ok("account.status", &json!({}))["balances"].clone())
    }

    /// Is refused with this, and nothing has changed.
    fn refused(&mut self, method: &str, parameters: &Value, code: i64, msg: &str) -> Value {
        let before = self.state();
        let data = self.refused_with(400, method, parameters, code, msg);
        assert_eq!(self.state(), before, "{method} {parameters}");
        data
    }

    fn refused_with(&mut self, status: u64, method: &str, parameters: &Value, code: i64, msg: &str) -> Value {
        let reply = self.ask(method, parameters);
        let told = (reply.status, reply.body["code"].as_i64(), reply.body["msg"].as_str());
        let told_code = (reply.status, reply.body["code"].as_i64());
        if msg.is_empty() {
            assert_eq!(told_code, (status, Some(code)), "{method} {parameters}: {reply:?}");
        } else {
            assert_eq!(told, (status, Some(code), Some(msg)), "{method} {parameters}");
        }
        reply.body["data"].clone()
    }
}

fn rest_path(method: &str) -> (&'static str, &'static str) {
    match method {
        "order.place" => ("POST", "order"),
        "order.test" => ("POST", "order/test"),
        "order.cancel" => ("DELETE", "order"),
        "order.status" => ("GET", "order"),
        "order.cancelReplace" => ("POST", "order/cancelReplace"),
        "order.amend.keepPriority" => ("PUT", "order/amend/keepPriority"),
        "orderList.place.oco" => ("POST", "orderList/oco"),
        "orderList.place.oto" => ("POST", "orderList/oto"),
        "orderList.cancel" => ("DELETE", "orderList"),
        "orderList.status" => ("GET", "orderList"),
        "openOrders.cancelAll" => ("DELETE", "openOrders"),
        "openOrders.status" => ("GET", "openOrders"),
        "account.status" => ("GET", "account"),
        "myTrades" => ("GET", "myTrades"),
        "allOrders" => ("GET", "allOrders"),
        _ => panic!("no path for {method}"),
    }
}

/// Parameters as a query, percent-encoded.
fn encoded(parameters: &Value) -> String {
    let mut query = String::new();
    for (name, value) in parameters.as_object().expect("an object") {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let separator = if query.is_empty() { "" } else { "&" };
        let _ = write!(query, "{separator}{name}=");
        for byte in text.bytes() {
            if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
                query.push(char::from(byte));
            } else {
                let _ = write!(query, "%{byte:02X}");
            }
        }
    }
    query
}

/// An order that would be taken, with some parameters changed; `null` takes one out.
fn order(changes: &Value) -> Value {
    let mut order = json!({
        "symbol": "USDCNY", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "10", "price": "6.5",
    });
    changed(&mut order, changes);
    order
}

fn changed(parameters: &mut Value, changes: &Value) {
    let parameters = parameters.as_object_mut().expect("an object");
    for (name, value) in changes.as_object().expect("an object") {
        if value.is_null() {
            parameters.remove(name);
        } else {
            parameters.insert(name.clone(), value.clone());
        }
    }
}

/// Both doors, each in a tenant of its own so that neither sees the other's orders.
fn at_both_doors(server: &Server, user: &str, check: impl Fn(&mut Door)) {
    check(&mut Door::rest(server, "acme", user));
    check(&mut Door::socket(server, "globex", user));
}

/// The server still takes an order, and gives it back.
fn still_serves(door: &mut Door) {
    let placed = door.ok("order.place", &order(&json!({})));
    assert_eq!(placed["status"], "NEW", "{placed}");
    door.ok("order.cancel", &json!({"symbol": "USDCNY", "orderId": placed["orderId"]}));
}

const DECIMAL: &str = r"^([0-9]{1,20})(\.[0-9]{1,20})?$";

fn illegal(parameter: &str, range: &str) -> String {
    format!("Illegal characters found in parameter '{parameter}'; legal range is '{range}'.")
}

fn mandatory(parameter: &str) -> String {
    format!("Mandatory parameter '{parameter}' was not sent, was empty/null, or malformed.")
}

#[test]
fn numbers_are_taken_exactly_or_not_at_all() {
    let server = Server::start(&two_tenants());
    at_both_doors(&server, "alice", |door| {
        let before = door.state();
        let long = "9".repeat(40);
        let endless = "9".repeat(100);
        for parameter in ["price", "quantity"] {
            let filter = format!("Filter failure: {}", if parameter == "price" { "PRICE_FILTER" } else { "LOT_SIZE" });
            for text in [
                "1e",
                "e1",
                "1e+",
                "1e9999",
                "NaN",
                "nan",
                "Infinity",
                "-1",
                "-0",
                "+1",
                "1.",
                ".5",
                ".",
                "1.2.3",
                "0x10",
                "1,5",
                " 7",
                "7 ",
                "7\n",
                "\u{ff17}",
                "7\u{0}",
                "true",
                "--1",
                "1_000",
                endless.as_str(),
            ] {
                let msg = illegal(parameter, DECIMAL);
                door.refused_with(400, "order.place", &order(&json!({parameter: text})), -1100, &msg);
            }
            for text in [long.as_str(), "1e30", "1e400", "0", "0.00000", "0e5", "18446744073709551616"] {
                door.refused_with(400, "order.place", &order(&json!({parameter: text})), -1013, &filter);
            }
            let msg = format!("Parameter '{parameter}' has too much precision.");
            for text in ["6.500000001", "1e-9", "0.0000000000000000000000000000001", "1e-400"] {
                door.refused_with(400, "order.place", &order(&json!({parameter: text})), -1111, &msg);
            }
            let msg = format!("Parameter '{parameter}' was empty.");
            door.refused_with(400, "order.place", &order(&json!({parameter: ""})), -1105, &msg);
        }
        for (changes, filter) in [
            (json!({"price": "6.50001"}), "PRICE_FILTER"),
            (json!({"price": "10000.0001"}), "PRICE_FILTER"),
            (json!({"quantity": "10.001"}), "LOT_SIZE"),
            (json!({"quantity": "400000000.01"}), "LOT_SIZE"),
            (json!({"quantity": "0.15"}), "NOTIONAL"),
            (json!({"type": "MARKET", "price": null, "timeInForce": null, "quantity": "0.001"}), "MARKET_LOT_SIZE"),
            (json!({"type": "MARKET", "price": null, "timeInForce": null, "quantity": "0"}), "MARKET_LOT_SIZE"),
            (
                json!({"type": "MARKET", "price": null, "timeInForce": null, "quantity": null, "quoteOrderQty": "0.5"}),
                "NOTIONAL",
            ),
            (
                json!({"type": "MARKET", "price": null, "timeInForce": null, "quantity": null, "quoteOrderQty": "0"}),
                "NOTIONAL",
            ),
            (
                json!({"type": "MARKET", "price": null, "timeInForce": null, "quantity": null, "quoteOrderQty": long}),
                "NOTIONAL",
            ),
        ] {
            door.refused_with(400, "order.place", &order(&changes), -1013, &format!("Filter failure: {filter}"));
        }
        // The same number in another form is the same number.
        let placed = door.ok("order.place", &order(&json!({"price": "65e-1", "quantity": "0010.00"})));
        assert_eq!((&placed["price"], &placed["origQty"]), (&json!("6.50000000"), &json!("10.00000000")), "{placed}");
        door.ok("order.cancel", &json!({"symbol": "USDCNY", "orderId": placed["orderId"]}));
        assert_eq!(door.state(), before);
        still_serves(door);
    });
}

#[test]
fn parameters_that_do_not_fit_are_named() {
    let server = Server::start(&two_tenants());
    at_both_doors(&server, "alice", |door| {
        let before = door.state();
        for parameter in ["symbol", "side", "type", "timeInForce", "quantity", "price"] {
            let without = order(&json!({parameter: null}));
            door.refused_with(400, "order.place", &without, -1102, &mandatory(parameter));
            door.refused_with(400, "order.test", &without, -1102, &mandatory(parameter));
        }
        let ids = "Param 'orderId' or 'origClientOrderId' must be sent, but both were empty/null!";
        let cancel_ids = "Param 'cancelOrderId' or 'cancelOrigClientOrderId' must be sent, but both were empty/null!";
        let market = json!({"type": "MARKET", "price": null, "timeInForce": null});
        let with = |mut one: Value, other: &Value| {
            one.as_object_mut().expect("an object").extend(other.as_object().expect("an object").clone());
            one
        };
        let long_id = "x".repeat(37);
        let id_range = "^[a-zA-Z0-9-_.:/]{1,36}$";
        let digits = "^[0-9]{1,20}$";
        let cases = [
            ("order.cancel", json!({"orderId": 1}), -1102, mandatory("symbol")),
            ("order.cancel", json!({"symbol": "USDCNY"}), -1102, ids.to_owned()),
            ("order.status", json!({"orderId": 1}), -1102, mandatory("symbol")),
            ("order.status", json!({"symbol": "USDCNY"}), -1102, ids.to_owned()),
            ("openOrders.cancelAll", json!({"symbol": ""}), -1102, mandatory("symbol")),
            ("openOrders.cancelAll", json!({"side": "HOLD"}), -1117, "Invalid side.".to_owned()),
            ("openOrders.cancelAll", json!({"strategyId": "x"}), -1100, illegal("strategyId", digits)),
            ("orderList.cancel", json!({"orderListId": 1}), -1102, mandatory("symbol")),
            ("orderList.status", json!({"orderListId": "x"}), -1100, illegal("orderListId", digits)),
            ("orderList.place.oco", json!({}), -1102, mandatory("side")),
            ("orderList.place.oto", json!({"symbol": "USDCNY"}), -1102, mandatory("workingType")),
            ("myTrades", json!({}), -1102, mandatory("symbol")),
            ("allOrders", json!({}), -1102, mandatory("symbol")),
            ("order.amend.keepPriority", json!({"symbol": "USDCNY", "newQty": "1"}), -1102, ids.to_owned()),
            ("order.amend.keepPriority", json!({"symbol": "USDCNY", "orderId": 1}), -1102, mandatory("newQty")),
            ("order.cancelReplace", order(&json!({"cancelOrderId": 1})), -1102, mandatory("cancelReplaceMode")),
            (
                "order.cancelReplace",
                order(&json!({"cancelReplaceMode": "ALLOW_FAILURE"})),
                -1102,
                cancel_ids.to_owned(),
            ),
            (
                "order.cancelReplace",
                order(&json!({"cancelReplaceMode": "MAYBE", "cancelOrderId": 1})),
                -1130,
                "Data sent for parameter 'cancelReplaceMode' is not valid.".to_owned(),
            ),
            (
                "order.place",
                order(&with(market.clone(), &json!({"quantity": null}))),
                -1102,
                "Param 'quantity' or 'quoteOrderQty' must be sent, but both were empty/null!".to_owned(),
            ),
            (
                "order.place",
                order(&with(market.clone(), &json!({"quoteOrderQty": "10"}))),
                -1128,
                "Combination of optional parameters invalid.".to_owned(),
            ),
            (
                "order.place",
                order(&json!({"type": "MARKET", "timeInForce": null})),
                -1106,
                "Parameter 'price' sent when not required.".to_owned(),
            ),
            (
                "order.place",
                order(&json!({"type": "MARKET", "price": null})),
                -1114,
                "TimeInForce parameter sent when not required.".to_owned(),
            ),
            (
                "order.place",
                order(&json!({"type": "LIMIT_MAKER", "timeInForce": "IOC"})),
                -1114,
                "TimeInForce parameter sent when not required.".to_owned(),
            ),
            ("order.place", order(&json!({"timeInForce": "GTX"})), -1115, "Invalid timeInForce.".to_owned()),
            ("order.place", order(&json!({"side": "HOLD"})), -1117, "Invalid side.".to_owned()),
            ("order.place", order(&json!({"side": "buy"})), -1117, "Invalid side.".to_owned()),
            ("order.place", order(&json!({"type": "limit"})), -1116, "Invalid orderType.".to_owned()),
            (
                "order.place",
                order(&json!({"stopPrice": "6"})),
                -1106,
                "Parameter 'stopPrice' sent when not required.".to_owned(),
            ),
            (
                "order.place",
                order(&json!({"icebergQty": "6", "timeInForce": "FOK"})),
                -1106,
                "Parameter 'icebergQty' sent when not required.".to_owned(),
            ),
            (
                "order.place",
                order(&json!({"newOrderRespType": "ALL"})),
                -1130,
                "Data sent for parameter 'newOrderRespType' is not valid.".to_owned(),
            ),
            ("order.place", order(&json!({"wibble": "1"})), -1104, String::new()),
            ("order.place", order(&json!({"icebergQty": "-1"})), -1100, String::new()),
            ("order.place", order(&json!({"minQty": "NaN"})), -1100, String::new()),
            ("order.place", order(&json!({"hidden": "maybe"})), -1100, illegal("hidden", "^(true|false)$")),
            ("order.place", order(&json!({"timeInForce": "GTD"})), -1102, mandatory("goodTillDate")),
            (
                "order.place",
                order(&json!({"timeInForce": "GTD", "goodTillDate": "soon"})),
                -1100,
                illegal("goodTillDate", digits),
            ),
            (
                "order.place",
                order(&json!({"pegPriceType": "PRIMARY_PEG", "pegOffsetType": "TICKS", "pegOffsetValue": "1.5"})),
                -1100,
                illegal("pegOffsetValue", "^[-+]?[0-9]{1,13}$"),
            ),
            ("order.place", order(&json!({"strategyId": "-1"})), -1100, illegal("strategyId", digits)),
            ("order.place", order(&json!({"symbol": "USDEUR"})), -1121, "Invalid symbol.".to_owned()),
            ("order.place", order(&json!({"symbol": "usdcny"})), -1121, "Invalid symbol.".to_owned()),
            ("order.place", order(&json!({"symbol": "\u{0}../../etc"})), -1121, "Invalid symbol.".to_owned()),
            ("order.cancel", json!({"symbol": "NONE", "orderId": 1}), -1121, "Invalid symbol.".to_owned()),
            ("order.status", json!({"symbol": "NONE", "orderId": 1}), -1121, "Invalid symbol.".to_owned()),
            ("openOrders.status", json!({"symbol": "NONE"}), -1121, "Invalid symbol.".to_owned()),
            ("openOrders.cancelAll", json!({"symbol": "NONE"}), -1121, "Invalid symbol.".to_owned()),
            ("myTrades", json!({"symbol": "NONE"}), -1121, "Invalid symbol.".to_owned()),
            (
                "order.amend.keepPriority",
                json!({"symbol": "NONE", "orderId": 1, "newQty": "1"}),
                -1121,
                "Invalid symbol.".to_owned(),
            ),
            (
                "order.place",
                order(&json!({"newClientOrderId": "has space"})),
                -1100,
                illegal("newClientOrderId", id_range),
            ),
            (
                "order.place",
                order(&json!({"newClientOrderId": "t\u{eb}st"})),
                -1100,
                illegal("newClientOrderId", id_range),
            ),
            ("order.place", order(&json!({"newClientOrderId": "a\"b"})), -1100, illegal("newClientOrderId", id_range)),
            ("order.place", order(&json!({"newClientOrderId": long_id})), -1100, illegal("newClientOrderId", id_range)),
            (
                "order.place",
                order(&json!({"newClientOrderId": ""})),
                -1105,
                "Parameter 'newClientOrderId' was empty.".to_owned(),
            ),
            (
                "order.place",
                order(&json!({"newClientOrderId": "rialto-1"})),
                -1130,
                "Data sent for parameter 'newClientOrderId' is not valid.".to_owned(),
            ),
            (
                "order.cancel",
                json!({"symbol": "USDCNY", "origClientOrderId": long_id}),
                -1100,
                illegal("origClientOrderId", id_range),
            ),
            ("order.cancel", json!({"symbol": "USDCNY", "orderId": "abc"}), -1100, illegal("orderId", digits)),
            ("order.cancel", json!({"symbol": "USDCNY", "orderId": -1}), -1100, illegal("orderId", digits)),
            ("order.cancel", json!({"symbol": "USDCNY", "orderId": "1.0"}), -1100, illegal("orderId", digits)),
            (
                "order.cancel",
                json!({"symbol": "USDCNY", "orderId": "99999999999999999999"}),
                -1100,
                illegal("orderId", digits),
            ),
            (
                "order.cancel",
                json!({"symbol": "USDCNY", "orderId": 1, "cancelRestrictions": "ONLY_MINE"}),
                -1145,
                "Invalid cancelRestrictions".to_owned(),
            ),
            (
                "order.place",
                order(&json!({"recvWindow": 60_001})),
                -1131,
                "recvWindow must be less than 60000.".to_owned(),
            ),
            ("order.place", order(&json!({"recvWindow": "soon"})), -1100, String::new()),
            ("order.place", order(&json!({"timestamp": "now"})), -1100, illegal("timestamp", digits)),
            ("order.place", order(&json!({"timestamp": -5})), -1100, illegal("timestamp", digits)),
            ("order.place", order(&json!({"timestamp": "99999999999999999999"})), -1100, illegal("timestamp", digits)),
            ("order.place", order(&json!({"timestamp": ""})), -1102, mandatory("timestamp")),
            (
                "order.place",
                order(&json!({"timestamp": now_millis() + 60_000})),
                -1021,
                "Timestamp for this request was 1000ms ahead of the server's time.".to_owned(),
            ),
            (
                "order.place",
                order(&json!({"timestamp": u64::MAX})),
                -1021,
                "Timestamp for this request was 1000ms ahead of the server's time.".to_owned(),
            ),
            (
                "order.place",
                order(&json!({"timestamp": now_millis() - 60_000})),
                -1021,
                "Timestamp for this request is outside of the recvWindow.".to_owned(),
            ),
            (
                "order.status",
                json!({"symbol": "USDCNY", "orderId": 1, "timestamp": 0}),
                -1021,
                "Timestamp for this request is outside of the recvWindow.".to_owned(),
            ),
            (
                "order.cancel",
                json!({"symbol": "USDCNY", "orderId": 1, "timestamp": now_millis() - 2_000, "recvWindow": 1}),
                -1021,
                "Timestamp for this request is outside of the recvWindow.".to_owned(),
            ),
        ];
        for (method, parameters, code, msg) in cases {
            door.refused_with(400, method, &parameters, code, &msg);
        }
        // Orders that wait, and what happens where an order meets its own account.
        let stop = |changes: &Value| order(&with(json!({"type": "STOP_LOSS_LIMIT"}), changes));
        let no_limit = json!({"type": "TAKE_PROFIT", "price": null, "timeInForce": null});
        let either = "Param 'stopPrice' or 'trailingDelta' must be sent, but both were empty/null!".to_owned();
        let mode = "Data sent for parameter 'selfTradePreventionMode' is not valid.".to_owned();
        let mode_not_allowed = "This symbol does not allow the specified self-trade prevention mode.".to_owned();
        for (parameters, code, msg) in [
            (stop(&json!({})), -1102, either.clone()),
            (order(&no_limit), -1102, either),
            (order(&with(no_limit, &json!({"stopPrice": "6", "quantity": null}))), -1102, mandatory("quantity")),
            (stop(&json!({"stopPrice": ""})), -1105, "Parameter 'stopPrice' was empty.".to_owned()),
            (stop(&json!({"stopPrice": "-6"})), -1100, illegal("stopPrice", DECIMAL)),
            (stop(&json!({"stopPrice": "6.000000001"})), -1111, String::new()),
            (stop(&json!({"stopPrice": "6.00005"})), -1013, "Filter failure: PRICE_FILTER".to_owned()),
            (stop(&json!({"stopPrice": "0"})), -1013, "Filter failure: PRICE_FILTER".to_owned()),
            (stop(&json!({"stopPrice": "99999999"})), -1013, "Filter failure: PRICE_FILTER".to_owned()),
            (stop(&json!({"trailingDelta": "9"})), -1013, "Filter failure: TRAILING_DELTA".to_owned()),
            (stop(&json!({"trailingDelta": 2001})), -1013, "Filter failure: TRAILING_DELTA".to_owned()),
            (stop(&json!({"trailingDelta": "99999999999"})), -1013, "Filter failure: TRAILING_DELTA".to_owned()),
            (stop(&json!({"trailingDelta": "1.5"})), -1100, illegal("trailingDelta", digits)),
            (stop(&json!({"stopPrice": "6", "timeInForce": null})), -1102, mandatory("timeInForce")),
            (stop(&json!({"stopPrice": "6", "timeInForce": "GTX"})), -1115, "Invalid timeInForce.".to_owned()),
            (order(&json!({"trailingDelta": "100"})), -1106, String::new()),
            (order(&json!({"type": "STOP_LOSS", "stopPrice": "6"})), -1106, String::new()),
            (order(&json!({"type": "STOP_LOSS", "stopPrice": "6", "price": null})), -1114, String::new()),
            (order(&json!({"type": "TRAILING_STOP_MARKET"})), -1116, "Invalid orderType.".to_owned()),
            (order(&json!({"selfTradePreventionMode": "TRANSFER"})), -1013, mode_not_allowed),
            (order(&json!({"selfTradePreventionMode": "none"})), -1130, mode),
        ] {
            door.refused_with(400, "order.place", &parameters, code, &msg);
        }
        let many: serde_json::Map<String, Value> = (0..130).map(|number| (format!("p{number}"), json!("1"))).collect();
        let msg = "Too many parameters sent for this endpoint.";
        door.refused_with(400, "order.place", &order(&Value::Object(many)), -1101, msg);
        assert_eq!(door.state(), before);
        still_serves(door);
    });
}

#[test]
fn keys_and_signatures_must_be_right() {
    let server = Server::start(&two_tenants());
    let url = server.url();
    let mut alice = Door::rest(&server, "acme", "alice");
    let before = alice.state();
    let query = format!("{}&timestamp={}", encoded(&order(&json!({}))), now_millis());
    let good = alice.key.sign(&query);
    let wrong = "Signature for this request is not valid.";
    let others = Key::of("acme", "bob").sign(&query);
    for signature in ["00", "zz", &good[1..], &format!("{good}00"), &others, &"\u{fc}".repeat(32)] {
        let reply =
            alice.send("POST", "order", &format!("{query}&signature={}", signature.replace('\u{fc}', "%C3%BC")));
        assert_eq!((reply.status, &reply.body), (400, &json!({"code": -1022, "msg": wrong})), "{signature}");
    }
    for changed in
        [query.replace("quantity=10", "quantity=11"), format!("{query}&recvWindow=5000"), query.replace("BUY", "SELL")]
    {
        let reply = alice.send("POST", "order", &format!("{changed}&signature={good}"));
        assert_eq!((reply.status, &reply.body), (400, &json!({"code": -1022, "msg": wrong})), "{changed}");
    }
    for unsigned in [query.clone(), format!("{query}&signature=")] {
        let reply = alice.send("POST", "order", &unsigned);
        assert_eq!((reply.status, &reply.body), (400, &json!({"code": -1102, "msg": mandatory("signature")})));
    }
    let signature = alice.key.sign("symbol=USDCNY&orderId=1");
    let reply = alice.send("GET", "order", &format!("symbol=USDCNY&orderId=1&signature={signature}"));
    assert_eq!((reply.status, &reply.body), (400, &json!({"code": -1102, "msg": mandatory("timestamp")})));
    let twice = format!("{query}&price=7");
    let reply = alice.send("POST", "order", &format!("{twice}&signature={}", alice.key.sign(&twice)));
    assert_eq!((reply.status, &reply.body["code"]), (400, &json!(-1101)), "{reply:?}");

    let malformed = json!({"code": -2014, "msg": "API-key format invalid."});
    let unknown = json!({"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."});
    let target = format!("/t/acme/api/v3/order?{query}&signature={good}");
    let long = format!("X-MBX-APIKEY: {}\r\n", "k".repeat(1_000));
    for (header, expected) in [
        ("", &malformed),
        ("X-MBX-APIKEY: \r\n", &malformed),
        ("X-MBX-APIKEY: has space\r\n", &malformed),
        (long.as_str(), &malformed),
        ("X-MBX-APIKEY: nobody\r\n", &unknown),
        ("X-MBX-APIKEY: globex-alice\r\n", &unknown),
    ] {
        let answer = raw::request("POST", &url, &target, header, b"");
        assert_eq!((answer.status, &answer.json()), (401, expected), "{header}");
    }

    // The same on a socket without a session.
    let mut socket = Session::connect(&format!("{}/t/acme/ws-api/v3?returnRateLimits=false", server.ws_url()));
    let mut signed = order(&json!({"apiKey": "acme-alice", "timestamp": now_millis()}));
    let mut names: Vec<String> = signed.as_object().expect("an object").keys().cloned().collect();
    names.sort();
    let payload: Vec<String> = names
        .iter()
        .map(|name| format!("{name}={}", signed[name].as_str().map_or_else(|| signed[name].to_string(), str::to_owned)))
        .collect();
    signed["signature"] = json!(alice.key.sign(&payload.join("&")));
    for (changes, status, code) in [
        (json!({"signature": "00"}), 400, -1022),
        (json!({"quantity": "11"}), 400, -1022),
        (json!({"apiKey": "acme-bob"}), 400, -1022),
        (json!({"signature": null}), 400, -1102),
        (json!({"apiKey": null}), 400, -1102),
        (json!({"apiKey": "has space"}), 401, -2014),
        (json!({"apiKey": "nobody"}), 401, -2015),
        (json!({"apiKey": "globex-alice"}), 401, -2015),
    ] {
        let mut sent = signed.clone();
        changed(&mut sent, &changes);
        for method in
            ["order.place", "order.test", "session.logon", "userDataStream.subscribe.signature", "account.status"]
        {
            let reply = socket.ask(method, sent.clone());
            assert_eq!(
                (&reply["status"], &reply["error"]["code"]),
                (&json!(status), &json!(code)),
                "{method} {changes}: {reply}"
            );
        }
    }
    let reply = socket.ask("userDataStream.subscribe", json!({}));
    assert_eq!(reply["error"]["code"], -2015, "{reply}");
    assert_eq!(alice.state(), before);
    // All this time the signature was good.
    let reply = alice.send("POST", "order", &format!("{query}&signature={good}"));
    assert_eq!(reply.status, 200, "{reply:?}");
}

/// Method, target, headers and body of a request; status and code of its answer.
type WrongHttp<'a> = (&'a str, &'a str, &'a str, &'a [u8], u16, i64);

#[test]
fn wrong_http_is_answered_in_json() {
    let server = Server::start(&two_tenants());
    let url = server.url();
    let mut alice = Door::rest(&server, "acme", "alice");
    let before = alice.state();
    let huge = vec![b'x'; 70_000];
    let cases: [WrongHttp<'_>; 24] = [
        ("GET", "/", "", b"", 404, -1000),
        ("GET", "/t/acme/api/v3/nothing", "", b"", 404, -1000),
        ("POST", "/t/acme/api/v4/order", "", b"", 404, -1000),
        ("GET", "/t/acme/api/v3/../../../etc/passwd", "", b"", 404, -1000),
        ("GET", "/t/acme/api/v3/order%00", "", b"", 404, -1000),
        ("GET", "/t/nobody/api/v3/depth?symbol=USDCNY", "", b"", 404, -1121),
        ("GET", "/api/v3/depth?symbol=USDCNY", "", b"", 404, -1121),
        ("PATCH", "/t/acme/api/v3/order", "", b"", 405, -1000),
        ("PUT", "/t/acme/api/v3/order", "", b"", 405, -1000),
        ("POST", "/t/acme/api/v3/depth?symbol=USDCNY", "", b"", 405, -1000),
        ("POST", "/t/acme/api/v3/order", "", &huge, 413, -1000),
        ("POST", "/t/acme/api/v3/order", "", b"\xFF\xFE\x00", 400, -1100),
        ("POST", "/t/acme/api/v3/order", "Content-Type: application/json\r\n", b"{\"symbol\":\"USDCNY\"}", 401, -2014),
        (
            "POST",
            "/t/acme/api/v3/order",
            "X-MBX-APIKEY: acme-alice\r\nContent-Type: application/json\r\n",
            b"{\"symbol\":\"USDCNY\"}",
            400,
            -1102,
        ),
        ("GET", "/t/acme/api/v3/depth", "", b"", 400, -1102),
        ("GET", "/t/acme/api/v3/depth?symbol=NONE", "", b"", 400, -1121),
        ("GET", "/t/acme/api/v3/depth?symbol=%00%FF", "", b"", 400, -1100),
        ("GET", "/t/acme/api/v3/depth?symbol=USDCNY&limit=-1", "", b"", 400, -1100),
        ("GET", "/t/acme/api/v3/depth?symbol=USDCNY&limit=0", "", b"", 400, -1130),
        ("GET", "/t/acme/api/v3/klines?symbol=USDCNY&interval=7m", "", b"", 400, -1120),
        ("GET", "/t/acme/api/v3/exchangeInfo?symbols=[%22USDCNY%22", "", b"", 400, -1100),
        ("GET", "/t/acme/api/v3/time", "X-MBX-TIME-UNIT: fortnight\r\n", b"", 400, -1194),
        ("GET", "/t/acme/api/v3/ping", "Accept: application/sbe\r\n", b"", 406, -1155),
        ("GET", "/t/acme/ws-api/v3", "", b"", 400, -1000),
    ];
    for (method, target, headers, body, status, code) in cases {
        let answer = raw::request(method, &url, target, headers, body);
        assert_eq!((answer.status, &answer.json()["code"]), (status, &json!(code)), "{method} {target}: {answer:?}");
        assert!(answer.json()["msg"].as_str().is_some_and(|msg| !msg.is_empty()), "{answer:?}");
    }
    // Below HTTP there is no JSON: a refusal or a closed connection will do.
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(200_000));
    let headers = format!("GET / HTTP/1.1\r\n{}\r\n", "X-Many: header\r\n".repeat(10_000));
    for bytes in [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03".as_slice(),
        b"NONSENSE\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /t/acme/api/v3/order HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"POST /t/acme/api/v3/order HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST /t/acme/api/v3/order HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nZZ\r\nabc\r\n0\r\n\r\n",
        b"POST /t/acme/api/v3/order HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nConnection: close\r\n\r\n",
        long.as_bytes(),
        headers.as_bytes(),
    ] {
        let answer = raw::exchange(&url, bytes);
        let start = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        assert!(answer.as_ref().is_none_or(|answer| (400..500).contains(&answer.status)), "{start:?}: {answer:?}");
    }
    // A body larger than announced sizes allow is not waited for.
    let head =
        "POST /t/acme/api/v3/order HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1000000000\r\n\r\n";
    let answer = raw::exchange(&url, &[head.as_bytes(), &vec![b'x'; 200_000]].concat());
    assert!(answer.as_ref().is_none_or(|answer| answer.status == 413), "{answer:?}");
    assert_eq!(alice.state(), before);
    still_serves(&mut alice);
}

#[test]
fn wrong_json_is_answered_and_the_session_goes_on() {
    let server = Server::start(&two_tenants());
    let mut alice = Door::socket(&server, "acme", "alice");
    let before = alice.state();
    let session = alice.session.as_mut().expect("a session");
    let invalid = json!({"code": -1135, "msg": "Invalid JSON Request"});
    let deep = format!("{{\"id\":1,\"method\":\"ping\",\"params\":{}{}}}", "[".repeat(20_000), "]".repeat(20_000));
    for text in [
        "",
        " ",
        "null",
        "true",
        "7",
        "\"ping\"",
        "[]",
        "{",
        "}",
        "{}",
        "{\"id\":1}",
        "{\"id\":1,\"method\":7}",
        "{\"id\":1,\"method\":null}",
        "{\"id\":1,\"method\":\"ping\"",
        "{\"id\":1,\"method\":\"ping\",}",
        "{\"id\":1,\"method\":\"ping\"}{}",
        "{'id':1,'method':'ping'}",
        "{\"id\":1,\"method\":\"ping\",\"params\":[]}",
        "{\"id\":1,\"method\":\"ping\",\"params\":7}",
        "{\"id\":1,\"method\":\"ping\",\"params\":\"x\"}",
        "{\"id\":1,\"id\":2,\"method\":\"ping\"}",
        "{\"id\":1,\"method\":\"\\ud800\"}",
        "\u{feff}{}",
        "\u{0}",
        "{\"id\":1,\"method\":\"ping\",\"params\":{\"a\":NaN}}",
        "{\"id\":1,\"method\":\"ping\",\"params\":{\"a\":01}}",
        deep.as_str(),
    ] {
        session.send_text(text).expect("sent");
        let reply = session.read().expect("a reply");
        let start = &text[..text.len().min(60)];
        assert_eq!(
            (&reply["id"], &reply["status"], &reply["error"]),
            (&Value::Null, &json!(400), &invalid),
            "{start}: {reply}"
        );
    }
    for id in ["1.5", "true", "[1]", "{}", "1e3", &format!("\"{}\"", "i".repeat(100)), &"9".repeat(100)] {
        session.send_text(&format!("{{\"id\":{id},\"method\":\"ping\"}}")).expect("sent");
        let reply = session.read().expect("a reply");
        let told = (&reply["id"], &reply["status"], &reply["error"]["code"]);
        assert_eq!(told, (&Value::Null, &json!(400), &json!(-1135)), "{id}: {reply}");
    }
    for id in ["1", "-7", "\"a-b_c\"", "null", "9007199254740993"] {
        session.send_text(&format!("{{\"id\":{id},\"method\":\"ping\"}}")).expect("sent");
        let reply = session.read().expect("a reply");
        assert_eq!((reply["id"].to_string().as_str(), &reply["status"]), (id, &json!(200)), "{reply}");
    }
    for method in
        ["", "order", "order.fly", "ORDER.PLACE", "v3/v3/ping", "order.place ", "\u{1F4A5}", &"m".repeat(5_000)]
    {
        let reply = session.ask(method, json!({}));
        assert_eq!((&reply["status"], &reply["error"]["code"]), (&json!(400), &json!(-1020)), "{method}: {reply}");
    }
    for (value, code) in
        [("[1]", -1100), ("{}", -1130), ("true", -1100), ("-6.5", -1100), ("1e400", -1013), ("null", -1102)]
    {
        let now = now_millis();
        session.send_text(&format!(
            "{{\"id\":9,\"method\":\"order.place\",\"params\":{{\"symbol\":\"USDCNY\",\"side\":\"BUY\",\"type\":\"LIMIT\",\
             \"timeInForce\":\"GTC\",\"quantity\":\"10\",\"price\":{value},\"timestamp\":{now}}}}}"
        )).expect("sent");
        let reply = session.read().expect("a reply");
        assert_eq!((&reply["id"], &reply["error"]["code"]), (&json!(9), &json!(code)), "{value}: {reply}");
    }
    let now = now_millis();
    let twice = format!(
        "{{\"id\":3,\"method\":\"order.cancel\",\"params\":{{\"symbol\":\"A\",\"symbol\":\"USDCNY\",\"orderId\":1,\"timestamp\":{now}}}}}"
    );
    session.send_text(&twice).expect("sent");
    assert_eq!(session.read().expect("a reply")["error"]["code"], -1101);
    let reply = session.ask("userDataStream.unsubscribe", json!({"subscriptionId": 77}));
    assert_eq!(reply["error"]["code"], -1130, "{reply}");
    assert_eq!(alice.state(), before);
    still_serves(&mut alice);

    // Streams have errors of their own.
    let mut stream = Session::connect(&format!("{}/t/acme/ws", server.ws_url()));
    for (text, code) in [
        ("{", 3),
        ("", 3),
        ("nonsense", 3),
        ("[]", 2),
        ("7", 2),
        ("{}", 2),
        ("{\"method\":\"DANCE\",\"id\":1}", 2),
        ("{\"method\":\"SUBSCRIBE\",\"params\":\"usdcny@trade\",\"id\":1}", 2),
        ("{\"method\":\"SUBSCRIBE\",\"params\":[7],\"id\":1}", 2),
        ("{\"method\":\"SUBSCRIBE\",\"params\":[\"usdcny@nothing\"],\"id\":1}", 2),
        ("{\"method\":\"SUBSCRIBE\",\"params\":[\"usdcny@trade\"],\"id\":1.5}", 2),
        ("{\"method\":\"SET_PROPERTY\",\"params\":[\"combined\",\"yes\"],\"id\":1}", 1),
        ("{\"method\":\"SET_PROPERTY\",\"params\":[\"colour\",true],\"id\":1}", 0),
    ] {
        stream.send_text(text).expect("sent");
        let reply = stream.read().expect("a reply");
        assert_eq!(reply["error"]["code"], code, "{text}: {reply}");
    }
    stream.send_text("{\"method\":\"LIST_SUBSCRIPTIONS\",\"id\":5}").expect("sent");
    assert_eq!(stream.read().expect("a reply"), json!({"result": [], "id": 5}));
}

#[test]
fn wrong_frames_end_their_own_connection_only() {
    let server = Server::start(&two_tenants());
    let url = server.url();
    let mut alice = Door::socket(&server, "acme", "alice");
    let mut streams = Session::connect(&format!("{}/t/acme/stream?streams=usdcny@bookTicker", server.ws_url()));
    let before = alice.state();
    let long = vec![b'x'; (64 << 10) + 1];
    let fragments = [raw::frame(0x01, &long[..40_000]), raw::frame(0x80, &long[..40_000])].concat();
    let cases: [(&str, Vec<u8>, u16); 11] = [
        ("too long", raw::frame(0x81, &long), 1009),
        ("much too long", raw::frame(0x81, &vec![b'x'; 5 << 20]), 1009),
        ("too long in fragments", fragments, 1009),
        ("a length beyond everything", [&[0x81, 0xFF][..], &[0xFF; 8], &[0; 4]].concat(), 1009),
        ("binary", raw::frame(0x82, b"\x00\x01\x02"), 1003),
        ("no UTF-8", raw::frame(0x81, b"{\"id\":\"\xFF\"}"), 1007),
        ("no mask", b"\x81\x02{}".to_vec(), 1002),
        ("reserved bits", raw::frame(0xF1, b"{}"), 1002),
        ("a continuation of nothing", raw::frame(0x80, b"{}"), 1002),
        ("a long ping", raw::frame(0x89, &[b'p'; 126]), 1002),
        ("an unknown opcode", raw::frame(0x83, b"{}"), 1003),
    ];
    for target in ["/t/acme/ws-api/v3", "/t/acme/ws/usdcny@trade"] {
        for (what, bytes, code) in &cases {
            let mut socket = RawSocket::connect(&url, target);
            socket.send_bytes(bytes);
            let told = socket.close_code();
            // Whoever is still sending when the connection ends may not hear why.
            let may_be_lost = bytes.len() > 64 << 10;
            assert!(told == Some(*code) || (may_be_lost && told.is_none()), "{target} {what}: {told:?}");
        }
        // A message of just the length that is allowed is read.
        let mut socket = RawSocket::connect(&url, target);
        assert!(socket.send(0x81, &long[1..]));
        let reply = socket.read_json().expect("a reply");
        assert!(reply["error"]["code"].is_i64(), "{reply}");
        // One that ends in the middle of a frame is forgotten.
        assert!(RawSocket::connect(&url, target).send_bytes(&raw::frame(0x81, b"{\"id\":1,\"method\":\"ping\"}")[..9]));
    }
    assert_eq!(alice.state(), before);
    still_serves(&mut alice);
    streams.wait_for("ticker", |message| message["stream"] == "usdcny@bookTicker");
}

const INSUFFICIENT: &str = "Account has insufficient balance for requested action.";
const WOULD_MATCH: &str = "Order would immediately match and take.";
const DUPLICATE: &str = "Duplicate order sent.";
const UNKNOWN: &str = "Unknown order sent.";
const NOT_CANCELED: &str = "Order was not canceled because the new order was refused.";
const NOT_THERE: &str = "Order does not exist.";
const RESTRICTED: &str = "Order was not canceled due to cancel restrictions.";
const NO_CHANGE: &str = "The requested action would change no state; rejecting.";

#[test]
fn every_rejection_has_its_code_and_changes_nothing_over_rest() {
    let server = Server::start(&two_tenants());
    rejections(&|user| Door::rest(&server, "acme", user));
}

#[test]
fn every_rejection_has_its_code_and_changes_nothing_over_the_socket() {
    let server = Server::start(&two_tenants());
    rejections(&|user| Door::socket(&server, "globex", user));
}

fn rejections(door: &dyn Fn(&str) -> Door) {
    let (mut alice, mut bob, mut poor) = (door("alice"), door("bob"), door("poor"));
    let sell = |changes: Value| {
        let mut sell = order(&json!({"side": "SELL", "price": "7", "quantity": "100"}));
        changed(&mut sell, &changes);
        sell
    };
    let by_market = json!({"type": "MARKET", "price": null, "timeInForce": null});
    let by_quote =
        json!({"type": "MARKET", "price": null, "timeInForce": null, "quantity": null, "quoteOrderQty": "100"});

    // An empty book.
    let no_liquidity = "Order book liquidity is less than symbol minimum quantity.";
    alice.refused("order.place", &order(&by_quote), -2010, no_liquidity);
    alice.refused("order.place", &sell(by_quote.clone()), -2010, no_liquidity);
    let expired = alice.ok("order.place", &order(&by_market));
    assert_eq!((&expired["status"], &expired["executedQty"]), (&json!("EXPIRED"), &json!("0.00000000")), "{expired}");
    alice.refused("openOrders.cancelAll", &json!({"symbol": "USDCNY"}), -2011, UNKNOWN);

    // Money that is not there.
    poor.refused("order.place", &order(&json!({})), -2010, INSUFFICIENT);
    poor.refused("order.place", &sell(json!({"quantity": "10.01"})), -2010, INSUFFICIENT);
    poor.refused("order.place", &order(&by_market), -2010, INSUFFICIENT);
    poor.refused("order.place", &order(&by_quote), -2010, INSUFFICIENT);
    let mut ioc = sell(json!({"timeInForce": "IOC"}));
    poor.refused("order.place", &ioc, -2010, INSUFFICIENT);
    ioc["timeInForce"] = json!("FOK");
    poor.refused("order.place", &ioc, -2010, INSUFFICIENT);

    // An order to fail against.
    let resting = alice.ok("order.place", &sell(json!({"newClientOrderId": "a1"})));
    let id = &resting["orderId"];
    alice.refused("order.place", &sell(json!({"newClientOrderId": "a1"})), -2010, DUPLICATE);
    bob.refused(
        "order.place",
        &order(&json!({"type": "LIMIT_MAKER", "timeInForce": null, "price": "7"})),
        -2010,
        WOULD_MATCH,
    );
    bob.refused(
        "order.place",
        &order(&json!({"type": "LIMIT_MAKER", "timeInForce": null, "price": "7.5"})),
        -2010,
        WOULD_MATCH,
    );

    // Another's order, and none.
    for target in [json!({"symbol": "USDCNY", "orderId": id}), json!({"symbol": "USDCNY", "origClientOrderId": "a1"})] {
        bob.refused("order.cancel", &target, -2011, UNKNOWN);
        bob.refused("order.status", &target, -2013, NOT_THERE);
    }
    for target in [
        json!({"symbol": "USDCNY", "orderId": 999_999}),
        json!({"symbol": "USDCNY", "orderId": "18446744073709551615"}),
        json!({"symbol": "USDCNY", "origClientOrderId": "nobody"}),
        json!({"symbol": "BTCUSD", "orderId": id}),
        json!({"symbol": "USDCNY", "orderId": id, "origClientOrderId": "nobody"}),
    ] {
        alice.refused("order.cancel", &target, -2011, UNKNOWN);
        alice.refused("order.status", &target, -2013, NOT_THERE);
    }

    // Amendments that are none.
    let amend = |changes: Value| {
        let mut amend = json!({"symbol": "USDCNY", "orderId": id, "newQty": "50"});
        changed(&mut amend, &changes);
        amend
    };
    for quantity in ["100", "100.01", "5000"] {
        alice.refused("order.amend.keepPriority", &amend(json!({"newQty": quantity})), -2038, NO_CHANGE);
    }
    alice.refused("order.amend.keepPriority", &amend(json!({"newQty": "50.001"})), -1013, "Filter failure: LOT_SIZE");
    alice.refused("order.amend.keepPriority", &amend(json!({"newQty": "-1"})), -1100, &illegal("newQty", DECIMAL));
    alice.refused("order.amend.keepPriority", &amend(json!({"orderId": 999})), -2013, NOT_THERE);
    bob.refused("order.amend.keepPriority", &amend(json!({})), -2013, NOT_THERE);
    let both = amend(json!({"origClientOrderId": "nobody"}));
    alice.refused("order.amend.keepPriority", &both, -2039, "Client order ID is not correct for this order ID.");

    // Cancel restrictions, before and after a fill.
    let cancel = |restriction: &str| json!({"symbol": "USDCNY", "orderId": id, "cancelRestrictions": restriction});
    alice.refused("order.cancel", &cancel("ONLY_PARTIALLY_FILLED"), -2011, RESTRICTED);
    bob.ok("order.place", &order(&json!({"price": "7", "quantity": "40"})));
    alice.refused("order.cancel", &cancel("ONLY_NEW"), -2011, RESTRICTED);
    for quantity in ["40", "0.01"] {
        alice.refused("order.amend.keepPriority", &amend(json!({"newQty": quantity})), -2038, NO_CHANGE);
    }

    replacements(&mut alice, &mut bob);

    // Done is done.
    alice.ok("order.cancel", &json!({"symbol": "USDCNY", "orderId": id}));
    alice.refused("order.cancel", &json!({"symbol": "USDCNY", "orderId": id}), -2011, UNKNOWN);
    alice.refused("order.amend.keepPriority", &amend(json!({})), -2013, NOT_THERE);
    alice.refused("order.place", &sell(json!({"newClientOrderId": "a1"})), -2010, DUPLICATE);
    let canceled = alice.ok("order.status", &json!({"symbol": "USDCNY", "orderId": id}));
    assert_eq!(
        (&canceled["status"], &canceled["executedQty"]),
        (&json!("CANCELED"), &json!("40.00000000")),
        "{canceled}"
    );
    for door in [&mut alice, &mut bob] {
        assert_eq!(door.state().0, json!([]));
        still_serves(door);
    }
}

/// Replacements that fail on one side or on both. Alice sells "a1" at 7, partially filled.
fn replacements(alice: &mut Door, bob: &mut Door) {
    let half = "Order cancel-replace partially failed.";
    let failed = "Order cancel-replace failed.";
    let unknown = json!({"code": -2011, "msg": UNKNOWN});
    let restricted = json!({"code": -2011, "msg": RESTRICTED});
    let would_match = json!({"code": -2010, "msg": WOULD_MATCH});
    let insufficient = json!({"code": -2010, "msg": INSUFFICIENT});
    let replace = |mode: &str, target: &str, changes: &Value| {
        let mut replace = order(&json!({
            "cancelReplaceMode": mode, "cancelOrigClientOrderId": target, "price": "6.9", "quantity": "10",
        }));
        changed(&mut replace, changes);
        replace
    };
    let taking = json!({"type": "LIMIT_MAKER", "timeInForce": null, "price": "7"});
    let method = "order.cancelReplace";

    // The cancel fails.
    let data = bob.refused(method, &replace("STOP_ON_FAILURE", "none", &json!({})), -2022, failed);
    let expected = json!({"cancelResult": "FAILURE", "newOrderResult": "NOT_ATTEMPTED", "cancelResponse": unknown, "newOrderResponse": null});
    assert_eq!(data, expected);
    let allowed = replace("ALLOW_FAILURE", "none", &json!({"newClientOrderId": "b1"}));
    let data = bob.refused_with(409, method, &allowed, -2021, half);
    let told = (
        &data["cancelResult"],
        &data["newOrderResult"],
        &data["cancelResponse"],
        &data["newOrderResponse"]["clientOrderId"],
    );
    assert_eq!(told, (&json!("FAILURE"), &json!("SUCCESS"), &unknown, &json!("b1")), "{data}");

    // The new order fails.
    let kept = json!({"code": -2011, "msg": NOT_CANCELED});
    let expected = json!({"cancelResult": "FAILURE", "newOrderResult": "FAILURE", "cancelResponse": kept, "newOrderResponse": insufficient});
    for (mode, target) in [("STOP_ON_FAILURE", "b1"), ("ALLOW_FAILURE", "b1"), ("ALLOW_FAILURE", "none")] {
        let data = bob.refused(method, &replace(mode, target, &json!({"quantity": "9000000"})), -2022, failed);
        assert_eq!(data, expected, "{mode} {target}: the old order is still there");
    }
    bob.refused(
        method,
        &replace("STOP_ON_FAILURE", "b1", &json!({"price": "0"})),
        -1013,
        "Filter failure: PRICE_FILTER",
    );
    bob.refused(
        method,
        &replace("ALLOW_FAILURE", "b1", &json!({"quantity": "0.01"})),
        -1013,
        "Filter failure: NOTIONAL",
    );
    for (mode, name) in [("STOP_ON_FAILURE", "b1"), ("ALLOW_FAILURE", "b2")] {
        if name == "b2" {
            bob.ok("order.place", &order(&json!({"newClientOrderId": "b2"})));
        }
        let data = bob.refused_with(409, method, &replace(mode, name, &taking), -2021, half);
        let told = (&data["cancelResult"], &data["newOrderResult"], &data["newOrderResponse"]);
        assert_eq!(told, (&json!("SUCCESS"), &json!("FAILURE"), &would_match), "{data}");
        assert_eq!(
            (&data["cancelResponse"]["status"], &data["cancelResponse"]["origClientOrderId"]),
            (&json!("CANCELED"), &json!(name))
        );
        assert_eq!(bob.state().0, json!([]));
    }

    // Both fail.
    let data = bob.refused(method, &replace("STOP_ON_FAILURE", "b1", &taking), -2022, failed);
    assert_eq!(
        (&data["cancelResult"], &data["newOrderResult"]),
        (&json!("FAILURE"), &json!("NOT_ATTEMPTED")),
        "{data}"
    );
    let data = bob.refused(method, &replace("ALLOW_FAILURE", "b1", &taking), -2022, failed);
    let expected = json!({"cancelResult": "FAILURE", "newOrderResult": "FAILURE", "cancelResponse": unknown, "newOrderResponse": would_match});
    assert_eq!(data, expected);

    // A restriction keeps the old order.
    let only_new = json!({"side": "SELL", "price": "7.5", "cancelRestrictions": "ONLY_NEW"});
    let data = alice.refused(method, &replace("STOP_ON_FAILURE", "a1", &only_new), -2022, failed);
    let expected = json!({"cancelResult": "FAILURE", "newOrderResult": "NOT_ATTEMPTED", "cancelResponse": restricted, "newOrderResponse": null});
    assert_eq!(data, expected);
}
