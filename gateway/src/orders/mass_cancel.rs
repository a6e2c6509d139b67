//! Cancelling many orders: those of a market that answer to a description, or of all markets.

use futures_util::future::join_all;
use rialto_actors::api::{Query, Release, Reply, Request};
use rialto_engine::ids::MarketId;
use rialto_engine::order::Side;
use rialto_engine::reason::Reason;
use rialto_engine::units::Nanos;
use rialto_engine::update::{OrderEvent, OrderView};
use rialto_engine::wallet::Command;

use super::report::Report;
use super::{list_report, names};
use crate::account::Inquiry;
use crate::error::{ApiError, Asked};
use crate::keys::Identity;
use crate::params::Params;

/// Which orders are to be cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Description {
    /// Only those of this side.
    pub side: Option<Side>,
    /// Only those of this strategy.
    pub strategy: Option<u64>,
}

impl Description {
    /// The description of a request, which says nothing else.
    ///
    /// # Errors
    /// -1104, -1117, -1100, -1105 or -1130.
    pub fn of(params: &Params<'_>) -> Result<Self, ApiError> {
        params.only(&["symbol", "side", "strategyId"])?;
        Self::read(params)
    }

    /// The same of a request that says more.
    ///
    /// # Errors
    /// -1117, -1100, -1105 or -1130.
    pub fn read(params: &Params<'_>) -> Result<Self, ApiError> {
        let side = params.optional("side")?.map(|name| names::side_named(name).ok_or_else(ApiError::invalid_side));
        let strategy = params.integer("strategyId")?;
        if strategy == Some(0) {
            return Err(ApiError::invalid_parameter("strategyId"));
        }
        Ok(Self { side: side.transpose()?, strategy })
    }

    /// Whether every order is meant.
    #[must_use]
    pub const fn is_all(&self) -> bool {
        self.side.is_none() && self.strategy.is_none()
    }

    fn fits(&self, order: &OrderView) -> bool {
        self.side.is_none_or(|side| side == order.side)
            && self.strategy.is_none_or(|strategy| strategy == order.instructions.tag)
    }
}

impl Inquiry<'_> {
    /// Cancels orders of all markets: `DELETE openOrders` without a symbol. Each market is one command;
    /// what is told is told of all of them together. The dialect asks for a symbol.
    ///
    /// # Errors
    /// -2011 if there was nothing to cancel; if a market could not be asked, why.
    pub async fn cancel_everywhere(&self, deadline: Nanos) -> Result<Vec<u8>, ApiError> {
        self.params.check()?;
        let described = Description::of(self.params)?;
        let Identity { tenant, account } = self.identity;
        let markets = self.markets_with_orders(&described).await;
        let Description { side, strategy: tag } = described;
        let answers = join_all(markets.iter().map(|market| {
            let command = Command::CancelMany { account: Some(account), market: *market, side, tag, time: Nanos::ZERO };
            self.worker.ask(tenant, Request::Command { command, deadline })
        }));
        let mut out = Vec::with_capacity(1_024);
        out.push(b'[');
        let mut failure = None;
        for (market, answer) in markets.iter().zip(answers.await) {
            let canceled = answer.and_then(|release| self.write_canceled(&mut out, *market, &release));
            failure = failure.or(canceled.err());
        }
        let is_empty = out.len() == 1;
        out.push(b']');
        match failure {
            // What was cancelled all the same stays so, and is told.
            Some(error) if is_empty => Err(error),
            Some(error) => Err(ApiError { data: String::from_utf8(out).ok().map(Into::into), ..error }),
            None if is_empty => Err(ApiError::of_reason(Reason::UnknownOrder, Asked::Cancel)),
            None => Ok(out),
        }
    }

    /// The markets where there is something to cancel. Load may refuse the question, but must not refuse
    /// the cancels: then it is every market.
    async fn markets_with_orders(&self, described: &Description) -> Vec<MarketId> {
        let Identity { tenant, account } = self.identity;
        let open = self.worker.ask(tenant, Request::Query(Query::OpenOrders { account, market: None })).await;
        let Some((_, Reply::Orders(views))) = open.as_ref().ok().and_then(|release| release.answer.as_ref()) else {
            return self.worker.gateway.markets(tenant).map(|market| market.id()).collect();
        };
        let fitting = views.iter().filter(|view| described.fits(view));
        let mut markets: Vec<MarketId> = fitting.map(|view| view.market).collect();
        markets.sort_unstable();
        markets.dedup();
        markets
    }

    /// Appends what was cancelled in a market to an array under way.
    fn write_canceled(&self, out: &mut Vec<u8>, market: MarketId, release: &Release) -> Result<(), ApiError> {
        let gateway = &*self.worker.gateway;
        let market = gateway.market_by_id(self.identity.tenant, market).ok_or_else(ApiError::unknown)?;
        match release.answer.as_ref().map(|(_, reply)| reply) {
            Some(Reply::Settled(_)) => {}
            // Filled, or cancelled by somebody else, in the meantime.
            Some(Reply::Rejected(Reason::UnknownOrder)) => return Ok(()),
            Some(Reply::Rejected(reason)) => return Err(ApiError::of_reason(*reason, Asked::Cancel)),
            _ => return Err(ApiError::unknown()),
        }
        if release.updates.iter().any(|update| update.event == OrderEvent::Canceled) {
            let report = Report { gateway, market, unit: self.unit, updates: &release.updates };
            let mut of_market = Vec::with_capacity(512);
            list_report::canceled_many(&mut of_market, &report, release);
            if out.len() > 1 {
                out.push(b',');
            }
            out.extend_from_slice(&of_market[1..of_market.len() - 1]);
        }
        Ok(())
    }
}
