//! Entries and transactions on their way into the store.

use std::collections::HashMap;

use redb::{Table, WriteTransaction};
use rialto_engine::ids::{AccountId, CaseId, TenantId, TransactionId};
use rialto_engine::transaction::{Body, Case, TransactionEvent};
use rialto_engine::units::Nanos;
use rialto_engine::wallet::{Cause, Entry, LedgerAccount, WalletOutput};

use super::super::{Owner, ReadStoreError, rows};
use super::{Rows, bytes, keys, write_chunks};
use crate::chain::{Canonical, Chain, canonical};
use crate::read_store::rows::{EventPlace, NUMBERS_IN_CHUNK, TIMES_APART};

/// The head of the chain is stored behind every entry whose number is a multiple of this, and behind
/// the last one.
pub const HEADS_APART: u64 = 4_096;

/// The chains that wallets are in. The store keeps them between commits.
pub type CurrentChains = HashMap<TenantId, Chain>;

/// Entries, and what they are found by.
#[derive(Debug, Default)]
pub struct Entries {
    entries: Rows<12>,
    times: Vec<Nanos>,
    canonical: Vec<Canonical>,
    /// Tenant, time and number of those that are later than the one before.
    later: Vec<(TenantId, Nanos, u64)>,
    places: Vec<(TenantId, u64, u64)>,
    /// The same, packed when they are written.
    numbers: Rows<20>,
}

/// Events of transactions and cases, and what they are found by.
#[derive(Debug, Default)]
pub struct Transactions {
    events: Rows<12>,
    times: Vec<Nanos>,
    places: Rows<16>,
    ids: Vec<[u8; 20]>,
    entries: Rows<20>,
    accounts: Vec<[u8; 16]>,
    opened: Vec<(TenantId, Nanos, u64)>,
    /// How each transaction stands after each of its events, but for those that are final with the first.
    standings: Vec<((TenantId, TransactionId), Standing)>,
    cases: Vec<(TenantId, Case)>,
}

#[derive(Clone, Copy, Debug)]
struct Standing {
    is_new: bool,
    is_final: bool,
    is_stuck: bool,
}

impl Entries {
    pub fn add(&mut self, tenant: TenantId, entry: &Entry) {
        self.entries.push(rows::entry_key(tenant, entry.number), |row| rows::put_entry(row, entry));
        self.times.push(entry.time);
        self.canonical.push(canonical(entry));
        if self.later.last().is_none_or(|(last, time, _)| *last != tenant || *time < entry.time) {
            self.later.push((tenant, entry.time, entry.number));
        }
        for account in [entry.debit, entry.credit] {
            self.places.push((tenant, rows::place(account, entry.asset), entry.number));
        }
    }

    pub fn clear(&mut self) {
        self.entries.clear();
        self.times.clear();
        self.canonical.clear();
        self.later.clear();
        self.places.clear();
        self.numbers.clear();
    }

    pub fn write(&mut self, transaction: &WriteTransaction, chains: &mut CurrentChains) -> Result<(), ReadStoreError> {
        self.entries.sort();
        write_chunks(&mut transaction.open_table(rows::ENTRIES)?, &self.entries, &self.times)?;
        write_times(&mut transaction.open_table(rows::ENTRY_TIMES)?, &mut self.later, TIMES_APART)?;
        self.write_places(transaction)?;
        self.write_heads(transaction, chains)
    }

    fn write_places(&mut self, transaction: &WriteTransaction) -> Result<(), ReadStoreError> {
        self.numbers.clear();
        self.places.sort_unstable();
        self.places.dedup();
        let owned = self.places.chunk_by(|left, right| (left.0, left.1) == (right.0, right.1));
        for numbers in owned.flat_map(|owned| owned.chunks(NUMBERS_IN_CHUNK)) {
            let (tenant, place, first) = numbers[0];
            self.numbers.push(rows::place_key(tenant, place, first), |row| {
                for pair in numbers.windows(2) {
                    rows::put_next_number(row, pair[0].2, pair[1].2);
                }
            });
        }
        rows::ACCOUNT_ENTRIES.write(transaction, self.numbers.newest().map(bytes))
    }

    /// Goes on with the chain of each tenant, over the entries in the order of their numbers.
    fn write_heads(&self, transaction: &WriteTransaction, chains: &mut CurrentChains) -> Result<(), ReadStoreError> {
        let mut table = transaction.open_table(rows::HEADS)?;
        let entries = || self.entries.newest();
        let mut at: Option<(TenantId, Chain)> = None;
        for (index, key, _) in entries() {
            let (tenant, number) = (rows::tenant_of(key), rows::last_number(key));
            let (_, chain) = match &mut at {
                Some(at) if at.0 == tenant => at,
                _ => {
                    if let Some((tenant, chain)) = at {
                        table.insert(&rows::entry_key(tenant, chain.number), &chain.head)?;
                        chains.insert(tenant, chain);
                    }
                    let chain = match chains.get(&tenant) {
                        Some(chain) => *chain,
                        None => last_head(&table, tenant)?.unwrap_or_default(),
                    };
                    // The head behind the last entry was there for the next start only.
                    if chain.number % HEADS_APART != 0 {
                        table.remove(&rows::entry_key(tenant, chain.number))?;
                    }
                    at.insert((tenant, chain))
                }
            };
            // An entry that is told again is in the chain already.
            if number <= chain.number {
                continue;
            }
            chain.add_canonical(number, &self.canonical[index]);
            if number % HEADS_APART == 0 {
                table.insert(&rows::entry_key(tenant, number), &chain.head)?;
            }
        }
        if let Some((tenant, chain)) = at {
            table.insert(&rows::entry_key(tenant, chain.number), &chain.head)?;
            chains.insert(tenant, chain);
        }
        Ok(())
    }
}

/// The last head that is stored for a tenant.
fn last_head(
    table: &impl redb::ReadableTable<[u8; 12], [u8; 32]>,
    tenant: TenantId,
) -> Result<Option<Chain>, ReadStoreError> {
    let key = |number| rows::entry_key(tenant, number);
    let Some(last) = table.range(key(0)..=key(u64::MAX))?.next_back() else { return Ok(None) };
    let (key, head) = last?;
    Ok(Some(Chain { number: rows::last_number(&key.value()), head: head.value() }))
}

impl Transactions {
    /// Adds what a wallet did, beside its entries.
    pub fn add(&mut self, tenant: TenantId, output: &WalletOutput) {
        for (index, event) in output.events.iter().enumerate() {
            self.add_event(tenant, event);
            // What came with a command stands with its first event of the transaction.
            let id = event.transaction.number;
            let told = output.events[..index].iter().any(|before| before.transaction.number == id);
            let (first, entries) = if told { (0, 0) } else { entries_of(id, &output.entries) };
            let place = EventPlace { event: event.number, first, entries };
            let key = rows::transaction_event_key(tenant, id, event.sequence);
            self.places.push(key, |row| rows::put_event_place(row, &place));
        }
        for entry in &output.entries {
            let Cause::Transaction(id) = entry.cause else { continue };
            for account in [entry.debit, entry.credit] {
                if let Owner::User(user) = Owner::of(account) {
                    self.add_account(tenant, user, id);
                }
            }
            let (first, count) = match output.events.iter().any(|event| event.transaction.number == id) {
                true => entries_of(id, &output.entries),
                false => (0, 0),
            };
            if !(first..first + count).contains(&entry.number) {
                self.entries.push(rows::pair_key(tenant, id.0, entry.number), |_| {});
            }
        }
        self.cases.extend(output.cases.iter().map(|case| (tenant, *case)));
    }

    fn add_event(&mut self, tenant: TenantId, event: &TransactionEvent) {
        let it = &event.transaction;
        self.events.push(rows::entry_key(tenant, event.number), |row| rows::put_event(row, event));
        self.times.push(event.time);
        let is_new = event.sequence == 1;
        let standing = Standing { is_new, is_final: it.state.is_final(), is_stuck: it.is_stuck };
        // Most are done at once, and never open here.
        if !(is_new && standing.is_final) {
            self.standings.push(((tenant, it.number), standing));
        }
        if event.sequence == 1 {
            self.ids.push(rows::pair_key(tenant, rows::label_hash(&it.id), it.number.0));
            self.opened.push((tenant, it.opened, it.number.0));
            for user in it.body.iter().flat_map(users) {
                self.add_account(tenant, user, it.number);
            }
        }
    }

    /// A user of a transaction. Most are named again a moment later, by an entry.
    fn add_account(&mut self, tenant: TenantId, user: AccountId, transaction: TransactionId) {
        let key = rows::account_transaction_key(tenant, user, transaction);
        if !self.accounts.iter().rev().take(2).any(|told| *told == key) {
            self.accounts.push(key);
        }
    }

    pub fn clear(&mut self) {
        self.events.clear();
        self.times.clear();
        self.places.clear();
        self.ids.clear();
        self.entries.clear();
        self.accounts.clear();
        self.opened.clear();
        self.standings.clear();
        self.cases.clear();
    }

    pub fn write(&mut self, transaction: &WriteTransaction) -> Result<(), ReadStoreError> {
        self.events.sort();
        write_chunks(&mut transaction.open_table(rows::EVENTS)?, &self.events, &self.times)?;
        self.places.sort();
        rows::TRANSACTION_EVENTS.write(transaction, self.places.newest().map(bytes))?;
        rows::TRANSACTION_IDS.write(transaction, keys(&mut self.ids))?;
        self.entries.sort();
        rows::TRANSACTION_ENTRIES.write(transaction, self.entries.newest().map(bytes))?;
        rows::ACCOUNT_TRANSACTIONS.write(transaction, keys(&mut self.accounts))?;
        write_times(&mut transaction.open_table(rows::TRANSACTION_TIMES)?, &mut self.opened, TIMES_APART)?;
        self.write_standings(transaction)?;
        self.write_cases(transaction)
    }

    fn write_standings(&mut self, transaction: &WriteTransaction) -> Result<(), ReadStoreError> {
        let mut table = transaction.open_table(rows::OPEN_TRANSACTIONS)?;
        // Stable: the last one of each transaction counts.
        self.standings.sort_by_key(|(key, _)| *key);
        for standings in self.standings.chunk_by(|left, right| left.0 == right.0) {
            let ((tenant, transaction), standing) = standings[standings.len() - 1];
            let key = rows::entry_key(tenant, transaction.0);
            if !standing.is_final {
                table.insert(&key, standing.is_stuck)?;
            } else if !standings.iter().any(|(_, standing)| standing.is_new) {
                table.remove(&key)?;
            }
        }
        Ok(())
    }

    fn write_cases(&self, transaction: &WriteTransaction) -> Result<(), ReadStoreError> {
        let mut table = transaction.open_table(rows::CASES)?;
        let mut open = transaction.open_table(rows::OPEN_CASES)?;
        for (tenant, case) in &self.cases {
            let CaseId(number) = case.id;
            let key = rows::entry_key(*tenant, number);
            let mut row = Vec::with_capacity(96);
            rows::put_case(&mut row, case);
            table.insert(&key, row.as_slice())?;
            if case.closed.is_zero() {
                open.insert(&key, ())?;
            } else {
                open.remove(&key)?;
            }
        }
        Ok(())
    }
}

/// The first stretch of entries that a command posted for a transaction: the first one's number,
/// and how many there are.
fn entries_of(transaction: TransactionId, entries: &[Entry]) -> (u64, u64) {
    let caused = |entry: &&Entry| entry.cause == Cause::Transaction(transaction);
    let Some(begin) = entries.iter().position(|entry| caused(&entry)) else { return (0, 0) };
    (entries[begin].number, entries[begin..].iter().take_while(caused).count() as u64)
}

/// The users that a body names.
fn users(body: &Body) -> impl Iterator<Item = AccountId> {
    let of = |account: &LedgerAccount| match Owner::of(*account) {
        Owner::User(user) => Some(user),
        Owner::Rail(_) | Owner::House => None,
    };
    let named = match body {
        Body::Deposit { account, .. } | Body::Withdrawal { account, .. } | Body::Commission { agent: account, .. } => {
            [Some(*account), None]
        }
        Body::Transfer { from, to, .. } => [Some(*from), Some(*to)],
        Body::Payment { payer, merchant, .. } => [Some(*payer), Some(*merchant)],
        Body::Adjustment { from, to, .. } => [of(from), of(to)],
        Body::Refund { .. } | Body::ClawBack { .. } | Body::FeeShare { .. } => [None, None],
    };
    named.into_iter().flatten()
}

/// Remembers of things that are numbered as they come when some of them came: of each that is later
/// than all before it, and at least `apart` later than the last one that was remembered.
pub fn write_times(
    table: &mut Table<'_, [u8; 12], u64>,
    times: &mut [(TenantId, Nanos, u64)],
    apart: u64,
) -> Result<(), ReadStoreError> {
    times.sort_unstable_by_key(|(tenant, _, number)| (*tenant, *number));
    for times in times.chunk_by(|left, right| left.0 == right.0) {
        let key = |time| rows::entry_key(times[0].0, time);
        let last = redb::ReadableTable::range(table, key(0)..=key(u64::MAX))?.next_back().transpose()?;
        let mut next = last.map_or(0, |(key, _)| rows::last_number(&key.value()).saturating_add(apart));
        for (_, time, number) in times {
            if time.0 >= next {
                table.insert(&key(time.0), number)?;
                next = time.0.saturating_add(apart);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rialto_engine::ids::AssetId;
    use rialto_engine::units::Amount;

    use super::*;

    #[test]
    fn the_entries_of_a_command_are_those_of_the_transaction_alone() {
        let entry = |number, cause| Entry {
            number,
            time: Nanos(1),
            asset: AssetId(0),
            debit: LedgerAccount::Available(AccountId(1)),
            credit: LedgerAccount::Available(AccountId(2)),
            amount: Amount(1),
            debit_after: Amount(0),
            credit_after: Amount(1),
            cause,
        };
        let of = |id| Cause::Transaction(TransactionId(id));
        let entries = [entry(4, of(1)), entry(5, of(2)), entry(6, of(2)), entry(7, Cause::Case(CaseId(2)))];
        assert_eq!(entries_of(TransactionId(1), &entries), (4, 1));
        assert_eq!(entries_of(TransactionId(2), &entries), (5, 2));
        assert_eq!(entries_of(TransactionId(3), &entries), (0, 0));
    }
}
