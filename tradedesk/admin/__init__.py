from tradedesk.admin import (  # noqa: F401
    alerts,
    audit,
    bots,
    calendar,
    controls,
    decisions,
    incidents,
    instruments,
    notices,
    orders,
    people,
)
