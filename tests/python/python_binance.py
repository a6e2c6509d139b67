"""python-binance, unmodified: lists of orders over REST and the WebSocket API, and orders that are displayed in part."""

import asyncio
import sys

from binance import AsyncClient, Client
from binance.exceptions import BinanceAPIException

from common import equal

SYMBOL = "USDCNY"
OCO = {
    "symbol": SYMBOL,
    "side": "SELL",
    "quantity": "10",
    "aboveType": "LIMIT_MAKER",
    "abovePrice": "7.5",
    "belowType": "STOP_LOSS_LIMIT",
    "belowStopPrice": "6.6",
    "belowPrice": "6.5",
    "belowTimeInForce": "GTC",
}
OTO = {
    "symbol": SYMBOL,
    "workingType": "LIMIT",
    "workingSide": "BUY",
    "workingPrice": "6.9",
    "workingQuantity": "10",
    "workingTimeInForce": "GTC",
    "pendingType": "LIMIT",
    "pendingSide": "SELL",
    "pendingPrice": "7.2",
    "pendingQuantity": "10",
    "pendingTimeInForce": "GTC",
}


def point_at(base):
    """The addresses are attributes of the classes."""
    for client in (Client, AsyncClient):
        client.API_URL = f"{base}/t/acme/api"
        client.MARGIN_API_URL = f"{base}/t/acme/sapi"
        client.WS_API_URL = f"{base.replace('http', 'ws', 1)}/t/acme/ws-api/v3"


def refused(code, call):
    try:
        call()
    except BinanceAPIException as error:
        equal(error.code, code, error.message)
        return
    raise AssertionError(f"{code} was expected")


def over_rest():
    alice = Client("acme-alice", "secret-of-alice-acme")
    bob = Client("acme-bob", "secret-of-bob-acme")
    bob.order_limit_sell(symbol=SYMBOL, quantity="1", price="7")
    equal(alice.order_market_buy(symbol=SYMBOL, quantity="1")["status"], "FILLED", "a trade")

    iceberg = alice.create_order(
        symbol=SYMBOL, side="SELL", type="LIMIT", timeInForce="GTC", quantity="100", price="7.3", icebergQty="25"
    )
    equal(alice.get_order_book(symbol=SYMBOL)["asks"], [["7.30000000", "25.00000000"]], "its peak")
    equal(alice.get_order(symbol=SYMBOL, orderId=iceberg["orderId"])["icebergQty"], "25.00000000", "iceberg")
    alice.cancel_order(symbol=SYMBOL, orderId=iceberg["orderId"])

    listed = alice.create_oco_order(**OCO)
    equal((listed["contingencyType"], len(listed["orderReports"])), ("OCO", 2), "a pair")
    equal(alice.get_open_oco_orders()[0]["orders"], listed["orders"], "open")
    equal(alice.v3_get_order_list(orderListId=listed["orderListId"])["listOrderStatus"], "EXECUTING", "executing")
    canceled = alice.v3_delete_order_list(symbol=SYMBOL, orderListId=listed["orderListId"])
    equal(canceled["listOrderStatus"], "ALL_DONE", "cancelled")
    refused(-2011, lambda: alice.v3_delete_order_list(symbol=SYMBOL, orderListId=listed["orderListId"]))
    refused(-2018, lambda: alice.v3_get_order_list(orderListId=999_999))
    refused(-1166, lambda: alice.create_oco_order(**{**OCO, "belowType": "LIMIT_MAKER"}))

    listed = alice.v3_post_order_list_oto(**OTO)
    equal(listed["orderReports"][1]["status"], "PENDING_NEW", "pending")
    bob.order_limit_sell(symbol=SYMBOL, quantity="10", price="6.9")
    pending = alice.get_order(symbol=SYMBOL, orderId=listed["orders"][1]["orderId"])
    equal((pending["status"], pending["isWorking"]), ("NEW", True), "it takes part")
    alice.cancel_order(symbol=SYMBOL, orderId=pending["orderId"])
    equal(len(alice.v3_get_all_order_list()), 2, "lists of the past")
    equal(alice.get_open_orders(), [], "none is open")


async def over_the_socket():
    alice = await AsyncClient.create("acme-alice", "secret-of-alice-acme")
    try:
        listed = await alice.ws_create_oco_order(**OCO)
        equal(listed["contingencyType"], "OCO", "a pair")
        found = await alice.ws_get_oco_order(orderListId=listed["orderListId"])
        equal(found["orders"], listed["orders"], "the same orders")
        equal(len(await alice.ws_get_oco_open_orders()), 1, "open lists")
        canceled = await alice.ws_cancel_oco_order(symbol=SYMBOL, orderListId=listed["orderListId"])
        equal(canceled["listOrderStatus"], "ALL_DONE", "cancelled")
        listed = await alice.ws_create_oto_order(**OTO)
        equal(listed["contingencyType"], "OTO", "it waits")
        canceled = await alice.ws_cancel_oco_order(symbol=SYMBOL, orderListId=listed["orderListId"])
        equal(len(canceled["orderReports"]), 2, "both are cancelled")
    finally:
        await alice.close_connection()


point_at(sys.argv[1])
over_rest()
asyncio.run(over_the_socket())
print("python-binance, lists: all as expected")
