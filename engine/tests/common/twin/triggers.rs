//! Orders that wait for a price.

use rialto_engine::order::{Activation, Distance, NewOrder, Trail, Trigger};
use rialto_engine::units::Price;

use super::{Done, Twin, Waiting};

impl Twin {
    /// Whether the last price has reached a trigger. A trail is reached only by prices that it has
    /// followed.
    pub(super) fn is_reached(&self, trigger: Trigger) -> bool {
        match (trigger, self.last) {
            (Trigger::Rise(threshold), Some(last)) => last >= threshold,
            (Trigger::Fall(threshold), Some(last)) => last <= threshold,
            _ => false,
        }
    }

    /// Lets an order wait for its trigger.
    pub(super) fn wait(&mut self, order: &NewOrder) {
        let seen = match (order.asks().trigger, self.last) {
            (Some(Trigger::TrailRise(trail) | Trigger::TrailFall(trail)), Some(last)) => {
                is_active(trail, last).then_some(last)
            }
            _ => None,
        };
        self.waited += 1;
        self.waiting.push(Waiting { order: *order, age: self.waited, seen });
    }

    /// Shows the trades from a position on.
    pub(super) fn print_from(&mut self, from: usize, done: &Done) {
        for fill in &done.fills[from..] {
            self.print(fill.price);
        }
    }

    /// One trade's price, shown to every order that waits.
    pub(super) fn print(&mut self, price: Price) {
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
}

/// A price and a distance more, a share of it rounded up.
fn above(price: Price, trail: Trail) -> Price {
    match trail.distance {
        Distance::Ticks(ticks) => price + ticks,
        Distance::Share(share) => higher(price, share.0, true),
    }
}

/// A price and a distance less, a share of what is left rounded down; nothing below zero.
fn below(price: Price, trail: Trail) -> Price {
    match trail.distance {
        Distance::Ticks(ticks) => Price(price.0.saturating_sub(ticks.0)),
        Distance::Share(share) => lower(price, share.0, false),
    }
}

/// A price and so many basis points more.
pub fn higher(price: Price, share: u32, round_up: bool) -> Price {
    rounded(u128::from(price.0) * (10_000 + u128::from(share)), round_up)
}

/// A price and so many basis points less; zero if that is more than there is.
pub fn lower(price: Price, share: u32, round_up: bool) -> Price {
    rounded(u128::from(price.0) * 10_000_u128.saturating_sub(u128::from(share)), round_up)
}

fn rounded(product: u128, up: bool) -> Price {
    let more = u128::from(up && !product.is_multiple_of(10_000));
    Price(u64::try_from(product / 10_000 + more).unwrap_or(u64::MAX))
}

fn is_active(trail: Trail, price: Price) -> bool {
    match trail.activation {
        None => true,
        Some(Activation::Rise(from)) => price >= from,
        Some(Activation::Fall(from)) => price <= from,
    }
}
