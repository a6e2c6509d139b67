//! What a rail is asked about transactions, and what it says.

use super::Transaction;
use crate::ids::AssetId;
use crate::label::Label;
use crate::units::Amount;

/// What is asked of a rail. It leaves when its cause is durable, and may be lost: the timer asks
/// again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RailCall {
    /// What.
    pub ask: Ask,
    /// The transaction, whose business id is the rail's key of idempotency.
    pub transaction: Transaction,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ask {
    /// Do it.
    Submit,
    /// How does it stand?
    Query,
    /// End it, if it has not happened, and do not do it later either.
    Cancel,
}

/// What a rail says of a transaction.
///
/// `reference` is the rail's own name for one movement of money on it. The same reference of the
/// same rail is the same movement, however often it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// The rail has it, and works on it.
    Accepted,
    /// Money came in.
    Received {
        /// Which movement.
        reference: Label,
        /// Of what.
        asset: AssetId,
        /// How much.
        amount: Amount,
        /// Whether it cannot be taken back any more.
        is_final: bool,
    },
    /// Money that had come in, and was not final, was taken back.
    Returned {
        /// Which movement.
        reference: Label,
    },
    /// Money went out.
    Paid {
        /// Which movement.
        reference: Label,
        /// Of what.
        asset: AssetId,
        /// How much.
        amount: Amount,
    },
    /// Money that went out has come back.
    Bounced {
        /// Which movement.
        reference: Label,
        /// Of what.
        asset: AssetId,
        /// How much.
        amount: Amount,
    },
    /// The rail will not do it, and has moved nothing.
    Rejected,
    /// The rail has ended it as it was asked to, and will move nothing any more.
    Canceled,
    /// The rail has never heard of it.
    Unknown,
}
