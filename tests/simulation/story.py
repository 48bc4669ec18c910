from collections.abc import Callable

from tests.simulation.acts import MOST_TRIES, Acts
from tests.simulation.world import World
from tradedesk.services.reconciling.recovery import recover

# Two looks make an incident of a difference, three a lost order; more are for a process that died.
MOST_ROUNDS = 6

type Act = Callable[[], object]


class Story:
    """What happens in a world, step by step: alerts, tasks, people, and outages, as chance has it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._random = world.random
        # What the process that is to die does then: it happens more often in this story.
        self._theme = world.faults.aim.partition(":")[0]
        has_person = self._theme == "resolve" or self._random.random() < 0.25
        self._acts = Acts(world, has_person=has_person)
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
        acts = self._acts
        weights: dict[Act, int] = {
            acts.close_bars: 45,
            acts.deliver: 12,
            acts.wait: 8,
            acts.recover: 8,
            acts.reconcile: 8,
            acts.follow: 5,
            acts.let_fill: 5,
            acts.flatten: 3,
            acts.go_on_flattening: 3,
            acts.switch_on: 4,
            acts.switch_off: 6,
            acts.kill: 3,
            acts.lose_redis: 3,
            acts.lose_database: 2,
            acts.use_broker_by_hand: 12 if acts.has_person else 0,
            acts.resolve: 3,
        }
        weights |= {step: 6 * weight for step, weight in weights.items() if _name(step) == self._theme}
        (step,) = self._random.choices(list(weights), list(weights.values()))
        self._world.note(_name(step))
        step()

    def _interrupt(self, world: World, point: str) -> None:
        acts = self._acts
        possible: list[Act] = [
            acts.deliver,
            acts.deliver,
            acts.recover,
            acts.reconcile,
            acts.follow,
            acts.let_fill,
            acts.flatten,
            acts.go_on_flattening,
            acts.switch_on,
            acts.switch_off,
            acts.nap,
        ]
        if acts.has_person:
            possible.append(acts.use_broker_by_hand)
        act = self._random.choice(possible)
        world.note(f"asleep at {point}; meanwhile {_name(act)}")
        act()

    def _end_in_quiet(self) -> None:
        """Let nothing go wrong any more, everything arrive, and the tasks run as they do."""
        world, acts = self._world, self._acts
        world.note("quiet")
        world.calm_down()
        if self._random.random() < 0.5:
            world.kill_all()
        world.clock.advance(10)
        while waiting := world.venue.working():
            world.venue.exchange.release(waiting[0])
        for letter in acts.letters:
            if not letter.is_answered and letter.tries < MOST_TRIES:
                acts.send(letter)
        acts.run("recover", lambda process: recover(process.desk, wait_s=60))
        for _ in range(MOST_ROUNDS):
            world.clock.advance(6)
            still_open = acts.go_on_flattening()
            recovered = acts.run("recover", lambda process: recover(process.desk))
            is_clean = acts.reconcile()
            if is_clean and still_open == 0 and recovered is not None and not recovered.open_count:
                break


def _name(act: Act) -> str:
    return getattr(act, "__name__", "").replace("_", " ")
