//! A whole day of order flow through the WebSocket API of a running server, into two tenants at
//! once: every execution must be the one that was recorded.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

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

#[test]
fn both_days_replay_into_two_tenants_at_once() {
    let mut server = Server::start(&flow::configuration());
    let folders = flow::folders(server.directory());
    let [sse, bitstamp] = [("sse", &folders[0]), ("bitstamp", &folders[1])].map(|(tenant, folder)| replay(&server, tenant, folder));
    finish(sse, "sse");
    finish(bitstamp, "bitstamp");
    server.kill();
    settled(&server.check());
}

#[test]
fn both_days_replay_through_three_kills() {
    let mut server = Server::start(&flow::configuration());
    let folders = flow::folders(server.directory());
    let [sse, bitstamp] = [("sse", &folders[0]), ("bitstamp", &folders[1])].map(|(tenant, folder)| replay(&server, tenant, folder));
    for pause in [700, 500, 900] {
        std::thread::sleep(Duration::from_millis(pause));
        server.kill();
        server.restart();
    }
    finish(sse, "sse");
    finish(bitstamp, "bitstamp");
    server.kill();
    settled(&server.check());
}
