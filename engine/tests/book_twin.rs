//! The fast book against its naive twin: millions of random commands, every fill, every outcome,
//! every event, every level, every resting and every waiting order compared. A difference is shrunk
//! before it is shown.
//!
//! `RIALTO_TWIN_COMMANDS` is how many commands the long runs make together, for soaks: with
//! `--nocapture` they say which seeds they took.

#[path = "common/random.rs"]
mod random;
#[path = "common/twin.rs"]
mod twin;

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};

use random::Random;
use rialto_engine::book::{Book, BookOutput, CASCADE_MAX};
use rialto_engine::ids::{AccountId, OrderId};
use rialto_engine::message::{BookCommand, BookEvent, BookOutcome, CancelRestriction, Placement, ToBook, ToWallet};
use rialto_engine::order::{Activation, Distance, Instructions, NewOrder, OrderKind, SelfTrade, Side, Trail, Trigger};
use rialto_engine::reason::Reason;
use rialto_engine::units::{BasisPoints, Nanos, Notional, Price, Quantity};
use twin::{Done, Twin};

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
    /// Where prices begin. A trail of a basis point is a tick at ten thousand.
    middle: u64,
    max_quantity: u64,
    /// Of a hundred orders, how many keep to their side of the middle.
    patient: u64,
    /// Of a hundred orders, how many do not trade with their own account.
    guarded: u64,
    /// Of a hundred orders that may, how many wait for a trigger.
    triggered: u64,
    /// Of ten thousand commands, how many begin a storm: many stops close together, and a trade
    /// that fires them.
    storms: u64,
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
    answers: u64,
    seen: Seen,
}

/// How often the interesting things happened, so that a test that tests nothing fails.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    lapsed: u64,
    decremented: u64,
    triggered: u64,
    trailed: u64,
    refused: u64,
    proceeded: u64,
    longest_cascade: u64,
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
            answers: 0,
            seen: Seen::default(),
        }
    }

    /// Carries out a command in both books and says where they differ.
    fn execute(&mut self, command: &BookCommand, full: bool) -> Result<(), String> {
        self.number += 1;
        let message = ToBook { number: self.number, time: Nanos(self.number), command: command.clone() };
        self.output.clear();
        let answer = self.fast.receive(&message, &mut self.output).ok_or("no answer")?;
        let (outcome, done) = self.twin.receive(command);
        self.compare(&answer, &outcome, &done)?;
        let mut cascade = count_triggered(&answer);
        while self.fast.is_cascading() {
            if self.answers.is_multiple_of(2) {
                // Frozen and thawed in the middle of a cascade.
                let snapshot = self.fast.snapshot();
                self.fast = Book::restore(&snapshot);
                same("restored", &self.fast.snapshot(), &snapshot)?;
            }
            self.output.clear();
            let answer = self.fast.proceed(&mut self.output).ok_or("no answer")?;
            let done = self.twin.proceed();
            self.compare(&answer, &BookOutcome::Continued, &done)?;
            self.seen.proceeded += 1;
            cascade += count_triggered(&answer);
        }
        self.seen.longest_cascade = self.seen.longest_cascade.max(cascade);
        same("the end of a cascade", &self.fast.proceed(&mut self.output), &None)?;
        if full { self.compare_everything() } else { Ok(()) }
    }

    fn compare(&mut self, answer: &ToWallet, outcome: &BookOutcome, done: &Done) -> Result<(), String> {
        self.answers += 1;
        same("outcome", &answer.outcome, outcome)?;
        same("fills", &answer.fills, &done.fills)?;
        same("events", &answer.events, &done.events)?;
        same("numbers", &(answer.number, answer.time), &(self.answers, Nanos(self.number)))?;
        same("counters", &(self.fast.trades(), self.fast.aggregates()), &(self.twin.trades, self.twin.aggregates))?;
        same("orders", &self.fast.len(), &(self.twin.bids.len() + self.twin.asks.len()))?;
        same("waiting orders", &self.fast.waiting(), &(self.twin.waiting.len() + self.twin.fired.len()))?;
        same("cascade", &self.fast.is_cascading(), &!self.twin.fired.is_empty())?;
        same("last price", &self.fast.last_price(), &self.twin.last)?;
        self.changes += self.output.levels.len() as u64;
        same("change count", &self.fast.changes(), &self.changes)?;
        for event in &answer.events {
            match event {
                BookEvent::Lapsed { .. } => self.seen.lapsed += 1,
                BookEvent::Decremented { .. } => self.seen.decremented += 1,
                BookEvent::Triggered { .. } => self.seen.triggered += 1,
                BookEvent::Resumed { .. } | BookEvent::PhaseChanged { .. } => unreachable!("not driven yet"),
            }
        }
        let would_trigger = Placement::Rejected(Reason::WouldTrigger);
        self.seen.refused +=
            u64::from(matches!(outcome, BookOutcome::Placed { placement, .. } if *placement == would_trigger));
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
        Ok(())
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
        if self.fast.waiting() > 0 || !self.twin.waiting.is_empty() {
            let summary = self.fast.summary();
            same("waiting", &summary.waiting, &self.twin.waiting_orders())?;
            same("waited", &summary.sequence, &self.twin.waited)?;
            for waiting in &self.twin.waiting {
                let order = &waiting.order;
                same("remaining", &self.fast.remaining(order.id), &Some(order.quantity))?;
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

fn count_triggered(answer: &ToWallet) -> u64 {
    answer.events.iter().filter(|event| matches!(event, BookEvent::Triggered { .. })).count() as u64
}

struct Generator {
    random: Random,
    profile: Profile,
    middle: u64,
    last_id: u64,
    /// What is to come before anything else.
    script: VecDeque<BookCommand>,
}

impl Generator {
    fn new(seed: u64, profile: Profile) -> Self {
        Self { random: Random::new(seed), profile, middle: profile.middle, last_id: 0, script: VecDeque::new() }
    }

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
            // Where accounts are few, they often meet themselves.
            account: AccountId(
                u32::try_from(random.below(if self.profile.guarded > 0 { 3 } else { 5 })).expect("small"),
            ),
            side,
            kind,
            limit: if kind.has_limit() { limit } else { Price::ZERO },
            quantity: Quantity(quantity),
            budget: Notional(budget),
            time: Nanos(self.last_id),
            instructions: self.instructions(kind),
        }
    }

    fn instructions(&mut self, kind: OrderKind) -> Option<Instructions> {
        let self_trade = if self.random.percent(self.profile.guarded) {
            SelfTrade::ALL[self.random.between(1, 4) as usize]
        } else {
            SelfTrade::Allow
        };
        // Orders that must rest and those by quote amount are not offered with a trigger.
        let may_wait = !matches!(kind, OrderKind::PostOnly | OrderKind::MarketByQuote);
        let waits = may_wait && self.random.percent(self.profile.triggered);
        let trigger = waits.then(|| self.trigger());
        let instructions = Instructions { self_trade, trigger, ..Instructions::default() };
        (!instructions.is_plain()).then_some(instructions)
    }

    fn trigger(&mut self) -> Trigger {
        let price = self.price();
        match self.random.below(6) {
            0 | 1 => Trigger::Rise(price),
            2 | 3 => Trigger::Fall(price),
            side => {
                let activation = match self.random.below(4) {
                    0 | 1 => None,
                    2 => Some(Activation::Rise(price)),
                    _ => Some(Activation::Fall(price)),
                };
                let delta = match self.random.below(4) {
                    0 => self.random.between(1, 9_999),
                    1 => self.random.between(1, 100),
                    _ => self.random.between(1, 3),
                };
                let distance = Distance::Share(BasisPoints(u32::try_from(delta).expect("small")));
                let trail = Trail { distance, activation };
                if side == 4 { Trigger::TrailRise(trail) } else { Trigger::TrailFall(trail) }
            }
        }
    }

    /// Many stops at neighbouring prices just beyond the last one, and an order that sweeps the
    /// book up or down to them.
    fn storm(&mut self, twin: &Twin) {
        let Some(last) = twin.last else { return };
        let up = self.random.percent(50);
        let reach = self.random.between(1, 6);
        let stops = self.random.between(2, 4 * CASCADE_MAX as u64);
        let beyond = |away: u64| Price(if up { last.0 + away } else { last.0.saturating_sub(away).max(1) });
        for _ in 0..stops {
            let mut order = self.order();
            if matches!(order.kind, OrderKind::PostOnly | OrderKind::MarketByQuote) {
                order.kind = OrderKind::Limit;
                order.limit = beyond(self.random.below(2 * reach));
                order.budget = Notional(u64::MAX);
            }
            let price = beyond(self.random.between(1, reach));
            let trigger = Some(if up { Trigger::Rise(price) } else { Trigger::Fall(price) });
            order.instructions = Some(Instructions { trigger, ..order.asks() });
            self.script.push_back(BookCommand::Place(order));
        }
        let account = AccountId(7);
        let quantity = Quantity(self.profile.max_quantity);
        // Someone to trade with at the far end, and the trade.
        for side in if up { [Side::Sell, Side::Buy] } else { [Side::Buy, Side::Sell] } {
            let mut order = self.order();
            order = NewOrder { account, side, quantity, kind: OrderKind::Limit, limit: beyond(reach), ..order };
            order.budget = Notional(u64::MAX);
            order.instructions = None;
            if (side == Side::Buy) == up {
                let makers = twin.side(side.opposite());
                let ahead = makers
                    .iter()
                    .filter(|maker| if up { maker.price <= beyond(reach) } else { maker.price >= beyond(reach) });
                order.quantity.0 += ahead.map(|maker| maker.remaining.0).sum::<u64>();
                order.kind = OrderKind::ImmediateOrCancel;
            }
            self.script.push_back(BookCommand::Place(order));
        }
    }

    /// Mostly an order that rests, now and then one that is gone or never was.
    fn existing(&mut self, twin: &Twin) -> OrderId {
        if !twin.waiting.is_empty() && self.random.percent(self.profile.triggered / 2) {
            return twin.waiting[self.random.below(twin.waiting.len() as u64) as usize].order.id;
        }
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
        if let Some(command) = self.script.pop_front() {
            return command;
        }
        if self.random.below(10_000) < self.profile.storms {
            self.storm(twin);
        }
        let crowded = twin.bids.len() + twin.asks.len() + twin.waiting.len() > self.profile.orders;
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
                let waiting = twin.waiting.iter().find(|waiting| waiting.order.id == order);
                let total = found.map(|resting| resting.quantity).or(waiting.map(|waiting| waiting.order.quantity));
                let total = total.map_or(self.profile.max_quantity, |total| total.0);
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
fn agree(seed: u64, profile: Profile) -> Seen {
    let mut generator = Generator::new(seed, profile);
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
    let (count, seen) = (commands.len(), Seen { trailed: pair.twin.trailed, ..pair.seen });
    eprintln!("{profile:?} seed {seed}: {count} commands, {fills} fills, {resting} resting, {seen:?}: 0 differences");
    if profile.guarded > 0 {
        assert!(seen.lapsed > 0 && seen.decremented > 0, "{profile:?} never met itself");
    }
    if profile.triggered > 0 {
        assert!(seen.trailed > 0 && seen.triggered > seen.trailed && seen.refused > 0, "{profile:?} never triggered");
    }
    seen
}

/// How many commands the long runs make, if nobody says otherwise.
const COMMANDS: usize = 11 * LONG;
const LONG: usize = 250_000;

/// Runs each profile with its seed, and again with later seeds for as many commands as are asked
/// for by `RIALTO_TWIN_COMMANDS`.
fn agree_all(profiles: &[(u64, Profile)]) -> Seen {
    let asked = std::env::var("RIALTO_TWIN_COMMANDS").ok().map(|asked| asked.replace('_', "").parse::<usize>());
    let rounds = asked.map_or(1, |asked| asked.expect("a number of commands").div_ceil(COMMANDS));
    let (mut seeds, mut commands, mut all) = (Vec::new(), 0, Seen::default());
    for round in 0..rounds as u64 {
        for (seed, profile) in profiles {
            let seed = seed + 10_000 * round;
            let seen = agree(seed, *profile);
            seeds.push(seed);
            commands += profile.commands;
            all.proceeded += seen.proceeded;
            all.longest_cascade = all.longest_cascade.max(seen.longest_cascade);
        }
    }
    eprintln!("{commands} commands without a difference, seeds {seeds:?}");
    all
}

const PLAIN: Profile = Profile {
    prices: Prices::Wandering { width: 4, step: 0 },
    middle: 1 << 20,
    max_quantity: 20,
    orders: 20,
    patient: 60,
    guarded: 0,
    triggered: 0,
    storms: 0,
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
    let seen = agree_all(&[(51, profile(8, 60)), (52, profile(40, 300))]);
    assert!(seen.proceeded > 100 && seen.longest_cascade > 2 * CASCADE_MAX as u64, "{seen:?}");
}

#[test]
fn tiny_books_compared_in_full_after_every_command() {
    for seed in 100..600 {
        let prices = if seed % 2 == 0 { Prices::Wandering { width: 3, step: 1 } } else { Prices::Gaps };
        let orders = 3 + seed as usize % 9;
        let (guarded, triggered) = if seed % 5 == 0 { (0, 0) } else { (50, 40) };
        let storms = 200 * (seed % 2);
        let middle = if seed % 3 == 0 { 1 << 20 } else { 100 };
        let profile =
            Profile { prices, middle, max_quantity: 5, orders, patient: 50, guarded, triggered, storms, ..PLAIN };
        quietly(seed, Profile { commands: 400, full_check: 1, ..profile });
    }
}

/// As [`agree`], for runs too short to be worth a line or a minimum of trades each.
fn quietly(seed: u64, profile: Profile) {
    let mut generator = Generator::new(seed, profile);
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
            instructions: None,
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
        let command = generator.command(&pair.twin);
        pair.execute(&command, true).unwrap_or_else(|difference| panic!("{difference}"));
        messages.push(ToBook { number, time: Nanos(number), command });
        let again = &messages[random.below(number) as usize];
        let before = pair.fast.snapshot();
        let mut output = BookOutput::default();
        assert_eq!(pair.fast.receive(again, &mut output), None);
        assert!(output.fills.is_empty() && output.levels.is_empty() && output.events.is_empty());
        assert_eq!(pair.fast.snapshot(), before);
    }
}
