"""What the release script makes of each way in which a release or a rollback goes wrong, on Zappa itself."""

from pathlib import Path

import pytest

from tests.flows.release.stages import Stage
from tests.flows.release.toys import toy

REDIS_AWAY = {"redis": "Redis does not answer."}


@pytest.mark.parametrize(
    ("failing", "why"),
    [(REDIS_AWAY, "redis: Redis does not answer."), ({"migrations": ""}, "The migrations failed. ")],
    ids=["unwell", "unmigrated"],
)
def test_release_that_goes_wrong_is_rolled_back(
    stage: Stage, tmp_path: Path, failing: dict[str, str], why: str
) -> None:
    stage.seed(toy(tmp_path, "aaa"))
    before = stage.digest()

    ended = stage.release("deploy", "--package", toy(tmp_path, "bbb", failing=failing), "--within", "0")

    assert ended.code == 3, ended.said
    assert f"NOT WELL: {why}" in ended.said
    assert "Rolled back: " in ended.said
    assert (stage.commit(), stage.digest()) == ("aaa", before)


def test_first_release_that_is_not_well_has_nothing_to_go_back_to(stage: Stage, tmp_path: Path) -> None:
    package = toy(tmp_path, "aaa", failing=REDIS_AWAY)

    ended = stage.release("deploy", "--package", package, "--within", "0")

    assert ended.code == 4, ended.said
    assert "This was the first release, so there is none to go back to" in ended.said
    assert stage.commit() == "aaa"


def test_release_that_is_not_well_stays_where_nothing_answered_before(stage: Stage, tmp_path: Path) -> None:
    stage.seed(toy(tmp_path, "aaa", failing={"gateway": "500"}))

    ended = stage.release("deploy", "--package", toy(tmp_path, "bbb", failing=REDIS_AWAY), "--within", "0")

    assert ended.code == 4, ended.said
    assert "Runs now: nothing that answers (/healthz answered 500)" in ended.said
    assert "What ran before did not answer either, so it is not brought back" in ended.said
    assert stage.commit() == "bbb"


def test_package_that_runs_already_is_told_and_a_part_that_failed_before_is_excused(
    stage: Stage, tmp_path: Path
) -> None:
    package = toy(tmp_path, "aaa", failing=REDIS_AWAY)
    stage.seed(package)

    ended = stage.release("deploy", "--package", package, "--within", "0")

    assert ended.code == 0, ended.said
    assert "This very package runs already" in ended.said
    assert "NOT READY, as before: redis: Redis does not answer." in ended.said


def test_update_that_zappa_does_not_begin_leaves_what_runs(stage: Stage, tmp_path: Path) -> None:
    stage.seed(toy(tmp_path, "aaa"))
    before = stage.digest()
    stage.settings.write_text(stage.settings.read_text().replace('_versions": 10', '_versions": 0'))

    ended = stage.release("deploy", "--package", toy(tmp_path, "bbb"))

    assert ended.code == 1, ended.said
    assert "The release did not begin: what ran before still runs." in ended.said
    assert stage.digest() == before


def test_machine_that_the_gateway_refuses_could_not_look_afterwards(stage: Stage, tmp_path: Path) -> None:
    package = toy(tmp_path, "aaa", failing={"gateway": "403"})
    stage.seed(package, toy(tmp_path, "bbb"), package)
    digests = stage.digests()

    deploy = stage.release("deploy", "--package", toy(tmp_path, "ccc"))
    rollback = stage.release("rollback")

    assert (deploy.code, rollback.code) == (1, 1), deploy.said + rollback.said
    assert "refuses this machine: add its address to panel_addresses" in deploy.said
    assert stage.digests() == digests


def test_rollback_passes_by_versions_of_the_same_code_and_does_not_toggle(
    stage: Stage, tmp_path: Path
) -> None:
    older, newer = toy(tmp_path, "aaa"), toy(tmp_path, "bbb")
    stage.seed(older, newer, newer)

    first = stage.release("rollback")
    digests = stage.digests()
    second = stage.release("rollback")

    assert first.code == 0, first.said
    assert "Rolling back to version 1, commit aaa" in first.said
    assert (len(digests), digests[-1]) == (4, digests[0])
    assert second.code == 1, second.said
    assert "none of the 4 kept versions was released before the code that runs" in second.said
    assert (stage.commit(), stage.digests()) == ("aaa", digests)


def test_only_version_has_none_to_go_back_to(stage: Stage, tmp_path: Path) -> None:
    stage.seed(toy(tmp_path, "aaa"))

    ended = stage.release("rollback")

    assert ended.code == 1, ended.said
    assert "none of the 1 kept versions" in ended.said


def test_function_that_does_not_exist_cannot_be_rolled_back(stage: Stage) -> None:
    ended = stage.release("rollback")

    assert ended.code == 1, ended.said
    assert f"there is no function {stage.function}" in ended.said


def test_rollback_that_zappa_gives_up_with_a_zero_is_noticed(stage: Stage, tmp_path: Path) -> None:
    stage.seed(toy(tmp_path, "aaa"), toy(tmp_path, "bbb"))
    stage.emulator.expire_links(stage.function, after=1)

    ended = stage.release("rollback")

    assert ended.code == 4, ended.said
    assert "Done!" in ended.said
    assert "NOT WELL: Zappa ended with 0, and the code is not that of version 1." in ended.said
    assert stage.commit() == "bbb"
