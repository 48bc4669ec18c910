"""Answers that are CSV files: rows are written as they are read, and text is never a formula."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.http import StreamingHttpResponse

# What a spreadsheet takes for the beginning of a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
LINES_AT_ONCE = 200

type Columns = Sequence[tuple[str, Callable[[Any], object]]]


class _Echo:
    """Gives back what is written to it."""

    def write(self, text: str) -> str:
        return text


def stream(name: str, columns: Columns, rows: Iterable[Any], count: str) -> StreamingHttpResponse:
    """Return a download of some rows. `count` says how many there will be, for those who wait for them."""
    response = StreamingHttpResponse(_chunks(columns, rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    response["Cache-Control"] = "no-store"
    response["X-Rows"] = count
    return response


def cell(value: object) -> str:
    """Return a value as a cell: times in UTC, numbers plain, text that a spreadsheet would run quoted."""
    match value:
        case None:
            return ""
        case datetime():
            return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case Decimal():
            return f"{value:f}".rstrip("0").rstrip(".") if "." in f"{value:f}" else f"{value:f}"
        case int():
            return str(value)
    text = str(value)
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA) else text


def _chunks(columns: Columns, rows: Iterable[Any]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    lines = [str(writer.writerow([title for title, _ in columns]))]
    for row in rows:
        lines.append(str(writer.writerow([cell(read(row)) for _, read in columns])))
        if len(lines) >= LINES_AT_ONCE:
            yield "".join(lines)
            lines.clear()
    yield "".join(lines)
