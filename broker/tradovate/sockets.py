"""Connections to one host, kept open between calls, whose waits add up to at most what a call may take.

The time-out of a socket applies to each wait, so a peer that sends one byte at a time could hold a caller
for ever: here each wait gets what is left until the call's deadline. Only the look-up of a host name is not
bounded, as the operating system offers no time-out for it.
"""

import select
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from io import BufferedReader, RawIOBase
from typing import Any

import httpx

CONNECT_S = 1.0
# Shorter than the 60 s after which common load balancers close an idle connection: an order sent into
# a connection that the other end just closed has an unknown outcome.
KEEP_ALIVE_S = 45.0


class KeptConnections(httpx.BaseTransport):
    """Sends httpx's requests through the standard library, which takes a third of what httpx's own takes.

    Threads may share it. A request says in its extension `deadline` at which moment of the monotonic clock it
    is over. What fails is raised as httpx would. There are no retries, proxies or redirects.
    """

    def __init__(self, url: httpx.URL, monotonic: Callable[[], float]) -> None:
        self._host = url.host
        self._port = url.port or (443 if url.scheme == "https" else 80)
        self._tls = httpx.create_ssl_context(trust_env=False) if url.scheme == "https" else None
        self._monotonic = monotonic
        self._idle: list[_Connection] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        deadline: float = request.extensions["deadline"]
        connection = self._kept() or self._open(deadline)
        try:
            with _errors(httpx.ReadTimeout, httpx.ReadError):
                response, body = connection.exchange(request, deadline)
        except httpx.HTTPError:
            connection.close()
            raise
        if response.will_close:
            connection.close()
        else:
            self._idle.append(connection)
        # As they came: httpx would take text for ASCII.
        headers = [(name.encode("latin-1"), text.encode("latin-1")) for name, text in response.getheaders()]
        return httpx.Response(response.status, headers=headers, stream=httpx.ByteStream(body))

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _kept(self) -> "_Connection | None":
        """Return the connection used last, None when none is left that may be used again."""
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread was quicker
                break
            if connection.is_usable():
                return connection
            connection.close()
        return None

    def _open(self, deadline: float) -> "_Connection":
        deadline = min(deadline, self._monotonic() + CONNECT_S)
        with _errors(httpx.ConnectTimeout, httpx.ConnectError):
            opened = self._dial(deadline)
            try:
                opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                opened.settimeout(_left_s(deadline, self._monotonic))
                if self._tls:
                    opened = self._tls.wrap_socket(opened, server_hostname=self._host)
            except OSError:
                opened.close()
                raise
        return _Connection(opened, self._monotonic)

    def _dial(self, deadline: float) -> socket.socket:
        """Return a socket connected to the first address of the host that takes it."""
        refusal = OSError("the host has no address")
        # One address at a time: the standard library would give each of them the whole time-out.
        for *_, address in socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM):
            left_s = _left_s(deadline, self._monotonic)
            try:
                return socket.create_connection((str(address[0]), self._port), left_s)
            except OSError as error:
                refusal = error
        raise refusal


class _Connection:
    """An open connection. It carries one exchange at a time, no wait of which outlasts the deadline."""

    def __init__(self, opened: socket.socket, monotonic: Callable[[], float]) -> None:
        self._socket = opened
        self._monotonic = monotonic
        self._deadline = self._idle_since = 0.0

    def exchange(self, request: httpx.Request, deadline: float) -> tuple[HTTPResponse, bytes]:
        self._deadline = deadline
        lines = [request.method.encode() + b" " + request.url.raw_path + b" HTTP/1.1"]
        lines += [name + b": " + value for name, value in request.headers.raw]
        self._bounded().sendall(b"\r\n".join((*lines, b"", request.content)))
        response = HTTPResponse(self, method=request.method)  # type: ignore[arg-type] # it uses `makefile` only
        response.begin()
        body = response.read()
        self._idle_since = self._monotonic()
        return response, body

    def makefile(self, _mode: str) -> BufferedReader:
        return BufferedReader(_Incoming(self))

    def receive_into(self, buffer: Any) -> int:
        return self._bounded().recv_into(buffer)

    def is_usable(self) -> bool:
        """Tell whether it was idle for a short while only, and the other end neither closed it nor spoke."""
        if self._monotonic() - self._idle_since > KEEP_ALIVE_S:
            return False
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        self._socket.close()

    def _bounded(self) -> socket.socket:
        self._socket.settimeout(_left_s(self._deadline, self._monotonic))
        return self._socket


class _Incoming(RawIOBase):
    """What a connection receives, as a file for `HTTPResponse`, which closes it with each response."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._connection.receive_into(buffer)


def _left_s(deadline: float, monotonic: Callable[[], float]) -> float:
    """Return the seconds until the deadline. Raises TimeoutError when it is over."""
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError("no time left")
    return left


@contextmanager
def _errors(late: type[httpx.TimeoutException], failed: type[httpx.NetworkError]) -> Iterator[None]:
    """Raise what goes wrong inside as httpx's own errors."""
    try:
        yield
    except TimeoutError as error:
        raise late(str(error)) from error
    except OSError as error:
        raise failed(str(error)) from error
    except (HTTPException, OverflowError, MemoryError) as error:
        raise httpx.RemoteProtocolError(str(error)) from error
