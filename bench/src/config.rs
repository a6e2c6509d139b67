//! What the load tester needs from the server's `exchange.toml`; every other key is ignored.

use std::path::Path;

use serde::Deserialize;

use crate::decimal::{self, Step};
use crate::error::Error;

/// The tenants of the venue under test.
#[derive(Debug, Clone, Deserialize)]
pub struct Exchange {
    /// In the order of the file.
    #[serde(default)]
    pub tenants: Vec<Tenant>,
}

/// A company with its own markets and users.
#[derive(Debug, Clone, Deserialize)]
pub struct Tenant {
    /// Its name, as in the path prefix `/t/<name>`.
    pub name: String,
    /// In the order of the file.
    #[serde(default)]
    pub markets: Vec<Market>,
    /// In the order of the file.
    #[serde(default)]
    pub users: Vec<User>,
    /// In the order of the file.
    #[serde(default)]
    pub operators: Vec<User>,
}

/// A pair of a tenant.
#[derive(Debug, Clone, Deserialize)]
pub struct Market {
    /// Such as `USDCNY`.
    pub symbol: String,
    /// The price step.
    #[serde(deserialize_with = "step")]
    pub tick: Step,
    /// The quantity step.
    #[serde(deserialize_with = "step")]
    pub lot: Step,
    /// The smallest price × quantity of an order, as decimal text.
    #[serde(default)]
    pub min_notional: Option<String>,
}

/// A trader with an HMAC key.
#[derive(Debug, Clone, Deserialize)]
pub struct User {
    /// For `--user`.
    #[serde(default)]
    pub name: String,
    /// Sent with `session.logon`.
    #[serde(default)]
    pub api_key: String,
    /// Signs `session.logon`; empty for users that sign in another way, which this tool skips.
    #[serde(default)]
    pub secret: String,
}

impl Exchange {
    /// Reads the file.
    ///
    /// # Errors
    /// `Config` where the file is missing or is no such TOML.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error::Config(format!("cannot read {}: {error}", path.display())))?;
        toml::from_str(&text).map_err(|error| Error::Config(format!("{}: {error}", path.display())))
    }

    /// The tenant of that name.
    ///
    /// # Errors
    /// `Config`, with the names there are.
    pub fn tenant(&self, name: &str) -> Result<&Tenant, Error> {
        self.tenants.iter().find(|tenant| tenant.name == name).ok_or_else(|| {
            let names: Vec<_> = self.tenants.iter().map(|tenant| tenant.name.as_str()).collect();
            Error::Config(format!("no tenant \"{name}\"; there are: {}", names.join(", ")))
        })
    }
}

impl Tenant {
    /// The market of that symbol.
    ///
    /// # Errors
    /// `Config`, with the symbols there are.
    pub fn market(&self, symbol: &str) -> Result<&Market, Error> {
        self.markets.iter().find(|market| market.symbol == symbol).ok_or_else(|| {
            let symbols: Vec<_> = self.markets.iter().map(|market| market.symbol.as_str()).collect();
            Error::Config(format!("tenant {} has no market \"{symbol}\"; there are: {}", self.name, symbols.join(", ")))
        })
    }

    /// The users this tool can log on as.
    pub fn signing_users(&self) -> impl Iterator<Item = &User> {
        self.users.iter().filter(|user| !user.api_key.is_empty() && !user.secret.is_empty())
    }

    /// The named user, or the first.
    ///
    /// # Errors
    /// `Config` where there is none with an API key and a secret.
    pub fn user(&self, name: Option<&str>) -> Result<&User, Error> {
        self.signing_users().find(|user| name.is_none_or(|name| user.name == name)).ok_or_else(|| {
            let which = name.map_or("user".to_owned(), |name| format!("user \"{name}\""));
            Error::Config(format!("tenant {} has no {which} with an api_key and a secret", self.name))
        })
    }
}

impl Market {
    /// The fewest lots that satisfy `min_notional` at a price of `price_ticks`; at least one.
    ///
    /// # Errors
    /// `Config` where `min_notional` is no decimal or the price is zero.
    pub fn minimum_lots(&self, price_ticks: u64) -> Result<u64, Error> {
        let Some(minimum) = &self.min_notional else {
            return Ok(1);
        };
        let wrong = || Error::Config(format!("{}: cannot satisfy min_notional \"{minimum}\"", self.symbol));
        let (minimum, minimum_scale) = decimal::parse(minimum).ok_or_else(wrong)?;
        let (price, price_scale) = decimal::parse(&self.tick.text(price_ticks)).ok_or_else(wrong)?;
        if price == 0 {
            return Err(wrong());
        }
        // Twelve decimals are enough for a bound that is rounded up anyway.
        let quantity = minimum
            .checked_mul(10u128.pow((12 + price_scale) as u32))
            .ok_or_else(wrong)?
            .div_ceil(price * 10u128.pow(minimum_scale as u32));
        self.lot.count_at_least(quantity, 12).map(|lots| lots.max(1)).ok_or_else(wrong)
    }
}

fn step<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Step, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
        journal = "sled"
        [[tenants]]
        name = "acme"
        hosts = ["acme.localhost"]
        [[tenants.assets]]
        name = "CNY"
        scale = 8
        [[tenants.markets]]
        symbol = "USDCNY"
        base = "USD"
        quote = "CNY"
        tick = "0.0001"
        lot = "0.01"
        min_notional = "1"
        maker_fee_bps = 10
        [[tenants.users]]
        name = "robot"
        api_key = "ed25519-only"
        [[tenants.users]]
        name = "trader-1"
        api_key = "acme-trader-1"
        secret = "a-secret"
        balances = { USD = "100000" }
    "#;

    #[test]
    fn needed_keys_are_found_and_others_ignored() {
        let exchange: Exchange = toml::from_str(TEXT).expect("TOML");
        let tenant = exchange.tenant("acme").expect("tenant");
        assert_eq!(tenant.user(None).expect("user").api_key, "acme-trader-1");
        let market = tenant.market("USDCNY").expect("market");
        assert_eq!(market.tick.text(70_000), "7.0000");
        // 1 CNY at 7 CNY is 0.142857…: 15 lots of 0.01.
        assert_eq!(market.minimum_lots(70_000).expect("lots"), 15);
    }

    #[test]
    fn a_wrong_name_is_told_the_right_ones() {
        let exchange: Exchange = toml::from_str(TEXT).expect("TOML");
        let message = exchange.tenant("acne").expect_err("no such tenant").to_string();
        assert!(message.contains("acme"), "{message}");
        let tenant = exchange.tenant("acme").expect("tenant");
        let message = tenant.market("EURCNY").expect_err("no such market").to_string();
        assert!(message.contains("USDCNY"), "{message}");
        assert!(tenant.user(Some("robot")).is_err(), "a user without a secret cannot sign");
    }
}
