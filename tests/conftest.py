from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django_redis import get_redis_connection
from knox.models import AuthToken
from rest_framework.test import APIClient

from tests.builders import make_user
from tests.fakes import FakeBroker, FakeClock, FakeLinks, make_desk
from tradedesk import wiring
from tradedesk.models import TradingState
from tradedesk.services.desk import Desk
from tradedesk.services.reconciling import readiness
from tradedesk.stores import rates, redis

DATABASE_FIXTURES = {"db", "transactional_db", "desk", "api"}


@pytest.fixture(autouse=True)
def _empty_redis(request: pytest.FixtureRequest) -> Iterator[None]:
    """Give every test with a database an empty Redis that is not taken to be away."""
    if not request.node.get_closest_marker("django_db") and DATABASE_FIXTURES.isdisjoint(
        request.fixturenames
    ):
        yield
        return
    redis._paused_until = 0.0
    rates._counts.clear()
    readiness._sessions_known.clear()
    get_redis_connection("default").flushdb()
    yield
    redis._paused_until = 0.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def broker(clock: FakeClock) -> FakeBroker:
    return FakeBroker(clock.now)


@pytest.fixture
def links(broker: FakeBroker) -> FakeLinks:
    return FakeLinks(broker)


@pytest.fixture
def desk(db: None, clock: FakeClock, links: FakeLinks, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Return a desk on a clock that stands still and a broker in memory; entry points get the same one."""
    # A test with real transactions ends with a flush, which takes what the migrations put in.
    TradingState.objects.get_or_create(scope="all")
    fake = make_desk(clock, links)
    monkeypatch.setattr(wiring, "desk", lambda: fake)
    return fake


@pytest.fixture
def operator(db: None) -> User:
    """Return the member of staff that works with the API, with every right."""
    return make_user(is_superuser=True)


@pytest.fixture
def api(desk: Desk, operator: User) -> APIClient:
    """Return a client of the API with a valid token, on the fake desk."""
    _, token = AuthToken.objects.create(operator)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {token}")
    return client
