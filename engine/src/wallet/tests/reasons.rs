//! One scenario for every reason to refuse a command.

use super::check;
use crate::reason::Reason;

macro_rules! reasons {
    ($($name:ident $reason:ident: $scenario:literal => $expected:literal;)*) => {
        pub const COVERED: &[Reason] = &[$(Reason::$reason),*];

        $(
            #[test]
            fn $name() {
                let name = Reason::$reason.name();
                assert!($expected.contains(&format!("rejected {name}")), "the scenario never says {name}");
                check($scenario, $expected);
            }
        )*
    };
}
pub(super) use reasons;

/// `DeadlinePassed` alone is missing: the engine has no clock, so the shell refuses what comes too
/// late, before the engine hears of it, and tests that itself. The reasons from `UnknownRail` on are
/// those of transactions, which have scenarios of their own (`engine/tests/payments`).
#[test]
fn every_reason_of_trading_has_a_scenario() {
    let covered = [&[Reason::DeadlinePassed], COVERED, super::terms::COVERED].concat();
    let of_trading: Vec<Reason> =
        Reason::ALL.into_iter().filter(|reason| reason.number() < Reason::UnknownRail.number()).collect();
    assert_eq!(covered, of_trading);
}

reasons! {
    unknown_account UnknownAccount:
        "nobody buy 1 @ 1
         nobody cancel all
         deposit nobody 5 USD"
        => "nobody: rejected unknown_account
            nobody: rejected unknown_account
            nobody: rejected unknown_account";

    unknown_market UnknownMarket:
        "deposit alice 100 USD
         elsewhere alice buy 1 @ 1
         elsewhere nobody buy 0 @ 0"
        => "alice: rejected unknown_market
            nobody: rejected unknown_account";

    unknown_asset UnknownAsset:
        "deposit alice 5 EUR
         deposit alice 0 EUR"
        => "alice: rejected unknown_asset
            alice: rejected unknown_asset";

    price_out_of_range PriceOutOfRange:
        "deposit alice 100 USD
         alice buy 1 @ 0
         alice buy ioc 0 @ 1001
         alice sell post 1 @ 18446744073709551615
         alice buy 1 @ 1"
        => "alice: rejected price_out_of_range
            alice: rejected price_out_of_range
            alice: rejected price_out_of_range
            alice #1: new, 0/1 new";

    quantity_out_of_range QuantityOutOfRange:
        "minimum 10
         deposit alice 100 USD
         alice buy 0 @ 10
         alice buy 1001 @ 10
         alice sell market 18446744073709551615"
        => "alice: rejected quantity_out_of_range
            alice: rejected quantity_out_of_range
            alice: rejected quantity_out_of_range";

    notional_too_small NotionalTooSmall:
        "minimum 10
         deposit alice 100 USD
         deposit bob 100 BTC
         // Refused on entry, before there is a balance to look at.
         carol buy 3 @ 3
         alice buy for 9
         alice buy for 0
         alice buy for -5
         // Refused by the book: no lot costs so little.
         bob sell 1 @ 50
         alice buy for 49
         alice buy for 50"
        => "carol: rejected notional_too_small
            alice: rejected notional_too_small
            alice: rejected notional_too_small
            alice: rejected notional_too_small
            bob #1: new, 0/1 new
            alice #2: rejected notional_too_small, 0/0 rejected
            alice #3: new, 0/0 new
            bob #1: trade 1 1 @ 50 maker fee 0 USD, 1/1 filled
            alice #3: trade 1 1 @ 50 taker fee 0 BTC, 1/1 filled";

    duplicate_client_order_id DuplicateClientOrderId:
        "limits 1 2
         deposit alice 100 USD
         alice buy 1 @ 1 as x
         // Open; and told before the limit on open orders is.
         alice buy 1 @ 1 as x
         alice cancel x
         // Closed just now; another's is no matter.
         alice buy 1 @ 1 as x
         deposit bob 1 USD
         bob buy 1 @ 1 as x
         bob cancel x
         // Two ids are remembered: bob's, and this one, which pushes alice's out.
         alice buy 1 @ 1 as y
         alice cancel y
         alice buy 1 @ 1 as x"
        => "alice x: new, 0/1 new
            alice: rejected duplicate_client_order_id
            alice x: canceled, 0/1 canceled
            alice: rejected duplicate_client_order_id
            bob x: new, 0/1 new
            bob x: canceled, 0/1 canceled
            alice y: new, 0/1 new
            alice y: canceled, 0/1 canceled
            alice x: new, 0/1 new";

    too_many_orders TooManyOrders:
        "limits 2 9
         deposit alice 100 USD
         alice buy 1 @ 1
         alice buy 1 @ 1
         alice buy 1 @ 1
         alice cancel #1
         alice buy 1 @ 1"
        => "alice #1: new, 0/1 new
            alice #2: new, 0/1 new
            alice: rejected too_many_orders
            alice #1: canceled, 0/1 canceled
            alice #3: new, 0/1 new";

    insufficient_balance InsufficientBalance:
        "deposit alice 100 USD
         deposit bob 10 BTC
         alice buy 2 @ 51
         alice sell 1 @ 1
         alice buy for 101
         carol buy market 1
         bob sell 1 @ 60
         bob sell 1 @ 70
         // By quantity: what it costs is known in the book alone, and it is all or nothing.
         alice buy market 2
         show alice
         alice buy market 1"
        => "alice: rejected insufficient_balance
            alice: rejected insufficient_balance
            alice: rejected insufficient_balance
            carol: rejected insufficient_balance
            bob #1: new, 0/1 new
            bob #2: new, 0/1 new
            alice #3: rejected insufficient_balance, 0/2 rejected
            alice: 0 + 0 held BTC, 100 + 0 held USD
            alice #4: new, 0/1 new
            bob #1: trade 1 1 @ 60 maker fee 0 USD, 1/1 filled
            alice #4: trade 1 1 @ 60 taker fee 0 BTC, 1/1 filled";

    unknown_order UnknownOrder:
        "deposit alice 100 USD
         alice buy 1 @ 1 as x
         alice cancel y
         alice cancel #7
         alice reduce y to 1
         alice replace y with buy 1 @ 1
         alice cancel #7/x
         // Another's order is as unknown as one that never was, also by its number.
         bob cancel #1
         bob cancel all
         alice cancel x
         alice cancel x"
        => "alice x: new, 0/1 new
            alice: rejected unknown_order
            alice: rejected unknown_order
            alice: rejected unknown_order
            alice: rejected unknown_order
            alice: rejected unknown_order
            bob: rejected unknown_order
            bob: rejected unknown_order
            alice x: canceled, 0/1 canceled
            alice: rejected unknown_order";

    conflicting_order_ids ConflictingOrderIds:
        "deposit alice 100 USD
         alice buy 1 @ 1 as x
         alice buy 1 @ 1 as y
         alice cancel #1/y
         alice cancel #1/z
         alice reduce #2/x to 1
         alice cancel #2/y
         // Whether number 1 is another's order or none at all, bob cannot tell.
         deposit bob 1 USD
         bob buy 1 @ 1 as x
         bob cancel #1/x
         bob cancel #99/x"
        => "alice x: new, 0/1 new
            alice y: new, 0/1 new
            alice: rejected conflicting_order_ids
            alice: rejected conflicting_order_ids
            alice: rejected conflicting_order_ids
            alice y: canceled, 0/1 canceled
            bob x: new, 0/1 new
            bob: rejected unknown_order
            bob: rejected unknown_order";

    cancel_restricted CancelRestricted:
        "deposit alice 100 USD
         deposit bob 10 BTC
         alice buy 5 @ 10 as x
         alice cancel x if partial
         bob sell 2 @ 10
         alice cancel x if new
         alice replace x if new with buy 1 @ 1
         alice cancel x if partial
         show alice"
        => "alice x: new, 0/5 new
            #1: cancel rejected cancel_restricted
            bob #2: new, 0/2 new
            alice x: trade 1 2 @ 10 maker fee 0 BTC, 2/5 partial
            bob #2: trade 1 2 @ 10 taker fee 0 USD, 2/2 filled
            #1: cancel rejected cancel_restricted
            #1: cancel rejected cancel_restricted, #3 not placed
            alice x: canceled, 2/5 canceled
            alice: 2 + 0 held BTC, 80 + 0 held USD";

    would_match WouldMatch:
        "deposit alice 1000 USD
         deposit bob 10 BTC
         bob sell 1 @ 10
         alice buy post 1 @ 10 as x
         show alice
         // It never came to be, so its name is free.
         alice buy post 1 @ 9 as x
         bob sell post 1 @ 9
         bob sell post 1 @ 10"
        => "bob #1: new, 0/1 new
            alice x: rejected would_match, 0/1 rejected
            alice: 0 + 0 held BTC, 1000 + 0 held USD
            alice x: new, 0/1 new
            bob #4: rejected would_match, 0/1 rejected
            bob #5: new, 0/1 new";

    no_liquidity NoLiquidity:
        "deposit alice 100 USD
         deposit bob 10 BTC
         alice buy for 50
         bob sell for 50
         show alice
         // By quantity, a market order is taken in and expires.
         alice buy market 5"
        => "alice #1: rejected no_liquidity, 0/0 rejected
            bob #2: rejected no_liquidity, 0/0 rejected
            alice: 0 + 0 held BTC, 100 + 0 held USD
            alice #3: new, 0/5 new
            alice #3: expired for want of liquidity, 0/5 expired";

    quantity_not_reduced QuantityNotReduced:
        "deposit alice 100 USD
         deposit bob 10 BTC
         alice buy 5 @ 10 as x
         alice reduce x to 5
         alice reduce x to 0
         bob sell 2 @ 10
         // Two are filled: only the book knows for sure.
         alice reduce x to 2
         alice reduce x to 3"
        => "alice x: new, 0/5 new
            alice: rejected quantity_not_reduced
            alice: rejected quantity_not_reduced
            bob #2: new, 0/2 new
            alice x: trade 1 2 @ 10 maker fee 0 BTC, 2/5 partial
            bob #2: trade 1 2 @ 10 taker fee 0 USD, 2/2 filled
            #1: reduce rejected quantity_not_reduced
            alice x: reduced, 2/3 partial";

    order_already_final OrderAlreadyFinal:
        "deposit alice 100 USD
         deposit bob 10 BTC
         alice buy 5 @ 10 as x
         hold
         bob sell 5 @ 10
         // The sale has not come back yet, so to the wallet the order is open.
         alice cancel x
         alice reduce x to 3
         alice replace x with buy 1 @ 1
         alice replace x or not with buy 1 @ 1
         deliver"
        => "alice x: new, 0/5 new
            bob #2: new, 0/5 new
            alice x: trade 1 5 @ 10 maker fee 0 BTC, 5/5 filled
            bob #2: trade 1 5 @ 10 taker fee 0 USD, 5/5 filled
            #1: cancel rejected order_already_final
            #1: reduce rejected order_already_final
            #1: cancel rejected order_already_final, #3 not placed
            alice #4: new, 0/1 new
            #1: cancel rejected order_already_final, #4 placed all the same";

    amount_not_positive AmountNotPositive:
        "deposit alice 0 USD
         deposit alice -5 USD
         show alice"
        => "alice: rejected amount_not_positive
            alice: rejected amount_not_positive
            alice: 0 + 0 held BTC, 0 + 0 held USD";

    supply_exceeded SupplyExceeded:
        "deposit alice 1267650600228229401496703205376 USD
         deposit bob 1 USD
         deposit bob 170141183460469231731687303715884105727 BTC
         deposit bob 1 BTC
         show bob"
        => "bob: rejected supply_exceeded
            bob: rejected supply_exceeded
            bob: 1 + 0 held BTC, 0 + 0 held USD";

    idempotency_conflict IdempotencyConflict:
        "deposit alice 5 USD as pay
         deposit alice 5 USD as pay
         deposit alice 6 USD as pay
         deposit alice 5 BTC as pay
         deposit bob 5 USD as pay
         show alice"
        => "alice: rejected idempotency_conflict
            alice: rejected idempotency_conflict
            bob: rejected idempotency_conflict
            alice: 0 + 0 held BTC, 5 + 0 held USD";

    trigger_out_of_range TriggerOutOfRange:
        "deposit alice 10 BTC
         alice sell 0 @ 1001 when fall 0
         alice sell 0 @ 10 when fall 0
         alice sell 1 @ 10 when rise 1001
         alice sell 1 @ 10 trail fall 0
         alice sell 1 @ 10 trail fall 10000
         alice sell 1 @ 10 trail fall 9999 after rise 0
         alice sell 1 @ 10 trail rise 1 after fall 1001
         alice sell post 1 @ 10 when rise 10
         alice sell for 100 when rise 10
         alice sell 1 @ 10 when rise 1000
         alice sell 1 @ 10 trail fall 9999 after rise 1"
        => "alice: rejected price_out_of_range
            alice: rejected trigger_out_of_range
            alice: rejected trigger_out_of_range
            alice: rejected trigger_out_of_range
            alice: rejected trigger_out_of_range
            alice: rejected trigger_out_of_range
            alice: rejected trigger_out_of_range
            alice: rejected trigger_out_of_range
            alice: rejected trigger_out_of_range
            alice #1: new, 0/1 waiting
            alice #2: new, 0/1 waiting";

    would_trigger WouldTrigger:
        "deposit alice 10 BTC
         deposit bob 1000 USD
         bob buy 1 @ 100
         alice sell 1 @ 100
         alice sell 1 @ 90 when fall 100 as x
         alice sell 1 @ 90 when rise 100 as x
         show alice
         alice sell 1 @ 90 when fall 99 as x
         bob buy market 1 when rise 99
         show bob"
        => "bob #1: new, 0/1 new
            alice #2: new, 0/1 new
            bob #1: trade 1 1 @ 100 maker fee 0 BTC, 1/1 filled
            alice #2: trade 1 1 @ 100 taker fee 0 USD, 1/1 filled
            alice x: rejected would_trigger, 0/1 rejected
            alice x: rejected would_trigger, 0/1 rejected
            alice: 9 + 0 held BTC, 100 + 0 held USD
            alice x: new, 0/1 waiting
            bob #6: rejected would_trigger, 0/1 rejected
            bob: 1 + 0 held BTC, 900 + 0 held USD";

    no_reference_price NoReferencePrice:
        "deposit alice 1000 USD
         deposit bob 10 BTC
         alice buy market 1 trail fall 100
         bob sell market 1 trail fall 100
         alice buy market 1 trail fall 100 after rise 100
         bob sell 1 @ 10
         alice buy 1 @ 10
         alice buy market 1 trail rise 100"
        => "alice: rejected no_reference_price
            bob #1: new, 0/1 waiting
            alice #2: new, 0/1 waiting
            bob #3: new, 0/1 new
            alice #4: new, 0/1 new
            bob #3: trade 1 1 @ 10 maker fee 0 USD, 1/1 filled
            alice #4: trade 1 1 @ 10 taker fee 0 BTC, 1/1 filled
            alice #5: new, 0/1 waiting";
}
