//! Exports, and the day proven.

use serde_json::json;

use rialto_actors::zone::Zone;
use rialto_engine::units::Nanos;
use rialto_gateway::reconcile::day::Day;

use crate::support::now_ms;
use crate::{a_day, pages, server, told, units, viewer};

#[test]
fn an_export_has_every_movement_with_exact_amounts() {
    let server = server();
    a_day(&server);
    let movements = pages(&server, "movements", "movements", "", 1_000);
    let period = format!("startTime=0&endTime={}", now_ms() + 1_000);
    let csv = viewer(&server).download("/accounting/v1/export/movements", &format!("format=csv&{period}"));
    let csv = String::from_utf8(csv.expect("it comes to its end")).expect("UTF-8");
    let mut lines = csv.lines();
    let head = "entry,time,asset,amount,debit,debit_after,credit,credit_after,cause,cause_number,market,id";
    assert_eq!(lines.next(), Some(head));
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), movements.len());
    for (row, movement) in rows.iter().zip(&movements) {
        assert_eq!(row[0], movement["entry"].to_string());
        assert_eq!(
            (row[2], row[4]),
            (movement["asset"].as_str().expect("one"), movement["debit"]["account"].as_str().expect("one"))
        );
        // The API writes eight decimals, the table those of the asset.
        for (text, value) in [
            (row[3], &movement["amount"]),
            (row[5], &movement["debit"]["after"]),
            (row[7], &movement["credit"]["after"]),
        ] {
            let written = format!("{:0<width$}", text, width = value.as_str().expect("a decimal").len());
            assert_eq!(units(&json!(written)), units(value), "{text} {value}");
        }
    }
    let transactions = viewer(&server).download("/accounting/v1/export/transactions", &format!("format=csv&{period}"));
    let transactions = String::from_utf8(transactions.expect("whole")).expect("UTF-8");
    assert_eq!(transactions.lines().count(), 5, "{transactions}");
    let cases = viewer(&server).download("/accounting/v1/export/cases", &format!("format=csv&{period}"));
    assert_eq!(String::from_utf8(cases.expect("whole")).expect("UTF-8").lines().count(), 2);
    let balances =
        viewer(&server).download("/accounting/v1/export/balances", &format!("format=csv&asset=CNY&{period}"));
    let balances = String::from_utf8(balances.expect("whole")).expect("UTF-8");
    assert!(balances.lines().skip(1).all(|line| line.contains(",CNY,")), "{balances}");
}

/// Whoever asks for the balances of a day that is not over must not take them for its closing.
#[test]
fn balances_are_never_those_of_a_moment_that_is_yet_to_come() {
    let server = server();
    a_day(&server);
    let tomorrow = now_ms() + 86_400_000;
    for query in ["", "user=alice", "account=suspense"] {
        let answer = told(&server, "balances", &format!("{query}&time={tomorrow}"));
        assert!(answer["time"].as_u64().is_some_and(|time| time <= now_ms()), "{query}: {answer}");
    }
    let query = format!("format=csv&startTime=0&endTime={tomorrow}");
    let csv = viewer(&server).download("/accounting/v1/export/balances", &query).expect("it comes to its end");
    let csv = String::from_utf8(csv).expect("UTF-8");
    // The deposits of the configuration are younger than what stands for good, so that there may be no row yet.
    let moment = Nanos(tomorrow * 1_000_000);
    let day = Day::of(moment, &Zone::UTC).to_string();
    assert!(csv.starts_with("time,account,asset,balance") && !csv.contains(&day), "{csv}");
}

#[test]
fn a_parquet_file_is_whole() {
    let server = server();
    a_day(&server);
    let period = format!("startTime=0&endTime={}", now_ms() + 1_000);
    for table in ["movements", "balances", "transactions", "cases"] {
        let path = format!("/accounting/v1/export/{table}");
        let file = viewer(&server).download(&path, &format!("format=parquet&{period}")).expect("it comes to its end");
        assert_eq!((&file[..4], &file[file.len() - 4..]), (&b"PAR1"[..], &b"PAR1"[..]), "{table}");
    }
    for (path, query, code) in [
        ("movements", "format=xls&startTime=0&endTime=1", -1130),
        ("movements", "format=csv", -1102),
        ("nothing", "format=csv&startTime=0&endTime=1", -1000),
    ] {
        let reply = viewer(&server).signed("GET", &format!("/accounting/v1/export/{path}"), query);
        assert_eq!(reply.body["code"], code, "{path}?{query}: {}", reply.text);
    }
}

#[test]
fn a_day_is_proven_entry_by_entry() {
    let server = server();
    a_day(&server);
    let movements = pages(&server, "movements", "movements", "", 1_000);
    let today = today();
    let answer = told(&server, "reconciliation", &format!("date={today}"));
    let report = &answer["report"];
    assert_eq!(
        (&report["ok"], &report["wrong"], &report["tenant"]),
        (&json!(true), &json!(0), &json!("acme")),
        "{answer}"
    );
    assert_eq!(report["entries"], json!(movements.len()));
    let line = |kind: &str, asset: &str| {
        let lines = report["lines"].as_array().expect("lines");
        lines.iter().find(|line| line["kind"] == kind && line["asset"] == asset).expect("the line").clone()
    };
    assert_eq!(line("external:bank", "USD")["closing"], "-30.00000000");
    assert_eq!(line("suspense", "USD")["credits"], "5.00000000");
    // The day before there was nothing.
    let before = told(&server, "reconciliation", "date=2020-02-29");
    assert_eq!((&before["report"]["ok"], &before["report"]["entries"]), (&json!(true), &json!(0)));
    for date in ["", "date=yesterday", "date=2026-02-30"] {
        assert_ne!(viewer(&server).signed("GET", "/accounting/v1/reconciliation", date).status, 200, "{date}");
    }
}

/// Today in UTC, where the tenant is.
pub fn today() -> String {
    Day::of(Nanos(now_ms() * 1_000_000), &Zone::UTC).to_string()
}
