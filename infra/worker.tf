# Zappa's events come once a minute at best. This service does the same tasks within seconds.
locals {
  worker = var.worker_tag == null ? 0 : 1
}

resource "aws_ecr_repository" "worker" {
  count = local.worker

  name                 = local.desk
  image_tag_mutability = "IMMUTABLE"

  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_ecs_cluster" "desk" {
  count = local.worker

  name = local.desk
}

resource "aws_ecs_task_definition" "worker" {
  count = local.worker

  family                   = "${local.desk}-worker"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 256
  memory                   = 512
  execution_role_arn       = aws_iam_role.worker_start[0].arn
  task_role_arn            = aws_iam_role.worker[0].arn

  container_definitions = jsonencode([{
    name      = "worker"
    image     = "${aws_ecr_repository.worker[0].repository_url}:${var.worker_tag}"
    essential = true
    command   = ["celery", "--app", "tradedesk", "worker", "--beat", "--concurrency", "1"]
    environment = concat(
      [
        { name = "AWS_DEFAULT_REGION", value = var.region },
        { name = "METRICS_IN_LOG", value = "true" },
        { name = "DESK_NAME", value = local.desk },
      ],
      [for pair in var.pair[*] : { name = "DESK_REGION", value = var.region }],
      [for name, secret in aws_secretsmanager_secret.login : { name = "${name}_SECRET_ID", value = secret.arn }],
    )
    secrets = [for name in ["SECRET_KEY", "DATABASE_URL", "REDIS_URL", "NOTIFY_URLS"] :
      { name = name, valueFrom = "${aws_secretsmanager_secret.desk.arn}:${name}::" }
    ]
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.worker.name
        awslogs-region        = var.region
        awslogs-stream-prefix = "worker"
      }
    }
  }])
}

# One at most: beat must not run twice.
resource "aws_ecs_service" "worker" {
  count = local.worker

  name                               = "worker"
  cluster                            = aws_ecs_cluster.desk[0].id
  task_definition                    = aws_ecs_task_definition.worker[0].arn
  launch_type                        = "FARGATE"
  desired_count                      = 1
  deployment_maximum_percent         = 100
  deployment_minimum_healthy_percent = 0

  network_configuration {
    subnets          = aws_subnet.private[*].id
    security_groups  = [aws_security_group.desk.id]
    assign_public_ip = false
  }
}

data "aws_iam_policy_document" "worker_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
  }
}

# What the tasks may do: read the logins.
resource "aws_iam_role" "worker" {
  count = local.worker

  name               = "${local.desk}-worker"
  assume_role_policy = data.aws_iam_policy_document.worker_trust.json
}

data "aws_iam_policy_document" "worker" {
  statement {
    sid       = "ReadLogins"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = values(aws_secretsmanager_secret.login)[*].arn
  }
}

resource "aws_iam_role_policy" "worker" {
  count = local.worker

  name   = "worker"
  role   = aws_iam_role.worker[0].id
  policy = data.aws_iam_policy_document.worker.json
}

# What Fargate may do to start them: fetch the image, hand over the settings, write the log.
resource "aws_iam_role" "worker_start" {
  count = local.worker

  name               = "${local.desk}-worker-start"
  assume_role_policy = data.aws_iam_policy_document.worker_trust.json
}

data "aws_iam_policy_document" "worker_start" {
  count = local.worker

  statement {
    sid       = "FetchImage"
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = [aws_ecr_repository.worker[0].arn]
  }

  # AWS knows no resource for this.
  statement {
    sid       = "LogInToRegistry"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    sid       = "ReadSettings"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [aws_secretsmanager_secret.desk.arn]
  }

  statement {
    sid       = "Log"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.worker.arn}:*"]
  }
}

resource "aws_iam_role_policy" "worker_start" {
  count = local.worker

  name   = "start"
  role   = aws_iam_role.worker_start[0].id
  policy = data.aws_iam_policy_document.worker_start[0].json
}
