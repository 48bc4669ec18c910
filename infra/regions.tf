# A desk in two regions: the same files applied twice. One name leads to the region that is well, the database of
# the one that waits follows the other's, and the lease in the database says which of them may send.
locals {
  pair    = var.pair == null ? 0 : 1
  follows = try(var.pair.database, null)
}

resource "aws_acm_certificate" "desk" {
  count = local.pair

  domain_name       = var.pair.domain
  validation_method = "DNS"

  lifecycle {
    create_before_destroy = true
  }
}

# Both regions ask for the same record.
resource "aws_route53_record" "proof" {
  count = local.pair

  zone_id         = var.pair.zone_id
  name            = one(aws_acm_certificate.desk[0].domain_validation_options).resource_record_name
  type            = one(aws_acm_certificate.desk[0].domain_validation_options).resource_record_type
  records         = [one(aws_acm_certificate.desk[0].domain_validation_options).resource_record_value]
  ttl             = 300
  allow_overwrite = true
}

resource "aws_acm_certificate_validation" "desk" {
  count = local.pair

  certificate_arn         = aws_acm_certificate.desk[0].arn
  validation_record_fqdns = [aws_route53_record.proof[0].fqdn]
}

resource "aws_api_gateway_domain_name" "desk" {
  count = local.pair

  domain_name              = var.pair.domain
  regional_certificate_arn = aws_acm_certificate_validation.desk[0].certificate_arn
  security_policy          = "TLS_1_2"

  endpoint_configuration {
    types = ["REGIONAL"]
  }
}

# With the stage in the path, as the gateway's own address has it.
resource "aws_api_gateway_base_path_mapping" "desk" {
  count = local.pair

  api_id      = aws_api_gateway_rest_api.desk.id
  stage_name  = aws_api_gateway_stage.desk.stage_name
  base_path   = var.stage
  domain_name = aws_api_gateway_domain_name.desk[0].domain_name
}

# A region is well while its schedule runs and reaches the database: checkers from outside are let in nowhere.
resource "aws_route53_health_check" "desk" {
  count = local.pair

  type                            = "CLOUDWATCH_METRIC"
  cloudwatch_alarm_name           = aws_cloudwatch_metric_alarm.desk["database_healthy"].alarm_name
  cloudwatch_alarm_region         = var.region
  insufficient_data_health_status = "Unhealthy"
}

resource "aws_route53_record" "desk" {
  count = local.pair

  zone_id         = var.pair.zone_id
  name            = var.pair.domain
  type            = "A"
  set_identifier  = var.region
  health_check_id = aws_route53_health_check.desk[0].id

  failover_routing_policy {
    type = var.pair.role
  }

  alias {
    name                   = aws_api_gateway_domain_name.desk[0].regional_domain_name
    zone_id                = aws_api_gateway_domain_name.desk[0].regional_zone_id
    evaluate_target_health = false
  }
}
