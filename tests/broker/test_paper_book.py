from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.paper.engine.book import Book
from broker.paper.engine.requests import NewOrder, Origin, RefusedError
from broker.paper.market import costs
from broker.paper.market.prices import Prices
from broker.paper.market.products import Catalog
from broker.paper.records.accounts import STARTING_CASH
from broker.paper.records.rows import (
    Action,
    CommandStatus,
    Fill,
    Order,
    OrderType,
    OrderVersion,
    OrdStatus,
    Position,
)
from broker.paper.records.tables import Tables

ACCOUNT = 1_100_001
MES_FEE = Decimal("0.85")
NOON = datetime(2026, 11, 24, 18, 0, tzinfo=UTC)
ORIGIN = Origin(user_id=1, session_id=2, is_automated=True, cl_ord_id="desk-1")


def make_book(seed: int = 7) -> Book:
    tables, catalog = Tables(), Catalog(NOON)
    return Book(tables, catalog, Prices(seed, catalog, tables.prices))


def contract_of(book: Book, name: str = "MESZ6") -> int:
    contract = book.catalog.contracts.named(name)
    assert contract
    return contract.id


def trade(book: Book, quantity: int, price: str = "6840", now: datetime = NOON, name: str = "MESZ6") -> Fill:
    """Fill one market order near a price; a negative quantity sells."""
    return book.tables.fills.of(place(book, quantity, price, now, name).id)[0]


def place(book: Book, quantity: int, price: str, now: datetime = NOON, name: str = "MESZ6") -> Order:
    """Send one market order near a price, which is rejected where the account's margin is too small."""
    contract_id = contract_of(book, name)
    book.move_price(book.catalog.product_id(contract_id), Decimal(price), now)
    action = Action.BUY if quantity > 0 else Action.SELL
    return book.place(NewOrder(ACCOUNT, contract_id, action, at_market(abs(quantity))), ORIGIN, now)


def at_market(quantity: int) -> OrderVersion:
    return OrderVersion(0, 0, quantity, OrderType.MARKET)


def only_position(book: Book) -> Position:
    [position] = book.tables.positions
    return position


def test_market_order_carried_out_is_filled_with_its_rows_joined() -> None:
    book = make_book()

    fill = trade(book, 2)

    order_id = fill.order_id
    assert book.tables.orders[order_id].ord_status is OrdStatus.FILLED
    assert book.tables.order_versions[order_id].order_qty == 2
    command = book.tables.commands[order_id]
    assert (command.cl_ord_id, command.is_automated) == ("desk-1", True)
    assert command.command_status is CommandStatus.AT_EXECUTION
    reports = book.tables.execution_reports.of(order_id)
    assert [report.exec_type for report in reports] == ["New", "Trade"]
    assert (reports[1].last_qty, reports[1].last_px) == (2, fill.price)


def test_market_order_carried_out_passes_through_every_status() -> None:
    book = make_book()

    trade(book, 1)

    changes = book.tables.take_changes()
    statuses = [change.row.ord_status for change in changes if isinstance(change.row, Order)]
    assert statuses == ["PendingNew", "Working", "Filled"]


def test_first_buy_opens_a_long_position() -> None:
    book = make_book()

    fill = trade(book, 3)

    position = only_position(book)
    assert (position.net_pos, position.net_price) == (3, fill.price)
    assert (position.bought, position.bought_value, position.sold) == (3, 3 * fill.price, 0)


def test_smaller_sell_reduces_and_keeps_the_entry_price() -> None:
    book = make_book()
    entry = trade(book, 3)

    trade(book, -1, "6850")

    position = only_position(book)
    assert (position.net_pos, position.net_price) == (2, entry.price)
    assert (position.bought, position.sold) == (3, 1)


def test_larger_sell_flips_to_short_at_its_own_price() -> None:
    book = make_book()
    trade(book, 2)

    exit_fill = trade(book, -5, "6850")

    position = only_position(book)
    assert (position.net_pos, position.net_price) == (-3, exit_fill.price)
    assert book.positions.net(ACCOUNT, position.contract_id) == -3


def test_closed_position_stays_as_a_flat_row_without_price() -> None:
    book = make_book()
    trade(book, 2)

    trade(book, -2)

    position = only_position(book)
    assert (position.net_pos, position.net_price) == (0, None)


def test_position_closed_and_opened_again_keeps_its_row() -> None:
    book = make_book()
    trade(book, 1)
    first = only_position(book).id
    trade(book, -1)

    trade(book, -4)

    assert only_position(book).id == first
    assert only_position(book).net_pos == -4


def test_exit_of_two_entries_pairs_the_oldest_first() -> None:
    book = make_book()
    first, second = trade(book, 2, "6840"), trade(book, 2, "6860")

    exit_fill = trade(book, -3, "6870")

    pairs = [(p.buy_fill_id, p.sell_fill_id, p.qty) for p in book.tables.fill_pairs]
    assert pairs == [(first.id, exit_fill.id, 2), (second.id, exit_fill.id, 1)]
    assert book.tables.fills[second.id].finally_paired == 1
    assert only_position(book).net_price == second.price


def test_cover_of_a_short_pairs_its_sell_with_the_later_buy() -> None:
    book = make_book()
    entry = trade(book, -1, "6850")

    cover = trade(book, 1, "6840")

    [pair] = book.tables.fill_pairs
    assert (pair.buy_fill_id, pair.sell_fill_id) == (cover.id, entry.id)
    assert (pair.buy_price, pair.sell_price) == (cover.price, entry.price)


def test_months_of_one_product_do_not_net() -> None:
    book = make_book()

    trade(book, 1, name="MESZ6")
    trade(book, -1, name="MESH7")

    assert sorted(position.net_pos for position in book.tables.positions) == [-1, 1]


def test_fill_of_the_next_session_carries_the_position_over() -> None:
    book = make_book()
    entry = trade(book, 2)

    trade(book, -1, now=NOON + timedelta(days=1))

    position = only_position(book)
    assert (position.prev_pos, position.prev_price) == (2, entry.price)
    assert (position.bought, position.bought_value, position.sold) == (0, Decimal(0), 1)


def test_realised_profit_counts_in_cash_with_the_point_value() -> None:
    book = make_book()
    entry = trade(book, 2, "6840")

    exit_fill = trade(book, -2, "6850")

    cash = book.money.cash(ACCOUNT, NOON)
    profit = (exit_fill.price - entry.price) * 2 * 5
    fees = 4 * MES_FEE
    assert (cash.amount, cash.realized_pnl, cash.week_realized_pnl) == (
        STARTING_CASH + profit - fees,
        profit,
        profit,
    )


def test_new_trade_date_starts_the_daily_result_at_zero() -> None:
    book = make_book()
    trade(book, 1, "6840")
    trade(book, -1, "6850")
    before = book.money.cash(ACCOUNT, NOON)

    after = book.money.cash(ACCOUNT, NOON + timedelta(days=1))

    assert (after.amount, after.realized_pnl) == (before.amount, Decimal(0))
    assert after.week_realized_pnl == before.week_realized_pnl != 0


def test_cancel_of_a_working_order_ends_it_without_a_fill() -> None:
    book = make_book()
    order = book.accept(NewOrder(ACCOUNT, contract_of(book), Action.BUY, at_market(1)), ORIGIN, NOON)
    book.work(order.id, NOON)

    command_id = book.cancel(order.id, ORIGIN, NOON)
    book.match(order.id, NOON)

    assert book.tables.orders[order.id].ord_status is OrdStatus.CANCELED
    assert book.tables.commands[command_id].command_type == "Cancel"
    assert list(book.tables.fills) == []


def test_cancel_of_a_filled_order_is_refused() -> None:
    book = make_book()
    fill = trade(book, 1)

    with pytest.raises(RefusedError) as refused:
        book.cancel(fill.order_id, ORIGIN, NOON)

    assert refused.value.refusal.reason == "TooLate"
    assert book.tables.orders[fill.order_id].ord_status is OrdStatus.FILLED


type Trades = list[tuple[int, int, str]]
TRADES = st.lists(
    st.tuples(
        st.integers(-5, 5).filter(bool), st.integers(27_000, 27_800), st.sampled_from(["MESZ6", "ESH7"])
    ),
    max_size=25,
)


@given(TRADES)
def test_any_trades_make_positions_that_are_the_sum_of_fills(trades: Trades) -> None:
    book = make_book()

    for quantity, ticks, name in trades:
        place(book, quantity, str(ticks * Decimal("0.25")), name=name)

    for position in book.tables.positions:
        fills = [fill for fill in book.tables.fills if fill.contract_id == position.contract_id]
        assert position.net_pos == sum(fill.action.sign * fill.qty for fill in fills)
        assert position.net_pos == position.bought - position.sold
        assert (position.net_price is None) == (position.net_pos == 0)
        open_quantity = sum(fill.qty - fill.finally_paired for fill in fills)
        assert open_quantity == abs(position.net_pos)


@given(TRADES)
def test_any_trades_make_cash_and_open_profit_add_up(trades: Trades) -> None:
    book = make_book()

    for quantity, ticks, name in trades:
        place(book, quantity, str(ticks * Decimal("0.25")), name=name)

    # What the account is worth is what it paid and received, and what it still holds at the last price.
    worth = STARTING_CASH
    for fill in book.tables.fills:
        gain = book.prices.last(fill.contract_id) - fill.price
        worth += fill.action.sign * fill.qty * gain * book.catalog.terms(fill.contract_id).point_value
        worth -= costs.total(book.tables.fill_fees[fill.id])
    assert book.money.cash(ACCOUNT, NOON).amount + book.money.open_profit(ACCOUNT) == worth


@pytest.mark.parametrize("price", ["6840.00", "6841.75", "6841.80", "0.01"])
def test_order_after_a_given_price_fills_within_two_ticks_on_the_grid(price: str) -> None:
    book = make_book()

    fill = trade(book, 1, price)

    assert abs(fill.price - Decimal(price)) <= Decimal("0.625")
    assert fill.price % Decimal("0.25") == 0
    assert fill.price > 0
