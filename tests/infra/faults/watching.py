"""Faults of metrics and alarms."""

from tests.infra.fault import Fault

DATABASE_ALARM = """database does not answer the desk, or the desk's schedule does not run"
      statistic = "Minimum", below = 1, period = 60, periods = 3, missing = "breaching"
"""
DEAF = DATABASE_ALARM.replace('"breaching"', '"ignore"')

FAULTS = {
    "metric misspelt": Fault(
        "metrics.tf", '"FreeStorageSpace"', '"FreeStorage"', "metrics: AWS has no AWS/RDS FreeStorage"
    ),
    "dimension of another service": Fault(
        "metrics.tf",
        "CacheClusterId = ",
        "ReplicationGroupId = ",
        "metrics: redis_memory has other dimensions",
    ),
    "desk metric renamed": Fault(
        "metrics.tf", '"KillSwitchEngaged"', '"KillSwitch"', "metrics: the desk's names"
    ),
    "alarm without its metric": Fault(
        "alarms.tf", "    kill_switch = {", "    killed = {", "alarms: kill_switch is missing"
    ),
    "alarm without a threshold": Fault(
        "alarms.tf", "above = 12000", "over = 12000", "alarms: function_duration has no"
    ),
    "silence taken for health": Fault(
        "alarms.tf", DATABASE_ALARM, DEAF, "alarms: the silence of database_healthy"
    ),
    "alarms to nobody": Fault(
        "alarms.tf", "  alarm_actions = [aws_sns_topic.alarms.arn]\n", "", "alarms: reach nobody"
    ),
    "namespace of another": Fault("metrics.tf", '"TradeDesk"', '"Desk"', "metrics: the namespace is another"),
    "statistic misspelt": Fault(
        "alarms.tf", '"p95", above = 2500', '"p59", above = 2500', "alarms: gateway_latency cannot"
    ),
}
