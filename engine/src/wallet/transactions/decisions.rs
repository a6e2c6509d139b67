//! The second step: a transaction is confirmed, canceled or approved, once.

use super::fees::part;
use super::life::ask;
use super::{Live, Move, changed, unchanged};
use crate::ids::{RailId, TransactionId};
use crate::label::Label;
use crate::reason::Reason;
use crate::transaction::{
    APPROVERS, Ask, Body, Happening, Stage, Transacted, Transaction, TransactionKind, TransactionState,
};
use crate::units::{Amount, Nanos};
use crate::wallet::ledger::{House, LedgerAccount};
use crate::wallet::{Wallet, WalletOutput};

impl Wallet {
    pub(super) fn confirm(
        &mut self,
        id: &Label,
        amount: Amount,
        time: Nanos,
        output: &mut WalletOutput,
    ) -> Result<Transacted, Reason> {
        let number = self.transactions.known.find(id.fingerprint()).ok_or(Reason::UnknownTransaction)?;
        let known = self.transactions.known.get(number);
        match known.kind() {
            None => return Err(Reason::TransactionFinal),
            Some(TransactionKind::Transfer | TransactionKind::Payment | TransactionKind::Refund) => {}
            Some(TransactionKind::Commission) if amount.is_zero() => {}
            Some(_) => return Err(Reason::WrongTransactionKind),
        }
        if amount.0 < 0 {
            return Err(Reason::AmountNotPositive);
        }
        match known.state() {
            TransactionState::Canceled => return Err(Reason::TransactionFinal),
            TransactionState::Confirmed if amount.is_zero() || self.decided(number) == Some(amount) => {
                return Ok(unchanged(number));
            }
            TransactionState::Confirmed => return Err(Reason::IdempotencyConflict),
            TransactionState::Open | TransactionState::Closing => {}
        }
        let body = self.live_transaction(number).and_then(|transaction| transaction.body.as_ref());
        let all = body.and_then(Body::amount).unwrap_or_default();
        if amount > all {
            return Err(Reason::AmountExceedsHold);
        }
        // From here on the command cannot fail.
        let mut live = self.transactions.take(number, id);
        self.carry_out(&mut live, if amount.is_zero() { all } else { amount }, time, output);
        self.transactions.keep(live);
        Ok(changed(number))
    }

    /// How much a confirmation said that came before. Of what was done at once there was none.
    fn decided(&self, number: TransactionId) -> Option<Amount> {
        match self.live_transaction(number) {
            Some(Transaction { body: Some(body), posted, .. }) => {
                (body.is_held() || body.kind() == TransactionKind::Payment).then_some(*posted)
            }
            _ => self.transactions.terms(number).map(|terms| terms.posted),
        }
    }

    /// What is held goes through, as much as is said, and the rest goes back.
    pub(super) fn carry_out(&mut self, live: &mut Live, amount: Amount, time: Nanos, output: &mut WalletOutput) {
        let cause = live.cause();
        let Some(body) = live.transaction.body.clone() else { return };
        let mut posted = amount;
        match body {
            Body::Transfer { from, to, asset, amount: held, .. } => {
                let hold = LedgerAccount::Outgoing(from);
                let through = Move(asset, hold, LedgerAccount::Available(to), amount);
                let rest = Move(asset, hold, LedgerAccount::Available(from), held - amount);
                self.post(cause, time, output, &[through, rest]);
            }
            Body::Payment { payer, merchant, asset, amount: held, .. } => {
                // Of a part the fee is taken anew. It never gets more than it was.
                let mut fee = live.transaction.fee;
                if amount < held {
                    let anew = self.fee(TransactionKind::Payment, asset, amount);
                    fee = fee.min(anew).min(amount);
                }
                live.transaction.fee = fee;
                let hold = LedgerAccount::Outgoing(payer);
                let through = Move(asset, hold, LedgerAccount::Available(merchant), amount - fee);
                let earned = Move(asset, hold, LedgerAccount::House(House::Fee), fee);
                let rest = Move(asset, hold, LedgerAccount::Available(payer), held - amount);
                self.post(cause, time, output, &[through, earned, rest]);
            }
            Body::Refund { payment, amount: held, .. } => {
                let Some((number, Body::Payment { payer, merchant, asset, .. })) = self.payment_of(&payment) else {
                    unreachable!("a payment with an open refund is confirmed")
                };
                let before = live.transaction.fee;
                let fee = part(before, amount, held);
                live.transaction.fee = fee;
                let hold = LedgerAccount::Outgoing(merchant);
                let net = amount - fee;
                let through = Move(asset, hold, LedgerAccount::Available(payer), net);
                self.post(cause, time, output, &[through]);
                self.post_fee_back(cause, payer, asset, fee, time, output);
                let rest = Move(asset, hold, LedgerAccount::Available(merchant), held - before - net);
                self.post(cause, time, output, &[rest]);
                if amount < held {
                    self.take_less_back(number, &payment, held - amount, before - fee, time, output);
                }
            }
            Body::Commission { agent, asset, amount: earned } => {
                posted = earned - live.transaction.reversed;
                let paid = Move(asset, LedgerAccount::Incoming(agent), LedgerAccount::Available(agent), posted);
                self.post(cause, time, output, &[paid]);
            }
            _ => unreachable!("only these wait for a confirmation"),
        }
        self.decide(live, TransactionState::Confirmed, posted, time, output);
    }

    fn payment_of(&self, payment: &Label) -> Option<(TransactionId, Body)> {
        let number = self.transactions.known.find(payment.fingerprint())?;
        Some((number, self.transactions.view(number, payment).body?))
    }

    /// A refund that was held uses less of its payment than it might have.
    fn take_less_back(
        &mut self,
        number: TransactionId,
        payment: &Label,
        amount: Amount,
        fee: Amount,
        time: Nanos,
        output: &mut WalletOutput,
    ) {
        let mut paid = self.transactions.take(number, payment);
        paid.transaction.reversed -= amount;
        paid.transaction.fee_back -= fee;
        self.restart(&mut paid, time);
        self.announce(&mut paid, Happening::Reversed, time, output);
        self.transactions.keep(paid);
    }

    pub(super) fn cancel(&mut self, id: &Label, time: Nanos, output: &mut WalletOutput) -> Result<Transacted, Reason> {
        let Some(number) = self.transactions.known.find(id.fingerprint()) else {
            return Ok(self.use_up(id, time, output));
        };
        match self.transactions.known.get(number).state() {
            TransactionState::Confirmed => return Err(Reason::TransactionFinal),
            TransactionState::Canceled | TransactionState::Closing => return Ok(unchanged(number)),
            TransactionState::Open => {}
        }
        // From here on the command cannot fail.
        let mut live = self.transactions.take(number, id);
        self.call_off(&mut live, time, output);
        self.transactions.keep(live);
        Ok(changed(number))
    }

    /// A transaction shall not go through. Of one over a rail, the rail decides whether it still can,
    /// unless it has never had it.
    pub(super) fn call_off(&mut self, live: &mut Live, time: Nanos, output: &mut WalletOutput) {
        let is_over_a_rail = live.transaction.body.as_ref().is_some_and(|body| body.kind().has_rail());
        if is_over_a_rail && (live.transaction.stage != Stage::Unsent || live.pending > 0) {
            live.transaction.state = TransactionState::Closing;
            self.restart(live, time);
            self.announce(live, Happening::Closing, time, output);
            ask(Ask::Cancel, live, output);
        } else {
            self.give_back(live, time, output);
        }
    }

    /// What a transaction has set aside goes back where it was, and it is over. Of a deposit, what
    /// has come in stays.
    pub(super) fn give_back(&mut self, live: &mut Live, time: Nanos, output: &mut WalletOutput) {
        let cause = live.cause();
        let Some(body) = live.transaction.body.clone() else { return };
        match body {
            Body::Deposit { account, asset, .. } if !live.transaction.moved.is_zero() => {
                return self.complete_deposit(live, account, asset, time, output);
            }
            Body::Withdrawal { account, asset, amount, .. } => {
                let all = amount + live.transaction.fee;
                let back = Move(asset, LedgerAccount::Outgoing(account), LedgerAccount::Available(account), all);
                self.post(cause, time, output, &[back]);
            }
            Body::Transfer { from: payer, asset, amount, .. } | Body::Payment { payer, asset, amount, .. } => {
                let back = Move(asset, LedgerAccount::Outgoing(payer), LedgerAccount::Available(payer), amount);
                self.post(cause, time, output, &[back]);
            }
            Body::Refund { payment, amount, .. } => {
                let Some((number, Body::Payment { merchant, asset, .. })) = self.payment_of(&payment) else {
                    unreachable!("a payment with an open refund is confirmed")
                };
                let fee = live.transaction.fee;
                let (hold, free) = (LedgerAccount::Outgoing(merchant), LedgerAccount::Available(merchant));
                self.post(cause, time, output, &[Move(asset, hold, free, amount - fee)]);
                self.take_less_back(number, &payment, amount, fee, time, output);
            }
            Body::Commission { agent, asset, amount } => {
                let rest = amount - live.transaction.reversed;
                let expense = LedgerAccount::House(House::CommissionExpense);
                self.post(cause, time, output, &[Move(asset, LedgerAccount::Incoming(agent), expense, rest)]);
            }
            Body::Deposit { .. } | Body::Adjustment { .. } | Body::ClawBack { .. } | Body::FeeShare { .. } => {}
        }
        self.decide(live, TransactionState::Canceled, Amount::ZERO, time, output);
    }

    pub(super) fn approve(
        &mut self,
        id: &Label,
        operator: &Label,
        time: Nanos,
        output: &mut WalletOutput,
    ) -> Result<Transacted, Reason> {
        let number = self.transactions.known.find(id.fingerprint()).ok_or(Reason::UnknownTransaction)?;
        let known = self.transactions.known.get(number);
        if known.kind().is_some_and(|kind| kind != TransactionKind::Adjustment) {
            return Err(Reason::WrongTransactionKind);
        }
        if known.state() != TransactionState::Open {
            return Err(Reason::TransactionFinal);
        }
        let Some(Transaction { body: Some(body), approvals, .. }) = self.live_transaction(number) else {
            unreachable!("an open transaction is live")
        };
        if approvals.iter().any(|other| other.is_of_one_with(operator)) {
            return Err(Reason::AlreadyApproved);
        }
        let is_last = approvals.len() + 1 == APPROVERS;
        let Body::Adjustment { asset, from, to, amount, case, .. } = *body else { unreachable!("it was asked before") };
        if is_last {
            self.check_adjusting(body)?;
            if case.0 != 0 && self.open_case(case).is_none() {
                return Err(Reason::UnknownCase);
            }
            self.check_adjusted_supply(body)?;
            if let LedgerAccount::Available(user) = from {
                self.check_available(user, asset, amount)?;
            }
        }
        // From here on the command cannot fail.
        let mut live = self.transactions.take(number, id);
        live.transaction.approvals.push(*operator);
        self.restart(&mut live, time);
        self.announce(&mut live, Happening::Approved { operator: *operator }, time, output);
        if is_last {
            self.post(live.cause(), time, output, &[Move(asset, from, to, amount)]);
            self.decide(&mut live, TransactionState::Confirmed, amount, time, output);
            if case.0 != 0 {
                self.settle_case(case, operator, number, time, output);
            }
        }
        self.transactions.keep(live);
        Ok(changed(number))
    }

    pub(super) fn reroute(
        &mut self,
        number: TransactionId,
        rail: RailId,
        time: Nanos,
        output: &mut WalletOutput,
    ) -> Result<Transacted, Reason> {
        let transaction = self.live_transaction(number).ok_or(Reason::UnknownTransaction)?;
        if !transaction.body.as_ref().is_some_and(|body| body.kind().has_rail()) {
            return Err(Reason::WrongTransactionKind);
        }
        if super::is_final(transaction.state) {
            return Err(Reason::TransactionFinal);
        }
        let is_free = transaction.state == TransactionState::Open && transaction.stage == Stage::Unsent;
        if !is_free || !transaction.moved.is_zero() {
            return Err(Reason::AlreadySent);
        }
        self.check_rail(rail)?;
        if rail == transaction.rail {
            return Ok(unchanged(number));
        }
        // From here on the command cannot fail.
        let mut live = self.transactions.take_live(number).expect("it was just seen");
        live.transaction.rail = rail;
        self.restart(&mut live, time);
        self.announce(&mut live, Happening::Rerouted, time, output);
        self.send_out(&mut live, time, output);
        self.transactions.keep(live);
        Ok(changed(number))
    }
}
