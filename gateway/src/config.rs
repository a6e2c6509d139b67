//! The configuration file `exchange.toml`.
//!
//! Every key is known or refused: a misspelt limit must not silently become no limit. Decimals are
//! texts or whole numbers, never floating point.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::path::Path;

use rialto_actors::exchange::{MarketSetup, Setup, TenantSetup, UserSetup};
use rialto_engine::ids::AssetId;
use rialto_engine::market::{ASSET_SCALE_MAX, MarketDefinition, MarketSpec, SUPPLY_MAX, SpecError, Step};
use rialto_engine::order::SelfTrade;
use rialto_engine::units::{Amount, BasisPoints, Price, Quantity};
use rialto_engine::wallet::WalletLimits;
use serde::Deserialize;

use crate::decimal::{Decimal, Grid};
use crate::keys::Secret;
use crate::orders::names;
use crate::rate_limits::RateLimits;

/// The highest price where the file names none, in ticks: a hundred million steps are finer than
/// any quotation.
const MAX_PRICE_DEFAULT: Price = Price(100_000_000);
/// The largest quantity where the file names none, in lots. Times the highest price, it stays
/// below the 2^62 tick-lots that a market may have.
const MAX_QUANTITY_DEFAULT: Quantity = Quantity(40_000_000_000);
/// What a market may have at most, exclusive.
const NOTIONAL_MAX: u64 = 1 << 62;

/// What is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(String);

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// A configuration that was checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// What is to be open.
    pub setup: Setup,
    /// Who may sign requests.
    pub keys: Vec<KeyConfig>,
    /// Host names and the tenants they belong to.
    pub hosts: Vec<(String, String)>,
    /// The tenant of public requests that name none.
    pub default_tenant: Option<String>,
    /// What tenants allow, by their names.
    pub rate_limits: Vec<(String, RateLimits)>,
    /// What happens where an order that does not say so meets its own account, by tenant and
    /// symbol.
    self_trades: HashMap<(String, String), SelfTrade>,
    /// How it runs.
    pub server: ServerConfig,
}

/// An API key.
#[derive(Clone, Debug)]
pub struct KeyConfig {
    /// Its public part.
    pub api_key: String,
    /// Its private part.
    pub secret: Secret,
    /// The tenant's name.
    pub tenant: String,
    /// The user's name.
    pub user: String,
}

/// How the server runs; what is not said is left to its defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// This node's stable name.
    pub node: Option<String>,
    /// How many threads serve clients.
    pub workers: Option<u16>,
    /// How many threads carry wallets and books.
    pub engine_threads: Option<usize>,
    /// How many commands may be under way at once.
    pub permits: Option<usize>,
    /// A snapshot is written after so many records.
    pub snapshot_every: Option<u64>,
    /// Bytes that wait for a slow WebSocket client before it is disconnected.
    pub outbox_bytes: Option<usize>,
    /// Requests that a WebSocket client may have unanswered before it is no longer read.
    pub in_flight: Option<usize>,
    /// Messages per second that a client may send on a stream before it is disconnected; without
    /// limit by default.
    pub stream_messages_per_second: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    default_tenant: Option<String>,
    journal: Option<String>,
    #[serde(default)]
    server: ServerConfig,
    #[serde(default)]
    tenants: Vec<Tenant>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tenant {
    name: String,
    #[serde(default)]
    hosts: Vec<String>,
    wallet_shards: Option<u32>,
    self_trade_prevention: Option<String>,
    open_orders: Option<u32>,
    idempotency_window: Option<u32>,
    request_weight_per_minute: Option<u32>,
    orders_per_10_seconds: Option<u32>,
    orders_per_day: Option<u32>,
    #[serde(default)]
    assets: Vec<Asset>,
    #[serde(default)]
    markets: Vec<Market>,
    #[serde(default)]
    users: Vec<User>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asset {
    name: String,
    scale: u8,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Market {
    symbol: String,
    base: String,
    quote: String,
    tick: Number,
    lot: Number,
    min_notional: Option<Number>,
    max_price: Option<Number>,
    max_quantity: Option<Number>,
    #[serde(default)]
    maker_fee_bps: u32,
    #[serde(default)]
    taker_fee_bps: u32,
    self_trade_prevention: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct User {
    name: String,
    api_key: Option<String>,
    secret: Option<Secret>,
    #[serde(default)]
    balances: BTreeMap<String, Number>,
}

/// A decimal: a text or a whole number.
struct Number(String);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor;
        impl serde::de::Visitor<'_> for NumberVisitor {
            type Value = Number;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a decimal in quotes, such as \"0.01\", or a whole number")
            }
            fn visit_str<E>(self, text: &str) -> Result<Number, E> {
                Ok(Number(text.to_owned()))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Number, E> {
                Ok(Number(number.to_string()))
            }
        }
        deserializer.deserialize_any(NumberVisitor)
    }
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// What is wrong, with the name of the file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|error| ConfigError(format!("cannot read {}: {error}", path.display())))?;
        Self::parse(&text).map_err(|error| ConfigError(format!("{}: {error}", path.display())))
    }

    /// Checks the text of a file.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let file: File = toml::from_str(text).map_err(|error| ConfigError(error.to_string().trim_end().to_owned()))?;
        if let Some(journal) = file.journal.filter(|journal| journal != "sled") {
            return refuse(format!("journal = \"{journal}\": the only journal here is \"sled\""));
        }
        let mut config = Self {
            setup: Setup::default(),
            keys: Vec::new(),
            hosts: Vec::new(),
            default_tenant: file.default_tenant,
            rate_limits: Vec::new(),
            self_trades: HashMap::new(),
            server: file.server,
        };
        config.check_server()?;
        for tenant in file.tenants {
            config.add_tenant(tenant)?;
        }
        if let Some(name) = &config.default_tenant
            && !config.setup.tenants.iter().any(|tenant| tenant.name == *name)
        {
            return refuse(format!("default_tenant = \"{name}\": there is no such tenant"));
        }
        Ok(config)
    }

    /// What happens in a market where an order that does not say so meets its own account.
    #[must_use]
    pub fn self_trade(&self, tenant: &str, symbol: &str) -> SelfTrade {
        self.self_trades.get(&(tenant.to_owned(), symbol.to_owned())).copied().unwrap_or_default()
    }

    fn check_server(&self) -> Result<(), ConfigError> {
        let ServerConfig { workers, engine_threads, permits, snapshot_every, outbox_bytes, in_flight, .. } =
            self.server;
        let zeros = [
            ("workers", workers == Some(0)),
            ("engine_threads", engine_threads == Some(0)),
            ("permits", permits == Some(0)),
            ("snapshot_every", snapshot_every == Some(0)),
            ("outbox_bytes", outbox_bytes == Some(0)),
            ("in_flight", in_flight == Some(0)),
        ];
        match zeros.iter().find(|(_, is_zero)| *is_zero) {
            Some((name, _)) => refuse(format!("server.{name} must be above zero")),
            None => Ok(()),
        }
    }

    fn add_tenant(&mut self, tenant: Tenant) -> Result<(), ConfigError> {
        let name = tenant.name;
        let place = format!("tenant \"{name}\"");
        if !is_name(&name) {
            return refuse(format!("{place}: a name is 1 to 64 of a-z, A-Z, 0-9, '-', '_', '.'"));
        }
        if self.setup.tenants.iter().any(|other| other.name == name) {
            return refuse(format!("{place} comes twice"));
        }
        if let Some(shards) = tenant.wallet_shards.filter(|shards| *shards != 1) {
            return refuse(format!("{place}: wallet_shards = {shards}: a tenant has one wallet so far"));
        }
        let self_trade = self_trade_mode(tenant.self_trade_prevention.as_deref(), &place)?.unwrap_or_default();
        for host in tenant.hosts {
            let host = host.to_ascii_lowercase();
            if host.is_empty() || host.contains(['/', ':', ' ']) {
                return refuse(format!("{place}: host \"{host}\" must be a name without port and path"));
            }
            if self.hosts.iter().any(|(other, _)| *other == host) {
                return refuse(format!("{place}: host \"{host}\" comes twice"));
            }
            self.hosts.push((host, name.clone()));
        }
        let assets = checked_assets(tenant.assets, &place)?;
        let mut markets: Vec<MarketSetup> = Vec::new();
        for market in tenant.markets {
            let place = format!("{place}, market \"{}\"", market.symbol);
            let self_trade = self_trade_mode(market.self_trade_prevention.as_deref(), &place)?.unwrap_or(self_trade);
            self.self_trades.insert((name.clone(), market.symbol.clone()), self_trade);
            let market = checked_market(market, &assets, &place)?;
            if markets.iter().any(|other| other.symbol == market.symbol) {
                return refuse(format!("{place}: market \"{}\" comes twice", market.symbol));
            }
            markets.push(market);
        }
        let mut users: Vec<UserSetup> = Vec::new();
        for user in tenant.users {
            let user = self.checked_user(user, &name, &assets)?;
            if users.iter().any(|other| other.name == user.name) {
                return refuse(format!("{place}: user \"{}\" comes twice", user.name));
            }
            users.push(user);
        }
        let defaults = RateLimits::default();
        let rate_limits = RateLimits {
            request_weight_per_minute: tenant.request_weight_per_minute.unwrap_or(defaults.request_weight_per_minute),
            orders_per_10_seconds: tenant.orders_per_10_seconds.unwrap_or(defaults.orders_per_10_seconds),
            orders_per_day: tenant.orders_per_day.unwrap_or(defaults.orders_per_day),
        };
        self.rate_limits.push((name.clone(), rate_limits));
        let defaults = WalletLimits::default();
        let limits = WalletLimits {
            closed_ids: tenant.idempotency_window.unwrap_or(defaults.closed_ids),
            open_orders: tenant.open_orders.unwrap_or(defaults.open_orders),
        };
        self.setup.tenants.push(TenantSetup { name, limits, assets, markets, users });
        Ok(())
    }

    fn checked_user(&mut self, user: User, tenant: &str, assets: &[(String, u8)]) -> Result<UserSetup, ConfigError> {
        let place = format!("tenant \"{tenant}\", user \"{}\"", user.name);
        if !is_name(&user.name) {
            return refuse(format!("{place}: a name is 1 to 64 of a-z, A-Z, 0-9, '-', '_', '.'"));
        }
        match (user.api_key, user.secret) {
            (Some(api_key), Some(secret)) => {
                if !crate::keys::is_well_formed(&api_key) {
                    return refuse(format!("{place}: an api_key is 1 to 128 of a-z, A-Z, 0-9, '-', '_', '.'"));
                }
                if secret.is_empty() {
                    return refuse(format!("{place}: the secret is empty"));
                }
                if self.keys.iter().any(|other| other.api_key == api_key) {
                    return refuse(format!(
                        "{place}: api_key \"{api_key}\" comes twice; a key names one user of one tenant"
                    ));
                }
                self.keys.push(KeyConfig { api_key, secret, tenant: tenant.to_owned(), user: user.name.clone() });
            }
            (None, None) => {}
            _ => return refuse(format!("{place}: api_key and secret go together")),
        }
        let mut balances = Vec::new();
        for (asset, Number(text)) in user.balances {
            let Some((_, scale)) = assets.iter().find(|(name, _)| *name == asset) else {
                return refuse(format!("{place}: balances: the tenant has no asset \"{asset}\""));
            };
            let amount = Grid::of_scale(*scale).parse_wide(&text).ok();
            let amount = amount.and_then(|units| i128::try_from(units).ok()).filter(|units| *units <= SUPPLY_MAX.0);
            let Some(units) = amount else {
                let problem = format!("{asset} = \"{text}\" is no decimal with at most {scale} decimals");
                return refuse(format!("{place}: balances: {problem}"));
            };
            if units > 0 {
                balances.push((asset, Amount(units)));
            }
        }
        Ok(UserSetup { name: user.name, balances })
    }
}

fn checked_assets(assets: Vec<Asset>, place: &str) -> Result<Vec<(String, u8)>, ConfigError> {
    let mut names = HashSet::new();
    for asset in &assets {
        if !is_symbol(&asset.name) {
            return refuse(format!("{place}: asset \"{}\": a name is 1 to 20 of A-Z, 0-9, '-', '_', '.'", asset.name));
        }
        if !names.insert(asset.name.clone()) {
            return refuse(format!("{place}: asset \"{}\" comes twice", asset.name));
        }
        if asset.scale > ASSET_SCALE_MAX {
            return refuse(format!("{place}: asset \"{}\": the scale is at most {ASSET_SCALE_MAX}", asset.name));
        }
    }
    Ok(assets.into_iter().map(|asset| (asset.name, asset.scale)).collect())
}

fn checked_market(market: Market, assets: &[(String, u8)], place: &str) -> Result<MarketSetup, ConfigError> {
    let place = format!("{place}, market \"{}\"", market.symbol);
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
    let tick = step(&market.tick, &place, "tick")?;
    let lot = step(&market.lot, &place, "lot")?;
    let steps = |number: Option<&Number>, grid: Grid, name: &str| match number {
        None => Ok(None),
        Some(Number(text)) => match grid.parse(text) {
            Ok(steps) => Ok(Some(steps)),
            Err(_) => refuse(format!("{place}: {name} = \"{text}\" is no whole number of steps")),
        },
    };
    let max_price = steps(market.max_price.as_ref(), Grid::of_step(tick), "max_price")?.map(Price);
    let max_quantity = steps(market.max_quantity.as_ref(), Grid::of_step(lot), "max_quantity")?.map(Quantity);
    let min_notional = match &market.min_notional {
        None => Amount::ZERO,
        Some(Number(text)) => {
            let units = Grid::of_scale(quote_scale).parse_wide(text).ok().and_then(|units| i128::try_from(units).ok());
            match units {
                Some(units) => Amount(units),
                None => {
                    let problem =
                        format!("min_notional = \"{text}\" is no decimal with at most {quote_scale} decimals");
                    return refuse(format!("{place}: {problem}"));
                }
            }
        }
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
        maker_fee: BasisPoints(market.maker_fee_bps),
        taker_fee: BasisPoints(market.taker_fee_bps),
    };
    if let Err(error) = fit(&mut definition, max_price.is_some(), max_quantity.is_some()) {
        return refuse(format!("{place}: {error}"));
    }
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

fn step(number: &Number, place: &str, name: &str) -> Result<Step, ConfigError> {
    let text = &number.0;
    let decimal = Decimal::parse(text).ok().filter(|decimal| decimal.mantissa > 0);
    let mantissa = decimal.and_then(|decimal| u64::try_from(decimal.mantissa).ok());
    match (decimal, mantissa) {
        (Some(decimal), Some(mantissa)) => Ok(Step { mantissa, scale: decimal.scale }),
        _ => refuse(format!("{place}: {name} = \"{text}\" is no decimal above zero")),
    }
}

fn self_trade_mode(mode: Option<&str>, place: &str) -> Result<Option<SelfTrade>, ConfigError> {
    let Some(mode) = mode else { return Ok(None) };
    let names = SelfTrade::ALL.map(|mode| names::self_trade(mode).to_ascii_lowercase());
    match SelfTrade::ALL.into_iter().zip(&names).find(|(_, name)| *name == mode) {
        Some((mode, _)) => Ok(Some(mode)),
        None => refuse(format!("{place}: self_trade_prevention = \"{mode}\" is none of {}", names.join(", "))),
    }
}

/// A name that fits into a path and a label.
fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=64).contains(&name.len()) && name.bytes().all(allowed)
}

fn is_symbol(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    (1..=20).contains(&name.len()) && name.bytes().all(allowed)
}

fn refuse<T>(problem: String) -> Result<T, ConfigError> {
    Err(ConfigError(problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = r#"
[[tenants]]
name = "acme"
hosts = ["acme.localhost"]

[[tenants.assets]]
name = "CNY"
scale = 8

[[tenants.assets]]
name = "USD"
scale = 8

[[tenants.markets]]
symbol = "USDCNY"
base = "USD"
quote = "CNY"
tick = "0.0001"
lot = "0.01"
min_notional = "1"
maker_fee_bps = 10
taker_fee_bps = 20

[[tenants.users]]
name = "trader-1"
api_key = "acme-trader-1"
secret = "a-secret"
balances = { USD = "100000", CNY = 700000 }
"#;

    fn problem(text: &str) -> String {
        Config::parse(text).expect_err("refused").to_string()
    }

    fn changed(from: &str, to: &str) -> String {
        assert!(EXAMPLE.contains(from), "{from}");
        problem(&EXAMPLE.replacen(from, to, 1))
    }

    #[test]
    fn the_documented_example_is_read() {
        let config = Config::parse(EXAMPLE).expect("reads");
        let tenant = &config.setup.tenants[0];
        assert_eq!((tenant.name.as_str(), tenant.limits), ("acme", WalletLimits::default()));
        assert_eq!(tenant.assets, [("CNY".to_owned(), 8), ("USD".to_owned(), 8)]);
        let market = &tenant.markets[0];
        assert_eq!((market.tick, market.lot), (Step { mantissa: 1, scale: 4 }, Step { mantissa: 1, scale: 2 }));
        assert_eq!(market.min_notional, Amount(100_000_000));
        assert_eq!((market.max_price, market.max_quantity), (MAX_PRICE_DEFAULT, MAX_QUANTITY_DEFAULT));
        assert_eq!((market.maker_fee, market.taker_fee), (BasisPoints(10), BasisPoints(20)));
        let user = &tenant.users[0];
        assert_eq!(user.balances[0], ("CNY".to_owned(), Amount(70_000_000_000_000)));
        assert_eq!(user.balances[1], ("USD".to_owned(), Amount(10_000_000_000_000)));
        assert_eq!(config.hosts, [("acme.localhost".to_owned(), "acme".to_owned())]);
        assert_eq!((config.keys[0].api_key.as_str(), config.keys[0].user.as_str()), ("acme-trader-1", "trader-1"));
    }

    #[test]
    fn rate_limits_are_generous_unless_a_tenant_says_otherwise() {
        let limits = |keys: &str| {
            let text = EXAMPLE.replacen("name = \"acme\"", &format!("name = \"acme\"\n{keys}"), 1);
            Config::parse(&text).expect("reads").rate_limits[0].1
        };
        assert_eq!(limits(""), RateLimits::default());
        let told = limits("request_weight_per_minute = 6000\norders_per_10_seconds = 100\norders_per_day = 0");
        let expected = RateLimits { request_weight_per_minute: 6_000, orders_per_10_seconds: 100, orders_per_day: 0 };
        assert_eq!(told, expected);
        assert!(changed("name = \"acme\"", "name = \"acme\"\norders_per_day = -1").contains("orders_per_day"));
    }

    #[test]
    fn a_market_prevents_self_trades_as_its_tenant_does_unless_it_says_otherwise() {
        let mode = |of_tenant: &str, of_market: &str| {
            let text = EXAMPLE.replacen("name = \"acme\"", &format!("name = \"acme\"\n{of_tenant}"), 1);
            let text = text.replacen("tick = \"0.0001\"", &format!("tick = \"0.0001\"\n{of_market}"), 1);
            Config::parse(&text).expect("reads").self_trade("acme", "USDCNY")
        };
        let (taker, decrement) = ("self_trade_prevention = \"expire_taker\"", "self_trade_prevention = \"decrement\"");
        assert_eq!(mode("", ""), SelfTrade::Allow);
        assert_eq!((mode(taker, ""), mode("", taker)), (SelfTrade::ExpireTaker, SelfTrade::ExpireTaker));
        assert_eq!(mode(taker, decrement), SelfTrade::Decrement);
        assert_eq!(mode(taker, "self_trade_prevention = \"none\""), SelfTrade::Allow);
    }

    #[test]
    fn secrets_are_never_shown() {
        let config = Config::parse(EXAMPLE).expect("reads");
        assert!(!format!("{config:?}").contains("a-secret"));
        let error =
            problem(&EXAMPLE.replace("secret = \"a-secret\"", "secret = \"a-secret\"\nsecrit = \"hidden-one\""));
        assert!(error.contains("secrit"), "{error}");
    }

    #[test]
    fn unknown_keys_are_refused_by_name() {
        for (at, key) in [
            ("name = \"acme\"", "colour"),
            ("scale = 8", "decimals"),
            ("tick = \"0.0001\"", "price_band"),
            ("name = \"trader-1\"", "password"),
        ] {
            let error = changed(at, &format!("{at}\n{key} = 1"));
            assert!(error.contains("unknown field") && error.contains(key), "{error}");
        }
        assert!(problem("tenant = 1").contains("tenant"));
    }

    #[test]
    fn what_is_not_offered_is_refused_clearly() {
        assert!(changed("name = \"acme\"", "name = \"acme\"\nwallet_shards = 4").contains("wallet_shards"));
        let stp = changed("name = \"acme\"", "name = \"acme\"\nself_trade_prevention = \"transfer\"");
        assert!(stp.contains("self_trade_prevention") && stp.contains("none, expire_taker"), "{stp}");
        let stp = changed("tick = \"0.0001\"", "tick = \"0.0001\"\nself_trade_prevention = \"EXPIRE_TAKER\"");
        assert!(stp.contains("USDCNY"), "{stp}");
        assert!(problem("journal = \"postgres\"").contains("sled"));
        assert!(problem("[server]\nworkers = 0").contains("workers"));
        assert!(problem("default_tenant = \"nobody\"").contains("nobody"));
    }

    #[test]
    fn names_that_come_twice_are_refused() {
        let twice = |block: &str| problem(&format!("{EXAMPLE}\n{block}"));
        assert!(twice("[[tenants]]\nname = \"acme\"").contains("comes twice"));
        assert!(twice("[[tenants]]\nname = \"b\"\nhosts = [\"ACME.localhost\"]").contains("host"));
        assert!(twice("[[tenants.assets]]\nname = \"USD\"\nscale = 2").contains("asset \"USD\" comes twice"));
        let market = "[[tenants.markets]]\nsymbol = \"USDCNY\"\nbase = \"USD\"\nquote = \"CNY\"\ntick = 1\nlot = 1";
        assert!(twice(market).contains("market \"USDCNY\" comes twice"));
        assert!(twice("[[tenants.users]]\nname = \"trader-1\"").contains("user \"trader-1\" comes twice"));
        let key =
            "[[tenants]]\nname = \"b\"\n[[tenants.users]]\nname = \"x\"\napi_key = \"acme-trader-1\"\nsecret = \"s\"";
        assert!(twice(key).contains("api_key"));
    }

    #[test]
    fn values_that_cannot_be_are_refused() {
        assert!(changed("tick = \"0.0001\"", "tick = \"0\"").contains("tick"));
        assert!(changed("tick = \"0.0001\"", "tick = 0.0001").contains("decimal in quotes"));
        assert!(changed("lot = \"0.01\"", "lot = \"0.0000000001\"").contains("whole number of minor units"));
        assert!(changed("quote = \"CNY\"", "quote = \"EUR\"").contains("assets of the tenant"));
        assert!(changed("quote = \"CNY\"", "quote = \"USD\"").contains("same asset"));
        assert!(changed("USD = \"100000\"", "USD = \"0.000000001\"").contains("USD"));
        assert!(changed("USD = \"100000\"", "EUR = \"1\"").contains("EUR"));
        assert!(changed("secret = \"a-secret\"", "").contains("go together"));
        assert!(changed("taker_fee_bps = 20", "taker_fee_bps = 10001").contains("basis points"));
        assert!(changed("scale = 8", "scale = 19").contains("at most 18"));
        assert!(changed("symbol = \"USDCNY\"", "symbol = \"usd/cny\"").contains("symbol"));
        assert!(
            changed("lot = \"0.01\"", "lot = \"0.01\"\nmax_price = \"1000000000\"\nmax_quantity = \"1000000000\"")
                .contains("2^62")
        );
    }

    #[test]
    fn maxima_that_are_not_named_are_made_to_fit() {
        let market = |base_scale: u8, quote_scale: u8, steps: &str| {
            let text = format!(
                "[[tenants]]\nname = \"a\"\n[[tenants.assets]]\nname = \"B\"\nscale = {base_scale}\n[[tenants.assets]]\n\
                 name = \"Q\"\nscale = {quote_scale}\n[[tenants.markets]]\nsymbol = \"BQ\"\nbase = \"B\"\nquote = \"Q\"\n{steps}"
            );
            let config = Config::parse(&text).expect("reads");
            let market = &config.setup.tenants[0].markets[0];
            (market.max_price.0, market.max_quantity.0)
        };
        for (base, quote, steps) in [
            (8, 8, "tick = \"0.01\"\nlot = \"0.00000001\""),
            (18, 18, "tick = 1\nlot = 1"),
            (18, 18, "tick = \"0.5\"\nlot = 10"),
            (0, 0, "tick = 1\nlot = 1"),
        ] {
            let (price, quantity) = market(base, quote, steps);
            assert!(price >= 1 && quantity >= 1, "{steps}");
        }
        let (price, quantity) = market(8, 8, "tick = \"0.01\"\nlot = \"0.00000001\"\nmax_quantity = \"10000\"");
        assert_eq!(quantity, 1_000_000_000_000);
        assert!(price < MAX_PRICE_DEFAULT.0);
    }
}
