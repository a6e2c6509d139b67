//! Limits, as clients meet them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::BUY;
use crate::support::{Reply, Server, Socket, User, now_ms};

const COUNT: &str = "X-MBX-ORDER-COUNT-10S";
const WEIGHT: &str = "X-MBX-USED-WEIGHT-1M";

/// Waits until enough is left of an interval of the clock for a test to see it whole.
fn at_the_beginning_of(seconds: u64) {
    let left = seconds * 1_000 - now_ms() % (seconds * 1_000);
    if left < 6_000 {
        std::thread::sleep(Duration::from_millis(left));
    }
}

fn place(user: &User<'_>) -> Reply {
    user.signed("POST", "/api/v3/order", BUY)
}

fn retry_after(reply: &Reply) -> u64 {
    reply.count("Retry-After").expect("a time to wait")
}

/// The counts of limits by their interval.
fn counts(limits: &Value) -> Vec<(&str, u64)> {
    let limits = limits.as_array().expect("limits").iter();
    limits.filter_map(|limit| Some((limit["interval"].as_str()?, limit["count"].as_u64()?))).collect()
}

#[test]
fn orders_of_an_account_count_until_they_trade() {
    let server = Server::start_with_keys("orders_per_10_seconds = 3\norders_per_day = 50");
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    at_the_beginning_of(10);
    for count in 1..=3 {
        let placed = place(&alice);
        assert_eq!((placed.status, placed.count(COUNT)), (200, Some(count)));
        assert_eq!(placed.count("X-MBX-ORDER-COUNT-1D"), Some(count));
    }
    let fourth = place(&alice);
    fourth.is_error(429, -1015, "Too many new orders; current limit is 3 orders per 10 SECOND.");
    assert!((1..=10).contains(&retry_after(&fourth)));
    // Another account has its own count, and cancels have none.
    assert_eq!(place(&bob).count(COUNT), Some(1));
    let canceled = alice.signed("DELETE", "/api/v3/order", "symbol=USDCNY&orderId=3");
    assert_eq!((canceled.status, canceled.count(COUNT)), (200, None));
    assert_eq!(place(&alice).status, 429, "a cancel gives nothing back");
    // Who took is credited once; who waited, with more.
    let taken = bob.signed("POST", "/api/v3/order", "symbol=USDCNY&side=SELL&type=MARKET&quantity=4");
    assert_eq!((taken.status, taken.count(COUNT)), (200, Some(1)));
    let limits = alice.signed("GET", "/api/v3/rateLimit/order", "").body;
    assert_eq!(counts(&limits), [("SECOND", 0), ("DAY", 0)]);
    assert_eq!((&limits[0]["limit"], &limits[1]["limit"]), (&json!(3), &json!(50)));
    assert_eq!(place(&alice).count(COUNT), Some(1));
}

#[test]
fn an_order_that_was_refused_does_not_count_and_one_that_replaces_does() {
    let server = Server::start_with_keys("orders_per_10_seconds = 3");
    let alice = server.user("alice");
    at_the_beginning_of(10);
    let poor = alice.signed("POST", "/api/v3/order", &BUY.replace("quantity=10", "quantity=10000000"));
    assert_eq!((poor.body["code"].as_i64(), poor.count(COUNT)), (Some(-2010), Some(0)));
    place(&alice);
    let replace = |order: u64, mode: &str| {
        let query =
            format!("{BUY}&cancelReplaceMode=STOP_ON_FAILURE&cancelOrderId={order}&orderRateLimitExceededMode={mode}");
        alice.signed("POST", "/api/v3/order/cancelReplace", &query)
    };
    assert_eq!(replace(1, "DO_NOTHING").count(COUNT), Some(2));
    assert_eq!(replace(99, "DO_NOTHING").count(COUNT), Some(3), "not attempted, and counted");
    replace(2, "DO_NOTHING").is_error(429, -1015, "Too many new orders; current limit is 3 orders per 10 SECOND.");
    let canceled = replace(2, "CANCEL_ONLY");
    canceled.is_error(409, -2021, "Order cancel-replace partially failed.");
    let data = &canceled.body["data"];
    assert_eq!((&data["cancelResult"], &data["cancelResponse"]["status"]), (&json!("SUCCESS"), &json!("CANCELED")));
    assert_eq!((&data["newOrderResult"], &data["newOrderResponse"]["code"]), (&json!("FAILURE"), &json!(-1015)));
    let gone = replace(2, "CANCEL_ONLY");
    gone.is_error(400, -2022, "Order cancel-replace failed.");
    assert_eq!(gone.body["data"]["cancelResponse"]["code"], -2011);
}

#[test]
fn sessions_and_rest_count_together() {
    let server = Server::start_with_keys("orders_per_10_seconds = 2\nrequest_weight_per_minute = 1000");
    let alice = server.user("alice");
    let mut socket = Socket::open(&server, "/ws-api/v3");
    at_the_beginning_of(10);
    assert_eq!(place(&alice).count(COUNT), Some(1));
    let order = json!({"symbol": "USDCNY", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "7.1",
        "quantity": "10"});
    let placed = socket.call("order.place", alice.socket_params(order.clone()));
    assert_eq!(
        placed["rateLimits"][0],
        json!({"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 2, "count": 2})
    );
    assert_eq!(placed["rateLimits"][1]["rateLimitType"], "REQUEST_WEIGHT");
    let refused = socket.call("order.place", alice.socket_params(order));
    assert_eq!((&refused["status"], &refused["error"]["code"]), (&json!(429), &json!(-1015)), "{refused}");
    let data = &refused["error"]["data"];
    assert_eq!(data["retryAfter"].as_u64().map(|then| then % 10_000), Some(0), "{data}");
    assert!(data["retryAfter"].as_u64() > data["serverTime"].as_u64());
    assert_eq!(refused["rateLimits"][0]["count"], 2);
    let limits = socket.call("account.rateLimits.orders", alice.socket_params(json!({})));
    assert_eq!(counts(&limits["result"]), [("SECOND", 2)]);
    // The count of orders stands with replies about orders alone.
    assert_eq!(socket.call("ping", json!({}))["rateLimits"].as_array().map(Vec::len), Some(1));
    let silent = socket.call("ping", json!({"returnRateLimits": false}));
    assert!(silent.get("rateLimits").is_none());
}

#[test]
fn the_weight_of_an_address_is_limited_by_tenant() {
    let server = Server::start_with_keys("request_weight_per_minute = 50");
    let alice = server.user("alice");
    at_the_beginning_of(60);
    assert_eq!(server.get("/t/acme/api/v3/exchangeInfo").count(WEIGHT), Some(20));
    let placed = alice.signed("POST", "/t/acme/api/v3/order", BUY);
    assert_eq!((placed.status, placed.count(WEIGHT)), (200, Some(20)), "an order that is taken weighs nothing");
    let refused = alice.signed("POST", "/t/acme/api/v3/order", &BUY.replace("BUY", "HOLD"));
    assert_eq!((refused.body["code"].as_i64(), refused.count(WEIGHT)), (Some(-1117), Some(21)));
    // A connection weighs two.
    let mut socket = Socket::open(&server, "/t/acme/ws-api/v3");
    assert_eq!(counts(&socket.call("exchangeInfo", json!({}))["rateLimits"]), [("MINUTE", 43)]);
    let heavy = socket.call("exchangeInfo", json!({}));
    assert_eq!((&heavy["status"], &heavy["error"]["code"]), (&json!(429), &json!(-1003)), "{heavy}");
    assert_eq!(counts(&heavy["rateLimits"]), [("MINUTE", 43)], "what is refused does not weigh");
    assert_eq!(counts(&socket.call("ping", json!({}))["rateLimits"]), [("MINUTE", 44)]);
    assert_eq!(server.get("/t/acme/api/v3/depth?symbol=USDCNY").count(WEIGHT), Some(49));
    assert_eq!(server.get("/t/acme/api/v3/ping").status, 200);
    let full = server.get("/t/acme/api/v3/ping");
    full.is_error(
        429,
        -1003,
        "Too much request weight used; current limit is 50 request weight per 1 MINUTE. Please use WebSocket Streams \
         for live updates to avoid polling the API.",
    );
    assert!((1..=60).contains(&retry_after(&full)));
    assert_eq!(full.count(WEIGHT), Some(50));
    // Orders are refused as well, cancels are not. Neither is the other tenant.
    assert_eq!(place(&alice).body["code"], -1003, "by its key, it is the same tenant");
    assert_eq!(alice.signed("DELETE", "/api/v3/order", "symbol=USDCNY&orderId=1").status, 200);
    let cancel = alice.socket_params(json!({"symbol": "USDCNY", "orderId": 1}));
    assert_eq!(socket.call("order.cancel", cancel)["error"]["code"], -2011);
    assert_eq!(server.get("/t/bolt/api/v3/ping").count(WEIGHT), Some(1));
}

#[test]
fn limits_are_told_as_they_are() {
    let rate_limits =
        |keys: &str| Server::start_with_keys(keys).get("/t/acme/api/v3/exchangeInfo").body["rateLimits"].take();
    let weight =
        |limit: u32| json!({"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": limit});
    assert_eq!(rate_limits(""), json!([weight(6_000_000)]));
    let orders = |interval: &str, number: u32, limit: u32| json!({"rateLimitType": "ORDERS", "interval": interval, "intervalNum": number, "limit": limit});
    assert_eq!(
        rate_limits("request_weight_per_minute = 6000\norders_per_10_seconds = 100\norders_per_day = 200000"),
        json!([weight(6_000), orders("SECOND", 10, 100), orders("DAY", 1, 200_000)])
    );
    let server = Server::start_with_keys("request_weight_per_minute = 0");
    let unlimited = server.get("/t/acme/api/v3/exchangeInfo");
    assert_eq!((&unlimited.body["rateLimits"], unlimited.header(WEIGHT)), (&json!([]), None));
    assert_eq!(server.user("alice").signed("GET", "/api/v3/rateLimit/order", "").body, json!([]));
}
