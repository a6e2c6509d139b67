"""ccxt over REST: orders that are displayed in part, that have a date, a strategy or a list, and how they are cancelled."""

import ccxt

from common import equal, options

SYMBOL = "USD/CNY"
ID = "USDCNY"


def main():
    alice = ccxt.binance(options("acme", "alice"))
    bob = ccxt.binance(options("acme", "bob"))
    alice.load_markets()
    bob.load_markets()
    market = alice.markets[SYMBOL]
    for flag in ("icebergAllowed", "ocoAllowed", "otoAllowed", "amendAllowed", "pegInstructionsAllowed"):
        equal(market["info"][flag], True, flag)
    assert any(one["filterType"] == "ICEBERG_PARTS" for one in market["info"]["filters"]), market["info"]["filters"]

    def asks():
        return [level[:2] for level in bob.fetch_order_book(SYMBOL)["asks"]]

    def refused(kind, call):
        try:
            call()
        except kind:
            return
        raise AssertionError(f"{kind.__name__} was expected")

    def trade_at(price):
        bob.create_order(SYMBOL, "limit", "sell", 1, price)
        equal(bob.create_order(SYMBOL, "limit", "buy", 1, price, {"timeInForce": "IOC"})["status"], "closed", "a trade")

    # An iceberg, as ccxt names its peak and as the dialect does.
    for name in ("icebergQty", "icebergAmount"):
        iceberg = alice.create_order(SYMBOL, "limit", "sell", 100, 7.1, {name: 20})
        equal((iceberg["status"], float(iceberg["info"]["icebergQty"])), ("open", 20.0), name)
        equal(asks(), [[7.1, 20.0]], "its peak")
        bob.create_order(SYMBOL, "market", "buy", 20)
        equal(asks(), [[7.1, 20.0]], "its next part")
        equal(alice.fetch_order(iceberg["id"], SYMBOL)["filled"], 20.0, "filled")
        alice.cancel_order(iceberg["id"], SYMBOL)
    refused(ccxt.BadRequest, lambda: alice.create_order(SYMBOL, "limit", "sell", 100, 7.1, {"icebergQty": 0.5}))

    # Nobody sees it, and it trades all the same.
    hidden = alice.create_order(SYMBOL, "limit", "sell", 10, 7.1, {"hidden": "true"})
    equal((hidden["status"], asks()), ("open", []), "hidden")
    equal(bob.create_order(SYMBOL, "limit", "buy", 10, 7.1)["status"], "closed", "taken")

    # A date, a day, and a strategy that is cancelled alone.
    soon = alice.milliseconds() + 60_000
    dated = alice.create_order(SYMBOL, "limit", "buy", 10, 6.5, {"timeInForce": "GTD", "goodTillDate": soon})
    equal((dated["timeInForce"], int(dated["info"]["goodTillDate"])), ("GTD", soon), "good till date")
    day = alice.create_order(SYMBOL, "limit", "buy", 10, 6.5, {"timeInForce": "DAY", "strategyId": 7})
    equal((day["status"], day["info"]["strategyId"]), ("open", 7 if isinstance(day["info"]["strategyId"], int) else "7"), "day")
    alice.cancel_all_orders(SYMBOL, {"strategyId": 7})
    equal([order["id"] for order in alice.fetch_open_orders(SYMBOL)], [dated["id"]], "the other stays")
    alice.cancel_all_orders(SYMBOL, {"side": "BUY"})
    equal(alice.fetch_open_orders(SYMBOL), [], "none is open")

    # One cancels the other: by the new names, the old ones, and what becomes of them.
    trade_at(7.0)
    names = {"symbol": ID, "side": "SELL", "quantity": "10"}
    new = {**names, "aboveType": "LIMIT_MAKER", "abovePrice": "7.5", "belowType": "STOP_LOSS_LIMIT",
           "belowStopPrice": "6.6", "belowPrice": "6.5", "belowTimeInForce": "GTC"}
    old = {**names, "price": "7.5", "stopPrice": "6.6", "stopLimitPrice": "6.5", "stopLimitTimeInForce": "GTC"}
    for post, params in ((alice.privatePostOrderListOco, new), (alice.privatePostOrderOco, old)):
        listed = post(dict(params))
        equal((listed["contingencyType"], listed["listOrderStatus"]), ("OCO", "EXECUTING"), "a pair")
        found = alice.privateGetOrderList({"orderListId": listed["orderListId"]})
        equal(found["orders"], listed["orders"], "the same orders")
        equal(len(alice.privateGetOpenOrderList()), 1, "open lists")
        canceled = alice.privateDeleteOrderList({"symbol": ID, "orderListId": listed["orderListId"]})
        equal((canceled["listOrderStatus"], len(canceled["orderReports"])), ("ALL_DONE", 2), "cancelled")
    refused(ccxt.BaseError, lambda: alice.privateDeleteOrderList({"symbol": ID, "orderListId": listed["orderListId"]}))
    listed = alice.privatePostOrderListOco(dict(new))
    bob.create_order(SYMBOL, "limit", "buy", 10, 7.5)
    states = [alice.fetch_order(order["orderId"], SYMBOL)["status"] for order in listed["orders"]]
    equal(sorted(states), ["closed", "expired"], "one took the other along")

    # Orders that wait for another.
    working = {"symbol": ID, "workingType": "LIMIT", "workingSide": "BUY", "workingPrice": "6.9", "workingQuantity": "10",
               "workingTimeInForce": "GTC", "pendingSide": "SELL", "pendingQuantity": "10"}
    single = {**working, "pendingType": "LIMIT", "pendingPrice": "7.2", "pendingTimeInForce": "GTC"}
    pair = {**working, "pendingAboveType": "LIMIT_MAKER", "pendingAbovePrice": "7.5", "pendingBelowType": "STOP_LOSS",
            "pendingBelowStopPrice": "6.6"}
    for post, params, count in ((alice.privatePostOrderListOto, single, 2), (alice.privatePostOrderListOtoco, pair, 3)):
        trade_at(7.0)
        listed = post(dict(params))
        equal([report["status"] for report in listed["orderReports"]], ["NEW"] + ["PENDING_NEW"] * (count - 1), "pending")
        bob.create_order(SYMBOL, "limit", "sell", 10, 6.9)
        states = [alice.fetch_order(order["orderId"], SYMBOL)["info"]["status"] for order in listed["orders"]]
        equal(states, ["FILLED"] + ["NEW"] * (count - 1), "they take part")
        alice.cancel_all_orders(SYMBOL)
    assert len(alice.privateGetAllOrderList()) >= 5, "lists of the past"
    print("ccxt, displays, dates, strategies and lists: all as expected")


main()
