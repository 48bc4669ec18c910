import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, time
from io import StringIO

from django.db import transaction

from tradedesk.models import Holiday, SessionRule

COLUMNS = ("date", "name", "closes_at", "source")
MOST_LINES = 500
LONGEST_NAME, LONGEST_SOURCE = 64, 160
FORMULA = ("=", "+", "-", "@")


class Unreadable(Exception):
    """The file is no table of holidays. `troubles` has a sentence for each line that is wrong."""

    def __init__(self, troubles: Sequence[str]) -> None:
        super().__init__(" ".join(troubles))
        self.troubles = list(troubles)


@dataclass(frozen=True)
class Line:
    """One holiday of a file. `closes_at` is None for a day without a session."""

    date: date
    name: str
    closes_at: time | None
    source: str


def to_csv(rule: SessionRule) -> str:
    """Return the holidays of a rule as CSV, in order of date, with a head."""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for day in rule.holidays.order_by("date"):
        closes = f"{day.closes_at:%H:%M}" if day.closes_at else ""
        writer.writerow([day.date.isoformat(), _text(day.name), closes, _text(day.source)])
    return out.getvalue()


def read_csv(text: str) -> list[Line]:
    """Return the holidays of a file. Raises Unreadable, naming every line that is wrong."""
    try:
        rows = list(csv.reader(StringIO(text.removeprefix("\ufeff"))))
    except csv.Error as problem:
        raise Unreadable([f"This is no CSV: {problem}."]) from None
    if not rows or [name.strip().lower() for name in rows[0]] != list(COLUMNS):
        raise Unreadable([f"The first line must be {','.join(COLUMNS)}."])
    if len(rows) > MOST_LINES:
        raise Unreadable([f"More than {MOST_LINES} lines."])
    lines, troubles = [], []
    for number, row in enumerate(rows[1:], 2):
        if not any(row):
            continue
        try:
            lines.append(_line(row))
        except ValueError as problem:
            troubles.append(f"Line {number}: {problem}.")
    if len({line.date for line in lines}) < len(lines):
        troubles.append("A date stands there twice.")
    if troubles or not lines:
        raise Unreadable(troubles or ["No holiday is in it."])
    return lines


@transaction.atomic
def take_over(rule: SessionRule, lines: Sequence[Line]) -> tuple[int, int]:
    """Write holidays into a rule; return how many are new and how many changed.

    What is new or changed counts as not confirmed. A day that the file does not name stays as it is.
    """
    known = {day.date: day for day in rule.holidays.select_for_update()}
    new = [Holiday(rule=rule, **vars(line)) for line in lines if line.date not in known]
    changed = [known[line.date] for line in lines if line.date in known and _differs(known[line.date], line)]
    for line in lines:
        if (day := known.get(line.date)) in changed and day is not None:
            day.name, day.closes_at, day.source, day.confirmed = line.name, line.closes_at, line.source, False
            day.save()
    Holiday.objects.bulk_create(new)
    return len(new), len(changed)


def _differs(day: Holiday, line: Line) -> bool:
    return (day.name, day.closes_at, day.source) != (line.name, line.closes_at, line.source)


def _line(row: Sequence[str]) -> Line:
    if len(row) != len(COLUMNS):
        raise ValueError(f"{len(COLUMNS)} fields are needed, here are {len(row)}")
    on, name, closes, source = (_bare(field.strip()) for field in row)
    if not name or len(name) > LONGEST_NAME or len(source) > LONGEST_SOURCE:
        raise ValueError(f"a name of at most {LONGEST_NAME} letters, a source of at most {LONGEST_SOURCE}")
    try:
        return Line(date.fromisoformat(on), name, time.fromisoformat(closes) if closes else None, source)
    except ValueError:
        raise ValueError("dates are like 2026-12-25, times like 12:15 or empty") from None


def _text(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text


def _bare(text: str) -> str:
    """Return a text as it was before `_text`."""
    return text[1:] if text.startswith("'") and text[1:].startswith(FORMULA) else text
