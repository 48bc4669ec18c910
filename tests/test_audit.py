"""What `make audit` makes of the answers that it can get."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "audit.py"
CLEAN = {"name": "django", "version": "5.2.19", "vulns": []}
HOLED = {"name": "vine", "version": "5.1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["5.1.1"]}]}
UNKNOWN = {"name": "wrapt", "skip_reason": "Dependency not found on PyPI"}


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("rows", "code", "said"),
    [
        ([CLEAN], 0, "r.txt: 1 packages, 0 known vulnerabilities\n"),
        (
            [CLEAN, HOLED],
            1,
            "r.txt: vine 5.1.0: PYSEC-1, mended in 5.1.1\nr.txt: 2 packages, 1 known vulnerabilities\n",
        ),
        ([CLEAN, UNKNOWN], 2, "r.txt: 1 of 2 not checked. Dependency not found on PyPI\n"),
        ([], 2, "r.txt: 0 of 0 not checked. The answer is empty\n"),
    ],
)
def test_only_what_was_checked_can_be_clean(
    audit: ModuleType, capsys: pytest.CaptureFixture[str], rows: list[object], code: int, said: str
) -> None:
    assert audit.report("r.txt", json.dumps({"dependencies": rows}), "") == code
    assert capsys.readouterr().out == said


def test_no_answer_is_not_clean(audit: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.report("r.txt", "", "Traceback\nConnectionError: no route\n") == 2
    assert capsys.readouterr().out == "r.txt: no answer. ConnectionError: no route\n"
