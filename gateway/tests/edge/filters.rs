//! What a market allows, and how it says no, over REST and the WebSocket API.

use serde_json::{Value, json};

use crate::support::{Door, Server};

const FILTERS: &str = r#"
min_price = "1"
max_price = "20"
min_quantity = "0.1"
max_quantity = "5000"
max_market_quantity = "100"
max_notional = "20000"
percent_price_by_side = { bid_up = "1.2", bid_down = "0.8", ask_up = "1.5", ask_down = "0.9" }
max_num_orders = 4
max_num_algo_orders = 2
max_position = "103000"
iceberg_parts = 10
trailing_delta = { min_above = 50, max_above = 500, min_below = 100, max_below = 1000 }
"#;

fn limit(side: &str, price: &str, quantity: &str) -> Value {
    json!({"symbol": "USDCNY", "side": side, "type": "LIMIT", "timeInForce": "GTC", "price": price, "quantity": quantity})
}

fn with(mut params: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().expect("an object") {
        params[name] = value.clone();
    }
    params
}

#[test]
fn every_filter_is_shown_and_holds() {
    let server = Server::start_configured("", FILTERS, "");
    let info = server.get("/t/acme/api/v3/exchangeInfo").body;
    let filters = &info["symbols"][0]["filters"];
    let shown = |name: &str| {
        let all = filters.as_array().expect("filters");
        all.iter().find(|filter| filter["filterType"] == name).unwrap_or_else(|| panic!("{name}: {filters}")).clone()
    };
    for (name, fields) in [
        ("PRICE_FILTER", json!({"minPrice": "1.00000000", "maxPrice": "20.00000000", "tickSize": "0.00010000"})),
        ("LOT_SIZE", json!({"minQty": "0.10000000", "maxQty": "5000.00000000", "stepSize": "0.01000000"})),
        ("MARKET_LOT_SIZE", json!({"minQty": "0.10000000", "maxQty": "100.00000000"})),
        ("NOTIONAL", json!({"minNotional": "1.00000000", "maxNotional": "20000.00000000"})),
        (
            "PERCENT_PRICE_BY_SIDE",
            json!({"bidMultiplierUp": "1.20000000", "bidMultiplierDown": "0.80000000", "askMultiplierUp": "1.50000000",
                "askMultiplierDown": "0.90000000", "avgPriceMins": 0}),
        ),
        (
            "TRAILING_DELTA",
            json!({"minTrailingAboveDelta": 50, "maxTrailingAboveDelta": 500, "minTrailingBelowDelta": 100,
                "maxTrailingBelowDelta": 1000}),
        ),
        ("ICEBERG_PARTS", json!({"limit": 10})),
        ("MAX_NUM_ORDERS", json!({"maxNumOrders": 4})),
        ("MAX_NUM_ALGO_ORDERS", json!({"maxNumAlgoOrders": 2})),
        ("MAX_POSITION", json!({"maxPosition": "103000.00000000"})),
    ] {
        for (field, value) in fields.as_object().expect("an object") {
            assert_eq!(shown(name)[field], *value, "{name}");
        }
    }
    let bob = server.user("bob");
    for query in [
        "symbol=USDCNY&side=SELL&type=LIMIT&timeInForce=GTC&price=7&quantity=1",
        "symbol=USDCNY&side=BUY&type=LIMIT&timeInForce=IOC&price=7&quantity=1",
    ] {
        assert_eq!(bob.signed("POST", "/api/v3/order", query).status, 200);
    }
    let market = |quantity: &str| json!({"symbol": "USDCNY", "side": "SELL", "type": "MARKET", "quantity": quantity});
    let trailing = |side: &str, delta: u64| {
        json!({"symbol": "USDCNY", "side": side, "type": "STOP_LOSS_LIMIT", "timeInForce": "GTC", "quantity": "1",
            "price": "7", "trailingDelta": delta})
    };
    for mut door in Door::both(&server, "alice") {
        assert_eq!(door.ask("myFilters", json!({"symbol": "USDCNY"}))["symbolFilters"], *filters);
        for (params, filter) in [
            (limit("BUY", "0.9999", "100"), "PRICE_FILTER"),
            (limit("BUY", "20.0001", "10"), "PRICE_FILTER"),
            (limit("BUY", "7", "0.09"), "LOT_SIZE"),
            (limit("SELL", "7", "5000.01"), "LOT_SIZE"),
            (market("100.01"), "MARKET_LOT_SIZE"),
            (market("0.09"), "MARKET_LOT_SIZE"),
            (limit("BUY", "7", "3000"), "NOTIONAL"),
            (limit("BUY", "8.4001", "1"), "PERCENT_PRICE_BY_SIDE"),
            (limit("BUY", "5.5999", "1"), "PERCENT_PRICE_BY_SIDE"),
            (limit("SELL", "10.5001", "1"), "PERCENT_PRICE_BY_SIDE"),
            (limit("SELL", "6.2999", "1"), "PERCENT_PRICE_BY_SIDE"),
            (with(limit("SELL", "7.5", "11"), &json!({"icebergQty": "1"})), "ICEBERG_PARTS"),
            (trailing("BUY", 49), "TRAILING_DELTA"),
            (trailing("BUY", 501), "TRAILING_DELTA"),
            (trailing("SELL", 99), "TRAILING_DELTA"),
            (trailing("SELL", 1_001), "TRAILING_DELTA"),
        ] {
            let told = door.ask("order.place", params.clone());
            let msg = format!("Filter failure: {filter}");
            assert_eq!((&told["code"], &told["msg"]), (&json!(-1013), &json!(msg)), "{params}: {told}");
        }
        // At the bounds.
        for params in [
            with(limit("SELL", "10.5", "10"), &json!({"icebergQty": "1"})),
            limit("BUY", "5.6", "0.2"),
            trailing("BUY", 500),
            trailing("SELL", 100),
        ] {
            let told = door.ask("order.place", params.clone());
            assert!(told["orderId"].is_u64(), "{params}: {told}");
        }
        let told = door.ask("order.place", limit("BUY", "6", "1"));
        assert_eq!(told["msg"], "Filter failure: MAX_NUM_ORDERS", "{told}");
        door.ask("openOrders.cancelAll", json!({"symbol": "USDCNY", "side": "SELL"}));
        door.ask("order.place", trailing("SELL", 100));
        let told = door.ask("order.place", trailing("SELL", 100));
        assert_eq!(told["msg"], "Filter failure: MAX_NUM_ALGO_ORDERS", "{told}");
        door.ask("openOrders.cancelAll", json!({"symbol": "USDCNY"}));
        // A hundred thousand are there already.
        assert!(door.ask("order.place", limit("BUY", "6", "2900"))["orderId"].is_u64());
        let told = door.ask("order.place", limit("BUY", "6", "200"));
        assert_eq!(told["msg"], "Filter failure: MAX_POSITION", "{told}");
        door.ask("openOrders.cancelAll", json!({"symbol": "USDCNY"}));
    }
}
