"""A local HTTP server that takes what apprise posts to a `json://` address."""

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Receiver:
    """What came in, and with which HTTP status the next posts are answered (200 unless told)."""

    port: int = 0
    messages: list[dict[str, Any]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"json://desk:hidden-password@127.0.0.1:{self.port}/hidden-token"

    @property
    def subjects(self) -> list[str]:
        return [message["title"] for message in self.messages]


class ReceiverServer(ThreadingHTTPServer):
    """Serves one receiver on a free port in a thread of its own, from `with` to its end."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.receiver = Receiver(port=self.server_address[1])
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> "ReceiverServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: ReceiverServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        receiver = self.server.receiver
        status = receiver.statuses.pop(0) if receiver.statuses else 200
        if status == 200:
            receiver.messages.append(json.loads(body))
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""
