//! Rows of several runs in the order of their keys.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::sync::Arc;

use redb::ReadableTable;

use super::block::{Block, Key};
use super::kept::{Run, Source};
use super::{Direction, Runs};
use crate::read_store::ReadStoreError;

/// The rows of several runs between two keys, of equal keys only the newest.
pub struct Scan<'a> {
    runs: &'a Runs,
    cursors: Cursors<'a>,
    /// The key handed out last.
    passed: Key,
}

/// Places in several runs between two keys.
pub struct Cursors<'a> {
    /// That which stands at the row to come next is the first; of equal keys, the newest run's.
    cursors: Vec<Cursor<'a>>,
    direction: Direction,
    low: Key,
    high: Key,
}

/// A place in a run, with the block around it.
struct Cursor<'a> {
    run: &'a Run,
    /// The newest run has the smallest.
    age: usize,
    block: Arc<Block>,
    at: usize,
}

impl<'a> Scan<'a> {
    /// From one key to another, both inclusive.
    pub fn new(runs: &'a Runs, low: &[u8], high: &[u8], direction: Direction) -> Result<Self, ReadStoreError> {
        let cursors = Cursors::new(&runs.source(), &runs.runs, low, high, direction)?;
        Ok(Self { runs, cursors, passed: Key::new(&[]) })
    }

    /// The next row, or `None` at the end.
    pub fn next<T>(&mut self, decode: impl FnOnce(&[u8], &[u8]) -> Option<T>) -> Result<Option<T>, ReadStoreError> {
        let value = self.head(decode)?;
        if let Some((key, _)) = self.cursors.head() {
            self.passed = Key::new(key);
            self.cursors.advance(&self.runs.source())?;
        }
        Ok(value)
    }

    /// The same row as [`Self::next`], which stays the next.
    pub fn head<T>(&mut self, decode: impl FnOnce(&[u8], &[u8]) -> Option<T>) -> Result<Option<T>, ReadStoreError> {
        let source = self.runs.source();
        while let Some((key, _)) = self.cursors.head()
            && self.passed.as_slice() == key
        {
            self.cursors.advance(&source)?;
        }
        let Some((key, row)) = self.cursors.head() else { return Ok(None) };
        decode(key, row).ok_or(ReadStoreError::Damaged(source.name)).map(Some)
    }

    /// Leaves out the rows before a key, or behind it if the scan goes down.
    pub fn leap(&mut self, to: &[u8]) -> Result<(), ReadStoreError> {
        self.cursors.leap(&self.runs.source(), to)
    }
}

impl<'a> Cursors<'a> {
    /// At the first rows between two keys, or the last if they go down. The newest run comes first.
    pub fn new<T: ReadableTable<&'static [u8], &'static [u8]>>(
        source: &Source<'_, T>,
        runs: &'a [impl Borrow<Run>],
        low: &[u8],
        high: &[u8],
        direction: Direction,
    ) -> Result<Self, ReadStoreError> {
        let mut cursors = Self { cursors: Vec::new(), direction, low: Key::new(low), high: Key::new(high) };
        if low > high {
            return Ok(cursors);
        }
        let begin = if direction == Direction::Ascending { low } else { high };
        for (age, run) in runs.iter().map(Borrow::borrow).enumerate() {
            if let Some((block, at)) = run.at(source, begin, direction)?
                && (low..=high).contains(&block.key(at))
            {
                cursors.cursors.push(Cursor { run, age, block, at });
            }
        }
        cursors.cursors.sort_unstable_by(|left, right| order(left, right, direction));
        Ok(cursors)
    }

    /// The next key and its row.
    pub fn head(&self) -> Option<(&[u8], &[u8])> {
        let cursor = self.cursors.first()?;
        Some((cursor.key(), cursor.block.row(cursor.at)))
    }

    /// Leaves the head behind. A key comes once for each run that has it.
    pub fn advance<T: ReadableTable<&'static [u8], &'static [u8]>>(
        &mut self,
        source: &Source<'_, T>,
    ) -> Result<(), ReadStoreError> {
        let Some(cursor) = self.cursors.first_mut() else { return Ok(()) };
        let more = cursor.advance(source, self.direction)?;
        if !more || !self.contains(self.cursors[0].key()) {
            self.cursors.remove(0);
            return Ok(());
        }
        self.settle(0);
        Ok(())
    }

    /// Leaves out what comes before a key.
    pub fn leap<T: ReadableTable<&'static [u8], &'static [u8]>>(
        &mut self,
        source: &Source<'_, T>,
        to: &[u8],
    ) -> Result<(), ReadStoreError> {
        let direction = self.direction;
        let behind = |cursor: &Cursor<'_>| match direction {
            Direction::Ascending => cursor.key() < to,
            Direction::Descending => cursor.key() > to,
        };
        let behind = self.cursors.partition_point(behind);
        if behind == 0 {
            return Ok(());
        }
        let mut gone = 0;
        for at in 0..behind {
            let cursor = &mut self.cursors[at];
            let more = cursor.leap(source, to, direction)?;
            if more && self.contains(self.cursors[at].key()) {
                self.cursors.swap(at - gone, at);
            } else {
                gone += 1;
            }
        }
        self.cursors.drain(behind - gone..behind);
        (0..behind - gone).rev().for_each(|at| self.settle(at));
        Ok(())
    }

    /// Takes a cursor to its place among those behind it, which are in order. Mostly it is there already: the
    /// next row is of the same run.
    fn settle(&mut self, mut at: usize) {
        while let Some(next) = self.cursors.get(at + 1)
            && order(next, &self.cursors[at], self.direction) == Ordering::Less
        {
            self.cursors.swap(at, at + 1);
            at += 1;
        }
    }

    fn contains(&self, key: &[u8]) -> bool {
        match self.direction {
            Direction::Ascending => key <= self.high.as_slice(),
            Direction::Descending => key >= self.low.as_slice(),
        }
    }
}

/// Which of two comes first.
fn order(left: &Cursor<'_>, right: &Cursor<'_>, direction: Direction) -> Ordering {
    let keys = match direction {
        Direction::Ascending => left.key().cmp(right.key()),
        Direction::Descending => right.key().cmp(left.key()),
    };
    keys.then(left.age.cmp(&right.age))
}

impl Cursor<'_> {
    fn key(&self) -> &[u8] {
        self.block.key(self.at)
    }

    /// Goes one row on, and tells whether there is one.
    fn advance<T: ReadableTable<&'static [u8], &'static [u8]>>(
        &mut self,
        source: &Source<'_, T>,
        direction: Direction,
    ) -> Result<bool, ReadStoreError> {
        match direction {
            Direction::Ascending if self.at + 1 < self.block.len() => self.at += 1,
            Direction::Descending if self.at > 0 => self.at -= 1,
            _ => {
                let Some(block) = self.run.beside(source, &self.block, direction)? else { return Ok(false) };
                self.at = if direction == Direction::Ascending { 0 } else { block.len() - 1 };
                self.block = block;
            }
        }
        Ok(true)
    }

    /// Goes on to a key that lies before it, and tells whether there is one there or beyond.
    fn leap<T: ReadableTable<&'static [u8], &'static [u8]>>(
        &mut self,
        source: &Source<'_, T>,
        to: &[u8],
        direction: Direction,
    ) -> Result<bool, ReadStoreError> {
        match direction {
            Direction::Ascending if to <= self.block.last() => self.at = self.block.partition(|key| key < to),
            Direction::Descending if to >= self.block.first() => self.at = self.block.partition(|key| key <= to) - 1,
            _ => {
                let Some((block, at)) = self.run.at(source, to, direction)? else { return Ok(false) };
                (self.block, self.at) = (block, at);
            }
        }
        Ok(true)
    }
}
