//! Orders that wait for a price, from the order to the fill, over REST and the WebSocket API.

use serde_json::{Value, json};

use crate::support::{Door, Server, Socket, User};

/// Makes the market trade at a price.
fn print(user: &User<'_>, price: &str) {
    let order = |side: &str, kind: &str| {
        let query = format!("symbol=USDCNY&side={side}&type=LIMIT&timeInForce={kind}&price={price}&quantity=1");
        user.signed("POST", "/api/v3/order", &query).body
    };
    assert_eq!(order("SELL", "GTC")["status"], "NEW", "somebody was in the way of {price}");
    assert_eq!(order("BUY", "IOC")["status"], "FILLED", "{price}");
}

fn with(base: Value, changes: &Value) -> Value {
    let mut params = base;
    for (name, value) in changes.as_object().expect("an object") {
        params[name] = value.clone();
    }
    params
}

/// An order of ten, answered in full.
fn order(kind: &str, side: &str, changes: &Value) -> Value {
    let base = json!({"symbol": "USDCNY", "side": side, "type": kind, "quantity": "10", "newOrderRespType": "FULL"});
    with(base, changes)
}

fn limit_order(kind: &str, side: &str, changes: &Value) -> Value {
    order(kind, side, &with(json!({"timeInForce": "GTC"}), changes))
}

fn status(door: &mut Door<'_>, id: &Value) -> Value {
    door.ask("order.status", json!({"symbol": "USDCNY", "orderId": id}))
}

fn is_error(told: &Value, code: i64, msg: &str) {
    assert_eq!((told["code"].as_i64(), told["msg"].as_str()), (Some(code), Some(msg)), "{told}");
}

const WOULD_TRIGGER: &str = "Stop price would trigger immediately.";

#[test]
fn each_type_waits_for_its_price_and_then_works() {
    let server = Server::start_durable();
    let bob = server.user("bob");
    for mut door in Door::both(&server, "alice") {
        // A buyer stops his losses above the price, and takes his profit below; a seller the other
        // way round.
        for (kind, side, stop, limit, short_of_it) in [
            ("STOP_LOSS_LIMIT", "BUY", "7.20000000", "7.30000000", "7.1999"),
            ("TAKE_PROFIT_LIMIT", "SELL", "7.20000000", "7.30000000", "7.1999"),
            ("STOP_LOSS_LIMIT", "SELL", "6.80000000", "6.70000000", "6.8001"),
            ("TAKE_PROFIT_LIMIT", "BUY", "6.80000000", "6.70000000", "6.8001"),
        ] {
            print(&bob, "7");
            let placed = door.ask("order.place", limit_order(kind, side, &json!({"price": limit, "stopPrice": stop})));
            let id = &placed["orderId"];
            assert_eq!((&placed["status"], &placed["type"]), (&json!("NEW"), &json!(kind)), "{placed}");
            assert_eq!((&placed["stopPrice"], &placed["price"]), (&json!(stop), &json!(limit)), "{placed}");
            assert_eq!((&placed["workingTime"], &placed["fills"]), (&json!(-1), &json!([])), "{placed}");
            assert_eq!(placed.get("trailingDelta"), None);
            print(&bob, short_of_it);
            let waiting = status(&mut door, id);
            assert_eq!((&waiting["isWorking"], &waiting["workingTime"]), (&json!(false), &json!(-1)), "{waiting}");
            assert_eq!((&waiting["stopPrice"], &waiting["timeInForce"]), (&json!(stop), &json!("GTC")));
            print(&bob, stop);
            let working = status(&mut door, id);
            assert_eq!((&working["isWorking"], &working["status"]), (&json!(true), &json!("NEW")), "{working}");
            assert!(working["workingTime"].as_u64() > working["time"].as_u64(), "{working}");
            assert_eq!((&working["workingTime"], &working["type"]), (&working["updateTime"], &json!(kind)));
            let canceled = door.ask("order.cancel", json!({"symbol": "USDCNY", "orderId": id}));
            assert_eq!((&canceled["status"], &canceled["type"]), (&json!("CANCELED"), &json!(kind)), "{canceled}");
            assert_eq!(canceled["stopPrice"], stop);
            assert_eq!(status(&mut door, id)["status"], "CANCELED");
        }
    }
}

#[test]
fn an_order_without_a_limit_takes_what_there_is() {
    let server = Server::start_durable();
    let bob = server.user("bob");
    for mut door in Door::both(&server, "alice") {
        for (kind, side, stop, other, price) in [
            ("STOP_LOSS", "BUY", "7.20000000", "SELL", "7.2500"),
            ("TAKE_PROFIT", "SELL", "7.20000000", "BUY", "7.1500"),
            ("STOP_LOSS", "SELL", "6.80000000", "BUY", "6.7500"),
            ("TAKE_PROFIT", "BUY", "6.80000000", "SELL", "6.8500"),
        ] {
            print(&bob, "7");
            let placed = door.ask("order.place", order(kind, side, &json!({"stopPrice": stop})));
            assert_eq!((&placed["type"], &placed["price"]), (&json!(kind), &json!("0.00000000")), "{placed}");
            let id = &placed["orderId"];
            print(&bob, stop);
            // Nobody was there: nothing rests without a limit.
            let lapsed = status(&mut door, id);
            assert_eq!((&lapsed["status"], &lapsed["isWorking"]), (&json!("EXPIRED"), &json!(true)), "{lapsed}");

            print(&bob, "7");
            let id = door.ask("order.place", order(kind, side, &json!({"stopPrice": stop})))["orderId"].take();
            let rest = format!("symbol=USDCNY&side={other}&type=LIMIT&timeInForce=GTC&price={price}&quantity=10");
            // It does not stand in the way of the price that triggers.
            assert_eq!(bob.signed("POST", "/api/v3/order", &rest).body["status"], "NEW");
            print(&bob, stop);
            let filled = status(&mut door, &id);
            assert_eq!(
                (&filled["status"], &filled["executedQty"]),
                (&json!("FILLED"), &json!("10.00000000")),
                "{kind} {side}: {filled}"
            );
            assert_eq!((&filled["type"], &filled["stopPrice"]), (&json!(kind), &json!(stop)));
        }
        assert_eq!(door.ask("openOrders.status", json!({})), json!([]));
    }
}

#[test]
fn immediate_ones_lapse_when_they_are_triggered() {
    let server = Server::start_durable();
    let bob = server.user("bob");
    for mut door in Door::both(&server, "alice") {
        for time_in_force in ["IOC", "FOK"] {
            print(&bob, "7");
            let changes = json!({"timeInForce": time_in_force, "price": "7.3", "stopPrice": "7.2"});
            let placed = door.ask("order.place", order("STOP_LOSS_LIMIT", "BUY", &changes));
            assert_eq!((&placed["status"], &placed["timeInForce"]), (&json!("NEW"), &json!(time_in_force)));
            print(&bob, "7.2");
            let lapsed = status(&mut door, &placed["orderId"]);
            assert_eq!((&lapsed["status"], &lapsed["type"]), (&json!("EXPIRED"), &json!("STOP_LOSS_LIMIT")));
            assert_eq!(lapsed["timeInForce"], time_in_force);
        }
    }
}

#[test]
fn a_trailing_order_follows_the_price() {
    let server = Server::start_durable();
    let bob = server.user("bob");
    for mut door in Door::both(&server, "alice") {
        print(&bob, "7");
        let mut wait = |kind: &str, side: &str, changes: Value, prints: &[&str], last: &str| {
            let placed = door.ask("order.place", limit_order(kind, side, &changes));
            assert_eq!(placed["type"], kind, "{placed}");
            for price in prints {
                print(&bob, price);
                assert_eq!(status(&mut door, &placed["orderId"])["isWorking"], false, "{kind} {side} at {price}");
            }
            print(&bob, last);
            let working = status(&mut door, &placed["orderId"]);
            assert_eq!(working["isWorking"], true, "{working}");
            assert_eq!((&working["type"], &working["trailingDelta"]), (&json!(kind), &placed["trailingDelta"]));
            assert_eq!(working["stopPrice"], placed["stopPrice"]);
            door.ask("order.cancel", json!({"symbol": "USDCNY", "orderId": placed["orderId"]}));
            placed
        };
        // A seller follows the highest, here 7.2, and sells one percent below it.
        let changes = json!({"price": "6.9", "trailingDelta": "100"});
        let placed = wait("STOP_LOSS_LIMIT", "SELL", changes, &["7.05", "7.2", "7.1281"], "7.128");
        assert_eq!((&placed["trailingDelta"], &placed["stopPrice"]), (&json!(100), &json!("0.00000000")));
        // A buyer follows the lowest, here 6.5, once it is below 6.6.
        print(&bob, "7");
        let changes = json!({"price": "6.9", "trailingDelta": 200, "stopPrice": "6.6"});
        let placed = wait("TAKE_PROFIT_LIMIT", "BUY", changes, &["7.5", "6.7", "7", "6.6", "6.5", "6.6299"], "6.63");
        assert_eq!((&placed["trailingDelta"], &placed["stopPrice"]), (&json!(200), &json!("6.60000000")));
        // Above 7.3 a seller takes his profit, and a buyer stops his losses.
        print(&bob, "7");
        let changes = json!({"price": "7", "trailingDelta": "1000", "stopPrice": "7.3"});
        wait("TAKE_PROFIT_LIMIT", "SELL", changes.clone(), &["7.2", "6", "7.3", "8", "7.2001"], "7.2");
        wait("STOP_LOSS_LIMIT", "BUY", changes, &["6", "7.2", "7.3", "7.1", "7.8099"], "7.81");
    }
}

#[test]
fn what_cannot_wait_is_refused() {
    let server = Server::start_durable();
    let bob = server.user("bob");
    for (mut door, first) in Door::both(&server, "alice").into_iter().zip([true, false]) {
        if first {
            // It must be funded, and nobody knows for what.
            let unknown = door.ask("order.place", order("STOP_LOSS", "BUY", &json!({"trailingDelta": 100})));
            is_error(&unknown, -2010, "There is no last price to trail yet.");
        }
        print(&bob, "7");
        for (kind, side, stop) in [
            ("STOP_LOSS", "BUY", "7"),
            ("STOP_LOSS", "SELL", "7"),
            ("TAKE_PROFIT", "BUY", "7.1"),
            ("TAKE_PROFIT", "SELL", "6.9"),
        ] {
            is_error(&door.ask("order.place", order(kind, side, &json!({"stopPrice": stop}))), -2010, WOULD_TRIGGER);
        }
        let mut refused = |kind: &str, side: &str, changes: Value, code: i64, msg: &str| {
            let base = if kind.ends_with("LIMIT") { limit_order } else { order };
            is_error(&door.ask("order.place", base(kind, side, &changes)), code, msg);
        };
        let poor = "Account has insufficient balance for requested action.";
        // With what the price may slip, it is more than 700,000.
        refused("STOP_LOSS", "BUY", json!({"stopPrice": "7.1", "quantity": "97000"}), -2010, poor);
        refused("STOP_LOSS", "SELL", json!({"stopPrice": "6.9", "quantity": "100001"}), -2010, poor);
        let filter = |name: &str| format!("Filter failure: {name}");
        refused("STOP_LOSS", "SELL", json!({"stopPrice": "0"}), -1013, &filter("PRICE_FILTER"));
        refused("STOP_LOSS", "SELL", json!({"stopPrice": "6.00001"}), -1013, &filter("PRICE_FILTER"));
        refused("TAKE_PROFIT", "SELL", json!({"stopPrice": "9999999"}), -1013, &filter("PRICE_FILTER"));
        refused("STOP_LOSS", "SELL", json!({"trailingDelta": 9}), -1013, &filter("TRAILING_DELTA"));
        refused("TAKE_PROFIT", "BUY", json!({"trailingDelta": "2001"}), -1013, &filter("TRAILING_DELTA"));
        let small = json!({"stopPrice": "6.9", "price": "6.9", "quantity": "0.01"});
        refused("STOP_LOSS_LIMIT", "SELL", small, -1013, &filter("NOTIONAL"));
        refused(
            "STOP_LOSS",
            "SELL",
            json!({"stopPrice": "6.9", "quantity": "0.001"}),
            -1013,
            &filter("MARKET_LOT_SIZE"),
        );
        let neither = "Param 'stopPrice' or 'trailingDelta' must be sent, but both were empty/null!";
        refused("STOP_LOSS", "SELL", json!({}), -1102, neither);
        let foreign = "Parameter 'quoteOrderQty' sent when not required.";
        refused("TAKE_PROFIT", "SELL", json!({"stopPrice": "8", "quoteOrderQty": "10"}), -1106, foreign);
        let tested = door.ask("order.test", order("STOP_LOSS", "SELL", &json!({"trailingDelta": "10"})));
        assert_eq!(tested, json!({}));
        assert_eq!(door.ask("openOrders.status", json!({})), json!([]));
    }
}

#[test]
fn one_that_waits_can_be_changed() {
    let server = Server::start_durable();
    let bob = server.user("bob");
    for mut door in Door::both(&server, "alice") {
        print(&bob, "7");
        let stop = limit_order("STOP_LOSS_LIMIT", "SELL", &json!({"price": "6.7", "stopPrice": "6.8"}));
        let id = door.ask("order.place", stop.clone())["orderId"].take();
        let amended = door.ask("order.amend.keepPriority", json!({"symbol": "USDCNY", "orderId": id, "newQty": "6"}));
        let after = &amended["amendedOrder"];
        assert_eq!((&after["qty"], &after["type"]), (&json!("6.00000000"), &json!("STOP_LOSS_LIMIT")), "{amended}");
        assert_eq!((&after["workingTime"], &after["preventedQty"]), (&json!(-1), &json!("0.00000000")));
        let filled_only = json!({"symbol": "USDCNY", "orderId": id, "cancelRestrictions": "ONLY_PARTIALLY_FILLED"});
        let restricted = door.ask("order.cancel", filled_only);
        is_error(&restricted, -2011, "Order was not canceled due to cancel restrictions.");
        let replacement =
            with(stop, &json!({"stopPrice": "6.9", "cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrderId": id}));
        let both = door.ask("order.cancelReplace", replacement.clone());
        assert_eq!((&both["cancelResult"], &both["newOrderResult"]), (&json!("SUCCESS"), &json!("SUCCESS")), "{both}");
        assert_eq!(both["cancelResponse"]["origQty"], "6.00000000");
        let id = &both["newOrderResponse"]["orderId"];
        assert_eq!(both["newOrderResponse"]["stopPrice"], "6.90000000");
        // The old one is gone even if the new one would not wait.
        let half = door.ask("order.cancelReplace", with(replacement, &json!({"stopPrice": "7", "cancelOrderId": id})));
        is_error(&half, -2021, "Order cancel-replace partially failed.");
        assert_eq!(half["data"]["newOrderResponse"]["msg"], WOULD_TRIGGER);
        assert_eq!(door.ask("openOrders.status", json!({})), json!([]));
        for trailing in [json!({"stopPrice": "7.5"}), json!({"trailingDelta": 50})] {
            door.ask("order.place", order("TAKE_PROFIT", "SELL", &trailing));
        }
        let all = door.ask("openOrders.cancelAll", json!({"symbol": "USDCNY"}));
        let types: Vec<&Value> = all.as_array().expect("an array").iter().map(|order| &order["type"]).collect();
        // A trailing order without a stop price may be either: it is shown as a stop loss.
        assert_eq!(types, ["TAKE_PROFIT", "STOP_LOSS"]);
    }
    let orders = server.user("alice").signed("GET", "/api/v3/allOrders", "symbol=USDCNY").body;
    let orders = orders.as_array().expect("an array");
    assert!(orders.iter().all(|order| order["isWorking"] == false && order["workingTime"] == -1), "{orders:?}");
    assert_eq!((orders.len(), &orders[4]["trailingDelta"]), (10, &json!(50)));
}

#[test]
fn the_owner_hears_when_it_is_triggered() {
    let server = Server::start_durable();
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let mut socket = Socket::open(&server, "/ws-api/v3?returnRateLimits=false");
    socket.call("userDataStream.subscribe.signature", alice.socket_params(json!({})));
    print(&bob, "7");
    bob.signed("POST", "/api/v3/order", "symbol=USDCNY&side=BUY&type=LIMIT&timeInForce=GTC&price=6.7&quantity=4");
    let changes = json!({"price": "6.7", "stopPrice": "6.8"});
    socket.call("order.place", alice.socket_params(limit_order("STOP_LOSS_LIMIT", "SELL", &changes)));
    let new = socket.event();
    let heads = |event: &Value| ["x", "X", "o", "P", "w"].map(|key| event[key].clone());
    assert_eq!(heads(&new), [json!("NEW"), json!("NEW"), json!("STOP_LOSS_LIMIT"), json!("6.80000000"), json!(false)]);
    assert!(new.get("W").is_none() && new.get("d").is_none() && new["V"] == "NONE", "{new}");
    let position = socket.event();
    assert!(
        position["B"]
            .as_array()
            .is_some_and(|all| all.contains(&json!({"a": "USD", "f": "99990.00000000", "l": "10.00000000"}))),
        "{position}"
    );
    print(&bob, "6.8");
    let triggered = socket.event();
    assert_eq!((&triggered["x"], &triggered["X"], &triggered["w"]), (&json!("NEW"), &json!("NEW"), &json!(true)));
    assert_eq!((&triggered["W"], &triggered["i"]), (&triggered["T"], &new["i"]), "{triggered}");
    assert!(triggered["W"].as_u64() >= triggered["O"].as_u64());
    let trade = socket.event();
    assert_eq!(
        (&trade["x"], &trade["X"], &trade["l"]),
        (&json!("TRADE"), &json!("PARTIALLY_FILLED"), &json!("4.00000000"))
    );
    assert_eq!((&trade["W"], &trade["o"], &trade["m"]), (&triggered["W"], &json!("STOP_LOSS_LIMIT"), &json!(false)));
    assert_eq!(socket.event()["e"], "outboundAccountPosition");

    socket.call(
        "order.place",
        alice.socket_params(order("TAKE_PROFIT", "SELL", &json!({"stopPrice": "8", "trailingDelta": 70}))),
    );
    let trailing = socket.event();
    assert_eq!(
        (&trailing["o"], &trailing["d"], &trailing["P"]),
        (&json!("TAKE_PROFIT"), &json!(70), &json!("8.00000000"))
    );
    socket.event();
    // A new order in the stead of another is told of even if it is refused.
    let refused = json!({"stopPrice": "9", "cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrderId": trailing["i"]});
    socket.call("order.cancelReplace", alice.socket_params(order("STOP_LOSS", "SELL", &refused)));
    let canceled = socket.event();
    assert_eq!((&canceled["x"], &canceled["w"]), (&json!("CANCELED"), &json!(false)));
    assert!(canceled.get("W").is_none(), "it has never worked: {canceled}");
    let rejected = socket.event();
    assert_eq!((&rejected["x"], &rejected["r"]), (&json!("REJECTED"), &json!("STOP_PRICE_WOULD_TRIGGER_IMMEDIATELY")));
}

#[test]
fn one_order_may_trigger_many() {
    let server = Server::start_durable();
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    print(&bob, "7");
    // More than one command carries out, each with its own limit below the one before.
    for number in 0..150 {
        let limit = format!("{:.4}", 6.5 - f64::from(number) / 1_000.0);
        let query = format!(
            "symbol=USDCNY&side=SELL&type=STOP_LOSS_LIMIT&timeInForce=GTC&price={limit}&stopPrice=6.8&quantity=1"
        );
        assert_eq!(alice.signed("POST", "/api/v3/order", &query).status, 200);
    }
    print(&bob, "6.8");
    let bid =
        bob.signed("POST", "/api/v3/order", "symbol=USDCNY&side=BUY&type=LIMIT&timeInForce=IOC&price=6.8&quantity=150");
    assert_eq!((&bid.body["status"], &bid.body["executedQty"]), (&json!("FILLED"), &json!("150.00000000")));
    assert_eq!(alice.signed("GET", "/api/v3/openOrders", "").body, json!([]));
    let orders = alice.signed("GET", "/api/v3/allOrders", "symbol=USDCNY").body;
    let orders = orders.as_array().expect("an array");
    assert!(orders.len() == 150 && orders.iter().all(|order| order["status"] == "FILLED"));
}
