"""ccxt: orders that wait for a price, and orders that meet their own account, over REST and the WebSocket API."""

import asyncio

import ccxt.pro as ccxt

from common import equal, options

SYMBOL = "USD/CNY"


async def main():
    alice = ccxt.binance(options("acme", "alice"))
    bob = ccxt.binance(options("acme", "bob"))
    seen = []

    async def listen():
        while True:
            for order in await alice.watch_orders():
                seen.append(order)

    async def heard(fits, what):
        for _ in range(200):
            for order in seen:
                if fits(order):
                    return order
            await asyncio.sleep(0.05)
        raise AssertionError(f"{what} was not heard")

    async def trade_at(price):
        resting = await bob.create_order(SYMBOL, "limit", "sell", 1, price)
        equal(resting["status"], "open", f"nobody stands in the way of {price}")
        taken = await bob.create_order(SYMBOL, "limit", "buy", 1, price, {"timeInForce": "IOC"})
        equal(taken["status"], "closed", f"traded at {price}")

    async def waits(order, kind, stop):
        """A new order waits: that is what its answer, a query and the user stream say."""
        equal((order["status"], order["info"]["type"], order["triggerPrice"]), ("open", kind, stop), "the answer")
        found = await alice.fetch_order(order["id"], SYMBOL)
        equal((found["info"]["isWorking"], found["info"]["type"], found["triggerPrice"]), (False, kind, stop), "waiting")
        event = await heard(lambda other: other["id"] == order["id"], f"{kind}, new")
        equal((event["info"]["w"], event["info"]["o"], event["triggerPrice"]), (False, kind, stop), "the event")

    async def works(order, kind):
        await heard(lambda other: other["id"] == order["id"] and other["info"]["w"] is True, f"{kind}, triggered")
        found = await alice.fetch_order(order["id"], SYMBOL)
        equal((found["status"], found["info"]["isWorking"]), ("open", True), f"{kind} works")

    async def refused(kind, call):
        try:
            await call
        except kind:
            return
        raise AssertionError(f"{kind.__name__} was expected")

    try:
        await asyncio.gather(alice.load_markets(), bob.load_markets())
        market = alice.markets[SYMBOL]["info"]
        assert {"STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"} <= set(market["orderTypes"]), market
        equal((market["allowTrailingStop"], market["defaultSelfTradePreventionMode"]), (True, "NONE"), "the market")
        listener = asyncio.create_task(listen())
        await asyncio.sleep(1)

        # Unified parameters over REST; over the WebSocket API ccxt sends them along as they are, so
        # that only the dialect's own may be used.
        doors = [
            (alice.create_order, alice.cancel_order, "limit", {"stopLossPrice": 6.8}, "limit", {"takeProfitPrice": 7.2},
             {"selfTradePrevention": "expire_taker"}),
            (alice.create_order_ws, alice.cancel_order_ws, "limit", {"stopPrice": 6.8}, "TAKE_PROFIT_LIMIT",
             {"stopPrice": 7.2}, {"selfTradePreventionMode": "EXPIRE_TAKER"}),
        ]
        for create, cancel, stop_type, stop, profit_type, profit, expire_taker in doors:
            await trade_at(7.0)
            await refused(ccxt.OrderImmediatelyFillable, create(SYMBOL, stop_type, "buy", 10, 7.3, stop))
            stopped = await create(SYMBOL, stop_type, "sell", 10, 6.7, stop)
            await waits(stopped, "STOP_LOSS_LIMIT", 6.8)
            taken = await create(SYMBOL, profit_type, "sell", 10, 7.3, profit)
            await waits(taken, "TAKE_PROFIT_LIMIT", 7.2)
            equal((await alice.fetch_balance())["USD"]["used"], 20.0, "held by what waits")
            await trade_at(7.2)
            await works(taken, "TAKE_PROFIT_LIMIT")
            await trade_at(6.8)
            await works(stopped, "STOP_LOSS_LIMIT")
            for order in (stopped, taken):
                equal((await cancel(order["id"], SYMBOL))["status"], "canceled", "canceled")
                await heard(lambda other: other["id"] == order["id"] and other["status"] == "canceled", "the cancel")

            # Without a limit: it is triggered, and filled by who is there.
            bid = await bob.create_order(SYMBOL, "limit", "buy", 10, 6.5)
            sold = await create(SYMBOL, "STOP_LOSS", "sell", 10, None, {"stopPrice": 6.6})
            await trade_at(6.6)
            event = await heard(lambda other: other["id"] == sold["id"] and other["status"] == "closed", "the fill")
            equal((event["filled"], event["cost"]), (10.0, 65.0), "filled when triggered")
            equal((await bob.fetch_order(bid["id"], SYMBOL))["status"], "closed", "bob has bought")

            # Trailing: one percent below the highest.
            await trade_at(7.0)
            trailing = await create(SYMBOL, "STOP_LOSS_LIMIT", "sell", 10, 6.9, {"trailingDelta": 100})
            await waits(trailing, "STOP_LOSS_LIMIT", None)
            equal(int(trailing["info"]["trailingDelta"]), 100, "trailing delta")
            await trade_at(7.1)
            await trade_at(7.03)
            equal((await alice.fetch_order(trailing["id"], SYMBOL))["info"]["isWorking"], False, "it follows")
            await trade_at(7.02)
            await works(trailing, "trailing")
            await cancel(trailing["id"], SYMBOL)

            # Self-trades: of the taker, the maker, both, and as much as they share.
            cases = [
                (expire_taker, ("open", 0), ("expired", 20.0)),
                ({"selfTradePreventionMode": "EXPIRE_MAKER"}, ("expired", 10.0), ("open", 0)),
                ({"selfTradePreventionMode": "EXPIRE_BOTH"}, ("expired", 10.0), ("expired", 20.0)),
                ({"selfTradePreventionMode": "DECREMENT"}, ("expired", 10.0), ("open", 10.0)),
            ]
            for mode, of_maker, of_taker in cases:
                maker = await create(SYMBOL, "limit", "sell", 10, 7.5)
                taker = await create(SYMBOL, "limit", "buy", 20, 7.5, mode)
                equal(taker["info"]["selfTradePreventionMode"], list(mode.values())[0].upper(), "mode")
                for placed, expected in ((maker, of_maker), (taker, of_taker)):
                    found = await alice.fetch_order(placed["id"], SYMBOL)
                    lost = float(found["info"].get("preventedQuantity", 0))
                    equal((found["status"], lost, found["filled"]), (*expected, 0.0), f"{mode}")
                    if expected[0] == "expired":
                        equal(found["info"]["status"], "EXPIRED_IN_MATCH", "status")
                        fits = lambda other: other["id"] == placed["id"] and other["info"]["x"] == "TRADE_PREVENTION"
                        equal((await heard(fits, "what was prevented"))["status"], "expired", "the event")
                if len(await alice.fetch_open_orders(SYMBOL)) > 0:
                    await alice.cancel_all_orders(SYMBOL)

        # Trailing in percent, which only REST translates; changed while it waits.
        await trade_at(7.0)
        percent = {"trailingPercent": "1.5", "stopLossOrTakeProfit": "takeProfit", "trailingTriggerPrice": 7.5}
        trailing = await alice.create_order(SYMBOL, "market", "sell", 10, None, percent)
        found = await alice.fetch_order(trailing["id"], SYMBOL)
        equal((found["info"]["type"], int(found["info"]["trailingDelta"])), ("TAKE_PROFIT", 150), "trailing in percent")
        equal(found["triggerPrice"], 7.5, "from where on it follows")
        edited = await alice.edit_order(trailing["id"], SYMBOL, "limit", "sell", 10, 6.6, {"stopPrice": 6.7})
        equal((edited["info"]["newOrderResponse"]["type"] if "newOrderResponse" in edited["info"] else edited["info"]["type"],
               edited["triggerPrice"]), ("STOP_LOSS_LIMIT", 6.7), "edited")
        await alice.cancel_all_orders(SYMBOL)
        kinds = {order["info"]["type"] for order in await alice.fetch_orders(SYMBOL)}
        equal(kinds, {"LIMIT", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"}, "types of the past")
        await refused(ccxt.BadRequest, alice.create_order(SYMBOL, "STOP_LOSS", "sell", 10, None, {"trailingDelta": 5}))
        listener.cancel()
        print("ccxt, orders that wait and self-trades: all as expected")
    finally:
        await asyncio.gather(alice.close(), bob.close())


asyncio.run(main())
