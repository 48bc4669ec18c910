from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.builders import make_alert, make_bot, make_decision, make_fill, make_incident, make_order, set_held
from tests.fakes import START, FakeClock
from tradedesk.models import Account, Instrument, Order, OrderStatus, Strategy, TaskRun, TradingState
from tradedesk.selectors.changes import fingerprint

PATHS = ["/admin/", "/admin/header/", "/admin/tradedesk/botstate/", "/admin/profit/", "/admin/latency/"]


def poll(client: Client, path: str, version: str = "") -> tuple[int, str]:
    answer = client.get(path, headers={"HX-Trigger": "poll", "X-Panel-Version": version})
    return answer.status_code, answer["X-Panel-Version"]


@pytest.mark.parametrize("path", PATHS)
def test_poll_costs_one_query_besides_the_persons_until_something_changes(path: str, panel: Client) -> None:
    bot = make_bot()
    _, version = poll(panel, path)

    with CaptureQueriesContext(connection) as queries:
        quiet = poll(panel, path, version)
    # Session and person are the others.
    assert len(queries) == 3
    assert quiet == (204, version)
    TradingState.objects.filter(scope="all").update(mode="HALTED")
    make_order(bot)
    assert poll(panel, path, version)[0] == 200


def test_what_only_time_changes_is_seen_within_half_a_minute(panel: Client, clock: FakeClock) -> None:
    make_bot()
    _, version = poll(panel, "/admin/tradedesk/botstate/")

    clock.advance(95)

    assert poll(panel, "/admin/tradedesk/botstate/", version)[0] == 200


def test_another_address_and_another_person_have_their_own_version(panel: Client, viewer: Client) -> None:
    versions = {
        poll(client, path)[1] for client, path in ((panel, "/admin/"), (panel, "/admin/?day=2026-11-20"))
    }
    versions.add(poll(viewer, "/admin/")[1])

    assert len({version.partition(".")[2] for version in versions}) == 3


def test_whatever_changes_changes_the_fingerprint(desk: object) -> None:
    bot = make_bot()
    order = make_order(bot, status=OrderStatus.UNCONFIRMED)
    seen = [fingerprint(), fingerprint()]
    assert seen[0] == seen[1]

    changes: list[Callable[[], object]] = [
        lambda: make_alert(bot.strategy),
        lambda: make_decision(bot.strategy.alerts.get(), bot),
        lambda: make_fill(order),
        lambda: Order.objects.update(status=OrderStatus.LOST),
        lambda: Order.objects.update(looks=3),
        lambda: make_incident(bot),
        lambda: bot.incidents.update(closed_at=START),
        lambda: set_held(bot, 1),
        lambda: Account.objects.update(reconciled_at=START + timedelta(seconds=30)),
        lambda: Account.objects.update(cash={"profit": "1"}),
        lambda: Account.objects.update(differences={"a": "b"}),
        lambda: Strategy.objects.update(heartbeat_at=START),
        lambda: Instrument.objects.update(fee=Decimal(1)),
        lambda: TradingState.objects.filter(scope="all").update(mode="REDUCING"),
        lambda: TaskRun.objects.create(name="recover", succeeded_at=START),
    ]
    for number, change in enumerate(changes):
        change()
        seen.append(fingerprint())
        assert seen[-1] != seen[-2], number
