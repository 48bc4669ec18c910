from tradedesk.admin import (  # noqa: F401
    alerts,
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
