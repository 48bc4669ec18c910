from datetime import datetime
from typing import Any

from django import template
from django.template.context import RequestContext
from django.utils.safestring import SafeString

from tradedesk.admin import cells, words
from tradedesk.admin.filters import reason_word
from tradedesk.admin.outcomes import Outcome
from tradedesk.admin.overview import overview_of
from tradedesk.admin.rules import rule_tables
from tradedesk.admin.sidebar import groups_of
from tradedesk.models import REMEDIES, Reason

register = template.Library()

for filter_function in (
    words.alert_in_words,
    words.bot_in_words,
    words.state_in_words,
    words.order_in_words,
    words.price,
    words.signed,
    words.utc,
    words.both_zones,
    words.span,
    cells.order_chip,
    cells.url_of,
    reason_word,
    rule_tables,
):
    register.filter(filter_function)


@register.filter
def chip(outcome: Outcome) -> SafeString:
    """Show an outcome as colour, shape and word."""
    return cells.chip(outcome)


@register.filter
def action_word(action: str) -> str:
    """Show an action's code as words."""
    return words.ACTIONS.get(action, action)


@register.filter
def reason_label(code: str) -> str:
    """Show a reason's code as its sentence."""
    return str(Reason(code).label)


@register.filter
def remedy(code: str) -> str:
    """Show what to do about a reason."""
    return REMEDIES[Reason(code)]


@register.filter
def ago(moment: datetime | None, now: datetime) -> str:
    """Show how long ago a moment was."""
    return f"{words.ago(max(0.0, (now - moment).total_seconds()))} ago" if moment else "never"


@register.inclusion_tag("panel/overview.html", takes_context=True)
def overview(context: RequestContext) -> dict[str, Any]:
    """Show the start page's content."""
    request = context["request"]
    return {"overview": overview_of(request), "panel": context["panel"], "user": request.user}


@register.filter
def working_day_order(apps: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Group the pages of the panel for the sidebar."""
    return groups_of(apps)
