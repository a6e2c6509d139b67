//! Movements: `GET movements`.

use std::collections::HashSet;

use rialto_engine::ids::{AccountId, AssetId, MarketId, OrderId, TenantId, TradeId};
use rialto_engine::units::Nanos;
use rialto_engine::wallet::{Cause, Entry};
use rialto_persistence::read_store::{Owner, ReadStore, ReadStoreError, Window};

use super::entry::{self, Ids, ids_of};
use super::{AccountingCall, Place, begin, end_page};
use crate::error::ApiError;
use crate::json;
use crate::payments::view::View;

/// The most entries that are looked through for an answer of fewer.
pub const LOOKED_THROUGH_MAX: usize = 20_000;

/// Entries, and the number behind which to go on, if there may be more.
#[derive(Default)]
pub struct Page {
    /// The entries, ascending.
    pub entries: Vec<Entry>,
    /// The business ids of their causes.
    pub ids: Ids,
    /// Where the next page begins: behind this number. `None` where there is no more for now.
    pub next: Option<u64>,
}

impl AccountingCall<'_> {
    /// `GET movements`: by user, account, asset, time, business id or order, paged by entry number.
    pub(super) async fn movements(&self) -> Result<Vec<u8>, ApiError> {
        self.params.only(&["user", "account", "asset", "startTime", "endTime", "id", "orderId", "after", "limit"])?;
        let (tenant, limit, after) = (self.tenant(), self.limit()?, self.params.integer("after")?);
        let (place, asset, id) = (self.place()?, self.asset()?, self.label("id")?);
        let (order, markets) = (self.params.integer("orderId")?.map(OrderId), self.markets());
        let window = self.entries_window(after)?;
        if order.is_some() && !matches!(place, Some(Place::Owner(_))) {
            // Entries of orders are found among those of their owner.
            return Err(ApiError::mandatory("user"));
        }
        if id.is_some() && (place.is_some() || order.is_some() || asset.is_some()) {
            return Err(ApiError::bad_combination());
        }
        let query = move |store: &ReadStore| match (id, place) {
            (Some(id), _) => {
                let Some(found) = store.transaction_by_id(tenant, &id)? else { return Ok(Page::default()) };
                let entries = store.entries_of_transaction(tenant, found.number)?;
                let from = after.unwrap_or(0);
                let entries = entries.into_iter().filter(|entry| entry.number > from || after.is_none());
                Page::of(store, tenant, entries.take(limit).collect(), limit)
            }
            (None, None) => all(store, tenant, asset, &window, limit),
            (None, Some(place)) => match order {
                Some(order) => of_order(store, tenant, markets, place, order, window, limit),
                None => Page::of(store, tenant, at(store, tenant, place, asset, &window, limit)?, limit),
            },
        };
        self.tell(query, |view, position, page| Ok(write(view, None, position, &page))).await
    }

    /// The window of the parameters `startTime`, `endTime` and `after`. From the beginning, where nothing is
    /// said: whoever pages wants all of it.
    pub(super) fn entries_window(&self, after: Option<u64>) -> Result<Window<u64>, ApiError> {
        let (from_time, to_time) = (self.time("startTime")?, self.time("endTime")?);
        let from_id = Some(after.map_or(0, |after| after.saturating_add(1)));
        Ok(Window { from_id, from_time, to_time })
    }
}

impl Page {
    /// A page of entries that were read with this limit.
    ///
    /// # Errors
    /// What the read store says.
    pub fn of(store: &ReadStore, tenant: TenantId, entries: Vec<Entry>, limit: usize) -> Result<Self, ReadStoreError> {
        let next = if entries.len() == limit { entries.last().map(|entry| entry.number) } else { None };
        Ok(Self { ids: ids_of(store, tenant, &entries)?, entries, next })
    }
}

/// The answer: for whoever may see everything, or for an owner who may see his own accounts.
#[must_use]
pub fn write(view: &View<'_>, seer: Option<Owner>, position: u64, page: &Page) -> Vec<u8> {
    let mut out = begin(position);
    out.extend_from_slice(b",\"movements\":");
    json::array(&mut out, &page.entries, |out, found| entry::write(out, view, seer, found, &page.ids));
    end_page(&mut out, page.next);
    out
}

/// The entries of a place from the beginning of a window on, which has one.
///
/// # Errors
/// What the read store says.
pub fn at(
    store: &ReadStore,
    tenant: TenantId,
    place: Place,
    asset: Option<AssetId>,
    window: &Window<u64>,
    limit: usize,
) -> Result<Vec<Entry>, ReadStoreError> {
    let account = match place {
        Place::Owner(owner) => return store.movements(tenant, owner, asset, window, limit),
        Place::Account(account) => account,
    };
    if let Some(asset) = asset {
        return store.account_movements(tenant, account, asset, window, limit);
    }
    let mut entries = Vec::new();
    for (of, asset) in store.accounts_of(tenant, place.owner())? {
        if of == account {
            entries.extend(store.account_movements(tenant, account, asset, window, limit)?);
        }
    }
    // An entry is of one asset, so that none comes twice.
    entries.sort_unstable_by_key(|entry| entry.number);
    entries.truncate(limit);
    Ok(entries)
}

/// The entries of everybody, of one asset or of all.
fn all(
    store: &ReadStore,
    tenant: TenantId,
    asset: Option<AssetId>,
    window: &Window<u64>,
    limit: usize,
) -> Result<Page, ReadStoreError> {
    let (first, end) = numbers(store, tenant, window)?;
    let (mut from, mut looked) = (first, 0);
    let mut entries = Vec::new();
    let mut next = None;
    while entries.len() < limit && from < end {
        let found = store.entries(tenant, None, Some(from), limit)?;
        let Some(last) = found.last().map(|entry| entry.number) else { break };
        looked += found.len();
        let room = limit - entries.len();
        let meant =
            found.into_iter().filter(|entry| entry.number < end && asset.is_none_or(|asset| asset == entry.asset));
        entries.extend(meant.take(room));
        let is_full = entries.len() == limit;
        next = Some(if is_full { entries.last().map_or(last, |entry: &Entry| entry.number) } else { last });
        if is_full || looked >= LOOKED_THROUGH_MAX {
            break;
        }
        next = None;
        from = last + 1;
    }
    Ok(Page { ids: ids_of(store, tenant, &entries)?, entries, next })
}

/// The numbers of the entries of a window: the first, and the one behind the last.
///
/// # Errors
/// What the read store says.
pub fn numbers(store: &ReadStore, tenant: TenantId, window: &Window<u64>) -> Result<(u64, u64), ReadStoreError> {
    let mut first = window.from_id.unwrap_or(0).max(1);
    if let Some(before) = window.from_time.and_then(|from| from.0.checked_sub(1)) {
        first = first.max(store.first_entry_after(tenant, Nanos(before))?);
    }
    let end = match window.to_time {
        Some(to) => store.first_entry_after(tenant, to)?,
        None => u64::MAX,
    };
    Ok((first, end))
}

/// What an order's owner was posted for it: its holds, its trades, what was released.
fn of_order(
    store: &ReadStore,
    tenant: TenantId,
    markets: u16,
    place: Place,
    order: OrderId,
    window: Window<u64>,
    limit: usize,
) -> Result<Page, ReadStoreError> {
    let Place::Owner(Owner::User(account)) = place else { return Ok(Page::default()) };
    let mut window = window;
    let mut page = Page::default();
    let mut looked = 0;
    let trades = trades_of(store, tenant, markets, account, order)?;
    loop {
        let found = store.movements(tenant, place.owner(), None, &window, limit)?;
        let is_last = found.len() < limit;
        looked += found.len();
        let last = found.last().map(|entry| entry.number);
        window.from_id = last.map(|last| last + 1);
        let is_meant = |entry: &Entry| match entry.cause {
            Cause::Hold(of) | Cause::Release(of) => of == order,
            Cause::Trade(market, trade) => trades.contains(&(market, trade)),
            _ => false,
        };
        page.entries.extend(found.into_iter().filter(is_meant));
        if page.entries.len() >= limit {
            page.entries.truncate(limit);
            page.next = page.entries.last().map(|entry| entry.number);
            return Ok(page);
        }
        if is_last {
            return Ok(page);
        }
        if looked >= LOOKED_THROUGH_MAX {
            page.next = last;
            return Ok(page);
        }
    }
}

/// The trades of an order, in whichever market it is.
fn trades_of(
    store: &ReadStore,
    tenant: TenantId,
    markets: u16,
    account: AccountId,
    order: OrderId,
) -> Result<HashSet<(MarketId, TradeId)>, ReadStoreError> {
    let Some(found) = super::trace::order_of(store, tenant, markets, account, order)? else {
        return Ok(Default::default());
    };
    let trades = store.account_trades(tenant, account, found.market, Some(order), &Window::default(), usize::MAX)?;
    Ok(trades.into_iter().map(|trade| (found.market, trade.id)).collect())
}
