//! Wallet and books together, with several messages in flight on every path, against the naive
//! twin of the money. All invariants are checked after every step.

#[path = "common/random.rs"]
mod random;
#[path = "common/settlement.rs"]
mod settlement;

use std::collections::{BTreeMap, VecDeque};

use random::Random;
use rialto_engine::book::{Book, BookOutput, BookSnapshot};
use rialto_engine::ids::{AccountId, AssetId, ClientOrderId, MarketId, OrderId};
use rialto_engine::market::{MarketDefinition, MarketFilters, MarketSpec, SUPPLY_MAX, Step};
use rialto_engine::message::{BookCommand, BookEvent, CancelRestriction, Placement, ToBook, ToWallet};
use rialto_engine::order::{Activation, Distance, Instructions, NewOrder, OrderKind, SelfTrade, Side, Trail, Trigger};
use rialto_engine::reason::Reason;
use rialto_engine::units::{Amount, BasisPoints, Nanos, Price, Quantity};
use rialto_engine::update::{OrderEvent, Status};
use rialto_engine::wallet::{
    Cancel, Command, House, LedgerAccount, OrderRef, Place, Submitted, Wallet, WalletLimits, WalletOutput,
    WalletSnapshot,
};
use settlement::{EntryList, Settlement, floor, name, needs, pays};

const ACCOUNTS: u32 = 6;
const ASSETS: u16 = 3;
const MIDDLE: u64 = 100;

/// A client order id belongs to an account.
type Name = (AccountId, ClientOrderId);

/// Tick and lot of a market, as mantissa and scale.
type Steps = [(u64, u8); 2];

/// One way to drive an exchange.
#[derive(Clone, Copy, Debug)]
struct Profile {
    seed: u64,
    /// Of the three markets: asset 0 in 1, 2 in 1, and 0 in 2. Assets have 1, 0 and 2 decimals.
    markets: [Steps; 3],
    /// Maker and taker, in basis points.
    fees: (u32, u32),
    steps: u32,
    /// Of a hundred steps, how many bring a new command; the others deliver what is in flight.
    busy: u64,
    /// After how many steps whole snapshots are compared.
    full_check: u32,
    /// Whether everything is stopped and restored now and then.
    restarts: bool,
    /// Whether anything is checked, or the end result alone wanted.
    checked: bool,
}

struct Exchange {
    profile: Profile,
    random: Random,
    /// Decides the restarts alone, so that runs with and without them are otherwise the same.
    fate: Random,
    wallet: Wallet,
    books: Vec<Book>,
    specs: Vec<MarketSpec>,
    limits: WalletLimits,
    to_book: Vec<VecDeque<ToBook>>,
    to_wallet: Vec<VecDeque<ToWallet>>,
    time: u64,
    deposits: u64,
    last_order: u64,
    twin: Settlement,
    entries: EntryList,
    /// Client ids of open orders, and of final ones, the oldest first.
    open_names: BTreeMap<OrderId, Name>,
    closed_names: VecDeque<Name>,
    output: WalletOutput,
    /// Whether the wallet has done anything since its balances were checked.
    touched: bool,
    /// Per market, the price of the last trade settled.
    last_settled: Vec<Option<u64>>,
    seen: Seen,
}

/// How often the interesting things happened, so that a test that tests nothing fails.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    rejected: u64,
    replaced: u64,
    contingent: u64,
    reduced: u64,
    lost_races: u64,
    quiescent: u64,
    in_flight_most: usize,
    lapsed: u64,
    decremented: u64,
    triggered: u64,
    /// Orders that waited and were cancelled or reduced.
    waited: u64,
    /// Triggered market orders to buy whose money ran out.
    ran_out: u64,
    continued: u64,
}

impl Exchange {
    fn new(profile: Profile) -> Self {
        let pairs = [(0, 1), (2, 1), (0, 2)];
        let scales = [1, 0, 2];
        let open = |(pair, steps): (&(u16, u16), &Steps)| {
            let [tick, lot] = steps.map(|(mantissa, scale)| Step { mantissa, scale });
            let definition = MarketDefinition {
                base: AssetId(pair.0),
                base_scale: scales[usize::from(pair.0)],
                quote: AssetId(pair.1),
                quote_scale: scales[usize::from(pair.1)],
                tick,
                lot,
                max_price: Price(1_000),
                max_quantity: Quantity(2_000),
                min_notional: Amount(1),
                maker_fee: BasisPoints(profile.fees.0),
                taker_fee: BasisPoints(profile.fees.1),
                filters: MarketFilters::default(),
            };
            let spec = MarketSpec::open(&definition).expect("opens");
            // Where a lot is worth less than a minor unit of money, such orders are let in too.
            MarketSpec { min_notional: Amount(i128::from(spec.notional_denominator == 1)), ..spec }
        };
        let specs: Vec<MarketSpec> = pairs.iter().zip(&profile.markets).map(open).collect();
        let limits = WalletLimits { closed_ids: 40, open_orders: 30 };
        let mut wallet = Wallet::new(limits);
        (0..ASSETS).for_each(|_| wallet.open_asset());
        (0..ACCOUNTS).for_each(|_| wallet.open_account());
        specs.iter().for_each(|spec| wallet.open_market(*spec));
        Self {
            profile,
            random: Random::new(profile.seed),
            fate: Random::new(profile.seed ^ 0xfa7e),
            wallet,
            books: vec![Book::new(); specs.len()],
            to_book: vec![VecDeque::new(); specs.len()],
            to_wallet: vec![VecDeque::new(); specs.len()],
            specs,
            limits,
            time: 0,
            deposits: 0,
            last_order: 0,
            twin: Settlement::default(),
            entries: EntryList::default(),
            open_names: BTreeMap::new(),
            closed_names: VecDeque::new(),
            output: WalletOutput::default(),
            touched: false,
            last_settled: vec![None; 3],
            seen: Seen::default(),
        }
    }

    fn run(mut self) -> (WalletSnapshot, Vec<BookSnapshot>, Settlement, Seen) {
        for account in 0..ACCOUNTS {
            (0..ASSETS).for_each(|asset| self.deposit(AccountId(account), AssetId(asset)));
        }
        for step in 1..=self.profile.steps {
            self.step();
            if self.profile.restarts && self.fate.below(500) == 0 {
                self.restart();
            }
            if self.profile.checked {
                if std::mem::take(&mut self.touched) {
                    self.check_balances();
                }
                if step.is_multiple_of(self.profile.full_check) {
                    self.check_orders();
                }
            }
        }
        self.deliver_everything();
        self.check_quiescence();
        for account in (0..ACCOUNTS).map(AccountId) {
            for market in (0..self.specs.len()).map(|index| MarketId(index as u16)) {
                let time = self.now();
                self.submit(&Command::CancelAll { account, market, time });
            }
        }
        self.deliver_everything();
        self.check_quiescence();
        self.check_nothing_is_held();
        let books = self.books.iter().map(Book::snapshot).collect();
        (self.wallet.snapshot(), books, self.twin, self.seen)
    }

    fn step(&mut self) {
        let in_flight: usize = self.to_book.iter().map(VecDeque::len).sum::<usize>()
            + self.to_wallet.iter().map(VecDeque::len).sum::<usize>();
        self.seen.in_flight_most = self.seen.in_flight_most.max(in_flight);
        match self.random.below(10_000) {
            0..3 => self.change_fees(),
            3..5 => self.change_limits(),
            5..15 => {
                self.deliver_everything();
                self.check_quiescence();
                self.seen.quiescent += 1;
            }
            15..17 => self.storm(),
            17..60 => {
                let account = AccountId(self.random.below(u64::from(ACCOUNTS)) as u32);
                let asset = AssetId(self.random.below(u64::from(ASSETS)) as u16);
                if self.deposits < 400 {
                    self.deposit(account, asset);
                }
            }
            _ if self.random.percent(self.profile.busy) && in_flight < 60 => {
                let command = self.command();
                self.submit(&command);
            }
            _ => {
                let market = self.random.below(self.specs.len() as u64) as usize;
                if self.random.percent(50) { self.deliver_to_book(market) } else { self.deliver_to_wallet(market) }
            }
        }
    }

    /// As many stops just below the price as accounts may have open: together more than one
    /// command may trigger.
    fn storm(&mut self) {
        self.deliver_everything();
        let market = self.random.below(self.specs.len() as u64) as usize;
        let threshold = Price(MIDDLE - self.random.between(1, 4));
        if self.last_settled[market].is_none_or(|last| last <= threshold.0) {
            return;
        }
        for account in (0..ACCOUNTS).map(AccountId) {
            for _ in 0..self.limits.open_orders {
                let mut place = self.place(account, MarketId(market as u16));
                place.kind = if self.random.percent(50) { OrderKind::Limit } else { OrderKind::ImmediateOrCancel };
                place.price = Price(MIDDLE - self.random.below(8));
                place.quantity = Quantity(1);
                place.budget = Amount::ZERO;
                place.instructions.trigger = Some(Trigger::Fall(threshold));
                self.submit(&Command::Place(place));
            }
        }
        self.deliver_everything();
    }

    fn now(&mut self) -> Nanos {
        self.time += 1;
        Nanos(self.time)
    }

    fn deposit(&mut self, account: AccountId, asset: AssetId) {
        self.deposits += 1;
        let id = format!("deposit-{}", self.deposits);
        // A few dozen typical orders: enough to trade, too little never to run dry.
        let typical = self.specs.iter().map(|spec| match asset {
            _ if asset == spec.base => spec.lot_amount.0 * 30,
            _ if asset == spec.quote => floor(i128::from(MIDDLE) * 30, spec),
            _ => 0,
        });
        let typical = typical.max().expect("three markets");
        let amount = Amount(typical * i128::from(self.random.between(1, 200)) + 1);
        let time = self.now();
        self.output.clear();
        let before = self.wallet.snapshot();
        assert_eq!(
            self.wallet.deposit(&id, account, asset, Amount(SUPPLY_MAX.0), time, &mut self.output),
            if before.house[usize::from(asset.0)][0].is_zero() { Ok(()) } else { Err(Reason::SupplyExceeded) }
        );
        if before.house[usize::from(asset.0)][0].is_zero() {
            // The very first deposit of an asset may be of all there can be: not in this test.
            self.wallet = Wallet::restore(&before, &self.specs, self.limits);
            self.output.clear();
        }
        assert_eq!(self.wallet.snapshot(), before);
        assert_eq!(self.wallet.deposit(&id, account, asset, amount, time, &mut self.output), Ok(()));
        *self.twin.totals.entry((account, asset)).or_default() += amount.0;
        self.take_entries();
        let after = self.wallet.snapshot();
        assert_eq!(self.wallet.deposit(&id, account, asset, amount, time, &mut self.output), Ok(()));
        let conflict = self.wallet.deposit(&id, account, asset, amount + Amount(1), time, &mut self.output);
        assert_eq!(conflict, Err(Reason::IdempotencyConflict));
        assert!(self.output.entries.is_empty());
        assert_eq!(self.wallet.snapshot(), after);
    }

    fn change_fees(&mut self) {
        let market = self.random.below(self.specs.len() as u64) as usize;
        let rates = [0, 1, 15, 333, 9_999, 10_000];
        let mut rate = || BasisPoints(rates[self.random.below(6) as usize]);
        let (maker_fee, taker_fee) = (rate(), rate());
        self.specs[market] = MarketSpec { maker_fee, taker_fee, ..self.specs[market] };
        self.wallet.change_market(MarketId(market as u16), self.specs[market]);
    }

    fn change_limits(&mut self) {
        let closed_ids = self.random.below(60) as u32;
        self.limits = WalletLimits { closed_ids, open_orders: self.random.between(5, 40) as u32 };
        self.wallet.change_limits(self.limits);
        while self.closed_names.len() > closed_ids as usize {
            self.closed_names.pop_front();
        }
    }

    fn restart(&mut self) {
        let before = self.wallet.snapshot();
        self.wallet = Wallet::restore(&before, &self.specs, self.limits);
        assert_eq!(self.wallet.snapshot(), before);
        for book in &mut self.books {
            *book = Book::restore(&book.snapshot());
        }
    }

    fn place(&mut self, account: AccountId, market: MarketId) -> Place {
        let random = &mut self.random;
        let kind = match random.below(100) {
            0..60 => OrderKind::Limit,
            60..68 => OrderKind::ImmediateOrCancel,
            68..74 => OrderKind::FillOrKill,
            74..82 => OrderKind::PostOnly,
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
            instructions: self.instructions(kind),
        }
    }

    fn instructions(&mut self, kind: OrderKind) -> Instructions {
        let random = &mut self.random;
        let self_trade = SelfTrade::ALL[if random.percent(40) { random.between(1, 4) as usize } else { 0 }];
        // A trigger that the kind may not have is refused; that is tried now and then.
        let may_wait = !matches!(kind, OrderKind::PostOnly | OrderKind::MarketByQuote);
        let waits = random.percent(if may_wait { 30 } else { 1 });
        Instructions { self_trade, trigger: waits.then(|| self.trigger()), ..Instructions::default() }
    }

    fn trigger(&mut self) -> Trigger {
        let random = &mut self.random;
        let price = Price(match random.below(100) {
            0 => 0,
            1 => 1_001,
            _ => MIDDLE - 8 + random.below(17),
        });
        let trail = Trail {
            distance: Distance::Share(BasisPoints(match random.below(50) {
                0 => 0,
                1 => 10_000,
                2 => 9_999,
                _ => random.between(1, 500) as u32,
            })),
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

    /// Where a trigger is expected to be reached: at its price, or a trail above the activation
    /// price or the last one that the wallet has settled.
    fn expected_price(&self, market: usize, trigger: Trigger) -> Option<u64> {
        match trigger {
            Trigger::Rise(price) | Trigger::Fall(price) => Some(price.0),
            Trigger::TrailRise(trail) | Trigger::TrailFall(trail) => {
                let from = match trail.activation {
                    Some(Activation::Rise(price) | Activation::Fall(price)) => Some(price.0),
                    None => self.last_settled[market],
                };
                from.map(|from| match trail.distance {
                    Distance::Share(share) => more(from, u64::from(share.0)),
                    Distance::Ticks(ticks) => from + ticks.0,
                })
            }
        }
    }

    /// The highest price that a waiting market order to buy may pay on average: 5 % more.
    fn waiting_price(&self, market: usize, trigger: Trigger) -> Option<u64> {
        self.expected_price(market, trigger).map(|price| more(price, 500).min(1_000))
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

    fn command(&mut self) -> Command {
        let account = AccountId(self.random.below(u64::from(ACCOUNTS)) as u32);
        let market = MarketId(self.random.below(self.specs.len() as u64) as u16);
        match self.random.below(1_000) {
            0..2 => return Command::Place(self.place(AccountId(ACCOUNTS), market)),
            2..4 => return Command::Place(self.place(account, MarketId(3))),
            4..700 => return Command::Place(self.place(account, market)),
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

    /// The reason that the rules give for refusing an order, or none.
    fn refusal(&self, place: &Place, from_old: i128) -> Option<Reason> {
        if place.account.0 >= ACCOUNTS {
            return Some(Reason::UnknownAccount);
        }
        let Some(spec) = self.specs.get(usize::from(place.market.0)) else { return Some(Reason::UnknownMarket) };
        let by_quote = place.kind == OrderKind::MarketByQuote;
        if place.kind.has_limit() && !(1..=1_000).contains(&place.price.0) {
            return Some(Reason::PriceOutOfRange);
        }
        if let Some(trigger) = place.instructions.trigger {
            let fits = |price: Price| (1..=1_000).contains(&price.0);
            let possible = match trigger {
                Trigger::Rise(price) | Trigger::Fall(price) => fits(price),
                Trigger::TrailRise(Trail { distance, activation })
                | Trigger::TrailFall(Trail { distance, activation }) => {
                    let from = activation.is_none_or(|from| match from {
                        Activation::Rise(price) | Activation::Fall(price) => fits(price),
                    });
                    let distant = match distance {
                        Distance::Share(share) => (1..10_000).contains(&share.0),
                        Distance::Ticks(ticks) => fits(ticks),
                    };
                    distant && from
                }
            };
            if !possible || matches!(place.kind, OrderKind::PostOnly | OrderKind::MarketByQuote) {
                return Some(Reason::TriggerOutOfRange);
            }
        }
        if !by_quote && !(1..=2_000).contains(&place.quantity.0) {
            return Some(Reason::QuantityOutOfRange);
        }
        let worth = i128::from(place.price.0) * i128::from(place.quantity.0);
        if place.kind.has_limit() && floor(worth, spec) < spec.min_notional.0
            || by_quote && (place.budget < spec.min_notional || place.budget <= Amount::ZERO)
        {
            return Some(Reason::NotionalTooSmall);
        }
        if let Some(client_id) = place.client_id {
            let name = (place.account, client_id);
            if self.open_names.values().any(|open| *open == name) || self.closed_names.contains(&name) {
                return Some(Reason::DuplicateClientOrderId);
            }
        }
        let open = self.twin.orders.values().filter(|order| order.order.account == place.account).count();
        if open >= self.limits.open_orders as usize {
            return Some(Reason::TooManyOrders);
        }
        let available = self.wallet.balance(place.account, pays(place.side, spec)).available.0 + from_old;
        let enough = match (place.kind, place.side) {
            (OrderKind::Market, Side::Buy) => match place.instructions.trigger {
                None => available > 0,
                Some(trigger) => {
                    let Some(price) = self.waiting_price(usize::from(place.market.0), trigger) else {
                        return Some(Reason::NoReferencePrice);
                    };
                    available >= needs(Side::Buy, price, place.quantity.0, spec)
                }
            },
            (OrderKind::MarketByQuote, Side::Buy) => available >= place.budget.0,
            (OrderKind::MarketByQuote, Side::Sell) => available >= spec.lot_amount.0,
            _ => available >= needs(place.side, place.price.0, place.quantity.0, spec),
        };
        (!enough).then_some(Reason::InsufficientBalance)
    }

    fn submit(&mut self, command: &Command) {
        self.output.clear();
        let sampled = self.random.below(64) == 0 || self.profile.full_check == 1;
        let before = (self.profile.checked && sampled).then(|| self.wallet.snapshot());
        let expected = match command {
            Command::Place(place) => Some(self.refusal(place, 0)),
            Command::Replace { cancel, allow_failure: true, place } => {
                let old = self.wallet.order(cancel.account, cancel.market, cancel.target);
                let same = old.filter(|old| old.side == place.side && place.kind.has_limit());
                Some(self.refusal(place, same.map_or(0, |old| self.twin.orders[&old.id].held)))
            }
            _ => None,
        };
        let available = match command {
            Command::Place(place) | Command::Replace { place, .. } => {
                let spec = self.specs.get(usize::from(place.market.0));
                spec.map_or(0, |spec| self.wallet.balance(place.account, pays(place.side, spec)).available.0)
            }
            _ => 0,
        };
        let (market, message) = match self.wallet.submit(command, &mut self.output) {
            Submitted::Rejected(reason) => {
                assert!(
                    expected.is_none_or(|expected| expected == Some(reason)),
                    "{command:?}: {reason:?} {expected:?}"
                );
                assert!(self.output.entries.is_empty() && self.output.updates.is_empty());
                if let Some(before) = before {
                    assert_eq!(self.wallet.snapshot(), before, "{command:?} was rejected and left a trace");
                }
                self.seen.rejected += 1;
                return;
            }
            Submitted::Forwarded { market, message } => (market, message),
        };
        assert!(
            expected.is_none_or(|expected| expected.is_none()),
            "{command:?} went through in spite of {expected:?}"
        );
        match (&message.command, command) {
            (BookCommand::Place(new), Command::Place(place)) => self.fund(market, new, place, available),
            (BookCommand::Place(new), Command::Replace { place, .. }) => self.fund(market, new, place, available),
            (BookCommand::Replace { new, old_remaining_needed, .. }, Command::Replace { place, .. }) => {
                self.seen.contingent += u64::from(!old_remaining_needed.is_zero());
                self.fund(market, new, place, available);
            }
            _ => {}
        }
        self.take_entries();
        assert!(self.output.updates.is_empty());
        self.to_book[usize::from(market.0)].push_back(message);
    }

    fn fund(&mut self, market: MarketId, new: &NewOrder, place: &Place, available: i128) {
        let spec = &self.specs[usize::from(market.0)];
        let held = match (place.kind, place.side) {
            (OrderKind::Market, Side::Buy) => match place.instructions.trigger {
                None => available,
                Some(trigger) => {
                    let price = self.waiting_price(usize::from(market.0), trigger).expect("was checked");
                    assert_eq!(new.budget.0, price * place.quantity.0);
                    needs(Side::Buy, price, place.quantity.0, spec)
                }
            },
            (OrderKind::MarketByQuote, Side::Buy) => place.budget.0,
            (OrderKind::MarketByQuote, Side::Sell) => i128::from(new.quantity.0) * spec.lot_amount.0,
            // A replacement may be funded in part by the order it replaces.
            _ => needs(place.side, place.price.0, place.quantity.0, spec).min(available),
        };
        self.last_order = new.id.0;
        self.twin.funded(market, *new, held);
        if let Some(client_id) = place.client_id {
            self.open_names.insert(new.id, (place.account, client_id));
        }
    }

    fn deliver_to_book(&mut self, market: usize) {
        let mut output = BookOutput::default();
        // What was triggered beyond the bound comes before any other command.
        if let Some(more) = self.books[market].proceed(&mut output) {
            self.to_wallet[market].push_back(more);
            return;
        }
        let Some(message) = self.to_book[market].pop_front() else { return };
        let answer = self.books[market].receive(&message, &mut output).expect("new");
        self.to_wallet[market].push_back(answer);
        if self.random.below(50) == 0 {
            let before = self.books[market].snapshot();
            assert_eq!(self.books[market].receive(&message, &mut output), None);
            assert_eq!(self.books[market].snapshot(), before);
        }
    }

    fn deliver_to_wallet(&mut self, market: usize) {
        let Some(message) = self.to_wallet[market].pop_front() else { return };
        self.output.clear();
        let id = MarketId(market as u16);
        self.wallet.settle(id, &message, &mut self.output).expect("new");
        self.note_events(&message);
        self.last_settled[market] = message.fills.last().map_or(self.last_settled[market], |fill| Some(fill.price.0));
        let told = self.twin.settle(&self.specs[market], &message);
        self.note(&message);
        if self.profile.checked {
            let heard = self.output.updates.iter().map(|update| {
                let fee = if let OrderEvent::Trade(execution) = update.event { execution.fee.0 } else { 0 };
                (name(&update.event), update.order.id, update.order.executed.0, update.order.status, fee)
            });
            assert!(heard.clone().eq(told.iter().copied()), "{message:?}\n{:?}\n{told:?}", heard.collect::<Vec<_>>());
            self.check_updates(market);
        }
        self.take_entries();
        if self.random.below(50) == 0 {
            let before = self.wallet.snapshot();
            assert_eq!(self.wallet.settle(id, &message, &mut self.output), None);
            assert!(self.output.entries.is_empty());
            assert_eq!(self.wallet.snapshot(), before);
        }
    }

    /// Counts what happened beside outcomes and fills, before the twin hears of it.
    fn note_events(&mut self, message: &ToWallet) {
        use rialto_engine::message::{BookOutcome, Expiry};
        let waits = |order: &OrderId| {
            let order = &self.twin.orders[order];
            order.order.asks().trigger.is_some() && !order.triggered
        };
        match &message.outcome {
            BookOutcome::Canceled { order, .. } | BookOutcome::Reduced { order, .. } if waits(order) => {
                self.seen.waited += 1;
            }
            BookOutcome::Continued => self.seen.continued += 1,
            _ => {}
        }
        for event in &message.events {
            match event {
                BookEvent::Lapsed { .. } => self.seen.lapsed += 1,
                BookEvent::Decremented { .. } => self.seen.decremented += 1,
                BookEvent::Triggered { order, placement, .. } => {
                    self.seen.triggered += 1;
                    let NewOrder { kind, side, .. } = self.twin.orders[order].order;
                    let lapsed = matches!(placement, Placement::Expired { reason: Expiry::Liquidity, .. });
                    self.seen.ran_out += u64::from(lapsed && kind == OrderKind::Market && side == Side::Buy);
                }
                BookEvent::Resumed { .. } | BookEvent::PhaseChanged { .. } => unreachable!("not driven here"),
            }
        }
    }

    /// Keeps the books about client ids and about what has been seen.
    fn note(&mut self, message: &ToWallet) {
        use rialto_engine::message::BookOutcome::{CancelRejected, ReduceRejected, Reduced, Replaced};
        match &message.outcome {
            CancelRejected { .. } | ReduceRejected { .. } => self.seen.lost_races += 1,
            Reduced { .. } => self.seen.reduced += 1,
            Replaced { canceled: Ok(_), placement: Some(_), .. } => self.seen.replaced += 1,
            Replaced { .. } => self.seen.lost_races += 1,
            _ => {}
        }
        // The wallet says by its updates which names are closed for good, and in which order; an
        // order that was refused or never tried gives its name back.
        for update in &self.output.updates {
            if matches!(
                update.order.status,
                Status::Filled | Status::Canceled | Status::Expired | Status::ExpiredInMatch
            ) && let Some(name) = self.open_names.remove(&update.order.id)
            {
                self.closed_names.push_back(name);
                if self.closed_names.len() > self.limits.closed_ids as usize {
                    self.closed_names.pop_front();
                }
            }
        }
        let open = &self.twin.orders;
        self.open_names.retain(|order, _| open.contains_key(order));
    }

    fn deliver_everything(&mut self) {
        for market in 0..self.specs.len() {
            while !self.to_book[market].is_empty() || self.books[market].is_cascading() {
                self.deliver_to_book(market);
            }
            while !self.to_wallet[market].is_empty() {
                self.deliver_to_wallet(market);
                if self.profile.checked {
                    self.check_balances();
                }
            }
        }
    }

    fn take_entries(&mut self) {
        self.touched = true;
        for entry in self.output.entries.drain(..) {
            self.entries.push(entry);
        }
        assert_eq!(self.wallet.entries(), self.entries.len());
    }

    /// What owners were told is what is: the last word about a balance is the balance.
    fn check_updates(&self, market: usize) {
        for (position, update) in self.output.updates.iter().enumerate() {
            let order = &update.order;
            let later = &self.output.updates[position + 1..];
            if !later.iter().any(|later| later.order.account == order.account) {
                for balance in update.balances {
                    assert_eq!(balance, self.wallet.balance(order.account, balance.asset), "after {update:?}");
                }
            }
            if let OrderEvent::Trade(execution) = update.event {
                let spec = &self.specs[market];
                let received = match order.side {
                    Side::Buy => (spec.base, i128::from(execution.quantity.0) * spec.lot_amount.0),
                    Side::Sell => {
                        (spec.quote, settlement::ceil(execution.price.times(execution.quantity).0.into(), spec))
                    }
                };
                assert_eq!(execution.fee_asset, received.0);
                assert!((0..=received.1).contains(&execution.fee.0), "{update:?}");
            }
            if !later.iter().any(|later| later.order.id == order.id) {
                let still_open = matches!(order.status, Status::New | Status::PartiallyFilled);
                let twin = self.twin.orders.get(&order.id);
                assert_eq!(still_open, twin.is_some(), "{update:?}");
                if let Some(twin) = twin {
                    assert_eq!(order.quantity.0, twin.shown_quantity());
                    assert_eq!(order.prevented.0, twin.prevented);
                    let waits = order.instructions.trigger.is_some() && order.triggered == Nanos::ZERO;
                    assert_eq!(waits, order.working_since().is_none());
                    assert_eq!(waits, twin.order.asks().trigger.is_some() && !twin.triggered);
                    assert_eq!(i128::from(order.notional.0), twin.notional);
                }
            }
        }
    }

    /// Every balance against the twin and against the entries, and the sum of all.
    fn check_balances(&self) {
        let holds = self.twin.held(ACCOUNTS as usize, usize::from(ASSETS), &self.specs);
        for asset in (0..ASSETS).map(AssetId) {
            let mut sum = 0;
            for account in (0..ACCOUNTS).map(AccountId) {
                let balance = self.wallet.balance(account, asset);
                let (available, held) = (balance.available.0, balance.held.0);
                assert!(available >= 0 && held >= 0, "{account} {balance:?}");
                assert_eq!(available + held, self.twin.totals.get(&(account, asset)).copied().unwrap_or(0));
                assert_eq!(held, holds[account.0 as usize][usize::from(asset.0)], "holds of {account} in {asset}");
                assert_eq!(available, self.entries.balance(asset, LedgerAccount::Available(account)));
                assert_eq!(held, self.entries.balance(asset, LedgerAccount::Held(account)));
                sum += available + held;
            }
            for house in House::ALL {
                let amount = self.wallet.house(asset, house).0;
                assert_eq!(amount, self.entries.balance(asset, LedgerAccount::House(house)));
                sum += amount;
            }
            assert_eq!(sum, 0, "of asset {asset}");
            let of = |map: &BTreeMap<AssetId, i128>| map.get(&asset).copied().unwrap_or(0);
            assert!(self.wallet.house(asset, House::External).0 <= 0);
            assert_eq!(self.wallet.house(asset, House::Fee).0, of(&self.twin.fees));
            let rounding = self.wallet.house(asset, House::Rounding).0;
            assert_eq!(rounding, of(&self.twin.rounding));
            assert!((0..of(&self.twin.sides).max(1)).contains(&rounding), "{rounding} in Rounding");
        }
    }

    /// Every open order against the twin, and the holds of orders against those of accounts.
    fn check_orders(&self) {
        let snapshot = self.wallet.snapshot();
        assert!(snapshot.orders.iter().map(|order| order.id).eq(self.twin.orders.keys().copied()));
        let mut held = vec![[0_i128; ASSETS as usize]; ACCOUNTS as usize];
        for order in &snapshot.orders {
            let spec = &self.specs[usize::from(order.market.0)];
            let twin = &self.twin.orders[&order.id];
            let whole = needs(order.side, order.price.0, order.quantity.0, spec);
            let holds = order.progress.map_or(whole, |progress| progress.held.0);
            assert_eq!(holds, twin.held, "{order:?}");
            assert_eq!(order.quantity.0, twin.quantity);
            assert_eq!(order.progress.map_or(0, |progress| progress.executed.0), twin.executed);
            assert_eq!(order.progress.map_or(0, |progress| progress.prevented.0), twin.prevented);
            let instructions = order.progress.map_or(Instructions::default(), |progress| progress.instructions);
            assert_eq!(instructions, twin.order.asks());
            held[order.account.0 as usize][usize::from(pays(order.side, spec).0)] += holds;
        }
        for (account, held) in held.iter().enumerate() {
            for (asset, held) in held.iter().enumerate() {
                let balance = self.wallet.balance(AccountId(account as u32), AssetId(asset as u16));
                assert_eq!(balance.held.0, *held);
            }
        }
    }

    /// With nothing in flight, wallet and books know the same orders, and each holds what the book
    /// still wants of it.
    fn check_quiescence(&self) {
        self.check_orders();
        let open = self.wallet.snapshot().orders;
        let mut resting = 0;
        for (market, book) in self.books.iter().enumerate() {
            let spec = &self.specs[market];
            for order in book.resting() {
                resting += 1;
                let known = open.binary_search_by_key(&order.id, |open| open.id).map(|position| &open[position]);
                let known = known.unwrap_or_else(|_| panic!("{order:?} rests unknown to the wallet"));
                assert_eq!((known.account, known.side, known.price), (order.account, order.side, order.price));
                assert_eq!(known.quantity, order.quantity);
                let (executed, prevented) =
                    known.progress.map_or((0, 0), |progress| (progress.executed.0, progress.prevented.0));
                assert_eq!(order.quantity.0 - executed - prevented, order.remaining.0);
                let most = needs(order.side, order.price.0, order.remaining.0, spec);
                let holds = known.progress.map_or(most, |progress| progress.held.0);
                // A fraction that earlier fills have paid already need not be held again.
                let paid = i128::from(spec.notional_denominator != 1 && executed > 0 && order.side == Side::Buy);
                assert!((most - paid..=most).contains(&holds), "{order:?} holds {holds}, needs {most}");
            }
            // Those that wait hold what all of them may cost.
            for waiting in book.summary().waiting {
                resting += 1;
                let twin = &self.twin.orders[&waiting.order.id];
                assert_eq!((twin.quantity, twin.executed, twin.prevented), (waiting.order.quantity.0, 0, 0));
                assert!(!twin.triggered);
                if twin.order.kind.has_limit() || twin.order.side == Side::Sell {
                    let order = &waiting.order;
                    assert_eq!(twin.held, needs(order.side, order.limit.0, order.quantity.0, spec));
                } else {
                    assert_eq!(twin.held, settlement::ceil(i128::from(waiting.order.budget.0), spec));
                }
            }
            let last = book.last_price().map(|price| price.0);
            assert_eq!(self.last_settled[market], last);
            assert_eq!(self.wallet.sent(MarketId(market as u16)), book.received());
            assert_eq!(self.wallet.received(MarketId(market as u16)), book.sent());
            assert_eq!(self.wallet.fills(MarketId(market as u16)), book.trades());
        }
        assert_eq!(resting, open.len());
    }

    fn check_nothing_is_held(&self) {
        assert!(self.wallet.is_empty() && self.books.iter().all(|book| book.is_empty() && book.waiting() == 0));
        for asset in (0..ASSETS).map(AssetId) {
            let accounts = (0..ACCOUNTS).map(AccountId);
            for account in accounts {
                let balance = self.wallet.balance(account, asset);
                assert_eq!(balance.held, Amount::ZERO);
                assert_eq!(balance.available.0, self.entries.walked(asset, LedgerAccount::Available(account)));
                assert_eq!(0, self.entries.walked(asset, LedgerAccount::Held(account)));
            }
            for house in House::ALL {
                assert_eq!(self.wallet.house(asset, house).0, self.entries.walked(asset, LedgerAccount::House(house)));
            }
        }
    }
}

/// A price and so many basis points more, rounded up.
fn more(price: u64, basis_points: u64) -> u64 {
    let product = price * (10_000 + basis_points);
    product / 10_000 + u64::from(!product.is_multiple_of(10_000))
}

fn settle_like_the_twin(profile: Profile) -> u64 {
    let (.., twin, seen) = Exchange::new(profile).run();
    eprintln!("{profile:?}: {} fills, {seen:?}", twin.fills);
    assert!(seen.rejected > 0 && seen.replaced > 0 && seen.reduced > 0 && seen.lost_races > 0 && seen.quiescent > 0);
    assert!(seen.contingent > 0 && seen.in_flight_most > 20);
    assert!(seen.lapsed > 0 && seen.decremented > 0 && seen.triggered > 0 && seen.waited > 0 && seen.ran_out > 0);
    assert!(seen.continued > 0);
    twin.fills
}

/// Runs an exchange, then the same one again with restarts: both must end the same.
fn survive_restarts(profile: Profile) {
    let (wallet, books, ..) = Exchange::new(profile).run();
    let again = Profile { restarts: true, checked: false, ..profile };
    let (restored_wallet, restored_books, ..) = Exchange::new(again).run();
    assert_eq!(restored_wallet, wallet, "{profile:?}");
    assert_eq!(restored_books, books, "{profile:?}");
}

const EXACT: [Steps; 3] = [[(1, 0), (1, 0)], [(1, 0), (1, 0)], [(1, 0), (1, 0)]];
const FINE: [Steps; 3] = [[(1, 2), (1, 1)], [(7, 3), (3, 0)], [(1, 3), (1, 1)]];
const AWKWARD: [Steps; 3] = [[(3, 1), (3, 1)], [(9_973, 5), (17, 2)], [(125, 6), (7, 1)]];

fn profile(seed: u64, markets: [Steps; 3], fees: (u32, u32)) -> Profile {
    Profile { seed, markets, fees, steps: 700_000, busy: 35, full_check: 100, restarts: false, checked: true }
}

#[test]
fn exact_markets() {
    let fills: u64 = [(1, (0, 0)), (2, (10, 20)), (3, (10_000, 10_000)), (4, (333, 1))]
        .map(|(seed, fees)| settle_like_the_twin(profile(seed, EXACT, fees)))
        .iter()
        .sum();
    assert!(fills > 300_000, "only {fills} fills");
}

#[test]
fn markets_finer_than_money() {
    let fills: u64 = [(11, (0, 0)), (12, (10, 20)), (13, (10_000, 10_000)), (14, (9_999, 1))]
        .map(|(seed, fees)| settle_like_the_twin(profile(seed, FINE, fees)))
        .iter()
        .sum();
    assert!(fills > 300_000, "only {fills} fills");
}

#[test]
fn awkward_markets() {
    let fills: u64 = [(21, (0, 0)), (22, (10, 20)), (23, (5_000, 10_000)), (24, (1, 3_333))]
        .map(|(seed, fees)| settle_like_the_twin(profile(seed, AWKWARD, fees)))
        .iter()
        .sum();
    assert!(fills > 300_000, "only {fills} fills");
}

#[test]
fn an_exchange_that_was_stopped_and_restored_ends_as_one_that_never_was() {
    for (seed, markets) in [(31, EXACT), (32, FINE), (33, AWKWARD)] {
        survive_restarts(Profile { steps: 60_000, full_check: 1_000, ..profile(seed, markets, (15, 25)) });
    }
}

#[test]
fn short_lives_compared_in_full_after_every_step() {
    for seed in 1_000..1_060 {
        let markets = [EXACT, FINE, AWKWARD][seed as usize % 3];
        let fees = [(0, 0), (15, 25), (10_000, 10_000), (7_777, 1)][seed as usize % 4];
        let busy = 20 + seed % 50;
        let profile = Profile { steps: 1_500, full_check: 1, busy, ..profile(seed, markets, fees) };
        survive_restarts(profile);
    }
}
