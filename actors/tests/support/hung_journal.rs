//! A journal whose commits hang while it is told to: what a flush does when a thread of the storage
//! is gone.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use rialto_actors::exchange::{JournalSource, Storage};
use rialto_persistence::frame::{Epoch, Group, Position};
use rialto_persistence::journal::memory::{MemoryJournal, MemoryLog};
use rialto_persistence::journal::{Journal, JournalError, JournalReader, JournalStats};

/// The valve of a journal in memory.
#[derive(Clone, Default)]
pub struct Valve(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    is_closed: bool,
    is_burst: bool,
    hanging: usize,
}

impl Valve {
    /// Commits hang from now on.
    pub fn close(&self) {
        self.change(|state| state.is_closed = true);
    }

    /// They end.
    pub fn open(&self) {
        self.change(|state| state.is_closed = false);
    }

    /// Commits panic from now on.
    pub fn burst(&self) {
        self.change(|state| state.is_burst = true);
    }

    /// Whether a commit hangs.
    pub fn holds_one(&self) -> bool {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).hanging > 0
    }

    /// Where an exchange keeps a journal with this valve.
    pub fn storage(&self, log: &MemoryLog) -> Storage {
        let (valve, log) = (self.clone(), log.clone());
        Storage::Journal(JournalSource(Arc::new(move || {
            Ok(Box::new(HungJournal { journal: log.open(), valve: valve.clone() }))
        })))
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.0.lock().unwrap_or_else(PoisonError::into_inner));
        self.0.1.notify_all();
    }

    fn pass(&self) {
        self.change(|state| state.hanging += 1);
        let state = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_burst = self.0.1.wait_while(state, |state| state.is_closed).is_ok_and(|state| state.is_burst);
        self.change(|state| state.hanging -= 1);
        assert!(!is_burst, "the valve has burst");
    }
}

struct HungJournal {
    journal: MemoryJournal,
    valve: Valve,
}

impl Journal for HungJournal {
    fn acquire(&mut self, node: &str) -> Result<(Epoch, Position), JournalError> {
        self.journal.acquire(node)
    }

    fn append(&mut self, group: &mut Group) -> Result<Position, JournalError> {
        self.valve.pass();
        self.journal.append(group)
    }

    fn reader(&self) -> Box<dyn JournalReader> {
        self.journal.reader()
    }

    fn trim(&mut self, before: Position) -> Result<(), JournalError> {
        self.journal.trim(before)
    }

    fn stats(&self) -> JournalStats {
        self.journal.stats()
    }
}
