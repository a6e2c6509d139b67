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
//! A row in a plain tree of the database costs a descent, and sooner or later a rewritten page of
//! its own, because accounts and client order ids lie everywhere. In a block, it costs what is
//! copied.

use std::ops::Bound;

use redb::{ReadOnlyTable, ReadTransaction, ReadableTable, Table, TableDefinition, WriteTransaction};

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
/// The longest key.
const KEY_BYTES_MAX: usize = 32;

type Catalog<'a> = Table<'a, u64, (u64, u64)>;
type Blocks<'a> = Table<'a, &'static [u8], &'static [u8]>;

/// A table of sorted runs. All its keys have one length, of at most [`KEY_BYTES_MAX`]; a key and
/// its row fit a block.
#[derive(Clone, Copy)]
pub struct RunTable {
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
    /// Newest first.
    numbers: Vec<u64>,
}

/// The rows of several runs between two keys, of equal keys only the newest.
pub struct Scan<'a> {
    runs: &'a Runs,
    /// Newest first.
    cursors: Vec<Cursor>,
    direction: Direction,
    high: Vec<u8>,
    low: Vec<u8>,
    /// The key handed out last.
    passed: Vec<u8>,
}

impl RunTable {
    pub const fn new(name: &'static str, blocks: &'static str, catalog: &'static str) -> Self {
        Self { name, blocks: TableDefinition::new(blocks), catalog: TableDefinition::new(catalog) }
    }

    /// Makes the table if it is not there.
    pub fn create(self, transaction: &WriteTransaction) -> Result<(), ReadStoreError> {
        transaction.open_table(self.blocks)?;
        transaction.open_table(self.catalog)?;
        Ok(())
    }

    pub fn read(self, transaction: &ReadTransaction) -> Result<Runs, ReadStoreError> {
        let blocks = transaction.open_table(self.blocks)?;
        let mut numbers = Vec::new();
        for run in transaction.open_table(self.catalog)?.range::<u64>(..)?.rev() {
            let (number, run) = run?;
            if State::of(run.value().1) == State::Whole {
                numbers.push(number.value());
            }
        }
        Ok(Runs { name: self.name, blocks, numbers })
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
        let written = Cursor::seek(blocks, writer.run, &[], &highest, Direction::Descending, self.name)?;
        let mut passed = written.map_or(Vec::new(), |written| written.head().0.to_vec());
        let mut cursors = Vec::with_capacity(sources.len());
        for (source, _) in sources {
            cursors.extend(Cursor::seek(blocks, *source, &passed, &highest, Direction::Ascending, self.name)?);
        }
        while let Some(best) = best(&cursors, Direction::Ascending) {
            let (key, row) = cursors[best].head();
            if passed != key {
                if *budget == 0 {
                    return Ok(false);
                }
                writer.put(blocks, key, row)?;
                passed.clear();
                passed.extend_from_slice(key);
            }
            *budget = budget.saturating_sub(1);
            if !cursors[best].advance(blocks, Direction::Ascending, self.name)? {
                cursors.remove(best);
            }
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
        let (first, next) = (block_key(run, &[]), block_key(run + 1, &[]));
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

/// The cursor that stands at the row to come next; of equal keys, the newest run's.
fn best(cursors: &[Cursor], direction: Direction) -> Option<usize> {
    let mut best: Option<(usize, &[u8])> = None;
    for (index, cursor) in cursors.iter().enumerate() {
        let key = cursor.head().0;
        let before = |other: &[u8]| match direction {
            Direction::Ascending => key < other,
            Direction::Descending => key > other,
        };
        if best.is_none_or(|(_, other)| before(other)) {
            best = Some((index, key));
        }
    }
    best.map(|(index, _)| index)
}

impl Runs {
    /// The newest row of a key.
    pub fn get<T>(&self, key: &[u8], decode: impl FnOnce(&[u8]) -> Option<T>) -> Result<Option<T>, ReadStoreError> {
        let damaged = ReadStoreError::Damaged(self.name);
        for run in &self.numbers {
            let place = block_key(*run, key);
            let mut gap = self.blocks.upper_bound(Bound::Included(place.as_slice()))?;
            let Some((first, block)) = gap.prev()? else { continue };
            let Some(first) = first.value().strip_prefix(&run.to_be_bytes()) else { continue };
            let mut rows = BlockRows::new(first, block.value());
            while !rows.rest.is_empty() {
                let Some(row) = rows.next() else { return Err(damaged) };
                if rows.key() == key {
                    return decode(row).map(Some).ok_or(damaged);
                }
                if rows.key() > key {
                    break;
                }
            }
        }
        Ok(None)
    }

    /// The rows from one key to another, both inclusive.
    pub fn scan(&self, low: &[u8], high: &[u8], direction: Direction) -> Result<Scan<'_>, ReadStoreError> {
        let mut cursors = Vec::new();
        if low <= high {
            for run in &self.numbers {
                cursors.extend(Cursor::seek(&self.blocks, *run, low, high, direction, self.name)?);
            }
        }
        Ok(Scan { runs: self, cursors, direction, low: low.to_vec(), high: high.to_vec(), passed: Vec::new() })
    }
}

impl Scan<'_> {
    /// The next row, or `None` at the end.
    pub fn next<T>(&mut self, decode: impl FnOnce(&[u8], &[u8]) -> Option<T>) -> Result<Option<T>, ReadStoreError> {
        let name = self.runs.name;
        let mut decode = Some(decode);
        while let Some(best) = best(&self.cursors, self.direction) {
            let (key, row) = self.cursors[best].head();
            let mut decoded = None;
            if self.passed != key {
                self.passed.clear();
                self.passed.extend_from_slice(key);
                decoded = decode.take().map(|decode| decode(key, row).ok_or(ReadStoreError::Damaged(name)));
            }
            let cursor = &mut self.cursors[best];
            let more = cursor.advance(&self.runs.blocks, self.direction, name)?;
            if !more || !(self.low.as_slice()..=self.high.as_slice()).contains(&cursor.head().0) {
                self.cursors.remove(best);
            }
            if let Some(decoded) = decoded {
                return decoded.map(Some);
            }
        }
        Ok(None)
    }
}

/// A place in a run, with the block around it unpacked.
struct Cursor {
    run: u64,
    block: Vec<u8>,
    key_length: usize,
    /// The keys of the block behind each other.
    keys: Vec<u8>,
    /// Where the rows begin and end in the block.
    rows: Vec<(u32, u32)>,
    at: usize,
}

impl Cursor {
    /// At the first row between the two keys, or the last if it goes down; `None` if there is none.
    fn seek<T: ReadableTable<&'static [u8], &'static [u8]>>(
        table: &T,
        run: u64,
        low: &[u8],
        high: &[u8],
        direction: Direction,
        name: &'static str,
    ) -> Result<Option<Self>, ReadStoreError> {
        let mut cursor = Self { run, block: Vec::new(), key_length: 0, keys: Vec::new(), rows: Vec::new(), at: 0 };
        // The block that may hold a key begins with it or before it.
        let (low_place, high_place) = (block_key(run, low), block_key(run, high));
        let place = if direction == Direction::Ascending { &low_place } else { &high_place };
        if !cursor.load(table, Bound::Included(place), true, name)?
            && !cursor.load(table, Bound::Included(place), false, name)?
        {
            return Ok(None);
        }
        let more = match direction {
            Direction::Ascending => {
                cursor.at = cursor.partition(|key| key < low);
                cursor.at < cursor.rows.len() || cursor.next_block(table, direction, name)?
            }
            Direction::Descending => {
                let beyond = cursor.partition(|key| key <= high);
                cursor.at = beyond.saturating_sub(1);
                beyond > 0
            }
        };
        Ok((more && (low..=high).contains(&cursor.head().0)).then_some(cursor))
    }

    fn head(&self) -> (&[u8], &[u8]) {
        let (start, end) = self.rows[self.at];
        (self.key(self.at), &self.block[start as usize..end as usize])
    }

    fn key(&self, at: usize) -> &[u8] {
        &self.keys[at * self.key_length..(at + 1) * self.key_length]
    }

    /// How many keys of the block pass; those that do come first.
    fn partition(&self, passes: impl Fn(&[u8]) -> bool) -> usize {
        let (mut low, mut high) = (0, self.rows.len());
        while low < high {
            let middle = low.midpoint(high);
            if passes(self.key(middle)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Goes one row on, and tells whether there is one.
    fn advance<T: ReadableTable<&'static [u8], &'static [u8]>>(
        &mut self,
        table: &T,
        direction: Direction,
        name: &'static str,
    ) -> Result<bool, ReadStoreError> {
        match direction {
            Direction::Ascending if self.at + 1 < self.rows.len() => self.at += 1,
            Direction::Descending if self.at > 0 => self.at -= 1,
            _ => return self.next_block(table, direction, name),
        }
        Ok(true)
    }

    fn next_block<T: ReadableTable<&'static [u8], &'static [u8]>>(
        &mut self,
        table: &T,
        direction: Direction,
        name: &'static str,
    ) -> Result<bool, ReadStoreError> {
        let here = block_key(self.run, self.key(0));
        let more = self.load(table, Bound::Excluded(&here), direction == Direction::Descending, name)?;
        self.at = if direction == Direction::Ascending { 0 } else { self.rows.len() - 1 };
        Ok(more)
    }

    /// Unpacks the last block of the run before a place, or the first behind it, and tells whether
    /// there was one.
    fn load<T: ReadableTable<&'static [u8], &'static [u8]>>(
        &mut self,
        table: &T,
        place: Bound<&Vec<u8>>,
        before: bool,
        name: &'static str,
    ) -> Result<bool, ReadStoreError> {
        let place = place.map(Vec::as_slice);
        let found = if before { table.upper_bound(place)?.prev()? } else { table.lower_bound(place)?.next()? };
        let Some((first, block)) = found else { return Ok(false) };
        let Some(first) = first.value().strip_prefix(&self.run.to_be_bytes()) else { return Ok(false) };
        let block = block.value();
        self.key_length = first.len();
        self.keys.clear();
        self.rows.clear();
        self.block.clear();
        self.block.extend_from_slice(block);
        let mut rows = BlockRows::new(first, block);
        while !rows.rest.is_empty() {
            let row = rows.next().ok_or(ReadStoreError::Damaged(name))?.len();
            self.keys.extend_from_slice(rows.key());
            let end = block.len() - rows.rest.len();
            // A block has no more than 2^32 bytes: it fits one value of the database.
            self.rows.push(((end - row) as u32, end as u32));
        }
        if self.rows.is_empty() {
            return Err(ReadStoreError::Damaged(name));
        }
        Ok(true)
    }
}

/// The rows of a block, one by one.
struct BlockRows<'a> {
    rest: &'a [u8],
    key: [u8; KEY_BYTES_MAX],
    key_length: usize,
}

impl<'a> BlockRows<'a> {
    fn new(first: &[u8], block: &'a [u8]) -> Self {
        let mut key = [0; KEY_BYTES_MAX];
        let key_length = first.len().min(KEY_BYTES_MAX);
        key[..key_length].copy_from_slice(&first[..key_length]);
        Self { rest: block, key, key_length }
    }

    fn key(&self) -> &[u8] {
        &self.key[..self.key_length]
    }

    /// The next row; its key is then [`Self::key`]. `None` says that the block is damaged.
    fn next(&mut self) -> Option<&'a [u8]> {
        let ([shared, low, high], rest) = self.rest.split_first_chunk()?;
        let own = self.key[..self.key_length].get_mut(usize::from(*shared)..)?;
        let (suffix, rest) = rest.split_at_checked(own.len())?;
        own.copy_from_slice(suffix);
        let (row, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes([*low, *high])))?;
        self.rest = rest;
        Some(row)
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
            self.first = block_key(self.run, key);
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

fn block_key(run: u64, key: &[u8]) -> Vec<u8> {
    let mut block_key = Vec::with_capacity(8 + key.len());
    block_key.extend_from_slice(&run.to_be_bytes());
    block_key.extend_from_slice(key);
    block_key
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use redb::{Database, ReadableDatabase};

    use super::*;

    const TABLE: RunTable = RunTable::new("test", "blocks", "catalog");

    fn contents(runs: &Runs, low: u32, high: u32, direction: Direction) -> Vec<(u32, Vec<u8>)> {
        let mut scan = runs.scan(&low.to_be_bytes(), &high.to_be_bytes(), direction).expect("scans");
        let decode = |key: &[u8], row: &[u8]| Some((u32::from_be_bytes(key.try_into().ok()?), row.to_vec()));
        std::iter::from_fn(|| scan.next(decode).expect("reads")).collect()
    }

    /// Rows of few keys over and over, so that runs overlap, merged with a budget so small that
    /// merges are always underway.
    #[test]
    fn runs_answer_like_a_map_while_they_are_merged() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let database = Database::create(file.path()).expect("opens");
        let mut model: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
        let mut random = 1_u64;
        let mut random = |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % below
        };
        for round in 0..400_u64 {
            let mut rows = BTreeMap::new();
            for _ in 0..random(60) {
                rows.insert(random(3_000) as u32, vec![round as u8; random(60) as usize]);
            }
            model.extend(rows.iter().map(|(key, row)| (*key, row.clone())));
            let rows: Vec<([u8; 4], Vec<u8>)> = rows.into_iter().map(|(key, row)| (key.to_be_bytes(), row)).collect();
            let transaction = database.begin_write().expect("begins");
            {
                let mut catalog = transaction.open_table(TABLE.catalog).expect("opens");
                let mut blocks = transaction.open_table(TABLE.blocks).expect("opens");
                append(&mut catalog, &mut blocks, rows.iter().map(|(key, row)| (&key[..], &row[..]))).expect("appends");
                let budget = if round < 300 && round % 100 < 50 { random(40) } else { 2_000 };
                TABLE.merge(&mut catalog, &mut blocks, budget).expect("merges");
            }
            transaction.commit().expect("commits");

            let runs = TABLE.read(&database.begin_read().expect("begins")).expect("reads");
            let (low, high) = (random(3_000) as u32, random(3_500) as u32);
            let expected = |low: u32, high: u32| -> Vec<(u32, Vec<u8>)> {
                model.iter().filter(|(key, _)| (low..=high).contains(*key)).map(|(k, row)| (*k, row.clone())).collect()
            };
            assert_eq!(contents(&runs, low, high, Direction::Ascending), expected(low, high));
            assert_eq!(contents(&runs, 0, u32::MAX, Direction::Ascending), expected(0, u32::MAX));
            let mut reversed = contents(&runs, low, high, Direction::Descending);
            reversed.reverse();
            assert_eq!(reversed, expected(low, high));
            for key in [low, high] {
                let row = runs.get(&key.to_be_bytes(), |row| Some(row.to_vec())).expect("reads");
                assert_eq!(row.as_ref(), model.get(&key));
            }
        }
        let runs = TABLE.read(&database.begin_read().expect("begins")).expect("reads");
        assert!(runs.numbers.len() < 30, "{} runs", runs.numbers.len());
        let blocks = database.begin_read().expect("begins").open_table(TABLE.blocks).expect("opens");
        let kept = |block: &[u8]| runs.numbers.contains(&block[..8].try_into().map_or(0, u64::from_be_bytes));
        let stale = blocks.range::<&[u8]>(..).expect("reads").filter(|block| {
            let (key, _) = block.as_ref().expect("reads");
            !kept(key.value())
        });
        assert!(stale.count() < 200);
    }
}
