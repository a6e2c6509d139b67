//! The channel of one rail: a bulkhead with a thread of its own.
//!
//! Calls wait in a bounded queue; so many are under way at once, at most one of each transaction. Each has
//! a deadline. A fault that passes is retried at once with full jitter a few times within it; after that the
//! timer of the transaction asks again. While the breaker is open nothing is asked at all, the channel is not even
//! woken, and the rail's gate keeps timers from running out for nothing ([`super::gates`]).

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use metrics::{Counter, Gauge, counter, gauge};
use rialto_engine::ids::{RailId, TenantId, TransactionId};
use rialto_engine::transaction::{
    Ask, Body, RailCall, Report, Stage, Transaction, TransactionCommand, TransactionState,
};
use rialto_engine::units::Nanos;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout_at};

use crate::clock;
use crate::metrics as own_metrics;
use crate::rails::breaker::{Admission, Breaker, BreakerOptions, BreakerState};
use crate::rails::gates::{Gate, Gates};
use crate::rails::{RailAdapter, RailFault, RailSetup, Shared};

/// How a rail is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelOptions {
    /// How many calls may wait.
    pub queue: usize,
    /// How many may be under way at once.
    pub in_flight: usize,
    /// How long one may take, its retries included. Below `first` of the policies of deposits and
    /// withdrawals, so that the next question is not asked before the last one has ended.
    pub deadline: Duration,
    /// How often one is tried within its deadline.
    pub tries: u32,
    /// The longest wait before the second try; twice as long before the next.
    pub retry_within: Duration,
    /// How far the rail's clock may be from ours.
    pub clock_skew: Duration,
    /// When to ask how a transaction stands that was merely accepted; zero for not before its timer.
    pub look_again: Duration,
    /// When the rail is left alone.
    pub breaker: BreakerOptions,
}

impl Default for ChannelOptions {
    fn default() -> Self {
        Self {
            queue: 1_024,
            in_flight: 32,
            deadline: Duration::from_secs(5),
            tries: 3,
            retry_within: Duration::from_millis(200),
            clock_skew: Duration::from_secs(5),
            look_again: Duration::from_secs(1),
            breaker: BreakerOptions::default(),
        }
    }
}

/// Where calls for a channel go.
#[derive(Debug)]
pub struct ChannelSender {
    place: (TenantId, RailId),
    queue: mpsc::Sender<Work>,
    gates: Gates,
    full: Counter,
    shed: Counter,
}

impl ChannelSender {
    /// Takes a call if there is room, and if it can be made or given to another rail. It never waits.
    pub fn offer(&self, call: RailCall) {
        let (tenant, rail) = self.place;
        let is_left_alone = self.gates.of(tenant, rail).is_some_and(|gate| gate.is_left_alone);
        if is_left_alone && !may_change_rail(&call) {
            self.shed.increment(1);
            return;
        }
        if self.queue.try_send(Work { call, since: Instant::now(), is_second_look: false }).is_err() {
            self.full.increment(1);
        }
    }
}

#[derive(Debug)]
struct Work {
    call: RailCall,
    since: Instant,
    /// Whether the channel asks by itself.
    is_second_look: bool,
}

/// A call that has ended.
struct Done {
    work: Work,
    admission: Admission,
    began: Instant,
    result: Result<Vec<Report>, RailFault>,
}

type Calls = FuturesUnordered<Pin<Box<dyn Future<Output = Done>>>>;
type Looks = FuturesUnordered<Pin<Box<dyn Future<Output = Work>>>>;

/// The channel, on its thread.
pub struct Channel {
    tenant: TenantId,
    rail: RailId,
    name: String,
    options: ChannelOptions,
    adapter: Arc<dyn RailAdapter>,
    shared: Arc<Shared>,
    breaker: Breaker,
    /// What the router and the gauge were last told.
    told: BreakerState,
    /// The transactions that something is asked about, and what is to be asked next.
    busy: HashMap<TransactionId, Option<Work>>,
    calls: Calls,
    /// Second looks that wait for their time.
    looks: Looks,
    jitter: Jitter,
    meters: Meters,
}

impl Channel {
    /// Starts the channel. It ends when its sender is dropped, and gives up what is under way.
    pub(crate) fn start(setup: RailSetup, shared: Arc<Shared>) -> std::io::Result<(ChannelSender, JoinHandle<()>)> {
        let (sender, queue) = mpsc::channel(setup.options.queue.max(1));
        let meters = Meters::new(setup.tenant_name, &setup.name);
        let sender = ChannelSender {
            place: (setup.tenant, setup.terms.rail),
            queue: sender,
            gates: shared.gates.clone(),
            full: meters.dropped("full"),
            shed: meters.shed.clone(),
        };
        shared.gates.tell_by(setup.tenant, setup.terms.rail, meters.held.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name(format!("rail-{}", setup.name));
        let run = move || {
            let channel = Self {
                tenant: setup.tenant,
                rail: setup.terms.rail,
                breaker: Breaker::new(setup.options.breaker),
                name: setup.name,
                options: setup.options,
                adapter: setup.adapter,
                shared,
                told: BreakerState::Closed,
                busy: HashMap::new(),
                calls: Calls::new(),
                looks: Looks::new(),
                jitter: Jitter::new(),
                meters,
            };
            runtime.block_on(channel.run(queue));
        };
        Ok((sender, thread.spawn(run)?))
    }

    async fn run(mut self, mut queue: mpsc::Receiver<Work>) {
        loop {
            let has_room = self.busy.len() < self.options.in_flight.max(1);
            let pause = self.pause();
            tokio::select! {
                Some(done) = self.calls.next(), if !self.calls.is_empty() => self.finish(done),
                Some(work) = self.looks.next(), if has_room && !self.looks.is_empty() => self.take(work),
                work = queue.recv(), if has_room => match work {
                    Some(work) => self.take(work),
                    None => return,
                },
                // A pause ends without anybody calling; the router must hear of it.
                () = sleep(pause), if self.told == BreakerState::Open => {}
            }
            self.tell_breaker();
            self.meters.in_flight.set(own_metrics::lossy(self.busy.len() as u64));
        }
    }

    /// How long the breaker still leaves the rail alone.
    fn pause(&self) -> Duration {
        let until = self.breaker.open_until().unwrap_or_default();
        Duration::from_nanos(until.saturating_sub(clock::monotonic()))
    }

    /// Begins with a call, unless it is too late, or the rail is left alone. What is asked of a transaction
    /// that is being asked about waits; of two that wait the younger one counts.
    fn take(&mut self, work: Work) {
        if let Some(next) = self.busy.get_mut(&work.call.transaction.number) {
            if !work.is_second_look {
                *next = Some(work);
            }
            return;
        }
        if work.since.elapsed() > self.options.deadline || self.is_expired(&work.call) {
            self.meters.late.increment(1);
            return;
        }
        match self.breaker.admit(clock::monotonic()) {
            Some(admission) => self.begin(work, admission),
            None => {
                self.meters.shed.increment(1);
                self.turn_away(&work.call);
            }
        }
    }

    fn begin(&mut self, work: Work, admission: Admission) {
        self.busy.insert(work.call.transaction.number, None);
        let adapter = Arc::clone(&self.adapter);
        let options = self.options;
        let jitter = self.jitter.fork();
        let expires = self.expires(&work.call);
        self.calls.push(Box::pin(async move {
            let began = Instant::now();
            let result = ask(&*adapter, &work.call, expires, options, jitter).await;
            Done { work, admission, began, result }
        }));
    }

    fn finish(&mut self, done: Done) {
        let Done { work, admission, began, result } = done;
        let transaction = &work.call.transaction;
        self.breaker.settle(admission, clock::monotonic(), result.is_ok());
        if result.is_ok() {
            self.shared.gates.allow(self.tenant, self.rail, self.options.in_flight.saturating_sub(self.busy.len()));
        }
        self.meters.ended(work.call.ask, began, &result);
        let next = self.busy.remove(&transaction.number).flatten();
        if work.call.ask == Ask::Submit {
            let is_success = matches!(&result, Ok(reports) if !reports.contains(&Report::Rejected));
            self.shared.settle(self.tenant, self.rail, is_success);
        }
        match result {
            Ok(reports) => {
                self.look_again(&work, &reports);
                let next_does = next.as_ref().is_some_and(|next| next.call.ask != Ask::Query);
                self.tell(&work, reports, next_does);
            }
            Err(fault) => {
                tracing::debug!(rail = %self.name, id = %transaction.id, ask = ?work.call.ask, %fault, "no answer");
            }
        }
        if let Some(next) = next {
            self.take(next);
        }
    }

    /// Hands what the rail said to the wallet.
    fn tell(&self, work: &Work, reports: Vec<Report>, next_does: bool) {
        let transaction = &work.call.transaction;
        // The wallet keeps one that was accepted where it is.
        let may_move = transaction.stage != Stage::Accepted && !work.is_second_look;
        if reports == [Report::Rejected] && may_move && self.reroute(transaction) {
            return;
        }
        for report in reports {
            let is_unsure = next_does || work.is_second_look || !self.is_settled(&work.call);
            if report == Report::Unknown && is_unsure {
                continue;
            }
            self.report(transaction, report);
        }
    }

    fn report(&self, transaction: &Transaction, report: Report) {
        let (rail, id) = (self.rail, Some(transaction.id));
        let command = TransactionCommand::Report { rail, id, report, time: Nanos::ZERO };
        self.shared.returns.hand(self.tenant, command);
    }

    /// A call that was not made because the breaker is open. A withdrawal that is handed over for the first
    /// time cannot be known to this rail, and takes another one. Whatever may be known here stays here.
    fn turn_away(&self, call: &RailCall) {
        if may_change_rail(call) {
            self.reroute(&call.transaction);
        }
    }

    /// Gives a withdrawal that this rail has not carried out, and never will, to the next one, if there is
    /// one: it is first told as unknown here, so that the wallet may hand it over again.
    fn reroute(&self, transaction: &Transaction) -> bool {
        let Some(Body::Withdrawal { asset, amount, .. }) = transaction.body else { return false };
        if transaction.state != TransactionState::Open || !transaction.moved.is_zero() {
            return false;
        }
        let next = self.shared.reroute(self.tenant, transaction.number, self.rail, (asset, amount));
        let Some(rail) = next.filter(|rail| *rail != self.rail) else { return false };
        self.meters.rerouted.increment(1);
        self.report(transaction, Report::Unknown);
        let command = TransactionCommand::Reroute { transaction: transaction.number, rail, time: Nanos::ZERO };
        self.shared.returns.hand(self.tenant, command);
        true
    }

    /// Most of what is merely accepted is done a moment later.
    fn look_again(&self, work: &Work, reports: &[Report]) {
        let after = self.options.look_again;
        let room = self.looks.len() < self.options.in_flight * 8;
        if after.is_zero() || work.call.ask != Ask::Submit || reports != [Report::Accepted] || !room {
            return;
        }
        let call = RailCall { ask: Ask::Query, transaction: work.call.transaction.clone() };
        self.looks.push(Box::pin(async move {
            sleep(after).await;
            Work { call, since: Instant::now(), is_second_look: true }
        }));
    }

    /// When the rail must not begin any more: with what is to be carried out, a deadline after it was
    /// handed over; with anything else, one from now.
    fn expires(&self, call: &RailCall) -> Nanos {
        let from = if call.ask == Ask::Submit { call.transaction.changed } else { clock::wall() };
        Nanos(from.0.saturating_add(nanos(self.options.deadline)))
    }

    fn is_expired(&self, call: &RailCall) -> bool {
        self.expires(call) <= clock::wall()
    }

    /// Whether nothing that was handed over can still arrive: nobody has, since the last thing happened to
    /// it, and what was handed over then has expired by any clock.
    fn is_settled(&self, call: &RailCall) -> bool {
        let wait = nanos(self.options.deadline).saturating_add(nanos(self.options.clock_skew));
        call.transaction.changed.0.saturating_add(wait) < clock::wall().0
    }

    fn tell_breaker(&mut self) {
        let state = self.breaker.state(clock::monotonic());
        if state != self.told {
            tracing::warn!(rail = %self.name, tenant = %self.tenant, state = state.name(), "the breaker has changed");
            self.told = state;
            self.meters.breaker.set(own_metrics::lossy(state as u64));
            self.shared.tell_breaker(self.tenant, self.rail, state);
            self.set_gate(state);
        }
    }

    fn set_gate(&self, state: BreakerState) {
        let allowed = match state {
            BreakerState::Open => 0,
            BreakerState::HalfOpen => usize::try_from(self.options.breaker.trials.max(1)).unwrap_or(usize::MAX),
            BreakerState::Closed => self.options.in_flight.max(1),
        };
        let gate = Gate {
            longest: Nanos(self.options.breaker.longest),
            allowed,
            is_opening: state == BreakerState::Closed,
            is_left_alone: state == BreakerState::Open,
        };
        self.shared.gates.shut(self.tenant, self.rail, gate);
    }
}

impl Drop for Channel {
    /// What is not asked any more holds no timer back.
    fn drop(&mut self) {
        self.shared.gates.open(self.tenant, self.rail);
    }
}

/// Whether a call hands something over for the first time that may take another rail: a withdrawal, opened and sent. A
/// later call has more events behind it.
fn may_change_rail(call: &RailCall) -> bool {
    let transaction = &call.transaction;
    let is_first = call.ask == Ask::Submit && transaction.events <= 2 && transaction.attempts == 0;
    is_first && matches!(transaction.body, Some(Body::Withdrawal { .. }))
}

/// Asks until there is an answer, a fault that does not pass, or no time.
async fn ask(
    adapter: &dyn RailAdapter,
    call: &RailCall,
    expires: Nanos,
    options: ChannelOptions,
    mut jitter: Jitter,
) -> Result<Vec<Report>, RailFault> {
    let end = Instant::now() + options.deadline;
    let mut within = options.retry_within;
    let mut tries = 1;
    loop {
        let asked = AssertUnwindSafe(adapter.ask(call, expires)).catch_unwind();
        let fault = match timeout_at(end, asked).await {
            Err(_) => return Err(RailFault::Timeout),
            Ok(Err(_)) => return Err(RailFault::Broken),
            Ok(Ok(Ok(reports))) => return Ok(reports),
            Ok(Ok(Err(fault))) => fault,
        };
        let wait = jitter.up_to(within);
        if !fault.is_passing() || tries >= options.tries || Instant::now() + wait >= end {
            return Err(fault);
        }
        sleep(wait).await;
        within *= 2;
        tries += 1;
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Waits that differ, so that those who failed together do not come back together.
struct Jitter(u64);

impl Jitter {
    fn new() -> Self {
        // The one source of chance in the standard library.
        Self(RandomState::new().hash_one(0_u8))
    }

    fn fork(&mut self) -> Self {
        Self(self.next())
    }

    fn up_to(&mut self, longest: Duration) -> Duration {
        let span = nanos(longest).saturating_add(1);
        Duration::from_nanos(self.next() % span)
    }

    /// SplitMix64.
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// The metrics of a rail.
struct Meters {
    tenant: String,
    rail: String,
    late: Counter,
    shed: Counter,
    rerouted: Counter,
    in_flight: Gauge,
    breaker: Gauge,
    /// Set by whoever holds timers back.
    held: Gauge,
}

impl Meters {
    fn new(tenant: String, rail: &str) -> Self {
        let rail = rail.to_owned();
        let labels = [("tenant", tenant.clone()), ("rail", rail.clone())];
        Self {
            late: dropped(&tenant, &rail, "late"),
            shed: dropped(&tenant, &rail, "breaker"),
            rerouted: counter!("rialto_rail_rerouted_total", &labels),
            in_flight: gauge!("rialto_rail_in_flight", &labels),
            breaker: gauge!("rialto_rail_breaker", &labels),
            held: gauge!("rialto_timers_held", &labels),
            tenant,
            rail,
        }
    }

    fn dropped(&self, why: &'static str) -> Counter {
        dropped(&self.tenant, &self.rail, why)
    }

    fn ended(&self, ask: Ask, began: Instant, result: &Result<Vec<Report>, RailFault>) {
        let ask = match ask {
            Ask::Submit => "submit",
            Ask::Query => "query",
            Ask::Cancel => "cancel",
        };
        let outcome = result.as_ref().map_or_else(RailFault::name, |_| "answered");
        let (tenant, rail) = (self.tenant.clone(), self.rail.clone());
        let labels = [("tenant", tenant), ("rail", rail), ("ask", ask.to_owned()), ("outcome", outcome.to_owned())];
        counter!("rialto_rail_calls_total", &labels).increment(1);
        counter!("rialto_rail_call_nanoseconds_total", &labels).increment(nanos(began.elapsed()));
    }
}

fn dropped(tenant: &str, rail: &str, why: &'static str) -> Counter {
    let labels = [("tenant", tenant.to_owned()), ("rail", rail.to_owned()), ("why", why.to_owned())];
    counter!("rialto_rail_calls_dropped_total", &labels)
}
