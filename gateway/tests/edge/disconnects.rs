//! Orders that end with the connection they came through.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Server, Socket, User};

fn order(price: &str) -> Value {
    json!({"symbol": "USDCNY", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": price, "quantity": "10"})
}

fn open(user: &User<'_>) -> Vec<u64> {
    let orders = user.signed("GET", "/api/v3/openOrders", "").body;
    orders.as_array().expect("orders").iter().filter_map(|order| order["orderId"].as_u64()).collect()
}

fn until_open(user: &User<'_>, expected: &[u64]) {
    let began = Instant::now();
    while open(user) != expected {
        assert!(began.elapsed() < Duration::from_secs(10), "{:?} are open, not {expected:?}", open(user));
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn place(socket: &mut Socket, user: &User<'_>, price: &str) -> u64 {
    let reply = socket.call("order.place", user.socket_params(order(price)));
    reply["result"]["orderId"].as_u64().unwrap_or_else(|| panic!("{reply}"))
}

#[test]
fn what_came_through_a_connection_that_is_cut_is_cancelled() {
    let server = Server::start();
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let kept =
        alice.signed("POST", "/api/v3/order", "symbol=USDCNY&side=BUY&type=LIMIT&timeInForce=GTC&price=6&quantity=10");
    let kept = kept.body["orderId"].as_u64().expect("a number");
    let mut others = Socket::open(&server, "/ws-api/v3");
    let of_bob = place(&mut others, &bob, "6.1");
    let before_it = {
        let mut socket = Socket::open(&server, "/ws-api/v3");
        let before = place(&mut socket, &alice, "6.2");
        let told = socket.call("session.cancelOnDisconnect", json!({}));
        assert_eq!(told["result"]["cancelOnDisconnect"], true, "{told}");
        place(&mut socket, &alice, "6.3");
        // Of whoever signs, and lists as well.
        place(&mut socket, &bob, "6.4");
        let list = json!({"symbol": "USDCNY", "workingType": "LIMIT", "workingSide": "BUY", "workingPrice": "6.5",
            "workingQuantity": "10", "workingTimeInForce": "GTC", "pendingType": "LIMIT", "pendingSide": "SELL",
            "pendingPrice": "8", "pendingQuantity": "10", "pendingTimeInForce": "GTC"});
        let list = socket.call("orderList.place.oto", alice.socket_params(list));
        assert_eq!(list["status"], 200, "{list}");
        let replaced = place(&mut socket, &alice, "6.6");
        let mut replacement = order("6.7");
        replacement["cancelReplaceMode"] = json!("STOP_ON_FAILURE");
        replacement["cancelOrderId"] = json!(replaced);
        let reply = socket.call("order.cancelReplace", alice.socket_params(replacement));
        assert_eq!(reply["status"], 200, "{reply}");
        assert_eq!((open(&alice).len(), open(&bob).len()), (6, 2));
        socket.cut();
        before
    };
    until_open(&alice, &[kept, before_it]);
    until_open(&bob, &[of_bob]);
}

#[test]
fn a_url_or_a_logon_may_ask_for_it_and_it_can_be_taken_back() {
    let server = Server::start();
    let alice = server.user("alice");
    let mut by_url = Socket::open(&server, "/ws-api/v3?cancelOnDisconnect=true");
    place(&mut by_url, &alice, "6");
    by_url.cut();
    until_open(&alice, &[]);

    let mut by_logon = Socket::open(&server, "/ws-api/v3");
    let told = by_logon.call("session.logon", alice.socket_params(json!({"cancelOnDisconnect": true})));
    assert_eq!(told["result"]["cancelOnDisconnect"], true, "{told}");
    place(&mut by_logon, &alice, "6");
    by_logon.cut();
    until_open(&alice, &[]);

    let mut taken_back = Socket::open(&server, "/ws-api/v3?cancelOnDisconnect=true");
    let stays = place(&mut taken_back, &alice, "6");
    let told = taken_back.call("session.cancelOnDisconnect", json!({"enabled": false}));
    assert_eq!(told["result"]["cancelOnDisconnect"], false, "{told}");
    taken_back.cut();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(open(&alice), [stays]);
}

#[test]
fn a_server_that_closes_the_connection_cancels_as_well() {
    let server = Server::start();
    let alice = server.user("alice");
    let mut socket = Socket::open(&server, "/ws-api/v3?cancelOnDisconnect=true");
    place(&mut socket, &alice, "6");
    // More than a message may be: the server says farewell.
    socket.send(&"x".repeat(70_000));
    assert_eq!(socket.close_code(), 1009);
    until_open(&alice, &[]);
}

#[test]
fn a_client_that_does_not_listen_is_cut_off_and_his_orders_with_him() {
    let server = Server::start_with_outbox(64 << 10);
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let mut deaf = Socket::open(&server, "/ws-api/v3?cancelOnDisconnect=true");
    deaf.call("userDataStream.subscribe.signature", bob.socket_params(json!({})));
    for price in ["6", "6.1", "6.2"] {
        place(&mut deaf, &alice, price);
    }
    // Bob is told so much of himself that it fits no buffer on the way.
    let mut busy = Socket::open(&server, "/ws-api/v3?returnRateLimits=false");
    let began = Instant::now();
    while open(&alice).len() == 3 {
        assert!(began.elapsed() < Duration::from_secs(60), "he was never cut off");
        for _ in 0..500 {
            let mut order = order("6");
            order["timeInForce"] = json!("IOC");
            busy.call("order.place", bob.socket_params(order));
        }
    }
    until_open(&alice, &[]);
}

#[test]
fn an_order_that_is_open_is_not_forgotten_among_many_that_were() {
    let server = Server::start();
    let alice = server.user("alice");
    let mut socket = Socket::open(&server, "/ws-api/v3?cancelOnDisconnect=true&returnRateLimits=false");
    let first = place(&mut socket, &alice, "6");
    for _ in 0..12 {
        for _ in 0..100 {
            place(&mut socket, &alice, "6.1");
        }
        for order in open(&alice).into_iter().filter(|order| *order != first) {
            let cancel = json!({"symbol": "USDCNY", "orderId": order});
            assert_eq!(socket.call("order.cancel", alice.socket_params(cancel))["status"], 200);
        }
    }
    assert_eq!(open(&alice), [first]);
    let last = place(&mut socket, &alice, "6.2");
    assert_eq!(open(&alice), [first, last]);
    socket.cut();
    until_open(&alice, &[]);
}
