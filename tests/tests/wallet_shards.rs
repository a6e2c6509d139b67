//! Two tenants with three wallets each on a real server that is killed: users who are at home in different
//! wallets trade with each other, and whatever happens, every book balances, and what is answered agrees.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rialto_tests::client::{Key, Session, limit, signed};
use rialto_tests::server::{Server, binary, two_tenants};
use serde_json::Value;

const ROUNDS: u64 = 8;
const TENANTS: [&str; 2] = ["acme", "globex"];
const USERS: [&str; 3] = ["alice", "bob", "poor"];

fn configuration() -> String {
    two_tenants().replace("hosts = [", "wallet_shards = 3\nhosts = [")
}

/// Places orders around one price until the connection breaks, and cancels all of them now and then.
fn trade(ws_url: &str, tenant: &str, user: &str, round: u64, filled: &AtomicU64) {
    let Ok(mut session) = std::panic::catch_unwind(|| Session::log_on(ws_url, tenant, &Key::of(tenant, user))) else {
        return;
    };
    let mut random = round * 31 + user.len() as u64;
    for number in 0.. {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let side = if random >> 60 & 1 == 0 { "SELL" } else { "BUY" };
        let price = format!("7.00{:02}", (random >> 40) % 20);
        let quantity = if user == "poor" { "1".to_owned() } else { format!("{}.{:02}", 1 + number % 9, number % 100) };
        let id = format!("{user}-{round}-{number}");
        let asked = if number % 50 == 49 {
            let cancel = serde_json::json!({"symbol": "USDCNY", "timestamp": rialto_tests::client::now_millis()});
            session.try_ask("openOrders.cancelAll", cancel)
        } else {
            session.try_ask("order.place", limit("USDCNY", side, &price, &quantity, &id))
        };
        let Ok(reply) = asked else { return };
        // Whoever has no money left, or nothing to cancel, is told so, and goes on.
        let code = &reply["error"]["code"];
        assert!(reply["status"] == 200 || *code == -2010 || *code == -2011, "{reply}");
        if reply["result"]["executedQty"].as_str().is_some_and(|executed| !executed.trim_matches(['0', '.']).is_empty())
        {
            filled.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn units(text: &Value) -> u64 {
    let text = text.as_str().expect("a decimal");
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    whole.parse::<u64>().expect("a number") * 100_000_000 + format!("{part:0<8}").parse::<u64>().expect("a number")
}

/// What each user has locked is what his open orders hold, as he is told of both.
fn compare(server: &Server, tenant: &str, user: &str) {
    let base = format!("{}/t/{tenant}", server.url());
    let key = Key::of(tenant, user);
    let (status, open) = signed("GET", &base, "/api/v3/openOrders", &key, "");
    assert_eq!(status, 200, "{open}");
    let (status, account) = signed("GET", &base, "/api/v3/account", &key, "");
    assert_eq!(status, 200, "{account}");
    let sells = open.as_array().expect("orders").iter().filter(|order| order["side"] == "SELL");
    let offered: u64 = sells.map(|order| units(&order["origQty"]) - units(&order["executedQty"])).sum();
    let row = account["balances"].as_array().expect("balances").iter().find(|row| row["asset"] == "USD");
    assert_eq!(row.map_or(0, |row| units(&row["locked"])), offered, "{user} of {tenant}");
}

#[test]
fn users_at_home_in_several_wallets_trade_through_kills_and_every_book_balances() {
    let mut server = Server::start(&configuration());
    let filled = Arc::new(AtomicU64::new(0));
    for round in 0..ROUNDS {
        let url = server.ws_url();
        let traders: Vec<_> = TENANTS
            .into_iter()
            .flat_map(|tenant| USERS.map(|user| (tenant, user)))
            .map(|(tenant, user)| {
                let (url, filled) = (url.clone(), Arc::clone(&filled));
                std::thread::spawn(move || trade(&url, tenant, user, round, &filled))
            })
            .collect();
        std::thread::sleep(Duration::from_millis(300 + round * 90));
        server.kill();
        traders.into_iter().for_each(|trader| trader.join().expect("a trader was answered as he should be"));
        if round % 4 == 3 {
            assert_eq!(server.check()["ok"], true, "round {round}");
        }
        server.restart();
        for (tenant, user) in TENANTS.into_iter().flat_map(|tenant| USERS.map(|user| (tenant, user))) {
            compare(&server, tenant, user);
        }
    }
    assert!(filled.load(Ordering::Relaxed) > 200, "only {} orders traded at once", filled.load(Ordering::Relaxed));
    server.kill();
    let summary = server.check();
    for tenant in summary["tenants"].as_array().expect("tenants") {
        assert_eq!(tenant["fills_matched"], tenant["fills_settled"], "{summary}");
    }
    // The tenant's entries are one chain, whichever wallet has posted them.
    let verify = Command::new(binary("rialto")).args(["ledger", "verify", "--data"]).arg(server.data()).output();
    let verify = verify.expect("the proof runs");
    let text = String::from_utf8_lossy(&verify.stdout);
    assert!(verify.status.success(), "{text}");
}

#[test]
fn the_number_of_wallets_cannot_change() {
    let mut server = Server::start(&configuration());
    server.kill();
    let changed = configuration().replacen("wallet_shards = 3", "wallet_shards = 2", 1);
    std::fs::write(server.configuration(), changed).expect("the configuration is written");
    let mut serve = Command::new(binary("rialto"));
    serve.args(["serve", "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"]);
    serve.arg("--config").arg(server.configuration()).arg("--data").arg(server.data());
    let output = serve.stdout(Stdio::null()).output().expect("it ends");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(text.contains("tenant acme: its wallet shards are 3 and cannot become 2"), "{text}");
}
