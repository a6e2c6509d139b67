//! The WebSocket API: requests and replies on one connection, and user data beside them.
//!
//! The way of an order is short: one pass over the JSON, a command to the wallet, and when the
//! answer is durable the worker writes the reply straight into the connection's outbox. Only what
//! must wait for something else gets a task of its own.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use rialto_actors::api::{Release, Request};
use rialto_actors::clock;
use rialto_engine::ids::TenantId;
use rialto_engine::units::Nanos;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::auth::{self, Signed};
use crate::connection::{Connection, Reader};
use crate::error::ApiError;
use crate::gateway::Gateway;
use crate::json::{self, TimeUnit};
use crate::keys::Identity;
use crate::market_api::{self, MarketMethod};
use crate::orders::{self, Parse, Pending};
use crate::params::Params;
use crate::user_stream::Subscription;
use crate::worker::{Waiter, Worker};
use crate::{account, exchange_info};

/// The most accounts whose events one connection may be told.
const SUBSCRIPTIONS_MAX: usize = 1_000;
/// The longest id that is echoed, with its quotes.
const ID_MAX: usize = 66;

/// The limits that replies about orders report, and those of all others. Nothing is enforced.
const ORDER_LIMITS: &str = r#","rateLimits":[{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":100,"count":0},{"rateLimitType":"ORDERS","interval":"DAY","intervalNum":1,"limit":200000,"count":0},{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":6000,"count":1}]}"#;
const OTHER_LIMITS: &str =
    r#","rateLimits":[{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":6000,"count":1}]}"#;

/// What the URL of a connection asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionOptions {
    /// In which unit times are.
    pub unit: TimeUnit,
    /// Whether replies report rate limits.
    pub rate_limits: bool,
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
        Ok(Self { unit, rate_limits })
    }
}

/// The error for a time unit that there is not.
pub const INVALID_TIME_UNIT: ApiError =
    ApiError::new(-1194, "Invalid value for time unit; expected either MICROSECOND or MILLISECOND.");

/// An id as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Id {
    length: u8,
    token: [u8; ID_MAX],
}

impl Id {
    const NULL: Self = {
        let mut token = [0; ID_MAX];
        let mut index = 0;
        while index < 4 {
            token[index] = b"null"[index];
            index += 1;
        }
        Self { length: 4, token }
    };

    /// An integer, a text that is not too long, or null.
    fn of(token: &str) -> Option<Self> {
        let source = token.as_bytes();
        let is_integer = |digits: &[u8]| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        let is_id = match source {
            b"null" | [b'"', ..] => true,
            [b'-', digits @ ..] | digits => is_integer(digits),
        };
        if !is_id || source.len() > ID_MAX {
            return None;
        }
        let mut token = [0; ID_MAX];
        token[..source.len()].copy_from_slice(source);
        Some(Self { length: u8::try_from(source.len()).ok()?, token })
    }

    fn as_bytes(&self) -> &[u8] {
        &self.token[..usize::from(self.length)]
    }
}

/// A request as it comes in, borrowed from the message.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow, default)]
    params: Params<'a>,
}

/// A connection of the WebSocket API.
pub struct Session {
    worker: Rc<Worker>,
    connection: Rc<Connection>,
    /// The tenant that host or path name.
    tenant: Option<TenantId>,
    options: SessionOptions,
    connected: Nanos,
    logon: RefCell<Option<Logon>>,
    subscriptions: RefCell<Vec<(u32, Identity)>>,
    next_subscription: Cell<u32>,
}

struct Logon {
    identity: Identity,
    api_key: String,
    since: Nanos,
}

/// A command that waits for its answer, and how the reply is written.
pub struct SocketWaiter {
    session: Rc<Session>,
    id: Id,
    rate_limits: bool,
    /// What was asked.
    pub pending: Pending,
}

impl SocketWaiter {
    /// Writes the reply: from the release, or that nobody knows.
    pub fn answer(self, worker: &Worker, release: Option<&Arc<Release>>) {
        let session = &self.session;
        session.connection.request_finished();
        worker.format(|out| {
            let written = begin(out, &self.id);
            let result = match release {
                Some(release) => orders::write_result(&worker.gateway, out, &self.pending, release),
                None => Err(ApiError::outcome_unknown()),
            };
            if let Err(error) = result {
                out.truncate(written);
                fail(out, &error);
            }
            end(out, self.rate_limits.then_some(ORDER_LIMITS));
            session.connection.send(out);
        });
    }
}

/// What must be waited for.
#[derive(Clone, Copy)]
enum Query {
    Market(MarketMethod),
    Order,
    OpenOrders,
    AllOrders,
    MyTrades,
    Account,
}

/// Serves a connection until it ends.
pub async fn serve(
    worker: Rc<Worker>,
    connection: Rc<Connection>,
    mut reader: Reader,
    tenant: Option<TenantId>,
    options: SessionOptions,
) {
    let session = Rc::new(Session {
        worker,
        connection,
        tenant,
        options,
        connected: clock::wall(),
        logon: RefCell::default(),
        subscriptions: RefCell::default(),
        next_subscription: Cell::new(0),
    });
    while let Some(text) = reader.next_text().await {
        session.take(text);
    }
    session.unsubscribe_all();
}

impl Session {
    fn take(self: &Rc<Self>, text: &str) {
        let Ok(message) = serde_json::from_str::<Message<'_>>(text) else {
            self.reply(&Id::NULL, self.options.rate_limits, Err(ApiError::invalid_json()));
            return;
        };
        let Some(id) = message.id.map_or(Some(Id::NULL), |token| Id::of(token.get())) else {
            self.reply(&Id::NULL, self.options.rate_limits, Err(ApiError::invalid_id()));
            return;
        };
        let params = message.params;
        let wanted =
            params.get("returnRateLimits").and_then(|text| crate::params::boolean("returnRateLimits", text).ok());
        let rate_limits = wanted.unwrap_or(self.options.rate_limits);
        let method = message.method.strip_prefix("v3/").unwrap_or(&message.method);
        let parse: Parse = match method {
            "order.place" => orders::parse_place,
            "order.cancel" => orders::parse_cancel,
            "order.cancelReplace" => orders::parse_replace,
            "order.amend.keepPriority" => orders::parse_amend,
            "openOrders.cancelAll" => orders::parse_cancel_all,
            _ => return self.take_other(id, rate_limits, method, params),
        };
        if let Err(error) = self.command(id, rate_limits, &params, parse) {
            self.reply(&id, rate_limits, Err(error));
        }
    }

    fn command(self: &Rc<Self>, id: Id, rate_limits: bool, params: &Params<'_>, parse: Parse) -> Result<(), ApiError> {
        // Before anything is looked for among them: what is wrong may be that some were not taken.
        params.check()?;
        let signed = self.authorize(params, clock::wall())?;
        let (command, pending) = parse(&self.worker.gateway, signed.identity, params, self.options.unit)?;
        let request = Request::Command { command, deadline: signed.deadline };
        let waiter = SocketWaiter { session: Rc::clone(self), id, rate_limits, pending };
        self.worker.submit(signed.identity.tenant, request, Waiter::Socket(waiter))?;
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
        auth::check_socket(&self.worker.gateway.keys, self.tenant, params, now)
    }

    fn take_other(self: &Rc<Self>, id: Id, rate_limits: bool, method: &str, params: Params<'_>) {
        let query = match method {
            "order.status" => Some(Query::Order),
            "openOrders.status" => Some(Query::OpenOrders),
            "allOrders" => Some(Query::AllOrders),
            "myTrades" => Some(Query::MyTrades),
            "account.status" => Some(Query::Account),
            _ => MarketMethod::from_ws_method(method).map(Query::Market),
        };
        match query {
            Some(query) => {
                if let Err(error) = self.query(id, rate_limits, query, params) {
                    self.reply(&id, rate_limits, Err(error));
                }
            }
            None => {
                let result = self.call(method, &params);
                self.reply(&id, rate_limits, result);
            }
        }
    }

    /// What is answered at once.
    fn call(self: &Rc<Self>, method: &str, params: &Params<'_>) -> Result<Vec<u8>, ApiError> {
        params.check()?;
        let (now, gateway) = (clock::wall(), &self.worker.gateway);
        match method {
            "ping" => Ok(b"{}".to_vec()),
            "time" => Ok(format!("{{\"serverTime\":{}}}", self.options.unit.count(now)).into_bytes()),
            "exchangeInfo" => {
                let mut out = Vec::with_capacity(2_048);
                exchange_info::write(&mut out, gateway, gateway.tenancy.public(self.tenant_or_own())?, params, now)?;
                Ok(out)
            }
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
            "order.test" => {
                let identity = self.authorize(params, now)?.identity;
                test_order(gateway, identity, params)
            }
            "account.commission" => account::commission(&self.worker, self.authorize(params, now)?.identity, params),
            "account.rateLimits.orders" => {
                self.authorize(params, now)?;
                Ok(account::ORDER_RATE_LIMITS.as_bytes().to_vec())
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
                Ok(format!("{{\"listenKey\":\"{}\"}}", gateway.listen_keys.create(key, now)).into_bytes())
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
    fn query(self: &Rc<Self>, id: Id, rate_limits: bool, query: Query, params: Params<'_>) -> Result<(), ApiError> {
        params.check()?;
        let now = clock::wall();
        let identity = match query {
            Query::Market(_) => None,
            _ => Some(self.authorize(&params, now)?.identity),
        };
        let session = Rc::clone(self);
        let params = params.into_owned();
        self.connection.request_started();
        actix_web::rt::spawn(async move {
            let result = session.run(query, identity, &params, now).await;
            session.connection.request_finished();
            session.reply(&id, rate_limits, result);
        });
        Ok(())
    }

    async fn run(
        &self,
        query: Query,
        identity: Option<Identity>,
        params: &Params<'_>,
        now: Nanos,
    ) -> Result<Vec<u8>, ApiError> {
        let (worker, unit) = (&*self.worker, self.options.unit);
        match (query, identity) {
            (Query::Market(method), _) => {
                let tenant = worker.gateway.tenancy.public(self.tenant_or_own())?;
                let called = market_api::call(&worker.gateway.exchange, tenant, method, params, unit);
                called.await.map(String::into_bytes)
            }
            (Query::Order, Some(identity)) => account::order(worker, identity, params, unit).await,
            (Query::OpenOrders, Some(identity)) => account::open_orders(worker, identity, params, unit).await,
            (Query::AllOrders, Some(identity)) => account::all_orders(worker, identity, params, unit).await,
            (Query::MyTrades, Some(identity)) => account::my_trades(worker, identity, params, unit).await,
            (Query::Account, Some(identity)) => account::account(worker, identity, params, unit, now).await,
            (_, None) => Err(ApiError::rejected_api_key()),
        }
    }

    /// The tenant addressed, else that of whoever is logged on.
    fn tenant_or_own(&self) -> Option<TenantId> {
        self.tenant.or_else(|| self.logon.borrow().as_ref().map(|logon| logon.identity.tenant))
    }

    fn log_on(&self, params: &Params<'_>, now: Nanos) -> Result<Vec<u8>, ApiError> {
        let signed = auth::check_socket(&self.worker.gateway.keys, self.tenant, params, now)?;
        let api_key = params.required("apiKey")?.to_owned();
        self.logon.replace(Some(Logon { identity: signed.identity, api_key, since: now }));
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
        self.worker.subscribe(identity.tenant, identity.account, subscription);
        Ok(format!("{{\"subscriptionId\":{id}}}").into_bytes())
    }

    fn unsubscribe(&self, id: u64) -> Result<(), ApiError> {
        let mut subscriptions = self.subscriptions.borrow_mut();
        let at = subscriptions.iter().position(|(other, _)| u64::from(*other) == id);
        let (id, identity) = subscriptions.remove(at.ok_or_else(|| ApiError::invalid_parameter("subscriptionId"))?);
        self.worker.unsubscribe(identity.tenant, identity.account, &self.connection, Some(id));
        Ok(())
    }

    fn unsubscribe_all(&self) {
        for (id, identity) in self.subscriptions.take() {
            self.worker.unsubscribe(identity.tenant, identity.account, &self.connection, Some(id));
        }
    }

    fn reply(&self, id: &Id, rate_limits: bool, result: Result<Vec<u8>, ApiError>) {
        self.worker.format(|out| {
            let written = begin(out, id);
            match result {
                Ok(body) => out.extend_from_slice(&body),
                Err(error) => {
                    out.truncate(written);
                    fail(out, &error);
                }
            }
            end(out, rate_limits.then_some(OTHER_LIMITS));
            self.connection.send(out);
        });
    }
}

/// A new order that is only checked: `{}`, or the rates it would pay.
///
/// # Errors
/// What the dialect says to each wrong parameter.
pub fn test_order(gateway: &Gateway, identity: Identity, params: &Params<'_>) -> Result<Vec<u8>, ApiError> {
    let (_, pending) = orders::parse_place(gateway, identity, params, TimeUnit::default())?;
    if params.boolean("computeCommissionRates")?.unwrap_or(false) {
        let market = gateway.market_by_id(pending.tenant, pending.market).ok_or_else(ApiError::unknown)?;
        return Ok(account::order_commission(market));
    }
    Ok(b"{}".to_vec())
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

fn end(out: &mut Vec<u8>, rate_limits: Option<&str>) {
    out.extend_from_slice(rate_limits.unwrap_or("}").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_echoed_with_their_type() {
        for token in ["1", "-7", "null", "\"a-b\"", "\"e2a85d9f-07a5-4f94-8d5f-789dc3deb097\"", "9007199254740993"] {
            assert_eq!(Id::of(token).map(|id| id.as_bytes().to_vec()), Some(token.as_bytes().to_vec()), "{token}");
        }
        let long = format!("\"{}\"", "x".repeat(65));
        for token in ["1.5", "true", "[]", "{}", "-", "1e3", long.as_str()] {
            assert_eq!(Id::of(token), None, "{token}");
        }
    }

    #[test]
    fn requests_are_read_in_one_pass() {
        let text = r#"{"id":"x","method":"v3/order.place","params":{"price":0.10,"symbol":"A"},"more":[1,{"a":2}]}"#;
        let message: Message<'_> = serde_json::from_str(text).expect("reads");
        assert_eq!((message.id.map(RawValue::get), message.method.as_ref()), (Some("\"x\""), "v3/order.place"));
        assert_eq!(message.params.get("price"), Some("0.10"));
        let message: Message<'_> = serde_json::from_str(r#"{"method":"ping"}"#).expect("reads");
        assert!(message.id.is_none() && message.params.is_empty());
        let message: Message<'_> = serde_json::from_str(r#"{"id":null,"method":"ping","params":null}"#).expect("reads");
        assert!(message.params.is_empty());
    }

    #[test]
    fn what_is_no_request_is_refused_without_a_panic() {
        let corpus = [
            "",
            " ",
            "null",
            "1",
            "\"x\"",
            "[]",
            "{}",
            "{",
            "}",
            "{\"id\":1}",
            "{\"id\":1,\"method\":1}",
            "{\"id\":1,\"method\":\"ping\",\"params\":[]}",
            "{\"id\":1,\"method\":\"ping\",\"params\":\"x\"}",
            "{\"id\":1,\"method\":\"ping\"",
            "{\"id\":1,\"method\":\"ping\"}}",
            "{\"id\":01,\"method\":\"ping\"}",
            "{'id':1}",
            "{\"method\":\"\\ud800\"}",
            "{\"id\":1,\"id\":2,\"method\":\"ping\"}",
            "\u{0}",
            "{\"a\":NaN}",
        ];
        for text in corpus {
            assert!(serde_json::from_str::<Message<'_>>(text).is_err(), "{text}");
        }
        let deep = format!("{{\"method\":\"ping\",\"params\":{{\"a\":{}{}}}}}", "[".repeat(10_000), "]".repeat(10_000));
        // Nested beyond what the parser follows, or taken as a token: not a stack overflow.
        let _ = serde_json::from_str::<Message<'_>>(&deep).is_ok();
    }

    #[test]
    fn urls_choose_unit_and_rate_limits() {
        let options = SessionOptions::of_query("returnRateLimits=false&timeUnit=MICROSECOND").expect("reads");
        assert_eq!(options, SessionOptions { unit: TimeUnit::Microsecond, rate_limits: false });
        assert_eq!(SessionOptions::of_query("").expect("reads").unit, TimeUnit::Millisecond);
        assert_eq!(SessionOptions::of_query("timeUnit=day").expect_err("refused").code, -1194);
    }

    #[test]
    fn limits_are_json() {
        for limits in [ORDER_LIMITS, OTHER_LIMITS] {
            let text = format!("{{\"a\":1{limits}");
            assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{text}");
        }
    }
}
