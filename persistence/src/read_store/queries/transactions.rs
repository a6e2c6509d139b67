//! Transactions, their events, and cases.
//!
//! A transaction is told as it stood behind its last event. What changes without an event, its
//! attempts and its timer, is known to the live wallet alone.

use redb::ReadOnlyTable;
use rialto_engine::ids::{AccountId, CaseId, TenantId, TransactionId};
use rialto_engine::label::Label;
use rialto_engine::transaction::{Case, Transaction, TransactionEvent};
use rialto_engine::wallet::Entry;

use super::super::rows::EventPlace;
use super::super::runs::{Direction, Scan};
use super::super::view::View;
use super::super::{ReadStore, ReadStoreError, Window, rows};
use super::chunks::{Events, entries_at};
use super::{Span, chunk_of, time_span};

impl ReadStore {
    /// A transaction by its number.
    ///
    /// # Errors
    /// `Storage` or `Damaged`, like every query.
    pub fn transaction(&self, tenant: TenantId, id: TransactionId) -> Result<Option<Transaction>, ReadStoreError> {
        let view = self.read()?;
        Standings::new(&view, tenant, (id.0, id.0), Direction::Descending)?.of(id)
    }

    /// A transaction by its business id.
    ///
    /// # Errors
    /// `Storage` or `Damaged`.
    pub fn transaction_by_id(&self, tenant: TenantId, id: &Label) -> Result<Option<Transaction>, ReadStoreError> {
        let view = self.read()?;
        let ids = view.runs(rows::TRANSACTION_IDS)?;
        let key = |number| rows::pair_key(tenant, rows::label_hash(id), number);
        let mut candidates = ids.scan(&key(0), &key(u64::MAX), Direction::Descending)?;
        while let Some(number) = candidates.next(|key, _| Some(rows::last_number(key)))? {
            let candidate = TransactionId(number);
            let standing = Standings::new(&view, tenant, (number, number), Direction::Descending)?.of(candidate)?;
            // The hash of another id may be the same.
            if let Some(transaction) = standing.filter(|transaction| transaction.id == *id) {
                return Ok(Some(transaction));
            }
        }
        Ok(None)
    }

    /// Transactions of a tenant. The window's times are those when they were opened.
    ///
    /// # Errors
    /// `Storage` or `Damaged`.
    pub fn transactions(
        &self,
        tenant: TenantId,
        window: &Window<TransactionId>,
        limit: usize,
    ) -> Result<Vec<Transaction>, ReadStoreError> {
        let view = self.read()?;
        let Some(span) = opened_within(&view, tenant, window)? else { return Ok(Vec::new()) };
        let mut standings = Standings::new(&view, tenant, (span.first, span.last), span.direction)?;
        let mut transactions = Vec::new();
        while transactions.len() < limit {
            let Some(transaction) = standings.next()? else { break };
            if window.contains(transaction.opened) {
                transactions.push(transaction);
            }
        }
        if span.direction == Direction::Descending {
            transactions.reverse();
        }
        Ok(transactions)
    }

    /// The transactions that name a user, or have moved his money. The window's times are those when
    /// they were opened.
    ///
    /// # Errors
    /// `Storage` or `Damaged`.
    pub fn account_transactions(
        &self,
        tenant: TenantId,
        account: AccountId,
        window: &Window<TransactionId>,
        limit: usize,
    ) -> Result<Vec<Transaction>, ReadStoreError> {
        let view = self.read()?;
        let Some(span) = opened_within(&view, tenant, window)? else { return Ok(Vec::new()) };
        let mut standings = Standings::new(&view, tenant, (span.first, span.last), span.direction)?;
        let owned = view.runs(rows::ACCOUNT_TRANSACTIONS)?;
        let key = |number| rows::account_transaction_key(tenant, account, TransactionId(number));
        let mut scan = owned.scan(&key(span.first), &key(span.last), span.direction)?;
        let mut transactions = Vec::new();
        while transactions.len() < limit {
            let Some(number) = scan.next(|key, _| Some(rows::last_number(key)))? else { break };
            let standing = standings.of(TransactionId(number))?;
            let transaction = standing.ok_or(ReadStoreError::Damaged("account_transactions"))?;
            if window.contains(transaction.opened) {
                transactions.push(transaction);
            }
        }
        if span.direction == Direction::Descending {
            transactions.reverse();
        }
        Ok(transactions)
    }

    /// The transactions that are not final, or those of them that are stuck, from a number on.
    ///
    /// # Errors
    /// `Storage` or `Damaged`.
    pub fn open_transactions(
        &self,
        tenant: TenantId,
        stuck_only: bool,
        from: TransactionId,
        limit: usize,
    ) -> Result<Vec<Transaction>, ReadStoreError> {
        let view = self.read()?;
        let open = view.transaction().open_table(rows::OPEN_TRANSACTIONS)?;
        let mut standings = Standings::new(&view, tenant, (from.0, u64::MAX), Direction::Ascending)?;
        let key = |number| rows::entry_key(tenant, number);
        let mut transactions = Vec::new();
        for row in open.range(key(from.0)..=key(u64::MAX))? {
            if transactions.len() >= limit {
                break;
            }
            let (key, is_stuck) = row?;
            if stuck_only && !is_stuck.value() {
                continue;
            }
            let id = TransactionId(rows::last_number(&key.value()));
            transactions.push(standings.of(id)?.ok_or(ReadStoreError::Damaged("open_transactions"))?);
        }
        Ok(transactions)
    }

    /// What happened to transactions, from an event's number on. Whoever follows the stream goes on
    /// behind the last number he has.
    ///
    /// # Errors
    /// `Storage` or `Damaged`.
    pub fn transaction_events(
        &self,
        tenant: TenantId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<TransactionEvent>, ReadStoreError> {
        let view = self.read()?;
        let table = view.events()?;
        let key = |number| rows::entry_key(tenant, number);
        let first = chunk_of(table, key, from)?;
        let mut events = Vec::new();
        for found in table.range(key(first)..=key(u64::MAX))? {
            if events.len() >= limit {
                break;
            }
            let (key, row) = found?;
            let mut chunk = rows::EventChunk::new(&key.value());
            let damaged = || ReadStoreError::Damaged("events");
            while events.len() < limit
                && let Some(event) = chunk.next(row.value()).ok_or_else(damaged)?
            {
                events.extend(Some(event).filter(|event| event.number >= from));
            }
        }
        Ok(events)
    }

    /// What happened to a transaction, from the beginning.
    ///
    /// # Errors
    /// `Storage` or `Damaged`.
    pub fn events_of_transaction(
        &self,
        tenant: TenantId,
        id: TransactionId,
    ) -> Result<Vec<TransactionEvent>, ReadStoreError> {
        let view = self.read()?;
        let mut events = Events::new(&view, tenant)?;
        places_of(&view, tenant, id)?.into_iter().map(|place| events.at(place.event)).collect()
    }

    /// The entries that a transaction has caused, by number.
    ///
    /// # Errors
    /// `Storage` or `Damaged`.
    pub fn entries_of_transaction(&self, tenant: TenantId, id: TransactionId) -> Result<Vec<Entry>, ReadStoreError> {
        let view = self.read()?;
        let mut numbers = Vec::new();
        for place in places_of(&view, tenant, id)? {
            numbers.extend(place.first..place.first + place.entries);
        }
        let beside = view.runs(rows::TRANSACTION_ENTRIES)?;
        let key = |number| rows::pair_key(tenant, id.0, number);
        let mut scan = beside.scan(&key(0), &key(u64::MAX), Direction::Ascending)?;
        while let Some(number) = scan.next(|key, _| Some(rows::last_number(key)))? {
            numbers.push(number);
        }
        numbers.sort_unstable();
        numbers.dedup();
        entries_at(&view, tenant, &numbers)
    }

    /// A case by its number.
    ///
    /// # Errors
    /// `Storage` or `Damaged`.
    pub fn case(&self, tenant: TenantId, id: CaseId) -> Result<Option<Case>, ReadStoreError> {
        let table = self.read()?.transaction().open_table(rows::CASES)?;
        case_of(&table, tenant, id.0)
    }

    /// Cases from a number on, all or the open ones.
    ///
    /// # Errors
    /// `Storage` or `Damaged`.
    pub fn cases(
        &self,
        tenant: TenantId,
        open_only: bool,
        from: CaseId,
        limit: usize,
    ) -> Result<Vec<Case>, ReadStoreError> {
        let view = self.read()?;
        let table = view.transaction().open_table(rows::CASES)?;
        let key = |number| rows::entry_key(tenant, number);
        let range = key(from.0)..=key(u64::MAX);
        let mut cases = Vec::new();
        if open_only {
            for row in view.transaction().open_table(rows::OPEN_CASES)?.range(range)?.take(limit) {
                let number = rows::last_number(&row?.0.value());
                cases.push(case_of(&table, tenant, number)?.ok_or(ReadStoreError::Damaged("open_cases"))?);
            }
        } else {
            for row in table.range(range)?.take(limit) {
                cases.push(rows::case(row?.1.value()).ok_or(ReadStoreError::Damaged("cases"))?);
            }
        }
        Ok(cases)
    }
}

/// The numbers of a window of transactions, or `None` if it is empty.
fn opened_within(
    view: &View,
    tenant: TenantId,
    window: &Window<TransactionId>,
) -> Result<Option<Span>, ReadStoreError> {
    let from_id = window.from_id.map(|id| id.0);
    let window = Window { from_id, from_time: window.from_time, to_time: window.to_time };
    time_span(view.transaction_times()?, tenant, &window)
}

fn case_of(
    table: &ReadOnlyTable<[u8; 12], &'static [u8]>,
    tenant: TenantId,
    number: u64,
) -> Result<Option<Case>, ReadStoreError> {
    let Some(row) = table.get(&rows::entry_key(tenant, number))? else { return Ok(None) };
    rows::case(row.value()).map(Some).ok_or(ReadStoreError::Damaged("cases"))
}

/// Where the events of a transaction are, and the entries that came with each.
fn places_of(view: &View, tenant: TenantId, id: TransactionId) -> Result<Vec<EventPlace>, ReadStoreError> {
    let [low, high] = [0, u32::MAX].map(|sequence| rows::transaction_event_key(tenant, id, sequence));
    let mut scan = view.runs(rows::TRANSACTION_EVENTS)?.scan(&low, &high, Direction::Ascending)?;
    let mut places = Vec::new();
    while let Some(place) = scan.next(|_, row| rows::event_place(row))? {
        places.push(place);
    }
    Ok(places)
}

/// Transactions as they stand behind their last events, in one direction: one scan for all of them, because
/// they have few rows each.
struct Standings<'a> {
    tenant: TenantId,
    direction: Direction,
    scan: Scan<'a>,
    events: Events<'a>,
}

impl<'a> Standings<'a> {
    /// Of those between two numbers, both inclusive.
    fn new(
        view: &'a View,
        tenant: TenantId,
        (first, last): (u64, u64),
        direction: Direction,
    ) -> Result<Self, ReadStoreError> {
        let low = rows::transaction_event_key(tenant, TransactionId(first), 0);
        let high = rows::transaction_event_key(tenant, TransactionId(last), u32::MAX);
        let scan = view.runs(rows::TRANSACTION_EVENTS)?.scan(&low, &high, direction)?;
        Ok(Self { tenant, direction, scan, events: Events::new(view, tenant)? })
    }

    /// That of a number, if there is one. Numbers go in the direction.
    fn of(&mut self, id: TransactionId) -> Result<Option<Transaction>, ReadStoreError> {
        let sequence = if self.direction == Direction::Ascending { 0 } else { u32::MAX };
        self.scan.leap(&rows::transaction_event_key(self.tenant, id, sequence))?;
        match self.head()? {
            Some((next, _)) if next == id => self.next(),
            _ => Ok(None),
        }
    }

    /// The next one.
    fn next(&mut self) -> Result<Option<Transaction>, ReadStoreError> {
        let Some((id, mut last)) = self.head()? else { return Ok(None) };
        match self.direction {
            Direction::Ascending => {
                while let Some((_, place)) = self.head()?.filter(|(next, _)| *next == id) {
                    last = place;
                    self.scan.next(|_, _| Some(()))?;
                }
            }
            Direction::Descending => {
                // Its events are counted from 1.
                let first = rows::transaction_event_key(self.tenant, id, 0);
                self.scan.leap(&first)?;
            }
        }
        Ok(Some(self.events.at(last.event)?.transaction))
    }

    /// The number of the transaction of the next row, and the event there.
    fn head(&mut self) -> Result<Option<(TransactionId, EventPlace)>, ReadStoreError> {
        self.scan.head(|key, row| Some((TransactionId(rows::last_number(key.get(..12)?)), rows::event_place(row)?)))
    }
}
