//! What operators set: rails, policies, fees, standings, and whether anybody must be told.

use super::{NO_TRANSACTION, Policies, Wallet, changed, unchanged};
use crate::ids::{AccountId, AssetId, RailId};
use crate::label::Label;
use crate::market::{BASIS_POINTS, SUPPLY_MAX};
use crate::reason::Reason;
use crate::transaction::{Body, FeePlan, Policy, Standing, Topic, Transacted, Transaction, TransactionKind};
use crate::units::{Amount, Nanos};
use crate::wallet::ledger::{Balance, LedgerAccount};

/// The name of the rail that is there from the beginning.
pub(super) const DIRECT_NAME: &str = "direct";

const SECOND: u64 = 1_000_000_000;
const HOUR: u64 = 3_600 * SECOND;
const DAY: u64 = 24 * HOUR;

/// Where the plan of a kind stands, of those that may cost something.
pub(super) const fn fee_place(kind: TransactionKind) -> Option<usize> {
    match kind {
        TransactionKind::Withdrawal => Some(0),
        TransactionKind::Payment => Some(1),
        _ => None,
    }
}

/// The kinds by the place of their plan.
pub(super) const FEE_KINDS: [TransactionKind; 2] = [TransactionKind::Withdrawal, TransactionKind::Payment];

impl Default for Policies {
    fn default() -> Self {
        let policy = |first: u64, interval: u64, is_doubling: bool, attempts: u32, lifetime: u64| Policy {
            first: Nanos(first),
            interval: Nanos(interval),
            is_doubling,
            longest: Nanos(HOUR),
            attempts,
            lifetime: Nanos(lifetime),
        };
        let of_kind = |kind: TransactionKind| match kind {
            TransactionKind::Deposit => policy(10 * SECOND, 5 * SECOND, true, 12, DAY),
            TransactionKind::Withdrawal => policy(10 * SECOND, 5 * SECOND, true, 12, 0),
            TransactionKind::Commission => policy(HOUR, HOUR, false, 12, 30 * DAY),
            _ => policy(HOUR, HOUR, false, 12, 7 * DAY),
        };
        let mut policies = [policy(SECOND, SECOND, true, 24, 0); Topic::COUNT];
        for kind in TransactionKind::ALL {
            policies[Topic::Kind(kind).number()] = of_kind(kind);
        }
        Self(policies)
    }
}

impl Wallet {
    pub(super) fn open_rail(&mut self, name: &Label) -> Result<Transacted, Reason> {
        let is_taken = self.transactions.rails.iter().any(|(other, _)| other == name);
        if is_taken || name.as_str() == DIRECT_NAME {
            return Err(Reason::NameTaken);
        }
        if self.rails() > usize::from(u16::MAX) {
            return Err(Reason::UnknownRail);
        }
        // From here on the command cannot fail.
        self.transactions.rails.push((*name, true));
        self.note_setting(0, &[self.rails() as u64]);
        Ok(changed(NO_TRANSACTION))
    }

    pub(super) fn change_rail(&mut self, rail: RailId, is_open: bool) -> Result<Transacted, Reason> {
        let place = usize::from(rail.0).checked_sub(1).ok_or(Reason::UnknownRail)?;
        let setting = self.transactions.rails.get_mut(place).ok_or(Reason::UnknownRail)?;
        if setting.1 == is_open {
            return Ok(unchanged(NO_TRANSACTION));
        }
        // From here on the command cannot fail.
        setting.1 = is_open;
        self.note_setting(1, &[u64::from(rail.0) << 1 | u64::from(is_open)]);
        Ok(changed(NO_TRANSACTION))
    }

    pub(super) fn change_policy(&mut self, topic: Topic, policy: &Policy) -> Result<Transacted, Reason> {
        if policy.interval.is_zero() || policy.longest.is_zero() || policy.attempts == 0 {
            return Err(Reason::PolicyOutOfRange);
        }
        if self.policy(topic) == *policy {
            return Ok(unchanged(NO_TRANSACTION));
        }
        // From here on the command cannot fail.
        self.transactions.policies.0[topic.number()] = *policy;
        let Policy { first, interval, is_doubling, longest, attempts, lifetime } = *policy;
        let counts = u64::from(attempts) << 1 | u64::from(is_doubling);
        self.note_setting(2, &[topic.number() as u64, first.0, interval.0, longest.0, counts, lifetime.0]);
        Ok(changed(NO_TRANSACTION))
    }

    pub(super) fn change_fee(
        &mut self,
        kind: TransactionKind,
        asset: AssetId,
        fee: FeePlan,
    ) -> Result<Transacted, Reason> {
        let place = fee_place(kind).ok_or(Reason::WrongTransactionKind)?;
        self.check_asset(asset)?;
        if fee.fixed.0 < 0 || fee.fixed > SUPPLY_MAX || u64::from(fee.rate.0) > BASIS_POINTS {
            return Err(Reason::FeeOutOfRange);
        }
        if self.fee_plan(kind, asset) == fee {
            return Ok(unchanged(NO_TRANSACTION));
        }
        // From here on the command cannot fail.
        let plans = &mut self.transactions.fees;
        if plans.len() <= usize::from(asset.0) {
            plans.resize(usize::from(asset.0) + 1, [FeePlan::default(); 2]);
        }
        plans[usize::from(asset.0)][place] = fee;
        let [low, high] = [fee.fixed.0 as u64, (fee.fixed.0 >> 64) as u64];
        self.note_setting(3, &[kind as u64, u64::from(asset.0), u64::from(fee.rate.0), low, high]);
        Ok(changed(NO_TRANSACTION))
    }

    pub(in crate::wallet) fn change_standing(
        &mut self,
        account: AccountId,
        standing: Standing,
    ) -> Result<Transacted, Reason> {
        self.check_account(account)?;
        if self.standing(account) == standing {
            return Ok(unchanged(NO_TRANSACTION));
        }
        if standing == Standing::Closed && !self.is_empty_account(account) {
            return Err(Reason::AccountNotEmpty);
        }
        // From here on the command cannot fail.
        let standings = &mut self.transactions.standings;
        if standings.len() <= account.0 as usize {
            standings.resize(account.0 as usize + 1, Standing::Active);
        }
        standings[account.0 as usize] = standing;
        while standings.last() == Some(&Standing::Active) {
            standings.pop();
        }
        self.note_setting(4, &[u64::from(account.0) << 8 | standing as u64]);
        Ok(changed(NO_TRANSACTION))
    }

    /// More of a credit than is taken is never withdrawn: what an account has available is never
    /// further below zero than it may be.
    pub(in crate::wallet) fn change_credit(
        &mut self,
        account: AccountId,
        asset: AssetId,
        limit: Amount,
    ) -> Result<Transacted, Reason> {
        if !self.check_credit(account, asset, limit)? {
            return Ok(unchanged(NO_TRANSACTION));
        }
        // From here on the command cannot fail.
        self.ledger.set_credit(account, asset, limit);
        let [low, high] = [limit.0 as u64, (limit.0 >> 64) as u64];
        self.note_setting(6, &[u64::from(account.0), u64::from(asset.0), low, high]);
        Ok(changed(NO_TRANSACTION))
    }

    /// Whether an account may go so far below zero, and whether that is another limit than it has.
    pub(super) fn check_credit(&self, account: AccountId, asset: AssetId, limit: Amount) -> Result<bool, Reason> {
        self.check_account(account)?;
        self.check_asset(asset)?;
        if limit.0 < 0 || limit > SUPPLY_MAX {
            return Err(Reason::CreditOutOfRange);
        }
        let before = self.ledger.credit(account, asset);
        if limit > before {
            self.check_enter(account)?;
            self.check_owned(asset, limit - before)?;
        }
        if (self.ledger.balance(account, asset).available + limit).0 < 0 {
            return Err(Reason::CreditInUse);
        }
        Ok(limit != before)
    }

    /// Whether nothing is left of an account's business. Walks all that is live, if it has neither
    /// money nor orders.
    fn is_empty_account(&self, account: AccountId) -> bool {
        let assets = (0..self.ledger.assets()).filter_map(|asset| u16::try_from(asset).ok());
        let is_poor = assets.map(AssetId).all(|asset| self.ledger.balance(account, asset) == Balance::default());
        is_poor
            && self.orders.open_count(account) == 0
            && !self.live_transactions().any(|transaction| self.names(transaction, account))
    }

    /// Whether a transaction that is under way has to do with an account.
    fn names(&self, transaction: &Transaction, account: AccountId) -> bool {
        if super::is_final(transaction.state) {
            return false;
        }
        let Some(body) = &transaction.body else { return false };
        match body {
            Body::Deposit { account: one, .. }
            | Body::Withdrawal { account: one, .. }
            | Body::Commission { agent: one, .. } => *one == account,
            Body::Transfer { from: one, to: other, .. } | Body::Payment { payer: one, merchant: other, .. } => {
                *one == account || *other == account
            }
            Body::Refund { payment, .. } => {
                let payment = self.transaction(payment);
                payment.is_some_and(|payment| payment.body.is_some_and(|body| pays(&body, account)))
            }
            Body::Adjustment { from, to, .. } => {
                let available = LedgerAccount::Available(account);
                *from == available || *to == available
            }
            Body::ClawBack { .. } | Body::FeeShare { .. } => false,
        }
    }

    pub(super) fn change_notification(&mut self, is_on: bool) -> Result<Transacted, Reason> {
        if self.transactions.notifies == is_on {
            return Ok(unchanged(NO_TRANSACTION));
        }
        // From here on the command cannot fail.
        self.transactions.notifies = is_on;
        if !is_on {
            self.take_all_as_told();
        }
        self.note_setting(5, &[u64::from(is_on)]);
        Ok(changed(NO_TRANSACTION))
    }

    fn note_setting(&mut self, what: u64, words: &[u64]) {
        self.ledger.note(what << 32 | words.len() as u64);
        words.iter().for_each(|word| self.ledger.note(*word));
    }
}

/// Whether a payment has to do with an account.
fn pays(body: &Body, account: AccountId) -> bool {
    matches!(body, Body::Payment { payer, merchant, .. } if *payer == account || *merchant == account)
}
