//! Orders that meet their own account, in every mode, over REST and the WebSocket API.

use serde_json::{Value, json};

use crate::support::{Door, Server, Socket};

fn order(side: &str, quantity: &str, price: &str, mode: &str) -> Value {
    json!({"symbol": "USDCNY", "side": side, "type": "LIMIT", "timeInForce": "GTC", "quantity": quantity,
        "price": price, "selfTradePreventionMode": mode})
}

/// Status, what was executed, and what was lost.
fn stands(told: &Value) -> [&str; 3] {
    ["status", "executedQty", "preventedQuantity"].map(|name| told[name].as_str().unwrap_or(""))
}

const NEW: &str = "NEW";
const ENDED: &str = "EXPIRED_IN_MATCH";
const ZERO: &str = "0.00000000";
const FIVE: &str = "5.00000000";
const EIGHT: &str = "8.00000000";

#[test]
fn the_mode_of_the_taker_decides() {
    let server = Server::start_durable();
    for mut door in Door::both(&server, "alice") {
        for (mode, of_maker, of_taker, matches) in [
            ("NONE", ["FILLED", FIVE, ""], ["PARTIALLY_FILLED", FIVE, ""], None),
            ("EXPIRE_TAKER", [NEW, ZERO, ""], [ENDED, ZERO, EIGHT], None),
            (
                "EXPIRE_MAKER",
                [ENDED, ZERO, FIVE],
                [NEW, ZERO, ""],
                Some(json!({"price": "7.10000000", "makerPreventedQuantity": FIVE})),
            ),
            (
                "EXPIRE_BOTH",
                [ENDED, ZERO, FIVE],
                [ENDED, ZERO, EIGHT],
                Some(json!({"price": "7.10000000", "takerPreventedQuantity": EIGHT, "makerPreventedQuantity": FIVE})),
            ),
            (
                "DECREMENT",
                [ENDED, ZERO, FIVE],
                [NEW, ZERO, FIVE],
                Some(json!({"price": "7.10000000", "takerPreventedQuantity": FIVE, "makerPreventedQuantity": FIVE})),
            ),
        ] {
            // The maker's own mode is not asked.
            let maker = door.ask("order.place", order("SELL", "5", "7.1", "EXPIRE_BOTH"));
            assert_eq!((&maker["status"], &maker["selfTradePreventionMode"]), (&json!(NEW), &json!("EXPIRE_BOTH")));
            let taker = door.ask("order.place", order("BUY", "8", "7.2", mode));
            assert_eq!((stands(&taker), &taker["selfTradePreventionMode"]), (of_taker, &json!(mode)), "{taker}");
            let told = taker.get("preventedMatches").cloned();
            let expected = matches.map(|mut one| {
                one["makerOrderId"] = maker["orderId"].clone();
                json!([one])
            });
            assert_eq!(told, expected, "{mode}");
            for (placed, expected) in [(&maker, of_maker), (&taker, of_taker)] {
                let found = door.ask("order.status", json!({"symbol": "USDCNY", "orderId": placed["orderId"]}));
                assert_eq!(stands(&found), expected, "{mode}: {found}");
                assert_eq!(found["isWorking"], true);
            }
            door.ask("openOrders.cancelAll", json!({"symbol": "USDCNY"}));
        }
    }
    let alice = server.user("alice");
    // What has lost a part and was then canceled was canceled, and all of it is free again.
    let orders = alice.signed("GET", "/api/v3/allOrders", "symbol=USDCNY").body;
    let canceled = orders
        .as_array()
        .expect("an array")
        .iter()
        .find(|order| order["preventedQuantity"] == FIVE && order["side"] == "BUY");
    assert_eq!(canceled.map(|order| &order["status"]), Some(&json!("CANCELED")));
    let account = alice.signed("GET", "/api/v3/account", "").body;
    assert!(account["balances"].as_array().expect("an array").iter().all(|one| one["locked"] == ZERO), "{account}");
    alice.signed("GET", "/api/v3/myPreventedMatches", "symbol=USDCNY").is_error(
        400,
        -1020,
        "This operation is not supported.",
    );
}

#[test]
fn no_page_of_trades_ends_between_the_two_sides_of_one() {
    let server = Server::start_durable();
    for mut door in Door::both(&server, "alice") {
        for _ in 0..3 {
            for side in ["SELL", "BUY"] {
                door.ask("order.place", order(side, "5", "7.1", "NONE"));
            }
        }
        let last = door.ask("myTrades", json!({"symbol": "USDCNY", "limit": 1}));
        let id = last[0]["id"].as_u64().unwrap_or_else(|| panic!("{last}"));
        assert_eq!(last.as_array().map(Vec::len), Some(2), "both sides of the last one: {last}");
        for limit in [1, 2, 3] {
            // As clients page: from behind the last number that they were told.
            let (mut from, mut sides) = (id - 2, Vec::new());
            while from <= id {
                let page = door.ask("myTrades", json!({"symbol": "USDCNY", "fromId": from, "limit": limit}));
                let page = page.as_array().expect("an array").clone();
                from = page.last().expect("a trade")["id"].as_u64().expect("a number") + 1;
                sides.extend(page.iter().map(|row| (row["id"].as_u64(), row["isBuyer"].as_bool())));
            }
            let side = |trade, buyer| (Some(trade), Some(buyer));
            let expected: Vec<_> = (id - 2..=id).flat_map(|trade| [side(trade, false), side(trade, true)]).collect();
            assert_eq!(sides, expected, "pages of {limit}");
        }
    }
}

#[test]
fn the_owner_hears_what_was_prevented() {
    let server = Server::start_durable();
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let mut socket = Socket::open(&server, "/ws-api/v3?returnRateLimits=false");
    socket.call("userDataStream.subscribe.signature", alice.socket_params(json!({})));
    let mut told = |mode: &str, quantity: &str| -> (Value, Value, Vec<Value>) {
        let maker = alice.signed("POST", "/api/v3/order", &query(&order("SELL", "5", "7.1", "NONE"))).body;
        // Somebody else's is met first.
        bob.signed("POST", "/api/v3/order", &query(&order("SELL", "1", "7", "NONE")));
        let taker = alice.signed("POST", "/api/v3/order", &query(&order("BUY", quantity, "7.2", mode))).body;
        alice.signed("DELETE", "/api/v3/openOrders", "symbol=USDCNY");
        // Another order of his shows where the reports end.
        let last = alice.signed("POST", "/api/v3/order", &query(&order("BUY", "1", "5", "NONE"))).body;
        let mut heard = Vec::new();
        loop {
            let event = socket.event();
            if event["i"] == last["orderId"] && event["x"] == "NEW" {
                socket.event();
                break;
            }
            if event["x"] == "TRADE_PREVENTION" {
                heard.push(event);
            }
        }
        alice.signed("DELETE", "/api/v3/openOrders", "symbol=USDCNY");
        socket.event();
        socket.event();
        (maker["orderId"].clone(), taker["orderId"].clone(), heard)
    };
    let facts = |event: &Value| ["i", "X", "V", "A", "B", "u", "U", "pl", "pL", "pY"].map(|key| event[key].clone());
    let fact = |order: &Value, status: &str, mode: &str, lost: &str, other: &Value, quantity: &str, notional: &str| {
        let price = json!("7.10000000");
        [
            order.clone(),
            json!(status),
            json!(mode),
            json!(lost),
            json!(lost),
            json!(-1),
            other.clone(),
            json!(quantity),
            price,
            json!(notional),
        ]
    };
    let (two, seven) = ("2.00000000", "7.00000000");
    let (of_two, of_five) = ("14.20000000", "35.50000000");

    let (_, taker, heard) = told("EXPIRE_TAKER", "8");
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert_eq!(
        ["i", "X", "V", "A", "B", "u"].map(|key| heard[0][key].clone()),
        [taker, json!(ENDED), json!("EXPIRE_TAKER"), json!(seven), json!(seven), json!(-1)]
    );
    assert!(heard[0].get("U").is_none() && heard[0].get("eR").is_none() && heard[0]["w"] == false);

    let (maker, taker, heard) = told("EXPIRE_MAKER", "3");
    let expected = [fact(&maker, ENDED, "NONE", FIVE, &taker, two, of_two)];
    assert_eq!(heard.iter().map(facts).collect::<Vec<_>>(), expected);

    let (maker, taker, heard) = told("EXPIRE_BOTH", "8");
    let expected = [
        fact(&maker, ENDED, "NONE", FIVE, &taker, FIVE, of_five),
        fact(&taker, ENDED, "EXPIRE_BOTH", seven, &maker, FIVE, of_five),
    ];
    assert_eq!(heard.iter().map(facts).collect::<Vec<_>>(), expected);

    // The smaller one ends, whichever it is.
    let (maker, taker, heard) = told("DECREMENT", "8");
    let expected = [
        fact(&taker, "PARTIALLY_FILLED", "DECREMENT", FIVE, &maker, FIVE, of_five),
        fact(&maker, ENDED, "NONE", FIVE, &taker, FIVE, of_five),
    ];
    assert_eq!(heard.iter().map(facts).collect::<Vec<_>>(), expected);
    assert_eq!((&heard[0]["w"], &heard[1]["w"]), (&json!(true), &json!(false)));

    let (maker, taker, heard) = told("DECREMENT", "3");
    let expected = [
        fact(&maker, NEW, "NONE", two, &taker, two, of_two),
        fact(&taker, ENDED, "DECREMENT", two, &maker, two, of_two),
    ];
    assert_eq!(heard.iter().map(facts).collect::<Vec<_>>(), expected);
}

#[test]
fn a_market_has_a_mode_for_orders_that_name_none() {
    let server = Server::start_with_keys("self_trade_prevention = \"expire_taker\"");
    let info = server.get("/t/acme/api/v3/exchangeInfo").body;
    assert_eq!(info["symbols"][0]["defaultSelfTradePreventionMode"], "EXPIRE_TAKER");
    for mut door in Door::both(&server, "alice") {
        let plain = |side: &str| {
            let mut plain = order(side, "5", "7.1", "");
            plain.as_object_mut().expect("an object").remove("selfTradePreventionMode");
            plain
        };
        let maker = door.ask("order.place", plain("SELL"));
        assert_eq!(maker["selfTradePreventionMode"], "EXPIRE_TAKER");
        assert_eq!(stands(&door.ask("order.place", plain("BUY"))), [ENDED, ZERO, FIVE]);
        let waits = json!({"symbol": "USDCNY", "side": "BUY", "type": "STOP_LOSS", "quantity": "5", "stopPrice": "9",
            "newOrderRespType": "RESULT"});
        let waits = door.ask("order.place", waits);
        assert_eq!((&waits["selfTradePreventionMode"], &waits["type"]), (&json!("EXPIRE_TAKER"), &json!("STOP_LOSS")));
        // NONE is a mode like the others.
        let taker = door.ask("order.place", order("BUY", "5", "7.1", "NONE"));
        assert_eq!(taker["status"], "FILLED");
        door.ask("openOrders.cancelAll", json!({"symbol": "USDCNY"}));
    }
}

#[test]
fn an_order_that_was_triggered_meets_its_own_account_like_any_other() {
    let server = Server::start_durable();
    let bob = server.user("bob");
    for mut door in Door::both(&server, "alice") {
        let maker = door.ask("order.place", order("SELL", "5", "7.3", "NONE"));
        let stop = json!({"symbol": "USDCNY", "side": "BUY", "type": "STOP_LOSS", "quantity": "8", "stopPrice": "7.2",
            "selfTradePreventionMode": "EXPIRE_BOTH"});
        let id = door.ask("order.place", stop)["orderId"].take();
        for side in ["SELL", "BUY"] {
            bob.signed("POST", "/api/v3/order", &query(&order(side, "1", "7.2", "NONE")));
        }
        for (order, lost) in [(&maker["orderId"], FIVE), (&id, EIGHT)] {
            let found = door.ask("order.status", json!({"symbol": "USDCNY", "orderId": order}));
            assert_eq!(stands(&found), [ENDED, ZERO, lost], "{found}");
        }
        // The next round begins below the trigger.
        for side in ["SELL", "BUY"] {
            bob.signed("POST", "/api/v3/order", &query(&order(side, "1", "7", "NONE")));
        }
    }
}

#[test]
fn an_order_by_quote_amount_passes_its_own_account() {
    let server = Server::start_durable();
    let bob = server.user("bob");
    for mut door in Door::both(&server, "alice") {
        for (mode, of_maker, of_taker) in [
            ("EXPIRE_TAKER", [NEW, ZERO, ""], [ENDED, "10.00000000", ""]),
            ("EXPIRE_MAKER", [ENDED, ZERO, FIVE], ["FILLED", "10.00000000", ""]),
            // It loses what the rest of its amount would have bought, and so does the other.
            ("DECREMENT", [NEW, ZERO, "0.01000000"], [ENDED, "10.00000000", "0.01000000"]),
        ] {
            // What is left of the amount would buy from the own order, and not from the one behind.
            bob.signed("POST", "/api/v3/order", &query(&order("SELL", "10", "7", "NONE")));
            let maker = door.ask("order.place", order("SELL", "5", "7.1", "NONE"));
            bob.signed("POST", "/api/v3/order", &query(&order("SELL", "10", "9", "NONE")));
            let taker = door.ask(
                "order.place",
                json!({"symbol": "USDCNY", "side": "BUY", "type": "MARKET", "quoteOrderQty": "70.08",
                    "selfTradePreventionMode": mode}),
            );
            assert_eq!(stands(&taker), of_taker, "{mode}: {taker}");
            for (placed, expected) in [(&maker, of_maker), (&taker, of_taker)] {
                let found = door.ask("order.status", json!({"symbol": "USDCNY", "orderId": placed["orderId"]}));
                assert_eq!(stands(&found), expected, "{mode}: {found}");
            }
            bob.signed("DELETE", "/api/v3/openOrders", "symbol=USDCNY");
            door.ask("openOrders.cancelAll", json!({"symbol": "USDCNY"}));
        }
    }
}

fn query(params: &Value) -> String {
    let pairs = params.as_object().expect("an object").iter();
    let pairs: Vec<String> = pairs.map(|(name, value)| format!("{name}={}", value.as_str().expect("a text"))).collect();
    pairs.join("&")
}

#[test]
fn accounts_of_one_group_do_not_trade_with_each_other() {
    let member = |name: &str| {
        format!(
            "[[tenants.users]]\nname = \"{name}\"\napi_key = \"key-{name}-{{tenant}}\"\nsecret = \"secret-{name}-{{tenant}}\"\n\
             trade_group = 5\nbalances = {{ USD = 1000, CNY = 7000 }}\n"
        )
    };
    let server = Server::start_configured("", "", &(member("erin") + &member("frank")));
    let (erin, alice) = (server.user("erin-acme"), server.user("alice"));
    let sell = "symbol=USDCNY&side=SELL&type=LIMIT&timeInForce=GTC&quantity=5&price=7.1";
    let resting = erin.signed("POST", "/api/v3/order", sell).body;
    assert_eq!(resting["status"], NEW, "{resting}");
    let frank = server.user("frank-acme");
    let mut socket = Socket::open(&server, "/ws-api/v3?returnRateLimits=false");
    socket.call("userDataStream.subscribe.signature", frank.socket_params(json!({})));
    let taker = socket.call("order.place", frank.socket_params(order("BUY", "5", "7.1", "EXPIRE_TAKER")));
    assert_eq!(taker["result"]["status"], ENDED, "{taker}");
    assert_eq!(socket.event()["x"], "NEW");
    let prevented = socket.event();
    assert_eq!((&prevented["x"], &prevented["u"]), (&json!("TRADE_PREVENTION"), &json!(5)), "{prevented}");
    // Who does not ask for it trades, and so does who is not of the group.
    let one = order("BUY", "1", "7.1", "EXPIRE_TAKER");
    let mut other = Socket::open(&server, "/ws-api/v3");
    let reply = other.call("order.place", alice.socket_params(one));
    assert_eq!(reply["result"]["status"], "FILLED", "{reply}");
    let reply = socket.call("order.place", frank.socket_params(order("BUY", "1", "7.1", "NONE")));
    assert_eq!(reply["result"]["status"], "FILLED", "{reply}");
}
