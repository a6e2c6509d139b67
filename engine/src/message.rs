//! What wallets and books say to each other.
//!
//! Every path between two actors is numbered from 1. A receiver keeps the last number it has
//! seen of each sender, so that a message delivered again after a crash is dropped.

use crate::digest::Digest;
use crate::ids::{AccountId, OrderId, TradeId};
use crate::order::{NewOrder, Side};
use crate::reason::Reason;
use crate::units::{BasisPoints, Nanos, Price, Quantity};

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
    /// Place the orders of a list, all or none of them. The first is the one that may match at once.
    PlaceList(Box<[NewOrder]>),
    /// Enter another phase.
    Enter {
        /// Which.
        phase: Phase,
        /// When to go over to continuous trading without being told; zero for never.
        until: Nanos,
    },
    /// Protect trading by other rules from now on.
    Protect(Protection),
    /// Time has passed: what is due by the time of the message is carried out before it.
    Advance,
}

/// What a market does with orders. A book may be crossed in those phases only that do not match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Orders are collected and nothing is matched, as before an opening.
    PreOpen,
    /// Orders are collected for a call auction, and its likely result is published.
    Auction,
    /// Orders are matched as they come.
    #[default]
    Continuous,
    /// Trading stands still: no order is taken, but cancels are.
    Halted,
    /// What is there may be cancelled, for good.
    CancelOnly,
    /// The day is over: orders for the day have lapsed, the others stay and may be cancelled.
    Closed,
}

impl Phase {
    /// Every phase, by its number.
    pub const ALL: [Self; 6] =
        [Self::PreOpen, Self::Auction, Self::Continuous, Self::Halted, Self::CancelOnly, Self::Closed];

    /// Whether new orders are taken.
    #[must_use]
    pub const fn takes_orders(self) -> bool {
        matches!(self, Self::PreOpen | Self::Auction | Self::Continuous)
    }

    /// Whether the book may be crossed in it. Entering any other phase carries out the auction.
    #[must_use]
    pub const fn may_be_crossed(self) -> bool {
        matches!(self, Self::PreOpen | Self::Auction | Self::Halted)
    }
}

/// What protects continuous trading from leaps of the price: before a trade outside of a band, the
/// market goes over to an auction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Protection {
    /// How far a trade may be from the static reference: the price of the last auction, or the one
    /// given here; zero for no bound.
    pub static_band: BasisPoints,
    /// How far a trade may be from the last trade before its command; zero for no bound.
    pub dynamic_band: BasisPoints,
    /// How long such an auction takes; zero for until an operator ends it.
    pub interruption: Nanos,
    /// The static reference from now on; `None` keeps it.
    pub reference: Option<Price>,
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
    /// Nobody's command: something that was due was carried out, or some of the triggered orders
    /// that were left over had their turn.
    Continued,
    /// The orders of a list were taken in, or all of them were refused.
    PlacedList(Vec<(OrderId, Placement)>),
    /// Another phase was entered, and the fills are those of its auction.
    Entered(Phase),
    /// Other rules protect trading.
    Protected,
    /// Nothing but time has passed.
    Advanced,
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
/// What stands before the first [`BookEvent::Triggered`] or [`BookEvent::Resumed`] belongs to the
/// order of the command; what stands behind one, to its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BookEvent {
    /// A resting or waiting order lapsed.
    Lapsed {
        /// Which.
        order: OrderId,
        /// What was still open of it.
        remaining: Quantity,
        /// How many of the answer's fills came before.
        after: u32,
        /// Why.
        reason: Expiry,
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
    /// The market went over to another phase by itself.
    PhaseChanged {
        /// Which.
        phase: Phase,
        /// How many of the answer's fills came before.
        after: u32,
    },
    /// A resting order that is not displayed can trade after all, and does so as the taker.
    Resumed {
        /// Which.
        order: OrderId,
        /// How it stands after that.
        placement: Placement,
        /// How many of the fills, after those of the order before it, are its own.
        fills: u32,
    },
    /// An order was triggered, or the order it waited for was filled, and it took part, or waits for
    /// its price now.
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
    /// How many of the answer's fills came before it; `None` for an order that has a turn, whose
    /// fills follow it.
    #[must_use]
    pub const fn after(&self) -> Option<u32> {
        match *self {
            Self::Lapsed { after, .. } | Self::Decremented { after, .. } | Self::PhaseChanged { after, .. } => {
                Some(after)
            }
            Self::Triggered { .. } | Self::Resumed { .. } => None,
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
            Self::Resumed { order, fills, .. } => [4, order.0, u64::from(fills)].map(|word| digest.add(word)),
            Self::PhaseChanged { phase, after } => [5, phase as u64, u64::from(after)].map(|word| digest.add(word)),
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
    /// The rest is in the book, at another price than its limit.
    Slid {
        /// How much.
        remaining: Quantity,
        /// Where.
        price: Price,
    },
    /// It waits for its trigger.
    Waiting,
    /// It waits until another order of its list is filled.
    Pending,
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
    /// It would have traded with its own account or trade group.
    SelfTrade,
    /// Its time was over.
    Time,
    /// The other order of its list took part or ended.
    Contingency,
    /// An order of its list was cancelled by its owner, and so was this one.
    ListCanceled,
    /// The least that it trades in one turn could not be had.
    Minimum,
    /// The market went over to an auction before it.
    Interruption,
}

impl Expiry {
    /// Every one, by its number.
    pub const ALL: [Self; 9] = [
        Self::ImmediateOrCancel,
        Self::FillOrKill,
        Self::Liquidity,
        Self::SelfTrade,
        Self::Time,
        Self::Contingency,
        Self::ListCanceled,
        Self::Minimum,
        Self::Interruption,
    ];
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
    /// The side of the incoming order; in an auction, of the younger one.
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
