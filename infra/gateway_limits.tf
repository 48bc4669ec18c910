locals {
  # Published by TradingView; the desk checks them again.
  tradingview_addresses = ["52.89.214.238/32", "34.212.75.30/32", "54.218.53.128/32", "52.32.178.7/32"]
}

data "aws_iam_policy_document" "gateway" {
  statement {
    sid       = "Alerts"
    actions   = ["execute-api:Invoke"]
    resources = ["${aws_api_gateway_rest_api.desk.execution_arn}/${var.stage}/POST/webhooks/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "IpAddress"
      variable = "aws:SourceIp"
      values   = local.tradingview_addresses
    }
  }

  statement {
    sid       = "People"
    actions   = ["execute-api:Invoke"]
    resources = ["${aws_api_gateway_rest_api.desk.execution_arn}/${var.stage}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "IpAddress"
      variable = "aws:SourceIp"
      values   = var.panel_addresses
    }
  }
}

resource "aws_api_gateway_rest_api_policy" "desk" {
  rest_api_id = aws_api_gateway_rest_api.desk.id
  policy      = data.aws_iam_policy_document.gateway.json
}

# High enough for every real alert, as TradingView does not repeat one that was answered with 429.
resource "aws_api_gateway_method_settings" "desk" {
  rest_api_id = aws_api_gateway_rest_api.desk.id
  stage_name  = aws_api_gateway_stage.desk.stage_name
  method_path = "*/*"

  settings {
    throttling_rate_limit  = 50
    throttling_burst_limit = 100

    # Metrics for each method cost extra; those of the whole stage are free.
    metrics_enabled = false

    # Execution logs hold paths, and so tokens.
    logging_level      = "OFF"
    data_trace_enabled = false
  }
}

# No quota: one that is spent would refuse the kill switch too.
resource "aws_api_gateway_usage_plan" "programs" {
  name = "${local.desk}-programs"

  api_stages {
    api_id = aws_api_gateway_rest_api.desk.id
    stage  = aws_api_gateway_stage.desk.stage_name
  }

  throttle_settings {
    rate_limit  = 10
    burst_limit = 20
  }
}

resource "aws_api_gateway_api_key" "programs" {
  name = "${local.desk}-programs"
}

resource "aws_api_gateway_usage_plan_key" "programs" {
  usage_plan_id = aws_api_gateway_usage_plan.programs.id
  key_id        = aws_api_gateway_api_key.programs.id
  key_type      = "API_KEY"
}

# One setting for all gateways of the region: who writes their access logs.
resource "aws_api_gateway_account" "logs" {
  cloudwatch_role_arn = aws_iam_role.gateway_logs.arn

  depends_on = [aws_iam_role_policy_attachment.gateway_logs]
}

resource "aws_iam_role" "gateway_logs" {
  name               = "${local.desk}-gateway-logs"
  assume_role_policy = data.aws_iam_policy_document.gateway_logs_trust.json
}

data "aws_iam_policy_document" "gateway_logs_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["apigateway.amazonaws.com"]
    }
  }
}

# API Gateway refuses a role with less.
resource "aws_iam_role_policy_attachment" "gateway_logs" {
  role       = aws_iam_role.gateway_logs.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
}
