resource "aws_vpc" "desk" {
  cidr_block           = "10.20.0.0/16"
  enable_dns_support   = true
  enable_dns_hostnames = true

  tags = { Name = local.desk }
}

resource "aws_internet_gateway" "desk" {
  vpc_id = aws_vpc.desk.id

  tags = { Name = local.desk }
}

resource "aws_subnet" "public" {
  count = 2

  vpc_id            = aws_vpc.desk.id
  availability_zone = var.zones[count.index]
  cidr_block        = cidrsubnet(aws_vpc.desk.cidr_block, 8, count.index)

  tags = { Name = "${local.desk}-public-${count.index}" }
}

resource "aws_subnet" "private" {
  count = 2

  vpc_id            = aws_vpc.desk.id
  availability_zone = var.zones[count.index]
  cidr_block        = cidrsubnet(aws_vpc.desk.cidr_block, 8, count.index + 10)

  tags = { Name = "${local.desk}-private-${count.index}" }
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.desk.id

  tags = { Name = "${local.desk}-public" }
}

resource "aws_route" "internet" {
  route_table_id         = aws_route_table.public.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.desk.id
}

resource "aws_route_table_association" "public" {
  count = 2

  route_table_id = aws_route_table.public.id
  subnet_id      = aws_subnet.public[count.index].id
}

resource "aws_route_table" "private" {
  vpc_id = aws_vpc.desk.id

  tags = { Name = "${local.desk}-private" }
}

resource "aws_route_table_association" "private" {
  count = 2

  route_table_id = aws_route_table.private.id
  subnet_id      = aws_subnet.private[count.index].id
}
