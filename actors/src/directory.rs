//! Who is who: tenants, assets, markets and accounts by name and by number.
//!
//! A directory is made from the recovered partition. Tenants, assets and markets never change in it: when
//! an operator opens some, there is a new directory, and [`crate::exchange::Exchange::directory`] gives
//! the one of now. Accounts are opened far more often, and are seen in every directory of their tenant.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use rialto_engine::ids::{AccountId, AssetId, MarketId, RailId, TenantId};
use rialto_engine::label::Label;
use rialto_engine::market::{MarketDefinition, MarketSpec};
use rialto_engine::wallet::WalletLimits;
use rialto_persistence::world::World;

use crate::setup::Setup;

/// All tenants by number.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    tenants: Vec<TenantEntry>,
    by_name: HashMap<String, TenantId>,
}

/// A tenant.
#[derive(Clone, Debug)]
pub struct TenantEntry {
    /// Its number.
    pub id: TenantId,
    /// Its name.
    pub name: String,
    /// How many wallets share its accounts.
    pub shards: u16,
    /// Its assets by number.
    pub assets: Vec<AssetEntry>,
    /// Its markets by number.
    pub markets: Vec<MarketEntry>,
    /// Its limits.
    pub limits: WalletLimits,
    /// Its accounts.
    pub accounts: Arc<Accounts>,
    /// The names of its rails by number, and whether they were open when it started.
    pub rails: Vec<(Label, bool)>,
    /// Whether it is for rehearsals, and left out of reports.
    pub is_shadow: bool,
    market_by_symbol: HashMap<String, MarketId>,
    asset_by_name: HashMap<String, AssetId>,
}

/// An asset.
#[derive(Clone, Debug)]
pub struct AssetEntry {
    /// Its name.
    pub name: String,
    /// Decimals of its minor unit.
    pub scale: u8,
}

/// A market.
#[derive(Clone, Debug)]
pub struct MarketEntry {
    /// Its number.
    pub id: MarketId,
    /// Its symbol.
    pub symbol: String,
    /// What it trades.
    pub definition: MarketDefinition,
    /// The same, proven.
    pub spec: MarketSpec,
}

impl Directory {
    /// The directory of a partition.
    #[must_use]
    pub fn of(world: &World) -> Self {
        Self::after(&Self::default(), world, &Setup::default())
    }

    /// The directory of a partition whose tenants had one before, and may have seen accounts in it that
    /// never became durable.
    #[must_use]
    pub fn after(before: &Self, world: &World, setup: &Setup) -> Self {
        let mut directory = Self::default();
        for (number, tenant) in world.tenants.iter().enumerate() {
            let id = TenantId(u32::try_from(number).unwrap_or(u32::MAX));
            let markets = tenant.markets.iter().enumerate().map(|(number, market)| MarketEntry {
                id: MarketId(u16::try_from(number).unwrap_or(u16::MAX)),
                symbol: market.symbol.clone(),
                definition: market.definition.clone(),
                spec: market.spec,
            });
            let markets: Vec<MarketEntry> = markets.collect();
            let assets = tenant.assets.iter();
            let assets: Vec<AssetEntry> =
                assets.map(|asset| AssetEntry { name: asset.name.clone(), scale: asset.scale }).collect();
            directory.by_name.insert(tenant.name.clone(), id);
            directory.tenants.push(TenantEntry {
                id,
                name: tenant.name.clone(),
                shards: tenant.shards(),
                market_by_symbol: markets.iter().map(|market| (market.symbol.clone(), market.id)).collect(),
                asset_by_name: numbered(assets.iter().map(|asset| asset.name.clone()), AssetId),
                assets,
                markets,
                limits: tenant.limits,
                rails: (0..).map_while(|number| tenant.wallet.rail(RailId(number))).collect(),
                is_shadow: setup.tenants.iter().any(|it| it.is_shadow && it.name == tenant.name),
                accounts: before.tenant(id).map(|tenant| Arc::clone(&tenant.accounts)).unwrap_or_default(),
            });
            directory.tenants[number].accounts.become_durable(&tenant.accounts);
        }
        directory
    }

    /// The tenants by number.
    #[must_use]
    pub fn tenants(&self) -> &[TenantEntry] {
        &self.tenants
    }

    /// A tenant by number.
    #[must_use]
    pub fn tenant(&self, tenant: TenantId) -> Option<&TenantEntry> {
        self.tenants.get(tenant.0 as usize)
    }

    /// A tenant by name.
    #[must_use]
    pub fn tenant_named(&self, name: &str) -> Option<&TenantEntry> {
        self.tenant(*self.by_name.get(name)?)
    }
}

impl TenantEntry {
    /// A market by symbol.
    #[must_use]
    pub fn market_named(&self, symbol: &str) -> Option<&MarketEntry> {
        self.market(*self.market_by_symbol.get(symbol)?)
    }

    /// A market by number.
    #[must_use]
    pub fn market(&self, market: MarketId) -> Option<&MarketEntry> {
        self.markets.get(usize::from(market.0))
    }

    /// An asset by number.
    #[must_use]
    pub fn asset(&self, asset: AssetId) -> Option<&AssetEntry> {
        self.assets.get(usize::from(asset.0))
    }

    /// An asset's number by its name.
    #[must_use]
    pub fn asset_named(&self, name: &str) -> Option<AssetId> {
        self.asset_by_name.get(name).copied()
    }

    /// An account's number by its user's name.
    #[must_use]
    pub fn account_named(&self, name: &str) -> Option<AccountId> {
        self.accounts.named(name)
    }
}

/// The accounts of a tenant by number and by name.
///
/// The wallet's actor adds one when it opens it; others see it when that is durable. Every look takes a
/// lock for as long as a map is asked, and none is held longer.
#[derive(Debug, Default)]
pub struct Accounts {
    names: RwLock<Names>,
    /// How many others may see.
    shown: AtomicUsize,
}

#[derive(Debug, Default)]
struct Names {
    by_number: Vec<Arc<str>>,
    by_name: HashMap<Arc<str>, AccountId>,
}

impl Accounts {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shown.load(Ordering::Acquire)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// An account's number by its user's name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<AccountId> {
        let account = self.opened(name)?;
        ((account.0 as usize) < self.len()).then_some(account)
    }

    /// The name of an account's user.
    #[must_use]
    pub fn name(&self, account: AccountId) -> Option<Arc<str>> {
        let number = account.0 as usize;
        if number >= self.len() {
            return None;
        }
        self.read().by_number.get(number).cloned()
    }

    /// All names by number.
    #[must_use]
    pub fn names(&self) -> Vec<Arc<str>> {
        let shown = self.len();
        self.read().by_number.iter().take(shown).cloned().collect()
    }

    /// The same as [`Self::named`], also of an account that is not durable yet.
    pub(crate) fn opened(&self, name: &str) -> Option<AccountId> {
        self.read().by_name.get(name).copied()
    }

    /// How many there are, those that others do not see yet included.
    pub(crate) fn opened_count(&self) -> usize {
        self.read().by_number.len()
    }

    /// Adds the next one, which others do not see yet. Gives the number of all.
    pub(crate) fn open(&self, name: &str) -> usize {
        self.write().push(name)
    }

    /// Lets others see so many.
    pub(crate) fn show(&self, count: usize) {
        self.shown.store(count, Ordering::Release);
    }

    /// Forgets what never became durable, and takes over what did.
    fn become_durable(&self, durable: &[String]) {
        let mut names = self.write();
        let kept = names.by_number.len().min(durable.len());
        let gone = names.by_number.split_off(kept);
        for name in gone {
            names.by_name.remove(&name);
        }
        for name in &durable[names.by_number.len()..] {
            names.push(name);
        }
        self.show(names.by_number.len());
    }

    fn read(&self) -> RwLockReadGuard<'_, Names> {
        self.names.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Names> {
        self.names.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Names {
    fn push(&mut self, name: &str) -> usize {
        let name: Arc<str> = name.into();
        let number = AccountId(u32::try_from(self.by_number.len()).unwrap_or(u32::MAX));
        self.by_name.insert(Arc::clone(&name), number);
        self.by_number.push(name);
        self.by_number.len()
    }
}

fn numbered<Id>(names: impl Iterator<Item = String>, id: impl Fn(u16) -> Id) -> HashMap<String, Id> {
    names.zip(0..).map(|(name, number)| (name, id(number))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_seen_when_it_is_durable_and_gone_if_it_never_becomes_so() {
        let accounts = Accounts::default();
        accounts.become_durable(&["alice".to_owned()]);
        assert_eq!(accounts.open("bob"), 2);
        assert_eq!((accounts.opened("bob"), accounts.named("bob")), (Some(AccountId(1)), None));
        assert_eq!((accounts.len(), accounts.name(AccountId(1))), (1, None));
        accounts.show(2);
        assert_eq!(accounts.named("bob"), Some(AccountId(1)));
        assert_eq!(accounts.name(AccountId(1)).as_deref(), Some("bob"));
        accounts.open("carol");
        accounts.become_durable(&["alice".to_owned(), "bob".to_owned()]);
        assert_eq!(accounts.opened("carol"), None);
        assert_eq!(accounts.open("dave"), 3);
        accounts.become_durable(&["alice", "bob", "dave", "erin"].map(str::to_owned));
        assert_eq!(accounts.names().len(), 4);
        assert_eq!(accounts.named("erin"), Some(AccountId(3)));
    }
}
