"""The vendor's operations, sent with a valid token and answered with rows."""

from collections.abc import Callable, Mapping, Sequence
from itertools import batched

from broker.tradovate import parse
from broker.tradovate.auth import Session
from broker.tradovate.reads import IDS_PER_READ, Argument, Many, One
from broker.tradovate.requests import Request


class Calls:
    """What each method of the client is made of. `deadline` is a moment of the monotonic clock."""

    def __init__(self, session: Session, monotonic: Callable[[], float]) -> None:
        self._session = session
        self._monotonic = monotonic

    def deadline(self, timeout_s: float) -> float:
        return self._monotonic() + timeout_s

    def one[R](self, read: One[R], *arguments: Argument, deadline: float) -> R:
        """Return the row that is asked for. Raises BrokerError."""
        return parse.row(read.row, self._session.read(read.address(*arguments), deadline=deadline))

    def many[R](self, read: Many[R], *arguments: Argument, deadline: float) -> list[R]:
        """Return all rows of the reply. Raises BrokerError."""
        return parse.rows(read.row, self._session.read(read.address(*arguments), deadline=deadline))

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
        ticket: str = "",
    ) -> R:
        """Send a command once and return its reply. Raises BrokerError."""
        body = request.body()
        if ticket:
            body["p-ticket"] = ticket
        reply: type[R] = request.reply
        return parse.row(reply, self._session.command(request.path, body, deadline=deadline, headers=headers))
