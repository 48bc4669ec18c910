import hashlib
import secrets
from datetime import datetime

from tradedesk.models import Strategy, WebhookToken

TOKEN_BYTES = 24


def new_token() -> str:
    """Return a random webhook token that fits an address."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def digest_of(token: str) -> str:
    """Return the SHA-256 of a webhook token as the database keeps it."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def keep_token(strategy: Strategy, token: str, now: datetime) -> WebhookToken:
    """Let alerts of a strategy in with this token. Only its hash and last four letters are kept."""
    return WebhookToken.objects.create(
        strategy=strategy, digest=digest_of(token), last_four=token[-4:], created_at=now
    )


def revoke_token(token: WebhookToken, now: datetime) -> None:
    """Shut out alerts that come with this token. One that is revoked stays so since then."""
    WebhookToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=now)
