"""Who may do what in AWS: every right by name."""

from collections.abc import Iterator

from tests.infra.files import Body, Config, block, blocks

# AWS knows no resource for these.
NAMELESS = {"ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ecr:GetAuthorizationToken"}
TRUST = {
    "desk_trust": {"lambda.amazonaws.com", "apigateway.amazonaws.com", "events.amazonaws.com"},
    "worker_trust": {"ecs-tasks.amazonaws.com"},
    "gateway_logs_trust": {"apigateway.amazonaws.com"},
}
NEEDS = {
    "desk": {
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "secretsmanager:GetSecretValue",
        "lambda:InvokeFunction",
        "sns:Publish",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:AssignPrivateIpAddresses",
        "ec2:UnassignPrivateIpAddresses",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
    },
    "worker": {"secretsmanager:GetSecretValue"},
    "worker_start": {
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:GetDownloadUrlForLayer",
        "ecr:GetAuthorizationToken",
        "secretsmanager:GetSecretValue",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    },
}
ATTACHED = {"arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"}
WRITTEN_ELSEWHERE = {"aws_iam_policy", "aws_iam_policy_attachment", "aws_iam_user", "aws_iam_access_key"}
DOCUMENTS = {
    "aws_iam_role": "assume_role_policy",
    "aws_iam_role_policy": "policy",
    "aws_s3_bucket_policy": "policy",
    "aws_api_gateway_rest_api_policy": "policy",
}


def findings(config: Config) -> Iterator[str]:
    """Return rights that are too wide, missing, or written where this test does not read."""
    for (kind, name), document in config.data.items():
        if kind == "aws_iam_policy_document":
            for statement in blocks(document, "statement"):
                yield from _wide(f"policy {name}", statement)
    for name, needed in NEEDS.items():
        allowed = {action for part in _allowing(config, name) for action in part.get("actions", [])}
        yield from (f"policy {name}: {action} is missing" for action in sorted(needed - allowed))
        yield from (f"policy {name}: {action} is not needed" for action in sorted(allowed - needed))
    for name, trusted in TRUST.items():
        if set(_principals(config, name)) != trusted:
            yield f"policy {name}: trusts others than {', '.join(sorted(trusted))}"
    if not any(_keeps_code_out(statement) for statement in config.policy("desk")):
        yield "policy desk: the function's code may change the network"
    yield from _elsewhere(config)


def _allowing(config: Config, name: str) -> list[Body]:
    return [part for part in config.policy(name) if part.get("effect", "Allow") == "Allow"]


def _wide(place: str, statement: Body) -> Iterator[str]:
    if statement.get("effect", "Allow") != "Allow":
        return
    actions, resources = statement.get("actions", []), statement.get("resources", [])
    if isinstance(resources, list) and "*" in resources and len(resources) > 1:
        yield f"{place}: names resources beside *"
    if statement.keys() & {"not_actions", "not_resources", "not_principals"}:
        yield f"{place}: allows by exception"
    if any("*" in action for action in actions):
        yield f"{place}: an action with *"
    if resources == ["*"] and not set(actions) <= NAMELESS:
        yield f"{place}: resource * for {', '.join(sorted(set(actions) - NAMELESS))}"
    for principal in blocks(statement, "principals"):
        if "*" in principal["identifiers"] and not blocks(statement, "condition"):
            yield f"{place}: lets everyone in"


def _principals(config: Config, name: str) -> Iterator[str]:
    for statement in config.policy(name):
        for principal in blocks(statement, "principals"):
            yield from principal["identifiers"]


def _keeps_code_out(statement: Body) -> bool:
    return (
        statement.get("effect") == "Deny"
        and statement.get("actions") == ["ec2:*"]
        and block(statement, "condition").get("variable") == "lambda:SourceFunctionArn"
    )


def _elsewhere(config: Config) -> Iterator[str]:
    for (kind, name), body in config.resources.items():
        argument = DOCUMENTS.get(kind)
        if argument and not str(body.get(argument)).startswith("${data.aws_iam_policy_document."):
            yield f"{kind}.{name}: its policy is not a document that this test reads"
        if kind in WRITTEN_ELSEWHERE:
            yield f"{kind}.{name}: not read by this test"
        if kind == "aws_iam_role_policy_attachment" and body.get("policy_arn") not in ATTACHED:
            yield f"{kind}.{name}: a policy that this test does not know"
