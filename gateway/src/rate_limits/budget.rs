//! The weight that an address has left.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use rialto_engine::ids::TenantId;
use rialto_engine::units::Nanos;

use super::RateLimiter;
use super::limit::{Exceeded, RateLimit, Usage};
use super::weight::Weight;
use super::window::Window;
use crate::error::ApiError;

/// What an address may ask of a tenant: shared by all its connections on all workers.
#[derive(Clone, Debug)]
pub struct Budget {
    window: Arc<Window>,
    limit: RateLimit,
}

impl Budget {
    /// From now on it is held to another limit. What was counted stays counted.
    pub fn hold_to(&mut self, limit: RateLimit) {
        self.limit = limit;
    }

    /// Counts a request, or sees that there is room for one that weighs only if it is refused.
    ///
    /// # Errors
    /// If there is no room.
    pub fn take(&self, weight: Weight, now: Nanos) -> Result<(), Exceeded> {
        let amount = match weight {
            _ if self.limit.limit == 0 => return Ok(()),
            Weight::Fixed(amount) => amount,
            Weight::IfRefused => 0,
            Weight::Exempt => return Ok(()),
        };
        if self.window.take(self.limit.interval.period(now), amount, self.limit.limit) {
            return Ok(());
        }
        Err(Exceeded { limit: self.limit, now })
    }

    /// Counts a refusal of a request that weighs only then. What the server could not do is no
    /// fault of the client's.
    pub fn refused(&self, weight: Weight, error: &ApiError, now: Nanos) {
        let weighs = !matches!(weight, Weight::Fixed(_)) && error.status < 500;
        if weighs && self.limit.limit > 0 {
            self.window.add(self.limit.interval.period(now), 1);
        }
    }

    /// How much is used, if there is a limit.
    #[must_use]
    pub fn usage(&self, now: Nanos) -> Option<Usage> {
        let usage = Usage { limit: self.limit, count: self.window.count(self.limit.interval.period(now)) };
        (self.limit.limit > 0).then_some(usage)
    }
}

type Client = (Option<TenantId>, IpAddr);

/// The budgets that a worker has met in this minute.
#[derive(Debug, Default)]
pub struct Budgets {
    period: u32,
    met: HashMap<Client, Budget>,
}

impl Budgets {
    /// What an address may ask of a tenant.
    pub fn of(&mut self, limiter: &RateLimiter, tenant: Option<TenantId>, address: IpAddr, now: Nanos) -> Budget {
        let period = super::MINUTE.period(now);
        if self.period != period {
            self.period = period;
            self.met.clear();
        }
        let client = (tenant, network(address));
        self.met.entry(client).or_insert_with(|| limiter.budget(tenant, client.1, now)).clone()
    }
}

/// All windows in use, by who fills them.
#[derive(Debug, Default)]
pub struct Addresses(Mutex<Windows>);

#[derive(Debug, Default)]
struct Windows {
    period: u32,
    windows: HashMap<Client, Arc<Window>>,
}

impl Addresses {
    /// The budget of a client.
    pub fn budget(&self, limit: RateLimit, tenant: Option<TenantId>, address: IpAddr, now: Nanos) -> Budget {
        let period = limit.interval.period(now);
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.period != period {
            windows.period = period;
            // Whoever did not come back leaves nothing behind.
            windows.windows.retain(|_, window| Arc::strong_count(window) > 1 || window.count(period) > 0);
        }
        let window = windows.windows.entry((tenant, address)).or_default();
        Budget { window: Arc::clone(window), limit }
    }
}

/// Whose address it is: of IPv6, a client has a whole network of 2^64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address => address,
    }
}
