"""The pages in the order of a working day. A line is a title, an icon, and a model's name or a page's."""

from typing import Any

from django.db import DatabaseError
from django.http import HttpRequest
from django.urls import reverse

from tradedesk import wiring
from tradedesk.admin.tally import FAILED, STOPPED, of_today

Line = tuple[str, str, str]

OVERVIEW: Line = ("Overview", "dashboard", "admin:index")
GROUPS: dict[str, list[Line]] = {
    "Trading": [
        ("Alerts", "bolt", "tradedesk.alert"),
        ("Decisions", "rule", "tradedesk.decision"),
        ("Orders", "receipt_long", "tradedesk.order"),
        ("Fills", "done_all", "tradedesk.fill"),
        ("Positions", "layers", "tradedesk.botstate"),
    ],
    "Performance": [
        ("P&L and equity", "monitoring", "profit"),
        ("Latency", "timer", "latency"),
    ],
    "Operations": [
        ("Kill switch", "pan_tool", "kill_switch"),
        ("Incidents", "report", "tradedesk.incident"),
        ("Connections", "cable", "connections"),
        ("Notices", "notifications", "tradedesk.notice"),
        ("Trading states", "traffic", "tradedesk.tradingstate"),
        ("State changes", "swap_vert", "tradedesk.tradingstatechange"),
        ("Flattens", "vertical_align_center", "tradedesk.flattenwish"),
        ("Audit log", "history", "tradedesk.auditentry"),
    ],
    "Setup": [
        ("Bots", "smart_toy", "tradedesk.bot"),
        ("Strategies", "schema", "tradedesk.strategy"),
        ("Accounts", "account_balance", "tradedesk.account"),
        ("Symbols", "tag", "tradedesk.instrument"),
        ("Risk limits", "shield", "limits"),
        ("Sessions", "schedule", "tradedesk.sessionrule"),
        ("Holidays", "event", "tradedesk.holiday"),
        ("Webhook tokens", "key", "tradedesk.webhooktoken"),
        ("Second factor", "phonelink_lock", "second_factor"),
        ("People", "person", "auth.user"),
        ("Groups", "group", "auth.group"),
        ("API tokens", "vpn_key", "knox.authtoken"),
    ],
    "Help": [("Checklist", "checklist", "setup")],
}


TITLES = {name: title for lines in GROUPS.values() for title, _, name in lines}


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the groups and pages that a person may see, as Unfold's sidebar takes them."""
    groups = {"": [OVERVIEW], **GROUPS}
    badges = _badges(request)
    shown = [
        {
            "title": title,
            "items": [item for line in lines if (item := _item(request, *line, badges.get(line[2])))],
        }
        for title, lines in groups.items()
    ]
    return [group for group in shown if group["items"]]


def _item(request: HttpRequest, title: str, icon: str, name: str, badge: int | None) -> dict[str, Any] | None:
    app, _, model = name.partition(".")
    if not model:
        link = reverse(name)
    elif request.user.has_perm(f"{app}.view_{model}") or request.user.has_perm(f"{app}.change_{model}"):
        link = reverse(f"admin:{app}_{model}_changelist")
    else:
        return None
    is_current = request.path == link or (model != "" and request.path.startswith(link))
    attributes = {"aria-current": "page"} if is_current else {}
    item = {"title": title, "icon": icon, "link": link, "active": is_current, "link_attrs": attributes}
    return item | ({"badge": badge, "badge_variant": "warning"} if badge else {})


def _badges(request: HttpRequest) -> dict[str, int]:
    """Return the one number that the sidebar shows: alerts of this session that were stopped or failed."""
    if not request.user.has_perm("tradedesk.view_alert"):
        return {}
    try:
        counts = of_today(wiring.desk().now())
    except DatabaseError:
        # The page itself says that it could not be read; the way to the others stays.
        return {}
    return {"tradedesk.alert": counts.of(*STOPPED, *FAILED)}
