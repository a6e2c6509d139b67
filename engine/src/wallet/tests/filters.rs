//! What a market allows, where it is no reason of its own to refuse an order.

use super::check;

#[test]
fn the_least_price_and_quantity() {
    check(
        "filter min_price 5
         filter min_quantity 3
         deposit alice 1000 USD
         alice buy 3 @ 4
         alice buy 2 @ 5
         alice buy 3 @ 5 when rise 4
         alice buy 3 @ 5 trail rise 5 after rise 4
         alice buy 3 @ 5 trail rise by 4 after rise 5
         alice buy market 2
         alice buy for 1
         alice buy 3 @ 5
         show alice",
        "alice: rejected price_out_of_range
         alice: rejected quantity_out_of_range
         alice: rejected trigger_out_of_range
         alice: rejected trigger_out_of_range
         alice #1: new, 0/3 waiting
         alice: rejected quantity_out_of_range
         alice #2: rejected no_liquidity, 0/0 rejected
         alice #3: new, 0/3 new
         alice: 0 + 0 held BTC, 970 + 30 held USD",
    );
}

#[test]
fn a_list_must_be_paid_for_in_all() {
    check(
        "deposit alice 100 USD
         deposit alice 5 BTC
         alice oto : buy 6 @ 10 : buy 5 @ 10
         alice oto : buy 6 @ 10 : buy 4 @ 10
         alice drop #1
         alice otp : buy 2 @ 10 : buy 8 @ 10 : buy 8 @ 11 when rise 12
         alice otp : buy 2 @ 10 : buy 8 @ 10 : buy 8 @ 10 when rise 12
         alice drop #3
         alice otp : buy 10 @ 10 : sell 6 @ 20 : sell 6 @ 5 when fall 6
         alice otp : buy 10 @ 10 : sell 5 @ 20 : sell 5 @ 5 when fall 6
         show alice
         alice oto : sell 1 @ 10 : sell 1 @ 10",
        "alice: rejected insufficient_balance
         alice #1: new, 0/6 new
         alice #2: new, 0/4 pending
         alice #2: canceled, 0/4 canceled
         alice #1: canceled, 0/6 canceled
         alice: rejected insufficient_balance
         alice #3: new, 0/2 new
         alice #4: new, 0/8 pending
         alice #5: new, 0/8 pending
         alice #4: canceled, 0/8 canceled
         alice #3: canceled, 0/2 canceled
         alice #5: canceled, 0/8 canceled
         alice: rejected insufficient_balance
         alice #6: new, 0/10 new
         alice #7: new, 0/5 pending
         alice #8: new, 0/5 pending
         alice: 0 + 5 held BTC, 0 + 100 held USD
         alice: rejected insufficient_balance",
    );
}

#[test]
fn a_list_counts_for_all_its_orders() {
    check(
        "limits 3 9
         filter max_position 10
         deposit alice 1000 USD
         deposit alice 2 BTC
         alice otp : buy 4 @ 10 : buy 5 @ 9 : buy 5 @ 12 when rise 12
         alice otp : buy 4 @ 10 : buy 4 @ 9 : buy 4 @ 12 when rise 12
         alice sell 1 @ 20
         alice cancel #2
         alice oto : buy 4 @ 10 : sell 2 @ 10
         alice buy 5 @ 10
         alice buy 4 @ 10
         show alice",
        "alice: rejected position_too_large
         alice #1: new, 0/4 new
         alice #2: new, 0/4 pending
         alice #3: new, 0/4 pending
         alice: rejected too_many_orders
         alice #2: canceled, 0/4 canceled
         alice #1: canceled, 0/4 canceled
         alice #3: canceled, 0/4 canceled
         alice #4: new, 0/4 new
         alice #5: new, 0/2 pending
         alice: rejected position_too_large
         alice #6: new, 0/4 new
         alice: 0 + 2 held BTC, 920 + 80 held USD",
    );
}

#[test]
fn a_pending_market_order_needs_no_trade_to_tell_its_price() {
    check(
        "deposit alice 1000 USD
         deposit alice 20 BTC
         alice buy market 2 trail rise 100
         alice oto : sell 2 @ 100 : buy market 2 trail rise 1000
         show alice",
        "alice: rejected no_reference_price
         alice #1: new, 0/2 new
         alice #2: new, 0/2 pending
         alice: 18 + 2 held BTC, 768 + 232 held USD",
    );
}

#[test]
fn filters_count_again_when_an_order_is_replaced() {
    check(
        "filter max_orders 1
         filter max_position 5
         deposit alice 1000 USD
         alice buy 5 @ 10 as a
         alice replace a with buy 1 @ 11 as b
         alice reduce a to 4
         show alice",
        "alice a: new, 0/5 new
         alice: rejected too_many_orders_in_market
         alice a: reduced, 0/4 new
         alice: 0 + 0 held BTC, 960 + 40 held USD",
    );
}
