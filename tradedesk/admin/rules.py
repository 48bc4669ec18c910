from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from strategy.gate import CLOSING, OPENING

SHOWN = 10
LOOKS_AT = {rule.code: rule.looks_at for rule in (*CLOSING, *OPENING)}


@dataclass(frozen=True)
class Line:
    """One rule of the gate and what it said of an order."""

    code: str
    number: str
    passed: bool
    figures: str

    @property
    def looks_at(self) -> str:
        return LOOKS_AT.get(self.code, "")


@dataclass(frozen=True)
class RuleTable:
    """What the gate said of one order: a line for each rule, in the order in which they count."""

    title: str
    lines: list[Line]

    @property
    def passed(self) -> int:
        return sum(line.passed for line in self.lines)

    @property
    def first(self) -> list[Line]:
        """The lines to show at once: those that refused, then the first ones that passed."""
        return self._sorted[:SHOWN]

    @property
    def rest(self) -> list[Line]:
        return self._sorted[SHOWN:]

    @property
    def _sorted(self) -> list[Line]:
        return sorted(self.lines, key=lambda line: line.passed)


def rule_tables(detail: Mapping[str, Any]) -> list[RuleTable]:
    """Return what the gate said for a decision, by its `detail`: nothing where it did not run.

    Where the opening half of a reversal was refused, the closing half has a table of its own.
    """
    found = [
        ("Rules of the gate", detail.get("rules", [])),
        ("Rules of the gate, for the closing half", detail.get("closing_rules", [])),
    ]
    return [RuleTable(title, [Line(*row) for row in rows]) for title, rows in found if rows]
