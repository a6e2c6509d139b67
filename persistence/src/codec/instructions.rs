//! What an order asks for beyond its kind.
//!
//! The first form knows self-trade prevention and triggers whose distance is a share, and is still
//! written where that is all. The second form says everything.

use bincode::{Decode, Encode};
use rialto_engine::ids::OrderId;
use rialto_engine::order::{Activation, Display, Distance, Instructions, Lifetime, Link, Peg, Trail, Trigger};
use rialto_engine::units::{BasisPoints, Nanos, Price, Quantity};

use super::{CodecError, PEG_REFERENCES, SELF_TRADES, number_of, value_of};

#[derive(Encode, Decode)]
pub(super) struct WireInstructions {
    self_trade: u8,
    trigger: Option<WireTrigger<WireTrail>>,
}

#[derive(Encode, Decode)]
enum WireTrigger<Trail> {
    Rise(u64),
    Fall(u64),
    TrailRise(Trail),
    TrailFall(Trail),
}

#[derive(Encode, Decode)]
struct WireTrail {
    delta: u32,
    activation: Option<WireActivation>,
}

#[derive(Encode, Decode)]
enum WireActivation {
    Rise(u64),
    Fall(u64),
}

#[derive(Encode, Decode)]
pub(super) struct WireInstructionsV2 {
    self_trade: u8,
    group: u32,
    trigger: Option<WireTrigger<WireTrailV2>>,
    display: WireDisplay,
    minimum: u64,
    peg: Option<WirePeg>,
    lifetime: WireLifetime,
    slippage: u32,
    tag: u64,
    link: Option<WireLink>,
}

#[derive(Encode, Decode)]
struct WireTrailV2 {
    distance: WireDistance,
    activation: Option<WireActivation>,
}

#[derive(Encode, Decode)]
enum WireDistance {
    Share(u32),
    Ticks(u64),
}

#[derive(Encode, Decode)]
enum WireDisplay {
    All,
    Iceberg(u64),
    Hidden,
}

#[derive(Encode, Decode)]
struct WirePeg {
    reference: u8,
    offset: i64,
}

#[derive(Encode, Decode)]
enum WireLifetime {
    UntilCancelled,
    Until(u64),
    Day(u64),
}

#[derive(Encode, Decode)]
struct WireLink {
    list: u64,
    partner: Option<u64>,
    after: Option<u64>,
}

impl WireInstructions {
    /// The first form, if it says all that is asked for.
    pub(super) fn of(instructions: &Instructions) -> Option<Self> {
        let Instructions { self_trade, trigger, .. } = *instructions;
        if *instructions != (Instructions { self_trade, trigger, ..Instructions::default() }) {
            return None;
        }
        let trail = |trail: Trail| match trail.distance {
            Distance::Share(share) => {
                Some(WireTrail { delta: share.0, activation: trail.activation.map(WireActivation::from) })
            }
            Distance::Ticks(_) => None,
        };
        let trigger = match trigger {
            None => None,
            Some(trigger) => Some(WireTrigger::of(trigger, trail)?),
        };
        Some(Self { self_trade: number_of(&SELF_TRADES, &self_trade), trigger })
    }
}

impl<T> WireTrigger<T> {
    fn of(trigger: Trigger, trail: impl Fn(Trail) -> Option<T>) -> Option<Self> {
        Some(match trigger {
            Trigger::Rise(price) => Self::Rise(price.0),
            Trigger::Fall(price) => Self::Fall(price.0),
            Trigger::TrailRise(it) => Self::TrailRise(trail(it)?),
            Trigger::TrailFall(it) => Self::TrailFall(trail(it)?),
        })
    }

    fn read(self, trail: impl Fn(T) -> Trail) -> Trigger {
        match self {
            Self::Rise(price) => Trigger::Rise(Price(price)),
            Self::Fall(price) => Trigger::Fall(Price(price)),
            Self::TrailRise(it) => Trigger::TrailRise(trail(it)),
            Self::TrailFall(it) => Trigger::TrailFall(trail(it)),
        }
    }
}

impl From<Activation> for WireActivation {
    fn from(activation: Activation) -> Self {
        match activation {
            Activation::Rise(price) => Self::Rise(price.0),
            Activation::Fall(price) => Self::Fall(price.0),
        }
    }
}

impl From<WireActivation> for Activation {
    fn from(activation: WireActivation) -> Self {
        match activation {
            WireActivation::Rise(price) => Self::Rise(Price(price)),
            WireActivation::Fall(price) => Self::Fall(Price(price)),
        }
    }
}

impl TryFrom<WireInstructions> for Instructions {
    type Error = CodecError;
    fn try_from(instructions: WireInstructions) -> Result<Self, CodecError> {
        let trail = |trail: WireTrail| Trail {
            distance: Distance::Share(BasisPoints(trail.delta)),
            activation: trail.activation.map(Activation::from),
        };
        Ok(Self {
            self_trade: value_of(&SELF_TRADES, instructions.self_trade, "self-trade mode")?,
            trigger: instructions.trigger.map(|trigger| trigger.read(trail)),
            ..Self::default()
        })
    }
}

impl From<&Instructions> for WireInstructionsV2 {
    fn from(instructions: &Instructions) -> Self {
        let trail = |trail: Trail| {
            let distance = match trail.distance {
                Distance::Share(share) => WireDistance::Share(share.0),
                Distance::Ticks(ticks) => WireDistance::Ticks(ticks.0),
            };
            Some(WireTrailV2 { distance, activation: trail.activation.map(WireActivation::from) })
        };
        Self {
            self_trade: number_of(&SELF_TRADES, &instructions.self_trade),
            group: instructions.group,
            trigger: instructions.trigger.and_then(|trigger| WireTrigger::of(trigger, trail)),
            display: match instructions.display {
                Display::All => WireDisplay::All,
                Display::Iceberg(peak) => WireDisplay::Iceberg(peak.0),
                Display::Hidden => WireDisplay::Hidden,
            },
            minimum: instructions.minimum.0,
            peg: instructions
                .peg
                .map(|peg| WirePeg { reference: number_of(&PEG_REFERENCES, &peg.reference), offset: peg.offset }),
            lifetime: match instructions.lifetime {
                Lifetime::UntilCancelled => WireLifetime::UntilCancelled,
                Lifetime::Until(end) => WireLifetime::Until(end.0),
                Lifetime::Day(end) => WireLifetime::Day(end.0),
            },
            slippage: instructions.slippage.0,
            tag: instructions.tag,
            link: instructions.link.map(|link| WireLink {
                list: link.list.0,
                partner: link.partner.map(|order| order.0),
                after: link.after.map(|order| order.0),
            }),
        }
    }
}

impl TryFrom<WireInstructionsV2> for Instructions {
    type Error = CodecError;
    fn try_from(instructions: WireInstructionsV2) -> Result<Self, CodecError> {
        let trail = |trail: WireTrailV2| Trail {
            distance: match trail.distance {
                WireDistance::Share(share) => Distance::Share(BasisPoints(share)),
                WireDistance::Ticks(ticks) => Distance::Ticks(Price(ticks)),
            },
            activation: trail.activation.map(Activation::from),
        };
        let peg = |peg: WirePeg| {
            let reference = value_of(&PEG_REFERENCES, peg.reference, "peg reference")?;
            Ok(Peg { reference, offset: peg.offset })
        };
        Ok(Self {
            self_trade: value_of(&SELF_TRADES, instructions.self_trade, "self-trade mode")?,
            group: instructions.group,
            trigger: instructions.trigger.map(|trigger| trigger.read(trail)),
            display: match instructions.display {
                WireDisplay::All => Display::All,
                WireDisplay::Iceberg(peak) => Display::Iceberg(Quantity(peak)),
                WireDisplay::Hidden => Display::Hidden,
            },
            minimum: Quantity(instructions.minimum),
            peg: instructions.peg.map(peg).transpose()?,
            lifetime: match instructions.lifetime {
                WireLifetime::UntilCancelled => Lifetime::UntilCancelled,
                WireLifetime::Until(end) => Lifetime::Until(Nanos(end)),
                WireLifetime::Day(end) => Lifetime::Day(Nanos(end)),
            },
            slippage: BasisPoints(instructions.slippage),
            tag: instructions.tag,
            link: instructions.link.map(|link| Link {
                list: OrderId(link.list),
                partner: link.partner.map(OrderId),
                after: link.after.map(OrderId),
            }),
        })
    }
}
