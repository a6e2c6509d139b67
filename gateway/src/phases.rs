//! How markets stand, as the edge knows it.
//!
//! Market data knows it. While that begins anew, what it said last is good enough to be shown.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use rialto_actors::directory::Directory;
use rialto_engine::ids::{MarketId, TenantId};
use rialto_engine::message::Phase;

use crate::gateway::Gateway;

/// What was heard last of every market's phase.
pub struct Phases {
    tenants: Vec<Vec<Arc<AtomicU8>>>,
}

impl Phases {
    /// All markets, of which nothing was heard yet.
    #[must_use]
    pub fn new(directory: &Directory) -> Self {
        let number = Phase::default() as u8;
        let markets = |markets: usize| (0..markets).map(|_| Arc::new(AtomicU8::new(number))).collect();
        Self { tenants: directory.tenants().iter().map(|tenant| markets(tenant.markets.len())).collect() }
    }

    /// The same with markets that were opened since.
    #[must_use]
    pub fn renewed(&self, directory: &Directory) -> Self {
        let mut renewed = Self::new(directory);
        for (tenant, before) in renewed.tenants.iter_mut().zip(&self.tenants) {
            tenant.iter_mut().zip(before).for_each(|(phase, before)| *phase = Arc::clone(before));
        }
        renewed
    }

    /// What was heard last of a tenant's markets.
    #[must_use]
    pub fn heard(&self, tenant: TenantId) -> Vec<Phase> {
        let markets = self.tenants.get(tenant.0 as usize).map_or(&[][..], |markets| &markets[..]);
        let phase = |number: &Arc<AtomicU8>| Phase::ALL.get(usize::from(number.load(Ordering::Relaxed))).copied();
        markets.iter().map(|number| phase(number).unwrap_or_default()).collect()
    }

    /// Takes note of a market's phase.
    pub fn hear(&self, tenant: TenantId, market: MarketId, phase: Phase) {
        let markets = self.tenants.get(tenant.0 as usize);
        if let Some(number) = markets.and_then(|markets| markets.get(usize::from(market.0))) {
            number.store(phase as u8, Ordering::Relaxed);
        }
    }
}

/// The phases of a tenant's markets, by the markets' numbers.
pub async fn of(gateway: &Gateway, tenant: TenantId) -> Vec<Phase> {
    let phases = &gateway.phases;
    if let Ok(states) = gateway.exchange.market_data().states(tenant).await {
        for (market, state) in (0..).map(MarketId).zip(states) {
            phases.hear(tenant, market, state.phase);
        }
    }
    phases.heard(tenant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_numbered_as_they_are_declared() {
        for (number, phase) in (0_u8..).zip(Phase::ALL) {
            assert_eq!(phase as u8, number);
        }
    }

    #[test]
    fn what_was_heard_is_kept_by_market() {
        let exchange = crate::fixture::two_tenants();
        let phases = Phases::new(&exchange.directory());
        phases.hear(TenantId(1), MarketId(1), Phase::Auction);
        phases.hear(TenantId(9), MarketId(9), Phase::Auction);
        assert_eq!(phases.heard(TenantId(0)), [Phase::Continuous]);
        assert_eq!(phases.heard(TenantId(1)), [Phase::Continuous, Phase::Auction]);
        assert!(phases.heard(TenantId(2)).is_empty());
        exchange.shutdown();
    }
}
