from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import structlog

from broker.base import BrokerContract, BrokerError, BrokerFill, BrokerPosition
from strategy.holdings import apply_fill
from strategy.rolls import Cutoffs, cutoffs, trade_date
from strategy.types import Direction
from tradedesk.models import Instrument
from tradedesk.services.contracts.calendars import days_without_session
from tradedesk.services.desk import READ_TIMEOUT_S, Deadline, Link

log = structlog.get_logger(__name__)

# Holidays move a cut-off by a few days, never by so much: before that an opening needs no look at them.
FAR_OFF = timedelta(days=14)


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
        """Signed contracts over all months. Zero does not mean flat: see `months`."""
        return sum(holding.quantity for holding in self.holdings)

    @property
    def months(self) -> dict[str, int]:
        """Signed contracts by contract month, for those in which something is held."""
        return {holding.contract.name: holding.quantity for holding in self.holdings}

    def agrees_with(self, quantity: int, contract: str) -> bool:
        """Tell whether just this is held, and nothing in another month."""
        return self.months == ({contract: quantity} if quantity else {})

    def difference(self, quantity: int, contract: str) -> dict[str, Any]:
        """Return broker's and booked contracts of the month in which they are furthest apart."""
        booked = {contract: quantity} if quantity else {}
        figures = [
            {"broker": self.months.get(month, 0), "booked": booked.get(month, 0), "contract": month}
            for month in sorted({*self.months, *booked})
        ]
        return max(figures, key=lambda month: abs(month["broker"] - month["booked"]))

    def is_at(self, target: Direction) -> bool:
        """Tell whether all that is held is on the target's side, nothing for a flat one."""
        return not self.against(target) and bool(self.holdings) == (target is not Direction.NONE)

    def against(self, target: Direction) -> list[Holding]:
        """Return the holdings that are not on the target's side, the one with the most contracts first."""
        left = [holding for holding in self.holdings if Direction.of(holding.quantity) is not target]
        return sorted(left, key=lambda holding: -abs(holding.quantity))

    def quantity_in(self, contract: str) -> int:
        """Return the signed contracts held in one month."""
        return sum(holding.quantity for holding in self.holdings if holding.contract.name == contract)

    def moved(self, contract: str, fills: Iterable[BrokerFill]) -> "BrokerView":
        """Return the view as it is after fills in a month that is held, or in the one to trade."""
        months = {holding.contract.name: holding for holding in self.holdings}
        holding = months.get(contract)
        if holding is None:
            assert self.to_trade is not None
            holding = Holding(self.to_trade, 0, None)
        quantity, price = holding.quantity, holding.average_price
        for fill in fills:
            quantity, price = apply_fill(quantity, price, fill.signed_quantity, fill.price)
        months[contract] = replace(holding, quantity=quantity, average_price=price)
        return replace(self, holdings=tuple(month for month in months.values() if month.quantity))


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
    return _cutoffs(instrument, contract, days_without_session(instrument))


def _cutoffs(
    instrument: Instrument, contract: BrokerContract, holidays: Collection[date] = ()
) -> Cutoffs | None:
    return cutoffs(
        contract.expires_on,
        contract.first_notice_on,
        is_delivered=instrument.settlement == "delivery",
        opening_days=instrument.opening_days,
        flat_days=instrument.flat_days,
        holidays=holidays,
    )


def before_cutoff(instrument: Instrument, contract: BrokerContract, now: datetime) -> bool | None:
    """Tell whether a contract may still be opened as far as its dates go, None where they are not told."""
    today, by_week_days = trade_date(now), _cutoffs(instrument, contract)
    if by_week_days is None or today < by_week_days.no_openings_from - FAR_OFF:
        return None if by_week_days is None else True
    found = cutoffs_of(instrument, contract)
    return None if found is None else today < found.no_openings_from
