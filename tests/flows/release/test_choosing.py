"""Which version a rollback goes to, and which answers of a desk count as well."""

from typing import Any

import pytest
from lambda_function import Version, newest_of, released_before
from smoke import Said, faults

BUILD = {"commit": "bbb"}


def versions(digests: str) -> list[Version]:
    """Return versions newest first; the first letter is version 1's code."""
    return [Version(number, digest) for number, digest in enumerate(digests, 1)][::-1]


@pytest.mark.parametrize(
    ("digests", "runs", "number"),
    [
        ("ab", "b", 1),
        ("abc", "c", 2),
        ("abb", "b", 1),
        ("aabbcc", "c", 4),
        ("aba", "a", None),
        ("abcb", "b", 1),
        ("abcbd", "d", 4),
        ("a", "a", None),
        ("aaa", "a", None),
        ("", "a", None),
        ("ab", "c", 2),
    ],
)
def test_rollback_goes_to_what_was_released_before_what_runs(
    digests: str, runs: str, number: int | None
) -> None:
    found = released_before(versions(digests), runs)

    assert (found and found.number) == number


@pytest.mark.parametrize(
    ("digests", "wanted", "number"), [("aba", "a", 3), ("ab", "a", 1), ("ab", "c", None)]
)
def test_code_before_a_release_is_found_in_its_newest_version(
    digests: str, wanted: str, number: int | None
) -> None:
    found = newest_of(versions(digests), wanted)

    assert (found and found.number) == number


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (Said({"build": BUILD}), []),
        (Said({"build": BUILD}, {"broker:demo": "No connection."}), []),
        (Said({"build": BUILD}, {"redis": "Away."}), ["redis: Away."]),
        (Said({"build": {"commit": "aaa"}}), ["Another build answers: {'commit': 'aaa'}"]),
        (Said({"build": None}), ["Another build answers: one without a build.json"]),
        (Said({}), ["Another build answers: one without a build.json"]),
        (Said(trouble="/healthz answered 502"), ["/healthz answered 502"]),
    ],
)
def test_release_is_well_when_its_build_answers_and_nothing_new_fails(said: Any, found: list[str]) -> None:
    assert faults(said, BUILD, excused={"broker:demo"}) == found
