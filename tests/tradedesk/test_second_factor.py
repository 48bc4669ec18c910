"""One-time codes, and what takes one: resuming and arming a live account, in panel, API and command line."""

import re
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django_otp.oath import totp
from django_otp.plugins.otp_static.models import StaticToken
from rest_framework.test import APIClient

from tests.builders import make_account, make_user
from tests.fakes import START
from tradedesk.management.commands import kill_switch as command
from tradedesk.models import Account, AuditEntry, Authenticator, Environment, TradingMode, TradingState
from tradedesk.services.people import second_factor

PAGE, GATE, ARM = "/admin/second-factor/", "/admin/kill-switch/resume/", "/admin/kill-switch/arm/real/"
SCOPE = "account:real"


@pytest.fixture(autouse=True)
def clock_of_the_app() -> Iterator[time_machine.Traveller]:
    """Let the app's clock stand at START."""
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller


@pytest.fixture
def live(panel: Client) -> Account:
    """Return a live account that may be armed, halted as it begins."""
    return make_account(
        "real",
        environment=Environment.LIVE,
        credentials="LIVE",
        broker_account_name="48213",
        wall={"daily_loss": "750", "position": 3},
        wall_read_at=START,
    )


def shown_by(app: Authenticator) -> str:
    """Return the code that the app shows now."""
    return f"{totp(app.bin_key):06}"


def set_up(user: User, clock: time_machine.Traveller) -> Authenticator:
    """Give a person an app that counts; its next code comes half a minute later."""
    app = second_factor.begin(user)
    assert second_factor.confirm(user, shown_by(app), source_address="", now=START)
    clock.shift(timedelta(seconds=30))
    app.refresh_from_db()
    return app


def mode() -> str:
    return TradingState.objects.get(scope=SCOPE).mode


def test_code_is_good_once(admin_user: User, clock_of_the_app: time_machine.Traveller) -> None:
    code = shown_by(set_up(admin_user, clock_of_the_app))

    proof = second_factor.check(admin_user, f" {code[:3]} {code[3:]} ", START)

    assert proof == second_factor.VerifiedCode("grace", START)
    assert second_factor.check(admin_user, code, START) is None


def test_wrong_codes_make_the_right_one_wait(
    admin_user: User, clock_of_the_app: time_machine.Traveller
) -> None:
    code = shown_by(set_up(admin_user, clock_of_the_app))
    wrong = f"{(int(code) + 1) % 1_000_000:06}"

    assert second_factor.check(admin_user, wrong, START) is None
    assert second_factor.check(admin_user, code, START) is None
    clock_of_the_app.shift(timedelta(seconds=2))

    assert second_factor.check(admin_user, code, START) is not None


def test_backup_code_is_good_once_and_kept_as_a_hash(admin_user: User) -> None:
    app = second_factor.begin(admin_user)
    codes = second_factor.confirm(admin_user, shown_by(app), source_address="", now=START)

    assert len(set(codes)) == 10
    kept = set(StaticToken.objects.values_list("token", flat=True))
    assert not any(part in token for code in codes for part in code.split("-") for token in kept)
    assert second_factor.check(admin_user, codes[0].upper(), START) is not None
    assert second_factor.check(admin_user, codes[0], START) is None
    assert second_factor.backup_codes_left(admin_user) == 9


def test_secret_is_not_in_the_row(admin_user: User, settings: object) -> None:
    app = second_factor.begin(admin_user)

    assert app.bin_key.hex() not in app.key
    before = app.bin_key
    settings.SECRET_KEY = "another"  # type: ignore[attr-defined]
    assert app.bin_key != before


@pytest.mark.parametrize("code", ["", "000000", "no code at all"])
def test_person_without_an_app_has_no_code(code: str, admin_user: User) -> None:
    assert second_factor.check(admin_user, code, START) is None


def test_page_sets_up_an_app_and_shows_backup_codes_once(panel: Client, admin_user: User) -> None:
    assert "Not set up" in panel.get(PAGE).content.decode()

    html = panel.post(PAGE, {"act": "begin"}).content.decode()
    assert "<svg" in html
    app = Authenticator.objects.get()
    assert second_factor.authenticator_of(admin_user) is None
    assert "Not set up yet." in panel.post(PAGE, {"act": "confirm", "code": "1"}).content.decode()
    with time_machine.travel(START + timedelta(minutes=1), tick=False):
        html = panel.post(PAGE, {"act": "confirm", "code": shown_by(app)}).content.decode()

    codes = re.findall("<code>([a-z2-7]{8}-[a-z2-7]{8})</code>", html)
    assert len(codes) == 10
    assert codes[0] not in panel.get(PAGE).content.decode()
    assert [entry.action for entry in AuditEntry.objects.all()] == ["second factor on"]
    assert codes[0] not in str(list(AuditEntry.objects.values()))


def test_app_that_counts_is_replaced_or_removed_with_a_code_only(
    panel: Client, admin_user: User, clock_of_the_app: time_machine.Traveller
) -> None:
    app = set_up(admin_user, clock_of_the_app)

    for act in ("begin", "renew", "remove"):
        html = panel.post(PAGE, {"act": act, "code": ""}, follow=True).content.decode()
        assert "Nothing was changed." in html
    assert Authenticator.objects.get() == app

    html = panel.post(PAGE, {"act": "remove", "code": shown_by(app)}, follow=True).content.decode()
    assert "The second factor is off." in html
    assert not Authenticator.objects.exists()


def test_live_account_is_resumed_with_a_code(
    panel: Client, admin_user: User, live: Account, clock_of_the_app: time_machine.Traveller
) -> None:
    filled_in = {"scope": SCOPE, "reason": "go", "word": "RESUME"}
    assert "You have no second factor yet" in panel.get(GATE, {"scope": SCOPE}).content.decode()
    app = set_up(admin_user, clock_of_the_app)
    assert 'name="code"' in panel.get(GATE, {"scope": SCOPE}).content.decode()

    for code in ("", "123"):
        assert panel.post(GATE, {**filled_in, "code": code}).status_code == 409
    assert mode() == TradingMode.HALTED
    clock_of_the_app.shift(timedelta(seconds=5))
    panel.post(GATE, {**filled_in, "code": shown_by(app)})

    assert mode() == TradingMode.ACTIVE


def test_live_account_is_armed_with_its_number_and_a_code(
    panel: Client, admin_user: User, live: Account, clock_of_the_app: time_machine.Traveller
) -> None:
    app = set_up(admin_user, clock_of_the_app)
    assert "Arm real" in panel.get(ARM).content.decode()
    filled_in = {"number": "48213", "reason": "morning", "code": shown_by(app)}

    assert panel.post(ARM, {**filled_in, "code": ""}).status_code == 409
    assert panel.post(ARM, {**filled_in, "reason": ""}).status_code == 400
    panel.post(ARM, filled_in)

    live.refresh_from_db()
    assert live.armed_until is not None
    html = panel.get("/admin/kill-switch/").content.decode()
    assert "▲ Armed" in html
    panel.post(ARM, {"act": "disarm", "reason": "lunch"})
    live.refresh_from_db()
    assert live.armed_until is None


def test_another_number_arms_nothing(
    panel: Client, admin_user: User, live: Account, clock_of_the_app: time_machine.Traveller
) -> None:
    code = shown_by(set_up(admin_user, clock_of_the_app))

    answer = panel.post(ARM, {"number": "48214", "reason": "morning", "code": code})

    assert answer.status_code == 409
    assert "The account number is another." in answer.content.decode()


def test_arming_needs_the_right(viewer: Client) -> None:
    make_account("real", environment=Environment.LIVE)

    assert viewer.get(ARM).status_code == 403
    assert viewer.post(ARM, {"act": "disarm"}).status_code == 403
    html = viewer.get("/admin/kill-switch/").content.decode()
    assert "– Not armed" in html
    assert ARM not in html


def test_api_releases_a_live_account_with_a_code(
    admin_user: User, live: Account, clock_of_the_app: time_machine.Traveller
) -> None:
    app = set_up(admin_user, clock_of_the_app)
    api = APIClient()
    api.force_authenticate(admin_user)
    body = {"engaged": False, "scope": SCOPE, "reason": "go"}

    refused = api.post("/api/v1/kill-switch/", body, format="json")
    released = api.post("/api/v1/kill-switch/", {**body, "code": shown_by(app)}, format="json")

    assert (refused.status_code, refused.json()["code"]) == (409, "LIVE_LOCKED")
    assert (released.status_code, mode()) == (200, TradingMode.ACTIVE)


def release_by_command(*more: str) -> str:
    out = StringIO()
    call_command("kill_switch", "off", "--scope", SCOPE, "--reason", "go", *more, stdout=out)
    return out.getvalue()


def test_command_releases_a_live_account_with_a_persons_code(
    admin_user: User,
    live: Account,
    clock_of_the_app: time_machine.Traveller,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = set_up(admin_user, clock_of_the_app)
    monkeypatch.setattr(command, "getpass", lambda _: shown_by(app))

    with pytest.raises(CommandError, match="one-time code"):
        release_by_command()
    release_by_command("--person", "grace")

    assert mode() == TradingMode.ACTIVE


def test_command_takes_no_code_of_a_person_without_the_right(live: Account) -> None:
    make_user("eve")

    with pytest.raises(CommandError, match="eve may not release"):
        release_by_command("--person", "eve")

    assert mode() == TradingMode.HALTED


def test_lost_factor_is_reset_from_the_machine(
    admin_user: User, panel: Client, clock_of_the_app: time_machine.Traveller
) -> None:
    set_up(admin_user, clock_of_the_app)

    call_command("reset_second_factor", "grace", "--reason", "phone lost", stdout=StringIO())

    assert second_factor.authenticator_of(admin_user) is None
    assert second_factor.backup_codes_left(admin_user) == 0
    assert AuditEntry.objects.all()[0].reason == "phone lost"
    with pytest.raises(CommandError, match="no person nobody"):
        call_command("reset_second_factor", "nobody", "--reason", "x")


def test_saving_a_live_account_that_was_resumed_halts_it_not_again(live: Account) -> None:
    TradingState.objects.filter(scope=SCOPE).update(mode=TradingMode.ACTIVE)

    live.refresh_from_db()
    live.save()

    assert mode() == TradingMode.ACTIVE
