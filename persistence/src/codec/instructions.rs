//! What an order asks for beyond its kind.

use bincode::{Decode, Encode};
use rialto_engine::order::{Activation, Distance, Instructions, SelfTrade, Trail, Trigger};
use rialto_engine::units::{BasisPoints, Price};

use super::{CodecError, number_of, value_of};

/// The modes by their number.
const SELF_TRADES: [SelfTrade; 5] = SelfTrade::ALL;

#[derive(Encode, Decode)]
pub(super) struct WireInstructions {
    self_trade: u8,
    trigger: Option<WireTrigger>,
}

#[derive(Encode, Decode)]
enum WireTrigger {
    Rise(u64),
    Fall(u64),
    TrailRise(WireTrail),
    TrailFall(WireTrail),
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

impl From<&Instructions> for WireInstructions {
    fn from(instructions: &Instructions) -> Self {
        let trail = |trail: Trail| WireTrail {
            delta: match trail.distance {
                Distance::Share(share) => share.0,
                Distance::Ticks(_) => 0,
            },
            activation: trail.activation.map(|activation| match activation {
                Activation::Rise(price) => WireActivation::Rise(price.0),
                Activation::Fall(price) => WireActivation::Fall(price.0),
            }),
        };
        let trigger = instructions.trigger.map(|trigger| match trigger {
            Trigger::Rise(price) => WireTrigger::Rise(price.0),
            Trigger::Fall(price) => WireTrigger::Fall(price.0),
            Trigger::TrailRise(it) => WireTrigger::TrailRise(trail(it)),
            Trigger::TrailFall(it) => WireTrigger::TrailFall(trail(it)),
        });
        Self { self_trade: number_of(&SELF_TRADES, &instructions.self_trade), trigger }
    }
}

impl TryFrom<WireInstructions> for Instructions {
    type Error = CodecError;
    fn try_from(instructions: WireInstructions) -> Result<Self, CodecError> {
        let trail = |trail: WireTrail| Trail {
            distance: Distance::Share(BasisPoints(trail.delta)),
            activation: trail.activation.map(|activation| match activation {
                WireActivation::Rise(price) => Activation::Rise(Price(price)),
                WireActivation::Fall(price) => Activation::Fall(Price(price)),
            }),
        };
        let trigger = instructions.trigger.map(|trigger| match trigger {
            WireTrigger::Rise(price) => Trigger::Rise(Price(price)),
            WireTrigger::Fall(price) => Trigger::Fall(Price(price)),
            WireTrigger::TrailRise(it) => Trigger::TrailRise(trail(it)),
            WireTrigger::TrailFall(it) => Trigger::TrailFall(trail(it)),
        });
        Ok(Self {
            self_trade: value_of(&SELF_TRADES, instructions.self_trade, "self-trade mode")?,
            trigger,
            ..Self::default()
        })
    }
}
