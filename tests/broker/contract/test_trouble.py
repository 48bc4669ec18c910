"""What goes wrong between a desk and its broker: the second half of the numbered list."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from broker.base import (
    BrokerAuthFailed,
    BrokerError,
    BrokerNotReached,
    BrokerOrderStatus,
    BrokerOutcomeUnknown,
    BrokerRefused,
    BrokerThrottled,
    Side,
)
from broker.orders import Leg
from tests.broker.contract.venue import LIMIT_S, PLACE, ROOT, Venue, limit, stop, venue
from tests.broker.wire import MemoryTokens

LOGIN_PATH = "/auth/accesstokenrequest"


def test_20_token_that_ends_in_mid_order_is_replaced_and_the_order_goes_out_once(at: Venue) -> None:
    logins = at.asked(LOGIN_PATH)
    at.scenario("tokens", {"expire": True})

    order_id = at.submit("c-20")

    assert [order.id for order in at.orders_named("c-20")] == [order_id]
    assert at.asked(LOGIN_PATH) == logins + 1
    assert at.held() == 1


def test_21_session_pushed_out_by_two_others_logs_in_once(at: Venue) -> None:
    for _ in range(2):
        other = at.connect(MemoryTokens())
        other.accounts(timeout_s=LIMIT_S)
        other.close()
    logins = at.asked(LOGIN_PATH)

    at.submit("c-21")

    assert at.asked(LOGIN_PATH) == logins + 1
    assert len(at.orders_named("c-21")) == 1


def test_22_penalised_order_is_not_carried_out_and_passes_with_its_ticket_after_the_wait(at: Venue) -> None:
    at.fault("penalty", PLACE, seconds=15)

    with pytest.raises(BrokerThrottled) as throttled:
        at.submit("c-22")
    nothing_yet = at.orders_named("c-22")
    with pytest.raises(BrokerThrottled):
        at.submit("c-22")
    at.pass_time(16)
    order_id = at.submit("c-22")

    assert throttled.value.retry_after_s == 15
    assert nothing_yet == []
    assert [order.id for order in at.orders_named("c-22")] == [order_id]


def test_23_penalty_on_orders_stops_no_reads_and_no_cancels(at: Venue) -> None:
    resting = at.submit("c-23", Side.BUY, 1, limit("6800"))
    at.fault("penalty", PLACE, seconds=15)
    with pytest.raises(BrokerThrottled):
        at.submit("c-23-2")

    at.client.cancel(resting, timeout_s=LIMIT_S)

    assert at.status(resting) is BrokerOrderStatus.CANCELLED


def test_24_bare_429_stops_every_request_of_the_login_until_it_is_over(at: Venue) -> None:
    at.fault("status", "/position/deps", status=429)
    with pytest.raises(BrokerThrottled):
        at.held()
    placed = at.asked(PLACE)

    with pytest.raises(BrokerThrottled):
        at.submit("c-24")
    sent_meanwhile = at.asked(PLACE) - placed
    at.pass_time(3601)
    at.submit("c-24")

    assert sent_meanwhile == 0
    assert len(at.orders_named("c-24")) == 1


@pytest.mark.parametrize(("when", "orders"), [("before", 0), ("after", 1)])
def test_25_lost_reply_is_unknown_and_looked_up_by_our_id(at: Venue, when: str, orders: int) -> None:
    at.fault("drop", PLACE, when=when)

    with pytest.raises(BrokerOutcomeUnknown):
        at.submit("c-25")

    found = at.client.find_order(at.account.id, "c-25", timeout_s=LIMIT_S)
    assert (found is not None, len(at.orders_named("c-25")), at.held()) == (bool(orders), orders, orders)


def test_26_lost_reply_of_a_bracket_is_found_with_its_legs(at: Venue) -> None:
    at.fault("drop", "/order/placeoso", when="after")
    entry = at.request("c-26", Side.BUY, 1, limit("6800"))

    with pytest.raises(BrokerOutcomeUnknown):
        at.client.submit_bracket(entry, [Leg(Side.SELL, stop("6790"), "c-26-s")], timeout_s=LIMIT_S)

    assert [len(at.orders_named(name)) for name in ("c-26", "c-26-s")] == [1, 1]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"kind": "status", "status": 500}, BrokerOutcomeUnknown),
        ({"kind": "status", "status": 503}, BrokerOutcomeUnknown),
        ({"kind": "status", "status": 408}, BrokerOutcomeUnknown),
        ({"kind": "status", "status": 404}, BrokerRefused),
        ({"kind": "status", "status": 403}, BrokerRefused),
        ({"kind": "status", "status": 401, "times": 2}, BrokerAuthFailed),
        ({"kind": "status", "status": 423}, BrokerThrottled),
        ({"kind": "garbage"}, BrokerOutcomeUnknown),
        ({"kind": "violations"}, BrokerRefused),
        ({"kind": "status_after", "status": 500}, BrokerOutcomeUnknown),
    ],
    ids=lambda value: str(value.get("status", value["kind"])) if isinstance(value, dict) else "",
)
def test_27_each_failure_of_an_order_says_what_may_have_happened_and_none_goes_out_twice(
    at: Venue, fault: dict[str, object], error: type[BrokerError]
) -> None:
    at.scenario("faults", {"on": PLACE, **fault})
    before = at.asked(PLACE)

    with pytest.raises(error):
        at.submit("c-27")

    # Only a 401, which proves that nothing was carried out, is tried a second time.
    assert at.asked(PLACE) - before == (2 if error is BrokerAuthFailed else 1)
    assert at.faults_left() == []


def test_28_order_that_hangs_is_given_up_in_time_and_found_when_it_was_carried_out(at: Venue) -> None:
    at.fault("hang", PLACE, when="after", seconds=30)

    with pytest.raises(BrokerOutcomeUnknown):
        at.client.submit(at.request("c-28"), timeout_s=0.3)

    assert len(at.orders_named("c-28")) == 1


def test_29_read_without_a_reply_is_asked_again(at: Venue) -> None:
    at.fault("drop", "/position/deps", when="before")
    at.submit("c-29")

    assert at.held() == 1
    assert at.faults_left() == []


def test_30_cancel_without_a_reply_is_asked_again(at: Venue) -> None:
    resting = at.submit("c-30", Side.BUY, 1, limit("6800"))
    at.fault("status", "/order/cancelorder", status=503)

    at.client.cancel(resting, timeout_s=LIMIT_S)

    assert at.status(resting) is BrokerOrderStatus.CANCELLED


def test_31_unknown_words_and_fields_are_no_errors(at: Venue) -> None:
    order_id = at.submit("c-31")
    at.fault("unknown_word", "/order/item", field="ordStatus", word="Levitating")
    at.fault("extra_field", "/fill/deps", field="newFashion", word="x")

    report = at.report(order_id)

    assert report.status is BrokerOrderStatus.UNKNOWN
    assert report.filled_quantity == 1


def test_32_wrong_password_is_refused_once_and_not_tried_again(at: Venue) -> None:
    at.fault("refuse", LOGIN_PATH, text="Incorrect username or password.")
    stranger = at.connect(MemoryTokens())
    logins = at.asked(LOGIN_PATH)

    for _ in range(3):
        with pytest.raises(BrokerAuthFailed):
            stranger.accounts(timeout_s=LIMIT_S)

    stranger.close()
    assert at.asked(LOGIN_PATH) == logins + 1


def test_33_captcha_locks_the_login_for_an_hour(at: Venue) -> None:
    at.fault("penalty", LOGIN_PATH, captcha=True)
    stranger = at.connect(MemoryTokens())

    for _ in range(2):
        with pytest.raises(BrokerThrottled):
            stranger.accounts(timeout_s=LIMIT_S)
    logins = at.asked(LOGIN_PATH)
    at.pass_time(3601)
    accounts = stranger.accounts(timeout_s=LIMIT_S)

    stranger.close()
    assert at.asked(LOGIN_PATH) == logins + 1
    assert accounts[0].name == at.account.name


def test_34_broker_killed_and_restarted_knows_every_order_it_acknowledged(tmp_path: Path) -> None:
    data = tmp_path / "paper.journal"
    with venue(data) as at:
        filled = at.submit("c-34-1", Side.BUY, 2)
        entry = at.request("c-34", Side.BUY, 1, limit("6800"))
        legs = [Leg(Side.SELL, limit("6850"), "c-34-t"), Leg(Side.SELL, stop("6790"), "c-34-s")]
        placed = at.client.submit_bracket(entry, legs, timeout_s=LIMIT_S)
        before = at.client.orders(at.account.id, timeout_s=LIMIT_S)
        at.process.kill()
        at.process.wait()
        with pytest.raises(BrokerNotReached):
            at.held()

    with venue(data) as again:
        after = again.client.orders(again.account.id, timeout_s=LIMIT_S)
        held = again.held()

    assert list(after) == list(before)
    assert {order.id for order in after} == {filled, placed.entry_id, *placed.leg_ids}
    assert held == 2


def test_35_scenarios_do_not_exist_unless_asked_for(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "broker.paper", "--port", "0", "--data", str(tmp_path / "journal")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            base = process.stdout.readline().split()[-1].removesuffix("/v1")
            answers = [
                httpx.get(f"{base}/paper/{page}").status_code for page in ("faults", "book", "requests")
            ]
        finally:
            process.terminate()

    assert answers == [404, 404, 404]
