"""Requests that nobody would write, made from the official document: the paper broker never breaks."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from tests.broker.contract.venue import LIMIT_S, Venue, venue
from tests.broker.official import DOCUMENT, operations

# A socket's business, and a look-up that never finds anything.
NOT_IMPLEMENTED = {"/user/syncrequest", "/position/find"}
OPERATIONS = {path: operation for path, operation in operations().items() if path not in NOT_IMPLEMENTED}
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    with venue(tmp_path_factory.mktemp("fuzz") / "paper.journal") as at:
        yield at


@pytest.mark.parametrize("path", sorted(OPERATIONS))
def test_no_request_makes_the_paper_broker_fail(path: str, target: Venue) -> None:
    # Looking renews a token that an earlier request ended.
    target.client.accounts(timeout_s=LIMIT_S)
    (token,) = target.tokens.tokens.values()
    headers = {"Authorization": f"Bearer {token.value}"}
    statuses: set[int] = set()

    @given(case=SCHEMA[path][OPERATIONS[path].method].as_strategy())
    @settings(
        max_examples=12,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def send(case: schemathesis.Case[Any]) -> None:
        statuses.add(case.call(base_url=target.url, headers=headers).status_code)

    send()

    assert statuses
    assert max(statuses) < 500
