//! What all workers share: the exchange, who may sign, which names lead to which tenant, and how
//! the numbers of every market are written. It stays as it is; what is opened later is in another one, made by
//! [`Gateway::renewed`], which shares with it whatever is counted or kept.

use std::path::Path;
use std::sync::Arc;

use rialto_actors::directory::{AssetEntry, Directory, MarketEntry, TenantEntry};
use rialto_actors::exchange::Exchange;
use rialto_actors::zone::Zone;
use rialto_engine::ids::{AccountId, AssetId, MarketId, TenantId};
use rialto_engine::order::SelfTrade;
use rialto_engine::units::Amount;
use tokio::sync::{Semaphore, watch};

use crate::config::Config;
use crate::connection::ConnectionLimits;
use crate::decimal::{Grid, MarketText};
use crate::draining::Draining;
use crate::error::ApiError;
use crate::keys::KeyStore;
use crate::keys::made::MadeKeys;
use crate::opened::Opened;
use crate::operator::audit::Audit;
use crate::orders::day::DayEnd;
use crate::pauses::Pauses;
use crate::payments::rails::{RailNames, Routes};
use crate::phases::Phases;
use crate::rate_limits::RateLimiter;
use crate::tenancy::Tenancy;
use crate::user_stream::ListenKeys;

/// How many tables are exported at once.
const EXPORTS_AT_ONCE: usize = 2;

/// What all workers share.
pub struct Gateway {
    /// The exchange.
    pub exchange: Exchange,
    /// Who is who.
    pub directory: Arc<Directory>,
    /// Who may sign.
    pub keys: Arc<KeyStore>,
    /// The keys that were made at run time.
    pub made_keys: MadeKeys,
    /// What operators have asked for.
    pub audit: Audit,
    /// Which names lead to which tenant.
    pub tenancy: Tenancy,
    /// The keys of user data streams.
    pub listen_keys: Arc<ListenKeys>,
    /// What clients have asked in the current intervals.
    pub rate_limits: RateLimiter,
    /// What was heard last of the rails.
    pub rails: Arc<RailNames>,
    /// Which rails take what.
    pub routes: Arc<Routes>,
    /// What was heard last of the markets' phases.
    pub phases: Phases,
    /// How much a connection may cost.
    pub connections: ConnectionLimits,
    /// Messages per second that a client may send on a stream, if limited.
    pub stream_messages_per_second: Option<u32>,
    /// Who may export a table now; whoever comes beyond them comes again.
    pub exports: Arc<Semaphore>,
    /// Whose statement is taken now: two at once would both open the cases that neither has found.
    pub statements: Arc<Semaphore>,
    /// This node's name, told in every REST reply.
    pub node: String,
    /// Turns true when the server is told to end.
    pub closing: Arc<watch::Sender<bool>>,
    /// What is configured, with what operators have opened and changed since.
    pub config: Arc<Config>,
    /// Where what operators open is kept.
    pub opened: Opened,
    /// Which rails they have taken out of routing.
    pub draining: Draining,
    /// How long tenants have kept others waiting by what they opened.
    pub pauses: Pauses,
    /// Who opens something now: one comes after the other.
    pub openings: Arc<Semaphore>,
    tenants: Vec<TenantTexts>,
}

struct TenantTexts {
    markets: Vec<(MarketText, SelfTrade)>,
    /// When the tenant's day ends.
    day_end: DayEnd,
    assets: Vec<Grid>,
    /// How many orders an account may have open.
    open_orders: u32,
    /// The tenant's clock.
    zone: Zone,
}

/// A market of a tenant, with how its numbers are read and written.
#[derive(Clone, Copy)]
pub struct Market<'a> {
    /// Whose it is.
    pub tenant: &'a TenantEntry,
    /// Its definition.
    pub entry: &'a MarketEntry,
    /// How its numbers are read and written.
    pub text: &'a MarketText,
    /// What happens where an order that does not say so meets its own account.
    pub self_trade: SelfTrade,
    /// When its tenant's day ends.
    pub day_end: &'a DayEnd,
}

impl<'a> Market<'a> {
    /// Its symbol.
    #[must_use]
    pub fn symbol(&self) -> &'a str {
        &self.entry.symbol
    }

    /// Its number.
    #[must_use]
    pub const fn id(&self) -> MarketId {
        self.entry.id
    }
}

/// How the numbers of all tenants are written, and what the edge holds them to.
fn texts(config: &Config, directory: &Directory) -> Vec<TenantTexts> {
    let of_tenant = |tenant: &TenantEntry| TenantTexts {
        markets: {
            let text = |market: &MarketEntry| MarketText::of(&market.definition);
            let mode = |market: &MarketEntry| config.self_trade(&tenant.name, &market.symbol);
            tenant.markets.iter().map(|market| (text(market), mode(market))).collect()
        },
        assets: tenant.assets.iter().map(|asset| Grid::of_scale(asset.scale)).collect(),
        day_end: config.day_end(&tenant.name),
        zone: config.tenant(&tenant.name).map_or(Zone::UTC, |setup| setup.zone.clone()),
        open_orders: tenant.limits.open_orders,
    };
    directory.tenants().iter().map(of_tenant).collect()
}

/// Reports leave out tenants that only try things out.
fn tell_shadows(config: &Config, directory: &Directory) {
    for tenant in directory.tenants() {
        let is_shadow = f64::from(u8::from(config.shadows.contains(&tenant.name)));
        metrics::gauge!("rialto_tenant_shadow", "tenant" => tenant.name.clone()).set(is_shadow);
    }
}

impl Gateway {
    /// Puts the parts together.
    #[must_use]
    pub fn new(exchange: Exchange, config: &Config) -> Self {
        let directory = exchange.directory();
        let mut config = config.clone();
        config.know(&directory);
        tell_shadows(&config, &directory);
        let defaults = ConnectionLimits::default();
        Self {
            made_keys: MadeKeys::new(config.master_secret.as_ref()),
            audit: Audit::default(),
            rails: Arc::new(RailNames::new(&directory)),
            routes: Arc::new(Routes::new(&config, &directory)),
            keys: Arc::new(KeyStore::new(&config, &directory)),
            tenancy: Tenancy::new(&config.hosts, config.default_tenant.as_deref(), &directory),
            listen_keys: Arc::default(),
            phases: Phases::new(&directory),
            rate_limits: RateLimiter::new(&config.rate_limits, &directory),
            connections: ConnectionLimits {
                outbox_bytes: config.server.outbox_bytes.unwrap_or(defaults.outbox_bytes),
                in_flight: config.server.in_flight.unwrap_or(defaults.in_flight),
                ..defaults
            },
            stream_messages_per_second: config.server.stream_messages_per_second,
            exports: Arc::new(Semaphore::new(EXPORTS_AT_ONCE)),
            statements: Arc::new(Semaphore::new(1)),
            openings: Arc::new(Semaphore::new(1)),
            pauses: Pauses::default(),
            opened: Opened::default(),
            draining: Draining::default(),
            node: config.server.node.clone().unwrap_or_else(|| "node-1".to_owned()),
            closing: Arc::new(watch::Sender::new(false)),
            tenants: texts(&config, &directory),
            config: Arc::new(config),
            directory,
            exchange,
        }
    }

    /// The same with what is open now, by this configuration.
    #[must_use]
    pub fn renewed(&self, config: Config) -> Self {
        let directory = self.exchange.directory();
        tell_shadows(&config, &directory);
        self.rails.know(&directory);
        self.routes.rename(&directory);
        Self {
            exchange: self.exchange.clone(),
            keys: Arc::clone(&self.keys),
            made_keys: self.made_keys.clone(),
            audit: self.audit.clone(),
            tenancy: Tenancy::new(&config.hosts, config.default_tenant.as_deref(), &directory),
            listen_keys: Arc::clone(&self.listen_keys),
            rate_limits: self.rate_limits.renewed(&config.rate_limits, &directory),
            rails: Arc::clone(&self.rails),
            routes: Arc::clone(&self.routes),
            phases: self.phases.renewed(&directory),
            connections: self.connections,
            stream_messages_per_second: self.stream_messages_per_second,
            exports: Arc::clone(&self.exports),
            statements: Arc::clone(&self.statements),
            openings: Arc::clone(&self.openings),
            pauses: self.pauses.clone(),
            opened: self.opened.clone(),
            draining: self.draining.clone(),
            node: self.node.clone(),
            closing: Arc::clone(&self.closing),
            tenants: texts(&config, &directory),
            config: Arc::new(config),
            directory,
        }
    }

    /// Keeps what operators open where it was kept before.
    #[must_use]
    pub fn keep_opened(mut self, opened: Opened) -> Self {
        self.opened = opened;
        self
    }

    /// Keeps the audit trail, the keys that are made and the rails that are drained in a data directory, and takes in
    /// those that are there.
    ///
    /// # Errors
    /// If they cannot be read, or the trail or the rails were changed.
    pub fn keep_in(mut self, data: &Path) -> Result<Self, String> {
        self.audit = Audit::open(data)?;
        self.made_keys.open(data, &self.keys, &self.directory)?;
        self.draining = Draining::open(data)?;
        Ok(self)
    }

    /// A tenant that was addressed, so that it is there.
    ///
    /// # Errors
    /// 404 if it is not.
    pub fn tenant(&self, tenant: TenantId) -> Result<&TenantEntry, ApiError> {
        self.directory.tenant(tenant).ok_or_else(ApiError::no_tenant)
    }

    /// A market of a tenant by its symbol.
    ///
    /// # Errors
    /// -1121.
    pub fn market(&self, tenant: TenantId, symbol: &str) -> Result<Market<'_>, ApiError> {
        let entry = self.tenant(tenant)?.market_named(symbol).ok_or_else(ApiError::invalid_symbol)?;
        self.market_by_id(tenant, entry.id).ok_or_else(ApiError::invalid_symbol)
    }

    /// A market of a tenant by its number.
    #[must_use]
    pub fn market_by_id(&self, tenant: TenantId, market: MarketId) -> Option<Market<'_>> {
        let entry = self.directory.tenant(tenant)?;
        let texts = self.tenants.get(tenant.0 as usize)?;
        let (text, self_trade) = texts.markets.get(usize::from(market.0))?;
        let day_end = &texts.day_end;
        Some(Market { tenant: entry, entry: entry.market(market)?, text, self_trade: *self_trade, day_end })
    }

    /// All markets of a tenant.
    pub fn markets(&self, tenant: TenantId) -> impl Iterator<Item = Market<'_>> {
        let entries = self.directory.tenant(tenant).map_or(&[][..], |tenant| &tenant.markets[..]);
        entries.iter().filter_map(move |entry| self.market_by_id(tenant, entry.id))
    }

    /// How many orders an account of a tenant may have open, if that is limited.
    #[must_use]
    pub fn open_orders_max(&self, tenant: TenantId) -> Option<u32> {
        self.tenants.get(tenant.0 as usize).map(|texts| texts.open_orders).filter(|limit| *limit < u32::MAX)
    }

    /// A tenant's clock, by which its days begin and end.
    #[must_use]
    pub fn zone(&self, tenant: TenantId) -> Zone {
        self.tenants.get(tenant.0 as usize).map_or(Zone::UTC, |texts| texts.zone.clone())
    }

    /// An asset of a tenant.
    #[must_use]
    pub fn asset(&self, tenant: TenantId, asset: AssetId) -> Option<&AssetEntry> {
        self.directory.tenant(tenant)?.asset(asset)
    }

    /// The number of an asset by its name.
    #[must_use]
    pub fn asset_named(&self, tenant: TenantId, name: &str) -> Option<AssetId> {
        self.directory.tenant(tenant)?.asset_named(name)
    }

    /// The account of a user by his name.
    #[must_use]
    pub fn account_named(&self, tenant: TenantId, name: &str) -> Option<AccountId> {
        self.directory.tenant(tenant)?.account_named(name)
    }

    /// The name of the user whose account it is.
    #[must_use]
    pub fn account_name(&self, tenant: TenantId, account: AccountId) -> String {
        let found = self.directory.tenant(tenant).and_then(|tenant| tenant.accounts.name(account));
        found.map_or_else(|| account.to_string(), |name| name.to_string())
    }

    /// Appends an amount of an asset in quotes.
    pub fn amount(&self, out: &mut Vec<u8>, tenant: TenantId, asset: AssetId, amount: Amount) {
        let texts = self.tenants.get(tenant.0 as usize);
        let grid = texts.and_then(|texts| texts.assets.get(usize::from(asset.0))).copied();
        let opened_since = || self.opened_since(tenant, asset).map(|asset| Grid::of_scale(asset.scale));
        grid.or_else(opened_since).unwrap_or_else(|| Grid::of_scale(0)).quoted_signed(out, amount.0);
    }

    /// An asset that this gateway does not know yet: the wallet tells of all that there are.
    fn opened_since(&self, tenant: TenantId, asset: AssetId) -> Option<AssetEntry> {
        self.exchange.directory().tenant(tenant)?.asset(asset).cloned()
    }

    /// Appends an asset's name in quotes.
    pub fn asset_name(&self, out: &mut Vec<u8>, tenant: TenantId, asset: AssetId) {
        match self.asset(tenant, asset) {
            Some(asset) => crate::json::string(out, &asset.name),
            None => {
                let found = self.opened_since(tenant, asset);
                crate::json::string(out, found.as_ref().map_or("", |asset| asset.name.as_str()));
            }
        }
    }
}
