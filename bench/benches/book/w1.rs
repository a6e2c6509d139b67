//! W1: resting orders around a touch that moves, mostly added and cancelled, now and then taken.
//!
//! A cancel always names a live order, an add never trades, and a taker always fills.

use crate::engines::Outcome;
use crate::oracle::Oracle;
use crate::workload::{Command, Draw, Side, Workload};

const SEED: u64 = 20_260_101;
const START_PRICE: u32 = 100_000;
const MEAN_DISTANCE: f64 = 12.0;
const QUANTITY_MAX: u32 = 100;
const ADD_PERCENT: u64 = 60;
const TAKE_PERCENT: u64 = 5;

/// So many resting orders before the clock starts, then 60 % adds, 35 % cancels, 5 % takers. A taker
/// asks for as many quantities as orders have become too many since the last one, five on average,
/// so that the book keeps its size.
pub fn w1(resting: usize, commands: usize) -> Workload {
    let mut draw = Draw::new(SEED);
    let mut model = Oracle::default();
    let mut stream = Vec::with_capacity(resting + commands);
    let mut ignored = Outcome::default();
    for place in 0..resting + commands {
        // The book is built of adds.
        let kind = if place < resting { TAKE_PERCENT } else { draw.below(100) };
        let command = if kind < TAKE_PERCENT {
            take(&model, model.len().saturating_sub(resting).max(1), &mut draw)
        } else if kind < TAKE_PERCENT + ADD_PERCENT {
            add(&model, &mut draw)
        } else {
            Command::Cancel { order: model.live()[draw.index(model.len())], latest: 0 }
        };
        model.execute(&command, &mut ignored);
        stream.push(command);
    }
    Workload::new(format!("W1, {resting} resting"), stream, resting)
}

fn add(model: &Oracle, draw: &mut Draw) -> Command {
    let side = draw.side();
    let quantity = draw.up_to(QUANTITY_MAX);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 12 times 37")]
    let distance = draw.exponential(MEAN_DISTANCE) as u32;
    // One tick away from the other side's best is the closest that does not trade.
    let price = match side {
        Side::Buy => model.best(Side::Sell).unwrap_or(START_PRICE + 1) - 1 - distance,
        Side::Sell => model.best(Side::Buy).unwrap_or(START_PRICE) + 1 + distance,
    };
    Command::Place { side, immediate: false, price, quantity }
}

fn take(model: &Oracle, orders: usize, draw: &mut Draw) -> Command {
    let side = draw.side();
    let quantity = (0..orders).map(|_| draw.up_to(QUANTITY_MAX)).sum();
    let price = model.limit_for(side.opposite(), quantity).expect("a book far larger than a taker");
    Command::Place { side, immediate: true, price, quantity }
}
