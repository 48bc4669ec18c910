from typing import Any

GROUPS = {
    "Trading": ["Alert", "Decision", "Order", "Fill", "BotState"],
    "Operations": ["Incident", "Notice", "TradingState", "TradingStateChange", "FlattenWish", "AuditEntry"],
    "Setup": [
        "Bot",
        "Strategy",
        "Account",
        "Instrument",
        "SessionRule",
        "Holiday",
        "WebhookToken",
        "User",
        "Group",
        "AuthToken",
    ],
}
NAMES = {"BotState": "Positions", "AuditEntry": "Audit log", "AuthToken": "API tokens"}


def groups_of(apps: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the pages a person may see in the order of a working day; `apps` is what Django lists."""
    pages = {page["object_name"]: page for app in apps for page in app["models"]}
    for name, shown in NAMES.items():
        if name in pages:
            pages[name] = {**pages[name], "name": shown}
    grouped = [(title, [pages[name] for name in names if name in pages]) for title, names in GROUPS.items()]
    known = {name for names in GROUPS.values() for name in names}
    others = [page for name, page in pages.items() if name not in known]
    return [(title, listed) for title, listed in [*grouped, ("More", others)] if listed]
