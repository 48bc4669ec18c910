from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import time
from decimal import Decimal
from typing import Any

from tradedesk.models import Account, Bot
from tradedesk.models.limits import ORDER_LIMITS, TRADE_LIMITS

OFF = Decimal("Infinity")
# Which fields limit what may be lost, by what a higher value means.
ALLOWS_MORE = {
    *(*ORDER_LIMITS, *TRADE_LIMITS, "daily_loss", "drawdown", "max_position", "max_group_position"),
    *("max_clock_offset_s", "rejections_in_a_row", "size", "stop_points", "flat_by"),
}
ALLOWS_LESS = {"margin_factor"}
# Without a risk the size rules, which may be more or less.
IS_ONE_OF_TWO_WAYS = {"risk_percent"}


@dataclass(frozen=True)
class Change:
    """One field that a person is about to change. `is_looser`: more can be lost than before."""

    name: str
    before: Any
    after: Any
    is_looser: bool


def changes_of(row: Account | Bot, names: Sequence[str], wanted: Mapping[str, Any]) -> list[Change]:
    """Return what saving would change on an account or a bot, in the order of `names`.

    `row` is as stored; `wanted` has the new value of each name. An empty limit counts as no limit, but the
    largest position of a bot is its size then.
    """
    return [
        Change(name, before, wanted[name], _is_looser(row, name, before, wanted))
        for name in names
        if (before := getattr(row, name, False)) != wanted[name]
    ]


def _is_looser(row: Account | Bot, name: str, before: Any, wanted: Mapping[str, Any]) -> bool:
    after = wanted[name]
    if name in IS_ONE_OF_TWO_WAYS:
        return before is None or after is None or after > before
    if isinstance(row, Bot) and name == "max_position":
        before, after = row.position_limit, wanted.get("size", row.size) if after is None else after
    if name in ALLOWS_MORE:
        return _amount(after) > _amount(before)
    return name in ALLOWS_LESS and (after is None or (before is not None and after < before))


def _amount(value: Decimal | int | time | None) -> Decimal:
    if value is None:
        return OFF
    if isinstance(value, time):
        return Decimal(value.hour * 3600 + value.minute * 60 + value.second)
    return Decimal(value)
