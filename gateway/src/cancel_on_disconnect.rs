//! Orders that end with the connection they came through.
//!
//! A client that trades unattended may ask that its orders are cancelled when its connection ends,
//! whatever ends it: its own farewell, a lost network, a reader too slow, or the server. From then on
//! the connection remembers the orders that it has placed and that rested; at its end each of them
//! is cancelled, again and again until the exchange has answered. Cancels have permits of their own, so
//! that load does not stop them.
//!
//! An order whose answer was lost because the engine was rebuilt meanwhile is not known to the
//! connection, and nothing is cancelled if the whole server dies with it: a market maker who must not
//! rely on either gives his orders a date.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::join_all;
use rialto_actors::api::{Query, Release, Reply, Request};
use rialto_actors::exchange::Status;
use rialto_engine::ids::{MarketId, OrderId};
use rialto_engine::message::CancelRestriction;
use rialto_engine::units::Nanos;
use rialto_engine::update::{OrderEvent, Status as OrderStatus};
use rialto_engine::wallet::{Cancel, Command, OrderRef};

use crate::keys::Identity;
use crate::worker::Worker;

/// How many cancels of one connection are under way at once.
const AT_ONCE: usize = 32;
/// Up to so many orders are remembered without asking which of them have ended.
const REMEMBERED: usize = 1_024;
/// Between two attempts at a cancel that was not taken: at first, and at most.
const PATIENCE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

type Placed = (MarketId, OrderId);

/// The orders of a connection, if it wants them to end with it.
#[derive(Default)]
pub struct CancelOnDisconnect {
    enabled: Cell<bool>,
    has_ended: Cell<bool>,
    orders: RefCell<BTreeMap<Identity, BTreeSet<Placed>>>,
    /// How many orders there may be before it is asked which of them have ended.
    room: Cell<usize>,
}

impl CancelOnDisconnect {
    /// Whether the orders of the connection end with it.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.enabled.get()
    }

    /// Says whether the orders that come from now on end with the connection. If not, those that were
    /// remembered stay as well.
    pub fn enable(&self, enabled: bool) {
        self.enabled.set(enabled);
        self.room.set(REMEMBERED);
        if !enabled {
            self.orders.take();
        }
    }

    /// Takes note of the orders that an answered command has placed. Those that come when the
    /// connection has ended are cancelled at once.
    pub fn placed(self: &Rc<Self>, worker: &Rc<Worker>, identity: Identity, release: &Release) {
        if !self.enabled.get() {
            return;
        }
        let is_own = |update: &&rialto_engine::update::OrderUpdate| {
            update.event == OrderEvent::New && update.order.account == identity.account
        };
        let is_open = |order: &OrderId| {
            let last = release.updates.iter().rev().map(|update| &update.order).find(|view| view.id == *order);
            let open = [OrderStatus::Pending, OrderStatus::New, OrderStatus::PartiallyFilled];
            last.is_some_and(|view| open.contains(&view.status))
        };
        let placed = release.updates.iter().filter(is_own).map(|update| (update.order.market, update.order.id));
        let placed = placed.filter(|(_, order)| is_open(order));
        if self.has_ended.get() {
            let orders = placed.map(|placed| (identity, placed)).collect();
            actix_web::rt::spawn(cancel_all(Rc::clone(worker), orders));
            return;
        }
        self.orders.borrow_mut().entry(identity).or_default().extend(placed);
        if self.len() > self.room.get() {
            // Not again before the answer.
            self.room.set(usize::MAX);
            actix_web::rt::spawn(Rc::clone(self).forget_ended(Rc::clone(worker)));
        }
    }

    /// The connection has ended: its orders are cancelled.
    pub fn ended(&self, worker: &Rc<Worker>) {
        self.has_ended.set(true);
        if self.enabled.get() {
            let orders = self.orders.take().into_iter();
            let orders = orders.flat_map(|(identity, placed)| placed.into_iter().map(move |placed| (identity, placed)));
            actix_web::rt::spawn(cancel_all(Rc::clone(worker), orders.collect()));
        }
    }

    fn len(&self) -> usize {
        self.orders.borrow().values().map(BTreeSet::len).sum()
    }

    /// Asks which of the remembered orders are still open, and forgets the others.
    async fn forget_ended(self: Rc<Self>, worker: Rc<Worker>) {
        let identities: Vec<Identity> = self.orders.borrow().keys().copied().collect();
        for identity in identities {
            let asked = self.orders.borrow().get(&identity).cloned().unwrap_or_default();
            let query = Query::OpenOrders { account: identity.account, market: None };
            let Ok(release) = worker.ask(identity.tenant, Request::Query(query)).await else { continue };
            let Some((_, Reply::Orders(views))) = &release.answer else { continue };
            let open: BTreeSet<Placed> = views.iter().map(|view| (view.market, view.id)).collect();
            if let Some(remembered) = self.orders.borrow_mut().get_mut(&identity) {
                // What came since was not asked for.
                remembered.retain(|placed| open.contains(placed) || !asked.contains(placed));
            }
        }
        self.room.set(REMEMBERED.max(2 * self.len()));
    }
}

async fn cancel_all(worker: Rc<Worker>, orders: Vec<(Identity, Placed)>) {
    for some in orders.chunks(AT_ONCE) {
        join_all(some.iter().map(|(identity, placed)| cancel(&worker, *identity, *placed))).await;
    }
}

/// Cancels an order, until the exchange has said that it is gone or has stopped for good.
async fn cancel(worker: &Worker, identity: Identity, (market, order): Placed) {
    let Identity { tenant, account } = identity;
    let target = OrderRef { id: Some(order), client_id: None };
    let cancel = Cancel { account, market, target, restriction: CancelRestriction::None, time: Nanos::ZERO };
    let (mut patience, most) = PATIENCE;
    loop {
        let request = Request::Command { command: Command::Cancel(cancel.clone()), deadline: Nanos(u64::MAX) };
        if worker.ask(tenant, request).await.is_ok() || matches!(worker.gateway.exchange.status(), Status::Stopped(_)) {
            return;
        }
        actix_web::rt::time::sleep(patience).await;
        patience = (patience * 2).min(most);
    }
}
