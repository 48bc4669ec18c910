"""Faults of rights."""

from tests.infra.fault import Fault

READ_SECRETS = """actions   = ["secretsmanager:GetSecretValue"]
    resources = local.secret_arns"""
CODE_KEPT_OUT = """actions   = ["ec2:*"]"""

FAULTS = {
    "everything on everything": Fault(
        "role.tf", READ_SECRETS, 'actions = ["*"]\n    resources = ["*"]', "policy desk: an action"
    ),
    "every secret": Fault(
        "role.tf", "resources = local.secret_arns", 'resources = ["*"]', "policy desk: resource *"
    ),
    "a right more": Fault(
        "role.tf",
        '["secretsmanager:GetSecretValue"]',
        '["secretsmanager:GetSecretValue", "secretsmanager:DeleteSecret"]',
        "policy desk: secretsmanager:DeleteSecret is not needed",
    ),
    "function not invoked": Fault(
        "role.tf",
        '["lambda:InvokeFunction"]',
        '["lambda:GetFunction"]',
        "policy desk: lambda:InvokeFunction is missing",
    ),
    "schedules not trusted": Fault(
        "role.tf", ', "events.amazonaws.com"', "", "policy desk_trust: trusts others"
    ),
    "everyone trusted": Fault(
        "worker.tf", '["ecs-tasks.amazonaws.com"]', '["*"]', "policy worker_trust: lets everyone in"
    ),
    "code on the network": Fault(
        "role.tf", CODE_KEPT_OUT, 'actions = ["ec2:RunInstances"]', "policy desk: the function's code"
    ),
    "policy written inline": Fault(
        "role.tf",
        "policy = data.aws_iam_policy_document.desk.json",
        'policy = jsonencode({ Statement = [{ Effect = "Allow", Action = "*", Resource = "*" }] })',
        "aws_iam_role_policy.desk: its policy is not a document",
    ),
    "administrator": Fault(
        "gateway_limits.tf",
        "service-role/AmazonAPIGatewayPushToCloudWatchLogs",
        "AdministratorAccess",
        "aws_iam_role_policy_attachment.gateway_logs: a policy that",
    ),
    "a resource beside everything": Fault(
        "role.tf",
        "[aws_sns_topic.alarms.arn]",
        '[aws_sns_topic.alarms.arn, "*"]',
        "policy desk: names resources beside *",
    ),
    "everything but": Fault(
        "role.tf",
        'actions   = ["sns:Publish"]',
        'not_actions = ["sns:Subscribe"]',
        "policy desk: allows by exception",
    ),
    "a user with a key": Fault(
        "role.tf",
        "locals {",
        'resource "aws_iam_access_key" "desk" {\n  user = "desk"\n}\n\nlocals {',
        "aws_iam_access_key.desk: not read",
    ),
}
