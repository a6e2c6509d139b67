//! What a rail says.

use rialto_engine::ids::{AssetId, CaseId, RailId};
use rialto_engine::label::Label;
use rialto_engine::market::SUPPLY_MAX;
use rialto_engine::reason::Reason;
use rialto_engine::transaction::{
    Body, CaseKind, Happening, Meaning, Report, Stage, Standing, TransactionKind, TransactionState,
};
use rialto_engine::units::{Amount, Nanos};
use rialto_engine::wallet::{Cause, House, LedgerAccount};

use crate::naive::{Movement, Naive, Outcome, changed, unchanged};
use crate::tries::cause;

const FEE: LedgerAccount = LedgerAccount::House(House::Fee);
const SUSPENSE: LedgerAccount = LedgerAccount::House(House::Suspense);

/// A movement that is told for the first time.
#[derive(Clone, Copy)]
struct Told {
    rail: RailId,
    reference: Label,
    asset: AssetId,
    amount: i128,
    is_final: bool,
    time: Nanos,
}

impl Naive {
    pub fn report(&mut self, rail: RailId, id: Option<Label>, report: &Report, time: Nanos) -> Outcome {
        if rail == RailId::DIRECT || usize::from(rail.0) >= self.rails.len() {
            return Err(Reason::UnknownRail);
        }
        let index = id.and_then(|id| self.numbers.get(&id).copied());
        match *report {
            Report::Received { reference, asset, amount, is_final } => {
                if let Some(before) = self.movements.get(&(rail, reference)) {
                    if before.is_pending && is_final {
                        return self.settled(rail, reference, time);
                    }
                    return unchanged(index);
                }
                self.check_movement(asset, amount.0, true)?;
                self.received(index, Told { rail, reference, asset, amount: amount.0, is_final, time })
            }
            Report::Paid { reference, asset, amount } => {
                if self.movements.contains_key(&(rail, reference)) {
                    return unchanged(index);
                }
                self.check_movement(asset, amount.0, false)?;
                self.paid_out(index, Told { rail, reference, asset, amount: amount.0, is_final: true, time })
            }
            Report::Bounced { reference, asset, amount } => {
                if self.movements.contains_key(&(rail, reference)) {
                    return unchanged(index);
                }
                self.check_movement(asset, amount.0, true)?;
                self.bounced(index, Told { rail, reference, asset, amount: amount.0, is_final: true, time })
            }
            Report::Returned { reference } => match self.movements.get(&(rail, reference)) {
                Some(movement) if movement.is_pending => self.returned(rail, reference, time),
                _ => unchanged(index),
            },
            Report::Accepted | Report::Rejected | Report::Canceled | Report::Unknown => {
                self.status(rail, index, report, time)
            }
        }
    }

    fn check_movement(&self, asset: AssetId, amount: i128, comes_in: bool) -> Result<(), Reason> {
        if asset.0 >= self.assets {
            return Err(Reason::UnknownAsset);
        }
        if amount <= 0 {
            return Err(Reason::AmountNotPositive);
        }
        let exceeds = if comes_in {
            self.most(asset) + amount > SUPPLY_MAX.0
        } else {
            self.supply(asset) - amount < -SUPPLY_MAX.0
        };
        if exceeds { Err(Reason::SupplyExceeded) } else { Ok(()) }
    }

    fn is_own(&self, index: usize, kind: TransactionKind, rail: RailId) -> bool {
        let view = &self.transactions[index].view;
        view.rail == rail && view.body.as_ref().is_some_and(|body| body.kind() == kind)
    }

    fn is_empty_cancel(&self, index: usize) -> bool {
        self.transactions[index].view.body.is_none()
    }

    fn remember(&mut self, told: Told, transaction: Option<usize>, counted: i128, case: CaseId) {
        let Told { rail, reference, asset, amount, is_final, .. } = told;
        let rest = amount - counted;
        let movement = Movement { transaction, asset, counted, rest, case, is_pending: !is_final };
        self.movements.insert((rail, reference), movement);
    }

    /// Money that no transaction explains.
    fn unexplained(&mut self, told: Told, kind: CaseKind, comes_in: bool, named: Option<usize>) -> Outcome {
        let Told { rail, reference, asset, amount, time, .. } = told;
        let signed = if comes_in { amount } else { -amount };
        let case = self.explain(kind, rail, asset, signed, reference, named, time);
        self.shift(told, comes_in, amount, Cause::Case(case));
        self.remember(told, None, 0, case);
        changed(named)
    }

    /// Between a rail and suspense.
    fn shift(&mut self, told: Told, comes_in: bool, amount: i128, cause: Cause) {
        let outside = LedgerAccount::External(told.rail);
        let (from, to) = if comes_in { (outside, SUSPENSE) } else { (SUSPENSE, outside) };
        self.pay(told.asset, from, to, amount, cause, told.time);
    }

    /// All of a movement goes to suspense in the name of a transaction.
    fn suspend(&mut self, index: usize, told: Told, comes_in: bool, kind: CaseKind, meaning: Meaning) {
        self.shift(told, comes_in, told.amount, cause(index));
        let signed = if comes_in { told.amount } else { -told.amount };
        let case = self.explain(kind, told.rail, told.asset, signed, told.reference, Some(index), told.time);
        self.remember(told, Some(index), 0, case);
        self.moved(index, told, meaning);
    }

    fn moved(&mut self, index: usize, told: Told, meaning: Meaning) {
        let Told { reference, asset, amount, time, .. } = told;
        self.happen(index, Happening::Moved { reference, asset, amount: Amount(amount), meaning }, time);
    }

    fn received(&mut self, index: Option<usize>, told: Told) -> Outcome {
        let Some(index) = index else { return self.unexplained(told, CaseKind::Unsolicited, true, None) };
        if self.is_empty_cancel(index) {
            self.suspend(index, told, true, CaseKind::Late, Meaning::Late);
            return changed(Some(index));
        }
        if !self.is_own(index, TransactionKind::Deposit, told.rail) {
            return self.unexplained(told, CaseKind::Unsolicited, true, Some(index));
        }
        let view = &self.transactions[index].view;
        let Some(Body::Deposit { account, asset, amount }) = view.body else { unreachable!("was asked") };
        match view.state {
            TransactionState::Confirmed => self.suspend(index, told, true, CaseKind::Excess, Meaning::Excess),
            TransactionState::Canceled => self.suspend(index, told, true, CaseKind::Late, Meaning::Late),
            _ if told.asset != asset => self.suspend(index, told, true, CaseKind::WrongAsset, Meaning::WrongAsset),
            _ => {
                let counted = told.amount.min(amount.0 - view.moved.0);
                let rest = told.amount - counted;
                let (outside, inside) = (LedgerAccount::External(told.rail), LedgerAccount::Incoming(account));
                self.pay(asset, outside, inside, counted, cause(index), told.time);
                self.shift(told, true, rest, cause(index));
                let (rail, reference) = (told.rail, told.reference);
                let case = self.explain(CaseKind::Excess, rail, asset, rest, reference, Some(index), told.time);
                self.remember(told, Some(index), counted, case);
                self.transactions[index].view.moved += Amount(counted);
                let meaning = match (rest, told.is_final) {
                    (1.., _) => Meaning::Excess,
                    (_, true) => Meaning::Final,
                    (_, false) => Meaning::Pending,
                };
                self.moved(index, told, meaning);
                self.complete(index, told.time);
            }
        }
        changed(Some(index))
    }

    pub fn has_pending(&self, index: usize) -> bool {
        let mut own = self.movements.values().filter(|movement| movement.transaction == Some(index));
        own.any(|movement| movement.is_pending && movement.counted > 0)
    }

    /// A deposit that is there, whole and for good, is the user's.
    fn complete(&mut self, index: usize, time: Nanos) {
        let view = &self.transactions[index].view;
        let Some(Body::Deposit { amount, .. }) = view.body else { return };
        if !view.state.is_final() && view.moved == amount && !self.has_pending(index) {
            self.credit(index, time);
        }
    }

    /// What has come in becomes free.
    fn credit(&mut self, index: usize, time: Nanos) {
        let view = &self.transactions[index].view;
        let Some(Body::Deposit { account, asset, .. }) = view.body else { unreachable!("a deposit") };
        let moved = view.moved.0;
        let (from, to) = (LedgerAccount::Incoming(account), LedgerAccount::Available(account));
        self.pay(asset, from, to, moved, cause(index), time);
        self.end(index, TransactionState::Confirmed, moved, time);
    }

    fn settled(&mut self, rail: RailId, reference: Label, time: Nanos) -> Outcome {
        let movement = self.movements.get_mut(&(rail, reference)).expect("was found");
        movement.is_pending = false;
        let movement = movement.clone();
        self.follow(&movement, rail, reference, Meaning::Settled, time)
    }

    fn returned(&mut self, rail: RailId, reference: Label, time: Nanos) -> Outcome {
        let movement = self.movements.get_mut(&(rail, reference)).expect("was found");
        movement.is_pending = false;
        let movement = movement.clone();
        let outside = LedgerAccount::External(rail);
        let told = self.cases.get((movement.case.0 as usize).wrapping_sub(1));
        let is_adjusted = told.is_some_and(|case| case.adjustment.0 != 0);
        let case = if is_adjusted {
            let (asset, rest, index) = (movement.asset, -movement.rest, movement.transaction);
            self.explain(CaseKind::Unsolicited, rail, asset, rest, reference, index, time)
        } else {
            movement.case
        };
        let by = movement.transaction.map_or(Cause::Case(case), cause);
        if let Some(index) = movement.transaction
            && let Some(Body::Deposit { account, .. }) = self.transactions[index].view.body
        {
            let inside = LedgerAccount::Incoming(account);
            self.pay(movement.asset, inside, outside, movement.counted, by, time);
            self.transactions[index].view.moved -= Amount(movement.counted);
        }
        self.pay(movement.asset, SUSPENSE, outside, movement.rest, by, time);
        let outcome = self.follow(&movement, rail, reference, Meaning::Returned, time);
        if self.is_open(movement.case) {
            self.withdraw_case(movement.case, time);
        }
        outcome
    }

    /// What was pending is no more.
    fn follow(
        &mut self,
        movement: &Movement,
        rail: RailId,
        reference: Label,
        meaning: Meaning,
        time: Nanos,
    ) -> Outcome {
        let Some(index) = movement.transaction else { return changed(None) };
        if !self.transactions[index].view.state.is_final() {
            let (asset, amount) = (movement.asset, movement.counted + movement.rest);
            self.moved(index, Told { rail, reference, asset, amount, is_final: true, time }, meaning);
            self.complete(index, time);
        }
        changed(Some(index))
    }

    fn paid_out(&mut self, index: Option<usize>, told: Told) -> Outcome {
        let Some(index) = index else { return self.unexplained(told, CaseKind::Unsolicited, false, None) };
        if self.is_empty_cancel(index) {
            self.suspend(index, told, false, CaseKind::Late, Meaning::Late);
            return changed(Some(index));
        }
        if !self.is_own(index, TransactionKind::Withdrawal, told.rail) {
            return self.unexplained(told, CaseKind::Unsolicited, false, Some(index));
        }
        let view = &self.transactions[index].view;
        let fee = view.fee.0;
        let Some(Body::Withdrawal { account, asset, amount, .. }) = view.body else { unreachable!("was asked") };
        let (held, by) = (LedgerAccount::Outgoing(account), cause(index));
        let (rail, reference, time) = (told.rail, told.reference, told.time);
        match view.state {
            TransactionState::Confirmed => self.suspend(index, told, false, CaseKind::Excess, Meaning::Excess),
            TransactionState::Canceled => self.suspend(index, told, false, CaseKind::Late, Meaning::Late),
            _ if told.asset != asset => {
                self.pay(asset, held, SUSPENSE, amount.0, by, time);
                self.shift(told, false, told.amount, by);
                let kind = CaseKind::WrongAsset;
                let case = self.explain(kind, rail, told.asset, -told.amount, reference, Some(index), time);
                self.explain(CaseKind::Short, rail, asset, amount.0, reference, Some(index), time);
                self.pay(asset, held, FEE, fee, by, time);
                self.remember(told, Some(index), 0, case);
                self.moved(index, told, Meaning::WrongAsset);
                self.end(index, TransactionState::Confirmed, 0, time);
            }
            _ => {
                let counted = told.amount.min(amount.0);
                let (short, excess) = (amount.0 - counted, told.amount - counted);
                self.pay(asset, held, LedgerAccount::External(rail), counted, by, time);
                self.pay(asset, held, SUSPENSE, short, by, time);
                self.explain(CaseKind::Short, rail, asset, short, reference, Some(index), time);
                self.shift(told, false, excess, by);
                self.explain(CaseKind::Excess, rail, asset, -excess, reference, Some(index), time);
                self.pay(asset, held, FEE, fee, by, time);
                self.remember(told, Some(index), counted, CaseId(0));
                self.transactions[index].view.moved = Amount(counted);
                let meaning = match (short, excess) {
                    (1.., _) => Meaning::Short,
                    (_, 1..) => Meaning::Excess,
                    _ => Meaning::Final,
                };
                self.moved(index, told, meaning);
                self.end(index, TransactionState::Confirmed, counted, time);
            }
        }
        changed(Some(index))
    }

    fn bounced(&mut self, index: Option<usize>, told: Told) -> Outcome {
        let own = index.filter(|index| {
            let state = self.transactions[*index].view.state;
            self.is_own(*index, TransactionKind::Withdrawal, told.rail) && state == TransactionState::Confirmed
        });
        let Some(index) = own else { return self.unexplained(told, CaseKind::Bounced, true, index) };
        let view = &self.transactions[index].view;
        let Some(Body::Withdrawal { account, asset, .. }) = view.body else { unreachable!("was asked") };
        if told.asset != asset {
            self.suspend(index, told, true, CaseKind::WrongAsset, Meaning::WrongAsset);
            return changed(Some(index));
        }
        let is_closed = self.standings[account.0 as usize] == Standing::Closed;
        let counted = if is_closed { 0 } else { told.amount.min(view.moved.0) };
        self.shift(told, true, told.amount, cause(index));
        self.pay(asset, SUSPENSE, LedgerAccount::Available(account), counted, cause(index), told.time);
        let rest = told.amount - counted;
        let case = self.explain(CaseKind::Bounced, told.rail, asset, rest, told.reference, Some(index), told.time);
        self.remember(told, Some(index), counted, case);
        let view = &mut self.transactions[index].view;
        view.moved -= Amount(counted);
        view.posted -= Amount(counted);
        self.moved(index, told, Meaning::Bounced);
        changed(Some(index))
    }

    fn status(&mut self, rail: RailId, index: Option<usize>, report: &Report, time: Nanos) -> Outcome {
        let Some(index) = index else { return unchanged(None) };
        let view = &self.transactions[index].view;
        let has_rail = view.body.as_ref().is_some_and(|body| body.kind().has_rail());
        if !has_rail || view.rail != rail || view.state.is_final() {
            return unchanged(Some(index));
        }
        match report {
            Report::Accepted if view.stage != Stage::Accepted => {
                self.transactions[index].view.stage = Stage::Accepted;
                self.happen(index, Happening::Accepted, time);
                changed(Some(index))
            }
            Report::Unknown => match (view.state, view.stage) {
                (_, Stage::Accepted) => unchanged(Some(index)),
                (TransactionState::Closing, _) => self.ended_by_rail(index, time),
                (_, Stage::Sent) => {
                    self.transactions[index].view.stage = Stage::Unsent;
                    changed(Some(index))
                }
                _ => unchanged(Some(index)),
            },
            Report::Rejected | Report::Canceled => self.ended_by_rail(index, time),
            _ => unchanged(Some(index)),
        }
    }

    fn ended_by_rail(&mut self, index: usize, time: Nanos) -> Outcome {
        let was = self.transactions[index].view.state;
        self.rail_is_done(index, time);
        if was == self.transactions[index].view.state { unchanged(Some(index)) } else { changed(Some(index)) }
    }

    /// The rail will move no more.
    pub fn rail_is_done(&mut self, index: usize, time: Nanos) {
        let view = self.transactions[index].view.clone();
        match view.body {
            Some(Body::Withdrawal { account, asset, amount, .. }) => {
                let (from, to) = (LedgerAccount::Outgoing(account), LedgerAccount::Available(account));
                self.pay(asset, from, to, amount.0 + view.fee.0, cause(index), time);
                self.end(index, TransactionState::Canceled, 0, time);
            }
            _ if self.has_pending(index) => {
                if view.state == TransactionState::Open {
                    self.transactions[index].view.state = TransactionState::Closing;
                    self.happen(index, Happening::Closing, time);
                }
            }
            _ if view.moved.is_zero() => self.end(index, TransactionState::Canceled, 0, time),
            _ => self.credit(index, time),
        }
    }
}
