//! Which of a tenant's wallets one is, and so which accounts and orders are its own.

use super::Wallet;
use crate::ids::{AccountId, OrderId, ShardId};
use crate::units::Nanos;

/// The most wallets that a tenant may have.
pub const SHARDS_MAX: u16 = 64;

/// The time that passes between two order numbers of a wallet that has little to do: 2^14 ns. With
/// [`SHARDS_MAX`] wallets, numbers stay below 2^53 until 2043.
const ORDER_TIME_SHIFT: u32 = 14;

/// Which of a tenant's wallets one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sharing {
    index: u16,
    of: u16,
}

impl Default for Sharing {
    /// The only one.
    fn default() -> Self {
        Self { index: 0, of: 1 }
    }
}

impl Sharing {
    /// One of so many; at least one.
    #[must_use]
    pub fn new(shard: ShardId, of: u16) -> Self {
        assert!(shard.0 < of && of <= SHARDS_MAX, "wallet {shard} of {of}");
        Self { index: shard.0, of }
    }

    /// Its number.
    #[must_use]
    pub const fn shard(self) -> ShardId {
        ShardId(self.index)
    }

    /// How many there are.
    #[must_use]
    pub const fn of(self) -> u16 {
        self.of
    }

    /// Whether there is more than one.
    #[inline]
    #[must_use]
    pub const fn is_shared(self) -> bool {
        self.of > 1
    }

    /// The wallet in which an account is at home.
    #[must_use]
    pub fn home_of(account: AccountId, of: u16) -> ShardId {
        ShardId(u16::try_from(account.0 % u32::from(of)).unwrap_or(0))
    }

    /// The wallet whose order this is.
    #[must_use]
    pub fn shard_of(order: OrderId, of: u16) -> ShardId {
        ShardId(u16::try_from(order.0.wrapping_sub(1) % u64::from(of)).unwrap_or(0))
    }

    /// How far apart the numbers of orders are that come one after the other.
    #[inline]
    pub(super) const fn orders_apart(self) -> u64 {
        self.of as u64
    }

    #[inline]
    pub(super) fn is_home(self, account: AccountId) -> bool {
        !self.is_shared() || Self::home_of(account, self.of).0 == self.index
    }
}

impl Wallet {
    /// Which of the tenant's wallets it is.
    #[must_use]
    pub fn sharing(&self) -> Sharing {
        self.sharing
    }

    /// The number of the next order, which is accepted at this time. Those of several wallets go by
    /// time, as far as it is told, so that the younger order has the higher number.
    #[inline]
    pub(super) fn next_order(&self, time: Nanos) -> OrderId {
        if !self.sharing.is_shared() {
            return OrderId(self.last_order + 1);
        }
        let Sharing { index, of } = self.sharing;
        let after_last = self.last_order.saturating_sub(1) / u64::from(of) + 1;
        let turn = after_last.max(time.0 >> ORDER_TIME_SHIFT);
        OrderId(turn * u64::from(of) + u64::from(index) + 1)
    }

    /// Whether an order is one of this wallet's.
    #[inline]
    pub(super) fn owns(&self, order: OrderId) -> bool {
        !self.sharing.is_shared() || Sharing::shard_of(order, self.sharing.of).0 == self.sharing.index
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wallet::WalletLimits;

    #[test]
    fn order_numbers_of_several_wallets_follow_the_time_and_fit_a_double() {
        let limits = WalletLimits::default();
        let of = |shard| Wallet::shared(limits, Sharing::new(ShardId(shard), SHARDS_MAX));
        // The end of 2040.
        let late = Nanos(2_240_000_000_000_000_000);
        for shard in [0, 1, 63] {
            let mut wallet = of(shard);
            let mut last = OrderId(0);
            for time in [Nanos::ZERO, Nanos(1), Nanos(1 << 20), Nanos(1 << 20), Nanos(5), late, late, Nanos(7)] {
                let id = wallet.next_order(time);
                assert!(id > last && wallet.owns(id), "order {id} of wallet {shard}");
                assert_eq!(Sharing::shard_of(id, SHARDS_MAX), ShardId(shard));
                assert!(id.0 < 1 << 53);
                (last, wallet.last_order) = (id, id.0);
            }
        }
        let (earlier, later) = (of(63).next_order(Nanos(1 << 30)), of(0).next_order(Nanos((1 << 30) + (1 << 14))));
        assert!(earlier < later, "the younger order has the higher number, whichever wallet it is of");
    }

    #[test]
    fn orders_of_the_only_wallet_are_counted_from_one() {
        let mut wallet = Wallet::new(WalletLimits::default());
        for number in 1..4 {
            let id = wallet.next_order(Nanos(u64::MAX));
            assert_eq!(id, OrderId(number));
            assert!(wallet.owns(id));
            wallet.last_order = id.0;
        }
    }
}
