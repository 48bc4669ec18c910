import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

import apprise
from apprise.logger import LogCapture
from django.utils.crypto import salted_hmac

_STATUS = re.compile(r"error=(\d{3})")


class NotDelivered(Exception):
    """The channel did not take the message. The text names the service and no address."""


class UnreadableAddress(Exception):
    """An address that apprise does not understand. The text says which of the list it is, not what it is."""


class Channel(Protocol):
    """Where notices go. `fingerprint` tells channels apart without giving their address away."""

    @property
    def fingerprint(self) -> str: ...

    @property
    def name(self) -> str: ...

    def send(self, subject: str, text: str) -> None:
        """Deliver one message. Raises NotDelivered."""
        ...


@dataclass(frozen=True)
class AppriseChannel:
    """A channel by apprise's address: Telegram, Slack, Discord, e-mail and many more."""

    fingerprint: str
    name: str
    service: apprise.NotifyBase = field(repr=False)

    def send(self, subject: str, text: str) -> None:
        """Deliver one message, in a few seconds at most. Raises NotDelivered."""
        with LogCapture(level=logging.WARNING) as heard:  # type: ignore[no-untyped-call]
            try:
                is_taken = self.service.notify(title=subject, body=text or subject)
            except Exception as error:  # noqa: BLE001 - over a hundred services, each with its own failures
                # Its text may hold the address.
                raise NotDelivered(f"{self.name}: {type(error).__name__}") from None
            status = _STATUS.search(heard.getvalue())
        if not is_taken:
            why = f"HTTP {status[1]}" if status else "no connection, or refused"
            raise NotDelivered(f"{self.name}: {why}")


def channels_of(addresses: Iterable[str]) -> list[Channel]:
    """Return the channels with these apprise addresses. Raises UnreadableAddress."""
    return [_channel(number, address) for number, address in enumerate(addresses, start=1)]


def _channel(number: int, address: str) -> Channel:
    service = apprise.Apprise.instantiate(address, suppress_exceptions=True)
    if service is None:
        raise UnreadableAddress(f"Address {number} of NOTIFY_URLS is none that apprise knows.")
    fingerprint = salted_hmac("tradedesk.notify", address).hexdigest()[:16]
    return AppriseChannel(fingerprint, f"{service.service_name} ({number})", service)
