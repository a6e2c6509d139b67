//! Blocks that queries keep unpacked, and how they are found.
//!
//! The blocks of a whole run never change, nor is its number given again, so that a block that was
//! unpacked once serves every later query from every state in which its run is there. It knows the
//! blocks beside it when it was asked for them once, and with them which keys lie between: for most
//! of what is asked, the tables are not looked into at all. It is bounded in bytes; what goes first is what
//! was not used for longest. A run that is merged takes its blocks with it.

use std::ops::Bound;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use redb::{AccessGuard, ReadableTable};

use super::block::{Block, Key};
use super::{BlockKey, Direction};
use crate::read_store::ReadStoreError;

/// The key of a block in the table, and the block.
type Found<'a> = (AccessGuard<'a, &'static [u8]>, AccessGuard<'a, &'static [u8]>);

/// The unpacked blocks of all tables of runs.
pub struct Kept {
    /// The whole runs of each table when it was opened last, newest first.
    tables: Vec<Mutex<Vec<Arc<Run>>>>,
    /// How many bytes of blocks there are.
    used: Arc<AtomicUsize>,
    bound: usize,
    /// Held by the thread that makes room.
    sweeping: Mutex<()>,
}

/// A run, with those of its blocks that are kept.
pub struct Run {
    pub number: u64,
    /// By their first keys.
    blocks: RwLock<Vec<(Key, Arc<Block>)>>,
    used: Arc<AtomicUsize>,
}

/// Where blocks come from.
pub struct Source<'a, T> {
    pub table: &'a T,
    /// Where unpacked blocks are kept, if they are.
    pub kept: Option<&'a Kept>,
    /// What a damage is told of.
    pub name: &'static str,
}

/// What the kept blocks of a run tell about a key.
enum Known {
    /// The block that begins with the key or nearest before it.
    Block(Arc<Block>),
    /// The run begins behind it, with this block.
    Before(Arc<Block>),
    Nothing,
}

impl Kept {
    /// Room for so many bytes of blocks of so many tables.
    pub fn new(tables: usize, bound: usize) -> Self {
        let tables = (0..tables).map(|_| Mutex::default()).collect();
        Self { tables, used: Arc::default(), bound, sweeping: Mutex::default() }
    }

    /// The runs of these numbers, of those of a table, with what is kept of them. Others are forgotten.
    pub fn runs(&self, table: usize, numbers: &[u64]) -> Vec<Arc<Run>> {
        let mut known = self.tables[table].lock().unwrap_or_else(PoisonError::into_inner);
        let run = |number: &u64| {
            let found = known.iter().find(|run| run.number == *number);
            found.map_or_else(|| Arc::new(Run::new(*number, Arc::clone(&self.used))), Arc::clone)
        };
        let runs: Vec<Arc<Run>> = numbers.iter().map(run).collect();
        known.clone_from(&runs);
        runs
    }

    /// Makes room if there are too many bytes: what was not used since the last time goes.
    fn make_room(&self) {
        if self.used.load(Ordering::Relaxed) <= self.bound {
            return;
        }
        let Ok(_sweeping) = self.sweeping.try_lock() else { return };
        let enough = self.bound / 4 * 3;
        // In the first round, what was used gets another chance.
        for _ in 0..2 {
            for table in &self.tables {
                let runs = table.lock().unwrap_or_else(PoisonError::into_inner).clone();
                for run in runs {
                    if self.used.load(Ordering::Relaxed) <= enough {
                        return;
                    }
                    run.forget_unused();
                }
            }
        }
    }

    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

impl Run {
    /// Without any blocks yet; `used` counts the bytes of those that come.
    pub fn new(number: u64, used: Arc<AtomicUsize>) -> Self {
        Self { number, blocks: RwLock::default(), used }
    }

    /// The first row from a key on, or the last one up to it if it goes down: its block and its place there.
    pub fn at<T: ReadableTable<&'static [u8], &'static [u8]>>(
        &self,
        source: &Source<'_, T>,
        key: &[u8],
        direction: Direction,
    ) -> Result<Option<(Arc<Block>, usize)>, ReadStoreError> {
        let known = match self.known(key) {
            Known::Nothing => self.find(source, key)?,
            known => known,
        };
        let block = match (known, direction) {
            (Known::Block(block), _) => block,
            (Known::Before(block), Direction::Ascending) => return Ok(Some((block, 0))),
            (Known::Before(_), Direction::Descending) | (Known::Nothing, _) => return Ok(None),
        };
        match direction {
            Direction::Ascending => {
                let at = block.partition(|other| other < key);
                if at < block.len() {
                    return Ok(Some((block, at)));
                }
                Ok(self.beside(source, &block, direction)?.map(|block| (block, 0)))
            }
            Direction::Descending => {
                let beyond = block.partition(|other| other <= key);
                Ok(beyond.checked_sub(1).map(|at| (block, at)))
            }
        }
    }

    /// The next block of the run, or the one before.
    pub fn beside<T: ReadableTable<&'static [u8], &'static [u8]>>(
        &self,
        source: &Source<'_, T>,
        block: &Arc<Block>,
        direction: Direction,
    ) -> Result<Option<Arc<Block>>, ReadStoreError> {
        let link = match direction {
            Direction::Ascending => &block.next,
            Direction::Descending => &block.previous,
        };
        match link.get() {
            Some(None) => return Ok(None),
            Some(Some(first)) => {
                if let Some(block) = self.kept(first.as_slice()) {
                    return Ok(Some(block));
                }
                let place = BlockKey::new(self.number, first.as_slice());
                let row = source.table.get(place.as_slice())?.ok_or(ReadStoreError::Damaged(source.name))?;
                return self.unpacked(source, first.as_slice(), row.value()).map(Some);
            }
            None => {}
        }
        let here = BlockKey::new(self.number, block.first());
        let bound = Bound::Excluded(here.as_slice());
        let found = match direction {
            Direction::Ascending => source.table.lower_bound(bound)?.next()?,
            Direction::Descending => source.table.upper_bound(bound)?.prev()?,
        };
        let found = self.taken(source, found)?;
        link.get_or_init(|| found.as_ref().map(|found| Key::new(found.first())));
        if let Some(found) = &found {
            let back = if direction == Direction::Ascending { &found.previous } else { &found.next };
            back.get_or_init(|| Some(Key::new(block.first())));
        }
        Ok(found)
    }

    /// What is kept of the block where a key lies.
    fn known(&self, key: &[u8]) -> Known {
        let blocks = self.blocks.read().unwrap_or_else(PoisonError::into_inner);
        let beyond = blocks.partition_point(|(first, _)| first.as_slice() <= key);
        if let Some((_, block)) = beyond.checked_sub(1).map(|at| &blocks[at]) {
            if !block.covers(key) {
                return Known::Nothing;
            }
            block.touch();
            return Known::Block(Arc::clone(block));
        }
        match blocks.first() {
            Some((_, block)) if matches!(block.previous.get(), Some(None)) => {
                block.touch();
                Known::Before(Arc::clone(block))
            }
            _ => Known::Nothing,
        }
    }

    /// The same from the table; `Nothing` if the run has no block.
    fn find<T: ReadableTable<&'static [u8], &'static [u8]>>(
        &self,
        source: &Source<'_, T>,
        key: &[u8],
    ) -> Result<Known, ReadStoreError> {
        let place = BlockKey::new(self.number, key);
        // The block that may hold a key begins with it or before it.
        let mut gap = source.table.upper_bound(Bound::Included(place.as_slice()))?;
        let before = gap.prev()?;
        let is_there = before.is_some();
        if let Some(block) = self.taken(source, before)? {
            if key > block.last() && block.next.get().is_none() {
                gap.next()?;
                let next = gap.next()?;
                let next = next.as_ref().and_then(|(key, _)| self.own(key.value()).map(Key::new));
                block.next.get_or_init(|| next);
            }
            return Ok(Known::Block(block));
        }
        if is_there {
            gap.next()?;
        }
        let first = gap.next()?;
        let Some(block) = self.taken(source, first)? else { return Ok(Known::Nothing) };
        block.previous.get_or_init(|| None);
        Ok(Known::Before(block))
    }

    /// The key of a block within the run, if the block is of this run.
    fn own<'a>(&self, place: &'a [u8]) -> Option<&'a [u8]> {
        place.strip_prefix(&self.number.to_be_bytes())
    }

    /// The block of a row of the table, if it is of this run.
    fn taken<T>(&self, source: &Source<'_, T>, found: Option<Found<'_>>) -> Result<Option<Arc<Block>>, ReadStoreError> {
        let Some((place, row)) = found else { return Ok(None) };
        let Some(first) = self.own(place.value()) else { return Ok(None) };
        if let Some(block) = self.kept(first) {
            return Ok(Some(block));
        }
        self.unpacked(source, first, row.value()).map(Some)
    }

    fn kept(&self, first: &[u8]) -> Option<Arc<Block>> {
        let blocks = self.blocks.read().unwrap_or_else(PoisonError::into_inner);
        let at = blocks.binary_search_by(|(key, _)| key.as_slice().cmp(first)).ok()?;
        let (_, block) = &blocks[at];
        block.touch();
        Some(Arc::clone(block))
    }

    fn unpacked<T>(&self, source: &Source<'_, T>, first: &[u8], row: &[u8]) -> Result<Arc<Block>, ReadStoreError> {
        let block = Arc::new(Block::unpack(first, row).ok_or(ReadStoreError::Damaged(source.name))?);
        let Some(kept) = source.kept else { return Ok(block) };
        {
            let mut blocks = self.blocks.write().unwrap_or_else(PoisonError::into_inner);
            match blocks.binary_search_by(|(key, _)| key.as_slice().cmp(first)) {
                // Another thread was faster.
                Ok(at) => return Ok(Arc::clone(&blocks[at].1)),
                Err(at) => blocks.insert(at, (Key::new(first), Arc::clone(&block))),
            }
            self.used.fetch_add(block.bytes(), Ordering::Relaxed);
        }
        kept.make_room();
        Ok(block)
    }

    fn forget_unused(&self) {
        let mut blocks = self.blocks.write().unwrap_or_else(PoisonError::into_inner);
        blocks.retain(|(_, block)| {
            let stays = block.take_used();
            if !stays {
                self.used.fetch_sub(block.bytes(), Ordering::Relaxed);
            }
            stays
        });
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let blocks = self.blocks.get_mut().unwrap_or_else(PoisonError::into_inner);
        let bytes = blocks.iter().map(|(_, block)| block.bytes()).sum();
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}
