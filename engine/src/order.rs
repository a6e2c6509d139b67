//! What an order says.

use crate::ids::{AccountId, OrderId};
use crate::units::{BasisPoints, Nanos, Notional, Price, Quantity};

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

/// What happens where an order would trade with one of its own account. The incoming order's mode
/// decides; that of a resting order is not asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SelfTrade {
    /// They trade.
    #[default]
    Allow,
    /// The rest of the incoming order lapses.
    ExpireTaker,
    /// The resting order lapses, and the incoming one goes on.
    ExpireMaker,
    /// Both lapse.
    ExpireBoth,
    /// Both lose what they would have traded; the smaller one lapses, and the other goes on.
    Decrement,
}

/// What must happen before an order may take part. Prices are those of the market's last trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// The price reaches this from below.
    Rise(Price),
    /// The price reaches this from above.
    Fall(Price),
    /// The price rises by so much from the lowest since the order began to follow it.
    TrailRise(Trail),
    /// The price falls by so much from the highest since the order began to follow it.
    TrailFall(Trail),
}

/// How a trigger follows the price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Trail {
    /// The move against the order that triggers it.
    pub delta: BasisPoints,
    /// From where on it follows the price; at once without it.
    pub activation: Option<Activation>,
}

/// From where on a trailing trigger follows the price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Activation {
    /// From the first trade at this price or above.
    Rise(Price),
    /// From the first trade at this price or below.
    Fall(Price),
}

/// What an order may ask for beyond its kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Instructions {
    /// What happens where it would trade with its own account.
    pub self_trade: SelfTrade,
    /// What must happen before it may take part.
    pub trigger: Option<Trigger>,
}

impl SelfTrade {
    /// Every mode, by its number.
    pub const ALL: [Self; 5] = [Self::Allow, Self::ExpireTaker, Self::ExpireMaker, Self::ExpireBoth, Self::Decrement];
}

impl Instructions {
    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
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
    /// What it asks for beyond its kind.
    pub instructions: Instructions,
}
