from datetime import datetime
from zoneinfo import ZoneInfo

from django import template
from django.template import Context
from django.utils.html import format_html
from django.utils.safestring import SafeString

from strategy.sessions import CHICAGO
from tradedesk.admin import alert_facts, cells, exports, words
from tradedesk.admin.connections import look_of
from tradedesk.admin.faults import FAULTS
from tradedesk.admin.filters import reason_word
from tradedesk.admin.outcomes import Look, Outcome, outcome_of
from tradedesk.admin.rules import rule_tables
from tradedesk.models import REMEDIES, Decision, Reason
from tradedesk.services.reconciling.connections import Connection

register = template.Library()

for filter_function in (
    words.alert_in_words,
    words.bot_in_words,
    words.state_in_words,
    words.position_word,
    words.stored_moment,
    words.order_in_words,
    words.order_asked,
    words.price,
    words.signed,
    words.money,
    words.gain,
    words.gain_tone,
    words.milliseconds,
    words.percent,
    words.clock,
    words.utc,
    words.both_zones,
    words.precise,
    words.plain_figures,
    words.visible,
    words.numbers_strong,
    words.span,
    cells.order_chip,
    cells.moment,
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
def outcome_chip(decision: Decision) -> SafeString:
    """Show what became of a decision."""
    return cells.chip(outcome_of(decision))


@register.filter
def state_after(decision: Decision) -> str:
    """Show the state that a decision led to."""
    return words.state_in_words(alert_facts.state_after(decision))


@register.filter
def look_chip(look: Look) -> SafeString:
    """Show a state as colour, shape and word."""
    return cells.look_chip(look)


@register.filter
def connection_chip(found: Connection) -> SafeString:
    """Show the state of a connection as colour, shape and word."""
    return cells.look_chip(look_of(found))


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
def fault(code: str) -> str:
    """Show whose a reason is."""
    return FAULTS[Reason(code)].sentence


@register.filter
def ago(moment: datetime | None, now: datetime) -> str:
    """Show how long ago a moment was."""
    return f"{words.ago(max(0.0, (now - moment).total_seconds()))} ago" if moment else "never"


@register.filter
def since(moment: datetime | None) -> SafeString:
    """Show a moment in UTC; the page's script adds how long ago it was, and keeps that up to date."""
    if moment is None:
        return SafeString("never")
    return format_html(
        '<time datetime="{}" data-ago>{} UTC</time>', moment.isoformat(timespec="seconds"), words.utc(moment)
    )


@register.filter
def lately(moment: datetime | None) -> SafeString:
    """Show the time of day of a moment that is not long ago, as `since` does."""
    if moment is None:
        return SafeString("never")
    return format_html(
        '<time datetime="{}" data-ago>{} UTC</time>',
        moment.isoformat(timespec="seconds"),
        words.clock(moment),
    )


@register.filter
def chicago(moment: datetime) -> str:
    """Show the exchange's clock."""
    return f"{moment.astimezone(CHICAGO):%H:%M:%S}"


@register.filter
def in_zone(moment: datetime, zone: str) -> str:
    """Show day of the week and time of a moment in a time zone."""
    return f"{moment.astimezone(ZoneInfo(zone)):%a %H:%M}"


@register.simple_tag
def icon(name: str) -> SafeString:
    """Show an icon of Unfold's font, which is made of its name: not to be read aloud."""
    return format_html('<span class="material-symbols-outlined" aria-hidden="true">{}</span>', name)


@register.simple_tag(takes_context=True)
def export_address(context: Context, model_name: str) -> str:
    """Return where the list of this page is as a CSV file, "" where it is none."""
    return exports.address_of(context["request"], model_name)
