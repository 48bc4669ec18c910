"""Faults of Redis, database, secrets and packages."""

from tests.infra.fault import Fault

FAULTS = {
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
        "password_wo         = local.follows == null ? var.database_password : null",
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
    "unencrypted bucket": Fault(
        "packages.tf",
        '"aws_s3_bucket_server_side_encryption_configuration" "packages"',
        '"aws_s3_bucket_server_side_encryption_configuration" "other"',
        "bucket packages: not encrypted",
    ),
    "bucket without TLS": Fault(
        "packages.tf", '"aws:SecureTransport"', '"aws:SourceIp"', "bucket packages: reachable without TLS"
    ),
    "key shown": Fault("outputs.tf", "  sensitive   = true\n", "", "output api_key: shown to everyone"),
}
