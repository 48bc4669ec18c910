"""What the processes of one desk share for a broker login."""

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class AccessToken:
    """A bearer token and the moment it stops working."""

    value: str = field(repr=False)
    expires_at: datetime


class TokenStore(Protocol):
    """Where the processes of one desk share one access token per login."""

    def load(self, login: str) -> AccessToken | None: ...

    def save(self, login: str, token: AccessToken) -> None: ...

    def forget(self, login: str) -> None: ...

    def lock(self, login: str) -> AbstractContextManager[None]:
        """Hold off every other process of the desk that wants to log in or renew with this login."""
        ...
