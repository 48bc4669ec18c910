from collections import Counter
from contextlib import suppress
from datetime import datetime

from tradedesk.stores import redis
from tradedesk.stores.redis import RedisUnavailable

COUNT = """
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return count
"""
# A process of its own forgets them all now and then.
MOST_COUNTED = 10_000
_counts: Counter[str] = Counter()


def count_this_minute(name: str, now: datetime) -> int:
    """Return how often `name` was counted in this minute of the clock, this time included.

    All processes share the count through Redis; with Redis away each counts for itself.
    """
    return count_in(name, 60, now)


def count_in(name: str, window_s: int, now: datetime) -> int:
    """Return how often `name` was counted in this stretch of the clock, as `count_this_minute` does."""
    key = _key(name, window_s, now)
    try:
        return int(redis.call(lambda client: client.register_script(COUNT)([key], [2 * window_s])))
    except RedisUnavailable:
        if len(_counts) >= MOST_COUNTED:
            _counts.clear()
        _counts[key] += 1
        return _counts[key]


def forget(name: str, window_s: int, now: datetime) -> None:
    """Begin the count of `name` anew."""
    key = _key(name, window_s, now)
    _counts.pop(key, None)
    with suppress(RedisUnavailable):
        redis.call(lambda client: client.delete(key))


def _key(name: str, window_s: int, now: datetime) -> str:
    return f"tradedesk:rate:{name}:{int(now.timestamp()) // window_s}"
