"""The broker's clock: the one it was given, moved forward where a scenario says so."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

# Contracts are listed for years ahead, and a date cannot lie past 9999.
END = datetime(9990, 1, 1, tzinfo=UTC)


class MovableClock:
    """Tells the time of another clock, plus what `advance` added."""

    def __init__(self, base: Callable[[], datetime]) -> None:
        self._base = base
        self._ahead = timedelta(0)

    def __call__(self) -> datetime:
        return self._base() + self._ahead

    def advance(self, step: timedelta) -> None:
        """Move forward for good. Raises ValueError past its end."""
        if step > END - self():
            raise ValueError("The clock ends with the year 9989")
        self._ahead += step
