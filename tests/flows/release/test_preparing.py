"""What `make deploy` looks at before it packs anything."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.flows.release.stages import ROOT, Emulator, Ended, run, written
from tests.flows.release.toys import settings

type Deploy = Callable[..., Ended]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a checkout in which everything is committed, with checks that are red."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "Makefile").write_text("check:\n\t@echo looking\n\t@false\n")
    written(tmp_path / "zappa_settings.demo.json", settings("toy", "http://127.0.0.1:1/", "role"))
    author = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    for words in (("init", "-q"), ("add", "."), (*author, "commit", "-q", "-m", "first")):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    return tmp_path


@pytest.fixture
def deploy(checkout: Path) -> Deploy:
    """Return what deploys a stage from the checkout."""
    script = checkout / "scripts" / "release.py"
    environ = {**Emulator("http://127.0.0.1:1").environ, "PYTHONDONTWRITEBYTECODE": "1"}
    return lambda *words: run([sys.executable, script, "deploy", *words], environ, cwd=checkout)


def test_change_that_is_not_committed_is_not_released(checkout: Path, deploy: Deploy) -> None:
    (checkout / "tradedesk.py").touch()

    ended = deploy("demo")

    assert ended.code == 1
    assert ended.said == ("Not done: commit first, a package says which commit it holds:\n?? tradedesk.py\n")


def test_red_checks_end_a_release(deploy: Deploy) -> None:
    ended = deploy("demo")

    assert ended.code == 1
    assert "looking\n" in ended.said
    assert ended.said.endswith("Not done: the checks are not green.\n")


def test_stage_without_settings_is_named(deploy: Deploy) -> None:
    ended = deploy("live")

    assert ended.code == 1
    assert ended.said == (
        "Not done: zappa_settings.live.json is missing: make zappa-settings STAGE=live writes it.\n"
    )


@pytest.mark.parametrize(
    ("content", "why"), [(b"", "is no package: File is not a zip file."), (None, "No such file")]
)
def test_file_that_is_no_package_is_not_sent(
    checkout: Path, deploy: Deploy, content: bytes | None, why: str
) -> None:
    package = checkout / "package.zip"
    if content is not None:
        package.write_bytes(content)

    ended = deploy("demo", "--package", str(package))

    assert ended.code == 1
    assert why in ended.said


def test_help_tells_the_exit_codes(deploy: Deploy) -> None:
    ended = run([sys.executable, ROOT / "scripts" / "release.py", "--help"], {})

    assert ended.code == 0
    assert "3  not well, so rolled back" in ended.said
