"""Logging in, renewing, sharing a token, and keeping secrets to ourselves."""

import logging
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

import httpx
import pytest

from broker.base import (
    BrokerAuthFailed,
    BrokerError,
    BrokerNotReached,
    BrokerOutcomeUnknown,
    BrokerRefused,
    BrokerThrottled,
)
from broker.logins import AccessToken, Share
from broker.tradovate.client import TradovateBroker
from broker.tradovate.tokens import FRESH_FOR, LOGIN_PAUSE, NEW_TOKENS, NEW_TOKENS_WITHIN, RENEWAL_PAUSE
from tests.broker.wire import (
    CANCEL,
    CREDENTIALS,
    LOGIN,
    NOW,
    PLACE,
    RENEW,
    Clock,
    MemoryTokens,
    Request,
    Script,
    connect,
    market_order,
    token_reply,
)

LIST = "/account/list"
KEY = "ada@demo.example"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def script(clock: Clock) -> Script:
    return Script(clock).on(LIST, []).on(PLACE, {"orderId": 5})


@pytest.fixture
def tokens() -> MemoryTokens:
    return MemoryTokens()


def denied(text: str = "Access is denied") -> httpx.Response:
    return httpx.Response(401, json={"errorText": text})


def accept_only(token: str, data: object) -> object:
    return lambda request: data if request.token == token else denied()


def test_first_call_logs_in_once_for_all_that_follow(script: Script, tokens: MemoryTokens) -> None:
    broker = connect(script, tokens)

    broker.accounts(timeout_s=1)
    broker.accounts(timeout_s=1)

    assert script.paths() == [LOGIN, LIST, LIST]
    assert [request.token for request in script.requests] == ["", "token-1", "token-1"]
    assert tokens.load(KEY) == AccessToken("token-1", NOW + timedelta(minutes=80), 7, NOW)


def test_login_sends_the_api_key_as_a_number(script: Script) -> None:
    connect(script).accounts(timeout_s=1)

    assert script.requests[0].body == {
        "name": "ada",
        "password": "pass-word-1",
        "appId": "TradeDesk",
        "appVersion": "1.0",
        "deviceId": "desk-1",
        "cid": 42,
        "sec": "api-secret-1",
    }


def test_token_in_the_store_saves_the_login(script: Script, tokens: MemoryTokens) -> None:
    tokens.save(KEY, AccessToken("shared", NOW + timedelta(minutes=60)))

    connect(script, tokens).accounts(timeout_s=1)

    assert script.paths() == [LIST]
    assert script.requests[0].token == "shared"


def test_demo_and_live_do_not_share_a_token(script: Script, tokens: MemoryTokens) -> None:
    tokens.save("ada@live.example", AccessToken("live", NOW + timedelta(minutes=60)))

    connect(script, tokens).accounts(timeout_s=1)

    assert script.paths() == [LOGIN, LIST]


def test_two_clients_on_one_store_log_in_once(script: Script, tokens: MemoryTokens) -> None:
    brokers = [connect(script, tokens) for _ in range(2)]
    together = threading.Barrier(8)

    def ask(number: int) -> None:
        together.wait(5)
        brokers[number % 2].accounts(timeout_s=5)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(8)))

    assert script.paths().count(LOGIN) == 1
    assert script.paths().count(LIST) == 8


def test_token_with_more_than_a_quarter_of_an_hour_is_not_renewed(script: Script, clock: Clock) -> None:
    broker = connect(script)
    broker.accounts(timeout_s=1)

    clock.advance(timedelta(minutes=65))
    broker.accounts(timeout_s=1)

    assert script.paths() == [LOGIN, LIST, LIST]


def test_token_with_less_than_a_quarter_of_an_hour_is_renewed(
    script: Script, clock: Clock, tokens: MemoryTokens
) -> None:
    broker = connect(script, tokens)
    broker.accounts(timeout_s=1)

    clock.advance(timedelta(minutes=65, seconds=1))
    broker.accounts(timeout_s=1)

    assert script.paths() == [LOGIN, LIST, RENEW, LIST]
    assert script.sent(RENEW)[0].token == "token-1"
    assert script.sent(LIST)[-1].token == "token-2"
    assert tokens.load(KEY) == AccessToken("token-2", clock.now() + timedelta(minutes=80), 7, NOW)


def test_asking_when_the_token_ends_renews_it_in_time(script: Script, clock: Clock) -> None:
    broker = connect(script)
    assert broker.token_ends_at(timeout_s=1) == clock.now() + timedelta(minutes=80)
    clock.advance(timedelta(minutes=65))
    assert broker.token_ends_at(timeout_s=1) == clock.now() + timedelta(minutes=15)
    clock.advance(timedelta(seconds=1))

    assert broker.token_ends_at(timeout_s=1) == clock.now() + timedelta(minutes=80)

    assert script.paths() == [LOGIN, RENEW]


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ReadTimeout("slow"),
        httpx.ConnectError("no"),
        httpx.Response(500),
        {"p-ticket": "T", "p-time": 15},
        {},
    ],
    ids=str,
)
def test_early_renewal_that_fails_leaves_the_old_token_in_use(
    script: Script, clock: Clock, answer: object
) -> None:
    broker = connect(script)
    broker.accounts(timeout_s=1)
    script.on(RENEW, answer)
    clock.advance(timedelta(minutes=70))

    assert broker.submit(market_order(), timeout_s=1) == 5
    assert broker.submit(market_order(), timeout_s=1) == 5
    clock.advance(RENEWAL_PAUSE)
    broker.accounts(timeout_s=1)

    assert script.paths() == [LOGIN, LIST, RENEW, PLACE, PLACE, RENEW, LIST]
    assert {request.token for request in script.requests} == {"", "token-1"}


def test_expired_token_is_replaced_by_a_login(script: Script, clock: Clock) -> None:
    broker = connect(script)
    broker.accounts(timeout_s=1)

    clock.advance(timedelta(minutes=80))
    broker.accounts(timeout_s=1)

    assert script.paths() == [LOGIN, LIST, LOGIN, LIST]


def test_fresh_login_is_one_for_half_a_minute_however_often_it_is_asked_for(
    script: Script, clock: Clock, tokens: MemoryTokens
) -> None:
    tokens.save(KEY, AccessToken("kept", NOW + timedelta(hours=1)))
    broker = connect(script, tokens)

    broker.log_in_again(timeout_s=1)
    broker.log_in_again(timeout_s=1)
    clock.advance(timedelta(seconds=30))
    broker.log_in_again(timeout_s=1)

    assert script.paths() == [LOGIN, LOGIN]
    assert tokens.load(KEY) != AccessToken("kept", NOW + timedelta(hours=1))


def test_401_takes_the_newer_token_of_the_store(script: Script, tokens: MemoryTokens) -> None:
    broker = connect(script, tokens)
    broker.accounts(timeout_s=1)
    tokens.save(KEY, AccessToken("newer", NOW + timedelta(minutes=80)))
    script.on(LIST, accept_only("newer", []))

    broker.accounts(timeout_s=1)

    assert script.paths() == [LOGIN, LIST, LIST, LIST]


def test_401_on_an_order_renews_and_sends_the_same_order_again(script: Script) -> None:
    script.on(PLACE, accept_only("token-2", {"orderId": 5}))

    order_id = connect(script).submit(market_order(), timeout_s=1)

    first, second = script.sent(PLACE)
    assert order_id == 5
    assert script.paths() == [LOGIN, PLACE, RENEW, PLACE]
    assert first.body == second.body


def test_401_with_a_refused_renewal_logs_in_once(script: Script, tokens: MemoryTokens) -> None:
    script.on(LIST, accept_only("token-2", [])).on(RENEW, denied("Expired Access Token"))

    connect(script, tokens).accounts(timeout_s=1)

    assert script.paths() == [LOGIN, LIST, RENEW, LOGIN, LIST]
    assert tokens.tokens[KEY].value == "token-2"


def test_token_of_another_process_that_died_too_is_replaced_in_the_same_call(
    script: Script, tokens: MemoryTokens
) -> None:
    client = connect(script, tokens)
    client.accounts(timeout_s=1)
    tokens.tokens[KEY] = AccessToken("dead too", script.clock.now() + timedelta(minutes=80))
    script.on(LIST, accept_only("token-2", [])).on(RENEW, denied("Expired Access Token"))

    client.accounts(timeout_s=1)

    assert [request.token for request in script.sent(LIST)] == ["token-1", "token-1", "dead too", "token-2"]


def test_401_for_ever_ends_after_one_renewal_and_one_login(script: Script) -> None:
    script.on(LIST, denied()).on(RENEW, denied())

    with pytest.raises(BrokerAuthFailed, match="Access is denied"):
        connect(script).accounts(timeout_s=1)

    assert script.paths() == [LOGIN, LIST, RENEW, LOGIN, LIST]


def test_refused_login_is_auth_failed_with_the_brokers_text(script: Script) -> None:
    script.on(LOGIN, {"errorText": "Incorrect username or password."})

    with pytest.raises(BrokerAuthFailed, match="Incorrect username or password"):
        connect(script).submit(market_order(), timeout_s=1)

    assert script.paths() == [LOGIN]


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_login_refused_by_status_is_auth_failed(script: Script, status: int) -> None:
    script.on(LOGIN, httpx.Response(status))

    with pytest.raises(BrokerAuthFailed):
        connect(script).accounts(timeout_s=1)

    assert script.paths() == [LOGIN]


def test_refused_login_is_not_tried_again_for_a_quarter_of_an_hour(script: Script, clock: Clock) -> None:
    script.on(LOGIN, {"errorText": "Incorrect username or password."}, script.issue)
    broker = connect(script)

    for _ in range(3):
        with pytest.raises(BrokerAuthFailed, match="Incorrect username or password"):
            broker.accounts(timeout_s=1)
    clock.advance(LOGIN_PAUSE)
    broker.accounts(timeout_s=1)

    assert script.paths() == [LOGIN, LOGIN, LIST]


def test_penalised_login_waits_and_then_shows_its_ticket(script: Script, clock: Clock) -> None:
    script.on(LOGIN, {"p-ticket": "T1", "p-time": 15}, script.issue)
    broker = connect(script)

    for _ in range(2):
        with pytest.raises(BrokerThrottled) as caught:
            broker.accounts(timeout_s=1)
        assert caught.value.retry_after_s == 15
    clock.advance(timedelta(seconds=15))
    broker.accounts(timeout_s=1)

    assert script.paths() == [LOGIN, LOGIN, LIST]
    assert script.sent(LOGIN)[1].body["p-ticket"] == "T1"


@pytest.mark.parametrize(
    "answer", [httpx.ReadTimeout("slow"), httpx.Response(500), {}, {"accessToken": "a b"}]
)
def test_login_without_an_answer_means_the_order_was_not_sent(script: Script, answer: object) -> None:
    script.on(LOGIN, answer)

    with pytest.raises(BrokerNotReached):
        connect(script).submit(market_order(), timeout_s=1)

    assert script.paths() == [LOGIN]


def test_read_does_not_repeat_a_login_without_an_answer(script: Script) -> None:
    script.on(LOGIN, httpx.Response(500))

    with pytest.raises(BrokerNotReached):
        connect(script).accounts(timeout_s=1)

    assert script.paths() == [LOGIN]


@pytest.mark.parametrize("penalty", [{"p-ticket": "T", "p-time": 900}, {"p-captcha": True}], ids=str)
def test_penalised_renewal_of_a_refused_token_leads_to_a_login(
    script: Script, clock: Clock, penalty: object
) -> None:
    broker = connect(script)
    broker.accounts(timeout_s=1)
    script.on(RENEW, penalty).on(PLACE, accept_only("token-2", {"orderId": 5}))
    clock.advance(timedelta(minutes=70))

    assert broker.submit(market_order(), timeout_s=1) == 5

    assert script.paths() == [LOGIN, LIST, RENEW, PLACE, LOGIN, PLACE]


def test_lock_out_met_while_renewing_a_refused_token_stops_the_login_too(script: Script) -> None:
    script.on(PLACE, denied()).on(RENEW, httpx.Response(429))

    with pytest.raises(BrokerThrottled):
        connect(script).submit(market_order(), timeout_s=1)

    assert script.paths() == [LOGIN, PLACE, RENEW]


def test_token_of_the_store_that_ends_earlier_is_not_taken_for_a_newer_one(
    script: Script, tokens: MemoryTokens
) -> None:
    broker = connect(script, tokens)
    broker.accounts(timeout_s=1)
    tokens.save(KEY, AccessToken("older", NOW + timedelta(minutes=79)))
    script.on(LIST, accept_only("token-2", []))

    broker.accounts(timeout_s=1)

    assert script.paths() == [LOGIN, LIST, LIST, RENEW, LIST]


def test_token_whose_renewal_is_refused_is_forgotten_even_where_the_login_fails(
    script: Script, tokens: MemoryTokens
) -> None:
    tokens.save(KEY, AccessToken("dead", NOW + timedelta(minutes=60)))
    script.on(LIST, denied()).on(RENEW, denied()).on(LOGIN, httpx.Response(500))

    with pytest.raises(BrokerNotReached):
        connect(script, tokens).accounts(timeout_s=1)

    assert tokens.load(KEY) is None


def test_early_renewal_leaves_half_of_the_time_to_the_order(script: Script, clock: Clock) -> None:
    def refuse_late(request: Request) -> httpx.Response:
        clock.advance(timedelta(seconds=1))
        return denied()

    broker = connect(script)
    broker.accounts(timeout_s=1)
    script.on(RENEW, refuse_late)
    clock.advance(timedelta(minutes=70))

    assert broker.submit(market_order(), timeout_s=2) == 5

    assert script.paths() == [LOGIN, LIST, RENEW, PLACE]
    assert script.sent(PLACE)[0].token == "token-1"


def test_renewal_without_an_answer_after_a_401_means_the_order_was_not_sent(script: Script) -> None:
    script.on(PLACE, denied()).on(RENEW, httpx.ReadTimeout("slow"))

    with pytest.raises(BrokerNotReached):
        connect(script).submit(market_order(), timeout_s=1)

    assert script.paths() == [LOGIN, PLACE, RENEW]


def test_token_that_comes_expired_starts_no_login_loop(script: Script) -> None:
    script.on(LOGIN, token_reply("old", NOW - timedelta(seconds=1)))
    broker = connect(script)

    for _ in range(2):
        with pytest.raises(BrokerAuthFailed, match="clock"):
            broker.accounts(timeout_s=1)

    assert script.paths() == [LOGIN]


def test_login_counts_toward_the_time_of_the_call(script: Script, clock: Clock) -> None:
    def slow_login(request: Request) -> dict[str, object]:
        clock.advance(timedelta(seconds=2))
        return script.issue(request)

    script.on(LOGIN, slow_login)

    with pytest.raises(BrokerNotReached, match="no time left"):
        connect(script).submit(market_order(), timeout_s=2)

    assert script.paths() == [LOGIN]


def test_waiting_for_another_threads_login_ends_with_the_call(script: Script, tokens: MemoryTokens) -> None:
    is_logging_in, may_answer = threading.Event(), threading.Event()

    def stuck_login(request: Request) -> dict[str, object]:
        is_logging_in.set()
        may_answer.wait(5)
        return script.issue(request)

    script.on(LOGIN, stuck_login)
    broker = connect(script, tokens)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(broker.accounts, timeout_s=5)
        assert is_logging_in.wait(5)
        with pytest.raises(BrokerNotReached, match="no token in time"):
            broker.submit(market_order(), timeout_s=0.05)
        may_answer.set()
        first.result(5)

    assert script.paths() == [LOGIN, LIST]


@pytest.mark.parametrize("path", [LOGIN, RENEW, LIST, PLACE])
@pytest.mark.parametrize("status", [200, 400, 401, 404, 500])
def test_secrets_echoed_by_the_broker_appear_nowhere(
    script: Script, path: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = (CREDENTIALS.password, CREDENTIALS.secret, "token-1")

    def echo(request: Request) -> httpx.Response:
        return httpx.Response(status, json={"errorText": f"bad: {request.token} {request.body}"})

    script.on(path, echo)
    if path == RENEW:
        script.on(LIST, denied()).on(PLACE, denied())
    broker = connect(script)

    for call in (lambda: broker.accounts(timeout_s=1), lambda: broker.submit(market_order(), timeout_s=1)):
        try:
            call()
        except BrokerError as error:
            shown = "".join(traceback.format_exception(error)) + repr(error) + caplog.text
            assert not [secret for secret in secrets if secret in shown]

    assert script.sent(path)


def test_reprs_show_no_secret() -> None:
    token = AccessToken("token-1", NOW)

    assert repr(CREDENTIALS) == (
        "Credentials(name='ada', app_id='TradeDesk', app_version='1.0', device_id='desk-1', cid=42)"
    )
    assert str(CREDENTIALS) == repr(CREDENTIALS)
    assert "token-1" not in repr(token)


@pytest.mark.parametrize("status", [408, 500, 503])
def test_fault_of_a_token_whose_session_was_closed_leads_to_a_login(script: Script, status: int) -> None:
    def pushed_out(request: Request) -> object:
        return [] if request.token == "token-2" else httpx.Response(status)

    script.on(LIST, pushed_out).on(RENEW, httpx.Response(status))

    assert connect(script).accounts(timeout_s=2) == []

    assert script.paths() == [LOGIN, LIST, LIST, LIST, RENEW, LOGIN, LIST]


def test_fault_of_a_server_in_trouble_replaces_the_token_once_in_five_minutes(
    script: Script, tokens: MemoryTokens, clock: Clock
) -> None:
    script.on(LIST, httpx.Response(503))
    brokers = [connect(script, tokens), connect(script, tokens)]

    for broker in (*brokers, *brokers):
        with pytest.raises(BrokerOutcomeUnknown, match="HTTP 503"):
            broker.accounts(timeout_s=2)
    assert (script.paths().count(LOGIN), script.paths().count(RENEW)) == (1, 1)
    clock.advance(RENEWAL_PAUSE)
    with pytest.raises(BrokerOutcomeUnknown):
        brokers[0].accounts(timeout_s=2)

    assert (script.paths().count(LOGIN), script.paths().count(RENEW)) == (1, 2)


def test_server_in_trouble_keeps_the_token(script: Script, tokens: MemoryTokens) -> None:
    script.on(LIST, httpx.Response(503)).on(RENEW, httpx.Response(503)).on(
        LOGIN, script.issue, httpx.Response(503)
    )

    with pytest.raises(BrokerOutcomeUnknown, match="HTTP 503"):
        connect(script, tokens).accounts(timeout_s=2)

    assert tokens.tokens[KEY].value == "token-1"


def test_408_on_an_order_stays_unknown_and_is_not_sent_again(script: Script) -> None:
    script.on(PLACE, httpx.Response(408))

    with pytest.raises(BrokerOutcomeUnknown, match="HTTP 408"):
        connect(script).submit(market_order(), timeout_s=1)

    assert script.paths() == [LOGIN, PLACE]


def test_denial_is_believed_while_a_read_passes_with_the_same_token(script: Script) -> None:
    script.on(CANCEL, denied()).on(PLACE, denied())
    broker = connect(script)

    for call in (broker.cancel, broker.cancel, lambda _, **time: broker.submit(market_order(), **time)):
        with pytest.raises(BrokerError, match="Access is denied"):
            call(5, timeout_s=1)

    assert script.paths() == [LOGIN, CANCEL, RENEW, CANCEL, CANCEL, LIST, PLACE, LIST]


def test_token_that_was_denied_something_is_replaced_once_it_is_refused_all(script: Script) -> None:
    closed: set[str] = set()

    def cancel(request: Request) -> object:
        if request.token in closed:
            return denied("Expired Access Token")
        return denied() if request.body["orderId"] == 7 else {"commandId": 9}

    script.on(CANCEL, cancel).on(LIST, lambda request: denied() if request.token in closed else [])
    script.on(RENEW, denied())
    broker = connect(script)
    with pytest.raises(BrokerRefused, match="Access is denied"):
        broker.cancel(7, timeout_s=1)
    closed |= {"token-1", "token-2"}

    broker.cancel(8, timeout_s=1)

    assert script.paths()[-5:] == [CANCEL, LIST, RENEW, LOGIN, CANCEL]
    assert script.sent(CANCEL)[-1].token == "token-3"


def test_sessions_that_are_closed_again_and_again_leave_the_last_logins_to_orders(
    script: Script, tokens: MemoryTokens, clock: Clock
) -> None:
    used: set[str] = set()

    def once_each(reply: object) -> object:
        def answer(request: Request) -> object:
            is_used = request.token in used
            used.add(request.token)
            return denied() if is_used else reply

        return answer

    script.on(LIST, once_each([])).on(PLACE, once_each({"orderId": 5})).on(RENEW, denied())
    brokers = [connect(script, tokens), connect(script, tokens)]

    def logins_of(call: Callable[[TradovateBroker], object]) -> int:
        """Return how many logins sixty calls in a minute lead to."""
        before = len(script.sent(LOGIN))
        for number in range(60):
            clock.advance(timedelta(seconds=1))
            with suppress(BrokerError):
                call(brokers[number % 2])
        return len(script.sent(LOGIN)) - before

    assert logins_of(lambda broker: broker.for_refresh().accounts(timeout_s=1)) == NEW_TOKENS[Share.REFRESH]
    assert logins_of(lambda broker: broker.accounts(timeout_s=1)) == 2
    assert logins_of(lambda broker: broker.submit(market_order(), timeout_s=1)) == 4
    assert logins_of(lambda broker: broker.submit(market_order(), timeout_s=1)) == 0
    clock.advance(NEW_TOKENS_WITHIN)
    assert logins_of(lambda broker: broker.accounts(timeout_s=1)) == NEW_TOKENS[Share.READ]


def test_login_that_fails_takes_none_from_the_next(script: Script) -> None:
    script.on(LOGIN, httpx.ConnectError("no"))
    broker = connect(script)
    for _ in range(NEW_TOKENS[Share.ORDER] + 1):
        with pytest.raises(BrokerNotReached):
            broker.submit(market_order(), timeout_s=1)
    script.on(LOGIN, script.issue)

    assert broker.submit(market_order(), timeout_s=1) == 5


def test_paper_broker_is_logged_in_to_without_limit(script: Script, clock: Clock) -> None:
    broker = connect(script, paper=True)

    for _ in range(NEW_TOKENS[Share.ORDER] + 1):
        broker.log_in_again(timeout_s=1)
        clock.advance(FRESH_FOR)

    assert len(script.sent(LOGIN)) == NEW_TOKENS[Share.ORDER] + 1


@pytest.mark.parametrize("status", ["TemporaryLocked", "Closed", "UnconfirmedEmail", "ANewStatusOf2027"])
def test_user_who_gets_no_token_is_auth_failed(script: Script, status: str) -> None:
    script.on(LOGIN, {"userStatus": status, "userId": 7})

    with pytest.raises(BrokerAuthFailed, match=f"the user is {status}"):
        connect(script).accounts(timeout_s=1)

    assert script.paths() == [LOGIN]


def test_token_reply_may_say_more_than_is_asked(script: Script, tokens: MemoryTokens) -> None:
    reply = token_reply("token-1", NOW + timedelta(minutes=80))
    more = {"userStatus": "TemporaryLocked", "hasLive": None, "apiHosts": {"live": "x"}, "mdAccessToken": "m"}
    script.on(LOGIN, {**reply, **more})

    connect(script, tokens).accounts(timeout_s=1)

    assert tokens.tokens[KEY] == AccessToken("token-1", NOW + timedelta(minutes=80), 7, NOW)


def test_fresh_login_of_another_process_is_shared(script: Script, tokens: MemoryTokens) -> None:
    connect(script, tokens).log_in_again(timeout_s=1)
    connect(script, tokens).log_in_again(timeout_s=1)

    assert script.paths() == [LOGIN]


def test_renewed_token_belongs_to_the_session_that_began_with_the_login(
    script: Script, tokens: MemoryTokens, clock: Clock
) -> None:
    broker = connect(script, tokens)
    broker.accounts(timeout_s=1)
    clock.advance(timedelta(minutes=70))

    broker.accounts(timeout_s=1)

    assert tokens.tokens[KEY].session_since == NOW


def test_turn_that_another_process_holds_is_waited_for_no_longer_than_the_call(
    script: Script, tokens: MemoryTokens
) -> None:
    with tokens.lock(KEY, within_s=1), pytest.raises(BrokerNotReached, match="no token in time"):
        connect(script, tokens).submit(market_order(), timeout_s=0.05)

    assert script.paths() == []
