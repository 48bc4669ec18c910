"""How the panel says things: pure functions from rows and figures to short texts."""

import re
from collections.abc import Mapping
from datetime import datetime, time
from decimal import Decimal
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from strategy.sessions import CHICAGO
from strategy.types import Color, Direction
from tradedesk.models import Alert, Order, OrderSide, OrderStatus
from tradedesk.stores.positions import Snapshot

EVENTS = {
    "LONG_ENTRY": "Trend turned blue",
    "SHORT_ENTRY": "Trend turned red",
    "DI_CROSS_UP": "DI+ crossed above DI-",
    "DI_CROSS_DOWN": "DI- crossed above DI+",
}
ACTIONS = {
    "ENTER_LONG": "Enter long",
    "ENTER_SHORT": "Enter short",
    "REVERSE_TO_LONG": "Reverse to long",
    "REVERSE_TO_SHORT": "Reverse to short",
    "EXIT": "Exit",
    "REENTER_LONG": "Re-enter long",
    "REENTER_SHORT": "Re-enter short",
    "NONE": "No action",
}
HELD = {"NONE": "flat", "LONG": "long", "SHORT": "short"}
CROSS_FOR = {Color.BLUE: "DI+ above DI-", Color.RED: "DI- above DI+"}
OTHER = {Color.BLUE: "red", Color.RED: "blue"}
MOST_DECIMALS = 6
NUMBER = re.compile(r"([+−-]?\d[\d.,]*)")
# What turns the direction of writing, has no width, or is no character of a text.
UNSEEN = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
)


def alert_in_words(alert: Alert) -> str:
    """Return what an alert reports, such as "Trend turned blue, MES1!, 10 min"."""
    event = EVENTS.get(alert.action)
    if event is None:
        return "A message that is no alert"
    return ", ".join(part for part in (event, alert.symbol, timeframe(alert.timeframe)) if part)


def timeframe(text: str) -> str:
    """Return a timeframe as people say it: TradingView's bare numbers are minutes."""
    return f"{text} min" if text.isdigit() else text


def bot_in_words(snapshot: Snapshot) -> str:
    """Return what a bot does now and what it waits for."""
    color, held = snapshot.state.color, snapshot.held
    if held is not Direction.NONE and held is not snapshot.state.position:
        return f"{HELD[held].capitalize()}, but the strategy has left: closes at the next event or a flatten"
    if held is Direction.LONG:
        return "Long, exits on DI- above DI+"
    if held is Direction.SHORT:
        return "Short, exits on DI+ above DI-"
    if color is None:
        return "Flat, waiting for the first trend colour"
    if snapshot.state.waiting:
        return f"Flat, waiting for {CROSS_FOR[color]}"
    return f"Flat until the trend turns {OTHER[color]}"


def position_word(held: str) -> str:
    """Return the word for a stored position: "Flat", "Long" or "Short"."""
    return HELD.get(held, "unknown").capitalize()


def stored_moment(text: str | None) -> str:
    """Return a moment of a stored state in UTC to the second, "never" where there is none."""
    return utc(datetime.fromisoformat(text)) if text else "never"


def state_in_words(state: Mapping[str, Any]) -> str:
    """Return the four fields of a stored state in a few words, such as "Flat, red, waiting"."""
    color = state.get("trend_color")
    words = [
        HELD.get(str(state.get("current_position")), "unknown"),
        str(color).lower() if color else "no colour yet",
        *(["waiting for re-entry"] if state.get("waiting_for_reentry") == "YES" else []),
    ]
    return ", ".join(words).capitalize()


def order_in_words(order: Order) -> str:
    """Return an order as a sentence: what was done once it filled, what was asked until then."""
    if order.status == OrderStatus.FILLED and order.average_price is not None:
        verb = "Bought" if order.side == OrderSide.BUY else "Sold"
        return f"{verb} {order.filled_quantity} {order.contract} @ {price(order.average_price)}"
    return order_asked(order)


def order_asked(order: Order) -> str:
    """Return what an order asks for, such as "Buy 2 MESZ6"."""
    waits_at = f" at {price(order.price)}" if order.price is not None else ""
    return f"{OrderSide(order.side).label} {order.quantity} {order.contract}{waits_at}"


def price(value: Decimal | None) -> str:
    """Return a price with thousands separators and at least two decimals, a dash where there is none."""
    if value is None:
        return "–"
    text = f"{value:,.{MOST_DECIMALS}f}"
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}".replace("-", "−")


def money(dollars: Decimal | None) -> str:
    """Return dollars to the cent such as "$25,846.20", a dash where the amount is not known."""
    if dollars is None:
        return "–"
    return f"{'−' if dollars < 0 else ''}${abs(dollars):,.2f}"


def gain(dollars: Decimal | None) -> str:
    """Return dollars won or lost with a triangle and a sign, such as "▴ +$184.60"."""
    if not dollars:
        return money(dollars)
    return f"▴ +{money(dollars)}" if dollars > 0 else f"▾ {money(dollars)}"


def gain_tone(dollars: Decimal | None) -> str:
    """Return how dollars won or lost are coloured."""
    return "" if not dollars else "gain" if dollars > 0 else "loss"


def percent(found: Decimal) -> str:
    """Return percent with a sign, such as "+0.72%"."""
    return f"{found:+.2f}%".replace("-", "−")


def setting(value: Any) -> str:
    """Return the value of a setting as a person reads it."""
    if value is None or value == "":
        return "empty"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return f"{value.normalize():,f}"
    return f"{value:%H:%M}" if isinstance(value, time) else str(value)


def clock(moment: datetime | None) -> str:
    """Return the time of day in UTC, the zone to be named once nearby."""
    return f"{moment:%H:%M:%S}" if moment else "–"


def precise(moment: datetime | None) -> str:
    """Return the time of day in UTC to the millisecond."""
    return f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03}" if moment else "–"


def plain_figures(figures: str) -> str:
    """Return a rule's figures as people say them: yes, no, not known."""
    said = {"True": "yes", "False": "no", "None": "not known"}
    return re.sub(r"\b(True|False|None)\b", lambda found: said[found[0]], figures)


def numbers_strong(text: str) -> SafeString:
    """Return a text, escaped, with its numbers set off."""
    parts = NUMBER.split(text)
    return format_html_join(
        "",
        "{}",
        ((format_html("<strong>{}</strong>", part) if n % 2 else part,) for n, part in enumerate(parts)),
    )


def visible(text: str) -> str:
    """Return a text with the characters spelt out that would turn its direction or hide in it."""
    return UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def milliseconds(found: float | None) -> str:
    """Return a time in milliseconds, in seconds from ten of them on, a dash where there is none."""
    if found is None:
        return "–"
    return f"{found:,.0f} ms" if found < 10_000 else f"{found / 1000:,.1f} s"


def signed(quantity: int | None) -> str:
    """Return signed contracts with a true minus sign, a dash where the number is not known."""
    return "–" if quantity is None else str(quantity).replace("-", "−")


def utc(moment: datetime | None) -> str:
    """Return a moment to the second, its zone to be named by the head of the column."""
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else "–"


def both_zones(moment: datetime | None) -> str:
    """Return a moment in UTC to the millisecond, with the exchange's clock beside it."""
    if moment is None:
        return "–"
    local = moment.astimezone(CHICAGO)
    day = "" if local.date() == moment.date() else f"{local.day} {local:%b}, "
    return (
        f"{moment.day} {moment:%b %Y, %H:%M:%S}.{moment.microsecond // 1000:03} UTC "
        f"({day}{local:%H:%M:%S} Chicago)"
    )


def span(start: datetime | None, end: datetime | None) -> str:
    """Return the time between two moments, a dash where one of them is missing."""
    if start is None or end is None:
        return "–"
    seconds = (end - start).total_seconds()
    if seconds < 0:
        return "–"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s" if seconds < 60 else ago(seconds)


def ago(seconds: float) -> str:
    """Return a number of seconds in its two largest units."""
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86400)
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{int(seconds)} s"
