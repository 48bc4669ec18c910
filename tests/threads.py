"""A second process of the desk, played by a thread."""

import threading
from collections.abc import Callable
from typing import Any

from django.db import connection


class Other:
    """Another process of the desk: a thread with its own database connection and its own clock."""

    def __init__(self, act: Callable[[], Any]) -> None:
        self.result: Any = None
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=[act])
        self._thread.start()

    def _run(self, act: Callable[[], Any]) -> None:
        try:
            self.result = act()
        except BaseException as error:  # noqa: BLE001 - it is raised again in the test
            self.error = error
        finally:
            connection.close()

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive()

    def join(self) -> Any:
        self._thread.join(10)
        assert not self._thread.is_alive()
        if self.error is not None:
            raise self.error
        return self.result


def someone_waits_for_a_lock() -> bool:
    """Tell whether a transaction waits for another one."""
    return count_of_waiting() > 0


def count_of_waiting() -> int:
    """Return how many transactions wait for another one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted")
        (count,) = cursor.fetchone()
    return int(count)
