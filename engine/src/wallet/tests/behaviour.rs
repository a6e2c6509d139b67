//! One scenario for every behaviour that a user can count on.

use super::check;

#[test]
fn the_better_price_goes_first_and_then_the_earlier_order() {
    check(
        "deposit alice 1000 USD
         deposit bob 1000 USD
         deposit carol 10 BTC
         alice buy 2 @ 10 as late-price
         bob buy 2 @ 11 as first
         alice buy 2 @ 11 as second
         carol sell 5 @ 10",
        "alice late-price: new, 0/2 new
         bob first: new, 0/2 new
         alice second: new, 0/2 new
         carol #4: new, 0/5 new
         bob first: trade 1 2 @ 11 maker fee 0 BTC, 2/2 filled
         carol #4: trade 1 2 @ 11 taker fee 0 USD, 2/5 partial
         alice second: trade 2 2 @ 11 maker fee 0 BTC, 2/2 filled
         carol #4: trade 2 2 @ 11 taker fee 0 USD, 4/5 partial
         alice late-price: trade 3 1 @ 10 maker fee 0 BTC, 1/2 partial
         carol #4: trade 3 1 @ 10 taker fee 0 USD, 5/5 filled",
    );
}

#[test]
fn a_buyer_gets_back_at_once_what_a_better_price_saves() {
    check(
        "deposit alice 1000 USD
         deposit bob 10 BTC
         bob sell 4 @ 60
         alice buy 10 @ 100
         show alice
         bob sell 6 @ 90
         show alice
         show bob",
        "bob #1: new, 0/4 new
         alice #2: new, 0/10 new
         bob #1: trade 1 4 @ 60 maker fee 0 USD, 4/4 filled
         alice #2: trade 1 4 @ 60 taker fee 0 BTC, 4/10 partial
         alice: 4 + 0 held BTC, 160 + 600 held USD
         bob #3: new, 0/6 new
         alice #2: trade 2 6 @ 100 maker fee 0 BTC, 10/10 filled
         bob #3: trade 2 6 @ 100 taker fee 0 USD, 6/6 filled
         alice: 10 + 0 held BTC, 160 + 0 held USD
         bob: 0 + 0 held BTC, 840 + 0 held USD",
    );
}

#[test]
fn a_maker_fee_below_zero_is_paid_by_the_house_and_rounded_down() {
    check(
        "fees -150 1000
         deposit alice 1000 USD
         deposit bob 20 BTC
         bob sell 20 @ 50
         alice buy 9 @ 50
         alice buy 11 @ 50
         show bob
         show house
         show expense",
        "bob #1: new, 0/20 new
         alice #2: new, 0/9 new
         bob #1: trade 1 9 @ 50 maker fee -6 USD, 9/20 partial
         alice #2: trade 1 9 @ 50 taker fee 1 BTC, 9/9 filled
         alice #3: new, 0/11 new
         bob #1: trade 2 11 @ 50 maker fee -8 USD, 20/20 filled
         alice #3: trade 2 11 @ 50 taker fee 2 BTC, 11/11 filled
         bob: 0 + 0 held BTC, 1014 + 0 held USD
         house: fees 3 BTC 0 USD, rounding 0 BTC 0 USD
         expense: rebates 0 BTC -14 USD",
    );
}

#[test]
fn fees_are_taken_of_what_is_received() {
    check(
        "fees 100 1000
         deposit alice 1000 USD
         deposit bob 20 BTC
         bob sell 20 @ 50
         alice buy 20 @ 50
         show alice
         show bob
         show house",
        "bob #1: new, 0/20 new
         alice #2: new, 0/20 new
         bob #1: trade 1 20 @ 50 maker fee 10 USD, 20/20 filled
         alice #2: trade 1 20 @ 50 taker fee 2 BTC, 20/20 filled
         alice: 18 + 0 held BTC, 0 + 0 held USD
         bob: 0 + 0 held BTC, 990 + 0 held USD
         house: fees 2 BTC 10 USD, rounding 0 BTC 0 USD",
    );
}

#[test]
fn many_fills_are_charged_as_one() {
    // One percent of nine is one, rounded up once and not three times.
    check(
        "fees 100 0
         deposit alice 1000 USD
         deposit bob 20 BTC
         alice buy 9 @ 10 as x
         bob sell 3 @ 10
         bob sell 3 @ 10
         bob sell 3 @ 10
         show alice",
        "alice x: new, 0/9 new
         bob #2: new, 0/3 new
         alice x: trade 1 3 @ 10 maker fee 1 BTC, 3/9 partial
         bob #2: trade 1 3 @ 10 taker fee 0 USD, 3/3 filled
         bob #3: new, 0/3 new
         alice x: trade 2 3 @ 10 maker fee 0 BTC, 6/9 partial
         bob #3: trade 2 3 @ 10 taker fee 0 USD, 3/3 filled
         bob #4: new, 0/3 new
         alice x: trade 3 3 @ 10 maker fee 0 BTC, 9/9 filled
         bob #4: trade 3 3 @ 10 taker fee 0 USD, 3/3 filled
         alice: 8 + 0 held BTC, 910 + 0 held USD",
    );
}

#[test]
fn a_fee_takes_all_that_is_received_and_no_more() {
    check(
        "fees 10000 10000
         deposit alice 100 USD
         deposit bob 10 BTC
         bob sell 10 @ 10
         alice buy 10 @ 10
         show alice
         show bob
         show house",
        "bob #1: new, 0/10 new
         alice #2: new, 0/10 new
         bob #1: trade 1 10 @ 10 maker fee 100 USD, 10/10 filled
         alice #2: trade 1 10 @ 10 taker fee 10 BTC, 10/10 filled
         alice: 0 + 0 held BTC, 0 + 0 held USD
         bob: 0 + 0 held BTC, 0 + 0 held USD
         house: fees 10 BTC 100 USD, rounding 0 BTC 0 USD",
    );
}

#[test]
fn a_fraction_of_money_is_paid_up_and_received_down() {
    // A tick-lot is a hundredth of a dollar: 150 of them cost two and bring one.
    check(
        "fraction 2
         deposit alice 10 USD
         deposit bob 10 BTC
         bob sell 2 @ 75
         alice buy 2 @ 75
         show alice
         show bob
         show house",
        "bob #1: new, 0/2 new
         alice #2: new, 0/2 new
         bob #1: trade 1 2 @ 75 maker fee 0 USD, 2/2 filled
         alice #2: trade 1 2 @ 75 taker fee 0 BTC, 2/2 filled
         alice: 2 + 0 held BTC, 8 + 0 held USD
         bob: 8 + 0 held BTC, 1 + 0 held USD
         house: fees 0 BTC 0 USD, rounding 0 BTC 1 USD",
    );
}

#[test]
fn fractions_add_up_over_an_order_and_not_over_its_fills() {
    // Four times a quarter of a dollar is one dollar for the one order; the four others get none.
    check(
        "fraction 2
         deposit alice 10 USD
         deposit bob 10 BTC
         alice buy 4 @ 25 as x
         bob sell 1 @ 25
         show alice
         bob sell 1 @ 25
         bob sell 1 @ 25
         bob sell 1 @ 25
         show alice
         show bob
         show house",
        "alice x: new, 0/4 new
         bob #2: new, 0/1 new
         alice x: trade 1 1 @ 25 maker fee 0 BTC, 1/4 partial
         bob #2: trade 1 1 @ 25 taker fee 0 USD, 1/1 filled
         alice: 1 + 0 held BTC, 9 + 0 held USD
         bob #3: new, 0/1 new
         alice x: trade 2 1 @ 25 maker fee 0 BTC, 2/4 partial
         bob #3: trade 2 1 @ 25 taker fee 0 USD, 1/1 filled
         bob #4: new, 0/1 new
         alice x: trade 3 1 @ 25 maker fee 0 BTC, 3/4 partial
         bob #4: trade 3 1 @ 25 taker fee 0 USD, 1/1 filled
         bob #5: new, 0/1 new
         alice x: trade 4 1 @ 25 maker fee 0 BTC, 4/4 filled
         bob #5: trade 4 1 @ 25 taker fee 0 USD, 1/1 filled
         alice: 4 + 0 held BTC, 9 + 0 held USD
         bob: 6 + 0 held BTC, 0 + 0 held USD
         house: fees 0 BTC 0 USD, rounding 0 BTC 1 USD",
    );
}

#[test]
fn immediate_or_cancel_takes_what_it_can_and_lapses() {
    check(
        "deposit alice 1000 USD
         deposit bob 10 BTC
         bob sell 3 @ 10
         bob sell 3 @ 11
         alice buy ioc 5 @ 10
         alice buy ioc 5 @ 9
         show alice
         show book",
        "bob #1: new, 0/3 new
         bob #2: new, 0/3 new
         alice #3: new, 0/5 new
         bob #1: trade 1 3 @ 10 maker fee 0 USD, 3/3 filled
         alice #3: trade 1 3 @ 10 taker fee 0 BTC, 3/5 partial
         alice #3: expired as ioc, 3/5 expired
         alice #4: new, 0/5 new
         alice #4: expired as ioc, 0/5 expired
         alice: 3 + 0 held BTC, 970 + 0 held USD
         book: buy, sell 3 @ 11",
    );
}

#[test]
fn fill_or_kill_takes_all_or_nothing() {
    check(
        "deposit alice 1000 USD
         deposit bob 10 BTC
         bob sell 3 @ 10
         bob sell 3 @ 11
         alice buy fok 7 @ 11
         alice buy fok 4 @ 10
         show alice
         alice buy fok 6 @ 11
         show alice",
        "bob #1: new, 0/3 new
         bob #2: new, 0/3 new
         alice #3: new, 0/7 new
         alice #3: expired as fok, 0/7 expired
         alice #4: new, 0/4 new
         alice #4: expired as fok, 0/4 expired
         alice: 0 + 0 held BTC, 1000 + 0 held USD
         alice #5: new, 0/6 new
         bob #1: trade 1 3 @ 10 maker fee 0 USD, 3/3 filled
         alice #5: trade 1 3 @ 10 taker fee 0 BTC, 3/6 partial
         bob #2: trade 2 3 @ 11 maker fee 0 USD, 3/3 filled
         alice #5: trade 2 3 @ 11 taker fee 0 BTC, 6/6 filled
         alice: 6 + 0 held BTC, 937 + 0 held USD",
    );
}

#[test]
fn a_market_order_by_quantity_empties_the_book_and_lapses() {
    check(
        "deposit alice 1000 USD
         deposit bob 10 BTC
         bob sell 3 @ 10
         hold
         // All that alice has is held for the blink until the book has answered.
         alice buy market 5
         show alice
         deliver
         show alice
         alice sell market 2",
        "bob #1: new, 0/3 new
         alice: 0 + 0 held BTC, 0 + 1000 held USD
         alice #2: new, 0/5 new
         bob #1: trade 1 3 @ 10 maker fee 0 USD, 3/3 filled
         alice #2: trade 1 3 @ 10 taker fee 0 BTC, 3/5 partial
         alice #2: expired for want of liquidity, 3/5 expired
         alice: 3 + 0 held BTC, 970 + 0 held USD
         alice #3: new, 0/2 new
         alice #3: expired for want of liquidity, 0/2 expired",
    );
}

#[test]
fn a_market_order_by_quote_amount_buys_for_no_more_than_that() {
    // The rest of the 100 buys no lot any more, so the order is filled and its rest is given back.
    check(
        "deposit alice 1000 USD
         deposit bob 10 BTC
         bob sell 3 @ 20
         bob sell 3 @ 30
         alice buy for 100
         show alice
         alice buy for 60
         show alice
         show book",
        "bob #1: new, 0/3 new
         bob #2: new, 0/3 new
         alice #3: new, 0/0 new
         bob #1: trade 1 3 @ 20 maker fee 0 USD, 3/3 filled
         alice #3: trade 1 3 @ 20 taker fee 0 BTC, 3/3 partial
         bob #2: trade 2 1 @ 30 maker fee 0 USD, 1/3 partial
         alice #3: trade 2 1 @ 30 taker fee 0 BTC, 4/4 filled
         alice: 4 + 0 held BTC, 910 + 0 held USD
         alice #4: new, 0/0 new
         bob #2: trade 3 2 @ 30 maker fee 0 USD, 3/3 filled
         alice #4: trade 3 2 @ 30 taker fee 0 BTC, 2/2 filled
         alice: 6 + 0 held BTC, 850 + 0 held USD
         book: buy, sell",
    );
}

#[test]
fn a_market_order_by_quote_amount_that_empties_the_book_lapses() {
    check(
        "deposit alice 1000 USD
         deposit bob 10 BTC
         bob sell 3 @ 20
         alice buy for 100
         show alice",
        "bob #1: new, 0/3 new
         alice #2: new, 0/0 new
         bob #1: trade 1 3 @ 20 maker fee 0 USD, 3/3 filled
         alice #2: trade 1 3 @ 20 taker fee 0 BTC, 3/3 partial
         alice #2: expired for want of liquidity, 3/3 expired
         alice: 3 + 0 held BTC, 940 + 0 held USD",
    );
}

#[test]
fn a_market_order_by_quote_amount_sells_for_no_more_than_that() {
    check(
        "deposit alice 1000 USD
         deposit bob 10 BTC
         alice buy 3 @ 30
         alice buy 9 @ 20
         bob sell for 139
         show bob
         // What bob still has is worth less than he asks for: it all goes.
         bob sell for 900
         show bob",
        "alice #1: new, 0/3 new
         alice #2: new, 0/9 new
         bob #3: new, 0/0 new
         alice #1: trade 1 3 @ 30 maker fee 0 BTC, 3/3 filled
         bob #3: trade 1 3 @ 30 taker fee 0 USD, 3/3 partial
         alice #2: trade 2 2 @ 20 maker fee 0 BTC, 2/9 partial
         bob #3: trade 2 2 @ 20 taker fee 0 USD, 5/5 filled
         bob: 5 + 0 held BTC, 130 + 0 held USD
         bob #4: new, 0/0 new
         alice #2: trade 3 5 @ 20 maker fee 0 BTC, 7/9 partial
         bob #4: trade 3 5 @ 20 taker fee 0 USD, 5/5 filled
         bob: 0 + 0 held BTC, 230 + 0 held USD",
    );
}

#[test]
fn a_cancel_gives_the_hold_back() {
    check(
        "deposit alice 100 USD
         deposit bob 10 BTC
         alice buy 5 @ 10 as x
         bob sell 2 @ 10
         show alice
         alice cancel x
         show alice
         show book",
        "alice x: new, 0/5 new
         bob #2: new, 0/2 new
         alice x: trade 1 2 @ 10 maker fee 0 BTC, 2/5 partial
         bob #2: trade 1 2 @ 10 taker fee 0 USD, 2/2 filled
         alice: 2 + 0 held BTC, 50 + 30 held USD
         alice x: canceled, 2/5 canceled
         alice: 2 + 0 held BTC, 80 + 0 held USD
         book: buy, sell",
    );
}

#[test]
fn cancel_all_takes_ones_own_orders_the_oldest_first() {
    check(
        "deposit alice 100 USD
         deposit bob 100 USD
         alice buy 1 @ 10
         bob buy 1 @ 10
         alice buy 1 @ 12
         alice buy 1 @ 11
         show orders alice
         alice cancel all
         show orders alice
         alice cancel all
         show alice
         show book",
        "alice #1: new, 0/1 new
         bob #2: new, 0/1 new
         alice #3: new, 0/1 new
         alice #4: new, 0/1 new
         alice has #1 0/1 new, #3 0/1 new, #4 0/1 new
         alice #1: canceled, 0/1 canceled
         alice #3: canceled, 0/1 canceled
         alice #4: canceled, 0/1 canceled
         alice has
         alice: rejected unknown_order
         alice: 0 + 0 held BTC, 100 + 0 held USD
         book: buy 1 @ 10, sell",
    );
}

#[test]
fn cancel_all_passes_over_what_is_filled_meanwhile() {
    check(
        "deposit alice 100 USD
         deposit bob 10 BTC
         alice buy 1 @ 11 as x
         alice buy 2 @ 10 as y
         hold
         bob sell 2 @ 10
         alice cancel all
         alice cancel y
         deliver
         show alice",
        "alice x: new, 0/1 new
         alice y: new, 0/2 new
         bob #3: new, 0/2 new
         alice x: trade 1 1 @ 11 maker fee 0 BTC, 1/1 filled
         bob #3: trade 1 1 @ 11 taker fee 0 USD, 1/2 partial
         alice y: trade 2 1 @ 10 maker fee 0 BTC, 1/2 partial
         bob #3: trade 2 1 @ 10 taker fee 0 USD, 2/2 filled
         alice y: canceled, 1/2 canceled
         #2: cancel rejected order_already_final
         alice: 2 + 0 held BTC, 79 + 0 held USD",
    );
}

#[test]
fn a_reduced_order_keeps_its_place_and_gives_back_what_it_no_longer_needs() {
    check(
        "deposit alice 100 USD
         deposit bob 100 USD
         deposit carol 10 BTC
         alice buy 5 @ 10 as x
         bob buy 5 @ 10 as y
         alice reduce x to 2
         show alice
         carol sell 3 @ 10",
        "alice x: new, 0/5 new
         bob y: new, 0/5 new
         alice x: reduced, 0/2 new
         alice: 0 + 0 held BTC, 80 + 20 held USD
         carol #3: new, 0/3 new
         alice x: trade 1 2 @ 10 maker fee 0 BTC, 2/2 filled
         carol #3: trade 1 2 @ 10 taker fee 0 USD, 2/3 partial
         bob y: trade 2 1 @ 10 maker fee 0 BTC, 1/5 partial
         carol #3: trade 2 1 @ 10 taker fee 0 USD, 3/3 filled",
    );
}

#[test]
fn a_reduction_that_races_a_fill_counts_what_is_filled() {
    check(
        "deposit alice 100 USD
         deposit bob 10 BTC
         alice buy 5 @ 10 as x
         hold
         bob sell 2 @ 10
         alice reduce x to 3
         alice reduce x to 1
         deliver
         show alice
         show book",
        "alice x: new, 0/5 new
         bob #2: new, 0/2 new
         alice x: trade 1 2 @ 10 maker fee 0 BTC, 2/5 partial
         bob #2: trade 1 2 @ 10 taker fee 0 USD, 2/2 filled
         alice x: reduced, 2/3 partial
         #1: reduce rejected quantity_not_reduced
         alice: 2 + 0 held BTC, 70 + 10 held USD
         book: buy 1 @ 10, sell",
    );
}

#[test]
fn a_replacement_loses_its_place_and_may_cost_what_the_old_order_held() {
    // Alice has 20 left, and 80 in the old order: together they pay for the new one.
    check(
        "deposit alice 100 USD
         deposit bob 100 USD
         deposit carol 10 BTC
         alice buy 8 @ 10 as x
         bob buy 8 @ 10 as y
         hold
         alice replace x with buy 9 @ 11 as z
         show alice
         deliver
         show alice
         alice replace z with buy 10 @ 10 as w
         carol sell 9 @ 10
         show alice",
        "alice x: new, 0/8 new
         bob y: new, 0/8 new
         alice: 0 + 0 held BTC, 0 + 100 held USD
         alice x: canceled, 0/8 canceled
         alice z: new, 0/9 new
         alice: 0 + 0 held BTC, 1 + 99 held USD
         alice z: canceled, 0/9 canceled
         alice w: new, 0/10 new
         carol #5: new, 0/9 new
         bob y: trade 1 8 @ 10 maker fee 0 BTC, 8/8 filled
         carol #5: trade 1 8 @ 10 taker fee 0 USD, 8/9 partial
         alice w: trade 2 1 @ 10 maker fee 0 BTC, 1/10 partial
         carol #5: trade 2 1 @ 10 taker fee 0 USD, 9/9 filled
         alice: 1 + 0 held BTC, 0 + 90 held USD",
    );
}

#[test]
fn a_replacement_that_counted_on_what_is_filled_meanwhile_is_refused() {
    check(
        "deposit alice 100 USD
         deposit bob 10 BTC
         alice buy 8 @ 10 as x
         hold
         bob sell 1 @ 10
         alice replace x with buy 9 @ 11 as z
         deliver
         show alice
         show book",
        "alice x: new, 0/8 new
         bob #2: new, 0/1 new
         alice x: trade 1 1 @ 10 maker fee 0 BTC, 1/8 partial
         bob #2: trade 1 1 @ 10 taker fee 0 USD, 1/1 filled
         alice x: canceled, 1/8 canceled
         alice z: rejected insufficient_balance, 0/9 rejected
         alice: 1 + 0 held BTC, 90 + 0 held USD
         book: buy, sell",
    );
}

#[test]
fn a_replacement_paid_for_from_elsewhere_goes_ahead_whatever_is_filled() {
    check(
        "deposit alice 200 USD
         deposit bob 10 BTC
         alice buy 8 @ 10 as x
         hold
         bob sell 1 @ 10
         alice replace x with buy 9 @ 11 as z
         deliver
         show alice",
        "alice x: new, 0/8 new
         bob #2: new, 0/1 new
         alice x: trade 1 1 @ 10 maker fee 0 BTC, 1/8 partial
         bob #2: trade 1 1 @ 10 taker fee 0 USD, 1/1 filled
         alice x: canceled, 1/8 canceled
         alice z: new, 0/9 new
         alice: 1 + 0 held BTC, 91 + 99 held USD",
    );
}

#[test]
fn a_replacement_of_nothing_is_placed_if_that_is_allowed() {
    check(
        "deposit alice 100 USD
         alice replace x or not with buy 1 @ 10 as y
         alice replace x with buy 1 @ 10 as z
         alice replace y if partial or not with buy 1 @ 11 as w
         show orders alice",
        "alice y: new, 0/1 new
         alice: rejected unknown_order
         alice w: new, 0/1 new
         #1: cancel rejected cancel_restricted, #2 placed all the same
         alice has y 0/1 new, w 0/1 new",
    );
}

#[test]
fn a_replacement_that_the_book_refuses_has_still_cancelled() {
    check(
        "deposit alice 100 USD
         deposit bob 10 BTC
         bob sell 1 @ 20
         alice buy 1 @ 10 as x
         alice replace x with buy post 1 @ 20
         show alice",
        "bob #1: new, 0/1 new
         alice x: new, 0/1 new
         alice x: canceled, 0/1 canceled
         alice #3: rejected would_match, 0/1 rejected
         alice: 0 + 0 held BTC, 100 + 0 held USD",
    );
}

#[test]
fn a_replacement_in_flight_lends_only_what_it_holds_itself() {
    // Most of what y needs is still held by x, and is not lent twice.
    check(
        "deposit alice 100 USD
         alice buy 8 @ 10 as x
         hold
         alice replace x with buy 9 @ 11 as y
         alice replace y with buy 10 @ 10 as z
         deliver
         show alice
         show book",
        "alice x: new, 0/8 new
         alice: rejected insufficient_balance
         alice x: canceled, 0/8 canceled
         alice y: new, 0/9 new
         alice: 0 + 0 held BTC, 1 + 99 held USD
         book: buy 9 @ 11, sell",
    );
}

#[test]
fn one_may_trade_with_oneself() {
    check(
        "fees 100 100
         deposit alice 100 USD
         deposit alice 10 BTC
         alice sell 5 @ 10
         alice buy 5 @ 10
         show alice
         show house",
        "alice #1: new, 0/5 new
         alice #2: new, 0/5 new
         alice #1: trade 1 5 @ 10 maker fee 1 USD, 5/5 filled
         alice #2: trade 1 5 @ 10 taker fee 1 BTC, 5/5 filled
         alice: 9 + 0 held BTC, 99 + 0 held USD
         house: fees 1 BTC 1 USD, rounding 0 BTC 0 USD",
    );
}

#[test]
fn an_order_is_named_by_number_by_name_or_by_both() {
    check(
        "deposit alice 100 USD
         alice buy 1 @ 1 as x
         alice buy 1 @ 1 as y
         alice buy 1 @ 1 as z
         alice buy 1 @ 1
         alice cancel #1
         alice cancel y
         alice cancel #3/z
         alice cancel #4/rialto-4",
        "alice x: new, 0/1 new
         alice y: new, 0/1 new
         alice z: new, 0/1 new
         alice #4: new, 0/1 new
         alice x: canceled, 0/1 canceled
         alice y: canceled, 0/1 canceled
         alice z: canceled, 0/1 canceled
         alice #4: canceled, 0/1 canceled",
    );
}
