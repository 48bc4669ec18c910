import os
import time
from collections.abc import Callable
from pathlib import Path

POLL_S = 0.05


def until(condition: Callable[[], bool], within_s: float, what: str) -> None:
    """Wait for something outside this process to come true; if it does not, fail and name `what`."""
    give_up_at = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < give_up_at, f"not within {within_s:g} s: {what}"
        time.sleep(POLL_S)


def is_running(pid: int) -> bool:
    """Tell whether a process still runs: one that its parent has yet to notice the end of does not."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except ProcessLookupError:
        return False
    except FileNotFoundError:
        return not Path("/proc/self").exists()
    return state != "Z"
