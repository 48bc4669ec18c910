import signal
import threading
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection

from broker.base import BrokerAuthFailed, BrokerError, BrokerNotReached, BrokerRefused, Connected
from tests.fakes import FakeBroker, FakeClock, FakeLinks
from tradedesk.management.commands import follow_broker
from tradedesk.management.commands.doctor import findings
from tradedesk.models import Bot
from tradedesk.services.desk import Desk
from tradedesk.stores import followers

pytestmark = pytest.mark.django_db(transaction=True)


def run(*arguments: str) -> str:
    said = StringIO()
    call_command("follow_broker", *arguments, stdout=said)
    return said.getvalue()


@pytest.fixture(autouse=True)
def _signals_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)


def test_refused_login_ends_the_follower_and_says_what_to_do(bot: Bot, links: FakeLinks) -> None:
    links.down[bot.account.name] = BrokerAuthFailed("login refused")

    with pytest.raises(CommandError, match=r"paper: login refused\. Run manage\.py doctor\."):
        run()


def test_login_without_credentials_ends_the_follower_with_their_names(bot: Bot, links: FakeLinks) -> None:
    links.down[bot.account.name] = BrokerRefused("MissingCredentials", "set TRADOVATE_CID")

    with pytest.raises(CommandError, match="paper: MissingCredentials: set TRADOVATE_CID") as refused:
        run("--account", "paper")

    assert refused.value.returncode == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [([], "There is no enabled account."), (["--account", "gone"], "There is no enabled account “gone”.")],
)
def test_nothing_to_follow_is_wrong_use(desk: Desk, arguments: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said) as refused:
        run(*arguments)

    assert refused.value.returncode == 2


def test_database_that_is_away_at_the_start_is_told_in_words(desk: Desk) -> None:
    def fail(*_: object) -> None:
        raise OperationalError("connection refused")

    with connection.execute_wrapper(fail), pytest.raises(CommandError, match="The database does not answer"):
        run()


def test_failure_that_nobody_expected_ends_the_follower_with_an_error(
    bot: Bot, broker: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker.hints = [Connected()]
    monkeypatch.setattr(followers, "sign", lambda *_args: 1 / 0)

    with pytest.raises(CommandError, match="follow paper: failed, see the log"):
        run()


def test_failure_of_a_comparison_ends_the_follower_with_an_error(
    bot: Bot, broker: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stay(stop: threading.Event) -> Iterator[Connected | None]:
        yield Connected()
        while not stop.wait(0.01):
            yield None

    monkeypatch.setattr(broker, "changes", stay)
    monkeypatch.setattr(broker, "working_orders", lambda *_args, **_options: 1 / 0)

    with pytest.raises(CommandError, match="compare paper: failed, see the log"):
        run()


def test_broken_database_connection_is_replaced_when_the_login_is_tried_again(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = 0

    def break_the_connection(*_args: object, **_options: object) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            connection.connection.close()
            raise BrokerNotReached("away")
        raise BrokerAuthFailed("reached again")

    monkeypatch.setattr(FakeLinks, "__call__", break_the_connection)
    monkeypatch.setattr(follow_broker, "TRY_AGAIN_AFTER_S", 0.0)

    with pytest.raises(CommandError, match="reached again"):
        run()


def test_broker_that_is_away_at_the_start_is_tried_again(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    errors: list[BrokerError] = [
        BrokerNotReached("away"),
        BrokerNotReached("away"),
        BrokerAuthFailed("enough"),
    ]

    def fail(*_args: object, **_options: object) -> None:
        raise errors.pop(0)

    monkeypatch.setattr(FakeLinks, "__call__", fail)
    monkeypatch.setattr(follow_broker, "TRY_AGAIN_AFTER_S", 0.0)

    with pytest.raises(CommandError, match="enough"):
        run()

    assert errors == []


def test_doctor_tells_of_a_follower_that_fell_silent(bot: Bot, clock: FakeClock) -> None:
    before = [finding for finding in findings() if "follower" in finding.part]
    followers.sign([bot.account_id], clock.now() - timedelta(seconds=3))
    alive = [finding for finding in findings() if "follower" in finding.part]
    followers.sign([bot.account_id], clock.now() - timedelta(minutes=5))
    silent = [finding for finding in findings() if "follower" in finding.part]

    assert before == []
    assert alive == [("account paper follower", True, "last sign of life 3 s ago")]
    assert silent == [
        (
            "account paper follower",
            False,
            "last sign of life 300 s ago; start manage.py follow_broker again",
        )
    ]
