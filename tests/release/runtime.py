"""What Lambda does with one copy of a function: loads its handler, then one event after another.

Run with `-I -S -B`, so that nothing of this machine is on the path but the folders named as arguments.
Each line on standard input is an event, each line of the answer a result or the error that escaped.
"""

import json
import os
import sys
import traceback
from types import SimpleNamespace


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.path[:0] = sys.argv[2:]
    os.chdir(sys.argv[2])
    module, _, function = sys.argv[1].rpartition(".")
    try:
        handle = getattr(__import__(module), function)
    except BaseException:  # noqa: BLE001 - whatever it is, the caller is told
        handle, broken = None, traceback.format_exc()
    context = SimpleNamespace(
        function_name=os.environ["AWS_LAMBDA_FUNCTION_NAME"], aws_request_id="1", function_version="$LATEST"
    )
    for line in sys.stdin:
        try:
            answer = {"result": handle(json.loads(line), context)} if handle else {"error": broken}
        except BaseException:  # noqa: BLE001 - as above
            answer = {"error": traceback.format_exc()}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
