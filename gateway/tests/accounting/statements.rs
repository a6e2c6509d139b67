//! Statements of rails.

use rialto_gateway::reconcile::day::Day;
use serde_json::{Value, json};

use crate::exports::today;
use crate::support::{Reply, Server};
use crate::{a_day, paid, received, server, told};

const HEAD: &str = "reference,direction,asset,amount\n";

fn brought(server: &Server, query: &str, body: &str) -> Reply {
    let query = format!("rail=bank&date={}{query}", today());
    server.user("treasurer-acme").signed_text("POST", "/operator/v1/statements", &query, body)
}

fn taken(server: &Server, body: &str) -> Value {
    let reply = brought(server, "", body);
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.body
}

fn cases(server: &Server) -> usize {
    told(server, "cases", "")["cases"].as_array().map_or(0, Vec::len)
}

#[test]
fn a_statement_that_agrees_opens_nothing() {
    let server = server();
    a_day(&server);
    let before = cases(&server);
    let report = taken(&server, &format!("{HEAD}B-1,in,USD,30\n"));
    assert_eq!((&report["matched"], &report["casesOpened"]), (&json!(1), &json!(0)), "{report}");
    assert_eq!(report["differences"], json!([]));
    assert_eq!(
        report["sums"],
        json!([{"asset": "USD", "stated": "30.00000000", "posted": "30.00000000", "corrected": "0.00000000"}])
    );
    assert_eq!(cases(&server), before);
}

/// One movement that a rail states on two days is matched on its own, and told as a neighbour on the other.
#[test]
fn a_movement_of_the_day_before_or_behind_is_told_with_its_day_and_is_no_case() {
    let server = server();
    a_day(&server);
    let before = cases(&server);
    let today = Day::parse(&today()).expect("a day");
    for day in [today.previous(), today.next()] {
        let query = format!("rail=bank&date={day}");
        let treasurer = server.user("treasurer-acme");
        let reply =
            treasurer.signed_text("POST", "/operator/v1/statements", &query, &format!("{HEAD}B-1,in,USD,30.00\n"));
        assert_eq!(reply.status, 200, "{}", reply.text);
        let report = reply.body;
        let counts = [&report["matched"], &report["neighbour"], &report["newCases"]];
        assert_eq!(counts, [&json!(0), &json!(1), &json!(0)], "{report}");
        let told = &report["differences"][0];
        let (ending, date, reference) = (&told["ending"], &told["date"], &told["reference"]);
        assert_eq!(
            (ending, date, reference),
            (&json!("neighbour"), &json!(today.to_string()), &json!("B-1")),
            "{report}"
        );
    }
    let report = taken(&server, &format!("{HEAD}B-1,in,USD,30.00\n"));
    assert_eq!((&report["matched"], &report["neighbour"]), (&json!(1), &json!(0)), "{report}");
    assert_eq!(cases(&server), before);
}

#[test]
fn every_difference_becomes_one_case_however_often_the_statement_comes() {
    let server = server();
    a_day(&server);
    paid(&server, "deposits", "id=d-2&user=bob&asset=USD&amount=7&rail=bank");
    received(&server, "acme/d-2", "B-2", "7.00");
    let before = cases(&server);
    let statement = format!("{HEAD}B-1,in,USD,31\nX-1,out,USD,4\nX-1,out,USD,4\nX-2,in,CNY,1.5\n");
    let dry = brought(&server, "&dryRun=true", &statement).body;
    assert_eq!((&dry["newCases"], &dry["casesOpened"]), (&json!(5), &json!(0)), "{dry}");
    assert_eq!(cases(&server), before);
    let first = taken(&server, &statement);
    let counts = ["matched", "missing", "unexpected", "over", "under", "duplicate", "currency_mismatch", "opposite"];
    let counts: Vec<u64> = counts.iter().map(|ending| first[ending].as_u64().expect("a count")).collect();
    assert_eq!(counts, [0, 1, 2, 1, 0, 1, 0, 0], "{first}");
    assert_eq!(first["casesOpened"], 5);
    let again = taken(&server, &statement);
    assert_eq!((&again["newCases"], &again["casesOpened"]), (&json!(0), &json!(0)), "{again}");
    let found = told(&server, "cases", &format!("after={before}"));
    let mut found: Vec<(String, String, String)> = found["cases"]
        .as_array()
        .expect("cases")
        .iter()
        .map(|case| {
            let text = |name: &str| case[name].as_str().expect("a text").to_owned();
            (text("kind"), text("reference"), text("amount"))
        })
        .collect();
    found.sort();
    let expected = [
        ("difference", "B-1", "1.00000000"),
        ("duplicate", "X-1", "-4.00000000"),
        ("missing", "B-2", "-7.00000000"),
        ("unexpected", "X-1", "-4.00000000"),
        ("unexpected", "X-2", "1.50000000"),
    ];
    let expected: Vec<_> = expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())).into();
    assert_eq!(found, expected);
    // A closed case stays known.
    let closed = server.user("treasurer-acme").signed(
        "POST",
        "/operator/v1/cases/close",
        &format!("case={}&evidence=looked-up", before + 1),
    );
    assert_eq!(closed.status, 200, "{}", closed.text);
    assert_eq!(taken(&server, &statement)["casesOpened"], 0);
}

#[test]
fn a_statement_that_cannot_be_read_is_refused_whole_with_the_place() {
    let server = server();
    a_day(&server);
    let before = cases(&server);
    let reply = brought(&server, "", &format!("{HEAD}X-1,in,USD,4\nX-2,in,USD,1.000000005\n"));
    reply.is_error(
        400,
        -1130,
        "The statement cannot be read: line 3, column 12: \"1.000000005\" has more than the 8 decimals of USD.",
    );
    assert_eq!(cases(&server), before);
    // Only who answers for the money may bring one, and the signature covers it.
    let treasurer = |query: &str, body: &str| {
        server.user("treasurer-acme").signed_text("POST", "/operator/v1/statements", query, body)
    };
    let viewer =
        server.user("viewer-acme").signed_text("POST", "/operator/v1/statements", "rail=bank&date=2026-11-25", HEAD);
    assert_eq!(viewer.status, 403, "{}", viewer.text);
    for query in ["rail=none&date=2026-11-25", "rail=direct&date=2026-11-25", "rail=bank&date=today", "rail=bank"] {
        assert_eq!(treasurer(query, HEAD).status, 400, "{query}");
    }
    // A body that looks like a form is a statement all the same.
    assert_eq!(treasurer("rail=bank&date=2026-11-25", "rail=card&dryRun=true").status, 400);
    let long = format!("{HEAD}{}", "X-1,in,USD,4\n".repeat(20_000));
    assert_eq!(treasurer("rail=bank&date=2026-11-25&dryRun=true", &long).status, 200);
    // One that agrees with nothing is of another rail, and floods nobody with cases.
    let flood = treasurer(&format!("rail=bank&date={}", today()), &long);
    flood.is_error(400, -1130, "The statement would open 20001 cases, and may open 1000.");
    assert_eq!(cases(&server), before);
}
