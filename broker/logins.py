"""What the processes of one desk share for a broker login: its token, its pauses and its hour of requests."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True)
class AccessToken:
    """A bearer token, the moment it stops working, whose it is, and when its session began."""

    value: str = field(repr=False)
    expires_at: datetime
    user_id: int | None = None
    session_since: datetime | None = None


@dataclass(frozen=True)
class Pause:
    """Until when something must not be asked for, and the ticket to show when it is asked for again.

    `refusal` is what a refused login was answered.
    """

    until: datetime
    ticket: str = field(default="", repr=False)
    refusal: str = ""


def later(one: Pause, other: Pause) -> Pause:
    """Return the pause that ends later, the first of two that end together."""
    return one if one.until >= other.until else other


class Share(StrEnum):
    """What a request is for. Each may use up what is left to those after it, never the other way round."""

    ORDER = "order"
    READ = "read"
    REFRESH = "refresh"


class LoginStore(Protocol):
    """Where the processes of one desk share what belongs to a login."""

    def load(self, login: str) -> AccessToken | None: ...

    def save(self, login: str, token: AccessToken) -> None:
        """Keep a token for all. Who outlived the `lock` that it was got under changes nothing."""
        ...

    def forget(self, login: str) -> None: ...

    def lock(self, login: str, *, within_s: float) -> AbstractContextManager[None]:
        """Hold off everyone else who wants to log in or renew with this login.

        Waiting and holding together last `within_s` seconds at most. Raises BrokerNotReached when the turn
        does not come in time.
        """
        ...

    def pauses(self, login: str) -> Mapping[str, Pause]:
        """Return the pauses of a login by name, those that are over included."""
        ...

    def pause(self, login: str, name: str, pause: Pause) -> None:
        """Keep a pause for all, unless one of that name ends later."""
        ...

    def end_pause(self, login: str, name: str) -> bool:
        """Remove a pause; true for the one caller who did."""
        ...

    def take_requests(self, login: str, share: Share, count: int) -> bool:
        """Take so many requests out of the login's hour, or none where its share has fewer left."""
        ...
