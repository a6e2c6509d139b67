//! `exchangeInfo`: what trades, in which steps, under which limits.

use rialto_engine::ids::TenantId;
use rialto_engine::market::MarketFilters;
use rialto_engine::message::Phase;
use rialto_engine::order::SelfTrade;
use rialto_engine::units::{Amount, BasisPoints, Nanos, Rounding};

use crate::decimal::{Grid, MarketText};
use crate::error::ApiError;
use crate::gateway::{Gateway, Market};
use crate::json;
use crate::orders::names;
use crate::params::Params;

/// The answer to `exchangeInfo` of a tenant, whose markets are in these phases.
///
/// # Errors
/// -1121 for a symbol that there is not, -1128 for more than one way of choosing.
pub fn write(
    out: &mut Vec<u8>,
    gateway: &Gateway,
    tenant: TenantId,
    phases: &[Phase],
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
    let phase = |market: &Market<'_>| phases.get(usize::from(market.id().0)).copied().unwrap_or_default();
    match status {
        None => {}
        Some("BREAK") => markets.clear(),
        Some(name) if Phase::ALL.iter().any(|phase| names::symbol_status(*phase) == name) => {
            markets.retain(|market| names::symbol_status(phase(market)) == name);
        }
        Some(_) => return Err(ApiError::new(-1122, "Invalid symbolStatus.")),
    }
    out.extend_from_slice(b"{\"timezone\":\"UTC\",\"serverTime\":");
    json::number(out, now.millis());
    out.extend_from_slice(b",\"rateLimits\":");
    json::array(out, gateway.rate_limits.limits(Some(tenant)).rules(), |out, limit| limit.write(out));
    out.extend_from_slice(b",\"exchangeFilters\":[],\"symbols\":");
    let open_orders = gateway.open_orders_max(tenant);
    json::array(out, markets, |out, market| write_symbol(out, market, phase(&market), open_orders));
    out.push(b'}');
    Ok(())
}

fn write_symbol(out: &mut Vec<u8>, market: Market<'_>, phase: Phase, open_orders: Option<u32>) {
    let definition = &market.entry.definition;
    let name = |asset| market.tenant.asset(asset).map_or("", |asset| asset.name.as_str());
    let (base, quote) = (name(definition.base), name(definition.quote));
    let (base_scale, quote_scale) = (definition.base_scale, definition.quote_scale);
    let symbol = market.symbol();
    // Names are of the alphabet that the configuration allows: nothing here needs escaping.
    let text = format!(
        concat!(
            r#"{{"symbol":"{symbol}","status":"{status}","baseAsset":"{base}","baseAssetPrecision":{base_scale},"#,
            r#""quoteAsset":"{quote}","quotePrecision":{quote_scale},"quoteAssetPrecision":{quote_scale},"#,
            r#""baseCommissionPrecision":{base_scale},"quoteCommissionPrecision":{quote_scale},"#,
            r#""orderTypes":["LIMIT","LIMIT_MAKER","MARKET","STOP_LOSS","STOP_LOSS_LIMIT","TAKE_PROFIT","#,
            r#""TAKE_PROFIT_LIMIT"],"icebergAllowed":true,"ocoAllowed":true,"#,
            r#""otoAllowed":true,"opoAllowed":false,"quoteOrderQtyMarketAllowed":true,"allowTrailingStop":true,"#,
            r#""cancelReplaceAllowed":true,"amendAllowed":true,"pegInstructionsAllowed":true,"#,
            r#""isSpotTradingAllowed":true,"isMarginTradingAllowed":false,"filters":"#
        ),
        symbol = symbol,
        status = names::symbol_status(phase),
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

/// Appends the filters of a market; `open_orders` is how many orders its tenant lets an account have
/// open. What the dialect bounds by something else than the last price,
/// an average of minutes, is bounded by the last price here: `avgPriceMins` of zero says that.
pub fn write_filters(out: &mut Vec<u8>, market: Market<'_>, open_orders: Option<u32>) {
    let spec = &market.entry.spec;
    let filters = &spec.filters;
    let MarketText { price, quantity, quote, base, .. } = market.text;
    let range = |out: &mut Vec<u8>, filter: &str, names: [&str; 3], grid: &Grid, steps: [u64; 3]| {
        begin(out, filter);
        for (name, steps) in names.into_iter().zip(steps) {
            key(out, name);
            grid.quoted(out, u128::from(steps));
        }
        out.push(b'}');
    };
    let number = |out: &mut Vec<u8>, filter: &str, name: &str, value: u32| {
        if value > 0 {
            begin(out, filter);
            key(out, name);
            json::number(out, u64::from(value));
            out.push(b'}');
        }
    };
    out.push(b'[');
    let prices = [filters.min_price.0.max(1), spec.max_price.0, 1];
    range(out, "PRICE_FILTER", ["minPrice", "maxPrice", "tickSize"], price, prices);
    let least = filters.min_quantity.0.max(1);
    let most_at_market = match filters.max_market_quantity.0 {
        0 => spec.max_quantity.0,
        most => most,
    };
    let names = ["minQty", "maxQty", "stepSize"];
    range(out, "LOT_SIZE", names, quantity, [least, spec.max_quantity.0, 1]);
    range(out, "MARKET_LOT_SIZE", names, quantity, [least, most_at_market, 1]);
    // A market order by quantity has no notional until it has traded: neither bound binds it.
    begin(out, "NOTIONAL");
    key(out, "minNotional");
    quote.quoted_signed(out, spec.min_notional.0);
    out.extend_from_slice(b",\"applyMinToMarket\":false");
    key(out, "maxNotional");
    let Amount(most) = match filters.max_notional {
        Amount::ZERO => spec.quote_amount(spec.max_price.times(spec.max_quantity), Rounding::Floor),
        most => most,
    };
    quote.quoted_signed(out, most);
    out.extend_from_slice(b",\"applyMaxToMarket\":false,\"avgPriceMins\":0}");
    write_percent_price(out, filters);
    begin(out, "TRAILING_DELTA");
    for (name, share) in [
        ("minTrailingAboveDelta", filters.min_trail_above.0.max(1)),
        ("maxTrailingAboveDelta", most_of(filters.max_trail_above)),
        ("minTrailingBelowDelta", filters.min_trail_below.0.max(1)),
        ("maxTrailingBelowDelta", most_of(filters.max_trail_below)),
    ] {
        key(out, name);
        json::number(out, u64::from(share));
    }
    out.push(b'}');
    number(out, "ICEBERG_PARTS", "limit", filters.iceberg_parts);
    // The tenant's limit is of all its markets together, the market's own of one.
    let of_market = Some(filters.max_orders).filter(|most| *most > 0);
    let orders = of_market.into_iter().chain(open_orders).min();
    number(out, "MAX_NUM_ORDERS", "maxNumOrders", orders.unwrap_or(0));
    number(out, "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders", filters.max_waiting_orders);
    if filters.max_position > Amount::ZERO {
        begin(out, "MAX_POSITION");
        key(out, "maxPosition");
        base.quoted_signed(out, filters.max_position.0);
        out.push(b'}');
    }
    out.push(b']');
}

/// Appends how far limits may be from the last price, if that is bounded. A bound that is not set is
/// the widest that the dialect's clients can read.
fn write_percent_price(out: &mut Vec<u8>, filters: &MarketFilters) {
    let multipliers = [
        ("bidMultiplierUp", filters.bid_up, u32::MAX),
        ("bidMultiplierDown", filters.bid_down, 0),
        ("askMultiplierUp", filters.ask_up, u32::MAX),
        ("askMultiplierDown", filters.ask_down, 0),
    ];
    if multipliers.iter().all(|(_, share, _)| share.0 == 0) {
        return;
    }
    begin(out, "PERCENT_PRICE_BY_SIDE");
    let grid = Grid::of_scale(4);
    for (name, share, widest) in multipliers {
        key(out, name);
        grid.quoted(out, u128::from(if share.0 == 0 { widest } else { share.0 }));
    }
    out.extend_from_slice(b",\"avgPriceMins\":0}");
}

/// The most that a trailing order may trail; what is not bounded by a filter, below the whole.
const fn most_of(share: BasisPoints) -> u32 {
    if share.0 == 0 { 9_999 } else { share.0 }
}

fn begin(out: &mut Vec<u8>, filter: &str) {
    if out.last() != Some(&b'[') {
        out.push(b',');
    }
    out.extend_from_slice(b"{\"filterType\":\"");
    out.extend_from_slice(filter.as_bytes());
    out.push(b'"');
}

fn key(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}
