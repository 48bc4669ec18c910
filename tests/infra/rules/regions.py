"""Two regions: one name that leads to the one that is well, over TLS, and a lease between them."""

import json
from collections.abc import Iterator

from tests.infra.files import Config, block

RECORD = {
    "type": "A",
    "set_identifier": "${var.region}",
    "health_check_id": "${aws_route53_health_check.desk[0].id}",
}
HEALTH = {
    "type": "CLOUDWATCH_METRIC",
    "cloudwatch_alarm_name": '${aws_cloudwatch_metric_alarm.desk["database_healthy"].alarm_name}',
    "insufficient_data_health_status": "Unhealthy",
}


def findings(config: Config) -> Iterator[str]:
    """Return what would lead alerts to a dead region, or let two regions send."""
    record, health = (
        config.resource("aws_route53_record", "desk"),
        config.resource("aws_route53_health_check", "desk"),
    )
    if {name: record.get(name) for name in RECORD} != RECORD:
        yield "regions: the name does not follow the health of each"
    if block(record, "failover_routing_policy").get("type") != "${var.pair.role}":
        yield "regions: none comes first"
    if {name: health.get(name) for name in HEALTH} != HEALTH:
        yield "regions: silence counts as health"
    if config.resource("aws_api_gateway_domain_name", "desk").get("security_policy") != "TLS_1_2":
        yield "regions: old TLS is taken"
    if config.variables.get("pair", {}).get("default", "") is not None:
        yield "regions: two without being asked for"
    worker = json.dumps(config.resource("aws_ecs_task_definition", "worker"))
    if "for pair in var.pair[*]" not in worker or "DESK_REGION" not in worker:
        yield "regions: the worker does not know its own and asks for no lease"
