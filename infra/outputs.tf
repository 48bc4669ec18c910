# For `make zappa-settings`.

output "region" {
  description = "aws_region"
  value       = var.region
}

output "subnet_ids" {
  description = "vpc_config.SubnetIds"
  value       = aws_subnet.private[*].id
}

output "security_group_ids" {
  description = "vpc_config.SecurityGroupIds"
  value       = [aws_security_group.desk.id]
}

output "role_arn" {
  description = "role_arn, with manage_roles false"
  value       = aws_iam_role.desk.arn
}

output "packages_bucket" {
  description = "s3_bucket"
  value       = aws_s3_bucket.packages.bucket
}

output "environment" {
  description = "aws_environment_variables: where the secrets are, by which names the desk is reached, and by whom"
  value = merge(
    {
      DESK_SECRET_ID            = aws_secretsmanager_secret.desk.arn
      ALLOWED_HOSTS             = join(",", local.hosts)
      CSRF_TRUSTED_ORIGINS      = join(",", [for host in local.hosts : "https://${host}"])
      PATH_PREFIX               = "/${var.stage}"
      WEBHOOK_ALLOWED_ADDRESSES = join(",", [for network in local.tradingview_addresses : split("/", network)[0]])
    },
    { for name, secret in aws_secretsmanager_secret.login : "${name}_SECRET_ID" => secret.arn },
    { for pair in var.pair[*] : "DESK_REGION" => var.region },
  )
}

output "alarm_topic_arn" {
  description = "dead_letter_arn: tells of scheduled runs that failed each time"
  value       = aws_sns_topic.alarms.arn
}

output "function_name" {
  description = "Name that Zappa gives the function: project_name and stage"
  value       = local.desk
}

output "log_groups" {
  description = "Logs of function, gateway and worker"
  value = {
    function = aws_cloudwatch_log_group.function.name
    gateway  = aws_cloudwatch_log_group.gateway.name
    worker   = aws_cloudwatch_log_group.worker.name
  }
}

# For people.

output "base_url" {
  description = "Address of the panel; the webhook is webhooks/tradingview/TOKEN/ below it"
  value       = "${aws_api_gateway_stage.desk.invoke_url}/"
}

output "api_key" {
  description = "x-api-key that programs send to /api/v1/, beside their token"
  value       = aws_api_gateway_api_key.programs.value
  sensitive   = true
}

output "outgoing_address" {
  description = "Address that Tradovate sees"
  value       = aws_eip.nat.public_ip
}

output "metrics_dimension" {
  description = "Value of the dimension Desk"
  value       = local.desk
}
