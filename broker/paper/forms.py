"""Reads the fields of a command's body and collects what is wrong with them as Tradovate's `violations`."""

from collections.abc import Collection

from broker.paper.wire import Json

LONGEST_TEXT = 64
LARGEST_I32, LARGEST_I64 = 2**31 - 1, 2**63 - 1


class FormError(Exception):
    """The body cannot be read as the command it was sent as."""

    def __init__(self, violations: list[Json]) -> None:
        super().__init__(violations)
        self.violations = violations


class Form:
    """One body. What is absent or wrong is noted and read as None, or as empty where it is needed.

    Use the values only after `check`.
    """

    def __init__(self, body: Json) -> None:
        self._body = body
        self._violations: list[Json] = []

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
        value = self._body.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= largest:
            return value
        if value is not None:
            self.refuse(name, "Positive", f"must be a whole number from 1 to {largest}")
        return None

    def flag(self, name: str) -> bool | None:
        """Return true or false."""
        value = self._body.get(name)
        if isinstance(value, bool):
            return value
        if value is not None:
            self.refuse(name, "Boolean", "must be true or false")
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

    def _need(self, name: str) -> None:
        if self._body.get(name) is None:
            self.refuse(name, "NotNull", "is required")
