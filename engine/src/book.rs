//! One order book: price-time matching of one market of one tenant.

mod auction;
mod careful;
mod dark;
mod ladder;
mod lists;
mod orders;
mod output;
mod phase;
mod shards;
mod snapshot;
mod special;
mod triggers;
mod view;

pub use auction::Indicative;
pub use output::{BookOutput, EachFill, LevelChange, Output};
pub use shards::BookPath;
pub use snapshot::{BookSnapshot, DarkOrder, RestingOrder, SpecialOrder};
pub use triggers::{Stage, WaitingOrder, share_above, share_below};

use crate::digest::Digest;
use crate::ids::{AccountId, OrderId, ShardId, TradeId};
use crate::message::{
    BookCommand, BookEvent, BookOutcome, CancelRestriction, Expiry, Fill, Phase, Placement, ToBook, ToWallet,
};
use crate::order::{Instructions, Link, NewOrder, OrderKind, Side};
use crate::reason::Reason;
use crate::slab::NONE;
use crate::units::{Nanos, Notional, Price, Quantity};
use dark::Dark;
use ladder::{Ladder, key_of};
use orders::{Found, Orders};
use special::{Ends, Groups, Pending, Specials};
use triggers::Triggers;

/// How many orders may have a turn because of one command. Those left over have theirs with
/// [`Book::proceed`], before any other command.
pub const CASCADE_MAX: usize = 64;

/// An order book. Prices are ticks, quantities are lots.
///
/// Three invariants hold after every command: the best bid is below the best ask, except in phases
/// that collect orders; within a price, orders stand in the order in which they came; no resting
/// order is empty. What orders, phases and auctions mean is written in `docs/order-rules.md`.
///
/// Plain orders in a plain book take the short way: one limit, one queue, nothing else to ask. All
/// others are matched by the rules in full, in the files beside this one.
#[derive(Clone, Debug)]
pub struct Book {
    bids: Ladder,
    asks: Ladder,
    orders: Orders,
    triggers: Triggers,
    /// What displayed orders ask for.
    specials: Specials,
    /// Resting orders that are not displayed.
    dark: Dark,
    /// Orders that wait until another is filled.
    pending: Pending,
    ends: Ends,
    groups: Groups,
    state: phase::State,
    /// At which changes of the displayed and the other orders it was last found that none of those not
    /// displayed can trade.
    settled: Option<(u64, u64)>,
    /// The price of the last trade.
    last: Option<Price>,
    trades: u64,
    aggregates: u64,
    changes: u64,
    received: u64,
    sent: u64,
    /// The paths to and from the tenant's other wallets, where it has more than one.
    others: Option<Box<shards::Others>>,
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
    /// Its level, whether it has a record among the special ones, and its side.
    level: u32,
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
            specials: Specials::default(),
            dark: Dark::default(),
            pending: Pending::default(),
            ends: Ends::default(),
            groups: Groups::default(),
            state: phase::State::default(),
            settled: None,
            last: None,
            trades: 0,
            aggregates: 0,
            changes: 0,
            received: 0,
            sent: 0,
            others: None,
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
    #[inline]
    pub fn receive(&mut self, message: &ToBook, output: &mut BookOutput) -> Option<ToWallet> {
        self.receive_from(ShardId::FIRST, message, output)
    }

    /// The same of one of the tenant's wallets, each of which numbers its own messages. The answer is
    /// the sender's; `output.copies` has it for the others that it concerns.
    ///
    /// # Panics
    /// As [`Book::receive`].
    pub fn receive_from(&mut self, shard: ShardId, message: &ToBook, output: &mut BookOutput) -> Option<ToWallet> {
        let received = self.received_mut(shard);
        if message.number <= *received {
            return None;
        }
        assert_eq!(message.number, *received + 1, "a message from the wallet is missing");
        *received = message.number;
        assert!(!self.is_cascading(), "triggered orders have their turn before the next command");
        assert!(!self.is_due(message.time), "what is due comes before the next command");
        self.state.now = message.time;
        let outcome = self.execute(&message.command, output);
        // An auction's price is shown when its market enters trading, and once.
        let shown = if matches!(outcome, BookOutcome::Entered(_)) { output.fills.len() } else { 0 };
        self.cascade(shown, message.time, output);
        Some(self.answer(shard, message.time, outcome, output))
    }

    /// Whether orders are to have a turn that had none yet.
    #[must_use]
    #[inline]
    pub fn is_cascading(&self) -> bool {
        self.state.phase == Phase::Continuous && (self.triggers.has_fired() || self.may_resume())
    }

    /// Gives orders that were left over their turn, up to [`CASCADE_MAX`] of them, and tells of it.
    /// `None` if there are none.
    ///
    /// `time` is that of the command that began the cascade.
    pub fn proceed(&mut self, output: &mut BookOutput) -> Option<ToWallet> {
        if !self.is_cascading() {
            return None;
        }
        let time = self.cascade_time;
        self.state.now = time;
        self.cascade(0, time, output);
        Some(self.answer(ShardId::FIRST, time, BookOutcome::Continued, output))
    }

    fn answer(&mut self, shard: ShardId, time: Nanos, outcome: BookOutcome, output: &mut BookOutput) -> ToWallet {
        let number = self.next_to(shard);
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
        let (fills, events) = (std::mem::take(&mut output.fills), std::mem::take(&mut output.events));
        let answer = ToWallet { number, time, fills, outcome, events };
        if self.is_shared() {
            self.copy(shard, &answer, &mut output.copies);
        }
        answer
    }

    /// Lets the market's trades since the fill numbered `from` fire orders, and gives those that were
    /// fired, and those that are not displayed and can trade now, their turn, as far as the bound allows.
    fn cascade(&mut self, from: usize, time: Nanos, output: &mut BookOutput) {
        let mut printed = self.print(from, output);
        if self.triggers.is_empty() && self.dark.is_empty() {
            return;
        }
        for _ in 0..CASCADE_MAX {
            if self.state.phase != Phase::Continuous {
                break;
            }
            self.dark.reprice(self.touch());
            let event = output.events.len();
            if let Some(fired) = self.triggers.next_fired() {
                let order = fired.order.id;
                output.events.push(BookEvent::Triggered { order, placement: Placement::Filled, fills: 0 });
                let placement = self.take_fired(&fired, output);
                let fills = output.filled() - u32::try_from(printed).unwrap_or(0);
                output.events[event] = BookEvent::Triggered { order, placement, fills };
            } else if self.may_resume()
                && let Some((order, price)) = self.find_resumable()
            {
                output.events.push(BookEvent::Resumed { order, placement: Placement::Filled, fills: 0 });
                let placement = self.resume(order, price, output);
                let fills = output.filled() - u32::try_from(printed).unwrap_or(0);
                output.events[event] = BookEvent::Resumed { order, placement, fills };
            } else {
                self.settled = Some(self.changed());
                return;
            }
            printed = self.print(printed, output);
        }
        self.cascade_time = time;
        if self.state.phase == Phase::Continuous {
            self.dark.reprice(self.touch());
            self.settle_if_nothing_resumes();
        }
    }

    /// An order that was fired has its turn, or waits for its own price now.
    fn take_fired(&mut self, fired: &WaitingOrder, output: &mut BookOutput) -> Placement {
        // It waits for no order any more.
        let asks = fired.order.asks();
        let asks = Instructions { link: asks.link.map(|link| Link { after: None, ..link }), ..asks };
        let order = NewOrder { instructions: Some(asks), ..fired.order };
        if let Some(trigger) = asks.trigger {
            if fired.stage == Stage::Activated && !Triggers::would_fire(&trigger, self.last) {
                return self.wait(&order);
            }
            if let Some(link) = asks.link {
                self.partner_took_part(&link, output);
            }
        }
        let asks = Instructions { trigger: None, ..asks };
        self.take_part(&NewOrder { instructions: (!asks.is_plain()).then_some(asks), ..order }, output)
    }

    /// Whether orders that are not displayed may be able to trade, as far as is known.
    #[inline]
    fn may_resume(&self) -> bool {
        !self.dark.is_empty() && self.settled != Some(self.changed())
    }

    fn changed(&self) -> (u64, u64) {
        (self.changes, self.dark.version())
    }

    fn settle_if_nothing_resumes(&mut self) {
        if self.find_resumable().is_none() {
            self.settled = Some(self.changed());
        }
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
            BookCommand::Place(order) => {
                BookOutcome::Placed { order: order.id, placement: self.place(order, &mut *output) }
            }
            BookCommand::Cancel { order, restriction } => match self.cancel(*order, *restriction, &mut *output) {
                Ok(remaining) => BookOutcome::Canceled { order: *order, remaining },
                Err(reason) => BookOutcome::CancelRejected { order: *order, reason },
            },
            BookCommand::CancelMany(orders) => {
                let cancel = |order: &OrderId| {
                    let remaining = self.cancel(*order, CancelRestriction::None, &mut *output).ok()?;
                    Some((*order, remaining))
                };
                BookOutcome::CanceledMany(orders.iter().filter_map(cancel).collect())
            }
            BookCommand::Reduce { order, quantity } => match self.reduce(*order, *quantity, &mut *output) {
                Ok(()) => BookOutcome::Reduced { order: *order, quantity: *quantity },
                Err(reason) => BookOutcome::ReduceRejected { order: *order, reason },
            },
            BookCommand::Replace { old, new, .. } if !self.takes(new) => {
                BookOutcome::Replaced { old: *old, canceled: Err(Reason::MarketClosed), new: new.id, placement: None }
            }
            BookCommand::Replace { old, restriction, allow_failure, old_remaining_needed, new } => {
                let canceled = self.cancel(*old, *restriction, &mut *output);
                let placement = match canceled {
                    Err(_) if !allow_failure => None,
                    // The wallet counted on more of the old order than a fill in between left.
                    _ if canceled.unwrap_or_default() < *old_remaining_needed => {
                        Some(Placement::Rejected(Reason::InsufficientBalance))
                    }
                    _ => Some(self.place(new, &mut *output)),
                };
                BookOutcome::Replaced { old: *old, canceled, new: new.id, placement }
            }
            BookCommand::PlaceList(orders) => BookOutcome::PlacedList(self.place_list(orders, output)),
            BookCommand::Enter { phase, until } => {
                self.enter(*phase, *until, output);
                BookOutcome::Entered(*phase)
            }
            BookCommand::Protect(protection) => {
                self.protect(*protection);
                BookOutcome::Protected
            }
            BookCommand::Advance => BookOutcome::Advanced,
        }
    }

    /// Matches an order and rests what its kind lets rest, or lets it wait for its trigger.
    #[inline(always)]
    pub fn place(&mut self, order: &NewOrder, mut output: impl Output) -> Placement {
        // Most orders are plain ones, and most of those meet nobody.
        let plain = matches!(order.kind, OrderKind::Limit | OrderKind::ImmediateOrCancel);
        let special = !plain || order.instructions.is_some();
        if special || self.state.phase != Phase::Continuous || !self.dark.is_empty() {
            return self.place_elsewhere(order, output);
        }
        let mut remaining = order.quantity;
        let key = key_of(order.side, order.limit);
        if self.ladder(order.side.opposite()).is_within(key) {
            if !self.meets_plainly() {
                return self.place_elsewhere(order, output);
            }
            let NewOrder { id: taker, account, side, limit, quantity, budget, .. } = *order;
            let sweep = Sweep { taker, account, limit, remaining: quantity, budget };
            (remaining, output) = self.sweep(side, sweep, output);
            if remaining.is_zero() {
                return Placement::Filled;
            }
        }
        if order.kind == OrderKind::ImmediateOrCancel {
            return Placement::Expired { remaining, reason: Expiry::ImmediateOrCancel };
        }
        output.level(self.show(order, key, remaining, false));
        Placement::Resting { remaining }
    }

    /// Takes a copy, so that a plain order never has to be written down as a whole.
    #[cold]
    #[inline(always)]
    fn place_elsewhere(&mut self, order: &NewOrder, output: impl Output) -> Placement {
        let NewOrder { id, account, side, kind, limit, quantity, budget, time, instructions } = *order;
        let order = NewOrder { id, account, side, kind, limit, quantity, budget, time, instructions };
        output.in_full(move |output| self.place_special(&order, output))
    }

    /// Whether whoever trades meets nothing but plain orders, and no band bounds him.
    #[inline]
    fn meets_plainly(&self) -> bool {
        self.state.is_unbounded() && self.specials.is_empty()
    }

    /// Whether no order stands anywhere but in the displayed book.
    #[inline]
    fn are_all_displayed(&self) -> bool {
        self.dark.is_empty() && self.triggers.is_empty() && self.pending.len() == 0
    }

    /// An order names the trade group of its account.
    fn learn_group(&mut self, order: &NewOrder) {
        if self.groups.learn(order.account, order.asks().group) {
            // Who was met as one of the own party may be met as another's now.
            self.settled = None;
        }
    }

    /// Whether the phase takes such an order.
    fn takes(&self, order: &NewOrder) -> bool {
        match self.state.phase {
            Phase::Continuous => true,
            Phase::PreOpen | Phase::Auction => order.kind == OrderKind::Limit,
            Phase::Halted | Phase::CancelOnly | Phase::Closed => false,
        }
    }

    #[inline(never)]
    fn place_special(&mut self, order: &NewOrder, output: &mut BookOutput) -> Placement {
        let asks = order.asks();
        if !self.takes(order) {
            return Placement::Rejected(Reason::MarketClosed);
        }
        if asks.trigger.is_some_and(|trigger| Triggers::would_fire(&trigger, self.last)) {
            return Placement::Rejected(Reason::WouldTrigger);
        }
        if asks.trigger.is_none() && self.state.phase == Phase::Continuous {
            return self.work_carefully(order, output);
        }
        // From here on the order cannot fail.
        self.learn_group(order);
        if asks.trigger.is_some() {
            return self.wait(order);
        }
        self.rest(order, order.quantity, output);
        Placement::Resting { remaining: order.quantity }
    }

    /// Displays what is left of an order, behind all others of its price.
    #[inline(always)]
    fn show(&mut self, order: &NewOrder, key: u64, remaining: Quantity, special: bool) -> LevelChange {
        let NewOrder { id, account, side, limit: price, quantity, .. } = *order;
        self.changes = self.changes.wrapping_add(1);
        self.append(RestingOrder { id, account, side, price, quantity, remaining }, key, special)
    }

    /// Displays a special order's next part.
    fn show_node(&mut self, node: &Node, price: Price, shown: Quantity, output: &mut BookOutput) {
        let Node { id, account, quantity, .. } = *node;
        let order = RestingOrder { id, account, side: node.side(), price, quantity, remaining: shown };
        let key = key_of(order.side, price);
        let change = self.append(order, key, true);
        output.levels.push(change);
        self.changes += 1;
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
        mut output: impl Output,
    ) -> Result<Quantity, Reason> {
        let Some(found) = self.orders.find(order) else {
            // Cancels often come too late.
            if self.are_all_displayed() {
                return Err(Reason::OrderAlreadyFinal);
            }
            return self.cancel_elsewhere(order, restriction, output);
        };
        let node = &self.orders[found.slot];
        if node.is_special() {
            return self.cancel_elsewhere(order, restriction, output);
        }
        let Node { quantity, remaining, .. } = *node;
        let untouched = remaining == quantity;
        match restriction {
            CancelRestriction::OnlyNew if !untouched => return Err(Reason::CancelRestricted),
            CancelRestriction::OnlyPartiallyFilled if untouched => return Err(Reason::CancelRestricted),
            _ => {}
        }
        // From here on the cancel cannot fail.
        output.level(self.take_out(found));
        Ok(remaining)
    }

    #[cold]
    #[inline(always)]
    fn cancel_elsewhere(
        &mut self,
        order: OrderId,
        restriction: CancelRestriction,
        output: impl Output,
    ) -> Result<Quantity, Reason> {
        // Taken apart, so that a plain order's result does not go through memory.
        let remaining = output.in_full(move |output| self.cancel_special(order, restriction, output))?;
        Ok(remaining)
    }

    /// Lowers an order's total quantity; it keeps its place.
    ///
    /// # Errors
    /// [`Reason::OrderAlreadyFinal`] if it is not there, [`Reason::QuantityNotReduced`] if the new
    /// total is not between what is filled and what it was.
    pub fn reduce(&mut self, order: OrderId, quantity: Quantity, mut output: impl Output) -> Result<(), Reason> {
        if matches!(self.state.phase, Phase::CancelOnly | Phase::Closed) {
            return Err(Reason::MarketClosed);
        }
        let Some(slot) = self.find(order) else {
            return output.in_full(move |output| self.reduce_special(order, quantity, output));
        };
        let node = self.orders[slot];
        if node.is_special() {
            return output.in_full(move |output| self.reduce_special(order, quantity, output));
        }
        let filled = node.quantity - node.remaining;
        if quantity <= filled || quantity >= node.quantity {
            return Err(Reason::QuantityNotReduced);
        }
        // From here on the reduction cannot fail.
        let less = node.quantity - quantity;
        let change = self.ladder_of(&node).shrink(node.level_slot(), less);
        output.level(change);
        let node = &mut self.orders[slot];
        node.quantity = quantity;
        node.remaining -= less;
        self.changes += 1;
        Ok(())
    }

    /// Takes from the other side until the taker is done, bounded or alone.
    ///
    /// The side is data, not a branch: orders of either side come at random, so that a branch would
    /// be guessed wrongly half of the time.
    #[inline(never)]
    fn sweep<O: Output>(&mut self, taker_side: Side, mut sweep: Sweep, mut output: O) -> (Quantity, O) {
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
                    output.fill(fill);
                    break;
                }
                fill.quantity = maker.remaining;
                wanted -= maker.remaining;
                fill.taker_remaining -= maker.remaining;
                output.fill(fill);
                last = head;
                head = self.orders.forget(fill.maker, head);
                count += 1;
            }
            self.trades = fill.trade.0;
            if last != NONE {
                self.orders.remove_front(level.head, last, count, head);
            }
            output.level(makers.take(slot, taken, head));
            self.changes += 1;
        }
        (sweep.remaining, output)
    }

    /// Puts an order behind all others of its price, which has this key.
    #[inline(always)]
    fn append(&mut self, order: RestingOrder, key: u64, special: bool) -> LevelChange {
        let ladder = match order.side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        };
        let slot = self.orders.vacant();
        let (level, previous, total) = ladder.append(key, slot, order.remaining);
        let RestingOrder { id, quantity, remaining, account, .. } = order;
        let level = level << 2 | u32::from(special) << 1 | u32::from(order.side == Side::Sell);
        self.orders.insert(slot, Node { id, quantity, remaining, account, level }, previous);
        LevelChange { side: order.side, price: order.price, quantity: total }
    }

    fn find(&self, order: OrderId) -> Option<u32> {
        self.orders.find(order).map(|found| found.slot)
    }

    /// Takes an order off the book, wherever it stands at its price.
    #[inline(always)]
    fn take_out(&mut self, found: Found) -> LevelChange {
        let node = self.orders[found.slot];
        let (previous, next) = self.orders.remove(found);
        self.changes = self.changes.wrapping_add(1);
        self.ladder_of(&node).leave(node.level_slot(), node.remaining, previous, next)
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
        self.level >> 2
    }

    /// Whether the order has a record among the special ones.
    fn is_special(&self) -> bool {
        self.level & 2 != 0
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
