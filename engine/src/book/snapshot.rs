//! A book as plain data, and back.

use super::shards::Others;
use super::{Book, BookPath, Node, WaitingOrder, key_of};
use crate::digest::Digest;
use crate::ids::{AccountId, OrderId};
use crate::message::{Phase, Protection};
use crate::order::{Instructions, NewOrder, Side};
use crate::slab::NONE;
use crate::units::{Nanos, Price, Quantity};

/// A resting order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestingOrder {
    /// Its number.
    pub id: OrderId,
    /// Whose it is.
    pub account: AccountId,
    /// Its side.
    pub side: Side,
    /// Its limit.
    pub price: Price,
    /// Its total quantity, filled part included.
    pub quantity: Quantity,
    /// What is open of it and displayed.
    pub remaining: Quantity,
}

/// What a resting order that is displayed asks for beyond its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpecialOrder {
    /// Its number.
    pub id: OrderId,
    /// What it asks for.
    pub instructions: Instructions,
    /// What is open of it and not displayed yet.
    pub reserve: Quantity,
}

/// A resting order that is not displayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DarkOrder {
    /// The order. The limit of a pegged one is the bound of its price.
    pub order: NewOrder,
    /// What is open of it.
    pub remaining: Quantity,
    /// Counted per market: its age among those that are not displayed.
    pub sequence: u64,
}

/// A whole book: two books with equal snapshots behave the same for ever.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BookSnapshot {
    /// Bids from the best down, then asks from the best up; within a price by time.
    pub orders: Vec<RestingOrder>,
    /// Trades so far.
    pub trades: u64,
    /// Aggregate trades so far.
    pub aggregates: u64,
    /// Changes so far.
    pub changes: u64,
    /// The last message received.
    pub received: u64,
    /// The last message sent.
    pub sent: u64,
    /// The running fingerprint.
    pub digest: u64,
    /// The price of the last trade.
    pub last: Option<Price>,
    /// How many orders have waited for a trigger so far.
    pub sequence: u64,
    /// Those that wait, by age.
    pub waiting: Vec<WaitingOrder>,
    /// Those of them that were triggered and had no turn yet, in order, and when the command was
    /// accepted that triggered the first.
    pub fired: Vec<OrderId>,
    /// See [`BookSnapshot::fired`].
    pub cascade_time: Nanos,
    /// What displayed orders ask for, by number.
    pub special: Vec<SpecialOrder>,
    /// The resting orders that are not displayed, by age.
    pub dark: Vec<DarkOrder>,
    /// How many orders have rested so far without being displayed.
    pub darkened: u64,
    /// The orders that wait until another one is filled, by number.
    pub pending: Vec<NewOrder>,
    /// The phase of the market.
    pub phase: Phase,
    /// When it goes over to continuous trading by itself; zero for never.
    pub until: Nanos,
    /// What protects trading.
    pub protection: Protection,
    /// The trade groups of accounts, by account.
    pub groups: Vec<(AccountId, u32)>,
    /// The last price that the first wallet was told, where the tenant has more than one.
    pub told: Option<Price>,
    /// The paths to and from the tenant's other wallets.
    pub others: Vec<BookPath>,
}

impl Book {
    /// The book as plain data.
    #[must_use]
    pub fn snapshot(&self) -> BookSnapshot {
        BookSnapshot { orders: self.resting().collect(), ..self.summary() }
    }

    /// The snapshot without its orders, for those who write them one by one.
    #[must_use]
    pub fn summary(&self) -> BookSnapshot {
        let (waiting, fired) = self.triggers.snapshot();
        BookSnapshot {
            orders: Vec::new(),
            last: self.last,
            sequence: self.triggers.sequence(),
            waiting,
            fired,
            cascade_time: self.cascade_time,
            trades: self.trades,
            aggregates: self.aggregates,
            changes: self.changes,
            received: self.received,
            sent: self.sent,
            digest: self.digest.0,
            special: self.specials.iter().copied().collect(),
            dark: self.dark.by_age(),
            darkened: self.dark.sequence(),
            pending: self.pending.by_number(),
            phase: self.state.phase,
            until: self.state.until,
            protection: self.state.protection,
            groups: self.groups.by_account(),
            told: self.others.as_ref().and_then(|others| others.told),
            others: self.others.as_ref().map(|others| others.paths.clone()).unwrap_or_default(),
        }
    }

    /// The resting orders in the order of [`BookSnapshot::orders`].
    pub fn resting(&self) -> impl Iterator<Item = RestingOrder> + '_ {
        self.bids.iter().chain(self.asks.iter()).flat_map(move |level| {
            let mut slot = level.head;
            std::iter::from_fn(move || {
                let node: &Node = (slot != NONE).then(|| &self.orders[slot])?;
                slot = self.orders.next(slot);
                Some(RestingOrder {
                    id: node.id,
                    account: node.account,
                    side: node.side(),
                    price: level.price,
                    quantity: node.quantity,
                    remaining: node.remaining,
                })
            })
        })
    }

    /// The book that gave this snapshot.
    #[must_use]
    pub fn restore(snapshot: &BookSnapshot) -> Self {
        let mut book = Self::new();
        for special in &snapshot.special {
            book.specials.insert(*special);
            book.ends.add(special.id, special.instructions.lifetime);
        }
        for order in &snapshot.orders {
            let key = key_of(order.side, order.price);
            book.append(*order, key, book.specials.get(order.id).is_some());
        }
        book.state.phase = snapshot.phase;
        book.state.until = snapshot.until;
        book.state.protection = snapshot.protection;
        book.dark.restore(&snapshot.dark, snapshot.darkened, book.touch());
        for order in &snapshot.pending {
            if let Some(link) = order.asks().link {
                book.pending.insert(link.list, *order);
            }
        }
        let dark = snapshot.dark.iter().map(|dark| &dark.order);
        for order in dark.chain(&snapshot.pending).chain(snapshot.waiting.iter().map(|waiting| &waiting.order)) {
            book.ends.add(order.id, order.asks().lifetime);
        }
        for (account, group) in &snapshot.groups {
            book.groups.learn(*account, *group);
        }
        book.trades = snapshot.trades;
        book.aggregates = snapshot.aggregates;
        book.changes = snapshot.changes;
        book.received = snapshot.received;
        book.sent = snapshot.sent;
        book.digest = Digest(snapshot.digest);
        book.last = snapshot.last;
        book.cascade_time = snapshot.cascade_time;
        if !snapshot.others.is_empty() {
            book.others = Some(Box::new(Others { paths: snapshot.others.clone(), told: snapshot.told }));
        }
        book.triggers.restore(snapshot.sequence, &snapshot.waiting, &snapshot.fired);
        book.settle_if_nothing_resumes();
        book
    }
}
