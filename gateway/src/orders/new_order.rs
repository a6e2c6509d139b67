//! A new order as its parameters have it, before it is the engine's.

use rialto_engine::ids::{AccountId, ClientOrderId};
use rialto_engine::order::{Instructions, OrderKind, SelfTrade, Side};
use rialto_engine::units::{Amount, Nanos, Price, Quantity};
use rialto_engine::wallet::Place;

use super::fields::{Field, Fields};
use super::names;
use super::order_type::{OrderType, Terms, TimeInForce};
use super::target::own_client_id;
use super::{Detail, OrderRequest, Placing};
use crate::error::ApiError;
use crate::gateway::Market;

/// A new order.
pub struct NewOrder<'a> {
    /// Where.
    pub market: Market<'a>,
    /// The client's name for it.
    client_id: Option<ClientOrderId>,
    side: Side,
    terms: Terms,
    instructions: Instructions,
    detail: Detail,
}

impl<'a> NewOrder<'a> {
    /// Reads the order of a request.
    ///
    /// # Errors
    /// What the dialect says to each wrong parameter.
    pub fn read(request: &OrderRequest<'a>, fields: &Fields<'_>) -> Result<Self, ApiError> {
        let market = request.gateway.market(request.identity.tenant, fields.required(Field::Symbol)?)?;
        let side = match fields.required(Field::Side)? {
            "BUY" => Side::Buy,
            "SELL" => Side::Sell,
            _ => return Err(ApiError::invalid_side()),
        };
        let client_id = fields.get(Field::ClientId).map(|text| own_client_id(Field::ClientId.name(), text));
        let client_id = client_id.transpose()?;
        let order_type = OrderType::named(fields.required(Field::Type)?)?;
        let terms = order_type.terms(fields, &market)?;
        let trigger = order_type.waits.map(|family| family.trigger(side, fields, &market)).transpose()?;
        let self_trade = fields.get(Field::SelfTradePrevention).map_or(Ok(market.self_trade), self_trade)?;
        let detail = match fields.get(Field::ResponseType) {
            None => order_type.detail,
            Some("ACK") => Detail::Ack,
            Some("RESULT") => Detail::Result,
            Some("FULL") => Detail::Full,
            Some(_) => return Err(ApiError::invalid_parameter(Field::ResponseType.name())),
        };
        let instructions = Instructions { self_trade, trigger };
        Ok(Self { market, client_id, side, terms, instructions, detail })
    }

    /// What its reply needs to know.
    pub const fn placing(&self) -> Placing {
        Placing { detail: self.detail, market: matches!(self.terms, Terms::Market(_) | Terms::MarketByQuote(_)) }
    }

    /// The same for the engine.
    pub fn place(&self, account: AccountId) -> Place {
        let place = Place {
            account,
            market: self.market.id(),
            client_id: self.client_id,
            side: self.side,
            kind: OrderKind::Limit,
            price: Price::ZERO,
            quantity: Quantity::ZERO,
            budget: Amount::ZERO,
            time: Nanos::ZERO,
            instructions: self.instructions,
        };
        match self.terms {
            Terms::Limit { time_in_force, price, quantity } => {
                let kind = match time_in_force {
                    TimeInForce::GoodTillCanceled => OrderKind::Limit,
                    TimeInForce::ImmediateOrCancel => OrderKind::ImmediateOrCancel,
                    TimeInForce::FillOrKill => OrderKind::FillOrKill,
                };
                Place { kind, price, quantity, ..place }
            }
            Terms::LimitMaker { price, quantity } => Place { kind: OrderKind::PostOnly, price, quantity, ..place },
            Terms::Market(quantity) => Place { kind: OrderKind::Market, quantity, ..place },
            Terms::MarketByQuote(budget) => Place { kind: OrderKind::MarketByQuote, budget, ..place },
        }
    }
}

fn self_trade(mode: &str) -> Result<SelfTrade, ApiError> {
    names::self_trade_named(mode).ok_or_else(|| match mode {
        // It needs accounts that trade as a group, which there are none of.
        "TRANSFER" => ApiError::new(-1013, "This symbol does not allow the specified self-trade prevention mode."),
        _ => ApiError::invalid_parameter(Field::SelfTradePrevention.name()),
    })
}
