import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from tradedesk.management.launcher import processes
from tradedesk.management.launcher.processes import Process

POLL_S = 0.05
WATCH_S = 0.2


class Trouble(Exception):
    """The desk cannot run, or not go on. Says why in words for the person at the terminal."""


class Stopped(Exception):
    """A person or the system asked the desk to stop."""


class Supervisor:
    """Starts processes, waits for them, watches them, and stops them in the opposite order.

    A signal only leaves a mark, which every wait looks at: so none can come between the start of a process
    and the note that it was started.
    """

    def __init__(
        self, *, environment: Mapping[str, str], folder: Path, logs: Path, parent: int | None = None
    ) -> None:
        self._environment = environment
        self._folder = folder
        self._logs = logs
        self._running: list[Process] = []
        self._asked_to_stop = False
        # make, sent a SIGINT alone, lets go of its handler and waits for its recipe without a word to it.
        self._make = parent if parent and processes.catches_interrupt(parent) else None
        processes.adopt_orphans()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._ask_to_stop)

    def start(self, name: str, command: Sequence[str]) -> Process:
        """Start a process that has to run as long as the desk does."""
        self._look()
        process = self._spawn(name, command)
        self._running.append(process)
        return process

    def run(self, name: str, command: Sequence[str], within_s: float) -> str:
        """Run a command to its end and return what it printed. Raises Trouble if it fails or is late."""
        process = self._spawn(name, command, pipe=True)
        try:
            self.wait_until(lambda: process.has_ended, within_s, f"{name} did not finish", process)
        finally:
            process.stop()
        if process.popen.returncode:
            raise Trouble(f"{name} {process.ending()}:\n{process.tail()}")
        return process.popen.stdout.read().decode() if process.popen.stdout else ""

    def wait_until(
        self, condition: Callable[[], bool], within_s: float, otherwise: str, process: Process | None = None
    ) -> None:
        """Wait for a condition. Raises Trouble after `within_s`, or when a process dies meanwhile."""
        if not self.holds(condition, within_s):
            tail = f":\n{process.tail()}" if process else "."
            raise Trouble(f"{otherwise} within {within_s:g} s{tail}")

    def holds(self, condition: Callable[[], bool], within_s: float) -> bool:
        """Tell whether a condition comes true in time. Raises Trouble when a process dies meanwhile."""
        give_up_at = time.monotonic() + within_s
        while not condition():
            self._look()
            if time.monotonic() > give_up_at:
                return False
            time.sleep(POLL_S)
        return True

    def watch(self) -> NoReturn:
        """Watch for ever: raises Stopped when asked to stop, Trouble when a process ends by itself."""
        while True:
            self._look()
            time.sleep(WATCH_S)

    def ids(self) -> dict[str, list[int]]:
        """Return the ids of the running processes by name."""
        return {process.name: process.ids() for process in self._running}

    def stop_all(self) -> None:
        """Stop every process, the last one first. Signals are ignored until it is done."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        while self._running:
            self._running.pop().stop()

    def _spawn(self, name: str, command: Sequence[str], *, pipe: bool = False) -> Process:
        try:
            return processes.start(
                name,
                command,
                environment=self._environment,
                folder=self._folder,
                logs=self._logs,
                pipe=pipe,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise Trouble(f"{name} could not be started: {error}") from error

    def _look(self) -> None:
        if self._asked_to_stop or (self._make and not processes.catches_interrupt(self._make)):
            raise Stopped
        for process in self._running:
            if process.has_ended:
                raise Trouble(
                    f"{process.name} (process {process.popen.pid}) {process.ending()}:\n{process.tail()}"
                )

    def _ask_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._asked_to_stop = True


def say(text: str = "") -> None:
    """Print a line at once, also into a pipe; a reader that went away is no reason to stop."""
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        sys.stdout = open("/dev/null", "w")  # noqa: SIM115 - stays open to the end
