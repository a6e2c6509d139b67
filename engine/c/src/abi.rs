//! The structs and numbers of `include/rialto.h`, which says what they mean.

use rialto_engine::message::Expiry;
use rialto_engine::order::{OrderKind, Side};

/// The version of the interface.
pub const ABI_VERSION: u32 = 1;

/// Done.
pub const OK: i32 = 0;
/// The book refused.
pub const REFUSED: i32 = 1;

/// Why a call was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Error {
    /// A pointer that must be given is null.
    Null = -1,
    /// No such side or kind, or a field that the kind does not use is not 0.
    Invalid = -2,
    /// A price, quantity or budget of zero, or above what the book was made for.
    Range = -3,
    /// An order with this id rests in the book.
    Duplicate = -4,
    /// The book holds as many orders as it can.
    Full = -5,
    /// A command from within the report callback.
    Busy = -6,
    /// An earlier call ended in a panic.
    Poisoned = -7,
    /// This call ended in a panic.
    Panic = -8,
}

/// What a report is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ReportKind {
    /// A trade.
    Fill = 1,
    /// An order was taken in, and this much of it rests.
    Accepted = 2,
    /// An order was taken in, and this much of it lapsed.
    Expired = 3,
    /// An order was refused by the book.
    Rejected = 4,
    /// An order was taken out.
    Canceled = 5,
    /// There was nothing to take out.
    CancelRejected = 6,
    /// An order has a new price or quantity.
    Modified = 7,
    /// An order keeps its price and quantity.
    ModifyRejected = 8,
}

/// `rialto_order`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Order {
    /// Its number.
    pub id: u64,
    /// Its limit in ticks.
    pub price: u64,
    /// Its quantity in lots.
    pub quantity: u64,
    /// What a market order by quote may spend, in tick-lots.
    pub budget: u64,
    /// Whose it is.
    pub account: u32,
    /// See [`side`].
    pub side: u32,
    /// See [`kind`].
    pub kind: u32,
    /// Zero.
    pub reserved: u32,
}

/// `rialto_report`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Report {
    /// The order; the incoming one of a fill.
    pub id: u64,
    /// Its price; the maker's in a fill.
    pub price: u64,
    /// Its quantity; what changed hands in a fill.
    pub quantity: u64,
    /// What is open of it, was when it was taken out, or has lapsed.
    pub remaining: u64,
    /// The resting order of a fill.
    pub maker_id: u64,
    /// What is open of that.
    pub maker_remaining: u64,
    /// The number of the trade.
    pub trade: u64,
    /// Whose the order is.
    pub account: u32,
    /// Whose the resting order is.
    pub maker_account: u32,
    /// A [`ReportKind`].
    pub kind: u32,
    /// The side of the order.
    pub side: u32,
    /// Why it was refused or lapsed.
    pub reason: u32,
    /// Whether a modified order kept its place.
    pub kept_place: u32,
}

/// The side of this number.
#[must_use]
pub const fn side(number: u32) -> Option<Side> {
    match number {
        0 => Some(Side::Buy),
        1 => Some(Side::Sell),
        _ => None,
    }
}

/// The number of a side.
#[must_use]
pub const fn side_number(side: Side) -> u32 {
    match side {
        Side::Buy => 0,
        Side::Sell => 1,
    }
}

/// The kind of this number.
#[must_use]
pub const fn kind(number: u32) -> Option<OrderKind> {
    match number {
        0 => Some(OrderKind::Limit),
        1 => Some(OrderKind::ImmediateOrCancel),
        2 => Some(OrderKind::FillOrKill),
        3 => Some(OrderKind::PostOnly),
        4 => Some(OrderKind::Market),
        5 => Some(OrderKind::MarketByQuote),
        _ => None,
    }
}

/// The number of a reason to lapse.
#[must_use]
pub const fn expiry_number(expiry: Expiry) -> u32 {
    match expiry {
        Expiry::ImmediateOrCancel => 1,
        Expiry::FillOrKill => 2,
        Expiry::Liquidity => 3,
        // Not in the header: no order asks for these here.
        Expiry::SelfTrade => 4,
        Expiry::Time => 5,
        Expiry::Contingency => 6,
        Expiry::ListCanceled => 7,
        Expiry::Minimum => 8,
        Expiry::Interruption => 9,
    }
}
