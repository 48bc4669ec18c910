"""What django-unfold is told about the panel. Its colours are Unfold's names for the panel's own."""

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static


def _style(_: HttpRequest) -> str:
    return static("tradedesk/panel.css")


def _icon(_: HttpRequest) -> str:
    return static("tradedesk/icon.svg")


def _script(_: HttpRequest) -> str:
    return static("tradedesk/panel.js")


SLATE = {
    "50": "#f8fafc",
    "100": "#f1f5f9",
    "200": "#e2e8f0",
    "300": "#cbd5e1",
    "400": "#94a3b8",
    "500": "#64748b",
    "600": "#475569",
    "700": "#2b3a55",
    "800": "#1f2b41",
    "900": "#0b1220",
    "950": "#080d18",
}
BLUE = {
    "50": "#eff6ff",
    "100": "#dbeafe",
    "200": "#bfdbfe",
    "300": "#93c5fd",
    "400": "#7fb0ff",
    "500": "#60a5fa",
    "600": "#1d4ed8",
    "700": "#1d4ed8",
    "800": "#1e40af",
    "900": "#1e3a8a",
    "950": "#172554",
}

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "TradeDesk",
    "SITE_HEADER": "TradeDesk",
    "SITE_SUBHEADER": "TradingView → Tradovate",
    "SITE_SYMBOL": "candlestick_chart",
    "SITE_URL": None,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _icon}],
    "BORDER_RADIUS": "8px",
    "LOGIN": {"form": "tradedesk.admin.login.LoginForm"},
    "COLORS": {"base": SLATE, "primary": BLUE},
    "STYLES": [_style],
    "SCRIPTS": [_script],
    "SIDEBAR": {"show_search": True, "navigation": "tradedesk.admin.sidebar.navigation"},
}
