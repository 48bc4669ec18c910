"""Several web processes work on the same bots at once: with Redis, without, as it dies, and on SQLite."""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import pytest

from tests import embedded
from tests.flows.conftest import OpenDesk
from tests.flows.databases import Row
from tests.flows.desks import Answer, Bot, Desk, alert, at_once
from tests.waiting import until

ALERTS, SENDERS = 60, 16
NOBODY = "redis://127.0.0.1:1/0"


@pytest.fixture(scope="module", params=["redis", "no redis", "sqlite"])
def desk(open_desk: OpenDesk, request: pytest.FixtureRequest) -> Iterator[Desk]:
    """Two servers with two workers each on PostgreSQL, or one server with eight threads on SQLite."""
    match request.param:
        case "redis":
            opened = open_desk(servers=2, workers=2)
        case "no redis":
            opened = open_desk(servers=2, workers=2, redis_url=NOBODY)
        case _:
            opened = open_desk(on_sqlite=True)
    with opened as one:
        yield one


def test_sixty_alerts_at_once_for_one_bot_end_where_the_broker_is(desk: Desk) -> None:
    bot = desk.next_bot()
    alerts = mixed_alerts(bot)

    answers = at_once([partial(desk.post, bot, one, web=n % len(desk.webs)) for n, one in enumerate(alerts)])

    assert_all_processed(answers)
    desk.settle()
    assert len(desk.decisions(bot)) == ALERTS
    assert_agrees(desk, bot)


def test_alerts_that_each_trade_sent_by_many_hands_never_overfill_a_bot(desk: Desk) -> None:
    bots = desk.bots(2)
    alerts = [
        (bot, alert(bot, ("blue", "red")[step % 2], f"{9 + step // 6:02}:{step % 6 * 10:02}"))
        for step in range(ALERTS)
        for bot in bots
    ]

    answers = by_many_hands(desk, alerts)

    assert_all_processed(answers)
    desk.settle()
    for bot in bots:
        assert len(desk.decisions(bot)) == ALERTS
        assert len([order for order in desk.orders(bot) if order["status"] == "filled"]) >= ALERTS // 10
        assert_agrees(desk, bot)


def test_alerts_for_many_bots_at_once_are_all_decided(desk: Desk) -> None:
    bots, words = desk.bots(10), ("blue", "down", "up", "red", "up", "down")
    alerts = [(bot, alert(bot, word, f"{10 + hour}:00")) for hour, word in enumerate(words) for bot in bots]

    answers = by_many_hands(desk, alerts)

    assert_all_processed(answers)
    desk.settle()
    for bot in bots:
        assert len(desk.decisions(bot)) == len(words)
        assert_agrees(desk, bot)


def test_redis_that_dies_amid_alerts_changes_nothing_but_time(open_desk: OpenDesk) -> None:
    port = embedded.free_port()
    valkey = embedded.start_valkey(port)
    with open_desk(redis_url=f"redis://127.0.0.1:{port}/0") as desk:
        bots, words = desk.bots(3), ("blue", "red")
        alerts = [(bot, alert(bot, words[step % 2], f"{10 + step}:00")) for step in range(12) for bot in bots]

        answers = by_many_hands(desk, alerts[: len(alerts) // 3])
        valkey.kill()
        valkey.wait()
        answers += by_many_hands(desk, alerts[len(alerts) // 3 :])

        assert_all_processed(answers)
        assert max(answer.seconds for answer in answers) < 2.6
        desk.settle()
        for bot in bots:
            assert len(desk.decisions(bot)) == 12
            assert_agrees(desk, bot)


def mixed_alerts(bot: Bot) -> list[dict[str, Any]]:
    """Return sixty events of one day: colours every ten minutes, crosses every fifteen."""
    words = [(f"{9 + step // 6:02}:{step % 6 * 10:02}", ("blue", "red")[step // 2 % 2]) for step in range(36)]
    words += [(f"{9 + step // 4:02}:{step % 4 * 15:02}", ("up", "down")[step // 3 % 2]) for step in range(24)]
    return [alert(bot, word, closes_at) for closes_at, word in words]


def by_many_hands(desk: Desk, alerts: Sequence[tuple[Bot, dict[str, Any]]]) -> list[Answer]:
    """Post alerts roughly in their order, many at a time, and return the answers."""
    left, lock = iter(enumerate(alerts)), threading.Lock()
    answers: list[Answer] = []

    def send() -> None:
        while True:
            with lock:
                number, one = next(left, (0, None))
            if one is None:
                return
            answers.append(desk.post(*one, web=number % len(desk.webs)))

    at_once([send] * SENDERS)
    return answers


def assert_all_processed(answers: Sequence[Answer]) -> None:
    words = Counter((answer.status, answer.body["status"]) for answer in answers)
    assert words == {(200, "processed"): len(answers)}


def assert_agrees(desk: Desk, bot: Bot) -> None:
    """Compare a bot's orders and position with the broker's."""
    ours = [order["client_order_id"] for order in desk.orders(bot)]
    assert len(ours) == len(set(ours))
    known = Counter(identity for identity in desk.broker.client_order_ids() if identity in set(ours))
    assert set(known.values()) <= {1}
    assert {order["status"] for order in desk.orders(bot)} <= {"filled", "denied"}
    assert desk.booked(bot) == desk.held(bot)
    assert largest_position(desk, bot) <= 1


def largest_position(desk: Desk, bot: Bot) -> int:
    """Return the largest |position| that the broker's fills of a bot's orders ever made."""
    ours = {order["broker_order_id"] for order in desk.orders(bot)}
    held, largest = 0, 0
    for fill in sorted(desk.broker.rows("fill"), key=lambda row: row["id"]):
        if fill["orderId"] in ours:
            held += fill["qty"] if fill["action"] == "Buy" else -fill["qty"]
            largest = max(largest, abs(held))
    return largest


def test_every_process_signs_what_it_runs_and_all_agree(desk: Desk) -> None:
    until(lambda: len(signs(desk)) >= len(desk.webs), 15, "a sign of every web server")

    assert len({(row["version"], row["code"], row["settings"]) for row in signs(desk)}) == 1
    assert {row["role"] for row in signs(desk)} == {"web"}


def signs(desk: Desk) -> list[Row]:
    return desk.database.rows("SELECT role, version, code, settings FROM tradedesk_runningprocess")
