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
    run_on(&two_tenants(), script);
}

fn run_on(configuration: &str, script: &str) {
    let server = Server::start(configuration);
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

/// What `globex` has beside what both tenants have: a rail that nobody answers for, and whoever needs it.
const MONEY: &str = r#"
[[tenants.users]]
name = "carol"
api_key = "globex-carol"
secret = "secret-of-carol-globex"
balances = { USD = "1000" }
withdrawals = true
[[tenants.users]]
name = "dave"
api_key = "globex-dave"
secret = "secret-of-dave-globex"
balances = { USD = "1000" }
[[tenants.operators]]
name = "backend"
api_key = "globex-backend"
secret = "secret-of-backend"
role = "backend"
[[tenants.rails]]
name = "bank"
url = "http://127.0.0.1:1/bank"
key = "to-bank"
secret = "secret-of-requests-to-bank"
callback_key = "bank-calls"
callback_secret = "secret-of-bank-calls"
assets = [{ asset = "USD", min = "1", max = "5000" }]
[[tenants.fee_plans]]
kind = "withdrawal"
asset = "USD"
fixed = "0.5"
"#;

#[test]
fn ccxt_and_python_binance_deposit_and_withdraw() {
    run_on(&(two_tenants() + MONEY), "money.py");
}
