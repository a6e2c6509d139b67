//! What the engine asks of the allocator, counted: nothing in steady state, and little when idle.
//!
//! Every count is of one thread, so that tests beside each other do not disturb it, and only of the
//! calls under test: what the generators of the flows allocate is their own affair.

#[path = "common/counting.rs"]
mod counting;
#[path = "common/random.rs"]
mod random;

use std::collections::BTreeMap;

use counting::{Asked, asked_by};
use random::Random;
use rialto_engine::book::{Book, BookOutput};
use rialto_engine::ids::{AccountId, AssetId, ClientOrderId, MarketId, OrderId};
use rialto_engine::market::{MarketDefinition, MarketFilters, MarketSpec, Step};
use rialto_engine::message::{BookCommand, BookEvent, BookOutcome, CancelRestriction, Fill, Placement, ToBook};
use rialto_engine::order::{Distance, Instructions, NewOrder, OrderKind, SelfTrade, Side, Trail, Trigger};
use rialto_engine::reason::Reason;
use rialto_engine::units::{Amount, BasisPoints, FeeRate, Nanos, Notional, Price, Quantity};
use rialto_engine::wallet::{Cancel, Command, OrderRef, Place, Submitted, Wallet, WalletLimits, WalletOutput};

/// How many commands of a kind there were, how many of them asked for memory, and how often.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    commands: u64,
    asking: u64,
    blocks: u64,
}

type Tallies = BTreeMap<&'static str, Tally>;

fn tally(tallies: &mut Tallies, kind: &'static str, asked: Asked) {
    let tally = tallies.entry(kind).or_default();
    tally.commands += 1;
    tally.asking += u64::from(asked.blocks > 0);
    tally.blocks += asked.blocks;
}

/// Shown by `--nocapture`.
fn print(title: &str, tallies: &Tallies) {
    println!("{title}");
    for (kind, Tally { commands, asking, blocks }) in tallies {
        println!("  {kind:<24} {commands:>9} commands, {asking:>8} of them asked for {blocks:>8} blocks");
    }
}

const WARM_UP: u32 = 300_000;
const COMMANDS: u32 = 1_000_000;
/// How often a list of free slots may reach its greatest length after the warm-up, in a million
/// commands: those of waiting orders and of a wallet's partly filled ones fill by chance, and double.
const LATE_MAX: u64 = 3;
const ACCOUNTS: u64 = 50;
const MIDDLE: u64 = 100_000;

/// What a flow is made of. The rest up to a hundred are cancels.
#[derive(Clone, Copy)]
struct Mix {
    /// How many orders the book is kept at.
    resting: usize,
    /// The mean distance of a new order from the touch, in ticks.
    distance: u64,
    /// Limit orders that rest, and immediate-or-cancel orders that keep the book at its size.
    adds: u64,
    takes: u64,
    /// Reductions, orders that may not trade with their own account, and orders with triggers.
    reductions: u64,
    guarded: u64,
    stops: u64,
    trails: u64,
}

const W1: Mix =
    Mix { resting: 5_000, distance: 12, adds: 60, takes: 5, reductions: 0, guarded: 0, stops: 0, trails: 0 };

const GUARDED: Mix = Mix { adds: 50, takes: 3, reductions: 10, guarded: 3, ..W1 };

/// Makes commands that make sense, because it watches the book.
struct Flow {
    mix: Mix,
    random: Random,
    /// Open orders, resting or waiting, and where each stands there, by its number.
    open: Vec<OrderId>,
    places: Vec<usize>,
    /// By number too.
    waits: Vec<bool>,
    /// Whether the book is still being filled, by a quarter more than it is kept at. The first order
    /// that takes anything takes that quarter, so that every list has then been longer than it will be.
    filling: bool,
}

const GONE: usize = usize::MAX;

impl Flow {
    fn new(mix: Mix, seed: u64) -> Self {
        Self { mix, random: Random::new(seed), open: Vec::new(), places: Vec::new(), waits: Vec::new(), filling: true }
    }

    /// Leaves a number out.
    fn skip_one(&mut self) {
        self.places.push(GONE);
        self.waits.push(false);
    }

    fn next(&mut self, book: &Book) -> (&'static str, BookCommand) {
        self.filling &= book.len() < self.mix.resting + self.mix.resting / 4;
        if self.filling {
            return ("add", self.add(book));
        }
        let mut kind = self.random.below(100);
        let mut is = |percent| {
            let it_is = kind < percent;
            kind = kind.wrapping_sub(percent);
            it_is
        };
        let Mix { adds, takes, reductions, guarded, stops, trails, .. } = self.mix;
        if is(adds) {
            ("add", self.add(book))
        } else if is(takes) {
            ("take", self.take(book, SelfTrade::Allow))
        } else if is(reductions) {
            self.reduce(book)
        } else if is(guarded) {
            let modes = &SelfTrade::ALL[1..];
            let mode = modes[usize::try_from(self.random.below(modes.len() as u64)).expect("few modes")];
            ("guarded take", self.take(book, mode))
        } else if is(stops) && book.waiting() < self.mix.resting / 10 {
            ("stop", self.wait(book, false))
        } else if is(trails) && book.waiting() < self.mix.resting / 10 {
            ("trail", self.wait(book, true))
        } else {
            let order = self.pick();
            let kind = if self.waits[index(order)] { "cancel of a waiting one" } else { "cancel" };
            (kind, BookCommand::Cancel { order, restriction: CancelRestriction::None })
        }
    }

    fn pick(&mut self) -> OrderId {
        self.open[usize::try_from(self.random.below(self.open.len() as u64)).expect("an index")]
    }

    fn add(&mut self, book: &Book) -> BookCommand {
        let side = self.side();
        let limit = self.passive(book, side);
        let quantity = Quantity(self.random.between(1, 100));
        BookCommand::Place(self.order(side, OrderKind::Limit, limit, quantity, Instructions::default()))
    }

    fn take(&mut self, book: &Book, self_trade: SelfTrade) -> BookCommand {
        let side = self.side();
        let excess = book.len().saturating_sub(self.mix.resting).max(1) as u64;
        let quantity = Quantity(50 * excess);
        let limit = if side == Side::Buy { Price(2 * MIDDLE) } else { Price(1) };
        let instructions = Instructions { self_trade, ..Instructions::default() };
        BookCommand::Place(self.order(side, OrderKind::ImmediateOrCancel, limit, quantity, instructions))
    }

    fn reduce(&mut self, book: &Book) -> (&'static str, BookCommand) {
        let order = self.pick();
        // Of an order that has traded, one lot less than it was is more than is open; so this is
        // refused now and then, as it should be.
        let quantity = Quantity(book.remaining(order).expect("open").0.saturating_sub(1));
        ("reduce", BookCommand::Reduce { order, quantity })
    }

    /// An order that waits, sooner or later to be fired: its threshold is a few spreads away.
    fn wait(&mut self, book: &Book, trailing: bool) -> BookCommand {
        let side = self.side();
        let last = book.last_price().unwrap_or(Price(MIDDLE)).0;
        let away = self.random.between(1, 4 * self.mix.distance);
        let trail = Trail { distance: Distance::Share(BasisPoints(1)), activation: None };
        let trigger = match (side, trailing) {
            (Side::Buy, false) => Trigger::Rise(Price(last + away)),
            (Side::Sell, false) => Trigger::Fall(Price(last - away)),
            (Side::Buy, true) => Trigger::TrailRise(trail),
            (Side::Sell, true) => Trigger::TrailFall(trail),
        };
        let instructions = Instructions { trigger: Some(trigger), ..Instructions::default() };
        let quantity = Quantity(self.random.between(1, 100));
        BookCommand::Place(self.order(side, OrderKind::Market, Price::ZERO, quantity, instructions))
    }

    fn order(
        &mut self,
        side: Side,
        kind: OrderKind,
        limit: Price,
        quantity: Quantity,
        instructions: Instructions,
    ) -> NewOrder {
        let id = OrderId(self.places.len() as u64);
        self.skip_one();
        self.waits[index(id)] = instructions.trigger.is_some();
        let account = AccountId(u32::try_from(self.random.below(ACCOUNTS)).expect("few accounts"));
        NewOrder {
            id,
            account,
            side,
            kind,
            limit,
            quantity,
            budget: Notional(u64::MAX),
            time: Nanos(id.0),
            instructions: (!instructions.is_plain()).then_some(instructions),
        }
    }

    fn side(&mut self) -> Side {
        if self.random.percent(50) { Side::Buy } else { Side::Sell }
    }

    /// A price that does not trade: geometrically distant from the other side's best.
    fn passive(&mut self, book: &Book, side: Side) -> Price {
        let mut distance = 1;
        while self.random.below(self.mix.distance + 1) != 0 {
            distance += 1;
        }
        match (side, book.best(side.opposite())) {
            (Side::Buy, best) => Price(best.map_or(MIDDLE + 1, |(price, _)| price.0) - distance),
            (Side::Sell, best) => Price(best.map_or(MIDDLE, |(price, _)| price.0) + distance),
        }
    }

    /// Learns what became of a command.
    fn learn(&mut self, outcome: &BookOutcome, fills: &[Fill], events: &[BookEvent]) {
        match outcome {
            BookOutcome::Placed { order, placement } => self.placed(*order, *placement),
            BookOutcome::Canceled { order, .. } => self.close(*order),
            BookOutcome::Reduced { .. } | BookOutcome::ReduceRejected { .. } | BookOutcome::Continued => {}
            other => panic!("not a command of this flow: {other:?}"),
        }
        for event in events {
            match *event {
                BookEvent::Triggered { order, .. } | BookEvent::Lapsed { order, .. } => self.close(order),
                BookEvent::Decremented { maker, maker_remaining, .. } if maker_remaining.is_zero() => self.close(maker),
                BookEvent::Decremented { .. } | BookEvent::PhaseChanged { .. } | BookEvent::Resumed { .. } => {}
            }
        }
        for fill in fills.iter().filter(|fill| fill.maker_remaining.is_zero()) {
            self.close(fill.maker);
        }
    }

    fn placed(&mut self, order: OrderId, placement: Placement) {
        if matches!(placement, Placement::Resting { .. } | Placement::Waiting) {
            self.places[index(order)] = self.open.len();
            self.open.push(order);
        }
    }

    fn close(&mut self, order: OrderId) {
        let place = std::mem::replace(&mut self.places[index(order)], GONE);
        assert_ne!(place, GONE, "order {order} is not open");
        self.open.swap_remove(place);
        if let Some(moved) = self.open.get(place) {
            self.places[index(*moved)] = place;
        }
    }
}

fn index(order: OrderId) -> usize {
    usize::try_from(order.0).expect("numbered from zero")
}

/// Drives a book by [`Book::execute`]: the tallies after the warm-up.
fn execute(mix: Mix, seed: u64, warm_up: u32) -> Tallies {
    let (mut book, mut output, mut flow) = (Book::new(), BookOutput::default(), Flow::new(mix, seed));
    let mut tallies = Tallies::new();
    for step in 0..warm_up + COMMANDS {
        let (kind, command) = flow.next(&book);
        let (outcome, asked) = asked_by(|| {
            output.clear();
            book.execute(&command, &mut output)
        });
        if step >= warm_up {
            tally(&mut tallies, kind, asked);
        }
        flow.learn(&outcome, &output.fills, &output.events);
    }
    tallies
}

/// The same by [`Book::receive`], triggered orders included. `recycled` says whether the buffers of an
/// answer are given back.
fn receive(mix: Mix, seed: u64, recycled: bool) -> Tallies {
    let (mut book, mut output, mut flow) = (Book::new(), BookOutput::default(), Flow::new(mix, seed));
    let mut tallies = Tallies::new();
    for step in 0..WARM_UP + COMMANDS {
        let (kind, command) = flow.next(&book);
        let message = ToBook { number: u64::from(step) + 1, time: Nanos(0), command };
        let (answer, mut asked) = asked_by(|| {
            output.clear();
            book.receive(&message, &mut output).expect("new")
        });
        flow.learn(&answer.outcome, &answer.fills, &answer.events);
        let mut kind = if answer.fills.is_empty() || recycled { kind } else { "any with fills" };
        if answer.events.iter().any(|event| matches!(event, BookEvent::Triggered { .. })) {
            kind = "any that triggers";
        }
        if recycled {
            let ((), more) = asked_by(|| output.recycle(answer));
            asked.blocks += more.blocks;
        }
        if step >= WARM_UP {
            tally(&mut tallies, kind, asked);
        }
        while let Some(answer) = book.proceed(&mut output) {
            flow.learn(&answer.outcome, &answer.fills, &answer.events);
        }
    }
    tallies
}

/// What all kinds together have asked for.
fn blocks(tallies: &Tallies) -> u64 {
    tallies.values().map(|tally| tally.blocks).sum()
}

#[test]
fn a_book_in_steady_state_asks_for_nothing() {
    for (resting, warm_up) in [(5_000, WARM_UP), (100_000, 1_000_000)] {
        let tallies = execute(Mix { resting, ..W1 }, 1, warm_up);
        print(&format!("W1 with {resting} resting orders"), &tallies);
        assert_eq!(blocks(&tallies), 0);
        let takes = tallies["take"].commands;
        assert!(takes > u64::from(COMMANDS) / 25, "only {takes} orders took anything");
    }
}

/// A side of hundreds of pages keeps them in a tree, and its nodes come and go with them.
#[test]
fn a_wide_book_asks_for_the_nodes_of_its_tree_of_pages() {
    let tallies = execute(Mix { distance: 1_000, ..W1 }, 1, WARM_UP);
    print("W1, eighty times as wide", &tallies);
    assert!(blocks(&tallies) < u64::from(COMMANDS) / 40);
}

#[test]
fn reductions_and_self_trade_prevention_ask_for_nothing() {
    let tallies = receive(GUARDED, 2, true);
    print("W1 with reductions and self-trade prevention", &tallies);
    assert_eq!(blocks(&tallies), 0);
    assert!(tallies["guarded take"].commands > 20_000 && tallies["reduce"].commands > 80_000);
}

/// Waiting orders stand in ordered maps, whose nodes come and go. Other commands pay only where they
/// move the price that trailing orders follow: then each of those is entered anew.
#[test]
fn waiting_orders_ask_for_the_nodes_of_their_maps() {
    let stops = receive(Mix { stops: 5, ..GUARDED }, 3, true);
    print("the same with stop orders", &stops);
    assert!(stops["any that triggers"].commands > 1_000);
    for (kind, Tally { commands, blocks, .. }) in &stops {
        match *kind {
            "stop" => assert!(blocks * 5 < *commands, "{blocks} blocks"),
            "any that triggers" | "cancel of a waiting one" => assert!(*blocks <= LATE_MAX, "{blocks} blocks"),
            _ => assert_eq!(*blocks, 0, "{kind}"),
        }
    }
    let trails = receive(Mix { trails: 5, ..GUARDED }, 3, true);
    print("the same with trailing orders", &trails);
    assert!(trails["any that triggers"].commands > 100);
    for (kind, Tally { commands, blocks, .. }) in &trails {
        match *kind {
            "trail" => assert!(*blocks < *commands, "{blocks} blocks"),
            "take" | "guarded take" | "any that triggers" => {}
            "cancel of a waiting one" => assert!(*blocks <= LATE_MAX, "{blocks} blocks"),
            _ => assert_eq!(*blocks, 0, "{kind}"),
        }
    }
    assert!(blocks(&trails) < u64::from(COMMANDS) / 5);
}

#[test]
fn an_answer_takes_its_buffers_along_unless_they_are_given_back() {
    let kept = receive(W1, 3, false);
    print("W1, answers kept", &kept);
    for (kind, Tally { commands, asking, .. }) in &kept {
        assert_eq!(*asking, if *kind == "any with fills" { *commands } else { 0 }, "{kind}");
    }
    let recycled = receive(W1, 3, true);
    print("W1, answers given back", &recycled);
    assert_eq!(blocks(&recycled), 0);
}

#[test]
fn what_an_output_still_holds_is_kept_when_an_answer_is_given_back() {
    let mut flow = Flow::new(W1, 4);
    let (mut book, mut output) = (Book::new(), BookOutput::default());
    let mut number = 0;
    let answer = loop {
        number += 1;
        let (_, command) = flow.next(&book);
        let answer = book.receive(&ToBook { number, time: Nanos(0), command }, &mut output).expect("new");
        flow.learn(&answer.outcome, &answer.fills, &answer.events);
        if !answer.fills.is_empty() {
            break answer;
        }
    };
    let (fill, empty) = (answer.fills[0], answer.clone());
    output.recycle(answer);
    assert!(output.fills.is_empty() && output.fills.capacity() > 0, "emptied, with its memory");
    output.fills.push(fill);
    output.recycle(empty);
    assert_eq!(output.fills, [fill], "not emptied by what comes back later");
}

/// What a book costs, itself included: of ten thousand, what one holds.
#[test]
fn an_idle_book_costs_less_than_four_kibibytes() {
    const BOOKS: i64 = 10_000;
    const KIBIBYTE: i64 = 1_024;
    // With room, so that only the books grow.
    let mut output =
        BookOutput { fills: Vec::with_capacity(64), levels: Vec::with_capacity(64), ..BookOutput::default() };
    let mut held = 0;
    let mut books = Vec::new();
    let mut step = |what: &str, work: &mut dyn FnMut(&mut Vec<Book>)| {
        let ((), asked) = asked_by(|| work(&mut books));
        held += asked.bytes;
        println!("{what}: {} bytes", held / BOOKS);
        held / BOOKS
    };
    let new = step("a new book", &mut |books| {
        books.reserve_exact(usize::try_from(BOOKS).expect("few"));
        books.extend((0..BOOKS).map(|_| Book::new()));
    });
    assert!(new <= 2 * KIBIBYTE);

    // Quotes of four orders on either side, within a page of 64 prices.
    let mut flow = Flow::new(W1, 5);
    let mut quote = |side, price: u64| {
        let order = flow.order(side, OrderKind::Limit, Price(price), Quantity(10), Instructions::default());
        BookCommand::Place(order)
    };
    let quotes: Vec<BookCommand> =
        (0..4).flat_map(|away| [quote(Side::Buy, 999 - away), quote(Side::Sell, 1_000 + away)]).collect();
    let few = step("a book with eight resting orders", &mut |books| {
        for book in books {
            output.clear();
            quotes.iter().for_each(|command| assert_placed(&book.execute(command, &mut output)));
            assert_eq!(book.len(), quotes.len());
        }
    });
    assert!(few <= 4 * KIBIBYTE);

    // They come and go twenty times, by a sweep and by cancels, and leave only room for the next.
    let mut sweep = quote(Side::Buy, 2_000);
    let BookCommand::Place(order) = &mut sweep else { unreachable!("an order") };
    (order.kind, order.quantity) = (OrderKind::ImmediateOrCancel, Quantity(1_000));
    let gone = step("an idle book that orders have come to and gone from", &mut |books| {
        for book in books {
            for round in 0..20 {
                output.clear();
                if round > 0 {
                    quotes.iter().for_each(|command| assert_placed(&book.execute(command, &mut output)));
                }
                book.execute(&sweep, &mut output);
                for command in &quotes {
                    let BookCommand::Place(NewOrder { id: order, .. }) = *command else { continue };
                    book.execute(&BookCommand::Cancel { order, restriction: CancelRestriction::None }, &mut output);
                }
                assert!(book.is_empty());
            }
        }
    });
    assert!(gone <= 4 * KIBIBYTE);
}

fn assert_placed(outcome: &BookOutcome) {
    assert!(matches!(outcome, BookOutcome::Placed { placement: Placement::Resting { .. }, .. }), "{outcome:?}");
}

/// An exchange with one market: a wallet and its book, driven by users' commands.
struct Desk {
    wallet: Wallet,
    book: Book,
    told: WalletOutput,
    output: BookOutput,
    /// By the number of the order.
    owners: Vec<AccountId>,
}

const MARKET: MarketId = MarketId(0);

impl Desk {
    /// With a window of closed client ids that the warm-up fills.
    fn open() -> Self {
        let mut wallet = Wallet::new(WalletLimits { closed_ids: 1 << 14, open_orders: u32::MAX });
        let mut told = WalletOutput::default();
        wallet.open_asset();
        wallet.open_asset();
        let spec = MarketSpec::open(&MarketDefinition {
            base: AssetId(0),
            base_scale: 2,
            quote: AssetId(1),
            quote_scale: 4,
            tick: Step { mantissa: 1, scale: 2 },
            lot: Step { mantissa: 1, scale: 2 },
            max_price: Price(2 * MIDDLE),
            max_quantity: Quantity(1 << 20),
            min_notional: Amount(1),
            maker_fee: FeeRate(10),
            taker_fee: BasisPoints(20),
            filters: MarketFilters::default(),
        });
        wallet.open_market(spec.expect("in range"));
        for account in (0..ACCOUNTS).map(|account| AccountId(u32::try_from(account).expect("few"))) {
            wallet.open_account();
            for asset in [AssetId(0), AssetId(1)] {
                let id = format!("{account}-{asset}");
                let deposited = wallet.deposit(&id, account, asset, Amount(1 << 80), Nanos(0), &mut told);
                deposited.expect("within the supply");
            }
        }
        Self { wallet, book: Book::new(), told, output: BookOutput::default(), owners: vec![AccountId(0)] }
    }

    /// What a user says to have the book told this.
    fn said(&mut self, command: &BookCommand, named: bool) -> Command {
        let market = MARKET;
        match *command {
            BookCommand::Place(NewOrder {
                id,
                account,
                side,
                kind,
                limit: price,
                quantity,
                time,
                instructions,
                ..
            }) => {
                self.owners.push(account);
                let client_id = named.then(|| ClientOrderId::new(&format!("order-{id}")).expect("a name"));
                let budget = Amount::ZERO;
                Command::Place(Place {
                    account,
                    market,
                    client_id,
                    side,
                    kind,
                    price,
                    quantity,
                    budget,
                    time,
                    instructions: instructions.unwrap_or_default(),
                })
            }
            BookCommand::Cancel { order, restriction } => {
                let target = OrderRef { id: Some(order), client_id: None };
                Command::Cancel(Cancel {
                    account: self.owners[index(order)],
                    market,
                    target,
                    restriction,
                    time: Nanos(0),
                })
            }
            BookCommand::Reduce { order, quantity } => {
                let target = OrderRef { id: Some(order), client_id: None };
                Command::Reduce { account: self.owners[index(order)], market, target, quantity, time: Nanos(0) }
            }
            ref other => panic!("not a command of this flow: {other:?}"),
        }
    }

    /// Carries a command through, and says what each of the three steps asked for.
    fn carry(&mut self, command: &Command, flow: &mut Flow) -> [Asked; 3] {
        let (submitted, by_submit) = asked_by(|| {
            self.told.clear();
            self.wallet.submit(command, &mut self.told)
        });
        let message = match submitted {
            Submitted::Forwarded { message, .. } => message,
            // A reduction of an order of one lot to none, or to what is filled.
            Submitted::Rejected(Reason::QuantityNotReduced) => return [by_submit; 3],
            Submitted::Rejected(reason) => panic!("{command:?}: {reason:?}"),
        };
        let (answer, mut by_receive) = asked_by(|| {
            self.output.clear();
            self.book.receive(&message, &mut self.output).expect("new")
        });
        let (_, by_settle) = asked_by(|| {
            self.told.clear();
            self.wallet.settle(MARKET, &answer, &mut self.told).expect("new")
        });
        flow.learn(&answer.outcome, &answer.fills, &answer.events);
        let ((), more) = asked_by(|| self.output.recycle(answer));
        by_receive.blocks += more.blocks;
        [by_submit, by_receive, by_settle]
    }
}

#[test]
fn a_wallet_in_steady_state_asks_only_for_the_names_it_gives() {
    for named in [true, false] {
        let mut desk = Desk::open();
        let mut flow = Flow::new(Mix { reductions: 5, ..W1 }, 7);
        // A wallet numbers orders from 1.
        flow.skip_one();
        let mut steps = ["submit", "receive and recycle", "settle"].map(|step| (step, Tallies::new()));
        for step in 0..WARM_UP + COMMANDS {
            let (kind, command) = flow.next(&desk.book);
            let asked = {
                let said = desk.said(&command, named);
                desk.carry(&said, &mut flow)
            };
            if step >= WARM_UP {
                steps.iter_mut().zip(asked).for_each(|((_, tallies), asked)| tally(tallies, kind, asked));
            }
        }
        for (step, tallies) in &steps {
            print(&format!("{step}, orders {} a client id", if named { "with" } else { "without" }), tallies);
            for (kind, Tally { commands, blocks, .. }) in tallies {
                let names = if named || *step != "submit" || !matches!(*kind, "add" | "take") { 0 } else { 2 };
                assert!(*blocks <= names * commands + LATE_MAX, "{step} of {kind}: {blocks} blocks");
            }
        }
    }
}
