"""Functions of a few lines that answer as the desk does, for what a release may meet."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import ZipFile

HANDLER = """
import json

BUILD = json.load(open("build.json"))
FAILING = json.load(open("failing.json"))


def lambda_handler(event, context):
    if "manage" in event:
        return migrate(event["manage"])
    if "gateway" in FAILING:
        return {"statusCode": int(FAILING["gateway"]), "body": "{}"}
    if event["path"] == "/healthz":
        return {"statusCode": 200, "body": "{}"}
    checks = {name: {"ok": False, "detail": why} for name, why in FAILING.items()}
    release = {"version": "0.1.0", "build": BUILD}
    return {"statusCode": 503 if checks else 200, "body": json.dumps({"checks": checks, "release": release})}


def migrate(words):
    assert words == "migrate --noinput"
    assert "migrations" not in FAILING, "column exists"
"""


def toy(folder: Path, commit: str, *, failing: Mapping[str, str] | None = None) -> Path:
    """Return a package that says it holds a commit, and that parts of it are not ready."""
    path = folder / f"{commit}.zip"
    with ZipFile(path, "w") as packed:
        packed.writestr("handler.py", HANDLER)
        packed.writestr("build.json", json.dumps({"commit": commit, "schema": "0016_reasons"}))
        packed.writestr("failing.json", json.dumps(dict(failing or {})))
    return path


def settings(project: str, base_url: str, role: str) -> dict[str, Any]:
    """Return the settings of the stage demo for toys."""
    stage = {
        "project_name": project,
        "base_url": base_url,
        "django_settings": "toy",
        "lambda_handler": "handler.lambda_handler",
        "runtime": "python3.13",
        "aws_region": "us-east-1",
        "s3_bucket": "toys",
        "manage_roles": False,
        "role_arn": role,
        "apigateway_enabled": False,
        "keep_warm": False,
        "touch": False,
        "num_retained_versions": 10,
    }
    return {"demo": stage}
