//! How the scenarios are read, and how what users are told is written.

use super::super::{GENERATED_PREFIX, ListRef, OrderRef, Settled, SettledResult};
use super::{ASSETS, USERS};
use crate::ids::{AccountId, AssetId, ClientOrderId, OrderId};
use crate::market::MarketFilters;
use crate::message::{Expiry, Phase, Protection};
use crate::order::{
    Activation, Display, Distance, Instructions, Lifetime, Link, OrderKind, Peg, PegReference, SelfTrade, Trail,
    Trigger,
};
use crate::units::{Amount, BasisPoints, Nanos, Price, Quantity};
use crate::update::{OrderEvent, OrderUpdate, OrderView, Status};

/// An update as its owner reads it.
pub fn tell(update: &OrderUpdate) -> String {
    let order = &update.order;
    let event = match update.event {
        OrderEvent::New => "new".to_owned(),
        OrderEvent::Trade(execution) => {
            let role = if execution.maker { "maker" } else { "taker" };
            let (price, quantity, fee) = (execution.price, execution.quantity, execution.fee);
            let asset = ASSETS[usize::from(execution.fee_asset.0)];
            format!("trade {} {quantity} @ {price} {role} fee {fee} {asset}", execution.trade)
        }
        OrderEvent::Canceled => "canceled".to_owned(),
        OrderEvent::Expired(Expiry::ImmediateOrCancel) => "expired as ioc".to_owned(),
        OrderEvent::Expired(Expiry::FillOrKill) => "expired as fok".to_owned(),
        OrderEvent::Expired(Expiry::Liquidity) => "expired for want of liquidity".to_owned(),
        OrderEvent::Expired(Expiry::SelfTrade) => "expired before a self-trade".to_owned(),
        OrderEvent::Expired(Expiry::Time) => "expired at its time".to_owned(),
        OrderEvent::Expired(Expiry::Contingency) => "expired with its list".to_owned(),
        OrderEvent::Expired(Expiry::Minimum) => "expired below its minimum".to_owned(),
        OrderEvent::Expired(Expiry::Interruption) => "expired before an interruption".to_owned(),
        OrderEvent::Expired(Expiry::ListCanceled) => panic!("{update:?}: that is told as canceled"),
        OrderEvent::Triggered => "triggered".to_owned(),
        OrderEvent::Prevented(other, quantity) => format!("loses {quantity} with #{other}"),
        OrderEvent::Reduced => "reduced".to_owned(),
        OrderEvent::Rejected(reason) => format!("rejected {}", reason.name()),
    };
    let user = USERS[order.account.0 as usize];
    format!("{user} {}: {event}, {}", name(order), state(order))
}

/// What a reply says beyond the updates.
pub fn answer(settled: &Settled) -> Option<String> {
    let order = settled.order;
    match settled.result {
        SettledResult::Canceled(Err(reason)) => Some(format!("#{order}: cancel rejected {}", reason.name())),
        SettledResult::Reduced(Err(reason)) => Some(format!("#{order}: reduce rejected {}", reason.name())),
        SettledResult::Replaced { old, canceled: Err(reason), placed } => {
            let fate = if placed.is_some() { "placed all the same" } else { "not placed" };
            Some(format!("#{old}: cancel rejected {}, #{order} {fate}", reason.name()))
        }
        SettledResult::PlacedList(Err(reason)) => Some(format!("#{order}: list rejected {}", reason.name())),
        SettledResult::Entered(phase) => Some(format!("market: entered {phase:?}")),
        SettledResult::Protected => Some("market: protected".to_owned()),
        _ => None,
    }
}

pub fn instructions(asked: &[&str]) -> Instructions {
    let mut instructions = Instructions::default();
    let mut words = asked.iter().copied().peekable();
    while let Some(word) = words.next() {
        let mut next = || words.next().unwrap_or_else(|| panic!("{asked:?}: {word} what?"));
        match word {
            "expire-taker" => instructions.self_trade = SelfTrade::ExpireTaker,
            "expire-maker" => instructions.self_trade = SelfTrade::ExpireMaker,
            "expire-both" => instructions.self_trade = SelfTrade::ExpireBoth,
            "decrement" => instructions.self_trade = SelfTrade::Decrement,
            "when" => {
                let of = if next() == "rise" { Trigger::Rise } else { Trigger::Fall };
                instructions.trigger = Some(of(Price(parse(next()))));
            }
            "trail" => {
                let of = if next() == "rise" { Trigger::TrailRise } else { Trigger::TrailFall };
                let distance = match next() {
                    "by" => Distance::Ticks(Price(parse(next()))),
                    share => Distance::Share(BasisPoints(parse(share))),
                };
                let activation = words.next_if_eq(&"after").map(|_| {
                    let mut next = || words.next().unwrap_or_else(|| panic!("{asked:?}: after what?"));
                    let of = if next() == "rise" { Activation::Rise } else { Activation::Fall };
                    of(Price(parse(next())))
                });
                instructions.trigger = Some(of(Trail { distance, activation }));
            }
            "peak" => instructions.display = Display::Iceberg(Quantity(parse(next()))),
            "hidden" => instructions.display = Display::Hidden,
            "least" => instructions.minimum = Quantity(parse(next())),
            "peg" => {
                let reference = match next() {
                    "bid" => PegReference::BestBid,
                    "ask" => PegReference::BestAsk,
                    "mid" => PegReference::Midpoint,
                    what => panic!("{asked:?}: pegged to what? {what}"),
                };
                instructions.peg = Some(Peg { reference, offset: parse(next()) });
            }
            "until" => instructions.lifetime = Lifetime::Until(Nanos(parse(next()))),
            "day" => instructions.lifetime = Lifetime::Day(Nanos(parse(next()))),
            "slip" => instructions.slippage = BasisPoints(parse(next())),
            "mark" => instructions.tag = parse(next()),
            "claims-group" => instructions.group = parse(next()),
            "claims-list" => {
                instructions.link = Some(Link { list: OrderId(parse(next())), partner: None, after: None });
            }
            _ => panic!("{asked:?}: what is {word}?"),
        }
    }
    instructions
}

pub fn name(order: &OrderView) -> String {
    short(&order.client_id)
}

/// A generated name as its number.
pub fn short(client_id: &ClientOrderId) -> String {
    let name = client_id.as_str();
    name.strip_prefix(GENERATED_PREFIX).map_or(name.to_owned(), |number| format!("#{number}"))
}

pub fn state(order: &OrderView) -> String {
    let status = match order.status {
        Status::Pending => "pending",
        Status::New if order.working_since().is_none() => "waiting",
        Status::New => "new",
        Status::PartiallyFilled => "partial",
        Status::Filled => "filled",
        Status::Canceled => "canceled",
        Status::Expired => "expired",
        Status::Rejected => "rejected",
        Status::ExpiredInMatch => "expired in match",
    };
    let prevented = if order.prevented.is_zero() { String::new() } else { format!(" less {}", order.prevented) };
    let slid = if order.kind == OrderKind::PostOnlySlide { format!(" @ {}", order.price) } else { String::new() };
    format!("{}/{}{prevented} {status}{slid}", order.executed, order.quantity)
}

pub fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

pub fn parse<T: std::str::FromStr>(word: &str) -> T {
    word.parse().unwrap_or_else(|_| panic!("{word:?} is not a number"))
}

pub fn user_id(user: &str) -> AccountId {
    let position = USERS.iter().position(|known| *known == user);
    AccountId(position.map_or(99, |position| u32::try_from(position).expect("small")))
}

pub fn asset_id(asset: &str) -> AssetId {
    let position = ASSETS.iter().position(|known| *known == asset);
    AssetId(position.map_or(99, |position| u16::try_from(position).expect("small")))
}

pub fn order_ref(target: &str) -> OrderRef {
    let number = |text: &str| text.strip_prefix('#').map(|number| OrderId(parse(number)));
    let (id, client_id) = match target.split_once('/') {
        Some((id, name)) => (number(id), ClientOrderId::new(name)),
        None if target.starts_with('#') => (number(target), None),
        None => (None, ClientOrderId::new(target)),
    };
    OrderRef { id, client_id }
}

pub fn list_ref(target: &str) -> ListRef {
    let OrderRef { id, client_id } = order_ref(target);
    ListRef { id, client_id }
}

pub fn client_id(name: &str) -> ClientOrderId {
    ClientOrderId::new(name).expect("a valid name")
}

pub fn phase(name: &str) -> Phase {
    let named = |phase: &Phase| format!("{phase:?}").eq_ignore_ascii_case(name);
    Phase::ALL.into_iter().find(named).unwrap_or_else(|| panic!("{name} is no phase"))
}

pub fn protection(rules: &[&str]) -> Protection {
    let mut protection = Protection::default();
    for rule in rules.chunks(2) {
        match rule {
            ["static", share] => protection.static_band = BasisPoints(parse(share)),
            ["dynamic", share] => protection.dynamic_band = BasisPoints(parse(share)),
            ["for", time] => protection.interruption = Nanos(parse(time)),
            ["at", price] => protection.reference = Some(Price(parse(price))),
            _ => panic!("{rules:?}: what rules?"),
        }
    }
    protection
}

pub fn set_filter(filters: &mut MarketFilters, name: &str, value: &str) {
    let basis_points = || BasisPoints(parse(value));
    match name {
        "min_price" => filters.min_price = Price(parse(value)),
        "min_quantity" => filters.min_quantity = Quantity(parse(value)),
        "max_market_quantity" => filters.max_market_quantity = Quantity(parse(value)),
        "max_notional" => filters.max_notional = Amount(parse(value)),
        "bid_up" => filters.bid_up = basis_points(),
        "bid_down" => filters.bid_down = basis_points(),
        "ask_up" => filters.ask_up = basis_points(),
        "ask_down" => filters.ask_down = basis_points(),
        "max_orders" => filters.max_orders = parse(value),
        "max_waiting_orders" => filters.max_waiting_orders = parse(value),
        "max_position" => filters.max_position = Amount(parse(value)),
        "iceberg_parts" => filters.iceberg_parts = parse(value),
        "min_trail_above" => filters.min_trail_above = basis_points(),
        "max_trail_above" => filters.max_trail_above = basis_points(),
        "min_trail_below" => filters.min_trail_below = basis_points(),
        "max_trail_below" => filters.max_trail_below = basis_points(),
        _ => panic!("{name} is no filter"),
    }
}
