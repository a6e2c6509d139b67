//! Whatever is refused says why in a code of its own, and leaves everything as it was.

use serde_json::Value;

use crate::support::{Server, User};
use crate::{backend, paid, refused, server};

/// All that anybody can see of a tenant's money.
fn everything(server: &Server) -> Vec<Value> {
    let viewer = server.user("viewer-acme");
    let mut seen = vec![
        viewer.signed("GET", "/operator/v1/settings", "").body,
        viewer.signed("GET", "/operator/v1/transactions", "limit=1000").body,
        viewer.signed("GET", "/operator/v1/cases", "").body,
    ];
    seen.extend(
        ["alice", "bob", "shop"]
            .map(|user| viewer.signed("GET", "/operator/v1/accounts", &format!("user={user}")).body),
    );
    seen
}

/// Asks for what is refused with this status and code, and checks that nothing has changed.
fn nothing(server: &Server, user: &User<'_>, path: &str, query: &str, status: u16, code: i64) {
    let before = everything(server);
    let reply = user.signed("POST", &format!("/payments/v1/{path}"), query);
    assert_eq!(refused(&reply), (status, code), "{path}?{query}: {}", reply.text);
    assert!(reply.body["msg"].as_str().is_some_and(|msg| msg.ends_with('.')), "{}", reply.text);
    assert_eq!(everything(server), before, "{path}?{query}");
}

#[test]
fn amounts_are_exact_or_refused() {
    let server = server();
    let backend = backend(&server);
    for (amount, code) in [
        ("1.123456789", -1111),
        ("1e-9", -1111),
        ("0", -9_018),
        ("0.00", -9_018),
        ("-5", -9_018),
        ("1e60", -1108),
        ("99999999999999999999999999999999999999", -1108),
        ("1,5", -1100),
        ("NaN", -1100),
        ("0x10", -1100),
        ("", -1102),
        ("100000.00000001", -9_010),
    ] {
        let ask = format!("id=t&from=alice&to=bob&asset=USD&amount={amount}");
        nothing(&server, &backend, "transfers", &ask, 400, code);
    }
    let deposit = "id=d&user=alice&asset=CNY&amount=10000000000000000000000000000&rail=bank";
    nothing(&server, &backend, "deposits", deposit, 400, -1108);
}

#[test]
fn whatever_is_not_there_is_named() {
    let server = server();
    let backend = backend(&server);
    for (path, query, status, code) in [
        ("transfers", "id=t&from=nobody&to=bob&asset=USD&amount=1", 400, -9_002),
        // A user of the other tenant is nobody here.
        ("transfers", "id=t&from=alice&to=carol&asset=USD&amount=1", 400, -9_002),
        ("transfers", "id=t&from=alice&to=bob&asset=XXX&amount=1", 400, -9_004),
        ("transfers", "id=t&from=alice&to=alice&asset=USD&amount=1", 400, -9_045),
        ("transfers", "id=with%20space&from=alice&to=bob&asset=USD&amount=1", 400, -1100),
        ("transfers", "from=alice&to=bob&asset=USD&amount=1", 400, -1102),
        ("transfers", "id=t&from=alice&to=bob&asset=USD&amount=1&hold=true", 400, -1104),
        ("transfers", "id=t&from=alice&to=bob&asset=USD&amount=1&held=maybe", 400, -1100),
        ("refunds", "id=r&payment=none&amount=1", 404, -9_048),
        ("clawbacks", "id=r&commission=none&amount=1", 404, -9_048),
        ("transactions/confirm", "id=none", 404, -9_048),
        ("deposits", "id=d&user=alice&asset=USD&amount=1&rail=none", 400, -9_040),
        ("deposits", "id=d&user=alice&asset=USD&amount=1&rail=direct", 400, -9_040),
        ("withdrawals", "id=w&user=alice&asset=CNY&amount=1&destination=x&rail=bank", 400, -9_100),
        ("withdrawals", "id=w&user=alice&asset=USD&amount=0.5&destination=x&rail=bank", 400, -9_101),
        ("withdrawals", "id=w&user=alice&asset=USD&amount=5001&destination=x&rail=bank", 400, -9_101),
        ("withdrawals", "id=w&user=alice&asset=USD&amount=1&destination=%C3%BC&rail=card", 400, -9_046),
        ("withdrawals", "id=w&user=alice&asset=USD&amount=0.4&destination=x&rail=card", 400, -9_047),
        ("withdrawals", "id=w&user=alice&asset=USD&amount=100000&destination=x&rail=card", 400, -9_010),
        ("withdrawals", "id=w&user=alice&asset=USD&amount=1&destination=x&rail=card&until=1", 400, -9_046),
    ] {
        nothing(&server, &backend, path, query, status, code);
    }
    let path = "/payments/v1/loans";
    assert_eq!(backend.signed("POST", path, "id=1").status, 404);
    assert_eq!(backend.signed("GET", "/payments/v1/transfers", "id=1").status, 405);
}

#[test]
fn what_was_decided_stays_decided() {
    let server = server();
    let backend = backend(&server);
    paid(&backend, "transfers", "id=t-1&from=alice&to=bob&asset=USD&amount=1&held=true");
    paid(&backend, "transfers", "id=t-2&from=alice&to=bob&asset=USD&amount=1");
    paid(&backend, "commissions", "id=c-1&agent=bob&asset=CNY&amount=10");
    nothing(&server, &backend, "transactions/confirm", "id=t-1&amount=2", 400, -9_052);
    nothing(&server, &backend, "transactions/confirm", "id=c-1&amount=1", 400, -9_051);
    nothing(&server, &backend, "transactions/cancel", "id=t-2", 409, -9_050);
    nothing(&server, &backend, "refunds", "id=r&payment=t-2&amount=1", 400, -9_051);
    paid(&backend, "transactions/cancel", "id=t-1");
    nothing(&server, &backend, "transactions/confirm", "id=t-1", 409, -9_050);
    let again = paid(&backend, "transactions/cancel", "id=t-1");
    assert_eq!(again["repeated"], true);
}

#[test]
fn frozen_and_closed_accounts_say_so() {
    let server = server();
    let (backend, treasurer) = (backend(&server), server.user("treasurer1-acme"));
    let stand = |user: &str, standing: &str| {
        let query = format!("user={user}&standing={standing}&evidence=letter");
        treasurer.signed("POST", "/operator/v1/accounts/standing", &query)
    };
    assert_eq!(stand("alice", "frozen").status, 200);
    nothing(&server, &backend, "transfers", "id=t&from=alice&to=bob&asset=USD&amount=1", 400, -9_042);
    paid(&backend, "transfers", "id=t-in&from=bob&to=alice&asset=USD&amount=1");
    // A frozen account places no orders, but its orders can be cancelled.
    let order = "symbol=USDCNY&side=BUY&type=LIMIT&timeInForce=GTC&price=7.1&quantity=10";
    server.user("alice").signed("POST", "/api/v3/order", order).is_error(
        400,
        -2010,
        "This action is disabled on this account.",
    );
    assert_eq!(stand("alice", "active").status, 200);
    paid(&backend, "transfers", "id=t-out&from=alice&to=bob&asset=USD&amount=1");
    assert_eq!(refused(&stand("alice", "closed")), (400, -9_044), "it has money");
    assert_eq!(stand("shop", "closed").status, 200);
    nothing(&server, &backend, "transfers", "id=t&from=alice&to=shop&asset=USD&amount=1", 400, -9_043);
}

#[test]
fn keys_open_only_what_their_role_may_and_only_at_home() {
    let server = server();
    let ask = "id=t&from=alice&to=bob&asset=USD&amount=1";
    for role in ["viewer-acme", "operator-acme"] {
        nothing(&server, &server.user(role), "transfers", ask, 403, -9_103);
    }
    // A user's key, and one of the other tenant.
    let user = server.user("alice").signed("POST", "/payments/v1/transfers", ask);
    assert_eq!(refused(&user), (401, -2015));
    let foreign = server.user("backend-bolt");
    assert_eq!(refused(&foreign.signed("POST", "/t/acme/payments/v1/transfers", ask)), (401, -2015));
    // At home, alice is nobody.
    assert_eq!(refused(&foreign.signed("POST", "/payments/v1/transfers", ask)), (400, -9_002));
    paid(&backend(&server), "transfers", "id=mine&from=alice&to=bob&asset=USD&amount=1");
    let stranger = foreign.signed("GET", "/payments/v1/transactions", "id=mine");
    assert_eq!(refused(&stranger), (404, -9_048));
    // The same id is free there.
    paid(&foreign, "transfers", "id=mine&from=carol&to=dave&asset=USD&amount=2");
}
