//! A new order as its parameters have it, before it is the engine's.

use rialto_engine::ids::{AccountId, ClientOrderId};
use rialto_engine::order::{Activation, Instructions, Side, Trigger};
use rialto_engine::units::{Nanos, Price};
use rialto_engine::wallet::Place;

use super::field::Field;
use super::fields::Fields;
use super::order_type::{OrderType, Terms};
use super::target::own_client_id;
use super::{Detail, OrderRequest, Placing, instructions, names};
use crate::error::ApiError;
use crate::gateway::Market;

/// A new order.
pub struct NewOrder<'a> {
    /// Where.
    pub market: Market<'a>,
    /// The client's name for it.
    client_id: Option<ClientOrderId>,
    /// Its side.
    side: Side,
    terms: Terms,
    instructions: Instructions,
    detail: Detail,
}

impl<'a> NewOrder<'a> {
    /// Reads the order of a request, or one of a list.
    ///
    /// # Errors
    /// What the dialect says to each wrong parameter.
    pub fn read(request: &OrderRequest<'a>, fields: &Fields<'_>) -> Result<Self, ApiError> {
        let market = request.gateway.market(request.identity.tenant, fields.required(Field::Symbol)?)?;
        let side = names::side_named(fields.required(Field::Side)?).ok_or_else(ApiError::invalid_side)?;
        let client_id = fields.get(Field::ClientId).map(|text| own_client_id(fields.name(Field::ClientId), text));
        let client_id = client_id.transpose()?;
        let order_type = OrderType::named(fields.required(Field::Type)?)?;
        let terms = order_type.terms(fields, &market, request.now)?;
        let instructions = instructions::read(fields, order_type, &terms, side, &market)?;
        let detail = match fields.get(Field::ResponseType) {
            None => order_type.detail,
            Some(name) => Detail::named(name).ok_or_else(|| ApiError::invalid_parameter("newOrderRespType"))?,
        };
        Ok(Self { market, client_id, side, terms, instructions, detail })
    }

    /// At which price it begins to take part, as far as it says.
    pub fn activation(&self) -> Option<Price> {
        match self.instructions.trigger {
            None => Some(self.terms.price).filter(|price| !price.is_zero()),
            Some(Trigger::Rise(price) | Trigger::Fall(price)) => Some(price),
            Some(Trigger::TrailRise(trail) | Trigger::TrailFall(trail)) => {
                trail.activation.map(|(Activation::Rise(price) | Activation::Fall(price))| price)
            }
        }
    }

    /// What its reply needs to know.
    pub const fn placing(&self) -> Placing {
        Placing { detail: self.detail, market: !self.terms.kind.has_limit() }
    }

    /// The same for the engine.
    pub const fn place(&self, account: AccountId) -> Place {
        Place {
            account,
            market: self.market.entry.id,
            client_id: self.client_id,
            side: self.side,
            kind: self.terms.kind,
            price: self.terms.price,
            quantity: self.terms.quantity,
            budget: self.terms.budget,
            time: Nanos::ZERO,
            instructions: self.instructions,
        }
    }
}
