//! Orders as replies tell them.

use rialto_engine::ids::{ClientOrderId, OrderId};
use rialto_engine::message::Expiry;
use rialto_engine::order::{Display, SelfTrade};
use rialto_engine::units::Nanos;
use rialto_engine::update::{Execution, OrderEvent, OrderUpdate, OrderView, Status};
use rialto_engine::wallet::GENERATED_PREFIX;

use super::list_report::ListTold;
use super::{Detail, contingent, instructions, names, prevention};
use crate::error::ApiError;
use crate::gateway::{Gateway, Market};
use crate::json::{self, TimeUnit};

/// Tells of orders of one market what an answer says of them.
pub struct Report<'a> {
    /// What all workers share.
    pub gateway: &'a Gateway,
    /// The market.
    pub market: Market<'a>,
    /// In which unit times are.
    pub unit: TimeUnit,
    /// What happened.
    pub updates: &'a [OrderUpdate],
}

impl Report<'_> {
    /// Appends what is told of an order that was taken in.
    ///
    /// # Errors
    /// -1000 if nothing happened to it.
    pub fn placed(&self, out: &mut Vec<u8>, order: OrderId, detail: Detail) -> Result<(), ApiError> {
        let view = self.view(order, None)?;
        self.head(out, view);
        out.extend_from_slice(b",\"clientOrderId\":\"");
        out.extend_from_slice(view.client_id.as_str().as_bytes());
        out.extend_from_slice(b"\",\"transactTime\":");
        json::time(out, view.updated, self.unit);
        if detail != Detail::Ack {
            self.state(out, view);
            self.asked(out, view);
            self.working_time(out, view);
            if detail == Detail::Full {
                out.extend_from_slice(b",\"fills\":");
                json::array(out, self.executions(order), |out, execution| self.fill(out, execution));
                self.prevented_matches(out, view);
            }
            self.self_trade(out, view);
            if let Some(reason) = self.expiry(order).and_then(names::expiry) {
                out.extend_from_slice(b",\"expiryReason\":\"");
                out.extend_from_slice(reason.as_bytes());
                out.push(b'"');
            }
        }
        out.push(b'}');
        Ok(())
    }

    /// Appends what is told of an order that was cancelled.
    ///
    /// # Errors
    /// -1000 if it was not.
    pub fn canceled(&self, out: &mut Vec<u8>, order: OrderId, id: Option<ClientOrderId>) -> Result<(), ApiError> {
        self.cancel(out, self.view(order, Some(OrderEvent::Canceled))?, id);
        Ok(())
    }

    /// Appends the same for a view of it.
    pub fn cancel(&self, out: &mut Vec<u8>, view: &OrderView, id: Option<ClientOrderId>) {
        self.head(out, view);
        out.extend_from_slice(b",\"origClientOrderId\":\"");
        out.extend_from_slice(view.client_id.as_str().as_bytes());
        out.extend_from_slice(b"\",\"clientOrderId\":\"");
        write_cancel_id(out, view.id, id.as_ref());
        out.extend_from_slice(b"\",\"transactTime\":");
        json::time(out, view.updated, self.unit);
        self.state(out, view);
        self.asked(out, view);
        self.self_trade(out, view);
        out.push(b'}');
    }

    /// Appends what is told of an order that was reduced, and of its list.
    ///
    /// # Errors
    /// -1000 if it was not.
    pub fn amended(&self, out: &mut Vec<u8>, order: OrderId, list: Option<&ListTold>) -> Result<(), ApiError> {
        let view = self.view(order, Some(OrderEvent::Reduced))?;
        out.extend_from_slice(b"{\"transactTime\":");
        json::time(out, view.updated, self.unit);
        out.extend_from_slice(b",\"executionId\":");
        json::number(out, execution_id(view));
        out.extend_from_slice(b",\"amendedOrder\":");
        self.head(out, view);
        for name in ["origClientOrderId", "clientOrderId"] {
            out.extend_from_slice(b",\"");
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":\"");
            out.extend_from_slice(view.client_id.as_str().as_bytes());
            out.push(b'"');
        }
        out.extend_from_slice(b",\"price\":");
        self.market.text.price(out, view.price);
        out.extend_from_slice(b",\"qty\":");
        self.market.text.quantity(out, view.quantity);
        out.extend_from_slice(b",\"executedQty\":");
        self.market.text.quantity(out, view.executed);
        out.extend_from_slice(b",\"preventedQty\":");
        self.market.text.quantity(out, prevention::prevented(view));
        out.extend_from_slice(b",\"quoteOrderQty\":\"0.00000000\",\"cumulativeQuoteQty\":");
        self.market.text.notional(out, view.notional);
        self.terms(out, view);
        self.asked(out, view);
        self.working_time(out, view);
        out.extend_from_slice(b",\"selfTradePreventionMode\":\"");
        out.extend_from_slice(names::self_trade(view.instructions.self_trade).as_bytes());
        out.extend_from_slice(b"\"}");
        if let Some(list) = list {
            out.extend_from_slice(b",\"listStatus\":");
            list.write_head(out, self.market, self.unit);
            out.push(b'}');
        }
        out.push(b'}');
        Ok(())
    }

    /// The last state of an order, if anything happened to it.
    #[must_use]
    pub fn last(&self, order: OrderId) -> Option<&OrderView> {
        self.updates.iter().rev().map(|update| &update.order).find(|view| view.id == order)
    }

    /// The last state of an order, or the one that an event left.
    fn view(&self, order: OrderId, event: Option<OrderEvent>) -> Result<&OrderView, ApiError> {
        let mut updates = self.updates.iter().rev();
        let found = updates.find(|update| update.order.id == order && event.is_none_or(|event| update.event == event));
        found.map(|update| &update.order).ok_or_else(ApiError::unknown)
    }

    fn executions(&self, order: OrderId) -> impl Iterator<Item = &Execution> {
        self.updates.iter().filter_map(move |update| match &update.event {
            OrderEvent::Trade(execution) if update.order.id == order => Some(execution),
            _ => None,
        })
    }

    fn expiry(&self, order: OrderId) -> Option<Expiry> {
        self.updates.iter().rev().find_map(|update| match update.event {
            OrderEvent::Expired(reason) if update.order.id == order => Some(reason),
            _ => None,
        })
    }

    fn fill(&self, out: &mut Vec<u8>, execution: &Execution) {
        let tenant = self.market.tenant.id;
        out.extend_from_slice(b"{\"price\":");
        self.market.text.price(out, execution.price);
        out.extend_from_slice(b",\"qty\":");
        self.market.text.quantity(out, execution.quantity);
        out.extend_from_slice(b",\"commission\":");
        self.gateway.amount(out, tenant, execution.fee_asset, execution.fee);
        out.extend_from_slice(b",\"commissionAsset\":");
        self.gateway.asset_name(out, tenant, execution.fee_asset);
        out.extend_from_slice(b",\"tradeId\":");
        json::number(out, execution.trade.0);
        out.push(b'}');
    }

    fn head(&self, out: &mut Vec<u8>, view: &OrderView) {
        out.extend_from_slice(b"{\"symbol\":\"");
        out.extend_from_slice(self.market.symbol().as_bytes());
        out.extend_from_slice(b"\",\"orderId\":");
        json::number(out, view.id.0);
        out.extend_from_slice(b",\"orderListId\":");
        order_list_id(out, view);
    }

    fn state(&self, out: &mut Vec<u8>, view: &OrderView) {
        let text = self.market.text;
        out.extend_from_slice(b",\"price\":");
        text.price(out, view.price);
        out.extend_from_slice(b",\"origQty\":");
        text.quantity(out, view.quantity);
        out.extend_from_slice(b",\"executedQty\":");
        text.quantity(out, view.executed);
        out.extend_from_slice(b",\"origQuoteOrderQty\":");
        text.quote_amount(out, view.budget);
        out.extend_from_slice(b",\"cummulativeQuoteQty\":");
        text.notional(out, view.notional);
        self.terms(out, view);
    }

    fn terms(&self, out: &mut Vec<u8>, view: &OrderView) {
        out.extend_from_slice(b",\"status\":\"");
        out.extend_from_slice(names::status(view.status).as_bytes());
        out.extend_from_slice(b"\",\"timeInForce\":\"");
        out.extend_from_slice(names::time_in_force(view).as_bytes());
        out.extend_from_slice(b"\",\"type\":\"");
        out.extend_from_slice(names::order_type(view).as_bytes());
        out.extend_from_slice(b"\",\"side\":\"");
        out.extend_from_slice(names::side(view.side).as_bytes());
        out.push(b'"');
    }

    /// Appends what an order asks for beyond its type, and what it waits or has waited for. Since
    /// when it follows the price only the book knows, so that there is no `trailingTime`; nor does
    /// anybody else know where a pegged order stands, so that there is no `peggedPrice`.
    fn asked(&self, out: &mut Vec<u8>, view: &OrderView) {
        if view.instructions.trigger.is_some() {
            out.extend_from_slice(b",\"stopPrice\":");
            self.market.text.price(out, contingent::stop_price(view));
            contingent::write_distance(out, self.market, view);
        }
        instructions::write(out, self.market, view, self.unit);
    }

    /// Appends since when an order takes part: -1 while it waits.
    fn working_time(&self, out: &mut Vec<u8>, view: &OrderView) {
        out.extend_from_slice(b",\"workingTime\":");
        match working_since(view) {
            Some(time) => json::time(out, time, self.unit),
            None => json::integer(out, -1),
        }
    }

    /// Appends what an order asks for where it meets its own account, and what it lost there.
    /// Prevented matches have no numbers.
    fn self_trade(&self, out: &mut Vec<u8>, view: &OrderView) {
        out.extend_from_slice(b",\"selfTradePreventionMode\":\"");
        out.extend_from_slice(names::self_trade(view.instructions.self_trade).as_bytes());
        out.push(b'"');
        let prevented = prevention::prevented(view);
        if !prevented.is_zero() {
            out.extend_from_slice(b",\"preventedQuantity\":");
            self.market.text.quantity(out, prevented);
        }
    }

    /// Appends whom a new order has met of its own account, if it did and that is known.
    fn prevented_matches(&self, out: &mut Vec<u8>, view: &OrderView) {
        let mut matches = prevention::met_by(self.updates, view.id).peekable();
        if matches.peek().is_none() {
            return;
        }
        let mode = view.instructions.self_trade;
        out.extend_from_slice(b",\"preventedMatches\":");
        json::array(out, matches, |out, (lost, met)| {
            out.extend_from_slice(b"{\"makerOrderId\":");
            json::number(out, met.order.0);
            out.extend_from_slice(b",\"price\":");
            self.market.text.price(out, met.price);
            let taker_lost = match mode {
                SelfTrade::Decrement => Some(met.quantity),
                SelfTrade::ExpireBoth => Some(prevention::prevented(view)),
                _ => None,
            };
            if let Some(quantity) = taker_lost {
                out.extend_from_slice(b",\"takerPreventedQuantity\":");
                self.market.text.quantity(out, quantity);
            }
            out.extend_from_slice(b",\"makerPreventedQuantity\":");
            self.market.text.quantity(out, lost);
            out.push(b'}');
        });
    }
}

/// Appends the number of an order's list; -1 without one.
pub fn order_list_id(out: &mut Vec<u8>, view: &OrderView) {
    match view.instructions.link {
        Some(link) => json::number(out, link.list.0),
        None => json::integer(out, -1),
    }
}

/// Since when an order takes part; `None` while it waits for a price or for another order.
#[must_use]
pub fn working_since(view: &OrderView) -> Option<Nanos> {
    let is_pending = view.status == Status::Pending
        || view.instructions.link.is_some_and(|link| link.after.is_some()) && view.triggered == Nanos::ZERO;
    view.working_since().filter(|_| !is_pending)
}

/// Appends an order as queries tell it.
pub fn write_order(out: &mut Vec<u8>, gateway: &Gateway, market: Market<'_>, unit: TimeUnit, view: &OrderView) {
    let report = Report { gateway, market, unit, updates: &[] };
    report.head(out, view);
    out.extend_from_slice(b",\"clientOrderId\":\"");
    out.extend_from_slice(view.client_id.as_str().as_bytes());
    out.push(b'"');
    report.state(out, view);
    out.extend_from_slice(b",\"stopPrice\":");
    market.text.price(out, contingent::stop_price(view));
    contingent::write_distance(out, market, view);
    if !matches!(view.instructions.display, Display::Iceberg(_)) {
        out.extend_from_slice(b",\"icebergQty\":\"0.00000000\"");
    }
    instructions::write(out, market, view, unit);
    out.extend_from_slice(b",\"time\":");
    json::time(out, view.time, unit);
    out.extend_from_slice(b",\"updateTime\":");
    json::time(out, view.updated, unit);
    out.extend_from_slice(b",\"isWorking\":");
    json::boolean(out, working_since(view).is_some());
    report.working_time(out, view);
    report.self_trade(out, view);
    out.push(b'}');
}

/// Appends the name of a cancel: the client's, or one that is made from the order's number.
pub fn write_cancel_id(out: &mut Vec<u8>, order: OrderId, given: Option<&ClientOrderId>) {
    match given {
        Some(id) => out.extend_from_slice(id.as_str().as_bytes()),
        None => {
            out.extend_from_slice(GENERATED_PREFIX.as_bytes());
            out.extend_from_slice(b"cancel-");
            json::number(out, order.0);
        }
    }
}

/// A number for what just happened to an order: the microsecond of it, which fits a double.
#[must_use]
pub const fn execution_id(view: &OrderView) -> u64 {
    view.updated.0 / 1_000
}
