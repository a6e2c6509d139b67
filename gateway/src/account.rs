//! Accounts: balances, orders and trades of the past, fees.
//!
//! Live state is asked of the wallet, behind all that the same session asked before. What is final
//! stands in the read store, which is waited for, so that whoever was told of an order finds it.

use std::sync::Arc;

use rialto_actors::api::{Query, Release, Reply, Request};
use rialto_engine::ids::{OrderId, TradeId};
use rialto_engine::units::Nanos;
use rialto_engine::update::{BalanceView, OrderView};
use rialto_persistence::read_store::{AccountTrade, ReadStore, Window};

use crate::auth::time_of;
use crate::error::ApiError;
use crate::exchange_info;
use crate::gateway::{Gateway, Market};
use crate::json::{self, TimeUnit};
use crate::keys::Identity;
use crate::orders::report::write_order;
use crate::orders::target::target;
use crate::params::Params;
use crate::past;
use crate::worker::Worker;

/// The longest stretch that one query may cover.
const HOURS_MAX: u32 = 24;

/// A question about an account.
#[derive(Clone, Copy)]
pub struct Inquiry<'a> {
    /// Who asks the exchange.
    pub worker: &'a Worker,
    /// Whose account it is.
    pub identity: Identity,
    /// What the question says.
    pub params: &'a Params<'a>,
    /// In which unit the reply's times are.
    pub unit: TimeUnit,
    /// When it was asked.
    pub now: Nanos,
}

impl<'a> Inquiry<'a> {
    /// One order: `GET order`, `order.status`.
    ///
    /// # Errors
    /// -2013 if there is none, and what the dialect says to wrong parameters.
    pub async fn order(&self) -> Result<Vec<u8>, ApiError> {
        let market = self.market()?;
        let target = target(self.params, "orderId", "origClientOrderId")?;
        let (Identity { tenant, account }, number) = (self.identity, market.id());
        let release = self.ask(Query::Order { account, market: number, target }).await?;
        let live = match &release.answer {
            Some((_, Reply::Order(view))) => *view,
            _ => return Err(ApiError::unknown()),
        };
        // The permit goes back before the read store is waited for.
        drop(release);
        let found = match live {
            Some(view) => Some(view),
            None => {
                let query = move |store: &ReadStore| match (target.id, &target.client_id) {
                    (Some(id), _) => store.order(tenant, account, number, id),
                    (None, Some(client_id)) => store.order_by_client_id(tenant, account, number, client_id),
                    (None, None) => Ok(None),
                };
                past::ask_if_kept(&self.gateway().exchange, query).await?
            }
        };
        let is_meant = |view: &OrderView| target.client_id.is_none_or(|client_id| client_id == view.client_id);
        let view = found.filter(is_meant).ok_or_else(ApiError::no_such_order)?;
        let mut out = Vec::with_capacity(640);
        write_order(&mut out, self.gateway(), market, self.unit, &view);
        Ok(out)
    }

    /// The open orders, of one market or of all: `GET openOrders`, `openOrders.status`.
    ///
    /// # Errors
    /// What the dialect says to wrong parameters.
    pub async fn open_orders(&self) -> Result<Vec<u8>, ApiError> {
        self.params.check()?;
        let (gateway, Identity { tenant, account }) = (self.gateway(), self.identity);
        let symbol = self.params.optional("symbol")?;
        let market = symbol.map(|symbol| gateway.market(tenant, symbol)).transpose()?;
        let release = self.ask(Query::OpenOrders { account, market: market.map(|market| market.id()) }).await?;
        let Some((_, Reply::Orders(views))) = &release.answer else { return Err(ApiError::unknown()) };
        let mut out = Vec::with_capacity(2 + 560 * views.len());
        let known = views.iter().filter_map(|view| Some((gateway.market_by_id(tenant, view.market)?, view)));
        json::array(&mut out, known, |out, (market, view)| write_order(out, gateway, market, self.unit, view));
        Ok(out)
    }

    /// Orders of the past and of now: `GET allOrders`, `allOrders`.
    ///
    /// # Errors
    /// What the dialect says to wrong parameters.
    pub async fn all_orders(&self) -> Result<Vec<u8>, ApiError> {
        let market = self.market()?;
        let (window, limit) = self.window("orderId", OrderId)?;
        let (Identity { tenant, account }, number) = (self.identity, market.id());
        let query = move |store: &ReadStore| store.orders(tenant, account, number, &window, limit);
        let unit = self.unit;
        let write = move |gateway: &Gateway, views: Vec<OrderView>| {
            let market = gateway.market_by_id(tenant, number).ok_or_else(ApiError::invalid_symbol)?;
            let mut out = Vec::with_capacity(2 + 560 * views.len());
            json::array(&mut out, &views, |out, view| write_order(out, gateway, market, unit, view));
            Ok(out)
        };
        past::tell(&self.worker.gateway, query, write).await
    }

    /// The account's trades: `GET myTrades`, `myTrades`.
    ///
    /// # Errors
    /// What the dialect says to wrong parameters.
    pub async fn my_trades(&self) -> Result<Vec<u8>, ApiError> {
        let market = self.market()?;
        let (window, limit) = self.window("fromId", TradeId)?;
        if window.from_id.is_some() && (window.from_time.is_some() || window.to_time.is_some()) {
            return Err(ApiError::bad_combination());
        }
        let order = self.params.integer("orderId")?.map(OrderId);
        let (Identity { tenant, account }, number) = (self.identity, market.id());
        let query = move |store: &ReadStore| store.account_trades(tenant, account, number, order, &window, limit);
        let unit = self.unit;
        let write = move |gateway: &Gateway, trades: Vec<AccountTrade>| {
            let market = gateway.market_by_id(tenant, number).ok_or_else(ApiError::invalid_symbol)?;
            let mut out = Vec::with_capacity(2 + 320 * trades.len());
            json::array(&mut out, &trades, |out, trade| write_trade(out, gateway, market, unit, trade));
            Ok(out)
        };
        past::tell(&self.worker.gateway, query, write).await
    }

    /// Balances and rates: `GET account`, `account.status`.
    ///
    /// # Errors
    /// What the dialect says to wrong parameters.
    pub async fn account(&self) -> Result<Vec<u8>, ApiError> {
        self.params.check()?;
        let omit_zero = self.params.boolean("omitZeroBalances")?.unwrap_or(false);
        let release = self.ask(Query::Balances { account: self.identity.account }).await?;
        let balances = balances(&release)?;
        let (gateway, tenant) = (self.gateway(), self.identity.tenant);
        // Fees are a market's own here. What the dialect says of an account is that of its first one.
        let fees =
            gateway.markets(tenant).next().map(|market| (market.entry.spec.maker_fee, market.entry.spec.taker_fee));
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
            rate(maker.0.into()),
            rate(taker.0.into()),
            self.unit.count(self.now),
        );
        out.extend_from_slice(head.as_bytes());
        let shown = balances.iter().filter(|balance| !omit_zero || balance.available.0 != 0 || balance.held.0 != 0);
        json::array(&mut out, shown, |out, balance| {
            out.extend_from_slice(b"{\"asset\":");
            self.write_balance(out, balance);
            out.push(b'}');
        });
        out.extend_from_slice(b",\"permissions\":[\"SPOT\"],\"uid\":");
        json::number(&mut out, u64::from(self.identity.account.0) + 1);
        out.push(b'}');
        Ok(out)
    }

    /// The fees of markets: `GET sapi/v1/asset/tradeFee`.
    ///
    /// # Errors
    /// -1121 for a symbol that there is not.
    pub fn trade_fees(&self) -> Result<Vec<u8>, ApiError> {
        let (gateway, tenant) = (self.gateway(), self.identity.tenant);
        let markets: Vec<Market<'_>> = match self.params.optional("symbol")? {
            Some(symbol) => vec![gateway.market(tenant, symbol)?],
            None => gateway.markets(tenant).collect(),
        };
        let mut out = Vec::with_capacity(128 * markets.len());
        json::array(&mut out, markets, |out, market| {
            let spec = &market.entry.spec;
            let text = format!(
                r#"{{"symbol":"{}","makerCommission":"{}","takerCommission":"{}"}}"#,
                market.symbol(),
                rate(spec.maker_fee.0.into()),
                rate(spec.taker_fee.0.into())
            );
            out.extend_from_slice(text.as_bytes());
        });
        Ok(out)
    }

    /// The fees of a market: `GET account/commission`, `account.commission`.
    ///
    /// # Errors
    /// -1102 or -1121.
    pub fn commission(&self) -> Result<Vec<u8>, ApiError> {
        let market = self.market()?;
        let none = r#"{"maker":"0.00000000","taker":"0.00000000","buyer":"0.00000000","seller":"0.00000000"}"#;
        let text = format!(
            concat!(
                r#"{{"symbol":"{}","standardCommission":{{"maker":"{}","taker":"{}","buyer":"0.00000000","#,
                r#""seller":"0.00000000"}},"specialCommission":{none},"taxCommission":{none},"discount":"#,
                r#"{{"enabledForAccount":false,"enabledForSymbol":false,"discountAsset":"","discount":"0.00000000"}}}}"#
            ),
            market.symbol(),
            rate(market.entry.spec.maker_fee.0.into()),
            rate(market.entry.spec.taker_fee.0.into()),
            none = none,
        );
        Ok(text.into_bytes())
    }

    /// The filters that bind an account in a market: `GET myFilters`, `myFilters`.
    ///
    /// # Errors
    /// -1102 or -1121.
    pub fn filters(&self) -> Result<Vec<u8>, ApiError> {
        let market = self.market()?;
        let mut out = Vec::with_capacity(1_024);
        out.extend_from_slice(b"{\"exchangeFilters\":[],\"symbolFilters\":");
        exchange_info::write_filters(&mut out, market, self.gateway().open_orders_max(self.identity.tenant));
        out.extend_from_slice(b",\"assetFilters\":[]}");
        Ok(out)
    }

    /// The order limits with their use: `GET rateLimit/order`, `account.rateLimits.orders`.
    #[must_use]
    pub fn order_limits(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        let usage = self.gateway().rate_limits.order_usage(self.identity, self.now);
        json::array(&mut out, usage, |out, usage| usage.write(out));
        out
    }

    fn gateway(&self) -> &'a Gateway {
        &self.worker.gateway
    }

    /// The market it is about, once its parameters are known to be sound.
    fn market(&self) -> Result<Market<'a>, ApiError> {
        self.params.check()?;
        self.gateway().market(self.identity.tenant, self.params.required("symbol")?)
    }

    /// Which rows of the past are wanted, and how many.
    ///
    /// # Errors
    /// What the dialect says to wrong parameters.
    pub fn window<Id>(&self, from_id: &str, id: impl FnOnce(u64) -> Id) -> Result<(Window<Id>, usize), ApiError> {
        let (from_time, to_time) = stretch(self.params)?;
        let from_id = self.params.integer(from_id)?.map(id);
        Ok((Window { from_id, from_time, to_time }, self.params.limit(500, 1_000)?))
    }

    async fn ask(&self, query: Query) -> Result<Arc<Release>, ApiError> {
        self.worker.ask(self.identity.tenant, Request::Query(query)).await
    }

    fn write_balance(&self, out: &mut Vec<u8>, balance: &BalanceView) {
        let (gateway, tenant) = (self.gateway(), self.identity.tenant);
        gateway.asset_name(out, tenant, balance.asset);
        out.extend_from_slice(b",\"free\":");
        gateway.amount(out, tenant, balance.asset, balance.available);
        out.extend_from_slice(b",\"locked\":");
        gateway.amount(out, tenant, balance.asset, balance.held);
    }
}

fn balances(release: &Release) -> Result<&[BalanceView], ApiError> {
    match &release.answer {
        Some((_, Reply::Balances(balances))) => Ok(balances),
        _ => Err(ApiError::unknown()),
    }
}

fn write_trade(out: &mut Vec<u8>, gateway: &Gateway, market: Market<'_>, unit: TimeUnit, trade: &AccountTrade) {
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
    gateway.amount(out, market.tenant.id, trade.fee_asset, trade.fee);
    out.extend_from_slice(b",\"commissionAsset\":");
    gateway.asset_name(out, market.tenant.id, trade.fee_asset);
    out.extend_from_slice(b",\"time\":");
    json::time(out, trade.time, unit);
    out.extend_from_slice(b",\"isBuyer\":");
    json::boolean(out, trade.is_buyer);
    out.extend_from_slice(b",\"isMaker\":");
    json::boolean(out, trade.is_maker);
    out.extend_from_slice(b",\"isBestMatch\":true}");
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
        rate(market.entry.spec.maker_fee.0.into()),
        rate(market.entry.spec.taker_fee.0.into()),
    );
    text.into_bytes()
}

/// A rate as a fraction with eight decimals: 10 basis points are `0.00100000`. A rebate is below
/// zero.
fn rate(basis_points: i64) -> String {
    let text = crate::decimal::Grid::of_scale(4).text(basis_points.unsigned_abs().into());
    if basis_points < 0 { format!("-{text}") } else { text }
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
        assert_eq!(rate(10), "0.00100000");
        assert_eq!(rate(10_000), "1.00000000");
        assert_eq!(rate(0), "0.00000000");
        assert_eq!(rate(-5), "-0.00050000");
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
