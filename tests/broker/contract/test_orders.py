"""What a broker does with orders: the numbered list that any server of this protocol must pass."""

from decimal import Decimal

import pytest

from broker.base import BrokerOrderStatus, BrokerRefused, Side
from broker.orders import CommandState, Leg
from broker.terms import OrderType, Terms, TimeInForce
from tests.broker.contract.venue import LIMIT_S, PLACE, Venue, limit, stop


def test_01_market_order_is_placed_and_filled_with_its_terms_fills_and_price(at: Venue) -> None:
    order = at.order(at.submit("c-01", Side.BUY, 2))

    assert (order.status, order.filled_quantity, order.reject_reason) == (BrokerOrderStatus.FILLED, 2, "")
    assert (order.client_order_id, order.quantity, order.terms) == ("c-01", 2, Terms())
    assert order.average_price is not None
    assert order.average_price % Decimal("0.25") == 0
    assert at.held() == 2
    named = at.client.named_orders(at.account.id, timeout_s=LIMIT_S)
    assert [(row.id, row.client_order_id) for row in named] == [(order.id, "c-01")]


def test_02_refusal_at_once_makes_no_order(at: Venue) -> None:
    at.fault("refuse", PLACE, reason="MaxPosLimitReached", text="Too much.")

    with pytest.raises(BrokerRefused) as refused:
        at.submit("c-02")

    assert (refused.value.reason, refused.value.text) == ("MaxPosLimitReached", "Too much.")
    assert at.orders_named("c-02") == []


def test_03_late_rejection_shows_on_the_order_with_its_reason(at: Venue) -> None:
    at.fault("fate", PLACE, reject=["UnknownReason", "Insufficient margin"])

    order_id = at.submit("c-03")

    assert at.status(order_id) is BrokerOrderStatus.REJECTED
    assert at.order(order_id).reject_reason == "UnknownReason: Insufficient margin"
    assert at.held() == 0


def test_04_order_filled_in_parts_works_until_the_last_one(at: Venue) -> None:
    at.fault("fate", PLACE, parts=[1, 2])

    order_id = at.submit("c-04", Side.SELL, 3)
    first = at.report(order_id)
    at.scenario("release", {"orderId": order_id})
    last = at.report(order_id)

    assert (first.status, first.filled_quantity) == (BrokerOrderStatus.WORKING, 1)
    assert (last.status, last.filled_quantity) == (BrokerOrderStatus.FILLED, 3)
    assert at.held() == -3


def test_05_cancel_that_loses_the_race_is_refused_and_the_fill_stands(at: Venue) -> None:
    order_id = at.submit("c-05")

    with pytest.raises(BrokerRefused):
        at.client.cancel(order_id, timeout_s=LIMIT_S)

    assert at.status(order_id) is BrokerOrderStatus.FILLED
    assert at.held() == 1


def test_06_cancel_of_a_partly_filled_order_keeps_its_fills(at: Venue) -> None:
    at.fault("fate", PLACE, parts=[1])
    order_id = at.submit("c-06", Side.BUY, 2)

    command_id = at.client.cancel(order_id, timeout_s=LIMIT_S)

    assert at.client.command_outcome(command_id, timeout_s=LIMIT_S).state is CommandState.DONE
    report = at.report(order_id)
    assert (report.status, report.filled_quantity) == (BrokerOrderStatus.CANCELLED, 1)
    assert at.held() == 1


def test_07_modified_order_trades_under_its_new_terms_only(at: Venue) -> None:
    order_id = at.submit("c-07", Side.BUY, 1, limit("6800"))
    new = Terms(OrderType.LIMIT, price=Decimal("6810.25"), time_in_force=TimeInForce.GTC)

    command_id = at.client.modify(order_id, 2, new, "c-07-2", timeout_s=LIMIT_S)
    changed = at.order(order_id)
    at.move(Decimal("6810"))

    assert at.client.command_outcome(command_id, timeout_s=LIMIT_S).state is CommandState.DONE
    assert (changed.quantity, changed.terms) == (2, new)
    filled = at.order(order_id)
    assert (filled.status, filled.average_price) == (BrokerOrderStatus.FILLED, Decimal("6810.25"))


def test_08_modification_of_a_filled_order_is_refused_and_changes_nothing(at: Venue) -> None:
    order_id = at.submit("c-08")

    with pytest.raises(BrokerRefused):
        at.client.modify(order_id, 5, limit("6800"), "c-08-2", timeout_s=LIMIT_S)

    assert (at.order(order_id).quantity, at.held()) == (1, 1)


def test_09_bracket_legs_wait_then_work_and_one_fill_cancels_the_other(at: Venue) -> None:
    entry = at.request("c-09", Side.BUY, 1, limit("6830"))
    legs = [Leg(Side.SELL, limit("6850"), "c-09-t"), Leg(Side.SELL, stop("6820"), "c-09-s")]

    placed = at.client.submit_bracket(entry, legs, timeout_s=LIMIT_S)
    target, protection = placed.leg_ids
    waiting = at.client.working_orders(at.account.id, timeout_s=LIMIT_S)
    at.move(Decimal("6830"))
    entered = at.held()
    at.move(Decimal("6819.75"))

    assert {order.id for order in waiting} == {placed.entry_id, target, protection}
    assert entered == 1
    assert at.status(protection) is BrokerOrderStatus.FILLED
    assert at.status(target) is BrokerOrderStatus.CANCELLED
    assert at.held() == 0
    leg = at.order(protection)
    assert (leg.parent_id, leg.client_order_id, leg.quantity) == (placed.entry_id, "c-09-s", 1)


def test_10_cancelling_an_entry_ends_its_legs(at: Venue) -> None:
    entry = at.request("c-10", Side.BUY, 1, limit("6830"))
    placed = at.client.submit_bracket(entry, [Leg(Side.SELL, stop("6820"), "c-10-s")], timeout_s=LIMIT_S)

    at.client.cancel(placed.entry_id, timeout_s=LIMIT_S)

    assert [at.status(order_id) for order_id in (placed.entry_id, *placed.leg_ids)] == [
        BrokerOrderStatus.CANCELLED,
        BrokerOrderStatus.CANCELLED,
    ]


def test_11_leg_of_a_rejected_entry_is_rejected_with_it(at: Venue) -> None:
    at.fault("fate", "/order/placeoso", reject=["LiquidationOnly", "Closing only."])
    entry = at.request("c-11")

    placed = at.client.submit_bracket(entry, [Leg(Side.SELL, stop("6820"), "c-11-s")], timeout_s=LIMIT_S)

    assert at.order(placed.entry_id).reject_reason.startswith("LiquidationOnly")
    assert at.order(placed.leg_ids[0]).reject_reason.startswith("ParentRejected")


def test_12_leg_ids_that_the_reply_leaves_out_are_found_by_our_own(at: Venue) -> None:
    entry = at.request("c-12", Side.BUY, 1, limit("6830"))
    placed = at.client.submit_bracket(entry, [Leg(Side.SELL, stop("6820"), "c-12-s")], timeout_s=LIMIT_S)

    assert at.client.find_order(at.account.id, "c-12-s", timeout_s=LIMIT_S) == placed.leg_ids[0]


def test_13_of_a_pair_the_fill_of_one_cancels_the_other(at: Venue) -> None:
    at.submit("c-13-0")
    above = at.request("c-13", Side.SELL, 1, limit("6850"))

    first, second = at.client.submit_pair(above, Leg(Side.SELL, stop("6820"), "c-13-s"), timeout_s=LIMIT_S)
    at.move(Decimal("6850"))

    assert at.status(first) is BrokerOrderStatus.FILLED
    assert at.status(second) is BrokerOrderStatus.CANCELLED
    assert at.held() == 0


def test_14_liquidation_cancels_what_works_and_closes_what_is_held(at: Venue) -> None:
    at.submit("c-14", Side.SELL, 2)
    resting = at.submit("c-14-r", Side.BUY, 1, limit("6800"))

    closing = at.client.liquidate(at.account.id, at.contract.id, timeout_s=LIMIT_S)

    assert at.status(resting) is BrokerOrderStatus.CANCELLED
    assert at.report(closing).filled_quantity == 2
    assert at.held() == 0
    with pytest.raises(BrokerRefused):
        at.client.liquidate(at.account.id, at.contract.id, timeout_s=LIMIT_S)


def test_15_reversal_is_one_order_through_zero(at: Venue) -> None:
    at.submit("c-15-1", Side.BUY, 1)

    at.submit("c-15-2", Side.SELL, 2)

    assert at.held() == -1


def test_16_money_adds_up_after_a_round_trip(at: Venue) -> None:
    before = at.client.cash(at.account.id, timeout_s=LIMIT_S)
    bought = at.order(at.submit("c-16-1", Side.BUY, 2))
    sold = at.order(at.submit("c-16-2", Side.SELL, 2))

    after = at.client.cash(at.account.id, timeout_s=LIMIT_S)
    fills = [fill for order in (bought, sold) for fill in order.fills]
    paid = at.client.fill_costs([fill.id for fill in fills], timeout_s=LIMIT_S)
    fees = sum(paid.values(), Decimal(0))

    assert bought.average_price is not None
    assert sold.average_price is not None
    realised = (sold.average_price - bought.average_price) * 2 * at.contract.point_value
    each = at.client.costs("MES", timeout_s=LIMIT_S)
    assert each.fee is not None
    assert each.fee > 0
    assert paid == {fill.id: fill.quantity * each.fee for fill in fills}
    assert list(at.client.account_fills(at.account.id, timeout_s=LIMIT_S)) == fills
    assert after.realized_pnl == realised
    assert after.total_cash_value == (before.total_cash_value or 0) + realised - fees
    assert (after.open_pnl, after.net_liq) == (Decimal(0), after.total_cash_value)
