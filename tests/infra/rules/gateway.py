"""What stands before the function: addresses, keys, limits, and logs without tokens."""

from collections.abc import Iterator

from tests.infra.files import Config, block, blocks

ADDRESSES = ["52.89.214.238/32", "34.212.75.30/32", "54.218.53.128/32", "52.32.178.7/32"]
SOURCES = {"Alerts": "${local.tradingview_addresses}", "People": "${var.panel_addresses}"}
ROUTES = {"webhook": ("POST", False), "api": ("ANY", True), "panel": ("ANY", False), "home": ("ANY", False)}


def findings(config: Config) -> Iterator[str]:
    """Return ways past the gateway's checks, and tokens that it would log."""
    yield from _addresses(config)
    routes = config.locals.get("routes", {})
    if {name: (route["method"], route["key"]) for name, route in routes.items()} != ROUTES:
        yield "gateway: routes, methods or keys are others"
    if block(config.resource("aws_api_gateway_rest_api", "desk"), "endpoint_configuration").get("types") != [
        "REGIONAL"
    ]:
        yield "gateway: not regional"
    if (
        config.resource("aws_api_gateway_integration", "desk").get("credentials")
        != "${aws_iam_role.desk.arn}"
    ):
        yield "gateway: may not invoke the function"
    yield from _limits(config)
    yield from _logs(config)


def _addresses(config: Config) -> Iterator[str]:
    if config.locals.get("tradingview_addresses") != ADDRESSES:
        yield "gateway: the addresses are not TradingView's"
    statements = {statement["sid"]: statement for statement in config.policy("gateway")}
    if statements.keys() != SOURCES.keys() or not config.resource("aws_api_gateway_rest_api_policy", "desk"):
        yield "gateway: lets in others than alerts and people"
    for name, statement in statements.items():
        condition = block(statement, "condition")
        if (condition.get("test"), condition.get("variable"), condition.get("values")) != (
            "IpAddress",
            "aws:SourceIp",
            SOURCES.get(name),
        ):
            yield f"gateway: {name} may come from anywhere"
    if not statements.get("Alerts", {}).get("resources", [""])[0].endswith("/POST/webhooks/*"):
        yield "gateway: TradingView's addresses reach more than the webhook"
    if "default" in config.variables["panel_addresses"]:
        yield "gateway: nobody had to say who reaches the panel"


def _limits(config: Config) -> Iterator[str]:
    method = config.resource("aws_api_gateway_method_settings", "desk")
    settings = block(method, "settings")
    if method.get("method_path") != "*/*" or not 0 < settings.get("throttling_rate_limit", -1) <= 100:
        yield "gateway: not throttled"
    plan = config.resource("aws_api_gateway_usage_plan", "programs")
    if not blocks(plan, "api_stages") or not blocks(plan, "throttle_settings"):
        yield "gateway: programs are not limited"
    if blocks(plan, "quota_settings"):
        yield "gateway: a spent quota would refuse the kill switch"


def _logs(config: Config) -> Iterator[str]:
    settings = block(config.resource("aws_api_gateway_method_settings", "desk"), "settings")
    if settings.get("logging_level") != "OFF" or settings.get("data_trace_enabled") is not False:
        yield "gateway: execution logs would hold tokens"
    stage = config.resource("aws_api_gateway_stage", "desk")
    if stage.get("xray_tracing_enabled"):
        yield "gateway: traces would hold tokens"
    form = block(stage, "access_log_settings").get("format", "")
    if not form or "$context.path" in form or "$context.requestOverride" in form:
        yield "gateway: access logs are missing or would hold tokens"
    for name, group in config.of_type("aws_cloudwatch_log_group").items():
        if not group.get("retention_in_days"):
            yield f"log group {name}: kept for ever"
