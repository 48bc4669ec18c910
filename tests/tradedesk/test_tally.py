from collections import Counter

from tests.builders import at, make_alert, make_bot, make_decision, make_order
from tests.fakes import START
from tradedesk.admin.outcomes import Outcome, outcome_of
from tradedesk.admin.tally import tally
from tradedesk.models import Decision, OrderStatus, Reason


def test_tally_counts_every_decision_as_its_own_page_shows_it(desk: object) -> None:
    bot = make_bot()
    for minute, status in enumerate(OrderStatus):
        make_order(
            bot, decision=make_decision(make_alert(bot.strategy, fired_at=at(minute)), bot), status=status
        )
    for minute, reason in enumerate(Reason, 100):
        alert = make_alert(bot.strategy, fired_at=at(minute))
        make_decision(alert, bot, action="NONE", reason=reason)

    found = tally(START, at(1000))

    expected = Counter(
        (outcome_of(decision), decision.reason)
        for decision in Decision.objects.prefetch_related("orders").all()
    )
    assert found.counts == expected
    assert found.total == len(OrderStatus) + len(Reason)
    assert found.reasons(Outcome.LATE) == [("EVENT_WINDOW", 1), ("LATE_NO_EFFECT", 1), ("TOO_OLD", 1)]


def test_last_order_of_a_decision_has_the_say(desk: object) -> None:
    bot = make_bot()
    decision = make_decision(make_alert(bot.strategy), bot)
    make_order(bot, decision=decision, status=OrderStatus.REJECTED)
    make_order(bot, decision=decision, status=OrderStatus.FILLED)

    assert tally(START, at(1)).of(Outcome.FILLED) == 1
    assert tally(at(1), at(2)).total == 0
