"""Faults to plant in infra/, each with the finding that must come of it."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """A piece of a file, what someone puts in its place, and how the finding begins."""

    file: str
    old: str
    new: str
    finding: str

    def plant(self, texts: Mapping[str, str]) -> dict[str, str]:
        """Return the files with the fault; the piece must stand there exactly once."""
        if texts[self.file].count(self.old) != 1:
            raise ValueError(f"{self.file} does not have it once: {self.old}")
        return {**texts, self.file: texts[self.file].replace(self.old, self.new)}


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
READ_SECRETS = """actions   = ["secretsmanager:GetSecretValue"]
    resources = local.secret_arns"""
ALERTS_CONDITION = """    condition {
      test     = "IpAddress"
      variable = "aws:SourceIp"
      values   = local.tradingview_addresses
    }
"""
CODE_KEPT_OUT = """actions   = ["ec2:*"]"""
DATABASE_ALARM = """database does not answer the desk, or the desk's schedule does not run"
      statistic = "Minimum", below = 1, period = 60, periods = 3, missing = "breaching"
"""
DEAF = DATABASE_ALARM.replace('"breaching"', '"ignore"')

FAULTS = {
    # Language and provider.
    "syntax": Fault("redis.tf", "port                 = 6379", "port = = 6379", "syntax error"),
    "wrong argument": Fault(
        "redis.tf",
        "auth_token  ",
        "auth_tokens ",
        "aws_elasticache_replication_group.desk: no argument auth_tokens",
    ),
    "required argument missing": Fault(
        "redis.tf", '  family = "valkey8"\n', "", "aws_elasticache_parameter_group.desk: family missing"
    ),
    "required block missing": Fault(
        "worker.tf",
        "image_scanning_configuration {",
        "image_scan {",
        "aws_ecr_repository.worker: no argument image_scan",
    ),
    "text for a number": Fault(
        "database.tf", "= 20\n", '= "twenty"\n', "aws_db_instance.desk: allocated_storage takes a number"
    ),
    "number for a list": Fault(
        "redis.tf",
        "[aws_security_group.redis.id]",
        "6379",
        "aws_elasticache_replication_group.desk: security_group_ids takes a set",
    ),
    "unknown resource": Fault(
        "database.tf",
        "aws_db_subnet_group.desk.name",
        "aws_db_subnet_group.main.name",
        "aws_db_subnet_group.main: not declared",
    ),
    "unknown attribute": Fault(
        "outputs.tf", "aws_iam_role.desk.arn", "aws_iam_role.desk.urn", "aws_iam_role.desk: no attribute urn"
    ),
    "unknown variable": Fault(
        "database.tf", "var.database_multi_az", "var.multi_az", "var.multi_az: not declared"
    ),
    "unused variable": Fault(
        "database.tf", "var.database_multi_az", "false", "var.database_multi_az: not used"
    ),
    "one of many": Fault(
        "nat.tf", "aws_nat_gateway.desk[0].id", "aws_nat_gateway.desk.id", "aws_nat_gateway.desk: is many"
    ),
    # Network.
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
    # Stores and secrets.
    "Redis without TLS": Fault(
        "redis.tf",
        "transit_encryption_enabled = true",
        "transit_encryption_enabled = false",
        "redis: transit_encryption_enabled",
    ),
    "Redis with optional TLS": Fault(
        "redis.tf", '"required"', '"preferred"', "redis: transit_encryption_mode"
    ),
    "Redis without a token": Fault(
        "redis.tf", "  auth_token                 = var.redis_token\n", "", "redis: auth_token"
    ),
    "Redis unencrypted at rest": Fault(
        "redis.tf",
        "at_rest_encryption_enabled = true",
        "at_rest_encryption_enabled = false",
        "redis: at_rest",
    ),
    "Redis engine misspelt": Fault("redis.tf", '"valkey"', '"valkyrie"', "redis: engine is not valkey"),
    "Redis engine version that does not exist": Fault("redis.tf", '"8.0"', '"80"', "redis: engine_version"),
    "Redis forgets": Fault(
        "redis.tf", '"noeviction"', '"allkeys-lru"', "aws_elasticache_parameter_group: maxmemory"
    ),
    "failover with one node": Fault(
        "redis.tf",
        "num_cache_clusters   = 1",
        "num_cache_clusters   = 1\n  automatic_failover_enabled = true",
        "redis: failover needs a second node",
    ),
    "nonsense node type": Fault(
        "variables.tf", '"cache.t3.small"', '"cache.t3.smal"', "redis_node_type: AWS has no"
    ),
    "nonsense instance class": Fault(
        "variables.tf", '"db.t4g.micro"', '"db.t4g.tiny"', "database_instance_class: AWS has no"
    ),
    "public database": Fault(
        "database.tf",
        "publicly_accessible    = false",
        "publicly_accessible    = true",
        "database: publicly_accessible",
    ),
    "unencrypted database": Fault(
        "database.tf",
        "storage_encrypted     = true",
        "storage_encrypted     = false",
        "database: storage_encrypted",
    ),
    "database without backups": Fault("database.tf", "= 14\n", "= 0\n", "database: backups"),
    "database may vanish": Fault(
        "database.tf",
        "deletion_protection       = true",
        "deletion_protection       = false",
        "database: deletion",
    ),
    "database without TLS": Fault(
        "database.tf", 'value = "1"', 'value = "0"', "aws_db_parameter_group: rds.force_ssl"
    ),
    "password in the file": Fault(
        "database.tf",
        "password_wo         = var.database_password",
        'password = "hunter2hunter2"',
        "database: password_wo",
    ),
    "password in the state": Fault(
        "variables.tf",
        'user."\n  type        = string\n  sensitive   = true\n  ephemeral   = true',
        'user."\n  type        = string\n  sensitive   = true',
        "var.database_password: would stand in the state",
    ),
    "token with a default": Fault(
        "variables.tf",
        'way of the state."\n  type        = string\n',
        'way of the state."\n  type        = string\n  default     = "redisredisredisredisredisredisred"\n',
        "var.redis_token: not kept secret",
    ),
    "address with its password": Fault(
        "secrets.tf", "${var.redis_token}@", "redisredisredis@", "a secret stands in a file"
    ),
    "open state": Fault("backend.tf", "encrypt      = true", "encrypt      = false", "state: not encrypted"),
    "public bucket": Fault(
        "packages.tf",
        "block_public_policy     = true",
        "block_public_policy     = false",
        "bucket packages: open",
    ),
    # Rights.
    "everything on everything": Fault(
        "role.tf", READ_SECRETS, 'actions = ["*"]\n    resources = ["*"]', "policy desk: an action"
    ),
    "every secret": Fault(
        "role.tf", "resources = local.secret_arns", 'resources = ["*"]', "policy desk: resource *"
    ),
    "a right more": Fault(
        "role.tf",
        '["secretsmanager:GetSecretValue"]',
        '["secretsmanager:GetSecretValue", "secretsmanager:DeleteSecret"]',
        "policy desk: secretsmanager:DeleteSecret is not needed",
    ),
    "function not invoked": Fault(
        "role.tf",
        '["lambda:InvokeFunction"]',
        '["lambda:GetFunction"]',
        "policy desk: lambda:InvokeFunction is missing",
    ),
    "schedules not trusted": Fault(
        "role.tf", ', "events.amazonaws.com"', "", "policy desk_trust: trusts others"
    ),
    "everyone trusted": Fault(
        "worker.tf", '["ecs-tasks.amazonaws.com"]', '["*"]', "policy worker_trust: lets everyone in"
    ),
    "code on the network": Fault(
        "role.tf", CODE_KEPT_OUT, 'actions = ["ec2:RunInstances"]', "policy desk: the function's code"
    ),
    "policy written inline": Fault(
        "role.tf",
        "policy = data.aws_iam_policy_document.desk.json",
        'policy = jsonencode({ Statement = [{ Effect = "Allow", Action = "*", Resource = "*" }] })',
        "aws_iam_role_policy.desk: its policy is not a document",
    ),
    "administrator": Fault(
        "gateway_limits.tf",
        "service-role/AmazonAPIGatewayPushToCloudWatchLogs",
        "AdministratorAccess",
        "aws_iam_role_policy_attachment.gateway_logs: a policy that",
    ),
    # Gateway and logs.
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
    # Watching.
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
}
