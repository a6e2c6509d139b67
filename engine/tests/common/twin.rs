//! The naive twin of the book: two sorted vectors and the rules, one after the other.
//!
//! It is written from the rules of price-time priority, not from the fast book, and shares no
//! code with it: it matches one maker at a time and looks everything up by walking.

use rialto_engine::book::RestingOrder;
use rialto_engine::ids::{OrderId, TradeId};
use rialto_engine::message::{BookCommand, BookOutcome, CancelRestriction, Expiry, Fill, Placement};
use rialto_engine::order::{NewOrder, OrderKind, Side};
use rialto_engine::reason::Reason;
use rialto_engine::units::{Price, Quantity};

/// A book without any cleverness.
#[derive(Clone, Debug, Default)]
pub struct Twin {
    /// Highest price first; within a price the oldest first.
    pub bids: Vec<RestingOrder>,
    /// Lowest price first; within a price the oldest first.
    pub asks: Vec<RestingOrder>,
    pub trades: u64,
    pub aggregates: u64,
}

impl Twin {
    pub fn execute(&mut self, command: &BookCommand, fills: &mut Vec<Fill>) -> BookOutcome {
        match command {
            BookCommand::Place(order) => BookOutcome::Placed { order: order.id, placement: self.place(order, fills) },
            BookCommand::Cancel { order, restriction } => match self.cancel(*order, *restriction) {
                Ok(remaining) => BookOutcome::Canceled { order: *order, remaining },
                Err(reason) => BookOutcome::CancelRejected { order: *order, reason },
            },
            BookCommand::CancelMany(orders) => {
                let mut gone = Vec::new();
                for order in orders {
                    if let Ok(remaining) = self.cancel(*order, CancelRestriction::None) {
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
                let canceled = self.cancel(*old, *restriction);
                let placement = match canceled {
                    Ok(remaining) if remaining >= *old_remaining_needed => Some(self.place(new, fills)),
                    Ok(_) => Some(Placement::Rejected(Reason::InsufficientBalance)),
                    Err(_) if !allow_failure => None,
                    Err(_) if old_remaining_needed.is_zero() => Some(self.place(new, fills)),
                    Err(_) => Some(Placement::Rejected(Reason::InsufficientBalance)),
                };
                BookOutcome::Replaced { old: *old, canceled, new: new.id, placement }
            }
        }
    }

    /// The levels of a side, best first.
    pub fn levels(&self, side: Side) -> Vec<(Price, Quantity)> {
        let mut levels: Vec<(Price, Quantity)> = Vec::new();
        for order in self.side(side) {
            match levels.last_mut() {
                Some((price, quantity)) if *price == order.price => *quantity += order.remaining,
                _ => levels.push((order.price, order.remaining)),
            }
        }
        levels
    }

    pub fn side(&self, side: Side) -> &Vec<RestingOrder> {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    fn side_mut(&mut self, side: Side) -> &mut Vec<RestingOrder> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }

    fn place(&mut self, order: &NewOrder, fills: &mut Vec<Fill>) -> Placement {
        let willing = |maker: &RestingOrder| match (order.kind, order.side) {
            (OrderKind::Market | OrderKind::MarketByQuote, _) => true,
            (_, Side::Buy) => maker.price <= order.limit,
            (_, Side::Sell) => maker.price >= order.limit,
        };
        let makers = self.side(order.side.opposite());
        match order.kind {
            OrderKind::PostOnly if makers.first().is_some_and(willing) => {
                return Placement::Rejected(Reason::WouldMatch);
            }
            OrderKind::FillOrKill => {
                let offered: u128 =
                    makers.iter().filter(|maker| willing(maker)).map(|maker| u128::from(maker.remaining.0)).sum();
                if offered < u128::from(order.quantity.0) {
                    return Placement::Expired { remaining: order.quantity, reason: Expiry::FillOrKill };
                }
            }
            OrderKind::MarketByQuote if makers.is_empty() => return Placement::Rejected(Reason::NoLiquidity),
            OrderKind::Market if makers.is_empty() => {
                return Placement::Expired { remaining: order.quantity, reason: Expiry::Liquidity };
            }
            OrderKind::Market => {
                let (mut wanted, mut cost) = (order.quantity.0, 0_u128);
                for maker in makers {
                    let taken = wanted.min(maker.remaining.0);
                    cost += u128::from(taken) * u128::from(maker.price.0);
                    wanted -= taken;
                }
                if cost > u128::from(order.budget.0) {
                    return Placement::Rejected(Reason::InsufficientBalance);
                }
            }
            OrderKind::MarketByQuote if makers[0].price.0 > order.budget.0 => {
                return Placement::Rejected(Reason::NotionalTooSmall);
            }
            _ => {}
        }
        let (mut remaining, mut budget) = (order.quantity.0, order.budget.0);
        let mut last_price = None;
        // Whether there was somebody to trade with, but not the money for one lot.
        let mut spent = false;
        while remaining > 0 {
            let Some(maker) = self.side(order.side.opposite()).first().copied().filter(willing) else { break };
            let quantity = remaining.min(maker.remaining.0).min(budget / maker.price.0);
            if quantity == 0 {
                spent = true;
                break;
            }
            remaining -= quantity;
            budget -= quantity * maker.price.0;
            self.trades += 1;
            if last_price != Some(maker.price) {
                self.aggregates += 1;
                last_price = Some(maker.price);
            }
            let left = Quantity(maker.remaining.0 - quantity);
            fills.push(Fill {
                trade: TradeId(self.trades),
                aggregate: self.aggregates,
                price: maker.price,
                quantity: Quantity(quantity),
                taker_side: order.side,
                maker: maker.id,
                maker_account: maker.account,
                maker_remaining: left,
                taker: order.id,
                taker_account: order.account,
                taker_remaining: Quantity(remaining),
            });
            let makers = self.side_mut(order.side.opposite());
            if left.is_zero() {
                makers.remove(0);
            } else {
                makers[0].remaining = left;
            }
        }
        let remaining = Quantity(remaining);
        if remaining.is_zero() {
            return Placement::Filled;
        }
        match order.kind {
            OrderKind::Limit | OrderKind::PostOnly => {
                self.rest(order, remaining);
                Placement::Resting { remaining }
            }
            OrderKind::ImmediateOrCancel => Placement::Expired { remaining, reason: Expiry::ImmediateOrCancel },
            OrderKind::FillOrKill => unreachable!("was there in full"),
            OrderKind::MarketByQuote if spent || budget == 0 => Placement::Filled,
            OrderKind::Market | OrderKind::MarketByQuote => Placement::Expired { remaining, reason: Expiry::Liquidity },
        }
    }

    fn rest(&mut self, order: &NewOrder, remaining: Quantity) {
        let resting = RestingOrder {
            id: order.id,
            account: order.account,
            side: order.side,
            price: order.limit,
            quantity: order.quantity,
            remaining,
        };
        let orders = self.side_mut(order.side);
        let behind = orders.partition_point(|other| match order.side {
            Side::Buy => other.price >= order.limit,
            Side::Sell => other.price <= order.limit,
        });
        orders.insert(behind, resting);
    }

    fn cancel(&mut self, id: OrderId, restriction: CancelRestriction) -> Result<Quantity, Reason> {
        let (side, position) = self.find(id)?;
        let order = self.side(side)[position];
        let filled = order.remaining < order.quantity;
        let allowed = match restriction {
            CancelRestriction::None => true,
            CancelRestriction::OnlyNew => !filled,
            CancelRestriction::OnlyPartiallyFilled => filled,
        };
        if !allowed {
            return Err(Reason::CancelRestricted);
        }
        self.side_mut(side).remove(position);
        Ok(order.remaining)
    }

    fn reduce(&mut self, id: OrderId, quantity: Quantity) -> Result<(), Reason> {
        let (side, position) = self.find(id)?;
        let order = &mut self.side_mut(side)[position];
        let filled = order.quantity.0 - order.remaining.0;
        if quantity.0 >= order.quantity.0 || quantity.0 <= filled {
            return Err(Reason::QuantityNotReduced);
        }
        order.quantity = quantity;
        order.remaining = Quantity(quantity.0 - filled);
        Ok(())
    }

    fn find(&self, id: OrderId) -> Result<(Side, usize), Reason> {
        for side in [Side::Buy, Side::Sell] {
            if let Some(position) = self.side(side).iter().position(|order| order.id == id) {
                return Ok((side, position));
            }
        }
        Err(Reason::OrderAlreadyFinal)
    }
}
