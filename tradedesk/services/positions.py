from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import structlog

from broker.base import BrokerContract, BrokerError, BrokerPosition
from strategy.rolls import Cutoffs, cutoffs, trade_date
from tradedesk.models import Instrument
from tradedesk.services.desk import READ_TIMEOUT_S, Deadline, Link

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Holding:
    """Contracts of one instrument that the broker holds in one month, signed."""

    contract: BrokerContract
    quantity: int
    average_price: Decimal | None


@dataclass(frozen=True)
class BrokerView:
    """What the broker holds of one instrument, and the contract that an opening would trade.

    `to_trade` is None where it could not be resolved; closings do without it. `others` is signed contracts
    by other root. `asked_at` is the monotonic time before the broker was asked, `clock_offset_s` how far its
    clock is ahead of ours.
    """

    holdings: tuple[Holding, ...]
    to_trade: BrokerContract | None
    others: Mapping[str, int]
    asked_at: float
    clock_offset_s: float | None

    @property
    def quantity(self) -> int:
        """Signed contracts over all months."""
        return sum(holding.quantity for holding in self.holdings)

    def quantity_in(self, contract: str) -> int:
        """Return the signed contracts held in one month."""
        return sum(holding.quantity for holding in self.holdings if holding.contract.name == contract)

    def largest(self) -> Holding | None:
        """Return the holding with the most contracts, None when flat."""
        return max(self.holdings, key=lambda holding: abs(holding.quantity), default=None)


def view_of(link: Link, instrument: Instrument, deadline: Deadline) -> BrokerView:
    """Return what the account holds of an instrument, read now, and what an opening would trade.

    Raises BrokerError when the positions cannot be read.
    """
    asked_at, to_trade = deadline.monotonic(), None
    held, others = [], Counter[str]()
    for contract, row in open_positions(link, deadline):
        if contract.product == instrument.root:
            held.append(Holding(contract, row.quantity, row.average_price))
        else:
            others[contract.product] += row.quantity
    try:
        to_trade = contract_to_trade(link, instrument, deadline)
    except BrokerError as error:
        log.warning("contract.unread", instrument=instrument.root, error=str(error))
    return BrokerView(tuple(held), to_trade, others, asked_at, link.broker.clock_offset_s)


def open_positions(link: Link, deadline: Deadline) -> list[tuple[BrokerContract, BrokerPosition]]:
    """Return the account's positions that are not flat, each with its contract. Raises BrokerError."""
    rows = link.broker.positions(link.account.id, timeout_s=deadline.left_s(READ_TIMEOUT_S))
    return [
        (link.broker.contract_by_id(row.contract_id, timeout_s=deadline.left_s(READ_TIMEOUT_S)), row)
        for row in rows
        if row.quantity
    ]


def held_in(link: Link, contract: str, deadline: Deadline) -> int:
    """Return the signed contracts that the account holds in one contract month. Raises BrokerError."""
    return sum(row.quantity for month, row in open_positions(link, deadline) if month.name == contract)


def contract_to_trade(link: Link, instrument: Instrument, deadline: Deadline) -> BrokerContract:
    """Return the contract that an opening trades: the pinned one, else the broker's front month."""
    timeout_s = deadline.left_s(READ_TIMEOUT_S)
    if instrument.pinned_contract:
        return link.broker.contract_by_name(instrument.pinned_contract, timeout_s=timeout_s)
    return link.broker.front_contract(instrument.root, timeout_s=timeout_s)


def terms_agree(instrument: Instrument, contract: BrokerContract) -> bool:
    """Tell whether the broker's tick and point value are those that the desk reckons with."""
    return (
        contract.product == instrument.root
        and contract.tick_size == instrument.tick_size
        and contract.point_value == instrument.point_value
    )


def cutoffs_of(instrument: Instrument, contract: BrokerContract) -> Cutoffs | None:
    """Return when a contract opens nothing any more and is to be flat, None where its dates are not told."""
    return cutoffs(
        contract.expires_on,
        contract.first_notice_on,
        is_delivered=instrument.settlement == "delivery",
        opening_days=instrument.opening_days,
        flat_days=instrument.flat_days,
    )


def before_cutoff(instrument: Instrument, contract: BrokerContract, now: datetime) -> bool | None:
    """Tell whether a contract may still be opened as far as its dates go, None where they are not told."""
    found = cutoffs_of(instrument, contract)
    return None if found is None else trade_date(now) < found.no_openings_from
