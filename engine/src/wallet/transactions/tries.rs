//! The first step: a transaction is checked whole, and then begun.

use super::beginnings::{Trial, fingerprint};
use super::fees::fee_back;
use super::{Move, unchanged};
use crate::ids::{AccountId, AssetId, RailId};
use crate::label::Label;
use crate::market::{BASIS_POINTS, SUPPLY_MAX};
use crate::reason::Reason;
use crate::transaction::{
    Body, DESTINATION_MAX, Happening, Transacted, Transaction, TransactionKind, TransactionState,
};
use crate::units::{Amount, BasisPoints, Nanos};
use crate::wallet::ledger::{House, LedgerAccount};
use crate::wallet::{Wallet, WalletOutput};

/// From whom to whom a body moves how much of what.
#[derive(Clone, Copy)]
struct Passage {
    from: AccountId,
    to: AccountId,
    asset: AssetId,
    amount: Amount,
    held: bool,
}

impl Wallet {
    pub(super) fn try_transaction(
        &mut self,
        id: &Label,
        body: &Body,
        rail: RailId,
        until: Nanos,
        time: Nanos,
        output: &mut WalletOutput,
    ) -> Result<Transacted, Reason> {
        if let Body::Transfer { from, to, asset, .. } | Body::Payment { payer: from, merchant: to, asset, .. } = body {
            // Asked for before the id is looked up, so that memory answers all three at once.
            std::hint::black_box(self.ledger.balance(*from, *asset).available);
            std::hint::black_box(self.ledger.balance(*to, *asset).available);
        }
        let (key, print) = (id.fingerprint(), fingerprint(body));
        if let Some(number) = self.transactions.known.find(key) {
            return match self.transactions.known.get(number).body {
                0 => Err(Reason::TransactionCanceled),
                before if before == print => Ok(unchanged(number)),
                _ => Err(Reason::IdempotencyConflict),
            };
        }
        let trial = Trial { id, key, print, body, rail, until, time };
        match *body {
            Body::Deposit { account, asset, amount } => self.try_deposit(trial, account, asset, amount, output),
            Body::Withdrawal { account, asset, amount, ref destination } => {
                self.try_withdrawal(trial, account, asset, amount, destination, output)
            }
            Body::Transfer { from, to, asset, amount, held } => {
                self.try_transfer(trial, Passage { from, to, asset, amount, held }, output)
            }
            Body::Payment { payer, merchant, asset, amount, held } => {
                self.try_payment(trial, Passage { from: payer, to: merchant, asset, amount, held }, output)
            }
            Body::Refund { ref payment, amount, held } => self.try_refund(trial, payment, amount, held, output),
            Body::Commission { agent, asset, amount } => self.try_commission(trial, agent, asset, amount, output),
            Body::ClawBack { ref commission, amount } => self.try_claw_back(trial, commission, amount, output),
            Body::FeeShare { asset, rate } => self.try_fee_share(trial, asset, rate, output),
            Body::Adjustment { .. } => self.try_adjustment(trial, output),
        }
    }

    fn try_deposit(
        &mut self,
        trial: Trial<'_>,
        account: AccountId,
        asset: AssetId,
        amount: Amount,
        output: &mut WalletOutput,
    ) -> Result<Transacted, Reason> {
        self.check_money(&[account], asset, amount)?;
        trial.check_end()?;
        self.check_rail(trial.rail)?;
        self.check_enter(account)?;
        self.check_incoming(asset, amount)?;
        // From here on the command cannot fail.
        let live = self.begin(trial, Amount::ZERO);
        Ok(self.set_out(live, trial.time, output))
    }

    fn try_withdrawal(
        &mut self,
        trial: Trial<'_>,
        account: AccountId,
        asset: AssetId,
        amount: Amount,
        destination: &str,
        output: &mut WalletOutput,
    ) -> Result<Transacted, Reason> {
        self.check_money(&[account], asset, amount)?;
        let is_printable = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
        if destination.is_empty() || destination.len() > DESTINATION_MAX || !destination.bytes().all(is_printable) {
            return Err(Reason::MalformedTransaction);
        }
        trial.check_end()?;
        self.check_rail(trial.rail)?;
        self.check_leave(account)?;
        let fee = self.fee(TransactionKind::Withdrawal, asset, amount);
        if fee > amount {
            return Err(Reason::FeeExceedsAmount);
        }
        let all = Amount(amount.0.saturating_add(fee.0));
        self.check_available(account, asset, all)?;
        // From here on the command cannot fail.
        let live = self.begin(trial, fee);
        let hold = Move(asset, LedgerAccount::Available(account), LedgerAccount::Outgoing(account), all);
        self.post(live.cause(), trial.time, output, &[hold]);
        Ok(self.set_out(live, trial.time, output))
    }

    fn try_transfer(
        &mut self,
        trial: Trial<'_>,
        passage: Passage,
        output: &mut WalletOutput,
    ) -> Result<Transacted, Reason> {
        let Passage { from, to, asset, amount, held } = passage;
        self.check_passage(trial, passage)?;
        self.check_available(from, asset, amount)?;
        // From here on the command cannot fail.
        let live = self.begin(trial, Amount::ZERO);
        let credit = if held { LedgerAccount::Outgoing(from) } else { LedgerAccount::Available(to) };
        self.post(live.cause(), trial.time, output, &[Move(asset, LedgerAccount::Available(from), credit, amount)]);
        Ok(self.set_in(live, held, amount, trial.time, output))
    }

    fn try_payment(
        &mut self,
        trial: Trial<'_>,
        passage: Passage,
        output: &mut WalletOutput,
    ) -> Result<Transacted, Reason> {
        let Passage { from: payer, to: merchant, asset, amount, held } = passage;
        self.check_passage(trial, passage)?;
        let fee = self.fee(TransactionKind::Payment, asset, amount);
        if fee > amount {
            return Err(Reason::FeeExceedsAmount);
        }
        self.check_available(payer, asset, amount)?;
        // From here on the command cannot fail.
        let live = self.begin(trial, fee);
        let from = LedgerAccount::Available(payer);
        if held {
            self.post(live.cause(), trial.time, output, &[Move(asset, from, LedgerAccount::Outgoing(payer), amount)]);
        } else {
            let net = Move(asset, from, LedgerAccount::Available(merchant), amount - fee);
            let fee = Move(asset, from, LedgerAccount::House(House::Fee), fee);
            self.post(live.cause(), trial.time, output, &[net, fee]);
        }
        Ok(self.set_in(live, held, amount, trial.time, output))
    }

    fn try_refund(
        &mut self,
        trial: Trial<'_>,
        payment: &Label,
        amount: Amount,
        held: bool,
        output: &mut WalletOutput,
    ) -> Result<Transacted, Reason> {
        if amount.0 <= 0 {
            return Err(Reason::AmountNotPositive);
        }
        trial.check_no_rail()?;
        if held {
            trial.check_end()?;
        }
        let (number, paid) = self.find_of_kind(payment, TransactionKind::Payment)?;
        match paid.state {
            TransactionState::Canceled => return Err(Reason::TransactionFinal),
            TransactionState::Open | TransactionState::Closing => return Err(Reason::NotDue),
            TransactionState::Confirmed => {}
        }
        let Some(Body::Payment { payer, merchant, asset, .. }) = paid.body else {
            unreachable!("the terms of a confirmed payment are kept")
        };
        self.check_leave(merchant)?;
        self.check_enter(payer)?;
        if amount > paid.posted - paid.reversed {
            return Err(Reason::RefundExceedsPayment);
        }
        let fee = fee_back(&paid, amount);
        self.check_available(merchant, asset, amount - fee)?;
        // From here on the command cannot fail.
        let live = self.begin(trial, fee);
        let from = LedgerAccount::Available(merchant);
        let to = if held { LedgerAccount::Outgoing(merchant) } else { LedgerAccount::Available(payer) };
        self.post(live.cause(), trial.time, output, &[Move(asset, from, to, amount - fee)]);
        if !held {
            self.post_fee_back(live.cause(), payer, asset, fee, trial.time, output);
        }
        let refund = self.set_in(live, held, amount, trial.time, output);
        let mut paid = self.transactions.take(number, payment);
        paid.transaction.reversed += amount;
        paid.transaction.fee_back += fee;
        self.restart(&mut paid, trial.time);
        self.announce(&mut paid, Happening::Reversed, trial.time, output);
        self.transactions.keep(paid);
        Ok(refund)
    }

    fn try_commission(
        &mut self,
        trial: Trial<'_>,
        agent: AccountId,
        asset: AssetId,
        amount: Amount,
        output: &mut WalletOutput,
    ) -> Result<Transacted, Reason> {
        self.check_money(&[agent], asset, amount)?;
        trial.check_no_rail()?;
        trial.check_end()?;
        self.check_enter(agent)?;
        self.check_owned(asset, amount)?;
        // From here on the command cannot fail.
        let live = self.begin(trial, Amount::ZERO);
        let (debit, credit) = (LedgerAccount::House(House::CommissionExpense), LedgerAccount::Incoming(agent));
        self.post(live.cause(), trial.time, output, &[Move(asset, debit, credit, amount)]);
        Ok(self.set_in(live, true, amount, trial.time, output))
    }

    fn try_claw_back(
        &mut self,
        trial: Trial<'_>,
        commission: &Label,
        amount: Amount,
        output: &mut WalletOutput,
    ) -> Result<Transacted, Reason> {
        if amount.0 <= 0 {
            return Err(Reason::AmountNotPositive);
        }
        trial.check_no_rail()?;
        let (number, earned) = self.find_of_kind(commission, TransactionKind::Commission)?;
        if earned.state == TransactionState::Canceled {
            return Err(Reason::TransactionFinal);
        }
        let Some(Body::Commission { agent, asset, amount: of }) = earned.body else {
            unreachable!("the terms of a commission are kept")
        };
        if amount > of - earned.reversed {
            return Err(Reason::ClawBackExceedsCommission);
        }
        // From here on the command cannot fail.
        let live = self.begin(trial, Amount::ZERO);
        let expense = LedgerAccount::House(House::CommissionExpense);
        let is_open = earned.state == TransactionState::Open;
        if is_open {
            let back = Move(asset, LedgerAccount::Incoming(agent), expense, amount);
            self.post(live.cause(), trial.time, output, &[back]);
        } else {
            // What the agent has spent already is the house's loss.
            let there = Amount(amount.0.min(self.ledger.balance(agent, asset).available.0).max(0));
            let back = Move(asset, LedgerAccount::Available(agent), expense, there);
            let lost = Move(asset, LedgerAccount::House(House::Adjustment), expense, amount - there);
            self.post(live.cause(), trial.time, output, &[back, lost]);
        }
        let clawed = self.set_in(live, false, amount, trial.time, output);
        let mut earned = self.transactions.take(number, commission);
        earned.transaction.reversed += amount;
        self.restart(&mut earned, trial.time);
        self.announce(&mut earned, Happening::Reversed, trial.time, output);
        if is_open && earned.transaction.reversed == of {
            self.decide(&mut earned, TransactionState::Canceled, Amount::ZERO, trial.time, output);
        }
        self.transactions.keep(earned);
        Ok(clawed)
    }

    fn try_fee_share(
        &mut self,
        trial: Trial<'_>,
        asset: AssetId,
        rate: BasisPoints,
        output: &mut WalletOutput,
    ) -> Result<Transacted, Reason> {
        self.check_asset(asset)?;
        trial.check_no_rail()?;
        let (kept, shared) = (self.ledger.house(asset, House::Fee), self.ledger.house(asset, House::PlatformFee));
        let share = (kept + shared).0.saturating_mul(i128::from(rate.0)) / i128::from(BASIS_POINTS);
        let amount = Amount((share - shared.0).min(kept.0));
        if amount.0 <= 0 {
            return Err(Reason::NothingToMove);
        }
        // From here on the command cannot fail.
        let live = self.begin(trial, Amount::ZERO);
        let (debit, credit) = (LedgerAccount::House(House::Fee), LedgerAccount::House(House::PlatformFee));
        self.post(live.cause(), trial.time, output, &[Move(asset, debit, credit, amount)]);
        Ok(self.set_in(live, false, amount, trial.time, output))
    }

    fn try_adjustment(&mut self, trial: Trial<'_>, output: &mut WalletOutput) -> Result<Transacted, Reason> {
        let Body::Adjustment { asset, from, to, amount, corrects, case, .. } = *trial.body else {
            unreachable!("it was asked before")
        };
        for account in [from, to] {
            if matches!(account, LedgerAccount::Available(user) if !self.has_account(user)) {
                return Err(Reason::UnknownAccount);
            }
        }
        self.check_money(&[], asset, amount)?;
        if from == to || !may_adjust(from) || !may_adjust(to) || !self.may_be_an_entry(corrects) {
            return Err(Reason::MalformedTransaction);
        }
        trial.check_no_rail()?;
        for account in [from, to] {
            if matches!(account, LedgerAccount::External(rail) if usize::from(rail.0) >= self.rails()) {
                return Err(Reason::UnknownRail);
            }
        }
        self.check_adjusting(trial.body)?;
        if case.0 != 0 {
            let case = self.open_case(case).ok_or(Reason::UnknownCase)?;
            if case.case.asset != asset {
                return Err(Reason::CurrencyMismatch);
            }
        }
        self.check_adjusted_supply(trial.body)?;
        // From here on the command cannot fail.
        let live = self.begin(trial, Amount::ZERO);
        Ok(self.set_in(live, true, amount, trial.time, output))
    }

    /// Whether users whom an adjustment touches are in standing for it.
    pub(super) fn check_adjusting(&self, body: &Body) -> Result<(), Reason> {
        let Body::Adjustment { from, to, .. } = *body else { return Ok(()) };
        if let LedgerAccount::Available(user) = from {
            self.check_leave(user)?;
        }
        if let LedgerAccount::Available(user) = to {
            self.check_enter(user)?;
        }
        Ok(())
    }

    /// Whether there may be as much of an asset as there is after an adjustment.
    pub(super) fn check_adjusted_supply(&self, body: &Body) -> Result<(), Reason> {
        let Body::Adjustment { asset, from, to, amount, .. } = *body else { return Ok(()) };
        // Between accounts of the house nothing else bounds it.
        if amount > SUPPLY_MAX {
            return Err(Reason::SupplyExceeded);
        }
        let is_external = |account: LedgerAccount| matches!(account, LedgerAccount::External(_));
        if is_external(from) && !is_external(to) && amount > SUPPLY_MAX - self.ledger.supply(asset) {
            return Err(Reason::SupplyExceeded);
        }
        if is_external(to) && !is_external(from) && amount > SUPPLY_MAX + self.ledger.supply(asset) {
            return Err(Reason::SupplyExceeded);
        }
        if matches!(to, LedgerAccount::Available(_)) && !matches!(from, LedgerAccount::Available(_)) {
            self.check_owned(asset, amount)?;
        }
        Ok(())
    }

    /// Whether so much more of an asset may come in. There may be less of it than is owned: money goes
    /// out that nothing explains, and the house owes what it has given away.
    pub(in crate::wallet) fn check_incoming(&self, asset: AssetId, amount: Amount) -> Result<(), Reason> {
        let most = self.ledger.supply(asset).max(self.owned(asset));
        if amount > SUPPLY_MAX - most { Err(Reason::SupplyExceeded) } else { Ok(()) }
    }

    /// Whether users may own so much more of an asset.
    pub(super) fn check_owned(&self, asset: AssetId, amount: Amount) -> Result<(), Reason> {
        if amount > SUPPLY_MAX - self.owned(asset) { Err(Reason::SupplyExceeded) } else { Ok(()) }
    }

    pub(super) fn check_account(&self, account: AccountId) -> Result<(), Reason> {
        if self.has_account(account) { Ok(()) } else { Err(Reason::UnknownAccount) }
    }

    fn has_account(&self, account: AccountId) -> bool {
        (account.0 as usize) < self.ledger.accounts()
    }

    pub(super) fn check_asset(&self, asset: AssetId) -> Result<(), Reason> {
        if usize::from(asset.0) < self.ledger.assets() { Ok(()) } else { Err(Reason::UnknownAsset) }
    }

    fn check_money(&self, accounts: &[AccountId], asset: AssetId, amount: Amount) -> Result<(), Reason> {
        if !accounts.iter().all(|account| self.has_account(*account)) {
            return Err(Reason::UnknownAccount);
        }
        self.check_asset(asset)?;
        if amount.0 <= 0 { Err(Reason::AmountNotPositive) } else { Ok(()) }
    }

    /// What is asked of a transfer and of a payment before the money is counted.
    fn check_passage(&self, trial: Trial<'_>, passage: Passage) -> Result<(), Reason> {
        let Passage { from, to, asset, amount, held } = passage;
        self.check_money(&[from, to], asset, amount)?;
        if from == to {
            return Err(Reason::SameAccount);
        }
        trial.check_no_rail()?;
        if held {
            trial.check_end()?;
        }
        self.check_leave(from)?;
        self.check_enter(to)
    }

    pub(super) fn check_rail(&self, rail: RailId) -> Result<(), Reason> {
        match self.rail(rail) {
            Some((_, is_open)) if rail != RailId::DIRECT => {
                if is_open {
                    Ok(())
                } else {
                    Err(Reason::RailClosed)
                }
            }
            _ => Err(Reason::UnknownRail),
        }
    }

    pub(super) fn check_available(&self, account: AccountId, asset: AssetId, amount: Amount) -> Result<(), Reason> {
        if self.spendable(account, asset) < amount { Err(Reason::InsufficientBalance) } else { Ok(()) }
    }

    /// A transaction that another one names.
    fn find_of_kind(
        &self,
        id: &Label,
        kind: TransactionKind,
    ) -> Result<(crate::ids::TransactionId, Transaction), Reason> {
        let number = self.transactions.known.find(id.fingerprint()).ok_or(Reason::UnknownTransaction)?;
        let known = self.transactions.known.get(number);
        match known.kind() {
            None => Err(Reason::TransactionFinal),
            Some(of) if of != kind => Err(Reason::WrongTransactionKind),
            // Of a canceled one the terms may not be there.
            Some(_) => Ok((number, self.transactions.view(number, id))),
        }
    }
}

/// Which accounts a correction by hand may touch.
const fn may_adjust(account: LedgerAccount) -> bool {
    match account {
        LedgerAccount::Available(_) | LedgerAccount::External(_) => true,
        LedgerAccount::House(house) => {
            matches!(house, House::Suspense | House::RebateExpense | House::CommissionExpense | House::Adjustment)
        }
        LedgerAccount::Held(_) | LedgerAccount::Outgoing(_) | LedgerAccount::Incoming(_) => false,
    }
}
