from datetime import datetime

from tradedesk.models import Alert, AlertOutcome, Strategy

LOOKED_AT = 200
HEARTBEAT = "HEARTBEAT"


def last_of_each_event(strategy: Strategy) -> dict[str, datetime]:
    """Return when each event of a strategy came last, by its action, among the latest 200 alerts. One query.

    An event that is not there has not come. `strategy` tells of the heartbeat, which makes no row.
    """
    alerts = Alert.objects.filter(strategy=strategy, outcome=AlertOutcome.ACCEPTED).order_by("-id")
    # From the oldest on, so that the newest of each stays.
    found = dict(reversed(alerts.values_list("action", "received_at")[:LOOKED_AT]))
    return found | ({HEARTBEAT: strategy.heartbeat_at} if strategy.heartbeat_at else {})
