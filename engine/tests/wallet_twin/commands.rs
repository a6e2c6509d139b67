//! What users and operators ask for: mostly what makes sense, and now and then what does not.

use rialto_engine::ids::{AccountId, ClientOrderId, MarketId, OrderId};
use rialto_engine::market::{MarketFilters, MarketSpec};
use rialto_engine::message::{CancelRestriction, Phase, Protection};
use rialto_engine::order::{
    Activation, Display, Distance, Instructions, Lifetime, Link, OrderKind, Peg, PegReference, SelfTrade, Side, Trail,
    Trigger,
};
use rialto_engine::units::{Amount, BasisPoints, Nanos, Price, Quantity};
use rialto_engine::wallet::{Cancel, Command, Contingency, ListRef, OrderRef, Place, PlaceList};

use crate::settlement::floor;
use crate::{ACCOUNTS, Exchange, MIDDLE};

impl Exchange {
    pub fn place(&mut self, account: AccountId, market: MarketId) -> Place {
        let random = &mut self.random;
        let kind = match random.below(100) {
            0..55 => OrderKind::Limit,
            55..63 => OrderKind::ImmediateOrCancel,
            63..69 => OrderKind::FillOrKill,
            69..76 => OrderKind::PostOnly,
            76..82 => OrderKind::PostOnlySlide,
            82..91 => OrderKind::Market,
            _ => OrderKind::MarketByQuote,
        };
        let side = if random.percent(50) { Side::Buy } else { Side::Sell };
        let away = random.below(6);
        let price = match (side, random.percent(50)) {
            (Side::Buy, true) | (Side::Sell, false) => MIDDLE - away,
            _ => MIDDLE + away,
        };
        let mut quantity = random.between(1, 8);
        if random.percent(30) {
            quantity *= random.between(5, 40);
        }
        let budget = match self.specs.get(usize::from(market.0)) {
            Some(spec) => floor(i128::from(price * quantity), spec) + i128::from(random.below(3)),
            None => 1,
        };
        let strange = random.below(400);
        let by_quote = kind == OrderKind::MarketByQuote;
        let client_id = random.percent(25).then(|| {
            let number = random.below(150);
            ClientOrderId::new(&format!("c{number}")).expect("valid")
        });
        Place {
            account,
            market,
            client_id,
            side,
            kind,
            price: Price(match strange {
                0 => 0,
                1 => 1_001,
                2 => u64::MAX,
                _ if kind.has_limit() => price,
                _ => 0,
            }),
            quantity: Quantity(match strange {
                3 => 0,
                4 => 2_001,
                5 => u64::MAX,
                _ if by_quote => 0,
                _ => quantity,
            }),
            budget: Amount(match strange {
                6 => -1,
                7 => i128::MAX,
                8 => 0,
                _ if by_quote => budget,
                _ => 0,
            }),
            time: self.now(),
            instructions: self.instructions(kind, quantity),
        }
    }

    fn instructions(&mut self, kind: OrderKind, quantity: u64) -> Instructions {
        let now = self.time;
        let random = &mut self.random;
        let self_trade = SelfTrade::ALL[if random.percent(40) { random.between(1, 4) as usize } else { 0 }];
        // What the kind may not have is refused; that is tried now and then.
        let mut chance = |may: bool, percent: u64| random.below(1_000) < if may { percent * 10 } else { 3 };
        let may_wait = !matches!(kind, OrderKind::PostOnly | OrderKind::PostOnlySlide | OrderKind::MarketByQuote);
        let may_trade_at_least = matches!(kind, OrderKind::Limit | OrderKind::ImmediateOrCancel | OrderKind::Market);
        let waits = chance(may_wait, 25);
        let iceberg = chance(kind.may_rest(), 8);
        let hidden = !iceberg && chance(kind.may_rest(), 6);
        let at_least = chance(may_trade_at_least && !iceberg, 8);
        let pegged = chance(kind == OrderKind::Limit && !waits && !iceberg && !hidden, 8);
        let ends = chance(kind.may_rest() || waits, 10);
        let slips = chance(!kind.has_limit(), 30);
        let (grouped, linked) = (chance(false, 0), chance(false, 0));
        let trigger = waits.then(|| self.trigger());
        let random = &mut self.random;
        let display = match (iceberg, hidden) {
            // Sometimes none at all, sometimes more than there is.
            (true, _) => Display::Iceberg(Quantity(random.below(quantity + 2))),
            (_, true) => Display::Hidden,
            _ => Display::All,
        };
        let minimum = match random.below(3) {
            _ if !at_least => 0,
            0 => quantity,
            1 => random.between(1, quantity.min(4)),
            _ => random.between(1, quantity + 1),
        };
        let peg = pegged.then(|| Peg {
            reference: PegReference::ALL[random.below(3) as usize],
            offset: 4 - random.below(9) as i64,
        });
        let end = Nanos(now + random.below(3_000));
        let lifetime = match random.below(3) {
            _ if !ends => Lifetime::UntilCancelled,
            0 => Lifetime::Day(end),
            _ => Lifetime::Until(end),
        };
        let slippage =
            if slips { BasisPoints([1, 100, 300, 9_999, 10_000][random.below(5) as usize]) } else { BasisPoints(0) };
        Instructions {
            self_trade,
            group: u32::from(grouped),
            trigger,
            display,
            minimum: Quantity(minimum),
            peg,
            lifetime,
            slippage,
            tag: if random.percent(20) { random.between(1, 3) } else { 0 },
            link: linked.then_some(Link { list: OrderId(1), partner: None, after: None }),
        }
    }

    fn trigger(&mut self) -> Trigger {
        let random = &mut self.random;
        let price = Price(match random.below(100) {
            0 => 0,
            1 => 1_001,
            _ => MIDDLE - 8 + random.below(17),
        });
        let trail = Trail {
            distance: match random.below(50) {
                0 => Distance::Share(BasisPoints(0)),
                1 => Distance::Share(BasisPoints(10_000)),
                2 => Distance::Share(BasisPoints(9_999)),
                3 => Distance::Ticks(Price(1_001)),
                4..14 => Distance::Ticks(Price(random.between(1, 6))),
                _ => Distance::Share(BasisPoints(random.between(1, 500) as u32)),
            },
            activation: match random.below(3) {
                0 => None,
                1 => Some(Activation::Rise(price)),
                _ => Some(Activation::Fall(price)),
            },
        };
        match random.below(6) {
            0 | 1 => Trigger::Rise(price),
            2 | 3 => Trigger::Fall(price),
            4 => Trigger::TrailRise(trail),
            _ => Trigger::TrailFall(trail),
        }
    }

    /// Orders that hang together; now and then such that do not.
    fn list(&mut self, account: AccountId, market: MarketId) -> PlaceList {
        let contingency = [Contingency::OneCancelsOther, Contingency::OneTriggersOther, Contingency::OneTriggersPair]
            [self.random.below(3) as usize];
        let mut places = Vec::new();
        if contingency != Contingency::OneCancelsOther {
            let mut working = self.place(account, market);
            self.make_limited(&mut working);
            if self.random.percent(98) {
                working.instructions.trigger = None;
            }
            places.push(working);
        }
        if contingency == Contingency::OneTriggersOther {
            let mut pending = self.place(account, market);
            if pending.kind == OrderKind::MarketByQuote && self.random.percent(95) {
                self.make_limited(&mut pending);
            }
            places.push(pending);
        } else {
            let mut one = self.place(account, market);
            if one.instructions.trigger.is_none() && self.random.percent(98) {
                self.make_limited(&mut one);
                if one.kind == OrderKind::PostOnlySlide {
                    one.kind = OrderKind::PostOnly;
                }
            }
            let mut other = self.place(account, market);
            if !matches!(other.kind, OrderKind::Limit | OrderKind::ImmediateOrCancel | OrderKind::Market) {
                self.make_limited(&mut other);
                other.kind = OrderKind::Limit;
            }
            if self.random.percent(98) {
                other.instructions.trigger = Some(self.trigger());
                (other.side, other.quantity) = (one.side, one.quantity);
            }
            places.extend([one, other]);
        }
        for place in &mut places {
            if self.random.percent(97) {
                place.instructions.peg = None;
            }
            place.time = Nanos(self.time);
        }
        match self.random.below(200) {
            0 => drop(places.pop()),
            1 => places.clear(),
            2 => places.push(self.place(account, market)),
            3 => places[0].account = AccountId(ACCOUNTS),
            4 => places[0].market = MarketId(3),
            _ => {}
        }
        let client_id = self.random.percent(40).then(|| list_name(self.random.below(30)));
        PlaceList { client_id, contingency, places }
    }

    /// Makes an order one that has a limit and may rest.
    fn make_limited(&mut self, place: &mut Place) {
        if !place.kind.may_rest() {
            place.kind = OrderKind::Limit;
            place.instructions.slippage = BasisPoints(0);
            place.budget = Amount::ZERO;
        }
        if place.price.is_zero() {
            place.price = Price(MIDDLE - 5 + self.random.below(11));
        }
        if place.quantity.is_zero() {
            place.quantity = Quantity(self.random.between(1, 8));
        }
    }

    fn cancel_list(&mut self, account: AccountId, market: MarketId) -> Command {
        let open = self.wallet.open_lists(account);
        let mut target = ListRef { id: Some(OrderId(self.random.below(self.last_order + 2))), client_id: None };
        let mut market = market;
        if !open.is_empty() && self.random.percent(95) {
            let list = &open[self.random.below(open.len() as u64) as usize];
            let (id, client_id) = (Some(list.id), Some(list.client_id));
            target = match self.random.below(3) {
                0 => ListRef { id, client_id: None },
                1 => ListRef { id: None, client_id },
                _ => ListRef { id, client_id },
            };
            if self.random.percent(95) {
                market = list.market;
            }
            if self.random.percent(3) {
                target.client_id = Some(list_name(self.random.below(30)));
            }
        }
        Command::CancelList { account, market, target, time: self.now() }
    }

    fn cancel_many(&mut self, account: AccountId, market: MarketId) -> Command {
        let random = &mut self.random;
        let account = random.percent(80).then_some(account);
        let side = random.percent(60).then_some(if random.percent(50) { Side::Buy } else { Side::Sell });
        let tag = random.percent(80).then(|| random.below(4));
        Command::CancelMany { account, market, side, tag, time: self.now() }
    }

    /// Phases pass: out of another one the market is soon led back to trading.
    fn enter(&mut self, market: MarketId) -> Command {
        let random = &mut self.random;
        let continuous = self.wallet.phase(market) == Phase::Continuous;
        let phase = match random.below(10) {
            _ if !continuous && random.percent(80) => Phase::Continuous,
            0..5 => Phase::Auction,
            5..7 => Phase::PreOpen,
            7 => Phase::Halted,
            8 => Phase::CancelOnly,
            _ => Phase::Closed,
        };
        let until = if random.percent(80) { Nanos(self.time + random.between(1, 40)) } else { Nanos::ZERO };
        let until = if phase == Phase::Continuous { Nanos::ZERO } else { until };
        Command::Enter { market, phase, until, time: self.now() }
    }

    fn protect(&mut self, market: MarketId) -> Command {
        let random = &mut self.random;
        let mut share = || BasisPoints([200, 400, 800].get(random.below(12) as usize).copied().unwrap_or(0));
        let (static_band, dynamic_band) = (share(), share());
        let protection = Protection {
            static_band,
            dynamic_band,
            interruption: Nanos(random.between(1, 20)),
            reference: random.percent(50).then_some(Price(MIDDLE)),
        };
        Command::Protect { market, protection, time: self.now() }
    }

    /// What a market allows, changed while it trades: half of the time nothing is bounded.
    pub fn change_filters(&mut self) {
        let market = self.random.below(self.specs.len() as u64) as usize;
        let spec = self.specs[market];
        let random = &mut self.random;
        let half = random.percent(50);
        let mut bound = |low: u64, high: u64| {
            let bound = random.between(low, high);
            if half && random.percent(25) { bound } else { 0 }
        };
        let filters = MarketFilters {
            min_price: Price(bound(90, 98)),
            min_quantity: Quantity(bound(2, 3)),
            max_market_quantity: Quantity(bound(3, 100)),
            max_notional: Amount(floor(i128::from(MIDDLE * bound(5, 100)), &spec)),
            bid_up: BasisPoints(bound(10_200, 10_900) as u32),
            bid_down: BasisPoints(bound(9_200, 9_800) as u32),
            ask_up: BasisPoints(bound(10_200, 10_900) as u32),
            ask_down: BasisPoints(bound(9_200, 9_800) as u32),
            max_orders: bound(3, 10) as u32,
            max_waiting_orders: bound(1, 4) as u32,
            max_position: Amount(spec.lot_amount.0 * i128::from(bound(500, 20_000)) / 3),
            iceberg_parts: bound(2, 5) as u32,
            min_trail_above: BasisPoints(bound(10, 200) as u32),
            max_trail_above: BasisPoints(bound(200, 400) as u32),
            min_trail_below: BasisPoints(bound(10, 200) as u32),
            max_trail_below: BasisPoints(bound(200, 400) as u32),
        };
        self.specs[market] = MarketSpec { filters, ..spec };
        self.wallet.change_market(MarketId(market as u16), self.specs[market]);
    }

    pub fn change_group(&mut self) {
        let account = AccountId(self.random.below(u64::from(ACCOUNTS)) as u32);
        let group = self.random.between(1, 3) as u32;
        assert_eq!(self.wallet.change_group(account, group), Ok(()));
        self.groups[account.0 as usize] = group;
    }

    /// Mostly an open order of the account, sometimes another's, or one that never was.
    fn target(&mut self, account: AccountId, market: MarketId) -> OrderRef {
        let own = self.wallet.open_orders(account, Some(market));
        if own.is_empty() || self.random.percent(5) {
            return OrderRef { id: Some(OrderId(self.random.below(self.last_order + 2))), client_id: None };
        }
        let order = own[self.random.below(own.len() as u64) as usize];
        match self.random.below(3) {
            0 => OrderRef { id: Some(order.id), client_id: None },
            1 => OrderRef { id: None, client_id: Some(order.client_id) },
            _ => OrderRef { id: Some(order.id), client_id: Some(order.client_id) },
        }
    }
    pub fn command(&mut self) -> Command {
        let account = AccountId(self.random.below(u64::from(ACCOUNTS)) as u32);
        let market = MarketId(self.random.below(self.specs.len() as u64) as u16);
        match self.random.below(1_000) {
            0..2 => return Command::Place(self.place(AccountId(ACCOUNTS), market)),
            2..4 => return Command::Place(self.place(account, MarketId(3))),
            4..640 => return Command::Place(self.place(account, market)),
            640..700 => return Command::PlaceList(self.list(account, market)),
            700..715 => return self.cancel_list(account, market),
            715..718 => return self.cancel_many(account, market),
            718..726 => return self.enter(market),
            726..730 => return self.protect(market),
            730..740 => return Command::Advance { market, time: self.now() },
            _ => {}
        }
        let restriction = match self.random.below(4) {
            0 => CancelRestriction::OnlyNew,
            1 => CancelRestriction::OnlyPartiallyFilled,
            _ => CancelRestriction::None,
        };
        let target = self.target(account, market);
        let cancel = Cancel { account, market, target, restriction, time: self.now() };
        match self.random.below(100) {
            0..30 => Command::Cancel(cancel),
            30..33 => Command::CancelAll { account, market, time: self.now() },
            33..60 => {
                let total = self.wallet.order(account, market, target).map_or(9, |order| order.quantity.0);
                let quantity = Quantity(self.random.below(total + 1));
                Command::Reduce { account, market, target, quantity, time: self.now() }
            }
            _ => {
                let mut place = self.place(account, market);
                if let Some(old) = self.wallet.order(account, market, target)
                    && self.random.percent(60)
                {
                    // The same money again: what is held for the old one may be needed for the new.
                    place.side = old.side;
                    place.quantity = Quantity(old.quantity.0.clamp(1, 2_000) + self.random.below(4));
                }
                Command::Replace { cancel, allow_failure: self.random.percent(50), place }
            }
        }
    }
}

fn list_name(number: u64) -> ClientOrderId {
    ClientOrderId::new(&format!("list{number}")).expect("valid")
}
