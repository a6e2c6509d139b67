//! What a journal does when storage fails: scripted faults in memory, damaged files with sled.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rialto_persistence::frame::{Epoch, Group, Position};
use rialto_persistence::journal::memory::{Fault, MemoryLog};
use rialto_persistence::journal::sled::{SledJournal, SledOptions};
use rialto_persistence::journal::{Journal, JournalError};

const VOLUME_BYTES: u64 = 300_000;

fn options() -> SledOptions {
    // Without a tail, reads go to the files.
    SledOptions { volume_bytes: VOLUME_BYTES, tail_bytes: 0, ..SledOptions::default() }
}

fn group(epoch: Epoch, after: Position, count: usize) -> Group {
    let mut group = Group::new(epoch, after);
    for index in 0..count {
        let record: Vec<u8> = (0..20_000_u32).map(|byte| (byte + index as u32) as u8).collect();
        group.push(&record).expect("fits");
    }
    group
}

fn positions(journal: &dyn Journal, after: Position) -> Result<Vec<u64>, JournalError> {
    let mut reader = journal.reader();
    let mut positions = Vec::new();
    let mut end = after;
    loop {
        let mut sink = |frame: rialto_persistence::frame::Frame<'_>| {
            positions.extend(frame.records_after(after).map(|(position, _)| position.0));
        };
        let read = reader.read(end, 1 << 20, &mut sink)?;
        if read == end {
            return Ok(positions);
        }
        end = read;
    }
}

#[test]
fn an_unknown_outcome_stops_the_journal() {
    for (fault, kept) in [(Fault::Fail, 1), (Fault::Torn(2), 7), (Fault::Unknown, 11)] {
        let log = MemoryLog::new();
        let mut journal = log.open();
        let (epoch, end) = journal.acquire("node").expect("acquired");
        log.script(0, fault);
        let failed = journal.append(&mut group(epoch, end, 10));
        assert!(matches!(failed, Err(JournalError::Unknown(_))), "{fault:?}");
        let later = journal.append(&mut group(epoch, end, 1));
        assert!(matches!(later, Err(JournalError::Stopped)), "{fault:?}");
        assert!(matches!(journal.acquire("node"), Err(JournalError::Stopped)));

        let journal = log.open();
        assert_eq!(journal.stats().last, Position(kept), "{fault:?}");
        let read = positions(&journal, Position::ZERO).expect("read");
        assert_eq!(read, (1..=kept).collect::<Vec<u64>>(), "{fault:?}");
    }
}

#[test]
fn a_lying_disk_loses_what_it_acknowledged() {
    let log = MemoryLog::new();
    let mut journal = log.open();
    let (epoch, end) = journal.acquire("node").expect("acquired");
    log.script(1, Fault::LoseUnsynced);
    let end = journal.append(&mut group(epoch, end, 2)).expect("appended");
    journal.append(&mut group(epoch, end, 2)).expect("acknowledged");
    log.power_cut();
    assert_eq!(log.open().stats().last, end);
}

#[test]
fn an_owner_that_resumes_is_refused() {
    let log = MemoryLog::new();
    let mut paused = log.open();
    let (old, end) = paused.acquire("a").expect("acquired");
    let mut takeover = log.open();
    let (new, end_of_new) = takeover.acquire("b").expect("acquired");
    let refused = paused.append(&mut group(old, end, 1));
    assert!(
        matches!(refused, Err(JournalError::Refused { current, end }) if current == new && end == end_of_new),
        "{refused:?}"
    );
    takeover.append(&mut group(new, end_of_new, 1)).expect("the owner appends");
}

#[test]
fn a_second_process_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut journal = SledJournal::open(folder.path(), options()).expect("opened");
    let (epoch, end) = journal.acquire("a").expect("acquired");
    let refused = SledJournal::open(folder.path(), options());
    assert!(
        matches!(refused, Err(JournalError::Refused { current, end: at }) if current == epoch && at == end),
        "{refused:?}"
    );
    drop(journal);
    SledJournal::open(folder.path(), options()).expect("the log is free again");
}

/// A data directory with several volumes, the log's end, and the volumes by name.
struct Written {
    folder: tempfile::TempDir,
    end: Position,
    volumes: Vec<PathBuf>,
}

fn written(groups: usize) -> Written {
    let folder = tempfile::tempdir().expect("a folder");
    let mut journal = SledJournal::open(folder.path(), options()).expect("opened");
    let (epoch, mut end) = journal.acquire("node").expect("acquired");
    for _ in 0..groups {
        end = journal.append(&mut group(epoch, end, 5)).expect("appended");
    }
    drop(journal);
    let mut volumes: Vec<PathBuf> = fs::read_dir(folder.path().join("journal"))
        .expect("listed")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.file_name().is_some_and(|name| name.len() == 20))
        .collect();
    volumes.sort();
    Written { folder, end, volumes }
}

/// Opens and reads everything: the end found, or the error met.
fn verdict(folder: &Path) -> Result<Position, JournalError> {
    let journal = SledJournal::open(folder, options())?;
    let read = positions(&journal, Position::ZERO)?;
    let end = journal.stats().last;
    assert_eq!(read, (1..=end.0).collect::<Vec<u64>>(), "no hole is passed over");
    Ok(end)
}

fn assert_corrupt(result: Result<Position, JournalError>, case: &str) {
    assert!(matches!(result, Err(JournalError::Corrupt { .. })), "{case}: {result:?}");
}

#[test]
fn an_undamaged_log_is_whole() {
    let written = written(12);
    assert!(written.volumes.len() >= 3, "{:?}", written.volumes);
    assert_eq!(verdict(written.folder.path()).expect("whole"), written.end);
    assert_eq!(verdict(written.folder.path()).expect("whole"), written.end);
}

/// Power lost while a volume is made, the very first one included, leaves a part of it under the name
/// of what is being prepared: that is no log, and is removed.
#[test]
fn a_volume_that_was_not_finished_is_none() {
    let whole = tempfile::tempdir().expect("a folder");
    drop(SledJournal::open(whole.path(), options()).expect("opens"));
    let made = whole.path().join("journal").join(format!("{:020}", 1));
    for name in ["db", "conf"] {
        let bytes = fs::read(made.join(name)).expect("a volume has it");
        for part in [0, 1, bytes.len() / 2, bytes.len() - 1] {
            let data = tempfile::tempdir().expect("a folder");
            let next = data.path().join("journal/next");
            fs::create_dir_all(&next).expect("created");
            fs::write(next.join(name), &bytes[..part]).expect("written");
            let mut journal = SledJournal::open(data.path(), options()).expect("a log that is empty");
            let (epoch, end) = journal.acquire("node").expect("acquired");
            journal.append(&mut group(epoch, end, 3)).expect("appended");
            assert_eq!(positions(&journal, Position::ZERO).expect("read"), [1, 2, 3, 4], "{part} bytes of {name}");
            assert!(!next.exists(), "{part} bytes of {name}");
        }
    }
}

#[test]
fn a_deleted_volume_is_reported() {
    for index in 0..3 {
        let written = written(9);
        let index = index.min(written.volumes.len() - 1);
        fs::remove_dir_all(&written.volumes[index]).expect("removed");
        assert_corrupt(verdict(written.folder.path()), &format!("volume {index}"));
    }
    let written = written(9);
    written.volumes.iter().for_each(|volume| fs::remove_dir_all(volume).expect("removed"));
    assert_corrupt(verdict(written.folder.path()), "all volumes");
}

#[test]
fn a_cut_off_end_is_reported_by_the_mark() {
    for volume in [0, 1, 2] {
        let written = written(10);
        let database = written.volumes[volume].join("db");
        let file = OpenOptions::new().write(true).open(&database).expect("opened");
        let length = file.metadata().expect("metadata").len();
        file.set_len(length / 2).expect("truncated");
        assert_corrupt(verdict(written.folder.path()), &format!("volume {volume}"));
    }
}

#[test]
fn a_cut_off_end_without_a_mark_ends_the_log() {
    let written = written(2);
    let folder = written.folder.path();
    fs::remove_file(folder.join("journal/owner")).expect("removed");
    let database = written.volumes[0].join("db");
    let file = OpenOptions::new().write(true).open(&database).expect("opened");
    let length = file.metadata().expect("metadata").len();
    // Into the last frame: its group cannot be told from one that was never acknowledged.
    file.set_len(length - 10_000).expect("truncated");
    let mut journal = SledJournal::open(folder, options()).expect("opened");
    let end = journal.stats().last;
    assert!(end < written.end && end > Position(5), "{end}");
    let (epoch, fence) = journal.acquire("node").expect("acquired");
    assert_eq!((epoch, fence), (Epoch(2), end.next()));
    journal.append(&mut group(epoch, fence, 3)).expect("appended");
    drop(journal);
    assert_eq!(verdict(folder).expect("whole"), Position(fence.0 + 3));
}

#[test]
fn damage_before_acknowledged_frames_is_reported_without_a_mark() {
    let written = written(2);
    let folder = written.folder.path();
    fs::remove_file(folder.join("journal/owner")).expect("removed");
    let database = written.volumes[0].join("db");
    flip(&database, 50_000);
    assert_corrupt(verdict(folder), "first group");
}

#[test]
fn flipped_bits_are_never_passed_over() {
    let written = written(10);
    let mut reported = 0;
    for (index, volume) in written.volumes.iter().enumerate() {
        let length = fs::metadata(volume.join("db")).expect("metadata").len();
        for step in 0..12 {
            let at = length * step / 12 + step * 7;
            let copy = tempfile::tempdir().expect("a folder");
            copy_folder(written.folder.path(), copy.path());
            flip(&copy.path().join("journal").join(volume.file_name().expect("a name")).join("db"), at);
            match verdict(copy.path()) {
                // The flipped bit is in a copy sled no longer reads, or in padding.
                Ok(end) => assert_eq!(end, written.end, "volume {index}, byte {at}"),
                Err(JournalError::Corrupt { .. }) => reported += 1,
                Err(error) => panic!("volume {index}, byte {at}: {error}"),
            }
        }
    }
    assert!(reported > 20, "{reported} of the flips were reported");
}

#[test]
fn a_damaged_settings_file_is_reported() {
    let written = written(3);
    fs::write(written.volumes[0].join("conf"), [0_u8; 64]).expect("written");
    assert_corrupt(verdict(written.folder.path()), "settings");
}

fn flip(path: &Path, at: u64) {
    let file = OpenOptions::new().read(true).write(true).open(path).expect("opened");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("read");
    byte[0] ^= 0x10;
    file.write_all_at(&byte, at).expect("written");
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
