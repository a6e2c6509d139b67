//! Matching where more than plain orders take part: orders that are not displayed, icebergs, orders of
//! lists, self-trade prevention, protection of trading. The taker meets one resting order after the
//! other; where a book is plain and so is the order, it never comes here.

use super::dark::Rank;
use super::{Book, BookOutput, Sweep, crosses, unlimited};
use crate::ids::{AccountId, OrderId, TradeId};
use crate::message::{BookEvent, Expiry, Fill, Placement};
use crate::order::{Display, Instructions, NewOrder, OrderKind, SelfTrade, Side};
use crate::reason::Reason;
use crate::slab::NONE;
use crate::units::{Notional, Price, Quantity};

/// A resting order as a taker meets it.
#[derive(Clone, Copy)]
struct Met {
    place: Place,
    order: OrderId,
    account: AccountId,
    price: Price,
    /// What of it can trade now: of an iceberg, the displayed part.
    open: Quantity,
    /// All that is open of it.
    whole: Quantity,
    /// The least that it trades at once.
    least: Quantity,
}

/// Where a resting order stands.
#[derive(Clone, Copy)]
enum Place {
    Displayed { slot: u32, level: u32, special: bool },
    Dark { rank: Rank },
}

/// Why a taker stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Nothing is left of it.
    Done,
    /// Nobody is left whom it could trade with.
    Alone,
    /// Its money does not pay for one lot more.
    Spent,
    /// It met an order of its own party, and lapses.
    Own,
    /// The next trade would have been outside of a band.
    Interrupted,
}

/// What a sweep came to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Swept {
    pub stop: Stop,
    /// Whether an order of its own party has taken something from it.
    pub prevented: bool,
}

/// What is asked of what an order could trade.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Question {
    /// How much it would trade.
    HowMuch,
    /// Whether it could pay for it, were it not bounded by its money.
    TooDear,
}

/// What an order could trade if it had its turn now.
#[derive(Clone, Copy, Debug, Default)]
struct Offer {
    traded: Quantity,
    decremented: Quantity,
    /// It met somebody with whom it would trade more than its money pays for.
    short: bool,
}

impl Book {
    /// Matches an order that is not plain, or in a book that is not.
    pub(super) fn work_carefully(&mut self, order: &NewOrder, output: &mut BookOutput) -> Placement {
        // The order is one of its group when it looks what it could trade; refused, it names none.
        let before = self.groups.of(order.account);
        let settled = self.settled;
        self.learn_group(order);
        match self.refuse_carefully(order, false) {
            Some(Placement::Rejected(reason)) => {
                self.groups.put(order.account, before);
                self.settled = settled;
                Placement::Rejected(reason)
            }
            Some(placement) => self.turned_away(order, placement, output),
            // From here on the order cannot fail.
            None => self.take_turn(order, output),
        }
    }

    /// Gives a triggered order its turn. It was taken in before, so what would refuse a new one
    /// makes it lapse.
    pub(super) fn take_part(&mut self, order: &NewOrder, output: &mut BookOutput) -> Placement {
        let placement = match self.refuse_carefully(order, true) {
            None => return self.take_turn(order, output),
            Some(Placement::Rejected(_)) => Placement::Expired { remaining: order.quantity, reason: Expiry::Liquidity },
            Some(placement) => placement,
        };
        self.turned_away(order, placement, output)
    }

    /// An order ends before it had a turn.
    fn turned_away(&mut self, order: &NewOrder, placement: Placement, output: &mut BookOutput) -> Placement {
        if matches!(placement, Placement::Expired { .. }) {
            self.taker_ended(order, false, output);
        }
        placement
    }

    /// The checks that only the book can make, before anything is written. A triggered order trades
    /// for as long as its money lasts.
    pub(super) fn refuse_carefully(&self, order: &NewOrder, triggered: bool) -> Option<Placement> {
        let makers = order.side.opposite();
        let asks = order.asks();
        let lapses = |reason| Some(Placement::Expired { remaining: order.quantity, reason });
        match order.kind {
            OrderKind::PostOnly => {
                let touch = self.touch_of(makers)?;
                return crosses(order.side, order.limit, touch).then_some(Placement::Rejected(Reason::WouldMatch));
            }
            OrderKind::PostOnlySlide => {
                let touch = self.touch_of(makers)?;
                let blocked = crosses(order.side, order.limit, touch) && slid(order, touch).is_none();
                return blocked.then_some(Placement::Rejected(Reason::WouldMatch));
            }
            OrderKind::FillOrKill => {
                let offer = self.offer(order, order.limit, order.quantity, Notional(u64::MAX), Question::HowMuch);
                let short = offer.traded + offer.decremented < order.quantity;
                return if short { lapses(Expiry::FillOrKill) } else { None };
            }
            // By quantity, the budget is what the account has. An order that it cannot pay for is
            // refused whole, not filled in part.
            OrderKind::Market if !triggered => {
                if self.offer(order, self.limit_of(order), order.quantity, order.budget, Question::TooDear).short {
                    return Some(Placement::Rejected(Reason::InsufficientBalance));
                }
            }
            OrderKind::MarketByQuote => {
                // Without a price there is no quantity to expire: the order is refused, as in the dialect.
                let Some(price) = self.first_met(order, self.limit_of(order), order.quantity, order.budget) else {
                    return Some(Placement::Rejected(Reason::NoLiquidity));
                };
                if order.budget < Notional(price.0) {
                    return Some(Placement::Rejected(Reason::NotionalTooSmall));
                }
            }
            OrderKind::Market | OrderKind::Limit | OrderKind::ImmediateOrCancel => {}
        }
        if !order.kind.may_rest() && !asks.minimum.is_zero() {
            let offer =
                self.offer(order, self.limit_of(order), order.quantity, self.budget_of(order), Question::HowMuch);
            if offer.traded < asks.minimum.min(order.quantity) {
                return lapses(Expiry::Minimum);
            }
        }
        None
    }

    /// An order takes what it can and wants, and what is left of it rests or lapses.
    fn take_turn(&mut self, order: &NewOrder, output: &mut BookOutput) -> Placement {
        let asks = order.asks();
        let mut order = *order;
        let mut resting = Resting::AtLimit;
        let mut limit = self.limit_of(&order);
        let mut takes = true;
        match order.kind {
            OrderKind::PostOnly => takes = false,
            OrderKind::PostOnlySlide => {
                takes = false;
                if let Some(touch) = self.touch_of(order.side.opposite())
                    && crosses(order.side, order.limit, touch)
                {
                    let price = slid(&order, touch).expect("refused where it cannot slide");
                    order.limit = price;
                    resting = Resting::Slid(price);
                }
            }
            OrderKind::Limit => {
                if let Some(peg) = asks.peg {
                    match super::dark::pegged(order.side, order.limit, peg, self.touch()) {
                        Some(price) => limit = price,
                        None => takes = false,
                    }
                }
                if takes && !asks.minimum.is_zero() {
                    let offer = self.offer(&order, limit, order.quantity, Notional(u64::MAX), Question::HowMuch);
                    takes = offer.traded >= asks.minimum.min(order.quantity);
                }
            }
            _ => {}
        }
        let mut sweep = Sweep {
            taker: order.id,
            account: order.account,
            limit,
            remaining: order.quantity,
            budget: self.budget_of(&order),
        };
        let swept = if takes {
            self.sweep_carefully(&order, &mut sweep, output)
        } else {
            Swept { stop: Stop::Alone, prevented: false }
        };
        let placement = self.end_of_turn(&order, resting, &sweep, swept, output);
        match placement {
            Placement::Filled => self.taker_ended(&order, true, output),
            Placement::Expired { .. } => self.taker_ended(&order, false, output),
            _ => {}
        }
        placement
    }

    /// What becomes of what is left of a taker.
    fn end_of_turn(
        &mut self,
        order: &NewOrder,
        resting: Resting,
        sweep: &Sweep,
        swept: Swept,
        output: &mut BookOutput,
    ) -> Placement {
        let remaining = sweep.remaining;
        let by_quote = order.kind == OrderKind::MarketByQuote;
        let spent = by_quote && sweep.budget < order.budget && (sweep.budget.is_zero() || swept.stop == Stop::Spent);
        // It lapses, or nothing is left of it although it did not trade all.
        let ended = swept.stop == Stop::Own
            || (swept.prevented && order.asks().self_trade == SelfTrade::Decrement && (remaining.is_zero() || spent));
        if ended {
            return Placement::Expired { remaining, reason: Expiry::SelfTrade };
        }
        if remaining.is_zero() || spent {
            return Placement::Filled;
        }
        if order.kind.may_rest() {
            self.rest(order, remaining, output);
            return match resting {
                Resting::AtLimit => Placement::Resting { remaining },
                Resting::Slid(price) => Placement::Slid { remaining, price },
            };
        }
        let reason = match order.kind {
            _ if swept.stop == Stop::Interrupted => Expiry::Interruption,
            OrderKind::ImmediateOrCancel => Expiry::ImmediateOrCancel,
            OrderKind::FillOrKill => Expiry::FillOrKill,
            _ => Expiry::Liquidity,
        };
        Placement::Expired { remaining, reason }
    }

    /// Takes from the other side until the taker is done, bounded, alone, stopped by its own party, or
    /// by a band.
    pub(super) fn sweep_carefully(&mut self, order: &NewOrder, sweep: &mut Sweep, output: &mut BookOutput) -> Swept {
        let asks = order.asks();
        let by_quote = order.kind == OrderKind::MarketByQuote;
        let band = self.band();
        let mut prevented = false;
        let mut passed: Option<Rank> = None;
        // Trades at one price that nothing stands between are one aggregate.
        let mut last_price = None;
        let mut traded = false;
        let stop = loop {
            if sweep.remaining.is_zero() {
                break Stop::Done;
            }
            let Some(met) = self.meet(order, sweep.limit, passed) else { break Stop::Alone };
            let affordable = Quantity(sweep.budget.0 / met.price.0.max(1));
            let open = sweep.remaining.min(met.open);
            let quantity = open.min(affordable);
            if let Place::Dark { rank } = met.place
                && quantity < met.least
            {
                passed = Some(rank);
                continue;
            }
            // Where the money buys nothing more, no trade is prevented either.
            if affordable.is_zero() {
                break Stop::Spent;
            }
            if !band.contains(&met.price) {
                if order.kind == OrderKind::FillOrKill {
                    break Stop::Alone;
                }
                break Stop::Interrupted;
            }
            if asks.self_trade != SelfTrade::Allow && self.groups.are_one(met.account, order.account) {
                prevented = true;
                match asks.self_trade {
                    SelfTrade::Allow => unreachable!("an order that allows it meets everybody"),
                    SelfTrade::ExpireTaker => break Stop::Own,
                    SelfTrade::ExpireMaker => self.lapse(met.order, Expiry::SelfTrade, output),
                    SelfTrade::ExpireBoth => {
                        self.lapse(met.order, Expiry::SelfTrade, output);
                        break Stop::Own;
                    }
                    // By quantity, money does not bound what costs none.
                    SelfTrade::Decrement => {
                        let lost = if by_quote { quantity } else { open };
                        if by_quote {
                            sweep.budget -= met.price.times(lost);
                        }
                        sweep.remaining -= lost;
                        self.decrement(&met, lost, sweep.taker, output);
                    }
                }
                continue;
            }
            if !std::mem::replace(&mut traded, true)
                && let Some(link) = asks.link
            {
                self.partner_took_part(&link, output);
            }
            if let Place::Displayed { special: true, .. } | Place::Dark { .. } = met.place {
                self.maker_takes_part(met.order, output);
            }
            sweep.remaining -= quantity;
            sweep.budget -= met.price.times(quantity);
            if last_price != Some(met.price) {
                self.aggregates += 1;
                last_price = Some(met.price);
            }
            self.trades += 1;
            output.fills.push(Fill {
                trade: TradeId(self.trades),
                aggregate: self.aggregates,
                price: met.price,
                quantity,
                taker_side: order.side,
                maker: met.order,
                maker_account: met.account,
                maker_remaining: met.whole - quantity,
                taker: sweep.taker,
                taker_account: sweep.account,
                taker_remaining: sweep.remaining,
            });
            self.use_up(&met, quantity, true, output);
        };
        if stop == Stop::Interrupted {
            self.interrupt(output);
        }
        Swept { stop, prevented }
    }

    /// The first resting order that the taker could trade with, behind those that it passed over.
    fn meet(&self, taker: &NewOrder, limit: Price, passed: Option<Rank>) -> Option<Met> {
        let makers = taker.side.opposite();
        let displayed = self.ladder(makers).best_within(limit);
        let dark = self.dark.first_behind(makers, passed);
        let dark = dark.filter(|(_, price, _)| crosses(taker.side, limit, *price));
        if let Some((rank, price, dark)) = dark
            && displayed.is_none_or(|(_, level)| price != level.price && crosses(taker.side, level.price, price))
        {
            let least = dark.order.asks().minimum.min(dark.remaining);
            return Some(Met {
                place: Place::Dark { rank },
                order: dark.order.id,
                account: dark.order.account,
                price,
                open: dark.remaining,
                whole: dark.remaining,
                least,
            });
        }
        let (level_slot, level) = displayed?;
        let slot = level.head;
        let node = &self.orders[slot];
        let reserve = if node.is_special() { self.reserve(node.id) } else { Quantity::ZERO };
        Some(Met {
            place: Place::Displayed { slot, level: level_slot, special: node.is_special() },
            order: node.id,
            account: node.account,
            price: level.price,
            open: node.remaining,
            whole: node.remaining + reserve,
            least: Quantity::ZERO,
        })
    }

    /// Both orders lose what they would have traded.
    fn decrement(&mut self, met: &Met, quantity: Quantity, taker: OrderId, output: &mut BookOutput) {
        let (maker, maker_remaining, after) = (met.order, met.whole - quantity, output.filled());
        output.events.push(BookEvent::Decremented { maker, taker, quantity, maker_remaining, after });
        self.use_up(met, quantity, false, output);
    }

    /// Takes a quantity off a resting order. Where its displayed part is used up, the next one takes
    /// its place behind the others.
    fn use_up(&mut self, met: &Met, quantity: Quantity, traded: bool, output: &mut BookOutput) {
        let left = met.open - quantity;
        match met.place {
            Place::Displayed { slot, level, .. } if !left.is_zero() => {
                let node = self.orders[slot];
                self.orders[slot].remaining = left;
                let change = self.ladder_of(&node).shrink(level, quantity);
                output.levels.push(change);
                self.changes += 1;
            }
            Place::Displayed { slot, special, .. } => {
                let node = self.orders[slot];
                if let Some(found) = self.orders.find(node.id) {
                    output.levels.push(self.take_out(found));
                }
                if special {
                    self.show_next_part(&node, met.price, traded, output);
                }
            }
            Place::Dark { .. } if !left.is_zero() => {
                let quantity = self.dark.get(met.order).map_or(Quantity::ZERO, |dark| dark.order.quantity);
                self.dark.set_open(met.order, quantity, left);
            }
            Place::Dark { .. } => {
                if let Some(dark) = self.dark.remove(met.order) {
                    self.resting_ended(dark.order.id, &dark.order.asks(), traded, output);
                }
            }
        }
    }

    /// What an order could trade, best first, as if nobody else came and nothing were written.
    fn offer(&self, order: &NewOrder, limit: Price, quantity: Quantity, budget: Notional, asked: Question) -> Offer {
        let mut offer = Offer::default();
        let mode = order.asks().self_trade;
        let by_quote = order.kind == OrderKind::MarketByQuote;
        let makers = order.side.opposite();
        let band = self.band();
        let within = |price: &Price| crosses(order.side, limit, *price);
        let (mut left, mut money) = (quantity, budget);
        // What the taker does with an order that it meets: whether it goes on behind it.
        let mut meets = |account: AccountId, price: Price, open: Quantity, least: Quantity| {
            let affordable = Quantity(money.0 / price.0.max(1));
            if left.is_zero() {
                return false;
            }
            let wanted = left.min(open);
            let taken = wanted.min(affordable);
            if taken < least {
                return true;
            }
            if asked == Question::HowMuch && affordable.is_zero() {
                return false;
            }
            if !band.contains(&price) {
                return false;
            }
            if mode != SelfTrade::Allow && self.groups.are_one(account, order.account) {
                match mode {
                    SelfTrade::ExpireTaker | SelfTrade::ExpireBoth => return false,
                    SelfTrade::ExpireMaker | SelfTrade::Allow => {}
                    SelfTrade::Decrement => {
                        let lost = if by_quote { taken } else { wanted };
                        if by_quote {
                            money -= price.times(lost);
                        }
                        left -= lost;
                        offer.decremented += lost;
                        // What is left of the maker stops the taker, whose money it is too dear for,
                        // unless its minimum lets it be passed over.
                        return lost == wanted || !least.is_zero();
                    }
                }
                return true;
            }
            left -= taken;
            if budget.0 != u64::MAX {
                money -= price.times(taken);
            }
            offer.traded += taken;
            offer.short = taken < wanted;
            !offer.short || asked == Question::HowMuch && !least.is_zero()
        };
        let mut dark = self.dark.priced(makers).peekable();
        let mut levels = self.ladder(makers).iter().take_while(|level| within(&level.price)).peekable();
        loop {
            let next_dark = dark.peek().map(|(price, _)| *price).filter(within);
            let next_level = levels.peek().map(|level| level.price);
            match (next_level, next_dark) {
                (None, None) => return offer,
                (Some(price), ahead) if ahead.is_none_or(|ahead| crosses(makers, price, ahead)) => {
                    let Some(level) = levels.next() else { return offer };
                    if !self.walk_level(level.head, level.price, order, &mut meets) {
                        return offer;
                    }
                }
                _ => {
                    let Some((price, resting)) = dark.next() else { return offer };
                    let least = resting.order.asks().minimum.min(resting.remaining);
                    if !meets(resting.order.account, price, resting.remaining, least) {
                        return offer;
                    }
                }
            }
        }
    }

    /// Shows a taker the orders of a level in the order in which it meets them: the displayed parts,
    /// and then, where it loses something to its own party, part after part; otherwise their order does
    /// not matter and each reserve counts with its first part.
    fn walk_level(
        &self,
        head: u32,
        price: Price,
        taker: &NewOrder,
        meets: &mut impl FnMut(AccountId, Price, Quantity, Quantity) -> bool,
    ) -> bool {
        let mode = taker.asks().self_trade;
        let in_order = !matches!(mode, SelfTrade::Allow | SelfTrade::ExpireMaker);
        let mut later: Vec<(AccountId, Quantity, Quantity)> = Vec::new();
        let mut slot = head;
        while slot != NONE {
            let node = &self.orders[slot];
            slot = self.orders.next(slot);
            let mut open = node.remaining;
            if node.is_special()
                && let Some(special) = self.specials.get(node.id)
                && !special.reserve.is_zero()
            {
                if in_order {
                    later.push((node.account, special.reserve, peak(&special.instructions)));
                } else if mode == SelfTrade::ExpireMaker && self.groups.are_one(node.account, taker.account) {
                    // It lapses whole.
                } else {
                    open += special.reserve;
                }
            }
            if !meets(node.account, price, open, Quantity::ZERO) {
                return false;
            }
        }
        while !later.is_empty() {
            for (account, reserve, peak) in &mut later {
                let part = (*reserve).min(*peak);
                *reserve -= part;
                if !meets(*account, price, part, Quantity::ZERO) {
                    return false;
                }
            }
            later.retain(|(_, reserve, _)| !reserve.is_zero());
        }
        true
    }

    /// The worst price that an order may trade at.
    pub(super) fn limit_of(&self, order: &NewOrder) -> Price {
        if order.kind.has_limit() {
            return order.limit;
        }
        let slippage = order.asks().slippage;
        match self.touch_of(order.side.opposite()) {
            Some(touch) if !slippage.is_zero() => super::phase::bound(order.side, touch, slippage),
            _ => unlimited(order.side),
        }
    }

    fn budget_of(&self, order: &NewOrder) -> Notional {
        if order.kind.has_limit() { Notional(u64::MAX) } else { order.budget }
    }

    /// The price of the first order that a taker would meet, whoever's it is.
    fn first_met(&self, order: &NewOrder, limit: Price, quantity: Quantity, budget: Notional) -> Option<Price> {
        let mut passed = None;
        loop {
            let met = self.meet(order, limit, passed)?;
            let could_take = quantity.min(Quantity(budget.0 / met.price.0.max(1)));
            match met.place {
                Place::Dark { rank } if could_take.min(met.open) < met.least => passed = Some(rank),
                _ => return Some(met.price),
            }
        }
    }

    /// The oldest order that is not displayed and could have a turn as a taker now.
    pub(super) fn find_resumable(&self) -> Option<(OrderId, Price)> {
        let mut oldest: Option<(u64, OrderId, Price)> = None;
        let unbounded = Notional(u64::MAX);
        for side in [Side::Buy, Side::Sell] {
            let Some(touch) = self.touch_of(side.opposite()) else { continue };
            for (price, dark) in self.dark.priced(side).take_while(|(price, _)| crosses(side, *price, touch)) {
                if oldest.is_some_and(|(sequence, ..)| sequence < dark.sequence) {
                    continue;
                }
                let met = self.first_met(&dark.order, price, dark.remaining, unbounded);
                if met.is_none_or(|met| !self.band().contains(&met)) {
                    continue;
                }
                let least = dark.order.asks().minimum.min(dark.remaining);
                if least.is_zero()
                    || self.offer(&dark.order, price, dark.remaining, unbounded, Question::HowMuch).traded >= least
                {
                    oldest = Some((dark.sequence, dark.order.id, price));
                }
            }
        }
        oldest.map(|(_, order, price)| (order, price))
    }

    /// A resting order that is not displayed has a turn as the taker. It keeps its age.
    pub(super) fn resume(&mut self, id: OrderId, price: Price, output: &mut BookOutput) -> Placement {
        let dark = *self.dark.get(id).expect("found to be able to trade");
        let order = NewOrder { quantity: dark.remaining, ..dark.order };
        let mut sweep = Sweep {
            taker: id,
            account: order.account,
            limit: price,
            remaining: dark.remaining,
            budget: Notional(u64::MAX),
        };
        let swept = self.sweep_carefully(&order, &mut sweep, output);
        let remaining = sweep.remaining;
        if swept.stop == Stop::Own || remaining.is_zero() {
            self.dark.remove(id);
            let decremented = swept.prevented && order.asks().self_trade == SelfTrade::Decrement;
            let filled = swept.stop != Stop::Own && !decremented;
            self.resting_ended(id, &order.asks(), filled, output);
            return if filled {
                Placement::Filled
            } else {
                Placement::Expired { remaining, reason: Expiry::SelfTrade }
            };
        }
        self.dark.set_open(id, dark.order.quantity, remaining);
        Placement::Resting { remaining }
    }
}

/// Where what is left of a taker rests.
#[derive(Clone, Copy)]
enum Resting {
    AtLimit,
    Slid(Price),
}

/// One tick behind a price that an order must not meet, if there is such a price.
fn slid(order: &NewOrder, touch: Price) -> Option<Price> {
    match order.side {
        Side::Buy => (touch.0 > 1).then(|| Price(touch.0 - 1)),
        Side::Sell => touch.0.checked_add(1).map(Price),
    }
}

fn peak(asks: &Instructions) -> Quantity {
    match asks.display {
        Display::Iceberg(peak) => peak,
        Display::All | Display::Hidden => Quantity(u64::MAX),
    }
}
