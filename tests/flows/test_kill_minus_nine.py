"""The web process is killed in the middle of alerts, again and again; nothing is lost and nothing doubled."""

import itertools
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from tests.flows.conftest import OpenDesk
from tests.flows.desks import Answer, Bot, Desk, at_once
from tests.flows.processes import Web

ROUNDS, BOTS, ANSWERS_FIRST = 3, 8, 10
# A broker that is asked by two processes at once may refuse one of them; the next round asks again.
RECOVERIES = 2
WORDS = ("blue", "red", "up", "down")


@pytest.fixture(scope="module")
def desk(open_desk: OpenDesk) -> Iterator[Desk]:
    with open_desk(latency_s=0.1) as opened:
        yield opened


def test_kill_amid_alerts_loses_none_and_sends_none_twice(desk: Desk) -> None:
    bots = desk.bots(BOTS)
    answered: list[Answer] = []

    for number in range(ROUNDS):
        answered += kill_amid_alerts(desk, bots, number)
        start_again(desk)
    for _ in range(RECOVERIES):
        desk.let_seconds_pass(6)
        desk.recover()

    assert {answer.status for answer in answered} == {200}
    assert len(answered) >= ROUNDS * ANSWERS_FIRST
    stored = {str(row["id"]) for row in desk.database.rows("SELECT id FROM tradedesk_alert")}
    assert {answer.body["alert_id"] for answer in answered} <= stored
    assert desk.undecided() == []
    assert set(Counter(desk.broker.client_order_ids()).values()) == {1}
    known = {order["client_order_id"] for bot in bots for order in desk.orders(bot)}
    assert set(desk.broker.client_order_ids()) <= known
    for bot in bots:
        assert desk.booked(bot) == desk.held(bot) or desk.open_incidents(bot)
        assert abs(desk.held(bot)) <= 1
        without_an_end = [row for row in desk.orders(bot) if row["status"] == "unconfirmed"]
        assert ("ORDER_UNCONFIRMED" in desk.open_incidents(bot)) == bool(without_an_end)
        assert {row["status"] for row in desk.orders(bot)} <= {"filled", "denied", "unconfirmed", "lost"}
    answers = [desk.send(bot, "blue", "23:00") for bot in bots]
    assert {answer.status for answer in answers} == {200}


def kill_amid_alerts(desk: Desk, bots: list[Bot], number: int) -> list[Answer]:
    """Stream alerts for all bots, kill the server after some answers, and return those that came."""
    answers: list[Answer] = []
    enough = threading.Semaphore(0)

    def send(bot: Bot) -> None:
        first = 300 * number + 30
        bars = (f"{minute // 60:02}:{minute % 60:02}" for minute in range(first, first + 300, 30))
        for word, closes_at in zip(itertools.cycle(WORDS), bars, strict=False):
            answer = desk.try_to_send(bot, word, closes_at)
            if answer is None:
                return
            answers.append(answer)
            enough.release()

    def kill() -> None:
        for _ in range(ANSWERS_FIRST):
            assert enough.acquire(timeout=20)
        desk.webs[0].kill()

    calls: list[Callable[[], None]] = [kill]
    calls += [partial(send, bot) for bot in bots]
    at_once(calls)
    return answers


def start_again(desk: Desk) -> None:
    """Start the server on its port again and return once it trades."""
    killed = desk.webs[0]
    desk.webs[0] = Web(killed.port, desk.environ, killed.said)
    desk.wait_until_trading()
