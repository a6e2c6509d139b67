//! Chunks of what is packed by number: the one that holds a number.

use std::ops::Bound;

use redb::{AccessGuard, Cursor, ReadableTable};
use rialto_engine::ids::TenantId;
use rialto_engine::transaction::TransactionEvent;
use rialto_engine::wallet::Entry;

use super::super::view::{Chunks, View};
use super::super::{ReadStoreError, rows};

/// How far behind a chunk a number may be to be looked for from there, and not from the root of the tree.
const NEAR: u64 = 160;
/// And over how many chunks.
const STEPS: usize = 4;

/// The first number of a chunk and its row.
type Found<'a> = (u64, AccessGuard<'a, &'static [u8]>);

/// Finds the chunks of one number after another, cheaply if they ascend and are near.
struct Walk<'a> {
    table: &'a Chunks<12>,
    tenant: TenantId,
    /// Behind the chunk that was found last.
    cursor: Option<Cursor<'a, [u8; 12], &'static [u8]>>,
    /// The first number of the chunk behind it.
    beyond: u64,
}

/// Events by their numbers.
pub struct Events<'a> {
    walk: Walk<'a>,
    /// The chunk that was found last.
    chunk: Option<EventsOfChunk<'a>>,
}

struct EventsOfChunk<'a> {
    first: u64,
    row: AccessGuard<'a, &'static [u8]>,
    /// Behind the last event that was read.
    next: rows::EventChunk,
    /// All of them, once one was asked for that lies before: more of them will be.
    read: Vec<TransactionEvent>,
}

impl<'a> Walk<'a> {
    fn new(table: &'a Chunks<12>, tenant: TenantId) -> Self {
        Self { table, tenant, cursor: None, beyond: 0 }
    }

    /// The chunk that holds a number if any does.
    fn to(&mut self, number: u64) -> Result<Option<Found<'a>>, ReadStoreError> {
        if let Some(mut cursor) = self.cursor.take_if(|_| number >= self.beyond && number - self.beyond < NEAR) {
            for _ in 0..STEPS {
                let Some((key, row)) = cursor.next()? else { break };
                let beyond = self.first_of_next(&mut cursor)?;
                if number < beyond {
                    self.beyond = beyond;
                    self.cursor = Some(cursor);
                    return Ok(Some((rows::last_number(&key.value()), row)));
                }
            }
        }
        let mut cursor = self.table.upper_bound(Bound::Included(&rows::entry_key(self.tenant, number)))?;
        let found = cursor.peek_prev()?.filter(|(key, _)| rows::tenant_of(&key.value()) == self.tenant);
        self.beyond = self.first_of_next(&mut cursor)?;
        self.cursor = Some(cursor);
        Ok(found.map(|(key, row)| (rows::last_number(&key.value()), row)))
    }

    fn first_of_next(&self, cursor: &mut Cursor<'a, [u8; 12], &'static [u8]>) -> Result<u64, ReadStoreError> {
        let next = cursor.peek_next()?.filter(|(key, _)| rows::tenant_of(&key.value()) == self.tenant);
        Ok(next.map_or(u64::MAX, |(key, _)| rows::last_number(&key.value())))
    }
}

/// The entries of these numbers, which ascend and are all there.
pub fn entries_at(view: &View, tenant: TenantId, numbers: &[u64]) -> Result<Vec<Entry>, ReadStoreError> {
    let damaged = || ReadStoreError::Damaged("entries");
    let mut walk = Walk::new(view.entries()?, tenant);
    let mut entries = Vec::with_capacity(numbers.len());
    while let Some(number) = numbers.get(entries.len()) {
        let (first, row) = walk.to(*number)?.ok_or_else(damaged)?;
        let mut chunk = rows::EntryChunk::new(&rows::entry_key(tenant, first), row.value());
        let mut next = Some(*number);
        while let Some(number) = next.filter(|number| *number < walk.beyond) {
            let (at, _) = chunk.begin().flatten().ok_or_else(damaged)?;
            if at < number {
                chunk.skip().ok_or_else(damaged)?;
            } else {
                entries.push(chunk.read().filter(|_| at == number).ok_or_else(damaged)?);
                next = numbers.get(entries.len()).copied();
            }
        }
    }
    Ok(entries)
}

impl<'a> Events<'a> {
    pub fn new(view: &'a View, tenant: TenantId) -> Result<Self, ReadStoreError> {
        Ok(Self { walk: Walk::new(view.events()?, tenant), chunk: None })
    }

    /// The event of a number, which must be there.
    pub fn at(&mut self, number: u64) -> Result<TransactionEvent, ReadStoreError> {
        let Self { walk, chunk } = self;
        let damaged = || ReadStoreError::Damaged("events");
        let chunk = match chunk {
            Some(chunk) if (chunk.first..walk.beyond).contains(&number) => chunk,
            _ => {
                let (first, row) = walk.to(number)?.ok_or_else(damaged)?;
                let next = rows::EventChunk::new(&rows::entry_key(walk.tenant, first));
                chunk.insert(EventsOfChunk { first, row, next, read: Vec::new() })
            }
        };
        chunk.at(number).ok_or_else(damaged)
    }
}

impl EventsOfChunk<'_> {
    /// `None` if it is not there, or the chunk is damaged.
    fn at(&mut self, number: u64) -> Option<TransactionEvent> {
        let row = self.row.value();
        if number < self.next.number() && self.read.is_empty() {
            let mut all = rows::EventChunk::new(&self.first.to_be_bytes());
            while let Some(event) = all.next(row)? {
                self.read.push(event);
            }
        }
        if !self.read.is_empty() {
            return self.read.get(usize::try_from(number - self.first).ok()?).cloned();
        }
        while self.next.number() < number {
            self.next.skip(row)?;
        }
        self.next.next(row)?
    }
}
