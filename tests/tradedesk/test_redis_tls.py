"""Redis over TLS: the token is told to nobody whose certificate is not vouched for."""

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from tradedesk.stores import redis
from tradedesk.stores.redis import RedisUnavailable

CERTIFICATE = Path(__file__).parents[1] / "data" / "localhost.pem"


class Server:
    """Answers commands with OK as far as the first PING, over TLS, with a certificate of its own making."""

    def __init__(self) -> None:
        self.heard = b""
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(CERTIFICATE)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        guest, _ = self._listener.accept()
        try:
            with self._context.wrap_socket(guest, server_side=True) as stream:
                while b"PING" not in self.heard and (data := stream.recv(4096)):
                    self.heard += data
                    stream.sendall(b"+OK\r\n" * data.count(b"*"))
        except (ssl.SSLError, ConnectionError):
            guest.close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def point_to(server: Server, host: str, settings: Settings) -> None:
    address = f"rediss://:the-token@{host}:{server.port}/0"
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": address}}


def test_server_that_is_vouched_for_is_spoken_to(
    server: Server, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    point_to(server, "localhost", settings)

    redis.ping()

    assert b"the-token" in server.heard


def test_certificate_that_nobody_vouches_for_is_refused(server: Server, settings: Settings) -> None:
    point_to(server, "localhost", settings)

    with pytest.raises(RedisUnavailable):
        redis.ping()

    assert server.heard == b""


def test_certificate_of_another_host_is_refused(
    server: Server, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    point_to(server, "127.0.0.1", settings)

    with pytest.raises(RedisUnavailable):
        redis.ping()

    assert server.heard == b""
