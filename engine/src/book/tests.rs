//! The book alone, as small texts. What it does at large is judged by the naive twin in
//! `tests/book_twin.rs`, and what users see of it by the scenarios of the wallet.
//!
//! Lines are `1 buy 5 @ 100` (also `ioc`, `fok`, `post`, `market 5 for 700`), `cancel 1`, `reduce 1
//! to 3`, `proceed`, `restore`, `show` and `show waiting`; a number is the order's id. Behind an order
//! may stand whose it is (`of 2`; it is of account 0 without), what it does where it meets its own
//! account (`expire-taker`, `expire-maker`, `expire-both`, `decrement`), and its trigger (`when rise
//! 110`, `when fall 90`, `trail rise 500`, `trail fall 500 after rise 120`, in basis points).

use super::*;
use crate::order::{Activation, Distance, SelfTrade, Trail, Trigger};
use crate::units::{BasisPoints, Nanos};

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
            "show waiting" => {
                let (waiting, fired) = book.triggers.snapshot();
                let mut shown = waiting
                    .iter()
                    .filter(|waiting| waiting.stage != Stage::Fired)
                    .map(|waiting| {
                        let followed = if let Stage::Follows(seen) = waiting.stage {
                            format!(" from {seen}")
                        } else {
                            String::new()
                        };
                        format!("{}:{}{followed}", waiting.order.id, waiting.order.quantity)
                    })
                    .collect::<Vec<_>>();
                shown.extend(fired.iter().map(|order| format!("{order} fired")));
                let last = book.last_price().map_or("none".to_owned(), |last| last.to_string());
                shown.insert(0, format!("last {last}, waiting"));
                seen.push(shown.join(" "));
            }
            "restore" => {
                let snapshot = book.snapshot();
                book = Book::restore(&snapshot);
                assert_eq!(book.snapshot(), snapshot);
            }
            "proceed" => {
                let mut output = BookOutput::default();
                let answer = book.proceed(&mut output).expect("orders were left over");
                assert_eq!(answer.outcome, BookOutcome::Continued);
                seen.extend(tell(&answer, &output));
            }
            line => {
                number += 1;
                let mut output = BookOutput::default();
                let message = ToBook { number, time: Nanos(number), command: command(line) };
                let answer = book.receive(&message, &mut output).expect("not seen before");
                seen.extend(tell(&answer, &output));
            }
        }
    }
    assert_eq!(seen, lines(expected), "{scenario}");
}

/// What came of a command: trades and events in their order, then levels, then what is worth saying
/// of the outcome.
fn tell(answer: &ToWallet, output: &BookOutput) -> Vec<String> {
    let mut told = Vec::new();
    let of_triggered =
        |event: &BookEvent| if let BookEvent::Triggered { fills, .. } = event { *fills as usize } else { 0 };
    let mut of_others: usize = answer.events.iter().map(of_triggered).sum();
    let mut fills = answer.fills.iter().zip(1_u32..).peekable();
    for event in &answer.events {
        // What came before the event: of a triggered order, all trades of those before it.
        let before = event.after().map_or(answer.fills.len() - of_others, |after| after as usize);
        while let Some((fill, _)) = fills.next_if(|(_, number)| *number as usize <= before) {
            told.push(trade(fill));
        }
        match *event {
            BookEvent::Lapsed { order, remaining, .. } => told.push(format!("{order} lapses with {remaining}")),
            BookEvent::Decremented { maker, taker, quantity, maker_remaining, .. } => {
                told.push(format!("{taker} and {maker} lose {quantity}, {maker_remaining} left of {maker}"));
            }
            BookEvent::Triggered { order, placement, .. } => {
                told.push(format!("{order} is triggered: {}", stands(placement)));
                of_others -= of_triggered(event);
            }
            BookEvent::Resumed { .. } | BookEvent::PhaseChanged { .. } => panic!("no scenario here has {event:?}"),
        }
    }
    told.extend(fills.map(|(fill, _)| trade(fill)));
    told.extend(output.levels.iter().map(|change| {
        let side = if change.side == Side::Buy { "buy" } else { "sell" };
        format!("{side} level {} @ {}", change.quantity, change.price)
    }));
    match answer.outcome {
        BookOutcome::Placed { order, placement: Placement::Rejected(reason) } if reason != Reason::WouldMatch => {
            told.push(format!("{order} rejected {}", reason.name()));
        }
        BookOutcome::Placed { order, placement: Placement::Expired { remaining, reason: Expiry::SelfTrade } } => {
            told.push(format!("{order} expired {remaining} before a self-trade"));
        }
        BookOutcome::Placed { order, placement: Placement::Waiting } => told.push(format!("{order} waits")),
        BookOutcome::CancelRejected { order, reason } | BookOutcome::ReduceRejected { order, reason } => {
            told.push(format!("{order} stays: {}", reason.name()));
        }
        _ => {}
    }
    told
}

fn trade(fill: &Fill) -> String {
    let Fill { trade, maker, taker, quantity, price, .. } = fill;
    format!("trade {trade}: {taker} takes {quantity} @ {price} of {maker}")
}

fn stands(placement: Placement) -> String {
    match placement {
        Placement::Filled => "filled".to_owned(),
        Placement::Resting { remaining } => format!("{remaining} rest"),
        Placement::Expired { remaining, reason } => format!("{remaining} expired {reason:?}"),
        Placement::Waiting | Placement::Pending | Placement::Slid { .. } | Placement::Rejected(_) => {
            panic!("a triggered order has its turn")
        }
    }
}

fn instructions(asked: &[&str]) -> (AccountId, Instructions) {
    let mut account = AccountId(0);
    let mut instructions = Instructions::default();
    let number = |word: &str| word.parse::<u64>().unwrap_or_else(|_| panic!("{asked:?}: {word}"));
    let price = |word: &str| Price(number(word));
    let small = |word: &str| u32::try_from(number(word)).expect("small");
    let mut words = asked.iter().copied().peekable();
    while let Some(word) = words.next() {
        let mut next = || words.next().unwrap_or_else(|| panic!("{asked:?}: {word} what?"));
        match word {
            "of" => account = AccountId(small(next())),
            "expire-taker" => instructions.self_trade = SelfTrade::ExpireTaker,
            "expire-maker" => instructions.self_trade = SelfTrade::ExpireMaker,
            "expire-both" => instructions.self_trade = SelfTrade::ExpireBoth,
            "decrement" => instructions.self_trade = SelfTrade::Decrement,
            "when" => {
                let of = if next() == "rise" { Trigger::Rise } else { Trigger::Fall };
                instructions.trigger = Some(of(price(next())));
            }
            "trail" => {
                let of = if next() == "rise" { Trigger::TrailRise } else { Trigger::TrailFall };
                let distance = Distance::Share(BasisPoints(small(next())));
                let activation = words.next_if_eq(&"after").map(|_| {
                    let mut next = || words.next().unwrap_or_else(|| panic!("{asked:?}: after what?"));
                    let of = if next() == "rise" { Activation::Rise } else { Activation::Fall };
                    of(price(next()))
                });
                instructions.trigger = Some(of(Trail { distance, activation }));
            }
            _ => panic!("{asked:?}: {word}"),
        }
    }
    (account, instructions)
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
        [id, side, ref terms @ ..] => {
            let (kind, terms) = match terms {
                ["ioc", terms @ ..] => (OrderKind::ImmediateOrCancel, terms),
                ["fok", terms @ ..] => (OrderKind::FillOrKill, terms),
                ["post", terms @ ..] => (OrderKind::PostOnly, terms),
                ["market", terms @ ..] => (OrderKind::Market, terms),
                ["quote", terms @ ..] => (OrderKind::MarketByQuote, terms),
                _ => (OrderKind::Limit, terms),
            };
            let (quantity, limit, budget, asked) = match terms {
                [quantity, "@", price, asked @ ..] => (quantity, number(price), u64::MAX, asked),
                [quantity, "for", budget, asked @ ..] => (quantity, 0, number(budget), asked),
                _ => panic!("{line}"),
            };
            let (account, instructions) = instructions(asked);
            BookCommand::Place(NewOrder {
                id: OrderId(number(id)),
                account,
                side: if side == "buy" { Side::Buy } else { Side::Sell },
                kind,
                limit: Price(limit),
                quantity: Quantity(number(quantity)),
                budget: Notional(budget),
                time: Nanos(0),
                instructions: (!instructions.is_plain()).then_some(instructions),
            })
        }
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

#[test]
fn expire_taker_ends_at_the_first_own_order_and_keeps_its_trades() {
    check(
        "1 sell 2 @ 10 of 1
         2 sell 2 @ 10 of 2
         3 sell 2 @ 11 of 1
         4 buy 5 @ 12 of 2 expire-taker
         5 buy fok 3 @ 12 of 2 expire-taker
         show",
        "sell level 2 @ 10
         sell level 4 @ 10
         sell level 2 @ 11
         trade 1: 4 takes 2 @ 10 of 1
         sell level 2 @ 10
         4 expired 3 before a self-trade
         2:2@10 3:2@11",
    );
}

#[test]
fn expire_maker_clears_its_own_orders_out_of_the_way() {
    check(
        "1 sell 2 @ 10 of 2
         2 sell 2 @ 10 of 1
         3 sell 2 @ 11 of 2
         4 sell 9 @ 12 of 2
         5 buy fok 3 @ 12 of 2 expire-maker
         6 buy 5 @ 11 of 2 expire-maker
         show",
        "sell level 2 @ 10
         sell level 4 @ 10
         sell level 2 @ 11
         sell level 9 @ 12
         1 lapses with 2
         trade 1: 6 takes 2 @ 10 of 2
         3 lapses with 2
         sell level 2 @ 10
         sell level 0 @ 10
         sell level 0 @ 11
         buy level 3 @ 11
         6:3@11 4:9@12",
    );
}

#[test]
fn expire_both_takes_one_own_order_with_it() {
    check(
        "1 sell 2 @ 10 of 1
         2 sell 2 @ 10 of 2
         3 sell 2 @ 10 of 2
         4 buy 5 @ 12 of 2 expire-both
         show",
        "sell level 2 @ 10
         sell level 4 @ 10
         sell level 6 @ 10
         trade 1: 4 takes 2 @ 10 of 1
         2 lapses with 2
         sell level 4 @ 10
         sell level 2 @ 10
         4 expired 3 before a self-trade
         3:2@10",
    );
}

#[test]
fn decrement_takes_the_same_of_both_between_trades() {
    check(
        "1 sell 2 @ 10 of 1
         2 sell 3 @ 10 of 2
         3 sell 2 @ 10 of 1
         4 sell 9 @ 11 of 2
         5 buy 8 @ 10 of 2 decrement
         6 buy fok 20 @ 11 of 2 decrement
         show
         7 sell 4 @ 9 of 2 decrement
         8 buy 1 @ 11 of 3
         show",
        "sell level 2 @ 10
         sell level 5 @ 10
         sell level 7 @ 10
         sell level 9 @ 11
         trade 1: 5 takes 2 @ 10 of 1
         5 and 2 lose 3, 0 left of 2
         trade 2: 5 takes 2 @ 10 of 3
         sell level 5 @ 10
         sell level 2 @ 10
         sell level 0 @ 10
         buy level 1 @ 10
         5:1@10 4:9@11
         7 and 5 lose 1, 0 left of 5
         buy level 0 @ 10
         sell level 3 @ 9
         trade 3: 8 takes 1 @ 9 of 7
         sell level 2 @ 9
         7:2@9 4:9@11",
    );
}

#[test]
fn what_decrement_leaves_of_a_taker_ends_when_a_trade_takes_it() {
    check(
        "1 sell 3 @ 10 of 2
         2 sell 7 @ 10 of 1
         3 buy 10 @ 10 of 2 decrement
         show",
        "sell level 3 @ 10
         sell level 10 @ 10
         3 and 1 lose 3, 0 left of 1
         trade 1: 3 takes 7 @ 10 of 2
         sell level 7 @ 10
         sell level 0 @ 10
         3 expired 0 before a self-trade
         nothing",
    );
}

#[test]
fn an_order_by_quote_amount_prevents_no_more_than_it_could_pay_for() {
    check(
        "1 sell 2 @ 10 of 1
         2 sell 50 @ 10 of 2
         3 sell 50 @ 11 of 2
         4 buy quote 1000 for 29 of 2 expire-maker
         5 sell 50 @ 11 of 1
         6 buy quote 1000 for 10 of 2 expire-maker
         show
         7 buy quote 1000 for 29 of 2 decrement
         show",
        "sell level 2 @ 10
         sell level 52 @ 10
         sell level 50 @ 11
         trade 1: 4 takes 2 @ 10 of 1
         sell level 50 @ 10
         sell level 100 @ 11
         2 lapses with 50
         sell level 0 @ 10
         3:50@11 5:50@11
         7 and 3 lose 2, 48 left of 3
         sell level 98 @ 11
         7 expired 998 before a self-trade
         3:48@11 5:50@11",
    );
}

#[test]
fn who_must_rest_is_rejected_even_where_only_its_own_order_stands() {
    check(
        "1 sell 2 @ 10 of 2
         2 buy post 2 @ 10 of 2 expire-maker
         3 buy post 2 @ 9 of 2 expire-maker
         show",
        "sell level 2 @ 10
         buy level 2 @ 9
         3:2@9 1:2@10",
    );
}

#[test]
fn stops_are_fired_by_a_trade_at_their_price_or_beyond() {
    check(
        "1 buy 1 @ 100 of 1
         2 sell 5 @ 101 of 1
         3 sell 5 @ 105 of 1
         4 buy market 2 for 1000 of 2 when rise 101
         5 sell ioc 1 @ 1 of 3 when fall 100
         6 sell 9 @ 103 of 3 when rise 102
         show waiting
         7 sell 1 @ 100 of 2
         show waiting
         8 buy 1 @ 101 of 2
         9 buy 3 @ 105 of 2
         show waiting
         show",
        "buy level 1 @ 100
         sell level 5 @ 101
         sell level 5 @ 105
         4 waits
         5 waits
         6 waits
         last none, waiting 4:2 5:1 6:9
         trade 1: 7 takes 1 @ 100 of 1
         5 is triggered: 1 expired ImmediateOrCancel
         buy level 0 @ 100
         last 100, waiting 4:2 6:9
         trade 2: 8 takes 1 @ 101 of 2
         4 is triggered: filled
         trade 3: 4 takes 2 @ 101 of 2
         sell level 4 @ 101
         sell level 2 @ 101
         trade 4: 9 takes 2 @ 101 of 2
         trade 5: 9 takes 1 @ 105 of 3
         6 is triggered: 9 rest
         sell level 0 @ 101
         sell level 4 @ 105
         sell level 9 @ 103
         last 105, waiting 
         6:9@103 3:4@105",
    );
}

#[test]
fn a_trigger_that_the_last_price_has_reached_is_refused() {
    check(
        "1 buy 1 @ 100
         2 sell 1 @ 90 of 1 when rise 100
         cancel 2
         3 sell 1 @ 100 of 1
         4 sell 1 @ 90 when rise 100
         5 sell 1 @ 90 when fall 100
         6 sell 1 @ 90 when rise 101
         7 sell 1 @ 90 when fall 99
         8 sell 1 @ 90 trail fall 1
         show waiting",
        "buy level 1 @ 100
         2 waits
         trade 1: 3 takes 1 @ 100 of 1
         buy level 0 @ 100
         4 rejected would_trigger
         5 rejected would_trigger
         6 waits
         7 waits
         8 waits
         last 100, waiting 6:1 7:1 8:1 from 100",
    );
}

#[test]
fn trails_follow_the_price_until_it_turns() {
    // A tenth above the lowest, rounded up; a tenth below the highest, rounded down.
    check(
        "1 buy market 1 for 1000 of 2 trail rise 1000
         2 sell market 1 for 0 of 2 trail fall 1000
         3 sell 1 @ 101 of 1
         4 buy 1 @ 101 of 3
         show waiting
         5 sell 1 @ 95 of 1
         6 buy 1 @ 95 of 3
         restore
         7 sell 2 @ 104 of 1
         8 buy 1 @ 104 of 3
         show waiting
         9 buy 1 @ 93 of 1
         10 sell 1 @ 93 of 3
         show waiting
         cancel 7
         11 sell 1 @ 103 of 1
         12 buy 1 @ 103 of 3
         show waiting",
        "1 waits
         2 waits
         sell level 1 @ 101
         trade 1: 4 takes 1 @ 101 of 3
         sell level 0 @ 101
         last 101, waiting 1:1 from 101 2:1 from 101
         sell level 1 @ 95
         trade 2: 6 takes 1 @ 95 of 5
         sell level 0 @ 95
         sell level 2 @ 104
         trade 3: 8 takes 1 @ 104 of 7
         sell level 1 @ 104
         last 104, waiting 1:1 from 95 2:1 from 104
         buy level 1 @ 93
         trade 4: 10 takes 1 @ 93 of 9
         2 is triggered: 1 expired Liquidity
         buy level 0 @ 93
         last 93, waiting 1:1 from 93
         sell level 0 @ 104
         sell level 1 @ 103
         trade 5: 12 takes 1 @ 103 of 11
         1 is triggered: 1 expired Liquidity
         sell level 0 @ 103
         last 103, waiting ",
    );
}

#[test]
fn a_trail_with_an_activation_price_begins_there() {
    check(
        "1 sell 1 @ 50 of 2 trail fall 1000 after rise 110
         2 buy 1 @ 150 of 2 trail rise 1000 after fall 90
         3 buy 1 @ 100 of 1
         4 sell 1 @ 100 of 3
         5 sell 1 @ 50 of 2 trail fall 1000 after fall 100
         show waiting
         6 buy 1 @ 112 of 1
         7 sell 1 @ 112 of 3
         8 buy 1 @ 90 of 1
         9 sell 1 @ 90 of 3
         show waiting
         show",
        "1 waits
         2 waits
         buy level 1 @ 100
         trade 1: 4 takes 1 @ 100 of 3
         buy level 0 @ 100
         5 waits
         last 100, waiting 1:1 2:1 5:1 from 100
         buy level 1 @ 112
         trade 2: 7 takes 1 @ 112 of 6
         buy level 0 @ 112
         buy level 1 @ 90
         trade 3: 9 takes 1 @ 90 of 8
         1 is triggered: 1 rest
         5 is triggered: 1 rest
         buy level 0 @ 90
         sell level 1 @ 50
         sell level 2 @ 50
         last 90, waiting 2:1 from 90
         1:1@50 5:1@50",
    );
}

#[test]
fn fired_orders_take_part_by_threshold_and_then_by_age() {
    check(
        "1 buy 1 @ 100 of 1
         2 sell 1 @ 100 of 1
         3 buy 1 @ 1 of 2 when rise 103
         4 buy 1 @ 1 of 2 when rise 102
         5 buy 1 @ 1 of 2 when rise 103
         6 buy 1 @ 1 of 2 trail rise 200
         7 sell 1 @ 110 of 1
         8 buy 1 @ 110 of 1
         9 sell 1 @ 200 of 2 when fall 98
         10 sell 1 @ 200 of 2 when fall 99
         11 sell 1 @ 200 of 2 when fall 98
         12 sell 1 @ 90 of 1
         13 buy 1 @ 90 of 1
         show",
        "buy level 1 @ 100
         trade 1: 2 takes 1 @ 100 of 1
         buy level 0 @ 100
         3 waits
         4 waits
         5 waits
         6 waits
         sell level 1 @ 110
         trade 2: 8 takes 1 @ 110 of 7
         4 is triggered: 1 rest
         6 is triggered: 1 rest
         3 is triggered: 1 rest
         5 is triggered: 1 rest
         sell level 0 @ 110
         buy level 1 @ 1
         buy level 2 @ 1
         buy level 3 @ 1
         buy level 4 @ 1
         9 waits
         10 waits
         11 waits
         sell level 1 @ 90
         trade 3: 13 takes 1 @ 90 of 12
         10 is triggered: 1 rest
         9 is triggered: 1 rest
         11 is triggered: 1 rest
         sell level 0 @ 90
         sell level 1 @ 200
         sell level 2 @ 200
         sell level 3 @ 200
         4:1@1 6:1@1 3:1@1 5:1@1 10:1@200 9:1@200 11:1@200",
    );
}

#[test]
fn a_fired_order_fires_another() {
    check(
        "1 buy 1 @ 100 of 1
         2 buy 1 @ 99 of 1
         3 buy 1 @ 98 of 1
         4 buy 1 @ 97 of 1
         5 sell market 1 for 18446744073709551615 of 2 when fall 100
         6 sell 2 @ 98 of 2 when fall 99
         7 sell 1 @ 100 of 3
         show waiting
         show",
        "buy level 1 @ 100
         buy level 1 @ 99
         buy level 1 @ 98
         buy level 1 @ 97
         5 waits
         6 waits
         trade 1: 7 takes 1 @ 100 of 1
         5 is triggered: filled
         trade 2: 5 takes 1 @ 99 of 2
         6 is triggered: 1 rest
         trade 3: 6 takes 1 @ 98 of 3
         buy level 0 @ 100
         buy level 0 @ 99
         buy level 0 @ 98
         sell level 1 @ 98
         last 98, waiting 
         4:1@97 6:1@98",
    );
}

#[test]
fn a_market_order_that_was_triggered_spends_its_budget_and_lapses() {
    check(
        "1 sell 1 @ 100 of 1
         2 sell 2 @ 101 of 1
         3 sell 2 @ 120 of 1
         4 buy market 4 for 320 of 2 when rise 100
         5 buy 1 @ 100 of 3
         show",
        "sell level 1 @ 100
         sell level 2 @ 101
         sell level 2 @ 120
         4 waits
         trade 1: 5 takes 1 @ 100 of 1
         4 is triggered: 2 expired Liquidity
         trade 2: 4 takes 2 @ 101 of 2
         sell level 0 @ 100
         sell level 0 @ 101
         3:2@120",
    );
}

#[test]
fn what_was_triggered_must_still_be_all_or_nothing_and_prevents_self_trades() {
    check(
        "1 buy 5 @ 100 of 1
         2 buy 5 @ 99 of 2
         3 sell fok 10 @ 99 of 3 when fall 100
         4 sell 7 @ 99 of 2 expire-maker when fall 100
         5 sell 1 @ 100 of 3
         show",
        "buy level 5 @ 100
         buy level 5 @ 99
         3 waits
         4 waits
         trade 1: 5 takes 1 @ 100 of 1
         3 is triggered: 10 expired FillOrKill
         4 is triggered: 3 rest
         trade 2: 4 takes 4 @ 100 of 1
         2 lapses with 5
         buy level 4 @ 100
         buy level 0 @ 100
         buy level 0 @ 99
         sell level 3 @ 99
         4:3@99",
    );
}

#[test]
fn a_waiting_order_can_be_reduced_and_cancelled() {
    check(
        "1 sell 5 @ 100 of 2 when fall 100
         2 sell 5 @ 100 of 2 when fall 100
         reduce 1 to 5
         reduce 1 to 0
         reduce 1 to 3
         show waiting
         cancel 2
         cancel 2
         3 buy 9 @ 100 of 1
         4 sell 1 @ 100 of 1
         reduce 1 to 2
         show",
        "1 waits
         2 waits
         1 stays: quantity_not_reduced
         1 stays: quantity_not_reduced
         last none, waiting 1:3 2:5
         2 stays: order_already_final
         buy level 9 @ 100
         trade 1: 4 takes 1 @ 100 of 3
         1 is triggered: filled
         trade 2: 1 takes 3 @ 100 of 3
         buy level 8 @ 100
         buy level 5 @ 100
         1 stays: order_already_final
         3:5@100",
    );
}

#[test]
fn at_one_price_those_that_wait_for_a_rise_come_first() {
    check(
        "1 sell 1 @ 200 when fall 100
         2 sell 1 @ 200 when rise 100
         3 buy 1 @ 100 of 1
         4 sell 1 @ 100 of 2",
        "1 waits
         2 waits
         buy level 1 @ 100
         trade 1: 4 takes 1 @ 100 of 3
         2 is triggered: 1 rest
         1 is triggered: 1 rest
         buy level 0 @ 100
         sell level 1 @ 200
         sell level 2 @ 200",
    );
}

#[test]
fn what_one_command_may_not_carry_out_has_its_turn_afterwards() {
    let stops = CASCADE_MAX as u64 + 2;
    let mut scenario = "1 buy 1 @ 100 of 1\n".to_owned();
    let mut expected = "buy level 1 @ 100\n".to_owned();
    for id in 2..2 + stops {
        scenario += &format!("{id} sell 1 @ 200 of 2 when fall 100\n");
        expected += &format!("{id} waits\n");
    }
    scenario += "99 sell 1 @ 100 of 3\n show waiting\n restore\n proceed\n show waiting";
    expected += "trade 1: 99 takes 1 @ 100 of 1\n";
    let turn = |id: u64| format!("{id} is triggered: 1 rest\n");
    let level = |quantity: u64| format!("sell level {quantity} @ 200\n");
    let (last, first) = (stops + 1, stops);
    expected += &(2..first).map(turn).collect::<String>();
    expected += "buy level 0 @ 100\n";
    expected += &(1..first - 1).map(level).collect::<String>();
    expected += &format!("last 100, waiting {first} fired {last} fired\n");
    expected += &(first..=last).map(turn).collect::<String>();
    expected += &(first - 1..last).map(level).collect::<String>();
    expected += "last 100, waiting";
    check(&scenario, &expected);
}

#[test]
#[should_panic(expected = "triggered orders have their turn before the next command")]
fn no_command_comes_between_triggered_orders() {
    let mut book = Book::new();
    let mut receive = |number: u64, line: &str| {
        let message = ToBook { number, time: Nanos(number), command: command(line) };
        book.receive(&message, &mut BookOutput::default());
    };
    let stops = CASCADE_MAX as u64 + 1;
    for number in 1..=stops {
        receive(number, &format!("{number} sell 1 @ 200 when fall 100"));
    }
    receive(stops + 1, "1001 buy 1 @ 100");
    receive(stops + 2, "1002 sell 1 @ 100");
    receive(stops + 3, "cancel 1001");
}

#[test]
fn what_is_left_over_happens_at_the_time_of_the_command_that_began_it() {
    let mut book = Book::new();
    let mut output = BookOutput::default();
    let stops = 2 * CASCADE_MAX as u64 + 1;
    for number in 1..=stops + 2 {
        let line = match number {
            _ if number <= stops => format!("{number} sell 1 @ 200 when fall 100"),
            _ if number == stops + 1 => "1001 buy 1 @ 100".to_owned(),
            _ => "1002 sell 1 @ 100".to_owned(),
        };
        book.receive(&ToBook { number, time: Nanos(number * 10), command: command(&line) }, &mut output);
    }
    for number in stops + 3..stops + 5 {
        book = Book::restore(&book.snapshot());
        let answer = book.proceed(&mut output).expect("left over");
        assert_eq!((answer.number, answer.time), (number, Nanos((stops + 2) * 10)));
    }
    assert_eq!(book.proceed(&mut output), None);
    assert_eq!(book.waiting(), 0);
}

#[test]
fn the_fingerprint_tells_what_was_prevented_and_what_was_triggered() {
    let digest = |lines: &[&str]| {
        let mut book = Book::new();
        for (line, number) in lines.iter().zip(1..) {
            let message = ToBook { number, time: Nanos(0), command: command(line) };
            book.receive(&message, &mut BookOutput::default());
        }
        book.digest()
    };
    // Nothing trades, and depth changes as often; only the events differ.
    let prevented = |quantity| digest(&["1 sell 5 @ 10", &format!("2 buy ioc {quantity} @ 10 decrement")]);
    assert_ne!(prevented(1), prevented(2));
    let lapsed = |first| digest(&[&format!("{first} sell 5 @ 10"), "3 buy ioc 1 @ 10 expire-maker"]);
    assert_ne!(lapsed(1), lapsed(2));
    let stop =
        |id| digest(&[&format!("{id} buy ioc 1 @ 1 of 1 when rise 10"), "8 buy 1 @ 10 of 2", "9 sell 1 @ 10 of 3"]);
    assert_ne!(stop(1), stop(2));
}
