//! The rules of the book as small texts that read like a book: see `tests/scenarios/*.txt`. Both the
//! book and its naive twin must tell every scenario as it is written.
//!
//! A scenario begins with `== what it shows`. A line that is not indented is a command; the indented
//! lines below it are all that its answer tells. `//` begins a remark. Commands are
//!
//! | line | meaning |
//! |---|---|
//! | `1 buy 5 @ 100` | order number 1; also `buy ioc`, `fok`, `post`, `slide`, `market 5`, `quote for 700` |
//! | `... of 2`, `group 7` | whose it is, and the trade group of the account; of account 0 without |
//! | `... expire-taker`, `expire-maker`, `expire-both`, `decrement` | self-trade prevention |
//! | `... hidden`, `show 3` | how it is displayed |
//! | `... min 4` | the least that it trades at once |
//! | `... peg bid + 1` | also `ask`, `mid`; the offset may be left out |
//! | `... until 20`, `day 20` | its lifetime |
//! | `... for 700`, `slip 50` | of a market order: its budget, its slippage in basis points |
//! | `... when rise 110`, `trail fall 5 ticks after rise 120` | its trigger; `trail fall 500 bp` |
//! | `either 1 ... or 2 ...` | a list: one cancels the other |
//! | `first 1 ... then 2 ...` | a list: one triggers the other; also `then 2 ... or 3 ...` |
//! | `cancel 1 if new`, `if partial`; `cancel 1 2 3` | the latter takes many out at once |
//! | `reduce 1 to 3` | |
//! | `replace 1 if new or not needing 4 with 2 buy ...` | the words in between may be left out |
//! | `enter auction until 20` | also `pre-open`, `continuous`, `halted`, `cancel-only`, `closed` |
//! | `protect static 100 dynamic 50 for 10 from 500` | bands in basis points; each may be left out |
//! | `time 10` | what is due by then; later commands happen at that time |
//! | `proceed` | what a command left over |
//! | `restore` | the book is frozen to a snapshot and thawed |
//! | `book`, `state`, `indicative` | show all orders; phase and prices; what an auction would do |

#[path = "scenario_runner/read.rs"]
mod read;
#[path = "scenario_runner/tell.rs"]
mod tell;
#[path = "common/twin.rs"]
#[expect(dead_code, unused_imports, reason = "scenarios tell what answers tell, and nobody counts")]
mod twin;

use rialto_engine::book::{Book, BookOutput, BookSnapshot, CASCADE_MAX};
use rialto_engine::message::{BookCommand, BookOutcome, ToBook, ToWallet};
use rialto_engine::units::Nanos;
use twin::Twin;

/// A book that scenarios can be played on.
trait Venue: Default {
    /// Carries out what is due by a time, if anything is.
    fn catch_up(&mut self, time: Nanos) -> Option<ToWallet>;
    /// Carries out a command.
    fn carry_out(&mut self, number: u64, time: Nanos, command: BookCommand) -> ToWallet;
    /// Goes on with what was left over.
    fn go_on(&mut self) -> Option<ToWallet>;
    fn restore(&mut self);
    fn state(&self) -> BookSnapshot;
    /// Price, volume, and bids less asks.
    fn indicative(&self) -> Option<(u64, u64, i128)>;
}

impl Venue for Book {
    fn catch_up(&mut self, time: Nanos) -> Option<ToWallet> {
        self.catch_up(time, &mut BookOutput::default())
    }

    fn carry_out(&mut self, number: u64, time: Nanos, command: BookCommand) -> ToWallet {
        self.receive(&ToBook { number, time, command }, &mut BookOutput::default()).expect("not seen before")
    }

    fn go_on(&mut self) -> Option<ToWallet> {
        self.proceed(&mut BookOutput::default())
    }

    fn restore(&mut self) {
        *self = Self::restore(&self.snapshot());
    }

    fn state(&self) -> BookSnapshot {
        self.snapshot()
    }

    fn indicative(&self) -> Option<(u64, u64, i128)> {
        self.indicative().map(|of| (of.price.0, of.volume.0, i128::from(of.imbalance)))
    }
}

impl Venue for Twin {
    fn catch_up(&mut self, time: Nanos) -> Option<ToWallet> {
        self.catch_up(time).map(|done| message(BookOutcome::Continued, done))
    }

    fn carry_out(&mut self, _number: u64, time: Nanos, command: BookCommand) -> ToWallet {
        let (outcome, done) = self.receive(time, &command);
        message(outcome, done)
    }

    fn go_on(&mut self) -> Option<ToWallet> {
        self.is_cascading().then(|| message(BookOutcome::Continued, self.proceed()))
    }

    fn restore(&mut self) {}

    fn state(&self) -> BookSnapshot {
        self.snapshot()
    }

    fn indicative(&self) -> Option<(u64, u64, i128)> {
        self.indicative().map(|of| (of.price.0, of.volume, of.imbalance))
    }
}

/// A twin has no messages; nobody reads their numbers and times here.
fn message(outcome: BookOutcome, done: twin::Done) -> ToWallet {
    ToWallet { number: 0, time: Nanos::ZERO, fills: done.fills, outcome, events: done.events }
}

/// Plays the commands of a scenario. Gives them back with what their answers tell, indented.
fn play<V: Venue>(scenario: &str) -> String {
    let mut venue = V::default();
    let (mut number, mut time) = (0, Nanos(1));
    let mut told = String::new();
    for line in scenario.lines() {
        told += line;
        told.push('\n');
        let mut tell = |lines: Vec<String>| lines.iter().for_each(|line| told += &format!("  {line}\n"));
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["book"] => tell(tell::book(&venue.state())),
            ["state"] => tell(vec![tell::state(&venue.state())]),
            ["indicative"] => tell(vec![tell::indicative(venue.indicative())]),
            ["restore"] => venue.restore(),
            ["proceed"] => {
                let lines = venue.go_on().map(|answer| tell::answer(&answer, &venue.state()));
                tell(lines.unwrap_or_else(|| vec!["nothing was left over".to_owned()]));
            }
            _ => {
                let command = read::command(line, &mut time);
                if let Some(answer) = venue.catch_up(time) {
                    tell(tell::answer(&answer, &venue.state()));
                }
                number += 1;
                let answer = venue.carry_out(number, time, command);
                tell(tell::answer(&answer, &venue.state()));
            }
        }
    }
    told
}

/// The one door: both the book and its twin tell the scenario as expected.
fn check(scenario: &str, expected: &str) -> Result<(), String> {
    for (whose, told) in [("the twin", play::<Twin>(scenario)), ("the book", play::<Book>(scenario))] {
        if told != expected {
            let differs = told.lines().zip(expected.lines()).position(|(told, expected)| told != expected);
            let line = differs.unwrap_or(told.lines().count().min(expected.lines().count())) + 1;
            return Err(format!("{whose} differs from line {line} on. It tells\n{told}"));
        }
    }
    Ok(())
}

/// Plays all scenarios of a chapter and shows those that were told differently.
fn chapter(text: &str) {
    let mut failures = Vec::new();
    let mut scenarios = 0;
    for part in text.split("\n== ").skip(1) {
        let (name, lines) = part.split_once('\n').expect("a name and a scenario");
        let lines = lines.lines().map(str::trim_end).filter(|line| !line.is_empty() && !line.starts_with("//"));
        let expected: String = lines.map(|line| format!("{line}\n")).collect();
        let commands: String =
            expected.lines().filter(|line| !line.starts_with(' ')).map(|line| format!("{line}\n")).collect();
        if let Err(difference) = check(&commands, &expected) {
            failures.push(format!("== {name}\n{difference}"));
        }
        scenarios += 1;
    }
    assert!(scenarios > 0, "a chapter without scenarios");
    assert!(failures.is_empty(), "{} of {scenarios} scenarios:\n{}", failures.len(), failures.join("\n"));
}

macro_rules! chapters {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            chapter(include_str!(concat!("scenarios/", stringify!($name), ".txt")));
        })*

        const ALL: &[&str] = &[$(include_str!(concat!("scenarios/", stringify!($name), ".txt")),)*];
    };
}

chapters! {
    amendments
    auctions
    hidden
    icebergs
    kinds
    lifetimes
    lists
    minimum
    pegs
    phases
    protection
    self_trade
    slide
    slippage
    triggers
}

#[test]
fn every_kind_reason_and_end_is_told_somewhere() {
    let words = [
        "would_match",
        "would_trigger",
        "market_closed",
        "order_already_final",
        "cancel_restricted",
        "quantity_not_reduced",
        "no_liquidity",
        "notional_too_small",
        "insufficient_balance",
        ": ImmediateOrCancel",
        ": FillOrKill",
        ": Liquidity",
        ": SelfTrade",
        ": Time",
        ": Contingency",
        ": ListCanceled",
        ": Minimum",
        ": Interruption",
        " ioc ",
        " fok ",
        " post ",
        " slide ",
        " market ",
        " quote ",
        " hidden",
        " show ",
        " min ",
        " peg bid",
        " peg ask",
        " peg mid",
        " until ",
        " day ",
        " slip ",
        " expire-taker",
        " expire-maker",
        " expire-both",
        " decrement",
        " group ",
        " when rise ",
        " when fall ",
        " trail rise ",
        " trail fall ",
        " ticks",
        " bp",
        " after rise ",
        " after fall ",
        "\neither ",
        "\nfirst ",
        " if new",
        " if partial",
        " or not",
        " needing ",
        "enter pre-open",
        "enter auction",
        "enter continuous",
        "enter halted",
        "enter cancel-only",
        "enter closed",
        " static ",
        " dynamic ",
        "is triggered",
        "is resumed",
        "\nproceed",
        "\nrestore",
    ];
    let all = ALL.concat();
    let missing: Vec<&str> = words.into_iter().filter(|word| !all.contains(word)).collect();
    assert!(missing.is_empty(), "no scenario has {missing:?}");
}

/// Sixty-four orders that are triggered leave no turn for one that could be resumed.
#[test]
fn what_one_command_may_not_carry_out_goes_on_before_the_next_one() {
    let (mut scenario, mut expected) = (String::new(), String::new());
    let mut line = |command: &str, told: &str| {
        scenario += &format!("{command}\n");
        expected += &format!("{command}\n{told}");
    };
    let stops = 2..=CASCADE_MAX as u64 + 1;
    line("1 sell 4 @ 99 min 4", "  1 rests 4\n");
    for id in stops.clone() {
        line(&format!("{id} buy 1 @ 99 when rise 100"), &format!("  {id} waits\n"));
    }
    line("100 buy 2 @ 100", "  100 rests 2\n");
    let triggered: String = stops.map(|id| format!("  {id} is triggered: rests 1\n")).collect();
    let told = "  101 takes 1 @ 100 of 100, which has 1 left\n  101 filled\n";
    line("101 sell 1 @ 100", &(told.to_owned() + &triggered));
    line("restore", "");
    let told = "  1 is resumed: filled\n  1 takes 1 @ 100 of 100\n  1 takes 1 @ 99 of 2\n  1 takes 1 @ 99 of 3\n";
    line("proceed", &(told.to_owned() + "  1 takes 1 @ 99 of 4\n"));
    line("proceed", "  nothing was left over\n");
    check(&scenario, &expected).unwrap_or_else(|difference| panic!("{difference}"));
}

#[test]
fn a_scenario_that_is_told_differently_is_noticed() {
    let scenario = "1 sell 5 @ 100\n2 buy 5 @ 100\n";
    let right = "1 sell 5 @ 100\n  1 rests 5\n2 buy 5 @ 100\n  2 takes 5 @ 100 of 1\n  2 filled\n";
    assert_eq!(check(scenario, right), Ok(()));
    for (from, to) in [("rests 5", "rests 4"), ("  2 filled\n", ""), ("of 1\n", "of 1\n  1 filled\n")] {
        assert!(check(scenario, &right.replace(from, to)).is_err());
    }
}
