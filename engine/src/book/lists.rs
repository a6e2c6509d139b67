//! Orders that hang together, and how an order leaves the book other than by its owner's wish or a trade.

use super::{Book, BookOutput, SpecialOrder, Specials, key_of, special};
use crate::ids::OrderId;
use crate::message::{BookEvent, CancelRestriction, Expiry, Phase, Placement};
use crate::order::{Instructions, Link, NewOrder};
use crate::reason::Reason;
use crate::units::{Price, Quantity};

use super::Node;
use super::dark::Dark;
use super::triggers::Triggers;

impl Book {
    /// Places the orders of a list, all or none of them.
    pub(super) fn place_list(&mut self, orders: &[NewOrder], output: &mut BookOutput) -> Vec<(OrderId, Placement)> {
        if let Some(reason) = self.refuse_list(orders) {
            return orders.iter().map(|order| (order.id, Placement::Rejected(reason))).collect();
        }
        // From here on the list cannot fail. Orders that wait come first: the one that may trade at
        // once may end them.
        let mut placements = vec![Placement::Pending; orders.len()];
        for (order, placement) in orders.iter().zip(&mut placements) {
            let asks = order.asks();
            if let Some(Link { list, after: Some(_), .. }) = asks.link {
                self.learn_group(order);
                self.ends.add(order.id, asks.lifetime);
                self.pending.insert(list, *order);
            } else if asks.trigger.is_some() {
                self.learn_group(order);
                *placement = self.wait(order);
            }
        }
        for (order, placement) in orders.iter().zip(&mut placements) {
            if *placement == Placement::Pending && order.asks().link.is_none_or(|link| link.after.is_none()) {
                *placement = self.work_carefully(order, output);
            }
        }
        orders.iter().map(|order| order.id).zip(placements).collect()
    }

    fn refuse_list(&self, orders: &[NewOrder]) -> Option<Reason> {
        if self.phase() != Phase::Continuous {
            return Some(Reason::MarketClosed);
        }
        let active = orders.iter().filter(|order| order.asks().link.is_none_or(|link| link.after.is_none()));
        active.into_iter().find_map(|order| match order.asks().trigger {
            Some(trigger) => Triggers::would_fire(&trigger, self.last).then_some(Reason::WouldTrigger),
            None => match self.refuse_carefully(order, false) {
                Some(Placement::Rejected(reason)) => Some(reason),
                _ => None,
            },
        })
    }

    /// Lets an order wait for its trigger.
    pub(super) fn wait(&mut self, order: &NewOrder) -> Placement {
        self.ends.add(order.id, order.asks().lifetime);
        self.triggers.wait(*order, self.last);
        Placement::Waiting
    }

    /// Lets what is left of an order rest, displayed or not.
    pub(super) fn rest(&mut self, order: &NewOrder, remaining: Quantity, output: &mut BookOutput) {
        let asks = order.asks();
        self.ends.add(order.id, asks.lifetime);
        if !Dark::is_displayed(&asks) {
            self.dark.rest(*order, remaining, self.touch());
            return;
        }
        let (shown, reserve) = special::split(&asks, remaining);
        if Specials::needed(&asks) {
            self.specials.insert(SpecialOrder { id: order.id, instructions: asks, reserve });
        }
        let key = key_of(order.side, order.limit);
        output.levels.push(self.show(order, key, shown, Specials::needed(&asks)));
    }

    /// Displays the next part of an iceberg, behind the others of its price; without one, the order has
    /// ended.
    pub(super) fn show_next_part(&mut self, node: &Node, price: Price, traded: bool, output: &mut BookOutput) {
        let Some(special) = self.specials.get_mut(node.id) else { return };
        let (shown, reserve) = special::split(&special.instructions, special.reserve);
        if !shown.is_zero() {
            special.reserve = reserve;
            self.show_node(node, price, shown, output);
            return;
        }
        if let Some(special) = self.specials.remove(node.id) {
            self.resting_ended(node.id, &special.instructions, traded, output);
        }
    }

    /// What is open of a displayed order and not displayed yet.
    pub(super) fn reserve(&self, order: OrderId) -> Quantity {
        self.specials.get(order).map_or(Quantity::ZERO, |special| special.reserve)
    }

    /// A resting order trades as a maker: if it is the first time, its partner lapses.
    pub(super) fn maker_takes_part(&mut self, order: OrderId, output: &mut BookOutput) {
        let asks = match self.specials.get(order) {
            Some(special) => Some(special.instructions),
            None => self.dark.get(order).map(|dark| dark.order.asks()),
        };
        if let Some(link) = asks.and_then(|asks| asks.link) {
            self.partner_took_part(&link, output);
        }
    }

    /// An order trades, is triggered or ends: the one that it is linked with lapses.
    pub(super) fn partner_took_part(&mut self, link: &Link, output: &mut BookOutput) {
        if let Some(partner) = link.partner {
            self.lapse_alone(partner, Expiry::Contingency, output);
        }
    }

    /// A taker ended in its turn; it stands nowhere any more.
    pub(super) fn taker_ended(&mut self, order: &NewOrder, filled: bool, output: &mut BookOutput) {
        self.resting_ended(order.id, &order.asks(), filled, output);
    }

    /// A resting order ended; it stands nowhere any more.
    pub(super) fn resting_ended(&mut self, order: OrderId, asks: &Instructions, filled: bool, output: &mut BookOutput) {
        self.ends.remove(order, asks.lifetime);
        if let Some(link) = asks.link {
            self.linked_ended(order, &link, filled, output);
        }
    }

    /// An order of a list ended. Filled, it fires those that waited for it; otherwise they lapse with it.
    fn linked_ended(&mut self, order: OrderId, link: &Link, filled: bool, output: &mut BookOutput) {
        self.partner_took_part(link, output);
        if link.list != order {
            return;
        }
        while let Some(pending) = self.pending.first_of(order) {
            if !filled {
                self.lapse_alone(pending, Expiry::Contingency, output);
            } else if let Some(pending) = self.pending.remove(pending) {
                self.triggers.activate(pending);
            }
        }
    }

    /// An order lapses, wherever it stands, and what hangs on it; nothing happens if it is gone already.
    pub(super) fn lapse(&mut self, order: OrderId, reason: Expiry, output: &mut BookOutput) {
        if let Some(link) = self.lapse_alone(order, reason, output) {
            self.linked_ended(order, &link, false, output);
        }
    }

    /// An order lapses because of another of its list, which deals with the others.
    fn lapse_alone(&mut self, order: OrderId, reason: Expiry, output: &mut BookOutput) -> Option<Link> {
        let (remaining, asks) = self.take_away(order, output)?;
        let after = output.filled();
        output.events.push(BookEvent::Lapsed { order, remaining, after, reason });
        asks.link
    }

    /// An order of a list was cancelled by its owner, and so are the others, by number.
    fn list_canceled(&mut self, link: &Link, output: &mut BookOutput) {
        self.lapse_alone(link.list, Expiry::ListCanceled, output);
        while let Some(pending) = self.pending.first_of(link.list) {
            self.lapse_alone(pending, Expiry::ListCanceled, output);
        }
        if let Some(partner) = link.partner {
            self.lapse_alone(partner, Expiry::ListCanceled, output);
        }
    }

    /// Takes an order away from wherever it stands. Gives what was open of it and what it asked for.
    fn take_away(&mut self, order: OrderId, output: &mut BookOutput) -> Option<(Quantity, Instructions)> {
        let (remaining, asks) = if let Some(entry) = self.orders.find(order) {
            let node = self.orders[entry.slot];
            output.levels.push(self.take_out(entry));
            let special = if node.is_special() { self.specials.remove(order) } else { None };
            let reserve = special.map_or(Quantity::ZERO, |special| special.reserve);
            (node.remaining + reserve, special.map(|special| special.instructions).unwrap_or_default())
        } else if let Some(dark) = self.dark.remove(order) {
            (dark.remaining, dark.order.asks())
        } else if let Some(waiting) = self.triggers.remove(order) {
            (waiting.quantity, waiting.asks())
        } else {
            let pending = self.pending.remove(order)?;
            (pending.quantity, pending.asks())
        };
        self.ends.remove(order, asks.lifetime);
        Some((remaining, asks))
    }

    /// Takes out an order that is not a plain displayed one.
    ///
    /// # Errors
    /// As [`Book::cancel`].
    pub(super) fn cancel_special(
        &mut self,
        order: OrderId,
        restriction: CancelRestriction,
        output: &mut BookOutput,
    ) -> Result<Quantity, Reason> {
        let (open, total) = self.open_and_total(order).ok_or(Reason::OrderAlreadyFinal)?;
        match restriction {
            CancelRestriction::OnlyNew if open != total => return Err(Reason::CancelRestricted),
            CancelRestriction::OnlyPartiallyFilled if open == total => return Err(Reason::CancelRestricted),
            _ => {}
        }
        // From here on the cancel cannot fail.
        let (remaining, asks) = self.take_away(order, output).ok_or(Reason::OrderAlreadyFinal)?;
        if let Some(link) = asks.link {
            self.list_canceled(&link, output);
        }
        Ok(remaining)
    }

    /// Lowers the total quantity of an order that is not a plain displayed one; it keeps its place.
    ///
    /// # Errors
    /// As [`Book::reduce`].
    pub(super) fn reduce_special(
        &mut self,
        order: OrderId,
        quantity: Quantity,
        output: &mut BookOutput,
    ) -> Result<(), Reason> {
        let (open, total) = self.open_and_total(order).ok_or(Reason::OrderAlreadyFinal)?;
        if quantity <= total - open || quantity >= total {
            return Err(Reason::QuantityNotReduced);
        }
        // From here on the reduction cannot fail.
        let less = total - quantity;
        // A smaller reserve displays nothing new, and yet others may trade behind it.
        self.settled = None;
        if let Some(slot) = self.find(order) {
            let node = self.orders[slot];
            // The reserve shrinks first.
            let mut shown_less = less;
            if let Some(special) = self.specials.get_mut(order) {
                let from_reserve = special.reserve.min(less);
                special.reserve -= from_reserve;
                shown_less -= from_reserve;
            }
            if !shown_less.is_zero() {
                let change = self.ladder_of(&node).shrink(node.level_slot(), shown_less);
                output.levels.push(change);
                self.changes += 1;
            }
            let node = &mut self.orders[slot];
            node.quantity = quantity;
            node.remaining -= shown_less;
        } else if self.dark.get(order).is_some() {
            self.dark.set_open(order, quantity, open - less);
        } else if let Some(waiting) = self.triggers.get_mut(order) {
            waiting.quantity = quantity;
        } else if let Some(pending) = self.pending.get_mut(order) {
            pending.quantity = quantity;
        }
        Ok(())
    }

    /// What is open of an order, wherever it stands, and its total.
    pub(super) fn open_and_total(&self, order: OrderId) -> Option<(Quantity, Quantity)> {
        if let Some(slot) = self.find(order) {
            let node = &self.orders[slot];
            let reserve = if node.is_special() { self.reserve(order) } else { Quantity::ZERO };
            return Some((node.remaining + reserve, node.quantity));
        }
        if let Some(dark) = self.dark.get(order) {
            return Some((dark.remaining, dark.order.quantity));
        }
        if let Some(waiting) = self.triggers.get(order) {
            return Some((waiting.order.quantity, waiting.order.quantity));
        }
        self.pending.get(order).map(|pending| (pending.quantity, pending.quantity))
    }
}
