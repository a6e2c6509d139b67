//! What must hold whatever the rules are: nobody trades at a price worse than his limit, and what an
//! order asked for is what was executed, prevented, reduced, is open, or was told to have lapsed.

use rialto_engine::ids::OrderId;
use rialto_engine::message::{BookCommand, BookEvent, BookOutcome, Fill, Placement, ToWallet};
use rialto_engine::order::{NewOrder, Side};
use rialto_engine::units::{Price, Quantity};

use crate::pair::{brought, index, same};

/// All orders by their numbers, from what the answers tell.
#[derive(Default)]
pub struct Tracker {
    orders: Vec<Tracked>,
}

#[derive(Clone, Copy, Default)]
struct Tracked {
    side: Option<Side>,
    /// `None` for market orders.
    limit: Option<Price>,
    /// What is neither executed, prevented, reduced nor gone.
    open: u64,
    quantity: u64,
    is_over: bool,
}

impl Tracker {
    /// The highest number that was seen.
    pub fn last_id(&self) -> u64 {
        self.orders.len() as u64
    }

    pub fn command(&mut self, command: &BookCommand) {
        for order in brought(command) {
            let position = index(order.id);
            if self.orders.len() <= position {
                self.orders.resize(position + 1, Tracked::default());
            }
            self.orders[position] = Tracked {
                side: Some(order.side),
                limit: order.kind.has_limit().then_some(order.limit),
                open: order.quantity.0,
                quantity: order.quantity.0,
                is_over: false,
            };
        }
    }

    /// Takes an answer in, and says what cannot be.
    pub fn answer(&mut self, answer: &ToWallet) -> Result<(), String> {
        match &answer.outcome {
            BookOutcome::Canceled { order, remaining } => self.over(*order, *remaining)?,
            BookOutcome::CanceledMany(orders) => {
                for (order, remaining) in orders {
                    self.over(*order, *remaining)?;
                }
            }
            BookOutcome::Replaced { old, canceled: Ok(remaining), .. } => self.over(*old, *remaining)?,
            BookOutcome::Reduced { order, quantity } => {
                let order = self.get(*order)?;
                let less = order.quantity.checked_sub(quantity.0).ok_or("raised")?;
                order.quantity = quantity.0;
                order.open = order.open.checked_sub(less).ok_or("reduced below what is done")?;
            }
            _ => {}
        }
        let own = |event: &BookEvent| event.after().is_some();
        self.prices(answer)?;
        // Trades in order, and between them what the events say.
        let mut fills = answer.fills.iter().zip(1_u32..).peekable();
        for event in answer.events.iter().filter(|event| own(event)) {
            while let Some((fill, _)) = fills.next_if(|(_, number)| *number <= event.after().expect("filtered")) {
                self.fill(fill)?;
            }
            match *event {
                BookEvent::Lapsed { order, remaining, .. } => self.over(order, remaining)?,
                BookEvent::Decremented { maker, taker, quantity, maker_remaining, .. } => {
                    self.lose(taker, quantity)?;
                    same("decremented", &maker_remaining, &self.lose(maker, quantity)?)?;
                    self.get(maker)?.is_over = maker_remaining.is_zero();
                }
                _ => {}
            }
        }
        for (fill, _) in fills {
            self.fill(fill)?;
        }
        for event in &answer.events {
            if let BookEvent::Triggered { order, placement, .. } | BookEvent::Resumed { order, placement, .. } = event {
                self.placed(*order, placement, answer)?;
            }
        }
        match &answer.outcome {
            BookOutcome::Placed { order, placement } => self.placed(*order, placement, answer)?,
            BookOutcome::PlacedList(placements) => {
                for (order, placement) in placements {
                    self.placed(*order, placement, answer)?;
                }
            }
            BookOutcome::Replaced { new, placement, .. } => match placement {
                Some(placement) => self.placed(*new, placement, answer)?,
                None => self.get(*new)?.is_over = true,
            },
            _ => {}
        }
        Ok(())
    }

    /// An order is open, with so much.
    pub fn open(&mut self, order: &NewOrder, open: Quantity) -> Result<(), String> {
        let tracked = *self.get(order.id)?;
        same("open quantity", &open.0, &tracked.open)?;
        same("an open order that is over", &tracked.is_over, &false)
    }

    fn get(&mut self, order: OrderId) -> Result<&mut Tracked, String> {
        self.orders.get_mut(index(order)).ok_or_else(|| format!("nobody knows order {order}"))
    }

    fn fill(&mut self, fill: &Fill) -> Result<(), String> {
        if fill.quantity.is_zero() {
            return Err(format!("a trade of nothing: {fill:?}"));
        }
        for (order, remaining) in [(fill.maker, fill.maker_remaining), (fill.taker, fill.taker_remaining)] {
            let left = self.lose(order, fill.quantity)?;
            same("remaining in a fill", &remaining, &left)?;
            let tracked = self.get(order)?;
            let fair = match (tracked.limit, tracked.side) {
                (Some(limit), Some(Side::Buy)) => fill.price <= limit,
                (Some(limit), Some(Side::Sell)) => fill.price >= limit,
                _ => true,
            };
            if !fair {
                return Err(format!("order {order} trades at a price worse than its limit: {fill:?}"));
            }
            if remaining.is_zero() {
                tracked.is_over = true;
            }
        }
        Ok(())
    }

    /// Within a turn all trades are one order's, and prices never get better; an aggregate is a price.
    fn prices(&self, answer: &ToWallet) -> Result<(), String> {
        let counts = answer.events.iter().filter_map(|event| match event {
            BookEvent::Triggered { fills, .. } | BookEvent::Resumed { fills, .. } => Some(*fills as usize),
            _ => None,
        });
        let counts: Vec<usize> = counts.collect();
        let own = answer.fills.len().checked_sub(counts.iter().sum()).ok_or("more fills than there are")?;
        let mut fills = &answer.fills[..];
        for count in std::iter::once(own).chain(counts) {
            let (turn, others) = fills.split_at(count);
            fills = others;
            for pair in turn.windows(2) {
                let [before, after] = pair else { continue };
                let one_aggregate = before.aggregate == after.aggregate;
                let auction = one_aggregate && before.price == after.price;
                let worse = match after.taker_side {
                    Side::Buy => after.price > before.price,
                    Side::Sell => after.price < before.price,
                };
                if !auction && (before.taker != after.taker || !worse || one_aggregate) {
                    return Err(format!("not as one turn goes: {before:?} {after:?}"));
                }
            }
        }
        Ok(())
    }

    fn lose(&mut self, order: OrderId, quantity: Quantity) -> Result<Quantity, String> {
        let tracked = self.get(order)?;
        if tracked.is_over {
            return Err(format!("order {order} was over"));
        }
        tracked.open = tracked.open.checked_sub(quantity.0).ok_or("more than is open")?;
        Ok(Quantity(tracked.open))
    }

    fn over(&mut self, order: OrderId, remaining: Quantity) -> Result<(), String> {
        let tracked = self.get(order)?;
        if tracked.is_over {
            return Err(format!("order {order} is over twice"));
        }
        tracked.is_over = true;
        same("what was open", &remaining.0, &tracked.open)
    }

    fn placed(&mut self, order: OrderId, placement: &Placement, answer: &ToWallet) -> Result<(), String> {
        let tracked = *self.get(order)?;
        match *placement {
            Placement::Filled => {
                // By quote amount, the budget is filled, not the quantity.
                let traded = answer.fills.iter().any(|fill| fill.taker == order);
                self.get(order)?.is_over = true;
                if traded { Ok(()) } else { Err(format!("{order} is filled by nothing")) }
            }
            Placement::Expired { remaining, .. } => {
                // An order whose last part was prevented or traded has nothing left.
                self.get(order)?.is_over = true;
                same("what expired", &remaining.0, &tracked.open)
            }
            Placement::Rejected(_) => {
                self.get(order)?.is_over = true;
                same("a rejected order", &tracked.open, &tracked.quantity)
            }
            Placement::Resting { remaining } | Placement::Slid { remaining, .. } => {
                // It may have met others by the end of the cascade.
                if remaining.0 >= tracked.open { Ok(()) } else { Err(format!("{order} rests with {remaining}")) }
            }
            Placement::Waiting | Placement::Pending => Ok(()),
        }
    }
}
