"""The packed desk as the function of AWS Lambda, and the events that it gets."""

import base64
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.flows.packages import PYTHON
from tests.flows.processes import stop

RUNTIME = Path(__file__).with_name("lambda_runtime.py")
HOST = "abcdefghij.execute-api.us-east-1.amazonaws.com"


class Function:
    """One environment of the function: a fresh process that knows the package and its variables alone."""

    def __init__(self, task: Path, runtime: Path, environ: Mapping[str, str], said: Path) -> None:
        self.said = said
        with said.open("ab") as log:
            self.process = subprocess.Popen(
                [PYTHON, "-I", "-S", "-B", RUNTIME, task, runtime],
                cwd=task,
                env=environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def invoke(self, event: Mapping[str, Any]) -> Any:
        """Return what the function answers to an event."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(event) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, self.said.read_text()
        return json.loads(line)

    def stop(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        stop(self.process)


def request(
    method: str, path: str, body: object = None, *, source: str = "52.89.214.238", **headers: str
) -> dict[str, Any]:
    """Return the event of a request, as a REST API with a regional endpoint sends it to a function."""
    named = {"Host": HOST, "X-Forwarded-For": source, "X-Forwarded-Proto": "https", **headers}
    text = "" if body is None else json.dumps(body)
    return {
        "httpMethod": method,
        "path": path,
        "headers": named,
        "multiValueHeaders": {name: [value] for name, value in named.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "body": base64.b64encode(text.encode()).decode() if text else None,
        "isBase64Encoded": bool(text),
        "requestContext": {"stage": "demo", "path": f"/demo{path}", "identity": {"sourceIp": source}},
    }


def schedule(name: str) -> dict[str, Any]:
    """Return the event of a schedule that runs a task."""
    rule = f"arn:aws:events:us-east-1:123456789012:rule/tradedesk-demo-tradedesk.tasks.{name}"
    return {"detail-type": "Scheduled Event", "source": "aws.events", "resources": [rule], "detail": {}}


def body_of(answer: Mapping[str, Any]) -> str:
    """Return the text of an answer, however it was sent."""
    text = str(answer.get("body", ""))
    return base64.b64decode(text).decode() if answer.get("isBase64Encoded") else text
