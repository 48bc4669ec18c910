"""User sync: what a desk hears of its orders, in whatever order and however broken it comes."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from broker.base import BrokerOrderStatus, Change, Connected, Side
from broker.tradovate.stream import UserStream
from tests.broker.contract.venue import PLACE, Venue, limit

# Ten seconds of silence take half a second.
HASTE = 20.0
MOST_ITEMS = 400


@contextmanager
def following(at: Venue, haste: float = 1.0) -> Iterator[Iterator[Connected | Change | None]]:
    """Yield the changes of a connection that stands; the client's clock runs `haste` times as fast."""
    stop = threading.Event()
    stream = UserStream(
        at.url.replace("http", "ws") + "/websocket",
        at.client._session,
        monotonic=lambda: time.monotonic() * haste,
    )
    changes = stream.changes(stop)
    connected(changes)
    try:
        yield changes
    finally:
        stop.set()
        for _ in changes:
            pass


def connected(changes: Iterator[Connected | Change | None]) -> None:
    until(changes, lambda item: isinstance(item, Connected))


def until(changes: Iterator[Connected | Change | None], is_it: object) -> list[Connected | Change]:
    """Return what came up to the item that is waited for."""
    seen: list[Connected | Change] = []
    for _ in range(MOST_ITEMS):
        item = next(changes)
        if item is not None:
            seen.append(item)
            if callable(is_it) and is_it(item):
                return seen
    raise AssertionError(f"not told in {MOST_ITEMS} turns: {seen}")


def fill_of(order_id: int) -> object:
    return lambda item: isinstance(item, Change) and item.order_id == order_id and item.fill_id is not None


def test_50_stream_tells_of_an_order_by_its_id_our_id_and_its_fill(at: Venue) -> None:
    with following(at) as changes:
        order_id = at.submit("c-50")

        seen = until(changes, fill_of(order_id))
        named = [item.client_order_id for item in seen if isinstance(item, Change)]

    assert "c-50" in named


def test_51_late_fill_of_a_resting_order_is_told(at: Venue) -> None:
    order_id = at.submit("c-51", Side.BUY, 1, limit("6800"))
    with following(at) as changes:
        at.scenario("prices", {"root": "MES", "price": 6799.75})

        until(changes, fill_of(order_id))

    assert at.status(order_id) is BrokerOrderStatus.FILLED


@pytest.mark.parametrize(("kind", "times"), [("reorder", 3), ("duplicate", 20), ("split", 3)])
def test_52_frames_in_any_order_shape_or_number_tell_the_same(at: Venue, kind: str, times: int) -> None:
    with following(at) as changes:
        at.fault(kind, "socket", times=times)

        until(changes, fill_of(at.submit("c-52")))


def test_53_missed_frames_are_never_told_again_and_a_new_connection_says_to_read(at: Venue) -> None:
    with following(at) as changes:
        at.fault("miss", "socket", times=30)
        order_id = at.submit("c-53")
        at.fault("close", "socket")
        at.scenario("faults", method="DELETE")
        at.scenario("tokens", {"revoke": True})

        connected(changes)

    assert at.status(order_id) is BrokerOrderStatus.FILLED


def test_54_socket_that_falls_silent_is_given_up_and_opened_anew(at: Venue) -> None:
    at.fault("silent", "socket")

    with following(at, HASTE) as changes:
        connected(changes)
        until(changes, fill_of(at.submit("c-54")))


def test_55_refused_token_is_replaced_once_and_the_stream_stands(at: Venue) -> None:
    logins = at.asked("/auth/accesstokenrequest")
    at.scenario("tokens", {"revoke": True})

    with following(at) as changes:
        until(changes, fill_of(at.submit("c-55")))

    assert at.asked("/auth/accesstokenrequest") == logins + 1


def test_56_penalty_on_user_sync_is_waited_for_on_the_same_connection(at: Venue) -> None:
    at.fault("penalty", "/user/syncrequest", seconds=1)

    with following(at) as changes:
        until(changes, fill_of(at.submit("c-56")))

    assert at.asked("/user/syncrequest") == 2


def test_57_unknown_kinds_fields_and_words_are_passed_over(at: Venue) -> None:
    with following(at) as changes:
        at.fault("unknown_word", "socket", field="ordStatus", word="Levitating")
        at.fault("extra_field", "socket", field="newFashion", word="x")

        until(changes, fill_of(at.submit("c-57")))


def test_58_partial_fills_are_told_one_by_one(at: Venue) -> None:
    at.fault("fate", PLACE, parts=[1])
    with following(at) as changes:
        order_id = at.submit("c-58", Side.BUY, 2)
        until(changes, fill_of(order_id))
        at.scenario("release", {"orderId": order_id})

        until(changes, fill_of(order_id))

    assert at.held() == 2
