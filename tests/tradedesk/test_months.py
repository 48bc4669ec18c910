"""One instrument held in two contract months: a difference, never flat, and closed month by month."""

import pytest

from broker.base import BrokerNotReached
from strategy.types import Direction
from tests.builders import set_held
from tests.fakes import FakeBroker, FakeClock
from tests.posting import Teller
from tests.telling import (
    BLUE,
    DOWN,
    LEFT_BEHIND_S,
    RED,
    open_incidents,
    said,
    sent,
    state_of,
    target_of,
)
from tradedesk.models import Bot, Incident, IncidentKind, Order
from tradedesk.services.desk import Desk
from tradedesk.services.halting.flatten import flatten
from tradedesk.services.reconciling.reconciliation import reconcile
from tradedesk.services.reconciling.recovery import recover
from tradedesk.services.reconciling.resolving import CannotAdopt, resolve
from tradedesk.stores.positions import stored


@pytest.mark.parametrize(
    ("booked", "held", "seen"),
    [
        ((0, ""), {"MESZ6": 1, "MESH7": -1}, (-1, 0, "MESH7")),
        ((1, "MESZ6"), {"MESH7": 1}, (1, 0, "MESH7")),
        ((1, "MESZ6"), {"MESZ6": 1, "MESH7": 2}, (2, 0, "MESH7")),
        ((2, "MESZ6"), {"MESZ6": 1, "MESH7": 1}, (1, 0, "MESH7")),
        ((1, "MESZ6"), {}, (0, 1, "MESZ6")),
    ],
)
def test_position_in_other_months_than_booked_is_a_difference(
    bot: Bot,
    desk: Desk,
    broker: FakeBroker,
    clock: FakeClock,
    booked: tuple[int, str],
    held: dict[str, int],
    seen: tuple[int, int, str],
) -> None:
    set_held(bot, booked[0], contract=booked[1])
    for month, quantity in held.items():
        broker.hold(month, quantity)

    (difference,) = reconcile(desk, [bot.account]).differences
    clock.advance(5)
    reconcile(desk, [bot.account])

    assert (difference["broker"], difference["booked"], difference["contract"]) == seen
    assert ("POSITION_MISMATCH", bot.slug) in open_incidents()
    assert broker.submits == []


@pytest.mark.parametrize("event", [BLUE, RED])
def test_opposite_positions_in_two_months_are_not_taken_for_flat_by_an_entry(
    bot: Bot, tell: Teller, broker: FakeBroker, event: str
) -> None:
    broker.hold("MESZ6", 1)
    broker.hold("MESH7", -1)

    answer = tell(event)

    against = ("BUY", 1, "MESH7") if event == BLUE else ("SELL", 1, "MESZ6")
    assert said(answer) == ("EXIT", "POSITION_MISMATCH")
    assert (sent(broker), target_of(bot)) == ([against], Direction.NONE)
    assert ("POSITION_MISMATCH", bot.slug) in open_incidents()


@pytest.mark.parametrize("other", [-1, 2])
def test_exit_closes_every_month(bot: Bot, tell: Teller, broker: FakeBroker, other: int) -> None:
    tell(BLUE)
    broker.hold("MESH7", other)
    broker.submits.clear()

    answer = tell(DOWN, 20)

    assert said(answer) == ("EXIT", "DI_DOWN")
    assert (broker.held("MESZ6"), broker.held("MESH7")) == (0, 0)
    assert len({order.client_order_id for order in broker.submits}) == 2
    assert (stored(bot.id).quantity, stored(bot.id).contract) == (0, "")
    assert state_of(bot)[0] == "NONE"


def test_month_that_time_does_not_suffice_for_is_closed_by_recovery(
    bot: Bot, tell: Teller, broker: FakeBroker, desk: Desk, clock: FakeClock
) -> None:
    tell(BLUE)
    broker.hold("MESH7", -2)
    broker.before_submit = lambda _: clock.advance(2.4)

    tell(DOWN, 20)

    assert (broker.held("MESZ6"), broker.held("MESH7")) == (1, 0)
    assert (stored(bot.id).quantity, stored(bot.id).contract) == (1, "MESZ6")
    broker.before_submit = None
    clock.advance(LEFT_BEHIND_S)
    recover(desk)
    assert (broker.held("MESZ6"), stored(bot.id).quantity) == (0, 0)


def test_month_left_after_the_other_was_closed_is_the_one_that_is_booked(
    bot: Bot, tell: Teller, broker: FakeBroker
) -> None:
    tell(BLUE)
    broker.hold("MESZ6", 3)
    broker.hold("MESH7", 1)
    broker.before_submit = lambda _: broker.fail("positions", BrokerNotReached("no route"))

    tell(DOWN, 20)

    assert (stored(bot.id).quantity, stored(bot.id).contract) == (1, "MESH7")
    assert set(Order.objects.filter(purpose="close").values_list("contract", "status")) == {
        ("MESZ6", "filled"),
        ("MESH7", "pending"),
    }


def test_flatten_closes_every_month(bot: Bot, desk: Desk, tell: Teller, broker: FakeBroker) -> None:
    tell(BLUE)
    broker.hold("MESH7", -1)

    assert flatten(desk, scope=f"bot:{bot.slug}", reason="done", by="ada").flat is True

    assert (broker.held("MESZ6"), broker.held("MESH7"), stored(bot.id).quantity) == (0, 0, 0)


def test_position_in_two_months_cannot_be_adopted(
    bot: Bot, desk: Desk, broker: FakeBroker, clock: FakeClock
) -> None:
    broker.hold("MESZ6", 1)
    broker.hold("MESH7", -1)
    for _ in range(2):
        reconcile(desk, [bot.account])
        clock.advance(5)
    incident = Incident.objects.get(kind=IncidentKind.POSITION_MISMATCH)

    with pytest.raises(CannotAdopt):
        resolve(desk, incident, adopt=True, reason="mine", by="ada")

    assert stored(bot.id).quantity == 0
    assert open_incidents() == [("POSITION_MISMATCH", bot.slug)]
