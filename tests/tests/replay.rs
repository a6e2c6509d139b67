//! A whole day of order flow through the WebSocket API of a running server, into two tenants at
//! once: every execution must be the one that was recorded.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rialto_tests::flow;
use rialto_tests::server::{Server, binary, lines};

fn replay(server: &Server, tenant: &str, folder: &std::path::Path) -> Child {
    Command::new(binary("rialto-load"))
        .args(["replay", "--url", &server.url(), "--tenant", tenant, "--market", "AAABBB"])
        .arg("--config")
        .arg(server.configuration())
        .arg("--flow")
        .arg(folder)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the replayer starts")
}

fn finish(mut child: Child, tenant: &str) {
    let last = lines(&mut child).last().unwrap_or_default();
    let status = child.wait().expect("the replayer ends");
    println!("{tenant}: {last}");
    assert!(last.ends_with(" 0 wrong"), "{tenant}: {last}");
    assert!(status.success(), "{tenant}: {status}");
}

fn settled(summary: &serde_json::Value) {
    assert_eq!(summary["ok"], true, "{summary}");
    for tenant in summary["tenants"].as_array().expect("tenants") {
        assert_eq!(tenant["fills_matched"], tenant["fills_settled"], "{summary}");
        assert_ne!(tenant["fills_matched"], 0, "{summary}");
    }
}

/// The last durable record, by the metrics.
fn journal_position(server: &Server) -> f64 {
    let metrics = server.metrics();
    let value = metrics.lines().find_map(|line| line.strip_prefix("rialto_journal_last_seq "));
    value.and_then(|value| value.parse().ok()).unwrap_or(0.0)
}

#[test]
fn both_days_replay_into_two_tenants_at_once() {
    let mut server = Server::start(&flow::configuration());
    let folders = flow::folders(server.directory());
    let [sse, bitstamp] =
        [("sse", &folders[0]), ("bitstamp", &folders[1])].map(|(tenant, folder)| replay(&server, tenant, folder));
    finish(sse, "sse");
    finish(bitstamp, "bitstamp");
    server.kill();
    settled(&server.check());
}

#[test]
fn both_days_replay_through_three_kills() {
    let mut server = Server::start(&flow::configuration());
    let folders = flow::folders(server.directory());
    let [sse, bitstamp] =
        [("sse", &folders[0]), ("bitstamp", &folders[1])].map(|(tenant, folder)| replay(&server, tenant, folder));
    // Every command leaves a record of its own and shares its receipts with others, so that this
    // much of the journal is written well before either flow ends.
    let records = if std::env::var_os("RIALTO_FLOWS").is_some() { 25_000.0 } else { 2_500.0 };
    for part in [1.0, 2.0, 3.0] {
        let began = Instant::now();
        while journal_position(&server) < records * part {
            assert!(began.elapsed() < Duration::from_secs(120), "the flow does not come so far");
            std::thread::sleep(Duration::from_millis(5));
        }
        server.kill();
        server.restart();
    }
    finish(sse, "sse");
    finish(bitstamp, "bitstamp");
    server.kill();
    settled(&server.check());
}
