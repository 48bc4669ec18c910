from collections.abc import Iterable
from dataclasses import dataclass

from strategy.gate.facts import Facts
from strategy.gate.rules import CLOSING, OPENING, Rule


@dataclass(frozen=True, slots=True)
class Check:
    """One rule's verdict: its reason code and number, whether it let the order pass, the figures that met.

    `unread` tells a rule that failed because what it looks at could not be read.
    """

    code: str
    number: str
    passed: bool
    figures: str
    unread: bool = False

    @property
    def breached(self) -> bool:
        """Tell whether the figures were read and are against the rule."""
        return not self.passed and not self.unread


def opening_checks(facts: Facts) -> tuple[Check, ...]:
    """Return every rule's verdict on an order that adds to |position| or crosses zero, the gravest first."""
    return tuple(_check(rule, facts) for rule in OPENING)


def closing_checks(facts: Facts) -> tuple[Check, ...]:
    """Return every rule's verdict on an order toward flat, the gravest first."""
    return tuple(_check(rule, facts) for rule in CLOSING)


def refusal(checks: Iterable[Check]) -> Check | None:
    """Return the first check that failed, or None when the order may leave."""
    return next((check for check in checks if not check.passed), None)


def _check(rule: Rule, facts: Facts) -> Check:
    try:
        passed, figures = rule.judge(facts)
    except (ArithmeticError, TypeError, ValueError) as error:
        passed, figures = None, f"cannot be reckoned: {type(error).__name__}"
    return Check(rule.code, rule.number, passed is True, figures, passed is None)
