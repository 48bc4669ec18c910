import json
from pathlib import Path
from typing import Any


def read(path: Path) -> dict[str, Any]:
    """Return what `make run` wrote about the desk of this checkout, or nothing when it never ran here."""
    try:
        content = json.loads(path.read_text())
    except (FileNotFoundError, PermissionError, json.JSONDecodeError):
        return {}
    return content if isinstance(content, dict) else {}
