//! The owner file: the lock of a log, and the mark up to which it was acknowledged.
//!
//! The mark is written after each acknowledged group without a sync of its own, so it costs one small
//! write into the page cache. It may be old after a power cut, but it never runs ahead of the log:
//! an end of the log before the mark means lost records. That catches what the frames cannot prove
//! themselves, a log whose end was cut off cleanly.
//!
//! Two slots of 512 bytes, one disk sector each, are written in turn, so that a torn write leaves the
//! other one. A slot, little endian: magic `RLTM`, version 1 (u32), turn, durable position, epoch,
//! first kept position (u64 each), CRC-32 of those 40 bytes.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::frame::{Epoch, Position};

use super::JournalError;

const SLOT_STRIDE: u64 = 512;
const SLOT_BYTES: usize = 44;
const MAGIC: [u8; 4] = *b"RLTM";
const VERSION: u32 = 1;

/// What the owner last wrote down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// The log was acknowledged up to here.
    pub durable: Position,
    /// The epoch of the last fence.
    pub epoch: Epoch,
    /// What was before this is trimmed.
    pub first: Position,
}

/// The owner file, locked while this lives.
#[derive(Debug)]
pub(super) struct OwnerFile {
    file: File,
    turn: u64,
    /// The newest mark.
    pub mark: Mark,
}

impl OwnerFile {
    /// Opens and locks the file, creating it if need be.
    ///
    /// # Errors
    /// `Refused` if another process, or another journal of this one, holds the lock.
    pub(super) fn lock(path: &Path) -> Result<OwnerFile, JournalError> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let (turn, mark) = newest(&file)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(JournalError::Refused { current: mark.epoch, end: mark.durable });
            }
            Err(TryLockError::Error(error)) => return Err(JournalError::Io(error)),
        }
        // The former owner may have written between the look and the lock.
        let (turn, mark) = newest(&file).unwrap_or((turn, mark));
        Ok(OwnerFile { file, turn, mark })
    }

    /// Writes the mark down, without a sync.
    pub(super) fn write(&mut self, mark: Mark) -> io::Result<()> {
        self.turn += 1;
        self.mark = mark;
        let slot = encode(self.turn, mark);
        self.file.write_all_at(&slot, self.turn % 2 * SLOT_STRIDE)
    }

    /// Makes the mark durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

fn newest(file: &File) -> io::Result<(u64, Mark)> {
    let mut newest = (0, Mark::default());
    for slot in 0..2 {
        let mut bytes = [0; SLOT_BYTES];
        match file.read_exact_at(&mut bytes, slot * SLOT_STRIDE) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => continue,
            Err(error) => return Err(error),
        }
        if let Some((turn, mark)) = decode(&bytes)
            && turn > newest.0
        {
            newest = (turn, mark);
        }
    }
    Ok(newest)
}

fn encode(turn: u64, mark: Mark) -> [u8; SLOT_BYTES] {
    let mut bytes = [0; SLOT_BYTES];
    bytes[..4].copy_from_slice(&MAGIC);
    bytes[4..8].copy_from_slice(&VERSION.to_le_bytes());
    let numbers = [turn, mark.durable.0, mark.epoch.0, mark.first.0];
    for (field, number) in bytes[8..40].chunks_exact_mut(8).zip(numbers) {
        field.copy_from_slice(&number.to_le_bytes());
    }
    let checksum = crc32fast::hash(&bytes[..40]);
    bytes[40..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8; SLOT_BYTES]) -> Option<(u64, Mark)> {
    let checksum = crc32fast::hash(&bytes[..40]).to_le_bytes();
    if bytes[..4] != MAGIC || bytes[4..8] != VERSION.to_le_bytes() || bytes[40..] != checksum {
        return None;
    }
    let mut numbers = [0; 4];
    for (number, field) in numbers.iter_mut().zip(bytes[8..40].chunks_exact(8)) {
        *number = u64::from_le_bytes(field.try_into().ok()?);
    }
    let [turn, durable, epoch, first] = numbers;
    let mark = Mark { durable: Position(durable), epoch: Epoch(epoch), first: Position(first) };
    Some((turn, mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_frozen() {
        let mark = Mark { durable: Position(0x0102), epoch: Epoch(3), first: Position(4) };
        let slot = encode(5, mark);
        let expected = "524c544d01000000050000000000000002010000000000000300000000000000\
                        0400000000000000";
        let hex: String = slot[..40].iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, expected);
        assert_eq!(slot[40..], crc32fast::hash(&slot[..40]).to_le_bytes());
        assert_eq!(decode(&slot), Some((5, mark)));
    }

    #[test]
    fn a_torn_slot_leaves_the_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("owner");
        let mut owner = OwnerFile::lock(&path).expect("a lock");
        let older = Mark { durable: Position(7), epoch: Epoch(1), first: Position(1) };
        let newer = Mark { durable: Position(9), ..older };
        owner.write(older).expect("written");
        owner.write(newer).expect("written");
        assert_eq!(newest(&owner.file).expect("read").1, newer);
        owner.file.write_all_at(b"torn", owner.turn % 2 * SLOT_STRIDE + 20).expect("written");
        assert_eq!(newest(&owner.file).expect("read").1, older);
    }
}
