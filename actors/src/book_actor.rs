//! The actor that owns the order book of one market of one tenant.

use std::panic::{AssertUnwindSafe, catch_unwind};

use actix::{Actor, AsyncContext, Context, Handler, Message, StreamHandler};
use crossbeam_channel::Sender;
use rialto_engine::book::{Book, BookOutput};
use rialto_engine::ids::{MarketId, TenantId};
use rialto_engine::message::ToBook;
use rialto_engine::order::Side;
use rialto_persistence::record::Record;

use crate::clock;
use crate::exchange::Failure;
use crate::feed::{Feed, FeedReady, FeedSender};
use crate::market_data::{MarketNews, MarketRelease, MarketSeed};
use crate::metrics::MarketMetrics;
use crate::turn::{Room, TURN_MESSAGES, Turn};
use crate::wallet_actor::{Envelope, WalletMessage, panic_text};

/// The most steps of a cascade in one turn. Their answers have no permit, so there must be few.
const TURN_CASCADES: usize = 4;

/// What a book is fed, by the one wallet of its tenant.
#[derive(Debug)]
pub struct BookMessage {
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
    wallet: FeedSender<WalletMessage>,
    journal: Sender<Turn>,
    failures: Sender<Failure>,
    metrics: MarketMetrics,
    output: BookOutput,
    outgoing: Vec<WalletMessage>,
    /// What the last turn took.
    room: Room,
    /// A [`Proceed`] is on its way to this actor.
    told_to_proceed: bool,
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
        wallet: FeedSender<WalletMessage>,
        journal: Sender<Turn>,
        failures: Sender<Failure>,
        metrics: MarketMetrics,
    ) -> Self {
        let output = BookOutput::default();
        let outgoing = Vec::new();
        Self {
            tenant,
            market,
            book,
            feed,
            wallet,
            journal,
            failures,
            metrics,
            output,
            outgoing,
            room: Room::default(),
            told_to_proceed: false,
            failed: false,
        }
    }

    /// Takes what is there, up to a cap; then the journal gets the receipt, and only then the
    /// wallet gets the answers.
    fn turn(&mut self) {
        let mut turn = Turn::with_room(self.room);
        let stamp = clock::monotonic();
        let mut taken = false;
        let mut steps = 0;
        for _ in 0..TURN_MESSAGES {
            self.output.clear();
            let (answer, mut envelope) = if self.book.is_cascading() {
                // Triggered orders come before the next command, and leave room for the neighbours.
                // The wallet may share this thread: to wait for it here would be to wait for ever.
                if steps == TURN_CASCADES || !self.wallet.has_spare_room() {
                    break;
                }
                steps += 1;
                (self.book.proceed(&mut self.output), Envelope::default())
            } else {
                let Some(BookMessage { message, envelope }) = self.feed.next_message() else {
                    break;
                };
                (self.book.receive(&message, &mut self.output), envelope)
            };
            let Some(answer) = answer else { continue };
            taken = true;
            envelope.stamps.matched = stamp;
            if !self.output.levels.is_empty() {
                turn.market.push(MarketNews::Release(MarketRelease {
                    tenant: self.tenant,
                    market: self.market,
                    time: answer.time,
                    fills: answer.fills.clone(),
                    levels: std::mem::take(&mut self.output.levels),
                    changes: self.book.changes(),
                }));
            }
            self.outgoing.push(WalletMessage::Answer(self.market, answer, envelope));
        }
        if !taken {
            return;
        }
        turn.record(&Record::BookReceived {
            tenant: self.tenant,
            market: self.market,
            through: self.book.received(),
            digest: self.book.digest().0,
        });
        self.room = turn.room();
        let touch = |side| self.book.best(side).map(|(price, _)| price.0);
        self.metrics.stands(self.book.len(), touch(Side::Buy), touch(Side::Sell));
        if self.journal.send(turn).is_err() {
            // The journal writer is gone: the partition is stopping.
            self.failed = true;
            return;
        }
        for answer in self.outgoing.drain(..) {
            // Sized from the permits, so it cannot be full.
            self.wallet.send(answer);
        }
    }

    fn proceed(&mut self, context: &mut Context<Self>) {
        if self.failed {
            return;
        }
        self.guarded(Self::turn);
        if !self.failed && self.book.is_cascading() && !self.told_to_proceed {
            self.told_to_proceed = true;
            context.notify(Proceed);
        }
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
    }
}

/// A cascade was cut off by its bound and goes on, whether commands wait or not.
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
