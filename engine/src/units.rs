//! Numbers that carry their unit.
//!
//! Every quantity of the engine is an integer. Limits are proven once, when a market is opened
//! ([`crate::market::MarketSpec::open`]), so that the arithmetic below cannot overflow later.

use std::fmt;

macro_rules! unit {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl $name {
            /// None of it.
            pub const ZERO: Self = Self(0);

            /// Whether there is none of it.
            #[must_use]
            #[inline]
            pub const fn is_zero(self) -> bool {
                self.0 == 0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }

        impl std::ops::Add for $name {
            type Output = Self;
            #[inline]
            fn add(self, other: Self) -> Self {
                Self(self.0 + other.0)
            }
        }

        impl std::ops::Sub for $name {
            type Output = Self;
            #[inline]
            fn sub(self, other: Self) -> Self {
                Self(self.0 - other.0)
            }
        }

        impl std::ops::AddAssign for $name {
            #[inline]
            fn add_assign(&mut self, other: Self) {
                self.0 += other.0;
            }
        }

        impl std::ops::SubAssign for $name {
            #[inline]
            fn sub_assign(&mut self, other: Self) {
                self.0 -= other.0;
            }
        }
    };
}

unit! {
    /// A price in ticks of its market. Zero stands for "no limit" in market orders.
    Price(u64)
}
unit! {
    /// A quantity of the base asset in lots of its market.
    Quantity(u64)
}
unit! {
    /// A price times a quantity, in tick-lots: the exact notional before it is turned into money.
    Notional(u64)
}
unit! {
    /// Money in minor units of its asset. Signed, because accounts such as `External` are
    /// negative by design.
    Amount(i128)
}
unit! {
    /// A rate in hundredths of a percent.
    BasisPoints(u32)
}
unit! {
    /// A fee in hundredths of a percent. Below zero it is a rebate: the house pays.
    FeeRate(i32)
}
unit! {
    /// A time in nanoseconds since the Unix epoch, UTC.
    Nanos(u64)
}

impl Nanos {
    /// Whole milliseconds, rounded down: the unit of the wire dialect.
    #[must_use]
    pub const fn millis(self) -> u64 {
        self.0 / 1_000_000
    }
}

impl Price {
    /// The exact notional of `quantity` at this price. In range by the proof of the market.
    #[must_use]
    #[inline]
    pub const fn times(self, quantity: Quantity) -> Notional {
        Notional(self.0 * quantity.0)
    }
}

impl Quantity {
    /// The smaller of two quantities.
    #[must_use]
    #[inline]
    pub fn min(self, other: Self) -> Self {
        Self(self.0.min(other.0))
    }
}

/// Which way a fraction of a minor unit is rounded, named after who gains it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// Up: what a payer owes. The house keeps the difference in `Rounding`.
    Ceil,
    /// Down: what a receiver gets. The house keeps the difference in `Rounding`.
    Floor,
}

/// `value * numerator / denominator` for non-negative values, rounded as named.
/// In range by the proof of the market.
#[must_use]
pub fn scale(value: i128, numerator: u64, denominator: u64, rounding: Rounding) -> i128 {
    let product = value * i128::from(numerator);
    if denominator == 1 {
        return product;
    }
    let denominator = i128::from(denominator);
    match rounding {
        Rounding::Floor => product / denominator,
        Rounding::Ceil => (product + denominator - 1) / denominator,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaling_rounds_to_the_named_side() {
        assert_eq!(scale(10, 1, 3, Rounding::Floor), 3);
        assert_eq!(scale(10, 1, 3, Rounding::Ceil), 4);
        assert_eq!(scale(9, 1, 3, Rounding::Ceil), 3);
        assert_eq!(scale(7, 5, 1, Rounding::Ceil), 35);
        assert_eq!(scale(0, 5, 100, Rounding::Ceil), 0);
    }
}
