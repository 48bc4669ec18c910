import signal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from broker.base import BrokerAuthFailed, BrokerError, BrokerNotReached, Connected
from tests.fakes import FakeBroker, FakeLinks
from tradedesk.management.commands import follow_broker
from tradedesk.models import Bot

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


def test_account_that_is_not_there_is_named(bot: Bot) -> None:
    with pytest.raises(CommandError, match="no enabled account nobody"):
        run("--account", "nobody")


def test_failure_that_nobody_expected_ends_the_follower_with_an_error(
    bot: Bot, broker: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker.hints = [Connected()]
    monkeypatch.setattr(broker, "working_orders", lambda *_args, **_options: 1 / 0)

    with pytest.raises(CommandError, match="paper: failed, see the log"):
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
