//! Lists of orders of now and of the past, as their owner asks for them.

use rialto_actors::api::{Query, Reply, Request};
use rialto_engine::ids::OrderId;
use rialto_engine::update::ListView;
use rialto_persistence::read_store::ReadStore;

use crate::account::Inquiry;
use crate::error::ApiError;
use crate::json;
use crate::keys::Identity;
use crate::orders::list_report::ListTold;
use crate::orders::order_list::list_target;
use crate::past;

impl Inquiry<'_> {
    /// One list: `GET orderList`, `orderList.status`.
    ///
    /// # Errors
    /// -2018 if there is none, and what the dialect says to wrong parameters.
    pub async fn order_list(&self) -> Result<Vec<u8>, ApiError> {
        self.params.check()?;
        let target = list_target(self.params, "origClientOrderId")?;
        let Identity { tenant, account } = self.identity;
        let release = self.worker.ask(tenant, Request::Query(Query::List { account, target })).await?;
        let live = match &release.answer {
            Some((_, Reply::List(view))) => view.clone(),
            _ => return Err(ApiError::unknown()),
        };
        // The permit goes back before the read store is waited for.
        drop(release);
        let is_done = live.is_none();
        let found = match live {
            Some(view) => Some(view),
            None => {
                let query = move |store: &ReadStore| match (target.id, &target.client_id) {
                    (Some(id), _) => store.list(tenant, account, id),
                    (None, Some(client_id)) => store.list_by_client_id(tenant, account, client_id),
                    (None, None) => Ok(None),
                };
                past::ask_if_kept(&self.worker.gateway.exchange, query).await?
            }
        };
        let is_meant = |view: &ListView| target.client_id.is_none_or(|client_id| client_id == view.client_id);
        let view = found.filter(is_meant).ok_or_else(ApiError::no_such_order_list)?;
        let mut out = Vec::with_capacity(512);
        self.write_list(&mut out, &view, is_done);
        Ok(out)
    }

    /// The open lists, of all markets: `GET openOrderList`, `openOrderLists.status`.
    ///
    /// # Errors
    /// What the dialect says to wrong parameters.
    pub async fn open_order_lists(&self) -> Result<Vec<u8>, ApiError> {
        self.params.check()?;
        let mut out = Vec::new();
        let lists = self.open_lists().await?;
        json::array(&mut out, &lists, |out, view| self.write_list(out, view, false));
        Ok(out)
    }

    /// Lists of the past and of now: `GET allOrderList`, `allOrderLists`. Where nothing of the past is kept,
    /// the open ones.
    ///
    /// # Errors
    /// What the dialect says to wrong parameters.
    pub async fn all_order_lists(&self) -> Result<Vec<u8>, ApiError> {
        self.params.check()?;
        let (window, limit) = self.window("fromId", OrderId)?;
        if window.from_id.is_some() && (window.from_time.is_some() || window.to_time.is_some()) {
            return Err(ApiError::bad_combination());
        }
        let open = self.open_lists().await?;
        let is_open = |view: &ListView| open.iter().any(|other| other.id == view.id);
        let exchange = &self.worker.gateway.exchange;
        let lists = if exchange.read_store().is_some() {
            let Identity { tenant, account } = self.identity;
            let query = move |store: &ReadStore| store.lists(tenant, account, &window, limit);
            past::ask_if_kept(exchange, query).await?
        } else {
            open.clone()
        };
        let mut out = Vec::with_capacity(2 + 320 * lists.len());
        json::array(&mut out, &lists, |out, view| self.write_list(out, view, !is_open(view)));
        Ok(out)
    }

    async fn open_lists(&self) -> Result<Vec<ListView>, ApiError> {
        let Identity { tenant, account } = self.identity;
        let release = self.worker.ask(tenant, Request::Query(Query::Lists { account })).await?;
        match &release.answer {
            Some((_, Reply::Lists(views))) => Ok(views.clone()),
            _ => Err(ApiError::unknown()),
        }
    }

    fn write_list(&self, out: &mut Vec<u8>, view: &ListView, is_done: bool) {
        let Some(market) = self.worker.gateway.market_by_id(self.identity.tenant, view.market) else { return };
        ListTold::of(view, is_done).write_head(out, market, self.unit);
        out.push(b'}');
    }
}
