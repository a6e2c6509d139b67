//! Exports and the day's proof, offline, of what a real server has left; an independent reader agrees.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rialto_actors::zone::Zone;
use rialto_engine::units::Nanos;
use rialto_gateway::reconcile::day::Day;
use rialto_tests::client::{Key, now_millis, signed};
use rialto_tests::server::{Server, binary, two_tenants};
use serde_json::Value;

/// The Python that `make test` has equipped.
fn python() -> PathBuf {
    let named = std::env::var_os("RIALTO_PYTHON").map(PathBuf::from);
    let python = named.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/venv/bin/python"));
    assert!(python.exists(), "{} is missing; `make test` makes it", python.display());
    python
}

/// Orders that trade, rest, and are left to be cancelled by nobody.
fn trade(server: &Server, tenant: &str, rounds: u64) {
    let base = format!("{}/t/{tenant}", server.url());
    for round in 0..rounds {
        for (user, side) in [("alice", "SELL"), ("bob", "BUY")] {
            // Quantities and prices whose products and fees are not round.
            let (quantity, price) = (10 + round * 7 % 23, 70_001 + round * 13 % 50);
            let order = format!(
                "symbol=USDCNY&side={side}&type=LIMIT&timeInForce=GTC&quantity={quantity}.{:02}&price={}.{:04}",
                round % 100,
                price / 10_000,
                price % 10_000
            );
            let (status, answer) = signed("POST", &base, "/api/v3/order", &Key::of(tenant, user), &order);
            assert_eq!(status, 200, "{answer}");
        }
    }
}

fn rialto(arguments: &[&str]) -> Output {
    Command::new(binary("rialto")).args(arguments).env("RUST_LOG", "warn").output().expect("the tool runs")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of plain text")
}

#[test]
fn an_independent_reader_finds_in_the_parquet_file_what_stands_in_the_csv_file() {
    let mut server = Server::start(&two_tenants());
    trade(&server, "acme", 60);
    trade(&server, "globex", 1);
    server.kill();
    let today = Day::of(Nanos(now_millis() * 1_000_000), &Zone::UTC);
    // The test may run over midnight.
    let (from, to) = (today.previous().to_string(), today.next().to_string());
    let (data, config) = (server.data(), server.configuration());
    let out = server.directory().join("exports");
    std::fs::create_dir(&out).expect("a directory");
    for table in ["movements", "balances"] {
        for format in ["csv", "parquet"] {
            let file = out.join(format!("{table}.{format}"));
            let done = rialto(&[
                "export",
                "--data",
                text(&data),
                "--config",
                text(&config),
                "--tenant",
                "acme",
                "--table",
                table,
                "--from",
                &from,
                "--to",
                &to,
                "--format",
                format,
                "--out",
                text(&file),
            ]);
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        }
    }
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("python/exports.py");
    let status = Command::new(python()).arg(script).arg(&out).status().expect("python runs");
    assert!(status.success(), "{status}");

    let csv = out.join("day.csv");
    let date = today.to_string();
    let common = ["reconcile", "--data", text(&data), "--config", text(&config), "--date", &date];
    let done = rialto(&[&common[..], &["--csv", text(&csv)]].concat());
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let told = String::from_utf8(done.stdout).expect("UTF-8");
    let reports: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let tenants: Vec<&str> = reports.iter().filter_map(|report| report["tenant"].as_str()).collect();
    assert_eq!(tenants, ["acme", "globex"]);
    assert!(reports.iter().all(|report| report["ok"] == true), "{told}");
    assert!(std::fs::read_to_string(&csv).expect("the lines").lines().count() > 3);

    // Who only tries things out is left out, unless he is named.
    let shadow = std::fs::read_to_string(&config)
        .expect("a text")
        .replace("name = \"globex\"", "name = \"globex\"\nshadow = true");
    std::fs::write(&config, shadow).expect("written");
    let told = |more: &[&str]| String::from_utf8(rialto(&[&common[..], more].concat()).stdout).expect("UTF-8");
    assert!(!told(&[]).contains("globex"));
    assert!(told(&["--tenant", "globex"]).contains("globex"));
    let unknown = rialto(&[&common[..], &["--tenant", "initech"]].concat());
    assert!(!unknown.status.success());
}
