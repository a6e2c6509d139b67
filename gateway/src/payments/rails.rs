//! The rails of tenants by name and by number, and which one a transaction takes.

use std::sync::{PoisonError, RwLock};

use rialto_actors::api::{MoneySettings, Query, Reply};
use rialto_engine::ids::{RailId, TenantId};
use rialto_engine::label::Label;
use rialto_engine::reason::Reason;
use rialto_engine::transaction::Body;

use super::refused;
use crate::error::ApiError;
use crate::worker::Worker;

/// What was last heard of the rails of every tenant. Names and numbers never change; whether a rail is
/// open does, and is the wallet's to judge.
#[derive(Debug, Default)]
pub struct RailNames {
    tenants: RwLock<Vec<Vec<(Label, bool)>>>,
}

impl RailNames {
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

    fn count(&self, tenant: TenantId) -> usize {
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        tenants.get(tenant.0 as usize).map_or(0, Vec::len)
    }

    fn hear(&self, tenant: TenantId, rails: &[(Label, bool)]) {
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        let place = tenant.0 as usize;
        if tenants.len() <= place {
            tenants.resize_with(place + 1, Vec::new);
        }
        rails.clone_into(&mut tenants[place]);
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
    Ok(settings.clone())
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
