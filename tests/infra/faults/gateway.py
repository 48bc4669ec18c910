"""Faults of the gateway and logs."""

from tests.infra.fault import Fault

ALERTS_CONDITION = """    condition {
      test     = "IpAddress"
      variable = "aws:SourceIp"
      values   = local.tradingview_addresses
    }
"""

FAULTS = {
    "alerts from anywhere": Fault(
        "gateway_limits.tf", ALERTS_CONDITION, "", "gateway: Alerts may come from anywhere"
    ),
    "a foreign address": Fault(
        "gateway_limits.tf", "52.89.214.238/32", "52.89.0.0/16", "gateway: the addresses are not"
    ),
    "alerts reach the panel": Fault(
        "gateway_limits.tf", "/POST/webhooks/*", "/*", "gateway: TradingView's addresses reach"
    ),
    "programs without a key": Fault(
        "gateway.tf", "key = true", "key = false", "gateway: routes, methods or keys"
    ),
    "no throttling": Fault(
        "gateway_limits.tf", "    throttling_rate_limit  = 50\n", "", "gateway: not throttled"
    ),
    "a quota": Fault(
        "gateway_limits.tf",
        "  throttle_settings {",
        '  quota_settings {\n    limit  = 1000\n    period = "DAY"\n  }\n\n  throttle_settings {',
        "gateway: a spent quota would refuse the kill switch",
    ),
    "tokens in access logs": Fault(
        "gateway.tf", "$context.resourcePath", "$context.path", "gateway: access logs"
    ),
    "tokens in execution logs": Fault("gateway_limits.tf", '"OFF"', '"INFO"', "gateway: execution logs"),
    "logs for ever": Fault(
        "logs.tf",
        'lambda/${local.desk}"\n  retention_in_days = var.log_retention_days',
        'lambda/${local.desk}"',
        "log group function: kept for ever",
    ),
    "worldwide endpoint": Fault("gateway.tf", '"REGIONAL"', '"EDGE"', "gateway: not regional"),
    "gateway without the role": Fault(
        "gateway.tf", "aws_iam_role.desk.arn", "aws_iam_role.gateway_logs.arn", "gateway: may not invoke"
    ),
    "a third way in": Fault("gateway_limits.tf", '"People"', '"Everyone"', "gateway: lets in others"),
    "panel open unless told": Fault(
        "variables.tf",
        'the only wall."\n  type        = list(string)\n',
        'the only wall."\n  type        = list(string)\n  default     = ["0.0.0.0/0"]\n',
        "gateway: nobody had to say",
    ),
    "programs without a limit": Fault(
        "gateway_limits.tf",
        "  throttle_settings {\n    rate_limit  = 10\n    burst_limit = 20\n  }\n",
        "",
        "gateway: programs are not limited",
    ),
    "tokens in traces": Fault(
        "gateway.tf",
        "stage_name    = var.stage",
        "stage_name    = var.stage\n  xray_tracing_enabled = true",
        "gateway: traces would hold tokens",
    ),
}
