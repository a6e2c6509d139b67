//! Transactions and cases: `GET transactions`, `GET cases`.

use rialto_engine::ids::{AccountId, AssetId, CaseId, TenantId, TransactionId};
use rialto_engine::transaction::{Transaction, TransactionKind, TransactionState};
use rialto_persistence::read_store::{ReadStore, ReadStoreError, Window};

use super::entry::asset_of;
use super::movements::LOOKED_THROUGH_MAX;
use super::{AccountingCall, begin, end_page};
use crate::error::ApiError;
use crate::json;
use crate::payments::names::kind_named;
use crate::payments::view::key;

/// Which transactions are meant.
#[derive(Clone, Copy, Debug)]
struct Filter {
    user: Option<AccountId>,
    kind: Option<TransactionKind>,
    state: Option<TransactionState>,
    is_stuck: Option<bool>,
}

#[derive(Default)]
struct Page {
    transactions: Vec<(Transaction, Option<AssetId>)>,
    next: Option<u64>,
}

impl AccountingCall<'_> {
    /// `GET transactions`: by user, kind, state, time or business id, paged by number.
    pub(super) async fn transactions(&self) -> Result<Vec<u8>, ApiError> {
        let own = ["user", "kind", "state", "stuck", "id", "startTime", "endTime", "after", "limit"];
        self.params.only(&own)?;
        let (tenant, limit, id) = (self.tenant(), self.limit()?, self.label("id")?);
        let named = |name: &str| kind_named(name).ok_or_else(|| ApiError::invalid_parameter("kind"));
        let state = |name: &str| {
            let found = TransactionState::ALL.into_iter().find(|state| state.name() == name);
            found.ok_or_else(|| ApiError::invalid_parameter("state"))
        };
        let filter = Filter {
            user: self.user()?,
            kind: self.params.optional("kind")?.map(named).transpose()?,
            state: self.params.optional("state")?.map(state).transpose()?,
            is_stuck: self.params.boolean("stuck")?,
        };
        let after = self.params.integer("after")?;
        let window = Window {
            from_id: Some(TransactionId(after.map_or(0, |after| after.saturating_add(1)))),
            from_time: self.time("startTime")?,
            to_time: self.time("endTime")?,
        };
        let read = move |store: &ReadStore| match id {
            Some(id) => {
                let found = store.transaction_by_id(tenant, &id)?.filter(|found| filter.admits(found));
                Ok(Page { transactions: with_assets(store, tenant, found.into_iter().collect())?, next: None })
            }
            None => page(store, tenant, filter, window, limit),
        };
        self.tell(read, |view, position, page| {
            let mut out = begin(position);
            key(&mut out, "transactions");
            json::array(&mut out, &page.transactions, |out, (transaction, asset)| {
                view.transaction(out, transaction, *asset)
            });
            end_page(&mut out, page.next);
            Ok(out)
        })
        .await
    }

    /// `GET cases`: all, or the open ones, paged by number.
    pub(super) async fn cases(&self) -> Result<Vec<u8>, ApiError> {
        self.params.only(&["open", "after", "limit"])?;
        let (tenant, limit) = (self.tenant(), self.limit()?);
        let open_only = self.params.boolean("open")?.unwrap_or(false);
        let from = CaseId(self.params.integer("after")?.map_or(0, |after| after.saturating_add(1)));
        let read = move |store: &ReadStore| store.cases(tenant, open_only, from, limit);
        self.tell(read, move |view, position, cases| {
            let mut out = begin(position);
            key(&mut out, "cases");
            json::array(&mut out, &cases, |out, case| view.case(out, case));
            let next = if cases.len() == limit { cases.last().map(|case| case.id.0) } else { None };
            end_page(&mut out, next);
            Ok(out)
        })
        .await
    }
}

impl Filter {
    fn admits(&self, transaction: &Transaction) -> bool {
        let kind = transaction.body.as_ref().map(|body| body.kind());
        self.kind.is_none_or(|wanted| kind == Some(wanted))
            && self.state.is_none_or(|wanted| transaction.state == wanted)
            && self.is_stuck.is_none_or(|wanted| transaction.is_stuck == wanted)
    }

    /// Whether none of them is final, so that the open ones are enough to look at.
    fn is_of_open(&self) -> bool {
        let is_open = self.state.is_some_and(|state| !state.is_final());
        self.user.is_none() && (is_open || self.is_stuck == Some(true))
    }
}

fn page(
    store: &ReadStore,
    tenant: TenantId,
    filter: Filter,
    mut window: Window<TransactionId>,
    limit: usize,
) -> Result<Page, ReadStoreError> {
    let mut found: Vec<Transaction> = Vec::new();
    let (mut looked, mut next) = (0, None);
    while found.len() < limit {
        let from = window.from_id.unwrap_or_default();
        let some = match filter.user {
            Some(user) => store.account_transactions(tenant, user, &window, limit)?,
            None if filter.is_of_open() => {
                store.open_transactions(tenant, filter.is_stuck == Some(true), from, limit)?
            }
            None => store.transactions(tenant, &window, limit)?,
        };
        let Some(last) = some.last().map(|transaction| transaction.number) else { break };
        let is_last = some.len() < limit;
        looked += some.len();
        window.from_id = Some(TransactionId(last.0 + 1));
        let is_within = |transaction: &Transaction| {
            window.from_time.is_none_or(|from| transaction.opened >= from)
                && window.to_time.is_none_or(|to| transaction.opened <= to)
        };
        let room = limit - found.len();
        let meant = some.into_iter().filter(|transaction| filter.admits(transaction) && is_within(transaction));
        found.extend(meant.take(room));
        if found.len() == limit {
            next = found.last().map(|transaction| transaction.number.0);
        } else if is_last {
            break;
        } else if looked >= LOOKED_THROUGH_MAX {
            next = Some(last.0);
            break;
        }
    }
    Ok(Page { transactions: with_assets(store, tenant, found)?, next })
}

fn with_assets(
    store: &ReadStore,
    tenant: TenantId,
    found: Vec<Transaction>,
) -> Result<Vec<(Transaction, Option<AssetId>)>, ReadStoreError> {
    let with_asset = |transaction: Transaction| {
        let asset = asset_of(store, tenant, transaction.body.as_ref())?;
        Ok((transaction, asset))
    };
    found.into_iter().map(with_asset).collect()
}
