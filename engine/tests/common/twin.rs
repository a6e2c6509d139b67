//! The naive twin of the book: two sorted vectors and the rules, one after the other.
//!
//! It is written from the rules of price-time priority, not from the fast book, and shares no
//! code with it: it matches one maker at a time and looks everything up by walking.

use rialto_engine::book::{CASCADE_MAX, RestingOrder, Stage, WaitingOrder};
use rialto_engine::ids::{OrderId, TradeId};
use rialto_engine::message::{BookCommand, BookEvent, BookOutcome, CancelRestriction, Expiry, Fill, Placement};
use rialto_engine::order::{Activation, Distance, NewOrder, OrderKind, SelfTrade, Side, Trail, Trigger};
use rialto_engine::reason::Reason;
use rialto_engine::units::{Price, Quantity};

/// A book without any cleverness.
#[derive(Clone, Debug, Default)]
pub struct Twin {
    /// Highest price first; within a price the oldest first.
    pub bids: Vec<RestingOrder>,
    /// Lowest price first; within a price the oldest first.
    pub asks: Vec<RestingOrder>,
    /// The oldest first.
    pub waiting: Vec<Waiting>,
    /// Triggered, in the order of their turns.
    pub fired: Vec<Waiting>,
    pub last: Option<Price>,
    pub trades: u64,
    pub aggregates: u64,
    /// How many orders have waited so far.
    pub waited: u64,
    /// How many trailing orders were triggered so far.
    pub trailed: u64,
}

/// An order that waits for its trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub order: NewOrder,
    pub age: u64,
    /// The lowest or highest price since it follows the price; `None` as long as it does not.
    pub seen: Option<Price>,
}

/// What one command did.
#[derive(Clone, Debug, Default)]
pub struct Done {
    pub fills: Vec<Fill>,
    pub events: Vec<BookEvent>,
}

/// What the taker's mode makes of an order that it meets.
enum Meeting {
    Trade,
    Stop,
    PassOver,
    Decrement,
}

fn meeting(taker: &NewOrder, maker: &RestingOrder) -> Meeting {
    match taker.asks().self_trade {
        _ if taker.account != maker.account => Meeting::Trade,
        SelfTrade::Allow => Meeting::Trade,
        SelfTrade::ExpireTaker | SelfTrade::ExpireBoth => Meeting::Stop,
        SelfTrade::ExpireMaker => Meeting::PassOver,
        SelfTrade::Decrement => Meeting::Decrement,
    }
}

fn willing(taker: &NewOrder, maker: &RestingOrder) -> bool {
    match (taker.kind, taker.side) {
        (OrderKind::Market | OrderKind::MarketByQuote, _) => true,
        (_, Side::Buy) => maker.price <= taker.limit,
        (_, Side::Sell) => maker.price >= taker.limit,
    }
}

impl Twin {
    /// Carries out a command, and what it triggers as far as one command may.
    pub fn receive(&mut self, command: &BookCommand) -> (BookOutcome, Done) {
        assert!(self.fired.is_empty(), "triggered orders come first");
        let mut done = Done::default();
        let outcome = self.execute(command, &mut done);
        self.cascade(&mut done);
        (outcome, done)
    }

    /// Gives triggered orders their turn that were left over.
    pub fn proceed(&mut self) -> Done {
        let mut done = Done::default();
        self.cascade(&mut done);
        done
    }

    fn cascade(&mut self, done: &mut Done) {
        let mut printed = 0;
        for turn in 0..=CASCADE_MAX {
            for position in printed..done.fills.len() {
                self.print(done.fills[position].price);
            }
            printed = done.fills.len();
            if turn == CASCADE_MAX || self.fired.is_empty() {
                return;
            }
            let NewOrder { id: order, .. } = self.fired[0].order;
            let turn = self.fired.remove(0);
            self.trailed += u64::from(turn.seen.is_some());
            let position = done.events.len();
            done.events.push(BookEvent::Triggered { order, placement: Placement::Filled, fills: 0 });
            let placement = self.enter(&turn.order, true, done);
            let fills = u32::try_from(done.fills.len() - printed).expect("few");
            done.events[position] = BookEvent::Triggered { order, placement, fills };
        }
    }

    /// One trade's price, shown to every order that waits.
    fn print(&mut self, price: Price) {
        self.last = Some(price);
        let (mut rising, mut falling, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
        for mut order in self.waiting.drain(..) {
            match (order.order.asks().trigger.expect("a trigger"), order.seen) {
                (Trigger::Rise(threshold), _) if price >= threshold => rising.push((threshold, order)),
                (Trigger::Fall(threshold), _) if price <= threshold => falling.push((threshold, order)),
                (Trigger::TrailRise(trail), Some(lowest)) if price >= above(lowest, trail) => {
                    rising.push((above(lowest, trail), order));
                }
                (Trigger::TrailFall(trail), Some(highest)) if price <= below(highest, trail) => {
                    falling.push((below(highest, trail), order));
                }
                (Trigger::TrailRise(trail) | Trigger::TrailFall(trail), None) => {
                    order.seen = is_active(trail, price).then_some(price);
                    waiting.push(order);
                }
                (Trigger::TrailRise(_), Some(lowest)) => {
                    order.seen = Some(lowest.min(price));
                    waiting.push(order);
                }
                (Trigger::TrailFall(_), Some(highest)) => {
                    order.seen = Some(highest.max(price));
                    waiting.push(order);
                }
                (Trigger::Rise(_) | Trigger::Fall(_), _) => waiting.push(order),
            }
        }
        rising.sort_by(|(one, left), (other, right)| one.cmp(other).then(left.age.cmp(&right.age)));
        falling.sort_by(|(one, left), (other, right)| other.cmp(one).then(left.age.cmp(&right.age)));
        self.fired.extend(rising.into_iter().chain(falling).map(|(_, order)| order));
        self.waiting = waiting;
    }

    /// The waiting orders as the book's snapshot has them.
    pub fn waiting_orders(&self) -> Vec<WaitingOrder> {
        let waiting = self.waiting.iter().map(|waiting| (waiting, waiting.seen.map_or(Stage::Awaits, Stage::Follows)));
        let all = waiting.chain(self.fired.iter().map(|fired| (fired, Stage::Fired)));
        let mut all: Vec<WaitingOrder> =
            all.map(|(of, stage)| WaitingOrder { order: of.order, sequence: of.age, stage }).collect();
        all.sort_by_key(|waiting| waiting.sequence);
        all
    }

    fn execute(&mut self, command: &BookCommand, done: &mut Done) -> BookOutcome {
        match command {
            BookCommand::Place(order) => BookOutcome::Placed { order: order.id, placement: self.place(order, done) },
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
                    Ok(remaining) if remaining >= *old_remaining_needed => Some(self.place(new, done)),
                    Ok(_) => Some(Placement::Rejected(Reason::InsufficientBalance)),
                    Err(_) if !allow_failure => None,
                    Err(_) if old_remaining_needed.is_zero() => Some(self.place(new, done)),
                    Err(_) => Some(Placement::Rejected(Reason::InsufficientBalance)),
                };
                BookOutcome::Replaced { old: *old, canceled, new: new.id, placement }
            }
            BookCommand::PlaceList(_) | BookCommand::Enter { .. } | BookCommand::Protect(_) | BookCommand::Advance => {
                unreachable!("not driven yet")
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

    fn place(&mut self, order: &NewOrder, done: &mut Done) -> Placement {
        let Some(trigger) = order.asks().trigger else { return self.enter(order, false, done) };
        let seen = match (trigger, self.last) {
            (Trigger::Rise(threshold), Some(last)) if last >= threshold => {
                return Placement::Rejected(Reason::WouldTrigger);
            }
            (Trigger::Fall(threshold), Some(last)) if last <= threshold => {
                return Placement::Rejected(Reason::WouldTrigger);
            }
            (Trigger::TrailRise(trail) | Trigger::TrailFall(trail), Some(last)) => {
                is_active(trail, last).then_some(last)
            }
            _ => None,
        };
        self.waited += 1;
        self.waiting.push(Waiting { order: *order, age: self.waited, seen });
        Placement::Waiting
    }

    /// An order takes part: a new one, or one that was triggered.
    fn enter(&mut self, order: &NewOrder, triggered: bool, done: &mut Done) -> Placement {
        let makers = self.side(order.side.opposite());
        match order.kind {
            OrderKind::PostOnly if makers.first().is_some_and(|maker| willing(order, maker)) => {
                return Placement::Rejected(Reason::WouldMatch);
            }
            OrderKind::FillOrKill => {
                let mut offered = 0_u128;
                for maker in makers.iter().filter(|maker| willing(order, maker)) {
                    match meeting(order, maker) {
                        Meeting::Trade | Meeting::Decrement => offered += u128::from(maker.remaining.0),
                        Meeting::PassOver => {}
                        Meeting::Stop => break,
                    }
                }
                if offered < u128::from(order.quantity.0) {
                    return Placement::Expired { remaining: order.quantity, reason: Expiry::FillOrKill };
                }
            }
            OrderKind::MarketByQuote if makers.is_empty() => return Placement::Rejected(Reason::NoLiquidity),
            OrderKind::Market if makers.is_empty() => {
                return Placement::Expired { remaining: order.quantity, reason: Expiry::Liquidity };
            }
            // A triggered one trades for as long as its money lasts.
            OrderKind::Market if !triggered => {
                let (mut wanted, mut cost) = (order.quantity.0, 0_u128);
                for maker in makers {
                    let taken = wanted.min(maker.remaining.0);
                    match meeting(order, maker) {
                        Meeting::Trade => {
                            cost += u128::from(taken) * u128::from(maker.price.0);
                            wanted -= taken;
                        }
                        Meeting::Decrement => wanted -= taken,
                        Meeting::PassOver => {}
                        Meeting::Stop => break,
                    }
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
        let (mut traded, mut stopped, mut decremented) = (false, false, false);
        while remaining > 0 {
            let first = self.side(order.side.opposite()).first();
            let Some(maker) = first.copied().filter(|maker| willing(order, maker)) else { break };
            let affordable = budget / maker.price.0;
            if affordable == 0 {
                spent = true;
                break;
            }
            let after = u32::try_from(done.fills.len()).expect("few");
            let makers = self.side_mut(order.side.opposite());
            match meeting(order, &maker) {
                Meeting::Trade => {}
                Meeting::Stop => {
                    if order.asks().self_trade == SelfTrade::ExpireBoth {
                        makers.remove(0);
                        let reason = Expiry::SelfTrade;
                        done.events.push(BookEvent::Lapsed {
                            order: maker.id,
                            remaining: maker.remaining,
                            after,
                            reason,
                        });
                    }
                    stopped = true;
                    break;
                }
                Meeting::PassOver => {
                    makers.remove(0);
                    let reason = Expiry::SelfTrade;
                    done.events.push(BookEvent::Lapsed { order: maker.id, remaining: maker.remaining, after, reason });
                    continue;
                }
                Meeting::Decrement => {
                    let mut quantity = remaining.min(maker.remaining.0);
                    if order.kind == OrderKind::MarketByQuote {
                        quantity = quantity.min(affordable);
                        budget -= quantity * maker.price.0;
                    }
                    remaining -= quantity;
                    decremented = true;
                    let maker_remaining = Quantity(maker.remaining.0 - quantity);
                    if maker_remaining.is_zero() {
                        makers.remove(0);
                    } else {
                        makers[0].remaining = maker_remaining;
                    }
                    let (maker, taker, quantity) = (maker.id, order.id, Quantity(quantity));
                    done.events.push(BookEvent::Decremented { maker, taker, quantity, maker_remaining, after });
                    continue;
                }
            }
            let quantity = remaining.min(maker.remaining.0).min(affordable);
            traded = true;
            remaining -= quantity;
            budget -= quantity * maker.price.0;
            self.trades += 1;
            if last_price != Some(maker.price) {
                self.aggregates += 1;
                last_price = Some(maker.price);
            }
            let left = Quantity(maker.remaining.0 - quantity);
            done.fills.push(Fill {
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
        let paid_out = order.kind == OrderKind::MarketByQuote && (spent || budget == 0);
        if stopped || decremented && (remaining.is_zero() || paid_out) {
            return Placement::Expired { remaining, reason: Expiry::SelfTrade };
        }
        if remaining.is_zero() {
            return Placement::Filled;
        }
        match order.kind {
            OrderKind::Limit | OrderKind::PostOnly | OrderKind::PostOnlySlide => {
                self.rest(order, remaining);
                Placement::Resting { remaining }
            }
            OrderKind::ImmediateOrCancel => Placement::Expired { remaining, reason: Expiry::ImmediateOrCancel },
            OrderKind::FillOrKill => unreachable!("was there in full"),
            OrderKind::MarketByQuote if paid_out && traded => Placement::Filled,
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
        if let Some(position) = self.waiting.iter().position(|waiting| waiting.order.id == id) {
            if restriction == CancelRestriction::OnlyPartiallyFilled {
                return Err(Reason::CancelRestricted);
            }
            return Ok(self.waiting.remove(position).order.quantity);
        }
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
        if let Some(waiting) = self.waiting.iter_mut().find(|waiting| waiting.order.id == id) {
            if quantity.is_zero() || quantity >= waiting.order.quantity {
                return Err(Reason::QuantityNotReduced);
            }
            waiting.order.quantity = quantity;
            return Ok(());
        }
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

/// A price and so many basis points more, rounded up.
fn above(price: Price, trail: Trail) -> Price {
    let share = match trail.distance {
        Distance::Share(share) => share,
        Distance::Ticks(ticks) => return price + ticks,
    };
    let product = u128::from(price.0) * u128::from(10_000 + share.0);
    Price(u64::try_from(product / 10_000 + u128::from(product % 10_000 != 0)).expect("prices leave room"))
}

/// A price and so many basis points less, rounded down.
fn below(price: Price, trail: Trail) -> Price {
    let share = match trail.distance {
        Distance::Share(share) => share,
        Distance::Ticks(ticks) => return Price(price.0.saturating_sub(ticks.0)),
    };
    let product = u128::from(price.0) * u128::from(10_000 - share.0);
    Price(u64::try_from(product / 10_000).expect("less than it was"))
}

fn is_active(trail: Trail, price: Price) -> bool {
    match trail.activation {
        None => true,
        Some(Activation::Rise(from)) => price >= from,
        Some(Activation::Fall(from)) => price <= from,
    }
}
