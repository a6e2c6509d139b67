//! Messages under way between a wallet and a book, as snapshots hold them.

use bincode::{Decode, Encode};
use rialto_engine::ids::{AccountId, OrderId, TradeId};
use rialto_engine::message::{BookCommand, BookOutcome, Fill, Placement, ToBook, ToWallet};
use rialto_engine::order::{Instructions, NewOrder};
use rialto_engine::reason::Reason;
use rialto_engine::units::{Nanos, Notional, Price, Quantity};

use super::instructions::{WireInstructions, WireInstructionsV2};
use super::market::WireProtection;
use super::{CodecError, EXPIRIES, KINDS, PHASES, RESTRICTIONS, SIDES, number_of, reason_of, value_of};

#[derive(Encode, Decode)]
pub(super) struct WireToBook {
    number: u64,
    time: u64,
    command: WireBookCommand,
}

#[derive(Encode, Decode)]
enum WireBookCommand {
    Place(WireNewOrder),
    Cancel { order: u64, restriction: u8 },
    CancelMany(Vec<u64>),
    Reduce { order: u64, quantity: u64 },
    Replace { old: u64, restriction: u8, allow_failure: bool, old_remaining_needed: u64, new: WireNewOrder },
    // Since version 3.
    PlaceWith(WireAskingOrder),
    ReplaceWith { old: u64, restriction: u8, allow_failure: bool, old_remaining_needed: u64, new: WireAskingOrder },
    PlaceList(Vec<WireAskingOrder>),
    Enter { phase: u8, until: u64 },
    Protect(WireProtection),
    Advance,
}

/// An order with whatever it asks for. Where the first form of instructions says it, it stands
/// apart, as version 2 of a snapshot has it.
#[derive(Encode, Decode)]
pub(super) struct WireAskingOrder {
    order: WireNewOrder,
    instructions: Option<WireInstructionsV2>,
}

#[derive(Encode, Decode)]
pub(super) struct WireNewOrder {
    id: u64,
    account: u32,
    side: u8,
    kind: u8,
    limit: u64,
    quantity: u64,
    budget: u64,
    time: u64,
}

#[derive(Encode, Decode)]
pub(super) struct WireToWallet {
    number: u64,
    time: u64,
    fills: Vec<WireFill>,
    outcome: WireOutcome,
}

#[derive(Encode, Decode)]
struct WireFill {
    trade: u64,
    aggregate: u64,
    price: u64,
    quantity: u64,
    taker_side: u8,
    maker: u64,
    maker_account: u32,
    maker_remaining: u64,
    taker: u64,
    taker_account: u32,
    taker_remaining: u64,
}

#[derive(Encode, Decode)]
enum WireOutcome {
    Placed { order: u64, placement: WirePlacement },
    Canceled { order: u64, remaining: u64 },
    CancelRejected { order: u64, reason: u16 },
    CanceledMany(Vec<(u64, u64)>),
    Reduced { order: u64, quantity: u64 },
    ReduceRejected { order: u64, reason: u16 },
    Replaced { old: u64, canceled: Result<u64, u16>, new: u64, placement: Option<WirePlacement> },
    // Since version 2.
    Continued,
    // Since version 3.
    PlacedList(Vec<(u64, WirePlacement)>),
    Entered(u8),
    Protected,
    Advanced,
}

#[derive(Encode, Decode)]
pub(super) enum WirePlacement {
    Filled,
    Resting { remaining: u64 },
    Expired { remaining: u64, reason: u8 },
    Rejected(u16),
    // Since version 2.
    Waiting,
    // Since version 3.
    Slid { remaining: u64, price: u64 },
    Pending,
}

impl From<&ToBook> for WireToBook {
    fn from(message: &ToBook) -> Self {
        let command = match &message.command {
            BookCommand::Place(order) if is_apart(order) => WireBookCommand::Place(order.into()),
            BookCommand::Place(order) => WireBookCommand::PlaceWith(order.into()),
            BookCommand::Cancel { order, restriction } => {
                WireBookCommand::Cancel { order: order.0, restriction: number_of(&RESTRICTIONS, restriction) }
            }
            BookCommand::CancelMany(orders) => {
                WireBookCommand::CancelMany(orders.iter().map(|order| order.0).collect())
            }
            BookCommand::Reduce { order, quantity } => WireBookCommand::Reduce { order: order.0, quantity: quantity.0 },
            BookCommand::Replace { old, restriction, allow_failure, old_remaining_needed, new } => {
                let (old, restriction) = (old.0, number_of(&RESTRICTIONS, restriction));
                let (allow_failure, old_remaining_needed) = (*allow_failure, old_remaining_needed.0);
                if is_apart(new) {
                    let new = new.into();
                    WireBookCommand::Replace { old, restriction, allow_failure, old_remaining_needed, new }
                } else {
                    let new = new.into();
                    WireBookCommand::ReplaceWith { old, restriction, allow_failure, old_remaining_needed, new }
                }
            }
            BookCommand::PlaceList(orders) => {
                WireBookCommand::PlaceList(orders.iter().map(WireAskingOrder::from).collect())
            }
            BookCommand::Enter { phase, until } => {
                WireBookCommand::Enter { phase: number_of(&PHASES, phase), until: until.0 }
            }
            BookCommand::Protect(protection) => WireBookCommand::Protect(protection.into()),
            BookCommand::Advance => WireBookCommand::Advance,
        };
        Self { number: message.number, time: message.time.0, command }
    }
}

/// Whether version 2 of a snapshot holds what the order asks for, if anything, in its own place.
fn is_apart(order: &NewOrder) -> bool {
    order.instructions.is_none_or(|instructions| WireInstructions::of(&instructions).is_some())
}

impl TryFrom<WireToBook> for ToBook {
    type Error = CodecError;
    fn try_from(message: WireToBook) -> Result<Self, CodecError> {
        let restriction_of = |number| value_of(&RESTRICTIONS, number, "cancel restriction");
        let command = match message.command {
            WireBookCommand::Place(order) => BookCommand::Place(order.try_into()?),
            WireBookCommand::Cancel { order, restriction } => {
                BookCommand::Cancel { order: OrderId(order), restriction: restriction_of(restriction)? }
            }
            WireBookCommand::CancelMany(orders) => BookCommand::CancelMany(orders.into_iter().map(OrderId).collect()),
            WireBookCommand::Reduce { order, quantity } => {
                BookCommand::Reduce { order: OrderId(order), quantity: Quantity(quantity) }
            }
            WireBookCommand::Replace { old, restriction, allow_failure, old_remaining_needed, new } => {
                BookCommand::Replace {
                    old: OrderId(old),
                    restriction: restriction_of(restriction)?,
                    allow_failure,
                    old_remaining_needed: Quantity(old_remaining_needed),
                    new: new.try_into()?,
                }
            }
            WireBookCommand::PlaceWith(order) => BookCommand::Place(order.try_into()?),
            WireBookCommand::ReplaceWith { old, restriction, allow_failure, old_remaining_needed, new } => {
                BookCommand::Replace {
                    old: OrderId(old),
                    restriction: restriction_of(restriction)?,
                    allow_failure,
                    old_remaining_needed: Quantity(old_remaining_needed),
                    new: new.try_into()?,
                }
            }
            WireBookCommand::PlaceList(orders) => {
                BookCommand::PlaceList(orders.into_iter().map(NewOrder::try_from).collect::<Result<_, _>>()?)
            }
            WireBookCommand::Enter { phase, until } => {
                BookCommand::Enter { phase: value_of(&PHASES, phase, "phase")?, until: Nanos(until) }
            }
            WireBookCommand::Protect(protection) => BookCommand::Protect(protection.into()),
            WireBookCommand::Advance => BookCommand::Advance,
        };
        Ok(Self { number: message.number, time: Nanos(message.time), command })
    }
}

impl From<&NewOrder> for WireNewOrder {
    fn from(order: &NewOrder) -> Self {
        Self {
            id: order.id.0,
            account: order.account.0,
            side: number_of(&SIDES, &order.side),
            kind: number_of(&KINDS, &order.kind),
            limit: order.limit.0,
            quantity: order.quantity.0,
            budget: order.budget.0,
            time: order.time.0,
        }
    }
}

impl TryFrom<WireNewOrder> for NewOrder {
    type Error = CodecError;
    fn try_from(order: WireNewOrder) -> Result<Self, CodecError> {
        Ok(Self {
            id: OrderId(order.id),
            account: AccountId(order.account),
            side: value_of(&SIDES, order.side, "side")?,
            kind: value_of(&KINDS, order.kind, "order kind")?,
            limit: Price(order.limit),
            quantity: Quantity(order.quantity),
            budget: Notional(order.budget),
            time: Nanos(order.time),
            instructions: None,
        })
    }
}

impl From<&NewOrder> for WireAskingOrder {
    fn from(order: &NewOrder) -> Self {
        Self { order: order.into(), instructions: order.instructions.as_ref().map(WireInstructionsV2::from) }
    }
}

impl TryFrom<WireAskingOrder> for NewOrder {
    type Error = CodecError;
    fn try_from(asking: WireAskingOrder) -> Result<Self, CodecError> {
        let instructions = asking.instructions.map(Instructions::try_from).transpose()?;
        Ok(Self { instructions, ..asking.order.try_into()? })
    }
}

impl From<&ToWallet> for WireToWallet {
    fn from(message: &ToWallet) -> Self {
        let outcome = match &message.outcome {
            BookOutcome::Placed { order, placement } => {
                WireOutcome::Placed { order: order.0, placement: placement.into() }
            }
            BookOutcome::Canceled { order, remaining } => {
                WireOutcome::Canceled { order: order.0, remaining: remaining.0 }
            }
            BookOutcome::CancelRejected { order, reason } => {
                WireOutcome::CancelRejected { order: order.0, reason: reason.number() }
            }
            BookOutcome::CanceledMany(orders) => {
                WireOutcome::CanceledMany(orders.iter().map(|(order, remaining)| (order.0, remaining.0)).collect())
            }
            BookOutcome::Reduced { order, quantity } => WireOutcome::Reduced { order: order.0, quantity: quantity.0 },
            BookOutcome::ReduceRejected { order, reason } => {
                WireOutcome::ReduceRejected { order: order.0, reason: reason.number() }
            }
            BookOutcome::Continued => WireOutcome::Continued,
            BookOutcome::PlacedList(orders) => WireOutcome::PlacedList(
                orders.iter().map(|(order, placement)| (order.0, WirePlacement::from(placement))).collect(),
            ),
            BookOutcome::Entered(phase) => WireOutcome::Entered(number_of(&PHASES, phase)),
            BookOutcome::Protected => WireOutcome::Protected,
            BookOutcome::Advanced => WireOutcome::Advanced,
            BookOutcome::Replaced { old, canceled, new, placement } => WireOutcome::Replaced {
                old: old.0,
                canceled: canceled.map(|remaining| remaining.0).map_err(Reason::number),
                new: new.0,
                placement: placement.as_ref().map(WirePlacement::from),
            },
        };
        let fills = message.fills.iter().map(WireFill::from).collect();
        Self { number: message.number, time: message.time.0, fills, outcome }
    }
}

impl TryFrom<WireToWallet> for ToWallet {
    type Error = CodecError;
    fn try_from(message: WireToWallet) -> Result<Self, CodecError> {
        let outcome = match message.outcome {
            WireOutcome::Placed { order, placement } => {
                BookOutcome::Placed { order: OrderId(order), placement: placement.try_into()? }
            }
            WireOutcome::Canceled { order, remaining } => {
                BookOutcome::Canceled { order: OrderId(order), remaining: Quantity(remaining) }
            }
            WireOutcome::CancelRejected { order, reason } => {
                BookOutcome::CancelRejected { order: OrderId(order), reason: reason_of(reason)? }
            }
            WireOutcome::CanceledMany(orders) => {
                let pair = |(order, remaining)| (OrderId(order), Quantity(remaining));
                BookOutcome::CanceledMany(orders.into_iter().map(pair).collect())
            }
            WireOutcome::Reduced { order, quantity } => {
                BookOutcome::Reduced { order: OrderId(order), quantity: Quantity(quantity) }
            }
            WireOutcome::ReduceRejected { order, reason } => {
                BookOutcome::ReduceRejected { order: OrderId(order), reason: reason_of(reason)? }
            }
            WireOutcome::Continued => BookOutcome::Continued,
            WireOutcome::PlacedList(orders) => {
                let placed = |(order, placement)| Ok((OrderId(order), Placement::try_from(placement)?));
                BookOutcome::PlacedList(orders.into_iter().map(placed).collect::<Result<_, CodecError>>()?)
            }
            WireOutcome::Entered(phase) => BookOutcome::Entered(value_of(&PHASES, phase, "phase")?),
            WireOutcome::Protected => BookOutcome::Protected,
            WireOutcome::Advanced => BookOutcome::Advanced,
            WireOutcome::Replaced { old, canceled, new, placement } => BookOutcome::Replaced {
                old: OrderId(old),
                canceled: match canceled {
                    Ok(remaining) => Ok(Quantity(remaining)),
                    Err(reason) => Err(reason_of(reason)?),
                },
                new: OrderId(new),
                placement: placement.map(Placement::try_from).transpose()?,
            },
        };
        let fills: Result<_, _> = message.fills.into_iter().map(Fill::try_from).collect();
        Ok(Self { number: message.number, time: Nanos(message.time), fills: fills?, outcome, events: Vec::new() })
    }
}

impl From<&Fill> for WireFill {
    fn from(fill: &Fill) -> Self {
        Self {
            trade: fill.trade.0,
            aggregate: fill.aggregate,
            price: fill.price.0,
            quantity: fill.quantity.0,
            taker_side: number_of(&SIDES, &fill.taker_side),
            maker: fill.maker.0,
            maker_account: fill.maker_account.0,
            maker_remaining: fill.maker_remaining.0,
            taker: fill.taker.0,
            taker_account: fill.taker_account.0,
            taker_remaining: fill.taker_remaining.0,
        }
    }
}

impl TryFrom<WireFill> for Fill {
    type Error = CodecError;
    fn try_from(fill: WireFill) -> Result<Self, CodecError> {
        Ok(Self {
            trade: TradeId(fill.trade),
            aggregate: fill.aggregate,
            price: Price(fill.price),
            quantity: Quantity(fill.quantity),
            taker_side: value_of(&SIDES, fill.taker_side, "side")?,
            maker: OrderId(fill.maker),
            maker_account: AccountId(fill.maker_account),
            maker_remaining: Quantity(fill.maker_remaining),
            taker: OrderId(fill.taker),
            taker_account: AccountId(fill.taker_account),
            taker_remaining: Quantity(fill.taker_remaining),
        })
    }
}

impl From<&Placement> for WirePlacement {
    fn from(placement: &Placement) -> Self {
        match placement {
            Placement::Filled => Self::Filled,
            Placement::Resting { remaining } => Self::Resting { remaining: remaining.0 },
            Placement::Expired { remaining, reason } => {
                Self::Expired { remaining: remaining.0, reason: number_of(&EXPIRIES, reason) }
            }
            Placement::Rejected(reason) => Self::Rejected(reason.number()),
            Placement::Waiting => Self::Waiting,
            Placement::Slid { remaining, price } => Self::Slid { remaining: remaining.0, price: price.0 },
            Placement::Pending => Self::Pending,
        }
    }
}

impl TryFrom<WirePlacement> for Placement {
    type Error = CodecError;
    fn try_from(placement: WirePlacement) -> Result<Self, CodecError> {
        Ok(match placement {
            WirePlacement::Filled => Self::Filled,
            WirePlacement::Resting { remaining } => Self::Resting { remaining: Quantity(remaining) },
            WirePlacement::Expired { remaining, reason } => {
                Self::Expired { remaining: Quantity(remaining), reason: value_of(&EXPIRIES, reason, "expiry")? }
            }
            WirePlacement::Rejected(reason) => Self::Rejected(reason_of(reason)?),
            WirePlacement::Waiting => Self::Waiting,
            WirePlacement::Slid { remaining, price } => {
                Self::Slid { remaining: Quantity(remaining), price: Price(price) }
            }
            WirePlacement::Pending => Self::Pending,
        })
    }
}
