"""The memory of a paper broker: a file of JSON lines, each the rows that one step changed."""

import fcntl
import json
import os
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

from broker.paper.records.tables import Change, Tables


class JournalInUseError(Exception):
    """Another paper broker writes to this file."""


class JournalDamagedError(Exception):
    """A whole line cannot be read: the file is not what this broker wrote."""


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
            raise JournalInUseError(f"{path} is in use by another paper broker") from error

    def replay(self, tables: Tables) -> None:
        """Load every whole line; cut off a last one that a crash left half-written.

        Raises JournalDamagedError.
        """
        whole = 0
        with self._path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.endswith(b"\n"):
                    break
                self._load(number, line, tables)
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
        """Let go of the file."""
        os.close(self._file)

    def _load(self, number: int, line: bytes, tables: Tables) -> None:
        try:
            for kind, row in json.loads(line, parse_float=Decimal):
                tables.load(kind, row)
        except (ValueError, TypeError, KeyError, ArithmeticError) as error:
            raise JournalDamagedError(f"{self._path}, line {number} is no line of this broker") from error

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._file, data) :]
        if self._sync:
            os.fsync(self._file)
