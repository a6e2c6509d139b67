//! Phases and auctions, ends of orders, and cancels of many.

use super::check;

#[test]
fn an_auction_settles_two_resting_orders() {
    check(
        "fees 100 200
         deposit alice 1000 USD
         deposit bob 20 BTC
         deposit carol 20 BTC
         show phase
         enter preopen
         show phase
         alice buy 5 @ 60 as a
         bob sell 3 @ 50 as b
         carol sell 4 @ 40 as c
         carol sell post 4 @ 40
         carol sell ioc 4 @ 40
         show book
         enter auction
         show alice
         enter continuous
         show alice
         show bob
         show carol
         show phase
         show book",
        "phase: Continuous
         market: entered PreOpen
         phase: PreOpen
         alice a: new, 0/5 new
         bob b: new, 0/3 new
         carol c: new, 0/4 new
         carol #4: rejected market_closed, 0/4 rejected
         carol #5: rejected market_closed, 0/4 rejected
         book: buy 5 @ 60, sell 4 @ 40 3 @ 50
         market: entered Auction
         alice: 0 + 0 held BTC, 700 + 300 held USD
         alice a: trade 1 4 @ 50 maker fee 1 BTC, 4/5 partial
         carol c: trade 1 4 @ 50 taker fee 4 USD, 4/4 filled
         alice a: trade 2 1 @ 50 maker fee 0 BTC, 5/5 filled
         bob b: trade 2 1 @ 50 taker fee 1 USD, 1/3 partial
         market: entered Continuous
         alice: 4 + 0 held BTC, 750 + 0 held USD
         bob: 17 + 2 held BTC, 49 + 0 held USD
         carol: 16 + 0 held BTC, 196 + 0 held USD
         phase: Continuous
         book: buy, sell 2 @ 50",
    );
}

#[test]
fn an_order_that_had_lost_a_part_ends_in_the_auction_as_in_any_match() {
    check(
        "deposit alice 1000 USD
         deposit alice 20 BTC
         deposit bob 20 BTC
         alice buy 4 @ 60 decrement as a
         bob sell 1 @ 70
         alice sell 2 @ 50 decrement as own
         show alice
         enter preopen
         alice buy 3 @ 60 as d
         alice reduce a to 3
         bob sell 3 @ 55 as b
         enter continuous
         show alice
         show book",
        "alice a: new, 0/4 new
         bob #2: new, 0/1 new
         alice own: new, 0/2 new
         alice own: loses 2 with #1, 0/2 less 2 new
         alice a: loses 2 with #3, 0/4 less 2 new
         alice own: expired before a self-trade, 0/2 less 2 expired in match
         alice: 20 + 0 held BTC, 880 + 120 held USD
         market: entered PreOpen
         alice d: new, 0/3 new
         alice a: reduced, 0/3 less 2 new
         bob b: new, 0/3 new
         alice a: trade 1 1 @ 60 maker fee 0 BTC, 1/3 less 2 partial
         alice a: expired before a self-trade, 1/3 less 2 expired in match
         bob b: trade 1 1 @ 60 taker fee 0 USD, 1/3 partial
         alice d: trade 2 2 @ 60 maker fee 0 BTC, 2/3 partial
         bob b: trade 2 2 @ 60 taker fee 0 USD, 3/3 filled
         market: entered Continuous
         alice: 23 + 0 held BTC, 760 + 60 held USD
         book: buy 1 @ 60, sell 1 @ 70",
    );
}

#[test]
fn what_is_due_comes_before_the_command() {
    check(
        "deposit alice 1000 USD
         deposit bob 20 BTC
         enter auction until 20
         alice buy 5 @ 60 as a
         alice buy 1 @ 40 day 1000 as day
         alice buy 1 @ 41 until 15 as short
         bob sell 5 @ 55 as b
         sleep 30
         show phase
         advance
         show phase
         enter closed
         show alice
         alice buy 1 @ 1
         alice cancel all",
        "market: entered Auction
         alice a: new, 0/5 new
         alice day: new, 0/1 new
         alice short: new, 0/1 new
         bob b: new, 0/5 new
         phase: Auction
         alice short: expired at its time, 0/1 expired
         alice a: trade 1 5 @ 55 maker fee 0 BTC, 5/5 filled
         bob b: trade 1 5 @ 55 taker fee 0 USD, 5/5 filled
         phase: Continuous
         alice day: expired at its time, 0/1 expired
         market: entered Closed
         alice: 5 + 0 held BTC, 725 + 0 held USD
         alice #5: rejected market_closed, 0/1 rejected
         alice: rejected unknown_order",
    );
}

#[test]
fn a_band_turns_trading_into_an_auction() {
    check(
        "deposit alice 1000 USD
         deposit bob 20 BTC
         protect static 1000 for 10 at 100
         bob sell 1 @ 105
         bob sell 5 @ 120
         alice buy ioc 3 @ 130 as ioc
         show phase
         show alice
         sleep 20
         alice buy 3 @ 130 as rests
         show phase
         show alice
         show orders alice
         sleep 20
         advance
         show phase
         show alice",
        "market: protected
         bob #1: new, 0/1 new
         bob #2: new, 0/5 new
         alice ioc: new, 0/3 new
         bob #1: trade 1 1 @ 105 maker fee 0 USD, 1/1 filled
         alice ioc: trade 1 1 @ 105 taker fee 0 BTC, 1/3 partial
         alice ioc: expired before an interruption, 1/3 expired
         phase: Auction
         alice: 1 + 0 held BTC, 895 + 0 held USD
         alice rests: new, 0/3 new
         phase: Auction
         alice: 1 + 0 held BTC, 505 + 390 held USD
         alice has rests 0/3 new
         bob #2: trade 2 3 @ 120 maker fee 0 USD, 3/5 partial
         alice rests: trade 2 3 @ 120 taker fee 0 BTC, 3/3 filled
         phase: Continuous
         alice: 4 + 0 held BTC, 535 + 0 held USD",
    );
}

#[test]
fn a_list_takes_part_in_an_auction() {
    check(
        "deposit alice 1000 USD
         deposit alice 20 BTC
         deposit bob 20 BTC
         deposit carol 1000 USD
         alice oco : buy 4 @ 90 as limit : buy 4 @ 110 when rise 110 as stop
         enter auction
         bob sell 1 @ 85
         show alice
         enter continuous
         show alice
         enter halted
         alice cancel limit
         enter cancelonly
         alice buy 1 @ 1
         enter closed
         show alice",
        "alice limit: new, 0/4 new
         alice stop: new, 0/4 waiting
         market: entered Auction
         bob #3: new, 0/1 new
         alice: 20 + 0 held BTC, 560 + 440 held USD
         alice stop: expired with its list, 0/4 expired
         alice limit: trade 1 1 @ 90 maker fee 0 BTC, 1/4 partial
         bob #3: trade 1 1 @ 90 taker fee 0 USD, 1/1 filled
         market: entered Continuous
         alice: 21 + 0 held BTC, 640 + 270 held USD
         market: entered Halted
         alice limit: canceled, 1/4 canceled
         market: entered CancelOnly
         alice #4: rejected market_closed, 0/1 rejected
         market: entered Closed
         alice: 21 + 0 held BTC, 910 + 0 held USD",
    );
}

#[test]
fn many_are_cancelled_by_account_side_and_mark() {
    check(
        "deposit alice 1000 USD
         deposit alice 20 BTC
         deposit bob 20 BTC
         alice buy 1 @ 10 mark 7 as a
         alice buy 1 @ 11 as b
         alice sell 1 @ 90 mark 7 as c
         bob sell 1 @ 95 mark 7 as d
         bob sell 1 @ 96 as e
         alice cancel many buy mark 7
         operator cancel many mark 7
         nobody cancel many
         carol cancel many
         operator cancel many sell
         operator cancel many buy mark 9
         alice oco : buy 4 @ 90 mark 5 as limit : buy 4 @ 110 when rise 110 mark 5 as stop
         operator cancel many
         operator cancel many
         show alice",
        "alice a: new, 0/1 new
         alice b: new, 0/1 new
         alice c: new, 0/1 new
         bob d: new, 0/1 new
         bob e: new, 0/1 new
         alice a: canceled, 0/1 canceled
         alice c: canceled, 0/1 canceled
         bob d: canceled, 0/1 canceled
         nobody: rejected unknown_account
         carol: rejected unknown_order
         bob e: canceled, 0/1 canceled
         operator: rejected unknown_order
         alice limit: new, 0/4 new
         alice stop: new, 0/4 waiting
         alice b: canceled, 0/1 canceled
         alice limit: canceled, 0/4 canceled
         alice stop: canceled, 0/4 canceled
         operator: rejected unknown_order
         alice: 20 + 0 held BTC, 1000 + 0 held USD",
    );
}

#[test]
fn orders_end_at_their_time() {
    check(
        "deposit alice 1000 USD
         deposit bob 20 BTC
         deposit carol 20 BTC
         alice buy 5 @ 60 until 8 as a
         alice buy 5 @ 50 day 9 as b
         alice buy 3 @ 90 when rise 90 until 100 as w
         sleep 10
         carol sell 5 @ 50
         show alice
         show lists alice
         alice buy 1 @ 10 until 14 as late
         alice buy 1 @ 10 until 17 as ok
         show orders alice",
        "alice a: new, 0/5 new
         alice b: new, 0/5 new
         alice w: new, 0/3 waiting
         alice a: expired at its time, 0/5 expired
         alice b: expired at its time, 0/5 expired
         carol #4: new, 0/5 new
         alice: 0 + 0 held BTC, 730 + 270 held USD
         alice has lists
         alice: rejected already_expired
         alice: rejected already_expired
         alice has w 0/3 waiting",
    );
}

#[test]
fn a_taker_of_an_auction_that_had_lost_a_part_ends_there_too() {
    check(
        "deposit alice 1000 USD
         deposit alice 20 BTC
         deposit bob 20 BTC
         protect static 1000 for 10 at 100
         alice sell 2 @ 100 as own
         bob sell 1 @ 120 as his
         alice buy 3 @ 130 decrement as x
         show alice
         show phase
         sleep 20
         advance
         show alice
         show phase",
        "market: protected
         alice own: new, 0/2 new
         bob his: new, 0/1 new
         alice x: new, 0/3 new
         alice x: loses 2 with #1, 0/3 less 2 new
         alice own: loses 2 with #3, 0/2 less 2 new
         alice own: expired before a self-trade, 0/2 less 2 expired in match
         alice: 20 + 0 held BTC, 870 + 130 held USD
         phase: Auction
         bob his: trade 1 1 @ 120 maker fee 0 USD, 1/1 filled
         alice x: trade 1 1 @ 120 taker fee 0 BTC, 1/3 less 2 partial
         alice x: expired before a self-trade, 1/3 less 2 expired in match
         alice: 21 + 0 held BTC, 880 + 0 held USD
         phase: Continuous",
    );
}

#[test]
fn what_is_due_is_told_before_what_came_late() {
    check(
        "deposit alice 1000 USD
         deposit bob 20 BTC
         enter auction until 12
         alice buy 5 @ 60 as a
         alice buy 2 @ 58 when fall 57 as w
         bob sell 3 @ 55 as b
         alice buy 1 @ 41 until 11 as short
         hold
         sleep 10
         alice cancel a
         deliver
         show alice
         show phase",
        "market: entered Auction
         alice a: new, 0/5 new
         alice w: new, 0/2 waiting
         bob b: new, 0/3 new
         alice short: new, 0/1 new
         alice short: expired at its time, 0/1 expired
         alice a: trade 1 3 @ 60 maker fee 0 BTC, 3/5 partial
         bob b: trade 1 3 @ 60 taker fee 0 USD, 3/3 filled
         alice a: canceled, 3/5 canceled
         alice: 3 + 0 held BTC, 704 + 116 held USD
         phase: Continuous",
    );
}
