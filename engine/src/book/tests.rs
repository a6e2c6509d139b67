//! The book alone, as small texts. What it does at large is judged by the naive twin in
//! `tests/book_twin.rs`, and what users see of it by the scenarios of the wallet.
//!
//! Lines are `1 buy 5 @ 100` (also `ioc`, `fok`, `post`), `cancel 1`, `reduce 1 to 3`, `restore`
//! and `show`; a number is the order's id.

use super::*;
use crate::units::Nanos;

fn check(scenario: &str, expected: &str) {
    let lines = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
    };
    let mut book = Book::new();
    let mut number = 0;
    let mut seen = Vec::new();
    for line in lines(scenario) {
        match line.as_str() {
            "show" => {
                let orders = book.resting().map(|order| format!("{}:{}@{}", order.id, order.remaining, order.price));
                seen.push(if book.is_empty() { "nothing".to_owned() } else { orders.collect::<Vec<_>>().join(" ") });
            }
            "restore" => {
                let snapshot = book.snapshot();
                book = Book::restore(&snapshot);
                assert_eq!(book.snapshot(), snapshot);
            }
            line => {
                number += 1;
                let mut output = BookOutput::default();
                let message = ToBook { number, time: Nanos(number), command: command(line) };
                let answer = book.receive(&message, &mut output).expect("not seen before");
                seen.extend(answer.fills.iter().map(|fill| {
                    let Fill { trade, maker, taker, quantity, price, .. } = fill;
                    format!("trade {trade}: {taker} takes {quantity} @ {price} of {maker}")
                }));
                seen.extend(output.levels.iter().map(|change| {
                    let side = if change.side == Side::Buy { "buy" } else { "sell" };
                    format!("{side} level {} @ {}", change.quantity, change.price)
                }));
            }
        }
    }
    assert_eq!(seen, lines(expected), "{scenario}");
}

fn command(line: &str) -> BookCommand {
    let number = |word: &str| word.parse::<u64>().unwrap_or_else(|_| panic!("{line}: {word}"));
    match line.split_whitespace().collect::<Vec<_>>()[..] {
        ["cancel", order] => {
            BookCommand::Cancel { order: OrderId(number(order)), restriction: CancelRestriction::None }
        }
        ["reduce", order, "to", quantity] => {
            BookCommand::Reduce { order: OrderId(number(order)), quantity: Quantity(number(quantity)) }
        }
        [id, side, ref kind @ .., quantity, "@", price] => BookCommand::Place(NewOrder {
            id: OrderId(number(id)),
            account: AccountId(0),
            side: if side == "buy" { Side::Buy } else { Side::Sell },
            kind: match kind {
                ["ioc"] => OrderKind::ImmediateOrCancel,
                ["fok"] => OrderKind::FillOrKill,
                ["post"] => OrderKind::PostOnly,
                [] => OrderKind::Limit,
                _ => panic!("{line}"),
            },
            limit: Price(number(price)),
            quantity: Quantity(number(quantity)),
            budget: Notional(u64::MAX),
            time: Nanos(0),
        }),
        _ => panic!("{line}"),
    }
}

#[test]
fn the_best_price_is_found_again_across_pages_and_gaps() {
    check(
        "1 sell 1 @ 63
         2 sell 1 @ 64
         3 sell 1 @ 65
         4 sell 1 @ 1000000000000
         5 buy 1 @ 1
         cancel 1
         6 buy ioc 1 @ 64
         7 sell 1 @ 63
         8 buy ioc 3 @ 2000000000000
         show",
        "sell level 1 @ 63
         sell level 1 @ 64
         sell level 1 @ 65
         sell level 1 @ 1000000000000
         buy level 1 @ 1
         sell level 0 @ 63
         trade 1: 6 takes 1 @ 64 of 2
         sell level 0 @ 64
         sell level 1 @ 63
         trade 2: 8 takes 1 @ 63 of 7
         trade 3: 8 takes 1 @ 65 of 3
         trade 4: 8 takes 1 @ 1000000000000 of 4
         sell level 0 @ 63
         sell level 0 @ 65
         sell level 0 @ 1000000000000
         5:1@1",
    );
}

#[test]
fn orders_leave_the_front_the_middle_and_the_back_of_a_level() {
    check(
        "1 buy 1 @ 10
         2 buy 2 @ 10
         3 buy 3 @ 10
         4 buy 4 @ 10
         cancel 2
         cancel 4
         5 buy 5 @ 10
         cancel 1
         show
         restore
         6 sell 8 @ 10
         show",
        "buy level 1 @ 10
         buy level 3 @ 10
         buy level 6 @ 10
         buy level 10 @ 10
         buy level 8 @ 10
         buy level 4 @ 10
         buy level 9 @ 10
         buy level 8 @ 10
         3:3@10 5:5@10
         trade 1: 6 takes 3 @ 10 of 3
         trade 2: 6 takes 5 @ 10 of 5
         buy level 0 @ 10
         nothing",
    );
}

#[test]
fn a_partly_filled_front_keeps_its_place_through_reduction_and_restore() {
    check(
        "1 sell 5 @ 10
         2 sell 5 @ 10
         3 buy 2 @ 10
         reduce 1 to 4
         restore
         4 buy 3 @ 10
         show",
        "sell level 5 @ 10
         sell level 10 @ 10
         trade 1: 3 takes 2 @ 10 of 1
         sell level 8 @ 10
         sell level 7 @ 10
         trade 2: 4 takes 2 @ 10 of 1
         trade 3: 4 takes 1 @ 10 of 2
         sell level 4 @ 10
         2:4@10",
    );
}

#[test]
fn fill_or_kill_counts_several_levels_before_it_touches_one() {
    check(
        "1 buy 3 @ 12
         2 buy 3 @ 11
         3 buy 9 @ 9
         4 sell fok 7 @ 10
         5 sell fok 6 @ 10
         6 sell post 1 @ 9
         7 sell post 1 @ 10
         show",
        "buy level 3 @ 12
         buy level 3 @ 11
         buy level 9 @ 9
         trade 1: 5 takes 3 @ 12 of 1
         trade 2: 5 takes 3 @ 11 of 2
         buy level 0 @ 12
         buy level 0 @ 11
         sell level 1 @ 10
         3:9@9 7:1@10",
    );
}

#[test]
#[should_panic(expected = "a message from the wallet is missing")]
fn a_gap_between_messages_stops_the_book() {
    let message = ToBook { number: 2, time: Nanos(0), command: command("1 buy 1 @ 1") };
    Book::new().receive(&message, &mut BookOutput::default());
}
