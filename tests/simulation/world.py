from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from random import Random
from types import SimpleNamespace
from unittest.mock import patch

from django.db import DatabaseError, connections

from broker.base import BrokerError
from tests.simulation import template
from tests.simulation.clock import SimulatedClock
from tests.simulation.faults import CALM, Faults, Killed, draw_rates
from tests.simulation.laws import Laws
from tests.simulation.processes import Process, SharedTokens
from tests.simulation.seams import Database, Redis
from tests.simulation.venue import Venue
from tradedesk import wiring
from tradedesk.models import Bot, ids
from tradedesk.services.halting import flatten, wishes
from tradedesk.services.halting.kill_switch import NotClean, NotCompared
from tradedesk.services.reconciling.recovery import recover
from tradedesk.stores import positions, rates
from tradedesk.stores.positions import Busy

NAMES = ("web", "other web", "worker", "command", "follower")
# What an act may end with when things go wrong around it. Anything else is a bug in the desk.
EXPECTED = (BrokerError, Busy, NotClean, NotCompared)
DEEPEST = 2
# A web process takes alerts while it still settles what an earlier one left: some come first.
SETTLES_AT_START = 0.6

type Act[T] = Callable[[Process], T]


class World:
    """A desk of several processes, its broker, database and Redis, and everything that may happen to them."""

    def __init__(self, random: Random, bots: list[Bot], aim: str = "") -> None:
        self.random = random
        self.clock = SimulatedClock()
        self.faults = Faults(self.random, aim)
        self.venue = Venue(self.random, self.clock, self.faults)
        self.database = Database(self.faults, lambda: self.running[-1], self._reach)
        self.redis = Redis(self.faults, lambda: self.running[-1], self._reach)
        self.bots = bots
        self.laws = Laws(self)
        self.running: list[Process] = []
        self.trace: list[str] = []
        # What another process does while one is asleep at a point: set by who tells the story.
        self.interruptions: Callable[[World, str], None] = lambda world, point: None
        self._tokens = SharedTokens()
        self._processes = {name: self._start(name) for name in NAMES}
        self.venue.before_order = self.laws.order_arrives
        self.venue.reach = self._reach

    def brew(self) -> None:
        """Let things go wrong from now on, at this story's rates."""
        self.faults.rates = draw_rates(self.random, self.faults.aim)

    def calm_down(self) -> None:
        """Let nothing go wrong any more."""
        self.faults.rates = CALM
        self.database.is_away = self.redis.is_away = False

    def run[T](self, name: str, activity: str, act: Act[T]) -> T | None:
        """Let a process do something; None when it was killed or met trouble that it may meet.

        One that is dead is started anew first.
        """
        process = self._processes[name]
        if process.is_dead:
            process = self._processes[name] = self._start(name)
            if self.random.random() < SETTLES_AT_START:
                self.run(name, "recover", _settle)
            return self.run(name, activity, act)
        errors = self.database.errors
        self.running.append(process)
        process.take_over()
        process.activity = activity
        try:
            return act(process)
        except Killed:
            return None
        except EXPECTED as trouble:
            self.note(f"{name} {activity}: {trouble!r}")
            return None
        except DatabaseError as trouble:
            if self.database.errors == errors:
                raise
            self.note(f"{name} {activity}: {trouble!r}")
            return None
        finally:
            self.running.pop()
            if self.running:
                self.running[-1].take_over()

    def kill_all(self) -> None:
        """Restart everything: whatever was in memory is gone."""
        for process in self._processes.values():
            process.is_dead = True

    def idle(self) -> list[str]:
        """Return the processes that are not in the middle of something."""
        busy = {process.name for process in self.running}
        return [name for name in NAMES if name not in busy]

    def note(self, text: str) -> None:
        depth = len(self.running)
        self.trace.append(f"{self.clock.since_start():9.2f} {'  ' * depth}{text}")

    def _start(self, name: str) -> Process:
        return Process(name, self.clock, self.venue, self._tokens)

    def _reach(self, point: str) -> None:
        process = self.running[-1]
        process.live()
        self.faults.reach(f"{process.activity}: {point}", self._kill, self._interrupt)

    def _kill(self, point: str) -> None:
        process = self.running[-1]
        self.note(f"{process.name} is killed at {point}")
        process.is_dead = True
        raise Killed(point)

    def _interrupt(self, point: str) -> bool:
        """Let another process work while this one sleeps, unless it holds the database or the login."""
        connection = connections["default"]
        if len(self.running) > DEEPEST or connection.in_atomic_block or not connection.get_autocommit():
            return False
        if self._tokens.locked:
            return False
        self.interruptions(self, point)
        return True


def _settle(process: Process) -> None:
    """Do what a process does first when it starts."""
    wishes.make_due(process.desk.now())
    flatten.go_on(process.desk)
    recover(process.desk)


@contextmanager
def world_of(seed: int, aim: str = "") -> Iterator[World]:
    """Return the world of a seed: an empty desk on a clock of its own, the same each time."""
    random, of_ids = Random(seed), Random(f"ids of {seed}")
    rates._counts.clear()
    with ExitStack() as stack:
        for owner, name, stand_in in (
            (ids, "os", SimpleNamespace(urandom=of_ids.randbytes)),
            (positions, "_in_process", {}),
            (positions, "_latest", {}),
        ):
            stack.enter_context(patch.object(owner, name, stand_in))
        world = World(random, template.begin(random), aim)
        stack.callback(world.clock.stop)
        clock = SimpleNamespace(monotonic=world.clock.monotonic)
        stack.enter_context(patch.object(positions, "time", clock))
        stack.enter_context(patch.object(wiring, "desk", lambda: world.running[-1].desk))
        stack.enter_context(world.database.between())
        stack.enter_context(world.redis.between())
        yield world
