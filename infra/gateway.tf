# Terraform owns the gateway, Zappa the function behind it: the address in TradingView survives every deploy.
resource "aws_api_gateway_rest_api" "desk" {
  name               = local.desk
  binary_media_types = ["*/*"]

  endpoint_configuration {
    types = ["REGIONAL"]
  }
}

resource "aws_api_gateway_resource" "webhooks" {
  rest_api_id = aws_api_gateway_rest_api.desk.id
  parent_id   = aws_api_gateway_rest_api.desk.root_resource_id
  path_part   = "webhooks"
}

resource "aws_api_gateway_resource" "webhook" {
  rest_api_id = aws_api_gateway_rest_api.desk.id
  parent_id   = aws_api_gateway_resource.webhooks.id
  path_part   = "{proxy+}"
}

resource "aws_api_gateway_resource" "api" {
  rest_api_id = aws_api_gateway_rest_api.desk.id
  parent_id   = aws_api_gateway_rest_api.desk.root_resource_id
  path_part   = "api"
}

resource "aws_api_gateway_resource" "api_v1" {
  rest_api_id = aws_api_gateway_rest_api.desk.id
  parent_id   = aws_api_gateway_resource.api.id
  path_part   = "v1"
}

resource "aws_api_gateway_resource" "api_lists" {
  rest_api_id = aws_api_gateway_rest_api.desk.id
  parent_id   = aws_api_gateway_resource.api_v1.id
  path_part   = "{proxy+}"
}

resource "aws_api_gateway_resource" "panel" {
  rest_api_id = aws_api_gateway_rest_api.desk.id
  parent_id   = aws_api_gateway_rest_api.desk.root_resource_id
  path_part   = "{proxy+}"
}

locals {
  host  = "${aws_api_gateway_rest_api.desk.id}.execute-api.${var.region}.amazonaws.com"
  hosts = concat([local.host], var.pair[*].domain)

  # TradingView cannot send headers and a browser has no key: only programs bring one.
  routes = {
    webhook = { resource = aws_api_gateway_resource.webhook.id, method = "POST", key = false }
    api     = { resource = aws_api_gateway_resource.api_lists.id, method = "ANY", key = true }
    panel   = { resource = aws_api_gateway_resource.panel.id, method = "ANY", key = false }
    home    = { resource = aws_api_gateway_rest_api.desk.root_resource_id, method = "ANY", key = false }
  }
}

resource "aws_api_gateway_method" "desk" {
  for_each = local.routes

  rest_api_id      = aws_api_gateway_rest_api.desk.id
  resource_id      = each.value.resource
  http_method      = each.value.method
  authorization    = "NONE"
  api_key_required = each.value.key
}

resource "aws_api_gateway_integration" "desk" {
  for_each = local.routes

  rest_api_id             = aws_api_gateway_rest_api.desk.id
  resource_id             = each.value.resource
  http_method             = aws_api_gateway_method.desk[each.key].http_method
  type                    = "AWS_PROXY"
  integration_http_method = "POST"
  uri                     = "arn:aws:apigateway:${var.region}:lambda:path/2015-03-31/functions/${local.function_arn}/invocations"
  credentials             = aws_iam_role.desk.arn
}

resource "aws_api_gateway_deployment" "desk" {
  rest_api_id = aws_api_gateway_rest_api.desk.id

  # A stage serves a copy of the API: a change here is not live before it is deployed.
  triggers = {
    content = sha1(jsonencode([
      local.routes,
      aws_api_gateway_integration.desk,
      aws_api_gateway_rest_api_policy.desk.policy,
    ]))
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_api_gateway_stage" "desk" {
  rest_api_id   = aws_api_gateway_rest_api.desk.id
  deployment_id = aws_api_gateway_deployment.desk.id
  stage_name    = var.stage

  # The resource, never the path: webhook addresses carry the token.
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.gateway.arn
    format = jsonencode({
      time      = "$context.requestTimeEpoch"
      request   = "$context.requestId"
      address   = "$context.identity.sourceIp"
      method    = "$context.httpMethod"
      resource  = "$context.resourcePath"
      status    = "$context.status"
      error     = "$context.error.responseType"
      latencyMs = "$context.responseLatency"
    })
  }

  depends_on = [aws_api_gateway_account.logs]
}
