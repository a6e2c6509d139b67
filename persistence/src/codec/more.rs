//! What version 2 of a snapshot holds beyond version 1: it stands behind it, so that the first
//! version can still be read.

use bincode::{Decode, Encode};
use rialto_engine::book::{BookSnapshot, Stage, WaitingOrder};
use rialto_engine::ids::OrderId;
use rialto_engine::message::{BookCommand, BookEvent, Expiry, Placement};
use rialto_engine::order::{Instructions, NewOrder};
use rialto_engine::units::{Nanos, Price, Quantity};
use rialto_engine::wallet::{OpenOrder, WalletSnapshot};

use super::further::is_further;
use super::instructions::WireInstructions;
use super::message::{WireNewOrder, WirePlacement};
use super::{CodecError, EXPIRIES, PHASES, number_of, value_of};
use crate::snapshot::{MarketSnapshot, WorldSnapshot};
use crate::world::{Market, Tenant};

#[derive(Encode, Decode)]
pub(super) struct WireMore {
    tenants: Vec<WireTenantMore>,
}

#[derive(Encode, Decode)]
struct WireTenantMore {
    last_prices: Vec<Option<u64>>,
    orders: Vec<WireOrderMore>,
    markets: Vec<WireMarketMore>,
}

/// Of an open order that is not plain, and asks for no more than version 2 knows.
#[derive(Encode, Decode)]
struct WireOrderMore {
    order: u64,
    instructions: WireInstructions,
    triggered: u64,
    prevented: u64,
}

#[derive(Encode, Decode)]
struct WireMarketMore {
    last: Option<u64>,
    sequence: u64,
    waiting: Vec<WireWaiting>,
    fired: Vec<u64>,
    cascade_time: u64,
    /// By the number of the message.
    to_book: Vec<(u64, WireInstructions)>,
    to_wallet: Vec<(u64, Vec<WireEvent>)>,
}

#[derive(Encode, Decode)]
struct WireWaiting {
    order: WireNewOrder,
    instructions: WireInstructions,
    sequence: u64,
    stage: WireStage,
}

#[derive(Encode, Decode)]
pub(super) enum WireStage {
    Awaits,
    Follows(u64),
    Fired,
    // Since version 3.
    Activated,
}

#[derive(Encode, Decode)]
pub(super) enum WireEvent {
    Lapsed { order: u64, remaining: u64, after: u32 },
    Decremented { maker: u64, taker: u64, quantity: u64, maker_remaining: u64, after: u32 },
    Triggered { order: u64, placement: WirePlacement, fills: u32 },
    // Since version 3. Before it, nothing but prevention made a resting order lapse.
    LapsedFor { order: u64, remaining: u64, after: u32, reason: u8 },
    PhaseChanged { phase: u8, after: u32 },
    Resumed { order: u64, placement: WirePlacement, fills: u32 },
}

impl WireMore {
    /// What the tenants hold beyond version 1.
    pub(super) fn of(tenants: &[Tenant]) -> Self {
        Self { tenants: tenants.iter().map(WireTenantMore::of).collect() }
    }

    /// Adds it to a snapshot that was read so far as version 1 goes.
    pub(super) fn add_to(self, world: &mut WorldSnapshot) -> Result<(), CodecError> {
        for (tenant, more) in world.tenants.iter_mut().zip(self.tenants) {
            let price = |price: u64| Price(price);
            tenant.wallet.last_prices = more.last_prices.into_iter().map(|last| last.map(price)).collect();
            add_to_orders(more.orders, &mut tenant.wallet)?;
            for (market, more) in tenant.markets.iter_mut().zip(more.markets) {
                more.add_to(market)?;
            }
        }
        Ok(())
    }
}

impl WireTenantMore {
    fn of(tenant: &Tenant) -> Self {
        let summary = tenant.wallet.summary();
        Self {
            last_prices: summary.last_prices.iter().map(|last| last.map(|price| price.0)).collect(),
            orders: tenant.wallet.sorted_orders().filter_map(|order| WireOrderMore::of(&order)).collect(),
            markets: tenant.markets.iter().map(WireMarketMore::of).collect(),
        }
    }
}

impl WireOrderMore {
    fn of(order: &OpenOrder) -> Option<Self> {
        let progress = order.progress?;
        let plain = progress.instructions.is_plain() && progress.prevented.is_zero();
        if plain || is_further(&progress) {
            return None;
        }
        Some(Self {
            order: order.id.0,
            instructions: WireInstructions::of(&progress.instructions)?,
            triggered: progress.triggered.0,
            prevented: progress.prevented.0,
        })
    }
}

/// Both are in the order of the orders' numbers.
fn add_to_orders(more: Vec<WireOrderMore>, wallet: &mut WalletSnapshot) -> Result<(), CodecError> {
    let mut orders = wallet.orders.iter_mut();
    for more in more {
        let progress = orders.find(|order| order.id.0 == more.order).and_then(|order| order.progress.as_mut());
        let progress = progress.ok_or_else(|| CodecError(format!("order {} is not open", more.order)))?;
        progress.instructions = more.instructions.try_into()?;
        progress.triggered = Nanos(more.triggered);
        progress.prevented = Quantity(more.prevented);
    }
    Ok(())
}

impl WireMarketMore {
    fn of(market: &Market) -> Self {
        let BookSnapshot { last, sequence, waiting, fired, cascade_time, .. } = market.book.summary();
        let asks_more = |command: &BookCommand| match command {
            BookCommand::Place(new) | BookCommand::Replace { new, .. } => WireInstructions::of(&new.instructions?),
            _ => None,
        };
        let commands = market.to_book.iter();
        let answers = market.to_wallet.iter().filter(|answer| !answer.events.is_empty());
        Self {
            last: last.map(|price| price.0),
            sequence,
            waiting: waiting.iter().filter_map(WireWaiting::of).collect(),
            fired: fired.iter().map(|order| order.0).collect(),
            cascade_time: cascade_time.0,
            to_book: commands.filter_map(|sent| Some((sent.number, asks_more(&sent.command)?))).collect(),
            to_wallet: answers
                .map(|answer| (answer.number, answer.events.iter().map(WireEvent::from).collect()))
                .collect(),
        }
    }

    fn add_to(self, market: &mut MarketSnapshot) -> Result<(), CodecError> {
        let waiting: Result<_, _> = self.waiting.into_iter().map(WaitingOrder::try_from).collect();
        market.book.last = self.last.map(Price);
        market.book.sequence = self.sequence;
        market.book.waiting = waiting?;
        market.book.fired = self.fired.into_iter().map(OrderId).collect();
        market.book.cascade_time = Nanos(self.cascade_time);
        for (number, instructions) in self.to_book {
            let sent = market.to_book.iter_mut().find(|sent| sent.number == number);
            let Some(BookCommand::Place(new) | BookCommand::Replace { new, .. }) = sent.map(|sent| &mut sent.command)
            else {
                return Err(CodecError(format!("message {number} places no order")));
            };
            new.instructions = Some(instructions.try_into()?);
        }
        for (number, events) in self.to_wallet {
            let answer = market.to_wallet.iter_mut().find(|answer| answer.number == number);
            let answer = answer.ok_or_else(|| CodecError(format!("answer {number} is not under way")))?;
            answer.events = events.into_iter().map(BookEvent::try_from).collect::<Result<_, _>>()?;
        }
        Ok(())
    }
}

impl WireWaiting {
    /// The order, if it asks for no more than version 2 knows.
    fn of(waiting: &WaitingOrder) -> Option<Self> {
        Some(Self {
            order: (&waiting.order).into(),
            instructions: WireInstructions::of(&waiting.order.instructions?)?,
            sequence: waiting.sequence,
            stage: waiting.stage.into(),
        })
    }
}

impl From<Stage> for WireStage {
    fn from(stage: Stage) -> Self {
        match stage {
            Stage::Awaits => Self::Awaits,
            Stage::Follows(seen) => Self::Follows(seen.0),
            Stage::Fired => Self::Fired,
            Stage::Activated => Self::Activated,
        }
    }
}

impl From<WireStage> for Stage {
    fn from(stage: WireStage) -> Self {
        match stage {
            WireStage::Awaits => Self::Awaits,
            WireStage::Follows(seen) => Self::Follows(Price(seen)),
            WireStage::Fired => Self::Fired,
            WireStage::Activated => Self::Activated,
        }
    }
}

impl TryFrom<WireWaiting> for WaitingOrder {
    type Error = CodecError;
    fn try_from(waiting: WireWaiting) -> Result<Self, CodecError> {
        let instructions = Some(Instructions::try_from(waiting.instructions)?);
        Ok(Self {
            order: NewOrder { instructions, ..waiting.order.try_into()? },
            sequence: waiting.sequence,
            stage: waiting.stage.into(),
        })
    }
}

impl From<&BookEvent> for WireEvent {
    fn from(event: &BookEvent) -> Self {
        match *event {
            BookEvent::Lapsed { order, remaining, after, reason: Expiry::SelfTrade } => {
                Self::Lapsed { order: order.0, remaining: remaining.0, after }
            }
            BookEvent::Lapsed { order, remaining, after, reason } => {
                let reason = number_of(&EXPIRIES, &reason);
                Self::LapsedFor { order: order.0, remaining: remaining.0, after, reason }
            }
            BookEvent::Decremented { maker, taker, quantity, maker_remaining, after } => Self::Decremented {
                maker: maker.0,
                taker: taker.0,
                quantity: quantity.0,
                maker_remaining: maker_remaining.0,
                after,
            },
            BookEvent::Triggered { order, placement, fills } => {
                Self::Triggered { order: order.0, placement: (&placement).into(), fills }
            }
            BookEvent::PhaseChanged { phase, after } => Self::PhaseChanged { phase: number_of(&PHASES, &phase), after },
            BookEvent::Resumed { order, placement, fills } => {
                Self::Resumed { order: order.0, placement: (&placement).into(), fills }
            }
        }
    }
}

impl TryFrom<WireEvent> for BookEvent {
    type Error = CodecError;
    fn try_from(event: WireEvent) -> Result<Self, CodecError> {
        Ok(match event {
            WireEvent::Lapsed { order, remaining, after } => {
                Self::Lapsed { order: OrderId(order), remaining: Quantity(remaining), after, reason: Expiry::SelfTrade }
            }
            WireEvent::LapsedFor { order, remaining, after, reason } => Self::Lapsed {
                order: OrderId(order),
                remaining: Quantity(remaining),
                after,
                reason: value_of(&EXPIRIES, reason, "expiry")?,
            },
            WireEvent::PhaseChanged { phase, after } => {
                Self::PhaseChanged { phase: value_of(&PHASES, phase, "phase")?, after }
            }
            WireEvent::Resumed { order, placement, fills } => {
                Self::Resumed { order: OrderId(order), placement: Placement::try_from(placement)?, fills }
            }
            WireEvent::Decremented { maker, taker, quantity, maker_remaining, after } => Self::Decremented {
                maker: OrderId(maker),
                taker: OrderId(taker),
                quantity: Quantity(quantity),
                maker_remaining: Quantity(maker_remaining),
                after,
            },
            WireEvent::Triggered { order, placement, fills } => {
                Self::Triggered { order: OrderId(order), placement: Placement::try_from(placement)?, fills }
            }
        })
    }
}
