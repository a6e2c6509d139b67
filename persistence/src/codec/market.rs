//! What a market is, what it allows and what protects it.

use bincode::{Decode, Encode};
use rialto_engine::ids::AssetId;
use rialto_engine::market::{MarketDefinition, MarketFilters, Step};
use rialto_engine::message::Protection;
use rialto_engine::units::{Amount, BasisPoints, FeeRate, Nanos, Price, Quantity};

#[derive(Encode, Decode)]
pub(super) struct WireDefinition {
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

/// Stands beside a definition, of which version 1 knew no filters.
#[derive(Encode, Decode)]
pub(super) struct WireFilters {
    min_price: u64,
    min_quantity: u64,
    max_market_quantity: u64,
    max_notional: i128,
    bid_up: u32,
    bid_down: u32,
    ask_up: u32,
    ask_down: u32,
    max_orders: u32,
    max_waiting_orders: u32,
    max_position: i128,
    iceberg_parts: u32,
    min_trail_above: u32,
    max_trail_above: u32,
    min_trail_below: u32,
    max_trail_below: u32,
}

#[derive(Encode, Decode)]
pub(super) struct WireProtection {
    static_band: u32,
    dynamic_band: u32,
    interruption: u64,
    reference: Option<u64>,
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
            // A rebate is written as its two's complement: a fee is far below the half of a word.
            maker_fee: market.maker_fee.0.cast_unsigned(),
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
            maker_fee: FeeRate(market.maker_fee.cast_signed()),
            taker_fee: BasisPoints(market.taker_fee),
            filters: MarketFilters::default(),
        }
    }
}

/// A definition with its filters.
pub(super) fn filtered(definition: WireDefinition, filters: WireFilters) -> MarketDefinition {
    MarketDefinition { filters: filters.into(), ..definition.into() }
}

impl From<&MarketFilters> for WireFilters {
    fn from(filters: &MarketFilters) -> Self {
        Self {
            min_price: filters.min_price.0,
            min_quantity: filters.min_quantity.0,
            max_market_quantity: filters.max_market_quantity.0,
            max_notional: filters.max_notional.0,
            bid_up: filters.bid_up.0,
            bid_down: filters.bid_down.0,
            ask_up: filters.ask_up.0,
            ask_down: filters.ask_down.0,
            max_orders: filters.max_orders,
            max_waiting_orders: filters.max_waiting_orders,
            max_position: filters.max_position.0,
            iceberg_parts: filters.iceberg_parts,
            min_trail_above: filters.min_trail_above.0,
            max_trail_above: filters.max_trail_above.0,
            min_trail_below: filters.min_trail_below.0,
            max_trail_below: filters.max_trail_below.0,
        }
    }
}

impl From<WireFilters> for MarketFilters {
    fn from(filters: WireFilters) -> Self {
        Self {
            min_price: Price(filters.min_price),
            min_quantity: Quantity(filters.min_quantity),
            max_market_quantity: Quantity(filters.max_market_quantity),
            max_notional: Amount(filters.max_notional),
            bid_up: BasisPoints(filters.bid_up),
            bid_down: BasisPoints(filters.bid_down),
            ask_up: BasisPoints(filters.ask_up),
            ask_down: BasisPoints(filters.ask_down),
            max_orders: filters.max_orders,
            max_waiting_orders: filters.max_waiting_orders,
            max_position: Amount(filters.max_position),
            iceberg_parts: filters.iceberg_parts,
            min_trail_above: BasisPoints(filters.min_trail_above),
            max_trail_above: BasisPoints(filters.max_trail_above),
            min_trail_below: BasisPoints(filters.min_trail_below),
            max_trail_below: BasisPoints(filters.max_trail_below),
        }
    }
}

impl From<&Protection> for WireProtection {
    fn from(protection: &Protection) -> Self {
        Self {
            static_band: protection.static_band.0,
            dynamic_band: protection.dynamic_band.0,
            interruption: protection.interruption.0,
            reference: protection.reference.map(|price| price.0),
        }
    }
}

impl From<WireProtection> for Protection {
    fn from(protection: WireProtection) -> Self {
        Self {
            static_band: BasisPoints(protection.static_band),
            dynamic_band: BasisPoints(protection.dynamic_band),
            interruption: Nanos(protection.interruption),
            reference: protection.reference.map(Price),
        }
    }
}
