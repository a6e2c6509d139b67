//! What operators open and change while the server runs, in the words of the configuration and by its checks.
//!
//! An [`Opening`] is kept as it was asked for (see [`crate::opened`]) and taken in again at every start, on top
//! of the file. What opens something yields to the file where that has something of the same name by then;
//! what changes something stands over the file, until it is changed again.

use std::collections::BTreeMap;
use std::net::IpAddr;

use rialto_actors::directory::{Directory, MarketEntry, TenantEntry};
use rialto_actors::exchange::{MarketSetup, MoneySetup, Setup, TenantSetup};
use rialto_engine::order::SelfTrade;
use rialto_engine::wallet::WalletLimits;
use serde::{Deserialize, Serialize};

use super::market::Market;
use super::{Asset, Config, ConfigError, Tenant, checked_assets, refuse, self_trade_mode};
use crate::orders::names;
use crate::rate_limits::RateLimits;
use crate::tenancy::domain;

/// So many tenants there may be, and so many assets and markets each may have, if one more is to be opened.
const MANY: usize = 10_000;
/// So many host names a tenant may have.
const HOSTS_MAX: usize = 16;
/// The largest window of idempotency that may be asked for: it is held in memory.
const WINDOW_MAX: u32 = 1 << 24;

/// Something to be opened or changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Opening {
    /// A tenant is opened.
    Tenant(NewTenant),
    /// What a tenant may do is changed; what is not named stays.
    Limits {
        /// Whose.
        tenant: String,
        /// Which.
        limits: Limits,
    },
    /// An asset is opened.
    Asset {
        /// Whose.
        tenant: String,
        /// Its name.
        name: String,
        /// Decimals of its minor unit.
        scale: u8,
    },
    /// A market is opened.
    Market {
        /// Whose.
        tenant: String,
        /// Its symbol.
        symbol: String,
        /// What is traded.
        base: String,
        /// What it is paid in.
        quote: String,
        /// The rest, by the names of [`TERMS`].
        terms: Terms,
    },
    /// The terms of a market are changed; what is not named stays.
    Terms {
        /// Whose.
        tenant: String,
        /// Which.
        symbol: String,
        /// To what.
        terms: Terms,
    },
}

/// Terms of a market by their names, as texts.
pub type Terms = BTreeMap<String, String>;

/// The names that terms of a market have. Those of the steps can be given once only.
pub const TERMS: [&str; 24] = [
    "tick",
    "lot",
    "minNotional",
    "maxNotional",
    "minPrice",
    "maxPrice",
    "minQuantity",
    "maxQuantity",
    "maxMarketQuantity",
    "maxPosition",
    "maxNumOrders",
    "maxNumAlgoOrders",
    "icebergParts",
    "bidUp",
    "bidDown",
    "askUp",
    "askDown",
    "minTrailAbove",
    "maxTrailAbove",
    "minTrailBelow",
    "maxTrailBelow",
    "makerFeeBps",
    "takerFeeBps",
    "selfTradePrevention",
];

/// A tenant without anything in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewTenant {
    /// Its name.
    pub name: String,
    /// The host names that lead to it.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// How many wallets share its accounts, for good.
    #[serde(default)]
    pub wallet_shards: Option<u32>,
    /// What happens where an order that does not say so meets its own account.
    pub self_trade_prevention: Option<String>,
    /// Its clock, by how far it is ahead of UTC.
    pub utc_offset: Option<String>,
    /// Its clock, by the name of a zone. Lines that were written before there were zones have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// When its day ends.
    pub day_ends: Option<String>,
    /// Whether it only tries things out.
    #[serde(default)]
    pub shadow: bool,
    /// What it may do.
    #[serde(default)]
    pub limits: Limits,
}

/// What a tenant may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    /// How many orders an account may have open.
    pub open_orders: Option<u32>,
    /// How many final orders client ids are remembered for.
    pub idempotency_window: Option<u32>,
    /// The weight of what one address may ask in a minute.
    pub request_weight_per_minute: Option<u32>,
    /// Orders of one account in ten seconds.
    pub orders_per_10_seconds: Option<u32>,
    /// The same in a day.
    pub orders_per_day: Option<u32>,
}

/// What an opening asks of the rest of the program.
#[derive(Clone, Debug)]
pub enum Needed {
    /// All is as it should be.
    Nothing,
    /// Only the edge must know.
    Edge,
    /// This must be opened.
    Exchange(Setup),
}

/// Why something is not opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is something of this name, which is another.
    Taken,
    /// There is no such tenant or market.
    Unknown,
    /// It cannot be.
    Wrong(ConfigError),
}

impl From<ConfigError> for Refusal {
    fn from(error: ConfigError) -> Self {
        Self::Wrong(error)
    }
}

impl Config {
    /// Takes in what is opened or changed, and says who must know.
    ///
    /// # Errors
    /// Why it cannot be. Then nothing has changed.
    pub fn open(&mut self, opening: &Opening) -> Result<Needed, Refusal> {
        match opening {
            Opening::Tenant(tenant) => self.open_tenant(tenant),
            Opening::Limits { tenant, limits } => self.change_limits(tenant, *limits),
            Opening::Asset { tenant, name, scale } => self.open_asset(tenant, name, *scale),
            Opening::Market { tenant, symbol, base, quote, terms } => {
                let market = Market::new(symbol, base, quote, terms)?;
                self.open_market(tenant, market)
            }
            Opening::Terms { tenant, symbol, terms } => self.change_market(tenant, symbol, terms),
        }
    }

    /// Takes in what was opened before this start. What does not fit the file is tried again when it is known
    /// what is open: see [`Self::know`].
    pub fn take_in(&mut self, openings: Vec<Opening>) {
        for opening in openings {
            match self.open(&opening) {
                Ok(_) => {}
                Err(Refusal::Taken) => tracing::info!(?opening, "the configuration says something else"),
                Err(Refusal::Unknown | Refusal::Wrong(_)) => self.left.push(opening),
            }
        }
    }

    /// Takes note of what is open and stands in no file.
    pub fn know(&mut self, directory: &Directory) {
        for tenant in directory.tenants() {
            if self.tenant(&tenant.name).is_none() {
                let WalletLimits { closed_ids, open_orders } = tenant.limits;
                let (open_orders, idempotency_window) = (Some(open_orders), Some(closed_ids));
                let limits = Limits { open_orders, idempotency_window, ..Limits::default() };
                let (name, wallet_shards) = (tenant.name.clone(), Some(u32::from(tenant.shards)));
                let unknown = NewTenant { name, wallet_shards, limits, ..NewTenant::default() };
                // Names were checked when they were opened.
                if let Err(error) = self.add_tenant(unknown.table()) {
                    tracing::error!(%error, "a tenant is open that the configuration would not take");
                    continue;
                }
            }
            let Some(here) = self.setup.tenants.iter_mut().find(|here| here.name == tenant.name) else { continue };
            for asset in &tenant.assets {
                if !here.assets.iter().any(|(name, _)| *name == asset.name) {
                    here.assets.push((asset.name.clone(), asset.scale));
                }
            }
            for market in &tenant.markets {
                if !here.markets.iter().any(|other| other.symbol == market.symbol) {
                    here.markets.push(setup_of(tenant, market));
                }
            }
        }
        for opening in std::mem::take(&mut self.left) {
            if let Err(refusal) = self.open(&opening) {
                tracing::warn!(?opening, ?refusal, "what was opened or changed once cannot be any more");
            }
        }
    }

    /// What is to be open of a tenant.
    #[must_use]
    pub fn tenant(&self, name: &str) -> Option<&TenantSetup> {
        self.setup.tenants.iter().find(|tenant| tenant.name == name)
    }

    /// A tenant in the words of whoever opens one.
    #[must_use]
    pub fn terms(&self, tenant: &str) -> Option<&NewTenant> {
        self.terms.get(tenant)
    }

    fn open_tenant(&mut self, tenant: &NewTenant) -> Result<Needed, Refusal> {
        let wanted = tenant.completed();
        if let Some(known) = self.terms.get(&wanted.name) {
            return if *known == wanted { Ok(Needed::Nothing) } else { Err(Refusal::Taken) };
        }
        let place = format!("tenant \"{}\"", wanted.name);
        if self.setup.tenants.len() >= MANY {
            return Err(Refusal::Wrong(ConfigError(format!("{place}: there are {MANY} tenants"))));
        }
        if wanted.hosts.len() > HOSTS_MAX || !wanted.hosts.iter().all(|host| is_host(host)) {
            let problem = format!("{place}: hosts are at most {HOSTS_MAX} names of machines, without port and path");
            return Err(Refusal::Wrong(ConfigError(problem)));
        }
        // One that led to another tenant's families would take its clients away.
        let is_near = |host: &String| self.hosts.iter().any(|(other, _)| domain(other) == domain(host));
        if let Some(host) = wanted.hosts.iter().find(|host| is_near(host)) {
            return Err(Refusal::Wrong(ConfigError(format!("{place}: host \"{host}\" is another tenant's"))));
        }
        wanted.limits.check(&place)?;
        let before = self.hosts.len();
        if let Err(error) = self.add_tenant(wanted.table()) {
            self.hosts.truncate(before);
            return Err(error.into());
        }
        let Some(setup) = self.setup.tenants.last_mut() else { return Err(Refusal::Unknown) };
        // Who must be told of events is an operator's word then, not the file's.
        setup.money = MoneySetup::default();
        Ok(Needed::Exchange(Setup { tenants: vec![setup.clone()] }))
    }

    fn change_limits(&mut self, tenant: &str, limits: Limits) -> Result<Needed, Refusal> {
        limits.check(&format!("tenant \"{tenant}\""))?;
        let terms = self.terms.get_mut(tenant).ok_or(Refusal::Unknown)?;
        let before = terms.limits;
        terms.limits = limits.or(before);
        if terms.limits == before {
            return Ok(Needed::Nothing);
        }
        let (wallet, rates) = (terms.limits.wallet(), terms.limits.rates());
        self.rate_limits.retain(|(name, _)| name != tenant);
        self.rate_limits.push((tenant.to_owned(), rates));
        let setup = self.setup.tenants.iter_mut().find(|setup| setup.name == tenant).ok_or(Refusal::Unknown)?;
        if setup.limits == wallet {
            return Ok(Needed::Edge);
        }
        setup.limits = wallet;
        Ok(Needed::Exchange(only(setup, &[], &[])))
    }

    fn open_asset(&mut self, tenant: &str, name: &str, scale: u8) -> Result<Needed, Refusal> {
        let setup = self.setup.tenants.iter_mut().find(|setup| setup.name == tenant).ok_or(Refusal::Unknown)?;
        if let Some((_, known)) = setup.assets.iter().find(|(known, _)| known == name) {
            return if *known == scale { Ok(Needed::Nothing) } else { Err(Refusal::Taken) };
        }
        let place = format!("tenant \"{tenant}\"");
        if setup.assets.len() >= MANY {
            return Err(Refusal::Wrong(ConfigError(format!("{place}: it has {MANY} assets"))));
        }
        let new = checked_assets(vec![Asset { name: name.to_owned(), scale }], &place)?;
        setup.assets.extend(new.iter().cloned());
        Ok(Needed::Exchange(only(setup, &new, &[])))
    }

    fn open_market(&mut self, tenant: &str, market: Market) -> Result<Needed, Refusal> {
        let self_trade = self.self_trade_of(tenant)?;
        let setup = self.setup.tenants.iter_mut().find(|setup| setup.name == tenant).ok_or(Refusal::Unknown)?;
        let place = format!("tenant \"{tenant}\"");
        let (mut wanted, self_trade) = market.checked(&setup.assets, self_trade, &place)?;
        // An operator protects a market by a command of its own.
        wanted.protection = None;
        let place_of_mode = (tenant.to_owned(), wanted.symbol.clone());
        if let Some(known) = setup.markets.iter().find(|known| known.symbol == wanted.symbol) {
            let known_mode = self.self_trades.get(&place_of_mode).copied().unwrap_or_default();
            let is_same = has_terms_of(known, &wanted) && known_mode == self_trade;
            return if is_same { Ok(Needed::Nothing) } else { Err(Refusal::Taken) };
        }
        if setup.markets.len() >= MANY {
            return Err(Refusal::Wrong(ConfigError(format!("{place}: it has {MANY} markets"))));
        }
        self.self_trades.insert(place_of_mode, self_trade);
        setup.markets.push(wanted.clone());
        Ok(Needed::Exchange(only(setup, &[], &[wanted])))
    }

    fn change_market(&mut self, tenant: &str, symbol: &str, terms: &Terms) -> Result<Needed, Refusal> {
        let self_trade = self.self_trade_of(tenant)?;
        let setup = self.setup.tenants.iter_mut().find(|setup| setup.name == tenant).ok_or(Refusal::Unknown)?;
        let assets = setup.assets.clone();
        let known = setup.markets.iter_mut().find(|known| known.symbol == symbol).ok_or(Refusal::Unknown)?;
        let mode = self.self_trades.entry((tenant.to_owned(), symbol.to_owned())).or_insert(self_trade);
        let mut market = Market::of(known, &assets, *mode);
        market.change(terms, &format!("tenant \"{tenant}\", market \"{symbol}\""))?;
        let (mut wanted, self_trade) = market.checked(&assets, self_trade, &format!("tenant \"{tenant}\""))?;
        if (wanted.tick, wanted.lot) != (known.tick.reduced(), known.lot.reduced()) {
            let problem = format!("tenant \"{tenant}\", market \"{symbol}\": tick and lot cannot change");
            return Err(Refusal::Wrong(ConfigError(problem)));
        }
        let is_known = has_terms_of(known, &wanted);
        if is_known && *mode == self_trade {
            return Ok(Needed::Nothing);
        }
        *mode = self_trade;
        wanted.protection = known.protection;
        wanted.schedule.clone_from(&known.schedule);
        known.clone_from(&wanted);
        if is_known {
            return Ok(Needed::Edge);
        }
        // Its protection and its timetable are what they are.
        let changed = MarketSetup { protection: None, schedule: Vec::new(), ..wanted };
        Ok(Needed::Exchange(only(setup, &[], &[changed])))
    }

    /// What happens in a tenant's markets unless they say otherwise.
    fn self_trade_of(&self, tenant: &str) -> Result<SelfTrade, Refusal> {
        let terms = self.terms.get(tenant).ok_or(Refusal::Unknown)?;
        Ok(self_trade_mode(terms.self_trade_prevention.as_deref(), "")?.unwrap_or_default())
    }
}

impl NewTenant {
    /// The terms of a table of the configuration.
    pub(super) fn of(table: &Tenant) -> Self {
        let tenant = Self {
            name: table.name.clone(),
            hosts: table.hosts.clone(),
            wallet_shards: table.wallet_shards,
            self_trade_prevention: table.self_trade_prevention.clone(),
            utc_offset: table.utc_offset.clone(),
            time_zone: table.time_zone.clone(),
            day_ends: table.day_ends.clone(),
            shadow: table.shadow,
            limits: Limits {
                open_orders: table.open_orders,
                idempotency_window: table.idempotency_window,
                request_weight_per_minute: table.request_weight_per_minute,
                orders_per_10_seconds: table.orders_per_10_seconds,
                orders_per_day: table.orders_per_day,
            },
        };
        tenant.completed()
    }

    /// The same in one form, with what is not said spelled out.
    fn completed(&self) -> Self {
        let mut hosts: Vec<String> = self.hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        hosts.sort_unstable();
        let or = |text: &Option<String>, default: &str| Some(text.clone().unwrap_or_else(|| default.to_owned()));
        let self_trade = names::self_trade(SelfTrade::default()).to_ascii_lowercase();
        let has_zone = self.time_zone.is_some();
        Self {
            name: self.name.clone(),
            hosts,
            wallet_shards: self.wallet_shards.or(Some(1)),
            self_trade_prevention: or(&self.self_trade_prevention, &self_trade),
            utc_offset: if has_zone { self.utc_offset.clone() } else { or(&self.utc_offset, "+00:00") },
            time_zone: self.time_zone.clone(),
            day_ends: or(&self.day_ends, "00:00"),
            shadow: self.shadow,
            limits: self.limits.or(Limits::of(WalletLimits::default(), RateLimits::default())),
        }
    }

    /// As a table of the configuration.
    fn table(&self) -> Tenant {
        let limits = self.limits;
        Tenant {
            name: self.name.clone(),
            hosts: self.hosts.clone(),
            wallet_shards: self.wallet_shards,
            self_trade_prevention: self.self_trade_prevention.clone(),
            utc_offset: self.utc_offset.clone(),
            time_zone: self.time_zone.clone(),
            day_ends: self.day_ends.clone(),
            shadow: self.shadow,
            open_orders: limits.open_orders,
            idempotency_window: limits.idempotency_window,
            request_weight_per_minute: limits.request_weight_per_minute,
            orders_per_10_seconds: limits.orders_per_10_seconds,
            orders_per_day: limits.orders_per_day,
            ..Tenant::default()
        }
    }
}

impl Limits {
    fn of(wallet: WalletLimits, rates: RateLimits) -> Self {
        Self {
            open_orders: Some(wallet.open_orders),
            idempotency_window: Some(wallet.closed_ids),
            request_weight_per_minute: Some(rates.request_weight_per_minute),
            orders_per_10_seconds: Some(rates.orders_per_10_seconds),
            orders_per_day: Some(rates.orders_per_day),
        }
    }

    /// What others say where these say nothing.
    fn or(self, others: Self) -> Self {
        Self {
            open_orders: self.open_orders.or(others.open_orders),
            idempotency_window: self.idempotency_window.or(others.idempotency_window),
            request_weight_per_minute: self.request_weight_per_minute.or(others.request_weight_per_minute),
            orders_per_10_seconds: self.orders_per_10_seconds.or(others.orders_per_10_seconds),
            orders_per_day: self.orders_per_day.or(others.orders_per_day),
        }
    }

    fn wallet(self) -> WalletLimits {
        let defaults = WalletLimits::default();
        WalletLimits {
            closed_ids: self.idempotency_window.unwrap_or(defaults.closed_ids),
            open_orders: self.open_orders.unwrap_or(defaults.open_orders),
        }
    }

    fn rates(self) -> RateLimits {
        let defaults = RateLimits::default();
        RateLimits {
            request_weight_per_minute: self.request_weight_per_minute.unwrap_or(defaults.request_weight_per_minute),
            orders_per_10_seconds: self.orders_per_10_seconds.unwrap_or(defaults.orders_per_10_seconds),
            orders_per_day: self.orders_per_day.unwrap_or(defaults.orders_per_day),
        }
    }

    fn check(self, place: &str) -> Result<(), ConfigError> {
        match self.idempotency_window {
            Some(window) if window > WINDOW_MAX => {
                refuse(format!("{place}: the window of idempotency is at most {WINDOW_MAX}"))
            }
            _ => Ok(()),
        }
    }
}

/// A tenant with nothing but this of it named: the rest stays as it is.
fn only(tenant: &TenantSetup, assets: &[(String, u8)], markets: &[MarketSetup]) -> Setup {
    let tenant = TenantSetup {
        name: tenant.name.clone(),
        limits: tenant.limits,
        shards: tenant.shards,
        assets: assets.to_vec(),
        markets: markets.to_vec(),
        users: Vec::new(),
        zone: tenant.zone.clone(),
        money: MoneySetup::default(),
        is_shadow: tenant.is_shadow,
    };
    Setup { tenants: vec![tenant] }
}

/// Whether a market is the one that is wanted, whatever protects it and whenever it trades.
fn has_terms_of(known: &MarketSetup, wanted: &MarketSetup) -> bool {
    let (tick, lot) = (known.tick.reduced(), known.lot.reduced());
    let schedule = wanted.schedule.clone();
    let MarketSetup { protection, .. } = *wanted;
    let known = MarketSetup { tick, lot, protection, schedule, ..known.clone() };
    known == MarketSetup { tick: wanted.tick.reduced(), lot: wanted.lot.reduced(), ..wanted.clone() }
}

/// A market that is open, as a setup.
fn setup_of(tenant: &TenantEntry, market: &MarketEntry) -> MarketSetup {
    let name = |asset| tenant.asset(asset).map_or_else(String::new, |asset| asset.name.clone());
    let definition = market.definition.clone();
    MarketSetup {
        symbol: market.symbol.clone(),
        base: name(definition.base),
        quote: name(definition.quote),
        tick: definition.tick,
        lot: definition.lot,
        max_price: definition.max_price,
        max_quantity: definition.max_quantity,
        min_notional: definition.min_notional,
        maker_fee: definition.maker_fee,
        taker_fee: definition.taker_fee,
        filters: definition.filters,
        protection: None,
        schedule: Vec::new(),
    }
}

/// Whether a host can be a tenant's own. An address, or this machine's name, is how everybody comes in.
fn is_host(host: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
    let is_everybodys = host == "localhost" || host.parse::<IpAddr>().is_ok();
    (1..=253).contains(&host.len()) && host.bytes().all(allowed) && !is_everybodys
}
