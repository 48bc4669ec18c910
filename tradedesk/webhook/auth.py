import hmac

from django.conf import settings

from tradedesk.selectors.admission import Admission, admission_of
from tradedesk.services.alerts.tokens import digest_of


def admit(token: str) -> Admission | None:
    """Return what a token opens, None for an unknown or revoked one.

    What is compared is a hash, and compared in constant time, so nothing of a token can be learnt by timing.
    """
    digest = digest_of(token)
    found = admission_of(digest)
    is_right = hmac.compare_digest(found.digest if found else "0" * len(digest), digest)
    return found if is_right else None


def is_allowed(address: str) -> bool:
    """Tell whether alerts may come from an address: any may while no list is set."""
    return not settings.WEBHOOK_ALLOWED_ADDRESSES or address in settings.WEBHOOK_ALLOWED_ADDRESSES
