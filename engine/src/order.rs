//! What an order says.

use crate::ids::{AccountId, OrderId};
use crate::units::{Nanos, Notional, Price, Quantity};

/// The side of the book an order stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// Buys base, pays quote.
    Buy,
    /// Sells base, receives quote.
    Sell,
}

impl Side {
    /// The other side.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }
}

/// How an order takes and makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OrderKind {
    /// Limit, good till cancelled: match, rest the remainder.
    Limit,
    /// Limit, immediate or cancel: match, expire the remainder.
    ImmediateOrCancel,
    /// Limit, fill or kill: match in full or expire in full.
    FillOrKill,
    /// Limit that must rest: rejected when it would match.
    PostOnly,
    /// No limit, by base quantity.
    Market,
    /// No limit, by quote amount.
    MarketByQuote,
}

impl OrderKind {
    /// Every kind, by its number.
    pub const ALL: [Self; 6] =
        [Self::Limit, Self::ImmediateOrCancel, Self::FillOrKill, Self::PostOnly, Self::Market, Self::MarketByQuote];

    /// Whether the order carries a limit price.
    #[must_use]
    pub const fn has_limit(self) -> bool {
        !matches!(self, Self::Market | Self::MarketByQuote)
    }
}

/// An order as it reaches a book: funded, checked, numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewOrder {
    /// Its number.
    pub id: OrderId,
    /// Whose it is.
    pub account: AccountId,
    /// Buy or sell.
    pub side: Side,
    /// How it takes and makes.
    pub kind: OrderKind,
    /// The limit in ticks; zero for kinds without one.
    pub limit: Price,
    /// The quantity in lots; the market's maximum for [`OrderKind::MarketByQuote`].
    pub quantity: Quantity,
    /// The most it may trade for in tick-lots. Only market orders are bounded by it.
    pub budget: Notional,
    /// When it was accepted.
    pub time: Nanos,
}
