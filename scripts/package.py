"""Packs the desk for AWS Lambda into var/packages/: make package STAGE=demo."""

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lambda_zip import BUILD, Unfit

ROOT = Path(__file__).resolve().parent.parent
# The processes of a desk must have the same code, so the paper broker comes along.
PACKED = ("broker", "strategy", "templates", "tradedesk")


def main() -> int:
    """Build the package, print where it is, return an exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage")
    parser.add_argument("--settings", type=Path, help="default: zappa_settings.STAGE.json")
    parser.add_argument("--to", type=Path, default=ROOT / "var" / "packages", help="folder of the package")
    options = parser.parse_args()
    settings = options.settings or ROOT / f"zappa_settings.{options.stage}.json"
    try:
        config = read(settings, options.stage)
        check_machine(config)
        package = build(config, options.stage, options.to)
    except Unfit as unfit:
        sys.stderr.write(f"{unfit}\n")
        return 1
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    sys.stdout.write(f"{package}\n{package.stat().st_size / 1e6:.1f} MB, SHA-256 {digest}\n")
    return 0


def read(path: Path, stage: str) -> dict[str, Any]:
    """Return the settings of a stage, as `make zappa-settings` writes them. Raises Unfit."""
    try:
        config: dict[str, Any] = json.loads(path.read_text())[stage]
    except FileNotFoundError:
        raise Unfit(f"{path.name} is missing: make zappa-settings STAGE={stage} writes it.") from None
    except (KeyError, ValueError):
        raise Unfit(f"{path.name} is no JSON with the stage {stage}.") from None
    return config


def check_machine(config: dict[str, Any]) -> None:
    """Look that what is compiled and installed here runs there. Raises Unfit."""
    here = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    if config["runtime"] != here:
        raise Unfit(
            f"The function runs on {config['runtime']} and .venv-lambda has {here}: install the former."
        )
    if (platform.system(), platform.machine()) != ("Linux", config["architecture"]):
        raise Unfit(f"The function runs on Linux, {config['architecture']}: pack it on such a machine.")


def build(config: dict[str, Any], stage: str, folder: Path) -> Path:
    """Return the finished package. Raises Unfit."""
    commit = commit_packed()
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="build-", dir=folder) as name:
        place = Path(name) / "desk"
        for part in PACKED:
            shutil.copytree(ROOT / part, place / part, ignore=shutil.ignore_patterns("__pycache__"))
        (place / "scripts").mkdir()
        shutil.copy(ROOT / "scripts" / "lambda_zip.py", place / "scripts")
        (place / "zappa_settings.json").write_text(json.dumps({stage: config}))
        (place / BUILD).write_text(json.dumps(described(config, commit), indent=2) + "\n")
        unfinished = Path(name) / "package.zip"
        run_zappa("package", stage, "--output", str(unfinished), place=place)
        package = folder / f"{config['project_name']}-{stage}-{commit}.zip"
        unfinished.replace(package)
    return package


def commit_packed() -> str:
    """Return the commit that is packed, and that it is not as committed where it is not."""
    commit = git("rev-parse", "--short=12", "HEAD").strip()
    return f"{commit}-changed" if git("status", "--porcelain", "--", *PACKED) else commit


def git(*words: str) -> str:
    """Return what git says. Raises Unfit."""
    try:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S607
    except (OSError, subprocess.CalledProcessError) as error:
        raise Unfit("git does not know this folder, so the package would not tell what it holds.") from error


def described(config: dict[str, Any], commit: str) -> dict[str, str]:
    """Return what the package says of itself: commit, newest migration, digest of the stage's settings."""
    migrations = sorted((ROOT / "tradedesk" / "migrations").glob("0*.py"))
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()
    return {"commit": commit, "schema": migrations[-1].stem, "settings": digest[:16]}


def run_zappa(*words: str, place: Path) -> None:
    """Run Zappa in a folder, with the environment of this Python as the one to pack. Raises Unfit."""
    venv = Path(sys.prefix)
    environ = {"PATH": f"{venv / 'bin'}:{os.environ['PATH']}", "VIRTUAL_ENV": str(venv), "HOME": str(place)}
    done = subprocess.run(
        [venv / "bin" / "zappa", *words], cwd=place, env=environ, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Unfit(f"zappa {' '.join(words)} failed:\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    sys.exit(main())
