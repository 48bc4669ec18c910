import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

STOP_WITHIN_S = 8.0
CLEAR_WITHIN_S = 2.0
LARGEST_LOG = 5_000_000
TAIL_LINES = 15

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Process:
    """One program that the launcher started, leader of a process group of its own."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path
    log_starts_at: int

    @property
    def has_ended(self) -> bool:
        return self.popen.poll() is not None

    def ending(self) -> str:
        """Return how it ended, in words."""
        code = self.popen.returncode
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    def tail(self) -> str:
        """Return the last lines that it wrote since it was started."""
        with self.log.open("rb") as file:
            file.seek(self.log_starts_at)
            lines = file.read().decode(errors="replace").splitlines()
        return "\n".join(f"    {line}" for line in lines[-TAIL_LINES:])

    def ids(self) -> list[int]:
        """Return the ids of the processes of its group, its own first."""
        members = _members(self.popen.pid) - {self.popen.pid}
        return [self.popen.pid, *sorted(members)]

    def stop(self) -> None:
        """Ask it to end, and kill what is left of its group after a while."""
        with suppress(subprocess.TimeoutExpired):
            if not self.has_ended:
                self.popen.terminate()
            self.popen.wait(STOP_WITHIN_S)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()
        _reap(self.popen.pid)


def start(
    name: str,
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path,
    logs: Path,
    pipe: bool = False,
) -> Process:
    """Start a program in `folder` that writes to `logs`/NAME.log; `pipe` keeps its standard output apart.

    A Ctrl-C on the terminal does not reach it: the launcher stops its processes in order. Where the system
    can do that, the program is told to end when the launcher dies without having stopped it.
    """
    log = logs / f"{name}.log"
    if log.exists() and log.stat().st_size > LARGEST_LOG:
        log.replace(log.with_suffix(".log.1"))
    with log.open("ab") as output:
        popen = subprocess.Popen(  # noqa: S603 - our own programs
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if pipe else output,
            stderr=output,
            start_new_session=True,
            preexec_fn=None if _LIBC is None else _end_with_parent,  # noqa: PLW1509 - the launcher has one thread
        )
        return Process(name, popen, log, output.tell())


def end_with_parent() -> None:
    """Have this process asked to end when its parent dies, where the system can do that."""
    if _LIBC is not None:
        _end_with_parent()


def catches_interrupt(pid: int) -> bool:
    """Tell whether a process has a handler for SIGINT, as far as the system tells."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
    except (OSError, StopIteration):
        return False
    return bool(int(caught, 16) >> (signal.SIGINT - 1) & 1)


def adopt_orphans() -> None:
    """Become the parent of grandchildren whose parent died, so that they can be waited for."""
    if _LIBC is not None:
        _LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _end_with_parent() -> None:
    assert _LIBC is not None
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _members(group: int) -> set[int]:
    """Return the ids of the processes of a group. /proc tells without a program that may not be installed."""
    if not Path("/proc/self/stat").exists():
        listing = subprocess.run(["ps", "-axo", "pid=,pgid="], capture_output=True, text=True, check=False)  # noqa: S607
        rows = (line.split() for line in listing.stdout.splitlines())
        return {int(pid) for pid, pgid in rows if int(pgid) == group}
    return {
        int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit() and _group_of(path) == group
    }


def _group_of(process: Path) -> int:
    try:
        # The name, in parentheses, may hold spaces; behind it stand the state, the parent and the group.
        return int((process / "stat").read_text().rpartition(")")[2].split()[2])
    except (OSError, IndexError, ValueError):
        return -1


def _reap(group: int) -> None:
    """Wait until nothing of a killed group is left, as far as its processes are children of this one."""
    give_up_at = time.monotonic() + CLEAR_WITHIN_S
    while time.monotonic() < give_up_at:
        try:
            ended, _ = os.waitpid(-group, os.WNOHANG)
        except ChildProcessError:
            return
        if not ended:
            time.sleep(0.01)
