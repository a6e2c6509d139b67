//! `exchangeInfo`: what trades, in which steps, under which limits.

use rialto_engine::order::SelfTrade;
use rialto_engine::units::{Amount, Rounding};

use crate::decimal::MarketText;
use crate::error::ApiError;
use crate::gateway::{Gateway, Market};
use crate::json;
use crate::orders::contingent::{TRAILING_DELTA_MAX, TRAILING_DELTA_MIN};
use crate::orders::names;
use crate::params::Params;
use rialto_engine::ids::TenantId;
use rialto_engine::units::Nanos;

/// The answer to `exchangeInfo` of a tenant.
///
/// # Errors
/// -1121 for a symbol that there is not, -1128 for more than one way of choosing.
pub fn write(
    out: &mut Vec<u8>,
    gateway: &Gateway,
    tenant: TenantId,
    params: &Params<'_>,
    now: Nanos,
) -> Result<(), ApiError> {
    params.check()?;
    let (symbol, symbols) = (params.optional("symbol")?, params.list("symbols")?);
    let permissions = params.optional("permissions")?;
    let status = params.optional("symbolStatus")?;
    if [symbol.is_some(), symbols.is_some(), permissions.is_some()].iter().filter(|given| **given).count() > 1
        || (status.is_some() && (symbol.is_some() || symbols.is_some()))
    {
        return Err(ApiError::bad_combination());
    }
    let mut markets: Vec<Market<'_>> = match (symbol, symbols) {
        (Some(symbol), _) => vec![gateway.market(tenant, symbol)?],
        (None, Some(symbols)) => {
            symbols.iter().map(|symbol| gateway.market(tenant, symbol)).collect::<Result<_, _>>()?
        }
        (None, None) => gateway.markets(tenant).collect(),
    };
    if permissions.is_some_and(|permissions| !permissions.contains("SPOT")) {
        markets.clear();
    }
    match status {
        None | Some("TRADING") => {}
        Some("HALT" | "BREAK" | "END_OF_DAY" | "CANCEL_ONLY") => markets.clear(),
        Some(_) => return Err(ApiError::new(-1122, "Invalid symbolStatus.")),
    }
    out.extend_from_slice(b"{\"timezone\":\"UTC\",\"serverTime\":");
    json::number(out, now.millis());
    out.extend_from_slice(b",\"rateLimits\":");
    json::array(out, gateway.rate_limits.limits(Some(tenant)).rules(), |out, limit| limit.write(out));
    out.extend_from_slice(b",\"exchangeFilters\":[],\"symbols\":");
    let open_orders = gateway.open_orders_max(tenant);
    json::array(out, markets, |out, market| write_symbol(out, market, open_orders));
    out.push(b'}');
    Ok(())
}

fn write_symbol(out: &mut Vec<u8>, market: Market<'_>, open_orders: Option<u32>) {
    let definition = &market.entry.definition;
    let name = |asset| market.tenant.asset(asset).map_or("", |asset| asset.name.as_str());
    let (base, quote) = (name(definition.base), name(definition.quote));
    let (base_scale, quote_scale) = (definition.base_scale, definition.quote_scale);
    let symbol = market.symbol();
    // Names are of the alphabet that the configuration allows: nothing here needs escaping.
    let text = format!(
        concat!(
            r#"{{"symbol":"{symbol}","status":"TRADING","baseAsset":"{base}","baseAssetPrecision":{base_scale},"#,
            r#""quoteAsset":"{quote}","quotePrecision":{quote_scale},"quoteAssetPrecision":{quote_scale},"#,
            r#""baseCommissionPrecision":{base_scale},"quoteCommissionPrecision":{quote_scale},"#,
            r#""orderTypes":["LIMIT","LIMIT_MAKER","MARKET","STOP_LOSS","STOP_LOSS_LIMIT","TAKE_PROFIT","#,
            r#""TAKE_PROFIT_LIMIT"],"icebergAllowed":false,"ocoAllowed":false,"#,
            r#""otoAllowed":false,"opoAllowed":false,"quoteOrderQtyMarketAllowed":true,"allowTrailingStop":true,"#,
            r#""cancelReplaceAllowed":true,"amendAllowed":true,"pegInstructionsAllowed":false,"#,
            r#""isSpotTradingAllowed":true,"isMarginTradingAllowed":false,"filters":"#
        ),
        symbol = symbol,
        base = base,
        quote = quote,
        base_scale = base_scale,
        quote_scale = quote_scale,
    );
    out.extend_from_slice(text.as_bytes());
    write_filters(out, market, open_orders);
    out.extend_from_slice(br#","permissions":[],"permissionSets":[["SPOT"]],"defaultSelfTradePreventionMode":""#);
    out.extend_from_slice(names::self_trade(market.self_trade).as_bytes());
    out.extend_from_slice(b"\",\"allowedSelfTradePreventionModes\":");
    json::array(out, SelfTrade::ALL, |out, mode| json::string(out, names::self_trade(mode)));
    out.push(b'}');
}

fn write_filters(out: &mut Vec<u8>, market: Market<'_>, open_orders: Option<u32>) {
    let spec = &market.entry.spec;
    let MarketText { price, quantity, quote, .. } = market.text;
    let step = |out: &mut Vec<u8>, names: [&str; 3], grid: &crate::decimal::Grid, max: u64| {
        for (name, steps) in names.into_iter().zip([1, max, 1]) {
            out.extend_from_slice(b",\"");
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":");
            grid.quoted(out, u128::from(steps));
        }
        out.push(b'}');
    };
    out.extend_from_slice(b"[{\"filterType\":\"PRICE_FILTER\"");
    step(out, ["minPrice", "maxPrice", "tickSize"], price, spec.max_price.0);
    for filter in ["LOT_SIZE", "MARKET_LOT_SIZE"] {
        out.extend_from_slice(b",{\"filterType\":\"");
        out.extend_from_slice(filter.as_bytes());
        out.push(b'"');
        step(out, ["minQty", "maxQty", "stepSize"], quantity, spec.max_quantity.0);
    }
    // A market order by quantity has no notional until it has traded: the minimum does not bind it.
    out.extend_from_slice(b",{\"filterType\":\"NOTIONAL\",\"minNotional\":");
    quote.quoted_signed(out, spec.min_notional.0);
    out.extend_from_slice(b",\"applyMinToMarket\":false,\"maxNotional\":");
    let Amount(most) = spec.quote_amount(spec.max_price.times(spec.max_quantity), Rounding::Floor);
    quote.quoted_signed(out, most);
    out.extend_from_slice(b",\"applyMaxToMarket\":false,\"avgPriceMins\":0}");
    let (least, most) = (TRAILING_DELTA_MIN, TRAILING_DELTA_MAX);
    let trailing = format!(
        concat!(
            r#",{{"filterType":"TRAILING_DELTA","minTrailingAboveDelta":{least},"maxTrailingAboveDelta":{most},"#,
            r#""minTrailingBelowDelta":{least},"maxTrailingBelowDelta":{most}}}"#
        ),
        least = least,
        most = most
    );
    out.extend_from_slice(trailing.as_bytes());
    if let Some(limit) = open_orders {
        out.extend_from_slice(b",{\"filterType\":\"MAX_NUM_ORDERS\",\"maxNumOrders\":");
        json::number(out, u64::from(limit));
        out.push(b'}');
    }
    out.push(b']');
}
