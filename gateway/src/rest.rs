//! REST: one door for every path of every tenant, and the upgrades to WebSocket.
//!
//! Paths are matched by hand behind the tenant's prefix, so that all families are found in the
//! same place whichever way a tenant is named, and so that nothing but this file decides what is
//! public.

use std::cell::{Cell, OnceCell};
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use futures_util::StreamExt;
use rialto_actors::api::Request;
use rialto_actors::clock;
use rialto_actors::exchange::Status;
use rialto_engine::ids::TenantId;
use rialto_engine::units::Nanos;

use crate::account::Inquiry;
use crate::auth::{self, Signed};
use crate::connection::Connection;
use crate::error::ApiError;
use crate::exchange_info;
use crate::gateway::Gateway;
use crate::json::TimeUnit;
use crate::keys::{ApiKey, Identity, Operator, PlatformOperator};
use crate::market_api::{self, MarketMethod};
use crate::operator::platform::{self, PlatformCall};
use crate::operator::{self, OperatorCall};
use crate::orders::{self, OrderRequest, Parse, amend, answer, cancel, order_list, place, replace};
use crate::params::Params;
use crate::payments::capital::{self, CapitalCall};
use crate::payments::fiat;
use crate::payments::{self, PaymentCall, callback};
use crate::phases;
use crate::query::{self, AccountingCall, mine};
use crate::rate_limits::budget::Budget;
use crate::rate_limits::limit::Usage;
use crate::rate_limits::weight::Weight;
use crate::reconcile::statement::STATEMENT_BYTES_MAX;
use crate::reconcile::upload::{self, Upload};
use crate::streams::{Opening, StreamSession};
use crate::user_stream::Subscription;
use crate::worker::{Home, Worker};
use crate::ws_api::{self, INVALID_TIME_UNIT, SessionOptions};

/// The longest body that is taken.
const BODY_MAX: usize = 64 << 10;
/// How long a client may take to send it.
const BODY_PATIENCE: Duration = Duration::from_secs(10);

/// What it weighs to open a connection of the WebSocket API.
const CONNECTION_WEIGHT: u32 = 2;

const API_KEY: &str = "X-MBX-APIKEY";
const TIME_UNIT: &str = "X-MBX-TIME-UNIT";

/// Answers any request.
pub async fn answer(home: Rc<Home>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let told = Told::default();
    let worker = home.worker();
    let response = match route(&home, &worker, &request, payload, &told).await {
        Ok(response) => response,
        Err(error) => error_response(&error),
    };
    with_common_headers(response, &worker.gateway, &told)
}

/// What the headers of an answer tell of limits.
#[derive(Default)]
struct Told {
    /// What the client may ask.
    budget: OnceCell<Budget>,
    /// Whose orders count, of a request that places one.
    orders_of: Cell<Option<Identity>>,
}

async fn route(
    home: &Rc<Home>,
    worker: &Rc<Worker>,
    request: &HttpRequest,
    payload: Payload,
    told: &Told,
) -> Result<HttpResponse, ApiError> {
    match request.path() {
        "/healthz" => return Ok(HttpResponse::Ok().content_type("text/plain").body("live\n")),
        "/readyz" => return Ok(readiness(&worker.gateway)),
        _ => {}
    }
    if request.method() == Method::OPTIONS {
        return Ok(preflight());
    }
    let gateway = &worker.gateway;
    // The name that the client has asked for: what proxies say of it could be said by anybody.
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
    let address = gateway.tenancy.address(host, request.path(), &gateway.directory)?;
    let tenant = address.tenant;
    let path = address.path;
    let now = clock::wall();
    // A request that names no tenant counts where its key belongs.
    let shown = || auth::find_key(&gateway.keys, api_key(request), None).ok().map(|key| key.identity.tenant);
    let counted = gateway.tenancy.public(tenant.or_else(shown)).ok();
    let client = request.peer_addr().map_or(Ipv4Addr::UNSPECIFIED.into(), |peer| peer.ip());
    let budget = told.budget.get_or_init(|| worker.budget(counted, client, now));
    if path == "/ws-api/v3" || path == "/ws-api/v3/" {
        budget.take(Weight::Fixed(CONNECTION_WEIGHT), now)?;
        let options = SessionOptions::of_query(request.query_string())?;
        return upgrade_api(home, worker, request, payload, ws_api::Opening { tenant, address: client, options });
    }
    if let Some(opening) = Opening::parse(path, request.query_string()) {
        return upgrade_streams(home, worker, request, payload, tenant, &opening);
    }
    refuse_binary_encoding(request)?;
    let is_statement = path == upload::PATH;
    let body = read_body(payload, longest_body(gateway, request, is_statement)).await?;
    if let Some(path) = path.strip_prefix(callback::PREFIX) {
        return call_back(worker, request, path, &body, now).await;
    }
    let body = std::str::from_utf8(&body).map_err(|_| ApiError::illegal_characters("body", "UTF-8"))?;
    let call = Call {
        worker,
        request,
        tenant,
        // A statement is no form: what it says is no parameter.
        params: Params::of_rest(request.query_string(), if is_statement { "" } else { body })?,
        body,
        unit: time_unit(request)?,
        now,
        told,
    };
    let weight = Weight::of_rest(request.method(), path, &call.params);
    budget.take(weight, now)?;
    if let Some(table) = path.strip_prefix(query::PREFIX).and_then(|path| path.strip_prefix("export/")) {
        return call.export(table).await.inspect_err(|error| budget.refused(weight, error, now));
    }
    let result = match path.strip_prefix("/api/v3/").or_else(|| path.strip_prefix("/api/v1/")) {
        Some(path) => call.api(path).await,
        None => call.other(path).await,
    };
    let result = result.inspect_err(|error| budget.refused(weight, error, now))?;
    Ok(json_response(StatusCode::OK, result))
}

/// What a rail says by itself. It signs in its own way, and stands outside of the limits of clients.
async fn call_back(
    worker: &Rc<Worker>,
    request: &HttpRequest,
    path: &str,
    body: &[u8],
    now: Nanos,
) -> Result<HttpResponse, ApiError> {
    if request.method() != Method::POST {
        return Err(ApiError::wrong_http_method());
    }
    let target = request.uri().path_and_query().map_or("", |target| target.as_str());
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let taken = callback::take(worker, path, target, header, body, now).await?;
    Ok(json_response(StatusCode::OK, taken))
}

/// A REST request.
struct Call<'a> {
    worker: &'a Rc<Worker>,
    request: &'a HttpRequest,
    /// The tenant that host or path name.
    tenant: Option<TenantId>,
    params: Params<'a>,
    body: &'a str,
    unit: TimeUnit,
    now: Nanos,
    told: &'a Told,
}

impl Call<'_> {
    /// What stands behind `/api/v3/`.
    async fn api(&self, path: &str) -> Result<Vec<u8>, ApiError> {
        let is_get = self.request.method() == Method::GET;
        if let Some(method) = MarketMethod::from_rest_path(path) {
            if !is_get {
                return Err(ApiError::wrong_http_method());
            }
            let (exchange, tenant) = (&self.worker.gateway.exchange, self.public()?);
            let called = market_api::call(exchange, tenant, method, &self.params, self.unit);
            return called.await.map(String::into_bytes);
        }
        let (worker, params, unit) = (self.worker, &self.params, self.unit);
        match (self.request.method(), path) {
            (&Method::GET, "ping") => Ok(b"{}".to_vec()),
            (&Method::GET, "time") => Ok(format!("{{\"serverTime\":{}}}", unit.count(self.now)).into_bytes()),
            (&Method::GET, "exchangeInfo") => {
                let tenant = self.public()?;
                let phases = phases::of(&worker.gateway, tenant).await;
                let mut out = Vec::with_capacity(4_096);
                exchange_info::write(&mut out, &worker.gateway, tenant, &phases, params, self.now)?;
                Ok(out)
            }
            (&Method::POST, "order") => self.command(place::parse).await,
            (&Method::POST, "order/test") => place::test(&self.order_request(self.signed()?.identity)),
            (&Method::DELETE, "order") => self.command(cancel::parse).await,
            (&Method::DELETE, "openOrders") if params.get("symbol").is_none() => {
                let Signed { identity, deadline } = self.signed()?;
                self.inquiry_of(identity).cancel_everywhere(deadline).await
            }
            (&Method::DELETE, "openOrders") => self.command(cancel::parse_all).await,
            (&Method::POST, "orderList/oco") => self.command(order_list::parse_oco).await,
            (&Method::POST, "order/oco") => self.command(order_list::parse_old_oco).await,
            (&Method::POST, "orderList/oto") => self.command(order_list::parse_oto).await,
            (&Method::POST, "orderList/otoco") => self.command(order_list::parse_otoco).await,
            (&Method::DELETE, "orderList") => self.command(order_list::parse_cancel).await,
            (&Method::GET, "orderList") => self.inquiry()?.order_list().await,
            (&Method::GET, "openOrderList") => self.inquiry()?.open_order_lists().await,
            (&Method::GET, "allOrderList") => self.inquiry()?.all_order_lists().await,
            (&Method::POST, "order/cancelReplace") => self.command(replace::parse).await,
            (&Method::PUT, "order/amend/keepPriority") => self.command(amend::parse).await,
            (&Method::GET, "order") => self.inquiry()?.order().await,
            (&Method::GET, "openOrders") => self.inquiry()?.open_orders().await,
            (&Method::GET, "allOrders") => self.inquiry()?.all_orders().await,
            (&Method::GET, "myTrades") => self.inquiry()?.my_trades().await,
            (&Method::GET, "account") => self.inquiry()?.account().await,
            (&Method::GET, "account/commission") => self.inquiry()?.commission(),
            (&Method::GET, "rateLimit/order") => Ok(self.inquiry()?.order_limits()),
            (&Method::GET, "myFilters") => self.inquiry()?.filters(),
            (&Method::GET, "rialto/movements") => mine::movements(&self.inquiry()?).await,
            // There are some, and nobody keeps them.
            (&Method::GET, "myPreventedMatches") => Err(ApiError::unsupported()),
            (_, "userDataStream") => self.user_data_stream(),
            (_, path) if KNOWN.contains(&path) => Err(ApiError::wrong_http_method()),
            _ => Err(ApiError::no_such_path()),
        }
    }

    /// What operators ask, and what clients ask beside `/api`, most of it only to find that there is none.
    async fn other(&self, path: &str) -> Result<Vec<u8>, ApiError> {
        if path == upload::PATH {
            return self.upload().await;
        }
        if let Some(path) = path.strip_prefix(operator::PREFIX) {
            return self.operate(path).await;
        }
        if let Some(path) = path.strip_prefix(query::PREFIX) {
            let (operator, _) = self.signed_by_operator()?;
            return self.accounting(&operator).answer(self.request.method(), path).await;
        }
        if let Some(path) = path.strip_prefix(payments::PREFIX) {
            return self.pay(path).await;
        }
        if let Some(path) = path.strip_prefix(capital::PREFIX) {
            return self.capital()?.answer(self.request.method(), path).await;
        }
        if let Some(path) = path.strip_prefix(fiat::PREFIX) {
            return self.capital()?.answer_fiat(self.request.method(), path).await;
        }
        if self.request.method() != Method::GET {
            return Err(ApiError::no_such_path());
        }
        match path {
            "/sapi/v1/system/status" => Ok(br#"{"status":0,"msg":"normal"}"#.to_vec()),
            "/sapi/v1/margin/allPairs" | "/sapi/v1/margin/isolated/allPairs" => Ok(b"[]".to_vec()),
            "/sapi/v1/asset/tradeFee" => self.inquiry()?.trade_fees(),
            "/fapi/v1/exchangeInfo" | "/dapi/v1/exchangeInfo" => Ok(br#"{"symbols":[]}"#.to_vec()),
            _ => Err(ApiError::no_such_path()),
        }
    }

    /// A table, as long as it may be.
    async fn export(&self, table: &str) -> Result<HttpResponse, ApiError> {
        if self.request.method() != Method::GET {
            return Err(ApiError::wrong_http_method());
        }
        let (operator, _) = self.signed_by_operator()?;
        self.accounting(&operator).export(table).await
    }

    fn accounting<'a>(&'a self, operator: &'a Operator) -> AccountingCall<'a> {
        AccountingCall { worker: self.worker, operator, params: &self.params, unit: self.unit }
    }

    /// The statement of a rail.
    async fn upload(&self) -> Result<Vec<u8>, ApiError> {
        let (operator, _) = self.signed_by_operator()?;
        let (worker, params, body, unit) = (self.worker, &self.params, self.body, self.unit);
        Upload { worker, operator: &operator, params, body, unit }.take(self.request.method()).await
    }

    async fn command(&self, parse: Parse) -> Result<Vec<u8>, ApiError> {
        let Signed { identity, deadline } = self.signed()?;
        let gateway = &self.worker.gateway;
        let (command, pending) = parse(&self.order_request(identity))?;
        if pending.places() > 0 {
            self.told.orders_of.set(Some(identity));
        }
        let (command, pending) = orders::admit(gateway, command, pending, self.now)?;
        let answered = async {
            let release = self.worker.ask(identity.tenant, Request::Command { command, deadline }).await?;
            let mut out = Vec::with_capacity(1_024);
            answer::write(gateway, &mut out, &pending, &release)?;
            Ok(out)
        };
        answered.await.inspect_err(|error| orders::withdraw(gateway, &pending, error, clock::wall()))
    }

    fn order_request(&self, identity: Identity) -> OrderRequest<'_> {
        OrderRequest { gateway: &self.worker.gateway, identity, params: &self.params, unit: self.unit, now: self.now }
    }

    fn inquiry(&self) -> Result<Inquiry<'_>, ApiError> {
        Ok(self.inquiry_of(self.signed()?.identity))
    }

    fn inquiry_of(&self, identity: Identity) -> Inquiry<'_> {
        Inquiry { worker: self.worker, identity, params: &self.params, unit: self.unit, now: self.now }
    }

    async fn operate(&self, path: &str) -> Result<Vec<u8>, ApiError> {
        if platform::is_path(path) {
            let operator = self.signed_by_platform()?;
            let call = PlatformCall { worker: self.worker, operator: &operator, params: &self.params };
            return call.answer(self.request.method(), path).await;
        }
        let (operator, deadline) = self.signed_by_operator()?;
        let (worker, params, unit) = (self.worker, &self.params, self.unit);
        OperatorCall { worker, operator: &operator, params, unit, deadline }.answer(self.request.method(), path).await
    }

    async fn pay(&self, path: &str) -> Result<Vec<u8>, ApiError> {
        let (operator, deadline) = self.signed_by_operator()?;
        let (worker, params, unit) = (self.worker, &self.params, self.unit);
        PaymentCall { worker, operator: &operator, params, unit, deadline }.answer(self.request.method(), path).await
    }

    fn capital(&self) -> Result<CapitalCall<'_>, ApiError> {
        let Signed { identity, deadline } = self.signed()?;
        let may_withdraw = self.key()?.may_withdraw;
        let (worker, params, unit) = (self.worker, &self.params, self.unit);
        Ok(CapitalCall { worker, identity, may_withdraw, params, unit, deadline, now: self.now })
    }

    fn signed_by_operator(&self) -> Result<(Arc<Operator>, Nanos), ApiError> {
        let (keys, query) = (&self.worker.gateway.keys, self.request.query_string());
        auth::check_operator(keys, api_key(self.request), self.tenant, query, self.body, &self.params, self.now)
    }

    fn signed_by_platform(&self) -> Result<Arc<PlatformOperator>, ApiError> {
        let (keys, query) = (&self.worker.gateway.keys, self.request.query_string());
        auth::check_platform(keys, api_key(self.request), self.tenant, query, self.body, &self.params, self.now)
    }

    /// Listen keys need the API key and no signature.
    fn user_data_stream(&self) -> Result<Vec<u8>, ApiError> {
        let key = self.key()?;
        let listen_keys = &self.worker.gateway.listen_keys;
        match *self.request.method() {
            Method::POST => Ok(format!("{{\"listenKey\":\"{}\"}}", listen_keys.create(&key, self.now)).into_bytes()),
            Method::PUT => {
                listen_keys.keep(self.params.required("listenKey")?, key.identity)?;
                Ok(b"{}".to_vec())
            }
            Method::DELETE => {
                listen_keys.end(self.params.required("listenKey")?, key.identity)?;
                Ok(b"{}".to_vec())
            }
            _ => Err(ApiError::wrong_http_method()),
        }
    }

    /// The tenant of a public request: the one addressed, else that of a key that is shown, else
    /// the default.
    fn public(&self) -> Result<TenantId, ApiError> {
        let shown = || self.key().ok().map(|key| key.identity.tenant);
        self.worker.gateway.tenancy.public(self.tenant.or_else(shown))
    }

    fn key(&self) -> Result<Arc<ApiKey>, ApiError> {
        auth::find_key(&self.worker.gateway.keys, api_key(self.request), self.tenant)
    }

    fn signed(&self) -> Result<Signed, ApiError> {
        let (keys, query) = (&self.worker.gateway.keys, self.request.query_string());
        auth::check_rest(keys, api_key(self.request), self.tenant, query, self.body, &self.params, self.now)
    }
}

/// Paths of `/api/v3` that answer to some method.
const KNOWN: [&str; 23] = [
    "ping",
    "time",
    "exchangeInfo",
    "order",
    "order/test",
    "order/oco",
    "orderList",
    "orderList/oco",
    "orderList/oto",
    "orderList/otoco",
    "openOrderList",
    "allOrderList",
    "myFilters",
    "openOrders",
    "order/cancelReplace",
    "order/amend/keepPriority",
    "allOrders",
    "myTrades",
    "account",
    "account/commission",
    "rateLimit/order",
    "myPreventedMatches",
    "rialto/movements",
];

fn upgrade_api(
    home: &Rc<Home>,
    worker: &Rc<Worker>,
    request: &HttpRequest,
    payload: Payload,
    opening: ws_api::Opening,
) -> Result<HttpResponse, ApiError> {
    let (response, connection, reader) = Connection::accept(request, payload, worker.gateway.connections)?;
    worker.adopt(&connection, true);
    actix_web::rt::spawn(ws_api::serve(Rc::clone(home), connection, reader, opening));
    Ok(response)
}

/// A stream belongs to a tenant; one that names listen keys to theirs.
fn upgrade_streams(
    home: &Rc<Home>,
    worker: &Rc<Worker>,
    request: &HttpRequest,
    payload: Payload,
    tenant: Option<TenantId>,
    opening: &Opening,
) -> Result<HttpResponse, ApiError> {
    let gateway = &worker.gateway;
    let mut accounts: Vec<(&str, Identity)> = Vec::new();
    for name in &opening.names {
        accounts.extend(gateway.listen_keys.find(name).map(|identity| (name.as_str(), identity)));
    }
    if tenant.is_some_and(|tenant| accounts.iter().any(|(_, identity)| identity.tenant != tenant)) {
        return Err(ApiError::invalid_listen_key());
    }
    let owner = accounts.first().map(|(_, identity)| identity.tenant);
    let tenant = gateway.tenancy.public(tenant.or(owner))?;
    let (response, connection, reader) = Connection::accept(request, payload, gateway.connections)?;
    worker.adopt(&connection, false);
    let mut subscribed = Vec::new();
    for (name, identity) in accounts {
        let stream = opening.combined.then(|| Rc::from(name));
        let subscription = Subscription { connection: Rc::clone(&connection), id: None, unit: opening.unit, stream };
        worker.subscribe(identity.tenant, identity.account, subscription);
        subscribed.push(identity);
    }
    let session = StreamSession::open(&worker.streams, tenant, Rc::clone(&connection), opening);
    let (home, limit) = (Rc::clone(home), gateway.stream_messages_per_second);
    actix_web::rt::spawn(async move {
        session.serve(reader, limit).await;
        for identity in subscribed {
            home.worker().unsubscribe(identity.tenant, identity.account, &connection, None);
        }
    });
    Ok(response)
}

/// The longest body that a request may have. Only who shows an operator's key may send a long one.
fn longest_body(gateway: &Gateway, request: &HttpRequest, is_statement: bool) -> usize {
    let shows_key = || api_key(request).is_some_and(|key| gateway.keys.find_operator(key).is_some());
    if is_statement && shows_key() { STATEMENT_BYTES_MAX } else { BODY_MAX }
}

async fn read_body(mut payload: Payload, longest: usize) -> Result<Vec<u8>, ApiError> {
    let mut body = Vec::new();
    let read = async {
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|_| ApiError::unknown())?;
            if body.len() + chunk.len() > longest {
                return Err(ApiError::with_status(413, -1000, "The body of the request is too long."));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(())
    };
    let in_time = actix_web::rt::time::timeout(BODY_PATIENCE, read).await;
    in_time.map_err(|_| ApiError::with_status(408, -1000, "The body of the request did not come in time."))??;
    Ok(body)
}

/// Simple binary encoding is not offered. Who also takes JSON gets JSON.
fn refuse_binary_encoding(request: &HttpRequest) -> Result<(), ApiError> {
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("");
    if accept.contains("application/sbe") && !accept.contains("application/json") && !accept.contains("*/*") {
        return Err(ApiError::with_status(406, -1155, "SBE is not enabled."));
    }
    Ok(())
}

fn api_key(request: &HttpRequest) -> Option<&str> {
    request.headers().get(API_KEY).and_then(|key| key.to_str().ok())
}

fn time_unit(request: &HttpRequest) -> Result<TimeUnit, ApiError> {
    match request.headers().get(TIME_UNIT) {
        None => Ok(TimeUnit::default()),
        Some(name) => name.to_str().ok().and_then(TimeUnit::named).ok_or(INVALID_TIME_UNIT),
    }
}

fn readiness(gateway: &Gateway) -> HttpResponse {
    match gateway.exchange.status() {
        // Requests are taken all the same, so that whoever balances load may go on.
        Status::Ready if !gateway.exchange.market_data().is_whole() => {
            HttpResponse::Ok().content_type("text/plain").body("degraded: market data begins anew\n")
        }
        Status::Ready => HttpResponse::Ok().content_type("text/plain").body("ready\n"),
        Status::Recovering => HttpResponse::ServiceUnavailable().content_type("text/plain").body("recovering\n"),
        Status::Stopped(reason) => {
            HttpResponse::ServiceUnavailable().content_type("text/plain").body(format!("stopped: {reason}\n"))
        }
    }
}

fn preflight() -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PUT, DELETE, OPTIONS"))
        .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, "X-MBX-APIKEY, X-MBX-TIME-UNIT, Content-Type"))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, "86400"))
        .finish()
}

fn json_response(status: StatusCode, body: Vec<u8>) -> HttpResponse {
    HttpResponse::build(status).content_type("application/json;charset=UTF-8").body(body)
}

fn error_response(error: &ApiError) -> HttpResponse {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = json_response(status, error.body());
    if let Some(seconds) = error.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Headers of every answer: any page may ask, and may read what the dialect's clients look at.
fn with_common_headers(mut response: HttpResponse, gateway: &Gateway, told: &Told) -> HttpResponse {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return response;
    }
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("X-MBX-USED-WEIGHT, X-MBX-USED-WEIGHT-1M, X-MBX-ORDER-COUNT-10S, X-MBX-ORDER-COUNT-1D, X-MBX-UUID, Retry-After"),
    );
    let now = clock::wall();
    let weight = told.budget.get().and_then(|budget| budget.usage(now));
    let orders = told.orders_of.get().into_iter().flat_map(|identity| gateway.rate_limits.order_usage(identity, now));
    for Usage { limit, count } in weight.into_iter().chain(orders) {
        for name in limit.headers() {
            headers.insert(HeaderName::from_static(name), HeaderValue::from(count));
        }
    }
    if let Ok(node) = HeaderValue::from_str(&gateway.node) {
        headers.insert(HeaderName::from_static("x-mbx-uuid"), node);
    }
    response
}
