# Every metric that alarms and dashboard read, by name, unit and dimensions: the one place to compare the
# application with. It writes them as embedded metric format to its log, so it needs no right to CloudWatch.
locals {
  metrics_namespace = "TradeDesk"
  metrics_desk      = { Desk = local.desk }

  # Values of the dimension Stage of OrderLatency: time from receipt of the alert until then.
  order_stages = ["stored", "decided", "sent", "settled"]

  # `split` is a second dimension under which the same value is written once more.
  desk_metrics = {
    answers            = { name = "Answers", unit = "Count", split = "Status" }
    execution_time     = { name = "ExecutionTime", unit = "Milliseconds" }
    trade_success_rate = { name = "TradeSuccessRate", unit = "Percent" } # 100 or 0 for each settled order
    errors             = { name = "Errors", unit = "Count", split = "Type" }
    order_latency      = { name = "OrderLatency", unit = "Milliseconds", split = "Stage" }
    decisions          = { name = "Decisions", unit = "Count", split = "Reason" }
    unconfirmed_orders = { name = "UnconfirmedOrders", unit = "Count" }
    open_incidents     = { name = "OpenIncidents", unit = "Count" }
    kill_switch        = { name = "KillSwitchEngaged", unit = "Count" } # 1 or 0, any scope
    missed_heartbeats  = { name = "MissedHeartbeats", unit = "Count" }  # strategies overdue now
    redis_healthy      = { name = "RedisHealthy", unit = "Count" }      # 1 or 0, each minute
    database_healthy   = { name = "DatabaseHealthy", unit = "Count" }   # 1 or 0, each minute
  }

  # What AWS measures by itself.
  aws_metrics = {
    function_duration   = { namespace = "AWS/Lambda", name = "Duration", dimensions = local.function_dimensions }
    function_errors     = { namespace = "AWS/Lambda", name = "Errors", dimensions = local.function_dimensions }
    function_throttles  = { namespace = "AWS/Lambda", name = "Throttles", dimensions = local.function_dimensions }
    gateway_latency     = { namespace = "AWS/ApiGateway", name = "Latency", dimensions = local.gateway_dimensions }
    gateway_5xx         = { namespace = "AWS/ApiGateway", name = "5XXError", dimensions = local.gateway_dimensions }
    gateway_4xx         = { namespace = "AWS/ApiGateway", name = "4XXError", dimensions = local.gateway_dimensions }
    redis_memory        = { namespace = "AWS/ElastiCache", name = "DatabaseMemoryUsagePercentage", dimensions = local.redis_dimensions }
    redis_cpu           = { namespace = "AWS/ElastiCache", name = "EngineCPUUtilization", dimensions = local.redis_dimensions }
    database_cpu        = { namespace = "AWS/RDS", name = "CPUUtilization", dimensions = local.database_dimensions }
    database_space      = { namespace = "AWS/RDS", name = "FreeStorageSpace", dimensions = local.database_dimensions }
    database_connection = { namespace = "AWS/RDS", name = "DatabaseConnections", dimensions = local.database_dimensions }
  }

  function_dimensions = { FunctionName = local.desk }
  gateway_dimensions  = { ApiName = aws_api_gateway_rest_api.desk.name, Stage = var.stage }
  redis_dimensions    = { CacheClusterId = "${local.desk}-001" }
  database_dimensions = { DBInstanceIdentifier = aws_db_instance.desk.identifier }

  metrics = merge(local.aws_metrics, {
    for key, metric in local.desk_metrics :
    key => { namespace = local.metrics_namespace, name = metric.name, dimensions = local.metrics_desk }
  })
}
