//! What happens to transactions, told in scenarios that are read like a book.
//!
//! A scenario begins with a title (`#`). Lines at the margin are commands, and the lines under each,
//! indented, are all that it does: entries, events, what is asked of rails, who is told, cases. A file
//! is right if playing its commands gives the file again. To see what a new one gives, write its
//! commands alone and run the test: it prints the whole.
//!
//! After every step the money must balance, no account of a user may be negative, and what is set
//! aside must be what the transactions under way say. A command that is refused or changes nothing
//! must leave the wallet as it was. Every scenario is played twice, the second time with a wallet that
//! is restored from its snapshot after every step, and both must tell the same story.

#[path = "payments/runner.rs"]
mod runner;

use std::collections::BTreeSet;

use rialto_engine::ids::{AccountId, AssetId, MarketId, OrderId};
use rialto_engine::message::CancelRestriction;
use rialto_engine::order::{Instructions, OrderKind, Side};
use rialto_engine::reason::Reason;
use rialto_engine::transaction::{Standing, TransactionCommand};
use rialto_engine::units::{Amount, Nanos, Price, Quantity};
use rialto_engine::wallet::{
    Cancel, Command, Contingency, OrderRef, Place, PlaceList, Submitted, Wallet, WalletLimits, WalletOutput,
};
use runner::Runner;

const FILES: [(&str, &str); 10] = [
    ("transfers", include_str!("payments/transfers.txt")),
    ("payments", include_str!("payments/payments.txt")),
    ("commissions", include_str!("payments/commissions.txt")),
    ("deposits", include_str!("payments/deposits.txt")),
    ("withdrawals", include_str!("payments/withdrawals.txt")),
    ("adjustments", include_str!("payments/adjustments.txt")),
    ("timers", include_str!("payments/timers.txt")),
    ("settings", include_str!("payments/settings.txt")),
    ("credits", include_str!("payments/credits.txt")),
    ("reasons", include_str!("payments/reasons.txt")),
];

/// Plays a file and gives what it should have said.
fn play(text: &str, restores: bool) -> String {
    let mut told = String::new();
    let mut runner = Runner::new(restores);
    for line in text.lines() {
        if line.starts_with(' ') {
            continue;
        }
        if line.starts_with('#') {
            runner = Runner::new(restores);
        }
        told.push_str(line);
        told.push('\n');
        if !line.starts_with('#') && !line.is_empty() {
            for line in runner.step(line) {
                told.push_str("    ");
                told.push_str(&line);
                told.push('\n');
            }
        }
    }
    told
}

fn check(name: &str) {
    let (_, text) = FILES.iter().find(|(file, _)| *file == name).expect("there is such a file");
    assert!(text.lines().filter(|line| line.starts_with('#')).count() > 2, "{name} tells nothing");
    let told = play(text, false);
    if told != *text {
        println!("---8<--- {name}\n{told}--->8---");
        let first = told.lines().zip(text.lines()).position(|(left, right)| left != right);
        let line = first.unwrap_or_else(|| told.lines().count().min(text.lines().count()));
        panic!(
            "{name}.txt line {}: written {:?}, but it is {:?}",
            line + 1,
            text.lines().nth(line).unwrap_or_default(),
            told.lines().nth(line).unwrap_or_default(),
        );
    }
    assert_eq!(play(text, true), told, "{name}: a restored wallet tells another story");
}

macro_rules! files {
    ($($name:ident)*) => {
        $(#[test] fn $name() { check(stringify!($name)); })*
    };
}

files! { transfers payments commissions deposits withdrawals adjustments timers settings credits reasons }

/// The reasons that trading can give have their scenarios beside the wallet.
#[test]
fn every_reason_that_a_transaction_can_be_refused_for_is_told_somewhere() {
    let texts = FILES.iter().flat_map(|(_, text)| text.lines());
    let told: BTreeSet<&str> = texts.filter_map(|line| line.trim().strip_prefix("refused ")).collect();
    let of_money = Reason::ALL.into_iter().filter(|reason| reason.number() >= Reason::UnknownRail.number());
    let common = [
        Reason::UnknownAccount,
        Reason::UnknownAsset,
        Reason::InsufficientBalance,
        Reason::AmountNotPositive,
        Reason::SupplyExceeded,
        Reason::IdempotencyConflict,
    ];
    let untold: Vec<&str> =
        common.into_iter().chain(of_money).map(|reason| reason.name()).filter(|name| !told.contains(name)).collect();
    assert!(untold.is_empty(), "no scenario is refused for {untold:?}");
}

#[test]
fn a_frozen_account_places_no_order_in_any_way_and_cancels_in_every_way() {
    let (account, market, time) = (AccountId(0), MarketId(0), Nanos(1));
    let mut wallet = Wallet::new(WalletLimits::default());
    let mut output = WalletOutput::default();
    wallet.open_asset();
    wallet.open_asset();
    wallet.open_market(runner::market());
    wallet.open_account();
    wallet.deposit("opening", account, AssetId(1), Amount(100), time, &mut output).expect("it is taken");
    let place = Place {
        account,
        market,
        client_id: None,
        side: Side::Buy,
        kind: OrderKind::Limit,
        price: Price(2),
        quantity: Quantity(5),
        budget: Amount::ZERO,
        time,
        instructions: Instructions::default(),
    };
    let is_taken = |submitted: &Submitted| matches!(submitted, Submitted::Forwarded { .. });
    for _ in 0..2 {
        assert!(is_taken(&wallet.submit(&Command::Place(place.clone()), &mut output)));
    }
    for (standing, reason) in
        [(Standing::Frozen, Reason::AccountFrozen), (Standing::Active, Reason::InsufficientBalance)]
    {
        wallet.transact(&TransactionCommand::ChangeStanding { account, standing }, &mut output).expect("it may");
        let before = wallet.snapshot();
        // Too much, so that an account in standing is refused as well, but for another reason.
        let more = Place { quantity: Quantity(100), ..place.clone() };
        let order = OrderRef { id: Some(OrderId(1)), client_id: None };
        let cancel = Cancel { account, market, target: order, restriction: CancelRestriction::None, time };
        let list = PlaceList {
            client_id: None,
            contingency: Contingency::OneTriggersOther,
            places: vec![more.clone(), more.clone()],
        };
        for command in [
            Command::Place(more.clone()),
            Command::Replace { cancel: cancel.clone(), allow_failure: false, place: more.clone() },
            Command::Replace { cancel: cancel.clone(), allow_failure: true, place: more },
            Command::PlaceList(list),
        ] {
            assert_eq!(wallet.submit(&command, &mut output), Submitted::Rejected(reason), "{command:?}");
        }
        assert_eq!(wallet.snapshot(), before);
        for command in [
            Command::Cancel(cancel),
            Command::CancelAll { account, market, time },
            Command::CancelMany { account: Some(account), market, side: None, tag: None, time },
            Command::Reduce { account, market, target: order, quantity: Quantity(4), time },
        ] {
            assert!(is_taken(&wallet.submit(&command, &mut output)), "{command:?}");
        }
    }
}
