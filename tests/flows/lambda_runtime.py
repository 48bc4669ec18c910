"""What Lambda does with the package: run as a program of its own, with nothing of this checkout in sight.

Arguments: the unpacked package and the runtime's own packages. Each line of the input is an event as JSON,
each line of the output the answer, or errorType as Lambda tells it. What the function prints goes to its log.
"""

import json
import os
import sys
from importlib import import_module
from typing import Any


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.path[:0] = sys.argv[1:]
    handler = import_module("handler")

    for line in sys.stdin:
        answers.write(json.dumps(answer_of(handler, json.loads(line))) + "\n")
        answers.flush()


def answer_of(handler: Any, event: Any) -> Any:
    try:
        return handler.lambda_handler(event, None)
    except Exception as error:  # noqa: BLE001 - as Lambda does
        return {"errorType": type(error).__name__}


if __name__ == "__main__":
    main()
