//! Rate limits: how much a client may ask before he is told to wait.
//!
//! As in the dialect, two things are counted: the weight of the requests that come from one
//! address to one tenant, in a minute; and the orders of an account that have not traded, in ten
//! seconds and in a day. Intervals begin on the clock, for everybody at once.
//!
//! A count is one atomic number that all workers share: a limit holds exactly, however connections
//! fall on threads, and nothing on the way of an order waits for a lock. Counts live in memory;
//! after a restart they begin at zero. Nobody is banned: who is over a limit is refused until the
//! interval ends, and cancels are never refused for it.

mod accounts;
pub mod budget;
pub mod limit;
pub mod weight;
mod window;

use std::net::IpAddr;
use std::sync::Arc;

use rialto_actors::directory::{Directory, TenantEntry};
use rialto_engine::ids::TenantId;
use rialto_engine::units::Nanos;
use rialto_engine::update::{OrderEvent, OrderUpdate};

use self::accounts::Accounts;
use self::budget::{Addresses, Budget};
use self::limit::{DAY, Exceeded, Kind, MINUTE, RateLimit, TEN_SECONDS, Usage};
use self::window::Window;
use crate::keys::Identity;

/// What a tenant allows. Zero is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimits {
    /// The weight of what one address may ask in a minute.
    pub request_weight_per_minute: u32,
    /// Orders of one account that have not traded, in ten seconds.
    pub orders_per_10_seconds: u32,
    /// The same in a day.
    pub orders_per_day: u32,
}

/// A thousand times what the dialect's venue allows, and orders without limit: commands weigh only
/// where they are refused, so that a load of 100,000 a second stays below even if all of them are.
impl Default for RateLimits {
    fn default() -> Self {
        Self { request_weight_per_minute: 6_000_000, orders_per_10_seconds: 0, orders_per_day: 0 }
    }
}

impl RateLimits {
    /// Those that there are.
    pub fn rules(&self) -> impl Iterator<Item = RateLimit> + use<> {
        let [short, long] = self.orders();
        [self.weight(), short, long].into_iter().filter(|rule| rule.limit > 0)
    }

    /// What one address may ask.
    pub const fn weight(&self) -> RateLimit {
        RateLimit { kind: Kind::RequestWeight, interval: MINUTE, limit: self.request_weight_per_minute }
    }

    fn orders(&self) -> [RateLimit; 2] {
        let orders = |interval, limit| RateLimit { kind: Kind::Orders, interval, limit };
        [orders(TEN_SECONDS, self.orders_per_10_seconds), orders(DAY, self.orders_per_day)]
    }
}

/// How often a first trade takes orders off the count of its owner: once for who took, more for
/// who waited. The numbers are those of the example in the dialect's documents.
const CREDIT_OF_TAKER: u32 = 1;
const CREDIT_OF_MAKER: u32 = 5;

/// Counts for all tenants.
pub struct RateLimiter {
    tenants: Vec<TenantLimiter>,
    addresses: Arc<Addresses>,
}

struct TenantLimiter {
    limits: RateLimits,
    /// The orders of each account in ten seconds and in a day; `None` if they are without limit.
    accounts: Option<Arc<Accounts>>,
}

impl RateLimiter {
    /// The limits of a configuration by the names of tenants, for the tenants that there are.
    #[must_use]
    pub fn new(limits: &[(String, RateLimits)], directory: &Directory) -> Self {
        let tenant = |tenant: &TenantEntry| {
            let found = limits.iter().find(|(name, _)| *name == tenant.name);
            let limits = found.map(|(_, limits)| *limits).unwrap_or_default();
            let limited = limits.orders().iter().any(|rule| rule.limit > 0);
            TenantLimiter { limits, accounts: limited.then(Arc::default) }
        };
        Self { tenants: directory.tenants().iter().map(tenant).collect(), addresses: Arc::default() }
    }

    /// The same by other limits, for the tenants that there are now. What was counted stays counted.
    #[must_use]
    pub fn renewed(&self, limits: &[(String, RateLimits)], directory: &Directory) -> Self {
        let mut renewed = Self { addresses: Arc::clone(&self.addresses), ..Self::new(limits, directory) };
        for (tenant, before) in renewed.tenants.iter_mut().zip(&self.tenants) {
            if let (Some(accounts), Some(before)) = (&mut tenant.accounts, &before.accounts) {
                *accounts = Arc::clone(before);
            }
        }
        renewed
    }

    /// What a tenant allows. Requests that name no tenant are held against the defaults, together.
    #[must_use]
    pub fn limits(&self, tenant: Option<TenantId>) -> RateLimits {
        let found = tenant.and_then(|tenant| self.tenants.get(tenant.0 as usize));
        found.map(|tenant| tenant.limits).unwrap_or_default()
    }

    /// What an address may ask of a tenant. This takes a lock: workers keep what they get.
    #[must_use]
    pub fn budget(&self, tenant: Option<TenantId>, address: IpAddr, now: Nanos) -> Budget {
        self.addresses.budget(self.limits(tenant).weight(), tenant, address, now)
    }

    /// Counts orders of an account, all or none.
    ///
    /// # Errors
    /// The first limit that leaves no room for them; then they are not counted.
    pub fn take_orders(&self, identity: Identity, orders: u32, now: Nanos) -> Result<(), Exceeded> {
        let counts = || self.order_counts(identity);
        for (taken, (window, rule)) in counts().enumerate() {
            if !window.take(rule.interval.period(now), orders, rule.limit) {
                counts().take(taken).for_each(|(window, rule)| window.give_back(rule.interval.period(now), orders));
                return Err(Exceeded { limit: rule, now });
            }
        }
        Ok(())
    }

    /// Takes orders off the count of an account.
    pub fn give_back(&self, identity: Identity, orders: u32, now: Nanos) {
        for (window, rule) in self.order_counts(identity) {
            window.give_back(rule.interval.period(now), orders);
        }
    }

    /// An order that trades for the first time no longer counts.
    pub fn traded(&self, tenant: TenantId, updates: &[OrderUpdate], now: Nanos) {
        if self.tenants.get(tenant.0 as usize).is_none_or(|tenant| tenant.accounts.is_none()) {
            return;
        }
        for update in updates {
            if let OrderEvent::Trade(execution) = update.event
                && update.order.executed == execution.quantity
            {
                let credit = if execution.maker { CREDIT_OF_MAKER } else { CREDIT_OF_TAKER };
                self.give_back(Identity { tenant, account: update.order.account }, credit, now);
            }
        }
    }

    /// How much of its order limits an account has used.
    pub fn order_usage(&self, identity: Identity, now: Nanos) -> impl Iterator<Item = Usage> {
        let counts = self.order_counts(identity);
        counts.map(move |(window, limit)| Usage { limit, count: window.count(limit.interval.period(now)) })
    }

    fn order_counts(&self, identity: Identity) -> impl Iterator<Item = (&Window, RateLimit)> {
        let tenant = self.tenants.get(identity.tenant.0 as usize);
        let windows = tenant.and_then(|tenant| tenant.accounts.as_ref()).map(|accounts| accounts.of(identity.account));
        let counts = tenant.zip(windows).into_iter();
        let counts = counts.flat_map(|(tenant, windows)| windows.iter().zip(tenant.limits.orders()));
        counts.filter(|(_, rule)| rule.limit > 0)
    }
}

#[cfg(test)]
mod tests;
