//! Lists of orders, from the request to the last event, over REST and the WebSocket API.

use serde_json::{Value, json};

use crate::support::{Door, Server, Socket, User};

/// Makes the market trade at a price.
fn print(user: &User<'_>, price: &str) {
    for (side, kind) in [("SELL", "GTC"), ("BUY", "IOC")] {
        let query = format!("symbol=USDCNY&side={side}&type=LIMIT&timeInForce={kind}&price={price}&quantity=1");
        let told = user.signed("POST", "/api/v3/order", &query);
        assert_eq!(told.status, 200, "{told:?}");
    }
}

fn with(mut params: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().expect("an object") {
        match value {
            Value::Null => drop(params.as_object_mut().expect("an object").remove(name)),
            value => params[name] = value.clone(),
        }
    }
    params
}

/// To sell ten at 7.5, or below 6.5 if the price falls to 6.6.
fn oco(changes: &Value) -> Value {
    let params = json!({"symbol": "USDCNY", "side": "SELL", "quantity": "10", "aboveType": "LIMIT_MAKER",
        "abovePrice": "7.5", "belowType": "STOP_LOSS_LIMIT", "belowStopPrice": "6.6", "belowPrice": "6.5",
        "belowTimeInForce": "GTC"});
    with(params, changes)
}

/// To buy ten at 6.9, and then to sell them at 7.2.
fn oto(changes: &Value) -> Value {
    let params = json!({"symbol": "USDCNY", "workingType": "LIMIT", "workingSide": "BUY", "workingPrice": "6.9",
        "workingQuantity": "10", "workingTimeInForce": "GTC", "pendingType": "LIMIT", "pendingSide": "SELL",
        "pendingPrice": "7.2", "pendingQuantity": "10", "pendingTimeInForce": "GTC"});
    with(params, changes)
}

fn otoco(changes: &Value) -> Value {
    let params = json!({"symbol": "USDCNY", "workingType": "LIMIT", "workingSide": "BUY", "workingPrice": "6.9",
        "workingQuantity": "10", "workingTimeInForce": "GTC", "pendingSide": "SELL", "pendingQuantity": "10",
        "pendingAboveType": "LIMIT_MAKER", "pendingAbovePrice": "7.5", "pendingBelowType": "STOP_LOSS",
        "pendingBelowStopPrice": "6.6"});
    with(params, changes)
}

fn order(door: &mut Door<'_>, id: &Value) -> Value {
    door.ask("order.status", json!({"symbol": "USDCNY", "orderId": id}))
}

/// The statuses of the orders of a list, in their order.
fn statuses(door: &mut Door<'_>, list: &Value) -> Vec<String> {
    let orders = list["orders"].as_array().expect("orders").clone();
    orders.iter().map(|one| order(door, &one["orderId"])["status"].as_str().expect("a status").to_owned()).collect()
}

fn take(user: &User<'_>, side: &str, price: &str, quantity: &str) {
    let query = format!("symbol=USDCNY&side={side}&type=LIMIT&timeInForce=IOC&price={price}&quantity={quantity}");
    assert_eq!(user.signed("POST", "/api/v3/order", &query).body["status"], "FILLED");
}

fn is_error(told: &Value, code: i64, msg: &str) {
    assert_eq!((told["code"].as_i64(), told["msg"].as_str()), (Some(code), Some(msg)), "{told}");
}

#[test]
fn one_cancels_the_other() {
    let server = Server::start_durable();
    let bob = server.user("bob");
    for (mut door, name) in Door::both(&server, "alice").into_iter().zip(["rest", "socket"]) {
        print(&bob, "7");
        let named =
            json!({"listClientOrderId": name, "aboveClientOrderId": format!("{name}-above"), "aboveIcebergQty": "5"});
        let list = door.ask("orderList.place.oco", oco(&named));
        for (field, value) in [
            ("contingencyType", "OCO"),
            ("listStatusType", "EXEC_STARTED"),
            ("listOrderStatus", "EXECUTING"),
            ("listClientOrderId", name),
            ("symbol", "USDCNY"),
        ] {
            assert_eq!(list[field], value, "{list}");
        }
        let reports = list["orderReports"].as_array().expect("reports");
        assert_eq!(
            (&reports[0]["type"], &reports[0]["price"]),
            (&json!("LIMIT_MAKER"), &json!("7.50000000")),
            "{list}"
        );
        assert_eq!(
            (&reports[0]["icebergQty"], &reports[0]["orderListId"]),
            (&json!("5.00000000"), &list["orderListId"])
        );
        assert_eq!((&reports[1]["type"], &reports[1]["stopPrice"]), (&json!("STOP_LOSS_LIMIT"), &json!("6.60000000")));
        assert_eq!((&reports[1]["workingTime"], &reports[1]["status"]), (&json!(-1), &json!("NEW")), "{list}");
        assert_eq!(list["orders"][0]["clientOrderId"], format!("{name}-above"));
        let account = door_user(&server).signed("GET", "/api/v3/account", "").body;
        let usd = account["balances"].as_array().and_then(|all| all.iter().find(|one| one["asset"] == "USD")).cloned();
        assert_eq!(usd.map(|usd| usd["locked"].clone()), Some(json!("10.00000000")), "both hold as much as one");

        let found = door.ask("orderList.status", json!({"origClientOrderId": name}));
        assert_eq!((&found["orders"], &found["listOrderStatus"]), (&list["orders"], &json!("EXECUTING")), "{found}");
        let open = door.ask("openOrderLists.status", json!({}));
        assert_eq!(open, json!([found]));
        is_error(
            &door.ask("orderList.place.oco", oco(&json!({"listClientOrderId": name}))),
            -2010,
            "Duplicate order list sent.",
        );

        // The price falls: the stop works, and the limit is gone.
        print(&bob, "6.6");
        assert_eq!(statuses(&mut door, &list), ["EXPIRED", "NEW"]);
        assert_eq!(order(&mut door, &list["orders"][1]["orderId"])["isWorking"], true);
        take(&bob, "BUY", "6.5", "10");
        assert_eq!(statuses(&mut door, &list), ["EXPIRED", "FILLED"]);
        let done = door.ask("orderList.status", json!({"orderListId": list["orderListId"]}));
        assert_eq!(
            (&done["listStatusType"], &done["listOrderStatus"]),
            (&json!("ALL_DONE"), &json!("ALL_DONE")),
            "{done}"
        );

        // The price rises: the limit is met, and the stop is gone.
        print(&bob, "7");
        let list = door.ask("orderList.place.oco", oco(&json!({"newOrderRespType": "ACK"})));
        assert_eq!(list["orderReports"][0].get("status"), None, "{list}");
        take(&bob, "BUY", "7.5", "4");
        assert_eq!(statuses(&mut door, &list), ["PARTIALLY_FILLED", "EXPIRED"]);
        take(&bob, "BUY", "7.5", "6");
        assert_eq!(statuses(&mut door, &list), ["FILLED", "EXPIRED"]);
        let all = door.ask("allOrderLists", json!({}));
        let all = all.as_array().expect("lists");
        assert!(all.len() >= 2 && all.iter().all(|list| list["listOrderStatus"] == "ALL_DONE"), "{all:?}");
        let by_id = door.ask("allOrderLists", json!({"fromId": list["orderListId"], "limit": 1}));
        assert_eq!(by_id[0]["orderListId"], list["orderListId"], "{by_id}");
    }
}

fn door_user(server: &Server) -> User<'_> {
    server.user("alice")
}

#[test]
fn an_order_of_a_list_takes_the_others_along() {
    let server = Server::start_durable();
    let bob = server.user("bob");
    print(&bob, "7");
    for mut door in Door::both(&server, "alice") {
        let list = door.ask("orderList.place.oco", oco(&json!({})));
        let params = json!({"symbol": "USDCNY", "orderListId": list["orderListId"], "newClientOrderId": "away"});
        let canceled = door.ask("orderList.cancel", params);
        assert_eq!(
            (&canceled["listStatusType"], &canceled["listOrderStatus"]),
            (&json!("ALL_DONE"), &json!("ALL_DONE"))
        );
        assert_eq!(
            (&canceled["orders"], &canceled["listClientOrderId"]),
            (&list["orders"], &list["listClientOrderId"])
        );
        let reports = canceled["orderReports"].as_array().expect("reports");
        assert_eq!(reports.len(), 2, "{canceled}");
        assert!(reports.iter().all(|report| report["status"] == "CANCELED" && report["clientOrderId"] == "away"));
        assert_eq!(statuses(&mut door, &list), ["CANCELED", "CANCELED"]);

        // By one of its orders, and by its name.
        let list = door.ask("orderList.place.oto", oto(&json!({"listClientOrderId": "named"})));
        let one = json!({"symbol": "USDCNY", "orderId": list["orders"][0]["orderId"]});
        assert_eq!(door.ask("order.cancel", one)["orderListId"], list["orderListId"]);
        assert_eq!(statuses(&mut door, &list), ["CANCELED", "CANCELED"]);
        let list = door.ask("orderList.place.oto", oto(&json!({"listClientOrderId": "named"})));
        let named = json!({"symbol": "USDCNY", "listClientOrderId": "named"});
        assert_eq!(door.ask("orderList.cancel", named.clone())["orderListId"], list["orderListId"]);
        is_error(&door.ask("orderList.cancel", named), -2011, "Unknown order list sent.");
        is_error(
            &door.ask("orderList.cancel", json!({"symbol": "USDCNY"})),
            -1102,
            "Param 'orderListId' or 'listClientOrderId' must be sent, but both were empty/null!",
        );
        is_error(&door.ask("orderList.status", json!({"orderListId": 999})), -2018, "Order list does not exist.");
    }
}

#[test]
fn one_triggers_the_other() {
    let server = Server::start_durable();
    let bob = server.user("bob");
    for mut door in Door::both(&server, "alice") {
        let list = door.ask("orderList.place.oto", oto(&json!({})));
        assert_eq!(
            (&list["contingencyType"], &list["listOrderStatus"]),
            (&json!("OTO"), &json!("EXECUTING")),
            "{list}"
        );
        assert_eq!(list["orderReports"][1]["status"], "PENDING_NEW", "{list}");
        assert_eq!(statuses(&mut door, &list), ["NEW", "PENDING_NEW"]);
        let pending = json!({"symbol": "USDCNY", "orderId": list["orders"][1]["orderId"], "newQty": "9"});
        let amended = door.ask("order.amend.keepPriority", pending);
        assert_eq!(
            (&amended["amendedOrder"]["status"], &amended["amendedOrder"]["qty"]),
            (&json!("PENDING_NEW"), &json!("9.00000000"))
        );
        assert_eq!(
            (&amended["listStatus"]["orders"], &amended["listStatus"]["contingencyType"]),
            (&list["orders"], &json!("OTO"))
        );
        let pending = order(&mut door, &list["orders"][1]["orderId"]);
        assert_eq!((&pending["isWorking"], &pending["workingTime"]), (&json!(false), &json!(-1)), "{pending}");
        take(&bob, "SELL", "6.9", "4");
        assert_eq!(statuses(&mut door, &list), ["PARTIALLY_FILLED", "PENDING_NEW"]);
        take(&bob, "SELL", "6.9", "6");
        assert_eq!(statuses(&mut door, &list), ["FILLED", "NEW"]);
        take(&bob, "BUY", "7.2", "9");
        assert_eq!(statuses(&mut door, &list), ["FILLED", "FILLED"]);

        print(&bob, "7");
        let list = door.ask("orderList.place.otoco", otoco(&json!({})));
        assert_eq!(list["contingencyType"], "OTO", "{list}");
        assert_eq!(statuses(&mut door, &list), ["NEW", "PENDING_NEW", "PENDING_NEW"]);
        take(&bob, "SELL", "6.9", "10");
        assert_eq!(statuses(&mut door, &list), ["FILLED", "NEW", "NEW"]);
        take(&bob, "BUY", "7.5", "10");
        assert_eq!(statuses(&mut door, &list), ["FILLED", "FILLED", "EXPIRED"]);
    }
}

#[test]
fn the_old_names_make_the_same_list() {
    let server = Server::start();
    let bob = server.user("bob");
    print(&bob, "7");
    for (mut door, name) in Door::both(&server, "alice").into_iter().zip(["up", "above"]) {
        let sell = json!({"symbol": "USDCNY", "side": "SELL", "quantity": "10", "price": "7.5", "stopPrice": "6.6",
            "stopLimitPrice": "6.5", "stopLimitTimeInForce": "GTC", "limitClientOrderId": name, "stopIcebergQty": "5"});
        let list = door.ask("orderList.place", sell.clone());
        let reports = list["orderReports"].as_array().unwrap_or_else(|| panic!("{list}"));
        assert_eq!((&reports[0]["type"], &reports[0]["clientOrderId"]), (&json!("LIMIT_MAKER"), &json!(name)));
        assert_eq!((&reports[1]["type"], &reports[1]["icebergQty"]), (&json!("STOP_LOSS_LIMIT"), &json!("5.00000000")));
        door.ask("openOrders.cancelAll", json!({"symbol": "USDCNY"}));
        let buy = json!({"symbol": "USDCNY", "side": "BUY", "quantity": "10", "price": "6.5", "stopPrice": "7.4"});
        let list = door.ask("orderList.place", buy.clone());
        assert_eq!(list["orderReports"][1]["type"], "STOP_LOSS", "{list}");
        door.ask("openOrders.cancelAll", json!({"symbol": "USDCNY"}));
        let relation = "The relationship of the prices for the orders is not correct.";
        is_error(&door.ask("orderList.place", with(buy, &json!({"price": "7.5"}))), -2010, relation);
        let sell = with(sell, &json!({"limitClientOrderId": null}));
        is_error(&door.ask("orderList.place", with(sell.clone(), &json!({"price": "6.6"}))), -2010, relation);
        let missing = "Mandatory parameter 'stopPrice' was not sent, was empty/null, or malformed.";
        is_error(&door.ask("orderList.place", with(sell.clone(), &json!({"stopPrice": null}))), -1102, missing);
        let missing = "Mandatory parameter 'stopLimitTimeInForce' was not sent, was empty/null, or malformed.";
        is_error(&door.ask("orderList.place", with(sell, &json!({"stopLimitTimeInForce": null}))), -1102, missing);
    }
}

#[test]
fn what_makes_no_list_is_refused_in_the_words_of_the_dialect() {
    let server = Server::start();
    let bob = server.user("bob");
    print(&bob, "7");
    for mut door in Door::both(&server, "alice") {
        let buy = json!({"side": "BUY", "aboveType": "STOP_LOSS", "abovePrice": null, "aboveStopPrice": "7.5",
            "belowType": "LIMIT_MAKER", "belowStopPrice": null, "belowTimeInForce": null});
        for (changes, code, msg) in [
            (
                json!({"aboveType": null}),
                -1102,
                "Mandatory parameter 'aboveType' was not sent, was empty/null, or malformed.",
            ),
            (
                json!({"abovePrice": null}),
                -1102,
                "Mandatory parameter 'abovePrice' was not sent, was empty/null, or malformed.",
            ),
            (
                json!({"belowStopPrice": null}),
                -1102,
                "Param 'belowStopPrice' or 'belowTrailingDelta' must be sent, but both were empty/null!",
            ),
            (json!({"aboveType": "LIMIT"}), -1158, "Order type not supported in OCO."),
            (json!({"aboveType": "BEST"}), -1116, "Invalid orderType."),
            (
                json!({"aboveType": "STOP_LOSS", "abovePrice": null}),
                -1197,
                "A stop loss order in a sell OCO must be below.",
            ),
            (json!({"belowType": "TAKE_PROFIT_LIMIT"}), -1199, "A take profit order in a sell OCO must be above."),
            (json!({"belowType": "LIMIT_MAKER"}), -1166, "A limit order in a sell OCO must be above."),
            (
                with(buy.clone(), &json!({"aboveType": "LIMIT_MAKER"})),
                -1165,
                "A limit order in a buy OCO must be below.",
            ),
            (
                with(buy.clone(), &json!({"belowType": "STOP_LOSS"})),
                -1196,
                "A stop loss order in a buy OCO must be above.",
            ),
            (with(buy, &json!({"aboveType": "TAKE_PROFIT"})), -1198, "A take profit order in a buy OCO must be below."),
            (
                json!({"belowTimeInForce": "IOC", "belowIcebergQty": "5"}),
                -1160,
                "Parameter 'belowIcebergQty' is not supported if 'belowTimeInForce' is not GTC.",
            ),
            (json!({"abovePrice": "6.6"}), -2010, "The relationship of the prices for the orders is not correct."),
            (json!({"quantity": "0.001"}), -1013, "Filter failure: LOT_SIZE"),
            (json!({"price": "7"}), -1104, "Not all sent parameters were read;"),
            (json!({"belowStopPrice": "7.1"}), -2010, "Stop price would trigger immediately."),
            (json!({"quantity": "200000"}), -2010, "Account has insufficient balance for requested action."),
        ] {
            let told = door.ask("orderList.place.oco", oco(&changes));
            let text = told["msg"].as_str().unwrap_or_default();
            assert!(told["code"] == code && text.starts_with(msg), "{changes}: {told}");
        }
        for (changes, code) in [
            (json!({"workingType": "MARKET"}), -1116),
            (json!({"workingTimeInForce": "IOC"}), -1014),
            (json!({"workingPrice": null}), -1102),
            (json!({"pendingQuantity": null}), -1102),
            (json!({"pendingTimeInForce": "GTD"}), -1102),
            (json!({"pendingTimeInForce": "GTD", "pendingGoodTillDate": 1}), -1130),
            (json!({"pendingType": "LIMIT_MAKER"}), 0),
        ] {
            let told = door.ask("orderList.place.oto", oto(&changes));
            assert_eq!(told["code"].as_i64().unwrap_or(0), code, "{changes}: {told}");
            let names_leg = told["msg"].as_str().is_none_or(|text| !text.contains("'goodTillDate'"));
            assert!(names_leg, "the parameter has the name that it was sent with: {told}");
        }
        let open = door.ask("openOrders.status", json!({}));
        assert_eq!(open.as_array().map(Vec::len), Some(2), "nothing but the last: {open}");
        door.ask("openOrders.cancelAll", json!({}));
    }
}

#[test]
fn the_owner_hears_how_his_list_stands() {
    let server = Server::start();
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    print(&bob, "7");
    let mut socket = Socket::open(&server, "/ws-api/v3?returnRateLimits=false");
    socket.call("userDataStream.subscribe.signature", alice.socket_params(json!({})));
    let placed =
        socket.call("orderList.place.otoco", alice.socket_params(otoco(&json!({"listClientOrderId": "mine"}))));
    let list = &placed["result"];
    let mut kinds = |count: usize| -> Vec<Value> { (0..count).map(|_| socket.event()).collect() };
    let news = kinds(5);
    for (event, status) in news.iter().zip(["NEW", "PENDING_NEW", "PENDING_NEW"]) {
        assert_eq!((&event["e"], &event["x"], &event["X"]), (&json!("executionReport"), &json!("NEW"), &json!(status)));
        assert_eq!(event["g"], list["orderListId"], "{event}");
        assert_eq!(event["w"], status == "NEW", "{event}");
    }
    let status = &news[3];
    for (name, value) in [
        ("e", "listStatus"),
        ("s", "USDCNY"),
        ("c", "OTO"),
        ("l", "EXEC_STARTED"),
        ("L", "EXECUTING"),
        ("r", "NONE"),
        ("C", "mine"),
    ] {
        assert_eq!(status[name], value, "{status}");
    }
    assert_eq!(status["g"], list["orderListId"]);
    assert_eq!(status["O"].as_array().map(Vec::len), Some(3));
    assert_eq!((&status["O"][1]["s"], &status["O"][1]["i"]), (&json!("USDCNY"), &list["orders"][1]["orderId"]));
    assert_eq!(news[4]["e"], "outboundAccountPosition");

    take(&bob, "SELL", "6.9", "10");
    let news = kinds(5);
    let told: Vec<(&str, &str)> =
        news.iter().map(|event| (event["e"].as_str().unwrap_or(""), event["x"].as_str().unwrap_or(""))).collect();
    let report = "executionReport";
    assert_eq!(
        told,
        [(report, "TRADE"), (report, "NEW"), (report, "NEW"), ("listStatus", ""), ("outboundAccountPosition", "")]
    );
    assert_eq!((&news[1]["w"], &news[2]["w"]), (&json!(true), &json!(false)), "the stop waits for its price");

    take(&bob, "BUY", "7.5", "10");
    let news = kinds(4);
    assert_eq!((&news[0]["x"], &news[0]["eR"]), (&json!("EXPIRED"), &json!("OCO_TRIGGER")), "{}", news[0]);
    assert_eq!((&news[1]["x"], &news[1]["X"]), (&json!("TRADE"), &json!("FILLED")), "{}", news[1]);
    assert_eq!((&news[2]["l"], &news[2]["L"]), (&json!("ALL_DONE"), &json!("ALL_DONE")), "{}", news[2]);
    assert_eq!(news[2]["O"].as_array().map(Vec::len), Some(3));
}
