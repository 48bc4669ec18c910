"""The frames of the socket as text: `o`, `h`, `a[…]`, `c[code,"reason"]`, and a client's requests."""

from dataclasses import dataclass

from broker.paper.records.wire import Json, dump

OPEN = "o"
HEARTBEAT = "h"
CLIENT_HEARTBEAT = "[]"
LARGEST_ID = 2**63 - 1


class FrameError(Exception):
    """The text is no request: its second line is no number."""


@dataclass(frozen=True, slots=True)
class SocketRequest:
    """One request of a client. `query` and `body` are empty where it sent none."""

    endpoint: str
    id: int
    query: str
    body: str


def parse_request(text: str) -> SocketRequest:
    """Return the four parts of a request, the last two of which may be missing. Raises FrameError."""
    endpoint, number, query, body = (*text.split("\n", 3), "", "", "")[:4]
    if not (number.isascii() and number.isdecimal() and len(number) < 20 and int(number) <= LARGEST_ID):
        raise FrameError(text)
    return SocketRequest(endpoint.strip("/"), int(number), query, body)


def answer_frame(status: int, request_id: int, data: str | None) -> str:
    """Return the reply to one request. `data` is JSON text; None leaves `d` out."""
    rest = "" if data is None else f',"d":{data}'
    return f'a[{{"s":{status},"i":{request_id}{rest}}}]'


def event_frame(name: str, data: Json) -> str:
    """Return a frame with one event."""
    return f"a[{dump({'e': name, 'd': data})}]"


def close_frame(code: int, reason: str) -> str:
    """Return the last frame of a connection."""
    return f"c{dump([code, reason])}"
