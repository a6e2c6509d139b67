//! The day of a tenant, from the read store: the report, and how it is written.

use std::collections::HashMap;

use rialto_actors::schedule::UtcOffset;
use rialto_engine::ids::TenantId;
use rialto_engine::units::Nanos;
use rialto_persistence::read_store::{ReadStore, ReadStoreError};

use super::day::Day;
use super::ledger::{DayBook, DayReport};
use crate::export::{Cell, Column, ExportError, Format, Kind, TableWriter};
use crate::json;
use crate::payments::view::{key, number, word};
use crate::query::balances::each_account;
use crate::query::names::Names;

/// Entries that are read at once.
const AT_ONCE: usize = 4_000;

const COLUMNS: [Column; 8] = [
    Column { name: "date", kind: Kind::Text },
    Column { name: "asset", kind: Kind::Text },
    Column { name: "kind", kind: Kind::Text },
    Column { name: "opening", kind: Kind::Amount },
    Column { name: "debits", kind: Kind::Amount },
    Column { name: "credits", kind: Kind::Amount },
    Column { name: "closing", kind: Kind::Amount },
    Column { name: "ok", kind: Kind::Text },
];

/// The first entry of a day, and the one behind its last: above all, if the day is not over.
///
/// # Errors
/// What the read store says.
pub fn entries_of(
    store: &ReadStore,
    tenant: TenantId,
    day: Day,
    offset: UtcOffset,
) -> Result<(u64, u64), ReadStoreError> {
    let (begin, end) = day.bounds(offset);
    let before = |time: Nanos| Nanos(time.0 - 1);
    Ok((store.first_entry_after(tenant, before(begin))?, store.first_entry_after(tenant, before(end))?))
}

/// Proves a day: what all accounts stated before it, entry by entry, to what they state behind it.
///
/// It takes memory for every account that has ever held anything, and time for them and for the
/// entries of the day.
///
/// # Errors
/// What the read store says.
pub fn report(store: &ReadStore, tenant: TenantId, day: Day, offset: UtcOffset) -> Result<DayReport, ReadStoreError> {
    let (begin, _) = day.bounds(offset);
    let (first, end) = entries_of(store, tenant, day, offset)?;
    let mut balances = HashMap::new();
    each_account(store, tenant, |account, asset| {
        let opening = store.balance_at(tenant, account, asset, Some(Nanos(begin.0 - 1)))?;
        balances.insert((asset, account), opening);
        Ok::<(), ReadStoreError>(())
    })?;
    let mut next = first.max(1);
    let mut book = DayBook::opened(balances, next);
    book.begin_day();
    while next < end {
        let entries = store.entries(tenant, None, Some(next), AT_ONCE)?;
        let Some(last) = entries.last().map(|entry| entry.number) else { break };
        entries.iter().filter(|entry| entry.number < end).for_each(|entry| book.take(entry));
        next = last + 1;
    }
    Ok(book.end_day())
}

/// Appends the report as JSON.
pub fn write_json(out: &mut Vec<u8>, names: &Names, tenant: &str, day: Day, report: &DayReport) {
    out.extend_from_slice(b"{\"tenant\":");
    json::string(out, tenant);
    word(out, "date", &day.to_string());
    key(out, "ok");
    json::boolean(out, report.wrong == 0);
    number(out, "firstEntry", report.entries.0);
    number(out, "entries", report.entries.1 - report.entries.0);
    key(out, "lines");
    json::array(out, &report.lines, |out, ((asset, kind), line)| {
        let (name, scale) = names.asset(*asset);
        out.extend_from_slice(b"{\"asset\":");
        json::string(out, name);
        word(out, "kind", &names.kind(*kind));
        let amounts =
            [("opening", line.opening), ("debits", line.debits), ("credits", line.credits), ("closing", line.closing)];
        for (name, amount) in amounts {
            key(out, name);
            out.push(b'"');
            crate::export::csv::put_amount(out, amount, scale);
            out.push(b'"');
        }
        key(out, "ok");
        json::boolean(out, line.adds_up());
        out.push(b'}');
    });
    number(out, "wrong", report.wrong);
    key(out, "findings");
    json::array(out, &report.findings, |out, finding| json::string(out, finding));
    out.push(b'}');
}

/// The report as comma-separated values.
///
/// # Errors
/// If it cannot be written.
pub fn write_csv<W: std::io::Write + Send>(
    sink: W,
    names: &Names,
    day: Day,
    report: &DayReport,
) -> Result<W, ExportError> {
    let mut writer = TableWriter::begin(Format::Csv, &COLUMNS, names.scale_max(), sink)?;
    let date = day.to_string();
    for ((asset, kind), line) in &report.lines {
        let (asset, scale) = names.asset(*asset);
        writer.row(&[
            Cell::Text(&date),
            Cell::Text(asset),
            Cell::Text(&names.kind(*kind)),
            Cell::Amount(line.opening, scale),
            Cell::Amount(line.debits, scale),
            Cell::Amount(line.credits, scale),
            Cell::Amount(line.closing, scale),
            Cell::Text(if line.adds_up() { "true" } else { "false" }),
        ])?;
    }
    writer.finish()
}
