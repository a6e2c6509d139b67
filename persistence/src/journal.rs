//! The journal of a partition: one log of frames, one owner at a time.
//!
//! The owner acquires the log, which appends a fence that names a new epoch, and then appends groups
//! of frames. A group is accepted only directly behind the end it was built for and only from the
//! epoch of the last fence, so that an owner that was paused and replaced cannot write. `append`
//! returns when the whole group is durable: it survives power loss, not only the end of the process.
//!
//! There is no `flush` and no asynchronous append: what was appended is durable, and the group is the
//! unit of batching.

pub mod conformance;
mod mark;
pub mod memory;
pub mod sled;
mod volume;

use std::fmt;
use std::io;

use crate::frame::{Epoch, Frame, Group, Position, TooLarge};

/// A log of frames with one owner.
///
/// After an error other than [`JournalError::Refused`] and [`JournalError::TooLarge`] the instance is
/// stopped: `acquire` and `append` fail with [`JournalError::Stopped`] until the log is opened anew.
/// A failed sync is never tried again on the same file: the kernel may have dropped what it could
/// not write and report success the next time.
pub trait Journal: Send {
    /// Takes the log over for `node`: appends a durable fence, with the epoch after the last one, and
    /// tells that epoch and the end of the log, which is the position of the fence.
    ///
    /// # Errors
    /// `Refused` if another owner took over in the same moment, `Unknown` if the fence may or may
    /// not be durable.
    fn acquire(&mut self, node: &str) -> Result<(Epoch, Position), JournalError>;

    /// Appends the frames of a group behind the end of the log, makes all of them durable with one
    /// sync, and tells the new end. An empty group changes nothing.
    ///
    /// A crash in between may leave the first frames of the group and lose the others: a frame is
    /// whole or absent, and what is there is a prefix.
    ///
    /// # Errors
    /// `Refused`, and nothing is written, if the group was built for another epoch or another end;
    /// `Unknown` if some or all of it may be durable.
    fn append(&mut self, group: &mut Group) -> Result<Position, JournalError>;

    /// A reader of this log, for any thread. It sees what is durable, also what is appended later.
    fn reader(&self) -> Box<dyn JournalReader>;

    /// Gives up whole volumes that hold nothing but records before `before`. The last record stays in
    /// any case, because it carries the epoch.
    ///
    /// # Errors
    /// `Io` if a volume could not be removed; it is removed when the log is opened again.
    fn trim(&mut self, before: Position) -> Result<(), JournalError>;

    /// Size and bounds of the log.
    fn stats(&self) -> JournalStats;
}

/// Reads a log while its owner appends.
pub trait JournalReader: Send {
    /// Hands over durable frames in order, the first one containing position `after + 1`, until
    /// `limit_bytes` are reached or the log ends, and tells the last position handed over. At least
    /// one frame comes if one is there; without news the answer is `after`.
    ///
    /// A frame that begins before `after + 1` comes whole: see [`Frame::records_after`].
    ///
    /// # Errors
    /// `Trimmed` if records behind `after` are no longer there, `Corrupt` if a frame that must be
    /// there is missing or damaged.
    fn read(
        &mut self,
        after: Position,
        limit_bytes: usize,
        sink: &mut dyn FnMut(Frame<'_>),
    ) -> Result<Position, JournalError>;
}

/// Size and bounds of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalStats {
    /// Volumes in which it is kept.
    pub volumes: usize,
    /// Bytes on disk, or of the frames if it is kept in memory.
    pub bytes: u64,
    /// The first position that can be read; the one behind `last` if there is none.
    pub first: Position,
    /// The durable end.
    pub last: Position,
    /// The epoch of the last fence.
    pub epoch: Epoch,
}

/// Why a journal did not do what it was asked.
#[derive(Debug)]
pub enum JournalError {
    /// The log has another owner or another end than the caller believes. Nothing was written: drop
    /// what is held and reload.
    Refused {
        /// The epoch of the last fence, as far as it is known.
        current: Epoch,
        /// The end of the log, as far as it is known.
        end: Position,
    },
    /// The write failed in a way that does not tell what of it is durable: read from `after + 1`
    /// before anything is told to anyone.
    Unknown(io::Error),
    /// A record exceeds the largest frame. Nothing was written.
    TooLarge(TooLarge),
    /// What was acknowledged cannot be read back.
    Corrupt {
        /// The first position that is missing or damaged, as far as it is known.
        position: Position,
        /// What is wrong with it.
        reason: String,
    },
    /// The records behind `after` were given up by `trim`.
    Trimmed {
        /// The first position that can be read.
        first: Position,
    },
    /// An earlier failure stopped this instance. Open the log anew.
    Stopped,
    /// The storage failed outside of a write to the log.
    Io(io::Error),
}

impl fmt::Display for JournalError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JournalError::Refused { current, end } => {
                write!(formatter, "refused: the log is owned by epoch {current} and ends at {end}")
            }
            JournalError::Unknown(error) => {
                write!(formatter, "the write failed with unknown outcome: {error}")
            }
            JournalError::TooLarge(error) => error.fmt(formatter),
            JournalError::Corrupt { position, reason } => {
                write!(formatter, "the log is corrupt at {position}: {reason}")
            }
            JournalError::Trimmed { first } => {
                write!(formatter, "the log begins at {first}, what was before is trimmed")
            }
            JournalError::Stopped => formatter.write_str("an earlier failure stopped the journal"),
            JournalError::Io(error) => write!(formatter, "storage failed: {error}"),
        }
    }
}

impl std::error::Error for JournalError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            JournalError::Unknown(error) | JournalError::Io(error) => Some(error),
            JournalError::TooLarge(error) => Some(error),
            JournalError::Refused { .. }
            | JournalError::Corrupt { .. }
            | JournalError::Trimmed { .. }
            | JournalError::Stopped => None,
        }
    }
}

impl From<TooLarge> for JournalError {
    fn from(error: TooLarge) -> JournalError {
        JournalError::TooLarge(error)
    }
}

impl From<io::Error> for JournalError {
    fn from(error: io::Error) -> JournalError {
        JournalError::Io(error)
    }
}
