//! What happens when nothing else does: timers, and what is told again until it is taken.

use super::life::ask;
use super::{Live, changed, is_final, unchanged};
use crate::ids::TransactionId;
use crate::reason::Reason;
use crate::transaction::{Ask, Body, Happening, Policy, Stage, Topic, Transacted, Transaction, TransactionState};
use crate::units::Nanos;
use crate::wallet::{Wallet, WalletOutput};

/// Whose policy the timer of a transaction goes by. `is_waited_for` says whether somebody outside
/// has events of it to take.
pub(super) fn topic(transaction: &Transaction, is_waited_for: bool) -> Topic {
    match &transaction.body {
        Some(body) if !is_final(transaction.state) => {
            let kind = body.kind();
            if is_waited_for && !kind.has_rail() { Topic::Notification } else { Topic::Kind(kind) }
        }
        _ => Topic::Notification,
    }
}

/// A timer runs out no later than its transaction ends by itself.
pub(super) fn until_end(transaction: &Transaction, due: Nanos) -> Nanos {
    let ends = transaction.state == TransactionState::Open && !transaction.until.is_zero();
    // Zero would say that there is no timer.
    if ends { due.min(transaction.until) } else { due.max(Nanos(1)) }
}

/// How long it is from one attempt to the next.
fn interval(policy: &Policy, attempts: u32) -> Nanos {
    if attempts > policy.attempts {
        return policy.longest;
    }
    if !policy.is_doubling {
        return policy.interval;
    }
    let factor = 1u64.checked_shl(attempts.saturating_sub(1)).unwrap_or(u64::MAX);
    policy.longest.min(Nanos(policy.interval.0.saturating_mul(factor)))
}

impl Wallet {
    pub(super) fn drive(
        &mut self,
        number: TransactionId,
        time: Nanos,
        output: &mut WalletOutput,
    ) -> Result<Transacted, Reason> {
        let transaction = self.live_transaction(number).ok_or(Reason::UnknownTransaction)?;
        if transaction.due > time {
            return Err(Reason::NotDue);
        }
        // From here on the command cannot fail.
        let mut live = self.transactions.take_live(number).expect("it was just seen");
        let until = live.transaction.until;
        let is_over = live.transaction.state == TransactionState::Open && !until.is_zero() && until <= time;
        match &live.transaction.body {
            Some(Body::Commission { amount, .. }) if is_over => {
                let amount = *amount;
                self.carry_out(&mut live, amount, time, output);
            }
            Some(_) if is_over => self.call_off(&mut live, time, output),
            _ => self.drive_on(&mut live, time, output),
        }
        self.transactions.keep(live);
        Ok(changed(number))
    }

    /// One more attempt to get a transaction further.
    fn drive_on(&mut self, live: &mut Live, time: Nanos, output: &mut WalletOutput) {
        let transaction = &mut live.transaction;
        let topic = topic(transaction, !live.untold.is_empty());
        let policy = self.policy(topic);
        let after = |wait: Nanos| Nanos(time.0.saturating_add(wait.0));
        let has_rail = transaction.body.as_ref().is_some_and(|body| body.kind().has_rail());
        let is_over_a_rail = has_rail && !live.is_final();
        let transaction = &mut live.transaction;
        if live.untold.is_empty() && !is_over_a_rail {
            // Nobody outside has to answer: it waits for its decision, or its end.
            let wait = if transaction.until.is_zero() { after(policy.longest) } else { transaction.until };
            transaction.due = until_end(transaction, wait);
            self.ledger.note(transaction.number.0);
            self.ledger.note(transaction.due.0);
            return;
        }
        transaction.attempts = transaction.attempts.saturating_add(1);
        transaction.due = until_end(transaction, after(interval(&policy, transaction.attempts)));
        self.ledger.note(transaction.number.0);
        self.ledger.note(u64::from(transaction.attempts));
        let gets_stuck = transaction.attempts > policy.attempts && !transaction.is_stuck;
        // What was untold before this attempt is told again. What it adds is told by itself.
        output.notices.extend(live.untold.front().cloned());
        if gets_stuck {
            live.transaction.is_stuck = true;
            self.announce(live, Happening::Stuck, time, output);
        }
        if !is_over_a_rail {
            return;
        }
        match (live.transaction.state, live.transaction.stage) {
            (TransactionState::Closing, _) => ask(Ask::Cancel, live, output),
            (_, Stage::Unsent) => self.send_out(live, time, output),
            _ => ask(Ask::Query, live, output),
        }
    }

    pub(super) fn acknowledge(
        &mut self,
        number: TransactionId,
        event: u32,
        time: Nanos,
        output: &mut WalletOutput,
    ) -> Result<Transacted, Reason> {
        let Some(transaction) = self.live_transaction(number) else {
            // Of one that was forgotten every event was taken.
            let is_known = number.0 != 0 && number.0 <= self.transactions();
            return if is_known { Ok(unchanged(number)) } else { Err(Reason::UnknownTransaction) };
        };
        if event <= transaction.acknowledged {
            return Ok(unchanged(number));
        }
        if event > transaction.acknowledged + 1 || event > transaction.events {
            return Err(Reason::NotDue);
        }
        // From here on the command cannot fail.
        let mut live = self.transactions.take_live(number).expect("it was just seen");
        let was_waited_for = topic(&live.transaction, true) == Topic::Notification;
        live.untold.pop_front();
        live.transaction.acknowledged = event;
        self.ledger.note(number.0);
        self.ledger.note(u64::from(event) << 16 | 0xffff);
        output.notices.extend(live.untold.front().cloned());
        if was_waited_for {
            let is_waited_for = !live.untold.is_empty();
            self.restart_timer(&mut live, is_waited_for, time);
        }
        self.transactions.keep(live);
        Ok(changed(number))
    }

    /// Sets the timer of a transaction that got further. `is_waited_for` says whether somebody outside
    /// has events of it to take.
    pub(super) fn restart_timer(&self, live: &mut Live, is_waited_for: bool, time: Nanos) {
        live.transaction.attempts = 0;
        live.transaction.is_stuck = false;
        live.transaction.due = if live.is_final() && !is_waited_for {
            Nanos::ZERO
        } else {
            let policy = self.policy(topic(&live.transaction, is_waited_for));
            until_end(&live.transaction, Nanos(time.0.saturating_add(policy.first.0)))
        };
    }

    /// All that was untold counts as taken.
    pub(super) fn take_all_as_told(&mut self) {
        let transactions = &mut self.transactions;
        let waiting = transactions.live.values().filter(|live| !live.untold.is_empty());
        let numbers: Vec<TransactionId> = waiting.map(|live| live.number()).collect();
        for number in numbers {
            let mut live = self.transactions.take_live(number).expect("it was just seen");
            live.untold.clear();
            live.transaction.acknowledged = live.transaction.events;
            if live.is_final() {
                live.transaction.due = Nanos::ZERO;
            }
            self.transactions.keep(live);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_double_up_to_the_longest_and_are_the_longest_when_nothing_helps() {
        let policy = Policy {
            first: Nanos(10),
            interval: Nanos(5),
            is_doubling: true,
            longest: Nanos(30),
            attempts: 6,
            lifetime: Nanos::ZERO,
        };
        let doubling: Vec<u64> = (1..=7).map(|attempts| interval(&policy, attempts).0).collect();
        assert_eq!(doubling, [5, 10, 20, 30, 30, 30, 30]);
        let even = Policy { is_doubling: false, ..policy };
        let even: Vec<u64> = (1..=7).map(|attempts| interval(&even, attempts).0).collect();
        assert_eq!(even, [5, 5, 5, 5, 5, 5, 30]);
        let long = Policy { attempts: u32::MAX, ..policy };
        assert_eq!(interval(&long, u32::MAX), Nanos(30));
    }
}
