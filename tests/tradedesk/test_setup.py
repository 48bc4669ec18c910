import pytest
from django.contrib.auth.models import User
from knox.models import AuthToken
from rest_framework.test import APIClient

from tests.builders import TOKEN, at, make_instrument, make_strategy, make_token
from tests.fakes import START
from tradedesk.models import Bot, Environment, Strategy, WebhookToken
from tradedesk.services.alerts.tokens import digest_of
from tradedesk.services.desk import Desk
from tradedesk.services.people.setup import Secrets, TooManyTokens, ensure_demo_desk, rotate_token
from tradedesk.webhook.auth import admit

SECRETS = Secrets(TOKEN, "admin", "a long password", "ab" * 32)


def strategy_of(token: str) -> Strategy | None:
    """Return the strategy that the webhook lets alerts with this token in for."""
    admission = admit(token)
    return admission.strategy if admission else None


@pytest.fixture(autouse=True)
def _instrument(db: None) -> None:
    make_instrument()


def test_demo_desk_has_a_paper_bot_that_alerts_reach() -> None:
    ensure_demo_desk(SECRETS, START)

    bot = Bot.objects.select_related("strategy", "account", "instrument").get()
    assert (bot.slug, bot.size, bot.strategy.slug, bot.instrument.root) == (
        "mes-paper",
        1,
        "mes-trend",
        "MES",
    )
    assert (bot.account.name, bot.account.environment) == ("paper", Environment.PAPER)
    assert (bot.strategy.trend_timeframe, bot.strategy.di_timeframe) == ("10", "15")
    assert strategy_of(TOKEN) == bot.strategy


def test_login_and_api_token_work(desk: Desk) -> None:
    ensure_demo_desk(SECRETS, START)

    assert User.objects.get().check_password(SECRETS.admin_password)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {SECRETS.api_token}")
    assert client.get("/api/v1/bots/").status_code == 200


def test_secrets_are_stored_as_hashes_only() -> None:
    ensure_demo_desk(SECRETS, START)

    assert WebhookToken.objects.get().digest == digest_of(TOKEN)
    assert SECRETS.api_token not in str(AuthToken.objects.values_list().get())


def test_second_time_adds_nothing_and_keeps_what_a_person_changed() -> None:
    ensure_demo_desk(SECRETS, START)
    user = User.objects.get()
    user.set_password("another password")
    user.save()
    Bot.objects.update(slug="renamed", size=3)
    WebhookToken.objects.update(revoked_at=at(1))

    ensure_demo_desk(SECRETS, at(2))

    assert User.objects.get().check_password("another password")
    assert list(Bot.objects.values_list("slug", "size")) == [("renamed", 3)]
    assert WebhookToken.objects.get().revoked_at == at(1)
    assert (Strategy.objects.count(), AuthToken.objects.count()) == (1, 1)


def test_rotation_adds_a_token_and_keeps_the_old_one_valid() -> None:
    strategy = make_strategy()
    make_token(strategy)

    token = rotate_token(strategy, at(1))

    assert strategy_of(token) == strategy_of(TOKEN) == strategy
    assert strategy.tokens.get(created_at=at(1)).last_four == token[-4:]


def test_third_valid_token_is_refused_until_one_is_revoked() -> None:
    strategy = make_strategy()
    make_token(strategy)
    rotate_token(strategy, at(1))

    with pytest.raises(TooManyTokens):
        rotate_token(strategy, at(2))

    strategy.tokens.filter(digest=digest_of(TOKEN)).update(revoked_at=at(3))
    assert strategy_of(rotate_token(strategy, at(4))) == strategy
