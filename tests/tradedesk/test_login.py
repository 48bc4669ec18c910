"""Signing in, how often it may be tried, and the plain pages for what went wrong."""

import pytest
from django.contrib.auth.models import User
from django.test import Client, RequestFactory

from tests.fakes import FakeClock
from tradedesk.api import failures
from tradedesk.models import TradingMode, TradingState
from tradedesk.services.desk import Desk
from tradedesk.services.halting import versions
from tradedesk.services.people import logins
from tradedesk.stores import redis
from tradedesk.stores.redis import RedisUnavailable

LOGIN = "/admin/login/"
RIGHT = "correct horse battery"


@pytest.fixture
def person(desk: Desk) -> User:
    return User.objects.create_user("ada", password=RIGHT, is_staff=True)


@pytest.fixture(autouse=True)
def fast_hashes(settings: object) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # type: ignore[attr-defined]


def sign_in(password: str, *, name: str = "ada", address: str = "10.0.0.1") -> str:
    answer = Client(REMOTE_ADDR=address).post(LOGIN, {"username": name, "password": password})
    return "in" if answer.status_code == 302 else answer.content.decode()


def test_login_page_needs_no_script(desk: Desk) -> None:
    html = Client().get(LOGIN, {"next": "/halt/"}).content.decode()

    assert "<script" not in html
    assert "/static/" not in html
    assert 'name="next" value="/halt/"' in html


def test_right_password_lets_in_and_a_wrong_one_does_not(person: User) -> None:
    assert "Please enter the correct" in sign_in("wrong")
    assert sign_in(RIGHT) == "in"


def test_sixth_try_is_refused_unseen_until_the_quarter_is_over(person: User, clock: FakeClock) -> None:
    for _ in range(5):
        sign_in("wrong")

    assert "Too many tries." in sign_in(RIGHT)
    assert sign_in(RIGHT, address="10.0.0.2") == "in"
    clock.advance(logins.WINDOW_S)
    assert sign_in(RIGHT) == "in"


def test_getting_in_begins_the_count_anew(person: User) -> None:
    for _ in range(3):
        for _ in range(4):
            sign_in("wrong")
        assert sign_in(RIGHT) == "in"


def test_tries_are_counted_without_redis_too(person: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise RedisUnavailable

    monkeypatch.setattr(redis, "call", away)
    for _ in range(5):
        sign_in("wrong", address="10.0.0.3")

    assert "Too many tries." in sign_in(RIGHT, address="10.0.0.3")


def test_who_is_signed_in_may_halt_however_many_tries_failed(person: User) -> None:
    inside = Client()
    inside.force_login(person)
    for _ in range(7):
        sign_in("wrong", address="127.0.0.1")

    inside.post("/halt/", {"reason": "guessing"})

    assert TradingState.objects.get(scope="all").mode == TradingMode.HALTED


def test_password_is_in_no_log(person: User, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(6):
        sign_in("hunter2")

    assert "hunter2" not in caplog.text
    assert "too_many_tries" in caplog.text


def test_pages_of_failures_are_plain_and_lead_to_the_emergency_page(panel: Client, viewer: Client) -> None:
    strict = Client(enforce_csrf_checks=True)
    for answer, status, said in (
        (panel.get("/nowhere/"), 404, "There is no such page"),
        (viewer.get("/admin/connections/"), 403, "You may not do this"),
        (strict.post("/halt/"), 403, "This form is too old"),
    ):
        html = answer.content.decode()
        assert answer.status_code == status
        assert said in html
        assert '<a href="/halt/">' in html
        assert "<script" not in html


def test_error_tells_state_and_a_number_that_the_log_has(
    desk: Desk, rf: RequestFactory, caplog: pytest.LogCaptureFixture
) -> None:
    TradingState.objects.filter(scope="all").update(mode=TradingMode.HALTED, by="ada")

    answer = failures.server_error(rf.get("/admin/"))

    html = answer.content.decode()
    assert answer.status_code == 500
    assert "<b>Halted</b>" in html
    number = html.partition("under the number <code>")[2].partition("</code>")[0]
    assert len(number) == 8
    assert number in caplog.text


def test_error_with_the_state_unknown_says_so(desk: Desk, rf: RequestFactory) -> None:
    TradingState.objects.filter(scope="all").delete()

    assert "STATE UNKNOWN" in failures.server_error(rf.get("/admin/")).content.decode()


def test_desk_that_lacks_migrations_says_that_it_is_being_updated(
    desk: Desk, rf: RequestFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "missing_migrations", lambda: ["0022_ops"])

    answer = failures.server_error(rf.get("/admin/"))

    assert (answer.status_code, answer["Retry-After"]) == (503, "10")
    assert "The desk is being updated" in answer.content.decode()
