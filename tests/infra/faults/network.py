"""Faults of the network."""

from tests.infra.fault import Fault

REDIS_RULE = 'resource "aws_vpc_security_group_ingress_rule" "redis" {'
OPEN_REDIS = f"""resource "aws_vpc_security_group_ingress_rule" "debug" {{
  security_group_id = aws_security_group.redis.id
  ip_protocol       = "tcp"
  from_port         = 6379
  to_port           = 6379
  cidr_ipv4         = "0.0.0.0/0"
}}

{REDIS_RULE}"""
FUNCTION_TO_REDIS = """resource "aws_vpc_security_group_egress_rule" "desk_redis" {
  security_group_id            = aws_security_group.desk.id
  ip_protocol                  = "tcp"
  from_port                    = 6379
  to_port                      = 6379
  referenced_security_group_id = aws_security_group.redis.id
}
"""

FAULTS = {
    "Redis open to the world": Fault(
        "security_groups.tf", REDIS_RULE, OPEN_REDIS, "network: redis ingress 6379 0.0.0.0/0 is not allowed"
    ),
    "function cannot reach Redis": Fault(
        "security_groups.tf",
        FUNCTION_TO_REDIS,
        "",
        "network: desk egress 6379 aws_security_group.redis.id is missing",
    ),
    "subnet outside the VPC": Fault(
        "network.tf",
        "cidrsubnet(aws_vpc.desk.cidr_block, 8, count.index + 10)",
        '"10.99.1.0/24"',
        "network: subnet private lies outside the VPC",
    ),
    "database in public subnets": Fault(
        "database.tf",
        "aws_subnet.private[*].id",
        "aws_subnet.public[*].id",
        "network: aws_db_subnet_group is not",
    ),
    "private route to the internet": Fault(
        "network.tf",
        "aws_route_table.public.id\n  destination_cidr_block",
        "aws_route_table.private.id\n  destination_cidr_block",
        "network: route internet leads from the private subnets",
    ),
    "worker with a public address": Fault(
        "worker.tf", "assign_public_ip = false", "assign_public_ip = true", "network: the worker is not in"
    ),
    "instance credentials for the asking": Fault(
        "nat.tf", '"required"', '"optional"', "network: the NAT instance gives out"
    ),
    "rule of another kind": Fault(
        "security_groups.tf",
        REDIS_RULE,
        'resource "aws_security_group_rule" "redis" {',
        "network: aws_security_group_rule.redis is not read",
    ),
    "rule inside a group": Fault(
        "security_groups.tf",
        'description = "Redis"',
        'description = "Redis"\n  ingress     = []',
        "network: aws_security_group.redis has rules of its own",
    ),
    "default group with rules": Fault(
        "security_groups.tf",
        '"closed" {\n  vpc_id = aws_vpc.desk.id',
        '"closed" {\n  vpc_id = aws_vpc.desk.id\n  ingress = []',
        "network: the default security group is not closed",
    ),
    "every port": Fault(
        "security_groups.tf",
        'carry notices"\n  ip_protocol       = "tcp"',
        'carry notices"\n  ip_protocol       = "-1"',
        "network: desk egress 0 every port is not allowed",
    ),
    "public addresses for all": Fault(
        "network.tf",
        "count.index + 10)",
        "count.index + 10)\n  map_public_ip_on_launch = true",
        "network: subnet private gives out public addresses",
    ),
}
