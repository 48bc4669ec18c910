"""A stage of the desk on AWS, as its settings file describes it, and a package built for it."""

import base64
import hashlib
import io
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from lambda_function import Function

ROOT = Path(__file__).resolve().parent.parent
ZAPPA = ROOT / ".venv-lambda" / "bin" / "zappa"


class Refused(Exception):
    """Nothing was changed. The text says why."""


@dataclass(frozen=True)
class Package:
    """A package as `make package` builds it: its base64(sha256), and what it says of itself."""

    path: Path
    digest: str
    build: dict[str, Any]


@dataclass(frozen=True)
class Stage:
    """A stage, its address, and how many seconds the desk may take there to be well."""

    name: str
    settings: Path
    base_url: str
    function: Function
    within_s: float

    def zappa(self, *words: str) -> int:
        """Run a command of Zappa on this stage, its output indented; return its exit code.

        The code proves nothing: a rollback that was given up ends with 0.
        """
        command = [str(ZAPPA), words[0], self.name, *words[1:], "--settings_file", str(self.settings)]
        with subprocess.Popen(
            command, cwd=ROOT, text=True, errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as zappa:
            for line in zappa.stdout or ():
                say(f"    {line.rstrip()}")
        return zappa.returncode


def read_stage(name: str, settings: Path | None, within_s: float) -> Stage:
    """Return a stage from its settings file, by default zappa_settings.STAGE.json. Raises Refused."""
    path = (settings or ROOT / f"zappa_settings.{name}.json").resolve()
    try:
        config = json.loads(path.read_text())[name]
        function = Function(f"{config['project_name']}-{name}", config["aws_region"])
        return Stage(name, path, config["base_url"], function, within_s)
    except FileNotFoundError:
        raise Refused(f"{path.name} is missing: make zappa-settings STAGE={name} writes it.") from None
    except (KeyError, ValueError) as error:
        raise Refused(
            f"{path.name} lacks {error}: make zappa-settings STAGE={name} writes it anew."
        ) from None


def read_package(path: Path) -> Package:
    """Return a package from its zip. Raises Refused."""
    try:
        content = path.read_bytes()
        build = build_in(content)
    except (OSError, BadZipFile) as error:
        raise Refused(f"{path} is no package: {error}.") from None
    if "commit" not in build:
        raise Refused(f"{path} does not say what it holds: make package builds one that does.")
    return Package(path.resolve(), base64.b64encode(hashlib.sha256(content).digest()).decode(), build)


def build_in(content: bytes) -> dict[str, Any]:
    """Return what a package says of itself in its build.json, nothing without one. Raises BadZipFile."""
    with ZipFile(io.BytesIO(content)) as packed:
        if "build.json" not in packed.namelist():
            return {}
        build: dict[str, Any] = json.loads(packed.read("build.json"))
        return build


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
