"""Host, account and mode of an environment agree, or nothing of that account works."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from pytest_django.fixtures import Settings

from broker.base import BrokerAccount, BrokerNotReached, BrokerRefused
from broker.tradovate.client import TradovateBroker
from strategy.sessions import next_daily_close
from tests.builders import confirm_calendars, make_account, make_bot, make_order
from tests.fakes import START, FakeBroker, FakeLinks
from tests.posting import Teller
from tests.telling import BLUE, RED
from tradedesk import checks, tasks, wiring
from tradedesk.models import Account, AuditEntry, Bot, Environment, Incident
from tradedesk.services.desk import Desk
from tradedesk.services.halting import outer_wall
from tradedesk.services.halting.arming import NotArmed, arm, disarm, is_armed
from tradedesk.services.halting.identity import check_address
from tradedesk.services.people.second_factor import CODE_LASTS, VerifiedCode
from tradedesk.services.reconciling.reconciliation import reconcile

FOUND = BrokerAccount(7, "DEMO7", active=True)


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        (Environment.PAPER, "http://127.0.0.1:9100/v1"),
        (Environment.PAPER, "https://paper.example.com/v1"),
        (Environment.PAPER, "https://nottradovateapi.com/v1"),
        (Environment.DEMO, wiring.HOSTS[Environment.DEMO]),
        (Environment.LIVE, wiring.HOSTS[Environment.LIVE]),
    ],
)
def test_address_of_its_own_environment_is_let_pass(environment: Environment, url: str) -> None:
    assert check_address(environment, url) is None  # type: ignore[func-returns-value]


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        (Environment.PAPER, "https://live.tradovateapi.com/v1"),
        (Environment.PAPER, "https://DEMO.TradovateAPI.com/v1"),
        (Environment.PAPER, "https://live.tradovateapi.com./v1"),
        (Environment.PAPER, "https://paper@md.tradovateapi.com/v1"),
        (Environment.DEMO, "https://live.tradovateapi.com/v1"),
        (Environment.DEMO, "http://127.0.0.1:9100/v1"),
        (Environment.LIVE, "https://demo.tradovateapi.com/v1"),
        (Environment.LIVE, "https://live.tradovateapi.com.example.com/v1"),
    ],
)
def test_address_of_another_environment_is_refused(environment: Environment, url: str) -> None:
    with pytest.raises(BrokerRefused, match="WrongHost"):
        check_address(environment, url)


def test_desk_does_not_start_with_practice_orders_bound_for_tradovate(settings: Settings) -> None:
    settings.PAPER_BROKER_URL = "https://live.tradovateapi.com/v1"

    (error,) = checks.paper_broker_is_no_tradovate()

    assert (error.id, error.is_serious()) == ("tradedesk.E002", True)


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> list[BrokerAccount]:
    """Return what the broker lists, for the test to change; the login is never asked for."""
    accounts = [FOUND]
    monkeypatch.setattr(TradovateBroker, "accounts", lambda self, *, timeout_s: list(accounts))
    for field in ("USERNAME", "PASSWORD", "CID", "SECRET", "DEVICE_ID"):
        monkeypatch.setenv(f"DEMO_{field}", "1")
    return accounts


@pytest.fixture
def account(db: None, listed: list[BrokerAccount]) -> Account:
    return make_account("demo7", environment=Environment.DEMO, credentials="DEMO")


def link(account: Account) -> BrokerAccount:
    """Return the account that a process just started finds for a row as it is now."""
    return wiring._Links(lambda: START)(Account.objects.get(pk=account.pk), timeout_s=1).account


def test_first_link_signs_the_account_off(account: Account) -> None:
    assert link(account) == FOUND

    account.refresh_from_db()
    assert (account.broker_account_id, account.broker_account_name) == (7, "DEMO7")
    assert link(account) == FOUND


@pytest.mark.parametrize(
    "other", [BrokerAccount(8, "DEMO7", active=True), BrokerAccount(7, "DEMO8", active=True)]
)
def test_another_id_or_name_is_refused_with_an_incident(
    account: Account, listed: list[BrokerAccount], other: BrokerAccount
) -> None:
    link(account)
    listed[0] = other

    for _ in range(2):
        with pytest.raises(BrokerRefused, match=r"AccountChanged: .* sign it off anew"):
            link(account)

    incident = Incident.objects.get()
    assert (incident.kind, incident.account, incident.closed_at) == ("ACCOUNT_CHANGED", account, None)
    assert incident.seen == {"signed off": [7, "DEMO7"], "found": [other.id, other.name]}


def test_running_process_sees_that_another_account_was_signed_off(account: Account) -> None:
    links = wiring._Links(lambda: START)
    links(account, timeout_s=1)
    Account.objects.update(broker_account_id=8)

    with pytest.raises(BrokerRefused, match="AccountChanged"):
        links(Account.objects.get(), timeout_s=1)


def test_environment_that_is_none_has_no_broker_and_is_not_armed(account: Account) -> None:
    Account.objects.update(environment="sandbox", armed_until=None)

    with pytest.raises(BrokerRefused, match="UnknownEnvironment: sandbox"):
        link(account)
    assert not is_armed(Account.objects.get(), START)


def test_person_signs_the_account_off_anew(
    account: Account, listed: list[BrokerAccount], panel: Client
) -> None:
    link(account)
    listed[0] = BrokerAccount(8, "DEMO8", active=True)
    with pytest.raises(BrokerRefused):
        link(account)
    form = {"name": "demo7", "environment": "demo", "credentials": "DEMO", "enabled": "on"}
    form |= {"confirmed": "1", "change_reason": "no limits on it"}

    page = f"/admin/tradedesk/account/{account.pk}/change/"
    panel.post(page, {**form, "sign_off_anew": "on"})

    assert AuditEntry.objects.get().detail["sign_off_anew"] == [None, True]
    assert link(account) == listed[0]
    account.refresh_from_db()
    assert (account.broker_account_id, account.broker_account_name) == (8, "DEMO8")
    assert Incident.objects.get().closed_at == START


def test_saving_an_account_without_the_box_keeps_the_sign_off(account: Account, panel: Client) -> None:
    link(account)
    form = {"name": "demo7", "environment": "demo", "credentials": "DEMO", "confirmed": "1"}

    panel.post(f"/admin/tradedesk/account/{account.pk}/change/", {**form, "change_reason": "ours"})

    account.refresh_from_db()
    assert (account.enabled, account.broker_account_id) == (False, 7)


def test_paper_account_may_lead_to_another_paper_broker(db: None, listed: list[BrokerAccount]) -> None:
    account = make_account("practice")
    link(account)
    listed[0] = BrokerAccount(8, "PAPER-8", active=True)

    assert link(account) == listed[0]


def test_environment_of_an_account_with_orders_cannot_be_changed(db: None) -> None:
    bot = make_bot()
    bot.account.environment, bot.account.credentials = Environment.DEMO, "DEMO"
    bot.account.save()
    make_order(bot)
    bot.account.environment = Environment.LIVE

    with pytest.raises(ValueError, match="environment of an account with orders"):
        bot.account.save()
    with pytest.raises(ValidationError, match="make a new one"):
        bot.account.full_clean()

    assert Account.objects.get().environment == "demo"


@pytest.mark.parametrize(
    ("at", "close"),
    [
        # Winter: six hours behind UTC. Summer: five.
        (datetime(2026, 11, 23, 15, 0, tzinfo=UTC), datetime(2026, 11, 23, 22, 0, tzinfo=UTC)),
        (datetime(2026, 11, 23, 22, 0, tzinfo=UTC), datetime(2026, 11, 24, 22, 0, tzinfo=UTC)),
        (datetime(2026, 11, 23, 23, 30, tzinfo=UTC), datetime(2026, 11, 24, 22, 0, tzinfo=UTC)),
        (datetime(2026, 7, 1, 15, 0, tzinfo=UTC), datetime(2026, 7, 1, 21, 0, tzinfo=UTC)),
        # The clocks change on 1 November 2026.
        (datetime(2026, 10, 31, 21, 30, tzinfo=UTC), datetime(2026, 11, 1, 22, 0, tzinfo=UTC)),
    ],
)
def test_next_daily_close_is_four_in_the_afternoon_in_chicago(at: datetime, close: datetime) -> None:
    assert next_daily_close(at) == close


WALL: dict[str, Any] = {"wall": {"daily_loss": "750", "position": 3}, "wall_read_at": START}


@pytest.fixture
def live(db: None) -> Account:
    return make_account(
        "real", environment=Environment.LIVE, credentials="LIVE", broker_account_name="48213", **WALL
    )


def armed(account: Account, *, code_age: timedelta = timedelta(), number: str | None = None) -> datetime:
    code = VerifiedCode("ada", START - code_age)
    number = account.broker_account_name if number is None else number
    return arm(account, code, number=number, reason="morning", source_address="127.0.0.1", now=START)


def test_armed_live_account_is_armed_until_the_session_ends(live: Account) -> None:
    assert not is_armed(live, START)

    until = armed(live)

    live.refresh_from_db()
    assert until == live.armed_until == datetime(2026, 11, 23, 22, 0, tzinfo=UTC)
    assert is_armed(live, until - timedelta(seconds=1))
    assert not is_armed(live, until)
    entry = AuditEntry.objects.get()
    assert (entry.by, entry.action, entry.subject, entry.reason) == ("ada", "arm", "account real", "morning")


@pytest.mark.parametrize("number", ["", "48214", "4821"])
def test_another_account_number_arms_nothing(live: Account, number: str) -> None:
    with pytest.raises(NotArmed, match="number"):
        armed(live, number=number)

    assert AuditEntry.objects.count() == 0


def test_account_without_a_number_is_not_armed(live: Account) -> None:
    Account.objects.update(broker_account_name="")
    live.refresh_from_db()

    with pytest.raises(NotArmed, match="number"):
        armed(live, number="")


def test_disarmed_account_opens_nothing(live: Account) -> None:
    armed(live)

    disarm(live, by="eve", reason="lunch", source_address="127.0.0.1", now=START)

    live.refresh_from_db()
    assert not is_armed(live, START)
    assert AuditEntry.objects.all()[0].action == "disarm"


@pytest.mark.parametrize("age", [CODE_LASTS + timedelta(seconds=1), timedelta(seconds=-1)])
def test_stale_code_arms_nothing(live: Account, age: timedelta) -> None:
    with pytest.raises(NotArmed):
        armed(live, code_age=age)

    live.refresh_from_db()
    assert (live.armed_until, AuditEntry.objects.count()) == (None, 0)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"wall_read_at": None}, "not read in the last day"),
        ({"wall_read_at": START - timedelta(hours=26, seconds=1)}, "not read in the last day"),
        ({"wall": {"daily_loss": None, "position": 3}}, "does not liquidate"),
        ({"wall": {"daily_loss": "750.01", "position": 3}}, "over 1.5 times the daily loss of 500.00 USD"),
        ({"wall": {"daily_loss": "750", "position": None}}, "no position limit"),
        ({"wall": {}}, "does not liquidate at a daily loss. The broker has no position limit"),
    ],
)
def test_account_without_the_brokers_own_limits_is_not_armed(
    live: Account, fields: dict[str, Any], complaint: str
) -> None:
    Account.objects.update(daily_loss=500, **fields)
    live.refresh_from_db()

    with pytest.raises(NotArmed, match=complaint):
        armed(live)

    assert AuditEntry.objects.count() == 0


def test_brokers_own_limits_are_read_back(desk: Desk, links: FakeLinks, broker: FakeBroker) -> None:
    make_account("paper")
    make_account("demo", environment=Environment.DEMO, credentials="DEMO")
    make_account("away", environment=Environment.DEMO, credentials="DEMO")
    links.down["away"] = BrokerNotReached("connection refused")

    tasks.read_walls()

    assert broker.calls["outer_wall"] == 1
    read = Account.objects.exclude(wall_read_at=None).values_list("name", "wall")
    assert list(read) == [("demo", {"daily_loss": "750", "position": 3})]
    assert outer_wall.read_walls(desk) == 1


def test_account_without_real_money_is_always_armed_and_cannot_be(account: Account) -> None:
    assert is_armed(account, START)
    with pytest.raises(NotArmed):
        armed(account)


@pytest.fixture
def live_bot(bot: Bot, desk: Desk) -> Bot:
    # As if a person had released it.
    Account.objects.update(environment="live", credentials="LIVE", daily_loss=500, drawdown=1000, **WALL)
    confirm_calendars()
    reconcile(desk, Account.objects.all())
    return bot


def said(answer: Any) -> tuple[str, str]:
    return answer.decision["action"], answer.decision["reason"]


def test_opening_of_an_unarmed_live_account_is_refused(live_bot: Bot, tell: Teller) -> None:
    assert said(tell(BLUE)) == ("NONE", "NOT_ARMED")


def test_armed_live_account_opens_and_closes_after_its_arming_lapsed(live_bot: Bot, tell: Teller) -> None:
    Account.objects.update(broker_account_name="48213")
    armed(Account.objects.get())
    assert said(tell(BLUE)) == ("ENTER_LONG", "TREND_BLUE")
    Account.objects.update(armed_until=START)

    assert said(tell(RED, 20)) == ("EXIT", "NOT_ARMED")
