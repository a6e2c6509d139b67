//! Five regimes of one liquid share, from a still mid to a swing of 60 %: a million new orders each,
//! about two million messages. The parameters are those of a public survey of 247 matching engines
//! (flash1-dev/matching-engine-benchmark); the draws are this file's own.
//!
//! - The mid begins at 33,504 ticks and takes one step of a geometric Brownian motion per new order,
//!   such that its logarithm deviates by the regime's swing over the whole run.
//! - The first half of the path prices buys, the second sells, each passively: a distance of one
//!   tick and more away from the mid on its own side, drawn with weights k^-2.23 + 5 exp(-(k-9)²/2) for
//!   k from 1 to 800: a power law, and a hump eight ticks behind the closest price. Then all are
//!   shuffled. What trades is what the shuffle lets cross.
//! - Quantities are 1 to 100. 15 % are immediate-or-cancel, and that is all of them.
//! - 20 % of the others are modified 30 to 100 µs after they came: quantity up by one, four in five also
//!   a tick towards the mid. That costs an order its place in every engine.
//! - 95 % of the others are cancelled after an exponential life with a median of 0.431 ms at the
//!   closest price, times the square root of the distance, counted from the modification if there is
//!   one.
//! - 2 % of cancels come twice, up to 20 µs apart; 2 % of the orders that were modified and cancelled are
//!   modified once more, as late. Orders may have traded before; whatever finds nothing is refused.
//!
//! Where the text is silent: new orders come [`GAP_MICROS`] apart on average, exponentially, whatever
//! becomes of those before. The survey lets each order's whole life pass before the next one comes,
//! so that a book there never holds more than one order that will be cancelled; here some hundred
//! lives overlap, and a cancel has to be looked for. The seed was chosen as the survey chose its own:
//! such that the book stands about as its table says, 42,000 orders in 90 levels where the mid is
//! still, up to 1,400 levels where it swings.

use crate::workload::{Command, Draw, Side, Workload};

const SEED: u64 = 12;
const START_MID: f64 = 33_504.0;
const DISTANCE_MAX: usize = 800;
const EXPONENT: f64 = 2.23;
const HUMP_WEIGHT: f64 = 5.0;
const HUMP_DISTANCE: f64 = 9.0;
const QUANTITY_MAX: u32 = 100;
const TAKER_SHARE: f64 = 0.15;
const MODIFIED_SHARE: f64 = 0.20;
const REPRICED_SHARE: f64 = 0.80;
const CANCELED_SHARE: f64 = 0.95;
const REPEATED_SHARE: f64 = 0.02;
const MEDIAN_LIFE_MICROS: f64 = 431.0;
const GAP_MICROS: f64 = 10.0;

/// A regime: how far the logarithm of the mid deviates over the run.
#[derive(Clone, Copy, Debug)]
pub struct Regime {
    pub name: &'static str,
    swing: f64,
}

pub const REGIMES: [Regime; 5] = [
    Regime { name: "still", swing: 0.0 },
    Regime { name: "swing-2", swing: 0.02 },
    Regime { name: "swing-25", swing: 0.25 },
    Regime { name: "swing-40", swing: 0.40 },
    Regime { name: "swing-60", swing: 0.60 },
];

struct NewOrder {
    side: Side,
    price: u32,
    quantity: u32,
    distance: usize,
}

struct Message {
    micros: f64,
    /// The order it is about, by its place among the new ones.
    order: u32,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Add,
    Take,
    Modify { price: u32, quantity: u32 },
    Cancel,
}

impl Regime {
    /// About twice as many messages as new orders.
    pub fn workload(self, new_orders: usize) -> Workload {
        self.with_seed(new_orders, SEED)
    }

    pub fn with_seed(self, new_orders: usize, seed: u64) -> Workload {
        let mut draw = Draw::new(seed);
        let mut orders = self.orders(new_orders, &mut draw);
        for last in (1..orders.len()).rev() {
            orders.swap(last, draw.index(last + 1));
        }
        let mut messages = Vec::with_capacity(new_orders * 9 / 4);
        let mut now = 0.0;
        for (number, order) in (0..).zip(&orders) {
            now += draw.exponential(GAP_MICROS);
            live(number, order, now, &mut draw, &mut messages);
        }
        // Stable, so that what comes at the same time comes in the order in which it was made.
        messages.sort_by(|left, right| left.micros.total_cmp(&right.micros));
        Workload::new(format!("equity {}", self.name), stream(&orders, &messages), 0)
    }

    fn orders(self, new_orders: usize, draw: &mut Draw) -> Vec<NewOrder> {
        let distances = Distances::new();
        #[expect(clippy::cast_precision_loss, reason = "a few million")]
        let deviation = self.swing / (new_orders as f64).sqrt();
        let mut mid = START_MID;
        (0..new_orders)
            .map(|place| {
                mid *= (deviation * draw.normal() - deviation * deviation / 2.0).exp();
                let distance = distances.draw(draw);
                #[expect(clippy::cast_possible_truncation, reason = "a mid of some ten thousand ticks")]
                let ticks = mid.round() as i64;
                let away = i64::try_from(distance).expect("at most 800");
                let (side, price) =
                    if place < new_orders / 2 { (Side::Buy, ticks - away) } else { (Side::Sell, ticks + away) };
                let price = u32::try_from(price.max(1)).expect("a mid of some ten thousand ticks");
                NewOrder { side, price, quantity: draw.up_to(QUANTITY_MAX), distance }
            })
            .collect()
    }
}

/// All messages of an order that comes now.
fn live(number: u32, order: &NewOrder, now: f64, draw: &mut Draw, messages: &mut Vec<Message>) {
    let mut say = |micros, kind| messages.push(Message { micros, order: number, kind });
    if draw.uniform() < TAKER_SHARE {
        say(now, Kind::Take);
        return;
    }
    say(now, Kind::Add);
    let mut now = now;
    let mut modified = None;
    if draw.uniform() < MODIFIED_SHARE {
        now += 30.0 + 70.0 * draw.uniform();
        let price = match order.side {
            _ if draw.uniform() >= REPRICED_SHARE => order.price,
            Side::Buy => order.price + 1,
            Side::Sell => order.price - 1,
        };
        let kind = Kind::Modify { price, quantity: order.quantity + 1 };
        say(now, kind);
        modified = Some(kind);
    }
    if draw.uniform() < CANCELED_SHARE {
        #[expect(clippy::cast_precision_loss, reason = "at most 800")]
        let depth = (order.distance as f64).sqrt();
        now += draw.exponential(MEDIAN_LIFE_MICROS / std::f64::consts::LN_2 * depth);
        say(now, Kind::Cancel);
        if draw.uniform() < REPEATED_SHARE {
            now += 1.0 + 19.0 * draw.uniform();
            say(now, Kind::Cancel);
        }
        if let Some(kind) = modified
            && draw.uniform() < REPEATED_SHARE
        {
            say(now + 1.0 + 19.0 * draw.uniform(), kind);
        }
    }
}

/// Names orders by the places of the commands that placed them.
fn stream(orders: &[NewOrder], messages: &[Message]) -> Vec<Command> {
    let mut placed = vec![0; orders.len()];
    let command = |(place, message): (u32, &Message)| {
        let number = message.order as usize;
        let NewOrder { side, price, quantity, .. } = orders[number];
        match message.kind {
            Kind::Add => {
                placed[number] = place;
                Command::Place { side, immediate: false, price, quantity }
            }
            Kind::Take => Command::Place { side, immediate: true, price, quantity },
            Kind::Modify { price, quantity } => Command::move_to(placed[number], side, price, quantity),
            Kind::Cancel => Command::Cancel { order: placed[number], latest: 0 },
        }
    };
    (0..).zip(messages).map(command).collect()
}

/// How far from the mid orders lie: running sums of the weights.
struct Distances(Vec<f64>);

impl Distances {
    fn new() -> Self {
        let mut sum = 0.0;
        #[expect(clippy::cast_precision_loss, reason = "at most 800")]
        let sums = (1..=DISTANCE_MAX).map(|distance| {
            let from_hump = distance as f64 - HUMP_DISTANCE;
            sum += (distance as f64).powf(-EXPONENT) + HUMP_WEIGHT * (-from_hump * from_hump / 2.0).exp();
            sum
        });
        Self(sums.collect())
    }

    fn draw(&self, draw: &mut Draw) -> usize {
        let at = draw.uniform() * self.0.last().expect("there are distances");
        (self.0.partition_point(|sum| *sum < at) + 1).min(DISTANCE_MAX)
    }
}
