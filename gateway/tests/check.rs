//! `rialto check` finds what is wrong with a data directory, says where, and fails.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use rialto_actors::api::{ReplyToken, Request, WorkerEvent};
use rialto_actors::exchange::{Exchange, Options, Storage};
use rialto_engine::ids::{AccountId, ClientOrderId, MarketId, TenantId};
use rialto_engine::order::{Instructions, OrderKind, Side};
use rialto_engine::units::{Amount, Nanos, Price, Quantity};
use rialto_engine::wallet::{Command as WalletCommand, Place};
use rialto_persistence::journal::sled::SledOptions;
use serde_json::Value;
use tempfile::TempDir;

/// A data directory of a run with this many orders, which trade.
fn run(orders: u64) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let journal = SledOptions { volume_bytes: 15_000, ..SledOptions::default() };
    let mut options = Options::new(Storage::Directory { path: directory.path().to_owned(), journal });
    options.snapshot_every = 250;
    let (exchange, mut feeds) = Exchange::start(options, &support::configuration().setup).expect("starts");
    let feed = feeds.remove(0);
    let mut answered = 0;
    for number in 0..orders {
        let place = Place {
            account: AccountId(u32::from(number % 2 == 0)),
            market: MarketId(0),
            client_id: ClientOrderId::new(&format!("n{number}")),
            side: if number % 2 == 0 { Side::Sell } else { Side::Buy },
            kind: OrderKind::Limit,
            price: Price(70_000),
            quantity: Quantity(100 + number),
            budget: Amount(0),
            time: Nanos(0),
            instructions: Instructions::default(),
        };
        let request = Request::Command { command: WalletCommand::Place(place), deadline: Nanos(u64::MAX) };
        let token = ReplyToken { worker: 0, slot: 0, generation: 0 };
        exchange.submit(TenantId(0), request, token, 1).expect("taken");
        // In groups of a few, so that the journal is made of many frames.
        while answered + 10 < number {
            answered += answers(&feed);
        }
    }
    let began = Instant::now();
    while answered < orders {
        answered += answers(&feed);
        assert!(began.elapsed() < Duration::from_secs(20), "{answered} of {orders} were answered");
    }
    exchange.shutdown();
    directory
}

fn answers(feed: &rialto_actors::feed::Feed<WorkerEvent>) -> u64 {
    let events = std::iter::from_fn(|| feed.next_message());
    events.filter(|event| matches!(event, WorkerEvent::Released(release) if release.answer.is_some())).count() as u64
}

fn check(data: &Path) -> Output {
    rialto(&["check"], data)
}

fn rialto(what: &[&str], data: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rialto")).args(what).arg("--data").arg(data).output().expect("rialto runs")
}

/// A copy, to be damaged.
fn copy(from: &Path) -> TempDir {
    fn copy_into(from: &Path, to: &Path) {
        fs::create_dir_all(to).expect("a directory");
        for path in entries(from) {
            let to = to.join(path.file_name().expect("a name"));
            if path.is_dir() { copy_into(&path, &to) } else { fs::copy(&path, &to).map(drop).expect("copied") }
        }
    }
    let directory = tempfile::tempdir().expect("a directory");
    copy_into(from, directory.path());
    directory
}

/// What a directory holds, by name.
fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort_unstable();
    paths
}

/// The volumes of the journal. That which is only prepared holds nothing.
fn volumes(data: &Path) -> Vec<PathBuf> {
    entries(&data.join("journal")).into_iter().filter(|path| path.is_dir() && !path.ends_with("next")).collect()
}

fn flip(path: &Path, place: impl Fn(&[u8]) -> usize) {
    let mut bytes = fs::read(path).expect("read");
    let place = place(&bytes);
    bytes[place] ^= 0x10;
    fs::write(path, bytes).expect("written");
}

/// That the check fails and says one of these.
fn fails(data: &Path, what: &str, said: &[&str]) {
    let output = check(data);
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{what}: {text}");
    assert!(said.iter().all(|said| text.contains(said)), "{what} should say {said:?}: {text}");
    assert!(!text.contains("panicked"), "{what}: {text}");
}

#[test]
fn a_damaged_data_directory_fails_the_check() {
    let whole = run(600);
    let (snapshots, journal) = (entries(&whole.path().join("snapshots")), volumes(whole.path()));
    assert!(snapshots.len() >= 2 && journal.len() >= 3, "{snapshots:?} {journal:?}");
    let name = |path: &Path| path.strip_prefix(whole.path()).expect("inside").to_owned();

    let output = check(copy(whole.path()).path());
    let summary: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(output.status.success() && summary["ok"] == true, "{output:?}");
    assert_eq!(summary["snapshots"].as_array().map(Vec::len), Some(snapshots.len()));

    for snapshot in &snapshots {
        let damaged = copy(whole.path());
        flip(&damaged.path().join(name(snapshot)), |bytes| bytes.len() / 2);
        let file = snapshot.file_name().and_then(|name| name.to_str()).expect("a name");
        fails(damaged.path(), "a flipped bit in a snapshot", &["rialto: ", file, "checksum"]);
    }
    for volume in &journal {
        let first = volume.file_name().and_then(|name| name.to_str()).expect("a name").trim_start_matches('0');
        let damaged = copy(whole.path());
        fs::remove_dir_all(damaged.path().join(name(volume))).expect("removed");
        let what = format!("the volume from {first} is missing");
        fails(damaged.path(), &what, &["rialto: the log is corrupt at ", first]);

        // A frame in the middle of the volume: its payload no longer fits its checksum.
        let damaged = copy(whole.path());
        flip(&damaged.path().join(name(volume)).join("db"), |bytes| {
            let frames: Vec<usize> = frames(bytes);
            frames[frames.len() / 2] + 60
        });
        fails(
            damaged.path(),
            &format!("a flipped bit in the volume from {first}"),
            &["rialto: the log is corrupt at "],
        );
    }

    let damaged = copy(whole.path());
    fs::remove_dir_all(damaged.path().join("journal")).expect("removed");
    fails(damaged.path(), "no journal", &["holds no journal"]);

    // The journal of another run under the snapshots of this one.
    let other = run(100);
    for path in &snapshots {
        fs::copy(path, other.path().join(name(path))).expect("copied");
    }
    fails(other.path(), "the journal of another run", &["\"ok\": false", "is ahead of the journal"]);
}

/// The ledger's proof needs both the journal and the read store, of one run.
#[test]
fn the_ledger_is_proven_from_journal_and_read_store() {
    let whole = run(300);
    let output = rialto(&["ledger", "verify"], whole.path());
    let proof: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(output.status.success() && proof["ok"] == true, "{output:?}");
    let summary: Value = serde_json::from_slice(&check(whole.path()).stdout).expect("JSON");
    let tenant = &proof["tenants"][0];
    assert!(tenant["same"].as_u64().is_some_and(|same| same > 600), "{proof}");
    assert_eq!(tenant["stored"], tenant["replayed"]);
    assert_eq!(tenant["stored"], summary["tenants"][0]["chain"]);

    // The read store of another run: its entries are numbered alike, and are others.
    let other = run(320);
    fs::copy(other.path().join("read_store.redb"), whole.path().join("read_store.redb")).expect("copied");
    let output = rialto(&["ledger", "verify"], whole.path());
    let proof: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(output.status.code() == Some(1) && proof["ok"] == false, "{output:?}");
    assert!(proof["tenants"][0]["flaws"].as_array().is_some_and(|flaws| !flaws.is_empty()), "{proof}");

    fs::remove_file(whole.path().join("read_store.redb")).expect("removed");
    let output = rialto(&["ledger", "verify"], whole.path());
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot be read"), "{output:?}");
    assert!(!whole.path().join("read_store.redb").exists(), "a proof makes nothing");
}

/// Where frames begin.
fn frames(bytes: &[u8]) -> Vec<usize> {
    let magic = rialto_persistence::frame::FRAME_MAGIC;
    let begins = |(place, window): (usize, &[u8])| (window == magic).then_some(place);
    bytes.windows(magic.len()).enumerate().filter_map(begins).collect()
}
