from collections.abc import Callable

import time_machine

from tests.fakes import START, FakeClock

# What sleeps at least oversleeps this long, so that a wait of seconds is a few looks and not hundreds.
SHORTEST_SLEEP_S = 0.1


class SimulatedClock(FakeClock):
    """A clock that moves only when someone sleeps or waits, and takes the whole process's wall clock along.

    `due` has the moments on the monotonic clock at which to stop on the way; `after_advance` lets happen what
    is due by then.
    """

    def __init__(self) -> None:
        super().__init__()
        self._traveller = time_machine.travel(START, tick=False)
        self._coordinates = self._traveller.start()
        self.due: Callable[[], list[float]] = list
        self.after_advance: Callable[[], None] = lambda: None

    def advance(self, seconds: float) -> None:
        end = self.monotonic() + seconds
        for moment in sorted(self.due()):
            if self.monotonic() < moment < end:
                self._move(moment - self.monotonic() + 0.001)
        self._move(end - self.monotonic())

    def _move(self, seconds: float) -> None:
        super().advance(seconds)
        self._coordinates.shift(seconds)
        self.after_advance()

    def sleep(self, seconds: float) -> None:
        super().sleep(max(seconds, SHORTEST_SLEEP_S))

    def stop(self) -> None:
        self._traveller.stop()

    def since_start(self) -> float:
        """Return the seconds since the story began."""
        return (self.now() - START).total_seconds()
