//! What users see, as small texts: a scenario goes in, the lines that its users could read come
//! out.
//!
//! | line | meaning |
//! |---|---|
//! | `fees 100 200`, `minimum 10`, `fraction 2`, `limits 2 9` | first: fees in basis points, smallest notional, decimals of the tick beyond those of money, open orders and remembered ids |
//! | `deposit alice 1000 USD as id` | money from outside |
//! | `alice buy 10 @ 100 as name` | also `buy ioc`, `buy fok`, `buy post`, `buy market 10`, `buy for 500` |
//! | `... decrement`, `expire-maker`, `expire-taker`, `expire-both` | behind an order: what it does where it meets its own account |
//! | `... when rise 110`, `when fall 90`, `trail rise 500`, `trail fall 500 after rise 120` | behind an order: its trigger; trails are in basis points |
//! | `alice cancel name`, `#3` or `#3/name`; `if new`, `if partial` | or `alice cancel all` |
//! | `alice reduce name to 5` | |
//! | `alice replace name with buy 5 @ 99` | also `replace name or not with ...` |
//! | `hold`, `deliver` | keep messages in flight; let them arrive |
//! | `show alice`, `show orders alice`, `show house`, `show book` | |

use std::collections::VecDeque;

use super::*;
use crate::book::{Book, BookOutput};
use crate::market::{MarketDefinition, MarketFilters, Step};
use crate::message::{Expiry, ToWallet};
use crate::order::{SelfTrade, Trail};
use crate::update::OrderEvent;

const USERS: [&str; 3] = ["alice", "bob", "carol"];
const ASSETS: [&str; 2] = ["BTC", "USD"];

/// A wallet, its one book, and what lies between them.
struct Desk {
    wallet: Wallet,
    book: Book,
    to_book: VecDeque<ToBook>,
    to_wallet: VecDeque<ToWallet>,
    holding: bool,
    time: u64,
    read: Vec<String>,
}

fn check(scenario: &str, expected: &str) {
    let lines = |text: &str| -> Vec<String> {
        let lines = text.lines().map(|line| line.trim().to_owned());
        lines.filter(|line| !line.is_empty() && !line.starts_with("//")).collect()
    };
    let read = play(&lines(scenario));
    let expected = lines(expected);
    assert!(
        read == expected,
        "the users of\n{scenario}\nread\n  {}\nand should read\n  {}",
        read.join("\n  "),
        expected.join("\n  ")
    );
}

fn play(lines: &[String]) -> Vec<String> {
    let mut definition = MarketDefinition {
        base: AssetId(0),
        base_scale: 0,
        quote: AssetId(1),
        quote_scale: 0,
        tick: Step { mantissa: 1, scale: 0 },
        lot: Step { mantissa: 1, scale: 0 },
        max_price: Price(1_000),
        max_quantity: Quantity(1_000),
        min_notional: Amount(0),
        maker_fee: BasisPoints(0),
        taker_fee: BasisPoints(0),
        filters: MarketFilters::default(),
    };
    let mut limits = WalletLimits::default();
    let mut rest = lines;
    while let Some((line, later)) = rest.split_first() {
        match words(line)[..] {
            ["fees", maker, taker] => {
                (definition.maker_fee, definition.taker_fee) = (BasisPoints(parse(maker)), BasisPoints(parse(taker)));
            }
            ["minimum", amount] => definition.min_notional = Amount(parse(amount)),
            ["fraction", decimals] => definition.tick.scale = parse(decimals),
            ["limits", open, closed] => limits = WalletLimits { open_orders: parse(open), closed_ids: parse(closed) },
            _ => break,
        }
        rest = later;
    }
    let mut wallet = Wallet::new(limits);
    ASSETS.iter().for_each(|_| wallet.open_asset());
    USERS.iter().for_each(|_| wallet.open_account());
    wallet.open_market(MarketSpec::open(&definition).expect("opens"));
    let (to_book, to_wallet) = (VecDeque::new(), VecDeque::new());
    let mut desk = Desk { wallet, book: Book::new(), to_book, to_wallet, holding: false, time: 0, read: Vec::new() };
    rest.iter().for_each(|line| desk.line(line));
    desk.deliver();
    desk.read
}

impl Desk {
    fn line(&mut self, line: &str) {
        self.time += 1;
        match words(line)[..] {
            ["deposit", user, amount, asset] => self.deposit(user, amount, asset, &format!("deposit {}", self.time)),
            ["deposit", user, amount, asset, "as", id] => self.deposit(user, amount, asset, id),
            ["hold"] => self.holding = true,
            ["deliver"] => {
                self.holding = false;
                self.deliver();
            }
            ["show", "house"] => {
                let of = |house| ASSETS.map(|asset| self.wallet.house(asset_id(asset), house).0);
                let [(fee_base, fee_quote), (rest_base, rest_quote)] =
                    [House::Fee, House::Rounding].map(|house| of(house).into());
                let line =
                    format!("house: fees {fee_base} BTC {fee_quote} USD, rounding {rest_base} BTC {rest_quote} USD");
                self.read.push(line);
            }
            ["show", "book"] => {
                let side = |side| {
                    let levels = self.book.levels(side).map(|(price, quantity)| format!(" {quantity} @ {price}"));
                    levels.collect::<String>()
                };
                self.read.push(format!("book: buy{}, sell{}", side(Side::Buy), side(Side::Sell)));
            }
            ["show", "orders", user] => {
                let orders = self.wallet.open_orders(user_id(user), None);
                let shown = orders.iter().map(|order| format!(" {} {}", name(order), state(order)));
                self.read.push(format!("{user} has{}", shown.collect::<Vec<_>>().join(",")));
            }
            ["show", user] => {
                let balances = self.wallet.balances(user_id(user));
                let shown = balances.iter().map(|balance| {
                    let asset = ASSETS[usize::from(balance.asset.0)];
                    format!(" {} + {} held {asset}", balance.available, balance.held)
                });
                self.read.push(format!("{user}:{}", shown.collect::<Vec<_>>().join(",")));
            }
            ["elsewhere", user, ref order @ ..] => {
                self.submit(user, &Command::Place(self.place(user, order, MarketId(9))))
            }
            [user, "cancel", "all"] => {
                let (account, time) = (user_id(user), Nanos(self.time));
                self.submit(user, &Command::CancelAll { account, market: MarketId(0), time });
            }
            [user, "cancel", ref target @ ..] => self.submit(user, &Command::Cancel(self.cancel(user, target))),
            [user, "reduce", target, "to", quantity] => {
                let (account, time, target) = (user_id(user), Nanos(self.time), order_ref(target));
                let quantity = Quantity(parse(quantity));
                self.submit(user, &Command::Reduce { account, market: MarketId(0), target, quantity, time });
            }
            [user, "replace", ref words @ ..] => {
                let with = words.iter().position(|word| *word == "with").expect("with what");
                let (target, place) = (&words[..with], self.place(user, &words[with + 1..], MarketId(0)));
                let (target, allow_failure) = match target {
                    [target @ .., "or", "not"] => (target, true),
                    _ => (target, false),
                };
                let cancel = self.cancel(user, target);
                self.submit(user, &Command::Replace { cancel, allow_failure, place });
            }
            [user, ref order @ ..] => self.submit(user, &Command::Place(self.place(user, order, MarketId(0)))),
            [] => {}
        }
        if !self.holding {
            self.deliver();
        }
    }

    fn place(&self, user: &str, order: &[&str], market: MarketId) -> Place {
        let (order, client_id) = match order {
            [order @ .., "as", name] => (order, Some(ClientOrderId::new(name).expect("a valid name"))),
            _ => (order, None),
        };
        let (side, terms) = match order {
            ["buy", terms @ ..] => (Side::Buy, terms),
            ["sell", terms @ ..] => (Side::Sell, terms),
            _ => panic!("{user} {order:?}: neither buy nor sell"),
        };
        let (kind, terms) = match terms {
            ["ioc", terms @ ..] => (OrderKind::ImmediateOrCancel, terms),
            ["fok", terms @ ..] => (OrderKind::FillOrKill, terms),
            ["post", terms @ ..] => (OrderKind::PostOnly, terms),
            ["market", terms @ ..] => (OrderKind::Market, terms),
            ["for", terms @ ..] => (OrderKind::MarketByQuote, terms),
            _ => (OrderKind::Limit, terms),
        };
        let (first, price, asked) = match terms {
            [first, "@", price, asked @ ..] => (*first, parse(price), asked),
            [first, asked @ ..] => (*first, 0, asked),
            _ => panic!("{user} {order:?}: which terms?"),
        };
        let by_quote = kind == OrderKind::MarketByQuote;
        Place {
            account: user_id(user),
            market,
            client_id,
            side,
            kind,
            price: Price(price),
            quantity: Quantity(if by_quote { 0 } else { parse(first) }),
            budget: Amount(if by_quote { parse(first) } else { 0 }),
            time: Nanos(self.time),
            instructions: instructions(asked),
        }
    }

    fn cancel(&self, user: &str, words: &[&str]) -> Cancel {
        let (target, restriction) = match words {
            [target] => (target, CancelRestriction::None),
            [target, "if", "new"] => (target, CancelRestriction::OnlyNew),
            [target, "if", "partial"] => (target, CancelRestriction::OnlyPartiallyFilled),
            _ => panic!("{user} {words:?}: cancel what?"),
        };
        let (account, time) = (user_id(user), Nanos(self.time));
        Cancel { account, market: MarketId(0), target: order_ref(target), restriction, time }
    }

    fn deposit(&mut self, user: &str, amount: &str, asset: &str, id: &str) {
        let amount = Amount(parse(amount));
        let output = &mut WalletOutput::default();
        let before = self.wallet.snapshot();
        let done = self.wallet.deposit(id, user_id(user), asset_id(asset), amount, Nanos(self.time), output);
        if let Err(reason) = done {
            assert_eq!(self.wallet.snapshot(), before);
            self.read.push(format!("{user}: rejected {}", reason.name()));
        }
    }

    fn submit(&mut self, user: &str, command: &Command) {
        let before = self.wallet.snapshot();
        match self.wallet.submit(command, &mut WalletOutput::default()) {
            Submitted::Forwarded { message, .. } => self.to_book.push_back(message),
            Submitted::Rejected(reason) => {
                assert_eq!(self.wallet.snapshot(), before);
                self.read.push(format!("{user}: rejected {}", reason.name()));
            }
        }
    }

    fn deliver(&mut self) {
        while let Some(message) = self.to_book.pop_front() {
            let answer = self.book.receive(&message, &mut BookOutput::default());
            self.to_wallet.extend(answer);
            while let Some(more) = self.book.proceed(&mut BookOutput::default()) {
                self.to_wallet.push_back(more);
            }
        }
        while let Some(message) = self.to_wallet.pop_front() {
            let mut output = WalletOutput::default();
            let settled = self.wallet.settle(MarketId(0), &message, &mut output).expect("not seen before");
            self.read.extend(output.updates.iter().map(tell));
            self.read.extend(answer(&settled));
        }
    }
}

/// An update as its owner reads it.
fn tell(update: &OrderUpdate) -> String {
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
        OrderEvent::Expired(reason) => format!("expired: {reason:?}"),
        OrderEvent::Triggered => "triggered".to_owned(),
        OrderEvent::Prevented(other, quantity) => format!("loses {quantity} with #{other}"),
        OrderEvent::Reduced => "reduced".to_owned(),
        OrderEvent::Rejected(reason) => format!("rejected {}", reason.name()),
    };
    let user = USERS[order.account.0 as usize];
    format!("{user} {}: {event}, {}", name(order), state(order))
}

/// What a reply says beyond the updates.
fn answer(settled: &Settled) -> Option<String> {
    let order = settled.order;
    match settled.result {
        SettledResult::Canceled(Err(reason)) => Some(format!("#{order}: cancel rejected {}", reason.name())),
        SettledResult::Reduced(Err(reason)) => Some(format!("#{order}: reduce rejected {}", reason.name())),
        SettledResult::Replaced { old, canceled: Err(reason), placed } => {
            let fate = if placed.is_some() { "placed all the same" } else { "not placed" };
            Some(format!("#{old}: cancel rejected {}, #{order} {fate}", reason.name()))
        }
        _ => None,
    }
}

fn instructions(asked: &[&str]) -> Instructions {
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
                let distance = Distance::Share(BasisPoints(parse(next())));
                let activation = words.next_if_eq(&"after").map(|_| {
                    let mut next = || words.next().unwrap_or_else(|| panic!("{asked:?}: after what?"));
                    let of = if next() == "rise" { Activation::Rise } else { Activation::Fall };
                    of(Price(parse(next())))
                });
                instructions.trigger = Some(of(Trail { distance, activation }));
            }
            _ => panic!("{asked:?}: what is {word}?"),
        }
    }
    instructions
}

fn name(order: &OrderView) -> String {
    let name = order.client_id.to_string();
    name.strip_prefix(GENERATED_PREFIX).map_or(name.clone(), |number| format!("#{number}"))
}

fn state(order: &OrderView) -> String {
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
    format!("{}/{}{prevented} {status}", order.executed, order.quantity)
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

fn parse<T: std::str::FromStr>(word: &str) -> T {
    word.parse().unwrap_or_else(|_| panic!("{word:?} is not a number"))
}

fn user_id(user: &str) -> AccountId {
    let position = USERS.iter().position(|known| *known == user);
    AccountId(position.map_or(99, |position| u32::try_from(position).expect("small")))
}

fn asset_id(asset: &str) -> AssetId {
    let position = ASSETS.iter().position(|known| *known == asset);
    AssetId(position.map_or(99, |position| u16::try_from(position).expect("small")))
}

fn order_ref(target: &str) -> OrderRef {
    let number = |text: &str| text.strip_prefix('#').map(|number| OrderId(parse(number)));
    let (id, client_id) = match target.split_once('/') {
        Some((id, name)) => (number(id), ClientOrderId::new(name)),
        None if target.starts_with('#') => (number(target), None),
        None => (None, ClientOrderId::new(target)),
    };
    OrderRef { id, client_id }
}

mod behaviour;
mod prevention;
mod reasons;
mod triggers;
