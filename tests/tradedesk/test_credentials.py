"""Logins by name: from the environment, or from AWS Secrets Manager with a server in its place."""

import json
import sys
from collections.abc import Iterator

import pytest

from broker.base import BrokerNotReached, BrokerRefused
from broker.tradovate.credentials import Credentials
from tests import embedded
from tests.secrets_manager import SecretsManager, secrets_manager
from tradedesk.settings import VERSION
from tradedesk.stores import credentials

LOGIN = {
    "username": "ada",
    "password": "pass-word-1",
    "cid": "42",
    "secret": "api-secret-1",
    "device_id": "desk-1",
    "app_id": "Desk",
}
WANTED = Credentials("ada", "pass-word-1", "Desk", VERSION, "desk-1", 42, "api-secret-1")


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretsManager]:
    credentials._secret.cache_clear()
    with secrets_manager(LOGIN) as server:
        for name, value in {**server.environ, "DEMO_SECRET_ID": "desk/demo"}.items():
            monkeypatch.setenv(name, value)
        yield server
    credentials._secret.cache_clear()


def test_login_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for field, value in LOGIN.items():
        monkeypatch.setenv(f"DEMO_{field.upper()}", value)

    assert credentials.named("DEMO") == WANTED


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMO_USERNAME", "ada")
    monkeypatch.setenv("DEMO_CID", "42")

    with pytest.raises(BrokerRefused, match=r"set DEMO_PASSWORD, DEMO_SECRET, DEMO_DEVICE_ID$"):
        credentials.named("DEMO")


def test_key_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for field, value in {**LOGIN, "cid": "x"}.items():
        monkeypatch.setenv(f"DEMO_{field.upper()}", value)

    with pytest.raises(BrokerRefused, match="set DEMO_CID to a number"):
        credentials.named("DEMO")


def test_login_comes_from_secrets_manager_once_in_a_process(aws: SecretsManager) -> None:
    assert credentials.named("DEMO") == credentials.named("DEMO") == WANTED

    assert aws.asked == ["desk/demo"]


def test_number_in_the_secret_may_be_one_in_json(aws: SecretsManager) -> None:
    aws.answer = (200, {"SecretString": json.dumps({**LOGIN, "cid": 42})})

    assert credentials.named("DEMO") == WANTED


def test_key_missing_in_the_secret_is_named_and_nothing_of_it_shown(aws: SecretsManager) -> None:
    aws.answer = (200, {"SecretString": json.dumps({**LOGIN, "device_id": ""})})

    with pytest.raises(BrokerRefused) as caught:
        credentials.named("DEMO")

    assert str(caught.value) == 'MissingCredentials: set "device_id" in desk/demo'


@pytest.mark.parametrize("text", ["", "pass-word-1", '["pass-word-1"]'])
def test_secret_that_is_no_object_is_refused_without_showing_it(aws: SecretsManager, text: str) -> None:
    aws.answer = (200, {"SecretString": text})

    with pytest.raises(BrokerRefused, match=r"the secret desk/demo is not a JSON object$"):
        credentials.named("DEMO")


def test_secret_that_aws_refuses_is_refused_and_asked_for_again(aws: SecretsManager) -> None:
    aws.answer = (400, {"__type": "ResourceNotFoundException", "Message": "no"})
    with pytest.raises(BrokerRefused, match="AWS refused the secret desk/demo: ResourceNotFoundException"):
        credentials.named("DEMO")
    aws.answer = (200, {"SecretString": json.dumps(LOGIN)})

    assert credentials.named("DEMO") == WANTED


def test_aws_that_does_not_answer_is_not_reached(
    aws: SecretsManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"http://127.0.0.1:{embedded.free_port()}"
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", address)

    with pytest.raises(BrokerNotReached, match="AWS Secrets Manager: EndpointConnectionError"):
        credentials.named("DEMO")


def test_missing_boto3_is_said_plainly(aws: SecretsManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)

    with pytest.raises(BrokerRefused, match="install boto3"):
        credentials.named("DEMO")
