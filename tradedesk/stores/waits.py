from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.abc import PQGen

# A server that lives ends a statement before that by itself; this is for one that has gone or hangs.
LONGEST_S = 6.0
_longest_s = ContextVar("longest_s", default=LONGEST_S)


class NoAnswer(psycopg.OperationalError):
    """The database said nothing for too long. Whether it did what it was asked for is not known.

    Django raises an OperationalError with this as its cause.
    """


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Let no statement inside wait longer than this for the database."""
    before = _longest_s.set(seconds)
    try:
        yield
    finally:
        _longest_s.reset(before)


def bound(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Have a connection just made to PostgreSQL wait for a limited time: its driver would for ever."""
    if connection.vendor == "postgresql":
        connection.connection.__class__ = _Bounded


class _Bounded(psycopg.Connection[Any]):
    """A connection that is over when an answer does not come in time."""

    def wait[T](self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        try:
            return super().wait(gen, interval, _longest_s.get() if timeout is None else timeout)
        except psycopg.errors._WaitTimeout as error:
            self.pgconn.finish()
            raise NoAnswer("the database does not answer") from error
