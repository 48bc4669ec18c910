from collections import Counter
from datetime import datetime

from tradedesk.stores import redis
from tradedesk.stores.redis import RedisUnavailable

COUNT = """
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('EXPIRE', KEYS[1], 120) end
return count
"""
_counts: Counter[str] = Counter()


def count_this_minute(name: str, now: datetime) -> int:
    """Return how often `name` was counted in this minute of the clock, this time included.

    All processes share the count through Redis; with Redis away each counts for itself.
    """
    key = f"tradedesk:rate:{name}:{int(now.timestamp()) // 60}"
    try:
        return int(redis.call(lambda client: client.register_script(COUNT)([key])))
    except RedisUnavailable:
        if key not in _counts:
            _counts.clear()
        _counts[key] += 1
        return _counts[key]
