"""Asks for known vulnerabilities of every lock file. Exit 1: some are known; 2: not all could be checked."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
# Not in a lock file of the project: it runs in an environment of its own.
TOOL = "pip-audit==2.10.1"
AUDIT = [
    *(sys.executable, "-m", "uv", "tool", "run", "--quiet", "--from", TOOL, "pip-audit"),
    *("--format", "json", "--progress-spinner", "off", "--require-hashes", "--disable-pip", "--requirement"),
]
CLEAN, KNOWN, NOT_CHECKED = 0, 1, 2


def main() -> int:
    """Ask about each file, print what is known or was not answered, and return the exit code."""
    code = CLEAN
    for file in sorted(ROOT.glob("requirements*.txt")):
        asked = subprocess.run([*AUDIT, file], capture_output=True, text=True, check=False)
        code = max(code, report(file.name, asked.stdout, asked.stderr))
    if code == NOT_CHECKED:
        say("NOT CHECKED: the vulnerabilities of PyPI could not be asked for. That is not the same as clean.")
    return code


def report(name: str, answer: str, errors: str) -> int:
    """Print what pip-audit's answer for a file comes to and return the exit code."""
    try:
        rows = json.loads(answer)["dependencies"]
    except (ValueError, KeyError):
        say(f"{name}: no answer. {(errors.strip().splitlines() or ['pip-audit said nothing'])[-1]}")
        return NOT_CHECKED
    known, skipped = list(vulnerabilities(rows)), [row for row in rows if "skip_reason" in row]
    for line in known:
        say(f"{name}: {line}")
    if skipped or not rows:
        why = skipped[0]["skip_reason"] if skipped else "The answer is empty"
        say(f"{name}: {len(skipped)} of {len(rows)} not checked. {why}")
        return NOT_CHECKED
    say(f"{name}: {len(rows)} packages, {len(known)} known vulnerabilities")
    return KNOWN if known else CLEAN


def vulnerabilities(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a line for each vulnerability: package, id, and the versions that mend it."""
    for row in rows:
        for found in row.get("vulns", []):
            mended = ", ".join(found["fix_versions"]) or "no version"
            yield f"{row['name']} {row['version']}: {found['id']}, mended in {mended}"


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
