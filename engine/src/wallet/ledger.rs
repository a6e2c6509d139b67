//! Accounts and the only function that moves money between them.

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::ids::{AccountId, AssetId, CaseId, MarketId, OrderId, RailId, TradeId, TransactionId};
use crate::units::{Amount, Nanos};

/// An account of the ledger, within one tenant and asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LedgerAccount {
    /// A user's spendable money.
    Available(AccountId),
    /// A user's money held for open orders.
    Held(AccountId),
    /// A user's money held for withdrawals, transfers and payments under way.
    Outgoing(AccountId),
    /// A user's money that has come in and is not yet his to spend.
    Incoming(AccountId),
    /// What a rail owes the tenant: negative by as much as came in over it.
    External(RailId),
    /// The tenant's own.
    House(House),
}

/// The tenant's own accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum House {
    /// Fees earned.
    Fee = 0,
    /// The fractions of minor units between what buyers pay and sellers get; never negative, but
    /// that of one of several wallets may be, as long as their sum is not.
    Rounding = 1,
    /// The platform's share of the fees.
    PlatformFee = 2,
    /// What one wallet owes the others, and they owe it: all of a tenant sum to what is on its way
    /// between them, and to zero when nothing is. Always zero where there is one wallet.
    Clearing = 3,
    /// Money that came or went and that nothing explains yet; negative where it went.
    Suspense = 4,
    /// Rebates to makers: an expense, so negative.
    RebateExpense = 5,
    /// Commissions of agents: an expense, so negative.
    CommissionExpense = 6,
    /// The other side of corrections by hand; of either sign.
    Adjustment = 7,
}

impl House {
    /// How many there are.
    pub const COUNT: usize = 8;
    /// All of them by number.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Fee,
        Self::Rounding,
        Self::PlatformFee,
        Self::Clearing,
        Self::Suspense,
        Self::RebateExpense,
        Self::CommissionExpense,
        Self::Adjustment,
    ];

    /// Whether it may be negative.
    #[must_use]
    pub const fn may_be_negative(self) -> bool {
        !matches!(self, Self::Fee | Self::Rounding | Self::PlatformFee)
    }

    /// A short name for reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fee => "fee",
            Self::Rounding => "rounding",
            Self::PlatformFee => "platform_fee",
            Self::Clearing => "clearing",
            Self::Suspense => "suspense",
            Self::RebateExpense => "rebate_expense",
            Self::CommissionExpense => "commission_expense",
            Self::Adjustment => "adjustment",
        }
    }
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
    /// A transaction.
    Transaction(TransactionId),
    /// Money on a rail that belongs to no transaction, by its case.
    Case(CaseId),
    /// Money on its way between two wallets of a tenant on behalf of transactions, by the number of
    /// the passage.
    Passage(u64),
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
    /// What is left behind it where it left. Before it, it was `amount` more.
    pub debit_after: Amount,
    /// What is there behind it where it entered. Before it, it was `amount` less.
    pub credit_after: Amount,
    /// Why.
    pub cause: Cause,
}

/// A user's money of one asset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// Free to use; below zero by as much as is taken of a credit.
    pub available: Amount,
    /// Held for open orders.
    pub held: Amount,
    /// Held for what is to leave.
    pub outgoing: Amount,
    /// Come in, and not yet free to use.
    pub incoming: Amount,
}

impl Balance {
    /// All of it.
    #[must_use]
    pub fn total(&self) -> Amount {
        self.available + self.held + self.outgoing + self.incoming
    }
}

/// How far below zero an account's available money of an asset may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreditSetting {
    /// Whose.
    pub account: AccountId,
    /// Of what.
    pub asset: AssetId,
    /// How far; above zero.
    pub limit: Amount,
}

/// All balances of a wallet.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    users: Vec<Vec<Balance>>,
    house: Vec<[Amount; House::COUNT]>,
    /// Per asset, per rail that has moved any of it.
    external: Vec<Vec<Amount>>,
    /// How far below zero an account's available money may go. Of few accounts.
    credits: BTreeMap<(AccountId, AssetId), Amount>,
    entries: u64,
    digest: Digest,
    /// Whether it is one of several, each of which has its own share of `Rounding`.
    is_shared: bool,
}

/// The cause and time of the entries of one command, and where they go.
pub struct Posting<'a> {
    pub time: Nanos,
    pub cause: Cause,
    pub entries: &'a mut Vec<Entry>,
}

impl Ledger {
    pub fn restore(
        users: Vec<Vec<Balance>>,
        house: Vec<[Amount; House::COUNT]>,
        external: Vec<Vec<Amount>>,
        credits: &[CreditSetting],
        entries: u64,
        digest: Digest,
        is_shared: bool,
    ) -> Self {
        let credits = credits.iter().map(|credit| ((credit.account, credit.asset), credit.limit)).collect();
        Self { users, house, external, credits, entries, digest, is_shared }
    }

    pub fn shared(is_shared: bool) -> Self {
        Self { is_shared, ..Self::default() }
    }

    pub fn open_asset(&mut self) {
        self.house.push([Amount::ZERO; House::COUNT]);
        self.external.push(Vec::new());
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

    /// Takes something beside money into the fingerprint.
    pub fn note(&mut self, word: u64) {
        self.digest.add(word);
    }

    pub fn balance(&self, account: AccountId, asset: AssetId) -> Balance {
        let balances = self.users.get(account.0 as usize);
        balances.and_then(|balances| balances.get(usize::from(asset.0))).copied().unwrap_or_default()
    }

    pub fn house(&self, asset: AssetId, account: House) -> Amount {
        self.house[usize::from(asset.0)][account as usize]
    }

    pub fn external(&self, asset: AssetId, rail: RailId) -> Amount {
        self.external[usize::from(asset.0)].get(usize::from(rail.0)).copied().unwrap_or_default()
    }

    /// How much of an asset there is: what came in over all rails, less what went out.
    pub fn supply(&self, asset: AssetId) -> Amount {
        Amount(-self.external[usize::from(asset.0)].iter().map(|owed| owed.0).sum::<i128>())
    }

    /// How far below zero an account's available money may go.
    #[inline]
    pub fn credit(&self, account: AccountId, asset: AssetId) -> Amount {
        if self.credits.is_empty() {
            return Amount::ZERO;
        }
        self.credits.get(&(account, asset)).copied().unwrap_or_default()
    }

    /// Sets that. The caller has seen that no more is taken.
    pub fn set_credit(&mut self, account: AccountId, asset: AssetId, limit: Amount) {
        if limit.is_zero() {
            self.credits.remove(&(account, asset));
        } else {
            self.credits.insert((account, asset), limit);
        }
    }

    /// The credits that there are, by account and asset.
    pub fn credits(&self) -> impl Iterator<Item = CreditSetting> + '_ {
        self.credits.iter().map(|((account, asset), limit)| CreditSetting {
            account: *account,
            asset: *asset,
            limit: *limit,
        })
    }

    /// All credits of an asset together.
    pub fn lent(&self, asset: AssetId) -> Amount {
        Amount(self.credits().filter(|credit| credit.asset == asset).map(|credit| credit.limit.0).sum())
    }

    pub fn users(&self) -> &[Vec<Balance>] {
        &self.users
    }

    pub fn houses(&self) -> &[[Amount; House::COUNT]] {
        &self.house
    }

    pub fn externals(&self) -> &[Vec<Amount>] {
        &self.external
    }

    /// Moves money: the only place where a balance changes.
    ///
    /// # Panics
    /// If it would overdraw an account that may not be negative. Callers have checked; an overdraft
    /// here is a bug, and stops the wallet before the bug becomes somebody's money.
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
        let debit_after = *source;
        assert!(
            debit_after.0 >= 0
                || may_be_negative(debit, self.is_shared)
                || debit_after.0 >= -self.credit_of(debit, asset).0,
            "{debit:?} overdrawn by {debit_after} of asset {asset}"
        );
        let target = self.slot(asset, credit);
        *target += amount;
        let credit_after = *target;
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
            debit_after,
            credit_after,
            cause: posting.cause,
        });
    }

    #[cold]
    fn credit_of(&self, account: LedgerAccount, asset: AssetId) -> Amount {
        match account {
            LedgerAccount::Available(user) => self.credit(user, asset),
            _ => Amount::ZERO,
        }
    }

    #[inline]
    fn slot(&mut self, asset: AssetId, account: LedgerAccount) -> &mut Amount {
        let index = usize::from(asset.0);
        match account {
            LedgerAccount::House(house) => &mut self.house[index][house as usize],
            LedgerAccount::Available(user) => &mut user_balance(&mut self.users, user, index).available,
            LedgerAccount::Held(user) => &mut user_balance(&mut self.users, user, index).held,
            LedgerAccount::Outgoing(user) => &mut user_balance(&mut self.users, user, index).outgoing,
            LedgerAccount::Incoming(user) => &mut user_balance(&mut self.users, user, index).incoming,
            LedgerAccount::External(rail) => rail_balance(&mut self.external[index], rail),
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

fn rail_balance(rails: &mut Vec<Amount>, rail: RailId) -> &mut Amount {
    let index = usize::from(rail.0);
    if rails.len() <= index {
        rails.resize(index + 1, Amount::ZERO);
    }
    &mut rails[index]
}

fn may_be_negative(account: LedgerAccount, is_shared: bool) -> bool {
    match account {
        LedgerAccount::External(_) => true,
        LedgerAccount::House(House::Rounding) => is_shared,
        LedgerAccount::House(house) => house.may_be_negative(),
        _ => false,
    }
}

/// Journals hold digests made of these: a number is never given to another account.
fn fingerprint(account: LedgerAccount) -> u64 {
    match account {
        LedgerAccount::External(RailId::DIRECT) => 0,
        LedgerAccount::External(rail) => u64::from(rail.0) << 2 | 1 << 42,
        LedgerAccount::House(house) => house as u64 + 1,
        LedgerAccount::Available(user) => u64::from(user.0) << 2 | 1 << 40,
        LedgerAccount::Held(user) => u64::from(user.0) << 2 | 1 << 41,
        LedgerAccount::Outgoing(user) => u64::from(user.0) << 2 | 1 << 43,
        LedgerAccount::Incoming(user) => u64::from(user.0) << 2 | 1 << 44,
    }
}
