//! How long what a tenant opens may keep everybody else waiting.
//!
//! An opening pauses the whole partition for some milliseconds, and a change of terms can be repeated for ever.
//! A tenant may have others wait for some seconds at first, and for a twentieth of the time from then on. Who runs
//! the platform is held to nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What a tenant may owe, in nanoseconds.
const ROOM: u64 = 3_000_000_000;
/// One part in so many of the time that passes is forgiven.
const PARTS: u64 = 20;

/// What tenants owe. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Pauses {
    tenants: Arc<Mutex<HashMap<String, Debt>>>,
}

/// So many nanoseconds were owed at a time.
#[derive(Clone, Copy, Debug, Default)]
struct Debt {
    owed: u64,
    at: u64,
}

impl Pauses {
    /// Whether a tenant may have others wait now; if not, in how many seconds. `now` is in nanoseconds of the
    /// monotonic clock.
    ///
    /// # Errors
    /// The seconds.
    pub fn admit(&self, tenant: &str, now: u64) -> Result<(), u32> {
        let tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let owed = tenants.get(tenant).map_or(0, |debt| debt.at(now));
        match owed.checked_sub(ROOM) {
            None => Ok(()),
            Some(above) => Err(u32::try_from((above + 1) * PARTS / 1_000_000_000 + 1).unwrap_or(u32::MAX)),
        }
    }

    /// Others have waited so long for a tenant.
    pub fn charge(&self, tenant: &str, pause: Duration, now: u64) {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let debt = tenants.entry(tenant.to_owned()).or_default();
        let pause = u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX / PARTS);
        *debt = Debt { owed: debt.at(now).saturating_add(pause).min(u64::MAX / PARTS / 2), at: now };
    }
}

impl Debt {
    const fn at(self, now: u64) -> u64 {
        self.owed.saturating_sub(now.saturating_sub(self.at) / PARTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_that_has_kept_others_waiting_waits_itself_and_no_other_does() {
        const SECOND: u64 = 1_000_000_000;
        let pauses = Pauses::default();
        let mut now = 5 * SECOND;
        for _ in 0..97 {
            assert_eq!(pauses.admit("acme", now), Ok(()));
            pauses.charge("acme", Duration::from_millis(31), now);
            now += 1_000_000;
        }
        let wait = pauses.admit("acme", now).expect_err("three seconds and more");
        assert!((1..=3).contains(&wait), "{wait}");
        assert_eq!(pauses.admit("bolt", now), Ok(()));
        now += u64::from(wait) * SECOND;
        assert_eq!(pauses.admit("acme", now), Ok(()), "as was promised");
        // From then on it is a twentieth of the time.
        let (mut opened, began) = (0, now);
        while now < began + 100 * SECOND {
            if pauses.admit("acme", now).is_ok() {
                pauses.charge("acme", Duration::from_millis(50), now);
                opened += 1;
            }
            now += SECOND / 100;
        }
        assert!((99..=102).contains(&opened), "{opened}");
        pauses.charge("acme", Duration::MAX, now);
        assert!(pauses.admit("acme", now).is_err());
    }
}
