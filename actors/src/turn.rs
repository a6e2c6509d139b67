//! What one turn of an actor hands to the journal: records, and what they let out once durable.

use std::sync::Arc;

use rialto_engine::ids::TenantId;
use rialto_engine::transaction::{RailCall, TransactionEvent};
use rialto_persistence::codec::encode_record;
use rialto_persistence::record::Record;

use crate::api::Release;
use crate::directory::Accounts;
use crate::market_data::MarketNews;

/// The most messages an actor takes in one turn, so that its neighbours get theirs.
pub const TURN_MESSAGES: usize = 256;

/// One turn of an actor, on its way to the journal.
#[derive(Debug, Default)]
pub struct Turn {
    /// Each record's length as a little-endian `u32`, then its bytes.
    records: Vec<u8>,
    /// What users may be told.
    pub releases: Vec<Arc<Release>>,
    /// What the public may be told.
    pub market: Vec<MarketNews>,
    /// What may be asked of rails.
    pub calls: Vec<(TenantId, RailCall)>,
    /// What those may be told who must be told of events.
    pub notices: Vec<(TenantId, TransactionEvent)>,
    /// Accounts that others may see.
    pub accounts: Option<(Arc<Accounts>, usize)>,
}

/// How much a turn takes; the next one is likely to take as much.
#[derive(Clone, Copy, Debug, Default)]
pub struct Room {
    records: usize,
    releases: usize,
    market: usize,
}

impl Turn {
    /// A turn without records: its outputs are durable already.
    #[must_use]
    pub fn released(releases: Vec<Arc<Release>>, market: Vec<MarketNews>) -> Self {
        Self { releases, market, ..Self::default() }
    }

    /// An empty turn with room for as much as one before it took.
    #[must_use]
    pub fn with_room(room: Room) -> Self {
        Self {
            records: Vec::with_capacity(room.records),
            releases: Vec::with_capacity(room.releases),
            market: Vec::with_capacity(room.market),
            ..Self::default()
        }
    }

    /// What the turn takes.
    #[must_use]
    pub fn room(&self) -> Room {
        Room { records: self.records.len(), releases: self.releases.len(), market: self.market.len() }
    }

    /// Adds a record.
    pub fn record(&mut self, record: &Record) {
        let start = self.records.len();
        self.records.extend_from_slice(&[0; 4]);
        encode_record(record, &mut self.records);
        // A record is far below 4 GiB; the journal refuses one above a frame.
        let length = u32::try_from(self.records.len() - start - 4).unwrap_or(u32::MAX);
        self.records[start..start + 4].copy_from_slice(&length.to_le_bytes());
    }

    /// The records' bytes, in order.
    pub fn records(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.records.as_slice();
        std::iter::from_fn(move || {
            let (length, tail) = rest.split_first_chunk::<4>()?;
            let (record, tail) = tail.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            rest = tail;
            Some(record)
        })
    }

    /// Whether it is going to be journaled.
    #[must_use]
    pub const fn has_records(&self) -> bool {
        !self.records.is_empty()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
            && self.releases.is_empty()
            && self.market.is_empty()
            && self.calls.is_empty()
            && self.notices.is_empty()
    }
}
