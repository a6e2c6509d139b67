//! What an operator wants to be open, and the records that bring it about.

use std::collections::HashMap;

use rialto_engine::ids::{AccountId, AssetId, MarketId, RailId, ShardId, TenantId};
use rialto_engine::label::Label;
use rialto_engine::market::{MarketDefinition, MarketFilters, MarketSpec, Step};
use rialto_engine::message::Protection;
use rialto_engine::transaction::{FeePlan, Policy, Topic, TransactionCommand, TransactionKind};
use rialto_engine::units::{Amount, BasisPoints, FeeRate, Nanos, Price, Quantity};
use rialto_engine::wallet::{Command, SHARDS_MAX, WalletLimits};
use rialto_persistence::record::Record;
use rialto_persistence::world::{Market, Observer, ReplayError, Scratch, Tenant, Unobserved, World};

use crate::clock;
use crate::directory::Directory;
use crate::schedule::PhaseChange;
use crate::zone::Zone;

/// What an operator wants to be open: applied at start, through the journal, once.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// The tenants, in order.
    pub tenants: Vec<TenantSetup>,
}

/// A tenant to be open.
#[derive(Clone, Debug)]
pub struct TenantSetup {
    /// Its name, unique.
    pub name: String,
    /// Its limits.
    pub limits: WalletLimits,
    /// How many wallets share its accounts; one where nothing is said. It cannot change.
    pub shards: u16,
    /// Its assets: name and scale.
    pub assets: Vec<(String, u8)>,
    /// Its markets.
    pub markets: Vec<MarketSetup>,
    /// Its users.
    pub users: Vec<UserSetup>,
    /// Its clock, by which the schedules of its markets are read.
    pub zone: Zone,
    /// What decides about its transactions.
    pub money: MoneySetup,
    /// Whether it is a shadow: a tenant for rehearsals, which runs as every other and which reports of the
    /// house leave out.
    pub is_shadow: bool,
}

/// What decides about the transactions of a tenant. What is not named here stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MoneySetup {
    /// Rails to be there. Whether one takes new transactions is an operator's business.
    pub rails: Vec<Label>,
    /// Timers.
    pub policies: Vec<(Topic, Policy)>,
    /// What withdrawals and payments cost, by the name of the asset.
    pub fees: Vec<(TransactionKind, String, FeePlan)>,
    /// Whether somebody outside must be told of every event.
    pub notifies: Option<bool>,
}

/// A market to be open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketSetup {
    /// Its symbol, unique in the tenant.
    pub symbol: String,
    /// The name of the asset traded.
    pub base: String,
    /// The name of the asset it is paid in.
    pub quote: String,
    /// The price step.
    pub tick: Step,
    /// The quantity step.
    pub lot: Step,
    /// The highest price in ticks.
    pub max_price: Price,
    /// The largest quantity in lots.
    pub max_quantity: Quantity,
    /// The smallest notional in minor units of quote.
    pub min_notional: Amount,
    /// Fee of the resting side, or its rebate.
    pub maker_fee: FeeRate,
    /// Fee of the incoming side.
    pub taker_fee: BasisPoints,
    /// What it allows.
    pub filters: MarketFilters,
    /// What protects trading; `None` leaves whatever there is. A reference is given along when the rest
    /// differs from what there is: it moves with every auction.
    pub protection: Option<Protection>,
    /// When it enters which phase; empty for a market that is open for ever.
    pub schedule: Vec<PhaseChange>,
}

/// A user to have an account.
#[derive(Clone, Debug)]
pub struct UserSetup {
    /// The user's name, unique in the tenant.
    pub name: String,
    /// Deposits made once, however often the exchange starts: asset name and minor units.
    pub balances: Vec<(String, Amount)>,
    /// The user's trade group; zero keeps whatever it is.
    pub group: u32,
}

impl Setup {
    /// Takes in what was opened since: of a tenant that is here already, its limits, and what it has by name.
    pub fn take_in(&mut self, more: &Self) {
        for tenant in &more.tenants {
            let Some(here) = self.tenants.iter_mut().find(|here| here.name == tenant.name) else {
                self.tenants.push(tenant.clone());
                continue;
            };
            here.limits = tenant.limits;
            for asset in &tenant.assets {
                if !here.assets.iter().any(|(name, _)| *name == asset.0) {
                    here.assets.push(asset.clone());
                }
            }
            for market in &tenant.markets {
                match here.markets.iter_mut().find(|other| other.symbol == market.symbol) {
                    Some(other) => *other = market.clone(),
                    None => here.markets.push(market.clone()),
                }
            }
        }
    }
}

/// The records that bring a partition to a setup, one after the other.
///
/// It remembers how far it has come, since what is there once stays: a tenant may have very many users.
pub struct Steps<'a> {
    setup: &'a Setup,
    /// The tenants before this one are as they should be.
    tenant: usize,
    /// And so are this tenant's users before this one.
    user: usize,
    /// The accounts of this tenant by name, as far as they were looked at.
    accounts: HashMap<String, AccountId>,
}

impl<'a> Steps<'a> {
    /// The way to a setup.
    #[must_use]
    pub fn to(setup: &'a Setup) -> Self {
        Self { setup, tenant: 0, user: 0, accounts: HashMap::new() }
    }

    /// The next record that brings a partition closer to the setup, or `None` when it is there. Nothing
    /// may be under way between wallets and books, and what this gave before must have been applied.
    /// Commands of transactions lack their digest: whoever applies them knows it.
    ///
    /// # Errors
    /// What the setup asks that cannot be: an unknown asset, a changed scale, tick or lot.
    pub fn next(&mut self, world: &World, now: Nanos) -> Result<Option<Record>, String> {
        while let Some(wanted) = self.setup.tenants.get(self.tenant) {
            let found = world.tenants.iter().zip(0..).find(|(tenant, _)| tenant.name == wanted.name);
            let Some((tenant, number)) = found else {
                return Ok(Some(Record::OpenTenant { name: wanted.name.clone(), limits: wanted.limits }));
            };
            let shards = wanted.shards.max(1);
            if tenant.shards() != shards {
                if tenant.is_bare() && shards <= SHARDS_MAX {
                    return Ok(Some(Record::Share { tenant: TenantId(number), shards }));
                }
                let is = tenant.shards();
                return Err(format!("tenant {}: its wallet shards are {is} and cannot become {shards}", wanted.name));
            }
            let record = self
                .next_of_tenant(tenant, TenantId(number), wanted, now)
                .map_err(|error| format!("tenant {}: {error}", wanted.name))?;
            if record.is_some() {
                return Ok(record);
            }
            *self = Self { tenant: self.tenant + 1, ..Self::to(self.setup) };
        }
        Ok(None)
    }

    fn next_of_tenant(
        &mut self,
        tenant: &Tenant,
        id: TenantId,
        wanted: &TenantSetup,
        now: Nanos,
    ) -> Result<Option<Record>, String> {
        if self.user == 0
            && let Some(record) = next_of_markets(tenant, id, wanted, now)?
        {
            return Ok(Some(record));
        }
        let looked_at = self.accounts.len();
        let accounts = tenant.accounts.iter().zip(0..).skip(looked_at);
        self.accounts.extend(accounts.map(|(name, number)| (name.clone(), AccountId(number))));
        while let Some(user) = wanted.users.get(self.user) {
            let Some(account) = self.accounts.get(&user.name) else {
                return Ok(Some(Record::OpenAccount { tenant: id, name: user.name.clone() }));
            };
            let record = next_of_user(tenant, id, *account, user, now)?;
            if record.is_some() {
                return Ok(record);
            }
            self.user += 1;
        }
        next_of_money(tenant, id, &wanted.money)
    }
}

/// Whether a partition that looks like this can be brought to a setup.
///
/// # Errors
/// Why not.
pub fn check(directory: &Directory, setup: &Setup) -> Result<(), String> {
    let (mut world, mut scratch) = (World::default(), Scratch::default());
    for tenant in directory.tenants() {
        let open = Record::OpenTenant { name: tenant.name.clone(), limits: tenant.limits };
        let assets = tenant.assets.iter();
        let assets = assets.map(|it| Record::OpenAsset { tenant: tenant.id, name: it.name.clone(), scale: it.scale });
        let markets = tenant.markets.iter().map(|it| Record::OpenMarket {
            tenant: tenant.id,
            symbol: it.symbol.clone(),
            definition: it.definition.clone(),
        });
        let share = Record::Share { tenant: tenant.id, shards: tenant.shards };
        let share = (tenant.shards > 1).then_some(share);
        for record in [open].into_iter().chain(share).chain(assets).chain(markets) {
            apply(&mut world, record, &mut scratch, &mut Unobserved).map_err(|error| error.to_string())?;
        }
    }
    let mut steps = Steps::to(setup);
    while let Some(record) = steps.next(&world, clock::now())? {
        let what = format!("{record:?}");
        apply(&mut world, record, &mut scratch, &mut Unobserved).map_err(|error| match error {
            ReplayError::Refused { reason, .. } => format!("{} ({what})", reason.name()),
            error => error.to_string(),
        })?;
        while world.deliver(&mut scratch, &mut Unobserved).is_some() {}
    }
    Ok(())
}

/// Applies a record of a setup, and gives it whole.
///
/// # Errors
/// If it cannot follow. The state is then unusable.
pub fn apply(
    world: &mut World,
    record: Record,
    scratch: &mut Scratch,
    observer: &mut impl Observer,
) -> Result<Record, ReplayError> {
    if let Record::Transaction { tenant, command, .. } = record {
        return world.transact(tenant, command, scratch, observer);
    }
    world.apply(world.position + 1, &record, scratch, observer)?;
    Ok(record)
}

fn next_of_markets(tenant: &Tenant, id: TenantId, wanted: &TenantSetup, now: Nanos) -> Result<Option<Record>, String> {
    if tenant.limits != wanted.limits {
        return Ok(Some(Record::ChangeLimits { tenant: id, limits: wanted.limits }));
    }
    for (name, scale) in &wanted.assets {
        match tenant.assets.iter().find(|asset| asset.name == *name) {
            None => return Ok(Some(Record::OpenAsset { tenant: id, name: name.clone(), scale: *scale })),
            Some(asset) if asset.scale != *scale => {
                return Err(format!("the scale of {name} is {} and cannot become {scale}", asset.scale));
            }
            Some(_) => {}
        }
    }
    for market in &wanted.markets {
        let definition = definition_of(tenant, market).map_err(|error| format!("market {}: {error}", market.symbol))?;
        match tenant.markets.iter().zip(0..).find(|(open, _)| open.symbol == market.symbol) {
            None => return Ok(Some(Record::OpenMarket { tenant: id, symbol: market.symbol.clone(), definition })),
            Some((open, number)) if open.definition == definition => {
                let wanted = market.protection;
                if let Some(command) = wanted.and_then(|wanted| protect(open, MarketId(number), wanted, now)) {
                    return Ok(Some(Record::Command { tenant: id, shard: ShardId::FIRST, command }));
                }
            }
            Some((open, number)) => {
                let fixed = |market: &MarketDefinition| (market.base, market.quote, market.tick, market.lot);
                if fixed(&open.definition) != fixed(&definition) {
                    return Err(format!("base, quote, tick and lot of {} cannot change", market.symbol));
                }
                return Ok(Some(Record::ChangeMarket { tenant: id, market: MarketId(number), definition }));
            }
        }
    }
    Ok(None)
}

fn next_of_user(
    tenant: &Tenant,
    id: TenantId,
    account: AccountId,
    user: &UserSetup,
    now: Nanos,
) -> Result<Option<Record>, String> {
    if user.group != 0 && tenant.home(account).group(account) != user.group {
        return Ok(Some(Record::ChangeGroup { tenant: id, account, group: user.group }));
    }
    for (asset, amount) in &user.balances {
        let key = format!("config:{}:{asset}", user.name);
        if amount.0 > 0 && !tenant.wallet.has_deposit(&key) {
            let asset = asset_of(tenant, asset).map_err(|error| format!("user {}: {error}", user.name))?;
            return Ok(Some(Record::Deposit { tenant: id, id: key, account, asset, amount: *amount, time: now }));
        }
    }
    Ok(None)
}

fn next_of_money(tenant: &Tenant, id: TenantId, wanted: &MoneySetup) -> Result<Option<Record>, String> {
    let wallet = &tenant.wallet;
    let record = |command| Ok(Some(Record::Transaction { tenant: id, command, digest: 0 }));
    let rails = (0..).map_while(|number| wallet.rail(RailId(number)));
    if let Some(name) = wanted.rails.iter().find(|name| !rails.clone().any(|(rail, _)| rail == **name)) {
        return record(TransactionCommand::OpenRail { name: *name });
    }
    if let Some((topic, policy)) = wanted.policies.iter().find(|(topic, policy)| wallet.policy(*topic) != *policy) {
        return record(TransactionCommand::ChangePolicy { topic: *topic, policy: *policy });
    }
    for (kind, asset, fee) in &wanted.fees {
        let asset = asset_of(tenant, asset).map_err(|error| format!("fee of a {}: {error}", kind.name()))?;
        if wallet.fee_plan(*kind, asset) != *fee {
            return record(TransactionCommand::ChangeFee { kind: *kind, asset, fee: *fee });
        }
    }
    match wanted.notifies {
        Some(is_on) if is_on != wallet.notifies() => record(TransactionCommand::ChangeNotification { is_on }),
        _ => Ok(None),
    }
}

/// The command that brings a book's protection about, if it is another one.
fn protect(open: &Market, market: MarketId, protection: Protection, time: Nanos) -> Option<Command> {
    let rules = |it: Protection| (it.static_band, it.dynamic_band, it.interruption);
    (rules(open.book.protection()) != rules(protection)).then_some(Command::Protect { market, protection, time })
}

fn definition_of(tenant: &Tenant, market: &MarketSetup) -> Result<MarketDefinition, String> {
    let (base, quote) = (asset_of(tenant, &market.base)?, asset_of(tenant, &market.quote)?);
    let scale = |asset: AssetId| tenant.assets[usize::from(asset.0)].scale;
    let definition = MarketDefinition {
        base,
        base_scale: scale(base),
        quote,
        quote_scale: scale(quote),
        tick: market.tick.reduced(),
        lot: market.lot.reduced(),
        max_price: market.max_price,
        max_quantity: market.max_quantity,
        min_notional: market.min_notional,
        maker_fee: market.maker_fee,
        taker_fee: market.taker_fee,
        filters: market.filters,
    };
    // Refused here, before it is journaled.
    MarketSpec::open(&definition).map_err(|error| error.to_string())?;
    Ok(definition)
}

fn asset_of(tenant: &Tenant, name: &str) -> Result<AssetId, String> {
    let place = tenant.assets.iter().position(|asset| asset.name == name);
    let number = place.and_then(|place| u16::try_from(place).ok());
    number.map(AssetId).ok_or_else(|| format!("there is no asset {name}"))
}
