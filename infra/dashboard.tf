locals {
  # [title, statistic, keys of local.metrics]
  charts = [
    ["Time from alert to answer, ms", "p95", ["execution_time", "gateway_latency", "function_duration"]],
    ["Orders that went well, %", "Average", ["trade_success_rate"]],
    ["Errors", "Sum", ["errors", "function_errors", "function_throttles", "gateway_5xx", "gateway_4xx"]],
    ["Waiting for a person", "Maximum", ["kill_switch", "open_incidents", "unconfirmed_orders", "missed_heartbeats"]],
    ["Health, 1 is well", "Minimum", ["redis_healthy", "database_healthy"]],
    ["Redis, %", "Average", ["redis_memory", "redis_cpu"]],
    ["Database, %", "Average", ["database_cpu"]],
    ["Database connections", "Maximum", ["database_connection"]],
  ]

  chart_widgets = [for chart in local.charts : {
    title = chart[0]
    stat  = chart[1]
    metrics = [for key in chart[2] : concat(
      [local.metrics[key].namespace, local.metrics[key].name],
      flatten([for name, value in local.metrics[key].dimensions : [name, value]]),
    )]
  }]

  stage_widget = {
    title = "From alert to each stage of an order, p95, ms"
    stat  = "p95"
    metrics = [for stage in local.order_stages :
      [local.metrics_namespace, local.desk_metrics.order_latency.name, "Desk", local.desk, "Stage", stage]
    ]
  }

  # Reasons and types are many and change: a search finds those that were seen.
  search_widgets = [for key in ["decisions", "errors", "answers"] : {
    title = "${local.desk_metrics[key].name} by ${lower(local.desk_metrics[key].split)}"
    stat  = "Sum"
    metrics = [[{
      expression = "SEARCH('{${local.metrics_namespace},Desk,${local.desk_metrics[key].split}} Desk=\"${local.desk}\" MetricName=\"${local.desk_metrics[key].name}\"', 'Sum', 300)"
    }]]
  }]

  widgets = concat(local.chart_widgets, [local.stage_widget], local.search_widgets)
}

resource "aws_cloudwatch_dashboard" "desk" {
  dashboard_name = local.desk
  dashboard_body = jsonencode({
    widgets = [for index, widget in local.widgets : {
      type   = "metric"
      x      = index % 2 * 12
      y      = floor(index / 2) * 6
      width  = 12
      height = 6
      properties = merge(widget, {
        region = var.region
        period = 300
        view   = "timeSeries"
      })
    }]
  })
}
