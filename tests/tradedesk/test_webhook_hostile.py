import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from tests.builders import make_message
from tests.fakes import FakeBroker
from tests.posting import post
from tradedesk.models import Alert, AlertOutcome, Bot

NOT_JSON = "The body is not JSON. Copy the message from the strategy's page."
NOT_TEXT = "The body is not UTF-8 text."
NOT_AN_OBJECT = "The body must be a JSON object."

WORDS = ["action", "indicator", "signal.type", "signal.direction", "signal.trigger"]
TEXTS = ["market_data.symbol", "market_data.exchange", "market_data.timeframe", "market_data.contract"]
TIMES = ["market_data.timestamp", "market_data.timenow"]
PRICES = [f"price_data.{name}" for name in ("open", "high", "low", "close", "volume")]
FIELDS = [*WORDS, *TEXTS, *TIMES, *PRICES]


@pytest.fixture
def unlimited(settings: Settings) -> None:
    settings.WEBHOOK_RATE_PER_MINUTE = 0


def message_with(path: str, value: object) -> dict[str, Any]:
    """Return the usual alert with one field set to something else."""
    message = make_message()
    parent, _, name = path.rpartition(".")
    (message[parent] if parent else message)[name] = value
    return message


# --- bodies that are no alert at all ---


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", NOT_JSON),
        (b" ", NOT_JSON),
        (b"\xef\xbb\xbf", NOT_JSON),
        (b"\xef\xbb\xbf\xef\xbb\xbf{}", NOT_JSON),
        (b"LONG_ENTRY MES1!", NOT_JSON),
        (b"{", NOT_JSON),
        (b"{}{}", NOT_JSON),
        (b"{'action': 'LONG_ENTRY'}", NOT_JSON),
        (b'{"action": "LONG_ENTRY",}', NOT_JSON),
        (b'{"action": "LONG\x01ENTRY"}', NOT_JSON),
        (b'{"action": "LONG\nENTRY"}', NOT_JSON),
        (b'{"action": "\\x41"}', NOT_JSON),
        (b'{"action": 01}', NOT_JSON),
        (b'{"action": +1}', NOT_JSON),
        (b"\x00", NOT_JSON),
        (b'{"action": "\x00"}', NOT_JSON),
        (b"<html><body onload=alert(1)></body></html>", NOT_JSON),
        (b"'; DROP TABLE tradedesk_alert; --", NOT_JSON),
        (b"action=LONG_ENTRY&symbol=MES1!", NOT_JSON),
        (b"[" * 60_000, NOT_JSON),
        (b"[" * 30_000 + b"]" * 30_000, NOT_JSON),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, NOT_JSON),
        (b"\xff\xfe{\x00}\x00", NOT_TEXT),
        (b'{"action": "\xed\xa0\x80"}', NOT_TEXT),
        (b'{"action": "\xc3"}', NOT_TEXT),
        (b"\x1f\x8b\x08\x00", NOT_TEXT),
        (b"[]", NOT_AN_OBJECT),
        (b"[{}]", NOT_AN_OBJECT),
        (b"null", NOT_AN_OBJECT),
        (b"true", NOT_AN_OBJECT),
        (b"0", NOT_AN_OBJECT),
        (b"1e999999", NOT_AN_OBJECT),
        (b"9" * 60_000, NOT_AN_OBJECT),
        (b'"LONG_ENTRY"', NOT_AN_OBJECT),
    ],
    ids=range(34),
)
def test_body_that_is_no_object_is_400_and_stored(bot: Bot, body: bytes, sentence: str) -> None:
    answer = post(body)

    assert (answer.http, answer.body["status"]) == (400, "invalid")
    assert answer.body["errors"] == {"body": [sentence]}
    alert = Alert.objects.get()
    assert (alert.outcome, alert.errors) == (AlertOutcome.REJECTED, {"body": [sentence]})


def test_empty_object_names_every_required_field(bot: Bot) -> None:
    answer = post(b"{}")

    required = [*WORDS, *TEXTS[:3], *TIMES]
    assert answer.body["errors"] == {path: ["Required."] for path in required}


def test_body_of_70_kib_is_413_and_not_stored(bot: Bot) -> None:
    answer = post({**make_message(), "note": "x" * 70 * 1024})

    assert (answer.http, answer.body["status"]) == (413, "too_large")
    assert Alert.objects.count() == 0


def test_deep_nesting_in_what_we_do_not_read_does_no_harm(bot: Bot) -> None:
    deep: list[Any] = []
    for _ in range(200):
        deep = [deep]

    assert post({**make_message(), "extra": deep}).http == 200


def test_last_of_two_equal_keys_counts(bot: Bot) -> None:
    body = json.dumps(make_message()).replace(
        '"action": "LONG_ENTRY"', '"action": "?", "action": "LONG_ENTRY"'
    )

    assert post(body.encode()).body["status"] == "processed"


# --- one wrong value in one field ---


@pytest.mark.parametrize("value", [True, False, [], [1], {}, {"a": 1}, [None]], ids=repr)
@pytest.mark.parametrize("path", FIELDS)
def test_wrong_type_is_400_and_the_field_is_named(bot: Bot, path: str, value: object) -> None:
    answer = post(message_with(path, value))

    assert (answer.http, answer.body["errors"]) == (400, {path: ["Must be a text or a number."]})


@pytest.mark.parametrize("value", ["", "x", "{{x}}", 1, True, [], ["LONG"]], ids=repr)
@pytest.mark.parametrize("path", ["signal", "market_data", "price_data"])
def test_object_that_is_none_is_400_and_named(bot: Bot, path: str, value: object) -> None:
    answer = post(message_with(path, value))

    assert (answer.http, answer.body["errors"]) == (400, {path: ["Must be an object."]})


PLAIN_FIELDS = ["market_data.symbol", "market_data.exchange", "market_data.contract"]
# No field that we read takes these.
HOSTILE = [
    "' OR 1=1; --",
    "\x00",
    "a\x00b",
    "\ud800",
    "\x1b[31mred",
    "tab\there",
    "line\nbreak",
    "\u202egnp.exe",
    "💥",
    "{{close}}",
    "x" * 1000,
    "9" * 400,
    10**400,
]
# Letters and signs without spaces: a symbol, an exchange or a contract may be called so.
PLAIN_TEXTS = [
    "<script>alert(1)</script>",
    "${jndi:ldap://x}",
    "../../etc/passwd",
    "1e999999999",
    "-Infinity",
    "nan",
]


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: ascii(value)[:20])
@pytest.mark.parametrize("path", FIELDS)
def test_hostile_value_is_400_and_the_field_is_named(
    bot: Bot, broker: FakeBroker, path: str, value: object
) -> None:
    answer = post(message_with(path, value))

    assert (answer.http, answer.body["status"]) == (400, "invalid")
    assert list(answer.body["errors"]) == [path]
    assert Alert.objects.get().outcome == AlertOutcome.REJECTED
    assert broker.submits == []


@pytest.mark.parametrize("value", PLAIN_TEXTS)
@pytest.mark.parametrize("path", ["market_data.symbol", "market_data.exchange", "market_data.contract"])
def test_hostile_but_plain_text_is_stored_and_opens_nothing_unknown(
    bot: Bot, broker: FakeBroker, path: str, value: str
) -> None:
    answer = post(message_with(path, value))

    assert (answer.http, answer.body["status"]) == (200, "processed")
    assert len(broker.submits) == (0 if path == "market_data.symbol" else 1)


@pytest.mark.parametrize("value", PLAIN_TEXTS)
@pytest.mark.parametrize("path", [path for path in FIELDS if path not in PLAIN_FIELDS])
def test_plain_text_where_a_word_time_or_number_belongs_is_400_and_named(
    bot: Bot, path: str, value: str
) -> None:
    answer = post(message_with(path, value))

    assert (answer.http, list(answer.body["errors"])) == (400, [path])


def test_long_symbol_of_another_root_is_stored_and_refused(bot: Bot) -> None:
    answer = post(make_message(symbol="MES" + "Z" * 29))

    assert answer.decision["reason"] == "UNKNOWN_SYMBOL"


def test_markup_in_a_symbol_is_refused_as_unknown(bot: Bot) -> None:
    answer = post(make_message(symbol="<b>MES1!</b>"))

    assert (answer.decision["action"], answer.decision["reason"]) == ("NONE", "UNKNOWN_SYMBOL")


# --- prices ---


@pytest.mark.parametrize(
    ("price", "stored"),
    [
        ("-37.63", "-37.63000000"),
        ("0", "0E-8"),
        ("-0", "0E-8"),
        ("0e99", "0E-8"),
        ("0.00000001", "1E-8"),
        ("+6842.25", "6842.25000000"),
        (".5", "0.50000000"),
        ("5.", "5.00000000"),
        ("6.84225E3", "6842.25000000"),
        ("1.000000004", "1.00000000"),
        ("999999999999", "999999999999.00000000"),
        ("-999999999999", "-999999999999.00000000"),
    ],
)
def test_price_of_a_sensible_size_is_stored(bot: Bot, price: str, stored: str) -> None:
    answer = post(message_with("price_data.close", price))

    assert (answer.http, str(Alert.objects.get().close)) == (200, stored)


@pytest.mark.parametrize(
    "price",
    ["1000000000000", "999999999999.999999999", "-999999999999.5", "1e12", "1e99", "1e-9", "1e-99", "1e999"],
)
def test_price_that_the_column_cannot_hold_is_400_and_named(bot: Bot, price: str) -> None:
    answer = post(message_with("price_data.close", price))

    assert (answer.http, list(answer.body["errors"])) == (400, ["price_data.close"])


# --- times ---


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "2026-11-23T14:20:60Z",
        "2016-12-31T23:59:60Z",
        "2026-11-23T25:00:00Z",
        "2026-02-30T14:20:00Z",
        "2026-13-01T14:20:00Z",
        "2026-11-23T14:20:00 America/Chicago",
        "2026-11-23T14:20:00CST",
        "2026-11-23T14:20:00+99:00",
        "23.11.2026 14:20",
        "Mon, 23 Nov 2026 14:20:00 GMT",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-12:00",
        "1999-12-31T23:59:59Z",
        "2100-01-01T00:00:00Z",
        "0000-00-00T00:00:00Z",
        "-2026-11-23T14:20:00Z",
        "0",
        "-1",
        "12345678",
        "99999999999",
        "9999999999999",
        "99999999999999999999",
        "1.7954454e9",
        "1795445400.5",
        "١٧٩٥٤٤٥٤٠٠",
        " 2026-11-23T14:20:00Z",
    ],
)
@pytest.mark.parametrize("path", TIMES)
def test_time_that_is_none_is_400_and_named(bot: Bot, path: str, text: str) -> None:
    answer = post(message_with(path, text))

    assert (answer.http, list(answer.body["errors"])) == (400, [path])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2000-01-01T00:00:00Z", "TREND_BLUE"),
        ("2026-11-23", "TREND_BLUE"),
        ("2026-11-23T15:02:00Z", "TREND_BLUE"),
        ("2026-11-23T15:02:00.000001Z", "FUTURE_BAR"),
        ("2026-11-23T10:00:00-06:00", "FUTURE_BAR"),
        ("2099-12-31T23:59:59Z", "FUTURE_BAR"),
        ("2026-11-23T20:20:00+05:30", "TREND_BLUE"),
    ],
)
def test_odd_bar_time_is_processed(bot: Bot, text: str, reason: str) -> None:
    answer = post(make_message(timestamp=text))

    assert (answer.http, answer.decision["reason"]) == (200, reason)


@pytest.mark.parametrize(
    "timenow", ["2000-01-01T00:00:00Z", "2026-11-22T15:00:00Z", "2026-11-23T14:58:59.999Z"]
)
def test_firing_time_long_ago_opens_nothing(bot: Bot, broker: FakeBroker, timenow: str) -> None:
    answer = post(make_message(timenow=timenow))

    assert (answer.decision["action"], answer.decision["reason"]) == ("NONE", "TOO_OLD")
    assert broker.submits == []


# --- whatever it is ---


def changed(changes: dict[str, Any]) -> dict[str, Any]:
    message = make_message()
    for path, value in changes.items():
        parent, _, name = path.rpartition(".")
        holder = message.get(parent) if parent else message
        if isinstance(holder, dict):
            holder[name] = value
    return message


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
nearly_an_alert = st.builds(
    changed,
    st.dictionaries(
        st.sampled_from([*FIELDS, "signal", "market_data", "price_data", "token"]),
        anything
        | st.sampled_from(["", "na", "{{time}}", "10", "15", "MES1!", "2026-11-23T15:00:00Z", "1e11", "-0"]),
        max_size=4,
    ),
)


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(content=anything | nearly_an_alert)
def test_any_json_gets_an_answer_in_json_and_no_server_error(
    bot: Bot, unlimited: None, content: object
) -> None:
    answer = post(content)

    said = {200: {"processed", "duplicate", "heartbeat"}, 400: {"invalid"}, 413: {"too_large"}}
    assert answer.body["status"] in said[answer.http]
    assert bool(answer.body.get("errors")) is (answer.http == 400)
