"""ccxt and python-binance, unmodified: coins and rails, withdrawals, deposits, and their histories.

A rail of the server under test is played here: it calls back, signed as docs/rails.md has it.
"""

import hashlib
import hmac
import json
import sys
import time
import urllib.request

import ccxt
from binance import Client
from binance.exceptions import BinanceAPIException

from common import equal, options

BASE = sys.argv[1]
TENANT = "globex"


def sign(secret, text):
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def post(path, body, headers):
    request = urllib.request.Request(BASE + path, data=body.encode(), headers=headers, method="POST")
    with urllib.request.urlopen(request, timeout=10) as reply:
        return json.load(reply)


def as_backend(path, query):
    query = f"{query}&timestamp={int(time.time() * 1000)}"
    body = f"{query}&signature={sign('secret-of-backend', query)}"
    headers = {"X-MBX-APIKEY": "globex-backend", "Content-Type": "application/x-www-form-urlencoded"}
    return post(f"/t/{TENANT}/payments/v1/{path}", body, headers)


def call_back(key, kind, reference, amount):
    path = f"/callbacks/v1/{TENANT}/bank"
    movement = {"reference": reference, "kind": kind, "asset": "USD", "amount": amount, "state": "final"}
    body = json.dumps({"key": f"{TENANT}/{key}", "status": "done", "movements": [movement]})
    timestamp, nonce = str(int(time.time() * 1000)), "00" * 16
    text = "\n".join(["RIALTO1", "POST", path, timestamp, nonce, "", hashlib.sha256(body.encode()).hexdigest()])
    headers = {
        "Rialto-Key": "bank-calls",
        "Rialto-Timestamp": timestamp,
        "Rialto-Nonce": nonce,
        "Rialto-Signature": sign("secret-of-bank-calls", text),
        "Content-Type": "application/json",
    }
    return post(path, body, headers)


def with_ccxt():
    carol = ccxt.binance(options(TENANT, "carol"))
    dave = ccxt.binance(options(TENANT, "dave"))
    carol.load_markets()
    usd = carol.fetch_currencies()["USD"]
    equal([network["id"] for network in usd["networks"].values()], ["bank"], "rails")
    network = next(iter(usd["networks"].values()))
    equal((network["deposit"], network["withdraw"], network["fee"]), (True, True, 0.5), "the rail")
    equal((network["limits"]["withdraw"]["min"], network["limits"]["withdraw"]["max"]), (1.0, 5000.0), "its limits")

    withdrawn = carol.withdraw("USD", 10, "DE00-1234", params={"withdrawOrderId": "rent"})
    equal(carol.fetch_balance()["USD"]["used"], 10.5, "held with the fee")
    again = carol.withdraw("USD", 10, "DE00-1234", params={"withdrawOrderId": "rent"})
    equal(again["id"], withdrawn["id"], "repeated")
    pending = carol.fetch_withdrawals()
    equal(len(pending), 1, "one withdrawal")
    equal((pending[0]["status"], pending[0]["amount"], pending[0]["fee"]["cost"]), ("pending", 10.0, 0.5), "pending")
    equal((pending[0]["address"], pending[0]["id"]), ("DE00-1234", withdrawn["id"]), "where to")
    call_back(withdrawn["id"], "paid", "B-1", "10.00000000")
    done = carol.fetch_withdrawals()[0]
    equal((done["status"], done["txid"]), ("ok", "B-1"), "it went out")
    equal(carol.fetch_balance()["USD"]["total"], 989.5, "and is gone")

    as_backend("deposits", "id=d-1&user=carol&asset=USD&amount=25&rail=bank")
    coming = carol.fetch_deposits()
    equal([(deposit["status"], deposit["amount"]) for deposit in coming], [("pending", 25.0)], "expected")
    call_back("d-1", "received", "B-2", "25.00000000")
    come = carol.fetch_deposits()[0]
    equal((come["status"], come["txid"], come["id"]), ("ok", "B-2", "d-1"), "it came in")
    equal(carol.fetch_balance()["USD"]["free"], 1014.5, "and is there")
    equal(dave.fetch_deposits(), [], "not his")
    # Of codes that ccxt takes for legal money it asks the other history.
    for found in [carol.fetch_deposits("USD"), carol.fetch_deposits(params={"fiat": True})]:
        equal([(row["id"], row["status"], row["amount"]) for row in found], [("d-1", "ok", 25.0)], "legal money in")
    out = carol.fetch_withdrawals("USD")
    equal([(row["id"], row["status"], row["amount"]) for row in out], [(withdrawn["id"], "ok", 10.0)], "and out")
    equal((out[0]["currency"], out[0]["fee"]["cost"]), ("USD", 0.5), "its fee")

    for kind, call in [
        (ccxt.InsufficientFunds, lambda: carol.withdraw("USD", 2000, "DE00-1234")),
        (ccxt.BadRequest, lambda: carol.withdraw("USD", 0.5, "DE00-1234")),
        # A key that may only trade.
        (ccxt.AuthenticationError, lambda: dave.withdraw("USD", 10, "DE00-1234")),
    ]:
        try:
            call()
        except kind:
            continue
        raise AssertionError(f"{kind.__name__} was expected")


def with_python_binance():
    Client.API_URL = f"{BASE}/t/{TENANT}/api"
    Client.MARGIN_API_URL = f"{BASE}/t/{TENANT}/sapi"
    carol = Client(f"{TENANT}-carol", f"secret-of-carol-{TENANT}", ping=False)
    coins = {coin["coin"]: coin for coin in carol.get_all_coins_info()}
    equal([network["network"] for network in coins["USD"]["networkList"]], ["bank"], "rails")
    applied = carol.withdraw(coin="USD", address="DE00-99", amount="5", name="a friend")
    rows = carol.get_withdraw_history(coin="USD")
    equal([row["id"] for row in rows][0], applied["id"], "the newest first")
    equal([row["status"] for row in rows], [4, 6], "one is under way")
    equal([row["txId"] for row in carol.get_deposit_history(coin="USD")], ["B-2"], "deposits")
    orders = carol.get_fiat_deposit_withdraw_history(transactionType=1)
    equal([row["orderNo"] for row in orders["data"]][0], applied["id"], "legal money, the newest first")
    equal([row["status"] for row in orders["data"]], ["Processing", "Successful"], "and how it stands")
    equal((orders["total"], orders["success"]), (2, True), "all of it")
    try:
        carol.withdraw(coin="USD", address="DE00-99", amount="5000")
    except BinanceAPIException as refusal:
        equal(refusal.code, -4026, "balance")
        return
    raise AssertionError("a refusal was expected")


with_ccxt()
with_python_binance()
print("deposits and withdrawals: all as expected")
