"""ccxt pro: watches books, trades, orders and balances while orders go over the WebSocket API."""

import asyncio

import ccxt.pro as ccxt

from common import equal, options

SYMBOL = "USD/CNY"


async def until(watch, fits, what):
    async def loop():
        while True:
            seen = await watch()
            for item in seen if isinstance(seen, list) else [seen]:
                if fits(item):
                    return item

    try:
        return await asyncio.wait_for(loop(), 20)
    except asyncio.TimeoutError:
        raise AssertionError(f"{what} was not seen") from None


async def main():
    alice = ccxt.binance(options("acme", "alice"))
    bob = ccxt.binance(options("acme", "bob"))
    try:
        await asyncio.gather(alice.load_markets(), bob.load_markets())
        # Subscribed before anything happens.
        watching = [
            asyncio.create_task(until(lambda: bob.watch_order_book(SYMBOL), lambda book: book["asks"] and book["asks"][0][0] == 7.1, "the book")),
            asyncio.create_task(until(lambda: bob.watch_trades(SYMBOL), lambda trade: trade["amount"] == 40, "the trade")),
            asyncio.create_task(until(lambda: bob.watch_ticker(SYMBOL), lambda ticker: ticker["last"] == 7.1, "the ticker")),
            asyncio.create_task(until(lambda: bob.watch_bids_asks([SYMBOL]), lambda tickers: tickers.get(SYMBOL, {}).get("ask") == 7.1, "the best prices")),
            asyncio.create_task(until(lambda: bob.watch_ohlcv(SYMBOL, "1m"), lambda bar: bar[5] >= 40, "the candle")),
            asyncio.create_task(until(alice.watch_orders, lambda order: order["filled"] == 40 and order["status"] == "open", "the fill")),
            asyncio.create_task(until(alice.watch_my_trades, lambda trade: trade["amount"] == 40 and trade["takerOrMaker"] == "maker", "my trade")),
            asyncio.create_task(until(alice.watch_balance, lambda balance: balance.get("USD", {}).get("used") == 60.0, "the balance")),
        ]
        await asyncio.sleep(2)
        resting = await alice.create_order_ws(SYMBOL, "limit", "sell", 100, 7.1)
        equal(resting["status"], "open", "resting")
        await asyncio.sleep(0.5)
        taken = await bob.create_order_ws(SYMBOL, "limit", "buy", 40, 7.1)
        equal(taken["status"], "closed", "taken")
        await asyncio.gather(*watching)
        equal(len(await alice.fetch_open_orders_ws(SYMBOL)), 1, "open orders")
        equal((await alice.fetch_order_ws(resting["id"], SYMBOL))["filled"], 40.0, "order status")
        edited = await alice.edit_order_ws(resting["id"], SYMBOL, "limit", "sell", 50, 7.2)
        canceled = await alice.cancel_order_ws(edited["id"], SYMBOL)
        equal(canceled["status"], "canceled", "cancel")
        equal(len(await alice.fetch_my_trades_ws(SYMBOL)), 1, "my trades")
        print("ccxt pro: all as expected")
    finally:
        await asyncio.gather(alice.close(), bob.close())


asyncio.run(main())
