resource "aws_db_instance" "desk" {
  identifier          = local.desk
  replicate_source_db = local.follows

  engine         = "postgres"
  engine_version = "17"
  instance_class = var.database_instance_class
  multi_az       = var.database_multi_az

  storage_type          = "gp3"
  allocated_storage     = 20
  max_allocated_storage = 100
  storage_encrypted     = true
  # A replica in another region names a key of its own.
  kms_key_id = try(var.pair.key, null)

  # A replica has the names and the password of what it follows.
  db_name             = local.follows == null ? "desk" : null
  username            = local.follows == null ? "desk" : null
  password_wo         = local.follows == null ? var.database_password : null
  password_wo_version = local.follows == null ? var.secrets_version : null

  db_subnet_group_name   = aws_db_subnet_group.desk.name
  vpc_security_group_ids = [aws_security_group.database.id]
  parameter_group_name   = aws_db_parameter_group.desk.name
  publicly_accessible    = false

  # Backups after the day's trading in Chicago, changes on Saturdays: no session is interrupted.
  backup_retention_period    = 14
  backup_window              = "21:30-22:00"
  maintenance_window         = "sat:12:00-sat:13:00"
  auto_minor_version_upgrade = true
  copy_tags_to_snapshot      = true

  deletion_protection       = true
  skip_final_snapshot       = false
  final_snapshot_identifier = "${local.desk}-final"
}

resource "aws_db_parameter_group" "desk" {
  name   = local.desk
  family = "postgres17"

  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }
}

resource "aws_db_subnet_group" "desk" {
  name       = local.desk
  subnet_ids = aws_subnet.private[*].id
}
