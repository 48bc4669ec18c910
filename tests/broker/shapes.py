"""Rows as Tradovate's replies have them: shaped like recorded ones and the official document."""

import json
from decimal import Decimal
from typing import Any

from tests.broker.wire import ACCOUNT_ID

TIME = "2026-11-23T15:00:00.250Z"
DAY = {"year": 2026, "month": 11, "day": 24}
# Recorded ids reach twelve digits.
ORDER_ID = 663695020149

type Row = dict[str, Any]


def account(**fields: Any) -> Row:
    row = {"id": ACCOUNT_ID, "name": "DEMO-1", "userId": 7, "accountType": "Customer", "active": True}
    more = {"clearingHouseId": 2, "riskCategoryId": 1, "autoLiqProfileId": 1, "timestamp": TIME}
    return row | more | {"marginAccountType": "Speculator", "legalStatus": "Individual"} | fields


def product(**fields: Any) -> Row:
    row = {"id": 800, "name": "MES", "currencyId": 1, "productType": "Futures", "description": "Micro"}
    more = {"exchangeId": 1, "contractGroupId": 2, "status": "Verified", "valuePerPoint": 5.0}
    return row | more | {"priceFormatType": "Decimal", "priceFormat": -2, "tickSize": 0.25} | fields


def maturity(**fields: Any) -> Row:
    row = {"id": 900, "productId": 800, "expirationMonth": 202612, "isFront": True}
    return row | {"expirationDate": "2026-12-18T14:30:00.000Z"} | fields


def contract(**fields: Any) -> Row:
    return {"id": 3001, "name": "MESZ6", "contractMaturityId": 900} | fields


def position(**fields: Any) -> Row:
    row = {"id": 1, "accountId": ACCOUNT_ID, "contractId": 3001, "timestamp": TIME, "tradeDate": DAY}
    sums = {"bought": 2, "boughtValue": 13684.5, "sold": 0, "soldValue": 0.0, "prevPos": 0}
    return row | sums | {"netPos": 2, "netPrice": 6842.25} | fields


def order(**fields: Any) -> Row:
    row = {"id": ORDER_ID, "accountId": ACCOUNT_ID, "contractId": 3001, "timestamp": TIME}
    return row | {"action": "Buy", "ordStatus": "Filled", "admin": False} | fields


def fill(**fields: Any) -> Row:
    row = {"id": 50, "orderId": ORDER_ID, "contractId": 3001, "timestamp": TIME, "tradeDate": DAY}
    return row | {"action": "Buy", "qty": 1, "price": 6842.25, "active": True, "finallyPaired": 0} | fields


def command(**fields: Any) -> Row:
    row = {"id": ORDER_ID, "orderId": ORDER_ID, "timestamp": TIME, "clOrdId": "td-0001"}
    return row | {"commandType": "New", "commandStatus": "AtExecution", "userSessionId": 3 * 2**31} | fields


def version(**fields: Any) -> Row:
    row = {"id": ORDER_ID, "orderId": ORDER_ID, "orderQty": 2, "orderType": "Market", "text": "td-0001"}
    return row | fields


def report(**fields: Any) -> Row:
    row = {"id": 70, "commandId": ORDER_ID, "timestamp": TIME, "commandStatus": "RiskRejected"}
    return row | {"rejectReason": "MaxPosLimitReached", "text": "Too many"} | fields


def seen(row: Row) -> Row:
    """Return a row as replies have it: with fields that the document does not know."""
    return row | {"archived": False, "external": {"x": 1}}


def decoded(value: object) -> Any:
    """Return a value as the client decodes it from the wire."""
    return json.loads(json.dumps(value), parse_float=Decimal)
