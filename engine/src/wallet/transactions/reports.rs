//! What rails say: whether money has moved, and so how a transaction over a rail ends.
//!
//! A movement of money is a fact, whatever was expected: it is booked, and what no transaction
//! explains goes into suspense, with a case.

use super::{Live, Move, NO_TRANSACTION, PendingMovement, changed, is_final, unchanged};
use crate::digest::Digest;
use crate::ids::{AccountId, AssetId, CaseId, RailId, TransactionId};
use crate::label::Label;
use crate::market::SUPPLY_MAX;
use crate::reason::Reason;
use crate::transaction::{
    Body, CaseKind, Happening, Meaning, NewCase, Report, Stage, Transacted, TransactionKind, TransactionState,
};
use crate::units::{Amount, Nanos};
use crate::wallet::ledger::{Cause, House, LedgerAccount};
use crate::wallet::{Wallet, WalletOutput};

/// A movement of money on a rail, told for the first time.
#[derive(Clone, Copy)]
struct Told {
    rail: RailId,
    reference: Label,
    key: u128,
    asset: AssetId,
    amount: Amount,
    is_final: bool,
    time: Nanos,
}

/// Which way money moved, and which kind of transaction asks for that.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    In,
    Out,
    Back,
}

const SUSPENSE: LedgerAccount = LedgerAccount::House(House::Suspense);

impl Wallet {
    pub(super) fn report(
        &mut self,
        rail: RailId,
        id: Option<&Label>,
        report: &Report,
        time: Nanos,
        output: &mut WalletOutput,
    ) -> Result<Transacted, Reason> {
        if rail == RailId::DIRECT || usize::from(rail.0) >= self.rails() {
            return Err(Reason::UnknownRail);
        }
        let told = |reference: Label, asset, amount, is_final| {
            let key = movement(rail, &reference);
            Told { rail, reference, key, asset, amount, is_final, time }
        };
        match *report {
            Report::Received { reference, asset, amount, is_final } => {
                self.report_movement(Way::In, told(reference, asset, amount, is_final), id, output)
            }
            Report::Paid { reference, asset, amount } => {
                self.report_movement(Way::Out, told(reference, asset, amount, true), id, output)
            }
            Report::Bounced { reference, asset, amount } => {
                self.report_movement(Way::Back, told(reference, asset, amount, true), id, output)
            }
            Report::Returned { reference } => Ok(self.report_returned(rail, reference, id, time, output)),
            Report::Accepted | Report::Rejected | Report::Canceled | Report::Unknown => {
                Ok(self.report_status(rail, id, report, time, output))
            }
        }
    }

    /// How a transaction stands on its rail. What does not fit changes nothing.
    fn report_status(
        &mut self,
        rail: RailId,
        id: Option<&Label>,
        report: &Report,
        time: Nanos,
        output: &mut WalletOutput,
    ) -> Transacted {
        let number = self.number_of(id);
        let Some(transaction) = self.live_transaction(number) else { return unchanged(number) };
        let has_rail = transaction.body.as_ref().is_some_and(|body| body.kind().has_rail());
        if !has_rail || transaction.rail != rail || is_final(transaction.state) {
            return unchanged(number);
        }
        let is_pending = self.transactions.live.get(&number).is_some_and(|live| live.pending > 0);
        let is_closing = transaction.state == TransactionState::Closing;
        let stage = transaction.stage;
        let ends = match report {
            Report::Accepted if stage == Stage::Accepted => return unchanged(number),
            Report::Unknown if stage == Stage::Accepted => return unchanged(number),
            Report::Unknown if !is_closing && stage == Stage::Unsent => return unchanged(number),
            Report::Unknown => is_closing,
            Report::Accepted => false,
            _ => true,
        };
        if ends && is_pending && is_closing {
            return unchanged(number);
        }
        // From here on something changes.
        let mut live = self.transactions.take_live(number).expect("it was just seen");
        if *report == Report::Accepted {
            live.transaction.stage = Stage::Accepted;
            self.restart(&mut live, time);
            self.announce(&mut live, Happening::Accepted, time, output);
        } else if !ends {
            // The next drive hands it over again. That is no progress, so that attempts go on counting.
            live.transaction.stage = Stage::Unsent;
            self.ledger.note(number.0);
            self.ledger.note(Stage::Unsent as u64);
        } else if is_pending {
            // The rail will move nothing more, but what has moved may yet be taken back.
            live.transaction.state = TransactionState::Closing;
            self.restart(&mut live, time);
            self.announce(&mut live, Happening::Closing, time, output);
        } else {
            self.give_back(&mut live, time, output);
        }
        self.transactions.keep(live);
        changed(number)
    }

    fn number_of(&self, id: Option<&Label>) -> TransactionId {
        id.and_then(|id| self.transactions.known.find(id.fingerprint())).unwrap_or(NO_TRANSACTION)
    }

    /// Money has moved.
    fn report_movement(
        &mut self,
        way: Way,
        told: Told,
        id: Option<&Label>,
        output: &mut WalletOutput,
    ) -> Result<Transacted, Reason> {
        let number = self.number_of(id);
        if self.transactions.movements.find(told.key).is_some() {
            let settles = way == Way::In && told.is_final && self.transactions.pending.contains_key(&told.key);
            return Ok(if settles { self.settle_pending(told, output) } else { unchanged(number) });
        }
        self.check_asset(told.asset)?;
        if told.amount.0 <= 0 {
            return Err(Reason::AmountNotPositive);
        }
        if way != Way::Out {
            self.check_incoming(told.asset, told.amount)?;
        } else if told.amount > SUPPLY_MAX + self.ledger.supply(told.asset) {
            return Err(Reason::SupplyExceeded);
        }
        // From here on the command cannot fail.
        self.transactions.movements.push(told.key);
        let Some(id) = id.filter(|_| number != NO_TRANSACTION) else {
            self.book_unexplained(way, told, NO_TRANSACTION, output);
            return Ok(changed(NO_TRANSACTION));
        };
        let (kind, rail) = self.kind_and_rail(number);
        let fits = match kind {
            // It was canceled before anybody knew what it would be, and over which rail.
            None => way != Way::Back,
            Some(TransactionKind::Deposit) => way == Way::In && rail == told.rail,
            Some(TransactionKind::Withdrawal) => way != Way::In && rail == told.rail,
            Some(_) => false,
        };
        let state = self.transactions.known.get(number).state();
        if !fits || (way == Way::Back && state != TransactionState::Confirmed) {
            self.book_unexplained(way, told, number, output);
            return Ok(changed(number));
        }
        let mut live = self.transactions.take(number, id);
        match (way, is_final(state)) {
            (Way::In, false) => self.receive(&mut live, told, output),
            (Way::Out, false) => self.pay(&mut live, told, output),
            (Way::Back, _) => self.bounce(&mut live, told, output),
            (_, true) => {
                let (meaning, kind) = if state == TransactionState::Confirmed {
                    (Meaning::Excess, CaseKind::Excess)
                } else {
                    (Meaning::Late, CaseKind::Late)
                };
                self.book_in_suspense(&mut live, way, told, meaning, kind, output);
            }
        }
        self.transactions.keep(live);
        Ok(changed(number))
    }

    /// What a transaction is and over which rail it goes, live or not.
    fn kind_and_rail(&self, number: TransactionId) -> (Option<TransactionKind>, RailId) {
        let live = self.live_transaction(number).map(|transaction| transaction.rail);
        let rail = live.or_else(|| self.transactions.terms(number).map(|terms| terms.rail));
        (self.transactions.known.get(number).kind(), rail.unwrap_or(RailId::DIRECT))
    }

    /// Money came in that a deposit waits for, or something like it.
    fn receive(&mut self, live: &mut Live, told: Told, output: &mut WalletOutput) {
        let Some(Body::Deposit { account, asset, amount, .. }) = live.transaction.body else {
            unreachable!("it was asked before")
        };
        if told.asset != asset {
            self.book_in_suspense(live, Way::In, told, Meaning::WrongAsset, CaseKind::WrongAsset, output);
            return;
        }
        let missing = amount - live.transaction.moved;
        let counted = told.amount.min(missing);
        let rest = told.amount - counted;
        let external = LedgerAccount::External(told.rail);
        let counts = Move(asset, external, LedgerAccount::Incoming(account), counted);
        self.post(live.cause(), told.time, output, &[counts, Move(asset, external, SUSPENSE, rest)]);
        live.transaction.moved += counted;
        let number = live.number();
        let case = if rest.is_zero() {
            CaseId::default()
        } else {
            self.open_movement_case(CaseKind::Excess, told, rest, number, output)
        };
        if !told.is_final {
            live.pending += u32::from(!counted.is_zero());
            self.wait_for(told, number, case, counted, rest);
        }
        let meaning = match (rest.is_zero(), told.is_final) {
            (false, _) => Meaning::Excess,
            (true, true) => Meaning::Final,
            (true, false) => Meaning::Pending,
        };
        self.restart(live, told.time);
        self.announce(live, told.happening(meaning), told.time, output);
        self.complete_if_whole(live, told.time, output);
    }

    /// A deposit of which all has come in for good is confirmed.
    fn complete_if_whole(&mut self, live: &mut Live, time: Nanos, output: &mut WalletOutput) {
        if let Some(Body::Deposit { account, asset, amount }) = live.transaction.body
            && live.pending == 0
            && live.transaction.moved == amount
        {
            self.complete_deposit(live, account, asset, time, output);
        }
    }

    /// What has come in is the user's.
    pub(super) fn complete_deposit(
        &mut self,
        live: &mut Live,
        account: AccountId,
        asset: AssetId,
        time: Nanos,
        output: &mut WalletOutput,
    ) {
        let moved = live.transaction.moved;
        let free = Move(asset, LedgerAccount::Incoming(account), LedgerAccount::Available(account), moved);
        self.post(live.cause(), time, output, &[free]);
        self.decide(live, TransactionState::Confirmed, moved, time, output);
    }

    /// Money went out that a withdrawal waits for, or something like it.
    fn pay(&mut self, live: &mut Live, told: Told, output: &mut WalletOutput) {
        let Some(Body::Withdrawal { account, asset, amount, .. }) = live.transaction.body else {
            unreachable!("it was asked before")
        };
        let is_right = told.asset == asset;
        let counted = if is_right { told.amount.min(amount) } else { Amount::ZERO };
        let (short, excess) = (amount - counted, told.amount - counted);
        let (hold, external) = (LedgerAccount::Outgoing(account), LedgerAccount::External(told.rail));
        let moves = [
            Move(asset, hold, external, counted),
            Move(asset, hold, SUSPENSE, short),
            Move(told.asset, SUSPENSE, external, excess),
            Move(asset, hold, LedgerAccount::House(House::Fee), live.transaction.fee),
        ];
        self.post(live.cause(), told.time, output, &moves);
        let number = live.number();
        live.transaction.moved = counted;
        if !excess.is_zero() {
            let kind = if is_right { CaseKind::Excess } else { CaseKind::WrongAsset };
            self.open_movement_case(kind, told, Amount(-excess.0), number, output);
        }
        if !short.is_zero() {
            self.open_movement_case(CaseKind::Short, Told { asset, ..told }, short, number, output);
        }
        let meaning = match (is_right, short.is_zero(), excess.is_zero()) {
            (false, _, _) => Meaning::WrongAsset,
            (true, false, _) => Meaning::Short,
            (true, true, false) => Meaning::Excess,
            (true, true, true) => Meaning::Final,
        };
        self.restart(live, told.time);
        self.announce(live, told.happening(meaning), told.time, output);
        self.decide(live, TransactionState::Confirmed, counted, told.time, output);
    }

    /// Money that a withdrawal had sent came back. It was confirmed, and stays so; as much as had gone
    /// out is the user's again, unless his account was closed.
    fn bounce(&mut self, live: &mut Live, told: Told, output: &mut WalletOutput) {
        let (account, asset) = match live.transaction.body {
            Some(Body::Withdrawal { account, asset, .. }) => (account, asset),
            _ => unreachable!("it was asked before"),
        };
        if told.asset != asset {
            self.book_in_suspense(live, Way::Back, told, Meaning::WrongAsset, CaseKind::WrongAsset, output);
            return;
        }
        let may_enter = self.check_enter(account).is_ok();
        let counted = if may_enter { told.amount.min(live.transaction.moved) } else { Amount::ZERO };
        let rest = told.amount - counted;
        let back = Move(asset, LedgerAccount::External(told.rail), SUSPENSE, told.amount);
        let free = Move(asset, SUSPENSE, LedgerAccount::Available(account), counted);
        self.post(live.cause(), told.time, output, &[back, free]);
        live.transaction.moved -= counted;
        live.transaction.posted -= counted;
        if !rest.is_zero() {
            let number = live.number();
            self.open_movement_case(CaseKind::Bounced, told, rest, number, output);
        }
        self.restart(live, told.time);
        self.announce(live, told.happening(Meaning::Bounced), told.time, output);
    }

    /// Money that a transaction did not ask for, or not any more.
    fn book_in_suspense(
        &mut self,
        live: &mut Live,
        way: Way,
        told: Told,
        meaning: Meaning,
        kind: CaseKind,
        output: &mut WalletOutput,
    ) {
        let number = live.number();
        self.post(live.cause(), told.time, output, &[told.unexplained(way)]);
        let case = self.open_movement_case(kind, told, told.difference(way), number, output);
        if !told.is_final {
            self.wait_for(told, number, case, Amount::ZERO, told.amount);
        }
        self.restart(live, told.time);
        self.announce(live, told.happening(meaning), told.time, output);
    }

    /// Money that no transaction explains. If the rail has named one, the case does.
    fn book_unexplained(&mut self, way: Way, told: Told, number: TransactionId, output: &mut WalletOutput) {
        let kind = if way == Way::Back { CaseKind::Bounced } else { CaseKind::Unsolicited };
        let case = self.open_movement_case(kind, told, told.difference(way), number, output);
        self.post(Cause::Case(case), told.time, output, &[told.unexplained(way)]);
        if !told.is_final {
            self.wait_for(told, NO_TRANSACTION, case, Amount::ZERO, told.amount);
        }
    }

    fn open_movement_case(
        &mut self,
        kind: CaseKind,
        told: Told,
        amount: Amount,
        transaction: TransactionId,
        output: &mut WalletOutput,
    ) -> CaseId {
        let Told { rail, reference, asset, time, .. } = told;
        let case = NewCase { kind, rail, asset, amount, reference: Some(reference), transaction };
        self.begin_case(case, time, output)
    }

    /// A movement may yet be taken back.
    fn wait_for(&mut self, told: Told, transaction: TransactionId, case: CaseId, counted: Amount, rest: Amount) {
        let Told { key: reference, asset, .. } = told;
        let movement = PendingMovement { reference, transaction, case, asset, counted, rest };
        self.transactions.pending.insert(reference, movement);
    }

    /// A movement that was told before cannot be taken back any more.
    fn settle_pending(&mut self, told: Told, output: &mut WalletOutput) -> Transacted {
        let Some(movement) = self.transactions.pending.remove(&told.key) else { return unchanged(NO_TRANSACTION) };
        self.ledger.note(movement.transaction.0);
        self.ledger.note(told.key as u64);
        let number = movement.transaction;
        if let Some(mut live) = self.transactions.take_unfinished(number) {
            live.pending -= u32::from(!movement.counted.is_zero());
            self.restart(&mut live, told.time);
            let (asset, amount) = (movement.asset, movement.counted + movement.rest);
            let told = Told { asset, amount, ..told };
            self.announce(&mut live, told.happening(Meaning::Settled), told.time, output);
            self.complete_if_whole(&mut live, told.time, output);
            self.transactions.keep(live);
        }
        changed(number)
    }

    /// A movement was taken back. One that is final, or unknown, cannot be: that changes nothing.
    fn report_returned(
        &mut self,
        rail: RailId,
        reference: Label,
        id: Option<&Label>,
        time: Nanos,
        output: &mut WalletOutput,
    ) -> Transacted {
        let key = movement(rail, &reference);
        let Some(movement) = self.transactions.pending.remove(&key) else { return unchanged(self.number_of(id)) };
        let PendingMovement { transaction: number, case, asset, counted, rest, .. } = movement;
        let external = LedgerAccount::External(rail);
        let told = Told { rail, reference, key, asset, amount: counted + rest, is_final: true, time };
        // An adjustment has taken what was in suspense for an explanation: now that is missing there.
        let is_adjusted = case == CaseId::default() && !rest.is_zero();
        let case = if is_adjusted {
            self.open_movement_case(CaseKind::Unsolicited, told, Amount(-rest.0), number, output)
        } else {
            case
        };
        let cause = if number == NO_TRANSACTION { Cause::Case(case) } else { Cause::Transaction(number) };
        let unfinished = self.transactions.take_unfinished(number);
        if let Some(mut live) = unfinished {
            if let Some(Body::Deposit { account, .. }) = live.transaction.body {
                let uncounted = Move(asset, LedgerAccount::Incoming(account), external, counted);
                self.post(cause, time, output, &[uncounted]);
            }
            self.post(cause, time, output, &[Move(asset, SUSPENSE, external, rest)]);
            live.transaction.moved -= counted;
            live.pending -= u32::from(!counted.is_zero());
            self.restart(&mut live, time);
            self.announce(&mut live, told.happening(Meaning::Returned), time, output);
            self.transactions.keep(live);
        } else {
            assert!(counted.is_zero(), "a deposit that is over has no money that may be taken back");
            self.post(cause, time, output, &[Move(asset, SUSPENSE, external, rest)]);
        }
        if !is_adjusted {
            self.withdraw_case(case, time, output);
        }
        changed(number)
    }
}

impl super::Transactions {
    /// The case of a movement that may yet be taken back is closed by an adjustment, which has taken its
    /// money for something: if it is taken back after all, that is a difference of its own.
    pub(super) fn explain_pending(&mut self, case: CaseId) {
        for movement in self.pending.values_mut().filter(|movement| movement.case == case) {
            movement.case = CaseId::default();
        }
    }

    /// Takes a transaction out to change it, unless it is over.
    fn take_unfinished(&mut self, number: TransactionId) -> Option<Live> {
        let is_over = self.live.get(&number).is_none_or(|live| live.is_final());
        if is_over { None } else { self.take_live(number) }
    }
}

impl Told {
    fn happening(&self, meaning: Meaning) -> Happening {
        Happening::Moved { reference: self.reference, asset: self.asset, amount: self.amount, meaning }
    }

    /// The whole movement against suspense.
    fn unexplained(&self, way: Way) -> Move {
        let external = LedgerAccount::External(self.rail);
        let (debit, credit) = if way == Way::Out { (SUSPENSE, external) } else { (external, SUSPENSE) };
        Move(self.asset, debit, credit, self.amount)
    }

    /// How much more there is outside than is explained, if nothing explains it.
    fn difference(&self, way: Way) -> Amount {
        if way == Way::Out { Amount(-self.amount.0) } else { self.amount }
    }
}

/// The fingerprint of a movement of money: rails name them each for itself.
fn movement(rail: RailId, reference: &Label) -> u128 {
    let own = reference.fingerprint();
    let (mut high, mut low) = (Digest((own >> 64) as u64), Digest(own as u64));
    high.add(u64::from(rail.0));
    low.add(u64::from(rail.0));
    u128::from(high.0) << 64 | u128::from(low.0)
}
