//! The actor that owns a tenant's wallet.

mod delay_queue;
mod money;
pub mod pending;
mod shards;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use actix::{Actor, Context, Handler, Message, StreamHandler};
use crossbeam_channel::Sender;
use rialto_engine::ids::{MarketId, ShardId, TenantId};
use rialto_engine::message::ToWallet;
use rialto_engine::order::Link;
use rialto_engine::reason::Reason;
use rialto_engine::units::Nanos;
use rialto_engine::update::OrderUpdate;
use rialto_engine::wallet::{Command, ListRef, Sharing, Submitted, ToShard, Wallet, WalletOutput};
use rialto_persistence::record::Record;

use crate::api::{ListNews, Query, Release, Reply, ReplyToken, Request, Stamps};
use crate::book_actor::BookMessage;
use crate::clock;
use crate::directory::Accounts;
use crate::exchange::Failure;
use crate::feed::{Feed, FeedReady, FeedSender};
use crate::metrics::TenantMetrics;
use crate::metrics::money::MoneyMetrics;
use crate::permits::Permit;
use crate::rails::gates::Gates;
use crate::turn::{Room, TURN_MESSAGES, Turn};
use delay_queue::{Alarm, Held};
use pending::Pending;

/// What accompanies a command on its way; not part of any state.
#[derive(Debug, Default)]
pub struct Envelope {
    /// Who wants the answer.
    pub token: Option<ReplyToken>,
    /// The command's right to be under way.
    pub permit: Option<Permit>,
    /// When it passed its stages.
    pub stamps: Stamps,
}

/// What a wallet is fed.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "half of them are requests, which must not allocate on their way")]
pub enum WalletMessage {
    /// From a session.
    Request(Request, Envelope),
    /// From a book.
    Answer(MarketId, ToWallet, Envelope),
    /// From another wallet of the tenant.
    Shard(ShardId, ToShard, Envelope),
}

/// From whom messages come that are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Book(MarketId),
    Shard(ShardId),
}

/// Makes an actor panic in its next turn: a drill of the recovery that a bug would need.
#[derive(Debug)]
pub struct Drill;

impl Message for Drill {
    type Result = ();
}

/// Owns a wallet: all of its tenant, or the share of it that is at home there. Its mailbox carries control only; everything else comes by its feed.
pub struct WalletActor {
    tenant: TenantId,
    wallet: Wallet,
    feed: Feed<WalletMessage>,
    books: Vec<FeedSender<BookMessage>>,
    /// All wallets of the tenant by number, if it has more than one.
    shards: Vec<FeedSender<WalletMessage>>,
    journal: Sender<Turn>,
    failures: Sender<Failure>,
    metrics: TenantMetrics,
    money: MoneyMetrics,
    /// Which names have accounts; this actor opens them.
    accounts: Arc<Accounts>,
    pending: Pending,
    /// Which rails are left alone.
    gates: Gates,
    /// Whose timers are held back for it.
    held: Held,
    /// When it will look at its timers.
    alarm: Option<Alarm>,
    /// When it last drove all that was due.
    driven: Nanos,
    /// A [`delay_queue::DriveOn`] is on its way to this actor.
    told_to_drive_on: bool,
    output: WalletOutput,
    outgoing: Vec<(MarketId, BookMessage)>,
    /// What other wallets are told with this turn.
    to_shards: Vec<(ShardId, ToShard, Envelope)>,
    /// Look-ups that another wallet answers, behind what it is told with this turn.
    passed_on: Vec<(ShardId, Request, Envelope)>,
    /// What accompanies the commands that wait for other wallets, in their order.
    waiting: VecDeque<Envelope>,
    /// How many of those are timers that have run out.
    drives_waiting: usize,
    /// Whose messages were taken but are not yet in the turn's records.
    unwritten: Option<Source>,
    /// Time never goes back, whatever the clock does.
    last_time: Nanos,
    /// The time of day at the beginning of the turn, which deadlines are about.
    wall: Nanos,
    /// What the last turn took.
    room: Room,
    failed: bool,
    drill: bool,
}

impl WalletActor {
    /// An actor for a recovered wallet.
    #[must_use]
    #[expect(clippy::too_many_arguments, reason = "each is one of its neighbours, named once")]
    pub fn new(
        tenant: TenantId,
        wallet: Wallet,
        feed: Feed<WalletMessage>,
        books: Vec<FeedSender<BookMessage>>,
        shards: Vec<FeedSender<WalletMessage>>,
        journal: Sender<Turn>,
        failures: Sender<Failure>,
        (metrics, money): (TenantMetrics, MoneyMetrics),
        accounts: Arc<Accounts>,
        gates: Gates,
    ) -> Self {
        // A process before this one may have written what the clock of now has not come to.
        let youngest = wallet.live_transactions().map(|transaction| transaction.changed).max();
        clock::not_before(youngest.unwrap_or_default());
        let (pending, held) = (Pending::of(&wallet), Held::of(&wallet));
        if wallet.sharing().shard() == ShardId::FIRST {
            money.stands(&wallet, &pending);
            money.suspense(&wallet);
        }
        Self {
            tenant,
            wallet,
            feed,
            books,
            shards,
            journal,
            failures,
            metrics,
            money,
            accounts,
            pending,
            gates,
            held,
            alarm: None,
            driven: Nanos::ZERO,
            told_to_drive_on: false,
            output: WalletOutput::default(),
            outgoing: Vec::new(),
            to_shards: Vec::new(),
            passed_on: Vec::new(),
            waiting: VecDeque::new(),
            drives_waiting: 0,
            unwritten: None,
            last_time: Nanos::ZERO,
            wall: Nanos::ZERO,
            room: Room::default(),
            failed: false,
            drill: false,
        }
    }

    /// Takes what is there, up to a cap; then the journal gets the records, and only then the
    /// books get their messages.
    fn turn(&mut self) {
        let mut turn = Turn::with_room(self.room);
        self.look_at_the_clock();
        self.open_accounts();
        let stamp = clock::monotonic();
        assert!(!std::mem::take(&mut self.drill), "a drill asked this wallet to fail");
        for _ in 0..TURN_MESSAGES {
            match self.feed.next_message() {
                Some(WalletMessage::Request(request, mut envelope)) => {
                    envelope.stamps.submitted = stamp;
                    self.request(request, envelope, &mut turn);
                }
                Some(WalletMessage::Answer(market, message, envelope)) => {
                    self.answer(market, &message, envelope, stamp, &mut turn);
                }
                Some(WalletMessage::Shard(from, message, envelope)) => self.hear(from, &message, envelope, &mut turn),
                None => break,
            }
        }
        self.write_receipt(&mut turn);
        if turn.has_records() {
            self.drive_along(&mut turn);
        }
        self.room = turn.room();
        if self.is_first() {
            self.money.stands(&self.wallet, &self.pending);
        }
        if !turn.is_empty() && self.journal.send(turn).is_err() {
            // The journal writer is gone: the partition is stopping.
            self.failed = true;
            return;
        }
        for (market, message) in self.outgoing.drain(..) {
            // Sized from the permits, so it cannot be full.
            self.books[usize::from(market.0)].send(message);
        }
        self.flush_to_shards();
    }

    fn look_at_the_clock(&mut self) {
        self.last_time = clock::now().max(self.last_time);
        self.wall = clock::wall();
    }

    fn request(&mut self, request: Request, envelope: Envelope, turn: &mut Turn) {
        match request {
            Request::Command { mut command, deadline } | Request::CommandOf { mut command, deadline, .. } => {
                stamp_command(&mut command, self.last_time);
                if self.wall > deadline {
                    self.metrics.refused(&command);
                    return self.reject(Reason::DeadlinePassed, envelope, turn);
                }
                // The receipt holds the digest before this command.
                self.write_receipt(turn);
                self.output.clear();
                match self.wallet.submit(&command, &mut self.output) {
                    Submitted::Forwarded { market, message } => {
                        let shard = self.wallet.sharing().shard();
                        turn.record(&Record::Command { tenant: self.tenant, shard, command });
                        self.outgoing.push((market, BookMessage { shard, message, envelope }));
                    }
                    Submitted::Rejected(reason) => {
                        self.metrics.refused(&command);
                        self.reject(reason, envelope, turn);
                    }
                }
            }
            Request::Transaction { command, deadline } => self.transact(command, deadline, envelope, turn),
            Request::OpenAccount { name } => self.open_account(&name, envelope, turn),
            Request::Query(query) => {
                let reply = match query {
                    Query::Order { account, market, target } => {
                        Reply::Order(self.wallet.order(account, market, target))
                    }
                    Query::OpenOrders { account, market } => Reply::Orders(self.wallet.open_orders(account, market)),
                    Query::Balances { account } => Reply::Balances(self.wallet.balances(account)),
                    Query::BalancesBehind { account } => {
                        let home = Sharing::home_of(account, self.wallet.sharing().of());
                        if home != self.wallet.sharing().shard() {
                            self.passed_on.push((home, Request::Query(Query::Balances { account }), envelope));
                            return;
                        }
                        Reply::Balances(self.wallet.balances(account))
                    }
                    Query::List { account, target } => Reply::List(self.wallet.list(account, target)),
                    Query::Lists { account } => Reply::Lists(self.wallet.open_lists(account)),
                    Query::Transaction { id } => Reply::Transaction(self.wallet.transaction(&id).map(Box::new)),
                    Query::Transactions { stuck_only, limit } => {
                        Reply::Transactions(self.pending.transactions(&self.wallet, stuck_only, limit))
                    }
                    Query::Cases { limit } => Reply::Cases(self.wallet.open_cases().take(limit).copied().collect()),
                    Query::Money => Reply::Money(Box::new(money::settings(&self.wallet, &self.pending))),
                };
                turn.releases.push(Arc::new(self.release(Some(reply), envelope, Vec::new())));
            }
        }
    }

    fn answer(&mut self, market: MarketId, message: &ToWallet, mut envelope: Envelope, stamp: u64, turn: &mut Turn) {
        let source = Source::Book(market);
        if self.unwritten.is_some_and(|unwritten| unwritten != source) {
            self.write_receipt(turn);
        }
        self.output.clear();
        let Some(settled) = self.wallet.settle(market, message, &mut self.output) else {
            return;
        };
        self.unwritten = Some(source);
        envelope.stamps.settled = stamp;
        let updates = std::mem::take(&mut self.output.updates);
        let fills = self.fills_counted(message);
        self.metrics.settled(market, &settled.result, fills, &updates);
        let lists = self.lists_of(&updates);
        let release = self.release(Some(Reply::Settled(settled)), envelope, updates);
        turn.releases.push(Arc::new(Release { lists, ..release }));
    }

    /// How many trades of an answer are counted here: of a tenant with several wallets, each by its taker's.
    fn fills_counted(&self, message: &ToWallet) -> usize {
        let sharing = self.wallet.sharing();
        if !sharing.is_shared() {
            return message.fills.len();
        }
        let is_own = |order| Sharing::shard_of(order, sharing.of()) == sharing.shard();
        message.fills.iter().filter(|fill| is_own(fill.taker)).count()
    }

    fn reject(&mut self, reason: Reason, envelope: Envelope, turn: &mut Turn) {
        self.metrics.rejected(reason);
        turn.releases.push(Arc::new(self.release(Some(Reply::Rejected(reason)), envelope, Vec::new())));
    }

    fn release(&self, reply: Option<Reply>, envelope: Envelope, updates: Vec<OrderUpdate>) -> Release {
        let Envelope { token, permit, stamps } = envelope;
        let (lists, events) = (Vec::new(), Vec::new());
        let balances = Vec::new();
        Release { tenant: self.tenant, answer: token.zip(reply), updates, lists, events, balances, stamps, permit }
    }

    /// The lists of the orders that owners are told of.
    fn lists_of(&mut self, updates: &[OrderUpdate]) -> Vec<ListNews> {
        let ended = self.output.ended_lists.drain(..);
        let mut lists: Vec<ListNews> = ended.map(|list| ListNews { list, is_open: false }).collect();
        for OrderUpdate { order, .. } in updates {
            let Some(Link { list: id, .. }) = order.instructions.link else { continue };
            if !lists.iter().any(|told| told.list.id == id) {
                let list = self.wallet.list(order.account, ListRef { id: Some(id), client_id: None });
                lists.extend(list.map(|list| ListNews { list, is_open: true }));
            }
        }
        lists
    }

    /// Does a turn. A panic in it is a bug: the wallet's state may be half changed, so nothing of it may
    /// leave; the partition is rebuilt from its journal.
    fn guarded(&mut self, turn: impl FnOnce(&mut Self)) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| turn(self))) {
            self.failed = true;
            let what = format!("wallet of tenant {}: {}", self.tenant, panic_text(panic.as_ref()));
            self.failures.try_send(Failure::Panicked(what)).ok();
        }
    }

    /// One receipt covers all messages that one book, or one wallet, gave in a row.
    fn write_receipt(&mut self, turn: &mut Turn) {
        let (tenant, shard) = (self.tenant, self.wallet.sharing().shard());
        let digest = self.wallet.digest().0;
        match self.unwritten.take() {
            None => {}
            Some(Source::Book(market)) => {
                let through = self.wallet.received(market);
                turn.record(&Record::WalletReceived { tenant, shard, market, through, digest });
            }
            Some(Source::Shard(from)) => {
                let through = self.wallet.heard_from(from);
                turn.record(&Record::ShardReceived { tenant, shard, from, through, digest });
            }
        }
    }
}

impl Actor for WalletActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        Self::add_stream(self.feed.signal(), context);
        self.set_alarm(context);
    }
}

impl StreamHandler<FeedReady> for WalletActor {
    fn handle(&mut self, FeedReady: FeedReady, context: &mut Self::Context) {
        if self.failed {
            // Whatever still comes is dropped, and with it its permit; the edge answers.
            while self.feed.next_message().is_some() {}
            return;
        }
        self.guarded(Self::turn);
        self.set_alarm(context);
    }
}

impl Handler<Drill> for WalletActor {
    type Result = ();

    fn handle(&mut self, Drill: Drill, _: &mut Self::Context) {
        self.drill = true;
    }
}

/// What a panic said.
#[must_use]
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

fn stamp_command(command: &mut Command, now: Nanos) {
    match command {
        Command::Place(place) => place.time = now,
        Command::Cancel(cancel) => cancel.time = now,
        Command::CancelAll { time, .. }
        | Command::Reduce { time, .. }
        | Command::CancelList { time, .. }
        | Command::CancelMany { time, .. }
        | Command::Enter { time, .. }
        | Command::Protect { time, .. }
        | Command::Advance { time, .. } => *time = now,
        Command::PlaceList(list) => list.places.iter_mut().for_each(|place| place.time = now),
        Command::Replace { cancel, place, .. } => {
            cancel.time = now;
            place.time = now;
        }
    }
}
