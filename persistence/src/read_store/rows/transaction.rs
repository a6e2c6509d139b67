//! Transactions: their events, and where they are found.

use rialto_engine::ids::{AccountId, TenantId, TransactionId};
use rialto_engine::label::Label;
use rialto_engine::transaction::{Case, TransactionEvent};
use rialto_engine::units::Nanos;

use super::{Row, last_number, put_number, unzigzag};
use crate::codec::{decode_case, decode_event, encode_case, encode_event, event_length};

/// A key of [`super::TRANSACTION_EVENTS`].
pub fn transaction_event_key(tenant: TenantId, transaction: TransactionId, sequence: u32) -> [u8; 16] {
    let mut key = [0; 16];
    key[..4].copy_from_slice(&tenant.0.to_be_bytes());
    key[4..12].copy_from_slice(&transaction.0.to_be_bytes());
    key[12..].copy_from_slice(&sequence.to_be_bytes());
    key
}

/// Where an event is, and the entries that came with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventPlace {
    /// Its number.
    pub event: u64,
    /// The number of the first of the entries.
    pub first: u64,
    /// How many there are.
    pub entries: u64,
}

/// What is told of an event by its transaction.
pub fn put_event_place(out: &mut Vec<u8>, place: &EventPlace) {
    put_number(out, place.event);
    if place.entries > 0 {
        put_number(out, place.entries);
        put_number(out, place.first);
    }
}

/// The same from the row.
pub fn event_place(row: &[u8]) -> Option<EventPlace> {
    let mut row = Row(row);
    let event = row.number()?;
    let entries = if row.0.is_empty() { 0 } else { row.number()? };
    let first = if entries == 0 { 0 } else { row.number()? };
    row.end(EventPlace { event, first, entries })
}

/// A key of [`super::TRANSACTION_ENTRIES`] or [`super::TRANSACTION_IDS`]: two numbers.
pub fn pair_key(tenant: TenantId, first: u64, second: u64) -> [u8; 20] {
    let mut key = [0; 20];
    key[..4].copy_from_slice(&tenant.0.to_be_bytes());
    key[4..12].copy_from_slice(&first.to_be_bytes());
    key[12..].copy_from_slice(&second.to_be_bytes());
    key
}

/// A fingerprint of a business id. It spreads, it does not prove: a hit is compared with the
/// transaction.
pub fn label_hash(label: &Label) -> u64 {
    label.fingerprint() as u64
}

/// A key of [`super::ACCOUNT_TRANSACTIONS`].
pub fn account_transaction_key(tenant: TenantId, account: AccountId, transaction: TransactionId) -> [u8; 16] {
    super::account_entry_key(tenant, account, transaction.0)
}

/// An event without its number and time, which the chunk around it tells.
pub fn put_event(out: &mut Vec<u8>, event: &TransactionEvent) {
    encode_event(event, out);
}

/// The events of a chunk, one by one. It remembers how far it was read, not the chunk.
pub struct EventChunk {
    read: usize,
    number: u64,
    time: Nanos,
}

impl EventChunk {
    /// Before the first one of the chunk of this key.
    pub fn new(key: &[u8]) -> Self {
        Self { read: 0, number: last_number(key), time: Nanos::ZERO }
    }

    /// The number of the next event, if there is one.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The next event, from the row of the chunk; `None` at the end. The outer `None`, as below, says that the
    /// chunk is damaged.
    pub fn next(&mut self, row: &[u8]) -> Option<Option<TransactionEvent>> {
        let Some((time, rest)) = self.begin(row)? else { return Some(None) };
        let (event, length) = decode_event(self.number, time, rest).ok()?;
        self.pass(row.len() - rest.len() + length, time);
        Some(Some(event))
    }

    /// Passes over the next event. `None` at the end.
    pub fn skip(&mut self, row: &[u8]) -> Option<()> {
        let (time, rest) = self.begin(row)??;
        let length = event_length(rest).ok()?;
        self.pass(row.len() - rest.len() + length, time);
        Some(())
    }

    /// The time of the next event, and the bytes that begin with it.
    fn begin<'a>(&self, row: &'a [u8]) -> Option<Option<(Nanos, &'a [u8])>> {
        let mut rest = Row(row.get(self.read..)?);
        if rest.0.is_empty() {
            return Some(None);
        }
        let time = Nanos(self.time.0.wrapping_add(unzigzag(rest.number()?)));
        Some(Some((time, rest.0)))
    }

    fn pass(&mut self, read: usize, time: Nanos) {
        (self.read, self.number, self.time) = (read, self.number + 1, time);
    }
}

/// A case.
pub fn put_case(out: &mut Vec<u8>, case: &Case) {
    encode_case(case, out);
}

/// A case from its row.
pub fn case(row: &[u8]) -> Option<Case> {
    decode_case(row).ok()
}
