import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.flows.release.stages import ROOT, Emulator, Stage, written
from tests.flows.release.toys import settings

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
    ],
}


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """Return AWS on this machine, one for the session, with Zappa at hand to call it."""
    subprocess.run([ROOT / "scripts" / "setup", "lambda"], check=True)
    folder = tmp_path_factory.mktemp("aws")
    with (folder / "aws.log").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.flows.release.aws", folder],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        )
    assert process.stdout
    url = process.stdout.readline().strip()
    assert url, (folder / "aws.log").read_text()
    yield Emulator(url)
    process.communicate(timeout=20)


@pytest.fixture(scope="session")
def role(emulator: Emulator) -> str:
    """Return the role of functions."""
    made = emulator.client("iam").create_role(RoleName="desk", AssumeRolePolicyDocument=json.dumps(TRUST))
    return str(made["Role"]["Arn"])


@pytest.fixture(scope="session")
def new_stage(emulator: Emulator, role: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Stage]:
    """Return what gives a stage without a function, for toys."""
    numbers = count(1)

    def make() -> Stage:
        project = f"toy{next(numbers)}"
        base_url = f"{emulator.url}/gateway/{project}-demo/"
        path: Path = tmp_path_factory.mktemp(project) / "settings.json"
        return Stage(emulator, project, written(path, settings(project, base_url, role)), role)

    return make


@pytest.fixture
def stage(new_stage: Callable[[], Stage]) -> Stage:
    return new_stage()
