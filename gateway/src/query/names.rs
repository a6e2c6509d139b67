//! What the numbers of a tenant are called, for tables and reports: by a server that runs, or by a data
//! directory that nobody serves.

use std::sync::Arc;

use rialto_actors::directory::{Directory, TenantEntry};
use rialto_engine::ids::{AccountId, AssetId, MarketId, RailId, TenantId};
use rialto_engine::wallet::{Cause, House, LedgerAccount};

use crate::gateway::Gateway;
use crate::reconcile::ledger::AccountKind;

/// The names of one tenant.
#[derive(Clone)]
pub enum Names {
    /// Those that a running server knows: they may become more.
    Live(Arc<Gateway>, TenantId),
    /// Those of a data directory: its tenant, and the rails by number.
    Kept(Arc<Directory>, TenantId, Arc<[String]>),
}

impl Names {
    /// Whose they are.
    #[must_use]
    pub const fn tenant(&self) -> TenantId {
        match self {
            Self::Live(_, tenant) | Self::Kept(_, tenant, _) => *tenant,
        }
    }

    /// A user.
    #[must_use]
    pub fn user(&self, account: AccountId) -> String {
        match self {
            Self::Live(gateway, tenant) => gateway.account_name(*tenant, account),
            Self::Kept(directory, tenant, _) => {
                let found = directory.tenant(*tenant).and_then(|tenant| tenant.accounts.name(account));
                found.map_or_else(|| account.to_string(), |name| name.to_string())
            }
        }
    }

    /// A rail.
    #[must_use]
    pub fn rail(&self, rail: RailId) -> String {
        match self {
            Self::Live(gateway, tenant) => gateway.rails.name(*tenant, rail),
            Self::Kept(.., rails) => rails.get(usize::from(rail.0)).cloned().unwrap_or_else(|| rail.to_string()),
        }
    }

    /// An asset: its name and the decimals of its minor unit.
    #[must_use]
    pub fn asset(&self, asset: AssetId) -> (&str, u8) {
        let found = self.entry().and_then(|tenant| tenant.asset(asset));
        found.map_or(("", 0), |asset| (asset.name.as_str(), asset.scale))
    }

    /// The most decimals that an asset has.
    #[must_use]
    pub fn scale_max(&self) -> u8 {
        self.entry().map_or(0, |tenant| tenant.assets.iter().map(|asset| asset.scale).max().unwrap_or(0))
    }

    /// A market.
    #[must_use]
    pub fn market(&self, market: MarketId) -> &str {
        self.entry().and_then(|tenant| tenant.market(market)).map_or("", |market| market.symbol.as_str())
    }

    /// An account of the ledger: `available:alice`, `external:bank`, `suspense`.
    #[must_use]
    pub fn account(&self, account: LedgerAccount) -> String {
        let kind = self.kind(AccountKind::of(account));
        match account {
            LedgerAccount::Available(user)
            | LedgerAccount::Held(user)
            | LedgerAccount::Outgoing(user)
            | LedgerAccount::Incoming(user) => format!("{kind}:{}", self.user(user)),
            LedgerAccount::External(_) | LedgerAccount::House(_) => kind,
        }
    }

    /// A kind of accounts: `available`, `external:bank`, `suspense`.
    #[must_use]
    pub fn kind(&self, kind: AccountKind) -> String {
        match kind {
            AccountKind::Available => "available".to_owned(),
            AccountKind::Held => "held".to_owned(),
            AccountKind::Outgoing => "outgoing".to_owned(),
            AccountKind::Incoming => "incoming".to_owned(),
            AccountKind::External(rail) => format!("external:{}", self.rail(rail)),
            AccountKind::House(house) => House::ALL.get(usize::from(house)).map_or("", |house| house.name()).to_owned(),
        }
    }

    fn entry(&self) -> Option<&TenantEntry> {
        match self {
            Self::Live(gateway, tenant) => gateway.directory.tenant(*tenant),
            Self::Kept(directory, tenant, _) => directory.tenant(*tenant),
        }
    }
}

/// What an entry's cause is called, and its number.
#[must_use]
pub const fn cause(cause: Cause) -> (&'static str, u64) {
    match cause {
        Cause::Deposit(number) => ("deposit", number),
        Cause::Hold(order) => ("hold", order.0),
        Cause::Release(order) => ("release", order.0),
        Cause::Trade(_, trade) => ("trade", trade.0),
        Cause::Transaction(transaction) => ("transaction", transaction.0),
        Cause::Case(case) => ("case", case.0),
        Cause::Passage(number) => ("passage", number),
    }
}
