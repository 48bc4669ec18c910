from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.test import Client
from knox.models import AuthToken
from pytest_django.fixtures import Settings

from tests.broker.paper_server import running
from tests.builders import (
    make_alert,
    make_bot,
    make_decision,
    make_fill,
    make_incident,
    make_notice,
    make_order,
    make_rejected_alert,
    make_token,
    make_user,
)
from tests.fakes import START, FakeBroker, FakeClock
from tests.posting import Teller
from tests.rolling import move_front
from tests.telling import BLUE
from tests.tradedesk.paper_desk import PaperDesk
from tradedesk import wiring
from tradedesk.models import (
    AuditEntry,
    Bot,
    Cause,
    FlattenWish,
    Holiday,
    Incident,
    Instrument,
    SessionRule,
    TradingMode,
    TradingStateChange,
)
from tradedesk.services.contracts.rolls import watch_rolls
from tradedesk.services.desk import Desk


@pytest.fixture
def admin_user(db: None) -> User:
    return make_user("grace", is_superuser=True)


@pytest.fixture
def panel(desk: Desk, admin_user: User) -> Client:
    """Return a browser signed in with every right, on the fake desk."""
    client = Client()
    client.force_login(admin_user)
    return client


@pytest.fixture
def viewer(desk: Desk) -> Client:
    """Return a browser of a member of staff who was given no right at all."""
    client = Client()
    client.force_login(make_user("eve"))
    return client


@pytest.fixture
def bot(desk: Desk) -> Bot:
    """Return a bot on MES whose strategy lets in alerts with TOKEN."""
    bot = make_bot()
    make_token(bot.strategy)
    return bot


@pytest.fixture
def tell(bot: Bot, clock: FakeClock) -> Teller:
    """Return what posts events of the bot's chart."""
    return Teller(clock)


@pytest.fixture
def due(bot: Bot, tell: Teller, desk: Desk, broker: FakeBroker) -> Incident:
    """Return the incident about one contract that is held in the month before the front one."""
    Instrument.objects.update(opening_days=2, flat_days=1)
    tell(BLUE)
    move_front(broker)
    watch_rolls(desk)
    return Incident.objects.select_related("bot__account", "bot__instrument").get()


@pytest.fixture
def paper(
    desk: Desk, clock: FakeClock, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[PaperDesk]:
    """Return the desk on a real paper broker; entry points get it too."""
    with running(tmp_path / "paper.journal", scenarios=True) as server:
        settings.PAPER_BROKER_URL, settings.PAPER_BROKER_PASSWORD = server.url, "secret"
        links = wiring._Links(clock.now)
        real = replace(desk, link=links)
        monkeypatch.setattr(wiring, "desk", lambda: real)
        yield PaperDesk(real, server, clock)
        for broker in links._brokers.values():
            broker.close()


@pytest.fixture
def rows(desk: Desk, admin_user: User) -> list[Model]:
    """Return one row of every kind that the panel shows, tied together as one alert's story."""
    bot = make_bot()
    alert = make_alert(bot.strategy)
    decision = make_decision(alert, bot)
    order = make_order(bot, decision=decision)
    change = TradingStateChange.objects.create(
        scope="all",
        old_mode=TradingMode.ACTIVE,
        new_mode=TradingMode.HALTED,
        cause=Cause.PERSON,
        by="ada",
        created_at=START,
    )
    entry = AuditEntry.objects.create(by="ada", action="flatten", subject="all", created_at=START)
    token, _ = AuthToken.objects.create(admin_user)
    return [
        bot,
        bot.account,
        bot.instrument,
        bot.strategy,
        SessionRule.objects.get(name="CME equity index"),
        Holiday.objects.filter(rule__name="CME equity index")[0],
        bot.state,
        make_token(bot.strategy),
        alert,
        make_rejected_alert(bot.strategy),
        decision,
        order,
        make_fill(order),
        make_incident(bot),
        make_notice(),
        bot.trading_state,
        change,
        entry,
        admin_user,
        Group.objects.create(name="operators"),
        FlattenWish.objects.create(
            scope="all", passes_halt=True, by="ada", since=START, next_try_at=START, ended_at=START
        ),
        token,
    ]
