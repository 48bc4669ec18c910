"""The package for Lambda, built by the project's own commands, once for each state of what goes into it."""

import hashlib
import json
import shutil
import subprocess
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

from tests.flows.processes import ROOT

STAGE = "demo"
PYTHON = ROOT / ".venv-lambda" / "bin" / "python"
BUILT_FROM = ("broker", "strategy", "templates", "tradedesk", "scripts")
# What Lambda has and the package leaves out.
RUNTIME = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer")


@cache
def packaged() -> Path:
    """Return the package of this checkout for the Python that it is tested with."""
    folder = ROOT / "var" / "packages" / "tested" / state()
    if not list(folder.glob("*.zip")):
        shutil.rmtree(folder.parent, ignore_errors=True)
        pack(folder)
    (package,) = folder.glob("*.zip")
    return package


def pack(folder: Path) -> None:
    """Build the package into a folder."""
    subprocess.run([ROOT / "scripts" / "setup", "lambda"], check=True)
    folder.mkdir(parents=True)
    settings = folder / "settings.json"
    settings.write_text(json.dumps({STAGE: stage_settings()}))
    subprocess.run(
        [PYTHON, ROOT / "scripts" / "package.py", STAGE, "--settings", settings, "--to", folder], check=True
    )


@cache
def stage_settings() -> dict[str, object]:
    """Return the committed settings, for the Python at hand."""
    settings: dict[str, object] = json.loads((ROOT / "zappa_settings.json").read_text())["base"]
    version = subprocess.check_output([ROOT / "scripts" / "find-python"], text=True).strip()
    minor = subprocess.check_output([version, "-c", "import sys; print(sys.version_info[1])"], text=True)
    return {**settings, "runtime": f"python3.{minor.strip()}"}


def state() -> str:
    """Return what tells one state of the package's sources from another."""
    digest = hashlib.sha256(json.dumps(stage_settings()).encode())
    digest.update((ROOT / "requirements-lambda.txt").read_bytes())
    for part in BUILT_FROM:
        for file in sorted((ROOT / part).rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def unpack(package: Path, folder: Path) -> tuple[Path, Path]:
    """Unpack into an empty folder, put a stand-in for the runtime beside it, and return both."""
    task, runtime = folder / "task", folder / "runtime"
    with ZipFile(package) as packed:
        packed.extractall(task)
    runtime.mkdir()
    for name in RUNTIME:
        spec = find_spec(name)
        assert spec
        assert spec.origin
        (runtime / name).symlink_to(Path(spec.origin).parent)
    return task, runtime
