//! Recorded days of real venues, straight into the book: every execution that the venue published
//! must come out again, and nothing else; and the two call auctions of one of them.
//!
//! The recordings are found by the environment variable `RIALTO_FLOWS`; where it is set, a missing
//! file fails. Where it is not set, a small generated flow takes the same way, judged by the naive
//! twin of the book.

#[path = "common/random.rs"]
mod random;
#[path = "common/twin.rs"]
#[expect(dead_code, unused_imports, reason = "no recorded day has orders that wait")]
mod twin;

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use random::Random;
use rialto_engine::book::{Book, BookOutput};
use rialto_engine::ids::{AccountId, OrderId};
use rialto_engine::message::{BookCommand, CancelRestriction, Fill, Phase};
use rialto_engine::order::{NewOrder, OrderKind, Side};
use rialto_engine::units::{Nanos, Notional, Price, Quantity};
use twin::Twin;

/// A line of `commands.csv`.
#[derive(Clone, Debug)]
struct Row {
    seq: u64,
    time: u64,
    action: char,
    order: String,
    side: Side,
    price: u64,
    quantity: u64,
}

/// A line of `executions.csv` without its time.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Execution {
    seq: u64,
    maker: String,
    taker: String,
    price: u64,
    quantity: u64,
}

/// A line of `book_checks.csv`: the best levels of both sides after a command.
#[derive(Clone, Debug)]
struct BookCheck {
    seq: u64,
    bids: Vec<(Price, Quantity)>,
    asks: Vec<(Price, Quantity)>,
}

const CHECKED_LEVELS: usize = 10;

struct Flow {
    name: String,
    rows: Vec<Row>,
    executions: Vec<Execution>,
    checks: Vec<BookCheck>,
}

/// Turns the venue's words into commands of the book: the venue's order ids are texts, and a
/// replaced order keeps its id there but not here.
#[derive(Default)]
struct Translator {
    ids: HashMap<String, OrderId>,
    names: Vec<String>,
    totals: Vec<u64>,
}

impl Translator {
    fn command(&mut self, row: &Row, remaining: impl Fn(OrderId) -> Option<Quantity>) -> BookCommand {
        match row.action {
            'A' => BookCommand::Place(self.order(row, OrderKind::Limit)),
            'M' => BookCommand::Place(self.order(row, OrderKind::ImmediateOrCancel)),
            // A fill that price-time priority cannot explain takes from its maker as a cancel does.
            'C' | 'X' => {
                let order = self.known(row);
                let open = remaining(order).unwrap_or_else(|| panic!("{row:?}: not in the book"));
                if row.quantity == 0 || row.quantity >= open.0 {
                    return BookCommand::Cancel { order, restriction: CancelRestriction::None };
                }
                let total = &mut self.totals[order.0 as usize - 1];
                *total -= row.quantity;
                BookCommand::Reduce { order, quantity: Quantity(*total) }
            }
            'R' => BookCommand::Replace {
                old: self.known(row),
                restriction: CancelRestriction::None,
                allow_failure: false,
                old_remaining_needed: Quantity::ZERO,
                new: self.order(row, OrderKind::Limit),
            },
            _ => panic!("{row:?}: unknown action"),
        }
    }

    fn known(&self, row: &Row) -> OrderId {
        *self.ids.get(&row.order).unwrap_or_else(|| panic!("{row:?}: unknown order"))
    }

    fn order(&mut self, row: &Row, kind: OrderKind) -> NewOrder {
        self.names.push(row.order.clone());
        self.totals.push(row.quantity);
        let id = OrderId(self.names.len() as u64);
        self.ids.insert(row.order.clone(), id);
        NewOrder {
            id,
            account: AccountId(0),
            side: row.side,
            kind,
            limit: Price(row.price),
            quantity: Quantity(row.quantity),
            budget: Notional(u64::MAX),
            time: Nanos(row.time),
            instructions: None,
        }
    }

    fn name(&self, order: OrderId) -> String {
        self.names[order.0 as usize - 1].clone()
    }
}

/// Drives a flow through the book and counts what differs: executions first, then book checks.
fn wrong(flow: &Flow) -> (usize, usize) {
    let mut book = Book::new();
    let mut output = BookOutput::default();
    let mut translator = Translator::default();
    let mut expected = flow.executions.iter().peekable();
    let mut checks = flow.checks.iter().peekable();
    let (mut wrong_executions, mut wrong_books) = (0, 0);
    for row in &flow.rows {
        let command = translator.command(row, |order| book.remaining(order));
        output.clear();
        book.execute(&command, &mut output);
        let fills = output.fills.iter().map(|fill| Execution {
            seq: row.seq,
            maker: translator.name(fill.maker),
            taker: translator.name(fill.taker),
            price: fill.price.0,
            quantity: fill.quantity.0,
        });
        let fills: Vec<Execution> = fills.collect();
        let mut published = Vec::new();
        while let Some(execution) = expected.next_if(|execution| execution.seq <= row.seq) {
            published.push(execution.clone());
        }
        if fills != published {
            wrong_executions += fills.len().max(published.len());
            eprintln!("{}: {row:?}\n  traded {fills:?}\n  should {published:?}", flow.name);
        }
        while let Some(check) = checks.next_if(|check| check.seq <= row.seq) {
            let levels = |side| book.levels(side).take(CHECKED_LEVELS).collect::<Vec<_>>();
            let (bids, asks) = (levels(Side::Buy), levels(Side::Sell));
            if bids != check.bids || asks != check.asks {
                wrong_books += 1;
                eprintln!("{}: after {row:?}\n  has {bids:?} {asks:?}\n  should {check:?}", flow.name);
            }
        }
    }
    wrong_executions += expected.count();
    wrong_books += checks.count();
    (wrong_executions, wrong_books)
}

fn reproduce(flow: &Flow) {
    let differences = wrong(flow);
    eprintln!(
        "{}: {} commands, {} executions and {} book checks: {} and {} wrong",
        flow.name,
        flow.rows.len(),
        flow.executions.len(),
        flow.checks.len(),
        differences.0,
        differences.1
    );
    assert_eq!(differences, (0, 0), "{}", flow.name);
}

/// A call auction of a venue: what was collected, in which phase, which one came next, and the trades.
struct Call {
    name: String,
    rows: Vec<Row>,
    collected_in: Phase,
    next: Phase,
    pairs: Vec<Pair>,
}

/// A trade of an auction.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pair {
    buyer: String,
    seller: String,
    price: u64,
    quantity: u64,
}

/// What the book and its twin trade in a call auction, both in order.
fn held(call: &Call) -> [Vec<Pair>; 2] {
    let (mut book, mut twin) = (Book::new(), Twin::default());
    let mut translator = Translator::default();
    let mut carry_out = |command: &BookCommand| {
        let mut output = BookOutput::default();
        book.execute(command, &mut output);
        let (_, done) = twin.receive(Nanos::ZERO, command);
        [output.fills, done.fills]
    };
    carry_out(&BookCommand::Enter { phase: call.collected_in, until: Nanos::ZERO });
    let mut open: HashMap<OrderId, Quantity> = HashMap::new();
    for row in &call.rows {
        let command = translator.command(row, |order| open.get(&order).copied());
        match &command {
            BookCommand::Place(order) => drop(open.insert(order.id, order.quantity)),
            BookCommand::Cancel { order, .. } => drop(open.remove(order)),
            BookCommand::Reduce { order, quantity } => drop(open.insert(*order, *quantity)),
            _ => panic!("{row:?}: not in an auction"),
        }
        assert_eq!(carry_out(&command), [Vec::new(), Vec::new()], "{row:?} traded before the auction");
    }
    let pair = |fill: &Fill| {
        let [buyer, seller] = match fill.taker_side {
            Side::Buy => [fill.taker, fill.maker],
            Side::Sell => [fill.maker, fill.taker],
        };
        let (price, quantity) = (fill.price.0, fill.quantity.0);
        Pair { buyer: translator.name(buyer), seller: translator.name(seller), price, quantity }
    };
    let fills = carry_out(&BookCommand::Enter { phase: call.next, until: Nanos::ZERO });
    fills.map(|fills| fills.iter().map(pair).collect())
}

fn hold(call: &Call) {
    let volume: u64 = call.pairs.iter().map(|pair| pair.quantity).sum();
    let Call { name, rows, pairs, .. } = call;
    eprintln!("{name}: {} commands, {} trades of {volume} at {}", rows.len(), pairs.len(), pairs[0].price);
    let [book, twin] = held(call);
    for (whose, traded) in [("the twin", twin), ("the book", book)] {
        assert_eq!(traded.len(), pairs.len(), "{name}: trades of {whose}");
        for (traded, published) in traded.iter().zip(pairs) {
            assert_eq!(traded, published, "{name}: {whose}");
        }
    }
}

fn recorded_call(folder: &Path, name: &str, collected_in: Phase, next: Phase) -> Call {
    let pairs = lines(&folder.join(format!("{name}_auction_trades.csv.gz"))).into_iter().map(|fields| Pair {
        buyer: fields[0].clone(),
        seller: fields[1].clone(),
        price: number(&fields[2]),
        quantity: number(&fields[3]),
    });
    let rows = rows(&folder.join(format!("{name}_auction_orders.csv.gz")));
    Call { name: format!("the {name} auction"), rows, collected_in, next, pairs: pairs.collect() }
}

fn recorded(folder: &Path, name: &str, checked: bool) -> Flow {
    let folder = folder.join(name);
    let rows = rows(&folder.join("commands.csv.gz"));
    let executions = lines(&folder.join("executions.csv.gz")).into_iter().map(|fields| Execution {
        seq: number(&fields[0]),
        maker: fields[2].clone(),
        taker: fields[3].clone(),
        price: number(&fields[4]),
        quantity: number(&fields[5]),
    });
    let checks = if checked { lines(&folder.join("book_checks.csv.gz")) } else { Vec::new() };
    let checks = checks.into_iter().map(|fields| BookCheck {
        seq: number(&fields[0]),
        bids: levels(&fields[1]),
        asks: levels(&fields[2]),
    });
    Flow { name: name.to_owned(), rows, executions: executions.collect(), checks: checks.collect() }
}

fn rows(path: &Path) -> Vec<Row> {
    let row = |fields: Vec<String>| Row {
        seq: number(&fields[0]),
        time: number(&fields[1]),
        action: fields[2].chars().next().expect("an action"),
        order: fields[3].clone(),
        side: if fields[4] == "B" { Side::Buy } else { Side::Sell },
        price: number(&fields[5]),
        quantity: number(&fields[6]),
    };
    lines(path).into_iter().map(row).collect()
}

/// The fields of every line but the first.
fn lines(path: &Path) -> Vec<Vec<String>> {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let reader = BufReader::new(GzDecoder::new(file));
    let fields = |line: std::io::Result<String>| line.expect("a line").split(',').map(str::to_owned).collect();
    reader.lines().skip(1).map(fields).collect()
}

fn levels(field: &str) -> Vec<(Price, Quantity)> {
    let level = |level: &str| {
        let (price, quantity) = level.split_once(':').expect("a price and a quantity");
        (Price(number(price)), Quantity(number(quantity)))
    };
    field.split_whitespace().map(level).collect()
}

fn number(field: &str) -> u64 {
    field.parse().unwrap_or_else(|_| panic!("{field:?} is not a number"))
}

/// A day of a small venue, made up; what it should trade is what the naive twin trades.
fn generated() -> Flow {
    let mut random = Random::new(1);
    let mut twin = Twin::default();
    let mut translator = Translator::default();
    let mut flow = Flow { name: "generated".to_owned(), rows: Vec::new(), executions: Vec::new(), checks: Vec::new() };
    let mut names = 0;
    for seq in 1..=20_000 {
        let open: Vec<(String, Side)> =
            twin.everything().map(|order| (translator.name(order.id), order.side)).collect();
        let action = match random.below(100) {
            _ if open.len() < 20 => 'A',
            0..45 => 'A',
            45..60 => 'M',
            60..90 => 'C',
            90..99 => 'R',
            _ => 'X',
        };
        let (order, side) = if matches!(action, 'A' | 'M') {
            names += 1;
            (format!("order-{names}"), if random.percent(50) { Side::Buy } else { Side::Sell })
        } else {
            open[random.below(open.len() as u64) as usize].clone()
        };
        let away = random.below(12);
        let price = match (side, action == 'M' || random.percent(25)) {
            (Side::Buy, true) | (Side::Sell, false) => 10_000 + away,
            _ => 10_000 - away,
        };
        let quantity = if action == 'C' && random.percent(50) { 0 } else { random.between(1, 300) };
        let row = Row { seq, time: seq, action, order, side, price, quantity };
        let remaining = |order| twin.find(order).map(|(_, open)| open);
        let command = translator.command(&row, remaining);
        let (_, done) = twin.receive(Nanos(seq), &command);
        flow.executions.extend(done.fills.iter().map(|fill| Execution {
            seq,
            maker: translator.name(fill.maker),
            taker: translator.name(fill.taker),
            price: fill.price.0,
            quantity: fill.quantity.0,
        }));
        if seq.is_multiple_of(50) {
            let best = |side| twin.levels(side).into_iter().take(CHECKED_LEVELS).collect();
            flow.checks.push(BookCheck { seq, bids: best(Side::Buy), asks: best(Side::Sell) });
        }
        flow.rows.push(row);
    }
    flow
}

fn flows() -> Option<PathBuf> {
    std::env::var_os("RIALTO_FLOWS").map(PathBuf::from)
}

#[test]
fn the_shanghai_day_is_reproduced() {
    match flows() {
        Some(folder) => {
            let flow = recorded(&folder, "sse_600519_20230207", true);
            assert!(!flow.rows.is_empty() && !flow.executions.is_empty() && !flow.checks.is_empty());
            reproduce(&flow);
        }
        None => eprintln!("RIALTO_FLOWS is not set: the Shanghai day was not run"),
    }
}

#[test]
fn the_bitstamp_hours_are_reproduced() {
    match flows() {
        Some(folder) => {
            let flow = recorded(&folder, "bitstamp_btcusd_20150501", false);
            assert!(!flow.rows.is_empty() && !flow.executions.is_empty());
            reproduce(&flow);
        }
        None => eprintln!("RIALTO_FLOWS is not set: the Bitstamp hours were not run"),
    }
}

#[test]
fn a_generated_flow_is_reproduced() {
    let flow = generated();
    assert!(flow.executions.len() > 2_000);
    reproduce(&flow);
}

#[test]
fn a_wrong_execution_and_a_wrong_level_are_noticed() {
    let mut flow = generated();
    flow.executions[1_000].quantity += 1;
    flow.checks[100].bids[3].1 += Quantity(1);
    assert_eq!(wrong(&flow).1, 1);
    assert!(wrong(&flow).0 > 0);
}

#[test]
fn the_shanghai_call_auctions_are_reproduced() {
    let Some(folder) = flows().map(|folder| folder.join("sse_600519_20230207")) else {
        eprintln!("RIALTO_FLOWS is not set: the Shanghai auctions were not run");
        return;
    };
    let open = recorded_call(&folder, "open", Phase::PreOpen, Phase::Continuous);
    // Volume and imbalance leave 1808.00 and 1808.08: more is bid than asked at both.
    assert_eq!((open.pairs.len(), open.pairs[0].price), (334, 180_808));
    hold(&open);
    let close = recorded_call(&folder, "close", Phase::Auction, Phase::Closed);
    assert_eq!((close.pairs.len(), close.pairs[0].price), (212, 179_700));
    hold(&close);
}

/// An auction by hand: 5 would trade at 100 and at 101, and at both one more is bid than asked.
#[test]
fn a_small_call_auction_is_reproduced() {
    let row = |(seq, line): (u64, &str)| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let side = if words[2] == "B" { Side::Buy } else { Side::Sell };
        let [price, quantity] = [words[3], words[4]].map(number);
        let action = words[0].chars().next().expect("an action");
        Row { seq, time: seq, action, order: words[1].to_owned(), side, price, quantity }
    };
    let rows = "A early B 101 2
        A gone B 103 9
        A best B 102 3
        A cheap S 99 1
        A late B 101 2
        C late B 101 1
        C gone B 103 0
        A dear S 100 4
        A far S 104 7";
    let pairs = [("best", "cheap", 1), ("best", "dear", 2), ("early", "dear", 2)];
    let pair = |(buyer, seller, quantity): (&str, &str, u64)| Pair {
        buyer: buyer.to_owned(),
        seller: seller.to_owned(),
        price: 101,
        quantity,
    };
    for next in [Phase::Continuous, Phase::CancelOnly, Phase::Closed] {
        hold(&Call {
            name: "a small auction".to_owned(),
            rows: (1..).zip(rows.lines()).map(row).collect(),
            collected_in: Phase::Auction,
            next,
            pairs: pairs.map(pair).to_vec(),
        });
    }
}
