//! Settlement: what a book has decided becomes money moved and owners told.

use super::ledger::{Cause, House, LedgerAccount, Posting};
use super::{Wallet, WalletOutput, orders};
use crate::ids::{MarketId, OrderId};
use crate::market::{BASIS_POINTS, MarketSpec};
use crate::message::{BookEvent, BookOutcome, Expiry, Fill, Phase, Placement, ToWallet};
use crate::order::{OrderKind, Side};
use crate::reason::Reason;
use crate::units::{Amount, Nanos, Quantity, Rounding};
use crate::update::{Execution, OrderEvent, OrderUpdate, OrderView, Status};

/// What became of a user's command, for its reply. The orders themselves stand in the updates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The order the command was about; the new one of a replacement.
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

/// One side of a fill: who, and on which terms.
#[derive(Clone, Copy)]
struct Party {
    order: OrderId,
    remaining: Quantity,
    maker: bool,
}

/// What one order did in an answer: its trades, and what it met of its own account.
#[derive(Clone, Copy)]
struct Part<'a> {
    /// How many of the answer's fills came before these.
    before: usize,
    fills: &'a [Fill],
    events: &'a [BookEvent],
}

/// Takes an answer apart: what the order of the command did, and what each triggered order did.
fn parts(message: &ToWallet) -> (Part<'_>, impl Iterator<Item = (OrderId, Placement, Part<'_>)>) {
    let is_triggered = |event: &BookEvent| matches!(event, BookEvent::Triggered { .. });
    let own_events = message.events.iter().position(is_triggered).unwrap_or(message.events.len());
    let (own, mut events) = message.events.split_at(own_events);
    let of_triggered =
        |event: &BookEvent| if let BookEvent::Triggered { fills, .. } = event { *fills as usize } else { 0 };
    let of_others: usize = events.iter().map(of_triggered).sum();
    let (own_fills, mut fills) = message.fills.split_at(message.fills.len() - of_others);
    let triggered = std::iter::from_fn(move || {
        let (BookEvent::Triggered { order, placement, fills: count }, rest) = events.split_first()? else {
            return None;
        };
        let (its_events, later) = rest.split_at(rest.iter().position(is_triggered).unwrap_or(rest.len()));
        let (its_fills, later_fills) = fills.split_at(*count as usize);
        (events, fills) = (later, later_fills);
        let before = message.fills.len() - later_fills.len() - its_fills.len();
        Some((*order, *placement, Part { before, fills: its_fills, events: its_events }))
    });
    (Part { before: 0, fills: own_fills, events: own }, triggered)
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
        path.fills += message.fills.len() as u64;
        if let Some(fill) = message.fills.last() {
            path.last = Some(fill.price);
        }
        let time = message.time;
        let (own, triggered) = parts(message);
        let settled = match &message.outcome {
            BookOutcome::Placed { order, placement } => {
                let placed = self.settle_placement(market, *order, *placement, own, time, output);
                Settled { order: *order, result: SettledResult::Placed(placed) }
            }
            BookOutcome::Canceled { order, remaining } => {
                self.settle_cancel(*order, *remaining, time, output);
                Settled { order: *order, result: SettledResult::Canceled(Ok(())) }
            }
            BookOutcome::CancelRejected { order, reason } => {
                Settled { order: *order, result: SettledResult::Canceled(Err(*reason)) }
            }
            BookOutcome::CanceledMany(orders) => {
                for (order, remaining) in orders {
                    self.settle_cancel(*order, *remaining, time, output);
                }
                let order = orders.first().map_or(OrderId(0), |(order, _)| *order);
                Settled { order, result: SettledResult::CanceledMany }
            }
            BookOutcome::Reduced { order, quantity } => {
                self.settle_reduction(*order, *quantity, time, output);
                Settled { order: *order, result: SettledResult::Reduced(Ok(())) }
            }
            BookOutcome::ReduceRejected { order, reason } => {
                Settled { order: *order, result: SettledResult::Reduced(Err(*reason)) }
            }
            BookOutcome::PlacedList(_) => Settled { order: OrderId(0), result: SettledResult::PlacedList(Ok(())) },
            BookOutcome::Entered(phase) => Settled { order: OrderId(0), result: SettledResult::Entered(*phase) },
            BookOutcome::Protected => Settled { order: OrderId(0), result: SettledResult::Protected },
            BookOutcome::Advanced => Settled { order: OrderId(0), result: SettledResult::Advanced },
            BookOutcome::Continued => Settled { order: OrderId(0), result: SettledResult::Continued },
            BookOutcome::Replaced { old, canceled, new, placement } => {
                if let Ok(remaining) = canceled {
                    self.settle_cancel(*old, *remaining, time, output);
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
                        None
                    }
                };
                let canceled = canceled.map(|_| ());
                Settled { order: *new, result: SettledResult::Replaced { old: *old, canceled, placed } }
            }
        };
        for (order, placement, part) in triggered {
            self.settle_triggered(market, order, placement, part, time, output);
        }
        Some(settled)
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
            let view = self.withdraw(order, time, output);
            self.tell(OrderEvent::Rejected(reason), OrderView { status: Status::Rejected, ..view }, output);
            return Err(reason);
        }
        let slot = self.slot(order);
        self.tell(OrderEvent::New, self.view(slot), output);
        self.settle_part(market, part, time, output);
        self.end_turn(market, order, placement, time, output);
        Ok(())
    }

    /// An order whose trigger was reached takes part.
    fn settle_triggered(
        &mut self,
        market: MarketId,
        order: OrderId,
        placement: Placement,
        part: Part<'_>,
        time: Nanos,
        output: &mut WalletOutput,
    ) {
        let slot = self.slot(order);
        let spec = *self.spec(market);
        let progress = self.orders.progress(slot, &spec);
        self.orders.set_progress(slot, super::Progress { triggered: time, updated: time, ..progress });
        self.tell(OrderEvent::Triggered, self.view(slot), output);
        self.settle_part(market, part, time, output);
        self.end_turn(market, order, placement, time, output);
    }

    fn settle_part(&mut self, market: MarketId, part: Part<'_>, time: Nanos, output: &mut WalletOutput) {
        let mut events = part.events.iter().peekable();
        for (number, fill) in (part.before..).zip(part.fills) {
            while let Some(event) = events.next_if(|event| event.after().is_some_and(|after| after as usize <= number))
            {
                self.settle_event(event, time, output);
            }
            self.settle_fill(market, fill, time, output);
        }
        events.for_each(|event| self.settle_event(event, time, output));
    }

    fn settle_event(&mut self, event: &BookEvent, time: Nanos, output: &mut WalletOutput) {
        match *event {
            BookEvent::Lapsed { order, remaining, .. } => {
                let slot = self.slot(order);
                let view = self.view(slot);
                self.agree(&view, remaining);
                self.lapse(slot, view, Expiry::SelfTrade, time, output);
            }
            BookEvent::Decremented { maker, taker, quantity, maker_remaining, .. } => {
                self.prevent(taker, maker, quantity, time, output);
                self.prevent(maker, taker, quantity, time, output);
                let slot = self.slot(maker);
                let view = self.view(slot);
                self.agree(&view, maker_remaining);
                if maker_remaining.is_zero() {
                    self.lapse(slot, view, Expiry::SelfTrade, time, output);
                }
            }
            BookEvent::PhaseChanged { .. } => {}
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
        let mut progress = self.orders.progress(slot, &spec);
        progress.prevented += quantity;
        progress.updated = time;
        let mut released = Amount::ZERO;
        if record.kind().has_limit() {
            let needed = orders::hold(record.side(), record.price, progress.open(record.quantity), &spec);
            released = Amount((progress.held.0 - needed.0).max(0));
            progress.held -= released;
        }
        self.orders.set_progress(slot, progress);
        self.release(slot, order, released, time, output);
        self.tell(OrderEvent::Prevented(other, quantity), self.view(slot), output);
    }

    /// Ends an order before it is filled, by the rules and not by its owner.
    fn lapse(&mut self, slot: u32, view: OrderView, reason: Expiry, time: Nanos, output: &mut WalletOutput) {
        self.finish(slot, view.id, time, output);
        let status = if reason == Expiry::SelfTrade { Status::ExpiredInMatch } else { Status::Expired };
        self.tell(OrderEvent::Expired(reason), OrderView { status, updated: time, ..view }, output);
    }

    fn agree(&self, view: &OrderView, remaining: Quantity) {
        let open = view.quantity - view.executed - view.prevented;
        assert_eq!(open, remaining, "book and wallet disagree about order {}", view.id);
    }

    /// What is left of an order after its turn in the book: nothing, a rest, or a wait.
    fn end_turn(
        &mut self,
        market: MarketId,
        order: OrderId,
        placement: Placement,
        time: Nanos,
        output: &mut WalletOutput,
    ) {
        match placement {
            Placement::Filled => {
                // An order by quote amount ends with budget left over; others ended with their
                // last fill. Orders of its own may have lapsed since.
                if let Some(slot) = self.orders.find(order) {
                    let OrderView { account, .. } = self.view(slot);
                    self.finish(slot, order, time, output);
                    // Its last trade is what filled it, so that is what its owner is told.
                    let spec = self.spec(market);
                    let balances = [self.balance(account, spec.base), self.balance(account, spec.quote)];
                    let mut told = output.updates.iter_mut().rev();
                    let last = told.find(|update| update.order.id == order).expect("a filled order has traded");
                    last.order.status = Status::Filled;
                    output.updates.last_mut().expect("just found").balances = balances;
                }
            }
            Placement::Resting { remaining } | Placement::Slid { remaining, .. } => {
                self.agree(&self.view(self.slot(order)), remaining)
            }
            Placement::Waiting | Placement::Pending => {}
            Placement::Expired { reason, .. } => {
                let slot = self.slot(order);
                let view = self.view(slot);
                self.lapse(slot, view, reason, time, output);
            }
            Placement::Rejected(_) => unreachable!("only a new order is rejected, and that was handled"),
        }
    }

    /// One trade: four legs and two fees.
    fn settle_fill(&mut self, market: MarketId, fill: &Fill, time: Nanos, output: &mut WalletOutput) {
        let spec = *self.spec(market);
        let maker = Party { order: fill.maker, remaining: fill.maker_remaining, maker: true };
        let taker = Party { order: fill.taker, remaining: fill.taker_remaining, maker: false };
        let (buyer, seller) = match fill.taker_side {
            Side::Buy => (taker, maker),
            Side::Sell => (maker, taker),
        };
        let (buyer_slot, seller_slot) = (self.slot(buyer.order), self.slot(seller.order));
        let (buyer_account, seller_account) =
            (self.orders.get(buyer_slot).account, self.orders.get(seller_slot).account);
        let mut bought = self.orders.progress(buyer_slot, &spec);
        let mut sold = self.orders.progress(seller_slot, &spec);
        let traded = fill.price.times(fill.quantity);

        // The buyer owes his notional rounded up, the seller gets hers rounded down, both over the
        // whole order so far: many fills cost the same as one.
        let owed = |notional| spec.quote_amount(notional, Rounding::Ceil);
        let due = |notional| spec.quote_amount(notional, Rounding::Floor);
        let paid = owed(bought.notional + traded) - owed(bought.notional);
        let received = due(sold.notional + traded) - due(sold.notional);
        let base = spec.base_amount(fill.quantity);
        let base_fee = charge(&mut bought, rate(&spec, buyer.maker), base);
        let quote_fee = charge(&mut sold, rate(&spec, seller.maker), received);
        for (progress, held) in [(&mut bought, paid), (&mut sold, base)] {
            progress.notional += traded;
            progress.executed += fill.quantity;
            progress.held -= held;
            progress.updated = time;
        }

        let mut posting = Posting { time, cause: Cause::Trade(market, fill.trade), entries: &mut output.entries };
        let ledger = &mut self.ledger;
        let (fee, rounding) = (LedgerAccount::House(House::Fee), LedgerAccount::House(House::Rounding));
        let (buyer_held, seller_held) = (LedgerAccount::Held(buyer_account), LedgerAccount::Held(seller_account));
        let seller_available = LedgerAccount::Available(seller_account);
        // The two orders carry different remainders, so a single fill may pay one unit less than
        // it delivers. The unit comes out of what earlier fills left in `Rounding`.
        let mut short = Amount((received.0 - paid.0).max(0));
        for (credit, amount) in [(seller_available, received - quote_fee), (fee, quote_fee)] {
            let advanced = Amount(amount.0.min(short.0));
            short -= advanced;
            ledger.transfer(spec.quote, rounding, credit, advanced, &mut posting);
            ledger.transfer(spec.quote, buyer_held, credit, amount - advanced, &mut posting);
        }
        ledger.transfer(spec.quote, buyer_held, rounding, Amount((paid.0 - received.0).max(0)), &mut posting);
        ledger.transfer(spec.base, seller_held, LedgerAccount::Available(buyer_account), base - base_fee, &mut posting);
        ledger.transfer(spec.base, seller_held, fee, base_fee, &mut posting);

        self.orders.set_progress(buyer_slot, bought);
        self.orders.set_progress(seller_slot, sold);
        self.release_improvement(buyer_slot, buyer.order, &spec, time, output);

        let execution = |fee, fee_asset, maker| Execution {
            trade: fill.trade,
            aggregate: fill.aggregate,
            price: fill.price,
            quantity: fill.quantity,
            fee,
            fee_asset,
            maker,
        };
        let buy = (buyer, buyer_slot, execution(base_fee, spec.base, buyer.maker));
        let sell = (seller, seller_slot, execution(quote_fee, spec.quote, seller.maker));
        let (first, second) = if buyer.maker { (buy, sell) } else { (sell, buy) };
        for (party, slot, execution) in [first, second] {
            let view = self.view(slot);
            self.agree(&view, party.remaining);
            if !party.remaining.is_zero() || view.prevented.is_zero() {
                if party.remaining.is_zero() {
                    self.finish(slot, party.order, time, output);
                }
                self.tell(OrderEvent::Trade(execution), view, output);
                continue;
            }
            // Nothing is left of it, but it did not trade all. A taker's end is its placement.
            self.tell(OrderEvent::Trade(execution), view, output);
            if party.maker {
                self.lapse(slot, view, Expiry::SelfTrade, time, output);
            }
        }
    }

    /// A buyer who got a better price than his limit holds no more than the rest can cost.
    fn release_improvement(
        &mut self,
        slot: u32,
        id: OrderId,
        spec: &MarketSpec,
        time: Nanos,
        output: &mut WalletOutput,
    ) {
        let order = *self.orders.get(slot);
        if !order.kind().has_limit() {
            return;
        }
        let mut progress = self.orders.progress(slot, spec);
        let needed = orders::hold(order.side(), order.price, progress.open(order.quantity), spec);
        let released = Amount((progress.held.0 - needed.0).max(0));
        progress.held -= released;
        self.orders.set_progress(slot, progress);
        self.release(slot, id, released, time, output);
    }

    fn settle_cancel(&mut self, order: OrderId, remaining: Quantity, time: Nanos, output: &mut WalletOutput) {
        let slot = self.slot(order);
        let view = self.view(slot);
        self.agree(&view, remaining);
        self.finish(slot, order, time, output);
        self.tell(OrderEvent::Canceled, OrderView { status: Status::Canceled, updated: time, ..view }, output);
    }

    fn settle_reduction(&mut self, order: OrderId, quantity: Quantity, time: Nanos, output: &mut WalletOutput) {
        let slot = self.slot(order);
        let spec = *self.spec(self.orders.get(slot).market);
        let mut progress = self.orders.progress(slot, &spec);
        let record = self.orders.get_mut(slot);
        record.quantity = quantity;
        // A market order to buy has no price to tell what the rest needs: it keeps its hold.
        let mut released = Amount::ZERO;
        if record.kind().has_limit() || record.side() == Side::Sell {
            let needed = orders::hold(record.side(), record.price, progress.open(quantity), &spec);
            released = Amount((progress.held.0 - needed.0).max(0));
        }
        progress.held -= released;
        progress.updated = time;
        self.orders.set_progress(slot, progress);
        self.release(slot, order, released, time, output);
        self.tell(OrderEvent::Reduced, self.view(slot), output);
    }

    /// Holds the part of a replacement that was funded by the order it replaced. That order's
    /// hold was released just before, and the book made sure that it sufficed.
    fn complete_hold(&mut self, order: OrderId, time: Nanos, output: &mut WalletOutput) {
        let slot = self.slot(order);
        let record = *self.orders.get(slot);
        let spec = *self.spec(record.market);
        let mut progress = self.orders.progress(slot, &spec);
        if !record.kind().has_limit() {
            return;
        }
        let missing = orders::hold(record.side(), record.price, record.quantity, &spec) - progress.held;
        progress.held += missing;
        let asset = orders::paid_in(record.side(), &spec);
        let mut posting = Posting { time, cause: Cause::Hold(order), entries: &mut output.entries };
        let (debit, credit) = (LedgerAccount::Available(record.account), LedgerAccount::Held(record.account));
        self.ledger.transfer(asset, debit, credit, missing, &mut posting);
        if !missing.is_zero() {
            self.orders.set_progress(slot, progress);
        }
    }

    /// Undoes the hold of an order that never came to be. Its client id may be used again.
    fn withdraw(&mut self, order: OrderId, time: Nanos, output: &mut WalletOutput) -> OrderView {
        let slot = self.slot(order);
        let view = self.view(slot);
        let spec = *self.spec(view.market);
        let held = self.orders.progress(slot, &spec).held;
        self.release(slot, order, held, time, output);
        self.orders.remove(slot, false);
        view
    }

    /// Ends an order: all that is left of its hold goes back to its owner.
    fn finish(&mut self, slot: u32, order: OrderId, time: Nanos, output: &mut WalletOutput) {
        let spec = *self.spec(self.orders.get(slot).market);
        let held = self.orders.progress(slot, &spec).held;
        self.release(slot, order, held, time, output);
        self.orders.remove(slot, true);
    }

    fn release(&mut self, slot: u32, order: OrderId, amount: Amount, time: Nanos, output: &mut WalletOutput) {
        let record = self.orders.get(slot);
        let asset = orders::paid_in(record.side(), self.spec(record.market));
        let (debit, credit) = (LedgerAccount::Held(record.account), LedgerAccount::Available(record.account));
        let mut posting = Posting { time, cause: Cause::Release(order), entries: &mut output.entries };
        self.ledger.transfer(asset, debit, credit, amount, &mut posting);
    }

    fn tell(&self, event: OrderEvent, order: OrderView, output: &mut WalletOutput) {
        let spec = self.spec(order.market);
        let balances = [self.balance(order.account, spec.base), self.balance(order.account, spec.quote)];
        output.updates.push(OrderUpdate { event, order: shown(order), balances });
    }

    fn slot(&self, order: OrderId) -> u32 {
        self.orders.find(order).expect("an order that the book knows is open in the wallet that sent it there")
    }
}

/// An order by quote amount has no quantity of its own: what it has traded is shown instead.
fn shown(view: OrderView) -> OrderView {
    if view.kind == OrderKind::MarketByQuote { OrderView { quantity: view.executed, ..view } } else { view }
}

/// The fee of what an order has just received: rounded up over the whole order, never more than
/// it received. What one fill cannot pay, the next one does; at the end it is forgiven.
fn charge(progress: &mut super::Progress, rate: u64, received: Amount) -> Amount {
    progress.fee_basis += received.0 * i128::from(rate);
    let basis = i128::from(BASIS_POINTS);
    let owed = (progress.fee_basis + basis - 1) / basis - progress.fee_charged.0;
    let fee = Amount(owed.clamp(0, received.0));
    progress.fee_charged += fee;
    fee
}

fn rate(spec: &MarketSpec, maker: bool) -> u64 {
    u64::from(if maker { spec.maker_fee.0 } else { spec.taker_fee.0 })
}
