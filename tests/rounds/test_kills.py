"""Every part of the desk is killed at random moments under load: nothing is lost, and nothing doubled."""

import itertools
import os
import random
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from tests.flows.desks import Answer, Bot, Desk, alert, at_once
from tests.flows.servers import Part, stopped
from tests.rounds.wholes import Whole
from tests.waiting import until

# The same seed kills the same parts at the same moments of the same alerts; how far these are, differs.
ROUNDS = int(os.environ.get("ROUNDS", "50"))
SEED = int(os.environ.get("SEED", "1"))
WORDS = ("blue", "red", "blue", "red", "up", "down")
BOTS, SENT_TWICE, TRIES = 5, 4, 4
# Most of a round's alerts are answered by then.
LONGEST_WAIT_S = 0.4
CLEAN_WITHIN_S = 30.0


def test_kill_of_any_part_at_any_moment_loses_no_alert_and_doubles_no_order(whole: Whole) -> None:
    desk, chance = whole.desk, random.Random(SEED)
    bots = desk.bots(BOTS)
    sender = Sender(desk, bots, chance)

    for number, (name, part) in zip(range(ROUNDS), parts(whole, chance), strict=False):
        moment_s = chance.uniform(0, LONGEST_WAIT_S)
        sys.stdout.write(f"SEED={SEED} round {number}: {name} after {moment_s:.3f} s\n")
        whole.tick("recover")
        calls: list[Callable[[], None]] = [partial(kill, part, moment_s), *sender.calls(number)]
        at_once(calls)
        whole.tick("reconcile")
        whole.postgres.wait_until_ready()
        assert whole.ended() == []
        whole.supervise()
        assert_nothing_lost_or_doubled(desk, sender.answers)

    desk.wait_until_trading()
    desk.settle()
    until(lambda: is_clean(desk), CLEAN_WITHIN_S, "a reconciliation without a difference")
    assert_nothing_lost_or_doubled(desk, sender.answers)
    assert {answer.status for answer in sender.answers} <= {200, 503}
    for bot in bots:
        assert desk.booked(bot) == desk.held(bot)
        assert abs(desk.held(bot)) <= 1
    assert desk.send(desk.next_bot(), "blue", "10:10").summary == ("ENTER_LONG", "TREND_BLUE", "filled")


def parts(whole: Whole, chance: random.Random) -> Iterator[tuple[str, Part]]:
    """Return name and part to kill, round after round, each as often.

    Between two kills of a web server are five of others, as it starts slowest.
    """
    others: list[tuple[str, Part]] = [
        ("worker", whole.worker),
        ("follower", whole.follower),
        ("Redis", whole.redis),
        ("PostgreSQL", whole.postgres),
        ("paper broker", whole.desk.broker),
    ]
    for web in itertools.cycle(whole.desk.webs):
        yield "web", web
        yield from chance.sample(others, len(others))


def kill(part: Part, moment_s: float) -> None:
    """Kill a part at a moment of the round, and start it again. The wait is for nothing but that moment."""
    threading.Event().wait(moment_s)
    with stopped(part):
        pass


class Sender:
    """Alerts for some bots. Of some bots each is sent twice at once, and all again that were not taken."""

    def __init__(self, desk: Desk, bots: list[Bot], chance: random.Random) -> None:
        self.answers: list[Answer] = []
        self._desk = desk
        self._bots = bots
        self._chance = chance
        self._not_taken: defaultdict[Bot, list[tuple[Mapping[str, Any], int]]] = defaultdict(list)

    def calls(self, number: int) -> list[Callable[[], None]]:
        """Return what posts the alerts of a round: those of a bot in a row, all to one of the web servers."""
        calls: list[Callable[[], None]] = []
        for bot in self._bots:
            fresh = [alert(bot, self._chance.choice(WORDS), closes_at) for closes_at in bars(number)]
            row = [*self._not_taken.pop(bot, []), *((message, TRIES) for message in fresh)]
            hands = 2 if bot in self._bots[:SENT_TWICE] else 1
            calls += [partial(self._post, bot, row, self._chance.randrange(2)) for _ in range(hands)]
        return calls

    def _post(self, bot: Bot, row: list[tuple[Mapping[str, Any], int]], web: int) -> None:
        for message, tries in row:
            answer = self._desk.try_to_post(bot, message, web=web)
            if answer is not None:
                self.answers.append(answer)
            if (answer is None or answer.status != 200) and tries > 1:
                self._not_taken[bot].append((message, tries - 1))


def bars(number: int) -> list[str]:
    """Return when the two bars of a round close."""
    minutes = (60 * number + 60, 60 * number + 90)
    return [f"{minute // 60:02}:{minute % 60:02}" for minute in minutes]


def assert_nothing_lost_or_doubled(desk: Desk, answers: list[Answer]) -> None:
    """Compare all answers with the stored alerts, and the broker's orders with the stored ones."""
    alerts = {str(row["id"]) for row in desk.database.rows("SELECT id FROM tradedesk_alert")}
    assert {answer.body["alert_id"] for answer in answers if answer.status == 200} <= alerts
    at_broker = Counter(desk.broker.client_order_ids())
    assert set(at_broker.values()) <= {1}
    orders = desk.database.rows("SELECT client_order_id FROM tradedesk_order")
    assert at_broker.keys() <= {row["client_order_id"] for row in orders}


def is_clean(desk: Desk) -> bool:
    """Compare all accounts, and tell whether the broker has what is booked."""
    answer = desk.api("POST", "/api/v1/reconcile/", {})
    return answer.status == 200 and answer.body["clean"] is True
