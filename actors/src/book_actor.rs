//! The actor that owns the order book of one market of one tenant.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler, Message, StreamHandler};
use crossbeam_channel::Sender;
use rialto_engine::book::{Book, BookOutput, LevelChange};
use rialto_engine::ids::{MarketId, ShardId, TenantId};
use rialto_engine::message::{BookCommand, Fill, ToBook, ToWallet};
use rialto_engine::order::Side;
use rialto_engine::units::Nanos;
use rialto_engine::wallet::Command;
use rialto_persistence::record::Record;
use rialto_persistence::world::step_before;

use crate::api::Request;
use crate::clock;
use crate::exchange::Failure;
use crate::feed::{Feed, FeedReady, FeedSender};
use crate::market_data::{MarketNews, MarketRelease, MarketSeed, MarketState};
use crate::metrics::MarketMetrics;
use crate::permits::Permit;
use crate::turn::{Room, TURN_MESSAGES, Turn};
use crate::wallet_actor::{Envelope, WalletMessage, panic_text};

/// The most steps in one turn that no message asks for: those of a cascade, and what is due. Their
/// answers have no permit, so there must be few.
const TURN_STEPS: usize = 4;
/// How long a book that waits for a time sleeps at most before it looks at the clock, which may be set.
const ALARM_MAX: Duration = Duration::from_millis(100);
/// And at least.
const ALARM_MIN: Duration = Duration::from_millis(1);

/// What a book is fed, by the wallets of its tenant.
#[derive(Debug)]
pub struct BookMessage {
    /// Which wallet says it.
    pub shard: ShardId,
    /// What it is to do.
    pub message: ToBook,
    /// What accompanies it.
    pub envelope: Envelope,
}

/// Makes a book show itself to market data, in the order of what it does.
#[derive(Debug)]
pub struct ShowBook;

impl Message for ShowBook {
    type Result = ();
}

/// Owns a book. Its mailbox carries control only; orders come by its feed.
pub struct BookActor {
    tenant: TenantId,
    market: MarketId,
    book: Book,
    feed: Feed<BookMessage>,
    /// By number.
    wallets: Vec<FeedSender<WalletMessage>>,
    journal: Sender<Turn>,
    failures: Sender<Failure>,
    metrics: MarketMetrics,
    output: BookOutput,
    outgoing: Vec<(ShardId, WalletMessage)>,
    /// The wallet whose messages were taken, and are not yet in the turn's records.
    unwritten: Option<ShardId>,
    /// A message that waits until what was due before it has been carried out.
    held: Option<Box<BookMessage>>,
    /// What market data was told last.
    state: MarketState,
    /// What the last turn took.
    room: Room,
    /// A [`Proceed`] is on its way to this actor.
    told_to_proceed: bool,
    /// This actor will look at the clock.
    alarm_set: bool,
    /// The wallet was asked to send word that time has passed, and has not yet.
    advancing: bool,
    failed: bool,
}

impl BookActor {
    /// An actor for a recovered book.
    #[must_use]
    #[expect(clippy::too_many_arguments, reason = "each is one of its neighbours, named once")]
    pub fn new(
        tenant: TenantId,
        market: MarketId,
        book: Book,
        feed: Feed<BookMessage>,
        wallets: Vec<FeedSender<WalletMessage>>,
        journal: Sender<Turn>,
        failures: Sender<Failure>,
        metrics: MarketMetrics,
    ) -> Self {
        let output = BookOutput::default();
        let outgoing = Vec::new();
        let state = MarketState::of(&book);
        let actor = Self {
            tenant,
            market,
            book,
            feed,
            wallets,
            journal,
            failures,
            metrics,
            output,
            outgoing,
            unwritten: None,
            held: None,
            state,
            room: Room::default(),
            told_to_proceed: false,
            alarm_set: false,
            advancing: false,
            failed: false,
        };
        actor.show_metrics();
        actor
    }

    /// Takes what is there, up to a cap; then the journal gets the receipt, and only then the
    /// wallet gets the answers.
    fn turn(&mut self) {
        let mut turn = Turn::with_room(self.room);
        let stamp = clock::monotonic();
        let mut last_time = None;
        let mut steps = 0;
        for _ in 0..TURN_MESSAGES {
            self.output.clear();
            let mut next = None;
            let mut shard = ShardId::FIRST;
            if !self.book.is_cascading() {
                let message = self.held.take().map_or_else(|| self.feed.next_message(), |held| Some(*held));
                let Some(message) = message else { break };
                shard = message.shard;
                if self.unwritten.is_some_and(|unwritten| unwritten != shard) {
                    // What comes before the message is for its wallet's receipt.
                    self.write_receipt(&mut turn);
                }
                if self.book.is_due(message.message.time) {
                    self.held = Some(Box::new(message));
                } else {
                    next = Some(message);
                }
            }
            // What nobody has asked for, the first wallet hears of.
            let is_command = next.is_some();
            let (answer, mut envelope) = match next {
                Some(BookMessage { message, envelope, .. }) => {
                    if matches!(message.command, BookCommand::Advance) {
                        self.advancing = false;
                    }
                    (self.book.receive_from(shard, &message, &mut self.output), envelope)
                }
                None => {
                    // What comes before the next message leaves room for the neighbours. The wallet may
                    // share this thread: to wait for it here would be to wait for ever.
                    if steps == TURN_STEPS || !self.have_wallets_room() {
                        break;
                    }
                    steps += 1;
                    let next = self.held.as_ref().map(|held| held.message.time);
                    (step_before(&mut self.book, next, &mut self.output), Envelope::default())
                }
            };
            let Some(answer) = answer else { continue };
            last_time = Some(answer.time);
            // A cascade goes on for whoever began it.
            self.unwritten = self.unwritten.or(Some(shard));
            envelope.stamps.matched = stamp;
            self.publish(&answer, &mut turn);
            for (other, copy) in self.output.copies.drain(..) {
                let permit = envelope.permit.as_ref().map(Permit::share);
                let envelope = Envelope { token: None, permit, stamps: envelope.stamps };
                self.outgoing.push((other, WalletMessage::Answer(self.market, copy, envelope)));
            }
            let asker = if is_command { shard } else { ShardId::FIRST };
            self.outgoing.push((asker, WalletMessage::Answer(self.market, answer, envelope)));
        }
        let Some(last_time) = last_time else { return };
        self.publish_auction(last_time, &mut turn);
        self.write_receipt(&mut turn);
        self.room = turn.room();
        self.show_metrics();
        if self.journal.send(turn).is_err() {
            // The journal writer is gone: the partition is stopping.
            self.failed = true;
            return;
        }
        for (shard, answer) in self.outgoing.drain(..) {
            // Sized from the permits, so it cannot be full.
            self.wallets[usize::from(shard.0)].send(answer);
        }
    }

    /// One receipt covers all messages that one wallet gave in a row.
    fn write_receipt(&mut self, turn: &mut Turn) {
        if let Some(shard) = self.unwritten.take() {
            turn.record(&Record::BookReceived {
                tenant: self.tenant,
                shard,
                market: self.market,
                through: self.book.received_from(shard),
                digest: self.book.digest().0,
            });
        }
    }

    /// Whether there is room for what holds no permit.
    fn have_wallets_room(&self) -> bool {
        self.wallets.iter().all(FeedSender::has_spare_room)
    }

    /// Lets the public know what came of one answer. Orders that are not displayed trade without
    /// a level that changes.
    fn publish(&mut self, answer: &ToWallet, turn: &mut Turn) {
        self.metrics.answered(answer, self.state.phase);
        let (phase, until) = (self.book.phase(), self.book.until());
        let entered = (phase, until) != (self.state.phase, self.state.until);
        if entered {
            self.state = MarketState { phase, until, indicative: None };
        }
        if answer.fills.is_empty() && self.output.levels.is_empty() && !entered {
            return;
        }
        let state = entered.then_some(self.state);
        let (fills, levels) = (answer.fills.clone(), std::mem::take(&mut self.output.levels));
        turn.market.push(MarketNews::Release(self.release(answer.time, fills, levels, state)));
    }

    /// Lets the public know what the auction would come to. To find out takes a look at every price,
    /// and so it is done once a turn.
    fn publish_auction(&mut self, time: Nanos, turn: &mut Turn) {
        let indicative = self.book.indicative();
        if indicative == self.state.indicative {
            return;
        }
        self.state.indicative = indicative;
        match turn.market.last_mut() {
            Some(MarketNews::Release(release)) => release.state = Some(self.state),
            _ => {
                let release = self.release(time, Vec::new(), Vec::new(), Some(self.state));
                turn.market.push(MarketNews::Release(release));
            }
        }
    }

    fn release(
        &self,
        time: Nanos,
        fills: Vec<Fill>,
        levels: Vec<LevelChange>,
        state: Option<MarketState>,
    ) -> MarketRelease {
        let (tenant, market, changes) = (self.tenant, self.market, self.book.changes());
        MarketRelease { tenant, market, time, fills, levels, changes, state }
    }

    fn show_metrics(&self) {
        let touch = |side| self.book.best(side).map(|(price, _)| price.0);
        self.metrics.stands(self.book.len(), touch(Side::Buy), touch(Side::Sell), self.book.phase());
    }

    fn proceed(&mut self, context: &mut Context<Self>) {
        if self.failed {
            return;
        }
        self.guarded(Self::turn);
        if !self.failed && (self.book.is_cascading() || self.held.is_some()) && !self.told_to_proceed {
            self.told_to_proceed = true;
            context.notify(Proceed);
        }
        self.set_alarm(context);
    }

    /// Makes this actor look at the clock when something is due, if anything will be. The clock is no
    /// input of the book: what it says makes the wallet send word, which is journaled like a command.
    fn set_alarm(&mut self, context: &mut Context<Self>) {
        if self.failed || self.alarm_set {
            return;
        }
        let Some(due) = self.book.next_due() else { return };
        let left = Duration::from_nanos(due.0.saturating_sub(clock::wall().0));
        let wait = if self.advancing { ALARM_MAX } else { left.clamp(ALARM_MIN, ALARM_MAX) };
        self.alarm_set = true;
        context.run_later(wait, |actor, context| {
            actor.alarm_set = false;
            if !actor.failed {
                actor.advance();
                actor.set_alarm(context);
            }
        });
    }

    /// Asks the wallet to send word that time has passed, if that matters here. One such wish is under
    /// way at most, and it takes no permit: a wallet without room is asked again later.
    fn advance(&mut self) {
        let wallet = &self.wallets[0];
        if self.advancing || !self.book.is_due(clock::wall()) || !wallet.has_spare_room() {
            return;
        }
        let command = Command::Advance { market: self.market, time: Nanos::ZERO };
        let request = Request::Command { command, deadline: Nanos(u64::MAX) };
        self.advancing = wallet.try_send(WalletMessage::Request(request, Envelope::default())).is_ok();
    }

    fn show(&self) {
        let book = MarketSeed::of(self.tenant, self.market, &self.book);
        let turn = Turn::released(Vec::new(), vec![MarketNews::Book(book)]);
        // A journal queue without room for what nobody trades on drops it, and it is asked for again.
        self.journal.try_send(turn).ok();
    }

    /// Does a step. A panic in it is a bug: nothing of it may leave, and the partition is rebuilt
    /// from its journal.
    fn guarded(&mut self, step: impl FnOnce(&mut Self)) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| step(self))) {
            self.failed = true;
            let panic = panic_text(panic.as_ref());
            let what = format!("book {} of tenant {}: {panic}", self.market, self.tenant);
            self.failures.try_send(Failure::Panicked(what)).ok();
        }
    }
}

impl Actor for BookActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        Self::add_stream(self.feed.signal(), context);
        self.set_alarm(context);
    }
}

/// What comes before the next message was cut off by its bound and goes on, whether messages wait or not.
#[derive(Debug)]
struct Proceed;

impl Message for Proceed {
    type Result = ();
}

impl Handler<Proceed> for BookActor {
    type Result = ();

    fn handle(&mut self, Proceed: Proceed, context: &mut Self::Context) {
        self.told_to_proceed = false;
        self.proceed(context);
    }
}

impl StreamHandler<FeedReady> for BookActor {
    fn handle(&mut self, FeedReady: FeedReady, context: &mut Self::Context) {
        if self.failed {
            // Whatever still comes is dropped, and with it its permit; the edge answers.
            self.held = None;
            while self.feed.next_message().is_some() {}
            return;
        }
        self.proceed(context);
    }
}

impl Handler<ShowBook> for BookActor {
    type Result = ();

    fn handle(&mut self, ShowBook: ShowBook, _: &mut Self::Context) {
        // A failed book is rebuilt with its partition, and market data gets it from there.
        if !self.failed {
            self.guarded(|actor| actor.show());
        }
    }
}
