#!/usr/bin/env python
import os
import sys
from pathlib import Path

ENVIRONMENT = Path(__file__).resolve().parent / ".venv"

try:
    from django.core.management import execute_from_command_line
except ModuleNotFoundError:
    # Called with the machine's Python: the packages are in the checkout's own environment.
    python = ENVIRONMENT / "bin" / "python"
    if Path(sys.prefix) == ENVIRONMENT or not python.exists():
        sys.exit("Django is not installed here: run make packages.")
    os.execv(python, [str(python), *sys.argv])  # noqa: S606 - our own interpreter

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradedesk.settings")
    execute_from_command_line(sys.argv)
