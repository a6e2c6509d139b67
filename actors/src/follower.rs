//! The follower: replays the durable journal on a state of its own, beside the live actors.
//!
//! It is the auditor and the feeder of the read store in one, because both need the same replay.
//! Every receipt in the journal carries the live actor's digest, so the comparison of live and
//! replayed state is made at every step; a difference stops the partition.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use rialto_engine::ids::{MarketId, TenantId};
use rialto_engine::transaction::TransactionCommand;
use rialto_engine::update::{ListView, OrderUpdate};
use rialto_engine::wallet::{Entry, Settled, WalletOutput};
use rialto_persistence::journal::JournalReader;
use rialto_persistence::read_store::{Batch, ReadStore};
use rialto_persistence::replay::advance;
use rialto_persistence::snapshot;
use rialto_persistence::world::{Matched, Observer, Scratch, World};

use crate::exchange::Failure;
use crate::metrics::audit::AuditMetrics;
use crate::{metrics, priority};

/// The read store commits at least after this many rows.
const BATCH_ROWS: usize = 50_000;
/// How much of the journal is read at once.
const READ_BYTES: usize = 1 << 20;
/// How often the read store is made durable, so that a restart has little to do again.
const DURABLE_EVERY: Duration = Duration::from_secs(5);

/// Follows the journal of a partition.
pub struct Follower {
    /// The state at the end of recovery.
    pub world: World,
    /// Where the journal is read.
    pub reader: Box<dyn JournalReader>,
    /// What is fed, if there is one.
    pub read_store: Option<ReadStore>,
    /// Where snapshots go, if anywhere.
    pub snapshots: Option<PathBuf>,
    /// A snapshot is written after so many records.
    pub snapshot_every: u64,
    /// The writer has made something durable.
    pub news: Receiver<()>,
    /// Set when the partition stops.
    pub stop: Arc<StopSign>,
    /// How far it has come, for everyone.
    pub position: Arc<AtomicU64>,
    /// Where a failure is told.
    pub failures: Sender<Failure>,
}

/// How a follower ends: not before it has come to the end of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// With a snapshot, for the next start.
    WithSnapshot = 1,
    /// At once, because the partition goes on with its state.
    ToGoOn = 2,
}

/// Tells a follower to end.
#[derive(Debug, Default)]
pub struct StopSign(AtomicU8);

impl StopSign {
    /// Tells it.
    pub fn set(&self, stop: Stop) {
        self.0.store(stop as u8, Ordering::Release);
    }

    fn read(&self) -> Option<Stop> {
        let told = self.0.load(Ordering::Acquire);
        [Stop::WithSnapshot, Stop::ToGoOn].into_iter().find(|stop| *stop as u8 == told)
    }
}

/// Hands what the replay sees to the read store, beyond what it has already.
pub struct Rows<'a> {
    /// Where the rows are collected; `None` where nobody reads.
    pub batch: Option<&'a mut Batch>,
    /// The read store holds everything up to here.
    pub have: u64,
    /// The record being applied.
    pub position: u64,
    /// Where a batch that has grown large is committed on the way, if anywhere.
    pub store: Option<&'a ReadStore>,
}

impl Follower {
    /// Runs until told to stop; then it catches up, leaves a snapshot if it is to, and gives its state.
    /// `None` if it failed.
    pub fn run(mut self) -> Option<World> {
        // It may lag; the actors and the journal may not.
        priority::yield_to_others();
        if let Err(reason) = self.follow() {
            tracing::error!(%reason, "the auditor stops the partition");
            self.failures.try_send(Failure::Audit(reason)).ok();
            return None;
        }
        Some(self.world)
    }

    fn follow(&mut self) -> Result<(), String> {
        let mut scratch = Scratch::default();
        let mut batch = self.read_store.as_ref().map(ReadStore::begin);
        let mut audit = AuditMetrics::default();
        let mut last_durable = Instant::now();
        let mut last_snapshot = self.world.position;
        loop {
            let stop = self.stop.read();
            let have = self.read_store.as_ref().map_or(0, ReadStore::position);
            let mut rows = Rows { batch: batch.as_mut(), have, position: 0, store: None };
            let more = advance(&mut self.world, self.reader.as_mut(), READ_BYTES, &mut scratch, &mut rows)
                .map_err(|failure| failure.to_string())?;
            if let (Some(store), Some(batch)) = (&self.read_store, &mut batch) {
                let due = last_durable.elapsed() >= DURABLE_EVERY;
                let behind = store.position() < self.world.position;
                if behind && (!more || batch.len() >= BATCH_ROWS) {
                    store.commit(batch, self.world.position, due).map_err(|error| error.to_string())?;
                    if due {
                        last_durable = Instant::now();
                    }
                }
            }
            self.position.store(self.world.position, Ordering::Release);
            audit.sample(&self.world);
            metrics::followed(self.read_store.as_ref().map_or(self.world.position, ReadStore::position));
            let records = self.world.position - last_snapshot;
            if records >= self.snapshot_every || (stop == Some(Stop::WithSnapshot) && !more && records > 0) {
                self.write_snapshot(&mut batch)?;
                last_snapshot = self.world.position;
            }
            if !more {
                if stop.is_some() {
                    return Ok(());
                }
                // The timeout lets a stop be seen that came without news.
                self.news.recv_timeout(Duration::from_millis(100)).ok();
            }
        }
    }

    /// The read store is made durable first: recovery replays from the snapshot, and must meet a
    /// read store that lacks nothing from before it.
    fn write_snapshot(&mut self, batch: &mut Option<Batch>) -> Result<(), String> {
        if let (Some(store), Some(batch)) = (&self.read_store, batch) {
            store.commit(batch, self.world.position, true).map_err(|error| error.to_string())?;
        }
        let Some(directory) = &self.snapshots else {
            return Ok(());
        };
        let bytes = snapshot::write(directory, &self.world).map_err(|error| error.to_string())?;
        tracing::info!(position = self.world.position, bytes, "wrote a snapshot");
        metrics::snapshot_written();
        Ok(())
    }
}

impl Observer for Rows<'_> {
    fn begins(&mut self, position: u64) {
        if let (Some(store), Some(batch)) = (self.store, self.batch.as_mut())
            && batch.len() >= BATCH_ROWS
            && let Err(error) = store.commit(batch, self.position, false)
        {
            // The next commit of the same batch will fail too, and is looked at.
            tracing::error!(%error, "the read store does not take rows");
        }
        self.position = position;
    }

    fn matched(&mut self, tenant: TenantId, market: MarketId, matched: &Matched<'_>) {
        let have = self.have;
        if let Some(batch) = self.batch.as_mut().filter(|_| self.position > have) {
            for fill in matched.fills {
                batch.fill(tenant, market, matched.time, fill);
            }
        }
    }

    fn listed(&mut self, tenant: TenantId, list: &ListView) {
        let have = self.have;
        if let Some(batch) = self.batch.as_mut().filter(|_| self.position > have) {
            batch.list(tenant, list);
        }
    }

    fn transacted(&mut self, tenant: TenantId, _: &TransactionCommand, output: &WalletOutput) {
        let have = self.have;
        if let Some(batch) = self.batch.as_mut().filter(|_| self.position > have) {
            batch.transacted(tenant, output);
        }
    }

    fn posted(&mut self, tenant: TenantId, updates: &[OrderUpdate], entries: &[Entry], _: Option<&Settled>) {
        let have = self.have;
        if let Some(batch) = self.batch.as_mut().filter(|_| self.position > have) {
            updates.iter().for_each(|update| batch.update(tenant, update));
            entries.iter().for_each(|entry| batch.entry(tenant, entry));
        }
    }
}
