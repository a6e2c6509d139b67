//! Orders that wait for the price.

use super::check;

#[test]
fn a_stop_waits_for_its_price_and_then_trades() {
    check(
        "deposit alice 10 BTC
         deposit bob 1000 USD
         deposit carol 10 BTC
         bob buy 5 @ 90
         bob buy 1 @ 100
         alice sell 3 @ 80 when fall 100 as stop
         show alice
         show orders alice
         show book
         carol sell 1 @ 100
         show alice",
        "bob #1: new, 0/5 new
         bob #2: new, 0/1 new
         alice stop: new, 0/3 waiting
         alice: 7 + 3 held BTC, 0 + 0 held USD
         alice has stop 0/3 waiting
         book: buy 1 @ 100 5 @ 90, sell
         carol #4: new, 0/1 new
         bob #2: trade 1 1 @ 100 maker fee 0 BTC, 1/1 filled
         carol #4: trade 1 1 @ 100 taker fee 0 USD, 1/1 filled
         alice stop: triggered, 0/3 new
         bob #1: trade 2 3 @ 90 maker fee 0 BTC, 3/5 partial
         alice stop: trade 2 3 @ 90 taker fee 0 USD, 3/3 filled
         alice: 7 + 0 held BTC, 270 + 0 held USD",
    );
}

#[test]
fn a_take_profit_that_does_not_find_its_limit_rests() {
    check(
        "deposit alice 10 BTC
         deposit bob 1000 USD
         deposit carol 10 BTC
         bob buy 1 @ 100
         alice sell 3 @ 110 when rise 100 as profit
         carol sell 1 @ 100
         show orders alice
         show book",
        "bob #1: new, 0/1 new
         alice profit: new, 0/3 waiting
         carol #3: new, 0/1 new
         bob #1: trade 1 1 @ 100 maker fee 0 BTC, 1/1 filled
         carol #3: trade 1 1 @ 100 taker fee 0 USD, 1/1 filled
         alice profit: triggered, 0/3 new
         alice has profit 0/3 new
         book: buy, sell 3 @ 110",
    );
}

#[test]
fn a_market_order_that_waits_holds_five_percent_more_than_its_trigger_price() {
    // Three times 105, not 100.
    check(
        "deposit alice 1000 USD
         deposit bob 10 BTC
         deposit carol 1000 USD
         bob sell 1 @ 100
         bob sell 5 @ 101
         alice buy market 3 when rise 100 as stop
         show alice
         carol buy 1 @ 100
         show alice",
        "bob #1: new, 0/1 new
         bob #2: new, 0/5 new
         alice stop: new, 0/3 waiting
         alice: 0 + 0 held BTC, 685 + 315 held USD
         carol #4: new, 0/1 new
         bob #1: trade 1 1 @ 100 maker fee 0 USD, 1/1 filled
         carol #4: trade 1 1 @ 100 taker fee 0 BTC, 1/1 filled
         alice stop: triggered, 0/3 new
         bob #2: trade 2 3 @ 101 maker fee 0 USD, 3/5 partial
         alice stop: trade 2 3 @ 101 taker fee 0 BTC, 3/3 filled
         alice: 3 + 0 held BTC, 697 + 0 held USD",
    );
}

#[test]
fn a_market_order_whose_budget_runs_out_lapses() {
    check(
        "deposit alice 1000 USD
         deposit bob 10 BTC
         deposit carol 1000 USD
         bob sell 1 @ 100
         bob sell 2 @ 101
         bob sell 5 @ 120
         alice buy market 3 when rise 100 as stop
         carol buy 1 @ 100
         show alice
         show book",
        "bob #1: new, 0/1 new
         bob #2: new, 0/2 new
         bob #3: new, 0/5 new
         alice stop: new, 0/3 waiting
         carol #5: new, 0/1 new
         bob #1: trade 1 1 @ 100 maker fee 0 USD, 1/1 filled
         carol #5: trade 1 1 @ 100 taker fee 0 BTC, 1/1 filled
         alice stop: triggered, 0/3 new
         bob #2: trade 2 2 @ 101 maker fee 0 USD, 2/2 filled
         alice stop: trade 2 2 @ 101 taker fee 0 BTC, 2/3 partial
         alice stop: expired for want of liquidity, 2/3 expired
         alice: 2 + 0 held BTC, 798 + 0 held USD
         book: buy, sell 5 @ 120",
    );
}

#[test]
fn a_market_order_to_sell_is_not_bounded_and_holds_what_it_sells() {
    check(
        "deposit alice 10 BTC
         deposit bob 1000 USD
         deposit carol 10 BTC
         bob buy 1 @ 100
         bob buy 2 @ 1
         alice sell market 4 when fall 100 as stop
         show alice
         carol sell 1 @ 100
         show alice",
        "bob #1: new, 0/1 new
         bob #2: new, 0/2 new
         alice stop: new, 0/4 waiting
         alice: 6 + 4 held BTC, 0 + 0 held USD
         carol #4: new, 0/1 new
         bob #1: trade 1 1 @ 100 maker fee 0 BTC, 1/1 filled
         carol #4: trade 1 1 @ 100 taker fee 0 USD, 1/1 filled
         alice stop: triggered, 0/4 new
         bob #2: trade 2 2 @ 1 maker fee 0 BTC, 2/2 filled
         alice stop: trade 2 2 @ 1 taker fee 0 USD, 2/4 partial
         alice stop: expired for want of liquidity, 2/4 expired
         alice: 8 + 0 held BTC, 2 + 0 held USD",
    );
}

#[test]
fn a_trailing_stop_follows_the_highest_price() {
    // A tenth below 120 is 108; at 109 it still waits.
    check(
        "deposit alice 10 BTC
         deposit bob 1000 USD
         deposit carol 10 BTC
         alice sell market 2 trail fall 1000 as trailing
         bob buy 1 @ 100
         carol sell 1 @ 100
         bob buy 1 @ 120
         carol sell 1 @ 120
         bob buy 1 @ 109
         carol sell 1 @ 109
         show orders alice
         bob buy 1 @ 108
         bob buy 5 @ 107
         carol sell 1 @ 108",
        "alice trailing: new, 0/2 waiting
         bob #2: new, 0/1 new
         carol #3: new, 0/1 new
         bob #2: trade 1 1 @ 100 maker fee 0 BTC, 1/1 filled
         carol #3: trade 1 1 @ 100 taker fee 0 USD, 1/1 filled
         bob #4: new, 0/1 new
         carol #5: new, 0/1 new
         bob #4: trade 2 1 @ 120 maker fee 0 BTC, 1/1 filled
         carol #5: trade 2 1 @ 120 taker fee 0 USD, 1/1 filled
         bob #6: new, 0/1 new
         carol #7: new, 0/1 new
         bob #6: trade 3 1 @ 109 maker fee 0 BTC, 1/1 filled
         carol #7: trade 3 1 @ 109 taker fee 0 USD, 1/1 filled
         alice has trailing 0/2 waiting
         bob #8: new, 0/1 new
         bob #9: new, 0/5 new
         carol #10: new, 0/1 new
         bob #8: trade 4 1 @ 108 maker fee 0 BTC, 1/1 filled
         carol #10: trade 4 1 @ 108 taker fee 0 USD, 1/1 filled
         alice trailing: triggered, 0/2 new
         bob #9: trade 5 2 @ 107 maker fee 0 BTC, 2/5 partial
         alice trailing: trade 5 2 @ 107 taker fee 0 USD, 2/2 filled",
    );
}

#[test]
fn a_trailing_buy_follows_the_lowest_price_from_its_activation_on() {
    // It may cost the activation price, a tenth and five percent more: 90, 99, 104.
    check(
        "deposit alice 1000 USD
         deposit bob 10 BTC
         deposit carol 1000 USD
         alice buy market 2 trail rise 1000 after fall 90 as trailing
         show alice
         bob sell 1 @ 100
         carol buy 1 @ 100
         bob sell 1 @ 80
         carol buy 1 @ 80
         bob sell 1 @ 87
         carol buy 1 @ 87
         show orders alice
         bob sell 3 @ 88
         carol buy 1 @ 88
         show alice",
        "alice trailing: new, 0/2 waiting
         alice: 0 + 0 held BTC, 792 + 208 held USD
         bob #2: new, 0/1 new
         carol #3: new, 0/1 new
         bob #2: trade 1 1 @ 100 maker fee 0 USD, 1/1 filled
         carol #3: trade 1 1 @ 100 taker fee 0 BTC, 1/1 filled
         bob #4: new, 0/1 new
         carol #5: new, 0/1 new
         bob #4: trade 2 1 @ 80 maker fee 0 USD, 1/1 filled
         carol #5: trade 2 1 @ 80 taker fee 0 BTC, 1/1 filled
         bob #6: new, 0/1 new
         carol #7: new, 0/1 new
         bob #6: trade 3 1 @ 87 maker fee 0 USD, 1/1 filled
         carol #7: trade 3 1 @ 87 taker fee 0 BTC, 1/1 filled
         alice has trailing 0/2 waiting
         bob #8: new, 0/3 new
         carol #9: new, 0/1 new
         bob #8: trade 4 1 @ 88 maker fee 0 USD, 1/3 partial
         carol #9: trade 4 1 @ 88 taker fee 0 BTC, 1/1 filled
         alice trailing: triggered, 0/2 new
         bob #8: trade 5 2 @ 88 maker fee 0 USD, 3/3 filled
         alice trailing: trade 5 2 @ 88 taker fee 0 BTC, 2/2 filled
         alice: 2 + 0 held BTC, 824 + 0 held USD",
    );
}

#[test]
fn a_stop_may_fire_another() {
    check(
        "deposit alice 10 BTC
         deposit bob 1000 USD
         deposit carol 10 BTC
         bob buy 1 @ 100
         bob buy 1 @ 90
         bob buy 1 @ 80
         alice sell market 1 when fall 100 as first
         alice sell ioc 2 @ 70 when fall 90 as second
         carol sell 1 @ 100
         show alice
         show book",
        "bob #1: new, 0/1 new
         bob #2: new, 0/1 new
         bob #3: new, 0/1 new
         alice first: new, 0/1 waiting
         alice second: new, 0/2 waiting
         carol #6: new, 0/1 new
         bob #1: trade 1 1 @ 100 maker fee 0 BTC, 1/1 filled
         carol #6: trade 1 1 @ 100 taker fee 0 USD, 1/1 filled
         alice first: triggered, 0/1 new
         bob #2: trade 2 1 @ 90 maker fee 0 BTC, 1/1 filled
         alice first: trade 2 1 @ 90 taker fee 0 USD, 1/1 filled
         alice second: triggered, 0/2 new
         bob #3: trade 3 1 @ 80 maker fee 0 BTC, 1/1 filled
         alice second: trade 3 1 @ 80 taker fee 0 USD, 1/2 partial
         alice second: expired as ioc, 1/2 expired
         alice: 8 + 0 held BTC, 170 + 0 held USD
         book: buy, sell",
    );
}

#[test]
fn a_waiting_order_is_reduced_and_cancelled_like_another() {
    check(
        "deposit alice 10 BTC
         deposit alice 1000 USD
         alice sell 5 @ 80 when fall 90 as sell
         alice buy market 5 when rise 100 as buy
         show alice
         alice reduce sell to 2
         alice reduce buy to 2
         show alice
         alice cancel sell if partial
         alice cancel sell if new
         alice cancel buy
         show alice",
        "alice sell: new, 0/5 waiting
         alice buy: new, 0/5 waiting
         alice: 5 + 5 held BTC, 475 + 525 held USD
         alice sell: reduced, 0/2 waiting
         alice buy: reduced, 0/2 waiting
         alice: 8 + 2 held BTC, 475 + 525 held USD
         #1: cancel rejected cancel_restricted
         alice sell: canceled, 0/2 canceled
         alice buy: canceled, 0/2 canceled
         alice: 10 + 0 held BTC, 1000 + 0 held USD",
    );
}

#[test]
fn a_reduced_market_order_that_waited_can_still_pay() {
    check(
        "deposit alice 1000 USD
         deposit bob 10 BTC
         deposit carol 1000 USD
         alice buy market 5 when rise 100 as buy
         alice reduce buy to 2
         bob sell 5 @ 100
         carol buy 1 @ 100
         show alice",
        "alice buy: new, 0/5 waiting
         alice buy: reduced, 0/2 waiting
         bob #2: new, 0/5 new
         carol #3: new, 0/1 new
         bob #2: trade 1 1 @ 100 maker fee 0 USD, 1/5 partial
         carol #3: trade 1 1 @ 100 taker fee 0 BTC, 1/1 filled
         alice buy: triggered, 0/2 new
         bob #2: trade 2 2 @ 100 maker fee 0 USD, 3/5 partial
         alice buy: trade 2 2 @ 100 taker fee 0 BTC, 2/2 filled
         alice: 2 + 0 held BTC, 800 + 0 held USD",
    );
}

#[test]
fn a_replacement_may_wait() {
    check(
        "deposit alice 100 USD
         deposit bob 10 BTC
         deposit carol 1000 USD
         alice buy 10 @ 10 as x
         alice replace x with buy 9 @ 11 when rise 10 as y
         show alice
         alice replace y with buy 8 @ 12 as z
         show alice
         bob sell 1 @ 12
         alice replace z with buy 5 @ 12 when rise 12 as w
         show alice
         show book",
        "alice x: new, 0/10 new
         alice x: canceled, 0/10 canceled
         alice y: new, 0/9 waiting
         alice: 0 + 0 held BTC, 1 + 99 held USD
         alice y: canceled, 0/9 canceled
         alice z: new, 0/8 new
         alice: 0 + 0 held BTC, 4 + 96 held USD
         bob #4: new, 0/1 new
         alice z: trade 1 1 @ 12 maker fee 0 BTC, 1/8 partial
         bob #4: trade 1 1 @ 12 taker fee 0 USD, 1/1 filled
         alice z: canceled, 1/8 canceled
         alice w: rejected would_trigger, 0/5 rejected
         alice: 1 + 0 held BTC, 88 + 0 held USD
         book: buy, sell",
    );
}

#[test]
fn a_triggered_order_does_not_trade_with_its_own_account_either() {
    check(
        "deposit alice 10 BTC
         deposit alice 1000 USD
         deposit bob 1000 USD
         deposit carol 10 BTC
         bob buy 1 @ 100
         alice buy 2 @ 100 as mine
         alice sell 3 @ 90 when fall 100 decrement as stop
         bob buy 1 @ 95
         carol sell 1 @ 100
         show alice",
        "bob #1: new, 0/1 new
         alice mine: new, 0/2 new
         alice stop: new, 0/3 waiting
         bob #4: new, 0/1 new
         carol #5: new, 0/1 new
         bob #1: trade 1 1 @ 100 maker fee 0 BTC, 1/1 filled
         carol #5: trade 1 1 @ 100 taker fee 0 USD, 1/1 filled
         alice stop: triggered, 0/3 new
         alice stop: loses 2 with #2, 0/3 less 2 new
         alice mine: loses 2 with #3, 0/2 less 2 new
         alice mine: expired before a self-trade, 0/2 less 2 expired in match
         bob #4: trade 2 1 @ 95 maker fee 0 BTC, 1/1 filled
         alice stop: trade 2 1 @ 95 taker fee 0 USD, 1/3 less 2 partial
         alice stop: expired before a self-trade, 1/3 less 2 expired in match
         alice: 9 + 0 held BTC, 1095 + 0 held USD",
    );
}

#[test]
fn more_stops_than_one_command_may_trigger_all_have_their_turn() {
    use crate::book::CASCADE_MAX;
    let stops = CASCADE_MAX + 6;
    let mut scenario = "deposit alice 1000 BTC\n deposit bob 1000 USD\n deposit carol 10 BTC\n".to_owned();
    let mut expected = String::new();
    for id in 1..=stops {
        scenario += "alice sell ioc 1 @ 100 when fall 100\n";
        expected += &format!("alice #{id}: new, 0/1 waiting\n");
    }
    let (bid, ask) = (stops + 1, stops + 2);
    scenario += "bob buy 3 @ 100\n carol sell 1 @ 100\n show alice";
    expected += &format!(
        "bob #{bid}: new, 0/3 new
         carol #{ask}: new, 0/1 new
         bob #{bid}: trade 1 1 @ 100 maker fee 0 BTC, 1/3 partial
         carol #{ask}: trade 1 1 @ 100 taker fee 0 USD, 1/1 filled
         alice #1: triggered, 0/1 new
         bob #{bid}: trade 2 1 @ 100 maker fee 0 BTC, 2/3 partial
         alice #1: trade 2 1 @ 100 taker fee 0 USD, 1/1 filled
         alice #2: triggered, 0/1 new
         bob #{bid}: trade 3 1 @ 100 maker fee 0 BTC, 3/3 filled
         alice #2: trade 3 1 @ 100 taker fee 0 USD, 1/1 filled\n"
    );
    for id in 3..=stops {
        expected += &format!("alice #{id}: triggered, 0/1 new\n alice #{id}: expired as ioc, 0/1 expired\n");
    }
    expected += "alice: 998 + 0 held BTC, 200 + 0 held USD";
    check(&scenario, &expected);
}
