//! Orders that are not displayed, or not in whole; trade groups; bounds of market orders.

use super::check;

#[test]
fn an_iceberg_is_paid_for_whole_and_shown_in_parts() {
    check(
        "fees 100 200
         deposit alice 1000 USD
         deposit bob 20 BTC
         alice buy 9 @ 50 peak 4 as ice
         show alice
         show book
         bob sell 5 @ 50
         show book
         show alice
         alice reduce ice to 7
         show alice
         show book
         alice cancel ice
         show alice",
        "alice ice: new, 0/9 new
         alice: 0 + 0 held BTC, 550 + 450 held USD
         book: buy 4 @ 50, sell
         bob #2: new, 0/5 new
         alice ice: trade 1 4 @ 50 maker fee 1 BTC, 4/9 partial
         bob #2: trade 1 4 @ 50 taker fee 4 USD, 4/5 partial
         alice ice: trade 2 1 @ 50 maker fee 0 BTC, 5/9 partial
         bob #2: trade 2 1 @ 50 taker fee 1 USD, 5/5 filled
         book: buy 3 @ 50, sell
         alice: 4 + 0 held BTC, 550 + 200 held USD
         alice ice: reduced, 5/7 partial
         alice: 4 + 0 held BTC, 650 + 100 held USD
         book: buy 2 @ 50, sell
         alice ice: canceled, 5/7 canceled
         alice: 4 + 0 held BTC, 750 + 0 held USD",
    );
}

#[test]
fn a_minimum_trades_in_one_turn_or_not_at_all() {
    check(
        "deposit alice 1000 USD
         deposit bob 20 BTC
         deposit carol 20 BTC
         alice buy 5 @ 50 least 5 as all
         bob sell 3 @ 50
         show book
         show alice
         carol sell 3 @ 49
         show alice
         bob sell ioc 3 @ 40 least 2
         alice buy ioc 9 @ 60 least 9
         alice buy market 9 least 9
         show alice",
        "alice all: new, 0/5 new
         bob #2: new, 0/3 new
         book: buy, sell 3 @ 50
         alice: 0 + 0 held BTC, 750 + 250 held USD
         carol #3: new, 0/3 new
         carol #3: trade 1 3 @ 49 maker fee 0 USD, 3/3 filled
         alice all: trade 1 3 @ 49 taker fee 0 BTC, 3/5 partial
         bob #2: trade 2 2 @ 50 maker fee 0 USD, 2/3 partial
         alice all: trade 2 2 @ 50 taker fee 0 BTC, 5/5 filled
         alice: 5 + 0 held BTC, 753 + 0 held USD
         bob #4: new, 0/3 new
         bob #4: expired below its minimum, 0/3 expired
         alice #5: new, 0/9 new
         alice #5: expired below its minimum, 0/9 expired
         alice #6: new, 0/9 new
         alice #6: expired below its minimum, 0/9 expired
         alice: 5 + 0 held BTC, 753 + 0 held USD",
    );
}

#[test]
fn a_peg_holds_what_its_limit_costs() {
    check(
        "deposit alice 1000 USD
         deposit alice 20 BTC
         deposit bob 20 BTC
         deposit carol 1000 USD
         alice buy 5 @ 60 peg bid 1 as peg
         show alice
         show book
         carol buy 1 @ 50
         bob sell 1 @ 55
         bob sell 2 @ 51
         show alice
         alice sell 4 @ 40 hidden as dark
         show alice
         show book",
        "alice peg: new, 0/5 new
         alice: 20 + 0 held BTC, 700 + 300 held USD
         book: buy, sell
         carol #2: new, 0/1 new
         bob #3: new, 0/1 new
         bob #4: new, 0/2 new
         alice peg: trade 1 2 @ 51 maker fee 0 BTC, 2/5 partial
         bob #4: trade 1 2 @ 51 taker fee 0 USD, 2/2 filled
         alice: 22 + 0 held BTC, 718 + 180 held USD
         alice dark: new, 0/4 new
         alice peg: trade 2 3 @ 51 maker fee 0 BTC, 5/5 filled
         alice dark: trade 2 3 @ 51 taker fee 0 USD, 3/4 partial
         carol #2: trade 3 1 @ 50 maker fee 0 BTC, 1/1 filled
         alice dark: trade 3 1 @ 50 taker fee 0 USD, 4/4 filled
         alice: 21 + 0 held BTC, 948 + 0 held USD
         book: buy, sell 1 @ 55",
    );
}

#[test]
fn orders_of_one_trade_group_do_not_trade() {
    check(
        "deposit alice 1000 USD
         deposit alice 20 BTC
         group alice 7
         group bob 7
         deposit bob 20 BTC
         bob sell 3 @ 50 as his
         alice buy 2 @ 50 decrement as hers
         show bob
         alice buy 3 @ 50 expire-maker as other
         group bob 0
         group nobody 4
         show bob",
        "bob his: new, 0/3 new
         alice hers: new, 0/2 new
         alice hers: loses 2 with #1, 0/2 less 2 new
         bob his: loses 2 with #2, 0/3 less 2 new
         alice hers: expired before a self-trade, 0/2 less 2 expired in match
         bob: 19 + 1 held BTC, 0 + 0 held USD
         alice other: new, 0/3 new
         bob his: expired before a self-trade, 0/3 less 2 expired in match
         bob: rejected unknown_group
         nobody: rejected unknown_account
         bob: 20 + 0 held BTC, 0 + 0 held USD",
    );
}

#[test]
fn a_market_order_with_a_bound_gives_back_what_it_does_not_spend() {
    check(
        "deposit alice 1000 USD
         deposit bob 20 BTC
         bob sell 1 @ 50
         bob sell 1 @ 52
         bob sell 5 @ 60
         alice buy market 5 slip 500 as x
         show alice",
        "bob #1: new, 0/1 new
         bob #2: new, 0/1 new
         bob #3: new, 0/5 new
         alice x: new, 0/5 new
         bob #1: trade 1 1 @ 50 maker fee 0 USD, 1/1 filled
         alice x: trade 1 1 @ 50 taker fee 0 BTC, 1/5 partial
         bob #2: trade 2 1 @ 52 maker fee 0 USD, 1/1 filled
         alice x: trade 2 1 @ 52 taker fee 0 BTC, 2/5 partial
         alice x: expired for want of liquidity, 2/5 expired
         alice: 2 + 0 held BTC, 898 + 0 held USD",
    );
}

#[test]
fn a_resting_order_resumes_as_the_taker() {
    check(
        "fees 100 200
         deposit alice 1000 USD
         deposit bob 20 BTC
         deposit carol 20 BTC
         alice buy 5 @ 50 least 4 as x
         bob sell 2 @ 50 as a
         carol sell 2 @ 49 as b
         show alice
         bob sell 1 @ 50
         show alice",
        "alice x: new, 0/5 new
         bob a: new, 0/2 new
         carol b: new, 0/2 new
         carol b: trade 1 2 @ 49 maker fee 1 USD, 2/2 filled
         alice x: trade 1 2 @ 49 taker fee 1 BTC, 2/5 partial
         bob a: trade 2 2 @ 50 maker fee 1 USD, 2/2 filled
         alice x: trade 2 2 @ 50 taker fee 0 BTC, 4/5 partial
         alice: 3 + 0 held BTC, 752 + 50 held USD
         bob #4: new, 0/1 new
         alice x: trade 3 1 @ 50 maker fee 0 BTC, 5/5 filled
         bob #4: trade 3 1 @ 50 taker fee 1 USD, 1/1 filled
         alice: 4 + 0 held BTC, 752 + 0 held USD",
    );
}

#[test]
fn an_order_that_lost_a_part_and_resumes_is_not_called_filled() {
    check(
        "deposit alice 1000 USD
         deposit alice 20 BTC
         deposit bob 20 BTC
         alice buy 5 @ 50 least 3 as x
         alice sell 3 @ 50 decrement as own
         bob sell 1 @ 50 as a
         show alice
         bob sell 1 @ 50 as b
         show alice",
        "alice x: new, 0/5 new
         alice own: new, 0/3 new
         alice own: loses 3 with #1, 0/3 less 3 new
         alice x: loses 3 with #2, 0/5 less 3 new
         alice own: expired before a self-trade, 0/3 less 3 expired in match
         bob a: new, 0/1 new
         alice: 20 + 0 held BTC, 900 + 100 held USD
         bob b: new, 0/1 new
         bob a: trade 1 1 @ 50 maker fee 0 USD, 1/1 filled
         alice x: trade 1 1 @ 50 taker fee 0 BTC, 1/5 less 3 partial
         bob b: trade 2 1 @ 50 maker fee 0 USD, 1/1 filled
         alice x: trade 2 1 @ 50 taker fee 0 BTC, 2/5 less 3 partial
         alice x: expired before a self-trade, 2/5 less 3 expired in match
         alice: 22 + 0 held BTC, 900 + 0 held USD",
    );
}

#[test]
fn a_hidden_order_may_be_filled_and_a_reserve_is_paid_for() {
    check(
        "deposit alice 1000 USD
         deposit bob 20 BTC
         alice buy 5 @ 50 hidden as x
         alice buy 4 @ 49 peak 1 mark 8 as y
         show book
         bob sell 7 @ 49
         show alice
         alice replace y with buy 2 @ 60 peak 2 as z
         show alice",
        "alice x: new, 0/5 new
         alice y: new, 0/4 new
         book: buy 1 @ 49, sell
         bob #3: new, 0/7 new
         alice x: trade 1 5 @ 50 maker fee 0 BTC, 5/5 filled
         bob #3: trade 1 5 @ 50 taker fee 0 USD, 5/7 partial
         alice y: trade 2 1 @ 49 maker fee 0 BTC, 1/4 partial
         bob #3: trade 2 1 @ 49 taker fee 0 USD, 6/7 partial
         alice y: trade 3 1 @ 49 maker fee 0 BTC, 2/4 partial
         bob #3: trade 3 1 @ 49 taker fee 0 USD, 7/7 filled
         alice: 7 + 0 held BTC, 554 + 98 held USD
         alice y: canceled, 2/4 canceled
         alice z: new, 0/2 new
         alice: 7 + 0 held BTC, 532 + 120 held USD",
    );
}

#[test]
fn a_new_group_is_for_the_orders_from_then_on() {
    check(
        "deposit alice 1000 USD
         deposit bob 20 BTC
         group alice 7
         bob sell 3 @ 50 as his
         alice buy 1 @ 50 expire-taker as first
         group bob 7
         alice buy 1 @ 50 expire-taker as second
         bob sell 1 @ 60
         alice buy 1 @ 50 expire-taker as third
         show alice",
        "bob his: new, 0/3 new
         alice first: new, 0/1 new
         bob his: trade 1 1 @ 50 maker fee 0 USD, 1/3 partial
         alice first: trade 1 1 @ 50 taker fee 0 BTC, 1/1 filled
         alice second: new, 0/1 new
         bob his: trade 2 1 @ 50 maker fee 0 USD, 2/3 partial
         alice second: trade 2 1 @ 50 taker fee 0 BTC, 1/1 filled
         bob #4: new, 0/1 new
         alice third: new, 0/1 new
         alice third: expired before a self-trade, 0/1 expired in match
         alice: 2 + 0 held BTC, 900 + 0 held USD",
    );
}

#[test]
fn a_peg_stands_no_further_from_what_it_follows_than_prices_go() {
    check(
        "deposit alice 1000 USD
         alice buy 5 @ 60 peg bid 1001
         alice buy 5 @ 60 peg mid -1001
         alice buy 5 @ 60 peg ask -1000",
        "alice: rejected price_out_of_range
         alice: rejected price_out_of_range
         alice #1: new, 0/5 new",
    );
}
