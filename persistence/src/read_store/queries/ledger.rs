//! Entries, movements and balances.
//!
//! An entry belongs to the moment at which it was posted. That is its time, or that of an earlier
//! entry which is later: what a book answers is posted with the time of the order, when the wallet
//! may have taken younger commands already. So every time cuts the entries in two by their numbers,
//! the balances at a time are those behind the last entry before the cut, and what lies between two
//! cuts leads from the balances of the first to those of the second.

use redb::ReadTransaction;
use rialto_engine::ids::{AccountId, AssetId, TenantId};
use rialto_engine::units::{Amount, Nanos};
use rialto_engine::wallet::{Balance, Entry, LedgerAccount};

use super::super::runs::{Direction, Runs};
use super::super::{Owner, ReadStore, ReadStoreError, Window, rows};
use super::{Span, chunk_of};
use crate::chain::Chain;

impl ReadStore {
    /// An entry by its number.
    ///
    /// # Errors
    /// `Storage` or `Damaged`, like every query.
    pub fn entry(&self, tenant: TenantId, number: u64) -> Result<Option<Entry>, ReadStoreError> {
        Ok(all_entries(&self.read()?, tenant, Some(number), 1)?.pop().filter(|entry| entry.number == number))
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
        let mut entries = all_entries(&self.read()?, tenant, from, limit)?;
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
        let transaction = self.read()?;
        let Some(span) = entry_span(&transaction, tenant, window)? else { return Ok(Vec::new()) };
        let owned = rows::ACCOUNT_ENTRIES.read(&transaction)?;
        let (first, last) = rows::places(owner);
        let mut places = places_between(&owned, tenant, first, last, usize::MAX)?;
        places.retain(|(_, account, of)| Owner::of(*account) == owner && asset.is_none_or(|asset| asset == *of));
        let places: Vec<u64> = places.iter().map(|(place, ..)| *place).collect();
        entries_at_places(&transaction, &owned, tenant, &places, span, limit)
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
        let transaction = self.read()?;
        let Some(span) = entry_span(&transaction, tenant, window)? else { return Ok(Vec::new()) };
        let owned = rows::ACCOUNT_ENTRIES.read(&transaction)?;
        entries_at_places(&transaction, &owned, tenant, &[rows::place(account, asset)], span, limit)
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
        let transaction = self.read()?;
        let owned = rows::ACCOUNT_ENTRIES.read(&transaction)?;
        let cut = cut(&transaction, tenant, time)?;
        balance_before(&transaction, &owned, tenant, account, asset, cut)
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
        let transaction = self.read()?;
        let owned = rows::ACCOUNT_ENTRIES.read(&transaction)?;
        let cut = cut(&transaction, tenant, time)?;
        let of = |account| balance_before(&transaction, &owned, tenant, account, asset, cut);
        Ok(Balance {
            available: of(LedgerAccount::Available(account))?,
            held: of(LedgerAccount::Held(account))?,
            outgoing: of(LedgerAccount::Outgoing(account))?,
            incoming: of(LedgerAccount::Incoming(account))?,
        })
    }

    /// The accounts of an owner that anything has moved, with their assets, by asset.
    ///
    /// # Errors
    /// `Storage` or `Damaged`.
    pub fn accounts_of(&self, tenant: TenantId, owner: Owner) -> Result<Vec<(LedgerAccount, AssetId)>, ReadStoreError> {
        let owned = rows::ACCOUNT_ENTRIES.read(&self.read()?)?;
        let (first, last) = rows::places(owner);
        let places = places_between(&owned, tenant, first, last, usize::MAX)?;
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
        let owned = rows::ACCOUNT_ENTRIES.read(&self.read()?)?;
        let first = behind.map_or(0, |(account, asset)| rows::place(account, asset) + 1);
        let places = places_between(&owned, tenant, first, u64::MAX, limit)?;
        Ok(places.into_iter().map(|(_, account, asset)| (account, asset)).collect())
    }

    /// The heads of the chain over a wallet's entries that were stored with them, by number of the
    /// entry they are behind: one for every [`super::super::HEADS_APART`] entries, and the last one.
    ///
    /// # Errors
    /// `Storage`.
    pub fn heads(&self, tenant: TenantId) -> Result<Vec<Chain>, ReadStoreError> {
        let table = self.read()?.open_table(rows::HEADS)?;
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
        cut(&self.read()?, tenant, Some(time))
    }
}

/// The number of the first entry that was posted after a time, or one above all. Without a time, it
/// is above all that could be.
pub fn cut(transaction: &ReadTransaction, tenant: TenantId, time: Option<Nanos>) -> Result<u64, ReadStoreError> {
    let Some(time) = time else { return Ok(u64::MAX) };
    let times = transaction.open_table(rows::ENTRY_TIMES)?;
    let key = |number| rows::entry_key(tenant, number);
    let after = match time.0.checked_add(1) {
        Some(next) => times.range(key(next)..=key(u64::MAX))?.next().transpose()?.map(|(_, number)| number.value()),
        None => None,
    };
    let Some(near) = times.range(key(0)..=key(time.0))?.next_back() else { return Ok(after.unwrap_or(0)) };
    let near = near?.1.value();
    let entries = transaction.open_table(rows::ENTRIES)?;
    let (first, mut last) = (chunk_of(&entries, key, near)?, near);
    for chunk in entries.range(key(first)..key(after.unwrap_or(u64::MAX)))? {
        let (key, row) = chunk?;
        for entry in entries_of(&key.value(), row.value())? {
            if entry.number >= near && entry.time > time {
                return Ok(entry.number);
            }
            last = entry.number;
        }
    }
    Ok(after.unwrap_or(last + 1))
}

/// The entry numbers of a window, or `None` if it is empty.
fn entry_span(
    transaction: &ReadTransaction,
    tenant: TenantId,
    window: &Window<u64>,
) -> Result<Option<Span>, ReadStoreError> {
    let mut span = Span { first: window.from_id.unwrap_or(0), last: u64::MAX, direction: window.direction() };
    if let Some(before) = window.from_time.and_then(|from| from.0.checked_sub(1)) {
        span.first = span.first.max(cut(transaction, tenant, Some(Nanos(before)))?);
    }
    if let Some(to) = window.to_time {
        let Some(last) = cut(transaction, tenant, Some(to))?.checked_sub(1) else { return Ok(None) };
        span.last = last;
    }
    Ok((span.first <= span.last).then_some(span))
}

/// The places between two that anything has moved, both inclusive. It leaps from one to the next,
/// however many entries they have.
pub fn places_between(
    owned: &Runs,
    tenant: TenantId,
    first: u64,
    last: u64,
    limit: usize,
) -> Result<Vec<(u64, LedgerAccount, AssetId)>, ReadStoreError> {
    let high = rows::place_key(tenant, last, u64::MAX);
    let (mut places, mut next) = (Vec::new(), Some(first));
    while let Some(low) = next.filter(|low| *low <= last && places.len() < limit) {
        let mut scan = owned.scan(&rows::place_key(tenant, low, 0), &high, Direction::Ascending)?;
        let Some(place) = scan.next(|key, _| rows::place_of(key))? else { break };
        let (account, asset) = rows::at_place(place).ok_or(ReadStoreError::Damaged("account_entries"))?;
        places.push((place, account, asset));
        next = place.checked_add(1);
    }
    Ok(places)
}

/// The entries of some places within a span, up to a limit from the end where it begins; ascending.
fn entries_at_places(
    transaction: &ReadTransaction,
    owned: &Runs,
    tenant: TenantId,
    places: &[u64],
    span: Span,
    limit: usize,
) -> Result<Vec<Entry>, ReadStoreError> {
    let mut numbers = Vec::new();
    for place in places {
        numbers_at_place(owned, tenant, *place, span, limit, &mut numbers)?;
    }
    // An entry may touch two of the places.
    numbers.sort_unstable();
    numbers.dedup();
    match span.direction {
        Direction::Ascending => numbers.truncate(limit),
        Direction::Descending => drop(numbers.drain(..numbers.len().saturating_sub(limit))),
    }
    entries_at(transaction, tenant, &numbers)
}

fn numbers_at_place(
    owned: &Runs,
    tenant: TenantId,
    place: u64,
    span: Span,
    limit: usize,
    numbers: &mut Vec<u64>,
) -> Result<(), ReadStoreError> {
    let key = |number| rows::place_key(tenant, place, number);
    // Of the numbers that come packed with a smaller one, some may be asked for.
    let mut before = owned.scan(&key(0), &key(span.first), Direction::Descending)?;
    let first = before.next(|key, _| Some(rows::last_number(key)))?.unwrap_or(span.first);
    let mut packed = owned.scan(&key(first), &key(span.last), span.direction)?;
    let mut found = 0;
    while found < limit {
        let Some(mut next) = packed.next(rows::numbers)? else { break };
        next.retain(|number| (span.first..=span.last).contains(number));
        found += next.len();
        numbers.append(&mut next);
    }
    Ok(())
}

/// The balance of an account behind the last entry before a number.
pub fn balance_before(
    transaction: &ReadTransaction,
    owned: &Runs,
    tenant: TenantId,
    account: LedgerAccount,
    asset: AssetId,
    number: u64,
) -> Result<Amount, ReadStoreError> {
    let Some(last) = number.checked_sub(1) else { return Ok(Amount::ZERO) };
    let key = |number| rows::place_key(tenant, rows::place(account, asset), number);
    let mut packed = owned.scan(&key(0), &key(last), Direction::Descending)?;
    let Some(numbers) = packed.next(rows::numbers)? else { return Ok(Amount::ZERO) };
    let damaged = || ReadStoreError::Damaged("account_entries");
    let number = numbers.into_iter().rev().find(|number| *number <= last).ok_or_else(damaged)?;
    let entry = entries_at(transaction, tenant, &[number])?.pop().ok_or_else(damaged)?;
    if entry.asset == asset && entry.credit == account {
        Ok(entry.credit_after)
    } else if entry.asset == asset && entry.debit == account {
        Ok(entry.debit_after)
    } else {
        Err(damaged())
    }
}

pub fn entries_of(key: &[u8], row: &[u8]) -> Result<Vec<Entry>, ReadStoreError> {
    rows::entries(key, row).ok_or(ReadStoreError::Damaged("entries"))
}

/// Entries from a number on, ascending, or the latest, descending.
fn all_entries(
    transaction: &ReadTransaction,
    tenant: TenantId,
    from: Option<u64>,
    limit: usize,
) -> Result<Vec<Entry>, ReadStoreError> {
    let table = transaction.open_table(rows::ENTRIES)?;
    let key = |number| rows::entry_key(tenant, number);
    let first = chunk_of(&table, key, from.unwrap_or(0))?;
    let mut chunks = table.range(key(first)..=key(u64::MAX))?;
    let mut entries = Vec::new();
    while entries.len() < limit {
        let Some(chunk) = (if from.is_some() { chunks.next() } else { chunks.next_back() }) else { break };
        let (key, row) = chunk?;
        let mut chunk = entries_of(&key.value(), row.value())?;
        if from.is_none() {
            chunk.reverse();
        }
        entries.extend(chunk.into_iter().filter(|entry| entry.number >= from.unwrap_or(0)));
    }
    entries.truncate(limit);
    Ok(entries)
}

/// The entries of these numbers, which ascend and are all there.
pub fn entries_at(
    transaction: &ReadTransaction,
    tenant: TenantId,
    numbers: &[u64],
) -> Result<Vec<Entry>, ReadStoreError> {
    let table = transaction.open_table(rows::ENTRIES)?;
    let mut chunk: Vec<Entry> = Vec::new();
    let mut entries = Vec::with_capacity(numbers.len());
    for number in numbers {
        let find = |chunk: &[Entry]| {
            let at = chunk.binary_search_by_key(number, |entry| entry.number);
            at.ok().and_then(|at| chunk.get(at).copied())
        };
        if find(&chunk).is_none() {
            let key = rows::entry_key(tenant, chunk_of(&table, |number| rows::entry_key(tenant, number), *number)?);
            let row = table.get(&key)?.ok_or(ReadStoreError::Damaged("entries"))?;
            chunk = entries_of(&key, row.value())?;
        }
        entries.push(find(&chunk).ok_or(ReadStoreError::Damaged("entries"))?);
    }
    Ok(entries)
}
