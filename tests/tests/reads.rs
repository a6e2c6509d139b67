//! The comparison of orders with and without questions beside them, in small, against a real server.

use std::process::Command;

use rialto_tests::server::{Server, binary, two_tenants};
use serde_json::Value;

#[test]
fn orders_are_acknowledged_beside_six_times_as_many_questions_and_every_question_is_answered() {
    let server = Server::start(&two_tenants());
    let report = server.directory().join("compared.json");
    let status = Command::new(binary("rialto-load"))
        .args(["compare", "--url", &server.url(), "--tenant", "acme"])
        .arg("--config")
        .arg(server.configuration())
        .args(["--rate", "50", "--seconds", "2", "--rounds", "2", "--warmup", "1"])
        .args(["--connections", "2", "--readers", "2"])
        .arg("--report")
        .arg(&report)
        .status()
        .expect("the load tester starts");
    // 3: a machine that is busy with other tests may be late.
    assert!(matches!(status.code(), Some(0 | 3)), "{status}");
    let text = std::fs::read_to_string(report).expect("the report");
    let report: Value = serde_json::from_str(&text).expect("JSON");
    let rounds = report["rounds"].as_array().expect("rounds");
    let has_questions: Vec<bool> = rounds.iter().map(|round| !round["questions"].is_null()).collect();
    assert_eq!(has_questions, [false, true, true, false], "they take turns");
    for round in rounds {
        assert!(round["orders"]["count"].as_u64() > Some(50), "{round}");
        if !round["questions"].is_null() {
            let answered = round["questions"]["answered"].as_u64().expect("a count");
            assert!(answered >= 6 * 50 * 2 && round["questions"]["refused"] == 0, "{round}");
        }
    }
    let p99 = &report["medians"][1];
    assert_eq!(p99["quantile"], "p99");
    let (alone, beside) = (p99["alone_us"].as_f64().expect("a time"), p99["beside_us"].as_f64().expect("a time"));
    assert!(alone > 0.0 && (p99["ratio"].as_f64().expect("a ratio") - beside / alone).abs() < 1e-9, "{p99}");
}
