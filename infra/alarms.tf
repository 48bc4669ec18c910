resource "aws_sns_topic" "alarms" {
  name = "${local.desk}-alarms"
}

resource "aws_sns_topic_subscription" "email" {
  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = var.alarm_email
}

locals {
  # Over one period of `period` seconds, `periods` times in a row. `missing` says what silence means:
  # notBreaching where nothing happens without alerts, ignore where a value stays true until the next one,
  # breaching where silence itself is the trouble.
  alarms = {
    function_errors = {
      text      = "The function raised or ran out of time"
      statistic = "Sum", above = 0, period = 60, periods = 1, missing = "notBreaching"
    }
    function_throttles = {
      text      = "AWS refused to run the function"
      statistic = "Sum", above = 0, period = 60, periods = 1, missing = "notBreaching"
    }
    function_duration = {
      text      = "A run came near the 15 seconds that end it"
      statistic = "Maximum", above = 12000, period = 60, periods = 1, missing = "notBreaching"
    }
    gateway_latency = {
      text      = "Answers come near the 3 seconds after which TradingView hangs up"
      statistic = "p95", above = 2500, period = 60, periods = 1, missing = "notBreaching"
    }
    gateway_5xx = {
      text      = "The gateway answered with 5xx"
      statistic = "Sum", above = 0, period = 60, periods = 1, missing = "notBreaching"
    }
    execution_time = {
      text      = "Alerts take more than 2 seconds"
      statistic = "p95", above = 2000, period = 300, periods = 1, missing = "notBreaching"
    }
    trade_success_rate = {
      text      = "An order was rejected or lost"
      statistic = "Average", below = 100, period = 60, periods = 1, missing = "notBreaching"
    }
    errors = {
      text      = "The desk logged errors"
      statistic = "Sum", above = 0, period = 60, periods = 1, missing = "notBreaching"
    }
    unconfirmed_orders = {
      text      = "An order's outcome is unknown for two minutes"
      statistic = "Maximum", above = 0, period = 60, periods = 2, missing = "ignore"
    }
    open_incidents = {
      text      = "An incident waits for a person"
      statistic = "Maximum", above = 0, period = 60, periods = 1, missing = "ignore"
    }
    kill_switch = {
      text      = "The kill switch is on"
      statistic = "Maximum", above = 0, period = 60, periods = 1, missing = "ignore"
    }
    missed_heartbeats = {
      text      = "A strategy's heartbeat is overdue"
      statistic = "Maximum", above = 0, period = 60, periods = 1, missing = "ignore"
    }
    redis_healthy = {
      text      = "Redis does not answer the desk, or the desk's schedule does not run"
      statistic = "Minimum", below = 1, period = 60, periods = 3, missing = "breaching"
    }
    database_healthy = {
      text      = "The database does not answer the desk, or the desk's schedule does not run"
      statistic = "Minimum", below = 1, period = 60, periods = 3, missing = "breaching"
    }
    redis_memory = {
      text      = "Redis is nearly full and will refuse writes"
      statistic = "Maximum", above = 75, period = 300, periods = 1, missing = "breaching"
    }
    redis_cpu = {
      text      = "Redis is busy"
      statistic = "Average", above = 80, period = 300, periods = 2, missing = "breaching"
    }
    database_cpu = {
      text      = "The database is busy"
      statistic = "Average", above = 80, period = 300, periods = 2, missing = "breaching"
    }
    database_space = {
      text      = "The database has less than 4 GB left"
      statistic = "Minimum", below = 4000000000, period = 300, periods = 1, missing = "breaching"
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "desk" {
  for_each = local.alarms

  alarm_name        = "${local.desk}-${replace(each.key, "_", "-")}"
  alarm_description = each.value.text

  namespace   = local.metrics[each.key].namespace
  metric_name = local.metrics[each.key].name
  dimensions  = local.metrics[each.key].dimensions

  statistic           = startswith(each.value.statistic, "p") ? null : each.value.statistic
  extended_statistic  = startswith(each.value.statistic, "p") ? each.value.statistic : null
  comparison_operator = can(each.value.above) ? "GreaterThanThreshold" : "LessThanThreshold"
  threshold           = try(each.value.above, each.value.below)
  period              = each.value.period
  evaluation_periods  = each.value.periods
  treat_missing_data  = each.value.missing

  alarm_actions = [aws_sns_topic.alarms.arn]
  ok_actions    = [aws_sns_topic.alarms.arn]
}
