//! Feeds: bounded lock-free queues into an actor, drained in batches.
//!
//! The actor is woken only when it is asleep, so that under load a message costs one queue
//! operation and no wake-up. A feed yields to the other actors of its arbiter after every batch:
//! a flooded actor must not starve its neighbours.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::task::{Context, Poll};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError};
use futures_util::Stream;
use futures_util::task::AtomicWaker;

/// The limit of a feed whose queue keeps its own.
const NO_LIMIT: usize = usize::MAX;
/// How long a sender waits before it looks again whether a full sparse feed has room.
const FULL_WAIT: Duration = Duration::from_micros(50);

/// The sending end. Cheap to clone.
#[derive(Debug)]
pub struct FeedSender<T> {
    queue: Sender<T>,
    /// What a sparse feed holds at most; the queue of any other knows by itself.
    limit: usize,
    wake: Arc<Wake>,
}

impl<T> Clone for FeedSender<T> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone(), limit: self.limit, wake: Arc::clone(&self.wake) }
    }
}

/// The receiving end, drained by its actor.
#[derive(Debug)]
pub struct Feed<T> {
    queue: Receiver<T>,
    wake: Arc<Wake>,
}

/// Tells the actor that its feed holds something: add it with `add_stream`.
#[derive(Debug)]
pub struct FeedSignal<T> {
    queue: Receiver<T>,
    wake: Arc<Wake>,
    told: bool,
}

/// The feed holds something.
#[derive(Debug)]
pub struct FeedReady;

#[derive(Debug, Default)]
struct Wake {
    waker: AtomicWaker,
    asleep: AtomicBool,
}

/// A feed that holds at most `capacity` messages.
#[must_use]
pub fn feed<T>(capacity: usize) -> (FeedSender<T>, Feed<T>) {
    over(crossbeam_channel::bounded(capacity), NO_LIMIT)
}

/// The same for a feed that is mostly empty: it takes memory for what it holds, not for what it
/// might. An idle book of one market among thousands must not cost the megabytes of its ring.
///
/// Senders that meet at the limit may each put one message beyond it.
#[must_use]
pub fn sparse_feed<T>(capacity: usize) -> (FeedSender<T>, Feed<T>) {
    // The queue itself has no bound; `try_send` keeps it.
    over(crossbeam_channel::unbounded(), capacity)
}

fn over<T>((sender, receiver): (Sender<T>, Receiver<T>), limit: usize) -> (FeedSender<T>, Feed<T>) {
    let wake = Arc::new(Wake::default());
    (FeedSender { queue: sender, limit, wake: Arc::clone(&wake) }, Feed { queue: receiver, wake })
}

impl<T> FeedSender<T> {
    /// Puts a message in, or gives it back if the feed is full or its actor is gone.
    ///
    /// # Errors
    /// The message.
    pub fn try_send(&self, message: T) -> Result<(), T> {
        self.put(message).map_err(TrySendError::into_inner)
    }

    /// Puts a message in and waits while the feed is full. Only for threads that may wait, and
    /// receivers that never wait for them. A message to an actor that is gone is dropped.
    pub fn send(&self, mut message: T) {
        while let Err(TrySendError::Full(refused)) = self.put(message) {
            // Woken first: a full feed whose actor sleeps would otherwise wait for ever.
            self.wake.waker.wake();
            if self.limit == NO_LIMIT {
                if self.queue.send(refused).is_ok() {
                    self.wake.wake();
                }
                return;
            }
            std::thread::sleep(FULL_WAIT);
            message = refused;
        }
    }

    fn put(&self, message: T) -> Result<(), TrySendError<T>> {
        if self.limit != NO_LIMIT && self.queue.len() >= self.limit {
            return Err(TrySendError::Full(message));
        }
        self.queue.try_send(message)?;
        self.wake.wake();
        Ok(())
    }

    /// Whether a sparse feed has room for messages that nothing else bounds: three quarters of it
    /// are kept for those that hold permits.
    #[must_use]
    pub fn has_spare_room(&self) -> bool {
        self.queue.len() < self.limit / 4
    }

    /// How many messages wait.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.queue.len()
    }
}

impl<T> Feed<T> {
    /// The next message, if there is one.
    pub fn next_message(&self) -> Option<T> {
        self.queue.try_recv().ok()
    }

    /// The signal that wakes the actor.
    #[must_use]
    pub fn signal(&self) -> FeedSignal<T> {
        FeedSignal { queue: self.queue.clone(), wake: Arc::clone(&self.wake), told: false }
    }
}

impl Wake {
    fn wake(&self) {
        // Pairs with the fence in `poll_next`: either this thread sees the actor asleep, or the
        // actor sees the message.
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::AcqRel) {
            self.waker.wake();
        }
    }
}

impl<T> Stream for FeedSignal<T> {
    type Item = FeedReady;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<FeedReady>> {
        if std::mem::take(&mut self.told) && !self.queue.is_empty() {
            // More is there after a batch: come back after the neighbours had their turn.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.queue.is_empty() {
            self.wake.waker.register(context.waker());
            self.wake.asleep.store(true, Ordering::Release);
            fence(Ordering::SeqCst);
            if self.queue.is_empty() {
                return Poll::Pending;
            }
            self.wake.asleep.store(false, Ordering::Release);
        }
        self.told = true;
        Poll::Ready(Some(FeedReady))
    }
}

impl<T> Unpin for FeedSignal<T> {}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt;

    #[test]
    fn a_full_feed_gives_the_message_back() {
        for (sender, feed) in [feed(1), sparse_feed(1)] {
            gives_back(&sender, &feed);
        }
    }

    #[test]
    fn a_message_to_an_actor_that_is_gone_is_dropped() {
        for (sender, feed) in [feed(1), sparse_feed(1)] {
            sender.send(1);
            drop(feed);
            sender.send(2);
            assert_eq!(sender.try_send(3), Err(3));
        }
    }

    fn gives_back(sender: &FeedSender<u8>, feed: &Feed<u8>) {
        assert_eq!(sender.try_send(1), Ok(()));
        assert_eq!(sender.try_send(2), Err(2));
        assert_eq!(feed.next_message(), Some(1));
        assert_eq!(feed.next_message(), None);
    }

    #[test]
    fn every_message_is_seen_whatever_the_timing() {
        for (sender, feed) in [feed(8), sparse_feed(8)] {
            sees_all(sender, &feed);
        }
    }

    fn sees_all(sender: FeedSender<u32>, feed: &Feed<u32>) {
        let producer = std::thread::spawn(move || (0..100_000).for_each(|number| sender.send(number)));
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
        runtime.block_on(async {
            let mut signal = feed.signal();
            let mut expected = 0;
            while expected < 100_000 {
                signal.next().await;
                while let Some(number) = feed.next_message() {
                    assert_eq!(number, expected);
                    expected += 1;
                }
            }
        });
        producer.join().expect("the producer ends");
    }
}
