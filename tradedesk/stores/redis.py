import time
from collections.abc import Callable
from typing import Any

import structlog
from django_redis import get_redis_connection
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

# After a failure Redis is left alone for this long, so that a hanging one costs an alert its time only once.
PAUSE_AFTER_FAILURE_S = 2.0
_paused_until = 0.0

type Act = Callable[[Any], Any]


class RedisUnavailable(Exception):
    """Redis did not answer. Nothing may be concluded from it; the database has the truth."""


def call[T](act: Callable[[Any], T]) -> T:
    """Return what `act` makes of the Redis client. Raises RedisUnavailable if it fails, and 2 s on."""
    global _paused_until  # noqa: PLW0603 - one Redis per process, one pause
    if time.monotonic() < _paused_until:
        raise RedisUnavailable("Redis failed a moment ago")
    try:
        return act(get_redis_connection("default"))
    except (RedisError, OSError) as error:
        _paused_until = time.monotonic() + PAUSE_AFTER_FAILURE_S
        log.warning("redis.unavailable", error=type(error).__name__)
        raise RedisUnavailable(type(error).__name__) from error


def ping() -> None:
    """Ask Redis whether it lives. Raises RedisUnavailable when not."""
    global _paused_until  # noqa: PLW0603
    _paused_until = 0.0
    call(lambda client: client.ping())
