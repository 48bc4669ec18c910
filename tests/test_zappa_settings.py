"""make zappa-settings: the committed settings with what Terraform made."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.infra.files import parse, read

ROOT = Path(__file__).resolve().parents[1]
OUTPUTS: dict[str, Any] = {
    "function_name": "desk-one-demo",
    "region": "eu-west-1",
    "base_url": "https://abc.execute-api.eu-west-1.amazonaws.com/demo/",
    "packages_bucket": "desk-one-demo-packages",
    "role_arn": "arn:aws:iam::123456789012:role/desk-one-demo-desk",
    "subnet_ids": ["subnet-a", "subnet-b"],
    "security_group_ids": ["sg-a"],
    "alarm_topic_arn": "arn:aws:sns:eu-west-1:123456789012:desk-one-demo-alarms",
    "environment": {
        "DESK_SECRET_ID": "arn:desk",
        "DEMO_SECRET_ID": "arn:demo",
        "ALLOWED_HOSTS": "desk.example",
    },
}


def fill(
    folder: Path, stage: str = "demo", without: str = ""
) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """Run the command on outputs and return how it ended and what it wrote."""
    outputs = {name: {"value": value} for name, value in OUTPUTS.items() if name != without}
    outputs["api_key"] = {"value": "a-secret-key", "sensitive": True}
    (folder / "outputs.json").write_text(json.dumps(outputs))
    filled = folder / "filled.json"
    command = [sys.executable, str(ROOT / "scripts" / "zappa_settings.py"), stage]
    command += ["--outputs", str(folder / "outputs.json"), "--to", str(filled)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done, json.loads(filled.read_text()) if filled.exists() else {}


def committed() -> dict[str, Any]:
    settings: dict[str, Any] = json.loads((ROOT / "zappa_settings.json").read_text())
    return settings


def test_filled_settings_are_the_committed_ones_with_terraforms_values(tmp_path: Path) -> None:
    done, filled = fill(tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert filled == {
        "demo": {
            **committed()["base"],
            "project_name": "desk-one",
            "base_url": "https://abc.execute-api.eu-west-1.amazonaws.com/demo/",
            "aws_region": "eu-west-1",
            "s3_bucket": "desk-one-demo-packages",
            "role_arn": "arn:aws:iam::123456789012:role/desk-one-demo-desk",
            "vpc_config": {"SubnetIds": ["subnet-a", "subnet-b"], "SecurityGroupIds": ["sg-a"]},
            "dead_letter_arn": "arn:aws:sns:eu-west-1:123456789012:desk-one-demo-alarms",
            "aws_environment_variables": {
                "INSTANTIATE_LAMBDA_HANDLER_ON_IMPORT": "1",
                "DESK_SECRET_ID": "arn:desk",
                "DEMO_SECRET_ID": "arn:demo",
                "ALLOWED_HOSTS": "desk.example",
            },
        }
    }


def test_second_run_writes_the_same_and_nothing_secret(tmp_path: Path) -> None:
    fill(tmp_path)
    before = (tmp_path / "filled.json").read_bytes()

    fill(tmp_path)

    assert (tmp_path / "filled.json").read_bytes() == before
    assert b"a-secret-key" not in before


@pytest.mark.parametrize("name", OUTPUTS)
def test_missing_output_is_named_and_nothing_written(tmp_path: Path, name: str) -> None:
    done, filled = fill(tmp_path, without=name)

    assert (done.returncode, filled) == (1, {})
    assert done.stderr == f"Terraform has no output '{name}': run terraform apply. See docs/aws.md.\n"


def test_settings_of_another_stage_are_not_filled(tmp_path: Path) -> None:
    done, filled = fill(tmp_path, stage="live")

    assert (done.returncode, filled) == (1, {})
    assert done.stderr == "infra/ is desk-one-demo, not the stage live: choose its state first.\n"


def test_unknown_stage_names_those_there_are(tmp_path: Path) -> None:
    done, _ = fill(tmp_path, stage="base")

    assert (done.returncode, done.stderr) == (1, "There is no stage base: demo, live.\n")


def test_terraform_has_every_output_that_is_asked_for() -> None:
    assert OUTPUTS.keys() <= parse(read()).outputs.keys()


def test_committed_settings_are_those_of_a_function_that_trades() -> None:
    """What Zappa would choose by itself is wrong for a desk: debug, its own role, a ping, a gateway."""
    wanted = {
        "runtime": "python3.13",
        "architecture": "x86_64",
        "memory_size": 1024,
        "timeout_seconds": 15,
        "num_retained_versions": 10,
        "manage_roles": False,
        "apigateway_enabled": False,
        "debug": False,
        "log_level": "INFO",
        "keep_warm": False,
        "touch": False,
        "slim_handler": False,
        "use_precompiled_packages": False,
    }

    base = committed()["base"]

    assert {name: base[name] for name in wanted} == wanted
    assert "environment_variables" not in base
    names = base["aws_environment_variables"].keys() - {"INSTANTIATE_LAMBDA_HANDLER_ON_IMPORT"}
    assert all(name.endswith("_SECRET_ID") for name in names)
