//! Both books, driven by the same commands and compared after each.

use std::collections::BTreeMap;

use rialto_engine::book::{Book, BookOutput, BookSnapshot, CASCADE_MAX, Stage};
use rialto_engine::ids::OrderId;
use rialto_engine::message::{BookCommand, BookEvent, BookOutcome, Expiry, Phase, Placement, ToBook, ToWallet};
use rialto_engine::order::{Instructions, Link, NewOrder, Side};
use rialto_engine::reason::Reason;
use rialto_engine::units::{Nanos, Price, Quantity};

use crate::generator::Step;
use crate::queue::Queue;
use crate::tracker::Tracker;
use crate::twin::{Done, Twin, counters};

/// Both books, and a market data client who knows nothing but the level changes.
pub struct Pair {
    pub fast: Book,
    pub twin: Twin,
    pub seen: Seen,
    depth: BTreeMap<(Side, Price), Quantity>,
    tracker: Tracker,
    output: BookOutput,
    changes: u64,
    number: u64,
    answers: u64,
}

counters! {
    /// How often the interesting things happened, so that a test that tests nothing fails.
    pub struct Seen {
        pub lapsed,
        pub decremented,
        pub triggered,
        pub would_trigger,
        pub would_match,
        pub market_closed,
        pub proceeded,
        pub resumed,
        pub resumed_and_traded,
        pub slid,
        pub minimum_lapsed,
        pub interrupted,
        pub interrupted_orders,
        pub opened,
        pub ended,
        pub contingent,
        pub list_canceled,
        pub lists,
        pub lists_refused,
        pub waits_after_release,
        pub closed,
        pub indicative,
        pub restored_in_cascade,
        pub crossed_books,
        pub long_cascades,
    }
}

impl Pair {
    pub fn new() -> Self {
        Self {
            fast: Book::new(),
            twin: Twin::default(),
            seen: Seen::default(),
            depth: BTreeMap::new(),
            tracker: Tracker::default(),
            output: BookOutput::default(),
            changes: 0,
            number: 0,
            answers: 0,
        }
    }

    /// Carries out a command in both books, and before it what is due, and says where they differ.
    pub fn execute(&mut self, step: &Step, full: bool) -> Result<(), String> {
        let Step { time, command } = step;
        same("next due", &self.fast.next_due(), &self.twin.next_due())?;
        same("due", &self.fast.is_due(*time), &self.twin.is_due(*time))?;
        self.output.clear();
        let answer = self.fast.catch_up(*time, &mut self.output);
        let done = self.twin.catch_up(*time);
        match (answer, done) {
            (None, None) => {}
            (Some(answer), Some(done)) => {
                self.compare(&answer, &BookOutcome::Continued, &done, *time)?;
                self.finish_cascade(*time, &answer)?;
            }
            (answer, done) => return Err(format!("due: the book answers {answer:?}, the twin {done:?}")),
        }
        self.tracker.command(command);
        self.number += 1;
        let message = ToBook { number: self.number, time: *time, command: command.clone() };
        let places = full && matches!(command, BookCommand::Place(_));
        let queue = places.then(|| Queue::of(&self.fast));
        self.output.clear();
        let answer = self.fast.receive(&message, &mut self.output).ok_or("no answer")?;
        if let Some(queue) = queue {
            queue.check(&answer, &self.fast)?;
        }
        let (outcome, done) = self.twin.receive(*time, command);
        self.compare(&answer, &outcome, &done, *time)?;
        self.finish_cascade(*time, &answer)?;
        // The same step freezes the book again when a failing run is cut short.
        let dice = (self.tracker.last_id() ^ time.0).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        // Large books more rarely, because each order of them is written and read.
        if dice.is_multiple_of(512 + 16 * self.fast.len() as u64) {
            self.restore()?;
        }
        if full { self.compare_everything() } else { Ok(()) }
    }

    fn finish_cascade(&mut self, time: Nanos, first: &ToWallet) -> Result<(), String> {
        let mut cascade = count_turns(first);
        while self.fast.is_cascading() {
            if self.answers.is_multiple_of(2) {
                self.restore()?;
                self.seen.restored_in_cascade += 1;
            }
            self.output.clear();
            let answer = self.fast.proceed(&mut self.output).ok_or("no answer")?;
            let done = self.twin.proceed();
            self.compare(&answer, &BookOutcome::Continued, &done, time)?;
            self.seen.proceeded += 1;
            cascade += count_turns(&answer);
        }
        self.seen.long_cascades += u64::from(cascade > 2 * CASCADE_MAX as u64);
        same("the end of a cascade", &self.fast.proceed(&mut self.output), &None)
    }

    /// Freezes the fast book and thaws it.
    pub fn restore(&mut self) -> Result<(), String> {
        let snapshot = self.fast.snapshot();
        self.fast = Book::restore(&snapshot);
        same("restored", &self.fast.snapshot(), &snapshot)
    }

    fn compare(&mut self, answer: &ToWallet, outcome: &BookOutcome, done: &Done, time: Nanos) -> Result<(), String> {
        self.answers += 1;
        same("outcome", &answer.outcome, outcome)?;
        same("fills", &answer.fills, &done.fills)?;
        same("events", &answer.events, &done.events)?;
        same("numbers", &(answer.number, answer.time), &(self.answers, time))?;
        same("counters", &(self.fast.trades(), self.fast.aggregates()), &(self.twin.trades, self.twin.aggregates))?;
        same("orders", &self.fast.len(), &(self.twin.bids.len() + self.twin.asks.len()))?;
        same("waiting orders", &self.fast.waiting(), &(self.twin.waiting.len() + self.twin.fired.len()))?;
        same(
            "dark and pending",
            &(self.fast.undisplayed(), self.fast.pending()),
            &(self.twin.dark.len(), self.twin.pending.len()),
        )?;
        same("phase", &self.fast.phase(), &self.twin.phase)?;
        same("protection", &self.fast.protection(), &self.twin.protection)?;
        same("cascade", &self.fast.is_cascading(), &self.twin.is_cascading())?;
        same("last price", &self.fast.last_price(), &self.twin.last)?;
        self.changes += self.output.levels.len() as u64;
        same("change count", &self.fast.changes(), &self.changes)?;
        self.tracker.answer(answer)?;
        self.count(answer);
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
            let best = orders.front().map(|order| (order.price, depth(&self.twin, side, order.price)));
            same("best", &self.fast.best(side), &best)?;
        }
        if let (Some((bid, _)), Some((ask, _))) = (self.fast.best(Side::Buy), self.fast.best(Side::Sell))
            && bid >= ask
        {
            if !self.fast.phase().may_be_crossed() {
                return Err(format!("crossed: {bid} >= {ask}"));
            }
            self.seen.crossed_books += 1;
        }
        Ok(())
    }

    fn count(&mut self, answer: &ToWallet) {
        let seen = &mut self.seen;
        for event in &answer.events {
            match event {
                BookEvent::Lapsed { reason, .. } => match reason {
                    Expiry::Time => seen.ended += 1,
                    Expiry::Contingency => seen.contingent += 1,
                    Expiry::ListCanceled => seen.list_canceled += 1,
                    _ => seen.lapsed += 1,
                },
                BookEvent::Decremented { .. } => seen.decremented += 1,
                BookEvent::Triggered { placement, .. } => {
                    seen.triggered += 1;
                    seen.waits_after_release += u64::from(*placement == Placement::Waiting);
                    count_placement(seen, placement);
                }
                BookEvent::Resumed { fills, .. } => {
                    seen.resumed += 1;
                    seen.resumed_and_traded += u64::from(*fills > 0);
                }
                BookEvent::PhaseChanged { phase: Phase::Auction, .. } => seen.interrupted += 1,
                BookEvent::PhaseChanged { .. } => seen.opened += 1,
            }
        }
        match &answer.outcome {
            BookOutcome::Placed { placement, .. } | BookOutcome::Replaced { placement: Some(placement), .. } => {
                count_placement(seen, placement);
            }
            BookOutcome::PlacedList(placements) => {
                let refused = matches!(placements[0].1, Placement::Rejected(_));
                seen.lists += u64::from(!refused);
                seen.lists_refused += u64::from(refused);
            }
            BookOutcome::Entered(Phase::Closed) => seen.closed += 1,
            _ => {}
        }
    }

    pub fn compare_everything(&mut self) -> Result<(), String> {
        let fast = canonical(self.fast.snapshot());
        let mut twin = self.twin.snapshot();
        let BookSnapshot { changes, received, sent, digest, cascade_time, .. } = fast;
        twin = canonical(BookSnapshot { changes, received, sent, digest, cascade_time, ..twin });
        if fast != twin {
            // The first part that differs says more than all of it.
            same("resting", &fast.orders, &twin.orders)?;
            same("special", &fast.special, &twin.special)?;
            same("dark", &fast.dark, &twin.dark)?;
            same("waiting", &fast.waiting, &twin.waiting)?;
            same("fired", &fast.fired, &twin.fired)?;
            same("pending", &fast.pending, &twin.pending)?;
            same("groups", &fast.groups, &twin.groups)?;
            let plain = |of: BookSnapshot| BookSnapshot {
                orders: Vec::new(),
                special: Vec::new(),
                dark: Vec::new(),
                waiting: Vec::new(),
                pending: Vec::new(),
                ..of
            };
            same("state", &plain(fast), &plain(twin))?;
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
        }
        for (order, open) in self.twin.everything_open() {
            same("remaining", &self.fast.remaining(order.id), &Some(open))?;
            self.tracker.open(order, open)?;
        }
        let indicative = self.fast.indicative().map(|of| (of.price, of.volume.0, i128::from(of.imbalance)));
        let equilibrium = self.twin.indicative().map(|of| (of.price, of.volume, of.imbalance));
        self.seen.indicative += u64::from(equilibrium.is_some());
        same("indicative", &indicative, &equilibrium)
    }
}

fn count_placement(seen: &mut Seen, placement: &Placement) {
    match placement {
        Placement::Slid { .. } => seen.slid += 1,
        Placement::Expired { reason: Expiry::Minimum, .. } => seen.minimum_lapsed += 1,
        Placement::Expired { reason: Expiry::Interruption, .. } => seen.interrupted_orders += 1,
        Placement::Rejected(Reason::WouldTrigger) => seen.would_trigger += 1,
        Placement::Rejected(Reason::WouldMatch) => seen.would_match += 1,
        Placement::Rejected(Reason::MarketClosed) => seen.market_closed += 1,
        _ => {}
    }
}

/// A snapshot without what decides nothing: what an order that rests once waited for, what a displayed
/// one would only ask for as a taker, and the time of a cascade that is over.
fn canonical(mut snapshot: BookSnapshot) -> BookSnapshot {
    let at_rest = |asks: Instructions| {
        let link = asks.link.map(|link| Link { after: None, ..link });
        Instructions { trigger: None, link, ..asks }
    };
    for special in &mut snapshot.special {
        let Instructions { display, lifetime, link, .. } = at_rest(special.instructions);
        special.instructions = Instructions { display, lifetime, link, ..Instructions::default() };
    }
    snapshot.special.retain(|special| !special.instructions.is_plain());
    for dark in &mut snapshot.dark {
        dark.order.instructions = Some(at_rest(dark.order.asks()));
    }
    for waiting in snapshot.waiting.iter_mut().filter(|waiting| waiting.stage != Stage::Activated) {
        if let Some(Link { after, .. }) = waiting.order.instructions.as_mut().and_then(|asks| asks.link.as_mut()) {
            *after = None;
        }
    }
    if snapshot.fired.is_empty() {
        snapshot.cascade_time = Nanos::ZERO;
    }
    snapshot
}

/// All that is displayed at a price of the twin.
fn depth(twin: &Twin, side: Side, price: Price) -> Quantity {
    let orders = twin.side(side);
    let first = orders.partition_point(|order| match side {
        Side::Buy => order.price > price,
        Side::Sell => order.price < price,
    });
    Quantity(orders.range(first..).take_while(|order| order.price == price).map(|order| order.shown.0).sum())
}

pub fn same<T: PartialEq + std::fmt::Debug>(what: &str, fast: &T, twin: &T) -> Result<(), String> {
    if fast == twin { Ok(()) } else { Err(format!("{what}: the book has {fast:?}, the twin {twin:?}")) }
}

fn count_turns(answer: &ToWallet) -> u64 {
    let turn = |event: &&BookEvent| matches!(event, BookEvent::Triggered { .. } | BookEvent::Resumed { .. });
    answer.events.iter().filter(turn).count() as u64
}

/// A plain order at a time that is also its number, for tests that write their own.
pub fn placed(order: NewOrder) -> Step {
    Step { time: order.time, command: BookCommand::Place(order) }
}

/// The orders a command brings.
pub fn brought(command: &BookCommand) -> &[NewOrder] {
    match command {
        BookCommand::Place(order) | BookCommand::Replace { new: order, .. } => std::slice::from_ref(order),
        BookCommand::PlaceList(orders) => orders,
        _ => &[],
    }
}

/// Which order a number stands for in messages of a failing run.
pub fn index(order: OrderId) -> usize {
    usize::try_from(order.0).expect("numbers of tests are small")
}
