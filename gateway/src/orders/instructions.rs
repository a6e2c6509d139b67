//! What an order may ask for beyond its type: how much of it is seen, how little it trades at a
//! time, what its price follows, how far it may slip, and whose it is among its owner's strategies.
//!
//! What is refused here could only be a mistake of the request. Whether an order as a whole is one
//! that the exchange takes is for the wallet to say, which is also asked by others.

use rialto_engine::order::{Display, Instructions, OrderKind, Peg, PegReference, SelfTrade, Side};
use rialto_engine::units::{BasisPoints, Quantity};
use rialto_engine::update::OrderView;

use super::field::Field;
use super::fields::Fields;
use super::names;
use super::order_type::{OrderType, Terms};
use crate::error::ApiError;
use crate::gateway::Market;
use crate::json;

/// The least `strategyType` that is not reserved.
const STRATEGY_TYPE_MIN: u64 = 1_000_000;
/// The largest slippage that can be asked for, in basis points: below the whole price.
const SLIPPAGE_MAX: u64 = 9_999;
/// How far a pegged price can be from what it follows, in ticks.
const PEG_OFFSET_MAX: u64 = 1 << 40;

/// Reads what an order asks for.
///
/// # Errors
/// What the dialect says to each wrong parameter.
pub fn read(
    fields: &Fields<'_>,
    order_type: &OrderType,
    terms: &Terms,
    side: Side,
    market: &Market<'_>,
) -> Result<Instructions, ApiError> {
    let self_trade = fields.get(Field::SelfTradePrevention).map_or(Ok(market.self_trade), self_trade)?;
    let trigger = order_type.waits.map(|family| family.trigger(side, fields, market)).transpose()?;
    if let Some(strategy_type) = fields.integer(Field::StrategyType)?
        && strategy_type < STRATEGY_TYPE_MIN
    {
        return Err(ApiError::strategy_type_too_small());
    }
    let tag = match fields.integer(Field::StrategyId)? {
        Some(0) => return Err(ApiError::invalid_parameter(fields.name(Field::StrategyId))),
        strategy => strategy.unwrap_or(0),
    };
    Ok(Instructions {
        self_trade,
        trigger,
        display: display(fields, terms, market)?,
        minimum: minimum(fields, terms, market)?,
        peg: peg(fields, terms, side)?,
        lifetime: terms.lifetime,
        slippage: slippage(fields)?,
        tag,
        ..Instructions::default()
    })
}

fn self_trade(mode: &str) -> Result<SelfTrade, ApiError> {
    names::self_trade_named(mode).ok_or_else(|| match mode {
        // It needs accounts that lend to each other, which there are none of.
        "TRANSFER" => ApiError::new(-1013, "This symbol does not allow the specified self-trade prevention mode."),
        _ => ApiError::invalid_parameter("selfTradePreventionMode"),
    })
}

fn display(fields: &Fields<'_>, terms: &Terms, market: &Market<'_>) -> Result<Display, ApiError> {
    let hidden = fields.flag(Field::Hidden)?;
    let iceberg = fields.get(Field::IcebergQuantity);
    if !terms.kind.may_rest() && (hidden || iceberg.is_some()) {
        let field = if iceberg.is_some() { Field::IcebergQuantity } else { Field::Hidden };
        return Err(ApiError::not_required(fields.name(field)));
    }
    match (iceberg, hidden) {
        (None, false) => Ok(Display::All),
        (None, true) => Ok(Display::Hidden),
        (Some(_), true) => Err(ApiError::bad_combination()),
        (Some(text), false) => {
            let peak = market.text.parse_quantity(fields.name(Field::IcebergQuantity), text, "LOT_SIZE")?;
            if peak > terms.quantity {
                return Err(ApiError::iceberg_exceeds_quantity());
            }
            Ok(Display::Iceberg(peak))
        }
    }
}

fn minimum(fields: &Fields<'_>, terms: &Terms, market: &Market<'_>) -> Result<Quantity, ApiError> {
    let all = fields.flag(Field::AllOrNone)?;
    let least = fields.get(Field::MinQuantity);
    // Fill or kill is a minimum of its own; of an order by quote amount nobody knows the whole.
    let takes_all = terms.kind == OrderKind::FillOrKill;
    if (takes_all && (all || least.is_some())) || (all && terms.kind == OrderKind::MarketByQuote) {
        let field = if all { Field::AllOrNone } else { Field::MinQuantity };
        return Err(ApiError::not_required(fields.name(field)));
    }
    match (least, all) {
        (None, false) => Ok(Quantity::ZERO),
        (None, true) => Ok(terms.quantity),
        (Some(_), true) => Err(ApiError::bad_combination()),
        (Some(text), false) => {
            let name = fields.name(Field::MinQuantity);
            let least = market.text.parse_quantity(name, text, "LOT_SIZE")?;
            let too_much = terms.kind != OrderKind::MarketByQuote && least > terms.quantity;
            if least.is_zero() || too_much { Err(ApiError::invalid_parameter(name)) } else { Ok(least) }
        }
    }
}

fn peg(fields: &Fields<'_>, terms: &Terms, side: Side) -> Result<Option<Peg>, ApiError> {
    let (kind, value) = (fields.get(Field::PegOffsetType), fields.get(Field::PegOffsetValue));
    let Some(price_type) = fields.get(Field::PegPriceType) else {
        return match [(kind, Field::PegOffsetType), (value, Field::PegOffsetValue)]
            .into_iter()
            .find(|(it, _)| it.is_some())
        {
            Some((_, field)) => Err(ApiError::not_required(fields.name(field))),
            None => Ok(None),
        };
    };
    if !terms.kind.may_rest() {
        return Err(ApiError::unpeggable_order());
    }
    let reference = names::peg_reference(price_type, side)
        .ok_or_else(|| ApiError::invalid_parameter(fields.name(Field::PegPriceType)))?;
    let offset = match (kind, value) {
        (None, None) => 0,
        (Some("TICKS"), Some(text)) => ticks(fields.name(Field::PegOffsetValue), text)?,
        (Some(_), Some(_)) => {
            let error = ApiError::invalid_parameter(fields.name(Field::PegOffsetType));
            return Err(error.with_data(r#"{"reason":"offsets count in TICKS here, not in levels of the book"}"#));
        }
        _ => {
            let names = (fields.name(Field::PegOffsetType), fields.name(Field::PegOffsetValue));
            return Err(ApiError::together(names.0, names.1));
        }
    };
    Ok(Some(Peg { reference, offset }))
}

/// A whole number with a sign.
fn ticks(name: &str, text: &str) -> Result<i64, ApiError> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let illegal = || ApiError::illegal_characters(name, "^[-+]?[0-9]{1,13}$");
    if digits.is_empty() || digits.len() > 13 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(illegal());
    }
    let offset: i64 = text.parse().map_err(|_| illegal())?;
    if offset.unsigned_abs() > PEG_OFFSET_MAX { Err(ApiError::invalid_parameter(name)) } else { Ok(offset) }
}

fn slippage(fields: &Fields<'_>) -> Result<BasisPoints, ApiError> {
    match fields.integer(Field::MaxSlippage)? {
        None => Ok(BasisPoints(0)),
        Some(share) if (1..=SLIPPAGE_MAX).contains(&share) => Ok(BasisPoints(u32::try_from(share).unwrap_or(0))),
        Some(_) => Err(ApiError::invalid_parameter(fields.name(Field::MaxSlippage))),
    }
}

/// Appends what an order has asked for, under the names it was asked with; nothing for a plain one.
pub fn write(out: &mut Vec<u8>, market: Market<'_>, order: &OrderView, times: json::TimeUnit) {
    let asked = &order.instructions;
    let key = |out: &mut Vec<u8>, name: &str| {
        out.extend_from_slice(b",\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
    };
    match asked.display {
        Display::All => {}
        Display::Hidden => out.extend_from_slice(b",\"hidden\":true"),
        Display::Iceberg(peak) => {
            key(out, "icebergQty");
            market.text.quantity(out, peak);
        }
    }
    if !asked.minimum.is_zero() {
        key(out, "minQty");
        market.text.quantity(out, asked.minimum);
    }
    if order.kind == OrderKind::PostOnlySlide {
        out.extend_from_slice(b",\"postOnlyMode\":\"SLIDE\"");
    }
    if let Some(end) = asked.lifetime.end() {
        key(out, "goodTillDate");
        json::time(out, end, times);
    }
    if asked.slippage.0 > 0 {
        key(out, "maxSlippage");
        json::number(out, u64::from(asked.slippage.0));
    }
    if let Some(peg) = asked.peg {
        key(out, "pegPriceType");
        json::string(out, peg_price_type(order.side, peg));
        if peg.offset != 0 {
            out.extend_from_slice(b",\"pegOffsetType\":\"TICKS\"");
            key(out, "pegOffsetValue");
            json::integer(out, peg.offset);
        }
    }
    if asked.tag > 0 {
        key(out, "strategyId");
        json::number(out, asked.tag);
    }
}

/// The dialect's name of what an order of a side follows.
#[must_use]
pub const fn peg_price_type(side: Side, peg: Peg) -> &'static str {
    match (peg.reference, side) {
        (PegReference::Midpoint, _) => "MIDPOINT_PEG",
        (PegReference::BestBid, Side::Buy) | (PegReference::BestAsk, Side::Sell) => "PRIMARY_PEG",
        (PegReference::BestBid, Side::Sell) | (PegReference::BestAsk, Side::Buy) => "MARKET_PEG",
    }
}
