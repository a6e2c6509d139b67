//! Webhooks: telling tenants what happened to their transactions.
//!
//! The engine lets out one event of a transaction at a time and the next when that one was taken, so that
//! a tenant hears of each transaction in order; it lets an event out again when its timer says so. Here is
//! only the carrying: a bounded queue per tenant, so many under way at once, a deadline for each. What has no
//! room is dropped and counted. A tenant that hangs slows no other one.

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, select};
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use metrics::counter;
use rialto_engine::ids::{TenantId, TransactionId};
use rialto_engine::transaction::{TransactionCommand, TransactionEvent};
use rialto_engine::units::Nanos;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::outlets::Notices;
use crate::rails::RailFault;
use crate::rails::returns::{Returns, Sink};

/// Tells a tenant's systems of events.
pub trait Messenger: Send + Sync {
    /// Tells of one. It may be told more than once.
    ///
    /// # Errors
    /// Whatever is not a clear sign that it was taken.
    fn tell<'a>(&'a self, tenant: TenantId, event: &'a TransactionEvent) -> BoxFuture<'a, Result<(), RailFault>>;
}

/// How messengers are used.
#[derive(Clone)]
pub struct WebhookOptions {
    /// How many events of a tenant may wait.
    pub queue: usize,
    /// How many of a tenant may be under way at once.
    pub in_flight: usize,
    /// How long one may take.
    pub deadline: Duration,
    /// How many acknowledgements may wait for a busy exchange.
    pub returns: usize,
    /// Takes the acknowledgements.
    pub sink: Sink,
}

impl WebhookOptions {
    /// Defaults, with where acknowledgements go.
    #[must_use]
    pub fn new(sink: Sink) -> Self {
        Self { queue: 1_024, in_flight: 8, deadline: Duration::from_secs(5), returns: 16_384, sink }
    }
}

/// Webhooks that run. Dropping it lets them go without waiting.
pub struct Webhooks {
    stop: Sender<()>,
    threads: Vec<JoinHandle<()>>,
}

impl Webhooks {
    /// Starts telling the tenants that have a messenger of the events in `notices`; metrics know them by
    /// their names. Tenants that have none
    /// should have their notification off; their events are dropped.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn start(
        options: WebhookOptions,
        messengers: Vec<(TenantId, String, Arc<dyn Messenger>)>,
        notices: Notices,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = crossbeam_channel::bounded(0);
        let (returns, carrier) = Returns::start(Arc::clone(&options.sink), options.returns, stopped.clone())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut queues = HashMap::new();
        let mut tenants = FuturesUnordered::new();
        for (tenant, name, messenger) in messengers {
            let (sender, queue) = mpsc::channel(options.queue.max(1));
            queues.insert(tenant, sender);
            let told = Told { tenant, name, messenger, returns: returns.clone(), deadline: options.deadline };
            tenants.push(told.run(queue, options.in_flight.max(1)));
        }
        let run = move || runtime.block_on(async move { while tenants.next().await.is_some() {} });
        let speaker = std::thread::Builder::new().name("rialto-webhooks".to_owned()).spawn(run)?;
        let run = move || dispatch(&queues, &notices, &stopped);
        let dispatcher = std::thread::Builder::new().name("rialto-notices".to_owned()).spawn(run)?;
        Ok(Self { stop, threads: vec![carrier, speaker, dispatcher] })
    }

    /// Stops them. What is under way is given up, and told again after the next start.
    pub fn stop(self) {
        drop(self.stop);
        for thread in self.threads {
            // A panic in it was told by the thread itself.
            thread.join().ok();
        }
    }
}

fn dispatch(queues: &HashMap<TenantId, mpsc::Sender<TransactionEvent>>, notices: &Notices, stopped: &Receiver<()>) {
    let dropped = |why| counter!("rialto_webhooks_dropped_total", "why" => why);
    let (full, unwanted) = (dropped("full"), dropped("no_messenger"));
    loop {
        let can_come = select! {
            recv(stopped) -> _ => return,
            recv(notices.signal()) -> told => told.is_ok(),
        };
        while let Some((tenant, event)) = notices.try_recv() {
            match queues.get(&tenant) {
                None => unwanted.increment(1),
                Some(queue) if queue.try_send(event).is_err() => full.increment(1),
                Some(_) => {}
            }
        }
        if !can_come {
            return;
        }
    }
}

/// A tenant that is told of events.
struct Told {
    tenant: TenantId,
    name: String,
    messenger: Arc<dyn Messenger>,
    returns: Returns,
    deadline: Duration,
}

type Ended = (TransactionEvent, Result<(), RailFault>);

impl Told {
    async fn run(self, mut queue: mpsc::Receiver<TransactionEvent>, in_flight: usize) {
        // The engine lets an event out again while it is still being told here: once is enough.
        let mut busy: HashSet<TransactionId> = HashSet::new();
        let mut telling = FuturesUnordered::new();
        loop {
            tokio::select! {
                Some((event, result)) = telling.next(), if !telling.is_empty() => {
                    self.finish(&mut busy, &event, result);
                }
                event = queue.recv(), if telling.len() < in_flight => {
                    let Some(event) = event else { return };
                    if busy.insert(event.transaction.number) {
                        telling.push(self.tell(event));
                    }
                }
            }
        }
    }

    fn tell(&self, event: TransactionEvent) -> BoxFuture<'static, Ended> {
        let (messenger, tenant, deadline) = (Arc::clone(&self.messenger), self.tenant, self.deadline);
        Box::pin(async move {
            let told = timeout(deadline, AssertUnwindSafe(messenger.tell(tenant, &event)).catch_unwind()).await;
            let result = match told {
                Err(_) => Err(RailFault::Timeout),
                Ok(Err(_)) => Err(RailFault::Broken),
                Ok(Ok(result)) => result,
            };
            (event, result)
        })
    }

    fn finish(&self, busy: &mut HashSet<TransactionId>, event: &TransactionEvent, result: Result<(), RailFault>) {
        let transaction = event.transaction.number;
        busy.remove(&transaction);
        let outcome = result.as_ref().map_or_else(RailFault::name, |()| "taken");
        let labels = [("tenant", self.name.clone()), ("outcome", outcome.to_owned())];
        counter!("rialto_webhooks_total", &labels).increment(1);
        match result {
            Ok(()) => {
                let command = TransactionCommand::Acknowledge { transaction, event: event.sequence, time: Nanos::ZERO };
                self.returns.hand(self.tenant, command);
            }
            Err(fault) => {
                tracing::debug!(tenant = %self.tenant, id = %event.transaction.id, %fault, "an event was not taken");
            }
        }
    }
}
