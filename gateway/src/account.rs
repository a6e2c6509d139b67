//! Accounts: balances, orders and trades of the past, fees.
//!
//! Live state is asked of the wallet, behind all that the same session asked before. What is final
//! stands in the read store, which is waited for, so that whoever was told of an order finds it.

use rialto_actors::api::{Query, Reply, Request};
use rialto_engine::ids::{OrderId, TradeId};
use rialto_engine::units::{BasisPoints, Nanos};
use rialto_engine::update::{BalanceView, OrderView};
use rialto_persistence::read_store::{AccountTrade, Window};

use crate::auth::time_of;
use crate::error::ApiError;
use crate::gateway::Market;
use crate::json::{self, TimeUnit};
use crate::keys::Identity;
use crate::market_api::read;
use crate::orders::{self, write_order};
use crate::params::Params;
use crate::worker::Worker;

/// The longest stretch that one query may cover.
const HOURS_MAX: u32 = 24;

/// One order: `GET order`, `order.status`.
///
/// # Errors
/// -2013 if there is none, and what the dialect says to wrong parameters.
pub async fn order(
    worker: &Worker,
    identity: Identity,
    params: &Params<'_>,
    unit: TimeUnit,
) -> Result<Vec<u8>, ApiError> {
    params.check()?;
    let gateway = &worker.gateway;
    let market = gateway.market(identity.tenant, params.required("symbol")?)?;
    let target = orders::target(params, "orderId", "origClientOrderId")?;
    let (tenant, account, number) = (identity.tenant, identity.account, market.id());
    let query = Query::Order { account, market: number, target };
    let release = worker.ask(tenant, Request::Query(query)).await?;
    let live = match &release.answer {
        Some((_, Reply::Order(view))) => *view,
        _ => return Err(ApiError::unknown()),
    };
    // The permit goes back before the read store is waited for.
    drop(release);
    let found = match (live, gateway.exchange.read_store()) {
        (Some(view), _) => Some(view),
        (None, Some(store)) => {
            read(&gateway.exchange, store, move |store| match (target.id, &target.client_id) {
                (Some(id), _) => store.order(tenant, account, number, id),
                (None, Some(client_id)) => store.order_by_client_id(tenant, account, number, client_id),
                (None, None) => Ok(None),
            })
            .await?
        }
        (None, None) => None,
    };
    let is_meant = |view: &OrderView| target.client_id.is_none_or(|client_id| client_id == view.client_id);
    let view = found.filter(is_meant).ok_or_else(ApiError::no_such_order)?;
    let mut out = Vec::with_capacity(640);
    write_order(&mut out, gateway, market, unit, &view);
    Ok(out)
}

/// The open orders, of one market or of all: `GET openOrders`, `openOrders.status`.
///
/// # Errors
/// What the dialect says to wrong parameters.
pub async fn open_orders(
    worker: &Worker,
    identity: Identity,
    params: &Params<'_>,
    unit: TimeUnit,
) -> Result<Vec<u8>, ApiError> {
    params.check()?;
    let gateway = &worker.gateway;
    let symbol = params.optional("symbol")?;
    let market = symbol.map(|symbol| gateway.market(identity.tenant, symbol)).transpose()?;
    let query = Query::OpenOrders { account: identity.account, market: market.map(|market| market.id()) };
    let release = worker.ask(identity.tenant, Request::Query(query)).await?;
    let Some((_, Reply::Orders(views))) = &release.answer else { return Err(ApiError::unknown()) };
    let mut out = Vec::with_capacity(2 + 560 * views.len());
    let known = views.iter().filter_map(|view| Some((gateway.market_by_id(identity.tenant, view.market)?, view)));
    json::array(&mut out, known, |out, (market, view)| write_order(out, gateway, market, unit, view));
    Ok(out)
}

/// Orders of the past and of now: `GET allOrders`, `allOrders`.
///
/// # Errors
/// What the dialect says to wrong parameters.
pub async fn all_orders(
    worker: &Worker,
    identity: Identity,
    params: &Params<'_>,
    unit: TimeUnit,
) -> Result<Vec<u8>, ApiError> {
    params.check()?;
    let gateway = &worker.gateway;
    let market = gateway.market(identity.tenant, params.required("symbol")?)?;
    let (from_time, to_time) = stretch(params)?;
    let window = Window { from_id: params.integer("orderId")?.map(OrderId), from_time, to_time };
    let limit = params.limit(500, 1_000)?;
    let (tenant, account, number) = (identity.tenant, identity.account, market.id());
    let views = match gateway.exchange.read_store() {
        Some(store) => {
            read(&gateway.exchange, store, move |store| store.orders(tenant, account, number, &window, limit)).await?
        }
        None => Vec::new(),
    };
    let mut out = Vec::with_capacity(2 + 560 * views.len());
    json::array(&mut out, &views, |out, view| write_order(out, gateway, market, unit, view));
    Ok(out)
}

/// The account's trades: `GET myTrades`, `myTrades`.
///
/// # Errors
/// What the dialect says to wrong parameters.
pub async fn my_trades(
    worker: &Worker,
    identity: Identity,
    params: &Params<'_>,
    unit: TimeUnit,
) -> Result<Vec<u8>, ApiError> {
    params.check()?;
    let gateway = &worker.gateway;
    let market = gateway.market(identity.tenant, params.required("symbol")?)?;
    let (from_time, to_time) = stretch(params)?;
    let from_id = params.integer("fromId")?.map(TradeId);
    if from_id.is_some() && (from_time.is_some() || to_time.is_some()) {
        return Err(ApiError::bad_combination());
    }
    let order = params.integer("orderId")?.map(OrderId);
    let window = Window { from_id, from_time, to_time };
    let limit = params.limit(500, 1_000)?;
    let (tenant, account, number) = (identity.tenant, identity.account, market.id());
    let trades = match gateway.exchange.read_store() {
        Some(store) => {
            let query = move |store: &rialto_persistence::read_store::ReadStore| {
                store.account_trades(tenant, account, number, order, &window, limit)
            };
            read(&gateway.exchange, store, query).await?
        }
        None => Vec::new(),
    };
    let mut out = Vec::with_capacity(2 + 320 * trades.len());
    json::array(&mut out, &trades, |out, trade| write_trade(out, worker, market, unit, trade));
    Ok(out)
}

fn write_trade(out: &mut Vec<u8>, worker: &Worker, market: Market<'_>, unit: TimeUnit, trade: &AccountTrade) {
    out.extend_from_slice(b"{\"symbol\":");
    json::string(out, market.symbol());
    out.extend_from_slice(b",\"id\":");
    json::number(out, trade.id.0);
    out.extend_from_slice(b",\"orderId\":");
    json::number(out, trade.order.0);
    out.extend_from_slice(b",\"orderListId\":-1,\"price\":");
    market.text.price(out, trade.price);
    out.extend_from_slice(b",\"qty\":");
    market.text.quantity(out, trade.quantity);
    out.extend_from_slice(b",\"quoteQty\":");
    market.text.notional(out, trade.notional());
    out.extend_from_slice(b",\"commission\":");
    worker.gateway.amount(out, market.tenant.id, trade.fee_asset, trade.fee);
    out.extend_from_slice(b",\"commissionAsset\":");
    worker.gateway.asset_name(out, market.tenant.id, trade.fee_asset);
    out.extend_from_slice(b",\"time\":");
    json::time(out, trade.time, unit);
    out.extend_from_slice(b",\"isBuyer\":");
    json::boolean(out, trade.is_buyer);
    out.extend_from_slice(b",\"isMaker\":");
    json::boolean(out, trade.is_maker);
    out.extend_from_slice(b",\"isBestMatch\":true}");
}

/// Balances and rates: `GET account`, `account.status`.
///
/// # Errors
/// What the dialect says to wrong parameters.
pub async fn account(
    worker: &Worker,
    identity: Identity,
    params: &Params<'_>,
    unit: TimeUnit,
    now: Nanos,
) -> Result<Vec<u8>, ApiError> {
    params.check()?;
    let omit_zero = params.boolean("omitZeroBalances")?.unwrap_or(false);
    let balances = balances(worker, identity).await?;
    let gateway = &worker.gateway;
    let tenant = identity.tenant;
    // Fees are a market's own here. What the dialect says of an account is that of its first one.
    let fees = gateway.markets(tenant).next().map(|market| (market.entry.spec.maker_fee, market.entry.spec.taker_fee));
    let (maker, taker) = fees.unwrap_or_default();
    let mut out = Vec::with_capacity(1_024);
    let head = format!(
        concat!(
            r#"{{"makerCommission":{},"takerCommission":{},"buyerCommission":0,"sellerCommission":0,"commissionRates":"#,
            r#"{{"maker":"{}","taker":"{}","buyer":"0.00000000","seller":"0.00000000"}},"canTrade":true,"#,
            r#""canWithdraw":false,"canDeposit":false,"brokered":false,"requireSelfTradePrevention":false,"#,
            r#""preventSor":false,"updateTime":{},"accountType":"SPOT","balances":"#
        ),
        maker.0,
        taker.0,
        rate(maker),
        rate(taker),
        unit.count(now),
    );
    out.extend_from_slice(head.as_bytes());
    let shown = balances.iter().filter(|balance| !omit_zero || balance.available.0 != 0 || balance.held.0 != 0);
    json::array(&mut out, shown, |out, balance| {
        out.extend_from_slice(b"{\"asset\":");
        gateway.asset_name(out, tenant, balance.asset);
        out.extend_from_slice(b",\"free\":");
        gateway.amount(out, tenant, balance.asset, balance.available);
        out.extend_from_slice(b",\"locked\":");
        gateway.amount(out, tenant, balance.asset, balance.held);
        out.push(b'}');
    });
    out.extend_from_slice(b",\"permissions\":[\"SPOT\"],\"uid\":");
    json::number(&mut out, u64::from(identity.account.0) + 1);
    out.push(b'}');
    Ok(out)
}

/// Everything about every coin: `GET sapi/v1/capital/config/getall`. There are no networks to
/// deposit from or withdraw to.
///
/// # Errors
/// -1008 or the unknown outcome.
pub async fn coins(worker: &Worker, identity: Identity) -> Result<Vec<u8>, ApiError> {
    let balances = balances(worker, identity).await?;
    let (gateway, tenant) = (&worker.gateway, identity.tenant);
    let mut out = Vec::with_capacity(1_024);
    json::array(&mut out, &balances, |out, balance| {
        out.extend_from_slice(b"{\"coin\":");
        gateway.asset_name(out, tenant, balance.asset);
        out.extend_from_slice(b",\"name\":");
        gateway.asset_name(out, tenant, balance.asset);
        out.extend_from_slice(b",\"free\":");
        gateway.amount(out, tenant, balance.asset, balance.available);
        out.extend_from_slice(b",\"locked\":");
        gateway.amount(out, tenant, balance.asset, balance.held);
        out.extend_from_slice(
            br#","freeze":"0","withdrawing":"0","ipoing":"0","ipoable":"0","storage":"0","isLegalMoney":false,"trading":true,"depositAllEnable":false,"withdrawAllEnable":false,"networkList":[]}"#,
        );
    });
    Ok(out)
}

/// The fees of markets: `GET sapi/v1/asset/tradeFee`.
///
/// # Errors
/// -1121 for a symbol that there is not.
pub fn trade_fees(worker: &Worker, identity: Identity, params: &Params<'_>) -> Result<Vec<u8>, ApiError> {
    let gateway = &worker.gateway;
    let markets: Vec<Market<'_>> = match params.optional("symbol")? {
        Some(symbol) => vec![gateway.market(identity.tenant, symbol)?],
        None => gateway.markets(identity.tenant).collect(),
    };
    let mut out = Vec::with_capacity(128 * markets.len());
    json::array(&mut out, markets, |out, market| {
        let spec = &market.entry.spec;
        let text = format!(
            r#"{{"symbol":"{}","makerCommission":"{}","takerCommission":"{}"}}"#,
            market.symbol(),
            rate(spec.maker_fee),
            rate(spec.taker_fee)
        );
        out.extend_from_slice(text.as_bytes());
    });
    Ok(out)
}

/// The fees of a market: `GET account/commission`, `account.commission`.
///
/// # Errors
/// -1102 or -1121.
pub fn commission(worker: &Worker, identity: Identity, params: &Params<'_>) -> Result<Vec<u8>, ApiError> {
    params.check()?;
    let market = worker.gateway.market(identity.tenant, params.required("symbol")?)?;
    let none = r#"{"maker":"0.00000000","taker":"0.00000000","buyer":"0.00000000","seller":"0.00000000"}"#;
    let text = format!(
        concat!(
            r#"{{"symbol":"{}","standardCommission":{{"maker":"{}","taker":"{}","buyer":"0.00000000","#,
            r#""seller":"0.00000000"}},"specialCommission":{none},"taxCommission":{none},"discount":"#,
            r#"{{"enabledForAccount":false,"enabledForSymbol":false,"discountAsset":"","discount":"0.00000000"}}}}"#
        ),
        market.symbol(),
        rate(market.entry.spec.maker_fee),
        rate(market.entry.spec.taker_fee),
        none = none,
    );
    Ok(text.into_bytes())
}

/// The rates that an order would pay: `order/test` with `computeCommissionRates`.
#[must_use]
pub fn order_commission(market: Market<'_>) -> Vec<u8> {
    let text = format!(
        concat!(
            r#"{{"standardCommissionForOrder":{{"maker":"{}","taker":"{}"}},"#,
            r#""specialCommissionForOrder":{{"maker":"0.00000000","taker":"0.00000000"}},"#,
            r#""taxCommissionForOrder":{{"maker":"0.00000000","taker":"0.00000000"}},"discount":"#,
            r#"{{"enabledForAccount":false,"enabledForSymbol":false,"discountAsset":"","discount":"0.00000000"}}}}"#
        ),
        rate(market.entry.spec.maker_fee),
        rate(market.entry.spec.taker_fee),
    );
    text.into_bytes()
}

/// The order limits with their use: `GET rateLimit/order`, `account.rateLimits.orders`. They are
/// not enforced, so that nothing is ever used up.
pub const ORDER_RATE_LIMITS: &str = r#"[{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":100,"count":0},{"rateLimitType":"ORDERS","interval":"DAY","intervalNum":1,"limit":200000,"count":0}]"#;

async fn balances(worker: &Worker, identity: Identity) -> Result<Vec<BalanceView>, ApiError> {
    let query = Query::Balances { account: identity.account };
    let release = worker.ask(identity.tenant, Request::Query(query)).await?;
    match &release.answer {
        Some((_, Reply::Balances(balances))) => Ok(balances.clone()),
        _ => Err(ApiError::unknown()),
    }
}

/// A rate as a fraction with eight decimals: 10 basis points are `0.00100000`.
fn rate(fee: BasisPoints) -> String {
    crate::decimal::Grid::of_scale(4).text(u128::from(fee.0))
}

/// `startTime` and `endTime`, both inclusive, at most a day apart.
fn stretch(params: &Params<'_>) -> Result<(Option<Nanos>, Option<Nanos>), ApiError> {
    let from = params.integer("startTime")?.map(time_of);
    let end = params.integer("endTime")?;
    // The whole of the last millisecond or microsecond.
    let unit = |number: u64| if time_of(number).0 / 1_000_000 == number { 999_999 } else { 999 };
    let to = end.map(|number| Nanos(time_of(number).0.saturating_add(unit(number))));
    if let (Some(from), Some(to)) = (from, to) {
        if from > to {
            return Err(ApiError::new(-1128, "Start time is greater than end time."));
        }
        if to.0 - from.0 > u64::from(HOURS_MAX) * 3_600_000_000_000 + 999_999 {
            return Err(ApiError::interval_too_long(HOURS_MAX));
        }
    }
    Ok((from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_fractions() {
        assert_eq!(rate(BasisPoints(10)), "0.00100000");
        assert_eq!(rate(BasisPoints(10_000)), "1.00000000");
        assert_eq!(rate(BasisPoints(0)), "0.00000000");
    }

    #[test]
    fn a_stretch_is_inclusive_and_at_most_a_day() {
        let check = |query: &str| stretch(&Params::of_rest(query, "").expect("parses")).map_err(|error| error.code);
        let day = 86_400_000_u64;
        assert_eq!(check(""), Ok((None, None)));
        assert_eq!(check("endTime=5"), Ok((None, Some(Nanos(5_999_999)))));
        assert_eq!(check("endTime=1499827319559001"), Ok((None, Some(Nanos(1_499_827_319_559_001_999)))));
        assert!(check(&format!("startTime=0&endTime={day}")).is_ok());
        assert_eq!(check(&format!("startTime=0&endTime={}", day + 1)), Err(-1127));
        assert_eq!(check("startTime=2&endTime=1"), Err(-1128));
    }
}
