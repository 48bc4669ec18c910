"""The database of one flow test's desk, and how the test looks into it beside the desk."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg.rows import dict_row

type Row = dict[str, Any]


class Database(Protocol):
    url: str

    def rows(self, sql: str, *values: object) -> list[Row]:
        """Return what a SELECT finds, each row by column name; `%s` stands for a value."""
        ...


class Postgres:
    """A database on a PostgreSQL server. Closed, it connects anew with the next question."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection: psycopg.Connection[Row] | None = None

    def rows(self, sql: str, *values: object) -> list[Row]:
        if self._connection is None:
            self._connection = psycopg.connect(self.url, autocommit=True, row_factory=dict_row)
        return self._connection.execute(sql.encode(), values).fetchall()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Sqlite:
    """A database in a file."""

    def __init__(self, file: Path) -> None:
        self.url = f"sqlite:///{file}"
        self._file = file

    def rows(self, sql: str, *values: object) -> list[Row]:
        connection = sqlite3.connect(self._file, timeout=10)
        try:
            cursor = connection.execute(sql.replace("%s", "?"), values)
            names = [column[0] for column in cursor.description]
            return [_with_times(dict(zip(names, row, strict=True))) for row in cursor.fetchall()]
        finally:
            connection.close()


def _with_times(row: Row) -> Row:
    """Return a row of SQLite with its times as PostgreSQL gives them."""
    return {
        name: datetime.fromisoformat(value).replace(tzinfo=UTC) if name.endswith("_at") and value else value
        for name, value in row.items()
    }


@contextmanager
def postgres(name: str, *, template: str = "template1") -> Iterator[Postgres]:
    """Make a database on the suite's server and drop it afterwards, whoever is connected to it."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
        database = Postgres(urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}")))
        try:
            yield database
        finally:
            database.close()
            server.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())
