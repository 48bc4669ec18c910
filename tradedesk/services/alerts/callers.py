from django.conf import settings
from django.http import HttpRequest


def address_of(request: HttpRequest) -> str:
    """Return the address that the request came from, as told by the proxies that we run, if any.

    A caller can write anything into X-Forwarded-For; only what our own proxies appended counts.
    """
    if settings.TRUSTED_PROXIES:
        chain = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
        return chain[-settings.TRUSTED_PROXIES] if len(chain) >= settings.TRUSTED_PROXIES else ""
    return str(request.META.get("REMOTE_ADDR", ""))
