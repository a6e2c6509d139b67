//! What rails say by themselves.

use rialto_gateway::keys::Secret;
use rialto_gateway::rails::sign::Credentials;
use serde_json::json;

use crate::support::{Reply, Server};
use crate::{backend, balance, has, paid, server};

const TARGET: &str = "/callbacks/v1/acme/bank";

/// Calls back as somebody with this secret would.
fn call_back(server: &Server, secret: &str, body: &str) -> Reply {
    let credentials = Credentials::new("key-of-bank".to_owned(), &Secret::new(secret.to_owned()));
    let headers = credentials.headers("POST", TARGET, None, body.as_bytes());
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    server.request("POST", TARGET, &headers, body)
}

fn received(key: &str, reference: &str, amount: &str, state: &str) -> String {
    json!({"key": key, "status": "done", "movements": [
        {"reference": reference, "kind": "received", "asset": "USD", "amount": amount, "state": state}
    ]})
    .to_string()
}

#[test]
fn a_deposit_comes_in_by_callback_once() {
    let server = server();
    let backend = backend(&server);
    let tried = paid(&backend, "deposits", "id=d-1&user=alice&asset=USD&amount=25&rail=bank");
    assert_eq!(tried["transaction"]["state"], "open");
    let pending = received("acme/d-1", "B-1", "25.00000000", "pending");
    assert_eq!(call_back(&server, "secret-of-bank", &pending).status, 200);
    has(&server, "alice", "USD", "100000.00000000", "0.00000000");
    let settled = received("acme/d-1", "B-1", "25.00000000", "final");
    for _ in 0..3 {
        // However often it is told.
        let told = call_back(&server, "secret-of-bank", &settled);
        assert_eq!(told.status, 200, "{}", told.text);
        has(&server, "alice", "USD", "100025.00000000", "0.00000000");
    }
    let found = backend.signed("GET", "/payments/v1/transactions", "id=d-1");
    assert_eq!((&found.body["state"], &found.body["posted"]), (&json!("confirmed"), &json!("25.00000000")));
    // More than was expected is a case.
    let more = received("acme/d-1", "B-2", "5.00000000", "final");
    assert_eq!(call_back(&server, "secret-of-bank", &more).status, 200);
    has(&server, "alice", "USD", "100025.00000000", "0.00000000");
    let cases = server.user("viewer-acme").signed("GET", "/operator/v1/cases", "");
    assert_eq!(cases.body.as_array().map(Vec::len), Some(1), "{}", cases.text);
    assert_eq!((&cases.body[0]["kind"], &cases.body[0]["amount"]), (&json!("excess"), &json!("5.00000000")));
}

#[test]
fn a_callback_that_is_not_the_rails_changes_nothing() {
    let server = server();
    paid(&backend(&server), "deposits", "id=d-1&user=alice&asset=USD&amount=25&rail=bank");
    let before = balance(&server, "alice", "USD");
    let body = received("acme/d-1", "B-1", "25.00000000", "final");
    assert_eq!(call_back(&server, "another", &body).status, 401);
    assert_eq!(server.request("POST", TARGET, &[], &body).status, 401);
    assert_eq!(call_back(&server, "secret-of-bank", "{}").status, 400);
    assert_eq!(call_back(&server, "secret-of-bank", &body.replace("acme/", "bolt/")).status, 400);
    // What the requests to the rail are signed with opens nothing here.
    assert_eq!(call_back(&server, "secret-to-bank", &body).status, 401);
    for path in
        ["/callbacks/v1/acme/none", "/callbacks/v1/none/bank", "/callbacks/v1/acme", "/callbacks/v1/acme/direct"]
    {
        assert_eq!(server.request("POST", path, &[], &body).status, 404, "{path}");
    }
    assert_eq!(server.get(TARGET).status, 405);
    assert_eq!(balance(&server, "alice", "USD"), before);
}

#[test]
fn a_stale_callback_is_refused_as_such() {
    let server = server();
    paid(&backend(&server), "deposits", "id=d-1&user=alice&asset=USD&amount=25&rail=bank");
    let body = received("acme/d-1", "B-1", "25.00000000", "final");
    // Signed as documented, an hour ago.
    let timestamp = (crate::support::now_ms() - 3_600_000).to_string();
    let nonce = "00112233445566778899aabbccddeeff";
    let hash = crate::support::sha256(body.as_bytes());
    let text = format!("RIALTO1\nPOST\n{TARGET}\n{timestamp}\n{nonce}\n\n{hash}");
    let signature = crate::support::hmac("secret-of-bank", text.as_bytes());
    let headers = [
        ("Rialto-Key", "key-of-bank"),
        ("Rialto-Timestamp", timestamp.as_str()),
        ("Rialto-Nonce", nonce),
        ("Rialto-Signature", signature.as_str()),
    ];
    let told = server.request("POST", TARGET, &headers, &body);
    assert_eq!((told.status, told.body["code"].as_i64()), (401, Some(-1021)), "{}", told.text);
    has(&server, "alice", "USD", "100000.00000000", "0.00000000");
}
