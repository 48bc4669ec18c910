import os
from collections.abc import Mapping
from functools import cache

from django.conf import settings

from broker.base import BrokerNotReached, BrokerRefused
from broker.tradovate.credentials import Credentials
from tradedesk import aws_secrets
from tradedesk.aws_secrets import SecretNotReached, SecretRefused

REQUIRED = ("username", "password", "cid", "secret", "device_id")


def named(name: str) -> Credentials:
    """Return the login of a name: from the secret that NAME_SECRET_ID names, else from NAME_USERNAME, …

    Raises BrokerRefused when something is missing, BrokerNotReached when AWS does not answer.
    """
    if secret_id := os.environ.get(f"{name}_SECRET_ID"):
        return _complete(_secret(secret_id), {field: f'"{field}" in {secret_id}' for field in REQUIRED})
    variables = {field: f"{name}_{field.upper()}" for field in (*REQUIRED, "app_id")}
    values = {field: os.environ.get(variable, "") for field, variable in variables.items()}
    return _complete(values, variables)


def _complete(values: Mapping[str, object], places: Mapping[str, str]) -> Credentials:
    """Return credentials whose fields are all there; `places` says where each is set, for the error."""
    texts = {field: str(value) for field, value in values.items()}
    missing = [places[field] for field in REQUIRED if not texts.get(field)]
    if missing or not texts["cid"].isdecimal():
        wanted = ", ".join(missing) or f"{places['cid']} to a number"
        raise BrokerRefused("MissingCredentials", f"set {wanted}")
    return Credentials(
        name=texts["username"],
        password=texts["password"],
        app_id=texts.get("app_id") or "TradeDesk",
        app_version=settings.VERSION,
        device_id=texts["device_id"],
        cid=int(texts["cid"]),
        secret=texts["secret"],
    )


@cache
def _secret(secret_id: str) -> Mapping[str, object]:
    """Return a secret of AWS Secrets Manager, asked for once in a process."""
    try:
        return aws_secrets.read(secret_id)
    except SecretRefused as refusal:
        raise BrokerRefused("MissingCredentials", str(refusal)) from None
    except SecretNotReached as error:
        raise BrokerNotReached(str(error)) from None
