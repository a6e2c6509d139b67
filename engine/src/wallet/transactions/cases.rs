//! Differences that somebody must explain.

use super::{NO_TRANSACTION, changed};
use crate::ids::{CaseId, TransactionId};
use crate::label::Label;
use crate::reason::Reason;
use crate::transaction::{Case, NewCase, Transacted};
use crate::units::Nanos;
use crate::wallet::{Wallet, WalletOutput};

impl Wallet {
    pub(super) fn command_case(
        &mut self,
        case: &NewCase,
        time: Nanos,
        output: &mut WalletOutput,
    ) -> Result<Transacted, Reason> {
        self.check_asset(case.asset)?;
        if usize::from(case.rail.0) >= self.rails() {
            return Err(Reason::UnknownRail);
        }
        // From here on the command cannot fail.
        self.begin_case(*case, time, output);
        Ok(changed(NO_TRANSACTION))
    }

    pub(super) fn close_case(
        &mut self,
        case: CaseId,
        operator: &Label,
        time: Nanos,
        output: &mut WalletOutput,
    ) -> Result<Transacted, Reason> {
        if self.open_case(case).is_none() {
            return Err(Reason::UnknownCase);
        }
        // From here on the command cannot fail.
        self.settle_case(case, operator, NO_TRANSACTION, time, output);
        Ok(changed(NO_TRANSACTION))
    }

    pub(super) fn begin_case(&mut self, case: NewCase, time: Nanos, output: &mut WalletOutput) -> CaseId {
        self.transactions.last_case += 1;
        let id = CaseId(self.transactions.last_case);
        let case = Case { id, case, opened: time, closed: Nanos::ZERO, closed_by: None, adjustment: NO_TRANSACTION };
        self.ledger.note(id.0 << 8 | case.case.kind as u64);
        self.transactions.cases.insert(id, case);
        output.cases.push(case);
        id
    }

    /// Closes the case of a movement that was taken back, if somebody has not done so before. The digest
    /// knows of it by the movement: what a journal says of earlier returns stays true.
    pub(super) fn withdraw_case(&mut self, case: CaseId, time: Nanos, output: &mut WalletOutput) {
        let Some(case) = self.transactions.cases.remove(&case) else { return };
        output.cases.push(Case { closed: time, ..case });
    }

    /// Closes a case that is open.
    pub(super) fn settle_case(
        &mut self,
        case: CaseId,
        operator: &Label,
        adjustment: TransactionId,
        time: Nanos,
        output: &mut WalletOutput,
    ) {
        let Some(case) = self.transactions.cases.remove(&case) else { return };
        self.ledger.note(case.id.0 << 8 | 0xff);
        if adjustment != NO_TRANSACTION {
            self.transactions.explain_pending(case.id);
        }
        output.cases.push(Case { closed: time, closed_by: Some(*operator), adjustment, ..case });
    }
}
