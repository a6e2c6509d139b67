//! Power cuts under a trading server: what was acknowledged is there after writes that were not
//! synced were dropped or torn. With the sync taken out, the same test must find losses.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use rialto_tests::client::{Key, Session, limit, signed};
use rialto_tests::power_cut::{Shim, after_power_cut};
use rialto_tests::server::{Server, two_tenants};

/// How many power cuts with the sync in place.
const ROUNDS: u64 = 50;
/// How many, at most, until the loss shows with the sync taken out.
const ROUNDS_WITHOUT_SYNC: u64 = 20;

/// What a round found missing.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Whole,
    /// Acknowledged orders are gone.
    Lost(usize),
    /// The server says itself that its journal was damaged, and does not start.
    Refused,
}

/// Copies a directory with all that is in it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

/// Trades until the power fails. Gives the client ids that were acknowledged and rest.
fn trade_until_cut(server: &mut Server, round: u64, pause: Duration) -> Vec<String> {
    let url = server.ws_url();
    let trader = std::thread::spawn(move || {
        let mut session = Session::log_on(&url, "acme", &Key::of("acme", "alice"));
        let mut acknowledged = Vec::new();
        for number in 0.. {
            let id = format!("p{round}-{number}");
            match session.try_ask("order.place", limit("USDCNY", "SELL", "9.0000", "10", &id)) {
                Ok(reply) => {
                    assert_eq!(reply["status"], 200, "{reply}");
                    acknowledged.push(id);
                }
                Err(_) => break,
            }
        }
        acknowledged
    });
    std::thread::sleep(pause);
    server.kill();
    trader.join().unwrap_or_default()
}

fn open_orders(server: &Server) -> BTreeSet<String> {
    let base = format!("{}/t/acme", server.url());
    let (status, open) = signed("GET", &base, "/api/v3/openOrders", &Key::of("acme", "alice"), "symbol=USDCNY");
    assert_eq!(status, 200, "{open}");
    let ids = open.as_array().into_iter().flatten().filter_map(|order| order["clientOrderId"].as_str());
    ids.map(str::to_owned).collect()
}

/// Rounds of trading, cutting and looking. Stops at the first loss.
fn rounds(count: u64, skip_sync: bool) -> (u64, usize, Outcome) {
    let mut server = Server::prepare(&two_tenants());
    let shim = Shim::compile(server.directory()).expect("a C compiler");
    let (log, initial, cut) =
        (server.directory().join("log"), server.directory().join("initial"), server.directory().join("cut"));
    let mut known = BTreeSet::new();
    let mut acknowledged = 0;
    fs::create_dir_all(server.data()).expect("a directory");
    for round in 0..count {
        copy(&server.data(), &initial);
        let data = server.data();
        server.spawn(|command| {
            shim.watch(command, &data, &log).expect("the shim watches");
            if skip_sync {
                command.env("RIALTO_UNSAFE_SKIP_SYNC", "1");
            }
        });
        server.wait_ready();
        let pause = Duration::from_millis(20 + round * 37 % 160);
        let new = trade_until_cut(&mut server, round, pause);
        acknowledged += new.len();
        known.extend(new);
        after_power_cut(&log, &initial, &cut, round).expect("a directory as the disk kept it");
        server.replace_data(&cut);
        for path in [&initial, &log] {
            if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.expect("cleared");
        }
        server.spawn(|command| {
            command.stderr(if skip_sync { std::process::Stdio::null() } else { std::process::Stdio::inherit() });
        });
        if skip_sync && !server.becomes_ready() {
            return (round + 1, acknowledged, Outcome::Refused);
        }
        server.wait_ready();
        let there = open_orders(&server);
        server.kill();
        let lost = known.difference(&there).count();
        if lost > 0 {
            return (round + 1, acknowledged, Outcome::Lost(lost));
        }
        // What was there without having been acknowledged is kept from now on.
        known = there;
    }
    assert_eq!(server.check()["ok"], true);
    (count, acknowledged, Outcome::Whole)
}

#[test]
fn what_was_acknowledged_survives_fifty_power_cuts() {
    let (rounds, acknowledged, outcome) = rounds(ROUNDS, false);
    println!("{acknowledged} acknowledged orders over {rounds} power cuts: {outcome:?}");
    assert_eq!(outcome, Outcome::Whole);
    assert!(acknowledged > 500, "only {acknowledged} orders in all: the test did not test");
}

#[test]
fn without_the_sync_the_loss_shows() {
    let (rounds, acknowledged, outcome) = rounds(ROUNDS_WITHOUT_SYNC, true);
    println!("without the sync: {outcome:?} after {rounds} power cuts and {acknowledged} acknowledged orders");
    assert_ne!(outcome, Outcome::Whole, "the test would not notice a missing sync");
}
