"""AWS on this machine: moto, with what it lacks of Lambda, and a gateway that runs the stored package.

`python -m tests.flows.release.aws FOLDER` prints its address and serves until its standard input ends.
"""

import base64
import json
import os
import re
import sys
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from moto.awslambda.models import LambdaFunction, lambda_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from tests.flows.functions import body_of, request
from tests.flows.release.containers import Containers

ACCOUNT, REGION = "123456789012", "us-east-1"
FUNCTION = r"/2015-03-31/functions/(?P<name>[^/:]+)(?::(?P<version>\d+))?"
DUMMY = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_DEFAULT_REGION": REGION}


class Aws:
    """A WSGI application: moto's own, but for the requests that it answers wrongly or not at all."""

    def __init__(self, folder: Path) -> None:
        self.url = ""
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._containers = Containers(folder)
        self._downloads_left: dict[str, int] = {}

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        # Zappa names versions "function:NAME:VERSION", which Lambda takes and moto does not.
        for key in ("PATH_INFO", "RAW_URI", "REQUEST_URI"):
            environ[key] = re.sub(r"/functions/function(:|%3A)", "/functions/", environ[key])
        sent = Request(environ)
        return (self._own_answer(sent) or self._motos_answer(sent))(environ, start)

    def stop(self) -> None:
        self._containers.stop()

    def _own_answer(self, sent: Request) -> Response | None:
        if asked := re.fullmatch(r"/gateway/(?P<name>[^/]+)(?P<path>/.*)", sent.path):
            return self._through_gateway(asked["name"], asked["path"], sent)
        if asked := re.fullmatch(r"/code/(?P<name>[^/]+)/(?P<version>\d+)", sent.path):
            return self._download(asked["name"], asked["version"])
        if asked := re.fullmatch(r"/links/(?P<name>[^/]+)/(?P<left>\d+)", sent.path):
            self._downloads_left[asked["name"]] = int(asked["left"])
            return Response(status=204)
        if re.fullmatch(r"/2021-10-31/functions/[^/]+/urls", sent.path):
            return told({"FunctionUrlConfigs": []})
        if asked := re.fullmatch(f"{FUNCTION}/invocations", sent.path):
            return self._invoke(asked["name"], sent)
        return None

    def _motos_answer(self, sent: Request) -> Response:
        answer = Response.from_app(self._moto, sent.environ)
        asked = re.fullmatch(FUNCTION, sent.path)
        version = (asked and asked["version"]) or sent.args.get("Qualifier")
        if asked and version and sent.method == "GET" and answer.status_code == 200:
            content = json.loads(answer.get_data())
            content["Code"]["Location"] = f"{self.url}/code/{asked['name']}/{version}"
            return told(content)
        if sent.method == "POST" and sent.path.endswith("/policy") and answer.status_code == 200:
            answer.status_code = 201
        return answer

    def _download(self, name: str, version: str) -> Response:
        left = self._downloads_left.get(name, 1)
        if left == 0:
            return Response("Request has expired", 403)
        if name in self._downloads_left:
            self._downloads_left[name] = left - 1
        return Response(function(name, version).code_bytes)

    def _run(self, name: str, event: Mapping[str, Any]) -> Any:
        stored = function(name)
        own = {"AWS_LAMBDA_FUNCTION_NAME": name, "AWS_REGION": REGION, "AWS_ENDPOINT_URL": self.url}
        environ = {**DUMMY, **own, **stored.environment_vars}
        return self._containers.invoke(name, stored.code_bytes, environ, event)

    def _invoke(self, name: str, sent: Request) -> Response:
        answer = self._run(name, json.loads(sent.get_data()))
        reply = told(answer)
        if answer and "errorType" in answer:
            reply.headers["X-Amz-Function-Error"] = "Unhandled"
        return reply

    def _through_gateway(self, name: str, path: str, sent: Request) -> Response:
        if name not in lambda_backends[ACCOUNT][REGION]._lambdas._functions:
            return Response('{"message": "Internal server error"}', 500)
        answer = self._run(name, event(path, sent))
        if "errorType" in answer:
            return Response('{"message": "Internal server error"}', 502)
        headers = {name: values[0] for name, values in answer.get("multiValueHeaders", {}).items()}
        return Response(body_of(answer), answer["statusCode"], headers)


def event(path: str, sent: Request) -> dict[str, Any]:
    """Return a request as API Gateway hands it to the function: from one of TradingView's addresses."""
    body = sent.get_data()
    encoded = {"body": base64.b64encode(body).decode(), "isBase64Encoded": True} if body else {}
    return {**request(sent.method, path), **encoded}


def function(name: str, version: str | None = None) -> LambdaFunction:
    """Return a function as moto has it, `$LATEST` unless a version is named."""
    found: LambdaFunction = lambda_backends[ACCOUNT][REGION].get_function(name, version)
    return found


def told(content: Any) -> Response:
    return Response(json.dumps(content), mimetype="application/json")


def main() -> None:
    os.environ |= DUMMY
    aws = Aws(Path(sys.argv[1]))
    server = make_server("127.0.0.1", 0, aws, threaded=True)
    aws.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"{aws.url}\n")
    sys.stdout.flush()
    sys.stdin.read()
    server.shutdown()
    aws.stop()


if __name__ == "__main__":
    main()
