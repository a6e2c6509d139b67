//! One scenario for every reason that orders beyond the plain ones brought with them.

use super::check;
use super::reasons::reasons;
use crate::reason::Reason;

reasons! {
    market_closed MarketClosed:
        "deposit alice 100 USD
         alice buy 2 @ 1 as x
         enter halted
         alice buy 1 @ 1
         alice replace x or not with buy 1 @ 2
         enter cancelonly
         alice reduce x to 1
         alice cancel x
         enter closed
         alice buy 1 @ 1
         show alice
         enter continuous
         alice buy 1 @ 1"
        => "alice x: new, 0/2 new
            market: entered Halted
            alice #2: rejected market_closed, 0/1 rejected
            #1: cancel rejected market_closed, #3 not placed
            market: entered CancelOnly
            #1: reduce rejected market_closed
            alice x: canceled, 0/2 canceled
            market: entered Closed
            alice #4: rejected market_closed, 0/1 rejected
            alice: 0 + 0 held BTC, 100 + 0 held USD
            market: entered Continuous
            alice #5: new, 0/1 new";

    instructions_conflict InstructionsConflict:
        "deposit alice 1000 USD
         deposit alice 100 BTC
         // What is not displayed as it comes must rest.
         alice buy ioc 5 @ 10 peak 1
         alice buy market 5 hidden
         // What trades a minimum at once neither must rest, nor is filled whole anyway, nor shown in parts.
         alice buy post 5 @ 10 least 2
         alice buy slide 5 @ 10 least 2
         alice buy fok 5 @ 10 least 2
         alice buy for 5 least 2
         alice buy 5 @ 10 peak 2 least 2
         // What follows the book is a limit order, and nothing but.
         alice buy post 5 @ 10 peg bid 0
         alice buy 5 @ 10 peg bid 0 when rise 10
         alice buy 5 @ 10 peg bid 0 hidden
         alice oto : buy 5 @ 10 peg bid 0 : sell 5 @ 20
         // What has a time must be there for some.
         alice buy ioc 5 @ 10 until 1000
         alice buy for 5 until 1000
         // What has a limit is bounded by it, and nothing is by all.
         alice buy 5 @ 10 slip 5
         alice buy market 5 slip 10000
         // Not the client's to say.
         alice buy 5 @ 10 claims-group 7
         alice buy 5 @ 10 claims-list 7
         // And what does go together.
         alice buy post 1 @ 10 hidden until 1000 mark 3
         alice buy 5 @ 10 least 5 hidden
         alice buy 5 @ 10 peg bid 0 least 2 day 1000 mark 3
         alice sell ioc 5 @ 10 when rise 20 until 1000
         alice sell 5 @ 10 when rise 20 peak 5
         alice sell market 5 slip 9999 least 1"
        => "alice: rejected instructions_conflict
            alice: rejected instructions_conflict
            alice: rejected instructions_conflict
            alice: rejected instructions_conflict
            alice: rejected instructions_conflict
            alice: rejected instructions_conflict
            alice: rejected instructions_conflict
            alice: rejected instructions_conflict
            alice: rejected instructions_conflict
            alice: rejected instructions_conflict
            alice: rejected instructions_conflict
            alice: rejected instructions_conflict
            alice: rejected instructions_conflict
            alice: rejected instructions_conflict
            alice: rejected instructions_conflict
            alice: rejected instructions_conflict
            alice: rejected instructions_conflict
            alice #1: new, 0/1 new
            alice #2: new, 0/5 new
            alice #3: new, 0/5 new
            alice #4: new, 0/5 waiting
            alice #5: new, 0/5 waiting
            alice #6: new, 0/5 new
            alice #1: trade 1 1 @ 10 maker fee 0 BTC, 1/1 filled
            alice #6: trade 1 1 @ 10 taker fee 0 USD, 1/5 partial
            alice #6: expired for want of liquidity, 1/5 expired";

    market_quantity_out_of_range MarketQuantityOutOfRange:
        "filter max_market_quantity 3
         deposit alice 1000 USD
         deposit bob 100 BTC
         bob sell 9 @ 10
         alice buy market 4
         bob sell market 4 when fall 5
         alice buy 4 @ 9
         alice buy market 3
         // By quote amount it is bounded, not refused.
         alice buy for 50
         bob sell for 50"
        => "bob #1: new, 0/9 new
            alice: rejected market_quantity_out_of_range
            bob: rejected market_quantity_out_of_range
            alice #2: new, 0/4 new
            alice #3: new, 0/3 new
            bob #1: trade 1 3 @ 10 maker fee 0 USD, 3/9 partial
            alice #3: trade 1 3 @ 10 taker fee 0 BTC, 3/3 filled
            alice #4: new, 0/0 new
            bob #1: trade 2 3 @ 10 maker fee 0 USD, 6/9 partial
            alice #4: trade 2 3 @ 10 taker fee 0 BTC, 3/3 filled
            bob #5: new, 0/0 new
            alice #2: trade 3 3 @ 9 maker fee 0 BTC, 3/4 partial
            bob #5: trade 3 3 @ 9 taker fee 0 USD, 3/3 filled";

    notional_too_large NotionalTooLarge:
        "filter max_notional 50
         fraction 1
         deposit alice 1000 USD
         deposit bob 100 BTC
         alice buy 1 @ 501
         alice buy for 51
         bob sell 50 @ 11
         bob sell 100 @ 5
         alice buy for 50
         alice buy 1 @ 500"
        => "alice: rejected notional_too_large
            alice: rejected notional_too_large
            bob: rejected notional_too_large
            bob #1: new, 0/100 new
            alice #2: new, 0/0 new
            bob #1: trade 1 100 @ 5 maker fee 0 USD, 100/100 filled
            alice #2: trade 1 100 @ 5 taker fee 0 BTC, 100/100 filled
            alice #3: new, 0/1 new";

    price_outside_band PriceOutsideBand:
        "filter bid_up 11000
         filter bid_down 5000
         filter ask_up 20000
         filter ask_down 9000
         deposit alice 1000 USD
         deposit bob 100 BTC
         // Nothing to measure from yet.
         bob sell 1 @ 100
         alice buy 1 @ 100
         alice buy 1 @ 111
         alice buy 1 @ 49
         bob sell 1 @ 201
         bob sell 1 @ 89
         alice buy fok 1 @ 111
         // At the edges; and a peg is not where its limit is.
         alice buy 1 @ 110
         alice buy 1 @ 50
         bob sell 1 @ 200
         bob sell 1 @ 90
         alice buy 1 @ 300 peg bid -5"
        => "bob #1: new, 0/1 new
            alice #2: new, 0/1 new
            bob #1: trade 1 1 @ 100 maker fee 0 USD, 1/1 filled
            alice #2: trade 1 1 @ 100 taker fee 0 BTC, 1/1 filled
            alice: rejected price_outside_band
            alice: rejected price_outside_band
            bob: rejected price_outside_band
            bob: rejected price_outside_band
            alice: rejected price_outside_band
            alice #3: new, 0/1 new
            alice #4: new, 0/1 new
            bob #5: new, 0/1 new
            bob #6: new, 0/1 new
            alice #3: trade 2 1 @ 110 maker fee 0 BTC, 1/1 filled
            bob #6: trade 2 1 @ 110 taker fee 0 USD, 1/1 filled
            alice #7: new, 0/1 new";

    too_many_orders_in_market TooManyOrdersInMarket:
        "filter max_orders 2
         limits 4 9
         deposit alice 1000 USD
         deposit bob 1000 USD
         alice buy 1 @ 1
         alice oto : buy 1 @ 2 : buy 1 @ 3
         alice buy 1 @ 2 when rise 2
         alice buy 1 @ 3
         bob buy 1 @ 1
         alice cancel #1
         alice buy 1 @ 3"
        => "alice #1: new, 0/1 new
            alice: rejected too_many_orders_in_market
            alice #2: new, 0/1 waiting
            alice: rejected too_many_orders_in_market
            bob #3: new, 0/1 new
            alice #1: canceled, 0/1 canceled
            alice #4: new, 0/1 new";

    too_many_waiting_orders TooManyWaitingOrders:
        "filter max_waiting_orders 2
         deposit alice 1000 USD
         deposit alice 20 BTC
         deposit bob 20 BTC
         alice sell 1 @ 9 when fall 10 as a
         alice sell 1 @ 8 when fall 9 as b
         alice sell 1 @ 8 when fall 9
         alice oco : sell 1 @ 20 : sell 1 @ 8 when fall 9
         alice sell 1 @ 30
         alice buy 1 @ 10
         bob sell 1 @ 10
         // One has been triggered; two of a list are two.
         alice oco : sell 1 @ 40 when rise 30 : sell 1 @ 8 when fall 9
         alice sell 1 @ 8 when fall 9"
        => "alice a: new, 0/1 waiting
            alice b: new, 0/1 waiting
            alice: rejected too_many_waiting_orders
            alice: rejected too_many_waiting_orders
            alice #3: new, 0/1 new
            alice #4: new, 0/1 new
            bob #5: new, 0/1 new
            alice #4: trade 1 1 @ 10 maker fee 0 BTC, 1/1 filled
            bob #5: trade 1 1 @ 10 taker fee 0 USD, 1/1 filled
            alice a: triggered, 0/1 new
            alice: rejected too_many_waiting_orders
            alice #6: new, 0/1 waiting";

    position_too_large PositionTooLarge:
        "filter max_position 10
         deposit alice 1000 USD
         deposit alice 3 BTC
         deposit bob 100 BTC
         alice sell 1 @ 90
         alice buy 8 @ 10
         alice buy 4 @ 10 as a
         alice buy 4 @ 10
         // Of a pair one will buy.
         alice oco : buy 2 @ 9 as b : buy 2 @ 90 when rise 80
         alice buy 1 @ 8 as c
         alice buy 1 @ 10
         alice cancel c
         alice buy 2 @ 10
         bob sell 2 @ 10
         alice buy 2 @ 10
         alice cancel b
         alice buy market 4
         // By quote amount it is bounded by the room that is left, of which there is three.
         bob sell 20 @ 20
         alice buy for 900
         show alice
         alice reduce a to 3
         alice buy 2 @ 1
         alice buy 1 @ 1
         alice buy for 900"
        => "alice #1: new, 0/1 new
            alice: rejected position_too_large
            alice a: new, 0/4 new
            alice: rejected position_too_large
            alice b: new, 0/2 new
            alice #4: new, 0/2 waiting
            alice c: new, 0/1 new
            alice: rejected position_too_large
            alice c: canceled, 0/1 canceled
            alice: rejected position_too_large
            bob #6: new, 0/2 new
            alice a: trade 1 2 @ 10 maker fee 0 BTC, 2/4 partial
            bob #6: trade 1 2 @ 10 taker fee 0 USD, 2/2 filled
            alice: rejected position_too_large
            alice b: canceled, 0/2 canceled
            alice #4: canceled, 0/2 canceled
            alice: rejected position_too_large
            bob #7: new, 0/20 new
            alice #8: new, 0/0 new
            bob #7: trade 2 3 @ 20 maker fee 0 USD, 3/20 partial
            alice #8: trade 2 3 @ 20 taker fee 0 BTC, 3/3 filled
            alice: 7 + 1 held BTC, 900 + 20 held USD
            alice a: reduced, 2/3 partial
            alice: rejected position_too_large
            alice #9: new, 0/1 new
            alice: rejected position_too_large";

    iceberg_out_of_range IcebergOutOfRange:
        "filter iceberg_parts 4
         deposit alice 1000 USD
         alice buy 9 @ 10 peak 0
         alice buy 9 @ 10 peak 10
         alice buy 9 @ 10 peak 2
         alice buy 9 @ 10 peak 3
         alice buy 1 @ 10 peak 1"
        => "alice: rejected iceberg_out_of_range
            alice: rejected iceberg_out_of_range
            alice: rejected iceberg_out_of_range
            alice #1: new, 0/9 new
            alice #2: new, 0/1 new";

    trail_out_of_range TrailOutOfRange:
        "filter min_trail_above 100
         filter max_trail_above 200
         filter min_trail_below 10
         filter max_trail_below 50
         deposit alice 100 BTC
         alice sell 1 @ 10 trail rise 99
         alice sell 1 @ 10 trail rise 201
         alice sell 1 @ 10 trail fall 9
         alice sell 1 @ 10 trail fall 51
         alice sell 1 @ 10 trail rise by 1001
         alice sell 1 @ 10 trail rise 100
         alice sell 1 @ 10 trail rise 200
         alice sell 1 @ 10 trail fall 10
         alice sell 1 @ 10 trail fall 50
         // By ticks nobody knows the share.
         alice sell 1 @ 10 trail fall by 900"
        => "alice: rejected trail_out_of_range
            alice: rejected trail_out_of_range
            alice: rejected trail_out_of_range
            alice: rejected trail_out_of_range
            alice: rejected trigger_out_of_range
            alice #1: new, 0/1 waiting
            alice #2: new, 0/1 waiting
            alice #3: new, 0/1 waiting
            alice #4: new, 0/1 waiting
            alice #5: new, 0/1 waiting";

    minimum_out_of_range MinimumOutOfRange:
        "deposit alice 100 USD
         alice buy 5 @ 10 least 6
         alice buy 5 @ 10 least 5"
        => "alice: rejected minimum_out_of_range
            alice #1: new, 0/5 new";

    already_expired AlreadyExpired:
        "deposit alice 100 USD
         alice buy 1 @ 10 until 2
         alice buy 1 @ 10 day 2
         alice buy 1 @ 10 until 5
         alice buy 1 @ 10 day 100"
        => "alice: rejected already_expired
            alice: rejected already_expired
            alice #1: new, 0/1 new
            alice #1: expired at its time, 0/1 expired
            alice #2: new, 0/1 new";

    unknown_list UnknownList:
        "deposit alice 100 USD
         deposit bob 100 USD
         alice oto as x : buy 1 @ 1 : buy 1 @ 2
         alice drop y
         alice drop #2
         bob drop x
         bob drop #1
         bob oto as y : buy 1 @ 1 : buy 1 @ 2
         alice drop #3
         alice drop #1/y
         bob drop #1/y
         alice drop #1/x
         alice drop x"
        => "alice #1: new, 0/1 new
            alice #2: new, 0/1 pending
            alice: rejected unknown_list
            alice: rejected unknown_list
            bob: rejected unknown_list
            bob: rejected unknown_list
            bob #3: new, 0/1 new
            bob #4: new, 0/1 pending
            alice: rejected unknown_list
            alice: rejected conflicting_order_ids
            bob: rejected unknown_list
            alice #2: canceled, 0/1 canceled
            alice #1: canceled, 0/1 canceled
            alice: rejected unknown_list";

    malformed_list MalformedList:
        "deposit alice 1000 USD
         deposit alice 100 BTC
         nobody oco : buy 1 @ 1
         alice oco
         alice oco : buy 1 @ 1
         alice oco : buy 1 @ 1 : buy 1 @ 5 when rise 5 : buy 1 @ 6 when rise 6
         alice oco : buy 1 @ 1 : buy 1 @ 5
         alice oco : buy 1 @ 1 : sell 1 @ 5 when rise 5
         alice oco : buy 1 @ 1 : buy 2 @ 5 when rise 5
         alice oco : buy slide 1 @ 1 : buy 1 @ 5 when rise 5
         alice oco : buy ioc 1 @ 1 : buy 1 @ 5 when rise 5
         alice oco : buy 1 @ 5 when rise 5 : buy 1 @ 1
         alice oto : buy 1 @ 1
         alice oto : buy ioc 1 @ 1 : sell 1 @ 5
         alice oto : buy 1 @ 1 when rise 5 : sell 1 @ 5
         alice oto : buy 1 @ 1 : sell for 5
         alice otp : buy 1 @ 1 : sell 1 @ 5
         alice otp : buy 1 @ 1 : sell 1 @ 5 : sell 1 @ 6
         alice otp : buy market 1 : sell 1 @ 5 : sell 1 @ 4 when fall 4
         // And what does make one.
         alice oco : buy post 1 @ 1 : buy market 1 when rise 5
         alice oco : buy 1 @ 4 when fall 4 : buy 1 @ 5 when rise 5
         alice oto : buy slide 1 @ 1 : sell ioc 3 @ 5
         alice oto : buy post 1 @ 1 : sell market 3
         alice otp : buy 1 @ 1 : sell post 3 @ 5 : sell fok 3 @ 3 when fall 4"
        => "nobody: rejected unknown_account
            alice: rejected malformed_list
            alice: rejected malformed_list
            alice: rejected malformed_list
            alice: rejected malformed_list
            alice: rejected malformed_list
            alice: rejected malformed_list
            alice: rejected malformed_list
            alice: rejected malformed_list
            alice: rejected malformed_list
            alice: rejected malformed_list
            alice: rejected malformed_list
            alice: rejected malformed_list
            alice: rejected malformed_list
            alice: rejected malformed_list
            alice: rejected malformed_list
            alice: rejected malformed_list
            alice #1: new, 0/1 new
            alice #2: new, 0/1 waiting
            alice #3: new, 0/1 waiting
            alice #4: new, 0/1 waiting
            alice #5: new, 0/1 new @ 1
            alice #6: new, 0/3 pending
            alice #7: new, 0/1 new
            alice #8: new, 0/3 pending
            alice #9: new, 0/1 new
            alice #10: new, 0/3 pending
            alice #11: new, 0/3 pending";

    duplicate_list_id DuplicateListId:
        "deposit alice 100 USD
         deposit bob 100 USD
         alice oto as x : buy 1 @ 1 as a : buy 1 @ 2 as b
         alice oto as x : buy 1 @ 1 : buy 1 @ 2
         bob oto as x : buy 1 @ 1 : buy 1 @ 2
         // Within a list, too, each has a name of its own.
         alice oto as y : buy 1 @ 1 as c : buy 1 @ 2 as c
         alice oto as y : buy 1 @ 1 as a : buy 1 @ 2
         alice drop x
         alice oto as x : buy 1 @ 1 : buy 1 @ 2"
        => "alice a: new, 0/1 new
            alice b: new, 0/1 pending
            alice: rejected duplicate_list_id
            bob #3: new, 0/1 new
            bob #4: new, 0/1 pending
            alice: rejected duplicate_client_order_id
            alice: rejected duplicate_client_order_id
            alice b: canceled, 0/1 canceled
            alice a: canceled, 0/1 canceled
            alice #5: new, 0/1 new
            alice #6: new, 0/1 pending";

    unknown_group UnknownGroup:
        "group alice 0
         group nobody 1
         group alice 1
         group alice 0"
        => "alice: rejected unknown_group
            nobody: rejected unknown_account
            alice: rejected unknown_group";
}
