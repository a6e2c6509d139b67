//! Unmodified clients against a running server: ccxt, REST and pro, and python-binance.

use std::path::PathBuf;
use std::process::Command;

use rialto_tests::server::{Server, two_tenants};

/// The Python that `make test` has equipped.
fn python() -> PathBuf {
    let named = std::env::var_os("RIALTO_PYTHON").map(PathBuf::from);
    let python = named.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/venv/bin/python"));
    assert!(python.exists(), "{} is missing; `make test` makes it", python.display());
    python
}

fn run(script: &str) {
    let server = Server::start(&two_tenants());
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("python").join(script);
    let status = Command::new(python()).arg(script).arg(server.url()).status().expect("python runs");
    assert!(status.success(), "{status}");
}

#[test]
fn ccxt_trades_over_rest() {
    run("ccxt_rest.py");
}

#[test]
fn ccxt_pro_watches_and_trades() {
    run("ccxt_pro.py");
}

#[test]
fn ccxt_waits_for_prices_and_meets_itself() {
    run("ccxt_contingent.py");
}

#[test]
fn ccxt_hides_dates_and_lists_its_orders() {
    run("ccxt_orders.py");
}

#[test]
fn python_binance_lists_its_orders() {
    run("python_binance.py");
}
