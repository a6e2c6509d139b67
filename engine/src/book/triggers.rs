//! Orders that wait for the market's price to reach them.
//!
//! A print is a trade's price. At each print, orders whose threshold it reaches are fired: those
//! with the nearest threshold first, within a threshold the oldest first. Fired orders take part
//! one after the other, behind those fired before them, because each may move the price again.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

use crate::ids::OrderId;
use crate::market::BASIS_POINTS;
use crate::order::{Activation, Distance, NewOrder, Trail, Trigger};
use crate::slab::{Index, Paired, Slab};
use crate::units::{BasisPoints, Price};

/// An order that waits, and how far its trigger has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitingOrder {
    /// The order, its trigger included.
    pub order: NewOrder,
    /// Counted per market: its age.
    pub sequence: u64,
    /// How far its trigger has come.
    pub stage: Stage,
}

/// How far a trigger has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It waits for a price, to be fired or to begin to follow.
    Awaits,
    /// It follows the price and has seen this one: the lowest for a rise, the highest for a fall.
    Follows(Price),
    /// It was fired and waits for its turn.
    Fired,
    /// The order it waited for was filled; it waits for its turn.
    Activated,
}

/// All orders of a market that wait.
#[derive(Clone, Debug, Default)]
pub struct Triggers {
    orders: Slab<WaitingOrder>,
    by_id: Index<Paired>,
    /// Thresholds reached from below, by price and age.
    rising: BTreeMap<(Price, u64), u32>,
    /// Thresholds reached from above.
    falling: BTreeMap<(Reverse<Price>, u64), u32>,
    /// Those that follow the lowest price, by what they have seen.
    lowest: BTreeMap<(Price, u64), u32>,
    /// Those that follow the highest price.
    highest: BTreeMap<(Reverse<Price>, u64), u32>,
    /// Fired, in order.
    fired: VecDeque<u32>,
    sequence: u64,
}

/// Where a waiting order is entered.
enum Threshold {
    Rise(Price),
    Fall(Price),
}

impl Triggers {
    /// Whether no order waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.orders.is_empty()
    }

    /// How many orders wait, fired ones included.
    pub fn len(&self) -> usize {
        self.orders.len()
    }

    /// The number given to the last order that waited.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Whether an order would be fired by the last price at once. One that follows never is.
    pub fn would_fire(trigger: &Trigger, last: Option<Price>) -> bool {
        match (trigger, last) {
            (Trigger::Rise(price), Some(last)) => last >= *price,
            (Trigger::Fall(price), Some(last)) => last <= *price,
            _ => false,
        }
    }

    /// Lets an order wait. `last` is the market's last price.
    pub fn wait(&mut self, order: NewOrder, last: Option<Price>) {
        self.sequence += 1;
        self.put(WaitingOrder { order, sequence: self.sequence, stage: Stage::Awaits });
        let slot = self.slot(order.id).expect("just put");
        if let (Some(Trigger::TrailRise(trail) | Trigger::TrailFall(trail)), Some(last)) = (order.asks().trigger, last)
            && is_activated(&trail, last)
        {
            self.leave(slot);
            self.follow(slot, last);
        }
    }

    /// Puts an order back as it stood in a snapshot.
    pub fn restore(&mut self, sequence: u64, waiting: &[WaitingOrder], fired: &[OrderId]) {
        waiting.iter().for_each(|order| self.put(*order));
        self.sequence = sequence;
        self.fired.extend(
            fired.iter().filter_map(|order| self.by_id.get(order.0, |slot| self.orders[slot].order.id == *order)),
        );
    }

    /// The waiting orders by age, and the fired ones in their order.
    pub fn snapshot(&self) -> (Vec<WaitingOrder>, Vec<OrderId>) {
        let fired: Vec<OrderId> = self.fired.iter().map(|slot| self.orders[*slot].order.id).collect();
        let entered = self.rising.values().chain(self.falling.values()).chain(&self.fired);
        let mut waiting: Vec<WaitingOrder> = entered.map(|slot| self.orders[*slot]).collect();
        waiting.sort_unstable_by_key(|waiting| waiting.sequence);
        (waiting, fired)
    }

    /// A waiting order.
    pub fn get(&self, order: OrderId) -> Option<&WaitingOrder> {
        self.slot(order).map(|slot| &self.orders[slot])
    }

    /// The same, to lower its quantity.
    pub fn get_mut(&mut self, order: OrderId) -> Option<&mut NewOrder> {
        let slot = self.slot(order)?;
        Some(&mut self.orders[slot].order)
    }

    /// Takes a waiting order out.
    pub fn remove(&mut self, order: OrderId) -> Option<NewOrder> {
        let slot = self.slot(order)?;
        let waiting = self.orders[slot];
        match waiting.stage {
            Stage::Fired | Stage::Activated => self.fired.retain(|fired| *fired != slot),
            Stage::Awaits | Stage::Follows(_) => self.leave(slot),
        }
        self.forget(slot);
        Some(waiting.order)
    }

    /// Takes out the order whose turn it is.
    pub fn next_fired(&mut self) -> Option<WaitingOrder> {
        let slot = self.fired.pop_front()?;
        let order = self.orders[slot];
        self.forget(slot);
        Some(order)
    }

    /// An order has its turn behind those fired before it, because the one it waited for was filled.
    pub fn activate(&mut self, order: NewOrder) {
        self.sequence += 1;
        self.put(WaitingOrder { order, sequence: self.sequence, stage: Stage::Activated });
        let slot = self.slot(order.id).expect("just put");
        self.fired.push_back(slot);
    }

    /// Whether an order was fired and had no turn yet.
    #[inline]
    pub fn has_fired(&self) -> bool {
        !self.fired.is_empty()
    }

    /// A trade was made at this price.
    pub fn print(&mut self, price: Price) {
        while let Some(entry) = self.rising.first_entry().filter(|entry| entry.key().0 <= price) {
            let slot = *entry.get();
            self.reach(slot, price);
        }
        while let Some(entry) = self.falling.first_entry().filter(|entry| entry.key().0.0 >= price) {
            let slot = *entry.get();
            self.reach(slot, price);
        }
        while let Some(entry) = self.lowest.last_entry().filter(|entry| entry.key().0 > price) {
            let slot = *entry.get();
            self.leave(slot);
            self.follow(slot, price);
        }
        while let Some(entry) = self.highest.last_entry().filter(|entry| entry.key().0.0 < price) {
            let slot = *entry.get();
            self.leave(slot);
            self.follow(slot, price);
        }
    }

    /// The price has reached an order's threshold: it is fired, or begins to follow.
    fn reach(&mut self, slot: u32, price: Price) {
        self.leave(slot);
        let waiting = &mut self.orders[slot];
        let follows = matches!(waiting.order.asks().trigger, Some(Trigger::TrailRise(_) | Trigger::TrailFall(_)));
        if follows && waiting.stage == Stage::Awaits {
            self.follow(slot, price);
        } else {
            waiting.stage = Stage::Fired;
            self.fired.push_back(slot);
        }
    }

    /// Makes an order follow the price from `seen` on. It stands in no map when this is called.
    fn follow(&mut self, slot: u32, seen: Price) {
        self.orders[slot].stage = Stage::Follows(seen);
        self.enter(slot);
    }

    fn put(&mut self, waiting: WaitingOrder) {
        let slot = self.orders.insert(waiting);
        self.by_id.insert(waiting.order.id.0, slot, |slot| self.orders[slot].order.id.0);
        if !matches!(waiting.stage, Stage::Fired | Stage::Activated) {
            self.enter(slot);
        }
    }

    fn forget(&mut self, slot: u32) {
        let order = self.orders[slot].order.id;
        self.by_id.remove(order.0, slot);
        self.orders.remove(slot);
    }

    /// Enters an order into the maps under its threshold.
    fn enter(&mut self, slot: u32) {
        let WaitingOrder { sequence, stage, .. } = self.orders[slot];
        match self.orders[slot].threshold() {
            Threshold::Rise(price) => self.rising.insert((price, sequence), slot),
            Threshold::Fall(price) => self.falling.insert((Reverse(price), sequence), slot),
        };
        match (self.orders[slot].order.asks().trigger, stage) {
            (Some(Trigger::TrailRise(_)), Stage::Follows(seen)) => {
                self.lowest.insert((seen, sequence), slot);
            }
            (Some(Trigger::TrailFall(_)), Stage::Follows(seen)) => {
                self.highest.insert((Reverse(seen), sequence), slot);
            }
            _ => {}
        }
    }

    /// Takes an order out of the maps.
    fn leave(&mut self, slot: u32) {
        let WaitingOrder { sequence, stage, .. } = self.orders[slot];
        match self.orders[slot].threshold() {
            Threshold::Rise(price) => self.rising.remove(&(price, sequence)),
            Threshold::Fall(price) => self.falling.remove(&(Reverse(price), sequence)),
        };
        if let Stage::Follows(seen) = stage {
            self.lowest.remove(&(seen, sequence));
            self.highest.remove(&(Reverse(seen), sequence));
        }
    }

    fn slot(&self, order: OrderId) -> Option<u32> {
        self.by_id.get(order.0, |slot| self.orders[slot].order.id == order)
    }
}

impl WaitingOrder {
    /// Where the order is entered as long as it is not fired.
    fn threshold(&self) -> Threshold {
        // What begins to follow with the next trade, wherever that is, is reached by any price.
        let any = Threshold::Rise(Price::ZERO);
        match (self.order.asks().trigger, self.stage) {
            (Some(Trigger::Rise(price)), _) => Threshold::Rise(price),
            (Some(Trigger::Fall(price)), _) => Threshold::Fall(price),
            (Some(Trigger::TrailRise(trail)), Stage::Follows(seen)) => Threshold::Rise(trail.above(seen)),
            (Some(Trigger::TrailFall(trail)), Stage::Follows(seen)) => Threshold::Fall(trail.below(seen)),
            (Some(Trigger::TrailRise(trail) | Trigger::TrailFall(trail)), _) => match trail.activation {
                Some(Activation::Rise(price)) => Threshold::Rise(price),
                Some(Activation::Fall(price)) => Threshold::Fall(price),
                None => any,
            },
            (None, _) => any,
        }
    }
}

impl Trail {
    /// The price that is the distance above another, rounded up.
    #[must_use]
    pub fn above(&self, price: Price) -> Price {
        match self.distance {
            Distance::Share(share) => share_above(price, share),
            Distance::Ticks(ticks) => Price(price.0.saturating_add(ticks.0)),
        }
    }

    /// The price that is the distance below another, rounded down; zero if there is none.
    #[must_use]
    pub fn below(&self, price: Price) -> Price {
        match self.distance {
            Distance::Share(share) => share_below(price, share),
            Distance::Ticks(ticks) => Price(price.0.saturating_sub(ticks.0)),
        }
    }
}

/// The price that is a share above another, rounded up.
#[must_use]
pub fn share_above(price: Price, share: BasisPoints) -> Price {
    let basis = u128::from(BASIS_POINTS);
    let scaled = u128::from(price.0) * (basis + u128::from(share.0));
    Price(u64::try_from(scaled.div_ceil(basis)).unwrap_or(u64::MAX))
}

/// The price that is a share below another, rounded down.
#[must_use]
pub fn share_below(price: Price, share: BasisPoints) -> Price {
    let basis = u128::from(BASIS_POINTS);
    let scaled = u128::from(price.0) * basis.saturating_sub(u128::from(share.0));
    Price(u64::try_from(scaled / basis).unwrap_or(u64::MAX))
}

/// Whether a trailing trigger follows the price from a last price on.
fn is_activated(trail: &Trail, last: Price) -> bool {
    match trail.activation {
        Some(Activation::Rise(price)) => last >= price,
        Some(Activation::Fall(price)) => last <= price,
        None => true,
    }
}
