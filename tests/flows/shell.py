"""Runs commands of manage.py one after another, without starting Django for each: a worker's part in tests.

Each line on standard input is a JSON list of words; each line of the answer has the output as JSON text.
"""

import contextlib
import io
import json
import os
import sys


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tradedesk.settings"
    import django

    django.setup()
    from django.core.management import call_command

    for line in sys.stdin:
        said = io.StringIO()
        # A command that finds something open ends with an exit code.
        with contextlib.suppress(SystemExit):
            call_command(*json.loads(line), stdout=said)
        sys.stdout.write(json.dumps(said.getvalue()) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
