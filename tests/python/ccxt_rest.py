"""ccxt over REST: markets, balance, orders of every kind we take, trades, errors."""

import ccxt

from common import equal, options

SYMBOL = "USD/CNY"


def main():
    alice = ccxt.binance(options("acme", "alice"))
    bob = ccxt.binance(options("acme", "bob"))
    poor = ccxt.binance(options("acme", "poor"))

    markets = alice.load_markets()
    assert SYMBOL in markets and "BTC/USD" in markets, list(markets)
    market = markets[SYMBOL]
    equal(market["precision"]["price"], 0.0001, "tick")
    equal(market["precision"]["amount"], 0.01, "lot")
    equal(market["active"], True, "active")
    assert abs(alice.fetch_time() - alice.milliseconds()) < 5_000
    equal(alice.fetch_status()["status"], "ok", "status")

    balance = alice.fetch_balance()
    equal(balance["USD"]["free"], 1_000_000.0, "free USD")
    bob.load_markets()
    poor.load_markets()

    resting = alice.create_order(SYMBOL, "limit", "sell", 100, 7.1)
    equal(resting["status"], "open", "resting")
    equal(alice.fetch_balance()["USD"]["used"], 100.0, "held")
    equal(len(alice.fetch_open_orders(SYMBOL)), 1, "open orders")
    book = bob.fetch_order_book(SYMBOL)
    equal(book["asks"][0][:2], [7.1, 100.0], "ask")

    taken = bob.create_order(SYMBOL, "market", "buy", 40)
    equal(taken["status"], "closed", "market order")
    equal(taken["filled"], 40.0, "filled")
    equal(taken["cost"], 284.0, "cost")
    seen = alice.fetch_order(resting["id"], SYMBOL)
    equal((seen["status"], seen["filled"]), ("open", 40.0), "partly filled")

    by_cost = bob.create_order(SYMBOL, "market", "buy", None, None, {"cost": 71})
    equal(by_cost["filled"], 10.0, "market order by cost")

    trades = alice.fetch_my_trades(SYMBOL)
    equal(len(trades), 2, "trades")
    equal(trades[0]["takerOrMaker"], "maker", "maker")
    equal(trades[0]["fee"]["currency"], "CNY", "fee asset")
    equal(bob.fetch_my_trades(SYMBOL)[0]["takerOrMaker"], "taker", "taker")
    equal(len(alice.fetch_trades(SYMBOL)), 2, "public trades")
    assert len(alice.fetch_ohlcv(SYMBOL, "1m")) >= 1
    ticker = alice.fetch_ticker(SYMBOL)
    equal((ticker["last"], ticker["ask"]), (7.1, 7.1), "ticker")
    assert SYMBOL in alice.fetch_tickers([SYMBOL])

    edited = alice.edit_order(resting["id"], SYMBOL, "limit", "sell", 60, 7.2)
    assert edited["id"] != resting["id"]
    equal(alice.fetch_order(resting["id"], SYMBOL)["status"], "canceled", "replaced order")
    canceled = alice.cancel_order(edited["id"], SYMBOL)
    equal(canceled["status"], "canceled", "cancel")
    equal(alice.fetch_open_orders(SYMBOL), [], "none open")
    equal(alice.fetch_balance()["USD"]["used"], 0.0, "nothing held")
    equal({order["status"] for order in alice.fetch_orders(SYMBOL)}, {"canceled"}, "all orders")

    maker = alice.create_order(SYMBOL, "limit", "sell", 10, 7.3, {"postOnly": True})
    equal(maker["status"], "open", "post only")
    alice.create_order(SYMBOL, "limit", "sell", 10, 7.4)
    alice.cancel_all_orders(SYMBOL)
    equal(alice.fetch_open_orders(SYMBOL), [], "none open after cancel all")

    alice.create_order(SYMBOL, "limit", "sell", 10, 7.5)
    expired = bob.create_order(SYMBOL, "limit", "buy", 30, 7.5, {"timeInForce": "IOC"})
    equal((expired["filled"], expired["status"]), (10.0, "expired"), "immediate or cancel")
    killed = bob.create_order(SYMBOL, "limit", "buy", 30, 7.5, {"timeInForce": "FOK"})
    equal((killed["filled"], killed["status"]), (0.0, "expired"), "fill or kill")

    def refused(kind, call):
        try:
            call()
        except kind:
            return
        raise AssertionError(f"{kind.__name__} was expected")

    refused(ccxt.InsufficientFunds, lambda: poor.create_order(SYMBOL, "limit", "sell", 1_000, 7.0))
    alice.create_order(SYMBOL, "limit", "sell", 10, 7.6)
    refused(ccxt.OrderImmediatelyFillable, lambda: bob.create_order(SYMBOL, "limit", "buy", 10, 7.6, {"postOnly": True}))
    refused(ccxt.OrderNotFound, lambda: alice.cancel_order("999999", SYMBOL))
    refused(ccxt.OrderNotFound, lambda: alice.fetch_order("999999", SYMBOL))
    stranger = ccxt.binance({**options("acme", "alice"), "secret": "wrong"})
    refused(ccxt.AuthenticationError, stranger.fetch_balance)
    foreign = ccxt.binance({**options("globex", "alice"), "apiKey": "acme-alice", "secret": "secret-of-alice-acme"})
    refused(ccxt.AuthenticationError, foreign.fetch_balance)
    other = ccxt.binance(options("globex", "alice"))
    other.load_markets()
    equal(other.fetch_order_book(SYMBOL)["asks"], [], "the other tenant's book")
    print("ccxt REST: all as expected")


main()
