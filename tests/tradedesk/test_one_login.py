"""Two processes with ten threads each and a dead token between them log in once, with Redis and without."""

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as project
from pytest_django.fixtures import Settings

from broker.logins import AccessToken
from tests import embedded
from tradedesk.stores.logins import SharedLogins

FAR = "2099-01-01T00:00:00.000Z"
DEAD = AccessToken("dead", datetime(2098, 1, 1, tzinfo=UTC))


class Broker(ThreadingHTTPServer):
    """Answers 401 to every token but the last it gave out, and refuses to renew those."""

    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: Counter[str] = Counter()
        self.lock = threading.Lock()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Broker
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer()

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self) -> None:
        with self.server.lock:
            self.server.asked[self.path] += 1
            logins = self.server.asked["/v1/auth/accesstokenrequest"]
        if self.path == "/v1/auth/accesstokenrequest":
            status, data = 200, {"accessToken": f"token-{logins}", "expirationTime": FAR}
        elif self.headers["Authorization"] == f"Bearer token-{logins}" and "renew" not in self.path:
            status, data = 200, []  # type: ignore[assignment]
        else:
            status, data = 401, {"errorText": "Access is denied"}
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("has_redis", [True, False], ids=["redis", "no redis"])
@pytest.mark.parametrize("has_token", [True, False], ids=["dead token", "no token"])
def test_twenty_threads_of_two_processes_log_in_once(
    broker: Broker, tmp_path: Path, settings: Settings, db: None, has_redis: bool, has_token: bool
) -> None:
    settings.VAR_DIR = tmp_path
    if has_token:
        SharedLogins().save(f"ada@{broker.host}", DEAD)
    redis_url = project.REDIS_URL if has_redis else f"redis://127.0.0.1:{embedded.free_port()}/0"
    environment = {**os.environ, "REDIS_URL": redis_url, "DJANGO_SETTINGS_MODULE": "tradedesk.settings"}
    command = [sys.executable, "-m", "tests.tradedesk.asking_desk", f"http://{broker.host}/v1", str(tmp_path)]
    desks = [
        subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        for _ in range(2)
    ]
    assert [desk.stdout and desk.stdout.readline() for desk in desks] == ["ready\n"] * 2

    for desk in desks:
        assert desk.stdin
        desk.stdin.write("go\n")

    assert [desk.communicate(timeout=60)[0] for desk in desks] == ["10\n"] * 2
    assert broker.asked["/v1/auth/accesstokenrequest"] == 1
    assert broker.asked["/v1/auth/renewaccesstoken"] == has_token
