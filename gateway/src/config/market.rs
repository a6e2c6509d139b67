//! Markets as the configuration names them: what they trade, in which steps, what they allow, when
//! they open and close, and what protects them.

use rialto_actors::exchange::MarketSetup;
use rialto_engine::ids::AssetId;
use rialto_engine::market::{MarketDefinition, MarketFilters, MarketSpec, SpecError, Step};
use rialto_engine::message::Protection;
use rialto_engine::order::SelfTrade;
use rialto_engine::units::{Amount, BasisPoints, FeeRate, Nanos, Price, Quantity};
use serde::Deserialize;

use super::opening::Terms;
use super::timetable::Line;
use super::{ConfigError, Number, is_symbol, refuse, self_trade_mode};
use crate::decimal::{Decimal, Grid, fixed};
use crate::orders::names;

/// The highest price where the file names none, in ticks: a hundred million steps are finer than
/// any quotation.
pub const MAX_PRICE_DEFAULT: Price = Price(100_000_000);
/// The largest quantity where the file names none, in lots. Times the highest price, it stays
/// below the 2^62 tick-lots that a market may have.
pub const MAX_QUANTITY_DEFAULT: Quantity = Quantity(40_000_000_000);
/// What a market may have at most, exclusive.
const NOTIONAL_MAX: u64 = 1 << 62;
/// In how many parts an iceberg may be displayed where the file does not say: so that one order
/// cannot take its place in the queue without end.
const ICEBERG_PARTS_DEFAULT: u32 = 100;
/// What a trailing order may trail where the file does not say, in basis points.
const TRAILING_DELTA_DEFAULT: (u32, u32) = (10, 2_000);
/// A band above this, in basis points, is none.
const BAND_MAX: u32 = 9_999;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Market {
    pub symbol: String,
    base: String,
    quote: String,
    tick: Number,
    lot: Number,
    min_notional: Option<Number>,
    max_notional: Option<Number>,
    min_price: Option<Number>,
    max_price: Option<Number>,
    min_quantity: Option<Number>,
    max_quantity: Option<Number>,
    max_market_quantity: Option<Number>,
    max_position: Option<Number>,
    #[serde(default)]
    max_num_orders: u32,
    #[serde(default)]
    max_num_algo_orders: u32,
    iceberg_parts: Option<u32>,
    #[serde(default)]
    percent_price_by_side: PercentPrice,
    #[serde(default)]
    trailing_delta: TrailingDelta,
    #[serde(default)]
    maker_fee_bps: i32,
    #[serde(default)]
    taker_fee_bps: u32,
    self_trade_prevention: Option<String>,
    protection: Option<Bands>,
    #[serde(default)]
    schedule: Vec<Line>,
}

/// How far limits may be from the last price, as multiples of it.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct PercentPrice {
    bid_up: Option<Number>,
    bid_down: Option<Number>,
    ask_up: Option<Number>,
    ask_down: Option<Number>,
}

/// How far trailing orders may trail, in basis points.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TrailingDelta {
    min_above: Option<u32>,
    max_above: Option<u32>,
    min_below: Option<u32>,
    max_below: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bands {
    #[serde(default)]
    static_band_bps: u32,
    #[serde(default)]
    dynamic_band_bps: u32,
    #[serde(default)]
    interruption_seconds: u32,
}

impl Market {
    /// A market that an operator opens.
    pub fn new(symbol: &str, base: &str, quote: &str, terms: &Terms) -> Result<Self, ConfigError> {
        let place = format!("market \"{symbol}\"");
        let given = |name: &str| match terms.get(name) {
            Some(text) => Ok(Number(text.clone())),
            None => refuse(format!("{place}: {name} must be given")),
        };
        let (tick, lot) = (given("tick")?, given("lot")?);
        let (symbol, base, quote) = (symbol.to_owned(), base.to_owned(), quote.to_owned());
        let mut market = Self { symbol, base, quote, ..Self::steps(tick, lot) };
        market.change(terms, &place)?;
        Ok(market)
    }

    /// A market as it is open, with every term spelled out but its timetable and protection.
    pub fn of(market: &MarketSetup, assets: &[(String, u8)], self_trade: SelfTrade) -> Self {
        let scale = |name: &str| assets.iter().find(|(other, _)| other == name).map_or(0, |(_, scale)| *scale);
        let steps = |count: u64, step: Step| (count > 0).then(|| Number(Grid::of_step(step).text(u128::from(count))));
        let amount = |amount: Amount, asset: &str| {
            (amount.0 > 0).then(|| Number(Grid::of_scale(scale(asset)).text(amount.0.unsigned_abs())))
        };
        let share = |share: BasisPoints| (share.0 > 0).then(|| Number(Grid::of_scale(4).text(u128::from(share.0))));
        let filters = &market.filters;
        Self {
            symbol: market.symbol.clone(),
            base: market.base.clone(),
            quote: market.quote.clone(),
            min_notional: amount(market.min_notional, &market.quote),
            max_notional: amount(filters.max_notional, &market.quote),
            min_price: steps(filters.min_price.0, market.tick),
            max_price: steps(market.max_price.0, market.tick),
            min_quantity: steps(filters.min_quantity.0, market.lot),
            max_quantity: steps(market.max_quantity.0, market.lot),
            max_market_quantity: steps(filters.max_market_quantity.0, market.lot),
            max_position: amount(filters.max_position, &market.base),
            max_num_orders: filters.max_orders,
            max_num_algo_orders: filters.max_waiting_orders,
            iceberg_parts: Some(filters.iceberg_parts),
            percent_price_by_side: PercentPrice {
                bid_up: share(filters.bid_up),
                bid_down: share(filters.bid_down),
                ask_up: share(filters.ask_up),
                ask_down: share(filters.ask_down),
            },
            trailing_delta: TrailingDelta {
                min_above: Some(filters.min_trail_above.0),
                max_above: Some(filters.max_trail_above.0),
                min_below: Some(filters.min_trail_below.0),
                max_below: Some(filters.max_trail_below.0),
            },
            maker_fee_bps: market.maker_fee.0,
            taker_fee_bps: market.taker_fee.0,
            self_trade_prevention: Some(names::self_trade(self_trade).to_ascii_lowercase()),
            ..Self::steps(step_text(market.tick), step_text(market.lot))
        }
    }

    /// Sets some terms by the names that operators have for them.
    pub fn change(&mut self, terms: &Terms, place: &str) -> Result<(), ConfigError> {
        for (name, text) in terms {
            let number = || Some(Number(text.clone()));
            // A share of zero is how one is switched off.
            let share = || number().filter(|Number(text)| text != "0");
            let whole = || match text.parse::<u32>() {
                Ok(whole) => Ok(whole),
                Err(_) => refuse(format!("{place}: {name} = \"{text}\" is no whole number below 2^32")),
            };
            match name.as_str() {
                "tick" => self.tick = Number(text.clone()),
                "lot" => self.lot = Number(text.clone()),
                "minNotional" => self.min_notional = number(),
                "maxNotional" => self.max_notional = number(),
                "minPrice" => self.min_price = number(),
                "maxPrice" => self.max_price = number(),
                "minQuantity" => self.min_quantity = number(),
                "maxQuantity" => self.max_quantity = number(),
                "maxMarketQuantity" => self.max_market_quantity = number(),
                "maxPosition" => self.max_position = number(),
                "maxNumOrders" => self.max_num_orders = whole()?,
                "maxNumAlgoOrders" => self.max_num_algo_orders = whole()?,
                "icebergParts" => self.iceberg_parts = Some(whole()?),
                "bidUp" => self.percent_price_by_side.bid_up = share(),
                "bidDown" => self.percent_price_by_side.bid_down = share(),
                "askUp" => self.percent_price_by_side.ask_up = share(),
                "askDown" => self.percent_price_by_side.ask_down = share(),
                "minTrailAbove" => self.trailing_delta.min_above = Some(whole()?),
                "maxTrailAbove" => self.trailing_delta.max_above = Some(whole()?),
                "minTrailBelow" => self.trailing_delta.min_below = Some(whole()?),
                "maxTrailBelow" => self.trailing_delta.max_below = Some(whole()?),
                "makerFeeBps" => {
                    self.maker_fee_bps = match text.parse() {
                        Ok(fee) => fee,
                        Err(_) => return refuse(format!("{place}: {name} = \"{text}\" is no whole number")),
                    };
                }
                "takerFeeBps" => self.taker_fee_bps = whole()?,
                "selfTradePrevention" => self.self_trade_prevention = Some(text.clone()),
                _ => return refuse(format!("{place}: there is no term {name}")),
            }
        }
        Ok(())
    }

    /// A market of these steps that is not named yet, and for which nothing else is said.
    fn steps(tick: Number, lot: Number) -> Self {
        Self {
            symbol: String::new(),
            base: String::new(),
            quote: String::new(),
            tick,
            lot,
            min_notional: None,
            max_notional: None,
            min_price: None,
            max_price: None,
            min_quantity: None,
            max_quantity: None,
            max_market_quantity: None,
            max_position: None,
            max_num_orders: 0,
            max_num_algo_orders: 0,
            iceberg_parts: None,
            percent_price_by_side: PercentPrice::default(),
            trailing_delta: TrailingDelta::default(),
            maker_fee_bps: 0,
            taker_fee_bps: 0,
            self_trade_prevention: None,
            protection: None,
            schedule: Vec::new(),
        }
    }

    /// The market as it is to be open, and what happens in it where an order that does not say so meets its
    /// own account; `self_trade` is what its tenant says.
    pub fn checked(
        self,
        assets: &[(String, u8)],
        self_trade: SelfTrade,
        place: &str,
    ) -> Result<(MarketSetup, SelfTrade), ConfigError> {
        let place = format!("{place}, market \"{}\"", self.symbol);
        let own = self_trade_mode(self.self_trade_prevention.as_deref(), &place)?;
        Ok((self.setup(assets, &place)?, own.unwrap_or(self_trade)))
    }

    fn setup(self, assets: &[(String, u8)], place: &str) -> Result<MarketSetup, ConfigError> {
        let market = self;
        if !is_symbol(&market.symbol) {
            return refuse(format!("{place}: a symbol is 1 to 20 of A-Z, 0-9, '-', '_', '.'"));
        }
        let asset = |name: &str| {
            let found = assets.iter().zip(0..).find(|((other, _), _)| other == name);
            found.map(|((_, scale), number)| (AssetId(number), *scale))
        };
        let (Some((base, base_scale)), Some((quote, quote_scale))) = (asset(&market.base), asset(&market.quote)) else {
            return refuse(format!("{place}: base and quote must be assets of the tenant"));
        };
        let tick = step(&market.tick, place, "tick")?;
        let lot = step(&market.lot, place, "lot")?;
        let steps = |number: &Option<Number>, step: Step, name: &str| match number {
            None => Ok(None),
            Some(Number(text)) => match Grid::of_step(step).parse(text) {
                Ok(steps) => Ok(Some(steps)),
                Err(_) => refuse(format!("{place}: {name} = \"{text}\" is no whole number of steps")),
            },
        };
        let amount = |number: &Option<Number>, scale: u8, name: &str| match number {
            None => Ok(Amount::ZERO),
            Some(Number(text)) => {
                let units = Grid::of_scale(scale).parse_wide(text).ok().and_then(|units| i128::try_from(units).ok());
                match units {
                    Some(units) => Ok(Amount(units)),
                    None => refuse(format!("{place}: {name} = \"{text}\" is no decimal with at most {scale} decimals")),
                }
            }
        };
        let price = |number, name| Ok(steps(number, tick, name)?.map(Price));
        let quantity = |number, name| Ok(steps(number, lot, name)?.map(Quantity));
        let max_price = price(&market.max_price, "max_price")?;
        let max_quantity = quantity(&market.max_quantity, "max_quantity")?;
        let min_notional = amount(&market.min_notional, quote_scale, "min_notional")?;
        let percent = &market.percent_price_by_side;
        let (least, most) = TRAILING_DELTA_DEFAULT;
        let trail = |delta: Option<u32>, default| BasisPoints(delta.unwrap_or(default));
        let filters = MarketFilters {
            min_price: price(&market.min_price, "min_price")?.unwrap_or(Price::ZERO),
            min_quantity: quantity(&market.min_quantity, "min_quantity")?.unwrap_or(Quantity::ZERO),
            max_market_quantity: quantity(&market.max_market_quantity, "max_market_quantity")?
                .unwrap_or(Quantity::ZERO),
            max_notional: amount(&market.max_notional, quote_scale, "max_notional")?,
            bid_up: multiplier(&percent.bid_up, place, "bid_up")?,
            bid_down: multiplier(&percent.bid_down, place, "bid_down")?,
            ask_up: multiplier(&percent.ask_up, place, "ask_up")?,
            ask_down: multiplier(&percent.ask_down, place, "ask_down")?,
            max_orders: market.max_num_orders,
            max_waiting_orders: market.max_num_algo_orders,
            max_position: amount(&market.max_position, base_scale, "max_position")?,
            iceberg_parts: market.iceberg_parts.unwrap_or(ICEBERG_PARTS_DEFAULT),
            min_trail_above: trail(market.trailing_delta.min_above, least),
            max_trail_above: trail(market.trailing_delta.max_above, most),
            min_trail_below: trail(market.trailing_delta.min_below, least),
            max_trail_below: trail(market.trailing_delta.max_below, most),
        };
        let mut definition = MarketDefinition {
            base,
            base_scale,
            quote,
            quote_scale,
            tick,
            lot,
            max_price: max_price.unwrap_or(MAX_PRICE_DEFAULT),
            max_quantity: max_quantity.unwrap_or(MAX_QUANTITY_DEFAULT),
            min_notional,
            maker_fee: FeeRate(market.maker_fee_bps),
            taker_fee: BasisPoints(market.taker_fee_bps),
            filters,
        };
        if let Err(error) = fit(&mut definition, max_price.is_some(), max_quantity.is_some()) {
            return refuse(format!("{place}: {error}"));
        }
        check_filters(&definition, place)?;
        Ok(MarketSetup {
            symbol: market.symbol,
            base: market.base,
            quote: market.quote,
            tick: definition.tick,
            lot: definition.lot,
            max_price: definition.max_price,
            max_quantity: definition.max_quantity,
            min_notional: definition.min_notional,
            maker_fee: definition.maker_fee,
            taker_fee: definition.taker_fee,
            filters: definition.filters,
            protection: {
                let bands = market.protection.as_ref().map(|bands| protection(bands, place)).transpose()?;
                Some(bands.unwrap_or_default())
            },
            schedule: market.schedule.iter().map(|line| line.checked(place)).collect::<Result<_, _>>()?,
        })
    }
}

/// Makes sure that every filter leaves room for some order.
fn check_filters(definition: &MarketDefinition, place: &str) -> Result<(), ConfigError> {
    let MarketDefinition { max_price, max_quantity, min_notional, filters, .. } = definition;
    let crossed = |least: BasisPoints, most: BasisPoints| most.0 > 0 && least > most;
    let problems = [
        ("min_price is above max_price", filters.min_price > *max_price),
        ("min_quantity is above max_quantity", filters.min_quantity > *max_quantity),
        ("max_market_quantity is above max_quantity", filters.max_market_quantity > *max_quantity),
        ("max_notional is below min_notional", filters.max_notional.0 > 0 && filters.max_notional < *min_notional),
        ("percent_price_by_side: bid_down is above bid_up", crossed(filters.bid_down, filters.bid_up)),
        ("percent_price_by_side: ask_down is above ask_up", crossed(filters.ask_down, filters.ask_up)),
        ("trailing_delta: min_above is above max_above", crossed(filters.min_trail_above, filters.max_trail_above)),
        ("trailing_delta: min_below is above max_below", crossed(filters.min_trail_below, filters.max_trail_below)),
    ];
    match problems.iter().find(|(_, applies)| *applies) {
        Some((problem, _)) => refuse(format!("{place}: {problem}")),
        None => Ok(()),
    }
}

/// A multiple such as `1.2` in basis points: 12,000.
fn multiplier(number: &Option<Number>, place: &str, name: &str) -> Result<BasisPoints, ConfigError> {
    let Some(Number(text)) = number else { return Ok(BasisPoints(0)) };
    let share = Grid::of_scale(4).parse(text).ok().and_then(|share| u32::try_from(share).ok());
    match share.filter(|share| *share > 0) {
        Some(share) => Ok(BasisPoints(share)),
        None => refuse(format!(
            "{place}: percent_price_by_side: {name} = \"{text}\" is no multiple with at most 4 decimals"
        )),
    }
}

fn protection(bands: &Bands, place: &str) -> Result<Protection, ConfigError> {
    for (name, band) in [("static_band_bps", bands.static_band_bps), ("dynamic_band_bps", bands.dynamic_band_bps)] {
        if band > BAND_MAX {
            return refuse(format!("{place}: protection: {name} is at most {BAND_MAX}"));
        }
    }
    Ok(Protection {
        static_band: BasisPoints(bands.static_band_bps),
        dynamic_band: BasisPoints(bands.dynamic_band_bps),
        interruption: Nanos(u64::from(bands.interruption_seconds) * 1_000_000_000),
        reference: None,
    })
}

/// Lowers the maxima that the file leaves open until the market can be proven.
fn fit(definition: &mut MarketDefinition, price_given: bool, quantity_given: bool) -> Result<(), SpecError> {
    let room = |other: u64| (NOTIONAL_MAX - 1) / other.max(1);
    match (price_given, quantity_given) {
        (true, false) => {
            definition.max_quantity = Quantity(definition.max_quantity.0.min(room(definition.max_price.0)));
        }
        (false, true) => {
            definition.max_price = Price(definition.max_price.0.min(room(definition.max_quantity.0)));
        }
        _ => {}
    }
    loop {
        match MarketSpec::open(definition) {
            Ok(_) => return Ok(()),
            Err(SpecError::AmountOverflow) if !quantity_given && definition.max_quantity.0 >= 10 => {
                definition.max_quantity.0 /= 10;
            }
            Err(SpecError::AmountOverflow) if !price_given && definition.max_price.0 >= 10 => {
                definition.max_price.0 /= 10;
            }
            Err(error) => return Err(error),
        }
    }
}

fn step_text(step: Step) -> Number {
    let mut text = Vec::with_capacity(24);
    fixed(&mut text, u128::from(step.mantissa), step.scale, step.scale);
    let text = String::from_utf8(text).unwrap_or_default();
    Number(text.trim_end_matches('.').to_owned())
}

fn step(number: &Number, place: &str, name: &str) -> Result<Step, ConfigError> {
    let text = &number.0;
    let decimal = Decimal::parse(text).ok().filter(|decimal| decimal.mantissa > 0);
    let mantissa = decimal.and_then(|decimal| u64::try_from(decimal.mantissa).ok());
    match (decimal, mantissa) {
        (Some(decimal), Some(mantissa)) => Ok(Step { mantissa, scale: decimal.scale }),
        _ => refuse(format!("{place}: {name} = \"{text}\" is no decimal above zero")),
    }
}
