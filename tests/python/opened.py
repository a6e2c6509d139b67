"""ccxt over REST in a market that was opened while the server ran; its keys come as arguments."""

import sys

import ccxt

from common import equal, options

URL, TENANT, SYMBOL, *KEYS = sys.argv[1:]


def user(name, key, secret):
    return ccxt.binance(options(TENANT, name) | {"apiKey": key, "secret": secret})


def main():
    maker = user("maker", *KEYS[:2])
    taker = user("taker", *KEYS[2:])
    markets = maker.load_markets()
    assert SYMBOL in markets, list(markets)
    market = markets[SYMBOL]
    equal(market["precision"]["price"], 0.01, "tick")
    equal(market["precision"]["amount"], 0.1, "lot")
    equal(market["active"], True, "active")
    taker.load_markets()
    before = maker.fetch_balance()["GEM"]["total"]
    resting = maker.create_order(SYMBOL, "limit", "sell", 5, 3.21)
    equal(resting["status"], "open", "resting")
    equal(taker.fetch_order_book(SYMBOL)["asks"][0][:2], [3.21, 5.0], "ask")
    taken = taker.create_order(SYMBOL, "market", "buy", 2)
    equal((taken["status"], taken["filled"], taken["cost"]), ("closed", 2.0, 6.42), "market order")
    seen = maker.fetch_order(resting["id"], SYMBOL)
    equal((seen["status"], seen["filled"]), ("open", 2.0), "partly filled")
    equal(maker.fetch_my_trades(SYMBOL)[-1]["takerOrMaker"], "maker", "maker")
    assert len(taker.fetch_ohlcv(SYMBOL, "1m")) >= 1
    equal(taker.fetch_ticker(SYMBOL)["last"], 3.21, "last")
    equal(maker.cancel_order(resting["id"], SYMBOL)["status"], "canceled", "cancel")
    equal(maker.fetch_balance()["GEM"]["total"], before - 2.0, "what is left")
    try:
        taker.create_order(SYMBOL, "limit", "buy", 1, 1.234, {"price": "1.234"})
        raise AssertionError("an order between two ticks was taken")
    except ccxt.BaseError:
        pass
    print(f"ccxt {ccxt.__version__} traded {SYMBOL}")


main()
