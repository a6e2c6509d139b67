//! Resting orders that are not displayed: hidden ones, those with a minimum, and pegged ones.
//!
//! They trade behind what is displayed at their price, and among each other by age. A pegged one has
//! the price that the displayed book gives it, or none.

use std::collections::BTreeMap;

use super::DarkOrder;
use crate::ids::OrderId;
use crate::order::{Display, Instructions, NewOrder, Peg, PegReference, Side};
use crate::slab::{Index, Paired, Slab};
use crate::units::{Price, Quantity};

/// Where an order stands on its side: better prices first, then age.
pub type Rank = (u64, u64);

#[derive(Clone, Copy, Debug)]
struct Record {
    dark: DarkOrder,
    /// The price at which it stands; `None` for a pegged order that has none.
    price: Option<Price>,
}

/// All of them, of both sides.
#[derive(Clone, Debug, Default)]
pub struct Dark {
    records: Slab<Record>,
    by_id: Index<Paired>,
    bids: BTreeMap<Rank, u32>,
    asks: BTreeMap<Rank, u32>,
    /// The pegged ones by age.
    pegs: BTreeMap<u64, u32>,
    /// The touch for which they were priced.
    touch: Option<Touch>,
    /// How many orders have come so far.
    sequence: u64,
    /// Changes whenever an order comes, goes, trades or gets another price.
    version: u64,
}

/// The best displayed prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Touch {
    pub bid: Option<Price>,
    pub ask: Option<Price>,
}

impl Dark {
    /// Whether an order is displayed while it rests.
    pub fn is_displayed(asks: &Instructions) -> bool {
        asks.display != Display::Hidden && asks.minimum.is_zero() && asks.peg.is_none()
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub fn len(&self) -> usize {
        self.records.len()
    }

    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    pub fn version(&self) -> u64 {
        self.version
    }

    /// Lets an order rest. `touch` prices it if it is pegged.
    pub fn rest(&mut self, order: NewOrder, remaining: Quantity, touch: Touch) {
        self.sequence += 1;
        self.put(DarkOrder { order, remaining, sequence: self.sequence }, touch);
    }

    fn put(&mut self, dark: DarkOrder, touch: Touch) {
        let order = &dark.order;
        let price = match order.asks().peg {
            Some(peg) => pegged(order.side, order.limit, peg, touch),
            None => Some(order.limit),
        };
        let slot = self.records.insert(Record { dark, price });
        self.by_id.insert(order.id.0, slot, |slot| self.records[slot].dark.order.id.0);
        if order.asks().peg.is_some() {
            self.pegs.insert(dark.sequence, slot);
            // It was priced for this touch; the others may not have been.
            self.touch = None;
        }
        self.enter(slot);
        self.version += 1;
    }

    /// Puts orders back as they stood in a snapshot.
    pub fn restore(&mut self, orders: &[DarkOrder], sequence: u64, touch: Touch) {
        orders.iter().for_each(|order| self.put(*order, touch));
        self.sequence = sequence;
    }

    /// All of them by age.
    pub fn by_age(&self) -> Vec<DarkOrder> {
        let unpriced = self.pegs.values().filter(|slot| self.records[**slot].price.is_none());
        let entered = self.bids.values().chain(self.asks.values()).chain(unpriced);
        let mut orders: Vec<DarkOrder> = entered.map(|slot| self.records[*slot].dark).collect();
        orders.sort_unstable_by_key(|order| order.sequence);
        orders
    }

    pub fn get(&self, order: OrderId) -> Option<&DarkOrder> {
        self.slot(order).map(|slot| &self.records[slot].dark)
    }

    pub fn remove(&mut self, order: OrderId) -> Option<DarkOrder> {
        let slot = self.slot(order)?;
        self.leave(slot);
        let record = self.records[slot];
        self.pegs.remove(&record.dark.sequence);
        self.by_id.remove(order.0, slot);
        self.records.remove(slot);
        self.version += 1;
        Some(record.dark)
    }

    /// Sets what is open of an order, and its total.
    pub fn set_open(&mut self, order: OrderId, quantity: Quantity, remaining: Quantity) {
        if let Some(slot) = self.slot(order) {
            let dark = &mut self.records[slot].dark;
            dark.order.quantity = quantity;
            dark.remaining = remaining;
            self.version += 1;
        }
    }

    /// The best order of a side behind a rank, with its price.
    pub fn first_behind(&self, side: Side, rank: Option<Rank>) -> Option<(Rank, Price, &DarkOrder)> {
        let from = rank.map_or((0, 0), |(key, sequence)| (key, sequence + 1));
        let (rank, slot) = self.side(side).range(from..).next()?;
        let record = &self.records[*slot];
        Some((*rank, Price(rank.0 ^ mask(side)), &record.dark))
    }

    /// The orders of a side that have a price, best first, with their prices.
    pub fn priced(&self, side: Side) -> impl Iterator<Item = (Price, &DarkOrder)> + '_ {
        let orders = self.side(side).iter();
        orders.map(move |(rank, slot)| (Price(rank.0 ^ mask(side)), &self.records[*slot].dark))
    }

    /// The best price of a side.
    pub fn best(&self, side: Side) -> Option<Price> {
        self.side(side).first_key_value().map(|(rank, _)| Price(rank.0 ^ mask(side)))
    }

    /// Gives pegged orders the price that follows from the displayed book.
    pub fn reprice(&mut self, touch: Touch) {
        if self.pegs.is_empty() || self.touch == Some(touch) {
            return;
        }
        self.touch = Some(touch);
        let slots: Vec<u32> = self.pegs.values().copied().collect();
        for slot in slots {
            let Record { dark: DarkOrder { order, .. }, price: old } = self.records[slot];
            let peg = order.asks().peg;
            let price = peg.and_then(|peg| pegged(order.side, order.limit, peg, touch));
            if price != old {
                self.leave(slot);
                self.records[slot].price = price;
                self.enter(slot);
                self.version += 1;
            }
        }
    }

    fn enter(&mut self, slot: u32) {
        let Record { dark, price } = self.records[slot];
        if let Some(price) = price {
            let side = dark.order.side;
            self.side_mut(side).insert((price.0 ^ mask(side), dark.sequence), slot);
        }
    }

    fn leave(&mut self, slot: u32) {
        let Record { dark, price } = self.records[slot];
        if let Some(price) = price {
            let side = dark.order.side;
            self.side_mut(side).remove(&(price.0 ^ mask(side), dark.sequence));
        }
    }

    fn slot(&self, order: OrderId) -> Option<u32> {
        self.by_id.get(order.0, |slot| self.records[slot].dark.order.id == order)
    }

    fn side(&self, side: Side) -> &BTreeMap<Rank, u32> {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    fn side_mut(&mut self, side: Side) -> &mut BTreeMap<Rank, u32> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }
}

/// Turns a price into a key such that the best price has the lowest key.
fn mask(side: Side) -> u64 {
    match side {
        Side::Buy => u64::MAX,
        Side::Sell => 0,
    }
}

/// The price of a pegged order: rule 2.5 of the order rules.
pub fn pegged(side: Side, limit: Price, peg: Peg, touch: Touch) -> Option<Price> {
    let reference = match (peg.reference, side) {
        (PegReference::BestBid, _) => touch.bid?.0,
        (PegReference::BestAsk, _) => touch.ask?.0,
        (PegReference::Midpoint, Side::Buy) => (touch.bid?.0 + touch.ask?.0) / 2,
        (PegReference::Midpoint, Side::Sell) => (touch.bid?.0 + touch.ask?.0).div_ceil(2),
    };
    let wanted = reference.saturating_add_signed(peg.offset).max(1);
    let price = match side {
        Side::Buy => wanted.min(limit.0).min(touch.ask.map_or(u64::MAX, |ask| ask.0 - 1)),
        Side::Sell => wanted.max(limit.0).max(touch.bid.map_or(0, |bid| bid.0 + 1)),
    };
    (price > 0).then_some(Price(price))
}
