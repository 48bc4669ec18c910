"""Faults of a desk in two regions."""

from tests.infra.fault import Fault

FAULTS = {
    "name leads to a dead region": Fault(
        "regions.tf",
        "  health_check_id = aws_route53_health_check.desk[0].id\n",
        "",
        "regions: the name does not follow",
    ),
    "a silent region is well": Fault("regions.tf", '"Unhealthy"', '"Healthy"', "regions: silence counts"),
    "both regions come first": Fault(
        "regions.tf", "type = var.pair.role", 'type = "PRIMARY"', "regions: none"
    ),
    "old TLS": Fault("regions.tf", '"TLS_1_2"', '"TLS_1_0"', "regions: old TLS"),
    "worker without a region": Fault(
        "worker.tf",
        '      [for pair in var.pair[*] : { name = "DESK_REGION", value = var.region }],\n',
        "",
        "regions: the worker",
    ),
}
