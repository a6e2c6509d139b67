//! What wallets and books say to each other.
//!
//! Every path between two actors is numbered from 1. A receiver keeps the last number it has
//! seen of each sender, so that a message delivered again after a crash is dropped.

use crate::digest::Digest;
use crate::ids::{AccountId, OrderId, TradeId};
use crate::order::{NewOrder, Side};
use crate::reason::Reason;
use crate::units::{Nanos, Price, Quantity};

/// A command on its way from a wallet to a book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToBook {
    /// Its number on the path from this wallet to this book.
    pub number: u64,
    /// When the user's command was accepted.
    pub time: Nanos,
    /// What is to be done.
    pub command: BookCommand,
}

/// What a book can be told to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BookCommand {
    /// Match, then rest if the kind says so.
    Place(NewOrder),
    /// Take an order out.
    Cancel {
        /// Which.
        order: OrderId,
        /// Only in this state.
        restriction: CancelRestriction,
    },
    /// Take many orders out, in the order given.
    CancelMany(Box<[OrderId]>),
    /// Lower an order's total quantity. It keeps its place.
    Reduce {
        /// Which.
        order: OrderId,
        /// The new total, filled part included.
        quantity: Quantity,
    },
    /// Take an order out and place another in the same turn.
    Replace {
        /// The order to take out.
        old: OrderId,
        /// Only in this state.
        restriction: CancelRestriction,
        /// Whether the new order is placed even if the old one could not be cancelled.
        allow_failure: bool,
        /// What must still be open of the old order for the new one to be funded.
        old_remaining_needed: Quantity,
        /// The order to place.
        new: NewOrder,
    },
}

/// In which state an order may be cancelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CancelRestriction {
    /// In any.
    #[default]
    None,
    /// Only before its first fill.
    OnlyNew,
    /// Only after its first fill.
    OnlyPartiallyFilled,
}

/// What a book answers: one message for one command, with all its fills.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToWallet {
    /// Its number on the path from this book to this wallet.
    pub number: u64,
    /// When the user's command was accepted.
    pub time: Nanos,
    /// The trades, in order.
    pub fills: Vec<Fill>,
    /// What became of the command.
    pub outcome: BookOutcome,
    /// What else came of it, in order. Mostly empty.
    pub events: Vec<BookEvent>,
}

/// What became of a command in the book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BookOutcome {
    /// An order was taken in.
    Placed {
        /// Which.
        order: OrderId,
        /// How it stands after matching.
        placement: Placement,
    },
    /// An order was taken out.
    Canceled {
        /// Which.
        order: OrderId,
        /// What was still open of it.
        remaining: Quantity,
    },
    /// A cancel found nothing to take out, or was restricted.
    CancelRejected {
        /// Which.
        order: OrderId,
        /// Why.
        reason: Reason,
    },
    /// Many orders were taken out; those that were gone already are missing.
    CanceledMany(Vec<(OrderId, Quantity)>),
    /// An order was reduced.
    Reduced {
        /// Which.
        order: OrderId,
        /// Its new total, filled part included.
        quantity: Quantity,
    },
    /// A reduction was refused.
    ReduceRejected {
        /// Which.
        order: OrderId,
        /// Why.
        reason: Reason,
    },
    /// Nobody's command: more orders were triggered than one command may carry out, and some of
    /// those that were left over had their turn.
    Continued,
    /// A replacement was carried out, as far as it could be.
    Replaced {
        /// The old order.
        old: OrderId,
        /// What was still open of it, or why it stays.
        canceled: Result<Quantity, Reason>,
        /// The new order.
        new: OrderId,
        /// How it stands, or `None` if it was not attempted.
        placement: Option<Placement>,
    },
}

/// What a command did beside its outcome and its fills.
///
/// What stands before the first [`BookEvent::Triggered`] belongs to the order of the command; what
/// stands behind one, to the order that was triggered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BookEvent {
    /// A resting order would have traded with its own account and lapsed instead.
    Lapsed {
        /// Which.
        order: OrderId,
        /// What was still open of it.
        remaining: Quantity,
        /// How many of the answer's fills came before.
        after: u32,
    },
    /// Two orders of one account lost what they would have traded. The resting one lapsed if
    /// nothing is left of it.
    Decremented {
        /// The resting order.
        maker: OrderId,
        /// The incoming order.
        taker: OrderId,
        /// What both lost.
        quantity: Quantity,
        /// What is still open of the resting order.
        maker_remaining: Quantity,
        /// How many of the answer's fills came before.
        after: u32,
    },
    /// An order was triggered and took part.
    Triggered {
        /// Which.
        order: OrderId,
        /// How it stands after that.
        placement: Placement,
        /// How many of the fills, after those of the order before it, are its own.
        fills: u32,
    },
}

impl BookEvent {
    /// How many of the answer's fills came before it; `None` for a triggered order, whose fills
    /// follow it.
    #[must_use]
    pub const fn after(&self) -> Option<u32> {
        match *self {
            Self::Lapsed { after, .. } | Self::Decremented { after, .. } => Some(after),
            Self::Triggered { .. } => None,
        }
    }

    /// Takes the event into a fingerprint.
    pub fn add_to(&self, digest: &mut Digest) {
        match *self {
            Self::Lapsed { order, remaining, .. } => [1, order.0, remaining.0].map(|word| digest.add(word)),
            Self::Decremented { maker, taker, quantity, .. } => {
                digest.add(2);
                [maker.0, taker.0, quantity.0].map(|word| digest.add(word))
            }
            Self::Triggered { order, fills, .. } => [3, order.0, u64::from(fills)].map(|word| digest.add(word)),
        };
    }
}

/// How an order stands after its first turn in the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Nothing is left of it.
    Filled,
    /// The rest is in the book.
    Resting {
        /// How much.
        remaining: Quantity,
    },
    /// It waits for its trigger.
    Waiting,
    /// The rest lapsed.
    Expired {
        /// How much.
        remaining: Quantity,
        /// Why.
        reason: Expiry,
    },
    /// The book would not take it.
    Rejected(Reason),
}

/// Why the rest of an order lapsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// Immediate or cancel, and no more could be had at its limit.
    ImmediateOrCancel,
    /// Fill or kill, and the whole could not be had.
    FillOrKill,
    /// A market order emptied the other side or its budget.
    Liquidity,
    /// It would have traded with its own account.
    SelfTrade,
}

/// A trade, with all that settlement needs, so that it never asks the book again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// Counted per market.
    pub trade: TradeId,
    /// Counted per market: neighbouring trades of one taker at one price share it.
    pub aggregate: u64,
    /// The maker's price.
    pub price: Price,
    /// How much changed hands.
    pub quantity: Quantity,
    /// The side of the incoming order.
    pub taker_side: Side,
    /// The resting order.
    pub maker: OrderId,
    /// Whose it is.
    pub maker_account: AccountId,
    /// What is left of it.
    pub maker_remaining: Quantity,
    /// The incoming order.
    pub taker: OrderId,
    /// Whose it is.
    pub taker_account: AccountId,
    /// What is left of it.
    pub taker_remaining: Quantity,
}
