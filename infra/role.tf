# The role of the function. API Gateway and the schedules invoke the function with it too.
resource "aws_iam_role" "desk" {
  name               = "${local.desk}-desk"
  assume_role_policy = data.aws_iam_policy_document.desk_trust.json
}

data "aws_iam_policy_document" "desk_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com", "apigateway.amazonaws.com", "events.amazonaws.com"]
    }
  }
}

resource "aws_iam_role_policy" "desk" {
  name   = "desk"
  role   = aws_iam_role.desk.id
  policy = data.aws_iam_policy_document.desk.json
}

data "aws_iam_policy_document" "desk" {
  statement {
    sid       = "Log"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.function.arn}:*"]
  }

  statement {
    sid       = "ReadSecrets"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = local.secret_arns
  }

  statement {
    sid       = "BeInvoked"
    actions   = ["lambda:InvokeFunction"]
    resources = [local.function_arn, "${local.function_arn}:*"]
  }

  statement {
    sid       = "TellOfLostRuns"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.alarms.arn]
  }

  statement {
    sid = "JoinNetwork"
    actions = [
      "ec2:CreateNetworkInterface",
      "ec2:DeleteNetworkInterface",
      "ec2:AssignPrivateIpAddresses",
      "ec2:UnassignPrivateIpAddresses",
    ]
    resources = ["arn:aws:ec2:${var.region}:${var.account_id}:*/*"]
  }

  # AWS knows no resource for these.
  statement {
    sid       = "SeeNetwork"
    actions   = ["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"]
    resources = ["*"]
  }

  # Lambda itself needs the network, the code in the function does not.
  statement {
    sid       = "CodeLeavesNetworkAlone"
    effect    = "Deny"
    actions   = ["ec2:*"]
    resources = ["*"]

    condition {
      test     = "ArnEquals"
      variable = "lambda:SourceFunctionArn"
      values   = [local.function_arn]
    }
  }
}

locals {
  secret_arns = concat([aws_secretsmanager_secret.desk.arn], values(aws_secretsmanager_secret.login)[*].arn)
}
