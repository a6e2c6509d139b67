//! Commands from their lines: see the top of `scenarios.rs`.

use rialto_engine::ids::{AccountId, OrderId};
use rialto_engine::message::{BookCommand, CancelRestriction, Phase, Protection};
use rialto_engine::order::{
    Activation, Display, Distance, Instructions, Lifetime, Link, NewOrder, OrderKind, Peg, PegReference, SelfTrade,
    Side, Trail, Trigger,
};
use rialto_engine::units::{BasisPoints, Nanos, Notional, Price, Quantity};

/// The words of a line, one after the other.
struct Words<'line> {
    line: &'line str,
    rest: std::iter::Peekable<std::str::SplitWhitespace<'line>>,
}

impl<'line> Words<'line> {
    fn new(line: &'line str) -> Self {
        Self { line, rest: line.split_whitespace().peekable() }
    }

    fn next(&mut self) -> &'line str {
        self.rest.next().unwrap_or_else(|| panic!("{:?} ends too early", self.line))
    }

    /// Whether this is the next word, which is then behind us.
    fn skip(&mut self, word: &str) -> bool {
        self.rest.next_if_eq(&word).is_some()
    }

    fn expect(&mut self, word: &str) {
        assert!(self.skip(word), "{:?}: {word:?} was expected before {:?}", self.line, self.rest.peek());
    }

    fn number(&mut self) -> u64 {
        let word = self.next();
        word.parse().unwrap_or_else(|_| panic!("{:?}: {word:?} is not a number", self.line))
    }

    fn small(&mut self) -> u32 {
        u32::try_from(self.number()).expect("small")
    }

    fn price(&mut self) -> Price {
        Price(self.number())
    }

    fn order_id(&mut self) -> OrderId {
        OrderId(self.number())
    }

    /// One of two directions.
    fn rises(&mut self) -> bool {
        match self.next() {
            "rise" => true,
            "fall" => false,
            word => panic!("{:?}: {word:?} is no direction", self.line),
        }
    }

    fn is_over(&mut self) -> bool {
        self.rest.peek().is_none()
    }
}

/// The command of a line at the time of the scenario, which it may move on.
pub fn command(line: &str, time: &mut Nanos) -> BookCommand {
    let mut words = Words::new(line);
    let command = match words.rest.peek().copied().unwrap_or_default() {
        "time" => {
            words.expect("time");
            *time = Nanos(words.number());
            BookCommand::Advance
        }
        "cancel" => cancel(&mut words),
        "reduce" => {
            words.expect("reduce");
            let order = words.order_id();
            words.expect("to");
            BookCommand::Reduce { order, quantity: Quantity(words.number()) }
        }
        "replace" => replace(&mut words, *time),
        "enter" => {
            words.expect("enter");
            let phase = phase(words.next());
            let until = if words.skip("until") { words.number() } else { 0 };
            BookCommand::Enter { phase, until: Nanos(until) }
        }
        "protect" => protect(&mut words),
        "either" => {
            words.expect("either");
            let first = order(&mut words, *time);
            words.expect("or");
            let second = order(&mut words, *time);
            let link = |order: &NewOrder, partner: &NewOrder| with_link(order, first.id, Some(partner.id), None);
            BookCommand::PlaceList([link(&first, &second), link(&second, &first)].into())
        }
        "first" => {
            words.expect("first");
            let working = order(&mut words, *time);
            words.expect("then");
            let one = order(&mut words, *time);
            let other = words.skip("or").then(|| order(&mut words, *time));
            let (list, after) = (working.id, Some(working.id));
            let mut orders = vec![with_link(&working, list, None, None)];
            orders.push(with_link(&one, list, other.map(|other| other.id), after));
            orders.extend(other.map(|other| with_link(&other, list, Some(one.id), after)));
            BookCommand::PlaceList(orders.into())
        }
        _ => BookCommand::Place(order(&mut words, *time)),
    };
    assert!(words.is_over(), "{line:?}: what is {:?}?", words.rest.peek());
    command
}

fn cancel(words: &mut Words) -> BookCommand {
    words.expect("cancel");
    let order = words.order_id();
    if words.is_over() || words.rest.peek() == Some(&"if") {
        return BookCommand::Cancel { order, restriction: restriction(words) };
    }
    let mut orders = vec![order];
    while !words.is_over() {
        orders.push(words.order_id());
    }
    BookCommand::CancelMany(orders.into())
}

fn restriction(words: &mut Words) -> CancelRestriction {
    if !words.skip("if") {
        return CancelRestriction::None;
    }
    match words.next() {
        "new" => CancelRestriction::OnlyNew,
        "partial" => CancelRestriction::OnlyPartiallyFilled,
        word => panic!("{:?}: {word:?} is no state", words.line),
    }
}

fn replace(words: &mut Words, time: Nanos) -> BookCommand {
    words.expect("replace");
    let old = words.order_id();
    let restriction = restriction(words);
    let allow_failure = words.skip("or");
    if allow_failure {
        words.expect("not");
    }
    let needed = if words.skip("needing") { words.number() } else { 0 };
    words.expect("with");
    let new = order(words, time);
    BookCommand::Replace { old, restriction, allow_failure, old_remaining_needed: Quantity(needed), new }
}

fn phase(word: &str) -> Phase {
    match word {
        "pre-open" => Phase::PreOpen,
        "auction" => Phase::Auction,
        "continuous" => Phase::Continuous,
        "halted" => Phase::Halted,
        "cancel-only" => Phase::CancelOnly,
        "closed" => Phase::Closed,
        _ => panic!("{word:?} is no phase"),
    }
}

fn protect(words: &mut Words) -> BookCommand {
    words.expect("protect");
    let mut protection = Protection::default();
    while !words.is_over() {
        match words.next() {
            "static" => protection.static_band = BasisPoints(words.small()),
            "dynamic" => protection.dynamic_band = BasisPoints(words.small()),
            "for" => protection.interruption = Nanos(words.number()),
            "from" => protection.reference = Some(words.price()),
            word => panic!("{:?}: what is {word:?}?", words.line),
        }
    }
    BookCommand::Protect(protection)
}

fn with_link(order: &NewOrder, list: OrderId, partner: Option<OrderId>, after: Option<OrderId>) -> NewOrder {
    let link = Some(Link { list, partner, after });
    NewOrder { instructions: Some(Instructions { link, ..order.asks() }), ..*order }
}

/// An order, up to a word that only a list can have.
fn order(words: &mut Words, time: Nanos) -> NewOrder {
    let id = words.order_id();
    let side = match words.next() {
        "buy" => Side::Buy,
        "sell" => Side::Sell,
        word => panic!("{:?}: {word:?} is no side", words.line),
    };
    let kinds = [
        ("ioc", OrderKind::ImmediateOrCancel),
        ("fok", OrderKind::FillOrKill),
        ("post", OrderKind::PostOnly),
        ("slide", OrderKind::PostOnlySlide),
        ("market", OrderKind::Market),
        ("quote", OrderKind::MarketByQuote),
    ];
    let kind = kinds.into_iter().find(|(word, _)| words.skip(word)).map_or(OrderKind::Limit, |(_, kind)| kind);
    // By quote amount, the quantity is the most that the market allows.
    let quantity = if kind == OrderKind::MarketByQuote { 1_000 } else { words.number() };
    let mut order = NewOrder {
        id,
        account: AccountId(0),
        side,
        kind,
        limit: Price::ZERO,
        quantity: Quantity(quantity),
        budget: Notional(u64::MAX),
        time,
        instructions: None,
    };
    let mut asks = Instructions::default();
    while let Some(word) = words.rest.next_if(|word| !["or", "then"].contains(word)) {
        match word {
            "@" => order.limit = words.price(),
            "for" => order.budget = Notional(words.number()),
            "of" => order.account = AccountId(words.small()),
            "group" => asks.group = words.small(),
            "expire-taker" => asks.self_trade = SelfTrade::ExpireTaker,
            "expire-maker" => asks.self_trade = SelfTrade::ExpireMaker,
            "expire-both" => asks.self_trade = SelfTrade::ExpireBoth,
            "decrement" => asks.self_trade = SelfTrade::Decrement,
            "hidden" => asks.display = Display::Hidden,
            "show" => asks.display = Display::Iceberg(Quantity(words.number())),
            "min" => asks.minimum = Quantity(words.number()),
            "peg" => asks.peg = Some(peg(words)),
            "until" => asks.lifetime = Lifetime::Until(Nanos(words.number())),
            "day" => asks.lifetime = Lifetime::Day(Nanos(words.number())),
            "slip" => asks.slippage = BasisPoints(words.small()),
            "when" => {
                let of = if words.rises() { Trigger::Rise } else { Trigger::Fall };
                asks.trigger = Some(of(words.price()));
            }
            "trail" => asks.trigger = Some(trail(words)),
            _ => panic!("{:?}: what is {word:?}?", words.line),
        }
    }
    assert!(kind.has_limit() != order.limit.is_zero(), "{:?}: a limit too few or too many", words.line);
    order.instructions = (!asks.is_plain()).then_some(asks);
    order
}

fn peg(words: &mut Words) -> Peg {
    let reference = match words.next() {
        "bid" => PegReference::BestBid,
        "ask" => PegReference::BestAsk,
        "mid" => PegReference::Midpoint,
        word => panic!("{:?}: {word:?} is no reference", words.line),
    };
    let offset = if words.skip("+") {
        i64::from(words.small())
    } else if words.skip("-") {
        -i64::from(words.small())
    } else {
        0
    };
    Peg { reference, offset }
}

fn trail(words: &mut Words) -> Trigger {
    let of = if words.rises() { Trigger::TrailRise } else { Trigger::TrailFall };
    let far = words.small();
    let distance = match words.next() {
        "ticks" => Distance::Ticks(Price(u64::from(far))),
        "bp" => Distance::Share(BasisPoints(far)),
        word => panic!("{:?}: {word:?} is no distance", words.line),
    };
    let activation = words.skip("after").then(|| {
        let of = if words.rises() { Activation::Rise } else { Activation::Fall };
        of(words.price())
    });
    of(Trail { distance, activation })
}
