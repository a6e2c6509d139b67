//! How a transaction comes into being: it gets a number, and its id is known for ever.

use std::collections::VecDeque;

use super::known::Known;
use super::{Live, changed};
use crate::digest::Digest;
use crate::ids::{AccountId, RailId};
use crate::label::Label;
use crate::reason::Reason;
use crate::transaction::{Body, Happening, Stage, Topic, Transacted, Transaction, TransactionKind, TransactionState};
use crate::units::{Amount, Nanos};
use crate::wallet::ledger::LedgerAccount;
use crate::wallet::{Wallet, WalletOutput};

/// A transaction that is tried.
#[derive(Clone, Copy)]
pub struct Trial<'a> {
    pub id: &'a Label,
    /// Fingerprints of the id and of the body.
    pub key: u128,
    pub print: u64,
    pub body: &'a Body,
    pub rail: RailId,
    pub until: Nanos,
    pub time: Nanos,
}

impl Trial<'_> {
    pub(super) fn check_end(&self) -> Result<(), Reason> {
        let is_over = !self.until.is_zero() && self.until <= self.time;
        if is_over { Err(Reason::MalformedTransaction) } else { Ok(()) }
    }

    pub(super) fn check_no_rail(&self) -> Result<(), Reason> {
        if self.rail == RailId::DIRECT { Ok(()) } else { Err(Reason::MalformedTransaction) }
    }
}

impl Wallet {
    /// A transaction begins: it is known from now on.
    pub(super) fn begin(&mut self, trial: Trial<'_>, fee: Amount) -> Live {
        let kind = trial.body.kind();
        let known = Known::new(trial.key, trial.print, Some(kind), TransactionState::Open);
        let is_over_at_once = match trial.body {
            Body::Transfer { held, .. } | Body::Payment { held, .. } | Body::Refund { held, .. } => !held,
            Body::ClawBack { .. } | Body::FeeShare { .. } => true,
            Body::Deposit { .. } | Body::Withdrawal { .. } | Body::Commission { .. } | Body::Adjustment { .. } => false,
        };
        let until = if is_over_at_once {
            Nanos::ZERO
        } else if trial.until.0 != 0 && kind != TransactionKind::Adjustment {
            trial.until
        } else {
            match self.policy(Topic::Kind(kind)).lifetime {
                Nanos::ZERO => Nanos::ZERO,
                lifetime => Nanos(trial.time.0.saturating_add(lifetime.0)),
            }
        };
        let transaction = Transaction {
            number: self.transactions.known.push(known),
            id: *trial.id,
            body: Some(trial.body.clone()),
            state: TransactionState::Open,
            rail: if kind.has_rail() { trial.rail } else { RailId::DIRECT },
            stage: Stage::Unsent,
            fee,
            moved: Amount::ZERO,
            posted: Amount::ZERO,
            reversed: Amount::ZERO,
            fee_back: Amount::ZERO,
            opened: trial.time,
            changed: trial.time,
            until,
            due: Nanos::ZERO,
            attempts: 0,
            is_stuck: false,
            events: 0,
            acknowledged: 0,
            approvals: Vec::new(),
        };
        Live { transaction, pending: 0, untold: VecDeque::new() }
    }

    /// The first moment of a transaction over a rail.
    pub(super) fn set_out(&mut self, mut live: Live, time: Nanos, output: &mut WalletOutput) -> Transacted {
        let number = live.number();
        self.restart(&mut live, time);
        self.announce(&mut live, Happening::Opened, time, output);
        self.send_out(&mut live, time, output);
        self.transactions.keep(live);
        changed(number)
    }

    /// The first moment of any other transaction: it waits for a decision, or it is done.
    pub(super) fn set_in(
        &mut self,
        mut live: Live,
        waits: bool,
        amount: Amount,
        time: Nanos,
        output: &mut WalletOutput,
    ) -> Transacted {
        let number = live.number();
        if waits {
            self.restart(&mut live, time);
            self.announce(&mut live, Happening::Opened, time, output);
            self.transactions.keep(live);
        } else {
            self.be_done(live, amount, time, output);
        }
        changed(number)
    }

    /// An id that nobody has used is used up.
    pub(super) fn use_up(&mut self, id: &Label, time: Nanos, output: &mut WalletOutput) -> Transacted {
        let known = Known::new(id.fingerprint(), 0, None, TransactionState::Canceled);
        let number = self.transactions.known.push(known);
        let transaction =
            Transaction { opened: time, events: 0, acknowledged: 0, ..self.transactions.view(number, id) };
        let mut live = Live { transaction, pending: 0, untold: VecDeque::new() };
        self.decide(&mut live, TransactionState::Canceled, Amount::ZERO, time, output);
        self.transactions.keep(live);
        changed(number)
    }
}

/// The fingerprint of a body; never zero.
pub fn fingerprint(body: &Body) -> u64 {
    let mut digest = Digest(0x7ab1e);
    digest.add(body.kind() as u64 | u64::from(body.is_held()) << 8);
    if let Some(amount) = body.amount() {
        digest.add_amount(amount.0);
    }
    let pair = |left: AccountId, right: AccountId| u64::from(left.0) << 32 | u64::from(right.0);
    match body {
        Body::Deposit { account, asset, .. } | Body::Commission { agent: account, asset, .. } => {
            digest.add(pair(*account, *account));
            digest.add(u64::from(asset.0));
        }
        Body::Withdrawal { account, asset, destination, .. } => {
            digest.add(pair(*account, *account));
            digest.add(u64::from(asset.0));
            digest.add_bytes(destination.as_bytes());
        }
        Body::Transfer { from, to, asset, .. } | Body::Payment { payer: from, merchant: to, asset, .. } => {
            digest.add(pair(*from, *to));
            digest.add(u64::from(asset.0));
        }
        Body::Refund { payment: named, .. } | Body::ClawBack { commission: named, .. } => {
            digest.add_bytes(named.as_str().as_bytes());
        }
        Body::FeeShare { asset, rate } => digest.add(u64::from(asset.0) << 32 | u64::from(rate.0)),
        Body::Adjustment { asset, from, to, corrects, case, proposer, .. } => {
            digest.add(u64::from(asset.0));
            digest.add(number_of(*from));
            digest.add(number_of(*to));
            digest.add(*corrects);
            digest.add(case.0);
            digest.add_bytes(proposer.as_str().as_bytes());
        }
    }
    digest.0.max(1)
}

/// A number for every account.
fn number_of(account: LedgerAccount) -> u64 {
    match account {
        LedgerAccount::Available(user) => 1 << 32 | u64::from(user.0),
        LedgerAccount::Held(user) => 2 << 32 | u64::from(user.0),
        LedgerAccount::Outgoing(user) => 3 << 32 | u64::from(user.0),
        LedgerAccount::Incoming(user) => 4 << 32 | u64::from(user.0),
        LedgerAccount::External(rail) => 5 << 32 | u64::from(rail.0),
        LedgerAccount::House(house) => 6 << 32 | house as u64,
    }
}
