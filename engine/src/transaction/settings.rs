//! What decides about transactions: when timers run out, what they cost, and who may have any.

use super::TransactionKind;
use crate::units::{Amount, BasisPoints, Nanos};

/// When timers run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// From the first moment to the first attempt.
    pub first: Nanos,
    /// From one attempt to the next.
    pub interval: Nanos,
    /// Whether each is twice as long as the one before it.
    pub is_doubling: bool,
    /// The longest that one gets.
    pub longest: Nanos,
    /// After so many attempts without any progress an operator is called.
    pub attempts: u32,
    /// After so long a transaction ends by itself: a commission is paid, anything else shall not go
    /// through. Zero for never.
    pub lifetime: Nanos,
}

/// What has a policy of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Driving the transactions of a kind.
    Kind(TransactionKind),
    /// Telling of events.
    Notification,
}

impl Topic {
    /// How many there are.
    pub const COUNT: usize = TransactionKind::ALL.len() + 1;

    /// Its number.
    #[must_use]
    pub const fn number(self) -> usize {
        match self {
            Self::Kind(kind) => kind as usize,
            Self::Notification => TransactionKind::ALL.len(),
        }
    }
}

/// What a transaction costs: a fixed part, and a share that is rounded up. Never more than the
/// amount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeePlan {
    /// In minor units.
    pub fixed: Amount,
    /// Of the amount.
    pub rate: BasisPoints,
}

/// What an account may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Standing {
    /// Everything.
    #[default]
    Active = 0,
    /// Nothing may leave it, but what comes in does, and its orders can be canceled.
    Frozen = 1,
    /// Nothing. It is empty, and has no orders.
    Closed = 2,
}

impl Standing {
    /// All of them by number.
    pub const ALL: [Self; 3] = [Self::Active, Self::Frozen, Self::Closed];
}
