"""What the client can ask at all, and what it never does."""

import json
from typing import Any

import pytest

from broker.tradovate.reads import READS, Read
from broker.tradovate.requests import REQUESTS, Request
from tests.broker.samples import sample_address, sample_request

# The two token requests are those of `auth`.
IS_AUTOMATED = {
    "/order/placeorder",
    "/order/placeoso",
    "/order/placeoco",
    "/order/modifyorder",
    "/order/cancelorder",
    "/order/liquidateposition",
}


def test_each_operation_is_registered_once() -> None:
    paths = [read.path for read in READS] + [request.path for request in REQUESTS]

    assert len(READS) == 36
    assert len(REQUESTS) == 15
    assert len(set(paths)) == len(paths)


@pytest.mark.parametrize("read", READS, ids=lambda read: read.path)
def test_read_goes_to_its_path_with_all_its_parameters(read: Read[Any]) -> None:
    path, _, query = sample_address(read).partition("?")

    assert path == read.path
    assert [pair.split("=")[0] for pair in query.split("&") if pair] == list(read.parameters)


@pytest.mark.parametrize("kind", REQUESTS, ids=lambda kind: kind.path)
@pytest.mark.parametrize("with_optional", [True, False])
def test_request_is_an_object_of_filled_fields(kind: type[Request[Any]], with_optional: bool) -> None:
    body = json.loads(json.dumps(sample_request(kind, with_optional=with_optional).body()))

    def check(value: object) -> None:
        assert value is not None
        for inner in value.values() if isinstance(value, dict) else []:
            check(inner)

    check(body)
    assert body.get("isAutomated") is (True if kind.path in IS_AUTOMATED else None)
    assert not body.get("admin")
    assert not body.keys() & {"customTag50", "activationTime", "maxShow"}
