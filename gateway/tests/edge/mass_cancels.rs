//! Cancelling many orders at once, over REST and the WebSocket API.

use serde_json::{Value, json};

use crate::support::{Door, Server};

const SECOND_MARKET: &str = "[[tenants.assets]]\nname = \"EUR\"\nscale = 8\n[[tenants.markets]]\nsymbol = \"USDEUR\"\n\
                             base = \"USD\"\nquote = \"EUR\"\ntick = \"0.0001\"\nlot = \"0.01\"\n";

fn place(door: &mut Door<'_>, symbol: &str, side: &str, strategy: u64) -> u64 {
    let price = if side == "BUY" { "6" } else { "8" };
    let mut params = json!({"symbol": symbol, "side": side, "type": "LIMIT", "timeInForce": "GTC", "price": price,
        "quantity": "10"});
    if strategy > 0 {
        params["strategyId"] = json!(strategy);
    }
    let placed = door.ask("order.place", params);
    placed["orderId"].as_u64().unwrap_or_else(|| panic!("{placed}"))
}

fn canceled(told: &Value) -> Vec<u64> {
    let orders = told.as_array().unwrap_or_else(|| panic!("{told}"));
    assert!(orders.iter().all(|order| order["status"] == "CANCELED"), "{told}");
    let mut ids: Vec<u64> = orders.iter().filter_map(|order| order["orderId"].as_u64()).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn orders_are_cancelled_by_side_strategy_and_market() {
    let server = Server::start_configured("", "", SECOND_MARKET);
    for mut door in Door::both(&server, "alice") {
        let buy = place(&mut door, "USDCNY", "BUY", 0);
        let tagged = place(&mut door, "USDCNY", "BUY", 7);
        let sell = place(&mut door, "USDCNY", "SELL", 7);
        let other = place(&mut door, "USDEUR", "SELL", 7);
        let mut cancel = |params: Value| door.ask("openOrders.cancelAll", params);
        let none = cancel(json!({"symbol": "USDCNY", "strategyId": 8}));
        assert_eq!((&none["code"], &none["msg"]), (&json!(-2011), &json!("Unknown order sent.")), "{none}");
        assert_eq!(canceled(&cancel(json!({"symbol": "USDCNY", "side": "BUY", "strategyId": 7}))), [tagged]);
        assert_eq!(canceled(&cancel(json!({"side": "SELL"}))), [sell, other], "of all markets");
        assert_eq!(canceled(&cancel(json!({}))), [buy]);
        let none = cancel(json!({}));
        assert_eq!(none["code"], -2011, "{none}");
        let wrong = cancel(json!({"side": "HOLD"}));
        assert_eq!(wrong["code"], -1117, "{wrong}");
        let of_both = [place(&mut door, "USDCNY", "BUY", 9), place(&mut door, "USDEUR", "SELL", 9)];
        let stays = place(&mut door, "USDEUR", "SELL", 0);
        assert_eq!(canceled(&door.ask("openOrders.cancelAll", json!({"strategyId": 9}))), of_both);
        assert_eq!(canceled(&door.ask("openOrders.cancelAll", json!({"symbol": "USDEUR"}))), [stays]);
    }
}

#[test]
fn a_misspelt_name_cancels_nothing() {
    let server = Server::start_configured("", "", SECOND_MARKET);
    let operator = server.user("operator-acme");
    for mut door in Door::both(&server, "alice") {
        let stays = place(&mut door, "USDCNY", "BUY", 7);
        for params in [json!({"sied": "SELL"}), json!({"symbol": "USDCNY", "strategyID": 8}), json!({"Side": "SELL"})] {
            let told = door.ask("openOrders.cancelAll", params);
            assert_eq!(told["code"], -1104, "{told}");
        }
        for query in ["account=bob", "symbol=USDCNY&users=bob"] {
            let told = operator.signed("DELETE", "/operator/v1/orders", query);
            assert_eq!((told.status, &told.body["code"]), (400, &json!(-1104)), "{told:?}");
        }
        assert_eq!(door.ask("openOrders.status", json!({}))[0]["orderId"], stays);
        door.ask("openOrders.cancelAll", json!({}));
    }
    for (path, query) in [("phase", "phase=HALTED&untill=1"), ("protection", "staticBand=500")] {
        let path = format!("/operator/v1/market/{path}");
        let told = operator.signed("POST", &path, &format!("symbol=USDCNY&{query}"));
        assert_eq!((told.status, &told.body["code"]), (400, &json!(-1104)), "{told:?}");
    }
}

#[test]
fn nobody_cancels_what_is_not_his() {
    let server = Server::start_configured("", "", SECOND_MARKET);
    let [mut alice, _] = Door::both(&server, "alice");
    let kept = place(&mut alice, "USDCNY", "BUY", 7);
    for mut door in Door::both(&server, "bob") {
        for params in [json!({}), json!({"strategyId": 7}), json!({"symbol": "USDCNY", "side": "BUY"})] {
            assert_eq!(door.ask("openOrders.cancelAll", params)["code"], -2011);
        }
    }
    assert_eq!(alice.ask("openOrders.status", json!({}))[0]["orderId"], kept);
}

#[test]
fn lists_are_told_as_lists() {
    let server = Server::start();
    for mut door in Door::both(&server, "alice") {
        let alone = place(&mut door, "USDCNY", "BUY", 0);
        let oto = json!({"symbol": "USDCNY", "workingType": "LIMIT", "workingSide": "BUY", "workingPrice": "6.5",
            "workingQuantity": "10", "workingTimeInForce": "GTC", "pendingType": "LIMIT", "pendingSide": "SELL",
            "pendingPrice": "8", "pendingQuantity": "10", "pendingTimeInForce": "GTC"});
        let list = door.ask("orderList.place.oto", oto);
        let told = door.ask("openOrders.cancelAll", json!({"symbol": "USDCNY"}));
        assert_eq!(told.as_array().map(Vec::len), Some(2), "{told}");
        assert_eq!(told[0]["orderId"], alone);
        assert_eq!((&told[1]["orderListId"], &told[1]["orders"]), (&list["orderListId"], &list["orders"]), "{told}");
        assert_eq!((&told[1]["listStatusType"], &told[1]["listOrderStatus"]), (&json!("ALL_DONE"), &json!("ALL_DONE")));
        let reports = told[1]["orderReports"].as_array().expect("reports");
        assert!(reports.len() == 2 && reports.iter().all(|report| report["status"] == "CANCELED"), "{told}");
    }
}

/// Users who are at home in three wallets: each cancels his own, and an operator everybody's, in all of them.
#[test]
fn orders_of_several_wallets_are_cancelled_all_and_their_money_is_free() {
    let third = "[[tenants.users]]\nname = \"erin-{tenant}\"\napi_key = \"key-erin-{tenant}\"\n\
                 secret = \"secret-erin-{tenant}\"\nbalances = { USD = 100000, CNY = 700000 }\n";
    let server = Server::start_configured("wallet_shards = 3", "", &format!("{SECOND_MARKET}{third}"));
    let operator = server.user("operator-acme");
    let users = ["alice", "bob", "erin-acme"];
    let locked = |user: &str| {
        let told = server.user(user).signed("GET", "/api/v3/account", "").body;
        let rows = told["balances"].as_array().unwrap_or_else(|| panic!("{told}")).clone();
        rows.iter()
            .filter(|row| row["locked"].as_str().is_some_and(|it| !it.trim_matches(['0', '.']).is_empty()))
            .count()
    };
    let open = |user: &str| {
        let told = server.user(user).signed("GET", "/api/v3/openOrders", "").body;
        told.as_array().unwrap_or_else(|| panic!("{told}")).len()
    };
    let fill = || {
        for user in users {
            let [mut door, _] = Door::both(&server, user);
            place(&mut door, "USDCNY", "BUY", 7);
            place(&mut door, "USDCNY", "SELL", 7);
            place(&mut door, "USDEUR", "SELL", 8);
        }
    };
    fill();
    // One user's cancels touch nobody's in another wallet.
    let [mut bob, _] = Door::both(&server, "bob");
    assert_eq!(canceled(&bob.ask("openOrders.cancelAll", json!({}))).len(), 3);
    assert_eq!(users.map(open), [3, 0, 3]);
    assert_eq!(users.map(locked), [2, 0, 2]);
    for (query, count, left) in [
        ("user=erin-acme&side=SELL&symbol=USDCNY", 1, [3, 0, 2]),
        ("side=BUY", 2, [2, 0, 1]),
        ("strategyId=8", 2, [1, 0, 0]),
        ("", 1, [0, 0, 0]),
        ("", 0, [0, 0, 0]),
    ] {
        let told = operator.signed("DELETE", "/operator/v1/orders", query);
        assert_eq!((told.status, &told.body["canceled"]), (200, &json!(count)), "{query}: {told:?}");
        assert_eq!(users.map(open), left, "{query}");
    }
    fill();
    let told = operator.signed("DELETE", "/operator/v1/orders", "symbol=USDCNY");
    assert_eq!(told.body["canceled"], 6, "{told:?}");
    assert_eq!(users.map(open), [1, 1, 1]);
    assert_eq!(operator.signed("DELETE", "/operator/v1/orders", "").body["canceled"], 3);
    assert_eq!(users.map(locked), [0, 0, 0], "nothing stays held");
}
