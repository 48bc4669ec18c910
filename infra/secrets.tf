# Settings of the desk, by the names of .env.example.
resource "aws_secretsmanager_secret" "desk" {
  name        = "${local.desk}/desk"
  description = "Settings of the desk that are secret"
}

resource "aws_secretsmanager_secret_version" "desk" {
  secret_id                = aws_secretsmanager_secret.desk.id
  secret_string_wo_version = var.secrets_version

  secret_string_wo = jsonencode({
    SECRET_KEY   = var.secret_key
    DATABASE_URL = "postgresql://desk:${var.database_password}@${aws_db_instance.desk.endpoint}/desk?sslmode=require"
    REDIS_URL    = "rediss://:${var.redis_token}@${aws_elasticache_replication_group.desk.primary_endpoint_address}:6379/0"
    NOTIFY_URLS  = var.notify_urls
  })
}

# A person puts the login in: username, password, cid, secret, device_id, app_id. Terraform never sees it.
resource "aws_secretsmanager_secret" "login" {
  for_each = var.logins

  name        = "${local.desk}/${each.key}"
  description = "Login at Tradovate"
}
