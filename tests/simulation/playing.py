import os
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import batched
from multiprocessing import get_context

from tests.simulation.laws import LawBroken
from tests.simulation.points import AIMS
from tests.simulation.story import Story
from tests.simulation.world import world_of

PER_TASK = 25


@dataclass
class Played:
    """What came of some stories: how often processes died at each point, and by seed what went wrong."""

    stories: int = 0
    broken: dict[int, str] = field(default_factory=dict)
    reached: Counter[str] = field(default_factory=Counter)
    killed: Counter[str] = field(default_factory=Counter)
    interrupted: Counter[str] = field(default_factory=Counter)
    happened: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Played") -> None:
        self.stories += other.stories
        self.broken |= other.broken
        for name in ("reached", "killed", "interrupted", "happened"):
            getattr(self, name).update(getattr(other, name))


def play(seed: int) -> tuple[Played, list[str]]:
    """Play one story, and return what came of it and its course, a line for each thing that happened."""
    played = Played(stories=1)
    with world_of(seed, aim=AIMS[seed % len(AIMS)]) as world:
        try:
            Story(world).tell()
        except LawBroken as broken:
            played.broken[seed] = str(broken)
        except Exception:  # noqa: BLE001 - whatever the desk raises, the other stories go on
            played.broken[seed] = traceback.format_exc()
        faults = world.faults
        played.reached, played.killed = faults.reached, faults.killed
        played.interrupted, played.happened = faults.interrupted, faults.happened
        return played, world.trace


def play_all(seeds: Iterable[int]) -> Iterator[Played]:
    """Play many stories on all cores, and yield what came of each few of them."""
    # Forked: each child has the database in memory, with its tables, as it is now.
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("fork")) as pool:
        yield from pool.map(_play_part, batched(seeds, PER_TASK))


def _play_part(seeds: tuple[int, ...]) -> Played:
    total = Played()
    for seed in seeds:
        total.add(play(seed)[0])
    return total
