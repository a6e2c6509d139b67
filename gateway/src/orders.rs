//! Orders: what clients ask for, and how they are told what became of it.
//!
//! Requests of REST and of the WebSocket API become the same commands, and their answers the same
//! JSON. Everything here is one pass over the parameters and one over the answer, into a buffer
//! that is reused: this is the way of every order.

use rialto_actors::api::{Release, Reply};
use rialto_engine::ids::{ClientOrderId, MarketId, OrderId, TenantId};
use rialto_engine::message::{CancelRestriction, Expiry};
use rialto_engine::order::{OrderKind, Side};
use rialto_engine::reason::Reason;
use rialto_engine::units::{Amount, Nanos, Price, Quantity};
use rialto_engine::update::{OrderEvent, OrderUpdate, OrderView, Status};
use rialto_engine::wallet::{Cancel, Command, GENERATED_PREFIX, OrderRef, Place, Settled, SettledResult};

use crate::error::{ApiError, Asked};
use crate::gateway::{Gateway, Market};
use crate::json::{self, TimeUnit};
use crate::keys::Identity;
use crate::params::{self, Params};

/// What a client id may look like.
const CLIENT_ID_RANGE: &str = "^[a-zA-Z0-9-_.:/]{1,36}$";

/// How much of a placed order the reply tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Its numbers.
    Ack,
    /// Its state.
    Result,
    /// Its state and its fills.
    Full,
}

/// A command that was asked for, with what its reply needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The tenant.
    pub tenant: TenantId,
    /// Where.
    pub market: MarketId,
    /// In which unit the reply's times are.
    pub unit: TimeUnit,
    /// What.
    pub asked: PendingKind,
}

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PendingKind {
    /// To place an order.
    Place {
        /// How much the reply tells.
        detail: Detail,
        /// Whether it is a market order.
        market: bool,
    },
    /// To cancel one.
    Cancel {
        /// The client's name for the cancel.
        id: Option<ClientOrderId>,
    },
    /// To cancel all of a market.
    CancelAll,
    /// To replace one.
    Replace {
        /// How much the reply tells of the new order.
        detail: Detail,
        /// Whether that is a market order.
        market: bool,
        /// The client's name for the cancel.
        cancel: Option<ClientOrderId>,
    },
    /// To reduce one.
    Amend,
}

/// Reads a request that becomes a command: one function for each kind.
pub type Parse = fn(&Gateway, Identity, &Params<'_>, TimeUnit) -> Result<(Command, Pending), ApiError>;

impl Pending {
    /// The client's name for a cancel, which the report of the cancelled order carries.
    #[must_use]
    pub const fn cancel_id(&self) -> Option<ClientOrderId> {
        match self.asked {
            PendingKind::Cancel { id } | PendingKind::Replace { cancel: id, .. } => id,
            _ => None,
        }
    }
}

/// The parameters of an order and of what goes with it, as texts.
#[derive(Default)]
struct Fields<'a> {
    symbol: Option<&'a str>,
    side: Option<&'a str>,
    order_type: Option<&'a str>,
    time_in_force: Option<&'a str>,
    quantity: Option<&'a str>,
    quote_quantity: Option<&'a str>,
    price: Option<&'a str>,
    client_id: Option<&'a str>,
    response: Option<&'a str>,
    prevention: Option<&'a str>,
    cancel_mode: Option<&'a str>,
    cancel_order: Option<&'a str>,
    cancel_client_id: Option<&'a str>,
    cancel_id: Option<&'a str>,
    cancel_restrictions: Option<&'a str>,
    /// A parameter that only orders of types that are not offered have.
    foreign: Option<&'a str>,
}

impl<'a> Fields<'a> {
    /// Sorts the parameters, and refuses what is not understood: an order must never be placed
    /// without something that its owner relies on.
    fn of(params: &'a Params<'_>, replaces: bool) -> Result<Self, ApiError> {
        params.check()?;
        let mut fields = Self::default();
        let mut unread = 0;
        for (name, value) in params.iter() {
            let field = match name {
                "symbol" => &mut fields.symbol,
                "side" => &mut fields.side,
                "type" => &mut fields.order_type,
                "timeInForce" => &mut fields.time_in_force,
                "quantity" => &mut fields.quantity,
                "quoteOrderQty" => &mut fields.quote_quantity,
                "price" => &mut fields.price,
                "newClientOrderId" => &mut fields.client_id,
                "newOrderRespType" => &mut fields.response,
                "selfTradePreventionMode" => &mut fields.prevention,
                "cancelReplaceMode" if replaces => &mut fields.cancel_mode,
                "cancelOrderId" if replaces => &mut fields.cancel_order,
                "cancelOrigClientOrderId" if replaces => &mut fields.cancel_client_id,
                "cancelNewClientOrderId" if replaces => &mut fields.cancel_id,
                "cancelRestrictions" if replaces => &mut fields.cancel_restrictions,
                "timestamp" | "recvWindow" | "signature" | "apiKey" | "returnRateLimits" | "computeCommissionRates" => {
                    continue;
                }
                "orderRateLimitExceededMode" if replaces => continue,
                // Said once the type is known: of a type that is not offered, that is what is wrong.
                "stopPrice" | "trailingDelta" | "icebergQty" | "strategyId" | "strategyType" | "pegPriceType"
                | "pegOffsetValue" | "pegOffsetType" => {
                    fields.foreign.get_or_insert(name);
                    continue;
                }
                _ => {
                    unread += 1;
                    continue;
                }
            };
            if value.is_empty() {
                return Err(if is_mandatory(name) { ApiError::mandatory(name) } else { ApiError::empty(name) });
            }
            *field = Some(value);
        }
        if unread > 0 {
            return Err(ApiError::unread_parameters(params.len() - unread, params.len()));
        }
        Ok(fields)
    }

    fn place(&self, gateway: &Gateway, identity: Identity) -> Result<(Place, Detail), ApiError> {
        let market = gateway.market(identity.tenant, self.symbol.ok_or_else(|| ApiError::mandatory("symbol"))?)?;
        let side = match self.side.ok_or_else(|| ApiError::mandatory("side"))? {
            "BUY" => Side::Buy,
            "SELL" => Side::Sell,
            _ => return Err(ApiError::invalid_side()),
        };
        let mut place = Place {
            account: identity.account,
            market: market.id(),
            client_id: self.client_id.map(|text| own_client_id("newClientOrderId", text)).transpose()?,
            side,
            kind: OrderKind::Limit,
            price: Price::ZERO,
            quantity: Quantity::ZERO,
            budget: Amount::ZERO,
            time: Nanos::ZERO,
        };
        let mut detail = Detail::Full;
        match self.order_type.ok_or_else(|| ApiError::mandatory("type"))? {
            "LIMIT" => {
                place.kind = match self.time_in_force.ok_or_else(|| ApiError::mandatory("timeInForce"))? {
                    "GTC" => OrderKind::Limit,
                    "IOC" => OrderKind::ImmediateOrCancel,
                    "FOK" => OrderKind::FillOrKill,
                    _ => return Err(ApiError::invalid_time_in_force()),
                };
                self.limit(&market, &mut place)?;
            }
            "LIMIT_MAKER" => {
                place.kind = OrderKind::PostOnly;
                detail = Detail::Ack;
                // Clients that send "GTC" mean what the type says anyway.
                if self.time_in_force.is_some_and(|text| text != "GTC") {
                    return Err(ApiError::time_in_force_not_required());
                }
                self.limit(&market, &mut place)?;
            }
            "MARKET" => self.market(&market, &mut place)?,
            // STOP_LOSS, STOP_LOSS_LIMIT, TAKE_PROFIT and TAKE_PROFIT_LIMIT are not offered.
            _ => return Err(ApiError::invalid_order_type()),
        }
        if let Some(name) = self.foreign {
            return Err(ApiError::not_required(name));
        }
        if self.prevention.is_some_and(|mode| mode != "NONE") {
            return Err(ApiError::new(-1013, "This symbol does not allow the specified self-trade prevention mode."));
        }
        let detail = match self.response {
            None => detail,
            Some("ACK") => Detail::Ack,
            Some("RESULT") => Detail::Result,
            Some("FULL") => Detail::Full,
            Some(_) => return Err(ApiError::invalid_parameter("newOrderRespType")),
        };
        Ok((place, detail))
    }

    fn limit(&self, market: &Market<'_>, place: &mut Place) -> Result<(), ApiError> {
        if self.quote_quantity.is_some() {
            return Err(ApiError::not_required("quoteOrderQty"));
        }
        let quantity = self.quantity.ok_or_else(|| ApiError::mandatory("quantity"))?;
        let price = self.price.ok_or_else(|| ApiError::mandatory("price"))?;
        place.price = market.text.parse_price("price", price)?;
        place.quantity = market.text.parse_quantity("quantity", quantity, "LOT_SIZE")?;
        Ok(())
    }

    fn market(&self, market: &Market<'_>, place: &mut Place) -> Result<(), ApiError> {
        if self.price.is_some() {
            return Err(ApiError::not_required("price"));
        }
        if self.time_in_force.is_some() {
            return Err(ApiError::time_in_force_not_required());
        }
        match (self.quantity, self.quote_quantity) {
            (Some(quantity), None) => {
                place.kind = OrderKind::Market;
                place.quantity = market.text.parse_quantity("quantity", quantity, "MARKET_LOT_SIZE")?;
            }
            (None, Some(amount)) => {
                place.kind = OrderKind::MarketByQuote;
                place.budget = market.text.parse_quote_amount("quoteOrderQty", amount)?;
            }
            (Some(_), Some(_)) => return Err(ApiError::bad_combination()),
            (None, None) => return Err(ApiError::either("quantity", "quoteOrderQty")),
        }
        Ok(())
    }
}

fn is_mandatory(name: &str) -> bool {
    matches!(name, "symbol" | "side" | "type" | "cancelReplaceMode")
}

/// A new order.
///
/// # Errors
/// What the dialect says to each wrong parameter.
pub fn parse_place(
    gateway: &Gateway,
    identity: Identity,
    params: &Params<'_>,
    unit: TimeUnit,
) -> Result<(Command, Pending), ApiError> {
    let (place, detail) = Fields::of(params, false)?.place(gateway, identity)?;
    let asked = PendingKind::Place { detail, market: !place.kind.has_limit() };
    let pending = Pending { tenant: identity.tenant, market: place.market, unit, asked };
    Ok((Command::Place(place), pending))
}

/// A cancel.
///
/// # Errors
/// What the dialect says to each wrong parameter.
pub fn parse_cancel(
    gateway: &Gateway,
    identity: Identity,
    params: &Params<'_>,
    unit: TimeUnit,
) -> Result<(Command, Pending), ApiError> {
    params.check()?;
    let market = gateway.market(identity.tenant, params.required("symbol")?)?;
    let target = target(params, "orderId", "origClientOrderId")?;
    let restriction = restriction(params.optional("cancelRestrictions")?)?;
    let id = params.optional("newClientOrderId")?.map(|text| own_client_id("newClientOrderId", text)).transpose()?;
    let cancel = Cancel { account: identity.account, market: market.id(), target, restriction, time: Nanos::ZERO };
    let asked = PendingKind::Cancel { id };
    Ok((Command::Cancel(cancel), Pending { tenant: identity.tenant, market: market.id(), unit, asked }))
}

/// A cancel of all orders of a market.
///
/// # Errors
/// What the dialect says to each wrong parameter.
pub fn parse_cancel_all(
    gateway: &Gateway,
    identity: Identity,
    params: &Params<'_>,
    unit: TimeUnit,
) -> Result<(Command, Pending), ApiError> {
    params.check()?;
    let market = gateway.market(identity.tenant, params.required("symbol")?)?.id();
    let command = Command::CancelAll { account: identity.account, market, time: Nanos::ZERO };
    Ok((command, Pending { tenant: identity.tenant, market, unit, asked: PendingKind::CancelAll }))
}

/// A cancel with a new order in its stead.
///
/// # Errors
/// What the dialect says to each wrong parameter.
pub fn parse_replace(
    gateway: &Gateway,
    identity: Identity,
    params: &Params<'_>,
    unit: TimeUnit,
) -> Result<(Command, Pending), ApiError> {
    let fields = Fields::of(params, true)?;
    let allow_failure = match fields.cancel_mode.ok_or_else(|| ApiError::mandatory("cancelReplaceMode"))? {
        "STOP_ON_FAILURE" => false,
        "ALLOW_FAILURE" => true,
        _ => return Err(ApiError::invalid_parameter("cancelReplaceMode")),
    };
    let (place, detail) = fields.place(gateway, identity)?;
    let target =
        order_ref(("cancelOrderId", fields.cancel_order), ("cancelOrigClientOrderId", fields.cancel_client_id))?;
    let restriction = restriction(fields.cancel_restrictions)?;
    let cancel_id = fields.cancel_id.map(|text| own_client_id("cancelNewClientOrderId", text)).transpose()?;
    let cancel = Cancel { account: place.account, market: place.market, target, restriction, time: Nanos::ZERO };
    let asked = PendingKind::Replace { detail, market: !place.kind.has_limit(), cancel: cancel_id };
    let pending = Pending { tenant: identity.tenant, market: place.market, unit, asked };
    Ok((Command::Replace { cancel, allow_failure, place }, pending))
}

/// A reduction that keeps the order's place. The order keeps its client id: to ask for another is
/// refused.
///
/// # Errors
/// What the dialect says to each wrong parameter.
pub fn parse_amend(
    gateway: &Gateway,
    identity: Identity,
    params: &Params<'_>,
    unit: TimeUnit,
) -> Result<(Command, Pending), ApiError> {
    params.check()?;
    let market = gateway.market(identity.tenant, params.required("symbol")?)?;
    let target = target(params, "orderId", "origClientOrderId")?;
    if let Some(new) = params.optional("newClientOrderId")?
        && target.client_id.is_none_or(|id| id.as_str() != new)
    {
        return Err(ApiError::not_required("newClientOrderId"));
    }
    let quantity = market.text.parse_quantity("newQty", params.required("newQty")?, "LOT_SIZE")?;
    let (account, market) = (identity.account, market.id());
    let command = Command::Reduce { account, market, target, quantity, time: Nanos::ZERO };
    Ok((command, Pending { tenant: identity.tenant, market, unit, asked: PendingKind::Amend }))
}

/// How a client names an order, by number or by its own name.
///
/// # Errors
/// -1102 if by neither, -1100 if it cannot be one.
pub fn target(params: &Params<'_>, id: &'static str, client_id: &'static str) -> Result<OrderRef, ApiError> {
    order_ref((id, params.optional(id)?), (client_id, params.optional(client_id)?))
}

fn order_ref(id: (&str, Option<&str>), client_id: (&str, Option<&str>)) -> Result<OrderRef, ApiError> {
    let target = OrderRef {
        id: id.1.map(|text| params::integer(id.0, text)).transpose()?.map(OrderId),
        client_id: client_id.1.map(|text| parse_client_id(client_id.0, text)).transpose()?,
    };
    if target.id.is_none() && target.client_id.is_none() {
        return Err(ApiError::either(id.0, client_id.0));
    }
    Ok(target)
}

fn parse_client_id(parameter: &str, text: &str) -> Result<ClientOrderId, ApiError> {
    ClientOrderId::new(text).ok_or_else(|| ApiError::illegal_characters(parameter, CLIENT_ID_RANGE))
}

/// A name that a client gives: not one of those that the exchange gives.
fn own_client_id(parameter: &str, text: &str) -> Result<ClientOrderId, ApiError> {
    if text.starts_with(GENERATED_PREFIX) {
        return Err(ApiError::invalid_parameter(parameter));
    }
    parse_client_id(parameter, text)
}

fn restriction(text: Option<&str>) -> Result<CancelRestriction, ApiError> {
    match text {
        None => Ok(CancelRestriction::None),
        Some("ONLY_NEW") => Ok(CancelRestriction::OnlyNew),
        Some("ONLY_PARTIALLY_FILLED") => Ok(CancelRestriction::OnlyPartiallyFilled),
        Some(_) => Err(ApiError::invalid_cancel_restrictions()),
    }
}

/// Appends the result of a command, or says why there is none.
///
/// # Errors
/// The refusal in the words of the dialect.
pub fn write_result(
    gateway: &Gateway,
    out: &mut Vec<u8>,
    pending: &Pending,
    release: &Release,
) -> Result<(), ApiError> {
    let market = gateway.market_by_id(pending.tenant, pending.market).ok_or_else(ApiError::unknown)?;
    let writer = Writer { gateway, market, unit: pending.unit, updates: &release.updates };
    match release.answer.as_ref().map(|(_, reply)| reply) {
        Some(Reply::Settled(settled)) => writer.settled(out, pending, settled),
        Some(Reply::Rejected(reason)) => Err(rejected(pending, *reason)),
        _ => Err(ApiError::unknown()),
    }
}

/// Why a wallet refused a command that changed nothing.
fn rejected(pending: &Pending, reason: Reason) -> ApiError {
    let asked = match pending.asked {
        PendingKind::Place { market, .. } => Asked::Place { market },
        PendingKind::Cancel { .. } | PendingKind::CancelAll => Asked::Cancel,
        PendingKind::Amend => Asked::Amend,
        PendingKind::Replace { market, .. } => {
            let place = ApiError::of_reason(reason, Asked::Place { market });
            return match reason {
                Reason::UnknownOrder | Reason::ConflictingOrderIds | Reason::CancelRestricted => {
                    let cancel = ApiError::of_reason(reason, Asked::Cancel);
                    replace_failed("FAILURE", Some(&cancel), "NOT_ATTEMPTED", None)
                }
                // The new order was refused before the old one was touched.
                Reason::InsufficientBalance | Reason::DuplicateClientOrderId | Reason::TooManyOrders => {
                    replace_failed("NOT_ATTEMPTED", None, "FAILURE", Some(&place))
                }
                _ => place,
            };
        }
    };
    ApiError::of_reason(reason, asked)
}

fn replace_failed(cancel: &str, cancel_error: Option<&ApiError>, new: &str, new_error: Option<&ApiError>) -> ApiError {
    ApiError::replace_failed(replace_data(
        cancel,
        |out| error_or_null(out, cancel_error),
        new,
        |out| error_or_null(out, new_error),
    ))
}

fn error_or_null(out: &mut Vec<u8>, error: Option<&ApiError>) {
    match error {
        Some(error) => error.write(out),
        None => out.extend_from_slice(b"null"),
    }
}

fn replace_data(
    cancel: &str,
    write_cancel: impl FnOnce(&mut Vec<u8>),
    new: &str,
    write_new: impl FnOnce(&mut Vec<u8>),
) -> String {
    let mut out = Vec::with_capacity(1_024);
    write_replace(&mut out, cancel, write_cancel, new, write_new);
    String::from_utf8(out).unwrap_or_default()
}

fn write_replace(
    out: &mut Vec<u8>,
    cancel: &str,
    write_cancel: impl FnOnce(&mut Vec<u8>),
    new: &str,
    write_new: impl FnOnce(&mut Vec<u8>),
) {
    out.extend_from_slice(b"{\"cancelResult\":\"");
    out.extend_from_slice(cancel.as_bytes());
    out.extend_from_slice(b"\",\"newOrderResult\":\"");
    out.extend_from_slice(new.as_bytes());
    out.extend_from_slice(b"\",\"cancelResponse\":");
    write_cancel(out);
    out.extend_from_slice(b",\"newOrderResponse\":");
    write_new(out);
    out.push(b'}');
}

/// Writes answers about orders of one market.
struct Writer<'a> {
    gateway: &'a Gateway,
    market: Market<'a>,
    unit: TimeUnit,
    updates: &'a [OrderUpdate],
}

impl Writer<'_> {
    fn settled(&self, out: &mut Vec<u8>, pending: &Pending, settled: &Settled) -> Result<(), ApiError> {
        match (&settled.result, pending.asked) {
            (SettledResult::Placed(placed), PendingKind::Place { detail, market }) => {
                placed.map_err(|reason| ApiError::of_reason(reason, Asked::Place { market }))?;
                self.placed(out, settled.order, detail)
            }
            // There was nothing to cancel, which the client allowed.
            (SettledResult::Placed(placed), PendingKind::Replace { detail, market, cancel }) => {
                let canceled = Err(Reason::UnknownOrder);
                self.replaced(out, settled.order, OrderId(0), canceled, Some(*placed), (detail, market, cancel))
            }
            (SettledResult::Canceled(canceled), PendingKind::Cancel { id }) => {
                canceled.map_err(|reason| ApiError::of_reason(reason, Asked::Cancel))?;
                self.canceled(out, settled.order, id)
            }
            (SettledResult::CanceledMany, PendingKind::CancelAll) => {
                let canceled = self.updates.iter().filter(|update| update.event == OrderEvent::Canceled);
                if canceled.clone().next().is_none() {
                    return Err(ApiError::of_reason(Reason::UnknownOrder, Asked::Cancel));
                }
                json::array(out, canceled, |out, update| self.cancel_report(out, &update.order, None));
                Ok(())
            }
            (SettledResult::Replaced { old, canceled, placed }, PendingKind::Replace { detail, market, cancel }) => {
                self.replaced(out, settled.order, *old, *canceled, *placed, (detail, market, cancel))
            }
            (SettledResult::Reduced(reduced), PendingKind::Amend) => {
                reduced.map_err(|reason| ApiError::of_reason(reason, Asked::Amend))?;
                self.amended(out, settled.order)
            }
            _ => Err(ApiError::unknown()),
        }
    }

    /// The last state of an order, or the one that an event left.
    fn view(&self, order: OrderId, event: Option<OrderEvent>) -> Result<&OrderView, ApiError> {
        let mut updates = self.updates.iter().rev();
        let found = updates.find(|update| update.order.id == order && event.is_none_or(|event| update.event == event));
        found.map(|update| &update.order).ok_or_else(ApiError::unknown)
    }

    fn placed(&self, out: &mut Vec<u8>, order: OrderId, detail: Detail) -> Result<(), ApiError> {
        let view = self.view(order, None)?;
        self.head(out, view);
        out.extend_from_slice(b",\"clientOrderId\":\"");
        out.extend_from_slice(view.client_id.as_str().as_bytes());
        out.extend_from_slice(b"\",\"transactTime\":");
        json::time(out, view.updated, self.unit);
        if detail != Detail::Ack {
            self.state(out, view);
            out.extend_from_slice(b",\"workingTime\":");
            json::time(out, view.time, self.unit);
            if detail == Detail::Full {
                out.extend_from_slice(b",\"fills\":");
                json::array(out, self.executions(order), |out, execution| {
                    out.extend_from_slice(b"{\"price\":");
                    self.market.text.price(out, execution.price);
                    out.extend_from_slice(b",\"qty\":");
                    self.market.text.quantity(out, execution.quantity);
                    out.extend_from_slice(b",\"commission\":");
                    self.gateway.amount(out, self.market.tenant.id, execution.fee_asset, execution.fee);
                    out.extend_from_slice(b",\"commissionAsset\":");
                    self.gateway.asset_name(out, self.market.tenant.id, execution.fee_asset);
                    out.extend_from_slice(b",\"tradeId\":");
                    json::number(out, execution.trade.0);
                    out.push(b'}');
                });
            }
            out.extend_from_slice(b",\"selfTradePreventionMode\":\"NONE\"");
            if let Some(reason) = self.expiry(order) {
                out.extend_from_slice(b",\"expiryReason\":\"");
                out.extend_from_slice(expiry_name(reason).as_bytes());
                out.push(b'"');
            }
        }
        out.push(b'}');
        Ok(())
    }

    fn executions(&self, order: OrderId) -> impl Iterator<Item = &rialto_engine::update::Execution> {
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

    fn canceled(&self, out: &mut Vec<u8>, order: OrderId, id: Option<ClientOrderId>) -> Result<(), ApiError> {
        self.cancel_report(out, self.view(order, Some(OrderEvent::Canceled))?, id);
        Ok(())
    }

    fn cancel_report(&self, out: &mut Vec<u8>, view: &OrderView, id: Option<ClientOrderId>) {
        self.head(out, view);
        out.extend_from_slice(b",\"origClientOrderId\":\"");
        out.extend_from_slice(view.client_id.as_str().as_bytes());
        out.extend_from_slice(b"\",\"clientOrderId\":\"");
        cancel_id(out, view.id, id.as_ref());
        out.extend_from_slice(b"\",\"transactTime\":");
        json::time(out, view.updated, self.unit);
        self.state(out, view);
        out.extend_from_slice(b",\"selfTradePreventionMode\":\"NONE\"}");
    }

    fn replaced(
        &self,
        out: &mut Vec<u8>,
        new: OrderId,
        old: OrderId,
        canceled: Result<(), Reason>,
        placed: Option<Result<(), Reason>>,
        (detail, market, id): (Detail, bool, Option<ClientOrderId>),
    ) -> Result<(), ApiError> {
        let result = |succeeded| if succeeded { "SUCCESS" } else { "FAILURE" };
        let new_result = placed.map_or("NOT_ATTEMPTED", |placed| result(placed.is_ok()));
        let mut cancel_response = Vec::with_capacity(512);
        match canceled {
            Ok(()) => self.canceled(&mut cancel_response, old, id)?,
            Err(reason) => ApiError::of_reason(reason, Asked::Cancel).write(&mut cancel_response),
        }
        let mut new_response = Vec::with_capacity(1_024);
        match placed {
            Some(Ok(())) => self.placed(&mut new_response, new, detail)?,
            Some(Err(reason)) => ApiError::of_reason(reason, Asked::Place { market }).write(&mut new_response),
            None => new_response.extend_from_slice(b"null"),
        }
        let both = (canceled.is_ok(), placed.is_some_and(|placed| placed.is_ok()));
        let write_cancel = |out: &mut Vec<u8>| out.extend_from_slice(&cancel_response);
        let write_new = |out: &mut Vec<u8>| out.extend_from_slice(&new_response);
        if both == (true, true) {
            write_replace(out, "SUCCESS", write_cancel, "SUCCESS", write_new);
            return Ok(());
        }
        let data = replace_data(result(canceled.is_ok()), write_cancel, new_result, write_new);
        Err(match both {
            (false, false) => ApiError::replace_failed(data),
            _ => ApiError::replace_partially_failed(data),
        })
    }

    fn amended(&self, out: &mut Vec<u8>, order: OrderId) -> Result<(), ApiError> {
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
        out.extend_from_slice(
            b",\"preventedQty\":\"0.00000000\",\"quoteOrderQty\":\"0.00000000\",\"cumulativeQuoteQty\":",
        );
        self.market.text.notional(out, view.notional);
        self.terms(out, view);
        out.extend_from_slice(b",\"workingTime\":");
        json::time(out, view.time, self.unit);
        out.extend_from_slice(b",\"selfTradePreventionMode\":\"NONE\"}}");
        Ok(())
    }

    fn head(&self, out: &mut Vec<u8>, view: &OrderView) {
        out.extend_from_slice(b"{\"symbol\":\"");
        out.extend_from_slice(self.market.symbol().as_bytes());
        out.extend_from_slice(b"\",\"orderId\":");
        json::number(out, view.id.0);
        out.extend_from_slice(b",\"orderListId\":-1");
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
        out.extend_from_slice(status_name(view.status).as_bytes());
        out.extend_from_slice(b"\",\"timeInForce\":\"");
        out.extend_from_slice(time_in_force_name(view.kind).as_bytes());
        out.extend_from_slice(b"\",\"type\":\"");
        out.extend_from_slice(type_name(view.kind).as_bytes());
        out.extend_from_slice(b"\",\"side\":\"");
        out.extend_from_slice(side_name(view.side).as_bytes());
        out.push(b'"');
    }
}

/// Appends an order as queries tell it.
pub fn write_order(out: &mut Vec<u8>, gateway: &Gateway, market: Market<'_>, unit: TimeUnit, view: &OrderView) {
    let writer = Writer { gateway, market, unit, updates: &[] };
    writer.head(out, view);
    out.extend_from_slice(b",\"clientOrderId\":\"");
    out.extend_from_slice(view.client_id.as_str().as_bytes());
    out.push(b'"');
    writer.state(out, view);
    out.extend_from_slice(b",\"stopPrice\":\"0.00000000\",\"icebergQty\":\"0.00000000\",\"time\":");
    json::time(out, view.time, unit);
    out.extend_from_slice(b",\"updateTime\":");
    json::time(out, view.updated, unit);
    // Whatever was taken in has worked; there are no orders that wait for a trigger.
    out.extend_from_slice(b",\"isWorking\":true,\"workingTime\":");
    json::time(out, view.time, unit);
    out.extend_from_slice(b",\"selfTradePreventionMode\":\"NONE\"}");
}

/// Appends the name of a cancel: the client's, or one that is made from the order's number.
pub fn cancel_id(out: &mut Vec<u8>, order: OrderId, given: Option<&ClientOrderId>) {
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

/// The dialect's name of a status.
#[must_use]
pub const fn status_name(status: Status) -> &'static str {
    match status {
        Status::New => "NEW",
        Status::PartiallyFilled => "PARTIALLY_FILLED",
        Status::Filled => "FILLED",
        Status::Canceled => "CANCELED",
        Status::Expired => "EXPIRED",
        Status::Rejected => "REJECTED",
    }
}

/// The dialect's name of a type.
#[must_use]
pub const fn type_name(kind: OrderKind) -> &'static str {
    match kind {
        OrderKind::Limit | OrderKind::ImmediateOrCancel | OrderKind::FillOrKill => "LIMIT",
        OrderKind::PostOnly => "LIMIT_MAKER",
        OrderKind::Market | OrderKind::MarketByQuote => "MARKET",
    }
}

/// The dialect's name of a time in force.
#[must_use]
pub const fn time_in_force_name(kind: OrderKind) -> &'static str {
    match kind {
        OrderKind::ImmediateOrCancel => "IOC",
        OrderKind::FillOrKill => "FOK",
        OrderKind::Limit | OrderKind::PostOnly | OrderKind::Market | OrderKind::MarketByQuote => "GTC",
    }
}

/// The dialect's name of a side.
#[must_use]
pub const fn side_name(side: Side) -> &'static str {
    match side {
        Side::Buy => "BUY",
        Side::Sell => "SELL",
    }
}

/// The dialect's name of the reason why an order lapsed.
#[must_use]
pub const fn expiry_name(reason: Expiry) -> &'static str {
    match reason {
        Expiry::ImmediateOrCancel => "UNFILLED_IOC_QUANTITY_EXPIRED",
        Expiry::FillOrKill => "UNFILLED_FOK_ORDER_EXPIRED",
        Expiry::Liquidity => "INSUFFICIENT_LIQUIDITY",
    }
}
