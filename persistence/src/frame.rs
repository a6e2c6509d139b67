//! Frames: the unit in which records are written, checked and read back.
//!
//! A frame is one self-contained value, little endian throughout:
//!
//! | bytes | field |
//! |---|---|
//! | 0..4 | magic `RLTJ` |
//! | 4 | format version, 1 |
//! | 5 | kind: 1 records, 2 fence |
//! | 6..8 | zero |
//! | 8..16 | epoch of the owner that wrote it |
//! | 16..24 | position of its first record |
//! | 24..32 | `after`: the durable end of the log when its group was written |
//! | 32..36 | number of records |
//! | 36..40 | length of the payload |
//! | 40..44 | CRC-32 of bytes 0..40 and the payload |
//! | 44.. | payload: each record behind its length (u32) |
//!
//! A group is only written once everything before it is durable. So a frame that can be read proves
//! that all records up to its `after` were acknowledged, and recovery can tell a torn tail, which is
//! cut, from lost records, which are corruption.
//!
//! A fence takes a position like any record: its payload is one record, the name of the node. So
//! positions grow with every frame, and the first position of a frame is a unique key.

use std::fmt;

/// How often the log has changed owners. Epoch 0 is a log nobody has acquired yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// The number of a record. Records of a log are numbered 1, 2, 3, …; `Position(0)` is the end of an
/// empty log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

impl Epoch {
    /// The epoch of the next owner.
    pub fn next(self) -> Epoch {
        Epoch(self.0 + 1)
    }
}

impl Position {
    /// The end of an empty log.
    pub const ZERO: Position = Position(0);

    /// The position behind this one.
    pub fn next(self) -> Position {
        Position(self.0 + 1)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The first bytes of every frame.
pub const FRAME_MAGIC: [u8; 4] = *b"RLTJ";

/// The version written by this code.
pub const FRAME_VERSION: u8 = 1;

/// Bytes in front of the payload.
pub const FRAME_HEADER_BYTES: usize = 44;

/// Frames are closed before they exceed this, header included.
pub const FRAME_BYTES_MAX: usize = 64 * 1024;

/// A record too large for that gets a frame of its own, up to this, header included.
pub const FRAME_BYTES_MAX_SINGLE: usize = 96 * 1024;

/// The largest record, in bytes.
pub const RECORD_BYTES_MAX: usize = FRAME_BYTES_MAX_SINGLE - FRAME_HEADER_BYTES - RECORD_LENGTH_BYTES;

const RECORD_LENGTH_BYTES: usize = 4;
const COUNT_AT: usize = 32;
const PAYLOAD_LENGTH_AT: usize = 36;
const CHECKSUM_AT: usize = 40;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// Records of the owner.
    Records = 1,
    /// The start of an epoch; its one record is the name of the node that begins it, in UTF-8.
    Fence = 2,
}

/// Why bytes are not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// Fewer bytes than the frame needs.
    Truncated {
        /// Bytes the frame needs, as far as they are known.
        needed: usize,
        /// Bytes given.
        given: usize,
    },
    /// More bytes than the frame says it has.
    Trailing {
        /// Bytes behind its end.
        bytes: usize,
    },
    /// The bytes do not begin like a frame.
    Magic,
    /// A format version this code does not know.
    Version(u8),
    /// An unknown kind of frame.
    Kind(u8),
    /// The checksum of the bytes is not the one they state.
    Checksum {
        /// The checksum stated in the header.
        stated: u32,
        /// The checksum of the bytes.
        actual: u32,
    },
    /// Larger than any frame may be.
    TooLarge {
        /// Bytes of the frame.
        bytes: usize,
    },
    /// The checksum holds, but positions, count or record lengths contradict each other.
    Contradiction,
}

impl fmt::Display for FrameError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameError::Truncated { needed, given } => {
                write!(formatter, "the frame needs {needed} bytes, {given} are there")
            }
            FrameError::Trailing { bytes } => {
                write!(formatter, "{bytes} bytes stand behind the frame")
            }
            FrameError::Magic => formatter.write_str("the bytes do not begin like a frame"),
            FrameError::Version(version) => {
                write!(formatter, "format version {version} is unknown")
            }
            FrameError::Kind(kind) => write!(formatter, "frame kind {kind} is unknown"),
            FrameError::Checksum { stated, actual } => {
                write!(formatter, "the checksum is {actual:08x}, the frame states {stated:08x}")
            }
            FrameError::TooLarge { bytes } => write!(formatter, "a frame of {bytes} bytes"),
            FrameError::Contradiction => {
                formatter.write_str("positions, count and record lengths contradict each other")
            }
        }
    }
}

impl std::error::Error for FrameError {}

/// A checked frame, borrowed from its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it carries.
    pub kind: FrameKind,
    /// The epoch of the owner that wrote it.
    pub epoch: Epoch,
    /// Position of its first record.
    pub first: Position,
    /// The durable end of the log when its group was written.
    pub after: Position,
    /// Number of records, at least 1.
    pub count: u32,
    bytes: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Checks and opens a frame that fills `bytes` exactly.
    ///
    /// # Errors
    /// A [`FrameError`] if the bytes are not a whole, undamaged frame of a known version.
    pub fn decode(bytes: &'a [u8]) -> Result<Frame<'a>, FrameError> {
        let frame = Frame::decode_prefix(bytes)?;
        if frame.bytes.len() < bytes.len() {
            let bytes = bytes.len() - frame.bytes.len();
            return Err(FrameError::Trailing { bytes });
        }
        Ok(frame)
    }

    /// Checks and opens a frame at the beginning of `bytes`; anything may follow it.
    ///
    /// # Errors
    /// A [`FrameError`] if no whole, undamaged frame of a known version stands there.
    pub fn decode_prefix(bytes: &'a [u8]) -> Result<Frame<'a>, FrameError> {
        let given = bytes.len();
        let Some((header, rest)) = bytes.split_first_chunk::<FRAME_HEADER_BYTES>() else {
            return Err(FrameError::Truncated { needed: FRAME_HEADER_BYTES, given });
        };
        if header[..4] != FRAME_MAGIC {
            return Err(FrameError::Magic);
        }
        if header[4] != FRAME_VERSION {
            return Err(FrameError::Version(header[4]));
        }
        let payload_bytes = u32_at(header, PAYLOAD_LENGTH_AT) as usize;
        let needed = FRAME_HEADER_BYTES + payload_bytes;
        if needed > FRAME_BYTES_MAX_SINGLE {
            return Err(FrameError::TooLarge { bytes: needed });
        }
        let Some(payload) = rest.get(..payload_bytes) else {
            return Err(FrameError::Truncated { needed, given });
        };
        let stated = u32_at(header, CHECKSUM_AT);
        let actual = checksum(&header[..CHECKSUM_AT], payload);
        if stated != actual {
            return Err(FrameError::Checksum { stated, actual });
        }

        // From here on the bytes are those that were written.
        let kind = match header[5] {
            1 => FrameKind::Records,
            2 => FrameKind::Fence,
            kind => return Err(FrameError::Kind(kind)),
        };
        let frame = Frame {
            kind,
            epoch: Epoch(u64_at(header, 8)),
            first: Position(u64_at(header, 16)),
            after: Position(u64_at(header, 24)),
            count: u32_at(header, COUNT_AT),
            bytes: &bytes[..needed],
        };
        if frame.is_coherent() { Ok(frame) } else { Err(FrameError::Contradiction) }
    }

    /// Position of its last record.
    pub fn last(&self) -> Position {
        Position(self.first.0 + u64::from(self.count) - 1)
    }

    /// Its records with their positions, in order.
    pub fn records(&self) -> Records<'a> {
        Records { position: self.first, payload: &self.bytes[FRAME_HEADER_BYTES..] }
    }

    /// Its records behind `after`, in order.
    pub fn records_after(&self, after: Position) -> impl Iterator<Item = (Position, &'a [u8])> {
        self.records().skip_while(move |(position, _)| *position <= after)
    }

    /// The node that begins an epoch with this frame; `None` if it is not a fence.
    pub fn fence(&self) -> Option<&'a str> {
        match self.kind {
            FrameKind::Records => None,
            FrameKind::Fence => {
                let (_, node) = self.records().next()?;
                str::from_utf8(node).ok()
            }
        }
    }

    /// The bytes of the whole frame.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    fn is_coherent(&self) -> bool {
        let lengths = {
            let mut payload = &self.bytes[FRAME_HEADER_BYTES..];
            let mut count = 0_u32;
            while let Some((_, rest)) = split_record(payload) {
                payload = rest;
                count += 1;
            }
            payload.is_empty() && count == self.count && count > 0
        };
        let positions = self.first > self.after && self.first.0.checked_add(u64::from(self.count)).is_some();
        let fence = match self.kind {
            FrameKind::Records => true,
            FrameKind::Fence => self.count == 1 && self.first == self.after.next() && self.fence().is_some(),
        };
        lengths && positions && fence
    }
}

/// The records of a frame with their positions.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    position: Position,
    payload: &'a [u8],
}

impl<'a> Iterator for Records<'a> {
    type Item = (Position, &'a [u8]);

    fn next(&mut self) -> Option<(Position, &'a [u8])> {
        let (record, rest) = split_record(self.payload)?;
        let position = self.position;
        self.position = position.next();
        self.payload = rest;
        Some((position, record))
    }
}

/// A record exceeds [`RECORD_BYTES_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge {
    /// Bytes of the record.
    pub bytes: usize,
}

impl fmt::Display for TooLarge {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a record of {} bytes exceeds the limit of {RECORD_BYTES_MAX}", self.bytes)
    }
}

impl std::error::Error for TooLarge {}

/// Consecutive frames that become durable together.
///
/// Records are pushed one by one and cut into frames on the way. One buffer holds them all and is
/// kept from group to group, so that a group costs no allocation. The caller closes the group when
/// [`Group::len_bytes`] reaches its cap.
#[derive(Debug, Default)]
pub struct Group {
    epoch: Epoch,
    after: Position,
    next: Position,
    bytes: Vec<u8>,
    /// Where each frame starts in `bytes`, with the position of its first record.
    starts: Vec<(usize, Position)>,
    /// Whether the last frame may still grow.
    open: bool,
}

impl Group {
    /// An empty group of `epoch` that stands directly behind `after`.
    pub fn new(epoch: Epoch, after: Position) -> Group {
        let mut group = Group::default();
        group.begin(epoch, after);
        group
    }

    /// Forgets the records and begins another group directly behind `after`.
    pub fn begin(&mut self, epoch: Epoch, after: Position) {
        self.epoch = epoch;
        self.after = after;
        self.next = after.next();
        self.bytes.clear();
        self.starts.clear();
        self.open = false;
    }

    /// Adds a record and tells its position.
    ///
    /// # Errors
    /// [`TooLarge`] beyond [`RECORD_BYTES_MAX`]; the group is as before.
    pub fn push(&mut self, record: &[u8]) -> Result<Position, TooLarge> {
        self.push_with(record.len(), |bytes| bytes.extend_from_slice(record))
    }

    /// Adds a record that `write` appends to the buffer, and tells its position. `write` must only
    /// append; `expected_bytes` saves a copy when it is at least the length of the record.
    ///
    /// # Errors
    /// [`TooLarge`] beyond [`RECORD_BYTES_MAX`]; the group is as before.
    pub fn push_with(&mut self, expected_bytes: usize, write: impl FnOnce(&mut Vec<u8>)) -> Result<Position, TooLarge> {
        if self.open && self.open_bytes() + RECORD_LENGTH_BYTES + expected_bytes > FRAME_BYTES_MAX {
            self.close();
        }
        let opened = !self.open;
        if opened {
            self.open_frame(FrameKind::Records);
        }
        let length_at = self.bytes.len();
        self.bytes.extend_from_slice(&[0; RECORD_LENGTH_BYTES]);
        write(&mut self.bytes);
        let record_bytes = self.bytes.len() - length_at - RECORD_LENGTH_BYTES;

        if record_bytes > RECORD_BYTES_MAX {
            self.bytes.truncate(length_at);
            if opened {
                self.bytes.truncate(length_at - FRAME_HEADER_BYTES);
                self.starts.pop();
                self.open = false;
            }
            return Err(TooLarge { bytes: record_bytes });
        }
        put_u32(&mut self.bytes, length_at, record_bytes);
        if !opened && self.open_bytes() > FRAME_BYTES_MAX {
            self.move_into_own_frame(length_at);
        }
        let position = self.next;
        self.next = position.next();
        Ok(position)
    }

    /// Bytes of the frames so far, headers included.
    pub fn len_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it holds no record.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// The epoch it was begun for.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The end of the log it stands behind.
    pub fn after(&self) -> Position {
        self.after
    }

    /// Position of its last record; [`Group::after`] if it is empty.
    pub fn last(&self) -> Position {
        Position(self.next.0 - 1)
    }

    /// Closes the frame that is being filled and shows all frames. More records may follow; they
    /// begin a new frame.
    pub fn frames(&mut self) -> Frames<'_> {
        self.close();
        Frames { group: self, next: 0 }
    }

    /// The one frame of a fence behind `after`.
    ///
    /// # Errors
    /// [`TooLarge`] if the name is longer than a record may be.
    pub(crate) fn fence(epoch: Epoch, after: Position, node: &str) -> Result<Group, TooLarge> {
        let bytes = node.len();
        if bytes > RECORD_BYTES_MAX {
            return Err(TooLarge { bytes });
        }
        let mut group = Group::new(epoch, after);
        group.open_frame(FrameKind::Fence);
        group.bytes.extend_from_slice(&[0; RECORD_LENGTH_BYTES]);
        group.bytes.extend_from_slice(node.as_bytes());
        put_u32(&mut group.bytes, FRAME_HEADER_BYTES, bytes);
        group.next = group.next.next();
        group.close();
        Ok(group)
    }

    fn open_bytes(&self) -> usize {
        self.bytes.len() - self.starts.last().map_or(0, |(start, _)| *start)
    }

    fn open_frame(&mut self, kind: FrameKind) {
        self.starts.push((self.bytes.len(), self.next));
        self.bytes.extend_from_slice(&FRAME_MAGIC);
        self.bytes.extend_from_slice(&[FRAME_VERSION, kind as u8, 0, 0]);
        self.bytes.extend_from_slice(&self.epoch.0.to_le_bytes());
        self.bytes.extend_from_slice(&self.next.0.to_le_bytes());
        self.bytes.extend_from_slice(&self.after.0.to_le_bytes());
        // Count, payload length and checksum are known when the frame is closed.
        self.bytes.extend_from_slice(&[0; FRAME_HEADER_BYTES - COUNT_AT]);
        self.open = true;
    }

    /// The record at `length_at` was longer than expected: it leaves the open frame for a new one.
    fn move_into_own_frame(&mut self, length_at: usize) {
        let record = self.bytes.split_off(length_at);
        self.close();
        self.open_frame(FrameKind::Records);
        self.bytes.extend_from_slice(&record);
    }

    fn close(&mut self) {
        if !self.open {
            return;
        }
        self.open = false;
        let Some((start, first)) = self.starts.last().copied() else {
            return;
        };
        let frame = &mut self.bytes[start..];
        let payload_bytes = frame.len() - FRAME_HEADER_BYTES;
        let count = (self.next.0 - first.0) as usize;
        put_u32(frame, COUNT_AT, count);
        put_u32(frame, PAYLOAD_LENGTH_AT, payload_bytes);
        let (header, payload) = frame.split_at(FRAME_HEADER_BYTES);
        let checksum = checksum(&header[..CHECKSUM_AT], payload);
        frame[CHECKSUM_AT..FRAME_HEADER_BYTES].copy_from_slice(&checksum.to_le_bytes());
    }
}

/// The encoded frames of a group: position of the first record, position of the last, bytes.
#[derive(Clone, Debug)]
pub struct Frames<'a> {
    group: &'a Group,
    next: usize,
}

impl<'a> Iterator for Frames<'a> {
    type Item = (Position, Position, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (start, first) = *self.group.starts.get(self.next)?;
        self.next += 1;
        let (end, last) = match self.group.starts.get(self.next) {
            Some((end, following)) => (*end, Position(following.0 - 1)),
            None => (self.group.bytes.len(), self.group.last()),
        };
        Some((first, last, &self.group.bytes[start..end]))
    }
}

fn checksum(header: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header);
    hasher.update(payload);
    hasher.finalize()
}

fn split_record(payload: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = payload.split_first_chunk::<RECORD_LENGTH_BYTES>()?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize)
}

/// Lengths and counts fit: a frame is at most [`FRAME_BYTES_MAX_SINGLE`] bytes.
fn put_u32(bytes: &mut [u8], at: usize, value: usize) {
    bytes[at..at + 4].copy_from_slice(&(value as u32).to_le_bytes());
}

fn u32_at(bytes: &[u8; FRAME_HEADER_BYTES], at: usize) -> u32 {
    let mut value = [0; 4];
    value.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(value)
}

fn u64_at(bytes: &[u8; FRAME_HEADER_BYTES], at: usize) -> u64 {
    let mut value = [0; 8];
    value.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(value)
}
