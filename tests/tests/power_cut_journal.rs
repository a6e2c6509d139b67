//! A sled journal loses nothing it acknowledged when the power is cut, and this test would notice.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rialto_persistence::frame::{FrameKind, Position};
use rialto_persistence::journal::sled::{SledJournal, SledOptions};
use rialto_persistence::journal::{Journal, JournalError};
use rialto_tests::power_cut::{Shim, after_power_cut, journal_record};

const ROUNDS: u64 = 24;

/// Runs the writer on `data` for a while and kills it: the last position it acknowledged.
fn run_and_kill(shim: &Shim, data: &Path, log: &Path, seed: u64, synced: bool) -> Position {
    let mut command = Command::new(env!("CARGO_BIN_EXE_journal_writer"));
    command.arg(data).arg(seed.to_string()).stdout(Stdio::piped());
    if !synced {
        command.arg("unsynced");
    }
    shim.watch(&mut command, data, log).expect("watched");
    let mut writer = command.spawn().expect("the writer starts");
    let stdout = BufReader::new(writer.stdout.take().expect("piped"));
    let (sender, acknowledgements) = mpsc::channel();
    let output = std::thread::spawn(move || {
        for line in stdout.split(b'\n').map_while(Result::ok) {
            let text = String::from_utf8(line).expect("a number");
            if sender.send(text).is_err() {
                break;
            }
        }
    });
    // Every fourth kill lands at some point of the start, the others amid the appends.
    let mut last = None;
    if !seed.is_multiple_of(4) {
        last = acknowledgements.recv_timeout(Duration::from_secs(20)).ok();
        assert!(last.is_some(), "the writer acknowledges something");
    }
    std::thread::sleep(Duration::from_millis(5 + seed * 37 % 300));
    writer.kill().expect("killed");
    writer.wait().expect("ended");
    // A line is one write into a pipe: it is whole or absent.
    let last = acknowledgements.iter().last().or(last);
    output.join().expect("read");
    Position(last.map_or(0, |line| line.parse().expect("a number")))
}

/// Opens the log, reads all of it and checks each record: the end.
fn verify(data: &Path) -> Result<Position, JournalError> {
    let journal = SledJournal::open(data, SledOptions::default())?;
    let stats = journal.stats();
    let mut reader = journal.reader();
    let mut end = Position(stats.first.0 - 1);
    loop {
        let mut expected = end;
        let read = reader.read(end, 1 << 20, &mut |frame| {
            for (position, record) in frame.records() {
                expected = expected.next();
                assert_eq!(position, expected);
                if frame.kind == FrameKind::Records {
                    assert!(record == journal_record(position), "record {position}");
                }
            }
        })?;
        if read == end {
            break;
        }
        end = read;
    }
    assert_eq!(end, stats.last);
    Ok(end)
}

#[test]
fn nothing_acknowledged_is_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let shim = Shim::compile(folder.path()).expect("the shim compiles");
    let mut before = folder.path().join("before");
    fs::create_dir(&before).expect("created");
    let mut known = Position::ZERO;
    let mut acknowledged_rounds = 0;
    for round in 0..ROUNDS {
        let data = folder.path().join(format!("data-{round}"));
        copy_folder(&before, &data);
        let log = folder.path().join("log");
        let acknowledged = run_and_kill(&shim, &data, &log, round, true);
        acknowledged_rounds += u64::from(acknowledged > Position::ZERO);
        known = known.max(acknowledged);

        // Several cuts of the same run; the log goes on from the first.
        let mut next = None;
        for cut in 0..2 {
            let out = folder.path().join(format!("cut-{round}-{cut}"));
            after_power_cut(&log, &before, &out, round * 100 + cut).expect("the cut is built");
            let end = verify(&out);
            let end = end.unwrap_or_else(|error| panic!("round {round}, cut {cut}: {error}"));
            assert!(end >= known, "round {round}, cut {cut}: {known} acknowledged, {end} left");
            match next {
                None => next = Some((out, end)),
                Some(_) => fs::remove_dir_all(out).expect("removed"),
            }
        }
        let (out, end) = next.expect("two cuts");
        known = end;
        fs::remove_dir_all(&before).expect("removed");
        fs::remove_dir_all(&data).expect("removed");
        if log.exists() {
            fs::remove_file(&log).expect("removed");
        }
        before = out;
    }
    println!("{known} records over {ROUNDS} power cuts, none lost");
    assert!(acknowledged_rounds > ROUNDS / 2, "{acknowledged_rounds} rounds came to appends");
}

#[test]
fn without_the_extra_sync_records_are_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let shim = Shim::compile(folder.path()).expect("the shim compiles");
    let before = folder.path().join("before");
    fs::create_dir(&before).expect("created");
    let mut losses = 0;
    for round in 0..8 {
        let data = folder.path().join(format!("data-{round}"));
        fs::create_dir(&data).expect("created");
        let log = folder.path().join(format!("log-{round}"));
        let acknowledged = run_and_kill(&shim, &data, &log, 200 + round, false);
        let out = folder.path().join(format!("cut-{round}"));
        after_power_cut(&log, &before, &out, round).expect("the cut is built");
        match verify(&out) {
            Ok(end) if end >= acknowledged => {}
            Ok(_) | Err(JournalError::Corrupt { .. }) => losses += 1,
            Err(error) => panic!("round {round}: {error}"),
        }
        fs::remove_dir_all(&data).expect("removed");
        fs::remove_dir_all(&out).expect("removed");
        fs::remove_file(&log).expect("removed");
    }
    println!("{losses} of 8 power cuts lost acknowledged records");
    assert!(losses > 0, "the test cannot see a loss");
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("created");
    for entry in fs::read_dir(from).expect("listed") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
}
