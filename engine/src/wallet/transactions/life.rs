//! The life of a transaction: how it comes into being, is told of, and is forgotten.

use std::collections::VecDeque;

use super::known::Known;
use super::{Cause, Live, Terms, Transactions, is_final};
use crate::ids::{AccountId, AssetId, RailId, TransactionId};
use crate::label::Label;
use crate::transaction::{
    Ask, Body, Happening, RailCall, Stage, Transaction, TransactionEvent, TransactionKind, TransactionState,
};
use crate::units::{Amount, Nanos};
use crate::wallet::{Wallet, WalletOutput};

impl Wallet {
    /// Says that something happened to a transaction, which has changed already. Its timer is set
    /// before, so that the event shows it.
    pub(super) fn announce(&mut self, live: &mut Live, what: Happening, time: Nanos, output: &mut WalletOutput) {
        let number = self.count_event(&mut live.transaction, what, time);
        let (sequence, transaction) = (live.transaction.events, live.transaction.clone());
        let event = TransactionEvent { number, sequence, time, what, transaction };
        if self.transactions.notifies {
            if live.untold.is_empty() {
                output.notices.push(event.clone());
            }
            live.untold.push_back(event.clone());
        }
        output.events.push(event);
    }

    /// Gives an event its number, and takes it into the digest.
    fn count_event(&mut self, transaction: &mut Transaction, what: Happening, time: Nanos) -> u64 {
        self.transactions.last_event += 1;
        let number = self.transactions.last_event;
        transaction.events += 1;
        transaction.changed = time;
        if !self.transactions.notifies {
            transaction.acknowledged = transaction.events;
        }
        self.ledger.note(transaction.number.0);
        self.ledger.note(number << 16 | u64::from(what.number()) << 8 | transaction.state as u64);
        number
    }

    /// A transaction is done in its first moment, with one event. If nobody must be told, it is never
    /// live: what there is of it goes with the event.
    pub(super) fn be_done(&mut self, mut live: Live, posted: Amount, time: Nanos, output: &mut WalletOutput) {
        if self.transactions.notifies {
            self.decide(&mut live, TransactionState::Confirmed, posted, time, output);
            return self.transactions.keep(live);
        }
        let Live { mut transaction, .. } = live;
        transaction.state = TransactionState::Confirmed;
        transaction.posted = posted;
        let what = Happening::Confirmed;
        let number = self.count_event(&mut transaction, what, time);
        self.transactions.known.get_mut(transaction.number).set_state(transaction.state);
        self.transactions.forget(&transaction);
        let sequence = transaction.events;
        output.events.push(TransactionEvent { number, sequence, time, what, transaction });
    }

    /// Sets the timer of a transaction that got further, of which an event will be told.
    pub(super) fn restart(&self, live: &mut Live, time: Nanos) {
        let is_waited_for = self.transactions.notifies || !live.untold.is_empty();
        self.restart_timer(live, is_waited_for, time);
    }

    /// The state of a transaction is decided.
    pub(super) fn decide(
        &mut self,
        live: &mut Live,
        state: TransactionState,
        posted: Amount,
        time: Nanos,
        output: &mut WalletOutput,
    ) {
        live.transaction.state = state;
        live.transaction.posted = posted;
        self.restart(live, time);
        let what = if state == TransactionState::Confirmed { Happening::Confirmed } else { Happening::Canceled };
        self.announce(live, what, time, output);
    }

    /// Hands a transaction to its rail.
    pub(super) fn send_out(&mut self, live: &mut Live, time: Nanos, output: &mut WalletOutput) {
        live.transaction.stage = Stage::Sent;
        self.announce(live, Happening::Sent, time, output);
        ask(Ask::Submit, live, output);
    }
}

/// Asks a transaction's rail for something.
pub(super) fn ask(ask: Ask, live: &Live, output: &mut WalletOutput) {
    output.calls.push(RailCall { ask, transaction: live.transaction.clone() });
}

impl Live {
    pub(super) fn cause(&self) -> Cause {
        Cause::Transaction(self.transaction.number)
    }
}

impl Transactions {
    /// Takes a transaction out to change it, which [`Transactions::keep`] ends. One that was
    /// forgotten comes back to life with what is left of it.
    pub(super) fn take(&mut self, number: TransactionId, id: &Label) -> Live {
        match self.take_live(number) {
            Some(live) => live,
            None => Live { transaction: self.recall(number, id), pending: 0, untold: VecDeque::new() },
        }
    }

    pub(super) fn take_live(&mut self, number: TransactionId) -> Option<Live> {
        let live = *self.live.remove(&number)?;
        self.timers.remove(&live);
        Some(live)
    }

    /// Puts a transaction back that was taken out or has just begun. One that needs no timer any more
    /// is forgotten.
    pub(super) fn keep(&mut self, live: Live) {
        let number = live.number();
        let known = self.known.get_mut(number);
        known.set_state(live.transaction.state);
        if live.transaction.due.is_zero() {
            assert!(live.is_final() && live.untold.is_empty(), "transaction {number} has no timer");
            self.forget(&live.transaction);
        } else {
            self.timers.insert(&live);
            self.live.insert(number, Box::new(live));
        }
    }

    /// Remembers no more of a transaction than a later command may need.
    fn forget(&mut self, transaction: &Transaction) {
        let Some(terms) = terms_of(transaction) else { return };
        let known = self.known.get(transaction.number);
        match u64::from(known.terms).checked_sub(1) {
            Some(place) => *self.terms.get_mut(place) = terms,
            None => {
                let place = self.push_terms(terms);
                self.known.get_mut(transaction.number).terms = place;
            }
        }
    }

    /// Keeps new terms, and gives their place, counted from 1.
    pub(super) fn push_terms(&mut self, terms: Terms) -> u32 {
        self.terms.push(terms);
        u32::try_from(self.terms.len()).expect("terms of 2^32 transactions take more memory than there is")
    }

    pub(super) fn terms(&self, number: TransactionId) -> Option<&Terms> {
        let place = u64::from(self.known.get(number).terms).checked_sub(1)?;
        Some(self.terms.get(place))
    }

    /// A transaction that is known, live or not.
    pub(super) fn view(&self, number: TransactionId, id: &Label) -> Transaction {
        match self.live.get(&number) {
            Some(live) => live.transaction.clone(),
            None => self.recall(number, id),
        }
    }

    /// What is left of a transaction that was forgotten.
    fn recall(&self, number: TransactionId, id: &Label) -> Transaction {
        let known = self.known.get(number);
        let terms = self.terms(number);
        let events = terms.map_or(1, |terms| terms.events);
        let mut transaction = Transaction {
            number,
            id: *id,
            body: terms.and_then(|terms| body_of(known, terms)),
            state: known.state(),
            rail: RailId::DIRECT,
            stage: Stage::Unsent,
            fee: Amount::ZERO,
            moved: Amount::ZERO,
            posted: Amount::ZERO,
            reversed: Amount::ZERO,
            fee_back: Amount::ZERO,
            opened: Nanos::ZERO,
            changed: Nanos::ZERO,
            until: Nanos::ZERO,
            due: Nanos::ZERO,
            attempts: 0,
            is_stuck: false,
            events,
            acknowledged: events,
            approvals: Vec::new(),
        };
        if let Some(terms) = terms {
            transaction.rail = terms.rail;
            transaction.fee = terms.fee;
            transaction.moved = terms.moved;
            transaction.posted = terms.posted;
            transaction.reversed = terms.reversed;
            transaction.fee_back = terms.fee_back;
        }
        transaction
    }
}

/// The body of a forgotten transaction, as far as it is needed.
fn body_of(known: &Known, terms: &Terms) -> Option<Body> {
    let Terms { account, other, asset, amount, .. } = *terms;
    match known.kind()? {
        TransactionKind::Deposit => Some(Body::Deposit { account, asset, amount }),
        TransactionKind::Withdrawal => Some(Body::Withdrawal { account, asset, amount, destination: "".into() }),
        TransactionKind::Payment => Some(Body::Payment { payer: account, merchant: other, asset, amount, held: false }),
        TransactionKind::Transfer => Some(Body::Transfer { from: account, to: other, asset, amount, held: true }),
        TransactionKind::Commission => Some(Body::Commission { agent: account, asset, amount }),
        _ => None,
    }
}

/// What a later command may need of a transaction that has ended.
fn terms_of(transaction: &Transaction) -> Option<Terms> {
    let is_confirmed = transaction.state == TransactionState::Confirmed;
    debug_assert!(is_final(transaction.state));
    let (account, other, asset, amount) = match &transaction.body {
        Some(Body::Deposit { account, asset, amount } | Body::Withdrawal { account, asset, amount, .. }) => {
            (*account, *account, *asset, *amount)
        }
        Some(Body::Payment { payer, merchant, asset, amount, .. }) if is_confirmed => {
            (*payer, *merchant, *asset, *amount)
        }
        Some(Body::Transfer { from, to, asset, amount, held: true }) if is_confirmed => (*from, *to, *asset, *amount),
        Some(Body::Commission { agent, asset, amount }) => (*agent, *agent, *asset, *amount),
        // Whose it was stands in the payment's terms.
        Some(Body::Refund { amount, held: true, .. }) if is_confirmed => {
            (AccountId::default(), AccountId::default(), AssetId::default(), *amount)
        }
        None if transaction.events > 1 => Default::default(),
        _ => return None,
    };
    Some(Terms {
        account,
        other,
        asset,
        rail: transaction.rail,
        amount,
        posted: transaction.posted,
        fee: transaction.fee,
        moved: transaction.moved,
        reversed: transaction.reversed,
        fee_back: transaction.fee_back,
        events: transaction.events,
    })
}
