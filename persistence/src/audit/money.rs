//! What the audit witnesses of transactions: that every unit in suspense is explained, and that no
//! more is given back than was paid.

use std::collections::BTreeMap;

use rialto_engine::ids::{AssetId, TenantId, TransactionId};
use rialto_engine::label::Label;
use rialto_engine::transaction::{Body, Report, TransactionCommand, TransactionState};
use rialto_engine::wallet::{House, LedgerAccount, WalletOutput};

use crate::world::Tenant;

/// Counts on the way.
#[derive(Default)]
pub struct MoneyWitness {
    /// What refunds and claw-backs, by their numbers, take back of what.
    reversals: BTreeMap<(TenantId, TransactionId), (Label, i128)>,
    /// Commands that moved money in suspense without saying why.
    unexplained: Vec<(TenantId, String)>,
}

impl MoneyWitness {
    pub fn take(&mut self, tenant: TenantId, command: &TransactionCommand, output: &WalletOutput) {
        for event in &output.events {
            let it = &event.transaction;
            let (of, amount) = match &it.body {
                Some(Body::Refund { payment, amount, .. }) => (*payment, amount),
                Some(Body::ClawBack { commission, amount }) => (*commission, amount),
                _ => continue,
            };
            let takes = match it.state {
                TransactionState::Open | TransactionState::Closing => amount.0,
                TransactionState::Confirmed => it.posted.0,
                TransactionState::Canceled => 0,
            };
            self.reversals.insert((tenant, it.number), (of, takes));
        }
        if !is_suspense_explained(command, output) {
            self.unexplained.push((tenant, format!("{command:?}")));
        }
    }

    /// What is wrong with a tenant, in words.
    ///
    /// What refunds and claw-backs took is what their payment or commission says, and no more than it
    /// was about. `is_whole` says that all of them were seen.
    pub fn findings(&self, tenant: &Tenant, id: TenantId, is_whole: bool) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for (_, command) in self.unexplained.iter().filter(|(owner, _)| *owner == id) {
            found.push(format!("money in suspense has no case: {command}"));
        }
        let mut taken: BTreeMap<Label, i128> = BTreeMap::new();
        for (of, amount) in
            self.reversals.range((id, TransactionId(0))..=(id, TransactionId(u64::MAX))).map(|(_, it)| it)
        {
            *taken.entry(*of).or_default() += amount;
        }
        for (of, taken) in taken {
            let Some(it) = tenant.wallet.transaction(&of) else {
                found.push(format!("{taken} were given back of {of}, which is unknown"));
                continue;
            };
            let bound = match &it.body {
                Some(Body::Payment { .. }) => it.posted.0,
                Some(Body::Commission { amount, .. }) => amount.0,
                _ => 0,
            };
            if taken > bound {
                found.push(format!("{taken} were given back of {of}, which is about {bound}"));
            }
            if is_whole && taken != it.reversed.0 {
                found.push(format!("{taken} were given back of {of}, which says {}", it.reversed));
            }
        }
        found
    }
}

/// Whether what a command moved in suspense is what the cases say that it opened.
///
/// A movement on a rail moves exactly the amounts of the cases that it opens. What is taken back
/// before it was final leaves suspense again and closes its case, unless somebody had closed that before: if an
/// adjustment did, a case is opened about what is missing then. An
/// approved adjustment may move any amount. Nothing else touches suspense. So the balance of suspense
/// is at any time the sum of all cases that movements have opened, less what was taken back, plus what
/// adjustments moved. It is not the sum of the cases that are open: a case may be closed without
/// moving anything, and an adjustment may move money without naming a case.
fn is_suspense_explained(command: &TransactionCommand, output: &WalletOutput) -> bool {
    let mut moved: BTreeMap<AssetId, i128> = BTreeMap::new();
    for entry in &output.entries {
        for (account, amount) in [(entry.debit, -entry.amount.0), (entry.credit, entry.amount.0)] {
            if account == LedgerAccount::House(House::Suspense) {
                *moved.entry(entry.asset).or_default() += amount;
            }
        }
    }
    match command {
        TransactionCommand::Report { report: Report::Returned { .. }, .. } => {
            let is_out = moved.values().all(|amount| *amount <= 0);
            for case in &output.cases {
                // Its own case is closed, or one about what is missing now is opened.
                let amount = if case.closed.is_zero() { -case.case.amount.0 } else { case.case.amount.0 };
                *moved.entry(case.case.asset).or_default() += amount;
            }
            is_out && (output.cases.is_empty() || moved.values().all(|left| *left == 0))
        }
        TransactionCommand::Report { .. } => {
            for case in output.cases.iter().filter(|case| case.closed.is_zero()) {
                *moved.entry(case.case.asset).or_default() -= case.case.amount.0;
            }
            moved.values().all(|left| *left == 0)
        }
        TransactionCommand::Approve { .. } => true,
        _ => moved.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use rialto_engine::ids::{CaseId, RailId};
    use rialto_engine::transaction::{Case, CaseKind, NewCase};
    use rialto_engine::units::{Amount, Nanos};
    use rialto_engine::wallet::{Cause, Entry};

    use super::*;

    fn label(text: &str) -> Label {
        Label::new(text).expect("it is one")
    }

    /// What came in over a rail, and the amounts of the cases that this opened.
    fn output(amount: i128, cases: &[i128]) -> WalletOutput {
        let mut output = WalletOutput::default();
        let (asset, suspense) = (AssetId(0), LedgerAccount::House(House::Suspense));
        let rail = LedgerAccount::External(RailId(1));
        let (debit, credit) = if amount > 0 { (rail, suspense) } else { (suspense, rail) };
        if amount != 0 {
            output.entries.push(Entry {
                number: 1,
                time: Nanos(1),
                asset,
                debit,
                credit,
                amount: Amount(amount.abs()),
                debit_after: Amount(0),
                credit_after: Amount(0),
                cause: Cause::Case(CaseId(1)),
            });
        }
        for amount in cases {
            let (rail, transaction) = (RailId(1), TransactionId(0));
            let kind = CaseKind::Unsolicited;
            let case = NewCase { kind, rail, asset, amount: Amount(*amount), reference: None, transaction };
            let (id, closed) = (CaseId(1), Nanos::ZERO);
            output.cases.push(Case { id, case, opened: Nanos(1), closed, closed_by: None, adjustment: transaction });
        }
        output
    }

    #[test]
    fn money_in_suspense_needs_cases_of_the_same_amount() {
        let (reference, asset, time) = (label("in-1"), AssetId(0), Nanos(1));
        let amount = Amount(9);
        let said = |report| TransactionCommand::Report { rail: RailId(1), id: None, report, time };
        let received = said(Report::Received { reference, asset, amount, is_final: true });
        let returned = said(Report::Returned { reference });
        let canceled = TransactionCommand::Cancel { id: label("t-1"), time };
        let approved = TransactionCommand::Approve { id: label("a-1"), operator: label("ann"), time };
        for (command, moved, cases, explained) in [
            (&received, 9, &[9][..], true),
            (&received, 9, &[4, 5], true),
            (&received, -9, &[-9], true),
            (&received, 0, &[], true),
            (&received, 9, &[], false),
            (&received, 9, &[8], false),
            (&received, 0, &[9], false),
            (&returned, -9, &[], true),
            (&returned, 9, &[], false),
            (&returned, -9, &[9], false),
            (&returned, -9, &[-9], true),
            (&returned, -9, &[-8], false),
            (&returned, 9, &[9], false),
            (&returned, -8, &[], true),
            (&canceled, 0, &[], true),
            (&canceled, 9, &[], false),
            (&approved, -9, &[], true),
        ] {
            assert_eq!(
                is_suspense_explained(command, &output(moved, cases)),
                explained,
                "{command:?} {moved} {cases:?}"
            );
        }
        let closing = |moved, amount| {
            let mut output = output(moved, &[amount]);
            output.cases[0].closed = Nanos(2);
            is_suspense_explained(&returned, &output)
        };
        assert!(closing(-9, 9) && !closing(-9, 8) && !closing(9, 9) && !closing(0, 9), "a return closes its own case");
    }
}
