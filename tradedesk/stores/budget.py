from functools import cache

from django.conf import settings
from limits.storage import MemoryStorage, RedisStorage

from broker.logins import Share
from tradedesk.stores import redis
from tradedesk.stores.redis import RedisUnavailable

HOUR_S = 3600
# The broker allows 5,000. The rest is for logging in, for the socket, and for requests that are made some
# minutes after they were counted.
REQUESTS = {Share.ORDER: 4800, Share.READ: 4400, Share.REFRESH: 3000}


def take(login: str, share: Share, count: int) -> bool:
    """Count requests of a login if the last hour had room for them in this share; all shares add up.

    All processes share the count through Redis; with Redis away each counts for itself.
    """
    key, limit = f"tradedesk:requests:{login}", REQUESTS[share]
    try:
        return redis.call(
            lambda client: _in_redis(client.connection_pool).acquire_sliding_window_entry(
                key, limit, HOUR_S, count
            )
        )
    except RedisUnavailable:
        return _in_process().acquire_sliding_window_entry(key, limit, HOUR_S, count)


@cache
def _in_redis(pool: object) -> RedisStorage:
    return RedisStorage(settings.REDIS_URL, connection_pool=pool)  # type: ignore[arg-type] # redis has no stubs


@cache
def _in_process() -> MemoryStorage:
    return MemoryStorage()
