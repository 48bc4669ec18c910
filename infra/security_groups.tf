# Who may talk: the desk to Redis, the database and HTTPS. Nothing may talk to the desk: Lambda is invoked,
# not connected to.

resource "aws_default_security_group" "closed" {
  vpc_id = aws_vpc.desk.id
}

resource "aws_security_group" "desk" {
  name        = "${local.desk}-desk"
  description = "Function and worker"
  vpc_id      = aws_vpc.desk.id
}

resource "aws_security_group" "redis" {
  name        = "${local.desk}-redis"
  description = "Redis"
  vpc_id      = aws_vpc.desk.id
}

resource "aws_security_group" "database" {
  name        = "${local.desk}-database"
  description = "PostgreSQL"
  vpc_id      = aws_vpc.desk.id
}

resource "aws_vpc_security_group_egress_rule" "desk_https" {
  security_group_id = aws_security_group.desk.id
  description       = "Tradovate, AWS and the services that carry notices"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_egress_rule" "desk_redis" {
  security_group_id            = aws_security_group.desk.id
  ip_protocol                  = "tcp"
  from_port                    = 6379
  to_port                      = 6379
  referenced_security_group_id = aws_security_group.redis.id
}

resource "aws_vpc_security_group_ingress_rule" "redis" {
  security_group_id            = aws_security_group.redis.id
  ip_protocol                  = "tcp"
  from_port                    = 6379
  to_port                      = 6379
  referenced_security_group_id = aws_security_group.desk.id
}

resource "aws_vpc_security_group_egress_rule" "desk_database" {
  security_group_id            = aws_security_group.desk.id
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
  referenced_security_group_id = aws_security_group.database.id
}

resource "aws_vpc_security_group_ingress_rule" "database" {
  security_group_id            = aws_security_group.database.id
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
  referenced_security_group_id = aws_security_group.desk.id
}

resource "aws_security_group" "nat" {
  count = var.nat == "instance" ? 1 : 0

  name        = "${local.desk}-nat"
  description = "NAT instance"
  vpc_id      = aws_vpc.desk.id
}

resource "aws_vpc_security_group_ingress_rule" "nat" {
  count = var.nat == "instance" ? 1 : 0

  security_group_id = aws_security_group.nat[0].id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = aws_vpc.desk.cidr_block
}

resource "aws_vpc_security_group_egress_rule" "nat" {
  count = var.nat == "instance" ? 1 : 0

  security_group_id = aws_security_group.nat[0].id
  description       = "What the desk asks for, and the instance's own packages"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}
