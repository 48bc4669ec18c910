from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from broker.base import Broker, BrokerAccount
from tradedesk.models import Account

ANSWER_WITHIN_S = 2.5
READ_TIMEOUT_S = 2.0
SUBMIT_TIMEOUT_S = 2.0
# Between the claim and the first byte. One that slept longer sends nothing: the switch may be on by now.
CLAIM_VALID_S = 0.25
# So far ahead of ours a moment may be that another machine wrote.
CLOCKS_APART = timedelta(seconds=5)


@dataclass(frozen=True)
class Link:
    """A broker login and the account on it."""

    broker: Broker
    account: BrokerAccount

    def for_orders(self) -> "Link":
        """Return this link for what an order hangs on: it comes first when a login's requests run short."""
        return Link(self.broker.for_orders(), self.account)


class Links(Protocol):
    def __call__(self, account: Account, *, timeout_s: float) -> Link:
        """Return the link of an account. Raises BrokerError when it cannot be made in time."""
        ...


@dataclass(frozen=True)
class Desk:
    """What services need from outside: brokers, clocks, and the settings that rule trading.

    `reconciled_since(now)` is the moment since which an account must have been reconciled for an opening.
    """

    link: Links
    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
    reconciled_since: Callable[[datetime], datetime]
    max_alert_age_s: float
    event_window: timedelta

    def is_reconciled(self, account: Account) -> bool:
        """Tell whether an account was reconciled lately enough for an opening.

        A moment in the future is none: it was written by a clock that was set back since.
        """
        now, at = self.now(), account.reconciled_at
        return at is not None and self.reconciled_since(now) <= at <= now + CLOCKS_APART

    def deadline(self, within_s: float) -> "Deadline":
        return Deadline(self.monotonic, self.monotonic() + within_s)


@dataclass(frozen=True)
class Deadline:
    """A moment on the monotonic clock by which something must be over."""

    monotonic: Callable[[], float]
    at: float

    def left_s(self, at_most: float = float("inf")) -> float:
        """Return the seconds left, never below zero, at most `at_most`."""
        return max(0.0, min(self.at - self.monotonic(), at_most))
