//! What is told of both halves of a replacement.

use serde_json::{Value, json};

use crate::BUY;
use crate::support::{Reply, Server, Socket, User};

/// The parameters of a replacement; `change` are price and quantity of the new order.
fn replacement(mode: &str, order: u64, change: &str) -> String {
    let new = BUY.replace("price=7.1&quantity=10", change);
    format!("{new}&cancelReplaceMode={mode}&cancelOrderId={order}&newOrderRespType=ACK")
}

fn replace(user: &User<'_>, query: &str) -> Reply {
    user.signed("POST", "/api/v3/order/cancelReplace", query)
}

fn open_orders(user: &User<'_>) -> Vec<u64> {
    let open = user.signed("GET", "/api/v3/openOrders", "").body;
    open.as_array().expect("an array").iter().filter_map(|order| order["orderId"].as_u64()).collect()
}

const SUCCESS: &str = "SUCCESS";
const FAILURE: &str = "FAILURE";

/// Both results, and the codes of those that are errors.
fn told(data: &Value) -> (&str, &str, Option<i64>, Option<i64>) {
    let result = |name: &str| data[name].as_str().expect("a result");
    let code = |name: &str| data[name]["code"].as_i64();
    (result("cancelResult"), result("newOrderResult"), code("cancelResponse"), code("newOrderResponse"))
}

#[test]
fn where_both_succeed_both_are_told() {
    let server = Server::start();
    let alice = server.user("alice");
    alice.signed("POST", "/api/v3/order", BUY);
    let both = replace(&alice, &replacement("STOP_ON_FAILURE", 1, "price=7.2&quantity=10"));
    assert_eq!(both.keys(), ["cancelResult", "newOrderResult", "cancelResponse", "newOrderResponse"]);
    assert_eq!((both.status, &both.body["cancelResponse"]["status"]), (200, &json!("CANCELED")));
    assert_eq!(told(&both.body), (SUCCESS, SUCCESS, None, None));
    assert_eq!(open_orders(&alice), [2]);
}

#[test]
fn a_cancel_that_fails_stops_the_new_order_unless_the_client_allows_it() {
    let server = Server::start();
    let alice = server.user("alice");
    let none = replace(&alice, &replacement("STOP_ON_FAILURE", 1, "price=7.2&quantity=10"));
    none.is_error(400, -2022, "Order cancel-replace failed.");
    assert_eq!(
        none.body["data"],
        json!({"cancelResult": "FAILURE", "newOrderResult": "NOT_ATTEMPTED",
            "cancelResponse": {"code": -2011, "msg": "Unknown order sent."}, "newOrderResponse": null})
    );
    assert!(open_orders(&alice).is_empty());
    let half = replace(&alice, &replacement("ALLOW_FAILURE", 1, "price=7.3&quantity=10"));
    half.is_error(409, -2021, "Order cancel-replace partially failed.");
    assert_eq!(told(&half.body["data"]), (FAILURE, SUCCESS, Some(-2011), None));
    assert_eq!(open_orders(&alice), [1]);
    // The same for an order that is there and in another state than asked for.
    for (mode, expected, open) in [
        ("STOP_ON_FAILURE", (FAILURE, "NOT_ATTEMPTED", Some(-2011), None), 1),
        ("ALLOW_FAILURE", (FAILURE, SUCCESS, Some(-2011), None), 2),
    ] {
        let query = replacement(mode, 1, "price=7.4&quantity=10") + "&cancelRestrictions=ONLY_PARTIALLY_FILLED";
        let restricted = replace(&alice, &query);
        let data = &restricted.body["data"];
        assert_eq!(told(data), expected, "{mode}");
        assert_eq!(data["cancelResponse"]["msg"], "Order was not canceled due to cancel restrictions.");
        assert_eq!(open_orders(&alice).len(), open, "{mode}");
    }
}

#[test]
fn where_the_wallet_refuses_the_new_order_the_old_one_was_not_cancelled() {
    let server = Server::start();
    let alice = server.user("alice");
    alice.signed("POST", "/api/v3/order", &format!("{BUY}&newClientOrderId=old"));
    let poor = "price=9999&quantity=1000";
    // An order that is there, and one that is not.
    for (mode, order) in [("STOP_ON_FAILURE", 1), ("ALLOW_FAILURE", 1), ("ALLOW_FAILURE", 99)] {
        let refused = replace(&alice, &replacement(mode, order, poor));
        refused.is_error(400, -2022, "Order cancel-replace failed.");
        assert_eq!(told(&refused.body["data"]), (FAILURE, FAILURE, Some(-2011), Some(-2010)), "{mode} {order}");
        assert_eq!(open_orders(&alice), [1], "{mode} {order}");
    }
    let twice = replacement("ALLOW_FAILURE", 99, "price=7&quantity=10") + "&newClientOrderId=old";
    let refused = replace(&alice, &twice);
    assert_eq!(refused.body["data"]["newOrderResponse"]["msg"], "Duplicate order sent.");
    // Filters are looked at before anything else, as of any order.
    let filtered = replace(&alice, &replacement("ALLOW_FAILURE", 1, "price=7&quantity=0.01"));
    filtered.is_error(400, -1013, "Filter failure: NOTIONAL");
}

#[test]
fn where_the_book_refuses_the_new_order_the_old_one_is_gone() {
    let server = Server::start();
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    bob.signed("POST", "/api/v3/order", "symbol=USDCNY&side=SELL&type=LIMIT&timeInForce=GTC&price=8&quantity=1");
    let canceled = (SUCCESS, FAILURE, None, Some(-2010));
    let neither = (FAILURE, FAILURE, Some(-2011), Some(-2010));
    for (mode, is_there, expected, status) in [
        ("STOP_ON_FAILURE", true, canceled, 409),
        ("ALLOW_FAILURE", true, canceled, 409),
        ("ALLOW_FAILURE", false, neither, 400),
    ] {
        let order = if is_there { alice.signed("POST", "/api/v3/order", BUY).body["orderId"].as_u64() } else { None };
        let query = replacement(mode, order.unwrap_or(99), "price=8&quantity=1");
        let half = replace(&alice, &query.replace("type=LIMIT&timeInForce=GTC", "type=LIMIT_MAKER"));
        assert_eq!((told(&half.body["data"]), half.status), (expected, status), "{mode}: {half:?}");
        assert_eq!(half.body["data"]["newOrderResponse"]["msg"], "Order would immediately match and take.");
        assert!(open_orders(&alice).is_empty(), "{mode}");
    }
}

#[test]
fn a_session_is_told_the_same() {
    let server = Server::start();
    let alice = server.user("alice");
    let mut socket = Socket::open(&server, "/ws-api/v3");
    let mut params = json!({"symbol": "USDCNY", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "9999",
        "quantity": "1000", "cancelReplaceMode": "ALLOW_FAILURE", "cancelOrderId": 99});
    let poor = socket.call("order.cancelReplace", alice.socket_params(params.clone()));
    assert_eq!((&poor["status"], &poor["error"]["code"]), (&json!(400), &json!(-2022)), "{poor}");
    assert_eq!(told(&poor["error"]["data"]), (FAILURE, FAILURE, Some(-2011), Some(-2010)));
    params["price"] = json!("7.1");
    let half = socket.call("order.cancelReplace", alice.socket_params(params));
    assert_eq!((&half["status"], &half["error"]["code"]), (&json!(409), &json!(-2021)), "{half}");
    assert_eq!(told(&half["error"]["data"]), (FAILURE, SUCCESS, Some(-2011), None));
}

#[test]
fn unknown_modes_are_refused() {
    let server = Server::start();
    let alice = server.user("alice");
    let query = replacement("SOMETIMES", 1, "price=7.3&quantity=10");
    replace(&alice, &query).is_error(400, -1130, "Data sent for parameter 'cancelReplaceMode' is not valid.");
    let query = replacement("ALLOW_FAILURE", 1, "price=7.3&quantity=10") + "&orderRateLimitExceededMode=SOMETIMES";
    replace(&alice, &query).is_error(400, -1130, "Data sent for parameter 'orderRateLimitExceededMode' is not valid.");
}
