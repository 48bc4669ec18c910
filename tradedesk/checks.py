from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register


@register(Tags.security)
def secret_key_is_set(**_: Any) -> list[CheckMessage]:
    """Refuse to run without a secret key: sessions would be forgeable."""
    if settings.SECRET_KEY:
        return []
    return [
        Error("SECRET_KEY is not set.", hint="Set it in the environment or in .env.", id="tradedesk.E001")
    ]
