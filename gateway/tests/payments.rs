//! The money half as backends, operators, rails and users meet it: a server in a thread, requests over its
//! socket.

#[path = "payments/backend.rs"]
mod backend;
#[path = "payments/callbacks.rs"]
mod callbacks;
#[path = "payments/operators.rs"]
mod operators;
#[path = "payments/refusals.rs"]
mod refusals;
mod support;
#[path = "payments/users.rs"]
mod users;

use serde_json::Value;
use support::{Reply, Server, User};

/// Beside what every tenant has: people of every role, a merchant, two rails that nobody answers for.
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
name = "treasurer-1"
api_key = "key-treasurer1-{tenant}"
secret = "secret-treasurer1-{tenant}"
role = "treasurer"
[[tenants.operators]]
name = "treasurer-2"
api_key = "key-treasurer2-{tenant}"
secret = "secret-treasurer2-{tenant}"
role = "treasurer"
[[tenants.operators]]
name = "admin"
api_key = "key-admin-{tenant}"
secret = "secret-admin-{tenant}"
role = "admin"
[[tenants.users]]
name = "shop"
api_key = "key-shop-{tenant}"
secret = "secret-shop-{tenant}"
withdrawals = true
[[tenants.rails]]
name = "bank"
url = "http://127.0.0.1:1/bank"
key = "key-to-bank"
secret = "secret-to-bank"
callback_key = "key-of-bank"
callback_secret = "secret-of-bank"
assets = [{ asset = "USD", min = "1", max = "5000" }, { asset = "CNY", withdrawals = false }]
[[tenants.rails]]
name = "card"
url = "http://127.0.0.1:1/card"
key = "key-to-card"
secret = "secret-to-card"
assets = [{ asset = "USD" }]
[[tenants.fee_plans]]
kind = "withdrawal"
asset = "USD"
fixed = "0.5"
rate_bps = 10
[[tenants.fee_plans]]
kind = "payment"
asset = "USD"
rate_bps = 200
"#;

fn server() -> Server {
    Server::start_configured("", "", TABLES)
}

fn durable_server() -> Server {
    Server::start_durable_configured(TABLES)
}

/// A backend of `acme`.
fn backend(server: &Server) -> User<'_> {
    server.user("backend-acme")
}

/// Moves money, which goes through.
fn paid(user: &User<'_>, path: &str, query: &str) -> Value {
    let reply = user.signed("POST", &format!("/payments/v1/{path}"), query);
    assert_eq!(reply.status, 200, "{path}?{query}: {}", reply.text);
    reply.body
}

/// What is told of a refusal.
fn refused(reply: &Reply) -> (u16, i64) {
    (reply.status, reply.body["code"].as_i64().unwrap_or_else(|| panic!("no refusal: {}", reply.text)))
}

/// What a user has of an asset: free and locked.
fn balance(server: &Server, user: &str, asset: &str) -> (String, String) {
    let reply = server.user("viewer-acme").signed("GET", "/operator/v1/accounts", &format!("user={user}"));
    assert_eq!(reply.status, 200, "{}", reply.text);
    let rows = reply.body.as_array().expect("rows").clone();
    let row = rows.iter().find(|row| row["asset"] == asset).expect("the asset");
    let text = |name: &str| row[name].as_str().expect("a text").to_owned();
    (text("free"), text("locked"))
}

fn has(server: &Server, user: &str, asset: &str, free: &str, locked: &str) {
    assert_eq!(balance(server, user, asset), (free.to_owned(), locked.to_owned()), "{user} {asset}");
}
