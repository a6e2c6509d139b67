//! Rails: the ways that money takes to and from the outside world, each behind a bulkhead.
//!
//! What the journal writer lets out as [`RailCall`]s comes to the dispatcher, which gives each to the
//! channel of its tenant and rail and never waits: a full channel drops it, and the timer of its
//! transaction asks again. A [`channel`] has a thread of its own, a bounded queue, a bounded number of
//! calls under way, a deadline for each and a circuit breaker, so that a rail that hangs slows nobody
//! else. What a rail says comes back as commands by [`returns`]. [`route`] says which rail a deposit or
//! withdrawal takes.
//!
//! Nothing here knows how a rail is spoken to; that is a [`RailAdapter`].
//!
//! # What makes `Unknown` safe
//! A rail that does not know a transaction may get to know it a moment later, when a request arrives that
//! was slow. Every request to carry something out therefore names the time after which the rail must not
//! begin with it ([`RailAdapter::ask`]): the moment of the hand-over plus the channel's deadline. That the
//! rail knows nothing is only believed when that time, and an allowance for clocks that differ, are over.

pub mod breaker;
pub mod channel;
pub mod gates;
pub mod returns;
pub mod route;
pub mod window;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, select};
use futures_util::future::BoxFuture;
use metrics::counter;
use rialto_engine::ids::{AssetId, RailId, TenantId, TransactionId};
use rialto_engine::transaction::{RailCall, Report, TransactionKind};
use rialto_engine::units::{Amount, Nanos};

use crate::clock;
use crate::outlets::Calls;
use crate::rails::breaker::BreakerState;
use crate::rails::channel::{Channel, ChannelOptions, ChannelSender};
use crate::rails::gates::Gates;
use crate::rails::returns::{Returns, Sink};
use crate::rails::route::{NoRoute, RailStanding, RailTerms, RouteOptions, Router};

/// Speaks to one rail of one tenant.
pub trait RailAdapter: Send + Sync {
    /// Asks it something, and gives what it says, in order: nothing, if it says nothing that the wallet
    /// could use. `expires` is when the rail must not begin to carry it out any more.
    ///
    /// # Errors
    /// Whatever is not an answer. Nothing is guessed from it: what was asked may have been carried out.
    fn ask<'a>(&'a self, call: &'a RailCall, expires: Nanos) -> BoxFuture<'a, Result<Vec<Report>, RailFault>>;
}

/// Why there is no answer. The texts never hold secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RailFault {
    /// It took longer than it may.
    Timeout,
    /// No connection, or it broke.
    Unreachable(String),
    /// It said that it cannot at the moment.
    Busy(u16),
    /// It does not take our requests as they are.
    Refused(u16),
    /// What it said makes no sense.
    Malformed(String),
    /// We have a bug.
    Broken,
}

impl RailFault {
    /// A short name for metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Unreachable(_) => "unreachable",
            Self::Busy(_) => "busy",
            Self::Refused(_) => "refused",
            Self::Malformed(_) => "malformed",
            Self::Broken => "broken",
        }
    }

    /// Whether asking again at once may help.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Busy(_))
    }
}

impl fmt::Display for RailFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => formatter.write_str("no answer in time"),
            Self::Unreachable(why) => write!(formatter, "not reached: {why}"),
            Self::Busy(status) => write!(formatter, "busy, status {status}"),
            Self::Refused(status) => write!(formatter, "refused, status {status}"),
            Self::Malformed(why) => write!(formatter, "an answer without sense: {why}"),
            Self::Broken => formatter.write_str("the adapter panicked"),
        }
    }
}

impl std::error::Error for RailFault {}

/// A rail that is to run.
#[derive(Clone)]
pub struct RailSetup {
    /// Whose.
    pub tenant: TenantId,
    /// The tenant's name, by which metrics know it.
    pub tenant_name: String,
    /// Its name, for metrics and logs.
    pub name: String,
    /// What it takes; it names the rail.
    pub terms: RailTerms,
    /// How it is asked.
    pub options: ChannelOptions,
    /// How it is spoken to.
    pub adapter: Arc<dyn RailAdapter>,
}

/// Everything beside the rails themselves.
#[derive(Clone)]
pub struct RailsOptions {
    /// How rails are chosen, drained and tried.
    pub route: RouteOptions,
    /// Those that an operator has taken out. Others than those that run are left aside.
    pub draining: Vec<(TenantId, RailId)>,
    /// How many answers may wait for a busy exchange.
    pub returns: usize,
    /// Takes what rails say.
    pub sink: Sink,
}

/// All rails, as the rest of the program sees them. Cheap to clone.
#[derive(Clone)]
pub struct RailsHandle {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    tenants: Mutex<HashMap<TenantId, TenantRails>>,
    pub(crate) returns: Returns,
    /// What wallets are let know of.
    pub(crate) gates: Gates,
}

struct TenantRails {
    router: Router,
    refused: Refusals,
}

/// Rails that run. Dropping it lets them go without waiting.
pub struct Rails {
    handle: RailsHandle,
    stop: Sender<()>,
    threads: Vec<JoinHandle<()>>,
}

impl Rails {
    /// Starts a channel for every rail, and the dispatcher that feeds them from `calls`.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn start(options: RailsOptions, setups: Vec<RailSetup>, calls: Calls) -> std::io::Result<Self> {
        let (stop, stopped) = crossbeam_channel::bounded(0);
        let (returns, carrier) = Returns::start(options.sink, options.returns, stopped.clone())?;
        let mut terms: HashMap<TenantId, Vec<RailTerms>> = HashMap::new();
        for setup in &setups {
            terms.entry(setup.tenant).or_default().push(setup.terms.clone());
        }
        let tenant = |terms| TenantRails { router: Router::new(options.route, terms), refused: Refusals::default() };
        let mut tenants: HashMap<_, _> = terms.into_iter().map(|(id, terms)| (id, tenant(terms))).collect();
        // Before any channel runs: what a rail rejects is routed anew.
        for (tenant, rail) in options.draining {
            if let Some(rails) = tenants.get_mut(&tenant) {
                rails.router.set_draining(rail, true);
            }
        }
        let gates = calls.gates().clone();
        let handle = RailsHandle { shared: Arc::new(Shared { tenants: Mutex::new(tenants), returns, gates }) };
        let mut channels = HashMap::new();
        let mut threads = vec![carrier];
        for setup in setups {
            let place = (setup.tenant, setup.terms.rail);
            let (sender, thread) = Channel::start(setup, Arc::clone(&handle.shared))?;
            channels.insert(place, sender);
            threads.push(thread);
        }
        let run = move || dispatch(&channels, &calls, &stopped);
        threads.push(std::thread::Builder::new().name("rialto-rails".to_owned()).spawn(run)?);
        Ok(Self { handle, stop, threads })
    }

    /// What the rest of the program asks of them.
    #[must_use]
    pub const fn handle(&self) -> &RailsHandle {
        &self.handle
    }

    /// Stops them. Calls under way are given up: the timers ask again after the next start.
    pub fn stop(self) {
        drop(self.stop);
        for thread in self.threads {
            // A panic in it was told by the thread itself.
            thread.join().ok();
        }
    }
}

impl RailsHandle {
    /// The rail that a deposit or withdrawal shall take.
    ///
    /// # Errors
    /// If none takes it.
    pub fn route(
        &self,
        tenant: TenantId,
        kind: TransactionKind,
        asset: AssetId,
        amount: Amount,
    ) -> Result<RailId, NoRoute> {
        let route = |rails: &mut TenantRails| rails.router.choose(clock::monotonic(), kind, asset, amount, &[]);
        self.shared.with(tenant, route).unwrap_or(Err(NoRoute::Unserved))
    }

    /// How the rails of a tenant stand.
    #[must_use]
    pub fn states(&self, tenant: TenantId) -> Vec<RailStanding> {
        self.shared.with(tenant, |rails| rails.router.standings(clock::monotonic())).unwrap_or_default()
    }

    /// Takes a rail out, or back in, by an operator's wish. It concerns what is routed from now on; what is
    /// under way goes on. `false` if there is no such rail.
    pub fn set_draining(&self, tenant: TenantId, rail: RailId, is_draining: bool) -> bool {
        self.shared.with(tenant, |rails| rails.router.set_draining(rail, is_draining)).unwrap_or(false)
    }
}

impl Shared {
    fn with<T>(&self, tenant: TenantId, act: impl FnOnce(&mut TenantRails) -> T) -> Option<T> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&tenant).map(act)
    }

    pub(crate) fn settle(&self, tenant: TenantId, rail: RailId, is_success: bool) {
        self.with(tenant, |rails| rails.router.settle(clock::monotonic(), rail, is_success));
    }

    pub(crate) fn tell_breaker(&self, tenant: TenantId, rail: RailId, state: BreakerState) {
        self.with(tenant, |rails| rails.router.tell_breaker(rail, state));
    }

    /// Another rail for a withdrawal that `rail` will not carry out; `None` if all that would have refused it.
    pub(crate) fn reroute(
        &self,
        tenant: TenantId,
        transaction: TransactionId,
        rail: RailId,
        (asset, amount): (AssetId, Amount),
    ) -> Option<RailId> {
        let reroute = |rails: &mut TenantRails| {
            let ruled_out = rails.refused.add(transaction, rail);
            let kind = TransactionKind::Withdrawal;
            rails.router.choose(clock::monotonic(), kind, asset, amount, ruled_out).ok()
        };
        self.with(tenant, reroute).flatten()
    }
}

/// Which rails would not carry out which withdrawals, of late: what a withdrawal must not be given again.
/// Bounded; one that is forgotten is refused by the same rails once more.
#[derive(Debug, Default)]
struct Refusals {
    rails: HashMap<TransactionId, Vec<RailId>>,
    /// The oldest first.
    order: VecDeque<TransactionId>,
}

/// How many withdrawals are remembered per tenant.
const REFUSALS_MAX: usize = 16_384;

impl Refusals {
    fn add(&mut self, transaction: TransactionId, rail: RailId) -> &[RailId] {
        if !self.rails.contains_key(&transaction) {
            if self.order.len() >= REFUSALS_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.rails.remove(&oldest);
            }
            self.order.push_back(transaction);
        }
        let rails = self.rails.entry(transaction).or_default();
        if !rails.contains(&rail) {
            rails.push(rail);
        }
        rails
    }
}

/// Gives each call to its channel, until `stopped` or the sender is gone.
fn dispatch(channels: &HashMap<(TenantId, RailId), ChannelSender>, calls: &Calls, stopped: &Receiver<()>) {
    let lost = counter!("rialto_rail_calls_dropped_total", "why" => "no_rail");
    loop {
        let can_come = select! {
            recv(stopped) -> _ => return,
            recv(calls.signal()) -> told => told.is_ok(),
        };
        while let Some((tenant, call)) = calls.try_recv() {
            match channels.get(&(tenant, call.transaction.rail)) {
                Some(channel) => channel.offer(call),
                None => lost.increment(1),
            }
        }
        if !can_come {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_of_refusals_is_bounded() {
        let mut refusals = Refusals::default();
        assert_eq!(refusals.add(TransactionId(1), RailId(1)), [RailId(1)]);
        assert_eq!(refusals.add(TransactionId(1), RailId(2)), [RailId(1), RailId(2)]);
        assert_eq!(refusals.add(TransactionId(1), RailId(2)).len(), 2);
        (2..=REFUSALS_MAX as u64 + 1).for_each(|number| {
            refusals.add(TransactionId(number), RailId(1));
        });
        assert_eq!((refusals.rails.len(), refusals.order.len()), (REFUSALS_MAX, REFUSALS_MAX));
        assert_eq!(refusals.add(TransactionId(1), RailId(2)), [RailId(2)], "the oldest was forgotten");
    }
}
