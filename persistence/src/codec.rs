//! The written form of records and snapshots: the only module that names the binary codec.
//!
//! The wire types are twins of the domain types, converted by hand, so that a change of the engine
//! cannot change a written byte unnoticed. Every version of both forms is frozen by fixtures; a change
//! makes a new one beside it: what asks for nothing new is written as ever, what does gets a new
//! variant, and a snapshot grows at its end. Integers have fixed width and are little
//! endian, but for those of transactions, which are compact.

mod further;
mod instructions;
mod market;
mod message;
mod money;
mod more;
mod record;
mod shards;
mod snapshot;
#[cfg(test)]
mod tests;
mod transaction;
mod transaction_state;

pub use record::{decode_record, encode_record};
pub use snapshot::{decode_snapshot, says_more, write_snapshot};
pub(crate) use transaction_state::{decode_case, decode_event, encode_case, encode_event, event_length};

use bincode::config::{Configuration, Fixint, LittleEndian};
use bincode::de::Decoder;
use bincode::de::read::Reader;
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};
use rialto_engine::ids::{CLIENT_ORDER_ID_MAX, ClientOrderId};
use rialto_engine::message::{CancelRestriction, Expiry, Phase};
use rialto_engine::order::{OrderKind, PegReference, SelfTrade, Side};
use rialto_engine::reason::Reason;
use rialto_engine::wallet::{Contingency, WalletLimits};

const CONFIGURATION: Configuration<LittleEndian, Fixint> = bincode::config::standard().with_fixed_int_encoding();

/// Bytes that are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodecError(String);

impl std::fmt::Display for CodecError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for CodecError {}

fn bad(what: &str) -> CodecError {
    CodecError(format!("unknown {what}"))
}

#[derive(Encode, Decode)]
struct WireLimits {
    closed_ids: u32,
    open_orders: u32,
}

const SIDES: [Side; 2] = [Side::Buy, Side::Sell];

const KINDS: [OrderKind; 7] = [
    OrderKind::Limit,
    OrderKind::ImmediateOrCancel,
    OrderKind::FillOrKill,
    OrderKind::PostOnly,
    OrderKind::Market,
    OrderKind::MarketByQuote,
    OrderKind::PostOnlySlide,
];

const RESTRICTIONS: [CancelRestriction; 3] =
    [CancelRestriction::None, CancelRestriction::OnlyNew, CancelRestriction::OnlyPartiallyFilled];
const EXPIRIES: [Expiry; 9] = [
    Expiry::ImmediateOrCancel,
    Expiry::FillOrKill,
    Expiry::Liquidity,
    Expiry::SelfTrade,
    Expiry::Time,
    Expiry::Contingency,
    Expiry::ListCanceled,
    Expiry::Minimum,
    Expiry::Interruption,
];
const SELF_TRADES: [SelfTrade; 5] =
    [SelfTrade::Allow, SelfTrade::ExpireTaker, SelfTrade::ExpireMaker, SelfTrade::ExpireBoth, SelfTrade::Decrement];
const PEG_REFERENCES: [PegReference; 3] = [PegReference::BestBid, PegReference::BestAsk, PegReference::Midpoint];
const PHASES: [Phase; 6] =
    [Phase::PreOpen, Phase::Auction, Phase::Continuous, Phase::Halted, Phase::CancelOnly, Phase::Closed];
const CONTINGENCIES: [Contingency; 3] =
    [Contingency::OneCancelsOther, Contingency::OneTriggersOther, Contingency::OneTriggersPair];

/// The number of a value: its place in the frozen table above.
fn number_of<T: PartialEq>(table: &[T], value: &T) -> u8 {
    let place = table.iter().position(|candidate| candidate == value);
    place.and_then(|place| u8::try_from(place).ok()).expect("the tables hold every value")
}

fn value_of<T: Copy>(table: &[T], number: u8, what: &str) -> Result<T, CodecError> {
    table.get(usize::from(number)).copied().ok_or_else(|| bad(what))
}

fn reason_of(number: u16) -> Result<Reason, CodecError> {
    Reason::ALL.into_iter().find(|reason| reason.number() == number).ok_or_else(|| bad("reason"))
}

/// A client order id, written as the text that it is, and read without allocating.
struct WireClientId(ClientOrderId);

impl Encode for WireClientId {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.0.as_str().encode(encoder)
    }
}

impl<Context> Decode<Context> for WireClientId {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let unknown = || DecodeError::Other("unknown client order id");
        let length = usize::try_from(u64::decode(decoder)?).map_err(|_| unknown())?;
        let mut bytes = [0; CLIENT_ORDER_ID_MAX];
        let text = bytes.get_mut(..length).ok_or_else(unknown)?;
        decoder.claim_bytes_read(length)?;
        decoder.reader().read(text)?;
        std::str::from_utf8(text).ok().and_then(ClientOrderId::new).map(Self).ok_or_else(unknown)
    }
}

bincode::impl_borrow_decode!(WireClientId);

impl From<&WalletLimits> for WireLimits {
    fn from(limits: &WalletLimits) -> Self {
        Self { closed_ids: limits.closed_ids, open_orders: limits.open_orders }
    }
}

impl From<WireLimits> for WalletLimits {
    fn from(limits: WireLimits) -> Self {
        Self { closed_ids: limits.closed_ids, open_orders: limits.open_orders }
    }
}
