"""An unmodified ccxt client, pointed at a tenant of a server under test."""

import sys


def options(tenant: str, user: str) -> dict:
    base = sys.argv[1]
    ws = base.replace("http", "ws", 1)
    prefix = f"{base}/t/{tenant}"
    return {
        "apiKey": f"{tenant}-{user}",
        "secret": f"secret-of-{user}-{tenant}",
        "enableRateLimit": False,
        "urls": {
            "api": {
                "public": f"{prefix}/api/v3",
                "private": f"{prefix}/api/v3",
                "v1": f"{prefix}/api/v1",
                "sapi": f"{prefix}/sapi/v1",
                "sapiV2": f"{prefix}/sapi/v2",
                "sapiV3": f"{prefix}/sapi/v3",
                "sapiV4": f"{prefix}/sapi/v4",
                "fapiPublic": f"{prefix}/fapi/v1",
                "dapiPublic": f"{prefix}/dapi/v1",
                "ws": {
                    "spot": f"{ws}/t/{tenant}/ws",
                    "ws-api": {"spot": f"{ws}/t/{tenant}/ws-api/v3"},
                },
            }
        },
    }


def equal(found, expected, what=""):
    assert found == expected, f"{what}: found {found!r}, expected {expected!r}"
