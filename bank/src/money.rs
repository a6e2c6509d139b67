//! Currencies, and amounts as exact decimal texts.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A currency.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Currency {
    /// Its name.
    pub name: String,
    /// How many decimals it has, at most 18.
    pub scale: u8,
}

/// All currencies of the bank: name to scale.
#[derive(Clone, Debug, Default)]
pub struct Currencies(BTreeMap<String, u8>);

impl Currencies {
    /// These.
    #[must_use]
    pub fn new(currencies: &[Currency]) -> Self {
        Self(currencies.iter().map(|currency| (currency.name.clone(), currency.scale.min(18))).collect())
    }

    /// Whether the bank has it.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Another currency than this one, if there is any.
    #[must_use]
    pub fn other_than(&self, name: &str) -> Option<&str> {
        self.0.keys().map(String::as_str).find(|other| *other != name)
    }

    /// The text of minor units; of a currency that the bank does not have, two decimals.
    #[must_use]
    pub fn text(&self, name: &str, amount: i128) -> String {
        let scale = usize::from(self.0.get(name).copied().unwrap_or(2));
        let digits = format!("{:0>width$}", amount.unsigned_abs(), width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        let sign = if amount < 0 { "-" } else { "" };
        if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
    }

    /// Minor units from a text, which has no sign, no exponent, and no more decimals than the currency.
    #[must_use]
    pub fn parse(&self, name: &str, text: &str) -> Option<i128> {
        let scale = usize::from(*self.0.get(name)?);
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(whole) || text.contains('.') && !is_number(fraction) || fraction.len() > scale {
            return None;
        }
        format!("{whole}{fraction:0<scale$}").parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_exact() {
        let currency = |name: &str, scale| Currency { name: name.to_owned(), scale };
        let all = Currencies::new(&[currency("USD", 2), currency("JPY", 0), currency("ETH", 18)]);
        for (name, amount, text) in [
            ("USD", 1_250, "12.50"),
            ("USD", 5, "0.05"),
            ("USD", 0, "0.00"),
            ("JPY", 700, "700"),
            ("ETH", 1, "0.000000000000000001"),
        ] {
            assert_eq!((all.text(name, amount).as_str(), all.parse(name, text)), (text, Some(amount)));
        }
        assert_eq!(all.text("USD", -5), "-0.05");
        assert_eq!(all.parse("USD", "7"), Some(700));
        for text in ["", ".", "1.", ".5", "1.005", "-1", "+1", "1e2", " 1"] {
            assert_eq!(all.parse("USD", text), None, "{text}");
        }
        assert_eq!(all.parse("XXX", "1"), None);
    }
}
