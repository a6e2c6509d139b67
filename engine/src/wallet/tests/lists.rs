//! Orders that hang together: what they hold, what ends them, and what their owners are told.

use super::check;

#[test]
fn a_pair_holds_once_and_the_one_that_trades_ends_the_other() {
    check(
        "deposit alice 10 BTC
         deposit bob 1000 USD
         alice oco as pair : sell 4 @ 110 as limit : sell 4 @ 80 when fall 90 as stop
         show alice
         show lists alice
         bob buy 1 @ 110
         show alice
         show lists alice
         alice cancel limit
         show alice
         show lists alice",
        "alice limit: new, 0/4 new
         alice stop: new, 0/4 waiting
         alice: 6 + 4 held BTC, 0 + 0 held USD
         alice has lists pair: limit stop
         bob #3: new, 0/1 new
         alice stop: expired with its list, 0/4 expired
         alice limit: trade 1 1 @ 110 maker fee 0 USD, 1/4 partial
         bob #3: trade 1 1 @ 110 taker fee 0 BTC, 1/1 filled
         alice: 6 + 3 held BTC, 110 + 0 held USD
         alice has lists pair: limit stop
         alice limit: canceled, 1/4 canceled
         alice: 9 + 0 held BTC, 110 + 0 held USD
         alice has lists",
    );
}

#[test]
fn a_pair_of_buyers_holds_what_the_dearer_one_needs() {
    check(
        "deposit alice 1000 USD
         deposit bob 10 BTC
         alice oco : buy 4 @ 90 as limit : buy 4 @ 115 when rise 110 as stop
         show alice
         bob sell 1 @ 80
         show alice
         bob sell 3 @ 90
         show alice
         show lists alice",
        "alice limit: new, 0/4 new
         alice stop: new, 0/4 waiting
         alice: 0 + 0 held BTC, 540 + 460 held USD
         bob #3: new, 0/1 new
         alice stop: expired with its list, 0/4 expired
         alice limit: trade 1 1 @ 90 maker fee 0 BTC, 1/4 partial
         bob #3: trade 1 1 @ 90 taker fee 0 USD, 1/1 filled
         alice: 1 + 0 held BTC, 640 + 270 held USD
         bob #4: new, 0/3 new
         alice limit: trade 2 3 @ 90 maker fee 0 BTC, 4/4 filled
         bob #4: trade 2 3 @ 90 taker fee 0 USD, 3/3 filled
         alice: 4 + 0 held BTC, 640 + 0 held USD
         alice has lists",
    );
}

#[test]
fn the_one_that_is_triggered_takes_the_hold_over() {
    check(
        "deposit alice 1000 USD
         deposit bob 10 BTC
         deposit carol 1000 USD
         alice oco : buy 4 @ 90 as limit : buy 4 @ 108 when rise 110 as stop
         bob sell 1 @ 110
         carol buy 1 @ 110
         show alice
         show orders alice
         bob sell 4 @ 100
         show alice",
        "alice limit: new, 0/4 new
         alice stop: new, 0/4 waiting
         bob #3: new, 0/1 new
         carol #4: new, 0/1 new
         bob #3: trade 1 1 @ 110 maker fee 0 USD, 1/1 filled
         carol #4: trade 1 1 @ 110 taker fee 0 BTC, 1/1 filled
         alice stop: triggered, 0/4 new
         alice limit: expired with its list, 0/4 expired
         alice: 0 + 0 held BTC, 568 + 432 held USD
         alice has stop 0/4 new
         bob #5: new, 0/4 new
         alice stop: trade 2 4 @ 108 maker fee 0 BTC, 4/4 filled
         bob #5: trade 2 4 @ 108 taker fee 0 USD, 4/4 filled
         alice: 4 + 0 held BTC, 568 + 0 held USD",
    );
}

#[test]
fn what_the_one_that_is_triggered_does_not_need_is_released_with_the_other() {
    check(
        "deposit alice 1000 USD
         deposit bob 10 BTC
         deposit carol 1000 USD
         alice oco : buy 4 @ 100 as limit : buy 4 @ 95 when rise 110 as stop
         show alice
         bob sell 1 @ 110
         carol buy 1 @ 110
         show alice
         bob sell 4 @ 95
         carol buy 1 @ 110
         show alice",
        "alice limit: new, 0/4 new
         alice stop: new, 0/4 waiting
         alice: 0 + 0 held BTC, 600 + 400 held USD
         bob #3: new, 0/1 new
         carol #4: new, 0/1 new
         bob #3: trade 1 1 @ 110 maker fee 0 USD, 1/1 filled
         carol #4: trade 1 1 @ 110 taker fee 0 BTC, 1/1 filled
         alice stop: triggered, 0/4 new
         alice limit: expired with its list, 0/4 expired
         alice: 0 + 0 held BTC, 620 + 380 held USD
         bob #5: new, 0/4 new
         alice stop: trade 2 4 @ 95 maker fee 0 BTC, 4/4 filled
         bob #5: trade 2 4 @ 95 taker fee 0 USD, 4/4 filled
         carol #6: new, 0/1 new
         alice: 4 + 0 held BTC, 620 + 0 held USD",
    );
}

#[test]
fn a_market_order_of_a_pair_is_covered_too() {
    check(
        "deposit alice 1000 USD
         deposit bob 10 BTC
         deposit carol 1000 USD
         alice oco : buy 4 @ 90 as limit : buy market 4 when rise 100 as stop
         show alice
         alice reduce limit to 3
         alice reduce stop to 3
         show alice
         bob sell 1 @ 100
         bob sell 9 @ 101
         carol buy 1 @ 100
         show alice",
        "alice limit: new, 0/4 new
         alice stop: new, 0/4 waiting
         alice: 0 + 0 held BTC, 580 + 420 held USD
         alice limit: reduced, 0/3 new
         alice stop: reduced, 0/3 waiting
         alice: 0 + 0 held BTC, 580 + 420 held USD
         bob #3: new, 0/1 new
         bob #4: new, 0/9 new
         carol #5: new, 0/1 new
         bob #3: trade 1 1 @ 100 maker fee 0 USD, 1/1 filled
         carol #5: trade 1 1 @ 100 taker fee 0 BTC, 1/1 filled
         alice stop: triggered, 0/3 new
         alice limit: expired with its list, 0/3 expired
         bob #4: trade 2 3 @ 101 maker fee 0 USD, 3/9 partial
         alice stop: trade 2 3 @ 101 taker fee 0 BTC, 3/3 filled
         alice: 3 + 0 held BTC, 697 + 0 held USD",
    );
}

#[test]
fn both_of_a_pair_may_wait() {
    check(
        "deposit alice 10 BTC
         deposit bob 1000 USD
         deposit carol 10 BTC
         alice oco : sell 2 @ 110 when rise 108 as profit : sell market 2 when fall 90 as loss
         show alice
         bob buy 1 @ 90
         bob buy 9 @ 80
         carol sell 1 @ 90
         show alice
         show lists alice",
        "alice profit: new, 0/2 waiting
         alice loss: new, 0/2 waiting
         alice: 8 + 2 held BTC, 0 + 0 held USD
         bob #3: new, 0/1 new
         bob #4: new, 0/9 new
         carol #5: new, 0/1 new
         bob #3: trade 1 1 @ 90 maker fee 0 BTC, 1/1 filled
         carol #5: trade 1 1 @ 90 taker fee 0 USD, 1/1 filled
         alice loss: triggered, 0/2 new
         alice profit: expired with its list, 0/2 expired
         bob #4: trade 2 2 @ 80 maker fee 0 BTC, 2/9 partial
         alice loss: trade 2 2 @ 80 taker fee 0 USD, 2/2 filled
         alice: 8 + 0 held BTC, 160 + 0 held USD
         alice has lists",
    );
}

#[test]
fn reducing_one_of_a_pair_keeps_what_the_other_needs() {
    check(
        "deposit alice 1000 USD
         alice oco : buy 4 @ 90 as limit : buy 4 @ 110 when rise 110 as stop
         show alice
         alice reduce limit to 1
         show alice
         alice reduce stop to 2
         show alice
         alice reduce stop to 1
         show alice
         alice cancel stop
         show alice",
        "alice limit: new, 0/4 new
         alice stop: new, 0/4 waiting
         alice: 0 + 0 held BTC, 560 + 440 held USD
         alice limit: reduced, 0/1 new
         alice: 0 + 0 held BTC, 560 + 440 held USD
         alice stop: reduced, 0/2 waiting
         alice: 0 + 0 held BTC, 780 + 220 held USD
         alice stop: reduced, 0/1 waiting
         alice: 0 + 0 held BTC, 890 + 110 held USD
         alice stop: canceled, 0/1 canceled
         alice limit: canceled, 0/1 canceled
         alice: 0 + 0 held BTC, 1000 + 0 held USD",
    );
}

#[test]
fn a_list_is_cancelled_by_its_name_or_number_or_any_of_its_orders() {
    check(
        "deposit alice 10 BTC
         alice oco as pair : sell 4 @ 110 as a : sell 4 @ 80 when fall 90 as b
         alice drop pair
         show alice
         alice oco : sell 4 @ 110 as a1 : sell 4 @ 80 when fall 90 as b1
         alice drop #3
         alice oco : sell 4 @ 110 as a2 : sell 4 @ 80 when fall 90 as b2
         alice cancel a2
         alice oto : sell 4 @ 110 as a3 : sell 4 @ 80 as b3
         alice cancel b3
         alice oto : sell 4 @ 110 as a4 : sell 4 @ 80 as b4
         alice drop #9
         alice otp : sell 4 @ 110 as a5 : sell 4 @ 80 as b5 : sell 4 @ 70 when fall 75 as c5
         alice cancel c5
         show lists alice
         show alice",
        "alice a: new, 0/4 new
         alice b: new, 0/4 waiting
         alice a: canceled, 0/4 canceled
         alice b: canceled, 0/4 canceled
         alice: 10 + 0 held BTC, 0 + 0 held USD
         alice a1: new, 0/4 new
         alice b1: new, 0/4 waiting
         alice a1: canceled, 0/4 canceled
         alice b1: canceled, 0/4 canceled
         alice a2: new, 0/4 new
         alice b2: new, 0/4 waiting
         alice a2: canceled, 0/4 canceled
         alice b2: canceled, 0/4 canceled
         alice a3: new, 0/4 new
         alice b3: new, 0/4 pending
         alice b3: canceled, 0/4 canceled
         alice a3: canceled, 0/4 canceled
         alice a4: new, 0/4 new
         alice b4: new, 0/4 pending
         alice b4: canceled, 0/4 canceled
         alice a4: canceled, 0/4 canceled
         alice a5: new, 0/4 new
         alice b5: new, 0/4 pending
         alice c5: new, 0/4 pending
         alice c5: canceled, 0/4 canceled
         alice a5: canceled, 0/4 canceled
         alice b5: canceled, 0/4 canceled
         alice has lists
         alice: 10 + 0 held BTC, 0 + 0 held USD",
    );
}

#[test]
fn what_waits_for_another_takes_part_when_that_is_filled() {
    check(
        "deposit alice 1000 USD
         deposit alice 10 BTC
         deposit bob 10 BTC
         alice oto : buy 4 @ 100 as entry : sell 4 @ 110 as exit
         show orders alice
         show alice
         bob sell 3 @ 100
         show orders alice
         bob sell 1 @ 100
         show orders alice
         show book
         show alice",
        "alice entry: new, 0/4 new
         alice exit: new, 0/4 pending
         alice has entry 0/4 new, exit 0/4 pending
         alice: 6 + 4 held BTC, 600 + 400 held USD
         bob #3: new, 0/3 new
         alice entry: trade 1 3 @ 100 maker fee 0 BTC, 3/4 partial
         bob #3: trade 1 3 @ 100 taker fee 0 USD, 3/3 filled
         alice has entry 3/4 partial, exit 0/4 pending
         bob #4: new, 0/1 new
         alice entry: trade 2 1 @ 100 maker fee 0 BTC, 4/4 filled
         bob #4: trade 2 1 @ 100 taker fee 0 USD, 1/1 filled
         alice exit: triggered, 0/4 new
         alice has exit 0/4 new
         book: buy, sell 4 @ 110
         alice: 10 + 4 held BTC, 600 + 0 held USD",
    );
}

#[test]
fn an_order_that_is_filled_at_once_lets_the_other_take_part_at_once() {
    check(
        "deposit alice 1000 USD
         deposit alice 10 BTC
         deposit bob 10 BTC
         bob sell 4 @ 100
         alice oto : buy 4 @ 100 as entry : sell slide 4 @ 110 as exit
         show lists alice
         show alice",
        "bob #1: new, 0/4 new
         alice entry: new, 0/4 new
         alice exit: new, 0/4 pending @ 110
         bob #1: trade 1 4 @ 100 maker fee 0 USD, 4/4 filled
         alice entry: trade 1 4 @ 100 taker fee 0 BTC, 4/4 filled
         alice exit: triggered, 0/4 new @ 110
         alice has lists #2: entry exit
         alice: 10 + 4 held BTC, 600 + 0 held USD",
    );
}

#[test]
fn a_pending_order_with_a_trigger_waits_twice() {
    check(
        "deposit alice 1000 USD
         deposit alice 10 BTC
         deposit bob 10 BTC
         deposit carol 1000 USD
         alice oto : buy 2 @ 100 as entry : sell market 2 when fall 90 as stop
         bob sell 2 @ 100
         show orders alice
         carol buy 9 @ 90
         bob sell 1 @ 90
         show alice",
        "alice entry: new, 0/2 new
         alice stop: new, 0/2 pending
         bob #3: new, 0/2 new
         alice entry: trade 1 2 @ 100 maker fee 0 BTC, 2/2 filled
         bob #3: trade 1 2 @ 100 taker fee 0 USD, 2/2 filled
         alice stop: triggered, 0/2 waiting
         alice has stop 0/2 waiting
         carol #4: new, 0/9 new
         bob #5: new, 0/1 new
         carol #4: trade 2 1 @ 90 maker fee 0 BTC, 1/9 partial
         bob #5: trade 2 1 @ 90 taker fee 0 USD, 1/1 filled
         alice stop: triggered, 0/2 new
         carol #4: trade 3 2 @ 90 maker fee 0 BTC, 3/9 partial
         alice stop: trade 3 2 @ 90 taker fee 0 USD, 2/2 filled
         alice: 10 + 0 held BTC, 980 + 0 held USD",
    );
}

#[test]
fn an_order_that_triggers_a_pair() {
    check(
        "deposit alice 1000 USD
         deposit alice 10 BTC
         deposit bob 10 BTC
         deposit carol 1000 USD
         alice otp as bracket : buy 2 @ 100 as entry : sell 2 @ 110 as profit : sell 2 @ 85 when fall 90 as loss
         show alice
         show lists alice
         bob sell 2 @ 100
         show orders alice
         carol buy 1 @ 110
         show orders alice
         show alice
         show lists alice",
        "alice entry: new, 0/2 new
         alice profit: new, 0/2 pending
         alice loss: new, 0/2 pending
         alice: 8 + 2 held BTC, 800 + 200 held USD
         alice has lists bracket: entry profit loss
         bob #4: new, 0/2 new
         alice entry: trade 1 2 @ 100 maker fee 0 BTC, 2/2 filled
         bob #4: trade 1 2 @ 100 taker fee 0 USD, 2/2 filled
         alice profit: triggered, 0/2 new
         alice loss: triggered, 0/2 waiting
         alice has profit 0/2 new, loss 0/2 waiting
         carol #5: new, 0/1 new
         alice loss: expired with its list, 0/2 expired
         alice profit: trade 2 1 @ 110 maker fee 0 USD, 1/2 partial
         carol #5: trade 2 1 @ 110 taker fee 0 BTC, 1/1 filled
         alice has profit 1/2 partial
         alice: 10 + 1 held BTC, 910 + 0 held USD
         alice has lists bracket: entry profit loss",
    );
}

#[test]
fn a_pair_that_was_triggered_takes_its_hold_along() {
    check(
        "deposit alice 1000 USD
         deposit bob 20 BTC
         deposit carol 1000 USD
         alice otp : buy 2 @ 100 as entry : buy 2 @ 90 as dip : buy market 2 when rise 110 as breakout
         show alice
         bob sell 2 @ 100
         show alice
         bob sell 1 @ 110
         bob sell 9 @ 112
         carol buy 1 @ 110
         show alice",
        "alice entry: new, 0/2 new
         alice dip: new, 0/2 pending
         alice breakout: new, 0/2 pending
         alice: 0 + 0 held BTC, 568 + 432 held USD
         bob #4: new, 0/2 new
         alice entry: trade 1 2 @ 100 maker fee 0 BTC, 2/2 filled
         bob #4: trade 1 2 @ 100 taker fee 0 USD, 2/2 filled
         alice dip: triggered, 0/2 new
         alice breakout: triggered, 0/2 waiting
         alice: 2 + 0 held BTC, 568 + 232 held USD
         bob #5: new, 0/1 new
         bob #6: new, 0/9 new
         carol #7: new, 0/1 new
         bob #5: trade 2 1 @ 110 maker fee 0 USD, 1/1 filled
         carol #7: trade 2 1 @ 110 taker fee 0 BTC, 1/1 filled
         alice breakout: triggered, 0/2 new
         alice dip: expired with its list, 0/2 expired
         bob #6: trade 3 2 @ 112 maker fee 0 USD, 2/9 partial
         alice breakout: trade 3 2 @ 112 taker fee 0 BTC, 2/2 filled
         alice: 4 + 0 held BTC, 576 + 0 held USD",
    );
}

#[test]
fn what_waits_for_another_lapses_with_it() {
    check(
        "deposit alice 1000 USD
         deposit alice 10 BTC
         alice otp : buy 2 @ 100 until 10 as entry : sell 2 @ 110 as profit : sell 2 @ 85 when fall 90 as loss
         show alice
         sleep 20
         advance
         show alice
         show lists alice",
        "alice entry: new, 0/2 new
         alice profit: new, 0/2 pending
         alice loss: new, 0/2 pending
         alice: 8 + 2 held BTC, 800 + 200 held USD
         alice entry: expired at its time, 0/2 expired
         alice profit: expired with its list, 0/2 expired
         alice loss: expired with its list, 0/2 expired
         alice: 10 + 0 held BTC, 1000 + 0 held USD
         alice has lists",
    );
}

#[test]
fn a_pair_ends_when_the_time_of_one_is_over() {
    check(
        "deposit alice 1000 USD
         alice oco : buy 2 @ 100 until 10 as limit : buy 2 @ 120 when rise 115 as stop
         alice oco : buy 1 @ 100 as limit2 : buy 1 @ 120 when rise 115 until 12 as stop2
         show alice
         sleep 20
         advance
         show alice",
        "alice limit: new, 0/2 new
         alice stop: new, 0/2 waiting
         alice limit2: new, 0/1 new
         alice stop2: new, 0/1 waiting
         alice: 0 + 0 held BTC, 640 + 360 held USD
         alice limit: expired at its time, 0/2 expired
         alice stop: expired with its list, 0/2 expired
         alice stop2: expired at its time, 0/1 expired
         alice limit2: expired with its list, 0/1 expired
         alice: 0 + 0 held BTC, 1000 + 0 held USD",
    );
}

#[test]
fn a_list_is_refused_whole_by_the_book_too() {
    check(
        "deposit alice 1000 USD
         deposit alice 10 BTC
         deposit bob 100 BTC
         bob sell 1 @ 100
         alice oco as pair : buy post 4 @ 100 as a : buy 4 @ 120 when rise 110 as b
         show alice
         alice buy 1 @ 100
         // 100 has been reached: nothing of it may wait for that.
         alice oco as pair : buy post 4 @ 90 as a : buy 4 @ 120 when rise 100 as b
         alice oco as pair : buy post 4 @ 90 as a : buy 4 @ 120 when rise 101 as b
         show lists alice
         enter halted
         alice oco : buy post 1 @ 90 as c : buy 1 @ 120 when rise 101 as d
         show alice",
        "bob #1: new, 0/1 new
         alice a: rejected would_match, 0/4 rejected
         alice b: rejected would_match, 0/4 rejected
         #2: list rejected would_match
         alice: 10 + 0 held BTC, 1000 + 0 held USD
         alice #4: new, 0/1 new
         bob #1: trade 1 1 @ 100 maker fee 0 USD, 1/1 filled
         alice #4: trade 1 1 @ 100 taker fee 0 BTC, 1/1 filled
         alice a: rejected would_trigger, 0/4 rejected
         alice b: rejected would_trigger, 0/4 rejected
         #5: list rejected would_trigger
         alice a: new, 0/4 new
         alice b: new, 0/4 waiting
         alice has lists pair: a b
         market: entered Halted
         alice c: rejected market_closed, 0/1 rejected
         alice d: rejected market_closed, 0/1 rejected
         #9: list rejected market_closed
         alice: 11 + 0 held BTC, 420 + 480 held USD",
    );
}

#[test]
fn a_replaced_order_takes_its_list_along() {
    check(
        "deposit alice 1000 USD
         alice oco as pair : buy 4 @ 90 as a : buy 4 @ 110 when rise 110 as b
         show alice
         alice replace a with buy 11 @ 90 as c
         show alice
         alice replace a with buy 10 @ 90 as c
         show alice
         show lists alice",
        "alice a: new, 0/4 new
         alice b: new, 0/4 waiting
         alice: 0 + 0 held BTC, 560 + 440 held USD
         alice: rejected insufficient_balance
         alice: 0 + 0 held BTC, 560 + 440 held USD
         alice a: canceled, 0/4 canceled
         alice b: canceled, 0/4 canceled
         alice c: new, 0/10 new
         alice: 0 + 0 held BTC, 100 + 900 held USD
         alice has lists",
    );
}

#[test]
fn a_list_that_is_gone_in_the_book_is_not_cancelled_again() {
    check(
        "deposit alice 1000 USD
         deposit bob 10 BTC
         alice oco as pair : buy 4 @ 90 as a : buy 4 @ 110 when rise 110 as b
         hold
         bob sell 4 @ 90
         alice drop pair
         deliver
         alice drop pair",
        "alice a: new, 0/4 new
         alice b: new, 0/4 waiting
         bob #3: new, 0/4 new
         alice b: expired with its list, 0/4 expired
         alice a: trade 1 4 @ 90 maker fee 0 BTC, 4/4 filled
         bob #3: trade 1 4 @ 90 taker fee 0 USD, 4/4 filled
         #1: cancel rejected order_already_final
         alice: rejected unknown_list",
    );
}

#[test]
fn a_list_is_cancelled_even_while_its_first_order_is_being_filled() {
    check(
        "deposit alice 1000 USD
         deposit alice 10 BTC
         deposit bob 10 BTC
         alice oto as pair : buy 4 @ 90 as entry : sell 4 @ 110 as exit
         hold
         bob sell 4 @ 90
         alice drop pair
         deliver
         show alice",
        "alice entry: new, 0/4 new
         alice exit: new, 0/4 pending
         bob #3: new, 0/4 new
         alice entry: trade 1 4 @ 90 maker fee 0 BTC, 4/4 filled
         bob #3: trade 1 4 @ 90 taker fee 0 USD, 4/4 filled
         alice exit: triggered, 0/4 new
         alice exit: canceled, 0/4 canceled
         alice: 14 + 0 held BTC, 640 + 0 held USD",
    );
}

#[test]
fn a_pending_market_order_may_cost_what_the_one_before_it_does() {
    check(
        "deposit alice 1000 USD
         deposit alice 10 BTC
         deposit bob 1000 USD
         deposit carol 10 BTC
         alice oto : sell 2 @ 100 as exit : buy market 2 as back
         show alice
         bob buy 1 @ 100
         carol sell 9 @ 103
         bob buy 1 @ 100
         show alice",
        "alice exit: new, 0/2 new
         alice back: new, 0/2 pending
         alice: 8 + 2 held BTC, 790 + 210 held USD
         bob #3: new, 0/1 new
         alice exit: trade 1 1 @ 100 maker fee 0 USD, 1/2 partial
         bob #3: trade 1 1 @ 100 taker fee 0 BTC, 1/1 filled
         carol #4: new, 0/9 new
         bob #5: new, 0/1 new
         alice exit: trade 2 1 @ 100 maker fee 0 USD, 2/2 filled
         bob #5: trade 2 1 @ 100 taker fee 0 BTC, 1/1 filled
         alice back: triggered, 0/2 new
         carol #4: trade 3 2 @ 103 maker fee 0 USD, 2/9 partial
         alice back: trade 3 2 @ 103 taker fee 0 BTC, 2/2 filled
         alice: 10 + 0 held BTC, 994 + 0 held USD",
    );
}

#[test]
fn a_triggered_partner_that_finds_nobody_lapses() {
    check(
        "deposit alice 1000 USD
         deposit bob 10 BTC
         deposit carol 1000 USD
         alice oco : buy 4 @ 90 as limit : buy market 4 when rise 100 as stop
         bob sell 1 @ 100
         carol buy 1 @ 100
         show alice",
        "alice limit: new, 0/4 new
         alice stop: new, 0/4 waiting
         bob #3: new, 0/1 new
         carol #4: new, 0/1 new
         bob #3: trade 1 1 @ 100 maker fee 0 USD, 1/1 filled
         carol #4: trade 1 1 @ 100 taker fee 0 BTC, 1/1 filled
         alice stop: triggered, 0/4 new
         alice limit: expired with its list, 0/4 expired
         alice stop: expired for want of liquidity, 0/4 expired
         alice: 0 + 0 held BTC, 1000 + 0 held USD",
    );
}

#[test]
fn prevention_ends_a_pair_like_anything_else() {
    check(
        "deposit alice 1000 USD
         deposit alice 10 BTC
         alice oco : buy 4 @ 90 as limit : buy 4 @ 110 when rise 110 as stop
         alice sell 1 @ 90 decrement
         show alice
         alice sell 3 @ 90 expire-both
         show alice
         show lists alice",
        "alice limit: new, 0/4 new
         alice stop: new, 0/4 waiting
         alice #3: new, 0/1 new
         alice #3: loses 1 with #1, 0/1 less 1 new
         alice limit: loses 1 with #3, 0/4 less 1 new
         alice #3: expired before a self-trade, 0/1 less 1 expired in match
         alice: 10 + 0 held BTC, 560 + 440 held USD
         alice #4: new, 0/3 new
         alice limit: expired before a self-trade, 0/4 less 1 expired in match
         alice stop: expired with its list, 0/4 expired
         alice #4: expired before a self-trade, 0/3 expired in match
         alice: 10 + 0 held BTC, 1000 + 0 held USD
         alice has lists",
    );
}
