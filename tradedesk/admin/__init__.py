from tradedesk.admin import (  # noqa: F401
    accounts,
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
    strategies,
)
