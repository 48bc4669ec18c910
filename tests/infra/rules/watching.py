"""Alarms and metrics: each alarm watches a metric that exists, and reaches a person."""

from collections.abc import Iterator

from tests.infra.files import Config

DESK = {
    "answers": "Answers",
    "execution_time": "ExecutionTime",
    "trade_success_rate": "TradeSuccessRate",
    "errors": "Errors",
    "order_latency": "OrderLatency",
    "decisions": "Decisions",
    "unconfirmed_orders": "UnconfirmedOrders",
    "open_incidents": "OpenIncidents",
    "kill_switch": "KillSwitchEngaged",
    "missed_heartbeats": "MissedHeartbeats",
    "redis_healthy": "RedisHealthy",
    "database_healthy": "DatabaseHealthy",
}
# As AWS names them, with the dimensions that it writes.
AWS = {
    "AWS/Lambda": ({"Duration", "Errors", "Throttles"}, {"FunctionName"}),
    "AWS/ApiGateway": ({"Latency", "4XXError", "5XXError"}, {"ApiName", "Stage"}),
    "AWS/ElastiCache": ({"DatabaseMemoryUsagePercentage", "EngineCPUUtilization"}, {"CacheClusterId"}),
    "AWS/RDS": ({"CPUUtilization", "FreeStorageSpace", "DatabaseConnections"}, {"DBInstanceIdentifier"}),
}
ALARMED = DESK.keys() - {"answers", "order_latency", "decisions"} | {
    "function_errors",
    "function_throttles",
    "function_duration",
    "gateway_latency",
    "gateway_5xx",
    "redis_memory",
    "redis_cpu",
    "database_cpu",
    "database_space",
}
STATISTICS = {"Sum", "Maximum", "Minimum", "Average", "p95"}
MISSING = {"notBreaching", "ignore", "breaching"}
PROOFS_OF_LIFE = ("redis_healthy", "database_healthy")


def findings(config: Config) -> Iterator[str]:
    """Return metrics under other names, alarms that cannot go off, and alarms that nobody hears."""
    if config.locals.get("metrics_namespace") != "TradeDesk":
        yield "metrics: the namespace is another"
    names = {key: metric["name"] for key, metric in config.locals["desk_metrics"].items()}
    if names != DESK:
        yield "metrics: the desk's names are others"
    yield from _aws_metrics(config)
    yield from _alarms(config)
    actions = config.resource("aws_cloudwatch_metric_alarm", "desk").get("alarm_actions")
    if actions != ["${aws_sns_topic.alarms.arn}"] or not config.of_type("aws_sns_topic_subscription"):
        yield "alarms: reach nobody"


def _aws_metrics(config: Config) -> Iterator[str]:
    for key, metric in config.locals["aws_metrics"].items():
        names, dimensions = AWS.get(metric["namespace"], (set(), set()))
        local = metric["dimensions"].removeprefix("${local.").removesuffix("}")
        if metric["name"] not in names:
            yield f"metrics: AWS has no {metric['namespace']} {metric['name']}"
        if config.locals.get(local, {}).keys() != dimensions:
            yield f"metrics: {key} has other dimensions at AWS"


def _alarms(config: Config) -> Iterator[str]:
    alarms = config.locals["alarms"]
    for key in sorted(ALARMED ^ alarms.keys()):
        yield f"alarms: {key} is {'missing' if key in ALARMED else 'unknown'}"
    for key, alarm in alarms.items():
        if ("above" in alarm) == ("below" in alarm):
            yield f"alarms: {key} has no single threshold"
        if alarm["statistic"] not in STATISTICS or alarm["missing"] not in MISSING or not alarm["periods"]:
            yield f"alarms: {key} cannot go off"
    for key in PROOFS_OF_LIFE:
        if alarms.get(key, {}).get("missing") != "breaching":
            yield f"alarms: the silence of {key} goes unheard"
