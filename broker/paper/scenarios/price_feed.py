"""Prices that move by themselves: bars from a file, or a walk in time."""

import csv
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path

from broker.paper.engine.exchange import Exchange

type Sleep = Callable[[float], Awaitable[None]]


class BarsError(Exception):
    """The file holds no bars that can be read."""


def read_bars(path: Path) -> list[tuple[Decimal, ...]]:
    """Return the prices of each bar in the order they are taken to trade: open, the nearer extreme, close.

    The file has a header line with open, high, low and close; other columns are passed over.
    Raises BarsError, OSError.
    """
    with path.open(newline="") as lines:
        try:
            bars = [_prices(row) for row in csv.DictReader(lines)]
        except (KeyError, TypeError, InvalidOperation) as error:
            raise BarsError(f"{path} needs the columns open, high, low and close in every line") from error
    if not bars:
        raise BarsError(f"{path} has no bars")
    return bars


async def play(
    exchange: Exchange, root: str, bars: list[tuple[Decimal, ...]], seconds: float, sleep: Sleep
) -> None:
    """Move a root's market through bars, one every so many seconds, and stop where they end."""
    for price in _steps(bars):
        exchange.move_price(root, price)
        await sleep(seconds / 4)


async def walk(exchange: Exchange, seconds: float, sleep: Sleep) -> None:
    """Move every product in use one step of its walk, again and again."""
    while True:
        await sleep(seconds)
        exchange.walk()


def _steps(bars: list[tuple[Decimal, ...]]) -> Iterator[Decimal]:
    for bar in bars:
        yield from bar


def _prices(row: dict[str, str]) -> tuple[Decimal, ...]:
    first, high, low, last = (Decimal(row[name]) for name in ("open", "high", "low", "close"))
    # A bar that rises is taken to have dipped first.
    return (first, low, high, last) if last >= first else (first, high, low, last)
