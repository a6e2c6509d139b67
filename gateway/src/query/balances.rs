//! Balances at a time: `GET balances`.

use std::collections::BTreeMap;
use std::sync::Arc;

use rialto_engine::ids::{AccountId, AssetId, TenantId};
use rialto_engine::units::{Amount, Nanos};
use rialto_engine::wallet::{Balance, LedgerAccount};
use rialto_persistence::read_store::{Owner, ReadStore, ReadStoreError};

use super::names::Names;
use super::{AccountingCall, Place, begin};
use crate::error::ApiError;
use crate::json;
use crate::payments::view::{View, key, word};
use crate::reconcile::ledger::AccountKind;

/// Accounts that are read at once.
const ACCOUNTS_AT_ONCE: usize = 1_000;
/// How old the sums of everybody are at least. What the books settle is posted with the time of the
/// order: only what is older than any answer under way stands for good, and sums to zero.
const SETTLED_AFTER: Nanos = Nanos(10_000_000_000);

/// The last moment of which the sums of everybody stand for good.
pub fn settled() -> Nanos {
    Nanos(rialto_actors::clock::wall().0.saturating_sub(SETTLED_AFTER.0))
}

/// What an account held of an asset.
pub type Stood = ((LedgerAccount, AssetId), Amount);

impl AccountingCall<'_> {
    /// `GET balances`: of a user, of an account, or in sum of each kind of accounts; now, or at a time.
    pub(super) async fn balances(&self) -> Result<Vec<u8>, ApiError> {
        self.params.only(&["user", "account", "asset", "time"])?;
        // What is yet to come is not known: the answer says of which moment it is.
        let now = rialto_actors::clock::wall();
        let (tenant, asset, time) = (self.tenant(), self.asset()?, self.time("time")?.map(|time| time.min(now)));
        match self.place()? {
            Some(Place::Owner(Owner::User(user))) => {
                let read = move |store: &ReadStore| of_user(store, tenant, user, asset, time);
                let write = move |view: &View<'_>, position, balances: Vec<_>| {
                    Ok(write(view, position, time, |out| write_of_user(out, view, &balances)))
                };
                self.tell(read, write).await
            }
            Some(place) => {
                let read = move |store: &ReadStore| {
                    let balances = of_place(store, tenant, place, asset, time)?.into_iter();
                    Ok(balances.map(|((account, asset), balance)| (AccountKind::of(account), asset, balance)).collect())
                };
                self.tell_kinds(time, read).await
            }
            None => {
                let time = time.map_or(settled(), |time| time.min(settled()));
                let read = move |store: &ReadStore| {
                    let sums = sums(store, tenant, asset, time)?.into_iter();
                    Ok(sums.map(|((asset, kind), sum)| (kind, asset, sum)).collect())
                };
                self.tell_kinds(Some(time), read).await
            }
        }
    }

    async fn tell_kinds(
        &self,
        time: Option<Nanos>,
        read: impl FnOnce(&ReadStore) -> Result<Vec<(AccountKind, AssetId, Amount)>, ReadStoreError> + Send + 'static,
    ) -> Result<Vec<u8>, ApiError> {
        let names = Names::Live(Arc::clone(self.gateway()), self.tenant());
        let write = move |view: &View<'_>, position, rows: Vec<_>| {
            Ok(write(view, position, time, |out| write_kinds(out, view, &names, &rows)))
        };
        self.tell(read, write).await
    }
}

fn write(view: &View<'_>, position: u64, time: Option<Nanos>, rows: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = begin(position);
    view.time(&mut out, "time", time.unwrap_or(Nanos::ZERO));
    key(&mut out, "balances");
    rows(&mut out);
    out.push(b'}');
    out
}

fn write_kinds(out: &mut Vec<u8>, view: &View<'_>, names: &Names, rows: &[(AccountKind, AssetId, Amount)]) {
    json::array(out, rows, |out, (kind, asset, balance)| {
        out.extend_from_slice(b"{\"kind\":");
        json::string(out, &names.kind(*kind));
        word(out, "asset", names.asset(*asset).0);
        view.amount(out, "balance", Some(*asset), *balance);
        out.push(b'}');
    });
}

/// Appends the balances of a user.
pub fn write_of_user(out: &mut Vec<u8>, view: &View<'_>, balances: &[(AssetId, Balance)]) {
    json::array(out, balances, |out, (asset, balance)| {
        out.extend_from_slice(b"{\"asset\":");
        view.gateway.asset_name(out, view.tenant, *asset);
        let kinds = [
            ("available", balance.available),
            ("held", balance.held),
            ("outgoing", balance.outgoing),
            ("incoming", balance.incoming),
            ("total", balance.total()),
        ];
        for (name, amount) in kinds {
            view.amount(out, name, Some(*asset), amount);
        }
        out.push(b'}');
    });
}

/// The balances of a user in every asset that he has ever had, or in one.
///
/// # Errors
/// What the read store says.
pub fn of_user(
    store: &ReadStore,
    tenant: TenantId,
    user: AccountId,
    asset: Option<AssetId>,
    time: Option<Nanos>,
) -> Result<Vec<(AssetId, Balance)>, ReadStoreError> {
    let mut assets: Vec<AssetId> = match asset {
        Some(asset) => vec![asset],
        None => store.accounts_of(tenant, Owner::User(user))?.into_iter().map(|(_, asset)| asset).collect(),
    };
    assets.sort_unstable();
    assets.dedup();
    assets.into_iter().map(|asset| Ok((asset, store.balances_at(tenant, user, asset, time)?))).collect()
}

/// The balances of the accounts of a place.
///
/// # Errors
/// What the read store says.
pub fn of_place(
    store: &ReadStore,
    tenant: TenantId,
    place: Place,
    asset: Option<AssetId>,
    time: Option<Nanos>,
) -> Result<Vec<Stood>, ReadStoreError> {
    let mut accounts = store.accounts_of(tenant, place.owner())?;
    accounts.retain(|(account, of)| place.contains(*account) && asset.is_none_or(|asset| asset == *of));
    let balance = |(account, of)| Ok(((account, of), store.balance_at(tenant, account, of, time)?));
    accounts.into_iter().map(balance).collect()
}

/// What all accounts of each kind hold in sum at the end of a time.
fn sums(
    store: &ReadStore,
    tenant: TenantId,
    asset: Option<AssetId>,
    time: Nanos,
) -> Result<BTreeMap<(AssetId, AccountKind), Amount>, ReadStoreError> {
    let mut sums: BTreeMap<(AssetId, AccountKind), Amount> = BTreeMap::new();
    each_account(store, tenant, |account, of| {
        if asset.is_none_or(|asset| asset == of) {
            *sums.entry((of, AccountKind::of(account))).or_default() +=
                store.balance_at(tenant, account, of, Some(time))?;
        }
        Ok::<(), ReadStoreError>(())
    })?;
    Ok(sums)
}

/// Goes through all accounts that anything has moved.
///
/// # Errors
/// What the read store says, or `take`.
pub fn each_account<Error: From<ReadStoreError>>(
    store: &ReadStore,
    tenant: TenantId,
    mut take: impl FnMut(LedgerAccount, AssetId) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut behind = None;
    loop {
        let accounts = store.ledger_accounts(tenant, behind, ACCOUNTS_AT_ONCE)?;
        let Some(last) = accounts.last() else { return Ok(()) };
        behind = Some(*last);
        for (account, asset) in accounts {
            take(account, asset)?;
        }
    }
}
