//! The naive twin of the book: lists in order, and the rules one after the other.
//!
//! It is written from `docs/order-rules.md`, not from the fast book, and shares no code with it:
//! it meets one maker at a time and looks everything up by walking. Where an order must look before
//! it acts, the twin lets it act on a copy of everything and looks at the copy.

#[path = "twin/auction.rs"]
mod auction;
#[path = "twin/counts.rs"]
mod counts;
#[path = "twin/lists.rs"]
mod lists;
#[path = "twin/matching.rs"]
mod matching;
#[path = "twin/state.rs"]
mod state;
#[path = "twin/triggers.rs"]
mod triggers;

use std::collections::{BTreeMap, VecDeque};

use rialto_engine::book::CASCADE_MAX;
use rialto_engine::ids::{AccountId, OrderId};
use rialto_engine::message::{
    BookCommand, BookEvent, BookOutcome, CancelRestriction, Expiry, Fill, Phase, Placement, Protection,
};
use rialto_engine::order::{Lifetime, NewOrder, OrderKind};
use rialto_engine::reason::Reason;
use rialto_engine::units::{Nanos, Price, Quantity};

pub use counts::Counts;
pub(crate) use counts::counters;
pub use state::{Dark, Resting, Waiting};

/// A book without any cleverness.
#[derive(Clone, Debug, Default)]
pub struct Twin {
    /// What is displayed. Highest price first; within a price by place in the queue.
    pub bids: VecDeque<Resting>,
    /// What is displayed. Lowest price first; within a price by place in the queue.
    pub asks: VecDeque<Resting>,
    /// What rests and is not displayed, of both sides, the oldest first.
    pub dark: Vec<Dark>,
    /// The oldest first.
    pub waiting: Vec<Waiting>,
    /// Triggered or released, in the order of their turns.
    pub fired: Vec<Waiting>,
    /// Those that wait until another one is filled, by number.
    pub pending: Vec<NewOrder>,
    pub phase: Phase,
    pub until: Nanos,
    /// Its reference is the static one of the moment.
    pub protection: Protection,
    pub groups: BTreeMap<AccountId, u32>,
    pub last: Option<Price>,
    pub trades: u64,
    pub aggregates: u64,
    /// How many orders have waited so far.
    pub waited: u64,
    /// How many orders have rested so far without being displayed.
    pub darkened: u64,
    /// When the command was accepted that is carried out, or whose cascade goes on.
    pub now: Nanos,
    /// What happened that answers do not tell, for those who count.
    pub counts: Counts,
    /// Whether an order with a lifetime was ever taken in: nothing is due without one.
    mortal: bool,
}

/// What one command did.
#[derive(Clone, Debug, Default)]
pub struct Done {
    pub fills: Vec<Fill>,
    pub events: Vec<BookEvent>,
}

impl Done {
    /// How many trades there are.
    fn filled(&self) -> u32 {
        u32::try_from(self.fills.len()).expect("few")
    }
}

impl Twin {
    /// Carries out a command, and what comes of it as far as one command may.
    pub fn receive(&mut self, time: Nanos, command: &BookCommand) -> (BookOutcome, Done) {
        assert!(!self.is_cascading(), "what is left over comes first");
        assert!(!self.is_due(time), "what is due comes first");
        self.now = time;
        let mut done = Done::default();
        let before = self.phase;
        let outcome = self.execute(command, &mut done);
        let entered = matches!(command, BookCommand::Enter { .. }) && before != self.phase;
        self.cascade(entered, &mut done);
        (outcome, done)
    }

    /// When the next thing is due: the end of an order, or of the phase.
    pub fn next_due(&self) -> Option<Nanos> {
        let phase = (!self.until.is_zero()).then_some(self.until);
        if !self.mortal {
            return phase;
        }
        let ends = self.everything().filter_map(|order| order.asks().lifetime.end());
        ends.chain(phase).min()
    }

    pub fn is_due(&self, time: Nanos) -> bool {
        self.next_due().is_some_and(|due| due <= time)
    }

    /// Carries out what is due; `None` if nothing is.
    pub fn catch_up(&mut self, time: Nanos) -> Option<Done> {
        if !self.is_due(time) {
            return None;
        }
        assert!(!self.is_cascading(), "what is left over comes first");
        self.now = time;
        let mut done = Done::default();
        let mut entered = false;
        loop {
            let ends = self.everything().filter_map(|order| Some((order.asks().lifetime.end()?, order.id)));
            let next = ends.min().filter(|(end, _)| *end <= time);
            let opens = !self.until.is_zero() && self.until <= time;
            match next {
                Some((end, order)) if !opens || end <= self.until => self.end(order, Expiry::Time, &mut done),
                _ if opens => {
                    self.enter_phase(Phase::Continuous, Nanos::ZERO, &mut done);
                    let after = done.filled();
                    done.events.push(BookEvent::PhaseChanged { phase: Phase::Continuous, after });
                    entered = true;
                }
                _ => break,
            }
        }
        self.cascade(entered, &mut done);
        Some(done)
    }

    /// Goes on with what a command left over.
    pub fn proceed(&mut self) -> Done {
        let mut done = Done::default();
        self.cascade(false, &mut done);
        done
    }

    /// Whether something is left over.
    pub fn is_cascading(&self) -> bool {
        self.phase == Phase::Continuous && (!self.fired.is_empty() || self.resumable().is_some())
    }

    /// Shows trades to those that wait, and gives turns to those who may have one now. `entered` says
    /// whether the command has changed the phase: then its trades are those of the auction.
    fn cascade(&mut self, entered: bool, done: &mut Done) {
        let mut printed = done.fills.len();
        if !entered {
            self.print_from(0, done);
        } else if let Some(last) = self.last.filter(|_| self.phase == Phase::Continuous) {
            self.print(last);
        }
        for _ in 0..CASCADE_MAX {
            if self.phase != Phase::Continuous {
                return;
            }
            self.reprice();
            let event = done.events.len();
            if !self.fired.is_empty() {
                let turn = self.fired.remove(0);
                let order = turn.order.id;
                done.events.push(BookEvent::Triggered { order, placement: Placement::Pending, fills: 0 });
                let placement = self.fired_turn(&turn, done);
                let fills = done.filled() - u32::try_from(printed).expect("few");
                done.events[event] = BookEvent::Triggered { order, placement, fills };
            } else if let Some(position) = self.resumable() {
                let order = self.dark[position].order.id;
                done.events.push(BookEvent::Resumed { order, placement: Placement::Pending, fills: 0 });
                let placement = self.resumed_turn(position, done);
                let fills = done.filled() - u32::try_from(printed).expect("few");
                done.events[event] = BookEvent::Resumed { order, placement, fills };
            } else {
                break;
            }
            self.print_from(printed, done);
            printed = done.fills.len();
        }
        if self.phase == Phase::Continuous {
            self.reprice();
            self.counts.unpriced += self.dark.iter().filter(|dark| dark.price.is_none()).count() as u64;
        }
    }

    fn execute(&mut self, command: &BookCommand, done: &mut Done) -> BookOutcome {
        match command {
            BookCommand::Place(order) => BookOutcome::Placed { order: order.id, placement: self.place(order, done) },
            BookCommand::Cancel { order, restriction } => match self.cancel(*order, *restriction, done) {
                Ok(remaining) => BookOutcome::Canceled { order: *order, remaining },
                Err(reason) => BookOutcome::CancelRejected { order: *order, reason },
            },
            BookCommand::CancelMany(orders) => {
                let mut gone = Vec::new();
                for order in orders {
                    if let Ok(remaining) = self.cancel(*order, CancelRestriction::None, done) {
                        gone.push((*order, remaining));
                    }
                }
                BookOutcome::CanceledMany(gone)
            }
            BookCommand::Reduce { order, quantity } => match self.reduce(*order, *quantity) {
                Ok(()) => BookOutcome::Reduced { order: *order, quantity: *quantity },
                Err(reason) => BookOutcome::ReduceRejected { order: *order, reason },
            },
            BookCommand::Replace { old, restriction, allow_failure, old_remaining_needed, new } => {
                let (old, needed) = (*old, *old_remaining_needed);
                if !self.takes(new) {
                    let canceled = Err(Reason::MarketClosed);
                    return BookOutcome::Replaced { old, canceled, new: new.id, placement: None };
                }
                let canceled = self.cancel(old, *restriction, done);
                let short = Some(Placement::Rejected(Reason::InsufficientBalance));
                let placement = match canceled {
                    Ok(remaining) if remaining < needed => short,
                    Ok(_) => Some(self.place(new, done)),
                    Err(_) if !allow_failure => None,
                    Err(_) if needed.is_zero() => Some(self.place(new, done)),
                    Err(_) => short,
                };
                BookOutcome::Replaced { old, canceled, new: new.id, placement }
            }
            BookCommand::PlaceList(orders) => BookOutcome::PlacedList(self.place_list(orders, done)),
            BookCommand::Enter { phase, until } => {
                self.enter_phase(*phase, *until, done);
                BookOutcome::Entered(*phase)
            }
            BookCommand::Protect(protection) => {
                let reference = protection.reference.or(self.protection.reference);
                self.protection = Protection { reference, ..*protection };
                BookOutcome::Protected
            }
            BookCommand::Advance => BookOutcome::Advanced,
        }
    }

    /// Whether the phase takes such an order.
    fn takes(&self, order: &NewOrder) -> bool {
        match self.phase {
            Phase::Continuous => true,
            Phase::PreOpen | Phase::Auction => order.kind == OrderKind::Limit,
            Phase::Halted | Phase::CancelOnly | Phase::Closed => false,
        }
    }

    fn place(&mut self, order: &NewOrder, done: &mut Done) -> Placement {
        if !self.takes(order) {
            return Placement::Rejected(Reason::MarketClosed);
        }
        if let Some(reason) = self.refusal(order, false) {
            self.counts.too_dear += u64::from(reason == Reason::InsufficientBalance);
            return Placement::Rejected(reason);
        }
        self.accept(order, done)
    }

    /// Lets an order that was not refused wait or have its turn.
    fn accept(&mut self, order: &NewOrder, done: &mut Done) -> Placement {
        self.note(order);
        if order.asks().trigger.is_some() {
            self.wait(order);
            return Placement::Waiting;
        }
        self.turn(order, done)
    }

    /// An order's group is that of the latest order of its account that named one.
    fn note(&mut self, order: &NewOrder) {
        self.mortal |= order.asks().lifetime.end().is_some();
        if order.asks().group != 0 {
            self.groups.insert(order.account, order.asks().group);
        }
    }

    /// What the book itself has against an order that would take part, or wait, now.
    fn refusal(&self, order: &NewOrder, fired: bool) -> Option<Reason> {
        if let Some(trigger) = order.asks().trigger {
            return self.is_reached(trigger).then_some(Reason::WouldTrigger);
        }
        if self.phase != Phase::Continuous {
            return None;
        }
        match order.kind {
            OrderKind::PostOnly => self.would_match(order).then_some(Reason::WouldMatch),
            OrderKind::PostOnlySlide => self.slid(order).is_none().then_some(Reason::WouldMatch),
            OrderKind::MarketByQuote => match self.first_met(order) {
                None => Some(Reason::NoLiquidity),
                Some(price) => (price.0 > order.budget.0).then_some(Reason::NotionalTooSmall),
            },
            // A triggered one trades for as long as its money lasts.
            OrderKind::Market if !fired => self.costs_too_much(order).then_some(Reason::InsufficientBalance),
            OrderKind::Market | OrderKind::Limit | OrderKind::ImmediateOrCancel | OrderKind::FillOrKill => None,
        }
    }

    /// The turn of an order that was triggered, or whose other order was filled.
    fn fired_turn(&mut self, fired: &Waiting, done: &mut Done) -> Placement {
        self.counts.trailed += u64::from(fired.seen.is_some());
        let mut asks = fired.order.asks();
        let released = fired.is_released();
        if let Some(link) = &mut asks.link {
            link.after = None;
        }
        let order = NewOrder { instructions: Some(asks), ..fired.order };
        if let Some(trigger) = asks.trigger {
            if released && !self.is_reached(trigger) {
                self.wait(&order);
                return Placement::Waiting;
            }
            self.partner_lapses(&order, done);
        }
        asks.trigger = None;
        let order = NewOrder { instructions: Some(asks), ..fired.order };
        // What the money does not suffice for lapses when it has run out.
        if self.refusal(&order, true).is_some() {
            self.unlink(&order, done);
            return Placement::Expired { remaining: order.quantity, reason: Expiry::Liquidity };
        }
        self.turn(&order, done)
    }

    fn enter_phase(&mut self, phase: Phase, until: Nanos, done: &mut Done) {
        let until = if phase == Phase::Continuous { Nanos::ZERO } else { until };
        if phase == self.phase {
            self.until = until;
            return;
        }
        if !matches!(phase, Phase::PreOpen | Phase::Auction | Phase::Halted) {
            self.auction(done);
        }
        (self.phase, self.until) = (phase, until);
        if phase == Phase::Closed {
            let of_day = |order: &&NewOrder| matches!(order.asks().lifetime, Lifetime::Day(_));
            while let Some(order) = self.everything().filter(of_day).map(|order| order.id).min() {
                self.end(order, Expiry::Time, done);
            }
        }
    }

    fn cancel(&mut self, id: OrderId, restriction: CancelRestriction, done: &mut Done) -> Result<Quantity, Reason> {
        let (order, open) = self.find(id).ok_or(Reason::OrderAlreadyFinal)?;
        let touched = open < order.quantity;
        let allowed = match restriction {
            CancelRestriction::None => true,
            CancelRestriction::OnlyNew => !touched,
            CancelRestriction::OnlyPartiallyFilled => touched,
        };
        if !allowed {
            return Err(Reason::CancelRestricted);
        }
        self.remove(id);
        self.list_is_cancelled(&order, done);
        Ok(open)
    }

    fn reduce(&mut self, id: OrderId, quantity: Quantity) -> Result<(), Reason> {
        if matches!(self.phase, Phase::CancelOnly | Phase::Closed) {
            return Err(Reason::MarketClosed);
        }
        let (order, open) = self.find(id).ok_or(Reason::OrderAlreadyFinal)?;
        let done = order.quantity.0 - open.0;
        if quantity >= order.quantity || quantity.0 <= done {
            return Err(Reason::QuantityNotReduced);
        }
        self.reduce_by(id, order.quantity.0 - quantity.0);
        Ok(())
    }
}
