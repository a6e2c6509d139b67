//! Appends to a sled journal until it is killed, and prints each position once it is acknowledged.
//!
//! `journal_writer <data> <seed> [unsynced]`

use std::io::{self, Write};
use std::path::Path;

use rialto_persistence::frame::{Group, Position};
use rialto_persistence::journal::Journal;
use rialto_persistence::journal::sled::{SledJournal, SledOptions};
use rialto_tests::power_cut::journal_record;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, data, seed, rest @ ..] = arguments.as_slice() else {
        return Err("usage: journal_writer <data> <seed> [unsynced]".into());
    };
    let mut state: u64 = seed.parse()?;
    let options = SledOptions { volume_bytes: 4 * 1024 * 1024, extra_sync: rest.is_empty(), ..SledOptions::default() };
    let mut journal = SledJournal::open(Path::new(data), options)?;
    let (epoch, mut end) = journal.acquire("writer")?;
    let mut stdout = io::stdout().lock();
    let mut group = Group::default();
    loop {
        // Small groups, large ones, and now and then one of many frames.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let records = match state >> 61 {
            0..4 => 1 + (state >> 40) % 4,
            4..7 => (state >> 40) % 300,
            _ => (state >> 40) % 3_000,
        };
        group.begin(epoch, end);
        for _ in 0..=records {
            group.push(&journal_record(group.last().next()))?;
        }
        end = journal.append(&mut group)?;
        writeln!(stdout, "{end}")?;
        stdout.flush()?;
        if state.is_multiple_of(7) {
            journal.trim(Position(end.0.saturating_sub(20_000)))?;
        }
    }
}
