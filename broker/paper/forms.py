"""Reads the fields of a command's body and collects what is wrong with them as Tradovate's `violations`."""

from collections.abc import Collection
from typing import Any

from broker.paper.wire import Json

LONGEST_TEXT = 64
LARGEST_I32, LARGEST_I64 = 2**31 - 1, 2**63 - 1


class FormError(Exception):
    """The body cannot be read as the command it was sent as."""

    def __init__(self, violations: list[Json]) -> None:
        super().__init__(violations)
        self.violations = violations


class Form:
    """One body. Readers return None for what is absent or wrong; use their values after `check`."""

    def __init__(self, body: Json) -> None:
        self._body = body
        self._violations: list[Json] = []

    def text(self, name: str, *, required: bool = False, choices: Collection[str] = ()) -> str | None:
        """Return a string of at most 64 characters, one of `choices` where there are any."""
        value = self._value(name, required)
        if value is None:
            return None
        if not isinstance(value, str) or len(value) > LONGEST_TEXT:
            self.refuse(name, "Size", value, f"must be a string of at most {LONGEST_TEXT} characters")
        elif choices and value not in choices:
            self.refuse(name, "Enum", value, f"must be one of {', '.join(sorted(choices))}")
        else:
            return value
        return None

    def positive(self, name: str, *, required: bool = False, largest: int = LARGEST_I64) -> int | None:
        """Return a whole number from 1 to `largest`."""
        value = self._value(name, required)
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= largest:
            return value
        if value is not None:
            self.refuse(name, "Positive", value, f"must be a whole number from 1 to {largest}")
        return None

    def flag(self, name: str, *, required: bool = False) -> bool | None:
        """Return true or false."""
        value = self._value(name, required)
        if isinstance(value, bool):
            return value
        if value is not None:
            self.refuse(name, "Boolean", value, "must be true or false")
        return None

    def refuse(self, name: str, constraint: str, value: Any, description: str) -> None:
        """Add one violation."""
        shown = value if isinstance(value, str | int | None) else str(value)
        self._violations.append(
            {"constraint": constraint, "value": shown, "description": f"{name} {description}"}
        )

    def check(self) -> None:
        """Raises FormError where anything was wrong."""
        if self._violations:
            raise FormError(self._violations)

    def _value(self, name: str, required: bool) -> Any:
        value = self._body.get(name)
        if value is None and required:
            self.refuse(name, "NotNull", None, "is required")
        return value
