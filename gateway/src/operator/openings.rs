//! Assets and markets that a tenant's operators open, and the terms of its markets.

use rialto_engine::market::MarketFilters;

use super::OperatorCall;
use crate::config::opening::{Opening, TERMS, Terms};
use crate::decimal::Grid;
use crate::error::ApiError;
use crate::gateway::Market;
use crate::json;
use crate::opened::{Done, carry_out};
use crate::orders::names;
use crate::params::Params;
use crate::payments::view::{key, number, word};

/// The longest name or number that is looked at.
const TEXT_MAX: usize = 64;

impl OperatorCall<'_> {
    /// `GET assets`: those of the tenant.
    pub(super) fn assets(&self) -> Result<Vec<u8>, ApiError> {
        self.params.only(&[])?;
        let assets = &self.gateway().tenant(self.tenant())?.assets;
        let mut out = Vec::with_capacity(64 * assets.len() + 2);
        json::array(&mut out, assets, |out, asset| {
            out.extend_from_slice(b"{\"asset\":");
            json::string(out, &asset.name);
            number(out, "scale", u64::from(asset.scale));
            out.push(b'}');
        });
        Ok(out)
    }

    /// `POST assets`: asset, scale.
    pub(super) async fn open_asset(&self) -> Result<Vec<u8>, ApiError> {
        self.params.only(&["asset", "scale"])?;
        let name = text(self.params, "asset")?;
        let scale = crate::params::integer("scale", self.params.required("scale")?)?;
        // What no asset has is refused by name.
        let scale = u8::try_from(scale).unwrap_or(u8::MAX);
        let tenant = self.tenant_name()?;
        let done = carry_out(self.worker, Opening::Asset { tenant, name: name.to_owned(), scale }).await?;
        let mut out = begin("asset", name);
        number(&mut out, "scale", u64::from(scale));
        Ok(end(out, done))
    }

    /// `POST markets`: symbol, base, quote, tick, lot, and what else is to be said of it.
    pub(super) async fn open_market(&self) -> Result<Vec<u8>, ApiError> {
        self.only_terms(&["symbol", "base", "quote"])?;
        for name in ["tick", "lot"] {
            self.params.required(name)?;
        }
        let symbol = text(self.params, "symbol")?.to_owned();
        let (base, quote) = (text(self.params, "base")?.to_owned(), text(self.params, "quote")?.to_owned());
        let (tenant, terms) = (self.tenant_name()?, self.terms_given()?);
        let opening = Opening::Market { tenant, symbol: symbol.clone(), base, quote, terms };
        let done = carry_out(self.worker, opening).await?;
        Ok(end(begin("symbol", &symbol), done))
    }

    /// `POST market/terms`: symbol, and what is to be another from now on.
    pub(super) async fn change_terms(&self) -> Result<Vec<u8>, ApiError> {
        self.only_terms(&["symbol"])?;
        let symbol = text(self.params, "symbol")?.to_owned();
        let (tenant, terms) = (self.tenant_name()?, self.terms_given()?);
        if terms.is_empty() {
            return Err(ApiError::no_terms());
        }
        let done = carry_out(self.worker, Opening::Terms { tenant, symbol: symbol.clone(), terms }).await?;
        Ok(end(begin("symbol", &symbol), done))
    }

    /// `GET market/terms`: of one market or of all.
    pub(super) fn terms(&self) -> Result<Vec<u8>, ApiError> {
        self.params.only(&["symbol"])?;
        let gateway = self.gateway();
        let markets: Vec<Market<'_>> = match self.params.optional("symbol")? {
            Some(symbol) => vec![gateway.market(self.tenant(), symbol)?],
            None => gateway.markets(self.tenant()).collect(),
        };
        let mut out = Vec::with_capacity(768 * markets.len() + 2);
        json::array(&mut out, markets, write_terms);
        Ok(out)
    }

    fn only_terms(&self, others: &[&str]) -> Result<(), ApiError> {
        let read: Vec<&str> = others.iter().chain(&TERMS).copied().collect();
        self.params.only(&read)
    }

    fn terms_given(&self) -> Result<Terms, ApiError> {
        let given = TERMS.iter().filter(|name| self.params.get(name).is_some());
        given.map(|name| Ok(((*name).to_owned(), text(self.params, name)?.to_owned()))).collect()
    }

    fn tenant_name(&self) -> Result<String, ApiError> {
        Ok(self.gateway().tenant(self.tenant())?.name.clone())
    }
}

/// A parameter that must be there, and that no one would write a book in.
pub(super) fn text<'a>(params: &'a Params<'_>, name: &str) -> Result<&'a str, ApiError> {
    let text = params.required(name)?;
    let is_plain = text.len() <= TEXT_MAX && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if is_plain { Ok(text) } else { Err(ApiError::invalid_parameter(name)) }
}

pub(super) fn begin(what: &str, name: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    out.extend_from_slice(b"{\"");
    out.extend_from_slice(what.as_bytes());
    out.extend_from_slice(b"\":");
    json::string(&mut out, name);
    out
}

/// Ends an answer: whether it was so before, and how long others were kept waiting.
pub(super) fn end(mut out: Vec<u8>, done: Done) -> Vec<u8> {
    key(&mut out, "repeated");
    json::boolean(&mut out, done == Done::Repeated);
    if let Done::Opened(Some(cost)) = done {
        number(&mut out, "pauseUs", u64::try_from(cost.pause.as_micros()).unwrap_or(u64::MAX));
    }
    out.push(b'}');
    out
}

fn write_terms(out: &mut Vec<u8>, market: Market<'_>) {
    let (definition, spec) = (&market.entry.definition, &market.entry.spec);
    let MarketFilters { min_price, min_quantity, max_market_quantity, max_notional, max_position, .. } = spec.filters;
    let filters = &spec.filters;
    let asset = |asset| market.tenant.asset(asset).map_or("", |asset| asset.name.as_str());
    out.extend_from_slice(b"{\"symbol\":");
    json::string(out, market.symbol());
    word(out, "base", asset(definition.base));
    word(out, "quote", asset(definition.quote));
    let text = market.text;
    for (name, grid, steps) in [
        ("tick", &text.price, 1),
        ("lot", &text.quantity, 1),
        ("minPrice", &text.price, min_price.0),
        ("maxPrice", &text.price, spec.max_price.0),
        ("minQuantity", &text.quantity, min_quantity.0),
        ("maxQuantity", &text.quantity, spec.max_quantity.0),
        ("maxMarketQuantity", &text.quantity, max_market_quantity.0),
    ] {
        key(out, name);
        grid.quoted(out, u128::from(steps));
    }
    for (name, grid, amount) in [
        ("minNotional", &text.quote, spec.min_notional),
        ("maxNotional", &text.quote, max_notional),
        ("maxPosition", &text.base, max_position),
    ] {
        key(out, name);
        grid.quoted_signed(out, amount.0);
    }
    for (name, share) in [
        ("bidUp", filters.bid_up),
        ("bidDown", filters.bid_down),
        ("askUp", filters.ask_up),
        ("askDown", filters.ask_down),
    ] {
        key(out, name);
        Grid::of_scale(4).quoted(out, u128::from(share.0));
    }
    for (name, count) in [
        ("maxNumOrders", filters.max_orders),
        ("maxNumAlgoOrders", filters.max_waiting_orders),
        ("icebergParts", filters.iceberg_parts),
        ("minTrailAbove", filters.min_trail_above.0),
        ("maxTrailAbove", filters.max_trail_above.0),
        ("minTrailBelow", filters.min_trail_below.0),
        ("maxTrailBelow", filters.max_trail_below.0),
        ("takerFeeBps", spec.taker_fee.0),
    ] {
        number(out, name, u64::from(count));
    }
    key(out, "makerFeeBps");
    json::integer(out, i64::from(spec.maker_fee.0));
    word(out, "selfTradePrevention", &names::self_trade(market.self_trade).to_ascii_lowercase());
    out.push(b'}');
}
