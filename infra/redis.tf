# Hot state only: the desk rebuilds all of it from broker and database, so there is one node and no backup.
resource "aws_elasticache_replication_group" "desk" {
  replication_group_id = local.desk
  description          = "Hot state and tasks of the desk"
  engine               = "valkey"
  engine_version       = "8.0"
  node_type            = var.redis_node_type
  num_cache_clusters   = 1
  parameter_group_name = aws_elasticache_parameter_group.desk.name
  port                 = 6379

  subnet_group_name  = aws_elasticache_subnet_group.desk.name
  security_group_ids = [aws_security_group.redis.id]

  transit_encryption_enabled = true
  transit_encryption_mode    = "required"
  at_rest_encryption_enabled = true
  auth_token                 = var.redis_token

  # The markets are closed.
  maintenance_window = "sat:12:00-sat:13:00"
}

resource "aws_elasticache_parameter_group" "desk" {
  name   = local.desk
  family = "valkey8"

  # A full Redis refuses writes, which the desk notices; it never forgets a position on its own.
  parameter {
    name  = "maxmemory-policy"
    value = "noeviction"
  }
}

resource "aws_elasticache_subnet_group" "desk" {
  name       = local.desk
  subnet_ids = aws_subnet.private[*].id
}
