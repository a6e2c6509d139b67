//! What operators can do about money, and what is written down of it.

use serde_json::{Value, json};

use crate::support::{Server, User};
use crate::{TABLES, backend, has, paid, refused, server};

fn done(user: &User<'_>, path: &str, query: &str) -> Value {
    let reply = user.signed("POST", &format!("/operator/v1/{path}"), query);
    assert_eq!(reply.status, 200, "{path}?{query}: {}", reply.text);
    reply.body
}

#[test]
fn a_report_that_is_entered_counts_as_if_the_rail_had_said_it() {
    let server = server();
    let treasurer = server.user("treasurer1-acme");
    paid(&backend(&server), "withdrawals", "id=w-1&user=alice&asset=USD&amount=100&destination=x&rail=card");
    let path = "/operator/v1/transactions/report";
    let ask = "id=w-1&report=paid&reference=C-1&asset=USD&amount=100";
    assert_eq!(refused(&treasurer.signed("POST", path, ask)), (400, -1102), "no evidence");
    let paid_out = done(&treasurer, "transactions/report", &format!("{ask}&evidence=statement%20of%20today"));
    assert_eq!((&paid_out["transaction"]["state"], &paid_out["repeated"]), (&json!("confirmed"), &json!(false)));
    has(&server, "alice", "USD", "99899.40000000", "0.00000000");
    let again = done(&treasurer, "transactions/report", &format!("{ask}&evidence=again"));
    assert_eq!(again["repeated"], true);
    let viewer = server.user("viewer-acme");
    let refusal = viewer.signed("POST", path, &format!("{ask}&evidence=none"));
    assert_eq!(refused(&refusal), (403, -9_103));
}

#[test]
fn an_adjustment_needs_two_operators() {
    let server = server();
    let (first, second) = (server.user("treasurer1-acme"), server.user("treasurer2-acme"));
    let ask = "id=a-1&asset=USD&from=available:alice&to=adjustment&amount=10&evidence=court";
    let proposed = done(&first, "adjustments", ask);
    assert_eq!(
        (&proposed["transaction"]["state"], &proposed["transaction"]["proposer"]),
        (&json!("open"), &json!("treasurer-1"))
    );
    let approved = done(&first, "adjustments/approve", "id=a-1");
    assert_eq!(approved["transaction"]["state"], "open");
    has(&server, "alice", "USD", "100000.00000000", "0.00000000");
    let twice = first.signed("POST", "/operator/v1/adjustments/approve", "id=a-1");
    assert_eq!(refused(&twice), (409, -9_057));
    let done_now = done(&second, "adjustments/approve", "id=a-1");
    assert_eq!(done_now["transaction"]["state"], "confirmed");
    assert_eq!(done_now["transaction"]["approvals"], json!(["treasurer-1", "treasurer-2"]));
    has(&server, "alice", "USD", "99990.00000000", "0.00000000");
    let held = ask.replace("a-1", "a-2").replace("available:alice", "held:alice");
    assert_eq!(refused(&first.signed("POST", "/operator/v1/adjustments", &held)), (400, -9_046));
}

#[test]
fn a_case_is_closed_with_an_adjustment_or_without() {
    let server = server();
    let (first, second) = (server.user("treasurer1-acme"), server.user("treasurer2-acme"));
    let unsolicited = "report=received&rail=card&reference=C-9&asset=USD&amount=7&evidence=statement";
    done(&first, "transactions/report", unsolicited);
    let cases = first.signed("GET", "/operator/v1/cases", "").body;
    assert_eq!(
        (&cases[0]["kind"], &cases[0]["case"], &cases[0]["rail"]),
        (&json!("unsolicited"), &json!(1), &json!("card"))
    );
    let ask = "id=a-1&asset=USD&from=suspense&to=available:bob&amount=7&case=1&evidence=letter";
    done(&first, "adjustments", ask);
    done(&first, "adjustments/approve", "id=a-1");
    done(&second, "adjustments/approve", "id=a-1");
    has(&server, "bob", "USD", "100007.00000000", "0.00000000");
    assert_eq!(first.signed("GET", "/operator/v1/cases", "").body, json!([]));
    let opened = "kind=missing&rail=card&asset=USD&amount=-3&reference=C-1&evidence=statement";
    done(&first, "cases", opened);
    done(&second, "cases/close", "case=2&evidence=found");
    assert_eq!(refused(&second.signed("POST", "/operator/v1/cases/close", "case=2&evidence=x")), (404, -9_058));
}

#[test]
fn settings_change_while_it_runs() {
    let server = server();
    let (admin, backend) = (server.user("admin-acme"), backend(&server));
    done(&admin, "fees", "kind=payment&asset=USD&fixed=1&rateBps=0");
    let fee =
        paid(&backend, "payments", "id=p&payer=alice&merchant=shop&asset=USD&amount=10")["transaction"]["fee"].clone();
    assert_eq!(fee, "1.00000000");
    let ten_percent = admin.signed("POST", "/operator/v1/fees", "kind=payment&asset=USD&fixed=0&rateBps=10001");
    assert_eq!(refused(&ten_percent), (400, -9_061));
    // What may be zero, and is not negative, is refused for just that.
    let below = admin.signed("POST", "/operator/v1/fees", "kind=payment&asset=USD&fixed=-1&rateBps=0");
    assert_eq!(refused(&below), (400, -9_061));
    let ask = "user=alice&asset=USD&limit=-1&evidence=none";
    assert_eq!(refused(&admin.signed("POST", "/operator/v1/accounts/credit", ask)), (400, -9_064));
    let policy = "topic=withdrawal&firstMs=5001&intervalMs=0&longestMs=1000&attempts=1&lifetimeMs=0";
    assert_eq!(refused(&admin.signed("POST", "/operator/v1/policies", policy)), (400, -9_060));
    // Both rails give a call five seconds: a timer within them would ask again while it is under way.
    let hasty = policy.replace("5001", "5000").replace("intervalMs=0", "intervalMs=500");
    for topic in ["withdrawal", "deposit"] {
        let hasty = hasty.replace("topic=withdrawal", &format!("topic={topic}"));
        assert_eq!(refused(&admin.signed("POST", "/operator/v1/policies", &hasty)), (400, -1130), "{topic}");
    }
    done(&admin, "policies", &hasty.replace("topic=withdrawal", "topic=transfer"));
    done(&admin, "policies", &policy.replace("intervalMs=0", "intervalMs=500&doubling=true"));
    done(&admin, "rails", "name=post");
    assert_eq!(refused(&admin.signed("POST", "/operator/v1/rails", "name=post")), (409, -9_062));
    paid(&backend, "deposits", "id=d&user=alice&asset=USD&amount=1&rail=post");
    done(&admin, "rails/state", "name=post&state=closed");
    let closed = backend.signed("POST", "/payments/v1/deposits", "id=d2&user=alice&asset=USD&amount=1&rail=post");
    assert_eq!(refused(&closed), (400, -9_041));
    let settings = admin.signed("GET", "/operator/v1/settings", "").body;
    let rails: Vec<&Value> = settings["rails"].as_array().expect("rails").iter().map(|rail| &rail["name"]).collect();
    assert_eq!(rails, [&json!("direct"), &json!("bank"), &json!("card"), &json!("post")]);
    let withdrawal = settings["policies"].as_array().expect("policies").iter().find(|row| row["topic"] == "withdrawal");
    assert_eq!(withdrawal.expect("there")["intervalMs"], 500);
    assert_eq!(refused(&server.user("treasurer1-acme").signed("POST", "/operator/v1/rails", "name=x")), (403, -9_103));
}

#[test]
fn a_credit_is_spent_shown_and_paid_back() {
    let server = server();
    let treasurer = server.user("treasurer1-acme");
    let path = "/operator/v1/accounts/credit";
    let ask = "user=alice&asset=USD&limit=50&evidence=contract";
    assert_eq!(refused(&server.user("viewer-acme").signed("POST", path, ask)), (403, -9_103));
    done(&treasurer, "accounts/credit", ask);
    let settings = treasurer.signed("GET", "/operator/v1/settings", "").body;
    assert_eq!(settings["credits"], json!([{"user": "alice", "asset": "USD", "limit": "50.00000000"}]));
    let pay = |id, amount| format!("id={id}&from=alice&to=bob&asset=USD&amount={amount}");
    let too_much = backend(&server).signed("POST", "/payments/v1/transfers", &pay("t-1", "100051"));
    assert_eq!(refused(&too_much), (400, -9_010));
    paid(&backend(&server), "transfers", &pay("t-1", "100040"));
    has(&server, "alice", "USD", "-40.00000000", "0.00000000");
    for (limit, expected) in
        [("39.99999999", (400, -9_065)), ("-1", (400, -9_064)), ("1.123456789", (400, -1111)), ("x", (400, -1100))]
    {
        let ask = format!("user=alice&asset=USD&limit={limit}&evidence=contract");
        assert_eq!(refused(&treasurer.signed("POST", path, &ask)), expected, "{limit}");
    }
    done(&treasurer, "accounts/credit", "user=alice&asset=USD&limit=40&evidence=contract");
    paid(&backend(&server), "transfers", "id=t-2&from=bob&to=alice&asset=USD&amount=41");
    has(&server, "alice", "USD", "1.00000000", "0.00000000");
    done(&treasurer, "accounts/credit", "user=alice&asset=USD&limit=0&evidence=contract");
    assert_eq!(treasurer.signed("GET", "/operator/v1/settings", "").body["credits"], json!([]));
}

#[test]
fn everything_an_operator_does_stands_in_the_trail() {
    let server = server();
    let (treasurer, viewer) = (server.user("treasurer1-acme"), server.user("viewer-acme"));
    done(&treasurer, "accounts/standing", "user=alice&standing=frozen&evidence=letter%20of%20the%20court");
    viewer.signed("POST", "/operator/v1/accounts/standing", "user=alice&standing=active&evidence=none");
    let trail = viewer.signed("GET", "/operator/v1/audit", "").body;
    let lines = trail.as_array().expect("lines");
    assert_eq!(lines.len(), 4, "{trail}");
    // Nothing is kept in a server without a directory; what is, stands in pages.
    let page = viewer.signed("GET", "/operator/v1/audit", "from=1&limit=3").body;
    assert_eq!(page, json!({"lines": [], "next": null}));
    let (refusal, outcome, wish) = (&lines[0], &lines[2], &lines[3]);
    assert_eq!(
        (&refusal["operator"], &refusal["outcome"], &refusal["code"]),
        (&json!("viewer"), &json!("refused"), &json!(-9_103))
    );
    assert_eq!((&outcome["outcome"], &outcome["wish"]), (&json!("done"), &wish["number"]));
    assert_eq!(wish["asked"], json!({"user": "alice", "standing": "frozen", "evidence": "letter of the court"}));
    assert_eq!(server.user("viewer-bolt").signed("GET", "/operator/v1/audit", "").body, json!([]));
    for secret in ["secret", "signature"] {
        assert!(!trail.to_string().contains(secret), "{trail}");
    }
}

#[test]
fn what_a_shadow_tries_out_is_told_nobody() {
    let server = Server::start_configured("shadow = true", "", TABLES);
    let admin = server.user("admin-acme");
    assert_eq!(refused(&admin.signed("POST", "/operator/v1/notification", "on=true")), (400, -9_105));
    done(&admin, "notification", "on=false");
    paid(&backend(&server), "transfers", "id=t-1&from=alice&to=bob&asset=USD&amount=1");
    let settings = admin.signed("GET", "/operator/v1/settings", "").body;
    assert_eq!((&settings["notification"], &settings["live"]), (&json!(false), &json!(0)), "{settings}");
}

#[test]
fn one_person_is_not_two_however_many_operators_he_makes() {
    let head = "master_secret = \"m\"\n[[operators]]\nname = \"platform\"\napi_key = \"key-platform\"\n\
                secret = \"secret-platform\"\n";
    let server = Server::start_below(head, TABLES);
    let (admin, treasurer) = (server.user("admin-acme"), server.user("treasurer1-acme"));
    let make = |by: &User<'_>, name: &str, role: &str| done(by, "operators", &format!("name={name}&role={role}"));
    let (helper, deputy) = (make(&admin, "helper", "treasurer"), make(&admin, "deputy", "admin"));
    let (helper, deputy) = (server.holder(&helper), server.holder(&deputy));
    // Whom his own people make is his as well, also under the name of somebody else.
    let (second, borrowed) = (make(&deputy, "second", "treasurer"), make(&admin, "treasurer-2", "treasurer"));
    let (second, borrowed) = (server.holder(&second), server.holder(&borrowed));
    let approve = |by: &User<'_>, id: &str| by.signed("POST", "/operator/v1/adjustments/approve", &format!("id={id}"));
    let ask = |id: &str| format!("id={id}&asset=USD&from=adjustment&to=available:alice&amount=1000000&evidence=none");
    let all = [&admin, &helper, &deputy, &second, &borrowed];
    for (number, first) in all.iter().enumerate() {
        let id = format!("a-{number}");
        done(&admin, "adjustments", &ask(&id));
        assert_eq!(approve(first, &id).status, 200);
        for other in all {
            assert_eq!(refused(&approve(other, &id)), (409, -9_057), "{id}");
        }
    }
    has(&server, "alice", "USD", "100000.00000000", "0.00000000");
    let approved = approve(&treasurer, "a-3").body;
    assert_eq!(approved["transaction"]["approvals"], json!(["second@admin", "treasurer-1"]), "{approved}");
    has(&server, "alice", "USD", "1100000.00000000", "0.00000000");
    // Whom the platform makes answers for himself.
    let platform = server.user("platform");
    let outsider = done(&platform, "tenants/operators", "tenant=acme&name=outsider&role=treasurer");
    let approved = approve(&server.holder(&outsider), "a-4").body;
    assert_eq!(approved["transaction"]["approvals"], json!(["treasurer-2@admin", "outsider"]), "{approved}");
    let keys = admin.signed("GET", "/operator/v1/keys", "").body;
    let answers: Vec<&str> = keys.as_array().expect("keys").iter().filter_map(|key| key["answers"].as_str()).collect();
    assert_eq!(answers, ["admin", "admin", "admin", "admin", "outsider"]);
    let long = format!("name={}&role=viewer", "n".repeat(60));
    assert_eq!(refused(&admin.signed("POST", "/operator/v1/operators", &long)), (400, -1130));
}
