"""Where a story gets between the desk and its database and Redis, without a line in the desk for it."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import fakeredis
from django.db import OperationalError, connection, connections

from tests.simulation.faults import Faults
from tests.simulation.processes import Process
from tradedesk.models import Account, Alert, BotState, Decision, Incident, Order, TradingState
from tradedesk.stores import redis
from tradedesk.stores.redis import RedisUnavailable

_WRITE = re.compile(r'(INSERT INTO|UPDATE|DELETE FROM) "?(\w+)"?')
# What a transaction is called: the first of these that it does.
_NAMES = [
    (("INSERT INTO", Alert._meta.db_table), "alert stored"),
    (("INSERT INTO", Order._meta.db_table), "order claimed"),
    (("INSERT INTO", Decision._meta.db_table), "decision stored"),
    (("UPDATE", Order._meta.db_table), "order updated"),
    (("UPDATE", TradingState._meta.db_table), "trading state set"),
    (("INSERT INTO", Incident._meta.db_table), "incident opened"),
    (("UPDATE", Account._meta.db_table), "account compared"),
    (("UPDATE", BotState._meta.db_table), "bot changed"),
]

type Reach = Callable[[str], None]
type Execute = Callable[[str, Any, bool, dict[str, Any]], Any]


class Database:
    """Passes a named point before and after each commit, and lets statements and commits fail."""

    def __init__(self, faults: Faults, current: Callable[[], Process], reach: Reach) -> None:
        self._faults, self._current, self._reach = faults, current, reach
        self._pending: list[tuple[str, str]] = []
        self._is_watched = True
        self.is_away = False
        self.errors = 0

    @contextmanager
    def between(self) -> Iterator[None]:
        """Stand between Django and the database."""
        real = connections["default"]
        self._commit, self._rollback = real.commit, real.rollback
        with (
            real.execute_wrapper(self._execute),
            patch.object(real, "commit", self._on_commit),
            patch.object(real, "rollback", self._on_rollback),
        ):
            yield

    @contextmanager
    def unwatched(self) -> Iterator[None]:
        """Let the story itself look into the database, past every fault."""
        was_watched, self._is_watched = self._is_watched, False
        try:
            yield
        finally:
            self._is_watched = was_watched

    def _execute(self, execute: Execute, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if not self._is_watched or sql.startswith(("ROLLBACK", "RELEASE")):
            return execute(sql, params, many, context)
        self._current().live()
        writes, is_alone = _WRITE.findall(sql), not connection.in_atomic_block
        if writes and is_alone:
            self._reach(f"before {_name_of(writes)}")
        self._fail_sometimes("statement failed")
        result = execute(sql, params, many, context)
        if writes and is_alone:
            self._fail_sometimes("commit unanswered")
            self._reach(f"after {_name_of(writes)}")
        elif writes:
            self._pending.extend(writes)
        return result

    def _on_commit(self) -> None:
        writes, self._pending = self._pending, []
        name = _name_of(writes) if writes else ""
        try:
            self._current().live()
            if name:
                self._reach(f"before {name}")
        except BaseException:
            self._rollback()
            raise
        if name:
            self._fail_sometimes("commit failed")
        self._commit()
        if name:
            self._fail_sometimes("commit unanswered")
            self._reach(f"after {name}")

    def _on_rollback(self) -> None:
        self._pending = []
        self._rollback()

    def _fail_sometimes(self, fault: str) -> None:
        if self.is_away or self._faults.strikes(fault, self._faults.rates.database):
            self.errors += 1
            raise OperationalError(fault)


class Redis:
    """A Redis that can be away, forget everything, or lose a reply. Locks lapse by the story's clock."""

    def __init__(self, faults: Faults, current: Callable[[], Process], reach: Reach) -> None:
        self._faults, self._current, self._reach = faults, current, reach
        self.client = fakeredis.FakeStrictRedis(server=fakeredis.FakeServer())
        self.is_away = False

    @contextmanager
    def between(self) -> Iterator[None]:
        """Stand between the stores and Redis."""
        with patch.object(redis, "call", self._call):
            yield

    def _call[T](self, act: Callable[[Any], T]) -> T:
        self._current().live()
        self._reach("before Redis")
        if self.is_away or self._faults.strikes("Redis unreached", self._faults.rates.redis):
            raise RedisUnavailable("away")
        result = act(self.client)
        if self._faults.strikes("Redis unanswered", self._faults.rates.redis):
            raise RedisUnavailable("time-out")
        return result


def _name_of(writes: list[tuple[str, str]]) -> str:
    return next((name for write, name in _NAMES if write in writes), "other rows written")
