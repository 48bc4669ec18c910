from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser
from django.db import transaction
from knox.crypto import hash_token
from knox.models import AuthToken
from knox.settings import CONSTANTS

from tradedesk.models import Account, Bot, Environment, Instrument, Strategy, WebhookToken
from tradedesk.services.alerts.tokens import digest_of, keep_token, new_token

MOST_TOKENS = 2


@dataclass(frozen=True)
class Secrets:
    """What a desk on one machine made up at its first start. The database gets hashes of them only."""

    webhook_token: str
    admin_user: str
    admin_password: str
    api_token: str


class TooManyTokens(Exception):
    """Two tokens of the strategy are valid. Revoke the one that no alert uses any more first."""


@transaction.atomic
def ensure_demo_desk(secrets: Secrets, now: datetime) -> None:
    """Make the login, the API token and the bot `mes-paper` that a desk on one machine starts with.

    Each is made once. What a person changed, renamed or revoked since then stays as it is.
    """
    admin = _ensure_admin(secrets)
    _ensure_api_token(admin, secrets.api_token)
    if not WebhookToken.objects.filter(digest=digest_of(secrets.webhook_token)).exists():
        keep_token(_ensure_strategy(), secrets.webhook_token, now)


@transaction.atomic
def rotate_token(strategy: Strategy, now: datetime) -> str:
    """Return a new webhook token of the strategy, to be shown once. The old one stays valid until revoked.

    Raises TooManyTokens while two are valid: a third would say that nobody knows which one the alerts use.
    """
    Strategy.objects.select_for_update(no_key=True).get(pk=strategy.pk)
    if strategy.tokens.filter(revoked_at=None).count() >= MOST_TOKENS:
        raise TooManyTokens(strategy.slug)
    token = new_token()
    keep_token(strategy, token, now)
    return token


def _ensure_admin(secrets: Secrets) -> AbstractUser:
    users = get_user_model().objects
    user = users.filter(username=secrets.admin_user).first()
    return user or users.create_superuser(secrets.admin_user, password=secrets.admin_password)


def _ensure_api_token(user: AbstractUser, token: str) -> None:
    digest = hash_token(token)
    if not AuthToken.objects.filter(digest=digest).exists():
        # The manager's create makes up a token of its own.
        AuthToken(digest=digest, token_key=token[: CONSTANTS.TOKEN_KEY_LENGTH], user=user, expiry=None).save()


def _ensure_strategy() -> Strategy:
    mes = Instrument.objects.get(root="MES")
    strategy, _ = Strategy.objects.get_or_create(slug="mes-trend", defaults={"instrument": mes})
    account, _ = Account.objects.get_or_create(name="paper", defaults={"environment": Environment.PAPER})
    if not Bot.objects.filter(account=account, instrument=strategy.instrument).exists():
        Bot.objects.create(
            slug="mes-paper", strategy=strategy, account=account, instrument=strategy.instrument
        )
    return strategy
