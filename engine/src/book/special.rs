//! What the book keeps beside its displayed orders: what some of them ask for while they rest, and
//! orders that wait until another one is filled.
//!
//! Plain orders have nothing here. A displayed order that is an iceberg, is good till some time, or
//! belongs to a list has a record; its node in the book carries a mark that says so.

use std::collections::{BTreeMap, BTreeSet};

use super::SpecialOrder;
use crate::ids::{AccountId, OrderId};
use crate::order::{Display, Instructions, Lifetime, NewOrder};
use crate::slab::{Index, Paired, Slab};
use crate::units::{Nanos, Quantity};

/// The records of displayed orders that ask for something while they rest.
#[derive(Clone, Debug, Default)]
pub struct Specials {
    records: Slab<SpecialOrder>,
    by_id: Index<Paired>,
    /// Their numbers in order, for snapshots and auctions.
    ids: BTreeSet<OrderId>,
}

impl Specials {
    /// Whether an order needs a record while it is displayed.
    pub fn needed(asks: &Instructions) -> bool {
        matches!(asks.display, Display::Iceberg(_)) || asks.lifetime != Lifetime::UntilCancelled || asks.link.is_some()
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// All of them, by number.
    pub fn iter(&self) -> impl Iterator<Item = &SpecialOrder> {
        self.ids.iter().filter_map(|order| self.get(*order))
    }

    pub fn insert(&mut self, record: SpecialOrder) {
        self.ids.insert(record.id);
        let slot = self.records.insert(record);
        self.by_id.insert(record.id.0, slot, |slot| self.records[slot].id.0);
    }

    pub fn get(&self, order: OrderId) -> Option<&SpecialOrder> {
        self.slot(order).map(|slot| &self.records[slot])
    }

    pub fn get_mut(&mut self, order: OrderId) -> Option<&mut SpecialOrder> {
        let slot = self.slot(order)?;
        Some(&mut self.records[slot])
    }

    pub fn remove(&mut self, order: OrderId) -> Option<SpecialOrder> {
        let slot = self.slot(order)?;
        self.by_id.remove(order.0, slot);
        self.ids.remove(&order);
        let record = self.records[slot];
        self.records.remove(slot);
        Some(record)
    }

    fn slot(&self, order: OrderId) -> Option<u32> {
        self.by_id.get(order.0, |slot| self.records[slot].id == order)
    }
}

/// Orders that wait until another order of their list is filled.
#[derive(Clone, Debug, Default)]
pub struct Pending {
    /// By list and number.
    orders: BTreeMap<(OrderId, OrderId), NewOrder>,
    lists: BTreeMap<OrderId, OrderId>,
}

impl Pending {
    pub fn len(&self) -> usize {
        self.orders.len()
    }

    pub fn insert(&mut self, list: OrderId, order: NewOrder) {
        self.orders.insert((list, order.id), order);
        self.lists.insert(order.id, list);
    }

    pub fn get(&self, order: OrderId) -> Option<&NewOrder> {
        let list = self.lists.get(&order)?;
        self.orders.get(&(*list, order))
    }

    pub fn get_mut(&mut self, order: OrderId) -> Option<&mut NewOrder> {
        let list = self.lists.get(&order)?;
        self.orders.get_mut(&(*list, order))
    }

    pub fn remove(&mut self, order: OrderId) -> Option<NewOrder> {
        let list = self.lists.remove(&order)?;
        self.orders.remove(&(list, order))
    }

    /// The first order of a list that still waits, by number.
    pub fn first_of(&self, list: OrderId) -> Option<OrderId> {
        let mut of_list = self.orders.range((list, OrderId(0))..=(list, OrderId(u64::MAX)));
        of_list.next().map(|((_, order), _)| *order)
    }

    /// All of them by number.
    pub fn by_number(&self) -> Vec<NewOrder> {
        self.lists.iter().map(|(order, list)| self.orders[&(*list, *order)]).collect()
    }
}

/// When orders end by themselves.
#[derive(Clone, Debug, Default)]
pub struct Ends {
    ends: BTreeSet<(Nanos, OrderId)>,
    days: BTreeSet<OrderId>,
}

impl Ends {
    pub fn add(&mut self, order: OrderId, lifetime: Lifetime) {
        if let Some(end) = lifetime.end() {
            self.ends.insert((end, order));
        }
        if matches!(lifetime, Lifetime::Day(_)) {
            self.days.insert(order);
        }
    }

    pub fn remove(&mut self, order: OrderId, lifetime: Lifetime) {
        if let Some(end) = lifetime.end() {
            self.ends.remove(&(end, order));
            self.days.remove(&order);
        }
    }

    /// The next end.
    #[inline]
    pub fn first(&self) -> Option<(Nanos, OrderId)> {
        self.ends.first().copied()
    }

    /// Forgets the next end.
    pub fn pop(&mut self) {
        if let Some((_, order)) = self.ends.pop_first() {
            self.days.remove(&order);
        }
    }

    /// Forgets the first order for the day, by number.
    pub fn pop_of_day(&mut self) -> Option<OrderId> {
        self.days.pop_first()
    }
}

/// The trade groups of accounts, as far as their orders have told.
#[derive(Clone, Debug, Default)]
pub struct Groups(BTreeMap<AccountId, u32>);

impl Groups {
    /// The group of an account.
    pub fn of(&self, account: AccountId) -> Option<u32> {
        self.0.get(&account).copied()
    }

    /// An order of an account names its group; zero names none. Says whether that is news.
    pub fn learn(&mut self, account: AccountId, group: u32) -> bool {
        group != 0 && self.0.insert(account, group) != Some(group)
    }

    /// Puts an account into a group, or into none.
    pub fn put(&mut self, account: AccountId, group: Option<u32>) {
        match group {
            Some(group) => self.0.insert(account, group),
            None => self.0.remove(&account),
        };
    }

    /// Whether orders of two accounts count as one party's.
    #[inline]
    pub fn are_one(&self, one: AccountId, other: AccountId) -> bool {
        one == other || self.0.get(&one).is_some_and(|group| self.0.get(&other) == Some(group))
    }

    pub fn by_account(&self) -> Vec<(AccountId, u32)> {
        self.0.iter().map(|(account, group)| (*account, *group)).collect()
    }
}

/// How an open quantity is divided: what is displayed, and what is not yet.
pub fn split(asks: &Instructions, open: Quantity) -> (Quantity, Quantity) {
    match asks.display {
        Display::Iceberg(peak) => (open.min(peak), open - open.min(peak)),
        Display::All | Display::Hidden => (open, Quantity::ZERO),
    }
}
