//! Transactions, their events, and cases.
//!
//! A transaction is told as it stood behind its last event. What changes without an event, its
//! attempts and its timer, is known to the live wallet alone.

use redb::{ReadOnlyTable, ReadTransaction};
use rialto_engine::ids::{AccountId, CaseId, TenantId, TransactionId};
use rialto_engine::label::Label;
use rialto_engine::transaction::{Case, Transaction, TransactionEvent};
use rialto_engine::wallet::Entry;

use super::super::rows::EventPlace;
use super::super::runs::{Direction, Runs};
use super::super::{ReadStore, ReadStoreError, Window, rows};
use super::ledger::entries_at;
use super::{chunk_of, time_span};

impl ReadStore {
    /// A transaction by its number.
    ///
    /// # Errors
    /// `Storage` or `Damaged`, like every query.
    pub fn transaction(&self, tenant: TenantId, id: TransactionId) -> Result<Option<Transaction>, ReadStoreError> {
        let found = Found::read(&self.read()?, tenant)?.events_of(id, Direction::Descending, 1)?;
        Ok(found.into_iter().next().map(|event| event.transaction))
    }

    /// A transaction by its business id.
    ///
    /// # Errors
    /// `Storage` or `Damaged`.
    pub fn transaction_by_id(&self, tenant: TenantId, id: &Label) -> Result<Option<Transaction>, ReadStoreError> {
        let transaction = self.read()?;
        let found = Found::read(&transaction, tenant)?;
        let ids = rows::TRANSACTION_IDS.read(&transaction)?;
        let key = |number| rows::pair_key(tenant, rows::label_hash(id), number);
        let mut candidates = ids.scan(&key(0), &key(u64::MAX), Direction::Descending)?;
        while let Some(number) = candidates.next(|key, _| Some(rows::last_number(key)))? {
            let last = found.events_of(TransactionId(number), Direction::Descending, 1)?.into_iter().next();
            // The hash of another id may be the same.
            if let Some(event) = last.filter(|event| event.transaction.id == *id) {
                return Ok(Some(event.transaction));
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
        let transaction = self.read()?;
        let window_of_numbers = numbered(window);
        let Some(span) = time_span(&transaction, rows::TRANSACTION_TIMES, tenant, &window_of_numbers)? else {
            return Ok(Vec::new());
        };
        let found = Found::read(&transaction, tenant)?;
        let (mut transactions, mut next) = (Vec::new(), Some(span));
        // From one to the next: they have as many rows as events.
        while let Some(span) = next.filter(|_| transactions.len() < limit) {
            let Some(number) = found.nearest(span.first, span.last, span.direction)? else { break };
            let last = found.events_of(TransactionId(number), Direction::Descending, 1)?.into_iter().next();
            let last = last.ok_or(ReadStoreError::Damaged("transaction_events"))?;
            if window.contains(last.transaction.opened) {
                transactions.push(last.transaction);
            }
            next = span.beyond(number);
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
        let transaction = self.read()?;
        let window_of_numbers = numbered(window);
        let Some(span) = time_span(&transaction, rows::TRANSACTION_TIMES, tenant, &window_of_numbers)? else {
            return Ok(Vec::new());
        };
        let found = Found::read(&transaction, tenant)?;
        let owned = rows::ACCOUNT_TRANSACTIONS.read(&transaction)?;
        let key = |number| rows::account_transaction_key(tenant, account, TransactionId(number));
        let mut scan = owned.scan(&key(span.first), &key(span.last), span.direction)?;
        let mut transactions = Vec::new();
        while transactions.len() < limit {
            let Some(number) = scan.next(|key, _| Some(rows::last_number(key)))? else { break };
            let last = found.events_of(TransactionId(number), Direction::Descending, 1)?.into_iter().next();
            let last = last.ok_or(ReadStoreError::Damaged("account_transactions"))?;
            if window.contains(last.transaction.opened) {
                transactions.push(last.transaction);
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
        let transaction = self.read()?;
        let open = transaction.open_table(rows::OPEN_TRANSACTIONS)?;
        let found = Found::read(&transaction, tenant)?;
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
            let last = found.events_of(id, Direction::Descending, 1)?.into_iter().next();
            transactions.push(last.ok_or(ReadStoreError::Damaged("open_transactions"))?.transaction);
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
        let table = self.read()?.open_table(rows::EVENTS)?;
        let key = |number| rows::entry_key(tenant, number);
        let first = chunk_of(&table, key, from)?;
        let mut chunks = table.range(key(first)..=key(u64::MAX))?;
        let mut events = Vec::new();
        while events.len() < limit {
            let Some(chunk) = chunks.next() else { break };
            let (key, row) = chunk?;
            let chunk = events_of_chunk(&key.value(), row.value())?;
            events.extend(chunk.into_iter().filter(|event| event.number >= from));
        }
        events.truncate(limit);
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
        Found::read(&self.read()?, tenant)?.events_of(id, Direction::Ascending, usize::MAX)
    }

    /// The entries that a transaction has caused, by number.
    ///
    /// # Errors
    /// `Storage` or `Damaged`.
    pub fn entries_of_transaction(&self, tenant: TenantId, id: TransactionId) -> Result<Vec<Entry>, ReadStoreError> {
        let transaction = self.read()?;
        let mut numbers = Vec::new();
        for place in Found::read(&transaction, tenant)?.places(id, Direction::Ascending, usize::MAX)? {
            numbers.extend(place.first..place.first + place.entries);
        }
        let beside = rows::TRANSACTION_ENTRIES.read(&transaction)?;
        let key = |number| rows::pair_key(tenant, id.0, number);
        let mut scan = beside.scan(&key(0), &key(u64::MAX), Direction::Ascending)?;
        while let Some(number) = scan.next(|key, _| Some(rows::last_number(key)))? {
            numbers.push(number);
        }
        numbers.sort_unstable();
        numbers.dedup();
        entries_at(&transaction, tenant, &numbers)
    }

    /// A case by its number.
    ///
    /// # Errors
    /// `Storage` or `Damaged`.
    pub fn case(&self, tenant: TenantId, id: CaseId) -> Result<Option<Case>, ReadStoreError> {
        let table = self.read()?.open_table(rows::CASES)?;
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
        let transaction = self.read()?;
        let table = transaction.open_table(rows::CASES)?;
        let key = |number| rows::entry_key(tenant, number);
        let range = key(from.0)..=key(u64::MAX);
        let mut cases = Vec::new();
        if open_only {
            for row in transaction.open_table(rows::OPEN_CASES)?.range(range)?.take(limit) {
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

fn numbered(window: &Window<TransactionId>) -> Window<u64> {
    Window { from_id: window.from_id.map(|id| id.0), from_time: window.from_time, to_time: window.to_time }
}

fn case_of(
    table: &ReadOnlyTable<[u8; 12], &'static [u8]>,
    tenant: TenantId,
    number: u64,
) -> Result<Option<Case>, ReadStoreError> {
    let Some(row) = table.get(&rows::entry_key(tenant, number))? else { return Ok(None) };
    rows::case(row.value()).map(Some).ok_or(ReadStoreError::Damaged("cases"))
}

fn events_of_chunk(key: &[u8], row: &[u8]) -> Result<Vec<TransactionEvent>, ReadStoreError> {
    rows::events(key, row).ok_or(ReadStoreError::Damaged("events"))
}

/// The events of a tenant's transactions, and where they are.
struct Found {
    tenant: TenantId,
    places: Runs,
    events: ReadOnlyTable<[u8; 12], &'static [u8]>,
}

impl Found {
    fn read(transaction: &ReadTransaction, tenant: TenantId) -> Result<Self, ReadStoreError> {
        let (places, events) = (rows::TRANSACTION_EVENTS.read(transaction)?, transaction.open_table(rows::EVENTS)?);
        Ok(Self { tenant, places, events })
    }

    /// The transaction nearest to the end of the span at which a scan begins.
    fn nearest(&self, first: u64, last: u64, direction: Direction) -> Result<Option<u64>, ReadStoreError> {
        let low = rows::transaction_event_key(self.tenant, TransactionId(first), 0);
        let high = rows::transaction_event_key(self.tenant, TransactionId(last), u32::MAX);
        self.places.scan(&low, &high, direction)?.next(|key, _| Some(rows::last_number(key.get(..12)?)))
    }

    /// Where events of a transaction are, and the entries that came with each.
    fn places(&self, id: TransactionId, direction: Direction, limit: usize) -> Result<Vec<EventPlace>, ReadStoreError> {
        let [low, high] = [0, u32::MAX].map(|sequence| rows::transaction_event_key(self.tenant, id, sequence));
        let mut scan = self.places.scan(&low, &high, direction)?;
        let mut places = Vec::new();
        while places.len() < limit {
            let Some(place) = scan.next(|_, row| rows::event_place(row))? else { break };
            places.push(place);
        }
        Ok(places)
    }

    fn events_of(
        &self,
        id: TransactionId,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<TransactionEvent>, ReadStoreError> {
        let mut events = Vec::new();
        for EventPlace { event: number, .. } in self.places(id, direction, limit)? {
            let first = chunk_of(&self.events, |number| rows::entry_key(self.tenant, number), number)?;
            let key = rows::entry_key(self.tenant, first);
            let row = self.events.get(&key)?.ok_or(ReadStoreError::Damaged("events"))?;
            let event = events_of_chunk(&key, row.value())?.into_iter().find(|event| event.number == number);
            events.push(event.ok_or(ReadStoreError::Damaged("events"))?);
        }
        Ok(events)
    }
}
