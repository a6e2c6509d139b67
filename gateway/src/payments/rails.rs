//! The rails of tenants by name and by number, and which one a transaction takes.

use std::collections::HashMap;
use std::sync::{OnceLock, PoisonError, RwLock};
use std::time::Duration;

use rialto_actors::api::{MoneySettings, Query, RailView, Reply};
use rialto_actors::directory::{Directory, TenantEntry};
use rialto_actors::rails::RailsHandle;
use rialto_actors::rails::route::{AssetTerms, NoRoute, RailTerms};
use rialto_engine::ids::{AssetId, RailId, TenantId};
use rialto_engine::label::Label;
use rialto_engine::reason::Reason;
use rialto_engine::transaction::{Body, TransactionKind};
use rialto_engine::units::Amount;

use super::refused;
use crate::config::Config;
use crate::config::money::RailConfig;
use crate::error::ApiError;
use crate::rails::callback::Callers;
use crate::rails::sign::Credentials;
use crate::rails::wire::{Names, NamesOfNow};
use crate::worker::Worker;

/// What was last heard of the rails of every tenant. Names and numbers never change; whether a rail is
/// open does, and is the wallet's to judge.
#[derive(Debug, Default)]
pub struct RailNames {
    tenants: RwLock<Vec<Vec<(Label, bool)>>>,
}

impl RailNames {
    /// What is known at the start.
    #[must_use]
    pub fn new(directory: &Directory) -> Self {
        let tenants = directory.tenants().iter().map(|tenant| tenant.rails.clone());
        Self { tenants: RwLock::new(tenants.collect()) }
    }

    /// The name of a rail; its number where it was not heard of.
    #[must_use]
    pub fn name(&self, tenant: TenantId, rail: RailId) -> String {
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        let known = tenants.get(tenant.0 as usize).and_then(|rails| rails.get(usize::from(rail.0)));
        known.map_or_else(|| rail.to_string(), |(name, _)| name.to_string())
    }

    /// The rail of this name, and whether it was open when it was last heard of.
    #[must_use]
    pub fn find(&self, tenant: TenantId, name: &Label) -> Option<(RailId, bool)> {
        self.all(tenant).into_iter().find(|(_, known, _)| known == name).map(|(rail, _, is_open)| (rail, is_open))
    }

    /// All rails of a tenant.
    #[must_use]
    pub fn all(&self, tenant: TenantId) -> Vec<(RailId, Label, bool)> {
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        let rails = tenants.get(tenant.0 as usize).map_or(&[][..], Vec::as_slice);
        rails.iter().zip(0..).map(|((name, is_open), number)| (RailId(number), *name, *is_open)).collect()
    }

    /// Takes note of tenants that were opened since.
    pub fn know(&self, directory: &Directory) {
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        let known = tenants.len();
        tenants.extend(directory.tenants().iter().skip(known).map(|tenant| tenant.rails.clone()));
    }

    fn count(&self, tenant: TenantId) -> usize {
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        tenants.get(tenant.0 as usize).map_or(0, Vec::len)
    }

    fn hear(&self, tenant: TenantId, rails: &[RailView]) {
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        let place = tenant.0 as usize;
        if tenants.len() <= place {
            tenants.resize_with(place + 1, Vec::new);
        }
        tenants[place] = rails.iter().map(|rail| (rail.name, rail.is_open)).collect();
    }
}

/// Which rails take what, and who may call back for them.
#[derive(Default)]
pub struct Routes {
    rails: HashMap<(TenantId, RailId), RailEntry>,
    /// What the things of tenants are called towards their rails and whoever is told of events.
    names: HashMap<TenantId, NamesOfNow>,
    /// Those that run, once they do.
    running: OnceLock<RailsHandle>,
}

/// A rail of the configuration.
#[derive(Debug)]
struct RailEntry {
    terms: RailTerms,
    callers: Callers,
    /// How long a call of it may take.
    deadline: Duration,
}

impl Routes {
    /// The rails of a configuration. One that the wallet does not have is left out.
    #[must_use]
    pub fn new(config: &Config, directory: &Directory) -> Self {
        let mut routes = Self::default();
        for tenant in directory.tenants().iter().filter(|tenant| config.money(&tenant.name).is_some()) {
            let names = NamesOfNow::new(Names::of(tenant));
            routes.names.insert(tenant.id, names.clone());
            for rail in config.money(&tenant.name).into_iter().flat_map(|money| &money.rails) {
                if let Some(number) = number_of(tenant, rail) {
                    let (terms, callers) = (terms(tenant, number, rail), callers(names.clone(), rail));
                    let entry = RailEntry { terms, callers, deadline: rail.options.deadline };
                    routes.rails.insert((tenant.id, number), entry);
                }
            }
        }
        routes
    }

    /// The longest that a call of a rail of the tenant may take; zero where none is called.
    #[must_use]
    pub fn longest_call(&self, tenant: TenantId) -> Duration {
        let own = self.rails.iter().filter(|((of, _), _)| *of == tenant);
        own.map(|(_, entry)| entry.deadline).max().unwrap_or_default()
    }

    /// What the things of a tenant are called, of one that the configuration has.
    #[must_use]
    pub fn names(&self, tenant: TenantId) -> Option<&NamesOfNow> {
        self.names.get(&tenant)
    }

    /// Takes note of assets that were opened since.
    pub fn rename(&self, directory: &Directory) {
        for tenant in directory.tenants() {
            if let Some(names) = self.names(tenant.id) {
                names.renew(Names::of(tenant));
            }
        }
    }

    /// Lets the rails that run say which is best.
    pub fn run(&self, handle: RailsHandle) {
        self.running.set(handle).ok();
    }

    /// The rails that run.
    #[must_use]
    pub fn running(&self) -> Option<&RailsHandle> {
        self.running.get()
    }

    /// What a rail takes; `None` of one that the configuration does not have, which is worked by hand.
    #[must_use]
    pub fn terms(&self, tenant: TenantId, rail: RailId) -> Option<&RailTerms> {
        self.rails.get(&(tenant, rail)).map(|entry| &entry.terms)
    }

    /// Who may call back for a rail.
    #[must_use]
    pub fn callers(&self, tenant: TenantId, rail: RailId) -> Option<&Callers> {
        self.rails.get(&(tenant, rail)).map(|entry| &entry.callers)
    }

    /// Whether a rail that was named takes a deposit or withdrawal.
    ///
    /// # Errors
    /// If it takes none of the kind, or not this amount.
    pub fn admits(&self, tenant: TenantId, rail: RailId, body: &Body) -> Result<(), ApiError> {
        let Some(terms) = self.terms(tenant, rail) else { return Ok(()) };
        let (kind, asset, amount) = wanted(body)?;
        let line = terms.assets.iter().find(|line| (line.kind, line.asset) == (kind, asset));
        let line = line.ok_or_else(ApiError::no_rail)?;
        if line.least <= amount && amount <= line.most { Ok(()) } else { Err(ApiError::outside_rail_limits()) }
    }

    /// The rail that suits a deposit or withdrawal best.
    ///
    /// # Errors
    /// If there is none.
    pub fn choose(&self, tenant: TenantId, body: &Body) -> Result<RailId, ApiError> {
        let (kind, asset, amount) = wanted(body)?;
        let running = self.running().ok_or_else(ApiError::no_rail)?;
        running.route(tenant, kind, asset, amount).map_err(|none| match none {
            NoRoute::Unserved => ApiError::no_rail(),
            NoRoute::AmountOutOfRange => ApiError::outside_rail_limits(),
            NoRoute::AllDown => ApiError::rails_down(),
        })
    }
}

/// The number of a rail of the configuration.
#[must_use]
pub fn number_of(tenant: &TenantEntry, rail: &RailConfig) -> Option<RailId> {
    let place = tenant.rails.iter().position(|(name, _)| *name == rail.name)?;
    u16::try_from(place).ok().map(RailId)
}

/// What a rail of the configuration takes.
#[must_use]
pub fn terms(tenant: &TenantEntry, number: RailId, rail: &RailConfig) -> RailTerms {
    let mut assets = Vec::new();
    for line in &rail.assets {
        let Some(asset) = tenant.asset_named(&line.asset) else { continue };
        assets.extend(line.kinds.iter().map(|kind| AssetTerms {
            kind: *kind,
            asset,
            least: line.least,
            most: line.most,
            fixed: line.fixed,
            rate: line.rate.0,
        }));
    }
    RailTerms { rail: number, priority: rail.priority, assets }
}

fn callers(names: NamesOfNow, rail: &RailConfig) -> Callers {
    let (key, secret) = &rail.callback_key;
    Callers { credentials: Credentials::new(key.clone(), secret), names, window: rail.callback_window }
}

fn wanted(body: &Body) -> Result<(TransactionKind, AssetId, Amount), ApiError> {
    match body {
        Body::Deposit { asset, amount, .. } | Body::Withdrawal { asset, amount, .. } => {
            Ok((body.kind(), *asset, *amount))
        }
        _ => Err(refused(Reason::WrongTransactionKind)),
    }
}

/// What is set for the movement of a tenant's money. What it says of rails is taken note of.
///
/// # Errors
/// If the exchange does not run, or has no room.
pub async fn settings(worker: &Worker, tenant: TenantId) -> Result<MoneySettings, ApiError> {
    let release = super::query(worker, tenant, Query::Money).await?;
    let Some((_, Reply::Money(settings))) = &release.answer else { return Err(ApiError::unknown()) };
    worker.gateway.rails.hear(tenant, &settings.rails);
    Ok(MoneySettings::clone(settings))
}

/// Makes sure that the name of a rail is known.
///
/// # Errors
/// As [`settings`].
pub async fn learn(worker: &Worker, tenant: TenantId, rail: RailId) -> Result<(), ApiError> {
    if usize::from(rail.0) >= worker.gateway.rails.count(tenant) {
        settings(worker, tenant).await?;
    }
    Ok(())
}

/// The rail of this name. One that is new is asked for.
///
/// # Errors
/// If there is none.
pub async fn named(worker: &Worker, tenant: TenantId, name: &str) -> Result<RailId, ApiError> {
    let unknown = || refused(Reason::UnknownRail);
    let label = Label::new(name).ok_or_else(unknown)?;
    let found = match worker.gateway.rails.find(tenant, &label) {
        Some(found) => Some(found),
        None => {
            settings(worker, tenant).await?;
            worker.gateway.rails.find(tenant, &label)
        }
    };
    found.map(|(rail, _)| rail).ok_or_else(unknown)
}

/// The rail that a deposit or withdrawal takes: the one that is named, or the one that suits best.
///
/// # Errors
/// If there is none of this name, or none that takes it.
pub async fn choose(worker: &Worker, tenant: TenantId, body: &Body, name: Option<&str>) -> Result<RailId, ApiError> {
    if let Some(name) = name {
        let rail = named(worker, tenant, name).await?;
        return worker.gateway.routes.admits(tenant, rail, body).map(|()| rail);
    }
    worker.gateway.routes.choose(tenant, body)
}
