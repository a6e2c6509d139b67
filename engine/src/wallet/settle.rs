//! Settlement: what a book has decided becomes money moved and owners told.

use super::ledger::{Cause, LedgerAccount, Posting};
use super::{Wallet, WalletOutput, orders};
use crate::ids::{AccountId, MarketId, OrderId, ShardId};
use crate::market::MarketSpec;
use crate::message::{BookEvent, BookOutcome, Expiry, Fill, Phase, Placement, ToWallet};
use crate::order::OrderKind;
use crate::reason::Reason;
use crate::units::{Amount, Nanos, Price, Quantity};
use crate::update::{BalanceView, OrderEvent, OrderUpdate, Status};

/// What became of a user's command, for its reply. The orders themselves stand in the updates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The order the command was about: the new one of a replacement, the first one of a list; zero
    /// where it was about no single order.
    pub order: OrderId,
    /// What became of it.
    pub result: SettledResult,
}

/// What became of a user's command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettledResult {
    /// An order was taken in, or refused by the book.
    Placed(Result<(), Reason>),
    /// An order was cancelled, or not.
    Canceled(Result<(), Reason>),
    /// Orders were cancelled: those with a `Canceled` update.
    CanceledMany,
    /// It was nobody's command: triggered orders had their turn, or something was due.
    Continued,
    /// The orders of a list were taken in, or all of them were refused.
    PlacedList(Result<(), Reason>),
    /// The market entered another phase.
    Entered(Phase),
    /// The market is protected by other rules.
    Protected,
    /// Time has passed.
    Advanced,
    /// An order was reduced, or not.
    Reduced(Result<(), Reason>),
    /// An order was replaced, in part or in whole.
    Replaced {
        /// The old order.
        old: OrderId,
        /// Whether it was cancelled.
        canceled: Result<(), Reason>,
        /// Whether the new one was placed; `None` if it was not attempted.
        placed: Option<Result<(), Reason>>,
    },
}

/// What happened in one turn: that of the command, or that of an order which has one of its own.
#[derive(Clone, Copy)]
struct Part<'a> {
    /// How many of the answer's fills came before these.
    before: usize,
    fills: &'a [Fill],
    events: &'a [BookEvent],
}

/// The turn of an order that was triggered, or can trade after all.
struct Turn<'a> {
    order: OrderId,
    placement: Placement,
    is_triggered: bool,
    part: Part<'a>,
}

/// How many fills an event's order has of its own, if the event begins its turn.
fn turn_of(event: &BookEvent) -> Option<usize> {
    match event {
        BookEvent::Triggered { fills, .. } | BookEvent::Resumed { fills, .. } => Some(*fills as usize),
        BookEvent::Lapsed { .. } | BookEvent::Decremented { .. } | BookEvent::PhaseChanged { .. } => None,
    }
}

/// Takes an answer apart: what belongs to the command, and what to each order that had a turn.
fn parts(message: &ToWallet) -> (Part<'_>, impl Iterator<Item = Turn<'_>>) {
    let begins = |event: &BookEvent| turn_of(event).is_some();
    let own_events = message.events.iter().position(begins).unwrap_or(message.events.len());
    let (own, mut events) = message.events.split_at(own_events);
    let of_others: usize = events.iter().filter_map(turn_of).sum();
    let (own_fills, mut fills) = message.fills.split_at(message.fills.len() - of_others);
    let turns = std::iter::from_fn(move || {
        let (first, rest) = events.split_first()?;
        let (BookEvent::Triggered { order, placement, fills: count }
        | BookEvent::Resumed { order, placement, fills: count }) = *first
        else {
            return None;
        };
        let (its_events, later) = rest.split_at(rest.iter().position(begins).unwrap_or(rest.len()));
        let (its_fills, later_fills) = fills.split_at(count as usize);
        (events, fills) = (later, later_fills);
        let before = message.fills.len() - later_fills.len() - its_fills.len();
        let is_triggered = matches!(first, BookEvent::Triggered { .. });
        Some(Turn { order, placement, is_triggered, part: Part { before, fills: its_fills, events: its_events } })
    });
    (Part { before: 0, fills: own_fills, events: own }, turns)
}

impl<'a> Part<'a> {
    /// Takes off what lapsed because its owner cancelled another order of its list: that comes with
    /// the cancel, before anything else.
    fn split_canceled(self) -> (Self, Self) {
        let canceled = |event: &BookEvent| matches!(event, BookEvent::Lapsed { reason: Expiry::ListCanceled, .. });
        let end = self.events.iter().position(|event| !canceled(event)).unwrap_or(self.events.len());
        let (events, later) = self.events.split_at(end);
        (Self { before: self.before, fills: &[], events }, Self { events: later, ..self })
    }
}

impl Wallet {
    /// Takes a numbered answer of a book: settles its fills, releases what is no longer needed and
    /// tells the owners. `None` if the answer was seen before.
    ///
    /// # Panics
    /// If an answer before this one is missing, or book and wallet disagree about an order: both
    /// would be bugs, and stop the wallet before they become money.
    pub fn settle(&mut self, market: MarketId, message: &ToWallet, output: &mut WalletOutput) -> Option<Settled> {
        let path = &mut self.markets[usize::from(market.0)];
        if message.number <= path.received {
            return None;
        }
        assert_eq!(message.number, path.received + 1, "an answer from the book is missing");
        path.received = message.number;
        if let Some(fill) = message.fills.last() {
            path.last = Some(fill.price);
        }
        if self.sharing.is_shared() {
            self.count_sides(market, &message.fills);
        } else {
            path.fills += message.fills.len() as u64;
        }
        let time = message.time;
        let (own, turns) = parts(message);
        let settled = match &message.outcome {
            // Another wallet's command: what it did to orders of this one.
            outcome if self.sharing.is_shared() && !self.is_own(outcome) => {
                if let BookOutcome::Entered(phase) = outcome {
                    self.markets[usize::from(market.0)].phase = *phase;
                }
                self.settle_part(market, own, None, time, output);
                Settled { order: OrderId(0), result: SettledResult::Continued }
            }
            BookOutcome::Placed { order, placement } => {
                let placed = self.settle_placement(market, *order, *placement, own, time, output);
                Settled { order: *order, result: SettledResult::Placed(placed) }
            }
            BookOutcome::PlacedList(orders) => {
                let placed = self.settle_list(market, orders, own, time, output);
                let order = orders.first().map_or(OrderId(0), |(order, _)| *order);
                Settled { order, result: SettledResult::PlacedList(placed) }
            }
            BookOutcome::Replaced { old, canceled, new, placement } => {
                let mut own = own;
                if let Ok(remaining) = canceled {
                    self.settle_cancel(*old, *remaining, time, output);
                    let (of_cancel, later) = own.split_canceled();
                    self.settle_part(market, of_cancel, None, time, output);
                    own = later;
                }
                let placed = match placement {
                    Some(placement) => {
                        if !matches!(placement, Placement::Rejected(_)) {
                            self.complete_hold(*new, time, output);
                        }
                        Some(self.settle_placement(market, *new, *placement, own, time, output))
                    }
                    None => {
                        self.withdraw(*new, time, output);
                        self.settle_part(market, own, None, time, output);
                        None
                    }
                };
                let canceled = canceled.map(|_| ());
                Settled { order: *new, result: SettledResult::Replaced { old: *old, canceled, placed } }
            }
            outcome => {
                let settled = self.settle_outcome(market, outcome, time, output);
                // Most cancels come alone.
                if !message.events.is_empty() || !message.fills.is_empty() {
                    self.settle_part(market, own, None, time, output);
                }
                settled
            }
        };
        for turn in turns {
            let is_own = self.owns(turn.order);
            if turn.is_triggered && is_own {
                self.trigger(turn.order, turn.placement, time, output);
            }
            self.settle_part(market, turn.part, Some(turn.order), time, output);
            if is_own {
                self.end_turn(turn.order, turn.placement, time, output);
            }
        }
        Some(settled)
    }

    /// Whether an outcome is that of a command of this wallet. What is about no order is the first's.
    #[cold]
    fn is_own(&self, outcome: &BookOutcome) -> bool {
        let order = match outcome {
            BookOutcome::Placed { order, .. }
            | BookOutcome::Canceled { order, .. }
            | BookOutcome::CancelRejected { order, .. }
            | BookOutcome::Reduced { order, .. }
            | BookOutcome::ReduceRejected { order, .. }
            | BookOutcome::Replaced { new: order, .. } => Some(*order),
            // Where nothing is left to cancel, it was anybody's.
            BookOutcome::CanceledMany(orders) if orders.is_empty() => return true,
            BookOutcome::CanceledMany(orders) => orders.first().map(|(order, _)| *order),
            BookOutcome::PlacedList(orders) => orders.first().map(|(order, _)| *order),
            BookOutcome::Continued | BookOutcome::Entered(_) | BookOutcome::Protected | BookOutcome::Advanced => None,
        };
        order.map_or(self.sharing.shard() == ShardId::FIRST, |order| self.owns(order))
    }

    /// Of several wallets, each counts the sides of trades that are its own.
    #[cold]
    fn count_sides(&mut self, market: MarketId, fills: &[Fill]) {
        let sides = fills.iter().flat_map(|fill| [fill.maker, fill.taker]).filter(|order| self.owns(*order));
        let sides = sides.count() as u64;
        self.markets[usize::from(market.0)].fills += sides;
    }

    /// The outcome of a command that places no order.
    fn settle_outcome(
        &mut self,
        market: MarketId,
        outcome: &BookOutcome,
        time: Nanos,
        output: &mut WalletOutput,
    ) -> Settled {
        let (order, result) = match outcome {
            BookOutcome::Canceled { order, remaining } => {
                self.settle_cancel(*order, *remaining, time, output);
                (*order, SettledResult::Canceled(Ok(())))
            }
            BookOutcome::CancelRejected { order, reason } => (*order, SettledResult::Canceled(Err(*reason))),
            BookOutcome::CanceledMany(orders) => {
                for (order, remaining) in orders {
                    self.settle_cancel(*order, *remaining, time, output);
                }
                let order = orders.first().map_or(OrderId(0), |(order, _)| *order);
                (order, SettledResult::CanceledMany)
            }
            BookOutcome::Reduced { order, quantity } => {
                self.settle_reduction(*order, *quantity, time, output);
                (*order, SettledResult::Reduced(Ok(())))
            }
            BookOutcome::ReduceRejected { order, reason } => (*order, SettledResult::Reduced(Err(*reason))),
            BookOutcome::Entered(phase) => {
                self.markets[usize::from(market.0)].phase = *phase;
                (OrderId(0), SettledResult::Entered(*phase))
            }
            BookOutcome::Protected => (OrderId(0), SettledResult::Protected),
            BookOutcome::Advanced => (OrderId(0), SettledResult::Advanced),
            BookOutcome::Continued => (OrderId(0), SettledResult::Continued),
            BookOutcome::Placed { .. } | BookOutcome::PlacedList(_) | BookOutcome::Replaced { .. } => {
                unreachable!("an outcome that places was told apart before")
            }
        };
        Settled { order, result }
    }

    fn settle_placement(
        &mut self,
        market: MarketId,
        order: OrderId,
        placement: Placement,
        part: Part<'_>,
        time: Nanos,
        output: &mut WalletOutput,
    ) -> Result<(), Reason> {
        if let Placement::Rejected(reason) = placement {
            self.reject(order, reason, time, output);
            self.settle_part(market, part, None, time, output);
            return Err(reason);
        }
        let slot = self.take_in(order, placement, time, output);
        if part.fills.is_empty()
            && part.events.is_empty()
            && let Placement::Resting { remaining } = placement
        {
            // Most orders rest, and meet nobody.
            self.agree(slot, remaining);
            return Ok(());
        }
        self.settle_part(market, part, Some(order), time, output);
        self.end_turn(order, placement, time, output);
        Ok(())
    }

    /// All orders of a list are taken in before the first of them has its turn, or all are refused.
    fn settle_list(
        &mut self,
        market: MarketId,
        orders: &[(OrderId, Placement)],
        part: Part<'_>,
        time: Nanos,
        output: &mut WalletOutput,
    ) -> Result<(), Reason> {
        let mut refused = Ok(());
        for (order, placement) in orders {
            if let Placement::Rejected(reason) = placement {
                self.reject(*order, *reason, time, output);
                refused = refused.and(Err(*reason));
            } else {
                self.take_in(*order, *placement, time, output);
            }
        }
        self.settle_part(market, part, orders.first().map(|(order, _)| *order), time, output);
        for (order, placement) in orders {
            // One of them may have lapsed since, because another has traded.
            if !matches!(placement, Placement::Rejected(_)) && self.orders.find(*order).is_some() {
                self.end_turn(*order, *placement, time, output);
            }
        }
        refused
    }

    fn reject(&mut self, order: OrderId, reason: Reason, time: Nanos, output: &mut WalletOutput) {
        let slot = self.slot(order);
        self.end(slot, order, time, output);
        self.tell_as(OrderEvent::Rejected(reason), slot, Some(Status::Rejected), None, output);
        self.orders.remove(slot, false);
    }

    /// The book has taken an order. Gives its slot.
    #[inline]
    fn take_in(&mut self, order: OrderId, placement: Placement, time: Nanos, output: &mut WalletOutput) -> u32 {
        let slot = self.slot(order);
        if let Placement::Slid { price, .. } = placement {
            self.slide(slot, price, time, output);
        }
        self.tell(OrderEvent::New, slot, output);
        slot
    }

    /// An order rests at another price than its limit, where it can cost less.
    fn slide(&mut self, slot: u32, price: Price, time: Nanos, output: &mut WalletOutput) {
        let spec = *self.spec(self.orders.get(slot).market);
        let before = self.orders.standing(slot, &spec).held;
        self.orders.get_mut(slot).price = price;
        // What an order holds that nothing is noted about follows from its price.
        let spare = before - self.orders.standing(slot, &spec).held;
        self.release(slot, self.orders.get(slot).id, spare, time, output);
        self.release_spare(slot, &spec, time, output);
    }

    /// An order's trigger was reached, or the order that it waited for was filled: it takes part, or
    /// begins to wait for its trigger.
    fn trigger(&mut self, order: OrderId, placement: Placement, time: Nanos, output: &mut WalletOutput) {
        let slot = self.slot(order);
        let spec = *self.spec(self.orders.get(slot).market);
        let mut standing = self.orders.standing(slot, &spec);
        standing.updated = time;
        self.orders.set_standing(slot, standing);
        let terms = self.orders.terms_mut(slot).expect("an order with a trigger or a link has terms");
        if terms.is_pending() {
            terms.activated = time;
        }
        if placement != Placement::Waiting {
            terms.triggered = time;
        }
        if let Placement::Slid { price, .. } = placement {
            self.slide(slot, price, time, output);
        }
        self.tell(OrderEvent::Triggered, slot, output);
    }

    /// Settles fills and events in the order in which they came. `turn` is whose turn it is.
    fn settle_part(
        &mut self,
        market: MarketId,
        part: Part<'_>,
        turn: Option<OrderId>,
        time: Nanos,
        output: &mut WalletOutput,
    ) {
        let mut events = part.events.iter().peekable();
        for (number, fill) in (part.before..).zip(part.fills) {
            while let Some(event) = events.next_if(|event| event.after().is_some_and(|after| after as usize <= number))
            {
                self.settle_event(market, event, time, output);
            }
            self.settle_fill(market, fill, turn, time, output);
        }
        events.for_each(|event| self.settle_event(market, event, time, output));
    }

    fn settle_event(&mut self, market: MarketId, event: &BookEvent, time: Nanos, output: &mut WalletOutput) {
        match *event {
            BookEvent::Lapsed { order, remaining, reason, .. } if self.owns(order) => {
                let slot = self.slot(order);
                self.agree(slot, remaining);
                self.lapse(slot, reason, time, output);
            }
            BookEvent::Lapsed { .. } => {}
            BookEvent::Decremented { maker, taker, quantity, maker_remaining, .. } => {
                if self.owns(taker) {
                    self.prevent(taker, maker, quantity, time, output);
                }
                if !self.owns(maker) {
                    return;
                }
                self.prevent(maker, taker, quantity, time, output);
                let slot = self.slot(maker);
                self.agree(slot, maker_remaining);
                if maker_remaining.is_zero() {
                    self.lapse(slot, Expiry::SelfTrade, time, output);
                }
            }
            BookEvent::PhaseChanged { phase, .. } => self.markets[usize::from(market.0)].phase = phase,
            BookEvent::Triggered { .. } | BookEvent::Resumed { .. } => {
                unreachable!("a part ends where the next begins")
            }
        }
    }

    /// An order loses what it would have traded with another of its account, and holds no more for
    /// it.
    fn prevent(&mut self, order: OrderId, other: OrderId, quantity: Quantity, time: Nanos, output: &mut WalletOutput) {
        let slot = self.slot(order);
        let record = *self.orders.get(slot);
        let spec = *self.spec(record.market);
        let mut standing = self.orders.standing(slot, &spec);
        standing.prevented += quantity;
        standing.updated = time;
        self.orders.set_standing(slot, standing);
        if record.kind().has_limit() {
            self.release_spare(slot, &spec, time, output);
        }
        self.tell(OrderEvent::Prevented(other, quantity), slot, output);
    }

    /// Ends an order before it is filled: by the rules, or because its owner has cancelled another of
    /// its list.
    pub(super) fn lapse(&mut self, slot: u32, reason: Expiry, time: Nanos, output: &mut WalletOutput) {
        if reason == Expiry::Contingency {
            self.hand_over(slot);
        }
        let (event, status) = match reason {
            Expiry::ListCanceled => (OrderEvent::Canceled, Status::Canceled),
            Expiry::SelfTrade => (OrderEvent::Expired(reason), Status::ExpiredInMatch),
            _ => (OrderEvent::Expired(reason), Status::Expired),
        };
        self.end(slot, self.orders.get(slot).id, time, output);
        self.tell_as(event, slot, Some(status), Some(time), output);
        self.orders.remove(slot, true);
    }

    /// An order lapses because its partner takes part: of what both hold, the partner keeps what it
    /// needs, and the rest is the lapsing one's to release. Both hold for one account, so that no
    /// money moves.
    fn hand_over(&mut self, slot: u32) {
        let Some(partner) = self.orders.partner(slot) else { return };
        let spec = *self.spec(self.orders.get(slot).market);
        let (mut leaving, mut staying) = (self.orders.standing(slot, &spec), self.orders.standing(partner, &spec));
        let held = leaving.held + staying.held;
        staying.held = Amount(held.0.min(self.orders.needed(partner, &spec).0));
        leaving.held = held - staying.held;
        self.orders.set_standing(slot, leaving);
        self.orders.set_standing(partner, staying);
    }

    pub(super) fn agree(&self, slot: u32, remaining: Quantity) {
        let open = self.orders.open(slot);
        assert_eq!(open, remaining, "book and wallet disagree about order {}", self.orders.get(slot).id);
    }

    /// What is left of an order after its turn in the book: nothing, a rest, or a wait.
    fn end_turn(&mut self, order: OrderId, placement: Placement, time: Nanos, output: &mut WalletOutput) {
        match placement {
            Placement::Filled => {
                // An order by quote amount ends with budget left over; others ended with their
                // last fill, or had lost a part before they traded the rest. Orders of its own may
                // have lapsed since.
                if let Some(slot) = self.orders.find(order) {
                    if self.orders.prevented(slot).is_zero() {
                        self.fill_up(slot, order, time, output);
                    } else {
                        self.lapse(slot, Expiry::SelfTrade, time, output);
                    }
                }
            }
            Placement::Resting { remaining } | Placement::Slid { remaining, .. } => {
                self.agree(self.slot(order), remaining);
            }
            Placement::Waiting | Placement::Pending => {}
            Placement::Expired { reason, .. } => {
                self.lapse(self.slot(order), reason, time, output);
            }
            Placement::Rejected(_) => unreachable!("only a new order is rejected, and that was handled"),
        }
    }

    /// Ends an order that is filled although something is left of its hold. Its last trade is what
    /// filled it, so that is what its owner is told.
    fn fill_up(&mut self, slot: u32, order: OrderId, time: Nanos, output: &mut WalletOutput) {
        self.finish(slot, order, time, output);
        let mut told = output.updates.iter_mut().rev();
        let last = told.find(|update| update.order.id == order).expect("a filled order has traded");
        last.order.status = Status::Filled;
        let (account, market) = (last.order.account, last.order.market);
        // The last word about its owner's balances is the last word.
        let mut told = output.updates.iter_mut().rev();
        let last = told.find(|update| update.order.account == account).expect("just found");
        last.balances = self.balances_of(account, market);
    }

    /// Releases what an order holds beyond what its rest can cost. Of two of which one cancels the
    /// other, whichever of them was changed, the one that holds for both goes on holding what the
    /// dearer of them needs.
    pub(super) fn release_spare(&mut self, slot: u32, spec: &MarketSpec, time: Nanos, output: &mut WalletOutput) {
        let mut needed = self.orders.needed(slot, spec);
        let mut holder = slot;
        let mut standing = self.orders.standing(slot, spec);
        if let Some(partner) = self.orders.partner(slot) {
            needed = Amount(needed.0.max(self.orders.needed(partner, spec).0));
            if standing.held.is_zero() {
                holder = partner;
                standing = self.orders.standing(partner, spec);
            }
        }
        let released = Amount((standing.held.0 - needed.0).max(0));
        if !released.is_zero() {
            standing.held -= released;
            self.orders.set_standing(holder, standing);
            self.release(holder, self.orders.get(holder).id, released, time, output);
        }
    }

    fn settle_cancel(&mut self, order: OrderId, remaining: Quantity, time: Nanos, output: &mut WalletOutput) {
        let slot = self.slot(order);
        self.agree(slot, remaining);
        self.end(slot, order, time, output);
        self.tell_as(OrderEvent::Canceled, slot, Some(Status::Canceled), Some(time), output);
        self.orders.remove(slot, true);
    }

    fn settle_reduction(&mut self, order: OrderId, quantity: Quantity, time: Nanos, output: &mut WalletOutput) {
        let slot = self.slot(order);
        let spec = *self.spec(self.orders.get(slot).market);
        let mut standing = self.orders.standing(slot, &spec);
        standing.updated = time;
        self.orders.get_mut(slot).quantity = quantity;
        self.orders.set_standing(slot, standing);
        self.release_spare(slot, &spec, time, output);
        self.tell(OrderEvent::Reduced, slot, output);
    }

    /// Holds the part of a replacement that was funded by the order it replaced. That order's
    /// hold was released just before, and the book made sure that it sufficed.
    fn complete_hold(&mut self, order: OrderId, time: Nanos, output: &mut WalletOutput) {
        let slot = self.slot(order);
        let record = *self.orders.get(slot);
        let spec = *self.spec(record.market);
        let mut standing = self.orders.standing(slot, &spec);
        if !record.kind().has_limit() {
            return;
        }
        let missing = orders::hold(record.side(), record.price, record.quantity, &spec) - standing.held;
        standing.held += missing;
        let asset = orders::paid_in(record.side(), &spec);
        let mut posting = Posting { time, cause: Cause::Hold(order), entries: &mut output.entries };
        let (debit, credit) = (LedgerAccount::Available(record.account), LedgerAccount::Held(record.account));
        self.ledger.transfer(asset, debit, credit, missing, &mut posting);
        if !missing.is_zero() {
            self.orders.set_standing(slot, standing);
        }
    }

    /// Undoes the hold of an order that never came to be. Its client id may be used again.
    fn withdraw(&mut self, order: OrderId, time: Nanos, output: &mut WalletOutput) {
        let slot = self.slot(order);
        self.end(slot, order, time, output);
        self.orders.remove(slot, false);
    }

    /// Ends an order: all that is left of its hold goes back to its owner.
    pub(super) fn finish(&mut self, slot: u32, order: OrderId, time: Nanos, output: &mut WalletOutput) {
        self.end(slot, order, time, output);
        self.orders.remove(slot, true);
    }

    /// The money and the list of an order's end. What is still to be told of it is told before it is
    /// taken out.
    pub(super) fn end(&mut self, slot: u32, order: OrderId, time: Nanos, output: &mut WalletOutput) {
        let held = self.orders.standing(slot, self.spec(self.orders.get(slot).market)).held;
        self.release(slot, order, held, time, output);
        if let Some(link) = self.orders.link(slot) {
            output.ended_lists.extend(self.lists.leave(link.list));
        }
    }

    fn release(&mut self, slot: u32, order: OrderId, amount: Amount, time: Nanos, output: &mut WalletOutput) {
        let record = self.orders.get(slot);
        let asset = orders::paid_in(record.side(), self.spec(record.market));
        let (debit, credit) = (LedgerAccount::Held(record.account), LedgerAccount::Available(record.account));
        let mut posting = Posting { time, cause: Cause::Release(order), entries: &mut output.entries };
        self.ledger.transfer(asset, debit, credit, amount, &mut posting);
    }

    #[inline]
    pub(super) fn tell(&self, event: OrderEvent, slot: u32, output: &mut WalletOutput) {
        self.tell_as(event, slot, None, None, output);
    }

    /// Tells an owner of an order, with another status or time than the order has itself.
    #[inline]
    pub(super) fn tell_as(
        &self,
        event: OrderEvent,
        slot: u32,
        status: Option<Status>,
        updated: Option<Nanos>,
        output: &mut WalletOutput,
    ) {
        // Written where it stays: it is large, and there is one for every order and two for every fill.
        output.updates.extend(std::iter::once_with(|| {
            let mut order = self.orders.view(slot);
            order.status = status.unwrap_or(order.status);
            order.updated = updated.unwrap_or(order.updated);
            // An order by quote amount has no quantity of its own: what it has traded is shown instead.
            if order.kind == OrderKind::MarketByQuote {
                order.quantity = order.executed;
            }
            let balances = self.balances_of(order.account, order.market);
            OrderUpdate { event, order, balances }
        }));
    }

    fn balances_of(&self, account: AccountId, market: MarketId) -> [BalanceView; 2] {
        let spec = self.spec(market);
        [self.balance(account, spec.base), self.balance(account, spec.quote)]
    }

    pub(super) fn slot(&self, order: OrderId) -> u32 {
        self.orders.find(order).expect("an order that the book knows is open in the wallet that sent it there")
    }
}
