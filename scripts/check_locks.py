"""Checks the lock files against pyproject.toml without a network; `make lock` writes them anew."""

import re
import sys
import tomllib
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(\[[^]]*\])?==(?P<version>[^\s;\\]+)", re.MULTILINE)
# Groups of each file, and the narrower file whose packages it has too, in the same versions.
LOCKS = {
    "requirements.txt": ([], None),
    "requirements-local.txt": (["local"], "requirements.txt"),
    "requirements-dev.txt": (["dev"], "requirements-local.txt"),
    "requirements-lambda.txt": (["lambda"], "requirements.txt"),
    "requirements-server.txt": (["server"], "requirements.txt"),
}


def main() -> int:
    """Print what is out of step and return 1, or 0 when nothing is."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    problems: list[str] = []
    known: dict[str | None, dict[str, str]] = {None: {}}
    for name, (groups, narrower) in LOCKS.items():
        text = (ROOT / name).read_text()
        pins = {str(canonicalize_name(pin["name"])): str(pin["version"]) for pin in PIN.finditer(text)}
        problems += [f"{name}: {problem}" for problem in unmet(wanted(project, groups), pins)]
        problems += [f"{name}: {pin} is not as in {narrower}" for pin in missing(known[narrower], pins)]
        if "://" in text or text.count("==") > text.count("--hash=sha256:"):
            problems.append(f"{name}: names an address, or has a pin without a hash")
        known[name] = pins
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    if problems:
        sys.stderr.write("Run `make lock`.\n")
    return 1 if problems else 0


def wanted(project: dict[str, Any], groups: list[str]) -> list[Requirement]:
    """Return the direct requirements of the project with these dependency groups."""
    texts: list[str] = list(project["project"]["dependencies"])
    queue = list(groups)
    while queue:
        for item in project["dependency-groups"][queue.pop()]:
            if isinstance(item, str):
                texts.append(item)
            else:
                queue.append(item["include-group"])
    return [Requirement(text) for text in texts]


def unmet(requirements: list[Requirement], pins: dict[str, str]) -> list[str]:
    """Return the requirements that the pins do not satisfy."""
    return [
        f"{requirement} is pinned to {pins.get(canonicalize_name(requirement.name), 'nothing')}"
        for requirement in requirements
        if not requirement.specifier.contains(
            pins.get(canonicalize_name(requirement.name), "0"), prereleases=True
        )
    ]


def missing(narrower: dict[str, str], pins: dict[str, str]) -> list[str]:
    """Return the pins of the narrower file that the wider one lacks or has in another version."""
    return [f"{name}=={version}" for name, version in narrower.items() if pins.get(name) != version]


if __name__ == "__main__":
    sys.exit(main())
