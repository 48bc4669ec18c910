from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker.contract.venue import Venue, venue


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Venue]:
    with venue(tmp_path / "paper.journal") as opened:
        yield opened
