//! The proof that no entry was changed, dropped or moved behind the journal's back.
//!
//! The journal is replayed, and every entry that comes of it is compared with the one that the read
//! store holds under its number. The chain is computed twice on the way, of the stored entries and of
//! the replayed ones, and compared with the heads that were stored when the entries were.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use rialto_engine::ids::TenantId;
use rialto_engine::update::OrderUpdate;
use rialto_engine::wallet::{Entry, Settled};

use crate::chain::Chain;
use crate::frame::Position;
use crate::journal::{Journal, JournalError};
use crate::read_store::{ReadStore, ReadStoreError};
use crate::replay::{ReplayFailure, advance};
use crate::snapshot;
use crate::world::{Observer, Scratch, World};

/// How many entries are read from the store at once.
const PAGE: usize = 8_192;
/// So many flaws of a tenant are told one by one; the others are counted.
const TOLD: usize = 100;

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Verification {
    /// The journal's last record.
    pub position: u64,
    /// How far the read store has come. What is behind it is not compared.
    pub stored_position: u64,
    /// The tenants by number.
    pub tenants: Vec<TenantVerification>,
    /// What is wrong beside single entries, in words.
    pub findings: Vec<String>,
}

/// What was found of a tenant.
#[derive(Clone, Debug, Default)]
pub struct TenantVerification {
    /// Its name.
    pub name: String,
    /// How many stored entries are as the journal has them.
    pub same: u64,
    /// How many stored entries stand before the oldest state from which the journal can be replayed:
    /// only their chain proves them.
    pub before: u64,
    /// The chain over the stored entries.
    pub stored: Chain,
    /// The chain over the replayed entries.
    pub replayed: Chain,
    /// How many stored heads are those of the stored entries.
    pub heads: u64,
    /// The first flaws, by number.
    pub flaws: Vec<Flaw>,
    /// How many there are.
    pub flawed: u64,
}

/// An entry that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// Its number.
    pub number: u64,
    /// What is wrong with it.
    pub what: FlawKind,
}

/// What is wrong with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlawKind {
    /// The store has another one in its place.
    Changed,
    /// The store has in its place the one of this other number.
    Moved {
        /// Whose place it should be in.
        from: u64,
    },
    /// The store lacks it.
    Missing,
    /// The journal knows nothing of it.
    Unknown,
    /// The head behind it is not that of the entries before it.
    Head,
}

impl Verification {
    /// Whether all is well.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        let tenant = |tenant: &TenantVerification| tenant.flawed == 0 && tenant.stored == tenant.replayed;
        self.findings.is_empty() && self.tenants.iter().all(tenant)
    }
}

/// Why nothing could be proven.
#[derive(Debug)]
pub enum VerifyFailure {
    /// The journal could not be read or replayed.
    Replay(ReplayFailure),
    /// The read store could not be read.
    Store(ReadStoreError),
}

impl std::fmt::Display for VerifyFailure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Replay(failure) => failure.fmt(formatter),
            Self::Store(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for VerifyFailure {}

/// Compares a read store with the journal that it was filled from. If the journal was trimmed, the
/// replay begins with the oldest of these snapshots.
///
/// # Errors
/// If the journal cannot be read or replayed, or the store cannot be read: then nothing is proven.
pub fn verify(store: &ReadStore, journal: &dyn Journal, snapshots: &Path) -> Result<Verification, VerifyFailure> {
    let replay = VerifyFailure::Replay;
    let io = |error| replay(ReplayFailure::Journal(JournalError::Io(error)));
    let mut world = World::default();
    if journal.stats().first > Position(1)
        && let Some(oldest) = snapshot::list(snapshots).map_err(io)?.last()
    {
        let oldest = snapshot::read(oldest).map_err(io)?;
        world = World::restore(oldest).map_err(|error| replay(ReplayFailure::State(error)))?;
    }
    let mut witness = Witness { store, position: 0, until: store.position(), sides: BTreeMap::new(), failure: None };
    for (tenant, number) in world.tenants.iter().zip(0..) {
        witness.sides.insert(TenantId(number), Side::begin(store, TenantId(number), tenant.entries())?);
    }
    let (mut scratch, mut reader) = (Scratch::default(), journal.reader());
    while advance(&mut world, reader.as_mut(), 1 << 20, &mut scratch, &mut witness).map_err(replay)? {
        if let Some(error) = witness.failure.take() {
            return Err(VerifyFailure::Store(error));
        }
    }
    let mut found = Verification { position: world.position, stored_position: store.position(), ..Default::default() };
    if found.stored_position > found.position {
        let what = format!("the read store is at {}, the journal ends at {}", found.stored_position, found.position);
        found.findings.push(what);
    }
    for (tenant, number) in world.tenants.iter().zip(0..) {
        let id = TenantId(number);
        let side = match witness.sides.remove(&id) {
            Some(side) => side,
            None => Side::begin(store, id, 0)?,
        };
        found.tenants.push(TenantVerification { name: tenant.name.clone(), ..side.end(store)? });
    }
    Ok(found)
}

/// Takes the replayed entries and holds them against the stored ones.
struct Witness<'a> {
    store: &'a ReadStore,
    /// The record being applied.
    position: u64,
    /// The store holds nothing of later records.
    until: u64,
    sides: BTreeMap<TenantId, Side>,
    failure: Option<ReadStoreError>,
}

impl Observer for Witness<'_> {
    fn begins(&mut self, position: u64) {
        self.position = position;
    }

    fn posted(&mut self, tenant: TenantId, _: &[OrderUpdate], entries: &[Entry], _: Option<&Settled>) {
        if self.position > self.until || self.failure.is_some() {
            return;
        }
        if let Err(VerifyFailure::Store(error)) = self.compare(tenant, entries) {
            self.failure = Some(error);
        }
    }
}

impl Witness<'_> {
    fn compare(&mut self, tenant: TenantId, entries: &[Entry]) -> Result<(), VerifyFailure> {
        let side = match self.sides.entry(tenant) {
            std::collections::btree_map::Entry::Occupied(side) => side.into_mut(),
            std::collections::btree_map::Entry::Vacant(vacant) => vacant.insert(Side::begin(self.store, tenant, 0)?),
        };
        entries.iter().try_for_each(|entry| side.compare(self.store, entry))
    }
}

/// A tenant's stored entries on one side, the replayed ones on the other.
struct Side {
    tenant: TenantId,
    /// Stored, and not compared yet.
    page: VecDeque<Entry>,
    /// Where the next page begins.
    next: u64,
    /// The stored heads that were not reached yet.
    heads: VecDeque<Chain>,
    /// Replayed entries that the store does not have in their places.
    expected: Vec<Entry>,
    /// What the store has there.
    instead: Vec<Entry>,
    found: TenantVerification,
}

impl Side {
    /// Where a replay begins that has posted so many entries before.
    fn begin(store: &ReadStore, tenant: TenantId, entries: u64) -> Result<Self, VerifyFailure> {
        let heads = store.heads(tenant).map_err(VerifyFailure::Store)?.into();
        let (page, next, found) = (VecDeque::new(), 0, TenantVerification::default());
        let mut side = Self { tenant, page, next, heads, expected: Vec::new(), instead: Vec::new(), found };
        while side.peek(store)?.is_some_and(|number| number <= entries) {
            side.found.before += 1;
            side.take();
        }
        // What is before is taken as given by both.
        side.found.replayed = side.found.stored;
        Ok(side)
    }

    /// The number of the next stored entry.
    fn peek(&mut self, store: &ReadStore) -> Result<Option<u64>, VerifyFailure> {
        if self.page.is_empty() {
            self.page = store.entries(self.tenant, None, Some(self.next), PAGE).map_err(VerifyFailure::Store)?.into();
            self.next = self.page.back().map_or(self.next, |last| last.number + 1);
        }
        Ok(self.page.front().map(|entry| entry.number))
    }

    /// Takes the next stored entry into the chain and looks at the head behind it, if one was stored.
    fn take(&mut self) -> Option<Entry> {
        let entry = self.page.pop_front()?;
        self.found.stored.add(&entry);
        while let Some(head) = self.heads.front().copied().filter(|head| head.number <= entry.number) {
            self.heads.pop_front();
            if head == self.found.stored {
                self.found.heads += 1;
            } else {
                self.flaw(head.number, FlawKind::Head);
            }
        }
        Some(entry)
    }

    fn flaw(&mut self, number: u64, what: FlawKind) {
        self.found.flawed += 1;
        if self.found.flaws.len() < TOLD {
            self.found.flaws.push(Flaw { number, what });
        }
    }

    fn compare(&mut self, store: &ReadStore, entry: &Entry) -> Result<(), VerifyFailure> {
        self.found.replayed.add(entry);
        while self.peek(store)?.is_some_and(|number| number < entry.number) {
            if let Some(unknown) = self.take() {
                self.flaw(unknown.number, FlawKind::Unknown);
            }
        }
        if self.peek(store)? != Some(entry.number) {
            self.flaw(entry.number, FlawKind::Missing);
            return Ok(());
        }
        match self.take() {
            Some(stored) if stored == *entry => self.found.same += 1,
            Some(stored) => {
                self.flaw(entry.number, FlawKind::Changed);
                if self.expected.len() < TOLD {
                    self.expected.push(*entry);
                    self.instead.push(stored);
                }
            }
            None => {}
        }
        Ok(())
    }

    /// What is left in the store is in no record. Of what was changed, some was only moved.
    fn end(mut self, store: &ReadStore) -> Result<TenantVerification, VerifyFailure> {
        while self.peek(store)?.is_some() {
            if let Some(unknown) = self.take() {
                self.flaw(unknown.number, FlawKind::Unknown);
            }
        }
        while let Some(head) = self.heads.pop_front() {
            self.flaw(head.number, FlawKind::Head);
        }
        for stored in &self.instead {
            let same = |other: &&Entry| Entry { number: other.number, ..*stored } == **other;
            let from = self.expected.iter().find(same).map(|other| other.number);
            let told = self.found.flaws.iter_mut().find(|flaw| flaw.number == stored.number);
            if let (Some(from), Some(told)) = (from, told) {
                told.what = FlawKind::Moved { from };
            }
        }
        Ok(self.found)
    }
}
