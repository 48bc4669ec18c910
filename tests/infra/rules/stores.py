"""Redis, database, secrets and packages: encrypted, private, backed up, and no secret in a file."""

import re
from collections.abc import Iterator

from tests.infra.files import Body, Config, block, blocks, texts_in

REDIS: Body = {
    "engine": "valkey",
    "engine_version": "8.0",
    "transit_encryption_enabled": True,
    "transit_encryption_mode": "required",
    "at_rest_encryption_enabled": True,
    "auth_token": "${var.redis_token}",
    "security_group_ids": ["${aws_security_group.redis.id}"],
    "subnet_group_name": "${aws_elasticache_subnet_group.desk.name}",
    "parameter_group_name": "${aws_elasticache_parameter_group.desk.name}",
}
DATABASE: Body = {
    "engine": "postgres",
    "engine_version": "17",
    "storage_encrypted": True,
    "publicly_accessible": False,
    "password_wo": "${local.follows == null ? var.database_password : null}",
    "deletion_protection": True,
    "skip_final_snapshot": False,
    "vpc_security_group_ids": ["${aws_security_group.database.id}"],
    "db_subnet_group_name": "${aws_db_subnet_group.desk.name}",
    "parameter_group_name": "${aws_db_parameter_group.desk.name}",
}
WALLS = ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")
SIZES = {
    "redis_node_type": r"cache\.(t3|t4g|m7g|r7g)\.(micro|small|medium|large)",
    "database_instance_class": r"db\.(t4g|m7g|r7g)\.(micro|small|medium|large)",
}
# Arguments whose value Terraform would write into the state, or that would stand in a file.
KEPT = {"password", "secret_string", "secret_binary", "manage_master_user_password"}
SECRETS = {"secret_key", "database_password", "redis_token", "notify_urls"}
# ElastiCache has no write-only argument for its token.
IN_STATE = {"redis_token"}
LOOKS_SECRET = re.compile(r"AKIA[0-9A-Z]{16}|://[^$\s/]*:[^$\s@/]+@|-----BEGIN")


def findings(config: Config) -> Iterator[str]:
    """Return what is open, unencrypted, without a backup, or a secret in the open."""
    yield from _differences("redis", config.resource("aws_elasticache_replication_group", "desk"), REDIS)
    yield from _differences("database", config.resource("aws_db_instance", "desk"), DATABASE)
    yield from _few_faults(config)
    yield from _parameters(config)
    yield from _sizes(config)
    yield from _packages(config)
    yield from _secrets(config)


def _differences(name: str, body: Body, wanted: Body) -> Iterator[str]:
    for argument, value in wanted.items():
        if body.get(argument) != value:
            yield f"{name}: {argument} is not {value}"


def _few_faults(config: Config) -> Iterator[str]:
    redis = config.resource("aws_elasticache_replication_group", "desk")
    if redis.get("automatic_failover_enabled") and redis.get("num_cache_clusters", 1) < 2:
        yield "redis: failover needs a second node"
    if config.resource("aws_db_instance", "desk").get("backup_retention_period", 0) < 7:
        yield "database: backups are kept for less than a week"


def _parameters(config: Config) -> Iterator[str]:
    for kind, name, value in (
        ("aws_db_parameter_group", "rds.force_ssl", "1"),
        ("aws_elasticache_parameter_group", "maxmemory-policy", "noeviction"),
    ):
        settings = {
            part["name"]: part["value"] for part in blocks(config.resource(kind, "desk"), "parameter")
        }
        if settings.get(name) != value:
            yield f"{kind}: {name} is not {value}"


def _sizes(config: Config) -> Iterator[str]:
    for name, pattern in SIZES.items():
        if not re.fullmatch(pattern, config.variables[name].get("default", "")):
            yield f"{name}: AWS has no such size"


def _packages(config: Config) -> Iterator[str]:
    for name in config.of_type("aws_s3_bucket"):
        access = config.resource("aws_s3_bucket_public_access_block", name)
        if not all(access.get(wall) is True for wall in WALLS):
            yield f"bucket {name}: open to the public"
        if not config.resource("aws_s3_bucket_server_side_encryption_configuration", name):
            yield f"bucket {name}: not encrypted"
        if not any(
            statement.get("effect") == "Deny"
            and block(statement, "condition").get("variable") == "aws:SecureTransport"
            for statement in config.policy(name)
        ):
            yield f"bucket {name}: reachable without TLS"


def _secrets(config: Config) -> Iterator[str]:
    for (kind, name), body in config.resources.items():
        for argument in sorted(body.keys() & KEPT):
            yield f"{kind}.{name}: {argument} would stand in a file or in the state"
    for name in sorted(SECRETS):
        variable = config.variables.get(name, {})
        if variable.get("sensitive") is not True or variable.get("default"):
            yield f"var.{name}: not kept secret"
        if variable.get("ephemeral") is not True and name not in IN_STATE:
            yield f"var.{name}: would stand in the state"
    for part in config.everything():
        if any(LOOKS_SECRET.search(text) for text in texts_in(part)):
            yield "a secret stands in a file"
    if config.outputs["api_key"].get("sensitive") is not True:
        yield "output api_key: shown to everyone"
    if not any(block(part, "backend").get("s3", {}).get("encrypt") is True for part in config.settings):
        yield "state: not encrypted"
