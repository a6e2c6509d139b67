//! The naive book that judges all others, and that the generators look things up in. Made to be
//! seen to be right, not to be quick: ordered maps of queues, and an order that leaves stays in its
//! queue as a dead ticket.

use std::collections::{BTreeMap, VecDeque};

use crate::engines::Outcome;
use crate::workload::{Change, Command, Side};

/// What a correct book makes of a stream.
#[derive(Clone, Copy, Debug)]
pub struct Judgement {
    pub outcome: Outcome,
    /// What rests after the last command.
    pub resting: usize,
    pub levels: usize,
    /// The most that rested at once while it was timed.
    pub resting_max: usize,
    pub levels_max: usize,
}

#[derive(Default)]
pub struct Oracle {
    sides: [BTreeMap<u32, Level>; 2],
    /// By number. Commands that place nothing leave nothing.
    orders: Vec<Option<Order>>,
    live: Vec<u32>,
    len_of: [usize; 2],
    /// Counts placements and moves.
    tickets: u32,
    last_trade: Option<u32>,
}

#[derive(Default)]
struct Level {
    /// Ticket and number. The ticket is dead unless it is the order's own.
    queue: VecDeque<(u32, u32)>,
    live: usize,
}

#[derive(Clone, Copy, Debug)]
pub struct Order {
    pub side: Side,
    pub price: u32,
    /// What is open.
    pub open: u32,
    /// The total since it was last placed or moved.
    pub total: u32,
    ticket: u32,
    place_in_live: usize,
}

impl Oracle {
    pub fn judge(commands: &[Command], setup: usize) -> Judgement {
        let mut oracle = Self::default();
        let mut outcome = Outcome::default();
        let (mut resting_max, mut levels_max) = (0, 0);
        for (place, command) in commands.iter().enumerate() {
            oracle.execute(command, &mut outcome);
            if place >= setup {
                resting_max = resting_max.max(oracle.len());
                levels_max = levels_max.max(oracle.levels());
            }
        }
        Judgement { outcome, resting: oracle.len(), levels: oracle.levels(), resting_max, levels_max }
    }

    /// Carries out the next command, whose place is its number.
    pub fn execute(&mut self, command: &Command, outcome: &mut Outcome) {
        let id = self.next_id();
        self.orders.push(None);
        match *command {
            Command::Place { side, immediate, price, quantity } => {
                let rest = self.take(id, side, price, quantity, outcome);
                if !immediate {
                    self.rest(id, side, price, rest, quantity);
                }
            }
            Command::Cancel { order, .. } => {
                if self.order(order).is_some() {
                    self.remove(order);
                } else {
                    outcome.refuse(id);
                }
            }
            Command::Change { change: Change::Reduce, order, quantity: open, price_or_total: total, .. } => {
                match &mut self.orders[order as usize] {
                    Some(order) => (order.open, order.total) = (open, total),
                    None => outcome.refuse(id),
                }
            }
            Command::Change { change: Change::Move, order, side, price_or_total: price, quantity, .. } => {
                if self.order(order).is_some() {
                    self.remove(order);
                    let rest = self.take(order, side, price, quantity, outcome);
                    self.rest(order, side, price, rest, quantity);
                } else {
                    outcome.refuse(id);
                }
            }
        }
    }

    /// The number of the next command.
    pub fn next_id(&self) -> u32 {
        u32::try_from(self.orders.len()).expect("a stream that fits into memory")
    }

    pub fn order(&self, id: u32) -> Option<&Order> {
        self.orders[id as usize].as_ref()
    }

    /// The numbers of all orders that rest, in no order that matters.
    pub fn live(&self) -> &[u32] {
        &self.live
    }

    pub fn len(&self) -> usize {
        self.live.len()
    }

    pub fn len_of(&self, side: Side) -> usize {
        self.len_of[side as usize]
    }

    pub fn levels(&self) -> usize {
        self.sides.iter().map(BTreeMap::len).sum()
    }

    pub fn last_trade(&self) -> Option<u32> {
        self.last_trade
    }

    pub fn best(&self, side: Side) -> Option<u32> {
        let mut prices = self.sides[side as usize].keys();
        match side {
            Side::Buy => prices.next_back().copied(),
            Side::Sell => prices.next().copied(),
        }
    }

    /// The worst price at which so much of a side can be had, if there is so much.
    pub fn limit_for(&self, side: Side, quantity: u32) -> Option<u32> {
        let mut needed = u64::from(quantity);
        let mut covers = |(price, level): (&u32, &Level)| {
            let open: u64 = level.queue.iter().filter_map(|entry| self.alive(*entry)).map(u64::from).sum();
            needed = needed.saturating_sub(open);
            (needed == 0).then_some(*price)
        };
        match side {
            Side::Buy => self.sides[side as usize].iter().rev().find_map(&mut covers),
            Side::Sell => self.sides[side as usize].iter().find_map(&mut covers),
        }
    }

    /// What is open of the order that a ticket stands for.
    fn alive(&self, (ticket, id): (u32, u32)) -> Option<u32> {
        self.order(id).filter(|order| order.ticket == ticket).map(|order| order.open)
    }

    /// Trades with the other side and says what is left.
    fn take(&mut self, taker: u32, side: Side, limit: u32, quantity: u32, outcome: &mut Outcome) -> u32 {
        let makers = side.opposite();
        let mut needed = quantity;
        while needed > 0
            && let Some(price) = self.best(makers)
            && (if side == Side::Buy { price <= limit } else { price >= limit })
        {
            let queue = &mut self.sides[makers as usize].get_mut(&price).expect("the best level is there").queue;
            let front = *queue.front().expect("a level that is there holds a live order");
            let Some(open) = self.alive(front) else {
                self.sides[makers as usize].get_mut(&price).expect("as before").queue.pop_front();
                continue;
            };
            let (_, maker) = front;
            let traded = open.min(needed);
            needed -= traded;
            outcome.fill(u64::from(maker), u64::from(taker), u64::from(price), u64::from(traded));
            self.last_trade = Some(price);
            if traded == open {
                self.remove(maker);
            } else if let Some(order) = &mut self.orders[maker as usize] {
                order.open -= traded;
            }
        }
        needed
    }

    fn rest(&mut self, id: u32, side: Side, price: u32, open: u32, total: u32) {
        if open == 0 {
            return;
        }
        self.tickets += 1;
        let ticket = self.tickets;
        self.orders[id as usize] = Some(Order { side, price, open, total, ticket, place_in_live: self.live.len() });
        self.live.push(id);
        self.len_of[side as usize] += 1;
        let level = self.sides[side as usize].entry(price).or_default();
        level.queue.push_back((ticket, id));
        level.live += 1;
    }

    fn remove(&mut self, id: u32) {
        let order = self.orders[id as usize].take().expect("asked for before");
        self.live.swap_remove(order.place_in_live);
        self.len_of[order.side as usize] -= 1;
        if let Some(moved) = self.live.get(order.place_in_live) {
            self.orders[*moved as usize].as_mut().expect("it lives").place_in_live = order.place_in_live;
        }
        let side = &mut self.sides[order.side as usize];
        let level = side.get_mut(&order.price).expect("a live order has a level");
        level.live -= 1;
        if level.live == 0 {
            side.remove(&order.price);
        }
    }
}
