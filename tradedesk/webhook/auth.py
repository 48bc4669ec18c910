import hashlib
import hmac

from django.conf import settings
from django.http import HttpRequest

from tradedesk.models import Strategy, WebhookToken


def digest_of(token: str) -> str:
    """Return the SHA-256 of a webhook token as the database keeps it."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def strategy_of(token: str) -> Strategy | None:
    """Return the strategy that a token lets alerts in for, None for an unknown or revoked one.

    What is compared is a hash, and compared in constant time, so nothing of a token can be learnt by timing.
    """
    digest = digest_of(token)
    row = (
        WebhookToken.objects.select_related("strategy__instrument")
        .filter(digest=digest, revoked_at=None)
        .first()
    )
    if not hmac.compare_digest(row.digest if row else "0" * len(digest), digest) or row is None:
        return None
    return row.strategy


def address_of(request: HttpRequest) -> str:
    """Return the address that the request came from, as told by the proxies that we run, if any.

    A caller can write anything into X-Forwarded-For; only what our own proxies appended counts.
    """
    if settings.TRUSTED_PROXIES:
        chain = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
        return chain[-settings.TRUSTED_PROXIES] if len(chain) >= settings.TRUSTED_PROXIES else ""
    return str(request.META.get("REMOTE_ADDR", ""))


def is_allowed(address: str) -> bool:
    """Tell whether alerts may come from an address: any may while no list is set."""
    return not settings.WEBHOOK_ALLOWED_ADDRESSES or address in settings.WEBHOOK_ALLOWED_ADDRESSES
