//! The fills as they are told on the user data stream, and afterwards by `myTrades`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::watch;

use crate::client::{Connection, Endpoint, Envelope, signed_params, unix_ms};
use crate::config::{Market, User};
use crate::error::Error;
use crate::replay::plan::{OrderIndex, Plan};
use crate::replay::tape::{Row, Witness};

/// Where to listen and what to listen for.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The venue.
    pub endpoint: Endpoint,
    /// The tenant of the replay.
    pub tenant: String,
    /// The account of the replay.
    pub user: User,
    /// The market of the replay.
    pub market: Market,
}

/// What the user data stream told so far.
#[derive(Debug, Default)]
pub struct Heard {
    /// Its trades.
    pub witness: Witness,
    /// The venue's order ids.
    pub order_ids: HashMap<u64, OrderIndex>,
    /// How often the stream broke.
    pub interruptions: u64,
    /// All events, of whatever kind.
    pub events: u64,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "e")]
    kind: &'a str,
}

/// The few fields of an `executionReport` that say who traded what.
#[derive(Deserialize)]
struct ExecutionReport<'a> {
    #[serde(rename = "s")]
    symbol: &'a str,
    #[serde(rename = "x")]
    execution_type: &'a str,
    #[serde(rename = "c")]
    client_id: &'a str,
    #[serde(rename = "i")]
    order_id: u64,
    #[serde(rename = "t")]
    trade_id: i64,
    #[serde(rename = "L")]
    last_price: &'a str,
    #[serde(rename = "l")]
    last_quantity: &'a str,
    #[serde(rename = "m")]
    is_maker: bool,
}

/// Listens for ever, across disconnects; `subscribed` turns true with the first subscription.
pub async fn listen(subject: Subject, plan: Arc<Plan>, heard: Arc<Mutex<Heard>>, subscribed: watch::Sender<bool>) {
    let mut pause = Duration::from_millis(20);
    loop {
        if let Ok(mut connection) = subscribe(&subject).await {
            pause = Duration::from_millis(20);
            subscribed.send_replace(true);
            while let Ok(text) = connection.receive().await {
                let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                hear(&subject, &plan, &mut heard, &text);
            }
            heard.lock().unwrap_or_else(PoisonError::into_inner).interruptions += 1;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(500));
    }
}

async fn subscribe(subject: &Subject) -> Result<Connection, Error> {
    let mut connection = Connection::open(&subject.endpoint, &subject.tenant).await?;
    connection.log_on(1, &subject.user).await?;
    match connection.call(2, "userDataStream.subscribe", "{}").await {
        Err(Error::Refused(_)) => {
            let params = signed_params(&subject.user, unix_ms());
            connection.call(3, "userDataStream.subscribe.signature", &params).await?;
        }
        other => {
            other?;
        }
    }
    Ok(connection)
}

fn hear(subject: &Subject, plan: &Plan, heard: &mut Heard, text: &str) {
    let Ok(Envelope { event: Some(event), .. }) = Envelope::parse(text) else {
        return;
    };
    heard.events += 1;
    if serde_json::from_str::<Event<'_>>(event.get()).map_or(true, |e| e.kind != "executionReport") {
        return;
    }
    let Ok(report) = serde_json::from_str::<ExecutionReport<'_>>(event.get()) else {
        return;
    };
    if report.symbol != subject.market.symbol {
        return;
    }
    let order = plan.by_client_id.get(report.client_id).copied();
    if let Some(order) = order {
        heard.order_ids.insert(report.order_id, order);
    }
    let (true, Ok(trade_id)) = (report.execution_type == "TRADE", u64::try_from(report.trade_id)) else {
        return;
    };
    heard.witness.hear(Row {
        trade_id,
        is_maker: report.is_maker,
        order,
        price_ticks: subject.market.tick.count(report.last_price),
        qty: subject.market.lot.count(report.last_quantity),
    });
}

/// A row of `myTrades`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Trade {
    id: u64,
    order_id: u64,
    price: String,
    qty: String,
    is_maker: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PlacedOrder {
    order_id: u64,
    client_order_id: String,
}

/// The largest page of the dialect.
const PAGE: usize = 1000;

/// The id behind the newest trade of the account; trades of this replay start there or later.
///
/// # Errors
/// As [`Connection::call`].
pub async fn next_trade_id(connection: &mut Connection, symbol: &str) -> Result<u64, Error> {
    let trades: Vec<Trade> = page(connection, "myTrades", symbol, "").await?;
    Ok(trades.iter().map(|trade| trade.id + 1).max().unwrap_or(0))
}

/// All trades of the account from `first_id` on, in ascending pages.
///
/// A trade of an account with itself is two rows of one id, and a page may end between them: a
/// full page is therefore cut before its last id, and the next one starts with it.
///
/// # Errors
/// As [`Connection::call`].
pub async fn my_trades(
    connection: &mut Connection,
    market: &Market,
    first_id: u64,
    order_ids: &HashMap<u64, OrderIndex>,
) -> Result<Witness, Error> {
    let mut witness = Witness::default();
    let mut from_id = first_id;
    loop {
        let rows: Vec<Trade> = page(connection, "myTrades", &market.symbol, &format!("\"fromId\":{from_id},")).await?;
        let last_id = rows.iter().map(|row| row.id).max().unwrap_or(from_id);
        let is_last = rows.len() < PAGE || last_id == from_id;
        for row in rows.iter().filter(|row| is_last || row.id < last_id) {
            witness.hear(Row {
                trade_id: row.id,
                is_maker: row.is_maker,
                order: order_ids.get(&row.order_id).copied(),
                price_ticks: market.tick.count(&row.price),
                qty: market.lot.count(&row.qty),
            });
        }
        if is_last {
            return Ok(witness);
        }
        from_id = last_id;
    }
}

/// Adds the venue's ids of all orders of the plan that `order_ids` does not have yet.
///
/// # Errors
/// As [`Connection::call`].
pub async fn all_orders(
    connection: &mut Connection,
    symbol: &str,
    plan: &Plan,
    order_ids: &mut HashMap<u64, OrderIndex>,
) -> Result<(), Error> {
    let mut from_id = 0;
    loop {
        let rows: Vec<PlacedOrder> = page(connection, "allOrders", symbol, &format!("\"orderId\":{from_id},")).await?;
        for row in &rows {
            if let Some(order) = plan.by_client_id.get(&row.client_order_id) {
                order_ids.insert(row.order_id, *order);
            }
        }
        match rows.iter().map(|row| row.order_id).max() {
            Some(last) if rows.len() == PAGE && last >= from_id => from_id = last + 1,
            _ => return Ok(()),
        }
    }
}

async fn page<T: for<'de> Deserialize<'de>>(
    connection: &mut Connection,
    method: &str,
    symbol: &str,
    from: &str,
) -> Result<Vec<T>, Error> {
    let params =
        format!("{{\"symbol\":\"{symbol}\",{from}\"limit\":{PAGE},\"recvWindow\":60000,\"timestamp\":{}}}", unix_ms());
    // Ids of the replay's own requests are far below.
    let text = connection.call(u64::from(u32::MAX), method, &params).await?;
    serde_json::from_str(&text).map_err(|error| Error::Transport(format!("unreadable {method}: {error}")))
}
