//! What goes wrong, and how often.
//!
//! Whether a fault happens depends on the seed, the fault, the payment and how often that was asked about: not
//! on the order in which requests arrive, so that a run can be repeated.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// A request is not carried out and gets no answer.
    TimeoutBefore,
    /// A request is carried out and gets no answer.
    TimeoutAfter,
    /// A request is not carried out and is answered with 500.
    ErrorBefore,
    /// A request is carried out and is answered with 500.
    ErrorAfter,
    /// A request is carried out and is answered with something else than JSON.
    Garbage,
    /// A request is carried out late.
    Slow,
    /// A callback is not sent, until `POST /control/redeliver`.
    LostCallback,
    /// A callback is sent twice.
    DuplicateCallback,
    /// The callback of what a submit does is delivered before the submit is answered.
    EarlyCallback,
    /// A withdrawal is rejected.
    Reject,
    /// A withdrawal is carried out only after a while; its submit is answered as accepted.
    Delay,
    /// Half of a withdrawal is paid.
    Partial,
    /// A withdrawal is paid with one unit too many.
    WrongAmount,
    /// A withdrawal is paid, or a deposit paid in, in another currency.
    WrongCurrency,
    /// A withdrawal is paid in a currency that nobody knows.
    UnknownCurrency,
    /// A cancel is answered as canceled, and the withdrawal is paid all the same.
    LateSuccess,
    /// A withdrawal is paid twice.
    DuplicatePayout,
    /// What was paid comes back a while later.
    Bounce,
    /// What is paid in is pending for a while.
    Pending,
    /// What is paid in is pending, and is then taken back.
    Return,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::TimeoutBefore,
        Self::TimeoutAfter,
        Self::ErrorBefore,
        Self::ErrorAfter,
        Self::Garbage,
        Self::Slow,
        Self::LostCallback,
        Self::DuplicateCallback,
        Self::EarlyCallback,
        Self::Reject,
        Self::Delay,
        Self::Partial,
        Self::WrongAmount,
        Self::WrongCurrency,
        Self::UnknownCurrency,
        Self::LateSuccess,
        Self::DuplicatePayout,
        Self::Bounce,
        Self::Pending,
        Self::Return,
    ];
}

/// Which deposits customers pay in by themselves, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Customers {
    /// None.
    #[default]
    None,
    /// All, as they should.
    Whole,
    /// In two parts.
    Parts,
    /// Too much.
    Over,
    /// Too little, and never the rest.
    Under,
    /// Twice.
    Twice,
    /// Much later.
    Late,
    /// Each of these, and some never.
    Mixed,
}

/// How the bank behaves.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// What chance comes from.
    pub seed: u64,
    /// How often, in 1/10,000.
    pub chances: BTreeMap<Fault, u32>,
    /// How long something takes that is late, at most.
    pub slow_ms: u64,
    /// How long a request hangs that gets no answer.
    pub hang_ms: u64,
    /// How long until customers pay in, at most; what is late takes twenty times as long.
    pub delay_ms: u64,
    /// What customers do.
    pub customers: Customers,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            seed: 1,
            chances: BTreeMap::new(),
            slow_ms: 200,
            hang_ms: 20_000,
            delay_ms: 200,
            customers: Customers::None,
        }
    }
}

impl Behaviour {
    /// Every fault but for those named, with one chance.
    #[must_use]
    pub fn with_all(mut self, chance: u32, except: &[Fault]) -> Self {
        let faults = Fault::ALL.into_iter().filter(|fault| !except.contains(fault));
        self.chances = faults.map(|fault| (fault, chance)).collect();
        self
    }

    /// Whether a fault happens to a key, when it is asked about for the `nth` time.
    #[must_use]
    pub fn hits(&self, fault: Fault, key: &str, nth: u64) -> bool {
        let chance = self.chances.get(&fault).copied().unwrap_or(0);
        self.draw(fault as u64, key, nth) % 10_000 < u64::from(chance)
    }

    /// A number up to `most` that depends on the same.
    #[must_use]
    pub fn up_to(&self, most: u64, what: u64, key: &str, nth: u64) -> u64 {
        self.draw(1_000 + what, key, nth) % most.saturating_add(1)
    }

    /// What a customer does about a deposit.
    #[must_use]
    pub fn customer(&self, key: &str) -> Customers {
        if self.customers != Customers::Mixed {
            return self.customers;
        }
        match self.draw(2_000, key, 0) % 100 {
            0..40 => Customers::Whole,
            40..60 => Customers::Parts,
            60..70 => Customers::Over,
            70..80 => Customers::Under,
            80..87 => Customers::Twice,
            87..95 => Customers::Late,
            _ => Customers::None,
        }
    }

    fn draw(&self, what: u64, key: &str, nth: u64) -> u64 {
        // FNV-1a over the key, then SplitMix64.
        let hash = key
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let mut mixed = hash ^ self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (what << 32) ^ nth;
        for _ in 0..2 {
            mixed = mixed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^= mixed >> 31;
        }
        mixed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_happen_as_often_as_they_should_and_by_the_seed() {
        let behaviour = Behaviour::default().with_all(1_000, &[Fault::Reject]);
        let keys: Vec<String> = (0..10_000).map(|number| format!("acme/w-{number}")).collect();
        let count = |behaviour: &Behaviour, fault| keys.iter().filter(|key| behaviour.hits(fault, key, 0)).count();
        assert!((850..1_150).contains(&count(&behaviour, Fault::Bounce)));
        assert_eq!(count(&behaviour, Fault::Reject), 0);
        let both = |key: &&String| behaviour.hits(Fault::Bounce, key, 0) && behaviour.hits(Fault::Partial, key, 0);
        assert!((50..150).contains(&keys.iter().filter(both).count()), "they are independent");
        let other = Behaviour { seed: 2, ..behaviour.clone() };
        assert!(keys.iter().any(|key| behaviour.hits(Fault::Bounce, key, 0) != other.hits(Fault::Bounce, key, 0)));
        assert!(keys.iter().any(|key| behaviour.hits(Fault::Slow, key, 0) != behaviour.hits(Fault::Slow, key, 1)));
    }
}
