//! The suite that judges every implementation of [`Journal`].
//!
//! It panics at the first rule that is broken, like any test. Each rule gets a fresh log from `make`;
//! what `make` returns opens that log, each time after the journal and the readers of the time before
//! were dropped.

use crate::frame::{Epoch, Frame, FrameKind, Group, Position, RECORD_BYTES_MAX};

use super::{Journal, JournalError, JournalReader};

/// Checks all rules.
///
/// # Panics
/// If the implementation breaks one.
pub fn conformance<S, M>(mut make: M)
where
    S: FnMut() -> Box<dyn Journal>,
    M: FnMut() -> S,
{
    a_fresh_log_is_empty(make());
    an_acquisition_appends_a_fence(make());
    records_come_back_in_order(make());
    a_stale_epoch_is_refused(make());
    a_wrong_end_is_refused(make());
    an_empty_group_changes_nothing(make());
    a_record_too_large_is_refused(make());
    large_groups_come_back(make());
    a_read_may_begin_anywhere(make());
    a_read_keeps_to_its_limit(make());
    a_reader_follows_from_another_thread(make());
    a_log_survives_being_closed(make());
    a_trimmed_log_keeps_its_end(make());
}

fn a_fresh_log_is_empty(mut open: impl FnMut() -> Box<dyn Journal>) {
    let journal = open();
    let stats = journal.stats();
    assert_eq!((stats.first, stats.last), (Position(1), Position::ZERO));
    assert_eq!(stats.epoch, Epoch(0));
    assert_eq!(read_all(&mut *journal.reader(), Position::ZERO), []);
}

fn an_acquisition_appends_a_fence(mut open: impl FnMut() -> Box<dyn Journal>) {
    let mut journal = open();
    assert_eq!(journal.acquire("north").expect("acquired"), (Epoch(1), Position(1)));
    assert_eq!(journal.acquire("süd").expect("acquired"), (Epoch(2), Position(2)));
    let mut fences = Vec::new();
    let mut sink = |frame: Frame<'_>| {
        assert_eq!(frame.kind, FrameKind::Fence);
        fences.push((frame.epoch, frame.first, frame.fence().map(str::to_owned)));
    };
    let mut reader = journal.reader();
    let end = reader.read(Position::ZERO, usize::MAX, &mut sink).expect("read");
    assert_eq!(end, Position(2));
    assert_eq!(
        fences,
        [(Epoch(1), Position(1), Some("north".to_owned())), (Epoch(2), Position(2), Some("süd".to_owned())),]
    );
}

fn records_come_back_in_order(mut open: impl FnMut() -> Box<dyn Journal>) {
    let mut journal = open();
    let (epoch, mut end) = journal.acquire("node").expect("acquired");
    let mut expected = vec![(Position(1), b"node".to_vec())];
    for size in [1_usize, 2, 7, 100] {
        let records: Vec<Vec<u8>> = (0..size).map(|index| vec![index as u8; index * 3]).collect();
        for record in &records {
            expected.push((Position(expected.len() as u64 + 1), record.clone()));
        }
        let after = end;
        end = append(&mut *journal, epoch, end, &records);
        assert_eq!(end, Position(after.0 + size as u64));
        assert_eq!(journal.stats().last, end);
    }
    assert_eq!(read_all(&mut *journal.reader(), Position::ZERO), expected);
}

fn a_stale_epoch_is_refused(mut open: impl FnMut() -> Box<dyn Journal>) {
    let mut journal = open();
    let (old, end) = journal.acquire("old owner").expect("acquired");
    append(&mut *journal, old, end, &[b"one"]);
    let (new, end) = journal.acquire("new owner").expect("acquired");
    assert_eq!(new, old.next());

    // The old owner was paused and resumes, with the end it knows and with the true one.
    for after in [Position(end.0 - 1), end] {
        let mut group = Group::new(old, after);
        group.push(b"stale").expect("small");
        assert_refused(journal.append(&mut group), new, end);
    }
    let mut group = Group::new(new.next(), end);
    group.push(b"from an epoch that never began").expect("small");
    assert_refused(journal.append(&mut group), new, end);

    let end = append(&mut *journal, new, end, &[b"two"]);
    let records: Vec<Vec<u8>> =
        read_all(&mut *journal.reader(), Position::ZERO).into_iter().map(|(_, it)| it).collect();
    assert_eq!(records, [&b"old owner"[..], b"one", b"new owner", b"two"]);
    assert_eq!(end, Position(4));
}

fn a_wrong_end_is_refused(mut open: impl FnMut() -> Box<dyn Journal>) {
    let mut journal = open();
    let (epoch, end) = journal.acquire("node").expect("acquired");
    let end = append(&mut *journal, epoch, end, &[b"one", b"two"]);
    for after in [Position::ZERO, Position(end.0 - 1), end.next()] {
        let mut group = Group::new(epoch, after);
        group.push(b"misplaced").expect("small");
        assert_refused(journal.append(&mut group), epoch, end);
    }
    // A refusal does not stop the owner.
    append(&mut *journal, epoch, end, &[b"three"]);
}

fn an_empty_group_changes_nothing(mut open: impl FnMut() -> Box<dyn Journal>) {
    let mut journal = open();
    let (epoch, end) = journal.acquire("node").expect("acquired");
    let after = journal.append(&mut Group::new(epoch, end)).expect("nothing to do");
    assert_eq!(after, end);
    assert_eq!(journal.stats().last, end);
}

fn a_record_too_large_is_refused(mut open: impl FnMut() -> Box<dyn Journal>) {
    let mut journal = open();
    let name = "n".repeat(RECORD_BYTES_MAX + 1);
    assert!(matches!(journal.acquire(&name), Err(JournalError::TooLarge(_))));
    let (epoch, end) = journal.acquire("node").expect("acquired");
    let largest = vec![7; RECORD_BYTES_MAX];
    let mut group = Group::new(epoch, end);
    group.push(&[7; RECORD_BYTES_MAX + 1]).expect_err("too large");
    group.push(&largest).expect("just fits");
    let end = journal.append(&mut group).expect("appended");
    assert_eq!(read_all(&mut *journal.reader(), Position(1)), [(end, largest)]);
}

fn large_groups_come_back(mut open: impl FnMut() -> Box<dyn Journal>) {
    let mut journal = open();
    let (epoch, mut end) = journal.acquire("node").expect("acquired");
    let mut expected = Vec::new();
    for round in 0..20_u64 {
        let records: Vec<Vec<u8>> = (0..1_000_u64)
            .map(|index| {
                let bytes = 60 + (index * 31 % 97) as usize + (round as usize % 3) * 150;
                vec![(index ^ round) as u8; bytes]
            })
            .collect();
        for record in &records {
            expected.push((Position(expected.len() as u64 + 2), record.clone()));
        }
        end = append(&mut *journal, epoch, end, &records);
    }
    assert!(read_all(&mut *journal.reader(), Position(1)) == expected, "records differ");
    drop(journal);
    let journal = open();
    assert_eq!(journal.stats().last, end);
    assert!(read_all(&mut *journal.reader(), Position(1)) == expected, "records differ");
}

fn a_read_may_begin_anywhere(mut open: impl FnMut() -> Box<dyn Journal>) {
    let mut journal = open();
    let (epoch, mut end) = journal.acquire("node").expect("acquired");
    for size in 1..30_u8 {
        let records: Vec<Vec<u8>> = (0..size).map(|index| vec![size, index]).collect();
        end = append(&mut *journal, epoch, end, &records);
    }
    let all = read_all(&mut *journal.reader(), Position::ZERO);
    assert_eq!(all.len() as u64, end.0);
    for after in (0..=end.0).step_by(7) {
        let tail = read_all(&mut *journal.reader(), Position(after));
        assert_eq!(tail, all[after as usize..], "after {after}");
    }
    assert_eq!(read_all(&mut *journal.reader(), end), []);
}

fn a_read_keeps_to_its_limit(mut open: impl FnMut() -> Box<dyn Journal>) {
    let mut journal = open();
    let (epoch, mut end) = journal.acquire("node").expect("acquired");
    for _ in 0..10 {
        end = append(&mut *journal, epoch, end, &[vec![1; 1_000]]);
    }
    let mut reader = journal.reader();
    let mut after = Position::ZERO;
    let mut reads = 0;
    while after < end {
        let mut bytes = 0;
        let mut frames = 0;
        let mut sink = |frame: Frame<'_>| {
            bytes += frame.as_bytes().len();
            frames += 1;
        };
        let read = reader.read(after, 2_500, &mut sink).expect("read");
        assert!(read > after, "a read makes progress");
        assert!(bytes <= 2_500, "{bytes} bytes");
        after = read;
        reads += 1;
    }
    assert!(reads >= 5, "{reads} reads");
    let mut frames = 0;
    let one = reader.read(Position(1), 1, &mut |_| frames += 1).expect("read");
    assert_eq!((one, frames), (Position(2), 1), "at least one frame comes");
}

fn a_reader_follows_from_another_thread(mut open: impl FnMut() -> Box<dyn Journal>) {
    const RECORDS: u64 = 3_000;
    let mut journal = open();
    let (epoch, mut end) = journal.acquire("node").expect("acquired");
    let mut reader = journal.reader();
    let follower = std::thread::spawn(move || {
        let mut after = Position(1);
        while after < Position(RECORDS + 1) {
            let from = after;
            let mut expected = after;
            let mut sink = |frame: Frame<'_>| {
                for (position, record) in frame.records_after(from) {
                    expected = expected.next();
                    assert_eq!(position, expected);
                    assert_eq!(record, position.0.to_le_bytes());
                }
            };
            after = reader.read(after, 64 * 1024, &mut sink).expect("read");
            assert_eq!(after, expected);
            std::thread::yield_now();
        }
    });
    while end < Position(RECORDS + 1) {
        let size = (end.0 % 40 + 1).min(RECORDS + 1 - end.0);
        let records: Vec<[u8; 8]> = (1..=size).map(|index| (end.0 + index).to_le_bytes()).collect();
        end = append(&mut *journal, epoch, end, &records);
    }
    follower.join().expect("the follower saw every record once");
}

fn a_log_survives_being_closed(mut open: impl FnMut() -> Box<dyn Journal>) {
    let mut end = Position::ZERO;
    for round in 1..=4_u64 {
        let mut journal = open();
        assert_eq!(journal.stats().last, end);
        assert_eq!(journal.stats().epoch, Epoch(round - 1));
        let (epoch, fence) = journal.acquire("node").expect("acquired");
        assert_eq!((epoch, fence), (Epoch(round), end.next()));
        end = append(&mut *journal, epoch, fence, &[b"a", b"b"]);
    }
    let journal = open();
    let read = read_all(&mut *journal.reader(), Position::ZERO);
    assert_eq!(read.len() as u64, end.0);
    assert!(read.iter().zip(1..).all(|((position, _), index)| position.0 == index));
}

fn a_trimmed_log_keeps_its_end(mut open: impl FnMut() -> Box<dyn Journal>) {
    let mut journal = open();
    let (epoch, mut end) = journal.acquire("node").expect("acquired");
    for _ in 0..40 {
        end = append(&mut *journal, epoch, end, &[vec![3; 60_000]]);
    }
    let before = journal.stats();
    assert!(before.volumes > 2, "the log must have several volumes for this rule: {before:?}");
    journal.trim(Position(20)).expect("trimmed");
    let trimmed = journal.stats();
    assert!(trimmed.first > Position(1), "{trimmed:?}");
    assert!(trimmed.first <= Position(20), "nothing from the given position on is lost");
    assert!(trimmed.volumes < before.volumes);

    let mut reader = journal.reader();
    let early = reader.read(Position::ZERO, usize::MAX, &mut |_| {});
    assert!(matches!(early, Err(JournalError::Trimmed { first }) if first == trimmed.first), "{early:?}");
    let rest = read_all(&mut *reader, Position(trimmed.first.0 - 1));
    assert_eq!(rest.first().map(|(position, _)| *position), Some(trimmed.first));
    assert_eq!(rest.last().map(|(position, _)| *position), Some(end));

    journal.trim(Position(u64::MAX)).expect("trimmed");
    assert_eq!(journal.stats().last, end, "the last record stays");
    assert_eq!(read_all(&mut *reader, Position(end.0 - 1)).len(), 1);
    let end = append(&mut *journal, epoch, end, &[b"more"]);
    drop((journal, reader));

    let mut journal = open();
    assert_eq!((journal.stats().last, journal.stats().epoch), (end, epoch));
    assert_eq!(journal.acquire("node").expect("acquired"), (epoch.next(), end.next()));
}

fn append<R: AsRef<[u8]>>(journal: &mut dyn Journal, epoch: Epoch, after: Position, records: &[R]) -> Position {
    let mut group = Group::new(epoch, after);
    for record in records {
        group.push(record.as_ref()).expect("the record fits");
    }
    let end = journal.append(&mut group).expect("appended");
    assert_eq!(end, group.last());
    end
}

fn read_all(reader: &mut dyn JournalReader, after: Position) -> Vec<(Position, Vec<u8>)> {
    let mut records = Vec::new();
    let mut end = after;
    loop {
        let mut sink = |frame: Frame<'_>| {
            let wanted = frame.records_after(after);
            records.extend(wanted.map(|(position, record)| (position, record.to_vec())));
        };
        let read = reader.read(end, 100_000, &mut sink).expect("read");
        if read == end {
            return records;
        }
        end = read;
    }
}

fn assert_refused(result: Result<Position, JournalError>, epoch: Epoch, log_end: Position) {
    match result {
        Err(JournalError::Refused { current, end }) => {
            assert_eq!((current, end), (epoch, log_end));
        }
        other => panic!("not refused: {other:?}"),
    }
}
