"""Each law is broken on purpose, to see that the stories notice."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from strategy import gate, sizing
from strategy.types import Memory
from tests.builders import make_message
from tests.simulation import template
from tests.simulation.acts import answer_to
from tests.simulation.faults import Rates
from tests.simulation.laws import LawBroken
from tests.simulation.playing import play
from tests.simulation.world import World, world_of
from tradedesk.models import Alert, Order, OrderStatus, TradingMode
from tradedesk.services.halting import kill_switch
from tradedesk.services.order_path import choosing, orders
from tradedesk.services.order_path.orders import Outcome
from tradedesk.services.reconciling import recovery
from tradedesk.stores import rows
from tradedesk.stores.rows import Statement

type Break = Callable[[pytest.MonkeyPatch], None]


def send_twice(patch: pytest.MonkeyPatch) -> None:
    real = orders.send

    def send(*args: Any) -> Outcome:
        real(*args)
        return real(*args)

    patch.setattr(orders, "send", send)


def send_without_intent(patch: pytest.MonkeyPatch) -> None:
    real = rows.insertion

    def insertion(row: Any) -> Statement:
        return Statement("SELECT 1", []) if isinstance(row, Order) else real(row)

    patch.setattr(rows, "insertion", insertion)


def forget_to_stand_down(patch: pytest.MonkeyPatch) -> None:
    def stood_down(memory: Memory, alert: Alert, code: Any) -> Memory:
        return memory

    patch.setattr(choosing, "stood_down", stood_down)


def lose_orders_at_first_sight(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(recovery, "_ask", lambda desk, link, order: Outcome(OrderStatus.LOST))


def open_twice_the_size(patch: pytest.MonkeyPatch) -> None:
    real = sizing.order_quantity
    patch.setattr(sizing, "order_quantity", lambda held, target, size: real(held, target, 2 * size))
    patch.setattr(gate, "refusal", lambda checks: None)


def halt_while_an_order_leaves() -> World:
    """Engage the switch from another process while an order is on its way, and return the world."""
    with world_of(0) as world:

        def engage(world: World, point: str) -> None:
            if point == "alert: before order sent":
                halt = partial(kill_switch.engage, scope="all", mode=TradingMode.HALTED, reason="", by="ada")
                world.run("command", "switch on", lambda process: halt(process.desk))
                world.laws.switched["all"] = TradingMode.HALTED

        world.interruptions = engage
        world.faults.rates = Rates(interrupt=1.0)
        world.run("web", "alert", lambda _: answer_to(make_message()))
        world.laws.after_step()
        return world


@pytest.mark.django_db(transaction=True)
def test_order_that_leaves_after_the_switch_returned_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    template.build()
    halt_while_an_order_leaves()
    monkeypatch.setattr(kill_switch, "wait_until_quiet", lambda desk, scope: 0)

    with pytest.raises(LawBroken, match="arrives after HALTED of all returned"):
        halt_while_an_order_leaves()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("break_rule", "complaint"),
    [
        (send_twice, "arrives twice"),
        (send_without_intent, "without an intent"),
        (forget_to_stand_down, "no incident says why"),
        (lose_orders_at_first_sight, "is lost here"),
        (open_twice_the_size, "past the limit"),
    ],
)
def test_broken_rule_is_noticed(break_rule: Break, complaint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    template.build()
    break_rule(monkeypatch)

    noticed = (line for seed in range(100) for line in play(seed)[1] if "LAW BROKEN" in line)

    assert any(complaint in line for line in noticed)
