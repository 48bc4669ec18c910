import asyncio
import json
import shutil
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from broker.paper.engine.book import Book
from broker.paper.engine.exchange import Exchange
from broker.paper.engine.fates import Fate
from broker.paper.engine.requests import NewOrder, Origin
from broker.paper.journal import Journal, JournalDamagedError, JournalInUseError
from broker.paper.market.prices import Prices
from broker.paper.market.products import Catalog
from broker.paper.records import wire
from broker.paper.records.rows import Action, OrderType, OrderVersion, OrdStatus
from broker.paper.records.tables import Tables

DATA = Path(__file__).parents[1] / "data"
ACCOUNT = 1_100_001
NOON = datetime(2026, 11, 24, 18, 0, tzinfo=UTC)
ORIGIN = Origin(user_id=1, session_id=2, is_automated=True, cl_ord_id="desk-1")


class Waits:
    """Stands in for sleeping: every wait lasts until the test lets it end."""

    def __init__(self) -> None:
        self._ends: list[asyncio.Event] = []

    async def __call__(self, seconds: float) -> None:
        assert seconds == 0.5
        end = asyncio.Event()
        self._ends.append(end)
        await end.wait()

    async def end(self) -> None:
        """End all present waits and let what they held up run."""
        ends, self._ends = self._ends, []
        for event in ends:
            event.set()
        await turn()


async def turn() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def open_exchange(path: Path, waits: Waits | None = None) -> Exchange:
    tables, catalog = Tables(), Catalog(NOON)
    book = Book(tables, catalog, Prices(7, catalog, tables.prices))
    journal = Journal(path)
    if waits is None:
        exchange = Exchange(book, journal, lambda: NOON)
    else:
        exchange = Exchange(book, journal, lambda: NOON, latency_s=0.5, sleep=waits)
    exchange.start()
    return exchange


def make_order(exchange: Exchange, quantity: int = 1, action: Action = Action.BUY) -> NewOrder:
    contract = exchange.book.catalog.contracts.named("MESZ6")
    assert contract
    return NewOrder(
        ACCOUNT, contract.id, action, OrderVersion(0, 0, quantity, OrderType.MARKET, text="desk-1")
    )


def snapshot(exchange: Exchange) -> dict[str, str]:
    return {kind: table.texts(table) for kind, table in exchange.book.tables.kinds.items()}


def run(scenario: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(scenario())


def test_reopened_journal_gives_back_every_row(tmp_path: Path) -> None:
    async def scenario() -> None:
        first = open_exchange(tmp_path / "j")
        await first.place(make_order(first, 2), ORIGIN, Decimal("6842.25"))
        await first.place(make_order(first, 3, Action.SELL), ORIGIN)
        before = snapshot(first)
        await first.stop()

        second = open_exchange(tmp_path / "j")

        assert snapshot(second) == before
        await second.stop()

    run(scenario)


def test_reopened_journal_goes_on_as_if_never_closed(tmp_path: Path) -> None:
    async def scenario() -> None:
        whole, halves = open_exchange(tmp_path / "whole"), open_exchange(tmp_path / "halves")
        for exchange in (whole, halves):
            await exchange.place(make_order(exchange, 2), ORIGIN)
        await halves.stop()
        halves = open_exchange(tmp_path / "halves")

        for exchange in (whole, halves):
            await exchange.place(make_order(exchange, 3, Action.SELL), ORIGIN)

        assert snapshot(halves) == snapshot(whole)
        await whole.stop()
        await halves.stop()

    run(scenario)


@pytest.mark.parametrize("cut", [1, 40, 900])
def test_journal_torn_in_its_last_line_forgets_only_that_step(tmp_path: Path, cut: int) -> None:
    async def scenario() -> None:
        path = tmp_path / "j"
        first = open_exchange(path)
        await first.place(make_order(first), ORIGIN)
        before = snapshot(first)
        await first.place(make_order(first), ORIGIN)
        await first.stop()
        path.write_bytes(path.read_bytes()[:-cut])

        second = open_exchange(path)

        assert snapshot(second) == before
        await second.place(make_order(second), ORIGIN)
        after = snapshot(second)
        await second.stop()
        third = open_exchange(path)
        assert snapshot(third) == after
        await third.stop()

    run(scenario)


@pytest.mark.parametrize(
    "line", [b"nonsense\n", b'[["comet",{"id":1}]]\n', b'[["order",{"id":1}]]\n', b"7\n"]
)
def test_journal_with_a_foreign_line_is_refused(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "j"
    path.write_bytes(line)
    journal = Journal(path)

    with pytest.raises(JournalDamagedError, match="line 1"):
        journal.replay(Tables())

    assert path.read_bytes() == line
    journal.close()


def test_journal_opened_twice_is_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")

    with pytest.raises(JournalInUseError):
        Journal(tmp_path / "j")

    journal.close()


def test_order_with_latency_is_answered_after_one_wait_and_filled_after_two(tmp_path: Path) -> None:
    async def scenario() -> None:
        waits = Waits()
        exchange = open_exchange(tmp_path / "j", waits)
        placing = asyncio.create_task(exchange.place(make_order(exchange), ORIGIN))
        await turn()
        [order] = exchange.book.tables.orders
        assert (order.ord_status, placing.done()) == (OrdStatus.PENDING_NEW, False)

        await waits.end()

        assert await placing == order.id
        assert exchange.book.tables.orders[order.id].ord_status is OrdStatus.WORKING
        assert list(exchange.book.tables.fills) == []

        await waits.end()

        assert exchange.book.tables.orders[order.id].ord_status is OrdStatus.FILLED
        assert len(list(exchange.book.tables.fills)) == 1
        await exchange.stop()

    run(scenario)


def test_order_underway_at_the_end_is_filled_by_the_next_start(tmp_path: Path) -> None:
    async def scenario() -> None:
        waits = Waits()
        exchange = open_exchange(tmp_path / "j", waits)
        placing = asyncio.create_task(exchange.place(make_order(exchange), ORIGIN))
        await turn()
        placing.cancel()
        await exchange.stop()

        again = open_exchange(tmp_path / "j")

        [order] = again.book.tables.orders
        assert order.ord_status is OrdStatus.FILLED
        assert again.book.positions.net(ACCOUNT, order.contract_id) == 1
        await again.stop()

    run(scenario)


def test_order_cancelled_while_it_works_is_never_filled(tmp_path: Path) -> None:
    async def scenario() -> None:
        waits = Waits()
        exchange = open_exchange(tmp_path / "j", waits)
        exchange.fates.append(Fate(hold=True))
        placing = asyncio.create_task(exchange.place(make_order(exchange), ORIGIN))
        await turn()
        await waits.end()
        order_id = await placing
        cancelling = asyncio.create_task(exchange.cancel(order_id, ORIGIN))
        await turn()

        await waits.end()

        assert await cancelling
        assert exchange.book.tables.orders[order_id].ord_status is OrdStatus.CANCELED
        assert list(exchange.book.tables.fills) == []
        await exchange.stop()

    run(scenario)


def test_liquidation_while_an_order_works_cancels_it_and_closes_what_is_held(tmp_path: Path) -> None:
    async def scenario() -> None:
        first = open_exchange(tmp_path / "j")
        await first.place(make_order(first, 2), ORIGIN)
        await first.stop()
        waits = Waits()
        exchange = open_exchange(tmp_path / "j", waits)
        order = make_order(exchange)
        placing = asyncio.create_task(exchange.place(order, ORIGIN))
        await turn()
        closing = asyncio.create_task(exchange.liquidate(ACCOUNT, order.contract_id, ORIGIN, admin=True))
        await turn()

        await waits.end()
        await waits.end()

        order_id, closing_id = await placing, await closing
        assert closing_id
        assert exchange.book.tables.orders[order_id].ord_status is OrdStatus.CANCELED
        assert exchange.book.tables.orders[closing_id].admin is True
        assert exchange.book.positions.net(ACCOUNT, order.contract_id) == 0
        await exchange.stop()

    run(scenario)


def test_row_written_and_read_is_the_same_row(tmp_path: Path) -> None:
    async def scenario() -> None:
        exchange = open_exchange(tmp_path / "j")
        await exchange.place(make_order(exchange, 2), ORIGIN, Decimal("6842.25"))
        for table in exchange.book.tables.kinds.values():
            for row in table:
                text = wire.dump(wire.encode(row))
                assert wire.decode(table.row_type, json.loads(text, parse_float=Decimal)) == row
        await exchange.stop()

    run(scenario)


def test_journal_of_the_first_version_is_read_and_gone_on_with(tmp_path: Path) -> None:
    shutil.copy(DATA / "paper-journal-of-the-first-version.jsonl", tmp_path / "j")

    async def scenario() -> None:
        exchange = open_exchange(tmp_path / "j")
        book = exchange.book
        (position,) = book.tables.positions
        before = position.net_pos, book.tables.cash_balances.of(ACCOUNT)[0].amount

        await exchange.place(make_order(exchange, 2), ORIGIN, Decimal("6842.25"))

        assert before == (0, Decimal("50065.0"))
        assert book.positions.net(ACCOUNT, position.contract_id) == 2
        await exchange.stop()
        again = open_exchange(tmp_path / "j")
        assert snapshot(again) == snapshot(exchange)
        await again.stop()

    run(scenario)
