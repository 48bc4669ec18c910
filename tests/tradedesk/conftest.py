from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db.models import Model
from django.test import Client
from pytest_django.fixtures import Settings

from tests.broker.paper_server import running
from tests.builders import make_bot, make_token, make_user
from tests.fakes import FakeBroker, FakeClock
from tests.panel_pages import make_rows
from tests.posting import Teller
from tests.rolling import move_front
from tests.telling import BLUE
from tests.tradedesk.paper_desk import PaperDesk
from tradedesk import wiring
from tradedesk.models import Bot, Incident, Instrument
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
    return make_rows(admin_user)
