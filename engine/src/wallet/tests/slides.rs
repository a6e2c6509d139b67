//! Post-only orders that rest behind what they would have met.

use super::check;

#[test]
fn a_post_only_order_that_slides_holds_what_it_costs_where_it_rests() {
    check(
        "deposit alice 1000 USD
         deposit bob 10 BTC
         bob sell 1 @ 100
         alice buy slide 5 @ 105 as x
         show alice
         show orders alice
         show book
         bob sell 2 @ 99
         show alice",
        "bob #1: new, 0/1 new
         alice x: new, 0/5 new @ 99
         alice: 0 + 0 held BTC, 505 + 495 held USD
         alice has x 0/5 new @ 99
         book: buy 5 @ 99, sell 1 @ 100
         bob #3: new, 0/2 new
         alice x: trade 1 2 @ 99 maker fee 0 BTC, 2/5 partial @ 99
         bob #3: trade 1 2 @ 99 taker fee 0 USD, 2/2 filled
         alice: 2 + 0 held BTC, 505 + 297 held USD",
    );
}

#[test]
fn a_seller_that_slides_holds_no_less() {
    check(
        "deposit alice 1000 USD
         deposit bob 20 BTC
         alice buy 1 @ 100
         bob sell slide 5 @ 95 as x
         bob sell slide 5 @ 110 as y
         show bob
         show book",
        "alice #1: new, 0/1 new
         bob x: new, 0/5 new @ 101
         bob y: new, 0/5 new @ 110
         bob: 10 + 10 held BTC, 0 + 0 held USD
         book: buy 1 @ 100, sell 5 @ 101 5 @ 110",
    );
}

#[test]
fn where_no_price_is_behind_it_the_order_is_refused() {
    check(
        "deposit alice 1000 USD
         deposit bob 20 BTC
         bob sell 1 @ 1
         alice buy slide 1 @ 5 as x
         show alice
         bob cancel all
         alice buy slide 1 @ 5 as x",
        "bob #1: new, 0/1 new
         alice x: rejected would_match, 0/1 rejected @ 5
         alice: 0 + 0 held BTC, 1000 + 0 held USD
         bob #1: canceled, 0/1 canceled
         alice x: new, 0/1 new @ 5",
    );
}

#[test]
fn an_order_that_slid_is_replaced_and_reduced_like_another() {
    check(
        "deposit alice 1000 USD
         deposit bob 10 BTC
         bob sell 1 @ 100
         alice buy slide 5 @ 105 mark 3 as x
         show alice
         alice replace x with buy slide 10 @ 150 as y
         alice replace x with buy slide 6 @ 150 as y
         show alice
         alice reduce y to 2
         show alice
         alice cancel y
         show alice",
        "bob #1: new, 0/1 new
         alice x: new, 0/5 new @ 99
         alice: 0 + 0 held BTC, 505 + 495 held USD
         alice: rejected insufficient_balance
         alice x: canceled, 0/5 canceled @ 99
         alice y: new, 0/6 new @ 99
         alice: 0 + 0 held BTC, 406 + 594 held USD
         alice y: reduced, 0/2 new @ 99
         alice: 0 + 0 held BTC, 802 + 198 held USD
         alice y: canceled, 0/2 canceled @ 99
         alice: 0 + 0 held BTC, 1000 + 0 held USD",
    );
}

#[test]
fn what_waited_for_another_slides_when_its_turn_comes() {
    check(
        "deposit alice 10 BTC
         deposit alice 1000 USD
         deposit bob 1000 USD
         deposit carol 10 BTC
         alice oto : sell 2 @ 100 as exit : buy slide 2 @ 120 as back
         show alice
         carol sell 5 @ 110
         bob buy 2 @ 100
         show alice
         carol sell 2 @ 109
         show alice",
        "alice exit: new, 0/2 new
         alice back: new, 0/2 pending @ 120
         alice: 8 + 2 held BTC, 760 + 240 held USD
         carol #3: new, 0/5 new
         bob #4: new, 0/2 new
         alice exit: trade 1 2 @ 100 maker fee 0 USD, 2/2 filled
         bob #4: trade 1 2 @ 100 taker fee 0 BTC, 2/2 filled
         alice back: triggered, 0/2 new @ 109
         alice: 8 + 0 held BTC, 982 + 218 held USD
         carol #5: new, 0/2 new
         alice back: trade 2 2 @ 109 maker fee 0 BTC, 2/2 filled @ 109
         carol #5: trade 2 2 @ 109 taker fee 0 USD, 2/2 filled
         alice: 10 + 0 held BTC, 982 + 0 held USD",
    );
}
