from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random


class Killed(BaseException):
    """The process is gone at this very point. Nothing may catch it but who plays the operating system."""


@dataclass(frozen=True)
class Rates:
    """How likely things go wrong: killed or interrupted at a point, failing by statement or request.

    `order` is how likely an order that arrived gets filled late, in parts or not at all.
    """

    kill: float = 0.0
    interrupt: float = 0.0
    database: float = 0.0
    redis: float = 0.0
    request: float = 0.0
    order: float = 0.0


CALM = Rates()
# Where an order is on its way, things go wrong so much more often: those points are few, and matter most.
ABOUT_ORDERS = 5


@dataclass
class Faults:
    """What goes wrong, drawn from the story's own random numbers. Counts the points that it passes.

    A process dies at the point `aim` as soon as it gets there, even while nothing else goes wrong.
    """

    random: Random
    aim: str = ""
    rates: Rates = CALM
    reached: Counter[str] = field(default_factory=Counter)
    killed: Counter[str] = field(default_factory=Counter)
    interrupted: Counter[str] = field(default_factory=Counter)
    happened: Counter[str] = field(default_factory=Counter)

    def reach(self, point: str, kill: Callable[[str], None], interrupt: Callable[[str], bool]) -> None:
        """Pass a named point: a process may die here, or sleep while another one works."""
        self.reached[point] += 1
        weight = ABOUT_ORDERS if "order" in point else 1
        if point == self.aim or self.chance(self.rates.kill * weight):
            self.aim = ""
            self.killed[point] += 1
            kill(point)
        if self.chance(self.rates.interrupt * weight) and interrupt(point):
            self.interrupted[point] += 1

    def strikes(self, fault: str, rate: float) -> bool:
        """Tell whether a fault happens now, and count it."""
        if not self.chance(rate):
            return False
        self.happened[fault] += 1
        return True

    def chance(self, rate: float) -> bool:
        return rate > 0 and self.random.random() < rate


def draw_rates(random: Random, aim: str) -> Rates:
    """Return the rates of one story: many are calm in most respects, some are rough in all.

    One that aims at a cancel needs orders that work for a while.
    """
    return Rates(
        kill=random.choice([0.0, 0.0, 0.003, 0.01, 0.03]),
        interrupt=random.choice([0.0, 0.0, 0.005, 0.02, 0.05]),
        database=random.choice([0.0, 0.0, 0.0, 0.005, 0.02]),
        redis=random.choice([0.0, 0.0, 0.0, 0.02, 0.1]),
        request=random.choice([0.0, 0.0, 0.02, 0.05, 0.15]),
        order=0.7 if "cancel" in aim else random.choice([0.0, 0.0, 0.2, 0.5]),
    )
