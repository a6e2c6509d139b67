//! The running exchange as the edge sees it.

mod supervisor;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use actix::Addr;
use crossbeam_channel::Sender;
use metrics::{Counter, counter, gauge};
use rialto_engine::ids::{MarketId, TenantId};
use rialto_engine::transaction::TransactionCommand;
use rialto_engine::units::Nanos;
use rialto_engine::wallet::Command;
use rialto_persistence::read_store::ReadStore;
use rialto_persistence::world::World;
use tokio::sync::oneshot;

pub use crate::partition::{JournalSource, Storage};
pub use crate::setup::{MarketSetup, MoneySetup, Setup, TenantSetup, UserSetup};

use crate::api::{Refused, ReplyToken, Request, Stamps, WorkerEvent};
use crate::directory::Directory;
use crate::feed::{Feed, FeedSender, feed};
use crate::market_data::{MarketData, MarketSeed, MarketSources};
use crate::metrics as own_metrics;
use crate::outlets::Outlets;
use crate::partition::{Running, Surroundings, recover};
use crate::permits::Permits;
use crate::readers::{Readers, Shed};
use crate::schedule::{self, Scheduler};
use crate::setup;
use crate::shedding::Sheddable;
use crate::wallet_actor::{Drill, Envelope, WalletActor, WalletMessage};
use supervisor::{Supervisor, Wish};

/// How the exchange runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where everything is kept.
    pub storage: Storage,
    /// This node's stable name, written into the journal with every start.
    pub node: String,
    /// How many edge workers will listen.
    pub workers: u16,
    /// How many threads carry wallets and books.
    pub engine_threads: usize,
    /// How many commands may be under way at once.
    pub permits: usize,
    /// A snapshot is written after so many records.
    pub snapshot_every: u64,
    /// Memory for pages of the read store, in bytes.
    pub read_cache: usize,
    /// How long one commit of the journal may take before the partition is given up.
    pub commit_limit: Duration,
    /// Where what is asked of rails and told to tenants goes, if anywhere.
    pub outlets: Option<Outlets>,
}

impl Options {
    /// Defaults for a machine of few cores.
    #[must_use]
    pub fn new(storage: Storage) -> Self {
        Self {
            storage,
            node: "node-1".to_owned(),
            workers: 1,
            engine_threads: 1,
            permits: 8_192,
            snapshot_every: 1_000_000,
            read_cache: 4 << 20,
            commit_limit: Duration::from_secs(30),
            outlets: None,
        }
    }
}

/// Whether the exchange takes requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is recovering.
    Recovering,
    /// It takes requests.
    Ready,
    /// It has stopped, for this reason, and needs an operator.
    Stopped(String),
}

/// Why the exchange cannot start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartError(pub String);

impl std::fmt::Display for StartError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}

/// Why a running partition stops.
#[derive(Clone, Debug)]
pub enum Failure {
    /// An actor panicked: a bug. The partition is rebuilt from its journal.
    Panicked(String),
    /// The journal failed. Nothing is tried again on the same files.
    Journal(String),
    /// A commit of the journal does not end.
    Stalled,
    /// The replayed state differs from the live one, or cannot be kept.
    Audit(String),
    /// Somebody asked for it.
    Shutdown,
}

/// The running exchange. Cheap to clone.
#[derive(Clone)]
pub struct Exchange {
    inner: Arc<Inner>,
}

struct Inner {
    directory: RwLock<Arc<Directory>>,
    gate: RwLock<Gate>,
    permits: Arc<Permits>,
    status: Mutex<Status>,
    durable: Arc<AtomicU64>,
    read_store: Option<ReadStore>,
    readers: Readers,
    market_data: MarketData,
    failures: Sender<Failure>,
    wishes: Sender<Wish>,
    supervisor: Mutex<Option<JoinHandle<()>>>,
    scheduler: Mutex<Option<schedule::Running>>,
    /// How often the partition was rebuilt.
    rebuilds: AtomicU64,
    busy: Counter,
}

/// Whether requests come in.
enum Gate {
    /// They do.
    Open(Gates),
    /// They will again in a moment.
    Paused,
    /// The partition does not run.
    Closed,
}

/// What was changed while the exchange ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reconfigured {
    /// How long requests were refused as if all were busy.
    pub pause: Duration,
}

/// Why something was not opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotOpened {
    /// It was not done, for this reason.
    Refused(StartError),
    /// The partition stopped in the midst of it. The next start tells.
    Unknown,
}

/// The way in, open while the partition runs.
struct Gates {
    /// By tenant and number.
    wallets: Vec<Vec<FeedSender<WalletMessage>>>,
    mailboxes: Vec<Vec<Addr<WalletActor>>>,
}

/// Market data that may wait to be taken in.
const MARKET_FEED: usize = 16_384;
/// What a worker may have waiting beyond the answers.
const WORKER_FEED_EXTRA: usize = 16_384;

impl Exchange {
    /// Recovers, opens what is to be open, and runs. Gives back the feeds that the edge workers
    /// must drain, one each.
    ///
    /// # Errors
    /// If the journal cannot be opened or replayed, or the setup cannot be.
    pub fn start(options: Options, setup: &Setup) -> Result<(Self, Vec<Feed<WorkerEvent>>), StartError> {
        own_metrics::install();
        let permits = Permits::new(options.permits, options.permits / 4);
        let (workers, worker_feeds): (Vec<_>, Vec<_>) =
            (0..options.workers).map(|_| feed(permits.total() + WORKER_FEED_EXTRA)).unzip();
        let read_store = options.storage.open_read_store(options.read_cache)?;
        let recovered = recover(&options.storage, read_store.clone())?;
        let mut owned = recovered.take_over(&options.node, setup)?;
        let directory = Arc::new(Directory::after(&Directory::default(), &owned.world, setup));
        let (failures, failure_queue) = crossbeam_channel::bounded(16);
        let (wishes, wish_queue) = crossbeam_channel::bounded(1);
        let durable = Arc::new(AtomicU64::new(owned.world.position));
        // One wish stands for all.
        let (lost, books_wanted) = crossbeam_channel::bounded(1);
        let sources = MarketSources {
            read_store: read_store.clone(),
            durable: Arc::clone(&durable),
            lost: lost.clone(),
            permits: Arc::clone(&permits),
        };
        let seeds = seeds(&owned.world);
        // The seeds hold it already.
        owned.forget_market();
        let (market_data, market_feed) = MarketData::start(seeds, sources, workers.clone(), MARKET_FEED);
        let surroundings = Surroundings {
            workers,
            market_data: market_feed,
            outlets: options.outlets.clone(),
            failures: failures.clone(),
            durable: Arc::clone(&durable),
            permits: permits.total(),
            engine_threads: options.engine_threads,
            snapshot_every: options.snapshot_every,
            snapshots: options.storage.snapshots(),
        };
        let readers = Readers::start();
        let readers = readers.map_err(|error| StartError(format!("the readers cannot be started: {error}")))?;
        let running = owned.run(&surroundings, &directory)?;
        let inner = Arc::new(Inner {
            directory: RwLock::new(directory),
            gate: RwLock::new(Gate::Open(Gates::of(&running))),
            permits,
            status: Mutex::new(Status::Ready),
            durable,
            read_store,
            readers,
            market_data,
            failures,
            wishes,
            supervisor: Mutex::new(None),
            scheduler: Mutex::new(None),
            rebuilds: AtomicU64::new(0),
            busy: counter!("rialto_busy_total"),
        });
        gauge!("rialto_ready").set(1.0);
        let supervisor = Supervisor {
            inner: Arc::clone(&inner),
            options,
            setup: setup.clone(),
            surroundings,
            failures: failure_queue,
            wishes: wish_queue,
            books_wanted: (lost, books_wanted),
        };
        let thread = std::thread::Builder::new().name("rialto-supervisor".to_owned());
        let thread = thread.spawn(move || supervisor.run(running));
        let thread = thread.map_err(|error| StartError(format!("the supervisor cannot be started: {error}")))?;
        *lock(&inner.supervisor) = Some(thread);
        let exchange = Self { inner };
        exchange.start_scheduler(setup)?;
        Ok((exchange, worker_feeds))
    }

    fn start_scheduler(&self, setup: &Setup) -> Result<(), StartError> {
        if let Some(scheduler) = Scheduler::of(self, setup) {
            let started = scheduler.start();
            let started = started.map_err(|error| StartError(format!("the scheduler cannot be started: {error}")))?;
            *lock(&self.inner.scheduler) = Some(started);
        }
        Ok(())
    }

    /// Brings about what is to be open from now on: new tenants, assets, markets, users and settings. What
    /// is under way comes to its end first; requests that come meanwhile are refused as if all were busy,
    /// and nobody hears of an unknown outcome. It blocks until that is done, and one comes after the other.
    ///
    /// # Errors
    /// If the setup cannot be, or what is under way does not come to its end; then nothing was changed. If
    /// the partition does not run.
    pub fn reconfigure(&self, setup: &Setup) -> Result<Reconfigured, StartError> {
        let reconfigured = self.wish(setup, false).map_err(|error| match error {
            NotOpened::Refused(error) => error,
            NotOpened::Unknown => StartError("the partition does not run".to_owned()),
        })?;
        let scheduler = lock(&self.inner.scheduler).take();
        if let Some(scheduler) = scheduler {
            scheduler.stop();
        }
        self.start_scheduler(setup)?;
        Ok(reconfigured)
    }

    /// Opens more tenants, assets and markets, and changes limits and the terms of markets, as
    /// [`Self::reconfigure`] does. Whatever is not named stays as it is, also what operators have changed since
    /// the start. Timetables are those of the start: none may be named here.
    ///
    /// # Errors
    /// Why it was not done, or that nobody knows.
    pub fn open(&self, more: &Setup) -> Result<Reconfigured, NotOpened> {
        if more.tenants.iter().flat_map(|tenant| &tenant.markets).any(|market| !market.schedule.is_empty()) {
            return Err(NotOpened::Refused(StartError("timetables are given at a start".to_owned())));
        }
        self.wish(more, true)
    }

    /// Whether [`Self::open`] can be carried out on what is open now. It pauses nobody.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, more: &Setup) -> Result<(), StartError> {
        setup::check(&self.directory(), more).map_err(StartError)
    }

    fn wish(&self, setup: &Setup, is_more: bool) -> Result<Reconfigured, NotOpened> {
        // Nobody is kept waiting for what is known not to be.
        self.check(setup).map_err(NotOpened::Refused)?;
        let (answer, waits) = crossbeam_channel::bounded(1);
        let gone = || NotOpened::Refused(StartError("the partition does not run".to_owned()));
        self.inner.wishes.send(Wish { setup: setup.clone(), is_more, answer }).map_err(|_| gone())?;
        waits.recv().map_err(|_| NotOpened::Unknown)?.map_err(NotOpened::Refused)
    }

    /// Who is who now. It stays as it is, but for the accounts: whoever wants to see tenants, assets and
    /// markets that are opened later asks again.
    #[must_use]
    pub fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.inner.directory.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Hands a request to its tenant's wallet. The answer comes to the worker that `token` names,
    /// once it is durable. `received` is the moment it came off the socket, by
    /// [`crate::clock::monotonic`].
    ///
    /// # Errors
    /// If every permit is in use, or the partition does not run.
    pub fn submit(&self, tenant: TenantId, request: Request, token: ReplyToken, received: u64) -> Result<(), Refused> {
        self.hand_over(tenant, request, Some(token), received)
    }

    /// Hands a command to its tenant's wallet whose answer nobody waits for.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub(crate) fn command(&self, tenant: TenantId, command: Command) -> Result<(), Refused> {
        self.hand_over(tenant, Request::Command { command, deadline: Nanos(u64::MAX) }, None, 0)
    }

    /// The same with what concerns a transaction: what rails say, and what those have taken who must be
    /// told of events.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub fn transact(&self, tenant: TenantId, command: TransactionCommand) -> Result<(), Refused> {
        self.hand_over(tenant, Request::Transaction { command, deadline: Nanos(u64::MAX) }, None, 0)
    }

    fn hand_over(
        &self,
        tenant: TenantId,
        request: Request,
        token: Option<ReplyToken>,
        received: u64,
    ) -> Result<(), Refused> {
        let gate = self.inner.gate.read().unwrap_or_else(PoisonError::into_inner);
        let gates = gate.gates()?;
        let wallets = gates.wallets.get(tenant.0 as usize).ok_or(Refused::UnknownTenant)?;
        let shard = request.shard(u16::try_from(wallets.len()).unwrap_or(u16::MAX));
        let wallet = wallets.get(usize::from(shard.0)).ok_or(Refused::UnknownTenant)?;
        let Some(permit) = self.inner.permits.acquire(request.priority()) else {
            self.inner.busy.increment(1);
            return Err(Refused::Busy);
        };
        let stamps = Stamps { received, ..Stamps::default() };
        let envelope = Envelope { token, permit: Some(permit), stamps };
        // Sized from the permits: full means that the actor is gone.
        wallet.try_send(WalletMessage::Request(request, envelope)).map_err(|_| Refused::Unavailable)
    }

    /// What is kept for queries; `None` where nothing is kept.
    #[must_use]
    pub fn read_store(&self) -> Option<&ReadStore> {
        self.inner.read_store.as_ref()
    }

    /// Has a question about the past answered, as of what is durable now, by threads that run when no others do.
    /// The answer does not come if the question panics.
    ///
    /// # Errors
    /// If questions are given up, because too many wait or too much else is under way.
    pub fn ask_past<Answer: Send + 'static>(
        &self,
        store: &ReadStore,
        question: impl FnOnce(&ReadStore) -> Answer + Send + 'static,
    ) -> Result<oneshot::Receiver<Answer>, Shed> {
        self.admit_past()?;
        self.inner.readers.ask(store, self.durable_position(), question)
    }

    /// Whether questions about the past are taken now.
    ///
    /// # Errors
    /// If they are given up, because too much else is under way.
    pub fn admit_past(&self) -> Result<(), Shed> {
        if self.inner.permits.sheds(Sheddable::History) { Err(self.inner.readers.refuse()) } else { Ok(()) }
    }

    /// The last durable record. A reader who waits for the read store to reach it reads his own
    /// writes.
    #[must_use]
    pub fn durable_position(&self) -> u64 {
        self.inner.durable.load(Ordering::Acquire)
    }

    /// What the public sees.
    #[must_use]
    pub fn market_data(&self) -> &MarketData {
        &self.inner.market_data
    }

    /// Whether requests are taken.
    #[must_use]
    pub fn status(&self) -> Status {
        lock(&self.inner.status).clone()
    }

    /// How often the partition was rebuilt since this process began.
    pub(crate) fn rebuilds(&self) -> u64 {
        self.inner.rebuilds.load(Ordering::Acquire)
    }

    /// Publishes what is only worth knowing when somebody looks.
    pub fn sample_metrics(&self) {
        gauge!("rialto_permits_in_use").set(own_metrics::lossy(self.inner.permits.in_use() as u64));
        self.inner.readers.sample_metrics();
        let gate = self.inner.gate.read().unwrap_or_else(PoisonError::into_inner);
        let Ok(gates) = gate.gates() else {
            return;
        };
        for (tenant, wallets) in self.directory().tenants().iter().zip(&gates.wallets) {
            let labels = [("queue", "wallet".to_owned()), ("tenant", tenant.name.clone())];
            // The fullest one is the one that matters.
            let depth = wallets.iter().map(FeedSender::depth).max().unwrap_or_default();
            gauge!("rialto_queue_depth", &labels).set(own_metrics::lossy(depth as u64));
            gauge!("rialto_queue_capacity", &labels).set(own_metrics::lossy(2 * self.inner.permits.total() as u64));
        }
    }

    /// Makes a tenant's wallet, of several the first, fail as a bug would, to practise the recovery.
    pub fn drill(&self, tenant: TenantId) {
        let gate = self.inner.gate.read().unwrap_or_else(PoisonError::into_inner);
        let wallets = gate.gates().ok().and_then(|gates| gates.mailboxes.get(tenant.0 as usize));
        if let Some(mailbox) = wallets.and_then(|wallets| wallets.first()) {
            mailbox.try_send(Drill).ok();
        }
    }

    /// Makes market data fail as a bug would, to practise the recovery. Trading goes on.
    pub fn drill_market_data(&self) {
        self.inner.market_data.drill();
    }

    /// Refuses what still comes, finishes what is under way, leaves a snapshot, and ends.
    pub fn shutdown(&self) {
        let scheduler = lock(&self.inner.scheduler).take();
        if let Some(scheduler) = scheduler {
            scheduler.stop();
        }
        self.inner.failures.send(Failure::Shutdown).ok();
        let supervisor = lock(&self.inner.supervisor).take();
        if let Some(supervisor) = supervisor {
            supervisor.join().ok();
        }
    }
}

impl Gate {
    fn gates(&self) -> Result<&Gates, Refused> {
        match self {
            Self::Open(gates) => Ok(gates),
            Self::Paused => Err(Refused::Busy),
            Self::Closed => Err(Refused::Unavailable),
        }
    }
}

impl Inner {
    fn set_gate(&self, gate: Gate) {
        *self.gate.write().unwrap_or_else(PoisonError::into_inner) = gate;
    }

    /// Makes the directory of a recovered partition the one of now.
    fn renew_directory(&self, world: &World, setup: &Setup) -> Arc<Directory> {
        let mut directory = self.directory.write().unwrap_or_else(PoisonError::into_inner);
        *directory = Arc::new(Directory::after(&directory, world, setup));
        Arc::clone(&directory)
    }
}

impl Gates {
    fn of(running: &Running) -> Self {
        Self { wallets: running.wallets.clone(), mailboxes: running.mailboxes.clone() }
    }
}

/// What market data starts from.
fn seeds(world: &World) -> Vec<MarketSeed> {
    let mut seeds = Vec::new();
    for (tenant, number) in world.tenants.iter().zip((0..).map(TenantId)) {
        let books = tenant.markets.iter().zip((0..).map(MarketId));
        seeds.extend(books.map(|(market, id)| MarketSeed::of(number, id, &market.book)));
    }
    seeds
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
