//! A million partial fills at awkward scales: what an order pays, gets and is charged in all is what
//! one fill of the same whole would have cost, however small its parts; no hold is ever short, and
//! none survives its order.
//!
//! `RIALTO_ROUNDING_FILLS` sets how many fills are made (1,000,000 if it is not set).

#[path = "common/random.rs"]
mod random;

use std::collections::BTreeMap;

use random::Random;
use rialto_engine::book::{Book, BookOutput};
use rialto_engine::ids::{AccountId, AssetId, MarketId, OrderId};
use rialto_engine::market::{MarketDefinition, MarketFilters, MarketSpec, SUPPLY_MAX, Step};
use rialto_engine::message::{BookCommand, Fill};
use rialto_engine::order::{Instructions, OrderKind, Side};
use rialto_engine::reason::Reason;
use rialto_engine::units::{Amount, BasisPoints, FeeRate, Nanos, Price, Quantity};
use rialto_engine::wallet::{Command, House, Place, Submitted, Wallet, WalletLimits, WalletOutput};

const FILLS: u64 = 1_000_000;
const ACCOUNTS: u32 = 4;
const BASE: AssetId = AssetId(0);
const QUOTE: AssetId = AssetId(1);
const MARKET: MarketId = MarketId(0);

/// An order, as its owner could reckon it on paper.
#[derive(Clone, Copy, Debug)]
struct Paper {
    account: AccountId,
    side: Side,
    limit: u64,
    open: u64,
    /// In tick-lots and in lots, so far.
    notional: i128,
    executed: i128,
    fills: u64,
    /// What it still holds.
    held: i128,
    paid: i128,
    got: i128,
    charged: i128,
    /// What all fees so far would be without any rounding, times 10,000.
    exact_fee: i128,
    rebate: i128,
}

struct Table {
    wallet: Wallet,
    book: Book,
    spec: MarketSpec,
    orders: BTreeMap<OrderId, Paper>,
    /// Per account: what it has in all, of base and quote.
    totals: Vec<[i128; 2]>,
    fees: [i128; 2],
    rebates: [i128; 2],
    rounding: i128,
    /// How many sides of orders have traded.
    sides: i128,
    output: WalletOutput,
    time: u64,
    fills: u64,
    longest: u64,
    negative_legs: u64,
}

/// `notional` tick-lots in minor units of the quote asset, and what is left over, if anything.
fn money(notional: i128, spec: &MarketSpec) -> (i128, bool) {
    let (numerator, denominator) = (i128::from(spec.notional_numerator), i128::from(spec.notional_denominator));
    (notional * numerator / denominator, notional * numerator % denominator != 0)
}

fn floor(notional: i128, spec: &MarketSpec) -> i128 {
    money(notional, spec).0
}

fn ceil(notional: i128, spec: &MarketSpec) -> i128 {
    let (whole, has_rest) = money(notional, spec);
    whole + i128::from(has_rest)
}

/// A market of assets with any number of decimals, with an odd tick and an odd lot.
fn market(random: &mut Random) -> MarketSpec {
    loop {
        let [base_scale, quote_scale] = [0; 2].map(|_: u8| random.below(19) as u8);
        let mantissas = [1, 1, 3, 7, 17, 125, 997, 9_973];
        let mut step = |most: u8| {
            let mantissa = mantissas[random.below(8) as usize];
            Step { mantissa, scale: random.below(u64::from(most) + 1) as u8 }
        };
        let definition = MarketDefinition {
            base: BASE,
            base_scale,
            quote: QUOTE,
            quote_scale,
            tick: step(18),
            lot: step(base_scale),
            max_price: Price(100_000),
            max_quantity: Quantity(1_000_000),
            min_notional: Amount(1),
            maker_fee: FeeRate(random.below(1_101) as i32 - 100),
            taker_fee: BasisPoints(random.below(1_001) as u32),
            filters: MarketFilters::default(),
        };
        // Many are too large or too fine for a market.
        if let Ok(spec) = MarketSpec::open(&definition) {
            return MarketSpec { min_notional: Amount(0), ..spec };
        }
    }
}

impl Table {
    fn new(spec: MarketSpec) -> Self {
        let mut wallet = Wallet::new(WalletLimits { closed_ids: 16, open_orders: u32::MAX });
        wallet.open_asset();
        wallet.open_asset();
        wallet.open_market(spec);
        let mut output = WalletOutput::default();
        let each = Amount(SUPPLY_MAX.0 / i128::from(ACCOUNTS));
        for account in (0..ACCOUNTS).map(AccountId) {
            wallet.open_account();
            for asset in [BASE, QUOTE] {
                let id = format!("{account}-{asset}");
                wallet.deposit(&id, account, asset, each, Nanos(1), &mut output).expect("there is room");
            }
        }
        Self {
            wallet,
            book: Book::new(),
            spec,
            orders: BTreeMap::new(),
            totals: vec![[each.0; 2]; ACCOUNTS as usize],
            fees: [0; 2],
            rebates: [0; 2],
            rounding: 0,
            sides: 0,
            output,
            time: 1,
            fills: 0,
            longest: 0,
            negative_legs: 0,
        }
    }

    fn command(&mut self, command: &Command) {
        self.output.clear();
        match self.wallet.submit(command, &mut self.output) {
            Submitted::Forwarded { message, .. } => {
                if let (BookCommand::Place(new), Command::Place(place)) = (&message.command, command) {
                    self.funded(new.id, place);
                }
                let mut output = BookOutput::default();
                let answer = self.book.receive(&message, &mut output).expect("new");
                self.wallet.settle(MARKET, &answer, &mut self.output).expect("new");
                answer.fills.iter().for_each(|fill| self.fill(fill));
                self.orders.retain(|id, paper| paper.open > 0 && self.book.remaining(*id).is_some());
            }
            Submitted::Rejected(reason) => assert_eq!(reason, Reason::UnknownOrder, "{command:?}"),
        }
        self.check();
    }

    fn funded(&mut self, id: OrderId, place: &Place) {
        let held = self.needs(place.side, place.price.0, place.quantity.0);
        let paper = Paper {
            account: place.account,
            side: place.side,
            limit: place.price.0,
            open: place.quantity.0,
            notional: 0,
            executed: 0,
            fills: 0,
            held,
            paid: 0,
            got: 0,
            charged: 0,
            exact_fee: 0,
            rebate: 0,
        };
        self.orders.insert(id, paper);
    }

    fn needs(&self, side: Side, limit: u64, open: u64) -> i128 {
        match side {
            Side::Buy => ceil(i128::from(limit) * i128::from(open), &self.spec),
            Side::Sell => i128::from(open) * self.spec.lot_amount.0,
        }
    }

    /// Works both sides of a fill out from their whole history.
    fn fill(&mut self, fill: &Fill) {
        self.fills += 1;
        let spec = self.spec;
        let mut legs = [0; 2];
        for (place, (id, signed)) in
            [(fill.maker, i128::from(spec.maker_fee.0)), (fill.taker, i128::from(spec.taker_fee.0))]
                .into_iter()
                .enumerate()
        {
            let mut paper = self.orders[&id];
            self.sides += i128::from(paper.executed == 0);
            paper.open -= fill.quantity.0;
            paper.executed += i128::from(fill.quantity.0);
            paper.notional += i128::from(fill.price.0) * i128::from(fill.quantity.0);
            let base = paper.executed * spec.lot_amount.0;
            // In all, and not in this fill alone.
            let (paid, got, give, take) = match paper.side {
                Side::Buy => (ceil(paper.notional, &spec), base, 1, 0),
                Side::Sell => (base, floor(paper.notional, &spec), 0, 1),
            };
            let (now_paid, now_got) = (paid - paper.paid, got - paper.got);
            assert!(now_paid <= paper.held, "order {id} needs {now_paid} and holds {}", paper.held);
            paper.held -= now_paid;
            let needed = self.needs(paper.side, paper.limit, paper.open);
            paper.held = if paper.open == 0 { 0 } else { paper.held.min(needed) };
            (paper.paid, paper.got) = (paid, got);
            paper.exact_fee += signed.max(0) * now_got;
            let owed = ceil_div(paper.exact_fee, 10_000) - paper.charged;
            let fee = owed.clamp(0, now_got);
            paper.charged += fee;
            // Less than a unit more than without rounding, however many parts there were.
            assert!(paper.charged * 10_000 < paper.exact_fee + 10_000, "{paper:?}");
            let rebate = now_got * (-signed).max(0) / 10_000;
            paper.rebate += rebate;
            assert!(paper.rebate * 10_000 <= (-signed).max(0) * got, "{paper:?}");
            self.fees[take] += fee;
            self.rebates[take] += rebate;
            let total = &mut self.totals[paper.account.0 as usize];
            total[give] -= now_paid;
            total[take] += now_got - fee + rebate;
            legs[place] = if paper.side == Side::Buy { now_paid } else { -now_got };
            paper.fills += 1;
            self.longest = self.longest.max(paper.fills);
            self.orders.insert(id, paper);
        }
        let leg = legs[0] + legs[1];
        self.negative_legs += u64::from(leg < 0);
        self.rounding += leg;
    }

    fn check(&self) {
        assert!((0..self.sides.max(1)).contains(&self.rounding), "{} of {} sides", self.rounding, self.sides);
        assert_eq!(self.wallet.house(QUOTE, House::Rounding).0, self.rounding);
        assert_eq!(self.wallet.house(BASE, House::Rounding), Amount::ZERO);
        let mut held = [[0; 2]; ACCOUNTS as usize];
        for paper in self.orders.values() {
            held[paper.account.0 as usize][usize::from(paper.side == Side::Buy)] += paper.held;
        }
        for (place, asset) in [BASE, QUOTE].into_iter().enumerate() {
            assert_eq!(self.wallet.house(asset, House::Fee).0, self.fees[place]);
            assert_eq!(self.wallet.house(asset, House::RebateExpense).0, -self.rebates[place]);
            for account in 0..ACCOUNTS {
                let balance = self.wallet.accounts_of(AccountId(account), asset);
                let (total, held) = (self.totals[account as usize][place], held[account as usize][place]);
                assert_eq!((balance.available.0, balance.held.0), (total - held, held), "{account} of {asset}");
            }
        }
    }

    fn place(&mut self, account: u32, side: Side, kind: OrderKind, price: u64, quantity: u64) {
        self.time += 1;
        self.command(&Command::Place(Place {
            account: AccountId(account),
            market: MARKET,
            client_id: None,
            side,
            kind,
            price: Price(price),
            quantity: Quantity(quantity),
            budget: Amount::ZERO,
            time: Nanos(self.time),
            instructions: Instructions::default(),
        }));
    }

    /// Orders of all sizes that eat each other up in small parts, so that both sides of most fills have
    /// had others before.
    fn trade(&mut self, random: &mut Random, fills: u64) {
        // Where a lot is worth about one minor unit, if there is such a price, roundings matter most.
        let unit = self.spec.notional_denominator / self.spec.notional_numerator;
        let middle = if random.percent(70) { unit.clamp(20, 50_000) } else { 50_000 };
        let middle = random.between(middle / 2, middle);
        let spread = (middle / 20).max(2);
        while self.fills < fills {
            let (side, price) = (Side::Buy, middle + spread);
            if random.percent(20) {
                // One that outlasts hundreds of others.
                self.place(0, side, OrderKind::Limit, price, random.between(2_000, 20_000));
            }
            for _ in 0..random.between(100, 600) {
                let account = random.below(u64::from(ACCOUNTS)) as u32;
                let side = if random.percent(50) { Side::Buy } else { Side::Sell };
                let away = random.below(spread);
                let price = if side == Side::Buy { middle + away } else { middle - away };
                let quantity = match random.below(10) {
                    0..5 => random.between(1, 4),
                    5..9 => random.between(3, 60),
                    _ => random.between(60, 600),
                };
                let kind = if random.percent(90) { OrderKind::Limit } else { OrderKind::ImmediateOrCancel };
                self.place(account, side, kind, price, quantity);
            }
            for account in (0..ACCOUNTS).map(AccountId) {
                self.time += 1;
                self.command(&Command::CancelAll { account, market: MARKET, time: Nanos(self.time) });
            }
            self.check_nothing_is_held();
        }
    }

    fn check_nothing_is_held(&self) {
        assert!(self.wallet.is_empty() && self.orders.is_empty() && self.book.is_empty());
        for account in (0..ACCOUNTS).map(AccountId) {
            for asset in [BASE, QUOTE] {
                assert_eq!(self.wallet.accounts_of(account, asset).held, Amount::ZERO, "{account} of {asset}");
            }
        }
    }
}

fn ceil_div(value: i128, by: i128) -> i128 {
    value / by + i128::from(value % by != 0)
}

#[test]
fn a_million_partial_fills_cost_what_whole_ones_would() {
    let wanted = std::env::var("RIALTO_ROUNDING_FILLS").ok().map(|text| text.replace('_', "").parse());
    let wanted = wanted.map_or(FILLS, |wanted| wanted.expect("RIALTO_ROUNDING_FILLS is a number"));
    let mut random = Random::new(77);
    let (mut fills, mut markets, mut finer, mut negative_legs, mut longest) = (0, 0, 0, 0, 0);
    while fills < wanted {
        let spec = market(&mut random);
        let mut table = Table::new(spec);
        table.trade(&mut random, 5_000);
        fills += table.fills;
        markets += 1;
        finer += u64::from(spec.notional_denominator > 1);
        negative_legs += table.negative_legs;
        longest = longest.max(table.longest);
    }
    eprintln!("{fills} fills in {markets} markets, {finer} of them finer than money");
    eprintln!("{negative_legs} rounding legs below zero, at most {longest} fills of one order");
    if wanted >= FILLS {
        assert!(finer > 50 && markets - finer > 20 && negative_legs > 3_000 && longest > 100);
    }
}
