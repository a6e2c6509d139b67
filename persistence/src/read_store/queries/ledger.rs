//! Entries, movements and balances.
//!
//! An entry belongs to the moment at which it was posted. That is its time, or that of an earlier
//! entry which is later: what a book answers is posted with the time of the order, when the wallet
//! may have taken younger commands already. So every time cuts the entries in two by their numbers,
//! the balances at a time are those behind the last entry before the cut, and what lies between two
//! cuts leads from the balances of the first to those of the second.

use std::ops::Bound;

use redb::ReadableTable;
use rialto_engine::ids::{AccountId, AssetId, TenantId};
use rialto_engine::units::{Amount, Nanos};
use rialto_engine::wallet::{Balance, Entry, LedgerAccount};

use super::super::runs::Direction;
use super::super::view::View;
use super::super::{Owner, ReadStore, ReadStoreError, Window, rows};
use super::chunks::entries_at;
use super::places::{Wanted, places_between};
use super::{Span, chunk_of};
use crate::chain::Chain;

impl ReadStore {
    /// An entry by its number.
    ///
    /// # Errors
    /// `Storage` or `Damaged`, like every query.
    pub fn entry(&self, tenant: TenantId, number: u64) -> Result<Option<Entry>, ReadStoreError> {
        Ok(all_entries(self.read()?.as_ref(), tenant, Some(number), 1)?.pop().filter(|entry| entry.number == number))
    }

    /// Entries of a tenant's wallet, or those that touch a user, from a number on or the latest;
    /// ascending.
    ///
    /// # Errors
    /// `Storage` or `Damaged`.
    pub fn entries(
        &self,
        tenant: TenantId,
        account: Option<AccountId>,
        from: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Entry>, ReadStoreError> {
        if let Some(account) = account {
            let window = Window { from_id: from, ..Window::default() };
            return self.movements(tenant, Owner::User(account), None, &window, limit);
        }
        let mut entries = all_entries(self.read()?.as_ref(), tenant, from, limit)?;
        if from.is_none() {
            entries.reverse();
        }
        Ok(entries)
    }

    /// The entries that touch an owner's accounts, of one asset or of all. The window's numbers are
    /// those of entries, and its times are of their posting.
    ///
    /// # Errors
    /// `Storage` or `Damaged`.
    pub fn movements(
        &self,
        tenant: TenantId,
        owner: Owner,
        asset: Option<AssetId>,
        window: &Window<u64>,
        limit: usize,
    ) -> Result<Vec<Entry>, ReadStoreError> {
        let view = self.read()?;
        let Some(span) = entry_span(&view, tenant, window)? else { return Ok(Vec::new()) };
        let owned = view.runs(rows::ACCOUNT_ENTRIES)?;
        let places = asset.map_or(rows::places(owner), |asset| rows::places_of_asset(owner, asset));
        let numbers = Wanted { owned, tenant, owner, places, span, limit }.numbers()?;
        entries_at(&view, tenant, &numbers)
    }

    /// The entries that touch one account of the ledger.
    ///
    /// # Errors
    /// `Storage` or `Damaged`.
    pub fn account_movements(
        &self,
        tenant: TenantId,
        account: LedgerAccount,
        asset: AssetId,
        window: &Window<u64>,
        limit: usize,
    ) -> Result<Vec<Entry>, ReadStoreError> {
        let view = self.read()?;
        let Some(span) = entry_span(&view, tenant, window)? else { return Ok(Vec::new()) };
        let owned = view.runs(rows::ACCOUNT_ENTRIES)?;
        let (owner, place) = (Owner::of(account), rows::place(account, asset));
        let numbers = Wanted { owned, tenant, owner, places: (place, place), span, limit }.numbers()?;
        entries_at(&view, tenant, &numbers)
    }

    /// The balance of an account of the ledger at the end of a time, or now. One that nothing has
    /// moved yet is zero.
    ///
    /// # Errors
    /// `Storage` or `Damaged`.
    pub fn balance_at(
        &self,
        tenant: TenantId,
        account: LedgerAccount,
        asset: AssetId,
        time: Option<Nanos>,
    ) -> Result<Amount, ReadStoreError> {
        let view = self.read()?;
        let cut = cut(&view, tenant, time)?;
        balance_before(&view, tenant, account, asset, cut)
    }

    /// A user's four balances of an asset at the end of a time, or now: all behind the same entry.
    ///
    /// # Errors
    /// `Storage` or `Damaged`.
    pub fn balances_at(
        &self,
        tenant: TenantId,
        account: AccountId,
        asset: AssetId,
        time: Option<Nanos>,
    ) -> Result<Balance, ReadStoreError> {
        let view = self.read()?;
        let cut = cut(&view, tenant, time)?;
        let accounts = [
            LedgerAccount::Available(account),
            LedgerAccount::Held(account),
            LedgerAccount::Outgoing(account),
            LedgerAccount::Incoming(account),
        ];
        let [available, held, outgoing, incoming] = balances_before(&view, tenant, accounts, asset, cut)?;
        Ok(Balance { available, held, outgoing, incoming })
    }

    /// The accounts of an owner that anything has moved, with their assets, by asset.
    ///
    /// # Errors
    /// `Storage` or `Damaged`.
    pub fn accounts_of(&self, tenant: TenantId, owner: Owner) -> Result<Vec<(LedgerAccount, AssetId)>, ReadStoreError> {
        let view = self.read()?;
        let owned = view.runs(rows::ACCOUNT_ENTRIES)?;
        let (first, last) = rows::places(owner);
        let places = places_between(owned, tenant, first, last, usize::MAX)?;
        Ok(places.into_iter().map(|(_, account, asset)| (account, asset)).collect())
    }

    /// All accounts of the ledger that anything has moved, with their assets: users, then rails, then
    /// the house. Paged: behind the last one of the page before.
    ///
    /// # Errors
    /// `Storage` or `Damaged`.
    pub fn ledger_accounts(
        &self,
        tenant: TenantId,
        behind: Option<(LedgerAccount, AssetId)>,
        limit: usize,
    ) -> Result<Vec<(LedgerAccount, AssetId)>, ReadStoreError> {
        let view = self.read()?;
        let owned = view.runs(rows::ACCOUNT_ENTRIES)?;
        let first = behind.map_or(0, |(account, asset)| rows::place(account, asset) + 1);
        let places = places_between(owned, tenant, first, u64::MAX, limit)?;
        Ok(places.into_iter().map(|(_, account, asset)| (account, asset)).collect())
    }

    /// The heads of the chain over a wallet's entries that were stored with them, by number of the
    /// entry they are behind: one for every [`super::super::HEADS_APART`] entries, and the last one.
    ///
    /// # Errors
    /// `Storage`.
    pub fn heads(&self, tenant: TenantId) -> Result<Vec<Chain>, ReadStoreError> {
        let table = self.read()?.transaction().open_table(rows::HEADS)?;
        let mut heads = Vec::new();
        for row in table.range(rows::entry_key(tenant, 0)..=rows::entry_key(tenant, u64::MAX))? {
            let (key, head) = row?;
            heads.push(Chain { number: rows::last_number(&key.value()), head: head.value() });
        }
        Ok(heads)
    }

    /// The number of the first entry posted after a time, or one above all.
    ///
    /// # Errors
    /// `Storage` or `Damaged`.
    pub fn first_entry_after(&self, tenant: TenantId, time: Nanos) -> Result<u64, ReadStoreError> {
        cut(self.read()?.as_ref(), tenant, Some(time))
    }
}

/// The number of the first entry that was posted after a time, or one above all. Without a time, it
/// is above all that could be.
pub fn cut(view: &View, tenant: TenantId, time: Option<Nanos>) -> Result<u64, ReadStoreError> {
    let Some(time) = time else { return Ok(u64::MAX) };
    let damaged = || ReadStoreError::Damaged("entries");
    let key = |number| rows::entry_key(tenant, number);
    // Around the end of the time, of which the one before it is near.
    let mut times = view.entry_times()?.upper_bound(Bound::Included(&key(time.0)))?;
    let of_tenant = |found: &[u8; 12]| rows::tenant_of(found) == tenant;
    let after = times.peek_next()?.filter(|(found, _)| of_tenant(&found.value())).map(|(_, number)| number.value());
    let near = times.peek_prev()?.filter(|(found, _)| of_tenant(&found.value())).map(|(_, number)| number.value());
    let Some(near) = near else { return Ok(after.unwrap_or(0)) };
    let entries = view.entries()?;
    let (first, mut last) = (chunk_of(entries, key, near)?, near);
    for found in entries.range(key(first)..key(after.unwrap_or(u64::MAX)))? {
        let (key, row) = found?;
        let mut chunk = rows::EntryChunk::new(&key.value(), row.value());
        while let Some((number, posted)) = chunk.begin().ok_or_else(damaged)? {
            if number >= near && posted > time {
                return Ok(number);
            }
            last = number;
            chunk.skip().ok_or_else(damaged)?;
        }
    }
    Ok(after.unwrap_or(last + 1))
}

/// The entry numbers of a window, or `None` if it is empty.
fn entry_span(view: &View, tenant: TenantId, window: &Window<u64>) -> Result<Option<Span>, ReadStoreError> {
    let mut span = Span { first: window.from_id.unwrap_or(0), last: u64::MAX, direction: window.direction() };
    if let Some(before) = window.from_time.and_then(|from| from.0.checked_sub(1)) {
        span.first = span.first.max(cut(view, tenant, Some(Nanos(before)))?);
    }
    if let Some(to) = window.to_time {
        let Some(last) = cut(view, tenant, Some(to))?.checked_sub(1) else { return Ok(None) };
        span.last = last;
    }
    Ok((span.first <= span.last).then_some(span))
}

/// The balance of an account behind the last entry before a number.
pub fn balance_before(
    view: &View,
    tenant: TenantId,
    account: LedgerAccount,
    asset: AssetId,
    number: u64,
) -> Result<Amount, ReadStoreError> {
    let [balance] = balances_before(view, tenant, [account], asset, number)?;
    Ok(balance)
}

/// The same of several accounts of one owner, in the order of their places.
fn balances_before<const COUNT: usize>(
    view: &View,
    tenant: TenantId,
    accounts: [LedgerAccount; COUNT],
    asset: AssetId,
    number: u64,
) -> Result<[Amount; COUNT], ReadStoreError> {
    let mut balances = [Amount::ZERO; COUNT];
    let Some(last) = number.checked_sub(1) else { return Ok(balances) };
    let damaged = || ReadStoreError::Damaged("account_entries");
    let places = accounts.map(|account| rows::place(account, asset));
    let (Some(lowest), Some(highest)) = (places.first(), places.last()) else { return Ok(balances) };
    let key = |place, number| rows::place_key(tenant, place, number);
    let owned = view.runs(rows::ACCOUNT_ENTRIES)?;
    let mut scan = owned.scan(&key(*lowest, 0), &key(*highest, last), Direction::Descending)?;
    let mut found = Vec::with_capacity(COUNT);
    let mut packed = Vec::new();
    for (index, place) in places.iter().enumerate().rev() {
        scan.leap(&key(*place, last))?;
        packed.clear();
        let at = scan.head(|key, row| {
            rows::numbers(key, row, &mut packed)?;
            rows::place_of(key)
        })?;
        if at == Some(*place) {
            let number = packed.iter().rev().find(|number| **number <= last).ok_or_else(damaged)?;
            found.push((*number, index));
        }
    }
    found.sort_unstable();
    let mut numbers: Vec<u64> = found.iter().map(|(number, _)| *number).collect();
    // An entry may have moved two of them.
    numbers.dedup();
    let entries = entries_at(view, tenant, &numbers)?;
    for (number, index) in found {
        let entry = entries.iter().find(|entry| entry.number == number && entry.asset == asset);
        balances[index] = match entry.ok_or_else(damaged)? {
            entry if entry.credit == accounts[index] => entry.credit_after,
            entry if entry.debit == accounts[index] => entry.debit_after,
            _ => return Err(damaged()),
        };
    }
    Ok(balances)
}

pub fn entries_of(key: &[u8], row: &[u8]) -> Result<Vec<Entry>, ReadStoreError> {
    rows::entries(key, row).ok_or(ReadStoreError::Damaged("entries"))
}

/// Entries from a number on, ascending, or the latest, descending.
fn all_entries(view: &View, tenant: TenantId, from: Option<u64>, limit: usize) -> Result<Vec<Entry>, ReadStoreError> {
    let table = view.entries()?;
    let key = |number| rows::entry_key(tenant, number);
    let first = chunk_of(table, key, from.unwrap_or(0))?;
    let mut chunks = table.range(key(first)..=key(u64::MAX))?;
    let mut entries = Vec::new();
    while entries.len() < limit {
        let Some(found) = (if from.is_some() { chunks.next() } else { chunks.next_back() }) else { break };
        let (key, row) = found?;
        let Some(from) = from else {
            entries.extend(entries_of(&key.value(), row.value())?.into_iter().rev());
            continue;
        };
        let damaged = || ReadStoreError::Damaged("entries");
        let mut chunk = rows::EntryChunk::new(&key.value(), row.value());
        while entries.len() < limit
            && let Some((number, _)) = chunk.begin().ok_or_else(damaged)?
        {
            if number < from {
                chunk.skip().ok_or_else(damaged)?;
            } else {
                entries.push(chunk.read().ok_or_else(damaged)?);
            }
        }
    }
    entries.truncate(limit);
    Ok(entries)
}
