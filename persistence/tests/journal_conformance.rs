//! Every journal keeps the same rules.

use rialto_persistence::journal::Journal;
use rialto_persistence::journal::conformance::conformance;
use rialto_persistence::journal::memory::MemoryLog;
use rialto_persistence::journal::sled::{SledJournal, SledOptions};

#[test]
fn the_memory_journal_conforms() {
    conformance(|| {
        let log = MemoryLog::new();
        move || -> Box<dyn Journal> { Box::new(log.open()) }
    });
}

#[test]
fn the_sled_journal_conforms() {
    conformance(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let options = SledOptions { volume_bytes: 512 * 1024, ..SledOptions::default() };
        move || -> Box<dyn Journal> { Box::new(SledJournal::open(folder.path(), options).expect("the log opens")) }
    });
}

#[test]
fn the_sled_journal_conforms_without_a_tail() {
    conformance(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let options = SledOptions { volume_bytes: 512 * 1024, tail_bytes: 0, ..SledOptions::default() };
        move || -> Box<dyn Journal> { Box::new(SledJournal::open(folder.path(), options).expect("the log opens")) }
    });
}
