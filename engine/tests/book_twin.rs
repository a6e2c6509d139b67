//! The fast book against its naive twin: millions of random commands, every fill, every outcome,
//! every event, every level and the whole state compared. A difference is shrunk before it is shown.
//!
//! `RIALTO_TWIN_COMMANDS` is how many commands the long runs make together, for soaks: with
//! `--nocapture` they say which seeds they took.

#[path = "book_twin/generator.rs"]
mod generator;
#[path = "book_twin/pair.rs"]
mod pair;
#[path = "book_twin/queue.rs"]
mod queue;
#[path = "common/random.rs"]
mod random;
#[path = "book_twin/tracker.rs"]
mod tracker;
#[path = "common/twin.rs"]
mod twin;

use std::panic::{AssertUnwindSafe, catch_unwind};

use generator::{Generator, Prices, Profile, Spices, Step};
use pair::{Pair, Seen, placed};
use random::Random;
use rialto_engine::book::BookOutput;
use rialto_engine::ids::{AccountId, OrderId};
use rialto_engine::message::{BookCommand, CancelRestriction, ToBook};
use rialto_engine::order::{NewOrder, OrderKind, Side};
use rialto_engine::units::{Nanos, Notional, Price, Quantity};
use twin::Counts;

/// Runs a list of commands, comparing everything each time, and says what went wrong first.
fn first_difference(steps: &[Step]) -> Option<String> {
    let mut pair = Pair::new();
    let run = || steps.iter().find_map(|step| pair.execute(step, true).err());
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Some("the book panicked".to_owned()))
}

/// Delta debugging: throws away ever smaller pieces for as long as a difference remains.
fn shrink(mut steps: Vec<Step>) -> Vec<Step> {
    let mut size = steps.len().div_ceil(2);
    loop {
        let mut start = 0;
        let before = steps.len();
        while start < steps.len() {
            let mut fewer = steps.clone();
            fewer.drain(start..(start + size).min(steps.len()));
            if first_difference(&fewer).is_some() {
                steps = fewer;
            } else {
                start += size;
            }
        }
        if size == 1 && steps.len() == before {
            return steps;
        }
        size = size.div_ceil(2);
    }
}

/// Shows the shortest run with a difference.
fn fail(profile: &Profile, seed: u64, difference: &str, steps: Vec<Step>) -> ! {
    let number = steps.len();
    let shrunk = shrink(steps);
    let list: String = shrunk.iter().map(|Step { time, command }| format!("  {time}: {command:?}\n")).collect();
    let last = first_difference(&shrunk).unwrap_or_else(|| "not repeated with full checks".to_owned());
    panic!("{profile:?} seed {seed} step {number}: {difference}\nshrunk to:\n{list}{last}");
}

/// What a run has met.
#[derive(Clone, Copy, Debug, Default)]
struct Met {
    seen: Seen,
    counts: Counts,
}

/// Drives a pair by random commands; the fast book is also frozen to a snapshot and thawed.
fn agree(seed: u64, profile: Profile) -> Met {
    let (pair, steps) = drive(seed, profile);
    let fills = pair.fast.trades();
    let resting = pair.fast.len();
    assert!(fills as usize > profile.commands / 20, "{profile:?} hardly traded: {fills} fills");
    let met = Met { seen: pair.seen, counts: pair.twin.counts };
    eprintln!("{profile:?} seed {seed}: {steps} commands, {fills} fills, {resting} resting, {met:?}: 0 differences");
    let Met { seen, counts } = met;
    if profile.guarded > 0 {
        assert!(seen.lapsed > 0 && seen.decremented > 0, "{profile:?} never met itself");
    }
    if profile.triggered > 0 {
        assert!(counts.trailed > 0 && seen.triggered > counts.trailed, "{profile:?} never triggered");
        assert!(seen.would_trigger > 0, "{profile:?} never refused a trigger");
    }
    met
}

fn drive(seed: u64, profile: Profile) -> (Pair, usize) {
    let mut generator = Generator::new(seed, profile);
    let mut pair = Pair::new();
    let mut steps = Vec::with_capacity(profile.commands);
    for number in 1..=profile.commands {
        let step = generator.step(&pair.twin);
        steps.push(step.clone());
        let full = number.is_multiple_of(profile.full_check) || number == profile.commands;
        let run = catch_unwind(AssertUnwindSafe(|| pair.execute(&step, full)));
        let result = run.unwrap_or_else(|_| Err("the book panicked".to_owned()));
        if let Err(difference) = result {
            fail(&profile, seed, &difference, steps);
        }
    }
    (pair, steps.len())
}

/// How many commands the long runs make, if nobody says otherwise.
const COMMANDS: usize = 19 * LONG;
const LONG: usize = 250_000;

/// Runs each profile with its seed, and again with later seeds for as many commands as are asked
/// for by `RIALTO_TWIN_COMMANDS`.
fn agree_all(profiles: &[(u64, Profile)]) -> Met {
    let asked = std::env::var("RIALTO_TWIN_COMMANDS").ok().map(|asked| asked.replace('_', "").parse::<usize>());
    let rounds = asked.map_or(1, |asked| asked.expect("a number of commands").div_ceil(COMMANDS));
    let (mut seeds, mut commands, mut all) = (Vec::new(), 0, Met::default());
    for round in 0..rounds as u64 {
        for (seed, profile) in profiles {
            let seed = seed + 10_000 * round;
            let met = agree(seed, *profile);
            seeds.push(seed);
            commands += profile.commands;
            all = Met { seen: all.seen.with(&met.seen), counts: all.counts.with(&met.counts) };
        }
    }
    eprintln!("{commands} commands without a difference, seeds {seeds:?}");
    all
}

const NO_SPICES: Spices = Spices {
    iceberg: 0,
    hidden: 0,
    minimum: 0,
    peg: 0,
    slide: 0,
    lifetime: 0,
    slippage: 0,
    groups: 0,
    lists: 0,
    phases: 0,
    bands: 0,
};

/// A little of everything.
const ALL_SPICES: Spices = Spices {
    iceberg: 15,
    hidden: 10,
    minimum: 10,
    peg: 8,
    slide: 50,
    lifetime: 10,
    slippage: 40,
    groups: 3,
    lists: 8,
    phases: 60,
    bands: 30,
};

const PLAIN: Profile = Profile {
    prices: Prices::Wandering { width: 4, step: 0 },
    middle: 1 << 20,
    max_quantity: 20,
    orders: 20,
    patient: 60,
    guarded: 0,
    triggered: 0,
    storms: 0,
    spices: NO_SPICES,
    commands: LONG,
    full_check: 4,
};

#[test]
fn narrow_books() {
    let profile = |orders, guarded, triggered| Profile { middle: 500, orders, guarded, triggered, ..PLAIN };
    agree_all(&[(1, profile(4, 50, 30)), (2, profile(20, 0, 0)), (3, profile(150, 60, 20))]);
}

#[test]
fn wandering_books() {
    let profile = |width, step, guarded, triggered| Profile {
        prices: Prices::Wandering { width, step },
        max_quantity: 1_000,
        orders: 200,
        patient: 95,
        guarded,
        triggered,
        ..PLAIN
    };
    agree_all(&[
        (11, profile(30, 1, 40, 0)),
        (12, profile(200, 40, 0, 30)),
        (13, profile(5_000, 3, 40, 30)),
        (14, profile(100_000, 2_000, 70, 40)),
    ]);
}

#[test]
fn books_with_gaps() {
    let profile = |guarded, triggered| Profile {
        prices: Prices::Gaps,
        max_quantity: 8,
        orders: 60,
        patient: 50,
        guarded,
        triggered,
        ..PLAIN
    };
    agree_all(&[(21, profile(0, 0)), (22, profile(50, 40))]);
}

#[test]
fn storms_of_stops() {
    let profile = |width, orders| Profile {
        prices: Prices::Wandering { width, step: 1 },
        middle: 10_000,
        orders,
        patient: 90,
        guarded: 30,
        triggered: 30,
        storms: 60,
        ..PLAIN
    };
    let met = agree_all(&[(51, profile(8, 60)), (52, profile(40, 300))]);
    assert!(met.seen.proceeded > 100 && met.seen.long_cascades > 0, "{met:?}");
}

#[test]
fn books_of_every_kind_of_order() {
    let profile = |spices, width, middle, orders| Profile {
        prices: Prices::Wandering { width, step: 1 },
        middle,
        max_quantity: 12,
        orders,
        patient: 60,
        guarded: 25,
        triggered: 12,
        storms: 3,
        spices,
        full_check: 6,
        ..PLAIN
    };
    let lit = Spices { phases: 0, bands: 0, ..ALL_SPICES };
    let dark = Spices { hidden: 30, minimum: 35, peg: 20, phases: 15, bands: 0, ..ALL_SPICES };
    let shown = Spices { iceberg: 60, lists: 0, ..NO_SPICES };
    let listed = Spices { lists: 45, lifetime: 25, phases: 30, ..NO_SPICES };
    let called = Spices { phases: 400, hidden: 25, iceberg: 25, bands: 100, ..ALL_SPICES };
    let banded = Spices { bands: 150, phases: 0, slippage: 60, ..ALL_SPICES };
    let met = agree_all(&[
        (61, profile(ALL_SPICES, 4, 500, 25)),
        (62, profile(lit, 6, 1_000, 40)),
        (63, profile(dark, 3, 300, 25)),
        (64, profile(shown, 3, 10_000, 20)),
        (65, profile(listed, 5, 1_000, 40)),
        (66, profile(called, 4, 400, 40)),
        (67, profile(banded, 6, 700, 40)),
        (68, Profile { prices: Prices::Gaps, max_quantity: 8, ..profile(ALL_SPICES, 0, 0, 40) }),
    ]);
    let missing: Vec<&str> = met.seen.missing().into_iter().chain(met.counts.missing()).collect();
    assert!(missing.is_empty(), "never happened: {missing:?} {met:?}");
}

#[test]
fn tiny_books_compared_in_full_after_every_command() {
    for seed in 100..600 {
        let prices = if seed % 2 == 0 { Prices::Wandering { width: 3, step: 1 } } else { Prices::Gaps };
        let orders = 3 + seed as usize % 9;
        let (guarded, triggered) = if seed % 5 == 0 { (0, 0) } else { (50, 40) };
        let storms = 200 * (seed % 2);
        let middle = if seed % 3 == 0 { 1 << 20 } else { 100 };
        let spices = if seed % 4 == 0 { NO_SPICES } else { ALL_SPICES };
        let profile = Profile {
            prices,
            middle,
            max_quantity: 5,
            orders,
            patient: 50,
            guarded,
            triggered,
            storms,
            spices,
            ..PLAIN
        };
        drive(seed, Profile { commands: 400, full_check: 1, ..profile });
    }
}

#[test]
fn a_book_of_a_hundred_thousand_orders() {
    const ORDERS: u64 = 100_000;
    let mut random = Random::new(31);
    let mut pair = Pair::new();
    let place = |pair: &mut Pair, id: u64, side, price: u64, kind, quantity: u64| {
        let order = NewOrder {
            id: OrderId(id),
            account: AccountId(0),
            side,
            kind,
            limit: Price(price),
            quantity: Quantity(quantity),
            budget: Notional(u64::MAX),
            time: Nanos(id),
            instructions: None,
        };
        pair.execute(&placed(order), id.is_multiple_of(20_000)).unwrap_or_else(|difference| panic!("{difference}"));
    };
    // From the touch outwards, with some disorder, so that the twin need not move all it has.
    for id in 1..=ORDERS {
        let away = 1 + id / 10 + random.below(40);
        let (side, price) = if id % 2 == 0 { (Side::Buy, 1_000_000 - away) } else { (Side::Sell, 1_000_000 + away) };
        place(&mut pair, id, side, price, OrderKind::Limit, 1 + random.below(50));
    }
    assert_eq!(pair.fast.len(), ORDERS as usize);
    for step in 1..=15_000 {
        let id = OrderId(random.between(1, ORDERS));
        let command = match random.below(3) {
            0 => BookCommand::Cancel { order: id, restriction: CancelRestriction::None },
            1 => BookCommand::Reduce { order: id, quantity: Quantity(random.between(1, 50)) },
            _ => {
                let side = if random.percent(50) { Side::Buy } else { Side::Sell };
                let quantity = random.between(1, 2_000);
                place(&mut pair, ORDERS + step, side, 1_000_000, OrderKind::ImmediateOrCancel, quantity);
                continue;
            }
        };
        let full = step.is_multiple_of(5_000);
        let step = Step { time: Nanos(ORDERS + step), command };
        pair.execute(&step, full).unwrap_or_else(|difference| panic!("{difference}"));
    }
    // One order takes the whole side.
    for (side, price) in [(Side::Buy, 2_000_000), (Side::Sell, 1)] {
        let quantity = pair.twin.side(side.opposite()).iter().map(|order| order.open().0).sum();
        place(&mut pair, 3 * ORDERS + price, side, price, OrderKind::FillOrKill, quantity);
    }
    pair.compare_everything().unwrap_or_else(|difference| panic!("{difference}"));
    assert!(pair.fast.is_empty());
}

#[test]
fn a_message_that_comes_again_is_dropped() {
    let mut random = Random::new(41);
    let profile = Profile {
        prices: Prices::Wandering { width: 4, step: 1 },
        middle: 1_000,
        max_quantity: 9,
        guarded: 30,
        triggered: 30,
        full_check: 1,
        ..PLAIN
    };
    let mut generator = Generator::new(42, profile);
    let mut pair = Pair::new();
    let mut messages = Vec::new();
    for number in 1..=2_000 {
        let step = generator.step(&pair.twin);
        pair.execute(&step, true).unwrap_or_else(|difference| panic!("{difference}"));
        messages.push(ToBook { number, time: step.time, command: step.command });
        let again = &messages[random.below(number) as usize];
        let before = pair.fast.snapshot();
        let mut output = BookOutput::default();
        assert_eq!(pair.fast.receive(again, &mut output), None);
        assert!(output.fills.is_empty() && output.levels.is_empty() && output.events.is_empty());
        assert_eq!(pair.fast.snapshot(), before);
    }
}
