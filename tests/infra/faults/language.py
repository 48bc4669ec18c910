"""Faults of the language and the provider."""

from tests.infra.fault import Fault

FAULTS = {
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
    "unknown type": Fault(
        "logs.tf",
        '"aws_cloudwatch_log_group" "worker"',
        '"aws_cloudwatch_logs" "worker"',
        "aws_cloudwatch_logs.worker: type not in schema.json",
    ),
    "text for a switch": Fault(
        "database.tf",
        "copy_tags_to_snapshot      = true",
        'copy_tags_to_snapshot      = "yes"',
        "aws_db_instance.desk: copy_tags_to_snapshot takes a bool",
    ),
    "truth for a number": Fault(
        "redis.tf",
        "port                 = 6379",
        "port = true",
        "aws_elasticache_replication_group.desk: port takes",
    ),
}
