//! The call auction: one price for all, at which most can trade.

use std::collections::BTreeMap;

use super::{Book, BookOutput, crosses, special};
use crate::ids::{AccountId, OrderId, TradeId};
use crate::message::{Fill, Phase};
use crate::order::{Instructions, Side};
use crate::slab::NONE;
use crate::units::{Price, Quantity};

/// What an auction would come to if it were carried out now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Indicative {
    /// The price of all its trades.
    pub price: Price,
    /// How much would be traded.
    pub volume: Quantity,
    /// What bids beyond that at the price, less what asks, in lots.
    pub imbalance: i64,
}

/// What is bid and asked at one price.
#[derive(Clone, Copy, Default)]
struct Interest {
    bid: u128,
    ask: u128,
}

/// A price that the auction may have.
#[derive(Clone, Copy)]
struct Candidate {
    price: Price,
    volume: u128,
    /// Bids less asks.
    imbalance: i128,
}

/// An order that takes part.
#[derive(Clone, Copy)]
struct Participant {
    order: OrderId,
    account: AccountId,
    open: Quantity,
    displayed: bool,
}

impl Book {
    /// What an auction would come to now. `None` where none is under way, or nothing would trade.
    ///
    /// Costs a walk over all levels.
    #[must_use]
    pub fn indicative(&self) -> Option<Indicative> {
        if !matches!(self.phase(), Phase::PreOpen | Phase::Auction) {
            return None;
        }
        let Candidate { price, volume, imbalance } = self.equilibrium()?;
        Some(Indicative {
            price,
            volume: Quantity(u64::try_from(volume).unwrap_or(u64::MAX)),
            imbalance: i64::try_from(imbalance).unwrap_or(if imbalance > 0 { i64::MAX } else { i64::MIN }),
        })
    }

    /// The auction's price, by the order of its rules: most volume, least imbalance, the side with
    /// more pressure, the reference.
    fn equilibrium(&self) -> Option<Candidate> {
        let (Some(bid), Some(ask)) = (self.best_of_participants(Side::Buy), self.best_of_participants(Side::Sell))
        else {
            return None;
        };
        if bid < ask {
            return None;
        }
        let interest = self.interest();
        let asked_in_all: u128 = interest.values().map(|at| at.ask).sum();
        // From the highest price down: bids at a price or above it, asks at it or below.
        let (mut bids, mut asks) = (0_u128, asked_in_all);
        let mut candidates: Vec<Candidate> = Vec::new();
        for (price, at) in interest.iter().rev() {
            bids += at.bid;
            let imbalance = i128::try_from(bids).ok()? - i128::try_from(asks).ok()?;
            candidates.push(Candidate { price: *price, volume: bids.min(asks), imbalance });
            asks -= at.ask;
        }
        let volume = candidates.iter().map(|candidate| candidate.volume).max().filter(|volume| *volume > 0)?;
        candidates.retain(|candidate| candidate.volume == volume);
        let imbalance = candidates.iter().map(|candidate| candidate.imbalance.unsigned_abs()).min()?;
        candidates.retain(|candidate| candidate.imbalance.unsigned_abs() == imbalance);
        // Highest first.
        let (highest, lowest) = (*candidates.first()?, *candidates.last()?);
        if candidates.iter().all(|candidate| candidate.imbalance > 0) {
            return Some(highest);
        }
        if candidates.iter().all(|candidate| candidate.imbalance < 0) {
            return Some(lowest);
        }
        match self.state.protection.reference.or(self.last) {
            // Of two equally near, the first and so the higher one.
            Some(reference) => candidates.into_iter().min_by_key(|candidate| candidate.price.0.abs_diff(reference.0)),
            None => Some(lowest),
        }
    }

    /// What bids and asks at each price of an order that takes part.
    fn interest(&self) -> BTreeMap<Price, Interest> {
        let mut interest: BTreeMap<Price, Interest> = BTreeMap::new();
        let mut add = |side: Side, price: Price, quantity: Quantity| {
            let at = interest.entry(price).or_default();
            match side {
                Side::Buy => at.bid += u128::from(quantity.0),
                Side::Sell => at.ask += u128::from(quantity.0),
            }
        };
        for side in [Side::Buy, Side::Sell] {
            self.ladder(side).iter().for_each(|level| add(side, level.price, level.quantity));
            for (price, dark) in self.dark.priced(side).filter(|(_, dark)| takes_part(&dark.order.asks())) {
                add(side, price, dark.remaining);
            }
        }
        for special in self.specials.iter().filter(|special| !special.reserve.is_zero()) {
            if let Some(slot) = self.find(special.id) {
                let node = self.orders[slot];
                add(node.side(), self.ladder(node.side()).price_of(node.level_slot()), special.reserve);
            }
        }
        interest
    }

    fn best_of_participants(&self, side: Side) -> Option<Price> {
        let displayed = self.best(side).map(|(price, _)| price);
        let dark = self.dark.priced(side).find(|(_, dark)| takes_part(&dark.order.asks())).map(|(price, _)| price);
        match (displayed, dark) {
            (Some(one), Some(other)) => Some(if crosses(side, one, other) { one } else { other }),
            (one, other) => one.or(other),
        }
    }

    /// Carries out the auction, if anything would trade in it.
    pub(super) fn uncross(&mut self, output: &mut BookOutput) {
        let Some(Candidate { price, volume, .. }) = self.equilibrium() else { return };
        let mut bids = self.participants(Side::Buy, price, volume).into_iter();
        let mut asks = self.participants(Side::Sell, price, volume).into_iter();
        self.aggregates += 1;
        let mut left = volume;
        let (mut bid, mut ask) = (bids.next(), asks.next());
        while let (Some(buyer), Some(seller)) = (&mut bid, &mut ask) {
            let quantity = buyer.open.min(seller.open).min(Quantity(u64::try_from(left).unwrap_or(u64::MAX)));
            if quantity.is_zero() {
                break;
            }
            buyer.open -= quantity;
            seller.open -= quantity;
            left -= u128::from(quantity.0);
            self.maker_takes_part(buyer.order, output);
            self.maker_takes_part(seller.order, output);
            self.trades += 1;
            // The younger order counts as the taker.
            let (maker, taker, taker_side) =
                if buyer.order > seller.order { (*seller, *buyer, Side::Buy) } else { (*buyer, *seller, Side::Sell) };
            output.fills.push(Fill {
                trade: TradeId(self.trades),
                aggregate: self.aggregates,
                price,
                quantity,
                taker_side,
                maker: maker.order,
                maker_account: maker.account,
                maker_remaining: maker.open,
                taker: taker.order,
                taker_account: taker.account,
                taker_remaining: taker.open,
            });
            let (buyer, seller) = (*buyer, *seller);
            for party in [maker, taker] {
                if party.open.is_zero() {
                    self.set_open(party, output);
                }
            }
            if buyer.open.is_zero() {
                bid = bids.next();
            }
            if seller.open.is_zero() {
                ask = asks.next();
            }
        }
        // What is left of the two at the end of the volume keeps its place.
        [bid, ask].into_iter().flatten().for_each(|party| self.set_open(party, output));
        self.state.protection.reference = Some(price);
        self.last = Some(price);
    }

    /// The orders of a side that trade at a price, in their order, as far as the volume goes.
    fn participants(&self, side: Side, price: Price, volume: u128) -> Vec<Participant> {
        let mut found = Vec::new();
        let mut gathered = 0_u128;
        let mut dark = self.dark.priced(side).filter(|(_, dark)| takes_part(&dark.order.asks())).peekable();
        let mut levels = self.ladder(side).iter().peekable();
        while gathered < volume {
            let next_level = levels.peek().map(|level| level.price);
            let next_dark = dark.peek().map(|(at, _)| *at);
            let first = match (next_level, next_dark) {
                (Some(level), Some(dark)) if crosses(side, dark, level) && dark != level => dark,
                (Some(level), _) => level,
                (None, Some(dark)) => dark,
                (None, None) => break,
            };
            if !crosses(side, first, price) {
                break;
            }
            let mut take = |participant: Participant| {
                gathered += u128::from(participant.open.0);
                found.push(participant);
            };
            if next_level == Some(first) {
                let mut slot = levels.next().map_or(NONE, |level| level.head);
                while slot != NONE {
                    let node = &self.orders[slot];
                    slot = self.orders.next(slot);
                    let reserve = if node.is_special() { self.reserve(node.id) } else { Quantity::ZERO };
                    let open = node.remaining + reserve;
                    take(Participant { order: node.id, account: node.account, open, displayed: true });
                }
            } else if let Some((_, resting)) = dark.next() {
                let (order, account) = (resting.order.id, resting.order.account);
                take(Participant { order, account, open: resting.remaining, displayed: false });
            }
        }
        found
    }

    /// Sets what is open of an order after the auction; one of which nothing is left has ended.
    fn set_open(&mut self, party: Participant, output: &mut BookOutput) {
        let Participant { order, open, displayed, .. } = party;
        if !displayed {
            if !open.is_zero() {
                let quantity = self.dark.get(order).map_or(Quantity::ZERO, |dark| dark.order.quantity);
                self.dark.set_open(order, quantity, open);
            } else if let Some(dark) = self.dark.remove(order) {
                self.resting_ended(order, &dark.order.asks(), true, output);
            }
            return;
        }
        let Some(entry) = self.orders.find(order) else { return };
        let node = self.orders[entry.slot];
        if open.is_zero() {
            output.levels.push(self.take_out(entry));
            if let Some(special) = self.specials.remove(order) {
                self.resting_ended(order, &special.instructions, true, output);
            }
            return;
        }
        let mut shown = open;
        if let Some(special) = self.specials.get_mut(order) {
            (shown, special.reserve) = special::split(&special.instructions, open);
        }
        if shown != node.remaining {
            let change = self.ladder_of(&node).resize(node.level_slot(), node.remaining, shown);
            output.levels.push(change);
            self.changes += 1;
            self.orders[entry.slot].remaining = shown;
        }
    }
}

/// Whether a resting order takes part in auctions.
fn takes_part(asks: &Instructions) -> bool {
    asks.minimum.is_zero() && asks.peg.is_none()
}
