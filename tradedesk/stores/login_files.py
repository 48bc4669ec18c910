import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from django.conf import settings

from broker.base import BrokerNotReached
from tradedesk.desk_file import write_private

RETRY_S = 0.02


def read(login: str, kind: str) -> dict[str, Any]:
    """Return what the processes of this machine keep about a login, {} for what is absent or unreadable."""
    try:
        content = json.loads(_path(login, kind).read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def write(login: str, kind: str, content: dict[str, Any]) -> None:
    """Keep something about a login in a file for this user only; where there is no disk, nowhere."""
    with suppress(OSError):
        _path(login, kind).parent.mkdir(mode=0o700, exist_ok=True)
        write_private(_path(login, kind), json.dumps(content))


@contextmanager
def lock(
    login: str, within_s: float, monotonic: Callable[[], float], sleep: Callable[[float], None]
) -> Iterator[None]:
    """Hold off the other processes of this machine. It ends with the process that holds it.

    Raises BrokerNotReached when the turn does not come in time. Without a disk nobody is held off.
    """
    deadline = monotonic() + within_s
    path = _path(login, "lock")
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError:
        yield
        return
    try:
        while not _is_locked(descriptor):
            if monotonic() + RETRY_S > deadline:
                raise BrokerNotReached("no token in time")
            sleep(RETRY_S)
        yield
    finally:
        os.close(descriptor)


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _path(login: str, kind: str) -> Path:
    name = hashlib.sha256(login.encode()).hexdigest()[:16]
    return Path(settings.VAR_DIR) / f"login-{name}.{kind}"
