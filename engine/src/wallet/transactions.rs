//! Transactions of a wallet: tried, then confirmed or canceled, and driven by timers until whoever
//! must know of their end knows. What the rules are is written in `docs/payment-rules.md`.

mod snapshot;

pub use snapshot::{FeeSetting, KnownTransaction, PendingMovement, Terms, TransactionsSnapshot};

use super::{Wallet, WalletOutput};
use crate::ids::{AccountId, AssetId, CaseId, RailId, TransactionId};
use crate::label::Label;
use crate::reason::Reason;
use crate::transaction::{
    Case, FeePlan, Policy, Standing, Topic, Transacted, Transaction, TransactionCommand, TransactionKind,
};
use crate::units::Nanos;

/// All transactions of a wallet.
#[derive(Clone, Debug, Default)]
pub struct Transactions {}

impl Transactions {
    pub fn snapshot(&self) -> TransactionsSnapshot {
        TransactionsSnapshot::default()
    }

    pub fn restore(_snapshot: &TransactionsSnapshot) -> Self {
        Self::default()
    }
}

impl Wallet {
    /// Carries a command out, whole or not at all.
    ///
    /// A refused command, and one that changes nothing, leaves the wallet exactly as it was and is
    /// not journaled.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn transact(&mut self, command: &TransactionCommand, output: &mut WalletOutput) -> Result<Transacted, Reason> {
        let _ = (command, output);
        Err(Reason::UnknownTransaction)
    }

    /// A transaction by its business id. Of one that has ended long ago no more is known than is
    /// needed to refuse or refund it: the read store has the rest.
    #[must_use]
    pub fn transaction(&self, id: &Label) -> Option<Transaction> {
        let _ = id;
        None
    }

    /// A transaction by its number, as long as it has a timer.
    #[must_use]
    pub fn live_transaction(&self, number: TransactionId) -> Option<&Transaction> {
        let _ = number;
        None
    }

    /// The transactions that have a timer, by number.
    pub fn live_transactions(&self) -> impl Iterator<Item = &Transaction> {
        std::iter::empty()
    }

    /// When the next timer runs out.
    #[must_use]
    pub fn next_due(&self) -> Option<Nanos> {
        None
    }

    /// The first transactions whose timers have run out, at most `limit`, in the order of their
    /// timers.
    #[must_use]
    pub fn due(&self, time: Nanos, limit: usize) -> Vec<TransactionId> {
        let _ = (time, limit);
        Vec::new()
    }

    /// The cases that are open, by number.
    pub fn open_cases(&self) -> impl Iterator<Item = &Case> {
        std::iter::empty()
    }

    /// A case that is open.
    #[must_use]
    pub fn open_case(&self, case: CaseId) -> Option<&Case> {
        let _ = case;
        None
    }

    /// How many rails there are, the direct one included.
    #[must_use]
    pub fn rails(&self) -> usize {
        1
    }

    /// The name of a rail, and whether it takes new transactions. The direct rail's is `direct`.
    #[must_use]
    pub fn rail(&self, rail: RailId) -> Option<(Label, bool)> {
        let _ = rail;
        None
    }

    /// The policy of a topic.
    #[must_use]
    pub fn policy(&self, topic: Topic) -> Policy {
        let _ = topic;
        unimplemented!("skeleton")
    }

    /// What a kind of transactions costs in an asset.
    #[must_use]
    pub fn fee_plan(&self, kind: TransactionKind, asset: AssetId) -> FeePlan {
        let _ = (kind, asset);
        FeePlan::default()
    }

    /// What an account may do.
    #[must_use]
    pub fn standing(&self, account: AccountId) -> Standing {
        let _ = account;
        Standing::Active
    }

    /// Whether somebody outside must be told of every event.
    #[must_use]
    pub fn notifies(&self) -> bool {
        false
    }

    /// How many events there have been: also the last one's number.
    #[must_use]
    pub fn events(&self) -> u64 {
        0
    }
}
