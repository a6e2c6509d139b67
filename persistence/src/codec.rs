//! The written form of records and snapshots: the only module that names the binary codec.
//!
//! The wire types are twins of the domain types, converted by hand, so that a change of the engine
//! cannot change a written byte unnoticed. Version 1 of both forms is frozen by fixtures; a change
//! makes a version 2 beside it. Integers have fixed width and are little endian.

mod instructions;
mod message;
mod more;
mod record;
mod snapshot;

pub use record::{decode_record, encode_record};
pub use snapshot::{decode_snapshot, write_snapshot};

use bincode::config::{Configuration, Fixint, LittleEndian};
use bincode::de::Decoder;
use bincode::de::read::Reader;
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};
use rialto_engine::ids::{AssetId, CLIENT_ORDER_ID_MAX, ClientOrderId};
use rialto_engine::market::{MarketDefinition, Step};
use rialto_engine::message::{CancelRestriction, Expiry};
use rialto_engine::order::{OrderKind, Side};
use rialto_engine::reason::Reason;
use rialto_engine::units::{Amount, BasisPoints, Price, Quantity};
use rialto_engine::wallet::WalletLimits;

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

#[derive(Encode, Decode)]
struct WireDefinition {
    base: u16,
    base_scale: u8,
    quote: u16,
    quote_scale: u8,
    tick: (u64, u8),
    lot: (u64, u8),
    max_price: u64,
    max_quantity: u64,
    min_notional: i128,
    maker_fee: u32,
    taker_fee: u32,
}

const SIDES: [Side; 2] = [Side::Buy, Side::Sell];

const KINDS: [OrderKind; 6] = [
    OrderKind::Limit,
    OrderKind::ImmediateOrCancel,
    OrderKind::FillOrKill,
    OrderKind::PostOnly,
    OrderKind::Market,
    OrderKind::MarketByQuote,
];

const RESTRICTIONS: [CancelRestriction; 3] =
    [CancelRestriction::None, CancelRestriction::OnlyNew, CancelRestriction::OnlyPartiallyFilled];
const EXPIRIES: [Expiry; 4] = [Expiry::ImmediateOrCancel, Expiry::FillOrKill, Expiry::Liquidity, Expiry::SelfTrade];

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

impl From<&MarketDefinition> for WireDefinition {
    fn from(market: &MarketDefinition) -> Self {
        Self {
            base: market.base.0,
            base_scale: market.base_scale,
            quote: market.quote.0,
            quote_scale: market.quote_scale,
            tick: (market.tick.mantissa, market.tick.scale),
            lot: (market.lot.mantissa, market.lot.scale),
            max_price: market.max_price.0,
            max_quantity: market.max_quantity.0,
            min_notional: market.min_notional.0,
            maker_fee: market.maker_fee.0,
            taker_fee: market.taker_fee.0,
        }
    }
}

impl From<WireDefinition> for MarketDefinition {
    fn from(market: WireDefinition) -> Self {
        let step = |(mantissa, scale)| Step { mantissa, scale };
        Self {
            base: AssetId(market.base),
            base_scale: market.base_scale,
            quote: AssetId(market.quote),
            quote_scale: market.quote_scale,
            tick: step(market.tick),
            lot: step(market.lot),
            max_price: Price(market.max_price),
            max_quantity: Quantity(market.max_quantity),
            min_notional: Amount(market.min_notional),
            maker_fee: BasisPoints(market.maker_fee),
            taker_fee: BasisPoints(market.taker_fee),
            filters: Default::default(),
        }
    }
}
