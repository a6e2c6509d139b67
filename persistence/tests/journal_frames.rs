//! The bytes of a frame are frozen, and damage to them is named.

use rialto_persistence::frame::{
    Epoch, FRAME_BYTES_MAX, FRAME_BYTES_MAX_SINGLE, FRAME_HEADER_BYTES, Frame, FrameError, FrameKind, Group, Position,
    RECORD_BYTES_MAX, TooLarge,
};
use rialto_persistence::journal::Journal;
use rialto_persistence::journal::memory::MemoryLog;

const RECORDS: &[u8] = include_bytes!("../fixtures/frame_v1_records.bin");
const FENCE: &[u8] = include_bytes!("../fixtures/frame_v1_fence.bin");

fn records() -> Group {
    let mut group = Group::new(Epoch(3), Position(1_000));
    for record in [&b"first"[..], b"", b"\x00\xff\x80", "Größe".as_bytes()] {
        group.push(record).expect("small");
    }
    group
}

#[test]
fn frames_of_version_1_are_frozen() {
    let mut group = records();
    let (first, last, bytes) = group.frames().next().expect("one frame");
    assert_eq!((first, last), (Position(1_001), Position(1_004)));
    assert_eq!(bytes, RECORDS);

    let frame = Frame::decode(RECORDS).expect("a frame");
    assert_eq!(frame.kind, FrameKind::Records);
    assert_eq!((frame.epoch, frame.after), (Epoch(3), Position(1_000)));
    assert_eq!((frame.first, frame.last()), (Position(1_001), Position(1_004)));
    let read: Vec<(Position, &[u8])> = frame.records().collect();
    assert_eq!(
        read,
        [
            (Position(1_001), &b"first"[..]),
            (Position(1_002), b""),
            (Position(1_003), b"\x00\xff\x80"),
            (Position(1_004), "Größe".as_bytes()),
        ]
    );
}

#[test]
fn fences_of_version_1_are_frozen() {
    let log = MemoryLog::new();
    let mut journal = log.open();
    journal.acquire("node-a").expect("acquired");
    let mut bytes = Vec::new();
    let mut reader = journal.reader();
    let mut sink = |frame: Frame<'_>| bytes.extend_from_slice(frame.as_bytes());
    reader.read(Position::ZERO, usize::MAX, &mut sink).expect("read");
    assert_eq!(bytes, FENCE);

    let frame = Frame::decode(FENCE).expect("a frame");
    assert_eq!((frame.kind, frame.epoch, frame.count), (FrameKind::Fence, Epoch(1), 1));
    assert_eq!(frame.fence(), Some("node-a"));
}

#[test]
fn every_damaged_byte_is_noticed() {
    for at in 0..RECORDS.len() {
        for bit in 0..8 {
            let mut bytes = RECORDS.to_vec();
            bytes[at] ^= 1 << bit;
            assert!(Frame::decode(&bytes).is_err(), "byte {at}, bit {bit}");
        }
    }
    for length in 0..RECORDS.len() {
        let error = Frame::decode(&RECORDS[..length]).expect_err("truncated");
        assert!(matches!(error, FrameError::Truncated { given, .. } if given == length));
    }
    let longer = [RECORDS, b"x"].concat();
    assert_eq!(Frame::decode(&longer), Err(FrameError::Trailing { bytes: 1 }));
    assert_eq!(Frame::decode_prefix(&longer).map(|frame| frame.count), Ok(4));
}

#[test]
fn damage_has_a_name() {
    let check = |at: usize, value: u8, expected: &dyn Fn(FrameError) -> bool| {
        let mut bytes = RECORDS.to_vec();
        bytes[at] = value;
        let error = Frame::decode(&bytes).expect_err("damaged");
        assert!(expected(error), "byte {at}: {error}");
    };
    check(0, b'X', &|error| error == FrameError::Magic);
    check(4, 2, &|error| error == FrameError::Version(2));
    check(5, 9, &|error| matches!(error, FrameError::Checksum { .. }));
    check(39, 1, &|error| matches!(error, FrameError::TooLarge { .. }));
    check(FRAME_HEADER_BYTES + 4, 0, &|error| matches!(error, FrameError::Checksum { .. }));
}

#[test]
fn records_are_cut_into_frames() {
    let mut group = Group::new(Epoch(1), Position::ZERO);
    let sizes = [10, FRAME_BYTES_MAX, 10, 30_000, 30_000, 30_000, RECORD_BYTES_MAX, 1];
    for (size, position) in sizes.into_iter().zip(1..) {
        assert_eq!(group.push(&vec![1; size]), Ok(Position(position)));
    }
    assert_eq!(group.last(), Position(8));
    let frames: Vec<(u64, u64, usize)> = group
        .frames()
        .map(|(first, last, bytes)| {
            let frame = Frame::decode(bytes).expect("a frame");
            assert_eq!((frame.first, frame.last(), frame.after), (first, last, Position::ZERO));
            (first.0, last.0, bytes.len())
        })
        .collect();
    assert_eq!(
        frames.iter().map(|(first, last, _)| (*first, *last)).collect::<Vec<_>>(),
        [(1, 1), (2, 2), (3, 5), (6, 6), (7, 7), (8, 8)]
    );
    assert!(frames.iter().all(|(_, _, bytes)| *bytes <= FRAME_BYTES_MAX_SINGLE));
    assert!(frames[2].2 <= FRAME_BYTES_MAX);
}

#[test]
fn a_record_longer_than_announced_moves_to_its_own_frame() {
    let mut group = Group::new(Epoch(1), Position::ZERO);
    group.push(&[1; 40_000]).expect("fits");
    let position = group.push_with(0, |bytes| bytes.extend_from_slice(&[2; 40_000]));
    assert_eq!(position, Ok(Position(2)));
    let too_large = group.push_with(0, |bytes| bytes.resize(bytes.len() + 200_000, 3));
    assert_eq!(too_large, Err(TooLarge { bytes: 200_000 }));
    group.push(b"three").expect("fits");
    let mut records = Vec::new();
    for (_, _, bytes) in group.frames() {
        let frame = Frame::decode(bytes).expect("a frame");
        records.extend(frame.records().map(|(position, it)| (position.0, it[0], it.len())));
    }
    assert_eq!(records, [(1, 1, 40_000), (2, 2, 40_000), (3, b't', 5)]);
}

#[test]
fn a_group_is_used_again() {
    let mut group = records();
    let bytes: Vec<u8> = group.frames().flat_map(|(_, _, bytes)| bytes).copied().collect();
    group.begin(Epoch(9), Position(5));
    assert!(group.is_empty());
    assert_eq!(group.last(), Position(5));
    group.begin(Epoch(3), Position(1_000));
    for (_, record) in Frame::decode(&bytes).expect("a frame").records() {
        group.push(record).expect("small");
    }
    assert_eq!(group.frames().next().map(|(_, _, bytes)| bytes), Some(RECORDS));
}
