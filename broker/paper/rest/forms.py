"""Reads the fields of a command's body and collects what is wrong with them as Tradovate's `violations`."""

from collections.abc import Collection
from datetime import UTC, datetime
from decimal import Decimal

from broker.paper.records.wire import Json

LONGEST_TEXT = 64
LARGEST_I32, LARGEST_I64 = 2**31 - 1, 2**63 - 1
LARGEST_NUMBER = Decimal(10_000_000)


class FormError(Exception):
    """The body cannot be read as the command it was sent as."""

    def __init__(self, violations: list[Json]) -> None:
        super().__init__(violations)
        self.violations = violations


class Form:
    """One body. What is absent or wrong is noted and read as None, or as empty where it is needed.

    Use the values only after `check`.
    """

    def __init__(self, body: Json, violations: list[Json] | None = None) -> None:
        self._body = body
        self._violations = [] if violations is None else violations

    def has(self, name: str) -> bool:
        """Say whether the body has a field that is not null."""
        return self._body.get(name) is not None

    def text(self, name: str, choices: Collection[str] = ()) -> str | None:
        """Return a string of at most 64 characters, one of `choices` where there are any."""
        value = self._body.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or len(value) > LONGEST_TEXT:
            self.refuse(name, "Size", f"must be a string of at most {LONGEST_TEXT} characters")
        elif choices and value not in choices:
            self.refuse(name, "Enum", f"must be one of {', '.join(sorted(choices))}")
        else:
            return value
        return None

    def positive(self, name: str, largest: int = LARGEST_I64) -> int | None:
        """Return a whole number from 1 to `largest`."""
        return self._whole(name, 1, largest, "Positive")

    def count(self, name: str, largest: int = LARGEST_I32) -> int | None:
        """Return a whole number from 0 to `largest`."""
        return self._whole(name, 0, largest, "PositiveOrZero")

    def number(self, name: str) -> Decimal | None:
        """Return a number within ten millions of zero, exactly as it was written."""
        value = self._body.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST_NUMBER:
            return Decimal(str(value))
        if value is not None:
            self.refuse(name, "Number", f"must be a number within {LARGEST_NUMBER} of zero")
        return None

    def price(self, name: str) -> Decimal | None:
        """Return a number above zero."""
        value = self.number(name)
        if value is not None and value <= 0:
            self.refuse(name, "Positive", "must be above zero")
        return value

    def moment(self, name: str) -> datetime | None:
        """Return a time in UTC from ISO 8601; one without an offset is in UTC."""
        value = self._body.get(name)
        try:
            if isinstance(value, str):
                moment = datetime.fromisoformat(value)
                return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        if value is not None:
            self.refuse(name, "DateTime", "must be a time in ISO 8601")
        return None

    def flag(self, name: str) -> bool | None:
        """Return true or false."""
        value = self._body.get(name)
        if isinstance(value, bool):
            return value
        if value is not None:
            self.refuse(name, "Boolean", "must be true or false")
        return None

    def ids(self, name: str, most: int) -> list[int]:
        """Return a list of ids that must be there."""
        self._need(name)
        value = self._body.get(name)
        if isinstance(value, list) and len(value) <= most and all(_is_id(item) for item in value):
            return value
        if value is not None:
            self.refuse(name, "Ids", f"must be a list of at most {most} ids")
        return []

    def part(self, name: str) -> "Form | None":
        """Return the form of an object within this one; its violations count here."""
        value = self._body.get(name)
        if isinstance(value, dict):
            return Form(value, self._violations)
        if value is not None:
            self.refuse(name, "Object", "must be an object")
        return None

    def need_text(self, name: str, choices: Collection[str] = ()) -> str:
        """Return a string that must be there."""
        self._need(name)
        return self.text(name, choices) or ""

    def need_positive(self, name: str, largest: int = LARGEST_I64) -> int:
        """Return a whole number that must be there."""
        self._need(name)
        return self.positive(name, largest) or 0

    def need_flag(self, name: str) -> bool:
        """Return true or false, which must be there."""
        self._need(name)
        return self.flag(name) or False

    def need_part(self, name: str) -> "Form":
        """Return the form of an object that must be there."""
        self._need(name)
        return self.part(name) or Form({}, [])

    def refuse(self, name: str, constraint: str, description: str) -> None:
        """Add one violation."""
        value = self._body.get(name)
        shown = value if isinstance(value, str | int | None) else str(value)
        self._violations.append(
            {"constraint": constraint, "value": shown, "description": f"{name} {description}"}
        )

    def check(self) -> None:
        """Raises FormError where anything was wrong."""
        if self._violations:
            raise FormError(self._violations)

    def _whole(self, name: str, least: int, largest: int, constraint: str) -> int | None:
        value = self._body.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= largest:
            return value
        if value is not None:
            self.refuse(name, constraint, f"must be a whole number from {least} to {largest}")
        return None

    def _need(self, name: str) -> None:
        if not self.has(name):
            self.refuse(name, "NotNull", "is required")


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LARGEST_I64
