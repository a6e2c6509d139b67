//! Markets: their phases, their protection, and the orders in them.

use futures_util::future::join_all;
use rialto_actors::api::{Release, Reply, Request};
use rialto_engine::ids::{AccountId, MarketId, ShardId};
use rialto_engine::message::{Phase, Protection};
use rialto_engine::order::Side;
use rialto_engine::reason::Reason;
use rialto_engine::units::{BasisPoints, Nanos};
use rialto_engine::update::OrderEvent;
use rialto_engine::wallet::{Command, SettledResult};

use super::OperatorCall;
use crate::auth::time_of;
use crate::error::{ApiError, Asked};
use crate::gateway::Market;
use crate::json;
use crate::market_api::format::MarketFormat;
use crate::orders::mass_cancel::Description;
use crate::orders::names;
use crate::payments::view::key;

/// A band above this, in basis points, is none.
const BAND_MAX: u64 = 9_999;
/// The longest interruption, in seconds: a week.
const INTERRUPTION_MAX: u64 = 7 * 86_400;

impl OperatorCall<'_> {
    /// `POST market/phase`: symbol, phase, and until when, if continuous trading is to follow by itself.
    pub(super) async fn enter(&self) -> Result<Vec<u8>, ApiError> {
        self.params.only(&["symbol", "phase", "until"])?;
        let market = self.market()?;
        let phase = names::phase_named(self.params.required("phase")?);
        let phase = phase.ok_or_else(|| ApiError::invalid_parameter("phase"))?;
        let until = self.params.integer("until")?.map_or(Nanos::ZERO, time_of);
        if until != Nanos::ZERO && until <= rialto_actors::clock::wall() {
            return Err(ApiError::invalid_parameter("until"));
        }
        // It would be passed over, and whoever says it believes that continuous trading ends then.
        if until != Nanos::ZERO && phase == Phase::Continuous {
            return Err(ApiError::not_required("until"));
        }
        let command = Command::Enter { market: market.id(), phase, until, time: Nanos::ZERO };
        let release = self.command(command).await?;
        let Some(SettledResult::Entered(phase)) = result(&release) else { return Err(ApiError::unknown()) };
        self.gateway().phases.hear(self.operator.tenant, market.id(), *phase);
        let mut out = Vec::with_capacity(128);
        self.begin(&mut out, market);
        for (name, value) in [("phase", names::phase(*phase)), ("status", names::symbol_status(*phase))] {
            key(&mut out, name);
            json::string(&mut out, value);
        }
        key(&mut out, "until");
        match until {
            Nanos::ZERO => out.extend_from_slice(b"null"),
            until => json::time(&mut out, until, self.unit),
        }
        out.push(b'}');
        Ok(out)
    }

    /// `POST market/protection`: symbol, and the bands; what is left out is off.
    pub(super) async fn protect(&self) -> Result<Vec<u8>, ApiError> {
        self.params.only(&["symbol", "staticBandBps", "dynamicBandBps", "interruptionSeconds", "referencePrice"])?;
        let market = self.market()?;
        let number = |name: &str, most: u64| match self.params.integer(name)?.unwrap_or(0) {
            number if number <= most => Ok(number),
            _ => Err(ApiError::invalid_parameter(name)),
        };
        let band = |name: &str| number(name, BAND_MAX).map(|band| BasisPoints(u32::try_from(band).unwrap_or(0)));
        let seconds = number("interruptionSeconds", INTERRUPTION_MAX)?;
        let reference = self.params.optional("referencePrice")?;
        let reference = reference.map(|text| market.text.parse_price("referencePrice", text)).transpose()?;
        // No trade is inside of a band around zero: every order would interrupt the market.
        if reference.is_some_and(|price| price.is_zero()) {
            return Err(ApiError::filter("PRICE_FILTER"));
        }
        let protection = Protection {
            static_band: band("staticBandBps")?,
            dynamic_band: band("dynamicBandBps")?,
            interruption: Nanos(seconds * 1_000_000_000),
            reference,
        };
        let command = Command::Protect { market: market.id(), protection, time: Nanos::ZERO };
        let release = self.command(command).await?;
        let Some(SettledResult::Protected) = result(&release) else { return Err(ApiError::unknown()) };
        let mut out = Vec::with_capacity(160);
        self.begin(&mut out, market);
        for (name, value) in [
            ("staticBandBps", u64::from(protection.static_band.0)),
            ("dynamicBandBps", u64::from(protection.dynamic_band.0)),
            ("interruptionSeconds", seconds),
        ] {
            key(&mut out, name);
            json::number(&mut out, value);
        }
        if let Some(price) = reference {
            key(&mut out, "referencePrice");
            market.text.price(&mut out, price);
        }
        out.push(b'}');
        Ok(out)
    }

    /// `GET markets`: how every market stands.
    pub(super) async fn markets(&self) -> Result<Vec<u8>, ApiError> {
        let (gateway, tenant) = (self.gateway(), self.operator.tenant);
        let states = gateway.exchange.market_data().states(tenant).await.map_err(|_| ApiError::unavailable())?;
        let mut out = Vec::with_capacity(1_024);
        json::array(&mut out, gateway.markets(tenant).zip(states), |out, (market, state)| {
            MarketFormat::new(market.entry, self.unit).auction(out, &state);
        });
        Ok(out)
    }

    /// `DELETE orders`: those of a market or of all, of a user or of everybody, of a side, of a strategy.
    pub(super) async fn cancel_orders(&self) -> Result<Vec<u8>, ApiError> {
        self.params.only(&["symbol", "user", "side", "strategyId"])?;
        let Description { side, strategy } = Description::read(self.params)?;
        let account = self.params.optional("user")?.map(|name| self.account_of(name)).transpose()?;
        let markets: Vec<Market<'_>> = match self.params.optional("symbol")? {
            Some(_) => vec![self.market()?],
            None => self.gateway().markets(self.operator.tenant).collect(),
        };
        let answers = join_all(markets.iter().map(|market| self.cancel_in(market.id(), account, side, strategy))).await;
        let mut total = 0;
        let mut failure = None;
        let mut rows = Vec::with_capacity(64 * markets.len());
        let counted = markets.iter().zip(answers).filter_map(|(market, canceled)| match canceled {
            Ok(count) => Some((market, count)),
            Err(error) => {
                failure = failure.take().or(Some(error));
                None
            }
        });
        let counted: Vec<_> = counted.collect();
        json::array(&mut rows, &counted, |out, (market, count)| {
            total += *count;
            self.begin(out, **market);
            key(out, "canceled");
            json::number(out, *count);
            out.push(b'}');
        });
        let mut out = Vec::with_capacity(rows.len() + 32);
        out.extend_from_slice(b"{\"canceled\":");
        json::number(&mut out, total);
        key(&mut out, "markets");
        out.extend_from_slice(&rows);
        out.push(b'}');
        match failure {
            None => Ok(out),
            Some(error) => Err(ApiError { data: String::from_utf8(out).ok().map(Into::into), ..error }),
        }
    }

    /// Cancels orders of one market, and says how many there were. What is about everybody's orders is said
    /// to each wallet of the tenant.
    async fn cancel_in(
        &self,
        market: MarketId,
        account: Option<AccountId>,
        side: Option<Side>,
        tag: Option<u64>,
    ) -> Result<u64, ApiError> {
        let command = Command::CancelMany { account, market, side, tag, time: Nanos::ZERO };
        let deadline = self.deadline;
        if account.is_some() {
            return self.canceled(Request::Command { command, deadline }).await;
        }
        let directory = self.gateway().exchange.directory();
        let shards = directory.tenant(self.operator.tenant).map_or(1, |tenant| tenant.shards);
        let mut count = 0;
        for shard in (0..shards).map(ShardId) {
            count += self.canceled(Request::CommandOf { shard, command: command.clone(), deadline }).await?;
        }
        Ok(count)
    }

    /// How many orders a request canceled.
    async fn canceled(&self, request: Request) -> Result<u64, ApiError> {
        let release = self.worker.ask(self.operator.tenant, request).await?;
        match release.answer.as_ref().map(|(_, reply)| reply) {
            Some(Reply::Settled(_)) => {
                let canceled = release.updates.iter().filter(|update| update.event == OrderEvent::Canceled);
                Ok(canceled.count() as u64)
            }
            Some(Reply::Rejected(Reason::UnknownOrder)) => Ok(0),
            Some(Reply::Rejected(reason)) => Err(ApiError::of_reason(*reason, Asked::Cancel)),
            _ => Err(ApiError::unknown()),
        }
    }

    async fn command(&self, command: Command) -> Result<std::sync::Arc<Release>, ApiError> {
        let request = Request::Command { command, deadline: self.deadline };
        let release = self.worker.ask(self.operator.tenant, request).await?;
        match release.answer.as_ref().map(|(_, reply)| reply) {
            Some(Reply::Rejected(reason)) => Err(ApiError::of_reason(*reason, Asked::PLACE)),
            _ => Ok(release),
        }
    }

    fn begin(&self, out: &mut Vec<u8>, market: Market<'_>) {
        out.extend_from_slice(b"{\"symbol\":");
        json::string(out, market.symbol());
    }

    fn market(&self) -> Result<Market<'_>, ApiError> {
        self.gateway().market(self.operator.tenant, self.params.required("symbol")?)
    }
}

fn result(release: &Release) -> Option<&SettledResult> {
    match release.answer.as_ref().map(|(_, reply)| reply) {
        Some(Reply::Settled(settled)) => Some(&settled.result),
        _ => None,
    }
}
