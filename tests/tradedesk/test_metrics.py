import json
import logging
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import structlog
from django.db import OperationalError
from prometheus_client import REGISTRY
from pytest_django.fixtures import Settings

from broker.base import BrokerOutcomeUnknown, OrderRequest
from tests.builders import confirm_calendars, make_incident, make_order
from tests.fakes import FakeBroker, FakeClock
from tests.infra import files
from tests.posting import Teller
from tests.telling import BLUE
from tradedesk import embedded_metrics, metrics, tasks
from tradedesk.metrics import METRICS, Metric
from tradedesk.models import Bot, TradingMode, TradingState
from tradedesk.services.reports import measuring
from tradedesk.stores import redis
from tradedesk.stores.redis import RedisUnavailable

INFRA = files.parse(files.read()).locals
WANTED = INFRA["desk_metrics"]

type Line = dict[str, Any]


@pytest.fixture
def lines(settings: Settings) -> Iterator[Callable[[], list[Line]]]:
    """Return what reads the figures that the desk wrote to its log since the last look."""
    settings.METRICS_SINK, settings.DESK_NAME = "tradedesk.embedded_metrics.write", "tradedesk-demo"
    metrics._sink.cache_clear()
    (handler,) = (own for own in embedded_metrics.log.handlers if type(own) is logging.StreamHandler)
    standard = handler.setStream(stream := StringIO())

    def read() -> list[Line]:
        written = [json.loads(line) for line in stream.getvalue().splitlines()]
        stream.truncate(0)
        stream.seek(0)
        return written

    yield read
    handler.setStream(standard)
    metrics._sink.cache_clear()


def values(lines: list[Line], name: str) -> list[float]:
    return [line[name] for line in lines if name in line]


def shape(line: Line) -> tuple[str, str, str | None]:
    """Return the name, unit and split of a line, which must have the desk's namespace and dimensions."""
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    (metric,) = directive["Metrics"]
    assert directive["Namespace"] == INFRA["metrics_namespace"]
    assert line["Desk"] == "tradedesk-demo"
    whole, *split = directive["Dimensions"]
    assert whole == ["Desk"]
    assert [names[0] for names in split] == ["Desk"] * len(split)
    assert all(isinstance(line[name], str) and line[name] for names in split for name in names)
    return metric["Name"], metric["Unit"], split[0][1] if split else None


def test_every_figure_that_terraform_knows_is_written_as_it_is_named_there_and_no_other(
    lines: Callable[[], list[Line]], tell: Teller
) -> None:
    tell(BLUE)
    structlog.get_logger().error("trouble")
    tasks.measure()

    written = {shape(line) for line in lines()}

    assert written == {(wanted["name"], wanted["unit"], wanted.get("split")) for wanted in WANTED.values()}
    assert {metric.name for metric in METRICS} == {name for name, _, _ in written}


def test_order_is_timed_from_its_receipt_to_each_stage(
    lines: Callable[[], list[Line]], tell: Teller, clock: FakeClock, broker: FakeBroker
) -> None:
    def slow(_: OrderRequest) -> None:
        clock.advance(0.2)

    broker.before_submit = slow

    tell(BLUE)

    latency = {line["Stage"]: line["OrderLatency"] for line in lines() if "OrderLatency" in line}
    assert latency == {"stored": 0, "decided": 0, "sent": 0, "settled": 200}
    assert list(latency) == INFRA["order_stages"]


def test_decision_is_counted_by_its_reason_and_answer_by_its_word(
    lines: Callable[[], list[Line]], tell: Teller
) -> None:
    tell(BLUE)
    tell(BLUE)

    written = lines()
    assert [line["Reason"] for line in written if "Decisions" in line] == ["TREND_BLUE"]
    assert [line["Status"] for line in written if "Answers" in line] == ["processed", "duplicate"]


def test_order_that_is_settled_late_counts_once(
    lines: Callable[[], list[Line]], tell: Teller, bot: Bot, broker: FakeBroker, clock: FakeClock
) -> None:
    broker.lose_reply(BrokerOutcomeUnknown("no answer"))
    tell(BLUE)
    assert values(lines(), "TradeSuccessRate") == []
    clock.advance(20)

    tasks.recover()
    tasks.recover()

    assert values(lines(), "TradeSuccessRate") == [100]


def test_error_is_counted_by_its_class_or_its_event_without_what_it_says(
    lines: Callable[[], list[Line]],
) -> None:
    log = structlog.get_logger()
    log.error("broker.gone", password="hunter2")
    try:
        raise ValueError("hunter2")
    except ValueError:
        log.exception("broker.odd")
    logging.getLogger("django.request").error("Internal Server Error: %s", "/hunter2/")
    log.warning("no.error")

    errors = [line for line in lines() if "Errors" in line]

    assert [line["Type"] for line in errors] == ["broker.gone", "ValueError", "django.request"]
    assert "hunter2" not in json.dumps(errors)


def _take_long(tell: Teller, broker: FakeBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    broker.before_submit = lambda _: tell.clock.advance(2.2)
    tell(BLUE)


def _reject(tell: Teller, broker: FakeBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    broker.reject("No margin")
    tell(BLUE)


def _log_an_error(tell: Teller, broker: FakeBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    structlog.get_logger().error("trouble")


def _leave_an_order_open(tell: Teller, broker: FakeBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    make_order(Bot.objects.get(), status="unconfirmed")


def _open_an_incident(tell: Teller, broker: FakeBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    make_incident(Bot.objects.get())


def _halt(tell: Teller, broker: FakeBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    TradingState.objects.filter(scope="bot:mes-paper").update(mode=TradingMode.HALTED)


def _fall_silent(tell: Teller, broker: FakeBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    confirm_calendars()
    tell("HEARTBEAT", timeframe="10")
    tell.clock.advance(timedelta(hours=1).total_seconds())


def _lose_redis(tell: Teller, broker: FakeBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    def ping() -> None:
        raise RedisUnavailable

    monkeypatch.setattr(redis, "ping", ping)


def _lose_database(tell: Teller, broker: FakeBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    def counted(_: object) -> dict[Metric, float]:
        raise OperationalError

    monkeypatch.setattr(measuring, "_counted", counted)


TROUBLE = {
    "execution_time": _take_long,
    "trade_success_rate": _reject,
    "errors": _log_an_error,
    "unconfirmed_orders": _leave_an_order_open,
    "open_incidents": _open_an_incident,
    "kill_switch": _halt,
    "missed_heartbeats": _fall_silent,
    "redis_healthy": _lose_redis,
    "database_healthy": _lose_database,
}


def test_every_alarm_of_a_desk_figure_is_tried() -> None:
    assert INFRA["alarms"].keys() & WANTED.keys() == TROUBLE.keys()


@pytest.mark.parametrize("alarm", TROUBLE)
def test_alarm_goes_off_in_its_trouble_and_not_before(
    alarm: str,
    lines: Callable[[], list[Line]],
    tell: Teller,
    broker: FakeBroker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits = INFRA["alarms"][alarm]

    def goes_off() -> bool:
        tasks.measure()
        seen = values(lines(), WANTED[alarm]["name"])
        return any(
            value > limits["above"] if "above" in limits else value < limits["below"] for value in seen
        )

    assert not goes_off()
    TROUBLE[alarm](tell, broker, monkeypatch)
    assert goes_off()


def test_prometheus_gets_the_same_figures_in_its_own_units(tell: Teller) -> None:
    def seen(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, labels) or 0.0

    named = {
        "answers": ("tradedesk_answers_total", {"status": "processed"}),
        "decisions": ("tradedesk_decisions_total", {"reason": "TREND_BLUE"}),
        "timed": ("tradedesk_execution_time_seconds_count", {}),
        "settled": ("tradedesk_order_latency_seconds_count", {"stage": "settled"}),
        "traded": ("tradedesk_trade_success_ratio_count", {}),
        "went well": ("tradedesk_trade_success_ratio_sum", {}),
        "errors": ("tradedesk_errors_total", {"type": "trouble"}),
    }
    before = {key: seen(name, **labels) for key, (name, labels) in named.items()}

    tell(BLUE)
    structlog.get_logger().error("trouble")

    assert {
        key: seen(name, **labels) - before[key] for key, (name, labels) in named.items()
    } == dict.fromkeys(named, 1.0)
