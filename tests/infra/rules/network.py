"""Who may talk to whom, and what lies where."""

from collections.abc import Iterator
from ipaddress import IPv4Network

from tests.infra.files import Body, Config, block, is_expression

type Talk = tuple[str, str, int, str]

ANYWHERE = "0.0.0.0/0"
VPC = "aws_vpc.desk.cidr_block"
TALKS: set[Talk] = {
    ("desk", "egress", 443, ANYWHERE),
    ("desk", "egress", 6379, "aws_security_group.redis.id"),
    ("redis", "ingress", 6379, "aws_security_group.desk.id"),
    ("desk", "egress", 5432, "aws_security_group.database.id"),
    ("database", "ingress", 5432, "aws_security_group.desk.id"),
    ("nat", "ingress", 443, VPC),
    ("nat", "egress", 443, ANYWHERE),
}
# Other ways to say who may talk: with them the table above would not be the whole truth.
ELSEWHERE = {"aws_security_group_rule", "aws_network_acl_rule", "aws_default_network_acl"}
PRIVATE = "${aws_subnet.private[*].id}"


def findings(config: Config) -> Iterator[str]:
    """Return what the network lets through beyond need, and what it should let through and does not."""
    found = set(_talks(config))
    yield from (f"network: {_said(talk)} is not allowed" for talk in sorted(found - TALKS))
    yield from (f"network: {_said(talk)} is missing" for talk in sorted(TALKS - found))
    for kind, name in config.resources:
        if kind in ELSEWHERE:
            yield f"network: {kind}.{name} is not read by this test"
    for name, body in config.of_type("aws_security_group").items():
        if body.keys() & {"ingress", "egress"}:
            yield f"network: aws_security_group.{name} has rules of its own"
    closed = config.of_type("aws_default_security_group")
    if len(closed) != 1 or any(body.keys() & {"ingress", "egress"} for body in closed.values()):
        yield "network: the default security group is not closed"
    yield from _places(config)


def _talks(config: Config) -> Iterator[Talk]:
    for direction in ("ingress", "egress"):
        for rule in config.of_type(f"aws_vpc_security_group_{direction}_rule").values():
            group = _group(rule["security_group_id"])
            if rule.get("ip_protocol") != "tcp" or rule.get("from_port") != rule.get("to_port"):
                yield group, direction, 0, "every port"
                continue
            peer = (
                rule.get("referenced_security_group_id")
                or rule.get("cidr_ipv4")
                or str(rule.get("cidr_ipv6"))
            )
            yield group, direction, rule["from_port"], _bare(peer)


def _group(expression: str) -> str:
    """Return the name of a security group from `${aws_security_group.NAME.id}`."""
    return expression.split(".")[1].split("[", maxsplit=1)[0]


def _bare(expression: str) -> str:
    return expression.removeprefix("${").removesuffix("}")


def _said(talk: Talk) -> str:
    group, direction, port, peer = talk
    return f"{group} {direction} {port} {peer}"


def _places(config: Config) -> Iterator[str]:
    network = IPv4Network(config.resource("aws_vpc", "desk").get("cidr_block", ANYWHERE))
    for name, subnet in config.of_type("aws_subnet").items():
        cidr = subnet.get("cidr_block", ANYWHERE)
        if not is_expression(cidr) and not IPv4Network(cidr).subnet_of(network):
            yield f"network: subnet {name} lies outside the VPC"
        if subnet.get("map_public_ip_on_launch"):
            yield f"network: subnet {name} gives out public addresses"
    for kind in ("aws_db_subnet_group", "aws_elasticache_subnet_group"):
        if config.resource(kind, "desk").get("subnet_ids") != PRIVATE:
            yield f"network: {kind} is not the private subnets"
    for name, route in config.of_type("aws_route").items():
        if "private" in route.get("route_table_id", "") and "gateway_id" in route:
            yield f"network: route {name} leads from the private subnets straight to the internet"
    yield from _machines(config)


def _machines(config: Config) -> Iterator[str]:
    worker: Body = block(config.resource("aws_ecs_service", "worker"), "network_configuration")
    if worker.get("subnets") != PRIVATE or worker.get("assign_public_ip") is not False:
        yield "network: the worker is not in the private subnets alone"
    nat = config.resource("aws_launch_template", "nat")
    if block(nat, "metadata_options").get("http_tokens") != "required":
        yield "network: the NAT instance gives out its credentials without a token"
