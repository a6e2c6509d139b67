//! Wallet and books together, with several messages in flight on every path, against the naive
//! twin of the money. All invariants are checked after every step.

#[path = "wallet_twin/checks.rs"]
mod checks;
#[path = "wallet_twin/commands.rs"]
mod commands;
#[path = "common/random.rs"]
mod random;
#[path = "wallet_twin/rules.rs"]
mod rules;
#[path = "wallet_twin/seen.rs"]
mod seen;
#[path = "common/settlement.rs"]
mod settlement;

use std::collections::{BTreeMap, VecDeque};

use random::Random;
use rialto_engine::book::{Book, BookOutput, BookSnapshot};
use rialto_engine::ids::{AccountId, AssetId, ClientOrderId, MarketId, OrderId};
use rialto_engine::market::{MarketDefinition, MarketFilters, MarketSpec, SUPPLY_MAX, Step};
use rialto_engine::message::{BookCommand, ToBook, ToWallet};
use rialto_engine::order::{Instructions, Link, NewOrder, OrderKind, Side, Trigger};
use rialto_engine::reason::Reason;
use rialto_engine::units::{Amount, BasisPoints, FeeRate, Nanos, Price, Quantity};
use rialto_engine::update::{ListView, OrderEvent};
use rialto_engine::wallet::{
    Command, Contingency, Place, PlaceList, Submitted, Wallet, WalletLimits, WalletOutput, WalletSnapshot,
};
use rules::Beside;
use seen::Seen;
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
    /// Every list that was placed.
    lists: BTreeMap<OrderId, ListView>,
    /// The trade group of each account.
    groups: Vec<u32>,
    output: WalletOutput,
    /// Whether the wallet has done anything since its balances were checked.
    touched: bool,
    /// Per market, the price of the last trade settled.
    last_settled: Vec<Option<u64>>,
    seen: Seen,
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
                maker_fee: FeeRate(profile.fees.0.cast_signed()),
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
            lists: BTreeMap::new(),
            groups: vec![0; ACCOUNTS as usize],
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
            60..64 => self.change_filters(),
            64..66 => self.change_group(),
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
            if before.external[usize::from(asset.0)].iter().all(|owed| owed.is_zero()) {
                Ok(())
            } else {
                Err(Reason::SupplyExceeded)
            }
        );
        if before.external[usize::from(asset.0)].iter().all(|owed| owed.is_zero()) {
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
        let mut rate = || rates[self.random.below(6) as usize];
        let (maker, taker_fee) = (rate(), BasisPoints(rate()));
        // One in four makers is paid.
        let maker = if self.random.below(4) == 0 { -maker.cast_signed() } else { maker.cast_signed() };
        let maker_fee = FeeRate(maker);
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

    fn submit(&mut self, command: &Command) {
        self.output.clear();
        let sampled = self.random.below(64) == 0 || self.profile.full_check == 1;
        let before = (self.profile.checked && sampled).then(|| self.wallet.snapshot());
        let mut quantity = None;
        if let Command::Place(place) | Command::Replace { place, .. } = command
            && place.kind == OrderKind::MarketByQuote
            && usize::from(place.market.0) < self.specs.len()
        {
            quantity = Some(self.most_by_quote(place));
        }
        let market_refusal =
            |market: &MarketId| (usize::from(market.0) >= self.specs.len()).then_some(Reason::UnknownMarket);
        let mut described = None;
        let expected = match command {
            Command::Place(place) => Some(self.refusal(place, Beside::Nothing)),
            Command::Replace { cancel, allow_failure: true, place } => {
                let old = self.wallet.order(cancel.account, cancel.market, cancel.target);
                let same = old.filter(|old| old.side == place.side && place.kind.has_limit());
                let held = same.map_or(0, |old| {
                    let held = self.twin.held_by(old.id);
                    // What it holds for its partner is not its own to give.
                    if old.instructions.link.is_some() { held.min(self.twin.orders[&old.id].needs) } else { held }
                });
                Some(self.refusal(place, Beside::Old(held)))
            }
            Command::PlaceList(list) => Some(self.list_refusal(list)),
            Command::CancelList { account, market, target, .. } => {
                Some(self.meant_list(*account, *market, *target).err())
            }
            Command::CancelMany { account, market, side, tag, .. } => {
                let orders = self.described(*account, *market, *side, *tag);
                let refusal = orders.is_empty().then_some(Reason::UnknownOrder);
                described = Some(orders);
                Some(refusal)
            }
            Command::Enter { market, .. } | Command::Protect { market, .. } | Command::Advance { market, .. } => {
                Some(market_refusal(market))
            }
            Command::Cancel(_) | Command::CancelAll { .. } | Command::Reduce { .. } | Command::Replace { .. } => None,
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
            (BookCommand::Place(new), Command::Place(place) | Command::Replace { place, .. }) => {
                self.fund(market, new, place, available, quantity);
            }
            (BookCommand::Replace { new, old_remaining_needed, .. }, Command::Replace { place, .. }) => {
                self.seen.contingent += u64::from(!old_remaining_needed.is_zero());
                self.fund(market, new, place, available, quantity);
            }
            (BookCommand::PlaceList(orders), Command::PlaceList(list)) => self.fund_list(market, orders, list),
            (BookCommand::Cancel { order, .. }, Command::CancelList { account, target, .. }) => {
                let list = self.meant_list(*account, market, *target).expect("was checked");
                assert!(list.orders.iter().any(|(id, _)| id == order), "{order} of {list:?}");
                assert!(self.twin.orders.contains_key(order));
            }
            (BookCommand::CancelMany(orders), Command::CancelMany { .. }) => {
                assert_eq!(Some(orders.to_vec()), described);
            }
            (BookCommand::Enter { phase, until }, Command::Enter { phase: asked, until: till, .. }) => {
                assert_eq!((phase, until), (asked, till));
            }
            (BookCommand::Protect(protection), Command::Protect { protection: asked, .. }) => {
                assert_eq!(protection, asked);
            }
            (BookCommand::Advance, Command::Advance { .. })
            | (BookCommand::Cancel { .. }, Command::Cancel(_))
            | (BookCommand::CancelMany(_), Command::CancelAll { .. })
            | (BookCommand::Reduce { .. }, Command::Reduce { .. }) => {}
            (message, command) => panic!("{command:?} became {message:?}"),
        }
        self.take_entries();
        assert!(self.output.updates.is_empty());
        self.to_book[usize::from(market.0)].push_back(message);
    }

    fn fund(&mut self, market: MarketId, new: &NewOrder, place: &Place, available: i128, most_by_quote: Option<u64>) {
        let spec = &self.specs[usize::from(market.0)];
        let held = match (place.kind, place.side) {
            (OrderKind::Market, Side::Buy) => match self.waiting_price(place, Beside::Nothing).expect("was checked") {
                None => available,
                Some(price) => {
                    assert_eq!(new.budget.0, price * place.quantity.0);
                    needs(Side::Buy, price, place.quantity.0, spec)
                }
            },
            (OrderKind::MarketByQuote, Side::Buy) => {
                assert_eq!(Some(new.quantity.0), most_by_quote);
                place.budget.0
            }
            (OrderKind::MarketByQuote, Side::Sell) => {
                let payable = u64::try_from(available / spec.lot_amount.0).unwrap_or(u64::MAX);
                assert_eq!(Some(new.quantity.0), most_by_quote.map(|most| most.min(payable)));
                i128::from(new.quantity.0) * spec.lot_amount.0
            }
            // A replacement may be funded in part by the order it replaces.
            _ => needs(place.side, place.price.0, place.quantity.0, spec).min(available),
        };
        self.take_in(market, new, place, held, None);
    }

    fn fund_list(&mut self, market: MarketId, orders: &[NewOrder], list: &PlaceList) {
        self.seen.lists += 1;
        let first = orders[0].id;
        let id_at = |position: usize| OrderId(first.0 + position as u64);
        let needs: Vec<i128> = (0..orders.len())
            .map(|position| self.needs_of(&list.places[position], Beside::List(list, position)).expect("was checked"))
            .collect();
        for (position, (new, place)) in orders.iter().zip(&list.places).enumerate() {
            assert_eq!(new.id, id_at(position));
            let (partner, after) = match (list.contingency, position) {
                (Contingency::OneCancelsOther, _) => (Some(id_at(1 - position)), None),
                (_, 0) => (None, None),
                (Contingency::OneTriggersOther, _) => (None, Some(first)),
                (Contingency::OneTriggersPair, _) => (Some(id_at(3 - position)), Some(first)),
            };
            self.take_in(market, new, place, needs[position], Some(Link { list: first, partner, after }));
        }
        let generated = |id: OrderId| ClientOrderId::new(&format!("rialto-{id}")).expect("valid");
        let names = orders.iter().zip(&list.places);
        let list = ListView {
            id: first,
            client_id: list.client_id.unwrap_or_else(|| generated(first)),
            account: list.places[0].account,
            market,
            contingency: list.contingency,
            orders: names.map(|(new, place)| (new.id, place.client_id.unwrap_or_else(|| generated(new.id)))).collect(),
            time: list.places[0].time,
        };
        self.lists.insert(first, list);
    }

    fn take_in(&mut self, market: MarketId, new: &NewOrder, place: &Place, needs: i128, link: Option<Link>) {
        let group = self.groups[place.account.0 as usize];
        self.seen.grouped += u64::from(group != 0);
        let asks = Instructions { group, link, ..place.instructions };
        assert_eq!(new.instructions, (asks != Instructions::default()).then_some(asks));
        assert_eq!((new.account, new.side, new.kind, new.limit), (place.account, place.side, place.kind, place.price));
        self.last_order = new.id.0;
        self.twin.funded(market, *new, needs);
        if let Some(client_id) = place.client_id {
            self.open_names.insert(new.id, (place.account, client_id));
        }
    }

    fn deliver_to_book(&mut self, market: usize) {
        let mut output = BookOutput::default();
        // What was triggered beyond the bound comes before any other command.
        if let Some(more) = self.books[market].proceed(&mut output) {
            self.seen.continued += 1;
            self.to_wallet[market].push_back(more);
            return;
        }
        let Some(message) = self.to_book[market].front() else { return };
        // And so does what is due by its time.
        if let Some(due) = self.books[market].catch_up(message.time, &mut output) {
            self.seen.due += 1;
            self.to_wallet[market].push_back(due);
            return;
        }
        let message = self.to_book[market].pop_front().expect("just seen");
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
}

fn settle_like_the_twin(profile: Profile) -> u64 {
    let (.., twin, seen) = Exchange::new(profile).run();
    eprintln!("{profile:?}: {} fills, {seen:?}", twin.fills);
    seen.assert_everything_was_seen();
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
    Profile { seed, markets, fees, steps: 1_200_000, busy: 40, full_check: 100, restarts: false, checked: true }
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
