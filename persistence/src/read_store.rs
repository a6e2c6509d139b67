//! The read store: what queries of the past are answered from.
//!
//! A follower replays the durable journal and writes what came of it: orders, trades,
//! candlesticks, entries, transactions, their events, and cases. Each commit carries the journal position it reaches, so that the
//! tables and the position agree at every moment, also after a crash: the store then stands at
//! its last durable commit, and the follower goes on from there. Nothing here is a source of
//! truth. The file can be deleted, and a replay of the journal fills it again.
//!
//! One thread writes; any thread reads, each query from one consistent state. There is no
//! retention: rows stay until the file goes.

mod batch;
mod queries;
mod rows;
mod runs;
mod view;

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redb::{Database, Durability, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableHandle};
use rialto_engine::ids::{AccountId, AssetId, OrderId, RailId, TradeId};
use rialto_engine::units::{Amount, Nanos, Notional, Price, Quantity};
use rialto_engine::wallet::LedgerAccount;

use self::batch::Growing;
pub use self::batch::{Batch, HEADS_APART};
pub use self::queries::{AccountKind, DayTotal};
use self::runs::Kept;
use self::view::View;

/// The cache a store gets unless its configuration says otherwise.
pub const CACHE_BYTES_DEFAULT: usize = 16 << 20;
/// How many bytes of unpacked blocks queries keep beside the cache.
const KEPT_BYTES: usize = 8 << 20;

/// A handle on the read store. Clones share it; the last one closes it.
#[derive(Clone)]
pub struct ReadStore {
    shared: Arc<Shared>,
}

struct Shared {
    /// The state of the last commit, once a query has asked for it. It goes before the database does.
    view: Mutex<Option<Arc<View>>>,
    kept: Arc<Kept>,
    database: Database,
    /// What the writer keeps between commits; locked while one runs.
    growing: Mutex<Growing>,
    position: Mutex<u64>,
    moved: Condvar,
    durable_position: AtomicU64,
}

/// One side of a trade, as its owner sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountTrade {
    /// Counted per market. A trade of an account with itself comes twice, the maker's side first.
    pub id: TradeId,
    /// The owner's order.
    pub order: OrderId,
    /// The price.
    pub price: Price,
    /// The quantity.
    pub quantity: Quantity,
    /// What the owner paid for it, in `fee_asset`.
    pub fee: Amount,
    /// The asset the owner received.
    pub fee_asset: AssetId,
    /// When.
    pub time: Nanos,
    /// Whether the owner bought.
    pub is_buyer: bool,
    /// Whether the owner's order rested.
    pub is_maker: bool,
}

impl AccountTrade {
    /// The exact notional in tick-lots.
    #[must_use]
    pub const fn notional(&self) -> Notional {
        self.price.times(self.quantity)
    }
}

/// A trade, as everybody sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarketTrade {
    /// Counted per market.
    pub id: TradeId,
    /// Counted per market: neighbouring trades of one taker at one price share it.
    pub aggregate: u64,
    /// The price.
    pub price: Price,
    /// The quantity.
    pub quantity: Quantity,
    /// When.
    pub time: Nanos,
    /// Whether the incoming order sold.
    pub is_buyer_maker: bool,
}

/// Neighbouring trades of one taker at one price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AggregateTrade {
    /// Counted per market.
    pub id: u64,
    /// The price of all.
    pub price: Price,
    /// The sum of their quantities: of one order, so that it fits.
    pub quantity: Quantity,
    /// The first of them.
    pub first: TradeId,
    /// The last of them.
    pub last: TradeId,
    /// When.
    pub time: Nanos,
    /// Whether the incoming order sold.
    pub is_buyer_maker: bool,
}

/// Which part of a history is asked for. All bounds are inclusive and hold together.
///
/// With a lower bound, the answer begins there and goes up to the limit. Without one, it is the
/// latest before `to_time`. It ascends in both cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window<Id> {
    /// From this number on.
    pub from_id: Option<Id>,
    /// From this time on.
    pub from_time: Option<Nanos>,
    /// Up to this time.
    pub to_time: Option<Nanos>,
}

impl<Id> Default for Window<Id> {
    fn default() -> Self {
        Self { from_id: None, from_time: None, to_time: None }
    }
}

/// Whose ledger accounts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// A user: what is available, held, outgoing and incoming.
    User(AccountId),
    /// A rail: its external account.
    Rail(RailId),
    /// The tenant's own accounts.
    House,
}

impl Owner {
    /// Whose an account is.
    #[must_use]
    pub const fn of(account: LedgerAccount) -> Self {
        match account {
            LedgerAccount::Available(user)
            | LedgerAccount::Held(user)
            | LedgerAccount::Outgoing(user)
            | LedgerAccount::Incoming(user) => Self::User(user),
            LedgerAccount::External(rail) => Self::Rail(rail),
            LedgerAccount::House(_) => Self::House,
        }
    }
}

/// How large a table is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSize {
    /// Its name.
    pub table: String,
    /// How many rows it has. Entries come many to a row.
    pub rows: u64,
    /// Keys and rows.
    pub stored_bytes: u64,
    /// What finding them takes.
    pub metadata_bytes: u64,
    /// Free space within its pages.
    pub unused_bytes: u64,
}

/// Why the read store could not do what it was asked.
#[derive(Debug)]
pub enum ReadStoreError {
    /// The file could not be read or written, or another process has it open.
    Storage(Box<redb::Error>),
    /// A row of this table cannot be read. Delete the file: a replay of the journal fills a new one.
    Damaged(&'static str),
    /// The file was written in this other format. Delete it: a replay of the journal fills a new one.
    Format(u64),
    /// A commit would move the position backwards.
    Backwards {
        /// Where the store is.
        position: u64,
        /// Where it was told to go.
        target: u64,
    },
}

impl fmt::Display for ReadStoreError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Storage(error) => write!(formatter, "the read store's file failed: {error}"),
            Self::Damaged(table) => write!(formatter, "a row of the read store's table {table} is damaged"),
            Self::Format(other) => write!(formatter, "the read store's file has the unknown format {other}"),
            Self::Backwards { position, target } => {
                write!(formatter, "the read store is at position {position} and cannot go back to {target}")
            }
        }
    }
}

impl std::error::Error for ReadStoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Storage(error) => Some(error.as_ref()),
            Self::Damaged(_) | Self::Format(_) | Self::Backwards { .. } => None,
        }
    }
}

macro_rules! from_storage_error {
    ($($error:ty),*) => {$(
        impl From<$error> for ReadStoreError {
            fn from(error: $error) -> Self {
                Self::Storage(Box::new(error.into()))
            }
        }
    )*};
}

from_storage_error!(
    redb::CommitError,
    redb::CursorError,
    redb::DatabaseError,
    redb::SetDurabilityError,
    redb::StorageError,
    redb::TableError,
    redb::TransactionError
);

impl ReadStore {
    /// Opens the store in the file `path`, or makes an empty one at position 0.
    ///
    /// After a crash it stands at its last durable commit. A store of an older format is made anew,
    /// and empty.
    ///
    /// # Errors
    /// `Storage` if the file cannot be opened or is open elsewhere, `Format` if this version does not
    /// know its format.
    pub fn open(path: &Path, cache_bytes: usize) -> Result<Self, ReadStoreError> {
        let mut database = Database::builder().set_cache_size(cache_bytes).create(path)?;
        if let Some(format @ 1..rows::FORMAT_NUMBER) = format_of(&database)? {
            // Its entries lack their balances, so that it is filled anew from the journal.
            tracing::info!(format, "the read store has an older format and is made anew");
            drop(database);
            std::fs::remove_file(path).map_err(redb::StorageError::Io)?;
            database = Database::builder().set_cache_size(cache_bytes).create(path)?;
        }
        let mut transaction = database.begin_write()?;
        transaction.set_quick_repair(true);
        // Readers rely on every table being there.
        for table in rows::RUN_TABLES {
            table.create(&transaction)?;
        }
        for numbers in [rows::ORDER_TIMES, rows::ENTRY_TIMES, rows::TRANSACTION_TIMES] {
            transaction.open_table(numbers)?;
        }
        for chunks in [rows::ENTRIES, rows::EVENTS, rows::CASES] {
            transaction.open_table(chunks)?;
        }
        transaction.open_table(rows::TRADES)?;
        transaction.open_table(rows::KLINES)?;
        transaction.open_table(rows::OPEN_TRANSACTIONS)?;
        transaction.open_table(rows::OPEN_CASES)?;
        transaction.open_table(rows::HEADS)?;
        let position = {
            let mut meta = transaction.open_table(rows::META)?;
            let found = meta.get(rows::FORMAT)?.map(|format| format.value());
            match found {
                None => drop(meta.insert(rows::FORMAT, rows::FORMAT_NUMBER)?),
                Some(rows::FORMAT_NUMBER) => {}
                Some(other) => return Err(ReadStoreError::Format(other)),
            }
            meta.get(rows::POSITION)?.map_or(0, |position| position.value())
        };
        transaction.commit()?;
        Ok(Self::of(database, position))
    }

    /// Opens the store in the file `path` as it is, for those who only look into it.
    ///
    /// # Errors
    /// `Storage` if there is no such file, or it cannot be opened or is open elsewhere; `Format` if
    /// it has another format than this version writes.
    pub fn open_existing(path: &Path, cache_bytes: usize) -> Result<Self, ReadStoreError> {
        let database = Database::builder().set_cache_size(cache_bytes).open(path)?;
        match format_of(&database)? {
            Some(rows::FORMAT_NUMBER) => {}
            other => return Err(ReadStoreError::Format(other.unwrap_or_default())),
        }
        let position = database.begin_read()?.open_table(rows::META)?.get(rows::POSITION)?;
        let position = position.map_or(0, |position| position.value());
        Ok(Self::of(database, position))
    }

    fn of(database: Database, position: u64) -> Self {
        let shared = Shared {
            view: Mutex::default(),
            kept: Arc::new(Kept::new(rows::RUN_TABLES.len(), KEPT_BYTES)),
            database,
            growing: Mutex::default(),
            position: Mutex::new(position),
            moved: Condvar::new(),
            durable_position: AtomicU64::new(position),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The journal position of the last commit: what queries see.
    #[must_use]
    pub fn position(&self) -> u64 {
        *lock(&self.shared.position)
    }

    /// The journal position of the last durable commit: where a crash leaves the store.
    #[must_use]
    pub fn durable_position(&self) -> u64 {
        self.shared.durable_position.load(Ordering::Acquire)
    }

    /// Waits until queries see what the journal held up to `position`, and tells whether that was
    /// so before `timeout`. It blocks the thread.
    #[must_use]
    pub fn wait_for(&self, position: u64, timeout: Duration) -> bool {
        let reached = self.shared.moved.wait_timeout_while(lock(&self.shared.position), timeout, |at| *at < position);
        let (at, _) = reached.unwrap_or_else(PoisonError::into_inner);
        *at >= position
    }

    /// An empty batch.
    #[must_use]
    pub fn begin(&self) -> Batch {
        Batch::default()
    }

    /// Writes a batch together with the journal position it reaches, and empties it. Queries see
    /// it at once. A crash takes back what came after the last `durable` commit, which costs a
    /// sync.
    ///
    /// # Errors
    /// `Backwards` if `position` lies before the last one, `Storage` if the file cannot be
    /// written. Nothing is written then, and the batch keeps its rows.
    pub fn commit(&self, batch: &mut Batch, position: u64, durable: bool) -> Result<(), ReadStoreError> {
        let mut kept = lock(&self.shared.growing);
        let at = self.position();
        if position < at {
            return Err(ReadStoreError::Backwards { position: at, target: position });
        }
        // If this commit fails, what was kept is ahead of the tables: it is gone, and the next
        // commit loads it anew.
        let mut growing = std::mem::take(&mut *kept);
        let mut transaction = self.shared.database.begin_write()?;
        if durable {
            // A crash then costs no scan of the whole file at the next start.
            transaction.set_quick_repair(true);
        } else {
            transaction.set_durability(Durability::None)?;
        }
        batch.write(&transaction, &mut growing)?;
        transaction.open_table(rows::META)?.insert(rows::POSITION, position)?;
        transaction.commit()?;
        *kept = growing;
        batch.clear();
        if durable {
            self.shared.durable_position.store(position, Ordering::Release);
        }
        // Before the position: whoever has waited for it sees this commit.
        *lock(&self.shared.view) = None;
        *lock(&self.shared.position) = position;
        self.shared.moved.notify_all();
        Ok(())
    }

    /// How large each table is: rows, and bytes of content, of keys and pointers, and unused.
    ///
    /// It walks every page.
    ///
    /// # Errors
    /// `Storage` if the file cannot be read.
    pub fn sizes(&self) -> Result<Vec<TableSize>, ReadStoreError> {
        let transaction = self.shared.database.begin_read()?;
        let mut sizes = Vec::new();
        for handle in transaction.list_tables()? {
            let table = transaction.open_untyped_table(handle.clone())?;
            let stats = table.stats()?;
            sizes.push(TableSize {
                table: handle.name().to_owned(),
                rows: table.len()?,
                stored_bytes: stats.stored_bytes(),
                metadata_bytes: stats.metadata_bytes(),
                unused_bytes: stats.fragmented_bytes(),
            });
        }
        Ok(sizes)
    }

    /// The state of the last commit.
    fn read(&self) -> Result<Arc<View>, ReadStoreError> {
        let mut view = lock(&self.shared.view);
        if let Some(view) = &*view {
            return Ok(Arc::clone(view));
        }
        let transaction = self.shared.database.begin_read()?;
        Ok(Arc::clone(view.insert(Arc::new(View::new(transaction, Arc::clone(&self.shared.kept))))))
    }
}

/// The format of a database, if it says one.
fn format_of(database: &Database) -> Result<Option<u64>, ReadStoreError> {
    match database.begin_read()?.open_table(rows::META) {
        Ok(meta) => Ok(meta.get(rows::FORMAT)?.map(|format| format.value())),
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl fmt::Debug for ReadStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ReadStore").field("position", &self.position()).finish_non_exhaustive()
    }
}

/// What the locks guard is whole at every moment, so that a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
