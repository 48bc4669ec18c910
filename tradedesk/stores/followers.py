from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from tradedesk.stores import redis
from tradedesk.stores.redis import RedisUnavailable


def sign(account_ids: Sequence[UUID], now: datetime) -> None:
    """Leave word that the stream of these accounts is being followed. Without Redis there is none."""
    signs = {_key(account_id): now.isoformat() for account_id in account_ids}
    with suppress(RedisUnavailable):
        redis.call(lambda client: client.mset(signs))


def sign_off(account_ids: Sequence[UUID]) -> None:
    """Leave word that nobody is expected to follow these accounts any more."""
    with suppress(RedisUnavailable):
        redis.call(lambda client: client.delete(*map(_key, account_ids)))


def last_sign(account_id: UUID) -> datetime | None:
    """Return when a follower last gave a sign, None where none is expected. Raises RedisUnavailable."""
    text = redis.call(lambda client: client.get(_key(account_id)))
    return datetime.fromisoformat(text.decode()) if text else None


def _key(account_id: UUID) -> str:
    return f"tradedesk:follower:{account_id}"
