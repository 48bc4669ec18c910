"""The memory of a paper broker: a file of JSON lines, each the rows that one step changed."""

import fcntl
import json
import os
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

from broker.paper.tables import Change, Tables


class JournalInUse(Exception):
    """Another paper broker writes to this file."""


class JournalDamaged(Exception):
    """A line before the last cannot be read: the file is not what this broker wrote."""


class Journal:
    """An append-only file, open for as long as the broker runs and locked against a second one."""

    def __init__(self, path: Path, *, sync: bool = True) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._sync = sync
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            raise JournalInUse(f"{path} is in use by another paper broker") from error

    def replay(self, tables: Tables) -> None:
        """Load every whole line into the tables; cut off a last line that a crash left half-written."""
        whole = 0
        with self._path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.endswith(b"\n"):
                    break
                for kind, row in self._parse(number, line):
                    tables.load(kind, row)
                whole += len(line)
        os.ftruncate(self._file, whole)

    def append(self, changes: Iterable[Change], tables: Tables) -> None:
        """Write what one step changed and return when it is on disk.

        A row that changed more than once is written once, as it stood at the end. Raises OSError.
        """
        last = {(change.kind, change.row.id): change.row for change in changes}
        parts = (f'["{kind}",{tables.kinds[kind].text(row)}]' for (kind, _), row in last.items())
        self._write(f"[{','.join(parts)}]\n".encode())

    def close(self) -> None:
        os.close(self._file)

    def _parse(self, number: int, line: bytes) -> list[list[Any]]:
        try:
            step: list[list[Any]] = json.loads(line, parse_float=Decimal)
        except ValueError as error:
            raise JournalDamaged(f"{self._path}, line {number}: {error}") from error
        return step

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._file, data) :]
        if self._sync:
            os.fdatasync(self._file)
