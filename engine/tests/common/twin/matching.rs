//! The turn of an order, and what it looks at before.

use std::cmp::Reverse;

use rialto_engine::ids::TradeId;
use rialto_engine::message::{BookEvent, Expiry, Fill, Phase, Placement};
use rialto_engine::order::{NewOrder, OrderKind, Peg, PegReference, SelfTrade, Side};
use rialto_engine::units::{Nanos, Price, Quantity};

use super::state::{Dark, shown_of};
use super::triggers::{higher, lower};
use super::{Done, Twin};

/// A resting order as a taker meets it.
#[derive(Clone, Copy)]
struct Maker {
    order: NewOrder,
    price: Price,
    /// What can be had of it at once: of an iceberg what it shows.
    offered: u64,
    /// What it trades at least.
    minimum: u64,
    /// Where it stands among those that are not displayed, if it is one.
    standing: Option<Standing>,
}

/// Sorts makers that are not displayed, the best and oldest first.
type Standing = (Rank, u64);

/// Sorts prices, the best first.
type Rank = (Reverse<u64>, u64);

/// What a sweep looks at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Trade,
    /// To learn what a market order would cost.
    Price,
}

/// How a sweep ended.
#[derive(Clone, Copy, Default)]
struct Swept {
    remaining: u64,
    traded: u64,
    /// It met its own and is over.
    stopped: bool,
    /// It met its own, and both lost something.
    decremented: bool,
    /// There was somebody to trade with, but the money buys no lot.
    spent: bool,
    /// There was somebody to trade with, and it costs more than there is.
    short: bool,
    /// There was somebody to trade with, outside of a band.
    outside: bool,
}

/// What the taker's mode makes of an order that it meets.
enum Meeting {
    Trade,
    Stop,
    PassOver,
    Decrement,
}

/// Whether an order of a side with this limit trades at a price.
fn crosses(side: Side, limit: Price, price: Price) -> bool {
    match side {
        Side::Buy => price <= limit,
        Side::Sell => price >= limit,
    }
}

/// Sorts the prices of makers of a side: the best is the lowest key.
pub fn rank(side: Side, price: Price) -> Rank {
    match side {
        Side::Buy => (Reverse(price.0), 0),
        Side::Sell => (Reverse(0), price.0),
    }
}

/// The prices at which a market order trades: all.
fn unlimited(side: Side) -> Price {
    match side {
        Side::Buy => Price(u64::MAX),
        Side::Sell => Price(0),
    }
}

/// Only market orders are bounded by money.
fn budget_of(order: &NewOrder) -> u64 {
    if order.kind.has_limit() { u64::MAX } else { order.budget.0 }
}

impl Twin {
    /// The best price of a side, displayed or not, whatever its minimum.
    pub(super) fn best_of_all(&self, side: Side) -> Option<Price> {
        let shown = self.side(side).iter().map(|resting| resting.price);
        let dark = self.dark.iter().filter(|dark| dark.order.side == side).filter_map(|dark| dark.price);
        shown.chain(dark).min_by_key(|price| rank(side, *price))
    }

    pub(super) fn would_match(&self, order: &NewOrder) -> bool {
        let best = self.best_of_all(order.side.opposite());
        best.is_some_and(|best| crosses(order.side, order.limit, best))
    }

    /// Where an order that may slide rests, or `None` if there is no such price.
    pub(super) fn slid(&self, order: &NewOrder) -> Option<Price> {
        let best = self.best_of_all(order.side.opposite());
        match (best.filter(|best| crosses(order.side, order.limit, *best)), order.side) {
            (None, _) => Some(order.limit),
            (Some(best), Side::Buy) => (best.0 > 1).then(|| Price(best.0 - 1)),
            (Some(best), Side::Sell) => Some(Price(best.0 + 1)),
        }
    }

    /// The limit of an order in its turn; `None` for a pegged one without a price.
    fn limit_of(&self, order: &NewOrder) -> Option<Price> {
        let asks = order.asks();
        if let Some(peg) = asks.peg {
            return self.pegged(order.side, order.limit, peg);
        }
        if order.kind.has_limit() {
            return Some(order.limit);
        }
        let best = self.best_of_all(order.side.opposite());
        Some(match (best, order.side) {
            (Some(best), Side::Buy) if !asks.slippage.is_zero() => higher(best, asks.slippage.0, false),
            (Some(best), Side::Sell) if !asks.slippage.is_zero() => lower(best, asks.slippage.0, true),
            _ => unlimited(order.side),
        })
    }

    /// The price of a pegged order in the book as it is displayed.
    fn pegged(&self, side: Side, limit: Price, peg: Peg) -> Option<Price> {
        let touch = |side: Side| self.side(side).front().map(|resting| i128::from(resting.price.0));
        let (bid, ask) = (touch(Side::Buy), touch(Side::Sell));
        let reference = match peg.reference {
            PegReference::BestBid => bid?,
            PegReference::BestAsk => ask?,
            PegReference::Midpoint if side == Side::Buy => (bid? + ask?) / 2,
            PegReference::Midpoint => (bid? + ask? + 1) / 2,
        };
        let price = (reference + i128::from(peg.offset)).max(1);
        let bound = i128::from(limit.0);
        let price = match side {
            Side::Buy => price.min(bound).min(ask.map_or(i128::MAX, |ask| ask - 1)),
            Side::Sell => price.max(bound).max(bid.map_or(0, |bid| bid + 1)),
        };
        (price >= 1).then(|| Price(u64::try_from(price).expect("in range")))
    }

    /// Gives pegged orders their price.
    pub(super) fn reprice(&mut self) {
        for position in 0..self.dark.len() {
            let order = self.dark[position].order;
            if let Some(peg) = order.asks().peg {
                self.dark[position].price = self.pegged(order.side, order.limit, peg);
            }
        }
    }

    /// Whom a taker meets next: the best of the other side within its limit, behind those that are not
    /// displayed that it has passed over.
    fn meets(&self, taker: &NewOrder, limit: Price, passed: Option<Standing>) -> Option<Maker> {
        let side = taker.side.opposite();
        let shown = self.side(side).front().filter(|resting| crosses(taker.side, limit, resting.price));
        let dark = self.dark.iter().filter(|dark| {
            let standing = dark.price.map(|price| (rank(side, price), dark.sequence));
            dark.order.side == side
                && dark.price.is_some_and(|price| crosses(taker.side, limit, price))
                && (passed.is_none() || standing > passed)
        });
        // Those of one price stand by age already.
        let dark = dark.min_by_key(|dark| dark.price.map(|price| rank(side, price)));
        let first = shown.map(|resting| Maker {
            order: resting.order,
            price: resting.price,
            offered: resting.shown.0,
            minimum: 0,
            standing: None,
        });
        let Some(dark) = dark else { return first };
        let price = dark.price?;
        if first.is_some_and(|first| rank(side, first.price) <= rank(side, price)) {
            return first;
        }
        Some(Maker {
            order: dark.order,
            price,
            offered: dark.remaining.0,
            minimum: dark.minimum(),
            standing: Some((rank(side, price), dark.sequence)),
        })
    }

    /// The price of the first maker that an order would not pass over.
    pub(super) fn first_met(&self, order: &NewOrder) -> Option<Price> {
        self.first_met_by(order, self.limit_of(order)?, order.quantity.0)
    }

    fn first_met_by(&self, order: &NewOrder, limit: Price, quantity: u64) -> Option<Price> {
        let mut passed = None;
        loop {
            let maker = self.meets(order, limit, passed)?;
            if quantity.min(budget_of(order) / maker.price.0) >= maker.minimum {
                return Some(maker.price);
            }
            passed = maker.standing;
        }
    }

    /// Whether what a market order would trade costs more than it has.
    pub(super) fn costs_too_much(&self, order: &NewOrder) -> bool {
        let Some(limit) = self.limit_of(order) else { return false };
        let mut copy = self.clone();
        copy.note(order);
        copy.sweep(order, limit, order.quantity.0, Purpose::Price, &mut Done::default()).short
    }

    /// Whether a price is outside of a band.
    fn is_outside(&self, price: Price, dynamic: Option<Price>) -> bool {
        let bands = [(self.protection.static_band, self.protection.reference), (self.protection.dynamic_band, dynamic)];
        bands.iter().any(|(share, reference)| {
            let Some(reference) = reference else { return false };
            let (low, high) = (lower(*reference, share.0, true), higher(*reference, share.0, false));
            !share.is_zero() && (price < low || price > high)
        })
    }

    fn meeting(&self, taker: &NewOrder, maker: &NewOrder) -> Meeting {
        let group = |order: &NewOrder| self.groups.get(&order.account);
        let one = taker.account == maker.account || group(taker).is_some() && group(taker) == group(maker);
        match taker.asks().self_trade {
            _ if !one => Meeting::Trade,
            SelfTrade::Allow => Meeting::Trade,
            SelfTrade::ExpireTaker | SelfTrade::ExpireBoth => Meeting::Stop,
            SelfTrade::ExpireMaker => Meeting::PassOver,
            SelfTrade::Decrement => Meeting::Decrement,
        }
    }

    /// Meets one maker after the other.
    fn sweep(&mut self, taker: &NewOrder, limit: Price, quantity: u64, purpose: Purpose, done: &mut Done) -> Swept {
        let dynamic = self.last;
        let mut budget = budget_of(taker);
        let mut swept = Swept { remaining: quantity, ..Swept::default() };
        let mut last_price = None;
        let mut passed = None;
        while swept.remaining > 0 {
            let Some(maker) = self.meets(taker, limit, passed) else {
                swept.spent = budget == 0;
                break;
            };
            let affordable = budget / maker.price.0;
            let wanted = swept.remaining.min(maker.offered);
            let meeting = self.meeting(taker, &maker.order);
            if wanted.min(affordable) < maker.minimum {
                passed = maker.standing;
                continue;
            }
            if purpose == Purpose::Trade && affordable == 0 {
                swept.spent = true;
                break;
            }
            if self.is_outside(maker.price, dynamic) {
                swept.outside = true;
                break;
            }
            if !matches!(meeting, Meeting::Trade) {
                self.counts.grouped += u64::from(taker.account != maker.order.account);
            }
            match meeting {
                Meeting::Trade if purpose == Purpose::Price && affordable < wanted => {
                    swept.short = true;
                    break;
                }
                Meeting::Trade => {}
                Meeting::Stop => {
                    if taker.asks().self_trade == SelfTrade::ExpireBoth {
                        self.end(maker.order.id, Expiry::SelfTrade, done);
                    }
                    swept.stopped = true;
                    break;
                }
                Meeting::PassOver => {
                    self.end(maker.order.id, Expiry::SelfTrade, done);
                    continue;
                }
                Meeting::Decrement => {
                    let mut quantity = wanted;
                    if taker.kind == OrderKind::MarketByQuote {
                        quantity = quantity.min(affordable);
                        budget -= quantity * maker.price.0;
                    }
                    swept.remaining -= quantity;
                    swept.decremented = true;
                    let maker_remaining = self.take(&maker, quantity);
                    done.events.push(BookEvent::Decremented {
                        maker: maker.order.id,
                        taker: taker.id,
                        quantity: Quantity(quantity),
                        maker_remaining,
                        after: done.filled(),
                    });
                    if maker_remaining.is_zero() {
                        self.unlink(&maker.order, done);
                    }
                    continue;
                }
            }
            let quantity = wanted.min(affordable);
            swept.remaining -= quantity;
            swept.traded += quantity;
            if !taker.kind.has_limit() {
                budget -= quantity * maker.price.0;
            }
            self.partner_lapses(taker, done);
            self.partner_lapses(&maker.order, done);
            let maker_remaining = self.take(&maker, quantity);
            self.trades += 1;
            if last_price != Some(maker.price) {
                self.aggregates += 1;
                last_price = Some(maker.price);
            }
            done.fills.push(Fill {
                trade: TradeId(self.trades),
                aggregate: self.aggregates,
                price: maker.price,
                quantity: Quantity(quantity),
                taker_side: taker.side,
                maker: maker.order.id,
                maker_account: maker.order.account,
                maker_remaining,
                taker: taker.id,
                taker_account: taker.account,
                taker_remaining: Quantity(swept.remaining),
            });
            if maker_remaining.is_zero() {
                self.release(&maker.order);
            }
        }
        swept
    }

    /// Takes from a maker what it offers, or a part of it. An iceberg then shows its next part, behind
    /// all others of its price. Returns what is open of it.
    fn take(&mut self, maker: &Maker, quantity: u64) -> Quantity {
        let id = maker.order.id;
        if let Some(position) = self.dark.iter().position(|dark| dark.order.id == id) {
            let dark = &mut self.dark[position];
            dark.remaining.0 -= quantity;
            let remaining = dark.remaining;
            if remaining.is_zero() {
                self.dark.remove(position);
            }
            return remaining;
        }
        let orders = self.side_mut(maker.order.side);
        let position = orders.iter().position(|resting| resting.order.id == id).expect("it was met");
        orders[position].shown.0 -= quantity;
        let mut resting = orders[position];
        if resting.shown.is_zero() {
            orders.remove(position);
            if !resting.reserve.is_zero() {
                self.counts.refilled += 1;
                resting.shown = shown_of(&resting.order, resting.reserve);
                resting.reserve -= resting.shown;
                self.append(resting);
            }
        }
        resting.open()
    }

    /// The turn of an order that was not refused: it takes, and rests or ends.
    pub(super) fn turn(&mut self, order: &NewOrder, done: &mut Done) -> Placement {
        if self.phase != Phase::Continuous {
            self.rest(order, Some(order.limit), order.quantity);
            return Placement::Resting { remaining: order.quantity };
        }
        let remaining = order.quantity;
        match order.kind {
            OrderKind::PostOnlySlide if self.would_match(order) => {
                let price = self.slid(order).expect("was not refused");
                self.rest(order, Some(price), remaining);
                return Placement::Slid { remaining, price };
            }
            OrderKind::PostOnly | OrderKind::PostOnlySlide => {
                self.rest(order, Some(order.limit), remaining);
                return Placement::Resting { remaining };
            }
            _ => {}
        }
        let limit = self.limit_of(order);
        self.counts.pegged += u64::from(order.asks().peg.is_some());
        let placement = self.work(order, limit, remaining, done);
        if let Placement::Resting { remaining } = placement {
            self.rest(order, limit, remaining);
        }
        placement
    }

    /// The turn of an order that rests without being displayed and can trade after all.
    pub(super) fn resumed_turn(&mut self, position: usize, done: &mut Done) -> Placement {
        let dark = self.dark.remove(position);
        self.counts.pegged += u64::from(dark.order.asks().peg.is_some());
        let order = NewOrder { kind: OrderKind::Limit, ..dark.order };
        let placement = self.work(&order, dark.price, dark.remaining, done);
        if let Placement::Resting { remaining } = placement {
            // It keeps its age.
            let place = self.dark.partition_point(|other| other.sequence < dark.sequence);
            self.dark.insert(place, Dark { remaining, ..dark });
        }
        placement
    }

    /// The first of those that are not displayed that could trade now.
    pub(super) fn resumable(&self) -> Option<usize> {
        (0..self.dark.len()).find(|position| {
            let dark = &self.dark[*position];
            let Some(price) = dark.price else { return false };
            let order = NewOrder { kind: OrderKind::Limit, ..dark.order };
            match self.first_met_by(&order, price, dark.remaining.0) {
                None => false,
                Some(met) if self.is_outside(met, self.last) => false,
                Some(_) => dark.minimum() == 0 || self.could_have(&order, price, dark.remaining.0) >= dark.minimum(),
            }
        })
    }

    /// How much an order would trade if it had its turn now.
    fn could_have(&self, order: &NewOrder, limit: Price, quantity: u64) -> u64 {
        self.clone().sweep(order, limit, quantity, Purpose::Trade, &mut Done::default()).traded
    }

    /// Takes, and says how the order stands then. Who lets it rest is told by `Resting`.
    fn work(&mut self, order: &NewOrder, limit: Option<Price>, quantity: Quantity, done: &mut Done) -> Placement {
        let swept = match limit {
            None => Swept { remaining: quantity.0, ..Swept::default() },
            Some(limit) => {
                if order.kind == OrderKind::FillOrKill {
                    let mut copy = self.clone();
                    let looked = copy.sweep(order, limit, quantity.0, Purpose::Trade, &mut Done::default());
                    if looked.remaining > 0 {
                        self.unlink(order, done);
                        return Placement::Expired { remaining: quantity, reason: Expiry::FillOrKill };
                    }
                }
                let minimum = order.asks().minimum.0.min(quantity.0);
                if minimum > 0 && self.could_have(order, limit, quantity.0) < minimum {
                    self.counts.short_of_minimum += 1;
                    if order.kind.may_rest() {
                        return Placement::Resting { remaining: quantity };
                    }
                    self.unlink(order, done);
                    return Placement::Expired { remaining: quantity, reason: Expiry::Minimum };
                }
                self.count_passed_over(order, limit, quantity.0);
                let swept = self.sweep(order, limit, quantity.0, Purpose::Trade, done);
                let left = swept.remaining > 0 && !order.asks().slippage.is_zero();
                self.counts.slipped += u64::from(left && self.best_of_all(order.side.opposite()).is_some());
                swept
            }
        };
        if swept.outside {
            let after = done.filled();
            done.events.push(BookEvent::PhaseChanged { phase: Phase::Auction, after });
            let interruption = self.protection.interruption;
            self.phase = Phase::Auction;
            self.until = if interruption.is_zero() { Nanos::ZERO } else { self.now + interruption };
        }
        let placement = stands(order, &swept);
        match placement {
            Placement::Filled => self.release(order),
            Placement::Expired { .. } => self.unlink(order, done),
            _ => {}
        }
        placement
    }

    fn count_passed_over(&mut self, order: &NewOrder, limit: Price, quantity: u64) {
        let could = |price: Price| quantity.min(budget_of(order) / price.0);
        let passed = self.dark.iter().any(|dark| {
            let crossed = dark.order.side != order.side && dark.price.is_some_and(|p| crosses(order.side, limit, p));
            crossed && dark.minimum() > could(dark.price.expect("crossed"))
        });
        self.counts.passed_over += u64::from(passed);
    }
}

/// How an order stands after its turn.
fn stands(order: &NewOrder, swept: &Swept) -> Placement {
    let remaining = Quantity(swept.remaining);
    let paid_out = order.kind == OrderKind::MarketByQuote && swept.spent;
    if swept.stopped || swept.decremented && (remaining.is_zero() || paid_out) {
        return Placement::Expired { remaining, reason: Expiry::SelfTrade };
    }
    if remaining.is_zero() {
        return Placement::Filled;
    }
    if order.kind.may_rest() {
        return Placement::Resting { remaining };
    }
    if swept.outside {
        return Placement::Expired { remaining, reason: Expiry::Interruption };
    }
    match order.kind {
        OrderKind::MarketByQuote if paid_out && swept.traded > 0 => Placement::Filled,
        OrderKind::ImmediateOrCancel => Placement::Expired { remaining, reason: Expiry::ImmediateOrCancel },
        OrderKind::FillOrKill => unreachable!("it was there in full"),
        _ => Placement::Expired { remaining, reason: Expiry::Liquidity },
    }
}
