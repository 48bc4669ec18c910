"""Every request that the client can make, held against the official document's request schemas."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

from broker.base import OrderRequest, Side
from broker.orders import Leg
from broker.terms import OrderType, Terms, TimeInForce
from broker.tradovate import forms
from broker.tradovate.credentials import Credentials
from broker.tradovate.reads import READS
from broker.tradovate.requests import REQUESTS
from tests.broker.conformance.conftest import COUNTS
from tests.broker.official import operations
from tests.broker.samples import sample_address, sample_request
from tests.broker.wire import CREDENTIALS, market_order

LOGIN, RENEW = "/auth/accesstokenrequest", "/auth/renewaccesstoken"
# What the client does otherwise than the document says, and why.
DEVIATIONS = {
    f"{LOGIN}: cid: type": "a number in every official example; one client reports that a string is refused",
    "/order/liquidateposition: isAutomated: additionalProperties": "added in the document of 2026",
}
PRICE, STOP = Decimal("6842.25"), Decimal("6830.5")
TERMS = [
    Terms(),
    Terms(OrderType.LIMIT, price=PRICE),
    Terms(OrderType.STOP, stop_price=STOP, time_in_force=TimeInForce.GTC),
    Terms(OrderType.STOP_LIMIT, price=PRICE, stop_price=STOP, time_in_force=TimeInForce.IOC),
    Terms(OrderType.TRAILING_STOP, stop_price=STOP, trail=Decimal("5")),
    Terms(
        OrderType.LIMIT,
        price=PRICE,
        time_in_force=TimeInForce.GTD,
        expires_at=datetime(2026, 11, 24, 21, tzinfo=UTC),
    ),
]


def bodies() -> list[tuple[str, Any]]:
    """Return path and body of every command, in each of its forms."""
    made = [
        (kind.path, sample_request(kind, with_optional=optional).body())
        for kind in REQUESTS
        for optional in (True, False)
    ]
    for terms in TERMS:
        order: OrderRequest = replace(market_order(), terms=terms)
        leg = Leg(Side.SELL, terms, "td-leg")
        requests = (
            forms.place_order(order),
            forms.place_oso(order, [leg]),
            forms.place_oso(order, [leg, leg]),
            forms.place_oco(order, leg),
            forms.modify_order(7, 2, terms, "td-2"),
        )
        made += [(request.path, request.body()) for request in requests]
    made += [(LOGIN, login.request_body()) for login in (CREDENTIALS, Credentials("ada", "pass"))]
    return [(path, json.loads(json.dumps(body))) for path, body in made]


def test_every_request_of_the_client_is_one_of_the_official_document() -> None:
    official = operations()
    found: set[str] = set()
    asked = {RENEW}
    for read in READS:
        path, _, query = sample_address(read).partition("?")
        asked.add(path)
        found |= official[path].request_differences(dict(parse_qsl(query)), None)
    for path, body in bodies():
        asked.add(path)
        found |= official[path].request_differences({}, body)

    assert found == set(DEVIATIONS)
    assert len(asked) == len(READS) + len(REQUESTS) + 2
    COUNTS.append(
        f"client: requests of {len(asked)} operations validate against the official document, "
        f"{len(DEVIATIONS)} deviations listed"
    )


def test_renewal_is_a_read_without_parameters() -> None:
    renewal = operations()[RENEW]

    assert (renewal.method, dict(renewal.query), renewal.body) == ("GET", {}, None)
