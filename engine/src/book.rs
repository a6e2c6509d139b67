//! One order book: price-time matching of one market of one tenant.

mod guarded;
mod ladder;
mod orders;
mod snapshot;
mod triggers;

pub use snapshot::{BookSnapshot, RestingOrder};
pub use triggers::{Stage, WaitingOrder};

use std::ops::ControlFlow;

use crate::digest::Digest;
use crate::ids::{AccountId, OrderId, TradeId};
use crate::message::{
    BookCommand, BookEvent, BookOutcome, CancelRestriction, Expiry, Fill, Placement, ToBook, ToWallet,
};
use crate::order::{Instructions, NewOrder, OrderKind, SelfTrade, Side};
use crate::reason::Reason;
use crate::slab::NONE;
use crate::units::{Nanos, Notional, Price, Quantity};
use ladder::Ladder;
use orders::{Found, Orders};
use triggers::Triggers;

/// How many orders one command may trigger. Those left over have their turn with
/// [`Book::proceed`], before any other command.
pub const CASCADE_MAX: usize = 64;

/// An order book. Prices are ticks, quantities are lots.
///
/// Three invariants hold after every command: the best bid is below the best ask; within a price,
/// orders stand in the order in which they came; no resting order is empty.
#[derive(Clone, Debug)]
pub struct Book {
    bids: Ladder,
    asks: Ladder,
    orders: Orders,
    triggers: Triggers,
    /// The price of the last trade.
    last: Option<Price>,
    trades: u64,
    aggregates: u64,
    changes: u64,
    received: u64,
    sent: u64,
    /// When the command was accepted that began the cascade under way.
    cascade_time: Nanos,
    digest: Digest,
}

/// A resting order: half a cache line, and never across two.
#[derive(Clone, Copy, Debug)]
struct Node {
    id: OrderId,
    /// Total, filled part included.
    quantity: Quantity,
    remaining: Quantity,
    account: AccountId,
    level: u32,
}

/// A level of the book after a change, for market data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LevelChange {
    /// Which side.
    pub side: Side,
    /// Which price.
    pub price: Price,
    /// All that rests there now; zero if the level is gone.
    pub quantity: Quantity,
}

/// What one command did, collected in buffers that are reused.
#[derive(Debug, Default)]
pub struct BookOutput {
    /// The trades, in order.
    pub fills: Vec<Fill>,
    /// The levels that changed, in order; a level may appear more than once, the last one counts.
    pub levels: Vec<LevelChange>,
    /// What else happened, in order.
    pub events: Vec<BookEvent>,
}

impl BookOutput {
    /// Empties the buffers and keeps their memory.
    pub fn clear(&mut self) {
        self.fills.clear();
        self.levels.clear();
        self.events.clear();
    }

    /// How many trades there are.
    fn filled(&self) -> u32 {
        u32::try_from(self.fills.len()).expect("fewer trades than orders can rest")
    }
}

/// How a taker is bounded while it sweeps the other side.
struct Sweep {
    taker: OrderId,
    account: AccountId,
    limit: Price,
    remaining: Quantity,
    budget: Notional,
}

impl Default for Book {
    fn default() -> Self {
        Self::new()
    }
}

impl Book {
    /// An empty book.
    #[must_use]
    pub fn new() -> Self {
        Self {
            bids: Ladder::new(Side::Buy),
            asks: Ladder::new(Side::Sell),
            orders: Orders::default(),
            triggers: Triggers::default(),
            last: None,
            trades: 0,
            aggregates: 0,
            changes: 0,
            received: 0,
            sent: 0,
            cascade_time: Nanos::ZERO,
            digest: Digest::default(),
        }
    }

    /// Takes a numbered message of the tenant's wallet and answers it. `None` if the message was
    /// seen before.
    ///
    /// `output.fills` and `output.events` move into the answer.
    ///
    /// # Panics
    /// If a message before this one is missing, or triggered orders wait for [`Book::proceed`]:
    /// either would be a bug of the shell.
    pub fn receive(&mut self, message: &ToBook, output: &mut BookOutput) -> Option<ToWallet> {
        if message.number <= self.received {
            return None;
        }
        assert_eq!(message.number, self.received + 1, "a message from the wallet is missing");
        assert!(!self.is_cascading(), "triggered orders have their turn before the next command");
        self.received = message.number;
        let outcome = self.execute(&message.command, output);
        self.cascade(0, message.time, output);
        Some(self.answer(message.time, outcome, output))
    }

    /// Whether orders were triggered that had no turn yet.
    #[must_use]
    #[inline]
    pub fn is_cascading(&self) -> bool {
        self.triggers.has_fired()
    }

    /// Gives triggered orders that were left over their turn, up to [`CASCADE_MAX`] of them, and
    /// tells of it. `None` if there are none.
    ///
    /// `time` is that of the command that began the cascade.
    pub fn proceed(&mut self, output: &mut BookOutput) -> Option<ToWallet> {
        if !self.is_cascading() {
            return None;
        }
        let time = self.cascade_time;
        self.cascade(0, time, output);
        Some(self.answer(time, BookOutcome::Continued, output))
    }

    fn answer(&mut self, time: Nanos, outcome: BookOutcome, output: &mut BookOutput) -> ToWallet {
        self.sent += 1;
        for fill in &output.fills {
            self.digest.add(fill.trade.0);
            self.digest.add(fill.price.0);
            self.digest.add(fill.quantity.0);
            self.digest.add(fill.maker.0);
            self.digest.add(fill.taker.0);
        }
        for event in &output.events {
            event.add_to(&mut self.digest);
        }
        self.digest.add(self.changes);
        ToWallet {
            number: self.sent,
            time,
            fills: std::mem::take(&mut output.fills),
            outcome,
            events: std::mem::take(&mut output.events),
        }
    }

    /// Lets the market's trades since the fill numbered `from` fire orders, and gives those that
    /// were fired their turn, as far as the bound allows.
    fn cascade(&mut self, from: usize, time: Nanos, output: &mut BookOutput) {
        let mut printed = self.print(from, output);
        for _ in 0..CASCADE_MAX {
            let Some(order) = self.triggers.next_fired() else { return };
            let event = output.events.len();
            output.events.push(BookEvent::Triggered { order: order.id, placement: Placement::Filled, fills: 0 });
            let placement = self.take_part(&order, output);
            let fills = output.filled() - u32::try_from(printed).unwrap_or(0);
            output.events[event] = BookEvent::Triggered { order: order.id, placement, fills };
            printed = self.print(printed, output);
        }
        self.cascade_time = time;
    }

    /// Shows the prices of new trades to the orders that wait. Returns how many trades there are.
    fn print(&mut self, from: usize, output: &BookOutput) -> usize {
        let fills = &output.fills[from..];
        if let Some(last) = fills.last() {
            self.last = Some(last.price);
            if !self.triggers.is_empty() {
                let mut printed = None;
                for fill in fills {
                    if printed != Some(fill.price) {
                        self.triggers.print(fill.price);
                        printed = Some(fill.price);
                    }
                }
            }
        }
        output.fills.len()
    }

    /// Carries out one command.
    pub fn execute(&mut self, command: &BookCommand, output: &mut BookOutput) -> BookOutcome {
        match command {
            BookCommand::Place(order) => BookOutcome::Placed { order: order.id, placement: self.place(order, output) },
            BookCommand::Cancel { order, restriction } => match self.cancel(*order, *restriction, output) {
                Ok(remaining) => BookOutcome::Canceled { order: *order, remaining },
                Err(reason) => BookOutcome::CancelRejected { order: *order, reason },
            },
            BookCommand::CancelMany(orders) => {
                let cancel = |order: &OrderId| {
                    let remaining = self.cancel(*order, CancelRestriction::None, output).ok()?;
                    Some((*order, remaining))
                };
                BookOutcome::CanceledMany(orders.iter().filter_map(cancel).collect())
            }
            BookCommand::Reduce { order, quantity } => match self.reduce(*order, *quantity, output) {
                Ok(()) => BookOutcome::Reduced { order: *order, quantity: *quantity },
                Err(reason) => BookOutcome::ReduceRejected { order: *order, reason },
            },
            BookCommand::Replace { old, restriction, allow_failure, old_remaining_needed, new } => {
                let canceled = self.cancel(*old, *restriction, output);
                let placement = match canceled {
                    Err(_) if !allow_failure => None,
                    // The wallet counted on more of the old order than a fill in between left.
                    _ if canceled.unwrap_or_default() < *old_remaining_needed => {
                        Some(Placement::Rejected(Reason::InsufficientBalance))
                    }
                    _ => Some(self.place(new, output)),
                };
                BookOutcome::Replaced { old: *old, canceled, new: new.id, placement }
            }
        }
    }

    /// Matches an order and rests what its kind lets rest, or lets it wait for its trigger.
    #[inline(always)]
    pub fn place(&mut self, order: &NewOrder, output: &mut BookOutput) -> Placement {
        // Most orders are plain ones, and most of those meet nobody.
        let plain = matches!(order.kind, OrderKind::Limit | OrderKind::ImmediateOrCancel);
        if !plain || !order.instructions.is_plain() {
            return self.place_special(order, output);
        }
        let mut remaining = order.quantity;
        let makers = match order.side {
            Side::Buy => &self.asks,
            Side::Sell => &self.bids,
        };
        if makers.is_within(order.limit) {
            let NewOrder { id: taker, account, side, limit, quantity, budget, .. } = *order;
            remaining =
                self.sweep(side, Sweep { taker, account, limit, remaining: quantity, budget }, output).remaining;
            if remaining.is_zero() {
                return Placement::Filled;
            }
        }
        if order.kind == OrderKind::ImmediateOrCancel {
            return Placement::Expired { remaining, reason: Expiry::ImmediateOrCancel };
        }
        self.rest(order, remaining, output)
    }

    #[inline(never)]
    fn place_special(&mut self, order: &NewOrder, output: &mut BookOutput) -> Placement {
        if let Some(trigger) = &order.instructions.trigger {
            if Triggers::would_fire(trigger, self.last) {
                return Placement::Rejected(Reason::WouldTrigger);
            }
            self.triggers.wait(*order, self.last);
            return Placement::Waiting;
        }
        if let Some(placement) = self.refuse(order) {
            return placement;
        }
        // From here on the order cannot fail.
        self.work(order, output)
    }

    #[inline(always)]
    fn rest(&mut self, order: &NewOrder, remaining: Quantity, output: &mut BookOutput) -> Placement {
        let NewOrder { id, account, side, limit: price, quantity, .. } = *order;
        let change = self.append(RestingOrder { id, account, side, price, quantity, remaining });
        output.levels.push(change);
        self.changes = self.changes.wrapping_add(1);
        Placement::Resting { remaining }
    }

    /// Gives a triggered order its turn. It was taken in before, so what would refuse a new one
    /// makes it lapse.
    fn take_part(&mut self, order: &NewOrder, output: &mut BookOutput) -> Placement {
        let order = NewOrder { instructions: Instructions { trigger: None, ..order.instructions }, ..*order };
        match self.refuse(&order) {
            // What the money does not suffice for lapses when it has run out.
            None | Some(Placement::Rejected(Reason::InsufficientBalance)) => self.work(&order, output),
            Some(Placement::Rejected(_)) => Placement::Expired { remaining: order.quantity, reason: Expiry::Liquidity },
            Some(placement) => placement,
        }
    }

    fn work(&mut self, order: &NewOrder, output: &mut BookOutput) -> Placement {
        let mut sweep = Sweep {
            taker: order.id,
            account: order.account,
            limit: if order.kind.has_limit() { order.limit } else { unlimited(order.side) },
            remaining: order.quantity,
            budget: order.budget,
        };
        let mut prevented = false;
        if order.instructions.self_trade == SelfTrade::Allow {
            sweep = self.sweep(order.side, sweep, output);
        } else {
            prevented = self.sweep_guarded(order, &mut sweep, output);
        }
        let remaining = sweep.remaining;
        // The budget ran out: nothing is left of it, or somebody is still there to trade with, so
        // that all of it that can buy a lot is spent.
        let spent = order.kind == OrderKind::MarketByQuote
            && sweep.budget < order.budget
            && (sweep.budget.is_zero() || self.best(order.side.opposite()).is_some());
        let ended = match order.instructions.self_trade {
            SelfTrade::ExpireTaker | SelfTrade::ExpireBoth => prevented,
            // Nothing is left of it, but it did not trade all.
            SelfTrade::Decrement => prevented && (remaining.is_zero() || spent),
            SelfTrade::Allow | SelfTrade::ExpireMaker => false,
        };
        if ended {
            return Placement::Expired { remaining, reason: Expiry::SelfTrade };
        }
        if remaining.is_zero() {
            return Placement::Filled;
        }
        match order.kind {
            OrderKind::Limit | OrderKind::PostOnly => self.rest(order, remaining, output),
            OrderKind::ImmediateOrCancel => Placement::Expired { remaining, reason: Expiry::ImmediateOrCancel },
            OrderKind::FillOrKill => Placement::Expired { remaining, reason: Expiry::FillOrKill },
            OrderKind::MarketByQuote if spent => Placement::Filled,
            OrderKind::Market | OrderKind::MarketByQuote => Placement::Expired { remaining, reason: Expiry::Liquidity },
        }
    }

    /// Takes an order out and says how much of it was open.
    ///
    /// # Errors
    /// [`Reason::OrderAlreadyFinal`] if it is not there, [`Reason::CancelRestricted`] if it is in
    /// another state than asked for.
    #[inline(always)]
    pub fn cancel(
        &mut self,
        order: OrderId,
        restriction: CancelRestriction,
        output: &mut BookOutput,
    ) -> Result<Quantity, Reason> {
        let Some(found) = self.orders.find(order) else { return self.cancel_waiting(order, restriction) };
        let Node { quantity, remaining, .. } = self.orders[found.slot];
        let untouched = remaining == quantity;
        match restriction {
            CancelRestriction::OnlyNew if !untouched => return Err(Reason::CancelRestricted),
            CancelRestriction::OnlyPartiallyFilled if untouched => return Err(Reason::CancelRestricted),
            _ => {}
        }
        // From here on the cancel cannot fail.
        self.take_out(found, output);
        Ok(remaining)
    }

    #[inline(never)]
    fn cancel_waiting(&mut self, order: OrderId, restriction: CancelRestriction) -> Result<Quantity, Reason> {
        if self.triggers.get(order).is_some() && restriction == CancelRestriction::OnlyPartiallyFilled {
            return Err(Reason::CancelRestricted);
        }
        self.triggers.remove(order).map(|order| order.quantity).ok_or(Reason::OrderAlreadyFinal)
    }

    /// Lowers an order's total quantity; it keeps its place.
    ///
    /// # Errors
    /// [`Reason::OrderAlreadyFinal`] if it is not there, [`Reason::QuantityNotReduced`] if the new
    /// total is not between what is filled and what it was.
    pub fn reduce(&mut self, order: OrderId, quantity: Quantity, output: &mut BookOutput) -> Result<(), Reason> {
        let Some(slot) = self.find(order) else {
            let waiting = self.triggers.get_mut(order).ok_or(Reason::OrderAlreadyFinal)?;
            if quantity.is_zero() || quantity >= waiting.quantity {
                return Err(Reason::QuantityNotReduced);
            }
            waiting.quantity = quantity;
            return Ok(());
        };
        let node = self.orders[slot];
        let filled = node.quantity - node.remaining;
        if quantity <= filled || quantity >= node.quantity {
            return Err(Reason::QuantityNotReduced);
        }
        // From here on the reduction cannot fail.
        let less = node.quantity - quantity;
        let change = self.ladder_of(&node).shrink(node.level_slot(), less);
        output.levels.push(change);
        let node = &mut self.orders[slot];
        node.quantity = quantity;
        node.remaining -= less;
        self.changes += 1;
        Ok(())
    }

    /// The best price of a side and all that rests there.
    #[must_use]
    pub fn best(&self, side: Side) -> Option<(Price, Quantity)> {
        self.ladder(side).best().map(|level| (level.price, level.quantity))
    }

    /// The levels of a side, best first.
    pub fn levels(&self, side: Side) -> impl Iterator<Item = (Price, Quantity)> + '_ {
        self.ladder(side).iter().map(|level| (level.price, level.quantity))
    }

    /// What is open of an order, if it rests or waits here.
    #[must_use]
    pub fn remaining(&self, order: OrderId) -> Option<Quantity> {
        match self.find(order) {
            Some(slot) => Some(self.orders[slot].remaining),
            None => self.triggers.get(order).map(|waiting| waiting.order.quantity),
        }
    }

    /// How many orders wait for their trigger.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.triggers.len()
    }

    /// The price of the last trade.
    #[must_use]
    pub fn last_price(&self) -> Option<Price> {
        self.last
    }

    /// How many orders rest here.
    #[must_use]
    pub fn len(&self) -> usize {
        self.orders.len()
    }

    /// Whether no order rests here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many trades there were so far: also the last trade's number.
    #[must_use]
    pub fn trades(&self) -> u64 {
        self.trades
    }

    /// The last aggregate trade's number.
    #[must_use]
    pub fn aggregates(&self) -> u64 {
        self.aggregates
    }

    /// How many changes of visible depth there were so far: the update id of market data.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// The number of the last message received.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received
    }

    /// The number of the last message sent.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// The fingerprint of all this book has done.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The checks that only the book can make, before anything is written.
    #[inline(never)]
    fn refuse(&self, order: &NewOrder) -> Option<Placement> {
        let other = self.ladder(order.side.opposite());
        match order.kind {
            OrderKind::Limit | OrderKind::ImmediateOrCancel => None,
            OrderKind::PostOnly => {
                let touch = other.best()?.price;
                crosses(order.side, order.limit, touch).then_some(Placement::Rejected(Reason::WouldMatch))
            }
            OrderKind::FillOrKill => {
                let mut needed = order.quantity;
                self.offer(order, |_, offered| {
                    needed -= offered.min(needed);
                    if needed.is_zero() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                });
                let short = !needed.is_zero();
                short.then_some(Placement::Expired { remaining: order.quantity, reason: Expiry::FillOrKill })
            }
            OrderKind::Market => {
                if other.best().is_none() {
                    return Some(Placement::Expired { remaining: order.quantity, reason: Expiry::Liquidity });
                }
                // By quantity, the budget is what the account has. An order that it cannot pay for
                // is refused whole, not filled in part.
                let (mut needed, mut budget, mut affordable) = (order.quantity, order.budget, true);
                self.offer(order, |price, offered| {
                    let taken = offered.min(needed);
                    needed -= taken;
                    if let Some(price) = price {
                        affordable = taken.0 <= budget.0 / price.0;
                        if affordable {
                            budget -= price.times(taken);
                        }
                    }
                    if needed.is_zero() || !affordable { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                });
                (!affordable).then_some(Placement::Rejected(Reason::InsufficientBalance))
            }
            OrderKind::MarketByQuote => {
                // Without a price there is no quantity to expire: the order is refused, as in the dialect.
                let Some(best) = other.best() else { return Some(Placement::Rejected(Reason::NoLiquidity)) };
                (order.budget < Notional(best.price.0)).then_some(Placement::Rejected(Reason::NotionalTooSmall))
            }
        }
    }

    /// Takes from the other side until the taker is done, bounded or alone.
    ///
    /// The side is data, not a branch: orders of either side come at random, so that a branch would
    /// be guessed wrongly half of the time.
    #[inline(never)]
    fn sweep(&mut self, taker_side: Side, mut sweep: Sweep, output: &mut BookOutput) -> Sweep {
        let makers = match taker_side {
            Side::Buy => &mut self.asks,
            Side::Sell => &mut self.bids,
        };
        while let Some((slot, level)) = makers.best_within(sweep.limit) {
            if sweep.remaining.is_zero() {
                break;
            }
            let price = level.price;
            let mut wanted = sweep.remaining.min(level.quantity);
            if price.times(wanted) > sweep.budget {
                wanted = Quantity(sweep.budget.0 / price.0);
                if wanted.is_zero() {
                    break;
                }
            }
            sweep.remaining -= wanted;
            sweep.budget -= price.times(wanted);
            self.aggregates += 1;
            let mut fill = Fill {
                trade: TradeId(self.trades),
                aggregate: self.aggregates,
                price,
                quantity: wanted,
                taker_side,
                maker: OrderId(0),
                maker_account: AccountId(0),
                maker_remaining: Quantity::ZERO,
                taker: sweep.taker,
                taker_account: sweep.account,
                taker_remaining: sweep.remaining + wanted,
            };
            let taken = wanted;
            let (mut head, mut last, mut count) = (level.head, NONE, 0);
            // As long as orders are filled whole.
            while !wanted.is_zero() {
                let maker = &mut self.orders[head];
                fill.trade.0 += 1;
                fill.maker = maker.id;
                fill.maker_account = maker.account;
                if maker.remaining > wanted {
                    maker.remaining -= wanted;
                    fill.quantity = wanted;
                    fill.maker_remaining = maker.remaining;
                    fill.taker_remaining = sweep.remaining;
                    output.fills.push(fill);
                    break;
                }
                fill.quantity = maker.remaining;
                wanted -= maker.remaining;
                fill.taker_remaining -= maker.remaining;
                output.fills.push(fill);
                last = head;
                head = self.orders.forget(head);
                count += 1;
            }
            self.trades = fill.trade.0;
            if last != NONE {
                self.orders.remove_front(level.head, last, count, head);
            }
            output.levels.push(makers.take(slot, taken, head));
            self.changes += 1;
        }
        sweep
    }

    /// Puts an order behind all others of its price.
    #[inline(always)]
    fn append(&mut self, order: RestingOrder) -> LevelChange {
        let ladder = match order.side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        };
        let slot = self.orders.vacant();
        let (level, previous, total) = ladder.append(order.price, slot, order.remaining);
        let RestingOrder { id, quantity, remaining, account, .. } = order;
        let level = level << 1 | u32::from(order.side == Side::Sell);
        self.orders.insert(Node { id, quantity, remaining, account, level }, previous);
        LevelChange { side: order.side, price: order.price, quantity: total }
    }

    fn find(&self, order: OrderId) -> Option<u32> {
        self.orders.find(order).map(|found| found.slot)
    }

    /// Takes an order off the book, wherever it stands at its price.
    #[inline(always)]
    fn take_out(&mut self, found: Found, output: &mut BookOutput) {
        let node = self.orders[found.slot];
        let (previous, next) = self.orders.remove(found);
        let change = self.ladder_of(&node).leave(node.level_slot(), node.remaining, previous, next);
        output.levels.push(change);
        self.changes = self.changes.wrapping_add(1);
    }

    fn ladder(&self, side: Side) -> &Ladder {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    fn ladder_of(&mut self, node: &Node) -> &mut Ladder {
        match node.side() {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }
}

impl Node {
    fn level_slot(&self) -> u32 {
        self.level >> 1
    }

    fn side(&self) -> Side {
        if self.level & 1 == 0 { Side::Buy } else { Side::Sell }
    }
}

/// Whether an order of `side` with this limit trades at `price`.
#[inline]
fn crosses(side: Side, limit: Price, price: Price) -> bool {
    match side {
        Side::Buy => limit >= price,
        Side::Sell => limit <= price,
    }
}

fn unlimited(side: Side) -> Price {
    match side {
        Side::Buy => Price(u64::MAX),
        Side::Sell => Price::ZERO,
    }
}

#[cfg(test)]
mod tests;
