//! Days: what there was, what moved, and what there is, each counted by itself.

use std::collections::BTreeMap;

use rialto_engine::ids::{AssetId, RailId, TenantId};
use rialto_engine::units::{Amount, Nanos};
use rialto_engine::wallet::{House, LedgerAccount};

use super::super::{ReadStore, ReadStoreError, rows};
use super::chunk_of;
use super::ledger::{balance_before, cut, entries_of};
use super::places::places_between;

/// What an account of the ledger is, whoever's it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccountKind {
    /// What users may spend.
    Available,
    /// What users hold for open orders.
    Held,
    /// What is to leave users.
    Outgoing,
    /// What has come in and is not the users' to spend.
    Incoming,
    /// What a rail owes the tenant.
    External(RailId),
    /// The tenant's own.
    House(House),
}

impl AccountKind {
    /// What an account is.
    #[must_use]
    pub const fn of(account: LedgerAccount) -> Self {
        match account {
            LedgerAccount::Available(_) => Self::Available,
            LedgerAccount::Held(_) => Self::Held,
            LedgerAccount::Outgoing(_) => Self::Outgoing,
            LedgerAccount::Incoming(_) => Self::Incoming,
            LedgerAccount::External(rail) => Self::External(rail),
            LedgerAccount::House(house) => Self::House(house),
        }
    }
}

/// All accounts of one kind and asset over a stretch of time, in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayTotal {
    /// Of what.
    pub asset: AssetId,
    /// Which accounts.
    pub kind: AccountKind,
    /// How many there are that anything has ever moved.
    pub accounts: u64,
    /// The sum of their balances at the beginning.
    pub opening: Amount,
    /// What left them.
    pub debits: Amount,
    /// What entered them.
    pub credits: Amount,
    /// How many times something left or entered.
    pub movements: u64,
    /// The sum of their balances at the end.
    pub closing: Amount,
}

impl DayTotal {
    /// Whether what moved leads from the balances of the beginning to those of the end.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        self.opening + self.credits - self.debits == self.closing
    }
}

impl ReadStore {
    /// What a tenant's accounts had at the beginning of a time, what moved up to the end of another,
    /// and what they have then, by asset and kind.
    ///
    /// The three are counted apart, from this store alone: balances from those that the last entry of
    /// each account left behind, movements from the entries between. So that each
    /// [`DayTotal::is_balanced`] is a proof, as is that the closings of an asset sum to zero. It looks
    /// at every account that the tenant has and every entry of the stretch: it is for a day's end, not
    /// for a page.
    ///
    /// # Errors
    /// `Storage` or `Damaged`.
    pub fn day_totals(&self, tenant: TenantId, from: Nanos, to: Nanos) -> Result<Vec<DayTotal>, ReadStoreError> {
        let view = self.read()?;
        let first = match from.0.checked_sub(1) {
            Some(before) => cut(&view, tenant, Some(Nanos(before)))?,
            None => 0,
        };
        let beyond = cut(&view, tenant, Some(to))?.max(first);
        let mut totals = BTreeMap::new();
        let owned = view.runs(rows::ACCOUNT_ENTRIES)?;
        let mut next = Some(0);
        while let Some(low) = next {
            let found = places_between(owned, tenant, low, u64::MAX, 1)?;
            let Some((place, account, asset)) = found.into_iter().next() else { break };
            let total = total_of(&mut totals, account, asset);
            total.accounts += 1;
            total.opening += balance_before(&view, tenant, account, asset, first)?;
            total.closing += balance_before(&view, tenant, account, asset, beyond)?;
            next = place.checked_add(1);
        }
        let table = view.entries()?;
        let key = |number| rows::entry_key(tenant, number);
        for chunk in table.range(key(chunk_of(table, key, first)?)..key(beyond))? {
            let (key, row) = chunk?;
            let within = |number: u64| (first..beyond).contains(&number);
            for entry in entries_of(&key.value(), row.value())?.iter().filter(|entry| within(entry.number)) {
                let from = total_of(&mut totals, entry.debit, entry.asset);
                from.debits += entry.amount;
                from.movements += 1;
                let to = total_of(&mut totals, entry.credit, entry.asset);
                to.credits += entry.amount;
                to.movements += 1;
            }
        }
        Ok(totals.into_values().collect())
    }
}

fn total_of(
    totals: &mut BTreeMap<(AssetId, AccountKind), DayTotal>,
    account: LedgerAccount,
    asset: AssetId,
) -> &mut DayTotal {
    let kind = AccountKind::of(account);
    let zero = Amount::ZERO;
    let (opening, debits, credits, closing) = (zero, zero, zero, zero);
    let empty = DayTotal { asset, kind, accounts: 0, opening, debits, credits, movements: 0, closing };
    totals.entry((asset, kind)).or_insert(empty)
}
