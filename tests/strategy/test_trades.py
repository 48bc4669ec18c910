from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy.trades import Execution, RoundTrip, losers_in_a_row, round_trips

START = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)


def fills(*traded: tuple[int, str], held_before: dict[int, int] | None = None) -> list[Execution]:
    """Return executions in MESZ6, a minute apart; `held_before` by their place in the list."""
    known = held_before or {}
    return [
        Execution("MESZ6", quantity, Decimal(price), START + timedelta(minutes=number), known.get(number))
        for number, (quantity, price) in enumerate(traded)
    ]


@pytest.mark.parametrize(
    ("traded", "points"),
    [
        ([], []),
        ([(1, "100")], []),
        ([(1, "100"), (-1, "102.25")], ["2.25"]),
        ([(-1, "100"), (1, "102.25")], ["-2.25"]),
        ([(1, "100"), (-2, "99"), (1, "98")], ["-1", "1"]),
        ([(1, "100"), (1, "102"), (-2, "103")], ["4"]),
        ([(2, "100"), (-1, "101"), (-1, "98")], ["-1"]),
        ([(2, "100"), (-1, "101"), (-2, "98"), (1, "97")], ["-1", "1"]),
        ([(1, "100"), (-1, "100")], ["0"]),
        ([(1, "100"), (-1, "101"), (-1, "101"), (1, "99")], ["1", "2"]),
    ],
)
def test_round_trip_is_counted_when_it_is_flat_or_turns(
    traded: list[tuple[int, str]], points: list[str]
) -> None:
    assert [trip.points for trip in round_trips(fills(*traded))] == [Decimal(value) for value in points]


def test_contracts_are_counted_apart() -> None:
    bought = fills((1, "100"), (-1, "90"))
    other = Execution("MNQZ6", -1, Decimal("500"), START + timedelta(seconds=30))
    covered = Execution("MNQZ6", 1, Decimal("490"), START + timedelta(hours=1))

    assert round_trips([bought[0], other, bought[1], covered]) == [
        RoundTrip("MESZ6", Decimal(-10), START + timedelta(minutes=1)),
        RoundTrip("MNQZ6", Decimal(10), START + timedelta(hours=1)),
    ]


@pytest.mark.parametrize(
    ("traded", "held_before", "points"),
    [
        # The list begins in the middle of a position.
        ([(-1, "100"), (1, "98"), (-1, "99")], {0: 1, 1: 0, 2: 1}, ["1"]),
        # A reversal out of a position that somebody else opened: what follows is known again.
        ([(-2, "100"), (1, "99")], {0: 1, 1: -1}, ["1"]),
        # A person closed the position at the broker.
        ([(1, "100"), (1, "102"), (-1, "103")], {0: 0, 1: 0, 2: 1}, ["1"]),
        # A person added to it.
        ([(1, "100"), (-2, "102")], {0: 0, 1: 2}, []),
        ([(1, "100"), (-1, "102"), (-1, "103")], {0: 0, 1: 2}, []),
        ([(1, "100"), (-1, "102")], {0: 0, 1: 1}, ["2"]),
    ],
)
def test_position_that_the_fills_do_not_explain_makes_no_round_trip(
    traded: list[tuple[int, str]], held_before: dict[int, int], points: list[str]
) -> None:
    trips = round_trips(fills(*traded, held_before=held_before))

    assert [trip.points for trip in trips] == [Decimal(value) for value in points]


@pytest.mark.parametrize(
    ("points", "count"),
    [([], 0), ([1], 0), ([-1], 1), ([-1, -1], 2), ([-1, 1, -1], 1), ([-1, 0], 0), ([0, -1, -2, -3], 3)],
)
def test_losers_are_counted_back_to_the_last_that_did_not_lose(points: list[int], count: int) -> None:
    trips = [RoundTrip("MESZ6", Decimal(value), START) for value in points]

    assert losers_in_a_row(trips) == count


@given(
    st.lists(
        st.tuples(st.integers(-4, 4).filter(bool), st.integers(90, 110).map(str)), min_size=1, max_size=12
    )
)
def test_points_of_round_trips_are_what_was_paid_and_received(traded: list[tuple[int, str]]) -> None:
    held = sum(quantity for quantity, _ in traded)
    closed = [*traded, (-held, "100")] if held else traded

    total = sum((trip.points for trip in round_trips(fills(*closed))), Decimal())

    received = -sum(quantity * Decimal(price) for quantity, price in closed)
    assert abs(total - received) < Decimal("1e-9")
