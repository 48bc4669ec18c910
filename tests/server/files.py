"""The files in infra/server/, as programs read them."""

import configparser
import shlex
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
SERVER = ROOT / "infra" / "server"
INSTALLED = "/opt/tradedesk/current"
SERVICES = {path.stem.removeprefix("tradedesk-"): path for path in sorted(SERVER.glob("*.service"))}


def unit(path: Path) -> configparser.ConfigParser:
    """Return a unit file's sections. Of a line that stands twice the last counts."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign] # keys are as they are written
    parser.read_string(path.read_text())
    return parser


def command(service: str) -> list[str]:
    """Return the command of a service as its unit has it, run from this checkout by this interpreter."""
    line = unit(SERVICES[service])["Service"]["ExecStart"]
    return shlex.split(here(line))


def here(text: str) -> str:
    """Return a unit's text with this checkout, and this interpreter, where the installed desk would be."""
    return text.replace(f"{INSTALLED}/.venv/bin/python", sys.executable).replace(INSTALLED, str(ROOT))


def compose() -> dict[str, Any]:
    """Return the content of the compose file."""
    content: dict[str, Any] = yaml.safe_load((SERVER / "compose.yaml").read_text())
    return content


def variables(path: Path) -> dict[str, str]:
    """Return the variables that a file of NAME=value lines sets, or names behind a #."""
    lines = (line.removeprefix("#") for line in path.read_text().splitlines())
    pairs = (line.partition("=") for line in lines if not line.startswith((" ", "-")) and "=" in line)
    return {name: value for name, _, value in pairs if name.replace("_", "").isalnum() and name.isupper()}
