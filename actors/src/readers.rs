//! The threads that answer questions about the past.
//!
//! A question runs on one of them as a whole, from the read store to the bytes of its answer: whoever serves orders
//! only carries it there, and the answer back. They run when nothing else does, so that who reads does not keep
//! those waiting who trade; see [`priority::run_when_idle`].
//!
//! A bounded number of questions waits, and the first to come is the first to be answered. Each is as of what was
//! durable when it came. Those behind it came later and need at least as much, so that a question that waits for
//! the read store keeps nobody from an answer. Questions are the first thing that is given up; see
//! [`crate::shedding`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use metrics::{Counter, counter, gauge};
use rialto_persistence::read_store::ReadStore;
use tokio::sync::oneshot;

use crate::metrics::lossy;
use crate::priority;
use crate::shedding::Sheddable;

/// Questions that may wait for a thread. Whoever comes beyond that is refused at once.
const WAITING: usize = 256;
/// How long a question waits for the read store. Then it is answered with what is there.
const PATIENCE: Duration = Duration::from_secs(2);
/// Even one processor has so many: a long question must not keep all others waiting.
const THREADS_MIN: usize = 2;

/// The threads, which end with it.
pub struct Readers {
    questions: Sender<Question>,
    shed: Counter,
}

/// Too much is under way for questions about the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shed;

struct Question {
    store: ReadStore,
    /// What the store must have reached, and until when it is waited for.
    position: u64,
    until: Instant,
    answer: Box<dyn FnOnce(&ReadStore) + Send>,
}

impl Readers {
    /// Starts them.
    ///
    /// # Errors
    /// What the system says if it has no threads left.
    pub fn start() -> std::io::Result<Self> {
        let (sender, receiver) = crossbeam_channel::bounded(WAITING);
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        for _ in 0..processors.max(THREADS_MIN) {
            let receiver = receiver.clone();
            std::thread::Builder::new().name("rialto-reader".to_owned()).spawn(move || answer_all(&receiver))?;
        }
        Ok(Self { questions: sender, shed: counter!("rialto_shed_total", "what" => Sheddable::History.name()) })
    }

    /// Has a question answered once the store has reached a position. The answer does not come if the question
    /// panics, and if nobody waits for it any more it is not made.
    ///
    /// # Errors
    /// If too many wait.
    pub fn ask<Answer: Send + 'static>(
        &self,
        store: &ReadStore,
        position: u64,
        question: impl FnOnce(&ReadStore) -> Answer + Send + 'static,
    ) -> Result<oneshot::Receiver<Answer>, Shed> {
        let (sender, receiver) = oneshot::channel();
        let answer = move |store: &ReadStore| {
            if !sender.is_closed() {
                // Whoever has asked may go while it is answered.
                sender.send(question(store)).ok();
            }
        };
        let until = Instant::now() + PATIENCE;
        let question = Question { store: store.clone(), position, until, answer: Box::new(answer) };
        self.questions.try_send(question).map_err(|_| self.refuse())?;
        Ok(receiver)
    }

    /// Takes note of a question that is given up.
    pub fn refuse(&self) -> Shed {
        self.shed.increment(1);
        Shed
    }

    /// Publishes how many wait.
    pub fn sample_metrics(&self) {
        gauge!("rialto_queue_depth", "queue" => "readers").set(lossy(self.questions.len() as u64));
        gauge!("rialto_queue_capacity", "queue" => "readers").set(lossy(WAITING as u64));
    }
}

fn answer_all(questions: &Receiver<Question>) {
    priority::run_when_idle();
    while let Ok(Question { store, position, until, answer }) = questions.recv() {
        if !store.wait_for(position, until.saturating_duration_since(Instant::now())) {
            tracing::debug!(position, "the read store is behind");
        }
        // What it leaves behind is dropped: the store is only read.
        if catch_unwind(AssertUnwindSafe(|| answer(&store))).is_err() {
            tracing::error!("a question about the past panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (ReadStore, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("a folder");
        (ReadStore::open(&folder.path().join("read.redb"), 1 << 20).expect("opens"), folder)
    }

    #[test]
    fn a_question_that_panics_takes_nobody_with_it() {
        let (readers, (store, _folder)) = (Readers::start().expect("starts"), store());
        for _ in 0..64 {
            let answer = readers.ask(&store, 0, |_| -> u8 { panic!("on purpose") }).expect("is taken");
            assert!(answer.blocking_recv().is_err());
        }
        assert_eq!(readers.ask(&store, 0, |store| store.position()).expect("is taken").blocking_recv(), Ok(0));
    }

    #[test]
    fn a_question_sees_what_was_durable_when_it_came_and_does_not_wait_for_ever() {
        let (readers, (store, _folder)) = (Readers::start().expect("starts"), store());
        let late = readers.ask(&store, 7, |store| store.position()).expect("is taken");
        let never = readers.ask(&store, 8, |store| store.position()).expect("is taken");
        store.commit(&mut store.begin(), 7, false).expect("commits");
        assert_eq!(late.blocking_recv(), Ok(7));
        assert_eq!(never.blocking_recv(), Ok(7), "with what is there");
    }

    #[test]
    fn whoever_comes_when_too_many_wait_is_refused_at_once_and_later_ones_are_not() {
        let (readers, (store, _folder)) = (Readers::start().expect("starts"), store());
        let mut waiting = Vec::new();
        let refused = loop {
            match readers.ask(&store, 1, |store| store.position()) {
                Ok(answer) => waiting.push(answer),
                Err(shed) => break shed,
            }
            assert!(waiting.len() < 10_000, "there is an end");
        };
        assert_eq!(refused, Shed);
        assert!(waiting.len() >= WAITING, "{}", waiting.len());
        store.commit(&mut store.begin(), 1, false).expect("commits");
        for answer in waiting {
            assert_eq!(answer.blocking_recv(), Ok(1), "those that wait are answered");
        }
        assert!(readers.ask(&store, 1, |_| ()).is_ok());
    }

    #[test]
    fn a_question_whose_asker_is_gone_is_not_answered() {
        let (readers, (store, _folder)) = (Readers::start().expect("starts"), store());
        let (sender, asked) = crossbeam_channel::bounded(1);
        drop(readers.ask(&store, 1, move |_| sender.send(()).ok()));
        store.commit(&mut store.begin(), 1, false).expect("commits");
        assert!(asked.recv().is_err(), "the question was dropped and not asked");
    }
}
