"""What the paper broker's market does by the clock, by feeds and by its accounts' limits."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from broker.paper.engine.book import Book
from broker.paper.engine.exchange import Exchange
from broker.paper.engine.fates import Fate
from broker.paper.engine.requests import Leg, NewOrder, Origin
from broker.paper.journal import Journal
from broker.paper.market.prices import Prices
from broker.paper.market.products import Catalog
from broker.paper.records.rows import Action, Order, OrderType, OrderVersion, OrdStatus, TimeInForce
from broker.paper.records.tables import Tables
from broker.paper.scenarios import price_feed
from broker.paper.scenarios.price_feed import BarsError, read_bars

ACCOUNT = 1_100_001
ORIGIN = Origin(user_id=1, session_id=2)
# Tuesday in Chicago: noon, half past four, five past five.
NOON = datetime(2026, 11, 24, 18, 0, tzinfo=UTC)
BREAK = datetime(2026, 11, 24, 22, 30, tzinfo=UTC)
EVENING = datetime(2026, 11, 24, 23, 5, tzinfo=UTC)
BARS = "time,open,high,low,close\n1,6840,6845,6830,6835\n2,6835,6850,6834,6848\n"


def make_book(*, sessions: bool = False, seed: int = 7) -> Book:
    tables, catalog = Tables(), Catalog(NOON)
    return Book(tables, catalog, Prices(seed, catalog, tables.prices), sessions=sessions)


def order(
    book: Book, action: Action, terms: OrderVersion, *legs: Leg, contract_name: str = "MESZ6"
) -> NewOrder:
    contract = book.catalog.contracts.named(contract_name)
    assert contract
    return NewOrder(ACCOUNT, contract.id, action, terms, brackets=legs)


def limit(price: str, quantity: int = 1, lasting: TimeInForce = TimeInForce.DAY) -> OrderVersion:
    return OrderVersion(0, 0, quantity, OrderType.LIMIT, price=Decimal(price), time_in_force=lasting)


def market(quantity: int = 1) -> OrderVersion:
    return OrderVersion(0, 0, quantity, OrderType.MARKET)


def status(book: Book, placed: Order) -> OrdStatus:
    return book.tables.orders[placed.id].ord_status


def reason(book: Book, placed: Order) -> str | None:
    return book.tables.command_reports.of(placed.id)[-1].reject_reason


def test_day_order_expires_at_the_session_end_and_gtc_comes_back() -> None:
    book = make_book(sessions=True)
    day = book.place(order(book, Action.BUY, limit("6700")), ORIGIN, NOON)
    lasting = book.place(order(book, Action.BUY, limit("6701", 1, TimeInForce.GTC)), ORIGIN, NOON)

    book.pass_time(BREAK)
    in_the_break = status(book, day), status(book, lasting)
    book.pass_time(EVENING)

    assert in_the_break == (OrdStatus.EXPIRED, OrdStatus.SUSPENDED)
    assert (status(book, day), status(book, lasting)) == (OrdStatus.EXPIRED, OrdStatus.WORKING)


@pytest.mark.parametrize(("sessions", "outcome"), [(True, OrdStatus.REJECTED), (False, OrdStatus.FILLED)])
def test_order_in_the_break_is_rejected_late_only_where_hours_are_kept(
    sessions: bool, outcome: OrdStatus
) -> None:
    book = make_book(sessions=sessions)
    book.pass_time(BREAK)

    placed = book.place(order(book, Action.BUY, market()), ORIGIN, BREAK)

    assert status(book, placed) is outcome
    assert reason(book, placed) == ("SessionClosed" if sessions else None)


def test_order_beyond_the_margin_is_rejected_late_with_a_text() -> None:
    book = make_book()

    held, placed = (
        book.place(order(book, Action.BUY, market(60), contract_name="ESZ6"), ORIGIN, NOON) for _ in range(2)
    )

    assert status(book, held) is OrdStatus.FILLED
    assert status(book, placed) is OrdStatus.REJECTED
    assert book.tables.command_reports.of(placed.id)[-1].text == "Insufficient margin"
    assert book.positions.net(ACCOUNT, placed.contract_id) == 60


def test_legs_grow_with_what_the_entry_has_filled() -> None:
    book = make_book()
    stop = OrderVersion(0, 0, 3, OrderType.STOP, stop_price=Decimal(6700))
    entry = book.place(
        order(book, Action.BUY, market(3), Leg(Action.SELL, stop)), ORIGIN, NOON, Fate(parts=(1, 2))
    )
    (leg,) = book.orders.legs(entry.id)
    first = book.orders.version(leg.id).order_qty, status(book, leg)

    book.market.release(entry.id, None, NOON)

    assert first == (1, OrdStatus.WORKING)
    assert (book.orders.version(leg.id).order_qty, status(book, entry)) == (3, OrdStatus.FILLED)


def test_trailing_stop_follows_the_market_and_fills_when_it_turns() -> None:
    book = make_book()
    book.place(order(book, Action.BUY, market()), ORIGIN, NOON)
    product = book.catalog.product_id(order(book, Action.BUY, market()).contract_id)
    book.move_price(product, Decimal(6840), NOON)
    terms = OrderVersion(
        0, 0, 1, OrderType.TRAILING_STOP, stop_price=Decimal(6830), peg_difference=Decimal(10)
    )
    trailing = book.place(order(book, Action.SELL, terms), ORIGIN, NOON)

    book.move_price(product, Decimal(6860), NOON)
    book.move_price(product, Decimal("6850.25"), NOON)
    still = status(book, trailing)
    book.move_price(product, Decimal(6850), NOON)

    assert still is OrdStatus.WORKING
    assert status(book, trailing) is OrdStatus.FILLED


def open_exchange(path: Path, seed: int = 7) -> Exchange:
    book = make_book(seed=seed)
    exchange = Exchange(book, Journal(path, sync=False), lambda: NOON)
    exchange.start()
    return exchange


async def at_once(seconds: float) -> None:
    assert seconds > 0


def bars_in(tmp_path: Path, text: str = BARS) -> Path:
    path = tmp_path / "bars.csv"
    path.write_text(text)
    return path


def test_bars_trade_through_their_extremes_and_fill_what_rests(tmp_path: Path) -> None:
    async def scenario() -> None:
        exchange = open_exchange(tmp_path / "journal")
        order_id = await exchange.place(order(exchange.book, Action.BUY, limit("6831")), ORIGIN)

        await price_feed.play(exchange, "MES", read_bars(bars_in(tmp_path)), 1.0, at_once)

        fill = exchange.book.tables.fills.of(order_id)[0]
        assert (fill.price, exchange.book.prices.last(fill.contract_id)) == (Decimal(6831), Decimal(6848))
        await exchange.stop()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "text", ["", "open,high,low,close\n", "open,high\n1,2\n", "open,high,low,close\n1,2,x,3\n"]
)
def test_file_without_readable_bars_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BarsError):
        read_bars(bars_in(tmp_path, text))


def test_walk_moves_only_what_somebody_holds_and_the_same_seed_moves_it_the_same(tmp_path: Path) -> None:
    async def walked(name: str, seed: int) -> list[Decimal]:
        exchange = open_exchange(tmp_path / name, seed)
        exchange.walk()
        assert list(exchange.book.tables.prices) == []
        new = order(exchange.book, Action.BUY, market())
        await exchange.place(new, ORIGIN)
        prices = []
        for _ in range(20):
            exchange.walk()
            prices.append(exchange.book.prices.last(new.contract_id))
        await exchange.stop()
        return prices

    first, again, other = (asyncio.run(walked(*case)) for case in (("a", 7), ("b", 7), ("c", 8)))

    assert first == again != other
    assert len(set(first)) > 1
