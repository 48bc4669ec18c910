"""The vendor's operations, sent with a valid token and answered with rows."""

from collections.abc import Callable, Mapping, Sequence
from itertools import batched
from typing import Any

from broker.logins import Share
from broker.tradovate import parse
from broker.tradovate.auth import Session
from broker.tradovate.reads import IDS_PER_READ, Argument, Many, One
from broker.tradovate.requests import Request


class Calls:
    """What each method of the client is made of. `deadline` is a moment of the monotonic clock."""

    def __init__(self, session: Session, monotonic: Callable[[], float]) -> None:
        self._session = session
        self._monotonic = monotonic
        self.share = Share.READ

    def deadline(self, timeout_s: float) -> float:
        return self._monotonic() + timeout_s

    def one[R](self, read: One[R], *arguments: Argument, deadline: float) -> R:
        """Return the row that is asked for. Raises BrokerError."""
        return parse.row(read.row, self._read(read.address(*arguments), deadline))

    def many[R](self, read: Many[R], *arguments: Argument, deadline: float) -> list[R]:
        """Return all rows of the reply. Raises BrokerError."""
        return parse.rows(read.row, self._read(read.address(*arguments), deadline))

    def dependants[R](self, read: Many[R], masters: Sequence[int], *, deadline: float) -> list[R]:
        """Return the dependants of several masters, with one request for each 400 of them."""
        parts = batched(masters, IDS_PER_READ)
        return [row for part in parts for row in self.many(read, part, deadline=deadline)]

    def send[R](
        self,
        request: Request[R],
        *,
        deadline: float,
        headers: Mapping[str, str] | None = None,
        key: str = "",
        idempotent: bool = False,
    ) -> R:
        """Send a command and return its reply: once, unless it is idempotent. Raises BrokerError.

        `key` tells apart the requests of one path, for the ticket of a penalty belongs to one of them.
        """
        reply: type[R] = request.reply
        data = self._session.command(
            request.path, request.body(), deadline=deadline, headers=headers, key=key, idempotent=idempotent
        )
        return parse.row(reply, data)

    def _read(self, address: str, deadline: float) -> Any:
        return self._session.read(address, deadline=deadline, share=self.share)
