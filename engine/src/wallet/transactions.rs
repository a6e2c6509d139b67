//! Transactions of a wallet: tried, then confirmed or canceled, and driven by timers until whoever
//! must know of their end knows. What the rules are is written in `docs/payment-rules.md`.
//!
//! A transaction is live as long as it has a timer. Then it is forgotten but for a row of 32 bytes
//! ([`known::Known`]) and, where a later command may need them, its [`Terms`].

mod beginnings;
mod cases;
mod decisions;
mod fees;
mod known;
mod lanes;
mod life;
mod reports;
mod settings;
mod snapshot;
mod timers;
mod tries;
mod wants;

pub use snapshot::{FeeSetting, KnownTransaction, PendingMovement, Terms, TransactionsSnapshot};

use std::collections::{BTreeMap, VecDeque};

use super::ledger::{Cause, House, LedgerAccount, Posting};
use super::{Wallet, WalletOutput};
use crate::ids::{AccountId, AssetId, CaseId, RailId, TransactionId};
use crate::label::Label;
use crate::reason::Reason;
use crate::transaction::{
    Body, Case, FeePlan, Policy, Standing, Topic, Transacted, Transaction, TransactionCommand, TransactionEvent,
    TransactionKind, TransactionState,
};
use crate::units::{Amount, Nanos};
use known::{Known, Rows, Table};
use lanes::Lanes;

/// All transactions of a wallet, and what decides about them.
#[derive(Clone, Debug, Default)]
pub struct Transactions {
    known: Table<Known>,
    terms: Rows<Terms>,
    /// Those with a timer.
    live: BTreeMap<TransactionId, Box<Live>>,
    timers: Lanes,
    /// Fingerprints of the movements on rails that were told.
    movements: Table<u128>,
    /// Those of them that may be taken back.
    pending: BTreeMap<u128, PendingMovement>,
    /// Those that are open.
    cases: BTreeMap<CaseId, Case>,
    last_case: u64,
    last_event: u64,
    /// Without the direct one.
    rails: Vec<(Label, bool)>,
    policies: Policies,
    /// By asset: of withdrawals, of payments.
    fees: Vec<[FeePlan; 2]>,
    /// By account, up to the last one that is not active.
    standings: Vec<Standing>,
    notifies: bool,
}

/// By number of the topic.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Policies([Policy; Topic::COUNT]);

/// A transaction with a timer.
#[derive(Clone, Debug)]
struct Live {
    transaction: Transaction,
    /// How many movements count for it that may be taken back.
    pending: u32,
    /// The events that whoever must be told has not taken yet, the oldest first.
    untold: VecDeque<TransactionEvent>,
}

impl Live {
    fn is_final(&self) -> bool {
        is_final(self.transaction.state)
    }

    fn number(&self) -> TransactionId {
        self.transaction.number
    }
}

fn is_final(state: TransactionState) -> bool {
    matches!(state, TransactionState::Confirmed | TransactionState::Canceled)
}

/// What a command that changed nothing says.
fn unchanged(transaction: TransactionId) -> Transacted {
    Transacted { transaction, is_changed: false }
}

/// What a command that changed something says.
fn changed(transaction: TransactionId) -> Transacted {
    Transacted { transaction, is_changed: true }
}

const NO_TRANSACTION: TransactionId = TransactionId(0);

impl Wallet {
    /// Carries a command out, whole or not at all.
    ///
    /// A refused command, and one that changes nothing, leaves the wallet exactly as it was and is
    /// not journaled.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn transact(&mut self, command: &TransactionCommand, output: &mut WalletOutput) -> Result<Transacted, Reason> {
        let transacted = self.transact_here(command, output)?;
        if self.sharing.is_shared() {
            self.send_home(command.time().unwrap_or_default(), output);
        }
        Ok(transacted)
    }

    /// The same with no regard to other wallets of the tenant.
    pub(super) fn transact_here(
        &mut self,
        command: &TransactionCommand,
        output: &mut WalletOutput,
    ) -> Result<Transacted, Reason> {
        match command {
            TransactionCommand::Try { id, body, rail, until, time } => {
                self.try_transaction(id, body, *rail, *until, *time, output)
            }
            TransactionCommand::Confirm { id, amount, time } => self.confirm(id, *amount, *time, output),
            TransactionCommand::Cancel { id, time } => self.cancel(id, *time, output),
            TransactionCommand::Report { rail, id, report, time } => {
                self.report(*rail, id.as_ref(), report, *time, output)
            }
            TransactionCommand::Drive { transaction, time } => self.drive(*transaction, *time, output),
            TransactionCommand::Acknowledge { transaction, event, time } => {
                self.acknowledge(*transaction, *event, *time, output)
            }
            TransactionCommand::Reroute { transaction, rail, time } => self.reroute(*transaction, *rail, *time, output),
            TransactionCommand::Approve { id, operator, time } => self.approve(id, operator, *time, output),
            TransactionCommand::OpenCase { case, time } => self.command_case(case, *time, output),
            TransactionCommand::CloseCase { case, operator, time } => self.close_case(*case, operator, *time, output),
            TransactionCommand::OpenRail { name } => self.open_rail(name),
            TransactionCommand::ChangeRail { rail, is_open } => self.change_rail(*rail, *is_open),
            TransactionCommand::ChangePolicy { topic, policy } => self.change_policy(*topic, policy),
            TransactionCommand::ChangeFee { kind, asset, fee } => self.change_fee(*kind, *asset, *fee),
            TransactionCommand::ChangeStanding { account, standing } => self.change_standing(*account, *standing),
            TransactionCommand::ChangeCredit { account, asset, limit } => self.change_credit(*account, *asset, *limit),
            TransactionCommand::ChangeNotification { is_on } => self.change_notification(*is_on),
        }
    }

    /// A transaction by its business id. Of one that was forgotten no more is known than a later
    /// command may need: the read store has the rest. Its times, approvals and destination are
    /// empty, and it has no body where no terms were kept ([`KnownTransaction::terms`]).
    #[must_use]
    pub fn transaction(&self, id: &Label) -> Option<Transaction> {
        let number = self.transactions.known.find(id.fingerprint())?;
        Some(self.transactions.view(number, id))
    }

    /// The transaction that a command names by its business id, as it stands behind the command. A
    /// `Try` that came again brings its body along, so that even of a forgotten transaction the
    /// answer is whole but for its times, and the fee of a refund.
    #[must_use]
    pub fn answer(&self, command: &TransactionCommand) -> Option<Transaction> {
        match command {
            TransactionCommand::Try { id, body, .. } => {
                let mut transaction = self.transaction(id)?;
                if transaction.body.is_none() && transaction.state == TransactionState::Confirmed {
                    transaction.posted = body.amount().unwrap_or_default();
                }
                transaction.body = Some(body.clone());
                Some(transaction)
            }
            TransactionCommand::Confirm { id, .. }
            | TransactionCommand::Cancel { id, .. }
            | TransactionCommand::Approve { id, .. }
            | TransactionCommand::Report { id: Some(id), .. } => self.transaction(id),
            TransactionCommand::Drive { transaction, .. }
            | TransactionCommand::Acknowledge { transaction, .. }
            | TransactionCommand::Reroute { transaction, .. } => self.live_transaction(*transaction).cloned(),
            _ => None,
        }
    }

    /// A transaction by its number, as long as it has a timer.
    #[must_use]
    pub fn live_transaction(&self, number: TransactionId) -> Option<&Transaction> {
        self.transactions.live.get(&number).map(|live| &live.transaction)
    }

    /// The transactions that have a timer, by number.
    pub fn live_transactions(&self) -> impl Iterator<Item = &Transaction> {
        self.transactions.live.values().map(|live| &live.transaction)
    }

    /// How many transactions have a timer.
    #[must_use]
    pub fn live_count(&self) -> usize {
        self.transactions.live.len()
    }

    /// How many transactions there were: also the last one's number.
    #[must_use]
    pub fn transactions(&self) -> u64 {
        self.transactions.known.len()
    }

    /// When the next timer runs out.
    #[must_use]
    pub fn next_due(&self) -> Option<Nanos> {
        self.lanes().map(|(_, due)| due).min()
    }

    /// The first transactions whose timers have run out, at most `limit`, in the order of their
    /// timers.
    #[must_use]
    pub fn due(&self, time: Nanos, limit: usize) -> Vec<TransactionId> {
        let timers = &self.transactions.timers;
        let mut due: Vec<_> = timers.first().flat_map(|(rail, _)| timers.due(rail, time).take(limit)).collect();
        due.sort_unstable();
        due.into_iter().take(limit).map(|(_, number)| number).collect()
    }

    /// The rails that have to answer transactions, and when the first of those timers runs out; the direct rail
    /// stands for all that wait for no rail.
    pub fn lanes(&self) -> impl Iterator<Item = (RailId, Nanos)> {
        self.transactions.timers.first()
    }

    /// Those of [`Self::due`] that a rail has to answer, or none has.
    #[must_use]
    pub fn due_of(&self, rail: RailId, time: Nanos, limit: usize) -> Vec<TransactionId> {
        self.transactions.timers.due(rail, time).take(limit).map(|(_, number)| number).collect()
    }

    /// The cases that are open, by number.
    pub fn open_cases(&self) -> impl Iterator<Item = &Case> {
        self.transactions.cases.values()
    }

    /// A case that is open.
    #[must_use]
    pub fn open_case(&self, case: CaseId) -> Option<&Case> {
        self.transactions.cases.get(&case)
    }

    /// How many rails there are, the direct one included.
    #[must_use]
    pub fn rails(&self) -> usize {
        self.transactions.rails.len() + 1
    }

    /// The name of a rail, and whether it takes new transactions. The direct rail's is `direct`.
    #[must_use]
    pub fn rail(&self, rail: RailId) -> Option<(Label, bool)> {
        match usize::from(rail.0).checked_sub(1) {
            None => Label::new(settings::DIRECT_NAME).map(|name| (name, true)),
            Some(place) => self.transactions.rails.get(place).copied(),
        }
    }

    /// The policy of a topic.
    #[must_use]
    pub fn policy(&self, topic: Topic) -> Policy {
        self.transactions.policies.0[topic.number()]
    }

    /// What a kind of transactions costs in an asset.
    #[must_use]
    pub fn fee_plan(&self, kind: TransactionKind, asset: AssetId) -> FeePlan {
        let plans = self.transactions.fees.get(usize::from(asset.0));
        let place = settings::fee_place(kind);
        plans.zip(place).map(|(plans, place)| plans[place]).unwrap_or_default()
    }

    /// What an account may do.
    #[must_use]
    pub fn standing(&self, account: AccountId) -> Standing {
        self.transactions.standings.get(account.0 as usize).copied().unwrap_or_default()
    }

    /// Whether somebody outside must be told of every event.
    #[must_use]
    pub fn notifies(&self) -> bool {
        self.transactions.notifies
    }

    /// How many events there have been: also the last one's number.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.transactions.last_event
    }

    /// Whether money may leave an account.
    pub(super) fn check_leave(&self, account: AccountId) -> Result<(), Reason> {
        match self.standing(account) {
            Standing::Active => Ok(()),
            Standing::Frozen => Err(Reason::AccountFrozen),
            Standing::Closed => Err(Reason::AccountClosed),
        }
    }

    /// Whether money may enter an account.
    pub(super) fn check_enter(&self, account: AccountId) -> Result<(), Reason> {
        if self.standing(account) == Standing::Closed { Err(Reason::AccountClosed) } else { Ok(()) }
    }

    /// Moves money on behalf of a transaction or a case.
    fn post(&mut self, cause: Cause, time: Nanos, output: &mut WalletOutput, moves: &[Move]) {
        let mut posting = Posting { time, cause, entries: &mut output.entries };
        for Move(asset, debit, credit, amount) in moves {
            self.ledger.transfer(*asset, *debit, *credit, *amount, &mut posting);
        }
    }

    /// How much of an asset users and house may own: what came in, what the house spent of its own, and
    /// what accounts may take on credit, which others then have.
    /// What is with other wallets is owned, too; what those have spent is not known here.
    fn owned(&self, asset: AssetId) -> Amount {
        let spent = House::ALL.into_iter().filter(|house| house.may_be_negative() && *house != House::Clearing);
        self.ledger.supply(asset) + self.ledger.lent(asset)
            - Amount(spent.map(|house| self.ledger.house(asset, house).0).sum())
    }
}

/// An amount of an asset, from where, to where.
struct Move(AssetId, LedgerAccount, LedgerAccount, Amount);

impl Body {
    /// How much it is about; none of a share of fees, which depends on the fees.
    #[must_use]
    pub const fn amount(&self) -> Option<Amount> {
        match self {
            Self::Deposit { amount, .. }
            | Self::Withdrawal { amount, .. }
            | Self::Transfer { amount, .. }
            | Self::Payment { amount, .. }
            | Self::Refund { amount, .. }
            | Self::Commission { amount, .. }
            | Self::ClawBack { amount, .. }
            | Self::Adjustment { amount, .. } => Some(*amount),
            Self::FeeShare { .. } => None,
        }
    }

    /// Whether it waits for a decision with money set aside.
    #[must_use]
    pub const fn is_held(&self) -> bool {
        matches!(
            self,
            Self::Transfer { held: true, .. } | Self::Payment { held: true, .. } | Self::Refund { held: true, .. }
        )
    }
}
