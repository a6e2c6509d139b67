//! Which transactions can still change, and which of them wait for an operator: what would otherwise have to
//! be counted among all that have a timer.

use std::collections::BTreeSet;

use rialto_engine::ids::TransactionId;
use rialto_engine::transaction::{Transaction, TransactionEvent};
use rialto_engine::units::Nanos;
use rialto_engine::wallet::Wallet;

/// The most that a look-up gives.
pub const LISTED_MAX: usize = 1_000;

/// Of one wallet.
#[derive(Debug, Default)]
pub struct Pending {
    open: BTreeSet<TransactionId>,
    stuck: BTreeSet<TransactionId>,
}

impl Pending {
    /// Of a recovered wallet.
    #[must_use]
    pub fn of(wallet: &Wallet) -> Self {
        let numbers = |is_one: fn(&Transaction) -> bool| {
            wallet.live_transactions().filter(|it| is_one(it)).map(|it| it.number).collect()
        };
        Self { open: numbers(|it| !it.state.is_final()), stuck: numbers(|it| it.is_stuck) }
    }

    /// Takes in what happened.
    pub fn happened(&mut self, event: &TransactionEvent) {
        let Transaction { number, state, is_stuck, .. } = event.transaction;
        if state.is_final() {
            self.open.remove(&number);
        } else {
            self.open.insert(number);
        }
        if is_stuck {
            self.stuck.insert(number);
        }
    }

    /// Takes in that something may have got a transaction further without an event.
    pub fn looked_at(&mut self, wallet: &Wallet, number: TransactionId) {
        if self.stuck.contains(&number) && wallet.live_transaction(number).is_none_or(|it| !it.is_stuck) {
            self.stuck.remove(&number);
        }
    }

    /// How many can still change.
    #[must_use]
    pub fn count(&self) -> usize {
        self.open.len()
    }

    /// How many wait for an operator.
    #[must_use]
    pub fn stuck(&self) -> usize {
        self.stuck.len()
    }

    /// When the oldest one that can still change was tried.
    #[must_use]
    pub fn oldest(&self, wallet: &Wallet) -> Option<Nanos> {
        let number = self.open.first()?;
        wallet.live_transaction(*number).map(|transaction| transaction.opened)
    }

    /// Transactions that have a timer, the oldest first.
    #[must_use]
    pub fn transactions(&self, wallet: &Wallet, stuck_only: bool, limit: usize) -> Vec<Transaction> {
        let limit = limit.min(LISTED_MAX);
        if stuck_only {
            self.stuck.iter().filter_map(|number| wallet.live_transaction(*number)).take(limit).cloned().collect()
        } else {
            wallet.live_transactions().take(limit).cloned().collect()
        }
    }
}
