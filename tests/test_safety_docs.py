import re
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "safety.md"


def test_every_promise_names_tests_that_exist() -> None:
    page = PAGE.read_text()
    promises = page.partition("|---|---|\n")[2].partition("\n\n")[0].splitlines()
    lines = re.findall(r"^(\d+)\. (.+)$", page, re.MULTILINE)
    named = {name for _, line in lines for name in re.findall(r"`(\w+)`", line)}
    there = {
        name
        for file in TESTS.rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)\(", file.read_text(), re.MULTILINE)
    }

    assert [int(number) for number, _ in lines] == list(range(1, len(promises) + 1))
    assert named - there == set()
