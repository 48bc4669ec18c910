"""The switch is engaged amid a stream of alerts: once its call has returned, no order leaves."""

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial

import pytest

from tests.flows.conftest import OpenDesk
from tests.flows.desks import Answer, Bot, Desk, at_once
from tests.waiting import until
from tradedesk.wiring import now

BOTS, LEAST_ALERTS = 10, 40
SWITCH = "/api/v1/kill-switch/"


@pytest.fixture(scope="module", params=["quick broker", "slow broker", "sqlite"])
def desk(open_desk: OpenDesk, request: pytest.FixtureRequest) -> Iterator[Desk]:
    match request.param:
        case "quick broker":
            opened = open_desk(servers=2)
        case "slow broker":
            opened = open_desk(servers=2, latency_s=0.2)
        case _:
            opened = open_desk(on_sqlite=True)
    with opened as one:
        # The process that runs commands is there before the alerts take all of the machine.
        assert json.loads(one.command("kill_switch", "status", "--json"))["engaged"] is False
        yield one


def through_the_api(desk: Desk) -> int:
    """Engage the switch over HTTP and return how many orders it leaves in flight."""
    answer = desk.api("POST", SWITCH, {"engaged": True, "scope": "all", "reason": "test"})
    assert (answer.status, answer.body["trading_state"]) == (200, "HALTED"), answer.body
    return int(answer.body["in_flight"])


def by_command(desk: Desk) -> int:
    """Engage the switch from a shell and return how many orders it leaves in flight."""
    return int(json.loads(desk.command("kill_switch", "on", "--json"))["in_flight"])


class Stream:
    """Alerts for many bots at once, each of which calls for an order, until some time after the switch."""

    def __init__(self, desk: Desk, bots: list[Bot]) -> None:
        self.desk = desk
        self.bots = bots
        self.before: list[Answer] = []
        self.after: list[Answer] = []
        self._traded = threading.Semaphore(0)
        self._returned = threading.Event()

    def run(self, engage: Callable[[Desk], int]) -> tuple[int, datetime]:
        """Send, engage in the middle, and return what the call said was in flight and when it returned."""

        def halt() -> tuple[int, datetime]:
            try:
                for _ in range(LEAST_ALERTS // 2):
                    assert self._traded.acquire(timeout=20)
                return engage(self.desk), now()
            finally:
                self._returned.set()

        calls: list[Callable[[], tuple[int, datetime] | None]] = [halt]
        calls += [partial(self._send, number) for number in range(len(self.bots))]
        switched = at_once(calls)[0]
        assert switched is not None
        return switched

    def _send(self, number: int) -> None:
        bars = (f"{minute // 60:02}:{minute % 60:02}" for minute in range(10, 40_000, 10))
        words = itertools.cycle(("blue", "red"))
        web, left = number % len(self.desk.webs), 2
        while left:
            is_over = self._returned.is_set()
            answer = self.desk.send(self.bots[number], next(words), next(bars), web=web)
            (self.after if is_over else self.before).append(answer)
            self._traded.release()
            left -= is_over


@pytest.mark.parametrize("engage", [through_the_api, by_command], ids=["api", "command"])
def test_switch_engaged_amid_alerts_lets_no_order_leave_after_it_returned(
    desk: Desk, engage: Callable[[Desk], int]
) -> None:
    stream = Stream(desk, desk.bots(BOTS))
    orders_before = len(desk.broker.rows("order"))

    in_flight, returned_at = stream.run(engage)

    assert in_flight == 0
    answers = [*stream.before, *stream.after]
    assert len(answers) >= LEAST_ALERTS
    assert {(answer.status, answer.body["status"]) for answer in answers} == {(200, "processed")}
    at_broker = desk.broker.rows("order")[orders_before:]
    assert max(datetime.fromisoformat(order["timestamp"]) for order in at_broker) <= returned_at
    claimed = [order for bot in stream.bots for order in desk.orders(bot)]
    assert max(order["sent_at"] for order in claimed) <= returned_at
    sent = [order for answer in answers if (order := answer.decision["order"])]
    refused = [answer for answer in answers if not answer.decision["order"]]
    # Under load a claim can be too old when its turn comes; such an order waits for recovery, in vain here.
    held_back = [order for order in claimed if order["status"] == "pending"]
    assert len(sent) == len(claimed) == len(at_broker) + len(held_back)
    assert len(at_broker) >= LEAST_ALERTS // 2
    assert len(sent) + len(refused) == len(answers)
    assert [answer.decision["order"] for answer in stream.after] == [None] * (2 * BOTS)
    assert desk.send(desk.next_bot(), "blue", "10:10").summary == ("NONE", "HALTED", None)
    assert all(desk.booked(bot) == desk.held(bot) for bot in stream.bots)
    until(lambda: is_released(desk), 20, "release of the switch")


def is_released(desk: Desk) -> bool:
    """Try to let trading go on for the next test."""
    return desk.api("POST", SWITCH, {"engaged": False, "scope": "all", "reason": "test"}).status == 200
