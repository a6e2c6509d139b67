//! The query gateway as accountants, support and other systems meet it: a server in a thread, requests over
//! its socket.

#[path = "accounting/exports.rs"]
mod exports;
#[path = "accounting/statements.rs"]
mod statements;
#[path = "accounting/stories.rs"]
mod stories;
mod support;

use rialto_gateway::keys::Secret;
use rialto_gateway::rails::sign::Credentials;
use serde_json::{Value, json};
use support::{Server, User};

/// Beside what every tenant has: a backend, a viewer, a treasurer, a merchant, and a rail that calls back.
const TABLES: &str = r#"
[[tenants.operators]]
name = "backend"
api_key = "key-backend-{tenant}"
secret = "secret-backend-{tenant}"
role = "backend"
[[tenants.operators]]
name = "viewer"
api_key = "key-viewer-{tenant}"
secret = "secret-viewer-{tenant}"
role = "viewer"
[[tenants.operators]]
name = "treasurer"
api_key = "key-treasurer-{tenant}"
secret = "secret-treasurer-{tenant}"
role = "treasurer"
[[tenants.users]]
name = "shop"
[[tenants.rails]]
name = "bank"
url = "http://127.0.0.1:1/bank"
key = "key-to-bank"
secret = "secret-to-bank"
callback_key = "key-of-bank"
callback_secret = "secret-of-bank"
assets = [{ asset = "USD" }, { asset = "CNY" }]
[[tenants.fee_plans]]
kind = "payment"
asset = "USD"
rate_bps = 200
"#;

fn server() -> Server {
    Server::start_durable_configured(TABLES)
}

fn viewer(server: &Server) -> User<'_> {
    server.user("viewer-acme")
}

/// What a viewer of `acme` is told.
fn told(server: &Server, path: &str, query: &str) -> Value {
    let reply = viewer(server).signed("GET", &format!("/accounting/v1/{path}"), query);
    assert_eq!(reply.status, 200, "{path}?{query}: {}", reply.text);
    reply.body
}

/// Moves money, which goes through.
fn paid(server: &Server, path: &str, query: &str) -> Value {
    let reply = server.user("backend-acme").signed("POST", &format!("/payments/v1/{path}"), query);
    assert_eq!(reply.status, 200, "{path}?{query}: {}", reply.text);
    reply.body
}

/// The rail says that money came in for a deposit.
fn received(server: &Server, key: &str, reference: &str, amount: &str) {
    const TARGET: &str = "/callbacks/v1/acme/bank";
    let body = json!({"key": key, "status": "done", "movements": [
        {"reference": reference, "kind": "received", "asset": "USD", "amount": amount, "state": "final"}
    ]})
    .to_string();
    let credentials = Credentials::new("key-of-bank".to_owned(), &Secret::new("secret-of-bank".to_owned()));
    let headers = credentials.headers("POST", TARGET, None, body.as_bytes());
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let reply = server.request("POST", TARGET, &headers, &body);
    assert_eq!(reply.status, 200, "{}", reply.text);
}

/// An order of a user; its number.
fn ordered(server: &Server, user: &str, query: &str) -> u64 {
    let reply =
        server.user(user).signed("POST", "/api/v3/order", &format!("symbol=USDCNY&type=LIMIT&timeInForce=GTC&{query}"));
    assert_eq!(reply.status, 200, "{query}: {}", reply.text);
    reply.body["orderId"].as_u64().expect("a number")
}

/// A day of a little of everything: a trade, a transfer, a payment and its refund, a deposit. Alice's order.
fn a_day(server: &Server) -> u64 {
    let order = ordered(server, "alice", "side=SELL&quantity=100&price=7");
    ordered(server, "bob", "side=BUY&quantity=60&price=7");
    paid(server, "transfers", "id=t-1&from=alice&to=bob&asset=USD&amount=12.5");
    paid(server, "payments", "id=p-1&payer=alice&merchant=shop&asset=USD&amount=100");
    paid(server, "refunds", "id=r-1&payment=p-1&amount=20");
    paid(server, "deposits", "id=d-1&user=alice&asset=USD&amount=25&rail=bank");
    received(server, "acme/d-1", "B-1", "30.00");
    order
}

/// The rows of all pages of a path.
fn pages(server: &Server, path: &str, rows: &str, query: &str, limit: usize) -> Vec<Value> {
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let page = told(server, path, &format!("{query}&limit={limit}&after={after}"));
        let found = page[rows].as_array().expect("rows").clone();
        assert!(found.len() <= limit);
        all.extend(found);
        match page["next"].as_u64() {
            Some(next) => {
                assert!(next > after, "the cursor goes forward");
                after = next;
            }
            None => return all,
        }
    }
}

/// A decimal with eight decimals as units of them.
fn units(text: &Value) -> i128 {
    text.as_str().expect("a decimal").replace('.', "").parse().expect("digits")
}
