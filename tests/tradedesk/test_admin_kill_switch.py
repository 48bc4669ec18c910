from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import OperationalError
from django.test import Client

from broker.base import BrokerNotReached
from tests.builders import make_account, make_bot, make_incident, make_order, set_held
from tests.fakes import FakeBroker, FakeClock, FakeLinks
from tests.tradedesk.page_costs import cost_of
from tradedesk.models import (
    AuditEntry,
    IncidentKind,
    OrderStatus,
    TradingMode,
    TradingState,
    TradingStateChange,
)
from tradedesk.services.halting import kill_switch

PAGE = "/admin/kill-switch/"
GATE = "/admin/kill-switch/resume/"


def mode(scope: str = "all") -> str:
    return TradingState.objects.get(scope=scope).mode


def press(client: Client, act: str, *, scope: str = "all", reason: str = "") -> str:
    """Press a button, follow to the next page and return it."""
    answer = client.post(PAGE, {"act": act, "scope": scope, "reason": reason}, follow=True)
    return answer.content.decode()


def resume(client: Client, *, scope: str = "all", reason: str = "checked", **more: str) -> Any:
    """Fill in the gate and return its answer."""
    return client.post(GATE, {"scope": scope, "reason": reason, "word": "RESUME", **more}, follow=True)


def may_operate(user: User, right: str = "change_tradingstate") -> None:
    user.user_permissions.add(Permission.objects.get(codename=right))


def test_halt_button_halts_everything_with_one_click(panel: Client) -> None:
    html = press(panel, "halt")

    assert mode() == "HALTED"
    change = TradingStateChange.objects.get()
    assert (change.by, change.reason, change.new_mode) == ("grace", "Halt button", "HALTED")
    entry = AuditEntry.objects.get()
    assert (entry.by, entry.action, entry.source_address) == ("grace", "kill switch on", "127.0.0.1")
    assert "All trading: halted. No order is on its way." in html
    assert "Trading is halted: no order leaves" in html
    assert "Flatten now" in html
    assert "Let exits through" in html


def test_halt_needs_the_csrf_token(panel: Client, admin_user: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(admin_user)

    for path in (PAGE, "/halt/"):
        assert strict.post(path, {"act": "halt", "scope": "all"}).status_code == 403
    assert mode() == "ACTIVE"


def test_halt_by_a_get_does_nothing(panel: Client) -> None:
    panel.get(f"{PAGE}?act=halt&scope=all")

    assert mode() == "ACTIVE"


def test_orders_on_their_way_are_counted(panel: Client, clock: FakeClock) -> None:
    make_order(make_bot(), status=OrderStatus.SENT)

    html = press(panel, "halt")

    assert "1 order was on the way and may still fill" in html


def test_every_member_of_staff_may_halt_and_nothing_else(viewer: Client) -> None:
    assert mode() == "ACTIVE"
    press(viewer, "halt")
    assert mode() == "HALTED"

    for act in ("reduce", "flatten", "cancel_flatten"):
        assert viewer.post(PAGE, {"act": act, "scope": "all", "reason": "x"}).status_code == 403
    assert resume(viewer).status_code == 403
    assert viewer.get(GATE).status_code == 403
    html = viewer.get(PAGE).content.decode()

    assert mode() == "HALTED"
    assert GATE not in html
    assert 'value="flatten"' not in html
    assert 'value="reduce"' not in html


def test_every_member_of_staff_may_block_entries(viewer: Client) -> None:
    press(viewer, "reduce")

    assert mode() == "REDUCING"


def test_letting_trading_go_on_takes_a_right_of_its_own(viewer: Client) -> None:
    eve = User.objects.get(username="eve")
    may_operate(eve)
    press(viewer, "halt")

    assert GATE not in viewer.get(PAGE).content.decode()
    assert resume(viewer).status_code == 403
    may_operate(eve, "release_tradingstate")
    assert GATE in viewer.get(PAGE).content.decode()
    assert resume(viewer).status_code == 200

    assert mode() == "ACTIVE"


def test_exits_let_through_after_a_halt(panel: Client) -> None:
    press(panel, "halt")

    html = press(panel, "reduce")

    assert mode() == "REDUCING"
    assert "All trading: entries are blocked, exits go through." in html


def test_release_needs_a_reason(panel: Client) -> None:
    press(panel, "halt")

    for reason in ("", "   "):
        answer = resume(panel, reason=reason)
        assert answer.status_code == 400
        assert "Write down the reason" in answer.content.decode()
    assert mode() == "HALTED"


@pytest.mark.parametrize("word", ["", "resume", "RESUME now"])
def test_release_needs_the_word(word: str, panel: Client) -> None:
    press(panel, "halt")

    answer = resume(panel, word=word)

    assert answer.status_code == 400
    assert "Trading stays off" in answer.content.decode()
    assert mode() == "HALTED"


def test_gate_shows_a_comparison_made_now(panel: Client, clock: FakeClock) -> None:
    make_bot()
    press(panel, "halt", reason="CPI")

    html = panel.get(GATE).content.decode()

    assert "1 account compared: positions and working orders are equal" in html
    assert f"made {clock.now():%H:%M:%S} UTC" in html
    assert "“CPI”" in html
    assert 'name="code"' not in html


def test_gate_of_a_scope_that_is_on_has_nothing_to_resume(panel: Client) -> None:
    html = panel.get(GATE).content.decode()

    assert "trading is on" in html
    assert 'name="word"' not in html
    assert panel.get(f"{GATE}?scope=bot:nobody").status_code == 404


def test_release_after_a_clean_comparison_lets_trading_go_on(panel: Client) -> None:
    make_bot()
    press(panel, "halt")

    html = resume(panel, reason="CPI is out").content.decode()

    assert mode() == "ACTIVE"
    assert "All trading: trading is on. Nothing is sent by itself." in html
    assert TradingStateChange.objects.order_by("-id")[0].reason == "CPI is out"


def test_release_with_a_difference_shows_it_in_words(panel: Client, broker: FakeBroker) -> None:
    make_bot()
    broker.hold("MESZ6", -2)
    press(panel, "halt")

    answer = resume(panel)

    assert answer.status_code == 409
    html = answer.content.decode()
    assert "Trading stays off" in html
    assert 'name="word"' not in html
    assert (
        "The broker holds another position than the desk booked: mes-paper MESZ6, broker −2, desk 0" in html
    )
    assert mode() == "HALTED"


def test_release_with_a_blocking_incident_links_it(panel: Client) -> None:
    incident = make_incident(make_bot(), kind=IncidentKind.AMBIGUOUS_EVENTS)
    press(panel, "halt")

    answer = resume(panel)

    assert answer.status_code == 409
    assert f"/admin/tradedesk/incident/{incident.pk}/change/" in answer.content.decode()


def test_release_with_the_broker_away_keeps_trading_off(panel: Client, links: FakeLinks) -> None:
    make_bot()
    links.down["paper"] = BrokerNotReached("refused")
    press(panel, "halt")

    answer = resume(panel)

    assert answer.status_code == 409
    assert "The broker could not be asked (paper: refused)" in answer.content.decode()
    assert mode() == "HALTED"


def test_flatten_closes_what_is_held(panel: Client, broker: FakeBroker) -> None:
    set_held(make_bot(), 2)
    broker.hold("MESZ6", 2)
    press(panel, "halt")
    assert "sell 2 MESZ6 (mes-paper)" in panel.get(PAGE).content.decode()

    html = press(panel, "flatten")

    assert broker.held() == 0
    assert "All trading: flat. Two reads of the broker show nothing held." in html
    assert mode() == "HALTED"


def test_flatten_that_cannot_read_the_broker_says_so(panel: Client, links: FakeLinks) -> None:
    make_bot()
    links.down["paper"] = BrokerNotReached("connection refused")

    html = press(panel, "flatten")

    assert "All trading: not flat yet." in html
    assert "paper: connection refused" in html


def test_flatten_that_goes_on_is_shown_everywhere_and_can_be_ended(panel: Client, links: FakeLinks) -> None:
    make_bot()
    links.down["paper"] = BrokerNotReached("connection refused")
    press(panel, "flatten", scope="account:paper", reason="roll")

    assert "Flattening account:paper: not known to be flat." in panel.get("/admin/").content.decode()
    assert "<b>Flattening account:paper</b>, not known to be flat" in panel.get("/halt/").content.decode()
    html = panel.get(PAGE).content.decode()
    assert "paper: connection refused" in html
    assert "1 time so far" in html

    html = press(panel, "cancel_flatten", scope="account:paper")

    assert "Account paper: the flatten is over, entries stay blocked until you release." in html
    assert mode("account:paper") == "REDUCING"
    assert "Account paper: no flatten goes on." in press(panel, "cancel_flatten", scope="account:paper")


def test_emergency_page_names_narrower_halts(panel: Client) -> None:
    make_bot()
    press(panel, "halt", scope="bot:mes-paper", reason="odd fills")

    html = panel.get("/halt/").content.decode()

    assert "Trading is on" in html
    assert "<b>bot:mes-paper</b>: halted, odd fills" in html


def test_one_scope_is_switched_alone(panel: Client) -> None:
    make_bot()

    press(panel, "halt", scope="bot:mes-paper", reason="odd fills")

    assert (mode("bot:mes-paper"), mode("account:paper"), mode()) == ("HALTED", "ACTIVE", "ACTIVE")
    html = panel.get("/admin/").content.decode()
    assert "bot:mes-paper: halted." in html
    assert "odd fills" in html


def test_tree_lists_every_scope(panel: Client) -> None:
    make_bot()
    make_account("second")

    tree = panel.get(PAGE).context["tree"]

    assert [(depth, state.scope) for depth, state in tree] == [
        (0, "all"),
        (1, "account:paper"),
        (2, "bot:mes-paper"),
        (1, "account:second"),
    ]


@pytest.mark.parametrize("data", [{}, {"act": "nonsense", "scope": "all"}, {"act": "halt"}])
def test_unknown_act_does_nothing(data: dict[str, str], panel: Client) -> None:
    assert panel.post(PAGE, data).status_code == 400
    assert mode() == "ACTIVE"


def test_unknown_scope_does_nothing(panel: Client) -> None:
    assert panel.post(PAGE, {"act": "halt", "scope": "bot:nobody"}).status_code == 404
    assert not TradingStateChange.objects.exists()


def test_nobody_halts_without_a_login(desk: object) -> None:
    for path in (PAGE, "/halt/"):
        answer = Client().post(path, {"act": "halt", "scope": "all"})
        assert answer.status_code == 302
        assert answer["Location"].startswith("/admin/login/")
    assert mode() == "ACTIVE"


def test_emergency_page_is_small_and_plain(panel: Client) -> None:
    html = panel.get("/halt/").content.decode()

    assert len(html.encode()) < 4096
    assert "<script" not in html
    assert "/static/" not in html
    assert "Trading is on" in html


def test_emergency_page_halts(viewer: Client) -> None:
    html = viewer.post("/halt/", {"reason": "fire"}, follow=True).content.decode()

    assert mode() == "HALTED"
    assert "Trading is halted: no order leaves" in html
    assert "by eve: fire" in html


@pytest.mark.parametrize("method", ["get", "post"])
def test_emergency_page_says_when_the_state_is_unknown(
    method: str, panel: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(kill_switch, "status", fail)
    monkeypatch.setattr(kill_switch, "engage", fail)

    answer = getattr(panel, method)("/halt/")

    assert answer.status_code == 503
    html = answer.content.decode()
    assert "STATE UNKNOWN" in html
    assert 'class="red"' in html
    assert ("the halt could not be stored" in html) == (method == "post")


def test_halt_that_cannot_be_stored_says_so(panel: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OperationalError("canceling statement due to lock timeout")

    monkeypatch.setattr(kill_switch, "engage", fail)

    answer = panel.post(PAGE, {"act": "halt", "scope": "all"})

    assert answer.status_code == 503
    assert "the halt could not be stored" in answer.content.decode()


def test_missing_state_is_shown_as_unknown_everywhere(panel: Client) -> None:
    TradingState.objects.filter(scope="all").delete()

    assert panel.get("/halt/").status_code == 503
    for path in ("/admin/", PAGE):
        html = panel.get(path).content.decode()
        assert "<title> STATE UNKNOWN · " in html
        assert "STATE UNKNOWN" in html.split("<body")[1]


def test_history_shows_who_and_why(panel: Client) -> None:
    press(panel, "halt", reason="CPI print")
    resume(panel, reason="over")

    html = panel.get(PAGE).content.decode()

    assert "CPI print" in html
    assert [change.new_mode for change in panel.get(PAGE).context["history"]] == [
        TradingMode.ACTIVE,
        TradingMode.HALTED,
    ]


def test_page_costs_the_same_with_more_scopes(panel: Client) -> None:
    assert cost_of(panel, PAGE, lambda: _more_scopes(panel)) == 9


def _more_scopes(panel: Client) -> None:
    make_account(f"more-{TradingState.objects.count()}")
    press(panel, "halt")
