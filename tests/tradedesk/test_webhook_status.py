import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from django.db import OperationalError, connection
from django.test import Client
from pytest_django.fixtures import Settings

from tests.builders import TOKEN, at, make_account, make_bot, make_message, make_strategy, make_token
from tests.embedded import free_port
from tests.fakes import START, FakeBroker, FakeClock
from tests.posting import PATH, Answer, post
from tradedesk.models import Alert, AlertOutcome, Bot, BotState, Decision, Order, Strategy
from tradedesk.services.alerts.tokens import revoke_token
from tradedesk.services.desk import Desk
from tradedesk.services.order_path.orders import client_order_id

OTHER_TOKEN = "tok-fedcba9876543210fedcba9876543210"
FORBIDDEN = Answer(403, {"status": "forbidden", "code": "FORBIDDEN", "detail": "Forbidden.", "errors": {}})
UNAVAILABLE = Answer(
    503,
    {
        "status": "unavailable",
        "code": "UNAVAILABLE",
        "detail": "The alert could not be stored. Send it again.",
        "errors": {},
    },
)
TOO_LARGE = Answer(
    413,
    {
        "status": "too_large",
        "code": "TOO_LARGE",
        "detail": "The body is larger than 65536 bytes.",
        "errors": {},
    },
)


@contextmanager
def failing(what: str) -> Iterator[None]:
    """Let every statement with these words fail as it does when the database goes away."""

    def refuse(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if what in sql:
            raise OperationalError("the connection is lost")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse):
        yield


# --- stored and decided ---


def test_trading_alert_is_answered_with_the_whole_decision(bot: Bot) -> None:
    answer = post()

    alert = Alert.objects.get()
    assert answer == Answer(
        200,
        {
            "alert_id": str(alert.id),
            "status": "processed",
            "decisions": [
                {
                    "bot": "mes-paper",
                    "action": "ENTER_LONG",
                    "reason": "TREND_BLUE",
                    "state": {
                        "current_position": "LONG",
                        "trend_color": "BLUE",
                        "waiting_for_reentry": "NO",
                        "last_updated": "2026-11-23T15:00:00Z",
                    },
                    "order": {
                        "client_order_id": client_order_id(bot.id, str(alert.event_key), 0),
                        "side": "BUY",
                        "quantity": 1,
                        "contract": "MESZ6",
                        "status": "filled",
                        "broker_order_id": "1001",
                        "filled_quantity": 1,
                        "average_price": "6842.25",
                    },
                }
            ],
        },
    )


def test_alert_that_changes_nothing_is_processed_without_an_order(bot: Bot) -> None:
    answer = post(make_message("DI_CROSS_UP"))

    assert (answer.http, answer.body["status"]) == (200, "processed")
    assert answer.decision == {
        "bot": "mes-paper",
        "action": "NONE",
        "reason": "NO_TREND_YET",
        "state": {
            "current_position": "NONE",
            "trend_color": None,
            "waiting_for_reentry": "NO",
            "last_updated": "2026-11-23T15:00:00Z",
        },
        "order": None,
    }


def test_strategy_without_bots_stores_the_alert_and_decides_nothing(desk: Desk) -> None:
    make_token(make_strategy())

    answer = post()

    assert answer == Answer(
        200, {"alert_id": str(Alert.objects.get().id), "status": "processed", "decisions": []}
    )


def test_one_alert_drives_every_bot_of_its_strategy_in_order_of_name(bot: Bot) -> None:
    second = make_bot("a-copy", strategy=bot.strategy, account=make_account("second"))

    answer = post()

    assert [(d["bot"], d["action"]) for d in answer.body["decisions"]] == [
        (second.slug, "ENTER_LONG"),
        (bot.slug, "ENTER_LONG"),
    ]


@pytest.mark.parametrize(
    ("market", "reason"),
    [
        ({"symbol": "NQ1!"}, "UNKNOWN_SYMBOL"),
        ({"timeframe": "5"}, "WRONG_TIMEFRAME"),
        ({"exchange": "CME_MINI_DL"}, "DELAYED_DATA"),
        ({"exchange": "CME_MINI_DLY"}, "DELAYED_DATA"),
        ({"timestamp": "2026-11-23T15:02:01Z"}, "FUTURE_BAR"),
        ({"timenow": "2026-11-23T14:58:59Z"}, "TOO_OLD"),
    ],
)
def test_alert_refused_by_a_rule_is_processed_with_the_reason(
    bot: Bot, broker: FakeBroker, market: dict[str, Any], reason: str
) -> None:
    answer = post(make_message(**market))

    assert (answer.http, answer.body["status"]) == (200, "processed")
    assert (answer.decision["action"], answer.decision["reason"]) == ("NONE", reason)
    assert answer.decision["order"] is None
    assert broker.submits == []
    assert Alert.objects.get().outcome == AlertOutcome.ACCEPTED


def test_stored_alert_has_its_fields(bot: Bot) -> None:
    post(
        make_message(contract="MESZ6", timeframe="10"),
        REMOTE_ADDR="52.89.214.238",
    )

    alert = Alert.objects.get()
    assert (alert.action, alert.indicator, alert.symbol, alert.exchange) == (
        "LONG_ENTRY",
        "Trend_Validator",
        "MES1!",
        "CME_MINI",
    )
    assert (alert.timeframe, alert.contract, str(alert.close)) == ("10", "MESZ6", "6842.25000000")
    assert (alert.bar_open, alert.fired_at, alert.effective_at) == (at(-10), START, START)
    assert alert.event_key == "Trend_Validator|LONG_ENTRY|MES1!|10|2026-11-23T14:50:00Z"
    assert (alert.source_address, alert.outcome, alert.errors) == ("52.89.214.238", "accepted", {})
    assert json.loads(alert.body) == make_message(contract="MESZ6")


# --- duplicates ---


@pytest.mark.django_db(transaction=True)
def test_same_event_again_is_a_duplicate_with_the_first_id(bot: Bot, broker: FakeBroker) -> None:
    first = post()

    again = post()

    assert again == Answer(200, {"alert_id": first.body["alert_id"], "status": "duplicate", "decisions": []})
    assert (Alert.objects.count(), Decision.objects.count(), len(broker.submits)) == (1, 1, 1)


@pytest.mark.django_db(transaction=True)
def test_resend_with_other_firing_time_and_prices_is_a_duplicate(bot: Bot, clock: FakeClock) -> None:
    first = post()
    clock.advance(5)
    message = make_message(timenow="2026-11-23T15:00:05Z")
    message["price_data"]["close"] = "6900"

    again = post(message)

    assert (again.body["status"], again.body["alert_id"]) == ("duplicate", first.body["alert_id"])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "message",
    [
        make_message("SHORT_ENTRY"),
        make_message(fired_at=at(10)),
        make_message(symbol="MESZ2026"),
    ],
    ids=["event", "bar", "symbol"],
)
def test_alert_that_differs_in_the_key_is_no_duplicate(bot: Bot, message: dict[str, Any]) -> None:
    post()

    assert post(message).body["status"] == "processed"
    assert Alert.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_same_event_of_another_strategy_is_no_duplicate(bot: Bot) -> None:
    other = make_strategy("mes-other")
    make_token(other, OTHER_TOKEN)
    post()

    assert post(path=f"{PATH}{OTHER_TOKEN}/").body["status"] == "processed"


@pytest.mark.django_db(transaction=True)
def test_rejected_message_does_not_make_the_right_one_a_duplicate(bot: Bot) -> None:
    post(make_message(symbol=""))

    assert post().body["status"] == "processed"
    assert Alert.objects.count() == 2


# --- heartbeat ---


def test_heartbeat_updates_the_sign_of_life_and_makes_no_row(bot: Bot) -> None:
    answer = post(make_message("HEARTBEAT"))

    assert answer == Answer(200, {"alert_id": None, "status": "heartbeat", "decisions": []})
    assert Strategy.objects.get().heartbeat_at == START
    assert Alert.objects.count() == 0


def test_heartbeat_that_cannot_be_noted_is_503(bot: Bot) -> None:
    with failing('UPDATE "tradedesk_strategy"'):
        assert post(make_message("HEARTBEAT")) == UNAVAILABLE


# --- not an alert ---


def test_rejected_message_is_answered_with_its_errors_and_stored(bot: Bot) -> None:
    message = make_message(timestamp="{{time}}")
    message["signal"]["direction"] = "SHORT"

    answer = post(message)

    alert = Alert.objects.get()
    errors = {
        "signal.direction": ["Contradicts the action LONG_ENTRY, which goes with LONG."],
        "market_data.timestamp": ["A placeholder was not filled in; check its spelling."],
    }
    assert answer == Answer(
        400,
        {
            "alert_id": str(alert.id),
            "status": "invalid",
            "code": "INVALID",
            "detail": "Not an alert: market_data.timestamp, signal.direction.",
            "errors": errors,
        },
    )
    assert (alert.outcome, alert.errors, alert.event_key) == (AlertOutcome.REJECTED, errors, None)
    assert json.loads(alert.body) == message
    assert Decision.objects.count() == 0


@pytest.mark.parametrize(
    "path",
    [
        "action",
        "indicator",
        "signal",
        "signal.type",
        "signal.direction",
        "signal.trigger",
        "market_data",
        "market_data.symbol",
        "market_data.exchange",
        "market_data.timeframe",
        "market_data.timestamp",
        "market_data.timenow",
    ],
)
def test_missing_required_field_is_named(bot: Bot, path: str) -> None:
    message = make_message()
    parent, _, name = path.rpartition(".")
    del (message[parent] if parent else message)[name]

    answer = post(message)

    assert (answer.http, answer.body["status"]) == (400, "invalid")
    named = {error for error in answer.body["errors"] if error == path or error.startswith(f"{path}.")}
    assert named
    assert set(answer.body["errors"]) == named
    assert all(answer.body["errors"][error] == ["Required."] for error in named)


@pytest.mark.parametrize("word", ["", "na", "NaN", "null", None, " ", " NaN "])
def test_absent_word_in_a_required_field_is_required(bot: Bot, word: str | None) -> None:
    answer = post(make_message(symbol=word))

    assert answer.body["errors"] == {"market_data.symbol": ["Required."]}


@pytest.mark.parametrize("word", ["", "na", "NaN", "null", None])
@pytest.mark.parametrize("name", ["open", "high", "low", "close", "volume"])
def test_absent_price_is_fine(bot: Bot, name: str, word: str | None) -> None:
    message = make_message()
    message["price_data"][name] = word

    assert post(message).body["status"] == "processed"


@pytest.mark.parametrize("prices", [None, {}])
def test_prices_and_contract_may_be_left_out(bot: Bot, prices: object) -> None:
    message = {**make_message(contract=""), "price_data": prices}

    assert post(message).decision["order"]["status"] == "filled"
    assert Alert.objects.get().close is None


def test_message_without_price_data_is_fine(bot: Bot) -> None:
    message = make_message()
    del message["price_data"]

    assert post(message).body["status"] == "processed"


@pytest.mark.parametrize(
    "path",
    [
        "action",
        "indicator",
        "signal.type",
        "market_data.symbol",
        "market_data.exchange",
        "market_data.timeframe",
        "market_data.timestamp",
        "market_data.timenow",
        "market_data.contract",
        "price_data.close",
        "price_data.volume",
    ],
)
def test_placeholder_left_in_a_field_we_read_is_named(bot: Bot, path: str) -> None:
    message = make_message()
    parent, _, name = path.rpartition(".")
    (message[parent] if parent else message)[name] = "{{close}}"

    answer = post(message)

    assert (answer.http, list(answer.body["errors"])) == (400, [path])
    assert answer.body["errors"][path][0] == "A placeholder was not filled in; check its spelling."


def test_placeholder_and_extra_keys_in_what_we_do_not_read_are_kept_and_ignored(bot: Bot) -> None:
    message = {**make_message(session="{{session}}"), "note": "{{plot_9}}", "extra": {"deep": [1, None]}}

    assert post(message).body["status"] == "processed"
    assert json.loads(Alert.objects.get().body) == message


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("indicator", "DI_Cross"),
        ("signal.type", "CROSS"),
        ("signal.direction", "UP"),
        ("signal.trigger", "COLOR_CHANGE_RED"),
        ("indicator", "trend_validator"),
        ("signal.direction", "long"),
        ("signal.direction", "LONG "),
    ],
)
def test_word_that_contradicts_the_action_is_named(bot: Bot, path: str, word: str) -> None:
    message = make_message()
    parent, _, name = path.rpartition(".")
    (message[parent] if parent else message)[name] = word

    answer = post(message)

    assert (answer.http, list(answer.body["errors"])) == (400, [path])


@pytest.mark.parametrize("action", ["long_entry", "LONG_EXIT", "BUY", "LONG_ENTRY "])
def test_unknown_action_is_named(bot: Bot, action: str) -> None:
    answer = post({**make_message(), "action": action})

    assert (answer.http, list(answer.body["errors"])) == (400, ["action"])


# --- how the body may be written ---


def test_byte_order_mark_is_let_pass(bot: Bot) -> None:
    assert post(b"\xef\xbb\xbf" + json.dumps(make_message()).encode()).body["status"] == "processed"


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/json", "application/xml", "", "image/png"]
)
def test_content_type_does_not_matter(bot: Bot, content_type: str) -> None:
    response = Client().post(
        f"{PATH}{TOKEN}/", json.dumps(make_message()).encode(), content_type=content_type
    )

    assert (response.status_code, response.json()["status"]) == (200, "processed")


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "text/plain;q=0.5", "nonsense"])
def test_what_the_sender_accepts_does_not_cost_the_alert(bot: Bot, accept: str) -> None:
    answer = post(HTTP_ACCEPT=accept)

    assert (answer.http, answer.body["status"]) == (200, "processed")


def test_query_string_does_not_cost_the_alert(bot: Bot) -> None:
    answer = post(path=f"{PATH}{TOKEN}/?format=xml")

    assert (answer.http, answer.body["status"]) == (200, "processed")


def test_bare_numbers_are_read_like_quoted_ones(bot: Bot) -> None:
    message = make_message(timeframe=10, timestamp=1795445400, timenow=1795446000000)
    message["price_data"] = {"open": 6840, "high": 6843.0, "low": 6.8395e3, "close": 6842.25, "volume": 1200}

    assert post(message).body["status"] == "processed"
    alert = Alert.objects.get()
    assert (alert.bar_open, alert.fired_at, str(alert.close)) == (at(-10), START, "6842.25000000")


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23T14:50:00Z",
        "2026-11-23T14:50:00+00:00",
        "2026-11-23T08:50:00-06:00",
        "2026-11-23T14:50:00",
        "2026-11-23T14:50:00.000Z",
        "2026-11-23 14:50:00",
        "1795445400",
        "1795445400000",
    ],
)
def test_time_may_be_iso_or_epoch(bot: Bot, text: str) -> None:
    assert post(make_message(timestamp=text)).body["status"] == "processed"
    assert Alert.objects.get().bar_open == at(-10)


@pytest.mark.parametrize("word", [b"NaN", b"Infinity", b"-Infinity"])
def test_bare_nan_or_infinity_is_not_json(bot: Bot, word: bytes) -> None:
    body = json.dumps(make_message()).encode().replace(b'"6842.25"', word)

    answer = post(body)

    assert (answer.http, list(answer.body["errors"])) == (400, ["body"])


@pytest.mark.parametrize(
    "price", ["Infinity", "-inf", "1e400", "6,842.25", "0x10", "1_000", "--1", "six", "\uff11\uff12"]
)
def test_unreadable_or_infinite_price_is_named(bot: Bot, price: str) -> None:
    message = make_message()
    message["price_data"]["close"] = price

    answer = post(message)

    assert (answer.http, list(answer.body["errors"])) == (400, ["price_data.close"])


# --- who may come in ---


@pytest.mark.parametrize(
    "token",
    [
        "wrong",
        TOKEN[:-1],
        TOKEN + "x",
        TOKEN.upper(),
        f"{TOKEN}/x",
        f"x/{TOKEN}",
        f"/{TOKEN}",
        f"{TOKEN}//",
        f"{TOKEN}\x00",
        "\x00",
        f"{TOKEN}\n",
        "\n",
        f"{TOKEN} ",
        "…",
        "\u0442oken",
        "'; DROP TABLE tradedesk_alert; --",
        "../admin",
        "<script>",
        "%",
        "a" * 5000,
    ],
)
def test_wrong_token_of_any_form_is_403(bot: Bot, token: str) -> None:
    assert post(path=f"{PATH}{quote(token, safe='/')}/") == FORBIDDEN
    assert Alert.objects.count() == 0


@pytest.mark.parametrize("path", [PATH, PATH.rstrip("/")])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b"\xff\xfe",
        b'{"token": null}',
        b'{"token": ""}',
        b'{"token": 5}',
        b'{"token": ["x"]}',
        b'{"token": "wrong"}',
        b'{"token": "\\u0000"}',
        b'{"token": "\\ud800"}',
        json.dumps(make_message()).encode(),
    ],
)
def test_no_right_token_is_403_whatever_the_body(bot: Bot, path: str, body: bytes) -> None:
    assert post(body, path=path) == FORBIDDEN
    assert Alert.objects.count() == 0


@pytest.mark.parametrize("path", [PATH, PATH.rstrip("/")])
def test_token_in_the_body_lets_in(bot: Bot, path: str) -> None:
    answer = post({**make_message(), "token": TOKEN}, path=path)

    assert (answer.http, answer.body["status"]) == (200, "processed")
    assert json.loads(Alert.objects.get().body)["token"] == "[token]"


def test_right_token_in_the_body_does_not_save_a_wrong_one_in_the_address(bot: Bot) -> None:
    assert post({**make_message(), "token": TOKEN}, path=f"{PATH}wrong/") == FORBIDDEN


def test_address_without_the_last_slash_works(bot: Bot) -> None:
    assert post(path=f"{PATH}{TOKEN}").body["status"] == "processed"


def test_revoked_token_is_403(bot: Bot) -> None:
    revoke_token(bot.strategy.tokens.get(), START)

    assert post() == FORBIDDEN


@pytest.mark.django_db(transaction=True)
def test_both_tokens_work_during_rotation_and_share_the_events(bot: Bot) -> None:
    make_token(bot.strategy, OTHER_TOKEN)

    assert post().body["status"] == "processed"
    assert post(path=f"{PATH}{OTHER_TOKEN}/").body["status"] == "duplicate"


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete"])
def test_other_methods_are_405(bot: Bot, method: str) -> None:
    response = Client().generic(method.upper(), f"{PATH}{TOKEN}/")

    assert response.status_code == 405


def test_address_outside_the_list_is_403_and_stores_nothing(bot: Bot, settings: Settings) -> None:
    settings.WEBHOOK_ALLOWED_ADDRESSES = ["52.89.214.238"]

    assert post(REMOTE_ADDR="6.6.6.6") == FORBIDDEN
    assert Alert.objects.count() == 0
    assert post(REMOTE_ADDR="52.89.214.238").http == 200


@pytest.mark.parametrize(
    ("proxies", "chain", "http"),
    [
        (0, "52.89.214.238", 403),
        (1, "52.89.214.238", 200),
        (1, "6.6.6.6, 52.89.214.238", 200),
        (1, "52.89.214.238, 6.6.6.6", 403),
        (2, "52.89.214.238, 10.0.0.1", 200),
        (2, "52.89.214.238, 6.6.6.6, 10.0.0.1", 403),
        (2, "52.89.214.238", 403),
        (1, "", 403),
    ],
)
def test_only_what_our_own_proxies_appended_tells_the_address(
    bot: Bot, settings: Settings, proxies: int, chain: str, http: int
) -> None:
    settings.WEBHOOK_ALLOWED_ADDRESSES = ["52.89.214.238"]
    settings.TRUSTED_PROXIES = proxies

    assert post(REMOTE_ADDR="10.0.0.2", HTTP_X_FORWARDED_FOR=chain).http == http


# --- too large, too many: 413, then 403, then 429 ---


def test_body_of_65536_bytes_is_read_and_one_more_is_too_large(bot: Bot) -> None:
    text = json.dumps(make_message()).encode()

    assert post(text.ljust(65_536)).http == 200
    assert post(text.ljust(65_537)) == TOO_LARGE
    assert Alert.objects.count() == 1


def test_too_large_comes_before_the_token(bot: Bot) -> None:
    assert post(b"x" * 65_537, path=f"{PATH}wrong/") == TOO_LARGE
    assert post(b"x" * 65_537, path=PATH) == TOO_LARGE


def test_too_large_comes_before_the_address(bot: Bot, settings: Settings) -> None:
    settings.WEBHOOK_ALLOWED_ADDRESSES = ["52.89.214.238"]

    assert post(b"x" * 65_537, REMOTE_ADDR="6.6.6.6") == TOO_LARGE


@pytest.mark.parametrize("length", ["", "nonsense", "0"])
def test_odd_content_length_is_no_server_error(bot: Bot, length: str) -> None:
    assert post(b"x" * 70_000, CONTENT_LENGTH=length).http in {400, 413}


def test_more_alerts_than_the_rate_are_429_until_the_next_minute(
    bot: Bot, settings: Settings, clock: FakeClock
) -> None:
    settings.WEBHOOK_RATE_PER_MINUTE = 2
    beat = make_message("HEARTBEAT")
    assert [post(beat).http for _ in range(2)] == [200, 200]

    throttled = post()

    assert throttled == Answer(
        429,
        {
            "status": "throttled",
            "code": "THROTTLED",
            "detail": "More than 2 alerts in this minute.",
            "errors": {},
        },
    )
    assert Alert.objects.count() == 0
    clock.advance(60)
    assert post().http == 200


def test_wrong_token_is_403_also_beyond_the_rate(bot: Bot, settings: Settings) -> None:
    settings.WEBHOOK_RATE_PER_MINUTE = 1
    post()

    assert [post(path=f"{PATH}wrong/") for _ in range(3)] == [FORBIDDEN] * 3
    assert post().http == 429


def test_malformed_messages_count_toward_the_rate(bot: Bot, settings: Settings) -> None:
    settings.WEBHOOK_RATE_PER_MINUTE = 1
    post(b"not json")

    assert post().http == 429


def test_rate_of_zero_is_off(bot: Bot, settings: Settings) -> None:
    settings.WEBHOOK_RATE_PER_MINUTE = 0

    assert {post(make_message("HEARTBEAT")).http for _ in range(130)} == {200}


def test_rates_of_two_strategies_are_apart(bot: Bot, settings: Settings) -> None:
    settings.WEBHOOK_RATE_PER_MINUTE = 1
    make_token(make_strategy("mes-other"), OTHER_TOKEN)
    post()

    assert post(path=f"{PATH}{OTHER_TOKEN}/").http == 200


# --- the database is away ---


@pytest.mark.parametrize("statement", ['INSERT INTO "tradedesk_alert"', "SELECT t.digest"])
def test_alert_that_cannot_be_stored_is_503(bot: Bot, broker: FakeBroker, statement: str) -> None:
    with failing(statement):
        assert post() == UNAVAILABLE

    assert broker.submits == []
    assert Alert.objects.count() == 0
    assert post().body["status"] == "processed"


def test_answer_503_says_when_to_come_again(bot: Bot) -> None:
    with failing('INSERT INTO "tradedesk_alert"'):
        response = Client().post(f"{PATH}{TOKEN}/", json.dumps(make_message()), content_type="text/plain")

    assert response["Retry-After"] == "5"


def test_rejected_message_that_cannot_be_stored_is_503(bot: Bot) -> None:
    with failing('INSERT INTO "tradedesk_alert"'):
        assert post(b"{}") == UNAVAILABLE


@pytest.mark.django_db(transaction=True)
def test_database_that_refuses_connections_is_503(
    bot: Bot, broker: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(connection.settings_dict, "HOST", "127.0.0.1")
        patch.setitem(connection.settings_dict, "PORT", free_port())
        connection.close()
        assert post() == UNAVAILABLE
    connection.close()

    assert (Alert.objects.count(), broker.submits) == (0, [])


@pytest.mark.django_db(transaction=True)
def test_alert_after_the_database_hung_up_is_served_at_once(bot: Bot) -> None:
    kept = connection.connection
    with psycopg.connect(os.environ["DATABASE_URL"], dbname=kept.info.dbname, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [kept.info.backend_pid])

    assert post().body["status"] == "processed"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "statement",
    ['INSERT INTO "tradedesk_decision"', 'INSERT INTO "tradedesk_order"', "tradedesk_tradingstate"],
)
def test_stored_alert_that_cannot_be_decided_is_left_to_recovery(
    bot: Bot, broker: FakeBroker, statement: str
) -> None:
    with failing(statement):
        answer = post()

    assert answer.http == 200
    assert answer.body["alert_id"] == str(Alert.objects.get().id)
    (decision,) = answer.body["decisions"]
    assert (decision["action"], decision["reason"], decision["order"]) == ("NONE", "NOT_REACHED", None)
    assert broker.submits == []
    assert (Decision.objects.count(), Order.objects.count()) == (0, 0)


def test_bot_whose_records_cannot_be_read_holds_up_no_other(bot: Bot, broker: FakeBroker) -> None:
    broken = make_bot("a-broken", strategy=bot.strategy, account=make_account("second"))
    BotState.objects.filter(bot=broken).update(memory='{"v": 99}')

    first, second = post().body["decisions"]

    assert (first["bot"], first["reason"], first["state"]) == ("a-broken", "NOT_REACHED", None)
    assert (second["bot"], second["action"]) == ("mes-paper", "ENTER_LONG")


# --- the token is nowhere in what is stored ---


def escaped(token: str) -> str:
    """Return the token as JSON may spell it too: every letter escaped."""
    return "".join(f"\\u{ord(letter):04X}" for letter in token)


@pytest.mark.parametrize("path", [f"{PATH}{TOKEN}/", PATH])
@pytest.mark.parametrize(
    "body",
    [
        '{"token": "%(plain)s", "note": "x"}',
        '{"token": "%(escaped)s", "note": "x"}',
        '{"token": "%(escaped)s", "token": "%(plain)s"}',
        '{"note": "%(plain)s", "token": "%(escaped)s"}',
        '{"token": "%(plain)s", "note": "%(escaped)s"}',
        '{"token": "%(partly)s"}',
        '{"token": "%(plain)s", "deep": [{"%(escaped)s": "%(plain)s"}]}',
    ],
)
def test_token_is_cut_out_of_the_stored_body_however_it_is_spelt(bot: Bot, path: str, body: str) -> None:
    spellings = {"plain": TOKEN, "escaped": escaped(TOKEN), "partly": TOKEN.replace("-", "\\u002d")}

    answer = post((body % spellings).encode(), path=path)

    stored = Alert.objects.get().body
    assert (answer.http, answer.body["status"]) == (400, "invalid")
    assert TOKEN not in stored
    assert TOKEN not in json.dumps(json.loads(stored))
    assert TOKEN not in json.loads(f'"{stored.replace(chr(34), "")}"')
    assert "[token]" in stored


def test_token_is_cut_out_of_a_body_that_is_not_json(bot: Bot) -> None:
    post(f'{{"token": "{TOKEN}", "again": "{escaped(TOKEN)}"'.encode())

    assert Alert.objects.get().body == '{"token": "[token]", "again": "[token]"'


def test_another_token_in_the_body_is_cut_out_too(bot: Bot) -> None:
    make_token(bot.strategy, OTHER_TOKEN)

    post({**make_message(), "token": OTHER_TOKEN})

    assert OTHER_TOKEN not in Alert.objects.get().body
    assert json.loads(Alert.objects.get().body)["token"] == "[token]"


def test_body_without_the_token_is_kept_to_the_letter(bot: Bot) -> None:
    body = b'{ "b" : "\\u00e9\xc3\xa9", "a":1.50 }'

    post(body)

    assert Alert.objects.get().body == body.decode()


def test_bytes_that_no_text_can_hold_are_replaced_in_the_stored_body(bot: Bot) -> None:
    post(b"a\x00b\xffc")

    assert Alert.objects.get().body == "a\ufffdb\ufffdc"


# --- in time ---


def test_bots_not_reached_in_time_are_said_to_be_and_left_to_recovery(
    bot: Bot, clock: FakeClock, broker: FakeBroker
) -> None:
    make_bot("second", strategy=bot.strategy, account=make_account("second"))
    broker.before_submit = lambda _: clock.advance(2.4)

    answer = post()

    first, second = answer.body["decisions"]
    assert (first["bot"], first["order"]["status"]) == ("mes-paper", "filled")
    assert second == {
        "bot": "second",
        "action": "NONE",
        "reason": "NOT_REACHED",
        "state": {
            "current_position": "NONE",
            "trend_color": None,
            "waiting_for_reentry": "NO",
            "last_updated": None,
        },
        "order": None,
    }
    assert len(broker.submits) == 1
    assert clock.now() - START < timedelta(seconds=2.5)
