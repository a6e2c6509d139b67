//! What one tenant does is invisible to the other: same symbols, same users, same client ids.

use std::time::Duration;

use rialto_tests::client::{Key, Session, call, limit, signed};
use rialto_tests::server::{Server, two_tenants};
use serde_json::{Value, json};

fn order(server: &Server, tenant: &str, user: &str, parameters: &str) -> (u16, Value) {
    let key = Key::of(tenant, user);
    signed("POST", &format!("{}/t/{tenant}", server.url()), "/api/v3/order", &key, parameters)
}

#[test]
fn an_order_of_one_tenant_never_meets_the_other_over_rest() {
    let server = Server::start(&two_tenants());
    let sell = "symbol=USDCNY&side=SELL&type=LIMIT&timeInForce=GTC&quantity=100&price=7.0000&newClientOrderId=same";
    let buy = "symbol=USDCNY&side=BUY&type=LIMIT&timeInForce=GTC&quantity=100&price=7.0000&newClientOrderId=same";
    let (status, placed) = order(&server, "acme", "alice", sell);
    assert_eq!((status, &placed["status"]), (200, &json!("NEW")), "{placed}");
    let (status, crossing) = order(&server, "globex", "alice", buy);
    assert_eq!((status, &crossing["status"]), (200, &json!("NEW")), "{crossing}");
    assert_eq!(placed["orderId"], crossing["orderId"], "each tenant counts its own orders");

    for (tenant, side) in [("acme", "asks"), ("globex", "bids")] {
        let (_, depth) = call("GET", &format!("{}/t/{tenant}/api/v3/depth?symbol=USDCNY", server.url()), None);
        let other = if side == "asks" { "bids" } else { "asks" };
        assert_eq!(depth[side], json!([["7.00000000", "100.00000000"]]), "{depth}");
        assert_eq!(depth[other], json!([]), "{depth}");
    }

    // Cancelling by the same client id takes out one's own.
    let base = format!("{}/t/globex", server.url());
    let (status, canceled) =
        signed("DELETE", &base, "/api/v3/order", &Key::of("globex", "alice"), "symbol=USDCNY&origClientOrderId=same");
    assert_eq!((status, &canceled["side"]), (200, &json!("BUY")), "{canceled}");
    let (_, open) =
        signed("GET", &format!("{}/t/acme", server.url()), "/api/v3/openOrders", &Key::of("acme", "alice"), "");
    assert_eq!(open.as_array().map(Vec::len), Some(1), "{open}");
    let (status, gone) =
        signed("DELETE", &base, "/api/v3/order", &Key::of("globex", "alice"), "symbol=USDCNY&origClientOrderId=same");
    assert_eq!((status, &gone["code"]), (400, &json!(-2011)), "{gone}");
    let (_, trades) = signed("GET", &base, "/api/v3/myTrades", &Key::of("globex", "alice"), "symbol=USDCNY");
    assert_eq!(trades, json!([]));
}

#[test]
fn a_key_is_good_in_its_own_tenant_only() {
    let server = Server::start(&two_tenants());
    for path in ["/t/acme", "/t/nobody"] {
        let (status, refused) =
            signed("GET", &format!("{}{path}", server.url()), "/api/v3/account", &Key::of("globex", "alice"), "");
        assert!(status == 401 || status == 404, "{status} {refused}");
        assert!(refused["code"] == -2015 || refused["code"] == -1121, "{refused}");
    }
    // Without a prefix, the key decides.
    for tenant in ["acme", "globex"] {
        let (status, account) = signed("GET", &server.url(), "/api/v3/account", &Key::of(tenant, "alice"), "");
        assert_eq!(status, 200, "{account}");
    }
}

#[test]
fn sessions_and_streams_of_one_tenant_hear_nothing_of_the_other() {
    let server = Server::start(&two_tenants());
    let mut users = ["acme", "globex"].map(|tenant| {
        let mut session = Session::log_on(&server.ws_url(), tenant, &Key::of(tenant, "alice"));
        let reply = session.ask("userDataStream.subscribe", json!({}));
        assert_eq!(reply["status"], 200, "{reply}");
        session
    });
    let mut publics = ["acme", "globex"].map(|tenant| {
        let streams = "usdcny@trade/usdcny@bookTicker/usdcny@depth@100ms/usdcny@kline_1m/usdcny@aggTrade";
        Session::connect(&format!("{}/t/{tenant}/stream?streams={streams}", server.ws_url()))
    });
    std::thread::sleep(Duration::from_millis(200));
    let mut bob = Session::log_on(&server.ws_url(), "acme", &Key::of("acme", "bob"));
    let placed = users[0].ask("order.place", limit("USDCNY", "SELL", "7.1000", "50", "x1"));
    assert_eq!(placed["status"], 200, "{placed}");
    let taken = bob.ask("order.place", limit("USDCNY", "BUY", "7.1000", "50", "x1"));
    assert_eq!(taken["result"]["status"], "FILLED", "{taken}");
    // The other tenant cancels and looks for the same names and finds nothing.
    let cancel =
        json!({"symbol": "USDCNY", "origClientOrderId": "x1", "timestamp": rialto_tests::client::now_millis()});
    let refused = users[1].ask("order.cancel", cancel.clone());
    assert_eq!(refused["error"]["code"], -2011, "{refused}");
    let unknown = users[1].ask("order.status", cancel);
    assert_eq!(unknown["error"]["code"], -2013, "{unknown}");

    users[0].wait_for("fill", |message| message["event"]["x"] == "TRADE");
    publics[0].wait_for("trade", |message| message["stream"] == "usdcny@trade");
    publics[0].wait_for("depth", |message| message["stream"] == "usdcny@depth@100ms");
    let heard = users[1].drain(Duration::from_millis(800));
    assert!(heard.iter().all(|message| message["event"].is_null()), "{heard:?}");
    let heard = publics[1].drain(Duration::from_millis(800));
    let trades =
        heard.iter().filter(|message| message["stream"] == "usdcny@trade" || message["stream"] == "usdcny@aggTrade");
    assert_eq!(trades.count(), 0, "{heard:?}");
    for message in &heard {
        let data = &message["data"];
        let silent = |side: &str| data[side].as_array().is_none_or(Vec::is_empty);
        assert!(silent("b") && silent("a"), "{message}");
    }
}
