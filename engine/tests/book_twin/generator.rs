//! Where random commands come from.

use std::collections::VecDeque;

use rialto_engine::book::CASCADE_MAX;
use rialto_engine::ids::{AccountId, OrderId};
use rialto_engine::message::{BookCommand, CancelRestriction, Phase, Protection};
use rialto_engine::order::{
    Activation, Display, Distance, Instructions, Lifetime, Link, NewOrder, OrderKind, Peg, PegReference, SelfTrade,
    Side, Trail, Trigger,
};
use rialto_engine::units::{BasisPoints, Nanos, Notional, Price, Quantity};

use crate::random::Random;
use crate::twin::Twin;

/// Where prices come from.
#[derive(Clone, Copy, Debug)]
pub enum Prices {
    /// Around a middle that wanders: `width` ticks to each side, at most `step` ticks a command.
    Wandering { width: u64, step: u64 },
    /// Powers of two and their neighbours, up to 2^57: pages far apart, and their edges.
    Gaps,
}

/// How often an order, of a hundred that may, asks for something beyond its kind.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spices {
    pub iceberg: u64,
    pub hidden: u64,
    pub minimum: u64,
    pub peg: u64,
    /// Of a hundred post-only orders, how many may slide.
    pub slide: u64,
    /// A lifetime that ends soon.
    pub lifetime: u64,
    pub slippage: u64,
    /// How many accounts there are in trade groups.
    pub groups: u64,
    /// Of a hundred commands that place something, how many place a list.
    pub lists: u64,
    /// Of ten thousand commands, how many change the phase.
    pub phases: u64,
    /// Of ten thousand commands, how many change the protection.
    pub bands: u64,
}

/// One way to drive a book.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    pub prices: Prices,
    /// Where prices begin. A trail of a basis point is a tick at ten thousand.
    pub middle: u64,
    pub max_quantity: u64,
    /// Of a hundred orders, how many keep to their side of the middle.
    pub patient: u64,
    /// Of a hundred orders, how many do not trade with their own account.
    pub guarded: u64,
    /// Of a hundred orders that may, how many wait for a trigger.
    pub triggered: u64,
    /// Of ten thousand commands, how many begin a storm: many stops close together, and a trade
    /// that fires them.
    pub storms: u64,
    pub spices: Spices,
    /// How many orders there are about, once the book is full.
    pub orders: usize,
    pub commands: usize,
    /// After how many commands everything is compared, not only what the command touched.
    pub full_check: usize,
}

/// A command and when it was accepted.
#[derive(Clone, Debug)]
pub struct Step {
    pub time: Nanos,
    pub command: BookCommand,
}

pub struct Generator {
    pub random: Random,
    profile: Profile,
    middle: u64,
    last_id: u64,
    now: u64,
    /// What is to come before anything else.
    script: VecDeque<BookCommand>,
    groups: [u32; 8],
}

impl Generator {
    pub fn new(seed: u64, profile: Profile) -> Self {
        Self {
            random: Random::new(seed),
            profile,
            middle: profile.middle,
            last_id: 0,
            now: 0,
            script: VecDeque::new(),
            groups: [0; 8],
        }
    }

    /// The next command. Time goes on with it, or stands still.
    pub fn step(&mut self, twin: &Twin) -> Step {
        self.now += match self.random.below(200) {
            0 => self.random.below(40),
            1..60 => 0,
            _ => 1,
        };
        let now = self.now;
        let mut command = self.command(twin);
        // What stood in the script for long must not have ended before it begins.
        let renew = |order: &mut NewOrder| {
            if let Some(asks) = &mut order.instructions {
                match &mut asks.lifetime {
                    Lifetime::Until(end) | Lifetime::Day(end) if end.0 <= now => *end = Nanos(now + 1),
                    _ => {}
                }
            }
        };
        match &mut command {
            BookCommand::Place(order) | BookCommand::Replace { new: order, .. } => renew(order),
            BookCommand::PlaceList(orders) => orders.iter_mut().for_each(renew),
            _ => {}
        }
        Step { time: Nanos(now), command }
    }

    fn price(&mut self) -> Price {
        let random = &mut self.random;
        match self.profile.prices {
            Prices::Wandering { width, step } => {
                self.middle = (self.middle + random.between(0, 2 * step)).saturating_sub(step).max(width + 1);
                // Two draws make prices near the middle likelier.
                let half = random.between(0, width) + random.between(0, width);
                Price(self.middle + half - width)
            }
            Prices::Gaps => {
                let power = 1_u64 << random.between(1, 57);
                Price((power + random.between(0, 2)).saturating_sub(1).min(1 << 57))
            }
        }
    }

    fn limit(&mut self, side: Side) -> Price {
        let mut limit = self.price();
        if self.random.percent(self.profile.patient) && (side == Side::Buy) == (limit.0 > self.middle) {
            limit.0 = (2 * self.middle).saturating_sub(limit.0).max(1);
        }
        limit
    }

    fn kind(&mut self) -> OrderKind {
        match self.random.below(100) {
            0..58 => OrderKind::Limit,
            58..66 => OrderKind::ImmediateOrCancel,
            66..74 => OrderKind::FillOrKill,
            74..84 => {
                if self.random.percent(self.profile.spices.slide) {
                    OrderKind::PostOnlySlide
                } else {
                    OrderKind::PostOnly
                }
            }
            84..92 => OrderKind::Market,
            _ => OrderKind::MarketByQuote,
        }
    }

    fn order(&mut self) -> NewOrder {
        let kind = self.kind();
        self.order_of(kind)
    }

    fn order_of(&mut self, kind: OrderKind) -> NewOrder {
        self.last_id += 1;
        let side = if self.random.percent(50) { Side::Buy } else { Side::Sell };
        let limit = self.limit(side);
        let random = &mut self.random;
        let mut quantity = random.between(1, self.profile.max_quantity);
        if random.below(10 + self.profile.orders as u64) == 0 {
            // A giant, to sweep many levels; times the highest price it stays below 2^62.
            let most = if matches!(self.profile.prices, Prices::Gaps) { 31 } else { u64::MAX };
            quantity = (quantity * random.between(2, 20)).min(most);
        }
        let cost = limit.0.saturating_mul(quantity);
        let budget = match kind {
            OrderKind::Market | OrderKind::MarketByQuote => match random.below(8) {
                0 => 0,
                1 => u64::MAX,
                2 => cost,
                3 => limit.0.saturating_sub(1),
                4 => random.between(0, limit.0),
                _ => random.between(0, cost.saturating_mul(2).min(1 << 62)),
            },
            _ => u64::MAX,
        };
        // Where accounts are few, they often meet themselves.
        let accounts = if self.profile.guarded > 0 { 3 } else { 5 };
        let account = AccountId(u32::try_from(random.below(accounts)).expect("small"));
        NewOrder {
            id: OrderId(self.last_id),
            account,
            side,
            kind,
            limit: if kind.has_limit() { limit } else { Price::ZERO },
            quantity: Quantity(quantity),
            budget: Notional(budget),
            time: Nanos(self.now),
            instructions: self.instructions(kind, account, quantity),
        }
    }

    fn instructions(&mut self, kind: OrderKind, account: AccountId, quantity: u64) -> Option<Instructions> {
        let spices = self.profile.spices;
        let mut asks = Instructions::default();
        if self.random.percent(self.profile.guarded) {
            asks.self_trade = SelfTrade::ALL[self.random.between(1, 4) as usize];
        }
        asks.group = self.group(account);
        let pegged = kind == OrderKind::Limit && self.random.percent(spices.peg);
        // Orders that must rest and those by quote amount are not offered with a trigger.
        let may_wait = !kind.may_rest() && kind != OrderKind::MarketByQuote || kind == OrderKind::Limit;
        if may_wait && !pegged && self.random.percent(self.profile.triggered) {
            asks.trigger = Some(self.trigger());
        }
        let may_have_minimum = !matches!(kind, OrderKind::PostOnly | OrderKind::PostOnlySlide | OrderKind::FillOrKill);
        if may_have_minimum && self.random.percent(spices.minimum) {
            asks.minimum = Quantity(match self.random.below(4) {
                0 => quantity,
                1 => self.random.between(1, 3).min(quantity),
                _ => self.random.between(1, quantity),
            });
        }
        if pegged {
            asks.peg = Some(self.peg());
        } else if kind.may_rest() {
            if self.random.percent(spices.hidden) {
                asks.display = Display::Hidden;
            } else if asks.minimum.is_zero() && self.random.percent(spices.iceberg) {
                asks.display = Display::Iceberg(Quantity(self.random.between(1, quantity.div_ceil(3))));
            }
        }
        if (kind.may_rest() || asks.trigger.is_some()) && self.random.percent(spices.lifetime) {
            asks.lifetime = self.lifetime();
        }
        if !kind.has_limit() && self.random.percent(spices.slippage) {
            // A tick or a few, or none at all.
            let ticks = self.random.below(4) * 10_000;
            let share = ticks.div_ceil(self.middle.clamp(1, 1 << 20)) + self.random.below(2);
            asks.slippage = BasisPoints(u32::try_from(share).expect("small"));
        }
        (!asks.is_plain()).then_some(asks)
    }

    /// The group of an account, as the wallet gives it. It changes now and then.
    fn group(&mut self, account: AccountId) -> u32 {
        let groups = self.profile.spices.groups;
        if u64::from(account.0) >= groups {
            return 0;
        }
        let group = &mut self.groups[account.0 as usize];
        if self.random.below(200) == 0 {
            *group = u32::try_from(self.random.between(1, 2)).expect("small");
        }
        *group
    }

    fn peg(&mut self) -> Peg {
        let reference = PegReference::ALL[self.random.below(3) as usize];
        let offset = match self.random.below(8) {
            0..3 => 0,
            // As far as prices go, which is as far as the wallet lets it.
            3 => -self.far(),
            4 => self.far(),
            far => i64::try_from(self.random.below(far)).expect("small") - 2,
        };
        Peg { reference, offset }
    }

    fn far(&self) -> i64 {
        match self.profile.prices {
            Prices::Wandering { .. } => i64::try_from(self.middle).expect("small"),
            Prices::Gaps => 1 << 57,
        }
    }

    fn lifetime(&mut self) -> Lifetime {
        let ahead = if self.random.percent(80) { 12 } else { 200 };
        let end = Nanos(self.now + self.random.between(1, ahead));
        if self.random.percent(70) { Lifetime::Until(end) } else { Lifetime::Day(end) }
    }

    fn trigger(&mut self) -> Trigger {
        let price = self.price();
        match self.random.below(6) {
            0 | 1 => Trigger::Rise(price),
            2 | 3 => Trigger::Fall(price),
            side => {
                let activation = match self.random.below(4) {
                    0 | 1 => None,
                    2 => Some(Activation::Rise(price)),
                    _ => Some(Activation::Fall(price)),
                };
                let share = match self.random.below(4) {
                    0 => self.random.between(1, 9_999),
                    1 => self.random.between(1, 100),
                    _ => self.random.between(1, 3),
                };
                let distance = if self.random.percent(50) {
                    Distance::Share(BasisPoints(u32::try_from(share).expect("small")))
                } else {
                    Distance::Ticks(Price(self.random.between(1, 4)))
                };
                let trail = Trail { distance, activation };
                if side == 4 { Trigger::TrailRise(trail) } else { Trigger::TrailFall(trail) }
            }
        }
    }

    /// Orders that hang together as the wallet makes them.
    fn list(&mut self, twin: &Twin) -> BookCommand {
        let list = OrderId(self.last_id + 1);
        let mut orders = Vec::new();
        let form = self.random.below(3);
        if form > 0 {
            let kind = match self.random.below(4) {
                0 => OrderKind::PostOnly,
                1 => OrderKind::PostOnlySlide,
                _ => OrderKind::Limit,
            };
            let mut working = self.order_of(kind);
            let asks = Instructions { peg: None, ..working.asks() };
            working.instructions = Some(asks);
            orders.push(working);
        }
        if form == 1 {
            let kind = match self.random.below(5) {
                0 => OrderKind::PostOnly,
                1 => OrderKind::Market,
                2 => OrderKind::ImmediateOrCancel,
                3 => OrderKind::FillOrKill,
                _ => OrderKind::Limit,
            };
            orders.push(self.order_of(kind));
        } else {
            orders.extend(self.pair(twin));
        }
        let first = orders[0];
        let ids: Vec<OrderId> = orders.iter().map(|order| order.id).collect();
        for (position, order) in orders.iter_mut().enumerate() {
            order.account = first.account;
            let partner = match (form, position) {
                (0, _) => Some(ids[1 - position]),
                (2, 1) => Some(ids[2]),
                (2, 2) => Some(ids[1]),
                _ => None,
            };
            let after = (form > 0 && position > 0).then_some(list);
            let link = Some(Link { list, partner, after });
            let group = first.asks().group;
            order.instructions = Some(Instructions { group, peg: None, link, ..order.asks() });
        }
        BookCommand::PlaceList(orders.into())
    }

    /// Two orders of one side and quantity: one that must rest and one that waits, or two that wait.
    fn pair(&mut self, twin: &Twin) -> [NewOrder; 2] {
        let must_rest = self.random.percent(60);
        let first_kind = if must_rest { OrderKind::PostOnly } else { OrderKind::Limit };
        let second_kind = if self.random.percent(40) { OrderKind::Market } else { OrderKind::Limit };
        let (mut first, mut second) = (self.order_of(first_kind), self.order_of(second_kind));
        (second.side, second.quantity) = (first.side, first.quantity);
        let last = twin.last.map_or(self.middle, |last| last.0);
        let away = self.random.between(1, 3);
        let [above, below] = [Price(last + away), Price(last.saturating_sub(away).max(1))];
        let fit = |asks: Instructions, trigger| Some(Instructions { trigger, peg: None, ..asks });
        let minimum = second.asks().minimum.min(second.quantity);
        second.instructions = fit(Instructions { minimum, ..second.asks() }, Some(Trigger::Fall(below)));
        first.instructions = fit(first.asks(), (!must_rest).then_some(Trigger::Rise(above)));
        if must_rest && first.side == Side::Buy {
            // A buyer waits below for a better price and above for the loss.
            second.instructions = fit(second.asks(), Some(Trigger::Rise(above)));
        }
        if self.random.percent(50) {
            // Ids follow the order of the list.
            std::mem::swap(&mut first.id, &mut second.id);
            return [second, first];
        }
        [first, second]
    }

    /// Many stops at neighbouring prices just beyond the last one, and an order that sweeps the
    /// book up or down to them.
    fn storm(&mut self, twin: &Twin) {
        let Some(last) = twin.last else { return };
        let up = self.random.percent(50);
        let reach = self.random.between(1, 6);
        let stops = self.random.between(2, 4 * CASCADE_MAX as u64);
        let beyond = |away: u64| Price(if up { last.0 + away } else { last.0.saturating_sub(away).max(1) });
        for _ in 0..stops {
            let mut order = self.order();
            if matches!(order.kind, OrderKind::PostOnly | OrderKind::PostOnlySlide | OrderKind::MarketByQuote) {
                order.kind = OrderKind::Limit;
                order.limit = beyond(self.random.below(2 * reach));
                order.budget = Notional(u64::MAX);
            }
            let price = beyond(self.random.between(1, reach));
            let trigger = Some(if up { Trigger::Rise(price) } else { Trigger::Fall(price) });
            let asks = order.asks();
            order.instructions = Some(Instructions { trigger, peg: None, lifetime: Lifetime::UntilCancelled, ..asks });
            self.script.push_back(BookCommand::Place(order));
        }
        let account = AccountId(7);
        let quantity = Quantity(self.profile.max_quantity);
        // Someone to trade with at the far end, and the trade.
        for side in if up { [Side::Sell, Side::Buy] } else { [Side::Buy, Side::Sell] } {
            let mut order = self.order();
            order = NewOrder { account, side, quantity, kind: OrderKind::Limit, limit: beyond(reach), ..order };
            order.budget = Notional(u64::MAX);
            order.instructions = None;
            if (side == Side::Buy) == up {
                let makers = twin.side(side.opposite());
                let ahead = makers
                    .iter()
                    .filter(|maker| if up { maker.price <= beyond(reach) } else { maker.price >= beyond(reach) });
                order.quantity.0 += ahead.map(|maker| maker.open().0).sum::<u64>();
                order.kind = OrderKind::ImmediateOrCancel;
            }
            self.script.push_back(BookCommand::Place(order));
        }
    }

    /// Mostly an order that is open, now and then one that is gone or never was.
    fn existing(&mut self, twin: &Twin) -> OrderId {
        let pick = |random: &mut Random, count: usize| random.below(count as u64) as usize;
        if !twin.waiting.is_empty() && self.random.percent(self.profile.triggered / 2) {
            return twin.waiting[pick(&mut self.random, twin.waiting.len())].order.id;
        }
        if !twin.fired.is_empty() && self.random.percent(20) {
            return twin.fired[pick(&mut self.random, twin.fired.len())].order.id;
        }
        if !twin.pending.is_empty() && self.random.percent(self.profile.spices.lists) {
            return twin.pending[pick(&mut self.random, twin.pending.len())].id;
        }
        let spices = self.profile.spices;
        if !twin.dark.is_empty() && self.random.percent(spices.hidden.max(spices.minimum).max(spices.peg)) {
            return twin.dark[pick(&mut self.random, twin.dark.len())].order.id;
        }
        let side = if self.random.percent(50) { &twin.bids } else { &twin.asks };
        if side.is_empty() || self.random.percent(10) {
            return OrderId(self.random.between(0, self.last_id + 2));
        }
        // The front of the queue is where the fast book has most to lose.
        let among = if self.random.percent(30) { side.len().min(4) } else { side.len() };
        side[pick(&mut self.random, among)].order.id
    }

    fn restriction(&mut self) -> CancelRestriction {
        match self.random.below(4) {
            0 => CancelRestriction::OnlyNew,
            1 => CancelRestriction::OnlyPartiallyFilled,
            _ => CancelRestriction::None,
        }
    }

    fn enter(&mut self, phase: Phase) -> BookCommand {
        let until = if self.random.percent(50) { self.now + self.random.between(1, 15) } else { 0 };
        BookCommand::Enter { phase, until: Nanos(until) }
    }

    fn protect(&mut self) -> BookCommand {
        // A few ticks, in basis points of the middle.
        let tick = 10_000_u64.div_ceil(self.middle.clamp(1, 10_000));
        let mut band = || {
            let share = if self.random.percent(40) { 0 } else { self.random.between(1, 6 * tick) };
            BasisPoints(u32::try_from(share).expect("small"))
        };
        let (static_band, dynamic_band) = (band(), band());
        let interruption = Nanos(if self.random.percent(30) { 0 } else { self.random.between(1, 10) });
        let reference = self.random.percent(40).then(|| self.price());
        BookCommand::Protect(Protection { static_band, dynamic_band, interruption, reference })
    }

    fn command(&mut self, twin: &Twin) -> BookCommand {
        if let Some(command) = self.script.pop_front() {
            return command;
        }
        let spices = self.profile.spices;
        if twin.phase != Phase::Continuous {
            // Phases without orders are soon over.
            let over = if twin.phase.takes_orders() { 8 } else { 20 };
            if self.random.percent(over) {
                let phase = if self.random.percent(70) { Phase::Continuous } else { self.any_phase() };
                return self.enter(phase);
            }
        }
        if self.random.below(10_000) < spices.phases {
            let phase = self.any_phase();
            return self.enter(phase);
        }
        if self.random.below(10_000) < spices.bands {
            return self.protect();
        }
        if self.random.below(10_000) < self.profile.storms && twin.phase == Phase::Continuous {
            self.storm(twin);
        }
        let open = twin.bids.len() + twin.asks.len() + twin.waiting.len() + twin.dark.len() + twin.pending.len();
        let places = if open > self.profile.orders { 30 } else { 70 };
        if self.random.percent(places) {
            if self.random.percent(spices.lists) {
                return self.list(twin);
            }
            // Where only limit orders are taken, most are.
            let limited = twin.phase != Phase::Continuous && self.random.percent(80);
            return BookCommand::Place(if limited { self.order_of(OrderKind::Limit) } else { self.order() });
        }
        let order = self.existing(twin);
        match self.random.below(100) {
            0..50 => BookCommand::Cancel { order, restriction: self.restriction() },
            50..55 => {
                let count = self.random.below(12);
                let mut orders: Vec<OrderId> = (0..count).map(|_| self.existing(twin)).collect();
                orders.push(order);
                BookCommand::CancelMany(orders.into())
            }
            55..75 => {
                let total = twin.find(order).map_or(self.profile.max_quantity, |(order, _)| order.quantity.0);
                BookCommand::Reduce { order, quantity: Quantity(self.random.between(0, total + 1)) }
            }
            75 if spices.lifetime > 0 => BookCommand::Advance,
            _ => {
                let old_remaining_needed = match self.random.below(4) {
                    0 => Quantity(self.random.between(1, self.profile.max_quantity)),
                    1 => Quantity(1),
                    _ => Quantity::ZERO,
                };
                BookCommand::Replace {
                    old: order,
                    restriction: self.restriction(),
                    allow_failure: self.random.percent(50),
                    old_remaining_needed,
                    new: self.order(),
                }
            }
        }
    }

    fn any_phase(&mut self) -> Phase {
        match self.random.below(10) {
            0..2 => Phase::PreOpen,
            2..6 => Phase::Auction,
            6 => Phase::Halted,
            7 => Phase::CancelOnly,
            8 => Phase::Closed,
            _ => Phase::Continuous,
        }
    }
}
