from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Model
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from tradedesk.admin import words
from tradedesk.admin.outcomes import Look, Outcome, outcome_of_order
from tradedesk.models import Order, OrderStatus


def url_of(row: Model) -> str:
    """Return the address of a row's page in the panel."""
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def link(row: Model | None, text: str = "") -> SafeString:
    """Return a link to a row's page, a dash where there is no row."""
    if row is None:
        return SafeString("–")
    return format_html('<a href="{}">{}</a>', url_of(row), text or str(row))


def chip(outcome: Outcome, label: str = "") -> SafeString:
    """Return an outcome as colour, shape and word; `label` replaces the word by a finer one."""
    return look_chip(outcome.value, label)


def look_chip(look: Look, label: str = "") -> SafeString:
    """Return a look as colour, shape and word."""
    return format_html(
        '<span class="chip chip-{}"><span aria-hidden="true">{}</span> {}</span>',
        look.tone,
        look.shape,
        label or look.label,
    )


def order_chip(order: Order) -> SafeString:
    """Return an order's status as colour, shape and word."""
    return chip(outcome_of_order(order), str(OrderStatus(order.status).label))


def lines(parts: Iterable[Any]) -> SafeString:
    """Return the parts below each other."""
    return format_html_join("", '<div class="line">{}</div>', ((part,) for part in parts)) or SafeString("–")


def moment(at: datetime | None) -> SafeString:
    """Return a moment in UTC to the second, with the exchange's clock on hover."""
    return format_html('<span title="{}">{}</span>', words.both_zones(at), words.utc(at))


def gain(dollars: Decimal | None) -> SafeString:
    """Return dollars won or lost in their colour."""
    return format_html('<span class="{}">{}</span>', words.gain_tone(dollars), words.gain(dollars))
