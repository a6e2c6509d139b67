//! Decimal text at the edge, integers inside.
//!
//! A decimal that a client sends is taken exactly or refused, never rounded. A number that a client
//! is told always has the same text: clients compare prices as strings.

use rialto_engine::market::{MarketDefinition, Step, power_of_ten};
use rialto_engine::units::{Amount, Notional, Price, Quantity};

use crate::error::ApiError;
use crate::json;

/// The fewest decimals that are ever written. Clients recognise an empty level by `"0.00000000"`.
pub const DECIMALS_MIN: u8 = 8;

/// What the dialect says a decimal looks like. Exponents are taken as well, because some clients
/// send them.
const LEGAL_RANGE: &str = r"^([0-9]{1,20})(\.[0-9]{1,20})?$";

/// The longest decimal that is looked at.
const TEXT_MAX: usize = 64;

/// Why a text is not a number of steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecimalFault {
    /// It is no unsigned decimal.
    Malformed,
    /// It has more decimals than numbers of its kind have.
    TooPrecise,
    /// It lies between two steps.
    OffStep,
    /// It is larger than any number of its kind.
    TooLarge,
}

/// An exact non-negative decimal: `mantissa / 10^scale`, with the smallest possible scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    /// The digits.
    pub mantissa: u128,
    /// How many of them stand behind the point.
    pub scale: u8,
}

impl Decimal {
    /// Reads a text: digits, perhaps a point with digits behind it, perhaps an exponent. No sign,
    /// no spaces, no `NaN`; a point needs digits on both sides.
    ///
    /// # Errors
    /// `Malformed`, `TooPrecise` behind 38 decimals, or `TooLarge` above 38 digits.
    pub fn parse(text: &str) -> Result<Self, DecimalFault> {
        let bytes = text.as_bytes();
        if bytes.len() > TEXT_MAX {
            return Err(DecimalFault::Malformed);
        }
        let (whole, rest) = split_digits(bytes);
        let (fraction, rest) = match rest {
            [b'.', rest @ ..] => {
                let (fraction, rest) = split_digits(rest);
                if fraction.is_empty() {
                    return Err(DecimalFault::Malformed);
                }
                (fraction, rest)
            }
            _ => (&[][..], rest),
        };
        if whole.is_empty() {
            return Err(DecimalFault::Malformed);
        }
        let exponent = match rest {
            [] => 0,
            [b'e' | b'E', rest @ ..] => exponent(rest)?,
            _ => return Err(DecimalFault::Malformed),
        };
        let mut mantissa: u128 = 0;
        for digit in whole.iter().chain(fraction) {
            let next = mantissa.checked_mul(10).and_then(|value| value.checked_add(u128::from(digit - b'0')));
            mantissa = next.ok_or(DecimalFault::TooLarge)?;
        }
        if mantissa == 0 {
            return Ok(Self { mantissa: 0, scale: 0 });
        }
        // At most 64 digits and an exponent of three.
        let mut scale = i32::try_from(fraction.len()).unwrap_or(i32::MAX) - exponent;
        while scale > 0 && mantissa.is_multiple_of(10) {
            mantissa /= 10;
            scale -= 1;
        }
        while scale < 0 {
            mantissa = mantissa.checked_mul(10).ok_or(DecimalFault::TooLarge)?;
            scale += 1;
        }
        let scale = u8::try_from(scale).ok().filter(|scale| *scale <= 38).ok_or(DecimalFault::TooPrecise)?;
        Ok(Self { mantissa, scale })
    }
}

/// Numbers that are whole multiples of a step, and their texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    mantissa: u128,
    scale: u8,
    decimals: u8,
}

impl Grid {
    /// The multiples of a step.
    #[must_use]
    pub fn of_step(step: Step) -> Self {
        let step = step.reduced();
        Self::new(u128::from(step.mantissa), step.scale)
    }

    /// The minor units of an asset.
    #[must_use]
    pub const fn of_scale(scale: u8) -> Self {
        Self::new(1, scale)
    }

    const fn new(mantissa: u128, scale: u8) -> Self {
        Self { mantissa, scale, decimals: if scale > DECIMALS_MIN { scale } else { DECIMALS_MIN } }
    }

    /// How many decimals its texts have.
    #[must_use]
    pub const fn decimals(&self) -> u8 {
        self.decimals
    }

    /// How many steps a text is.
    ///
    /// # Errors
    /// See [`DecimalFault`].
    pub fn parse(&self, text: &str) -> Result<u64, DecimalFault> {
        let steps = self.parse_wide(text)?;
        u64::try_from(steps).map_err(|_| DecimalFault::TooLarge)
    }

    /// The same for sums that need more than 64 bits.
    ///
    /// # Errors
    /// See [`DecimalFault`].
    pub fn parse_wide(&self, text: &str) -> Result<u128, DecimalFault> {
        let Decimal { mantissa, scale } = Decimal::parse(text)?;
        if scale > self.decimals {
            return Err(DecimalFault::TooPrecise);
        }
        let Some(missing) = self.scale.checked_sub(scale) else {
            return Err(DecimalFault::OffStep);
        };
        // At most 10^36, which fits.
        let scaled = mantissa.checked_mul(power_of_ten(missing).unsigned_abs()).ok_or(DecimalFault::TooLarge)?;
        if !scaled.is_multiple_of(self.mantissa) {
            return Err(DecimalFault::OffStep);
        }
        Ok(scaled / self.mantissa)
    }

    /// Appends the text of a number of steps.
    pub fn write(&self, out: &mut Vec<u8>, steps: u128) {
        fixed(out, steps * self.mantissa, self.scale, self.decimals);
    }

    /// The same in quotes.
    pub fn quoted(&self, out: &mut Vec<u8>, steps: u128) {
        out.push(b'"');
        self.write(out, steps);
        out.push(b'"');
    }

    /// The same with a sign, for amounts that can be negative.
    pub fn quoted_signed(&self, out: &mut Vec<u8>, steps: i128) {
        out.push(b'"');
        if steps < 0 {
            out.push(b'-');
        }
        self.write(out, steps.unsigned_abs());
        out.push(b'"');
    }

    /// The text as a `String`, off the hot path.
    #[must_use]
    pub fn text(&self, steps: u128) -> String {
        let mut out = Vec::with_capacity(32);
        self.write(&mut out, steps);
        // Digits and a point.
        String::from_utf8(out).unwrap_or_default()
    }
}

/// How the numbers of a market are read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarketText {
    /// Prices in ticks.
    pub price: Grid,
    /// Quantities in lots.
    pub quantity: Grid,
    /// Exact notionals in tick-lots.
    pub notional: Grid,
    /// Minor units of base.
    pub base: Grid,
    /// Minor units of quote.
    pub quote: Grid,
}

impl MarketText {
    /// Those of a market that was opened, so that its steps are above zero.
    #[must_use]
    pub fn of(definition: &MarketDefinition) -> Self {
        let (tick, lot) = (definition.tick.reduced(), definition.lot.reduced());
        let notional = u128::from(tick.mantissa) * u128::from(lot.mantissa);
        Self {
            price: Grid::of_step(tick),
            quantity: Grid::of_step(lot),
            notional: Grid::new(notional, tick.scale + lot.scale),
            base: Grid::of_scale(definition.base_scale),
            quote: Grid::of_scale(definition.quote_scale),
        }
    }

    /// Appends a price in quotes.
    pub fn price(&self, out: &mut Vec<u8>, price: Price) {
        self.price.quoted(out, u128::from(price.0));
    }

    /// Appends a quantity in quotes.
    pub fn quantity(&self, out: &mut Vec<u8>, quantity: Quantity) {
        self.quantity.quoted(out, u128::from(quantity.0));
    }

    /// Appends an exact notional in quotes.
    pub fn notional(&self, out: &mut Vec<u8>, notional: Notional) {
        self.notional.quoted(out, u128::from(notional.0));
    }

    /// Appends an amount of quote in quotes.
    pub fn quote_amount(&self, out: &mut Vec<u8>, amount: Amount) {
        self.quote.quoted_signed(out, amount.0);
    }

    /// Reads a price.
    ///
    /// # Errors
    /// -1100, -1111 or the filter `PRICE_FILTER`.
    pub fn parse_price(&self, parameter: &str, text: &str) -> Result<Price, ApiError> {
        self.price.parse(text).map(Price).map_err(|fault| refused(fault, parameter, "PRICE_FILTER"))
    }

    /// Reads a quantity. `filter` is the filter that a quantity between two steps fails.
    ///
    /// # Errors
    /// -1100, -1111 or the filter.
    pub fn parse_quantity(&self, parameter: &str, text: &str, filter: &'static str) -> Result<Quantity, ApiError> {
        self.quantity.parse(text).map(Quantity).map_err(|fault| refused(fault, parameter, filter))
    }

    /// Reads an amount of quote.
    ///
    /// # Errors
    /// -1100, -1111 or the filter `NOTIONAL`.
    pub fn parse_quote_amount(&self, parameter: &str, text: &str) -> Result<Amount, ApiError> {
        let steps = self.quote.parse_wide(text).map_err(|fault| match fault {
            DecimalFault::OffStep => ApiError::precision(parameter),
            fault => refused(fault, parameter, "NOTIONAL"),
        })?;
        i128::try_from(steps).map(Amount).map_err(|_| ApiError::filter("NOTIONAL"))
    }
}

/// A fault of a parameter in the words of the dialect.
fn refused(fault: DecimalFault, parameter: &str, filter: &'static str) -> ApiError {
    match fault {
        DecimalFault::Malformed => ApiError::illegal_characters(parameter, LEGAL_RANGE),
        DecimalFault::TooPrecise => ApiError::precision(parameter),
        DecimalFault::OffStep | DecimalFault::TooLarge => ApiError::filter(filter),
    }
}

/// Appends `value / 10^scale` with exactly `decimals` decimals, of which there are no fewer than
/// `scale`.
pub fn fixed(out: &mut Vec<u8>, value: u128, scale: u8, decimals: u8) {
    const ZEROS: [u8; 40] = [b'0'; 40];
    /// The largest power of ten in 64 bits.
    const HIGH: u128 = 10_000_000_000_000_000_000;
    let mut scratch = [0; 20];
    let mut wide = Vec::new();
    let digits = match u64::try_from(value) {
        Ok(value) => json::digits(value, &mut scratch),
        Err(_) => {
            // Off the hot path: only sums of whole markets come here.
            wide.extend_from_slice((value / HIGH).to_string().as_bytes());
            wide.extend_from_slice(format!("{:019}", value % HIGH).as_bytes());
            &wide
        }
    };
    let scale = usize::from(scale);
    if let Some(whole) = digits.len().checked_sub(scale).filter(|whole| *whole > 0) {
        out.extend_from_slice(&digits[..whole]);
        out.push(b'.');
        out.extend_from_slice(&digits[whole..]);
    } else {
        out.extend_from_slice(b"0.");
        out.extend_from_slice(&ZEROS[..scale - digits.len()]);
        out.extend_from_slice(digits);
    }
    out.extend_from_slice(&ZEROS[..usize::from(decimals) - scale]);
}

fn split_digits(bytes: &[u8]) -> (&[u8], &[u8]) {
    let length = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    bytes.split_at(length)
}

fn exponent(bytes: &[u8]) -> Result<i32, DecimalFault> {
    let (negative, bytes) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, bytes),
    };
    let (digits, rest) = split_digits(bytes);
    if digits.is_empty() || digits.len() > 3 || !rest.is_empty() {
        return Err(DecimalFault::Malformed);
    }
    let value = digits.iter().fold(0, |value, digit| value * 10 + i32::from(digit - b'0'));
    Ok(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rialto_engine::ids::AssetId;
    use rialto_engine::units::{BasisPoints, FeeRate};

    fn step(mantissa: u64, scale: u8) -> Grid {
        Grid::of_step(Step { mantissa, scale })
    }

    #[test]
    fn exact_texts_are_taken_and_others_are_refused() {
        let tick = step(1, 4);
        for (text, ticks) in [
            ("7", 70_000),
            ("7.0", 70_000),
            ("007.10000000000000000", 71_000),
            ("0.0001", 1),
            ("1e-04", 1),
            ("1E-4", 1),
            ("12.5e2", 12_500_000),
            ("0e999", 0),
            ("0", 0),
            ("0.00000000", 0),
            ("1844674407370955.1615", u64::MAX),
        ] {
            assert_eq!(tick.parse(text), Ok(ticks), "{text}");
        }
        for (text, fault) in [
            ("", DecimalFault::Malformed),
            (".", DecimalFault::Malformed),
            ("5.", DecimalFault::Malformed),
            (".5", DecimalFault::Malformed),
            ("-1", DecimalFault::Malformed),
            ("+1", DecimalFault::Malformed),
            (" 1", DecimalFault::Malformed),
            ("1 ", DecimalFault::Malformed),
            ("1_000", DecimalFault::Malformed),
            ("1,5", DecimalFault::Malformed),
            ("NaN", DecimalFault::Malformed),
            ("inf", DecimalFault::Malformed),
            ("Infinity", DecimalFault::Malformed),
            ("0x10", DecimalFault::Malformed),
            ("1e", DecimalFault::Malformed),
            ("1e+", DecimalFault::Malformed),
            ("1e1000", DecimalFault::Malformed),
            ("1e1.5", DecimalFault::Malformed),
            ("1.2.3", DecimalFault::Malformed),
            ("١", DecimalFault::Malformed),
            ("0.00005", DecimalFault::OffStep),
            ("0.00000001", DecimalFault::OffStep),
            ("0.000000001", DecimalFault::TooPrecise),
            ("1e-99", DecimalFault::TooPrecise),
            ("1e99", DecimalFault::TooLarge),
            ("1844674407370955.1616", DecimalFault::TooLarge),
        ] {
            assert_eq!(tick.parse(text), Err(fault), "{text}");
        }
        let long = "1".repeat(65);
        assert_eq!(tick.parse(&long), Err(DecimalFault::Malformed));
    }

    #[test]
    fn steps_that_are_no_power_of_ten_have_their_own_grid() {
        let tick = step(25, 3);
        assert_eq!(tick.parse("0.075"), Ok(3));
        assert_eq!(tick.parse("0.08"), Err(DecimalFault::OffStep));
        assert_eq!(tick.text(3), "0.07500000");
        assert_eq!(step(5, 0).text(2), "10.00000000");
    }

    #[test]
    fn texts_have_eight_decimals_or_as_many_as_are_needed() {
        assert_eq!(step(1, 2).text(0), "0.00000000");
        assert_eq!(step(1, 2).text(123_456), "1234.56000000");
        assert_eq!(step(1, 8).text(1), "0.00000001");
        assert_eq!(step(1, 10).text(1), "0.0000000001");
        assert_eq!(step(10, 9).text(1), "0.00000001");
        assert_eq!(Grid::of_scale(18).text(1_500_000_000_000_000_000), "1.500000000000000000");
        assert_eq!(Grid::of_scale(0).text(u128::from(u64::MAX) + 1), "18446744073709551616.00000000");
        let mut out = Vec::new();
        Grid::of_scale(2).quoted_signed(&mut out, -150);
        assert_eq!(out, b"\"-1.50000000\"");
    }

    #[test]
    fn a_market_reads_and_writes_its_numbers() {
        let text = MarketText::of(&MarketDefinition {
            base: AssetId(0),
            base_scale: 8,
            quote: AssetId(1),
            quote_scale: 8,
            tick: Step { mantissa: 100, scale: 6 },
            lot: Step { mantissa: 1, scale: 2 },
            max_price: Price(1_000_000),
            max_quantity: Quantity(1_000_000),
            min_notional: Amount(0),
            maker_fee: FeeRate(0),
            taker_fee: BasisPoints(0),
            filters: Default::default(),
        });
        assert_eq!(text.parse_price("price", "7.1234"), Ok(Price(71_234)));
        assert_eq!(text.parse_price("price", "7.12345").expect_err("refused").msg, "Filter failure: PRICE_FILTER");
        assert_eq!(text.parse_price("price", "7.123456789").expect_err("refused").code, -1111);
        assert_eq!(
            text.parse_quantity("quantity", "-1", "LOT_SIZE").expect_err("refused").msg,
            "Illegal characters found in parameter 'quantity'; legal range is '^([0-9]{1,20})(\\.[0-9]{1,20})?$'."
        );
        assert_eq!(text.parse_quote_amount("quoteOrderQty", "12.5"), Ok(Amount(1_250_000_000)));
        assert_eq!(text.parse_quote_amount("quoteOrderQty", "1e-9").expect_err("refused").code, -1111);
        let mut out = Vec::new();
        text.notional(&mut out, Price(71_234).times(Quantity(150)));
        assert_eq!(out, b"\"10.68510000\"");
    }

    /// A small generator of pseudo-random numbers: the same run every time.
    struct Random(u64);

    impl Random {
        fn bits(&mut self) -> u64 {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
        }

        fn below(&mut self, bound: u64) -> u64 {
            self.bits() % bound
        }
    }

    #[test]
    fn every_number_of_steps_survives_its_text() {
        let mut random = Random(7);
        for _ in 0..200_000 {
            let grid = step(1 + random.below(1_000), u8::try_from(random.below(19)).expect("small"));
            let steps = random.bits() >> random.below(64);
            let text = grid.text(u128::from(steps));
            assert_eq!(grid.parse(&text), Ok(steps), "{grid:?} {text}");
            assert!(text.split('.').next_back().is_some_and(|fraction| fraction.len() >= 8), "{text}");
        }
    }

    #[test]
    fn an_independent_decimal_agrees() {
        let mut random = Random(11);
        for _ in 0..100_000 {
            let scale = u8::try_from(random.below(10)).expect("small");
            let value = random.bits() >> (1 + random.below(63));
            let reference = rust_decimal::Decimal::from_i128_with_scale(i128::from(value), u32::from(scale));
            let text = reference.to_string();
            let parsed = Decimal::parse(&text).expect("a decimal");
            let back = rust_decimal::Decimal::from_i128_with_scale(
                i128::try_from(parsed.mantissa).expect("small"),
                u32::from(parsed.scale),
            );
            assert_eq!(back, reference, "{text}");
            let written: rust_decimal::Decimal =
                Grid::of_scale(scale).text(u128::from(value)).parse().expect("a decimal");
            assert_eq!(written, reference);
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic_or_accept_what_it_should_not() {
        let alphabet: Vec<char> = "0123456789..eE+-_ x,٣∞".chars().collect();
        let mut random = Random(13);
        for _ in 0..200_000 {
            let length = random.below(12);
            let text: String = (0..length)
                .map(|_| alphabet[usize::try_from(random.below(alphabet.len() as u64)).expect("small")])
                .collect();
            if let Ok(decimal) = Decimal::parse(&text) {
                assert!(text.starts_with(|character: char| character.is_ascii_digit()), "{text}");
                assert!(!text.ends_with(['.', 'e', 'E', '+', '-']), "{text}");
                assert!(decimal.mantissa == 0 || decimal.scale == 0 || !decimal.mantissa.is_multiple_of(10), "{text}");
            }
        }
    }
}
