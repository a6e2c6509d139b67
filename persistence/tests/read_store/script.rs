//! Made-up days of an exchange.

use rialto_engine::ids::{AccountId, AssetId, ClientOrderId, MarketId, OrderId, TradeId};
use rialto_engine::message::{Expiry, Fill};
use rialto_engine::order::{
    Activation, Display, Distance, Instructions, Lifetime, OrderKind, Peg, PegReference, SelfTrade, Side, Trail,
    Trigger,
};
use rialto_engine::reason::Reason;
use rialto_engine::units::{Amount, BasisPoints, Nanos, Notional, Price, Quantity};
use rialto_engine::update::{BalanceView, Execution, ListView, OrderEvent, OrderUpdate, OrderView, Status};
use rialto_engine::wallet::{Cause, Contingency, Entry, House, LedgerAccount};

use crate::money::Money;
use crate::{ACCOUNTS, Event, MARKETS, TENANTS};

/// Makes up the days of an exchange.
pub struct Script {
    random: u64,
    time: u64,
    orders: [Vec<OrderView>; 2],
    trades: [[u64; 2]; 2],
    aggregates: [[u64; 2]; 2],
    entries: [u64; 2],
    pub money: [Money; 2],
    pub events: Vec<Event>,
}

impl Script {
    pub fn new() -> Self {
        Self {
            random: 7,
            time: 1_709_213_862_000_000_000,
            orders: [Vec::new(), Vec::new()],
            trades: [[0; 2]; 2],
            aggregates: [[0; 2]; 2],
            entries: [0; 2],
            money: [Money::default(), Money::default()],
            events: Vec::new(),
        }
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % bound
    }

    pub fn now(&self) -> Nanos {
        Nanos(self.time)
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        let index = self.below(from.len() as u64) as usize;
        from[index]
    }

    fn tell(&mut self, tenant: usize, event: OrderEvent, order: OrderView) {
        let balance = BalanceView { asset: AssetId(0), available: Amount(1), held: Amount(0) };
        let update = OrderUpdate { event, order, balances: [balance; 2] };
        self.events.push(Event::Update(TENANTS[tenant], update));
    }

    fn entry(&mut self, tenant: usize, debit: LedgerAccount, credit: LedgerAccount, cause: Cause) {
        let entry = self.made(tenant, debit, credit, cause);
        self.events.push(Event::Entry(TENANTS[tenant], entry));
    }

    /// The next entry. What a book answers may be late.
    pub fn made(&mut self, tenant: usize, debit: LedgerAccount, credit: LedgerAccount, cause: Cause) -> Entry {
        self.entries[tenant] += 1;
        let amount = Amount(i128::from(self.below(1 << 30)) << (self.random % 60));
        let late = if matches!(cause, Cause::Trade(..)) { self.pick(&[0, 0, 1, 5_000_000, 2_000_000_000]) } else { 0 };
        let (number, time, asset) = (self.entries[tenant], Nanos(self.time - late), AssetId(self.below(3) as u16));
        let [debit_after, credit_after] = self.money[tenant].moved(debit, credit, asset, amount.0);
        Entry { number, time, asset, debit, credit, amount, debit_after, credit_after, cause }
    }

    /// A command and what comes of it.
    pub fn step(&mut self) {
        // Often at the same time, at times after a break.
        self.time += [0, 1, 1_000_000, 400_000_000, 90_000_000_000][self.below(5) as usize];
        if self.below(200) == 0 {
            self.time += 20 * 86_400_000_000_000;
        }
        let tenant = self.below(2) as usize;
        let account = self.pick(&ACCOUNTS);
        match self.below(12) {
            10 | 11 => self.transact(tenant),
            0 => {
                let number = self.below(100);
                let external = LedgerAccount::External(rialto_engine::ids::RailId::DIRECT);
                self.entry(tenant, external, LedgerAccount::Available(account), Cause::Deposit(number));
            }
            1 | 2 => self.cancel(tenant),
            3 => self.place_list(tenant, account),
            _ => {
                let market = self.pick(&MARKETS);
                self.place(tenant, account, market);
            }
        }
    }

    /// A list is told before its orders.
    fn place_list(&mut self, tenant: usize, account: AccountId) {
        let first = self.orders[tenant].len() as u64 + 1;
        let count = 2 + self.below(2);
        let name = |text: String| ClientOrderId::new(&text).expect("valid");
        let list = ListView {
            id: OrderId(first),
            client_id: name(format!("list-{}", self.below(9))),
            account,
            market: self.pick(&MARKETS),
            contingency: self.pick(&[Contingency::OneCancelsOther, Contingency::OneTriggersPair]),
            orders: (first..first + count).map(|id| (OrderId(id), name(format!("of-list-{id}")))).collect(),
            time: Nanos(self.time),
        };
        let market = list.market;
        self.events.push(Event::List(TENANTS[tenant], list));
        for _ in 0..count {
            self.place(tenant, account, market);
        }
    }

    fn place(&mut self, tenant: usize, account: AccountId, market: MarketId) {
        let id = OrderId(self.orders[tenant].len() as u64 + 1);
        // Few names, so that they come again, in both tenants and from all accounts.
        let name = format!("order-{}", self.below(25));
        let kinds = [
            OrderKind::Limit,
            OrderKind::ImmediateOrCancel,
            OrderKind::Market,
            OrderKind::MarketByQuote,
            OrderKind::PostOnlySlide,
        ];
        let order = OrderView {
            id,
            client_id: ClientOrderId::new(&name).expect("valid"),
            account,
            market,
            side: self.pick(&[Side::Buy, Side::Sell]),
            kind: self.pick(&kinds),
            price: Price(90 + self.below(20)),
            quantity: Quantity(1_000_000),
            budget: Amount(i128::from(self.below(3)) << 90),
            executed: Quantity(0),
            notional: Notional(0),
            status: self.pick(&[Status::New, Status::New, Status::Pending]),
            time: Nanos(self.time),
            updated: Nanos(self.time),
            instructions: self.instructions(),
            triggered: Nanos(self.below(2) * self.time),
            prevented: Quantity(self.below(2) * 5),
        };
        self.entry(tenant, LedgerAccount::Available(account), LedgerAccount::Held(account), Cause::Hold(id));
        self.orders[tenant].push(order);
        if self.below(20) == 0 {
            let order = OrderView { status: Status::Rejected, ..order };
            self.orders[tenant][id.0 as usize - 1] = order;
            self.tell(tenant, OrderEvent::Rejected(Reason::WouldMatch), order);
            return;
        }
        self.tell(tenant, OrderEvent::New, order);
        for _ in 0..self.below(4) {
            self.trade(tenant, id);
        }
        if order.kind == OrderKind::ImmediateOrCancel {
            let order = &mut self.orders[tenant][id.0 as usize - 1];
            order.status = Status::Expired;
            let order = *order;
            self.tell(tenant, OrderEvent::Expired(Expiry::ImmediateOrCancel), order);
        }
    }

    /// Mostly none.
    fn instructions(&mut self) -> Instructions {
        let price = Price(90 + self.below(20));
        let trail = Trail {
            distance: self.pick(&[Distance::Share(BasisPoints(100)), Distance::Ticks(Price(3))]),
            activation: self.pick(&[None, Some(Activation::Rise(price)), Some(Activation::Fall(price))]),
        };
        let triggers =
            [Trigger::Rise(price), Trigger::Fall(price), Trigger::TrailRise(trail), Trigger::TrailFall(trail)];
        let trigger = self.pick(&triggers);
        let trigger = self.pick(&[None, None, Some(trigger)]);
        let first = Instructions { self_trade: self.pick(&SelfTrade::ALL), trigger, ..Instructions::default() };
        if self.below(3) > 0 {
            return first;
        }
        let peg = Peg { reference: self.pick(&PegReference::ALL), offset: self.below(9).cast_signed() - 4 };
        Instructions {
            group: self.below(3) as u32,
            display: self.pick(&[Display::All, Display::Iceberg(Quantity(10)), Display::Hidden]),
            minimum: Quantity(self.below(2) * 100),
            peg: self.pick(&[None, Some(peg)]),
            lifetime: self.pick(&[
                Lifetime::UntilCancelled,
                Lifetime::Until(Nanos(self.time)),
                Lifetime::Day(Nanos(9)),
            ]),
            slippage: BasisPoints(self.below(2) as u32),
            tag: self.below(3),
            ..first
        }
    }

    /// A trade of an order with one before it, of whatever account.
    fn trade(&mut self, tenant: usize, taker: OrderId) {
        let market = self.orders[tenant][taker.0 as usize - 1].market;
        let side = self.orders[tenant][taker.0 as usize - 1].side;
        let makers: Vec<OrderView> = self.orders[tenant]
            .iter()
            .filter(|order| order.market == market && order.side != side && order.id < taker)
            .filter(|order| matches!(order.status, Status::New | Status::Pending | Status::PartiallyFilled))
            .copied()
            .collect();
        if makers.is_empty() {
            return;
        }
        let maker = self.pick(&makers);
        let (trades, aggregates) = (&mut self.trades[tenant], &mut self.aggregates[tenant]);
        let index = usize::from(market.0);
        trades[index] += 1;
        let trade = TradeId(trades[index]);
        // A new aggregate for a new taker, and for another price.
        let last = self.events.iter().rev().find_map(|event| match event {
            Event::Fill(of, at, _, fill) if (*of, *at) == (TENANTS[tenant], market) => Some((fill.taker, fill.price)),
            _ => None,
        });
        if last != Some((taker, maker.price)) {
            aggregates[index] += 1;
        }
        let aggregate = aggregates[index];
        let quantity = Quantity(1 + self.below(500));
        let time = Nanos(self.time);
        for id in [maker.id, taker] {
            let order = &mut self.orders[tenant][id.0 as usize - 1];
            order.executed += quantity;
            order.notional += maker.price.times(quantity);
            order.updated = time;
            order.status = Status::PartiallyFilled;
        }
        let [maker_view, taker_view] = [maker.id, taker].map(|id| self.orders[tenant][id.0 as usize - 1]);
        let fill = Fill {
            trade,
            aggregate,
            price: maker.price,
            quantity,
            taker_side: side,
            maker: maker.id,
            maker_account: maker.account,
            maker_remaining: maker_view.quantity - maker_view.executed,
            taker,
            taker_account: taker_view.account,
            taker_remaining: taker_view.quantity - taker_view.executed,
        };
        self.events.push(Event::Fill(TENANTS[tenant], market, time, fill));
        for (order, is_maker) in [(maker_view, true), (taker_view, false)] {
            let fee = Amount(i128::from(self.below(1 << 20)));
            let fee_asset = AssetId(u16::from(order.side == Side::Sell));
            let execution =
                Execution { trade, aggregate, price: maker.price, quantity, fee, fee_asset, maker: is_maker };
            self.tell(tenant, OrderEvent::Trade(execution), order);
        }
        let cause = Cause::Trade(market, trade);
        let (from, to) = (LedgerAccount::Held(taker_view.account), LedgerAccount::Available(maker_view.account));
        self.entry(tenant, from, to, cause);
        self.entry(tenant, from, LedgerAccount::House(House::Fee), cause);
        self.entry(tenant, from, LedgerAccount::House(House::Rounding), cause);
    }

    fn cancel(&mut self, tenant: usize) {
        let open: Vec<OrderId> = self.orders[tenant]
            .iter()
            .filter(|order| matches!(order.status, Status::New | Status::Pending | Status::PartiallyFilled))
            .map(|order| order.id)
            .collect();
        if open.is_empty() {
            return;
        }
        let id = self.pick(&open);
        let reduced = self.below(3) == 0;
        let time = Nanos(self.time);
        let order = &mut self.orders[tenant][id.0 as usize - 1];
        order.updated = time;
        let event = if reduced {
            order.quantity = Quantity(order.quantity.0 - 1);
            OrderEvent::Reduced
        } else {
            order.status = Status::Canceled;
            OrderEvent::Canceled
        };
        let order = *order;
        self.tell(tenant, event, order);
        let (held, available) = (LedgerAccount::Held(order.account), LedgerAccount::Available(order.account));
        self.entry(tenant, held, available, Cause::Release(id));
    }
}
