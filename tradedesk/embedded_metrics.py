import json
import logging
import sys
import time

from django.conf import settings

from tradedesk.metrics import Metric

NAMESPACE = "TradeDesk"

# A line is one JSON object and nothing else, whatever level and form the rest of the log has.
log = logging.getLogger(__name__)
log.setLevel(logging.INFO)
log.propagate = False
log.addHandler(logging.StreamHandler(sys.stdout))


def write(metric: Metric, value: float, label: str) -> None:
    """Write a value to the log in CloudWatch's embedded metric format: no call leaves the process."""
    dimensions = [["Desk"], ["Desk", metric.split]] if metric.split else [["Desk"]]
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": dimensions,
        "Metrics": [{"Name": metric.name, "Unit": metric.unit.value}],
    }
    fields = {
        "_aws": {"Timestamp": time.time_ns() // 1_000_000, "CloudWatchMetrics": [directive]},
        "Desk": settings.DESK_NAME,
        metric.name: value,
    }
    if metric.split:
        fields[metric.split] = label
    log.info("%s", json.dumps(fields))
