//! What a twin keeps, how it finds it, and the same as the book's snapshot has it.

use std::collections::VecDeque;

use rialto_engine::book::{BookSnapshot, DarkOrder, RestingOrder, SpecialOrder, Stage, WaitingOrder};
use rialto_engine::ids::OrderId;
use rialto_engine::order::{Display, Instructions, Lifetime, NewOrder, Side};
use rialto_engine::units::{Price, Quantity};

use super::Twin;

/// A displayed order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resting {
    pub order: NewOrder,
    pub price: Price,
    /// What is open of it and displayed.
    pub shown: Quantity,
    /// What is open of it and not displayed yet.
    pub reserve: Quantity,
}

impl Resting {
    pub fn open(&self) -> Quantity {
        self.shown + self.reserve
    }
}

/// A resting order that is not displayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dark {
    pub order: NewOrder,
    /// `None` for a pegged order without a price.
    pub price: Option<Price>,
    pub remaining: Quantity,
    pub sequence: u64,
}

impl Dark {
    /// What it trades at least.
    pub fn minimum(&self) -> u64 {
        self.order.asks().minimum.0.min(self.remaining.0)
    }
}

/// An order that waits for its trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub order: NewOrder,
    pub age: u64,
    /// The lowest or highest price since it follows the price; `None` as long as it does not.
    pub seen: Option<Price>,
}

impl Waiting {
    /// Whether it waits for its turn because the order that it waited for was filled.
    pub fn is_released(&self) -> bool {
        self.order.asks().link.is_some_and(|link| link.after.is_some())
    }
}

/// What a resting order still asks for: it does not wait for anything any more.
pub fn at_rest(order: &NewOrder) -> NewOrder {
    let mut asks = order.asks();
    asks.trigger = None;
    if let Some(link) = &mut asks.link {
        link.after = None;
    }
    NewOrder { instructions: (asks != Instructions::default()).then_some(asks), ..*order }
}

/// How much of a quantity is displayed.
pub fn shown_of(order: &NewOrder, open: Quantity) -> Quantity {
    match order.asks().display {
        Display::Iceberg(peak) => peak.min(open),
        Display::All | Display::Hidden => open,
    }
}

impl Twin {
    pub fn side(&self, side: Side) -> &VecDeque<Resting> {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    pub(super) fn side_mut(&mut self, side: Side) -> &mut VecDeque<Resting> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }

    /// The displayed levels of a side, best first.
    pub fn levels(&self, side: Side) -> Vec<(Price, Quantity)> {
        let mut levels: Vec<(Price, Quantity)> = Vec::new();
        for order in self.side(side) {
            match levels.last_mut() {
                Some((price, quantity)) if *price == order.price => *quantity += order.shown,
                _ => levels.push((order.price, order.shown)),
            }
        }
        levels
    }

    /// Every order that is open.
    pub fn everything(&self) -> impl Iterator<Item = &NewOrder> {
        let displayed = self.bids.iter().chain(&self.asks).map(|resting| &resting.order);
        let waiting = self.waiting.iter().chain(&self.fired).map(|waiting| &waiting.order);
        displayed.chain(self.dark.iter().map(|dark| &dark.order)).chain(waiting).chain(&self.pending)
    }

    /// Every order that is open, with what is open of it.
    pub fn everything_open(&self) -> impl Iterator<Item = (&NewOrder, Quantity)> {
        let displayed = self.bids.iter().chain(&self.asks).map(|resting| (&resting.order, resting.open()));
        let dark = self.dark.iter().map(|dark| (&dark.order, dark.remaining));
        let waiting = self.waiting.iter().chain(&self.fired).map(|waiting| &waiting.order);
        displayed.chain(dark).chain(waiting.chain(&self.pending).map(|order| (order, order.quantity)))
    }

    /// An order and what is open of it.
    pub fn find(&self, id: OrderId) -> Option<(NewOrder, Quantity)> {
        self.everything_open().find(|(order, _)| order.id == id).map(|(order, open)| (*order, open))
    }

    /// Takes an order out, wherever it is.
    pub(super) fn remove(&mut self, id: OrderId) {
        self.bids.retain(|resting| resting.order.id != id);
        self.asks.retain(|resting| resting.order.id != id);
        self.dark.retain(|dark| dark.order.id != id);
        self.waiting.retain(|waiting| waiting.order.id != id);
        self.fired.retain(|fired| fired.order.id != id);
        self.pending.retain(|pending| pending.id != id);
    }

    /// Lowers the quantity of an order, and what is open of it, from the reserve first.
    pub(super) fn reduce_by(&mut self, id: OrderId, less: u64) {
        for resting in self.bids.iter_mut().chain(&mut self.asks).filter(|resting| resting.order.id == id) {
            let of_reserve = less.min(resting.reserve.0);
            resting.order.quantity.0 -= less;
            resting.reserve.0 -= of_reserve;
            resting.shown.0 -= less - of_reserve;
        }
        for dark in self.dark.iter_mut().filter(|dark| dark.order.id == id) {
            dark.order.quantity.0 -= less;
            dark.remaining.0 -= less;
        }
        let waiting = self.waiting.iter_mut().chain(&mut self.fired).map(|waiting| &mut waiting.order);
        for order in waiting.chain(&mut self.pending).filter(|order| order.id == id) {
            order.quantity.0 -= less;
        }
    }

    /// Puts a displayed order behind all others of its price.
    pub(super) fn append(&mut self, resting: Resting) {
        let side = resting.order.side;
        let orders = self.side_mut(side);
        let behind = orders.partition_point(|other| match side {
            Side::Buy => other.price >= resting.price,
            Side::Sell => other.price <= resting.price,
        });
        orders.insert(behind, resting);
    }

    /// Lets an order rest at a price, `None` for a pegged one without.
    pub(super) fn rest(&mut self, order: &NewOrder, price: Option<Price>, remaining: Quantity) {
        let mut order = at_rest(order);
        let asks = order.asks();
        if asks.display == Display::Hidden || !asks.minimum.is_zero() || asks.peg.is_some() {
            if asks.peg.is_none() {
                // An order that has slid stands where it is.
                order.limit = price.expect("only pegged orders are without a price");
            }
            self.darkened += 1;
            self.dark.push(Dark { order, price, remaining, sequence: self.darkened });
            return;
        }
        let shown = shown_of(&order, remaining);
        let reserve = remaining - shown;
        self.append(Resting { order, price: price.expect("a price"), shown, reserve });
    }

    /// The twin as the book's snapshot; what only concerns messages is left at zero.
    pub fn snapshot(&self) -> BookSnapshot {
        let displayed = || self.bids.iter().chain(&self.asks);
        let orders = displayed().map(|resting| RestingOrder {
            id: resting.order.id,
            account: resting.order.account,
            side: resting.order.side,
            price: resting.price,
            quantity: resting.order.quantity,
            remaining: resting.shown,
        });
        let special = displayed().filter_map(|resting| {
            let instructions = resting.order.instructions?;
            let is_iceberg = matches!(instructions.display, Display::Iceberg(_));
            let ends = instructions.lifetime != Lifetime::UntilCancelled;
            // Others ask for nothing more once they rest.
            let asks_on = is_iceberg || ends || instructions.link.is_some();
            asks_on.then_some(SpecialOrder { id: resting.order.id, instructions, reserve: resting.reserve })
        });
        let mut special: Vec<SpecialOrder> = special.collect();
        special.sort_by_key(|special| special.id);
        let dark = self.dark.iter().map(|dark| DarkOrder {
            order: dark.order,
            remaining: dark.remaining,
            sequence: dark.sequence,
        });
        let waits = self.waiting.iter().map(|waiting| (waiting, waiting.seen.map_or(Stage::Awaits, Stage::Follows)));
        let stage = |fired: &Waiting| if fired.is_released() { Stage::Activated } else { Stage::Fired };
        let waits = waits.chain(self.fired.iter().map(|fired| (fired, stage(fired))));
        let mut waiting: Vec<WaitingOrder> =
            waits.map(|(of, stage)| WaitingOrder { order: of.order, sequence: of.age, stage }).collect();
        waiting.sort_by_key(|waiting| waiting.sequence);
        BookSnapshot {
            orders: orders.collect(),
            trades: self.trades,
            aggregates: self.aggregates,
            last: self.last,
            sequence: self.waited,
            waiting,
            fired: self.fired.iter().map(|fired| fired.order.id).collect(),
            special,
            dark: dark.collect(),
            darkened: self.darkened,
            pending: self.pending.clone(),
            phase: self.phase,
            until: self.until,
            protection: self.protection,
            groups: self.groups.iter().map(|(account, group)| (*account, *group)).collect(),
            ..BookSnapshot::default()
        }
    }
}
