//! What a user or an operator may ask of a wallet.

use crate::ids::{AccountId, ClientOrderId, MarketId, OrderId};
use crate::message::{CancelRestriction, Phase, Protection};
use crate::order::{Instructions, OrderKind, Side};
use crate::units::{Amount, Nanos, Price, Quantity};

/// A user's command, as the wallet takes and journals it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Place an order.
    Place(Place),
    /// Cancel an order.
    Cancel(Cancel),
    /// Cancel all orders of an account in a market.
    CancelAll {
        /// Whose.
        account: AccountId,
        /// Where.
        market: MarketId,
        /// When.
        time: Nanos,
    },
    /// Lower an order's total quantity, keeping its place.
    Reduce {
        /// Whose.
        account: AccountId,
        /// Where.
        market: MarketId,
        /// Which.
        target: OrderRef,
        /// The new total, filled part included.
        quantity: Quantity,
        /// When.
        time: Nanos,
    },
    /// Cancel an order and place another in its stead, in one turn of the book.
    Replace {
        /// What to cancel; in the same account and market as the new order.
        cancel: Cancel,
        /// Whether to place even if there is nothing to cancel.
        allow_failure: bool,
        /// What to place.
        place: Place,
    },
    /// Place the orders of a list, all or none of them.
    PlaceList(PlaceList),
    /// Cancel a list of orders.
    CancelList {
        /// Whose.
        account: AccountId,
        /// Where.
        market: MarketId,
        /// Which.
        target: ListRef,
        /// When.
        time: Nanos,
    },
    /// Cancel all orders in a market that answer to a description.
    CancelMany {
        /// Whose; an operator's command may mean everybody's.
        account: Option<AccountId>,
        /// Where.
        market: MarketId,
        /// Only those of this side.
        side: Option<Side>,
        /// Only those with this mark.
        tag: Option<u64>,
        /// When.
        time: Nanos,
    },
    /// An operator or a schedule takes a market to another phase.
    Enter {
        /// Which market.
        market: MarketId,
        /// Which phase.
        phase: Phase,
        /// When to go over to continuous trading without being told; zero for never.
        until: Nanos,
        /// When.
        time: Nanos,
    },
    /// An operator protects a market by other rules.
    Protect {
        /// Which market.
        market: MarketId,
        /// How.
        protection: Protection,
        /// When.
        time: Nanos,
    },
    /// Time has passed in a market where something is due.
    Advance {
        /// Which market.
        market: MarketId,
        /// When.
        time: Nanos,
    },
}

impl Command {
    /// The account that it is about; none of a command about a market or everybody's orders.
    #[must_use]
    pub fn account(&self) -> Option<AccountId> {
        match self {
            Self::Place(place) | Self::Replace { place, .. } => Some(place.account),
            Self::Cancel(cancel) => Some(cancel.account),
            Self::CancelAll { account, .. } | Self::Reduce { account, .. } | Self::CancelList { account, .. } => {
                Some(*account)
            }
            Self::CancelMany { account, .. } => *account,
            Self::PlaceList(list) => list.places.first().map(|place| place.account),
            Self::Enter { .. } | Self::Protect { .. } | Self::Advance { .. } => None,
        }
    }
}

/// Orders that hang together, as a user asks for them. All are of one account and market.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceList {
    /// The client's name for the list, or none to have one made.
    pub client_id: Option<ClientOrderId>,
    /// How they hang together, and so how many there are and in which order.
    pub contingency: Contingency,
    /// The orders.
    pub places: Vec<Place>,
}

/// How the orders of a list hang together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Contingency {
    /// Two orders of one side and quantity, a limit order that may rest and one that waits for a trigger,
    /// or two that wait: when one trades, is triggered or ends, the other lapses.
    OneCancelsOther,
    /// A working order that may rest, and one that takes part when the first is filled.
    OneTriggersOther,
    /// A working order, and two that hang together like the first kind and take part when it is
    /// filled.
    OneTriggersPair,
}

/// How a user names a list: by number, by his own name, or by both, which must agree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListRef {
    /// Its number: that of its first order.
    pub id: Option<OrderId>,
    /// Its owner's name for it.
    pub client_id: Option<ClientOrderId>,
}

/// An order as a user asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Whose.
    pub account: AccountId,
    /// Where.
    pub market: MarketId,
    /// The client's name for it, or none to have one made.
    pub client_id: Option<ClientOrderId>,
    /// Buy or sell.
    pub side: Side,
    /// How it takes and makes.
    pub kind: OrderKind,
    /// The limit; zero without one.
    pub price: Price,
    /// The quantity; zero for an order by quote amount.
    pub quantity: Quantity,
    /// The quote amount; zero unless the order is by quote amount.
    pub budget: Amount,
    /// When it was accepted.
    pub time: Nanos,
    /// What it asks for beyond its kind. Group and link are the wallet's to give.
    pub instructions: Instructions,
}

/// A cancel as a user asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancel {
    /// Whose.
    pub account: AccountId,
    /// Where.
    pub market: MarketId,
    /// Which.
    pub target: OrderRef,
    /// Only in this state.
    pub restriction: CancelRestriction,
    /// When it was accepted.
    pub time: Nanos,
}

/// How a user names an order: by number, by his own name, or by both, which must agree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OrderRef {
    /// Its number.
    pub id: Option<OrderId>,
    /// Its owner's name for it.
    pub client_id: Option<ClientOrderId>,
}
