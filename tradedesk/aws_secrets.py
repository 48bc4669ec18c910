import json
from collections.abc import Mapping
from typing import Any


class SecretRefused(Exception):
    """AWS gives no such secret, or it is not as it must be. The text has nothing of it."""


class SecretNotReached(Exception):
    """AWS Secrets Manager does not answer."""


def read(secret_id: str) -> Mapping[str, Any]:
    """Return what a secret of AWS Secrets Manager holds as JSON object, within four seconds.

    Raises SecretRefused or SecretNotReached.
    """
    try:
        # Lambda has it; elsewhere only who keeps secrets in AWS installs it.
        import boto3  # noqa: PLC0415
        from botocore.config import Config  # noqa: PLC0415
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
    except ImportError:
        raise SecretRefused("install boto3 to read AWS Secrets Manager") from None
    patience = Config(connect_timeout=1, read_timeout=1, retries={"total_max_attempts": 2})
    try:
        client = boto3.client("secretsmanager", config=patience)
        text = client.get_secret_value(SecretId=secret_id).get("SecretString", "")
    except ClientError as error:
        code = error.response["Error"].get("Code", "")
        raise SecretRefused(f"AWS refused the secret {secret_id}: {code}") from None
    except BotoCoreError as error:
        raise SecretNotReached(f"AWS Secrets Manager: {type(error).__name__}") from None
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise SecretRefused(f"the secret {secret_id} is not a JSON object")
    return content
