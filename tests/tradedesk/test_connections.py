"""What is found of the things that the desk needs, and how the page of connections shows it."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from broker.base import BrokerNotReached
from tests.builders import at, make_bot, make_strategy, make_user
from tests.fakes import START, FakeBroker, FakeClock, FakeLinks
from tests.tradedesk.page_costs import cost_of
from tradedesk.models import Bot, ConnectionLog, RunningProcess, Strategy
from tradedesk.services.desk import Desk
from tradedesk.services.people import roles
from tradedesk.services.reconciling.looking import look
from tradedesk.stores import followers, redis
from tradedesk.stores.redis import RedisUnavailable

PAGE = "/admin/connections/"


@pytest.fixture
def bot(desk: Desk) -> Bot:
    return make_bot()


def log(name: str) -> ConnectionLog:
    return ConnectionLog.objects.get(name=name)


def test_look_finds_everything_once(desk: Desk, bot: Bot) -> None:
    found = {each.name: each.word for each in look(desk)}

    assert found == {
        "Webhook, mes-trend": "No heartbeat yet",
        "Paper broker, paper": "Connected",
        "Order stream, paper": "Not needed",
        "Clock, paper": "In step",
        "Quotes": "No feed",
        "Worker": "Nothing done yet",
        "Database": "Connected",
        "Redis": "Connected",
    }
    assert list(ConnectionLog.objects.values_list("name", flat=True)) == list(found)


def test_error_of_the_broker_is_kept_in_full_until_another_comes(
    desk: Desk, bot: Bot, links: FakeLinks, clock: FakeClock
) -> None:
    links.down["paper"] = BrokerNotReached("connection refused by 10.0.0.9 after 3 tries")
    look(desk)
    del links.down["paper"]
    clock.advance(60)
    look(desk)

    found = log("Paper broker, paper")
    assert (found.word, found.cells) == ("Connected", "!+")
    assert (found.error, found.error_at) == (
        "BrokerNotReached: connection refused by 10.0.0.9 after 3 tries",
        START,
    )


def test_minutes_without_a_look_are_empty_cells(desk: Desk, bot: Bot, clock: FakeClock) -> None:
    look(desk)
    clock.advance(180)
    look(desk)
    assert log("Database").cells == "+..+"

    clock.advance(timedelta(days=3).total_seconds())
    look(desk)

    assert log("Database").cells == "." * 35 + "+"


def test_clock_that_is_apart_is_trouble(desk: Desk, bot: Bot, broker: FakeBroker) -> None:
    broker.clock_offset_s = -3.2

    look(desk)

    found = log("Clock, paper")
    assert (found.word, found.note) == ("Apart", "the broker's is 3.20 s behind, limit 2 s")


def test_stream_that_fell_silent_is_trouble(desk: Desk, bot: Bot, clock: FakeClock) -> None:
    followers.sign([bot.account.pk], clock.now())
    look(desk)
    assert log("Order stream, paper").word == "Following"
    clock.advance(61)
    look(desk)

    assert log("Order stream, paper").word == "Silent"


def test_redis_away_is_found_and_the_rest_too(desk: Desk, bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise RedisUnavailable("redis://:secret@cache:6379 refused")

    monkeypatch.setattr(redis, "ping", away)
    monkeypatch.setattr(redis, "call", away)

    look(desk)

    assert (log("Redis").word, log("Database").word) == ("Not reached", "Connected")
    assert "secret" not in log("Redis").error


def test_what_is_gone_is_forgotten(desk: Desk, bot: Bot) -> None:
    look(desk)
    type(bot.account).objects.update(enabled=False)
    look(desk)

    assert not ConnectionLog.objects.filter(name__contains="paper").exists()


def test_page_without_a_look_says_who_looks(panel: Client) -> None:
    assert "Nothing was looked at yet" in panel.get(PAGE).content.decode()


def test_page_shows_state_error_and_strip(panel: Client, bot: Bot, links: FakeLinks) -> None:
    links.down["paper"] = BrokerNotReached("<script>alert(1)</script>")
    panel.post(PAGE)

    html = panel.get(PAGE).content.decode()

    assert "Not reached" in html
    assert "BrokerNotReached: &lt;script&gt;" in html
    assert "<script>alert" not in html
    assert "Of the last 36 minutes 0 well, 1 in trouble, 35 not looked at" in html


def test_what_was_found_long_ago_says_nothing_about_now(panel: Client, bot: Bot, clock: FakeClock) -> None:
    panel.post(PAGE)
    clock.advance(181)

    html = panel.get(PAGE).content.decode()

    assert "Connected<" not in html
    assert "Not looked at since" in html


def test_processes_of_different_code_stand_out(panel: Client) -> None:
    for code in ("aaaa", "bbbb"):
        RunningProcess.objects.create(
            role="web", version="0.1.0", code=code, settings="cccc", started_at=START, seen_at=at(0)
        )

    html = panel.get(PAGE).content.decode()

    assert "Processes of different code run together" in html


def client_of(role: str) -> Client:
    roles.ensure_roles()
    client = Client()
    user: User = make_user(role)
    user.groups.set(Group.objects.filter(name=role))
    client.force_login(user)
    return client


@pytest.mark.parametrize(("role", "may_test"), [("viewer", False), ("operator", True)])
def test_test_now_is_for_operators(role: str, may_test: bool, desk: Desk) -> None:
    client = client_of(role)

    assert ("Test now" in client.get(PAGE).content.decode()) is may_test
    assert client.post(PAGE).status_code == (303 if may_test else 403)


def test_page_is_for_those_who_may_see_the_desk(viewer: Client) -> None:
    assert viewer.get(PAGE).status_code == 403


def test_page_costs_the_same_with_more_rows(panel: Client, desk: Desk) -> None:
    def more() -> None:
        make_strategy(f"trend-{Strategy.objects.count()}")
        look(desk)

    assert cost_of(panel, PAGE, more) == 8
