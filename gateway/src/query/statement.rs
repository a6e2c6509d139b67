//! The statement of an account over a period: `GET statement`.

use rialto_engine::ids::{AssetId, TenantId};
use rialto_engine::units::{Amount, Nanos};
use rialto_engine::wallet::LedgerAccount;
use rialto_persistence::read_store::{ReadStore, ReadStoreError, Window};

use super::movements::{Page, at};
use super::{AccountingCall, Place, begin, end_page, entry};
use crate::error::ApiError;
use crate::json;
use crate::payments::names::write_account;
use crate::payments::view::{View, key, number};
use crate::reconcile::day::Day;

/// What one account held before and behind the period.
struct Balances {
    account: LedgerAccount,
    asset: AssetId,
    opening: Amount,
    closing: Amount,
}

#[derive(Default)]
struct Statement {
    accounts: Vec<Balances>,
    page: Page,
}

impl AccountingCall<'_> {
    /// `GET statement`: of a user or an account, over `startTime` to `endTime` or the tenant's day `date`.
    ///
    /// Opening and closing are those of the whole period, whichever page of its movements is told.
    pub(super) async fn statement(&self) -> Result<Vec<u8>, ApiError> {
        self.params.only(&["user", "account", "asset", "startTime", "endTime", "date", "after", "limit"])?;
        let (tenant, asset, limit) = (self.tenant(), self.asset()?, self.limit()?);
        let place = self.place()?.ok_or_else(|| ApiError::either("user", "account"))?;
        let (from, to) = self.period()?;
        let after = self.params.integer("after")?;
        let read = move |store: &ReadStore| read(store, tenant, place, asset, (from, to), after, limit);
        self.tell(read, move |view, position, statement| Ok(statement.write(view, position, (from, to)))).await
    }

    /// The period of the parameters: its first and its last moment.
    pub(super) fn period(&self) -> Result<(Nanos, Nanos), ApiError> {
        let (from, to) = (self.time("startTime")?, self.time("endTime")?);
        match (self.date()?, from, to) {
            (Some(day), None, None) => {
                let (begin, end) = day.bounds(&self.gateway().zone(self.tenant()));
                Ok((begin, Nanos(end.0 - 1)))
            }
            (Some(_), ..) => Err(ApiError::bad_combination()),
            (None, Some(from), Some(to)) if from <= to => Ok((from, to)),
            (None, Some(_), Some(_)) => Err(ApiError::invalid_parameter("endTime")),
            (None, None, _) => Err(ApiError::mandatory("startTime")),
            (None, _, None) => Err(ApiError::mandatory("endTime")),
        }
    }

    /// The parameter `date`, a day of the tenant.
    pub(super) fn date(&self) -> Result<Option<Day>, ApiError> {
        let read = |text: &str| Day::parse(text).ok_or_else(|| ApiError::invalid_parameter("date"));
        self.params.optional("date")?.map(read).transpose()
    }
}

impl Statement {
    fn write(&self, view: &View<'_>, position: u64, (from, to): (Nanos, Nanos)) -> Vec<u8> {
        let mut out = begin(position);
        number(&mut out, "startTime", view.unit.count(from));
        number(&mut out, "endTime", view.unit.count(to));
        key(&mut out, "accounts");
        json::array(&mut out, &self.accounts, |out, balances| {
            out.extend_from_slice(b"{\"account\":");
            write_account(out, view.gateway, view.tenant, balances.account);
            key(out, "asset");
            view.gateway.asset_name(out, view.tenant, balances.asset);
            let (opening, closing) = (balances.opening, balances.closing);
            for (name, amount) in [("opening", opening), ("change", closing - opening), ("closing", closing)] {
                view.amount(out, name, Some(balances.asset), amount);
            }
            out.push(b'}');
        });
        key(&mut out, "movements");
        let page = &self.page;
        json::array(&mut out, &page.entries, |out, found| entry::write(out, view, None, found, &page.ids));
        end_page(&mut out, page.next);
        out
    }
}

fn read(
    store: &ReadStore,
    tenant: TenantId,
    place: Place,
    asset: Option<AssetId>,
    (from, to): (Nanos, Nanos),
    after: Option<u64>,
    limit: usize,
) -> Result<Statement, ReadStoreError> {
    let mut accounts = store.accounts_of(tenant, place.owner())?;
    accounts.retain(|(account, of)| place.contains(*account) && asset.is_none_or(|asset| asset == *of));
    let balances = |(account, asset)| {
        let opening = match from.0.checked_sub(1) {
            Some(before) => store.balance_at(tenant, account, asset, Some(Nanos(before)))?,
            None => Amount::ZERO,
        };
        let closing = store.balance_at(tenant, account, asset, Some(to))?;
        Ok(Balances { account, asset, opening, closing })
    };
    let accounts = accounts.into_iter().map(balances).collect::<Result<_, ReadStoreError>>()?;
    let from_id = Some(after.map_or(0, |after| after.saturating_add(1)));
    let window = Window { from_id, from_time: Some(from), to_time: Some(to) };
    let page = Page::of(store, tenant, at(store, tenant, place, asset, &window, limit)?, limit)?;
    Ok(Statement { accounts, page })
}
