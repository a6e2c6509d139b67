//! What a `Try` is refused for, and what it does.

use rialto_engine::ids::{AssetId, RailId, TransactionId};
use rialto_engine::label::Label;
use rialto_engine::market::SUPPLY_MAX;
use rialto_engine::reason::Reason;
use rialto_engine::transaction::{
    Ask, Body, Happening, Stage, Standing, Topic, Transaction, TransactionKind, TransactionState,
};
use rialto_engine::units::{Amount, Nanos};
use rialto_engine::wallet::{Cause, House, LedgerAccount};

use crate::naive::{Naive, Outcome, changed, later, unchanged, user};

const FEE: LedgerAccount = LedgerAccount::House(House::Fee);
const PLATFORM_FEE: LedgerAccount = LedgerAccount::House(House::PlatformFee);
const COMMISSION_EXPENSE: LedgerAccount = LedgerAccount::House(House::CommissionExpense);
const ADJUSTMENT: LedgerAccount = LedgerAccount::House(House::Adjustment);

impl Naive {
    pub fn attempt(&mut self, id: Label, body: &Body, rail: RailId, until: Nanos, time: Nanos) -> Outcome {
        if let Some(index) = self.numbers.get(&id).copied() {
            return match &self.transactions[index].view.body {
                None => Err(Reason::TransactionCanceled),
                Some(before) if before == body => unchanged(Some(index)),
                Some(_) => Err(Reason::IdempotencyConflict),
            };
        }
        self.check(body, rail, until, time)?;
        let lifetime = self.policy(Topic::Kind(body.kind())).lifetime;
        let by_lifetime = if lifetime.is_zero() { Nanos(0) } else { later(time, lifetime) };
        let until = match body {
            Body::Adjustment { .. } => by_lifetime,
            _ if is_at_once(body) => Nanos(0),
            _ if until.is_zero() => by_lifetime,
            _ => until,
        };
        let view = Transaction { body: Some(body.clone()), rail, until, ..self.blank(id, time) };
        let index = self.enter(view);
        if body.kind().has_rail() {
            self.begin_over_rail(index, body, time);
        } else if is_at_once(body) {
            self.do_at_once(index, body, time);
        } else {
            self.hold(index, body, time);
        }
        changed(Some(index))
    }

    fn check(&self, body: &Body, rail: RailId, until: Nanos, time: Nanos) -> Result<(), Reason> {
        let is_back = matches!(body, Body::Refund { .. } | Body::ClawBack { .. });
        if !is_back && self.named(body).iter().any(|account| account.0 >= self.accounts) {
            return Err(Reason::UnknownAccount);
        }
        if asset(body).is_some_and(|asset| asset.0 >= self.assets) {
            return Err(Reason::UnknownAsset);
        }
        let amount = amount(body);
        if amount.is_some_and(|amount| amount <= 0) {
            return Err(Reason::AmountNotPositive);
        }
        let amount = amount.unwrap_or(0);
        match body {
            Body::Transfer { from: one, to: other, .. } | Body::Payment { payer: one, merchant: other, .. }
                if one == other =>
            {
                return Err(Reason::SameAccount);
            }
            _ => {}
        }
        self.check_form(body, rail, until, time)?;
        self.check_rails(body, rail)?;
        self.check_original(body)?;
        self.check_standing(body)?;
        self.check_own(body, amount)?;
        let kind = body.kind();
        let fee = match (kind, asset(body)) {
            (TransactionKind::Withdrawal | TransactionKind::Payment, Some(asset)) => self.fee(kind, asset, amount),
            _ => 0,
        };
        if fee > amount {
            return Err(Reason::FeeExceedsAmount);
        }
        self.check_supply(body, amount)?;
        let (needed, payer, asset) = match body {
            Body::Withdrawal { account, asset, .. } => (amount + fee, *account, *asset),
            Body::Transfer { from: payer, asset, .. } | Body::Payment { payer, asset, .. } => (amount, *payer, *asset),
            Body::Refund { payment, .. } => {
                let (merchant, asset) = self.payment_of(payment);
                (amount - self.fee_back(payment, amount), merchant, asset)
            }
            _ => return Ok(()),
        };
        if self.spendable(payer, asset) < needed {
            return Err(Reason::InsufficientBalance);
        }
        Ok(())
    }

    fn check_form(&self, body: &Body, rail: RailId, until: Nanos, time: Nanos) -> Result<(), Reason> {
        let is_malformed = match body {
            Body::Withdrawal { destination, .. } => {
                let printable = |byte: &u8| (b' '..=b'~').contains(byte);
                destination.is_empty() || destination.len() > 256 || !destination.as_bytes().iter().all(printable)
            }
            Body::Adjustment { from, to, corrects, .. } => {
                from == to || !may_be_adjusted(*from) || !may_be_adjusted(*to) || *corrects > self.entries.len() as u64
            }
            _ => false,
        };
        let has_until = !is_at_once(body) && !matches!(body, Body::Adjustment { .. });
        let is_over = has_until && !until.is_zero() && until <= time;
        let is_foreign = !body.kind().has_rail() && rail != RailId::DIRECT;
        if is_malformed || is_over || is_foreign { Err(Reason::MalformedTransaction) } else { Ok(()) }
    }

    fn check_rails(&self, body: &Body, rail: RailId) -> Result<(), Reason> {
        if let Body::Adjustment { from, to, .. } = body {
            for account in [from, to] {
                if matches!(account, LedgerAccount::External(rail) if usize::from(rail.0) >= self.rails.len()) {
                    return Err(Reason::UnknownRail);
                }
            }
        }
        if !body.kind().has_rail() {
            return Ok(());
        }
        match self.rails.get(usize::from(rail.0)) {
            _ if rail == RailId::DIRECT => Err(Reason::UnknownRail),
            None => Err(Reason::UnknownRail),
            Some((_, false)) => Err(Reason::RailClosed),
            Some((_, true)) => Ok(()),
        }
    }

    fn check_original(&self, body: &Body) -> Result<(), Reason> {
        let (id, kind) = match body {
            Body::Refund { payment, .. } => (payment, TransactionKind::Payment),
            Body::ClawBack { commission, .. } => (commission, TransactionKind::Commission),
            _ => return Ok(()),
        };
        let index = self.numbers.get(id).ok_or(Reason::UnknownTransaction)?;
        let original = &self.transactions[*index].view;
        match (&original.body, original.state) {
            (None, _) => Err(Reason::TransactionFinal),
            (Some(body), _) if body.kind() != kind => Err(Reason::WrongTransactionKind),
            (_, TransactionState::Canceled) => Err(Reason::TransactionFinal),
            (_, TransactionState::Open) if kind == TransactionKind::Payment => Err(Reason::NotDue),
            _ => Ok(()),
        }
    }

    pub fn check_standing(&self, body: &Body) -> Result<(), Reason> {
        let of = |account: rialto_engine::ids::AccountId| self.standings[account.0 as usize];
        let (from, to) = match body {
            Body::Deposit { account, .. } => (None, Some(*account)),
            Body::Withdrawal { account, .. } => (Some(*account), None),
            Body::Transfer { from, to, .. } | Body::Payment { payer: from, merchant: to, .. } => {
                (Some(*from), Some(*to))
            }
            Body::Refund { payment, .. } => {
                let Body::Payment { payer, merchant, .. } = self.body_of(payment) else { unreachable!("was checked") };
                (Some(*merchant), Some(*payer))
            }
            Body::Commission { agent, .. } => (None, Some(*agent)),
            Body::ClawBack { .. } | Body::FeeShare { .. } => (None, None),
            Body::Adjustment { from, to, .. } => (user(*from), user(*to)),
        };
        match from.map(of) {
            Some(Standing::Frozen) => return Err(Reason::AccountFrozen),
            Some(Standing::Closed) => return Err(Reason::AccountClosed),
            _ => {}
        }
        if to.map(of) == Some(Standing::Closed) { Err(Reason::AccountClosed) } else { Ok(()) }
    }

    fn check_own(&self, body: &Body, amount: i128) -> Result<(), Reason> {
        match body {
            Body::Refund { payment, .. } => {
                let payment = &self.transactions[self.numbers[payment]].view;
                if payment.reversed.0 + amount > payment.posted.0 {
                    return Err(Reason::RefundExceedsPayment);
                }
            }
            Body::ClawBack { commission, .. } => {
                let view = &self.transactions[self.numbers[commission]].view;
                let Body::Commission { amount: whole, .. } = self.body_of(commission) else { unreachable!("checked") };
                if view.reversed.0 + amount > whole.0 {
                    return Err(Reason::ClawBackExceedsCommission);
                }
            }
            Body::FeeShare { asset, rate } if self.share(*asset, rate.0) <= 0 => return Err(Reason::NothingToMove),
            Body::Adjustment { case, asset, .. } if case.0 != 0 => {
                if !self.is_open(*case) {
                    return Err(Reason::UnknownCase);
                }
                if self.cases[case.0 as usize - 1].case.asset != *asset {
                    return Err(Reason::CurrencyMismatch);
                }
            }
            _ => {}
        }
        Ok(())
    }

    pub fn check_supply(&self, body: &Body, amount: i128) -> Result<(), Reason> {
        let (raises, grants, asset) = match body {
            Body::Deposit { asset, .. } => (amount, true, *asset),
            Body::Commission { asset, .. } => (0, true, *asset),
            Body::Adjustment { from, to, asset, .. } => {
                let raises = match (from, to) {
                    (LedgerAccount::External(_), LedgerAccount::External(_)) => 0,
                    (LedgerAccount::External(_), _) => amount,
                    (_, LedgerAccount::External(_)) => -amount,
                    _ => 0,
                };
                (raises, user(*to).is_some() && user(*from).is_none(), *asset)
            }
            _ => return Ok(()),
        };
        if matches!(body, Body::Adjustment { .. }) && amount > SUPPLY_MAX.0 {
            return Err(Reason::SupplyExceeded);
        }
        let after = self.supply(asset) + raises;
        let exceeds = raises > 0 && after > SUPPLY_MAX.0 || raises < 0 && after < -SUPPLY_MAX.0;
        if exceeds || grants && self.owned(asset) + amount > SUPPLY_MAX.0 {
            return Err(Reason::SupplyExceeded);
        }
        Ok(())
    }

    fn begin_over_rail(&mut self, index: usize, body: &Body, time: Nanos) {
        if let Body::Withdrawal { account, asset, amount, .. } = body {
            let fee = self.fee(TransactionKind::Withdrawal, *asset, amount.0);
            self.transactions[index].view.fee = Amount(fee);
            let (from, to) = (LedgerAccount::Available(*account), LedgerAccount::Outgoing(*account));
            self.pay(*asset, from, to, amount.0 + fee, cause(index), time);
        }
        self.happen(index, Happening::Opened, time);
        self.hand_over(index, time);
    }

    /// Hands a transaction to its rail.
    pub fn hand_over(&mut self, index: usize, time: Nanos) {
        self.transactions[index].view.stage = Stage::Sent;
        self.happen(index, Happening::Sent, time);
        self.call(index, Ask::Submit);
    }

    fn hold(&mut self, index: usize, body: &Body, time: Nanos) {
        match body {
            Body::Transfer { from: payer, asset, amount, .. } => {
                self.set_aside(index, *payer, *asset, amount.0, time);
            }
            Body::Payment { payer, asset, amount, .. } => {
                let fee = self.fee(TransactionKind::Payment, *asset, amount.0);
                self.transactions[index].view.fee = Amount(fee);
                self.set_aside(index, *payer, *asset, amount.0, time);
            }
            Body::Refund { payment, amount, .. } => {
                let (merchant, asset) = self.payment_of(payment);
                let back = self.fee_back(payment, amount.0);
                self.transactions[index].view.fee = Amount(back);
                self.set_aside(index, merchant, asset, amount.0 - back, time);
            }
            Body::Commission { agent, asset, amount } => {
                let to = LedgerAccount::Incoming(*agent);
                self.pay(*asset, COMMISSION_EXPENSE, to, amount.0, cause(index), time);
            }
            Body::Adjustment { .. } => {}
            _ => unreachable!("{body:?} is not held"),
        }
        self.happen(index, Happening::Opened, time);
        if let Body::Refund { payment, amount, .. } = body {
            let back = self.transactions[index].view.fee.0;
            self.reverse(payment, amount.0, back, time);
        }
    }

    fn set_aside(
        &mut self,
        index: usize,
        user: rialto_engine::ids::AccountId,
        asset: AssetId,
        amount: i128,
        time: Nanos,
    ) {
        let (from, to) = (LedgerAccount::Available(user), LedgerAccount::Outgoing(user));
        self.pay(asset, from, to, amount, cause(index), time);
    }

    fn do_at_once(&mut self, index: usize, body: &Body, time: Nanos) {
        use LedgerAccount::{Available, Incoming};
        let cause = cause(index);
        let posted = match body {
            Body::Transfer { from, to, asset, amount, .. } => {
                self.pay(*asset, Available(*from), Available(*to), amount.0, cause, time);
                amount.0
            }
            Body::Payment { payer, merchant, asset, amount, .. } => {
                let fee = self.fee(TransactionKind::Payment, *asset, amount.0);
                self.transactions[index].view.fee = Amount(fee);
                self.pay(*asset, Available(*payer), Available(*merchant), amount.0 - fee, cause, time);
                self.pay(*asset, Available(*payer), FEE, fee, cause, time);
                amount.0
            }
            Body::Refund { payment, amount, .. } => {
                let (merchant, asset) = self.payment_of(payment);
                let payer = self.payer_of(payment);
                let back = self.fee_back(payment, amount.0);
                self.transactions[index].view.fee = Amount(back);
                self.pay(asset, Available(merchant), Available(payer), amount.0 - back, cause, time);
                self.pay_fee_back(asset, payer, back, index, time);
                amount.0
            }
            Body::ClawBack { commission, amount } => {
                let original = self.numbers[commission];
                let Body::Commission { agent, asset, .. } = *self.body_of(commission) else { unreachable!("checked") };
                if self.transactions[original].view.state.is_final() {
                    let there = self.available(agent, asset).clamp(0, amount.0);
                    self.pay(asset, Available(agent), COMMISSION_EXPENSE, there, cause, time);
                    self.pay(asset, ADJUSTMENT, COMMISSION_EXPENSE, amount.0 - there, cause, time);
                } else {
                    self.pay(asset, Incoming(agent), COMMISSION_EXPENSE, amount.0, cause, time);
                }
                amount.0
            }
            Body::FeeShare { asset, rate } => {
                let share = self.share(*asset, rate.0);
                self.pay(*asset, FEE, PLATFORM_FEE, share, cause, time);
                share
            }
            _ => unreachable!("{body:?} is not done at once"),
        };
        let view = &mut self.transactions[index].view;
        view.state = TransactionState::Confirmed;
        view.posted = Amount(posted);
        let back = view.fee.0;
        self.happen(index, Happening::Confirmed, time);
        match body {
            Body::Refund { payment, amount, .. } => self.reverse(payment, amount.0, back, time),
            Body::ClawBack { commission, amount } => {
                self.reverse(commission, amount.0, 0, time);
                let original = self.numbers[commission];
                let Body::Commission { amount: whole, .. } = *self.body_of(commission) else { unreachable!("checked") };
                let view = &mut self.transactions[original].view;
                if view.state == TransactionState::Open && view.reversed == whole {
                    view.state = TransactionState::Canceled;
                    self.happen(original, Happening::Canceled, time);
                }
            }
            _ => {}
        }
    }

    /// Part of a payment or commission goes back, or, below zero, does not after all.
    pub fn reverse(&mut self, original: &Label, amount: i128, fee: i128, time: Nanos) {
        let original = self.numbers[original];
        let view = &mut self.transactions[original].view;
        view.reversed += Amount(amount);
        view.fee_back += Amount(fee);
        self.happen(original, Happening::Reversed, time);
    }

    /// How much of a payment's fee goes back with so much of it.
    fn fee_back(&self, payment: &Label, amount: i128) -> i128 {
        let payment = &self.transactions[self.numbers[payment]].view;
        let due = share_of(payment.fee.0, payment.reversed.0 + amount, payment.posted.0);
        (due - payment.fee_back.0).max(0).min(amount)
    }

    pub fn pay_fee_back(
        &mut self,
        asset: AssetId,
        payer: rialto_engine::ids::AccountId,
        back: i128,
        index: usize,
        time: Nanos,
    ) {
        let own = self.sum(asset, FEE).min(back);
        let payer = LedgerAccount::Available(payer);
        self.pay(asset, FEE, payer, own, cause(index), time);
        self.pay(asset, PLATFORM_FEE, payer, back - own, cause(index), time);
    }

    fn share(&self, asset: AssetId, rate: u32) -> i128 {
        let (fee, platform) = (self.sum(asset, FEE), self.sum(asset, PLATFORM_FEE));
        ((fee + platform) * i128::from(rate) / 10_000 - platform).min(fee)
    }

    pub fn body_of(&self, id: &Label) -> &Body {
        self.transactions[self.numbers[id]].view.body.as_ref().expect("was checked")
    }

    pub fn payment_of(&self, payment: &Label) -> (rialto_engine::ids::AccountId, AssetId) {
        let Body::Payment { merchant, asset, .. } = self.body_of(payment) else { unreachable!("was checked") };
        (*merchant, *asset)
    }

    pub fn payer_of(&self, payment: &Label) -> rialto_engine::ids::AccountId {
        let Body::Payment { payer, .. } = self.body_of(payment) else { unreachable!("was checked") };
        *payer
    }
}

/// `whole * part / all`, rounded down, by long multiplication: both factors may have a hundred bits.
pub fn share_of(whole: i128, part: i128, all: i128) -> i128 {
    let (mut result, mut rest) = (0_i128, 0_i128);
    for bit in (0..127).rev() {
        // result and rest of whole * (part >> bit) / all.
        (result, rest) = (result * 2, rest * 2);
        if part >> bit & 1 == 1 {
            rest += whole;
        }
        result += rest / all;
        rest %= all;
    }
    result
}

pub fn cause(index: usize) -> Cause {
    Cause::Transaction(TransactionId(index as u64 + 1))
}

pub fn is_at_once(body: &Body) -> bool {
    match body {
        Body::Transfer { held, .. } | Body::Payment { held, .. } | Body::Refund { held, .. } => !held,
        Body::ClawBack { .. } | Body::FeeShare { .. } => true,
        _ => false,
    }
}

pub fn asset(body: &Body) -> Option<AssetId> {
    match body {
        Body::Deposit { asset, .. }
        | Body::Withdrawal { asset, .. }
        | Body::Transfer { asset, .. }
        | Body::Payment { asset, .. }
        | Body::Commission { asset, .. }
        | Body::FeeShare { asset, .. }
        | Body::Adjustment { asset, .. } => Some(*asset),
        Body::Refund { .. } | Body::ClawBack { .. } => None,
    }
}

pub fn amount(body: &Body) -> Option<i128> {
    match body {
        Body::Deposit { amount, .. }
        | Body::Withdrawal { amount, .. }
        | Body::Transfer { amount, .. }
        | Body::Payment { amount, .. }
        | Body::Commission { amount, .. }
        | Body::Refund { amount, .. }
        | Body::ClawBack { amount, .. }
        | Body::Adjustment { amount, .. } => Some(amount.0),
        Body::FeeShare { .. } => None,
    }
}

fn may_be_adjusted(account: LedgerAccount) -> bool {
    match account {
        LedgerAccount::Available(_) | LedgerAccount::External(_) => true,
        LedgerAccount::House(house) => {
            matches!(house, House::Suspense | House::RebateExpense | House::CommissionExpense | House::Adjustment)
        }
        _ => false,
    }
}
