"""The broker's clock: the one it was given, moved forward where a scenario says so."""

from collections.abc import Callable
from datetime import datetime, timedelta


class MovableClock:
    """Tells the time of another clock, plus what `advance` added."""

    def __init__(self, base: Callable[[], datetime]) -> None:
        self._base = base
        self._ahead = timedelta(0)

    def __call__(self) -> datetime:
        return self._base() + self._ahead

    def advance(self, step: timedelta) -> None:
        """Move forward for good."""
        self._ahead += step
