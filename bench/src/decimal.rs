//! Decimal text to counts of a step and back, exactly, without floats.

use std::str::FromStr;

/// The step of a price (its tick) or of a quantity (its lot), such as `0.0001`.
///
/// Inside the tool a price is a count of ticks and a quantity a count of lots; the step turns the
/// count into the decimal text of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    mantissa: u64,
    scale: usize,
}

/// More decimals than any asset has; bounds the arithmetic below.
const SCALE_MAX: usize = 18;

impl Step {
    /// Appends `count × step` as decimal text with all decimals of the step: `70013` ticks of
    /// `0.0001` are `7.0013`.
    pub fn write(self, count: u64, out: &mut Vec<u8>) {
        let mut digits = [b'0'; 40];
        let mut value = u128::from(count) * u128::from(self.mantissa);
        let mut start = digits.len();
        while value > 0 || digits.len() - start <= self.scale {
            start -= 1;
            digits[start] = b'0' + (value % 10) as u8;
            value /= 10;
        }
        let point = digits.len() - self.scale;
        out.extend_from_slice(&digits[start..point]);
        if self.scale > 0 {
            out.push(b'.');
            out.extend_from_slice(&digits[point..]);
        }
    }

    /// `count × step` as decimal text.
    pub fn text(self, count: u64) -> String {
        let mut out = Vec::with_capacity(24);
        self.write(count, &mut out);
        out.into_iter().map(char::from).collect()
    }

    /// How many steps the decimal `text` is, or `None` where it is no exact multiple or no
    /// plain non-negative decimal.
    pub fn count(self, text: &str) -> Option<u64> {
        let (value, scale) = parse(text)?;
        let step = u128::from(self.mantissa) * 10u128.pow(SCALE_MAX as u32 - self.scale as u32);
        let value = value.checked_mul(10u128.pow((SCALE_MAX - scale) as u32))?;
        (value % step == 0).then_some(value / step)?.try_into().ok()
    }

    /// The smallest count whose value is at least `text`; `None` where `text` is no decimal.
    pub fn count_at_least(self, value: u128, value_scale: usize) -> Option<u64> {
        let step = u128::from(self.mantissa) * 10u128.pow(SCALE_MAX as u32 - self.scale as u32);
        let value = value.checked_mul(10u128.pow(SCALE_MAX.checked_sub(value_scale)? as u32))?;
        value.div_ceil(step).try_into().ok()
    }
}

impl FromStr for Step {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is no positive decimal such as \"0.01\"");
        let (mantissa, scale) = parse(text).ok_or_else(wrong)?;
        match u64::try_from(mantissa) {
            Ok(mantissa) if mantissa > 0 => Ok(Self { mantissa, scale }),
            _ => Err(wrong()),
        }
    }
}

/// The digits of a plain decimal as an integer, and how many of them stand behind the point.
/// Trailing zeroes behind the point are dropped.
pub fn parse(text: &str) -> Option<(u128, usize)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = fraction.trim_end_matches('0');
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || fraction.len() > SCALE_MAX || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let mut value: u128 = whole.parse().ok()?;
    for byte in fraction.bytes() {
        value = value.checked_mul(10)?.checked_add(u128::from(byte - b'0'))?;
    }
    Some((value, fraction.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(text: &str) -> Step {
        text.parse().expect("a step")
    }

    #[test]
    fn counts_become_exact_text() {
        let check = |tick: &str, count, text: &str| assert_eq!(step(tick).text(count), text);
        check("0.01", 181_888, "1818.88");
        check("0.01", 7, "0.07");
        check("0.00000001", 883_518_573, "8.83518573");
        check("1", 100, "100");
        check("0.5", 3, "1.5");
        check("0.25", 0, "0.00");
        check("0.00000001", u64::MAX, "184467440737.09551615");
    }

    #[test]
    fn text_becomes_counts_or_nothing() {
        let check = |tick: &str, text: &str, count| assert_eq!(step(tick).count(text), count);
        check("0.01", "1818.88000000", Some(181_888));
        check("0.01", "1818.88", Some(181_888));
        check("0.01", "1818.885", None);
        check("0.5", "1.5", Some(3));
        check("0.5", "1.25", None);
        check("1", "100.00000000", Some(100));
        check("1", "-1", None);
        check("1", "1e3", None);
        check("1", "", None);
        check("1", ".", None);
        check("0.00000001", "184467440737.09551616", None);
    }

    #[test]
    fn a_step_is_positive() {
        for text in ["0", "0.00", "-1", "", "x", "0.0000000000000000001"] {
            assert!(text.parse::<Step>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_least_count_is_rounded_up() {
        assert_eq!(step("0.01").count_at_least(15, 3), Some(2));
        assert_eq!(step("0.01").count_at_least(2, 2), Some(2));
    }
}
