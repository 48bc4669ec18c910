"""What only a browser can tell of kill switch, gate, connections, audit log, incidents and second factor."""

import pytest
from playwright.sync_api import expect

from tests.builders import make_bot, make_incident, set_held
from tests.fakes import START
from tests.panel.visiting import Scheme, Visitor, findings_of, overflow_of
from tradedesk.admin.cells import url_of
from tradedesk.models import AuditEntry, FlattenWish, Incident, TradingMode, TradingState
from tradedesk.services.desk import Desk
from tradedesk.services.reconciling import looking

GATE = "/admin/kill-switch/resume/"


@pytest.fixture
def incident(desk: Desk) -> Incident:
    """Return an incident of a halted desk that was looked at."""
    bot = make_bot()
    set_held(bot, 2)
    looking.look(desk)
    AuditEntry.objects.create(
        by="ada", action="change", subject="account paper", detail={"x": [1, 2]}, created_at=START
    )
    return make_incident(bot, blocks="")


def halt() -> None:
    TradingState.objects.filter(scope="all").update(mode=TradingMode.HALTED, by="ada", since=START)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 390)])
def test_pages_are_accessible_and_fit(
    scheme: Scheme, width: int, visitor: Visitor, incident: Incident
) -> None:
    halt()
    paths = [
        "/admin/connections/",
        "/admin/kill-switch/",
        GATE,
        "/admin/second-factor/",
        "/admin/tradedesk/auditentry/",
        url_of(AuditEntry.objects.get()),
        url_of(incident),
    ]
    page = visitor.open(paths[0], scheme=scheme, width=width)
    for path in paths:
        page.goto(path)
        assert overflow_of(page) == 0, path
        assert findings_of(page, "#live, .summary, #result_list") == [], path
    page = visitor.open("/admin/login/", role="", scheme=scheme, width=width)
    assert findings_of(page) == []


def test_resume_stays_locked_until_the_word_is_typed(visitor: Visitor, desk: Desk) -> None:
    make_bot()
    halt()
    page = visitor.open(GATE)
    button = page.get_by_role("button", name="Resume all trading")

    page.get_by_label("Reason").fill("CPI is out")
    page.get_by_label("Type RESUME").fill("resume")
    button.click()
    assert TradingState.objects.get(scope="all").mode == TradingMode.HALTED
    page.get_by_label("Type RESUME").fill("RESUME")
    button.click()

    expect(page.get_by_text("All trading: trading is on.")).to_be_visible()
    assert TradingState.objects.get(scope="all").mode == TradingMode.ACTIVE


def test_poll_leaves_alone_what_is_being_written(visitor: Visitor, desk: Desk) -> None:
    page = visitor.open("/admin/kill-switch/", role="operator")
    reason = page.get_by_label("Reason, if there is time")
    reason.fill("odd fi")
    halt()

    with page.expect_response("**/admin/kill-switch/"):
        page.evaluate("htmx.ajax('GET', '/admin/kill-switch/', {source: '#poll', target: '#live'})")

    expect(page.locator(".banner")).to_contain_text("Trading is halted")
    expect(reason).to_have_value("odd fi")


def test_login_and_halt_work_with_scripts_off(visitor: Visitor, desk: Desk) -> None:
    page = visitor.open("/halt/", role="", scripts=False)

    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.get_by_label("User name").fill("ada")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()

    expect(page.get_by_role("alert")).to_contain_text("Please enter the correct")


def test_flatten_progress_is_live(visitor: Visitor, incident: Incident) -> None:
    page = visitor.open("/admin/kill-switch/", role="operator")
    halt()
    FlattenWish.objects.create(
        scope="all",
        passes_halt=True,
        by="ada",
        since=START,
        next_try_at=START,
        tries=3,
        seen=[{"account": "paper", "quantity": 2, "contract": "MESZ6"}],
    )
    with page.expect_response("**/admin/kill-switch/"):
        page.evaluate("htmx.ajax('GET', '/admin/kill-switch/', {source: '#poll', target: '#live'})")

    expect(page.locator("#live")).to_contain_text("3 times so far")
    expect(page.locator("#live")).to_contain_text("paper: 2 MESZ6")
