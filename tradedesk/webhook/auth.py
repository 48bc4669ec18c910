import hmac

from django.conf import settings

from tradedesk.models import Strategy, WebhookToken
from tradedesk.services.tokens import digest_of


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


def is_allowed(address: str) -> bool:
    """Tell whether alerts may come from an address: any may while no list is set."""
    return not settings.WEBHOOK_ALLOWED_ADDRESSES or address in settings.WEBHOOK_ALLOWED_ADDRESSES
