from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connection

from broker.base import BrokerRefused
from tradedesk.models import Environment
from tradedesk.services.halting.identity import check_address


@register(Tags.security)
def secret_key_is_set(**_: Any) -> list[CheckMessage]:
    """Refuse to run without a secret key: sessions would be forgeable."""
    if settings.SECRET_KEY:
        return []
    return [
        Error("SECRET_KEY is not set.", hint="Set it in the environment or in .env.", id="tradedesk.E001")
    ]


@register(Tags.security)
def two_regions_share_a_server(**_: Any) -> list[CheckMessage]:
    """Refuse a region with a file for a database: nobody else could see its lease."""
    if not settings.DESK_REGION or connection.vendor == "postgresql":
        return []
    return [
        Error("DESK_REGION is set without PostgreSQL.", hint="Unset it: one region.", id="tradedesk.E003")
    ]


@register(Tags.security)
def paper_broker_is_no_tradovate(**_: Any) -> list[CheckMessage]:
    """Refuse to run where practice orders would go to Tradovate."""
    try:
        check_address(Environment.PAPER, settings.PAPER_BROKER_URL)
    except BrokerRefused as refusal:
        return [Error(str(refusal), hint="Set PAPER_BROKER_URL to a paper broker.", id="tradedesk.E002")]
    return []
