//! The configuration file `exchange.toml`.
//!
//! Every key is known or refused: a misspelt limit must not silently become no limit. Decimals are
//! texts or whole numbers, never floating point.

mod market;
pub mod money;
pub mod opening;
mod timetable;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::path::Path;

use rialto_actors::exchange::{MarketSetup, Setup, TenantSetup, UserSetup};
use rialto_actors::zone::Zone;
use rialto_engine::market::{ASSET_SCALE_MAX, SUPPLY_MAX};
use rialto_engine::order::SelfTrade;
use rialto_engine::units::Amount;
use rialto_engine::wallet::{SHARDS_MAX, WalletLimits};
use serde::Deserialize;

use self::market::Market;
use self::money::MoneyConfig;
use self::opening::{NewTenant, Opening};
use crate::decimal::Grid;
use crate::keys::Secret;
use crate::keys::role::Role;
use crate::orders::day::{self, DayEnd};
use crate::orders::names;
use crate::rate_limits::RateLimits;

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
    /// Who may run the markets of a tenant.
    pub operators: Vec<OperatorConfig>,
    /// What happens where an order that does not say so meets its own account, by tenant and
    /// symbol.
    self_trades: HashMap<(String, String), SelfTrade>,
    /// When the days of tenants end, by their names.
    day_ends: HashMap<String, DayEnd>,
    /// The terms of tenants, by their names.
    terms: HashMap<String, NewTenant>,
    /// What was opened before this start and does not fit the file.
    left: Vec<Opening>,
    /// Who may open tenants.
    pub platform: Vec<PlatformConfig>,
    /// What is set for the movement of money, by the names of tenants.
    pub money: Vec<(String, MoneyConfig)>,
    /// Tenants that only try things out: nothing of theirs stands in reports, and nobody is told.
    pub shadows: HashSet<String>,
    /// What the secrets of keys that are made at run time come from.
    pub master_secret: Option<Secret>,
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
    /// Whether it may take money out.
    pub may_withdraw: bool,
}

/// The key of somebody who runs a tenant, or a program of his. It cannot trade.
#[derive(Clone, Debug)]
pub struct OperatorConfig {
    /// The operator's name, for the log.
    pub name: String,
    /// The key's public part.
    pub api_key: String,
    /// Its private part.
    pub secret: Secret,
    /// The tenant's name.
    pub tenant: String,
    /// What he may do.
    pub role: Role,
}

/// The key of somebody who runs the platform: who opens tenants, and has nothing to say in them.
#[derive(Clone, Debug)]
pub struct PlatformConfig {
    /// His name, for the log.
    pub name: String,
    /// The key's public part.
    pub api_key: String,
    /// Its private part.
    pub secret: Secret,
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
    master_secret: Option<Secret>,
    #[serde(default)]
    server: ServerConfig,
    #[serde(default)]
    operators: Vec<PlatformOperator>,
    #[serde(default)]
    tenants: Vec<Tenant>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlatformOperator {
    name: String,
    api_key: String,
    secret: Secret,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tenant {
    name: String,
    #[serde(default)]
    hosts: Vec<String>,
    wallet_shards: Option<u32>,
    self_trade_prevention: Option<String>,
    utc_offset: Option<String>,
    time_zone: Option<String>,
    day_ends: Option<String>,
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
    #[serde(default)]
    operators: Vec<Operator>,
    #[serde(default)]
    shadow: bool,
    #[serde(default)]
    rails: Vec<money::Rail>,
    notifications: Option<money::Notifications>,
    #[serde(default)]
    policies: Vec<money::PolicyTable>,
    #[serde(default)]
    fee_plans: Vec<money::FeeTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asset {
    name: String,
    scale: u8,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct User {
    name: String,
    api_key: Option<String>,
    secret: Option<Secret>,
    #[serde(default)]
    balances: BTreeMap<String, Number>,
    #[serde(default)]
    trade_group: u32,
    #[serde(default)]
    withdrawals: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Operator {
    name: String,
    api_key: String,
    secret: Secret,
    role: Option<String>,
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
            operators: Vec::new(),
            self_trades: HashMap::new(),
            day_ends: HashMap::new(),
            terms: HashMap::new(),
            left: Vec::new(),
            platform: Vec::new(),
            money: Vec::new(),
            shadows: HashSet::new(),
            master_secret: file.master_secret.filter(|secret| !secret.is_empty()),
            server: file.server,
        };
        config.check_server()?;
        for PlatformOperator { name, api_key, secret } in file.operators {
            let place = format!("operator \"{name}\"");
            if !is_name(&name) {
                return refuse(format!("{place}: a name is 1 to 64 of a-z, A-Z, 0-9, '-', '_', '.'"));
            }
            config.check_key(&api_key, &secret, &place)?;
            config.platform.push(PlatformConfig { name, api_key, secret });
        }
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

    /// What is set for the movement of a tenant's money.
    #[must_use]
    pub fn money(&self, tenant: &str) -> Option<&MoneyConfig> {
        self.money.iter().find(|(name, _)| name == tenant).map(|(_, money)| money)
    }

    /// When a tenant's day ends.
    #[must_use]
    pub fn day_end(&self, tenant: &str) -> DayEnd {
        self.day_ends.get(tenant).cloned().unwrap_or_default()
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
        let terms = NewTenant::of(&tenant);
        let name = tenant.name;
        let place = format!("tenant \"{name}\"");
        if !is_name(&name) {
            return refuse(format!("{place}: a name is 1 to 64 of a-z, A-Z, 0-9, '-', '_', '.'"));
        }
        if self.setup.tenants.iter().any(|other| other.name == name) {
            return refuse(format!("{place} comes twice"));
        }
        let shards = tenant.wallet_shards.unwrap_or(1);
        let Some(shards) = u16::try_from(shards).ok().filter(|shards| (1..=SHARDS_MAX).contains(shards)) else {
            return refuse(format!("{place}: wallet_shards = {shards} is not from 1 to {SHARDS_MAX}"));
        };
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
            let (market, self_trade) = market.checked(&assets, self_trade, &place)?;
            self.self_trades.insert((name.clone(), market.symbol.clone()), self_trade);
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
        self.add_operators(tenant.operators, &name)?;
        let tables = money::Tables {
            rails: tenant.rails,
            notifications: tenant.notifications,
            policies: tenant.policies,
            fee_plans: tenant.fee_plans,
        };
        let config = tables.checked(&assets, &place)?;
        if tenant.shadow && config.notifications.is_some() {
            return refuse(format!("{place}: what a shadow tries out is told nobody: it has no notifications"));
        }
        let money = config.setup();
        self.money.push((name.clone(), config));
        let is_shadow = tenant.shadow;
        if is_shadow {
            self.shadows.insert(name.clone());
        }
        let zone = checked_zone(tenant.utc_offset.as_deref(), tenant.time_zone.as_deref(), &place)?;
        let day_end = tenant.day_ends.as_deref().unwrap_or("00:00");
        let Some(day_end) = DayEnd::parse(day_end, &zone) else {
            return refuse(format!(
                "{place}: day_ends = \"{day_end}\" is no time such as \"17:00\" or \"17:00 +08:00\""
            ));
        };
        self.day_ends.insert(name.clone(), day_end);
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
        self.terms.insert(name.clone(), terms);
        self.setup.tenants.push(TenantSetup { name, limits, shards, assets, markets, users, zone, money, is_shadow });
        Ok(())
    }

    fn checked_user(&mut self, user: User, tenant: &str, assets: &[(String, u8)]) -> Result<UserSetup, ConfigError> {
        let place = format!("tenant \"{tenant}\", user \"{}\"", user.name);
        if !is_name(&user.name) {
            return refuse(format!("{place}: a name is 1 to 64 of a-z, A-Z, 0-9, '-', '_', '.'"));
        }
        match (user.api_key, user.secret) {
            (Some(api_key), Some(secret)) => {
                self.check_key(&api_key, &secret, &place)?;
                self.keys.push(KeyConfig {
                    api_key,
                    secret,
                    tenant: tenant.to_owned(),
                    user: user.name.clone(),
                    may_withdraw: user.withdrawals,
                });
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
        Ok(UserSetup { name: user.name, balances, group: user.trade_group })
    }

    fn add_operators(&mut self, operators: Vec<Operator>, tenant: &str) -> Result<(), ConfigError> {
        for Operator { name, api_key, secret, role } in operators {
            let place = format!("tenant \"{tenant}\", operator \"{name}\"");
            if !is_name(&name) {
                return refuse(format!("{place}: a name is 1 to 64 of a-z, A-Z, 0-9, '-', '_', '.'"));
            }
            self.check_key(&api_key, &secret, &place)?;
            let Some(role) = role.as_deref().map_or(Some(Role::default()), Role::named) else {
                let roles = Role::ALL.map(Role::name).join(", ");
                return refuse(format!("{place}: the role is none of {roles}"));
            };
            self.operators.push(OperatorConfig { name, api_key, secret, tenant: tenant.to_owned(), role });
        }
        Ok(())
    }

    fn check_key(&self, api_key: &str, secret: &Secret, place: &str) -> Result<(), ConfigError> {
        if !crate::keys::is_well_formed(api_key) {
            return refuse(format!("{place}: an api_key is 1 to 128 of a-z, A-Z, 0-9, '-', '_', '.'"));
        }
        if secret.is_empty() {
            return refuse(format!("{place}: the secret is empty"));
        }
        let of_users = self.keys.iter().map(|other| other.api_key.as_str());
        let of_operators = self.operators.iter().map(|other| other.api_key.as_str());
        let of_platform = self.platform.iter().map(|other| other.api_key.as_str());
        let mut known = of_users.chain(of_operators).chain(of_platform);
        if known.any(|other| other == api_key) {
            return refuse(format!("{place}: api_key \"{api_key}\" comes twice; a key names one user of one tenant"));
        }
        Ok(())
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

/// The clock of a tenant: an offset or a zone, and UTC where neither is said.
fn checked_zone(offset: Option<&str>, zone: Option<&str>, place: &str) -> Result<Zone, ConfigError> {
    match (offset, zone) {
        (Some(_), Some(_)) => {
            refuse(format!("{place}: a tenant has one clock: either utc_offset or time_zone, and not both"))
        }
        (Some(offset), None) => day::utc_offset(offset)
            .and_then(Zone::fixed)
            .map_or_else(|| refuse(format!("{place}: utc_offset = \"{offset}\" is no offset such as \"+08:00\"")), Ok),
        (None, Some(name)) => Zone::named(name).map_or_else(
            || {
                refuse(format!(
                    "{place}: time_zone = \"{name}\" is no zone of the IANA database such as \"Europe/Berlin\""
                ))
            },
            Ok,
        ),
        (None, None) => Ok(Zone::UTC),
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
pub(crate) fn is_name(name: &str) -> bool {
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
mod tests;
