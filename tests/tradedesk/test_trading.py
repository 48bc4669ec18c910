from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from broker.base import (
    BrokerNotReached,
    Side,
)
from strategy.types import Direction
from tests.builders import (
    make_account,
    make_alert,
    make_bot,
    make_incident,
    make_strategy,
    make_token,
    set_held,
)
from tests.fakes import START, FakeBroker, FakeClock, FakeLinks
from tests.posting import Teller
from tests.telling import (
    BLUE,
    DOWN,
    DOWN_BLUE,
    DOWN_RED,
    IN_LONG,
    IN_SHORT,
    LEFT_BEHIND_S,
    NOTHING_YET,
    OUT_BLUE,
    OUT_RED,
    RED,
    UP,
    open_incidents,
    refused_at_once,
    said,
    sent,
    set_mode,
    state_of,
    taken_and_rejected,
    target_of,
)
from tradedesk.models import (
    Account,
    Alert,
    Bot,
    Decision,
    Fill,
    Incident,
    IncidentKind,
    Instrument,
    Order,
    TradingMode,
)
from tradedesk.services.desk import Desk
from tradedesk.services.order_path.orders import client_order_id, id_of_closing_after
from tradedesk.services.reconciling.recovery import recover
from tradedesk.stores.positions import stored

# --- the rules of section 2 ---


@pytest.mark.parametrize(
    ("before", "event", "action", "reason", "state", "order"),
    [
        ([], BLUE, "ENTER_LONG", "TREND_BLUE", IN_LONG, ("BUY", 1)),
        ([], RED, "ENTER_SHORT", "TREND_RED", IN_SHORT, ("SELL", 1)),
        ([], UP, "NONE", "NO_TREND_YET", NOTHING_YET, None),
        ([], DOWN, "NONE", "NO_TREND_YET", NOTHING_YET, None),
        ([BLUE], BLUE, "NONE", "SAME_COLOR", IN_LONG, None),
        ([BLUE], RED, "REVERSE_TO_SHORT", "TREND_RED", IN_SHORT, ("SELL", 2)),
        ([BLUE], UP, "NONE", "CROSS_WITH_TREND", IN_LONG, None),
        ([BLUE], DOWN, "EXIT", "DI_DOWN", OUT_BLUE, ("SELL", 1)),
        ([RED], RED, "NONE", "SAME_COLOR", IN_SHORT, None),
        ([RED], BLUE, "REVERSE_TO_LONG", "TREND_BLUE", IN_LONG, ("BUY", 2)),
        ([RED], DOWN, "NONE", "CROSS_WITH_TREND", IN_SHORT, None),
        ([RED], UP, "EXIT", "DI_UP", OUT_RED, ("BUY", 1)),
        ([BLUE, DOWN], UP, "REENTER_LONG", "DI_UP", IN_LONG, ("BUY", 1)),
        ([BLUE, DOWN], DOWN, "NONE", "ALREADY_OUT", OUT_BLUE, None),
        ([BLUE, DOWN], BLUE, "NONE", "SAME_COLOR", OUT_BLUE, None),
        ([BLUE, DOWN], RED, "ENTER_SHORT", "TREND_RED", IN_SHORT, ("SELL", 1)),
        ([RED, UP], DOWN, "REENTER_SHORT", "DI_DOWN", IN_SHORT, ("SELL", 1)),
        ([RED, UP], UP, "NONE", "ALREADY_OUT", OUT_RED, None),
        ([RED, UP], RED, "NONE", "SAME_COLOR", OUT_RED, None),
        ([RED, UP], BLUE, "ENTER_LONG", "TREND_BLUE", IN_LONG, ("BUY", 1)),
        ([BLUE, DOWN, UP], DOWN, "EXIT", "DI_DOWN", OUT_BLUE, ("SELL", 1)),
        ([BLUE, DOWN, RED], DOWN, "NONE", "CROSS_WITH_TREND", IN_SHORT, None),
        ([BLUE, DOWN, RED], UP, "EXIT", "DI_UP", OUT_RED, ("BUY", 1)),
    ],
)
def test_event_moves_the_bot_as_the_strategy_says(
    bot: Bot,
    tell: Teller,
    broker: FakeBroker,
    before: list[str],
    event: str,
    action: str,
    reason: str,
    state: tuple[str, str | None, str],
    order: tuple[str, int] | None,
) -> None:
    for number, earlier in enumerate(before):
        tell(earlier, 20 * number)
    broker.submits.clear()

    answer = tell(event, 20 * len(before))

    assert said(answer) == (action, reason)
    assert state_of(bot) == state
    assert sent(broker) == ([] if order is None else [(*order, "MESZ6")])
    assert broker.held() == {"LONG": 1, "NONE": 0, "SHORT": -1}[state[0]]


def test_tie_at_one_bar_close_ends_the_same_in_either_order(tell: Teller, bot: Bot) -> None:
    other = make_bot("other", strategy=make_strategy("other"), account=make_account("other"))
    make_token(other.strategy, "other-token")
    other_tell = replace(tell, token="other-token")

    tell(BLUE, 0)
    tell(DOWN, 0)
    other_tell(DOWN, 0)
    other_tell(BLUE, 0)

    # The trend wins a tie: the crossing belonged to the position before.
    assert state_of(bot) == state_of(other) == IN_LONG


# --- the decision, the order and the fill as rows ---


def test_alert_decision_order_and_fill_are_linked_rows(bot: Bot, tell: Teller) -> None:
    tell(BLUE)

    alert, decision = Alert.objects.get(), Decision.objects.get()
    order, fill = Order.objects.get(), Fill.objects.get()
    assert (decision.alert_id, order.decision_id, fill.order_id) == (alert.id, decision.id, order.id)
    assert {decision.bot_id, order.bot_id, fill.bot_id} == {bot.id}
    assert (decision.state_before["current_position"], decision.state_before["trend_color"]) == ("NONE", None)
    # The intent is written before the order is sent: the position follows with the fill.
    assert decision.state_after == {
        "current_position": "NONE",
        "trend_color": "BLUE",
        "waiting_for_reentry": "NO",
        "last_updated": "2026-11-23T15:00:00Z",
    }
    assert (order.status, order.purpose, order.filled_quantity) == ("filled", "open", 1)
    assert (order.sent_at, order.acknowledged_at, order.settled_at) == (START, START, START)
    assert (fill.side, fill.quantity, str(fill.price)) == ("BUY", 1, "6842.25000000")
    after = stored(bot.id)
    assert (after.quantity, after.average_price, after.contract) == (1, Decimal("6842.25"), "MESZ6")


def test_order_message_names_the_account_and_the_alerts_price(tell: Teller, broker: FakeBroker) -> None:
    tell(RED)

    (message,) = broker.submits
    assert (message.account_id, message.account_name, message.contract) == (1, "PAPER1", "MESZ6")
    assert (message.side, message.quantity, message.reference_price) == (Side.SELL, 1, Decimal("6842.25"))


def test_client_order_id_is_computed_from_bot_event_and_attempt(
    bot: Bot, tell: Teller, broker: FakeBroker
) -> None:
    tell(BLUE)

    key = str(Alert.objects.get().event_key)
    assert broker.submits[0].client_order_id == client_order_id(bot.id, key, 0)
    others = {client_order_id(bot.id, key, 1), client_order_id(bot.id, key + "x", 0)}
    assert len({client_order_id(bot.id, key, 0), *others}) == 3
    assert len(client_order_id(bot.id, "x" * 1000, 9)) == 35


def test_intent_is_committed_before_the_order_is_sent(tell: Teller, broker: FakeBroker) -> None:
    seen: list[tuple[str, str]] = []
    broker.before_submit = lambda message: seen.append(
        (message.client_order_id, Order.objects.get(decision__action="ENTER_LONG").status)
    )

    tell(BLUE)

    assert seen == [(Order.objects.get().client_order_id, "sent")]


# --- sized from what the broker holds ---


@pytest.mark.parametrize(
    ("booked", "held", "event", "action", "reason", "order"),
    [
        (1, 3, DOWN, "EXIT", "DI_DOWN", [("SELL", 3, "MESZ6")]),
        (1, 0, DOWN, "NONE", "POSITION_MISMATCH", []),
        (1, 3, RED, "EXIT", "POSITION_MISMATCH", [("SELL", 3, "MESZ6")]),
        (1, 0, RED, "NONE", "POSITION_MISMATCH", []),
        (1, -1, RED, "NONE", "POSITION_MISMATCH", []),
        (1, -2, DOWN, "EXIT", "DI_DOWN", [("BUY", 2, "MESZ6")]),
    ],
)
def test_orders_are_sized_from_the_broker_and_a_difference_opens_an_incident(
    bot: Bot,
    tell: Teller,
    broker: FakeBroker,
    booked: int,
    held: int,
    event: str,
    action: str,
    reason: str,
    order: list[tuple[str, int, str]],
) -> None:
    tell(BLUE)
    assert stored(bot.id).quantity == booked
    broker.submits.clear()
    broker.hold("MESZ6", held)

    answer = tell(event, 20)

    assert said(answer) == (action, reason)
    assert sent(broker) == order
    assert ("POSITION_MISMATCH", "mes-paper") in open_incidents()
    seen = {"broker": held, "booked": booked, "contract": "MESZ6"}
    assert Incident.objects.get(kind="POSITION_MISMATCH").seen == seen
    if order:
        assert (broker.held(), stored(bot.id).quantity) == (0, 0)


def test_person_who_bought_before_the_entry_stands_the_bot_down(
    bot: Bot, tell: Teller, broker: FakeBroker
) -> None:
    broker.hold("MESZ6", 1)

    answer = tell(BLUE)

    assert said(answer) == ("NONE", "POSITION_MISMATCH")
    assert (sent(broker), target_of(bot)) == ([], Direction.NONE)
    assert open_incidents() == [("POSITION_MISMATCH", "mes-paper")]


def test_open_mismatch_refuses_openings_until_it_is_closed(bot: Bot, tell: Teller) -> None:
    incident = make_incident(bot)

    assert said(tell(BLUE)) == ("NONE", "POSITION_MISMATCH")
    incident.closed_at = START
    incident.save()
    assert said(tell(RED, 20)) == ("ENTER_SHORT", "TREND_RED")


@pytest.mark.parametrize("kind", ["FOREIGN_ORDER", "FOREIGN_POSITION"])
def test_foreign_trade_refuses_openings_of_every_bot_of_the_account(
    bot: Bot, tell: Teller, kind: IncidentKind
) -> None:
    make_incident(bot, kind, bot=None, subject="paper")

    assert said(tell(BLUE)) == ("NONE", "POSITION_MISMATCH")


def test_incident_of_another_account_refuses_nothing(bot: Bot, tell: Teller) -> None:
    make_incident(make_bot("other", account=make_account("other")))

    answer = tell(BLUE)

    assert [d["action"] for d in answer.body["decisions"]] == ["ENTER_LONG", "NONE"]


# --- reversals ---


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda bot: set_mode(TradingMode.REDUCING), "REDUCING"),
        (lambda bot: set_mode(TradingMode.REDUCING, "bot:mes-paper"), "REDUCING"),
        (lambda bot: Bot.objects.update(enabled=False), "BOT_DISABLED"),
        (lambda bot: Account.objects.update(enabled=False), "BOT_DISABLED"),
        (lambda bot: Account.objects.update(reconciled_at=None), "RECONCILING"),
        (lambda bot: Account.objects.update(reconciled_at=START - timedelta(seconds=1)), "RECONCILING"),
        (lambda bot: Instrument.objects.update(tick_size="0.5"), "CONTRACT_UNKNOWN"),
        (lambda bot: Instrument.objects.update(point_value="50"), "CONTRACT_UNKNOWN"),
        (lambda bot: Instrument.objects.update(pinned_contract="MESH7"), "CONTRACT_ROLLED"),
        (lambda bot: Bot.objects.update(size=2, max_position=1), "MAX_POSITION"),
    ],
)
def test_reversal_whose_opening_half_is_refused_closes_only(
    bot: Bot, tell: Teller, broker: FakeBroker, spoil: Callable[[Bot], None], reason: str
) -> None:
    tell(BLUE)
    spoil(bot)

    answer = tell(RED, 20)

    assert said(answer) == ("EXIT", reason)
    assert sent(broker)[1:] == [("SELL", 1, "MESZ6")]
    assert (state_of(bot), target_of(bot)) == (DOWN_RED, Direction.NONE)
    assert open_incidents() == []


def test_late_reversal_closes_only(bot: Bot, tell: Teller, clock: FakeClock, broker: FakeBroker) -> None:
    tell(BLUE)
    clock.advance(25 * 60)

    answer = tell(RED, 20)

    assert said(answer) == ("EXIT", "TOO_OLD")
    assert sent(broker)[1:] == [("SELL", 1, "MESZ6")]
    assert (state_of(bot), target_of(bot)) == (DOWN_RED, Direction.NONE)


@pytest.mark.parametrize("no", [taken_and_rejected, refused_at_once])
def test_reversal_that_the_broker_rejects_closes_once_under_a_new_id(
    bot: Bot, tell: Teller, broker: FakeBroker, no: Callable[[FakeBroker], None]
) -> None:
    tell(BLUE)
    no(broker)

    answer = tell(RED, 20)

    assert said(answer) == ("REVERSE_TO_SHORT", "TREND_RED")
    assert sent(broker)[1:] == [("SELL", 2, "MESZ6"), ("SELL", 1, "MESZ6")]
    key = str(Alert.objects.get(action=RED).event_key)
    whole = client_order_id(bot.id, key, 0)
    assert [m.client_order_id for m in broker.submits[1:]] == [whole, id_of_closing_after(whole)]
    assert (answer.decision["order"]["quantity"], answer.decision["order"]["status"]) == (1, "filled")
    assert answer.decision["order"]["client_order_id"] == id_of_closing_after(whole)
    orders = Order.objects.filter(decision__alert__action=RED).order_by("id")
    assert [(o.purpose, o.status, o.note) for o in orders] == [
        ("reverse", "rejected", "MaxPosLimitReached"),
        ("close", "filled", ""),
    ]
    assert (state_of(bot), broker.held()) == (DOWN_RED, 0)
    assert open_incidents() == []


def test_reversal_and_its_closing_half_rejected_leaves_the_position_and_an_incident(
    bot: Bot, tell: Teller, broker: FakeBroker
) -> None:
    tell(BLUE)
    broker.reject("A")
    broker.reject("B")

    answer = tell(RED, 20)

    assert answer.decision["order"]["status"] == "rejected"
    assert len(broker.submits) == 3
    assert (state_of(bot), target_of(bot)) == (("LONG", "RED", "NO"), Direction.NONE)
    assert open_incidents() == [("UNHELD_TARGET", "mes-paper")]


# --- more than one bot ---


def test_one_alert_trades_on_two_accounts_apart(bot: Bot, tell: Teller, broker: FakeBroker) -> None:
    second = make_bot("second", strategy=bot.strategy, account=make_account("second"), size=2)

    answer = tell(BLUE)

    assert [(d["bot"], d["action"], d["order"]["quantity"]) for d in answer.body["decisions"]] == [
        ("mes-paper", "ENTER_LONG", 1),
        ("second", "ENTER_LONG", 2),
    ]
    assert [(m.account_id, m.quantity) for m in broker.submits] == [(1, 1), (2, 2)]
    assert len({m.client_order_id for m in broker.submits}) == 2
    assert (stored(bot.id).quantity, stored(second.id).quantity) == (1, 2)


def test_bot_whose_broker_is_away_does_not_hold_up_the_other(
    bot: Bot, tell: Teller, links: FakeLinks, broker: FakeBroker
) -> None:
    make_bot("second", strategy=bot.strategy, account=make_account("second"))
    links.down["paper"] = BrokerNotReached("no route")

    answer = tell(BLUE)

    assert [(d["bot"], d["reason"]) for d in answer.body["decisions"]] == [
        ("mes-paper", "BROKER_UNREACHABLE"),
        ("second", "TREND_BLUE"),
    ]


def test_halt_of_one_account_leaves_the_other_trading(bot: Bot, tell: Teller) -> None:
    make_bot("second", strategy=bot.strategy, account=make_account("second"))
    set_mode(TradingMode.HALTED, "account:paper")

    answer = tell(BLUE)

    assert [d["reason"] for d in answer.body["decisions"]] == ["HALTED", "TREND_BLUE"]


def test_bot_not_reached_is_decided_by_recovery_which_honours_the_age(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    second = make_bot("second", strategy=bot.strategy, account=make_account("second"))
    broker.before_submit = lambda _: clock.advance(2.4)
    tell(BLUE)
    broker.before_submit = None
    clock.advance(LEFT_BEHIND_S)

    recover(desk)

    assert state_of(second) == IN_LONG
    assert said_by(second) == ("ENTER_LONG", "TREND_BLUE")
    assert len(broker.submits) == 2


def said_by(bot: Bot) -> tuple[str, str]:
    decision = Decision.objects.get(bot=bot)
    return decision.action, decision.reason


def test_alert_found_undecided_too_late_opens_nothing(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    second = make_bot("second", strategy=bot.strategy, account=make_account("second"))
    broker.before_submit = lambda _: clock.advance(2.4)
    tell(BLUE)
    clock.advance(61)

    recover(desk)

    assert (said_by(second), state_of(second)) == (("NONE", "TOO_OLD"), DOWN_BLUE)


def test_exit_that_a_long_outage_left_undecided_goes(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    tell(BLUE)
    make_alert(bot.strategy, DOWN, fired_at=START + timedelta(minutes=20))
    clock.advance(72 * 3600)

    recover(desk)

    assert (state_of(bot), broker.held()) == (OUT_BLUE, 0)


def test_position_booked_by_hand_is_reversed_from_what_the_broker_holds(
    bot: Bot, tell: Teller, broker: FakeBroker
) -> None:
    tell(BLUE)
    set_held(bot, 2)
    broker.hold("MESZ6", 2)
    broker.submits.clear()

    assert said(tell(RED, 20)) == ("REVERSE_TO_SHORT", "TREND_RED")
    assert sent(broker) == [("SELL", 3, "MESZ6")]
