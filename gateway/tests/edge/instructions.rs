//! What orders may ask for beyond their type, over REST and the WebSocket API.

use serde_json::{Value, json};

use crate::support::{Door, Server, Socket, User, now_ms};

/// A limit order with changes.
fn limit(side: &str, price: &str, quantity: &str, changes: &Value) -> Value {
    let mut params = json!({"symbol": "USDCNY", "side": side, "type": "LIMIT", "timeInForce": "GTC", "price": price,
        "quantity": quantity, "newOrderRespType": "FULL"});
    for (name, value) in changes.as_object().expect("an object") {
        params[name] = value.clone();
    }
    params
}

fn status(door: &mut Door<'_>, placed: &Value) -> Value {
    door.ask("order.status", json!({"symbol": "USDCNY", "orderId": placed["orderId"]}))
}

fn take(user: &User<'_>, side: &str, price: &str, quantity: &str) -> Value {
    let query = format!("symbol=USDCNY&side={side}&type=LIMIT&timeInForce=IOC&price={price}&quantity={quantity}");
    user.signed("POST", "/api/v3/order", &query).body
}

fn place(user: &User<'_>, side: &str, price: &str, quantity: &str) -> Value {
    let query = format!("symbol=USDCNY&side={side}&type=LIMIT&timeInForce=GTC&price={price}&quantity={quantity}");
    user.signed("POST", "/api/v3/order", &query).body
}

fn rest(user: &User<'_>, side: &str, price: &str, quantity: &str) {
    let placed = place(user, side, price, quantity);
    assert_eq!(placed["status"], "NEW", "{placed}");
}

/// The levels of a side of the book, as price and quantity.
fn book(server: &Server, side: &str) -> Vec<(String, String)> {
    let depth = server.get("/t/acme/api/v3/depth?symbol=USDCNY").body;
    let text = |value: &Value| value.as_str().expect("a text").trim_end_matches('0').trim_end_matches('.').to_owned();
    depth[side].as_array().expect("levels").iter().map(|level| (text(&level[0]), text(&level[1]))).collect()
}

fn level(price: &str, quantity: &str) -> Vec<(String, String)> {
    vec![(price.to_owned(), quantity.to_owned())]
}

fn is_error(told: &Value, code: i64, msg: &str) {
    assert_eq!((told["code"].as_i64(), told["msg"].as_str()), (Some(code), Some(msg)), "{told}");
}

fn cancel_all(door: &mut Door<'_>) {
    door.ask("openOrders.cancelAll", json!({"symbol": "USDCNY"}));
}

#[test]
fn an_iceberg_shows_its_peak_and_no_more() {
    let server = Server::start();
    let bob = server.user("bob");
    for mut door in Door::both(&server, "alice") {
        let placed = door.ask("order.place", limit("SELL", "7.1", "100", &json!({"icebergQty": "30"})));
        assert_eq!((&placed["status"], &placed["icebergQty"]), (&json!("NEW"), &json!("30.00000000")), "{placed}");
        assert_eq!(book(&server, "asks"), level("7.1", "30"));
        assert_eq!(take(&bob, "BUY", "7.1", "30")["status"], "FILLED");
        assert_eq!(book(&server, "asks"), level("7.1", "30"));
        assert_eq!(take(&bob, "BUY", "7.1", "50")["status"], "FILLED");
        assert_eq!(book(&server, "asks"), level("7.1", "10"), "the last part is smaller");
        let found = status(&mut door, &placed);
        assert_eq!((&found["executedQty"], &found["icebergQty"]), (&json!("80.00000000"), &json!("30.00000000")));
        cancel_all(&mut door);
        for (kind, changes) in [
            ("LIMIT_MAKER", json!({})),
            ("STOP_LOSS_LIMIT", json!({"stopPrice": "9", "timeInForce": "GTC"})),
            ("LIMIT", json!({"timeInForce": "GTD", "goodTillDate": now_ms() + 60_000})),
        ] {
            let mut params = limit("BUY", "6", "10", &changes);
            params["type"] = json!(kind);
            params["icebergQty"] = json!("1");
            if kind == "LIMIT_MAKER" {
                params.as_object_mut().expect("an object").remove("timeInForce");
            }
            let placed = door.ask("order.place", params);
            assert_eq!((&placed["type"], &placed["icebergQty"]), (&json!(kind), &json!("1.00000000")), "{placed}");
        }
        cancel_all(&mut door);
        let mut refused = |changes| door.ask("order.place", limit("SELL", "7.1", "100", &changes));
        is_error(&refused(json!({"icebergQty": "0.5"})), -1013, "Filter failure: ICEBERG_PARTS");
        is_error(&refused(json!({"icebergQty": "0.001"})), -1013, "Filter failure: LOT_SIZE");
        is_error(&refused(json!({"icebergQty": "100.01"})), -1013, "IcebergQty exceeds QTY.");
        let none = "Parameter 'icebergQty' sent when not required.";
        is_error(&refused(json!({"icebergQty": "10", "timeInForce": "IOC"})), -1106, none);
        is_error(
            &refused(json!({"icebergQty": "10", "hidden": true})),
            -1128,
            "Combination of optional parameters invalid.",
        );
        let market = json!({"symbol": "USDCNY", "side": "SELL", "type": "MARKET", "quantity": "10", "icebergQty": "1"});
        is_error(&door.ask("order.place", market), -1106, none);
    }
}

#[test]
fn a_hidden_order_trades_behind_what_is_displayed() {
    let server = Server::start_durable();
    let bob = server.user("bob");
    for mut door in Door::both(&server, "alice") {
        let hidden = door.ask("order.place", limit("SELL", "7.1", "10", &json!({"hidden": true})));
        assert_eq!((&hidden["status"], &hidden["hidden"]), (&json!("NEW"), &json!(true)), "{hidden}");
        assert_eq!(book(&server, "asks"), []);
        let shown = door.ask("order.place", limit("SELL", "7.1", "5", &json!({"hidden": false})));
        assert_eq!(shown.get("hidden"), None);
        assert_eq!(take(&bob, "BUY", "7.1", "8")["status"], "FILLED");
        assert_eq!(status(&mut door, &shown)["status"], "FILLED");
        let found = status(&mut door, &hidden);
        assert_eq!((&found["executedQty"], &found["hidden"]), (&json!("3.00000000"), &json!(true)), "{found}");
        assert_eq!(book(&server, "asks"), []);
        cancel_all(&mut door);
        let refused =
            door.ask("order.place", limit("SELL", "7.1", "10", &json!({"hidden": true, "timeInForce": "FOK"})));
        is_error(&refused, -1106, "Parameter 'hidden' sent when not required.");
    }
}

#[test]
fn a_minimum_is_traded_or_nothing() {
    let server = Server::start_durable();
    let bob = server.user("bob");
    for mut door in Door::both(&server, "alice") {
        rest(&bob, "BUY", "7", "10");
        let whole = door.ask("order.place", limit("SELL", "7", "20", &json!({"allOrNone": true})));
        assert_eq!((&whole["status"], &whole["minQty"]), (&json!("NEW"), &json!("20.00000000")), "{whole}");
        assert_eq!(book(&server, "asks"), [], "it is not displayed");
        // The second one is met as soon as it is there, by the one that waits for both.
        assert_eq!(place(&bob, "BUY", "7", "10")["status"], "FILLED");
        assert_eq!(status(&mut door, &whole)["status"], "FILLED");
        rest(&bob, "BUY", "7", "10");
        let at_once = json!({"timeInForce": "IOC", "minQty": "11"});
        let lapsed = door.ask("order.place", limit("SELL", "7", "20", &at_once));
        assert_eq!((&lapsed["status"], &lapsed["executedQty"]), (&json!("EXPIRED"), &json!("0.00000000")), "{lapsed}");
        assert_eq!(lapsed["expiryReason"], "MINIMUM_QUANTITY_NOT_AVAILABLE");
        let enough = json!({"timeInForce": "IOC", "minQty": "10"});
        assert_eq!(door.ask("order.place", limit("SELL", "7", "20", &enough))["executedQty"], "10.00000000");
        let mut refused = |changes| door.ask("order.place", limit("SELL", "7", "20", &changes));
        let wrong = "Data sent for parameter 'minQty' is not valid.";
        is_error(&refused(json!({"minQty": "20.01"})), -1130, wrong);
        is_error(&refused(json!({"minQty": "0"})), -1130, wrong);
        is_error(
            &refused(json!({"minQty": "1", "allOrNone": true})),
            -1128,
            "Combination of optional parameters invalid.",
        );
        is_error(
            &refused(json!({"allOrNone": true, "timeInForce": "FOK"})),
            -1106,
            "Parameter 'allOrNone' sent when not required.",
        );
        is_error(&refused(json!({"minQty": "5", "icebergQty": "5"})), -1014, "Unsupported order combination.");
        let maker = json!({"symbol": "USDCNY", "side": "SELL", "type": "LIMIT_MAKER", "price": "8", "quantity": "10", "minQty": "5"});
        is_error(&door.ask("order.place", maker), -1106, "Parameter 'minQty' sent when not required.");
    }
}

#[test]
fn an_order_with_a_date_ends_on_it() {
    let server = Server::start_durable();
    for mut door in Door::both(&server, "alice") {
        let date = now_ms() + 700;
        let placed =
            door.ask("order.place", limit("BUY", "6.5", "10", &json!({"timeInForce": "GTD", "goodTillDate": date})));
        assert_eq!((&placed["status"], &placed["timeInForce"]), (&json!("NEW"), &json!("GTD")), "{placed}");
        assert_eq!(placed["goodTillDate"], date);
        let mut found = status(&mut door, &placed);
        assert_eq!((&found["status"], &found["goodTillDate"]), (&json!("NEW"), &json!(date)), "{found}");
        // Nobody has to do anything for it.
        while found["status"] == "NEW" {
            assert!(now_ms() < date + 10_000, "it should have ended: {found}");
            std::thread::sleep(std::time::Duration::from_millis(50));
            found = status(&mut door, &placed);
        }
        assert!(now_ms() >= date);
        assert_eq!((&found["status"], &found["timeInForce"]), (&json!("EXPIRED"), &json!("GTD")), "{found}");
        let micros = json!({"timeInForce": "GTD", "goodTillDate": (now_ms() + 60_000) * 1_000});
        assert_eq!(door.ask("order.place", limit("BUY", "6.5", "10", &micros))["status"], "NEW");
        let day = door.ask("order.place", limit("BUY", "6.5", "10", &json!({"timeInForce": "DAY"})));
        let midnight = (now_ms() / 86_400_000 + 1) * 86_400_000;
        assert_eq!((&day["timeInForce"], &day["goodTillDate"]), (&json!("DAY"), &json!(midnight)), "{day}");
        cancel_all(&mut door);
        let mut refused = |changes| door.ask("order.place", limit("BUY", "6.5", "10", &changes));
        let past = json!({"timeInForce": "GTD", "goodTillDate": now_ms() - 1});
        is_error(&refused(past), -1130, "Data sent for parameter 'goodTillDate' is not valid.");
        let missing = "Mandatory parameter 'goodTillDate' was not sent, was empty/null, or malformed.";
        is_error(&refused(json!({"timeInForce": "GTD"})), -1102, missing);
        let not_required = "Parameter 'goodTillDate' sent when not required.";
        for kind in ["GTC", "IOC", "DAY"] {
            let changes = json!({"timeInForce": kind, "goodTillDate": now_ms() + 60_000});
            is_error(&refused(changes), -1106, not_required);
        }
        is_error(&refused(json!({"timeInForce": "GTX"})), -1115, "Invalid timeInForce.");
    }
}

#[test]
fn a_post_only_order_slides_if_it_is_told_to() {
    let server = Server::start();
    let bob = server.user("bob");
    rest(&bob, "SELL", "7.1", "10");
    for mut door in Door::both(&server, "alice") {
        let maker = |mode: &str| {
            json!({"symbol": "USDCNY", "side": "BUY", "type": "LIMIT_MAKER", "price": "7.2", "quantity": "10",
                "postOnlyMode": mode, "newOrderRespType": "RESULT"})
        };
        is_error(&door.ask("order.place", maker("REJECT")), -2010, "Order would immediately match and take.");
        let slid = door.ask("order.place", maker("SLIDE"));
        assert_eq!((&slid["status"], &slid["type"]), (&json!("NEW"), &json!("LIMIT_MAKER")), "{slid}");
        assert_eq!((&slid["price"], &slid["postOnlyMode"]), (&json!("7.09990000"), &json!("SLIDE")), "{slid}");
        assert_eq!(book(&server, "bids"), level("7.0999", "10"));
        cancel_all(&mut door);
        is_error(
            &door.ask("order.place", maker("JUMP")),
            -1130,
            "Data sent for parameter 'postOnlyMode' is not valid.",
        );
        let limit = limit("BUY", "7", "10", &json!({"postOnlyMode": "SLIDE"}));
        is_error(&door.ask("order.place", limit), -1106, "Parameter 'postOnlyMode' sent when not required.");
    }
}

#[test]
fn a_pegged_order_follows_the_book() {
    let server = Server::start();
    let bob = server.user("bob");
    rest(&bob, "BUY", "7", "10");
    rest(&bob, "SELL", "7.2", "10");
    for mut door in Door::both(&server, "alice") {
        // In the middle, and nobody sees it.
        let middle = door.ask("order.place", limit("BUY", "7.15", "10", &json!({"pegPriceType": "MIDPOINT_PEG"})));
        assert_eq!((&middle["status"], &middle["pegPriceType"]), (&json!("NEW"), &json!("MIDPOINT_PEG")), "{middle}");
        assert_eq!(book(&server, "bids"), level("7", "10"));
        let sold = take(&bob, "SELL", "7.05", "4");
        assert_eq!((&sold["status"], &sold["fills"][0]["price"]), (&json!("FILLED"), &json!("7.10000000")), "{sold}");
        let offset = json!({"pegPriceType": "PRIMARY_PEG", "pegOffsetType": "TICKS", "pegOffsetValue": -100});
        let behind = door.ask("order.place", limit("BUY", "7.15", "10", &offset));
        assert_eq!((&behind["pegOffsetType"], &behind["pegOffsetValue"]), (&json!("TICKS"), &json!(-100)), "{behind}");
        assert_eq!(status(&mut door, &behind)["pegPriceType"], "PRIMARY_PEG");
        cancel_all(&mut door);
        let mut refused = |changes| door.ask("order.place", limit("BUY", "7.15", "10", &changes));
        let wrong = |name: &str| format!("Data sent for parameter '{name}' is not valid.");
        is_error(&refused(json!({"pegPriceType": "LAST_PEG"})), -1130, &wrong("pegPriceType"));
        let levels = json!({"pegPriceType": "MARKET_PEG", "pegOffsetType": "PRICE_LEVEL", "pegOffsetValue": 1});
        let told = refused(levels);
        is_error(&told, -1130, &wrong("pegOffsetType"));
        assert!(told["data"]["reason"].as_str().is_some_and(|reason| reason.contains("TICKS")), "{told}");
        is_error(
            &refused(json!({"pegPriceType": "MARKET_PEG", "pegOffsetValue": 1})),
            -1128,
            "Fields [pegOffsetType, pegOffsetValue] must be sent together or omitted entirely.",
        );
        is_error(&refused(json!({"pegOffsetValue": 1})), -1106, "Parameter 'pegOffsetValue' sent when not required.");
        is_error(
            &refused(json!({"pegPriceType": "MARKET_PEG", "timeInForce": "IOC"})),
            -1013,
            "This price peg cannot be used with this order type.",
        );
        let market =
            json!({"symbol": "USDCNY", "side": "BUY", "type": "MARKET", "quantity": "1", "pegPriceType": "MARKET_PEG"});
        is_error(&door.ask("order.place", market), -1013, "This order type may not use pegged price.");
        is_error(
            &door.ask("order.place", limit("BUY", "7", "10", &json!({"pegPriceType": "PRIMARY_PEG", "hidden": true}))),
            -1014,
            "Unsupported order combination.",
        );
    }
}

#[test]
fn a_trailing_order_may_trail_by_an_amount() {
    let server = Server::start();
    let bob = server.user("bob");
    let print = |price: &str| {
        rest(&bob, "SELL", price, "1");
        assert_eq!(take(&bob, "BUY", price, "1")["status"], "FILLED");
    };
    for mut door in Door::both(&server, "alice") {
        print("7");
        let params = json!({"symbol": "USDCNY", "side": "SELL", "type": "STOP_LOSS_LIMIT", "timeInForce": "GTC",
            "quantity": "10", "price": "6.5", "trailingAmount": "0.05", "newOrderRespType": "RESULT"});
        let placed = door.ask("order.place", params.clone());
        assert_eq!((&placed["trailingAmount"], placed.get("trailingDelta")), (&json!("0.05000000"), None), "{placed}");
        print("7.1");
        print("7.0501");
        assert_eq!(status(&mut door, &placed)["isWorking"], false);
        print("7.05");
        let found = status(&mut door, &placed);
        assert_eq!((&found["isWorking"], &found["trailingAmount"]), (&json!(true), &json!("0.05000000")), "{found}");
        cancel_all(&mut door);
        let mut both = params;
        both["trailingDelta"] = json!(100);
        is_error(&door.ask("order.place", both), -1128, "Combination of optional parameters invalid.");
    }
}

#[test]
fn a_market_order_slips_no_further_than_it_may() {
    let server = Server::start();
    let bob = server.user("bob");
    for mut door in Door::both(&server, "alice") {
        rest(&bob, "SELL", "7", "10");
        rest(&bob, "SELL", "7.5", "10");
        let market = |slippage: u64| json!({"symbol": "USDCNY", "side": "BUY", "type": "MARKET", "quantity": "15", "maxSlippage": slippage});
        let filled = door.ask("order.place", market(100));
        assert_eq!((&filled["status"], &filled["executedQty"]), (&json!("EXPIRED"), &json!("10.00000000")), "{filled}");
        assert_eq!((&filled["expiryReason"], &filled["maxSlippage"]), (&json!("INSUFFICIENT_LIQUIDITY"), &json!(100)));
        bob.signed("DELETE", "/api/v3/openOrders", "symbol=USDCNY");
        for slippage in [0, 10_000] {
            let wrong = "Data sent for parameter 'maxSlippage' is not valid.";
            is_error(&door.ask("order.place", market(slippage)), -1130, wrong);
        }
        let limit = limit("BUY", "7", "10", &json!({"maxSlippage": 5}));
        is_error(&door.ask("order.place", limit), -1106, "Parameter 'maxSlippage' sent when not required.");
    }
}

#[test]
fn a_strategy_is_told_with_its_orders() {
    let server = Server::start();
    for mut door in Door::both(&server, "alice") {
        let strategy = json!({"strategyId": 37_463_720, "strategyType": 1_000_000});
        let placed = door.ask("order.place", limit("BUY", "6.9", "10", &strategy));
        assert_eq!((&placed["strategyId"], placed.get("strategyType")), (&json!(37_463_720), None), "{placed}");
        assert_eq!(status(&mut door, &placed)["strategyId"], 37_463_720);
        let replaced = json!({"cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrderId": placed["orderId"], "strategyId": 5,
            "icebergQty": "5", "timeInForce": "DAY"});
        let replaced = door.ask("order.cancelReplace", limit("BUY", "6.8", "10", &replaced));
        assert_eq!(replaced["cancelResponse"]["strategyId"], 37_463_720, "{replaced}");
        let new = &replaced["newOrderResponse"];
        assert_eq!(
            (&new["strategyId"], &new["icebergQty"], &new["timeInForce"]),
            (&json!(5), &json!("5.00000000"), &json!("DAY")),
            "{new}"
        );
        let amended = json!({"symbol": "USDCNY", "orderId": new["orderId"], "newQty": "8"});
        let amended = &door.ask("order.amend.keepPriority", amended)["amendedOrder"];
        assert_eq!(
            (&amended["qty"], &amended["icebergQty"]),
            (&json!("8.00000000"), &json!("5.00000000")),
            "{amended}"
        );
        cancel_all(&mut door);
        let small = limit("BUY", "6.9", "10", &json!({"strategyType": 999_999}));
        is_error(&door.ask("order.place", small), -1134, "strategyType was less than 1000000.");
        let zero = limit("BUY", "6.9", "10", &json!({"strategyId": 0}));
        is_error(&door.ask("order.place", zero), -1130, "Data sent for parameter 'strategyId' is not valid.");
        let tested = door.ask("order.test", limit("BUY", "6.9", "10", &json!({"hidden": true, "minQty": "3"})));
        assert_eq!(tested, json!({}));
    }
}

#[test]
fn the_owner_hears_what_was_asked_for_and_when_it_ended() {
    let server = Server::start();
    let alice = server.user("alice");
    let mut socket = Socket::open(&server, "/ws-api/v3?returnRateLimits=false");
    socket.call("userDataStream.subscribe.signature", alice.socket_params(json!({})));
    let date = now_ms() + 500;
    let dated = json!({"timeInForce": "GTD", "goodTillDate": date, "icebergQty": "4", "strategyId": 9});
    socket.call("order.place", alice.socket_params(limit("BUY", "6.5", "10", &dated)));
    let placed = socket.event();
    for (name, value) in [
        ("x", json!("NEW")),
        ("f", json!("GTD")),
        ("F", json!("4.00000000")),
        ("j", json!(9)),
        ("g", json!(-1)),
        ("goodTillDate", json!(date)),
    ] {
        assert_eq!(placed[name], value, "{placed}");
    }
    assert_eq!(socket.event()["e"], "outboundAccountPosition");
    let ended = socket.event();
    assert_eq!((&ended["x"], &ended["X"]), (&json!("EXPIRED"), &json!("EXPIRED")), "{ended}");
    assert_eq!((&ended["eR"], &ended["i"]), (&json!("GOOD_TILL_DATE_REACHED"), &placed["i"]), "{ended}");
    assert!(now_ms() >= date);
    let position = socket.event();
    assert!(position["B"].as_array().is_some_and(|all| all.iter().all(|one| one["l"] == "0.00000000")), "{position}");

    let pegged = json!({"pegPriceType": "PRIMARY_PEG", "pegOffsetType": "TICKS", "pegOffsetValue": -3, "minQty": "2"});
    socket.call("order.place", alice.socket_params(limit("SELL", "7.5", "10", &pegged)));
    let placed = socket.event();
    for (name, value) in [
        ("gP", json!("PRIMARY_PEG")),
        ("gOT", json!("TICKS")),
        ("gOV", json!(-3)),
        ("minQty", json!("2.00000000")),
        ("F", json!("0.00000000")),
    ] {
        assert_eq!(placed[name], value, "{placed}");
    }
    assert_eq!((placed.get("postOnlyMode"), placed.get("maxSlippage")), (None, None), "{placed}");
    socket.event();

    let sliding = json!({"type": "LIMIT_MAKER", "timeInForce": null, "postOnlyMode": "SLIDE"});
    let slipping =
        json!({"type": "STOP_LOSS", "timeInForce": null, "price": null, "stopPrice": "6", "maxSlippage": 25});
    for (changes, name, value) in [(sliding, "postOnlyMode", json!("SLIDE")), (slipping, "maxSlippage", json!(25))] {
        let mut params = limit("SELL", "7.5", "10", &changes);
        params.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
        socket.call("order.place", alice.socket_params(params));
        let placed = socket.event();
        assert_eq!((&placed["x"], &placed[name]), (&json!("NEW"), &value), "{placed}");
        socket.event();
    }
}
