"""Orders that the paper broker takes, as bodies of requests."""

from typing import Any

from tests.broker.contract.venue import Venue

ACCOUNT = 1_100_001
SELL_STOP = {"action": "Sell", "orderType": "Stop", "stopPrice": 6690.0}
BUY_LIMIT = {"action": "Buy", "orderType": "Limit", "price": 6701.0}


def at_market(at: Venue) -> dict[str, Any]:
    names = {"accountId": ACCOUNT, "accountSpec": "PAPER-1", "symbol": at.contract.name, "clOrdId": "x"}
    return names | {"action": "Buy", "orderQty": 1, "orderType": "Market", "isAutomated": True}


def resting(at: Venue) -> dict[str, Any]:
    return at_market(at) | {"orderType": "Limit", "price": 6700.0, "timeInForce": "GTC"}
