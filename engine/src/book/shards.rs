//! A book of a tenant whose accounts several wallets share: whom its answers concern.

use super::Book;
use crate::ids::{OrderId, ShardId};
use crate::message::{BookEvent, BookOutcome, ToWallet};
use crate::units::Price;
use crate::wallet::Sharing;

/// How far a book has talked to one of the tenant's other wallets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BookPath {
    /// The last message received.
    pub received: u64,
    /// The last message sent.
    pub sent: u64,
    /// The last price that it was told.
    pub told: Option<Price>,
}

/// The paths to and from the other wallets, where there are any.
#[derive(Clone, Debug, Default)]
pub(super) struct Others {
    pub paths: Vec<BookPath>,
    /// The last price that the first wallet was told.
    pub told: Option<Price>,
}

impl Book {
    /// Lets a new book serve this many wallets.
    pub fn share(&mut self, shards: u16) {
        let paths = vec![BookPath::default(); usize::from(shards.max(1)) - 1];
        self.others = (!paths.is_empty()).then(|| Box::new(Others { paths, told: None }));
    }

    /// Whether it serves more than one.
    #[inline]
    pub(super) fn is_shared(&self) -> bool {
        self.others.is_some()
    }

    /// How many wallets it serves.
    #[must_use]
    pub fn shards(&self) -> u16 {
        let others = self.others.as_ref().map_or(0, |others| others.paths.len());
        u16::try_from(others + 1).unwrap_or(u16::MAX)
    }

    /// The number of the last message received from a wallet.
    #[must_use]
    pub fn received_from(&self, shard: ShardId) -> u64 {
        match usize::from(shard.0).checked_sub(1) {
            None => self.received,
            Some(other) => self.others.as_ref().map_or(0, |others| others.paths[other].received),
        }
    }

    #[inline]
    pub(super) fn received_mut(&mut self, shard: ShardId) -> &mut u64 {
        match usize::from(shard.0).checked_sub(1) {
            None => &mut self.received,
            Some(other) => &mut self.path_mut(other).received,
        }
    }

    /// The number of the next message to a wallet.
    #[inline]
    pub(super) fn next_to(&mut self, shard: ShardId) -> u64 {
        let sent = match usize::from(shard.0).checked_sub(1) {
            None => &mut self.sent,
            Some(other) => &mut self.path_mut(other).sent,
        };
        *sent += 1;
        *sent
    }

    fn told_mut(&mut self, shard: ShardId) -> &mut Option<Price> {
        match usize::from(shard.0).checked_sub(1) {
            None => &mut self.others_mut().told,
            Some(other) => &mut self.path_mut(other).told,
        }
    }

    fn path_mut(&mut self, other: usize) -> &mut BookPath {
        &mut self.others_mut().paths[other]
    }

    fn others_mut(&mut self) -> &mut Others {
        self.others.as_mut().expect("only a book of several wallets hears of others")
    }

    /// Copies an answer for the wallets that it concerns beside the one that asked: those of the orders
    /// that it speaks of, all when the phase changes, and all that have not heard of the last price.
    #[cold]
    pub(super) fn copy(&mut self, sender: ShardId, answer: &ToWallet, copies: &mut Vec<(ShardId, ToWallet)>) {
        let concerned = self.concerned(answer);
        let last = answer.fills.last().map(|fill| fill.price);
        for shard in (0..self.shards()).map(ShardId) {
            let told = self.told_mut(shard);
            let is_news = last.is_some() && *told != last;
            if shard != sender && concerned >> shard.0 & 1 == 0 && !is_news {
                continue;
            }
            if last.is_some() {
                *told = last;
            }
            if shard != sender {
                let number = self.next_to(shard);
                copies.push((shard, ToWallet { number, ..answer.clone() }));
            }
        }
    }

    /// The wallets that an answer speaks to, as bits.
    fn concerned(&self, answer: &ToWallet) -> u64 {
        const ALL: u64 = u64::MAX;
        let of = self.shards();
        let bit = |order: OrderId| 1 << Sharing::shard_of(order, of).0;
        if matches!(answer.outcome, BookOutcome::Entered(_)) {
            return ALL;
        }
        let fills = answer.fills.iter().fold(0, |all, fill| all | bit(fill.maker) | bit(fill.taker));
        answer.events.iter().fold(fills, |all, event| match *event {
            BookEvent::PhaseChanged { .. } => ALL,
            BookEvent::Lapsed { order, .. } | BookEvent::Triggered { order, .. } | BookEvent::Resumed { order, .. } => {
                all | bit(order)
            }
            BookEvent::Decremented { maker, taker, .. } => all | bit(maker) | bit(taker),
        })
    }
}
