from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from rest_framework.test import APIRequestFactory

from broker.base import Connected
from tests.builders import TOKEN, make_message
from tests.fakes import START
from tests.simulation.processes import Process
from tests.simulation.world import World
from tests.telling import BLUE, DOWN, RED, UP
from tradedesk.models import Account, Incident, IncidentKind, TradingMode
from tradedesk.services.halting import kill_switch
from tradedesk.services.halting.flatten import flatten, go_on
from tradedesk.services.reconciling.comparing import Comparer
from tradedesk.services.reconciling.following import Follower
from tradedesk.services.reconciling.recovery import recover
from tradedesk.services.reconciling.resolving import resolve
from tradedesk.services.reconciling.rounds import reconcile_each
from tradedesk.webhook.views import TradingViewWebhook

# TradingView sends up to four times.
MOST_TRIES = 4
SCOPES = ("all", "all", "account:paper-1", "bot:mes-1")
_post = TradingViewWebhook.as_view()
_requests = APIRequestFactory()


@dataclass
class Letter:
    """One message of TradingView: how often it was sent, and whether it was answered."""

    message: dict[str, Any]
    tries: int = 0
    is_answered: bool = False


class Acts:
    """What may happen in a world: alerts, tasks, people, and outages."""

    def __init__(self, world: World, *, has_person: bool) -> None:
        self.letters: list[Letter] = []
        self.has_person = has_person
        self._world = world
        self._random = world.random
        self._last: dict[str, str] = {}
        self._bar = START
        self._following: Process | None = None

    def close_bars(self) -> None:
        """Let the next bars close, and their alerts arrive as TradingView happens to send them."""
        minutes = self._random.choice([10, 15, 30])
        self._bar = max(self._bar, self._world.clock.now()) + timedelta(minutes=minutes)
        pairs = self._random.choice([[(BLUE, RED)], [(BLUE, RED)], [(UP, DOWN)], [(BLUE, RED), (UP, DOWN)]])
        actions = [self._next_of(*pair) for pair in pairs]
        self.letters.extend(Letter(make_message(action, fired_at=self._bar)) for action in actions)
        seconds = (self._bar - self._world.clock.now()).total_seconds()
        self._world.clock.advance(seconds + self._random.choice([0.5, 1, 1, 1, 2, 2, 30, 90]))
        for _ in actions:
            self.deliver()

    def _next_of(self, first: str, second: str) -> str:
        """Return one of two opposite events: as a rule not the one that came last."""
        last = self._last.get(first, self._random.choice([first, second]))
        event = last if self._random.random() < 0.2 else second if last == first else first
        self._last[first] = event
        return event

    def deliver(self) -> None:
        """Send a letter that was not answered, or one that was, once more."""
        due = [letter for letter in self.letters if letter.tries < MOST_TRIES][-4:]
        unanswered = [letter for letter in due if not letter.is_answered]
        if due:
            again = self._random.random() < 0.3
            self.send(self._random.choice(due if again else unanswered or due))

    def send(self, letter: Letter) -> None:
        letter.tries += 1
        name = self._idle("web", "other web")
        answer = self._world.run(name, "alert", lambda _: answer_to(letter.message))
        if answer is None:
            return
        status, body = answer
        self._world.note(f"{name} answers {letter.message['action']} with {status} {_short(body)}")
        if status == 200:
            letter.is_answered = True
            self._world.laws.answered.add(body["alert_id"])

    def wait(self) -> None:
        self._world.clock.advance(self._random.choice([1, 4, 6, 20, 70]))

    def nap(self) -> None:
        self._world.clock.advance(self._random.choice([0.2, 0.5, 2.1, 3, 5, 12]))

    def recover(self) -> None:
        wait_s = self._random.choice([0.0, 0.0, 60.0])
        self.run("recover", lambda process: recover(process.desk, wait_s=wait_s))

    def reconcile(self) -> bool:
        """Compare every account with the broker, and tell whether all was well."""
        found = self.run("reconcile", lambda process: reconcile_each(process.desk, Account.objects.all()))
        return found is not None and found.clean

    def follow(self) -> None:
        """Hear some of what user sync tells, and do what follows from it."""
        if "follower" not in self._world.idle():
            return
        hints = self._world.venue.hints
        heard, hints[:] = hints[:8], hints[8:]

        def follow(process: Process) -> None:
            if process is not self._following:
                self._comparer = Comparer(process.desk)
                self._follower = Follower(process.desk, list(Account.objects.all()), self._comparer)
                self._follower.take(Connected())
                self._following = process
            for hint in heard:
                self._follower.take(hint)
            for _ in range(3):
                self._follower.work()
                self._comparer.work()
                self._world.clock.advance(0.4)

        self._world.run("follower", "follow", follow)

    def let_fill(self) -> None:
        """Let the market come to an order that waits."""
        waiting = self._world.venue.working()
        if waiting:
            self._world.venue.exchange.release(self._random.choice(waiting))

    def flatten(self) -> None:
        scope = self._random.choice(SCOPES)
        result = self.run(
            "flatten", lambda process: flatten(process.desk, scope=scope, reason="drill", by="ada")
        )
        if result is not None:
            self._world.note(f"flatten of {scope}: flat {result.flat}")

    def go_on_flattening(self) -> int | None:
        """Let the task go on with what is to be flat, and return how much still is."""
        return self.run("flatten", lambda process: go_on(process.desk))

    def switch_on(self) -> None:
        scope = self._random.choice(SCOPES)
        mode = self._random.choice([TradingMode.HALTED, TradingMode.HALTED, TradingMode.REDUCING])
        self._world.laws.switched.pop(scope, None)
        switch = self.run(
            "switch on",
            lambda process: kill_switch.engage(
                process.desk, scope=scope, mode=mode, reason="drill", by="ada"
            ),
        )
        if switch is not None:
            self._world.note(f"{scope} is {mode}, {switch.in_flight} in flight")
            self._world.laws.switched[scope] = mode

    def switch_off(self) -> None:
        scope = self._random.choice([*self._world.laws.switched, "all"])
        self._world.laws.switched.pop(scope, None)
        switch = self.run(
            "switch off",
            lambda process: kill_switch.release(process.desk, scope=scope, reason="drill", by="ada"),
        )
        if switch is not None:
            self._world.note(f"{scope} is released")

    def kill(self) -> None:
        self._world.kill_all()

    def lose_redis(self) -> None:
        """Let Redis forget everything, or be away until the next such step."""
        if self._random.random() < 0.5:
            self._world.redis.client.flushall()
        else:
            self._world.redis.is_away = not self._world.redis.is_away

    def lose_database(self) -> None:
        """Let the database be away for one alert."""
        self._world.database.is_away = True
        self.deliver()
        self._world.database.is_away = False

    def use_broker_by_hand(self) -> None:
        """Let a person trade one contract, or cancel an order of the desk."""
        venue = self._world.venue
        working = venue.working()
        if working and self._random.random() < 0.5:
            venue.cancel_by_hand(self._random.choice(working))
            return
        account_id = venue.account_id("PAPER-1")
        self._world.laws.traded_by_hand[account_id] = self._world.clock.now()
        venue.trade_by_hand(account_id, self._random.choice([1, -1]))

    def resolve(self) -> None:
        """Let a person close an incident; a difference by adopting the broker's position."""
        if self.has_person and not self._incidents():
            self.use_broker_by_hand()
            self.reconcile()
            self._world.clock.advance(6)
            self.reconcile()
        if found := self._incidents():
            incident = self._random.choice(found)
            adopts = incident.kind == IncidentKind.POSITION_MISMATCH
            self.run(
                "resolve",
                lambda process: resolve(process.desk, incident, adopt=adopts, reason="drill", by="ada"),
            )

    def _incidents(self) -> list[Incident]:
        with self._world.database.unwatched():
            return list(Incident.objects.filter(closed_at=None).select_related("bot", "account"))

    def run[T](self, activity: str, act: Callable[[Process], T]) -> T | None:
        return self._world.run(self._idle("worker", "command"), activity, act)

    def _idle(self, *names: str) -> str:
        """Return one of the processes that is free, or any that is."""
        free = self._world.idle()
        return next((name for name in names if name in free), free[0])


def answer_to(message: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Post a message to the webhook, and return the HTTP status and the body of its answer."""
    request = _requests.post("/webhooks/tradingview/", message, format="json")
    try:
        answer = _post(request, token=TOKEN)
    except Exception as error:
        raise AssertionError("the webhook raises instead of answering") from error
    return answer.status_code, dict(answer.data)


def _short(body: dict[str, Any]) -> str:
    decisions = [
        f"{one['bot']} {one['action']} {one['reason']} {(one['order'] or {}).get('status', '')}"
        for one in body.get("decisions", ())
    ]
    return f"{body['status']} {decisions}"
