//! Accounts and the only function that moves money between them.

use crate::digest::Digest;
use crate::ids::{AccountId, AssetId, MarketId, OrderId, TradeId};
use crate::units::{Amount, Nanos};

/// An account of the ledger, within one tenant and asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LedgerAccount {
    /// A user's spendable money.
    Available(AccountId),
    /// A user's money held for open orders.
    Held(AccountId),
    /// The tenant's own.
    House(House),
}

/// The tenant's own accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum House {
    /// What the outside world owes the tenant: negative by as much as came in.
    External,
    /// Fees earned.
    Fee,
    /// The fractions of minor units between what buyers pay and sellers get; never negative.
    Rounding,
}

impl House {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::External, Self::Fee, Self::Rounding];
}

/// Why money moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A deposit, by its number.
    Deposit(u64),
    /// Funding of an order.
    Hold(OrderId),
    /// What an order did not need, or no longer needs.
    Release(OrderId),
    /// A trade.
    Trade(MarketId, TradeId),
}

/// A double entry: `amount` leaves `debit` and enters `credit`. It balances by its shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Counted from 1 per wallet.
    pub number: u64,
    /// When the causing command was accepted.
    pub time: Nanos,
    /// Of what.
    pub asset: AssetId,
    /// Where it leaves.
    pub debit: LedgerAccount,
    /// Where it enters.
    pub credit: LedgerAccount,
    /// How much; above zero.
    pub amount: Amount,
    /// Why.
    pub cause: Cause,
}

/// A user's money of one asset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// Free to use.
    pub available: Amount,
    /// Held for open orders.
    pub held: Amount,
}

/// All balances of a wallet.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    users: Vec<Vec<Balance>>,
    house: Vec<[Amount; House::ALL.len()]>,
    entries: u64,
    digest: Digest,
}

/// The cause and time of the entries of one command, and where they go.
pub struct Posting<'a> {
    pub time: Nanos,
    pub cause: Cause,
    pub entries: &'a mut Vec<Entry>,
}

impl Ledger {
    pub fn restore(users: Vec<Vec<Balance>>, house: Vec<[Amount; 3]>, entries: u64, digest: Digest) -> Self {
        Self { users, house, entries, digest }
    }

    pub fn open_asset(&mut self) {
        self.house.push([Amount::ZERO; House::ALL.len()]);
    }

    pub fn open_account(&mut self) {
        self.users.push(Vec::new());
    }

    pub fn assets(&self) -> usize {
        self.house.len()
    }

    pub fn accounts(&self) -> usize {
        self.users.len()
    }

    pub fn entries(&self) -> u64 {
        self.entries
    }

    pub fn digest(&self) -> Digest {
        self.digest
    }

    pub fn balance(&self, account: AccountId, asset: AssetId) -> Balance {
        let balances = self.users.get(account.0 as usize);
        balances.and_then(|balances| balances.get(usize::from(asset.0))).copied().unwrap_or_default()
    }

    pub fn house(&self, asset: AssetId, account: House) -> Amount {
        self.house[usize::from(asset.0)][account as usize]
    }

    pub fn users(&self) -> &[Vec<Balance>] {
        &self.users
    }

    pub fn houses(&self) -> &[[Amount; 3]] {
        &self.house
    }

    /// Moves money: the only place where a balance changes.
    ///
    /// # Panics
    /// If it would overdraw any account but `External`. Callers have checked; an overdraft here
    /// is a bug, and stops the wallet before the bug becomes somebody's money.
    pub fn transfer(
        &mut self,
        asset: AssetId,
        debit: LedgerAccount,
        credit: LedgerAccount,
        amount: Amount,
        posting: &mut Posting<'_>,
    ) {
        if amount.is_zero() {
            return;
        }
        assert!(amount.0 > 0, "a transfer of {amount} from {debit:?} to {credit:?}");
        let source = self.slot(asset, debit);
        *source -= amount;
        assert!(
            source.0 >= 0 || debit == LedgerAccount::House(House::External),
            "{debit:?} overdrawn by {source} of asset {asset}"
        );
        *self.slot(asset, credit) += amount;
        self.entries += 1;
        self.digest.add(u64::from(asset.0) << 32 | fingerprint(debit) << 16 ^ fingerprint(credit));
        self.digest.add_amount(amount.0);
        posting.entries.push(Entry {
            number: self.entries,
            time: posting.time,
            asset,
            debit,
            credit,
            amount,
            cause: posting.cause,
        });
    }

    #[inline]
    fn slot(&mut self, asset: AssetId, account: LedgerAccount) -> &mut Amount {
        let index = usize::from(asset.0);
        match account {
            LedgerAccount::House(house) => &mut self.house[index][house as usize],
            LedgerAccount::Available(user) => &mut user_balance(&mut self.users, user, index).available,
            LedgerAccount::Held(user) => &mut user_balance(&mut self.users, user, index).held,
        }
    }
}

#[inline]
fn user_balance(users: &mut [Vec<Balance>], user: AccountId, asset: usize) -> &mut Balance {
    let balances = &mut users[user.0 as usize];
    if balances.len() <= asset {
        balances.resize(asset + 1, Balance::default());
    }
    &mut balances[asset]
}

fn fingerprint(account: LedgerAccount) -> u64 {
    match account {
        LedgerAccount::House(house) => house as u64,
        LedgerAccount::Available(user) => u64::from(user.0) << 2 | 1 << 40,
        LedgerAccount::Held(user) => u64::from(user.0) << 2 | 1 << 41,
    }
}
