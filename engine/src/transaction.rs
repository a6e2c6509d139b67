//! Money that comes in, goes out, and moves between users: the vocabulary of transactions.
//!
//! What happens to a transaction, and which entries that posts, is written in
//! `docs/payment-rules.md`; [`crate::wallet::Wallet::transact`] carries it out.
//!
//! A transaction is tried, then confirmed or canceled, once. Whoever drives it from outside says so
//! by its business id, as often as he likes: the first time counts. What a rail says about it comes
//! as a [`Report`], and what is asked of a rail leaves as a [`RailCall`].

mod case;
mod event;
mod rail;
mod settings;

pub use case::{Case, CaseKind, NewCase};
pub use event::{Happening, Meaning, TransactionEvent};
pub use rail::{Ask, RailCall, Report};
pub use settings::{FeePlan, Policy, Standing, Topic};

use crate::ids::{AccountId, AssetId, CaseId, RailId, TransactionId};
use crate::label::Label;
use crate::units::{Amount, BasisPoints, Nanos};
use crate::wallet::LedgerAccount;

/// The longest destination of a withdrawal in bytes.
pub const DESTINATION_MAX: usize = 256;

/// How many operators must approve an adjustment.
pub const APPROVERS: usize = 2;

/// What a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum TransactionKind {
    /// Money comes in over a rail.
    Deposit = 0,
    /// Money goes out over a rail.
    Withdrawal = 1,
    /// From user to user.
    Transfer = 2,
    /// From a user to a merchant of the tenant, who pays the fee.
    Payment = 3,
    /// A payment goes back, whole or in part.
    Refund = 4,
    /// An agent earns a commission, and is paid it later.
    Commission = 5,
    /// A commission is taken back, whole or in part.
    ClawBack = 6,
    /// The platform's share of the fees earned.
    FeeShare = 7,
    /// A correction by hand.
    Adjustment = 8,
}

impl TransactionKind {
    /// All of them by number.
    pub const ALL: [Self; 9] = [
        Self::Deposit,
        Self::Withdrawal,
        Self::Transfer,
        Self::Payment,
        Self::Refund,
        Self::Commission,
        Self::ClawBack,
        Self::FeeShare,
        Self::Adjustment,
    ];

    /// A short name for metrics, logs and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deposit => "deposit",
            Self::Withdrawal => "withdrawal",
            Self::Transfer => "transfer",
            Self::Payment => "payment",
            Self::Refund => "refund",
            Self::Commission => "commission",
            Self::ClawBack => "claw_back",
            Self::FeeShare => "fee_share",
            Self::Adjustment => "adjustment",
        }
    }

    /// Whether it goes over a rail.
    #[must_use]
    pub const fn has_rail(self) -> bool {
        matches!(self, Self::Deposit | Self::Withdrawal)
    }
}

/// What a transaction is to do. Two tries with one business id must have equal bodies.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Body {
    /// Money is expected.
    Deposit {
        /// For whom.
        account: AccountId,
        /// Of what.
        asset: AssetId,
        /// How much.
        amount: Amount,
    },
    /// Money is to leave.
    Withdrawal {
        /// Whose.
        account: AccountId,
        /// Of what.
        asset: AssetId,
        /// How much shall arrive. The fee comes on top.
        amount: Amount,
        /// Where to, in the rail's own form: 1 to [`DESTINATION_MAX`] printable characters.
        destination: Box<str>,
    },
    /// From user to user.
    Transfer {
        /// Whose.
        from: AccountId,
        /// For whom; another account.
        to: AccountId,
        /// Of what.
        asset: AssetId,
        /// How much.
        amount: Amount,
        /// Whether it is only held, until somebody confirms or cancels it.
        held: bool,
    },
    /// From a user to a merchant.
    Payment {
        /// Who pays.
        payer: AccountId,
        /// Who gets the amount less the fee; another account.
        merchant: AccountId,
        /// Of what.
        asset: AssetId,
        /// How much.
        amount: Amount,
        /// Whether it is only held, until somebody confirms or cancels it.
        held: bool,
    },
    /// A payment goes back.
    Refund {
        /// The business id of the payment, which is confirmed.
        payment: Label,
        /// How much, its part of the fee included.
        amount: Amount,
        /// Whether it is only held, until somebody confirms or cancels it.
        held: bool,
    },
    /// A commission accrues. It is paid when it is confirmed.
    Commission {
        /// Whose.
        agent: AccountId,
        /// Of what.
        asset: AssetId,
        /// How much.
        amount: Amount,
    },
    /// A commission is taken back.
    ClawBack {
        /// The business id of the commission, paid or not.
        commission: Label,
        /// How much.
        amount: Amount,
    },
    /// The platform takes its share of all fees of an asset that were earned so far.
    FeeShare {
        /// Of what.
        asset: AssetId,
        /// Its share.
        rate: BasisPoints,
    },
    /// A correction by hand, which [`APPROVERS`] operators must approve.
    Adjustment {
        /// Of what.
        asset: AssetId,
        /// From where: available money, or an account of the house.
        from: LedgerAccount,
        /// To where: the same.
        to: LedgerAccount,
        /// How much.
        amount: Amount,
        /// The number of the entry that it corrects, or zero.
        corrects: u64,
        /// The case that it closes, or zero.
        case: CaseId,
        /// Who proposes it.
        proposer: Label,
    },
}

impl Body {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> TransactionKind {
        match self {
            Self::Deposit { .. } => TransactionKind::Deposit,
            Self::Withdrawal { .. } => TransactionKind::Withdrawal,
            Self::Transfer { .. } => TransactionKind::Transfer,
            Self::Payment { .. } => TransactionKind::Payment,
            Self::Refund { .. } => TransactionKind::Refund,
            Self::Commission { .. } => TransactionKind::Commission,
            Self::ClawBack { .. } => TransactionKind::ClawBack,
            Self::FeeShare { .. } => TransactionKind::FeeShare,
            Self::Adjustment { .. } => TransactionKind::Adjustment,
        }
    }
}

/// What is asked of a wallet beside trading. Every one is carried out whole, or refused and changes
/// nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransactionCommand {
    /// Begins a transaction.
    Try {
        /// Its business id, good once and for ever.
        id: Label,
        /// What it is to do.
        body: Body,
        /// Over which rail, of those that go over one. Not compared when the id comes again.
        rail: RailId,
        /// When it ends by itself; zero for what the policy of its kind says. Not compared.
        until: Nanos,
        /// When it was accepted.
        time: Nanos,
    },
    /// Decides that a transaction that is only held goes through.
    Confirm {
        /// Which.
        id: Label,
        /// How much of it; zero for all. The rest goes back.
        amount: Amount,
        /// When.
        time: Nanos,
    },
    /// Decides that a transaction shall not go through; of one that goes over a rail, wishes it.
    Cancel {
        /// Which. An id that nobody has used yet is used up by this.
        id: Label,
        /// When.
        time: Nanos,
    },
    /// A rail says something.
    Report {
        /// Which rail.
        rail: RailId,
        /// Of which transaction, if it knows that.
        id: Option<Label>,
        /// What.
        report: Report,
        /// When.
        time: Nanos,
    },
    /// The timer of a transaction has run out.
    Drive {
        /// Which.
        transaction: TransactionId,
        /// When.
        time: Nanos,
    },
    /// Whoever must be told of the next event of a transaction has taken it.
    Acknowledge {
        /// Which.
        transaction: TransactionId,
        /// The event, by its place in the transaction.
        event: u32,
        /// When.
        time: Nanos,
    },
    /// A transaction that no rail has, or whose rail has refused it, takes another rail.
    Reroute {
        /// Which.
        transaction: TransactionId,
        /// The new rail.
        rail: RailId,
        /// When.
        time: Nanos,
    },
    /// An operator approves an adjustment.
    Approve {
        /// Which.
        id: Label,
        /// Who.
        operator: Label,
        /// When.
        time: Nanos,
    },
    /// A difference was found outside.
    OpenCase {
        /// Which.
        case: NewCase,
        /// When.
        time: Nanos,
    },
    /// An operator closes a case for which nothing has to be moved.
    CloseCase {
        /// Which.
        case: CaseId,
        /// Who.
        operator: Label,
        /// When.
        time: Nanos,
    },
    /// The next rail. The first, number zero, is there from the beginning and belongs to deposits
    /// that an operator makes directly.
    OpenRail {
        /// Its name, unique in the tenant.
        name: Label,
    },
    /// A rail takes new transactions, or none.
    ChangeRail {
        /// Which.
        rail: RailId,
        /// Whether it takes new transactions.
        is_open: bool,
    },
    /// Another policy of a topic, for timers that are set from now on.
    ChangePolicy {
        /// Of what.
        topic: Topic,
        /// Which.
        policy: Policy,
    },
    /// Another fee of a kind of transactions, for those that are tried from now on.
    ChangeFee {
        /// Of what: withdrawals or payments.
        kind: TransactionKind,
        /// In which asset.
        asset: AssetId,
        /// Which.
        fee: FeePlan,
    },
    /// What an account may do from now on.
    ChangeStanding {
        /// Whose.
        account: AccountId,
        /// What.
        standing: Standing,
    },
    /// How far below zero an account's available money of an asset may go from now on.
    ChangeCredit {
        /// Whose.
        account: AccountId,
        /// Of what.
        asset: AssetId,
        /// How far; zero for not at all.
        limit: Amount,
    },
    /// Whether somebody outside must be told of every event, and each transaction is driven until
    /// he has been.
    ChangeNotification {
        /// Whether.
        is_on: bool,
    },
}

impl TransactionCommand {
    /// When it was accepted; settings have no time.
    #[must_use]
    pub const fn time(&self) -> Option<Nanos> {
        match self {
            Self::Try { time, .. }
            | Self::Confirm { time, .. }
            | Self::Cancel { time, .. }
            | Self::Report { time, .. }
            | Self::Drive { time, .. }
            | Self::Acknowledge { time, .. }
            | Self::Reroute { time, .. }
            | Self::Approve { time, .. }
            | Self::OpenCase { time, .. }
            | Self::CloseCase { time, .. } => Some(*time),
            Self::OpenRail { .. }
            | Self::ChangeRail { .. }
            | Self::ChangePolicy { .. }
            | Self::ChangeFee { .. }
            | Self::ChangeStanding { .. }
            | Self::ChangeCredit { .. }
            | Self::ChangeNotification { .. } => None,
        }
    }
}

/// How a transaction stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum TransactionState {
    /// It was tried.
    #[default]
    Open = 0,
    /// It shall not go through, and its rail is asked whether it can still be ended.
    Closing = 1,
    /// It went through. For ever.
    Confirmed = 2,
    /// It did not. For ever.
    Canceled = 3,
}

impl TransactionState {
    /// All of them by number.
    pub const ALL: [Self; 4] = [Self::Open, Self::Closing, Self::Confirmed, Self::Canceled];

    /// Whether it can change no more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Confirmed | Self::Canceled)
    }

    /// A short name for metrics, logs and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closing => "closing",
            Self::Confirmed => "confirmed",
            Self::Canceled => "canceled",
        }
    }
}

/// How far a transaction has come on its rail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Stage {
    /// It was not handed over yet: the rail cannot have it.
    #[default]
    Unsent = 0,
    /// It was handed over, and perhaps arrived.
    Sent = 1,
    /// The rail has it.
    Accepted = 2,
}

impl Stage {
    /// All of them by number.
    pub const ALL: [Self; 3] = [Self::Unsent, Self::Sent, Self::Accepted];
}

/// A transaction, as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Counted from 1 per wallet.
    pub number: TransactionId,
    /// Its business id.
    pub id: Label,
    /// What it is to do. `None` for an id that was canceled before it was tried.
    pub body: Option<Body>,
    /// How it stands.
    pub state: TransactionState,
    /// Its rail, of those that go over one.
    pub rail: RailId,
    /// How far it has come there.
    pub stage: Stage,
    /// The fee, of a withdrawal on top of the amount, of a payment within it, of a refund the part
    /// that the house gives back.
    pub fee: Amount,
    /// What has come in or gone out over the rail so far, as far as it counts for this transaction.
    pub moved: Amount,
    /// How much went through in the end; zero until then.
    pub posted: Amount,
    /// How much of it was given back or is about to be: refunds of a payment, claw-backs of a
    /// commission.
    pub reversed: Amount,
    /// How much of a payment's fee went back with its refunds, or is about to.
    pub fee_back: Amount,
    /// When it was tried.
    pub opened: Nanos,
    /// When something last happened to it.
    pub changed: Nanos,
    /// When it ends by itself; zero for never.
    pub until: Nanos,
    /// When its timer runs out; zero for a transaction that needs none.
    pub due: Nanos,
    /// How often it was driven since it last got further.
    pub attempts: u32,
    /// Whether it was driven as often as its policy allows, and waits for an operator. Its timer
    /// goes on all the same.
    pub is_stuck: bool,
    /// How many events it has had: the sequence of the last one.
    pub events: u32,
    /// How many of them were taken by whoever must be told; all, if nobody must.
    pub acknowledged: u32,
    /// Who has approved it.
    pub approvals: Vec<Label>,
}

/// What became of a [`TransactionCommand`] that was not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transacted {
    /// The transaction; zero where there is none.
    pub transaction: TransactionId,
    /// Whether anything changed. A repetition changes nothing, and needs no record.
    pub is_changed: bool,
}
