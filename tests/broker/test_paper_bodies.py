"""Bodies that nobody would send to the routes under /paper, which no official document describes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.paper.scenarios.faults import Fault, Kind
from broker.paper.scenarios.routes import feed_routes, routes
from tests.broker.paper_server import log_in, running

LONE = "\ud800"
FAULT = {"kind": "status", "on": "/order/list"}
GOOD: dict[str, dict[str, Any]] = {
    "/paper/prices": {"root": "MES", "price": 6842.25},
    "/paper/faults": FAULT,
    "/paper/release": {"orderId": 1},
    "/paper/tokens": {"expire": True},
    "/paper/sessions": {"strictCid": True},
    "/paper/clock": {"advance_s": 1},
}
PATHS = sorted(route.path for route in [*feed_routes, *routes] if route.method == "POST")
FIELDS = sorted({*Fault.__slots__, "reject", "parts", "hold"}.union(*GOOD.values()))

texts = st.sampled_from([*Kind, "fate", "socket", "*", "NOPE"]) | st.text(st.sampled_from(f"/a1 é{LONE}"))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
changes = st.dictionaries(st.sampled_from(FIELDS) | texts, values, max_size=2)
requests = st.sampled_from(PATHS).flatmap(
    lambda path: st.tuples(st.just(path), changes.map(lambda fields: GOOD[path] | fields) | values)
)


@pytest.fixture(scope="module")
def scenarios(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    journal = tmp_path_factory.mktemp("bodies") / "journal"
    with running(journal, scenarios=True) as server, httpx.Client(base_url=server.url[:-3]) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        ("prices", {"root": LONE, "price": 1}, "root"),
        ("prices", {"root": "MES", "price": LONE}, "price"),
        ("faults", FAULT | {"on": f"/{LONE}"}, "on"),
        ("faults", FAULT | {"text": LONE}, "text"),
        ("faults", {"kind": "close", "text": f"bye {LONE}"}, "text"),
        ("faults", {"kind": "unknown_word", "on": "*", "word": LONE}, "word"),
        ("faults", {"kind": "fate", "reject": ["TooLate", LONE]}, "reject"),
        ("faults", FAULT | {LONE: 1}, "\\ud800"),
        ("sessions", {LONE: True}, "\\ud800"),
        ("clock", {"advance_s": {"x": [LONE]}}, "advance_s"),
    ],
)
def test_lone_surrogate_is_a_400_that_names_its_field(
    scenarios: httpx.Client, path: str, body: dict[str, Any], name: str
) -> None:
    reply = scenarios.post(f"/paper/{path}", content=json.dumps(body))

    assert (reply.status_code, reply.text) == (400, f'"{name}" cannot be written in UTF-8')


def test_lone_surrogate_in_a_root_is_a_400_where_scenarios_are_off(tmp_path: Path) -> None:
    with running(tmp_path / "journal") as server, httpx.Client(base_url=server.url) as client:
        client.headers["Authorization"] = f"Bearer {log_in(client)['accessToken']}"

        reply = client.post(f"{server.url[:-3]}/paper/prices", content=rb'{"root": "\ud800", "price": 1}')

    assert (reply.status_code, reply.text) == (400, '"root" cannot be written in UTF-8')


@pytest.mark.parametrize(
    ("field", "value"),
    [("code", code) for code in (5, 999, 1004, 1005, 1006, 1015, 2999, 5000, 70_000, 1000.0)]
    + [("text", "x" * 124), ("text", "é" * 62)],
)
def test_close_that_no_frame_can_carry_is_a_400_that_names_its_field(
    scenarios: httpx.Client, field: str, value: Any
) -> None:
    reply = scenarios.post("/paper/faults", json={"kind": "close", field: value})

    assert (reply.status_code, reply.text.split()[0]) == (400, field)


@given(request=requests)
@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_no_body_makes_a_route_under_paper_fail(scenarios: httpx.Client, request: tuple[str, Any]) -> None:
    path, body = request

    assert scenarios.post(path, content=json.dumps(body)).status_code in {200, 400, 404}
