import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from redis.exceptions import LockError

from tradedesk.stores import redis
from tradedesk.stores.redis import RedisUnavailable

# A process that was killed holds up the next run for so long; a living one keeps its lock by renewing it.
LEASE_S, RENEW_EVERY_S = 10.0, 3.0


@contextmanager
def only_one(name: str) -> Iterator[bool]:
    """Yield whether this is the only run of a name, anywhere; False while another one holds it.

    With Redis away it is True: the lock saves work, and what a run does is safe beside another.
    """
    try:
        lock = redis.call(lambda client: _taken(client, name))
    except RedisUnavailable:
        yield True
        return
    if lock is None:
        yield False
        return
    over = threading.Event()
    renewing = threading.Thread(target=_keep, args=(lock, over), name=f"lock {name}", daemon=True)
    renewing.start()
    try:
        yield True
    finally:
        over.set()
        renewing.join()
        with suppress(RedisUnavailable):
            redis.call(lambda _: _unless_lost(lock.release))


def _taken(client: Any, name: str) -> Any:
    lock = client.lock(f"tradedesk:task:{name}", timeout=LEASE_S, blocking=False, thread_local=False)
    return lock if lock.acquire() else None


def _keep(lock: Any, over: threading.Event) -> None:
    """Renew a lock until the run is over. One that was lost stays lost."""
    while not over.wait(RENEW_EVERY_S):
        with suppress(RedisUnavailable):
            redis.call(lambda _: _unless_lost(lock.reacquire))


def _unless_lost(act: Any) -> None:
    # Not for Redis to be taken as away: it answered.
    with suppress(LockError):
        act()
