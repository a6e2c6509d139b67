//! The supervisor: keeps the partition running, rebuilds it, and changes what is open in it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, select};
use metrics::{counter, gauge};

use super::{Failure, Gate, Gates, Inner, Options, Reconfigured, StartError, Status, lock, seeds};
use crate::api::WorkerEvent;
use crate::metrics as own_metrics;
use crate::partition::{Recovered, Running, Stalled, Surroundings, recover};
use crate::setup::Setup;

/// Rebuilds within this time count as one trouble.
const TROUBLE: Duration = Duration::from_secs(60);
/// So many rebuilds in one trouble, and the partition stays down: the bug is in the journal.
const REBUILDS_MAX: usize = 3;
/// How long what is under way may take before a change of what is open is put off.
const PATIENCE: Duration = Duration::from_secs(5);

/// So many records are replayed in a moment.
const SOON: u64 = 5_000;

/// Somebody wants something else to be open.
pub(super) struct Wish {
    pub setup: Setup,
    /// Whether what it does not name stays as it is.
    pub is_more: bool,
    pub answer: Sender<Result<Reconfigured, StartError>>,
}

enum Event {
    Failed(Failure),
    Wished(Wish),
}

/// Owns the running partition and decides what becomes of it when something fails.
pub(super) struct Supervisor {
    pub inner: Arc<Inner>,
    pub options: Options,
    pub setup: Setup,
    pub surroundings: Surroundings,
    pub failures: Receiver<Failure>,
    pub wishes: Receiver<Wish>,
    /// Market data has lost its books and wants to be shown them. The sender is kept so that the
    /// queue is there as long as it is looked at.
    pub books_wanted: (Sender<()>, Receiver<()>),
}

impl Supervisor {
    pub fn run(mut self, mut running: Running) {
        let mut rebuilds: Vec<Instant> = Vec::new();
        loop {
            let failure = match self.next_event(&running) {
                Event::Failed(failure) => failure,
                Event::Wished(wish) => match self.reconfigure(running, wish) {
                    Ok(reconfigured) => {
                        running = reconfigured;
                        continue;
                    }
                    Err(StartError(reason)) => {
                        *lock(&self.inner.status) = Status::Stopped(reason);
                        self.interrupt();
                        return;
                    }
                },
            };
            self.close_gates(&failure);
            if matches!(failure, Failure::Shutdown) {
                self.wait_for_permits(Duration::from_secs(2), &running);
            }
            let ended = running.stop(self.options.commit_limit);
            let stopped = match failure {
                Failure::Shutdown => {
                    if let Err(Stalled) = ended {
                        self.give_up();
                    }
                    self.inner.market_data.stop();
                    "shut down".to_owned()
                }
                Failure::Stalled => self.give_up(),
                _ if ended.is_err() => self.give_up(),
                Failure::Journal(reason) | Failure::Audit(reason) => reason,
                Failure::Panicked(what) => {
                    tracing::error!(%what, "an actor panicked; the partition is rebuilt from its journal");
                    counter!("rialto_actor_restarts_total").increment(1);
                    rebuilds.retain(|moment| moment.elapsed() < TROUBLE);
                    rebuilds.push(Instant::now());
                    match if rebuilds.len() > REBUILDS_MAX { Err(StartError(what)) } else { self.rebuild() } {
                        Ok(rebuilt) => {
                            running = rebuilt;
                            continue;
                        }
                        Err(StartError(reason)) => reason,
                    }
                }
            };
            *lock(&self.inner.status) = Status::Stopped(stopped);
            self.interrupt();
            return;
        }
    }

    /// The next wish, or the next failure that is told, or the one that nobody is left to tell: a commit that does
    /// not end. Meanwhile market data gets the books that it has lost.
    fn next_event(&self, running: &Running) -> Event {
        let limit = self.options.commit_limit;
        let look = crossbeam_channel::tick((limit / 8).clamp(Duration::from_millis(1), Duration::from_secs(1)));
        loop {
            select! {
                recv(self.failures) -> failure => return Event::Failed(failure.unwrap_or(Failure::Shutdown)),
                recv(self.wishes) -> wish => if let Ok(wish) = wish {
                    return Event::Wished(wish);
                },
                recv(self.books_wanted.1) -> _ => running.show_books(),
                recv(look) -> _ => if running.is_stalled(limit) {
                    return Event::Failed(Failure::Stalled);
                },
            }
        }
    }

    /// Says that a commit does not end, and why nothing is tried: what hangs may hold the journal.
    fn give_up(&self) -> String {
        own_metrics::journal_stalled();
        let reason = format!(
            "one commit of the journal took longer than {:?}; its thread may still hold the journal, so nothing is \
             restarted: look at the disk, then start the process again",
            self.options.commit_limit
        );
        tracing::error!(%reason, "the partition is given up");
        reason
    }

    fn close_gates(&self, failure: &Failure) {
        self.inner.set_gate(Gate::Closed);
        *lock(&self.inner.status) = Status::Recovering;
        gauge!("rialto_ready").set(0.0);
        if !matches!(failure, Failure::Shutdown) {
            tracing::error!(?failure, "the partition stops");
        }
    }

    /// What is under way is settled within moments; somebody who never reads his answers must not
    /// keep others waiting. Tells whether all was told.
    fn wait_for_permits(&self, limit: Duration, running: &Running) -> bool {
        let began = Instant::now();
        while self.inner.permits.in_use() > 0 {
            let is_failing = !self.failures.is_empty() || running.is_stalled(self.options.commit_limit);
            if is_failing || began.elapsed() > limit {
                return false;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        true
    }

    /// Lets what is under way come to its end, takes the actors apart, applies the setup and goes on. Nobody
    /// hears of an unknown outcome: whoever comes meanwhile hears that all is busy.
    ///
    /// # Errors
    /// If the partition cannot go on. A setup that cannot be is told to whoever wished for it.
    fn reconfigure(&mut self, running: Running, wish: Wish) -> Result<Running, StartError> {
        // What the follower has still to replay is part of the pause.
        let came = Instant::now();
        let lag = || self.inner.durable.load(Ordering::Acquire).saturating_sub(running.followed());
        while lag() > SOON && came.elapsed() < PATIENCE && self.failures.is_empty() {
            std::thread::sleep(Duration::from_millis(1));
        }
        if wish.is_more && lag() > SOON {
            let put_off = "the auditor is too far behind; nothing was changed".to_owned();
            wish.answer.send(Err(StartError(put_off))).ok();
            return Ok(running);
        }
        let began = Instant::now();
        let gates = Gates::of(&running);
        self.inner.set_gate(Gate::Paused);
        if !self.wait_for_permits(PATIENCE, &running) {
            // What failed is looked at next.
            self.inner.set_gate(Gate::Open(gates));
            let put_off = "what is under way does not come to its end; nothing was changed".to_owned();
            wish.answer.send(Err(StartError(put_off))).ok();
            return Ok(running);
        }
        let Ok(stopped) = running.pause(self.options.commit_limit) else {
            let reason = self.give_up();
            return Err(StartError(reason));
        };
        if let Some(failure) = self.failures.try_iter().find(|failure| !matches!(failure, Failure::Shutdown)) {
            self.close_gates(&failure);
            return Err(StartError(format!("{failure:?}")));
        }
        let mut all = wish.setup.clone();
        if wish.is_more {
            all.clone_from(&self.setup);
            all.take_in(&wish.setup);
        }
        let changed = stopped
            .recovered(self.inner.read_store.clone())
            .ok_or_else(|| StartError("the auditor has not come to the end".to_owned()))
            .and_then(|recovered| self.resume(recovered, &wish.setup, &all));
        match changed {
            Ok(running) => {
                self.setup = all;
                let pause = began.elapsed();
                tracing::info!(millis = pause.as_millis(), "something else is open");
                own_metrics::opened(pause);
                wish.answer.send(Ok(Reconfigured { pause })).ok();
                Ok(running)
            }
            Err(error) => {
                tracing::error!(%error, "what was to be open cannot be; all stays as it was");
                let recovered = recover(&self.options.storage, self.inner.read_store.clone())?;
                let running = self.resume(recovered, &Setup::default(), &self.setup)?;
                wish.answer.send(Err(error)).ok();
                Ok(running)
            }
        }
    }

    /// Takes a recovered partition over, brings about what is wanted of it, and opens the gates; `all` is
    /// everything that was ever wanted.
    fn resume(&self, recovered: Recovered, wanted: &Setup, all: &Setup) -> Result<Running, StartError> {
        let mut owned = recovered.take_over(&self.options.node, wanted)?;
        // What was durable and not told is told as one difference.
        self.inner.durable.store(owned.world.position, Ordering::Release);
        self.inner.market_data.reset(seeds(&owned.world));
        owned.forget_market();
        let directory = self.inner.renew_directory(&owned.world, all);
        let running = owned.run(&self.surroundings, &directory)?;
        self.inner.set_gate(Gate::Open(Gates::of(&running)));
        Ok(running)
    }

    fn rebuild(&self) -> Result<Running, StartError> {
        self.interrupt();
        // Failures that the dying actors told after the first are part of it; a wish to end is not.
        if self.failures.try_iter().filter(|failure| matches!(failure, Failure::Shutdown)).count() > 0 {
            self.inner.failures.try_send(Failure::Shutdown).ok();
        }
        let recovered = recover(&self.options.storage, self.inner.read_store.clone())?;
        // All of the setup is in the journal, and behind it what operators have changed since.
        let running = self.resume(recovered, &Setup::default(), &self.setup)?;
        *lock(&self.inner.status) = Status::Ready;
        self.inner.rebuilds.fetch_add(1, Ordering::Release);
        gauge!("rialto_ready").set(1.0);
        Ok(running)
    }

    fn interrupt(&self) {
        for worker in &self.surroundings.workers {
            worker.send(WorkerEvent::Interrupted);
        }
    }
}
