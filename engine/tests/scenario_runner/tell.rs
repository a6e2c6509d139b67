//! Answers and books as the lines of a scenario.

use rialto_engine::book::{BookSnapshot, Stage, WaitingOrder};
use rialto_engine::ids::OrderId;
use rialto_engine::message::{BookEvent, BookOutcome, Fill, Phase, Placement, ToWallet};
use rialto_engine::order::{NewOrder, Side};
use rialto_engine::reason::Reason;
use rialto_engine::units::{Nanos, Quantity};

/// All that an answer tells: whom the command took out, what happened then, what became of the order that it
/// brought, and turn after turn what came of that. `after` is the book after it.
pub fn answer(answer: &ToWallet, after: &BookSnapshot) -> Vec<String> {
    // The command's own part, and a part for each order that had a turn because of it: how many fills
    // are its own, and what happened between them.
    let mut parts: Vec<(Option<&BookEvent>, usize, Vec<&BookEvent>)> = vec![(None, answer.fills.len(), Vec::new())];
    for event in &answer.events {
        match event {
            BookEvent::Triggered { fills, .. } | BookEvent::Resumed { fills, .. } => {
                let fills = *fills as usize;
                parts[0].1 -= fills;
                parts.push((Some(event), fills, Vec::new()));
            }
            _ => parts.last_mut().expect("the command's own").2.push(event),
        }
    }
    let mut told = taken_out(&answer.outcome);
    let mut fills = (1..).zip(&answer.fills).peekable();
    let mut end = 0;
    for (turn, count, events) in parts {
        end += count;
        told.extend(turn.map(|turn| happened(turn, after)));
        for event in events {
            let before = event.after().expect("not a turn") as usize;
            while let Some((_, fill)) = fills.next_if(|(number, _)| *number <= before) {
                told.push(trade(fill));
            }
            told.push(happened(event, after));
        }
        while let Some((_, fill)) = fills.next_if(|(number, _)| *number <= end) {
            told.push(trade(fill));
        }
        if turn.is_none() {
            told.extend(became(&answer.outcome));
        }
    }
    told
}

fn trade(fill: &Fill) -> String {
    let Fill { taker, quantity, price, maker, maker_remaining, .. } = fill;
    let left = if maker_remaining.is_zero() { String::new() } else { format!(", which has {maker_remaining} left") };
    format!("{taker} takes {quantity} @ {price} of {maker}{left}")
}

fn happened(event: &BookEvent, after: &BookSnapshot) -> String {
    match event {
        BookEvent::Lapsed { order, remaining, reason, .. } => format!("{order} lapses with {remaining}: {reason:?}"),
        BookEvent::Decremented { maker, taker, quantity, maker_remaining, .. } => {
            format!("{taker} and {maker} lose {quantity}, {maker} has {maker_remaining} left")
        }
        BookEvent::PhaseChanged { phase, .. } => {
            format!("the market goes over to {}{}", name(*phase), until(after.until))
        }
        BookEvent::Resumed { order, placement, .. } => format!("{order} is resumed: {}", stands(placement)),
        BookEvent::Triggered { order, placement, .. } => format!("{order} is triggered: {}", stands(placement)),
    }
}

fn until(until: Nanos) -> String {
    if until.is_zero() { String::new() } else { format!(" until {until}") }
}

fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::PreOpen => "pre-open",
        Phase::Auction => "auction",
        Phase::Continuous => "continuous",
        Phase::Halted => "halted",
        Phase::CancelOnly => "cancel-only",
        Phase::Closed => "closed",
    }
}

fn stands(placement: &Placement) -> String {
    match placement {
        Placement::Filled => "filled".to_owned(),
        Placement::Resting { remaining } => format!("rests {remaining}"),
        Placement::Slid { remaining, price } => format!("rests {remaining}, slid to {price}"),
        Placement::Waiting => "waits".to_owned(),
        Placement::Pending => "pending".to_owned(),
        Placement::Expired { remaining, reason } => format!("expired {remaining}: {reason:?}"),
        Placement::Rejected(reason) => format!("rejected {}", reason.name()),
    }
}

/// What is told first: an order that was cancelled or reduced, or was not.
fn taken_out(outcome: &BookOutcome) -> Vec<String> {
    let canceled = |order: &OrderId, canceled: Result<Quantity, Reason>| match canceled {
        Ok(remaining) => format!("{order} cancelled with {remaining}"),
        Err(reason) => format!("{order} not cancelled: {}", reason.name()),
    };
    match outcome {
        BookOutcome::Canceled { order, remaining } => vec![canceled(order, Ok(*remaining))],
        BookOutcome::CancelRejected { order, reason } => vec![canceled(order, Err(*reason))],
        BookOutcome::CanceledMany(orders) if orders.is_empty() => vec!["nobody cancelled".to_owned()],
        BookOutcome::CanceledMany(orders) => {
            orders.iter().map(|(order, remaining)| canceled(order, Ok(*remaining))).collect()
        }
        BookOutcome::Reduced { order, quantity } => vec![format!("{order} reduced to {quantity}")],
        BookOutcome::ReduceRejected { order, reason } => vec![format!("{order} not reduced: {}", reason.name())],
        BookOutcome::Replaced { old, canceled: result, .. } => vec![canceled(old, *result)],
        _ => Vec::new(),
    }
}

/// What is told behind the command's own trades: how its orders stand, or the phase.
fn became(outcome: &BookOutcome) -> Vec<String> {
    let placed = |order: &OrderId, placement: &Placement| format!("{order} {}", stands(placement));
    match outcome {
        BookOutcome::Placed { order, placement } => vec![placed(order, placement)],
        BookOutcome::PlacedList(orders) => orders.iter().map(|(order, placement)| placed(order, placement)).collect(),
        BookOutcome::Replaced { new, placement: None, .. } => vec![format!("{new} not placed")],
        BookOutcome::Replaced { new, placement: Some(placement), .. } => vec![placed(new, placement)],
        BookOutcome::Entered(phase) => vec![format!("entered {}", name(*phase))],
        BookOutcome::Protected => vec!["protected".to_owned()],
        _ => Vec::new(),
    }
}

/// Every order of a book: bids from the best down, asks from the best up, what is not displayed, what
/// waits, what is pending.
pub fn book(book: &BookSnapshot) -> Vec<String> {
    let does = |side: Side| if side == Side::Buy { "buys" } else { "sells" };
    let displayed = book.orders.iter().map(|order| {
        let special = book.special.iter().find(|special| special.id == order.id);
        let reserve = special.map_or(Quantity::ZERO, |special| special.reserve);
        let more = if reserve.is_zero() { String::new() } else { format!(" + {reserve}") };
        format!("{} {} {}{more} @ {}", order.id, does(order.side), order.remaining, order.price)
    });
    let dark = book.dark.iter().map(|dark| {
        let NewOrder { id, side, limit, .. } = dark.order;
        let at = if dark.order.asks().peg.is_some() { "pegged".to_owned() } else { format!("@ {limit}") };
        format!("{id} {} {} {at}, not displayed", does(side), dark.remaining)
    });
    let waiting = book.waiting.iter().map(|WaitingOrder { order, stage, .. }| {
        let how = match stage {
            Stage::Awaits => String::new(),
            Stage::Follows(price) => format!(", has seen {price}"),
            Stage::Fired | Stage::Activated => " for its turn".to_owned(),
        };
        format!("{} waits with {}{how}", order.id, order.quantity)
    });
    let pending = book.pending.iter().map(|order| format!("{} is pending with {}", order.id, order.quantity));
    let all: Vec<String> = displayed.chain(dark).chain(waiting).chain(pending).collect();
    if all.is_empty() { vec!["nothing".to_owned()] } else { all }
}

pub fn state(book: &BookSnapshot) -> String {
    let mut told = format!("{}{}", name(book.phase), until(book.until));
    if let Some(last) = book.last {
        told += &format!(", last {last}");
    }
    if let Some(reference) = book.protection.reference {
        told += &format!(", reference {reference}");
    }
    told
}

pub fn indicative(indicative: Option<(u64, u64, i128)>) -> String {
    match indicative {
        None => "no price".to_owned(),
        Some((price, volume, 0)) => format!("{volume} @ {price}"),
        Some((price, volume, more)) if more > 0 => format!("{volume} @ {price}, {more} more to buy"),
        Some((price, volume, less)) => format!("{volume} @ {price}, {} more to sell", -less),
    }
}
