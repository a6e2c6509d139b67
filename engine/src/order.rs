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
    /// Limit that must rest: where it would match, it rests one tick behind what it would have met.
    PostOnlySlide,
}

impl OrderKind {
    /// Every kind, by its number.
    pub const ALL: [Self; 7] = [
        Self::Limit,
        Self::ImmediateOrCancel,
        Self::FillOrKill,
        Self::PostOnly,
        Self::Market,
        Self::MarketByQuote,
        Self::PostOnlySlide,
    ];

    /// Whether the order carries a limit price.
    #[must_use]
    pub const fn has_limit(self) -> bool {
        !matches!(self, Self::Market | Self::MarketByQuote)
    }

    /// Whether what is not filled at once stays in the book.
    #[must_use]
    pub const fn may_rest(self) -> bool {
        matches!(self, Self::Limit | Self::PostOnly | Self::PostOnlySlide)
    }
}

/// What happens where an order would trade with one of its own account or trade group. The incoming order's mode
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
    pub distance: Distance,
    /// From where on it follows the price; at once without it.
    pub activation: Option<Activation>,
}

/// How far a trailing trigger stays behind the price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Distance {
    /// A share of the price.
    Share(BasisPoints),
    /// So many ticks.
    Ticks(Price),
}

/// From where on a trailing trigger follows the price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Activation {
    /// From the first trade at this price or above.
    Rise(Price),
    /// From the first trade at this price or below.
    Fall(Price),
}

/// How much of a resting order others see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Display {
    /// All of it.
    #[default]
    All,
    /// At most so much at a time. When that is traded, the next part takes its place, behind all
    /// others of its price.
    Iceberg(Quantity),
    /// Nothing. It trades behind everything that is displayed at its price.
    Hidden,
}

/// A price that follows the displayed book. A pegged order is never displayed and never crosses
/// what is: its limit bounds it, and so does the other side's best displayed price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peg {
    /// What it follows.
    pub reference: PegReference,
    /// Ticks added to it: up where positive, whichever side the order is on.
    pub offset: i64,
}

/// What a pegged order follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PegReference {
    /// The best displayed bid.
    BestBid,
    /// The best displayed ask.
    BestAsk,
    /// The middle between them; half a tick is rounded away from the other side.
    Midpoint,
}

impl PegReference {
    /// Every reference, by its number.
    pub const ALL: [Self; 3] = [Self::BestBid, Self::BestAsk, Self::Midpoint];
}

/// How long an order is good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Lifetime {
    /// Till it is cancelled.
    #[default]
    UntilCancelled,
    /// Till this time; at that time it is gone.
    Until(Nanos),
    /// Till this time, the end of its day, or till the market closes before.
    Day(Nanos),
}

impl Lifetime {
    /// When it ends; `None` if only its owner or a trade ends it.
    #[must_use]
    pub const fn end(self) -> Option<Nanos> {
        match self {
            Self::UntilCancelled => None,
            Self::Until(time) | Self::Day(time) => Some(time),
        }
    }
}

/// How an order hangs together with others of its list. Given by the wallet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Link {
    /// The list: the number of its first order.
    pub list: OrderId,
    /// The order that lapses when this one trades, is triggered or ends.
    pub partner: Option<OrderId>,
    /// The order that must be filled before this one may take part.
    pub after: Option<OrderId>,
}

/// What an order may ask for beyond its kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Instructions {
    /// What happens where it would trade with its own account, or one of its trade group.
    pub self_trade: SelfTrade,
    /// The trade group of its account; zero for none. Given by the wallet.
    pub group: u32,
    /// What must happen before it may take part.
    pub trigger: Option<Trigger>,
    /// How much of it others see while it rests.
    pub display: Display,
    /// The least that it trades in one turn, or all that is left of it if that is less; zero for
    /// none. As much as the whole order means all or none. While it rests it is not displayed.
    pub minimum: Quantity,
    /// What its price follows.
    pub peg: Option<Peg>,
    /// How long it is good.
    pub lifetime: Lifetime,
    /// How much worse than the best price of its turn a market order may trade; zero for no bound.
    pub slippage: BasisPoints,
    /// Its owner's mark, by which many can be cancelled; zero for none.
    pub tag: u64,
    /// How it hangs together with others of its list.
    pub link: Option<Link>,
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
    /// What it asks for beyond its kind; `None` for nothing, which keeps plain orders small.
    pub instructions: Option<Instructions>,
}

impl NewOrder {
    /// What it asks for beyond its kind.
    #[must_use]
    pub fn asks(&self) -> Instructions {
        self.instructions.unwrap_or_default()
    }
}
