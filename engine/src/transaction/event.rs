//! What happens to transactions, as whoever follows them is told.

use super::Transaction;
use crate::ids::AssetId;
use crate::label::Label;
use crate::units::{Amount, Nanos};

/// Something that happened to a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionEvent {
    /// Counted from 1 per wallet, without gaps: where a follower of events goes on.
    pub number: u64,
    /// Counted from 1 per transaction.
    pub sequence: u32,
    /// When.
    pub time: Nanos,
    /// What.
    pub what: Happening,
    /// The transaction behind it.
    pub transaction: Transaction,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// It was tried.
    Opened,
    /// It was handed to its rail.
    Sent,
    /// Its rail has it.
    Accepted,
    /// Money came in or went out.
    Moved {
        /// The rail's name for that.
        reference: Label,
        /// Of what.
        asset: AssetId,
        /// How much.
        amount: Amount,
        /// What became of it.
        meaning: Meaning,
    },
    /// It shall not go through.
    Closing,
    /// It went through.
    Confirmed,
    /// It did not go through.
    Canceled,
    /// It takes another rail.
    Rerouted,
    /// An operator has approved it.
    Approved {
        /// Who.
        operator: Label,
    },
    /// It was driven as often as its policy allows.
    Stuck,
    /// Part of it was given back, or is about to be, or is not after all.
    Reversed,
}

impl Happening {
    /// Its number, which wallets take into their digests.
    #[must_use]
    pub const fn number(&self) -> u8 {
        match self {
            Self::Opened => 0,
            Self::Sent => 1,
            Self::Accepted => 2,
            Self::Moved { .. } => 3,
            Self::Closing => 4,
            Self::Confirmed => 5,
            Self::Canceled => 6,
            Self::Rerouted => 7,
            Self::Approved { .. } => 8,
            Self::Stuck => 9,
            Self::Reversed => 10,
        }
    }

    /// A short name for logs and reports.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Sent => "sent",
            Self::Accepted => "accepted",
            Self::Moved { .. } => "moved",
            Self::Closing => "closing",
            Self::Confirmed => "confirmed",
            Self::Canceled => "canceled",
            Self::Rerouted => "rerouted",
            Self::Approved { .. } => "approved",
            Self::Stuck => "stuck",
            Self::Reversed => "reversed",
        }
    }
}

/// What a movement on a rail meant to its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Meaning {
    /// It counts, and cannot be taken back.
    Final = 0,
    /// It counts, and may yet be taken back.
    Pending = 1,
    /// What was pending cannot be taken back any more.
    Settled = 2,
    /// What was pending was taken back.
    Returned = 3,
    /// Some or all of it is more than was asked for: that part is in suspense, and a case.
    Excess = 4,
    /// It came after the transaction had ended without it: in suspense, and a case.
    Late = 5,
    /// Another asset than was asked for: in suspense, and a case.
    WrongAsset = 6,
    /// Less went out than was asked for: the rest is in suspense, and a case.
    Short = 7,
    /// What had gone out came back, and is the user's again.
    Bounced = 8,
}

impl Meaning {
    /// All of them by number.
    pub const ALL: [Self; 9] = [
        Self::Final,
        Self::Pending,
        Self::Settled,
        Self::Returned,
        Self::Excess,
        Self::Late,
        Self::WrongAsset,
        Self::Short,
        Self::Bounced,
    ];

    /// A short name for logs and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Final => "final",
            Self::Pending => "pending",
            Self::Settled => "settled",
            Self::Returned => "returned",
            Self::Excess => "excess",
            Self::Late => "late",
            Self::WrongAsset => "wrong_asset",
            Self::Short => "short",
            Self::Bounced => "bounced",
        }
    }
}
