//! Deposits and withdrawals as users meet them.

use serde_json::{Value, json};

use crate::support::Socket;
use crate::{backend, durable_server, has, paid, refused, server};

const APPLY: &str = "/sapi/v1/capital/withdraw/apply";
const WITHDRAWALS: &str = "/sapi/v1/capital/withdraw/history";
const DEPOSITS: &str = "/sapi/v1/capital/deposit/hisrec";

#[test]
fn a_user_withdraws_in_the_dialect() {
    let server = server();
    paid(&backend(&server), "transfers", "id=t&from=alice&to=shop&asset=USD&amount=100");
    let shop = server.user("shop-acme");
    let ask = "coin=USD&network=bank&address=DE00&addressTag=7&amount=10&withdrawOrderId=mine";
    let applied = shop.signed_body("POST", APPLY, ask);
    assert_eq!(applied.status, 200, "{}", applied.text);
    let again = shop.signed_body("POST", APPLY, ask);
    assert_eq!(again.body, applied.body);
    has(&server, "shop", "USD", "89.49000000", "10.51000000");
    let history = shop.signed("GET", WITHDRAWALS, "coin=USD").body;
    assert_eq!(history.as_array().map(Vec::len), Some(1), "{history}");
    let row = &history[0];
    assert_eq!((&row["id"], &row["status"], &row["amount"]), (&applied.body["id"], &json!(4), &json!("10.00000000")));
    assert_eq!((&row["address"], &row["addressTag"], &row["network"]), (&json!("DE00"), &json!("7"), &json!("bank")));
    assert_eq!((&row["withdrawOrderId"], &row["transactionFee"]), (&json!("mine"), &json!("0.51000000")));
    assert_eq!(shop.signed("GET", WITHDRAWALS, "withdrawOrderId=other").body, json!([]));
    assert_eq!(shop.signed("GET", WITHDRAWALS, "status=6").body, json!([]));
    // Two that are not named are two, even when all else is the same.
    for _ in 0..2 {
        assert_eq!(shop.signed_body("POST", APPLY, "coin=USD&network=bank&address=DE00&amount=1").status, 200);
    }
    assert_eq!(shop.signed("GET", WITHDRAWALS, "").body.as_array().map(Vec::len), Some(3));
    for (query, status, code) in [
        ("coin=USD&network=bank&address=DE00&amount=1000", 400, -4_026),
        ("coin=XXX&network=bank&address=DE00&amount=1", 400, -4_018),
        ("coin=CNY&network=bank&address=DE00&amount=1", 400, -4_019),
        ("coin=USD&network=bank&address=DE00&amount=0.9", 400, -4_022),
        ("coin=USD&network=bank&address=DE00&amount=0", 400, -9_018),
        ("coin=USD&network=bank&amount=1", 400, -1102),
    ] {
        assert_eq!(refused(&shop.signed_body("POST", APPLY, query)), (status, code), "{query}");
    }
    // A key that may not take money out.
    let alice = server.user("alice").signed_body("POST", APPLY, "coin=USD&network=bank&address=DE00&amount=1");
    assert_eq!(refused(&alice), (401, -2015));
}

#[test]
fn coins_tell_the_rails_that_carry_them() {
    let server = server();
    let coins = server.user("alice").signed("GET", "/sapi/v1/capital/config/getall", "").body;
    let coin =
        |name: &str| coins.as_array().expect("coins").iter().find(|coin| coin["coin"] == name).expect("it").clone();
    let networks = |coin: &Value| -> Vec<(String, bool, bool)> {
        let rows = coin["networkList"].as_array().expect("rows").iter();
        rows.map(|row| {
            let is = |name: &str| row[name].as_bool().expect("yes or no");
            (row["network"].as_str().expect("a name").to_owned(), is("depositEnable"), is("withdrawEnable"))
        })
        .collect()
    };
    assert_eq!(networks(&coin("USD")), [("bank".to_owned(), true, true), ("card".to_owned(), true, true)]);
    assert_eq!(networks(&coin("CNY")), [("bank".to_owned(), true, false)]);
    let bank = &coin("USD")["networkList"][0];
    assert_eq!(
        (&bank["withdrawMin"], &bank["withdrawMax"], &bank["withdrawFee"]),
        (&json!("1.00000000"), &json!("5000.00000000"), &json!("0.50000000"))
    );
}

#[test]
fn deposits_stand_in_their_history_while_they_come_and_afterwards() {
    let server = durable_server();
    let (backend, alice) = (backend(&server), server.user("alice"));
    paid(&backend, "deposits", "id=d-1&user=alice&asset=USD&amount=25&rail=bank");
    let pending = alice.signed("GET", DEPOSITS, "").body;
    assert_eq!((&pending[0]["status"], &pending[0]["amount"]), (&json!(0), &json!("25.00000000")), "{pending}");
    let report = "id=d-1&report=received&reference=B-1&asset=USD&amount=25&evidence=statement";
    let told = server.user("treasurer1-acme").signed("POST", "/operator/v1/transactions/report", report);
    assert_eq!(told.status, 200, "{}", told.text);
    let credited = alice.signed("GET", DEPOSITS, "coin=USD").body;
    assert_eq!((&credited[0]["status"], &credited[0]["txId"]), (&json!(1), &json!("B-1")), "{credited}");
    assert_eq!(alice.signed("GET", DEPOSITS, "status=0").body, json!([]));
    assert_eq!(server.user("bob").signed("GET", DEPOSITS, "").body, json!([]));
    let found = backend.signed("GET", "/payments/v1/transactions", "id=d-1");
    assert_eq!(
        (&found.body["state"], &found.body["amount"]),
        (&json!("confirmed"), &json!("25.00000000")),
        "{}",
        found.text
    );
}

#[test]
fn deposits_and_withdrawals_stand_in_the_history_of_legal_money_page_by_page() {
    const ORDERS: &str = "/sapi/v1/fiat/orders";
    let server = durable_server();
    let (backend, shop) = (backend(&server), server.user("shop-acme"));
    let treasurer = server.user("treasurer1-acme");
    let begun = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_millis();
    for number in 1..=3 {
        paid(&backend, "deposits", &format!("id=d-{number}&user=shop&asset=USD&amount=2{number}&rail=bank"));
    }
    for report in ["id=d-1&report=received&reference=B-1&asset=USD&amount=21", "id=d-2&report=canceled"] {
        let report = format!("{report}&evidence=statement");
        assert_eq!(treasurer.signed("POST", "/operator/v1/transactions/report", &report).status, 200);
    }
    let orders = shop.signed("GET", ORDERS, "transactionType=0").body;
    assert_eq!((&orders["code"], &orders["success"], &orders["total"]), (&json!("000000"), &json!(true), &json!(3)));
    let rows = orders["data"].as_array().expect("rows");
    let told: Vec<_> = rows.iter().map(|row| (&row["orderNo"], &row["status"])).collect();
    let (third, second, first) = (json!("d-3"), json!("d-2"), json!("d-1"));
    let (processing, failed, successful) = (json!("Processing"), json!("Failed"), json!("Successful"));
    assert_eq!(told, [(&third, &processing), (&second, &failed), (&first, &successful)]);
    let row = &rows[2];
    assert_eq!(
        (&row["fiatCurrency"], &row["indicatedAmount"], &row["amount"], &row["totalFee"], &row["method"]),
        (&json!("USD"), &json!("21.00000000"), &json!("21.00000000"), &json!("0.00000000"), &json!("bank"))
    );
    assert!(row["createTime"].as_u64() <= row["updateTime"].as_u64() && row["createTime"].is_u64(), "{row}");
    let page = shop.signed("GET", ORDERS, "transactionType=0&rows=2&page=2").body;
    assert_eq!((&page["data"][0]["orderNo"], &page["data"][1], &page["total"]), (&first, &Value::Null, &json!(3)));
    assert_eq!(shop.signed("GET", ORDERS, "transactionType=0&page=3&rows=2").body["data"], json!([]));
    let before = format!("transactionType=0&endTime={}", begun - 1);
    assert_eq!(shop.signed("GET", ORDERS, &before).body["total"], 0);
    let since = format!("transactionType=0&beginTime={begun}");
    assert_eq!(shop.signed("GET", ORDERS, &since).body["total"], 3);

    let applied = shop.signed_body("POST", APPLY, "coin=USD&network=bank&address=DE00&amount=10");
    let out = shop.signed("GET", ORDERS, "transactionType=1").body;
    assert_eq!((&out["data"][0]["orderNo"], &out["total"]), (&applied.body["id"], &json!(1)), "{}", applied.text);
    assert_eq!((&out["data"][0]["status"], &out["data"][0]["totalFee"]), (&processing, &json!("0.51000000")));
    assert_eq!(server.user("bob").signed("GET", ORDERS, "transactionType=1").body["total"], 0, "not his");
    for (query, code) in [
        ("", -1102),
        ("transactionType=2", -1130),
        ("transactionType=0&rows=501", -1130),
        ("transactionType=0&rows=0", -1130),
        ("transactionType=0&page=0", -1130),
    ] {
        assert_eq!(refused(&shop.signed("GET", ORDERS, query)), (400, code), "{query}");
    }
}

#[test]
fn user_streams_tell_of_money_that_moves() {
    let server = server();
    let alice = server.user("alice");
    let mut socket = Socket::open(&server, "/t/acme/ws-api/v3");
    let subscribed = socket.call("userDataStream.subscribe.signature", alice.socket_params(json!({})));
    assert_eq!(subscribed["status"], 200, "{subscribed}");
    paid(&backend(&server), "transfers", "id=t-1&from=alice&to=bob&asset=USD&amount=12.5");
    let update = socket.event();
    assert_eq!(
        (&update["e"], &update["a"], &update["d"]),
        (&json!("balanceUpdate"), &json!("USD"), &json!("-12.50000000"))
    );
    let position = socket.event();
    assert_eq!(position["e"], "outboundAccountPosition");
    assert_eq!(position["B"], json!([{"a": "USD", "f": "99987.50000000", "l": "0.00000000"}]));
    // What is merely held has not left.
    paid(&backend(&server), "transfers", "id=t-2&from=alice&to=bob&asset=USD&amount=1&held=true");
    let held = socket.event();
    assert_eq!(held["B"], json!([{"a": "USD", "f": "99986.50000000", "l": "1.00000000"}]), "{held}");
}
