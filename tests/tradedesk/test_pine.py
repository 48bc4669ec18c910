import json
import re
from pathlib import Path

import pytest

from tests.builders import make_strategy
from tradedesk.admin.alert_messages import messages_for

SCRIPTS = sorted((Path(__file__).parents[2] / "pine").glob("*.pine"))
MESSAGE = re.compile(r"^alertcondition\(.*, '(\{.*\})'\)$", re.MULTILINE)
VERSION = re.compile(r"^// Emits alert payload version (\d+): ([A-Z_ and]+)\.$", re.MULTILINE)


def messages_in(script: Path) -> list[dict[str, object]]:
    return [json.loads(text) for text in MESSAGE.findall(script.read_text())]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_script_names_the_payload_version_and_the_events_that_it_emits(script: Path) -> None:
    (version, actions), *others = VERSION.findall(script.read_text())

    assert others == []
    assert [(found["payload_version"], found["action"]) for found in messages_in(script)] == [
        (version, action) for action in actions.split(" and ")
    ]


def test_scripts_together_send_the_messages_that_the_panel_shows(db: None) -> None:
    sent = {str(message.pop("action")): message for script in SCRIPTS for message in messages_in(script)}
    shown = {message.action: json.loads(message.text) for message in messages_for(make_strategy())}

    assert sent == {
        action: {"payload_version": "1", **{key: value for key, value in text.items() if key != "action"}}
        for action, text in shown.items()
    }
