//! The interface as C programs see it: they are compiled, linked with the library that cargo has just
//! built, run, and compared with the same done in Rust.

#![cfg(unix)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::mem::offset_of;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use rialto_engine::book::{Book, BookOutput};
use rialto_engine::ids::{AccountId, OrderId};
use rialto_engine::message::{CancelRestriction, Expiry, Placement};
use rialto_engine::order::{NewOrder, OrderKind, Side};
use rialto_engine::reason::Reason;
use rialto_engine::units::{Nanos, Notional, Price, Quantity};
use rialto_engine_c::abi::{self, Error, Order, Report, ReportKind};
use rialto_engine_c::checked::{NOTIONAL_MAX, ORDERS_MAX};

/// What std itself needs, where the system does not bring it along.
const SYSTEM_LIBRARIES: &[&str] =
    if cfg!(target_os = "linux") { &["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl", "-lc"] } else { &[] };

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Linked {
    Statically,
    Dynamically,
}

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Where cargo has put the library: beside this test, which it has built afterwards.
fn library_folder() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let folder = test.parent().expect("in a folder").to_owned();
    assert!(folder.join("librialto_engine_c.a").exists(), "no library in {}", folder.display());
    folder
}

fn compiler() -> Command {
    let mut compiler = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
    compiler.args(["-Wall", "-Wextra", "-Wpedantic", "-I"]).arg(package().join("include"));
    compiler
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}{err}", output.status);
    out.into_owned()
}

/// Compiles a program of this package, for the caller alone: tests run beside each other.
fn program(source: &str, linked: Linked) -> Command {
    static COMPILED: AtomicUsize = AtomicUsize::new(0);
    let program = scratch(&format!("program_{}", COMPILED.fetch_add(1, Ordering::Relaxed)));
    let folder = library_folder();
    let mut compiler = compiler();
    compiler.args(["-std=c99", "-O2", "-o"]).arg(&program).arg(package().join(source));
    match linked {
        Linked::Statically => compiler.arg(folder.join("librialto_engine_c.a")).args(SYSTEM_LIBRARIES),
        Linked::Dynamically => {
            let library = format!("{}rialto_engine_c{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
            compiler.arg(folder.join(library)).arg(format!("-Wl,-rpath,{}", folder.display()))
        }
    };
    run(&mut compiler);
    Command::new(program)
}

#[test]
fn the_header_is_clean_c_and_clean_cplusplus() {
    let source = scratch("header_alone.c");
    std::fs::write(&source, "#include \"rialto.h\"\n#include \"rialto.h\"\nint main(void) { return 0; }\n")
        .expect("a folder to write to");
    let check = |language: &str, standard: &str| {
        let mut compiler = compiler();
        compiler.args(["-Werror", "-fsyntax-only", "-x", language, standard]).arg(&source);
        compiler
    };
    run(&mut check("c", "-std=c99"));
    run(&mut check("c", "-std=c11"));
    let nothing = scratch("nothing.cpp");
    std::fs::write(&nothing, "").expect("a folder to write to");
    let has_cplusplus = compiler().args(["-fsyntax-only", "-x", "c++"]).arg(nothing).output();
    if has_cplusplus.is_ok_and(|output| output.status.success()) {
        run(&mut check("c++", "-std=c++11"));
        run(&mut check("c++", "-std=c++17"));
    } else {
        println!("this compiler has no C++, which nothing else here needs");
    }
}

#[test]
fn the_header_and_the_library_agree_on_every_number_and_place() {
    let mut expected = String::new();
    let numbers = [
        ("ABI_VERSION", i64::from(abi::ABI_VERSION)),
        ("OK", i64::from(abi::OK)),
        ("REFUSED", i64::from(abi::REFUSED)),
        ("ERROR_NULL", Error::Null as i64),
        ("ERROR_INVALID", Error::Invalid as i64),
        ("ERROR_RANGE", Error::Range as i64),
        ("ERROR_DUPLICATE", Error::Duplicate as i64),
        ("ERROR_FULL", Error::Full as i64),
        ("ERROR_BUSY", Error::Busy as i64),
        ("ERROR_POISONED", Error::Poisoned as i64),
        ("ERROR_PANIC", Error::Panic as i64),
        ("BUY", i64::from(abi::side_number(Side::Buy))),
        ("SELL", i64::from(abi::side_number(Side::Sell))),
        ("LIMIT", kind_number(OrderKind::Limit)),
        ("IMMEDIATE_OR_CANCEL", kind_number(OrderKind::ImmediateOrCancel)),
        ("FILL_OR_KILL", kind_number(OrderKind::FillOrKill)),
        ("POST_ONLY", kind_number(OrderKind::PostOnly)),
        ("MARKET", kind_number(OrderKind::Market)),
        ("MARKET_BY_QUOTE", kind_number(OrderKind::MarketByQuote)),
        ("QUANTITY_MAX", rialto_engine::market::QUANTITY_MAX.0 as i64),
        ("NOTIONAL_MAX", NOTIONAL_MAX as i64),
        ("ORDERS_MAX", ORDERS_MAX as i64),
        ("REPORT_FILL", ReportKind::Fill as i64),
        ("REPORT_ACCEPTED", ReportKind::Accepted as i64),
        ("REPORT_EXPIRED", ReportKind::Expired as i64),
        ("REPORT_REJECTED", ReportKind::Rejected as i64),
        ("REPORT_CANCELED", ReportKind::Canceled as i64),
        ("REPORT_CANCEL_REJECTED", ReportKind::CancelRejected as i64),
        ("REPORT_MODIFIED", ReportKind::Modified as i64),
        ("REPORT_MODIFY_REJECTED", ReportKind::ModifyRejected as i64),
        ("EXPIRED_IMMEDIATE_OR_CANCEL", i64::from(abi::expiry_number(Expiry::ImmediateOrCancel))),
        ("EXPIRED_FILL_OR_KILL", i64::from(abi::expiry_number(Expiry::FillOrKill))),
        ("EXPIRED_LIQUIDITY", i64::from(abi::expiry_number(Expiry::Liquidity))),
        ("REASON_NOTIONAL_TOO_SMALL", i64::from(Reason::NotionalTooSmall.number())),
        ("REASON_WOULD_MATCH", i64::from(Reason::WouldMatch.number())),
        ("REASON_NO_LIQUIDITY", i64::from(Reason::NoLiquidity.number())),
        ("REASON_QUANTITY_NOT_REDUCED", i64::from(Reason::QuantityNotReduced.number())),
        ("REASON_ORDER_ALREADY_FINAL", i64::from(Reason::OrderAlreadyFinal.number())),
    ];
    for (name, number) in numbers {
        writeln!(expected, "{name} {number}").expect("to a string");
    }
    macro_rules! places {
        ($name:literal, $type:ident { $($field:ident),* }) => {
            // That every field stands here once is checked by taking one apart.
            let $type { $($field),* } = $type::default();
            writeln!(expected, "{} {}", $name, size_of::<$type>()).expect("to a string");
            let mut end = 0;
            $(
                let (offset, size) = (offset_of!($type, $field), size_of_val(&$field));
                assert_eq!(offset, end, "no padding, so that reports can be compared as bytes");
                end = offset + size;
                writeln!(expected, "{}.{} {offset} {size}", $name, stringify!($field)).expect("to a string");
            )*
            assert_eq!(end, size_of::<$type>());
        };
    }
    places!("order", Order { id, price, quantity, budget, account, side, kind, reserved });
    places!(
        "report",
        Report {
            id,
            price,
            quantity,
            remaining,
            maker_id,
            maker_remaining,
            trade,
            account,
            maker_account,
            kind,
            side,
            reason,
            kept_place
        }
    );
    assert_eq!(run(&mut program("tests/layout.c", Linked::Statically)), expected);
}

fn kind_number(kind: OrderKind) -> i64 {
    (0..6).find(|number| abi::kind(*number) == Some(kind)).map_or(-1, i64::from)
}

#[test]
fn every_report_and_every_misuse_is_answered_as_the_header_says() {
    for linked in [Linked::Statically, Linked::Dynamically] {
        assert_eq!(run(&mut program("tests/behaviour.c", linked)), "as promised\n");
    }
}

#[test]
fn the_stream_of_the_harness_trades_alike_in_rust() {
    let stream = scratch("generated.txt");
    let mut harness = program("examples/harness.c", Linked::Statically);
    harness.args(["--resting", "2000", "--commands", "100000", "--seed", "5", "--write"]).arg(&stream);
    let generated = run(&mut harness);
    assert!(generated.contains("\nmedian_nanoseconds_per_command "), "{generated}");
    let lines = read(&std::fs::read_to_string(&stream).expect("the harness has written it"));
    assert_eq!(lines.len(), 102_000);
    let in_rust = drive(&lines);
    assert!(in_rust.fills > 10_000 && in_rust.refused == 0 && in_rust.wrong == 0);
    assert_same(&generated, &in_rust);
    let read_back = run(program("examples/harness.c", Linked::Dynamically).arg("--read").arg(&stream));
    assert_same(&read_back, &in_rust);
}

#[test]
fn a_stream_of_everything_right_and_wrong_trades_alike_in_rust() {
    let mut text = String::new();
    everything(11, 60_000, &mut text);
    let stream = scratch("everything.txt");
    std::fs::write(&stream, &text).expect("a folder to write to");
    let in_rust = drive(&read(&text));
    assert!(in_rust.fills > 5_000 && in_rust.refused > 1_000 && in_rust.wrong > 1_000, "{in_rust:?}");
    assert_same(
        &run(program("examples/harness.c", Linked::Statically).args(["--rounds", "2", "--read"]).arg(&stream)),
        &in_rust,
    );
}

/// What the harness prints, beside the time.
#[derive(Debug, Default)]
struct Outcome {
    commands: usize,
    refused: u64,
    wrong: u64,
    fills: u64,
    fill_hash: u64,
    resting: usize,
    best: [Option<(Price, Quantity)>; 2],
}

fn assert_same(printed: &str, outcome: &Outcome) {
    let printed: BTreeMap<&str, &str> = printed.lines().filter_map(|line| line.split_once(' ')).collect();
    let best = |side: usize| outcome.best[side].map(|(price, quantity)| format!("{price} {quantity}"));
    assert_eq!(printed["commands"], outcome.commands.to_string());
    assert_eq!(printed["refused"], outcome.refused.to_string());
    assert_eq!(printed["wrong"], outcome.wrong.to_string());
    assert_eq!(printed["fills"], outcome.fills.to_string());
    assert_eq!(printed["fill_hash"], format!("{:016x}", outcome.fill_hash));
    assert_eq!(printed["resting"], outcome.resting.to_string());
    assert_eq!(printed.get("best_bid").map(|text| (*text).to_owned()), best(0));
    assert_eq!(printed.get("best_ask").map(|text| (*text).to_owned()), best(1));
}

/// The lines of a stream: a verb and its numbers.
fn read(text: &str) -> Vec<(char, Vec<u64>)> {
    let lines = text.lines().filter(|line| *line != "t");
    lines
        .map(|line| {
            let (verb, numbers) = line.split_once(' ').expect("a verb and numbers");
            (verb.chars().next().expect("a verb"), numbers.split(' ').map(|word| word.parse().expect("one")).collect())
        })
        .collect()
}

/// The same stream on the engine's own interface, with the rules of the header written down again.
fn drive(lines: &[(char, Vec<u64>)]) -> Outcome {
    let (mut book, mut output) = (Book::new(), BookOutput::default());
    let mut outcome = Outcome { commands: lines.len(), ..Outcome::default() };
    for (verb, numbers) in lines {
        output.clear();
        match carry_out(&mut book, *verb, numbers, &mut output) {
            Ok(true) => {}
            Ok(false) => outcome.refused += 1,
            Err(()) => outcome.wrong += 1,
        }
        for fill in &output.fills {
            outcome.fills += 1;
            for word in [fill.maker.0, fill.taker.0, fill.price.0, fill.quantity.0] {
                outcome.fill_hash = (outcome.fill_hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
            }
        }
    }
    outcome.resting = book.len();
    outcome.best = [book.best(Side::Buy), book.best(Side::Sell)];
    outcome
}

/// The limits that the harness makes its book with.
const MAX_PRICE: u64 = 1 << 31;
const MAX_QUANTITY: u64 = 1 << 30;

/// Whether the book took it, or nothing if the call is wrong.
fn carry_out(book: &mut Book, verb: char, numbers: &[u64], output: &mut BookOutput) -> Result<bool, ()> {
    let within = |value: u64, max: u64| if (1..=max).contains(&value) { Ok(()) } else { Err(()) };
    let id = OrderId(numbers[0]);
    let resting = book.resting().find(|order| order.id == id);
    match (verb, numbers) {
        ('n', [_, account, side, kind, price, quantity, budget]) => {
            let side = [Side::Buy, Side::Sell].into_iter().nth(usize::try_from(*side).expect("small")).ok_or(())?;
            let kind = abi::kind(u32::try_from(*kind).expect("small")).ok_or(())?;
            let by_quote = kind == OrderKind::MarketByQuote;
            for (value, used, max) in [
                (*price, kind.has_limit(), MAX_PRICE),
                (*quantity, !by_quote, MAX_QUANTITY),
                (*budget, by_quote, (1 << 62) - 1),
            ] {
                if used {
                    within(value, max)?
                } else if value != 0 {
                    return Err(());
                }
            }
            if resting.is_some() {
                return Err(());
            }
            let account = AccountId(u32::try_from(*account).expect("small"));
            let (quantity, budget) = if by_quote { (MAX_QUANTITY, *budget) } else { (*quantity, u64::MAX) };
            let order = new_order(id, account, side, kind, *price, quantity, budget);
            Ok(!matches!(book.place(&order, output), Placement::Rejected(_)))
        }
        ('c', [_]) => Ok(book.cancel(id, CancelRestriction::None, output).is_ok()),
        ('m', [_, price, open]) => {
            within(*price, MAX_PRICE)?;
            within(*open, MAX_QUANTITY)?;
            let Some(order) = resting else { return Ok(false) };
            if *price == order.price.0 && *open < order.remaining.0 {
                let total = order.quantity - order.remaining + Quantity(*open);
                book.reduce(id, total, output).expect("less");
            } else {
                book.cancel(id, CancelRestriction::None, &mut *output).expect("rests");
                let order = new_order(id, order.account, order.side, OrderKind::Limit, *price, *open, u64::MAX);
                book.place(&order, output);
            }
            Ok(true)
        }
        ('r', [_, open]) => {
            within(*open, MAX_QUANTITY)?;
            let Some(order) = resting.filter(|order| *open < order.remaining.0) else { return Ok(false) };
            let total = order.quantity - order.remaining + Quantity(*open);
            book.reduce(id, total, output).expect("less");
            Ok(true)
        }
        other => panic!("no command: {other:?}"),
    }
}

fn new_order(
    id: OrderId,
    account: AccountId,
    side: Side,
    kind: OrderKind,
    price: u64,
    quantity: u64,
    budget: u64,
) -> NewOrder {
    NewOrder {
        id,
        account,
        side,
        kind,
        limit: Price(price),
        quantity: Quantity(quantity),
        budget: Notional(budget),
        time: Nanos::ZERO,
        instructions: Default::default(),
    }
}

/// A stream in which everything occurs: all kinds, orders that are not there, ids that are taken, and
/// numbers that no order may have.
fn everything(mut seed: u64, commands: usize, text: &mut String) {
    let mut draw = |bound: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % bound
    };
    for _ in 0..commands {
        let wrong = draw(20) == 0;
        // A few hundred ids, so that most of them are sometimes taken and sometimes not.
        let id = draw(400);
        let price = if wrong && draw(2) == 0 { [0, MAX_PRICE + 1, u64::MAX][draw(3) as usize] } else { 95 + draw(11) };
        let quantity = if wrong && draw(2) == 0 { [0, MAX_QUANTITY + 1][draw(2) as usize] } else { 1 + draw(30) };
        let line = match draw(10) {
            0 => format!("c {id}"),
            1 => format!("m {id} {price} {quantity}"),
            2 => format!("r {id} {quantity}"),
            _ => {
                let kind = if draw(3) == 0 { draw(if wrong { 8 } else { 6 }) } else { 0 };
                let side = draw(if wrong { 4 } else { 2 });
                let price = if kind >= 4 && !wrong { 0 } else { price };
                let (quantity, budget) = match kind {
                    5 => (0, draw(6_000)),
                    _ => (quantity, u64::from(wrong && draw(4) == 0)),
                };
                format!("n {id} {} {side} {kind} {price} {quantity} {budget}", draw(5))
            }
        };
        text.push_str(&line);
        text.push('\n');
    }
}
