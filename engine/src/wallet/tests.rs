//! What users see, as small texts: a scenario goes in, the lines that its users could read come
//! out.
//!
//! | line | meaning |
//! |---|---|
//! | `fees 100 200`, `minimum 10`, `fraction 2`, `limits 2 9`, `filter max_orders 3` | first: fees in basis points, smallest notional, decimals of the tick beyond those of money, open orders and remembered ids, what the market allows |
//! | `deposit alice 1000 USD as id` | money from outside |
//! | `alice buy 10 @ 100 as name` | also `buy ioc`, `buy fok`, `buy post`, `buy slide`, `buy market 10`, `buy for 500` |
//! | `... decrement`, `expire-maker`, `expire-taker`, `expire-both` | behind an order: what it does where it meets its own account |
//! | `... when rise 110`, `when fall 90`, `trail rise 500`, `trail rise by 5`, `trail fall 500 after rise 120` | behind an order: its trigger; trails are in basis points, or by ticks |
//! | `... peak 3`, `hidden`, `least 5`, `peg bid -2`, `peg mid 0`, `until 50`, `day 50`, `slip 100`, `mark 7` | behind an order: display, minimum, peg, lifetime, slippage, tag |
//! | `alice cancel name`, `#3` or `#3/name`; `if new`, `if partial` | or `alice cancel all` |
//! | `alice cancel many buy mark 7`, `operator cancel many` | |
//! | `alice reduce name to 5` | |
//! | `alice replace name with buy 5 @ 99` | also `replace name or not with ...` |
//! | `alice oco as pair : buy 1 @ 90 : buy 1 @ 110 when rise 110` | also `oto`, `otp`; `alice drop pair` or `#3` cancels it |
//! | `enter auction until 50`, `protect static 100 dynamic 50 for 30 at 100`, `advance`, `sleep 30` | the market; time passes by one a line |
//! | `group alice 7` | |
//! | `hold`, `deliver` | keep messages in flight; let them arrive |
//! | `show alice`, `show orders alice`, `show lists alice`, `show house`, `show book`, `show phase` | |
//!
//! After every line the wallet is taken apart and put together again, and what its orders hold is what
//! its accounts hold.

use std::collections::VecDeque;

use super::*;
use crate::book::{Book, BookOutput};
use crate::ids::ClientOrderId;
use crate::market::{MarketDefinition, MarketFilters, Step};
use crate::message::{CancelRestriction, ToWallet};
use crate::order::{OrderKind, Side};
use crate::units::FeeRate;
use crate::units::Quantity;
use reading::{
    answer, asset_id, client_id, instructions, list_ref, name, order_ref, parse, phase, protection, set_filter, state,
    tell, user_id, words,
};

const USERS: [&str; 3] = ["alice", "bob", "carol"];
const ASSETS: [&str; 2] = ["BTC", "USD"];

/// A wallet, its one book, and what lies between them.
struct Desk {
    wallet: Wallet,
    book: Book,
    to_book: VecDeque<ToBook>,
    to_wallet: VecDeque<ToWallet>,
    spec: MarketSpec,
    limits: WalletLimits,
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
        maker_fee: FeeRate(0),
        taker_fee: BasisPoints(0),
        filters: MarketFilters::default(),
    };
    let mut limits = WalletLimits::default();
    let mut rest = lines;
    while let Some((line, later)) = rest.split_first() {
        match words(line)[..] {
            ["fees", maker, taker] => {
                (definition.maker_fee, definition.taker_fee) = (FeeRate(parse(maker)), BasisPoints(parse(taker)));
            }
            ["minimum", amount] => definition.min_notional = Amount(parse(amount)),
            ["fraction", decimals] => definition.tick.scale = parse(decimals),
            ["filter", name, value] => set_filter(&mut definition.filters, name, value),
            ["limits", open, closed] => limits = WalletLimits { open_orders: parse(open), closed_ids: parse(closed) },
            _ => break,
        }
        rest = later;
    }
    let mut wallet = Wallet::new(limits);
    ASSETS.iter().for_each(|_| wallet.open_asset());
    USERS.iter().for_each(|_| wallet.open_account());
    let spec = MarketSpec::open(&definition).expect("opens");
    wallet.open_market(spec);
    let mut desk = Desk {
        wallet,
        book: Book::new(),
        to_book: VecDeque::new(),
        to_wallet: VecDeque::new(),
        spec,
        limits,
        holding: false,
        time: 0,
        read: Vec::new(),
    };
    for line in rest {
        desk.line(line);
        desk.restart();
    }
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
            ["show", "expense"] => {
                let [base, quote] = ASSETS.map(|asset| self.wallet.house(asset_id(asset), House::RebateExpense).0);
                self.read.push(format!("expense: rebates {base} BTC {quote} USD"));
            }
            ["show", "book"] => {
                let side = |side| {
                    let levels = self.book.levels(side).map(|(price, quantity)| format!(" {quantity} @ {price}"));
                    levels.collect::<String>()
                };
                self.read.push(format!("book: buy{}, sell{}", side(Side::Buy), side(Side::Sell)));
            }
            ["show", "phase"] => self.read.push(format!("phase: {:?}", self.wallet.phase(MarketId(0)))),
            ["show", "lists", user] => {
                let lists = self.wallet.open_lists(user_id(user));
                for list in &lists {
                    let known = self.wallet.list(user_id(user), ListRef { id: Some(list.id), client_id: None });
                    assert_eq!(known.as_ref(), Some(list));
                }
                let shown = lists.iter().map(|list| {
                    let orders = list.orders.iter().map(|(_, client_id)| format!(" {}", reading::short(client_id)));
                    format!(" {}:{}", reading::short(&list.client_id), orders.collect::<String>())
                });
                self.read.push(format!("{user} has lists{}", shown.collect::<Vec<_>>().join(",")));
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
            ["sleep", lines] => self.time += parse::<u64>(lines),
            ["group", user, group] => {
                if let Err(reason) = self.wallet.change_group(user_id(user), parse(group)) {
                    self.read.push(format!("{user}: rejected {}", reason.name()));
                }
            }
            ["enter", name, ref until @ ..] => {
                let until = if let ["until", time] = until { Nanos(parse(time)) } else { Nanos::ZERO };
                let (phase, time) = (phase(name), Nanos(self.time));
                self.submit("operator", &Command::Enter { market: MarketId(0), phase, until, time });
            }
            ["protect", ref rules @ ..] => {
                let (protection, time) = (protection(rules), Nanos(self.time));
                self.submit("operator", &Command::Protect { market: MarketId(0), protection, time });
            }
            ["advance"] => self.submit("operator", &Command::Advance { market: MarketId(0), time: Nanos(self.time) }),
            [user, "cancel", "many", ref which @ ..] => {
                let account = (user != "operator").then(|| user_id(user));
                let side = match which.first() {
                    Some(&"buy") => Some(Side::Buy),
                    Some(&"sell") => Some(Side::Sell),
                    _ => None,
                };
                let tag = if let [.., "mark", tag] = which { Some(parse(tag)) } else { None };
                let time = Nanos(self.time);
                self.submit(user, &Command::CancelMany { account, market: MarketId(0), side, tag, time });
            }
            [user, "drop", target] => {
                let (account, time, target) = (user_id(user), Nanos(self.time), list_ref(target));
                self.submit(user, &Command::CancelList { account, market: MarketId(0), target, time });
            }
            [user, kind @ ("oco" | "oto" | "otp"), ref rest @ ..] => {
                let mut parts = rest.split(|word| *word == ":");
                let client_id = match parts.next() {
                    Some(["as", name]) => Some(client_id(name)),
                    _ => None,
                };
                let contingency = match kind {
                    "oco" => Contingency::OneCancelsOther,
                    "oto" => Contingency::OneTriggersOther,
                    _ => Contingency::OneTriggersPair,
                };
                let places = parts.map(|order| self.place(user, order, MarketId(0))).collect();
                self.submit(user, &Command::PlaceList(PlaceList { client_id, contingency, places }));
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
            ["slide", terms @ ..] => (OrderKind::PostOnlySlide, terms),
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
            self.to_wallet.extend(self.book.catch_up(message.time, &mut BookOutput::default()));
            self.proceed();
            self.to_wallet.extend(self.book.receive(&message, &mut BookOutput::default()));
            self.proceed();
        }
        while let Some(message) = self.to_wallet.pop_front() {
            let mut output = WalletOutput::default();
            let settled = self.wallet.settle(MarketId(0), &message, &mut output).expect("not seen before");
            self.read.extend(output.updates.iter().map(tell));
            self.read.extend(answer(&settled));
            self.check_holds();
        }
    }

    fn proceed(&mut self) {
        while let Some(more) = self.book.proceed(&mut BookOutput::default()) {
            self.to_wallet.push_back(more);
        }
    }

    /// What orders hold is what accounts hold.
    fn check_holds(&self) {
        let snapshot = self.wallet.snapshot();
        for (user, asset) in (0..USERS.len()).flat_map(|user| [(user, 0), (user, 1)]) {
            let (account, asset) = (AccountId(u32::try_from(user).expect("few")), AssetId(asset));
            let of = snapshot.orders.iter().filter(|order| order.account == account);
            let of = of.filter(|order| order.paid_in(&self.spec) == asset);
            let holds = of.map(|order| {
                order.progress.map_or(order.needed(order.quantity, &self.spec), |progress| progress.held).0
            });
            let held: i128 = holds.sum();
            assert_eq!(self.wallet.balance(account, asset).held.0, held, "of {} in {asset}", USERS[user]);
        }
    }

    fn restart(&mut self) {
        let snapshot = self.wallet.snapshot();
        self.wallet = Wallet::restore(&snapshot, &[self.spec], self.limits);
        assert_eq!(self.wallet.snapshot(), snapshot);
        self.check_holds();
    }
}

mod behaviour;
mod filters;
mod icebergs;
mod lists;
mod phases;
mod prevention;
mod reading;
mod reasons;
mod slides;
mod terms;
mod triggers;
