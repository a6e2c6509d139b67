//! Applying a journal to a [`World`].

use crate::codec::{CodecError, decode_record};
use crate::frame::{FrameKind, Position};
use crate::journal::{JournalError, JournalReader};
use crate::world::{Observer, ReplayError, Scratch, World};

/// Why a replay could not go on.
#[derive(Debug)]
pub enum ReplayFailure {
    /// The journal could not be read.
    Journal(JournalError),
    /// A record's bytes are none.
    Codec {
        /// The record's sequence number.
        position: u64,
        /// What is wrong.
        error: CodecError,
    },
    /// A record cannot follow on the state.
    State(ReplayError),
}

impl std::fmt::Display for ReplayFailure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Journal(error) => error.fmt(formatter),
            Self::Codec { position, error } => write!(formatter, "record {position} cannot be read: {error}"),
            Self::State(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for ReplayFailure {}

/// Applies the next durable frames, about `limit_bytes` of them, and tells whether there were any.
///
/// # Errors
/// If the journal cannot be read or does not describe a run of this program.
pub fn advance(
    world: &mut World,
    reader: &mut dyn JournalReader,
    limit_bytes: usize,
    scratch: &mut Scratch,
    observer: &mut impl Observer,
) -> Result<bool, ReplayFailure> {
    let after = Position(world.position);
    let mut failure = None;
    let mut apply = |frame: crate::frame::Frame<'_>, world: &mut World| -> Result<(), ReplayFailure> {
        for (position, bytes) in frame.records_after(after) {
            if frame.kind == FrameKind::Fence {
                world.pass(position.0).map_err(ReplayFailure::State)?;
                continue;
            }
            let record = decode_record(bytes).map_err(|error| ReplayFailure::Codec { position: position.0, error })?;
            world.apply(position.0, &record, scratch, observer).map_err(ReplayFailure::State)?;
        }
        Ok(())
    };
    let read = reader.read(after, limit_bytes, &mut |frame| {
        if failure.is_none() {
            failure = apply(frame, world).err();
        }
    });
    read.map_err(ReplayFailure::Journal)?;
    match failure {
        Some(failure) => Err(failure),
        None => Ok(world.position > after.0),
    }
}

/// Applies everything that is durable.
///
/// # Errors
/// As [`advance`].
pub fn replay(
    world: &mut World,
    reader: &mut dyn JournalReader,
    observer: &mut impl Observer,
) -> Result<(), ReplayFailure> {
    let mut scratch = Scratch::default();
    while advance(world, reader, 1 << 20, &mut scratch, observer)? {}
    Ok(())
}
