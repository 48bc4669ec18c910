# Lambda and Zappa would make these themselves, without an end.
resource "aws_cloudwatch_log_group" "function" {
  name              = "/aws/lambda/${local.desk}"
  retention_in_days = var.log_retention_days
}

resource "aws_cloudwatch_log_group" "gateway" {
  name              = "/aws/apigateway/${local.desk}"
  retention_in_days = var.log_retention_days
}

resource "aws_cloudwatch_log_group" "worker" {
  name              = "/aws/ecs/${local.desk}"
  retention_in_days = var.log_retention_days
}
