from pathlib import Path

import pytest

from tradedesk.models import REMEDIES, Reason

PAGE = Path(__file__).parents[2] / "docs" / "reasons.md"


@pytest.mark.parametrize("reason", Reason)
def test_reason_code_has_its_sentence_and_remedy_in_the_docs(reason: Reason) -> None:
    row = f"| `{reason.value}` | {reason.label} | {REMEDIES[reason]} |"

    assert row in PAGE.read_text().splitlines()
