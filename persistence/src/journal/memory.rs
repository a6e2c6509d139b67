//! The journal in memory, for tests and simulation, with faults on request.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::frame::{Epoch, Frame, Group, Position};

use super::{Journal, JournalError, JournalReader, JournalStats};

/// Frames in one volume, so that small tests have several to trim.
const VOLUME_FRAMES: usize = 8;

/// A log that outlives its journals: each clone is a handle to the same frames, so that a test can
/// drop a journal and open the log again, or open it twice.
#[derive(Clone, Debug, Default)]
pub struct MemoryLog {
    state: Arc<Mutex<State>>,
}

/// What goes wrong with an append (or an acquisition, which appends a fence).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is written; the outcome is reported as unknown.
    Fail,
    /// Only this many frames of the group are written; the outcome is reported as unknown.
    Torn(usize),
    /// All is written; the outcome is reported as unknown.
    Unknown,
    /// The disk lies: all is acknowledged, but [`MemoryLog::power_cut`] loses it and what follows
    /// until the next honest sync.
    LoseUnsynced,
}

#[derive(Debug, Default)]
struct State {
    frames: VecDeque<Stored>,
    end: Position,
    epoch: Epoch,
    /// Position behind the last one that was trimmed.
    first: Position,
    /// What an honest sync covered.
    synced: Position,
    /// Appends so far, on all handles.
    appends: u64,
    faults: Vec<(u64, Fault)>,
}

#[derive(Clone, Debug)]
struct Stored {
    first: Position,
    last: Position,
    bytes: Arc<[u8]>,
}

impl MemoryLog {
    /// An empty log.
    pub fn new() -> MemoryLog {
        MemoryLog::default()
    }

    /// A journal over these frames. Several may be open: the one that acquired last is the owner.
    pub fn open(&self) -> MemoryJournal {
        MemoryJournal { log: self.clone(), stopped: false }
    }

    /// Lets the append after the next `skip` ones suffer `fault`. Acquisitions count as appends.
    pub fn script(&self, skip: u64, fault: Fault) {
        let mut state = self.lock();
        let at = state.appends + skip;
        state.faults.push((at, fault));
    }

    /// Loses what no honest sync covered. Journals that are open now must be dropped.
    pub fn power_cut(&self) {
        let mut state = self.lock();
        let synced = state.synced;
        state.truncate(synced);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is only replaced by whole values: a panicking test leaves it sound.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn append(&mut self, group: &mut Group) -> Result<Position, JournalError> {
        let at = self.appends;
        self.appends += 1;
        let fault = self.faults.iter().position(|(due, _)| *due == at);
        let fault = fault.map(|index| self.faults.swap_remove(index).1);
        let count = match fault {
            Some(Fault::Fail) => 0,
            Some(Fault::Torn(count)) => count,
            Some(Fault::Unknown | Fault::LoseUnsynced) | None => usize::MAX,
        };
        let epoch = group.epoch();
        for (first, last, bytes) in group.frames().take(count) {
            self.frames.push_back(Stored { first, last, bytes: Arc::from(bytes) });
            self.end = last;
            self.epoch = epoch;
        }
        if fault != Some(Fault::LoseUnsynced) {
            self.synced = self.end;
        }
        match fault {
            Some(Fault::Fail | Fault::Torn(_) | Fault::Unknown) => {
                Err(JournalError::Unknown(io::Error::other("scripted fault")))
            }
            Some(Fault::LoseUnsynced) | None => Ok(self.end),
        }
    }

    fn truncate(&mut self, end: Position) {
        while self.frames.back().is_some_and(|frame| frame.last > end) {
            self.frames.pop_back();
        }
        self.end = end;
        self.synced = end;
        self.epoch = match self.frames.back().map(|frame| Frame::decode(&frame.bytes)) {
            Some(Ok(frame)) => frame.epoch,
            Some(Err(_)) | None => Epoch::default(),
        };
    }

    fn first(&self) -> Position {
        self.frames.front().map_or(self.end.next(), |frame| frame.first)
    }
}

/// An open journal over a [`MemoryLog`].
#[derive(Debug)]
pub struct MemoryJournal {
    log: MemoryLog,
    stopped: bool,
}

impl Journal for MemoryJournal {
    fn acquire(&mut self, node: &str) -> Result<(Epoch, Position), JournalError> {
        if self.stopped {
            return Err(JournalError::Stopped);
        }
        let mut state = self.log.lock();
        let epoch = state.epoch.next();
        let mut fence = Group::fence(epoch, state.end, node)?;
        let result = state.append(&mut fence);
        self.stopped = result.is_err();
        Ok((epoch, result?))
    }

    fn append(&mut self, group: &mut Group) -> Result<Position, JournalError> {
        if self.stopped {
            return Err(JournalError::Stopped);
        }
        let mut state = self.log.lock();
        if group.epoch() != state.epoch || group.after() != state.end {
            return Err(JournalError::Refused { current: state.epoch, end: state.end });
        }
        if group.is_empty() {
            return Ok(state.end);
        }
        let result = state.append(group);
        self.stopped = result.is_err();
        result
    }

    fn reader(&self) -> Box<dyn JournalReader> {
        Box::new(MemoryReader { log: self.log.clone() })
    }

    fn trim(&mut self, before: Position) -> Result<(), JournalError> {
        let mut state = self.log.lock();
        while let Some(following) = state.frames.get(VOLUME_FRAMES)
            && following.first <= before
        {
            state.frames.drain(..VOLUME_FRAMES);
        }
        state.first = state.first();
        Ok(())
    }

    fn stats(&self) -> JournalStats {
        let state = self.log.lock();
        JournalStats {
            volumes: state.frames.len().div_ceil(VOLUME_FRAMES),
            bytes: state.frames.iter().map(|frame| frame.bytes.len() as u64).sum(),
            first: state.first(),
            last: state.end,
            epoch: state.epoch,
        }
    }
}

struct MemoryReader {
    log: MemoryLog,
}

impl JournalReader for MemoryReader {
    fn read(
        &mut self,
        after: Position,
        limit_bytes: usize,
        sink: &mut dyn FnMut(Frame<'_>),
    ) -> Result<Position, JournalError> {
        let frames: Vec<Stored> = {
            let state = self.log.lock();
            if after >= state.end {
                return Ok(after);
            }
            if after.next() < state.first {
                return Err(JournalError::Trimmed { first: state.first });
            }
            let from = state.frames.partition_point(|frame| frame.last <= after);
            let mut bytes = 0;
            let within = |frame: &&Stored| {
                let wanted = bytes == 0 || bytes + frame.bytes.len() <= limit_bytes;
                bytes += frame.bytes.len();
                wanted
            };
            state.frames.range(from..).take_while(within).cloned().collect()
        };
        let mut end = after;
        for stored in frames {
            let frame = Frame::decode(&stored.bytes)
                .map_err(|error| JournalError::Corrupt { position: stored.first, reason: error.to_string() })?;
            sink(frame);
            end = stored.last;
        }
        Ok(end)
    }
}
