//! Orders that hang together, and orders that end.

use rialto_engine::ids::OrderId;
use rialto_engine::message::{BookEvent, Expiry, Phase, Placement};
use rialto_engine::order::NewOrder;
use rialto_engine::reason::Reason;

use super::{Done, Twin, Waiting};

impl Twin {
    /// Places the orders of a list, or none of them.
    pub(super) fn place_list(&mut self, orders: &[NewOrder], done: &mut Done) -> Vec<(OrderId, Placement)> {
        let is_pending = |order: &NewOrder| order.asks().link.is_some_and(|link| link.after.is_some());
        let refusal = if self.phase == Phase::Continuous {
            orders.iter().filter(|order| !is_pending(order)).find_map(|order| self.refusal(order, false))
        } else {
            Some(Reason::MarketClosed)
        };
        if let Some(reason) = refusal {
            return orders.iter().map(|order| (order.id, Placement::Rejected(reason))).collect();
        }
        // Those that wait are there before one of them has its turn.
        for order in orders.iter().filter(|order| is_pending(order)) {
            self.note(order);
            self.pending.push(*order);
        }
        self.pending.sort_by_key(|pending| pending.id);
        let mut placements: Vec<(OrderId, Placement)> =
            orders.iter().map(|order| (order.id, Placement::Pending)).collect();
        for waits in [true, false] {
            for (order, placement) in orders.iter().zip(&mut placements) {
                if !is_pending(order) && order.asks().trigger.is_some() == waits {
                    placement.1 = self.accept(order, done);
                }
            }
        }
        placements
    }

    /// Takes an order out that ends by itself, and those that end with it.
    pub(super) fn end(&mut self, id: OrderId, reason: Expiry, done: &mut Done) {
        let (order, remaining) = self.find(id).expect("open");
        self.remove(id);
        done.events.push(BookEvent::Lapsed { order: id, remaining, after: done.filled(), reason });
        self.unlink(&order, done);
    }

    /// An order has ended, not by its owner and not by trades: its partner lapses, and so do those that
    /// wait for it.
    pub(super) fn unlink(&mut self, gone: &NewOrder, done: &mut Done) {
        self.partner_lapses(gone, done);
        let waits = |order: &&NewOrder| order.asks().link.is_some_and(|link| link.after == Some(gone.id));
        while let Some(order) = self.pending.iter().find(waits).map(|order| order.id) {
            self.lapse(order, Expiry::Contingency, done);
        }
    }

    pub(super) fn partner_lapses(&mut self, order: &NewOrder, done: &mut Done) {
        if let Some(partner) = order.asks().link.and_then(|link| link.partner)
            && self.find(partner).is_some()
        {
            self.lapse(partner, Expiry::Contingency, done);
        }
    }

    /// The owner has cancelled an order: the others of its list are cancelled with it.
    pub(super) fn list_is_cancelled(&mut self, gone: &NewOrder, done: &mut Done) {
        let Some(link) = gone.asks().link else { return };
        let of_list = |order: &&NewOrder| order.asks().link.is_some_and(|other| other.list == link.list);
        while let Some(order) = self.everything().filter(of_list).map(|order| order.id).min() {
            self.lapse(order, Expiry::ListCanceled, done);
        }
    }

    /// Takes an order out that lapses because of another one, and nothing else with it.
    fn lapse(&mut self, id: OrderId, reason: Expiry, done: &mut Done) {
        let (_, remaining) = self.find(id).expect("open");
        self.remove(id);
        done.events.push(BookEvent::Lapsed { order: id, remaining, after: done.filled(), reason });
    }

    /// An order was filled: those that wait for it are fired.
    pub(super) fn release(&mut self, filled: &NewOrder) {
        let waits = |order: &NewOrder| order.asks().link.is_some_and(|link| link.after == Some(filled.id));
        while let Some(position) = self.pending.iter().position(waits) {
            let order = self.pending.remove(position);
            self.waited += 1;
            self.counts.released += 1;
            self.fired.push(Waiting { order, age: self.waited, seen: None });
        }
    }
}
