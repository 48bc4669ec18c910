from collections.abc import Iterator

import pytest

from tests.rounds.wholes import Whole, open_whole


@pytest.fixture(scope="package")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    """Return a desk with all its processes, which every test of the package leaves running."""
    with open_whole(tmp_path_factory.mktemp("whole")) as opened:
        yield opened
