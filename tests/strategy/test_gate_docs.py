from pathlib import Path

import pytest

from strategy.gate import CLOSING, OPENING, Rule

PAGE = Path(__file__).parents[2] / "docs" / "limits.md"


@pytest.mark.parametrize("rule", {rule.code: rule for rule in (*CLOSING, *OPENING)}.values())
def test_rule_has_its_row_in_the_docs(rule: Rule) -> None:
    row = f"| {rule.number} | `{rule.code}` | {rule.looks_at} | {rule.default} |"

    assert row in PAGE.read_text().splitlines()
