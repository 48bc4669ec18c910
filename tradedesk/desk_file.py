import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def read(path: Path) -> dict[str, Any]:
    """Return what `make run` wrote about the desk of this checkout, or nothing when it never ran here."""
    try:
        content = json.loads(path.read_text())
    except (FileNotFoundError, PermissionError, json.JSONDecodeError):
        return {}
    return content if isinstance(content, dict) else {}


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write the file for this user's eyes only, in one step: a reader finds the old content or the new."""
    write_private(path, json.dumps(content, indent=2) + "\n")


def write_private(path: Path, text: str) -> None:
    """Write a file that only this user can read, in one step."""
    unsaved = path.with_name(f"{path.name}.new")
    unsaved.unlink(missing_ok=True)
    with os.fdopen(os.open(unsaved, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unsaved.replace(path)
