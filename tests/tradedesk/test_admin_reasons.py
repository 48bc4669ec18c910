import pytest
from django.test import Client

from tests.builders import at, make_alert, make_decision
from tests.tradedesk.page_costs import cost_of
from tradedesk.admin.faults import FAULTS
from tradedesk.models import REMEDIES, Alert, Bot, Reason


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_somebodys(reason: Reason) -> None:
    assert reason in FAULTS


@pytest.mark.parametrize("reason", [Reason.TREND_BLUE, Reason.HALTED, Reason.STOP_MISSING])
def test_page_of_a_reason_says_what_to_do(reason: Reason, panel: Client) -> None:
    answer = panel.get(f"/admin/reasons/{reason.value}/")

    assert answer.status_code == 200
    assert answer.context["remedy_text"] == REMEDIES[reason]


def test_page_shows_the_rule_and_the_latest_alerts(panel: Client, bot: Bot) -> None:
    make_decision(make_alert(bot.strategy), bot, action="NONE", reason=Reason.TOO_OLD)
    make_decision(make_alert(bot.strategy, "SHORT_ENTRY"), bot, action="NONE", reason=Reason.HALTED)

    html = panel.get("/admin/reasons/TOO_OLD/").content.decode()

    assert "the gate looks at: age of the event. Unless you set it otherwise: 60 s." in html
    assert "Trend turned blue, MES1!, 10 min" in html
    assert "Trend turned red" not in html
    assert "1 in the last seven days" in html


def test_index_groups_reasons_by_whose_they_are_and_counts_a_week(panel: Client, bot: Bot) -> None:
    make_decision(make_alert(bot.strategy), bot, action="NONE", reason=Reason.MARGIN)
    old = make_alert(bot.strategy, fired_at=at(-60 * 24 * 8))
    make_decision(old, bot, action="NONE", reason=Reason.MARGIN)

    groups = panel.get("/admin/reasons/").context["groups"]

    counts = {line.reason: line.count for _, lines in groups for line in lines}
    assert set(counts) == set(Reason)
    assert (counts[Reason.MARGIN], counts[Reason.HALTED]) == (1, 0)


def test_unknown_reason_is_not_found_and_strangers_see_none(panel: Client, viewer: Client) -> None:
    assert panel.get("/admin/reasons/NONSENSE/").status_code == 404
    assert viewer.get("/admin/reasons/").status_code == 403
    assert viewer.get("/admin/reasons/TOO_OLD/").status_code == 403


def test_cost_does_not_grow_with_alerts(panel: Client, bot: Bot) -> None:
    def more() -> None:
        alert = make_alert(bot.strategy, fired_at=at(Alert.objects.count()))
        make_decision(alert, bot, action="NONE", reason=Reason.TOO_OLD)

    assert cost_of(panel, "/admin/reasons/TOO_OLD/", more) == 9
