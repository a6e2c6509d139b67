//! What an order does where it would trade with its own account.

use super::check;

#[test]
fn expire_taker_keeps_the_trades_before_and_ends_the_rest() {
    check(
        "deposit alice 1000 USD
         deposit alice 10 BTC
         deposit bob 10 BTC
         bob sell 2 @ 10
         alice sell 2 @ 10
         bob sell 2 @ 10
         alice buy 5 @ 11 expire-taker
         show alice
         show book",
        "bob #1: new, 0/2 new
         alice #2: new, 0/2 new
         bob #3: new, 0/2 new
         alice #4: new, 0/5 new
         bob #1: trade 1 2 @ 10 maker fee 0 USD, 2/2 filled
         alice #4: trade 1 2 @ 10 taker fee 0 BTC, 2/5 partial
         alice #4: expired before a self-trade, 2/5 expired in match
         alice: 10 + 2 held BTC, 980 + 0 held USD
         book: buy, sell 4 @ 10",
    );
}

#[test]
fn expire_maker_gives_the_hold_of_the_resting_order_back_and_goes_on() {
    check(
        "deposit alice 1000 USD
         deposit alice 10 BTC
         deposit bob 10 BTC
         bob sell 2 @ 10
         alice sell 3 @ 10 as mine
         bob sell 2 @ 11
         alice buy 5 @ 11 expire-maker
         show alice
         show book",
        "bob #1: new, 0/2 new
         alice mine: new, 0/3 new
         bob #3: new, 0/2 new
         alice #4: new, 0/5 new
         bob #1: trade 1 2 @ 10 maker fee 0 USD, 2/2 filled
         alice #4: trade 1 2 @ 10 taker fee 0 BTC, 2/5 partial
         alice mine: expired before a self-trade, 0/3 expired in match
         bob #3: trade 2 2 @ 11 maker fee 0 USD, 2/2 filled
         alice #4: trade 2 2 @ 11 taker fee 0 BTC, 4/5 partial
         alice: 14 + 0 held BTC, 947 + 11 held USD
         book: buy 1 @ 11, sell",
    );
}

#[test]
fn expire_both_ends_both() {
    check(
        "deposit alice 1000 USD
         deposit alice 10 BTC
         deposit bob 10 BTC
         bob sell 2 @ 10
         alice sell 3 @ 10 as mine
         bob sell 2 @ 11
         alice buy 5 @ 11 expire-both
         show alice
         show book",
        "bob #1: new, 0/2 new
         alice mine: new, 0/3 new
         bob #3: new, 0/2 new
         alice #4: new, 0/5 new
         bob #1: trade 1 2 @ 10 maker fee 0 USD, 2/2 filled
         alice #4: trade 1 2 @ 10 taker fee 0 BTC, 2/5 partial
         alice mine: expired before a self-trade, 0/3 expired in match
         alice #4: expired before a self-trade, 2/5 expired in match
         alice: 12 + 0 held BTC, 980 + 0 held USD
         book: buy, sell 2 @ 11",
    );
}

#[test]
fn decrement_takes_from_both_with_trades_before_and_after() {
    check(
        "deposit alice 1000 USD
         deposit alice 10 BTC
         deposit bob 10 BTC
         bob sell 2 @ 10
         alice sell 3 @ 10 as mine
         bob sell 2 @ 10
         alice buy 9 @ 12 decrement as taker
         show alice
         show book
         bob sell 2 @ 12
         show alice
         show orders alice",
        "bob #1: new, 0/2 new
         alice mine: new, 0/3 new
         bob #3: new, 0/2 new
         alice taker: new, 0/9 new
         bob #1: trade 1 2 @ 10 maker fee 0 USD, 2/2 filled
         alice taker: trade 1 2 @ 10 taker fee 0 BTC, 2/9 partial
         alice taker: loses 3 with #2, 2/9 less 3 partial
         alice mine: loses 3 with #4, 0/3 less 3 new
         alice mine: expired before a self-trade, 0/3 less 3 expired in match
         bob #3: trade 2 2 @ 10 maker fee 0 USD, 2/2 filled
         alice taker: trade 2 2 @ 10 taker fee 0 BTC, 4/9 less 3 partial
         alice: 14 + 0 held BTC, 936 + 24 held USD
         book: buy 2 @ 12, sell
         bob #5: new, 0/2 new
         alice taker: trade 3 2 @ 12 maker fee 0 BTC, 6/9 less 3 partial
         alice taker: expired before a self-trade, 6/9 less 3 expired in match
         bob #5: trade 3 2 @ 12 taker fee 0 USD, 2/2 filled
         alice: 16 + 0 held BTC, 936 + 0 held USD
         alice has",
    );
}

#[test]
fn a_taker_that_lost_something_and_traded_the_rest_ends_in_match() {
    check(
        "deposit alice 1000 USD
         deposit alice 10 BTC
         deposit bob 20 BTC
         bob sell 2 @ 10
         alice sell 3 @ 10
         bob sell 9 @ 11
         alice buy 9 @ 12 decrement
         show alice
         show bob
         show orders alice",
        "bob #1: new, 0/2 new
         alice #2: new, 0/3 new
         bob #3: new, 0/9 new
         alice #4: new, 0/9 new
         bob #1: trade 1 2 @ 10 maker fee 0 USD, 2/2 filled
         alice #4: trade 1 2 @ 10 taker fee 0 BTC, 2/9 partial
         alice #4: loses 3 with #2, 2/9 less 3 partial
         alice #2: loses 3 with #4, 0/3 less 3 new
         alice #2: expired before a self-trade, 0/3 less 3 expired in match
         bob #3: trade 2 4 @ 11 maker fee 0 USD, 4/9 partial
         alice #4: trade 2 4 @ 11 taker fee 0 BTC, 6/9 less 3 partial
         alice #4: expired before a self-trade, 6/9 less 3 expired in match
         alice: 16 + 0 held BTC, 936 + 0 held USD
         bob: 9 + 5 held BTC, 64 + 0 held USD
         alice has",
    );
}

#[test]
fn a_maker_that_lost_something_and_traded_the_rest_ends_in_match() {
    check(
        "deposit alice 1000 USD
         deposit alice 10 BTC
         deposit bob 1000 USD
         alice sell 5 @ 10 as maker
         alice buy ioc 2 @ 10 decrement
         show alice
         bob buy 1 @ 10
         bob buy 2 @ 10
         show alice
         show orders alice",
        "alice maker: new, 0/5 new
         alice #2: new, 0/2 new
         alice #2: loses 2 with #1, 0/2 less 2 new
         alice maker: loses 2 with #2, 0/5 less 2 new
         alice #2: expired before a self-trade, 0/2 less 2 expired in match
         alice: 7 + 3 held BTC, 1000 + 0 held USD
         bob #3: new, 0/1 new
         alice maker: trade 1 1 @ 10 maker fee 0 USD, 1/5 less 2 partial
         bob #3: trade 1 1 @ 10 taker fee 0 BTC, 1/1 filled
         bob #4: new, 0/2 new
         alice maker: trade 2 2 @ 10 maker fee 0 USD, 3/5 less 2 partial
         alice maker: expired before a self-trade, 3/5 less 2 expired in match
         bob #4: trade 2 2 @ 10 taker fee 0 BTC, 2/2 filled
         alice: 7 + 0 held BTC, 1030 + 0 held USD
         alice has",
    );
}

#[test]
fn a_market_order_prevents_self_trades_too() {
    check(
        "deposit alice 100 USD
         deposit alice 10 BTC
         deposit bob 10 BTC
         bob sell 2 @ 10
         alice sell 3 @ 20
         bob sell 2 @ 30
         alice buy market 7 decrement
         show alice
         alice sell 1 @ 5
         alice buy market 1 expire-taker
         show alice",
        "bob #1: new, 0/2 new
         alice #2: new, 0/3 new
         bob #3: new, 0/2 new
         alice #4: new, 0/7 new
         bob #1: trade 1 2 @ 10 maker fee 0 USD, 2/2 filled
         alice #4: trade 1 2 @ 10 taker fee 0 BTC, 2/7 partial
         alice #4: loses 3 with #2, 2/7 less 3 partial
         alice #2: loses 3 with #4, 0/3 less 3 new
         alice #2: expired before a self-trade, 0/3 less 3 expired in match
         bob #3: trade 2 2 @ 30 maker fee 0 USD, 2/2 filled
         alice #4: trade 2 2 @ 30 taker fee 0 BTC, 4/7 less 3 partial
         alice #4: expired before a self-trade, 4/7 less 3 expired in match
         alice: 14 + 0 held BTC, 20 + 0 held USD
         alice #5: new, 0/1 new
         alice #6: new, 0/1 new
         alice #6: expired before a self-trade, 0/1 expired in match
         alice: 13 + 1 held BTC, 20 + 0 held USD",
    );
}

#[test]
fn an_order_by_quote_amount_that_is_filled_after_its_own_order_lapsed_is_told_so() {
    check(
        "deposit alice 100 USD
         deposit alice 10 BTC
         deposit bob 10 BTC
         bob sell 2 @ 10
         alice sell 3 @ 10 as mine
         bob sell 2 @ 11
         alice buy for 30 expire-maker
         show alice
         show orders alice
         show book",
        "bob #1: new, 0/2 new
         alice mine: new, 0/3 new
         bob #3: new, 0/2 new
         alice #4: new, 0/0 new
         bob #1: trade 1 2 @ 10 maker fee 0 USD, 2/2 filled
         alice #4: trade 1 2 @ 10 taker fee 0 BTC, 2/2 filled
         alice mine: expired before a self-trade, 0/3 expired in match
         alice: 12 + 0 held BTC, 80 + 0 held USD
         alice has
         book: buy, sell 2 @ 11",
    );
}

#[test]
fn an_order_by_quote_amount_loses_what_it_could_have_paid_for() {
    check(
        "deposit alice 100 USD
         deposit alice 10 BTC
         deposit bob 10 BTC
         bob sell 1 @ 10
         alice sell 9 @ 10 as mine
         alice buy for 35 decrement
         show alice
         show orders alice",
        "bob #1: new, 0/1 new
         alice mine: new, 0/9 new
         alice #3: new, 0/0 new
         bob #1: trade 1 1 @ 10 maker fee 0 USD, 1/1 filled
         alice #3: trade 1 1 @ 10 taker fee 0 BTC, 1/1 partial
         alice #3: loses 2 with #2, 1/1 less 2 partial
         alice mine: loses 2 with #3, 0/9 less 2 new
         alice #3: expired before a self-trade, 1/1 less 2 expired in match
         alice: 4 + 7 held BTC, 90 + 0 held USD
         alice has mine 0/9 less 2 new",
    );
}

#[test]
fn a_buyer_who_is_decremented_holds_no_more_than_the_rest_can_cost() {
    check(
        "deposit alice 100 USD
         deposit alice 10 BTC
         alice buy 6 @ 10 as maker
         alice sell 2 @ 10 decrement
         show alice
         alice reduce maker to 2
         alice reduce maker to 3
         show alice
         alice cancel maker
         show alice",
        "alice maker: new, 0/6 new
         alice #2: new, 0/2 new
         alice #2: loses 2 with #1, 0/2 less 2 new
         alice maker: loses 2 with #2, 0/6 less 2 new
         alice #2: expired before a self-trade, 0/2 less 2 expired in match
         alice: 10 + 0 held BTC, 60 + 40 held USD
         #1: reduce rejected quantity_not_reduced
         alice maker: reduced, 0/3 less 2 new
         alice: 10 + 0 held BTC, 90 + 10 held USD
         alice maker: canceled, 0/3 less 2 canceled
         alice: 10 + 0 held BTC, 100 + 0 held USD",
    );
}
