//! The operator's offline tools: `rialto check`, `rialto journal` and `rialto ledger`. They read a
//! data directory that no server is using.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use rialto_actors::partition::snapshots_in;
use rialto_persistence::audit::audit;
use rialto_persistence::chain::Chain;
use rialto_persistence::codec::decode_record;
use rialto_persistence::frame::Position;
use rialto_persistence::journal::sled::{SledJournal, SledOptions};
use rialto_persistence::journal::{Journal, JournalError};
use rialto_persistence::read_store::{CACHE_BYTES_DEFAULT, ReadStore};
use rialto_persistence::snapshot;
use rialto_persistence::verify::{Flaw, FlawKind, TenantVerification, verify};
use serde_json::json;

/// Opens the journal of a data directory, which must be there.
fn open(data: &Path) -> Result<SledJournal, String> {
    if !data.join("journal").is_dir() {
        return Err(format!("{} holds no journal", data.display()));
    }
    SledJournal::open(data, SledOptions::default()).map_err(|error| match error {
        JournalError::Refused { .. } => format!("{} is in use; stop the server first", data.display()),
        other => other.to_string(),
    })
}

/// Replays everything and proves the invariants; a JSON summary on standard output. Gives whether
/// all of them hold.
///
/// # Errors
/// If the journal cannot be read or replayed, or the summary cannot be written.
pub fn check(data: &Path) -> Result<bool, String> {
    let journal = open(data)?;
    let snapshots = snapshots_in(data);
    let found = audit(&journal, &snapshots).map_err(|failure| match damaged(&snapshots) {
        Some(snapshot) => snapshot,
        None => failure.to_string(),
    })?;
    let tenants: Vec<_> = found
        .tenants
        .iter()
        .map(|tenant| {
            json!({
                "name": tenant.name,
                "entries": tenant.entries,
                "open_orders": tenant.open_orders,
                "fills_matched": tenant.fills_matched,
                "fills_settled": tenant.fills_settled,
                "transactions": tenant.transactions,
                "live_transactions": tenant.live_transactions,
                "open_cases": tenant.open_cases,
                "chain": tenant.chain.map(|chain| chain_of(&chain)),
            })
        })
        .collect();
    let snapshots: Vec<_> =
        found.snapshots.iter().map(|(position, same)| json!({ "position": position, "equals_replay": same })).collect();
    let ok = found.findings.is_empty();
    let summary = json!({
        "ok": ok,
        "from": found.from,
        "position": found.position,
        "undelivered": found.undelivered,
        "snapshots": snapshots,
        "tenants": tenants,
        "findings": found.findings,
    });
    let text = serde_json::to_string_pretty(&summary).map_err(|error| error.to_string())?;
    writeln!(io::stdout(), "{text}").map_err(|error| error.to_string())?;
    Ok(ok)
}

/// A chain in JSON: the number of its last entry and the head behind it.
fn chain_of(chain: &Chain) -> serde_json::Value {
    json!({ "entry": chain.number, "head": chain.text() })
}

/// Holds every entry of the read store against the journal, and the chain over both against the heads
/// that were stored; a JSON summary on standard output. Gives whether all is as it was written.
///
/// # Errors
/// If the journal cannot be read or replayed, the read store cannot be read, or the summary cannot be
/// written.
pub fn ledger_verify(data: &Path) -> Result<bool, String> {
    let journal = open(data)?;
    let path = data.join("read_store.redb");
    let store = ReadStore::open_existing(&path, CACHE_BYTES_DEFAULT)
        .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    let found = verify(&store, &journal, &snapshots_in(data)).map_err(|failure| failure.to_string())?;
    let flaw = |flaw: &Flaw| match flaw.what {
        FlawKind::Changed => json!({ "entry": flaw.number, "flaw": "changed" }),
        FlawKind::Moved { from } => json!({ "entry": flaw.number, "flaw": "moved", "from": from }),
        FlawKind::Missing => json!({ "entry": flaw.number, "flaw": "missing" }),
        FlawKind::Unknown => json!({ "entry": flaw.number, "flaw": "unknown" }),
        FlawKind::Head => json!({ "entry": flaw.number, "flaw": "head" }),
    };
    let tenant = |tenant: &TenantVerification| {
        json!({
            "name": tenant.name,
            "same": tenant.same,
            "before": tenant.before,
            "stored": chain_of(&tenant.stored),
            "replayed": chain_of(&tenant.replayed),
            "heads": tenant.heads,
            "flawed": tenant.flawed,
            "flaws": tenant.flaws.iter().map(flaw).collect::<Vec<_>>(),
        })
    };
    let ok = found.is_ok();
    let summary = json!({
        "ok": ok,
        "position": found.position,
        "stored_position": found.stored_position,
        "tenants": found.tenants.iter().map(tenant).collect::<Vec<_>>(),
        "findings": found.findings,
    });
    let text = serde_json::to_string_pretty(&summary).map_err(|error| error.to_string())?;
    writeln!(io::stdout(), "{text}").map_err(|error| error.to_string())?;
    Ok(ok)
}

/// The first snapshot that cannot be read, and why. The audit reads them all before anything else.
fn damaged(snapshots: &Path) -> Option<String> {
    let mut paths = snapshot::list(snapshots).unwrap_or_default().into_iter();
    paths.find_map(|path| {
        let error = snapshot::read(&path).err()?;
        Some(format!("the snapshot {} is damaged: {error}; a server passes it over", path.display()))
    })
}

/// Reads every frame and record, and says how many there are.
///
/// # Errors
/// The first that cannot be read.
pub fn journal_verify(data: &Path) -> Result<(), String> {
    let journal = open(data)?;
    let mut frames = 0_u64;
    let mut records = 0_u64;
    each_frame(&journal, |frame| {
        frames += 1;
        if frame.fence().is_none() {
            for (position, bytes) in frame.records() {
                decode_record(bytes).map_err(|error| format!("record {position}: {error}"))?;
                records += 1;
            }
        }
        Ok(())
    })?;
    let last = journal.stats().last;
    writeln!(io::stdout(), "{frames} frames, {records} records up to {last}: all of them whole")
        .map_err(|error| error.to_string())
}

/// Size, bounds and epoch of the journal, as JSON.
///
/// # Errors
/// If the journal cannot be opened or the summary cannot be written.
pub fn journal_stats(data: &Path) -> Result<(), String> {
    let stats = open(data)?.stats();
    let summary = json!({
        "volumes": stats.volumes,
        "bytes": stats.bytes,
        "first": stats.first.0,
        "last": stats.last.0,
        "epoch": stats.epoch.0,
    });
    writeln!(io::stdout(), "{summary}").map_err(|error| error.to_string())
}

/// Every record in words, a line each.
///
/// # Errors
/// If the journal cannot be read or the lines cannot be written.
pub fn journal_dump(data: &Path) -> Result<(), String> {
    let journal = open(data)?;
    let mut output = BufWriter::new(io::stdout().lock());
    let told = each_frame(&journal, |frame| {
        for (position, bytes) in frame.records() {
            let line = match frame.fence() {
                Some(node) => writeln!(output, "{position} epoch {} begins on {node}", frame.epoch.0),
                None => {
                    let record = decode_record(bytes).map_err(|error| format!("record {position}: {error}"))?;
                    writeln!(output, "{position} {record:?}")
                }
            };
            line.map_err(|error| error.to_string())?;
        }
        Ok(())
    });
    told.and(output.flush().map_err(|error| error.to_string()))
}

fn each_frame(
    journal: &dyn Journal,
    mut take: impl FnMut(rialto_persistence::frame::Frame<'_>) -> Result<(), String>,
) -> Result<(), String> {
    let mut reader = journal.reader();
    let mut after = Position(journal.stats().first.0.saturating_sub(1));
    let mut failure = None;
    loop {
        let read = reader.read(after, 1 << 20, &mut |frame| {
            if failure.is_none() {
                failure = take(frame).err();
            }
        });
        let end = read.map_err(|error| error.to_string())?;
        if let Some(failure) = failure {
            return Err(failure);
        }
        if end == after {
            return Ok(());
        }
        after = end;
    }
}
