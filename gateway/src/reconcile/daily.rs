//! The day of a tenant, from the read store: the report, and how it is written.

use std::collections::HashMap;

use rialto_actors::zone::Zone;
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
pub fn entries_of(store: &ReadStore, tenant: TenantId, day: Day, zone: &Zone) -> Result<(u64, u64), ReadStoreError> {
    let (begin, end) = day.bounds(zone);
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
pub fn report(store: &ReadStore, tenant: TenantId, day: Day, zone: &Zone) -> Result<DayReport, ReadStoreError> {
    let (begin, _) = day.bounds(zone);
    let (first, end) = entries_of(store, tenant, day, zone)?;
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

#[cfg(test)]
mod tests {
    use rialto_engine::ids::{AccountId, AssetId, RailId};
    use rialto_engine::units::Amount;
    use rialto_engine::wallet::{Cause, Entry, LedgerAccount};
    use rialto_persistence::read_store::CACHE_BYTES_DEFAULT;

    use super::*;
    use crate::reconcile::ledger::{AccountKind, Line};

    const TENANT: TenantId = TenantId(0);
    const USD: AssetId = AssetId(0);
    const HOUR: u64 = 3_600_000_000_000;

    /// A moment, in hours of UTC behind the midnight of a day.
    fn utc(date: &str, hours: u64) -> u64 {
        Day::parse(date).expect(date).bounds(&Zone::UTC).0.0 + hours * HOUR
    }

    /// Four days from noon of a date on, in which money comes in at every half hour and in the last nanosecond
    /// before it, a little more each time.
    fn four_days(store: &ReadStore, date: &str) -> Vec<Entry> {
        let times =
            (1..=4 * 48).flat_map(|half| [utc(date, 12) + half * HOUR / 2 - 1, utc(date, 12) + half * HOUR / 2]);
        let (mut batch, mut balance, mut entries) = (store.begin(), Amount(0), Vec::new());
        for (number, time) in (1..).zip(times) {
            let amount = Amount(i128::from(number));
            balance += amount;
            let entry = Entry {
                number,
                time: Nanos(time),
                asset: USD,
                debit: LedgerAccount::External(RailId(1)),
                credit: LedgerAccount::Available(AccountId(0)),
                amount,
                debit_after: Amount(-balance.0),
                credit_after: balance,
                cause: Cause::Deposit(number),
            };
            batch.entry(TENANT, &entry);
            entries.push(entry);
        }
        store.commit(&mut batch, 1, true).expect("commits");
        entries
    }

    #[test]
    fn a_day_on_which_clocks_are_changed_is_proven_from_its_midnight_to_the_next() {
        let berlin = Zone::named("Europe/Berlin").expect("a zone");
        // Each day with the hours of UTC, behind the midnight of the first, in which it begins.
        for (from, days) in [
            ("2026-03-27", [("2026-03-28", 23), ("2026-03-29", 47), ("2026-03-30", 70), ("2026-03-31", 94)]),
            ("2026-10-23", [("2026-10-24", 22), ("2026-10-25", 46), ("2026-10-26", 71), ("2026-10-27", 95)]),
        ] {
            let directory = tempfile::tempdir().expect("a directory");
            let store = ReadStore::open(&directory.path().join("store.redb"), CACHE_BYTES_DEFAULT).expect("opens");
            let entries = four_days(&store, from);
            let sum = |until: u64| -> i128 {
                entries.iter().filter(|entry| entry.time.0 < until).map(|entry| entry.amount.0).sum()
            };
            let mut reports = Vec::new();
            for pair in days.windows(2) {
                let [(date, begin), (_, end)] = *pair else { panic!("a pair") };
                let (begin, end) = (utc(from, begin), utc(from, end));
                let report = report(&store, TENANT, Day::parse(date).expect(date), &berlin).expect("reads");
                assert_eq!(report.wrong, 0, "{date}: {:?}", report.findings);
                let held: Vec<u64> = entries
                    .iter()
                    .filter(|entry| (begin..end).contains(&entry.time.0))
                    .map(|entry| entry.number)
                    .collect();
                // Four an hour, also in the hour that comes twice.
                assert_eq!(held.len() as u64, (end - begin) / HOUR * 4, "{date}");
                assert_eq!(Some(report.entries), held.first().copied().zip(held.last().map(|last| last + 1)), "{date}");
                let (opening, closing) = (sum(begin), sum(end));
                let line = |opening: i128, debits: i128, credits: i128, closing: i128| Line {
                    opening: Amount(opening),
                    debits: Amount(debits),
                    credits: Amount(credits),
                    closing: Amount(closing),
                };
                let moved = closing - opening;
                assert_eq!(report.lines[&(USD, AccountKind::Available)], line(opening, 0, moved, closing), "{date}");
                let outside = report.lines[&(USD, AccountKind::External(RailId(1)))];
                assert_eq!(outside, line(-opening, moved, 0, -closing), "{date}");
                assert!(report.lines.values().all(Line::adds_up), "{date}");
                reports.push((date, report));
            }
            for pair in reports.windows(2) {
                let [(_, before), (date, report)] = pair else { panic!("a pair") };
                assert_eq!(before.entries.1, report.entries.0, "{date}");
                for (key, line) in &report.lines {
                    assert_eq!(before.lines[key].closing, line.opening, "{date}");
                }
            }
        }
    }

    #[test]
    fn a_day_that_a_zone_has_left_out_closes_as_it_opened() {
        let apia = Zone::named("Pacific/Apia").expect("a zone");
        let directory = tempfile::tempdir().expect("a directory");
        let store = ReadStore::open(&directory.path().join("store.redb"), CACHE_BYTES_DEFAULT).expect("opens");
        let entries = four_days(&store, "2011-12-28");
        let of = |date: &str| report(&store, TENANT, Day::parse(date).expect(date), &apia).expect("reads");
        let [before, none, after] = ["2011-12-29", "2011-12-30", "2011-12-31"].map(of);
        let change = utc("2011-12-30", 10);
        let first = entries.iter().find(|entry| entry.time.0 >= change).expect("there is one").number;
        assert_eq!((before.wrong, before.entries.1), (0, first), "{:?}", before.findings);
        assert_eq!((none.wrong, none.entries), (0, (first, first)), "{:?}", none.findings);
        assert_eq!((after.wrong, after.entries.0), (0, first), "{:?}", after.findings);
        for (key, line) in &none.lines {
            assert_eq!((line.opening, line.closing), (before.lines[key].closing, after.lines[key].opening));
        }
    }
}
