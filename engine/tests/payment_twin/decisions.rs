//! Confirming, cancelling, approving, and what timers do.

use rialto_engine::ids::{RailId, TransactionId};
use rialto_engine::label::Label;
use rialto_engine::reason::Reason;
use rialto_engine::transaction::{Ask, Body, Happening, Stage, TransactionKind, TransactionState};
use rialto_engine::units::{Amount, Nanos};
use rialto_engine::wallet::{House, LedgerAccount};

use crate::naive::{Naive, Outcome, changed, later, unchanged, user};
use crate::tries::{cause, is_at_once};

const FEE: LedgerAccount = LedgerAccount::House(House::Fee);
const COMMISSION_EXPENSE: LedgerAccount = LedgerAccount::House(House::CommissionExpense);

impl Naive {
    pub fn confirm(&mut self, id: &Label, amount: i128, time: Nanos) -> Outcome {
        use TransactionKind::{Commission, Payment, Refund, Transfer};
        let index = *self.numbers.get(id).ok_or(Reason::UnknownTransaction)?;
        let view = &self.transactions[index].view;
        let Some(body) = view.body.clone() else { return Err(Reason::TransactionFinal) };
        if !matches!(body.kind(), Transfer | Payment | Refund | Commission) || body.kind() == Commission && amount != 0
        {
            return Err(Reason::WrongTransactionKind);
        }
        if amount < 0 {
            return Err(Reason::AmountNotPositive);
        }
        match view.state {
            TransactionState::Confirmed => {
                // What was done at once had no amount to confirm; of a payment it is remembered.
                let is_other = if is_at_once(&body) && body.kind() != Payment {
                    amount != 0
                } else {
                    amount != 0 && amount != view.posted.0
                };
                return if is_other { Err(Reason::IdempotencyConflict) } else { unchanged(Some(index)) };
            }
            TransactionState::Canceled => return Err(Reason::TransactionFinal),
            TransactionState::Open | TransactionState::Closing => {}
        }
        if amount > crate::tries::amount(&body).expect("these have one") {
            return Err(Reason::AmountExceedsHold);
        }
        self.go_through(index, &body, amount, time);
        changed(Some(index))
    }

    /// Posts what is held, or so much of it.
    fn go_through(&mut self, index: usize, body: &Body, part: i128, time: Nanos) {
        use LedgerAccount::{Available, Incoming, Outgoing};
        let cause = cause(index);
        let posted = match body {
            Body::Transfer { from, to, asset, amount, .. } => {
                let part = if part == 0 { amount.0 } else { part };
                self.pay(*asset, Outgoing(*from), Available(*to), part, cause, time);
                self.pay(*asset, Outgoing(*from), Available(*from), amount.0 - part, cause, time);
                part
            }
            Body::Payment { payer, merchant, asset, amount, .. } => {
                let part = if part == 0 { amount.0 } else { part };
                let mut fee = self.transactions[index].view.fee.0;
                if part < amount.0 {
                    fee = fee.min(self.fee(TransactionKind::Payment, *asset, part)).min(part);
                }
                self.transactions[index].view.fee = Amount(fee);
                self.pay(*asset, Outgoing(*payer), Available(*merchant), part - fee, cause, time);
                self.pay(*asset, Outgoing(*payer), FEE, fee, cause, time);
                self.pay(*asset, Outgoing(*payer), Available(*payer), amount.0 - part, cause, time);
                part
            }
            Body::Refund { payment, amount, .. } => {
                let part = if part == 0 { amount.0 } else { part };
                let (merchant, asset) = self.payment_of(payment);
                let payer = self.payer_of(payment);
                let whole = self.transactions[index].view.fee.0;
                let back = crate::tries::share_of(whole, part, amount.0);
                self.transactions[index].view.fee = Amount(back);
                let rest = (amount.0 - whole) - (part - back);
                self.pay(asset, Outgoing(merchant), Available(payer), part - back, cause, time);
                self.pay_fee_back(asset, payer, back, index, time);
                self.pay(asset, Outgoing(merchant), Available(merchant), rest, cause, time);
                if part < amount.0 {
                    self.reverse(payment, part - amount.0, back - whole, time);
                }
                part
            }
            Body::Commission { agent, asset, amount } => {
                let left = amount.0 - self.transactions[index].view.reversed.0;
                self.pay(*asset, Incoming(*agent), Available(*agent), left, cause, time);
                left
            }
            _ => unreachable!("{body:?} is not confirmed"),
        };
        self.end(index, TransactionState::Confirmed, posted, time);
    }

    /// A transaction has gone through or not.
    pub fn end(&mut self, index: usize, state: TransactionState, posted: i128, time: Nanos) {
        let view = &mut self.transactions[index].view;
        view.state = state;
        view.posted = Amount(posted);
        let what = if state == TransactionState::Confirmed { Happening::Confirmed } else { Happening::Canceled };
        self.happen(index, what, time);
    }

    pub fn cancel(&mut self, id: Label, time: Nanos) -> Outcome {
        let Some(index) = self.numbers.get(&id).copied() else {
            let index = self.enter_canceled(id, time);
            self.happen(index, Happening::Canceled, time);
            return changed(Some(index));
        };
        match self.transactions[index].view.state {
            TransactionState::Confirmed => Err(Reason::TransactionFinal),
            TransactionState::Canceled | TransactionState::Closing => unchanged(Some(index)),
            TransactionState::Open => {
                self.give_up(index, time);
                changed(Some(index))
            }
        }
    }

    /// Cancels one that is open.
    fn give_up(&mut self, index: usize, time: Nanos) {
        use LedgerAccount::{Available, Incoming, Outgoing};
        let view = self.transactions[index].view.clone();
        let body = view.body.expect("only those with a body are open");
        if body.kind().has_rail() {
            // What came in and may be taken back keeps it open even so.
            if view.stage == Stage::Unsent && !self.has_pending(index) {
                self.rail_is_done(index, time);
            } else {
                self.transactions[index].view.state = TransactionState::Closing;
                self.happen(index, Happening::Closing, time);
                self.call(index, Ask::Cancel);
            }
            return;
        }
        match &body {
            Body::Transfer { from: payer, asset, amount, .. } | Body::Payment { payer, asset, amount, .. } => {
                self.pay(*asset, Outgoing(*payer), Available(*payer), amount.0, cause(index), time);
            }
            Body::Refund { payment, amount, .. } => {
                let (merchant, asset) = self.payment_of(payment);
                let back = view.fee.0;
                self.pay(asset, Outgoing(merchant), Available(merchant), amount.0 - back, cause(index), time);
                self.reverse(payment, -amount.0, -back, time);
            }
            Body::Commission { agent, asset, amount } => {
                let left = amount.0 - view.reversed.0;
                self.pay(*asset, Incoming(*agent), COMMISSION_EXPENSE, left, cause(index), time);
            }
            Body::Adjustment { .. } => {}
            _ => unreachable!("{body:?} is never open"),
        }
        self.end(index, TransactionState::Canceled, 0, time);
    }

    pub fn approve(&mut self, id: &Label, operator: Label, time: Nanos) -> Outcome {
        let index = *self.numbers.get(id).ok_or(Reason::UnknownTransaction)?;
        let view = &self.transactions[index].view;
        let Some(body) = view.body.clone() else { return Err(Reason::TransactionFinal) };
        let Body::Adjustment { asset, from, to, amount, case, .. } = body else {
            return Err(Reason::WrongTransactionKind);
        };
        if view.state.is_final() {
            return Err(Reason::TransactionFinal);
        }
        if view.approvals.iter().any(|other| are_one(other, &operator)) {
            return Err(Reason::AlreadyApproved);
        }
        let is_last = view.approvals.len() + 1 == 2;
        if is_last {
            self.check_standing(&body)?;
            if case.0 != 0 && !self.is_open(case) {
                return Err(Reason::UnknownCase);
            }
            self.check_supply(&body, amount.0)?;
            if user(from).is_some() && self.sum(asset, from) + self.credit_on(asset, from) < amount.0 {
                return Err(Reason::InsufficientBalance);
            }
            self.pay(asset, from, to, amount.0, cause(index), time);
            if case.0 != 0 {
                self.close_case(case, operator, TransactionId(index as u64 + 1), time);
            }
        }
        self.transactions[index].view.approvals.push(operator);
        self.happen(index, Happening::Approved { operator }, time);
        if is_last {
            self.end(index, TransactionState::Confirmed, amount.0, time);
        }
        changed(Some(index))
    }

    pub fn reroute(&mut self, number: TransactionId, rail: RailId, time: Nanos) -> Outcome {
        let index = self.index(number).ok_or(Reason::UnknownTransaction)?;
        let tracked = &self.transactions[index];
        if !tracked.is_live() {
            return Err(Reason::UnknownTransaction);
        }
        let view = &tracked.view;
        if !view.body.as_ref().is_some_and(|body| body.kind().has_rail()) {
            return Err(Reason::WrongTransactionKind);
        }
        if view.state.is_final() {
            return Err(Reason::TransactionFinal);
        }
        if view.state != TransactionState::Open || view.stage != Stage::Unsent || !view.moved.is_zero() {
            return Err(Reason::AlreadySent);
        }
        if rail == RailId::DIRECT || usize::from(rail.0) >= self.rails.len() {
            return Err(Reason::UnknownRail);
        }
        if !self.rails[usize::from(rail.0)].1 {
            return Err(Reason::RailClosed);
        }
        if rail == view.rail {
            return unchanged(Some(index));
        }
        self.transactions[index].view.rail = rail;
        self.happen(index, Happening::Rerouted, time);
        self.hand_over(index, time);
        changed(Some(index))
    }

    pub fn acknowledge(&mut self, number: TransactionId, event: u32, time: Nanos) -> Outcome {
        let index = self.index(number).ok_or(Reason::UnknownTransaction)?;
        if !self.transactions[index].is_live() || event <= self.transactions[index].view.acknowledged {
            return unchanged(Some(index));
        }
        let topic = self.topic(index);
        let tracked = &mut self.transactions[index];
        if event > tracked.view.acknowledged + 1 || tracked.untold.is_empty() {
            return Err(Reason::NotDue);
        }
        tracked.view.acknowledged += 1;
        tracked.untold.pop_front();
        if let Some(next) = tracked.untold.front() {
            self.output.notices.push(next.clone());
        }
        if topic == rialto_engine::transaction::Topic::Notification {
            self.progress(index, time);
        }
        changed(Some(index))
    }

    pub fn drive(&mut self, number: TransactionId, time: Nanos) -> Outcome {
        let index = self.index(number).ok_or(Reason::UnknownTransaction)?;
        let tracked = &self.transactions[index];
        if !tracked.is_live() {
            return Err(Reason::UnknownTransaction);
        }
        let view = &tracked.view;
        if time < view.due {
            return Err(Reason::NotDue);
        }
        if view.state == TransactionState::Open && !view.until.is_zero() && view.until <= time {
            match view.body.clone() {
                Some(body @ Body::Commission { .. }) => self.go_through(index, &body, 0, time),
                _ => self.give_up(index, time),
            }
            return changed(Some(index));
        }
        let is_on_rail = view.body.as_ref().is_some_and(|body| body.kind().has_rail()) && !view.state.is_final();
        let policy = self.policy(self.topic(index));
        if !is_on_rail && tracked.untold.is_empty() {
            let due = if view.until.is_zero() { later(time, policy.longest) } else { view.until };
            self.set_due(index, due);
            return changed(Some(index));
        }
        let waiting = tracked.untold.front().cloned();
        let view = &mut self.transactions[index].view;
        view.attempts += 1;
        let mut interval = policy.interval;
        if policy.is_doubling {
            for _ in 1..view.attempts {
                interval = later(interval, interval).min(policy.longest);
            }
            interval = interval.min(policy.longest);
        }
        if view.attempts > policy.attempts {
            interval = policy.longest;
        }
        let is_stuck_now = view.attempts > policy.attempts && !view.is_stuck;
        view.is_stuck |= is_stuck_now;
        self.set_due(index, later(time, interval));
        if is_stuck_now {
            self.happen(index, Happening::Stuck, time);
        }
        if let Some(waiting) = waiting {
            self.output.notices.push(waiting);
        }
        if is_on_rail {
            let view = &self.transactions[index].view;
            if view.state == TransactionState::Closing {
                self.call(index, Ask::Cancel);
            } else if view.stage == Stage::Unsent {
                self.hand_over(index, time);
            } else {
                self.call(index, Ask::Query);
            }
        }
        changed(Some(index))
    }
}

/// Whether one person could be behind both: `name`, or `name@maker`.
fn are_one(one: &Label, other: &Label) -> bool {
    let (one, other) = (one.as_str(), other.as_str());
    let name = |text: &str| text.split('@').next().unwrap_or_default().to_owned();
    let maker = |text: &str| text.split('@').next_back().unwrap_or_default().to_owned();
    name(one) == name(other) || maker(one) == maker(other)
}
