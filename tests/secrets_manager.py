"""AWS Secrets Manager as a server of this machine."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any


class SecretsManager(HTTPServer):
    """Gives out one secret whatever it is asked for, or an error."""

    def __init__(self, secret: Mapping[str, Any]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[str] = []
        self.answer: tuple[int, dict[str, Any]]
        self.keep(secret)

    def keep(self, secret: Mapping[str, Any]) -> None:
        """Give out this from now on."""
        self.answer = (200, {"SecretString": json.dumps(secret)})

    @property
    def environ(self) -> dict[str, str]:
        """What lets boto3 ask here."""
        return {
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": f"http://127.0.0.1:{self.server_port}",
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_SECRET_ACCESS_KEY": "none",
            "AWS_DEFAULT_REGION": "eu-west-1",
        }


class _Handler(BaseHTTPRequestHandler):
    server: SecretsManager

    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(question["SecretId"])
        status, content = self.server.answer
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def secrets_manager(secret: Mapping[str, Any]) -> Iterator[SecretsManager]:
    """Run the server."""
    with SecretsManager(secret) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
