//! The edge's half of a thread: requests that wait for their answers, and who is told what.
//!
//! Each server thread has one worker, and everything of a worker happens on its thread. What the
//! exchange lets out comes through one feed and is handed on in batches. A [`Worker`] is a handle on it,
//! together with the gateway of the moment at which the work at hand began: see [`crate::generations`].

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use futures_util::StreamExt;
use rialto_actors::api::{Release, ReplyToken, Request, WorkerEvent};
use rialto_actors::feed::Feed;
use rialto_actors::{clock, metrics as actor_metrics};
use rialto_engine::ids::{AccountId, TenantId};
use rialto_engine::units::Nanos;
use tokio::sync::{oneshot, watch};

use crate::connection::{CloseCode, Connection};
use crate::error::ApiError;
use crate::gateway::Gateway;
use crate::generations::Generations;
use crate::rate_limits::budget::{Budget, Budgets};
use crate::streams::StreamHub;
use crate::user_stream::{self, Subscription};
use crate::ws_api::SocketWaiter;

/// Messages taken from the feed before the other tasks of the thread have their turn.
const BATCH: usize = 256;

/// What the buffer for replies keeps of its size at most.
const SCRATCH_BYTES: usize = 1 << 20;

/// What becomes of a request that a task waits for.
#[derive(Debug)]
pub enum Outcome {
    /// The answer, with what it let out.
    Released(Arc<Release>),
    /// Nobody knows.
    Unknown,
}

/// Who waits for an answer.
pub enum Waiter {
    /// A task.
    Task(oneshot::Sender<Outcome>),
    /// A connection: the answer is written to it without a task in between.
    Socket(SocketWaiter),
}

/// The edge's half of a thread, as it stands when the work at hand begins.
pub struct Worker {
    /// What all workers share. It stays as it is for as long as somebody holds this.
    pub gateway: Arc<Gateway>,
    /// The worker's connections that listen to markets.
    pub streams: Rc<StreamHub>,
    thread: Rc<Thread>,
}

/// Where the handle of now is found: whoever lives longer than a request holds this, and asks for the handle
/// when he begins something. It belongs to one thread.
pub struct Home(RefCell<Rc<Worker>>);

/// What stays, whatever is opened.
struct Thread {
    number: u16,
    generations: Generations,
    /// Tells whether there is another gateway than the newest that this thread knows.
    renewed: RefCell<watch::Receiver<Arc<Gateway>>>,
    slots: RefCell<Slots>,
    subscribers: RefCell<HashMap<(TenantId, AccountId), Vec<Subscription>>>,
    /// What clients may still ask, as far as this worker has met them.
    budgets: RefCell<Budgets>,
    /// Open connections, and whether they speak the WebSocket API.
    connections: RefCell<Vec<(Weak<Connection>, bool)>>,
    /// Where replies and events are formatted. Taken while in use.
    scratch: Cell<Vec<u8>>,
}

#[derive(Default)]
struct Slots {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

struct Slot {
    generation: u32,
    waiter: Option<Waiter>,
}

impl Home {
    /// Of a worker.
    #[must_use]
    pub fn new(worker: Rc<Worker>) -> Rc<Self> {
        Rc::new(Self(RefCell::new(worker)))
    }

    /// The handle of now. Whoever begins something asks for it once, and keeps it until that is done.
    #[must_use]
    pub fn worker(&self) -> Rc<Worker> {
        let mut worker = self.0.borrow_mut();
        // An error says that nobody can renew it any more.
        if worker.thread.renewed.borrow().has_changed().unwrap_or(false) {
            let gateway = Arc::clone(&worker.thread.renewed.borrow_mut().borrow_and_update());
            worker.streams.renew(Arc::clone(&gateway.directory));
            // Limits may be others.
            worker.thread.budgets.take();
            let (streams, thread) = (Rc::clone(&worker.streams), Rc::clone(&worker.thread));
            *worker = Rc::new(Worker { gateway, streams, thread });
        }
        Rc::clone(&worker)
    }

    /// Hands on what comes through the feed, until the exchange is gone.
    pub async fn run(self: Rc<Self>, feed: Feed<WorkerEvent>) {
        let mut signal = feed.signal();
        while signal.next().await.is_some() {
            let worker = self.worker();
            let now = clock::wall();
            for _ in 0..BATCH {
                let Some(event) = feed.next_message() else { break };
                match event {
                    WorkerEvent::Released(release) => worker.released(&release, now),
                    WorkerEvent::Market(event) => worker.streams.publish(&event),
                    WorkerEvent::Interrupted => worker.interrupted(),
                }
            }
        }
    }

    /// Keeps the thread's streams those of the gateway of now, also while nothing else happens on it.
    pub async fn keep_up(self: Rc<Self>) {
        let mut renewed = self.worker().generations().subscribe();
        while renewed.changed().await.is_ok() {
            drop(self.worker());
        }
    }
}

impl Worker {
    /// A worker of this number, which is that of its feed.
    #[must_use]
    pub fn new(generations: &Generations, number: u16) -> Rc<Self> {
        let mut renewed = generations.subscribe();
        let gateway = Arc::clone(&renewed.borrow_and_update());
        let streams = StreamHub::new(Arc::clone(&gateway.directory), gateway.exchange.market_data().clone());
        let thread = Rc::new(Thread {
            number,
            generations: generations.clone(),
            renewed: RefCell::new(renewed),
            slots: RefCell::default(),
            subscribers: RefCell::default(),
            budgets: RefCell::default(),
            connections: RefCell::default(),
            scratch: Cell::default(),
        });
        Rc::new(Self { gateway, streams, thread })
    }

    /// Where the gateway of now is found.
    #[must_use]
    pub fn generations(&self) -> &Generations {
        &self.thread.generations
    }

    /// What an address may ask of a tenant.
    pub fn budget(&self, tenant: Option<TenantId>, address: IpAddr, now: Nanos) -> Budget {
        self.thread.budgets.borrow_mut().of(&self.gateway.rate_limits, tenant, address, now)
    }

    /// Hands a request to a tenant's wallet. Whoever waits is told once, unless this fails.
    ///
    /// # Errors
    /// -1008 if there is no room, or the exchange does not run.
    pub fn submit(&self, tenant: TenantId, request: Request, waiter: Waiter) -> Result<(), ApiError> {
        let token = self.thread.slots.borrow_mut().put(self.thread.number, waiter);
        let submitted = self.gateway.exchange.submit(tenant, request, token, clock::monotonic());
        submitted.map_err(|refused| {
            self.thread.slots.borrow_mut().take(token);
            ApiError::from(refused)
        })
    }

    /// The same for a task: waits for the answer.
    ///
    /// # Errors
    /// As [`Self::submit`], and the unknown outcome.
    pub async fn ask(&self, tenant: TenantId, request: Request) -> Result<Arc<Release>, ApiError> {
        let (sender, receiver) = oneshot::channel();
        self.submit(tenant, request, Waiter::Task(sender))?;
        match receiver.await {
            Ok(Outcome::Released(release)) => Ok(release),
            Ok(Outcome::Unknown) | Err(_) => Err(ApiError::outcome_unknown()),
        }
    }

    /// Tells a connection what happens to an account, until it is closed or unsubscribes.
    pub fn subscribe(&self, tenant: TenantId, account: AccountId, subscription: Subscription) {
        self.thread.subscribers.borrow_mut().entry((tenant, account)).or_default().push(subscription);
    }

    /// Ends subscriptions of a connection: that of an id, or all.
    pub fn unsubscribe(&self, tenant: TenantId, account: AccountId, connection: &Rc<Connection>, id: Option<u32>) {
        let mut subscribers = self.thread.subscribers.borrow_mut();
        if let Some(of_account) = subscribers.get_mut(&(tenant, account)) {
            of_account.retain(|other| {
                !Rc::ptr_eq(&other.connection, connection) || id.is_some_and(|id| other.id != Some(id))
            });
            if of_account.is_empty() {
                subscribers.remove(&(tenant, account));
            }
        }
    }

    /// Takes note of a new connection, which is told when the server goes.
    pub fn adopt(&self, connection: &Rc<Connection>, is_api: bool) {
        let mut connections = self.thread.connections.borrow_mut();
        if connections.len() == connections.capacity() {
            connections.retain(|(connection, _)| connection.strong_count() > 0);
        }
        connections.push((Rc::downgrade(connection), is_api));
    }

    /// Tells every connection that the server goes, and closes it.
    pub fn close_connections(&self) {
        let event = format!("{{\"event\":{{\"e\":\"serverShutdown\",\"E\":{}}}}}", clock::wall().millis());
        for (connection, is_api) in self.thread.connections.take() {
            let Some(connection) = connection.upgrade() else { continue };
            if is_api {
                connection.send(event.as_bytes());
            }
            connection.close(CloseCode::Away, "the server goes");
        }
    }

    /// Formats something in the worker's buffer and hands it on.
    pub fn format<T>(&self, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let mut scratch = self.thread.scratch.take();
        scratch.clear();
        let result = write(&mut scratch);
        if scratch.capacity() <= SCRATCH_BYTES {
            self.thread.scratch.set(scratch);
        }
        result
    }

    fn released(&self, release: &Arc<Release>, now: Nanos) {
        // Every worker is told of every trade; one of them takes note of it.
        if self.thread.number == 0 {
            self.gateway.rate_limits.traded(release.tenant, &release.updates, now);
        }
        let mut cancel_id = None;
        if let Some((token, _)) = &release.answer
            && token.worker == self.thread.number
        {
            let waiter = self.thread.slots.borrow_mut().take(*token);
            match waiter {
                Some(Waiter::Task(sender)) => {
                    // A client that went away no longer waits.
                    sender.send(Outcome::Released(Arc::clone(release))).ok();
                }
                Some(Waiter::Socket(waiter)) => {
                    cancel_id = waiter.pending.cancel_id();
                    waiter.answer(self, Some(release));
                }
                None => {}
            }
            actor_metrics::answered(&release.stamps, clock::monotonic());
        }
        if !release.updates.is_empty() || !release.balances.is_empty() {
            let subscribers = self.thread.subscribers.borrow();
            if !subscribers.is_empty() {
                user_stream::tell(self, &subscribers, release, cancel_id.as_ref(), now);
            }
        }
    }

    /// Whatever is unanswered has an unknown outcome.
    fn interrupted(&self) {
        let waiters = self.thread.slots.borrow_mut().take_all();
        for waiter in waiters {
            match waiter {
                Waiter::Task(sender) => {
                    sender.send(Outcome::Unknown).ok();
                }
                Waiter::Socket(waiter) => waiter.answer(self, None),
            }
        }
    }
}

impl Slots {
    fn put(&mut self, worker: u16, waiter: Waiter) -> ReplyToken {
        let number = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, waiter: None });
            // The permits bound how many are in use, far below 2^32.
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        let slot = &mut self.slots[number as usize];
        slot.waiter = Some(waiter);
        ReplyToken { worker, slot: number, generation: slot.generation }
    }

    /// Who waits at a slot, if it was not given away since.
    fn take(&mut self, token: ReplyToken) -> Option<Waiter> {
        let slot = self.slots.get_mut(token.slot as usize)?;
        if slot.generation != token.generation {
            return None;
        }
        let waiter = slot.waiter.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(token.slot);
        Some(waiter)
    }

    fn take_all(&mut self) -> Vec<Waiter> {
        let mut waiters = Vec::new();
        for (number, slot) in (0..).zip(&mut self.slots) {
            if let Some(waiter) = slot.waiter.take() {
                slot.generation = slot.generation.wrapping_add(1);
                self.free.push(number);
                waiters.push(waiter);
            }
        }
        waiters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiter() -> (Waiter, oneshot::Receiver<Outcome>) {
        let (sender, receiver) = oneshot::channel();
        (Waiter::Task(sender), receiver)
    }

    #[test]
    fn a_slot_that_was_given_away_again_does_not_take_an_old_answer() {
        let mut slots = Slots::default();
        let first = slots.put(3, waiter().0);
        assert_eq!((first.worker, first.slot, first.generation), (3, 0, 0));
        assert!(slots.take(first).is_some());
        assert!(slots.take(first).is_none(), "answered once");
        let second = slots.put(3, waiter().0);
        assert_eq!((second.slot, second.generation), (0, 1));
        assert!(slots.take(first).is_none(), "an old answer");
        assert!(slots.take(second).is_some());
    }

    #[test]
    fn an_interruption_empties_every_slot() {
        let mut slots = Slots::default();
        let tokens: Vec<ReplyToken> = (0..5).map(|_| slots.put(0, waiter().0)).collect();
        slots.take(tokens[2]);
        assert_eq!(slots.take_all().len(), 4);
        assert!(tokens.into_iter().all(|token| slots.take(token).is_none()));
        assert_eq!(slots.put(0, waiter().0).generation, 1);
    }
}
