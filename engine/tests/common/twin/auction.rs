//! The call auction.

use rialto_engine::ids::{OrderId, TradeId};
use rialto_engine::message::{Fill, Phase};
use rialto_engine::order::{NewOrder, Side};
use rialto_engine::units::{Price, Quantity};

use super::matching::rank;
use super::state::shown_of;
use super::{Done, Twin};

/// An order that takes part in an auction, with all that is open of it.
struct Participant {
    order: NewOrder,
    price: Price,
    open: u64,
}

/// What an auction could do at a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Equilibrium {
    pub price: Price,
    pub volume: u64,
    /// Bids minus asks.
    pub imbalance: i128,
}

impl Twin {
    /// What an auction would do now, as it is published.
    pub fn indicative(&self) -> Option<Equilibrium> {
        if matches!(self.phase, Phase::PreOpen | Phase::Auction) { self.equilibrium().0 } else { None }
    }

    /// Those of a side that take part, the first to trade first.
    fn participants(&self, side: Side) -> Vec<Participant> {
        let shown = self.side(side).iter().map(|resting| Participant {
            order: resting.order,
            price: resting.price,
            open: resting.open().0,
        });
        let dark = self.dark.iter().filter(|dark| {
            let asks = dark.order.asks();
            dark.order.side == side && asks.minimum.is_zero() && asks.peg.is_none()
        });
        let dark = dark.map(|dark| Participant {
            order: dark.order,
            price: dark.price.expect("not pegged"),
            open: dark.remaining.0,
        });
        let mut all: Vec<Participant> = shown.chain(dark).collect();
        // What is displayed stands in front of what is not, and each in its order: the sort is stable.
        all.sort_by_key(|participant| rank(side, participant.price));
        all
    }

    /// The auction price and what could be had at it, and whether it took more than volume and
    /// imbalance to find it.
    fn equilibrium(&self) -> (Option<Equilibrium>, bool) {
        let (bids, asks) = (self.participants(Side::Buy), self.participants(Side::Sell));
        let mut prices: Vec<Price> = bids.iter().chain(&asks).map(|participant| participant.price).collect();
        prices.sort_unstable();
        prices.dedup();
        let at = |price: Price| {
            let buys = bids.iter().filter(|bid| bid.price >= price).map(|bid| u128::from(bid.open)).sum::<u128>();
            let sells = asks.iter().filter(|ask| ask.price <= price).map(|ask| u128::from(ask.open)).sum::<u128>();
            let volume = u64::try_from(buys.min(sells)).expect("quantities sum to a word");
            let imbalance = i128::try_from(buys).expect("small") - i128::try_from(sells).expect("small");
            Equilibrium { price, volume, imbalance }
        };
        let mut best: Vec<Equilibrium> = prices.into_iter().map(at).filter(|at| at.volume > 0).collect();
        let volume = best.iter().map(|at| at.volume).max();
        best.retain(|at| Some(at.volume) == volume);
        let imbalance = best.iter().map(|at| at.imbalance.abs()).min();
        best.retain(|at| Some(at.imbalance.abs()) == imbalance);
        let tie = best.len() > 1;
        let chosen = if best.iter().all(|at| at.imbalance > 0) {
            best.last()
        } else if best.iter().all(|at| at.imbalance < 0) {
            best.first()
        } else if let Some(reference) = self.protection.reference.or(self.last) {
            // The higher of two equally near ones is the last of them.
            best.iter().rev().min_by_key(|at| at.price.0.abs_diff(reference.0))
        } else {
            best.first()
        };
        (chosen.copied(), tie)
    }

    /// Carries the auction out.
    pub(super) fn auction(&mut self, done: &mut Done) {
        let (Some(found), tie) = self.equilibrium() else { return };
        self.counts.auctions += 1;
        self.counts.ties += u64::from(tie);
        let (bids, asks) = (self.participants(Side::Buy), self.participants(Side::Sell));
        self.aggregates += 1;
        let mut volume = found.volume;
        let (mut bid, mut ask) = (0, 0);
        let mut left = [bids[0].open, asks[0].open];
        while volume > 0 {
            if left[0] == 0 {
                bid += 1;
                left[0] = bids[bid].open;
            }
            if left[1] == 0 {
                ask += 1;
                left[1] = asks[ask].open;
            }
            let quantity = left[0].min(left[1]).min(volume);
            volume -= quantity;
            left = left.map(|left| left - quantity);
            let (buy, sell) = ((bids[bid].order, left[0]), (asks[ask].order, left[1]));
            let (maker, taker) = if buy.0.id < sell.0.id { (buy, sell) } else { (sell, buy) };
            self.partner_lapses(&buy.0, done);
            self.partner_lapses(&sell.0, done);
            self.trades += 1;
            done.fills.push(Fill {
                trade: TradeId(self.trades),
                aggregate: self.aggregates,
                price: found.price,
                quantity: Quantity(quantity),
                taker_side: taker.0.side,
                maker: maker.0.id,
                maker_account: maker.0.account,
                maker_remaining: Quantity(maker.1),
                taker: taker.0.id,
                taker_account: taker.0.account,
                taker_remaining: Quantity(taker.1),
            });
            for (order, left) in [maker, taker] {
                self.leave(order.id, Quantity(left));
                if left == 0 {
                    self.release(&order);
                }
            }
        }
        self.protection.reference = Some(found.price);
        self.last = Some(found.price);
    }

    /// Leaves so much of an order open, at its place.
    fn leave(&mut self, id: OrderId, open: Quantity) {
        if open.is_zero() {
            self.remove(id);
            return;
        }
        for resting in self.bids.iter_mut().chain(&mut self.asks).filter(|resting| resting.order.id == id) {
            resting.shown = shown_of(&resting.order, open);
            resting.reserve = open - resting.shown;
        }
        for dark in self.dark.iter_mut().filter(|dark| dark.order.id == id) {
            dark.remaining = open;
        }
    }
}
