//! Sorted runs: tables that take rows at random places without rewriting a page for each.
//!
//! Every commit appends its rows, sorted, as a run of packed blocks. When eight runs of about one
//! size have come together, they are merged into one, and of rows with the same key the newest
//! stays. A query looks into all runs, newest first: about seven of each size, and one for every
//! [`SEALED_ROWS`] or more, because runs of that size stay as they are.
//!
//! A commit merges no more rows than its budget. A merge that needs more goes on with the next
//! one: until it is done, queries look into its sources, and only then do these go, bit by bit.
//! All of it is in the tables, so that a crash resumes it.
//!
//! Queries keep the blocks that they have unpacked, see [`kept`], and leap over what they do not ask for.
//!
//! A row in a plain tree of the database costs a descent, and sooner or later a rewritten page of
//! its own, because accounts and client order ids lie everywhere. In a block, it costs what is
//! copied.

mod block;
mod kept;
mod scan;
#[cfg(test)]
mod tests;

use std::ops::Bound;
use std::sync::Arc;

use redb::{ReadOnlyTable, ReadTransaction, ReadableTable, Table, TableDefinition, WriteTransaction};

use self::block::KEY_BYTES_MAX;
pub use self::kept::Kept;
use self::kept::{Run, Source};
use self::scan::Cursors;
pub use self::scan::Scan;
use super::ReadStoreError;

/// So many runs of one size become one.
const FAN_IN: usize = 8;
/// A run of so many rows is not merged again.
const SEALED_ROWS: u64 = 1 << 19;
/// A block, with its key, fills one page of the database.
const BLOCK_BYTES: usize = 4_000;

/// How many rows a commit merges at the most: so many, and so many for each row it adds. A row is
/// merged once for each size of runs it goes through, of which large commits leave out most.
const MERGED_ROWS: u64 = 4_000;
/// See [`MERGED_ROWS`].
const MERGED_PER_ROW: u64 = 3;
/// How many rows' share of a budget the removal of a block takes.
const ROWS_PER_DROP: u64 = 16;
/// How many blocks are inserted at once: they follow each other, and cost less together.
const BLOCKS_AT_ONCE: usize = 64;
type Catalog<'a> = Table<'a, u64, (u64, u64)>;
type Blocks<'a> = Table<'a, &'static [u8], &'static [u8]>;

/// A table of sorted runs. All its keys have one length, of at most [`KEY_BYTES_MAX`]; a key and
/// its row fit a block.
#[derive(Clone, Copy)]
pub struct RunTable {
    /// Which one it is of all: they are counted from 0.
    pub index: usize,
    name: &'static str,
    /// Number of the run and first key of the block → rows. The first key is not repeated; of
    /// each later one, the length it shares with the key before, then the rest of it.
    blocks: TableDefinition<'static, &'static [u8], &'static [u8]>,
    /// Number of a run → how many rows it has, and its [`State`] as a number. A newer run has the
    /// higher number, and counting is from 1.
    catalog: TableDefinition<'static, u64, (u64, u64)>,
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Queries look into it.
    Whole,
    /// It is being merged from the whole runs between this number and its own.
    Merging(u64),
    /// It was merged into another one. Its blocks go as the budget allows.
    Merged,
}

/// Which way a scan goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Ascending,
    Descending,
}

/// The runs of a table as a query sees them.
pub struct Runs {
    name: &'static str,
    blocks: ReadOnlyTable<&'static [u8], &'static [u8]>,
    kept: Arc<Kept>,
    /// Newest first.
    runs: Vec<Arc<Run>>,
}

/// The key of a block in the table.
struct BlockKey {
    bytes: [u8; 8 + KEY_BYTES_MAX],
    length: usize,
}

impl RunTable {
    pub const fn new(index: usize, name: &'static str, blocks: &'static str, catalog: &'static str) -> Self {
        Self { index, name, blocks: TableDefinition::new(blocks), catalog: TableDefinition::new(catalog) }
    }

    /// Makes the table if it is not there.
    pub fn create(self, transaction: &WriteTransaction) -> Result<(), ReadStoreError> {
        transaction.open_table(self.blocks)?;
        transaction.open_table(self.catalog)?;
        Ok(())
    }

    /// Its runs as a transaction sees them, with what is kept of them.
    pub fn read(self, transaction: &ReadTransaction, kept: &Arc<Kept>) -> Result<Runs, ReadStoreError> {
        let blocks = transaction.open_table(self.blocks)?;
        let mut numbers = Vec::new();
        for run in transaction.open_table(self.catalog)?.range::<u64>(..)?.rev() {
            let (number, run) = run?;
            if State::of(run.value().1) == State::Whole {
                numbers.push(number.value());
            }
        }
        let runs = kept.runs(self.index, &numbers);
        Ok(Runs { name: self.name, blocks, kept: Arc::clone(kept), runs })
    }

    /// Takes in rows that ascend by key, each key once, as a new run, and merges what has come
    /// together, within the budget of a commit.
    pub fn write<'a>(
        self,
        transaction: &WriteTransaction,
        rows: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<(), ReadStoreError> {
        let mut catalog = transaction.open_table(self.catalog)?;
        let mut blocks = transaction.open_table(self.blocks)?;
        let rows = append(&mut catalog, &mut blocks, rows)?;
        self.merge(&mut catalog, &mut blocks, MERGED_ROWS + MERGED_PER_ROW * rows)
    }

    /// Merges what has come together, as long as `budget` rows are not used up.
    fn merge(self, catalog: &mut Catalog<'_>, blocks: &mut Blocks<'_>, mut budget: u64) -> Result<(), ReadStoreError> {
        let budget = &mut budget;
        drop_merged(catalog, blocks, budget)?;
        while *budget > 0 {
            let Some((number, rows, oldest)) = (match underway(catalog)? {
                Some(merge) => Some(merge),
                None => begin_merge(catalog)?,
            }) else {
                break;
            };
            let sources = whole_runs(catalog, oldest, number)?;
            let mut writer = Writer::new(number);
            let done = self.go_on(blocks, &mut writer, &sources, budget)?;
            let rows = rows + writer.finish(blocks)?;
            let state = if done { State::Whole } else { State::Merging(oldest) };
            catalog.insert(number, (rows, state.number()))?;
            if done {
                for (source, rows) in sources {
                    catalog.insert(source, (rows, State::Merged.number()))?;
                }
            }
        }
        Ok(())
    }

    /// Merges rows of the sources behind the last row of the writer's run until there are none
    /// left or the budget is used up, and tells whether there are none left.
    fn go_on(
        self,
        blocks: &mut Blocks<'_>,
        writer: &mut Writer,
        sources: &[(u64, u64)],
        budget: &mut u64,
    ) -> Result<bool, ReadStoreError> {
        let highest = [u8::MAX; KEY_BYTES_MAX];
        let source = Source { table: &*blocks, kept: None, name: self.name };
        let written = Run::new(writer.run, Arc::default()).at(&source, &highest, Direction::Descending)?;
        let mut passed = written.map_or(Vec::new(), |(block, at)| block.key(at).to_vec());
        let runs: Vec<Run> = sources.iter().map(|(number, _)| Run::new(*number, Arc::default())).collect();
        let mut cursors = Cursors::new(&source, &runs, &passed, &highest, Direction::Ascending)?;
        while let Some((key, row)) = cursors.head() {
            if passed != key {
                if *budget == 0 {
                    return Ok(false);
                }
                writer.put(blocks, key, row)?;
                passed.clear();
                passed.extend_from_slice(key);
            }
            *budget = budget.saturating_sub(1);
            cursors.advance(&Source { table: &*blocks, kept: None, name: self.name })?;
        }
        Ok(true)
    }
}

impl State {
    const fn number(self) -> u64 {
        match self {
            Self::Whole => 0,
            Self::Merging(oldest) => oldest,
            Self::Merged => u64::MAX,
        }
    }

    const fn of(number: u64) -> Self {
        match number {
            0 => Self::Whole,
            u64::MAX => Self::Merged,
            oldest => Self::Merging(oldest),
        }
    }
}

/// Appends a run and tells how many rows it has.
fn append<'a>(
    catalog: &mut Catalog<'_>,
    blocks: &mut Blocks<'_>,
    rows: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) -> Result<u64, ReadStoreError> {
    let number = catalog.last()?.map_or(0, |(number, _)| number.value()) + 1;
    let mut writer = Writer::new(number);
    for (key, row) in rows {
        writer.put(blocks, key, row)?;
    }
    let rows = writer.finish(blocks)?;
    if rows > 0 {
        catalog.insert(number, (rows, State::Whole.number()))?;
    }
    Ok(rows)
}

/// Drops blocks of runs that were merged.
fn drop_merged(catalog: &mut Catalog<'_>, blocks: &mut Blocks<'_>, budget: &mut u64) -> Result<(), ReadStoreError> {
    let mut merged = Vec::new();
    for run in catalog.iter()? {
        let (number, run) = run?;
        if State::of(run.value().1) == State::Merged {
            merged.push(number.value());
        }
    }
    for run in merged {
        let (first, next) = (BlockKey::new(run, &[]), BlockKey::new(run + 1, &[]));
        let mut dropped = blocks.extract_from_if::<&[u8], _>(first.as_slice()..next.as_slice(), |_, _| true)?;
        loop {
            if *budget == 0 {
                return Ok(());
            }
            let Some(block) = dropped.next() else { break };
            block?;
            *budget = budget.saturating_sub(ROWS_PER_DROP);
        }
        drop(dropped);
        catalog.remove(run)?;
    }
    Ok(())
}

/// The merge that did not end yet: the number of its run, the rows written so far, and the number
/// of its oldest source.
fn underway(catalog: &Catalog<'_>) -> Result<Option<(u64, u64, u64)>, ReadStoreError> {
    for run in catalog.iter()?.rev() {
        let (number, run) = run?;
        let (rows, state) = run.value();
        if let State::Merging(oldest) = State::of(state) {
            return Ok(Some((number.value(), rows, oldest)));
        }
    }
    Ok(None)
}

/// Begins a merge if there are enough runs, and tells the same of it.
fn begin_merge(catalog: &mut Catalog<'_>) -> Result<Option<(u64, u64, u64)>, ReadStoreError> {
    let group = mergeable(&whole_runs(catalog, 0, u64::MAX)?);
    let Some((newest, oldest)) = group else { return Ok(None) };
    let number = newest + 1;
    catalog.insert(number, (0, State::Merging(oldest).number()))?;
    Ok(Some((number, 0, oldest)))
}

/// Whole runs from one number to before another, newest first, with their rows.
fn whole_runs(catalog: &Catalog<'_>, from: u64, before: u64) -> Result<Vec<(u64, u64)>, ReadStoreError> {
    let mut runs = Vec::new();
    for run in catalog.range(from..before)?.rev() {
        let (number, run) = run?;
        let (rows, state) = run.value();
        if State::of(state) == State::Whole {
            runs.push((number.value(), rows));
        }
    }
    Ok(runs)
}

/// The newest and the oldest of the runs that are to become one: eight of one size class, and the
/// smaller ones behind them. Runs come newest first.
fn mergeable(runs: &[(u64, u64)]) -> Option<(u64, u64)> {
    let (mut largest, mut count, mut oldest) = (0, 0, 0);
    for (number, rows) in runs {
        let class = rows.max(&1).ilog2() / FAN_IN.ilog2();
        if *rows >= SEALED_ROWS || class > largest && count >= FAN_IN {
            break;
        }
        if class > largest {
            (largest, count) = (class, 0);
        }
        count += usize::from(class == largest);
        oldest = *number;
    }
    runs.first().filter(|_| count >= FAN_IN).map(|(newest, _)| (*newest, oldest))
}

impl Runs {
    /// The newest row of a key.
    pub fn get<T>(&self, key: &[u8], decode: impl FnOnce(&[u8]) -> Option<T>) -> Result<Option<T>, ReadStoreError> {
        for run in &self.runs {
            if let Some((block, at)) = run.at(&self.source(), key, Direction::Descending)?
                && block.key(at) == key
            {
                return decode(block.row(at)).map(Some).ok_or(ReadStoreError::Damaged(self.name));
            }
        }
        Ok(None)
    }

    /// The rows from one key to another, both inclusive.
    pub fn scan(&self, low: &[u8], high: &[u8], direction: Direction) -> Result<Scan<'_>, ReadStoreError> {
        Scan::new(self, low, high, direction)
    }

    fn source(&self) -> Source<'_, ReadOnlyTable<&'static [u8], &'static [u8]>> {
        Source { table: &self.blocks, kept: Some(&self.kept), name: self.name }
    }
}

impl BlockKey {
    fn new(run: u64, key: &[u8]) -> Self {
        let mut bytes = [0; 8 + KEY_BYTES_MAX];
        bytes[..8].copy_from_slice(&run.to_be_bytes());
        let length = 8 + key.len();
        bytes[8..length].copy_from_slice(key);
        Self { bytes, length }
    }

    fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// Packs rows into the blocks of a run.
struct Writer {
    run: u64,
    /// The key of the block: empty if the block is.
    first: Vec<u8>,
    last: Vec<u8>,
    block: Vec<u8>,
    /// Packed blocks with their keys, not yet in the table.
    packed: Vec<(Vec<u8>, Vec<u8>)>,
    rows: u64,
}

impl Writer {
    fn new(run: u64) -> Self {
        Self { run, first: Vec::new(), last: Vec::new(), block: Vec::new(), packed: Vec::new(), rows: 0 }
    }

    fn put(&mut self, blocks: &mut Blocks<'_>, key: &[u8], row: &[u8]) -> Result<(), ReadStoreError> {
        if self.block.len() + 3 + key.len() + row.len() > BLOCK_BYTES {
            self.pack();
            if self.packed.len() == BLOCKS_AT_ONCE {
                self.flush(blocks)?;
            }
        }
        let shared = if self.first.is_empty() {
            self.first.extend_from_slice(BlockKey::new(self.run, key).as_slice());
            self.block.reserve_exact(BLOCK_BYTES);
            key.len()
        } else {
            self.last.iter().zip(key).take_while(|(left, right)| left == right).count()
        };
        let [low, high] = (row.len() as u16).to_le_bytes();
        self.block.extend_from_slice(&[shared as u8, low, high]);
        self.block.extend_from_slice(&key[shared..]);
        self.block.extend_from_slice(row);
        self.last.clear();
        self.last.extend_from_slice(key);
        self.rows += 1;
        Ok(())
    }

    fn pack(&mut self) {
        if !self.first.is_empty() {
            self.packed.push((std::mem::take(&mut self.first), std::mem::take(&mut self.block)));
        }
    }

    fn flush(&mut self, blocks: &mut Blocks<'_>) -> Result<(), ReadStoreError> {
        let Some((first, _)) = self.packed.first() else { return Ok(()) };
        let mut gap = blocks.upper_bound_mut(Bound::Included(first.as_slice()))?;
        for (key, block) in &self.packed {
            gap.insert_before(key.as_slice(), block.as_slice())?;
        }
        gap.close()?;
        self.packed.clear();
        Ok(())
    }

    /// Writes what is left and tells how many rows there were.
    fn finish(mut self, blocks: &mut Blocks<'_>) -> Result<u64, ReadStoreError> {
        self.pack();
        self.flush(blocks)?;
        Ok(self.rows)
    }
}
