"""The last look before an order leaves: rules over one snapshot of facts, each with its verdict."""

from strategy.gate.evaluation import Check, closing_checks, opening_checks, refusal
from strategy.gate.facts import OFF, Exposure, Facts, Limit, Margin, Usage
from strategy.gate.rules import CLOSING, OPENING, Rule

__all__ = [
    "CLOSING",
    "OFF",
    "OPENING",
    "Check",
    "Exposure",
    "Facts",
    "Limit",
    "Margin",
    "Rule",
    "Usage",
    "closing_checks",
    "opening_checks",
    "refusal",
]
