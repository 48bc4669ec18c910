import json
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any
from uuid import UUID

from strategy import memory as memories
from strategy.machine import fold
from strategy.types import Direction, Memory, State
from tradedesk.models import BotState
from tradedesk.stores import redis
from tradedesk.stores.redis import RedisUnavailable

SCHEMA = 1
LOCK_MS = 4_000
RETRY_S = 0.01

# KEYS: lock, state. ARGV: token, milliseconds. A holder that asks again is let in: its reply got lost.
LOCK_AND_READ = """
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) or redis.call('GET', KEYS[1]) == ARGV[1] then
  return {1, redis.call('GET', KEYS[2])}
end
return {0, false}
"""

# KEYS: lock, state. ARGV: token, version, state, version to be replaced in any case. An older version never
# replaces a newer one, unless the database does not know the newer one; what is unreadable is older than all.
WRITE_AND_UNLOCK = """
if ARGV[3] ~= '' then
  local version = -1
  local text = redis.pcall('GET', KEYS[2])
  local ok, held = pcall(cjson.decode, text)
  if ok and type(held) == 'table' and type(held.version) == 'number' then version = held.version end
  if version >= 2^53 or version < tonumber(ARGV[2]) or version == tonumber(ARGV[4]) then
    redis.call('SET', KEYS[2], ARGV[3])
  end
end
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
"""
LARGEST_VERSION, LARGEST_QUANTITY = 2**53 - 1, 2**31 - 1


# What a snapshot works out from its memory alone.
_DERIVED = {"state", "memory_json"}


@dataclass(frozen=True)
class Snapshot:
    """What a bot holds and remembers at one version. Quantities are signed contracts, prices points."""

    bot_id: UUID
    version: int = 0
    quantity: int = 0
    average_price: Decimal | None = None
    contract: str = ""
    memory: Memory = field(default_factory=Memory)
    updated_at: datetime | None = None

    @cached_property
    def state(self) -> State:
        """The fold of what the bot remembers: its target, colour and wait."""
        return fold(self.memory)

    @property
    def held(self) -> Direction:
        return Direction.of(self.quantity)

    @cached_property
    def memory_json(self) -> str:
        """The memory as JSON text, made once however often it is written."""
        return json.dumps(memories.to_json(self.memory), separators=(",", ":"))

    def changed(self, now: datetime, **fields: Any) -> "Snapshot":
        """Return the next version with the given fields changed."""
        after = replace(self, version=self.version + 1, updated_at=now, **fields)
        if after.memory is self.memory:
            after.__dict__.update({name: self.__dict__[name] for name in _DERIVED & self.__dict__.keys()})
        return after

    def public(self) -> dict[str, Any]:
        """Return the four fields of a bot's state as Redis, the API and the panel show them."""
        return {
            "current_position": self.held.value,
            "trend_color": self.state.color.value if self.state.color else None,
            "waiting_for_reentry": "YES" if self.state.waiting else "NO",
            "last_updated": self.updated_at.isoformat().replace("+00:00", "Z") if self.updated_at else None,
        }

    def to_json(self) -> str:
        head = json.dumps(
            {
                "schema": SCHEMA,
                "version": self.version,
                **self.public(),
                "target": self.state.position.value,
                "quantity": self.quantity,
                "average_price": None if self.average_price is None else str(self.average_price),
                "contract": self.contract,
            },
            separators=(",", ":"),
        )
        return f'{head[:-1]},"memory":{self.memory_json}}}'

    @classmethod
    def from_json(cls, bot_id: UUID, text: str | bytes) -> "Snapshot | None":
        """Return the snapshot in the text, or None where it is of another schema or unreadable."""
        try:
            content = json.loads(text)
            if content["schema"] != SCHEMA:
                return None
            known = _latest.get(bot_id)
            if known is not None and known.version == content["version"]:
                return known
            price, updated = content["average_price"], content["last_updated"]
            return cls(
                bot_id=bot_id,
                version=_whole(content["version"], 0, LARGEST_VERSION),
                quantity=_whole(content["quantity"], -LARGEST_QUANTITY, LARGEST_QUANTITY),
                average_price=None if price is None else _finite(price),
                contract=str(content["contract"]),
                memory=memories.from_json(content["memory"]),
                updated_at=None if updated is None else _aware(updated),
            )
        except (ValueError, KeyError, TypeError, ArithmeticError, RecursionError):
            return None

    @classmethod
    def from_row(cls, row: BotState) -> "Snapshot":
        """Return the snapshot in a database row. Raises ValueError when its memory is unreadable."""
        return cls(
            bot_id=row.bot_id,
            version=row.version,
            quantity=row.quantity,
            average_price=row.average_price,
            contract=row.contract,
            memory=memories.from_json(json.loads(row.memory)) if row.memory else Memory(),
            updated_at=row.updated_at,
        )

    def as_row(self) -> dict[str, Any]:
        """Return the columns of the database row that holds this snapshot."""
        return {
            "version": self.version,
            "quantity": self.quantity,
            "average_price": self.average_price,
            "contract": self.contract,
            "memory": self.memory_json,
            "updated_at": self.updated_at,
        }


def _whole(value: object, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"not a whole number from {least} to {most}: {value!r}")
    return value


def _finite(text: str) -> Decimal:
    price = Decimal(text)
    if not price.is_finite():
        raise ValueError(f"not a price: {text!r}")
    return price


def _aware(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"time without a zone: {text!r}")
    return moment


# The last snapshot that this process worked with, by bot: one version of a bot is always the same.
_latest: dict[UUID, Snapshot] = {}


class Unreadable(Exception):
    """The database has a bot's state that this desk cannot read. It is unknown, not flat."""


def stored(bot_id: UUID) -> Snapshot:
    """Return the snapshot that the database has. Raises Unreadable."""
    try:
        return Snapshot.from_row(BotState.objects.get(bot_id=bot_id))
    except ValueError as error:
        raise Unreadable(str(bot_id)) from error


_in_process: defaultdict[UUID, threading.Lock] = defaultdict(threading.Lock)


class Busy(Exception):
    """Another thread or process was working on the bot until the time was up."""


@dataclass
class Seat:
    """The right to work on one bot. `snapshot` is what the bot was when the seat was taken.

    Whoever changes the bot sets `snapshot` to what the database has committed; leaving writes it to Redis.
    """

    snapshot: Snapshot
    in_redis: Snapshot | None


@contextmanager
def seat(bot_id: UUID, *, wait_s: float, sleep: Callable[[float], None]) -> Iterator[Seat]:
    """Hold off everyone else who wants to work on this bot, first in this process, then through Redis.

    The locks save work and waiting. What makes two workers right is the version in the database, so a
    Redis that is away or forgets only costs time. Raises Busy after `wait_s` seconds.
    """
    deadline = time.monotonic() + wait_s
    lock = _in_process[bot_id]
    if not lock.acquire(timeout=max(wait_s, 0)):
        raise Busy
    token = secrets.token_hex(8)
    try:
        held = _lock_and_read(bot_id, token, deadline, sleep)
        taken = None
        try:
            taken = Seat(snapshot=held or stored(bot_id), in_redis=held)
            yield taken
        finally:
            _write_and_unlock(bot_id, token, taken)
    finally:
        lock.release()


def _keys(bot_id: UUID) -> list[str]:
    return [f"tradedesk:bot:{bot_id}:lock", f"tradedesk:bot:{bot_id}:state"]


def _lock_and_read(
    bot_id: UUID, token: str, deadline: float, sleep: Callable[[float], None]
) -> Snapshot | None:
    while True:
        try:
            won, text = redis.call(
                lambda client: client.register_script(LOCK_AND_READ)(_keys(bot_id), [token, LOCK_MS])
            )
        except RedisUnavailable:
            return None
        if won:
            return Snapshot.from_json(bot_id, text) if text else None
        if time.monotonic() + RETRY_S > deadline:
            raise Busy
        sleep(RETRY_S)


def _write_and_unlock(bot_id: UUID, token: str, taken: Seat | None) -> None:
    arguments = [token, *(_to_write(bot_id, taken) if taken else (0, "", ""))]
    try:
        redis.call(lambda client: client.register_script(WRITE_AND_UNLOCK)(_keys(bot_id), arguments))
    except RedisUnavailable:
        # The lock lapses by itself, and a version left behind in Redis loses against the database.
        return


def _to_write(bot_id: UUID, taken: Seat) -> tuple[int, str, int | str]:
    """Return the version and the state to write, and the version to replace in any case; empty for none."""
    _latest[bot_id] = taken.snapshot
    is_changed = taken.snapshot is not taken.in_redis
    # Ahead of the database is a copy from before the database was put back: it must not wait to be believed.
    copied = taken.in_redis.version if taken.in_redis else 0
    unknown = copied if copied > taken.snapshot.version else ""
    return taken.snapshot.version, taken.snapshot.to_json() if is_changed else "", unknown
