//! Lists of orders as replies and events tell them.

use rialto_actors::api::Release;
use rialto_engine::ids::{ClientOrderId, OrderId};
use rialto_engine::units::Nanos;
use rialto_engine::update::{ListView, OrderEvent, OrderUpdate, OrderView, Status};
use rialto_engine::wallet::Contingency;

use super::Detail;
use super::report::Report;
use crate::error::ApiError;
use crate::gateway::Market;
use crate::json::{self, TimeUnit};

/// What is told of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListTold {
    /// Its number: that of its first order.
    pub id: OrderId,
    /// Its owner's name for it, given or generated.
    pub client_id: ClientOrderId,
    /// Whether some of its orders wait for another.
    pub waits: bool,
    /// Its orders with their client ids, in the order of the list.
    pub orders: Vec<(OrderId, ClientOrderId)>,
    /// When what is told happened.
    pub time: Nanos,
    /// Whether none of its orders is open any more.
    pub is_done: bool,
}

impl ListTold {
    /// What is told of a list that was looked up.
    #[must_use]
    pub fn of(view: &ListView, is_done: bool) -> Self {
        Self {
            id: view.id,
            client_id: view.client_id,
            waits: view.contingency != Contingency::OneCancelsOther,
            orders: view.orders.clone(),
            time: view.time,
            is_done,
        }
    }

    /// What a release tells of the list of one of its orders; `None` for an order without a list, and
    /// behind a restart, where nobody waits for an answer.
    #[must_use]
    pub fn of_release(release: &Release, order: &OrderView) -> Option<Self> {
        let list = order.instructions.link?.list;
        let own = || release.updates.iter().map(|update| &update.order).filter(|view| is_of(view, list));
        let time = own().map(|view| view.updated).max().unwrap_or(order.updated);
        let news = release.lists.iter().find(|news| news.list.id == list)?;
        Some(Self { time, ..Self::of(&news.list, !news.is_open) })
    }

    /// Appends what every answer tells, without the closing brace.
    pub fn write_head(&self, out: &mut Vec<u8>, market: Market<'_>, unit: TimeUnit) {
        let (status, order_status) = self.states();
        out.extend_from_slice(b"{\"orderListId\":");
        json::number(out, self.id.0);
        for (name, value) in [
            ("contingencyType", self.contingency()),
            ("listStatusType", status),
            ("listOrderStatus", order_status),
            ("listClientOrderId", self.client_id.as_str()),
        ] {
            out.extend_from_slice(b",\"");
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":\"");
            out.extend_from_slice(value.as_bytes());
            out.push(b'"');
        }
        out.extend_from_slice(b",\"transactionTime\":");
        json::time(out, self.time, unit);
        out.extend_from_slice(b",\"symbol\":\"");
        out.extend_from_slice(market.symbol().as_bytes());
        out.extend_from_slice(b"\",\"orders\":");
        self.write_orders(out, market, ["symbol", "orderId", "clientOrderId"]);
    }

    /// Appends the `listStatus` event.
    pub fn write_event(&self, out: &mut Vec<u8>, market: Market<'_>, unit: TimeUnit, now: Nanos) {
        let (status, order_status) = self.states();
        out.extend_from_slice(b"{\"e\":\"listStatus\",\"E\":");
        json::time(out, now, unit);
        out.extend_from_slice(b",\"s\":\"");
        out.extend_from_slice(market.symbol().as_bytes());
        out.extend_from_slice(b"\",\"g\":");
        json::number(out, self.id.0);
        for (name, value) in [
            ("c", self.contingency()),
            ("l", status),
            ("L", order_status),
            ("r", "NONE"),
            ("C", self.client_id.as_str()),
        ] {
            out.extend_from_slice(b",\"");
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":\"");
            out.extend_from_slice(value.as_bytes());
            out.push(b'"');
        }
        out.extend_from_slice(b",\"T\":");
        json::time(out, self.time, unit);
        out.extend_from_slice(b",\"O\":");
        self.write_orders(out, market, ["s", "i", "c"]);
        out.push(b'}');
    }

    fn write_orders(&self, out: &mut Vec<u8>, market: Market<'_>, names: [&str; 3]) {
        let [symbol, order, client_id] = names;
        json::array(out, &self.orders, |out, (id, name)| {
            out.extend_from_slice(b"{\"");
            out.extend_from_slice(symbol.as_bytes());
            out.extend_from_slice(b"\":\"");
            out.extend_from_slice(market.symbol().as_bytes());
            out.extend_from_slice(b"\",\"");
            out.extend_from_slice(order.as_bytes());
            out.extend_from_slice(b"\":");
            json::number(out, id.0);
            out.extend_from_slice(b",\"");
            out.extend_from_slice(client_id.as_bytes());
            out.extend_from_slice(b"\":\"");
            out.extend_from_slice(name.as_str().as_bytes());
            out.extend_from_slice(b"\"}");
        });
    }

    const fn contingency(&self) -> &'static str {
        if self.waits { "OTO" } else { "OCO" }
    }

    const fn states(&self) -> (&'static str, &'static str) {
        if self.is_done { ("ALL_DONE", "ALL_DONE") } else { ("EXEC_STARTED", "EXECUTING") }
    }
}

/// Appends a list that was placed, with a report of each of its orders.
///
/// # Errors
/// -1000 if nothing is told of an order.
pub fn placed(out: &mut Vec<u8>, report: &Report<'_>, list: &ListTold, detail: Detail) -> Result<(), ApiError> {
    list.write_head(out, report.market, report.unit);
    out.extend_from_slice(b",\"orderReports\":[");
    for (place, (order, _)) in list.orders.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        report.placed(out, *order, detail)?;
    }
    out.extend_from_slice(b"]}");
    Ok(())
}

/// Appends a list that was cancelled, with a report of each order that was.
pub fn canceled(out: &mut Vec<u8>, report: &Report<'_>, list: &ListTold, id: Option<ClientOrderId>) {
    list.write_head(out, report.market, report.unit);
    out.extend_from_slice(b",\"orderReports\":");
    let of_list = |update: &&OrderUpdate| update.event == OrderEvent::Canceled && is_of(&update.order, list.id);
    json::array(out, report.updates.iter().filter(of_list), |out, update| report.cancel(out, &update.order, id));
    out.push(b'}');
}

/// Appends everything that a release has cancelled: orders on their own one by one, and lists
/// as lists.
pub fn canceled_many(out: &mut Vec<u8>, report: &Report<'_>, release: &Release) {
    let canceled_orders = report.updates.iter().filter(|update| update.event == OrderEvent::Canceled);
    let mut told: Vec<OrderId> = Vec::new();
    let items = canceled_orders.filter(|update| match update.order.instructions.link {
        None => true,
        Some(link) if told.contains(&link.list) => false,
        Some(link) => {
            told.push(link.list);
            true
        }
    });
    json::array(out, items, |out, update| match ListTold::of_release(release, &update.order) {
        Some(list) => canceled(out, report, &list, None),
        None => report.cancel(out, &update.order, None),
    });
}

/// Whether an order is one of a list.
fn is_of(order: &OrderView, list: OrderId) -> bool {
    order.instructions.link.is_some_and(|link| link.list == list)
}

const fn is_open(status: Status) -> bool {
    matches!(status, Status::Pending | Status::New | Status::PartiallyFilled)
}

/// Whether an event changes how a list stands: not every trade does.
#[must_use]
pub fn is_news(update: &OrderUpdate) -> bool {
    match update.event {
        OrderEvent::New | OrderEvent::Canceled | OrderEvent::Expired(_) | OrderEvent::Triggered => true,
        OrderEvent::Rejected(_) => true,
        OrderEvent::Trade(_) | OrderEvent::Prevented(..) | OrderEvent::Reduced => !is_open(update.order.status),
    }
}
