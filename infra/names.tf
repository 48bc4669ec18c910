locals {
  # Zappa names the function after project and stage.
  desk         = "${var.name}-${var.stage}"
  function_arn = "arn:aws:lambda:${var.region}:${var.account_id}:function:${local.desk}"
}
