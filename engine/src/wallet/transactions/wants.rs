//! What a command takes that may be with another wallet of the tenant.

use super::TransactionState;
use super::fees::fee_back;
use crate::ids::{AccountId, AssetId, ShardId};
use crate::label::Label;
use crate::transaction::{APPROVERS, Body, TransactionCommand, TransactionKind};
use crate::units::Amount;
use crate::wallet::Wallet;
use crate::wallet::ledger::{House, LedgerAccount};
use crate::wallet::shards::Wanted;
use crate::wallet::sharing::Sharing;

/// More than there is of anything.
const ALL: Amount = Amount(i128::MAX / 4);

impl Wallet {
    /// What a command would take from accounts that are at home in other wallets, and from what those
    /// have of the house's, as far as can be told from what is known now. A command that will be
    /// refused anyway may want nothing, or something: that goes back.
    pub(in crate::wallet) fn wants(&self, command: &TransactionCommand) -> Vec<Wanted> {
        let mut wanted = Vec::new();
        match command {
            // What comes again takes nothing.
            TransactionCommand::Try { id, body, .. } if self.transactions.known.find(id.fingerprint()).is_none() => {
                self.wants_to_try(body, &mut wanted);
            }
            TransactionCommand::Confirm { id, .. } => self.wants_to_confirm(id, &mut wanted),
            TransactionCommand::Approve { id, operator, .. } => self.wants_to_approve(id, operator, &mut wanted),
            TransactionCommand::ChangeStanding { account, standing } => {
                let is_known = (account.0 as usize) < self.ledger.accounts();
                if is_known && !self.sharing.is_home(*account) && self.standing(*account) != *standing {
                    wanted.push(Wanted::Standing { account: *account, standing: *standing });
                }
            }
            TransactionCommand::ChangeCredit { account, asset, limit }
                if !self.sharing.is_home(*account) && self.check_credit(*account, *asset, *limit) == Ok(true) =>
            {
                wanted.push(Wanted::Credit { account: *account, asset: *asset, limit: *limit });
            }
            _ => {}
        }
        wanted
    }

    fn wants_to_try(&self, body: &Body, wanted: &mut Vec<Wanted>) {
        match *body {
            Body::Withdrawal { account, asset, amount, .. } => {
                let fee = self.fee(TransactionKind::Withdrawal, asset, amount);
                let all = Amount(amount.0.saturating_add(fee.0));
                self.want_of(account, asset, all, false, wanted);
            }
            Body::Transfer { from, asset, amount, .. } => self.want_of(from, asset, amount, false, wanted),
            Body::Payment { payer, asset, amount, .. } => self.want_of(payer, asset, amount, false, wanted),
            Body::Refund { ref payment, amount, held } => {
                let Some(paid) = self.transaction(payment) else { return };
                let Some(Body::Payment { merchant, asset, .. }) = paid.body else { return };
                let is_possible = amount.0 > 0 && amount <= paid.posted - paid.reversed;
                if paid.state == TransactionState::Confirmed && is_possible {
                    let fee = fee_back(&paid, amount);
                    self.want_of(merchant, asset, amount - fee, false, wanted);
                    if !held {
                        self.want_fees(asset, fee, wanted);
                    }
                }
            }
            Body::ClawBack { ref commission, amount } => {
                let Some(earned) = self.transaction(commission) else { return };
                let Some(Body::Commission { agent, asset, .. }) = earned.body else { return };
                if earned.state == TransactionState::Confirmed {
                    self.want_of(agent, asset, amount, true, wanted);
                }
            }
            Body::FeeShare { asset, .. } => self.want_fees(asset, ALL, wanted),
            Body::Deposit { .. } | Body::Commission { .. } | Body::Adjustment { .. } => {}
        }
    }

    /// Only a refund gives something that no account has set aside: its part of the fee.
    fn wants_to_confirm(&self, id: &Label, wanted: &mut Vec<Wanted>) {
        let Some(number) = self.transactions.known.find(id.fingerprint()) else { return };
        let Some(refund) = self.live_transaction(number) else { return };
        let Some(Body::Refund { payment, .. }) = &refund.body else { return };
        if let Some(Body::Payment { asset, .. }) = self.transaction(payment).and_then(|paid| paid.body) {
            self.want_fees(asset, refund.fee, wanted);
        }
    }

    /// The last approval moves the money.
    fn wants_to_approve(&self, id: &Label, operator: &Label, wanted: &mut Vec<Wanted>) {
        let Some(number) = self.transactions.known.find(id.fingerprint()) else { return };
        let Some(adjustment) = self.live_transaction(number) else { return };
        let is_last = adjustment.approvals.len() + 1 == APPROVERS
            && !adjustment.approvals.iter().any(|other| other.is_of_one_with(operator));
        if let Some(Body::Adjustment { asset, from: LedgerAccount::Available(user), amount, .. }) = adjustment.body
            && is_last
            && adjustment.state == TransactionState::Open
        {
            self.want_of(user, asset, amount, false, wanted);
        }
    }

    fn want_of(&self, account: AccountId, asset: AssetId, amount: Amount, may_be_less: bool, wanted: &mut Vec<Wanted>) {
        let is_known = (account.0 as usize) < self.ledger.accounts() && usize::from(asset.0) < self.ledger.assets();
        if is_known && amount.0 > 0 && !self.sharing.is_home(account) {
            let shard = Sharing::home_of(account, self.sharing.of());
            let account = LedgerAccount::Available(account);
            wanted.push(Wanted::Money { shard, account, asset, amount, may_be_less });
        }
    }

    /// Fees that are with the other wallets, where those here do not suffice.
    fn want_fees(&self, asset: AssetId, amount: Amount, wanted: &mut Vec<Wanted>) {
        if usize::from(asset.0) >= self.ledger.assets() || self.ledger.house(asset, House::Fee) >= amount {
            return;
        }
        let account = LedgerAccount::House(House::Fee);
        let others = (1..self.sharing.of()).map(ShardId);
        wanted.extend(others.map(|shard| Wanted::Money { shard, account, asset, amount: ALL, may_be_less: true }));
    }
}
