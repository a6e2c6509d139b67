//! User data: what the owner of an account is told of his orders and balances.
//!
//! Whoever settles tells all accounts concerned in one list, in order. From it, each account that
//! somebody listens to gets a report for every event of its orders, and then its balances as they
//! are after all of them.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rialto_actors::api::{BalanceNews, Release};
use rialto_engine::ids::{AccountId, ClientOrderId, TenantId};
use rialto_engine::message::Expiry;
use rialto_engine::order::{Display, Distance, OrderKind};
use rialto_engine::reason::Reason;
use rialto_engine::units::{Amount, Nanos, Notional, Price, Quantity};
use rialto_engine::update::{BalanceView, Execution, OrderEvent, OrderUpdate, OrderView, Status};

use crate::connection::Connection;
use crate::error::ApiError;
use crate::gateway::{Gateway, Market};
use crate::json::{self, TimeUnit};
use crate::keys::{ApiKey, Identity};
use crate::orders::list_report::{self, ListTold};
use crate::orders::prevention::{self, Prevention};
use crate::orders::{contingent, instructions, names, report};
use crate::worker::Worker;

/// Whom an account's events are told.
pub struct Subscription {
    /// The connection.
    pub connection: Rc<Connection>,
    /// The subscription's number on the connection of a WebSocket API, whose events are wrapped
    /// with it; `None` on a stream, whose events are told as they are.
    pub id: Option<u32>,
    /// In which unit times are.
    pub unit: TimeUnit,
    /// The name that events are wrapped with on a combined stream.
    pub stream: Option<Rc<str>>,
}

/// Tells every listener what a release means to its account. `cancel_id` is the name that a client
/// gave to the cancel that caused it.
pub fn tell(
    worker: &Worker,
    subscribers: &HashMap<(TenantId, AccountId), Vec<Subscription>>,
    release: &Release,
    cancel_id: Option<&ClientOrderId>,
    now: Nanos,
) {
    tell_money(worker, subscribers, release, now);
    let mut told: Vec<AccountId> = Vec::new();
    for update in &release.updates {
        let account = update.order.account;
        let Some(listeners) = subscribers.get(&(release.tenant, account)) else { continue };
        if told.contains(&account) {
            continue;
        }
        told.push(account);
        let own = || release.updates.iter().filter(move |update| update.order.account == account);
        for listener in listeners {
            let mut preventions = prevention::Reader::default();
            for (at, update) in release.updates.iter().enumerate() {
                let prevention = preventions.read(&release.updates, at);
                if update.order.account != account || prevention::is_told_by_the_end(&release.updates, at) {
                    continue;
                }
                let Some(market) = worker.gateway.market_by_id(release.tenant, update.order.market) else { continue };
                let report = Report { gateway: &worker.gateway, market, unit: listener.unit, now };
                listener.send(worker, |out| report.write(out, update, prevention, cancel_id));
            }
            for (market, list) in lists_of(worker, release, account) {
                listener.send(worker, |out| list.write_event(out, market, listener.unit, now));
            }
            listener.send(worker, |out| {
                write_position(out, &worker.gateway, release.tenant, own(), listener.unit, now);
            });
        }
    }
}

/// Tells every listener what transactions did to his money: how much came or went, and then what is there.
fn tell_money(
    worker: &Worker,
    subscribers: &HashMap<(TenantId, AccountId), Vec<Subscription>>,
    release: &Release,
    now: Nanos,
) {
    let time = release.events.last().map_or(now, |event| event.time);
    let mut told: Vec<AccountId> = Vec::new();
    for news in &release.balances {
        let Some(listeners) = subscribers.get(&(release.tenant, news.account)) else { continue };
        if told.contains(&news.account) {
            continue;
        }
        told.push(news.account);
        let own = || release.balances.iter().filter(|other| other.account == news.account);
        let position = Position { gateway: &worker.gateway, tenant: release.tenant, updated: time, now };
        for listener in listeners {
            for news in own().filter(|news| news.change != Amount::ZERO) {
                listener.send(worker, |out| position.write_update(out, news, listener.unit));
            }
            listener.send(worker, |out| position.write(out, own().map(|news| news.balance), listener.unit));
        }
    }
}

/// The lists of an account that a release tells something of, and how they stand.
fn lists_of<'a>(worker: &'a Worker, release: &Release, account: AccountId) -> Vec<(Market<'a>, ListTold)> {
    let mut lists: Vec<(Market<'a>, ListTold)> = Vec::new();
    for update in release.updates.iter().filter(|update| update.order.account == account) {
        let is_told = |list| lists.iter().any(|(_, told)| told.id == list);
        if update.order.instructions.link.is_none_or(|link| is_told(link.list)) || !list_report::is_news(update) {
            continue;
        }
        let market = worker.gateway.market_by_id(release.tenant, update.order.market);
        lists.extend(market.zip(ListTold::of_release(release, &update.order)));
    }
    lists
}

impl Subscription {
    fn send(&self, worker: &Worker, write: impl FnOnce(&mut Vec<u8>)) {
        worker.format(|out| {
            match (self.id, &self.stream) {
                (Some(id), _) => {
                    out.extend_from_slice(b"{\"subscriptionId\":");
                    json::number(out, u64::from(id));
                    out.extend_from_slice(b",\"event\":");
                    write(out);
                    out.push(b'}');
                }
                (None, Some(stream)) => {
                    out.extend_from_slice(b"{\"stream\":");
                    json::string(out, stream);
                    out.extend_from_slice(b",\"data\":");
                    write(out);
                    out.push(b'}');
                }
                (None, None) => write(out),
            }
            self.connection.send(out);
        });
    }
}

/// Writes `executionReport` events of one market.
pub struct Report<'a> {
    /// For the names of assets.
    pub gateway: &'a Gateway,
    /// The market.
    pub market: Market<'a>,
    /// In which unit times are.
    pub unit: TimeUnit,
    /// When it is told.
    pub now: Nanos,
}

impl Report<'_> {
    /// Appends the report of an event; `prevention` is the prevented trade that it tells of.
    pub fn write(
        &self,
        out: &mut Vec<u8>,
        update: &OrderUpdate,
        prevention: Option<Prevention>,
        cancel_id: Option<&ClientOrderId>,
    ) {
        let OrderUpdate { event, order, .. } = update;
        let text = self.market.text;
        let key = |out: &mut Vec<u8>, key: &str| {
            out.extend_from_slice(b",\"");
            out.extend_from_slice(key.as_bytes());
            out.extend_from_slice(b"\":");
        };
        let word = |out: &mut Vec<u8>, name: &str, value: &str| {
            key(out, name);
            out.push(b'"');
            out.extend_from_slice(value.as_bytes());
            out.push(b'"');
        };
        let number = |out: &mut Vec<u8>, name: &str, value: u64| {
            key(out, name);
            json::number(out, value);
        };
        let canceled = *event == OrderEvent::Canceled;
        let execution = match event {
            OrderEvent::Trade(execution) => Some(execution),
            _ => None,
        };
        out.extend_from_slice(b"{\"e\":\"executionReport\"");
        number(out, "E", self.unit.count(self.now));
        word(out, "s", self.market.symbol());
        // The report of a cancel carries the name of the cancel, and the order's own as `C`.
        key(out, "c");
        out.push(b'"');
        if canceled {
            report::write_cancel_id(out, order.id, cancel_id);
        } else {
            out.extend_from_slice(order.client_id.as_str().as_bytes());
        }
        out.push(b'"');
        word(out, "S", names::side(order.side));
        word(out, "o", names::order_type(order));
        word(out, "f", names::time_in_force(order));
        key(out, "q");
        text.quantity(out, order.quantity);
        key(out, "p");
        text.price(out, order.price);
        key(out, "P");
        text.price(out, contingent::stop_price(order));
        // Since when it follows the price (`D`) only the book knows.
        match contingent::distance(order) {
            None => {}
            Some(Distance::Share(share)) => number(out, "d", u64::from(share.0)),
            Some(Distance::Ticks(ticks)) => {
                key(out, "trailingAmount");
                text.price(out, ticks);
            }
        }
        key(out, "F");
        text.quantity(out, if let Display::Iceberg(peak) = order.instructions.display { peak } else { Quantity::ZERO });
        key(out, "g");
        report::order_list_id(out, order);
        word(out, "C", if canceled { order.client_id.as_str() } else { "" });
        word(out, "x", execution_type(event));
        word(out, "X", names::status(order.status));
        match event {
            OrderEvent::Rejected(reason) => word(out, "r", &reject_reason(*reason)),
            _ => word(out, "r", "NONE"),
        }
        number(out, "i", order.id.0);
        self.write_execution(out, execution, order);
        number(out, "T", self.unit.count(order.updated));
        key(out, "t");
        json::integer(out, execution.map_or(-1, |execution| i64::try_from(execution.trade.0).unwrap_or(i64::MAX)));
        number(out, "I", report::execution_id(order));
        let is_open = matches!(order.status, Status::New | Status::PartiallyFilled);
        let working = report::working_since(order).filter(|_| order.status != Status::Rejected);
        key(out, "w");
        json::boolean(out, is_open && working.is_some());
        key(out, "m");
        json::boolean(out, execution.is_some_and(|execution| execution.maker));
        out.extend_from_slice(b",\"M\":false");
        number(out, "O", self.unit.count(order.time));
        key(out, "Z");
        text.notional(out, order.notional);
        key(out, "Y");
        let last = execution.map_or(Notional::ZERO, |execution| execution.price.times(execution.quantity));
        text.notional(out, last);
        key(out, "Q");
        text.quote_amount(out, order.budget);
        if let Some(time) = working {
            number(out, "W", self.unit.count(time));
        }
        word(out, "V", names::self_trade(order.instructions.self_trade));
        self.write_asked(out, order);
        if let OrderEvent::Expired(reason) = event
            && let Some(reason) = names::expiry(*reason)
        {
            word(out, "eR", reason);
        }
        if let Some(prevention) = prevention {
            self.write_prevention(out, order, prevention);
        }
        out.push(b'}');
    }

    /// What an order asked for, under the dialect's letters; under its own names what the dialect has no
    /// letters for.
    fn write_asked(&self, out: &mut Vec<u8>, order: &OrderView) {
        let asked = &order.instructions;
        if asked.tag > 0 {
            out.extend_from_slice(b",\"j\":");
            json::number(out, asked.tag);
        }
        if let Some(peg) = asked.peg {
            out.extend_from_slice(b",\"gP\":\"");
            out.extend_from_slice(instructions::peg_price_type(order.side, peg).as_bytes());
            out.push(b'"');
            if peg.offset != 0 {
                out.extend_from_slice(b",\"gOT\":\"TICKS\",\"gOV\":");
                json::integer(out, peg.offset);
            }
        }
        if let Some(end) = asked.lifetime.end() {
            out.extend_from_slice(b",\"goodTillDate\":");
            json::time(out, end, self.unit);
        }
        if asked.display == Display::Hidden {
            out.extend_from_slice(b",\"hidden\":true");
        }
        if !asked.minimum.is_zero() {
            out.extend_from_slice(b",\"minQty\":");
            self.market.text.quantity(out, asked.minimum);
        }
        if order.kind == OrderKind::PostOnlySlide {
            out.extend_from_slice(b",\"postOnlyMode\":\"SLIDE\"");
        }
        if asked.slippage.0 > 0 {
            out.extend_from_slice(b",\"maxSlippage\":");
            json::number(out, u64::from(asked.slippage.0));
        }
    }

    /// What was lost in a trade that was prevented, and with whom. Prevented matches have no numbers
    /// (`v`).
    fn write_prevention(&self, out: &mut Vec<u8>, order: &OrderView, prevention: Prevention) {
        let text = self.market.text;
        out.extend_from_slice(b",\"A\":");
        text.quantity(out, prevention::prevented(order));
        out.extend_from_slice(b",\"B\":");
        text.quantity(out, prevention.lost);
        out.extend_from_slice(b",\"u\":");
        match order.instructions.group {
            0 => json::integer(out, -1),
            group => json::number(out, u64::from(group)),
        }
        if let Some(met) = prevention.met {
            out.extend_from_slice(b",\"U\":");
            json::number(out, met.order.0);
            out.extend_from_slice(b",\"pl\":");
            text.quantity(out, met.quantity);
            out.extend_from_slice(b",\"pL\":");
            text.price(out, met.price);
            out.extend_from_slice(b",\"pY\":");
            text.notional(out, met.price.times(met.quantity));
        }
    }

    fn write_execution(&self, out: &mut Vec<u8>, execution: Option<&Execution>, order: &OrderView) {
        let text = self.market.text;
        out.extend_from_slice(b",\"l\":");
        text.quantity(out, execution.map_or(Quantity::ZERO, |execution| execution.quantity));
        out.extend_from_slice(b",\"z\":");
        text.quantity(out, order.executed);
        out.extend_from_slice(b",\"L\":");
        text.price(out, execution.map_or(Price::ZERO, |execution| execution.price));
        match execution {
            Some(execution) => {
                let tenant = self.market.tenant.id;
                out.extend_from_slice(b",\"n\":");
                self.gateway.amount(out, tenant, execution.fee_asset, execution.fee);
                out.extend_from_slice(b",\"N\":");
                self.gateway.asset_name(out, tenant, execution.fee_asset);
            }
            None => out.extend_from_slice(b",\"n\":\"0\",\"N\":null"),
        }
    }
}

const fn execution_type(event: &OrderEvent) -> &'static str {
    match event {
        OrderEvent::New | OrderEvent::Triggered => "NEW",
        OrderEvent::Trade(_) => "TRADE",
        OrderEvent::Canceled => "CANCELED",
        OrderEvent::Expired(Expiry::SelfTrade) | OrderEvent::Prevented(..) => "TRADE_PREVENTION",
        OrderEvent::Expired(_) => "EXPIRED",
        OrderEvent::Reduced => "REPLACED",
        OrderEvent::Rejected(_) => "REJECTED",
    }
}

fn reject_reason(reason: Reason) -> String {
    match reason {
        Reason::WouldMatch => "WOULD_MATCH_IMMEDIATELY".to_owned(),
        Reason::WouldTrigger => "STOP_PRICE_WOULD_TRIGGER_IMMEDIATELY".to_owned(),
        Reason::InsufficientBalance => "INSUFFICIENT_BALANCES".to_owned(),
        other => other.name().to_ascii_uppercase(),
    }
}

/// Appends `outboundAccountPosition`: the balances that the updates of one account left, the last
/// of each asset.
fn write_position<'a>(
    out: &mut Vec<u8>,
    gateway: &Gateway,
    tenant: TenantId,
    updates: impl Iterator<Item = &'a OrderUpdate>,
    unit: TimeUnit,
    now: Nanos,
) {
    let mut balances: Vec<BalanceView> = Vec::with_capacity(4);
    let mut updated = Nanos::ZERO;
    for update in updates {
        updated = updated.max(update.order.updated);
        for balance in update.balances {
            match balances.iter_mut().find(|other| other.asset == balance.asset) {
                Some(other) => *other = balance,
                None => balances.push(balance),
            }
        }
    }
    Position { gateway, tenant, updated, now }.write(out, balances, unit);
}

/// Balances of an account, as they are told.
struct Position<'a> {
    gateway: &'a Gateway,
    tenant: TenantId,
    /// When they changed.
    updated: Nanos,
    now: Nanos,
}

impl Position<'_> {
    /// Appends `outboundAccountPosition`.
    fn write(&self, out: &mut Vec<u8>, balances: impl IntoIterator<Item = BalanceView>, unit: TimeUnit) {
        out.extend_from_slice(b"{\"e\":\"outboundAccountPosition\",\"E\":");
        json::time(out, self.now, unit);
        out.extend_from_slice(b",\"u\":");
        json::time(out, self.updated, unit);
        out.extend_from_slice(b",\"B\":");
        json::array(out, balances, |out, balance| {
            out.extend_from_slice(b"{\"a\":");
            self.gateway.asset_name(out, self.tenant, balance.asset);
            out.extend_from_slice(b",\"f\":");
            self.gateway.amount(out, self.tenant, balance.asset, balance.available);
            out.extend_from_slice(b",\"l\":");
            self.gateway.amount(out, self.tenant, balance.asset, balance.held);
            out.push(b'}');
        });
        out.push(b'}');
    }

    /// Appends `balanceUpdate`: how much came, or went.
    fn write_update(&self, out: &mut Vec<u8>, news: &BalanceNews, unit: TimeUnit) {
        out.extend_from_slice(b"{\"e\":\"balanceUpdate\",\"E\":");
        json::time(out, self.now, unit);
        out.extend_from_slice(b",\"a\":");
        self.gateway.asset_name(out, self.tenant, news.balance.asset);
        out.extend_from_slice(b",\"d\":");
        self.gateway.amount(out, self.tenant, news.balance.asset, news.change);
        out.extend_from_slice(b",\"T\":");
        json::time(out, self.updated, unit);
        out.push(b'}');
    }
}

/// How long a listen key lives without being kept alive.
const LISTEN_KEY_LIFE: Duration = Duration::from_secs(60 * 60);

/// The keys of user data streams, one for each account that asked. They are kept in memory: after
/// a restart, clients ask for another, as they do after an hour.
#[derive(Default)]
pub struct ListenKeys {
    keys: Mutex<HashMap<String, ListenKey>>,
}

struct ListenKey {
    identity: Identity,
    used: Instant,
}

impl ListenKeys {
    /// The key of an account, a new one if it has none that lives.
    pub fn create(&self, key: &ApiKey, now: Nanos) -> String {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.retain(|_, listen| listen.used.elapsed() < LISTEN_KEY_LIFE);
        let existing = keys.iter_mut().find(|(_, listen)| listen.identity == key.identity);
        if let Some((name, listen)) = existing {
            listen.used = Instant::now();
            return name.clone();
        }
        let name = key.signer.derive(&now.0.to_be_bytes());
        keys.insert(name.clone(), ListenKey { identity: key.identity, used: Instant::now() });
        name
    }

    /// Keeps a key alive.
    ///
    /// # Errors
    /// -1125 if it is not that account's.
    pub fn keep(&self, name: &str, identity: Identity) -> Result<(), ApiError> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let living = keys.get_mut(name).filter(|listen| listen.is_of(identity));
        living.ok_or_else(ApiError::invalid_listen_key)?.used = Instant::now();
        Ok(())
    }

    /// Ends a key.
    ///
    /// # Errors
    /// -1125 if it is not that account's.
    pub fn end(&self, name: &str, identity: Identity) -> Result<(), ApiError> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.get(name).filter(|listen| listen.is_of(identity)).ok_or_else(ApiError::invalid_listen_key)?;
        keys.remove(name);
        Ok(())
    }

    /// Whose key this is.
    pub fn find(&self, name: &str) -> Option<Identity> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.get(name).filter(|listen| listen.used.elapsed() < LISTEN_KEY_LIFE).map(|listen| listen.identity)
    }
}

impl ListenKey {
    fn is_of(&self, identity: Identity) -> bool {
        self.identity == identity && self.used.elapsed() < LISTEN_KEY_LIFE
    }
}
