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
from tradedesk.services import kill_switch
from tradedesk.services.flatten import flatten
from tradedesk.services.following import Follower
from tradedesk.services.recovery import recover
from tradedesk.services.resolving import resolve
from tradedesk.services.rounds import reconcile_each
from tradedesk.webhook.views import TradingViewWebhook

# TradingView sends up to four times.
MOST_TRIES = 4
# Two looks make an incident of a difference, three a lost order; more are for a process that died.
MOST_ROUNDS = 6
SCOPES = ("all", "all", "account:paper-1", "bot:mes-1")
_post = TradingViewWebhook.as_view()
_requests = APIRequestFactory()


@dataclass
class Letter:
    """One message of TradingView: how often it was sent, and whether it was answered."""

    message: dict[str, Any]
    tries: int = 0
    is_answered: bool = False


class Story:
    """What happens in a world, step by step: alerts, tasks, people, and outages, as chance has it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._random = world.random
        self._letters: list[Letter] = []
        self._last: dict[str, str] = {}
        self._bar = START
        self._following: Process | None = None
        # What the process that is to die does then: it happens more often in this story.
        self._theme = world.faults.aim.partition(":")[0]
        self._has_person = self._theme == "resolve" or self._random.random() < 0.25
        world.interruptions = self._interrupt

    def tell(self) -> None:
        """Let things happen, and end in quiet."""
        world = self._world
        world.brew()
        for _ in range(self._random.randint(4, 12)):
            self._step()
            world.laws.after_step()
        self._end_in_quiet()
        world.laws.when_quiet()

    def _step(self) -> None:
        weights: dict[Callable[[], object], int] = {
            self._close_bars: 45,
            self._deliver: 12,
            self._wait: 8,
            self._recover: 8,
            self._reconcile: 8,
            self._follow: 5,
            self._let_fill: 5,
            self._flatten: 3,
            self._switch_on: 4,
            self._switch_off: 6,
            self._kill: 3,
            self._lose_redis: 3,
            self._lose_database: 2,
            self._use_broker_by_hand: 12 if self._has_person else 0,
            self._resolve: 3,
        }
        weights |= {step: 6 * weight for step, weight in weights.items() if _name(step) == self._theme}
        (step,) = self._random.choices(list(weights), list(weights.values()))
        self._world.note(_name(step))
        step()

    def _interrupt(self, world: World, point: str) -> None:
        acts: list[Callable[[], object]] = [
            self._deliver,
            self._deliver,
            self._recover,
            self._reconcile,
            self._follow,
            self._let_fill,
            self._flatten,
            self._switch_on,
            self._switch_off,
            self._nap,
        ]
        if self._has_person:
            acts.append(self._use_broker_by_hand)
        act = self._random.choice(acts)
        world.note(f"asleep at {point}; meanwhile {_name(act)}")
        act()

    def _close_bars(self) -> None:
        """Let the next bars close, and their alerts arrive as TradingView happens to send them."""
        minutes = self._random.choice([10, 15, 30])
        self._bar = max(self._bar, self._world.clock.now()) + timedelta(minutes=minutes)
        pairs = self._random.choice([[(BLUE, RED)], [(BLUE, RED)], [(UP, DOWN)], [(BLUE, RED), (UP, DOWN)]])
        actions = [self._next_of(*pair) for pair in pairs]
        self._letters.extend(Letter(make_message(action, fired_at=self._bar)) for action in actions)
        seconds = (self._bar - self._world.clock.now()).total_seconds()
        self._world.clock.advance(seconds + self._random.choice([0.5, 1, 1, 1, 2, 2, 30, 90]))
        for _ in actions:
            self._deliver()

    def _next_of(self, first: str, second: str) -> str:
        """Return one of two opposite events: as a rule not the one that came last."""
        last = self._last.get(first, self._random.choice([first, second]))
        event = last if self._random.random() < 0.2 else second if last == first else first
        self._last[first] = event
        return event

    def _deliver(self) -> None:
        """Send a letter that was not answered, or one that was, once more."""
        due = [letter for letter in self._letters if letter.tries < MOST_TRIES][-4:]
        unanswered = [letter for letter in due if not letter.is_answered]
        if due:
            again = self._random.random() < 0.3
            self._send(self._random.choice(due if again else unanswered or due))

    def _send(self, letter: Letter) -> None:
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

    def _wait(self) -> None:
        self._world.clock.advance(self._random.choice([1, 4, 6, 20, 70]))

    def _nap(self) -> None:
        self._world.clock.advance(self._random.choice([0.2, 0.5, 2.1, 3, 5, 12]))

    def _recover(self) -> None:
        wait_s = self._random.choice([0.0, 0.0, 60.0])
        self._run("recover", lambda process: recover(process.desk, wait_s=wait_s))

    def _reconcile(self) -> bool:
        """Compare every account with the broker, and tell whether all was well."""
        found = self._run("reconcile", lambda process: reconcile_each(process.desk, Account.objects.all()))
        return found is not None and found.clean

    def _follow(self) -> None:
        """Hear some of what user sync tells, and do what follows from it."""
        if "follower" not in self._world.idle():
            return
        hints = self._world.venue.hints
        heard, hints[:] = hints[:8], hints[8:]

        def follow(process: Process) -> None:
            if process is not self._following:
                self._following, self._follower = process, Follower(process.desk, list(Account.objects.all()))
                self._follower.take(Connected())
            for hint in heard:
                self._follower.take(hint)
            for _ in range(3):
                self._follower.work()
                self._world.clock.advance(0.4)

        self._world.run("follower", "follow", follow)

    def _let_fill(self) -> None:
        """Let the market come to an order that waits."""
        waiting = self._world.venue.working()
        if waiting:
            self._world.venue.exchange.release(self._random.choice(waiting))

    def _flatten(self) -> None:
        scope = self._random.choice(SCOPES)
        result = self._run(
            "flatten", lambda process: flatten(process.desk, scope=scope, reason="drill", by="ada")
        )
        if result is not None:
            self._world.note(f"flatten of {scope}: flat {result.flat}")

    def _switch_on(self) -> None:
        scope = self._random.choice(SCOPES)
        mode = self._random.choice([TradingMode.HALTED, TradingMode.HALTED, TradingMode.REDUCING])
        self._world.laws.switched.pop(scope, None)
        switch = self._run(
            "switch on",
            lambda process: kill_switch.engage(
                process.desk, scope=scope, mode=mode, reason="drill", by="ada"
            ),
        )
        if switch is not None:
            self._world.note(f"{scope} is {mode}, {switch.in_flight} in flight")
            self._world.laws.switched[scope] = mode

    def _switch_off(self) -> None:
        scope = self._random.choice([*self._world.laws.switched, "all"])
        self._world.laws.switched.pop(scope, None)
        switch = self._run(
            "switch off",
            lambda process: kill_switch.release(process.desk, scope=scope, reason="drill", by="ada"),
        )
        if switch is not None:
            self._world.note(f"{scope} is released")

    def _kill(self) -> None:
        self._world.kill_all()

    def _lose_redis(self) -> None:
        """Let Redis forget everything, or be away until the next such step."""
        if self._random.random() < 0.5:
            self._world.redis.client.flushall()
        else:
            self._world.redis.is_away = not self._world.redis.is_away

    def _lose_database(self) -> None:
        """Let the database be away for one alert."""
        self._world.database.is_away = True
        self._deliver()
        self._world.database.is_away = False

    def _use_broker_by_hand(self) -> None:
        """Let a person trade one contract, or cancel an order of the desk."""
        venue = self._world.venue
        working = venue.working()
        if working and self._random.random() < 0.5:
            venue.cancel_by_hand(self._random.choice(working))
            return
        account_id = venue.account_id("PAPER-1")
        self._world.laws.traded_by_hand[account_id] = self._world.clock.now()
        venue.trade_by_hand(account_id, self._random.choice([1, -1]))

    def _resolve(self) -> None:
        """Let a person close an incident; a difference by adopting the broker's position."""
        if self._has_person and not self._incidents():
            self._use_broker_by_hand()
            self._reconcile()
            self._world.clock.advance(6)
            self._reconcile()
        if found := self._incidents():
            incident = self._random.choice(found)
            adopts = incident.kind == IncidentKind.POSITION_MISMATCH
            self._run(
                "resolve",
                lambda process: resolve(process.desk, incident, adopt=adopts, reason="drill", by="ada"),
            )

    def _incidents(self) -> list[Incident]:
        with self._world.database.unwatched():
            return list(Incident.objects.filter(closed_at=None).select_related("bot", "account"))

    def _end_in_quiet(self) -> None:
        """Let nothing go wrong any more, everything arrive, and the tasks run as they do."""
        world = self._world
        world.note("quiet")
        world.calm_down()
        if self._random.random() < 0.5:
            world.kill_all()
        world.clock.advance(10)
        while waiting := world.venue.working():
            world.venue.exchange.release(waiting[0])
        for letter in self._letters:
            if not letter.is_answered and letter.tries < MOST_TRIES:
                self._send(letter)
        self._run("recover", lambda process: recover(process.desk, wait_s=60))
        for _ in range(MOST_ROUNDS):
            world.clock.advance(6)
            recovered = self._run("recover", lambda process: recover(process.desk))
            is_clean = self._reconcile()
            if is_clean and recovered is not None and not recovered.open_count:
                break

    def _run[T](self, activity: str, act: Callable[[Process], T]) -> T | None:
        return self._world.run(self._idle("worker", "command"), activity, act)

    def _idle(self, *names: str) -> str:
        """Return one of the processes that is free, or any that is."""
        free = self._world.idle()
        return next((name for name in names if name in free), free[0])


def _name(step: Callable[[], object]) -> str:
    return getattr(step, "__name__", "").strip("_").replace("_", " ")


def answer_to(message: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Post a message to the webhook, and return the HTTP status and the body of its answer."""
    request = _requests.post("/webhooks/tradingview/", message, format="json")
    answer = _post(request, token=TOKEN)
    return answer.status_code, dict(answer.data)


def _short(body: dict[str, Any]) -> str:
    decisions = [
        f"{one['bot']} {one['action']} {one['reason']} {(one['order'] or {}).get('status', '')}"
        for one in body.get("decisions", ())
    ]
    return f"{body['status']} {decisions}"
