//! Who is who: tenants, assets, markets and accounts by name and by number.
//!
//! The directory is made from the recovered partition and does not change while it runs.

use std::collections::HashMap;

use rialto_engine::ids::{AccountId, AssetId, MarketId, RailId, TenantId};
use rialto_engine::label::Label;
use rialto_engine::market::{MarketDefinition, MarketSpec};
use rialto_persistence::world::World;

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
    /// Its assets by number.
    pub assets: Vec<AssetEntry>,
    /// Its markets by number.
    pub markets: Vec<MarketEntry>,
    /// The names of its accounts by number.
    pub accounts: Vec<String>,
    /// The names of its rails by number, and whether they were open when it started.
    pub rails: Vec<(Label, bool)>,
    market_by_symbol: HashMap<String, MarketId>,
    asset_by_name: HashMap<String, AssetId>,
    account_by_name: HashMap<String, AccountId>,
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
                market_by_symbol: markets.iter().map(|market| (market.symbol.clone(), market.id)).collect(),
                asset_by_name: numbered(assets.iter().map(|asset| asset.name.clone()), AssetId),
                account_by_name: tenant
                    .accounts
                    .iter()
                    .zip(0..)
                    .map(|(name, number)| (name.clone(), AccountId(number)))
                    .collect(),
                assets,
                markets,
                accounts: tenant.accounts.clone(),
                rails: (0..).map_while(|number| tenant.wallet.rail(RailId(number))).collect(),
            });
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
        self.account_by_name.get(name).copied()
    }
}

fn numbered<Id>(names: impl Iterator<Item = String>, id: impl Fn(u16) -> Id) -> HashMap<String, Id> {
    names.zip(0..).map(|(name, number)| (name, id(number))).collect()
}
