//! The WebSocket API: requests and replies on one connection, and user data beside them.
//!
//! The way of an order is short: one pass over the JSON, a command to the wallet, and when the
//! answer is durable the worker writes the reply straight into the connection's outbox. Only what
//! must wait for something else gets a task of its own.

mod message;

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use rialto_actors::api::{Release, Request};
use rialto_actors::clock;
use rialto_engine::ids::TenantId;
use rialto_engine::units::Nanos;

use self::message::{Id, Message};
use crate::account::Inquiry;
use crate::auth::{self, Signed};
use crate::cancel_on_disconnect::CancelOnDisconnect;
use crate::connection::{Connection, Reader};
use crate::error::ApiError;
use crate::exchange_info;
use crate::json::{self, TimeUnit};
use crate::keys::Identity;
use crate::market_api::{self, MarketMethod};
use crate::orders::{self, OrderRequest, Parse, Pending, amend, answer, cancel, order_list, place, replace};
use crate::params::Params;
use crate::phases;
use crate::rate_limits::budget::Budget;
use crate::rate_limits::weight::Weight;
use crate::user_stream::Subscription;
use crate::worker::{Home, Waiter, Worker};

/// The most accounts whose events one connection may be told.
const SUBSCRIPTIONS_MAX: usize = 1_000;

/// What the URL of a connection asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionOptions {
    /// In which unit times are.
    pub unit: TimeUnit,
    /// Whether replies report rate limits.
    pub rate_limits: bool,
    /// Whether what is placed ends with the connection.
    pub cancel_on_disconnect: bool,
}

impl SessionOptions {
    /// The options of a query.
    ///
    /// # Errors
    /// -1194 for a time unit that there is not.
    pub fn of_query(query: &str) -> Result<Self, ApiError> {
        let params = Params::of_rest(query, "")?;
        let unit = match params.get("timeUnit") {
            None => TimeUnit::default(),
            Some(name) => TimeUnit::named(name).ok_or(INVALID_TIME_UNIT)?,
        };
        let rate_limits = params.boolean("returnRateLimits")?.unwrap_or(true);
        let cancel_on_disconnect = params.boolean("cancelOnDisconnect")?.unwrap_or(false);
        Ok(Self { unit, rate_limits, cancel_on_disconnect })
    }
}

/// The error for a time unit that there is not.
pub const INVALID_TIME_UNIT: ApiError =
    ApiError::new(-1194, "Invalid value for time unit; expected either MICROSECOND or MILLISECOND.");

/// Where a connection of the WebSocket API comes from and leads to.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    /// The tenant that host or path name.
    pub tenant: Option<TenantId>,
    /// The client's address.
    pub address: IpAddr,
    /// What its URL asks for.
    pub options: SessionOptions,
}

/// Whom a reply is for.
#[derive(Clone, Copy)]
struct Asker {
    id: Id,
    /// Whether he is told what he has used of his limits.
    rate_limits: bool,
}

/// A connection of the WebSocket API.
pub struct Session {
    home: Rc<Home>,
    connection: Rc<Connection>,
    /// The tenant that host or path name.
    tenant: Option<TenantId>,
    address: IpAddr,
    /// What the client may ask; of the tenant it is logged on to, if none is named.
    budget: RefCell<Budget>,
    /// The tenant of which that is.
    counted: Cell<Option<TenantId>>,
    options: SessionOptions,
    connected: Nanos,
    logon: RefCell<Option<Logon>>,
    subscriptions: RefCell<Vec<(u32, Identity)>>,
    next_subscription: Cell<u32>,
    /// What ends with the connection, if its client wants that.
    orders: Rc<CancelOnDisconnect>,
}

struct Logon {
    identity: Identity,
    api_key: String,
    since: Nanos,
}

/// A command that waits for its answer, and how the reply is written.
pub struct SocketWaiter {
    session: Rc<Session>,
    asker: Asker,
    /// What was asked.
    pub pending: Pending,
}

impl SocketWaiter {
    /// Writes the reply: from the release, or that nobody knows.
    pub fn answer(self, worker: &Worker, release: Option<&Arc<Release>>) {
        let session = &self.session;
        session.connection.request_finished();
        if let Some(release) = release.filter(|_| self.pending.places() > 0) {
            session.orders.placed(&session.worker(), self.pending.identity, release);
        }
        worker.format(|out| {
            let written = begin(out, &self.asker.id);
            let result = match release {
                Some(release) => answer::write(&worker.gateway, out, &self.pending, release),
                None => Err(ApiError::outcome_unknown()),
            };
            if let Err(error) = result {
                session.refused(&error, &self.pending);
                out.truncate(written);
                fail(out, &error);
            }
            session.end(out, self.asker, Some(self.pending.identity));
            session.connection.send(out);
        });
    }
}

/// What must be waited for.
#[derive(Clone, Copy)]
enum Query {
    ExchangeInfo,
    Market(MarketMethod),
    Own(OwnQuery),
}

/// The same about one's own account.
#[derive(Clone, Copy)]
enum OwnQuery {
    Order,
    OpenOrders,
    AllOrders,
    MyTrades,
    Account,
    OrderList,
    OpenOrderLists,
    AllOrderLists,
    CancelEverywhere,
}

/// Serves a connection until it ends.
pub async fn serve(home: Rc<Home>, connection: Rc<Connection>, mut reader: Reader, opening: Opening) {
    let Opening { tenant, address, options } = opening;
    let connected = clock::wall();
    let worker = home.worker();
    let counted = worker.gateway.tenancy.public(tenant).ok();
    let session = Rc::new(Session {
        budget: RefCell::new(worker.budget(counted, address, connected)),
        counted: Cell::new(counted),
        home,
        connection,
        tenant,
        address,
        options,
        connected,
        logon: RefCell::default(),
        subscriptions: RefCell::default(),
        next_subscription: Cell::new(0),
        orders: Rc::default(),
    });
    session.orders.enable(options.cancel_on_disconnect);
    while let Some(text) = reader.next_text().await {
        session.take(text);
    }
    session.unsubscribe_all();
    session.orders.ended(&session.worker());
}

impl Session {
    fn worker(&self) -> Rc<Worker> {
        self.home.worker()
    }

    fn take(self: &Rc<Self>, text: &str) {
        let now = clock::wall();
        let nobody = Asker { id: Id::NULL, rate_limits: self.options.rate_limits };
        let Ok(message) = serde_json::from_str::<Message<'_>>(text) else {
            return self.refuse_message(nobody, ApiError::invalid_json(), now);
        };
        let Some(id) = message.id.map_or(Some(Id::NULL), |token| Id::of(token.get())) else {
            return self.refuse_message(nobody, ApiError::invalid_id(), now);
        };
        let params = message.params;
        let wanted =
            params.get("returnRateLimits").and_then(|text| crate::params::boolean("returnRateLimits", text).ok());
        let asker = Asker { id, rate_limits: wanted.unwrap_or(self.options.rate_limits) };
        let method = message.method.strip_prefix("v3/").unwrap_or(&message.method);
        let weight = Weight::of(method, &params);
        let limit = self.worker().gateway.rate_limits.limits(self.counted.get()).weight();
        self.budget.borrow_mut().hold_to(limit);
        let room = self.budget.borrow().take(weight, now);
        if let Err(exceeded) = room {
            return self.reply(asker, None, Err(exceeded.into()));
        }
        let parse: Parse = match method {
            "order.place" => place::parse,
            "order.cancel" => cancel::parse,
            "order.cancelReplace" => replace::parse,
            "order.amend.keepPriority" => amend::parse,
            "openOrders.cancelAll" if params.get("symbol").is_some() => cancel::parse_all,
            "orderList.place" => order_list::parse_old_oco,
            "orderList.place.oco" => order_list::parse_oco,
            "orderList.place.oto" => order_list::parse_oto,
            "orderList.place.otoco" => order_list::parse_otoco,
            "orderList.cancel" => order_list::parse_cancel,
            _ => return self.take_other(asker, method, params, now),
        };
        // Before anything is looked for among them: what is wrong may be that some were not taken.
        let signed = params.check().and_then(|()| self.authorize(&params, now));
        let identity = signed.as_ref().ok().map(|signed| signed.identity);
        if let Err(error) = signed.and_then(|signed| self.command(asker, signed, &params, parse, now)) {
            self.budget.borrow().refused(weight, &error, now);
            self.reply(asker, identity, Err(error));
        }
    }

    /// Refuses what is no request. It weighs like one.
    fn refuse_message(&self, asker: Asker, error: ApiError, now: Nanos) {
        let room = self.budget.borrow().take(Weight::Fixed(1), now);
        self.reply(asker, None, Err(room.map_or_else(ApiError::from, |()| error)));
    }

    fn command(
        self: &Rc<Self>,
        asker: Asker,
        Signed { identity, deadline }: Signed,
        params: &Params<'_>,
        parse: Parse,
        now: Nanos,
    ) -> Result<(), ApiError> {
        let worker = self.worker();
        let gateway = &*worker.gateway;
        let (command, pending) = parse(&OrderRequest { gateway, identity, params, unit: self.options.unit, now })?;
        let (command, pending) = orders::admit(gateway, command, pending, now)?;
        let waiter = SocketWaiter { session: Rc::clone(self), asker, pending };
        let request = Request::Command { command, deadline };
        let submitted = worker.submit(identity.tenant, request, Waiter::Socket(waiter));
        submitted.inspect_err(|error| orders::withdraw(gateway, &pending, error, now))?;
        self.connection.request_started();
        Ok(())
    }

    /// Whose request it is: the key's that it carries, else the session's.
    fn authorize(&self, params: &Params<'_>, now: Nanos) -> Result<Signed, ApiError> {
        if params.get("apiKey").is_none()
            && let Some(logon) = &*self.logon.borrow()
        {
            return Ok(Signed { identity: logon.identity, deadline: auth::deadline(params, now)? });
        }
        auth::check_socket(&self.worker().gateway.keys, self.tenant, params, now)
    }

    fn take_other(self: &Rc<Self>, asker: Asker, method: &str, params: Params<'_>, now: Nanos) {
        let query = match method {
            "exchangeInfo" => Some(Query::ExchangeInfo),
            "order.status" => Some(Query::Own(OwnQuery::Order)),
            "openOrders.status" => Some(Query::Own(OwnQuery::OpenOrders)),
            "allOrders" => Some(Query::Own(OwnQuery::AllOrders)),
            "myTrades" => Some(Query::Own(OwnQuery::MyTrades)),
            "account.status" => Some(Query::Own(OwnQuery::Account)),
            "orderList.status" => Some(Query::Own(OwnQuery::OrderList)),
            "openOrderLists.status" => Some(Query::Own(OwnQuery::OpenOrderLists)),
            "allOrderLists" => Some(Query::Own(OwnQuery::AllOrderLists)),
            "openOrders.cancelAll" => Some(Query::Own(OwnQuery::CancelEverywhere)),
            _ => MarketMethod::from_ws_method(method).map(Query::Market),
        };
        match query {
            Some(query) => {
                if let Err(error) = self.query(asker, query, params, now) {
                    self.reply(asker, None, Err(error));
                }
            }
            None => {
                let result = self.call(method, &params, now);
                self.reply(asker, None, result);
            }
        }
    }

    /// What is answered at once.
    fn call(self: &Rc<Self>, method: &str, params: &Params<'_>, now: Nanos) -> Result<Vec<u8>, ApiError> {
        params.check()?;
        let worker = self.worker();
        let (gateway, unit) = (&*worker.gateway, self.options.unit);
        let signed = || self.authorize(params, now).map(|signed| signed.identity);
        let inquiry = || signed().map(|identity| Inquiry { worker: &worker, identity, params, unit, now });
        match method {
            "ping" => Ok(b"{}".to_vec()),
            "time" => Ok(format!("{{\"serverTime\":{}}}", unit.count(now)).into_bytes()),
            "session.logon" => self.log_on(params, now),
            "session.status" => Ok(self.status(now)),
            "session.logout" => {
                self.logon.take();
                Ok(self.status(now))
            }
            "session.subscriptions" => {
                let mut out = Vec::new();
                json::array(&mut out, self.subscriptions.borrow().iter(), |out, (id, _)| {
                    out.extend_from_slice(b"{\"subscriptionId\":");
                    json::number(out, u64::from(*id));
                    out.extend_from_slice(b",\"subscriptionType\":\"userDataStream\"}");
                });
                Ok(out)
            }
            "order.test" => place::test(&OrderRequest { gateway, identity: signed()?, params, unit, now }),
            "account.commission" => inquiry()?.commission(),
            "account.rateLimits.orders" => Ok(inquiry()?.order_limits()),
            "myFilters" => inquiry()?.filters(),
            "session.cancelOnDisconnect" => {
                self.orders.enable(params.boolean("enabled")?.unwrap_or(true));
                Ok(self.status(now))
            }
            "userDataStream.subscribe" => {
                let logon = self.logon.borrow().as_ref().map(|logon| logon.identity);
                self.subscribe(logon.ok_or_else(ApiError::rejected_api_key)?)
            }
            "userDataStream.subscribe.signature" => {
                self.subscribe(auth::check_socket(&gateway.keys, self.tenant, params, now)?.identity)
            }
            "userDataStream.unsubscribe" => {
                match params.integer("subscriptionId")? {
                    None => self.unsubscribe_all(),
                    Some(id) => self.unsubscribe(id)?,
                }
                Ok(b"{}".to_vec())
            }
            "userDataStream.start" => {
                let key = auth::find_key(&gateway.keys, Some(params.required("apiKey")?), self.tenant)?;
                Ok(format!("{{\"listenKey\":\"{}\"}}", gateway.listen_keys.create(&key, now)).into_bytes())
            }
            "userDataStream.ping" | "userDataStream.stop" => {
                let key = auth::find_key(&gateway.keys, Some(params.required("apiKey")?), self.tenant)?;
                let listen_key = params.required("listenKey")?;
                match method {
                    "userDataStream.ping" => gateway.listen_keys.keep(listen_key, key.identity)?,
                    _ => gateway.listen_keys.end(listen_key, key.identity)?,
                }
                Ok(b"{}".to_vec())
            }
            _ => Err(ApiError::unsupported()),
        }
    }

    /// Asks in a task of its own, which replies.
    fn query(self: &Rc<Self>, asker: Asker, query: Query, params: Params<'_>, now: Nanos) -> Result<(), ApiError> {
        params.check()?;
        let signed = match query {
            Query::ExchangeInfo | Query::Market(_) => None,
            Query::Own(_) => Some(self.authorize(&params, now)?),
        };
        let session = Rc::clone(self);
        let params = params.into_owned();
        self.connection.request_started();
        actix_web::rt::spawn(async move {
            let result = session.run(query, signed, &params, now).await;
            session.connection.request_finished();
            session.reply(asker, None, result);
        });
        Ok(())
    }

    async fn run(
        &self,
        query: Query,
        signed: Option<Signed>,
        params: &Params<'_>,
        now: Nanos,
    ) -> Result<Vec<u8>, ApiError> {
        let worker = self.worker();
        let (worker, unit) = (&*worker, self.options.unit);
        match query {
            Query::ExchangeInfo => {
                let tenant = worker.gateway.tenancy.public(self.tenant_or_own())?;
                let phases = phases::of(&worker.gateway, tenant).await;
                let mut out = Vec::with_capacity(4_096);
                exchange_info::write(&mut out, &worker.gateway, tenant, &phases, params, now)?;
                Ok(out)
            }
            Query::Market(method) => {
                let tenant = worker.gateway.tenancy.public(self.tenant_or_own())?;
                let called = market_api::call(&worker.gateway.exchange, tenant, method, params, unit);
                called.await.map(String::into_bytes)
            }
            Query::Own(query) => {
                let Signed { identity, deadline } = signed.ok_or_else(ApiError::rejected_api_key)?;
                let inquiry = Inquiry { worker, identity, params, unit, now };
                match query {
                    OwnQuery::Order => inquiry.order().await,
                    OwnQuery::OpenOrders => inquiry.open_orders().await,
                    OwnQuery::AllOrders => inquiry.all_orders().await,
                    OwnQuery::MyTrades => inquiry.my_trades().await,
                    OwnQuery::Account => inquiry.account().await,
                    OwnQuery::OrderList => inquiry.order_list().await,
                    OwnQuery::OpenOrderLists => inquiry.open_order_lists().await,
                    OwnQuery::AllOrderLists => inquiry.all_order_lists().await,
                    OwnQuery::CancelEverywhere => inquiry.cancel_everywhere(deadline).await,
                }
            }
        }
    }

    /// The tenant addressed, else that of whoever is logged on.
    fn tenant_or_own(&self) -> Option<TenantId> {
        self.tenant.or_else(|| self.logon.borrow().as_ref().map(|logon| logon.identity.tenant))
    }

    fn log_on(&self, params: &Params<'_>, now: Nanos) -> Result<Vec<u8>, ApiError> {
        let signed = auth::check_socket(&self.worker().gateway.keys, self.tenant, params, now)?;
        let api_key = params.required("apiKey")?.to_owned();
        if let Some(enabled) = params.boolean("cancelOnDisconnect")? {
            self.orders.enable(enabled);
        }
        self.logon.replace(Some(Logon { identity: signed.identity, api_key, since: now }));
        if self.tenant.is_none() {
            self.counted.set(Some(signed.identity.tenant));
            self.budget.replace(self.worker().budget(Some(signed.identity.tenant), self.address, now));
        }
        Ok(self.status(now))
    }

    fn status(&self, now: Nanos) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        let unit = self.options.unit;
        match &*self.logon.borrow() {
            Some(logon) => {
                out.extend_from_slice(b"{\"apiKey\":");
                json::string(&mut out, &logon.api_key);
                out.extend_from_slice(b",\"authorizedSince\":");
                json::time(&mut out, logon.since, unit);
            }
            None => out.extend_from_slice(b"{\"apiKey\":null,\"authorizedSince\":null"),
        }
        out.extend_from_slice(b",\"connectedSince\":");
        json::time(&mut out, self.connected, unit);
        out.extend_from_slice(b",\"returnRateLimits\":");
        json::boolean(&mut out, self.options.rate_limits);
        out.extend_from_slice(b",\"cancelOnDisconnect\":");
        json::boolean(&mut out, self.orders.is_enabled());
        out.extend_from_slice(b",\"serverTime\":");
        json::time(&mut out, now, unit);
        out.extend_from_slice(b",\"userDataStream\":");
        json::boolean(&mut out, !self.subscriptions.borrow().is_empty());
        out.push(b'}');
        out
    }

    fn subscribe(&self, identity: Identity) -> Result<Vec<u8>, ApiError> {
        let mut subscriptions = self.subscriptions.borrow_mut();
        if subscriptions.iter().any(|(_, other)| *other == identity) {
            return Err(ApiError::already_subscribed());
        }
        if subscriptions.len() >= SUBSCRIPTIONS_MAX {
            let msg = format!(
                "Too many subscriptions. Connection may create up to '{SUBSCRIPTIONS_MAX}' subscriptions at a time."
            );
            return Err(ApiError::naming(-1191, msg));
        }
        let id = self.next_subscription.get();
        self.next_subscription.set(id + 1);
        subscriptions.push((id, identity));
        let connection = Rc::clone(&self.connection);
        let subscription = Subscription { connection, id: Some(id), unit: self.options.unit, stream: None };
        self.worker().subscribe(identity.tenant, identity.account, subscription);
        Ok(format!("{{\"subscriptionId\":{id}}}").into_bytes())
    }

    fn unsubscribe(&self, id: u64) -> Result<(), ApiError> {
        let mut subscriptions = self.subscriptions.borrow_mut();
        let at = subscriptions.iter().position(|(other, _)| u64::from(*other) == id);
        let (id, identity) = subscriptions.remove(at.ok_or_else(|| ApiError::invalid_parameter("subscriptionId"))?);
        self.worker().unsubscribe(identity.tenant, identity.account, &self.connection, Some(id));
        Ok(())
    }

    fn unsubscribe_all(&self) {
        for (id, identity) in self.subscriptions.take() {
            self.worker().unsubscribe(identity.tenant, identity.account, &self.connection, Some(id));
        }
    }

    /// Replies; an `identity` is told what it has used of its order limits.
    fn reply(&self, asker: Asker, identity: Option<Identity>, result: Result<Vec<u8>, ApiError>) {
        self.worker().format(|out| {
            let written = begin(out, &asker.id);
            match result {
                Ok(body) => out.extend_from_slice(&body),
                Err(error) => {
                    out.truncate(written);
                    fail(out, &error);
                }
            }
            self.end(out, asker, identity);
            self.connection.send(out);
        });
    }

    /// Ends a reply.
    fn end(&self, out: &mut Vec<u8>, asker: Asker, identity: Option<Identity>) {
        if asker.rate_limits {
            let now = clock::wall();
            let worker = self.worker();
            let limiter = &worker.gateway.rate_limits;
            let orders = identity.into_iter().flat_map(|identity| limiter.order_usage(identity, now));
            out.extend_from_slice(b",\"rateLimits\":");
            json::array(out, orders.chain(self.budget.borrow().usage(now)), |out, usage| usage.write(out));
        }
        out.push(b'}');
    }

    /// Takes note of a command that was refused on its way.
    fn refused(&self, error: &ApiError, pending: &Pending) {
        let now = clock::wall();
        self.budget.borrow().refused(Weight::IfRefused, error, now);
        orders::withdraw(&self.worker().gateway, pending, error, now);
    }
}

/// Begins a good reply. What is written behind the id is `status` and `result`; the length given
/// back is that of the id's part, for a reply that turns out to be an error.
fn begin(out: &mut Vec<u8>, id: &Id) -> usize {
    out.extend_from_slice(b"{\"id\":");
    out.extend_from_slice(id.as_bytes());
    let written = out.len();
    out.extend_from_slice(b",\"status\":200,\"result\":");
    written
}

fn fail(out: &mut Vec<u8>, error: &ApiError) {
    out.extend_from_slice(b",\"status\":");
    json::number(out, u64::from(error.status));
    out.extend_from_slice(b",\"error\":");
    error.write(out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_choose_unit_and_rate_limits() {
        let query = "returnRateLimits=false&timeUnit=MICROSECOND&cancelOnDisconnect=true";
        let (unit, rate_limits, cancel_on_disconnect) = (TimeUnit::Microsecond, false, true);
        let options = SessionOptions::of_query(query).expect("reads");
        assert_eq!(options, SessionOptions { unit, rate_limits, cancel_on_disconnect });
        assert!(!SessionOptions::of_query("").expect("reads").cancel_on_disconnect);
        assert_eq!(SessionOptions::of_query("").expect("reads").unit, TimeUnit::Millisecond);
        assert_eq!(SessionOptions::of_query("timeUnit=day").expect_err("refused").code, -1194);
    }
}
