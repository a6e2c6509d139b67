//! A partition's life: recover it from its journal, take it apart into actors, run it, stop it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use actix::{Actor, Addr};
use crossbeam_channel::Sender;
use rialto_engine::ids::{MarketId, TenantId};
use rialto_engine::transaction::TransactionCommand;
use rialto_engine::update::{ListView, OrderUpdate};
use rialto_engine::wallet::{Entry, Settled, WalletOutput};
use rialto_persistence::codec::encode_record;
use rialto_persistence::frame::{Epoch, Group, Position};
use rialto_persistence::journal::memory::MemoryLog;
use rialto_persistence::journal::sled::{SledJournal, SledOptions};
use rialto_persistence::journal::{Journal, JournalError};
use rialto_persistence::read_store::ReadStore;
use rialto_persistence::record::Record;
use rialto_persistence::replay::replay;
use rialto_persistence::snapshot;
use rialto_persistence::world::{Matched, Observer, Scratch, World};
use tokio::sync::oneshot;

use crate::api::{Release, Stamps, WorkerEvent};
use crate::book_actor::{BookActor, ShowBook};
use crate::clock;
use crate::commit_watch::CommitWatch;
use crate::directory::Directory;
use crate::exchange::{Failure, StartError};
use crate::feed::{FeedSender, sparse_feed};
use crate::follower::{Follower, Rows, Stop, StopSign};
use crate::market_data::{MarketNews, MarketRelease};
use crate::metrics;
use crate::outlets::{OutletSenders, Outlets};
use crate::setup::{Setup, Steps, apply};
use crate::wallet_actor::{WalletActor, WalletMessage, panic_text};
use crate::writer::Writer;

/// Where a partition keeps what it must not lose.
#[derive(Clone, Debug)]
pub enum Storage {
    /// A directory: a sled journal, snapshots, and the read store.
    Directory {
        /// Which.
        path: PathBuf,
        /// How the journal is kept.
        journal: SledOptions,
    },
    /// A log in memory, for tests and benches. Nothing else is kept.
    Memory(MemoryLog),
    /// A journal of one's own. Nothing else is kept.
    Journal(JournalSource),
}

/// Opens the same log each time, as often as the partition is recovered.
#[derive(Clone)]
pub struct JournalSource(pub Arc<dyn Fn() -> Result<Box<dyn Journal>, JournalError> + Send + Sync>);

impl std::fmt::Debug for JournalSource {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("JournalSource")
    }
}

/// A partition at the durable end of its journal, not yet owned.
pub struct Recovered {
    /// Its state.
    pub world: World,
    journal: Box<dyn Journal>,
    read_store: Option<ReadStore>,
    began: Instant,
}

/// A partition that this process owns, with nothing under way.
pub struct Owned {
    /// Its state.
    pub world: World,
    journal: Box<dyn Journal>,
    epoch: Epoch,
    read_store: Option<ReadStore>,
    /// What the deliveries that a crash had left over let out.
    releases: Vec<Arc<Release>>,
    market: Vec<MarketNews>,
}

/// What a running partition needs of its surroundings.
pub struct Surroundings {
    /// Edge workers.
    pub workers: Vec<FeedSender<WorkerEvent>>,
    /// Market data.
    pub market_data: FeedSender<MarketNews>,
    /// Where calls and notices go, if anywhere.
    pub outlets: Option<Outlets>,
    /// Where failures are told.
    pub failures: Sender<Failure>,
    /// The durable position.
    pub durable: Arc<AtomicU64>,
    /// How many commands may be under way.
    pub permits: usize,
    /// How many threads carry wallets and books.
    pub engine_threads: usize,
    /// A snapshot is written after so many records.
    pub snapshot_every: u64,
    /// Where snapshots go, if anywhere.
    pub snapshots: Option<PathBuf>,
}

/// A running partition.
pub struct Running {
    /// The feeds of the wallets, by tenant and number.
    pub wallets: Vec<Vec<FeedSender<WalletMessage>>>,
    /// The mailboxes of the wallets, by tenant and number: control only.
    pub mailboxes: Vec<Vec<Addr<WalletActor>>>,
    books: Vec<Addr<BookActor>>,
    commits: Arc<CommitWatch>,
    engines: Vec<(oneshot::Sender<()>, JoinHandle<()>)>,
    writer: JoinHandle<Option<Box<dyn Journal>>>,
    follower: JoinHandle<Option<World>>,
    stop_follower: Arc<StopSign>,
    followed: Arc<AtomicU64>,
    turns: Sender<crate::turn::Turn>,
}

impl Storage {
    /// Where the snapshots go.
    #[must_use]
    pub fn snapshots(&self) -> Option<PathBuf> {
        match self {
            Self::Directory { path, .. } => Some(snapshots_in(path)),
            Self::Memory(_) | Self::Journal(_) => None,
        }
    }

    /// The read store, made if it is not there.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn open_read_store(&self, cache_bytes: usize) -> Result<Option<ReadStore>, StartError> {
        match self {
            Self::Directory { path, .. } => {
                std::fs::create_dir_all(path).map_err(|error| StartError(format!("{}: {error}", path.display())))?;
                let store = ReadStore::open(&path.join("read_store.redb"), cache_bytes)
                    .map_err(|error| StartError(format!("the read store cannot be opened: {error}")))?;
                Ok(Some(store))
            }
            Self::Memory(_) | Self::Journal(_) => Ok(None),
        }
    }

    fn open_journal(&self) -> Result<Box<dyn Journal>, JournalError> {
        match self {
            Self::Directory { path, journal } => Ok(Box::new(SledJournal::open(path, *journal)?)),
            Self::Memory(log) => Ok(Box::new(log.open())),
            Self::Journal(JournalSource(open)) => open(),
        }
    }
}

/// The snapshots of a data directory.
#[must_use]
pub fn snapshots_in(data: &Path) -> PathBuf {
    data.join("snapshots")
}

/// Loads the newest snapshot and replays the journal behind it. The read store is brought up to
/// the same position.
///
/// # Errors
/// If the journal cannot be opened, read or replayed.
pub fn recover(storage: &Storage, read_store: Option<ReadStore>) -> Result<Recovered, StartError> {
    let began = Instant::now();
    let journal = storage.open_journal().map_err(|error| StartError(error.to_string()))?;
    let first = journal.stats().first;
    let have = read_store.as_ref().map_or(u64::MAX, ReadStore::position);
    let newest = match storage.snapshots() {
        Some(directory) => snapshot::newest(&directory)
            .map_err(|error| StartError(format!("the snapshots cannot be read: {error}")))?,
        None => None,
    };
    // A read store that was lost or is older than the snapshot is made again from the beginning.
    let newest = newest.filter(|snapshot| snapshot.position <= have || first > Position(1));
    let mut world = match newest {
        Some(snapshot) => World::restore(snapshot).map_err(|error| StartError(error.to_string()))?,
        None => World::default(),
    };
    let restored = world.position;
    let mut batch = read_store.as_ref().map(ReadStore::begin);
    let have = read_store.as_ref().map_or(0, ReadStore::position);
    let mut reader = journal.reader();
    let mut rows = Rows { batch: batch.as_mut(), have, position: 0, store: read_store.as_ref() };
    replay(&mut world, reader.as_mut(), &mut rows).map_err(|failure| StartError(failure.to_string()))?;
    if let (Some(store), Some(batch)) = (&read_store, &mut batch)
        && store.position() < world.position
    {
        store.commit(batch, world.position, true).map_err(|error| StartError(error.to_string()))?;
    }
    tracing::info!(
        snapshot = restored,
        replayed = world.position - restored,
        position = world.position,
        millis = began.elapsed().as_millis(),
        "recovered"
    );
    Ok(Recovered { world, journal, read_store, began })
}

impl Recovered {
    /// Takes the journal over, applies what the operator wants to be open, and delivers what a
    /// crash had left under way. All of that is durable when this returns.
    ///
    /// # Errors
    /// If the journal has another owner or fails, or the setup cannot be.
    pub fn take_over(mut self, node: &str, setup: &Setup) -> Result<Owned, StartError> {
        let failed = |error: JournalError| StartError(error.to_string());
        let (epoch, fence) = self.journal.acquire(node).map_err(failed)?;
        self.world.pass(fence.0).map_err(|error| StartError(error.to_string()))?;
        let mut group = Group::new(epoch, fence);
        let mut scratch = Scratch::default();
        let mut batch = self.read_store.as_ref().map(ReadStore::begin);
        let mut observer = Leftovers {
            rows: Rows { batch: batch.as_mut(), have: 0, position: 0, store: None },
            releases: Vec::new(),
            market: Vec::new(),
        };
        // What a crash left over comes first: a change of fees must not reach back.
        while let Some(record) = self.world.deliver(&mut scratch, &mut observer) {
            push(&mut group, &record, self.journal.as_mut())?;
        }
        let mut steps = Steps::to(setup);
        while let Some(record) = steps.next(&self.world, clock::now()).map_err(StartError)? {
            let record = apply(&mut self.world, record, &mut scratch, &mut observer)
                .map_err(|error| StartError(error.to_string()))?;
            push(&mut group, &record, self.journal.as_mut())?;
            while let Some(record) = self.world.deliver(&mut scratch, &mut observer) {
                push(&mut group, &record, self.journal.as_mut())?;
            }
        }
        let Leftovers { releases, market, .. } = observer;
        self.journal.append(&mut group).map_err(failed)?;
        if let (Some(store), Some(batch)) = (&self.read_store, &mut batch) {
            store.commit(batch, self.world.position, true).map_err(|error| StartError(error.to_string()))?;
        }
        metrics::recovered(self.began);
        metrics::durable(self.world.position);
        Ok(Owned { world: self.world, journal: self.journal, epoch, read_store: self.read_store, releases, market })
    }
}

fn push(group: &mut Group, record: &Record, journal: &mut dyn Journal) -> Result<(), StartError> {
    let failed = |error: JournalError| StartError(error.to_string());
    if group.len_bytes() > 1 << 20 {
        journal.append(group).map_err(failed)?;
        let (epoch, last) = (group.epoch(), group.last());
        group.begin(epoch, last);
    }
    group.push_with(256, |bytes| encode_record(record, bytes)).map_err(|error| failed(error.into()))?;
    Ok(())
}

impl Owned {
    /// Drops the market data that the leftover deliveries gave: for market data that is about to
    /// be made from the state behind them.
    pub fn forget_market(&mut self) {
        self.market.clear();
    }

    /// Gives the pieces of the state to actors and starts them.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn run(self, surroundings: &Surroundings, directory: &Directory) -> Result<Running, StartError> {
        let end = Position(self.world.position);
        let handles = metrics::handles(directory);
        surroundings.durable.store(end.0, Ordering::Release);
        // Every command under way is in at most three turns that are not yet released: its
        // wallet's, its book's, and its wallet's again. Beside these, every book may show itself.
        let books: usize = self.world.tenants.iter().map(|tenant| tenant.markets.len()).sum();
        let (turns, turn_queue) = crossbeam_channel::bounded(3 * surroundings.permits + books + 16);
        let (news, news_queue) = crossbeam_channel::bounded(1);
        let stop_follower = Arc::new(StopSign::default());
        let followed = Arc::new(AtomicU64::new(end.0));
        let commits = Arc::new(CommitWatch::default());
        let follower = Follower {
            world: self.world.clone(),
            reader: self.journal.reader(),
            read_store: self.read_store,
            snapshots: surroundings.snapshots.clone(),
            snapshot_every: surroundings.snapshot_every,
            news: news_queue,
            stop: Arc::clone(&stop_follower),
            position: Arc::clone(&followed),
            failures: surroundings.failures.clone(),
        };
        let writer = Writer {
            journal: self.journal,
            epoch: self.epoch,
            end,
            turns: turn_queue,
            durable: Arc::clone(&surroundings.durable),
            followers: vec![news],
            workers: surroundings.workers.clone(),
            market_data: surroundings.market_data.clone(),
            outlets: OutletSenders::new(surroundings.outlets.clone()),
            commits: Arc::clone(&commits),
            failures: surroundings.failures.clone(),
        };
        // What was left over is durable already and is told first.
        let leftovers = crate::turn::Turn::released(self.releases, self.market);
        turns.send(leftovers).ok();

        let gates = surroundings.outlets.as_ref().map(|outlets| outlets.calls.gates().clone()).unwrap_or_default();
        let engines = surroundings.engine_threads.max(1);
        let mut crews: Vec<Crew> = (0..engines).map(|_| Crew::default()).collect();
        let mut wallets = Vec::new();
        for ((tenant, entry), handles) in self.world.tenants.into_iter().zip(directory.tenants()).zip(handles) {
            let id = entry.id;
            // A wallet's feed holds requests and answers: one of either per permit. Of several wallets, each
            // holds copies of answers and what the others say, too: a command has a share of its permit under
            // way for each, and two more messages at most to and from each.
            let shards = usize::from(tenant.shards());
            let room = if shards == 1 { 2 } else { 4 * (shards + 1) } * surroundings.permits;
            let (feeds, queues): (Vec<_>, Vec<_>) = (0..shards).map(|_| sparse_feed(room)).unzip();
            let mut books = Vec::new();
            for ((market, number), metrics) in tenant.markets.into_iter().zip(0..).zip(handles.markets) {
                // One message beyond the permits says that time has passed.
                let (book_feed, book_queue) = sparse_feed(surroundings.permits + 1);
                let market_id = MarketId(number);
                let home = (id.0 as usize + usize::from(number)) % engines;
                crews[home].books.push(BookActor::new(
                    id,
                    market_id,
                    market.book,
                    book_queue,
                    feeds.clone(),
                    turns.clone(),
                    surroundings.failures.clone(),
                    metrics,
                ));
                books.push(book_feed);
            }
            let others = tenant.others.into_iter().map(|other| other.wallet);
            let all = std::iter::once(tenant.wallet).chain(others).zip(queues).zip(0..);
            for ((wallet, queue), number) in all {
                crews[(id.0 as usize + number) % engines].wallets.push((
                    (wallets.len(), number),
                    WalletActor::new(
                        id,
                        wallet,
                        queue,
                        books.clone(),
                        if shards > 1 { feeds.clone() } else { Vec::new() },
                        turns.clone(),
                        surroundings.failures.clone(),
                        (handles.tenant.clone(), handles.money.clone()),
                        Arc::clone(&entry.accounts),
                        gates.clone(),
                    ),
                ));
            }
            wallets.push(feeds);
        }
        let told = surroundings.failures.clone();
        let writer = spawn("rialto-journal", move || or_fail(|| writer.run(), &told, Failure::Journal))?;
        let told = surroundings.failures.clone();
        let follower = spawn("rialto-auditor", move || or_fail(|| follower.run(), &told, Failure::Audit))?;
        let (started, starts) = crossbeam_channel::bounded(engines);
        let mut threads = Vec::new();
        for (number, crew) in crews.into_iter().enumerate() {
            let (stop, stopped) = oneshot::channel();
            let started = started.clone();
            let thread = spawn(&format!("rialto-engine-{number}"), move || crew.run(started, stopped))?;
            threads.push((stop, thread));
        }
        drop(started);
        let (mut started, mut books) = (Vec::new(), Vec::new());
        for crew in starts {
            started.extend(crew.wallets);
            books.extend(crew.books);
        }
        started.sort_unstable_by_key(|(place, _)| *place);
        let mut mailboxes = vec![Vec::new(); wallets.len()];
        for ((tenant, _), mailbox) in started {
            mailboxes[tenant].push(mailbox);
        }
        Ok(Running {
            wallets,
            mailboxes,
            books,
            commits,
            engines: threads,
            writer,
            follower,
            stop_follower,
            followed,
            turns,
        })
    }
}

/// A commit that took too long was given up. Its thread runs on, and may hold the journal.
#[derive(Debug)]
pub struct Stalled;

impl Running {
    /// Makes every book show itself to market data, each in the order of what it does.
    pub fn show_books(&self) {
        for book in &self.books {
            // A book that is gone is stopping with its partition; one that was asked often enough
            // already has other things to do.
            book.try_send(ShowBook).ok();
        }
    }

    /// How far the follower has come.
    #[must_use]
    pub fn followed(&self) -> u64 {
        self.followed.load(Ordering::Acquire)
    }

    /// Gives the commit under way up if it has taken longer than this, and tells whether one is
    /// given up.
    #[must_use]
    pub fn is_stalled(&self, limit: Duration) -> bool {
        self.commits.give_up_after(limit)
    }

    /// Stops the actors, lets the writer finish what they had decided, then the follower.
    ///
    /// # Errors
    /// If the writer hangs in a commit. All threads have been told to end, and are not waited for.
    pub fn stop(self, limit: Duration) -> Result<(), Stalled> {
        self.end(limit, Stop::WithSnapshot).map(|_| ())
    }

    /// The same to go on in a moment: with what the follower knows and the writer holds, nothing has to be read.
    ///
    /// # Errors
    /// As [`Self::stop`].
    pub fn pause(self, limit: Duration) -> Result<Paused, Stalled> {
        self.end(limit, Stop::ToGoOn)
    }

    fn end(self, limit: Duration, how: Stop) -> Result<Paused, Stalled> {
        let Self { engines, turns, writer, stop_follower, follower, commits, .. } = self;
        let began = Instant::now();
        let is_hopeless = || commits.give_up_after(limit);
        let mut ended = true;
        for (stop, thread) in engines {
            stop.send(()).ok();
            ended = ended && join(thread, is_hopeless).is_some();
        }
        drop(turns);
        let journal = if ended { join(writer, is_hopeless) } else { None };
        stop_follower.set(how);
        let journal = journal.ok_or(Stalled)?.flatten();
        // What a panic said was told by the thread itself.
        let world = follower.join().ok().flatten();
        Ok(Paused { world, journal, began })
    }
}

/// A partition whose actors were taken apart.
pub struct Paused {
    /// As far as the follower has come: to the end, if nothing failed.
    world: Option<World>,
    journal: Option<Box<dyn Journal>>,
    began: Instant,
}

impl Paused {
    /// The partition, with nothing read; `None` if something failed.
    #[must_use]
    pub fn recovered(self, read_store: Option<ReadStore>) -> Option<Recovered> {
        let (world, journal) = (self.world?, self.journal?);
        let is_whole = journal.stats().last == Position(world.position);
        is_whole.then_some(Recovered { world, journal, read_store, began: self.began })
    }
}

/// Waits for a thread to end, as long as that makes sense. Gives what it left, or nothing if it was
/// not waited for; what a panic in it said was told by the thread itself.
fn join<Left>(thread: JoinHandle<Left>, is_hopeless: impl Fn() -> bool) -> Option<Option<Left>> {
    while !thread.is_finished() {
        if is_hopeless() {
            return None;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    Some(thread.join().ok())
}

/// The mailboxes of the actors of one engine thread, when they have started.
struct Started {
    wallets: Vec<((usize, usize), Addr<WalletActor>)>,
    books: Vec<Addr<BookActor>>,
}

/// The actors of one engine thread.
#[derive(Default)]
struct Crew {
    wallets: Vec<((usize, usize), WalletActor)>,
    books: Vec<BookActor>,
}

impl Crew {
    fn run(self, started: Sender<Started>, stopped: oneshot::Receiver<()>) {
        actix::System::new().block_on(async move {
            let books = self.books.into_iter().map(Actor::start).collect();
            let wallets = self.wallets.into_iter().map(|(place, wallet)| (place, wallet.start())).collect();
            started.send(Started { wallets, books }).ok();
            drop(started);
            stopped.await.ok();
        });
    }
}

/// Keeps what the deliveries after a crash let out, beside the rows.
struct Leftovers<'a> {
    rows: Rows<'a>,
    releases: Vec<Arc<Release>>,
    market: Vec<MarketNews>,
}

impl Observer for Leftovers<'_> {
    fn begins(&mut self, position: u64) {
        self.rows.begins(position);
    }

    fn matched(&mut self, tenant: TenantId, market: MarketId, matched: &Matched<'_>) {
        self.rows.matched(tenant, market, matched);
        self.market.push(MarketNews::Release(MarketRelease {
            tenant,
            market,
            time: matched.time,
            fills: matched.fills.to_vec(),
            levels: matched.levels.to_vec(),
            changes: matched.changes,
            state: None,
        }));
    }

    fn listed(&mut self, tenant: TenantId, list: &ListView) {
        self.rows.listed(tenant, list);
    }

    fn transacted(&mut self, tenant: TenantId, command: &TransactionCommand, output: &WalletOutput) {
        self.rows.transacted(tenant, command, output);
    }

    fn posted(&mut self, tenant: TenantId, updates: &[OrderUpdate], entries: &[Entry], settled: Option<&Settled>) {
        self.rows.posted(tenant, updates, entries, settled);
        if !updates.is_empty() {
            let updates = updates.to_vec();
            let release = Release {
                tenant,
                answer: None,
                updates,
                lists: Vec::new(),
                events: Vec::new(),
                balances: Vec::new(),
                stamps: Stamps::default(),
                permit: None,
            };
            self.releases.push(Arc::new(release));
        }
    }
}

/// Runs a thread's work. A panic in it is told, since nobody else would notice until all wait.
fn or_fail<Left>(
    run: impl FnOnce() -> Option<Left>,
    failures: &Sender<Failure>,
    failure: fn(String) -> Failure,
) -> Option<Left> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        failures.try_send(failure(format!("a panic: {}", panic_text(panic.as_ref())))).ok();
        None
    })
}

fn spawn<Left: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> Left + Send + 'static,
) -> Result<JoinHandle<Left>, StartError> {
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run);
    thread.map_err(|error| StartError(format!("the thread {name} cannot be started: {error}")))
}
