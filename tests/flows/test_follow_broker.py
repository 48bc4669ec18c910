"""User sync on a server books what happens at the broker at once; polling does so where nobody follows."""

import signal
from collections.abc import Iterator
from tempfile import TemporaryDirectory

import pytest

from tests.flows.conftest import OpenDesk
from tests.flows.desks import Bot, Desk
from tests.flows.followers import (
    BOOKED_WITHIN_S,
    PLACE,
    QUIET,
    TRADED_BY_HAND,
    fate,
    follower,
    is_booked,
    leave_working,
    ups,
)
from tests.flows.processes import manage
from tests.waiting import until

STOPPED_WITHIN_S = 5.0
# Who was pushed out keeps away for a quarter of a minute.
RECONNECTED_WITHIN_S = 40.0
# Two looks, six seconds apart.
NOTICED_WITHIN_S = 15.0


@pytest.fixture(scope="module")
def desk(open_desk: OpenDesk) -> Iterator[Desk]:
    with open_desk() as opened:
        yield opened


def test_late_fill_lands_within_a_second_and_once(desk: Desk) -> None:
    bot = desk.next_bot(QUIET)
    with follower(desk):
        order_id = leave_working(desk, bot)
        desk.broker.scenario("faults", {"kind": "duplicate", "on": "socket", "times": 20})
        desk.broker.scenario("faults", {"kind": "reorder", "on": "socket", "times": 5})

        desk.broker.scenario("release", {"orderId": order_id})
        until(lambda: is_booked(desk, bot), BOOKED_WITHIN_S, "the late fill")

    (took,) = desk.database.rows(
        "SELECT extract(epoch FROM f.created_at - f.filled_at) AS seconds FROM tradedesk_fill f"
        " JOIN tradedesk_bot b ON b.id = f.bot_id WHERE b.slug = %s",
        bot.slug,
    )
    assert took["seconds"] < 1
    assert desk.held(bot) == 1


def test_order_whose_answer_was_lost_is_booked_as_soon_as_it_is_told(desk: Desk) -> None:
    bot = desk.next_bot(QUIET)
    with follower(desk):
        fate(desk, hold=True)
        desk.broker.scenario("faults", {"kind": "drop", "on": PLACE, "when": "after"})
        assert desk.send(bot, "blue", "10:10").summary[2] == "unconfirmed"
        order_id = max(row["id"] for row in desk.broker.rows("order"))

        desk.broker.scenario("release", {"orderId": order_id})
        until(lambda: is_booked(desk, bot), BOOKED_WITHIN_S, "the order without an answer")

    assert desk.open_incidents(bot) == []


def test_fill_while_nobody_followed_is_caught_up_at_the_next_start(desk: Desk) -> None:
    bot = desk.next_bot(QUIET)
    desk.broker.scenario("release", {"orderId": leave_working(desk, bot)})

    with follower(desk):
        until(lambda: is_booked(desk, bot), BOOKED_WITHIN_S, "the fill that nobody told")

    assert desk.held(bot) == 1


def test_trade_of_a_person_becomes_an_incident(desk: Desk) -> None:
    bot = desk.next_bot(TRADED_BY_HAND)
    with follower(desk):
        desk.broker.place(bot.account, f"{bot.root}{front(desk, bot)}", "Buy")

        until(lambda: bool(desk.open_incidents(bot)), NOTICED_WITHIN_S, "the trade of a person")

    assert desk.open_incidents(bot) == ["POSITION_MISMATCH"]


def test_polling_alone_books_the_same(desk: Desk) -> None:
    bot = desk.next_bot(QUIET)
    desk.broker.scenario("release", {"orderId": leave_working(desk, bot)})

    desk.let_seconds_pass(10)
    desk.recover()

    assert is_booked(desk, bot)


def test_frames_that_were_missed_are_caught_up_with_the_next_connection(desk: Desk) -> None:
    bot = desk.next_bot(QUIET)
    order_id = leave_working(desk, bot)
    with follower(desk):
        before = ups(desk)
        desk.broker.scenario("faults", {"kind": "miss", "on": "socket", "times": 100})
        desk.broker.scenario("release", {"orderId": order_id})
        desk.broker.scenario("faults", method="DELETE")
        desk.broker.scenario("tokens", {"revoke": True})

        until(lambda: is_booked(desk, bot), RECONNECTED_WITHIN_S, "the fill that was missed")
        assert ups(desk) == before + 1


def test_follower_outlives_its_database_connections(desk: Desk) -> None:
    bot = desk.next_bot(QUIET)
    with follower(desk):
        order_id = leave_working(desk, bot)
        desk.database.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

        desk.broker.scenario("release", {"orderId": order_id})

        until(lambda: is_booked(desk, bot), BOOKED_WITHIN_S, "the fill after the database came back")


def test_second_follower_does_no_harm(desk: Desk) -> None:
    bot = desk.next_bot(QUIET)
    with follower(desk), follower(desk):
        desk.broker.scenario("release", {"orderId": leave_working(desk, bot)})

        until(lambda: is_booked(desk, bot), BOOKED_WITHIN_S, "the fill that two followers heard of")

    assert is_booked(desk, bot)
    assert desk.open_incidents(bot) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_stops_it_at_once_and_closes_its_socket(desk: Desk, number: int) -> None:
    with follower(desk) as process:
        process.send_signal(number)

        assert process.wait(STOPPED_WITHIN_S) == 0


def test_refused_login_ends_it_with_the_reason_and_without_the_password(desk: Desk) -> None:
    wrong = {"PAPER_BROKER_PASSWORD": "not-the-password", "REDIS_URL": "redis://127.0.0.1:1/0"}
    with TemporaryDirectory() as var:
        ended = manage({**desk.environ, **wrong, "DESK_VAR": var}, "follow_broker")

    assert ended.returncode == 1
    assert "login refused" in ended.stderr
    assert "Run manage.py doctor." in ended.stderr
    assert "not-the-password" not in ended.stderr + ended.stdout


def front(desk: Desk, bot: Bot) -> str:
    """Return month and year of the contract that the broker calls the front month of a bot's root."""
    rows = desk.broker.client.get(
        "/contract/suggest", params={"t": bot.root, "l": 20}, headers=desk.broker._authorization
    ).json()
    for row in rows:
        maturity = desk.broker._ask(f"/contractMaturity/item?id={row['contractMaturityId']}")
        if maturity["isFront"] and row["name"].startswith(bot.root):
            return str(row["name"].removeprefix(bot.root))
    raise AssertionError(rows)
