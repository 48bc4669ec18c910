"""A bot with a stop, on the real paper broker: what goes along, what follows, what is put away."""

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from itertools import count, cycle
from typing import Any
from unittest.mock import patch

import pytest

from broker.base import Change, OrderRequest, Side
from strategy.types import StandDown
from tests.builders import make_message
from tests.posting import Teller, post
from tests.telling import (
    BLUE,
    DOWN,
    DOWN_BLUE,
    DOWN_RED,
    IN_LONG,
    IN_SHORT,
    LEFT_BEHIND_S,
    OUT_BLUE,
    RED,
    UP,
    open_incidents,
    said,
    set_mode,
    state_of,
)
from tests.tradedesk.paper_desk import PaperDesk
from tradedesk.models import Bot, Fill, Instrument, Order, TradingMode, TradingState
from tradedesk.services.halting.flatten import flatten
from tradedesk.services.reconciling.comparing import Comparer
from tradedesk.services.reconciling.following import Follower
from tradedesk.services.reconciling.reconciliation import reconcile
from tradedesk.services.reconciling.recovery import recover
from tradedesk.stores.positions import stored


@pytest.fixture
def bot(bot: Bot, paper: PaperDesk) -> Bot:
    """Return a bot with a stop ten points away and a target twenty."""
    bot.stop_points, bot.target_points = Decimal(10), Decimal(20)
    bot.save()
    return bot


def legs() -> list[tuple[str, str, int, Decimal | None, str]]:
    """Return purpose, side, contracts, price and status of the legs as stored, oldest first."""
    rows = Order.objects.filter(purpose__in=("stop", "target")).order_by("id")
    return [(row.purpose, row.side, row.quantity, row.price, row.status) for row in rows]


def test_entry_goes_out_with_stop_and_target_in_one_request(bot: Bot, tell: Teller, paper: PaperDesk) -> None:
    answer = tell(BLUE)

    assert (said(answer), answer.decision["order"]["status"]) == (("ENTER_LONG", "TREND_BLUE"), "filled")
    assert paper.requests("/order/placeoso") == 1
    assert paper.working() == [("SELL", 1, Decimal("6832.25")), ("SELL", 1, Decimal("6862.25"))]
    assert legs() == [
        ("stop", "SELL", 1, Decimal("6832.25"), "working"),
        ("target", "SELL", 1, Decimal("6862.25"), "working"),
    ]
    assert state_of(bot) == IN_LONG


def test_working_legs_are_ours_and_no_exposure(bot: Bot, tell: Teller, paper: PaperDesk) -> None:
    tell(BLUE)

    assert reconcile(paper.desk, [bot.account]).clean
    assert said(tell(BLUE, 20)) == ("NONE", "SAME_COLOR")
    assert recover(paper.desk).rows == []


def test_exit_puts_the_legs_away_before_it_closes(bot: Bot, tell: Teller, paper: PaperDesk) -> None:
    tell(BLUE)

    answer = tell(DOWN, 20)

    assert (said(answer), answer.decision["order"]["status"]) == (("EXIT", "DI_DOWN"), "filled")
    assert (paper.held(), paper.working(), state_of(bot)) == (0, [], OUT_BLUE)
    assert [status for *_, status in legs()] == ["cancelled", "cancelled"]
    closing = Order.objects.get(purpose="close")
    assert [order.id for order in paper.orders()][-1] == closing.broker_order_id


def test_reversal_closes_and_opens_with_legs_of_its_own_size(
    bot: Bot, tell: Teller, paper: PaperDesk
) -> None:
    tell(BLUE)

    answer = tell(RED, 20)

    assert said(answer) == ("REVERSE_TO_SHORT", "TREND_RED")
    assert (answer.decision["order"]["side"], answer.decision["order"]["quantity"]) == ("SELL", 1)
    assert (paper.held(), state_of(bot)) == (-1, IN_SHORT)
    assert paper.working() == [("BUY", 1, Decimal("6852.25")), ("BUY", 1, Decimal("6822.25"))]
    orders = Order.objects.filter(decision__isnull=False).order_by("id")
    assert list(orders.values_list("purpose", "side", "quantity", "status")) == [
        ("open", "BUY", 1, "filled"),
        ("close", "SELL", 1, "filled"),
        ("open", "SELL", 1, "filled"),
    ]


@pytest.mark.parametrize(("price", "code"), [("6832.25", "STOP_FILLED"), ("6862.25", "TARGET_FILLED")])
def test_leg_that_fills_by_itself_is_found_by_polling_and_stands_the_bot_down(
    bot: Bot, tell: Teller, paper: PaperDesk, price: str, code: str
) -> None:
    tell(BLUE)
    paper.clock.advance(30)
    paper.move(price)

    found = recover(paper.desk)

    assert sorted(row.outcome for row in found.rows) == ["cancelled", "filled"]
    assert (paper.held(), state_of(bot), stored(bot.id).quantity) == (0, DOWN_BLUE, 0)
    assert [entry.reason for entry in stored(bot.id).memory.entries if isinstance(entry, StandDown)] == [code]
    assert Fill.objects.filter(order__purpose__in=("stop", "target")).count() == 1
    assert said(tell(UP, 20)) == ("NONE", "NOT_WAITING")
    assert said(tell(RED, 40)) == ("ENTER_SHORT", "TREND_RED")


def test_leg_that_fills_by_itself_is_booked_by_reconciliation_without_a_difference(
    bot: Bot, tell: Teller, paper: PaperDesk
) -> None:
    tell(BLUE)
    paper.move("6832.25")

    assert reconcile(paper.desk, [bot.account]).clean
    assert (state_of(bot), open_incidents()) == (DOWN_BLUE, [])


def test_leg_that_fills_by_itself_is_booked_by_the_follower(bot: Bot, tell: Teller, paper: PaperDesk) -> None:
    tell(BLUE)
    stop = Order.objects.get(purpose="stop")
    follower = Follower(paper.desk, [bot.account], Comparer(paper.desk))
    paper.move("6832.25")
    (fill,) = next(order.fills for order in paper.orders() if order.id == stop.broker_order_id)

    follower.take(Change(order_id=stop.broker_order_id, fill_id=fill.id))
    follower.work()

    assert (state_of(bot), [status for *_, status in legs()]) == (DOWN_BLUE, ["filled", "cancelled"])


def test_exit_that_finds_the_stop_filled_sends_nothing(bot: Bot, tell: Teller, paper: PaperDesk) -> None:
    tell(BLUE)
    paper.move("6832.25")

    assert said(tell(DOWN, 20)) == ("NONE", "ALREADY_OUT")
    assert (paper.held(), state_of(bot), open_incidents()) == (0, DOWN_BLUE, [])


def test_colour_change_that_finds_the_stop_filled_enters_from_flat(
    bot: Bot, tell: Teller, paper: PaperDesk
) -> None:
    tell(BLUE)
    paper.move("6832.25")

    assert said(tell(RED, 20)) == ("ENTER_SHORT", "TREND_RED")
    assert (paper.held(), state_of(bot), open_incidents()) == (-1, IN_SHORT, [])


def test_stop_that_fills_while_it_is_cancelled_leaves_nothing_to_close(
    bot: Bot, tell: Teller, paper: PaperDesk
) -> None:
    tell(BLUE)
    stop = Order.objects.get(purpose="stop")
    cancel = paper.link.broker.cancel

    def fill_first(order_id: int, *, timeout_s: float) -> int:
        if order_id == stop.broker_order_id:
            paper.move("6832.25")
        return cancel(order_id, timeout_s=timeout_s)

    with patch.object(paper.link.broker, "cancel", fill_first):
        answer = tell(DOWN, 20)

    assert said(answer) == ("NONE", "ALREADY_OUT")
    assert (paper.held(), paper.working(), state_of(bot)) == (0, [], DOWN_BLUE)


def test_halted_exit_leaves_the_legs_where_they_are(bot: Bot, tell: Teller, paper: PaperDesk) -> None:
    tell(BLUE)
    set_mode(TradingMode.HALTED)

    assert said(tell(DOWN, 20)) == ("NONE", "HALTED")
    assert (paper.held(), len(paper.working())) == (1, 2)


def test_exit_waits_for_recovery_while_the_broker_does_not_say_that_the_legs_are_over(
    bot: Bot, tell: Teller, paper: PaperDesk
) -> None:
    tell(BLUE)
    paper.fault("status", "/order/cancelorder", status=500, times=9)

    answer = tell(DOWN, 20)
    held_meanwhile = paper.held()
    paper.heal()
    paper.clock.advance(LEFT_BEHIND_S)
    recover(paper.desk)

    assert (said(answer), held_meanwhile) == (("EXIT", "DI_DOWN"), 1)
    assert answer.decision["order"]["status"] == "pending"
    assert (paper.held(), paper.working(), state_of(bot)) == (0, [], OUT_BLUE)


def test_legs_of_an_entry_whose_answer_was_lost_are_found_by_recovery(
    bot: Bot, tell: Teller, paper: PaperDesk
) -> None:
    paper.fault("drop", "/order/placeoso", when="after")
    answer = tell(BLUE)
    at_first = [status for *_, status in legs()]
    paper.clock.advance(LEFT_BEHIND_S)

    recover(paper.desk)

    assert (answer.decision["order"]["status"], at_first) == ("unconfirmed", ["unconfirmed"] * 2)
    assert ([status for *_, status in legs()], len(paper.working())) == (["working"] * 2, 2)
    assert not Order.objects.filter(broker_order_id=None).exists()
    assert (paper.requests("/order/placeoso"), state_of(bot), paper.held()) == (1, IN_LONG, 1)


def test_legs_of_an_entry_that_never_arrived_are_lost_with_it(
    bot: Bot, tell: Teller, paper: PaperDesk
) -> None:
    paper.fault("drop", "/order/placeoso", when="before")
    tell(BLUE)
    for _ in range(3):
        paper.clock.advance(LEFT_BEHIND_S)
        recover(paper.desk)

    assert [status for *_, status in legs()] == ["lost", "lost"]
    assert (paper.held(), state_of(bot)) == (0, DOWN_BLUE)


def test_legs_of_a_rejected_entry_end_with_it(bot: Bot, tell: Teller, paper: PaperDesk) -> None:
    paper.fault("fate", "/order/placeoso", reject=["LiquidationOnly", "Closing only."])
    tell(BLUE)
    paper.clock.advance(LEFT_BEHIND_S)

    recover(paper.desk)

    assert ([status for *_, status in legs()], state_of(bot)) == (["rejected", "rejected"], DOWN_BLUE)
    assert said(tell(RED, 20)) == ("ENTER_SHORT", "TREND_RED")


def test_rejected_entry_counts_as_one_rejection_whatever_went_with_it(
    bot: Bot, tell: Teller, paper: PaperDesk
) -> None:
    Bot.objects.update(rejections_in_a_row=2)
    paper.fault("fate", "/order/placeoso", reject=["LiquidationOnly", "Closing only."])
    tell(BLUE)
    paper.clock.advance(LEFT_BEHIND_S)

    recover(paper.desk)

    assert Order.objects.filter(status="rejected").count() == 3
    assert TradingState.objects.get(bot=bot).mode == TradingMode.ACTIVE


def test_opening_half_left_behind_is_sent_with_its_legs_while_it_is_young(
    bot: Bot, tell: Teller, paper: PaperDesk
) -> None:
    tell(BLUE)
    paper.fault("fate", "/order/placeorder", hold=True)
    answer = tell(RED, 20)
    closing = Order.objects.get(purpose="close")
    assert closing.broker_order_id is not None
    paper.release(closing.broker_order_id, 1)
    paper.clock.advance(LEFT_BEHIND_S)

    recover(paper.desk)

    assert answer.decision["order"]["status"] == "pending"
    assert (paper.held(), state_of(bot), len(paper.working())) == (-1, IN_SHORT, 2)


def test_opening_half_left_behind_too_long_is_given_up(bot: Bot, tell: Teller, paper: PaperDesk) -> None:
    tell(BLUE)
    paper.fault("fate", "/order/placeorder", hold=True)
    tell(RED, 20)
    closing = Order.objects.get(purpose="close")
    assert closing.broker_order_id is not None
    paper.release(closing.broker_order_id, 1)
    paper.clock.advance(61)

    recover(paper.desk)

    assert (paper.held(), state_of(bot), paper.working()) == (0, DOWN_RED, [])
    assert Order.objects.filter(status="denied").count() == 3


class Killed(BaseException):
    """The process died."""


class Reaper:
    """Lets the process die right after the broker has carried out a certain call."""

    CALLS = ("positions", "submit", "submit_bracket", "cancel", "orders", "fills", "order_report")

    def __init__(self, broker: object, last_call: int) -> None:
        self.left = last_call
        self._patches = [patch.object(broker, name, self._wrap(getattr(broker, name))) for name in self.CALLS]

    def __enter__(self) -> None:
        for each in self._patches:
            each.start()

    def __exit__(self, *_: object) -> None:
        for each in self._patches:
            each.stop()

    def _wrap(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            answer = call(*arguments, **options)
            self.left -= 1
            if not self.left:
                raise Killed
            return answer

        return wrapped


def test_reversal_killed_after_any_call_ends_booked_as_held_and_protected(
    bot: Bot, tell: Teller, paper: PaperDesk
) -> None:
    minute, colors, ends = 0, cycle([BLUE, RED]), []
    for last_call in count(1):
        if not paper.held():
            tell(next(colors), minute := minute + 1)
        reaper = Reaper(paper.link.broker, last_call)
        with suppress(Killed), reaper:
            tell(next(colors), minute := minute + 1)
        for _ in range(2):
            paper.clock.advance(LEFT_BEHIND_S)
            recover(paper.desk)
            assert reconcile(paper.desk, [bot.account]).clean
        held = paper.held()
        assert (stored(bot.id).quantity, abs(held) <= 1) == (held, True)
        side = "SELL" if held > 0 else "BUY"
        assert [(side, 1)] * 2 * abs(held) == [row[:2] for row in paper.working()]
        assert not Order.objects.unfinished().exists()
        ends.append(held)
        if reaper.left > 0:
            break

    ids = [row["clOrdId"] for row in paper.rows("command") if row["commandType"] == "New"]
    assert len(ids) == len(set(ids))
    # Position, two cancels, orders, position, closing, fills, position, opening, fills; then unharmed.
    assert len(ends) == 11


def test_legs_follow_what_an_entry_has_filled(bot: Bot, tell: Teller, paper: PaperDesk) -> None:
    Bot.objects.update(size=3)
    paper.fault("fate", "/order/placeoso", parts=[1, 2])
    tell(BLUE)
    entry = Order.objects.get(purpose="open")
    assert entry.broker_order_id is not None
    of_one = paper.working()
    paper.release(entry.broker_order_id, 2)
    paper.clock.advance(LEFT_BEHIND_S)

    recover(paper.desk)
    found = reconcile(paper.desk, [bot.account])

    assert [(side, quantity) for side, quantity, _ in of_one] == [("BUY", 3), ("SELL", 1), ("SELL", 1)]
    assert [(side, quantity) for side, quantity, _ in paper.working()] == [("SELL", 3), ("SELL", 3)]
    assert (found.clean, stored(bot.id).quantity, open_incidents()) == (True, 3, [])


def test_flatten_cancels_what_protected_only_after_the_closing(
    bot: Bot, tell: Teller, paper: PaperDesk
) -> None:
    tell(BLUE)

    assert flatten(paper.desk, scope="all", reason="enough", by="ada").flat
    closing = Order.objects.get(purpose="flatten")
    cancels = [row for row in paper.rows("command") if row["commandType"] == "Cancel"]
    assert closing.broker_order_id is not None
    assert min(row["id"] for row in cancels) > closing.broker_order_id
    assert [status for *_, status in legs()] == ["cancelled", "cancelled"]
    assert (paper.held(), paper.working(), open_incidents()) == (0, [], [])


def test_leg_of_a_position_that_a_person_closed_is_cancelled_at_the_second_look(
    bot: Bot, tell: Teller, paper: PaperDesk
) -> None:
    tell(BLUE)
    link = paper.link
    by_hand = OrderRequest(link.account.id, link.account.name, "MESZ6", Side.SELL, 1, "by-hand")
    link.broker.submit(by_hand, timeout_s=5)
    reconcile(paper.desk, [bot.account])
    after_one_look = len(paper.working())
    paper.clock.advance(30)

    reconcile(paper.desk, [bot.account])

    assert (after_one_look, paper.working()) == (2, [])
    assert open_incidents() == [("POSITION_MISMATCH", bot.slug)]


def test_position_in_a_month_that_has_rolled_is_closed_without_its_legs(
    bot: Bot, tell: Teller, paper: PaperDesk
) -> None:
    Instrument.objects.filter(root="MES").update(pinned_contract="MESH7")
    tell(BLUE)
    held = paper.held("MESH7")
    Instrument.objects.filter(root="MES").update(pinned_contract="")

    assert said(tell(RED, 20)) == ("EXIT", "CONTRACT_ROLLED")
    assert (held, paper.held("MESH7"), paper.working(), state_of(bot)) == (1, 0, [], DOWN_RED)


def test_legs_count_as_no_orders_of_their_own(bot: Bot, tell: Teller, paper: PaperDesk) -> None:
    Bot.objects.update(orders_per_minute=3)
    tell(BLUE)

    assert said(tell(RED, 0.5)) == ("REVERSE_TO_SHORT", "TREND_RED")
    assert paper.held() == -1


# --- the stop is gone, or does not fit ---


def take_away(paper: PaperDesk) -> None:
    """Cancel the stop that works at the broker, as a person there would."""
    stop = Order.objects.open_legs().get(purpose="stop")
    assert stop.broker_order_id is not None
    paper.link.broker.cancel(stop.broker_order_id, timeout_s=5)


def test_stop_that_is_gone_is_put_back_once_and_then_the_position_is_closed(
    bot: Bot, tell: Teller, paper: PaperDesk
) -> None:
    tell(BLUE)
    take_away(paper)
    reconcile(paper.desk, [bot.account])
    put_back, told = paper.working(), open_incidents()
    reconcile(paper.desk, [bot.account])
    told_then = open_incidents()
    take_away(paper)

    reconcile(paper.desk, [bot.account])

    # Ten and twenty points from the average price now.
    assert put_back == [("SELL", 1, Decimal("6832.5")), ("SELL", 1, Decimal("6862.5"))]
    assert (told, told_then) == ([("STOP_MISSING", bot.slug)], [])
    assert (paper.held(), paper.working(), state_of(bot)) == (0, [], DOWN_BLUE)
    reconcile(paper.desk, [bot.account])
    assert open_incidents() == []


def test_halted_desk_puts_no_stop_back_but_tells(bot: Bot, tell: Teller, paper: PaperDesk) -> None:
    tell(BLUE)
    take_away(paper)
    set_mode(TradingMode.HALTED)

    reconcile(paper.desk, [bot.account])

    assert [side for side, *_ in paper.working()] == ["SELL"]
    assert (paper.held(), open_incidents()) == (1, [("STOP_MISSING", bot.slug)])


def test_stop_through_the_market_that_cannot_be_put_back_closes_the_position(
    bot: Bot, tell: Teller, paper: PaperDesk
) -> None:
    tell(BLUE)
    take_away(paper)
    paper.move("6830")
    reconcile(paper.desk, [bot.account])

    reconcile(paper.desk, [bot.account])

    assert (paper.held(), paper.working(), state_of(bot)) == (0, [], DOWN_BLUE)


# --- what an opening is sized and priced by ---


def test_alert_without_a_close_opens_nothing(bot: Bot, paper: PaperDesk) -> None:
    message = make_message(BLUE)
    message["price_data"]["close"] = "na"

    answer = post(message)

    assert said(answer) == ("NONE", "NO_STOP_PRICE")
    assert (paper.held(), state_of(bot)) == (0, DOWN_BLUE)


@pytest.mark.parametrize(("percent", "contracts"), [("0.3", 3), ("0.35", 3), ("1", 5)])
def test_risk_sets_the_contracts_up_to_the_largest_position(
    bot: Bot, tell: Teller, paper: PaperDesk, percent: str, contracts: int
) -> None:
    Bot.objects.update(risk_percent=Decimal(percent), max_position=5)
    reconcile(paper.desk, [bot.account])

    answer = tell(BLUE)

    assert (said(answer), paper.held()) == (("ENTER_LONG", "TREND_BLUE"), contracts)
    assert [quantity for _, quantity, _ in paper.working()] == [contracts, contracts]


def test_risk_below_one_contract_opens_nothing_and_still_closes(
    bot: Bot, tell: Teller, paper: PaperDesk
) -> None:
    tell(BLUE)
    Bot.objects.update(risk_percent=Decimal("0.05"))
    reconcile(paper.desk, [bot.account])

    assert said(tell(RED, 0.5)) == ("EXIT", "RISK_SIZE")
    assert (paper.held(), state_of(bot)) == (0, DOWN_RED)


def test_value_that_is_too_old_to_size_by_opens_nothing(bot: Bot, tell: Teller, paper: PaperDesk) -> None:
    Bot.objects.update(risk_percent=Decimal(1))
    reconcile(paper.desk, [bot.account])
    paper.clock.advance(91)

    assert said(tell(BLUE, 2)) == ("NONE", "RISK_SIZE")


def test_closing_that_an_opening_leaves_goes_only_once_the_legs_are_over(
    bot: Bot, tell: Teller, paper: PaperDesk
) -> None:
    paper.fault("fate", "/order/placeoso", hold=True)
    tell(BLUE)
    paper.fault("status", "/order/cancelorder", status=500, times=9)
    tell(DOWN, 20)
    paper.heal()
    paper.release(Order.objects.get(purpose="open").broker_order_id or 0, 1)
    paper.clock.advance(LEFT_BEHIND_S)

    recover(paper.desk)
    paper.move("6832.25")

    assert (paper.held(), paper.working(), stored(bot.id).quantity) == (0, [], 0)
