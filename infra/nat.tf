# One way out for both zones. Its address stays the same: Tradovate counts the addresses of a login.
resource "aws_eip" "nat" {
  domain = "vpc"

  tags = { Name = "${local.desk}-nat" }
}

resource "aws_nat_gateway" "desk" {
  count = var.nat == "gateway" ? 1 : 0

  allocation_id = aws_eip.nat.id
  subnet_id     = aws_subnet.public[0].id

  tags = { Name = local.desk }

  depends_on = [aws_route.internet]
}

resource "aws_route" "gateway" {
  count = var.nat == "gateway" ? 1 : 0

  route_table_id         = aws_route_table.private.id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.desk[0].id
}

resource "aws_launch_template" "nat" {
  count = var.nat == "instance" ? 1 : 0

  name          = "${local.desk}-nat"
  image_id      = "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
  instance_type = "t4g.nano"

  metadata_options {
    http_endpoint = "enabled"
    http_tokens   = "required"
  }
}

resource "aws_instance" "nat" {
  count = var.nat == "instance" ? 1 : 0

  subnet_id                   = aws_subnet.public[0].id
  vpc_security_group_ids      = [aws_security_group.nat[0].id]
  associate_public_ip_address = true
  source_dest_check           = false

  # The fixed address arrives while the package is fetched and breaks that off, hence the second try.
  user_data                   = <<-EOT
    #!/bin/bash
    set -eu
    echo net.ipv4.ip_forward=1 > /etc/sysctl.d/90-nat.conf
    sysctl --system
    until dnf install -y iptables-services; do sleep 5; done
    iptables -t nat -A POSTROUTING -s ${aws_vpc.desk.cidr_block} -j MASQUERADE
    iptables -F FORWARD
    service iptables save
    systemctl enable --now iptables
  EOT
  user_data_replace_on_change = true

  launch_template {
    id = aws_launch_template.nat[0].id
  }

  root_block_device {
    encrypted = true
  }

  tags = { Name = "${local.desk}-nat" }

  depends_on = [aws_route.internet]
}

resource "aws_eip_association" "nat" {
  count = var.nat == "instance" ? 1 : 0

  allocation_id = aws_eip.nat.id
  instance_id   = aws_instance.nat[0].id
}

resource "aws_route" "instance" {
  count = var.nat == "instance" ? 1 : 0

  route_table_id         = aws_route_table.private.id
  destination_cidr_block = "0.0.0.0/0"
  network_interface_id   = aws_instance.nat[0].primary_network_interface_id
}
