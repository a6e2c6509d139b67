//! The command stream that every engine is given: resting orders around a touch that moves, mostly
//! added and cancelled, now and then taken.
//!
//! The generator keeps a plain book of its own, so that a cancel always names a live order and a
//! taker always fills. A command's place in the stream is its order's id.

use std::collections::{BTreeMap, VecDeque};

/// Bid or ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Buy,
    Sell,
}

/// What an engine is told, in no engine's own terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// A limit order that rests whole.
    Add { side: Side, price: u64, quantity: u64 },
    /// Takes out an order that rests.
    Cancel { id: u64 },
    /// Immediate or cancel; the book holds enough within the limit to fill it.
    Take { side: Side, price: u64, quantity: u64 },
}

/// A stream: the orders that rest before the clock starts, then the commands that are timed.
#[derive(Clone, Debug)]
pub struct Workload {
    pub commands: Vec<Command>,
    /// How many commands at the front only build the book.
    pub setup: usize,
    /// What rests in the end.
    pub resting: usize,
    /// In how many price levels.
    pub levels: usize,
}

/// The size of a stream.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub resting: usize,
    pub commands: usize,
}

const SEED: u64 = 20_260_101;
const START_PRICE: u64 = 100_000;
const MEAN_DISTANCE: f64 = 12.0;
const QUANTITY_MAX: u64 = 100;
const ADD_PERCENT: u64 = 60;
const TAKE_PERCENT: u64 = 5;

impl Workload {
    /// 60 % adds, 35 % cancels, 5 % takers. A taker asks for as many quantities as orders have
    /// become too many since the last one, five on average, so that the book keeps its size.
    pub fn generate(size: Size) -> Self {
        let mut draw = Draw(SEED);
        let mut model = Model::default();
        let mut commands = Vec::with_capacity(size.resting + size.commands);
        for _ in 0..size.resting {
            commands.push(model.add(&mut draw));
        }
        for _ in 0..size.commands {
            let kind = draw.below(100);
            commands.push(if kind < TAKE_PERCENT {
                model.take(model.live.len().saturating_sub(size.resting).max(1), &mut draw)
            } else if kind < TAKE_PERCENT + ADD_PERCENT {
                model.add(&mut draw)
            } else {
                model.cancel(&mut draw)
            });
        }
        let levels = model.sides.iter().map(BTreeMap::len).sum();
        Self { commands, setup: size.resting, resting: model.live.len(), levels }
    }

    /// The commands that are timed.
    pub fn timed(&self) -> &[Command] {
        &self.commands[self.setup..]
    }

    /// How many of the timed commands are adds, cancels and takers.
    pub fn mix(&self) -> [usize; 3] {
        let mut mix = [0; 3];
        for command in self.timed() {
            mix[match command {
                Command::Add { .. } => 0,
                Command::Cancel { .. } => 1,
                Command::Take { .. } => 2,
            }] += 1;
        }
        mix
    }
}

#[derive(Default)]
struct Model {
    /// Bids, asks: a queue of ids by price. Ids of dead orders stay until they reach the front.
    sides: [BTreeMap<u64, Level>; 2],
    /// By command, so that an id is an index. Commands that place nothing leave a dead order.
    orders: Vec<Order>,
    live: Vec<u64>,
}

#[derive(Default)]
struct Level {
    queue: VecDeque<u64>,
    live: usize,
}

#[derive(Clone, Copy)]
struct Order {
    side: Side,
    price: u64,
    remaining: u64,
    place_in_live: usize,
}

const DEAD: Order = Order { side: Side::Buy, price: 0, remaining: 0, place_in_live: 0 };

impl Model {
    fn add(&mut self, draw: &mut Draw) -> Command {
        let side = draw.side();
        let quantity = draw.quantity();
        let distance = draw.distance();
        // One tick away from the other side's best is the closest that does not trade.
        let price = match side {
            Side::Buy => self.best(Side::Sell).unwrap_or(START_PRICE + 1) - 1 - distance,
            Side::Sell => self.best(Side::Buy).unwrap_or(START_PRICE) + 1 + distance,
        };
        let id = self.orders.len() as u64;
        self.orders.push(Order { side, price, remaining: quantity, place_in_live: self.live.len() });
        self.live.push(id);
        let level = self.sides[side as usize].entry(price).or_default();
        level.queue.push_back(id);
        level.live += 1;
        Command::Add { side, price, quantity }
    }

    fn cancel(&mut self, draw: &mut Draw) -> Command {
        let id = self.live[draw.index(self.live.len())];
        self.remove(id);
        self.orders.push(DEAD);
        Command::Cancel { id }
    }

    fn take(&mut self, orders: usize, draw: &mut Draw) -> Command {
        let side = draw.side();
        let quantity = (0..orders).map(|_| draw.quantity()).sum();
        let makers = if side == Side::Buy { Side::Sell } else { Side::Buy };
        let (mut needed, mut limit) = (quantity, 0);
        while needed > 0 {
            limit = self.best(makers).expect("a book far larger than a taker");
            let queue = &mut self.sides[makers as usize].get_mut(&limit).expect("the best level is there").queue;
            let id = *queue.front().expect("a level that is there holds a live order");
            let order = &mut self.orders[usize::try_from(id).expect("an index")];
            let taken = order.remaining.min(needed);
            needed -= taken;
            if taken < order.remaining {
                order.remaining -= taken;
            } else {
                queue.pop_front();
                if taken > 0 {
                    self.remove(id);
                }
            }
        }
        self.orders.push(DEAD);
        Command::Take { side, price: limit, quantity }
    }

    fn best(&self, side: Side) -> Option<u64> {
        let mut prices = self.sides[side as usize].keys();
        match side {
            Side::Buy => prices.next_back().copied(),
            Side::Sell => prices.next().copied(),
        }
    }

    fn remove(&mut self, id: u64) {
        let order = std::mem::replace(&mut self.orders[usize::try_from(id).expect("an index")], DEAD);
        self.live.swap_remove(order.place_in_live);
        if let Some(moved) = self.live.get(order.place_in_live) {
            self.orders[usize::try_from(*moved).expect("an index")].place_in_live = order.place_in_live;
        }
        let side = &mut self.sides[order.side as usize];
        let level = side.get_mut(&order.price).expect("a live order has a level");
        level.live -= 1;
        if level.live == 0 {
            side.remove(&order.price);
        }
    }
}

/// Seeded draws (splitmix64), so that every run on every machine gets the same stream.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("below a length")
    }

    fn side(&mut self) -> Side {
        if self.below(2) == 0 { Side::Buy } else { Side::Sell }
    }

    fn quantity(&mut self) -> u64 {
        1 + self.below(QUANTITY_MAX)
    }

    fn distance(&mut self) -> u64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits of it")]
        let uniform = ((self.next() >> 11) as f64 + 1.0) / (1_u64 << 53) as f64;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 12 times 37")]
        let distance = (-uniform.ln() * MEAN_DISTANCE) as u64;
        distance
    }
}
