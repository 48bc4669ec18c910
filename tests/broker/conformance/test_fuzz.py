"""Requests that nobody would write, made from the official document: the paper broker never breaks."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from broker.base import Side
from tests.broker.conformance.bodies import BUY_LIMIT, SELL_STOP, resting
from tests.broker.contract.venue import LIMIT_S, Venue, limit, venue
from tests.broker.official import DOCUMENT, operations

# A socket's business, and a look-up that never finds anything.
NOT_IMPLEMENTED = {"/user/syncrequest", "/position/find"}
OPERATIONS = {path: operation for path, operation in operations().items() if path not in NOT_IMPLEMENTED}
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
# What a made-up order may keep and is taken all the same.
LABELS = {"clOrdId", "text", "customTag50", "isAutomated"}
# The orders that must be taken are another account's.
SECOND_ACCOUNT = {"accountId": 1_100_002, "accountSpec": "PAPER-2"}
CHANGE = {"orderQty": 1, "orderType": "Limit", "price": 7001.0}

type Order = Callable[[Venue], dict[str, Any]]


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    with venue(tmp_path_factory.mktemp("fuzz") / "paper.journal") as at:
        yield at


def living(at: Venue) -> dict[str, Any]:
    """Return the name of an order that works for as long as nobody cancels it."""
    return {"orderId": at.submit("fuzz", Side.SELL, 1, limit("7000"))}


def answers(target: Venue, path: str, order: Order | None = None) -> list[tuple[int, Any]]:
    """Return status and data of what is answered to made-up requests, the same ones in each run.

    Every other one names an account and a contract that exist. Where an order is given, it takes the place of
    all that was made up but the labels.
    """
    # Looking renews a token that an earlier request ended.
    target.client.accounts(timeout_s=LIMIT_S)
    (token,) = target.tokens.tokens.values()
    headers = {"Authorization": f"Bearer {token.value}"}
    names = SECOND_ACCOUNT | {"symbol": target.contract.name, "contractId": target.contract.id}
    found: list[tuple[int, Any]] = []

    @given(case=SCHEMA[path][OPERATIONS[path].method].as_strategy())
    @settings(
        # The reads of all kinds are one piece of code.
        max_examples=12 if OPERATIONS[path].body and order is None else 5,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def send(case: schemathesis.Case[Any]) -> None:
        made: Any = case.body
        if order is None and isinstance(made, dict) and len(found) % 2:
            case.body = made | {name: names[name] for name in names.keys() & made.keys()}
        elif order is not None:
            case.body = order(target) | {name: made[name] for name in LABELS & made.keys()}
        reply = case.call(base_url=target.url, headers=headers)
        found.append((reply.status_code, reply.json() if reply.status_code == 200 else reply.text))

    send()
    return found


def differences(path: str, data: Any) -> set[str]:
    """Return in what the data of a 200 differs from the document, which tells nothing of violations."""
    if isinstance(data, dict) and "violations" in data:
        rows = [{"constraint", "value", "description"} ^ row.keys() for row in data["violations"]]
        return (data.keys() - {"violations"}).union(*rows)
    return OPERATIONS[path].reply_differences(data)


@pytest.mark.parametrize("path", sorted(OPERATIONS))
def test_made_up_request_neither_breaks_the_paper_broker_nor_the_shape_of_its_reply(
    path: str, target: Venue
) -> None:
    replies = answers(target, path)

    assert replies
    assert max(status for status, _ in replies) < 500
    assert set().union(*(differences(path, data) for status, data in replies if status == 200)) == set()


@pytest.mark.parametrize(
    ("path", "order", "ids"),
    [
        ("/order/placeorder", resting, {"orderId"}),
        ("/order/placeoso", lambda at: resting(at) | {"bracket1": SELL_STOP}, {"orderId", "oso1Id"}),
        ("/order/placeoco", lambda at: resting(at) | {"other": BUY_LIMIT}, {"orderId", "ocoId"}),
        ("/order/modifyorder", lambda at: living(at) | CHANGE, {"commandId"}),
        ("/order/cancelorder", living, {"commandId"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_order_command_on_what_exists_is_accepted_whatever_its_labels(
    path: str, order: Order, ids: set[str], target: Venue
) -> None:
    replies = answers(target, path, order)

    assert replies
    assert [(status, data.keys()) for status, data in replies] == [(200, ids)] * len(replies)
    assert set().union(*(differences(path, data) for _, data in replies)) == set()
