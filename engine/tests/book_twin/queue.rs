//! Time priority without any twin: whoever is displayed in front of a maker that traded, and is plain, is
//! used up.

use std::collections::HashMap;

use rialto_engine::book::Book;
use rialto_engine::ids::OrderId;
use rialto_engine::message::{BookEvent, ToWallet};
use rialto_engine::order::Side;

/// Where the plain displayed orders of a book stand: bids and asks, the best first.
pub struct Queue {
    places: HashMap<OrderId, usize>,
    orders: Vec<OrderId>,
    bids: usize,
}

impl Queue {
    pub fn of(book: &Book) -> Self {
        let special: Vec<OrderId> = book.summary().special.iter().map(|special| special.id).collect();
        let plain = book.resting().filter(|order| !special.contains(&order.id));
        let sides: Vec<_> = plain.map(|order| (order.id, order.side)).collect();
        let orders: Vec<OrderId> = sides.iter().map(|(order, _)| *order).collect();
        let bids = sides.iter().filter(|(_, side)| *side == Side::Buy).count();
        Self { places: orders.iter().copied().zip(0..).collect(), orders, bids }
    }

    /// Looks at the command's own trades, with the book as it was before and is after them and what they
    /// caused.
    pub fn check(&self, answer: &ToWallet, after: &Book) -> Result<(), String> {
        let of_others = answer.events.iter().map(|event| match event {
            BookEvent::Triggered { fills, .. } | BookEvent::Resumed { fills, .. } => *fills as usize,
            _ => 0,
        });
        let own = answer.fills.len() - of_others.sum::<usize>();
        let makers = answer.fills[..own].iter().filter_map(|fill| self.places.get(&fill.maker).copied());
        let places: Vec<usize> = makers.collect();
        if !places.is_sorted_by(|one, next| one < next) {
            return Err(format!("not in the order of the queue: {places:?} of {answer:?}"));
        }
        let Some(last) = places.last() else { return Ok(()) };
        let first = if *last < self.bids { 0 } else { self.bids };
        match self.orders[first..*last].iter().find(|order| after.remaining(**order).is_some()) {
            None => Ok(()),
            Some(order) => Err(format!("order {order} was left behind by {answer:?}")),
        }
    }
}
