import re

from prometheus_client import Counter, Histogram, Summary
from prometheus_client.core import GaugeMetricFamily

from tradedesk.metrics import EVENTS, Metric, Unit

SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60)


def write(metric: Metric, value: float, label: str) -> None:
    """Add a value to what this process tells Prometheus: times in seconds, shares from 0 to 1."""
    family = FAMILIES[metric]
    child = family.labels(label) if metric.split else family
    match child:
        case Counter():
            child.inc(value)
        case Histogram():
            child.observe(value / 1000)
        case _:
            child.observe(value / 100)


def gauge(metric: Metric, value: float) -> GaugeMetricFamily:
    """Return a figure of this moment as Prometheus reads it."""
    return GaugeMetricFamily(_name(metric), metric.meaning, value)


def _family(metric: Metric) -> Counter | Histogram | Summary:
    labels = [metric.split.lower()] if metric.split else []
    match metric.unit:
        case Unit.MILLISECONDS:
            return Histogram(f"{_name(metric)}_seconds", metric.meaning, labels, buckets=SECONDS)
        case Unit.PERCENT:
            return Summary(f"{_name(metric)}_ratio", metric.meaning, labels)
        case _:
            return Counter(_name(metric), metric.meaning, labels)


def _name(metric: Metric) -> str:
    return "tradedesk" + re.sub(r"([A-Z])", r"_\1", metric.name).lower().removesuffix("_rate")


FAMILIES = {metric: _family(metric) for metric in EVENTS}
