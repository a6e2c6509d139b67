//! The fast book against its naive twin: millions of random commands, every fill, every outcome,
//! every level and every resting order compared. A difference is shrunk before it is shown.

#[path = "common/random.rs"]
mod random;
#[path = "common/twin.rs"]
mod twin;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use random::Random;
use rialto_engine::book::{Book, BookOutput};
use rialto_engine::ids::{AccountId, OrderId};
use rialto_engine::message::{BookCommand, CancelRestriction, ToBook};
use rialto_engine::order::{NewOrder, OrderKind, Side};
use rialto_engine::units::{Nanos, Notional, Price, Quantity};
use twin::Twin;

/// Where prices come from.
#[derive(Clone, Copy, Debug)]
enum Prices {
    /// Around a middle that wanders: `width` ticks to each side, at most `step` ticks a command.
    Wandering { width: u64, step: u64 },
    /// Powers of two and their neighbours, up to 2^57: pages far apart, and their edges.
    Gaps,
}

/// One way to drive a book.
#[derive(Clone, Copy, Debug)]
struct Profile {
    prices: Prices,
    max_quantity: u64,
    /// Of a hundred orders, how many keep to their side of the middle.
    patient: u64,
    /// How many orders there are about, once the book is full.
    orders: usize,
    commands: usize,
    /// After how many commands everything is compared, not only what the command touched.
    full_check: usize,
}

/// Both books, and a market data client who knows nothing but the level changes.
struct Pair {
    fast: Book,
    twin: Twin,
    depth: BTreeMap<(Side, Price), Quantity>,
    output: BookOutput,
    changes: u64,
    number: u64,
}

impl Pair {
    fn new() -> Self {
        Self {
            fast: Book::new(),
            twin: Twin::default(),
            depth: BTreeMap::new(),
            output: BookOutput::default(),
            changes: 0,
            number: 0,
        }
    }

    /// Carries out a command in both books and says where they differ.
    fn execute(&mut self, command: &BookCommand, full: bool) -> Result<(), String> {
        self.number += 1;
        let message = ToBook { number: self.number, time: Nanos(self.number), command: command.clone() };
        self.output.clear();
        let answer = self.fast.receive(&message, &mut self.output).ok_or("no answer")?;
        let mut fills = Vec::new();
        let outcome = self.twin.execute(command, &mut fills);
        same("outcome", &answer.outcome, &outcome)?;
        same("fills", &answer.fills, &fills)?;
        same("numbers", &(answer.number, answer.time), &(self.number, message.time))?;
        same("counters", &(self.fast.trades(), self.fast.aggregates()), &(self.twin.trades, self.twin.aggregates))?;
        same("orders", &self.fast.len(), &(self.twin.bids.len() + self.twin.asks.len()))?;
        self.changes += self.output.levels.len() as u64;
        same("change count", &self.fast.changes(), &self.changes)?;
        for change in &self.output.levels {
            self.depth.insert((change.side, change.price), change.quantity);
            if change.quantity.is_zero() {
                self.depth.remove(&(change.side, change.price));
            }
        }
        for change in &self.output.levels {
            let known = self.depth.get(&(change.side, change.price)).copied().unwrap_or_default();
            same("level", &known, &depth(&self.twin, change.side, change.price))?;
        }
        for (side, orders) in [(Side::Buy, &self.twin.bids), (Side::Sell, &self.twin.asks)] {
            let best = orders.first().map(|order| (order.price, depth(&self.twin, side, order.price)));
            same("best", &self.fast.best(side), &best)?;
        }
        if let (Some((bid, _)), Some((ask, _))) = (self.fast.best(Side::Buy), self.fast.best(Side::Sell))
            && bid >= ask
        {
            return Err(format!("crossed: {bid} >= {ask}"));
        }
        if full { self.compare_everything() } else { Ok(()) }
    }

    fn compare_everything(&self) -> Result<(), String> {
        let twin = self.twin.bids.iter().chain(&self.twin.asks);
        if !self.fast.resting().eq(twin.clone().copied()) {
            same("resting", &self.fast.resting().collect::<Vec<_>>(), &twin.copied().collect())?;
        }
        for side in [Side::Buy, Side::Sell] {
            let levels = self.twin.levels(side);
            same("levels", &self.fast.levels(side).collect::<Vec<_>>(), &levels)?;
            let mut published: Vec<(Price, Quantity)> =
                self.depth.iter().filter(|((of, _), _)| *of == side).map(|((_, price), q)| (*price, *q)).collect();
            if side == Side::Buy {
                published.reverse();
            }
            same("published levels", &published, &levels)?;
            for order in self.twin.side(side) {
                same("remaining", &self.fast.remaining(order.id), &Some(order.remaining))?;
            }
        }
        Ok(())
    }
}

/// All that rests at a price of the twin.
fn depth(twin: &Twin, side: Side, price: Price) -> Quantity {
    let orders = twin.side(side);
    let first = orders.partition_point(|order| match side {
        Side::Buy => order.price > price,
        Side::Sell => order.price < price,
    });
    Quantity(orders[first..].iter().take_while(|order| order.price == price).map(|order| order.remaining.0).sum())
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, fast: &T, twin: &T) -> Result<(), String> {
    if fast == twin { Ok(()) } else { Err(format!("{what}: the book has {fast:?}, the twin {twin:?}")) }
}

struct Generator {
    random: Random,
    profile: Profile,
    middle: u64,
    last_id: u64,
}

impl Generator {
    fn price(&mut self) -> Price {
        let random = &mut self.random;
        match self.profile.prices {
            Prices::Wandering { width, step } => {
                self.middle = (self.middle + random.between(0, 2 * step)).saturating_sub(step).max(width + 1);
                // Two draws make prices near the middle likelier.
                let half = random.between(0, width) + random.between(0, width);
                Price(self.middle + half - width)
            }
            Prices::Gaps => {
                let power = 1_u64 << random.between(1, 57);
                Price((power + random.between(0, 2)).saturating_sub(1).min(1 << 57))
            }
        }
    }

    fn order(&mut self) -> NewOrder {
        self.last_id += 1;
        let mut limit = self.price();
        let random = &mut self.random;
        let side = if random.percent(50) { Side::Buy } else { Side::Sell };
        if random.percent(self.profile.patient) && (side == Side::Buy) == (limit.0 > self.middle) {
            limit.0 = (2 * self.middle).saturating_sub(limit.0).max(1);
        }
        let kind = match random.below(100) {
            0..58 => OrderKind::Limit,
            58..66 => OrderKind::ImmediateOrCancel,
            66..74 => OrderKind::FillOrKill,
            74..84 => OrderKind::PostOnly,
            84..92 => OrderKind::Market,
            _ => OrderKind::MarketByQuote,
        };
        let mut quantity = random.between(1, self.profile.max_quantity);
        if random.below(10 + self.profile.orders as u64) == 0 {
            // A giant, to sweep many levels; times the highest price it stays below 2^62.
            let most = if matches!(self.profile.prices, Prices::Gaps) { 31 } else { u64::MAX };
            quantity = (quantity * random.between(2, 20)).min(most);
        }
        let cost = limit.0.saturating_mul(quantity);
        let budget = match kind {
            OrderKind::Market | OrderKind::MarketByQuote => match random.below(8) {
                0 => 0,
                1 => u64::MAX,
                2 => cost,
                3 => limit.0.saturating_sub(1),
                4 => random.between(0, limit.0),
                _ => random.between(0, cost.saturating_mul(2).min(1 << 62)),
            },
            _ => u64::MAX,
        };
        NewOrder {
            id: OrderId(self.last_id),
            account: AccountId(u32::try_from(random.below(5)).expect("small")),
            side,
            kind,
            limit: if kind.has_limit() { limit } else { Price::ZERO },
            quantity: Quantity(quantity),
            budget: Notional(budget),
            time: Nanos(self.last_id),
        }
    }

    /// Mostly an order that rests, now and then one that is gone or never was.
    fn existing(&mut self, twin: &Twin) -> OrderId {
        let side = if self.random.percent(50) { &twin.bids } else { &twin.asks };
        if side.is_empty() || self.random.percent(10) {
            return OrderId(self.random.between(0, self.last_id + 2));
        }
        // The front of the queue is where the fast book has most to lose.
        let among = if self.random.percent(30) { side.len().min(4) } else { side.len() };
        side[self.random.below(among as u64) as usize].id
    }

    fn restriction(&mut self) -> CancelRestriction {
        match self.random.below(4) {
            0 => CancelRestriction::OnlyNew,
            1 => CancelRestriction::OnlyPartiallyFilled,
            _ => CancelRestriction::None,
        }
    }

    fn command(&mut self, twin: &Twin) -> BookCommand {
        let crowded = twin.bids.len() + twin.asks.len() > self.profile.orders;
        let places = if crowded { 30 } else { 70 };
        if self.random.percent(places) {
            return BookCommand::Place(self.order());
        }
        let order = self.existing(twin);
        match self.random.below(100) {
            0..50 => BookCommand::Cancel { order, restriction: self.restriction() },
            50..55 => {
                let count = self.random.below(12);
                let mut orders: Vec<OrderId> = (0..count).map(|_| self.existing(twin)).collect();
                orders.push(order);
                BookCommand::CancelMany(orders.into())
            }
            55..75 => {
                let found = twin.bids.iter().chain(&twin.asks).find(|resting| resting.id == order);
                let total = found.map_or(self.profile.max_quantity, |resting| resting.quantity.0);
                BookCommand::Reduce { order, quantity: Quantity(self.random.between(0, total + 1)) }
            }
            _ => {
                let old_remaining_needed = match self.random.below(4) {
                    0 => Quantity(self.random.between(1, self.profile.max_quantity)),
                    1 => Quantity(1),
                    _ => Quantity::ZERO,
                };
                BookCommand::Replace {
                    old: order,
                    restriction: self.restriction(),
                    allow_failure: self.random.percent(50),
                    old_remaining_needed,
                    new: self.order(),
                }
            }
        }
    }
}

/// Runs a list of commands, comparing everything each time, and says what went wrong first.
fn first_difference(commands: &[BookCommand]) -> Option<String> {
    let mut pair = Pair::new();
    let run = || commands.iter().find_map(|command| pair.execute(command, true).err());
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Some("the book panicked".to_owned()))
}

/// Delta debugging: throws away ever smaller pieces for as long as a difference remains.
fn shrink(mut commands: Vec<BookCommand>) -> Vec<BookCommand> {
    let mut size = commands.len().div_ceil(2);
    loop {
        let mut start = 0;
        let before = commands.len();
        while start < commands.len() {
            let mut fewer = commands.clone();
            fewer.drain(start..(start + size).min(commands.len()));
            if first_difference(&fewer).is_some() {
                commands = fewer;
            } else {
                start += size;
            }
        }
        if size == 1 && commands.len() == before {
            return commands;
        }
        size = size.div_ceil(2);
    }
}

/// Drives a pair by random commands; the fast book is also frozen to a snapshot and thawed.
fn agree(seed: u64, profile: Profile) {
    let mut generator = Generator { random: Random::new(seed), profile, middle: 1 << 20, last_id: 0 };
    let mut pair = Pair::new();
    let mut commands = Vec::with_capacity(profile.commands);
    let mut fills = 0;
    for step in 1..=profile.commands {
        let command = generator.command(&pair.twin);
        commands.push(command.clone());
        let full = step.is_multiple_of(profile.full_check) || step == profile.commands;
        let run = catch_unwind(AssertUnwindSafe(|| pair.execute(&command, full)));
        let result = run.unwrap_or_else(|_| Err("the book panicked".to_owned()));
        if let Err(difference) = result {
            let shrunk = shrink(commands);
            let list: String = shrunk.iter().map(|command| format!("  {command:?}\n")).collect();
            let last = first_difference(&shrunk).unwrap_or_else(|| "not repeated with full checks".to_owned());
            panic!("{profile:?} seed {seed} step {step}: {difference}\nshrunk to:\n{list}{last}");
        }
        fills = pair.fast.trades();
        if generator.random.below(20_000) == 0 {
            let snapshot = pair.fast.snapshot();
            pair.fast = Book::restore(&snapshot);
            assert_eq!(pair.fast.snapshot(), snapshot, "{profile:?} seed {seed} step {step}");
        }
    }
    let resting = pair.fast.len();
    assert!(fills as usize > profile.commands / 20, "{profile:?} hardly traded: {fills} fills");
    eprintln!("{profile:?} seed {seed}: {} commands, {fills} fills, {resting} resting: 0 differences", commands.len());
}

#[test]
fn narrow_books() {
    let prices = Prices::Wandering { width: 4, step: 0 };
    for (seed, orders) in [(1, 4), (2, 20), (3, 150)] {
        agree(seed, Profile { prices, max_quantity: 20, orders, patient: 60, commands: 250_000, full_check: 4 });
    }
}

#[test]
fn wandering_books() {
    for (seed, width, step) in [(11, 30, 1), (12, 200, 40), (13, 5_000, 3), (14, 100_000, 2_000)] {
        let prices = Prices::Wandering { width, step };
        agree(
            seed,
            Profile { prices, max_quantity: 1_000, orders: 200, patient: 95, commands: 250_000, full_check: 4 },
        );
    }
}

#[test]
fn books_with_gaps() {
    for seed in [21, 22] {
        let prices = Prices::Gaps;
        agree(seed, Profile { prices, max_quantity: 8, orders: 60, patient: 50, commands: 250_000, full_check: 4 });
    }
}

#[test]
fn tiny_books_compared_in_full_after_every_command() {
    for seed in 100..600 {
        let prices = if seed % 2 == 0 { Prices::Wandering { width: 3, step: 1 } } else { Prices::Gaps };
        let mut profile = Profile { prices, max_quantity: 5, orders: 6, patient: 50, commands: 400, full_check: 1 };
        profile.orders = 3 + seed as usize % 9;
        quietly(seed, profile);
    }
}

/// As [`agree`], for runs too short to be worth a line or a minimum of trades each.
fn quietly(seed: u64, profile: Profile) {
    let mut generator = Generator { random: Random::new(seed), profile, middle: 1 << 20, last_id: 0 };
    let mut pair = Pair::new();
    let mut commands = Vec::new();
    for _ in 0..profile.commands {
        let command = generator.command(&pair.twin);
        commands.push(command.clone());
        if let Err(difference) = pair.execute(&command, true) {
            panic!("{profile:?} seed {seed}: {difference}\nshrunk to:\n{:#?}", shrink(commands));
        }
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
        };
        pair.execute(&BookCommand::Place(order), id.is_multiple_of(20_000))
            .unwrap_or_else(|difference| panic!("{difference}"));
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
        pair.execute(&command, step.is_multiple_of(5_000)).unwrap_or_else(|difference| panic!("{difference}"));
    }
    // One order takes the whole side.
    for (side, price) in [(Side::Buy, 2_000_000), (Side::Sell, 1)] {
        let quantity = pair.twin.side(side.opposite()).iter().map(|order| order.remaining.0).sum();
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
        max_quantity: 9,
        orders: 20,
        patient: 60,
        commands: 0,
        full_check: 1,
    };
    let mut generator = Generator { random: Random::new(42), profile, middle: 1_000, last_id: 0 };
    let mut pair = Pair::new();
    let mut messages = Vec::new();
    for number in 1..=2_000 {
        let command = generator.command(&pair.twin);
        pair.execute(&command, true).unwrap_or_else(|difference| panic!("{difference}"));
        messages.push(ToBook { number, time: Nanos(number), command });
        let again = &messages[random.below(number) as usize];
        let before = pair.fast.snapshot();
        let mut output = BookOutput::default();
        assert_eq!(pair.fast.receive(again, &mut output), None);
        assert!(output.fills.is_empty() && output.levels.is_empty());
        assert_eq!(pair.fast.snapshot(), before);
    }
}
