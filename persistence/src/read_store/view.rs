//! One state of the store, as queries see it.
//!
//! All queries between two commits share it, and the tables that one of them has opened: opening
//! costs more than many a question.

use std::sync::{Arc, OnceLock};

use redb::{ReadOnlyTable, ReadTransaction, TableDefinition};

use super::runs::{Kept, RunTable, Runs};
use super::{ReadStoreError, rows};

/// A table of numbers by time.
pub type Times = ReadOnlyTable<[u8; 12], u64>;
/// A table of what is packed by number.
pub type Chunks<const LENGTH: usize> = ReadOnlyTable<[u8; LENGTH], &'static [u8]>;

/// The tables of one state.
pub struct View {
    transaction: ReadTransaction,
    kept: Arc<Kept>,
    runs: [OnceLock<Runs>; rows::RUN_TABLES.len()],
    entries: OnceLock<Chunks<12>>,
    events: OnceLock<Chunks<12>>,
    trades: OnceLock<Chunks<14>>,
    order_times: OnceLock<Times>,
    entry_times: OnceLock<Times>,
    transaction_times: OnceLock<Times>,
}

impl View {
    pub fn new(transaction: ReadTransaction, kept: Arc<Kept>) -> Self {
        Self {
            transaction,
            kept,
            runs: [const { OnceLock::new() }; _],
            entries: OnceLock::new(),
            events: OnceLock::new(),
            trades: OnceLock::new(),
            order_times: OnceLock::new(),
            entry_times: OnceLock::new(),
            transaction_times: OnceLock::new(),
        }
    }

    /// The transaction that holds the state, for what few ask for.
    pub fn transaction(&self) -> &ReadTransaction {
        &self.transaction
    }

    pub fn runs(&self, table: RunTable) -> Result<&Runs, ReadStoreError> {
        opened(&self.runs[table.index], || table.read(&self.transaction, &self.kept))
    }

    pub fn entries(&self) -> Result<&Chunks<12>, ReadStoreError> {
        opened(&self.entries, || Ok(self.transaction.open_table(rows::ENTRIES)?))
    }

    pub fn events(&self) -> Result<&Chunks<12>, ReadStoreError> {
        opened(&self.events, || Ok(self.transaction.open_table(rows::EVENTS)?))
    }

    pub fn trades(&self) -> Result<&Chunks<14>, ReadStoreError> {
        opened(&self.trades, || Ok(self.transaction.open_table(rows::TRADES)?))
    }

    pub fn order_times(&self) -> Result<&Times, ReadStoreError> {
        self.times(&self.order_times, rows::ORDER_TIMES)
    }

    pub fn entry_times(&self) -> Result<&Times, ReadStoreError> {
        self.times(&self.entry_times, rows::ENTRY_TIMES)
    }

    pub fn transaction_times(&self) -> Result<&Times, ReadStoreError> {
        self.times(&self.transaction_times, rows::TRANSACTION_TIMES)
    }

    fn times<'a>(
        &self,
        slot: &'a OnceLock<Times>,
        table: TableDefinition<'static, [u8; 12], u64>,
    ) -> Result<&'a Times, ReadStoreError> {
        opened(slot, || Ok(self.transaction.open_table(table)?))
    }
}

fn opened<T>(slot: &OnceLock<T>, open: impl FnOnce() -> Result<T, ReadStoreError>) -> Result<&T, ReadStoreError> {
    if let Some(table) = slot.get() {
        return Ok(table);
    }
    // Two threads may open it; one of the two serves both.
    let table = open()?;
    Ok(slot.get_or_init(|| table))
}
