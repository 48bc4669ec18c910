"""The sockets under the client: pooled, kept alive, and bounded by the moment at which a call must end.

httpx's time-outs apply to each wait, so a peer that sends one byte at a time can hold a caller for ever.
Here the time-out that travels with a request remembers the moment itself, and each wait gets what is left.
"""

import socket
import ssl
from collections.abc import Callable, Iterable
from typing import Any

import httpcore
import httpx

CONNECT_S = 1.0
# Shorter than the 60 s after which common load balancers close an idle connection: an order sent into
# a connection that the other end just closed has an unknown outcome.
KEEP_ALIVE_S = 45.0
CONNECTIONS = 32


class TimeLeft(float):
    """Seconds left at the start of a call, as httpx wants them, with the `moment` at which they are over."""

    __slots__ = ("moment",)
    moment: float

    def __new__(cls, moment: float, now: float) -> "TimeLeft":
        left = super().__new__(cls, max(moment - now, 0.0))
        left.moment = moment
        return left


class BoundedTransport(httpx.HTTPTransport):
    """httpx's transport without retries, proxies or environment, whose waits add up to at most `TimeLeft`.

    Only the look-up of a host name is not bounded: the operating system offers no time-out for it.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        tls = httpx.create_ssl_context(trust_env=False)
        super().__init__(verify=tls, trust_env=False)
        # httpx passes no network backend on, hence the pool of our own.
        self._pool = httpcore.ConnectionPool(
            ssl_context=tls,
            max_connections=CONNECTIONS,
            max_keepalive_connections=CONNECTIONS,
            keepalive_expiry=KEEP_ALIVE_S,
            retries=0,
            network_backend=_BoundedBackend(monotonic),
        )


class _BoundedBackend(httpcore.SyncBackend):
    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        # One address at a time: the standard library would give each of them the whole time-out.
        refusal: httpcore.ConnectError | None = None
        for address in _addresses(host, port):
            left = _left(timeout, self._monotonic, httpcore.ConnectTimeout)
            try:
                stream = super().connect_tcp(address, port, left, local_address, socket_options)
            except httpcore.ConnectError as error:
                refusal = error
            else:
                return _BoundedStream(stream, self._monotonic)
        raise refusal or httpcore.ConnectError(f"{host} has no address")


class _BoundedStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, monotonic: Callable[[], float]) -> None:
        self._stream = stream
        self._monotonic = monotonic

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(timeout, self._monotonic, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(timeout, self._monotonic, httpcore.WriteTimeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _left(timeout, self._monotonic, httpcore.ConnectTimeout)
        return _BoundedStream(self._stream.start_tls(ssl_context, server_hostname, left), self._monotonic)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def close(self) -> None:
        self._stream.close()


def _addresses(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise httpcore.ConnectError(str(error)) from error
    return [str(address[0]) for *_, address in found]


def _left(
    timeout: float | None, monotonic: Callable[[], float], expired: type[httpcore.TimeoutException]
) -> float | None:
    if not isinstance(timeout, TimeLeft):
        return timeout
    left = timeout.moment - monotonic()
    if left <= 0:
        raise expired("no time left")
    return left
