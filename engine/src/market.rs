//! What a market trades and the proof that its arithmetic cannot overflow.

use crate::ids::AssetId;
use crate::units::{Amount, BasisPoints, FeeRate, Notional, Price, Quantity, Rounding, scale};

/// The most of one asset that a tenant may hold in all, in minor units. Every balance stays
/// below it, because money enters only through a deposit that checks it.
pub const SUPPLY_MAX: Amount = Amount(1 << 100);

/// The largest scale of an asset: decimals of its minor unit.
pub const ASSET_SCALE_MAX: u8 = 18;

/// The largest quantity of one order in lots. A million of them at one price still sum to a `u64`,
/// and there are fewer orders than slots for them.
pub const QUANTITY_MAX: Quantity = Quantity(1 << 42);

/// Basis points in a whole.
pub const BASIS_POINTS: u64 = 10_000;

/// A decimal as an integer and the number of its decimals: `0.0001` is `(1, 4)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The digits.
    pub mantissa: u64,
    /// How many of them stand behind the point.
    pub scale: u8,
}

/// What an operator says of a market.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketDefinition {
    /// What is traded.
    pub base: AssetId,
    /// Decimals of the base asset's minor unit.
    pub base_scale: u8,
    /// What it is paid in.
    pub quote: AssetId,
    /// Decimals of the quote asset's minor unit.
    pub quote_scale: u8,
    /// The smallest price step, in quote per base.
    pub tick: Step,
    /// The smallest quantity step, in base.
    pub lot: Step,
    /// The highest price in ticks.
    pub max_price: Price,
    /// The largest quantity of one order in lots.
    pub max_quantity: Quantity,
    /// The smallest notional of a limit order, in minor units of quote.
    pub min_notional: Amount,
    /// Fee of the resting side, on what it receives. Below zero the house gives it as much on top.
    pub maker_fee: FeeRate,
    /// Fee of the incoming side, on what it receives.
    pub taker_fee: BasisPoints,
    /// What it allows.
    pub filters: MarketFilters,
}

/// What a market allows beyond what its arithmetic needs. Everything is off where it is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MarketFilters {
    /// The lowest price in ticks.
    pub min_price: Price,
    /// The smallest quantity of one order in lots.
    pub min_quantity: Quantity,
    /// The largest quantity of one market order in lots.
    pub max_market_quantity: Quantity,
    /// The largest notional of one order, in minor units of quote.
    pub max_notional: Amount,
    /// The highest limit of a buy order, in basis points of the last price.
    pub bid_up: BasisPoints,
    /// The lowest limit of a buy order, in basis points of the last price.
    pub bid_down: BasisPoints,
    /// The highest limit of a sell order, in basis points of the last price.
    pub ask_up: BasisPoints,
    /// The lowest limit of a sell order, in basis points of the last price.
    pub ask_down: BasisPoints,
    /// How many orders an account may have open here.
    pub max_orders: u32,
    /// How many of them may wait for a trigger.
    pub max_waiting_orders: u32,
    /// The most of the base asset that an account may own, open buy orders included, in minor units.
    pub max_position: Amount,
    /// In how many parts an iceberg may be displayed.
    pub iceberg_parts: u32,
    /// The least trailing distance of an order that is triggered above the market.
    pub min_trail_above: BasisPoints,
    /// The most.
    pub max_trail_above: BasisPoints,
    /// The least trailing distance of an order that is triggered below the market.
    pub min_trail_below: BasisPoints,
    /// The most.
    pub max_trail_below: BasisPoints,
}

/// Why a market cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpecError {
    /// Base and quote are the same asset.
    SameAsset,
    /// A scale above [`ASSET_SCALE_MAX`].
    ScaleTooLarge,
    /// A tick or lot of zero.
    ZeroStep,
    /// One lot is not a whole number of minor units of base.
    LotBelowMinorUnit,
    /// A maximum of zero.
    ZeroMaximum,
    /// A maximum quantity above [`QUANTITY_MAX`].
    QuantityOverflow,
    /// `max_price * max_quantity` does not stay below 2^62 tick-lots.
    NotionalOverflow,
    /// The largest notional or quantity is more money than [`SUPPLY_MAX`].
    AmountOverflow,
    /// A fee or a rebate above the whole.
    FeeTooLarge,
}

impl std::fmt::Display for SpecError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::SameAsset => "base and quote are the same asset",
            Self::ScaleTooLarge => "a scale is above 18 decimals",
            Self::ZeroStep => "tick and lot must be above zero",
            Self::LotBelowMinorUnit => "one lot is not a whole number of minor units of the base asset",
            Self::ZeroMaximum => "the maximum price and quantity must be above zero",
            Self::QuantityOverflow => {
                "the maximum quantity must be at most 2^42 lots; use a coarser lot or a lower maximum"
            }
            Self::NotionalOverflow => "maximum price times maximum quantity must stay below 2^62 tick-lots; lower one of them, or use a coarser tick or lot",
            Self::AmountOverflow => "the largest order is worth more minor units than an asset may have; lower the maximum quantity",
            Self::FeeTooLarge => "a fee or a rebate is above 10000 basis points",
        })
    }
}

impl std::error::Error for SpecError {}

/// A market whose arithmetic is proven: see [`MarketSpec::open`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarketSpec {
    /// What is traded.
    pub base: AssetId,
    /// What it is paid in.
    pub quote: AssetId,
    /// Minor units of base in one lot.
    pub lot_amount: Amount,
    /// Minor units of quote in [`Self::notional_denominator`] tick-lots.
    pub notional_numerator: u64,
    /// One wherever price and quantity decimals fit the quote scale: then notionals are exact.
    pub notional_denominator: u64,
    /// The highest price in ticks.
    pub max_price: Price,
    /// The largest quantity of one order in lots.
    pub max_quantity: Quantity,
    /// The smallest notional of a limit order, in minor units of quote.
    pub min_notional: Amount,
    /// Fee of the resting side, or its rebate.
    pub maker_fee: FeeRate,
    /// Fee of the incoming side.
    pub taker_fee: BasisPoints,
    /// What it allows.
    pub filters: MarketFilters,
}

impl MarketSpec {
    /// Proves a definition and opens it.
    ///
    /// Afterwards, for every order of the market: its notional fits 62 bits, so that the notional
    /// of one order, and the sum over the fills of one order, fit a `u64`; its amounts in minor
    /// units stay below 2^100, so that times 10,000 for a fee, plus a denominator, they fit an
    /// `i128`.
    ///
    /// # Errors
    /// The first of [`SpecError`] that applies.
    pub fn open(definition: &MarketDefinition) -> Result<Self, SpecError> {
        let MarketDefinition { base_scale, quote_scale, tick, lot, max_price, max_quantity, .. } = definition.clone();
        if definition.base == definition.quote {
            return Err(SpecError::SameAsset);
        }
        let scales = [base_scale, quote_scale, tick.scale, lot.scale];
        if scales.iter().any(|scale| *scale > ASSET_SCALE_MAX) {
            return Err(SpecError::ScaleTooLarge);
        }
        if tick.mantissa == 0 || lot.mantissa == 0 {
            return Err(SpecError::ZeroStep);
        }
        // The mantissas are reduced first, so that `0.0100` and `0.01` open the same market.
        let (tick, lot) = (tick.reduced(), lot.reduced());
        if lot.scale > base_scale {
            return Err(SpecError::LotBelowMinorUnit);
        }
        let lot_amount = i128::from(lot.mantissa) * power_of_ten(base_scale - lot.scale);
        if max_price.is_zero() || max_quantity.is_zero() {
            return Err(SpecError::ZeroMaximum);
        }
        if max_quantity > QUANTITY_MAX {
            return Err(SpecError::QuantityOverflow);
        }
        let notional_max = u128::from(max_price.0) * u128::from(max_quantity.0);
        if notional_max >= 1 << 62 {
            return Err(SpecError::NotionalOverflow);
        }
        let unit = i128::from(tick.mantissa).checked_mul(i128::from(lot.mantissa)).ok_or(SpecError::AmountOverflow)?;
        let decimals = tick.scale + lot.scale;
        let (numerator, denominator) = if decimals <= quote_scale {
            let numerator = unit.checked_mul(power_of_ten(quote_scale - decimals));
            (numerator.ok_or(SpecError::AmountOverflow)?, 1)
        } else {
            let denominator = power_of_ten(decimals - quote_scale);
            let common = greatest_common_divisor(unit, denominator);
            (unit / common, denominator / common)
        };
        let notional_numerator = u64::try_from(numerator).map_err(|_| SpecError::AmountOverflow)?;
        let notional_denominator = u64::try_from(denominator).map_err(|_| SpecError::AmountOverflow)?;
        let bounded = |value: u128, factor: u128| {
            value.checked_mul(factor).is_some_and(|product| product <= SUPPLY_MAX.0.unsigned_abs())
        };
        if !bounded(notional_max, u128::from(notional_numerator))
            || !bounded(u128::from(max_quantity.0), lot_amount.unsigned_abs())
        {
            return Err(SpecError::AmountOverflow);
        }
        let largest = u64::from(definition.maker_fee.0.unsigned_abs().max(definition.taker_fee.0));
        if largest > BASIS_POINTS {
            return Err(SpecError::FeeTooLarge);
        }
        Ok(Self {
            base: definition.base,
            quote: definition.quote,
            lot_amount: Amount(lot_amount),
            notional_numerator,
            notional_denominator,
            max_price,
            max_quantity,
            min_notional: definition.min_notional,
            maker_fee: definition.maker_fee,
            taker_fee: definition.taker_fee,
            filters: definition.filters,
        })
    }

    /// A quantity in minor units of base: always exact.
    #[must_use]
    pub fn base_amount(&self, quantity: Quantity) -> Amount {
        Amount(i128::from(quantity.0) * self.lot_amount.0)
    }

    /// A notional in minor units of quote, rounded as named.
    #[must_use]
    pub fn quote_amount(&self, notional: Notional, rounding: Rounding) -> Amount {
        Amount(scale(i128::from(notional.0), self.notional_numerator, self.notional_denominator, rounding))
    }

    /// The largest notional whose price, rounded up, is within `budget`.
    #[must_use]
    pub fn notional_within(&self, budget: Amount) -> Notional {
        let cap = Notional(self.max_price.0 * self.max_quantity.0);
        if budget.0 >= self.quote_amount(cap, Rounding::Ceil).0 {
            return cap;
        }
        let notional = scale(budget.0.max(0), self.notional_denominator, self.notional_numerator, Rounding::Floor);
        Notional(u64::try_from(notional).unwrap_or(cap.0))
    }
}

impl Step {
    /// The same decimal without trailing zeros.
    #[must_use]
    pub const fn reduced(mut self) -> Self {
        while self.scale > 0 && self.mantissa.is_multiple_of(10) {
            self.mantissa /= 10;
            self.scale -= 1;
        }
        self
    }
}

/// Ten to the power of a scale, of at most twice [`ASSET_SCALE_MAX`].
#[must_use]
pub const fn power_of_ten(exponent: u8) -> i128 {
    10_i128.pow(exponent as u32)
}

fn greatest_common_divisor(mut left: i128, mut right: i128) -> i128 {
    while right != 0 {
        (left, right) = (right, left % right);
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition() -> MarketDefinition {
        MarketDefinition {
            base: AssetId(0),
            base_scale: 8,
            quote: AssetId(1),
            quote_scale: 8,
            tick: Step { mantissa: 1, scale: 2 },
            lot: Step { mantissa: 1, scale: 8 },
            max_price: Price(100_000_000),
            max_quantity: Quantity(10_000_000_000),
            min_notional: Amount(0),
            maker_fee: FeeRate(10),
            taker_fee: BasisPoints(20),
            filters: MarketFilters::default(),
        }
    }

    #[test]
    fn a_market_finer_than_its_quote_scale_keeps_the_fraction() {
        let spec = MarketSpec::open(&definition()).expect("opens");
        assert_eq!((spec.notional_numerator, spec.notional_denominator), (1, 100));
        let notional = Price(23_647).times(Quantity(3));
        assert_eq!(spec.quote_amount(notional, Rounding::Ceil), Amount(710));
        assert_eq!(spec.quote_amount(notional, Rounding::Floor), Amount(709));
        assert_eq!(spec.notional_within(Amount(710)), Notional(71_000));
    }

    #[test]
    fn a_budget_never_buys_more_than_it_pays_for() {
        let spec = MarketSpec::open(&definition()).expect("opens");
        for budget in 0..1_000 {
            let notional = spec.notional_within(Amount(budget));
            assert!(spec.quote_amount(notional, Rounding::Ceil).0 <= budget);
            assert!(spec.quote_amount(notional + Notional(1), Rounding::Ceil).0 > budget);
        }
    }

    #[test]
    fn every_overflow_is_refused_when_the_market_is_opened() {
        let refused = |change: &dyn Fn(&mut MarketDefinition)| {
            let mut definition = definition();
            change(&mut definition);
            MarketSpec::open(&definition).expect_err("refused")
        };
        assert_eq!(refused(&|market| market.quote = market.base), SpecError::SameAsset);
        assert_eq!(refused(&|market| market.base_scale = 19), SpecError::ScaleTooLarge);
        assert_eq!(refused(&|market| market.tick.mantissa = 0), SpecError::ZeroStep);
        assert_eq!(refused(&|market| market.base_scale = 7), SpecError::LotBelowMinorUnit);
        assert_eq!(refused(&|market| market.max_quantity = Quantity(0)), SpecError::ZeroMaximum);
        assert_eq!(refused(&|market| market.max_quantity = Quantity(1 << 40)), SpecError::NotionalOverflow);
        assert_eq!(refused(&|market| market.max_quantity = Quantity(1 << 43)), SpecError::QuantityOverflow);
        assert_eq!(
            refused(&|market| {
                market.quote_scale = 18;
                market.tick = Step { mantissa: 1_000_000_000_000, scale: 0 };
                market.lot = Step { mantissa: 1, scale: 0 };
            }),
            SpecError::AmountOverflow
        );
        assert_eq!(refused(&|market| market.taker_fee = BasisPoints(10_001)), SpecError::FeeTooLarge);
        assert_eq!(refused(&|market| market.maker_fee = FeeRate(-10_001)), SpecError::FeeTooLarge);
    }
}
