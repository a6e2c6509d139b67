//! The journal writer: one thread that makes turns durable, and lets out what they caused.
//!
//! While a sync runs, the next turns gather: that is the batching window, there is no timer. At
//! low load a batch is one order, at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::{Receiver, Sender};
use rialto_persistence::frame::{Epoch, Group, Position};
use rialto_persistence::journal::Journal;

use crate::api::WorkerEvent;
use crate::clock;
use crate::commit_watch::CommitWatch;
use crate::exchange::Failure;
use crate::feed::FeedSender;
use crate::market_data::MarketNews;
use crate::metrics;
use crate::outlets::OutletSenders;
use crate::turn::Turn;

/// A group is closed when it reaches this. One sync more often costs more than a larger one.
const GROUP_BYTES: usize = 1 << 20;

/// Owns the journal of a partition.
pub struct Writer {
    /// The journal, acquired.
    pub journal: Box<dyn Journal>,
    /// The epoch it was acquired with.
    pub epoch: Epoch,
    /// The end of the journal.
    pub end: Position,
    /// What the actors have decided, in causal order.
    pub turns: Receiver<Turn>,
    /// The last durable position, for everyone.
    pub durable: Arc<AtomicU64>,
    /// Woken after every group.
    pub followers: Vec<Sender<()>>,
    /// Where users are told.
    pub workers: Vec<FeedSender<WorkerEvent>>,
    /// Where the public is told.
    pub market_data: FeedSender<MarketNews>,
    /// Where rails are asked, and those told who must be told of events.
    pub outlets: OutletSenders,
    /// Shows a commit that does not end to the supervisor.
    pub commits: Arc<CommitWatch>,
    /// Where a failure is told.
    pub failures: Sender<Failure>,
}

impl Writer {
    /// Runs until every actor has dropped its end of the queue, and gives the journal back; `None` if it
    /// failed.
    pub fn run(mut self) -> Option<Box<dyn Journal>> {
        let mut group = Group::new(self.epoch, self.end);
        let mut turns = Vec::new();
        while let Ok(turn) = self.turns.recv() {
            group.begin(self.epoch, self.end);
            let mut next = Some(turn);
            while let Some(turn) = next {
                for record in turn.records() {
                    if let Err(error) = group.push(record) {
                        return self.fail(format!("a record does not fit a frame: {error}"));
                    }
                }
                turns.push(turn);
                next = if group.len_bytes() < GROUP_BYTES { self.turns.try_recv().ok() } else { None };
            }
            let is_written = !group.is_empty();
            if is_written {
                let records = group.last().0 - self.end.0;
                let began = clock::monotonic();
                self.commits.begin();
                let appended = self.journal.append(&mut group);
                if !self.commits.end() {
                    let seconds = (clock::monotonic() - began) / 1_000_000_000;
                    return self.fail(format!("a commit that had been given up ended after {seconds} s"));
                }
                match appended {
                    Ok(end) => self.end = end,
                    Err(error) => return self.fail(format!("the journal failed: {error}")),
                }
                metrics::journal_flushed(clock::monotonic() - began, records, group.len_bytes(), self.end.0);
                self.durable.store(self.end.0, Ordering::Release);
            }
            let stamp = clock::monotonic();
            for turn in turns.drain(..) {
                self.release(turn, stamp);
            }
            // Whoever waits for an answer gets the processor first.
            for follower in self.followers.iter().filter(|_| is_written) {
                // Full means that it has been told already.
                follower.try_send(()).ok();
            }
        }
        Some(self.journal)
    }

    /// Everything in the turn is durable now. Market data goes first, so that whoever reads an
    /// answer and then asks for the book sees it in there.
    fn release(&self, turn: Turn, stamp: u64) {
        if let Some((accounts, count)) = turn.accounts {
            accounts.show(count);
        }
        for news in turn.market {
            self.market_data.send(news);
        }
        for mut release in turn.releases {
            // Nobody else has it yet.
            if let Some(release) = Arc::get_mut(&mut release) {
                release.stamps.journaled = stamp;
            }
            let asked = release.answer.as_ref().map(|(token, _)| usize::from(token.worker));
            let told = !release.updates.is_empty() || !release.events.is_empty() || !release.balances.is_empty();
            for (number, worker) in self.workers.iter().enumerate() {
                if asked == Some(number) || told {
                    worker.send(WorkerEvent::Released(Arc::clone(&release)));
                }
            }
        }
        self.outlets.let_out(turn.calls, turn.notices);
    }

    /// Nothing more is written or told. What still comes is dropped, so that no actor waits.
    fn fail(self, reason: String) -> Option<Box<dyn Journal>> {
        tracing::error!(%reason, "the journal writer stops");
        self.failures.try_send(Failure::Journal(reason)).ok();
        while self.turns.recv().is_ok() {}
        None
    }
}
